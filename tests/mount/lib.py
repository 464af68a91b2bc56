"""What the tests on a real mount share: a mount of one's own, and ways to use it.

A test is a Case: self.m is a fresh store, mounted. When the test is over it is
unmounted, the daemon must have ended well, and `coordfs check` must find the
store sound (which includes: its tables follow from its events). Nothing is left
behind: not when a test fails, is interrupted or killed by the time limit of
tests/mount/run.

Identity: the daemon sees the environment a process was *started* with, and the
paths it uses. So in Python use paths (m.claim("a", "t")), in a shell either
(m.sh("touch claims/t", session="a")).
"""
import atexit
import collections
import ctypes
import errno
import json
import os
import pathlib
import pickle
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
COORDFS = os.path.abspath(os.environ.get("COORDFS") or ROOT / "build/coordfs")

PATIENCE = 30  # seconds until a condition counts as never met
UMOUNT = "umount" if os.geteuid() == 0 else "fusermount3"

# Two users who are nobody's operators; any number will do, no account is needed.
UID_A, UID_B = 54001, 54002

Result = collections.namedtuple("Result", "rc out err")


# --- waiting, and what a call says -------------------------------------------


def wait_for(condition, what, seconds=PATIENCE):
    """What CONDITION() gives once it is true; fails after SECONDS."""
    deadline = time.monotonic() + seconds
    while True:
        got = condition()
        if got:
            return got
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {seconds} s in vain: {what}")
        time.sleep(0.01)


def errno_of(fn, *args, **kwargs):
    """ "ok", or the name of the errno that FN fails with: "EBUSY"."""
    try:
        fn(*args, **kwargs)
    except OSError as e:
        return errno.errorcode.get(e.errno, str(e.errno))
    return "ok"


def read(path):
    """A file's text. One open, one look."""
    with open(path, encoding="utf-8", errors="surrogateescape", newline="") as f:
        return f.read()


def write(path, text, append=False):
    """TEXT by one write(2), which must take all of it."""
    data = text.encode() if isinstance(text, str) else text
    fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC | (os.O_APPEND if append else os.O_TRUNC))
    try:
        n = os.write(fd, data)
        if n != len(data):
            raise AssertionError(f"{path}: {n} of {len(data)} bytes were taken")
    finally:
        os.close(fd)


def value(text, key):
    """The value of the line "KEY value"; None: no such line."""
    for line in text.splitlines():
        if line.startswith(f"{key} "):
            return line[len(key) + 1 :]
    return None


def values(text, key):
    """The values of all lines "KEY value"."""
    return [l[len(key) + 1 :] for l in text.splitlines() if l.startswith(f"{key} ")]


def has_tool(name):
    return shutil.which(name) is not None


def need_tool(*names):
    """Skip the test, or the class, where a program is missing."""
    missing = [n for n in names if not has_tool(n)]
    if missing:
        raise unittest.SkipTest(f"there is no {' '.join(missing)} here")


def unshare(*flags):
    """The argument vector of unshare(1); skips the test where it does not work.

    In a chroot / is no mount point, so nothing can be said about its propagation:
    whoever made the chroot has seen to that.
    """
    need_tool("unshare")
    for more in ((), ("--propagation", "unchanged")):
        argv = ["unshare", *more, *flags]
        if subprocess.run([*argv, "true"], capture_output=True, check=False).returncode == 0:
            return argv
    raise unittest.SkipTest("unshare does not work here")


def sanitized():
    """Is it a sanitizer's build, whose times and memory say nothing?"""
    return "ASAN_OPTIONS" in os.environ or "TSAN_OPTIONS" in os.environ


def wait_parked(process):
    """Until the PROCESS (of subprocess) waits for the mount's answer."""
    def parked():
        try:
            return "request_wait" in read(f"/proc/{process.pid}/wchan")
        except OSError:
            return process.poll() is not None
    wait_for(parked, f"process {process.pid} waits for the mount")


def need_root():
    """Skip the test where it cannot become somebody else."""
    if os.geteuid() != 0:
        raise unittest.SkipTest("only root can become another user")


# --- other processes -----------------------------------------------------------


def become(uid, gid=None, groups=()):
    """This process becomes another user, for good."""
    gid = uid if gid is None else gid
    os.setgroups(list(groups))
    os.setresgid(gid, gid, gid)
    os.setresuid(uid, uid, uid)


def in_child(fn, *args, **kwargs):
    """FN in a forked child: what it returns, or raises (both must be picklable)."""
    r, w = os.pipe()
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            os.close(r)
            try:
                answer = (True, fn(*args, **kwargs))
            except BaseException as e:  # pylint: disable=broad-except
                e.__traceback__ = None
                answer = (False, e)
            with os.fdopen(w, "wb") as f:
                f.write(pickle.dumps(answer))
            status = 0
        except BaseException:  # pylint: disable=broad-except
            traceback.print_exc()
        finally:
            os._exit(status)
    os.close(w)
    with os.fdopen(r, "rb") as f:
        data = f.read()
    _, status = os.waitpid(pid, 0)
    if not data:
        raise AssertionError(f"the child ended with status {status}, without a word")
    good, answer = pickle.loads(data)
    if good:
        return answer
    raise answer


def as_uid(uid, fn, *args, gid=None, groups=(), **kwargs):
    """FN in a child that is user UID."""

    def run():
        become(uid, gid, groups)
        return fn(*args, **kwargs)

    return in_child(run)


def sh(command, env=None, uid=None, gid=None, groups=(), cwd=None, session=None, shell="bash",
       stdin=None, timeout=120):
    """COMMAND (text for the shell, or an argument vector): (rc, out, err), texts.

    SESSION is its COORD_SESSION; none is inherited.
    """
    environ = {k: v for k, v in os.environ.items() if k not in ("COORD_SESSION", "BASH_ENV", "ENV")}
    environ.update(LC_ALL="C.UTF-8", COORDFS=COORDFS)
    environ.update({"COORD_SESSION": session} if session else {})
    environ.update(env or {})
    who = {}
    if uid is not None:
        who = {"user": uid, "group": uid if gid is None else gid, "extra_groups": list(groups)}
    done = subprocess.run(
        [shell, "-c", command] if isinstance(command, str) else command,
        env=environ, cwd=cwd, input=stdin, capture_output=True, timeout=timeout, text=True,
        errors="surrogateescape", check=False, **({"stdin": subprocess.DEVNULL} if stdin is None else {}),
        **who)
    return Result(done.returncode, done.stdout, done.stderr)


# --- what is to be undone --------------------------------------------------------

_mine = os.getpid()
_live = []  # Mounts that are not closed; the last one made is last
logs = []  # (what, text): the daemons' logs, for whoever reports a failure


def _undo_all():
    if os.getpid() != _mine:
        return  # a forked child
    while _live:
        _live[-1].discard()


def _on_signal(number, _frame):
    if os.getpid() == _mine:
        _undo_all()
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)


atexit.register(_undo_all)
for _number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
    signal.signal(_number, _on_signal)


def adopt():
    """Daemons become children of this process when `coordfs mount` ends, so that
    their exit status can be seen."""
    ctypes.CDLL(None, use_errno=True).prctl(36, 1, 0, 0, 0)  # PR_SET_CHILD_SUBREAPER


adopt()


def is_mounted(path):
    with open("/proc/self/mounts", encoding="utf-8") as f:
        return any(line.split()[1] == str(path) for line in f)


def is_mounted_elsewhere(path):
    """Does a process in another mount namespace have a copy of that mount? Then it
    lives on when it is unmounted here, and so does its daemon."""
    mine = os.readlink("/proc/self/ns/mnt")
    for entry in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            if os.readlink(entry / "ns/mnt") != mine and f" {path} " in read(entry / "mountinfo"):
                return True
        except OSError:
            continue  # it has ended
    return False


def umount_lazily(path):
    argv = ["umount", "-l"] if UMOUNT == "umount" else ["fusermount3", "-u", "-z"]
    subprocess.run(argv + [str(path)], capture_output=True, check=False)


# --- the mount ---------------------------------------------------------------------


class Mount:
    """A store of its own, mounted. A context manager; started by the constructor.

    OPTIONS go behind -o ("operators=GROUP"); STORE is a store that exists
    already and is kept; ENV is added to the daemon's environment.
    """

    def __init__(self, options=None, store=None, env=None, start=True):
        self.base = pathlib.Path(tempfile.mkdtemp(prefix="coordfs-"))
        self.base.chmod(0o755)  # other users pass through
        self.dir = self.base / "m"
        self.dir.mkdir()
        self.store = pathlib.Path(store) if store else self.base / "store"
        self.options = options
        self.env = env or {}
        self.pid = 0  # of the daemon; 0: none
        self.pidfd = -1
        self.exit = None  # of the last daemon: its exit status, or -signal
        self.closed = False
        _live.append(self)
        if start:
            self.start()

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        if kind:
            self.discard()
        else:
            self.close()

    # --- start and end

    def start(self):
        argv = [COORDFS, "mount", str(self.dir), "--store", str(self.store)]
        argv += ["-o", self.options] if self.options else []
        env = {k: v for k, v in os.environ.items() if k != "COORD_SESSION"}
        env.update(self.env)
        done = subprocess.run(argv, env=env, capture_output=True, text=True, timeout=120, check=False,
                              stdin=subprocess.DEVNULL)
        if done.returncode:
            raise AssertionError(f"coordfs mount: {done.returncode} {done.stderr}\n{self.log()}")
        # "pid 123, mounted on ..."
        self.pid = int(read(self.store / "owner").split()[1].rstrip(","))
        self.pidfd = os.pidfd_open(self.pid)
        return self

    def wait_exit(self, seconds=PATIENCE):
        """Until the daemon has ended; its status goes to self.exit."""
        if not self.pid:
            return self.exit
        if not select.select([self.pidfd], [], [], seconds)[0]:
            raise AssertionError(f"the daemon, pid {self.pid}, does not end\n{self._stuck()}")
        try:
            self.exit = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        except ChildProcessError:
            self.exit = None  # somebody else's child: nobody knows
        os.close(self.pidfd)
        self.pid, self.pidfd = 0, -1
        return self.exit

    def _stuck(self):
        """Where its threads are, and who has the mount in a namespace of their own."""
        said = []
        for task in pathlib.Path(f"/proc/{self.pid}/task").iterdir():
            said.append(f"thread {task.name} in {read(task / 'wchan')}")
        for info in pathlib.Path("/proc").glob("[0-9]*/mountinfo"):
            try:
                if f" {self.dir} " in read(info):
                    said.append(f"still mounted for {info.parent.name}: {read(info.parent / 'cmdline')}")
            except OSError:
                pass
        return "\n".join(said)

    def stop(self):
        """Unmount as a user would; the daemon ends, and well."""
        done = sh([COORDFS, "unmount", str(self.dir)])
        if done.rc:
            raise AssertionError(f"coordfs unmount: {done.rc} {done.err}")
        if not select.select([self.pidfd], [], [], 2)[0] and is_mounted_elsewhere(self.dir):
            signal.pidfd_send_signal(self.pidfd, signal.SIGTERM)
        if self.wait_exit():
            raise AssertionError(f"the daemon ended with status {self.exit}\n{self.log()}")

    def kill9(self):
        """The daemon is killed, the dead mount taken away."""
        if self.pid:
            signal.pidfd_send_signal(self.pidfd, signal.SIGKILL)
            self.wait_exit()
        if is_mounted(self.dir):
            umount_lazily(self.dir)

    def restart(self):
        """A new daemon on the same store: after stop(), kill9() or neither."""
        if self.pid:
            self.stop()
        return self.start()

    def close(self):
        """The end of a good test: unmounted, and sound; then nothing is left."""
        if self.closed:
            return
        try:
            if self.pid:
                self.stop()
            self.check()
        finally:
            self.discard()

    def discard(self):
        """The end of a bad one: whatever there is goes."""
        if self.closed:
            return
        self.closed = True
        _live.remove(self)
        logs.append((str(self.store), self.log()))
        umount_lazily(self.dir)
        if self.pid:
            if not select.select([self.pidfd], [], [], 5)[0]:
                logs.append((str(self.store), f"pid {self.pid} had to be killed\n"))
                signal.pidfd_send_signal(self.pidfd, signal.SIGKILL)
            try:
                self.wait_exit()
            except AssertionError as e:
                logs.append((str(self.store), f"{e}\n"))
        while is_mounted(self.dir):
            umount_lazily(self.dir)
        shutil.rmtree(self.base, ignore_errors=True)

    def log(self):
        try:
            return read(self.store / "log")
        except OSError:
            return ""

    # --- the store

    def offline(self, tool, *args):
        """coordfs check, replay, backup on the store, mounted or not."""
        return sh([COORDFS, tool, "--store", str(self.store), *args])

    def check(self):
        """The store is sound, and its tables follow from its events."""
        done = self.offline("check")
        if done.rc:
            raise AssertionError(f"coordfs check: {done.rc}\n{done.out}{done.err}")

    def hash(self):
        """The state's hash, by a replay that must agree with it."""
        done = self.offline("replay")
        if done.rc:
            raise AssertionError(f"coordfs replay: {done.rc}\n{done.out}{done.err}")
        return value(done.out, "replay").strip()

    # --- use

    def path(self, *parts):
        return os.path.join(self.dir, *parts)

    def read(self, *parts):
        return read(self.path(*parts))

    def write(self, text, *parts, append=False):
        """m.write("300ms\\n", "control", "lease"): one write(2)."""
        write(self.path(*parts), text, append)

    def ls(self, *parts):
        return sorted(os.listdir(self.path(*parts)))

    def sh(self, command, **kwargs):
        """A shell in the mount: m.sh("touch claims/t", session="a").rc"""
        kwargs.setdefault("cwd", str(self.dir))
        kwargs["env"] = {"COORD_MOUNT": str(self.dir), **(kwargs.get("env") or {})}
        return sh(command, **kwargs)

    def tool(self, *args, **kwargs):
        """A subcommand that talks to the mount: m.tool("verify", "t", "12")."""
        return self.sh([COORDFS, *map(str, args)], **kwargs)

    def session(self, name, uid=None):
        """Register a session; it belongs to UID."""
        if uid is None:
            os.mkdir(self.path("sessions", name))
        else:
            as_uid(uid, os.mkdir, self.path("sessions", name))
        return name

    def task(self, name, artifacts=(), needs=(), publish=True, **fields):
        """Draft a task, without a session (it is its uid's); fields are files of tasks/NAME/."""
        os.mkdir(self.path("tasks", name))
        for field, text in fields.items():
            self.write(f"{text}\n", "tasks", name, field)
        for field, lines in (("artifacts", artifacts), ("needs", needs)):
            if lines:
                self.write("".join(f"{l}\n" for l in lines), "tasks", name, field)
        if publish:
            os.rename(self.path("ideas", name), self.path("ready", name))
        return name

    def claim(self, session, task):
        """Claim by touch's own system calls; the token, or OSError."""
        path = self.path("sessions", session, "claims", task)
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_NOCTTY | os.O_NONBLOCK, 0o666)
        try:
            os.utime(fd)
            return int(value(read(path), "token"))
        finally:
            os.close(fd)

    def finish(self, session, task):
        os.rename(self.path("sessions", session, "claims", task),
                  self.path("sessions", session, "done", task))

    def release(self, session, task):
        os.unlink(self.path("sessions", session, "claims", task))

    def column(self, task):
        """Which column of the board the task stands in; it must be in just one."""
        found = [c for c in ("ideas", "ready", "blocked", "claims", "done")
                 if task in os.listdir(self.path(c))]
        if len(found) != 1:
            raise AssertionError(f"{task} is in {found or 'no column'}")
        return found[0]

    def why(self, session=None):
        return self.read("sessions", session, "why") if session else self.read("why")

    def events(self, kind=None, **fields):
        """The log's events, all or those of one kind, with these values."""
        all_of = [json.loads(line) for line in self.read("events").split("\n")[:-1]]
        return [e for e in all_of if (kind is None or e["event"] == kind)
                and all(e.get(k) == v for k, v in fields.items())]

    def wait_event(self, kind, **fields):
        """The newest such event, once there is one."""
        return wait_for(lambda: self.events(kind, **fields), f"event {kind} {fields}")[-1]


class Case(unittest.TestCase):
    """A test with a mount of its own, self.m."""

    options = None  # behind -o
    maxDiff = None

    def setUp(self):
        self.m = Mount(options=self.options)
        self.addCleanup(self._end)

    def _end(self):
        self.m.close()

    def refused(self, name, fn, *args, **kwargs):
        """FN fails with errno NAME ("EBUSY")."""
        self.assertEqual(errno_of(fn, *args, **kwargs), name)

    def assertWhy(self, text, errno_name, *words):
        """TEXT is a refusal: TIME ERRNO OPERATION PATH, the reason with WORDS, `next:` last."""
        lines = text.splitlines()
        self.assertGreaterEqual(len(lines), 3, text)
        self.assertRegex(lines[0], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ [A-Z0-9]+ \S+ \S+")
        self.assertEqual(lines[0].split()[1], errno_name, text)
        self.assertRegex(lines[-1], r"^next: \S")
        for word in words:
            self.assertIn(word, text)
