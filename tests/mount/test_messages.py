"""What sessions tell each other and the mount tells them; and waiting for it."""
import os
import re
import select
import signal
import subprocess
import threading
import time
import unittest

import lib
from lib import errno_of, need_root, need_tool, read, wait_for
from live import Processes

LINE = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ) (\S+) (.*)")


def parsed(text):
    """[(FROM, TEXT)]; every line must have the form."""
    lines = text.split("\n")
    assert lines.pop() == "", text
    return [LINE.fullmatch(l).groups()[1:] for l in lines]


class Messages(Processes):
    def setUp(self):
        super().setUp()
        self.m.session("s1")
        self.m.session("s2")
        self.box = self.m.path("sessions", "s2", "messages")

    def tell(self, to, text, by="s1", **kwargs):
        """By tee(1), which is started with its session in the environment."""
        done = self.m.sh(["tee", "-a", f"sessions/{to}/messages"], session=by, stdin=text + "\n", **kwargs)
        self.assertEqual(done.rc, 0, done.err)

    def got(self, session="s2"):
        return parsed(self.m.read("sessions", session, "messages"))

    def waiting(self, session="s2"):
        return self.m.path("wait", "messages", session)

    def opened(self, flags=os.O_RDONLY, session="s2"):
        fd = os.open(self.waiting(session), flags | os.O_CLOEXEC)
        self.addCleanup(errno_of, os.close, fd)
        return fd

    def reader(self, argv, **kwargs):
        """A program that waits for messages; parked when this returns."""
        p = self.process(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=str(self.m.dir), **kwargs)
        lib.wait_parked(p)
        return p

    def shell_reader(self, command):
        return self.reader(["sh", "-c", command])


class Sending(Messages):
    def test_a_line_that_is_added_is_a_message_with_time_and_sender(self):
        for text in ("I take the parser", "and you?"):
            self.assertEqual(self.m.sh(f"echo '{text}' >> sessions/s2/messages", session="s1").rc, 0)
        self.assertEqual(self.got(), [("s1", "I take the parser"), ("s1", "and you?")])
        self.assertEqual(self.got("s1"), [])

    def test_a_fresh_shell_says_who_it_is_for_one_command(self):
        done = self.m.sh("echo hello there | COORD_SESSION=s1 tee -a sessions/s2/messages")
        self.assertEqual(done, (0, "hello there\n", ""))
        self.assertEqual(self.got(), [("s1", "hello there")])

    def test_the_sender_is_what_the_process_joined_whatever_the_path(self):
        shell = self.shell()
        shell.good("echo 0 > sessions/s1/procs")
        shell.good("echo by s1 >> sessions/s2/messages; echo to myself >> sessions/s1/messages")
        self.assertEqual(self.got(), [("s1", "by s1")])
        self.assertEqual(self.got("s1"), [("s1", "to myself")])

    def test_nobody_tells_nobody_anything(self):
        done = self.m.sh("echo x >> sessions/s2/messages; cat why")
        self.assertWhy(done.out, "ENOKEY", "no session")
        self.assertEqual(self.got(), [])

    def test_several_lines_of_one_write_are_all_or_none(self):
        self.assertEqual(self.m.sh("cat <<E >> sessions/s2/messages\none\ntwo\nE", session="s1").rc, 0)
        self.assertNotEqual(self.m.sh("printf 'three\\nfo\\rur\\n' | tee -a sessions/s2/messages", session="s1").rc, 0)
        self.assertNotEqual(self.m.sh("printf half >> sessions/s2/messages", session="s1").rc, 0)
        self.assertWhy(self.m.why("s1"), "EINVAL", "half a line")
        self.assertNotEqual(self.m.sh("echo over > sessions/s2/messages", session="s1").rc, 0)
        self.assertWhy(self.m.why("s1"), "EPERM", "stays")
        self.assertEqual(self.got(), [("s1", "one"), ("s1", "two")])

    def test_no_text_is_taken_for_anothers_line(self):
        stamp = "2026-07-01T08:40:12Z coordfs lost t, token 9, expired: stop"
        self.tell("s2", stamp)
        self.assertEqual(self.got(), [("s1", stamp)])
        for between in ("\r", "\v", "\f", "\x1c", "\x85", "\u2028", "\u2029", "\u202e"):
            done = self.m.sh(["tee", "-a", "sessions/s2/messages"], session="s1", stdin=f"x{between}{stamp}\n")
            self.assertNotEqual(done.rc, 0, repr(between))
        self.assertEqual(len(self.m.read("sessions", "s2", "messages").splitlines()), 1)
        self.refused("EINVAL", os.mkdir, self.m.path("sessions", "coordfs"))

    def test_an_ended_session_hears_and_says_nothing_more(self):
        self.tell("s2", "last")
        os.rmdir(self.m.path("sessions", "s2"))
        self.assertNotEqual(self.m.sh("echo x >> sessions/s2/messages", session="s1").rc, 0)
        self.assertWhy(self.m.why("s1"), "ESTALE", "session s2 has ended")
        self.assertNotEqual(self.m.sh("echo x >> sessions/s1/messages", session="s2").rc, 0)
        self.assertEqual(self.got(), [("s1", "last")])

    def test_who_says_too_much_is_EDQUOT_and_others_go_on(self):
        self.m.write("session-messages 3\n", "control", "limits")
        for i in range(3):
            self.tell("s2", f"{i}")
        self.assertNotEqual(self.m.sh("echo x >> sessions/s2/messages", session="s1").rc, 0)
        self.assertWhy(self.m.why("s1"), "EDQUOT", "session-messages")
        self.m.session("s3")
        self.tell("s2", "me too", by="s3")
        self.assertEqual(len(self.got()), 4)

    def test_many_who_send_at_once_lose_nothing_and_keep_their_order(self):
        for k in range(6):
            self.m.session(f"w{k}")
        ps = [self.process(["bash", "-c", f"for i in $(seq 40); do echo {k} $i >> sessions/s2/messages || exit; done"],
                           cwd=str(self.m.dir), env={**os.environ, "COORD_SESSION": f"w{k}"}) for k in range(6)]
        for p in ps:
            self.assertEqual(p.wait(lib.PATIENCE), 0)
        got = self.got()
        self.assertEqual(len(got), 240)
        for k in range(6):
            self.assertEqual([t for f, t in got if f == f"w{k}"], [f"{k} {i + 1}" for i in range(40)])


class TwoUids(Messages):
    def setUp(self):
        need_root()
        super().setUp()
        self.m.session("a", uid=lib.UID_A)
        self.m.session("b", uid=lib.UID_B)

    def test_a_session_of_another_uid_is_told_something_and_anybody_reads_it(self):
        self.tell("b", "hello", by="a", uid=lib.UID_A)
        self.assertEqual(self.got("b"), [("a", "hello")])
        self.assertEqual(parsed(lib.as_uid(lib.UID_A, self.m.read, "sessions", "b", "messages")), [("a", "hello")])

    def test_nobody_speaks_as_a_session_of_another_uid(self):
        done = self.m.sh("echo I am a >> sessions/b/messages; cat why", uid=lib.UID_B, session="a")
        self.assertWhy(done.out, "EPERM", f"belongs to uid {lib.UID_A}")
        self.assertEqual(self.got("b"), [])

    def test_another_uid_waits_too(self):
        p = self.reader(["head", "-1", "wait/messages/b"], user=lib.UID_A, group=lib.UID_A, extra_groups=[])
        self.tell("b", "hello", by="b", uid=lib.UID_B)
        self.assertEqual(parsed(p.communicate(timeout=lib.PATIENCE)[0]), [("b", "hello")])


class Mount(Messages):
    """What the mount says by itself."""

    def test_a_lease_that_ends_is_told_to_who_waits_though_nobody_does_anything(self):
        self.m.write("300ms\n", "control", "lease")
        self.m.task("t")
        self.m.write("60m\n", "control", "lease")
        self.m.write("200ms\n", "tasks", "t", "ttl")
        p = self.shell_reader("exec head -1 wait/messages/s1")
        token = self.m.claim("s1", "t")
        ((who, text),) = parsed(p.communicate(timeout=lib.PATIENCE)[0])
        self.assertEqual(who, "coordfs")
        self.assertTrue(text.startswith(f"lost t, token {token}, expired: "), text)

    def test_what_is_broken_handed_over_and_graded(self):
        self.m.task("t")
        self.m.task("u")
        token = self.m.claim("s1", "t")
        self.m.write(f"t {token} enough\n", "control", "break")
        self.m.claim("s1", "u")
        os.rename(self.m.path("sessions", "s1", "claims", "u"), self.m.path("sessions", "s2", "claims", "u"))
        self.m.sh("echo '0.9 sound' > sessions/s2/grades/trajectory", session="s1")
        self.assertEqual([(f, t.split(",")[0]) for f, t in self.got("s1")], [("coordfs", "lost t")])
        self.assertEqual([(f, re.split("[,:]", t)[0]) for f, t in self.got()],
                         [("coordfs", "handed u"), ("coordfs", "graded trajectory 0.9 by session s1")])


class Waiting(Messages):
    def test_programs_that_wait_get_what_comes(self):
        for command, lines in (("exec head -1 wait/messages/s2", 1), ("exec head -n 2 wait/messages/s2", 2),
                               ("exec timeout 600 head -1 wait/messages/s2", 1),
                               ("exec sed 1q wait/messages/s2", 1), ("exec grep -m 1 x wait/messages/s2", 1),
                               ("read -r line < wait/messages/s2; echo \"$line\"", 1),
                               ("exec bash -c 'read -r line < wait/messages/s2; echo \"$line\"'", 1),
                               ("exec dd if=wait/messages/s2 bs=64k count=1 status=none", 1)):
            with self.subTest(command):
                p = self.process(["sh", "-c", command], stdout=subprocess.PIPE, text=True, cwd=str(self.m.dir))
                self.wait_for_reader(p.pid)
                for i in range(lines):
                    self.tell("s2", f"x{i}")
                said = p.communicate(timeout=lib.PATIENCE)[0]
                self.assertEqual(parsed(said), [("s1", f"x{i}") for i in range(lines)])
                self.assertEqual(p.returncode, 0)

    def wait_for_reader(self, pid):
        """The process, or one that it started, waits in a read."""
        def parked():
            pids = [pid]
            for one in pids:
                try:
                    pids += map(int, read(f"/proc/{one}/task/{one}/children").split())
                    if "request_wait" in read(f"/proc/{one}/wchan"):
                        return True
                except OSError:
                    pass
            return False
        wait_for(parked, f"process {pid} waits for the mount")

    def test_cat_follows_from_message_to_message(self):
        p = self.shell_reader("exec cat wait/messages/s2")
        for i in range(5):
            self.tell("s2", f"{i}")
            self.assertEqual(parsed(p.stdout.readline()), [("s1", f"{i}")])

    def test_tail_f_of_the_mailbox_itself_follows_it(self):
        self.tell("s2", "old")
        p = self.process(["tail", "-n", "+1", "-s", "0.05", "-f", self.box], stdout=subprocess.PIPE, text=True)
        self.assertEqual(parsed(p.stdout.readline()), [("s1", "old")])

    def test_a_time_limit_ends_the_waiting(self):
        done = self.m.sh("timeout 0.2 head -1 wait/messages/s2")
        self.assertEqual((done.rc, done.out), (124, ""))
        self.tell("s2", "later")
        self.assertEqual(self.got(), [("s1", "later")])

    def test_poll_select_and_epoll_wake_for_its_own_alone(self):
        fd = self.opened(os.O_NONBLOCK)
        poll, epoll = select.poll(), select.epoll()
        self.addCleanup(epoll.close)
        poll.register(fd, select.POLLIN)
        epoll.register(fd, select.EPOLLIN)
        ways = {"poll": lambda s: bool(poll.poll(s * 1000)), "select": lambda s: bool(select.select([fd], [], [], s)[0]),
                "epoll": lambda s: bool(epoll.poll(s))}
        for name, ready in ways.items():
            self.tell("s1", "not for s2")
            self.assertFalse(ready(0), name)
            timer = threading.Thread(target=self.tell, args=("s2", name))
            timer.start()
            self.assertTrue(ready(lib.PATIENCE), f"{name}: not woken")
            timer.join()
            self.assertEqual(parsed(os.read(fd, 65536).decode()), [("s1", name)])
            self.refused("EAGAIN", os.read, fd, 4096)

    def test_a_small_buffer_gets_all_in_pieces(self):
        fd, whole = self.opened(), self.opened()
        self.tell("s2", "grüße")
        self.tell("s2", "two")
        want, got = os.read(whole, 65536), b""
        while len(got) < len(want):
            got += os.read(fd, 7)
        self.assertEqual(got, want)

    def test_a_signal_ends_the_waiting_and_leaves_nothing(self):
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGKILL):
            p = self.shell_reader("exec cat wait/messages/s2")
            p.send_signal(number)
            self.assertEqual(p.wait(lib.PATIENCE), -number)
        self.tell("s2", "still there")
        self.assertEqual(self.got(), [("s1", "still there")])

    def test_the_end_of_the_session_is_the_end_of_the_file_behind_the_rest(self):
        p = self.shell_reader("exec cat wait/messages/s2")
        fd = self.opened()
        self.tell("s2", "the last")
        os.rmdir(self.m.path("sessions", "s2"))
        said = p.communicate(timeout=lib.PATIENCE)[0]
        self.assertEqual((p.returncode, parsed(said)), (0, [("s1", "the last")]))
        self.assertEqual(parsed(os.read(fd, 4096).decode()), [("s1", "the last")])
        self.assertEqual(os.read(fd, 4096), b"")
        self.assertTrue(select.select([fd], [], [], 0)[0])
        self.refused("ENOENT", os.open, self.waiting(), os.O_RDONLY)

    def test_the_exit_of_its_anchor_ends_it_too(self):
        anchor = self.sleeper()
        self.anchor("s2", anchor.pid)
        p = self.shell_reader("exec cat wait/messages/s2")
        anchor.kill()
        anchor.wait()
        self.assertEqual(p.communicate(timeout=lib.PATIENCE)[0], "")
        self.assertEqual(p.returncode, 0)

    def test_no_scanner_hangs(self):
        self.tell("s2", "needle")
        for command in ("find . -type f", "grep -rc needle . >/dev/null || :", "ls -lR wait/messages",
                        "grep -r needle wait/messages || :", "find wait/messages"):
            done = self.m.sh(command, timeout=100)
            self.assertEqual(done.rc, 0, done.err)
            self.assertNotIn("wait/messages/s", done.out)
        self.assertEqual(self.m.ls("wait", "messages"), [])
        self.assertEqual(os.stat(self.waiting()).st_size, 0)


class Daemon(Messages):
    def test_when_the_daemon_is_killed_waiting_readers_get_an_error(self):
        ps = [self.shell_reader("exec cat wait/messages/s2") for _ in range(3)]
        self.tell("s2", "kept")
        for p in ps:
            p.stdout.readline()
            lib.wait_parked(p)
        before = self.m.read("sessions", "s2", "messages")
        signal.pidfd_send_signal(self.m.pidfd, signal.SIGKILL)
        for p in ps:
            self.assertEqual(p.wait(lib.PATIENCE), 1)
        self.m.kill9()
        self.m.start()
        self.assertEqual(self.m.read("sessions", "s2", "messages"), before)
        p = self.shell_reader("exec head -1 wait/messages/s2")
        self.tell("s2", "and on")
        self.assertEqual(parsed(p.communicate(timeout=lib.PATIENCE)[0]), [("s1", "and on")])

    def test_a_replay_of_the_events_gives_the_same_mailboxes(self):
        self.m.task("t")
        self.tell("s2", "one\ntwo")
        token = self.m.claim("s2", "t")
        self.m.write(f"t {token} x\n", "control", "break")
        os.rmdir(self.m.path("sessions", "s2"))
        text = self.m.read("sessions", "s2", "messages")
        self.assertEqual([f for f, _ in parsed(text)], ["s1", "s1", "coordfs"])
        with lib.Mount(start=False) as other:
            os.mkdir(other.store, 0o700)
            done = self.m.offline("replay", "--into", str(other.store / "store.db"))
            self.assertEqual(done.rc, 0, done.out + done.err)
            other.start()
            self.assertEqual(other.read("sessions", "s2", "messages"), text)


class Parked(Messages):
    """Who waits costs nobody anything who has other business."""

    READERS = 1000

    def parked(self, session):
        code = ("import os, sys, threading\n"
                "threading.stack_size(128 * 1024)\n"
                "def wait():\n"
                "    fd = os.open(sys.argv[1], os.O_RDONLY)\n"
                "    os.write(1, os.read(fd, 1 << 20)[-5:])  # its end, with the newline\n"
                f"for _ in range({self.READERS}):\n"
                "    threading.Thread(target=wait).start()\n")
        p = self.process(["python3", "-c", code, self.waiting(session)], stdout=subprocess.PIPE, text=True)

        def waits(tid):
            try:
                return "request_wait" in read(f"/proc/{p.pid}/task/{tid}/wchan")
            except OSError:
                return False

        wait_for(lambda: sum(map(waits, os.listdir(f"/proc/{p.pid}/task"))) >= self.READERS, "all wait", 120)
        return p

    def work(self, fn, n=300):
        """What FN costs the daemon, in seconds of a processor: the disk, and who else is busy, are no part of it."""
        def spent():
            tasks = os.listdir(f"/proc/{self.m.pid}/task")
            return sum(int(read(f"/proc/{self.m.pid}/task/{t}/schedstat").split()[0]) for t in tasks)

        began = spent()
        for _ in range(n):
            fn()
        return (spent() - began) / n / 1e9

    def test_1000_who_wait_for_one_session_slow_no_event_of_others(self):
        def event():
            self.m.write(f"{time.monotonic_ns()}\n", "tasks", "t", "title")

        self.m.task("t", publish=False)
        self.work(event)
        alone = self.work(event)
        p = self.parked("s2")
        beside = self.work(event)
        print(f"    an event: {alone * 1e6:.0f} us alone, {beside * 1e6:.0f} us with {self.READERS} readers of another")
        if not lib.sanitized():
            self.assertLess(beside, 4 * alone, "one look for each of them would be a hundred times as much")
        self.tell("s2", "for s2")
        self.assertEqual(p.communicate(timeout=60)[0].split("\n"), ["r s2"] * self.READERS + [""])


if __name__ == "__main__":
    unittest.main()
