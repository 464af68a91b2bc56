"""Hostile names and texts: a clear errno, a sentence, and nothing is stored."""
import os
import subprocess

from lib import UID_A, Case, as_uid, errno_of, in_child, need_root, read, write

ESC = "\x1b[31m\x1b]0;owned\a"

# name: what is wrong with it, as bytes; what the kernel itself decides is left out
NAMES = {
    "newline": b"a\nb", "escape": ESC.encode(), "bell": b"a\a", "carriage return": b"a\rb",
    "tab": b"a\tb", "delete": b"a\x7f", "C1 control": "a\u009b1m".encode(), "blank": b"a b",
    "only a blank": b" ", "dot first": b".a", "dots": b"...", "tilde": b"a~", "swap": b"a.swp",
    "temporary": b"a.tmp", "star": b"*", "quote": b"a'b", "double quote": b'a"b', "dollar": b"$HOME",
    "backtick": b"`id`", "semicolon": b"a;id", "backslash": b"a\\b", "pipe": b"a|b", "percent": b"%s%n%n",
    "ampersand": b"a&b", "brackets": b"<a>", "umlaut": "ä".encode(), "emoji": "😀".encode(),
    "right to left": "a\u202eb".encode(), "zero width": "a\u200bb".encode(), "not UTF-8": b"\xff\xfe",
    "half a character": b"a\xc3", "overlong": b"\xc0\xaf", "surrogate": b"\xed\xa0\x80",
    "129 bytes": b"x" * 129, "200 bytes": b"x" * 200, "255 bytes": b"x" * 255,
    "a cut character at 128": b"x" * 127 + "é".encode(),
}
GOOD = [b"a", b"x" * 128, b"0", b"a.b", b"a:b@c+d#e-f_g", b"-rf", b"--help", b"A", b"a.swpx", b"tmp", b"_"]


class Hostile(Case):
    THINGS = {"lanes": ("kind", "limit", "share-limit"), "goals": ("weight", "tag"),
              "lessons": ("keywords", "status", "body"), "repos": ("path", "branches", "depth", "scan")}

    def setUp(self):
        super().setUp()
        self.m.session("s")
        self.m.task("t")
        self.daemon = self.m.pid
        self.before = None

    def as_session(self, fn, *args, **kwargs):
        """FN in a child that has joined session s."""

        def run():
            write(self.m.path("sessions", "s", "procs"), "0\n")
            return fn(*args, **kwargs)

        return in_child(run)

    def path(self, *parts):
        return os.path.join(os.fsencode(self.m.dir), *[p if isinstance(p, bytes) else p.encode() for p in parts])

    def everything(self):
        m = self.m
        found = {}
        for path, _, files in os.walk(m.path("control")):
            found.update({os.path.join(path, n): read(os.path.join(path, n)) for n in files if n != "break"})
        return ([m.ls(n) for n in ("tasks", "sessions", "probes", "lanes", "goals", "lessons", "repos", "actions")],
                m.column("t"), m.ls("claims"), found,
                {n: m.read("tasks", "t", n) for n in m.ls("tasks", "t") if n != "history"},
                {n: m.read("sessions", "s", "grades", n) for n in m.ls("sessions", "s", "grades")},
                {n: m.read("sessions", "s", n) for n in ("category", "outcome", "context", "journal", "messages")},
                {(where, d, n): m.read(where, d, n) for where, names in self.THINGS.items()
                 for d in m.ls(where) for n in names},
                {n: m.read("actions", n) for n in m.ls("actions")})

    def well(self):
        """The daemon lives, its log and its events hold no raw control bytes."""
        self.assertEqual(self.m.pid, self.daemon)
        self.assertTrue(os.path.exists(f"/proc/{self.daemon}"))
        self.assertEqual(self.m.column("t"), "ready")
        with open(self.m.store / "log", "rb") as f:
            self.clean(f.read(), "the log")
        with open(self.m.path("events"), "rb") as f:
            self.clean(f.read(), "events")

    def clean(self, data, what):
        for i, c in enumerate(data.decode("utf-8")):
            self.assertFalse(c != "\n" and (ord(c) < 32 or 127 <= ord(c) <= 159),
                             f"{what}: {data[max(0, i - 60):i + 60]}")

    def why_is_clean(self, text, *words):
        self.clean(text.encode("utf-8"), "why")
        lines = text.splitlines()
        self.assertGreaterEqual(len(lines), 3, text)
        self.assertRegex(lines[-1], "^next: .")
        for word in words:
            self.assertIn(word, lines[0])


class Names(Hostile):
    def test_no_hostile_name_becomes_a_thing(self):
        before = self.everything()
        for what, name in NAMES.items():
            for where in ("tasks", "sessions", "probes", "lanes", "goals", "lessons", "repos"):
                with self.subTest(f"{what} in {where}"):
                    self.refused("EINVAL", os.mkdir, self.path(where, name))
                    self.why_is_clean(self.m.why(), "EINVAL", f"mkdir {where}/")
        self.assertEqual(self.everything(), before)
        self.well()

    def test_no_hostile_name_is_claimed(self):
        before = self.everything()
        for what, name in NAMES.items():
            for where in ("claims", "sessions/s/claims"):
                for flags in (os.O_WRONLY | os.O_CREAT, os.O_WRONLY | os.O_CREAT | os.O_EXCL,
                              os.O_RDWR | os.O_CREAT | os.O_TRUNC):
                    with self.subTest(f"{what} in {where}"):
                        self.refused("EINVAL", os.open, self.path(where, name), flags)
        self.why_is_clean(self.m.why("s"), "EINVAL", "claim sessions/s/claims/")
        self.assertEqual(self.everything(), before)
        self.well()

    def test_no_hostile_name_is_an_action(self):
        before = self.everything()
        for what, name in NAMES.items():
            for flags in (os.O_WRONLY | os.O_CREAT, os.O_WRONLY | os.O_CREAT | os.O_EXCL,
                          os.O_RDWR | os.O_CREAT | os.O_TRUNC, os.O_WRONLY | os.O_CREAT | os.O_APPEND):
                with self.subTest(what):
                    self.assertEqual(self.as_session(errno_of, os.open, self.path("actions", name), flags), "EINVAL")
                    self.why_is_clean(self.m.why("s"), "EINVAL", "ask actions/")
        self.assertEqual(self.everything(), before)
        self.well()

    def test_nothing_is_found_moved_or_removed_by_a_hostile_name(self):
        before = self.everything()
        for what, name in NAMES.items():
            for where in ("", "tasks", "sessions", "probes", "claims", "ready", "done", "archive", "control",
                          "control/select", "control/lessons", "actions", "goals", "lanes", "lessons", "repos",
                          "sessions/s/claims", "sessions/s", "tasks/t", "wait", "wait/messages"):
                path = self.path(where, name)
                with self.subTest(f"{what} in {where}"):
                    for fn in (os.stat, os.unlink, os.rmdir, os.listdir, os.readlink):
                        self.refused("ENOENT", fn, path)
                    self.refused("ENOENT", os.rename, path, self.path("ready", name))
                    self.refused("ENOENT", os.open, path, os.O_RDONLY)
        self.assertEqual(self.everything(), before)
        self.well()

    def test_nothing_is_moved_to_a_hostile_name(self):
        for what, name in NAMES.items():
            for where in ("ready", "ideas", "claims", "sessions/s/claims"):
                with self.subTest(f"{what} in {where}"):
                    self.refused("EINVAL", os.rename, self.path("ready", "t"), self.path(where, name))
        self.well()

    def test_names_longer_than_the_kernel_takes(self):
        for n in (256, 1000, 1023, 1024, 1025, 4000):
            for where in ("tasks", "sessions", "probes", "claims", "ready", "."):
                path = self.path(where, b"x" * n)
                self.assertIn(errno_of(os.mkdir, path), ("EINVAL", "ENAMETOOLONG", "EPERM"))
                self.assertIn(errno_of(os.stat, path), ("ENOENT", "ENAMETOOLONG"))
                self.assertIn(errno_of(os.open, path, os.O_WRONLY | os.O_CREAT),
                              ("EINVAL", "ENAMETOOLONG", "EPERM"))
        self.assertEqual(self.m.ls("tasks"), ["t"])
        self.well()

    def test_dots_and_slashes_lead_nowhere(self):
        for name in (b"..", b".", b"../x", b"../../etc/passwd", b"a/../../b", b""):
            for where in ("tasks", "sessions", "probes", "claims"):
                self.assertIn(errno_of(os.mkdir, self.path(where, name)),
                              ("EEXIST", "EPERM", "ENOENT"), name)
        self.assertEqual((self.m.ls("tasks"), self.m.ls("sessions")), (["t"], ["s"]))
        self.well()

    def test_strange_but_good_names_are_names(self):
        for name in GOOD:
            for where in ("tasks", "sessions", "probes"):
                os.mkdir(self.path(where, name))
                self.assertIn(name, os.listdir(self.path(where)))
            os.rename(self.path("ideas", name), self.path("ready", name))
            path = self.path("sessions", name, "claims", name)
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT))
            os.rename(path, self.path("sessions", name, "done", name))
            self.assertEqual(self.m.column(os.fsdecode(name)), "done")
            day = read(self.path("done", name)).split("finished ")[1][:10]
            self.assertEqual(os.readlink(self.path("archive", day, "done", name)), b"../../../done/" + name)
        self.well()

    def test_case_matters(self):
        for name in ("x", "X"):
            self.m.task(name)
        self.assertEqual(self.m.ls("tasks"), ["X", "t", "x"])
        self.refused("ENOENT", os.stat, self.m.path("tasks", "T"))


class Texts(Hostile):
    LISTS = ("tasks/t/artifacts", "tasks/t/needs", "tasks/t/tags")
    FILES = LISTS + ("tasks/t/title", "tasks/t/body", "tasks/t/repo", "tasks/t/lane", "tasks/t/value",
                     "tasks/t/cost", "tasks/t/kind", "tasks/t/ttl", "tasks/t/impact", "tasks/t/feasibility",
                     "tasks/t/alignment", "tasks/t/readiness", "tasks/t/result", "sessions/s/category",
                     "sessions/s/outcome", "sessions/s/procs", "sessions/s/anchor", "control/lease-max", "probes/p/command", "probes/p/timeout",
                     "probes/p/enabled", "control/limits", "control/lease", "control/recent",
                     "control/verdict-interval", "control/estop", "control/break", "control/import",
                     "tasks/t/covered", "probes/p/interval", "probes/p/verdict", "lanes/l/kind",
                     "lanes/l/limit", "lessons/l/keywords", "lessons/l/status", "lessons/l/body", "repos/r/path",
                     "repos/r/branches", "repos/r/depth", "repos/r/scan", "sessions/s/base", "control/freshness",
                     "control/convergence-window", "control/trailers", "control/scan-interval", "control/guard",
                     "control/guard-offline", "sessions/s/context", "control/actions-limit", "control/action-wait",
                     "control/action-retention", "control/dedup", "control/dedup-window", "lanes/l/share-limit",
                     "goals/g/weight", "goals/g/tag", "sessions/s/journal", "sessions/s/messages",
                     "actions/k")
    # what is only added to, and how anything else is refused
    ADDED_TO = {"sessions/s/journal": "EPERM", "sessions/s/messages": "EPERM", "actions/k": "EEXIST"}
    BY_PROCESS = ("sessions/s/messages", "actions/k")  # whose path says no session that writes
    DIMENSIONS = ("trajectory", "cascade", "harm", "alignment", "productivity", "restraint")
    FILES += tuple(f"sessions/s/grades/{name}" for name in DIMENSIONS)
    FILES += tuple(f"control/grading/{name}" for name in DIMENSIONS + ("unit",))
    FILES += tuple(f"control/lessons/{name}" for name in ("broad", "budget", "dropout", "harm", "sample", "window"))
    FILES += tuple(f"control/select/{name}" for name in (
        "asking", "calm", "explore", "family", "half-life", "monotony", "recency", "recency-half-life", "refused",
        "share", "window"))
    SETTINGS = {"calm-window": ("max-load", "max-sessions", "min-memory"), "cross-repo-supply": ("feed",),
                "failed-services": ("failures", "manager"), "idea-backlog": ("floor",),
                "invariants": ("grace", "lock-age"), "lane-occupancy": (), "lint-lessons": ("linter",),
                "self-review": ("category", "max-age", "max-share", "min-grade", "window")}
    FILES += tuple(f"probes/{probe}/{name}" for probe, names in SETTINGS.items()
                   for name in names + ("command", "enabled", "interval", "timeout"))
    BAD = {
        "NUL": b"a\0b\n", "only a NUL": b"\0", "escape": ESC.encode() + b"\n", "C1 control": "\u009b1m\n".encode(),
        "carriage return": b"a\r\n", "backspace": b"a\b\n", "not UTF-8": b"\xff\xfe\n", "half": b"a\xc3\n",
        "overlong": b"\xc0\xaf\n", "surrogate": b"\xed\xa0\x80\n", "beyond": b"\xf4\x90\x80\x80\n",
        "delete": b"\x7f\n",
    }

    def setUp(self):
        super().setUp()
        for where in ("probes/p", "lanes/l", "lessons/l", "repos/r", "goals/g"):
            os.mkdir(self.m.path(*where.split("/")))
        self.as_session(lambda: os.close(os.open(self.path("actions/k"), os.O_WRONLY | os.O_CREAT | os.O_EXCL)))

    def test_every_writable_file_is_asked(self):
        """The list above is the tree's."""
        found = []
        for path, _, files in os.walk(self.m.dir):
            for name in files:
                full = os.path.join(path, name)
                if os.lstat(full).st_mode & 0o222:
                    found.append(os.path.relpath(full, self.m.dir))
        self.assertEqual(sorted(found), sorted(self.FILES))

    def attempt(self, name, data, append=False):
        run = self.as_session if name in self.BY_PROCESS else lambda fn, *args: fn(*args)
        return run(errno_of, write, self.m.path(*name.split("/")), data, append)

    def test_no_file_takes_a_hostile_text(self):
        before = self.everything()
        for name in self.FILES:
            for what, data in self.BAD.items():
                with self.subTest(f"{what} into {name}"):
                    added_to = name in self.ADDED_TO
                    got = self.attempt(name, data, append=added_to)
                    self.assertIn(got, ("EINVAL", "EILSEQ"))
                    if added_to:
                        self.assertEqual(self.attempt(name, data), self.ADDED_TO[name])
                        got = self.attempt(name, data, append=True)
                    # a grade is not written as the session of its path
                    by = "s" if name.startswith(("sessions/", "actions/")) and "/grades/" not in name else None
                    self.why_is_clean(self.m.why(by), got, f"write {name}")
                    self.assertIn(self.attempt(name, data, append=True), ("EINVAL", "EILSEQ"))
        self.assertEqual(self.everything(), before)
        self.well()

    def test_no_file_takes_a_mebibyte(self):
        before = self.everything()
        for name in self.FILES:
            for data in (b"x" * (1 << 20), b"x\n" * (1 << 19), b"\n" * (1 << 20), b"\0" * (1 << 20),
                         b"x" * 65537, b"1" * 70000):
                for append in (False, True):
                    with self.subTest(f"{len(data)} bytes into {name}"):
                        got = self.attempt(name, data, append)
                        if name == "actions/k" and not append:
                            self.assertEqual(got, "EEXIST")
                        else:
                            self.assertIn(got, ("E2BIG",) if name != "control/import" else ("E2BIG", "EINVAL"))
        self.assertEqual(self.everything(), before)
        self.well()

    def test_a_claim_takes_no_hostile_text(self):
        self.m.task("c", artifacts=["a"])
        self.m.claim("s", "c")
        path = self.m.path("sessions", "s", "claims", "c")
        before = read(path)
        more = {"dots": b"../x\n", "root": b"/\n", "absolute": b"/etc/passwd\n", "empty line": b"\n\n",
                "mebibyte": b"x" * (1 << 20), "many": b"x\n" * (1 << 19), "key": b"token 999999\nsession x\nfoo bar\n",
                "minus": b"-\n", "give up what is not there": b"-zzz\n", "deep": b"a/" * 33 + b"b\n",
                "long": b"x" * 4097 + b"\n"}
        for what, data in {**self.BAD, **more}.items():
            with self.subTest(what):
                got = errno_of(write, path, data, True)
                self.assertIn(got, ("EINVAL", "EILSEQ", "E2BIG", "ENOENT", "ENAMETOOLONG"), what)
                self.why_is_clean(self.m.why("s"), got, "write sessions/s/claims/c")
                now = read(path)
                self.assertEqual([l for l in now.splitlines() if not l.startswith(("renewed", "expires"))],
                                 [l for l in before.splitlines() if not l.startswith(("renewed", "expires"))])
        self.m.release("s", "c")
        self.well()

    def test_a_refusal_that_quotes_it_is_recorded_cleanly(self):
        """Also where the quotation is cut inside a character."""
        self.m.task("c")
        self.m.claim("s", "c")
        path = self.m.path("sessions", "s", "claims", "c")
        for data in (b"\xff\n", b"a\xc3\n", ESC.encode() + b"\n", b"x" + "é".encode() * 120 + b"/..\n",
                     "é".encode() * 120 + b"/..\n"):
            with self.subTest(data):
                n = len(self.m.events("refused"))
                got = in_child(errno_of, write, path, data, True)  # a process is counted once a second
                self.assertIn(got, ("EINVAL", "EILSEQ"))
                self.assertEqual(len(self.m.events("refused")), n + 1)
                self.why_is_clean(self.m.why("s"), got, "write sessions/s/claims/c")
        self.m.release("s", "c")
        self.well()

    def test_empty_writes_change_nothing(self):
        before = self.everything()
        for name in self.FILES:
            for append in (False, True):
                asks = name == "actions/k" and not append
                self.assertEqual(self.attempt(name, b"", append), "EEXIST" if asks else "ok", name)
        self.assertEqual(self.everything(), before)
        self.well()

    def test_lines_that_look_like_records_are_text(self):
        """What somebody writes does not forge what a file says in the next line."""
        self.m.write("x\ntask y\nsession root\n", "tasks", "t", "body")
        self.refused("EINVAL", write, self.m.path("tasks", "t", "title"), "x\nsession root\n")
        self.m.write('"},{"event":"claim","session":"s\\\n', "tasks", "t", "title")
        self.assertEqual(self.m.events("set", field="title")[-1]["value"], '"},{"event":"claim","session":"s\\')
        for line in read(self.m.path("events")).splitlines():
            self.assertTrue(line.startswith("{") and line.endswith("}"))
        self.m.write("task t\nneed y\n", "tasks", "t", "artifacts")
        self.assertEqual([l for l in self.m.read("ready", "t").splitlines() if l.startswith("artifact ")],
                         ["artifact task t", "artifact need y"])
        self.well()

    def test_wildcards_built_to_be_slow_are_not(self):
        """Claims with patterns that a naive matcher never finishes."""
        evil = "/".join(["*a" * 60 + "b"] * 8)
        self.m.task("x", artifacts=[evil, "**/" + "*a" * 500 + "/**/" + "?" * 500, "[" + "a-z" * 20 + "]*" * 100])
        self.m.task("y", artifacts=["/".join(["a" * 120] * 8), "**/" + "a*" * 500 + "b"])
        self.m.session("r")
        self.m.claim("s", "x")
        got = errno_of(self.m.claim, "r", "y")
        self.assertIn(got, ("ok", "EBUSY"))
        self.m.release("s", "x")

    def test_hostile_environments_are_no_sessions(self):
        for name in ("../s", "s\n", "s ", ESC, "x" * 5000, "s/../s", "'; DROP TABLE sessions; --", "ä", ""):
            with self.subTest(name[:20]):
                got = self.m.sh("touch claims/t; cat why; cat whoami", env={"COORD_SESSION": name})
                self.assertIn("session -\n", got.out)
                self.clean(got.out.encode("utf-8", "surrogateescape"), "why")
                self.assertIn("Required key not available", got.err)
        got = subprocess.run(["bash", "-c", "touch claims/t; cat why"], cwd=self.m.dir, capture_output=True,
                             env={b"COORD_SESSION": b"\xff\xfe", b"PATH": os.environb[b"PATH"]}, check=False)
        self.clean(got.stdout, "why")
        self.assertIn(b"ENOKEY", got.stdout)
        self.well()

    def test_a_hostile_process_name_is_no_key(self):
        """The name of a process is its own; it shows in /proc where the daemon looks."""
        code = ("import ctypes, os, sys\n"
                "ctypes.CDLL(None).prctl(15, b') S 1 (\\nUid:', 0, 0, 0)\n"
                "open('sessions/s/procs', 'w').write('0\\n')\n"
                "print(open('whoami').read())\n")
        got = self.m.sh(["python3", "-c", code])
        self.assertIn("session s\nhow joined process\n", got.out, got.err)


class Calls(Hostile):
    """System calls nobody expects."""

    def test_odd_calls_are_refused_and_the_daemon_lives(self):
        m = self.m
        before = self.everything()
        path = m.path("tasks", "t", "body")
        fd = os.open(path, os.O_RDWR)
        try:
            for fn in (lambda: os.pwrite(fd, b"x", 1 << 62), lambda: os.posix_fallocate(fd, 0, 4096),
                       lambda: os.pwritev(fd, [b"a", b"b"], 7), lambda: os.ftruncate(fd, 1 << 60),
                       lambda: os.copy_file_range(fd, fd, 10, 0, 5)):
                errno_of(fn)
            errno_of(os.lseek, fd, 1 << 62, os.SEEK_SET)
            self.assertEqual(errno_of(os.read, fd, 1), "ok")
            os.fsync(fd)
            os.fdatasync(fd)
        finally:
            os.close(fd)
        for name in ("user.x", "security.capability", "trusted.x", "system.posix_acl_access"):
            self.assertNotEqual(errno_of(os.setxattr, path, name, b"x"), "ok")
            self.assertNotEqual(errno_of(os.getxattr, path, name), "ok")
        errno_of(os.listxattr, path)
        self.refused("EPERM", os.mknod, m.path("claims", "t"), 0o600)
        self.refused("EPERM", os.mkfifo, m.path("tasks", "fifo"))
        self.refused("EPERM", os.link, path, m.path("tasks", "t", "link"))
        self.refused("EPERM", os.symlink, "/etc/passwd", m.path("claims", "t"))
        self.refused("ENOTDIR", os.listdir, path)
        self.refused("EISDIR", os.open, m.path("claims"), os.O_WRONLY)
        os.statvfs(m.dir)
        self.assertEqual(self.everything(), before)
        self.well()

    def test_a_directory_is_not_written_and_a_file_not_listed(self):
        for name in ("claims", "tasks", "tasks/t", "sessions/s", "archive", "."):
            self.refused("EISDIR", os.open, self.m.path(name), os.O_WRONLY)
            self.refused("EISDIR", os.open, self.m.path(name), os.O_RDWR)
            self.refused("EISDIR", os.truncate, self.m.path(name), 0)
        self.well()

    def test_many_open_files_are_no_burden(self):
        fds = []
        try:
            for i in range(900):
                fds.append(os.open(self.m.path("README" if i % 2 else "status"), os.O_RDONLY))
            self.assertEqual(self.m.column("t"), "ready")
        finally:
            for fd in fds:
                os.close(fd)
        self.well()

    def test_killed_clients_leave_nothing_half_done(self):
        """A storm of clients that die in the middle of whatever they do."""
        m = self.m
        for i in range(60):
            p = subprocess.Popen(
                ["bash", "-c", "i=0; while :; do i=$((i+1)); touch sessions/s/claims/t; echo x$i >> sessions/s/claims/t;"
                 "rm sessions/s/claims/t; echo $i > tasks/t/title; cat verdict status events > /dev/null; done"],
                cwd=m.dir, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
            try:
                n = len(m.events())
                while len(m.events()) < n + 1 + i % 5:
                    pass
            finally:
                os.killpg(p.pid, 9)
                p.wait()
        if m.column("t") == "claims":
            m.release("s", "t")
        self.assertEqual(m.column("t"), "ready")
        seqs = [e["seq"] for e in m.events()]
        self.assertEqual(seqs, list(range(1, len(seqs) + 1)))
        self.well()

    def test_another_users_hostility_meets_the_same(self):
        need_root()
        before = self.everything()
        for name in list(NAMES.values())[:10]:
            self.assertIn(errno_of(as_uid, UID_A, os.mkdir, self.path("tasks", name)), ("EINVAL",))
            self.assertIn(errno_of(as_uid, UID_A, os.mkdir, self.path("probes", name)), ("EINVAL", "EACCES", "EPERM"))
        for name in Texts.FILES:
            if name.startswith("control/"):
                self.assertIn(errno_of(as_uid, UID_A, write, self.m.path(name), "1h\n"), ("EACCES", "EPERM"), name)
        self.assertEqual(self.everything(), before)
        self.well()
