"""The built-in probes on real state."""
import os
import shutil
import tempfile

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
        self.register()
        (self.web / ".git").rename(self.web / "git")
        self.assertIn("is not a git repository", self.said("unknown"))
        (self.web / "git").rename(self.web / ".git")
        os.truncate(self.web / ".git/index", 40)
        self.assertIn("invalid data in index", self.said("unknown"))

    def test_looking_leaves_no_trace_in_the_repository(self):
        self.register()
        os.utime(self.web / "b")
        before = lib.sh("find . -printf '%p %T@ %C@ %s\\n' | sort", cwd=str(self.web)).out
        self.said("dry")
        after = lib.sh("find . -printf '%p %T@ %C@ %s\\n' | sort", cwd=str(self.web)).out
        self.assertEqual(after, before)


class Builtin(Case):
    """Each in its three states, and what it says in each."""

    def setUp(self):
        super().setUp()
        self.m.write("0s\n", "control", "verdict-interval")

    def said(self, probe, answer):
        """Its detail; it answers ANSWER."""
        word, _, detail = self.m.read("probes", probe, "verdict").rstrip("\n").partition(" ")
        self.assertEqual(word, answer, detail)
        return detail

    def set(self, probe, field, text):
        self.m.write(f"{text}\n", "probes", probe, field)

    def ended(self, name, category=None):
        self.m.session(name)
        if category:
            self.m.write(f"{category}\n", "sessions", name, "category")
        os.rmdir(self.m.path("sessions", name))

    def idea(self, name, **fields):
        os.mkdir(self.m.path("tasks", name))
        for field, text in fields.items():
            self.m.write(f"{text}\n", "tasks", name, field)

    def test_lane_occupancy(self):
        self.assertIn("no ready task", self.said("lane-occupancy", "dry"))
        self.m.task("s", kind="standing")
        self.m.task("e", kind="epic")
        self.said("lane-occupancy", "dry")  # neither is supply
        self.m.task("t")
        self.assertTrue(self.said("lane-occupancy", "supply").startswith("t"))
        self.m.session("a")
        self.m.claim("a", "t")
        self.assertIn("1 held", self.said("lane-occupancy", "dry"))

    def test_a_claim_that_has_expired_is_no_claim(self):
        self.m.task("t", ttl="100ms")
        self.m.session("a")
        self.m.claim("a", "t")
        lib.wait_for(lambda: "t" in self.m.ls("ready"), "the lease to end")
        self.assertTrue(self.said("lane-occupancy", "supply").startswith("t"))
        self.assertEqual(self.m.read("verdict").splitlines()[0], "not-dry")

    def test_idea_backlog(self):
        self.assertEqual(self.said("idea-backlog", "dry"), "no drafts")
        self.idea("i")
        self.assertIn("readiness", self.said("idea-backlog", "unknown"))
        self.idea("j", readiness="0.8")
        self.assertTrue(self.said("idea-backlog", "supply").startswith("probe.idea-backlog top j"))
        self.m.task("t")
        self.m.write("t\n", "tasks", "j", "covered")
        self.m.write("0.1\n", "tasks", "i", "readiness")
        self.assertIn("1 covered", self.said("idea-backlog", "dry"))

    def test_self_review(self):
        self.assertIn("no session has ended", self.said("self-review", "dry"))
        self.ended("a")
        self.assertIn("category", self.said("self-review", "unknown"))
        self.ended("b", "code")
        self.assertIn("self-review", self.said("self-review", "supply"))
        self.ended("c", "self-review")
        self.assertIn("enough", self.said("self-review", "dry"))

    def test_lint_lessons(self):
        self.said("lint-lessons", "dry")
        os.mkdir(self.m.path("lessons", "push-once"))
        self.m.write("active\n", "lessons", "push-once", "status")
        self.assertIn("push-once", self.said("lint-lessons", "supply"))
        self.m.write("git push\n", "lessons", "push-once", "keywords")
        self.m.write("# Push once\n", "lessons", "push-once", "body")
        self.said("lint-lessons", "dry")
        self.set("lint-lessons", "linter", "/bin/sh\n-c\necho a.py:1: long; exit 1")
        self.assertIn("a.py:1", self.said("lint-lessons", "supply"))
        self.set("lint-lessons", "linter", "no-such-linter")
        self.assertIn("no-such-linter", self.said("lint-lessons", "unknown"))

    def test_calm_window(self):
        self.assertIn("calm", self.said("calm-window", "dry"))
        self.m.task("t", tags="calm")
        for field, text in (("max-load", "1000"), ("min-memory", "0")):
            self.set("calm-window", field, text)
        self.assertTrue(self.said("calm-window", "supply").startswith("t"))
        self.set("calm-window", "max-sessions", "0")
        self.m.session("a")
        self.assertIn("closed", self.said("calm-window", "dry"))

    def test_cross_repo_supply(self):
        self.assertEqual(self.said("cross-repo-supply", "unknown"), "was never fed")
        self.set("cross-repo-supply", "feed", "api open=5 quick-wins=0 pending=3")
        self.assertIn("none quick", self.said("cross-repo-supply", "dry"))
        self.set("cross-repo-supply", "feed", "api open=5 quick-wins=2 pending=3")
        self.assertIn("quick", self.said("cross-repo-supply", "supply"))
        self.set("cross-repo-supply", "feed", "garbage")
        self.said("cross-repo-supply", "unknown")


class Services(Case):
    """failed-services asks the service manager: a fake systemctl on the daemon's PATH, or none."""

    def setUp(self):
        self.bin = tempfile.mkdtemp(prefix="coordfs-bin-", dir="/var/tmp")
        self.addCleanup(shutil.rmtree, self.bin, ignore_errors=True)
        os.chmod(self.bin, 0o755)
        for name in ("prlimit", "setpriv", "bwrap", "sh", "fusermount3"):
            if shutil.which(name):
                os.symlink(shutil.which(name), os.path.join(self.bin, name))
        self.m = lib.Mount(env={"PATH": self.bin})
        self.addCleanup(self._end)
        self.m.write("0s\n", "control", "verdict-interval")

    def systemctl(self, script):
        path = os.path.join(self.bin, "systemctl")
        with open(path, "w", encoding="ascii") as f:
            f.write(f"#!/bin/sh\n{script}\n")
        os.chmod(path, 0o755)

    def said(self, answer):
        word, _, detail = self.m.read("probes", "failed-services", "verdict").rstrip("\n").partition(" ")
        self.assertEqual(word, answer, detail)
        return detail

    def test_there_is_none(self):
        self.assertIn("systemctl: not found", self.said("unknown"))

    def test_it_names_what_failed(self):
        self.systemctl("echo 'web.service loaded failed failed The web'")
        self.assertIn("web.service", self.said("supply"))
        self.assertIn("probe.failed-services", self.m.ls("ready"))

    def test_nothing_failed(self):
        self.systemctl("exit 0")
        self.said("dry")
        self.assertNotIn("probe.failed-services", self.m.ls("ready"))

    def test_it_fails_itself(self):
        self.systemctl("echo no bus >&2; exit 1")
        self.assertIn("no bus", self.said("unknown"))

    def test_only_failures_are_an_outage_and_only_noops_are_not(self):
        self.systemctl("exit 0")
        for i in range(5):
            self.m.session(f"n{i}")
            self.m.write("noop\n", "sessions", f"n{i}", "outcome")
        self.said("dry")
        for i in range(5):
            self.m.session(f"f{i}")
            self.m.write("failed done\n", "sessions", f"f{i}", "outcome")
        self.assertIn("5 sessions failed", self.said("supply"))

