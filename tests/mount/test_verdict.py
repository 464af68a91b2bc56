"""The verdict: is there anything worth doing, and what could not be looked at."""
import os
import re
import signal
import subprocess
import threading

from lib import Case, errno_of, need_tool, read, wait_for, write


class Verdict(Case):
    def setUp(self):
        super().setUp()
        self.m.write("0s\n", "control", "verdict-interval")
        self.dir = os.path.join(self.m.base, "probes")
        os.mkdir(self.dir)

    def probe(self, name, command, timeout=None):
        """COMMAND is an argument vector, or text for sh."""
        argv = ["/bin/sh", "-c", command] if isinstance(command, str) else command
        os.mkdir(self.m.path("probes", name))
        self.m.write("\n".join(argv).replace("\n\n", "\n") + "\n", "probes", name, "command")
        if timeout:
            self.m.write(timeout + "\n", "probes", name, "timeout")
        return name

    def file(self, name):
        return os.path.join(self.dir, name)

    def fifo(self, name):
        os.mkfifo(self.file(name))
        return self.file(name)

    def verdict(self):
        """(the first line, {probe: (answer, detail)})"""
        lines = self.m.read("verdict").splitlines()
        self.assertRegex(lines[1], r"^judged (\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ|-)")
        probes = {}
        for line in lines[2:]:
            if not line.startswith("no probes"):
                name, answer, detail = line.split(None, 2)
                probes[name] = (answer, detail)
        return lines[0], probes

    def answer(self, name="p"):
        return self.verdict()[1][name]

    def readers(self, n):
        """N processes that read the verdict."""
        ps = [subprocess.Popen(["cat", self.m.path("verdict")], stdout=subprocess.PIPE, text=True,
                               stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL) for _ in range(n)]
        for p in ps:
            self.addCleanup(p.wait)
            self.addCleanup(p.kill)
            self.addCleanup(p.stdout.close)
        return ps

    def runs(self, name="runs"):
        try:
            return len(read(self.file(name)).splitlines())
        except FileNotFoundError:
            return 0

    def is_parked(self, p):
        """It waits for the daemon, and for nothing else."""
        try:
            return read(f"/proc/{p.pid}/wchan").startswith(("request_wait_answer", "fuse_"))
        except OSError:
            return False


class Answers(Verdict):
    """What one probe says."""

    def test_exit_0_is_supply_and_the_first_line_is_the_detail(self):
        self.probe("p", "echo t 5 open; echo more; exit 0")
        self.assertEqual(self.verdict(), ("not-dry", {"p": ("supply", "t 5 open")}))
        self.assertEqual(self.m.read("probes", "p", "verdict"), "supply\n")
        self.assertEqual(self.m.read("probes", "p", "detail"), "t 5 open\n")

    def test_exit_1_is_dry(self):
        self.probe("p", "echo nothing; exit 1")
        self.assertEqual(self.verdict(), ("dry", {"p": ("dry", "nothing")}))

    def test_any_other_exit_is_unknown_and_says_which(self):
        for status in (2, 3, 126, 127, 255):
            name = self.probe(f"p{status}", f"echo trouble; exit {status}")
            self.assertEqual(self.answer(name), ("unknown", f"exit status {status}: trouble"))
        self.assertEqual(self.verdict()[0], "unknown")

    def test_a_probe_without_a_word_is_judged_by_its_exit(self):
        self.probe("p", "exit 1")
        self.assertEqual(self.answer(), ("dry", "-"))

    def test_what_is_not_there_is_unknown(self):
        for i, argv in enumerate((["/no/such/program"], ["no-such-program-here"], ["/etc/hostname"], ["/tmp"],
                                  ["/bin/sh/x"])):
            answer, detail = self.answer(self.probe(f"p{i}", argv))
            self.assertEqual(answer, "unknown")
            self.assertIn(argv[0], detail)

    def test_a_probe_without_a_command_is_unknown(self):
        os.mkdir(self.m.path("probes", "p"))
        self.assertEqual(self.verdict(), ("unknown", {"p": ("unknown", "no command")}))

    def test_a_crash_is_unknown(self):
        self.probe("a", "echo fine; kill -SEGV $$")
        self.probe("b", "kill -KILL $$")
        self.assertEqual(self.verdict(), ("unknown", {"a": ("unknown", "killed by signal 11"),
                                                      "b": ("unknown", "killed by signal 9")}))

    def test_a_time_out_is_unknown_and_ends_what_the_probe_started(self):
        self.probe("p", f"echo $$ > {self.file('pid')}; sleep 600 & echo $! > {self.file('child')};"
                        f"echo fine; wait", timeout="300ms")
        self.assertEqual(self.answer(), ("unknown", "time-out"))
        for name in ("pid", "child"):
            pid = int(read(self.file(name)))
            wait_for(lambda: not os.path.exists(f"/proc/{pid}") or
                     read(f"/proc/{pid}/stat").rsplit(")", 1)[1].split()[0] in "ZX", f"the end of {name}")

    def test_output_that_makes_no_sense_is_unknown(self):
        for i, text in enumerate((r"\377\376", r"a\000b", r"\033[31mred", r"a\rb", r"\302\233m", r"x\303")):
            name = self.probe(f"p{i}", f"printf '{text}\\n'; exit 0")
            answer, detail = self.answer(name)
            self.assertEqual((answer, detail), ("unknown", "its first line is not a line of text"), text)
        self.assertEqual(self.verdict()[0], "unknown")

    def test_what_follows_the_first_line_may_be_anything(self):
        self.probe("p", r"printf 'fine\n\377\000\033'; exit 0")
        self.assertEqual(self.answer(), ("supply", "fine"))

    def test_a_long_first_line_is_cut_and_not_inside_a_character(self):
        self.probe("p", r"i=0; while [ $i -lt 300 ]; do printf '\303\244'; i=$((i+1)); done; exit 1")
        answer, detail = self.answer()
        self.assertEqual((answer, detail), ("dry", "ä" * (len(detail))))
        self.assertGreater(len(detail), 80)

    def test_64_kib_of_output_are_taken_and_more_is_unknown(self):
        self.probe("a", "echo fine; head -c 65531 /dev/zero | tr '\\0' x; exit 0")
        self.probe("b", "echo fine; head -c 65540 /dev/zero | tr '\\0' x; exit 0")
        self.assertEqual(self.verdict()[1], {"a": ("supply", "fine"), "b": ("unknown", "more than 64 KiB of output")})

    def test_endless_output_is_ended_at_once(self):
        """The time limit would come, but nobody need wait for it."""
        self.probe("p", ["yes"], timeout="1h")
        self.assertEqual(self.answer(), ("unknown", "more than 64 KiB of output"))

    def test_a_command_is_words_or_lines_and_never_a_shell(self):
        self.probe("a", ["/usr/bin/printf %s\\n $HOME;id > /tmp/x"])
        self.probe("b", ["/usr/bin/printf", "%s", "two words; $(id)"])
        self.assertEqual(self.verdict()[1], {"a": ("supply", "$HOME;id"), "b": ("supply", "two words; $(id)")})


class RollUp(Verdict):
    SAY = {"supply": "exit 0", "dry": "exit 1", "unknown": "exit 2"}

    def test_supply_anywhere_then_unknown_anywhere_then_dry(self):
        for want, answers in (("not-dry", "supply"), ("not-dry", "dry supply unknown"),
                              ("not-dry", "unknown unknown supply"), ("unknown", "dry unknown"),
                              ("unknown", "unknown dry dry"), ("dry", "dry"), ("dry", "dry dry dry")):
            with self.subTest(answers):
                for i, a in enumerate(answers.split()):
                    self.probe(f"p{i}", self.SAY[a])
                word, probes = self.verdict()
                self.assertEqual(word, want)
                self.assertEqual([probes[k][0] for k in sorted(probes)], answers.split())
                for name in self.m.ls("probes"):
                    os.rmdir(self.m.path("probes", name))

    def test_no_probes_are_unknown(self):
        """What was not looked at is not dry."""
        self.assertEqual(self.verdict(), ("unknown", {}))
        self.probe("p", "exit 1")
        self.assertEqual(self.verdict()[0], "dry")
        self.m.write("0\n", "probes", "p", "enabled")
        self.assertEqual(self.verdict(), ("unknown", {}))
        self.m.write("1\n", "probes", "p", "enabled")
        self.assertEqual(self.verdict()[0], "dry")
        os.rmdir(self.m.path("probes", "p"))
        self.assertEqual(self.verdict(), ("unknown", {}))

    def test_the_probes_are_in_order_of_their_names(self):
        for name in ("c", "a", "b"):
            self.probe(name, "exit 1")
        self.assertEqual(list(self.verdict()[1]), ["a", "b", "c"])

    def test_the_stamp_says_what_was_judged_and_when(self):
        self.probe("p", "exit 1")
        before = self.m.events()[-1]["seq"]
        line = self.m.read("verdict").splitlines()[1]
        m = re.match(r"^judged (\S+Z)  seq (\d+)  .*took (\d+\.\d\d)s$", line)
        self.assertTrue(m, line)
        self.assertEqual(int(m.group(2)), before)
        self.m.task("t")
        line = self.m.read("verdict").splitlines()[1]
        self.assertGreater(int(line.split()[3]), before)

    def test_a_word_is_recorded_when_it_changes(self):
        name = self.probe("p", "exit 1")
        for _ in range(3):
            self.verdict()
        self.m.write("/bin/true\n", "probes", name, "command")
        for _ in range(3):
            self.verdict()
        self.m.wait_event("set", field="verdict", value="not-dry")
        self.assertEqual([e["value"] for e in self.m.events("set", field="verdict")], ["dry", "not-dry"])
        self.assertEqual(self.m.read("status").splitlines()[0], "verdict not-dry")


class Runs(Verdict):
    """When the probes run, and for whom."""

    def test_probes_run_at_the_same_time(self):
        """Each waits for the other."""
        a, b = self.fifo("a"), self.fifo("b")
        self.probe("a", f"echo x > {a}; read x < {b}; exit 1", timeout="20s")
        self.probe("b", f"read x < {a}; echo x > {b}; exit 1", timeout="20s")
        self.assertEqual(self.verdict()[0], "dry")

    def test_a_hundred_readers_are_one_run(self):
        gate = self.fifo("gate")
        self.probe("p", f"echo x >> {self.file('runs')}; read x < {gate}; echo one run; exit 1", timeout="60s")
        ps = self.readers(100)
        for p in ps:
            wait_for(lambda p=p: self.is_parked(p), "a reader that waits")
        self.assertEqual(self.m.column(self.m.task("t")), "ready", "nothing else waits")
        with open(gate, "w", encoding="ascii") as f:
            f.write("go\n")
        said = [p.communicate(timeout=60)[0] for p in ps]
        self.assertEqual(len(set(said)), 1)
        self.assertIn("one run", said[0])
        self.assertEqual(self.runs(), 1)
        self.assertEqual([p.returncode for p in ps], [0] * 100)

    def test_a_reader_that_is_interrupted_goes_and_the_others_get_the_answer(self):
        gate = self.fifo("gate")
        self.probe("p", f"echo x >> {self.file('runs')}; read x < {gate}; exit 1", timeout="60s")
        ps = self.readers(6)
        for p in ps:
            wait_for(lambda p=p: self.is_parked(p), "a reader that waits")
        for p, number in zip(ps[:3], (signal.SIGINT, signal.SIGTERM, signal.SIGKILL)):
            p.send_signal(number)
            self.assertEqual(p.wait(30), -number)
        self.assertEqual(self.runs(), 1)
        with open(gate, "w", encoding="ascii") as f:
            f.write("go\n")
        for p in ps[3:]:
            self.assertTrue(p.communicate(timeout=60)[0].startswith("dry\n"))
        self.assertEqual(self.runs(), 1)

    def test_the_run_goes_on_when_all_its_readers_have_gone(self):
        gate = self.fifo("gate")
        self.probe("p", f"read x < {gate}; exit 1", timeout="60s")
        ps = self.readers(3)
        for p in ps:
            wait_for(lambda p=p: self.is_parked(p), "a reader that waits")
            p.kill()
            p.wait()
        with open(gate, "w", encoding="ascii") as f:
            f.write("go\n")
        self.m.wait_event("set", field="verdict", value="dry")

    def test_not_again_within_the_interval(self):
        self.m.write("1d\n", "control", "verdict-interval")
        self.probe("p", f"echo x >> {self.file('runs')}; exit 1")
        first = self.m.read("verdict")
        for _ in range(5):
            self.assertEqual(self.m.read("verdict"), first)
        self.assertEqual(self.runs(), 1)
        self.m.write("0s\n", "control", "verdict-interval")
        self.m.read("verdict")
        self.m.read("verdict")
        self.assertEqual(self.runs(), 3)

    def test_again_when_the_interval_is_over(self):
        self.m.write("300ms\n", "control", "verdict-interval")
        self.probe("p", f"echo x >> {self.file('runs')}; exit 1")
        self.m.read("verdict")

        def again():
            self.m.read("verdict")
            return self.runs() > 1

        wait_for(again, "a second run")

    def test_looking_at_it_runs_nothing(self):
        self.probe("p", f"echo x >> {self.file('runs')}; exit 1")
        for command in ("ls -l verdict", "stat verdict", "ls -lR . > /dev/null", "cat probes/p/verdict",
                        "cat probes/p/detail status > /dev/null", "test -s verdict", "du -a > /dev/null"):
            self.assertEqual(self.m.sh(command).rc, 0, command)
        self.assertEqual(self.runs(), 0)
        text = self.m.read("verdict")
        self.assertEqual(self.runs(), 1)
        self.assertEqual(os.stat(self.m.path("verdict")).st_size, len(text.encode()))
        self.assertEqual(self.runs(), 1)

    def test_a_probe_reads_the_mount(self):
        self.m.task("t")
        self.probe("p", "cd $COORD_MOUNT && cat status events whoami > /dev/null && ls ready && cat tasks/t/state && exit 0; exit 2")
        self.assertEqual(self.answer(), ("supply", "t"))

    def test_a_probe_that_reads_the_verdict_gets_the_last_one(self):
        """It does not wait for itself; nor do its children, nor a second of the kind."""
        self.probe("p", "head -1 $COORD_MOUNT/verdict; exit 1", timeout="20s")
        self.probe("q", "sh -c 'sh -c \"head -1 $COORD_MOUNT/verdict; :\"; :'; exit 1", timeout="20s")
        self.assertEqual(self.verdict()[1], {"p": ("dry", "unknown"), "q": ("dry", "unknown")})
        self.assertEqual(self.verdict()[1], {"p": ("dry", "dry"), "q": ("dry", "dry")})

    def test_a_probe_that_leaves_something_behind_is_not_waited_for(self):
        self.probe("a", f"sleep 600 & echo $! > {self.file('a')}; echo fine; exit 1")
        self.probe("b", f"setsid sleep 600 & echo $! > {self.file('b')}; echo fine; exit 1")
        try:
            self.assertEqual(self.verdict()[1], {"a": ("dry", "fine"), "b": ("dry", "fine")})
        finally:
            self.end_left(("a", "b"))

    def end_left(self, names):
        for name in names:
            try:
                os.kill(int(read(self.file(name))), signal.SIGKILL)
            except (OSError, ValueError):
                pass

    def test_a_probe_that_leaves_somebody_writing_does_not_hold_the_daemon(self):
        need_tool("setsid")
        self.probe("p", f"setsid yes & echo $! > {self.file('p')}; exit 1")
        try:
            self.assertEqual(self.verdict()[1]["p"][0] in ("dry", "unknown"), True)
            self.assertEqual(self.m.column(self.m.task("t")), "ready")
        finally:
            self.end_left(("p",))

    def test_a_probe_starts_clean(self):
        """Nothing of the daemon's: no descriptor, no environment, no signal mask, no terminal."""
        self.probe("p", f"env > {self.file('env')}; ls -l /proc/self/fd > {self.file('fd')}; pwd > {self.file('cwd')};"
                        f"grep -E '^Sig(Blk|Ign)' /proc/self/status > {self.file('sig')}; "
                        f"read x && exit 2; exit 1", timeout="20s")
        self.assertEqual(self.answer()[0], "dry")
        env = dict(l.split("=", 1) for l in read(self.file("env")).splitlines())
        self.assertLessEqual(set(env), {"PATH", "GIT_OPTIONAL_LOCKS", "LC_ALL", "COORD_MOUNT", "PWD", "_", "SHLVL",
                                        "OLDPWD", "HOME", "TMPDIR", "LANG"})
        self.assertEqual(env["COORD_MOUNT"], str(self.m.dir))
        targets = [l.split(" -> ")[1] for l in read(self.file("fd")).splitlines() if " -> " in l]
        for t in targets:
            self.assertTrue(t == "/dev/null" or t.startswith(("/proc/", self.dir)), targets)
        self.assertEqual(read(self.file("cwd")), "/\n")
        blocked = [l.split()[1] for l in read(self.file("sig")).splitlines() if l.startswith("SigBlk")][0]
        self.assertEqual(int(blocked, 16), 0)

    def test_a_probe_removed_while_it_runs_is_still_answered(self):
        gate = self.fifo("gate")
        self.probe("p", f"echo x >> {self.file('runs')}; read x < {gate}; exit 1", timeout="60s")
        p = self.readers(1)[0]
        wait_for(self.runs, "the run")
        os.rmdir(self.m.path("probes", "p"))
        with open(gate, "w", encoding="ascii") as f:
            f.write("go\n")
        self.assertTrue(p.communicate(timeout=60)[0].startswith("dry\n"))
        self.assertEqual(self.verdict(), ("unknown", {}))

    def test_unmounting_ends_a_run(self):
        self.probe("p", f"echo $$ > {self.file('pid')}; sleep 600; exit 1", timeout="1h")
        p = self.readers(1)[0]
        wait_for(lambda: os.path.exists(self.file("pid")) and read(self.file("pid")).strip(), "the run")
        os.kill(self.m.pid, signal.SIGTERM)
        self.assertEqual(self.m.wait_exit(), 0)
        p.communicate(timeout=60)
        self.assertNotEqual(p.returncode, 0)
        pid = int(read(self.file("pid")))
        wait_for(lambda: not os.path.exists(f"/proc/{pid}"), "the probe's end")
        subprocess.run(["umount", "-l", self.m.dir], capture_output=True, check=False)

    def test_readers_come_and_go_while_probes_change(self):
        """A storm: nothing hangs, every answer is one of the possible."""
        self.probe("p", "exit 1")
        stop, said, bad = threading.Event(), set(), []

        def reader():
            while not stop.is_set():
                try:
                    said.add(self.m.read("verdict").splitlines()[0])
                except OSError as e:
                    bad.append(e)

        threads = [threading.Thread(target=reader) for _ in range(8)]
        for t in threads:
            t.start()
        try:
            for i in range(60):
                write(self.m.path("probes", "p", "command"), ("/bin/true\n", "/bin/false\n", "/nowhere\n")[i % 3])
                os.mkdir(self.m.path("probes", f"q{i}"))
                os.rmdir(self.m.path("probes", f"q{i}"))
        finally:
            stop.set()
            for t in threads:
                t.join(60)
        self.assertEqual((bad, [t for t in threads if t.is_alive()]), ([], []))
        self.assertLessEqual(said, {"dry", "not-dry", "unknown"})

    def test_adding_a_probe_twice_is_eexist_and_removing_none_is_enoent(self):
        os.mkdir(self.m.path("probes", "p"))
        self.refused("EEXIST", os.mkdir, self.m.path("probes", "p"))
        os.rmdir(self.m.path("probes", "p"))
        self.refused("ENOENT", os.rmdir, self.m.path("probes", "p"))
        os.mkdir(self.m.path("probes", "p"))
        self.assertEqual(errno_of(read, self.m.path("probes", "p", "command")), "ok")
