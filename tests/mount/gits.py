"""Repositories made by git itself, as users make them, and registered in a mount."""
import os
import pathlib
import shutil
import subprocess
import tempfile

import history
import lib

IDENTITY = {"GIT_AUTHOR_NAME": "Ann", "GIT_AUTHOR_EMAIL": "ann@example.org",
            "GIT_COMMITTER_NAME": "Ann", "GIT_COMMITTER_EMAIL": "ann@example.org",
            "GIT_EDITOR": "true", "GIT_ALLOW_PROTOCOL": "file"}


def git(where, *args, at=None, author_at=None, check=True, env=None, **kwargs):
    """`git -C WHERE ARGS...`: its output. AT: the committer's time, and the author's if there is
    no other (seconds since 1970)."""
    environ = {**history.environ(), **IDENTITY, **(env or {})}
    environ.pop("COORD_SESSION", None)
    if at is not None:
        environ["GIT_COMMITTER_DATE"] = f"@{at} +0000"
        environ["GIT_AUTHOR_DATE"] = f"@{at if author_at is None else author_at} +0000"
    done = subprocess.run(["git", "-C", str(where), *map(str, args)], env=environ, text=True,
                          capture_output=True, check=False, stdin=subprocess.DEVNULL,
                          timeout=120, **kwargs)
    if check and done.returncode:
        raise AssertionError(f"git {' '.join(map(str, args))}: {done.returncode} {done.stderr}")
    return done.stdout.strip()


class Tree:
    """A work tree at PATH."""

    def __init__(self, path):
        self.path = pathlib.Path(path)

    @classmethod
    def new(cls, path, *options):
        git("/", "init", "-q", "-b", "main", *options, path)
        return cls(path)

    def git(self, *args, **kwargs):
        return git(self.path, *args, **kwargs)

    def put(self, name, text, mode=None):
        file = self.path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(text.encode() if isinstance(text, str) else text)
        if mode is not None:
            file.chmod(mode)
        return name

    def head(self):
        return self.git("rev-parse", "HEAD")

    def commit(self, subject, files=None, session=None, at=None, options=(), **kwargs):
        """FILES {name: text} are written, all that has changed is committed; its id. SESSION: in
        a trailer."""
        for name, text in (files or {}).items():
            self.put(name, text)
        self.git("add", "-A")
        message = subject + (f"\n\nCoord-Session: {session}" if session else "")
        self.git("commit", "-q", "-m", message, *options, at=at, **kwargs)
        return self.head()

    def worktree(self, path, branch, start="main"):
        self.git("worktree", "add", "-q", "-b", branch, path, start)
        return Tree(path)


class Case(lib.Case):
    """A mount, and a directory of one's own for repositories: self.dir."""

    def setUp(self):
        lib.need_tool("git")
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="coordfs-git-"))
        self.addCleanup(shutil.rmtree, self.dir, ignore_errors=True)  # after the mount has gone
        self.dir.chmod(0o755)
        super().setUp()

    def tree(self, name="work", commits=1):
        t = Tree.new(self.dir / name)
        for i in range(commits):
            t.commit(f"commit {i} of {name}", {"README": f"{name} {i}\n"})
        return t

    def register(self, name, path, **fields):
        """repos/NAME is PATH, and what is in it is recorded."""
        os.mkdir(self.m.path("repos", name))
        for field, text in fields.items():
            self.m.write(f"{text}\n", "repos", name, field)
        self.m.write(f"{getattr(path, 'path', path)}\n", "repos", name, "path")
        self.scan(name)
        return name

    def scan(self, name):
        """`touch repos/NAME/scan`."""
        os.utime(self.m.path("repos", name, "scan"))

    def file(self, name, field):
        return self.m.read("repos", name, field)

    def commits(self, name):
        """[(COMMIT, TIME, SESSION, HOW, SUBJECT)], the newest first."""
        return [tuple(line.split(" ", 4)) for line in self.file(name, "commits").splitlines()]

    def recorded(self, name):
        """The ids of all its commits, as the log has them, in the order of the log."""
        return [e["commit"] for e in self.m.events("commit", repo=name)]

    def count(self, name):
        return int(lib.value(self.file(name, "scan"), "commits"))

    def assertAllOnce(self, name, tree, *revs):
        """All commits of REVS (none: all) are recorded, each once."""
        want = git(getattr(tree, "path", tree), "rev-list", *(revs or ("--all",))).split()
        got = self.recorded(name)
        self.assertEqual(len(got), len(set(got)), "recorded twice")
        self.assertEqual(set(want) - set(got), set())

    def incidents(self):
        """What convergence/ shows: a dict an incident, in order."""
        out = []
        for n in sorted(os.listdir(self.m.path("convergence")), key=int):
            out.append({f: self.m.read("convergence", n, f) for f in
                        ("kind", "commits", "sessions", "paths", "gap", "held", "at", "repo", "lesson")})
        return out
