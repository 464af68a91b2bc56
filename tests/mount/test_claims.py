"""Claims on a real mount: every way to ask for one, every answer, every end."""
import ctypes
import errno
import json
import os
import re
import sys
import time
import unittest

import lib
from lib import Case, UID_A, UID_B, as_uid, errno_of, read, value, values, wait_for, write

# One that other users can run, too.
PYTHON = "/usr/bin/python3" if os.path.exists("/usr/bin/python3") else sys.executable

# Every tool that asks for a claim by making its name. {p} is the path of the claim.
MAKERS = {
    "touch": "touch {p}",
    ">": ": > {p}",
    ">>": ": >> {p}",
    "set -C; >": "set -C; : > {p}",
    "dash >": "dash -c ': > {p}'",
    "cp": "cp /dev/null {p}",
    "open('x')": PYTHON + " -c \"open('{p}', 'x')\"",
    "Path.touch": PYTHON + " -c \"import pathlib; pathlib.Path('{p}').touch()\"",
    "O_EXCL|O_RDONLY": PYTHON + " -c \"import os; os.open('{p}', os.O_CREAT | os.O_EXCL)\"",
    "node wx": "node -e \"require('fs').openSync('{p}', 'wx')\"",
}
# Those that ask for a new name alone: where it is known, the answer is EEXIST, and
# mostly the kernel's or the tool's own.
EXCLUSIVE = {"set -C; >", "open('x')", "O_EXCL|O_RDONLY", "node wx"}
MOVE = "mv {column}/{t} {dir}/"

# What bash, dash and mv call what has another name.
BY_ANOTHER_NAME = {
    "cannot overwrite existing file": "EEXIST",
    "Directory nonexistent": "ENOENT",
    "cannot overwrite directory": "EEXIST",  # mv 9.1, now and then
}


def errno_said(done):
    """What a tool's message means: "ok", "EBUSY"; or the message."""
    if done.rc == 0:
        return "ok"
    for words, name in BY_ANOTHER_NAME.items():
        if words in done.err:
            return name
    named = re.search(r"\b(E[A-Z]{3,})\b: |(?:Unknown system error |errno: )-(\d+)", done.err)  # node's
    if named:
        return named.group(1) or errno.errorcode[int(named.group(2))]
    for number, name in errno.errorcode.items():
        if os.strerror(number) in done.err:
            return name
    return done.err


def exchange(a, b):
    """renameat2(RENAME_EXCHANGE): "ok", or the errno's name."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.renameat2(-100, os.fsencode(a), -100, os.fsencode(b), 2) == 0:
        return "ok"
    return errno.errorcode[ctypes.get_errno()]


class AskingCase(Case):
    """Asks by every tool, by name (claims/) and by path (sessions/ID/claims/)."""

    def tools(self):
        for name, command in MAKERS.items():
            if command.split()[0] in ("node", "dash") and not lib.has_tool(command.split()[0]):
                self.skipTest(f"there is no {command.split()[0]} here")
            yield name, command

    def ask(self, command, session, task, by_path=False, column="ready", **kwargs):
        """The errno that COMMAND, run as SESSION, says."""
        where = f"sessions/{session}/claims" if by_path else "claims"
        command = command.format(p=f"{where}/{task}", t=task, dir=where, column=column)
        return errno_said(self.m.sh(command, session=None if by_path else session, **kwargs))

    def every_way(self, expect, session, task, words, move=None, known=False, **kwargs):
        """Every tool on both paths is refused with EXPECT, and `why` has WORDS.

        MOVE is the column the task stands in, when mv can be tried. KNOWN: the
        name claims/TASK exists, so that O_EXCL gets EEXIST there.
        """
        for by_path in (False, True):
            for name, command in self.tools():
                with self.subTest(tool=name, by_path=by_path):
                    there = known if not by_path else known == "there too"
                    want = "EEXIST" if there and name in EXCLUSIVE else expect
                    self.assertEqual(self.ask(command, session, task, by_path, **kwargs), want)
                    if want == expect:
                        self.assertWhy(self.m.why(session), expect, *words)
            if move:
                with self.subTest(tool="mv", by_path=by_path):
                    got = self.ask(MOVE, session, task, by_path, column=move, **kwargs)
                    self.assertEqual(got, expect)
                    self.assertWhy(self.m.why(session), expect, *words)


class Asking(AskingCase):
    def test_every_tool_claims_a_ready_task_and_all_it_will_write(self):
        m = self.m
        m.session("a")
        m.task("t", ["src/x.c", "docs"])
        last = 0
        for by_path in (False, True):
            for name, command in [*self.tools(), ("mv", MOVE)]:
                with self.subTest(tool=name, by_path=by_path):
                    self.assertEqual(self.ask(command, "a", "t", by_path), "ok")
                    text = m.read("claims", "t")
                    self.assertEqual(text, m.read("sessions", "a", "claims", "t"))
                    self.assertEqual(value(text, "task"), "t")
                    self.assertEqual(value(text, "session"), "a")
                    self.assertEqual(values(text, "artifact"), ["src/x.c", "docs"])
                    token = int(value(text, "token"))
                    self.assertGreater(token, last)
                    last = token
                    self.assertEqual(m.events("claim")[-1]["token"], token)
                    self.assertEqual(m.column("t"), "claims")
                    self.assertEqual(m.ls("sessions", "a", "claims"), ["t"])
                    self.assertEqual([l.split(" ")[1:3] for l in m.read("artifacts").splitlines()],
                                     [["t", "a"], ["t", "a"]])
                    m.release("a", "t")
        self.assertEqual(m.read("artifacts"), "")

    def test_a_task_another_session_holds_is_EBUSY_or_EEXIST(self):
        m = self.m
        m.session("a"), m.session("b")
        m.task("t", ["x"])
        token = m.claim("a", "t")
        self.every_way("EBUSY", "b", "t", ["t is held by session a since", "until"], known=True)
        self.assertEqual(value(m.read("claims", "t"), "token"), str(token))
        # it is not in ready/ any more
        self.assertEqual(self.ask(MOVE, "b", "t"), "ENOENT")
        self.assertEqual(m.ls("sessions", "b", "claims"), [])

    def test_a_task_ones_own_session_holds_is_EEXIST(self):
        m = self.m
        m.session("a")
        m.task("t", ["x"])
        token = m.claim("a", "t")
        for by_path in (False, True):
            for name, command in self.tools():
                if name == ">>":
                    continue  # the holder's way to add artifacts: it opens, and asks for nothing
                with self.subTest(tool=name, by_path=by_path):
                    self.assertEqual(self.ask(command, "a", "t", by_path), "EEXIST")
                    if name not in EXCLUSIVE:
                        self.assertWhy(m.why("a"), "EEXIST", "held by session a since", "by pid",
                                       "your own session has it already")
        self.assertEqual(value(m.read("claims", "t"), "token"), str(token))

    def test_an_overlap_is_EBUSY_and_nothing_is_taken(self):
        m = self.m
        m.session("a"), m.session("b")
        m.task("held", ["lib/core.c", "src"])
        m.task("t", ["free.c", "src/deep/x.c"])
        m.task("other", ["free.c"])
        m.claim("a", "held")
        self.assertEqual(m.column("t"), "blocked")
        words = ["src/deep/x.c overlaps", "src of task held", "held by session a since", "until"]
        self.every_way("EBUSY", "b", "t", words, move="blocked")
        self.assertEqual(m.ls("claims"), ["held"])
        self.assertNotIn("free.c", m.read("artifacts"))
        m.claim("b", "other")  # what the refused one named besides is free

    def test_a_task_whose_need_is_not_done_is_EBUSY(self):
        m = self.m
        m.session("a")
        m.task("first")
        m.task("t", needs=["first"])
        self.every_way("EBUSY", "a", "t", ["t needs first, which is"], move="blocked")
        m.claim("a", "first")
        self.every_way("EBUSY", "a", "t", ["t needs first, which is"], move="blocked")
        m.finish("a", "first")
        self.assertEqual(self.ask(MOVE, "a", "t"), "ok")

    def test_a_task_whose_need_was_cancelled_is_EBUSY(self):
        m = self.m
        m.session("a")
        m.task("first")
        m.task("t", needs=["first"])
        os.rmdir(m.path("tasks", "first"))
        self.every_way("EBUSY", "a", "t", ["t needs first", "cancelled"], move="blocked")

    def test_a_finished_task_is_EEXIST(self):
        m = self.m
        m.session("a"), m.session("b")
        m.task("t")
        m.claim("a", "t")
        m.finish("a", "t")
        self.every_way("EEXIST", "b", "t", ["t is done: finished by session a at"], move="done")
        self.every_way("EEXIST", "a", "t", ["t is done: finished by session a at"], move="done")

    def test_an_unknown_task_is_ENOENT_and_stays_unknown(self):
        self.m.session("a")
        self.every_way("ENOENT", "a", "tpyo", ["there is no task tpyo"])
        for column in ("ideas", "ready", "blocked", "claims", "done", "tasks"):
            self.assertEqual(self.m.ls(column), [])

    def test_a_task_that_is_not_published_is_ENOENT(self):
        self.m.session("a")
        self.m.task("t", publish=False)
        self.every_way("ENOENT", "a", "t", ["t is not published"], move="ideas")

    def test_a_cancelled_task_is_ENOENT(self):
        self.m.session("a")
        self.m.task("t")
        os.rmdir(self.m.path("tasks", "t"))
        self.every_way("ENOENT", "a", "t", ["there is no task t"])

    def test_a_session_that_lost_the_task_gets_ESTALE_by_touch_and_claims_it_anew_by_mv(self):
        m = self.m
        m.session("a")
        m.task("t", ["x"])
        for by_path in (False, True):
            token = m.claim("a", "t") if not by_path else int(value(m.read("claims", "t"), "token"))
            m.write(f"t {token} stuck\n", "control", "break")
            self.every_way("ESTALE", "a", "t", ["session a lost t", "(broken)", "mv ready/"])
            self.assertEqual(m.sh("ls -l ready").rc, 0)  # the kernel knows ready/t by now
            self.assertEqual(self.ask(MOVE, "a", "t", by_path), "ok")
            self.assertGreater(int(value(m.read("claims", "t"), "token")), token)

    def test_a_limit_is_EDQUOT(self):
        m = self.m
        m.session("a")
        m.task("t", ["x"]), m.task("mine", ["y"])
        m.claim("a", "mine")
        m.write("session-claims 1\n", "control", "limits")
        self.every_way("EDQUOT", "a", "t", ["session a holds 1 claims", "session-claims"], move="ready")
        m.write("session-claims 2\n", "control", "limits")
        self.assertEqual(self.ask(MOVE, "a", "t"), "ok")

    def test_estop_is_EROFS(self):
        self.m.session("a")
        self.m.task("t", ["x"])
        self.m.write("maintenance\n", "control", "estop")
        self.every_way("EROFS", "a", "t", ["the board is closed", "maintenance"], move="ready")
        self.assertEqual(self.m.ls("claims"), [])

    def test_without_a_session_it_is_ENOKEY(self):
        m = self.m
        m.task("t", ["x"])
        for name, command in [*self.tools(), ("mv", MOVE)]:
            with self.subTest(tool=name):
                command = command.format(p="claims/t", t="t", dir="claims", column="ready")
                done = m.sh(f"{command} || {{ cat why; false; }}")
                self.assertEqual(errno_said(done), "ENOKEY")
                self.assertWhy(done.out, "ENOKEY", "no session", "mkdir sessions/")

    def test_a_COORD_SESSION_that_names_no_session_is_ENOKEY(self):
        self.m.task("t")
        done = self.m.sh("touch claims/t || { cat why; false; }", session="nobody")
        self.assertEqual(errno_said(done), "ENOKEY")
        self.assertWhy(done.out, "ENOKEY", "nobody")

    def test_another_uids_session_is_EPERM(self):
        lib.need_root()
        m = self.m
        m.session("a", uid=UID_A)
        m.task("t", ["x"])
        for by_path in (False, True):
            for name, command in [*self.tools(), ("mv", MOVE)]:
                with self.subTest(tool=name, by_path=by_path):
                    self.assertEqual(self.ask(command, "a", "t", by_path, uid=UID_B), "EPERM")
                    told = m.sh("cat why", uid=UID_B).out
                    self.assertWhy(told, "EPERM", f"session a belongs to uid {UID_A}")
        self.assertEqual(self.ask(MAKERS["touch"], "a", "t", uid=UID_A), "ok")

    def test_an_ended_session_claims_nothing(self):
        m = self.m
        m.session("a")
        m.task("t")
        os.rmdir(m.path("sessions", "a"))
        self.assertIn(self.ask(MAKERS["touch"], "a", "t"), ("ESTALE", "ENOKEY"))
        self.assertNotEqual(self.ask(MAKERS["touch"], "a", "t", by_path=True), "ok")
        self.assertEqual(m.column("t"), "ready")

    def test_opening_for_reading_never_claims(self):
        m = self.m
        m.session("a")
        m.task("t")
        path = m.path("sessions", "a", "claims", "t")
        self.refused("ENOENT", os.open, path, os.O_RDONLY)
        fd = os.open(path, os.O_RDONLY | os.O_CREAT)
        try:
            self.assertEqual(os.read(fd, 100), b"")
            self.assertEqual(m.column("t"), "ready")
            self.refused("ENOENT", os.stat, path)
        finally:
            os.close(fd)

    def test_names_that_are_no_tasks_are_EINVAL(self):
        self.m.session("a")
        for name in (".t", "t~", ".t.swp", "t.swp", "t.tmp", "a b", "t\n", "\x1b[31m", "é", "x" * 129):
            with self.subTest(name=name):
                path = self.m.path("sessions", "a", "claims", name)
                fd_flags = os.O_CREAT | os.O_WRONLY
                self.assertIn(errno_of(os.open, path, fd_flags), ("EINVAL", "ENAMETOOLONG"))

    def test_touching_the_directory_itself_is_EPERM(self):
        self.m.session("a")
        done = self.m.sh("t=; touch claims/$t", session="a")
        self.assertEqual(errno_said(done), "EPERM")
        done = self.m.sh("t=; touch sessions/a/claims/$t")
        self.assertEqual(errno_said(done), "EPERM")

    def test_two_refusals_within_a_second_of_one_process_are_one_event(self):
        m = self.m
        m.session("a"), m.session("b")
        m.task("t"), m.claim("a", "t")
        # touch asks twice: to open, and to set the times
        self.assertEqual(self.ask(MAKERS["touch"], "b", "t"), "EBUSY")
        self.assertEqual(len(m.events("refused", session="b", errno="EBUSY")), 2)  # two operations
        path = m.path("sessions", "b", "claims", "t")
        before = len(m.events("refused"))
        for _ in range(5):
            self.refused("EBUSY", os.open, path, os.O_CREAT | os.O_WRONLY)
        self.assertEqual(len(m.events("refused")), before + 1)


class Limits(Case):
    def test_uid_claims_counts_all_sessions_of_the_uid(self):
        lib.need_root()
        m = self.m
        for i, uid in enumerate((UID_A, UID_A, UID_B)):
            m.session(f"s{i}", uid=uid)
            m.task(f"t{i}", [f"f{i}"])
        m.write("uid-claims 1\n", "control", "limits")
        as_uid(UID_A, m.claim, "s0", "t0")
        self.assertEqual(as_uid(UID_A, errno_of, m.claim, "s1", "t1"), "EDQUOT")
        self.assertWhy(m.why("s1"), "EDQUOT", f"uid {UID_A} holds 1 claims", "uid-claims")
        as_uid(UID_B, m.claim, "s2", "t2")

    def test_claim_artifacts_limits_what_a_task_may_name(self):
        m = self.m
        m.session("a")
        m.task("t", [f"d/f{i}" for i in range(4)])
        m.write("claim-artifacts 3\n", "control", "limits")
        self.refused("EDQUOT", m.claim, "a", "t")
        self.assertWhy(m.why("a"), "EDQUOT", "t names 4 artifacts", "claim-artifacts")
        m.write("claim-artifacts 4\n", "control", "limits")
        m.claim("a", "t")
        self.refused("EDQUOT", m.write, "one/more\n", "sessions", "a", "claims", "t", append=True)
        self.assertWhy(m.why("a"), "EDQUOT", "claim-artifacts")
        self.assertEqual(len(values(m.read("claims", "t"), "artifact")), 4)

    def test_wide_artifacts_limits_those_without_a_literal_first_segment(self):
        m = self.m
        m.session("a")
        m.task("t", ["*.md", "src/*.c", "**/x"])
        m.write("wide-artifacts 1\n", "control", "limits")
        self.refused("EDQUOT", m.claim, "a", "t")
        self.assertWhy(m.why("a"), "EDQUOT", "2 artifacts without a literal first segment")
        m.write("wide-artifacts 2\n", "control", "limits")
        m.claim("a", "t")
        self.refused("EDQUOT", m.write, "?\n", "sessions", "a", "claims", "t", append=True)
        m.write("doc/*\n", "sessions", "a", "claims", "t", append=True)

    def test_a_hand_over_counts_for_the_one_who_gets_it(self):
        m = self.m
        m.session("a"), m.session("b")
        for t in ("t", "u"):
            m.task(t, [t])
        m.claim("a", "t"), m.claim("b", "u")
        m.write("session-claims 1\n", "control", "limits")
        give = (m.path("sessions", "a", "claims", "t"), m.path("sessions", "b", "claims", "t"))
        self.refused("EDQUOT", os.rename, *give)
        self.assertEqual(value(m.read("claims", "t"), "session"), "a")


class Winner(Case):
    """The one who has it: its own touch, renewal, and what others see."""

    def test_the_winners_touch_succeeds_and_the_next_one_does_not(self):
        m = self.m
        m.session("a")
        m.task("t")
        self.assertEqual(m.sh("touch claims/t", session="a").rc, 0)
        self.assertEqual(m.sh("touch claims/t", session="a").rc, 1)

    def test_times_are_taken_only_while_the_winning_descriptor_is_open(self):
        m = self.m
        m.session("a")
        m.task("t")
        path = m.path("sessions", "a", "claims", "t")
        fd = os.open(path, os.O_CREAT | os.O_WRONLY)
        os.utime(path)
        self.assertEqual(lib.in_child(errno_of, os.utime, path), "EEXIST")  # another process
        os.close(fd)
        # RELEASE is sent behind close's back
        wait_for(lambda: errno_of(os.utime, path) == "EEXIST", "times refused after the close")

    def test_whoami_says_who_and_how_it_was_found(self):
        m = self.m
        m.session("a")
        for text, how in ((m.sh("cat whoami", session="a").out, "environment"),
                          (m.read("sessions", "a", "whoami"), "path"),
                          (m.sh("echo 0 > sessions/a/procs && cat whoami").out, "joined process")):
            self.assertEqual(value(text, "session"), "a")
            self.assertEqual(value(text, "how"), how)
        self.assertEqual(value(m.read("whoami"), "session"), "-")

    def test_a_joined_process_and_its_descendants_claim_without_saying_who(self):
        m = self.m
        m.session("a")
        m.task("t")
        done = m.sh("echo 0 > sessions/a/procs && touch claims/t && bash -c 'rm claims/t; cat whoami'")
        self.assertEqual(done.rc, 0, done.err)
        self.assertEqual(value(done.out, "session"), "a")
        self.assertEqual(m.events("release")[-1]["session"], "a")

    def test_verify_accepts_the_live_and_the_finishing_token_alone(self):
        m = self.m
        m.session("a")
        m.task("t")
        first = m.claim("a", "t")
        self.assertEqual(m.tool("verify", "t", first).rc, 0)
        self.assertEqual(m.tool("verify", "t", first + 1).rc, 1)
        m.release("a", "t")
        self.assertEqual(m.tool("verify", "t", first).rc, 1)
        second = m.claim("a", "t")
        self.assertEqual(m.tool("verify", "t", first).rc, 1)
        self.assertEqual(m.tool("verify", "t", second).rc, 0)
        m.finish("a", "t")
        self.assertEqual(m.tool("verify", "t", second).rc, 0)
        self.assertEqual(m.tool("verify", "t", first).rc, 1)
        self.assertEqual(m.tool("verify", "nothing", first).rc, 1)


    def test_verify_accepts_the_token_a_standing_task_was_finished_with_until_it_is_claimed_anew(self):
        m = self.m
        m.task("t", kind="standing")
        m.session("a")
        m.claim("a", "t")
        token = int(value(m.read("claims/t"), "token"))
        m.finish("a", "t")
        self.assertEqual(m.tool("verify", "t", token).rc, 0)
        self.assertEqual(m.tool("verify", "t", token - 1).rc, 1)
        m.claim("a", "t")
        self.assertEqual(m.tool("verify", "t", token).rc, 1)

    def test_an_older_clock_in_the_events_never_shows_a_smaller_token(self):
        m = self.m
        m.session("a")
        m.task("t")
        tokens = []
        for _ in range(5):
            tokens.append(m.claim("a", "t"))
            m.release("a", "t")
            m.restart()
        self.assertEqual(tokens, sorted(set(tokens)))

    def test_the_mtime_of_a_claim_is_its_holders_last_mutation(self):
        m = self.m
        m.session("a")
        m.task("t", ["x"]), m.task("u", ["y"])
        m.claim("a", "t")
        first = os.stat(m.path("claims", "t")).st_mtime_ns
        self.assertLess(abs(first / 1e9 - time.time()), 60)

        def later():
            return os.stat(m.path("claims", "t")).st_mtime_ns

        m.read("claims", "t"), m.read("status"), m.ls("claims")
        self.assertEqual(later(), first)  # looking is no work
        wait_for(lambda: time.time_ns() // 10**6 > first // 10**6 + 5, "the clock to move")
        m.claim("a", "u")  # a mutation of its session
        self.assertGreater(later(), first)
        second = later()
        wait_for(lambda: time.time_ns() // 10**6 > second // 10**6 + 5, "the clock to move")
        os.utime(m.path("sessions", "a"))
        self.assertGreaterEqual(later(), second)

    def test_a_claim_belongs_to_its_sessions_uid_and_anyone_may_try(self):
        lib.need_root()
        m = self.m
        m.session("a", uid=UID_A)
        m.session("b", uid=UID_B)
        m.task("t")
        as_uid(UID_A, m.claim, "a", "t")
        st = os.stat(m.path("claims", "t"))
        self.assertEqual(st.st_uid, UID_A)
        self.assertEqual(st.st_mode & 0o777, 0o666)
        done = m.sh("touch claims/t", session="b", uid=UID_B)
        self.assertEqual(errno_said(done), "EBUSY")  # and not EACCES


class Ending(Case):
    """Finish, give back, reopen; by the holder alone."""

    def setUp(self):
        super().setUp()
        self.m.session("a"), self.m.session("b")
        self.m.task("t", ["x"])

    def test_mv_to_done_finishes_by_name_and_by_path(self):
        m = self.m
        for to in ("mv claims/t done/", "mv sessions/a/claims/t sessions/a/done/",
                   "mv claims/t sessions/a/done/", "mv sessions/a/claims/t done/"):
            with self.subTest(to=to):
                token = m.claim("a", "t")
                self.assertEqual(m.sh(to, session="a").rc, 0)
                self.assertEqual(m.column("t"), "done")
                self.assertEqual(m.ls("sessions", "a", "done"), ["t"])
                self.assertEqual(value(m.read("done", "t"), "session"), "a")
                self.assertEqual(value(m.read("done", "t"), "token"), str(token))
                self.assertEqual(m.read("tasks", "t", "state"), f"done a {token}\n")
                self.assertEqual(m.read("artifacts"), "")
                self.assertEqual(m.sh("mv done/t ready/").rc, 0)

    def test_rm_and_mv_to_ready_give_back(self):
        m = self.m
        for how in ("rm claims/t", "rm sessions/a/claims/t", "mv claims/t ready/",
                    "mv sessions/a/claims/t ready/", f"{PYTHON} -c \"import os; os.unlink('claims/t')\""):
            with self.subTest(how=how):
                m.claim("a", "t")
                before = len(m.events("release"))
                self.assertEqual(m.sh(how, session="a").rc, 0)
                self.assertEqual(m.column("t"), "ready")
                self.assertEqual(len(m.events("release")), before + 1)

    def test_others_do_not_end_it(self):
        m = self.m
        m.claim("a", "t")
        for how in ("rm claims/t", "mv claims/t done/", "mv claims/t ready/",
                    "mv claims/t sessions/b/done/"):
            with self.subTest(how=how):
                self.assertEqual(errno_said(m.sh(how, session="b")), "EPERM")
                self.assertWhy(m.why("b"), "EPERM", "held by session a")
        self.assertEqual(errno_said(m.sh("rm claims/t")), "ENOKEY")
        self.assertEqual(value(m.read("claims", "t"), "session"), "a")

    def test_a_neighbours_path_is_EPERM_for_a_joined_process(self):
        lib.need_root()
        m = self.m
        m.session("mine", uid=UID_A), m.session("next", uid=UID_A), m.session("next.2", uid=UID_A)
        as_uid(UID_A, m.claim, "next", "t")
        join = "echo 0 > sessions/{}/procs && "
        done = m.sh(join.format("mine") + "rm sessions/next/claims/t", uid=UID_A)
        self.assertEqual(errno_said(done), "EPERM")
        self.assertEqual(m.column("t"), "claims")
        as_uid(UID_A, m.release, "next", "t")
        as_uid(UID_A, m.claim, "next.2", "t")
        done = m.sh(join.format("next") + "rm sessions/next.2/claims/t", uid=UID_A)
        self.assertEqual(errno_said(done), "ok")  # an ancestor by name

    def test_rm_in_done_and_ready_is_EPERM(self):
        m = self.m
        self.assertEqual(errno_said(m.sh("rm -f ready/t", session="a")), "EPERM")
        m.claim("a", "t")
        m.finish("a", "t")
        self.assertEqual(errno_said(m.sh("rm -f done/t", session="a")), "EPERM")
        self.assertEqual(errno_said(m.sh("rm -f sessions/a/done/t", session="a")), "EPERM")
        self.assertEqual(m.column("t"), "done")

    def test_reopening_needs_no_session_and_keeps_the_history(self):
        m = self.m
        token = m.claim("a", "t")
        m.finish("a", "t")
        self.assertEqual(m.sh("mv done/t ready/").rc, 0)
        self.assertEqual(m.column("t"), "ready")
        self.assertEqual(len(m.events("reopen", task="t")), 1)
        history = m.read("tasks", "t", "history")
        for word in ("claim", "finish", "reopen"):
            self.assertRegex(history, rf"(?m)^\S+Z {word} ")
        self.assertEqual(m.ls("sessions", "a", "done"), ["t"])  # it did finish it
        self.assertGreater(m.claim("b", "t"), token)

    def test_a_standing_task_goes_back_to_ready(self):
        m = self.m
        m.task("s", kind="standing")
        for who in ("a", "b"):
            m.claim(who, "s")
            m.finish(who, "s")
            self.assertEqual(m.column("s"), "ready")
        self.assertEqual(m.ls("sessions", "a", "done"), ["s"])
        self.assertEqual(len(m.events("finish", task="s")), 2)

    def test_a_daily_task_is_done_until_tomorrow(self):
        m = self.m
        m.task("d", kind="daily")
        m.claim("a", "d")
        m.finish("a", "d")
        self.assertEqual(m.column("d"), "done")
        self.refused("EEXIST", m.claim, "b", "d")
        event = m.events("finish", task="d")[-1]
        self.assertEqual(event["due"] % 86400000, 0)
        self.assertLess(0, event["due"] - event["at"])
        self.assertLessEqual(event["due"] - event["at"], 86400000)

    def test_what_needed_it_becomes_ready_when_it_is_done_and_blocked_when_reopened(self):
        m = self.m
        m.task("after", needs=["t"])
        self.assertEqual(m.column("after"), "blocked")
        m.claim("a", "t")
        m.finish("a", "t")
        self.assertEqual(m.column("after"), "ready")
        m.sh("mv done/t ready/")
        self.assertEqual(m.column("after"), "blocked")

    def test_moves_keep_the_name_and_are_no_exchange(self):
        m = self.m
        m.claim("a", "t")
        path = m.path("sessions", "a", "claims", "t")
        self.refused("EINVAL", os.rename, path, m.path("sessions", "a", "done", "u"))
        self.assertWhy(m.why("a"), "EINVAL", "keeps the name")
        m.task("u")
        self.assertEqual(exchange(m.path("claims", "t"), m.path("ready", "u")), "EINVAL")
        self.assertEqual(m.column("t"), "claims")

    def test_a_move_that_is_none_is_EPERM(self):
        m = self.m
        for how in ("mv ready/t done/", "mv ready/t blocked/", "mv ready/t tasks/"):
            with self.subTest(how=how):
                self.assertNotEqual(m.sh(how, session="a").rc, 0)
                self.assertEqual(m.column("t"), "ready")

    def test_rmdir_of_a_session_frees_what_it_held(self):
        m = self.m
        m.claim("a", "t")
        os.rmdir(m.path("sessions", "a"))
        self.assertEqual(m.column("t"), "ready")
        self.assertEqual(m.events("lost", task="t")[-1]["reason"], "ended")
        m.claim("b", "t")

    def test_an_outcome_of_noop_ends_the_session_and_frees_what_it_held(self):
        m = self.m
        m.claim("a", "t")
        self.assertEqual(m.sh("echo noop > sessions/a/outcome && rmdir sessions/a").rc, 0)
        self.assertEqual(m.column("t"), "ready")


class Editing(Case):
    """Artifacts added and given up by writing to the claim."""

    def setUp(self):
        super().setUp()
        self.m.session("a"), self.m.session("b")
        self.m.task("t", ["x"])
        self.m.claim("a", "t")

    def append(self, text):
        self.m.write(text, "sessions", "a", "claims", "t", append=True)

    def has(self, *names):
        self.assertEqual(values(self.m.read("claims", "t"), "artifact"), list(names))

    def test_lines_are_added_with_or_without_their_key(self):
        self.append("y\nartifact z/deep\n")
        self.has("x", "y", "z/deep")
        self.assertEqual(self.m.sh("echo w >> claims/t", session="a").rc, 0)
        self.has("x", "y", "z/deep", "w")
        self.assertIn("w t a ", self.m.read("artifacts"))

    def test_what_was_added_is_held(self):
        m = self.m
        m.task("u", ["y/file"])
        self.append("y\n")
        self.refused("EBUSY", m.claim, "b", "u")
        self.assertWhy(m.why("b"), "EBUSY", "y/file overlaps y of task t")
        self.append("-y\n")
        m.claim("b", "u")

    def test_what_was_added_stays_with_the_task(self):
        self.append("y\n-x\n")
        self.m.release("a", "t")
        self.assertEqual(self.m.read("tasks", "t", "artifacts"), "y\n")
        self.m.claim("b", "t")
        self.has("y")

    def test_a_minus_gives_up_and_dot_slash_minus_is_a_name(self):
        self.append("./-x\n")
        self.has("x", "-x")
        self.append("-x\n")
        self.has("-x")
        self.append("-./-x\n")
        self.has()

    def test_all_lines_or_none(self):
        m = self.m
        m.task("u", ["busy"])
        m.claim("b", "u")
        for text, name in (("y\nbusy\nz\n", "EBUSY"), ("y\n../z\n", "EINVAL"), ("y\n-nothing\n", "ENOENT"),
                           ("y\nkey value\n", "EINVAL"), ("y\n/\n", "EINVAL"), ("y\n\nz\n", "EINVAL")):
            with self.subTest(text=text):
                self.refused(name, self.append, text)
                self.assertWhy(m.why("a"), name)
                self.has("x")

    def test_an_overlap_is_EBUSY_and_says_with_what(self):
        m = self.m
        m.task("u", ["lib/**/y.c"])
        m.claim("b", "u")
        self.refused("EBUSY", self.append, "lib/a/y.c\n")
        self.assertWhy(m.why("a"), "EBUSY", "lib/a/y.c overlaps", "lib/**/y.c of task u",
                       "held by session b since")
        self.has("x")

    def test_lines_as_read_are_no_ops(self):
        m = self.m
        before = len(m.events())
        self.append(m.read("claims", "t"))
        self.assertEqual(m.sh("cat claims/t >> sessions/a/claims/t").rc, 0)
        self.has("x")
        self.assertEqual(len(m.events()), before)

    def test_other_keys_are_EINVAL(self):
        for text in ("title hello\n", "holder b\n", "artifacts y\n"):
            with self.subTest(text=text):
                self.refused("EINVAL", self.append, text)
                self.has("x")

    def test_lines_that_are_records_but_not_this_claims_are_no_way_to_change_it(self):
        before = self.m.read("claims", "t")
        for text in ("session b\n", "token 1\n", "task u\n"):
            with self.subTest(text=text):
                errno_of(self.append, text)
                self.assertEqual(value(self.m.read("claims", "t"), "session"), value(before, "session"))
                self.assertEqual(value(self.m.read("claims", "t"), "token"), value(before, "token"))

    def test_a_here_document_is_one_write(self):
        done = self.m.sh("cat <<EOF >> claims/t\ny\nz\n../w\nEOF", session="a")
        self.assertNotEqual(done.rc, 0)
        self.has("x")
        self.assertEqual(self.m.sh("cat <<EOF >> claims/t\ny\nz\nEOF", session="a").rc, 0)
        self.has("x", "y", "z")

    def test_another_session_is_refused(self):
        done = self.m.sh("echo y >> claims/t", session="b")
        self.assertEqual(errno_said(done), "EBUSY")
        self.assertEqual(errno_said(self.m.sh("echo y >> claims/t")), "ENOKEY")
        self.has("x")

    def test_a_write_that_was_cut_inside_a_line_is_EINVAL(self):
        text = "".join(f"d/{i:04}\n" for i in range(700))[:4096]
        self.assertNotEqual(text[-1], "\n")
        self.refused("EINVAL", self.append, text)
        self.has("x")

    def test_the_holders_own_descriptor_takes_more_than_one_write(self):
        m = self.m
        fd = os.open(m.path("sessions", "a", "claims", "t"), os.O_WRONLY | os.O_APPEND)
        self.addCleanup(os.close, fd)
        os.write(fd, b"y\n")
        os.write(fd, b"z\n")
        self.has("x", "y", "z")

    def test_an_absolute_path_outside_every_repository_is_EINVAL(self):
        self.refused("EINVAL", self.append, "/etc/passwd\n")
        self.has("x")


class HandOver(Case):
    def setUp(self):
        super().setUp()
        self.m.session("a"), self.m.session("b")
        self.m.task("t", ["x"])

    def give(self, source="a", to="b"):
        m = self.m
        os.rename(m.path("sessions", source, "claims", "t"), m.path("sessions", to, "claims", "t"))

    def test_it_has_a_new_token_and_no_gap(self):
        m = self.m
        first = m.claim("a", "t")
        self.assertEqual(m.sh("mv sessions/a/claims/t sessions/b/claims/").rc, 0)
        text = m.read("claims", "t")
        self.assertEqual(value(text, "session"), "b")
        self.assertGreater(int(value(text, "token")), first)
        self.assertEqual(values(text, "artifact"), ["x"])
        self.assertEqual(m.ls("sessions", "a", "claims"), [])
        self.assertEqual(m.ls("sessions", "b", "claims"), ["t"])
        self.assertEqual([e["event"] for e in m.events() if e.get("task") == "t"][-1], "handover")
        self.assertEqual(m.tool("verify", "t", first).rc, 1)
        m.finish("b", "t")

    def lose(self, session):
        m = self.m
        path = m.path("sessions", session, "claims", "t")
        m.write(f"t {m.claim(session, 't')} a test\n", "control", "break")
        errno_of(os.stat, path)  # as if moved from ideas/ just now, by setUp
        self.refused("ESTALE", os.unlink, path)

    def test_who_lost_it_before_can_be_handed_it(self):
        m = self.m
        for mv in (self.give, lambda: m.sh("mv sessions/a/claims/t sessions/b/claims/", timeout=20)):
            self.lose("b")
            m.claim("a", "t")
            mv()
            self.assertEqual(value(m.read("claims", "t"), "session"), "b")
            m.release("b", "t")

    def test_from_the_board_it_acts_as_the_holder(self):
        m = self.m
        m.claim("a", "t")
        self.assertEqual(m.sh("mv claims/t sessions/b/claims/", session="a").rc, 0)
        self.assertEqual(value(m.read("claims", "t"), "session"), "b")

    def test_nobody_takes_it_from_the_holder(self):
        m = self.m
        m.claim("a", "t")
        self.assertEqual(errno_said(m.sh("mv claims/t sessions/b/claims/", session="b")), "EPERM")
        self.assertEqual(value(m.read("claims", "t"), "session"), "a")

    def test_to_another_uid_is_EPERM(self):
        lib.need_root()
        m = self.m
        m.session("c", uid=UID_A)
        m.claim("a", "t")
        self.refused("EPERM", self.give, "a", "c")
        self.assertWhy(m.why("a"), "EPERM", "session c belongs to another uid")
        self.assertEqual(value(m.read("claims", "t"), "session"), "a")

    def test_to_an_ended_session_is_ESTALE(self):
        m = self.m
        m.claim("a", "t")
        os.rmdir(m.path("sessions", "b"))
        self.refused("ESTALE", self.give)
        self.assertWhy(m.why("a"), "ESTALE", "session b has ended")
        self.assertEqual(value(m.read("claims", "t"), "session"), "a")

    def test_what_the_giver_had_open_is_stale(self):
        m = self.m
        path = m.path("sessions", "a", "claims", "t")
        m.claim("a", "t")
        fd = os.open(path, os.O_WRONLY | os.O_APPEND)
        self.addCleanup(os.close, fd)
        self.give()
        self.refused("ESTALE", os.write, fd, b"y\n")
        self.assertEqual(values(m.read("claims", "t"), "artifact"), ["x"])


class Estop(Case):
    def test_finishing_and_giving_back_still_work(self):
        m = self.m
        m.session("a")
        for t in ("t", "u"):
            m.task(t, [t])
            m.claim("a", t)
        m.write("closed\n", "control", "estop")
        m.finish("a", "t")
        m.release("a", "u")
        self.assertEqual((m.column("t"), m.column("u")), ("done", "ready"))
        self.refused("EROFS", m.claim, "a", "u")
        m.write("\n", "control", "estop")
        m.claim("a", "u")

    def test_only_operators_pull_it(self):
        lib.need_root()
        m = self.m
        self.assertNotEqual(as_uid(UID_A, errno_of, m.write, "no\n", "control", "estop"), "ok")
        self.assertEqual(m.read("control", "estop"), "")


class Break(Case):
    def setUp(self):
        super().setUp()
        self.m.session("a"), self.m.session("b")
        self.m.task("t", ["x"])
        self.token = self.m.claim("a", "t")

    def test_the_claim_ends_and_the_reason_is_logged(self):
        m = self.m
        m.write(f"t {self.token} stuck since noon\n", "control", "break")
        self.assertEqual(m.column("t"), "ready")
        event = m.events("lost", task="t")[-1]
        self.assertEqual((event["reason"], event["note"], event["session"]),
                         ("broken", "stuck since noon", "a"))
        m.claim("b", "t")

    def test_a_token_that_has_moved_on_is_ESTALE(self):
        m = self.m
        m.release("a", "t")
        m.claim("a", "t")
        self.refused("ESTALE", m.write, f"t {self.token} late\n", "control", "break")
        self.assertEqual(m.column("t"), "claims")

    def test_it_needs_a_reason_and_a_token(self):
        for text in ("t\n", f"t {self.token}\n", "t x why\n", "\n", f"{self.token} t why\n"):
            with self.subTest(text=text):
                self.refused("EINVAL", self.m.write, text, "control", "break")
        self.refused("ENOENT", self.m.write, "u 1 why\n", "control", "break")
        self.assertEqual(self.m.column("t"), "claims")

    def test_it_needs_an_operator(self):
        lib.need_root()
        m = self.m
        text = f"t {self.token} mine\n"
        got = as_uid(UID_A, errno_of, m.write, text, "control", "break")
        self.assertIn(got, ("EPERM", "EACCES"))
        self.assertEqual(m.column("t"), "claims")

    def test_the_former_holders_next_act_is_ESTALE(self):
        m = self.m
        for act in ("mv claims/t done/", "rm claims/t", "mv claims/t ready/",
                    "mv sessions/a/claims/t sessions/a/done/", "rm sessions/a/claims/t",
                    "mv sessions/a/claims/t ready/", "touch sessions/a/claims/t",
                    ": > sessions/a/claims/t", "echo y >> sessions/a/claims/t"):
            for other in (False, True):
                with self.subTest(act=act, another_has_it=other):
                    m.write(f"t {self.token} again\n", "control", "break")
                    if other:
                        m.claim("b", "t")
                    self.assertEqual(errno_said(m.sh(act, session="a")), "ESTALE")
                    self.assertWhy(m.why("a"), "ESTALE", "session a lost t", "broken")
                    if other:
                        self.assertEqual(value(m.read("claims", "t"), "session"), "b")
                        m.release("b", "t")
                    self.assertEqual(m.sh("mv ready/t claims/", session="a").rc, 0)
                    self.token = int(value(m.read("claims", "t"), "token"))

    def test_a_descriptor_of_the_lost_claim_is_stale_even_after_claiming_anew(self):
        m = self.m
        path = m.path("sessions", "a", "claims", "t")
        fd = os.open(path, os.O_WRONLY | os.O_APPEND)
        self.addCleanup(os.close, fd)
        m.write(f"t {self.token} stuck\n", "control", "break")
        self.refused("ESTALE", os.write, fd, b"y\n")
        self.assertEqual(m.sh("mv ready/t claims/", session="a").rc, 0)
        self.refused("ESTALE", os.write, fd, b"y\n")
        self.assertEqual(values(m.read("claims", "t"), "artifact"), ["x"])
        write(path, "y\n", append=True)  # a new descriptor is of the new claim
        self.assertEqual(values(m.read("claims", "t"), "artifact"), ["x", "y"])

    def test_touch_of_the_session_tells_each_loss_once(self):
        m = self.m
        for t in ("u", "v", "kept"):
            m.task(t, [t])
        tokens = {t: m.claim("a", t) for t in ("u", "v", "kept")}
        for t in ("u", "v"):
            m.write(f"{t} {tokens[t]} stuck\n", "control", "break")
        told = set()
        for _ in range(2):
            self.refused("EKEYEXPIRED", os.utime, m.path("sessions", "a"))
            text = m.why("a")
            self.assertWhy(text, "EKEYEXPIRED", "session a lost")
            told.add(re.search(r"lost (\S+)", text).group(1))
        self.assertEqual(told, {"u", "v"})
        os.utime(m.path("sessions", "a"))
        self.assertEqual(sorted(m.ls("sessions", "a", "claims")), ["kept", "t"])


class Leases(Case):
    """Time ends a claim. No test asks for an exact moment."""

    def setUp(self):
        super().setUp()
        self.m.session("a"), self.m.session("b")

    def lost(self, task):
        return self.m.wait_event("lost", task=task)

    def test_a_ttl_ends_the_claim_and_the_task_is_ready_again(self):
        m = self.m
        m.task("t", ["x"], ttl="300ms"), m.task("long", ["y"])
        m.claim("a", "t"), m.claim("b", "long")
        event = self.lost("t")
        self.assertEqual((event["reason"], event["session"]), ("expired", "a"))
        self.assertEqual(m.column("t"), "ready")
        claimed = m.events("claim", task="t")[-1]
        self.assertGreaterEqual(event["at"] - claimed["at"], 290)  # no sooner than its length
        self.assertLess(event["at"] - claimed["at"], 5300)  # and 5 s later at most
        self.assertEqual(m.column("long"), "claims")
        m.claim("b", "t")

    def test_control_lease_is_the_length_where_a_task_says_none(self):
        m = self.m
        m.write("300ms\n", "control", "lease")
        m.task("t"), m.task("u", ttl="1h")
        m.claim("a", "u"), m.claim("a", "t")
        self.assertEqual(self.lost("t")["reason"], "expired")
        self.assertEqual(m.column("u"), "claims")

    def test_wait_events_tells_of_an_expiry_nobody_caused(self):
        m = self.m
        m.task("t", ttl="300ms")
        with open(m.path("wait", "events"), "rb", buffering=0) as log:
            m.claim("a", "t")
            lines = b""
            while b'"lost"' not in lines:
                got = log.read(65536)
                self.assertTrue(got)
                lines += got
        kinds = [json.loads(line)["event"] for line in lines.splitlines()]
        self.assertEqual([k for k in kinds if k in ("claim", "lost")], ["claim", "lost"])

    def test_touching_the_session_renews_all_it_holds(self):
        m = self.m
        for t in ("t", "u"):
            m.task(t, [t], ttl="600ms")
            m.claim("a", t)
        m.task("unkept", ttl="600ms")
        m.claim("b", "unkept")

        def beat():
            os.utime(m.path("sessions", "a"))
            return m.events("lost", task="unkept")

        wait_for(beat, "the lease nobody renewed to end")
        self.assertEqual(m.events("lost", session="a"), [])
        self.assertEqual(m.ls("sessions", "a", "claims"), ["t", "u"])

    def test_a_mutation_of_the_session_renews_what_it_holds(self):
        m = self.m
        m.task("t", ["x"], ttl="600ms"), m.task("unkept", ttl="600ms"), m.task("other", ["y"])
        m.claim("a", "t"), m.claim("b", "unkept")

        def work():
            m.claim("a", "other")
            m.release("a", "other")
            return m.events("lost", task="unkept")

        wait_for(work, "the lease nobody renewed to end")
        self.assertEqual(m.events("lost", session="a"), [])

    def test_reading_renews_nothing(self):
        m = self.m
        m.task("t", ttl="400ms")
        m.claim("a", "t")

        def look():
            for path in (("claims",), ("sessions", "a"), ("sessions", "a", "claims")):
                m.ls(*path)
            m.read("sessions", "a", "whoami"), m.read("sessions", "a", "why")
            m.sh("cat claims/t; grep -r . sessions/a", session="a")
            return m.events("lost", task="t")

        wait_for(look, "the lease to end although its holder looks")

    def test_renewed_and_expires_show_the_lease(self):
        m = self.m
        m.task("t", ttl="1h")
        m.claim("a", "t")

        def at(key):
            return time.mktime(time.strptime(value(m.read("claims", "t"), key), "%Y-%m-%dT%H:%M:%SZ"))

        self.assertLessEqual(abs(at("expires") - at("renewed") - 3600), 1)
        first = at("renewed")

        def moved():
            os.utime(m.path("sessions", "a"))
            return at("renewed") > first

        wait_for(moved, "a later `renewed`")
        self.assertLessEqual(abs(at("expires") - at("renewed") - 3600), 1)

    def test_an_expired_claim_is_told_to_its_former_holder(self):
        m = self.m
        m.task("t", ttl="300ms")
        m.claim("a", "t")
        fd = os.open(m.path("sessions", "a", "claims", "t"), os.O_WRONLY | os.O_APPEND)
        self.addCleanup(os.close, fd)
        self.lost("t")
        self.refused("ESTALE", os.write, fd, b"y\n")
        for command in ("touch claims/t", ": > claims/t", "touch sessions/a/claims/t"):
            self.assertEqual(errno_said(m.sh(command, session="a")), "ESTALE")
            self.assertWhy(m.why("a"), "ESTALE", "session a lost t", "(expired)")
        self.refused("EKEYEXPIRED", os.utime, m.path("sessions", "a"))
        os.utime(m.path("sessions", "a"))  # once per loss
        self.assertEqual(m.sh("mv ready/t claims/", session="a").rc, 0)
        self.refused("ESTALE", os.write, fd, b"y\n")
        wait_for(lambda: len(m.events("lost", task="t")) == 2, "the second loss")
        self.refused("EKEYEXPIRED", os.utime, m.path("sessions", "a"))

    def test_a_loss_is_no_loss_for_others(self):
        m = self.m
        m.task("t", ttl="300ms")
        m.claim("a", "t")
        self.lost("t")
        os.utime(m.path("sessions", "b"))
        m.claim("b", "t")

    def test_claiming_anew_what_another_took_meanwhile_is_EBUSY(self):
        m = self.m
        m.task("t", ["x"], ttl="300ms"), m.task("u", ["x"])
        m.claim("a", "t")
        self.lost("t")
        m.claim("b", "u")
        self.assertEqual(errno_said(m.sh("mv blocked/t claims/", session="a")), "EBUSY")
        self.assertEqual(m.column("t"), "blocked")

    def test_a_restart_of_the_daemon_shortens_no_lease(self):
        m = self.m
        m.task("t", ttl="2s")
        m.claim("a", "t")
        for end in (m.stop, m.kill9):
            end()
            m.start()
            self.assertEqual(m.column("t"), "claims")
        event, claimed = self.lost("t"), m.events("claim", task="t")[-1]
        self.assertGreaterEqual(event["at"] - claimed["at"], 1990)

    def test_an_idle_session_ends_and_its_id_is_spent(self):
        m = self.m
        m.write("300ms\n", "control", "lease")
        m.session("idle")
        m.wait_event("end", session="idle")
        self.assertEqual(m.read("sessions", "idle", "state"), "ended idle\n")
        self.refused("EEXIST", m.session, "idle")


class Crash(Case):
    def test_a_killed_daemon_loses_no_claim_and_no_token(self):
        m = self.m
        m.session("a"), m.session("b")
        for t in ("t", "u"):
            m.task(t, [t])
        token = m.claim("a", "t")
        m.kill9()
        m.start()
        self.assertEqual(value(m.read("claims", "t"), "token"), str(token))
        self.refused("EBUSY", m.claim, "b", "t")
        self.assertGreater(m.claim("b", "u"), token)
        m.finish("a", "t")

    def test_what_was_open_when_the_daemon_died_says_so(self):
        m = self.m
        m.session("a")
        m.task("t")
        m.claim("a", "t")
        fd = os.open(m.path("sessions", "a", "claims", "t"), os.O_WRONLY | os.O_APPEND)
        m.kill9()
        self.refused("ENOTCONN", os.write, fd, b"y\n")
        m.start()
        self.refused("ENOTCONN", os.write, fd, b"y\n")
        os.close(fd)
        self.assertEqual(m.column("t"), "claims")


if __name__ == "__main__":
    unittest.main()
