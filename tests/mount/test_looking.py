"""What looks at repositories, where these do not hold still: nothing hangs, nobody is left behind."""
import ctypes
import os
import pathlib
import select
import shutil
import signal
import struct
import subprocess
import tempfile
import threading
import time

import history
import lib
from lib import Case, need_root, read, value, wait_for

COMMITS = 3000
libc = ctypes.CDLL(None, use_errno=True)


def big(path, commits=COMMITS):
    """A repository whose walk takes a while."""
    made = history.Import(path)
    for i in range(commits):
        made.commit(history.START + i * 60, "w1", f"commit number {i}", [(f"d{i % 50}/f{i % 999}", b"%d\n" % i)])
    made.end()
    return path


def small(path):
    made = history.Import(path)
    made.commit(history.START, "w1", "the first commit", [("a", b"a\n")])
    made.end()
    return path


def commit(path, name="a"):
    pathlib.Path(path, name).write_text(f"{time.time()}\n", encoding="utf-8")
    history.git(path, "add", name)
    history.git(path, "-c", "user.name=w", "-c", "user.email=w@x", "commit", "-q", "-m", "one more")


class Hung:
    """A file system that takes requests and answers none but the first."""

    def __init__(self, path):
        self.path = str(path)
        os.makedirs(path)
        self.fd = os.open("/dev/fuse", os.O_RDWR | os.O_CLOEXEC)
        data = f"fd={self.fd},rootmode=40000,user_id=0,group_id=0,allow_other"
        if libc.mount(b"hung", self.path.encode(), b"fuse", 0, data.encode()):
            raise OSError(ctypes.get_errno(), "mount")
        self.end_r, self.end_w = os.pipe()
        self.asked = threading.Event()
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def serve(self):
        while select.select([self.fd, self.end_r], [], [])[0] == [self.fd]:
            try:
                got = os.read(self.fd, 1 << 20)
            except OSError:
                return
            _, opcode, unique = struct.unpack_from("IIQ", got)
            if opcode == 26:
                out = struct.pack("IIIIHHIIHHI28x", 7, 31, 65536, 0, 16, 16, 65536, 1, 1, 0, 0)
                os.write(self.fd, struct.pack("IiQ", 16 + len(out), 0, unique) + out)
            else:
                self.asked.set()

    def close(self):
        os.write(self.end_w, b"x")
        self.thread.join()
        os.close(self.fd)
        subprocess.run(["umount", "-l", self.path], check=True)


class Started:
    """A command that goes on meanwhile."""

    def __init__(self, *argv):
        self.p = subprocess.Popen(argv, stderr=subprocess.PIPE, text=True)

    def end(self, seconds=20):
        _, err = self.p.communicate(timeout=seconds)
        return self.p.returncode, err.strip()


class Repositories(Case):
    def setUp(self):
        super().setUp()
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="coordfs-repo-"))
        self.addCleanup(shutil.rmtree, self.dir, True)

    def register(self, name, path):
        os.mkdir(self.m.path("repos", name))
        self.m.write(f"{path}\n", "repos", name, "path")

    def looked(self, name="r"):
        wait_for(lambda: value(self.m.read("repos", name, "scan"), "running") == "no"
                 and value(self.m.read("repos", name, "scan"), "at") != "-", "a look")

    def walk_of(self, path):
        """The process that walks PATH."""
        def find():
            for p in pathlib.Path("/proc").glob("[0-9]*"):
                try:
                    argv = read(p / "cmdline").split("\0")
                except OSError:
                    continue
                if argv[1:3] == ["scan", "--as-owner"] and argv[-2] == str(path) and "--only-head" not in argv:
                    return int(p.name)
            return 0
        return wait_for(find, f"a walk of {path}")


class Looking(Repositories):
    def test_who_waits_for_a_look_is_told_that_the_repository_was_removed(self):
        self.register("r", big(self.dir / "r"))
        waits = Started("touch", self.m.path("repos/r/scan"))
        lib.wait_parked(waits.p)
        os.rmdir(self.m.path("repos/r"))
        rc, err = waits.end()
        self.assertTrue(rc == 0 or "Stale" in err, err)
        self.assertIn("README", self.m.ls())

    def test_a_claim_that_waits_goes_on_when_the_repository_is_removed(self):
        self.m.session("s")
        self.m.task("t", ["r:d1"])
        self.register("r", big(self.dir / "r"))
        os.kill(self.walk_of(self.dir / "r"), signal.SIGSTOP)
        waits = Started("touch", self.m.path("sessions/s/claims/t"))
        lib.wait_parked(waits.p)
        os.rmdir(self.m.path("repos/r"))
        self.assertEqual(waits.end(), (0, ""))
        self.assertIn("removed", self.m.why("s"))  # and not that its patience ended

    def test_a_repository_set_anew_while_it_is_walked_is_the_other_one(self):
        self.register("r", big(self.dir / "r"))
        self.m.write(f"{small(self.dir / 'o')}\n", "repos/r/path")
        self.assertEqual(Started("touch", self.m.path("repos/r/scan")).end(), (0, ""))
        self.assertEqual(self.m.read("repos/r/gitdir"), f"{self.dir}/o/.git\n")

    def test_the_daemon_ends_while_it_walks_and_goes_on_afterwards(self):
        self.register("r", big(self.dir / "r"))
        waits = Started("touch", self.m.path("repos/r/scan"))
        lib.wait_parked(waits.p)
        signal.pidfd_send_signal(self.m.pidfd, signal.SIGTERM)
        self.assertEqual(self.m.wait_exit(), 0, self.m.log())
        waits.end()
        self.m.start()
        self.assertEqual(Started("touch", self.m.path("repos/r/scan")).end(), (0, ""))
        self.assertEqual(value(self.m.read("repos/r/scan"), "commits"), str(COMMITS))

    def test_a_killed_daemon_walks_the_rest_later(self):
        self.register("r", big(self.dir / "r"))
        wait_for(lambda: value(self.m.read("repos/r/scan"), "commits") != "0", "some commits")
        self.m.kill9()
        self.m.start()
        self.assertEqual(Started("touch", self.m.path("repos/r/scan")).end(), (0, ""))
        self.assertEqual(value(self.m.read("repos/r/scan"), "commits"), str(COMMITS))

    def test_who_is_killed_waiting_for_a_look_has_not_claimed(self):
        self.m.session("s")
        self.m.task("t", ["r:d1"])
        self.register("r", big(self.dir / "r"))
        os.kill(self.walk_of(self.dir / "r"), signal.SIGSTOP)
        for end in (signal.SIGKILL, signal.SIGINT):
            waits = Started("touch", self.m.path("sessions/s/claims/t"))
            lib.wait_parked(waits.p)
            waits.p.send_signal(end)
            self.assertEqual(waits.end(2)[0], -end)
            look = Started("touch", self.m.path("repos/r/scan"))
            lib.wait_parked(look.p)
            look.p.send_signal(end)
            self.assertEqual(look.end(2)[0], -end)
        self.assertEqual(self.m.events("claim"), [])

    def test_for_a_look_that_does_not_end_only_the_first_claims_wait(self):
        self.m.session("s")
        self.m.task("t", ["r:d1"])
        self.register("r", big(self.dir / "r"))
        os.kill(self.walk_of(self.dir / "r"), signal.SIGSTOP)
        took = []
        for _ in range(3):
            began = time.monotonic()
            self.m.claim("s", "t")
            took.append(time.monotonic() - began)
            self.assertIn("walk goes on", self.m.why("s"))
            self.m.release("s", "t")
        self.assertLess(max(took[1:]), took[0] / 2, took)

    def test_without_a_path_there_is_nothing_to_be_looked_at(self):
        os.mkdir(self.m.path("repos/r"))
        rc, err = Started("touch", self.m.path("repos/r/scan")).end()
        self.assertEqual((rc, "No such file" in err), (1, True), err)

    def test_more_branches_than_can_be_told_are_an_error(self):
        self.register("r", small(self.dir / "r"))
        self.looked()
        head = history.git(self.dir / "r", "rev-parse", "main")
        with open(self.dir / "r/.git/packed-refs", "w", encoding="utf-8") as f:
            f.write("# pack-refs with: peeled fully-peeled sorted \n")
            f.writelines(f"{head} refs/heads/{'x' * 150}{i:07}\n" for i in range(50000))
        self.assertNotEqual(Started("touch", self.m.path("repos/r/scan")).end(60)[0], 0)
        self.assertIn("branches", self.m.read("repos/r/error"))
        self.m.write("main\n", "repos/r/branches")
        self.assertEqual(Started("touch", self.m.path("repos/r/scan")).end(60), (0, ""))

    def test_links_into_the_mount_in_a_repository_hang_nobody(self):
        self.m.session("s")
        git = self.dir / "r/.git"
        self.register("r", small(self.dir / "r"))
        self.looked()
        into = {"HEAD": "status", "packed-refs": "verdict", "worktrees": "sessions", "refs/heads": "claims"}
        for n, (name, there) in enumerate(into.items()):
            with self.subTest(name=name):
                self.m.task(f"t{n}", ["r:a"])
                if (git / name).exists():
                    (git / name).rename(self.dir / "kept")
                (git / name).symlink_to(self.m.path(there))
                done = Started("touch", self.m.path(f"sessions/s/claims/t{n}"))
                self.assertEqual(done.end(15), (0, ""))
                self.m.release("s", f"t{n}")
                (git / name).unlink()
                if (self.dir / "kept").exists():
                    (self.dir / "kept").rename(git / name)

    def test_a_repository_replaced_by_the_mount_is_not_looked_at(self):
        self.register("r", small(self.dir / "r"))
        self.looked()
        (self.dir / "r").rename(self.dir / "kept")
        (self.dir / "r").symlink_to(self.m.path("sessions"))
        self.assertNotEqual(Started("touch", self.m.path("repos/r/scan")).end()[0], 0)
        self.assertNotEqual(self.m.read("repos/r/error"), "-\n")

    def test_a_commit_is_seen_whatever_links_there_are(self):
        path = small(self.dir / "r")
        self.register("r", path)
        (path / ".git/refs/heads").rename(self.dir / "heads")
        (path / ".git/refs/heads").symlink_to(self.dir / "heads")
        for _ in range(3):
            self.assertEqual(Started("touch", self.m.path("repos/r/scan")).end(), (0, ""))
            commit(path)
            os.mkdir(self.m.path("sessions", f"s{time.time_ns()}"))
            self.assertIn(history.git(path, "rev-parse", "main"), self.m.read("repos/r/head"))

    def test_odd_commits_and_names_are_whole_lines_of_text(self):
        path = self.dir / "r"
        small(path)
        tree = history.git(path, "rev-parse", "main^{tree}")
        odd = [(b"A\x1b[31m <a@x> 1700000000", b"1700000000", b"\x1b[2Jred\x07\r\nmore\n"),
               (b"A <a@x> -9223372036854775808", b"-5", b"below\n"),
               (b"A <a@x> 9223372036854775807", b"9223372036854775807", b"above\n"),
               (b"A <a@x> 253402300799", b"253402300799", b"\xff\xfe\x00\n"),
               (b"A <a@x> 0", b"0", b"x" + "ü".encode() * 300),
               (b"A <a@x> 0", b"0", b"t\n\nCoord-Session: ../\x1b\nCoord-Token: 9" + b"9" * 30 + b"\n")]
        head = history.git(path, "rev-parse", "main")
        for author, at, message in odd:
            raw = (f"tree {tree}\nparent {head}\nauthor ".encode() + author + b" +0000\ncommitter C <c@x> " + at
                   + b" +0000\n\n" + message)
            head = subprocess.run(["git", "-C", path, "hash-object", "-t", "commit", "-w", "--literally", "--stdin"],
                                  input=raw, capture_output=True, check=True).stdout.decode().strip()
        history.git(path, "update-ref", "refs/heads/main", head)
        (path / ".git/refs/heads/no name\n").write_text(f"{head}\n", encoding="utf-8")
        self.register("r", path)
        self.assertEqual(Started("touch", self.m.path("repos/r/scan")).end(), (0, ""))
        commits = self.m.read("repos/r/commits").encode("utf-8", "surrogateescape")
        self.assertEqual(commits.count(b"\n"), len(odd) + 1)
        commits.decode()
        self.assertFalse([b for b in commits if b < 32 and b != 10])
        self.assertIn(" 9999-12-31T23:59:59Z - unattributed above\n", commits.decode())
        self.assertEqual(len(self.m.events("commit")), len(odd) + 1)


class Hanging(Repositories):
    """On a file system that does not answer; with and without a sandbox."""

    def hang(self):
        need_root()
        hung = Hung(self.dir / f"hung{time.time_ns()}")
        self.addCleanup(hung.close)
        return hung

    def no_sandbox(self):
        bin_dir = self.dir / "bin"
        bin_dir.mkdir()
        (bin_dir / "bwrap").write_text("#!/bin/sh\necho 'bwrap: none here' >&2\nexit 1\n", encoding="utf-8")
        (bin_dir / "bwrap").chmod(0o755)
        self.m.stop()
        self.m.env = {"PATH": f"{bin_dir}:{os.environ['PATH']}"}
        self.m.start()

    def try_it(self):
        hung = self.hang()
        os.mkdir(self.m.path("repos/h"))
        asks = Started("sh", "-c", f"echo {hung.path}/r > {self.m.path('repos/h/path')}")
        hung.asked.wait(20)
        self.assertIn("README", self.m.ls())
        self.assertNotEqual(asks.end(20)[0], 0)
        # one is killed while it is looked where the path lies
        self.m.session("s")
        self.m.task("t", ["x"])
        self.m.claim("s", "t")
        asks = Started("sh", "-c", f"echo {hung.path}/r/a >> {self.m.path('sessions/s/claims/t')}")
        lib.wait_parked(asks.p)
        asks.p.kill()
        asks.end(5)
        self.assertIn("README", self.m.ls())
        # what is registered comes to hang
        self.register("r", small(self.dir / "r"))
        self.looked()
        (self.dir / "r/.git/refs/heads").rename(self.dir / "kept")
        (self.dir / "r/.git/refs/heads").symlink_to(hung.path)
        self.m.task("u", ["r:a"])
        asks = Started("touch", self.m.path("sessions/s/claims/u"))
        lib.wait_parked(asks.p)
        self.assertIn("README", self.m.ls())
        self.assertEqual(asks.end(15), (0, ""))
        self.assertIn("walk goes on", self.m.why("s"))
        os.rmdir(self.m.path("repos/r"))
        self.assertIn("README", self.m.ls())

    def test_a_path_that_hangs_hangs_nobody_else(self):
        self.try_it()

    def test_a_path_that_hangs_hangs_nobody_else_without_a_sandbox_either(self):
        self.no_sandbox()
        self.try_it()
