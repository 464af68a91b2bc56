"""A long quarrel of 16 clients, some killed, some stopped; then the log is asked whether
what each of them was told can be true. witness.py asks; fleet.py quarrels.

COORDFS_ROUNDS=1000 makes 100,000 acts of it (100 a round; 50 rounds without).
"""
import collections
import os
import pathlib
import random
import shutil
import subprocess
import tempfile
import time
import unittest
import unittest.mock

import fleet
import lib
import witness

ROUNDS = int(os.environ.get("COORDFS_ROUNDS") or 50)
SEED = int(os.environ.get("COORDFS_SEED") or random.randrange(1 << 32))


def history(m, acts, seed):
    """A quarrel on M: the fleet, its acts and the log."""
    fleet.setup(m, seed)
    f = fleet.Fleet(m, acts, seed, uid=lib.UID_A if os.geteuid() == 0 else None)
    f.run()
    return f, f.testimony(), m.events()


def wall_of():
    """From the clients' clock to the log's, in ms."""
    offset = time.time_ns() - time.monotonic_ns()
    return lambda ns: (ns + offset) / 1e6


class Quarrel(lib.Case):
    def test_what_16_clients_were_told_is_what_the_log_tells(self):
        began = time.monotonic()
        f, acts, events = history(self.m, 100 * ROUNDS, SEED)
        ran = time.monotonic() - began
        self.assertEqual(f.errors(), [])
        self.assertGreaterEqual(len(acts), 100 * ROUNDS)
        wrong = witness.check(acts, events, wall_of(), f.members)
        said = collections.Counter(a.answer or "unknown" for a in acts)
        kinds = collections.Counter(e["event"] for e in events)
        print(f"seed {SEED}: {len(acts)} acts in {ran:.1f} s ({len(acts) / ran:.0f}/s), {len(events)} events,"
              f" {f.kills} kills, {f.pauses} pauses, judged in {time.monotonic() - began - ran:.1f} s\n"
              f"  answers: {dict(said.most_common())}\n  events: {dict(kinds.most_common())}")
        self.assertEqual(wrong, [], f"seed {SEED}:\n" + "\n".join(wrong[:20]))
        for kind in ("claim", "release", "finish", "handover", "artifacts", "reopen", "lost", "late"):
            self.assertGreater(kinds[kind], 0, f"a quarrel without {kind} shows little")


class Renewal(lib.Case):
    """touch of the session against the end of its lease, and somebody who asks at that
    moment: one outcome or the other. 10 rounds for each of COORDFS_ROUNDS."""

    PAIRS = 8
    TTL = 0.1

    def client(self, name, slot):
        return fleet.Witness(self.m, self.m.base / f"{name}.{os.getpid()}", slot, 0)

    def move(self, w, s, task):
        w.act("claim", lambda: os.rename(self.m.path("ready", task), self.m.path("sessions", s, "claims", task)),
              s=s, t=task, w="mv")

    def rm(self, w, s, task):
        w.act("release", lambda: os.unlink(self.m.path("sessions", s, "claims", task)), s=s, t=task, w="path")

    def touch(self, w, s):
        w.act("touch", lambda: os.utime(self.m.path("sessions", s)), s=s)

    def holder(self, i, rounds, go, slot):
        w, rnd = self.client("a", slot), random.Random(SEED + i)
        for _ in range(rounds):
            self.move(w, f"a{i}", f"t{i}")
            at = time.monotonic() + self.TTL + rnd.uniform(-0.01, 0.03)
            os.write(go, f"{at:<32.6f}".encode())
            time.sleep(max(0, at - time.monotonic()))  # the moment is what is tested
            self.touch(w, f"a{i}")
            self.rm(w, f"a{i}", f"t{i}")

    def rival(self, i, go, slot):
        w = self.client("b", slot)
        while True:
            at = os.read(go, 32)
            if not at:
                return
            time.sleep(max(0, float(at) - time.monotonic()))
            self.move(w, f"b{i}", f"t{i}")
            self.rm(w, f"b{i}", f"t{i}")
            self.touch(w, f"b{i}")

    def fork(self, fn, *args, close=-1):
        pid = os.fork()
        if pid:
            return pid
        try:
            if close >= 0:
                os.close(close)
            fn(*args, memoryview(bytearray(8)))
        finally:
            os._exit(0)

    def test_one_outcome_or_the_other(self):
        m, pids, rounds = self.m, [], (10 * ROUNDS + self.PAIRS - 1) // self.PAIRS
        for i in range(self.PAIRS):
            m.session(f"a{i}"), m.session(f"b{i}")
            m.task(f"t{i}", ttl="100ms")
        for i in range(self.PAIRS):
            r, w = os.pipe2(os.O_CLOEXEC)
            pids += [self.fork(self.rival, i, r, close=w), self.fork(self.holder, i, rounds, w, close=r)]
            os.close(r), os.close(w)
        for pid in pids:
            os.waitpid(pid, 0)
        acts = fleet.testimony(m.base, "[ab].[0-9]*")
        wrong = witness.check(acts, m.events(), wall_of())
        said = collections.Counter(a.answer for a in acts if a.kind == "touch" and a.session[0] == "a")
        print(f"renewal against expiry, as it was told: {dict(said)}")
        self.assertEqual(wrong, [], "\n".join(wrong[:20]))
        self.assertGreater(min(said["ok"], said["EKEYEXPIRED"]), 0, "they never met")
        self.assertEqual(sum(said.values()), rounds * self.PAIRS)


# Builds that are broken on purpose: (file, what stands there, what is put in its place)
# and words of the complaint that must come.
BREAKS = {
    "overlap is not checked": (
        [("backend/conflict.c", "\tgot = find_at(stem, &w);\n", "\treturn 0;\n")], "which overlaps"),
    "a token is given twice": (
        [("backend/rules_claim.c", '"token", json_integer(tx->seq + 1))', '"token", json_integer((tx->seq + 1) | 15))'),
         ("backend/rules_claim.c", "\ttx->result->id = tx->seq + 1;\n", "\ttx->result->id = (tx->seq + 1) | 15;\n"),
         ("backend/sql.h", '"INSERT INTO grants(', '"INSERT OR REPLACE INTO grants(')], "comes after"),
    "anybody gives back anything": (
        [("backend/rules_claim.c", "if (got && !out->ended && out->session == s.id)", "if (got && !out->ended)")],
        "was not told yes to"),
    "a lease ends a little early": (
        [("backend/rules_lease.c", "Q(LEASE_DUE), I(tx->boot))", "Q(LEASE_DUE), I(tx->boot + 90))")],
        "ms early"),
    "what is told is not what is kept": (
        [("fs/claimfile.c", '"token %lld", (long long)g.token)', '"token %lld", (long long)g.token | 1)')],
        "never so"),
}


def broken_build(where, patches):
    """A copy of the sources with PATCHES, built; what was built already is not built again."""
    root = lib.ROOT
    for name in ("Makefile", "fs", "backend", "tools"):
        source = root / name
        (shutil.copytree if source.is_dir() else shutil.copy2)(source, where / name)
    for name in ("fs", "backend", "tools", "flags", "sources", "libcoordfs.a"):
        source = root / "build" / name
        if source.is_dir():
            shutil.copytree(source, where / "build" / name)
        elif source.exists():
            shutil.copy2(source, where / "build" / name)
    for name, old, new in patches:
        text = lib.read(where / name)
        if text.count(old) != 1:
            raise AssertionError(f"{name} has {text.count(old)} times {old!r}: what to break there now?")
        was = os.stat(where / name)
        (where / name).write_text(text.replace(old, new))
        if name == "backend/sql.h":  # the texts are in one object, the others need not be built again
            os.utime(where / name, ns=(was.st_atime_ns, was.st_mtime_ns))
            os.utime(where / "backend/sqlite.c")
    env = {k: v for k, v in os.environ.items() if not k.startswith("MAKE") and k != "SAN"}
    done = subprocess.run(["make", "-s", "build/coordfs"], cwd=where, env=env, capture_output=True, text=True,
                          check=False)
    if done.returncode:
        raise AssertionError(f"make: {done.stdout}{done.stderr}")
    return str(where / "build/coordfs")


class Broken(unittest.TestCase):
    """The checker can fail: it complains of builds that break what is promised."""

    def setUp(self):
        lib.need_tool("make", "gcc")
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="coordfs-broken-"))
        self.addCleanup(shutil.rmtree, self.dir, ignore_errors=True)

    def complaints(self, coordfs, acts):
        with unittest.mock.patch.object(lib, "COORDFS", coordfs):
            m = lib.Mount()
            try:
                f, told, events = history(m, acts, 7)
                return witness.check(told, events, wall_of(), f.members)
            finally:
                m.discard()

    def test_it_complains_of_each_broken_build(self):
        for what, (patches, words) in BREAKS.items():
            with self.subTest(what):
                where = self.dir / what.replace(" ", "-")
                where.mkdir()
                coordfs = broken_build(where, patches)
                for acts in (1000, 4000, 8000):  # what is broken need not happen in a short story
                    wrong = self.complaints(coordfs, acts)
                    if any(words in w for w in wrong):
                        break
                self.assertTrue([w for w in wrong if words in w], f"{what}: {wrong[:5]}")


if __name__ == "__main__":
    unittest.main()
