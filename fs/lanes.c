/* lanes: kinds of work, and how much of each at once. */
#include <errno.h>
#include <stdio.h>

#include "backend/clean.h"
#include "backend/select.h"
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

/* Its part of what was taken last. */
static int share_show(struct request *r, int64_t id, struct buf *out)
{
	AUTO_FREE char *name = db_text(r->db, Q(THING_NAME), I(id));
	struct lane lane = { .share_limit = -1 };
	struct share s;
	int err = db_error(r->db);

	(void)snprintf(lane.name, sizeof(lane.name), "%s", name ? name : "");
	if (!err)
		err = share_of(r->db, &lane, 0, 0, share_window(r->db), &s);
	if (!err)
		buf_line(out, "%.2f", (double)s.in / (double)s.window);
	return err;
}

static int expected(struct request *r, int64_t id, struct expected *out)
{
	AUTO_FREE char *name = db_text(r->db, Q(THING_NAME), I(id));

	struct select_settings set;
	int err = name ? select_settings(r->db, &set) : -ESTALE;

	return err ? err : select_expected(r->db, &set, name, out);
}

/* What a session in it may be expected to come to. */
static int value_show(struct request *r, int64_t id, struct buf *out)
{
	struct expected e;
	int err = expected(r, id, &e);

	if (!err)
		buf_line(out, "%.3f", e.value);
	return err;
}

/* And what that is made of. */
static int outcomes_show(struct request *r, int64_t id, struct buf *out)
{
	struct expected e;
	int err = expected(r, id, &e);

	if (err)
		return err;
	buf_line(out, "sessions %lld", (long long)e.arm.n);
	buf_line(out, "lifetime %.3f", e.lifetime);
	buf_line(out, "weight %.1f", e.weight);
	buf_line(out, "value %.3f", e.value);
	return 0;
}

static const struct node lane[] = {
	OPERATORS_FIELD(ROW_LANE_KIND, "kind", THING_LANE, 0664),
	OPERATORS_FIELD(ROW_LANE_LIMIT, "limit", THING_LANE, 0664),
	OPERATORS_FIELD(ROW_LANE_SHARE_LIMIT, "share-limit", THING_LANE, 0664),
	FILE_RO(ROW_LANE_SHARE, "share", share_show),
	FILE_RO(ROW_LANE_VALUE, "value", value_show),
	FILE_RO(ROW_LANE_OUTCOMES, "outcomes", outcomes_show),
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
