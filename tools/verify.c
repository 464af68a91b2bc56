/* verify: is a fencing token still good? For merge hooks that must refuse late work. */
#include <err.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "backend/clean.h"
#include "backend/text.h"
#include "tools/mnt.h"
#include "tools/tool.h"

extern const struct tool tool_verify;

/*
 * The token in COLUMN/TASK, its text in OUT. 1; 0: no such file, or no token
 * in it; -errno.
 */
static int token_in(const struct mnt *m, const char *column, const char *task, struct buf *out,
		    int64_t *token)
{
	char word[32];
	int err = mnt_read(m, out, "%s/%s", column, task);

	if (err)
		return err == -ENOENT || err == -ESTALE ? 0 : err;
	return !mnt_value(buf_text(out), "token", word, sizeof(word)) &&
	       !int_parse(word, 1, INT64_MAX, token);
}

static void say(const char *how, const char *task, int64_t token, const struct buf *text,
		const char *key)
{
	char session[NAME_LEN_MAX + 1] = "-", when[TIME_TEXT] = "-";

	(void)mnt_value(buf_text(text), "session", session, sizeof(session));
	(void)mnt_value(buf_text(text), key, when, sizeof(when));
	(void)printf("%s: token %lld of %s, session %s, %s %s\n", how, (long long)token, task,
		     session, key, when);
}

static int stale(const struct mnt *m, const char *task, int64_t token, int64_t live, int64_t last)
{
	if (live)
		(void)printf("stale: token %lld of %s; the live token is %lld\n", (long long)token,
			     task, (long long)live);
	else if (last)
		(void)printf("stale: token %lld of %s; it was finished with token %lld\n",
			     (long long)token, task, (long long)last);
	else
		(void)printf("stale: token %lld of %s; %s\n", (long long)token, task,
			     mnt_has(m, "tasks/%s", task) > 0 ? "nobody holds it now" :
								"there is no such task");
	return TOOL_NO;
}

/*
 * The token a standing task was last finished with, as long as nobody has
 * claimed it since: done/ never shows it. From `TIME EVENT SESSION .. TOKEN`.
 */
static int64_t finished_standing(const struct mnt *m, const char *task)
{
	AUTO_BUF struct buf history = BUF_INIT;
	struct lines l;
	const char *line;
	int64_t last = 0;
	size_t n;

	if (mnt_read(m, &history, "tasks/%s/history", task))
		return 0;
	l = (struct lines){ buf_text(&history), buf_text(&history) + history.n };
	while (lines_next(&l, &line, &n)) {
		char event[32], token[24];

		if (sscanf(line, "%*s %31s", event) != 1)
			continue;
		if (strcmp(event, "claim") == 0 || strcmp(event, "reopen") == 0)
			last = 0;
		else if (strcmp(event, "finish") == 0 &&
			 sscanf(line, "%*s %*s %*s ready %23s", token) == 1)
			(void)int_parse(token, 1, INT64_MAX, &last);
	}
	return last;
}

/* claims/ first: a task that is finished between the two looks is then seen in done/. */
static int judge(const struct mnt *m, const char *task, int64_t token)
{
	AUTO_BUF struct buf claim = BUF_INIT, done = BUF_INIT;
	int64_t live = 0, last = 0;
	int got = token_in(m, "claims", task, &claim, &live);

	if (got > 0 && live == token) {
		say("live", task, token, &claim, "expires");
		return TOOL_YES;
	}
	if (got >= 0)
		got = token_in(m, "done", task, &done, &last);
	if (got < 0) {
		warnx("cannot read the claim of %s: %s", task, strerror(-got));
		return TOOL_CANNOT_TELL;
	}
	if (got > 0 && last == token) {
		say("finished", task, token, &done, "finished");
		return TOOL_YES;
	}
	if (!live && !got && finished_standing(m, task) == token) {
		(void)printf(
			"finished: token %lld of %s, a standing task nobody has claimed since\n",
			(long long)token, task);
		return TOOL_YES;
	}
	return stale(m, task, token, live, last);
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
