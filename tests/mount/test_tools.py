"""Tools that know nothing of it: they end, leave nothing behind, and read what is there."""
import hashlib
import os
import shutil
import stat
import subprocess
import tarfile

from lib import UID_A, Case, errno_of, need_root, need_tool, read, wait_for

COLUMNS = ("ideas", "ready", "blocked", "claims", "done")
VARYING = {"whoami", "why"}  # another process, another pid


class Tools(Case):
    def setUp(self):
        super().setUp()
        m = self.m
        for name in ("a", "b", "held", "finished", "need"):
            m.task(name, artifacts=[f"src/{name}"], title=f"The task {name}")
        m.task("waits", needs=["need"])
        m.task("idea", publish=False)
        for name in ("s", "ended", "idle"):
            m.session(name)
        m.claim("s", "finished")
        m.finish("s", "finished")
        m.claim("s", "held")
        os.rmdir(m.path("sessions", "ended"))
        os.mkdir(m.path("probes", "p"))
        m.write("true\n", "probes", "p", "command")
        m.write("one\ntwo\nthree\n", "tasks", "a", "body")
        m.read("verdict")
        self.out = os.path.join(m.base, "out")
        os.mkdir(self.out)
        self.home = {"HOME": self.out, "GIT_CONFIG_NOSYSTEM": "1"}

    def state(self):
        m = self.m
        return (m.hash(), {c: m.ls(c) for c in COLUMNS}, m.ls("tasks"), m.ls("sessions"),
                len(m.events()), {s: m.why(s) for s in m.ls("sessions")})

    def run_tool(self, command, **kwargs):
        kwargs.setdefault("env", self.home)
        return self.m.sh(command, timeout=120, **kwargs)


class Readers(Tools):
    """Reading the whole mount: it ends well, and it changes nothing."""

    def harmless(self, command, rc=0, **kwargs):
        before = self.state()
        got = self.run_tool(command, **kwargs)
        self.assertEqual((got.rc, got.err), (rc, ""), command)
        self.assertEqual(self.state(), before, command)
        return got.out

    def copied(self, root):
        """What is in a copy is what is in the mount."""
        n = 0
        for path, dirs, files in os.walk(self.m.dir):
            there = os.path.join(root, os.path.relpath(path, self.m.dir))
            self.assertEqual(sorted(os.listdir(there)), sorted(dirs + files))
            for name in files:
                a, b = os.path.join(path, name), os.path.join(there, name)
                if os.path.islink(a):
                    self.assertEqual(os.readlink(a), os.readlink(b), a)
                elif name not in VARYING:
                    self.assertEqual(read(a), read(b), a)
                n += 1
        self.assertGreater(n, 100)

    def test_tar(self):
        out = self.harmless(f"tar cf {self.out}/all.tar . && echo end")
        self.assertEqual(out, "end\n")
        with tarfile.open(f"{self.out}/all.tar") as t:
            # before 3.11.4 there are no filters, and all is trusted
            trust = {"filter": "fully_trusted"} if hasattr(tarfile, "fully_trusted_filter") else {}
            t.extractall(f"{self.out}/copy", **trust)
        self.copied(f"{self.out}/copy")

    def test_tar_as_another_user_misses_what_it_may_not_read_and_says_so(self):
        need_root()
        before = self.state()
        got = self.run_tool("tar cf - . | wc -c; exit ${PIPESTATUS[0]}", uid=UID_A)
        self.assertEqual(got.rc, 2)
        self.assertEqual([l for l in got.err.splitlines() if "Cannot open" in l],
                         [l for l in got.err.splitlines() if "/control/" in l])
        self.assertGreater(int(got.out), 100000)
        self.assertEqual(self.state(), before)

    def test_cp(self):
        self.harmless(f"cp -a . {self.out}/copy")
        self.copied(f"{self.out}/copy")

    def test_rsync(self):
        need_tool("rsync")
        self.harmless(f"rsync -a ./ {self.out}/copy/")
        self.copied(f"{self.out}/copy")
        self.harmless(f"rsync -ac ./ {self.out}/copy/")

    def test_grep(self):
        out = self.harmless("grep -r . .")
        self.assertIn("./tasks/a/body:two\n", out)
        self.assertIn("./claims/held:session s\n", out)
        self.assertNotIn("wait/events", out)

    def test_find(self):
        out = self.harmless("find . -printf '%p %s %y\\n'")
        lines = {l.rsplit(" ", 2)[0]: l.rsplit(" ", 2)[1:] for l in out.splitlines()}
        n = 0
        for path, dirs, files in os.walk(self.m.dir):
            for name in dirs + files:
                full = os.path.join(path, name)
                st = os.lstat(full)
                size, kind = lines["./" + os.path.relpath(full, self.m.dir)]
                if name not in VARYING:
                    self.assertEqual(int(size), st.st_size, full)
                self.assertEqual(kind, "d" if stat.S_ISDIR(st.st_mode) else
                                 "l" if stat.S_ISLNK(st.st_mode) else "f", full)
                n += 1
        self.assertEqual(len(lines), n + 1)

    def test_find_shows_which_claims_are_stuck(self):
        self.assertEqual(self.harmless("find claims -type f -mmin +30"), "")
        self.assertEqual(self.harmless("find claims -type f -mmin -30"), "claims/held\n")

    def test_ls(self):
        out = self.harmless("ls -laR .")
        self.assertIn("-rw-rw-rw- 1", out)
        self.assertIn(" finished -> ../../../done/finished", out)

    def test_du_and_df(self):
        self.harmless("du -a . && du -s --apparent-size . && df . && stat -f .")

    def test_file(self):
        need_tool("file")
        out = self.harmless("find . -type f -print0 | xargs -0 file")
        self.assertIn("./tasks/a/body:", out)
        self.assertNotIn("cannot open", out)

    def test_checksums(self):
        out = self.harmless("find . -type f ! -name why ! -name whoami -print0 | xargs -0 sha256sum")
        n = 0
        for line in out.splitlines():
            digest, path = line.split("  ", 1)
            with open(os.path.join(self.m.dir, path), "rb") as f:
                self.assertEqual(hashlib.sha256(f.read()).hexdigest(), digest, path)
            n += 1
        self.assertGreater(n, 100)

    def test_python_walks_and_copies(self):
        before = self.state()
        for path, _, files in os.walk(self.m.dir):
            for name in files:
                with open(os.path.join(path, name), "rb") as f:
                    f.read()
        shutil.copytree(self.m.dir, f"{self.out}/copy", symlinks=True)
        self.copied(f"{self.out}/copy")
        self.assertEqual(self.state(), before)

    def test_editors_and_pagers_read(self):
        for command in ("vim -es -u NONE -c q tasks/a/body", "less -FX tasks/a/body", "more tasks/a/body",
                        "view -es -u NONE -c q claims/held", "tac events | head -1", "wc -l events",
                        "diff tasks/a/body tasks/a/body", "sort tasks/a/body", "split -n 3 events " + self.out + "/x"):
            tool = command.split()[0]
            if shutil.which(tool) is None:
                print(f"    without {tool}, which is not here")
                continue
            with self.subTest(command):
                self.harmless(command)

    def test_git_takes_the_tree_into_a_repository_of_its_own(self):
        need_tool("git")
        git = f"git --git-dir={self.out}/git --work-tree=."
        self.harmless(f"{git} init -q && {git} config core.checkStat minimal")
        self.harmless(f"{git} add -A .")
        listed = self.harmless(f"{git} ls-files")
        self.assertIn("tasks/a/body\n", listed)
        for name in ("tasks/a/body", "claims/held", "README", "done/finished"):
            out = self.harmless(f"{git} cat-file blob :{name}")
            self.assertEqual(out, self.m.read(*name.split("/")))
            self.assertEqual(self.harmless(f"{git} hash-object {name}"),
                             self.harmless(f"{git} rev-parse :{name}"))

    def test_jq_and_json(self):
        out = self.harmless("python3 -c \"import json; print(len([json.loads(l) for l in open('events')]))\"")
        self.assertEqual(int(out), len(self.m.events()))
        need_tool("jq")
        self.assertEqual(int(self.harmless("jq -s length events")), len(self.m.events()))

    def test_a_reader_with_a_session_is_no_less_harmless(self):
        out = self.harmless("grep -rl . . | wc -l", session="s")
        self.assertGreater(int(out), 50)


class Writers(Tools):
    """Tools that write: the value, or a loud error; never a phantom."""

    def changed_only(self, command, path, want, rc=None, **kwargs):
        """COMMAND makes PATH read WANT (None: as before), and touches nothing else."""
        others = self.state()[1:4]
        before = read(self.m.path(*path.split("/")))
        got = self.run_tool(command, **kwargs)
        now = read(self.m.path(*path.split("/")))
        where = f"{command}: rc {got.rc} {got.err}"
        if want is None:
            self.assertEqual(now, before, where)
            self.assertNotEqual(got.rc, 0, where)
        else:
            self.assertEqual(now, want, where)
        if rc is not None:
            self.assertEqual(got.rc, rc, where)
        self.assertEqual(self.state()[1:4], others, where)
        return got

    def test_vim(self):
        need_tool("vim")
        self.changed_only("vim -es -u NONE -c '%s/two/2/' -c wq tasks/a/body", "tasks/a/body",
                          "one\n2\nthree\n", 0)
        self.changed_only("vim -es -u NONE -c '%s/one/1/' -c 'set nobackup nowritebackup noswapfile' -c wq "
                          "tasks/a/body", "tasks/a/body", "1\n2\nthree\n", 0)
        self.changed_only("vim -es -u NONE -c 'set backup backupcopy=no' -c '%s/1/one/' -c wq tasks/a/body",
                          "tasks/a/body", "one\n2\nthree\n")
        self.changed_only("vim -es -u NONE -c 'normal ox' -c wq ready/new", "tasks/a/body",
                          "one\n2\nthree\n", 1)
        self.changed_only("vim -es -u NONE -c 'normal ox' -c wq claims/new", "tasks/a/body",
                          "one\n2\nthree\n", 1)

    def test_vim_refused_says_so(self):
        need_tool("vim")
        self.changed_only("vim -es -u NONE -c 'normal isometimes' -c wq tasks/a/kind", "tasks/a/kind",
                          None)

    def test_ed(self):
        need_tool("ed")
        self.changed_only("printf '2d\\nw\\nq\\n' | ed -s tasks/a/body", "tasks/a/body", "one\nthree\n", 0)

    def test_sed_in_place_is_refused(self):
        """It wants a file of its own beside it."""
        got = self.changed_only("sed -i s/two/2/ tasks/a/body", "tasks/a/body", None)
        self.assertIn("Operation not permitted", got.err)
        self.changed_only("sed -i s/a/b/ ready/a", "ready/a", None)
        self.changed_only("sed s/two/2/ tasks/a/body > ../x && cat ../x > tasks/a/body; rm ../x",
                          "tasks/a/body", "one\n2\nthree\n", 0)

    def test_rsync_makes_no_tasks(self):
        need_tool("rsync")
        write_file(f"{self.out}/body", "new\n")
        self.changed_only(f"rsync -a {self.out}/body tasks/a/body", "tasks/a/body", None)
        self.changed_only(f"rsync --inplace {self.out}/body tasks/a/body", "tasks/a/body", "new\n", 0)
        os.mkdir(f"{self.out}/ready")
        write_file(f"{self.out}/ready/phantom", "x\n")
        for where in ("ready", "claims", "tasks", "sessions/s/claims", "."):
            self.assertNotEqual(self.run_tool(f"rsync -a {self.out}/ready/phantom {where}/",
                                              session="s").rc, 0)
        self.assertEqual(self.state()[1]["ready"], ["a", "b", "need", "probe.p"])  # it read the probe's verdict
        self.assertNotIn("phantom", self.m.ls("tasks"))

    def test_cp(self):
        write_file(f"{self.out}/body", "new\nlines\n")
        self.changed_only(f"cp {self.out}/body tasks/a/body", "tasks/a/body", "new\nlines\n", 0)
        write_file(f"{self.out}/body", "x\n")
        got = self.changed_only(f"cp -a {self.out}/body tasks/a/body", "tasks/a/body", "x\n")
        self.assertIn("permissions", got.err)
        self.assertNotEqual(got.rc, 0)
        for where in ("ready", "ideas", "claims", "done", "tasks", "."):
            self.assertNotEqual(self.run_tool(f"cp {self.out}/body {where}/", session="s").rc, 0)
            self.assertNotEqual(self.run_tool(f"mv {self.out}/body {where}/", session="s").rc, 0)
        self.assertNotIn("body", self.m.ls("tasks"))

    def test_install_dd_truncate_shred(self):
        write_file(f"{self.out}/body", "new\n")
        self.changed_only(f"install {self.out}/body tasks/a/body", "tasks/a/body", None)
        self.changed_only(f"dd if={self.out}/body of=tasks/a/body status=none", "tasks/a/body", "new\n", 0)
        self.changed_only("truncate -s 0 tasks/a/body", "tasks/a/body", "new\n", 0)
        got = self.run_tool("shred -n1 -s64 --random-source=/dev/zero tasks/a/body")
        self.assertNotEqual(got.rc, 0)
        self.assertEqual(self.m.read("tasks", "a", "body"), "new\n")

    def test_tar_into_the_mount_makes_nothing(self):
        before = self.state()[1:4]
        self.run_tool(f"tar cf {self.out}/x.tar tasks/a ready claims")
        write_file(f"{self.out}/phantom", "x\n")
        self.run_tool(f"tar rf {self.out}/x.tar -C {self.out} phantom")
        got = self.run_tool(f"tar xf {self.out}/x.tar")
        self.assertNotEqual(got.rc, 0)
        got = self.run_tool(f"tar xf {self.out}/x.tar -C ready; tar xf {self.out}/x.tar -C claims",
                            session="idle")
        self.assertNotEqual(got.rc, 0)
        self.assertEqual(self.state()[1:4], before)

    def test_git_makes_no_repository_inside(self):
        need_tool("git")
        before = self.state()
        for command in ("git status", "git init", "git init -q tasks/a", "git init -q ready",
                        "git init -q tasks/repo", "cd claims && git init", "git clone -q . tasks/x"):
            with self.subTest(command):
                got = self.run_tool(command)
                self.assertNotEqual(got.rc, 0)
                self.assertIn("fatal" if "init" not in command else "not permitted",
                              got.err.replace("Operation n", "n"))
                self.m.sh("rmdir tasks/repo 2>/dev/null")
        self.assertEqual(self.state()[1:4], before[1:4])

    def test_droppings_of_editors_and_tools_never_become_tasks(self):
        before = self.state()[1:4]
        for name in (".a.swp", "a~", "a.swp", "a.tmp", ".#a", "#a#~", "4913", ".nfs0001", "sedAbCdEf",
                     ".a.Xy12Zw", "__pycache__", ".git", ".DS_Store"):
            for where in (*COLUMNS, "sessions/s/claims", "sessions/s/done", "tasks/a", "."):
                path = self.m.path(where, name)
                self.assertNotEqual(errno_of(os.open, path, os.O_WRONLY | os.O_CREAT), "ok", path)
                self.assertNotEqual(errno_of(os.mkdir, path), "ok", path)
        for name in (".a.swp", "a~", "a.swp", "a.tmp", ".#a", ".git", ".x"):
            self.refused("EINVAL", os.mkdir, self.m.path("tasks", name))
            self.refused("EINVAL", os.mkdir, self.m.path("sessions", name))
        self.assertEqual(self.state()[1:4], before)

    def test_rm_rf_of_everything_by_a_stranger_removes_nothing(self):
        need_root()
        before = self.state()
        got = self.run_tool("rm -rf ./*; rm -rf claims/* tasks/* done/* sessions/*", uid=UID_A)
        self.assertNotEqual(got.rc, 0)
        self.assertEqual(self.state(), before)


class Inotify(Tools):
    def test_what_is_done_through_the_mount_is_seen(self):
        need_tool("inotifywait")
        p = subprocess.Popen(["inotifywait", "-m", "-e", "create,moved_to,moved_from,delete", "--format",
                              "%w%f %e", "ready", "done", "claims", "ideas"], cwd=self.m.dir,
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.addCleanup(p.wait)
        self.addCleanup(p.kill)
        self.addCleanup(p.stdout.close)
        self.addCleanup(p.stderr.close)
        while "established" not in p.stderr.readline():
            pass
        self.run_tool("mv ready/a claims/ && mv claims/a done/ && touch claims/b && rm claims/b && echo end",
                      session="s")
        want = ["ready/a MOVED_FROM", "claims/a MOVED_TO", "claims/a MOVED_FROM", "done/a MOVED_TO",
                "claims/b CREATE", "claims/b DELETE"]
        self.assertEqual([p.stdout.readline().strip() for _ in want], want)

    def test_a_watch_on_everything_hangs_nothing(self):
        need_tool("inotifywait")
        p = subprocess.Popen(["inotifywait", "-m", "-r", "-q", "."], cwd=self.m.dir,
                             stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        self.addCleanup(p.wait)
        self.addCleanup(p.kill)
        self.addCleanup(p.stdout.close)
        before = self.state()
        self.run_tool("grep -r . . > /dev/null")
        wait_for(p.stdout.readline, "a line of inotifywait")
        self.assertEqual(self.state(), before)
        self.m.claim("s", "b")
        self.assertEqual(self.m.column("b"), "claims")
        p.kill()


def write_file(path, text):
    with open(path, "w", encoding="utf-8", newline="") as f:
        f.write(text)
