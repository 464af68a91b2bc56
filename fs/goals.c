/* goals: what is wanted, by the tag of its tasks; how far it has come, in outcomes. */
#include <errno.h>

#include "backend/clean.h"
#include "backend/text.h"
#include "fs/dirs.h"

static const struct kind kind = THING_KIND(THING_GOAL, NULL);

/* Of the tasks with the goal's tag. */
static int show_tasks(struct request *r, const char *tag, struct buf *out)
{
	AUTO_ROWS *rows = db_rows(r->db, Q(GOAL_PROGRESS), T(tag));
	double done = 0, all = 0;
	int64_t n[7] = { 0 };
	char when[TIME_TEXT];
	int got = rows_next(rows);

	if (got <= 0)
		return got;
	for (int i = 0; i < 7; i++)
		n[i] = rows_int(rows, i);
	(void)number_parse(rows_text(rows, 7), &done);
	(void)number_parse(rows_text(rows, 8), &all);
	buf_line(out, "wanted %lld", (long long)n[0]);
	buf_line(out, "ideas %lld", (long long)n[1]);
	buf_line(out, "ready %lld", (long long)n[2]);
	buf_line(out, "blocked %lld", (long long)(n[0] - n[1] - n[2] - n[3] - n[4]));
	buf_line(out, "claimed %lld", (long long)n[3]);
	buf_line(out, "done %lld", (long long)n[4]);
	buf_line(out, "reopened %lld", (long long)n[5]);
	buf_line(out, "unblocked %lld", (long long)n[6]);
	buf_line(out, "value-done %.12g", done);
	buf_line(out, "value-left %.12g", all - done);
	buf_line(out, "last-done %s", time_text(rows_int(rows, 9), when));
	return 0;
}

static int progress_show(struct request *r, int64_t id, struct buf *out)
{
	AUTO_FREE char *tag = db_text(r->db, Q(GOAL_TAG), I(id));

	if (!tag)
		return db_error(r->db) ? db_error(r->db) : -ESTALE;
	buf_line(out, "tag %s", tag);
	return show_tasks(r, tag, out);
}

static const struct node goal[] = {
	OPERATORS_FIELD(ROW_GOAL_WEIGHT, "weight", THING_GOAL, 0664),
	OPERATORS_FIELD(ROW_GOAL_TAG, "tag", THING_GOAL, 0664),
	{ .type = NODE_FILE,
	  .row = ROW_GOAL_PROGRESS,
	  .name = "progress",
	  .mode = 0444,
	  .flags = NODE_COSTLY,
	  .show = progress_show },
	END,
};

const struct node goals_rows[] = {
	{ .type = NODE_DIR,
	  .row = ROW_GOAL,
	  .mode = 0555,
	  .flags = NODE_OWNER,
	  .each = &kind,
	  .children = goal },
	END,
};
