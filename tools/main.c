/* main: the table of subcommands. A new one is its own file, and a row here. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "tools/tool.h"

extern const struct tool tool_mount, tool_unmount, tool_run, tool_guard, tool_verify, tool_import,
	tool_export, tool_check, tool_backup, tool_replay, tool_inspect, tool_scan, tool_where;

static const struct tool *const tools[] = {
	&tool_mount,   &tool_unmount, &tool_run,   &tool_guard,	 &tool_verify,
	&tool_import,  &tool_export,  &tool_check, &tool_backup, &tool_replay,
	&tool_inspect, &tool_scan,    &tool_where,
};

#define TOOLS (sizeof(tools) / sizeof(tools[0]))

static const struct tool *find(const char *name)
{
	for (size_t i = 0; i < TOOLS; i++)
		if (strcmp(tools[i]->name, name) == 0)
			return tools[i];
	return NULL;
}

static void list(FILE *out)
{
	(void)fprintf(out, "usage: coordfs TOOL [OPTION...] [ARGUMENT...]\n\n");
	for (size_t i = 0; i < TOOLS; i++)
		if (tools[i]->summary)
			(void)fprintf(out, "  %-9s %s\n", tools[i]->name, tools[i]->summary);
	(void)fprintf(out, "  %-9s %s\n", "help", "say this, or how one tool is used");
	(void)fprintf(out, "\ncoordfs TOOL --help says more. "
			   "Exit status: 0 yes, 1 no, 2 usage, 3 cannot tell.\n");
}

static int unknown(const char *name)
{
	(void)fprintf(stderr, "coordfs: there is no tool \"%s\": see coordfs help\n", name);
	return TOOL_USAGE;
}

/* Messages of err(3) and getopt(3) begin with "coordfs NAME: ". */
static int run(const struct tool *t, int argc, char **argv)
{
	static char name[64];

	(void)snprintf(name, sizeof(name), "coordfs %s", t->name);
	program_invocation_name = name;
	program_invocation_short_name = name;
	argv[0] = name;
	return t->run(argc, argv);
}

static int help(const char *name)
{
	static char ask[] = "--help";
	char *argv[] = { NULL, ask, NULL };
	const struct tool *t = name ? find(name) : NULL;

	if (t)
		return run(t, 2, argv);
	if (name)
		return unknown(name);
	list(stdout);
	return TOOL_YES;
}

int main(int argc, char **argv)
{
	const char *name = argc > 1 ? argv[1] : NULL;
	const struct tool *t;

	if (!name) {
		list(stderr);
		return TOOL_USAGE;
	}
	if (strcmp(name, "--version") == 0)
		return printf("coordfs %s\n", TOOL_VERSION) < 0;
	if (strcmp(name, "help") == 0 || strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0)
		return help(argc > 2 ? argv[2] : NULL);
	t = find(name);
	return t ? run(t, argc - 1, argv + 1) : unknown(name);
}
