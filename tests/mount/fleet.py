"""A fleet of clients that quarrel over a few tasks, and write down what they were told.

Each client is a process with a file of its own: one JSON line before each act and one
after it (a line that was written stays, whatever kills the process). The acts are
system calls, not programs. Whoever runs the fleet kills and stops clients at random,
and an operator breaks claims and closes the board now and then. testimony() reads the
files back, for witness.py.
"""
import contextlib
import errno
import fcntl
import json
import mmap
import os
import pathlib
import random
import signal
import struct
import time

import lib
import witness

CLIENTS = 16
TASKS = 60
POOL = ([f"src/m{i}/f{j}.c" for i in range(12) for j in range(6)] + [f"src/m{i}" for i in range(0, 12, 3)]
        + [f"src/m{i}/f*.c" for i in range(1, 12, 3)] + ["src/*/f4.c", "docs/a.md", "docs/b.md", "docs/**/a.md",
                                                  "branch:fix-1", "branch:fix-2", "topic:ci"])
STALE_FDS = 4
SLOT = struct.Struct("q")


def setup(m, seed, lease="2s"):
    """The tasks; the same for the same seed."""
    rnd = random.Random(seed)
    m.write(f"{lease}\n", "control", "lease")
    m.write("session-claims 500\nuid-claims 5000\n", "control", "limits")
    for i in range(TASKS):
        fields = {"ttl": "300ms"} if i % 5 == 0 else {}
        if i % 7 == 6:
            fields["kind"] = "standing"
        needs = [f"t{i - 1}"] if i % 9 == 8 else []
        m.task(f"t{i}", rnd.sample(POOL, rnd.randrange(1, 4)), needs, **fields)


class Witness:
    """One process, and what it writes down."""

    def __init__(self, mount, journal, slot, seed):
        self.m, self.slot = mount, slot
        self.random = random.Random(seed)
        self.out = os.open(journal, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC)
        self.acts = 0

    def note(self, what):
        os.write(self.out, (json.dumps(what) + "\n").encode())

    def act(self, kind, fn, **what):
        """FN, written down before and after; what FN says it was told, or None: refused."""
        self.acts += 1
        self.note({"k": kind, **what, "t0": time.monotonic_ns()})
        try:
            told = fn()
            answer = "ok"
        except OSError as e:
            told, answer = None, errno.errorcode[e.errno]
        end = time.monotonic_ns()
        self.note({"e": answer, "t1": end, "told": told if isinstance(told, dict) else None})
        self.slot[:8] = SLOT.pack(SLOT.unpack(self.slot[:8])[0] + 1)
        return None if answer != "ok" else told if told is not None else True


def too_long(_number, _frame):
    raise InterruptedError(errno.EINTR, "waited long enough")


class Client(Witness):
    """A worker: its session's (by paths), or joined to it (by names)."""

    def __init__(self, *args, session, joined, anchored, others):
        super().__init__(*args)
        self.session, self.joined, self.anchored, self.others = session, joined, anchored, others
        self.mine = {}  # task: a descriptor, or -1
        self.over = False
        self.locked = set()  # those of them that the descriptor holds
        self.stale = []  # (task, token, descriptor) of claims that may have ended
        self.tokens = {}

    def start(self, fresh):
        if fresh:
            self.act("register", lambda: os.mkdir(self.m.path("sessions", self.session)), s=self.session)
        for wanted, name in ((self.joined, "procs"), (self.anchored, "anchor")):
            if wanted:
                with contextlib.suppress(OSError):
                    lib.write(self.m.path("sessions", self.session, name), "0\n")
        self.joined = self.joined and str(os.getpid()) in self.procs()
        signal.signal(signal.SIGALRM, too_long)

    def procs(self):
        try:
            return lib.read(self.m.path("sessions", self.session, "procs")).split()
        except OSError:
            return []

    def claims(self, task):
        if self.joined:
            return self.m.path("claims", task)
        return self.m.path("sessions", self.session, "claims", task)

    def how(self):
        return "name" if self.joined else "path"

    # --- asking

    def ask_touch(self, path, _task):
        try:
            fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_NONBLOCK | os.O_NOCTTY, 0o666)
        except OSError as first:
            try:
                os.utime(path)
            except OSError:
                raise first from None
            return -1
        os.utime(fd)
        return fd

    def ask_excl(self, path, _task):
        return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)

    def ask_excl_reading(self, path, _task):
        return os.open(path, os.O_RDONLY | os.O_CREAT | os.O_EXCL, 0o666)

    def ask_trunc(self, path, _task):
        return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o666)

    def ask_mv(self, path, task):
        os.rename(self.m.path("ready", task), path)
        return -1

    def ask_lock(self, path, _task, how=fcntl.LOCK_EX | fcntl.LOCK_NB):
        fd = os.open(path, os.O_RDONLY | os.O_CREAT, 0o666)
        try:
            fcntl.flock(fd, how)
        except OSError:
            os.close(fd)
            raise
        return fd

    def ask_wait(self, path, task):
        """flock -w: whether it has it when the time is over, it cannot know."""
        signal.setitimer(signal.ITIMER_REAL, self.random.uniform(0.01, 0.2))
        try:
            return self.ask_lock(path, task, fcntl.LOCK_EX)
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)

    WAYS = ("touch", "excl", "excl_reading", "trunc", "mv", "touch", "mv", "lock", "lock", "wait")

    def claim(self, task):
        # the handle that won makes the winner's touch no question: so not with one's own
        way = "excl" if task in self.mine else self.random.choice(self.WAYS)
        fds = []
        ask = getattr(self, f"ask_{way}")
        if self.act("claim", lambda: fds.append(ask(self.claims(task), task)),
                    s=self.session, t=task, w=way):
            self.forget(task)
            self.mine[task] = fds[0]
            if way in ("lock", "wait"):
                self.locked.add(task)
            got = self.look(task)
            if got and got["session"] == "-":
                self.over = True  # the session is no more: it is the process's alone
        for fd in fds if task not in self.mine else ():
            os.close(fd)

    # --- holding

    def look(self, task):
        """What the claim says, and of whom."""
        def told():
            text = lib.read(self.claims(task))
            return {"token": int(lib.value(text, "token")), "session": lib.value(text, "session"),
                    "names": lib.values(text, "artifact")}

        got = self.act("look", told, s=self.session, t=task, w=self.how())
        if got and got["session"] == self.session:
            self.tokens[task] = got["token"]
        return got

    def extend(self, task):
        got = self.look(task)
        if not got or got["session"] != self.session:
            return
        extra = [n for n in got["names"] if n.startswith("x/")]
        names = [f"x/{self.out}/{os.getpid()}/{self.acts}"]
        if self.random.random() < 0.3:
            names = [n for n in self.random.sample(POOL, 2) if n not in got["names"]] or names
        drop = extra if len(extra) > 2 else [n for n in got["names"] if n in POOL][2:3]
        text = "".join(f"{n}\n" for n in names) + "".join(f"-{n}\n" for n in drop)
        self.act("extend", lambda: lib.write(self.claims(task), text, append=True),
                 s=self.session, t=task, w=self.how(), names=names + drop)

    def write_stale(self):
        """Through a descriptor that was opened on a claim some time ago."""
        task, token, fd = self.random.choice(self.stale)
        name = f"x/stale/{os.getpid()}/{self.acts}"
        self.act("extend", lambda: os.write(fd, f"{name}\n".encode()) and None,
                 s=self.session, t=task, w="old", token=token, names=[name])

    def forget(self, task):
        """Not held any more, as far as this client knows."""
        fd = self.mine.pop(task, -1)
        self.tokens.pop(task, 0)
        self.locked.discard(task)
        if fd >= 0:
            os.close(fd)

    def open_stale(self, task):
        """A descriptor for `>>` now, to be written to when the claim may have ended."""
        token = self.tokens.get(task)
        if not token:
            return
        try:
            fd = os.open(self.claims(task), os.O_WRONLY | os.O_APPEND)
        except OSError:
            return
        got = self.look(task)
        if not got or (got["token"], got["session"]) != (token, self.session):
            os.close(fd)  # which claim it is of is not known
            return
        self.stale.append((task, token, fd))
        if len(self.stale) > STALE_FDS:
            os.close(self.stale.pop(0)[2])

    # --- letting go

    def unlock(self, task):
        fd, token = self.mine[task], self.tokens.get(task)
        if token:
            self.act("release", lambda: fcntl.flock(fd, fcntl.LOCK_UN), s=self.session, t=task, w="unlock",
                     token=token)
        self.forget(task)

    def release(self, task):
        way = self.random.choice(("rm", "mv"))
        if task in self.locked and self.random.random() < 0.6:
            self.unlock(task)
            return
        path = self.claims(task)
        fn = (lambda: os.unlink(path)) if way == "rm" else (lambda: os.rename(path, self.m.path("ready", task)))
        self.act("release", fn, s=self.session, t=task, w=self.how())
        self.forget(task)

    def finish(self, task):
        self.act("finish", lambda: os.rename(self.claims(task), self.m.path("done", task)),
                 s=self.session, t=task, w=self.how())
        self.forget(task)

    def handover(self, task):
        to = self.random.choice(self.others())
        if to != self.session:
            self.act("handover", lambda: os.rename(self.claims(task), self.m.path("sessions", to, "claims", task)),
                     s=self.session, t=task, w=self.how(), to=to)
            self.forget(task)

    def reopen(self, task):
        self.act("reopen", lambda: os.rename(self.m.path("done", task), self.m.path("ready", task)),
                 s=self.session, t=task, w="-")

    def touch(self):
        return self.act("touch", lambda: os.utime(self.m.path("sessions", self.session)), s=self.session)

    # --- the day's work

    def any_task(self):
        """Rather one that can be had."""
        ready = os.listdir(self.m.path("ready")) if self.random.random() < 0.3 else None
        return self.random.choice(ready or [f"t{self.random.randrange(TASKS)}"])

    def step(self):
        task = self.any_task()
        dice = self.random.random()
        held = self.random.choice(list(self.mine)) if self.mine else None
        if not held or (dice < 0.45 and len(self.mine) < 3):
            self.claim(task)
        elif dice < 0.60:
            self.release(held)
        elif dice < 0.70:
            self.finish(held)
        elif dice < 0.78:
            self.extend(held)
        elif dice < 0.83:
            self.handover(held)
        elif dice < 0.86:
            self.open_stale(held)
        elif dice < 0.90 and self.stale:
            self.write_stale()
        elif dice < 0.92:
            self.look(task)
        elif dice < 0.95:
            self.touch()
        else:  # somebody else's, or nobody's
            self.random.choice((self.release, self.finish, self.extend))(task)
        if self.random.random() < 0.08:
            done = os.listdir(self.m.path("done"))
            self.reopen(self.random.choice(done or [task]))

    def run(self, going):
        while going() and not self.over:
            self.step()
            if self.acts % 64 == 0 and not os.path.exists(self.m.path("sessions", self.session, "claims")):
                return


class Operator(Witness):
    """Breaks claims; closes the board for a moment."""

    def run(self, going):
        while going():
            time.sleep(0.02)  # an operator does not hammer
            task = f"t{self.random.randrange(TASKS)}"
            try:
                token = int(lib.value(lib.read(self.m.path("claims", task)), "token"))
            except OSError:
                continue
            self.act("break", lambda: lib.write(self.m.path("control", "break"), f"{task} {token} a trial\n"),
                     t=task, token=token)
            if self.random.random() < 0.05:
                for text in ("trial\n", "\n"):
                    self.act("estop", lambda: lib.write(self.m.path("control", "estop"), text),
                             on=text.strip())


class Fleet:
    """CLIENTS clients and an operator, until ACTS acts were made."""

    def __init__(self, mount, acts, seed, clients=CLIENTS, uid=None):
        self.m, self.goal, self.clients, self.uid = mount, acts, clients, uid
        self.random = random.Random(seed)
        self.dir = pathlib.Path(mount.base, "journal")
        self.dir.mkdir()
        self.dir.chmod(0o777)
        self.board = mmap.mmap(-1, 4096)  # a slot for each client; the last: stop
        self.pids = {}  # of the living: number
        self.stopped = {}  # pid: until when
        self.sessions = {i: "" for i in range(clients)}
        self.members = set()  # sessions that have processes
        self.runs = self.kills = self.pauses = 0

    def done(self):
        return sum(SLOT.unpack_from(self.board, 8 * i)[0] for i in range(self.clients + 1))

    def going(self):
        return SLOT.unpack_from(self.board, 4088)[0] == 0

    def fork(self, number, session=None):
        """A new process of client NUMBER; its SESSION when it goes on with one."""
        self.runs += 1
        run, seed = self.runs, self.random.random()
        joined, anchored = number % 2 == 0, number % 3 == 0
        fresh = session is None
        if fresh and number % 4 == 3 and self.sessions[number - 1] and self.random.random() < 0.5:
            session, fresh = self.sessions[number - 1], False  # two who share one
        session = session or f"w{number}.{run}"
        self.sessions[number] = session
        if joined or anchored:
            self.members.add(session)
        pid = os.fork()
        if pid:
            self.pids[pid] = number
            return
        try:
            slot = memoryview(self.board)[8 * number : 8 * number + 8]
            args = (self.m, self.dir / f"{run}.{os.getpid()}", slot, seed)
            if number == self.clients:
                Operator(*args).run(self.going)
            else:
                if self.uid is not None:
                    lib.become(self.uid)
                names = list(self.sessions.values())
                c = Client(*args, session=session, joined=joined, anchored=anchored, others=lambda: [n for n in names if n])
                c.start(fresh)
                c.run(self.going)
        except BaseException as e:  # pylint: disable=broad-except
            pathlib.Path(self.dir, f"error.{run}").write_text(f"{type(e).__name__}: {e}\n")
            import traceback  # pylint: disable=import-outside-toplevel
            traceback.print_exc()
        finally:
            os._exit(0)

    def reap(self, block=False):
        """Who has ended is followed by another."""
        while self.pids:
            pid, _ = os.waitpid(-1, 0 if block else os.WNOHANG)
            if not pid:
                return
            number = self.pids.pop(pid, None)
            self.stopped.pop(pid, None)
            if number is not None and self.going() and number < self.clients:
                again = self.sessions[number] if self.random.random() < 0.5 else None
                if again and not os.path.exists(self.m.path("sessions", again, "claims")):
                    again = None
                self.fork(number, again)

    def disturb(self):
        now = time.monotonic()
        for pid in [p for p, until in self.stopped.items() if until < now]:
            os.kill(pid, signal.SIGCONT)
            del self.stopped[pid]
        pid, number = self.random.choice(list(self.pids.items()))
        if number == self.clients or pid in self.stopped:
            return
        if self.random.random() < 0.6:
            os.kill(pid, signal.SIGKILL)
            self.kills += 1
        elif len(self.stopped) < 3:
            os.kill(pid, signal.SIGSTOP)
            self.stopped[pid] = now + self.random.uniform(0.1, 1.0)
            self.pauses += 1

    def run(self, seconds=600):
        """False: they were too slow."""
        deadline = time.monotonic() + seconds
        try:
            for number in range(self.clients + 1):
                self.fork(number)
            while self.done() < self.goal and time.monotonic() < deadline:
                time.sleep(0.05)  # how often somebody dies
                self.reap()
                self.disturb()
        finally:
            SLOT.pack_into(self.board, 4088, 1)
            for pid in self.stopped:
                os.kill(pid, signal.SIGCONT)
            while self.pids:
                self.reap(block=True)
        return self.done() >= self.goal

    def errors(self):
        return [p.read_text() for p in self.dir.glob("error.*")]

    def testimony(self):
        return testimony(self.dir, "[0-9]*.[0-9]*")


def testimony(where, pattern):
    """What all of them wrote down: [witness.Act]. The files are called ANYTHING.PID."""
    acts = []
    for path in where.glob(pattern):
        pid, last = int(path.suffix[1:]), None
        for line in path.read_text().splitlines():
            said = json.loads(line)
            if "k" in said:
                last = witness.Act(pid, said)
                acts.append(last)
                continue
            last.answer, last.end, last.told = said["e"], said["t1"], said["told"]
            if last.answer == "EINTR" and last.more.get("w") == "wait":
                last.answer = None  # the signal may have come behind the yes
    return acts
