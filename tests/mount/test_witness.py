"""A long quarrel of 16 clients, some killed, some stopped; then the log is asked whether
what each of them was told can be true. witness.py asks; fleet.py quarrels.

COORDFS_ROUNDS=1000 makes 100,000 acts of it (100 a round; 10,000 without).
"""
import collections
import os
import random
import time
import unittest

import fleet
import lib
import witness

ROUNDS = int(os.environ.get("COORDFS_ROUNDS") or 100)
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


if __name__ == "__main__":
    unittest.main()
