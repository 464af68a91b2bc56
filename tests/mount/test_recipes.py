"""docs/recipes.md is true: its scripts, taken from the page, do what the page says."""
import collections
import json
import os
import re
import shutil
import subprocess
import unittest

import lib
from lib import need_tool
from live import environ
from probing import Probing, plain

PAGE = lib.ROOT / "docs/recipes.md"

def recipes():
    """{name: script}; the first line of each is "# NAME"."""
    blocks = re.findall(r"^```sh\n(# ([a-z-]+)\n.*?)^```", PAGE.read_text(), re.M | re.S)
    return {name: script for script, name in blocks}


class Recipe(Probing):
    """No built-in probe is there but those that a test asks for; self.dir is in the PATH."""

    def setUp(self):
        super().setUp()
        self.scripts = recipes()
        os.symlink(lib.COORDFS, os.path.join(self.dir, "coordfs"))

    def program(self, name, text):
        path = os.path.join(self.dir, name)
        with open(f"{path}.new", "w", encoding="utf-8") as f:
            f.write(text)
        os.chmod(f"{path}.new", 0o755)
        os.rename(f"{path}.new", path)  # a shell that runs the old one reads on in it
        return path

    def start(self, name, *args, session=None):
        path = self.program(name, self.scripts[name])
        env = environ(COORD_MOUNT=str(self.m.dir), LC_ALL="C.UTF-8",
                      PATH=f"{self.dir}:{os.environ['PATH']}", **({"COORD_SESSION": session} if session else {}))
        p = subprocess.Popen(["sh", path, *args], env=env, cwd="/", text=True,
                             stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.addCleanup(p.wait)
        self.addCleanup(p.kill)
        self.addCleanup(p.stdout.close)
        return p

    def ended(self, p):
        said = p.communicate(timeout=lib.PATIENCE)[0]
        return p.returncode, said

    def recipe(self, name, *args):
        """(status, what it said)"""
        return self.ended(self.start(name, *args))

    def built_in(self, *names):
        for name in names:
            os.mkdir(self.m.path("probes", name))

    def outcome(self, session):
        return self.m.read("sessions", session, "outcome").strip()

    def ended_by_outcome(self, session, outcome):
        self.assertEqual(self.m.read("sessions", session, "state"), "ended outcome\n")
        self.assertEqual(self.outcome(session), outcome)


class UntilDry(Recipe):
    def setUp(self):
        super().setUp()
        self.work = self.program("work", 'echo "$1" >> "${0%/*}/worked"\n')

    def patience(self, seconds):
        """How long it waits for an event."""
        self.program("timeout", f'#!/bin/sh\nshift; exec {shutil.which("timeout")} {seconds} "$@"\n')

    def worked(self):
        path = os.path.join(self.dir, "worked")
        return lib.read(path).split() if os.path.exists(path) else []

    def test_a_session_works_until_the_verdict_is_dry(self):
        self.built_in("lane-occupancy")
        for name in "t1", "t2", "t3":
            self.m.task(name)
        self.assertEqual(self.recipe("until-dry", "a", "sh", self.work), (0, ""))
        self.assertEqual(sorted(self.worked()), ["t1", "t2", "t3"])
        self.assertEqual(self.m.ls("done"), ["t1", "t2", "t3"])
        self.ended_by_outcome("a", "done")

    def test_when_it_is_dry_at_once_the_outcome_is_noop(self):
        self.built_in("lane-occupancy")
        self.assertEqual(self.recipe("until-dry", "a", "sh", self.work), (0, ""))
        self.assertEqual(self.worked(), [])
        self.ended_by_outcome("a", "noop")

    def test_four_sessions_do_six_tasks_once_each(self):
        self.built_in("lane-occupancy")
        self.patience(1)
        tasks = [self.m.task(f"t{i}") for i in range(6)]
        workers = [self.start("until-dry", f"w{i}", "sh", self.work) for i in range(4)]
        self.assertEqual([self.ended(w) for w in workers], [(0, "")] * 4)
        self.assertEqual(sorted(self.worked()), tasks)
        self.assertEqual(self.m.ls("done"), tasks)

    def test_when_it_is_unknown_it_takes_what_is_filed_and_no_more(self):
        self.built_in("cross-repo-supply")
        self.m.task("idea", publish=False)
        self.m.task("t")
        self.m.task("for-ever", kind="standing")
        self.m.task("later", tags="calm")
        self.assertEqual(self.recipe("until-dry", "a", "sh", self.work), (0, ""))
        self.assertEqual(self.worked(), ["t"])
        self.ended_by_outcome("a", "done")
        self.assertEqual(self.recipe("until-dry", "b", "sh", self.work), (0, ""))
        self.assertEqual(self.worked(), ["t"])
        self.ended_by_outcome("b", "noop")
        self.assertEqual(self.m.ls("ideas"), ["idea"])

    def test_it_sees_to_what_a_probe_found(self):
        self.probe("q", f"test -e {self.dir}/worked && exit 1; echo something")
        self.assertEqual(self.recipe("until-dry", "a", "sh", self.work), (0, ""))
        self.assertEqual(self.worked(), ["probe.q"])
        self.ended_by_outcome("a", "done")

    def test_what_it_saw_to_and_is_still_there_it_leaves_until_something_happens(self):
        self.patience(600)
        self.probe("q", ["echo", "always"])
        worker = self.start("until-dry", "a", "sh", self.work)
        self.m.wait_event("finish", task="probe.q", session="a")
        self.m.task("t")
        self.m.wait_event("finish", task="t", session="a")
        self.m.write("0\n", "probes", "q", "enabled")
        self.assertEqual(self.ended(worker), (0, ""))
        self.assertEqual(self.worked(), ["probe.q", "t"])
        self.ended_by_outcome("a", "done")

    def test_when_nothing_happens_it_leaves(self):
        self.patience(0.1)
        self.probe("q", ["echo", "always"])
        self.assertEqual(self.recipe("until-dry", "a", "sh", self.work), (0, ""))
        self.assertEqual(self.worked(), ["probe.q"])
        self.ended_by_outcome("a", "done")

    def test_a_task_that_failed_is_given_back_and_told(self):
        self.built_in("lane-occupancy")
        self.m.task("t")
        self.assertEqual(self.recipe("until-dry", "a", "false"), (1, ""))
        self.assertEqual(self.m.ls("ready"), ["t"])
        self.assertEqual(self.outcome("a"), "failed t")
        self.m.wait_event("end", session="a")


class TakeNext(Recipe):
    def setUp(self):
        super().setUp()
        self.built_in("lane-occupancy")
        self.work = self.program("work", 'echo "$1" >> "${0%/*}/worked"\n')

    def test_the_best_task_is_done_and_no_other(self):
        self.m.task("small", value=1)
        self.m.task("large", value=5)
        self.assertEqual(self.recipe("take-next", "a", "sh", self.work), (0, ""))
        self.assertEqual(self.m.ls("done"), ["large"])
        self.ended_by_outcome("a", "done")

    def test_a_task_that_fails_is_given_back_and_others_are_offered_first(self):
        self.m.task("large", value=5)
        self.m.task("small", value=4)
        self.assertEqual(self.recipe("take-next", "a", "false"), (1, ""))
        self.assertEqual(self.m.ls("ready"), ["large", "small"])
        self.assertEqual(self.outcome("a"), "failed large")
        self.assertEqual(self.recipe("take-next", "b", "sh", self.work), (0, ""))
        self.assertEqual(self.m.ls("done"), ["small"])

    def test_who_stops_asks_for_a_verdict_that_is_of_now(self):
        self.program("sleep", f'#!/bin/sh\nexec {shutil.which("sleep")} 1.1\n')
        self.m.write("1s\n", "control", "verdict-interval")
        self.m.session("b")
        self.m.task("t")
        self.assertEqual(self.m.read("verdict").splitlines()[0], "not-dry")
        self.m.claim("b", "t")
        self.assertEqual(self.recipe("take-next", "a", "sh", self.work), (0, ""))
        self.ended_by_outcome("a", "noop")
        self.assertIn("on a dry verdict", self.m.read("sessions/a/grade"))

    def test_of_32_workers_over_ten_tasks_ten_do_one_and_22_leave_well(self):
        self.m.write("0s\n", "control", "verdict-interval")
        tasks = sorted(self.m.task(f"t{i}") for i in range(10))
        hold = self.program("hold", 'echo "$1" >> "${0%/*}/worked"; while [ ! -e "${0%/*}/go" ]; do sleep 0.05; done\n')
        started = {f"w{i}": self.start("take-next", f"w{i}", "sh", hold) for i in range(32)}
        lib.wait_for(lambda: len(self.m.ls("claims")) == 10 and sum(p.poll() is not None for p in started.values()) == 22,
                     "ten are at work, the others have left")
        self.program("go", "")
        said = {w: self.ended(p) for w, p in started.items()}
        self.assertEqual(collections.Counter(said.values()), {(0, ""): 32})
        self.assertEqual(sorted(lib.read(os.path.join(self.dir, "worked")).split()), tasks)
        self.assertEqual(self.m.ls("done"), tasks)
        self.assertEqual(len(self.m.events("finish")), 10)
        refused = 0
        workers = {e["session"] for e in self.m.events("finish")}
        for w in said:
            self.ended_by_outcome(w, "done" if w in workers else "noop")
            restraint = lib.value(self.m.read("sessions", w, "grade"), "restraint")
            if w not in workers:
                self.assertIn("stopped with noop on a dry verdict", restraint)
            refused += len(self.m.events("refused", session=w))
        self.assertEqual(len(workers), 10)
        print(f"32 workers over 10 tasks: {refused} refusals")


class Taught(Recipe):
    def test_the_lessons_of_its_task_come_before_it(self):
        m = self.m
        for name, words in (("deploy", "deploy*"), ("other", "database")):
            os.mkdir(m.path("lessons", name))
            m.write(f"{words}\n", "lessons", name, "keywords")
            m.write(f"# Of {name}\n", "lessons", name, "body")
            m.write("active\n", "lessons", name, "status")
        m.task("T", "a")
        m.write("Deployment fails\n", "tasks", "T", "title")
        session = m.session("a")
        self.assertEqual(self.recipe("taught", session, "cat")[0], 1)
        m.claim(session, "T")
        status, said = self.recipe("taught", session, "cat")
        self.assertEqual(status, 0, said)
        self.assertIn("# Of deploy", said)
        self.assertNotIn("# Of other", said)
        self.assertTrue(said.endswith("Deployment fails\n"), said)
        self.assertEqual(lib.value(m.read("lessons", "deploy", "fired"), "fired"), "1")


class Once(Recipe):
    def setUp(self):
        super().setUp()
        self.m.session("a")
        self.m.session("b")
        self.did = os.path.join(self.dir, "did")
        self.program("deed", f'echo "$1" >> {self.did}; echo "posted $1"; echo more; exit $2\n')

    def once(self, session, *args):
        return self.ended(self.start("once", *args, session=session))

    def deeds(self):
        return lib.read(self.did).split() if os.path.exists(self.did) else []

    def test_of_two_sessions_one_acts_and_the_result_is_kept(self):
        self.assertEqual(self.once("a", "ack:1", "sh", f"{self.dir}/deed", "x", "0"), (0, ""))
        status, said = self.once("b", "ack:1", "sh", f"{self.dir}/deed", "x", "0")
        self.assertEqual(status, 1)
        self.assertIn("is done since", said)
        self.assertEqual(self.m.read("actions", "ack:1").splitlines()[0], "done posted x")
        self.assertEqual(self.deeds(), ["x"])

    def test_what_was_not_done_is_free_again(self):
        self.assertEqual(self.once("a", "ack:1", "sh", "-c", "exit 75")[0], 75)
        self.assertEqual(self.m.ls("actions"), [])
        self.assertEqual(self.once("b", "ack:1", "true")[0], 0)
        self.assertEqual(self.m.read("actions", "ack:1").splitlines()[0], "done done")

    def test_of_what_failed_nobody_knows(self):
        self.assertEqual(self.once("a", "ack:1", "sh", f"{self.dir}/deed", "x", "1")[0], 3)
        os.rmdir(self.m.path("sessions", "a"))
        status, said = self.once("b", "ack:1", "sh", f"{self.dir}/deed", "x", "0")
        self.assertEqual(status, 1)
        self.assertIn("nobody knows whether it was done", said)
        self.assertEqual(self.deeds(), ["x"])


class Answer(Recipe):
    def test_of_two_sessions_one_sees_to_what_a_probe_found(self):
        self.probe("p", ["echo", "mail from Eve"])
        gate = self.fifo("gate")
        first = self.start("answer", self.m.session("a"), "p", "sh", "-c", f"cat {gate}; echo $0: $1")
        lib.wait_for(lambda: self.m.ls("claims") == ["probe.p"], "the claim")
        self.assertEqual(self.recipe("answer", self.m.session("b"), "p", "echo"), (1, ""))
        self.open_gate(gate)
        status, said = self.ended(first)
        self.assertEqual((status, plain(said)), (0, "go\nprobe.p: mail from Eve\n"))
        self.assertEqual(self.m.ls("sessions/a/done"), ["probe.p"])

    def test_when_there_is_nothing_nothing_is_claimed(self):
        self.probe("p", "exit 1")
        self.assertEqual(self.recipe("answer", self.m.session("a"), "p", "echo"), (1, ""))
        self.assertEqual(self.m.events("claim"), [])

    def test_what_failed_is_given_back(self):
        self.probe("p", ["echo", "work"])
        self.assertEqual(self.recipe("answer", self.m.session("a"), "p", "false")[0], 1)
        self.assertEqual((self.m.ls("claims"), self.m.ls("ready")), ([], ["probe.p"]))


class Propose(Recipe):
    def test_a_new_idea_is_published(self):
        self.assertEqual(self.recipe("propose", "fix-login", "Fix the login page", "src/a.c"), (0, ""))
        self.assertEqual(self.m.column("fix-login"), "ready")
        self.assertEqual(self.m.read("tasks", "fix-login", "artifacts"), "src/a.c\n")

    def test_one_that_somebody_had_is_dropped_and_his_is_named(self):
        for mode in ("warn", "refuse"):
            self.m.write(f"{mode}\n", "control", "dedup")
            first, again = f"fix-{mode}", f"mend-{mode}"
            self.assertEqual(self.recipe("propose", first, f"Fix the login, {mode}"), (0, ""))
            self.assertEqual(self.recipe("propose", again, f"{mode}: fix login"), (1, f"{first}\n"))
            self.assertNotIn(again, self.m.ls("tasks"))


class Feed(Recipe):
    def test_what_was_collected_is_the_feed(self):
        self.built_in("cross-repo-supply")
        self.assertEqual(self.recipe("feed", "printf", "x open=5 quick-wins=2\\ny open=1 quick-wins=0\\n"), (0, ""))
        self.assertEqual(self.m.read("probes/cross-repo-supply/feed"),
                         "x open=5 quick-wins=2\ny open=1 quick-wins=0\n")
        self.assertEqual(self.answer("cross-repo-supply")[0], "supply")

    def test_what_could_not_be_collected_is_not_dry(self):
        self.built_in("cross-repo-supply")
        rc, _ = self.recipe("feed", "sh", "-c", "echo x open=5 quick-wins=0; exit 3")
        self.assertEqual(rc, 3)
        self.recipe("feed", "true")
        self.assertEqual(self.answer("cross-repo-supply")[0], "unknown")

    def test_a_fed_probe_says_what_the_command_said(self):
        for status, answer in (0, "supply"), (1, "dry"), (2, "unknown"):
            command = f"echo the build; exit {status}"
            self.assertEqual(self.recipe("feed-answer", "ci", "sh", "-c", command), (0, ""))
            got, detail = self.answer("ci")
            self.assertEqual(got, answer)
            self.assertIn("the build", detail)


class Script(Recipe):
    def test_a_probe_from_a_script_is_tried_as_a_shadow_and_then_trusted(self):
        self.built_in("cross-repo-supply", "failed-services")
        self.probe("d", "exit 1")
        self.assertEqual(self.recipe("add-probe", self.dir), (0, ""))
        script = os.path.join(self.dir, "inbox")
        self.m.write(f"{script}\n{self.dir}\n60\n", "probes/inbox/command")
        self.assertEqual(self.verdict()[0], "unknown")  # the two are not turned off yet
        self.assertEqual(self.m.read("probes/inbox/shadow").split()[1], "dry")
        rc, said = self.recipe("trust")
        self.assertEqual((rc, said.split()[1]), (0, "dry"))
        self.assertEqual(self.verdict()[0], "dry")
        os.utime(script, (1, 1))
        self.assertEqual(self.answer("inbox"), ("supply", "probe.inbox 1 old files"))

    def test_where_the_script_cannot_look_it_says_unknown(self):
        self.assertEqual(self.recipe("add-probe", self.dir), (0, ""))
        script = os.path.join(self.dir, "inbox")
        self.m.write(f"{script}\n{self.dir}/gone\n60\n", "probes/inbox/command")
        answer = self.m.read("probes/inbox/verdict")
        self.assertIn("unknown", answer)
        self.assertIn("No such file", answer)


class Start(Recipe):
    def test_a_worker_is_started_only_for_work(self):
        self.probe("p", "exit 1")
        worker = ["sh", "-c", 'cat "$COORD_MOUNT/whoami"']
        self.assertEqual(self.recipe("start", *worker)[0], 1)
        self.assertEqual(self.m.ls("sessions"), [])
        self.m.write("/bin/echo\nwork\n", "probes/p/command")
        rc, said = self.recipe("start", *worker)
        self.assertEqual(rc, 0)
        self.assertNotEqual(lib.value(said, "session"), "-")
        self.assertEqual(len(self.m.ls("sessions")), 1)


class Talk(Recipe):
    """ask, want and spare."""

    def setUp(self):
        super().setUp()
        self.m.session("s1")
        self.m.session("s2")

    def heard(self, session, text):
        """Once it was told that."""
        lib.wait_for(lambda: text in self.m.read("sessions", session, "messages"), f"{session} hears {text}")

    def say(self, by, to, text):
        done = self.m.sh(["tee", "-a", f"sessions/{to}/messages"], session=by, stdin=f"{text}\n")
        self.assertEqual(done.rc, 0, done.err)

    def test_an_answer_is_waited_for_and_only_from_who_was_asked(self):
        self.m.session("s3")
        p = self.start("ask", "s1", "s2", "600", "is", "the parser done?")
        self.heard("s2", "s1 is the parser done?")
        self.say("s3", "s1", "s2 says yes")
        self.say("s2", "s1", "not yet")
        self.assertEqual(self.ended(p), (0, "not yet\n"))

    def test_the_time_limit_and_the_end_of_ones_own_session_end_the_waiting(self):
        self.assertEqual(self.recipe("ask", "s1", "s2", "0.2", "?"), (124, ""))
        p = self.start("ask", "s1", "s2", "600", "anybody there?")
        self.heard("s2", "anybody there?")
        os.rmdir(self.m.path("sessions", "s1"))
        self.assertEqual(self.ended(p), (1, ""))

    def serve(self, status):
        p = self.start("spare", "s2", "sh", "-c", f"exit {status}")
        lib.wait_for(lambda: any("wait/messages/s2" in os.readlink(f"/proc/{p.pid}/fd/{n}")
                                 for n in os.listdir(f"/proc/{p.pid}/fd")), "spare listens")
        return p

    def test_what_is_free_is_claimed_without_asking(self):
        self.m.task("t")
        self.assertEqual(self.recipe("want", "s1", "t", "600"), (0, ""))
        self.assertEqual(lib.value(self.m.read("claims", "t"), "session"), "s1")

    def test_what_can_be_spared_is_handed_over(self):
        self.m.task("t")
        self.m.claim("s2", "t")
        p = self.serve(0)
        self.say("s1", "s2", "want ../../s1/x")
        self.assertEqual(self.recipe("want", "s1", "t", "600"), (0, ""))
        self.assertEqual(lib.value(self.m.read("claims", "t"), "session"), "s1")
        os.rmdir(self.m.path("sessions", "s2"))
        self.assertEqual(self.ended(p), (0, ""))

    def test_what_cannot_is_not(self):
        self.m.task("t")
        self.m.claim("s2", "t")
        self.serve(1)
        self.assertEqual(self.recipe("want", "s1", "t", "600"), (1, ""))
        self.assertEqual(lib.value(self.m.read("claims", "t"), "session"), "s2")

    def test_nobody_else_says_that_it_was_handed_over(self):
        self.m.task("t")
        self.m.claim("s2", "t")
        p = self.start("want", "s1", "t", "600")
        self.heard("s2", "s1 want t")
        self.say("s2", "s1", "coordfs handed t, token 9, by session s2: it is yours now")
        self.say("s2", "s1", "no t")
        self.assertEqual(self.ended(p)[0], 1)


class GuardEdit(Recipe):
    """The event as a harness sends it; 2 blocks."""

    def setUp(self):
        super().setUp()
        need_tool("git", "python3")
        self.work = os.path.join(self.dir, "work")
        subprocess.run(["git", "init", "-q", self.work], check=True, stdin=subprocess.DEVNULL)
        os.mkdir(self.m.path("repos", "work"))
        self.m.write(f"{self.work}\n", "repos/work/path")
        self.m.session("a")
        self.m.task("t", artifacts=["src"], repo="work")
        self.m.claim("a", "t")

    def event(self, session=None, **event):
        """(status, what it said on standard output, on standard error)"""
        path = self.program("guard-edit", self.scripts["guard-edit"])
        return lib.sh(["sh", path], stdin=json.dumps(event), session=session, cwd="/",
                      env={"COORD_MOUNT": str(self.m.dir), "PATH": f"{self.dir}:{os.environ['PATH']}"})

    def edit(self, path, session=None, key="file_path", **more):
        return self.event(session, hook_event_name="PreToolUse", tool_name="Write", tool_input={key: path}, **more)

    def test_what_another_session_holds_is_blocked_and_the_agent_is_told(self):
        for path, more in ((f"{self.work}/src/new.c", {}), ("src/new.c", {"cwd": self.work})):
            got = self.edit(path, session="b", **more)
            self.assertEqual((got.rc, got.out), (2, ""))
            self.assertIn("src/new.c held by t (session a)", got.err)
            self.assertIn("next: ", got.err)
        self.assertEqual(self.edit(f"{self.work}/src/x.ipynb", key="notebook_path").rc, 2)

    def test_the_rest_passes_without_a_word(self):
        for path, session in ((f"{self.work}/src/new.c", "a"), (f"{self.work}/doc/x", "b"), ("/tmp/notes", "b")):
            self.assertEqual(self.edit(path, session), (0, "", ""), path)
        self.assertEqual(self.event(tool_name="Bash", tool_input={"command": "ls"}), (0, "", ""))

    def test_what_it_cannot_tell_is_blocked(self):
        path = self.program("guard-edit", self.scripts["guard-edit"])
        env = {"COORD_MOUNT": "/nowhere", "PATH": f"{self.dir}:{os.environ['PATH']}"}
        event = json.dumps({"tool_input": {"file_path": f"{self.work}/x"}})
        self.assertEqual(lib.sh(["sh", path], stdin=event, env=env).rc, 2)
        self.assertEqual(lib.sh(["sh", path], stdin="no JSON", env=env).rc, 2)

    def test_the_settings_on_the_page_are_JSON_and_call_it(self):
        blocks = re.findall(r"^```json\n(.*?)^```", PAGE.read_text(), re.M | re.S)
        self.assertEqual(len(blocks), 2)
        for block in blocks:
            (entries,) = json.loads(block)["hooks"].values()
            self.assertTrue(entries[0]["hooks"][0]["command"].endswith("/guard-edit"))


if __name__ == "__main__":
    unittest.main()
