"""Repositories with a history, made quickly: `git fast-import`. Nothing of the mount here."""
import hashlib
import json
import os
import pathlib
import random
import subprocess

PEOPLE = 10
START = 1700000000


def environ():
    """No configuration of whom the tests run as."""
    return {**os.environ, "GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": os.devnull}


def git(dest, *args, **kwargs):
    done = subprocess.run(["git", "-C", str(dest), *args], env=environ(), check=True,
                          stdout=subprocess.PIPE, text=True, **kwargs)
    return done.stdout.strip()


def content(path, n, lines=40):
    """Text of PATH in its N-th form: one of its lines changes from each to the next."""
    def form(i):
        return n - (n - i) % lines if n >= i else 0

    seed = hashlib.sha1(path.encode()).hexdigest()[:8]
    return "".join(f"{seed} line {i} form {form(i)}\n" for i in range(lines)).encode()


class Import:
    """A stream into a new, bare or not, repository at DEST."""

    def __init__(self, dest, bare=False):
        self.dest = pathlib.Path(dest)
        subprocess.run(["git", "init", "-q", "-b", "main", *(["--bare"] if bare else []),
                        str(dest)], env=environ(), check=True)
        self.forms = {}
        self.marks = 0
        self.process = subprocess.Popen(
            ["git", "-C", str(dest), "fast-import", "--quiet", "--date-format=raw"],
            env=environ(), stdin=subprocess.PIPE)

    def data(self, what):
        self.process.stdin.write(b"data %d\n%s\n" % (len(what), what))

    def line(self, text):
        self.process.stdin.write(text.encode() + b"\n")

    def commit(self, when, who, message, paths, branch="main", parents=(), author_time=None):
        """Each of PATHS is changed (a str), or is (path, bytes), or (path, None): deleted. PARENTS
        are marks, none: what BRANCH has. Answers the commit's mark."""
        self.marks += 1
        self.line(f"commit refs/heads/{branch}")
        self.line(f"mark :{self.marks}")
        self.line(f"author {who} <{who}@example.org> {author_time or when} +0000")
        self.line(f"committer {who} <{who}@example.org> {when} +0000")
        self.data(message.encode())
        for i, mark in enumerate(parents):
            self.line(f"{'merge' if i else 'from'} :{mark}")
        for path in paths:
            self.change(*((path, self.next_form(path)) if isinstance(path, str) else path))
        return self.marks

    def next_form(self, path):
        self.forms[path] = self.forms.get(path, 0) + 1
        return content(path, self.forms[path])

    def change(self, path, text):
        if text is None:
            self.line(f"D {path}")
        else:
            self.line(f"M 100644 inline {path}")
            self.data(text)

    def end(self):
        self.process.stdin.close()
        if self.process.wait() != 0:
            raise RuntimeError("git fast-import has failed")
        if git(self.dest, "rev-parse", "--is-bare-repository") == "false":
            git(self.dest, "reset", "-q", "--hard")


def read(jsonl):
    with open(jsonl, encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def rebuild(jsonl, dest, trailer_of=lambda commit: "Coord-Session: " + commit["author"],
            bare=False):
    """A repository at DEST with the commits of JSONL (commit time author subject paths), in that
    order on one branch: the same times and paths, made-up content that changes each time, and
    the trailer that TRAILER_OF makes (None: none). Answers the ids, in order."""
    stream = Import(dest, bare)
    for commit in read(jsonl):
        trailer = trailer_of(commit)
        message = commit["subject"] + "\n" + (f"\n{trailer}\n" if trailer else "")
        stream.commit(commit["time"], commit["author"], message, plain(commit["paths"]))
    stream.end()
    return git(dest, "rev-list", "--reverse", "--topo-order", "main").split()


def plain(paths):
    """Without those that cannot be files because others of them are below."""
    return [p for p in paths if p and not any(q.startswith(p + "/") for q in paths)]


def synth(dest, n_commits, n_paths=500, paths_each=3, merge_every=20, seed=1, bare=True):
    """A repository at DEST of N_COMMITS by PEOPLE, a minute apart, each changing PATHS_EACH of
    N_PATHS files; every MERGE_EVERY-th (0: none) merges a side branch of one commit."""
    chance = random.Random(seed)
    names = [f"d{i % 20}/s{i % 7}/file{i}.c" for i in range(n_paths)]
    stream = Import(dest, bare)
    last, made = None, 0
    while made < n_commits:
        who, when = f"u{made % PEOPLE}", START + 60 * made
        paths = chance.sample(names, min(paths_each, n_paths))
        trailer = f"\n\nCoord-Session: {who}\n"
        merge = merge_every and last and made % merge_every == 0 and made + 2 <= n_commits
        if merge:
            side = stream.commit(when, who, f"side {made}{trailer}", paths, "side", [last])
            last = stream.commit(when + 30, who, f"merge {made}{trailer}", [], "main",
                                 [last, side])
            made += 2
        else:
            last = stream.commit(when, who, f"change {made}{trailer}", paths)
            made += 1
    if merge_every:
        stream.line("reset refs/heads/side")
        stream.line("from 0000000000000000000000000000000000000000\n")
    stream.end()
