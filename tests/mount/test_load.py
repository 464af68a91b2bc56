"""Some seconds of everything at once, by processes that are interrupted and killed.

Afterwards the daemon must be the same, its log without a gap, and the store sound.
COORDFS_LOAD_SECONDS is how long (6); COORDFS_SEED repeats the choices of a run.
Meant for the thread sanitizer, too.
"""
import errno
import itertools
import json
import os
import random
import select
import signal
import time
import traceback
import unittest

import lib
from lib import Case, errno_of, read, value, wait_for

SECONDS = float(os.environ.get("COORDFS_LOAD_SECONDS") or 6)
SEED = int(os.environ.get("COORDFS_SEED") or random.SystemRandom().randrange(10**6))
WORKERS = 8

# What may be answered to somebody who asks for something; all else is an error.
REFUSALS = {errno.EBUSY, errno.EEXIST, errno.ENOENT, errno.ESTALE, errno.EPERM, errno.EDQUOT,
            errno.EKEYEXPIRED, errno.EROFS, errno.EINTR, errno.ENOTEMPTY}

PATHS = [f"src/{c}" for c in "abcdefgh"] + ["src/*.c", "docs/**/x", "topic:ci"]
PLAIN = [f"plain{i}" for i in range(16)]
SHORT = [f"short{i}" for i in range(4)]  # leases of a tenth of a second
STANDING = [f"standing{i}" for i in range(3)]


class Worker:
    """One client. Its own session nobody else uses, so what it was told must hold."""

    def __init__(self, mount, number, life, report):
        self.m = mount
        self.rng = random.Random(f"{SEED}/{number}/{life}")
        self.name = f"w{number}-{life}"
        self.report = report  # a descriptor; one write a line
        self.mine = None  # the task that is surely held
        self.unsure = False  # interrupted: something may be held besides
        self.interruptible = False

    def complain(self, text):
        os.write(self.report, (json.dumps(f"{self.name}: {text}") + "\n").encode())

    def path(self, *parts):
        return self.m.path("sessions", self.name, *parts)

    # --- what it does

    def claim(self):
        task = self.rng.choice(PLAIN)
        self.m.claim(self.name, task)
        self.mine = task
        self.check_mine()

    def check_mine(self):
        """After an answer, the next request sees it."""
        holder = value(read(self.m.path("claims", self.mine)), "session")
        if holder != self.name:
            self.complain(f"told {self.mine} is mine, but it is {holder}'s")

    def edit(self):
        if not self.mine:
            return
        self.check_mine()
        name = self.rng.choice(PATHS + ["own/" + self.name])
        lib.write(self.path("claims", self.mine), f"{self.rng.choice(['', '-'])}{name}\n", append=True)

    def end(self):
        if not self.mine:
            return
        self.check_mine()
        task, self.mine = self.mine, None
        if self.rng.random() < 0.7:
            self.m.release(self.name, task)
        else:
            self.m.finish(self.name, task)
            os.rename(self.m.path("done", task), self.m.path("ready", task))
        if os.path.exists(self.path("claims", task)):
            self.complain(f"{task} was given up, and is there")

    def hand_over(self):
        if not self.mine:
            return
        task, self.mine = self.mine, None
        os.rename(self.path("claims", task), self.m.path("sessions/team/claims", task))

    def claim_short(self):
        os.close(os.open(self.path("claims", self.rng.choice(SHORT)), os.O_CREAT | os.O_EXCL | os.O_RDONLY))

    def claim_anew(self):
        task = self.rng.choice(SHORT)
        os.rename(self.m.path("ready", task), self.path("claims", task))

    def standing(self):
        task = self.rng.choice(STANDING)
        self.m.claim(self.name, task)
        self.m.finish(self.name, task)

    def as_team(self):
        """All claim and give back as one session."""
        self.m.claim("team", self.rng.choice(STANDING))
        for task in os.listdir(self.m.path("sessions/team/claims")):
            self.m.release("team", task)

    def renew(self):
        os.utime(self.path())

    def move_refused(self):
        task = self.rng.choice(PLAIN)
        os.rename(self.m.path("ready", task), self.m.path("done", task))

    def write_fields(self):
        task = f"draft-{self.name}"
        if not os.path.exists(self.m.path("tasks", task)):
            os.mkdir(self.m.path("tasks", task))
        text = "x" * self.rng.randrange(1, 20000)
        self.m.write(f"{text}\n", "tasks", task, "body")
        if self.m.read("tasks", task, "body") != f"{text}\n":
            self.complain("a body reads back as another")
        self.m.write("\n".join(self.rng.sample(PATHS, 3)) + "\n", "tasks", task, "artifacts")
        if self.rng.random() < 0.3:
            os.rename(self.m.path("ideas", task), self.m.path("ready", task))
            os.rename(self.m.path("ready", task), self.m.path("ideas", task))
        if self.rng.random() < 0.3:
            os.rmdir(self.m.path("tasks", task))

    def refused(self):
        self.m.claim(self.name, "no-such-task")

    def sessions(self):
        name = f"{self.name}.{self.rng.randrange(10**9)}"
        os.mkdir(self.m.path("sessions", name))
        if name not in os.listdir(self.m.path("sessions")):
            self.complain(f"session {name} was made, and is not listed")
        if self.rng.random() < 0.5:
            self.m.claim(name, self.rng.choice(PLAIN))
        os.rmdir(self.m.path("sessions", name))
        if self.m.read("sessions", name, "state") != "ended removed\n":
            self.complain(f"session {name} does not end")

    def join(self):
        self.m.write("0\n", "sessions", self.name, "procs")
        self.m.read("whoami")

    def look(self):
        column = self.rng.choice(["ideas", "ready", "blocked", "claims", "done", "tasks", "sessions", "archive"])
        for entry in os.scandir(self.m.path(column)):
            if self.rng.random() < 0.2:
                errno_of(entry.stat)
                if not entry.is_dir():
                    errno_of(read, entry.path)

    def read_files(self):
        for name in ("status", "artifacts", "why", "whoami", "README", "control/limits"):
            self.m.read(name)
        self.m.read("sessions", self.name, "why")

    def read_events(self):
        with open(self.m.path("events"), "rb") as f:
            f.seek(max(0, os.fstat(f.fileno()).st_size - 5000))
            for line in f.readlines()[1:]:
                json.loads(line)

    def verdict(self):
        word = self.m.read("verdict").split("\n")[0]
        if word not in ("dry", "not-dry", "unknown"):
            self.complain(f"the verdict is {word}")

    def wait(self):
        """Until somebody does something; or somebody interrupts or kills this."""
        with open(self.m.path("wait/events"), "rb", buffering=0) as f:
            if self.rng.random() < 0.5:
                select.select([f], [], [], 0.2)
            else:
                json.loads(f.read(65536).split(b"\n")[0])

    def stale_descriptor(self):
        fd = os.open(self.path("claims", self.rng.choice(SHORT)), os.O_WRONLY | os.O_APPEND)
        try:
            os.write(fd, b"late/" + os.urandom(2).hex().encode() + b"\n")
        finally:
            os.close(fd)

    # --- its life

    DEEDS = [(claim, 6), (edit, 4), (end, 6), (hand_over, 1), (claim_short, 2), (claim_anew, 1), (standing, 2),
             (as_team, 2), (renew, 2), (move_refused, 1), (write_fields, 2), (refused, 1), (sessions, 2),
             (join, 1), (look, 4), (read_files, 3), (read_events, 2), (verdict, 1), (wait, 2),
             (stale_descriptor, 1)]

    def deed(self):
        deed = Worker.give_all_back if self.unsure else self.rng.choices([d for d, _ in self.DEEDS], [w for _, w in self.DEEDS])[0]
        try:
            deed(self)
        except OSError as e:
            if e.errno not in REFUSALS:
                self.complain(f"{deed.__name__}: {e!r}")
            if (deed, e.errno) in ((Worker.edit, errno.ESTALE), (Worker.end, errno.ESTALE), (Worker.end, errno.ENOENT)):
                self.complain(f"{deed.__name__} of what is mine: {e!r}")

    def give_all_back(self):
        for task in os.listdir(self.path("claims")):
            self.m.release(self.name, task)
        self.unsure = False

    def on_interrupt(self, *_):
        """Once a deed, wherever it is."""
        if self.interruptible:
            self.interruptible = False
            raise KeyboardInterrupt

    def live(self):
        os.mkdir(self.path())
        signal.signal(signal.SIGINT, self.on_interrupt)
        for n in itertools.count(1):
            try:
                self.interruptible = True
                self.deed()
                self.interruptible = False
            except KeyboardInterrupt:
                self.mine = None  # who knows how far it came
                self.unsure = True
                os.closerange(self.report + 1, 64)
            if n % 50 == 0:
                os.write(self.report, b"50\n")


def fork(function):
    """A process that does FUNCTION, and minds no interrupts until it wants to."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    pid = os.fork()
    if pid == 0:
        for number in (signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    if pid:
        return pid
    try:
        function()
    except BaseException:  # pylint: disable=broad-except
        traceback.print_exc()
        os._exit(1)
    os._exit(0)


class Load(Case):
    def setUp(self):
        super().setUp()
        m = self.m
        rng = random.Random(SEED)
        m.session("team")
        for name in PLAIN:
            m.task(name, rng.sample(PATHS, 2) if rng.random() < 0.3 else ["src/" + name])
        for name in SHORT:
            m.task(name, ["short/" + name], ttl="100ms")
        for name in STANDING:
            m.task(name, kind="standing")
        os.mkdir(m.path("probes", "p"))
        m.write("true\n", "probes", "p", "command")
        m.write("50ms\n", "control", "verdict-interval")
        self.rng = rng
        self.pids = {}  # worker: (pid, its session)
        self.lives = 0
        self.heard, self.report = os.pipe()
        self.addCleanup(self.end_all)
        self.told = b""

    def end_all(self):
        for pid, _session in self.pids.values():
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
        self.pids = {}
        os.close(self.heard)
        os.close(self.report)

    def start(self, number):
        self.lives += 1
        worker = Worker(self.m, number, self.lives, self.report)
        self.pids[number] = fork(worker.live), worker.name

    def kill(self, number):
        """A client that was killed ends, also when it waits for an answer."""
        pid, session = self.pids.pop(number)
        os.kill(pid, signal.SIGKILL)
        got, status = wait_for(lambda: (lambda r: r if r[0] else None)(os.waitpid(pid, os.WNOHANG)),
                               f"process {pid} ends when it is killed")
        self.assertEqual(got, pid)
        self.assertEqual(os.waitstatus_to_exitcode(status), -signal.SIGKILL)
        if session and os.path.exists(self.m.path("sessions", session)):
            os.rmdir(self.m.path("sessions", session))  # it holds nothing any more

    def hear(self):
        """The number of deeds reported; complaints fail the test."""
        while select.select([self.heard], [], [], 0)[0]:
            self.told += os.read(self.heard, 65536)
        lines = self.told.split(b"\n")[:-1]
        complaints = [json.loads(l) for l in lines if l != b"50"]
        self.assertEqual(complaints, [], f"COORDFS_SEED={SEED}")
        return 50 * lines.count(b"50")

    def follow(self):
        """Every event of wait/events from now on, until `end` is drafted: no gap."""
        fd = os.open(self.m.path("wait/events"), os.O_RDONLY | os.O_NONBLOCK)
        poll, text, last = select.poll(), b"", 0
        poll.register(fd, select.POLLIN)
        while True:
            if not poll.poll(lib.PATIENCE * 1000):
                raise AssertionError("nothing comes any more")
            try:
                text += os.read(fd, 65536)
            except BlockingIOError:
                continue
            *lines, text = text.split(b"\n")
            for line in lines:
                event = json.loads(line)
                if last and event["seq"] != last + 1:
                    raise AssertionError(f"event {event['seq']} after {last}")
                last = event["seq"]
                if event["event"] == "draft" and event["task"] == "end":
                    return

    def disturb(self):
        """One worker is killed and another comes, or one is interrupted, or an
        operator breaks a claim."""
        number = self.rng.randrange(WORKERS)
        deed = self.rng.random()
        if deed < 0.3:
            self.kill(number)
            self.start(number)
        elif deed < 0.9:
            os.kill(self.pids[number][0], signal.SIGINT)
        else:
            task = self.rng.choice(SHORT)
            try:
                token = value(self.m.read("claims", task), "token")
                self.m.write(f"{task} {token} load\n", "control", "break")
            except OSError as e:
                self.assertIn(e.errno, REFUSALS)

    def test_mixed_load_with_killed_and_interrupted_clients_leaves_all_sound(self):
        m = self.m
        daemon = m.pid
        follower = fork(self.follow)
        self.pids["follower"] = follower, None
        wait_for(lambda: any("wait/events" in os.readlink(f"/proc/{follower}/fd/{n}")
                             for n in os.listdir(f"/proc/{follower}/fd")), "the follower listens")
        for number in range(WORKERS):
            self.start(number)
        until = time.monotonic() + SECONDS
        while time.monotonic() < until:
            self.disturb()
            deeds = self.hear()
            select.select([m.pidfd], [], [], 0.03)
        wait_for(lambda: self.hear() > deeds, "work goes on after all that")
        for number in range(WORKERS):
            self.kill(number)
        os.mkdir(m.path("tasks", "end"))
        del self.pids["follower"]
        self.assertEqual(os.waitstatus_to_exitcode(os.waitpid(follower, 0)[1]), 0, "the follower")
        deeds = self.hear()
        self.assertEqual(m.pid, daemon)
        self.assertFalse(select.select([m.pidfd], [], [], 0)[0], "the daemon has ended")
        self.check_log()
        m.check()
        m.restart()
        self.check_board()

    def check_log(self):
        events = self.m.events()
        self.assertEqual([e["seq"] for e in events], list(range(1, len(events) + 1)))
        held = {}  # task: token
        for e in events:
            if e["event"] in ("claim", "handover"):
                self.assertEqual(held.get(e["task"]), e.get("from_token"), e)
                self.assertEqual(e["token"], e["seq"])
                held[e["task"]] = e["token"]
            elif e["event"] in ("finish", "release", "lost"):
                self.assertEqual(held.pop(e["task"], None), e["token"], e)
        self.assertGreater(len([e for e in events if e["event"] == "claim"]), 20)
        self.assertTrue([e for e in events if e["event"] == "lost"])

    def check_board(self):
        """Each task is in one column; what is held is told alike everywhere."""
        m = self.m
        columns = [set(m.ls(c)) for c in ("ideas", "ready", "blocked", "claims", "done")]
        self.assertEqual(sum(map(len, columns)), len(set.union(*columns)))
        self.assertEqual(set.union(*columns), set(m.ls("tasks")))
        held = {line.split(" ")[1] for line in m.read("artifacts").splitlines()}
        self.assertLessEqual(held, columns[3] | set(m.ls("ready")))  # a lease may end while we look
        for session in m.ls("sessions"):
            for task in m.ls("sessions", session, "claims"):
                if task not in SHORT:
                    self.assertEqual(value(m.read("claims", task), "session"), session)


class Memory(Case):
    """COORDFS_OPS is how many operations (10000)."""

    OPS = int(os.environ.get("COORDFS_OPS") or 10000)

    def setUp(self):
        if "ASAN_OPTIONS" in os.environ or "TSAN_OPTIONS" in os.environ:
            self.skipTest("a sanitizer's memory says nothing; it looks for leaks by itself")
        super().setUp()
        m = self.m
        m.session("a"), m.session("b")
        for t in "tuvw":
            m.task(t, [f"src/{t}", f"lib/*/{t}.c"])
        os.mkdir(m.path("probes", "p"))
        m.write("true\n", "probes", "p", "command")
        m.claim("a", "t")

    def kib(self):
        return int(value(read(f"/proc/{self.m.pid}/status").replace("\t", " "), "RssAnon:").split()[0])

    def store_kib(self):
        return os.stat(self.m.store / "store.db").st_size // 1024

    def looking(self):
        """So many operations that change nothing: their number."""
        m = self.m
        for path in ("artifacts", "status", "why", "whoami", "verdict", "claims/t", "ready/u", "tasks/t/history"):
            m.read(path)
        for path in ("claims", "ready", "sessions", "sessions/a/claims", "tasks/t"):
            for name in m.ls(path):
                os.stat(m.path(path, name))
        self.refused("EBUSY", m.claim, "b", "t")
        self.refused("ENOENT", os.stat, m.path("ready", "nothing"))
        self.refused("EPERM", os.unlink, m.path("ready", "u"))
        fd = os.open(m.path("wait/events"), os.O_RDONLY | os.O_NONBLOCK)
        self.refused("EAGAIN", os.read, fd, 4096)
        os.close(fd)
        return 60

    def working(self):
        m = self.m
        for t in "uvw":
            m.claim("a", t)
        self.refused("EBUSY", m.claim, "b", "u")
        m.write("more/x\n", "sessions", "a", "claims", "t", append=True)
        m.write("-more/x\n", "sessions", "a", "claims", "t", append=True)
        os.utime(m.path("sessions", "a"))
        m.finish("a", "u")
        os.rename(m.path("done", "u"), m.path("ready", "u"))
        for t in "vw":
            m.release("a", t)
        return 35

    def repeat(self, deed, n):
        done = 0
        while done < n:
            done += deed()

    def test_looking_takes_no_memory(self):
        self.repeat(self.looking, 3000)
        before = self.kib()
        self.repeat(self.looking, self.OPS)
        self.assertLess(self.kib() - before, 256)

    def test_work_takes_no_more_memory_than_the_store_grows(self):
        """Pages of the store are kept, up to a limit, by the writer and by the reader."""
        self.repeat(self.working, 3000)
        before, store = self.kib(), self.store_kib()
        self.repeat(self.working, self.OPS)
        self.assertLess(self.kib() - before, 2 * (self.store_kib() - store) + 1024)


if __name__ == "__main__":
    unittest.main()
