"""A claim lives as long as its session does: anchors, members, leases they renew; and
what who was stopped meanwhile finds when it goes on."""
import json
import os
import select
import signal
import subprocess
import time
import unittest

import lib
from lib import UID_A, as_uid, errno_of, need_root, need_tool, value, wait_for, write
from live import Processes, figures, fork_with_pid, p99

MANY = 100


class Anchored(Processes):
    def anchored(self, session, task=None, **kwargs):
        """SESSION with an anchor, and a claim."""
        p = self.sleeper(**kwargs)
        self.m.session(session)
        self.anchor(session, p.pid)
        if task:
            self.m.task(task, [task])
            self.m.claim(session, task)
        return p

    def assertGone(self, session, task=None):
        self.m.wait_event("end", session=session)
        self.assertEqual(self.state(session), "ended exited")
        if task:
            lost = self.m.events("lost", task=task)[-1]
            self.assertEqual((lost["reason"], lost["session"]), ("exited", session))
            self.assertEqual(self.m.column(task), "ready")


class Anchor(Anchored):
    """sessions/ID/anchor: when that process exits, the session ends."""

    def test_it_is_read_back(self):
        p = self.anchored("a")
        self.assertEqual(self.m.read("sessions", "a", "anchor"), f"{p.pid}\n")

    def test_zero_is_the_writer(self):
        self.m.session("a")
        sh = self.shell()
        sh.good("echo 0 > sessions/a/anchor")
        self.assertEqual(self.m.read("sessions", "a", "anchor"), f"{sh.pid}\n")
        sh.kill()
        self.assertGone("a")

    def test_killed_its_sessions_claims_are_free(self):
        p = self.anchored("a", "t")
        p.kill()
        self.assertGone("a", "t")
        self.m.session("b")
        self.m.claim("b", "t")

    def test_an_exit_as_it_should_be_ends_it_as_well(self):
        p = self.process(["cat"], stdin=subprocess.PIPE)
        self.m.session("a")
        self.anchor("a", p.pid)
        p.stdin.close()
        self.assertGone("a")

    def test_a_child_that_still_lives_does_not_keep_it(self):
        p = self.process(["bash", "-c", "sleep 600 & echo $!; wait"], stdout=subprocess.PIPE, text=True)
        child = int(p.stdout.readline())
        self.addCleanup(os.kill, child, signal.SIGKILL)
        self.m.session("a")
        self.m.task("t")
        self.anchor("a", p.pid)
        self.m.claim("a", "t")
        p.kill()
        self.assertGone("a", "t")
        os.kill(child, 0)  # it lives

    def test_a_member_that_still_lives_does_not_keep_it(self):
        p = self.anchored("a", "t")
        self.join("a", self.sleeper().pid)
        p.kill()
        self.assertGone("a", "t")

    def test_while_it_lives_the_session_is_not_idle_and_its_leases_are_renewed(self):
        self.m.write("300ms\n", "control", "lease")
        p = self.anchored("a", "t")
        self.leases_go_by(3)
        self.assertEqual(self.m.events("lost", task="t"), [])
        self.assertEqual(self.state("a"), "live")
        p.kill()
        self.assertGone("a", "t")

    def test_another_one_takes_its_place(self):
        first = self.anchored("a", "t")
        second = self.sleeper()
        self.anchor("a", second.pid)
        first.kill()
        first.wait()
        third = self.anchored("b")
        third.kill()
        self.assertGone("b")  # who died later has been seen: the first one would have been
        self.assertEqual(self.state("a"), "live")
        second.kill()
        self.assertGone("a", "t")

    def test_one_process_anchors_many_sessions(self):
        p = self.anchored("a", "t")
        self.m.session("b")
        self.m.task("u")
        self.m.claim("b", "u")
        self.anchor("b", p.pid)
        p.kill()
        self.assertGone("a", "t")
        self.assertGone("b", "u")

    def test_what_was_held_through_it_is_fenced(self):
        p = self.anchored("a", "t")
        token = self.token("t")
        fd = os.open(self.m.path("sessions", "a", "claims", "t"), os.O_WRONLY | os.O_APPEND)
        self.addCleanup(os.close, fd)
        p.kill()
        self.assertGone("a", "t")
        self.refused("ESTALE", os.write, fd, b"y\n")
        self.assertEqual(self.m.tool("verify", "t", token).rc, 1)

    def test_an_ended_session_takes_none(self):
        self.m.session("a")
        os.rmdir(self.m.path("sessions", "a"))
        self.refused("ESTALE", self.anchor, "a", self.sleeper().pid)


class Rules(Anchored):
    """Who can be an anchor: the writer, its ancestors, its descendants, of its uid."""

    def setUp(self):
        super().setUp()
        self.m.session("a")

    def assertNone(self):
        self.assertEqual(self.m.read("sessions", "a", "anchor"), "-\n")

    def test_an_ancestor_and_a_descendant_can(self):
        p = self.sleeper()
        self.anchor("a", p.pid)
        sh = self.shell()
        sh.good("dash -c 'echo $0 > sessions/a/anchor; :' $$")
        self.assertEqual(self.m.read("sessions", "a", "anchor"), f"{sh.pid}\n")

    def test_a_stranger_is_EPERM(self):
        p = self.sleeper()
        path = self.m.path("sessions", "a", "anchor")
        got = self.m.sh(f"echo {p.pid} > {path} || cat sessions/a/why")
        self.assertWhy(got.out, "EPERM", str(p.pid))
        self.assertNone()

    def test_init_is_EPERM(self):
        self.refused("EPERM", self.anchor, "a", 1)
        self.assertNone()

    def test_the_daemon_is_EPERM(self):
        self.refused("EPERM", self.anchor, "a", self.m.pid)
        self.assertNone()

    def test_another_uids_process_is_EPERM(self):
        need_root()
        self.m.session("b", uid=UID_A)
        p = self.sleeper()
        self.refused("EPERM", as_uid, UID_A, self.anchor, "b", p.pid)
        self.refused("EPERM", as_uid, UID_A, lambda: self.anchor("b", os.getppid()))

    def test_another_uids_session_takes_none(self):
        need_root()
        self.assertIn(errno_of(as_uid, UID_A, self.anchor, "a", 0), ("EACCES", "EPERM"))

    def test_a_pid_that_is_none_is_ESRCH(self):
        p = subprocess.Popen(["true"])
        p.wait()
        self.refused("ESRCH", self.anchor, "a", p.pid)

    def test_what_is_no_pid_is_EINVAL(self):
        for text in ("x\n", "-1\n", "1 2\n", "0\n0\n", "99999999999\n"):
            with self.subTest(text):
                self.refused("EINVAL", write, self.m.path("sessions", "a", "anchor"), text)

    def test_a_process_in_a_container_is_that_process(self):
        """Its number inside is that of a stranger outside, or of none."""
        need_root()
        p = self.process([*lib.unshare("-p", "-f", "--mount-proc", "--kill-child"), "bash", "-c",
                          "sleep 600 & echo $! > sessions/a/anchor || exit 1; echo $!;"
                          "read x; kill -9 $!; read x"],
                         cwd=self.m.dir, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        inside = int(p.stdout.readline())
        outside = int(self.m.read("sessions", "a", "anchor"))
        spid = next(l for l in lib.read(f"/proc/{outside}/status").splitlines() if l.startswith("NSpid"))
        self.assertEqual([int(n) for n in spid.split()[1:]], [outside, inside])
        self.m.task("t")
        self.m.claim("a", "t")
        self.assertEqual(self.state("a"), "live")
        p.stdin.write("\n")
        p.stdin.flush()
        self.assertGone("a", "t")

    def test_the_init_of_a_container_is_EPERM(self):
        need_root()
        got = self.m.sh([*lib.unshare("-p", "-f", "--mount-proc", "--kill-child"), "bash", "-c",
                         "echo 0 > sessions/a/anchor; echo rc $?;"
                         "dash -c 'echo 1 > sessions/a/anchor; echo rc $?; :'"])
        self.assertEqual(got.out, "rc 1\nrc 1\n")
        self.assertNone()


class AtOnce(Anchored):
    """How long from the end of a process to the end of its claims."""

    def test_100_that_are_killed_one_after_the_other(self):
        """Compared with how long wait/events takes to tell of a plain release."""
        m, took, plain = self.m, [], []
        m.session("other")
        m.task("u")
        log = self.follow()
        for i in range(MANY):
            m.claim("other", "u")
            began = time.monotonic()
            m.release("other", "u")
            plain.append(log.wait(i + 1, "release")[-1][0] - began)
        m.task("t")
        for i in range(MANY):
            p = self.sleeper()
            m.session(f"s{i}")
            self.anchor(f"s{i}", p.pid)
            m.claim(f"s{i}", "t")
            began = time.monotonic()
            p.kill()
            took.append(log.wait(i + 1, "lost")[-1][0] - began)
        figures("a release, till it is told", plain)
        figures("kill -9 of an anchor, till the loss is told", took)
        self.assertLess(p99(took), 20 * p99(plain) + 1)

    def test_100_at_once(self):
        m, children = self.m, []
        for i in range(MANY):
            children.append(self.anchored(f"s{i}", f"t{i}"))
        log = self.follow()
        began = time.monotonic()
        for p in children:
            p.kill()
        lost = log.wait(MANY, "lost", reason="exited")
        figures(f"{MANY} anchors killed at once, till the losses are told", [at - began for at, _ in lost])
        self.assertEqual({e["task"] for _, e in lost}, {f"t{i}" for i in range(MANY)})
        self.assertEqual(m.ls("claims"), [])
        self.assertEqual(len(m.events("end", reason="exited")), MANY)
        self.assertLess(max(at for at, _ in lost) - began, 5)


class Restart(Anchored):
    """A new daemon finds the processes again, or says that they are gone."""

    def test_an_anchor_that_lives_goes_on(self):
        p = self.anchored("a", "t")
        self.m.kill9()
        self.m.start()
        self.assertEqual(self.m.read("sessions", "a", "anchor"), f"{p.pid}\n")
        self.assertEqual(self.m.column("t"), "claims")
        p.kill()
        self.assertGone("a", "t")

    def test_one_that_was_killed_meanwhile_is_gone(self):
        p = self.anchored("a", "t")
        q = self.anchored("b", "u")
        self.m.kill9()
        p.kill()
        p.wait()
        self.m.start()
        self.assertGone("a", "t")
        self.assertEqual((self.state("b"), self.m.column("u")), ("live", "claims"))
        q.kill()
        self.assertGone("b", "u")

    def test_members_are_found_again_or_gone(self):
        p, q = self.sleeper(), self.sleeper()
        self.m.session("a")
        self.join("a", p.pid), self.join("a", q.pid)
        self.m.kill9()
        p.kill()
        p.wait()
        self.m.start()
        wait_for(lambda: self.procs("a") == [q.pid], "the member that is gone to leave")
        q.kill()
        wait_for(lambda: self.procs("a") == [], "the other one to leave as well")

    def test_who_has_the_number_of_an_anchor_later_is_not_the_anchor(self):
        p = self.anchored("a", "t")
        self.m.kill9()
        p.kill()
        p.wait()
        q = fork_with_pid(p.pid, ["sleep", "600"])
        if not q:
            self.skipTest("no process can be given a pid here (ns_last_pid)")
        self.addCleanup(self.end_process, q)
        self.m.start()
        self.assertGone("a", "t")

    def test_who_has_the_number_of_a_member_later_is_not_a_member(self):
        p = self.sleeper()
        self.m.session("a")
        self.join("a", p.pid)
        self.m.kill9()
        p.kill()
        p.wait()
        script = f"read -r _ < {self.m.base}/go; exec cat {self.m.dir}/whoami"
        os.mkfifo(self.m.base / "go")
        q = fork_with_pid(p.pid, ["bash", "-c", f"{{ {script}; }} > {self.m.base}/said"])
        if not q:
            self.skipTest("no process can be given a pid here (ns_last_pid)")
        self.addCleanup(self.end_process, q)
        self.m.start()
        wait_for(lambda: self.procs("a") == [], "the member that is gone to leave")
        (self.m.base / "go").write_text("\n")
        q.wait(lib.PATIENCE)
        self.assertEqual(value(lib.read(self.m.base / "said"), "session"), "-")


class Member(Processes):
    """A process in procs keeps the session's leases alive, up to control/lease-max."""

    def setUp(self):
        super().setUp()
        self.m.session("a")

    def test_it_keeps_leases_beyond_their_length_and_its_end_ends_them_in_time(self):
        m, p = self.m, self.sleeper()
        self.join("a", p.pid)
        m.task("t", ttl="400ms")
        m.claim("a", "t")
        self.leases_go_by(3, "400ms")
        self.assertEqual(m.events("lost", task="t"), [])
        p.kill()
        left = m.wait_event("left", session="a")
        lost = m.wait_event("lost", task="t")
        self.assertEqual((lost["reason"], self.state("a")), ("expired", "live"))
        self.assertGreaterEqual(lost["at"] - left["at"], 390)  # one lease more
        self.assertEqual(self.procs("a"), [])

    def test_a_renewal_by_a_member_is_no_sign_of_work(self):
        m = self.m
        self.join("a", self.sleeper().pid)
        m.task("t", ttl="300ms")
        m.claim("a", "t")
        before = os.stat(m.path("claims", "t")).st_mtime_ns
        self.leases_go_by(3)
        self.assertEqual(os.stat(m.path("claims", "t")).st_mtime_ns, before)

    def test_one_of_two_is_enough(self):
        m, p, q = self.m, self.sleeper(), self.sleeper()
        self.join("a", p.pid), self.join("a", q.pid)
        m.task("t", ttl="300ms")
        m.claim("a", "t")
        p.kill()
        m.wait_event("left", session="a")
        self.leases_go_by(3)
        self.assertEqual(m.events("lost", task="t"), [])
        q.kill()
        m.wait_event("lost", task="t", reason="expired")

    def test_lease_max_after_the_last_mutation_is_the_end(self):
        m = self.m
        m.write("1500ms\n", "control", "lease-max")
        self.join("a", self.sleeper().pid)
        m.task("t", ttl="300ms")
        m.claim("a", "t")
        lost = m.wait_event("lost", task="t")
        claimed = m.events("claim", task="t")[-1]
        self.assertEqual(lost["reason"], "expired")
        self.assertGreaterEqual(lost["at"] - claimed["at"], 1490)
        self.assertLess(lost["at"] - claimed["at"], 1500 + 300 + 5000)

    def test_a_mutation_starts_lease_max_anew(self):
        m = self.m
        m.write("1200ms\n", "control", "lease-max")
        self.join("a", self.sleeper().pid)
        m.session("b")
        self.join("b", self.sleeper().pid)
        m.task("t", ttl="300ms"), m.task("u", ttl="300ms")
        m.claim("a", "t"), m.claim("b", "u")

        def beat():
            os.utime(m.path("sessions", "a"))
            return m.events("lost", task="u")

        wait_for(beat, "the lease without mutations to end")
        self.assertEqual(m.events("lost", task="t"), [])

    def test_lease_max_can_be_read_and_is_the_owners(self):
        m = self.m
        self.assertIn(m.read("control", "lease-max").strip(), ("", "8h"))
        m.write("2h\n", "control", "lease-max")
        self.assertEqual(m.read("control", "lease-max"), "2h\n")
        self.refused("EINVAL", m.write, "long\n", "control", "lease-max")
        if os.geteuid() == 0:
            self.assertIn(errno_of(as_uid, UID_A, m.write, "3h\n", "control", "lease-max"), ("EACCES", "EPERM"))

    def test_a_ttl_of_the_task_goes_before_control_lease(self):
        m = self.m
        m.write("300ms\n", "control", "lease")
        m.task("t", ttl="1h"), m.task("u")
        m.claim("a", "t"), m.claim("a", "u")
        m.wait_event("lost", task="u")
        self.assertEqual(m.column("t"), "claims")

    def test_touching_the_session_renews_each_by_its_own_length(self):
        m = self.m
        lengths = {"t": 600, "u": 900, "v": 1200}
        for task, ms in lengths.items():
            m.task(task, ttl=f"{ms}ms")
            m.claim("a", task)
        self.leases_go_by(1, "400ms")
        os.utime(m.path("sessions", "a"))
        began = max(e["at"] for e in m.events())  # before the touch, which is no event
        for task, ms in lengths.items():
            self.assertGreaterEqual(m.wait_event("lost", task=task)["at"] - began, ms - 10)


class Stopped(Processes):
    """SIGSTOP for longer than a lease can last; then it goes on, and learns better."""

    def setUp(self):
        super().setUp()
        m = self.m
        m.write("500ms\n", "control", "lease-max")
        m.session("a"), m.session("b")
        m.task("t", ["x"], ttl="250ms")
        self.sh = self.shell(session="a")
        self.sh.good("echo 0 > sessions/a/procs")
        self.sh.good("touch claims/t")
        self.sh.good("exec 8>> claims/t; exec 7>> sessions/a/claims/t")
        self.old = self.token("t")
        self.sh.send(signal.SIGSTOP)
        self.lost = m.wait_event("lost", task="t")
        m.write("8h\n", "control", "lease-max")
        self.join("b", self.sleeper().pid)
        self.new = m.claim("b", "t")
        self.sh.send(signal.SIGCONT)

    def test_whatever_it_tries_is_ESTALE_and_the_new_holder_is_undisturbed(self):
        m = self.m
        self.assertEqual(self.lost["reason"], "expired")
        for command in ("echo y >&8", "echo y >&7", "touch claims/t", "touch sessions/a/claims/t",
                        ": > sessions/a/claims/t", "mv sessions/a/claims/t done/",
                        "mv sessions/a/claims/t sessions/a/done/", "rm sessions/a/claims/t",
                        "mv sessions/a/claims/t ready/", "mv sessions/a/claims/t sessions/b/claims/"):
            with self.subTest(command):
                rc, said = self.sh.run(command)
                self.assertNotEqual(rc, 0)
                held_by_other = command == "touch claims/t"
                self.assertRegex(said, "Stale file handle|Device or resource busy" if held_by_other
                                 else "Stale file handle")
                text = m.read("claims", "t")
                self.assertEqual((value(text, "session"), int(value(text, "token"))), ("b", self.new))
                self.assertEqual(lib.values(text, "artifact"), ["x"])
        self.assertGreater(self.new, self.old)
        late = m.events("late", task="t")
        self.assertEqual({(e["token"], e["session"]) for e in late}, {(self.old, "a")})
        self.assertEqual(m.tool("verify", "t", self.old).rc, 1)
        self.assertEqual(m.tool("verify", "t", self.new).rc, 0)

    def test_it_is_told_once_by_touch_of_its_session(self):
        rc, said = self.sh.run("touch sessions/a")
        self.assertIn("Key has expired", said)
        self.assertNotEqual(rc, 0)
        self.sh.good("touch sessions/a")


class Anew(Anchored):
    """The name of a session that has ended is spent; what comes late from it touches nothing new."""

    def test_an_id_is_not_given_twice_however_it_ended(self):
        p = self.anchored("a")
        p.kill()
        self.assertGone("a")
        self.refused("EEXIST", os.mkdir, self.m.path("sessions", "a"))
        self.assertNotEqual(self.m.tool("run", "--session", "a", "--", "true").rc, 0)

    def test_the_exit_of_an_old_anchor_touches_no_new_session(self):
        m = self.m
        old = self.anchored("a", "t")
        os.rmdir(m.path("sessions", "a"))
        self.anchored("b")
        token = m.claim("b", "t")
        old.kill()
        old.wait()
        last = self.anchored("c")
        last.kill()
        self.assertGone("c")  # so the exit before has been seen as well
        os.rmdir(m.path("sessions", "a"))  # late, and a success
        self.assertEqual((self.state("a"), self.state("b")), ("ended removed", "live"))
        self.assertEqual(self.token("t"), token)

    def test_what_was_handed_over_in_time_stays(self):
        m = self.m
        old = self.anchored("a", "t")
        m.session("b")
        os.rename(m.path("sessions", "a", "claims", "t"), m.path("sessions", "b", "claims", "t"))
        token = self.token("t")
        old.kill()
        self.assertGone("a")
        self.assertEqual((value(m.read("claims", "t"), "session"), self.token("t")), ("b", token))

    def test_a_process_of_an_old_session_can_be_of_a_new_one(self):
        m = self.m
        p = self.anchored("a")
        self.join("a", p.pid)
        os.rmdir(m.path("sessions", "a"))
        m.session("b")
        self.join("b", p.pid)
        self.anchor("b", p.pid)
        m.task("t")
        m.claim("b", "t")
        p.kill()
        self.assertGone("b", "t")
        self.assertEqual(self.state("a"), "ended removed")


class Run(Anchored):
    """coordfs run: the one line of a launcher."""

    def launch(self, session, script, **kwargs):
        return self.process([lib.COORDFS, "run", "--mount", str(self.m.dir), "--session", session, "--",
                             "bash", "-c", script], stdout=subprocess.PIPE, text=True, cwd=self.m.dir, **kwargs)

    def test_the_session_has_an_anchor_and_a_member(self):
        p = self.launch("r", "cat sessions/r/anchor; cat sessions/r/procs; echo $COORD_SESSION $$ $PPID; exit 3")
        anchor, *members, said = p.stdout.read().splitlines()
        self.assertEqual(p.wait(), 3)
        session, shell, run = said.split()
        self.assertEqual((session, int(run)), ("r", p.pid))
        self.assertIn(anchor, (shell, run))
        self.assertTrue({shell, run} & set(members))
        wait_for(lambda: self.state("r") != "live", "the session to end with the command")

    def test_exit_status_and_signals_come_through(self):
        for status in (0, 1, 77):
            self.assertEqual(self.m.tool("run", "--", "bash", "-c", f"exit {status}").rc, status)
        self.assertEqual(self.m.tool("run", "--", "bash", "-c", "kill -9 $$").rc, 128 + 9)
        for name in ("INT", "TERM", "HUP", "QUIT", "USR1", "USR2"):
            with self.subTest(name):
                p = self.launch(f"s{name}", f"cd /; trap 'kill $!; echo got {name}; exit 5' {name}; echo up; while :; do sleep 1 & wait $!; done")
                self.assertEqual(p.stdout.readline(), "up\n")
                p.send_signal(getattr(signal, f"SIG{name}"))
                self.assertEqual((p.stdout.readline(), p.wait(lib.PATIENCE)), (f"got {name}\n", 5))
                wait_for(lambda n=name: self.state(f"s{n}") != "live", "the session to end")

    def test_what_the_command_held_is_free_when_it_ends(self):
        self.m.task("t")
        p = self.launch("r", "touch claims/t && echo held && exit 4")
        self.assertEqual((p.stdout.readline(), p.wait(lib.PATIENCE)), ("held\n", 4))
        wait_for(lambda: "t" in self.m.ls("ready"), "the claim to be free")

    def test_the_commands_death_frees_its_claims(self):
        self.m.task("t")
        p = self.launch("r", "touch claims/t && echo $$; sleep 600")
        shell = int(p.stdout.readline())
        os.kill(shell, signal.SIGKILL)
        wait_for(lambda: "t" in self.m.ls("ready"), "the claim to be free")
        self.assertNotEqual(self.state("r"), "live")
        self.assertEqual(p.wait(lib.PATIENCE), 128 + 9)

    def test_killed_with_9_its_session_ends_with_the_command(self):
        self.m.task("t")
        p = self.launch("r", "touch claims/t && echo $$; exec sleep 600")
        command = int(p.stdout.readline())
        p.kill()
        p.wait()
        try:
            os.kill(command, signal.SIGKILL)
        except ProcessLookupError:
            pass  # run took it along
        self.assertGone("r", "t")


class Watching(Anchored):
    """wait/events tells what the daemon does by itself; inotify, what goes through the mount."""

    def wakes(self, wait, act, kind, **fields):
        """Nothing to read, then ACT, and WAIT(fd) says that there is something: that event."""
        with open(self.m.path("wait", "events"), "rb", buffering=0, opener=lambda p, f: os.open(
                p, f | os.O_NONBLOCK)) as log:
            self.assertFalse(select.select([log], [], [], 0)[0])
            act()
            lines = b""
            while not [e for e in map(json.loads, lines.splitlines())
                       if e["event"] == kind and all(e.get(k) == v for k, v in fields.items())]:
                wait(log.fileno())
                lines += log.read(1 << 16) or b""

    def with_poll(self, fd):
        p = select.poll()
        p.register(fd, select.POLLIN)
        self.assertTrue(p.poll(1000 * lib.PATIENCE), "poll said nothing")

    def with_epoll(self, fd):
        with select.epoll() as p:
            p.register(fd, select.EPOLLIN)
            self.assertTrue(p.poll(lib.PATIENCE), "epoll said nothing")

    def test_poll_and_epoll_tell_of_expiry_exit_and_hand_over(self):
        m = self.m
        m.session("a"), m.session("b")
        for i, wait in enumerate((self.with_poll, self.with_epoll)):
            with self.subTest(wait.__name__):
                m.task(f"t{i}", ttl="200ms")
                self.wakes(wait, lambda i=i: m.claim("a", f"t{i}"), "lost", task=f"t{i}", reason="expired")
                p = self.anchored(f"c{i}", f"u{i}")
                self.wakes(wait, p.kill, "lost", task=f"u{i}", reason="exited")
                m.task(f"v{i}")
                m.claim("a", f"v{i}")
                self.wakes(wait, lambda i=i: os.rename(m.path("sessions/a/claims", f"v{i}"),
                                                       m.path("sessions/b/claims", f"v{i}")),
                           "handover", task=f"v{i}", to="b")

    def test_inotify_tells_of_create_delete_and_modify_in_claims(self):
        need_tool("inotifywait")
        m = self.m
        m.session("a")
        m.task("t", ["x"]), m.task("u")
        p = self.process(["inotifywait", "-m", "-e", "create,modify,delete", "--format", "%f %e", "claims"],
                         cwd=m.dir, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        while "established" not in p.stderr.readline():
            pass
        m.sh("touch claims/t && echo y >> claims/t && rm claims/t && touch claims/u && rm claims/u", session="a")
        want = ["t CREATE", "t MODIFY", "t DELETE", "u CREATE", "u DELETE"]
        self.assertEqual([p.stdout.readline().strip() for _ in want], want)


if __name__ == "__main__":
    unittest.main()
