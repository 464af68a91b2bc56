/* Lanes: a full one takes no more claims. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "backend/clean.h"
#include "backend/rules.h"
#include "backend/share.h"

/* "s1 (T1), s2 (T2) and 3 more", of those that hold tasks of the lane. */
static void say_lane_holders(struct tx *tx, int64_t lane, char *out, size_t n)
{
	AUTO_ROWS *r = db_rows(tx->db, Q(LANE_HELD), I(lane));
	AUTO_BUF struct buf text = BUF_INIT;
	int holders = 0;

	while (rows_next(r) > 0)
		if (holders++ < 3)
			buf_printf(&text, "%s%s (%s)", text.n ? ", " : "", rows_text(r, 1),
				   rows_text(r, 0));
	if (holders > 3)
		buf_printf(&text, " and %d more", holders - 3);
	(void)snprintf(out, n, "%s", holders ? buf_text(&text) : "nobody");
}

/* Does the fleet do much of this already, and is there something else to do? */
static int check_share(struct tx *tx, const struct task *t, const struct lane *lane)
{
	struct share s;
	int err;

	if (lane->share_limit < 0)
		return 0;
	err = share_of(tx->db, lane, tx->actor->session, tx->wall, share_window(tx->db), &s);
	if (err)
		return tx_fail(tx, err);
	if (s.guard != SHARE_REFUSE)
		return 0;
	return tx_refuse(
		tx, EDQUOT, "take a task of another lane (cat next): there is supply in one",
		"lane %s of %s has its share: %lld of the last %lld, its share-limit is %g",
		lane->name, t->name, (long long)s.in, (long long)s.window, lane->share_limit);
}

int rules_lane(struct tx *tx, const struct task *t)
{
	char holders[512], today[64] = "";
	struct lane lane;
	int got = read_lane_of(tx->db, t->id, tx->wall, &lane);

	if (got <= 0)
		return got < 0 ? tx_fail(tx, got) : 0;
	if (!lane_is_full(&lane))
		return check_share(tx, t, &lane);
	if (strcmp(lane.kind, "daily") == 0)
		(void)snprintf(today, sizeof(today), " a day; %lld done today",
			       (long long)lane.today);
	say_lane_holders(tx, lane.id, holders, sizeof(holders));
	return tx_refuse(tx, EDQUOT, "take a task of another lane, or wait for a place in this one",
			 "lane %s of %s is full: its limit is %g%s; held by %s (lanes/%s/held)",
			 lane.name, t->name, lane.limit, today, holders, lane.name);
}
