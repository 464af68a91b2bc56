/* What became of a token: of the file of its claim, of done/, or of the task's history. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "backend/clean.h"
#include "backend/text.h"
#include "tools/token.h"
#include "tools/tool.h"

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

static void say(struct buf *says, const char *how, const char *task, int64_t token,
		const struct buf *text, const char *key)
{
	char session[NAME_LEN_MAX + 1] = "-", when[TIME_TEXT] = "-";

	(void)mnt_value(buf_text(text), "session", session, sizeof(session));
	(void)mnt_value(buf_text(text), key, when, sizeof(when));
	buf_printf(says, "%s: token %lld of %s, session %s, %s %s", how, (long long)token, task,
		   session, key, when);
}

static int stale(struct buf *says, const struct mnt *m, const char *task, int64_t token,
		 int64_t live, int64_t last)
{
	if (live)
		buf_printf(says, "stale: token %lld of %s; the live token is %lld",
			   (long long)token, task, (long long)live);
	else if (last)
		buf_printf(says, "stale: token %lld of %s; it was finished with token %lld",
			   (long long)token, task, (long long)last);
	else
		buf_printf(says, "stale: token %lld of %s; %s", (long long)token, task,
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
int token_judge(const struct mnt *m, const char *task, int64_t token, struct buf *says)
{
	AUTO_BUF struct buf claim = BUF_INIT, done = BUF_INIT;
	int64_t live = 0, last = 0;
	int got = token_in(m, "claims", task, &claim, &live);

	if (got > 0 && live == token) {
		say(says, "live", task, token, &claim, "expires");
		return TOOL_YES;
	}
	if (got >= 0)
		got = token_in(m, "done", task, &done, &last);
	if (got < 0) {
		buf_printf(says, "cannot read the claim of %s: %s", task, strerror(-got));
		return TOOL_CANNOT_TELL;
	}
	if (got > 0 && last == token) {
		say(says, "finished", task, token, &done, "finished");
		return TOOL_YES;
	}
	if (!live && !got && finished_standing(m, task) == token) {
		buf_printf(says,
			   "finished: token %lld of %s, a standing task nobody has claimed since",
			   (long long)token, task);
		return TOOL_YES;
	}
	return stale(says, m, task, token, live, last);
}
