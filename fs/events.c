#include <string.h>

#include "fs/dirs.h"
#include "fs/events.h"

int events_read(struct request *r, int64_t off, size_t size, struct buf *out)
{
	AUTO_ROWS *rows = db_rows(r->db, Q(EVENTS_FROM), I(off));
	int64_t seen = store_bytes(r->fs->store);
	int got;

	while (out->n < size && (got = rows_next(rows)) > 0) {
		int64_t finish = rows_int(rows, 0);
		const char *line = rows_text(rows, 1);
		int64_t begin = finish - (int64_t)strlen(line) - 1;

		if (finish > seen)
			break; /* decided, but not answered yet */
		buf_line(out, "%s", line + (off > begin ? off - begin : 0));
		off = finish;
	}
	if (out->n > size)
		out->n = size;
	return out->err;
}

/* The log is served by offset; its text is never rendered whole. */
int events_show(struct request *r, int64_t id, struct buf *out)
{
	(void)r;
	(void)id;
	(void)out;
	return 0;
}

const struct node wait_rows[] = {
	{ .type = NODE_FILE,
	  .row = ROW_WAIT_EVENTS,
	  .name = "events",
	  .mode = 0444,
	  .flags = NODE_WAIT },
	END,
};
