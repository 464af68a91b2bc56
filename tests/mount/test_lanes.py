"""Lanes: what is in them, and that a full one takes no more claims, however they are asked for."""
import os
import subprocess

import lib
from lib import need_tool


class Lanes(lib.Case):
    def setUp(self):
        super().setUp()
        self.one = self.m.session("one")
        self.two = self.m.session("two")
        os.mkdir(self.m.path("lanes/web"))
        for name in "abc":
            self.m.task(name, lane="web")
        self.m.task("other")

    def claim_a(self):
        self.m.write("1\n", "lanes/web/limit")
        self.m.claim("one", "a")

    def full(self, fn, *args, **kwargs):
        self.refused("EDQUOT", fn, *args, **kwargs)
        why = self.m.why("two")
        self.assertIn("lane web of b is full: its limit is 1; held by one (a)", why)

    def test_ready_and_held_are_its_tasks_alone(self):
        self.assertEqual(self.m.read("lanes/web/ready"), "a\nb\nc\n")
        self.assertEqual(self.m.read("lanes/web/held"), "")
        self.claim_a()
        token = lib.value(self.m.read("claims/a"), "token")
        self.assertEqual(self.m.read("lanes/web/ready"), "b\nc\n")
        self.assertEqual(self.m.read("lanes/web/held"), f"a one {token}\n")

    def test_a_claim_by_touch_in_a_full_one_is_EDQUOT(self):
        self.claim_a()
        self.full(self.m.claim, "two", "b")
        self.m.claim("two", "other")

    def test_a_claim_by_mv_in_a_full_one_is_EDQUOT(self):
        self.claim_a()
        self.full(os.rename, self.m.path("ready/b"), self.m.path("sessions/two/claims/b"))

    def test_a_claim_by_flock_in_a_full_one_fails_and_does_not_wait(self):
        need_tool("flock")
        self.claim_a()
        got = subprocess.run(["flock", self.m.path("sessions/two/claims/b"), "true"], timeout=20,
                             capture_output=True, text=True)
        self.assertNotEqual(got.returncode, 0)
        self.assertIn("lane web of b is full", self.m.why("two"))

    def test_what_is_given_back_makes_room(self):
        self.claim_a()
        self.m.release("one", "a")
        self.m.claim("two", "b")

    def test_a_hand_over_is_no_new_claim(self):
        self.claim_a()
        os.rename(self.m.path("sessions/one/claims/a"), self.m.path("sessions/two/claims/a"))
        self.assertEqual(self.m.read("lanes/web/held").split()[:2], ["a", "two"])
