"""The incident this file system is for: sessions that start the same work at once.

Two tasks both write scripts/drain-day-preflight.py. Whoever asks for one of them
at the same moment, by whatever tool, under whatever session: one is told yes.

COORDFS_ROUNDS=1000 runs every race so often (it takes an hour or two); without it
there are enough rounds to notice. COORDFS_DATA is a directory with a
backlog.jsonl, which is imported first.
"""
import json
import multiprocessing
import os
import subprocess
import unittest

import lib
from lib import Case, errno_of, value, values
from test_claims import PYTHON

ROUNDS = int(os.environ.get("COORDFS_ROUNDS") or 0)
DEFAULT = {2: 12, 8: 5, 64: 2}  # contenders: rounds

RACER = os.path.join(os.path.dirname(lib.COORDFS), "tests/racer")

SHARED = "scripts/drain-day-preflight.py"

# The rows of racer.c: the system calls of each tool.
CALLS = ["touch", ">", ">>", "set -C; >", "open('x')", "O_EXCL|O_RDONLY", "node wx", "Path.touch", "mv",
         "mixed"]

# The tools themselves; each waits until the pipe that is its input is closed.
WAIT = "read -r _; "
PROGRAMS = {
    "touch": WAIT + "exec touch claims/{t}",
    ">": WAIT + ": > claims/{t}",
    ">>": WAIT + ": >> claims/{t}",
    "set -C; >": WAIT + "set -C; : > claims/{t}",
    "mv": WAIT + "exec mv ready/{t} claims/",
    "cp": WAIT + "exec cp /dev/null claims/{t}",
    "open('x')": [PYTHON, "-c", "import sys; sys.stdin.read(); open('claims/{t}', 'x')"],
    "Path.touch": [PYTHON, "-c", "import sys, pathlib; sys.stdin.read(); pathlib.Path('claims/{t}').touch()"],
    "node wx": ["node", "-e", "const fs = require('fs'); fs.readFileSync(0); fs.openSync('claims/{t}', 'wx')"],
}


def rounds(contenders):
    return ROUNDS or DEFAULT[contenders]


def need_racer():
    if not os.access(RACER, os.X_OK):
        raise unittest.SkipTest(f"there is no {RACER}: make test-helpers builds it")


class RaceCase(Case):
    def setUp(self):
        super().setUp()
        self.tasks = [self.m.task("drain-day", [SHARED, "docs/day.md"]),
                      self.m.task("preflight-fix", ["tests/preflight", SHARED])]

    def race(self, tool, contenders, sessions, where, n, tasks=None, held=2):
        """N rounds; racer.c judges each."""
        done = subprocess.run(
            [RACER, self.m.dir, tool, str(n), str(contenders), ",".join(sessions),
             ",".join(tasks or self.tasks), where, str(held)],
            capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 0, f"{done.stdout}{done.stderr}")
        words = done.stdout.split()
        self.assertEqual(words[:4], ["rounds", str(n), "ok", str(n)])
        self.assertLessEqual(set(words[4::2]), {"EBUSY", "EEXIST", "ENOENT"}, done.stdout)
        self.assertEqual(sum(map(int, words[5::2])), n * (contenders - 1))


class SystemCalls(RaceCase):
    """Each tool's system calls, by a pool of processes behind a barrier."""

    def setUp(self):
        need_racer()
        super().setUp()

    def every_race(self, sessions, where):
        for contenders in (2, 8, 64):
            for tool in CALLS:
                with self.subTest(tool=tool, contenders=contenders):
                    self.race(tool, contenders, sessions, where, rounds(contenders))

    def many(self):
        return [self.m.session(f"s{i}") for i in range(60)]

    def test_of_many_sessions_one_gets_it_by_its_own_path(self):
        self.every_race(self.many(), "paths")

    def test_of_many_sessions_one_gets_it_by_name(self):
        self.every_race(self.many(), "names")

    def test_of_one_sessions_processes_one_gets_it_by_its_path(self):
        self.every_race([self.m.session("s")], "paths")

    def test_of_one_sessions_processes_one_gets_it_by_name(self):
        self.every_race([self.m.session("s")], "names")

    def test_overlapping_sets_in_opposite_order_are_never_both_taken_and_never_half(self):
        m = self.m
        names = [f"src/{c}.c" for c in "abcdefghijklmnop"]
        there, back = m.task("there", names), m.task("back", [f"{n}/below" for n in names[::-1]])
        sessions = [m.session("a"), m.session("b")]
        for tool in ("touch", "mv", "open('x')"):
            for where in ("paths", "names"):
                with self.subTest(tool=tool, where=where):
                    self.race(tool, 2, sessions, where, 5 * rounds(2), [there, back], len(names))

    def test_patterns_that_overlap_are_never_both_taken(self):
        m = self.m
        tasks = [m.task("all-c", ["src/**/*.c", "Makefile"]), m.task("deep", ["src/a/b/x.c", "src/y.h"]),
                 m.task("class", ["src/[a-c]/?/*", "LICENSE"])]
        self.race("touch", 8, [m.session(f"s{i}") for i in range(8)], "paths", rounds(8), tasks)

    def test_with_the_real_backlog_on_the_board(self):
        data = os.path.join(os.environ.get("COORDFS_DATA") or "", "backlog.jsonl")
        if not os.path.isfile(data):
            self.skipTest("COORDFS_DATA names no directory with a backlog.jsonl")
        done = self.m.tool("import", "--guess-artifacts", data)
        self.assertEqual(done.rc, 0, done.err)
        self.assertGreater(len(self.m.ls("tasks")), 100)
        sessions = [self.m.session(f"s{i}") for i in range(8)]
        for tool in CALLS:
            for who in (sessions, sessions[:1]):
                with self.subTest(tool=tool, sessions=len(who)):
                    self.race(tool, 8, who, "paths", rounds(8))


class Programs(RaceCase):
    """The real tools, a process each; fewer rounds, since starting them takes long."""

    def start(self, program, session, task, gate):
        env = {k: v for k, v in os.environ.items() if k not in ("BASH_ENV", "ENV")}
        argv = ["bash", "-c", program] if isinstance(program, str) else program
        return subprocess.Popen(
            [a.replace("{t}", task) for a in argv], cwd=self.m.dir, env={**env, "COORD_SESSION": session},
            stdin=gate, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def one_round(self, program, sessions, contenders):
        m = self.m
        gate, opener = os.pipe()
        asked = [(sessions[i % len(sessions)], self.tasks[i % 2]) for i in range(contenders)]
        started = [self.start(program, *who, gate) for who in asked]
        os.close(gate)
        os.close(opener)  # all of them go on
        told = [(p.wait(), who) for p, who in zip(started, asked)]
        winners = [who for rc, who in told if rc == 0]
        self.assertEqual(len(winners), 1, told)
        session, task = winners[0]
        self.assertEqual(m.ls("claims"), [task])
        self.assertEqual(value(m.read("claims", task), "session"), session)
        self.assertEqual(len(m.read("artifacts").splitlines()), 2)
        m.release(session, task)

    def every_program(self, sessions):
        for name, program in PROGRAMS.items():
            for contenders in (2, 8):
                with self.subTest(tool=name, contenders=contenders):
                    if not isinstance(program, str):
                        lib.need_tool(program[0])
                    for _ in range(ROUNDS // 50 or 1):
                        self.one_round(program, sessions, contenders)

    def test_of_many_sessions_one_is_told_yes(self):
        self.every_program([self.m.session(f"s{i}") for i in range(8)])

    def test_of_one_sessions_processes_one_is_told_yes(self):
        self.every_program([self.m.session("s")])

    def test_what_starts_after_the_grant_adds_artifacts_at_once(self):
        m = self.m
        m.session("s")
        for _ in range(ROUNDS or 30):
            done = m.sh("touch claims/drain-day && bash -c 'echo by/another >> claims/drain-day' &&"
                        " echo by/itself >> claims/drain-day && grep -c by/ claims/drain-day &&"
                        " printf -- '-by/another\\n-by/itself\\n' >> claims/drain-day && rm claims/drain-day",
                        session="s")
            self.assertEqual((done.rc, done.out), (0, "2\n"), done.err)


def pair(functions, times):
    """Each of FUNCTIONS in a process of its own, TIMES, all behind one barrier a
    round. Yields their answers, a list a round; the next round waits."""
    barrier = multiprocessing.Barrier(len(functions))
    pipes = []

    def work(function, pipe):
        while pipe.recv():
            barrier.wait(lib.PATIENCE)
            pipe.send(function())

    for function in functions:
        ours, theirs = multiprocessing.Pipe()
        # a fork: FUNCTION is a closure
        process = multiprocessing.get_context("fork").Process(target=work, args=(function, theirs), daemon=True)
        process.start()
        pipes.append((ours, process))
    for _ in range(times):
        for pipe, _p in pipes:
            pipe.send(True)
        answers = []
        for pipe, _p in pipes:
            if not pipe.poll(lib.PATIENCE):
                raise AssertionError("a process has no answer")
            answers.append(pipe.recv())
        yield answers
    for pipe, process in pipes:
        pipe.send(False)
        process.join(lib.PATIENCE)


class Overlaps(Case):
    """What stays free, and what grows."""

    def setUp(self):
        super().setUp()
        for s in "abc":
            self.m.session(s)

    def test_partial_overlap_leaves_the_free_path_free(self):
        m = self.m
        m.task("left", ["only-left", "middle/x"]), m.task("right", ["middle", "only-right"])
        m.task("in-left", ["only-left"]), m.task("in-right", ["only-right/deep"])
        ask = [lambda s=s, t=t: errno_of(m.claim, s, t) for s, t in (("a", "left"), ("b", "right"))]
        for told in pair(ask, rounds(2) * 2):
            self.assertEqual(sorted(told), ["EBUSY", "ok"])
            who, won, free = [("a", "left", "in-right"), ("b", "right", "in-left")][told.index("ok")]
            taken = {"in-right": "in-left", "in-left": "in-right"}[free]
            m.claim("c", free)
            self.refused("EBUSY", m.claim, "c", taken)
            m.release("c", free)
            m.release(who, won)
        self.assertEqual(m.read("artifacts"), "")

    def test_two_holders_who_want_what_the_other_has_are_both_refused(self):
        m = self.m
        m.task("t", ["x"]), m.task("u", ["y"])
        m.claim("a", "t"), m.claim("b", "u")
        ask = [lambda: errno_of(m.write, "y\n", "sessions", "a", "claims", "t", append=True),
               lambda: errno_of(m.write, "x\n", "sessions", "b", "claims", "u", append=True)]
        for told in pair(ask, rounds(2)):
            self.assertEqual(told, ["EBUSY", "EBUSY"])

    def test_of_two_holders_who_add_the_same_paths_in_opposite_order_one_gets_all(self):
        m = self.m
        m.task("t", ["x"]), m.task("u", ["y"])
        m.claim("a", "t"), m.claim("b", "u")
        names = [f"lib/{i}" for i in range(20)]
        paths = [m.path("sessions", "a", "claims", "t"), m.path("sessions", "b", "claims", "u")]
        ask = [lambda p=p, l=l: errno_of(lib.write, p, "".join(f"{n}\n" for n in l), True)
               for p, l in zip(paths, (names, names[::-1]))]
        for told in pair(ask, rounds(2) * 2):
            self.assertEqual(sorted(told), ["EBUSY", "ok"])
            winner = told.index("ok")
            self.assertEqual(set(values(lib.read(paths[winner]), "artifact")[1:]), set(names))
            self.assertEqual(len(values(lib.read(paths[1 - winner]), "artifact")), 1)
            lib.write(paths[winner], "".join(f"-{n}\n" for n in names), append=True)

    def test_a_claim_and_a_growing_neighbour_never_both_get_it(self):
        m = self.m
        m.task("t", ["x"]), m.task("u", ["grown/by/t"])
        m.claim("a", "t")
        path = m.path("sessions", "a", "claims", "t")
        ask = [lambda: errno_of(lib.write, path, "grown\n", True), lambda: errno_of(m.claim, "b", "u")]
        for told in pair(ask, rounds(2) * 2):
            self.assertEqual(sorted(told), ["EBUSY", "ok"])
            if told[0] == "ok":
                lib.write(path, "-grown\n", append=True)
            else:
                m.release("b", "u")

    def test_a_finished_task_is_never_claimed_in_passing(self):
        m = self.m
        m.task("t", ["x"])
        ask = [lambda: errno_of(m.finish, "a", "t"), lambda: errno_of(m.claim, "b", "t")]
        m.claim("a", "t")
        for finished, claimed in pair(ask, rounds(2)):
            self.assertEqual(finished, "ok")
            self.assertIn(claimed, ("EBUSY", "EEXIST"))
            os.rename(m.path("done", "t"), m.path("ready", "t"))
            m.claim("a", "t")

    def test_a_task_that_is_given_back_goes_to_one_of_those_who_wait(self):
        m = self.m
        m.task("t", ["x"])
        m.claim("a", "t")
        ask = [lambda: errno_of(m.release, "a", "t")]
        ask += [lambda s=s: errno_of(m.claim, s, "t") for s in "bc"]
        for told in pair(ask, rounds(2)):
            self.assertEqual(told[0], "ok")
            self.assertLessEqual(told[1:].count("ok"), 1)
            for s, answer in zip("bc", told[1:]):
                if answer == "ok":
                    m.release(s, "t")
            m.claim("a", "t")


class Events(Case):
    """The log of a race tells it as it was."""

    def test_the_events_of_a_race_have_no_gap_and_rising_tokens(self):
        need_racer()
        m = self.m
        sessions = [m.session(f"s{i}") for i in range(8)]
        m.task("t", ["x"]), m.task("u", ["x"])
        subprocess.run([RACER, m.dir, "touch", "20", "8", ",".join(sessions), "t,u", "paths", "1"],
                       check=True, stdout=subprocess.DEVNULL)
        events = [json.loads(line) for line in m.read("events").splitlines()]
        self.assertEqual([e["seq"] for e in events], list(range(1, len(events) + 1)))
        turns = [e for e in events if e["event"] in ("claim", "release")]
        self.assertEqual([e["event"] for e in turns], ["claim", "release"] * 20)
        tokens = [e["token"] for e in turns[::2]]
        self.assertEqual(tokens, sorted(set(tokens)))


if __name__ == "__main__":
    unittest.main()
