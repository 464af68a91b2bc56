/* stats: what the fleet did, counted; each file with its own denominator. */
#include <stdlib.h>
#include <string.h>

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
	buf_line(out, "duplicates %lld", (long long)db_get(r->db, 0, Q(DUPLICATES_COUNT)));
	buf_line(out, "duplicates-stopped %lld",
		 (long long)db_get(r->db, 0, Q(DUPLICATES_STOPPED)));
	return err;
}

/* --- three ledgers, never added to one another --- */

#define MS_DAY INT64_C(86400000)
#define DAYS_SHOWN 31

static int64_t today(struct request *r)
{
	struct world *w = store_world(r->fs->store);

	return w->wall_ms(w) / MS_DAY;
}

/* NAME ALL WEEK TODAY of each of NAMES (ended by NULL). */
static void show_sums(struct request *r, const char *const *names, struct buf *out)
{
	int64_t day = today(r);

	buf_line(out, "what ever 7d today");
	for (; *names; names++)
		buf_line(out, "%s %lld %lld %lld", *names,
			 (long long)db_get(r->db, 0, Q(DAY_SUM), T(*names), I(0)),
			 (long long)db_get(r->db, 0, Q(DAY_SUM), T(*names), I(day - 6)),
			 (long long)db_get(r->db, 0, Q(DAY_SUM), T(*names), I(day)));
}

/* NAME for each of OF (LABEL): ever, of the last seven days, of today. */
static void show_ratio(struct request *r, const char *name, const char *of_name, const char *label,
		       struct buf *out)
{
	const int64_t since[] = { 0, today(r) - 6, today(r) };

	buf_printf(out, "%s", label);
	for (int i = 0; i < 3; i++) {
		int64_t n = db_get(r->db, 0, Q(DAY_SUM), T(name), I(since[i]));
		int64_t of = db_get(r->db, 0, Q(DAY_SUM), T(of_name), I(since[i]));

		if (of)
			buf_printf(out, " %.2f", (double)n / (double)of);
		else
			buf_str(out, " -");
	}
	buf_char(out, '\n');
}

/* "day DATE WHAT N", the last first, of each of NAMES. */
static int show_days(struct request *r, const char *const *names, struct buf *out)
{
	AUTO_ROWS *rows = db_rows(r->db, Q(DAYS_SINCE), I(today(r) - DAYS_SHOWN + 1));
	char date[DAY_TEXT];
	int got;

	while ((got = rows_next(rows)) > 0)
		for (const char *const *n = names; *n; n++)
			if (strcmp(*n, rows_text(rows, 1)) == 0)
				buf_line(out, "day %s %s %lld", day_text(rows_int(rows, 0), date),
					 *n, (long long)rows_int(rows, 2));
	return got;
}

static int motion_show(struct request *r, int64_t id, struct buf *out)
{
	static const char *const names[] = { "sessions", "commits", NULL };

	(void)id;
	show_sums(r, names, out);
	show_ratio(r, "commits", "sessions", "commits-per-session", out);
	buf_line(out, "events %lld", (long long)store_seq(r->fs->store));
	return show_days(r, names, out);
}

static int outcome_show(struct request *r, int64_t id, struct buf *out)
{
	static const char *const names[] = { "sessions",  "done",     "done-wanted",
					     "unblocked", "reopened", NULL };

	(void)id;
	show_sums(r, names, out);
	show_ratio(r, "done", "sessions", "done-per-session", out);
	show_ratio(r, "done-wanted", "done", "wanted-per-done", out);
	return show_days(r, names + 1, out);
}

static int authorship_show(struct request *r, int64_t id, struct buf *out)
{
	static const char *const names[] = { "commits", "unattributed", NULL };
	AUTO_ROWS *rows = db_rows(r->db, Q(TOP_AUTHORS), I(20));
	int got;

	(void)id;
	show_sums(r, names, out);
	while ((got = rows_next(rows)) > 0)
		buf_line(out, "session %s %lld", rows_text(rows, 0), (long long)rows_int(rows, 1));
	rows_end(&rows);
	return got ? got : show_days(r, names, out);
}

#define LEDGER(r, n, fn)                                                                        \
	{                                                                                       \
		.type = NODE_FILE, .row = (r), .name = (n), .mode = 0444, .flags = NODE_COSTLY, \
		.show = (fn)                                                                    \
	}

const struct node stats_rows[] = {
	FILE_RO(ROW_STATS_CONVERGENCE, "convergence", convergence_show),
	LEDGER(ROW_STATS_MOTION, "motion", motion_show),
	LEDGER(ROW_STATS_OUTCOME, "outcome", outcome_show),
	LEDGER(ROW_STATS_AUTHORSHIP, "authorship", authorship_show),
	END,
};
