/* inspect: what a repository's work tree holds that no commit has, for probes and people. */
#include <err.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/stat.h>
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

/* Root looks as whoever the path belongs to: nobody's files are shown to anybody else. */
static int become_owner(const char *path)
{
	struct stat st;

	if (geteuid() != 0)
		return 0;
	if (stat(path, &st)) {
		warn("%s", path);
		return TOOL_CANNOT_TELL;
	}
	if (setgroups(0, NULL) || setgid(st.st_gid) || setuid(st.st_uid) ||
	    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)) {
		warn("to become the owner of %s", path);
		return TOOL_CANNOT_TELL;
	}
	return 0;
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
		err = become_owner(argv[optind]);
	if (err)
		return err;
	find_home();
	return print(argv[optind]);
}

const struct tool tool_inspect = {
	.name = "inspect",
	.args = "[--as-owner] PATH",
	.summary = "print what a git repository holds uncommitted, as JSON",
	.run = inspect_run,
};
