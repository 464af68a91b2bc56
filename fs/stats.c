/* stats: what the fleet did, counted; each file with its own denominator. */
#include <stdlib.h>

#include "backend/clean.h"
#include "backend/text.h"
#include "fs/dirs.h"

/* Of COUNT values in ascending order, the middle one; gathered row by row. */
struct gaps {
	int64_t median, cost;
	int64_t with_cost;
};

static int gather(struct request *r, int64_t count, struct gaps *out)
{
	AUTO_ROWS *rows = db_rows(r->db, Q(INCIDENT_GAPS));
	int64_t i = 0;
	int got;

	*out = (struct gaps){ 0 };
	for (; (got = rows_next(rows)) > 0; i++) {
		if (i == (count - 1) / 2)
			out->median = rows_int(rows, 0);
		if (rows_int(rows, 1) < 0)
			continue;
		out->cost += rows_int(rows, 1);
		out->with_cost++;
	}
	return got;
}

static int convergence_show(struct request *r, int64_t id, struct buf *out)
{
	int64_t incidents = db_get(r->db, 0, Q(INCIDENTS_COUNT));
	int64_t sessions = db_get(r->db, 0, Q(SESSIONS_COUNT));
	char text[DURATION_TEXT];
	struct gaps gaps;
	int err = gather(r, incidents, &gaps);

	(void)id;
	buf_line(out, "incidents %lld", (long long)incidents);
	buf_line(out, "sessions %lld", (long long)sessions);
	if (sessions)
		buf_line(out, "per-1000-sessions %.1f",
			 1000.0 * (double)incidents / (double)sessions);
	else
		buf_line(out, "per-1000-sessions -");
	buf_line(out, "median-gap %s", incidents ? duration_text(gaps.median, text) : "-");
	buf_line(out, "cost %s",
		 gaps.with_cost ? duration_text(gaps.cost / 1000 * 1000, text) : "-");
	buf_line(out, "cost-unknown %lld", (long long)(incidents - gaps.with_cost));
	return err;
}

const struct node stats_rows[] = {
	FILE_RO(ROW_STATS_CONVERGENCE, "convergence", convergence_show),
	END,
};
