"""Nobody claims from an old picture; and absolute paths among artifacts."""
import os
import subprocess

import gits
import lib
from lib import need_tool, read


class Case(gits.Case):
    def setUp(self):
        super().setUp()
        self.m.write("0s\n", "control", "scan-interval")  # nobody looks but who decides
        self.t = self.tree()
        self.t.commit("sources", {"src/a.c": "int a;\n", "src/b.c": "int b;\n", "docs/a.md": "# a\n"})
        self.register("r", self.t)
        self.m.session("s1")
        self.m.session("s2")

    def change(self, name="src/a.c", session="s1", **kwargs):
        self.n = getattr(self, "n", 0) + 1
        return self.t.commit(f"change {self.n}", {name: f"int a = {self.n};\n"}, session=session, **kwargs)

    def stale(self, fn, *args, session="s2"):
        self.refused("ESTALE", fn, *args)
        self.assertWhy(self.m.why(session), "ESTALE", "base")


class Stale(Case):
    def setUp(self):
        super().setUp()
        self.m.task("t", artifacts=["src"], repo="r")
        self.m.task("d", artifacts=["docs"], repo="r")

    def test_what_another_session_committed_and_why_says_all_of_it(self):
        head = self.change()
        self.refused("ESTALE", self.m.claim, "s2", "t")
        why = self.m.why("s2")
        self.assertWhy(why, "ESTALE", "src/a.c", "session s1", head, '"change 1"', "in r", "touch")
        self.assertRegex(why, r"src/a\.c was committed by session s1 \d+\S* ago")
        self.assertEqual(self.m.column("t"), "ready")
        self.assertEqual(self.m.ls("sessions/s2/claims"), [])

    def test_touch_base_accepts(self):
        head = self.change()
        self.stale(self.m.claim, "s2", "t")
        self.assertNotIn(head, self.m.read("sessions/s2/base"))
        os.utime(self.m.path("sessions/s2/base"))
        self.assertEqual(self.m.read("sessions/s2/base"), f"r {head} refs/heads/main\n")
        self.m.claim("s2", "t")

    def test_touch_base_looks_itself(self):
        head = self.change()
        os.utime(self.m.path("sessions/s2/base"))
        self.assertEqual(self.m.read("sessions/s2/base"), f"r {head} refs/heads/main\n")
        self.m.claim("s2", "t")

    def test_by_every_way_to_ask(self):
        need_tool("flock", "bash")
        self.change()
        for how in ("touch sessions/s2/claims/t", "> sessions/s2/claims/t", "echo src/x >> sessions/s2/claims/t",
                    "mv ready/t sessions/s2/claims/", "flock sessions/s2/claims/t true",
                    "flock -n sessions/s2/claims/t true",
                    "python3 -c 'import os; os.open(\"sessions/s2/claims/t\", os.O_CREAT | os.O_EXCL | os.O_WRONLY)'"):
            with self.subTest(how=how):
                got = self.m.sh(how)
                self.assertNotEqual(got.rc, 0)
                self.assertIn("ESTALE", self.m.why("s2").splitlines()[0])
                self.assertEqual(self.m.column("t"), "ready")
        for how in ("touch claims/t", "mv ready/t claims/", "flock claims/t true"):
            with self.subTest(how=how):
                self.assertNotEqual(self.m.sh(how, session="s2").rc, 0)
                self.assertEqual(self.m.column("t"), "ready")

    def test_flock_of_nobody_is_not_asked(self):
        need_tool("flock")
        self.change()
        self.assertEqual(self.m.sh("flock claims/t cat claims/t").rc, 0)

    def test_what_was_committed_elsewhere_makes_nothing_stale(self):
        self.change("docs/a.md")
        self.m.claim("s2", "t")
        self.stale(self.m.claim, "s2", "d")

    def test_neither_do_ones_own_and_those_of_nobody(self):
        self.change(session="s2")
        self.change(session=None)
        self.m.claim("s2", "t")

    def test_neither_does_another_repository(self):
        other = self.tree("other")
        self.register("o", other)
        other.commit("there", {"src/a.c": "x\n"}, session="s1")
        self.m.claim("s2", "t")

    def test_a_repository_that_came_after_the_session(self):
        other = self.tree("other")
        other.commit("before", {"f": "x\n"}, session="s1")
        self.register("o", other)
        self.m.task("o1", artifacts=["f"], repo="o")
        self.m.claim("s2", "o1")
        self.m.release("s2", "o1")
        other.commit("after", {"f": "y\n"}, session="s1")
        self.stale(self.m.claim, "s2", "o1")

    def test_who_registers_after_a_commit_is_fresh(self):
        for i in range(10):
            self.change()
            self.m.session(f"x{i}")
            self.m.claim(f"x{i}", "t")
            self.m.release(f"x{i}", "t")

    def test_who_holds_it_makes_it_stale_for_the_next(self):
        """No trailer: it is the holder's."""
        self.m.claim("s1", "t")
        head = self.change(session=None)
        self.m.finish("s1", "t")
        os.rename(self.m.path("done/t"), self.m.path("ready/t"))
        self.stale(self.m.claim, "s2", "t")
        self.assertIn(head, self.m.why("s2"))
        self.assertIn("(holder)", self.m.why("s2"))

    def test_files_that_go_or_move_and_patterns(self):
        self.m.task("p", artifacts=["src/*.c"], repo="r")
        self.m.task("wide", artifacts=["*/b.c"], repo="r")
        self.t.git("mv", "src/b.c", "lib.c")
        self.t.commit("moved", session="s1")
        for task, path in (("p", "src/b.c"), ("wide", "b.c"), ("t", "src/b.c")):
            self.stale(self.m.claim, "s2", task)
            self.assertIn(path, self.m.why("s2"))

    def test_a_commit_on_another_branch_and_in_a_linked_work_tree(self):
        linked = self.t.worktree(self.dir / "linked", "agents/one")
        linked.commit("there", {"src/a.c": "int c;\n"}, session="s1")
        self.stale(self.m.claim, "s2", "t")

    def test_a_commit_on_a_detached_head(self):
        self.t.git("checkout", "-q", "--detach")
        self.change()
        self.stale(self.m.claim, "s2", "t")

    def test_warn_grants_and_says_so(self):
        self.m.write("warn\n", "control", "freshness")
        head = self.change()
        self.m.claim("s2", "t")
        why = self.m.why("s2")
        self.assertIn("WARNING", why)
        self.assertIn(head, why)
        self.assertEqual([e["task"] for e in self.m.events("warned", session="s2")], ["t"])

    def test_off_asks_nothing(self):
        self.m.write("off\n", "control", "freshness")
        head = self.change()
        self.m.claim("s2", "t")
        self.assertEqual(self.m.why("s2"), "nothing was refused\n")
        self.assertNotIn(head, self.recorded("r"))

    def test_a_setting_that_is_none(self):
        self.refused("EINVAL", self.m.write, "perhaps\n", "control", "freshness")

    def test_a_hand_over_and_more_artifacts_are_no_claim(self):
        self.m.claim("s1", "d")
        self.change()
        os.rename(self.m.path("sessions/s1/claims/d"), self.m.path("sessions/s2/claims/d"))
        self.m.write("src\n", "sessions/s2/claims/d", append=True)

    def test_a_task_without_artifacts(self):
        self.m.task("none", repo="r")
        self.change()
        self.m.claim("s2", "none")

    def test_base_is_not_written(self):
        self.refused("EINVAL", self.m.write, "x\n", "sessions/s2/base")
        self.m.session("s3")
        os.rmdir(self.m.path("sessions/s3"))
        self.refused("ESTALE", os.utime, self.m.path("sessions/s3/base"))

    def test_it_is_known_after_a_restart(self):
        self.change()
        self.m.restart()
        self.stale(self.m.claim, "s2", "t")
        self.change()
        os.utime(self.m.path("sessions/s2/base"))
        self.m.kill9()
        self.m.start()
        self.m.claim("s2", "t")


class Race(Case):
    """Without a hook, without a look: whoever claims after a commit, learns of it."""

    ROUNDS = 60

    def test_a_claim_right_after_a_commit_is_never_granted(self):
        self.m.task("t", artifacts=["src"], repo="r")
        for i in range(self.ROUNDS):
            head = self.change()
            self.refused("ESTALE", self.m.claim, "s2", "t")
            self.assertIn(head, self.m.why("s2"), i)
            os.utime(self.m.path("sessions/s2/base"))

    def test_the_same_in_one_shell(self):
        self.m.task("t", artifacts=["src"], repo="r")
        script = f"""
        export GIT_CONFIG_GLOBAL=/dev/null
        for i in $(seq {self.ROUNDS // 2}); do
            echo $i > {self.t.path}/src/a.c
            git -C {self.t.path} commit -qam "round $i" -m 'Coord-Session: s1' && touch sessions/s2/claims/t 2>/dev/null && exit 1
            touch sessions/s2/base || exit 2
        done; exit 0
        """
        self.assertEqual(self.m.sh(script, env=gits.IDENTITY)[0], 0)

    def test_with_packed_refs_and_gc(self):
        self.m.task("t", artifacts=["src"], repo="r")
        for i in range(self.ROUNDS // 3):
            self.change()
            self.t.git(*(("pack-refs", "--all") if i % 2 else ("gc", "-q")))
            self.refused("ESTALE", self.m.claim, "s2", "t")
            os.utime(self.m.path("sessions/s2/base"))

    def test_commits_in_linked_work_trees_in_turn(self):
        self.m.task("t", artifacts=["src"], repo="r")
        trees = [self.t.worktree(self.dir / f"l{i}", f"agents/{i}") for i in range(3)]
        for i in range(self.ROUNDS // 2):
            head = trees[i % 3].commit(f"round {i}", {"src/a.c": f"int r{i};\n"}, session="s1")
            self.refused("ESTALE", self.m.claim, "s2", "t")
            self.assertIn(head[:12], self.m.why("s2"))
            os.utime(self.m.path("sessions/s2/base"))

    def test_on_a_new_branch_each_time(self):
        self.m.task("t", artifacts=["src"], repo="r")
        for i in range(self.ROUNDS // 3):
            self.t.git("checkout", "-q", "-b", f"topic{i % 3}/{i}")
            self.change()
            self.refused("ESTALE", self.m.claim, "s2", "t")
            os.utime(self.m.path("sessions/s2/base"))

    def test_a_commit_that_git_makes_elsewhere_and_pushes(self):
        """Into a bare repository: its branch moves by a push."""
        bare = self.dir / "bare.git"
        gits.git("/", "init", "-q", "-b", "main", "--bare", bare)
        self.t.git("push", "-q", bare, "main")
        self.register("b", bare)
        self.m.task("t", artifacts=["src"], repo="b")
        self.m.session("s3")
        for i in range(self.ROUNDS // 3):
            self.change()
            self.t.git("push", "-q", bare, "main")
            self.refused("ESTALE", self.m.claim, "s3", "t")
            os.utime(self.m.path("sessions/s3/base"))

    def test_eight_sessions_at_once_after_a_commit(self):
        names = [f"x{i}" for i in range(8)]
        for n in names:
            self.m.session(n)
            self.m.task(f"t-{n}", artifacts=[f"src/{n}", "src/a.c"] if n == "x0" else [f"src/{n}"], repo="r")
        self.m.task("all", artifacts=["src"], repo="r")
        for i in range(10):
            self.change()
            script = "".join(f"(touch sessions/{n}/claims/all 2>/dev/null && echo {n}) & " for n in names)
            self.assertEqual(self.m.sh(script + "wait").out, "")
            for n in names:
                self.assertIn("ESTALE", self.m.why(n).splitlines()[0])
            script = "".join(f"(touch sessions/{n}/base || echo {n}) & " for n in names)
            self.assertEqual(self.m.sh(script + "wait").out, "")
            script = "".join(f"(touch sessions/{n}/claims/all 2>/dev/null && echo {n}) & " for n in names)
            winner = self.m.sh(script + "wait").out.split()
            self.assertEqual(len(winner), 1)
            self.m.release(winner[0], "all")

    def test_commits_and_claims_that_do_not_wait_for_each_other(self):
        """A stream of commits while sessions come, claim and go: who was granted something had
        seen every commit that had been made when it asked."""
        self.m.task("t", artifacts=["src"], repo="r")
        script = """
        for i in $(seq 60); do echo $i > src/a.c
            git commit -qam "stream $i" -m 'Coord-Session: s1' || exit 1; done
        """
        p = subprocess.Popen(["bash", "-c", script], cwd=self.t.path,
                             env={**gits.history.environ(), **gits.IDENTITY})
        self.addCleanup(p.wait)
        self.addCleanup(p.kill)
        granted = n = 0
        while p.poll() is None:
            n += 1
            self.m.session(f"y{n}")
            head = read(self.t.path / ".git/refs/heads/main").strip()
            said = lib.errno_of(self.m.claim, f"y{n}", "t")
            self.assertIn(said, ("ok", "ESTALE"))
            self.assertIn(head, self.recorded("r"))
            if said == "ok":
                granted += 1
                self.m.release(f"y{n}", "t")
        self.assertEqual(p.returncode, 0)
        print(f"{n} sessions, {granted} granted", flush=True)


class Absolute(Case):
    def artifacts(self, *lines, task="t"):
        self.m.write("".join(f"{l}\n" for l in lines), "tasks", task, "artifacts", append=True)

    def listed(self, task="t"):
        return self.m.read("tasks", task, "artifacts").splitlines()

    def setUp(self):
        super().setUp()
        self.m.task("t", repo="r")
        self.m.task("elsewhere")
        self.here = str(self.t.path)

    def test_in_the_tasks_own_repository_and_in_another(self):
        other = self.tree("other")
        self.register("o", other)
        self.assertEqual(self.m.sh(f"echo {self.here}/src/a.c >> tasks/t/artifacts").rc, 0)
        self.artifacts(f"{other.path}/README")
        self.assertEqual(self.listed(), ["src/a.c", "o:README"])
        self.artifacts(f"{self.here}/src/a.c", task="elsewhere")
        self.assertEqual(self.listed("elsewhere"), ["r:src/a.c"])

    def test_in_a_claim_and_given_up_there(self):
        self.m.claim("s1", "t")
        self.assertEqual(self.m.sh(f"echo {self.here}/src/a.c >> sessions/s1/claims/t").rc, 0)
        self.assertEqual(self.m.sh(f"echo artifact {self.here}/docs >> claims/t", session="s1").rc, 0)
        self.assertEqual(lib.values(self.m.read("claims/t"), "artifact"), ["src/a.c", "docs"])
        self.assertEqual(self.m.sh(f"echo -{self.here}/src/a.c >> sessions/s1/claims/t").rc, 0)
        self.assertEqual(lib.values(self.m.read("claims/t"), "artifact"), ["docs"])

    def test_several_lines_and_others_among_them(self):
        self.artifacts("branch:x", f"{self.here}/src/b.c", "plain", f"{self.here}/docs/", "topic:y")
        self.assertEqual(self.listed(), ["branch:x", "src/b.c", "plain", "docs", "topic:y"])

    def test_all_or_none(self):
        self.refused("EINVAL", self.artifacts, f"{self.here}/src/b.c", "/nowhere/x")
        self.assertEqual(self.listed(), [])

    def test_through_links_and_linked_work_trees(self):
        os.symlink(self.here, self.dir / "link")
        linked = self.t.worktree(self.dir / "linked", "side")
        os.symlink("src", self.t.path / "sources")
        self.artifacts(f"{self.dir}/link/src/a.c", f"{linked.path}/src/b.c", f"{self.here}/sources/c.c",
                       f"{self.here}/docs/../docs/./x.md")
        self.assertEqual(self.listed(), ["src/a.c", "src/b.c", "src/c.c", "docs/x.md"])

    def test_what_is_not_there_yet(self):
        self.artifacts(f"{self.here}/new/deep/file.c")
        self.assertEqual(self.listed(), ["new/deep/file.c"])

    def test_patterns_and_the_whole(self):
        self.artifacts(f"{self.here}/src/*.c")
        self.assertEqual(self.listed(), ["src/*.c"])
        self.artifacts(self.here, task="elsewhere")
        self.assertEqual(self.listed("elsewhere"), ["r:**"])

    def test_outside_is_EINVAL_and_why_says_so(self):
        plain = self.tree("unregistered")
        for path in ("/", "/etc/passwd", f"{self.dir}/none", f"{plain.path}/README", f"{self.here}2/x"):
            with self.subTest(path=path):
                self.refused("EINVAL", self.artifacts, path)
                self.assertWhy(self.m.why(), "EINVAL", path if path != "/" else "/", "repositor")
        self.assertEqual(self.listed(), [])

    def test_in_the_mount_is_EINVAL_and_hangs_nobody(self):
        os.symlink(self.m.dir, self.dir / "link")
        os.symlink(self.m.dir, self.t.path / "mounted")
        for path in (self.m.dir, self.m.path("tasks/t/artifacts"), self.m.path("claims/x"),
                     self.m.path("wait/events"), f"{self.dir}/link/claims", f"{self.here}/mounted/tasks"):
            with self.subTest(path=path):
                self.refused("EINVAL", self.artifacts, path)
        self.assertEqual(self.listed(), [])

    def test_the_directory_of_git_is_no_place_for_artifacts(self):
        self.refused("EINVAL", self.artifacts, f"{self.here}/.git/config")

    def test_the_same_file_by_both_names_is_one_file(self):
        self.m.task("rel", artifacts=["src/a.c"], repo="r")
        self.artifacts(f"{self.here}/src", task="elsewhere")
        self.m.claim("s1", "rel")
        self.refused("EBUSY", self.m.claim, "s2", "elsewhere")
        self.assertWhy(self.m.why("s2"), "EBUSY", "src/a.c", "rel")
        self.assertEqual(self.m.column("elsewhere"), "blocked")

    def test_it_is_fresh_or_not_as_any_other(self):
        self.artifacts(f"{self.here}/src/a.c", task="elsewhere")
        self.change()
        self.stale(self.m.claim, "s2", "elsewhere")

    def test_names_with_blanks_and_letters_of_any_language(self):
        self.artifacts(f"{self.here}/with blank/ü.c", f"{self.here}/a:b")
        self.artifacts("./a:b")  # the same: no line more
        self.assertEqual(self.listed(), ["with blank/ü.c", "r:a:b"])
        self.m.claim("s1", "t")

    def test_too_many(self):
        self.refused("E2BIG", self.artifacts, *(f"{self.here}/{i}" for i in range(201)))
        self.artifacts(*(f"{self.here}/{i}" for i in range(200)))
        self.assertEqual(len(self.listed()), 200)

    def test_nobody_learns_what_he_may_not_see(self):
        lib.need_root()
        closed = self.dir / "closed"
        closed.mkdir(mode=0o700)
        t = gits.Tree.new(closed / "r")
        t.commit("x", {"a": "x"})
        self.register("c", t)
        said = lib.as_uid(lib.UID_A, lib.errno_of, self.m.write, f"{t.path}/a\n", "tasks/elsewhere/artifacts")
        self.assertNotEqual(said, "ok")
        lib.as_uid(lib.UID_A, os.mkdir, self.m.path("tasks/his"))
        self.assertEqual(lib.as_uid(lib.UID_A, lib.errno_of, self.m.write, f"{t.path}/a\n", "tasks/his/artifacts"),
                         "EINVAL")
        self.assertEqual(lib.as_uid(lib.UID_A, lib.errno_of, self.m.write, f"{self.here}/src\n",
                                    "tasks/his/artifacts"), "ok")
