"""What is written is what is read: one write, one message; or a loud error."""
import itertools
import os
import stat

from lib import UID_A, Case, as_uid, errno_of, need_root, read, values, write

MAX = 65536
SIZES = (1, 2, 100, 4095, 4096, 4097, 8193, 65535, 65536)


class Text(Case):
    def setUp(self):
        super().setUp()
        self.m.task("t")
        self.m.session("s")
        os.mkdir(self.m.path("probes", "p"))
        self.body = self.m.path("tasks", "t", "body")

    def file(self, name):
        return self.m.path(*name.split("/"))

    def opened(self, path, flags=os.O_WRONLY):
        fd = os.open(path, flags | os.O_CLOEXEC)
        self.addCleanup(os.close, fd)
        return fd


class Writes(Text):
    """The rules of write(2)."""

    def test_the_first_write_replaces(self):
        for text in ("one\ntwo\n", "three\n"):
            write(self.body, text)
            self.assertEqual(read(self.body), text)

    def test_a_write_without_its_last_newline_gets_one(self):
        write(self.body, "one")
        self.assertEqual(read(self.body), "one\n")

    def test_consecutive_writes_extend(self):
        fd = self.opened(self.body)
        for i, piece in enumerate((b"a\n", b"b", b"c\n", b"\n", b"d\n")):
            self.assertEqual(os.write(fd, piece), len(piece))
        self.assertEqual(read(self.body), "a\nbc\n\nd\n")

    def test_each_write_is_durable_when_it_returns(self):
        fd = self.opened(self.body)
        os.write(fd, b"a\n")
        self.assertEqual(read(self.body), "a\n")
        os.write(fd, b"b\n")
        self.assertEqual(read(self.body), "a\nb\n")

    def test_any_other_offset_is_einval(self):
        write(self.body, "old\n")
        fd = self.opened(self.body, os.O_RDWR)
        for at in (1, 4, 100, 1 << 40):
            self.refused("EINVAL", os.pwrite, fd, b"x\n", at)
        os.write(fd, b"new\n")
        for at in (0, 1, 3, 5, 4096):
            self.refused("EINVAL", os.pwrite, fd, b"x\n", at)
        os.pwrite(fd, b"more\n", 4)
        self.assertEqual(read(self.body), "new\nmore\n")
        got = self.m.sh("dd if=/dev/zero of=tasks/t/body bs=1 seek=5 count=1 conv=notrunc; cat why")
        self.assertWhy(got.out, "EINVAL", "write tasks/t/body", "offset 5")

    def test_a_refused_write_leaves_value_and_place_as_they_were(self):
        path = self.file("tasks/t/tags")
        fd = self.opened(path)
        os.write(fd, b"a\n")
        self.refused("EINVAL", os.write, fd, b"no name\n")
        self.assertEqual(read(path), "a\n")
        os.write(fd, b"b\n")
        self.assertEqual(read(path), "a\nb\n")

    def test_the_whole_is_validated_with_each_write(self):
        fd = self.opened(self.file("tasks/t/value"))
        os.write(fd, b"1")
        os.write(fd, b"2.5")
        self.refused("EINVAL", os.write, fd, b".1")
        self.refused("EINVAL", os.write, fd, b"\n7\n")
        self.assertEqual(self.m.read("tasks", "t", "value"), "12.5\n")
        os.write(fd, b"\n")
        self.refused("EINVAL", os.write, fd, b"\n")

    def test_append_adds(self):
        write(self.body, "a\n")
        fd = self.opened(self.body, os.O_WRONLY | os.O_APPEND)
        os.write(fd, b"b\n")
        os.write(fd, b"c\n")
        write(self.body, "d\n", append=True)
        self.assertEqual(read(self.body), "a\nb\nc\nd\n")

    def test_append_goes_on_inside_a_line(self):
        """A pipe's pieces, and whatever else is cut where no line ends."""
        write(self.body, "a\n")
        fd = self.opened(self.body, os.O_WRONLY | os.O_APPEND)
        for piece in (b"b", b"c\nd", b"e\n", b"f\n"):
            os.write(fd, piece)
        self.assertEqual(read(self.body), "a\nbc\nde\nf\n")

    def test_two_who_append_do_not_lose_a_line(self):
        fds = [self.opened(self.body, os.O_WRONLY | os.O_APPEND) for _ in range(4)]
        want = []
        for i in range(100):
            os.write(fds[i % 4], f"line {i}\n".encode())
            want.append(f"line {i}")
        self.assertEqual(read(self.body).splitlines(), want)

    def test_64_kib_is_the_most(self):
        text = "x" * 63 + "\n"
        write(self.body, text * 1024)
        self.assertEqual(read(self.body), text * 1024)
        self.refused("E2BIG", write, self.body, text * 1024 + "y")
        self.refused("E2BIG", write, self.body, "y\n", append=True)
        self.refused("E2BIG", write, self.body, "y" * (1 << 20))
        self.assertEqual(read(self.body), text * 1024)
        fd = self.opened(self.body)
        os.write(fd, text.encode() * 1023)
        os.write(fd, text.encode())
        self.refused("E2BIG", os.write, fd, b"y")
        self.assertEqual(read(self.body), text * 1024)

    def test_why_says_what_is_wrong_with_a_write(self):
        got = self.m.sh("head -c 70000 /dev/zero | tr '\\0' x | dd bs=70000 iflag=fullblock "
                        "of=tasks/t/body; cat why")
        self.assertWhy(got.out, "E2BIG", "write tasks/t/body", "65536")
        got = self.m.sh("/bin/echo nonsense > tasks/t/kind; cat why")
        self.assertWhy(got.out, "EINVAL", "write tasks/t/kind", "kind")

    def test_a_single_newline_unsets_a_value_and_empties_a_list(self):
        for name, text in (("title", "x"), ("body", "x\ny"), ("value", "1"), ("ttl", "5m"),
                           ("tags", "a\nb"), ("artifacts", "a\nb"), ("kind", "daily")):
            path = self.m.path("tasks", "t", name)
            write(path, text + "\n")
            self.assertEqual(read(path), text + "\n")
            write(path, "\n")
            self.assertEqual(read(path), "", name)
            self.assertEqual(os.stat(path).st_size, 0)

    def test_truncation_by_itself_changes_nothing(self):
        write(self.body, "one\ntwo\n")
        n = len(self.m.events())
        for command in (": > tasks/t/body", "truncate -s 0 tasks/t/body", "truncate -s 3 tasks/t/body",
                        "truncate -s 99999 tasks/t/body", "cat /dev/null > tasks/t/body",
                        "cp /dev/null tasks/t/body", "printf '' >> tasks/t/body"):
            with self.subTest(command):
                self.assertEqual(self.m.sh(command).rc, 0)
                self.assertEqual(read(self.body), "one\ntwo\n")
                self.assertEqual(os.stat(self.body).st_size, 8)
        fd = self.opened(self.body, os.O_RDWR | os.O_TRUNC)
        os.ftruncate(fd, 0)
        self.assertEqual(os.fstat(fd).st_size, 8)
        self.assertEqual(read(self.body), "one\ntwo\n")
        self.assertEqual(len(self.m.events()), n)

    def test_a_value_written_as_it_stands_is_no_change(self):
        for name, text in (("body", "a\nb\n"), ("value", "3\n"), ("tags", "a\nb\n"),
                           ("artifacts", "a\nb\n")):
            write(self.m.path("tasks", "t", name), text)
        before = self.m.hash(), len(self.m.events())
        for name in ("body", "value", "tags", "artifacts"):
            path = self.m.path("tasks", "t", name)
            write(path, read(path))
        self.assertEqual((self.m.hash(), len(self.m.events())), before)

    def test_content_is_fixed_at_open(self):
        """No reader sees half of two states."""
        write(self.body, "old " * 1000 + "\n")
        with open(self.body, encoding="ascii", buffering=1) as f:
            first = f.read(10)
            write(self.body, "new\n")
            self.assertEqual(first + f.read(), "old " * 1000 + "\n")
            f.seek(0)
            self.assertEqual(f.read(3), "old")
        self.assertEqual(read(self.body), "new\n")

    def test_reading_is_by_offset(self):
        write(self.body, "0123456789\n")
        fd = self.opened(self.body, os.O_RDONLY)
        for at, n, want in ((0, 3, b"012"), (4, 2, b"45"), (9, 100, b"9\n"), (11, 5, b""),
                            (1 << 40, 5, b""), (2, 0, b"")):
            self.assertEqual(os.pread(fd, n, at), want)
        self.assertEqual(os.lseek(fd, 0, os.SEEK_END), 11)

    def test_a_file_that_is_not_written_is_not_opened_for_writing(self):
        for name in ("README", "status", "why", "tasks/t/state", "events", "ready/t", "sessions/s/state",
                     "wait/events", "verdict", "artifacts", "sessions/s/why"):
            with self.subTest(name):
                self.assertEqual(os.stat(self.file(name)).st_mode & 0o222, 0)
                for flags in (os.O_WRONLY, os.O_RDWR, os.O_WRONLY | os.O_APPEND,
                              os.O_WRONLY | os.O_TRUNC):
                    self.refused("EACCES", os.open, self.file(name), flags)
                self.assertIn(errno_of(os.truncate, self.file(name), 0), ("EPERM", "EACCES"))
                self.assertIn(errno_of(os.utime, self.file(name)), ("EPERM", "EACCES"))

    def test_times_and_modes_are_kept_by_the_store(self):
        write(self.body, "x\n")
        before = os.stat(self.body)
        os.utime(self.body, (1, 1))  # cp -p may ask
        os.chmod(self.body, stat.S_IMODE(before.st_mode))  # and for what is there
        self.refused("EPERM", os.chmod, self.body, 0o600)
        after = os.stat(self.body)
        self.assertEqual((after.st_mode, after.st_mtime), (before.st_mode, before.st_mtime))


class Lists(Text):
    """A list is lines; a cut line is refused."""

    def setUp(self):
        super().setUp()
        self.path = self.m.path("tasks", "t", "artifacts")

    @staticmethod
    def lines(n):
        """N bytes of artifacts, whole lines, each another."""
        out, i = "", 0
        while len(out) + 71 <= n - 2:
            out += f"d{i:04}/" + "x" * 64 + "\n"
            i += 1
        return out + "r" * (n - len(out) - 1) + "\n"

    def test_a_large_write_that_ends_inside_a_line_is_einval(self):
        text = self.lines(8192)
        for n in (4096, 5000, 8000):
            self.assertNotEqual(text[n - 1], "\n")
            for append in (False, True):
                self.refused("EINVAL", write, self.path, text[:n], append)
        self.assertEqual(read(self.path), "")
        got = self.m.sh("head -c 5000 | dd bs=5000 iflag=fullblock of=tasks/t/artifacts; cat why",
                        stdin=text)
        self.assertWhy(got.out, "EINVAL", "inside a line")

    def test_a_small_write_that_ends_inside_a_line_is_the_line(self):
        text = self.lines(4096)[:-1]
        self.assertEqual(len(text), 4095)
        write(self.path, text)
        self.assertEqual(read(self.path), text + "\n")

    def test_a_large_write_of_whole_lines_is_taken(self):
        for n in (4096, 8192, 65536):
            text = self.lines(n)
            self.assertEqual(len(text), n)
            write(self.path, text)
            self.assertEqual(read(self.path), text)

    def test_a_claim_is_such_a_list(self):
        self.m.claim("s", "t")
        claim = self.m.path("sessions", "s", "claims", "t")
        text = self.lines(8192)
        self.refused("EINVAL", write, claim, text[:5000], True)
        write(claim, text, append=True)
        self.assertEqual("".join(f"{a}\n" for a in values(read(claim), "artifact")), text)

    def test_a_claim_written_back_as_it_was_read_is_no_change(self):
        self.m.write("a\nb c\n./-d\nbranch:x\n", "tasks", "t", "artifacts")
        self.m.claim("s", "t")
        claim = self.m.path("sessions", "s", "claims", "t")
        n = len(self.m.events())
        write(claim, read(claim), append=True)
        self.assertEqual(len(self.m.events()), n)
        self.assertEqual(values(read(claim), "artifact"), ["a", "b c", "-d", "branch:x"])

    def test_a_claims_lines_are_all_or_none(self):
        self.m.task("o", artifacts=["held"])
        self.m.session("r")
        self.m.claim("r", "o")
        self.m.claim("s", "t")
        claim = self.m.path("sessions", "s", "claims", "t")
        write(claim, "a\nb\n", append=True)
        for text, name in (("c\nheld/x\nd\n", "EBUSY"), ("c\n../x\n", "EINVAL"), ("-a\n-none\n", "ENOENT"),
                           ("c\nkey value\n", "EINVAL"), ("c\n\nd\n", "EINVAL"), ("-a\n/abs\n", "EINVAL")):
            with self.subTest(text):
                self.refused(name, write, claim, text, True)
                self.assertEqual(values(read(claim), "artifact"), ["a", "b"])
        write(claim, "c\n-a\nartifact d\n-./b\n", append=True)
        self.assertEqual(values(read(claim), "artifact"), ["c", "d"])
        self.assertEqual(self.m.read("tasks", "t", "artifacts"), "c\nd\n")

    def test_tags_and_needs_that_are_there_are_no_change(self):
        self.m.task("n")
        for name, one, other in (("tags", "a", "b"), ("needs", "n", None), ("artifacts", "x", "y")):
            path = self.m.path("tasks", "t", name)
            write(path, one + "\n")
            n = len(self.m.events())
            write(path, one + "\n", append=True)
            write(path, one + "\n")
            self.assertEqual(read(path), one + "\n", name)
            self.assertEqual(len(self.m.events()), n, name)
            if other:
                write(path, f"{one}\n{other}\n", append=True)
                self.assertEqual(read(path), f"{one}\n{other}\n", name)


class Tools(Text):
    """Whatever writes, and however much: the whole value is there, or it says so."""

    # FILE is the file, TEXT a file that holds the text
    LINE_BY_LINE = {  # each line is a change, with all before it: not for the largest
        "python lines": "python3 -c 'f = open(\"FILE\", \"w\", 1); [f.write(l) for l in open(\"TEXT\")]; f.close()'",
        "split reads": "(while IFS= read -r l; do printf '%s\\n' \"$l\"; done) < TEXT > FILE",
        "dd 512": "dd if=TEXT of=FILE bs=512 status=none",
    }
    WRITERS = {
        "bash printf": "bash -c 'printf %s \"$(cat TEXT; echo .)\" | head -c -1 > FILE'",
        "bash builtin": "bash -c 'x=$(cat TEXT); printf \"%s\\n\" \"$x\" > FILE'",
        "dash builtin": "dash -c 'x=$(cat TEXT); printf \"%s\\n\" \"$x\" > FILE'",
        "dash echo": "dash -c 'x=$(cat TEXT); echo \"$x\" > FILE'",
        "python": "python3 -c 'open(\"FILE\", \"w\").write(open(\"TEXT\").read())'",
        "python bytes": "python3 -c 'open(\"FILE\", \"wb\").write(open(\"TEXT\", \"rb\").read())'",
        "cat": "cat TEXT > FILE",
        "cat pipe": "cat TEXT | cat > FILE",
        "cp": "cp TEXT FILE",
        "tee": "tee FILE < TEXT > /dev/null",
        "dd 4k": "dd if=TEXT of=FILE bs=4096 conv=notrunc status=none",
        "dd 64k": "dd if=TEXT of=FILE bs=65536 status=none",
        "pieces of 4 KiB": "dd if=TEXT bs=4096 status=none | dd bs=4096 of=FILE status=none",
        "append": "printf '\\n' > FILE; cat TEXT >> FILE",
        "append 4k": "printf '\\n' > FILE; dd if=TEXT bs=4096 of=FILE oflag=append conv=notrunc status=none",
        "sed": "sed '' TEXT > FILE",
        "awk": "awk 1 TEXT > FILE",
    }

    @staticmethod
    def prose(n):
        """N bytes of lines."""
        line = "It was a bright cold day in April, and the clocks were 13. "
        return "".join(f"{i:5} {line}"[: 60 + i % 7] + "\n" for i in range(n // 50 + 1))[: n - 1] + "\n"

    @staticmethod
    def unicode(n):
        """N bytes at most, of characters of one to four bytes."""
        text = ("aäß€漢字😀 \n" * (n // 10 + 1)).encode()[:n]
        return text.decode(errors="ignore").rstrip("\n") + "\n"

    @staticmethod
    def line(n):
        return ("0123456789abcdef" * (n // 16 + 1))[: n - 1] + "\n"

    @staticmethod
    def names(n):
        """N bytes of words of a list."""
        return Lists.lines(n).replace("/", ".")

    def write_one(self, name, text, command):
        """COMMAND writes TEXT into the file NAME: taken whole (True), or refused aloud."""
        text_file = os.path.join(self.m.base, "text")
        write_file(text_file, text)
        got = self.m.sh(command.replace("FILE", name).replace("TEXT", text_file))
        where = f"{command}, {len(text)} characters into {name}: rc {got.rc} {got.err[:200]}"
        if got.err.strip():
            return False  # a loop goes on after an error, and ends well; but it was said
        self.assertEqual(got.rc, 0, f"failed without a word: {where}")
        self.assertEqual(read(self.file(name)), text if text.strip("\n") else "", where)
        return True

    def write_all(self, name, make, sizes=SIZES, writers=None):
        """Texts of all sizes by all writers: (how many were taken, how many refused)."""
        writers = self.WRITERS if writers is None else writers
        taken = []
        for size, command in itertools.product(sizes, writers.values()):
            write(self.file(name), "old\n")
            taken.append(self.write_one(name, make(size), command))
        return taken.count(True), taken.count(False)

    def test_lines_of_text(self):
        self.assertEqual(self.write_all("tasks/t/body", self.prose),
                         (len(SIZES) * len(self.WRITERS), 0))

    def test_text_written_line_by_line(self):
        sizes = [n for n in SIZES if n < 10000]
        self.assertEqual(self.write_all("tasks/t/body", self.prose, sizes, self.LINE_BY_LINE),
                         (len(sizes) * len(self.LINE_BY_LINE), 0))

    def test_a_text_of_many_bytes_a_character(self):
        """Cut inside a character by a buffer it is refused, and loudly; else it is whole."""
        taken, refused = self.write_all("tasks/t/result", self.unicode)
        self.assertGreater(taken, refused)

    def test_one_long_line(self):
        taken, refused = self.write_all("tasks/t/title", self.line)
        self.assertEqual(refused, 0)

    def test_lists(self):
        at_once = {k: self.WRITERS[k] for k in ("dd 64k", "cat", "cp", "python bytes")}
        for name in ("tasks/t/artifacts", "tasks/t/tags"):
            taken, refused = self.write_all(name, self.names)
            self.assertGreater(taken, refused)
            self.assertEqual(self.write_all(name, self.names, writers=at_once),
                             (len(SIZES) * len(at_once), 0))

    def test_what_is_too_large_is_refused_aloud(self):
        for make in (self.prose, self.unicode):
            for size in (65537 + 8, 70000, 131072, 1 << 20):
                taken, _ = self.write_all("tasks/t/body", make, sizes=(size,))
                self.assertEqual(taken, 0, f"{size} bytes")

    def test_needs(self):
        names = [f"n{i:02}" + "x" * 97 for i in range(90)]
        for n in names:
            self.m.task(n)
        for count in (1, 2, 40, 41, 90):
            text = "".join(f"{n}\n" for n in names[:count])
            for writer, command in {**self.WRITERS, **self.LINE_BY_LINE}.items():
                self.m.write("\n", "tasks", "t", "needs")
                if not self.write_one("tasks/t/needs", text, command):
                    self.assertGreater(len(text), 512 if "512" in writer else 4095, writer)

    def test_bash_printf_of_two_lines_is_two_writes_and_one_value(self):
        got = self.m.sh("printf 'a\\nb\\n' > tasks/t/artifacts && cat tasks/t/artifacts")
        self.assertEqual(got.out, "a\nb\n")
        got = self.m.sh("cat <<EOF >> tasks/t/artifacts\nc\nd\nEOF\ncat tasks/t/artifacts")
        self.assertEqual(got.out, "a\nb\nc\nd\n")

    def test_small_values_by_every_writer(self):
        values_of = {
            "tasks/t/value": "12.5", "tasks/t/kind": "daily", "tasks/t/ttl": "90m", "tasks/t/repo": "coordfs",
            "sessions/s/category": "fix", "sessions/s/outcome": "looked at it", "probes/p/command": "true",
            "probes/p/enabled": "0", "control/lease": "2h",
        }
        for name, text in values_of.items():
            for command in {**self.WRITERS, **self.LINE_BY_LINE}.values():
                self.m.write("\n", *name.split("/"))
                self.assertTrue(self.write_one(name, text + "\n", command), f"{command} {name}")

    def test_a_write_byte_by_byte_is_whole(self):
        for text in (self.prose(700), "x\ny\n"):
            fd = os.open(self.body, os.O_WRONLY)
            try:
                for b in text.encode():
                    os.write(fd, bytes([b]))
            finally:
                os.close(fd)
            self.assertEqual(read(self.body), text)


def write_file(path, text):
    with open(path, "w", encoding="utf-8", newline="") as f:
        f.write(text)


class Values(Text):
    """What each file takes."""

    GOOD = {
        "tasks/t/title": ["a title", "mit Umlauten: äöü €", "x" * 1000, "-", " lead and trail "],
        "tasks/t/body": ["one", "a\n\nb", "tab\there", "漢字"],
        "tasks/t/repo": ["coordfs", "a.b-c_d@e#f+g"],
        "tasks/t/lane": ["novelty-07-01", "a"],
        "tasks/t/value": ["0", "-3", "1e3", "0.5", "1000000000"],
        "tasks/t/cost": ["0", "1.5"],
        "tasks/t/kind": ["once", "standing", "daily"],
        "tasks/t/ttl": ["100ms", "90s", "30m", "2h", "1h30m", "30d"],
        "tasks/t/tags": ["a", "a\nb\nc"],
        "tasks/t/impact": ["0", "5", "2.5"],
        "tasks/t/readiness": ["0", "1", "0.3"],
        "sessions/s/category": ["self-review"],
        "sessions/s/outcome": ["did one thing"],
        "probes/p/timeout": ["100ms", "1h"],
        "probes/p/enabled": ["0", "1"],
        "probes/p/command": ["/bin/sh -c true", "a\nb"],
        "control/lease": ["100ms", "60m", "30d"],
        "control/recent": ["1s", "10d"],
        "control/verdict-interval": ["0s", "10s", "1d"],
        "control/estop": ["closed for the night"],
    }
    BAD = {
        "tasks/t/title": [("two\nlines", "EINVAL"), ("tab\t", "EINVAL"), ("bell\a", "EINVAL")],
        "tasks/t/body": [("nul\0", "EINVAL"), ("esc\x1b[1m", "EINVAL"), ("cr\r\n", "EINVAL")],
        "tasks/t/repo": [("a/b", "EINVAL"), ("branch", "EINVAL"), ("pr", "EINVAL"), ("a:b", "EINVAL"),
                         (".x", "EINVAL")],
        "tasks/t/lane": [("two words", "EINVAL"), ("x" * 129, "EINVAL"), ("a\nb", "EINVAL")],
        "tasks/t/value": [("x", "EINVAL"), ("1 2", "EINVAL"), ("nan", "EINVAL"), ("inf", "EINVAL"),
                          ("0x10", "EINVAL"), ("1,5", "EINVAL"), ("2e9", "ERANGE"), ("1e999", "EINVAL"),
                          (" 1", "EINVAL")],
        "tasks/t/cost": [("-1", "ERANGE")],
        "tasks/t/kind": [("weekly", "EINVAL"), ("once daily", "EINVAL"), ("ONCE", "EINVAL"), (" once", "EINVAL")],
        "tasks/t/ttl": [("90", "EINVAL"), ("1h 30m", "EINVAL"), ("-1s", "EINVAL"), ("99ms", "ERANGE"),
                        ("31d", "ERANGE"), ("30m1h", "EINVAL"), ("1.5h", "EINVAL"),
                        ("99999999999999999999d", "EINVAL")],
        "tasks/t/tags": [("two words", "EINVAL"), ("a\n\nb", "EINVAL"), ("a,b", "EINVAL"), (".x", "EINVAL")],
        "tasks/t/impact": [("5.1", "ERANGE"), ("-0.1", "ERANGE")],
        "tasks/t/readiness": [("1.01", "ERANGE")],
        "sessions/s/category": [("two words", "EINVAL")],
        "sessions/s/outcome": [("two\nlines", "EINVAL")],
        "probes/p/timeout": [("2h", "ERANGE"), ("soon", "EINVAL")],
        "probes/p/enabled": [("2", "EINVAL"), ("yes", "EINVAL"), ("01", "EINVAL")],
        "control/lease": [("99ms", "ERANGE"), ("0s", "ERANGE"), ("forever", "EINVAL")],
        "control/recent": [("999ms", "ERANGE")],
        "control/verdict-interval": [("2d", "ERANGE")],
        "control/limits": [("session-claims", "EINVAL"), ("session-claims x", "EINVAL"),
                           ("nosuch 3", "EINVAL"), ("session-claims 3 4", "EINVAL"),
                           ("session-claims -1", "EINVAL"), ("claim-artifacts 9999", "EINVAL")],
        "control/estop": [("two\nlines", "EINVAL")],
        "control/break": [("t", "EINVAL"), ("t 1", "EINVAL"), ("t x why", "EINVAL"), ("t 1 why", "ESTALE"),
                          ("nosuch 1 why", "ENOENT")],
    }

    def test_good_values_read_back_as_written(self):
        for name, texts in self.GOOD.items():
            for text in texts:
                with self.subTest(f"{name}: {text[:40]}"):
                    write(self.file(name), text + "\n")
                    self.assertEqual(read(self.file(name)), text + "\n")
                    self.assertEqual(os.stat(self.file(name)).st_size, len(text.encode()) + 1)
            write(self.file(name), "\n")

    def test_bad_values_change_nothing_and_say_why(self):
        for name, texts in self.BAD.items():
            before = None if name == "control/break" else read(self.file(name))
            for text, want in texts:
                with self.subTest(f"{name}: {text[:40]}"):
                    got = errno_of(write, self.file(name), text + "\n")
                    self.assertEqual(got, want)
                    self.assertWhy(self.m.read("why"), want, f"write {name}")
                    if before is not None:
                        self.assertEqual(read(self.file(name)), before)

    def test_what_is_not_utf8_is_eilseq(self):
        for name in ("tasks/t/title", "tasks/t/body", "tasks/t/artifacts", "sessions/s/outcome"):
            for data in (b"\xff\n", b"a\xc3\n", b"\xed\xa0\x80\n", b"\xc0\x80\n", b"\xf4\x90\x80\x80\n"):
                with self.subTest(f"{name}: {data}"):
                    self.refused("EILSEQ", write, self.file(name), data)
                    self.assertEqual(read(self.file(name)), "")

    def test_unset_settings_show_what_holds(self):
        for name, text in (("control/lease", "60m\n"), ("control/recent", "7d\n"),
                           ("control/verdict-interval", "10s\n"), ("probes/p/timeout", "30s\n"),
                           ("probes/p/enabled", "1\n"), ("control/estop", "")):
            self.assertEqual(read(self.file(name)), text)
        write(self.file("control/lease"), "5m\n")
        write(self.file("control/lease"), "\n")
        self.assertEqual(read(self.file("control/lease")), "60m\n")

    def test_limits_are_set_one_by_one_and_read_whole(self):
        path = self.file("control/limits")
        before = read(path)
        self.assertEqual([l.split()[0] for l in before.splitlines()],
                         ["session-claims", "uid-claims", "claim-artifacts", "wide-artifacts", "uid-mutexes", "uid-waiters",
                          "session-messages", "uid-messages"])
        write(path, "uid-claims 7\n")
        write(path, "session-claims 5\n", append=True)
        self.assertIn("session-claims 5\nuid-claims 7\n", read(path))
        write(path, read(path))
        self.assertIn("session-claims 5\nuid-claims 7\n", read(path))
        write(path, "\n")
        self.assertEqual(read(path), before)


class Sizes(Text):
    """Every size and every mode in the tree is true."""

    def furnish(self):
        """Something of everything."""
        m = self.m
        for name in ("idea", "ready", "held", "done", "need", "gone"):
            m.task(name, artifacts=[f"src/{name}", "doc/*.md"] if name != "gone" else [],
                   publish=name != "idea", title=f"The title: {name} äöü")
        m.task("blocked", needs=["need"], artifacts=["x"])
        for name in ("live", "ended", "finisher"):
            m.session(name)
        m.claim("finisher", "done")
        m.finish("finisher", "done")
        m.claim("live", "held")
        m.write("more/of-it\n", "sessions", "live", "claims", "held", append=True)
        errno_of(m.claim, "ended", "ready")
        os.rmdir(m.path("sessions", "ended"))
        os.rmdir(m.path("tasks", "gone"))
        m.write("true\n", "probes", "p", "command")
        m.write("a\nb\n", "tasks", "held", "tags")
        m.write("x" * 60000 + "\n", "tasks", "ready", "body")
        m.read("verdict")

    def tree(self):
        """Every path below the mount; wait/ too, which is not listed."""
        out = []
        for where in (self.m.dir, self.m.path("wait")):
            for path, dirs, files in os.walk(where):
                out += [os.path.join(path, n) for n in dirs + files]
        self.assertGreater(len(out), 200)
        return out

    def test_st_size_is_what_a_read_gives(self):
        self.furnish()
        n = 0
        for path in self.tree():
            st = os.lstat(path)
            if stat.S_ISLNK(st.st_mode):
                self.assertEqual(st.st_size, len(os.readlink(path)), path)
            elif stat.S_ISREG(st.st_mode) and not path.endswith("wait/events"):
                with open(path, "rb") as f:
                    data = f.read()
                    self.assertEqual(len(data), st.st_size, path)
                    self.assertEqual(os.fstat(f.fileno()).st_size, st.st_size, path)
                    self.assertTrue(not data or data.endswith(b"\n"), path)
                    data.decode()
                n += 1
        self.assertGreater(n, 100)

    def test_a_listing_with_attributes_gives_the_same_as_a_look_up(self):
        self.furnish()
        for path, _, _ in os.walk(self.m.dir):
            with os.scandir(path) as entries:
                for e in entries:
                    a, b = e.stat(follow_symlinks=False), os.lstat(e.path)
                    self.assertEqual((a.st_ino, a.st_mode, a.st_size, a.st_uid, a.st_mtime),
                                     (b.st_ino, b.st_mode, b.st_size, b.st_uid, b.st_mtime), e.path)
                    self.assertEqual(e.inode(), b.st_ino, e.path)
                    self.assertEqual(e.is_dir(follow_symlinks=False), stat.S_ISDIR(b.st_mode), e.path)

    def test_no_two_things_have_one_inode(self):
        self.furnish()
        seen = {}
        for path in self.tree():
            ino = os.lstat(path).st_ino
            self.assertNotIn(ino, seen, path)
            seen[ino] = path

    def test_times_are_those_of_what_is_shown(self):
        """Nothing is from 1970, nothing from the future."""
        self.furnish()
        now = os.stat(self.m.path("claims", "held")).st_mtime + 60
        for path in self.tree():
            st = os.lstat(path)
            if "archive" not in path:
                self.assertGreater(st.st_mtime, 1.6e9, path)
            self.assertLess(st.st_mtime, now, path)

    def test_modes_are_true_for_root_too(self):
        need_root()
        self.furnish()
        for path in self.tree():
            st = os.lstat(path)
            if not stat.S_ISREG(st.st_mode) or "/claims/" in path:
                continue  # opening a claim for writing asks for it
            got = errno_of(lambda p: os.close(os.open(p, os.O_WRONLY)), path)
            self.assertEqual(got, "ok" if st.st_mode & 0o222 else "EACCES", path)

    def test_claims_are_0666_so_that_anyone_may_try(self):
        self.furnish()
        for path in ("claims/held", "sessions/live/claims/held"):
            self.assertEqual(stat.S_IMODE(os.stat(self.file(path)).st_mode), 0o666)

    def test_another_user_can_read_whatever_shows_r_and_nothing_else(self):
        need_root()
        self.furnish()

        def look(paths):
            return [(p, st.st_mode, st.st_uid, errno_of(lambda: os.close(os.open(p, os.O_RDONLY))))
                    for p in paths for st in (os.lstat(p),) if stat.S_ISREG(st.st_mode)]

        paths = [p for p in self.tree() if not p.endswith("wait/events")]
        for path, mode, uid, got in as_uid(UID_A, look, paths):
            self.assertNotEqual(uid, UID_A)
            self.assertEqual(got, "ok" if mode & 0o004 else "EACCES", path)

    def test_sizes_follow_every_change(self):
        body = self.body
        for text in ("a\n", "abc\n", "\n", "x" * 5000 + "\n", "y\n"):
            write(body, text)
            self.assertEqual(os.stat(body).st_size, 0 if text == "\n" else len(text))
        fd = self.opened(body, os.O_RDONLY)
        write(body, "much longer than before\n")
        self.assertEqual(os.stat(body).st_size, 24)
        self.assertEqual(os.fstat(fd).st_size, 24)
        self.assertEqual(os.read(fd, 100), b"y\n", "content is fixed at open")


class Artifacts(Text):
    """Normalised, and compared: through the files, as an agent does."""

    def given(self, text, repo=None):
        self.m.write(f"{repo}\n" if repo else "\n", "tasks", "t", "repo")
        write(self.m.path("tasks", "t", "artifacts"), text + "\n")
        return self.m.read("tasks", "t", "artifacts")[:-1]

    def test_names_are_brought_to_one_spelling(self):
        for text, want in (("a", "a"), ("./a", "a"), ("a/", "a"), ("a//b", "a/b"), ("a/./b/", "a/b"),
                           ("././a", "a"), ("a/**", "a"), ("a/**/**/b", "a/**/b"), ("**", "**"),
                           ("a b/c d", "a b/c d"), ("./-x", "-x"), ("branch:fix-x", "branch:fix-x"),
                           ("pr:org/repo#12", "pr:org/repo#12"), ("topic:ci-flake", "topic:ci-flake"),
                           ("other-repo:./src//x/", "other-repo:src/x"), ("src/*.[ch]", "src/*.[ch]"),
                           ("ä/€", "ä/€"), ("...", "..."), ("a..b", "a..b")):
            with self.subTest(text):
                self.assertEqual(self.given(text), want)

    def test_one_name_in_two_spellings_is_one(self):
        self.assertEqual(self.given("a\n./a\na/\nb"), "a\nb")

    def test_what_is_no_artifact_is_refused(self):
        for text, want in (("..", "EINVAL"), ("a/../b", "EINVAL"), ("../a", "EINVAL"), ("a/..", "EINVAL"),
                           ("/", "EINVAL"), ("/etc/passwd", "EINVAL"), (".", "EINVAL"), ("./", "EINVAL"),
                           ("//", "EINVAL"), ("a\n\nb", "EINVAL"), ("a\tb", "EINVAL"), ("\x1b[1m", "EINVAL"),
                           ("a\x7f", "EINVAL"), ("a\u009b", "EINVAL"), (":a", "EINVAL"), ("a b:c", "EINVAL"),
                           (" a", "EINVAL"), ("[a", "EINVAL"), ("[z-a]", "EINVAL"), ("branch:", "EINVAL"),
                           ("a/" * 32 + "b", "ENAMETOOLONG"), ("x" * 4097, "ENAMETOOLONG")):
            with self.subTest(text[:40]):
                self.refused(want, write, self.m.path("tasks", "t", "artifacts"), text + "\n")
                self.assertWhy(self.m.read("why"), want, "write tasks/t/artifacts")
                self.assertEqual(self.m.read("tasks", "t", "artifacts"), "")

    def test_the_same_is_refused_where_a_claim_is_written(self):
        self.m.claim("s", "t")
        claim = self.m.path("sessions", "s", "claims", "t")
        for text in ("..", "a/../b", "/", "/etc/passwd", ".", "a\tb", "\x1b[1m", "a\x7f", "a\u009b", "[a",
                     "artifact ..", "nul\0"):
            with self.subTest(text):
                self.refused("EINVAL", write, claim, text + "\n", True)
        self.assertEqual(values(read(claim), "artifact"), [])

    def test_the_largest_are_taken(self):
        for text in ("x" * 4096, "/".join(["a"] * 32), "x" * 4000 + "/" + "y" * 95):
            self.assertEqual(self.given(text), text)
        self.assertEqual(os.stat(self.m.path("tasks", "t", "artifacts")).st_size, 4097)

    def test_a_claim_has_1024_artifacts_at_most(self):
        names = [f"a{i:04}" for i in range(1025)]
        path = self.m.path("tasks", "t", "artifacts")
        write(path, "".join(f"{n}\n" for n in names[:1024]))
        self.refused("EDQUOT", write, path, names[1024] + "\n", True)
        self.refused("EDQUOT", write, path, "".join(f"{n}\n" for n in names))
        self.m.claim("s", "t")
        claim = self.m.path("sessions", "s", "claims", "t")
        self.refused("EDQUOT", write, claim, names[1024] + "\n", True)
        write(claim, f"-{names[0]}\n{names[1024]}\n", append=True)
        self.assertEqual(len(values(read(claim), "artifact")), 1024)

    def test_a_claim_has_16_artifacts_without_a_literal_first_segment(self):
        path = self.m.path("tasks", "t", "artifacts")
        write(path, "".join(f"*{i:02}/x\n" for i in range(17)))
        self.refused("EDQUOT", self.m.claim, "s", "t")
        write(path, "".join(f"*{i:02}/x\n" for i in range(16)) + "src/*\n")
        self.m.claim("s", "t")
        claim = self.m.path("sessions", "s", "claims", "t")
        self.refused("EDQUOT", write, claim, "?x\n", True)
        write(claim, "doc/?x\n", append=True)

    def test_paths_are_in_the_tasks_repo_and_follow_it(self):
        self.assertEqual(self.given("src/x\nother:y\nme:z", repo="me"), "src/x\nother:y\nz")
        self.m.claim("s", "t")
        self.assertEqual([l.split()[0] for l in self.m.read("artifacts").splitlines()],
                         ["me:src/x", "me:z", "other:y"])
        self.m.release("s", "t")
        self.m.write("it\n", "tasks", "t", "repo")
        self.assertEqual(self.m.read("tasks", "t", "artifacts"), "src/x\nother:y\nz\n")
        self.m.claim("s", "t")
        self.assertEqual([l.split()[0] for l in self.m.read("artifacts").splitlines()],
                         ["it:src/x", "it:z", "other:y"])

    OVERLAP = [("a", "a"), ("a", "a/b"), ("a", "a/b/c/d"), ("a/*", "a/b"), ("a/*", "a"), ("a/?", "a/b"),
               ("a/**/c", "a/c"), ("a/**/c", "a/x/y/c"), ("**", "q"), ("**/x", "a/b/x"), ("*.c", "x.c"),
               ("a/*.c", "a/x.*"), ("a*", "*b"), ("a*c", "abc"), ("a/[xy]", "a/y"), ("[!a]", "b"),
               ("a/b*", "a/bc/d"), ("branch:x", "branch:x"), ("r:a", "r:a/b"), ("branch:*", "branch:y"),
               ("a/*/c", "a/b"), ("a/b*/**", "a/*c"), ("?", "ä"), ("pr:o/r#1", "pr:o")]
    APART = [("a", "b"), ("a", "ab"), ("a/b", "a/c"), ("a/b", "a/bc"), ("*.c", "x.h"), ("a?", "a"),
             ("a/*.c", "a/x.h"), ("a/?", "a/bc"), ("a*c", "abd"), ("branch:x", "branch:y"), ("branch:x", "x"),
             ("r:a", "a"), ("r:a", "q:a"), ("pr:o/r#1", "pr:o/r#12"), ("a/[xy]", "a/z"), ("[!a]", "a"),
             ("ab*", "ba*"), ("a/**/c", "b/c"), ("a/*/c", "a/b/d"), ("A", "a")]

    def claim_both(self, a, b):
        """What a claim of B meets while A is held."""
        self.m.task("x", artifacts=[a])
        self.m.task("y", artifacts=[b])
        self.m.session(f"s{self.turn}")
        self.m.session(f"r{self.turn}")
        token = self.m.claim(f"s{self.turn}", "x")
        got = errno_of(self.m.claim, f"r{self.turn}", "y")
        columns = self.m.column("x"), self.m.column("y")
        if got == "EBUSY":
            self.assertWhy(self.m.why(f"r{self.turn}"), "EBUSY", "task x", f"session s{self.turn}")
        listed = [l.split(" ")[0] for l in self.m.read("artifacts").splitlines()]
        for s in ("s", "r"):
            os.rmdir(self.m.path("sessions", f"{s}{self.turn}"))
        for t in ("x", "y"):
            os.rmdir(self.m.path("tasks", t))
        self.turn += 1
        return got, columns, token, listed

    def test_what_overlaps_is_not_held_twice_and_what_does_not_is(self):
        self.turn = 0
        for pairs, want, columns in ((self.OVERLAP, "EBUSY", ("claims", "blocked")),
                                     (self.APART, "ok", ("claims", "claims"))):
            for a, b in pairs + [(b, a) for a, b in pairs]:
                with self.subTest(f"{a} and {b}"):
                    got = self.claim_both(a, b)
                    self.assertEqual(got[:2], (want, columns))

    def test_guard_says_the_same(self):
        self.m.session("other")
        self.m.task("x", artifacts=["src/lib", "doc/*.md", "me:a", "branch:main", "with blank/x"])
        self.m.claim("other", "x")
        for path, args, rc in (
                ("src/lib/a.c", (), 1), ("src", (), 1), ("src/libx", (), 0), ("doc/a.md", (), 1),
                ("doc/a.txt", (), 0), ("doc/*.md", (), 1), ("doc/*.txt", (), 0), ("a", (), 0),
                ("a", ("--repo", "me"), 1), ("a/b", ("--repo", "me"), 1), ("me:a", (), 1),
                ("branch:main", (), 1), ("branch:mai", (), 0), ("with blank/x/y", (), 1),
                ("./src//lib/", (), 1), ("../x", (), 2), ("/etc/passwd", (), 2), ("", (), 2)):
            with self.subTest(f"{path} {args}"):
                got = self.m.tool("guard", "--check", *args, path)
                self.assertEqual(got.rc, rc, got.out + got.err)
                if rc == 1:
                    self.assertRegex(got.out, r"^.* held by x \(session other\) until \S+Z\n$")

    def test_guard_takes_ones_own_claims_for_ones_own(self):
        self.m.task("x", artifacts=["src"])
        self.m.claim("s", "x")
        self.assertEqual(self.m.tool("guard", "--check", "src/a", session="s").rc, 0)
        self.assertEqual(self.m.tool("guard", "--check", "src/a").rc, 1)

    def test_guard_looks_at_all_paths(self):
        self.m.task("x", artifacts=["b"])
        self.m.claim("s", "x")
        self.assertEqual(self.m.tool("guard", "--check", "a", "c").rc, 0)
        self.assertEqual(self.m.tool("guard", "--check", "a", "b", "c").rc, 1)
        self.assertEqual(self.m.tool("guard", "--check", "b", "../c").rc, 2)

    def test_guard_without_a_mount_cannot_tell(self):
        got = self.m.tool("guard", "--check", "--mount", "/tmp", "a")
        self.assertEqual(got.rc, 3, got.err)

    def test_the_list_of_artifacts_is_sorted_and_complete(self):
        for i, names in enumerate((["b/x", "a"], ["c", "b/y"], ["branch:z"])):
            self.m.task(f"x{i}", artifacts=names)
        for i in (2, 0, 1):
            self.m.claim("s", f"x{i}")
        lines = [l.split() for l in self.m.read("artifacts").splitlines()]
        self.assertEqual([l[:3] for l in lines], [
            ["a", "x0", "s"], ["b/x", "x0", "s"], ["b/y", "x1", "s"], ["c", "x1", "s"],
            ["branch:z", "x2", "s"]])
        for l in lines:
            self.assertRegex(l[3], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$")
