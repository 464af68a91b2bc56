"""Goals and how far they have come, in outcomes; and what is drafted twice.

COORDFS_DATA is a directory with a backlog.jsonl: the issues of a real project.
"""
import json
import multiprocessing
import os
import statistics
import time
import unittest

import lib
from lib import UID_A, UID_B, Case, Mount, as_uid, errno_of, need_root, sh, value


def figures(text):
    """`key value` lines as a dict."""
    return dict(line.split(" ", 1) for line in text.splitlines())


class Goals(Case):
    def progress(self, goal):
        return figures(self.m.read("goals", goal, "progress"))

    def test_its_progress_is_told_in_outcomes(self):
        m = self.m
        self.assertEqual(m.sh("mkdir goals/login && echo auth > goals/login/tag && echo 3 > goals/login/weight").rc, 0)
        m.session("s1")
        m.task("a", tags="auth", value="5")
        m.task("b", tags="x\nauth", value="2", needs=["a"])
        m.task("c", tags="auth", publish=False)
        m.task("d", tags="auth", value="1")
        m.task("e", tags="auth")
        m.task("other", tags="x", value="9")
        os.rmdir(m.path("tasks", "e"))
        m.claim("s1", "a")
        p = self.progress("login")
        self.assertEqual([p[k] for k in ("tag", "wanted", "ideas", "ready", "blocked", "claimed", "done")],
                         ["auth", "4", "1", "1", "1", "1", "0"])
        self.assertEqual((p["value-done"], p["value-left"], p["last-done"]), ("0", "8", "-"))
        m.finish("s1", "a")
        p = self.progress("login")
        self.assertEqual((p["done"], p["unblocked"], p["value-done"], p["value-left"]), ("1", "1", "5", "3"))
        self.assertRegex(p["last-done"], r"^\d{4}-\d\d-\d\dT")
        self.assertEqual(m.sh("mv done/a ready/").rc, 0)
        p = self.progress("login")
        self.assertEqual((p["done"], p["reopened"], p["value-done"], p["value-left"]), ("0", "1", "0", "8"))

    def test_the_tag_is_its_name_unless_it_says_another(self):
        m = self.m
        os.mkdir(m.path("goals", "speed"))
        m.task("a", tags="speed")
        self.assertEqual(m.read("goals", "speed", "tag"), "")
        self.assertEqual((self.progress("speed")["tag"], self.progress("speed")["wanted"]), ("speed", "1"))

    def test_setting_and_dropping_one_is_for_operators(self):
        need_root()
        m = self.m
        os.mkdir(m.path("goals", "g"))
        self.assertEqual(as_uid(UID_A, errno_of, os.mkdir, m.path("goals", "h")), "EACCES")
        self.assertEqual(as_uid(UID_A, errno_of, os.rmdir, m.path("goals", "g")), "EACCES")
        self.assertEqual(as_uid(UID_A, errno_of, lib.write, m.path("goals", "g", "weight"), "2\n"), "EACCES")
        self.assertEqual(as_uid(UID_B, lib.read, m.path("goals", "g", "progress")).split()[1], "g")
        self.refused("ERANGE", m.write, "1001\n", "goals", "g", "weight")
        os.rmdir(m.path("goals", "g"))
        self.assertEqual(m.ls("goals"), [])

    def test_it_makes_no_work_by_itself(self):
        m = self.m
        before = m.ls("tasks")
        os.mkdir(m.path("goals", "g"))
        m.read("verdict")
        self.assertEqual(m.ls("tasks"), before)

    def test_what_was_done_and_wanted_has_the_done_for_its_denominator(self):
        m = self.m
        m.session("s1")
        m.task("before", tags="g")
        m.claim("s1", "before")
        m.finish("s1", "before")
        os.mkdir(m.path("goals", "g"))
        m.task("wanted", tags="g")
        m.task("unwanted", tags="x")
        for name in ("wanted", "unwanted"):
            m.claim("s1", name)
            m.finish("s1", name)
        outcome = m.read("stats", "outcome")
        self.assertEqual(value(outcome, "done"), "3 3 3")
        self.assertEqual(value(outcome, "done-wanted"), "1 1 1")
        self.assertEqual(value(outcome, "wanted-per-done"), "0.33 0.33 0.33")


class Large(Case):
    """A goal of 10,000 among 20,000 tasks; a look at it, and a listing of the tasks, in one run."""

    def test_progress_of_a_goal_of_10000_is_quick(self):
        m = self.m
        os.mkdir(m.path("goals", "big"))
        os.mkdir(m.path("goals", "small"))
        for i in range(20000):
            tag = "small" if i == 0 else "big" if i % 2 else "x"
            m.write(json.dumps({"task": f"t{i}", "state": "idea", "tags": [tag], "value": "1"}),
                    "control", "import", append=True)
        self.assertEqual(figures(m.read("goals", "big", "progress"))["wanted"], "10000")
        small, big = (self.look(m.read, "goals", goal, "progress") for goal in ("small", "big"))
        listing = self.look(os.listdir, m.path("tasks"))
        print(f"progress: {small * 1e3:.2f} ms of 1 task, {big * 1e3:.2f} ms of 10,000; ls of 20,000 {listing * 1e3:.2f} ms")
        self.assertLess(big, listing)

    def look(self, fn, *args):
        took = []
        for _ in range(20):
            start = time.perf_counter()
            fn(*args)
            took.append(time.perf_counter() - start)
        return min(took)


class Duplicates(Case):
    def draft(self, name, title, **fields):
        return self.m.task(name, title=title, publish=False, **fields)

    def test_a_session_reads_in_its_why_what_its_draft_looks_like(self):
        m = self.m
        m.session("s1")
        m.session("s2")
        m.task("fix-login", title="Fix the login page")
        m.claim("s1", "fix-login")
        self.draft("login-2", "Login page: fix")
        self.assertEqual(m.sh("mv ideas/login-2 ready/", session="s2").rc, 0)
        why = m.why("s2")
        self.assertWhy(why, "WARNING", "login-2 looks like fix-login (held by session s1 for ",
                       'the same title, "Fix the login page"', "covered", "needs", "rmdir tasks/TASK")
        self.assertEqual(m.column("login-2"), "ready")
        self.assertIn("WARNING", m.read("sessions", "s2", "refusals"))

    def test_who_has_no_session_reads_it_in_why_as_well(self):
        m = self.m
        m.task("fix-login", title="Fix the login page")
        self.draft("login-2", "Fix the login page")
        done = m.sh("mv ideas/login-2 ready/ && cat why")
        self.assertEqual(done.rc, 0)
        self.assertWhy(done.out, "WARNING", "login-2 looks like fix-login (ready)")

    def test_refuse_is_EEXIST_for_mv_and_covered_lets_it_by(self):
        m = self.m
        m.write("refuse\n", "control", "dedup")
        m.task("fix-login", title="Fix the login page")
        self.draft("login-2", "Fix the login page")
        done = m.sh("mv ideas/login-2 ready/; cat why")
        self.assertNotEqual(done.err, "")
        self.assertWhy(done.out, "EEXIST", "login-2 looks like fix-login (ready)")
        self.assertEqual(m.column("login-2"), "ideas")
        self.assertEqual(m.sh("echo fix-login > tasks/login-2/covered && mv ideas/login-2 ready/").rc, 0)
        self.assertEqual(m.column("login-2"), "ready")

    def test_the_same_title_written_to_a_published_task_is_EEXIST_too(self):
        m = self.m
        m.write("refuse\n", "control", "dedup")
        m.task("fix-login", title="Fix the login page")
        m.task("other", title="Something else")
        self.refused("EEXIST", m.write, "Fix the login page\n", "tasks", "other", "title")
        self.assertEqual(m.read("tasks", "other", "title"), "Something else\n")

    def test_those_that_were_stopped_are_counted(self):
        m = self.m
        m.task("a", title="Fix the login page")
        for name in ("b", "c", "d"):
            self.draft(name, "Fix the login page")
        os.rename(m.path("ideas", "b"), m.path("ready", "b"))
        os.rename(m.path("ideas", "c"), m.path("ready", "c"))
        os.rmdir(m.path("tasks", "c"))
        m.write("refuse\n", "control", "dedup")
        self.refused("EEXIST", os.rename, m.path("ideas", "d"), m.path("ready", "d"))
        counted = m.read("stats", "convergence")
        self.assertEqual((value(counted, "duplicates"), value(counted, "duplicates-stopped")), ("3", "2"))

    def test_the_settings_are_the_owners(self):
        need_root()
        m = self.m
        self.assertEqual((m.read("control", "dedup"), m.read("control", "dedup-window")), ("warn\n", "7d\n"))
        self.refused("EINVAL", m.write, "maybe\n", "control", "dedup")
        self.assertEqual(as_uid(UID_A, errno_of, lib.write, m.path("control", "dedup"), "off\n"), "EACCES")
        self.assertEqual(as_uid(UID_A, errno_of, lib.write, m.path("control", "dedup-window"), "0s\n"), "EACCES")


def publish_at_once(m, name, gate):
    gate.wait()
    os._exit(sh(["mv", m.path("ideas", name), m.path("ready", name)], session=name).rc)


class Race(Case):
    SESSIONS, ROUNDS = 4, 12

    def test_of_sessions_that_publish_one_title_at_once_exactly_one_succeeds(self):
        m = self.m
        m.write("refuse\n", "control", "dedup")
        for n in range(self.ROUNDS):
            names = [f"s{n}-{i}" for i in range(self.SESSIONS)]
            for name in names:
                m.session(name)
                self.assertEqual(m.sh(f"mkdir tasks/{name} && echo 'The idea of round {n}' > tasks/{name}/title",
                                      session=name).rc, 0)
            gate = multiprocessing.Barrier(self.SESSIONS)
            race = [multiprocessing.Process(target=publish_at_once, args=(m, name, gate)) for name in names]
            for process in race:
                process.start()
            for process in race:
                process.join()
            self.assertEqual(sorted(p.exitcode for p in race), [0] + [1] * (self.SESSIONS - 1))
            won = names[[p.exitcode for p in race].index(0)]
            self.assertEqual([name for name in names if m.column(name) == "ready"], [won])
            for name in names:
                if name != won:
                    self.assertWhy(m.why(name), "EEXIST", f"{name} looks like {won} (ready)")


class Cost(unittest.TestCase):
    """Publishing among 10,000 titles, and asking nothing, in one run."""

    TASKS, LOOKS = 10000, 300

    def test_publishing_among_10000_titles_costs_little_more_than_without_asking(self):
        with Mount() as m:
            words = ("fix", "the", "login", "page", "audit", "logging", "parser", "sync", "export", "tests")
            for i in range(self.TASKS):
                title = f"{words[i % 10]} {words[i // 10 % 10]} of part {i % 97} for module m{i}"
                m.write(json.dumps({"task": f"t{i}", "state": "ready", "title": title,
                                    "artifacts": [f"src/m{i}.c"]}), "control", "import", append=True)
            took = {"off": [], "warn": []}
            for i in range(self.LOOKS):
                mode = ("off", "warn")[i % 2]
                m.write(f"{mode}\n", "control", "dedup")
                name = f"d{i}"
                m.task(name, title=f"fix the login of part {i % 97} for module n{i}", artifacts=[f"src/n{i}.c"],
                       publish=False)
                start = time.perf_counter()
                os.rename(m.path("ideas", name), m.path("ready", name))
                took[mode].append(time.perf_counter() - start)
            off, warn = (statistics.median(took[k]) for k in ("off", "warn"))
            print(f"publishing among {self.TASKS} titles: {off * 1e3:.2f} ms, asked {warn * 1e3:.2f} ms")
            self.assertEqual(m.events("duplicate"), [])
            self.assertLess(warn, 4 * off)


class Backlog(unittest.TestCase):
    """A real backlog, published one by one."""

    def issues(self):
        path = os.path.join(os.environ.get("COORDFS_DATA") or "", "backlog.jsonl")
        if not os.path.exists(path):
            self.skipTest("COORDFS_DATA names no directory with a backlog.jsonl")
        return path

    def test_what_is_told_of_a_real_backlog(self):
        path = self.issues()
        with Mount() as m, Mount() as copy:
            self.assertEqual(copy.tool("import", "--guess-artifacts", path).rc, 0)
            tasks = copy.ls("tasks")
            for name in tasks:
                os.mkdir(m.path("tasks", name))
                for field in ("title", "repo", "artifacts"):
                    text = copy.read("tasks", name, field)
                    if text:
                        m.write(text, "tasks", name, field)
            for name in tasks:
                needs = copy.read("tasks", name, "needs")
                if needs:
                    m.write(needs, "tasks", name, "needs")
            for name in tasks:
                os.rename(m.path("ideas", name), m.path("ready", name))
            told = m.events("duplicate")
            how = [like[2] for e in told for like in e["like"][:1]]
            for e in told:
                for _, other, what in e["like"][:1]:
                    print(f"{what}: {m.read('tasks', e['task'], 'title').strip()} || "
                          f"{m.read('tasks', other, 'title').strip()}")
            print(f"of {len(tasks)}: {len(told)} told; " + ", ".join(f"{how.count(w)} {w}" for w in sorted(set(how))))
            self.assertLess(len(told), len(tasks) / 8)
            self.assertGreater(how.count("title"), 20)


if __name__ == "__main__":
    unittest.main()
