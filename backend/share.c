#include <string.h>

#include "backend/field.h"
#include "backend/share.h"

#define WINDOW_MAX 200 /* field.c keeps to it */
#define OFTEN 3 /* over its limit in more than one of so many windows: the limit does not hold */

/* The lanes of the last first claims, the latest first: is each in the lane? How many were read. */
static int read_picks(struct db *db, const char *lane, int64_t n, char *in)
{
	AUTO_ROWS *r = db_rows(db, Q(PICKS_LAST), T(lane), I(n));
	int got, count = 0;

	while ((got = rows_next(r)) > 0)
		in[count++] = (char)rows_int(r, 0);
	return got < 0 ? got : count;
}

static int64_t sum(const char *in, int from, int to)
{
	int64_t n = 0;

	for (int i = from; i < to; i++)
		n += in[i];
	return n;
}

static int is_over(int64_t in, int64_t window, double limit)
{
	return limit >= 0 && (double)in / (double)window > limit + 1e-9;
}

/* In how many of the windows that ended at one of the last WINDOW claims was the limit exceeded? */
static int times_over(const char *in, int n, int64_t window, double limit)
{
	int times = 0;

	for (int from = 0; from < window && from < n; from++) {
		int to = from + (int)window;

		times += is_over(sum(in, from, to < n ? to : n), window, limit);
	}
	return times;
}

/* Is there a task that can be had in another lane, one that may grow? 1, 0, -errno. */
static int is_supply_elsewhere(struct db *db, const char *name, int64_t window, int64_t wall)
{
	AUTO_ROWS *r = db_rows(db, Q(LANES_OFFERED), I(1));
	int found = 0;

	while (!found && rows_next(r) > 0) {
		const char *other = rows_text(r, 0);
		struct lane lane;
		int got;

		if (strcmp(other, name) == 0)
			continue;
		got = read_lane_named(db, other, wall, &lane);
		if (got < 0)
			return got;
		found = !lane_is_full(&lane) && strcmp(lane.kind, "standing") != 0 &&
			!is_over(db_get(db, 0, Q(PICKS_IN), T(other), I(window - 1)) + 1, window,
				 lane.share_limit);
	}
	return found ? 1 : db_error(db);
}

int64_t share_window(struct db *db)
{
	double n = field_number(db, THING_CONTROL, 0, "select.window");

	return n < 1 ? 1 : (int64_t)n;
}

int share_of(struct db *db, const struct lane *lane, int64_t session, int64_t wall, int64_t window,
	     struct share *out)
{
	char in[2 * WINDOW_MAX] = { 0 };
	int got, n;

	*out = (struct share){ .window = window };
	if (lane->share_limit < 0) {
		out->in = db_get(db, 0, Q(PICKS_IN), T(lane->name), I(window));
		return db_error(db);
	}
	n = read_picks(db, lane->name, 2 * window, in);
	if (n < 0)
		return n;
	out->in = sum(in, 0, n < window ? n : (int)window);
	if (!is_over(sum(in, 0, n < window - 1 ? n : (int)window - 1) + 1, window,
		     lane->share_limit))
		return db_error(db);
	if (session && db_get(db, 0, Q(PICK_OF), I(session), T(lane->name)))
		return db_error(db); /* it is in the lane already */
	got = is_supply_elsewhere(db, lane->name, window, wall);
	if (got > 0)
		out->guard = times_over(in, n, window, lane->share_limit) * OFTEN > window ?
				     SHARE_DEMUR :
				     SHARE_REFUSE;
	return got < 0 ? got : db_error(db);
}
