#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend/clean.h"
#include "backend/field.h"
#include "backend/fresh.h"
#include "backend/select_impl.h"
#include "backend/tx.h"

#define SPARE 4	     /* tasks of a lane looked at beyond the asker's place */
#define LOOK_MAX 512 /* of a lane at most: who is refused all of these is told why */
#define TAKEN_OFF 0.95
#define REFUSED_MAX 64 /* refusals that are looked through */
#define STALE_MAX 64   /* whose base is older than so many of the best must look first */

/* --- tasks --- */

static int room_for(struct selection *s)
{
	struct candidate *more;
	size_t room = s->room ? 2 * s->room : 64;

	if (s->n < s->room)
		return 0;
	more = reallocarray(s->list, room, sizeof(struct candidate));
	if (!more)
		return -ENOMEM;
	s->list = more;
	s->room = room;
	return 0;
}

/* The next row of NEXT_OF_LANE or NEXT_TASK: task, name, worth, let go, family. */
static void fill(struct rows *r, struct candidate *c)
{
	c->task = rows_int(r, 0);
	(void)snprintf(c->name, sizeof(c->name), "%s", rows_text(r, 1));
	c->worth = rows_real(r, 2);
	c->recency = (double)rows_int(r, 3);
	(void)snprintf(c->family, sizeof(c->family), "%s", rows_text(r, 4));
}

/* So many of a lane as are wanted, the best of them. */
static int read_tasks(struct db *db, struct selection *s, size_t lane)
{
	struct select_lane *l = &s->lanes[lane];
	AUTO_ROWS *r = db_rows(db, Q(NEXT_OF_LANE), I(l->offer), T(l->name), I(l->want));
	int err = 0;

	l->rows = 0;
	while (!err && rows_next(r) > 0) {
		err = room_for(s);
		if (err)
			break;
		s->list[s->n] = (struct candidate){ .lane = lane };
		fill(r, &s->list[s->n]);
		l->least = s->list[s->n].worth;
		l->last = s->list[s->n++].task;
		l->rows++;
	}
	return err ? err : db_error(db);
}

/* What is in work of the family by others: to do its parts at the same time is to get in the way. */
static double redundancy(struct db *db, struct selection *s, const char *family)
{
	if (!*family)
		return 0;
	if (strcmp(s->family, family) != 0) { /* parts of one thing stand together */
		(void)snprintf(s->family, sizeof(s->family), "%s", family);
		s->is_family_held = db_get(db, 0, Q(FAMILY_HELD), T(family),
					   I(s->session ? s->session->id : 0)) != 0;
	}
	return s->is_family_held ? s->set.family : 0;
}

/* What is taken off because of the lane, and the score that comes of it all. */
static void score_in(const struct selection *s, const struct select_lane *l, struct candidate *c)
{
	double off;

	c->monotony = s->set.monotony * (double)l->share.in / (double)l->share.window;
	c->share = l->share.guard == SHARE_DEMUR ? s->set.share : 0;
	off = fmin(TAKEN_OFF, c->recency + c->monotony + c->redundancy + c->share);
	c->score = l->expected.value * c->worth * (1 - off);
}

static void score(struct db *db, struct selection *s, const struct select_lane *l,
		  struct candidate *c)
{
	double age = fmax(0, (double)s->wall - c->recency);

	c->recency = c->recency > 0 ? s->set.recency * exp2(-age / s->set.recency_half_life) : 0;
	c->redundancy = redundancy(db, s, c->family);
	score_in(s, l, c);
}

/* The drawn lane before all others, then what scores most, then the oldest. */
static int by_score(const void *a, const void *b)
{
	const struct candidate *x = a, *y = b;

	if (x->first != y->first)
		return y->first - x->first;
	if (x->score != y->score)
		return x->score < y->score ? 1 : -1;
	return x->task < y->task ? -1 : x->task > y->task;
}

/* The best of each open lane, in order. */
static int gather(struct db *db, struct selection *s)
{
	int err = 0;

	s->n = s->stale = 0;
	for (size_t i = 0; i < s->n_lanes && !err; i++)
		if (!s->lanes[i].shut)
			err = read_tasks(db, s, i);
	for (size_t i = 0; i < s->n && !err; i++) {
		struct candidate *c = &s->list[i];

		c->first = (int)c->lane == s->drawn;
		score(db, s, &s->lanes[c->lane], c);
	}
	if (s->n)
		qsort(s->list, s->n, sizeof(*s->list), by_score);
	return err ? err : db_error(db);
}

/* --- what is not for the asker --- */

/* What the session was refused of late, a line each. */
static int read_refused(struct db *db, const struct selection *s, struct buf *out)
{
	AUTO_ROWS *r = db_rows(db, Q(REFUSED_SINCE), I(s->session->id),
			       I(s->wall - (int64_t)s->set.refused), I(REFUSED_MAX));

	while (rows_next(r) > 0)
		buf_line(out, "%s", rows_text(r, 0));
	return out->err ? out->err : db_error(db);
}

/* Does one of the lines end, or go on after a blank, with "claims/.../NAME" or "ready/NAME"? */
static int is_refused(const char *lines, const char *name)
{
	size_t n = strlen(name);

	for (const char *at = lines; (at = strstr(at, name)); at += n)
		if (at > lines && at[-1] == '/' && strchr(" \n", at[n]))
			return 1;
	return 0;
}

/* Why C is not for the asker; NULL: it is, or *ERR. */
static const char *why_not(struct db *db, struct selection *s, const struct candidate *c,
			   const char *refused, int *err)
{
	struct grant lost;
	int got;

	if (!s->session)
		return NULL;
	if (is_refused(refused, c->name))
		return "your claim of it was refused a moment ago";
	got = s->has_lost ? read_lost(db, s->session->id, c->name, &lost) : 0;
	if (got > 0)
		return "your session lost it: mv ready/TASK claims/ takes it anew, knowingly";
	if (!got)
		got = s->is_behind ? fresh_is_stale(db, c->task, s->session) : 0;
	if (got < 0)
		*err = got;
	if (got <= 0)
		return NULL;
	s->stale++;
	return "others committed to it since your base: touch base";
}

/* Who looks for what is for it. */
struct search {
	struct db *db;
	struct selection *s;
	const char *refused;
	int err;
};

static int is_open(struct search *q, size_t i)
{
	struct candidate *c = &q->s->list[i];

	if (!c->is_asked && q->s->stale >= STALE_MAX)
		return 0;
	if (!c->is_asked)
		c->shut = why_not(q->db, q->s, c, q->refused, &q->err);
	c->is_asked = 1;
	return !c->shut && !q->err;
}

/* The first open one of FROM .. TO - 1, from the Nth of them on and round; TO: there is none. */
static size_t find_round(struct search *q, size_t from, size_t to, size_t nth)
{
	for (size_t i = 0; i < to - from; i++) {
		size_t at = from + (nth + i) % (to - from);

		if (is_open(q, at))
			return at;
	}
	return to;
}

/*
 * The tasks are dealt out among those who ask: of N the one at place K has the Kth, and when that is
 * not for it the (K + N)th, and so on, so that nobody takes another's. Where there are fewer tasks
 * they go round; so they do in a lane that was drawn. The list's length: there is none.
 */
static size_t find(struct search *q, int more)
{
	const struct selection *s = q->s;
	size_t place = (size_t)s->place, drawn = 0, at;

	while (drawn < s->n && s->list[drawn].first)
		drawn++;
	at = find_round(q, 0, drawn, place);
	if (at < drawn)
		return at;
	for (at = drawn + place; at < s->n; at += (size_t)s->asking)
		if (is_open(q, at))
			return at;
	return more ? s->n : find_round(q, drawn, s->n, place);
}

/* The next open one behind the Ith, and round; NULL: there is no other. */
static const struct candidate *find_other(struct search *q, size_t i)
{
	size_t at = i;

	if (i < q->s->n)
		at = find_round(q, 0, q->s->n, i + 1);
	return at != i && at < q->s->n ? &q->s->list[at] : NULL;
}

static int may_have_more(const struct select_lane *l)
{
	return !l->shut && (int64_t)l->rows == l->want && l->want < LOOK_MAX;
}

/*
 * May one of the lane that was not looked at come before C? A lane is read from what is worth most
 * down, but what is taken off of that may leave it behind what follows.
 */
static int is_better_unseen(const struct selection *s, const struct select_lane *l,
			    const struct candidate *c)
{
	struct candidate next = { .worth = l->least, .task = l->last + 1 };

	next.first = l - s->lanes == s->drawn;
	score_in(s, l, &next);
	return by_score(&next, c) < 0;
}

/* Look at more where that may change the choice. 0: nowhere. */
static int want_more(struct selection *s)
{
	const struct candidate *last = s->pick && s->runner_up ? s->pick : NULL;
	int more = 0;

	for (size_t i = 0; i < s->n_lanes && s->stale < STALE_MAX; i++) {
		struct select_lane *l = &s->lanes[i];

		if (!may_have_more(l) || (last && !is_better_unseen(s, l, last)))
			continue;
		l->want = 4 * l->want < LOOK_MAX ? 4 * l->want : LOOK_MAX;
		more = 1;
	}
	return more;
}

/* For a start; of a lane that was drawn as many as there may be before the asker. */
static void want_some(struct selection *s)
{
	int64_t each = SPARE + (s->n_lanes ? s->place / (int64_t)s->n_lanes : 0);

	for (size_t i = 0; i < s->n_lanes; i++) {
		int64_t n = (int)i == s->drawn ? SPARE + s->place : each;

		s->lanes[i].want = n < LOOK_MAX ? n : LOOK_MAX;
	}
}

/* Among what is wanted of each lane. */
static int choose_of(struct search *q)
{
	struct selection *s = q->s;
	int err = gather(q->db, s), more = 0;
	size_t at;

	if (err)
		return err;
	for (size_t i = 0; i < s->n_lanes; i++)
		more = more || may_have_more(&s->lanes[i]);
	at = find(q, more);
	s->pick = at < s->n ? &s->list[at] : NULL;
	s->runner_up = find_other(q, at);
	return q->err;
}

static int choose(struct db *db, struct selection *s)
{
	AUTO_BUF struct buf refused = BUF_INIT;
	int err = s->session ? read_refused(db, s, &refused) : 0;
	struct search q = { db, s, buf_text(&refused), 0 };

	want_some(s);
	do
		err = err ? err : choose_of(&q);
	while (!err && want_more(s));
	return err;
}

/* --- who may have anything at all --- */

/* Why there is nothing for the asker, whatever is ready; NULL: there may be. */
static const char *why_nothing(struct db *db, const struct session *s)
{
	AUTO_FREE char *estop = tx_attr(db, 0, "estop");

	if (estop)
		return "the board is closed: control/estop";
	if (!s)
		return NULL;
	if (s->ended)
		return "the session has ended";
	if (db_get(db, 0, Q(CLAIMS_OF_SESSION), I(s->id)) >= read_limit(db, LIMIT_SESSION_CLAIMS))
		return "the session holds as many claims as it may: control/limits session-claims";
	if (db_get(db, 0, Q(CLAIMS_OF_UID), I(s->uid)) >= read_limit(db, LIMIT_UID_CLAIMS))
		return "the uid holds as many claims as it may: control/limits uid-claims";
	return NULL;
}

/* Others who hold nothing, and came or let go a short while ago, ask too; some came before. */
static void find_place(struct db *db, struct selection *s)
{
	int64_t since = s->wall - (int64_t)s->set.asking;
	AUTO_ROWS *r = NULL;

	s->asking = 1;
	if (!s->session || s->set.asking <= 0)
		return;
	r = db_rows(db, Q(ASKING), I(s->session->id), I(since));
	if (rows_next(r) <= 0)
		return;
	s->place = rows_int(r, 0);
	s->asking += rows_int(r, 1);
}

/* What of the session's own past matters; mostly nothing does. */
static int look_at_session(struct db *db, struct selection *s)
{
	AUTO_FREE char *mode = NULL;
	int got;

	if (!s->session)
		return 0;
	s->has_lost = db_get(db, 0, Q(LOST_ANY), I(s->session->id)) != 0;
	got = fresh_any(db, s->session);
	if (got <= 0)
		return got;
	mode = field_value(db, THING_CONTROL, 0, "freshness");
	s->is_behind = mode && strcmp(mode, "off") != 0;
	return mode ? 0 : -ENOMEM;
}

int select_next(struct db *db, const struct session *session, int64_t wall, struct selection *out)
{
	int err;

	*out = (struct selection){ .session = session, .wall = wall, .drawn = -1 };
	err = select_settings(db, &out->set);
	out->none = err ? NULL : why_nothing(db, session);
	if (err || out->none)
		return err;
	err = look_at_session(db, out);
	if (!err)
		err = select_lanes(db, out);
	find_place(db, out);
	if (!err)
		err = choose(db, out);
	if (!out->pick)
		out->none = !out->n_lanes ? "nothing is ready that is worth beginning" :
			    !out->n	  ? "no lane with ready tasks is open" :
					    "none of what is ready is for this session";
	return err ? err : db_error(db);
}

int select_score(struct db *db, struct selection *s, int64_t task, double *out)
{
	AUTO_ROWS *r = db_rows(db, Q(NEXT_TASK), I(task));
	struct candidate c = { .task = 0 };
	int lane, got = rows_next(r);

	if (got <= 0)
		return got < 0 ? got : -ENOENT;
	fill(r, &c);
	lane = select_lane_in(db, s, rows_text(r, 5), (int)rows_int(r, 6));
	if (lane < 0)
		return lane;
	score(db, s, &s->lanes[lane], &c);
	*out = c.score;
	return db_error(db);
}

void select_release(struct selection *s)
{
	free(s->lanes);
	free(s->list);
	*s = (struct selection){ .drawn = -1 };
}
