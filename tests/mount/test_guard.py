"""coordfs guard: real git with its hooks, two sessions, and paths as editors say them."""
import json
import os
import shutil
import time

import lib
from guarding import HOOKS, Guarding, put, state_of


class Commit(Guarding):
    def setUp(self):
        super().setUp()
        self.install()

    def test_what_another_session_holds_is_refused_and_says_who_and_what_now(self):
        self.claim("s1", "t", "src")
        self.change("src/a.c")
        self.change("doc/b.md")
        for session in "s2", None:
            got = self.bad("commit", "-qm", "two", session=session)
            self.assertRefused(got, "src/a.c held by t (session s1) until ")
            self.assertNotIn("b.md", got.err)
        self.assertEqual(self.commits(), 1)
        self.good("commit", "-qm", "two", session="s1")

    def test_every_way_to_commit_is_asked(self):
        self.claim("s1", "t", "src")
        self.change("doc/b.md")
        put(f"{self.repo}/src/a.c", "more\n")
        for args in ("-a",), ("--", "src/a.c"), ("-i", "src/a.c"), ("-a", "--amend"):
            self.assertRefused(self.bad("commit", "-qm", "x", *args, session="s2"), "src/a.c held by t")
        self.good("commit", "-qm", "x", "--", "doc/b.md", session="s2")
        self.good("commit", "-qam", "y", session="s1")

    def test_the_first_commit_of_an_empty_repository_is_asked(self):
        repo = os.path.join(self.base, "empty")
        self.good("init", "-q", repo)
        self.register("e", repo)
        self.install(repo)
        self.claim("s1", "t", "a", repo="e")
        self.change("a", repo)
        self.assertRefused(self.bad("commit", "-qm", "x", cwd=repo, session="s2"), "a held by t")
        self.good("commit", "-qm", "x", cwd=repo, session="s1")
        self.assertIn("Coord-Session: s1", self.trailers(repo=repo))

    def test_deleting_and_renaming_are_writing(self):
        self.claim("s1", "t", "src")
        self.good("mv", "src/a.c", "doc/a.c")
        self.assertRefused(self.bad("commit", "-qm", "x", session="s2"), "src/a.c held by t")
        self.good("reset", "-q", "--hard")
        self.good("rm", "-q", "src/a.c")
        self.assertRefused(self.bad("commit", "-qm", "x", session="s2"), "src/a.c held by t")

    def test_names_are_names_whatever_is_in_them(self):
        names = ["with blank/x y", "ünï/ö.c", "a*b", "[x]/c?", "back\\slash", "-dash", 'quo"te', "a:b"]
        for name in names:
            self.change(name)
        self.claim("s1", "t", "with blank", "ünï/ö.c", "a[*]b", "[[]x]/c[?]", "back\\slash", "./a:b")
        got = self.bad("commit", "-qm", "x", session="s2")
        self.assertRefused(got, *(f"{n} held by t" for n in names if n not in ("-dash", 'quo"te')))
        self.assertEqual(got.err.count(" held by "), 6, got.err)
        self.good("commit", "-qm", "x", session="s1")

    def test_in_a_directory_below_the_top_it_is_the_same(self):
        self.claim("s1", "t", "src")
        self.change("src/a.c")
        self.assertRefused(self.bad("commit", "-qm", "x", cwd=f"{self.repo}/src", session="s2"), "src/a.c held")

    def test_a_linked_work_tree_is_asked_by_the_same_hooks(self):
        tree = os.path.join(self.base, "tree")
        self.good("worktree", "add", "-q", tree)
        self.claim("s1", "t", "src")
        self.change("src/a.c", tree)
        self.assertRefused(self.bad("commit", "-qm", "x", cwd=tree, session="s2"), "src/a.c held by t")
        self.good("commit", "-qm", "x", cwd=tree, session="s1")

    def test_a_submodule_is_a_path_of_its_superproject_and_has_hooks_of_its_own(self):
        sub = self.new_repo("sub")
        self.good("submodule", "--quiet", "add", sub, "lib")
        self.claim("s1", "t", "lib")
        self.assertRefused(self.bad("commit", "-qm", "x", session="s2"), "lib held by t")
        self.good("commit", "-qm", "x", session="s1")
        inner = os.path.join(self.repo, "lib")
        self.register("l", inner)
        self.install(inner)
        self.claim("s1", "u", "src", repo="l")
        self.change("src/a.c", inner)
        self.assertRefused(self.bad("commit", "-qm", "x", cwd=inner, session="s2"), "src/a.c held by u")

    def test_of_a_merge_only_what_it_changes_itself_is_asked(self):
        self.good("checkout", "-qb", "other")
        self.change("src/a.c", text="theirs\n")
        self.change("doc/b.md", text="theirs\n")
        self.good("commit", "-qm", "theirs")
        self.good("checkout", "-q", "main")
        self.change("doc/b.md", text="ours\n")
        self.good("commit", "-qm", "ours")
        self.claim("s1", "t", "src")
        self.bad("merge", "-q", "other", session="s2")
        self.change("doc/b.md", text="both\n")
        self.good("commit", "-qm", "merged", session="s2")
        self.assertEqual(len(self.good("rev-list", "--parents", "-1", "HEAD").out.split()), 3)

    def test_stash_is_no_commit_of_work(self):
        self.claim("s1", "t", "src")
        self.change("src/a.c")
        self.good("stash", session="s2")
        self.good("stash", "pop", session="s2")

    def test_amend_asks_about_what_is_new(self):
        self.claim("s1", "t", "src")
        self.change("doc/b.md")
        self.good("commit", "-qm", "x", session="s2")
        self.good("commit", "-q", "--amend", "-m", "y", session="s2")
        self.change("src/a.c")
        self.assertRefused(self.bad("commit", "-q", "--amend", "--no-edit", session="s2"), "src/a.c held")

    def test_a_commit_in_the_middle_of_a_rebase_is_asked(self):
        self.change("doc/b.md", text="1\n")
        self.good("commit", "-qm", "two")
        self.claim("s1", "t", "src")
        self.env["GIT_SEQUENCE_EDITOR"] = "sed -i s/^pick/edit/"
        self.good("rebase", "-q", "-i", "HEAD~1", session="s2")
        self.change("src/a.c")
        self.assertRefused(self.bad("commit", "-qm", "x", session="s2"), "src/a.c held by t")
        self.good("reset", "-q", "--hard")
        self.good("rebase", "--continue", session="s2")

    def test_strict_refuses_what_no_claim_of_the_session_covers(self):
        self.guard("strict")
        self.change("src/a.c")
        self.change("doc/b.md")
        got = self.bad("commit", "-qm", "x", session="s1")
        self.assertRefused(got, "src/a.c is not covered by a claim of session s1", "doc/b.md is not covered")
        self.assertRefused(self.bad("commit", "-qm", "x"), "src/a.c is not covered by a claim: you are no session")
        self.claim("s1", "t", "src/*.c", "doc")
        self.good("commit", "-qm", "x", session="s1")

    def test_off_refuses_nothing_and_says_nothing(self):
        self.guard("off")
        self.claim("s1", "t", "src")
        self.change("src/a.c")
        got = self.good("commit", "-qm", "x", session="s2")
        self.assertEqual(got.err, "")

    def test_a_repository_that_is_not_registered_passes_and_is_told_once(self):
        repo = self.new_repo("strange")
        self.assertIn("is in none of", self.install(repo).err)
        self.change("src/a.c", repo)
        got = self.good("commit", "-qm", "x", cwd=repo, session="s1")
        self.assertEqual(got.err.count("nothing was checked"), 1, got.err)


class Trailers(Guarding):
    def setUp(self):
        super().setUp()
        self.install()

    def test_a_commit_names_its_session_and_the_claims_it_is_made_under(self):
        token = self.claim("s1", "fix-login", "src")
        self.claim("s1", "other", "elsewhere")
        second = self.claim("s1", "docs", "doc")
        self.change("src/a.c")
        self.good("commit", "-qm", "Subject\n\nBody.", session="s1")
        self.assertEqual(self.trailers(), ["Coord-Session: s1", f"Coord-Token: {token} fix-login"])
        self.assertTrue(self.good("log", "-1", "--format=%B").out.startswith("Subject\n\nBody.\n\nCoord-Session"))
        self.change("doc/b.md")
        self.change("src/a.c", text="again\n")
        self.good("commit", "-qm", "x", session="s1")
        self.assertEqual(sorted(self.trailers()), sorted(
            ["Coord-Session: s1", f"Coord-Token: {token} fix-login", f"Coord-Token: {second} docs"]))

    def test_without_a_session_there_are_none(self):
        self.change("src/a.c")
        self.good("commit", "-qm", "x")
        self.assertEqual(self.trailers(), [])

    def test_an_amended_commit_keeps_its_session_and_adds_no_token_twice(self):
        token = self.claim("s1", "t", "src")
        self.change("src/a.c")
        self.good("commit", "-qm", "x", session="s1")
        before = self.trailers()
        self.change("src/a.c", text="again\n")
        self.good("commit", "-q", "--amend", "--no-edit", session="s1")
        self.assertEqual(self.trailers(), before)
        self.good("commit", "-q", "--amend", "--no-edit", session="s2")
        self.assertEqual(self.trailers(), ["Coord-Session: s1", f"Coord-Token: {token} t"])

    def test_what_is_only_moved_is_not_stamped(self):
        self.change("doc/b.md")
        self.good("commit", "-qm", "theirs")
        self.good("branch", "theirs")
        self.good("reset", "-q", "--hard", "HEAD~1")
        self.change("src/a.c")
        self.good("commit", "-qm", "base")
        self.claim("s1", "t", "doc")
        self.good("cherry-pick", "theirs", session="s1")
        self.assertEqual(self.trailers(), [])
        self.good("reset", "-q", "--hard", "HEAD~1")
        self.good("checkout", "-q", "theirs")
        self.good("rebase", "-q", "main", session="s1")
        self.assertEqual(self.trailers(), [])
        self.assertEqual(self.commits(), 3)

    def test_comments_and_the_diff_of_a_verbose_commit_are_left_alone(self):
        self.claim("s1", "t", "src")
        self.change("src/a.c")
        editor = put(f"{self.base}/editor", "#!/bin/sh\ncp \"$1\" \"$0.saw\"\nsed -i '1s/^/Subject/' \"$1\"\n", 0o755)
        self.env["GIT_EDITOR"] = editor
        self.good("commit", "-v", session="s1")
        self.assertIn("Coord-Session: s1\n", lib.read(f"{editor}.saw"))
        self.assertEqual(len(self.trailers()), 2)
        self.assertNotIn("diff --git", self.good("log", "-1", "--format=%B").out)

    def test_a_message_with_dashes_is_stamped_at_its_end(self):
        self.change("src/a.c")
        self.good("commit", "-qm", "x\n\na\n---\nb", session="s1")
        self.assertEqual(self.trailers(), ["Coord-Session: s1"])
        self.assertTrue(self.good("log", "-1", "--format=%B").out.startswith("x\n\na\n---\nb\n\nCoord"))

    def test_a_stamp_that_fails_fails_no_commit(self):
        put(f"{self.base}/bin/git", '#!/bin/sh\ncase "$*" in *interpret-trailers*) exit 9;; esac\n'
            f'exec {shutil.which("git")} "$@"\n', 0o755)
        self.env["PATH"] = f"{self.base}/bin:{os.environ['PATH']}"
        self.env["GIT_EXEC_PATH"] = f"{self.base}/bin"  # git puts its own directory first
        for name in os.listdir(lib.sh(["git", "--exec-path"]).out.strip()):
            if name != "git":
                os.symlink(os.path.join(lib.sh(["git", "--exec-path"]).out.strip(), name), f"{self.base}/bin/{name}")
        self.change("src/a.c")
        got = self.good("commit", "-qm", "x", session="s1")
        self.assertIn("no trailers", got.err)
        self.assertEqual(self.trailers(), [])


class Push(Guarding):
    def setUp(self):
        super().setUp()
        self.remote = os.path.join(self.base, "remote.git")
        self.good("init", "-q", "--bare", self.remote)
        self.good("remote", "add", "origin", self.remote)
        self.good("push", "-q", "origin", "main")
        self.install()

    def commit(self, path, session=None, text="x\n"):
        self.change(path, text=text)
        self.good("commit", "-qm", path, session=session)
        return self.good("rev-parse", "HEAD").out.strip()

    def test_work_under_a_live_or_finishing_token_is_pushed(self):
        self.claim("s1", "t", "src")
        self.commit("src/a.c", "s1")
        self.good("push", "-q", "origin", "main", session="s1")
        self.commit("src/a.c", "s1", "y\n")
        self.m.finish("s1", "t")
        self.good("push", "-q", "origin", "main", session="s1")

    def test_late_work_is_refused_and_names_commit_task_and_token(self):
        token = self.claim("s1", "t", "src")
        commit = self.commit("src/a.c", "s1")
        self.m.release("s1", "t")
        os.utime(self.m.path("sessions", "s2", "base"))
        new = self.m.claim("s2", "t")
        got = self.bad("push", "-q", "origin", "main", session="s1")
        self.assertRefused(got, f"commit {commit[:12]} is late work: Coord-Token {token} of t",
                           f"the live token is {new}")
        self.assertEqual(self.commits(self.remote, "main"), 1)

    def test_a_commit_without_a_token_is_asked_about_its_paths(self):
        commit = self.commit("src/a.c")
        self.claim("s1", "t", "src")
        got = self.bad("push", "-q", "origin", "main", session="s2")
        self.assertRefused(got, f"src/a.c (commit {commit[:12]}) held by t (session s1)")
        self.good("push", "-q", "origin", "main", session="s1")

    def test_a_commit_of_the_holder_may_be_pushed_by_anybody(self):
        self.commit("src/a.c", "s1")  # no claim yet, so no token
        self.claim("s1", "t", "src")
        self.good("push", "-q", "origin", "main", session="s2")

    def test_late_work_that_is_amended_under_a_new_claim_is_pushed(self):
        other = self.claim("s1", "u", "doc")
        self.claim("s1", "t", "src")
        self.change("doc/b.md")
        self.commit("src/a.c", "s1")
        self.m.release("s1", "t")
        new = self.m.claim("s1", "t")
        self.bad("push", "-q", "origin", "main", session="s1")
        self.change("src/a.c", text="y\n")
        self.good("commit", "-q", "--amend", "--no-edit", session="s1")
        self.assertEqual(sorted(self.trailers()), sorted(
            ["Coord-Session: s1", f"Coord-Token: {other} u", f"Coord-Token: {new} t"]))
        self.good("push", "-q", "origin", "main", session="s1")

    def test_what_the_remote_has_is_not_asked_again(self):
        self.commit("src/a.c")
        self.good("push", "-q", "origin", "main")
        self.claim("s1", "t", "src")
        self.commit("doc/b.md", "s2")
        self.good("push", "-q", "origin", "main", session="s2")
        self.good("push", "-q", "origin", "main:new", session="s2")
        self.good("push", "-q", "origin", ":new", session="s2")

    def test_many_refs_tags_and_paths_with_anything_in_them(self):
        self.commit("with blank/ü*.c")
        self.good("tag", "-am", "x", "v1")
        self.good("checkout", "-qb", "side")
        self.commit("side/x")
        self.good("commit", "-qm", "nothing", "--allow-empty")
        self.claim("s1", "t", "with blank")
        got = self.bad("push", "-q", "origin", "--all", session="s2")
        self.assertRefused(got, "with blank/ü*.c (commit ")
        self.assertRefused(self.bad("push", "-q", "origin", "v1", session="s2"), "with blank/ü*.c (commit ")
        self.good("push", "-q", "origin", "--all", "--follow-tags", session="s1")

    def test_of_a_merge_only_what_it_changes_itself_is_asked(self):
        self.good("checkout", "-qb", "other")
        self.commit("src/a.c")
        self.good("push", "-q", "origin", "other")
        self.good("checkout", "-q", "main")
        self.commit("doc/b.md")
        self.claim("s1", "t", "src")
        self.good("merge", "-q", "--no-edit", "other", session="s2")
        self.good("push", "-q", "origin", "main", session="s2")

    def test_a_value_that_is_no_token_is_none(self):
        self.claim("s1", "t", "src")
        self.change("doc/b.md")
        self.good("commit", "-qm", "x\n\nCoord-Token: what\nCoord-Token: 1 a/b", session="s2")
        self.good("push", "-q", "origin", "main", session="s2")

    def test_off_lets_late_work_through(self):
        self.claim("s1", "t", "src")
        self.commit("src/a.c", "s1")
        self.m.release("s1", "t")
        self.guard("off")
        self.assertEqual(self.good("push", "-q", "origin", "main", session="s1").err, "")


class Install(Guarding):
    """What is there already stays as it is, and runs."""

    def hook(self, name, repo=None):
        return os.path.join(repo or self.repo, ".git/hooks", name)

    def log(self):
        path = os.path.join(self.base, "log")
        return lib.read(path) if os.path.exists(path) else ""

    def same_after(self, before):
        """Uninstalled, the hooks are byte for byte as they were."""
        self.uninstall()
        self.assertEqual(self.hooks(), before)

    def test_where_there_are_none_they_are_made_and_taken_away_again(self):
        before = self.hooks()
        self.install()
        for name in HOOKS:
            self.assertEqual(os.stat(self.hook(name)).st_mode & 0o777, 0o755)
            self.assertEqual(lib.sh(["sh", "-n", self.hook(name)]).rc, 0)
        self.same_after(before)

    def test_again_changes_nothing_but_the_policy(self):
        put(self.hook("pre-commit"), "#!/bin/sh\nexit 0\n", 0o755)
        put(self.hook("pre-push"), "#!/usr/bin/env python3\n", 0o755)
        before = self.hooks()
        self.install()
        once = self.hooks()
        self.install()
        self.assertEqual(self.hooks(), once)
        self.m.write("open\n", "control", "guard-offline")
        self.install()
        self.assertNotEqual(self.hooks(), once)
        self.m.write("closed\n", "control", "guard-offline")
        self.install()
        self.assertEqual(self.hooks(), once)
        self.same_after(before)

    def test_a_shell_hook_is_kept_and_run_after_ours(self):
        put(self.hook("pre-commit"), f'#!/bin/bash -e\n# mine\necho "${{0##*/}} $#" >> {self.base}/log\n', 0o700)
        put(self.hook("prepare-commit-msg"), f'#!/usr/bin/env sh\necho "$2" >> {self.base}/log', 0o755)
        before = self.hooks()
        self.install()
        self.assertEqual(os.stat(self.hook("pre-commit")).st_mode & 0o777, 0o700)
        self.change("src/a.c")
        self.good("commit", "-qm", "x", session="s1")
        self.assertEqual(self.log(), "pre-commit 0\nmessage\n")
        self.claim("s1", "t", "src")
        self.change("src/a.c", text="y\n")
        self.assertRefused(self.bad("commit", "-qm", "x", session="s2"), "held by t")
        self.assertEqual(self.log(), "pre-commit 0\nmessage\n")
        self.same_after(before)

    def test_its_exit_status_still_counts(self):
        for text in "#!/bin/sh\nexit 3\n", "#!/usr/bin/env python3\nimport sys; sys.exit(3)\n":
            put(self.hook("pre-commit"), text, 0o755)
            self.install()
            self.change("src/a.c", text=text)
            self.bad("commit", "-qm", "x")
            self.uninstall()
            self.assertEqual(lib.read(self.hook("pre-commit")), text)

    def test_a_python_hook_runs_afterwards_with_the_same_input_and_arguments(self):
        remote = os.path.join(self.base, "remote.git")
        self.good("init", "-q", "--bare", remote)
        put(self.hook("pre-push"), "#!/usr/bin/env python3\nimport sys\n"
            f"open('{self.base}/log', 'w').write(repr((sys.argv[1:], sys.stdin.read())))\n", 0o755)
        before = self.hooks()
        head = self.good("rev-parse", "HEAD").out.strip()
        self.good("push", "-q", remote, "main", "main:other")
        want = self.log()
        self.assertIn(head, want)
        shutil.rmtree(remote)
        self.good("init", "-q", "--bare", remote)
        self.install()
        os.unlink(f"{self.base}/log")
        self.good("push", "-q", remote, "main", "main:other")
        self.assertEqual(self.log(), want)
        self.same_after(before)

    def test_a_shell_hook_still_has_the_input_of_pre_push(self):
        remote = os.path.join(self.base, "remote.git")
        self.good("init", "-q", "--bare", remote)
        for shell in "sh", "bash", "dash", "ksh", "zsh":
            if not shutil.which(shell):
                continue
            put(self.hook("pre-push"), f"#!/usr/bin/env {shell}\ncat > {self.base}/log\n", 0o755)
            self.install()
            self.good("push", "-q", remote, f"main:{shell}", "main:$x`y`")
            self.assertEqual(len(self.log().splitlines()), 1 if shell != "sh" else 2, self.log())
            self.assertIn(f"refs/heads/{shell} ", self.log())
            self.uninstall()

    def test_a_link_is_moved_and_followed_as_before(self):
        target = put(f"{self.base}/shared/hook", f'#!/bin/sh\necho "{"link"}" >> {self.base}/log\n', 0o755)
        os.symlink(target, self.hook("pre-commit"))
        before, text = self.hooks(), lib.read(target)
        self.install()
        self.assertEqual(lib.read(target), text)
        self.change("src/a.c")
        self.good("commit", "-qm", "x")
        self.assertEqual(self.log(), "link\n")
        self.same_after(before)

    def test_a_hook_that_git_ignores_stays_ignored(self):
        for text in "#!/bin/sh\nexit 1\n", "#!/usr/bin/perl\ndie\n":
            put(self.hook("pre-commit"), text, 0o644)
            before = self.hooks()
            self.install()
            self.change("src/a.c", text=text)
            self.good("commit", "-qm", "x")
            self.claim("s1", "t", "src")
            self.change("src/a.c", text="y")
            self.assertRefused(self.bad("commit", "-qm", "x", session="s2"), "held by t")
            self.m.release("s1", "t")
            os.rmdir(self.m.path("tasks", "t"))
            self.same_after(before)

    def test_nothing_is_overwritten(self):
        put(self.hook("pre-push"), "#!/usr/bin/python3\n", 0o755)
        put(self.hook("pre-push.coordfs-chained"), "mine\n")
        before = self.hooks()
        got = self.tool("guard", "--install", self.repo)
        self.assertEqual(got.rc, 1)
        self.assertIn("pre-push.coordfs-chained exists already", got.err)
        self.assertEqual(self.hooks(), before)

    def test_what_was_added_to_our_file_stays(self):
        self.install()
        with open(self.hook("post-commit"), "a", encoding="utf-8") as f:
            f.write("echo mine\n")
        self.install()
        self.uninstall()
        self.assertEqual(lib.read(self.hook("post-commit")), "#!/bin/sh\necho mine\n")

    def test_core_hooksPath_is_where_they_go(self):
        before = self.hooks()
        put(f"{self.repo}/.githooks/pre-commit", "#!/bin/sh\n", 0o755)
        self.good("config", "core.hooksPath", ".githooks")
        self.install(f"{self.repo}/src")
        self.assertEqual(self.hooks(), before)
        self.claim("s1", "t", "src")
        self.change("src/a.c")
        self.assertRefused(self.bad("commit", "-qm", "x", session="s2"), "held by t")
        self.uninstall()
        self.assertEqual(list(state_of(f"{self.repo}/.githooks")), ["pre-commit"])
        self.assertEqual(lib.read(f"{self.repo}/.githooks/pre-commit"), "#!/bin/sh\n")

    def test_hooks_that_several_repositories_share_are_told_of(self):
        self.good("config", "core.hooksPath", f"{self.base}/shared")
        os.mkdir(f"{self.base}/shared")
        self.assertIn("outside of the repository", self.install().err)

    def test_from_a_linked_work_tree_and_a_bare_repository_all_trees_get_them(self):
        tree = os.path.join(self.base, "tree")
        self.good("worktree", "add", "-q", tree)
        self.install(tree)
        self.assertIn("pre-commit", self.hooks())
        bare = os.path.join(self.base, "b.git")
        self.good("clone", "-q", "--bare", self.repo, bare)
        self.good("worktree", "add", "-q", f"{self.base}/bt", "main", cwd=bare)
        self.register("b", bare)
        self.install(bare)
        self.claim("s1", "t", "src", repo="b")
        self.change("src/a.c", f"{self.base}/bt")
        self.assertRefused(self.bad("commit", "-qm", "x", cwd=f"{self.base}/bt", session="s2"), "held by t")
        self.assertEqual(self.check(f"{self.base}/bt/src/a.c", cwd="/", session="s2").rc, 1)

    def test_what_is_no_repository_is_refused(self):
        self.assertEqual(self.tool("guard", "--install", self.base).rc, 2)
        self.assertEqual(self.tool("guard", "--install", "/nowhere").rc, 2)

    def test_a_layout_like_huskys_goes_on_working(self):
        """What husky 9 generates: each of .husky/_/NAME is two lines that read the script h."""
        put(f"{self.repo}/.husky/_/h", '#!/usr/bin/env sh\n[ "$HUSKY" = "2" ] && set -x\nn=$(basename "$0")\n'
            's=$(dirname "$(dirname "$0")")/$n\n\n[ ! -f "$s" ] && exit 0\n\n'
            'export PATH="node_modules/.bin:$PATH"\nsh -e "$s" "$@"\nc=$?\n\n'
            '[ $c != 0 ] && echo "husky - $n script failed (code $c)"\nexit $c\n', 0o755)
        for name in HOOKS:
            put(f"{self.repo}/.husky/_/{name}", '#!/usr/bin/env sh\n. "$(dirname "$0")/h"', 0o755)
            put(f"{self.repo}/.husky/{name}", f"echo {name} >> {self.base}/log\n")
        self.good("config", "core.hooksPath", ".husky/_")
        before = state_of(f"{self.repo}/.husky/_")
        self.install()
        self.change("src/a.c")
        self.good("commit", "-qm", "x", session="s1")
        self.assertEqual(self.log(), "pre-commit\nprepare-commit-msg\npost-commit\n")
        self.assertEqual(self.trailers(), ["Coord-Session: s1"])
        self.claim("s1", "t", "src")
        self.change("src/a.c", text="y\n")
        self.assertRefused(self.bad("commit", "-qm", "x", session="s2"), "held by t")
        self.uninstall()
        self.assertEqual(state_of(f"{self.repo}/.husky/_"), before)

    def test_pre_commit_the_program_goes_on_working(self):
        lib.need_tool("pre-commit")
        put(f"{self.repo}/.pre-commit-config.yaml", "repos:\n- repo: local\n  hooks:\n  - id: x\n    name: x\n"
            f"    language: system\n    entry: sh -c 'echo ran >> {self.base}/log'\n    pass_filenames: false\n")
        got = lib.sh(["pre-commit", "install"], env=self.env, cwd=self.repo)
        self.assertEqual(got.rc, 0, got.err)
        before = self.hooks()
        self.install()
        self.change("src/a.c")
        self.change(".pre-commit-config.yaml", text=lib.read(f"{self.repo}/.pre-commit-config.yaml"))
        self.good("commit", "-qm", "x", session="s1")
        self.assertEqual(self.log(), "ran\n")
        self.same_after(before)


class Away(Guarding):
    """No mount, a dead one, no program."""

    def setUp(self):
        super().setUp()
        self.remote = os.path.join(self.base, "remote.git")
        self.good("init", "-q", "--bare", self.remote)

    def with_policy(self, policy):
        self.m.write(f"{policy}\n", "control", "guard-offline")
        self.install()
        self.change("src/a.c")

    def refuses(self, *words):
        for args in ("commit", "-qm", "x"), ("push", "-q", self.remote, "main"):
            got = self.bad(*args, session="s1")
            self.assertRefused(got, *words)

    def passes(self, *words):
        for args in ("commit", "-qm", "x"), ("push", "-q", self.remote, "main"):
            got = self.good(*args, session="s1")
            for word in words:
                self.assertIn(word, got.err)

    def test_closed_it_refuses(self):
        self.with_policy("closed")
        self.m.stop()
        self.refuses("is no coordfs mount", "next: wait until the mount answers")
        self.assertEqual(self.check("src/a.c").rc, 3)

    def test_open_it_lets_pass_and_says_so(self):
        self.with_policy("open")
        self.m.stop()
        self.passes("is no coordfs mount", "nothing was checked")
        self.assertEqual(self.commits(), 2)

    def test_a_daemon_that_was_killed_is_away(self):
        self.with_policy("closed")
        os.kill(self.m.pid, 9)
        self.m.wait_exit()
        self.refuses("no mount at", "next: wait until the mount answers")

    def test_a_program_that_is_gone_is_told_and_follows_the_policy(self):
        program = shutil.copy(lib.COORDFS, f"{self.base}/it's coordfs")
        for policy in "closed", "open":
            self.m.write(f"{policy}\n", "control", "guard-offline")
            got = lib.sh([program, "guard", "--install", self.repo], env=self.env)
            self.assertEqual(got.rc, 0, got.err)
            os.rename(program, f"{program}.away")
            self.change("src/a.c", text=policy)
            if policy == "open":
                self.passes("it's coordfs is missing: nothing was checked")
            else:
                self.refuses("it's coordfs is missing: nothing was checked")
            os.rename(f"{program}.away", program)


class Check(Guarding):
    """guard --check: paths as an editor or an agent says them."""

    def setUp(self):
        super().setUp()
        self.claim("s1", "t", "src/a.c", "new")

    def held(self, path, cwd, session="s2"):
        got = self.check(path, cwd=cwd, session=session)
        self.assertRefused(got, f"{path} held by t (session s1) until ")

    def free(self, path, cwd, session="s2"):
        got = self.check(path, cwd=cwd, session=session)
        self.assertEqual((got.rc, got.out, got.err), (0, "", ""))

    def test_an_absolute_path_is_found_in_its_repository(self):
        self.held(f"{self.repo}/src/a.c", "/")
        self.held(f"{self.repo}/src", "/")
        self.held(f"{self.repo}/new/not/there/yet", "/")
        self.held(self.repo, "/")
        self.free(f"{self.repo}/doc/b.md", "/")
        self.free(f"{self.repo}/src/a.c", "/", session="s1")

    def test_a_relative_path_is_found_from_the_current_directory(self):
        self.held("src/a.c", self.repo)
        self.held("a.c", f"{self.repo}/src")
        self.held("../src/a.c", f"{self.repo}/doc")
        self.held(".", self.repo)
        self.free("a.c", self.repo)
        self.free("src/a.c", f"{self.repo}/doc")

    def test_links_and_linked_work_trees_lead_to_the_same_path(self):
        tree = os.path.join(self.base, "tree")
        self.good("worktree", "add", "-q", tree)
        os.symlink(f"{self.repo}/src", f"{self.base}/link")
        os.symlink(self.repo, f"{self.base}/all")
        self.held(f"{tree}/src/a.c", "/")
        self.held("src/a.c", tree)
        self.held(f"{self.base}/link/a.c", "/")
        self.held(f"{self.base}/all/src/a.c", "/")
        self.free(f"{tree}/doc/b.md", "/")

    def test_a_repository_and_a_path_in_it_may_still_be_named(self):
        for cwd in "/", self.repo, f"{self.repo}/src":
            self.held("r:src/a.c", cwd)
            self.free("r:a.c", cwd)
            self.assertEqual(self.check("--repo", "r", "src/a.c", cwd=cwd, session="s2").rc, 1)
        self.assertEqual(self.check("--repo", "r", f"{self.repo}/src/a.c", session="s2").rc, 2)

    def test_outside_a_relative_path_is_one_of_tasks_without_a_repository(self):
        self.claim("s1", "u", "doc/b.md", repo="")
        got = self.check("doc/b.md", cwd=self.base, session="s2")
        self.assertRefused(got, "doc/b.md held by u")
        self.assertEqual(self.check("src/a.c", cwd=self.base, session="s2").rc, 0)

    def test_what_is_in_no_registered_repository_is_a_wrong_question(self):
        strange = self.new_repo("strange")
        for path in "/etc/passwd", f"{strange}/src/a.c", f"{self.repo}/.git/config", f"{self.repo}/no/../x":
            got = self.check(path, f"{self.repo}/src/a.c", cwd="/", session="s2")
            self.assertEqual((got.rc, got.out), (2, ""), path)
            self.assertNotEqual(got.err, "")
        self.assertEqual(self.check("../strange/src/a.c", session="s2").rc, 2)

    def test_strict_asks_for_a_claim_of_ones_own(self):
        self.guard("strict")
        self.free("src/a.c", self.repo, session="s1")
        self.assertRefused(self.check("doc/b.md", session="s1"), "doc/b.md is not covered by a claim of session s1")
        self.assertRefused(self.check("src", session="s1"), "src is not covered")
        self.assertRefused(self.check("doc/b.md"), "you are no session", "next: act as a session")
        self.held("src/a.c", self.repo)

    def test_off_answers_yes(self):
        self.guard("off")
        self.free("src/a.c", self.repo)
        self.assertEqual(self.check("/etc/passwd", session="s2").rc, 2)

    def test_of_many_paths_each_holder_is_named_and_what_to_do_once(self):
        self.claim("s1", "u", "doc")
        got = self.check("src/a.c", "x", "doc/b.md", session="s2")
        self.assertRefused(got, "src/a.c held by t", "doc/b.md held by u")
        self.assertEqual(len(got.out.splitlines()), 2)
        self.assertRefused(self.check(".", session="s2"), ". held by t", ". held by u")


class Where(Guarding):
    def test_it_says_where_as_json(self):
        got = self.tool("where", "src/a.c", "/", f"{self.repo}/x/*")
        self.assertEqual(got.rc, 0)
        a, b, c = [json.loads(l) for l in got.out.splitlines()]
        self.assertEqual(a, {"path": "src/a.c", "gitdir": f"{self.repo}/.git", "inside": "src/a.c"})
        self.assertIn("no git repository", b["error"])
        self.assertEqual(c["inside"], "x/*")

    def test_as_somebody_else_it_sees_what_they_may_see(self):
        lib.need_root()
        os.chmod(self.repo, 0o700)
        got = self.tool("where", "--as-uid", str(lib.UID_A), f"{self.repo}/src/a.c", cwd="/")
        self.assertEqual(got.rc, 0)
        self.assertIn("denied", got.out)
        os.chmod(self.repo, 0o755)
        got = self.tool("where", "--as-uid", str(lib.UID_A), f"{self.repo}/src/a.c", cwd="/")
        self.assertIn('"inside": "src/a.c"', got.out)

    def test_it_is_not_in_the_list_of_tools(self):
        self.assertNotIn("where", self.tool("help").out)
        self.assertEqual(self.tool("where").rc, 2)
        self.assertEqual(self.tool("where", "--as-uid", "x", "/").rc, 2)


class Speed(Guarding):
    def test_a_thousand_held_names_hardly_slow_a_hundred_paths(self):
        """Against the same question to a mount where nothing is held: no clock is asserted."""
        self.install()
        for i in range(100):
            self.change(f"src/f{i}.c")

        def best():
            times = []
            for _ in range(7):
                began = time.perf_counter()
                got = self.tool("guard", "--hook", "pre-commit", "--offline", "closed", "--", session="s1")
                times.append(time.perf_counter() - began)
                self.assertEqual(got.rc, 0, got.err)
            return min(times)

        empty = best()
        self.claim("s2", "t", *(f"held/d{i}/f.c" for i in range(1000)))
        self.assertLess(best(), 10 * empty)
