#include <string.h>

#include "fs/dirs.h"
#include "fs/events.h"

/*
 * The first event that ends behind byte OFF; both grow together. All of it is
 * looked up in the one snapshot of this read: the writer goes on meanwhile.
 */
static int64_t event_behind(struct request *r, int64_t off)
{
	int64_t lo = db_get(r->db, 1, Q(EVENT_FIRST)), hi = db_get(r->db, 0, Q(EVENT_LAST));

	while (lo < hi) {
		int64_t mid = lo + (hi - lo) / 2;
		AUTO_ROWS *rows = db_rows(r->db, Q(EVENT_AT), I(mid));

		if (rows_next(rows) <= 0)
			return hi;
		if (rows_int(rows, 1) > off)
			hi = mid;
		else
			lo = rows_int(rows, 0) + 1;
	}
	return lo;
}

int events_read(struct request *r, int64_t off, size_t size, struct buf *out)
{
	int64_t seen = store_bytes(r->fs->store); /* before the snapshot is taken */
	AUTO_ROWS *rows = NULL;
	int got = 0;

	if (off < 0 || off >= seen)
		return 0;
	rows = db_rows(r->db, Q(EVENTS_FROM), I(event_behind(r, off)));
	while (out->n < size && (got = rows_next(rows)) > 0) {
		int64_t finish = rows_int(rows, 0);
		const char *line = rows_text(rows, 1);
		int64_t begin = finish - (int64_t)strlen(line) - 1;

		if (finish > seen)
			break; /* decided, but not answered yet */
		if (finish <= off)
			continue;
		buf_line(out, "%s", line + (off > begin ? off - begin : 0));
		off = finish;
	}
	if (out->n > size)
		out->n = size;
	return got < 0 ? got : out->err;
}

/* The log is served by offset; its text is never rendered whole. */
int events_show(struct request *r, int64_t id, struct buf *out)
{
	(void)r;
	(void)id;
	(void)out;
	return 0;
}

static int wait_next(struct request *r, int64_t id, int64_t *at, size_t size, struct buf *out)
{
	int64_t seen = store_seq(r->fs->store); /* the rest is decided, but not answered yet */
	AUTO_ROWS *rows = NULL;
	int got = 0;

	(void)id;
	if (*at >= seen)
		return 0;
	rows = db_rows(r->db, Q(EVENTS_AFTER), I(*at), I(seen - *at));
	while (out->n < size && (got = rows_next(rows)) > 0 && rows_int(rows, 0) <= seen) {
		buf_line(out, "%s", rows_text(rows, 1));
		*at = rows_int(rows, 0);
	}
	return got < 0 ? got : 0;
}

const struct node wait_rows[] = {
	{ .type = NODE_FILE,
	  .row = ROW_WAIT_EVENTS,
	  .name = "events",
	  .mode = 0444,
	  .flags = NODE_WAIT,
	  .next = wait_next },
	{ .type = NODE_DIR,
	  .row = ROW_WAIT_MESSAGES,
	  .name = "messages",
	  .mode = 0555,
	  .flags = NODE_HIDDEN,
	  .children = wait_messages_rows },
	END,
};
