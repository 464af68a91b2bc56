/* guard: may these paths be written? For hooks of git, of editors and of agents. */
#include <stdio.h>
#include <string.h>

#include "tools/guard.h"
#include "tools/tool.h"

extern const struct tool tool_guard;

static const char more[] =
	"  --check          ask about each PATH: who else holds it?\n"
	"  --repo NAME      the repository the paths are in; without it, the one that an absolute\n"
	"                   path or the current directory is in, or REPO:PATH; else paths of\n"
	"                   tasks that have no repo\n"
	"  --install REPO   write hooks into that git repository, beside those it has\n"
	"  --uninstall REPO take them out\n"
	"  --hook NAME      what the hook NAME calls, with its arguments behind --\n"
	"  --offline WHAT   with --hook: `open` lets pass when the mount is away, `closed` does not\n" TOOL_MOUNT_HELP
	"\nPATH is a file's own name, not a pattern; ./PATH if there is a ':' in its first part.\n"
	"Exit status: 0 nobody else holds any, 1 somebody does, 3 cannot tell.\n";

/* What the command line says. act: the letter of what is to be done, 0: nothing yet, '?': two. */
struct line {
	int act;
	const char *dir, *repo, *what, *offline;
};

static void set_act(struct line *l, int act, const char *what)
{
	l->act = l->act ? '?' : act;
	l->what = what;
}

/* 0, or what getopt(3) says that is not taken here. */
static int read_options(struct line *l, int argc, char **argv)
{
	static const struct option options[] = {
		{ "check", no_argument, NULL, 'c' },
		{ "install", required_argument, NULL, 'i' },
		{ "uninstall", required_argument, NULL, 'u' },
		{ "hook", required_argument, NULL, 'k' },
		{ "offline", required_argument, NULL, 'o' },
		{ "repo", required_argument, NULL, 'r' },
		{ "mount", required_argument, NULL, 'm' },
		TOOL_HELP,
		TOOL_OPTIONS_END,
	};
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (strchr("ciuk", c))
			set_act(l, c, optarg);
		else if (c == 'o')
			l->offline = optarg;
		else if (c == 'r')
			l->repo = optarg;
		else if (c == 'm')
			l->dir = optarg;
		else
			return c;
	}
	return 0;
}

static int check(const struct line *l, int argc, char **argv)
{
	AUTO_MNT struct mnt m = MNT_INIT;

	if (optind == argc)
		return tool_usage(&tool_guard, "at least one path is wanted");
	if (mnt_open(&m, l->dir))
		return TOOL_CANNOT_TELL;
	return guard_check(&m, l->repo, argv + optind, argc - optind);
}

static int hook(const struct line *l, int argc, char **argv)
{
	int open = l->offline && strcmp(l->offline, "open") == 0;

	if (!l->offline || (!open && strcmp(l->offline, "closed") != 0))
		return tool_usage(&tool_guard, "--offline open or closed is wanted");
	return guard_hook(l->what, l->dir, open, argc - optind, argv + optind);
}

static int guard_run(int argc, char **argv)
{
	struct line l = { 0, NULL, NULL, NULL, NULL };
	int c = read_options(&l, argc, argv);

	if (c)
		return c == 'h' ? tool_help(&tool_guard, more) : tool_usage(&tool_guard, NULL);
	if ((l.act == 'i' || l.act == 'u') && optind != argc)
		return tool_usage(&tool_guard, "one repository is wanted");
	switch (l.act) {
	case 'c':
		return check(&l, argc, argv);
	case 'i':
		return guard_install(l.what, l.dir);
	case 'u':
		return guard_uninstall(l.what);
	case 'k':
		return hook(&l, argc, argv);
	default:
		return tool_usage(&tool_guard, "one of --check, --install, --uninstall is wanted");
	}
}

const struct tool tool_guard = {
	.name = "guard",
	.args = "[--mount DIR] --check [--repo NAME] PATH... | --install REPO | --uninstall REPO",
	.summary = "exit 0 if no other session holds a PATH, 1 and who does if one does; git hooks",
	.run = guard_run,
};
