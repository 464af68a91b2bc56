"""Repositories whose hooks ask a mount: what the tests of the guard share."""
import os
import stat

import lib

HOOKS = ("pre-commit", "prepare-commit-msg", "post-commit", "pre-push")


def put(path, text, mode=None):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8", newline="") as f:
        f.write(text)
    if mode is not None:
        os.chmod(path, mode)
    return path


def state_of(directory):
    """{name: (mode, bytes, where a link points)} of what is in a directory."""
    found = {}
    for name in sorted(os.listdir(directory)):
        path = os.path.join(directory, name)
        st = os.lstat(path)
        if stat.S_ISLNK(st.st_mode):
            found[name] = (st.st_mode, None, os.readlink(path))
        elif stat.S_ISREG(st.st_mode):
            with open(path, "rb") as f:
                found[name] = (st.st_mode, f.read(), None)
    return found


class Guarding(lib.Case):
    """self.repo, registered as `r`, with one commit of src/a.c and doc/b.md; s1 and s2."""

    def setUp(self):
        lib.need_tool("git")
        super().setUp()
        m = self.m
        self.base = os.path.join(m.base, "w")
        os.mkdir(self.base)
        self.env = {"HOME": self.base, "GIT_CONFIG_NOSYSTEM": "1", "COORD_MOUNT": str(m.dir),
                    "GIT_EDITOR": "true", "GIT_TERMINAL_PROMPT": "0"}
        put(f"{self.base}/.gitconfig", "[user]\n\tname = n\n\temail = n@example.org\n"
            "[init]\n\tdefaultBranch = main\n[protocol \"file\"]\n\tallow = always\n"
            "[advice]\n\tdetachedHead = false\n[core]\n\tquotePath = false\n")
        self.repo = self.new_repo("repo")
        self.register("r", self.repo)
        m.session("s1")
        m.session("s2")

    def new_repo(self, name):
        path = os.path.join(self.base, name)
        self.git("init", "-q", path, cwd=self.base)
        put(f"{path}/src/a.c", "a\n")
        put(f"{path}/doc/b.md", "b\n")
        self.good("add", ".", cwd=path)
        self.good("commit", "-qm", "one", cwd=path)
        return path

    def register(self, name, path):
        os.mkdir(self.m.path("repos", name))
        self.m.write(f"{path}\n", "repos", name, "path")

    def tool(self, *args, cwd=None, session=None, **kwargs):
        return lib.sh([lib.COORDFS, *args], env=self.env, cwd=cwd or self.repo, session=session, **kwargs)

    def check(self, *paths, cwd=None, session=None):
        return self.tool("guard", "--check", *paths, cwd=cwd, session=session)

    def install(self, repo=None):
        got = self.tool("guard", "--install", repo or self.repo)
        self.assertEqual(got.rc, 0, got.err)
        return got

    def uninstall(self, repo=None):
        got = self.tool("guard", "--uninstall", repo or self.repo)
        self.assertEqual((got.rc, got.err), (0, ""))

    def hooks(self, repo=None):
        return state_of(os.path.join(repo or self.repo, ".git/hooks"))

    def git(self, *args, cwd=None, session=None, **kwargs):
        return lib.sh(["git", *args], env=self.env, cwd=cwd or self.repo, session=session, **kwargs)

    def good(self, *args, **kwargs):
        got = self.git(*args, **kwargs)
        self.assertEqual(got.rc, 0, f"git {args}: {got.out}{got.err}")
        return got

    def bad(self, *args, **kwargs):
        got = self.git(*args, **kwargs)
        self.assertNotEqual(got.rc, 0, f"git {args}: {got.out}{got.err}")
        return got

    def change(self, path, repo=None, text="changed\n"):
        """A change of PATH, staged."""
        put(os.path.join(repo or self.repo, path), text)
        self.good("--literal-pathspecs", "add", "--", path, cwd=repo)

    def commits(self, repo=None, ref="HEAD"):
        got = self.git("rev-list", "--count", ref, cwd=repo)
        return int(got.out) if got.rc == 0 else 0

    def trailers(self, ref="HEAD", repo=None):
        got = self.good("log", "-1", "--format=%(trailers:only,unfold)", ref, cwd=repo).out
        return [line for line in got.splitlines() if line]

    def claim(self, session, task, *artifacts, repo="r"):
        self.m.task(task, artifacts=artifacts, repo=repo)
        return self.m.claim(session, task)

    def guard(self, mode):
        self.m.write(f"{mode}\n", "control", "guard")

    def assertRefused(self, got, *words):
        """It says WORDS, and what to do now, once."""
        self.assertEqual(got.rc, 1, got.out + got.err)
        for word in words:
            self.assertIn(word, got.out + got.err)
        self.assertEqual(len([l for l in got.err.splitlines() if l.startswith("next: ")]), 1, got.err)
        self.assertNotIn("break", got.err)
