"""Lessons: given to whom they concern, when a context is written; counted, and judged by what became of it."""
import os
import statistics
import time
import unittest

from lib import UID_A, UID_B, Case, as_uid, errno_of, need_root, sanitized, value, write


def names(text):
    return [line.split()[1] for line in text.splitlines() if line.startswith("lesson ")]


class Lessons(Case):
    def lesson(self, name, keywords, body, status="active"):
        m = self.m
        os.mkdir(m.path("lessons", name))
        m.write(keywords, "lessons", name, "keywords")
        m.write(body, "lessons", name, "body")
        m.write(f"{status}\n", "lessons", name, "status")

    def session(self, name, context=None):
        os.mkdir(self.m.path("sessions", name))
        if context is not None:
            self.m.write(context, "sessions", name, "context")
        return name

    def given(self, name):
        return self.m.read("sessions", name, "lessons")

    def effect(self, name, key):
        return value(self.m.read("lessons", name, "effect"), key)


class Giving(Lessons):
    def test_a_context_is_given_what_matches_with_its_body_the_best_first(self):
        self.lesson("push", "git push --force\nrebas*\n", "# Push\n\nNever to main.\n")
        self.lesson("main", "main\n", "# Main\n")
        self.lesson("other", "database\n", "# Other\n")
        self.lesson("old", "main\n", "# Old\n", "archived")
        s = self.session("s1", "Rebasing main,\nthen GIT  push --force\n")
        text = self.given(s)
        self.assertEqual(names(text), ["push", "main"])
        self.assertRegex(text, r"^lesson push \d\.\d{3}: git push --force, rebas\*\n# Push\n\nNever to main.\n")
        self.assertEqual(self.m.read("sessions", s, "context"), "Rebasing main,\nthen GIT  push --force\n")
        self.assertEqual(self.given(self.session("s2")), "")

    def test_reading_records_nothing(self):
        self.lesson("a", "alpha\n", "# A\n")
        self.session("s1", "alpha\n")
        before = self.m.read("events")
        for path in (("sessions", "s1", "lessons"), ("lessons", "a", "fired"), ("lessons", "a", "effect"),
                     ("lessons", "a", "verdict"), ("sessions", "s1", "context")):
            for _ in range(3):
                self.m.read(*path)
        self.assertEqual(self.m.read("events"), before)

    def test_a_context_in_pieces_and_from_a_shell(self):
        self.lesson("a", "alpha\n", "# A\n")
        self.lesson("b", "beta\n", "# B\n")
        s = self.session("s1")
        r = self.m.sh(f"printf 'first alpha\\nthen beta\\n' > sessions/{s}/context && cat sessions/{s}/lessons")
        self.assertEqual(r.rc, 0, r.err)
        self.assertEqual(sorted(names(r.out)), ["a", "b"])
        self.assertEqual(value(self.m.read("lessons", "a", "fired"), "fired"), "1")

    def test_64_KiB_are_taken_and_more_is_E2BIG(self):
        self.lesson("a", "alpha\n", "# A\n")
        s = self.session("s1", "x" * 65530 + "\n")
        self.assertEqual(self.given(s), "")
        path = self.m.path("sessions", s, "context")
        self.assertEqual(errno_of(write, path, "alpha " * 20000), "E2BIG")

    def test_the_text_is_no_longer_than_the_budget_and_says_what_was_left_out(self):
        for i in range(12):
            self.lesson(f"l{i:02}", "alpha\n" if i else "alpha\nbeta\n", "# x\n" + "y" * 300 + "\n")
        self.m.write("2048\n", "control", "lessons", "budget")
        text = self.given(self.session("s1", "alpha beta\n"))
        given = names(text)
        left = value(text, "left-out").split()
        self.assertEqual(given[0], "l00")
        self.assertEqual(sorted(given + left), [f"l{i:02}" for i in range(12)])
        self.assertLessEqual(len(text[: text.index("left-out")]), 2048)
        self.assertGreater(len(given), 3)

    def test_a_mended_lesson_is_read_mended_and_a_removed_one_not_at_all(self):
        self.lesson("a", "alpha\n", "# A\n")
        s = self.session("s1", "alpha\n")
        self.m.write("# Mended\n", "lessons", "a", "body")
        self.assertIn("# Mended", self.given(s))
        os.rmdir(self.m.path("lessons", "a"))
        self.assertEqual(self.given(s), "")

    def test_what_is_held_out_is_not_shown_and_counted_apart(self):
        self.lesson("a", "alpha\n", "# A\n")
        self.m.write("0.5\n", "control", "lessons", "dropout")
        self.assertEqual(errno_of(self.m.write, "0.6\n", "control", "lessons", "dropout"), "ERANGE")
        shown = sum(bool(self.given(self.session(f"s{i}", "alpha\n"))) for i in range(40))
        fired = self.m.read("lessons", "a", "fired")
        self.assertEqual(int(value(fired, "fired")), shown)
        self.assertEqual(int(value(fired, "held-out")), 40 - shown)
        self.assertTrue(5 < shown < 35, shown)
        self.assertEqual(value(fired, "sessions"), "40")
        events = self.m.events("context")
        self.assertEqual(sum(e["fired"][0]["held"] for e in events), 40 - shown)
        self.assertEqual(len({e["seed"] for e in events}), 40)

    def test_only_the_session_writes_its_context(self):
        need_root()
        as_uid(UID_A, os.mkdir, self.m.path("sessions", "a"))
        path = self.m.path("sessions", "a", "context")
        self.assertEqual(as_uid(UID_A, errno_of, write, path, "mine\n"), "ok")
        self.assertIn(as_uid(UID_B, errno_of, write, path, "yours\n"), ("EACCES", "EPERM"))
        self.assertIn(as_uid(UID_A, errno_of, write, self.m.path("control", "lessons", "dropout"), "0.5\n"),
                      ("EACCES", "EPERM"))
        os.rmdir(self.m.path("sessions", "a"))
        self.assertEqual(errno_of(write, path, "late\n"), "ESTALE")


class Measuring(Lessons):
    def end(self, name, grade):
        self.m.write(f"{grade} as it went\n", "sessions", name, "grades", "trajectory")
        os.rmdir(self.m.path("sessions", name))

    def test_the_effect_is_that_of_the_whole_grades(self):
        m = self.m
        for part in ("cascade", "harm", "alignment", "productivity", "restraint"):
            m.write("0\n", "control", "grading", part)
        self.lesson("a", "alpha\n", "# A\n")
        for i in range(4):
            self.end(self.session(f"w{i}", "alpha\n"), 0.8 + 0.1 * (i % 2))
            self.end(self.session(f"o{i}", "beta\n"), 0.4 + 0.1 * (i % 2))
        self.assertEqual(self.effect("a", "observed"), "+0.4000")
        self.assertEqual(self.effect("a", "observed-fired"), "4 mean 0.8500")
        self.assertEqual(self.effect("a", "observed-others"), "4 mean 0.4500")
        self.assertEqual(self.effect("a", "randomised"), "-")
        low, high = map(float, self.effect("a", "observed-interval").split())
        self.assertTrue(0.25 < low < 0.4 < high < 0.55, (low, high))
        m.write("0 broke everything\n", "sessions", "w0", "grades", "trajectory")
        self.assertEqual(self.effect("a", "observed"), "+0.2000")
        effect = m.read("lessons", "a", "effect")
        m.restart()
        self.assertEqual(m.read("lessons", "a", "effect"), effect)

    def test_a_lesson_that_nobody_is_given_is_unknown(self):
        self.lesson("a", "alpha\n", "# A\n", "draft")
        self.assertEqual(self.m.read("lessons", "a", "verdict"), "unknown its status is draft: it is given to nobody\n")
        self.m.write("active\n", "lessons", "a", "status")
        self.assertTrue(self.m.read("lessons", "a", "verdict").startswith("unknown fewer than 30 sessions"))

    def test_a_silent_lesson_is_supply_of_lint_lessons(self):
        m = self.m
        m.write("0s\n", "control", "verdict-interval")
        m.write("10\n", "control", "lessons", "window")
        self.lesson("mute", "alpha\n", "# Mute\n")
        self.assertTrue(m.read("probes", "lint-lessons", "verdict").startswith("dry"))
        for i in range(10):
            self.session(f"s{i}", "beta\n")
        self.assertTrue(m.read("lessons", "mute", "verdict").startswith("silent "))
        self.assertIn("lesson mute: silent", m.read("probes", "lint-lessons", "verdict"))


@unittest.skipIf(sanitized(), "times of a sanitizer's build say nothing")
class Cost(Lessons):
    def test_a_context_of_64_KiB_against_300_lessons_costs_no_more_than_a_few_large_writes(self):
        for i in range(300):
            self.lesson(f"l{i}", f"word{i} thing\nother{i}\ngit topic{i}\n", "# x\n")
        s = self.session("s1")
        text = "git push word7 thing other8 " * 2300 + "\n"

        def took(*path):
            times = []
            for _ in range(9):
                start = time.monotonic()
                self.m.write(text, *path)
                times.append(time.monotonic() - start)
                self.m.write("x\n", *path)
            return statistics.median(times)

        os.mkdir(self.m.path("tasks", "T"))
        plain = took("tasks", "T", "body")
        self.assertLess(took("sessions", s, "context"), 20 * plain)
