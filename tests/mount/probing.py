"""Probes on a mount: what the tests of the verdict share.

A probe writes nothing and is nobody: what it did is seen by what it said, by its history,
and by the processes that are there. What it is to see lies outside /tmp, which it has of
its own.
"""
import os
import pathlib
import re
import shutil
import subprocess
import tempfile

from lib import Case, Mount, read, wait_for


BUILTIN = 8


def can_sandbox():
    """Does bubblewrap run here at all? (In a chroot, or in many a container, it cannot.)"""
    if not shutil.which("bwrap"):
        return False
    return not subprocess.run(["bwrap", "--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc", "--unshare-pid",
                               "--unshare-net", "--unshare-ipc", "--unshare-uts", "true"], capture_output=True,
                              stdin=subprocess.DEVNULL, check=False).returncode


CAN_SANDBOX = can_sandbox()


def plain(text):
    if CAN_SANDBOX:
        return text
    text = re.sub(r" \(ran unsandboxed: [^)\n]*\)?$", "", text, flags=re.M)
    return re.sub(r"^(dry|supply|unknown) -$", r"\1", text, flags=re.M)


def processes(mark):
    """The pids of those that have MARK in their argument vector."""
    found = []
    for entry in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            if mark.encode() in (entry / "cmdline").read_bytes() and int(entry.name) != os.getpid():
                found.append(int(entry.name))
        except OSError:
            continue  # it has ended
    return found


class Probing(Case):
    """A mount without the built-in probes, and a directory that probes see, self.dir."""

    def setUp(self):
        self.dir = tempfile.mkdtemp(prefix="coordfs-probes-", dir="/var/tmp")
        os.chmod(self.dir, 0o755)
        self.addCleanup(shutil.rmtree, self.dir, ignore_errors=True)
        self.mark = os.path.basename(self.dir)
        self.m = self.mount()
        self.addCleanup(self._end)
        wait_for(lambda: len(self.m.ls("probes")) == BUILTIN, "the built-in probes")
        for name in self.m.ls("probes"):
            os.rmdir(self.m.path("probes", name))
        self.m.write("0s\n", "control", "verdict-interval")

    def mount(self):
        return Mount(options=self.options)

    def plain(self, text):
        """TEXT without the words that every command's answer ends with where there can be no sandbox."""
        return plain(text)

    def text(self, *parts):
        """A file of a probe, so read."""
        return self.plain(self.m.read("probes", *parts))

    def probe(self, name, command, **fields):
        """COMMAND is an argument vector, or text for sh."""
        argv = ["/bin/sh", "-c", command] if isinstance(command, str) else command
        os.mkdir(self.m.path("probes", name))
        self.m.write("\n".join(argv).replace("\n\n", "\n") + "\n", "probes", name, "command")
        for field, text in fields.items():
            self.m.write(f"{text}\n", "probes", name, field)
        return name

    def fifo(self, name):
        path = os.path.join(self.dir, name)
        os.mkfifo(path)
        os.chmod(path, 0o666)
        return path

    def open_gate(self, path):
        """For the probe that waits there, once it does."""
        fd = wait_for(lambda: self.writer(path), "a probe at the gate")
        os.write(fd, b"go\n")
        os.close(fd)

    @staticmethod
    def writer(path):
        try:
            return os.open(path, os.O_WRONLY | os.O_NONBLOCK)
        except OSError:
            return None  # nobody reads

    def verdict(self):
        """(the first line, {probe: (answer, detail)})"""
        lines = self.m.read("verdict").splitlines()
        self.assertRegex(lines[1], r"^judged (\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ|-)")
        probes = {}
        for line in lines[2:]:
            if not line.startswith("no probes"):
                name, answer, detail = line.split(None, 2)
                probes[name] = (answer, self.plain(detail))
        return lines[0], probes

    def answer(self, name="p"):
        return self.verdict()[1][name]

    def readers(self, n, *path):
        """N processes that read the verdict, or PATH."""
        path = self.m.path(*(path or ("verdict",)))
        ps = [subprocess.Popen(["cat", path], stdout=subprocess.PIPE, text=True,
                               stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL) for _ in range(n)]
        for p in ps:
            self.addCleanup(p.wait)
            self.addCleanup(p.kill)
            self.addCleanup(p.stdout.close)
        return ps

    def parked(self, ps):
        for p in ps:
            wait_for(lambda p=p: self.is_parked(p), "a reader that waits")
        return ps

    def runs(self, name="p", file="history"):
        return len(self.m.read("probes", name, file).splitlines())

    def is_parked(self, p):
        """It waits for the daemon, and for nothing else."""
        try:
            return read(f"/proc/{p.pid}/wchan").startswith(("request_wait_answer", "fuse_"))
        except OSError:
            return False

    def no_survivor(self, mark=None):
        wait_for(lambda: not processes(mark or self.mark), "the end of all that the probe started")
