"""Processes that live and die while a test looks on, and what wait/events tells meanwhile."""
import contextlib
import json
import os
import select
import statistics
import subprocess
import threading
import time

import lib


def environ(**more):
    env = {k: v for k, v in os.environ.items() if k not in ("COORD_SESSION", "BASH_ENV", "ENV")}
    env.update(more)
    return env


class Processes(lib.Case):
    """A Case whose processes end with it."""

    def process(self, argv, **kwargs):
        kwargs.setdefault("stdin", subprocess.DEVNULL)
        kwargs.setdefault("env", environ())
        p = subprocess.Popen(argv, **kwargs)
        self.addCleanup(self.end_process, p)
        return p

    @staticmethod
    def end_process(p):
        p.kill()
        p.wait()
        for pipe in (p.stdin, p.stdout, p.stderr):
            if pipe:
                with contextlib.suppress(OSError):
                    pipe.close()

    def sleeper(self, **kwargs):
        """A process that only waits."""
        return self.process(["sleep", "600"], **kwargs)

    def shell(self, session=None, **kwargs):
        """A shell that takes its commands from this test."""
        return Shell(self, session, **kwargs)

    def state(self, session):
        try:
            return self.m.read("sessions", session, "state").strip()
        except FileNotFoundError:  # somebody said rmdir while the kernel was on its way there
            return self.m.read("sessions", session, "state").strip()

    def procs(self, session):
        return [int(l) for l in self.m.read("sessions", session, "procs").split()]

    def join(self, session, pid):
        self.m.write(f"{pid}\n", "sessions", session, "procs")

    def anchor(self, session, pid):
        self.m.write(f"{pid}\n", "sessions", session, "anchor")

    def token(self, task):
        return int(lib.value(self.m.read("claims", task), "token"))

    def follow(self):
        f = Follower(self.m.path("wait", "events"))
        self.addCleanup(f.stop)
        return f

    def leases_go_by(self, n=2, ttl="300ms"):
        """N leases of TTL that nobody keeps come to their end, one after the other."""
        name = f"clock{len(self.m.events('register'))}"
        self.m.session(name)
        self.m.task(name, ttl=ttl)
        for i in range(n):
            # (mv claims it anew, knowingly)
            os.rename(self.m.path("ready", name), self.m.path("sessions", name, "claims", name))
            lib.wait_for(lambda i=i: len(self.m.events("lost", task=name)) > i, "a lease to end")


class Shell:
    """bash as a worker: run() gives (status, what it said). Its descriptors stay open."""

    def __init__(self, case, session=None, **kwargs):
        env = environ(COORDFS=lib.COORDFS, COORD_MOUNT=str(case.m.dir), LC_ALL="C.UTF-8")
        if session:
            env["COORD_SESSION"] = session
        self.p = case.process(["bash"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, cwd=str(case.m.dir), env=env, text=True, **kwargs)
        self.pid = self.p.pid

    def tell(self, command):
        """COMMAND, without waiting; then hear()."""
        self.p.stdin.write(f"{command}\necho :: $?\n")
        self.p.stdin.flush()

    def hear(self):
        said = []
        for line in self.p.stdout:
            if line.startswith(":: "):
                return int(line[3:]), "".join(said)
            said.append(line)
        raise AssertionError(f"the shell has ended: {''.join(said)}")

    def run(self, command):
        self.tell(command)
        return self.hear()

    def good(self, command):
        rc, said = self.run(command)
        if rc:
            raise AssertionError(f"{command}: {rc} {said}")
        return said

    def send(self, number):
        os.kill(self.pid, number)

    def kill(self):
        self.p.kill()
        self.p.wait()


class Follower:
    """A reader of wait/events in a thread: each event with the moment it was read at."""

    def __init__(self, path):
        self.fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        self.wake_r, self.wake_w = os.pipe()
        self.seen = []
        self.news = threading.Condition()
        self.thread = threading.Thread(target=self._read, daemon=True)
        self.thread.start()

    def _read(self):
        rest = b""
        while True:
            ready = select.select([self.fd, self.wake_r], [], [])[0]
            if self.wake_r in ready:
                return
            try:
                rest += os.read(self.fd, 1 << 16)
            except BlockingIOError:
                continue
            except OSError:
                return
            at = time.monotonic()
            *lines, rest = rest.split(b"\n")
            with self.news:
                self.seen += [(at, json.loads(l)) for l in lines]
                self.news.notify_all()

    def wait(self, n, kind, **fields):
        """The first N such events, each with its moment: [(seconds, event)]."""
        def found():
            return [(at, e) for at, e in self.seen
                    if e["event"] == kind and all(e.get(k) == v for k, v in fields.items())]

        with self.news:
            if not self.news.wait_for(lambda: len(found()) >= n, lib.PATIENCE):
                raise AssertionError(f"waited in vain for {n} {kind} {fields}; had {len(found())}")
            return found()[:n]

    def stop(self):
        os.write(self.wake_w, b"x")
        self.thread.join(lib.PATIENCE)
        for fd in (self.fd, self.wake_r, self.wake_w):
            os.close(fd)


def p99(times):
    return sorted(times)[min(len(times) - 1, int(len(times) * 0.99))]


def figures(name, times):
    """One line about seconds, in ms."""
    ms = sorted(1000 * t for t in times)
    print(f"{name}: n {len(ms)}, median {statistics.median(ms):.1f} ms, p99 {1000 * p99(times):.1f} ms,"
          f" worst {ms[-1]:.1f} ms")


def ticks():
    """Clock ticks since boot, as of starts of processes."""
    return int(time.clock_gettime(time.CLOCK_BOOTTIME) * os.sysconf("SC_CLK_TCK"))


def fork_with_pid(pid, argv, tries=200):
    """A process that has this very pid, as another had before; None where that cannot be had."""
    last = "/proc/sys/kernel/ns_last_pid"
    if os.geteuid() or not os.access(last, os.W_OK):
        return None
    died = ticks()  # starts are known to a clock tick: within one the two are the same process
    lib.wait_for(lambda: ticks() > died + 1, "a later clock tick")
    for _ in range(tries):
        with open(last, "w", encoding="ascii") as f:
            f.write(str(pid - 1))
        p = subprocess.Popen(argv, stdin=subprocess.DEVNULL, env=environ())
        if p.pid == pid:
            return p
        p.kill()
        p.wait()
    return None


