"""The verdict: is there anything worth doing, and what could not be looked at."""
import json
import os
import re
import signal
import subprocess
import threading

from lib import UID_A, as_uid, errno_of, need_root, read, value, wait_for, write
from probing import Probing, processes


class Answers(Probing):
    """What one probe says."""

    def test_exit_0_is_supply_and_the_first_line_is_the_detail(self):
        self.probe("p", "echo t 5 open; echo more; exit 0")
        self.assertEqual(self.verdict(), ("not-dry", {"p": ("supply", "probe.p t 5 open")}))
        self.assertEqual(self.text("p", "detail"), "probe.p t 5 open\n")
        self.assertEqual(self.text("p", "verdict"), "supply probe.p t 5 open\n")

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
        self.assertEqual(self.text("p", "verdict"), "dry\n")

    def test_what_is_not_there_is_unknown(self):
        for i, argv in enumerate((["/no/such/program"], ["no-such-program-here"], ["/etc/hostname"], ["/tmp"],
                                  ["/bin/sh/x"])):
            answer, detail = self.answer(self.probe(f"p{i}", argv))
            self.assertEqual(answer, "unknown")
            self.assertIn(argv[0], detail)

    def test_a_probe_without_a_command_is_unknown(self):
        os.mkdir(self.m.path("probes", "p"))
        self.assertEqual(self.verdict(), ("unknown", {"p": ("unknown", "was never fed")}))

    def test_a_crash_is_unknown(self):
        self.probe("a", "echo fine; kill -SEGV $$")
        self.probe("b", "kill -KILL $$")
        self.assertEqual(self.verdict(), ("unknown", {"a": ("unknown", "/bin/sh: killed by signal 11"),
                                                      "b": ("unknown", "/bin/sh: killed by signal 9")}))

    def test_a_time_out_is_unknown_and_ends_what_the_probe_started(self):
        self.probe("p", f": {self.mark}; (sleep 600; : x) & echo fine; wait", timeout="300ms")
        self.assertEqual(self.answer(), ("unknown", "/bin/sh: time-out"))
        self.no_survivor()

    def test_output_that_makes_no_sense_is_unknown(self):
        for i, text in enumerate((r"\377\376", r"a\000b", r"\033[31mred", r"a\rb", r"\302\233m", r"x\303")):
            name = self.probe(f"p{i}", f"printf '{text}\\n'; exit 0")
            answer, detail = self.answer(name)
            self.assertEqual((answer, detail), ("unknown", "its first line is not a line of text"), text)
        self.assertEqual(self.verdict()[0], "unknown")

    def test_what_follows_the_first_line_may_be_anything(self):
        self.probe("p", r"printf 'fine\n\377\000\033'; exit 0")
        self.assertEqual(self.answer(), ("supply", "probe.p fine"))

    def test_a_long_first_line_is_cut_and_not_inside_a_character(self):
        self.probe("p", r"i=0; while [ $i -lt 300 ]; do printf '\303\244'; i=$((i+1)); done; exit 1")
        answer, detail = self.answer()
        self.assertEqual((answer, detail), ("dry", "ä" * (len(detail))))
        self.assertGreater(len(detail), 80)

    def test_64_kib_of_output_are_taken_and_more_is_unknown(self):
        self.probe("a", "echo fine; head -c 65531 /dev/zero | tr '\\0' x; exit 0")
        self.probe("b", "echo fine; head -c 65540 /dev/zero | tr '\\0' x; exit 0")
        self.assertEqual(self.verdict()[1], {"a": ("supply", "probe.a fine"),
                                             "b": ("unknown", "/bin/sh: more than 64 KiB of output")})

    def test_endless_output_is_ended_at_once(self):
        """The time limit would come, but nobody need wait for it."""
        self.probe("p", ["yes"], timeout="1h")
        self.assertEqual(self.answer(), ("unknown", "yes: more than 64 KiB of output"))

    def test_a_command_is_words_or_lines_and_never_a_shell(self):
        self.probe("a", ["/usr/bin/printf %s\\n $HOME;id > /tmp/x"])
        self.probe("b", ["/usr/bin/printf", "%s", "two words; $(id)"])
        self.assertEqual(self.verdict()[1], {"a": ("supply", "probe.a $HOME;id"),
                                             "b": ("supply", "probe.b two words; $(id)")})


class RollUp(Probing):
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
        self.m.wait_event("verdict", verdict="not-dry")
        self.assertEqual([(e["was"], e["verdict"]) for e in self.m.events("verdict")],
                         [("-", "dry"), ("dry", "not-dry")])
        self.assertEqual(self.m.read("status").splitlines()[0], "verdict not-dry")

    def test_a_judgement_that_changes_nothing_is_no_event(self):
        self.probe("p", "exit 1")
        self.verdict()
        before = self.m.events()
        for _ in range(3):
            self.verdict()
            self.text("p", "verdict")
        self.assertEqual(self.m.events(), before)
        self.assertEqual(self.runs(), 7, "each is recorded all the same")

    def test_a_shadow_has_a_record_of_its_own_and_no_part_in_the_verdict(self):
        self.probe("p", "exit 1")
        self.probe("s", "echo found; exit 0", enabled="shadow")
        self.assertEqual(self.verdict(), ("dry", {"p": ("dry", "-")}))
        self.assertEqual((self.runs("s"), self.runs("s", "shadow")), (0, 1))
        self.assertEqual((self.runs("p"), self.runs("p", "shadow")), (1, 0))
        said = json.loads(self.m.read("verdict.json"))
        self.assertEqual(said["verdict"], "dry")
        self.assertEqual([(s["probe"], s["answer"], self.plain(s["detail"])) for s in said["shadow"]], [("s", "supply", "found")])
        self.assertEqual([p["probe"] for p in said["probes"]], ["p"])
        self.assertNotIn("probe.s", self.m.ls("ready"))

    def test_what_a_session_says_at_its_end_carries_the_verdict(self):
        self.m.write("1d\n", "control", "verdict-interval")
        self.probe("p", "exit 1")
        self.verdict()
        self.m.session("a")
        self.refused("ENOENT", self.m.claim, "a", "nothing")
        self.m.write("noop\n", "sessions", "a", "outcome")
        e = self.m.wait_event("set", field="outcome")
        at = json.loads(self.m.read("verdict.json"))["at"]
        self.assertEqual((e["verdict"], e["judged"], e["refusals"]), ("dry", at, 1))

    def test_a_verdict_outlives_the_daemon(self):
        """A probe, which must not wait for itself, gets the one before."""
        self.probe("p", "head -1 $COORD_MOUNT/verdict; exit 1")
        self.verdict()
        before = self.text("p", "history")
        self.m.restart()
        self.assertEqual(self.text("p", "history"), before)
        self.assertEqual(self.answer(), ("dry", "dry"))
        self.assertIn(before, self.text("p", "history"))
        self.assertEqual(self.runs(), 2)
        self.assertEqual(len(self.m.events("verdict")), 1)


class Runs(Probing):
    """When the probes run, and for whom."""

    def test_probes_run_at_the_same_time(self):
        """Each waits for the other."""
        a, b = self.fifo("a"), self.fifo("b")
        self.probe("a", f"echo x > {a}; read x < {b}; exit 1", timeout="20s")
        self.probe("b", f"read x < {a}; echo x > {b}; exit 1", timeout="20s")
        self.assertEqual(self.verdict()[0], "dry")

    def test_a_hundred_readers_are_one_run(self):
        gate = self.fifo("gate")
        self.m.write("1d\n", "control", "verdict-interval")  # for one of them who is late
        self.probe("p", f"read x < {gate}; echo one run; exit 1", timeout="60s")
        self.probe("q", "exit 1")
        ps = self.parked(self.readers(100))
        self.assertEqual(self.m.column(self.m.task("t")), "ready", "nothing else waits")
        self.open_gate(gate)
        said = [p.communicate(timeout=60)[0] for p in ps]
        self.assertEqual(len(set(said)), 1)
        self.assertIn("one run", said[0])
        self.assertEqual((self.runs("p"), self.runs("q")), (1, 1))
        self.assertEqual([p.returncode for p in ps], [0] * 100)

    def test_a_reader_that_is_interrupted_goes_and_the_others_get_the_answer(self):
        gate = self.fifo("gate")
        self.probe("p", f"read x < {gate}; exit 1", timeout="60s")
        ps = self.parked(self.readers(6))
        for p, number in zip(ps[:3], (signal.SIGINT, signal.SIGTERM, signal.SIGKILL)):
            p.send_signal(number)
            self.assertEqual(p.wait(30), -number)
        self.assertEqual(self.runs(), 0)
        self.open_gate(gate)
        for p in ps[3:]:
            self.assertTrue(p.communicate(timeout=60)[0].startswith("dry\n"))
        self.assertEqual(self.runs(), 1)

    def test_the_run_goes_on_when_all_its_readers_have_gone(self):
        gate = self.fifo("gate")
        self.probe("p", f"read x < {gate}; exit 1", timeout="60s")
        for p in self.parked(self.readers(3)):
            p.kill()
            p.wait()
        self.open_gate(gate)
        wait_for(self.runs, "the record of the run")

    def test_not_again_within_the_interval(self):
        self.m.write("1d\n", "control", "verdict-interval")
        self.probe("p", "exit 1")
        first = self.m.read("verdict")
        for _ in range(5):
            self.assertEqual(self.m.read("verdict"), first)
            self.text("p", "verdict")
        self.assertEqual(self.runs(), 1)
        self.m.write("0s\n", "control", "verdict-interval")
        self.m.read("verdict")
        self.m.read("verdict")
        self.assertEqual(self.runs(), 3)

    def test_again_when_the_interval_is_over(self):
        self.m.write("300ms\n", "control", "verdict-interval")
        self.probe("p", "exit 1")
        self.m.read("verdict")

        def again():
            self.m.read("verdict")
            return self.runs() > 1

        wait_for(again, "a second run")

    def test_an_answer_holds_for_the_interval_of_its_probe(self):
        self.probe("slow", "exit 1", interval="1d")
        self.probe("p", "exit 1")
        for _ in range(3):
            self.assertEqual(self.verdict(), ("dry", {"p": ("dry", "-"), "slow": ("dry", "-")}))
        self.assertEqual((self.runs("slow"), self.runs("p")), (1, 3))

    def test_an_answer_that_is_used_again_and_has_changed_is_recorded(self):
        """It is dry while a session sees to it, though the probe did not look again."""
        self.probe("p", "echo five; exit 0", interval="1d")
        self.verdict()
        self.m.session("a")
        self.m.claim("a", "probe.p")
        self.assertEqual(self.answer(), ("dry", "session a sees to it: five"))
        self.assertEqual(self.text("p", "detail"), "session a sees to it: five\n")
        self.m.release("a", "probe.p")
        self.assertEqual(self.answer(), ("supply", "probe.p five"))
        self.assertEqual(self.text("p", "detail"), "probe.p five\n")

    def test_one_probe_is_run_alone(self):
        self.probe("p", "exit 1")
        self.probe("q", "exit 0")
        self.assertEqual(self.text("p", "verdict"), "dry\n")
        self.assertEqual((self.runs("p"), self.runs("q")), (1, 0))
        self.assertEqual(value(self.m.read("status"), "verdict"), "-")
        self.assertEqual(self.m.events("verdict"), [])
        self.assertEqual(self.m.ls("ready"), [])

    def test_one_probe_is_one_run_for_all_who_read_it(self):
        gate = self.fifo("gate")
        self.probe("p", f"read x < {gate}; echo it; exit 1", timeout="60s")
        ps = self.parked(self.readers(10, "probes", "p", "verdict"))
        self.open_gate(gate)
        self.assertEqual({self.plain(p.communicate(timeout=60)[0]) for p in ps}, {"dry it\n"})
        self.assertEqual(self.runs(), 1)

    def test_looking_at_it_runs_nothing(self):
        self.probe("p", "exit 1")
        for command in ("ls -l verdict", "stat verdict", "ls -lR . > /dev/null", "cat probes/p/last",
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
        self.probe("a", f"sleep 600 & : {self.mark}; (sleep 600; : x) & echo fine; exit 1")
        self.probe("b", f"setsid sh -c 'sleep 600; : {self.mark}' & echo fine; exit 1")
        self.assertEqual(self.verdict()[1], {"a": ("dry", "fine"), "b": ("dry", "fine")})
        self.no_survivor()

    def test_a_probe_that_leaves_somebody_writing_does_not_hold_the_daemon(self):
        self.probe("p", f"setsid yes {self.mark} & exit 1")
        self.assertIn(self.verdict()[1]["p"][0], ("dry", "unknown"))
        self.assertEqual(self.m.column(self.m.task("t")), "ready")
        self.no_survivor()

    def test_a_probe_removed_while_it_runs_is_still_answered(self):
        gate = self.fifo("gate")
        self.probe("p", f"read x < {gate}; exit 1", timeout="60s")
        p = self.parked(self.readers(1))[0]
        os.rmdir(self.m.path("probes", "p"))
        self.open_gate(gate)
        self.assertIn(p.communicate(timeout=60)[0].split("\n")[0], ("dry", "unknown"))
        self.assertEqual(self.verdict(), ("unknown", {}))

    def test_unmounting_ends_a_run(self):
        self.probe("p", f": {self.mark}; (sleep 600; : x) & sleep 600; exit 1", timeout="1h")
        p = self.readers(1)[0]
        wait_for(lambda: len(processes(self.mark)) > 1, "the run")
        os.kill(self.m.pid, signal.SIGTERM)
        self.assertEqual(self.m.wait_exit(), 0)
        p.communicate(timeout=60)
        self.assertNotEqual(p.returncode, 0)
        self.no_survivor()
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


class Standing(Probing):
    """Supply that nobody has filed is a task, so that one session at a time sees to it."""

    def test_supply_that_nobody_filed_is_offered(self):
        self.probe("p", "echo five open; exit 0")
        self.verdict()
        self.assertEqual(self.m.ls("ready"), ["probe.p"])
        self.assertEqual(self.answer(), ("supply", "probe.p five open"))
        self.assertEqual(self.m.ls("ready"), ["probe.p"])

    def test_claimed_it_is_dry_and_finished_it_is_offered_again(self):
        self.probe("p", "echo five open; exit 0")
        self.verdict()
        self.m.session("a")
        for _ in range(2):
            self.m.claim("a", "probe.p")
            self.assertEqual(self.verdict(), ("dry", {"p": ("dry", "session a sees to it: five open")}))
            self.m.finish("a", "probe.p")
            self.assertEqual(self.verdict(), ("not-dry", {"p": ("supply", "probe.p five open")}))
            self.assertEqual(self.m.column("probe.p"), "ready")

    def test_it_is_taken_back_when_the_probe_finds_nothing(self):
        self.probe("p", "exit 0")
        self.verdict()
        self.m.write("/bin/false\n", "probes", "p", "command")
        self.assertEqual(self.verdict()[0], "dry")
        self.assertEqual(self.m.column("probe.p"), "ideas")
        self.m.write("/bin/true\n", "probes", "p", "command")
        self.assertEqual(self.verdict()[0], "not-dry")
        self.assertEqual(self.m.column("probe.p"), "ready")

    def test_what_could_not_be_looked_at_takes_nothing_back(self):
        self.probe("p", "exit 0")
        self.verdict()
        self.m.write("/no/such/thing\n", "probes", "p", "command")
        self.assertEqual(self.verdict()[0], "unknown")
        self.assertEqual(self.m.column("probe.p"), "ready")

    def test_supply_that_names_a_ready_task_offers_nothing(self):
        self.m.task("t")
        self.probe("p", "echo t and 2 more; exit 0")
        self.assertEqual(self.verdict(), ("not-dry", {"p": ("supply", "t and 2 more")}))
        self.assertEqual(self.m.ls("ready"), ["t"])

    def test_a_claim_that_expired_makes_its_task_supply_again(self):
        self.probe("p", "echo five open; exit 0")
        self.verdict()
        self.m.write("300ms\n", "control", "lease")
        self.m.session("a")
        self.m.claim("a", "probe.p")
        wait_for(lambda: self.verdict() == ("not-dry", {"p": ("supply", "probe.p five open")}), "the claim's end")
        self.assertEqual(self.m.column("probe.p"), "ready")


class Fed(Probing):
    """One without a command is written what somebody else found."""

    def setUp(self):
        super().setUp()
        os.mkdir(self.m.path("probes", "p"))

    def test_it_is_what_it_is_fed(self):
        self.m.task("t")
        for text, word, said in (("supply t is ready", "not-dry", ("supply", "t is ready")),
                                 ("supply five open", "not-dry", ("supply", "probe.p five open")),
                                 ("dry", "dry", ("dry", "-")), ("dry all done", "dry", ("dry", "all done")),
                                 ("unknown no answer", "unknown", ("unknown", "no answer"))):
            self.m.write(f"{text}\n", "probes", "p", "verdict")
            self.assertEqual(self.verdict(), (word, {"p": said}))
            self.assertEqual(self.text("p", "verdict"), f"{said[0]} {said[1]}\n".replace(" -\n", "\n"))

    def test_feeding_it_runs_nothing(self):
        self.m.write("dry\n", "probes", "p", "verdict")
        self.assertEqual(self.runs(), 0)

    def test_it_is_unknown_when_older_than_its_interval(self):
        self.m.write("dry\n", "probes", "p", "verdict")
        self.assertEqual(self.answer(), ("dry", "-"))
        self.m.write("100ms\n", "probes", "p", "interval")
        answer, detail = wait_for(lambda: self.answer() if self.answer()[0] == "unknown" else None, "its end")
        self.assertRegex(detail, r"^fed .+ ago, which holds for 100ms$")
        self.assertEqual(answer, "unknown")
        self.m.write("1h\n", "probes", "p", "interval")
        self.assertEqual(self.answer(), ("dry", "-"))

    def test_what_is_no_answer_is_refused(self):
        self.m.write("dry\n", "probes", "p", "verdict")
        for text in ("perhaps", "supplying", "Dry", "su", "dry\nsupply t", "dry \x1b[31m"):
            with self.subTest(text):
                self.refused("EINVAL", write, self.m.path("probes", "p", "verdict"), f"{text}\n")
        self.assertEqual(self.answer(), ("dry", "-"))

    def test_who_is_no_operator_does_not_feed_it(self):
        need_root()
        self.assertEqual(as_uid(UID_A, errno_of, write, self.m.path("probes", "p", "verdict"), "dry\n"), "EACCES")
        self.assertEqual(self.answer(), ("unknown", "was never fed"))

    def test_its_file_is_written_and_that_of_a_command_is_not(self):
        self.assertEqual(os.stat(self.m.path("probes", "p", "verdict")).st_mode & 0o777, 0o664)
        self.probe("q", "exit 1")
        self.assertEqual(os.stat(self.m.path("probes", "q", "verdict")).st_mode & 0o777, 0o444)
        self.refused("EACCES", write, self.m.path("probes", "q", "verdict"), "dry\n")
