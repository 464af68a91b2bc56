/* where: which repository a path lies in, as JSON. The daemon asks it in a sandbox. */
#include <err.h>
#include <grp.h>
#include <jansson.h>
#include <pwd.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "backend/clean.h"
#include "backend/git.h"
#include "backend/text.h"
#include "tools/tool.h"

extern const struct tool tool_where;

#define NOBODY 65534 /* the group of a user that nobody knows */

static const char more[] = "  --as-uid UID     started by root: look as that user\n"
			   "\nA line of JSON for each PATH: path gitdir inside, or path error.\n";

/*
 * Root looks as whoever the answer is for: nobody's directories are shown to anybody else. What
 * that user's git has set matters to no answer, and root's may not be read.
 */
static int become(uid_t uid)
{
	const struct passwd *p = getpwuid(uid);

	(void)setenv("HOME", "/nonexistent", 1);
	(void)unsetenv("XDG_CONFIG_HOME");
	if (geteuid() == 0 && uid != 0 &&
	    ((p ? initgroups(p->pw_name, p->pw_gid) : setgroups(0, NULL)) ||
	     setgid(p ? p->pw_gid : NOBODY) || setuid(uid)))
		return -1;
	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
}

/* PATH as JSON can have it: a byte that is no UTF-8 is '?'. */
static json_t *shown(const char *path)
{
	AUTO_FREE char *copy = strdup(path);

	return copy ? json_string(line_mend(copy)) : NULL;
}

/* The answer for PATH; NULL: no memory. */
static json_t *look(const char *path)
{
	AUTO_BUF struct buf says = BUF_INIT;
	struct git_where w = { NULL, NULL, NULL };
	json_t *answer;

	if (git_where(path, &w, &says))
		return json_pack("{s:o, s:s}", "path", shown(path), "error", buf_text(&says));
	if (utf8_check(path, strlen(path)) || utf8_check(w.gitdir, strlen(w.gitdir)) ||
	    utf8_check(w.inside, strlen(w.inside)))
		answer = json_pack("{s:o, s:s}", "path", shown(path), "error", "is not UTF-8");
	else
		answer = json_pack("{s:s, s:s, s:s}", "path", path, "gitdir", w.gitdir, "inside",
				   w.inside);
	git_where_release(&w);
	return answer;
}

static int print(const char *path)
{
	json_t *answer = look(path);
	int bad = !answer || json_dumpf(answer, stdout, 0) || putchar('\n') == EOF;

	json_decref(answer);
	return bad;
}

static int where_run(int argc, char **argv)
{
	static const struct option options[] = { { "as-uid", required_argument, NULL, 'u' },
						 TOOL_HELP,
						 TOOL_OPTIONS_END };
	AUTO_BUF struct buf says = BUF_INIT;
	int64_t uid = -1;
	int c, bad = 0;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (c == 'h')
			return tool_help(&tool_where, more);
		if (c != 'u')
			return tool_usage(&tool_where, NULL);
		if (int_parse(optarg, 0, UINT32_MAX - 1, &uid))
			return tool_usage(&tool_where, "\"%s\" is no uid", optarg);
	}
	if (optind == argc)
		return tool_usage(&tool_where, "a path is wanted");
	if (uid >= 0 && become((uid_t)uid)) {
		warn("to become user %lld", (long long)uid);
		return TOOL_CANNOT_TELL;
	}
	if (git_hold(&says)) {
		warnx("%s", buf_text(&says));
		return TOOL_CANNOT_TELL;
	}
	while (!bad && optind < argc)
		bad = print(argv[optind++]);
	git_let_go();
	if (bad || fflush(stdout) == EOF) {
		warnx("cannot write the answer");
		return TOOL_CANNOT_TELL;
	}
	return TOOL_YES;
}

const struct tool tool_where = {
	.name = "where",
	.args = "[--as-uid UID] PATH...",
	.run = where_run,
};
