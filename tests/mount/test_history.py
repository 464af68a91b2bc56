"""A whole history, registered: what it costs, and which incidents are found in it.

COORDFS_DATA is a directory with a commits.jsonl (time, author, subject and paths of each
commit); without it that part is skipped. COORDFS_WRITE_GOLDEN=1 writes the lists of incidents
anew instead of comparing them: read them by hand before they are committed. COORDFS_LONG=1
makes the long history 50,000 commits instead of 10,000.
"""
import calendar
import contextlib
import os
import pathlib
import re
import statistics
import subprocess
import time

import gits
import history
import lib

DATA = lib.ROOT / "tests/data"
WINDOW = 3600
LONG = 50000 if os.environ.get("COORDFS_LONG") else 10000
MIB = 1 << 20
CACHES = 128 * MIB  # pages of the database: 64 MiB of each of two connections

HEAD = """\
# The incidents that are found in {what}, rebuilt as one branch with the same times, paths and
# subjects, made-up contents, and each author as a session. Made by
#   COORDFS_WRITE_GOLDEN=1 {env}tests/mount/run history.{name}
# and read by hand. An entry is: its kinds, the sessions, the gap, the first path; then its commits.
# Each must be two authors at one path within the hour, or with the same words; sorted by the first commit.
"""


def most_memory(pid):
    """VmHWM, in bytes."""
    return int(re.search(r"^VmHWM:\s*(\d+) kB$", lib.read(f"/proc/{pid}/status"), re.M)[1]) << 10


def used(argv):
    """Seconds and most memory of a program that prints much: it is looked at while it does."""
    start, memory = time.monotonic(), 0
    with subprocess.Popen(argv, stdout=subprocess.PIPE, env=history.environ()) as p:
        while p.stdout.read(32768):
            with contextlib.suppress(TypeError, OSError):  # it is about to end
                memory = max(memory, most_memory(p.pid))
    if p.returncode:
        raise AssertionError(f"{argv}: {p.returncode}")
    return time.monotonic() - start, memory


class Case(gits.Case):
    def setUp(self):
        super().setUp()
        self.m.write("0s\n", "control", "scan-interval")

    def entries(self):
        out = []
        for i in self.incidents():
            lines = [" ".join([*i["kind"].split(), *i["sessions"].split(), i["gap"].strip(),
                               i["paths"].splitlines()[0]])]
            for commit in i["commits"].splitlines():
                _, session, when, subject = commit.split(" ", 3)
                lines.append(f"    {when} {session} {subject}")
            out.append("\n".join(lines) + "\n")
        return "\n".join(sorted(out, key=lambda entry: entry.splitlines()[1::-1]))

    def compare(self, golden, what, env=""):
        text = HEAD.format(what=what, env=env, name=type(self).__name__) + "\n" + self.entries()
        if os.environ.get("COORDFS_WRITE_GOLDEN"):
            golden.write_text(text)
        self.assertEqual(text, golden.read_text())

    def explain(self, jsonl):
        """By brute force: two commits of two authors within the window that share a path or a
        subject of three words are in one incident, and nothing else is in any."""
        commits = history.read(jsonl)
        pairs, none = set(), set()
        for i, a in enumerate(commits):
            for b in commits[i + 1:]:
                if a["author"] == b["author"] or abs(a["time"] - b["time"]) > WINDOW:
                    continue
                paths = set(history.plain(a["paths"])) & set(history.plain(b["paths"]))
                same = a["subject"] == b["subject"] and len(a["subject"].split()) >= 3
                (pairs if paths or same else none).add(((a["time"], a["author"]), (b["time"], b["author"])))
        found = []
        for i in self.incidents():
            these = set()
            for commit in i["commits"].splitlines():
                _, session, when, _ = commit.split(" ", 3)
                at = time.strptime(when[:19], "%Y-%m-%dT%H:%M:%S")
                these.add((int(calendar.timegm(at)), session))
            found.append(these)
        for pair in pairs:
            self.assertTrue(any(set(pair) <= these for these in found), f"not found: {pair}")
        for these in found:
            for one in these:
                self.assertTrue(any(one in p and set(p) <= these for p in pairs), f"not explained: {one}")


class Sample(Case):
    """A small history, written by hand; what is in it is seen at a glance."""

    def test_its_incidents(self):
        history.rebuild(DATA / "history-sample.jsonl", self.dir / "h")
        self.register("h", self.dir / "h")
        self.compare(DATA / "history-sample-incidents.txt", "tests/data/history-sample.jsonl")
        self.explain(DATA / "history-sample.jsonl")
        self.assertEqual(self.m.read("stats/convergence").splitlines()[0],
                         f"incidents {len(self.incidents())}")

    def test_in_pieces_it_is_the_same(self):
        """Recorded a few at a time, it has the same incidents."""
        ids = history.rebuild(DATA / "history-sample.jsonl", self.dir / "h")
        tree = gits.Tree(self.dir / "h")
        for i in range(0, len(ids), 3):
            tree.git("update-ref", "refs/heads/main", ids[i])
            if i:
                self.scan("h")
            else:
                self.register("h", tree)
        tree.git("update-ref", "refs/heads/main", ids[-1])
        self.scan("h")
        self.explain(DATA / "history-sample.jsonl")


class Real(Case):
    def setUp(self):
        self.jsonl = pathlib.Path(os.environ.get("COORDFS_DATA") or "/nonexistent", "commits.jsonl")
        if not self.jsonl.exists():
            self.skipTest("COORDFS_DATA names no directory with a commits.jsonl")
        super().setUp()

    def test_what_it_costs_and_its_incidents(self):
        where = self.dir / "h"
        ids = history.rebuild(self.jsonl, where)
        before = most_memory(self.m.pid)
        log, _ = min(used(["git", "-C", where, "log", "-p", "--no-renames"]) for _ in range(3))
        walk, walk_memory = used([lib.COORDFS, "scan", where])
        start = time.monotonic()
        self.register("h", where)
        first = time.monotonic() - start
        grown = most_memory(self.m.pid) - before
        self.assertEqual(self.count("h"), len(ids))
        more = []
        tree = gits.Tree(where)
        for i in range(10):
            tree.commit(f"one more {i}", {"one/more": f"{i}\n"})
            start = time.monotonic()
            self.scan("h")
            more.append(time.monotonic() - start)
        more = statistics.median(more)
        self.assertEqual(self.count("h"), len(ids) + 10)
        print(f"{len(ids)} commits: first scan {first:.2f} s (git log -p {log:.2f} s, the walk alone {walk:.2f} s); "
              f"one commit more {more * 1000:.0f} ms; daemon {before / MIB:.0f} MiB {grown / MIB:+.1f}, "
              f"walk {walk_memory / MIB:.0f} MiB", flush=True)
        if not lib.sanitized():
            self.assertLess(first, 30 * log)
            self.assertLess(more, first / 5)
            self.assertLess(grown, 48 * MIB)
            self.assertLess(walk_memory, 128 * MIB)
        self.compare(DATA / "history-incidents.txt", "the commits.jsonl of the tests' data",
                     "COORDFS_DATA=DIRECTORY ")
        self.explain(self.jsonl)


class Long(Case):
    """So many commits that a scan takes its time: it takes no one else's."""

    def measure(self, fn, until=None, n=60):
        """The median, and the worst, of N calls of FN, or as many as there are before UNTIL()."""
        times = []
        while len(times) < n and not (until and until()):
            start = time.monotonic()
            fn()
            times.append(time.monotonic() - start)
        return statistics.median(times), max(times), len(times)

    def claim(self):
        self.m.claim("s", "t")
        self.m.release("s", "t")

    def look(self):
        with open(self.m.path("README"), "rb") as f:
            f.read()
        self.m.read("ready/t")
        self.m.read("control/lease")

    def test_all_is_recorded_and_nobody_waits_for_it(self):
        small = self.tree()
        self.register("small", small)
        self.m.session("s")
        self.m.task("t", artifacts=["src"], repo="small")
        history.synth(self.dir / "long", LONG)
        calm_claim, calm_look = self.measure(self.claim), self.measure(self.look)
        before = most_memory(self.m.pid)
        os.mkdir(self.m.path("repos/long"))
        self.m.write(f"{LONG}\n", "repos/long/depth")
        start = time.monotonic()
        self.m.write(f"{self.dir}/long\n", "repos/long/path")
        lib.wait_for(lambda: self.count("long") > 0, "the first of them")

        def over():
            return self.count("long") >= LONG

        busy_claim = self.measure(self.claim, over)
        busy_look = self.measure(self.look, over)
        self.assertFalse(over(), "it was over too soon to tell")
        self.scan("long")
        took = time.monotonic() - start
        grown = most_memory(self.m.pid) - before
        self.assertEqual(self.count("long"), LONG)
        self.assertEqual(len(set(self.recorded("long"))), LONG)
        for what, calm, busy in ("claim and release", calm_claim, busy_claim), ("three reads", calm_look, busy_look):
            print(f"{what}: {calm[0] * 1000:.1f} ms, during the scan {busy[0] * 1000:.1f} ms "
                  f"({busy[2]} times, at most {busy[1] * 1000:.0f} ms)", flush=True)
        print(f"{LONG} commits: recorded in {took:.1f} s; daemon {before / MIB:.0f} MiB {grown / MIB:+.1f}", flush=True)
        if not lib.sanitized():
            self.assertLess(grown, CACHES + 32 * MIB)
            self.assertLess(busy_look[0], 20 * calm_look[0])
            self.assertLess(busy_claim[0], 40 * calm_claim[0])
