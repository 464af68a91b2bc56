"""README.md is true: its tour, typed into two shells, gives what it shows."""
import os
import pathlib
import re
import subprocess
import unittest

import lib

README = lib.ROOT / "README.md"
PAGES = [README, *sorted((lib.ROOT / "docs").glob("*.md"))]


def steps():
    """(shell, command, what it shows) of the tour: "A$ " and "B$ " begin a command."""
    out = []
    for language, block in re.findall(r"^```(\w*)\n(.*?)^```", README.read_text(), re.M | re.S):
        for line in [] if language else block.splitlines(keepends=True):
            prompt = re.match(r"([AB])\$ (.*)", line)
            if prompt:
                out.append([prompt[1], prompt[2], ""])
            else:
                out[-1][2] += line
    return out


def same(text):
    """Times, process ids, tokens and who won the race are the reader's own."""
    text = re.sub(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", "TIME", text)
    return re.sub(r"\d+", "N", text)


class Shell:
    """bash, reading one command after the other; ls writes as to a terminal of 80 columns."""

    def __init__(self):
        env = {k: v for k, v in os.environ.items() if k not in ("COORD_SESSION", "BASH_ENV")}
        self.bash = subprocess.Popen(["bash"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                     stderr=subprocess.STDOUT, env={**env, "LC_ALL": "C.UTF-8"})
        self.type('ls() { command ls -C -w 80 "$@"; }')

    def type(self, line):
        """The output of one line."""
        end = b"<the end of it>\n"
        self.bash.stdin.write(f"{line}\necho '<the end of it>'\n".encode())
        self.bash.stdin.flush()
        got = b""
        while not got.endswith(end):
            more = os.read(self.bash.stdout.fileno(), 65536)
            assert more, "the shell ended"
            got += more
        return got[: -len(end)].decode()

    def close(self):
        self.bash.stdin.close()
        self.bash.wait(lib.PATIENCE)
        self.bash.stdout.close()


class Tour(lib.Case):
    def test_every_line_of_the_tour_does_what_the_page_shows(self):
        shells = {"A": Shell(), "B": Shell()}
        for shell in shells.values():
            self.addCleanup(shell.close)
        self.assertGreater(len(steps()), 30)
        for name, command, shown in steps():
            command = command.replace("cd /coord", f"cd {self.m.dir}")
            with self.subTest(f"{name}$ {command}"):
                self.assertEqual(same(shells[name].type(command)), same(shown))
        for shell in shells.values():
            shell.type("cd /")


class Pages(unittest.TestCase):
    def test_what_the_pages_link_to_is_there(self):
        for page in PAGES:
            for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text()):
                with self.subTest(f"{page.name}: {target}"):
                    self.assertTrue(pathlib.Path(page.parent, target).exists())

    def named_in(self, page, names, form):
        text = (lib.ROOT / page).read_text()
        for name in names:
            with self.subTest(name):
                self.assertTrue(form.format(name) in text, f"not in {page}")

    def test_every_source_file_is_in_the_layout(self):
        files = [f.name for d in ("fs", "backend", "tools") for f in (lib.ROOT / d).iterdir()
                 if re.fullmatch(r"[a-z_-]+(\.[a-z]+)?", f.name)]
        self.assertGreater(len(files), 50)
        self.named_in("docs/architecture.md", files, "`{}`")

    def test_every_subcommand_is_in_the_manual(self):
        tools = re.findall(r"^  (\w+) ", lib.sh([lib.COORDFS, "help"]).out, re.M)
        self.assertGreater(len(tools), 8)
        self.named_in("docs/man/coordfs.1", tools, "\\fBcoordfs {}")

    def test_every_event_is_in_the_table_of_events(self):
        kinds = re.findall(r'^\t\{ "([a-z-]+)", project_', (lib.ROOT / "backend/project.c").read_text(), re.M)
        self.assertGreater(len(kinds), 20)
        self.named_in("docs/tree.md", set(kinds) - {"judged"}, "`{}`")

    def test_the_tests_that_the_guarantees_name_are_there(self):
        page = (lib.ROOT / "docs/guarantees.md").read_text()
        named = re.findall(r"`(\w+)\.(\w+)\.(test_\w+)`", page)
        self.assertGreater(len(named), 9)
        for file, case, test in named:
            with self.subTest(f"{file}.{case}.{test}"):
                text = "".join(f.read_text() for f in (lib.ROOT / "tests").glob(f"*/{file}.py"))
                classes = {re.match(r"\w+", c)[0]: c for c in re.split(r"^class ", text, flags=re.M)[1:]}
                self.assertTrue(f"def {test}(" in classes.get(case, ""), "no such test")
        units = "".join(f.read_text() for f in (lib.ROOT / "tests").glob("*/test_*.c"))
        named = re.findall(r"`(\w+)/(\w+)`", page)
        self.assertGreater(len(named), 9)
        for suite, test in named:
            with self.subTest(f"{suite}/{test}"):
                self.assertTrue(re.search(rf"Test\({suite}, {test}\b", units), "no such unit test")


if __name__ == "__main__":
    unittest.main()
