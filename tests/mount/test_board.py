"""The board: every task in exactly one column, after every change."""
import ctypes
import os
import random

from lib import Case, errno_of, read, value, values, wait_for, write

COLUMNS = ("ideas", "ready", "blocked", "claims", "done")
RENAME_NOREPLACE, RENAME_EXCHANGE, RENAME_WHITEOUT = 1, 2, 4
AT_FDCWD = -100


def renameat2(old, new, flags):
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.renameat2(AT_FDCWD, os.fsencode(old), AT_FDCWD, os.fsencode(new), flags):
        raise OSError(ctypes.get_errno(), "renameat2", old)


class Board(Case):
    def setUp(self):
        super().setUp()
        self.m.session("s")

    def mv(self, task, where, to):
        os.rename(self.m.path(where, task), self.m.path(to, task))

    def finish(self, task):
        self.m.claim("s", task)
        self.m.finish("s", task)

    def board(self):
        return {c: self.m.ls(c) for c in COLUMNS}

    def needs(self, task, *names):
        self.m.write("".join(f"{n}\n" for n in names) or "\n", "tasks", task, "needs")

    def blocked(self, task):
        return self.m.read("blocked", task).splitlines()


class Moves(Board):
    def test_a_drafted_task_is_an_idea_and_can_be_published_and_taken_back(self):
        self.m.task("t", publish=False)
        self.assertEqual(self.m.column("t"), "ideas")
        self.mv("t", "ideas", "ready")
        self.assertEqual(self.m.column("t"), "ready")
        self.mv("t", "ready", "ideas")
        self.assertEqual(self.m.column("t"), "ideas")

    def test_a_blocked_task_can_be_taken_back(self):
        self.m.task("n")
        self.m.task("t", needs=["n"])
        self.assertEqual(self.m.column("t"), "blocked")
        self.mv("t", "blocked", "ideas")
        self.assertEqual(self.m.column("t"), "ideas")

    def test_publishing_a_task_that_waits_puts_it_into_blocked(self):
        self.m.task("n", publish=False)
        self.m.task("t", needs=["n"], publish=False)
        self.mv("t", "ideas", "ready")
        self.assertEqual(self.m.column("t"), "blocked")

    def test_the_whole_life_of_a_task(self):
        self.m.task("t")
        self.m.claim("s", "t")
        self.assertEqual(self.m.column("t"), "claims")
        self.mv("t", "sessions/s/claims", "ready")
        self.assertEqual(self.m.column("t"), "ready")
        self.m.claim("s", "t")
        self.m.finish("s", "t")
        self.assertEqual(self.m.column("t"), "done")
        self.mv("t", "done", "ready")
        self.assertEqual(self.m.column("t"), "ready")
        kinds = [e["event"] for e in self.m.events() if e.get("task") == "t"]
        self.assertEqual(kinds, ["draft", "publish", "claim", "release", "claim", "finish", "reopen"])
        history = self.m.read("tasks", "t", "history").splitlines()
        self.assertEqual([l.split()[1] for l in history], kinds)

    def test_finishing_can_be_said_in_four_ways(self):
        for i, (a, b) in enumerate((("claims", "done"), ("claims", "sessions/s/done"),
                                    ("sessions/s/claims", "done"),
                                    ("sessions/s/claims", "sessions/s/done"))):
            t = self.m.task(f"t{i}")
            self.m.claim("s", t)
            got = self.m.sh(f"mv {a}/{t} {b}/", session="s")
            self.assertEqual(got.rc, 0, got.err)
            self.assertEqual(self.m.column(t), "done")
            self.assertIn(t, self.m.ls("sessions", "s", "done"))

    def test_a_standing_task_goes_back_to_ready_when_it_is_finished(self):
        self.m.task("t", kind="standing")
        self.finish("t")
        self.assertEqual(self.m.column("t"), "ready")
        self.assertIn("t", self.m.ls("sessions", "s", "done"))
        self.finish("t")
        self.assertEqual(self.m.column("t"), "ready")

    def test_a_daily_task_is_done_until_tomorrow(self):
        self.m.task("t", kind="daily")
        self.finish("t")
        self.assertEqual(self.m.column("t"), "done")
        due = self.m.events("finish")[-1]["due"]
        self.assertEqual(due % 86400000, 0)
        self.assertTrue(0 < due - self.m.events("finish")[-1]["at"] <= 86400000)

    def test_cancelling_takes_a_task_off_the_board(self):
        self.m.task("t")
        self.m.task("i", publish=False)
        for name in ("t", "i"):
            os.rmdir(self.m.path("tasks", name))
        self.assertEqual(self.board(), {c: [] for c in COLUMNS})
        self.assertEqual(self.m.ls("tasks"), [])
        self.refused("ENOENT", self.m.claim, "s", "t")
        self.m.task("t")  # the name is free: this is another task
        self.assertEqual(self.m.column("t"), "ready")
        self.assertEqual(len(self.m.read("tasks", "t", "history").splitlines()), 2)

    def test_a_held_or_finished_task_is_not_cancelled(self):
        self.m.task("t")
        self.m.claim("s", "t")
        self.refused("EBUSY", os.rmdir, self.m.path("tasks", "t"))
        self.m.finish("s", "t")
        self.refused("EPERM", os.rmdir, self.m.path("tasks", "t"))
        self.assertEqual(self.m.column("t"), "done")

    def test_a_task_that_is_there_is_not_drafted_again(self):
        self.m.task("t")
        self.refused("EEXIST", os.mkdir, self.m.path("tasks", "t"))

    def test_state_tells_column_holder_and_token(self):
        self.m.task("n")
        self.m.task("t", needs=["n"], publish=False)

        def state():
            return self.m.read("tasks", "t", "state").strip()

        self.assertEqual(state(), "idea")
        self.mv("t", "ideas", "ready")
        self.assertEqual(state(), "blocked")
        self.needs("t")
        self.assertEqual(state(), "ready")
        token = self.m.claim("s", "t")
        self.assertEqual(state(), f"claimed s {token}")
        self.m.finish("s", "t")
        self.assertEqual(state(), f"done s {token}")
        done = self.m.read("done", "t")
        self.assertEqual((value(done, "session"), value(done, "token")), ("s", str(token)))


class WrongMoves(Board):
    def every_column(self):
        """A task in each column: t-ideas, t-ready ..."""
        self.m.task("t-ideas", publish=False)
        self.m.task("t-ready")
        self.m.task("t-blocked", needs=["t-ideas"])
        self.m.task("t-claims")
        self.m.claim("s", "t-claims")
        self.m.task("t-done")
        self.finish("t-done")

    def test_moves_that_do_not_exist_are_refused_and_move_nothing(self):
        self.every_column()
        before = self.board()
        wrong = {
            ("ideas", "blocked"): "EPERM", ("ideas", "done"): "EPERM", ("ready", "blocked"): "EPERM",
            ("ready", "done"): "EPERM", ("blocked", "done"): "EPERM", ("blocked", "ready"): "EBUSY",
            ("claims", "ideas"): "EPERM", ("claims", "blocked"): "EPERM", ("done", "ideas"): "EPERM",
            ("done", "blocked"): "EPERM", ("done", "claims"): "EEXIST", ("ideas", "claims"): "ENOENT",
            ("blocked", "claims"): "EBUSY",
        }
        for (a, b), name in wrong.items():
            with self.subTest(f"{a} to {b}"):
                got = self.m.sh(f"mv {a}/t-{a} {b}/; cat why", session="s")
                self.assertWhy(got.out, name, f"mv {a}/t-{a}")
        self.assertEqual(self.board(), before)

    def test_a_task_is_not_moved_out_of_the_board(self):
        self.every_column()
        before = self.board()
        for a in COLUMNS:
            for b in ("tasks", "sessions", "control", "archive", "probes", "."):
                with self.subTest(f"{a} to {b}"):
                    got = errno_of(os.rename, self.m.path(a, f"t-{a}"), self.m.path(b, f"t-{a}"))
                    self.assertEqual(got, "EISDIR" if b == "tasks" else "EPERM")
            self.refused("EXDEV", os.rename, self.m.path(a, f"t-{a}"), f"/tmp/t-{a}")
        self.assertEqual(self.board(), before)

    def test_things_from_elsewhere_are_not_moved_onto_the_board(self):
        self.every_column()
        before = self.board()
        for what in ("tasks/t-ready", "sessions/s", "README", "tasks/t-ready/title"):
            for b in COLUMNS:
                name = os.path.basename(what)
                with self.subTest(f"{what} to {b}"):
                    self.assertIn(errno_of(os.rename, self.m.path(what), self.m.path(b, name)),
                                  ("EPERM", "EISDIR", "ENOTDIR"))
        self.assertEqual(self.board(), before)

    def test_a_move_keeps_the_name(self):
        self.every_column()
        before = self.board()
        for a, b in (("ideas", "ready"), ("ready", "claims"), ("claims", "done"), ("done", "ready"),
                     ("ready", "ready"), ("ideas", "ideas")):
            with self.subTest(f"{a} to {b}"):
                got = self.m.sh(f"mv {a}/t-{a} {b}/other; cat why", session="s")
                self.assertWhy(got.out, "EINVAL", f"mv {a}/t-{a}", "keeps the name")
        self.refused("EINVAL", os.rename, self.m.path("tasks", "t-ready"), self.m.path("tasks", "other"))
        self.refused("EINVAL", os.rename, self.m.path("sessions", "s"), self.m.path("sessions", "x"))
        self.assertEqual(self.board(), before)

    def test_exchanging_two_tasks_is_einval(self):
        self.every_column()
        before = self.board()
        path = self.m.path
        for a, b in (("ideas/t-ideas", "ready/t-ready"), ("ready/t-ready", "claims/t-claims"),
                     ("claims/t-claims", "done/t-done"), ("tasks/t-ready", "tasks/t-claims")):
            self.refused("EINVAL", renameat2, path(a), path(b), RENAME_EXCHANGE)
        self.refused("EINVAL", renameat2, path("ready/t-ready"), path("claims/t-ready"), RENAME_WHITEOUT)
        self.assertEqual(self.board(), before)

    def test_noreplace_is_no_obstacle(self):
        self.m.task("t", publish=False)
        renameat2(self.m.path("ideas", "t"), self.m.path("ready", "t"), RENAME_NOREPLACE)
        self.assertEqual(self.m.column("t"), "ready")

    def test_rm_ends_a_claim_and_nothing_else(self):
        self.every_column()
        for a in ("ideas", "ready", "blocked", "done"):
            with self.subTest(a):
                got = self.m.sh(f"rm -f {a}/t-{a}; cat why", session="s")
                self.assertWhy(got.out, "EPERM", f"rm {a}/t-{a}")
                self.assertEqual(self.m.column(f"t-{a}"), a)
        self.refused("EPERM", os.unlink, self.m.path("sessions", "s", "done", "t-done"))
        self.refused("ENOENT", os.unlink, self.m.path("claims", "t-ready"))
        os.unlink(self.m.path("sessions", "s", "claims", "t-claims"))
        self.assertEqual(self.m.column("t-claims"), "ready")

    def test_nothing_is_made_in_the_columns_but_claims(self):
        for column in ("ideas", "ready", "blocked", "done", "sessions/s/done", "tasks", "sessions",
                       "control", "archive", "probes", "."):
            path = self.m.path(column, "x")
            with self.subTest(column):
                flags = os.O_WRONLY | os.O_CREAT
                self.refused("EPERM", os.open, path, flags)
                self.refused("EPERM", os.open, path, flags | os.O_EXCL)
                self.refused("EPERM", os.symlink, "x", path)
                self.refused("EPERM", os.mkfifo, path)
                self.refused("EPERM", os.link, self.m.path("README"), path)
                if column not in ("tasks", "sessions", "probes"):
                    self.refused("EPERM", os.mkdir, path)
        self.refused("EPERM", os.mkdir, self.m.path("claims", "x"))
        self.refused("EPERM", os.symlink, "x", self.m.path("claims", "x"))

    def test_fixed_directories_are_fixed(self):
        self.m.task("t")
        for name in ("claims", "ready", "done", "ideas", "blocked", "tasks", "sessions", "control",
                     "archive", "probes", "sessions/s/claims", "sessions/s/done", "tasks/t", "."):
            path = self.m.path(name)
            with self.subTest(name):
                self.refused("EPERM", os.utime, path)
                if name == ".":
                    continue
                if name != "tasks/t":
                    self.assertIn(errno_of(os.rmdir, path), ("EPERM",))
                self.refused("EINVAL", os.rename, path, path + "x")
        self.assertNotEqual(self.m.sh('touch claims/$t', session="s").rc, 0)
        self.assertEqual(self.m.sh('rm -rf claims tasks/t 2>/dev/null; ls claims').rc, 0)


class Needs(Board):
    def test_a_task_waits_for_what_it_needs(self):
        self.m.task("n")
        self.m.task("t", needs=["n"])
        self.assertEqual(self.m.column("t"), "blocked")
        self.assertEqual(self.blocked("t"), ["need n is not done"])
        self.refused("EBUSY", self.m.claim, "s", "t")
        self.assertWhy(self.m.why("s"), "EBUSY", "t needs n")
        self.finish("n")
        self.assertEqual(self.m.column("t"), "ready")
        self.assertEqual(read(self.m.path("ready", "t")), "task t\nneed n\n")

    def test_each_need_that_is_not_met_is_a_line_with_how_it_stands(self):
        for name in ("idea", "open", "work", "gone", "met"):
            self.m.task(name, publish=name != "idea")
        self.m.task("t", needs=["idea", "open", "work", "gone", "met"])
        self.m.claim("s", "work")
        os.rmdir(self.m.path("tasks", "gone"))
        self.finish("met")
        self.assertEqual(self.blocked("t"), [
            "need idea is not published", "need open is not done", "need work is in work",
            "need gone is cancelled"])

    def test_a_cancelled_need_blocks_until_it_is_taken_out(self):
        self.m.task("n")
        self.m.task("t", needs=["n"])
        os.rmdir(self.m.path("tasks", "n"))
        self.refused("EBUSY", self.m.claim, "s", "t")
        self.assertWhy(self.m.why("s"), "EBUSY", "t needs n", "cancelled")
        self.needs("t")
        self.assertEqual(self.m.column("t"), "ready")

    def test_a_need_drafted_anew_counts(self):
        self.m.task("n")
        self.m.task("t", needs=["n"])
        os.rmdir(self.m.path("tasks", "n"))
        self.m.task("n")
        self.assertEqual(self.blocked("t"), ["need n is not done"])
        self.finish("n")
        self.assertEqual(self.m.column("t"), "ready")

    def test_an_unknown_need_is_enoent_and_changes_nothing(self):
        self.m.task("n")
        self.m.task("t", needs=["n"])
        self.refused("ENOENT", self.needs, "t", "n", "nosuch")
        self.assertEqual(self.m.read("tasks", "t", "needs"), "n\n")
        got = self.m.sh("/bin/echo nosuch > tasks/t/needs; cat why")
        self.assertWhy(got.out, "ENOENT", "nosuch", "mkdir tasks/")

    def test_a_circle_is_eloop(self):
        for name in ("a", "b", "c", "d"):
            self.m.task(name)
        self.refused("ELOOP", self.needs, "a", "a")
        self.needs("a", "b")
        self.refused("ELOOP", self.needs, "b", "a")
        self.needs("b", "c")
        self.needs("c", "d")
        self.refused("ELOOP", self.needs, "d", "a")
        self.refused("ELOOP", self.needs, "d", "b")
        got = self.m.sh("/bin/echo a >> tasks/d/needs; cat why")
        self.assertWhy(got.out, "ELOOP", "a")
        self.assertEqual(self.m.read("tasks", "d", "needs"), "")
        self.needs("a", "d")  # no circle: a needs d by two ways

    def test_a_long_circle_is_found(self):
        for i in range(300):
            self.m.task(f"t{i}", publish=False)
            if i:
                self.needs(f"t{i}", f"t{i - 1}")
        self.refused("ELOOP", self.needs, "t0", "t299")
        self.assertEqual(self.m.read("tasks", "t0", "needs"), "")

    def test_a_need_that_is_reopened_blocks_again(self):
        self.m.task("n")
        self.m.task("t", needs=["n"])
        self.finish("n")
        self.mv("n", "done", "ready")
        self.assertEqual(self.m.column("t"), "blocked")
        self.finish("n")
        self.m.claim("s", "t")  # now it is held: a need that opens does not take it away
        self.mv("n", "done", "ready")
        self.assertEqual(self.m.column("t"), "claims")
        self.m.release("s", "t")
        self.assertEqual(self.m.column("t"), "blocked")

    def test_needs_are_added_and_taken_out_by_writing(self):
        for name in ("a", "b", "t"):
            self.m.task(name)
        self.m.write("a\n", "tasks", "t", "needs", append=True)
        self.m.write("b\n", "tasks", "t", "needs", append=True)
        self.m.write("a\n", "tasks", "t", "needs", append=True)  # it is there
        self.assertEqual(self.m.read("tasks", "t", "needs"), "a\nb\n")
        n = len(self.m.events())
        self.m.write("b\n", "tasks", "t", "needs", append=True)
        self.m.write("a\nb\n", "tasks", "t", "needs")
        self.assertEqual(len(self.m.events()), n, "lines that are there already are no event")
        self.needs("t", "b")
        self.assertEqual(self.blocked("t"), ["need b is not done"])
        self.needs("t")
        self.assertEqual(self.m.column("t"), "ready")

    def test_artifacts_of_a_live_claim_are_a_reason_too(self):
        self.m.task("h", artifacts=["src/x", "doc"])
        self.m.task("t", artifacts=["src", "doc/a", "free"])
        self.m.task("far", artifacts=["other"])
        self.m.claim("s", "h")
        lines = self.blocked("t")
        self.assertEqual(len(lines), 2)
        self.assertRegex(lines[0], r"^artifact src overlaps src/x of h, held by session s until \S+Z$")
        self.assertRegex(lines[1], r"^artifact doc/a overlaps doc of h, held by session s until ")
        self.assertEqual(self.m.column("far"), "ready")
        self.m.write("-src/x\n-doc\n", "sessions", "s", "claims", "h", append=True)
        self.assertEqual(self.m.column("t"), "ready")
        self.m.write("free/y\n", "sessions", "s", "claims", "h", append=True)
        self.assertEqual(self.m.column("t"), "blocked")
        self.m.release("s", "h")
        self.assertEqual(self.m.column("t"), "ready")


class Archive(Board):
    def today(self, task):
        at = value(self.m.read("done", task), "finished")
        return at[:10]

    def test_what_is_done_is_in_the_archive_of_its_day_as_a_link_that_leads_there(self):
        self.m.task("t")
        self.finish("t")
        day = self.today("t")
        self.assertIn(day, self.m.ls("archive"))
        link = self.m.path("archive", day, "done", "t")
        self.assertEqual(os.readlink(link), "../../../done/t")
        self.assertEqual(os.lstat(link).st_size, len(os.readlink(link)))
        self.assertEqual(read(link), self.m.read("done", "t"))
        self.assertTrue(os.path.samefile(link, self.m.path("done", "t")))

    def test_an_ended_session_is_in_the_archive_of_its_day(self):
        os.rmdir(self.m.path("sessions", "s"))
        day = self.m.read("sessions", "s", "ended")[:10]
        link = self.m.path("archive", day, "sessions", "s")
        self.assertEqual(os.readlink(link), "../../../sessions/s")
        self.assertEqual(read(os.path.join(link, "state")), "ended removed\n")
        self.assertEqual(self.m.ls("archive", day, "sessions"), ["s"])

    def test_there_are_no_other_days(self):
        self.assertEqual(self.m.ls("archive"), [])
        for name in ("2001-01-01", "2026-02-30", "today", "9999-12-31", "1970-01-01", "0", "-1"):
            self.refused("ENOENT", os.stat, self.m.path("archive", name))

    def test_a_day_shows_who_owns_it_and_when_it_began(self):
        self.m.task("t")
        self.finish("t")
        day = self.today("t")
        st = os.stat(self.m.path("archive", day))
        self.assertEqual(st.st_uid, os.stat(self.m.path("archive")).st_uid)
        self.assertEqual(st.st_mtime % 86400, 0)
        self.assertGreater(st.st_mtime, 0)

    def test_the_archive_is_not_written(self):
        self.m.task("t")
        self.finish("t")
        day = self.today("t")
        self.refused("EPERM", os.unlink, self.m.path("archive", day, "done", "t"))
        self.refused("EPERM", os.mkdir, self.m.path("archive", "2001-01-01"))
        self.refused("EPERM", os.rmdir, self.m.path("archive", day))

    def test_listings_show_the_recent_and_a_name_finds_all(self):
        self.m.task("t")
        self.finish("t")
        self.m.session("old")
        os.rmdir(self.m.path("sessions", "old"))
        self.m.write("1s\n", "control", "recent")
        wait_for(lambda: "t" not in self.m.ls("done") and "old" not in self.m.ls("sessions"),
                 "the recent to grow old")
        self.assertEqual(value(self.m.read("done", "t"), "task"), "t")
        self.assertEqual(self.m.read("sessions", "old", "state"), "ended removed\n")
        self.assertIn("s", self.m.ls("sessions"), "a live session is always listed")
        day = self.today("t")
        self.assertEqual(self.m.ls("archive", day, "done"), ["t"])
        self.assertEqual(self.m.ls("archive", day, "sessions"), ["old"])
        self.m.write("1d\n", "control", "recent")
        self.assertIn("t", self.m.ls("done"))
        self.assertIn("old", self.m.ls("sessions"))


class Model:
    """What the board must be, in Python: the rules of claims, needs and literal artifacts."""

    def __init__(self):
        self.tasks = {}  # name -> {state, needs, artifacts, holder}
        self.gone = set()

    @staticmethod
    def overlap(a, b):
        return a == b or a.startswith(b + "/") or b.startswith(a + "/")

    def unmet(self, t):
        return [n for n in self.tasks[t]["needs"]
                if n not in self.tasks or self.tasks[n]["state"] != "done"]

    def conflicts(self, t, artifacts=None):
        mine = self.tasks[t]["artifacts"] if artifacts is None else artifacts
        return any(self.overlap(a, b) for o, task in self.tasks.items()
                   if o != t and task["holder"] for a in mine for b in task["artifacts"])

    def column(self, t):
        task = self.tasks[t]
        if task["holder"]:
            return "claims"
        if task["state"] in ("ideas", "done"):
            return task["state"]
        return "blocked" if self.unmet(t) or self.conflicts(t) else "ready"

    def reaches(self, a, b):
        seen, todo = set(), [a]
        while todo:
            x = todo.pop()
            if x == b:
                return True
            if x not in seen and x in self.tasks:
                seen.add(x)
                todo += self.tasks[x]["needs"]
        return False

    def board(self):
        out = {c: [] for c in COLUMNS}
        for t in sorted(self.tasks):
            out[self.column(t)].append(t)
        return out


class Walk(Board):
    """Random changes, the board compared with the model after each."""

    NAMES = [f"t{i}" for i in range(7)]
    PATHS = ["a", "a/b", "a/b/c", "a/d", "e", "e/f", "b", "ab"]
    SESSIONS = ["s", "r"]

    def draft(self, model, t):
        if t in model.tasks:
            want = "EEXIST"
        else:
            want = "ok"
            model.tasks[t] = {"state": "ideas", "needs": [], "artifacts": [], "holder": None}
        return want, lambda: os.mkdir(self.m.path("tasks", t))

    def cancel(self, model, t):
        task = model.tasks.get(t)
        if not task:
            want = "ENOENT"
        elif task["holder"]:
            want = "EBUSY"
        elif task["state"] == "done":
            want = "EPERM"
        else:
            want = "ok"
            del model.tasks[t]
        return want, lambda: os.rmdir(self.m.path("tasks", t))

    def move(self, model, t, a, b, change):
        """A move from where it stands to B; from elsewhere there is nothing to move."""
        task = model.tasks.get(t)
        if not task or model.column(t) != a:
            return "ENOENT", lambda: self.mv(t, a, b)
        task.update(change)
        return "ok", lambda: self.mv(t, a, b)

    def publish(self, model, t):
        return self.move(model, t, "ideas", "ready", {"state": "published"})

    def unpublish(self, model, t):
        a = random.choice(["ready", "blocked"])
        return self.move(model, t, a, "ideas", {"state": "ideas"})

    def reopen(self, model, t):
        return self.move(model, t, "done", "ready", {"state": "published"})

    def claim(self, model, t):
        s = random.choice(self.SESSIONS)
        task = model.tasks.get(t)
        if not task or (task["state"] == "ideas" and not task["holder"]):
            want = "ENOENT"
        elif task["holder"]:
            want = "EEXIST" if task["holder"] == s else "EBUSY"
        elif task["state"] == "done":
            want = "EEXIST"
        elif model.column(t) == "blocked":
            want = "EBUSY"
        else:
            want = "ok"
            task["holder"] = s
        fd_flags = os.O_WRONLY | os.O_CREAT
        return want, lambda: os.close(os.open(self.m.path("sessions", s, "claims", t), fd_flags))

    def end(self, model, t):
        s = random.choice(self.SESSIONS)
        to = random.choice(["done", "ready", "rm"])
        task = model.tasks.get(t)
        if not task or task["holder"] != s:
            want = "ENOENT"  # in that session's claims
        else:
            want = "ok"
            task["holder"] = None
            task["state"] = "done" if to == "done" else "published"
        path = self.m.path("sessions", s, "claims", t)
        if to == "rm":
            return want, lambda: os.unlink(path)
        return want, lambda: os.rename(path, self.m.path(to, t))

    def hand_over(self, model, t):
        a, b = random.sample(self.SESSIONS, 2)
        task = model.tasks.get(t)
        if task and task["holder"] == a:
            want = "ok"
            task["holder"] = b
        else:
            want = "ENOENT"
        return want, lambda: os.rename(self.m.path("sessions", a, "claims", t),
                                       self.m.path("sessions", b, "claims", t))

    def set_needs(self, model, t):
        names = random.sample(self.NAMES, random.randint(0, 2))
        task = model.tasks.get(t)
        if not task:
            want = "ENOENT"
        elif any(n not in model.tasks for n in names):
            want = "ENOENT"
        elif any(model.reaches(n, t) for n in names):
            want = "ELOOP"
        else:
            want = "ok"
            task["needs"] = names
        return want, lambda: self.needs(t, *names)

    def set_artifacts(self, model, t):
        names = random.sample(self.PATHS, random.randint(0, 3))
        task = model.tasks.get(t)
        if not task:
            want = "ENOENT"
        elif task["holder"]:
            want = "EBUSY"  # its holder's to change; the test is nobody
        else:
            want = "ok"
            task["artifacts"] = names
        return want, lambda: self.m.write("".join(f"{n}\n" for n in names) or "\n",
                                          "tasks", t, "artifacts")

    def extend(self, model, t):
        name, minus = random.choice(self.PATHS), random.random() < 0.4
        task = model.tasks.get(t)
        s = random.choice(self.SESSIONS)
        path = self.m.path("sessions", s, "claims", t)
        if not task or task["holder"] != s:
            want = "ENOENT"
        elif minus:
            want = "ok" if name in task["artifacts"] else "ENOENT"
            if want == "ok":
                task["artifacts"].remove(name)
        elif name in task["artifacts"]:
            want = "ok"
        elif model.conflicts(t, [name]):
            want = "EBUSY"
        else:
            want = "ok"
            task["artifacts"].append(name)

        def act():
            fd = os.open(path, os.O_WRONLY | os.O_APPEND)
            try:
                os.write(fd, f"{'-' if minus else ''}{name}\n".encode())
            finally:
                os.close(fd)

        return want, act

    def walk(self, seed, steps):
        print(f"    seed {seed}, {steps} changes")
        random.seed(seed)
        self.m.session("r")
        model, granted = Model(), 0
        acts = [self.draft] * 3 + [self.publish] * 4 + [self.claim] * 6 + [self.end] * 4 + [
            self.cancel, self.unpublish, self.reopen, self.reopen, self.hand_over, self.set_needs,
            self.set_needs, self.set_artifacts, self.set_artifacts, self.extend, self.extend]
        for step in range(steps):
            act, t = random.choice(acts), random.choice(self.NAMES)
            if act == self.claim and model.board()["ready"] and random.random() < 0.5:
                t = random.choice(model.board()["ready"])
            want, do = act(model, t)
            got = errno_of(do)
            where = f"seed {seed}, step {step}: {act.__name__} {t}"
            self.assertEqual(got, want, where)
            self.assertEqual(self.board(), model.board(), where)
            self.assertEqual(self.m.ls("tasks"), sorted(model.tasks), where)
            held = {s: self.m.ls("sessions", s, "claims") for s in self.SESSIONS}
            self.assertEqual(held, {s: sorted(n for n, k in model.tasks.items() if k["holder"] == s)
                                    for s in self.SESSIONS}, where)
            granted += got == "ok" and act == self.claim
        self.assertGreater(granted, steps // 50, "the walk claims hardly anything")
        for t, task in model.tasks.items():
            self.assertEqual(sorted(self.m.read("tasks", t, "artifacts").split()),
                             sorted(task["artifacts"]))
            self.assertEqual(self.m.read("tasks", t, "needs").split(), task["needs"])
            if model.column(t) == "blocked":
                lines = self.blocked(t)
                self.assertEqual([l.split()[1] for l in lines if l.startswith("need ")],
                                 model.unmet(t))
                self.assertEqual(any(l.startswith("artifact ") for l in lines), model.conflicts(t))

    def test_a_task_is_in_exactly_one_column_after_every_change(self):
        self.walk(1, 1000)

    def test_and_with_a_seed_of_its_own(self):
        self.walk(int.from_bytes(os.urandom(4), "big"), 1000)
