/* scan: the commits that a repository's branches hold, for the daemon and people. */
#include <err.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend/clean.h"
#include "backend/git.h"
#include "backend/text.h"
#include "tools/owner.h"
#include "tools/tool.h"

extern const struct tool tool_scan;

#define DEPTH_MAX INT64_C(1000000000)

/* What print answers to end a scan. */
enum { STOPPED = 1, UNPRINTED = 2 };

struct ask {
	struct git_scan_options o;
	const char **branches, **known, **tips;
	int as_owner, only_head;
};

static int print(json_t *line, void *arg)
{
	const struct ask *a = arg;

	if (json_dumpf(line, stdout, JSON_COMPACT) || putchar('\n') == EOF)
		return UNPRINTED;
	return a->only_head ? STOPPED : 0;
}

static int scan(struct ask *a)
{
	AUTO_BUF struct buf says = BUF_INIT;
	int r = git_scan(&a->o, print, a, &says);

	if (r < 0) {
		(void)fflush(stdout);
		warnx("%s", buf_text(&says));
		return TOOL_CANNOT_TELL;
	}
	if (r == UNPRINTED || fflush(stdout) == EOF) {
		warn("standard output");
		return TOOL_CANNOT_TELL;
	}
	return TOOL_YES;
}

/* Add VALUE to a list of *N. */
static void add(const char ***list, size_t *n, const char *value)
{
	const char **new = reallocarray(*list, *n + 1, sizeof(*new));

	if (!new)
		err(TOOL_CANNOT_TELL, NULL);
	new[(*n)++] = value;
	*list = new;
}

static void add_oids(const char ***oids, size_t *n, char *list)
{
	char *rest = NULL;

	for (char *s = strtok_r(list, ",", &rest); s; s = strtok_r(NULL, ",", &rest))
		add(oids, n, s);
}

static int help(void)
{
	return tool_help(
		&tool_scan,
		"Prints lines of JSON: one of the repository, one a commit, parents first, one of the end.\n"
		"--branch GLOB    only these branches; may be given again. `*` matches '/', too.\n"
		"                 One that begins with refs/ is matched with whole names\n"
		"--known OID,...  leave out these commits and all below; may be given again\n"
		"--tip OID,...    begin at these commits, and not at the branches; may be given again\n"
		"--depth N        at most the N newest\n"
		"--only-head      only the line of the repository\n"
		"--as-owner       started by root: look as the owner of PATH\n"
		"Reads, never writes. Exit 3 if any part of the repository cannot be read.\n");
}

/* 0, or the exit status plus one. */
static int parse_one(struct ask *a, int c)
{
	switch (c) {
	case 'b':
		add(&a->branches, &a->o.n_branches, optarg);
		return 0;
	case 'k':
		add_oids(&a->known, &a->o.n_known, optarg);
		return 0;
	case 't':
		add(&a->tips, &a->o.n_tips, ""); /* none at all is not the same as not asked */
		add_oids(&a->tips, &a->o.n_tips, optarg);
		return 0;
	case 'd':
		if (int_parse(optarg, 0, DEPTH_MAX, &a->o.depth) == 0)
			return 0;
		return tool_usage(&tool_scan, "\"%s\" is no number of commits", optarg) + 1;
	case 'H':
		a->only_head = 1;
		return 0;
	case 'o':
		a->as_owner = 1;
		return 0;
	case 'h':
		return help() + 1;
	default:
		return tool_usage(&tool_scan, NULL) + 1;
	}
}

static int parse(int argc, char **argv, struct ask *a)
{
	static const struct option options[] = { { "as-owner", no_argument, NULL, 'o' },
						 { "known", required_argument, NULL, 'k' },
						 { "tip", required_argument, NULL, 't' },
						 { "branch", required_argument, NULL, 'b' },
						 { "depth", required_argument, NULL, 'd' },
						 { "only-head", no_argument, NULL, 'H' },
						 TOOL_HELP,
						 TOOL_OPTIONS_END };
	int c, done = 0;

	while (!done && (c = getopt_long(argc, argv, "", options, NULL)) != -1)
		done = parse_one(a, c);
	if (!done && argc - optind != 1)
		done = tool_usage(&tool_scan, "one path is wanted") + 1;
	return done;
}

static int scan_run(int argc, char **argv)
{
	struct ask a = { 0 };
	int r = parse(argc, argv, &a), status = r - 1;

	if (!r) {
		a.o.path = argv[optind];
		a.o.branches = a.branches;
		a.o.known = a.known;
		a.o.tips = a.tips;
		status = a.as_owner ? owner_become(a.o.path) : 0;
		owner_home();
		status = status ? status : scan(&a);
	}
	free(a.branches);
	free(a.known);
	free(a.tips);
	return status;
}

const struct tool tool_scan = {
	.name = "scan",
	.args = "[--as-owner] [--branch GLOB] [--known OID,...] [--tip OID,...] [--depth N] [--only-head] PATH",
	.summary = "print the commits of a git repository's branches, as JSON",
	.run = scan_run,
};
