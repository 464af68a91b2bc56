"""What a long life does to the daemon: its memory, descriptors and log do not grow.

COORDFS_OPERATIONS=100000 makes it long; a warm-up of a third comes on top.
"""
import os
import re
import unittest

import lib

OPERATIONS = int(os.environ.get("COORDFS_OPERATIONS") or 3000)
MIB = 1 << 20
LOG_MAX = 9 * MIB  # journal_size_limit, and a batch


class Leak(lib.Case):
    def setUp(self):
        super().setUp()
        self.cycles = 0
        m = self.m
        m.session("s")
        m.session("other")
        for i in range(8):
            m.task(f"t{i}", artifacts=[f"d{i}/a", f"e{i}/**/x"])
        m.claim("other", "t7")

    def anonymous(self):
        """Bytes of memory that are the daemon's own."""
        status = lib.read(f"/proc/{self.m.pid}/status")
        return int(re.search(r"^RssAnon:\s*(\d+) kB$", status, re.M)[1]) << 10

    def descriptors(self):
        """The daemon's, by what they are, once it has seen to all we closed."""
        where = f"/proc/{self.m.pid}/fd"
        return sorted(os.readlink(f"{where}/{fd}") for fd in os.listdir(where))

    def threads(self):
        return len(os.listdir(f"/proc/{self.m.pid}/task"))

    def size(self, name):
        path = self.m.store / name
        return path.stat().st_size if path.exists() else 0

    def repeat(self, cycle, operations):
        """CYCLE, until it made OPERATIONS calls."""
        done = 0
        while done < operations:
            done += cycle(self.cycles)
            self.cycles += 1
            self.assertLess(self.size("store.db-wal"), LOG_MAX)

    def measure(self, cycle):
        """Growth of memory and of the database after a warm-up."""
        self.repeat(cycle, OPERATIONS // 3)
        memory, data = self.anonymous(), self.size("store.db") + self.size("store.db-wal")
        fds, threads = self.descriptors(), self.threads()
        self.repeat(cycle, OPERATIONS)
        lib.wait_for(lambda: self.descriptors() == fds, f"{fds}, not {self.descriptors()}")
        self.assertEqual(self.threads(), threads)
        grown = self.anonymous() - memory
        more = self.size("store.db") + self.size("store.db-wal") - data
        print(f"{self._testMethodName}: {OPERATIONS} operations: memory {memory / MIB:.1f} MiB"
              f" {grown / MIB:+.2f}, database {more / MIB:+.2f}", flush=True)
        return memory, grown, more

    def look(self, n):
        """Calls that change nothing, refused ones among them."""
        m = self.m
        for name in ("status", "artifacts", "README", "claims/t7", "tasks/t1/artifacts", "whoami",
                     "sessions/s/why", "tasks/t7/state", "events"):
            lib.read(m.path(name))
        for name in ("claims", "ready", "sessions", "tasks/t1"):
            os.listdir(m.path(name))
            os.stat(m.path(name))
        waiting = os.open(m.path("wait/events"), os.O_RDONLY | os.O_NONBLOCK)
        self.assertEqual(lib.errno_of(os.read, waiting, 100), "EAGAIN")
        os.close(waiting)
        for fn, args, name in (
                (os.stat, (m.path("tasks", f"none{n}"),), "ENOENT"),
                (os.mkdir, (m.path("claims", "x"),), "EPERM"),
                (os.mkdir, (m.path("sessions", "s"),), "EEXIST"),
                (m.write, ("x\n", "status"), "EACCES"),
                (os.unlink, (m.path("sessions", "other", "claims", "t1"),), "ENOENT"),
                (m.write, ("9" * 70000, "tasks", "t1", "body"), "E2BIG")):
            self.assertEqual(lib.errno_of(fn, *args), name, args)
        os.utime(m.path("sessions", "s"))
        return 9 * 3 + 4 * 2 + 3 + 9

    def work(self, n):
        """Every kind of change, and refusals that are events."""
        m, task = self.m, f"t{n % 6}"
        path = m.path("sessions", "s", "claims", task)
        m.claim("s", task)
        self.assertEqual(lib.errno_of(m.claim, "other", task), "EBUSY")
        lib.write(path, f"extra/{n}\n", append=True)
        lib.write(path, f"-extra/{n}\n", append=True)
        m.write(f"{n}\n", "tasks", task, "title")
        os.rename(path, m.path("sessions", "other", "claims", task))
        m.release("other", task)
        m.claim("s", task)
        m.finish("s", task)
        os.rename(m.path("done", task), m.path("ready", task))
        m.session(f"fleeting{n}")
        os.rmdir(m.path("sessions", f"fleeting{n}"))
        stale = os.open(m.path("sessions", "other", "claims", "t7"), os.O_WRONLY | os.O_APPEND)
        m.release("other", "t7")
        self.assertEqual(lib.errno_of(os.write, stale, b"x\n"), "ESTALE")
        os.close(stale)
        m.claim("other", "t7")
        return 40 + self.look(n)

    def test_reading_and_being_refused_cost_no_memory(self):
        memory, grown, _ = self.measure(self.look)
        self.assertLess(grown, max(memory * 0.05, MIB))

    def test_working_costs_no_memory_but_the_databases_cache(self):
        _, grown, data = self.measure(self.work)
        # two connections keep pages, of 4 KiB and what it takes to find them
        self.assertLess(grown, 2.5 * data + MIB)


if __name__ == "__main__":
    unittest.main()
