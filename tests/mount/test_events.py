"""The log: every change, in order, by true byte offsets; and waiting for the next one."""
import json
import os
import random
import select
import signal
import statistics
import subprocess
import threading
import time

from lib import Case, errno_of, need_tool, read, wait_for, write


class Events(Case):
    def setUp(self):
        super().setUp()
        self.path = self.m.path("events")
        self.wait = self.m.path("wait", "events")
        self.m.task("t", publish=False)

    def happen(self, i=0):
        """One event, and only one."""
        write(self.m.path("tasks", "t", "title"), f"title {i} {time.monotonic_ns()} äöü\n")

    def raw(self):
        with open(self.path, "rb") as f:
            return f.read()

    def opened(self, path, flags=os.O_RDONLY):
        fd = os.open(path, flags | os.O_CLOEXEC)
        self.addCleanup(os.close, fd)
        return fd

    def run_beside(self, argv, **kwargs):
        p = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, **kwargs)
        self.addCleanup(p.wait)
        self.addCleanup(p.kill)
        self.addCleanup(p.stdout.close)
        return p

    @staticmethod
    def blocks(pid, tid=None):
        """It waits for an answer of the daemon."""
        try:
            return "request_wait_answer" in read(f"/proc/{pid}/task/{tid or pid}/wchan")
        except OSError:
            return False


class Log(Events):
    def test_every_line_is_an_object_and_the_numbers_have_no_gap(self):
        for i in range(50):
            self.happen(i)
        self.m.session("s")
        errno_of(self.m.claim, "s", "t")
        lines = self.raw().decode().splitlines()
        events = [json.loads(l) for l in lines]
        self.assertEqual([e["seq"] for e in events], list(range(1, len(lines) + 1)))
        for e in events:
            self.assertRegex(e["time"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$")
            self.assertTrue(e["event"])
        self.assertEqual([e["event"] for e in events if e["event"] != "probe"][:1], ["draft"])
        self.assertEqual(events[-1]["event"], "refused")

    def test_offsets_are_true(self):
        for i in range(200):
            self.happen(i)
        data, fd = self.raw(), self.opened(self.path)
        self.assertEqual(os.stat(self.path).st_size, len(data))
        random.seed(7)
        spots = [0, 1, len(data) - 1, len(data), len(data) + 1, len(data) + 10000, 1 << 40]
        for at in spots + [random.randrange(len(data)) for _ in range(500)]:
            n = random.choice([1, 2, 7, 100, 4096, 65536, 1 << 20])
            self.assertEqual(os.pread(fd, n, at), data[at:at + n], f"{n} at {at}")
        self.assertEqual(os.lseek(fd, 0, os.SEEK_END), len(data))

    def test_what_was_read_once_stays_where_it_is(self):
        for i in range(20):
            self.happen(i)
        before = self.raw()
        self.happen()
        self.assertTrue(self.raw().startswith(before))
        self.m.restart()
        self.assertTrue(self.raw().startswith(before))
        self.m.kill9()
        self.m.start()
        self.assertTrue(self.raw().startswith(before))

    def test_a_large_log_is_read_whole(self):
        for i in range(45):
            write(self.m.path("tasks", "t", "body"), f"{i}" + "x" * 65000 + "\n")
        data = self.raw()
        self.assertGreater(len(data), 45 * 65000)
        self.assertEqual(len(data), os.stat(self.path).st_size)
        self.assertEqual(len(data.decode().splitlines()), len(self.m.events()))
        got = self.m.sh("cat events | wc -c; tail -c 1000 events | wc -c; dd if=events bs=1000003 status=none | wc -c")
        self.assertEqual(got.out.split(), [str(len(data)), "1000", str(len(data))])

    def test_it_is_read_by_whole_changes_while_it_grows(self):
        """A reader in the middle of a storm sees a prefix, and no half line at its end."""
        stop = threading.Event()
        self.addCleanup(stop.set)

        def storm():
            while not stop.is_set():
                self.happen()

        thread = threading.Thread(target=storm)
        thread.start()
        try:
            last = b""
            for _ in range(100):
                with open(self.path, "rb", buffering=0) as f:
                    data = f.read(1 << 20)
                self.assertTrue(data.startswith(last[: len(data)]))
                self.assertTrue(data.endswith(b"\n") or len(data) == 1 << 20)
                last = data
        finally:
            stop.set()
            thread.join()

    def test_tail_f_follows(self):
        p = self.run_beside(["tail", "-n", "0", "-s", "0.1", "-f", self.path])

        def heard():
            self.happen()
            return select.select([p.stdout], [], [], 0.05)[0]

        wait_for(heard, "a line of tail")
        self.happen("last")
        lines = [p.stdout.readline()]
        while "title last" not in lines[-1]:
            lines.append(p.stdout.readline())
        seqs = [json.loads(l)["seq"] for l in lines]
        self.assertEqual(seqs, list(range(seqs[0], seqs[-1] + 1)))

    def test_tail_c_goes_on_from_an_offset(self):
        for i in range(5):
            self.happen(i)
        at = len(self.raw())
        for i in range(5):
            self.happen(i)
        got = self.m.sh(f"tail -c +{at + 1} events")
        self.assertEqual([json.loads(l)["value"].split()[1] for l in got.out.splitlines()], list("01234"))

    def test_jq_reads_it(self):
        need_tool("jq")
        self.happen()
        got = self.m.sh("jq -s 'map(.seq) | . == [range(1; length + 1)]' events")
        self.assertEqual(got.out, "true\n")

    def test_many_writers_make_one_order(self):
        """Replay of what each did: its own events are in its own order, and none is missing."""
        def work(k):
            for i in range(40):
                write(self.m.path("tasks", f"w{k}", "title"), f"{k} {i}\n")

        for k in range(6):
            self.m.task(f"w{k}", publish=False)
        threads = [threading.Thread(target=work, args=(k,)) for k in range(6)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        events = self.m.events()
        self.assertEqual([e["seq"] for e in events], list(range(1, len(events) + 1)))
        for k in range(6):
            self.assertEqual([e["value"] for e in events if e.get("name") == f"w{k}"],
                             [f"{k} {i}" for i in range(40)])


class Wait(Events):
    def test_it_is_found_but_not_listed(self):
        self.assertNotIn("wait", self.m.ls())
        self.assertEqual(self.m.ls("wait"), ["events"])
        self.assertEqual(os.stat(self.wait).st_size, 0)

    def test_it_gives_what_comes_and_not_what_was(self):
        for i in range(5):
            self.happen(i)
        fd = self.opened(self.wait)
        n = len(self.raw())
        self.happen("new")
        self.assertEqual(os.read(fd, 65536), self.raw()[n:])
        n = len(self.raw())
        self.happen("one")
        self.happen("two")
        self.assertEqual(os.read(fd, 65536), self.raw()[n:])

    def test_a_small_buffer_gets_all_in_pieces(self):
        fd = self.opened(self.wait)
        n = len(self.raw())
        for i in range(3):
            self.happen(i)
        want, got = self.raw()[n:], b""
        while len(got) < len(want):
            got += os.read(fd, 7)
        self.assertEqual(got, want)

    def test_a_reader_blocks_until_something_happens(self):
        p = self.run_beside(["cat", self.wait])
        for i in range(20):
            wait_for(lambda: self.blocks(p.pid), "a reader that waits")
            self.happen(i)
            self.assertEqual(json.loads(p.stdout.readline())["value"].split()[1], str(i))

    def test_two_readers_get_the_same(self):
        ps = [self.run_beside(["cat", self.wait]) for _ in range(3)]
        for p in ps:
            wait_for(lambda p=p: self.blocks(p.pid), "a reader that waits")
        for i in range(10):
            self.happen(i)
        said = [[p.stdout.readline() for _ in range(10)] for p in ps]
        self.assertEqual(said[0], said[1])
        self.assertEqual(said[0], said[2])
        self.assertEqual(said[0], self.raw().decode().splitlines(True)[-10:])

    def test_nothing_to_read_is_eagain_for_who_does_not_wait(self):
        fd = self.opened(self.wait, os.O_NONBLOCK)
        self.refused("EAGAIN", os.read, fd, 4096)
        self.happen()
        self.assertEqual(json.loads(os.read(fd, 4096))["event"], "set")
        self.refused("EAGAIN", os.read, fd, 4096)
        os.set_blocking(fd, True)
        os.set_blocking(fd, False)
        self.refused("EAGAIN", os.read, fd, 4096)

    def test_poll_select_and_epoll_wake(self):
        fd = self.opened(self.wait, os.O_NONBLOCK)
        poll, epoll = select.poll(), select.epoll()
        self.addCleanup(epoll.close)
        poll.register(fd, select.POLLIN)
        epoll.register(fd, select.EPOLLIN)
        ways = {
            "poll": lambda s: bool(poll.poll(s * 1000)),
            "select": lambda s: bool(select.select([fd], [], [], s)[0]),
            "epoll": lambda s: bool(epoll.poll(s)),
        }
        for name, ready in ways.items():
            for i in range(10):
                self.assertFalse(ready(0), f"{name}: nothing has happened")
                timer = threading.Timer(0.01, self.happen, [i])
                timer.start()
                self.assertTrue(ready(30), f"{name}: not woken")
                timer.join()
                self.assertTrue(ready(0), f"{name}: still there until it is read")
                self.assertEqual(json.loads(os.read(fd, 65536))["event"], "set")
                self.refused("EAGAIN", os.read, fd, 4096)

    def test_an_edge_triggered_epoll_wakes_each_time(self):
        fd = self.opened(self.wait, os.O_NONBLOCK)
        epoll = select.epoll()
        self.addCleanup(epoll.close)
        epoll.register(fd, select.EPOLLIN | select.EPOLLET)
        while epoll.poll(0):
            pass
        for i in range(10):
            timer = threading.Timer(0.01, self.happen, [i])
            timer.start()
            self.assertTrue(epoll.poll(30), "not woken")
            timer.join()
            self.assertEqual(json.loads(os.read(fd, 65536))["event"], "set")
            self.refused("EAGAIN", os.read, fd, 4096)

    def test_what_is_always_readable_polls_so(self):
        for name in ("README", "events", "status", "tasks/t/title"):
            fd = self.opened(self.m.path(*name.split("/")))
            self.assertTrue(select.select([fd], [], [], 0)[0], name)
        fd = self.opened(self.m.path("tasks", "t", "title"), os.O_RDWR)
        self.assertTrue(select.select([], [fd], [], 0)[1])

    def test_a_waiting_reader_can_be_interrupted(self):
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGKILL):
            p = self.run_beside(["cat", self.wait])
            wait_for(lambda p=p: self.blocks(p.pid), "a reader that waits")
            p.send_signal(number)
            self.assertEqual(p.wait(30), -number)
        self.happen()
        self.assertEqual(self.m.column("t"), "ideas")

    def test_a_handler_that_returns_lets_the_reader_wait_on(self):
        code = ("import os, signal, sys\n"
                "signal.signal(signal.SIGUSR1, lambda *a: print('signal', flush=True))\n"
                "fd = os.open(sys.argv[1], os.O_RDONLY)\n"
                "print('ready', flush=True)\n"
                "print(os.read(fd, 65536).decode(), end='', flush=True)\n")
        p = self.run_beside(["python3", "-c", code, self.wait])
        self.assertEqual(p.stdout.readline(), "ready\n")
        for _ in range(3):
            wait_for(lambda: self.blocks(p.pid), "a reader that waits")
            p.send_signal(signal.SIGUSR1)
            self.assertEqual(p.stdout.readline(), "signal\n")
        wait_for(lambda: self.blocks(p.pid), "a reader that waits")
        self.happen()
        self.assertEqual(json.loads(p.stdout.readline())["event"], "set")
        self.assertEqual(p.wait(30), 0)

    def test_an_expiry_nobody_asked_for_is_told_too(self):
        self.m.write("200ms\n", "control", "lease")
        self.m.session("s")
        os.rename(self.m.path("ideas", "t"), self.m.path("ready", "t"))
        p = self.run_beside(["cat", self.wait])
        wait_for(lambda: self.blocks(p.pid), "a reader that waits")
        self.m.claim("s", "t")
        for line in p.stdout:
            if json.loads(line)["event"] == "lost":
                break
        self.assertEqual(self.m.column("t"), "ready")

    def test_the_end_of_the_mount_ends_the_waiting(self):
        p = self.run_beside(["cat", self.wait], stderr=subprocess.DEVNULL)
        wait_for(lambda: self.blocks(p.pid), "a reader that waits")
        os.kill(self.m.pid, signal.SIGTERM)
        self.assertEqual(self.m.wait_exit(), 0)
        self.assertEqual(p.wait(30), 1)
        subprocess.run(["umount", "-l", self.m.dir], capture_output=True, check=False)


class Parked(Events):
    """Waiting occupies nothing."""

    READERS = 500

    def parked(self):
        """A process of 500 threads, each in a read of wait/events."""
        code = ("import os, sys, threading\n"
                "threading.stack_size(128 * 1024)\n"
                "def wait():\n"
                "    fd = os.open(sys.argv[1], os.O_RDONLY)\n"
                "    n = len(os.read(fd, 1 << 20))\n"
                "    os.write(1, b'%d\\n' % n)\n"
                "    os.read(fd, 1 << 20)\n"
                f"for _ in range({self.READERS}):\n"
                "    threading.Thread(target=wait).start()\n")
        p = self.run_beside(["python3", "-c", code, self.wait])

        def all_blocked():
            tids = os.listdir(f"/proc/{p.pid}/task")
            return sum(self.blocks(p.pid, t) for t in tids) >= self.READERS

        wait_for(all_blocked, "all readers to wait", 120)
        return p

    def latency(self, fn):
        """The median of many, in seconds."""
        took = []
        for _ in range(400):
            began = time.perf_counter()
            fn()
            took.append(time.perf_counter() - began)
        return statistics.median(took)

    def test_500_waiting_readers_slow_nothing(self):
        looks = {
            "stat": lambda: os.stat(self.m.path("tasks", "t", "title")),
            "read": lambda: read(self.m.path("tasks", "t", "title")),
            "ls": lambda: self.m.ls("ideas"),
        }
        # a round trip within one processor, always: waking the other costs many times as much
        together = {min(os.sched_getaffinity(0))}
        for pid in (0, self.m.pid):
            self.addCleanup(os.sched_setaffinity, pid, os.sched_getaffinity(pid))
            os.sched_setaffinity(pid, together)
        alone = {k: self.latency(fn) for k, fn in looks.items()}
        p = self.parked()
        beside = {k: self.latency(fn) for k, fn in looks.items()}
        for k in looks:
            print(f"    {k}: {alone[k] * 1e6:.0f} us alone, {beside[k] * 1e6:.0f} us with {self.READERS} readers")
            self.assertLess(beside[k], 3 * alone[k] + 100e-6, k)
        self.happen()
        said = {p.stdout.readline() for _ in range(self.READERS)}
        self.assertEqual(len(said), 1, "each of them heard of it, and the same")
        p.kill()
        p.wait()
        self.happen()
        self.assertEqual(self.m.column("t"), "ideas")

    def test_500_that_are_killed_leave_nothing(self):
        fds = len(os.listdir(f"/proc/{self.m.pid}/fd"))
        for _ in range(2):
            p = self.parked()
            p.kill()
            p.wait()
        self.happen()
        self.assertEqual(len(os.listdir(f"/proc/{self.m.pid}/fd")), fds)
