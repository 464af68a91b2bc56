/* status: one screen for whoever looks in. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "backend/clean.h"
#include "backend/text.h"
#include "fs/dirs.h"

#define STATUS_CLAIMS 20

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

int status_show(struct request *r, int64_t id, struct buf *out)
{
	AUTO_FREE char *verdict = db_text(r->db, Q(ATTR), I(0), T("verdict"));
	AUTO_FREE char *estop = db_text(r->db, Q(ATTR), I(0), T("estop"));
	struct world *w = store_world(r->fs->store);
	int64_t now = w->wall_ms(w), unknown = db_get(r->db, 0, Q(ACTIONS_UNKNOWN));
	char when[TIME_TEXT];

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
	show_claims(r, out);
	return 0;
}
