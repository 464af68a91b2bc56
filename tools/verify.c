/* verify: is a fencing token still good? For merge hooks that must refuse late work. */
#include <err.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "backend/clean.h"
#include "backend/text.h"
#include "tools/mnt.h"
#include "tools/token.h"
#include "tools/tool.h"

extern const struct tool tool_verify;

static int judge(const struct mnt *m, const char *task, int64_t token)
{
	AUTO_BUF struct buf says = BUF_INIT;
	int answer = token_judge(m, task, token, &says);

	if (answer == TOOL_CANNOT_TELL)
		warnx("%s", buf_text(&says));
	else
		(void)printf("%s\n", buf_text(&says));
	return answer;
}

static int verify_run(int argc, char **argv)
{
	static const struct option options[] = {
		{ "mount", required_argument, NULL, 'm' },
		TOOL_HELP,
		TOOL_OPTIONS_END,
	};
	AUTO_MNT struct mnt m = MNT_INIT;
	const char *dir = NULL, *task;
	int64_t token;
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (c == 'h')
			return tool_help(&tool_verify, TOOL_MOUNT_HELP);
		if (c != 'm')
			return tool_usage(&tool_verify, NULL);
		dir = optarg;
	}
	if (argc - optind != 2)
		return tool_usage(&tool_verify, "one task and one token are wanted");
	task = argv[optind];
	if (name_check(task, strlen(task)))
		return tool_usage(&tool_verify, "\"%s\" is no name of a task", task);
	if (int_parse(argv[optind + 1], 1, INT64_MAX, &token))
		return tool_usage(&tool_verify, "\"%s\" is no token", argv[optind + 1]);
	if (mnt_open(&m, dir))
		return TOOL_CANNOT_TELL;
	return judge(&m, task, token);
}

const struct tool tool_verify = {
	.name = "verify",
	.args = "[--mount DIR] TASK TOKEN",
	.summary = "exit 0 if TOKEN is the live or the finishing one of TASK, 1 if it is stale",
	.run = verify_run,
};
