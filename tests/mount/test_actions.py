"""Outward deeds: one asker is told yes, and of what nobody knows nobody does it again.

COORDFS_ROUNDS=1000 runs the race so often, COORDFS_KILLS=200 kills the daemon so
often; without them there are enough to notice.
"""
import collections
import errno
import os
import random
import stat
import subprocess
import time
import unittest

import lib
from lib import UID_A, UID_B, Case, need_root, read, value, values
from live import Processes
from test_claims import PYTHON

ROUNDS = int(os.environ.get("COORDFS_ROUNDS") or 0)
KILLS = int(os.environ.get("COORDFS_KILLS") or 12)
SEED = int(os.environ.get("COORDFS_SEED") or 1)
RACER = os.path.join(os.path.dirname(lib.COORDFS), "tests/racer")
ASKING = ["touch", ">", "set -C; >", "open('x')", "O_EXCL|O_RDONLY", "node wx", "Path.touch"]

KEY = "comment:org+repo#12:ack"
UNKNOWN = "unknown: look before acting"


class Actions(Case):
    def setUp(self):
        super().setUp()
        for name in "ab":
            self.m.session(name)

    def act(self, session, command, **kwargs):
        """The exit status of a shell command in actions/, by SESSION."""
        return self.m.sh(command, session=session, cwd=self.m.path("actions"), **kwargs).rc

    def ask(self, session, key=KEY, **kwargs):
        return self.act(session, ["touch", key], **kwargs) == 0

    def say(self, session, text, key=KEY, **kwargs):
        return self.act(session, f'echo "{text}" >> "{key}"', **kwargs) == 0

    def rm(self, session, key=KEY, **kwargs):
        return self.act(session, ["rm", key], **kwargs) == 0

    def first(self, key=KEY):
        return self.m.read("actions", key).splitlines()[0]

    def assertRefused(self, session, name, *words):
        self.assertWhy(self.m.why(session), name, *words)


class Asking(Actions):
    def test_one_is_told_yes_and_the_file_says_who(self):
        self.assertTrue(self.ask("a"))
        text = self.m.read("actions", KEY)
        self.assertEqual([l.split()[0] for l in text.splitlines()],
                         ["permitted", "session", "since", "changed", "until", "queue", "open", "history"])
        self.assertEqual(value(text, "session"), "a")
        self.assertEqual(value(text, "queue"), "-")
        self.assertRegex(value(text, "history"), r"^\S+Z permitted a$")
        self.assertEqual(self.m.ls("actions"), [KEY])

    def test_every_second_time_is_EEXIST_ones_own_included(self):
        self.assertTrue(self.ask("a"))
        for session in "ab":
            for command in (f"touch '{KEY}'", f": > '{KEY}'", f"set -C; : > '{KEY}'", f"echo x > '{KEY}'",
                            f"truncate -s 0 '{KEY}'", f"touch -c '{KEY}'", f"cp /dev/null '{KEY}'"):
                with self.subTest(session=session, command=command):
                    self.assertNotEqual(self.act(session, command), 0)
        self.assertRefused("b", "EEXIST", "permitted to session a", "unknown at")
        self.assertEqual(self.m.events("action-permitted")[1:], [])
        self.assertEqual(self.first(), "permitted")

    def test_without_a_session_is_ENOKEY(self):
        self.refused("ENOKEY", os.open, self.m.path("actions", KEY), os.O_CREAT | os.O_WRONLY)
        self.assertEqual(self.m.ls("actions"), [])

    def test_what_append_would_make_is_EINVAL(self):
        self.assertNotEqual(self.act("a", f": >> '{KEY}'"), 0)
        self.assertRefused("a", "EINVAL", "ask first")
        self.assertNotEqual(self.act("a", f"flock -n '{KEY}' true"), 0)
        self.assertEqual(self.m.ls("actions"), [])

    def test_a_name_that_is_none_is_EINVAL(self):
        for key in (".x", "a b", "x~", ".x.swp", "x.tmp", "x" * 129):
            self.assertFalse(self.ask("a", key), key)
        self.assertEqual(self.m.ls("actions"), [])

    def test_while_the_board_is_closed_is_EROFS(self):
        self.m.write("stop\n", "control", "estop")
        self.assertFalse(self.ask("a"))
        self.assertRefused("a", "EROFS", "stop")

    def test_it_is_not_moved_linked_or_made_a_directory(self):
        self.assertTrue(self.ask("a"))
        path = self.m.path("actions", KEY)
        self.refused("EINVAL", os.rename, path, self.m.path("actions", "other"))
        self.refused("EPERM", os.rename, path, self.m.path("claims", KEY))
        self.refused("EPERM", os.link, path, self.m.path("actions", "other"))
        self.refused("EPERM", os.mkdir, self.m.path("actions", "other"))
        self.refused("EPERM", os.chmod, path, 0o600)
        self.refused("EPERM", os.utime, self.m.path("actions"))

    def test_mode_owner_time_and_size_are_true(self):
        self.assertTrue(self.ask("a"))
        self.assertTrue(self.say("a", "posted https://x"))
        st = os.stat(self.m.path("actions", KEY))
        text = self.m.read("actions", KEY)
        self.assertEqual(stat.S_IMODE(st.st_mode), 0o666)
        self.assertEqual(stat.S_IMODE(os.stat(self.m.path("actions")).st_mode), 0o777)
        self.assertEqual(st.st_size, len(text.encode()))
        self.assertEqual(int(st.st_mtime), self.m.events("action-done")[0]["at"] // 1000)
        self.assertEqual(st.st_uid, self.m.events("action-permitted")[0]["uid"])


class OneProcess(Actions):
    """A process that keeps the file open which it made, as a long-lived one may."""

    PROGRAM = """if True:
        import errno, os, pathlib, sys
        key = sys.argv[1]
        def said(fn, *args):
            try:
                fn(*args)
                return "ok"
            except OSError as e:
                return errno.errorcode[e.errno]
    """

    def run_python(self, text, key=KEY):
        done = self.m.sh([PYTHON, "-c", self.PROGRAM + text, key], session="a", cwd=self.m.path("actions"))
        self.assertEqual(done.rc, 0, done.err)
        return done.out.split()

    def test_its_own_touch_sets_the_times_once(self):
        self.assertEqual(self.run_python("""
        fd = os.open(key, os.O_CREAT | os.O_WRONLY)
        print(said(os.utime, key), said(os.utime, key), said(pathlib.Path(key).touch))
        """), ["ok", "EEXIST", "EEXIST"])

    def test_after_O_EXCL_no_touch_sets_them(self):
        self.assertEqual(self.run_python("""
        f = open(key, "x")
        print(said(pathlib.Path(key).touch), said(open, key, "w"), said(os.truncate, key, 0))
        """), ["EEXIST", "EEXIST", "EEXIST"])

    def test_what_it_writes_there_is_no_result(self):
        self.assertEqual(self.run_python("""
        fd = os.open(key, os.O_CREAT | os.O_WRONLY)
        print(said(os.write, fd, b"about to post\\n"))
        """), ["EINVAL"])
        self.assertEqual(self.first(), "permitted")
        self.assertRefused("a", "EINVAL", "no result")

    def test_a_descriptor_of_a_permission_that_is_no_more_is_ESTALE(self):
        self.assertEqual(self.run_python("""
        os.close(os.open(key, os.O_CREAT | os.O_WRONLY))
        fd = os.open(key, os.O_WRONLY | os.O_APPEND)
        os.unlink(key)
        os.close(os.open(key, os.O_CREAT | os.O_WRONLY))
        print(said(os.write, fd, b"posted\\n"))
        """), ["ESTALE"])
        self.assertEqual(self.first(), "permitted")


class Result(Actions):
    def write_at_once(self, text):
        program = "import os, sys; os.write(os.open(sys.argv[1], os.O_WRONLY | os.O_APPEND), eval(sys.argv[2]))"
        return self.act("a", [PYTHON, "-c", program, KEY, repr(text)])

    def test_is_for_the_session_that_was_permitted(self):
        self.assertTrue(self.ask("a"))
        self.assertFalse(self.say("b", "posted"))
        self.assertRefused("b", "EPERM", "permitted to session a")
        self.assertNotEqual(self.act("b", f": >> '{KEY}'"), 0)
        self.assertTrue(self.say("a", "posted https://x"))
        self.assertEqual(self.first(), "done posted https://x")
        self.assertEqual(self.m.events("action-done")[0]["result"], "posted https://x")

    def test_two_contradictory_answers_nine_seconds_apart_are_impossible(self):
        """The second asks when the first has long been done, and says something else."""
        self.assertTrue(self.ask("a"))
        self.assertTrue(self.say("a", "we will merge it"))
        self.assertFalse(self.ask("b"))
        self.assertFalse(self.say("b", "we will not merge it"))
        self.assertFalse(self.say("a", "we will not merge it"))
        self.assertRefused("a", "EEXIST", "we will merge it")
        self.assertEqual(self.first(), "done we will merge it")
        self.m.restart()
        self.assertEqual(self.first(), "done we will merge it")
        self.assertFalse(self.ask("b"))

    def test_is_one_whole_line(self):
        self.assertTrue(self.ask("a"))
        for text in (b"posted", b"\n", b"a\nb\n", b"\t\n", b"\xff\n", b"x" * 4097 + b"\n"):
            self.assertNotEqual(self.write_at_once(text), 0, text)
        self.assertEqual(self.first(), "permitted")
        self.assertEqual(self.write_at_once(b"x" * 4096 + b"\n"), 0)
        self.assertEqual(len(self.first()), len("done ") + 4096)

    def test_done_is_not_removed(self):
        self.assertTrue(self.ask("a"))
        self.assertTrue(self.say("a", "posted"))
        for session in ("a", "b", None):
            self.assertFalse(self.rm(session))
        self.assertEqual(self.first(), "done posted")

    def test_withdrawn_the_key_is_free_and_its_history_goes_on(self):
        self.assertTrue(self.ask("a"))
        self.assertFalse(self.rm("b"))
        self.assertRefused("b", "EPERM", "only that may withdraw it")
        self.assertFalse(self.rm(None))
        self.assertTrue(self.rm("a"))
        self.assertEqual(self.m.ls("actions"), [])
        self.assertTrue(self.ask("b"))
        self.assertTrue(self.say("b", "posted"))
        self.assertEqual([" ".join(h.split()[1:]) for h in values(self.m.read("actions", KEY), "history")],
                         ["permitted a", "withdrawn a", "permitted b", "done b posted"])

    def test_done_long_ago_is_forgotten_and_not_its_history(self):
        self.m.write("1s\n", "control", "action-retention")
        self.assertTrue(self.ask("a"))
        self.assertTrue(self.say("a", "posted"))
        self.m.wait_event("action-forgotten", action=KEY)
        self.assertTrue(self.ask("b"))
        self.assertIn("done a posted", self.m.read("actions", KEY))


class TwoUids(Case):
    def setUp(self):
        need_root()
        super().setUp()
        self.m.session("a", UID_A)
        self.m.session("a2", UID_A)
        self.m.session("b", UID_B)

    def act(self, uid, session, command):
        return self.m.sh(command, session=session, uid=uid, cwd=self.m.path("actions")).rc == 0

    def test_another_uid_neither_asks_again_nor_says_nor_removes(self):
        self.assertTrue(self.act(UID_A, "a", "touch k"))
        self.assertEqual(os.stat(self.m.path("actions", "k")).st_uid, UID_A)
        for command in ("touch k", "echo x >> k", "rm k", "echo x > k"):
            self.assertFalse(self.act(UID_B, "b", command), command)
            self.assertFalse(self.act(UID_B, None, command), command)
            self.assertFalse(self.act(UID_B, "a", command), command)
        self.assertFalse(self.act(UID_A, "a2", "echo x >> k"))
        self.assertTrue(self.act(UID_A, "a", "echo posted >> k"))

    def test_closed_is_for_its_uid_and_operators(self):
        for key in "kl":
            self.assertTrue(self.act(UID_A, "a", f"touch {key} && echo posted >> {key}"))
        self.assertFalse(self.act(UID_B, "b", "echo closed >> k"))
        self.assertFalse(self.act(UID_A, None, "echo closed >> k"))
        self.assertTrue(self.act(UID_A, "a2", "echo closed merged >> k"))
        self.assertTrue(self.act(0, None, "echo closed >> l"))
        self.assertEqual([value(self.m.read("actions", k), "open") for k in "kl"], ["no", "no"])
        self.assertEqual(self.m.read("actions", "k").splitlines()[0], "done posted")

    def test_unknown_is_cleared_by_an_operator_alone(self):
        self.assertTrue(self.act(UID_A, "a", "touch k"))
        self.m.restart()
        self.assertEqual(self.m.read("actions", "k").splitlines()[0], UNKNOWN)
        for uid, session in ((UID_A, "a"), (UID_A, "a2"), (UID_A, None), (UID_B, "b"), (UID_B, None)):
            self.assertFalse(self.act(uid, session, "rm k"), (uid, session))
        self.assertTrue(self.act(0, None, "rm k"))
        self.assertEqual(self.m.events("action-cleared")[0]["uid"], 0)
        self.assertTrue(self.act(UID_B, "b", "touch k"))
        self.assertIn("cleared - by uid 0", self.m.read("actions", "k"))


class Unknown(Actions, Processes):
    def killed(self):
        self.m.kill9()
        self.m.start()

    def assertUnknown(self, reason):
        self.assertEqual(self.m.wait_event("action-unknown", action=KEY)["reason"], reason)
        self.assertEqual(self.first(), UNKNOWN)
        self.assertFalse(self.ask("b"))
        self.assertRefused("b", "EEXIST", "nobody knows whether it was done", "look where it would show")
        self.assertEqual(value(self.m.read("status"), "unknown-actions"), "1")

    def test_after_kill_9_of_the_daemon_and_it_stays_so(self):
        self.assertTrue(self.ask("a"))
        self.killed()
        self.assertUnknown("restarted")
        self.assertFalse(self.ask("a"))
        self.m.restart()
        self.assertUnknown("restarted")
        self.assertEqual(len(self.m.events("action-unknown")), 1)

    def test_after_kill_9_of_the_sessions_anchor(self):
        p = self.sleeper()
        self.m.write(f"{p.pid}\n", "sessions", "a", "anchor")
        self.assertTrue(self.ask("a"))
        p.kill()
        self.assertUnknown("exited")

    def test_when_the_session_ends(self):
        self.assertTrue(self.ask("a"))
        os.rmdir(self.m.path("sessions", "a"))
        self.assertUnknown("removed")

    def test_when_no_result_comes(self):
        self.m.write("100ms\n", "control", "action-wait")
        self.assertTrue(self.ask("a"))
        self.assertUnknown("no-result")

    def test_its_session_may_still_say_what_it_did(self):
        self.assertTrue(self.ask("a"))
        self.killed()
        self.assertFalse(self.say("b", "posted"))
        self.assertFalse(self.rm("a"))
        self.assertTrue(self.say("a", "posted"))
        self.assertEqual(self.first(), "done posted")
        self.assertIsNone(value(self.m.read("status"), "unknown-actions"))

    def test_an_operator_who_is_no_session_says_what_is(self):
        self.assertTrue(self.ask("a"))
        self.assertTrue(self.ask("a", "other"))
        os.rmdir(self.m.path("sessions", "a"))
        self.assertFalse(self.rm("b"))
        self.assertTrue(self.say(None, "seen at https://x"))
        self.assertTrue(self.rm(None, "other"))
        self.assertEqual(self.first(), "done seen at https://x")
        self.assertTrue(self.ask("b", "other"))


class Queue(Actions):
    def test_when_as_many_are_open_as_may_it_is_EDQUOT(self):
        self.m.write("pr 2\npr:org+big 1\n", "control", "actions-limit")
        for key in ("pr:org+repo#1", "pr:org+repo#2"):
            self.assertTrue(self.ask("a", key))
        self.assertEqual(value(self.m.read("actions", "pr:org+repo#1"), "queue"), "pr")
        self.assertFalse(self.ask("b", "pr:org+repo#3"))
        self.assertRefused("b", "EDQUOT", "queue pr", "pr:org+repo#1 (permitted, session a)", "pr:org+repo#2")
        self.assertTrue(self.ask("b", "pr:org+big#1"))
        self.assertTrue(self.ask("b", "prs"))
        self.assertTrue(self.say("a", "https://x", "pr:org+repo#1"))
        self.assertFalse(self.ask("b", "pr:org+repo#3"))  # done, and open
        self.assertTrue(self.say("b", "closed merged", "pr:org+repo#1"))
        self.assertTrue(self.ask("b", "pr:org+repo#3"))
        self.assertFalse(self.ask("b", "pr:org+repo#1"))  # closed, and done

    def test_of_many_at_once_no_more_than_its_number_are_permitted(self):
        m = self.m
        m.write("pr 3\n", "control", "actions-limit")
        many = [subprocess.Popen(["touch", m.path("actions", f"pr#{i}")], stderr=subprocess.DEVNULL,
                                 env={**os.environ, "COORD_SESSION": "ab"[i % 2]}) for i in range(16)]
        self.assertEqual(sorted(p.wait() for p in many), [0] * 3 + [1] * 13)
        self.assertEqual(len(m.ls("actions")), 3)

    def test_its_lines_are_prefix_and_number(self):
        for text in ("pr\n", "pr x\n", "5\n", "pr 5 6\n"):
            self.refused("EINVAL", self.m.write, text, "control", "actions-limit")
        self.m.write("pr 5\nreview 10\n", "control", "actions-limit")
        self.assertEqual(self.m.read("control", "actions-limit"), "pr 5\nreview 10\n")


class Race(Actions):
    def setUp(self):
        if not os.access(RACER, os.X_OK):
            raise unittest.SkipTest(f"there is no {RACER}: make test-helpers builds it")
        super().setUp()

    def race(self, tool, sessions, n):
        """N rounds of 16 who ask for a new key at once; racer.c judges each."""
        done = subprocess.run([RACER, self.m.dir, tool, str(n), "16", ",".join(sessions),
                               f"k{ASKING.index(tool)}.{len(sessions)}", "actions", "0"],
                              capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 0, f"{tool}: {done.stdout}{done.stderr}")
        self.assertEqual(done.stdout.split(), ["rounds", str(n), "ok", str(n), "EEXIST", str(15 * n)])

    def races(self, sessions):
        for tool in ASKING:
            n = ROUNDS or (100 if tool == "touch" else 10)
            with self.subTest(tool=tool):
                self.race(tool, sessions, n)
        permitted = collections.Counter(e["action"] for e in self.m.events("action-permitted"))
        self.assertEqual(set(permitted.values()), {1})

    def test_of_16_sessions_exactly_one_is_permitted(self):
        self.races([self.m.session(f"s{i}") for i in range(16)])

    def test_of_16_processes_of_one_session_exactly_one_is_permitted(self):
        self.races(["a"])


class Crash(Actions):
    """The daemon is killed again and again while four sessions ask for the same keys."""

    KEYS = 8 * KILLS

    def worker(self, session, book, seed, ready):
        """Asks for every key, in an order of its own, until the daemon is gone; writes down each yes."""
        keys = [f"k{i}" for i in range(self.KEYS)]
        random.Random(seed).shuffle(keys)
        with open(self.m.path("sessions", session, "procs"), "w", encoding="ascii") as f:
            f.write("0\n")
        os.write(ready, b".")
        for key in keys:
            try:
                os.close(os.open(self.m.path("actions", key), os.O_CREAT | os.O_EXCL | os.O_WRONLY))
            except OSError as e:
                if e.errno != errno.EEXIST:
                    os._exit(0)  # it is gone
                continue
            os.write(book, f"{key} {session}\n".encode())
        os._exit(0)

    def fork(self, *args):
        pid = os.fork()
        if not pid:
            try:
                self.worker(*args)
            finally:
                os._exit(1)
        return pid

    def strike(self, book, rnd):
        r, w = os.pipe()
        before = os.fstat(book).st_size
        goal = rnd.randrange(0, 6)
        pids = [self.fork(f"s{i}", book, rnd.random(), w) for i in range(4)]
        for _ in pids:
            os.read(r, 1)
        deadline = time.monotonic() + lib.PATIENCE
        while os.fstat(book).st_size < before + 6 * goal and time.monotonic() < deadline:
            if os.waitpid(pids[0], os.WNOHANG)[0]:  # nothing is left to be asked for
                pids = pids[1:]
                break
        self.m.kill9()
        for pid in pids:
            self.assertEqual(os.waitpid(pid, 0)[1], 0)
        self.m.start()
        os.close(r)
        os.close(w)

    def test_no_key_is_ever_permitted_twice(self):
        for i in range(4):
            self.m.session(f"s{i}")
        rnd = random.Random(SEED)
        path = os.path.join(self.m.base, "book")
        book = os.open(path, os.O_CREAT | os.O_RDWR | os.O_APPEND | os.O_CLOEXEC, 0o600)
        self.addCleanup(os.close, book)
        for _ in range(KILLS):
            self.strike(book, rnd)
            for key in self.m.ls("actions"):
                self.assertEqual(self.first(key), UNKNOWN)
        told = [l.split() for l in read(path).splitlines()]
        self.assertTrue(told)
        self.assertLessEqual(set(collections.Counter(k for k, _ in told).values()), {1})
        permitted = {e["action"]: e["session"] for e in self.m.events("action-permitted")}
        self.assertEqual(len(permitted), len(self.m.events("action-permitted")))
        for key, session in told:
            self.assertEqual(permitted[key], session)
