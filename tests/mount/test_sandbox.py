"""What probes run in, and what they leave: nothing."""
import os
import shutil
import signal
import subprocess

from lib import Mount, need_root, need_tool, wait_for
from probing import CAN_SANDBOX, Probing, processes

BOMB = "b() { b | b & }; b"
NEEDED = ("prlimit", "setpriv", "sh", "sleep", "head", "yes", "setsid", "cat", "ls", "id")
FDS = "cd /proc/$$/fd; echo *; exit 1"  # the fourth is of whoever lists them


class Naughty:
    """What is survived, in the sandbox and without one. TAIL: what each detail ends in."""

    tail = r"$"

    def is_ended(self, why):
        """The probe is unknown for WHY, nobody else had to wait, and nothing of it is left."""
        answer, detail = self.answer()
        self.assertEqual(answer, "unknown", detail)
        self.assertRegex(detail, rf"^\S+: ({why}){self.tail}")
        self.no_survivor()

    def is_answered_meanwhile(self):
        """The mount answers while the probe runs, in far less than the probe's time."""
        p = self.readers(1)[0]
        wait_for(lambda: processes(self.mark), "the run")
        self.assertEqual(self.m.column(self.m.task("t")), "ready")
        self.assertIsNone(p.poll(), "it answered while the probe ran")
        p.communicate(timeout=60)

    def test_a_hung_probe_is_unknown_and_gone(self):
        self.probe("p", f": {self.mark}; sleep 600; :", timeout="300ms")
        self.is_ended("time-out")

    def test_one_that_forks_leaves_its_session_and_ignores_signals_leaves_nothing(self):
        need_tool("setsid")
        stubborn = f'trap "" TERM HUP INT; : {self.mark}; while :; do sleep 600; done'
        self.probe("p", f"{stubborn.split(';', maxsplit=1)[0]}; for i in 1 2 3; do setsid sh -c '{stubborn}' & done; "
                        f"(setsid sh -c 'setsid sh -c \"sleep 600; : {self.mark}\" & sleep 600; : {self.mark}' &); "
                        "sleep 600; :", timeout="700ms")
        self.is_ended("time-out")

    def test_what_a_probe_that_answers_leaves_is_ended(self):
        need_tool("setsid")
        self.probe("p", f"(setsid sh -c 'trap \"\" TERM; sleep 600; : {self.mark}' > /dev/null 2>&1 &); exit 1")
        self.assertEqual(self.answer()[0], "dry")
        self.no_survivor()

    def test_a_fork_bomb_ends_at_its_time(self):
        self.probe("p", f": {self.mark}; {BOMB}; read x < {self.fifo('never')}", timeout="4s")
        self.is_answered_meanwhile()
        self.no_survivor()
        self.assertRegex(self.m.read("probes", "p", "detail"), rf"/bin/sh: time-out{self.tail}")

    def test_a_gigabyte_of_output_is_ended_early(self):
        self.probe("p", f": {self.mark}; head -c 1000000000 /dev/zero; :", timeout="1h")
        self.is_ended("more than 64 KiB of output")

    def test_a_gigabyte_of_complaints_is_dropped(self):
        self.probe("p", f": {self.mark}; head -c 100000000 /dev/zero >&2; exit 1", timeout="60s")
        self.assertEqual(self.answer()[0], "dry")
        self.no_survivor()

    def test_the_end_of_the_daemon_is_the_end_of_a_run(self):
        self.probe("p", f": {self.mark}; setsid sh -c 'trap \"\" TERM; sleep 600; : {self.mark}' & sleep 600; :",
                   timeout="1h")
        p = self.readers(1)[0]
        wait_for(lambda: len(processes(self.mark)) > 1, "the run")
        os.kill(self.m.pid, signal.SIGTERM)
        self.assertEqual(self.m.wait_exit(), 0)
        p.communicate(timeout=60)
        self.no_survivor()
        subprocess.run(["umount", "-l", self.m.dir], capture_output=True, check=False)

    def test_unmounting_is_the_end_of_a_run(self):
        self.probe("p", f": {self.mark}; setsid sh -c 'sleep 600; : {self.mark}' & sleep 600; :", timeout="1h")
        p = self.readers(1)[0]
        wait_for(lambda: len(processes(self.mark)) > 1, "the run")
        p.kill()  # whoever reads keeps it busy
        p.wait()
        self.m.stop()
        self.no_survivor()


class Sandboxed(Naughty, Probing):
    """Under bubblewrap."""

    def setUp(self):
        need_tool("bwrap", "setpriv", "prlimit")
        if not CAN_SANDBOX:
            self.skipTest("bubblewrap cannot run here")
        super().setUp()

    def said(self, command, **fields):
        """What COMMAND prints, its lines behind each other."""
        self.probe("p", f"echo $( {command} ); exit 1", **fields)
        answer, detail = self.answer()
        self.assertEqual(answer, "dry", detail)
        self.assertNotIn("unsandboxed", detail)
        return detail

    def test_it_is_nobody(self):
        need_root()
        who = self.said("id -u; id -g; id -G; grep -h -E 'Cap(Eff|Prm|Inh|Bnd|Amb)|NoNewPrivs' /proc/self/status").split()
        self.assertNotIn("0", who[:3])
        self.assertEqual(set(who[4::2]), {"0000000000000000", "1"})

    def test_it_has_no_network(self):
        self.assertEqual(self.said("grep -o '^ *[^ ]*:' /proc/net/dev"), "lo:")

    def test_it_has_the_network_that_the_owner_gave_it(self):
        mine = os.readlink("/proc/self/ns/net")
        self.assertEqual(self.said("readlink /proc/self/ns/net", network="1"), mine)

    def test_without_being_asked_its_network_is_another(self):
        self.assertNotEqual(self.said("readlink /proc/self/ns/net"), os.readlink("/proc/self/ns/net"))

    def test_it_writes_nowhere_but_in_a_tmp_of_its_own(self):
        os.chmod(self.dir, 0o777)
        self.assertEqual(self.said(f"(echo x > {self.dir}/new) 2> /dev/null || echo read-only; ls /tmp; "
                                   f"echo x > /tmp/{self.mark} && cat /tmp/{self.mark}"),
                         f"read-only {str(self.m.dir).split('/')[2]} x")
        self.assertEqual(os.listdir(self.dir), [])
        self.assertFalse(os.path.exists(f"/tmp/{self.mark}"))

    def test_its_environment_is_clean(self):
        self.probe("p", ["/usr/bin/env", "-u", "PATH"])
        self.probe("q", "tr '\\0' '\\n' < /proc/$$/environ | cut -d= -f1 | sort | tr '\\n' ' '; exit 1")
        said = self.verdict()[1]["q"][1].split()
        self.assertLessEqual({"COORD_MOUNT", "GIT_OPTIONAL_LOCKS", "LC_ALL", "PATH"}, set(said))
        self.assertLessEqual(set(said), {"COORD_MOUNT", "GIT_OPTIONAL_LOCKS", "LC_ALL", "PATH", "PWD", "container"})

    def test_it_starts_where_the_daemon_does_not_matter(self):
        """In the root, with nothing to read, no signal blocked."""
        self.assertEqual(self.said("pwd; read x || echo nothing; grep SigBlk /proc/self/status | cut -f2"),
                         "/ nothing 0000000000000000")

    def test_it_has_no_descriptors_of_the_daemon(self):
        self.probe("p", FDS)
        self.assertEqual(self.answer(), ("dry", "0 1 2 3"))

    def test_it_sees_no_other_processes(self):
        self.assertLess(int(self.said("ls -d /proc/[0-9]* | wc -l")), 10)

    def test_it_reads_the_mount_and_does_not_wait_for_itself(self):
        self.m.task("t")
        self.assertEqual(self.said("head -1 $COORD_MOUNT/verdict; ls $COORD_MOUNT/ready", timeout="20s"), "unknown t")
        self.assertEqual(self.answer(), ("dry", "dry t"))

    def test_it_ends_with_a_daemon_that_is_killed(self):
        self.probe("p", f": {self.mark}; setsid sh -c 'sleep 600; : {self.mark}' & sleep 600; :", timeout="1h")
        p = self.readers(1)[0]
        wait_for(lambda: len(processes(self.mark)) > 3, "the run")
        self.m.kill9()
        p.communicate(timeout=60)
        self.no_survivor()

    def test_it_changes_nothing_in_the_mount(self):
        self.m.task("t")
        before = self.m.events()
        self.assertEqual(self.said("for f in claims/t tasks/t/title; do touch $COORD_MOUNT/$f 2> /dev/null || echo no; "
                                   "done; mkdir $COORD_MOUNT/tasks/u 2> /dev/null || echo no"), "no no no")
        self.assertEqual(len(self.m.events()), len(before) + 3, "probe, command, verdict")
        self.assertEqual(self.m.column("t"), "ready")


class Unsandboxed(Naughty, Probing):
    """Where there is no bubblewrap."""

    tail = r" \(ran unsandboxed: .+\)$"

    def plain(self, text):
        return text

    def mount(self):
        need_tool("setpriv", "prlimit")
        for name in NEEDED:
            if shutil.which(name):
                os.symlink(shutil.which(name), os.path.join(self.dir, name))
        self.prepare()
        return Mount(options=self.options, env={"PATH": self.dir})

    def prepare(self):
        """Nothing: there is none."""

    def test_it_says_so(self):
        self.probe("p", "echo fine; exit 1")
        self.probe("q", "exit 2")
        self.assertRegex(self.answer()[1], r"^fine \(ran unsandboxed: .*bwrap.*\)$")
        self.assertRegex(self.answer("q")[1], r"^exit status 2 \(ran unsandboxed: .*\)$")

    def test_it_has_no_descriptors_of_the_daemon(self):
        self.probe("p", FDS)
        self.assertRegex(self.answer()[1], r"^0 1 2 3 \(ran")

    def test_it_is_nobody_all_the_same(self):
        need_root()
        self.probe("p", "echo $(id -u; id -G); exit 1")
        self.assertNotIn("0", self.answer()[1].split("(")[0].split())


class Failing(Unsandboxed):
    """Where bubblewrap is there and cannot do it: what it says is no answer of the probe's."""

    def prepare(self):
        path = os.path.join(self.dir, "bwrap")
        with open(path, "w", encoding="ascii") as f:
            f.write("#!/bin/sh\necho 'bwrap: No permissions to create new namespace' >&2\nexit 1\n")
        os.chmod(path, 0o755)

    def test_it_is_never_taken_for_dry(self):
        self.probe("p", "echo work; exit 0")
        answer, detail = self.answer()
        self.assertEqual((answer, detail), ("supply", "probe.p work (ran unsandboxed: "
                                            "bwrap: No permissions to create new namespace)"))
