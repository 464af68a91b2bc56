/* coordfs check, backup, replay: the store itself, without its mount. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "backend/buf.h"
#include "backend/clean.h"
#include "backend/offline.h"
#include "backend/store.h"
#include "tools/tool.h"

extern const struct tool tool_check, tool_backup, tool_replay;

struct args {
	char store[4096];
	int repair;
	const char *into;
};

static const char more[] =
	"  --store DIR      the store (default: $XDG_STATE_HOME/coordfs, root: /var/lib/coordfs)\n";

/* 0, or the exit status + 100. */
static int parse(const struct tool *t, struct args *a, int argc, char **argv)
{
	static const struct option options[] = {
		{ "store", required_argument, NULL, 's' },
		{ "repair", no_argument, NULL, 'r' },
		{ "into", required_argument, NULL, 'i' },
		TOOL_HELP,
		TOOL_OPTIONS_END,
	};
	int c;

	store_default_dir(a->store, sizeof(a->store));
	while ((c = getopt_long(argc, argv, "s:", options, NULL)) != -1) {
		if (c == 's')
			(void)snprintf(a->store, sizeof(a->store), "%s", optarg);
		else if (c == 'r' && t == &tool_check)
			a->repair = 1;
		else if (c == 'i' && t == &tool_replay)
			a->into = optarg;
		else if (c == 'h')
			return 100 + tool_help(t, more);
		else
			return 100 + tool_usage(t, NULL);
	}
	return 0;
}

static int cannot(const struct tool *t, int err, const struct buf *says)
{
	(void)fprintf(stderr, "coordfs %s: %s", t->name, says->n ? buf_text(says) : strerror(-err));
	if (!says->n)
		(void)fprintf(stderr, "\n");
	return TOOL_CANNOT_TELL;
}

static int check_run(int argc, char **argv)
{
	AUTO_BUF struct buf says = BUF_INIT;
	struct args a = { .repair = 0 };
	int found, err = parse(&tool_check, &a, argc, argv);

	if (err)
		return err - 100;
	if (optind != argc)
		return tool_usage(&tool_check, "no arguments are wanted");
	err = a.repair ? offline_repair(a.store, &says) : 0;
	found = err ? err : offline_check(a.store, &says);
	if (found < 0)
		return cannot(&tool_check, found, &says);
	(void)printf("%s%s: %s\n", buf_text(&says), a.store, found ? "NOT sound" : "sound");
	return found ? TOOL_NO : TOOL_YES;
}

static int backup_run(int argc, char **argv)
{
	AUTO_BUF struct buf says = BUF_INIT;
	struct args a = { .repair = 0 };
	int err = parse(&tool_backup, &a, argc, argv);

	if (err)
		return err - 100;
	if (optind != argc - 1)
		return tool_usage(&tool_backup, "one FILE is wanted");
	err = offline_backup(a.store, argv[optind], &says);
	return err ? cannot(&tool_backup, err, &says) : TOOL_YES;
}

static int replay_run(int argc, char **argv)
{
	AUTO_BUF struct buf says = BUF_INIT;
	struct args a = { .repair = 0 };
	int err = parse(&tool_replay, &a, argc, argv);

	if (err)
		return err - 100;
	if (optind != argc)
		return tool_usage(&tool_replay, "no arguments are wanted");
	err = offline_replay(a.store, a.into, &says);
	if (err < 0)
		return cannot(&tool_replay, err, &says);
	(void)printf("%s%s\n", buf_text(&says), err ? "different" : "equal");
	return err ? TOOL_NO : TOOL_YES;
}

const struct tool tool_check = {
	"check",
	"[--store DIR] [--repair]",
	"is the store sound, and does it follow from its events?",
	check_run,
};

const struct tool tool_backup = {
	"backup",
	"[--store DIR] FILE",
	"a consistent copy of the store, in use or not",
	backup_run,
};

const struct tool tool_replay = {
	"replay",
	"[--store DIR] [--into FILE]",
	"rebuild the state from the events and compare",
	replay_run,
};
