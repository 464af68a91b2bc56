/*
 * tool: the subcommands of `coordfs`, one a file, each exporting one row.
 * What is common to their command lines.
 */
#ifndef TOOLS_TOOL_H
#define TOOLS_TOOL_H

#include <getopt.h>

#define TOOL_VERSION "0.1.0"

/* What a tool exits with. CANNOT_TELL: the mount is away, or does not answer. */
enum tool_exit {
	TOOL_YES = 0,
	TOOL_NO = 1,
	TOOL_USAGE = 2,
	TOOL_CANNOT_TELL = 3,
};

/*
 * args: what follows the name in a usage line. summary: NULL: for programs, not listed. run: argv[0] is the tool's own
 * name for messages, getopt(3) starts at argv[1]; answers the exit status.
 */
struct tool {
	const char *name, *args, *summary;
	int (*run)(int argc, char **argv);
};

/* clang-format off */
/* The row of `--help` in a tool's options, 'h', and the one that ends them. */
#define TOOL_HELP { "help", no_argument, NULL, 'h' }
#define TOOL_OPTIONS_END { NULL, 0, NULL, 0 }
/* clang-format on */

/* The line of tool_help() about --mount. */
#define TOOL_MOUNT_HELP "  --mount DIR      the mount; else $COORD_MOUNT, else /coord\n"

/*
 * Print how T is used to standard output, and MORE, lines about its options
 * (NULL: none). Answers TOOL_YES.
 */
int tool_help(const struct tool *t, const char *more);

/*
 * Print what is wrong with the command line, as printf(3) (NULL: getopt(3)
 * has said it), and the usage line to standard error. Answers TOOL_USAGE.
 */
int tool_usage(const struct tool *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
