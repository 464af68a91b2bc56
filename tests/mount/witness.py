"""The witness-order checker: was what the clients were told a story that the log tells?

A history is two things. The log: the events, in the order in which they were
committed. The testimony: for each act of each client when it began, when it
returned (monotonic ns) and what was answered; no answer where the client was
killed. check() replays the log by itself, with a model of its own (its own
overlap too), and returns what is wrong, in words:

 1  the log alone: one live claim a task; claims that are live never overlap;
    tokens rise; only the live token ends or edits a claim; leases end in time
 2  each yes has its event, in the client's own order, of its session and task;
    each event of a client was answered yes, or was not answered
 3  real time: what had returned before another act began has the smaller number
 4  each refusal, and each thing read, was true at some moment while it was asked

An act without an answer may have happened, and may happen any time later.
"""
import bisect
import collections
import functools

GRACE_MS = 2  # what is rounded to milliseconds may be out by one, twice
PROMPT_MS = 5000  # a lease ends no later than this after its end
PATIENCE_MS = 5000  # for a machine that does other things as well
ENOUGH = 50  # complaints

# The event that the yes to an act shows as; an act that is not here makes none.
EVENT = {"claim": "claim", "release": "release", "finish": "finish", "handover": "handover",
         "extend": "artifacts", "reopen": "reopen", "break": "lost", "estop": "set",
         "register": "register"}


# --- overlap, the simple way ----------------------------------------------------


@functools.lru_cache(maxsize=None)
def segments_meet(a, b):
    """Is there a segment that both patterns (* and ?) match?"""
    if not a and not b:
        return True
    if a[:1] == "*" and (segments_meet(a[1:], b) or (b and segments_meet(a, b[1:]))):
        return True
    if b[:1] == "*" and (segments_meet(a, b[1:]) or (a and segments_meet(a[1:], b))):
        return True
    if not a or not b or "*" in (a[0], b[0]):
        return False
    return (a[0] == b[0] or "?" in (a[0], b[0])) and segments_meet(a[1:], b[1:])


def paths_meet(a, b):
    """A name covers what is below it: the shorter one's end is enough."""
    if not a or not b:
        return True
    if a[0] == "**":
        return paths_meet(a[1:], b) or paths_meet(a, b[1:])
    if b[0] == "**":
        return paths_meet(a, b[1:]) or paths_meet(a[1:], b)
    return segments_meet(a[0], b[0]) and paths_meet(a[1:], b[1:])


@functools.lru_cache(maxsize=None)
def overlap(a, b):
    """Do two artifacts, as the log writes them (SPACE:PATH), overlap?"""
    space_a, _, path_a = a.partition(":")
    space_b, _, path_b = b.partition(":")
    return space_a == space_b and paths_meet(tuple(path_a.split("/")), tuple(path_b.split("/")))


def in_log(name):
    """An artifact of a task without a repo, as the log writes it."""
    return name if ":" in name else f":{name}"


# --- the model -------------------------------------------------------------------


class Task:
    def __init__(self):
        self.state = "idea"
        self.artifacts = set()
        self.needs = []
        self.claim = None


class Claim:
    def __init__(self, e, session):
        self.token, self.session, self.pid, self.ttl = e["token"], session, e["pid"], e["ttl_ms"]
        self.lock = bool(e.get("lock"))  # by flock: as long as its descriptor is open
        self.since = e["at"]
        self.renewed = e["at"]  # ms, by the log: no lease ends sooner


class Act:
    """One act of one client. `answer` is "ok", an errno's name, or None: not known."""

    def __init__(self, pid, said):
        self.pid = pid
        self.kind, self.session, self.task = said["k"], said.get("s"), said.get("t")
        self.more = said
        self.start, self.end, self.answer, self.told = said["t0"], None, None, None
        self.seq = 0  # of its event
        self.low, self.high = 0, 0  # it was asked somewhere from behind `low` to before behind `high`

    def __str__(self):
        return (f"{self.kind} {self.task or ''} ({self.more.get('w', '-')}) by {self.session} pid {self.pid}:"
                f" {self.answer or 'no answer'}")


class Checker:
    def __init__(self, acts, events, wall_of, members):
        self.acts, self.events, self.wall_of = acts, events, wall_of
        self.members = members  # sessions whose leases processes may renew
        self.tasks = collections.defaultdict(Task)
        self.live = {}  # task: Claim
        self.known, self.ended = set(), set()  # sessions
        self.lost = {}  # (session, task): the token that it lost and does not have anew
        self.estop = False
        self.complaints = []
        self.token = self.seq = 0
        self.unreported = collections.defaultdict(set)  # session: tokens lost and not told yet
        self.touches = collections.defaultdict(list)  # session: those that were told yes
        self.waits = collections.defaultdict(list)  # task: acts that may stand in line
        self.acting = collections.defaultdict(list)  # session: (start, end) wall ms

    def complain(self, text):
        if len(self.complaints) < ENOUGH:
            self.complaints.append(text)

    # --- 1: the log alone

    def conflict(self, task, names):
        """The live claim of another task that one of NAMES overlaps: (task, mine, its)."""
        for other in self.live:
            if other == task:
                continue
            for theirs in self.tasks[other].artifacts:
                for mine in names:
                    if overlap(mine, theirs):
                        return other, mine, theirs
        return None

    def unmet(self, task):
        return [n for n in self.tasks[task].needs if self.tasks[n].state != "done"]

    def ready(self, task):
        t = self.tasks[task]
        return (t.state == "ready" and not t.claim and not self.unmet(task)
                and not self.conflict(task, t.artifacts))

    def event_draft(self, e):
        self.tasks[e["task"]] = Task()

    def event_publish(self, e):
        self.tasks[e["task"]].state = "ready"

    def event_set(self, e):
        if e["of"] == "task" and e["field"] == "needs":
            self.tasks[e["name"]].needs = list(e["value"] or [])
        if e["of"] == "control" and e["field"] == "estop":
            self.estop = bool(e["value"])

    def event_register(self, e):
        if e["session"] in self.known:
            self.complain(f"{e['seq']}: session {e['session']} is registered twice")
        self.known.add(e["session"])

    def event_end(self, e):
        self.ended.add(e["session"])
        for task, c in self.live.items():
            if c.session == e["session"]:
                self.complain(f"{e['seq']}: session {c.session} has ended and still holds {task}")

    def event_artifacts(self, e):
        t = self.tasks[e["task"]]
        if t.claim:
            self.must_be_live(e)
            hit = self.conflict(e["task"], e["added"])
            if hit:
                self.complain(f"{e['seq']}: {e['task']} is given {hit[1]}, which overlaps {hit[2]} of {hit[0]}")
        for name in e["given_up"]:
            t.artifacts.discard(name)
        t.artifacts.update(e["added"])

    def grant(self, e, session):
        t, token = self.tasks[e["task"]], e["token"]
        if t.claim:
            self.complain(f"{e['seq']}: {e['task']} is granted to {session}, but {t.claim.session} holds it"
                          f" with token {t.claim.token}")
        if token <= self.token:
            self.complain(f"{e['seq']}: token {token} comes after {self.token}")
        if session in self.ended:
            self.complain(f"{e['seq']}: {session} is granted {e['task']}, but it has ended")
        if set(e["artifacts"]) != t.artifacts:
            self.complain(f"{e['seq']}: {e['task']} is granted with {e['artifacts']}, but has {t.artifacts}")
        hit = self.conflict(e["task"], t.artifacts)
        if hit:
            self.complain(f"{e['seq']}: {e['task']} is granted with {hit[1]}, which overlaps {hit[2]} of {hit[0]},"
                          f" held by {self.live[hit[0]].session}")
        self.token = max(self.token, token)
        t.claim = self.live[e["task"]] = Claim(e, session)
        self.lost.pop((session, e["task"]), None)

    def event_claim(self, e):
        if self.estop:
            self.complain(f"{e['seq']}: {e['task']} is granted while estop is set")
        if self.tasks[e["task"]].state != "ready" or self.unmet(e["task"]):
            self.complain(f"{e['seq']}: {e['task']} is granted, but is {self.tasks[e['task']].state},"
                          f" and needs {self.unmet(e['task'])}")
        self.grant(e, e["session"])

    def must_be_live(self, e, token="token"):
        c = self.tasks[e["task"]].claim
        if not c or (c.token, c.session) != (e[token], e["session"]):
            held = f"{c.session} with token {c.token}" if c else "nobody"
            self.complain(f"{e['seq']}: {e['event']} of {e['task']} by {e['session']} with token {e[token]},"
                          f" but it is held by {held}")
            return None
        return c

    def drop(self, e, token="token"):
        c = self.must_be_live(e, token)
        self.tasks[e["task"]].claim = None
        self.live.pop(e["task"], None)
        return c

    def event_handover(self, e):
        self.drop(e, "from_token")
        self.grant(e, e["to"])

    def event_release(self, e):
        self.drop(e)

    def event_finish(self, e):
        self.drop(e)
        self.tasks[e["task"]].state = "done" if e["to"] == "done" else "ready"

    def event_lost(self, e):
        c = self.drop(e)
        if e["reason"] in ("expired", "broken"):
            self.lost[(e["session"], e["task"])] = e["token"]
            self.unreported[e["session"]].add(e["token"])
        if c and e["reason"] == "expired":
            self.check_lease(e, c)

    def check_lease(self, e, c):
        if c.lock:
            self.complain(f"{e['seq']}: {e['task']} is held by flock, and expires")
        if e["at"] + GRACE_MS < c.renewed + c.ttl:
            self.complain(f"{e['seq']}: the lease of {e['task']} ended {c.renewed + c.ttl - e['at']} ms early")
        for a in self.touches[c.session]:
            if a.start_ms >= c.since and a.end_ms <= e["at"] and e["at"] + GRACE_MS < a.start_ms + c.ttl:
                self.complain(f"{e['seq']}: the lease of {e['task']} ended"
                              f" {e['at'] - a.start_ms:.0f} ms after it was renewed by touch")
        sign = self.last_possible_sign(c, e["at"])
        if c.session not in self.members and e["at"] > sign + c.ttl + PROMPT_MS + PATIENCE_MS:
            self.complain(f"{e['seq']}: the lease of {e['task']} ended {e['at'] - sign - c.ttl:.0f} ms late")

    def last_possible_sign(self, c, at):
        """The latest moment not after AT at which an act of the session may have renewed."""
        latest = c.renewed
        acts = self.acting[c.session]
        i = bisect.bisect_right(acts, (at,))
        for start, end in acts[max(0, i - 40) : i]:
            latest = max(latest, min(end, at)) if start <= at else latest
        return latest

    def event_reported(self, e):
        self.unreported[e["session"]].discard(e["token"])

    def event_reopen(self, e):
        if self.tasks[e["task"]].state != "done":
            self.complain(f"{e['seq']}: {e['task']} is reopened, but it is not done")
        self.tasks[e["task"]].state = "ready"

    def apply(self, e):
        if e["seq"] != self.seq + 1 and self.seq:
            self.complain(f"event {e['seq']} comes after {self.seq}")
        self.seq = e["seq"]
        handler = getattr(self, "event_" + e["event"].replace("-", "_"), None)
        if handler:
            handler(e)
        if e["event"] in EVENT.values() and e["event"] != "lost":
            for c in self.live.values():  # whoever acts renews all he holds
                if c.session == e.get("session") and e.get("pid"):  # not a descriptor that was closed
                    c.renewed = max(c.renewed, e["at"])

    # --- 2: each yes has its event

    def is_event_of(self, act, e):
        if e["event"] != EVENT[act.kind]:
            return False
        if act.kind in ("reopen", "break"):
            return e["task"] == act.task
        if act.kind == "register":
            return e["session"] == act.session
        if act.kind == "estop":
            return e["field"] == "estop" and bool(e["value"]) == bool(act.more["on"])
        by_lock = act.more["w"] in ("lock", "wait")
        if act.kind == "claim" and bool(e.get("lock")) != by_lock:
            return False
        # whose session has ended locks all the same, as the process that it is
        if e["task"] != act.task or (e["session"] != act.session and not (by_lock and e["session"] == "-")):
            return False
        if act.kind == "handover":
            return e["to"] == act.more["to"]
        if act.kind == "extend" and act.more["w"] == "old" and e["token"] != act.more["token"]:
            return False
        if act.kind == "extend":
            return set(e["added"]) | set(e["given_up"]) <= {in_log(n) for n in act.more["names"]}
        return True

    @staticmethod
    def may_have(act):
        """Can it have an event, or none? A claim that was lost before it could be told is
        ESTALE (see check_lost_at_once)."""
        return act.answer is None or (act.kind == "claim" and act.answer == "ESTALE")

    def match(self):
        """Each client's acts and the events of its pid, both in their order."""
        mine = collections.defaultdict(list)
        pids = {a.pid for a in self.acts}
        switches = [a.pid for a in self.acts if a.kind == "estop"]
        for e in self.events:
            if e["event"] == "set" and e["field"] == "estop" and switches:
                mine[switches[0]].append(e)  # it does not say by whom: the one operator
            if e.get("pid") in pids and e["event"] in EVENT.values():
                if e["event"] != "lost" or e["reason"] == "broken":
                    mine[e["pid"]].append(e)
        todo = collections.defaultdict(list)
        for a in self.acts:
            if a.kind in EVENT and (a.answer == "ok" or self.may_have(a)) and a.more.get("w") != "unlock":
                todo[a.pid].append(a)
        for pid in pids:
            self.match_one(pid, todo[pid], mine[pid])

    def match_one(self, pid, acts, events):
        """Which acts are the events'? One without an answer may have none; so there may
        be several ways, of which one must do: from which places in ACTS could go on, and
        by way of which act they came there."""
        ways = [{0: None}]
        for e in events:
            here = {}
            for start in ways[-1]:
                for i in range(start, len(acts)):
                    if self.is_event_of(acts[i], e):
                        here.setdefault(i + 1, (start, i))
                    if not self.may_have(acts[i]):
                        break
            if not here:
                nexts = [acts[i] for i in ways[-1] if i < len(acts)]
                self.complain(f"{e['seq']}: pid {pid} was not told yes to {e}; it was told: {nexts and nexts[0]}")
                return
            ways.append(here)
        good = [i for i in ways[-1] if all(map(self.may_have, acts[i:]))]
        if not good:
            a = next(a for a in acts[max(ways[-1]):] if not self.may_have(a))
            self.complain(f"yes, but the log does not say so: {a}")
            return
        at = good[0]
        for e, here in zip(reversed(events), reversed(ways)):
            at, i = here[at]
            acts[i].seq = e["seq"]

    def match_unlocks(self):
        """By token: whoever closes a descriptor is not always known."""
        ends = {e["token"]: e for e in self.events if e["event"] in ("release", "finish", "lost")}
        ends.update({e["from_token"]: e for e in self.events if e["event"] == "handover"})
        for a in self.acts:
            if a.more.get("w") != "unlock" or a.answer != "ok":
                continue
            e = ends.get(a.more["token"])
            if not e:
                self.complain(f"yes, but the log does not say so: {a}")
            elif e["event"] == "release" and not e["pid"]:
                a.seq = e["seq"]

    # --- 3: real time

    def check_order(self):
        known = sorted((a for a in self.acts if a.seq), key=lambda a: a.seq)
        latest = None  # of those with smaller numbers, who began last
        for a in known:
            if latest and a.end is not None and a.end < latest.start:
                self.complain(f"{a.seq} had returned before {latest.seq} was called: {a}; {latest}")
            if not latest or a.start > latest.start:
                latest = a

    def windows(self):
        """Between which events was each answered act decided?"""
        ended = sorted((a.end, a.seq) for a in self.acts if a.seq and a.end is not None)
        began = sorted((a.start, a.seq) for a in self.acts if a.seq)
        lows, highs = [], []
        for _, seq in ended:
            lows.append(max(seq, lows[-1] if lows else 0))
        for _, seq in reversed(began):
            highs.append(min(seq, highs[-1] if highs else seq))
        highs.reverse()
        ends, starts = [t for t, _ in ended], [t for t, _ in began]
        first, last = self.events[0]["seq"], self.events[-1]["seq"]
        for a in self.acts:
            if a.answer is None:
                continue
            i = bisect.bisect_left(ends, a.start)
            a.low = max(lows[i - 1] if i else first, first)
            i = bisect.bisect_right(starts, a.end)
            a.high = max(highs[i] - 1 if i < len(highs) else last, a.low)

    def check_lost_at_once(self):
        ends = {e["token"]: e["seq"] for e in self.events if e["event"] in ("release", "finish", "lost")}
        for a in self.acts:
            if a.seq and a.answer == "ESTALE" and ends.get(a.seq, float("inf")) > a.high:
                self.complain(f"{a.seq}: was granted and held, but it was told no: {a}")

    # --- 4: was it so at some moment?

    def true_now(self, a, e, fresh):
        """Is A's answer right in this state, which E has just made (FRESH: while A was asked)?"""
        if a.kind == "touch" and a.answer == "EKEYEXPIRED":
            return fresh and e["event"] == "reported" and e["session"] == a.session
        if a.kind == "touch" and a.answer == "ok":
            return not self.unreported[a.session]
        if a.answer == "ok":
            return self.read_true(a)
        if a.answer == "EINTR":  # a signal: then it has not happened, which match() sees to
            return True
        if a.session and (a.session not in self.known or a.session in self.ended):
            if a.answer in ("ENOENT", "ESTALE", "EPERM", "ENOKEY"):
                return True
        t = self.tasks[a.task] if a.task else None
        ended_just_now = (fresh and e["event"] in ("lost", "release", "finish", "handover")
                          and e["task"] == a.task)
        if a.answer == "ESTALE" and (ended_just_now or (a.session, a.task) in self.lost):
            return True
        return getattr(self, "refused_" + a.kind)(a, t, ended_just_now)

    def read_true(self, a):
        c = self.tasks[a.task].claim
        return bool(c) and (c.token, c.session) == (a.told["token"], a.told["session"])

    def refused_look(self, a, t, _):
        mine = t.claim and (a.more["w"] == "name" or t.claim.session == a.session)
        return a.answer == "ENOENT" and not mine

    def refused_claim(self, a, t, _):
        why = a.answer
        if a.more["w"] in ("lock", "wait"):
            return self.refused_lock(a, t)
        if why in ("EBUSY", "EEXIST") and t.claim:
            return why == "EEXIST" or t.claim.session != a.session
        if why == "EEXIST":
            return t.state == "done"
        if why == "EBUSY":
            return bool(self.unmet(a.task) or self.conflict(a.task, t.artifacts))
        if why == "ENOENT":  # by mv: it was not in ready/
            return a.more["w"] == "mv" and not self.ready(a.task)
        return why == "EROFS" and self.estop

    def refused_lock(self, a, t):
        why, hit = a.answer, self.conflict(a.task, t.artifacts)
        blocker = t.claim or (self.live[hit[0]] if hit else None)
        if why == "EAGAIN":  # or others wait already
            return bool(blocker) or any(b.start < a.end and (b.end is None or b.end > a.start)
                                        for b in self.waits[a.task])
        if why == "EDEADLOCK":
            return any(c.session == a.session and not c.lock
                       and (task == a.task or self.conflict_of(a.task, task)) for task, c in self.live.items())
        if why == "EEXIST":
            return t.state == "done"
        if why == "EBUSY":
            return bool(self.unmet(a.task))
        return why == "EROFS" and self.estop

    def conflict_of(self, task, other):
        return any(overlap(x, y) for x in self.tasks[task].artifacts for y in self.tasks[other].artifacts)

    def not_mine(self, a, t):
        c = t.claim
        if a.answer == "ENOENT":
            return not c or (a.more["w"] != "name" and c.session != a.session)
        return a.answer == "EPERM" and bool(c) and (c.session != a.session or (c.lock and c.pid != a.pid))

    def refused_release(self, a, t, _):
        return self.not_mine(a, t)

    refused_finish = refused_release

    def refused_handover(self, a, t, _):
        to = a.more["to"]
        if a.answer == "EPERM" and t.claim and t.claim.lock:
            return True  # a descriptor is not handed over
        return self.not_mine(a, t) or to in self.ended or to not in self.known

    def refused_extend(self, a, t, _):
        if a.answer == "EBUSY":
            names = [in_log(n) for n in a.more["names"]]
            return bool(self.conflict(a.task, names)) or (bool(t.claim) and t.claim.session != a.session)
        if a.answer == "EEXIST":  # another worker of the session has just got it
            return bool(t.claim) and t.claim.session == a.session and t.claim.pid != a.pid
        if a.answer == "ESTALE" and a.more["w"] == "old":
            return not t.claim or t.claim.token != a.more["token"]
        if a.answer == "EPERM" and t.claim and t.claim.lock and t.claim.pid != a.pid:
            return True
        return self.not_mine(a, t)

    def refused_reopen(self, a, t, _):
        return a.answer == "ENOENT" and t.state != "done"

    def refused_break(self, a, t, _):
        return a.answer == "ESTALE" and (not t.claim or t.claim.token != a.more["token"])

    def refused_touch(self, *_):
        return False  # see true_now

    def refused_register(self, *_):
        return False

    refused_estop = refused_register

    @staticmethod
    def needs_a_moment(a):
        if a.answer is None or a.kind == "end":
            return False
        return a.answer != "ok" or a.kind in ("look", "touch")

    def replay(self):
        """The log from its beginning, and with it whatever needs a moment when it was true."""
        waiting = sorted((a for a in self.acts if self.needs_a_moment(a)), key=lambda a: a.low)
        waiting, active = collections.deque(waiting), []
        for e in self.events:
            self.apply(e)
            fresh = [a for a in active if not self.true_now(a, e, True)]
            active = []
            while waiting and waiting[0].low <= e["seq"]:
                a = waiting.popleft()
                if not self.true_now(a, e, False):
                    fresh.append(a)
            for a in fresh:
                if a.high <= e["seq"]:
                    self.complain(f"never so from {a.low} to {a.high}: {a} {a.told or ''}")
                else:
                    active.append(a)
        for a in active:
            self.complain(f"never so from {a.low} on: {a} {a.told or ''}")

    def run(self):
        for a in self.acts:
            if a.session:
                end = self.wall_of(a.end) if a.end is not None else float("inf")
                self.acting[a.session].append((self.wall_of(a.start), end))
            if a.kind == "touch" and a.answer == "ok":
                a.start_ms, a.end_ms = self.wall_of(a.start), self.wall_of(a.end)
                self.touches[a.session].append(a)
            if a.more.get("w") == "wait":
                self.waits[a.task].append(a)
        for acts in self.acting.values():
            acts.sort()
        self.match()
        self.match_unlocks()
        self.check_order()
        self.windows()
        self.check_lost_at_once()
        self.replay()
        return self.complaints


def check(acts, events, wall_of=lambda ns: ns / 1e6, members=()):
    """What is wrong with this history; [] when nothing is."""
    return Checker(acts, events, wall_of, set(members)).run()
