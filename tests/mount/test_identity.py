"""Who asks: by path, by joined process, by environment, or nobody; and who may what."""
import contextlib
import grp
import os
import subprocess
import unittest

from lib import (COORDFS, UID_A, UID_B, Case, Mount, as_uid, errno_of, in_child, is_mounted,
                 need_root, read, unshare, value, wait_for, write)


def environ(**more):
    env = {k: v for k, v in os.environ.items() if k not in ("COORD_SESSION", "BASH_ENV", "ENV")}
    env.update(more)
    return env


@contextlib.contextmanager
def foreground():
    """A mount whose daemon is this process's own child: (the mount, its pid)."""
    m = Mount(start=False)
    argv = [COORDFS, "mount", str(m.dir), "--store", str(m.store), "--foreground"]
    p = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_for(lambda: is_mounted(m.dir), "the mount in the foreground")
        yield m, p.pid
        p.terminate()
        if p.wait(30):
            raise AssertionError(f"the daemon ended with status {p.returncode}")
    finally:
        p.kill()
        p.wait()
        m.discard()


class Identity(Case):
    def whoami(self, *where, **kwargs):
        """(session, how) as a fresh process sees it."""
        got = self.m.sh(f"cat {'/'.join(where + ('whoami',))}", **kwargs)
        self.assertEqual(got.rc, 0, got.err)
        return value(got.out, "session"), value(got.out, "how")

    def sleeper(self, **kwargs):
        """A process that only waits."""
        p = subprocess.Popen(["sleep", "600"], stdin=subprocess.DEVNULL, env=environ(), **kwargs)
        self.addCleanup(p.wait)
        self.addCleanup(p.kill)
        return p

    def join(self, session, pid=0):
        write(self.m.path("sessions", session, "procs"), f"{pid}\n")

    def procs(self, session):
        return [int(l) for l in self.m.read("sessions", session, "procs").split()]


class FoundBy(Identity):
    """The four ways, their order, and what whoami says of it."""

    def test_nobody_is_no_session(self):
        self.assertEqual(self.whoami(), ("-", "-"))

    def test_a_path_names_the_session(self):
        self.m.session("s1")
        self.assertEqual(self.whoami("sessions", "s1"), ("s1", "path"))

    def test_the_environment_names_the_session(self):
        self.m.session("s1")
        self.assertEqual(self.whoami(session="s1"), ("s1", "environment"))

    def test_a_joined_process_is_its_session(self):
        self.m.session("s1")
        got = self.m.sh("echo 0 > sessions/s1/procs; cat whoami")
        self.assertEqual((value(got.out, "session"), value(got.out, "how")),
                         ("s1", "joined process"))

    def test_a_path_goes_before_the_environment(self):
        self.m.session("s1")
        self.m.session("s2")
        self.assertEqual(self.whoami("sessions", "s1", session="s2"), ("s1", "path"))

    def test_descendants_of_a_joined_process_are_its_session(self):
        self.m.session("s1")
        got = self.m.sh("echo 0 > sessions/s1/procs; bash -c 'env -i dash -c \"cat whoami; :\"; :'")
        self.assertEqual(value(got.out, "session"), "s1")

    def test_the_nearest_joined_ancestor_decides(self):
        self.m.session("s1")
        self.m.session("s2")
        got = self.m.sh("echo 0 > sessions/s1/procs;"
                        "bash -c 'echo 0 > sessions/s2/procs; cat whoami'; cat whoami")
        self.assertEqual([l for l in got.out.splitlines() if l.startswith("session")],
                         ["session s2", "session s1"])

    def test_an_environment_set_below_the_joined_process_wins(self):
        self.m.session("s1")
        self.m.session("s1.2")
        got = self.m.sh("echo 0 > sessions/s1/procs; COORD_SESSION=s1.2 cat whoami; cat whoami",
                        session="s1")
        self.assertIn("session s1.2\nhow environment\n", got.out)
        self.assertIn("session s1\nhow joined process\n", got.out)

    def test_an_environment_the_joined_process_had_itself_does_not_win(self):
        self.m.session("s1")
        self.m.session("old")
        got = self.m.sh("echo 0 > sessions/s1/procs; cat whoami", session="old")
        self.assertIn("session s1\nhow joined process\n", got.out)

    def test_an_environment_below_that_names_nothing_registered_leaves_the_joined_session(self):
        self.m.session("s1")
        got = self.m.sh("echo 0 > sessions/s1/procs; COORD_SESSION=typo cat whoami")
        self.assertIn("session s1\nhow joined process\n", got.out)

    def test_whoami_tells_uid_pid_and_operator(self):
        need_root()
        got = self.m.sh("exec cat whoami")
        self.assertEqual(value(got.out, "uid"), "0")
        self.assertEqual(value(got.out, "operator"), "yes")
        p = subprocess.Popen(["cat", self.m.path("whoami")], stdout=subprocess.PIPE, text=True)
        out, _ = p.communicate(timeout=30)
        self.assertEqual(int(value(out, "pid")), p.pid)
        out = as_uid(UID_A, read, self.m.path("whoami"))
        self.assertEqual((value(out, "uid"), value(out, "operator")), (str(UID_A), "no"))

    def test_a_thread_is_its_process(self):
        self.m.session("s1")
        code = ("import os, threading\n"
                "open('sessions/s1/procs', 'w').write('0\\n')\n"
                "t = threading.Thread(target=lambda: print(open('whoami').read(), os.getpid()))\n"
                "t.start(); t.join()\n")
        got = self.m.sh(["python3", "-c", code])
        self.assertEqual(value(got.out, "session"), "s1", got.err)
        self.assertEqual(value(got.out, "pid"), got.out.split()[-1])


class Nobody(Identity):
    """What needs a session and has none: ENOKEY, and a sentence."""

    def setUp(self):
        super().setUp()
        self.m.task("t")

    def test_every_move_of_the_board_by_nobody_is_enokey(self):
        self.m.session("s1")
        self.m.task("held")
        self.m.claim("s1", "held")
        for command in ("touch claims/t", ": > claims/t", "set -C; : > claims/t",
                        ": >> claims/t", "mv ready/t claims/", "mv claims/held done/",
                        "mv claims/held ready/", "rm claims/held",
                        "mv claims/held sessions/s1/claims/"):
            with self.subTest(command):
                got = self.m.sh(command)
                self.assertNotEqual(got.rc, 0)
                self.assertIn("Required key not available", got.err)
        self.assertEqual((self.m.column("t"), self.m.column("held")), ("ready", "claims"))

    def test_why_says_that_there_is_no_session(self):
        got = self.m.sh("touch claims/t; cat why")
        self.assertWhy(got.out, "ENOKEY", "claim claims/t", "no session", "mkdir sessions/")

    def test_a_name_that_is_not_registered_is_named_in_why(self):
        got = self.m.sh("touch claims/t; cat why", session="typo")
        self.assertWhy(got.out, "ENOKEY", "COORD_SESSION=typo", "mkdir sessions/")

    def test_a_builtin_of_a_shell_without_the_variable_is_told_so(self):
        """The shell itself opens the file, and its environment is that of its start."""
        self.m.session("s1")
        got = self.m.sh("export COORD_SESSION=s1; : > claims/t; echo rc $?; cat why")
        self.assertIn("rc 1", got.out)
        got = self.m.sh("export COORD_SESSION=s1; : > claims/t; COORD_SESSION= cat why")
        self.assertWhy(got.out, "ENOKEY", "claim claims/t", "no session")
        got = self.m.sh("export COORD_SESSION=s1; touch claims/t")
        self.assertEqual(got.rc, 0, got.err)

    def test_why_is_kept_for_each_parent_process(self):
        """Two shells of one uid, neither with a session, do not see each other's."""
        got = self.m.sh("touch claims/t; bash -c 'cat why; :'; cat why")
        self.assertTrue(got.out.startswith("nothing was refused\n"), got.out)
        self.assertIn("ENOKEY", got.out)

    def test_nothing_needs_a_session_but_the_board(self):
        got = self.m.sh("mkdir tasks/u && echo x > tasks/u/title && mv ideas/u ready/ &&"
                        "mv ready/u ideas/ && rmdir tasks/u && cat why whoami status > /dev/null")
        self.assertEqual(got.rc, 0, got.err)

    def test_reopening_needs_no_session(self):
        self.m.session("s1")
        self.m.claim("s1", "t")
        self.m.finish("s1", "t")
        self.assertEqual(self.m.sh("mv done/t ready/").rc, 0)
        self.assertEqual(self.m.column("t"), "ready")

    def test_an_ended_session_in_the_environment_is_estale(self):
        self.m.session("s1")
        os.rmdir(self.m.path("sessions", "s1"))
        got = self.m.sh("touch claims/t; cat why", session="s1")
        self.assertWhy(got.out, "ESTALE", "session s1 has ended")


class Joining(Identity):
    """procs: who may be written there."""

    def setUp(self):
        super().setUp()
        self.m.session("s1")
        self.m.session("s2")

    def test_zero_is_the_writer(self):
        in_child(self.join, "s1")
        got = self.m.sh("echo 0 > sessions/s1/procs; echo $$; cat sessions/s1/procs")
        pid, *listed = got.out.split()
        self.assertIn(pid, listed)

    def test_the_members_are_listed_by_pid(self):
        got = self.m.sh("echo $$ > sessions/s1/procs; echo $$; cat sessions/s1/procs")
        self.assertEqual(len(set(got.out.split())), 1, got.out)

    def test_a_descendant_can_be_named(self):
        p = self.sleeper()
        self.join("s1", p.pid)
        self.assertEqual(self.procs("s1"), [p.pid])

    def test_an_ancestor_can_be_named(self):
        """The shell is joined by its child; what it starts next is the session."""
        got = self.m.sh("dash -c 'echo $0 > sessions/s1/procs' $$; cat whoami")
        self.assertIn("session s1\nhow joined process\n", got.out)

    def test_a_stranger_is_eperm(self):
        p = self.sleeper()
        path = self.m.path("sessions", "s1", "procs")
        got = self.m.sh(f"echo {p.pid} > {path} || cat sessions/s1/why")
        self.assertWhy(got.out, "EPERM", str(p.pid), "ancestor")
        self.assertEqual(self.procs("s1"), [])

    def test_init_is_eperm(self):
        self.refused("EPERM", self.join, "s1", 1)
        self.assertWhy(self.m.why("s1"), "EPERM", "write sessions/s1/procs")

    def test_the_init_of_a_pid_namespace_is_eperm(self):
        need_root()
        got = self.m.sh([*unshare("-p", "-f", "--mount-proc", "--kill-child"), "bash", "-c",
                         "echo 0 > sessions/s1/procs; echo rc $?;"
                         "dash -c 'echo 1 > sessions/s1/procs; echo rc $?; :'"])
        self.assertEqual(got.out, "rc 1\nrc 1\n")
        self.assertWhy(self.m.why("s1"), "EPERM", "init")

    def test_the_daemon_and_its_ancestors_are_eperm(self):
        """A daemon in the foreground, started by this very process."""
        with foreground() as (m, daemon):
            m.session("f1")
            path = m.path("sessions", "f1", "procs")
            self.refused("EPERM", write, path, f"{daemon}\n")
            self.refused("EPERM", write, path, "0\n")
            self.assertWhy(m.why("f1"), "EPERM", "daemon")

    def test_another_uids_process_is_eperm(self):
        need_root()
        m = self.m
        m.session("a", uid=UID_A)
        p = self.sleeper()  # of root, and a descendant of nobody of UID_A
        self.refused("EPERM", as_uid, UID_A, write, m.path("sessions", "a", "procs"), f"{p.pid}\n")
        # its own parent is an ancestor, but root's
        self.refused("EPERM", as_uid, UID_A, lambda: write(
            m.path("sessions", "a", "procs"), f"{os.getppid()}\n"))
        self.assertEqual(self.procs("a"), [])

    def test_a_pid_that_is_none_is_esrch(self):
        p = subprocess.Popen(["true"])
        p.wait()
        self.refused("ESRCH", self.join, "s1", p.pid)

    def test_what_is_no_pid_is_einval(self):
        for text in ("x\n", "-1\n", "1 2\n", "0\n0\n", "\n", "99999999999\n", "0x1\n"):
            with self.subTest(text):
                self.refused("EINVAL", write, self.m.path("sessions", "s1", "procs"), text)

    def test_a_process_is_in_one_session(self):
        p = self.sleeper()
        self.join("s1", p.pid)
        self.join("s1", p.pid)  # once more changes nothing
        self.refused("EBUSY", self.join, "s2", p.pid)
        self.assertEqual((self.procs("s1"), self.procs("s2")), ([p.pid], []))

    def test_a_process_is_free_again_when_its_session_has_ended(self):
        p = self.sleeper()
        self.join("s1", p.pid)
        os.rmdir(self.m.path("sessions", "s1"))
        self.join("s2", p.pid)
        self.assertEqual(self.procs("s2"), [p.pid])

    def test_an_ended_session_is_not_joined(self):
        os.rmdir(self.m.path("sessions", "s1"))
        self.refused("ESTALE", in_child, self.join, "s1")

    def test_pids_are_those_of_the_writers_namespace(self):
        """Inside, `echo $$` of a child means that child, not whoever has the number outside."""
        need_root()
        got = self.m.sh([*unshare("-p", "-f", "--mount-proc", "--kill-child"), "bash", "-c",
                         "bash -c 'echo $$ > sessions/s1/procs; cat whoami; :'; cat whoami; :"])
        self.assertEqual([l for l in got.out.splitlines() if l.startswith("session")],
                         ["session s1", "session -"], got.err)


class Contradiction(Identity):
    """A path that says another session than the process's own."""

    def setUp(self):
        super().setUp()
        need_root()
        m = self.m
        for name in ("s4", "s41", "s41.2", "n"):
            m.session(name, uid=UID_A)
        for t in ("t", "u"):
            m.task(t)
        as_uid(UID_A, m.claim, "n", "t")

    def joined(self, session, command):
        """COMMAND by a process of UID_A that is joined to SESSION."""
        return self.m.sh(f"echo 0 > sessions/{session}/procs; {command}", uid=UID_A)

    def test_a_neighbours_claim_is_not_released_by_typing_its_path(self):
        for command in ("rm sessions/n/claims/t", "mv sessions/n/claims/t sessions/n/done/",
                        "mv sessions/n/claims/t ready/", "touch sessions/n/claims/u",
                        "echo x >> sessions/n/claims/t", "echo noop > sessions/n/outcome",
                        "mv sessions/n/claims/t sessions/s41/claims/", "rmdir sessions/n",
                        "touch sessions/n", "echo 0 > sessions/n/procs"):
            with self.subTest(command):
                got = self.joined("s41", command)
                self.assertNotEqual(got.rc, 0)
                self.assertRegex(got.err, "Operation not permitted")
        self.assertEqual(value(self.m.read("claims", "t"), "session"), "n")
        self.assertEqual(self.m.read("sessions", "n", "state"), "live\n")

    def test_why_tells_the_one_who_asked_and_the_neighbour_hears_nothing(self):
        before = self.m.why("n")
        got = self.joined("s41", "rm sessions/n/claims/t; cat why")
        self.assertWhy(got.out, "EPERM", "s41", "session n")
        self.assertEqual(self.m.why("n"), before)
        self.assertWhy(self.m.why("s41"), "EPERM", "session n")

    def test_a_neighbours_files_can_be_read_all_the_same(self):
        """Reading has no say in who one is: ls -l, cat and grep -r go through."""
        got = self.joined("s41", "grep -r . sessions; echo rc $?; ls -lR sessions; echo rc $?")
        self.assertEqual(got.err, "")
        self.assertEqual([l for l in got.out.splitlines() if l.startswith("rc ")], ["rc 0", "rc 0"])
        got = self.joined("s41", "ls sessions/n; stat -c %s sessions/n/why sessions/n/whoami")
        self.assertEqual(got.rc, 0, got.err)
        self.assertIn("whoami\n", got.out)

    def test_a_session_is_an_ancestor_of_another_by_name(self):
        self.assertEqual(self.joined("s41", "touch sessions/s41.2/claims/u").rc, 0)
        self.assertEqual(value(self.m.read("claims", "u"), "session"), "s41.2")
        self.assertEqual(self.joined("s41", "rm sessions/s41.2/claims/u").rc, 0)

    def test_neither_a_prefix_nor_a_descendant_is_an_ancestor(self):
        self.assertNotEqual(self.joined("s4", "touch sessions/s41/claims/u").rc, 0)
        self.assertNotEqual(self.joined("s41.2", "touch sessions/s41/claims/u").rc, 0)
        self.assertEqual(self.m.column("u"), "ready")

    def test_operators_are_excepted(self):
        self.m.session("mine")
        got = self.m.sh("echo 0 > sessions/mine/procs; rm sessions/n/claims/t")
        self.assertEqual(got.rc, 0, got.err)
        self.assertEqual(self.m.column("t"), "ready")

    def test_the_environment_does_not_contradict_a_path(self):
        """It is no more than a default: a fresh shell with another's variable uses paths."""
        got = self.m.sh("touch sessions/s41/claims/u", uid=UID_A, session="n")
        self.assertEqual(got.rc, 0, got.err)
        self.assertEqual(value(self.m.read("claims", "u"), "session"), "s41")


class TwoUids(Identity):
    """The trust boundary is the uid."""

    def setUp(self):
        super().setUp()
        need_root()
        self.m.session("a", uid=UID_A)
        self.m.session("b", uid=UID_B)
        self.m.task("t")
        self.m.task("u")

    def test_a_session_belongs_to_the_uid_that_registered_it(self):
        self.assertEqual(os.stat(self.m.path("sessions", "a")).st_uid, UID_A)
        self.assertEqual(as_uid(UID_A, self.m.claim, "a", "t") > 0, True)
        self.assertEqual(os.stat(self.m.path("claims", "t")).st_uid, UID_A)

    def test_another_uid_cannot_act_as_it_by_path(self):
        self.refused("EPERM", as_uid, UID_B, self.m.claim, "a", "t")
        self.assertEqual(self.m.column("t"), "ready")

    def test_another_uid_cannot_act_as_it_by_environment(self):
        got = self.m.sh("touch claims/t; cat why", uid=UID_B, session="a")
        self.assertIn("Operation not permitted", got.err)
        self.assertWhy(got.out, "EPERM", "session a belongs to uid", str(UID_B))
        self.assertEqual(self.m.column("t"), "ready")

    def test_what_a_stranger_is_refused_is_not_the_sessions_record(self):
        before = (self.m.why("a"), self.m.events("refused", session="a"))
        self.refused("EPERM", as_uid, UID_B, self.m.claim, "a", "t")
        self.assertEqual(self.m.sh("touch claims/t", uid=UID_B, session="a").rc, 1)
        self.assertEqual((self.m.why("a"), self.m.events("refused", session="a")), before)

    def test_a_stranger_reads_its_own_refusal(self):
        got = self.m.sh("touch sessions/a/claims/t; cat why", uid=UID_B)
        self.assertWhy(got.out, "EPERM", "session a belongs to uid")
        got = self.m.sh("touch sessions/a/claims/t; cat why", uid=UID_B, session="b")
        self.assertWhy(got.out, "EPERM", "session a belongs to uid")

    def test_another_uid_cannot_end_renew_or_describe_it(self):
        path = self.m.path("sessions", "a")
        self.refused("EPERM", as_uid, UID_B, os.rmdir, path)
        self.assertIn(errno_of(as_uid, UID_B, os.utime, path), ("EPERM", "EACCES"))
        for name in ("outcome", "category", "procs"):
            self.assertIn(errno_of(as_uid, UID_B, write, os.path.join(path, name), "0\n"),
                          ("EPERM", "EACCES"))
        self.assertEqual(self.m.read("sessions", "a", "state"), "live\n")

    def test_another_uid_meets_EBUSY_on_a_claim_and_not_EACCES(self):
        as_uid(UID_A, self.m.claim, "a", "t")
        for command in ("touch claims/t", ": > claims/t", "echo x >> claims/t"):
            with self.subTest(command):
                got = self.m.sh(command, uid=UID_B, session="b")
                self.assertIn("Device or resource busy", got.err)
        self.refused("EBUSY", as_uid, UID_B, self.m.claim, "b", "t")
        self.assertEqual(os.stat(self.m.path("claims", "t")).st_mode & 0o777, 0o666)

    def test_another_uid_cannot_end_a_claim(self):
        as_uid(UID_A, self.m.claim, "a", "t")
        for fn in (self.m.release, self.m.finish):
            self.refused("EPERM", as_uid, UID_B, fn, "a", "t")
        for command in ("rm claims/t", "mv claims/t done/", "mv claims/t ready/"):
            got = self.m.sh(command, uid=UID_B, session="b")
            self.assertIn("Operation not permitted", got.err)
        self.assertEqual(value(self.m.read("claims", "t"), "session"), "a")

    def test_a_hand_over_stays_within_a_uid(self):
        as_uid(UID_A, self.m.claim, "a", "t")
        self.refused("EPERM", as_uid, UID_A, os.rename, self.m.path("sessions", "a", "claims", "t"),
                     self.m.path("sessions", "b", "claims", "t"))
        self.m.session("a2", uid=UID_A)
        as_uid(UID_A, os.rename, self.m.path("sessions", "a", "claims", "t"),
               self.m.path("sessions", "a2", "claims", "t"))
        self.assertEqual(value(self.m.read("claims", "t"), "session"), "a2")

    def test_chown_gives_a_session_to_another_uid(self):
        os.chown(self.m.path("sessions", "a"), UID_B, -1)
        self.assertEqual(os.stat(self.m.path("sessions", "a")).st_uid, UID_B)
        self.refused("EPERM", as_uid, UID_A, self.m.claim, "a", "t")
        as_uid(UID_B, self.m.claim, "a", "t")
        self.assertEqual(value(self.m.read("claims", "t"), "session"), "a")

    def test_only_an_operator_gives_a_session_away(self):
        path = self.m.path("sessions", "a")
        self.refused("EPERM", as_uid, UID_A, os.chown, path, UID_B, -1)
        self.refused("EPERM", as_uid, UID_B, os.chown, path, UID_B, -1)
        self.assertEqual(os.stat(path).st_uid, UID_A)

    def test_a_session_with_claims_is_not_given_away(self):
        as_uid(UID_A, self.m.claim, "a", "t")
        self.refused("EBUSY", os.chown, self.m.path("sessions", "a"), UID_B, -1)

    def test_nothing_else_has_an_owner_to_change(self):
        for path in ("claims", "tasks/t", "tasks/t/title", "control/lease", "sessions/a/outcome"):
            with self.subTest(path):
                self.refused("EPERM", os.chown, self.m.path(path), UID_B, -1)
                self.refused("EPERM", os.chmod, self.m.path(path), 0o700)

    def test_members_of_a_session_that_was_given_away_cannot_act_as_it(self):
        r, w = os.pipe()
        r2, w2 = os.pipe()
        p = subprocess.Popen(
            ["bash", "-c", "echo 0 > sessions/a/procs; echo joined; read go; touch claims/t; cat why"],
            cwd=self.m.dir, env=environ(), stdin=r, stdout=w2, stderr=subprocess.DEVNULL, text=True,
            user=UID_A, group=UID_A, extra_groups=[])
        self.addCleanup(p.wait)
        self.addCleanup(p.kill)
        os.close(w2)
        with os.fdopen(r2) as out, os.fdopen(w, "w") as go:
            self.assertEqual(out.readline(), "joined\n")
            os.chown(self.m.path("sessions", "a"), UID_B, -1)
            go.write("go\n")
            go.flush()
            self.assertWhy(out.read(), "EPERM", "session a belongs to uid")
        self.assertEqual(self.m.column("t"), "ready")


class Operators(Identity):
    """Root, the mount's owner, and the group named by -o operators=GROUP."""

    group = next((g for g in ("users", "staff", "games", "nogroup") if any(
        e.gr_name == g for e in grp.getgrall())), None)
    options = f"operators={group}"

    def setUp(self):
        need_root()
        if not self.group:
            raise unittest.SkipTest("there is no group users, staff, games or nogroup here")
        self.gid = grp.getgrnam(self.group).gr_gid
        super().setUp()
        self.m.session("a", uid=UID_A)
        self.m.task("t")

    def operator(self, fn, *args, **kwargs):
        return as_uid(UID_B, fn, *args, groups=[self.gid], **kwargs)

    def test_whoami_says_who_is_an_operator(self):
        path = self.m.path("whoami")
        for who, answer in (({"groups": [self.gid]}, "yes"), ({"gid": self.gid}, "yes"),
                            ({"groups": [UID_A]}, "no"), ({}, "no")):
            self.assertEqual(value(as_uid(UID_B, read, path, **who), "operator"), answer, who)

    def test_an_operator_breaks_a_claim(self):
        token = as_uid(UID_A, self.m.claim, "a", "t")
        path = self.m.path("control", "break")
        self.assertIn(errno_of(as_uid, UID_A, write, path, f"t {token} because\n"),
                      ("EACCES", "EPERM"))
        self.assertEqual(self.m.column("t"), "claims")
        self.operator(write, path, f"t {token} because\n")
        self.assertEqual(self.m.column("t"), "ready")

    def test_an_operator_closes_the_board(self):
        path = self.m.path("control", "estop")
        self.assertIn(errno_of(as_uid, UID_A, write, path, "stop\n"), ("EACCES", "EPERM"))
        self.operator(write, path, "stop\n")
        self.refused("EROFS", as_uid, UID_A, self.m.claim, "a", "t")

    def test_settings_are_the_owners_and_not_the_operators(self):
        for name, text in (("lease", "30m\n"), ("recent", "1d\n"), ("verdict-interval", "1s\n"),
                           ("limits", "session-claims 3\n")):
            path = self.m.path("control", name)
            before = read(path)
            self.assertIn(errno_of(self.operator, write, path, text), ("EACCES", "EPERM"))
            self.assertEqual(read(path), before)
            write(path, text)
            self.assertNotEqual(read(path), before)

    def test_a_probes_command_is_the_owners_and_the_rest_the_operators(self):
        os.mkdir(self.m.path("probes", "p"))
        self.assertIn(errno_of(self.operator, write, self.m.path("probes", "p", "command"), "true\n"),
                      ("EACCES", "EPERM"))
        self.operator(write, self.m.path("probes", "p", "timeout"), "3s\n")
        self.assertEqual(self.m.read("probes", "p", "timeout"), "3s\n")
        self.assertIn(errno_of(as_uid, UID_A, write, self.m.path("probes", "p", "timeout"), "4s\n"),
                      ("EACCES", "EPERM"))
        self.assertIn(errno_of(as_uid, UID_A, os.mkdir, self.m.path("probes", "q")),
                      ("EACCES", "EPERM"))
        self.operator(os.mkdir, self.m.path("probes", "q"))

    def test_an_operator_ends_and_acts_as_any_session(self):
        self.operator(self.m.claim, "a", "t")
        self.assertEqual(value(self.m.read("claims", "t"), "session"), "a")
        self.operator(os.rmdir, self.m.path("sessions", "a"))
        self.assertEqual(self.m.read("sessions", "a", "state"), "ended removed\n")

    def test_an_operator_changes_any_task(self):
        as_uid(UID_A, self.m.claim, "a", "t")
        self.refused("EPERM", as_uid, UID_B, write, self.m.path("tasks", "t", "title"), "x\n")
        self.operator(write, self.m.path("tasks", "t", "title"), "x\n")
        self.assertEqual(self.m.read("tasks", "t", "title"), "x\n")

    def test_a_group_that_is_none_is_refused_by_mount(self):
        with self.assertRaisesRegex(AssertionError, "no such group"):
            Mount(options="operators=no-such-group-here")


class WhoMayChangeWhat(Identity):
    """A session changes only tasks it holds or drafted."""

    def setUp(self):
        super().setUp()
        need_root()
        for name in ("a", "b"):
            self.m.session(name, uid=UID_A)

    def by(self, session, command):
        return self.m.sh(command, uid=UID_A, session=session)

    def drafted(self, session, task):
        got = self.by(session, f"mkdir tasks/{task}")
        self.assertEqual(got.rc, 0, got.err)
        return task

    FIELDS = {"title": "x", "body": "x", "repo": "r", "artifacts": "x", "needs": "other",
              "lane": "l", "value": "1", "cost": "1", "kind": "once", "ttl": "1h", "tags": "x",
              "impact": "1", "feasibility": "1", "alignment": "1", "readiness": "1", "result": "x"}

    def changeable(self, session, task):
        """The fields of TASK that SESSION can write."""
        said = self.by(session, "; ".join(
            f"echo {text} > tasks/{task}/{field} 2>/dev/null && echo {field}"
            for field, text in self.FIELDS.items()).replace("echo ", "/bin/echo "))
        return set(said.out.split())

    def test_the_drafter_changes_its_draft_and_nobody_else_does(self):
        self.m.task("other")
        self.drafted("a", "t")
        self.assertEqual(self.changeable("b", "t"), set())
        self.assertEqual(self.changeable(None, "t"), set())
        self.assertEqual(self.changeable("a", "t"), set(self.FIELDS))

    def test_the_drafter_publishes_takes_back_and_cancels_and_nobody_else_does(self):
        self.drafted("a", "t")
        for who, good in (("b", False), (None, False), ("a", True)):
            for command in ("mv ideas/t ready/", "mv ready/t ideas/"):
                with self.subTest(f"{who}: {command}"):
                    if not good and command == "mv ready/t ideas/":
                        continue
                    got = self.by(who, command)
                    self.assertEqual(got.rc == 0, good, got.err)
            got = self.by(who, "rmdir tasks/t")
            self.assertEqual(got.rc == 0, good, got.err)

    def test_while_it_is_held_the_holder_alone_changes_it(self):
        self.m.task("other")
        self.drafted("a", "t")
        self.by("a", "mv ideas/t ready/")
        as_uid(UID_A, self.m.claim, "b", "t")
        self.assertEqual(self.changeable("a", "t"), set())
        self.assertEqual(self.changeable("b", "t"), set(self.FIELDS) )

    def test_the_result_of_a_finished_task_is_its_finishers(self):
        self.m.task("t")
        as_uid(UID_A, self.m.claim, "b", "t")
        as_uid(UID_A, self.m.finish, "b", "t")
        self.assertEqual(self.changeable("a", "t"), set())
        self.assertEqual(self.changeable("b", "t"), {"result"})
        self.assertEqual(self.m.read("tasks", "t", "result"), "x\n")

    def test_a_draft_without_a_session_is_its_uids_without_a_session(self):
        self.m.task("other")
        as_uid(UID_A, os.mkdir, self.m.path("tasks", "t"))
        self.assertEqual(self.changeable("a", "t"), set())
        self.refused("EPERM", as_uid, UID_B, write, self.m.path("tasks", "t", "title"), "x\n")
        self.assertEqual(self.changeable(None, "t"), set(self.FIELDS))

    def test_why_says_who_may(self):
        self.drafted("a", "t")
        got = self.by("b", "/bin/echo x > tasks/t/title; bash -c 'echo x > tasks/t/title'; cat why")
        self.assertWhy(got.out, "EPERM", "write tasks/t/title", "drafted by session a")

    def test_a_sessions_outcome_and_category_are_its_own(self):
        as_uid(UID_A, write, self.m.path("sessions", "a", "category"), "fix\n")
        self.assertEqual(self.m.read("sessions", "a", "category"), "fix\n")
        got = self.m.sh("echo 0 > sessions/b/procs; echo x > sessions/a/category", uid=UID_A)
        self.assertIn("Operation not permitted", got.err)
        self.assertEqual(self.m.read("sessions", "a", "category"), "fix\n")

    def test_a_hold_is_lifted_by_operators_alone(self):
        line = '{"task":"h","state":"ready","hold":"external"}'
        write(self.m.path("control", "import"), line + "\n")
        if self.m.column("h") != "blocked":
            raise unittest.SkipTest("no way to put a task on hold")
        self.assertNotEqual(self.by("a", "mv blocked/h ready/").rc, 0)
        self.assertEqual(self.m.column("h"), "blocked")
        os.rename(self.m.path("blocked", "h"), self.m.path("ready", "h"))
        self.assertEqual(self.m.column("h"), "ready")


class OutsideThePidNamespace(unittest.TestCase):
    """A caller the daemon cannot see has no pid: paths work, nothing else does."""

    def setUp(self):
        need_root()
        argv = unshare("-p", "-f", "-m", "--mount-proc", "--kill-child")
        self.m = Mount(start=False)
        self.addCleanup(self.m.discard)
        script = '"$0" mount "$1" --store "$2" && echo up && read end'
        self.p = subprocess.Popen(
            [*argv, "bash", "-c", script, COORDFS, str(self.m.dir), str(self.m.store)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.addCleanup(self.end)
        self.assertEqual(self.p.stdout.readline(), "up\n")
        children = read(f"/proc/{self.p.pid}/task/{self.p.pid}/children").split()
        self.dir = f"/proc/{children[0]}/root{self.m.dir}"

    def end(self):
        self.p.kill()
        self.p.stdin.close()
        self.p.stdout.close()
        self.p.wait()

    def path(self, *parts):
        return os.path.join(self.dir, *parts)

    def test_a_session_works_by_its_paths(self):
        os.mkdir(self.path("sessions", "s1"))
        os.mkdir(self.path("tasks", "t"))
        write(self.path("tasks", "t", "artifacts"), "src/x\n")
        os.rename(self.path("ideas", "t"), self.path("ready", "t"))
        who = read(self.path("sessions", "s1", "whoami"))
        self.assertEqual((value(who, "session"), value(who, "how"), value(who, "pid")),
                         ("s1", "path", "-"))
        for command in ("touch claims/t", "echo src/y >> claims/t", "touch .", "rm claims/t",
                        ": > claims/t", "mv claims/t done/", "echo noop > outcome"):
            got = subprocess.run(["bash", "-c", command], cwd=self.path("sessions", "s1"),
                                 capture_output=True, text=True, check=False)
            self.assertEqual((got.returncode, got.stderr), (0, ""), command)
        self.assertEqual(read(self.path("sessions", "s1", "state")), "ended outcome\n")
        self.assertTrue(read(self.path("tasks", "t", "state")).startswith("done s1 "))

    def test_run_says_that_it_lives_for_what_it_runs(self):
        write(self.path("control", "lease"), "300ms\n")
        with subprocess.Popen([COORDFS, "run", "--session", "r", "--mount", self.dir, "--", "bash", "-c",
                               "echo up; read line; exit 7"], stdin=subprocess.PIPE,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as p:
            self.addCleanup(p.kill)
            self.assertEqual(p.stdout.readline(), "up\n")
            os.mkdir(self.path("tasks", "t"))
            os.rename(self.path("ideas", "t"), self.path("ready", "t"))
            with open(self.path("sessions", "r", "claims", "t"), "x", encoding="utf-8"):
                pass
            renewed = value(read(self.path("claims", "t")), "token")
            passed = [0]

            def three_leases():
                passed[0] += 1
                self.assertEqual(value(read(self.path("claims", "t")), "token"), renewed)
                return passed[0] > 100

            wait_for(three_leases, "a second or more to pass")
            p.stdin.write("\n")
            _, err = p.communicate()
        self.assertEqual(p.returncode, 7)
        self.assertIn("does not see", err)
        self.assertEqual(read(self.path("sessions", "r", "state")), "ended removed\n")

    def test_the_environment_is_not_seen_and_why_says_so(self):
        os.mkdir(self.path("sessions", "s1"))
        os.mkdir(self.path("tasks", "t"))
        os.rename(self.path("ideas", "t"), self.path("ready", "t"))
        got = subprocess.run(["bash", "-c", "touch claims/t; cat why"], cwd=self.dir,
                             env=environ(COORD_SESSION="s1"), capture_output=True, text=True,
                             check=False)
        self.assertIn("Required key not available", got.stderr)
        self.assertIn(" ENOKEY claim claims/t\n", got.stdout)
        self.assertIn("environment", got.stdout)
        self.assertIn("sessions/ID/", got.stdout)

    def test_nothing_can_be_joined(self):
        os.mkdir(self.path("sessions", "s1"))
        self.assertEqual(errno_of(write, self.path("sessions", "s1", "procs"), "0\n"), "ESRCH")


class Life(Identity):
    """How a session begins and ends."""

    def state(self, name):
        return self.m.read("sessions", name, "state").strip()

    def test_an_id_is_never_used_twice(self):
        self.m.session("s1")
        self.refused("EEXIST", os.mkdir, self.m.path("sessions", "s1"))
        os.rmdir(self.m.path("sessions", "s1"))
        self.refused("EEXIST", os.mkdir, self.m.path("sessions", "s1"))
        self.m.restart()
        self.refused("EEXIST", os.mkdir, self.m.path("sessions", "s1"))

    def test_rmdir_of_an_ended_session_succeeds(self):
        self.m.session("s1")
        for _ in range(3):
            os.rmdir(self.m.path("sessions", "s1"))
        self.assertEqual(self.state("s1"), "ended removed")
        self.refused("ENOENT", os.rmdir, self.m.path("sessions", "never"))

    def test_started_and_ended_are_times(self):
        self.m.session("s1")
        self.assertRegex(self.m.read("sessions", "s1", "started"), r"^\d{4}-\d\d-\d\dT.*Z\n$")
        self.assertEqual(self.m.read("sessions", "s1", "ended"), "-\n")
        os.rmdir(self.m.path("sessions", "s1"))
        self.assertRegex(self.m.read("sessions", "s1", "ended"), r"^\d{4}-\d\d-\d\dT.*Z\n$")

    def test_noop_or_done_as_the_last_word_of_the_outcome_ends_it(self):
        for name, text, state in (("s1", "noop", "ended outcome"), ("s2", "all done", "ended outcome"),
                                  ("s3", "done with it", "live"), ("s4", "undone", "live"),
                                  ("s5", "noop-ish", "live")):
            self.m.session(name)
            write(self.m.path("sessions", name, "outcome"), text + "\n")
            self.assertEqual(self.state(name), state, text)
            self.assertEqual(self.m.read("sessions", name, "outcome"), text + "\n")
            os.rmdir(self.m.path("sessions", name))

    def test_the_outcome_is_stamped_with_the_verdict_and_the_refusals(self):
        self.m.session("s1")
        self.m.session("s2")
        self.m.task("t")
        self.m.claim("s2", "t")
        self.refused("EBUSY", self.m.claim, "s1", "t")
        self.m.read("verdict")
        write(self.m.path("sessions", "s1", "outcome"), "noop\n")
        e = self.m.events("set", field="outcome")[-1]
        self.assertEqual((e["value"], e["verdict"], e["refusals"]), ("noop", "unknown", 1))

    def test_what_an_ended_session_held_is_free(self):
        self.m.session("s1")
        self.m.task("t")
        self.m.claim("s1", "t")
        os.rmdir(self.m.path("sessions", "s1"))
        self.assertEqual(self.m.column("t"), "ready")
        self.assertEqual(self.m.events("lost")[-1]["reason"], "ended")

    def test_an_ended_session_takes_nothing_any_more(self):
        self.m.session("s1")
        self.m.task("t")
        os.rmdir(self.m.path("sessions", "s1"))
        self.refused("ESTALE", self.m.claim, "s1", "t")
        self.refused("ESTALE", os.utime, self.m.path("sessions", "s1"))
        self.refused("ESTALE", write, self.m.path("sessions", "s1", "category"), "x\n")

    def test_an_idle_session_ends_after_one_lease(self):
        self.m.write("300ms\n", "control", "lease")
        self.m.session("s1")
        wait_for(lambda: self.state("s1") == "ended idle", "the idle session to end")
        self.refused("EEXIST", os.mkdir, self.m.path("sessions", "s1"))
        begun, ended = (self.m.events(k, session="s1")[0]["at"] for k in ("register", "end"))
        self.assertGreaterEqual(ended - begun, 299)  # stamped to a millisecond, by another clock
        self.assertLess(ended - begun, 5300)

    def test_a_session_that_shows_life_does_not_end(self):
        self.m.write("1s\n", "control", "lease")
        self.m.session("s1")
        self.m.session("s2")

        def gone():
            os.utime(self.m.path("sessions", "s1"))
            return self.state("s2") != "live"

        wait_for(gone, "the other session to end")
        self.assertEqual(self.state("s1"), "live")

    def test_a_session_with_a_member_is_not_idle_until_the_member_ends(self):
        self.m.write("300ms\n", "control", "lease")
        p = self.sleeper()
        self.m.session("s1")
        self.join("s1", p.pid)
        for _ in range(3):  # three leases of another session go by
            other = f"x{_}"
            self.m.session(other)
            wait_for(lambda: self.state(other) != "live", "an idle session to end")
        self.assertEqual(self.state("s1"), "live")
        p.kill()
        p.wait()
        wait_for(lambda: self.state("s1") == "ended idle", "the session to end after its member")

    def test_run_registers_joins_and_ends(self):
        got = self.m.tool("run", "--session", "r1", "--", "bash", "-c",
                          "cat whoami; echo $COORD_SESSION; cat sessions/r1/state; exit 7")
        self.assertEqual(got.rc, 7, got.err)
        self.assertIn("session r1\nhow joined process\n", got.out)
        self.assertIn("\nr1\nlive\n", got.out)
        self.assertIn(self.state("r1"), ("ended exited", "ended removed"))

    def test_run_makes_fresh_ids_and_names_workers_of_workers(self):
        got = self.m.tool("run", "--", "bash", "-c",
                          '"$COORDFS" run -- bash -c "echo \\$COORD_SESSION; cat whoami"; echo $COORD_SESSION')
        self.assertEqual(got.rc, 0, got.err)
        child, *_, mine = got.out.split()
        self.assertEqual(child, f"{mine}.2")
        self.assertEqual(value(got.out, "session"), child)
        again = self.m.tool("run", "--", "bash", "-c", "echo $COORD_SESSION")
        self.assertNotEqual(again.out.strip(), mine)
