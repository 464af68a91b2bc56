"""What a newcomer meets in the first hour, and must not stumble over."""
import json
import os
import stat

import history
import lib
from lib import Case

EARLY = 365 * 86400  # nothing here is from 1970


class Why(Case):
    def test_a_shells_own_echo_that_was_refused_is_explained_by_why(self):
        self.m.task("t")
        done = self.m.sh("echo 7 > tasks/t/readiness; cat why; :")
        self.assertIn("ERANGE write tasks/t/readiness", done.out)

    def test_a_command_that_was_refused_is_explained_by_why(self):
        done = self.m.sh("mkdir tasks/.t; cat why; :")
        self.assertIn("EINVAL mkdir tasks/.t", done.out)


class Flock(Case):
    def test_flock_of_what_another_holds_does_not_run_the_command(self):
        lib.need_tool("flock")
        self.m.task("t")
        self.m.session("a")
        self.m.claim("a", "t")
        done = self.m.sh("flock -n claims/t echo ran; cat why; :")
        self.assertNotIn("ran", done.out)
        self.assertIn("EAGAIN flock claims/t", done.out)


class Probes(Case):
    def test_what_is_written_to_a_probe_is_told_with_its_name(self):
        os.mkdir(self.m.path("probes/p"))
        self.m.write("true\n", "probes/p/command")
        self.assertEqual(self.m.events("set", of="probe")[-1]["name"], "p")
        self.refused("EINVAL", self.m.write, "soon\n", "probes/p/timeout")
        self.assertIn("timeout of p: ", self.m.why())


class Times(Case):
    def test_sessions_and_probes_and_their_files_have_times_of_today(self):
        self.m.session("a")
        os.mkdir(self.m.path("probes/p"))
        self.m.write("true\n", "probes/p/command")
        for path in ("sessions/a", "sessions/a/state", "probes/p", "probes/p/command"):
            self.assertGreater(os.stat(self.m.path(path)).st_mtime, EARLY, path)


class Offline(Case):
    def test_a_backup_opens_as_a_store_that_says_it_was_restored(self):
        self.m.task("t")
        store = self.m.base / "copy"
        store.mkdir()
        done = self.m.offline("backup", str(store / "store.db"))
        self.assertEqual((done.rc, done.err), (0, ""))
        with lib.Mount(store=store) as copy:
            self.assertEqual(copy.ls("ready"), ["t"])
            restored = copy.events("restored")[-1]
            self.assertEqual(restored["from_seq"], self.m.events()[-1]["seq"])
            self.assertGreater(restored["seq"], restored["from_seq"] + 1)

    def test_a_backup_that_cannot_be_written_leaves_nothing_behind(self):
        self.m.task("t")
        file = self.m.base / "there-is-none" / "file"
        self.assertEqual(self.m.offline("backup", str(file)).rc, 3)
        file = self.m.base / "there"
        file.write_text("kept")
        self.assertEqual(self.m.offline("backup", str(file)).rc, 3)
        self.assertEqual(file.read_text(), "kept")

    def test_a_store_in_use_is_refused_and_says_by_whom(self):
        other = self.m.base / "other"
        other.mkdir()
        os.unlink(self.m.store / "owner")  # no lock of its own: deleting it lets nobody in
        done = lib.sh([lib.COORDFS, "mount", str(other), "--store", str(self.m.store)])
        self.assertEqual(done.rc, 1)
        self.assertIn("the store is in use", done.err)
        self.assertFalse(lib.is_mounted(other))
        (self.m.store / "owner").write_text(f"pid {self.m.pid}, mounted on {self.m.dir}\n")
        done = lib.sh([lib.COORDFS, "mount", str(other), "--store", str(self.m.store)])
        self.assertIn(f"in use by pid {self.m.pid}, mounted on {self.m.dir}", done.err)

    def test_unmount_returns_once_the_daemon_has_ended_and_the_store_is_free(self):
        for i in range(5):
            self.m.task(f"t{i}")
            self.assertEqual(lib.sh([lib.COORDFS, "unmount", str(self.m.dir)]).rc, 0)
            self.assertEqual(self.m.wait_exit(0), 0)
            self.m.start()


class Inspect(Case):
    """coordfs inspect, tried by hand."""

    def test_a_repository_is_one_line_of_json_and_what_is_none_is_exit_3(self):
        lib.need_tool("git")
        repo = self.m.base / "repo"
        self.assertEqual(lib.sh(["git", "init", "-q", str(repo)]).rc, 0)
        (repo / "file").touch()
        done = lib.sh([lib.COORDFS, "inspect", str(repo)])
        self.assertEqual((done.rc, done.err), (0, ""))
        self.assertEqual(done.out.count("\n"), 1)
        found = json.loads(done.out)
        self.assertEqual(found["workdir"], str(repo))
        self.assertEqual([c["path"] for c in found["changed"]], ["file"])
        done = lib.sh([lib.COORDFS, "inspect", str(self.m.base)])
        self.assertEqual((done.rc, done.out), (3, ""))
        self.assertIn("is not a git repository", done.err)
        self.assertEqual(lib.sh([lib.COORDFS, "inspect"]).rc, 2)


class Scan(Case):
    """coordfs scan, tried by hand."""

    def test_the_commits_of_a_repository_are_lines_of_json(self):
        lib.need_tool("git")
        repo = self.m.base / "repo"
        history.synth(repo, 50, merge_every=10, bare=False)
        ids = history.git(repo, "rev-list", "main").split()

        def scan(*args):
            done = lib.sh([lib.COORDFS, "scan", *args, str(repo)])
            self.assertEqual((done.rc, done.err), (0, ""))
            return [json.loads(line) for line in done.out.splitlines()]

        lines = scan()
        self.assertEqual(lines[0]["gitdir"], str(repo / ".git"))
        self.assertEqual({c["commit"] for c in lines[1:-1]}, set(ids))
        self.assertEqual(lines[-1], {"end": True, "commits": 50, "older": 0})
        self.assertEqual(scan("--only-head"), lines[:1])
        known = ",".join(ids[2:5])
        self.assertEqual(scan("--known", known, "--known", "nonsense")[-1]["commits"],
                         int(history.git(repo, "rev-list", "--count", "main",
                                         *("^" + i for i in ids[2:5]))))
        self.assertEqual(scan("--depth", "3")[-1], {"end": True, "commits": 3, "older": 47})
        self.assertEqual(scan("--branch", "none", "--branch", "refs/tags/*")[0]["heads"], {})

    def test_what_cannot_be_told_is_exit_3_and_a_wrong_command_line_exit_2(self):
        done = lib.sh([lib.COORDFS, "scan", str(self.m.base)])
        self.assertEqual((done.rc, done.out), (3, ""))
        self.assertIn("is not a git repository", done.err)
        for args in ([], ["a", "b"], ["--depth", "x", "."], ["--depth", "-1", "."], ["--what", "."]):
            self.assertEqual(lib.sh([lib.COORDFS, "scan", *args]).rc, 2, args)


class Demo(Case):
    """tools/demo, what `make run` shows, where something is mounted already."""

    def demo(self, mnt):
        return self.m.sh([str(lib.ROOT / "tools/demo")], env={"COORD_MOUNT": str(mnt)}, cwd="/")

    def test_where_coordfs_is_mounted_the_demo_only_shows_it(self):
        before = self.m.hash()
        done = self.demo(self.m.dir)
        self.assertEqual(done.rc, 0, done.err)
        self.assertIn(f"coordfs is mounted on {self.m.dir} already", done.out)
        self.assertIn("ready", done.out)
        self.assertEqual(self.m.hash(), before)

    def test_a_directory_with_files_in_it_is_left_alone(self):
        there = self.m.base / "there"
        there.mkdir()
        (there / "file").touch()
        done = self.demo(there)
        self.assertEqual(done.rc, 1)
        self.assertIn("holds files already", done.err)
        self.assertFalse(lib.is_mounted(there))
        self.assertTrue(stat.S_ISREG((there / "file").stat().st_mode))
