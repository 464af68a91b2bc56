/* messages: what sessions are told; in sessions/ID/, and in wait/messages/ for who waits for it. */
#include <errno.h>
#include <string.h>

#include <jansson.h>

#include "backend/clean.h"
#include "backend/message.h"
#include "backend/read.h"
#include "fs/dirs.h"
#include "fs/record.h"

/*
 * The mailbox of session ID behind event *AT, up to UPTO, till there are SIZE bytes; *AT: the
 * last of it. 0 or -errno.
 */
static int show_behind(struct request *r, int64_t id, int64_t *at, int64_t upto, size_t size,
		       struct buf *out)
{
	AUTO_ROWS *rows = db_rows(r->db, Q(MESSAGES_AFTER), I(id), I(*at));
	int got = 0;

	while (out->n < size && (got = rows_next(rows)) > 0 && rows_int(rows, 0) <= upto) {
		json_t *e = json_loads(rows_text(rows, 1), 0, NULL);

		if (!e)
			return -ENOMEM;
		message_line(e, out);
		json_decref(e);
		*at = rows_int(rows, 0);
	}
	return got < 0 ? got : 0;
}

int messages_show(struct request *r, int64_t id, struct buf *out)
{
	int64_t at = 0;

	return show_behind(r, id, &at, INT64_MAX, SIZE_MAX, out);
}

/* Who sends is the process, by what it joined or its environment; the path is the mailbox. */
int messages_store(struct request *r, int64_t id, const char *text, size_t n, int append)
{
	int err = request_identify(r, 0);

	if (err)
		return err;
	if (!append)
		return request_refuse(r, EPERM, "echo TEXT >> sessions/ID/messages",
				      "messages are added, and what was said stays");
	return request_about(r, CHANGE_MESSAGE, id, text, n);
}

/* More of them; when the session has ended, and all was read, the end. */
static int messages_next(struct request *r, int64_t id, int64_t *at, size_t size, struct buf *out)
{
	int64_t seen = store_seq(r->fs->store); /* the rest is decided, but not answered yet */
	struct session s = { .ended = 0 };
	int got = read_session(r->db, id, &s);

	if (got >= 0)
		got = show_behind(r, id, at, s.ended ? INT64_MAX : seen, size, out);
	return got ? got : s.ended && !out->n;
}

/* Each has a name to be found by, and none is listed: no scanner is to hang in one. */
static const struct kind waiting_kind = { SQL_FIND_LIVE_SESSION,
					  SQL_LIST_NONE,
					  SQL_STAT_LIVE_SESSION,
					  SQL_SESSION_NAME,
					  PARENT_ARG,
					  0,
					  0,
					  NULL,
					  NULL };

const struct node wait_messages_rows[] = {
	{ .type = NODE_FILE,
	  .row = ROW_WAIT_MAILBOX,
	  .mode = 0444,
	  .flags = NODE_WAIT,
	  .each = &waiting_kind,
	  .next = messages_next },
	END,
};
