"""Two sessions, one piece of work: made by git, found by the mount; and what is none."""
import os
import time

import gits
import lib

NOW = int(time.time())  # what was committed before the claims of these tests
LATER = 300  # seconds: and what is committed while they are held
SCRIPT = "#!/bin/sh\n" + "".join(f"echo step {i}\n" for i in range(8))
OTHER = "".join(f"line {i} of another file\n" for i in range(30))


class Case(gits.Case):
    def setUp(self):
        super().setUp()
        self.m.write("0s\n", "control", "scan-interval")
        self.t = self.tree()
        self.t.commit("the beginning of it", {"base.txt": OTHER, "tasks/x.md": "open\n"}, at=NOW - 5000)
        self.register("r", self.t)
        self.m.session("s1")
        self.m.session("s2")

    def two(self, subjects="the same work again", files=None, other=None, gap=20, sessions=("s1", "s2"), first=NOW - 1000, **kwargs):
        """Two work trees, linked; a commit in each. The two ids."""
        subjects = (subjects, subjects) if isinstance(subjects, str) else subjects
        ids = []
        for i, (session, these) in enumerate(zip(sessions, (files, files if other is None else other))):
            tree = self.t.worktree(self.dir / f"l{i}", f"agents/{i}")
            ids.append(tree.commit(subjects[i], these, session=session, at=first + i * gap, **kwargs))
        self.scan("r")
        return ids

    def one(self, *kinds):
        """The one incident there is, of these kinds."""
        found = self.incidents()
        self.assertEqual(len(found), 1, found)
        self.assertEqual(found[0]["kind"].split(), list(kinds))
        self.assertEqual(found[0]["repo"], "r\n")
        return found[0]

    def none(self):
        self.scan("r")
        self.assertEqual(self.incidents(), [])


class Founding(Case):
    """Two sessions, the same script, twenty seconds apart."""

    def tasks(self, one=(), two=()):
        self.m.task("first", artifacts=one, repo="r")
        self.m.task("second", artifacts=two, repo="r")
        self.m.claim("s1", "first")
        self.m.claim("s2", "second")

    def check(self, ids, kinds, path="tools/run.sh", lesson=None):
        got = self.one(*kinds)
        self.assertEqual(got["sessions"], "s1\ns2\n")
        self.assertEqual(got["gap"], "20s\n")
        self.assertEqual([l.split()[:2] for l in got["commits"].splitlines()], [[ids[0], "s1"], [ids[1], "s2"]])
        self.assertIn(path, got["paths"].splitlines())
        if lesson is not None:
            self.assertEqual(got["lesson"].splitlines(), [*lesson, "applied -"])
        for i, s in enumerate(("s1", "s2")):
            why = self.m.why(s)
            for word in ("CONVERGENCE", ids[i][:12], ids[1 - i][:12], f"session {('s2', 's1')[i]}", "20s",
                         "convergence/1/lesson"):
                self.assertIn(word, why)
        return got

    BOTH = ["task first artifact tools/run.sh", "task second artifact tools/run.sh"]

    def test_in_two_linked_work_trees(self):
        self.tasks()
        ids = self.two("add the nightly script", {"tools/run.sh": SCRIPT}, first=NOW + LATER)
        got = self.check(ids, ("patch", "empty", "path"), lesson=self.BOTH)
        self.assertEqual(len(got["held"].splitlines()), 2)
        for line in got["held"].splitlines():
            self.assertRegex(line, r"^tools/run\.sh s[12] -$")
        self.assertRegex(self.m.read("stats/convergence"), r"(?m)^incidents 1$")

    def test_and_the_lesson_prevents_it(self):
        """One task did name it, the other one did not: it could apply at once."""
        self.tasks(one=["tools/run.sh"])
        ids = self.two("add the nightly script", {"tools/run.sh": SCRIPT}, first=NOW + LATER)
        got = self.check(ids, ("patch", "empty", "path"), lesson=self.BOTH[1:])
        self.assertIn("tools/run.sh s1 first", got["held"])
        self.refused("EBUSY", self.m.write, "apply\n", "convergence/1/lesson")
        self.assertWhy(self.m.why(), "EBUSY", "second is held by session s2")
        self.m.release("s2", "second")
        self.m.write("apply\n", "convergence/1/lesson")
        self.assertEqual(self.m.read("tasks/second/artifacts"), "tools/run.sh\n")
        self.assertEqual(self.m.column("second"), "blocked")
        self.m.finish("s1", "first")
        os.rename(self.m.path("done/first"), self.m.path("ready/first"))
        for s in ("s3", "s4"):
            self.m.session(s)
        self.m.claim("s3", "first")
        self.refused("EBUSY", self.m.claim, "s4", "second")
        self.assertWhy(self.m.why("s4"), "EBUSY", "tools/run.sh", "first", "s3")

    def test_with_no_artifacts_and_reopened(self):
        self.tasks()
        self.two("add the nightly script", {"tools/run.sh": SCRIPT}, first=NOW + LATER)
        for s, t in (("s1", "first"), ("s2", "second")):
            self.m.finish(s, t)
        self.m.write("apply\n", "convergence/1/lesson")
        self.assertNotIn("applied -", self.m.read("convergence/1/lesson"))
        for t in ("first", "second"):
            os.rename(self.m.path("done", t), self.m.path("ready", t))
            self.assertEqual(self.m.read("tasks", t, "artifacts"), "tools/run.sh\n")
        for s in ("s3", "s4"):
            self.m.session(s)
        self.m.claim("s3", "first")
        self.refused("EBUSY", self.m.claim, "s4", "second")
        self.assertWhy(self.m.why("s4"), "EBUSY", "tools/run.sh", "first", "s3")

    def shared(self, second, files=None, options=()):
        """One checkout; the second commit is made by SECOND(tree)."""
        one = self.t.commit("add the nightly script", {"tools/run.sh": SCRIPT}, session="s1", at=NOW + LATER)
        second(self.t)
        two = self.t.commit("add the nightly script", files, session="s2", at=NOW + LATER + 20, options=options)
        self.scan("r")
        return [one, two]

    def test_in_one_checkout_where_the_second_changes_its_task_alone(self):
        self.tasks()
        ids = self.shared(lambda t: t.put("tasks/x.md", "done\n"))
        self.check(ids, ("subject",), lesson=self.BOTH)

    def test_the_second_is_a_mode(self):
        self.tasks()
        ids = self.shared(lambda t: (t.path / "tools/run.sh").chmod(0o755))
        self.check(ids, ("empty", "path"), lesson=self.BOTH)

    def test_the_second_is_empty(self):
        self.tasks()
        ids = self.shared(lambda t: None, options=["--allow-empty"])
        self.check(ids, ("empty", "subject"), lesson=self.BOTH)

    def test_without_a_task_there_is_nothing_to_apply(self):
        ids = self.two("add the nightly script", {"tools/run.sh": SCRIPT}, first=NOW + LATER)
        self.check(ids, ("patch", "empty", "path"), lesson=["task - artifact r:tools/run.sh"])
        self.refused("EINVAL", self.m.write, "apply\n", "convergence/1/lesson")
        self.assertWhy(self.m.why(), "EINVAL")
        self.refused("EINVAL", self.m.write, "nonsense\n", "convergence/1/lesson")

    def test_of_sessions_that_nobody_registered(self):
        ids = self.two("add the nightly script", {"tools/run.sh": SCRIPT}, sessions=("ghost", "phantom"))
        got = self.one("patch", "empty", "path")
        self.assertEqual(got["sessions"], "ghost\nphantom\n")
        self.assertEqual(len(ids), 2)


class Kinds(Case):
    def test_the_same_change_on_another_base(self):
        a = self.t.worktree(self.dir / "a", "a")
        b = self.t.worktree(self.dir / "b", "b")
        b.commit("something before it", {"base.txt": "a new first line\n" + OTHER}, session="s2", at=NOW - 1100)
        a.commit("one way to say", {"base.txt": OTHER + "and the end\n"}, session="s1", at=NOW - 1000)
        b.commit("another way of saying", {"base.txt": "a new first line\n" + OTHER + "and the end\n"},
                 session="s2", at=NOW - 990)
        self.scan("r")
        got = self.one("patch", "path")
        self.assertEqual(got["paths"], "base.txt\n")

    def test_the_same_but_for_white_space(self):
        code = "int f(int a)\n{\n\treturn a + 1;\n}\n"
        self.two(("write the function f", "function f is there"), {"f.c": code},
                 {"f.c": code.replace("\t", "    ").replace("\n{", " {")})
        self.assertIn("format", self.incidents()[0]["kind"].split())

    def test_what_the_other_had_written_already(self):
        self.two(("all of the work", "a part of it"), {"a.c": SCRIPT, "b.c": OTHER + "b\n", "c.c": "int c;\n"},
                 {"c.c": "int c;\n"})
        got = self.one("empty", "path")
        self.assertEqual(got["paths"], "c.c\n")

    def test_a_file_under_another_name(self):
        self.two(("add a helper script", "scripts for the night"), {"tools/a.sh": SCRIPT}, {"bin/night": SCRIPT})
        got = self.one("blob")
        self.assertEqual(sorted(got["paths"].split()), ["bin/night", "tools/a.sh"])

    def test_an_empty_or_tiny_file_says_nothing(self):
        self.two(("one thing and another", "quite another thing"), {"a/__init__.py": "", "x.json": "{}\n"},
                 {"b/__init__.py": "", "y.json": "{}\n"})
        self.none()

    def test_the_same_path(self):
        self.two(("one thing and another", "quite another thing"), {"base.txt": "one\n" + OTHER},
                 {"base.txt": OTHER + "two\n"})
        self.assertEqual(self.one("path")["paths"], "base.txt\n")

    def test_the_same_words(self):
        self.two("Fix the login of renamed users", {"a": "1\n"}, {"b": "two\n"})
        got = self.one("subject")
        self.assertEqual(got["paths"], "a\n")

    def test_few_words_say_nothing(self):
        self.two("wip", {"a": "1\n"}, {"b": "two\n"})
        self.none()

    def test_what_one_wrote_into_the_others_claim(self):
        self.m.task("t", artifacts=["src"], repo="r")
        self.m.claim("s1", "t")
        head = self.t.commit("not mine at all", {"src/x.c": "int x;\n"}, session="s2")
        self.scan("r")
        self.assertEqual(self.incidents(), [])  # s1 has committed nothing yet
        self.t.commit("what I came for", {"src/y.c": "int y;\n"}, session="s1")
        self.scan("r")
        got = self.one("path")
        self.assertIn("src/x.c", got["paths"])
        self.assertIn(head, got["commits"])

    def test_both_went_on(self):
        a = self.t.worktree(self.dir / "a", "a")
        b = self.t.worktree(self.dir / "b", "b")
        for i in range(3):
            a.commit(f"left step {i}", {"f.c": f"left {i}\n"}, session="s1", at=NOW - 1000 + i * 60)
            b.commit(f"right step {i}", {"f.c": f"right {i}\n"}, session="s2", at=NOW - 993 + i * 60)
            self.scan("r")
        got = self.one("path")
        self.assertEqual(got["gap"], "7s\n")
        self.assertEqual(len(got["commits"].splitlines()), 6)
        self.assertGreater(len(self.m.events("incident-more")), 0)


class Innocent(Case):
    """One session's rewriting, and work that went from hand to hand."""

    def setUp(self):
        super().setUp()
        self.side = self.t.worktree(self.dir / "side", "side")

    def work(self, session="s1", at=NOW - 1000, n=3):
        return [self.side.commit(f"step {i} of the work", {f"w{i}.c": f"int w{i};\n" * 5}, session=session,
                                 at=at + i) for i in range(n)]

    def test_a_rebase(self):
        self.work()
        self.scan("r")
        self.t.commit("meanwhile on main", {"main.c": "int m;\n"}, session="s1", at=NOW - 900)
        self.side.git("rebase", "-q", "main")
        self.none()

    def test_a_rebase_by_another_session_without_trailers(self):
        """Whoever rebases it, it stays whose it was."""
        self.m.task("t", artifacts=["w*"], repo="r")
        self.m.claim("s1", "t")
        for i in range(3):
            self.side.commit(f"step {i} of the work", {f"w{i}.c": f"int w{i};\n" * 5})
        self.scan("r")
        self.t.commit("meanwhile on main", {"main.c": "int m;\n"}, session="s2")
        self.side.git("rebase", "-q", "main", env={"GIT_COMMITTER_NAME": "Bob"})
        self.none()
        self.assertEqual({c[2] for c in self.commits("r") if "of the work" in c[4]}, {"s1"})

    def test_cherry_picks(self):
        ids = self.work()
        self.scan("r")
        self.t.git("cherry-pick", "-x", ids[0])
        self.t.git("cherry-pick", ids[1])
        self.none()

    def test_a_cherry_pick_x_by_another_session(self):
        ids = self.work()
        self.t.git("cherry-pick", "-x", ids[0])
        self.t.git("commit", "-q", "--amend", "-m",
                   f"picked\n\n(cherry picked from commit {ids[0]})\n\nCoord-Session: s2")
        self.none()

    def test_a_pick_without_x_under_anothers_name(self):
        """Each says by trailer that it is its own: it is one piece of work."""
        ids = self.work(n=1)
        self.t.git("cherry-pick", "-n", ids[0])
        self.t.commit("step 0 of the work", session="s2", at=NOW - 900)
        self.scan("r")
        self.assertEqual(len(self.incidents()), 1)

    def test_a_revert(self):
        ids = self.work()
        self.t.git("merge", "-q", "--no-ff", "-m", "take it in", "side")
        self.t.git("revert", "--no-edit", ids[2])
        self.none()
        self.t.git("revert", "--no-commit", ids[1])
        message = f"Revert \"step 1 of the work\"\n\nThis reverts commit {ids[1]}.\n\nCoord-Session: s2"
        self.t.git("commit", "-q", "-m", message)
        self.none()

    def test_a_merge_by_another_session(self):
        self.work()
        self.t.commit("meanwhile on main", {"main.c": "int m;\n"}, session="s1", at=NOW - 900)
        self.t.git("merge", "-q", "--no-ff", "-m", "take it in\n\nCoord-Session: s2", "side")
        self.none()

    def test_a_merge_with_a_conflict_solved_by_another(self):
        self.side.commit("one side", {"base.txt": "side\n"}, session="s1", at=NOW - 1000)
        self.t.commit("the other", {"base.txt": "main\n"}, session="s1", at=NOW - 990)
        self.t.git("merge", "-q", "side", check=False)
        self.t.put("base.txt", "both\n")
        self.t.git("add", "-A")
        self.t.git("commit", "-q", "-m", "solve it\n\nCoord-Session: s2", at=NOW - 900)
        self.none()

    def test_amended(self):
        self.work()
        for i in range(3):
            self.scan("r")
            self.side.put("w2.c", f"int again{i};\n")
            self.side.git("commit", "-q", "-a", "--amend", "--no-edit")
        self.none()

    def test_squashed_by_one_session(self):
        self.work()
        self.scan("r")
        self.t.git("merge", "-q", "--squash", "side")
        self.t.commit("all the work at once", session="s1")
        self.none()

    def test_squashed_by_another_with_gits_message(self):
        self.work()
        self.scan("r")
        self.t.git("merge", "-q", "--squash", "side")
        message = (self.t.path / ".git/SQUASH_MSG").read_text()
        # squash messages carry the trailers of the commits as indented text
        self.t.git("commit", "-q", "-m", message + "\n\nCoord-Session: s2")
        self.none()

    def test_one_after_the_other_with_the_others_in_view(self):
        self.m.task("one", artifacts=["f.c"], repo="r")
        self.m.task("two", artifacts=["f.c"], repo="r")
        self.m.claim("s1", "one")
        self.t.commit("first half of it", {"f.c": "int a;\n"}, session="s1")
        self.m.finish("s1", "one")
        self.refused("ESTALE", self.m.claim, "s2", "two")
        os.utime(self.m.path("sessions/s2/base"))
        self.m.claim("s2", "two")
        self.t.commit("second half of it", {"f.c": "int a;\nint b;\n"}, session="s2")
        self.none()
        self.m.finish("s2", "two")
        os.utime(self.m.path("sessions/s1/base"))
        os.rename(self.m.path("done/one"), self.m.path("ready/one"))
        self.m.claim("s1", "one")
        self.t.commit("and a third half", {"f.c": "int a;\nint b;\nint c;\n"}, session="s1")
        self.none()

    def test_two_files_of_two_claims(self):
        for i, s in ((1, "s1"), (2, "s2")):
            self.m.task(f"t{i}", artifacts=[f"f{i}.c"], repo="r")
            self.m.claim(s, f"t{i}")
        for i, s in ((1, "s1"), (2, "s2")):
            self.t.commit(f"work on file {i}", {f"f{i}.c": f"int f{i};\n"}, session=s)
        self.none()

    def test_commits_that_were_there_are_recorded_all_the_same(self):
        """History is judged as well, by its trailers."""
        t = gits.Tree.new(self.dir / "old")
        t.commit("a", {"f": "1\n"}, session="x", at=NOW - 5000)
        t.commit("b", {"f": "2\n"}, session="y", at=NOW - 4990)
        self.register("old", t)
        self.assertEqual([i["repo"] for i in self.incidents()], ["old\n"])


class Windows(Case):
    FILES = ("f.c", "left\n"), ("f.c", "right\n")

    def at(self, first, second, order=(0, 1)):
        """Two commits at these times, recorded in that order."""
        trees = [self.t.worktree(self.dir / f"l{i}", f"agents/{i}") for i in range(2)]
        for i in order:
            name, text = self.FILES[i]
            trees[i].commit(f"half {i} of it", {name: text}, session=f"s{i + 1}", at=(first, second)[i])
            self.scan("r")

    def test_beyond_it_there_is_none(self):
        self.at(NOW - 9000, NOW - 9000 + 3601)
        self.assertEqual(self.incidents(), [])

    def test_just_within(self):
        self.at(NOW - 9000, NOW - 9000 + 3600)
        self.assertEqual(self.one("path")["gap"], "1h\n")

    def test_recorded_the_wrong_way_round(self):
        self.at(NOW - 1000, NOW - 900, order=(1, 0))
        got = self.one("path")
        self.assertEqual((got["sessions"], got["gap"]), ("s1\ns2\n", "100s\n"))
        self.assertEqual([l.split()[1] for l in got["commits"].splitlines()], ["s1", "s2"])

    def test_of_another_length(self):
        self.m.write("10s\n", "control", "convergence-window")
        self.at(NOW - 1000, NOW - 980)
        self.assertEqual(self.incidents(), [])
        self.m.write("1m\n", "control", "convergence-window")
        self.t.commit("a third", {"f.c": "third\n"}, session="s1", at=NOW - 970)
        self.scan("r")
        self.assertEqual(self.one("path")["gap"], "10s\n")

    def test_0s_looks_for_none(self):
        self.m.write("0s\n", "control", "convergence-window")
        self.at(NOW - 1000, NOW - 1000)
        self.assertEqual(self.incidents(), [])

    def test_a_clock_that_is_wrong(self):
        self.at(NOW + 10 ** 8, NOW + 10 ** 8 + 5)
        self.one("path")
        self.t.commit("in 1970", {"f.c": "zero\n"}, session="s1", at=1)
        self.scan("r")
        self.assertEqual(len(self.incidents()), 1)


class Figures(Case):
    def test_stats(self):
        got = self.m.read("stats/convergence")
        self.assertEqual([l.split()[0] for l in got.splitlines()],
                         ["incidents", "sessions", "per-1000-sessions", "median-gap", "cost", "cost-unknown",
                          "duplicates", "duplicates-stopped"])
        self.assertEqual(lib.value(got, "incidents"), "0")
        self.assertEqual(lib.value(got, "sessions"), "2")
        for i in range(3):
            for k, s in enumerate(("s1", "s2")):
                tree = self.t.worktree(self.dir / f"x{i}{k}", f"x{i}{k}")
                # far from each other: three incidents
                tree.commit(f"half {k} of {i}", {f"f{i}": f"{k}\n"}, session=s,
                            at=NOW - 100000 + i * 20000 + k * (10, 30, 50)[i])
        self.scan("r")
        got = self.m.read("stats/convergence")
        self.assertEqual(lib.value(got, "incidents"), "3")
        self.assertEqual(lib.value(got, "median-gap"), "30s")
        self.assertEqual(float(lib.value(got, "per-1000-sessions")), 1500)
        self.assertEqual(lib.value(got, "cost-unknown"), "3")  # long before they were registered

    def test_cost_is_from_the_claim_to_the_commit(self):
        self.m.task("t", artifacts=["f"], repo="r")
        self.m.claim("s2", "t")
        since = self.m.events("claim", task="t")[-1]["at"]
        at = NOW + 3600
        self.t.commit("one of the two", {"f": "1\n"}, session="s1", at=at - 10)
        self.t.commit("two of the two", {"f": "2\n"}, session="s2", at=at)
        self.scan("r")
        event = self.m.events("incident")[-1]
        self.assertEqual(event["cost_ms"], at * 1000 - since)

    def test_incidents_outlive_the_daemon(self):
        self.two("the very same thing twice", {"a.c": SCRIPT})
        before, stats = self.incidents(), self.m.read("stats/convergence")
        self.m.restart()
        self.scan("r")
        self.assertEqual((self.incidents(), self.m.read("stats/convergence")), (before, stats))
        self.refused("EPERM", os.rmdir, self.m.path("convergence/1"))
        self.refused("EPERM", os.mkdir, self.m.path("convergence/2"))

    def test_what_many_sessions_do_at_once(self):
        """Eight sessions, one file: an incident for each two."""
        for i in range(8):
            tree = self.t.worktree(self.dir / f"x{i}", f"x{i}")
            tree.commit(f"attempt {i} of all", {"f.c": f"{i}\n"}, session=f"x{i}", at=NOW - 1000 + i)
        self.scan("r")
        self.assertEqual(len(self.incidents()), 8 * 7 // 2)
