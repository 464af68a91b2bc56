"""Session records come in, and go out again, as they are: `coordfs import`, `coordfs export`."""
import json
import os
import shutil
import subprocess

from lib import COORDFS, UID_A, Case, Mount, as_uid, need_root, need_tool, write

RECORD = {
    "session_id": "s-1", "timestamp": "2026-03-02T10:41:00+00:00", "start_time": "2026-03-02T10:00:00Z",
    "end_time": "2026-03-02T10:40:30.250Z", "harness": "loop", "model": "m", "run_type": "auto",
    "category": "fix", "outcome": "productive", "exit_code": 0, "duration_seconds": 2430,
    "token_count": 12345678901, "cascade_intent": {"tier": 1, "why": [{"deep": [None, True, 1.5]}]},
    "deliverables": ["a1b2"], "deliverable_details": [{"value": "a1b2", "kind": "commit"}],
    "grades": {"alignment": 0.9, "harm": 1.0, "wit": 0.1}, "grade_reasons": {"alignment": "as asked"},
    "llm_judge_score": 0.5, "unknown": {"ä": "ünïcödé \U0001f600 \u2028", "": []},
}
BIG = b'{"session_id": "big", "start_time": 1772500000, "n": 123456789012345678901234567890, "x": 1E+2}'
TASKED = {"session_id": "tasked", "task": "a task", "timestamp": 1772500001.5}
BAD = [b"no json", b"[1, 2]", b'{"id": 7}', b"no json", b'{"session_id": "a", "n": NaN}\r', b"\xff\x00bytes",
       b'{"session_id":"x","task":"t","state":"ready"}', b'{"session_id":"n","s":"\\u0000"}']
TORN = '{"session_id":"torn","out":"ü'.encode()[:-1]


def dump(record):
    return json.dumps(record, ensure_ascii=False).encode()


class Records(Case):
    def file(self, data, name="session-records.jsonl"):
        path = os.path.join(self.m.base, name)
        with open(path, "wb") as f:
            f.write(data)
        return path

    def bring(self, data, m=None, rc=0):
        m = m or self.m
        got = m.tool("import", "--format", "sessions", self.file(data))
        self.assertEqual(got.rc, rc, got)
        return got

    def export(self, *args, m=None):
        m = m or self.m
        got = subprocess.run([COORDFS, "export", "--sessions", "--mount", str(m.dir), *args],
                             capture_output=True, check=False)
        self.assertEqual((got.returncode, got.stderr), (0, b""))
        return got.stdout

    def test_what_came_in_goes_out(self):
        good = [BIG, dump(TASKED), dump(RECORD)]
        mixed = b"\n".join([BAD[0], good[2], *BAD[1:4], b"", good[0], *BAD[4:], good[1], TORN])
        got = self.bring(mixed)
        self.assertEqual(got.out, "imported 12, kept lines 9\n")
        self.assertIn("session-records.jsonl:1: kept as it is: ", got.err)
        out = self.export()
        start = [dump(RECORD), BIG, dump(TASKED)]  # by their start
        self.assertEqual(out, b"".join(line + b"\n" for line in start + BAD + [TORN]))
        self.assertEqual(self.m.ls("tasks"), [])
        self.assertEqual(json.loads(self.m.read("sessions", "s-1", "record.json")), RECORD)
        with open(self.m.path("control", "lines"), "rb") as f:
            self.assertEqual(f.read(), b"".join(line + b"\n" for line in BAD + [TORN]))

        n = len(self.m.events())
        self.bring(mixed)
        self.bring(out)
        self.assertEqual(len(self.m.events()), n, "the same again is nothing new")
        self.assertEqual(self.export(), out)
        with Mount() as other:
            self.bring(out, m=other)
            self.assertEqual(self.export(m=other), out)
        self.m.restart()
        self.assertEqual(self.export(), out)

    def test_a_session_that_was_imported(self):
        self.bring(dump(RECORD) + b"\n")
        read = lambda *p: self.m.read("sessions", "s-1", *p)
        self.assertEqual(read("state"), "ended imported\n")
        self.assertEqual(read("started"), "2026-03-02T10:00:00Z\n")
        self.assertEqual(read("ended"), "2026-03-02T10:40:30Z\n")
        self.assertEqual(read("category"), "fix\n")
        self.assertEqual(read("outcome"), "productive\n")
        self.assertEqual(self.m.ls("archive", "2026-03-02", "sessions"), ["s-1"])
        self.assertRegex(read("grade"), r"(?m)^alignment 0\.90 weight 0\.35 by import: as asked$")
        self.assertRegex(read("grade"), r"(?m)^harm 1\.00 weight 0\.25 by import: imported$")
        self.assertNotIn("wit", read("grade"))
        self.assertEqual(read("grades", "alignment"), "0.9 as asked\n")
        self.refused("ESTALE", self.m.write, "x\n", "sessions", "s-1", "journal", append=True)
        self.refused("EEXIST", os.mkdir, self.m.path("sessions", "s-1"))

    def test_a_changed_record_replaces_the_one_before(self):
        self.bring(dump(RECORD))
        changed = {**RECORD, "outcome": "noop", "grades": {"alignment": 0.2}, "more": 1}
        self.bring(dump(changed))
        self.assertEqual(len(self.m.events("session-import")), 2)
        self.assertEqual(json.loads(self.export()), changed)
        self.assertRegex(self.m.read("sessions", "s-1", "grade"), r"(?m)^alignment 0\.20 .* by import: as asked$")
        self.assertEqual(self.m.read("sessions", "s-1", "outcome"), "noop\n")

    def test_of_several_lines_of_one_session_the_last_counts(self):
        lines = [b'{"session_id":"d","v":1,"timestamp":1772500000}', b'{"session_id":"e","timestamp":1772500009}',
                 b'{"session_id":"d","v":2,"timestamp":1772500000}']
        got = self.bring(b"\n".join(lines + lines[1:2]))
        self.assertEqual(got.out, "imported 2, replaced by later lines 2\n")
        self.assertEqual(got.err.count("\n"), 1, got.err)
        self.assertIn(".jsonl:1: d: line 3 is in its place", got.err)
        self.assertEqual(self.export(), lines[2] + b"\n" + lines[1] + b"\n")
        n = len(self.m.events())
        self.bring(b"\n".join(lines + lines[1:2]))
        self.assertEqual(len(self.m.events()), n)

    def test_a_session_of_this_mount_is_left_as_it_is(self):
        self.m.session("s-1")
        got = self.bring(dump(RECORD))
        self.assertIn("s-1: registered here, kept\n", got.err)
        self.assertEqual(self.m.read("sessions", "s-1", "state"), "live\n")
        self.assertEqual(self.m.read("sessions", "s-1", "grade").split("\n")[0], "-")
        self.assertEqual(self.m.events("session-import"), [])

    def test_an_id_that_is_no_name_is_refused_and_the_rest_comes_in(self):
        got = self.bring(b'{"session_id":"a b"}\n{"session_id":null}\n{"session_id":"good"}\n', rc=1)
        self.assertEqual(got.out, "imported 1, refused 2\n")
        self.assertIn(":1: a b: refused: Invalid argument\n  session_id: not a name for a session\n", got.err)
        self.assertEqual(self.m.ls("sessions"), ["good"])

    def test_only_operators_import(self):
        need_root()
        line = b'{"session_id":"x"}\n'
        self.refused("EACCES", as_uid, UID_A, write, self.m.path("control", "import"), line)
        program = shutil.copy(COORDFS, self.m.base / "coordfs")  # where others can reach it
        got = self.m.sh([program, "import", "--format", "sessions", str(self.file(line))], uid=UID_A)
        self.assertEqual(got.rc, 1)
        self.assertIn("importing is for the operators", got.err)

    def test_what_is_no_session_import_is_said(self):
        for args in (("--format", "csv", "f"), ("--format", "sessions", "--guess-artifacts", "f")):
            self.assertEqual(self.m.tool("import", *args).rc, 2)
        for args in (("--since", "2026-01-01"), ("--sessions", "--since", "soon")):
            self.assertEqual(self.m.tool("export", *args).rc, 2)
        got = self.m.tool("import", "--format", "sessions", "--dry-run", self.file(b'{"session_id":"x"}\n{'))
        self.assertEqual((got.rc, got.out), (0, "would import 2, kept lines 1\n"))
        self.assertEqual(self.m.ls("sessions"), [])

    def test_two_thousand(self):
        records = [{"session_id": f"s-{i}", "timestamp": 1772500000 + i * 600, "i": i} for i in range(2000)]
        data = b"".join(dump(r) + b"\n" for r in records)
        self.bring(data)
        self.assertEqual(self.export(), data)
        n = len(self.m.events())
        self.bring(data)
        self.assertEqual(len(self.m.events()), n)
        since = self.export("--since", "2026-03-10")
        self.assertEqual([json.loads(line)["i"] for line in since.splitlines()],
                         [r["i"] for r in records if r["timestamp"] >= 1773100800])

    def test_since_leaves_out_what_had_ended(self):
        self.bring(b'{"session_id":"old","timestamp":1772500000}\n{"session_id":"at","timestamp":1772500060}\nbad\n')
        self.m.session("live")
        names = lambda out: [json.loads(line)["session_id"] for line in out.splitlines() if line != b"bad"]
        self.assertEqual(names(self.export()), ["old", "at", "live"])
        self.assertEqual(names(self.export("--since", "2026-03-03T01:07:40Z")), ["at", "live"])
        self.assertEqual(names(self.export("--since", "2026-03-03T01:07:41Z")), ["live"])
        self.assertIn(b"bad\n", self.export("--since", "2026-03-03T01:07:41Z"))

    def test_sessions_of_this_mount_go_out_with_what_they_did(self):
        need_tool("git")
        m, repo = self.m, os.path.join(self.m.base, "repo")
        m.session("worker")
        m.session("judge")
        git = "git -c user.name=n -c user.email=e@example.org"
        got = m.sh(f"git init -q {repo} && cd {repo} && {git} commit -q --allow-empty -m first")
        self.assertEqual(got.rc, 0, got.err)
        os.mkdir(m.path("repos", "r"))
        m.write(f"{repo}\n", "repos", "r", "path")
        m.task("t", artifacts=["f"], repo="r", value="2")
        m.claim("worker", "t")
        got = m.sh(f"cd {repo} && echo x > f && git add f && {git} commit -q -m 'Make f\n\nCoord-Session: worker'")
        self.assertEqual(got.rc, 0, got.err)
        os.utime(m.path("repos", "r", "scan"))
        m.finish("worker", "t")
        m.write("0.75 did well\n", "sessions", "worker", "grades", "alignment")
        m.write("productive: made f done\n", "sessions", "worker", "outcome")
        out = self.export()
        record = {r["session_id"]: r for r in map(json.loads, out.splitlines())}["worker"]
        self.assertEqual(record["outcome"], "productive")
        head = m.sh(f"git -C {repo} rev-parse HEAD").out.strip()
        self.assertEqual(record["deliverables"], [head])
        self.assertEqual(record["grades"]["alignment"], 0.75)
        self.assertEqual(record["grades"]["harm"], 1.0)
        self.assertGreater(record["grades"]["productivity"], 0.5)
        with Mount() as other:
            self.bring(out, m=other)
            self.assertEqual(self.export(m=other), out)
            self.assertRegex(other.read("sessions", "worker", "grade"), r"(?m)^alignment 0\.75 .* by import: did well$")
