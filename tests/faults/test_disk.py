"""A full disk: nothing is lost, reading goes on, what is held can be given back,
and with room again all is as before."""
import errno
import os
import pathlib
import shutil
import subprocess
import tempfile
import unittest

import lib

SIZE = 24 << 20
CLAIMS = 50  # a finish takes 20 pages of the log, a release 13: of 1,000 pages there is room for some 59


def room(directory):
    st = os.statvfs(directory)
    return st.f_bavail * st.f_frsize


class Full(unittest.TestCase):
    def setUp(self):
        lib.need_root()
        self.disk = pathlib.Path(tempfile.mkdtemp(prefix="coordfs-disk-"))
        self.addCleanup(shutil.rmtree, self.disk, True)
        self.mount_disk(SIZE)
        self.m = lib.Mount(store=self.disk / "store")
        self.addCleanup(self.m.discard)  # before the disk goes

    def mount_disk(self, size):
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size},mode=755", "coordfs-test",
                               self.disk], capture_output=True, text=True, check=False)
        if done.returncode:
            self.skipTest(f"no tmpfs: {done.stderr.strip()}")
        self.addCleanup(lib.umount_lazily, self.disk)

    def fill(self):
        """Somebody else's file takes all the room there is."""
        with open(self.disk / "filler", "ab", buffering=0) as f:
            for size in (1 << 20, 4096, 1):
                try:
                    while True:
                        f.write(b"x" * size)
                except OSError as e:
                    self.assertEqual(e.errno, errno.ENOSPC)

    def make_room(self):
        os.unlink(self.disk / "filler")

    def board(self):
        """Two sessions; s holds the first CLAIMS tasks, the others are ready."""
        m = self.m
        m.session("s")
        m.session("other")
        for i in range(2 * CLAIMS):
            m.task(f"t{i}", artifacts=[f"a{i}"])
        for i in range(CLAIMS):
            m.claim("s", f"t{i}")

    def get_full(self):
        """Nobody gets anything in any more; how often somebody did until then."""
        self.fill()
        for i in range(10000):
            try:
                self.m.write(f"{i} " + "x" * 60000 + "\n", "tasks", f"t{CLAIMS + i % CLAIMS}", "body")
            except OSError as e:
                self.assertEqual(errno.errorcode[e.errno], "ENOSPC")
                self.fill()
                return i
            self.fill()
        raise AssertionError("the disk never was full")

    def test_claim_is_refused_with_ENOSPC_and_why_and_leaves_nothing(self):
        self.board()
        self.get_full()
        m, task = self.m, f"t{CLAIMS}"
        for touch in (lambda: m.claim("other", task),
                      lambda: os.rename(m.path("ready", task),
                                        m.path("sessions", "other", "claims", task))):
            self.assertEqual(lib.errno_of(touch), "ENOSPC")
        self.assertEqual(m.column(task), "ready")
        self.assertEqual(len(m.ls("claims")), CLAIMS)
        self.assertNotIn(f"{task} ", m.read("artifacts"))
        why = m.why("other").splitlines()
        self.assertEqual(why[0].split()[1], "ENOSPC", why)
        self.assertIn(task, why[0])
        self.assertRegex(why[-1], "^next: .*room")

    def test_everything_can_be_read(self):
        self.board()
        self.get_full()
        m = self.m
        self.assertEqual(len(m.ls("claims")), CLAIMS)
        for name in ("status", "artifacts", "README", "events", "verdict", "why"):
            self.assertTrue(m.read(name), name)
        self.assertEqual(lib.value(m.read("claims", "t0"), "session"), "s")
        m.check()

    def test_what_is_held_can_be_finished_given_back_and_renewed(self):
        self.board()
        self.get_full()
        m = self.m
        os.utime(m.path("sessions", "s"))
        for i in range(CLAIMS):
            self.fill()
            (m.release if i % 2 else m.finish)("s", f"t{i}")
        self.assertEqual(m.ls("claims"), [])
        self.assertEqual(len(m.ls("done")), CLAIMS // 2)
        self.fill()
        os.rmdir(m.path("sessions", "s"))

    def test_what_became_of_an_action_can_be_said(self):
        self.board()
        for key in ("done", "withdrawn"):
            self.assertEqual(self.m.sh(f"touch actions/{key}", session="s").rc, 0)
        self.get_full()
        self.assertNotEqual(self.m.sh("touch actions/another", session="s").rc, 0)
        self.assertEqual(self.m.sh("echo posted >> actions/done", session="s").rc, 0)
        self.assertEqual(self.m.sh("rm actions/withdrawn", session="s").rc, 0)
        self.assertEqual(self.m.read("actions", "done").splitlines()[0], "done posted")
        self.assertEqual(self.m.ls("actions"), ["done"])

    def test_operators_can_break_a_claim_and_close_the_board(self):
        self.board()
        self.get_full()
        m = self.m
        token = lib.value(m.read("claims", "t0"), "token")
        m.write(f"t0 {token} the disk is full\n", "control", "break")
        m.write("the disk is full\n", "control", "estop")
        self.assertEqual(m.column("t0"), "ready")
        self.assertEqual(m.read("control", "estop"), "the disk is full\n")

    def test_session_can_say_its_outcome(self):
        self.board()
        self.get_full()
        self.m.write("stopped done\n", "sessions", "s", "outcome")
        self.assertEqual(self.m.ls("claims"), [])

    def test_once_there_is_room_again_everything_is_done_again(self):
        self.board()
        self.get_full()
        m = self.m
        self.make_room()
        lib.wait_for(lambda: lib.errno_of(m.claim, "other", f"t{CLAIMS}") == "ok", "a claim succeeds")
        m.task("fresh", artifacts=["fresh"])
        self.assertTrue(m.claim("other", "fresh"))
        m.close()

    def test_full_again_after_there_was_room_lets_go_again(self):
        self.board()
        m = self.m
        for _ in range(2):
            self.get_full()
            m.release("s", "t0")
            self.make_room()
            lib.wait_for(lambda: lib.errno_of(m.claim, "other", f"t{CLAIMS}") == "ok",
                         "a claim succeeds")
            m.claim("s", "t0")
            m.release("other", f"t{CLAIMS}")

    def test_daemon_starts_on_a_full_disk_and_lets_go(self):
        self.board()
        self.get_full()
        m = self.m
        m.kill9()
        self.fill()
        m.start()
        self.assertEqual(len(m.ls("claims")), CLAIMS)
        for i in range(CLAIMS):
            m.release("s", f"t{i}")
        self.assertEqual(m.ls("claims"), [])
        self.make_room()
        lib.wait_for(lambda: lib.errno_of(m.claim, "s", "t0") == "ok", "a claim succeeds")

    def test_disk_that_fills_up_under_every_kind_of_change_corrupts_nothing(self):
        self.board()
        done = self.get_full()
        m = self.m
        self.assertFalse(m.read("tasks", f"t{CLAIMS + done % CLAIMS}", "body").startswith(f"{done} "))
        for fn in (lambda: os.mkdir(m.path("tasks", "new")),
                   lambda: os.mkdir(m.path("sessions", "new")),
                   lambda: os.rename(m.path("ready", f"t{CLAIMS}"), m.path("ideas", f"t{CLAIMS}")),
                   lambda: lib.write(m.path("sessions", "s", "claims", "t0"), "more\n", append=True),
                   lambda: os.rename(m.path("sessions", "s", "claims", "t0"),
                                     m.path("sessions", "other", "claims", "t0"))):
            self.assertEqual(lib.errno_of(fn), "ENOSPC")
        before = m.hash()
        m.check()
        m.kill9()
        m.check()
        m.start()
        self.assertEqual(m.hash(), before)
        self.assertEqual(len(m.ls("claims")), CLAIMS)
        self.make_room()
        m.close()

    def test_store_with_room_for_nothing_is_refused_with_the_reason(self):
        self.fill()
        place = self.disk.with_suffix(".m")
        place.mkdir()
        self.addCleanup(place.rmdir)
        done = lib.sh([lib.COORDFS, "mount", str(place), "--store", str(self.disk / "other")])
        self.assertEqual(done.rc, 1, done)
        self.assertIn("No space left", done.err)


if __name__ == "__main__":
    unittest.main()
