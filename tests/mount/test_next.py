"""`next` as its readers see it: who is offered what, what it costs, and that it leaves no trace.

COORDFS_DATA is a directory with a backlog.jsonl: the issues of a real project.
"""
import collections
import concurrent.futures
import json
import os
import random
import statistics
import subprocess
import threading
import time
import unittest

import lib
from lib import Case, errno_of, read, value, wait_for


def imported(m, tasks):
    """Ready tasks, many at a time; TASKS are records as control/import takes them."""
    def one(t):
        m.write(json.dumps({"state": "ready", **t}) + "\n", "control", "import")
    with concurrent.futures.ThreadPoolExecutor(32) as pool:
        list(pool.map(one, tasks))


def next_of(m, session):
    return m.read("sessions", session, "next").strip()


def score(text):
    return float(value(text, "score"))


class Files(Case):
    """next and next.why are files like others."""

    def setUp(self):
        super().setUp()
        self.m.session("a")
        for name, worth in (("small", 1), ("large", 5), ("middle", 3)):
            self.m.task(name, value=worth)

    def test_the_best_by_path_by_environment_and_for_nobody(self):
        m = self.m
        self.assertEqual(m.read("sessions/a/next"), "large\n")
        self.assertEqual(m.sh("cat next", session="a").out, "large\n")
        self.assertEqual(m.read("next"), "large\n")
        m.claim("a", "large")
        self.assertEqual(m.read("sessions/a/next"), "middle\n")
        why = m.read("sessions/a/next.why")
        self.assertEqual(value(why, "task"), "middle")
        self.assertRegex(value(why, "runner-up"), r"^small score \S+$")

    def test_there_is_none_and_why(self):
        m = self.m
        m.write("fire\n", "control", "estop")
        self.assertEqual(m.read("sessions/a/next"), "")
        self.assertEqual(m.read("sessions/a/next.why").splitlines()[:2],
                         ["task -", "none the board is closed: control/estop"])

    def test_st_size_is_what_is_read_and_tar_and_cp_take_it(self):
        m, out = self.m, self.m.base / "out"
        out.mkdir()
        for name in "next", "next.why", "sessions/a/next", "sessions/a/next.why":
            with self.subTest(name):
                def same():
                    return os.stat(m.path(name)).st_size == len(m.read(name).encode())
                wait_for(same, "the size of a second is that of its text")
        self.assertEqual(m.sh(f"cp next {out}/copy && cat {out}/copy").out, "large\n")
        self.assertEqual(m.sh(f"tar cf {out}/t.tar next next.why && tar xOf {out}/t.tar next").out, "large\n")
        self.assertEqual(m.sh("stat -c %A sessions/a/next").out, "-r--r--r--\n")
        self.refused("EACCES", m.write, "x\n", "next")

    def test_reading_leaves_no_trace(self):
        m = self.m
        before = (m.read("events"), m.hash())
        for _ in range(3):
            m.read("next"), m.read("sessions/a/next"), m.read("sessions/a/next.why")
        self.assertEqual(m.sh("find . -name 'next*' -exec cat {} + > /dev/null").rc, 0)
        m.sh("grep -r large next* sessions lanes control tasks")
        m.sh("cat sessions/a/next.why", session="a")
        self.assertEqual((m.read("events"), m.hash()), before)

    def test_after_a_restart_it_is_the_same(self):
        m = self.m
        m.session("b")
        m.claim("b", "large")
        m.release("b", "large")
        m.write("0\n", "control/select/recency")
        before = [m.read(f"sessions/{s}/{f}") for s in "ab" for f in ("next", "next.why")]
        m.restart()
        self.assertEqual([m.read(f"sessions/{s}/{f}") for s in "ab" for f in ("next", "next.why")], before)
        m.kill9()
        m.start()
        self.assertEqual([m.read(f"sessions/{s}/{f}") for s in "ab" for f in ("next", "next.why")], before)

    def test_beside_claims_and_finishes_it_can_always_be_read(self):
        m, stop, bad = self.m, threading.Event(), []
        tasks = {"", "-", "small", "middle", "large", *(m.task(f"t{i}") for i in range(40))}

        def reader(name):
            while not stop.is_set():
                try:
                    text = m.read(name)  # whole, whatever its size was said to be a moment ago
                    first = text.split("\n")[0].removeprefix("task ")
                    if (text and text[-1] != "\n") or first not in tasks or ("why" in name) != ("drafts" in text):
                        bad.append((name, text))
                except OSError as e:
                    bad.append((name, e))

        readers = [threading.Thread(target=reader, args=(n,))
                   for n in ("next", "sessions/a/next", "next.why", "sessions/a/next.why")]
        for r in readers:
            r.start()
        done = []
        while task := next_of(m, "a"):
            m.claim("a", task)
            m.finish("a", task)
            done.append(task)
        stop.set()
        for r in readers:
            r.join()
        self.assertEqual(bad, [])
        self.assertEqual(len(set(done)), 43)


class Lanes(Case):
    """What lanes came to, as files."""

    def test_value_share_and_outcomes_follow_what_sessions_came_to(self):
        m = self.m
        for name in "good", "bad":
            os.mkdir(m.path("lanes", name))
            m.task(f"in-{name}", lane=name, kind="standing")
        m.session("judge")
        m.write("2\n", "control/select/window")
        for i in range(4):
            for lane, grade in (("good", "1 sound"), ("bad", "0 harmful")):
                s = m.session(f"{lane}{i}")
                m.claim(s, f"in-{lane}")
                self.assertEqual(m.sh(f"echo '{grade}' > sessions/{s}/grades/trajectory", session="judge").rc, 0)
                m.release(s, f"in-{lane}")
                os.rmdir(m.path("sessions", s))
        good, bad = (float(m.read("lanes", n, "value")) for n in ("good", "bad"))
        self.assertGreater(good, bad)
        self.assertEqual(value(m.read("lanes/good/outcomes"), "sessions"), "4")
        self.assertEqual(value(m.read("lanes/good/outcomes"), "value"), m.read("lanes/good/value").strip())
        self.assertEqual(m.read("lanes/good/share"), "0.50\n")
        self.assertIn(f"lane bad value {bad:.3f} share 0.50\nlane good value {good:.3f} share 0.50\n", m.read("status"))
        m.task("a", lane="bad")
        m.task("b", lane="good")
        m.write("0s\n", "control/select/asking")
        self.assertEqual(m.read("next"), "b\n")

    def test_a_lane_that_has_its_share_is_refused_and_is_not_offered(self):
        m = self.m
        os.mkdir(m.path("lanes/web"))
        m.write("0.5\n", "lanes/web/share-limit")
        m.write("2\n", "control/select/window")
        m.write("0\n", "control/select/explore")
        for name in "one", "two":
            m.task(name, lane="web", value=9)
        m.task("other")
        a, b = m.session("a"), m.session("b")
        m.claim(a, "one")
        self.assertEqual(next_of(m, b), "other")
        self.refused("EDQUOT", m.claim, b, "two")
        self.assertWhy(m.why(b), "EDQUOT", "lane web of two has its share: 1 of the last 2", "cat next")
        m.claim(b, "other")
        self.assertEqual(next_of(m, m.session("c")), "two")

    def test_more_lanes_than_fit_on_a_screen_are_not_in_status(self):
        for i in range(10):
            os.mkdir(self.m.path(f"lanes/l{i}"))
        self.assertEqual(self.m.read("status").count("\nlane "), 10)
        os.mkdir(self.m.path("lanes/l10"))
        self.assertEqual(self.m.read("status").count("\nlane "), 0)


class Crowd(Case):
    """Many sessions, a process each, ask at the same moment."""

    N = 100

    def worker(self, session, gates, out):
        """Its next, then, when all have theirs, its claim; then until it has one. What it was told."""
        refused = 0
        os.read(gates[0], 1)
        task = next_of(self.m, session)
        os.write(out, b"read\n")
        os.read(gates[1], 1)
        while task and errno_of(self.m.claim, session, task) != "ok":
            refused += 1
            task = next_of(self.m, session)
        os.write(out, f"{refused} {task}\n".encode())

    def together(self):
        """(refused, claims that succeeded)"""
        sessions = [self.m.session(f"s{i}") for i in range(self.N)]
        gates, opens = zip(*(os.pipe() for _ in range(2)))
        r, w = os.pipe()
        pids = []
        for s in sessions:
            pid = os.fork()
            if pid == 0:
                try:
                    for fd in opens:
                        os.close(fd)
                    self.worker(s, gates, w)
                finally:
                    os._exit(0)
            pids.append(pid)
        os.close(w)
        with os.fdopen(r) as told:
            os.close(opens[0])
            for _ in pids:
                self.assertEqual(told.readline(), "read\n")
            os.close(opens[1])
            answers = [line.split() for line in told]
        for pid in pids:
            self.assertEqual(os.waitpid(pid, 0)[1], 0)
        for fd in gates:
            os.close(fd)
        self.assertEqual(len(answers), self.N)
        taken = [task for _, task in answers]
        self.assertEqual(len(set(taken)), self.N, "each has another")
        return sum(int(n) for n, _ in answers), len(taken)

    def few_refused(self, what):
        refused, taken = self.together()
        part = refused / (refused + taken)
        print(f"{what}: {refused} of {refused + taken} claims were refused, {100 * part:.1f} %")
        self.assertLessEqual(part, 0.1)

    def test_of_a_hundred_over_a_thousand_equal_tasks_few_are_refused(self):
        imported(self.m, [{"task": f"t{i}"} for i in range(1000)])
        self.few_refused("100 sessions over 1,000 equal tasks")

    def test_of_a_hundred_over_300_tasks_of_different_values_few_are_refused(self):
        rnd = random.Random(7)
        imported(self.m, [{"task": f"t{i}", "value": str(rnd.randrange(1, 9)), "lane": "abc"[i % 3]}
                          for i in range(300)])
        self.few_refused("100 sessions over 300 tasks in 3 lanes")


TOLD = 30


class Told(Case):
    def setUp(self):
        super().setUp()
        for i in range(2 * TOLD):
            self.m.task(f"t{i:02}", lane=f"l{i % 3}")
        self.m.write("0\n", "control/select/explore")

    def next(self, session):
        return self.m.read(f"sessions/{session}/next").strip()

    def test_many_who_read_at_once_and_then_claim_are_all_given_what_they_were_told(self):
        names = [f"s{i}" for i in range(TOLD)]
        for name in names:
            self.m.session(name)
        refused, barrier = [], threading.Barrier(TOLD)

        def work(name):
            task = self.next(name)
            barrier.wait(lib.PATIENCE)
            try:
                self.m.claim(name, task)
            except OSError as why:
                refused.append((name, task, why))

        threads = [threading.Thread(target=work, args=(name,)) for name in names]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        self.assertEqual(refused, [])
        self.assertEqual(len(self.m.ls("claims")), TOLD)

    def test_who_explores_takes_its_first_task_from_a_lane_that_is_drawn_and_no_other(self):
        self.m.write("1\n", "control/select/explore")
        self.m.session("one")
        self.assertNotIn("\nexplore no\n", self.m.read("sessions/one/next.why"))
        task = self.next("one")
        self.m.claim("one", task)
        self.m.release("one", task)
        self.assertIn("\nexplore no\n", self.m.read("sessions/one/next.why"))


class Cost(Case):
    TASKS = 10_000

    def rounds(self, names, n=300):
        """The median time of one open, read and close of one of NAMES, in turn."""
        took = []
        for i in range(n):
            begin = time.perf_counter()
            fd = os.open(names[i % len(names)], os.O_RDONLY)
            os.fstat(fd)
            os.read(fd, 4096)
            os.close(fd)
            took.append(time.perf_counter() - begin)
        return statistics.median(took) * 1e6

    def test_a_read_costs_a_few_times_that_of_a_small_file(self):
        m = self.m
        imported(m, [{"task": f"t{i}", "value": str(i % 50 + 1), "lane": "abc"[i % 3]} for i in range(self.TASKS)])
        for s in "xyz":
            m.session(s)
        plain = m.path("control/lease")
        mine = [m.path(f"sessions/{s}/next") for s in "xy"]
        best = collections.defaultdict(lambda: float("inf"))
        for _ in range(5):
            for what, names in (("plain", [plain]), ("one", mine[:1]), ("two", mine)):
                best[what] = min(best[what], self.rounds(names))
        print(f"{self.TASKS} ready tasks in 3 lanes: control/lease {best['plain']:.0f} us, next of one session "
              f"{best['one']:.0f} us ({best['one'] / best['plain']:.1f} times), of two in turn {best['two']:.0f} us "
              f"({best['two'] / best['plain']:.1f} times)")
        if not lib.sanitized():
            self.assertLess(best["one"] / best["plain"], 3)


@unittest.skipUnless(os.path.isfile(os.path.join(os.environ.get("COORDFS_DATA") or "", "backlog.jsonl")),
                     "COORDFS_DATA names no directory with a backlog.jsonl")
class Backlog(Case):
    """The issues of a real project."""

    def setUp(self):
        super().setUp()
        self.m.write("session-claims 10000\nuid-claims 10000\n", "control", "limits")
        self.file = os.path.join(os.environ["COORDFS_DATA"], "backlog.jsonl")
        with open(self.file, encoding="utf-8") as f:
            self.issues = [json.loads(line) for line in f]

    def load(self, path):
        done = self.m.tool("import", "--guess-artifacts", path)
        self.assertEqual(done.rc, 0, done.err)

    def field(self, task, name):
        return self.m.read("tasks", task, name).strip()

    def test_as_it_is_only_what_can_be_begun_is_offered(self):
        m = self.m
        self.load(self.file)
        m.task("always", kind="standing")
        m.task("epic", kind="epic")
        m.task("late", artifacts=["src/main.rs"])
        ready = set(m.ls("ready"))
        never = {t for t in ready if self.field(t, "kind") in ("standing", "epic")}
        seen = set()
        for i in range(60):
            s = m.session(f"s{i}")
            task = next_of(m, s)
            self.assertIn(task, ready - never)
            seen.add(task)
        self.assertEqual(seen, ready - never, "they go round")
        print(f"the backlog as it is: {len(ready)} ready, {len(never)} of them always there or epics")

    def test_what_others_have_committed_to_is_not_offered(self):
        lib.need_tool("git")
        m, work = self.m, self.m.base / "work"
        self.load(self.file)
        git = ["git", "-C", str(work), "-c", "user.name=x", "-c", "user.email=x@y"]
        subprocess.run(["git", "init", "-q", str(work)], check=True)
        subprocess.run([*git, "commit", "-q", "--allow-empty", "-m", "begin"], check=True)
        os.mkdir(m.path("repos/w"))
        m.write(f"{work}\n", "repos/w/path")
        open(m.path("repos/w/scan"), "w").close()
        wait_for(lambda: m.read("repos/w/head").strip() not in ("", "-"), "it is scanned")
        m.write("0\n", "control/select/explore")
        m.task("stale", repo="w", artifacts=["src"], value=1000)
        old = m.session("old")
        self.assertEqual(next_of(m, old), "stale")
        (work / "src").mkdir()
        (work / "src/a.rs").write_text("x")
        subprocess.run([*git, "add", "."], check=True)
        subprocess.run([*git, "commit", "-q", "-m", "change\n\nCoord-Session: other"], check=True)
        os.utime(m.path("repos/w/scan"))
        m.wait_event("commit", session="other")
        new = m.session("new")
        self.assertNotEqual(next_of(m, old), "stale")
        self.assertIn("passed stale: others committed to it since your base", m.read("sessions/old/next.why"))
        m.write("0s\n", "control/select/asking")
        self.assertEqual(next_of(m, new), "stale", m.read("sessions/new/next.why"))

    # --- all of it, once more

    def again(self):
        """A file with every issue open; the tasks, what each needs, and the children of each epic."""
        needs, children, out = collections.defaultdict(set), {}, []
        for issue in self.issues:
            if issue["status"] == "tombstone":
                continue
            out.append({**{k: v for k, v in issue.items() if k not in ("closed_at", "close_reason", "assignee")},
                        "status": "open"})
            if issue["issue_type"] == "epic":
                children.setdefault(issue["id"], set())
            for d in issue.get("dependencies") or []:
                if d["type"] == "blocks":
                    needs[issue["id"]].add(d["depends_on_id"])
                elif d["type"] in ("parent-child", "parent_child"):
                    children.setdefault(d["depends_on_id"], set()).add(issue["id"])
        path = self.m.base / "again.jsonl"
        path.write_text("".join(json.dumps(i) + "\n" for i in out))
        tasks = {i["id"] for i in out}
        epics = {i["id"]: children[i["id"]] & tasks for i in out if i["issue_type"] == "epic"}
        return str(path), tasks, needs, epics

    def walk(self, session, over, told):
        """Tasks through next, touch and mv until it is OVER."""
        m = self.m
        while not over.is_set():
            task = next_of(m, session)
            if not task:
                time.sleep(0.005)  # what is in work may open more
                continue
            why = m.read("sessions", session, "next.why")
            runner = value(why, "runner-up").split() if value(why, "task") == task else ["-"]
            if runner != ["-"]:
                told["asked"] += 1
                sure = value(why, "place").startswith("0 of") and value(why, "explore") == "no"
                told["sure"] += sure
                if sure and float(runner[2]) > score(why) * 1.0001:
                    told["bad"].append(why)
            if errno_of(m.claim, session, task) != "ok":
                told["refused"] += 1
            else:
                m.finish(session, task)

    def keep(self, epics, tasks):
        """An epic is always there, and nobody is offered it: somebody sees that all its children are done and
        what it needs is, says that it is done once, and finishes it. Until all is done."""
        m, done = self.m, set()
        m.session("keeper")
        deadline = time.monotonic() + 240
        while not done >= tasks:
            self.assertLess(time.monotonic(), deadline, f"left: {sorted(tasks - done)}")
            done = set(m.ls("done"))
            for epic in (e for e in set(m.ls("ready")) & set(epics) if epics[e] <= done):
                self.assertEqual(self.field(epic, "kind"), "standing")
                m.claim("keeper", epic)
                m.write("once\n", "tasks", epic, "kind")
                m.finish("keeper", epic)

    def test_from_its_beginning_it_is_walked_to_the_end(self):
        m = self.m
        path, tasks, needs, epics = self.again()
        self.load(path)
        begin, over = time.monotonic(), threading.Event()
        told = {"refused": 0, "asked": 0, "sure": 0, "bad": []}
        sessions = [m.session(f"w{i}") for i in range(16)]
        with concurrent.futures.ThreadPoolExecutor(16) as pool:
            walks = [pool.submit(self.walk, s, over, told) for s in sessions]
            try:
                self.keep(epics, tasks)
            finally:
                over.set()
            for walk in walks:
                walk.result()
        took = time.monotonic() - begin
        self.assertEqual(told["bad"], [])
        done = []
        for e in m.events():
            if e["event"] == "claim":
                self.assertLessEqual(needs[e["task"]] & tasks, set(done), e["task"])
                self.assertEqual(e["task"] in epics, e["session"] == "keeper", "nobody is offered an epic")
            if e["event"] == "finish":
                done.append(e["task"])
        print(f"the backlog from its beginning: {len(done)} tasks, {len(epics)} of them epics, by 16 sessions in "
              f"{took:.1f} s; {told['refused']} refused claims; {told['sure']} of {told['asked']} choices were the "
              "best there was, the others for the sake of those who asked before, or of knowing")
        self.assertEqual(len(set(done)), len(done), "each once")
        self.assertEqual(set(done), tasks)
        self.assertEqual(m.ls("ready") + m.ls("blocked"), [])


if __name__ == "__main__":
    unittest.main()
