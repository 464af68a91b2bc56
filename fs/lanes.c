/* lanes: kinds of work, and how much of each at once. */
#include "backend/clean.h"
#include "fs/dirs.h"

static const struct kind kind = THING_KIND(THING_LANE, NULL);

static int ready_show(struct request *r, int64_t id, struct buf *out)
{
	AUTO_ROWS *rows = db_rows(r->db, Q(LANE_READY), I(id));
	int got;

	while ((got = rows_next(rows)) > 0)
		buf_line(out, "%s", rows_text(rows, 0));
	return got;
}

static int held_show(struct request *r, int64_t id, struct buf *out)
{
	AUTO_ROWS *rows = db_rows(r->db, Q(LANE_HELD), I(id));
	int got;

	while ((got = rows_next(rows)) > 0)
		buf_line(out, "%s %s %lld", rows_text(rows, 0), rows_text(rows, 1),
			 (long long)rows_int(rows, 2));
	return got;
}

static const struct node lane[] = {
	OPERATORS_FIELD(ROW_LANE_KIND, "kind", THING_LANE, 0664),
	OPERATORS_FIELD(ROW_LANE_LIMIT, "limit", THING_LANE, 0664),
	FILE_RO(ROW_LANE_READY, "ready", ready_show),
	FILE_RO(ROW_LANE_HELD, "held", held_show),
	END,
};

const struct node lanes_rows[] = {
	{ .type = NODE_DIR,
	  .row = ROW_LANE,
	  .mode = 0555,
	  .flags = NODE_OWNER,
	  .each = &kind,
	  .children = lane },
	END,
};
