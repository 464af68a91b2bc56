"""kill -9 of the daemon at random points under load.

Clients write down what they are about to do and what the answer was. After each
kill the events must hold every acknowledged act, at most those beyond it whose
answer never came, and nothing that was refused.
"""
import collections
import errno
import json
import mmap
import os
import random
import signal
import struct
import time
import unittest

import lib

KILLS = int(os.environ.get("COORDFS_KILLS") or 8)
SEED = int(os.environ.get("COORDFS_SEED") or random.randrange(1 << 32))
WORKERS = 6
TASKS = 18
KILLS_A_STORE = 25  # a check replays all events: not too many of them
GONE = {errno.ENOTCONN, errno.ECONNABORTED, errno.ECONNREFUSED}

# The act a client makes, and the event it shows as.
EVENT = {"claim": "claim", "release": "release", "finish": "finish", "reopen": "reopen",
         "handover": "handover", "extend": "artifacts", "set": "set"}


def session(i):
    return f"w{i}"


class Worker:
    """One client: acts at random, as long as there is a mount. Runs in a child."""

    def __init__(self, mount, number, seed, journal, counter):
        self.m, self.number, self.journal, self.counter = mount, number, journal, counter
        self.random = random.Random(seed)
        self.me = session(number)
        self.round = seed
        self.acts = self.acked = 0

    def note(self, **what):
        os.write(self.journal, (json.dumps(what) + "\n").encode())

    def act(self, kind, fn, **what):
        """Do FN; what is written down before it, and after."""
        self.acts += 1
        name = f"{self.round}.{self.number}.{self.acts}"
        self.note(id=name, kind=kind, session=self.me, **what)
        try:
            fn(name)
        except OSError as e:
            if e.errno in GONE:
                raise
            self.note(id=name, refused=errno.errorcode[e.errno])
            return False
        self.note(id=name, acked=True)
        self.acked += 1
        self.counter[8 * self.number : 8 * self.number + 8] = struct.pack("q", self.acked)
        return True

    def path(self, *parts):
        return self.m.path("sessions", self.me, *parts)

    def claim(self, task):
        def touch(_):
            fd = os.open(self.path("claims", task), os.O_WRONLY | os.O_CREAT)
            os.close(fd)

        if self.act("claim", touch, task=task):
            token = int(lib.value(lib.read(self.path("claims", task)), "token"))
            self.note(token=token)

    def extend(self, task):
        def write(name):
            mine = [l for l in lib.values(lib.read(self.path("claims", task)), "artifact")
                    if l.startswith("extra/")]
            text = "".join(f"-{l}\n" for l in mine[:1]) + f"extra/{name}\n"
            lib.write(self.path("claims", task), text, append=True)

        self.act("extend", write, task=task)

    def handover(self, task):
        to = session((self.number + self.random.randrange(1, WORKERS)) % WORKERS)
        self.act("handover", lambda _: os.rename(self.path("claims", task),
                                                 self.m.path("sessions", to, "claims", task)),
                 task=task, to=to)

    def step(self):
        ready = os.listdir(self.m.path("ready")) + [f"t{self.random.randrange(TASKS)}"]
        any_task = self.random.choice(ready)
        held = os.listdir(self.path("claims"))
        task = self.random.choice(held or ready)
        dice = self.random.random()
        if dice < 0.45 or not held:
            self.claim(any_task)
        elif dice < 0.6:
            self.act("release", lambda _: os.unlink(self.path("claims", task)), task=task)
        elif dice < 0.7:
            self.act("finish", lambda _: os.rename(self.path("claims", task),
                                                   self.path("done", task)), task=task)
        elif dice < 0.8:
            self.extend(task)
        elif dice < 0.9:
            self.act("set", lambda name: lib.write(self.m.path("tasks", task, "title"), name),
                     task=task)
        else:
            self.handover(task)
        done = os.listdir(self.m.path("done"))
        if len(done) > TASKS / 4:
            again = self.random.choice(done)
            self.act("reopen", lambda _: os.rename(self.m.path("done", again),
                                                   self.m.path("ready", again)), task=again)

    def run(self):
        try:
            while True:
                self.step()
        except OSError as e:
            if e.errno not in GONE:
                raise


class Load:
    """The clients, while they run; and what they have written down so far."""

    def __init__(self, mount, journals):
        self.m, self.journals = mount, journals
        self.counter = mmap.mmap(-1, 8 * WORKERS)
        self.pids = []

    def start(self, seed):
        self.counter[:] = bytes(8 * WORKERS)
        for i in range(WORKERS):
            pid = os.fork()
            if not pid:
                self.child(i, seed)
            self.pids.append(pid)

    def child(self, i, seed):
        status = 1
        try:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            fd = os.open(self.journals[i], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
            Worker(self.m, i, seed, fd, self.counter).run()
            status = 0
        except BaseException as e:  # pylint: disable=broad-except
            print(f"client {i}: {e!r}", flush=True)
        finally:
            os._exit(status)

    def acked(self):
        return sum(struct.unpack(f"{WORKERS}q", self.counter[:]))

    def join(self):
        """Every client comes back from a dead daemon: none hangs."""
        statuses = []
        deadline = time.monotonic() + lib.PATIENCE
        while self.pids:
            pid, status = os.waitpid(self.pids[0], os.WNOHANG)
            if pid:
                statuses.append(os.waitstatus_to_exitcode(status))
                self.pids.pop(0)
            elif time.monotonic() > deadline:
                self.stop()
                raise AssertionError("a client hangs although the daemon is dead")
            else:
                time.sleep(0.001)
        return statuses

    def stop(self):
        for pid in self.pids:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
        self.pids = []


class Book:
    """What all clients wrote down: acts with their answers, and tokens seen."""

    def __init__(self, journals):
        self.acts, self.tokens = {}, []
        for path in journals:
            mine = []
            for line in lib.read(path).splitlines() if os.path.exists(path) else []:
                note = json.loads(line)
                if "token" in note:
                    mine.append(note["token"])
                elif "kind" in note:
                    self.acts[note["id"]] = note
                else:
                    self.acts[note["id"]].update(note)
            self.tokens.append(mine)

    def counts(self):
        """(acknowledged, never answered) of each (kind, session, task)."""
        sure, open_ = collections.Counter(), collections.Counter()
        for a in self.acts.values():
            key = (a["kind"], a["session"] if a["kind"] != "reopen" else "-", a["task"])
            if a.get("acked"):
                sure[key] += 1
            elif "refused" not in a:
                open_[key] += 1
        return sure, open_


class Kill9(unittest.TestCase):
    def setUp(self):
        self.random = random.Random(SEED)
        self.kills = self.acked = self.asked = 0

    def board(self):
        m = lib.Mount()
        self.addCleanup(m.discard)
        for i in range(WORKERS):
            m.session(session(i))
        for i in range(TASKS):  # each overlaps the one beside it
            m.task(f"t{i}", artifacts=[f"d{i // 2}" + ("/f" if i % 2 else ""), f"own/{i}.c"])
        return m

    def strike(self, m, load):
        """Load, and at a random moment the daemon is gone."""
        load.start(self.random.randrange(1 << 30))
        goal = self.random.randrange(1, 150)
        try:
            lib.wait_for(lambda: load.acked() >= goal, f"{goal} acts")
            for _ in range(self.random.randrange(2000)):
                pass
            signal.pidfd_send_signal(m.pidfd, signal.SIGKILL)
            m.wait_exit()
            self.assertEqual(set(load.join()), {0}, "a client met an error it should not")
            m.kill9()
        finally:
            load.stop()
        self.kills += 1

    def check_events(self, m, book):
        """Gapless; every acknowledged act is there, and none that was refused."""
        events = m.events()
        self.assertEqual([e["seq"] for e in events], list(range(1, len(events) + 1)))
        seen = collections.Counter()
        for e in events:
            for kind in (k for k, name in EVENT.items() if name == e["event"]):
                if kind == "set" and e["field"] != "title":
                    continue
                if kind == "extend" and not any("extra/" in a for a in e["added"]):
                    continue
                task = e["name"] if kind == "set" else e["task"]
                who = "-" if kind in ("reopen",) else e["session"]
                seen[kind, who, task] += 1
        return events, seen

    def check_acts(self, book, events, seen):
        sure, unsure = book.counts()
        titles = {e["value"] for e in events if e["event"] == "set" and e["field"] == "title"}
        extras = {a for e in events if e["event"] == "artifacts" for a in e["added"]}
        for name, a in book.acts.items():
            if a["kind"] == "set" and a.get("acked"):
                self.assertIn(name, titles)
            if a["kind"] == "extend" and a.get("acked"):
                self.assertTrue(any(x.endswith(f"extra/{name}") for x in extras), name)
        for key in set(sure) | set(seen):
            if key[0] in ("set", "extend"):
                continue  # each has a name of its own, looked for above
            self.assertLessEqual(sure[key], seen[key], f"{key}: acknowledged, and not there")
            self.assertLessEqual(seen[key], sure[key] + unsure[key], f"{key}: there, and refused")

    def check_claims(self, m):
        """A task is held if and only if all its artifacts are."""
        held = collections.defaultdict(set)
        for line in m.read("artifacts").splitlines():
            path, task, who, _ = line.split()
            held[task].add((path, who))
        claims = set(m.ls("claims"))
        self.assertEqual(claims, set(held))
        for task in claims:
            text = m.read("claims", task)
            who = lib.value(text, "session")
            wanted = m.read("tasks", task, "artifacts").splitlines()
            self.assertEqual({(a, who) for a in wanted}, held[task], task)
            self.assertEqual(sorted(lib.values(text, "artifact")), sorted(wanted))
            self.assertIn(task, m.ls("sessions", who, "claims"))

    def check_tokens(self, book, events, before):
        """Tokens rise for each client, are given once, and rise across the kill."""
        everybody = [t for mine in book.tokens for t in mine]
        for mine in book.tokens:
            self.assertEqual(mine, sorted(set(mine)))
        self.assertEqual(len(everybody), len(set(everybody)))
        issued = [e["token"] for e in events if e["event"] in ("claim", "handover")]
        self.assertEqual(issued, sorted(set(issued)))
        self.assertLessEqual(set(everybody), set(issued))
        new = set(everybody) - before
        if before and new:
            self.assertGreater(min(new), max(before))
        return set(everybody)

    def one_store(self, kills):
        m = self.board()
        journals = [os.path.join(m.base, f"journal{i}") for i in range(WORKERS)]
        load, tokens = Load(m, journals), set()
        for _ in range(kills):
            self.strike(m, load)
            m.check()
            m.hash()
            m.start()
            book = Book(journals)
            events, seen = self.check_events(m, book)
            self.check_acts(book, events, seen)
            self.check_claims(m)
            tokens = self.check_tokens(book, events, tokens)
        self.acked += sum(bool(a.get("acked")) for a in book.acts.values())
        self.asked += len(book.acts)
        m.close()

    def test_no_moment_for_it_loses_an_acknowledged_act_or_leaves_half_of_one(self):
        try:
            left = KILLS
            while left > 0:
                self.one_store(min(left, KILLS_A_STORE))
                left -= KILLS_A_STORE
        except BaseException:
            print(f"COORDFS_SEED={SEED}", flush=True)
            raise
        print(f"kill -9: {self.kills} times, {self.asked} acts, {self.acked} acknowledged")


if __name__ == "__main__":
    unittest.main()
