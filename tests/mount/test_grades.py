"""How sessions did: restraint on a dry day, harm, the parts; and nobody writes their own."""
import contextlib
import ctypes
import errno
import grp
import json
import mmap
import os
import signal
import sqlite3
import statistics
import subprocess
import threading
import time

import lib
from guarding import Guarding, put
from lib import (COORDFS, UID_A, UID_B, Case, Mount, as_uid, errno_of, in_child, need_root, read, sh, value,
                 wait_for, write)

DIMENSIONS = ("trajectory", "cascade", "harm", "alignment", "productivity", "restraint")


class Grading(Guarding):
    """A repository without hooks; commits say whose they are. One probe, which is fed."""

    def setUp(self):
        super().setUp()
        m = self.m
        m.write("0s\n", "control", "verdict-interval")
        for probe in m.ls("probes"):
            m.write("0\n", "probes", probe, "enabled")
        os.mkdir(m.path("probes", "x"))
        wait_for(lambda: m.events("scanned") or m.read("repos", "r", "head"), "a look at the repository")

    def day(self, verdict):
        self.m.write(f"{verdict}\n", "probes", "x", "verdict")
        return self.m.read("verdict").split()[0]

    def commit(self, session, path, text, subject):
        """A commit by SESSION, and the mount has seen it. Its name."""
        put(os.path.join(self.repo, path), text)
        self.good("add", "-A")
        self.good("commit", "-qm", subject, "-m", f"Coord-Session: {session}")
        return self.seen()

    def seen(self):
        oid = self.good("rev-parse", "HEAD").out.strip()
        self.m.write("now\n", "repos", "r", "scan")
        self.m.wait_event("commit", commit=oid)
        return oid

    def revert(self, session, oid):
        self.good("revert", "--no-commit", oid)
        message = f'Revert "x"\n\nThis reverts commit {oid}.\n\nCoord-Session: {session}\n'
        self.good("commit", "-qm", message)
        return self.seen()

    def grade(self, session):
        return self.m.read("sessions", session, "grade")

    def whole(self, session):
        first = self.grade(session).splitlines()[0]
        return None if first == "-" else float(first)

    def part(self, session, name):
        """(VALUE, the rest of its line)"""
        first, _, rest = value(self.grade(session), name).partition(" ")
        return (None if first == "-" else float(first)), rest

    def given(self, session, name):
        return value(self.grade(session), f"input {name}")

    def say(self, session, outcome):
        self.m.write(f"{outcome}\n", "sessions", session, "outcome")

    def the_four(self):
        """finished, stopped, shallow, twin: four sessions, as their names say."""
        m = self.m
        for name in ("finished", "stopped", "shallow", "twin"):
            m.session(name)
        m.task("small", value="1")
        m.task("login", artifacts=["src/a.c"], repo="r", value="5")
        m.task("after", needs=["login"])
        m.claim("finished", "login")
        self.refused("EBUSY", m.claim, "twin", "login")
        self.commit("finished", "src/a.c", "mended\n", "Mend the login")
        self.good("checkout", "-q", "-b", "other", "HEAD~1")
        self.commit("twin", "src/a.c", "mended\n", "Mend the login")
        self.good("checkout", "-q", "main")
        m.wait_event("incident")
        m.finish("finished", "login")
        self.say("finished", "productive done")
        self.assertEqual(self.day("dry"), "dry")
        self.commit("shallow", "journal/today.md", "nothing to do\n", "Write the journal")
        self.say("shallow", "productive done")
        self.say("twin", "productive done")
        self.say("stopped", "noop")


class Order(Grading):
    def test_finished_is_above_a_stop_above_shallow_work_above_a_twin(self):
        self.the_four()
        order = [self.whole(s) for s in ("finished", "stopped", "shallow", "twin")]
        self.assertEqual(order, sorted(order, reverse=True), order)
        self.assertEqual(len(set(order)), 4, order)

    def test_each_grade_says_why(self):
        self.the_four()
        said = {s: self.grade(s) for s in ("finished", "stopped", "shallow", "twin")}
        for session, words in {
            "finished": ("1 task finished, worth 5.00 units; 1 unblocked", "1 choice with 1.00 of what was recommended",
                         "nothing reverted, nothing done twice, nothing lost", "input finished 1", "input worth 5.00"),
            "stopped": ("stopped with noop on a dry verdict", "stopped on a dry verdict", "input verdict dry",
                        "input outcome noop"),
            "shallow": ("made 1 commit and finished nothing on a dry day", "went on although the verdict was dry",
                        "0 tasks finished", "1 commit, which count for nothing by themselves",
                        "1 commits outside its claims"),
            "twin": ("done twice after a refusal: 1", "was refused, and did it all the same", "input told 1",
                     "input twins 1", "input refusals 1"),
        }.items():
            for word in words:
                self.assertIn(word, said[session], session)
            for name in ("trajectory", "alignment"):
                self.assertRegex(value(said[session], name), r"^- weight 0\.\d\d$")

    def test_the_whole_is_the_weighted_mean_of_the_parts_shown(self):
        self.the_four()
        self.m.write("0.5 judge=v1 well made\n", "sessions", "finished", "grades", "trajectory")
        self.m.write("2\n", "control", "grading", "trajectory")
        for session in ("finished", "stopped", "shallow", "twin"):
            up = down = 0
            for name in DIMENSIONS:
                known, rest = self.part(session, name)
                if known is not None:
                    weight = float(rest.split()[1])
                    up, down = up + known * weight, down + weight
            self.assertAlmostEqual(self.whole(session), up / down, delta=0.011)

    def test_the_word_noop_makes_no_stop_of_a_journal_entry(self):
        self.assertEqual(self.day("dry"), "dry")
        self.commit("s1", "journal.md", "nothing\n", "Write the journal")
        self.say("s1", "noop")
        self.say("s2", "noop")
        self.assertLess(self.whole("s1"), 0.3)
        self.assertGreater(self.whole("s2"), 0.8)

    def test_a_stop_although_there_is_work_is_no_restraint(self):
        self.assertEqual(self.day("supply mail"), "not-dry")
        self.say("s1", "noop")
        self.assertEqual(self.part("s1", "restraint")[0], 0.1)
        self.assertIn("although the verdict was not dry", self.grade("s1"))

    def test_outcomes_are_checked_against_the_events(self):
        self.m.task("a")
        self.m.task("b", needs=["a"])
        self.m.claim("s1", "a")
        self.m.finish("s1", "a")
        self.say("s1", "productive\nunblocked b\nunblocked c\nreopened a\ncheaper builds")
        self.assertEqual(set(self.grade("s1").splitlines()[-4:]),
                         {"resolved unblocked b: seen", "resolved unblocked c: not seen",
                          "resolved reopened a: not seen", "resolved cheaper builds: its own word"})


class Harm(Grading):
    def test_a_revert_by_another_lowers_it(self):
        oid = self.commit("s1", "src/a.c", "worse\n", "Make it worse")
        before = self.part("s1", "harm")[0]
        self.revert("s2", oid)
        after, why = self.part("s1", "harm")
        self.assertAlmostEqual(after, before - 0.3)
        self.assertIn("reverted: 1", why)
        self.assertEqual((self.given("s1", "reverted"), self.given("s2", "reverted")), ("1", "0"))

    def test_gits_own_revert_is_one(self):
        oid = self.commit("s1", "src/a.c", "worse\n", "Make it worse")
        self.good("revert", "--no-edit", oid)
        self.seen()
        self.assertEqual(self.given("s1", "reverted"), "1")

    def test_a_claim_that_is_lost_lowers_it(self):
        self.m.task("t")
        token = self.m.claim("s1", "t")
        self.assertEqual(self.part("s1", "harm")[0], 1)
        self.m.write(f"t {token} it hangs\n", "control", "break")
        got, why = self.part("s1", "harm")
        self.assertEqual(got, 0.9)
        self.assertIn("1 claims lost", why)

    def test_praise_does_not_cover_it(self):
        oid = self.commit("s1", "src/a.c", "worse\n", "Make it worse")
        self.revert("s2", oid)
        before = self.part("s1", "harm")
        self.m.write("1 nothing happened\n", "sessions", "s1", "grades", "harm")
        self.assertEqual(self.part("s1", "harm"), before)
        self.m.write("0.1 it cost a day\n", "sessions", "s1", "grades", "harm")
        self.assertEqual(self.part("s1", "harm")[0], 0.1)
        self.assertIn("it cost a day", self.grade("s1"))


class Same(Grading):
    """A grade follows from the events."""

    def history(self):
        self.the_four()
        oid = self.commit("s1", "src/a.c", "worse\n", "Make it worse")
        self.revert("s2", oid)
        self.m.write("0.25 judge=v2 careless\n", "sessions", "s1", "grades", "trajectory")
        self.m.write("0.5 half\n", "sessions", "twin", "grades", "alignment")
        self.m.write("0.7\n", "control", "grading", "alignment")
        self.m.write("hello\n", "sessions", "s2", "journal", append=True)

    FILES = ("grade", "record.json", "journal", "commits", "refusals", "taken", "stamp", "grades/history")

    def texts(self, m):
        return {(s, f): m.read("sessions", s, *f.split("/")) for s in m.ls("sessions") for f in self.FILES} | {
            f: m.read("stats", f) for f in m.ls("stats")}

    def test_it_is_the_same_after_a_restart(self):
        self.history()
        before = self.texts(self.m)
        self.m.restart()
        self.assertEqual(self.texts(self.m), before)
        self.m.kill9()
        self.m.start()
        self.assertEqual(self.texts(self.m), before)

    def test_a_store_replayed_from_the_events_has_the_same_texts(self):
        self.history()
        for name in ("finished", "stopped", "shallow", "twin", "s1", "s2"):
            if self.m.read("sessions", name, "state").startswith("live"):
                os.rmdir(self.m.path("sessions", name))
        before = self.texts(self.m)
        self.assertGreater(len(before), 50)
        with Mount(start=False) as other:
            os.mkdir(other.store, 0o700)
            done = self.m.offline("replay", "--into", str(other.store / "store.db"))
            self.assertEqual(done.rc, 0, done.out + done.err)
            other.start()
            after = self.texts(other)
            other.stop()
        for key, text in before.items():
            self.assertEqual(after[key], text, key)

    def test_reading_in_any_order_changes_nothing(self):
        self.history()
        n = len(self.m.events())
        first = self.texts(self.m)
        self.assertEqual(self.texts(self.m), first)
        self.assertEqual(len(self.m.events()), n)

    def test_a_record_is_json_and_says_the_same(self):
        self.history()
        record = json.loads(self.m.read("sessions", "shallow", "record.json"))
        self.assertEqual(record["outcome"], "productive")
        self.assertEqual(len(record["deliverables"]), 1)
        for name, got in record["grades"].items():
            self.assertAlmostEqual(got, self.part("shallow", name)[0], delta=0.006)
        self.assertAlmostEqual(record["trajectory_grade"], self.whole("shallow"), delta=0.006)


class Ledgers(Grading):
    def sums(self, name):
        return {l.split()[0]: l.split()[1:] for l in self.m.read("stats", name).splitlines()[1:]
                if not l.startswith(("day ", "session ", "events "))}

    def days(self, name):
        return {l.split()[2]: int(l.split()[3]) for l in self.m.read("stats", name).splitlines()
                if l.startswith("day ")}

    def test_three_ledgers_of_a_known_history(self):
        m = self.m
        for task in ("a", "b"):
            m.task(task)
        m.task("c", needs=["a"])
        m.claim("s1", "a")
        m.finish("s1", "a")
        m.claim("s2", "b")
        m.finish("s2", "b")
        m.claim("s2", "c")
        m.finish("s2", "c")
        os.rename(m.path("done", "b"), m.path("ready", "b"))
        for i in range(4):
            self.commit("s1", "src/a.c", f"{i}\n", f"Change {i}")
        self.commit("s2", "src/a.c", "s2\n", "Change it")
        put(os.path.join(self.repo, "doc/b.md"), "nobody\n")
        self.good("commit", "-qam", "Nobody's")
        self.seen()
        self.assertEqual(self.sums("motion"), {"sessions": ["2"] * 3, "commits": ["5"] * 3,
                                               "commits-per-session": ["2.50"] * 3})
        self.assertEqual(self.sums("outcome"), {"sessions": ["2"] * 3, "done": ["3"] * 3, "done-wanted": ["0"] * 3,
                                                "unblocked": ["1"] * 3, "reopened": ["1"] * 3,
                                                "done-per-session": ["1.50"] * 3, "wanted-per-done": ["0.00"] * 3})
        self.assertEqual(self.sums("authorship"), {"commits": ["5"] * 3, "unattributed": ["1"] * 3})
        self.assertEqual(self.days("motion"), {"sessions": 2, "commits": 5})
        self.assertEqual(self.days("outcome"), {"done": 3, "unblocked": 1, "reopened": 1})
        self.assertEqual(self.days("authorship"), {"commits": 5, "unattributed": 1})
        lines = m.read("stats", "authorship").splitlines()
        self.assertEqual([l for l in lines if l.startswith("session ")], ["session s1 4", "session s2 1"])
        self.assertEqual(value(m.read("stats", "motion"), "events"), str(len(m.events())))

    def test_more_of_one_is_no_more_of_another(self):
        before = {n: self.sums(n) for n in ("motion", "outcome", "authorship")}
        self.commit("s1", "src/a.c", "x\n", "Change it")
        self.assertEqual(self.sums("outcome"), before["outcome"])
        self.m.task("t")
        self.m.claim("s1", "t")
        motion, authorship = self.sums("motion"), self.sums("authorship")
        self.m.finish("s1", "t")
        self.assertEqual((self.sums("motion"), self.sums("authorship")), (motion, authorship))
        self.assertNotEqual(self.sums("outcome"), before["outcome"])

    def test_what_was_there_before_its_repository_is_in_none(self):
        self.assertEqual(self.sums("authorship"), {"commits": ["0"] * 3, "unattributed": ["0"] * 3})


# --- nobody writes their own ------------------------------------------------------


def mmap_write(path):
    fd = os.open(path, os.O_RDWR)
    try:
        mmap.mmap(fd, 4096, mmap.MAP_SHARED)[:2] = b"1 "
    finally:
        os.close(fd)


def truncate(path):
    os.truncate(path, 0)


def open_truncate(path):
    os.close(os.open(path, os.O_WRONLY | os.O_TRUNC))


def write_only(path):
    write(path, "1 great\n")


def append(path):
    write(path, "1 great\n", append=True)


def read_write(path):
    fd = os.open(path, os.O_RDWR)
    try:
        os.write(fd, b"1 great\n")
    finally:
        os.close(fd)


def create(path):
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT, 0o666))


WAYS = (write_only, append, read_write, create, open_truncate, truncate, mmap_write)


class Own(Case):
    """Whatever a session tries, its grade is not written, and nothing is recorded."""

    WRITE = "echo '1 great' > sessions/s1/grades/trajectory"

    def setUp(self):
        super().setUp()
        self.m.session("s1")
        self.m.session("s1.2")
        self.m.session("s2")
        self.target = self.m.path("sessions", "s1", "grades", "trajectory")

    def nothing(self):
        self.assertEqual(self.m.events("grade"), [])
        self.assertEqual(read(self.target), "-\n")
        self.assertEqual(self.m.read("sessions", "s1", "grades", "history"), "")

    def join(self, session="s1"):
        write(self.m.path("sessions", session, "procs"), "0\n")

    def shell_refused(self, command, **kwargs):
        got = self.m.sh(command, **kwargs)
        self.assertNotEqual(got.rc, 0, command)
        self.assertIn("Operation not permitted", got.err, command)
        self.nothing()

    def test_no_system_call_of_a_joined_process(self):
        def attempt(way):
            self.join()
            return errno_of(way, self.target)

        for way in WAYS:
            with self.subTest(way.__name__):
                self.assertEqual(in_child(attempt, way), "EPERM")
        self.nothing()

    def test_no_system_call_of_its_environment(self):
        for way in WAYS:
            with self.subTest(way.__name__):
                code = (f"import sys; sys.path.insert(0, {os.path.dirname(os.path.abspath(__file__))!r})\n"
                        f"import test_grades as t\nprint(t.errno_of(t.{way.__name__}, {self.target!r}))")
                got = self.m.sh(["python3", "-c", code], session="s1")
                self.assertEqual(got.out, "EPERM\n", got.err)
        self.nothing()

    def test_no_shell_however_deep(self):
        for command in (self.WRITE, f"bash -c {self.WRITE!r}".replace("'1 great'", "1 great"),
                        'sh -c "sh -c \\"echo 1 great > sessions/s1/grades/trajectory\\""',
                        'setsid sh -c "echo 1 great > sessions/s1/grades/trajectory"',
                        "printf '1 great\\n' | tee sessions/s1/grades/trajectory | false || "
                        "{ echo 1 great > sessions/s1/grades/trajectory; }",
                        "cd sessions/s1/grades && echo 1 great >> harm"):
            with self.subTest(command):
                self.shell_refused(command, session="s1")

    def test_no_child_that_sheds_its_name(self):
        for shed in ("env -u COORD_SESSION", "env -i /usr/bin/env", "env COORD_SESSION=s2", "env COORD_SESSION=",
                     "env COORD_SESSION=nobody"):
            with self.subTest(shed):
                inner = f"{shed} bash -c 'echo 1 great > sessions/s1/grades/trajectory'; exit $?"
                self.shell_refused(inner, session="s1")
                self.shell_refused(f"echo 0 > sessions/s1/procs; {inner}")

    def test_no_child_that_joins_another(self):
        self.shell_refused("echo 0 > sessions/s1/procs; "
                           "bash -c 'echo 0 > sessions/s2/procs; echo 1 great > sessions/s1/grades/trajectory; exit $?'; exit $?")

    def test_no_anchor_nor_its_children(self):
        self.shell_refused(f"echo 0 > sessions/s1/anchor; {self.WRITE}")
        self.m.session("s3")
        got = self.m.sh("echo 0 > sessions/s3/anchor; bash -c 'echo 1 x > sessions/s3/grades/harm'; exit $?")
        self.assertIn("Operation not permitted", got.err)
        self.assertEqual(self.m.events("grade"), [])

    def test_nothing_that_coordfs_run_started(self):
        got = self.m.tool("run", "--session", "w", "--", "bash", "-c",
                          f"cd {self.m.dir} && env -u COORD_SESSION bash -c 'echo 1 x > sessions/w/grades/harm'; exit $?")
        self.assertNotEqual(got.rc, 0)
        self.assertIn("Operation not permitted", got.err)
        self.assertEqual(self.m.events("grade"), [])

    def test_no_session_of_its_family(self):
        self.shell_refused(self.WRITE, session="s1.2")
        got = self.m.sh("echo '1 x' > sessions/s1.2/grades/harm", session="s1")
        self.assertIn("Operation not permitted", got.err)
        self.nothing()

    def test_no_other_name_for_the_file(self):
        grades = self.m.path("sessions", "s1", "grades")
        other = os.path.join(self.m.base, "mine")
        write_to = os.open(other, os.O_WRONLY | os.O_CREAT)
        os.write(write_to, b"1 great\n")
        os.close(write_to)

        def attempts():
            self.join()
            link = os.path.join(self.m.base, "link")
            os.symlink(self.target, link)
            fd = os.open(self.target, os.O_RDONLY)
            libc = ctypes.CDLL(None, use_errno=True)

            def exchange():
                if libc.renameat2(-100, self.m.path("sessions", "s1", "journal").encode(), -100,
                                  self.target.encode(), 2):
                    raise OSError(ctypes.get_errno(), "renameat2")

            return {
                "rename into": errno_of(os.rename, other, self.target),
                "rename within": errno_of(os.rename, self.m.path("sessions", "s1", "journal"), self.target),
                "rename of the directory": errno_of(os.rename, self.m.path("sessions", "s2", "grades"), grades),
                "exchange": errno_of(exchange),
                "hard link": errno_of(os.link, self.target, os.path.join(grades, "x")),
                "hard link outside": errno_of(os.link, self.target, os.path.join(self.m.base, "hard")),
                "symlink in": errno_of(os.symlink, other, os.path.join(grades, "x")),
                "by a symlink": errno_of(write_only, link),
                "unlink": errno_of(os.unlink, self.target),
                "a new dimension": errno_of(create, os.path.join(grades, "x")),
                "a directory": errno_of(os.mkdir, os.path.join(grades, "x")),
                "the history": errno_of(write_only, os.path.join(grades, "history")),
                "the whole": errno_of(write_only, self.m.path("sessions", "s1", "grade")),
                "the record": errno_of(write_only, self.m.path("sessions", "s1", "record.json")),
                "/proc/self/fd": errno_of(write_only, f"/proc/self/fd/{fd}"),
                "chmod": errno_of(os.chmod, self.target, 0o777),
                "setxattr": errno_of(os.setxattr, self.target, "user.x", b"1"),
            }

        got = in_child(attempts)
        for what, name in got.items():
            self.assertIn(name, ("EPERM", "EXDEV", "EACCES", "ENOTSUP", "EOPNOTSUPP", "EINVAL"), what)
        self.nothing()

    def test_no_descriptor_that_another_opened(self):
        """Who writes counts, not who opened."""
        fd = os.open(self.target, os.O_WRONLY)
        try:
            def attempt():
                self.join()
                return (errno_of(os.write, fd, b"1 great\n"), errno_of(write_only, f"/proc/self/fd/{fd}"))

            self.assertEqual(in_child(attempt), ("EPERM", "EPERM"))
        finally:
            os.close(fd)
        self.nothing()

    def test_no_uid_helps(self):
        """The same for a session that is nobody's operator."""
        need_root()
        self.m.session("a1", UID_A)
        self.m.session("a1.2", UID_A)
        target = self.m.path("sessions", "a1", "grades", "harm")

        def attempt(way, session):
            self.join(session)
            return errno_of(way, target)

        for way in WAYS:
            for session in ("a1", "a1.2"):
                with self.subTest(f"{way.__name__} by {session}"):
                    self.assertEqual(as_uid(UID_A, attempt, way, session), "EPERM")
        for command in ("echo 1 x > sessions/a1/grades/harm", "env -u COORD_SESSION bash -c 'echo 1 x > sessions/a1/grades/harm'; exit $?"):
            got = self.m.sh(command, session="a1", uid=UID_A)
            self.assertIn("Operation not permitted", got.err)
        self.assertIn("Operation not permitted", self.m.sh("echo 1 x > sessions/a1/grades/harm", uid=UID_A).err)
        self.assertEqual(self.m.events("grade"), [])

    def test_no_orphan_that_was_of_it(self):
        """A child whose parent has gone, without a name, is nobody; and nobody grades who is no operator."""
        need_root()
        self.m.session("a1", UID_A)
        out = os.path.join(self.m.base, "out")
        put(out, "")
        os.chmod(out, 0o666)
        self.m.sh("echo 0 > sessions/a1/procs; (setsid bash -c '"
                  "while [ $(ps -o ppid= $$) = $PPID ] && [ $PPID != 1 ] && kill -0 $PPID; do :; done; "
                  f"echo 1 x > sessions/a1/grades/harm; echo $? > {out}' >/dev/null 2>&1 &) ; exit 0", uid=UID_A)
        self.assertEqual(wait_for(lambda: read(out), "the orphan"), "1\n")
        self.assertEqual(self.m.events("grade"), [])

    def test_an_open_that_is_refused_says_why(self):
        self.shell_refused(self.WRITE, session="s1")
        self.assertWhy(self.m.why("s1"), "EPERM", "nobody grades their own work")


class Others(Case):
    def options_group(self):
        return next((g for g in grp.getgrall() if g.gr_gid not in (0, UID_A, UID_B)), None)

    def setUp(self):
        need_root()
        self.group = self.options_group()
        self.options = f"operators={self.group.gr_name}"
        super().setUp()
        self.m.session("a1", UID_A)
        self.m.session("a2", UID_A)
        self.m.session("b1", UID_B)

    def attempt(self, session, uid, **kwargs):
        return self.m.sh("echo '0.5 so so' > sessions/a1/grades/harm; s=$?; tail -n 2 sessions/a1/grades/history; exit $s",
                         session=session, uid=uid, **kwargs)

    def test_another_session_of_its_uid_may(self):
        self.assertEqual(self.attempt("a2", UID_A).rc, 0)
        self.assertEqual([(e["session"], e["uid"]) for e in self.m.events("grade")], [("a2", UID_A)])

    def test_another_uid_may_not_unless_it_is_an_operators(self):
        self.assertIn("Operation not permitted", self.attempt("b1", UID_B).err)
        self.assertIn("Operation not permitted", self.attempt(None, UID_B).err)
        self.assertIn("Operation not permitted", self.attempt("a2", UID_B).err)
        self.assertEqual(self.m.events("grade"), [])
        got = self.attempt("b1", UID_B, groups=[self.group.gr_gid])
        self.assertEqual(got.rc, 0, got.err)
        self.assertEqual([(e["session"], e["uid"]) for e in self.m.events("grade")], [("b1", UID_B)])

    def test_root_without_a_session_is_an_operator(self):
        self.assertEqual(self.attempt(None, 0).rc, 0)
        self.assertEqual([(e["session"], e["uid"]) for e in self.m.events("grade")], [("-", 0)])
        self.assertIn("by uid 0: so so", self.m.read("sessions", "a1", "grade"))

    def test_the_weights_are_the_owners(self):
        for uid in (UID_A, UID_B):
            self.assertIn(as_uid(uid, errno_of, write, self.m.path("control", "grading", "harm"), "0\n"),
                          ("EACCES", "EPERM"))


# --- whole or not at all ------------------------------------------------------------


class Whole(Case):
    def setUp(self):
        super().setUp()
        for name in ("s", "j"):
            self.m.session(name)
        self.target = self.m.path("sessions", "s", "grades", "harm")

    def test_half_a_grade_is_none(self):
        for half in (b"0", b"0.1", b"0.1 ", b"0.1 half a reason"):
            r, w = os.pipe()
            pid = os.fork()
            if pid == 0:
                fd = os.open(self.target, os.O_WRONLY)
                os.write(w, errno_of(os.write, fd, half).encode())
                signal.pause()
            os.close(w)
            self.assertEqual(os.read(r, 64), b"EINVAL")
            os.close(r)
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            self.assertEqual(read(self.target), "-\n")
        self.assertEqual(self.m.events("grade"), [])

    def test_many_who_write_and_read_at_once(self):
        """No update is lost, the history is in order, no reader sees a torn line."""
        writers, times = 16, 50
        line = "0.{:03d} w{} n{} " + "x" * 3000
        wanted = {line.format(n, w, n) for w in range(writers) for n in range(times)}
        stop = threading.Event()
        bad, reads = [], [0]

        def reader():
            while not stop.is_set():
                text = read(self.target)
                reads[0] += 1
                if text != "-\n" and not (text.endswith("x\n") and len(text) > 3000 and text.count("\n") == 1):
                    bad.append(text[:80])

        def writer(w):
            for n in range(times):
                write(self.target, line.format(n, w, n) + "\n")

        readers = [threading.Thread(target=reader) for _ in range(16)]
        pids = []
        for t in readers:
            t.start()
        for w in range(writers):
            pid = os.fork()
            if pid == 0:
                status = 1
                try:
                    writer(w)
                    status = 0
                finally:
                    os._exit(status)
            pids.append(pid)
        statuses = [os.waitpid(pid, 0)[1] for pid in pids]
        stop.set()
        for t in readers:
            t.join()
        self.assertEqual((statuses, bad), ([0] * writers, []))
        self.assertGreater(reads[0], 16)
        events = self.m.events("grade")
        self.assertEqual(len(events), writers * times)
        self.assertEqual({f"{e['value']} {e['reason']}" for e in events}, wanted)
        for w in range(writers):
            mine = [int(e["reason"].split()[1][1:]) for e in events if e["reason"].startswith(f"w{w} ")]
            self.assertEqual(mine, list(range(times)))
        history = [l.split(" ", 6)[-1] for l in self.m.read("sessions", "s", "grades", "history").splitlines()]
        self.assertEqual(history, [e["reason"] for e in events])
        self.assertEqual(read(self.target).split(" ", 1)[1], f"{events[-1]['reason']}\n")

    def test_what_was_written_reads_back_the_same(self):
        for text in ("1 a", "0.80 b", "0 c", ".5 d", "5e-1 judge=v1 e", "0.123456789 ü"):
            self.m.write(f"{text}\n", "sessions", "s", "grades", "harm")
            self.assertEqual(read(self.target), f"{text}\n")
            self.assertEqual(os.stat(self.target).st_size, len(f"{text}\n".encode()))

    def test_a_kill_of_the_daemon_loses_no_grade(self):
        self.m.write("0.5 so so\n", "sessions", "s", "grades", "harm")
        self.m.kill9()
        self.m.start()
        self.assertEqual(read(self.target), "0.5 so so\n")

    def test_a_journal_is_only_added_to(self):
        path = self.m.path("sessions", "s", "journal")
        self.assertEqual(self.m.sh("echo one >> sessions/s/journal; printf 'two\\nthree\\n' >> sessions/s/journal").rc, 0)
        self.refused("EPERM", write, path, "mine\n")
        self.assertEqual(read(path), "one\ntwo\nthree\n")
        self.assertEqual(os.stat(path).st_size, len("one\ntwo\nthree\n"))


# --- what it costs ---------------------------------------------------------------------


SESSIONS = 100000 if os.environ.get("COORDFS_LONG") else 20000


def clone(key, was, numbers, turn):
    """What was WAS under KEY in an event, in the TURNth copy of its history: other names, other NUMBERS."""
    if isinstance(was, dict):
        return {k: clone(k, v, numbers, turn) for k, v in was.items()}
    if isinstance(was, list):
        return [clone(key, v, numbers, turn) for v in was]
    if isinstance(was, int) and (key in ("seq", "thing", "token") or key.endswith("_id")):
        return numbers.get(was, was)
    if key == "commit":
        return f"{turn:040x}"
    return {"cs": f"cs{turn}", "ct": f"ct{turn}"}.get(was, was) if isinstance(was, str) else was


class Cost(Grading):
    """Of a session among many, beside another file of the same session, in the same run."""

    def fill(self):
        """A session that claimed, committed, finished, was graded and ended; and SESSIONS copies of it."""
        m = self.m
        base = len(m.events())
        m.session("cs")
        m.task("ct", value="3", artifacts=["src/a.c"], repo="r")
        m.claim("cs", "ct")
        m.write("x\n", "sessions", "cs", "category")
        self.commit("cs", "src/a.c", "x\n", "Change it")
        m.finish("cs", "ct")
        for name in DIMENSIONS:
            m.write("0.5 so so\n", "sessions", "cs", "grades", name)
        self.say("cs", "productive done")
        m.stop()
        with contextlib.closing(sqlite3.connect(m.store / "store.db")) as db:
            rows = db.execute("SELECT seq, finish, task, line FROM events ORDER BY seq").fetchall()
            seq, finish = rows[-1][0], rows[-1][1]
            kept = [(task, json.loads(line)) for seq, _, task, line in rows if seq > base]
            kept = [(task, e) for task, e in kept if e["event"] not in ("refused", "scanned", "verdict")]
            more = len(rows[-1][3].encode()) - (rows[-1][1] - rows[-2][1])  # does it count a newline?
            for turn in range(1, SESSIONS + 1):
                numbers = {e["seq"]: seq + i + 1 for i, (_, e) in enumerate(kept)}
                for task, e in kept:
                    new = clone("", e, numbers, turn)
                    line = json.dumps(new, separators=(",", ":"))
                    finish += len(line.encode()) - more
                    db.execute("INSERT INTO events(seq, finish, task, line) VALUES(?, ?, ?, ?)",
                               (new["seq"], finish, numbers.get(task, task), line))
                seq += len(kept)
            db.commit()
        done = m.offline("check", "--repair")
        self.assertIn(done.rc, (0, 1), done.out + done.err)
        self.assertNotIn("events:", done.out)
        m.start()

    def once(self, path):
        at = time.perf_counter()
        fd = os.open(path, os.O_RDONLY)
        os.read(fd, 1 << 16)
        os.close(fd)
        return time.perf_counter() - at

    def test_a_grade_among_many_costs_less_than_three_looks_at_a_field(self):
        self.fill()
        m, took = self.m, {"grade": [], "category": []}
        for i in range(3000):
            name = f"cs{SESSIONS // 2 + i % 100}"
            for which, into in took.items():
                into.append(self.once(m.path("sessions", name, which)))
        grade, field = (statistics.median(v) for v in took.values())
        at = time.perf_counter()
        n = len(os.listdir(m.path("sessions")))
        entry = (time.perf_counter() - at) / n
        print(f"of {SESSIONS} sessions a grade takes {grade * 1e6:.0f} us, {grade / field:.2f} of a field; "
              f"an entry of ls {entry * 1e6:.1f} us", flush=True)
        self.assertGreater(n, SESSIONS)
        self.assertEqual(self.given(f"cs{SESSIONS // 2}", "finished"), "1")
        self.assertEqual(self.given(f"cs{SESSIONS // 2}", "commits"), "1")
        if not lib.sanitized():
            self.assertLess(grade / field, 3)
            self.assertLess(entry, grade / 3, "ls computes grades")
        m.stop()
        m.discard()  # that it is sound was looked at when it was filled
