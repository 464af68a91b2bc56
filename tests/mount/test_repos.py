"""Repositories: which are taken and which are not, what is recorded of them, and when."""
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile

import gits
import history
import lib
from gits import git
from lib import need_root, read, value, wait_for


class Taken(gits.Case):
    def check(self, name, path, commits, head=None, tree=None):
        self.register(name, path)
        self.assertEqual(self.count(name), commits)
        self.assertEqual(self.file(name, "error"), "-\n")
        scan = self.file(name, "scan")
        self.assertEqual(value(scan, "error"), "-")
        self.assertEqual([l.split()[0] for l in scan.splitlines()],
                         ["at", "took", "new", "commits", "running", "error"])
        if head:
            self.assertEqual(self.file(name, "head"), head + "\n")
        self.assertAllOnce(name, tree or path)

    def test_a_work_tree(self):
        t = self.tree(commits=3)
        self.check("r", t, 3, f"{t.head()} refs/heads/main")
        self.assertEqual(self.file("r", "gitdir"), f"{t.path}/.git\n")
        self.assertEqual(self.file("r", "heads"), f"{t.head()} refs/heads/main\n")
        last = self.commits("r")
        self.assertEqual([c[4] for c in last], [f"commit {i} of work" for i in (2, 1, 0)])
        self.assertEqual(last[0][0], t.head())
        self.assertEqual({(c[2], c[3]) for c in last}, {("-", "unattributed")})

    def test_its_git_directory(self):
        t = self.tree(commits=2)
        self.check("r", t.path / ".git", 2, f"{t.head()} refs/heads/main")

    def test_a_directory_in_a_work_tree_or_what_it_says(self):
        t = self.tree()
        t.commit("deep", {"a/b/c": "x\n"})
        self.check("r", t.path, 2)

    def test_one_in_shared_memory(self):
        if not os.access("/dev/shm", os.W_OK):
            self.skipTest("there is no /dev/shm to write to")
        where = tempfile.mkdtemp(prefix="coordfs-git-", dir="/dev/shm")
        self.addCleanup(shutil.rmtree, where)
        t = gits.Tree.new(f"{where}/r")
        t.commit("in memory", {"a": "x\n"})
        self.check("r", t, 1, f"{t.head()} refs/heads/main")
        self.m.task("t")
        self.m.write(f"{t.path}/a\n", "tasks", "t", "artifacts")
        self.assertEqual(self.m.read("tasks", "t", "artifacts"), "r:a\n")

    def test_a_bare_one(self):
        t = self.tree(commits=2)
        git("/", "clone", "-q", "--bare", t.path, self.dir / "bare.git")
        self.check("r", self.dir / "bare.git", 2, f"{t.head()} refs/heads/main")
        self.assertEqual(self.file("r", "gitdir"), f"{self.dir}/bare.git\n")

    def test_a_linked_work_tree_is_its_repository_with_a_head_of_its_own(self):
        t = self.tree(commits=2)
        linked = t.worktree(self.dir / "linked", "side")
        head = linked.commit("on the side", {"side": "x\n"})
        self.check("r", linked, 3, f"{head} refs/heads/side")
        self.assertEqual(self.file("r", "gitdir"), f"{t.path}/.git\n")
        main = t.commit("on main", {"main": "x\n"})
        self.scan("r")
        self.assertEqual(self.commits("r")[0][0], main)

    def test_a_shallow_clone_is_read_as_far_as_it_goes(self):
        t = self.tree(commits=5)
        git("/", "clone", "-q", "--depth", "2", f"file://{t.path}", self.dir / "shallow")
        self.check("r", self.dir / "shallow", 2, f"{t.head()} refs/heads/main")
        t.commit("more", {"more": "x\n"})
        git(self.dir / "shallow", "pull", "-q")
        self.scan("r")
        self.assertEqual(self.count("r"), 3)
        git(self.dir / "shallow", "fetch", "-q", "--unshallow")
        self.scan("r")
        self.assertEqual(self.file("r", "error"), "-\n")

    def test_one_without_a_commit_until_there_is_one(self):
        t = gits.Tree.new(self.dir / "new")
        self.register("r", t)
        self.assertEqual(self.file("r", "head"), "- refs/heads/main\n")
        self.assertEqual((self.count("r"), self.file("r", "commits")), (0, ""))
        head = t.commit("the first", {"a": "x\n"})
        self.scan("r")
        self.assertEqual(self.file("r", "head"), f"{head} refs/heads/main\n")
        self.assertEqual(self.recorded("r"), [head])

    def test_packed_refs_and_objects(self):
        t = self.tree(commits=3)
        t.git("branch", "a/b/c")
        t.git("pack-refs", "--all", "--prune")
        t.git("gc", "-q", "--prune=now")
        self.check("r", t, 3, f"{t.head()} refs/heads/main")
        self.assertEqual(self.file("r", "heads").count("\n"), 2)
        head = t.commit("loose again", {"l": "x\n"})
        t.git("pack-refs", "--all")
        self.scan("r")
        self.assertEqual(self.file("r", "head"), f"{head} refs/heads/main\n")

    def test_a_detached_head(self):
        t = self.tree(commits=2)
        t.git("checkout", "-q", "--detach")
        head = t.commit("on no branch", {"d": "x\n"})
        self.register("r", t)
        self.assertEqual(self.file("r", "head"), f"{head} HEAD\n")
        self.assertIn(head, self.recorded("r"))

    def test_a_branch_of_several_words_that_comes_later(self):
        t = self.tree()
        self.register("r", t)
        t.git("checkout", "-q", "-b", "a/b")
        head = t.commit("on a/b", {"ab": "x\n"})
        self.scan("r")
        self.assertIn(f"{head} refs/heads/a/b\n", self.file("r", "heads"))
        again = t.commit("on a/b again", {"ab": "y\n"})
        self.m.session("s")  # looks by itself
        self.assertEqual(self.recorded("r")[-1], again)

    def test_branches_by_pattern(self):
        t = self.tree()
        for name in ("agents/one", "agents/two", "other"):
            t.git("checkout", "-q", "-b", name, "main")
            t.commit(f"on {name}", {name: "x\n"})
        t.git("checkout", "-q", "main")
        self.register("r", t, branches="agents/*")
        self.assertEqual({c[4] for c in self.commits("r")},
                         {"commit 0 of work", "on agents/one", "on agents/two"})
        self.m.write("agents/*\noth*\n", "repos", "r", "branches")
        self.scan("r")
        self.assertIn("on other", {c[4] for c in self.commits("r")})

    def test_depth(self):
        t = self.tree(commits=7)
        self.register("r", t, depth=3)
        self.assertEqual([c[4] for c in self.commits("r")], [f"commit {i} of work" for i in (6, 5, 4)])
        t.commit("more", {"x": "y\n"})
        self.scan("r")
        self.assertEqual(self.count("r"), 4)

    def test_any_name_of_a_file_and_any_message(self):
        t = self.tree()
        names = ["with blank", "tab\there", "ü/ö", "a:b", "*star*", "[id]/x", "-dash", "new\nline", "q\"uote"]
        t.commit('say "hello" \\ \t and more', {n: "x\n" for n in names})
        (t.path.joinpath(b"\xff\xfe".decode("latin1"))).write_text("x")
        with open(os.fsencode(t.path) + b"/\xff\xfe", "w") as f:
            f.write("x")
        t.git("add", "-A")
        t.git("-c", "i18n.commitEncoding=latin1", "commit", "-q", "-F", self.latin_message())
        self.register("r", t)
        self.assertEqual(self.count("r"), 3)
        self.assertEqual(self.file("r", "error"), "-\n")

    def latin_message(self):
        (self.dir / "message").write_bytes(b"caf\xe9 au lait\n")
        return self.dir / "message"

    def test_an_empty_message_an_empty_commit_and_two_roots(self):
        t = self.tree()
        t.git("commit", "-q", "--allow-empty", "--allow-empty-message", "-m", "")
        t.git("checkout", "-q", "--orphan", "other")
        t.git("commit", "-q", "-m", "another root")
        self.register("r", t)
        self.assertEqual(self.count("r"), 3)
        t.git("merge", "-q", "--allow-unrelated-histories", "-m", "together", "main")
        self.scan("r")
        self.assertEqual(self.count("r"), 4)

    def test_submodules_and_links(self):
        inner, t = self.tree("inner"), self.tree()
        t.git("-c", "protocol.file.allow=always", "submodule", "add", "-q", inner.path, "sub")
        os.symlink("README", t.path / "link")
        t.commit("a submodule and a link")
        self.register("r", t)
        self.assertEqual(self.count("r"), 2)
        self.register("s", t.path / "sub")
        self.assertEqual(self.count("s"), 1)


class Odd(gits.Case):
    """What is rare, and there all the same."""

    def sound(self, tree, n):
        self.register("r", tree)
        self.assertEqual(self.file("r", "error"), "-\n")
        self.assertEqual(self.count("r"), n)
        head = tree.commit("one more", {"one-more": "x\n"}, session="s")
        self.scan("r")
        self.assertEqual(self.recorded("r")[-1], head)
        self.assertEqual(self.commits("r")[0][2:], ("s", "trailer:Coord-Session", "one more"))

    def test_a_commit_of_very_many_files(self):
        t = self.tree()
        for i in range(6000):
            t.put(f"many/{i % 50}/{'long-' * 20}{i}", f"{i}\n")
        t.commit("very many")
        self.sound(t, 2)
        self.m.session("a")
        self.m.task("t", artifacts=["many/7"], repo="r")
        t.commit("many again", {f"many/{i % 50}/{'long-' * 20}{i}": "again\n" for i in range(6000)}, session="b")
        self.refused("ESTALE", self.m.claim, "a", "t")

    def test_a_message_of_a_megabyte_and_a_subject_of_as_much(self):
        t = self.tree()
        (self.dir / "m").write_text("word " * 200000 + "\n\n" + "line\n" * 200000 + "\nCoord-Session: x\n")
        t.git("commit", "-q", "--allow-empty", "-F", self.dir / "m")
        self.sound(t, 2)

    def test_very_many_branches(self):
        t = self.tree()
        heads = [t.commit(f"c{i}", {"f": f"{i}\n"}) for i in range(5)]
        refs = "".join(f"create refs/heads/agents/branch-{i} {heads[i % 5]}\n" for i in range(5000))
        done = subprocess.run(["git", "-C", t.path, "update-ref", "--stdin"], input=refs, text=True, check=False)
        self.assertEqual(done.returncode, 0)
        self.sound(t, 6)
        self.assertEqual(self.file("r", "heads").count("\n"), 5001)
        t.git("pack-refs", "--all")
        head = t.commit("packed", {"p": "x\n"})
        self.scan("r")
        self.assertEqual(self.recorded("r")[-1], head)

    def test_names_that_are_no_utf8(self):
        t = self.tree()
        head = t.commit("x", {"x": "x\n"})
        env = {**os.environ, **gits.IDENTITY, "GIT_AUTHOR_NAME": "J\udcf6rg", "GIT_COMMITTER_NAME": "J\udcf6rg"}
        done = subprocess.run(["git", "-C", t.path, "commit", "-q", "--allow-empty", "-m", "by J"], env=env, check=False)
        self.assertEqual(done.returncode, 0)
        with open(os.fsencode(t.path) + b"/.git/refs/heads/br\xf6", "w") as f:
            f.write(head + "\n")
        self.sound(t, 3)

    def test_trailers_of_every_sort(self):
        t = self.tree()
        self.register("r", t)
        for i, (message, want) in enumerate((
                ("a\n\nCoord-Session: plain", "plain"), ("a\n\ncoord-session:   spaced  ", "spaced"),
                ("a\n\nCoord-Session: -", "-"), ("a\n\nCoord-Session: two words", "-"),
                ("a\n\nCoord-Session:", "-"), ("a\n\nCoord-Session: https://host/x/last", "last"),
                ("a\n\nCoord-Session: " + "n" * 200, "-"), ("Coord-Session: subject", "-"),
                ("a\n\nCoord-Session: one\nCoord-Session: two", "one"),
                ("a\n\nCoord-Session: in the text\n\nmore text", "-"),
                ("a\n\nCoord-Session: ../../x", "x"), ("a\n\nCoord-Session: .hidden", "-"))):
            t.put("f", f"{i}\n")
            t.git("add", "-A")
            t.git("commit", "-q", "--cleanup=verbatim", "-m", message)
            self.scan("r")
            self.assertEqual(self.commits("r")[0][2], want, message)

    def test_replaced_and_grafted_commits_and_alternates(self):
        t = self.tree(commits=4)
        git("/", "clone", "-q", "--shared", t.path, self.dir / "clone")
        clone = gits.Tree(self.dir / "clone")
        clone.git("replace", "--graft", "HEAD~1")
        self.sound(clone, 4)

    def test_a_file_that_became_a_directory_and_back(self):
        t = self.tree()
        t.commit("file", {"x": "file\n"})
        os.unlink(t.path / "x")
        t.commit("directory", {"x/y": "deep\n"})
        t.git("rm", "-rq", "x")
        t.commit("file again", {"x": "file\n"})
        self.sound(t, 4)


class Refused(gits.Case):
    def setUp(self):
        super().setUp()
        os.mkdir(self.m.path("repos", "r"))

    def no(self, errno_name, path, *words, name="r"):
        self.refused(errno_name, self.m.write, f"{path}\n", "repos", name, "path")
        self.assertWhy(self.m.why(), errno_name, *words)
        self.assertEqual(self.file(name, "path"), "")
        self.assertEqual(self.file(name, "gitdir"), "-\n")

    def test_what_is_not_there(self):
        self.no("ENOENT", self.dir / "none", str(self.dir / "none"))

    def test_a_file(self):
        (self.dir / "file").write_text("x")
        self.no("ENOTDIR", self.dir / "file")

    def test_a_directory_without_one(self):
        (self.dir / "plain").mkdir()
        self.no("EINVAL", self.dir / "plain", "plain")

    def test_one_with_other_objects(self):
        gits.Tree.new(self.dir / "new", "--object-format=sha256").commit("x", {"a": "x"})
        self.no("EINVAL", self.dir / "new")

    def test_what_is_not_absolute(self):
        self.tree()
        self.no("EINVAL", "work", "absolute")
        self.no("EINVAL", "./work")

    def test_nothing_in_the_mount(self):
        for path, errno_name in (("", "EINVAL"), ("tasks", "EINVAL"), ("repos/r", "EINVAL"),
                                 ("nothing", "ENOENT"), ("wait/events", "ENOTDIR")):
            with self.subTest(path=path):
                self.no(errno_name, self.m.path(path).rstrip("/"))

    def test_nothing_in_the_mount_through_a_link(self):
        os.symlink(self.m.dir, self.dir / "link")
        self.no("EINVAL", self.dir / "link")
        (self.dir / "pointer").mkdir()
        (self.dir / "pointer/.git").write_text(f"gitdir: {self.m.dir}/tasks\n")
        self.assertNotEqual(lib.errno_of(self.m.write, f"{self.dir}/pointer\n", "repos", "r", "path"), "ok")

    def test_one_that_is_registered_already_however_it_is_called(self):
        t = self.tree()
        self.register("other", t)
        linked = t.worktree(self.dir / "linked", "side")
        os.symlink(t.path, self.dir / "link")
        for path in (t.path, f"{t.path}/", f"{t.path}/.git", linked.path, self.dir / "link",
                     f"{self.dir}/./work/../work"):
            with self.subTest(path=path):
                self.no("EEXIST", path, "other")
        self.m.write(f"{linked.path}\n", "repos", "other", "path")  # of its own
        os.rmdir(self.m.path("repos", "other"))
        self.m.write(f"{t.path}\n", "repos", "r", "path")

    def test_one_whose_first_look_goes_on(self):
        history.synth(self.dir / "big", 2000, bare=False)
        os.mkdir(self.m.path("repos", "big"))
        self.m.write(f"{self.dir}/big\n", "repos", "big", "path")
        self.no("EEXIST", self.dir / "big", "big")
        self.m.task("t")
        self.m.write(f"{self.dir}/big/x\n", "tasks", "t", "artifacts")
        self.assertEqual(self.m.read("tasks", "t", "artifacts"), "big:x\n")

    def test_one_that_another_name_had(self):
        t, other = self.tree(), self.tree("other")
        self.register("a", t)
        self.m.write(f"{other.path}\n", "repos", "a", "path")
        self.m.write(f"{t.path}\n", "repos", "r", "path")
        self.m.write("\n", "repos", "a", "path")
        os.mkdir(self.m.path("repos", "b"))
        self.m.write(f"{other.path}\n", "repos", "b", "path")
        self.scan("b")
        self.assertEqual(self.file("b", "gitdir"), f"{other.path}/.git\n")

    def test_two_names_at_once(self):
        """Both are looked at before either is decided."""
        t = self.tree()
        for i in range(8):
            os.mkdir(self.m.path("repos", f"r{i}"))
        script = "".join(f"(echo {t.path} > repos/r{i}/path) 2>/dev/null & " for i in range(8)) + "wait"
        self.m.sh(script)
        got = [i for i in range(8) if self.file(f"r{i}", "path")]
        self.assertEqual(len(got), 1, got)

    def test_a_fifo_and_a_device(self):
        os.mkfifo(self.dir / "fifo")
        self.no("ENOTDIR", self.dir / "fifo")
        self.no("ENOTDIR", "/dev/zero")

    def test_one_with_a_broken_head(self):
        t = self.tree()
        (t.path / ".git/HEAD").write_text("nonsense\n")
        self.assertNotEqual(lib.errno_of(self.m.write, f"{t.path}\n", "repos", "r", "path"), "ok")

    def test_scan_of_one_without_a_path(self):
        self.refused("ENOENT", self.scan, "r")
        self.assertWhy(self.m.why(), "ENOENT")


class Looked(gits.Case):
    """When it is looked at."""

    def test_a_touch_a_write_and_an_append_are_a_look(self):
        t = self.tree()
        self.m.write("0s\n", "control", "scan-interval")
        self.register("r", t)
        for i, how in enumerate(("touch repos/r/scan", "echo > repos/r/scan", "echo now >> repos/r/scan")):
            head = t.commit(f"more {i}", {"f": f"{i}\n"})
            self.assertNotIn(head, self.recorded("r"))
            self.assertEqual(self.m.sh(how)[0], 0)
            self.assertEqual(self.recorded("r")[-1], head)
            self.assertEqual(value(self.file("r", "scan"), "new"), "1")

    def test_from_time_to_time(self):
        t = self.tree()
        self.m.write("100ms\n", "control", "scan-interval")
        self.register("r", t)
        for i in range(5):
            head = t.commit(f"more {i}", {"f": f"{i}\n"})
            self.m.wait_event("commit", commit=head)
        t.git("checkout", "-q", "-b", "side")
        head = t.commit("on the side", {"s": "x\n"})
        self.m.wait_event("commit", commit=head)
        linked = t.worktree(self.dir / "linked", "third")
        head = linked.commit("on the third", {"t": "x\n"})
        self.m.wait_event("commit", commit=head)

    def test_never_by_itself_with_0s(self):
        t, witness = self.tree(), self.tree("witness")
        self.register("r", t)
        self.m.write("0s\n", "control", "scan-interval")
        head = t.commit("more", {"f": "x\n"})
        # something that takes many times the time a look takes
        self.register("w", witness)
        for _ in range(10):
            self.scan("w")
        self.assertNotIn(head, self.recorded("r"))
        self.scan("r")
        self.assertEqual(self.recorded("r")[-1], head)

    def test_one_that_vanishes_and_comes_back(self):
        t = self.tree()
        self.register("r", t)
        self.m.session("s")
        self.m.task("t", artifacts=["README"], repo="r")
        os.rename(t.path, self.dir / "away")
        self.refused("ENOENT", self.scan, "r")
        self.assertWhy(self.m.why(), "ENOENT", "work")
        self.assertIn("work", self.file("r", "error"))
        self.assertNotEqual(value(self.file("r", "scan"), "error"), "-")
        self.m.claim("s", "t")
        self.assertIn("WARNING", self.m.why("s"))
        self.assertEqual(len(self.m.events("warned", task="t")), 1)
        os.rename(self.dir / "away", t.path)
        head = t.commit("back", {"b": "x\n"})
        self.scan("r")
        self.assertEqual(self.file("r", "error"), "-\n")
        self.assertEqual(self.recorded("r")[-1], head)
        self.assertAllOnce("r", t)
        self.m.release("s", "t")
        self.m.session("s2")
        self.m.claim("s2", "t")
        self.assertEqual(self.m.why("s2"), "nothing was refused\n")

    def test_one_of_another_user_is_read_as_that_user(self):
        need_root()
        where = self.dir / "private"
        where.mkdir(mode=0o700)
        os.chown(where, lib.UID_A, lib.UID_A)

        def fill():
            t = gits.Tree.new(where / "r")
            return t.commit("mine", {"a": "x\n"}, env={"HOME": str(where)})

        head = lib.as_uid(lib.UID_A, fill)
        self.register("r", where / "r")
        self.assertEqual(self.recorded("r"), [head])
        owners = {os.lstat(p).st_uid for p in where.rglob("*")}
        self.assertEqual(owners, {lib.UID_A})

    def test_one_that_its_owner_may_not_read(self):
        need_root()
        t = self.tree()
        for p in (t.path, *t.path.rglob("*")):
            os.chown(p, lib.UID_A, lib.UID_A)
        (self.dir / "closed").mkdir(mode=0o700)
        os.rename(t.path, self.dir / "closed/r")
        os.mkdir(self.m.path("repos", "r"))
        self.refused("EACCES", self.m.write, f"{self.dir}/closed/r\n", "repos", "r", "path")
        self.assertWhy(self.m.why(), "EACCES")

    def test_a_restart_goes_on_where_it_was(self):
        t = self.tree(commits=5)
        self.register("r", t)
        self.m.stop()
        head = t.commit("while it was away", {"w": "x\n"})
        self.m.start()
        self.m.wait_event("commit", commit=head)
        self.assertEqual(len(self.recorded("r")), 6)
        self.m.kill9()
        t.commit("again", {"w": "y\n"})
        self.m.start()
        self.scan("r")
        self.assertEqual(len(self.recorded("r")), 7)
        self.assertAllOnce("r", t)
        self.assertEqual(value(self.file("r", "scan"), "commits"), "7")

    def test_another_path_and_back(self):
        one, two = self.tree("one", 3), self.tree("two", 2)
        self.register("r", one)
        self.m.write(f"{two.path}\n", "repos", "r", "path")
        self.scan("r")
        self.assertEqual(self.file("r", "head"), f"{two.head()} refs/heads/main\n")
        self.m.write(f"{one.path}\n", "repos", "r", "path")
        self.scan("r")
        self.assertEqual(self.file("r", "gitdir"), f"{one.path}/.git\n")
        self.assertAllOnce("r", one)
        self.m.write("\n", "repos", "r", "path")
        self.refused("ENOENT", self.scan, "r")

    def test_the_same_name_again(self):
        t = self.tree(commits=2)
        self.register("r", t)
        os.rmdir(self.m.path("repos", "r"))
        self.register("r", t)
        self.assertEqual(self.count("r"), 2)


class Disturbed(gits.Case):
    """While git does what it does."""

    def start(self, *argv, **kwargs):
        p = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                             stderr=subprocess.PIPE, text=True, **kwargs)
        self.addCleanup(p.stderr.close)
        self.addCleanup(p.wait)
        self.addCleanup(p.kill)
        return p

    def test_gc_and_commits_and_scans_at_once(self):
        t = self.tree()
        self.register("r", t)
        script = """
        for i in $(seq 40); do
            echo $i > f$((i % 5)); git add -A; git commit -q -m "loop $i" || exit 1
            test $((i % 8)) != 0 || git gc -q --prune=now || exit 1
            test $((i % 5)) != 0 || git pack-refs --all || exit 1
        done
        """
        p = self.start("bash", "-c", script, cwd=t.path, env={**history.environ(), **gits.IDENTITY})
        failures = []
        while p.poll() is None:
            said = lib.errno_of(self.scan, "r")
            if said != "ok":
                failures.append((said, self.m.why()))
        self.assertEqual((p.returncode, p.stderr.read()), (0, ""))
        self.assertEqual(failures, [])
        self.scan("r")
        self.assertEqual(self.count("r"), 41)
        self.assertAllOnce("r", t)

    def test_an_index_lock_is_nobodys_business(self):
        t = self.tree()
        head = t.commit("more", {"f": "x\n"})
        (t.path / ".git/index.lock").write_text("")
        self.register("r", t)
        self.assertEqual(self.recorded("r")[-1], head)
        self.assertTrue((t.path / ".git/index.lock").exists())

    def test_nothing_is_written_there(self):
        t = self.tree(commits=3)

        def all_of():
            return {str(p): (p.lstat().st_mtime_ns, p.lstat().st_size) for p in t.path.rglob("*")}

        before = all_of()
        self.register("r", t)
        self.scan("r")
        self.assertEqual(all_of(), before)

    def test_a_branch_that_is_moved_by_force(self):
        t = self.tree(commits=4)
        self.register("r", t)
        for i in range(3):
            t.git("reset", "-q", "--hard", "HEAD~2")
            t.commit(f"instead {i}", {"f": f"{i}\n"})
            if i == 1:
                t.git("reflog", "expire", "--expire=now", "--all")
                t.git("gc", "-q", "--prune=now")
            self.scan("r")
            t.commit(f"instead {i} too", {"f": f"{i} too\n"})
        self.scan("r")
        self.assertEqual(self.count("r"), 8)  # what was thrown away before a look is gone
        self.assertAllOnce("r", t)
        t.git("checkout", "-q", "--detach")
        t.git("branch", "-q", "-D", "main")
        self.scan("r")
        t.git("checkout", "-q", "-b", "main")
        self.scan("r")
        self.assertEqual(self.count("r"), 8)

    def test_a_branch_of_which_a_commit_is_not_there(self):
        t = self.tree(commits=2)
        self.register("r", t)
        (t.path / ".git/refs/heads/bad").write_text("1" * 40 + "\n")
        head = t.commit("more", {"f": "x\n"})
        said = lib.errno_of(self.scan, "r")
        if said != "ok":
            self.assertWhy(self.m.why(), said)
            self.assertNotEqual(self.file("r", "error"), "-\n")
        os.unlink(t.path / ".git/refs/heads/bad")
        self.scan("r")
        self.assertEqual(self.recorded("r")[-1], head)
        self.assertEqual(self.file("r", "error"), "-\n")

    def big(self, n=4000):
        history.synth(self.dir / "big", n)
        os.mkdir(self.m.path("repos", "big"))
        self.m.write(f"{self.dir}/big\n", "repos", "big", "path")
        return self.dir / "big"

    def begun(self):
        """The first scan has recorded something, and goes on."""
        wait_for(lambda: self.count("big") > 0, "commits of big")
        self.assertEqual(value(self.file("big", "scan"), "running"), "yes")

    def test_forgotten_during_the_first_scan(self):
        self.big()
        self.begun()
        os.rmdir(self.m.path("repos", "big"))
        self.assertNotIn("big", self.m.ls("repos"))
        t = self.tree()
        self.register("r", t)
        os.mkdir(self.m.path("repos", "big"))
        self.m.write(f"{self.dir}/big\n", "repos", "big", "path")
        self.begun()
        os.rmdir(self.m.path("repos", "big"))

    def test_unmounted_during_the_first_scan(self):
        self.big()
        self.begun()
        children = self.children()
        self.assertTrue(children)
        self.m.stop()
        wait_for(lambda: not any(map(self.lives, children)), "its programs end")

    def children(self):
        return [int(x) for x in read(f"/proc/{self.m.pid}/task/{self.m.pid}/children").split()]

    @staticmethod
    def lives(pid):
        try:
            return b"scan" in pathlib.Path(f"/proc/{pid}/cmdline").read_bytes()
        except OSError:
            return False

    def test_killed_during_the_first_scan_and_begun_again(self):
        where = self.big()
        for _ in range(3):
            self.begun()
            self.m.kill9()
            self.m.start()
        wait_for(lambda: value(self.file("big", "scan"), "running") == "no", "the first scan is over")
        self.scan("big")
        self.assertEqual(self.count("big"), 4000)
        self.assertAllOnce("big", where)
        # all of them were there before it was registered: nobody's news
        self.assertEqual({e.get("first") for e in self.m.events("commit", repo="big")}, {True})

    def test_another_path_during_the_first_scan(self):
        self.big()
        self.begun()
        t = self.tree(commits=2)
        self.m.write(f"{t.path}\n", "repos", "big", "path")
        self.scan("big")
        self.assertEqual(self.file("big", "head"), f"{t.head()} refs/heads/main\n")
        self.assertEqual(self.file("big", "error"), "-\n")
        self.assertLessEqual(set(git(t.path, "rev-list", "HEAD").split()), set(self.recorded("big")))

    def test_a_scan_program_that_is_killed(self):
        where = self.big()
        self.begun()
        for pid in self.children():
            if self.lives(pid):
                os.kill(pid, signal.SIGKILL)
        wait_for(lambda: "was killed" in self.m.log(), "that is said")
        self.scan("big")
        self.assertEqual(self.file("big", "error"), "-\n")
        self.assertAllOnce("big", where)
