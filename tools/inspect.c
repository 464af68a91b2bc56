/* inspect: what a repository's work tree holds that no commit has, for probes and people. */
#include <err.h>
#include <stdio.h>

#include "backend/clean.h"
#include "backend/git.h"
#include "tools/owner.h"
#include "tools/tool.h"

extern const struct tool tool_inspect;

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
	static const struct option options[] = { { "as-owner", no_argument, NULL, 'o' },
						 TOOL_HELP,
						 TOOL_OPTIONS_END };
	int c, err = 0, as_owner = 0;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (c == 'o') {
			as_owner = 1;
			continue;
		}
		if (c == 'h')
			return tool_help(
				&tool_inspect,
				"Prints one line of JSON: path workdir head branch changed more lock.\n"
				"--as-owner  started by root: look as the owner of PATH\n"
				"Reads, never writes: not even git's index. Exit 3 if any part of\n"
				"the repository cannot be read.\n");
		return tool_usage(&tool_inspect, NULL);
	}
	if (argc - optind != 1)
		return tool_usage(&tool_inspect, "one path is wanted");
	if (as_owner)
		err = owner_become(argv[optind]);
	if (err)
		return err;
	owner_home();
	return print(argv[optind]);
}

const struct tool tool_inspect = {
	.name = "inspect",
	.args = "[--as-owner] PATH",
	.summary = "print what a git repository holds uncommitted, as JSON",
	.run = inspect_run,
};
