"""What one process did, the next process sees: after any reply, at once, whatever is cached."""
import contextlib
import os
import pickle
import struct
import subprocess
import traceback

from lib import Case, errno_of, read, value, values, write

ROUNDS = 1000


class Worker:
    """Another process that does as it is told, and says what came of it."""

    def __init__(self):
        ask_r, self.ask = os.pipe()
        self.answer, answer_w = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            os.close(self.ask)
            os.close(self.answer)
            self.serve(ask_r, answer_w)
        os.close(ask_r)
        os.close(answer_w)

    @staticmethod
    def send(fd, what):
        data = pickle.dumps(what)
        os.write(fd, struct.pack("I", len(data)) + data)

    @staticmethod
    def receive(fd):
        head = os.read(fd, 4)
        if not head:
            return None
        n, data = struct.unpack("I", head)[0], b""
        while len(data) < n:
            data += os.read(fd, n - len(data))
        return pickle.loads(data)

    def serve(self, r, w):
        status = 1
        try:
            kept = {}
            while True:
                order = self.receive(r)
                if order is None:
                    break
                fn, args = order
                try:
                    said = (True, globals()[fn](*args, **({"kept": kept} if fn.startswith("kept_") else {})))
                except Exception as e:  # pylint: disable=broad-except
                    e.__traceback__ = None
                    said = (False, e)
                self.send(w, said)
            status = 0
        except BaseException:  # pylint: disable=broad-except
            traceback.print_exc()
        finally:
            os._exit(status)

    def start(self, fn, *args):
        self.send(self.ask, (fn, args))

    def end(self):
        said = self.receive(self.answer)
        if said is None:
            raise AssertionError("the worker is gone")
        good, what = said
        if not good:
            raise what
        return what

    def do(self, fn, *args):
        self.start(fn, *args)
        return self.end()

    def close(self):
        os.close(self.ask)
        os.close(self.answer)
        os.waitpid(self.pid, 0)


# What workers can be told. Each is one look, with nothing read before.

def touch(path):
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT))


def put(path, text):
    write(path, text)


def append(path, text):
    fd = os.open(path, os.O_WRONLY | os.O_APPEND)
    try:
        os.write(fd, text.encode())
    finally:
        os.close(fd)


def rename(a, b):
    os.rename(a, b)


def unlink(path):
    os.unlink(path)


def mkdir(path):
    os.mkdir(path)


def rmdir(path):
    os.rmdir(path)


def get(path):
    return read(path)


def size(path):
    return os.stat(path).st_size


def see(path):
    """A name by every way to look: listed, found by stat, opened."""
    where, name = os.path.split(path)
    listed = name in os.listdir(where)
    with os.scandir(where) as entries:
        scanned = any(e.name == name and e.stat(follow_symlinks=False) for e in entries)
    stat = errno_of(os.lstat, path)
    opened = errno_of(lambda: os.close(os.open(path, os.O_RDONLY)))
    accessed = os.access(path, os.F_OK)
    ways = {listed, scanned, stat == "ok", opened == "ok", accessed}
    if len(ways) != 1:
        raise AssertionError(f"{path}: listed {listed}, scanned {scanned}, stat {stat}, open {opened}, "
                             f"access {accessed}")
    return listed


def look(path):
    """The same, the other way round: the cheapest look first, that may come from a cache."""
    if os.access(path, os.F_OK) != see(path):
        raise AssertionError(f"{path}: access and the rest differ")
    return see(path)


def kept_open(path, kept):
    if path in kept:
        os.close(kept[path])
    kept[path] = os.open(path, os.O_RDONLY)


def kept_size(path, kept):
    return os.fstat(kept[path]).st_size


def kept_list(path, name, kept):
    """Through a directory that has been open all the time."""
    fd = kept[path]
    listed = name in os.listdir(fd)
    try:
        os.stat(name, dir_fd=fd)
        found = True
    except FileNotFoundError:
        found = False
    if listed != found:
        raise AssertionError(f"{path}/{name}: listed {listed}, found {found}")
    return listed


def kept_time(path, kept):
    return os.fstat(kept[path]).st_mtime_ns


class Fresh(Case):
    def setUp(self):
        super().setUp()
        self.m.session("s")
        self.stack = contextlib.ExitStack()
        self.addCleanup(self.stack.close)
        self.writer, self.reader = self.worker(), self.worker()

    def _end(self):
        self.stack.close()
        super()._end()

    def worker(self):
        return self.stack.enter_context(contextlib.closing(Worker()))

    def sees(self, reader, want, *parts):
        self.assertEqual(reader.do("look", self.m.path(*parts)), want, parts)

    def test_a_claim_and_its_end(self):
        m = self.m
        m.task("t", artifacts=["src/t"])
        mine, board = m.path("sessions", "s", "claims", "t"), m.path("claims", "t")
        for i in range(ROUNDS // 2):
            self.writer.do("touch", mine)
            self.sees(self.reader, True, "claims", "t")
            self.sees(self.reader, False, "ready", "t")
            self.sees(self.reader, True, "sessions", "s", "claims", "t")
            claim = self.reader.do("get", board)
            self.assertEqual(value(claim, "session"), "s")
            self.assertEqual(self.reader.do("get", m.path("tasks", "t", "state")),
                             f"claimed s {value(claim, 'token')}\n")
            self.assertTrue(self.reader.do("get", m.path("artifacts")).startswith("src/t t s "))
            if i % 2:
                self.writer.do("unlink", mine)
            else:
                self.writer.do("rename", mine, m.path("ready", "t"))
            self.sees(self.reader, False, "claims", "t")
            self.sees(self.reader, True, "ready", "t")
            self.sees(self.reader, False, "sessions", "s", "claims", "t")
            self.assertEqual(self.reader.do("get", m.path("artifacts")), "")

    def test_names_that_come_and_go(self):
        m = self.m
        for i in range(ROUNDS // 4):
            name = f"t{i % 7}"
            self.sees(self.reader, False, "ideas", name)
            self.writer.do("mkdir", m.path("tasks", name))
            self.sees(self.reader, True, "ideas", name)
            self.sees(self.reader, True, "tasks", name, "title")
            self.writer.do("rename", m.path("ideas", name), m.path("ready", name))
            self.sees(self.reader, True, "ready", name)
            self.sees(self.reader, False, "ideas", name)
            self.writer.do("rmdir", m.path("tasks", name))
            self.sees(self.reader, False, "ready", name)
            self.assertEqual(self.reader.do("errno_size", m.path("tasks", name, "title")), "ENOENT")

    def test_sessions_that_begin_and_end(self):
        m = self.m
        for i in range(ROUNDS // 4):
            path = m.path("sessions", f"x{i}")
            self.writer.do("mkdir", path)
            self.assertIn(f"x{i}", os.listdir(m.path("sessions")))
            self.assertEqual(self.reader.do("get", path + "/state"), "live\n")
            self.writer.do("rmdir", path)
            self.assertEqual(self.reader.do("get", path + "/state"), "ended removed\n")
            self.assertEqual(self.reader.do("get", path + "/ended") == "-\n", False)

    def test_what_was_written_is_read_and_its_size_is_true(self):
        m = self.m
        m.task("t")
        path = m.path("tasks", "t", "body")
        for i in range(ROUNDS):
            text = f"{i}\n" * (1 + i * 7 % 50)
            self.writer.do("put", path, text)
            if i % 2:
                self.assertEqual(self.reader.do("size", path), len(text))
            self.assertEqual(self.reader.do("get", path), text)
            self.assertEqual(self.reader.do("size", path), len(text))

    def test_what_was_appended_is_there_and_counted(self):
        """A claim and its task are several files of one thing: each shows it at once."""
        m = self.m
        m.task("t")
        mine, board = m.path("sessions", "s", "claims", "t"), m.path("claims", "t")
        listed = m.path("tasks", "t", "artifacts")
        held = []
        for i in range(ROUNDS):
            if i % 50 == 0:
                self.writer.do("touch", mine)
            if i % 3 == 2 and held:
                line = f"-{held.pop()}\n"
            else:
                line = f"src/{i}\n"
                held.append(line[:-1])
            self.writer.do("append", mine, line)
            text = self.reader.do("get", board)
            self.assertEqual(values(text, "artifact"), held)
            self.assertEqual(self.reader.do("size", board), len(text))
            self.assertEqual(self.reader.do("size", listed), len(self.reader.do("get", listed)))
            if i % 50 == 49:
                self.writer.do("unlink", mine)
                m.write("\n", "tasks", "t", "artifacts")
                held = []

    def test_a_need_that_is_met_and_opened_again(self):
        m = self.m
        m.task("n")
        m.task("t", needs=["n"])
        for _ in range(ROUNDS // 4):
            self.sees(self.reader, True, "blocked", "t")
            self.writer.do("touch", m.path("sessions", "s", "claims", "n"))
            self.assertEqual(self.reader.do("get", m.path("blocked", "t")), "need n is in work\n")
            self.writer.do("rename", m.path("sessions", "s", "claims", "n"), m.path("done", "n"))
            self.sees(self.reader, True, "ready", "t")
            self.sees(self.reader, False, "blocked", "t")
            self.sees(self.reader, True, "done", "n")
            self.writer.do("rename", m.path("done", "n"), m.path("ready", "n"))

    def test_directories_and_files_that_were_open_all_the_time(self):
        """fstat of an open file, a listing of an open directory: no look-up freshens these."""
        m = self.m
        m.task("t")
        mine, board = m.path("sessions", "s", "claims", "t"), m.path("claims")
        self.reader.do("kept_open", board)
        self.reader.do("kept_open", m.path("ready"))
        for i in range(ROUNDS // 4):
            self.writer.do("touch", mine)
            self.assertTrue(self.reader.do("kept_list", board, "t"))
            self.assertFalse(self.reader.do("kept_list", m.path("ready"), "t"))
            for path in (mine, m.path("claims", "t"), m.path("tasks", "t", "artifacts"), m.path("tasks", "t")):
                self.reader.do("kept_open", path)
            sizes = []
            for n in range(3):
                self.writer.do("append", mine, f"src/{i}/{n}\n")
                sizes.append(self.reader.do("kept_size", m.path("claims", "t")))
                self.assertEqual(sizes[-1], self.reader.do("size", m.path("claims", "t")), f"append {n}")
                self.assertEqual(self.reader.do("kept_size", mine), sizes[-1])
                self.assertEqual(self.reader.do("kept_size", m.path("tasks", "t", "artifacts")),
                                 self.reader.do("size", m.path("tasks", "t", "artifacts")))
            self.assertEqual(len(set(sizes)), 3)
            self.writer.do("unlink", mine)
            m.write("\n", "tasks", "t", "artifacts")
            self.assertFalse(self.reader.do("kept_list", board, "t"))
            self.assertTrue(self.reader.do("kept_list", m.path("ready"), "t"))

    def test_the_log_has_what_happened_before_its_answer(self):
        m = self.m
        m.task("t")
        for i in range(ROUNDS // 4):
            self.writer.do("put", m.path("tasks", "t", "title"), f"title {i}\n")
            n = self.reader.do("size", m.path("events"))
            text = self.reader.do("get", m.path("events"))
            self.assertEqual(len(text.encode()), n)
            self.assertIn(f'"value":"title {i}"', text.splitlines()[-1])

    def test_many_pairs_at_once(self):
        """Each pair sees its own changes at once, whatever the others do meanwhile."""
        m, pairs = self.m, []
        for i in range(6):
            m.session(f"s{i}")
            m.task(f"t{i}", artifacts=[f"src/{i}"])
            pairs.append((self.worker(), self.worker(), m.path("sessions", f"s{i}", "claims", f"t{i}"), f"t{i}"))
        for n in range(ROUNDS // 5):
            for w, _, mine, _ in pairs:
                w.start("unlink" if n % 2 else "touch", mine)
            for w, r, _, t in pairs:
                w.end()
                r.start("look", m.path("claims", t))
            for _, r, mine, t in pairs:
                self.assertEqual(r.end(), n % 2 == 0, (n, t))
                r.start("look", mine)
            for _, r, _, t in pairs:
                self.assertEqual(r.end(), n % 2 == 0, (n, t))
                r.start("look", m.path("ready", t))
            for _, r, _, t in pairs:
                self.assertEqual(r.end(), n % 2 == 1, (n, t))

    def test_a_race_has_one_winner_and_all_see_it_at_once(self):
        m = self.m
        m.task("t")
        workers = []
        for i in range(6):
            m.session(f"s{i}")
            workers.append(self.worker())
        for n in range(ROUNDS // 10):
            for i, w in enumerate(workers):
                w.start("errno_touch", m.path("sessions", f"s{i}", "claims", "t"))
            said = [w.end() for w in workers]
            self.assertEqual(said.count("ok"), 1, said)
            self.assertEqual(set(said), {"ok", "EBUSY"})
            winner = said.index("ok")
            for w in workers:
                w.start("get", m.path("claims", "t"))
            self.assertEqual({value(w.end(), "session") for w in workers}, {f"s{winner}"}, f"round {n}")
            workers[winner].do("unlink", m.path("sessions", f"s{winner}", "claims", "t"))

    def test_shells_and_ls_see_the_same(self):
        """The real tools, each a new process."""
        m = self.m
        m.task("t")
        script = ("touch sessions/s/claims/t && ls claims && stat -c %n claims/t && ! ls ready | grep . && "
                  "echo src/$i >> sessions/s/claims/t && tail -1 claims/t && "
                  "[ $(stat -c %s claims/t) = $(wc -c < claims/t) ] && "
                  "[ $(ls -l claims/t | awk '{print $5}') = $(cat claims/t | wc -c) ] && "
                  "echo -src/$i >> sessions/s/claims/t && rm sessions/s/claims/t && ls ready && "
                  "! test -e claims/t && ! ls claims | grep .")
        for i in range(100):
            got = m.sh(script, env={"i": str(i)})
            self.assertEqual((got.rc, got.err), (0, ""), f"round {i}: {got.out}")
            self.assertEqual(got.out, f"t\nclaims/t\nartifact src/{i}\nt\n")

    def test_an_expired_lease_is_seen_by_whoever_has_seen_its_event(self):
        m = self.m
        m.write("200ms\n", "control", "lease")
        m.task("t")
        p = subprocess.Popen(["cat", m.path("wait", "events")], stdout=subprocess.PIPE, text=True)
        self.addCleanup(p.wait)
        self.addCleanup(p.kill)
        self.addCleanup(p.stdout.close)
        for i in range(5):
            m.session(f"x{i}")
            m.claim(f"x{i}", "t")
            for line in p.stdout:
                if '"event":"lost"' in line:
                    break
            self.sees(self.reader, True, "ready", "t")
            self.sees(self.reader, False, "claims", "t")


def errno_touch(path):
    return errno_of(touch, path)


def errno_size(path):
    return errno_of(size, path)
