/* inspect: what a repository's work tree holds that no commit has, for probes and people. */
#include <err.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "backend/clean.h"
#include "backend/git.h"
#include "tools/tool.h"

extern const struct tool tool_inspect;

/*
 * ~/.gitconfig may name files to ignore: that of whom this runs as, also when who started it has
 * left no HOME, or another's.
 */
static void find_home(void)
{
	const char *home = getenv("HOME");
	const struct passwd *p = home && access(home, X_OK) == 0 ? NULL : getpwuid(geteuid());

	if (p)
		(void)setenv("HOME", p->pw_dir, 1);
}

static int print(const char *path)
{
	AUTO_BUF struct buf says = BUF_INIT;
	json_t *found;
	int bad;

	if (git_look(path, &found, &says)) {
		warnx("%s", buf_text(&says));
		return TOOL_CANNOT_TELL;
	}
	bad = json_dumpf(found, stdout, 0) || putchar('\n') == EOF || fflush(stdout) == EOF;
	json_decref(found);
	if (bad)
		warn("standard output");
	return bad ? TOOL_CANNOT_TELL : TOOL_YES;
}

static int inspect_run(int argc, char **argv)
{
	static const struct option options[] = { TOOL_HELP, TOOL_OPTIONS_END };
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (c == 'h')
			return tool_help(
				&tool_inspect,
				"Prints one line of JSON: path workdir head branch changed more lock.\n"
				"Reads, never writes: not even git's index. Exit 3 if any part of\n"
				"the repository cannot be read.\n");
		return tool_usage(&tool_inspect, NULL);
	}
	if (argc - optind != 1)
		return tool_usage(&tool_inspect, "one path is wanted");
	find_home();
	return print(argv[optind]);
}

const struct tool tool_inspect = {
	.name = "inspect",
	.args = "PATH",
	.summary = "print what a git repository holds uncommitted, as JSON",
	.run = inspect_run,
};
