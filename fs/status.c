/* status: one screen for whoever looks in. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "backend/clean.h"
#include "backend/select.h"
#include "backend/text.h"
#include "fs/dirs.h"

#define STATUS_CLAIMS 20
#define STATUS_LANES 10 /* more are no screen */

static void show_columns(struct request *r, struct buf *out)
{
	static const char *const names[] = { "", "ideas", "ready", "blocked", "claims", "done" };

	for (int c = COLUMN_IDEAS; c <= COLUMN_DONE; c++)
		buf_line(out, "%s %lld", names[c],
			 (long long)db_get(r->db, 0, Q(COUNT_COLUMN), I(c)));
}

/* Claims and their last sign of work, the longest quiet first. */
static void show_claims(struct request *r, struct buf *out)
{
	AUTO_ROWS *rows = db_rows(r->db, Q(STATUS_CLAIMS), I(STATUS_CLAIMS));
	char when[TIME_TEXT];

	while (rows_next(rows) > 0)
		buf_line(out, "claim %s session %s worked %s", rows_text(rows, 0),
			 rows_text(rows, 1), time_text(rows_int(rows, 2), when));
}

/* What may be expected of a lane, and its part of what was taken last. */
static int show_lane(struct db *db, const char *name, struct buf *out)
{
	struct lane lane = { .share_limit = -1 };
	struct select_settings set;
	struct expected e;
	struct share s = { .window = 1 };
	int err = select_settings(db, &set);

	(void)snprintf(lane.name, sizeof(lane.name), "%s", name);
	if (!err)
		err = select_expected(db, &set, name, &e);
	if (!err)
		err = share_of(db, &lane, 0, 0, (int64_t)set.window, &s);
	if (!err)
		buf_line(out, "lane %s value %.3f share %.2f", name, e.value,
			 (double)s.in / (double)s.window);
	return err;
}

static int show_lanes(struct request *r, struct buf *out)
{
	AUTO_ROWS *rows = db_rows(r->db, Q(LANES), I(THING_LANE));
	AUTO_BUF struct buf lines = BUF_INIT;
	int n = 0, err = 0;

	while (!err && rows_next(rows) > 0)
		if (n++ < STATUS_LANES)
			err = show_lane(r->db, rows_text(rows, 1), &lines);
	if (!err && n <= STATUS_LANES)
		buf_add(out, lines.p, lines.n);
	return err ? err : lines.err ? lines.err : db_error(r->db);
}

int status_show(struct request *r, int64_t id, struct buf *out)
{
	AUTO_FREE char *verdict = db_text(r->db, Q(ATTR), I(0), T("verdict"));
	AUTO_FREE char *estop = db_text(r->db, Q(ATTR), I(0), T("estop"));
	struct world *w = store_world(r->fs->store);
	int64_t now = w->wall_ms(w), unknown = db_get(r->db, 0, Q(ACTIONS_UNKNOWN));
	char when[TIME_TEXT];
	int err;

	(void)id;
	buf_line(out, "verdict %s", verdict ? verdict : "-");
	buf_line(out, "estop %s", estop ? estop : "-");
	buf_line(out, "events %lld", (long long)store_seq(r->fs->store));
	buf_line(out, "mounted %s", time_text(r->fs->mounted, when));
	buf_line(out, "daemon %d", (int)getpid());
	buf_line(out, "sessions %lld", (long long)db_get(r->db, 0, Q(SESSION_TOKENS)));
	show_columns(r, out);
	buf_line(out, "done-today %lld",
		 (long long)db_get(r->db, 0, Q(COUNT_DONE_SINCE), I(now / 86400000 * 86400000)));
	buf_line(out, "incidents-today %lld",
		 (long long)db_get(r->db, 0, Q(DAY_SUM), T("incidents"), I(now / 86400000)));
	if (unknown)
		buf_line(out, "unknown-actions %lld", (long long)unknown);
	err = show_lanes(r, out);
	show_claims(r, out);
	return err;
}
