"""The store and its one daemon: who may open it, what is refused untouched, how
the mount comes and goes, copies, and damage."""
import errno
import hashlib
import os
import pathlib
import re
import shutil
import signal
import sqlite3
import subprocess
import tempfile
import threading
import unittest

import lib


def coordfs(*args, **kwargs):
    return lib.sh([lib.COORDFS, *map(str, args)], **kwargs)


def sums(directory, but=()):
    """What every file in a directory holds."""
    return {p.name: hashlib.sha256(p.read_bytes()).hexdigest()
            for p in pathlib.Path(directory).iterdir() if p.is_file() and p.name not in but}


def state_of(pid):
    """The letter of a process's state: R S D Z ..; None: it is gone."""
    try:
        return lib.read(f"/proc/{pid}/stat").rpartition(") ")[2][0]
    except OSError:
        return None


class Scratch(unittest.TestCase):
    """A test with directories of its own and nothing mounted."""

    def setUp(self):
        self.base = pathlib.Path(tempfile.mkdtemp(prefix="coordfs-"))
        self.addCleanup(shutil.rmtree, self.base, True)
        self.dir, self.store = self.base / "m", self.base / "store"
        self.dir.mkdir()
        self.store.mkdir()
        self.db = self.store / "store.db"

    def mount(self, where=None, store=None):
        """coordfs mount, which should fail; what it leaves mounted is taken away."""
        where = where or self.dir
        done = coordfs("mount", where, "--store", store or self.store)
        if not done.rc:
            lib.umount_lazily(where)
        return done

    def assertRefused(self, done, *words):
        self.assertEqual(done.rc, 1, done)
        for word in words:
            self.assertIn(word, done.err)
        self.assertFalse(lib.is_mounted(self.dir))

    def assertUntouched(self, *words):
        """A mount on this store is refused; every byte of the database stays."""
        before = sums(self.store, but=("log",))
        done = self.mount()
        self.assertRefused(done, "store.db", *words)
        self.assertEqual(sums(self.store, but=("log",)), before)


class Second(lib.Case):
    """One store, one daemon."""

    def refuse(self):
        other = self.m.base / "other"
        other.mkdir(exist_ok=True)
        done = coordfs("mount", other, "--store", self.m.store, timeout=20)
        if not done.rc:
            lib.umount_lazily(other)
        self.assertEqual(done.rc, 1, done)
        self.assertFalse(lib.is_mounted(other))
        return done.err

    def test_daemon_on_a_store_in_use_is_refused_and_told_by_whom(self):
        said = self.refuse()
        self.assertIn(f"pid {self.m.pid}", said)
        self.assertIn(str(self.m.dir), said)
        self.m.session("s")

    def test_daemon_is_refused_whatever_is_deleted_beside_the_database(self):
        m = self.m
        m.session("s")
        for name in sorted(os.listdir(m.store)):
            if name.startswith("store.db"):
                continue
            os.unlink(m.store / name)
            self.assertIn("in use", self.refuse(), name)
        self.assertEqual(m.ls("sessions"), ["s"])
        m.session("t")

    def test_daemon_in_the_foreground_is_refused_alike(self):
        done = coordfs("mount", self.m.dir, "--store", self.m.store, "--foreground", timeout=20)
        self.assertEqual(done.rc, 1)

    def test_daemon_may_come_as_soon_as_the_first_is_killed(self):
        self.m.session("s")
        self.m.kill9()
        self.m.start()
        self.assertEqual(self.m.ls("sessions"), ["s"])

    def test_repair_of_a_store_in_use_is_refused(self):
        done = self.m.offline("check", "--repair")
        self.assertEqual(done.rc, 3, done)
        self.assertIn("in use", done.err + done.out)
        self.m.session("s")


class Foreign(Scratch):
    """What is no store of ours, or of another time, is refused and stays as it is."""

    def used(self):
        """A store that was used, and is not in use."""
        self.store.rmdir()
        with lib.Mount(store=self.store) as m:
            m.session("s")
            m.task("t", artifacts=["a/b"])
            m.claim("s", "t")

    def test_newer_schema_is_refused_and_nothing_is_touched(self):
        self.used()
        with sqlite3.connect(self.db) as db:
            db.execute("PRAGMA user_version = 1000")
        db.close()
        self.assertUntouched("newer", "nothing was touched")
        for tool in ("check", "replay"):
            done = coordfs(tool, "--store", self.store)
            self.assertEqual(done.rc, 3, done)
        before = sums(self.store)
        done = coordfs("check", "--repair", "--store", self.store)
        self.assertEqual(done.rc, 3, done)
        self.assertEqual(sums(self.store), before)
        done = coordfs("backup", self.base / "copy", "--store", self.store)
        self.assertEqual(done.rc, 3, done)

    def test_newer_schema_in_a_log_not_yet_in_the_database_is_refused_too(self):
        self.used()
        db = sqlite3.connect(self.db)
        db.execute("PRAGMA wal_autocheckpoint = 0")
        db.execute("PRAGMA user_version = 1000")
        db.commit()
        copy = self.base / "crashed"
        copy.mkdir()
        for name in ("store.db", "store.db-wal"):
            shutil.copy(self.store / name, copy / name)
        db.close()
        before = sums(copy)
        done = self.mount(store=copy)
        self.assertRefused(done, "newer")
        after = sums(copy, but=("owner", "log", "store.db-shm"))
        self.assertEqual(after, before)

    def test_sqlite_file_of_somebody_else_is_refused_and_nothing_is_touched(self):
        with sqlite3.connect(self.db) as db:
            db.execute("CREATE TABLE songs(name)")
        db.close()
        self.assertUntouched("not a store of coordfs")

    def test_sqlite_file_with_another_application_id_is_refused_and_nothing_is_touched(self):
        with sqlite3.connect(self.db) as db:
            db.execute("PRAGMA application_id = 77")
        db.close()
        self.assertUntouched("not a store of coordfs")

    def test_garbage_is_refused_and_nothing_is_touched(self):
        self.db.write_bytes(bytes(range(256)) * 64)
        self.assertUntouched("not a store of coordfs")

    def test_directory_or_device_in_the_databases_place_is_refused(self):
        self.db.mkdir()
        self.assertRefused(self.mount(), "store.db")
        self.db.rmdir()
        os.symlink("/etc/passwd", self.db)
        self.assertRefused(self.mount(), "store.db")

    def test_empty_file_becomes_a_store(self):
        self.db.touch()
        with lib.Mount(store=self.store) as m:
            m.session("s")
            self.assertEqual(m.ls("sessions"), ["s"])

    def test_file_in_the_directorys_place_is_refused(self):
        self.store.rmdir()
        self.store.write_text("a file\n")
        self.assertRefused(self.mount(), str(self.store))
        self.assertEqual(self.store.read_text(), "a file\n")

    def test_directory_that_may_not_be_entered_is_refused(self):
        lib.need_root()
        if not lib.has_tool("fusermount3"):
            self.skipTest("there is no fusermount3 here")
        for p in (self.base, self.dir):
            p.chmod(0o777)
        self.store.chmod(0o700)
        program = shutil.copy(lib.COORDFS, self.base)  # the build may be where only root goes
        done = lib.sh([program, "mount", str(self.dir), "--store", str(self.store)],
                      uid=lib.UID_A, env={"HOME": str(self.base)})
        self.assertEqual(done.rc, 1, done)
        self.assertIn("ermission denied", done.err)

    def test_check_of_no_store_at_all_cannot_tell_and_makes_none(self):
        done = coordfs("check", "--store", self.store)
        self.assertEqual(done.rc, 3, done)
        done = coordfs("check", "--repair", "--store", self.store)
        self.assertEqual(done.rc, 3, done)
        self.assertEqual(os.listdir(self.store), [])


class Place(lib.Case):
    """The mount point, and how the mount comes and goes."""

    def test_busy_mountpoint_is_refused_and_the_mount_on_it_goes_on(self):
        other = self.m.base / "other"
        done = coordfs("mount", self.m.dir, "--store", other)
        self.assertEqual(done.rc, 1, done)
        self.assertIn("already", done.err)
        self.m.session("s")

    def test_mountpoint_that_is_not_there_or_no_directory_is_refused(self):
        file = self.m.base / "file"
        file.touch()
        for where, word in ((self.m.base / "nowhere", "No such file"), (file, "")):
            done = coordfs("mount", where, "--store", self.m.base / "other")
            self.assertEqual(done.rc, 1, done)
            self.assertIn(word, done.err)
            self.assertIn(str(where), done.err)

    def test_refused_mount_leaves_no_daemon_behind(self):
        other = self.m.base / "other"
        file = self.m.base / "file"
        file.touch()
        coordfs("mount", file, "--store", other)
        # the store is free again: nobody has it
        m = lib.Mount(store=other)
        self.addCleanup(m.discard)

    def test_dead_mount_answers_ENOTCONN_and_the_message_says_what_to_do(self):
        m = self.m
        signal.pidfd_send_signal(m.pidfd, signal.SIGKILL)
        m.wait_exit()
        self.assertEqual(lib.errno_of(os.listdir, m.dir), "ENOTCONN")
        done = coordfs("mount", m.dir, "--store", m.store)
        self.assertEqual(done.rc, 1, done)
        self.assertIn("coordfs unmount", done.err)
        done = coordfs("unmount", m.dir)
        self.assertEqual(done.rc, 0, done)
        self.assertFalse(lib.is_mounted(m.dir))
        m.start()

    def test_tools_cannot_tell_what_a_dead_mount_would_say(self):
        m = self.m
        m.session("s")
        m.task("t")
        token = m.claim("s", "t")
        signal.pidfd_send_signal(m.pidfd, signal.SIGKILL)
        m.wait_exit()
        self.assertEqual(m.tool("verify", "t", token, cwd="/").rc, 3)
        self.assertEqual(m.tool("guard", "--check", "x", cwd="/").rc, 3)
        coordfs("unmount", m.dir)
        m.start()
        self.assertEqual(m.tool("verify", "t", token).rc, 0)

    def test_mount_returns_when_the_mount_answers(self):
        """No look after its return sees the bare directory or an error."""
        m = self.m
        m.session("s")
        for _ in range(10):
            m.stop()
            m.start()
            self.assertEqual(os.listdir(m.path("sessions")), ["s"])

    def test_SIGTERM_unmounts_and_ends_well(self):
        m = self.m
        m.session("s")
        m.task("t")
        m.claim("s", "t")
        held = os.open(m.path("claims", "t"), os.O_RDONLY)  # in use: it goes all the same
        self.addCleanup(lib.errno_of, os.close, held)
        signal.pidfd_send_signal(m.pidfd, signal.SIGTERM)
        self.assertEqual(m.wait_exit(), 0)
        self.assertFalse(lib.is_mounted(m.dir))
        self.assertEqual(os.listdir(m.dir), [])
        m.start()
        self.assertEqual(m.ls("claims"), ["t"])

    def test_SIGTERM_under_load_leaves_no_client_waiting(self):
        m = self.m
        m.session("s")
        m.task("t")
        clients = [self.client(i) for i in range(6)]
        lib.wait_for(lambda: len(m.events("refused")) > 2, "some load")
        signal.pidfd_send_signal(m.pidfd, signal.SIGTERM)
        self.assertEqual(m.wait_exit(), 0)
        for c in clients:
            c.wait(lib.PATIENCE)
        m.start()

    def test_SIGKILL_leaves_no_process_in_D_state(self):
        m = self.m
        m.session("s")
        m.task("t")
        clients = [self.client(i) for i in range(6)]
        lib.wait_for(lambda: len(m.events("refused")) > 2, "some load")
        signal.pidfd_send_signal(m.pidfd, signal.SIGKILL)
        m.wait_exit()
        for c in clients:
            lib.wait_for(lambda c=c: c.poll() is not None, f"client in state {state_of(c.pid)}")
        coordfs("unmount", m.dir)
        m.start()

    def client(self, i):
        """A shell that acts, waits and reads until the mount is away."""
        loop = ["while touch claims/t 2>/dev/null || test -e README; do touch . 2>/dev/null; done",
                "while cat status >/dev/null; do :; done", "cat wait/events >/dev/null"][i % 3]
        child = subprocess.Popen(["sh", "-c", loop], cwd=self.m.dir, stdin=subprocess.DEVNULL,
                                 stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                 env={**os.environ, "COORD_SESSION": "s"})
        self.addCleanup(child.wait)
        self.addCleanup(child.kill)
        return child

    def test_open_descriptors_of_a_dead_daemon_give_ENOTCONN(self):
        m = self.m
        m.session("s")
        m.task("t")
        m.claim("s", "t")
        fds = {}
        for name, flags in (("status", os.O_RDONLY), ("events", os.O_RDONLY),
                            ("wait/events", os.O_RDONLY),
                            ("sessions/s/claims/t", os.O_WRONLY | os.O_APPEND),
                            ("claims", os.O_RDONLY | os.O_DIRECTORY)):
            fds[name] = os.open(m.path(*name.split("/")), flags)
            self.addCleanup(lib.errno_of, os.close, fds[name])
        parked = threading.Thread(target=lambda: said.append(
            lib.errno_of(os.read, fds["wait/events"], 4096)))
        said = []
        parked.start()
        signal.pidfd_send_signal(m.pidfd, signal.SIGKILL)
        m.wait_exit()
        parked.join(lib.PATIENCE)
        self.assertFalse(parked.is_alive(), "a parked reader hangs")
        self.assertIn(said[0], ("ENOTCONN", "ECONNABORTED"))
        for name in ("status", "events", "wait/events"):
            self.assertEqual(lib.errno_of(os.read, fds[name], 10), "ENOTCONN", name)
        self.assertEqual(lib.errno_of(os.write, fds["sessions/s/claims/t"], b"x\n"), "ENOTCONN")
        self.assertEqual(lib.errno_of(os.listdir, fds["claims"]), "ENOTCONN")
        m.kill9()
        m.start()
        self.assertEqual(lib.values(m.read("claims", "t"), "artifact"), [])

    def test_children_of_the_daemon_do_not_keep_a_dead_mount_or_the_store(self):
        m = self.m
        os.mkdir(m.path("probes", "slow"))
        m.write("sleep\n600\n", "probes", "slow", "command")
        m.write("1\n", "probes", "slow", "enabled")
        reader = subprocess.Popen(["cat", m.path("verdict")], stdout=subprocess.DEVNULL,
                                  stderr=subprocess.DEVNULL)
        self.addCleanup(reader.wait)
        self.addCleanup(reader.kill)

        def children():
            return lib.read(f"/proc/{m.pid}/task/{m.pid}/children").split()

        probe = int(lib.wait_for(children, "the probe runs")[0])
        self.addCleanup(lambda: state_of(probe) and os.kill(probe, signal.SIGKILL))
        signal.pidfd_send_signal(m.pidfd, signal.SIGKILL)
        m.wait_exit()
        lib.wait_for(lambda: reader.poll() is not None, "the reader comes back")
        self.assertEqual(lib.errno_of(os.listdir, m.dir), "ENOTCONN")
        m.kill9()
        m.start()


class Copy(lib.Case):
    """coordfs backup."""

    def load(self, stop):
        """Claims and releases, until told to stop; the tokens."""
        tokens = []
        while not stop.is_set():
            tokens.append(self.m.claim("s", "t"))
            self.m.release("s", "t")
        return tokens

    def copy(self):
        """A backup, laid out as a store; its directory."""
        where = self.m.base / "copy"
        where.mkdir()
        done = self.m.offline("backup", where / "store.db")
        self.assertEqual(done.rc, 0, done)
        self.assertEqual(os.listdir(where), ["store.db"])
        return where

    def test_while_it_is_mounted_and_loaded_is_sound_and_has_what_was_acknowledged(self):
        m = self.m
        m.session("s")
        m.task("t", artifacts=["a"])
        stop, tokens = threading.Event(), []
        thread = threading.Thread(target=lambda: tokens.extend(self.load(stop)))
        thread.start()
        try:
            lib.wait_for(lambda: len(m.events("claim")) > 5, "some load")
            before = m.events("claim")[-1]["token"]
            copy = self.copy()
        finally:
            stop.set()
            thread.join()
        for tool in ("check", "replay"):
            done = coordfs(tool, "--store", copy)
            self.assertEqual(done.rc, 0, done)
        top = max(tokens + [m.claim("s", "t")])
        with lib.Mount(store=copy) as c:
            copied = c.events("claim")
            self.assertGreaterEqual(copied[-1]["token"], before)
            self.assertEqual(c.ls("sessions"), ["s"])
            if c.ls("claims"):
                c.release("s", "t")
            self.assertGreater(c.claim("s", "t"), top)
            self.assertEqual(len(c.events("restored")), 1)
            c.restart()
            self.assertEqual(len(c.events("restored")), 1)
            c.release("s", "t")

    def test_restored_twice_issues_no_token_twice(self):
        m = self.m
        m.session("s")
        m.task("t")
        copy = self.copy()
        second = m.base / "second"
        shutil.copytree(copy, second)
        with lib.Mount(store=copy) as c:
            tokens = [c.claim("s", "t")]
            c.release("s", "t")
            tokens.append(c.claim("s", "t"))
        with lib.Mount(store=second) as c:
            self.assertGreater(c.claim("s", "t"), max(tokens))

    def test_repaired_before_its_first_mount_still_begins_behind_the_original(self):
        m = self.m
        m.session("s")
        m.task("t")
        copy = self.copy()
        top = m.claim("s", "t")
        done = coordfs("check", "--repair", "--store", copy)
        self.assertEqual(done.rc, 0, done)
        with lib.Mount(store=copy) as c:
            self.assertGreater(c.claim("s", "t"), top)

    def test_is_for_its_owner_alone_and_never_over_another_file(self):
        copy = self.copy()
        self.assertEqual(os.stat(copy / "store.db").st_mode & 0o777, 0o600)
        before = sums(copy)
        done = self.m.offline("backup", copy / "store.db")
        self.assertEqual(done.rc, 3, done)
        self.assertIn("exists", done.err)
        self.assertEqual(sums(copy), before)

    def test_that_cannot_be_written_leaves_nothing(self):
        done = self.m.offline("backup", "/dev/full/store.db")
        self.assertEqual(done.rc, 3, done)
        done = self.m.offline("backup", self.m.base / "nowhere" / "store.db")
        self.assertEqual(done.rc, 3, done)


# What to break, and what check must say of it.
DAMAGE = {
    "a count of conflicts": ("UPDATE board SET conflicts = conflicts + 1 WHERE task ="
                             " (SELECT id FROM tasks WHERE name = 'u')", "conflicts"),
    "a count of needs": ("UPDATE board SET unmet = 1 WHERE token = 0", "unmet"),
    "a held artifact": ("DELETE FROM held", "held artifacts"),
    "an artifact held by nobody": ("INSERT INTO held SELECT stem, task, name FROM artifacts"
                                   " WHERE live = 1 AND task NOT IN (SELECT task FROM held)",
                                   "held artifacts"),
    "the state of an artifact": ("UPDATE artifacts SET live = 0", "artifacts whose state"),
    "a claim": ("UPDATE board SET token = 0 WHERE token > 0", "grants"),
    "a grant": ("DELETE FROM grants WHERE ended = 0", "token"),
    "a value": ("UPDATE attrs SET value = 'forged'", "attrs"),
    "a session": ("UPDATE sessions SET uid = 99", "sessions"),
    "a need": ("INSERT INTO needs SELECT id, 'u', 0 FROM tasks WHERE name = 't'", "needs"),
}


class Damage(lib.Case):
    """coordfs check finds what does not follow from the events, and --repair mends it."""

    def setUp(self):
        super().setUp()
        m = self.m
        m.session("s")
        m.task("t", artifacts=["a"], title="first")
        m.task("u", artifacts=["a/b", "c"])
        m.task("v", artifacts=["d"])
        self.token = m.claim("s", "t")
        m.stop()
        self.db = m.store / "store.db"

    def harm(self, sql):
        with sqlite3.connect(self.db) as db:
            changed = db.execute(sql).rowcount
        db.close()
        self.assertNotEqual(changed, 0, "nothing was harmed")

    def test_of_each_kind_is_found_and_mended(self):
        good = self.m.hash()
        for what, (sql, word) in DAMAGE.items():
            with self.subTest(what):
                self.harm(sql)
                done = self.m.offline("check")
                self.assertEqual(done.rc, 1, f"{what}: {done}")
                self.assertIn(word, done.out)
                done = self.m.offline("check", "--repair")
                self.assertEqual(done.rc, 0, f"{what}: {done}")
                self.assertEqual(self.m.hash(), good)

    def test_mended_store_goes_on_with_its_claims_and_leases(self):
        self.harm(DAMAGE["a claim"][0])
        self.assertEqual(self.m.offline("check", "--repair").rc, 0)
        self.m.start()
        self.assertEqual(int(lib.value(self.m.read("claims", "t"), "token")), self.token)
        self.assertEqual(self.m.column("t"), "claims")
        self.assertEqual(self.m.column("u"), "blocked")
        self.m.release("s", "t")
        self.assertGreater(self.m.claim("s", "t"), self.token)

    def test_replay_says_what_differs_and_writes_what_should_be(self):
        self.harm(DAMAGE["a value"][0])
        into = self.m.base / "into.db"
        done = self.m.offline("replay", "--into", into)
        self.assertEqual(done.rc, 1, done)
        self.assertIn("table attrs", done.out)
        self.assertTrue(done.out.endswith("different\n"))
        with sqlite3.connect(into) as db:
            self.assertEqual(db.execute("SELECT value FROM attrs WHERE name = 'title'").fetchall(),
                             [("first",)])
        db.close()
        self.assertEqual(self.m.offline("check", "--repair").rc, 0)

    def test_lost_event_is_found_and_no_repair_hides_it(self):
        for what, sql, word in (
                ("one in the middle", "DELETE FROM events WHERE seq = 3", "a gap before 4"),
                ("the first", "DELETE FROM events WHERE seq = 1", "a gap before 2"),
                ("altered", "UPDATE events SET line = replace(line, 'first', 'forged')"
                            " WHERE line LIKE '%first%'", "not the event that was written"),
                ("no event", "UPDATE events SET line = '{' WHERE seq = 3", "events:")):
            with self.subTest(what):
                good = self.db.read_bytes()
                self.harm(sql)
                done = self.m.offline("check")
                self.assertEqual(done.rc, 1, done)
                self.assertIn(word, done.out)
                before = self.state()
                done = self.m.offline("check", "--repair")
                self.assertEqual(done.rc, 3, done)
                self.assertIn(word, done.err)
                self.assertEqual(self.state(), before)
                self.db.write_bytes(good)

    def test_last_event_lost_is_found(self):
        """Its number would be given again; what it did is still in the tables."""
        good = self.db.read_bytes()
        self.harm("DELETE FROM events WHERE seq = (SELECT max(seq) FROM events)")
        done = self.m.offline("check")
        self.assertEqual(done.rc, 1, done)
        self.db.write_bytes(good)

    def state(self):
        with sqlite3.connect(self.db) as db:
            dump = list(db.iterdump())
        db.close()
        return dump

    def test_of_any_page_is_found(self):
        good = self.db.read_bytes()
        size = 4096
        found = 0
        for page in range(1, len(good) // size):
            bad = bytearray(good)
            bad[page * size : page * size + 64] = b"\xff" * 64
            self.db.write_bytes(bad)
            done = self.m.offline("check")
            self.assertNotEqual(done.rc, 0, f"page {page}: {done}")
            found += 1
        self.assertGreater(found, 10)
        self.db.write_bytes(good)


class Replay(lib.Case):
    def test_of_a_busy_store_is_equal_to_a_state_it_had(self):
        m = self.m
        m.session("s")
        for i in range(20):
            m.task(f"t{i}", artifacts=[f"a{i % 5}"])
        for i in range(5):
            m.claim("s", f"t{i}")
        done = m.offline("replay")
        self.assertEqual(done.rc, 0, done)
        self.assertRegex(done.out, r"(?m)^store +([0-9a-f]{16})\nreplay +\1\nequal$")

    def test_reading_everything_changes_nothing(self):
        m = self.m
        m.session("s")
        m.task("t", artifacts=["a"])
        m.claim("s", "t")
        before = m.hash()
        m.sh("cat status artifacts README events claims/* tasks/t/* >/dev/null; ls -lR >/dev/null")
        self.assertEqual(m.hash(), before)


if __name__ == "__main__":
    unittest.main()
