/* The lanes that have something ready: what is thought of each, and which are open to the asker. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend/clean.h"
#include "backend/select_impl.h"

/* --- draws that are always the same --- */

/* FNV-1a, and a finish that spreads every bit (splitmix64). */
static uint64_t hash(const char *a, const char *b)
{
	uint64_t h = UINT64_C(0xcbf29ce484222325);

	for (; *a; a++)
		h = (h ^ (unsigned char)*a) * UINT64_C(0x100000001b3);
	for (h = (h ^ 0xff) * UINT64_C(0x100000001b3); *b; b++)
		h = (h ^ (unsigned char)*b) * UINT64_C(0x100000001b3);
	h = (h ^ (h >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	h = (h ^ (h >> 27)) * UINT64_C(0x94d049bb133111eb);
	return h ^ (h >> 31);
}

/* 0 <= x < 1, of a session for a purpose. */
static double draw(const char *session, const char *purpose)
{
	return (double)(hash(session, purpose) >> 11) * 0x1p-53;
}

/* --- lanes --- */

static int add_lane(struct selection *s, const char *name, int offer)
{
	struct select_lane *more =
		reallocarray(s->lanes, s->n_lanes + 1, sizeof(struct select_lane));

	if (!more)
		return -ENOMEM;
	s->lanes = more;
	more[s->n_lanes] = (struct select_lane){ .offer = offer };
	(void)snprintf(more[s->n_lanes].name, NAME_BUFFER, "%s", name);
	s->n_lanes++;
	return 0;
}

static int find_lanes(struct db *db, struct selection *s, int offer)
{
	AUTO_ROWS *r = db_rows(db, Q(LANES_OFFERED), I(offer));
	int err = 0;

	while (!err && rows_next(r) > 0)
		err = add_lane(s, rows_text(r, 0), offer);
	return err ? err : db_error(db);
}

/* Did calm-window see that it is calm, a short while ago? */
static int is_calm(struct db *db, int64_t since)
{
	return db_get(db, 0, Q(CALM_SEEN), I(THING_PROBE), I(since)) != 0;
}

static int look_at_lane(struct db *db, struct selection *s, struct select_lane *l, int calm)
{
	int64_t session = s->session ? s->session->id : 0;
	struct lane lane;
	int err, got = read_lane_named(db, l->name, s->wall, &lane);

	if (got < 0)
		return got;
	err = select_expected(db, &s->set, l->name, &l->expected);
	if (!err)
		err = share_of(db, &lane, session, s->wall, (int64_t)s->set.window, &l->share);
	if (strcmp(lane.kind, "standing") == 0)
		l->shut = "standing: it is always there, and no supply";
	else if (l->offer == 2 && !calm)
		l->shut = "tagged calm, and nobody has seen the machine calm (probes/calm-window)";
	else if (lane_is_full(&lane))
		l->shut = "full: its limit is reached";
	else if (l->share.guard == SHARE_REFUSE)
		l->shut = "has its share, and there is supply elsewhere";
	return err;
}

/* Some sessions take their first task from a lane that is drawn, so that it becomes known how lanes do. */
static void draw_lane(struct db *db, struct selection *s)
{
	size_t open = 0, nth;

	s->drawn = -1;
	if (!s->session || draw(s->session->name, "explore") >= s->set.explore ||
	    db_get(db, 0, Q(PICK_ANY), I(s->session->id)))
		return;
	for (size_t i = 0; i < s->n_lanes; i++)
		open += !s->lanes[i].shut;
	if (open < 2)
		return;
	nth = (size_t)(draw(s->session->name, "lane") * (double)open);
	for (size_t i = 0; i < s->n_lanes && s->drawn < 0; i++)
		if (!s->lanes[i].shut && nth-- == 0)
			s->drawn = (int)i;
}

int select_lanes(struct db *db, struct selection *s)
{
	int err = find_lanes(db, s, 1), calm = 0;
	size_t plain = s->n_lanes;

	if (!err)
		err = find_lanes(db, s, 2);
	if (!err && s->n_lanes > plain)
		calm = is_calm(db, s->wall - (int64_t)s->set.calm);
	for (size_t i = 0; i < s->n_lanes && !err; i++)
		err = look_at_lane(db, s, &s->lanes[i], calm);
	if (!err)
		draw_lane(db, s);
	return err ? err : db_error(db);
}

int select_lane_in(struct db *db, struct selection *s, const char *name, int offer)
{
	int err;

	for (size_t i = 0; i < s->n_lanes; i++)
		if (strcmp(s->lanes[i].name, name) == 0)
			return (int)i;
	err = add_lane(s, name, offer);
	if (!err)
		err = look_at_lane(db, s, &s->lanes[s->n_lanes - 1], 1);
	return err ? err : (int)s->n_lanes - 1;
}
