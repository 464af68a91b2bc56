"""The built-in probes on real state."""
import os

import lib
from lib import Case


class Invariants(Case):
    """A real git repository, and what its work tree holds uncommitted."""

    def setUp(self):
        lib.need_tool("git")
        super().setUp()
        self.m.write("0s\n", "control", "verdict-interval")
        if "invariants" not in self.m.ls("probes"):
            os.mkdir(self.m.path("probes", "invariants"))
        self.m.write("0s\n", "probes", "invariants", "grace")
        self.web = self.m.base / "web"
        self.git("init", "-q", str(self.web), at=self.m.base)
        (self.web / "src").mkdir()
        (self.web / "src/a.c").write_text("a\n")
        (self.web / "b").write_text("b\n")
        self.commit()

    def git(self, *args, at=None):
        done = lib.sh(["git", "-c", "user.name=n", "-c", "user.email=n@example.org", *args],
                      cwd=str(at or self.web))
        self.assertEqual(done.rc, 0, done.err)

    def commit(self):
        self.git("add", "-A")
        self.git("commit", "-qm", "all")

    def register(self, name="web", path=None):
        os.mkdir(self.m.path("repos", name))
        self.m.write(f"{path or self.web}\n", "repos", name, "path")

    def said(self, answer):
        """The detail of the probe, which answers ANSWER."""
        lines = [l.split(None, 2) for l in self.m.read("verdict").splitlines()]
        mine = [l for l in lines if l and l[0] == "invariants"]
        self.assertEqual(len(mine), 1, lines)
        self.assertEqual(mine[0][1], answer, mine)
        return mine[0][2]

    def test_without_repositories_it_is_dry_and_says_so(self):
        self.assertIn("no repositories are registered", self.said("dry"))

    def test_a_change_is_fine_while_claimed_then_the_ended_sessions_then_gone(self):
        self.register()
        self.assertIn("1 repository is clean", self.said("dry"))
        self.m.task("t", artifacts=["src"], repo="web")
        self.m.session("a")
        self.m.claim("a", "t")
        (self.web / "src/a.c").write_text("changed\n")
        self.assertIn("1 claimed change", self.said("dry"))
        os.rmdir(self.m.path("sessions", "a"))
        detail = self.said("supply")
        self.assertIn("web: uncommitted changes of ended session a: src/a.c", detail)
        self.assertTrue(detail.startswith("probe.invariants"), detail)
        self.assertIn("probe.invariants", self.m.ls("ready"))
        self.commit()
        self.assertIn("1 repository is clean", self.said("dry"))

    def test_a_change_that_nobody_claimed_is_supply(self):
        self.register()
        (self.web / "b").write_text("changed\n")
        self.assertIn("web: modified without a claim: b", self.said("supply"))

    def test_a_lock_whose_git_is_gone_is_stale(self):
        self.register()
        lock = self.web / ".git/index.lock"
        lock.touch()
        self.assertIn("1 repository is clean", self.said("dry"))
        os.utime(lock, (10**9, 10**9))  # before any process there is
        self.assertIn("web: stale index.lock", self.said("supply"))

    def test_what_is_no_repository_or_damaged_is_unknown_with_the_reason(self):
        self.register(path=self.m.base)
        self.assertIn("is not a git repository", self.said("unknown"))
        self.m.write(f"{self.web}\n", "repos", "web", "path")
        os.truncate(self.web / ".git/index", 40)
        self.assertIn("invalid data in index", self.said("unknown"))

    def test_looking_leaves_no_trace_in_the_repository(self):
        self.register()
        os.utime(self.web / "b")
        before = lib.sh("find . -printf '%p %T@ %C@ %s\\n' | sort", cwd=str(self.web)).out
        self.said("dry")
        after = lib.sh("find . -printf '%p %T@ %C@ %s\\n' | sort", cwd=str(self.web)).out
        self.assertEqual(after, before)
