#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend/clean.h"
#include "backend/field.h"
#include "backend/fresh.h"
#include "backend/select.h"
#include "backend/text.h"
#include "backend/tx.h"

#define SPARE 4	     /* tasks of a lane looked at beyond the asker's place */
#define LOOK_MAX 512 /* of a lane at most: who is refused all of these is told why */
#define TAKEN_OFF 0.95
#define REFUSED_MAX 64 /* refusals that are looked through */
#define STALE_MAX 64   /* whose base is older than so many of the best must look first */

/* --- what is known of lanes --- */

int select_arm(struct db *db, const char *lane, struct arm *out)
{
	AUTO_ROWS *r = db_rows(db, Q(ARM), T(lane));
	int got = rows_next(r);

	*out = (struct arm){ .n = 0 };
	if (got <= 0)
		return got;
	*out = (struct arm){ rows_int(r, 0), rows_real(r, 1), rows_real(r, 2), rows_real(r, 3),
			     rows_int(r, 4) };
	return 1;
}

int select_reward(struct db *db, int64_t session, const char *lane, struct reward *out)
{
	AUTO_ROWS *r = db_rows(db, Q(REWARD), I(session), T(lane));
	int got = rows_next(r);

	*out = (struct reward){ .idx = 0 };
	if (got <= 0)
		return got;
	*out = (struct reward){ rows_int(r, 0), rows_real(r, 1) };
	return 1;
}

/* --- settings --- */

/* Those that are numbers, and those that are durations (in ms here). */
static const struct {
	const char *name;
	size_t at;
	int is_duration;
} settings[] = {
#define NUMBER(name, member)                                                \
	{                                                                   \
		"select." name, offsetof(struct select_settings, member), 0 \
	}
#define MS(name, member)                                                    \
	{                                                                   \
		"select." name, offsetof(struct select_settings, member), 1 \
	}
	NUMBER("half-life", half_life), NUMBER("explore", explore),
	NUMBER("recency", recency),	MS("recency-half-life", recency_half_life),
	NUMBER("monotony", monotony),	NUMBER("family", family),
	NUMBER("share", share),		NUMBER("window", window),
	MS("asking", asking),		MS("calm", calm),
	MS("refused", refused),
};
#define SETTINGS (sizeof(settings) / sizeof(settings[0]))

static void set(struct select_settings *out, size_t i, const char *text)
{
	int64_t ms = 0;
	double v = 0;

	if (settings[i].is_duration && !duration_parse(text, &ms))
		v = (double)ms;
	else if (settings[i].is_duration || number_parse(text, &v))
		return;
	memcpy((char *)out + settings[i].at, &v, sizeof(v));
}

int select_settings(struct db *db, struct select_settings *out)
{
	AUTO_ROWS *r = db_rows(db, Q(SELECT_SETTINGS));

	*out = (struct select_settings){ .half_life = 1 };
	for (size_t i = 0; i < SETTINGS; i++)
		set(out, i, field_find(THING_CONTROL, settings[i].name)->dflt);
	while (rows_next(r) > 0)
		for (size_t i = 0; i < SETTINGS; i++)
			if (strcmp(settings[i].name, rows_text(r, 0)) == 0)
				set(out, i, rows_text(r, 1));
	return db_error(db);
}

/*
 * The mean of a Beta posterior over faded outcomes, whose prior is what the lane did in its whole
 * life: so a lane that nobody enters falls back to its lifetime's mean, and not to one half.
 */
int select_expected(struct db *db, const struct select_settings *set, const char *lane,
		    struct expected *out)
{
	int64_t now = db_get(db, 0, Q(REWARD_LAST));
	int got = select_arm(db, lane, &out->arm);
	const struct arm *a = &out->arm;
	double fade;

	if (got < 0)
		return got;
	fade = exp2(-(double)(now - a->idx) / set->half_life);
	out->lifetime = (1 + a->total) / (2 + (double)a->n);
	out->weight = a->weight * fade;
	out->value = (2 * out->lifetime + a->sum * fade) / (2 + out->weight);
	return db_error(db);
}

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

/* Some begin with a lane that is drawn, so that it becomes known how lanes do. */
static void draw_lane(struct selection *s)
{
	size_t open = 0, nth;

	s->drawn = -1;
	if (!s->session || draw(s->session->name, "explore") >= s->set.explore)
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

static int look_at_lanes(struct db *db, struct selection *s)
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
		draw_lane(s);
	return err ? err : db_error(db);
}

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

/* N tasks of a lane, the best of them. */
static int read_tasks(struct db *db, struct selection *s, size_t lane, int64_t n)
{
	struct select_lane *l = &s->lanes[lane];
	AUTO_ROWS *r = db_rows(db, Q(NEXT_OF_LANE), I(l->offer), T(l->name), I(n));
	int err = 0;

	l->rows = 0;
	while (!err && rows_next(r) > 0) {
		err = room_for(s);
		if (err)
			break;
		s->list[s->n] = (struct candidate){ .lane = lane };
		fill(r, &s->list[s->n]);
		l->least = s->list[s->n++].worth;
		l->rows++;
	}
	return err ? err : db_error(db);
}

/* What is in work of the family by others: to do its parts at the same time is to get in the way. */
static double redundancy(struct db *db, struct selection *s, const char *family)
{
	int64_t session = s->session ? s->session->id : 0;

	if (!*family)
		return 0;
	if (strcmp(family, s->family) != 0) {
		(void)snprintf(s->family, sizeof(s->family), "%s", family);
		s->is_held = db_get(db, 0, Q(FAMILY_HELD), T(family), I(session)) != 0;
	}
	return s->is_held ? s->set.family : 0;
}

/* What its lane adds, and the sum. */
static void put_score(const struct selection *s, const struct select_lane *l, struct candidate *c)
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
	put_score(s, l, c);
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

/* The best N of each open lane, in order. 1: there may be more. */
static int gather(struct db *db, struct selection *s, int64_t n)
{
	int err = 0, more = 0;

	s->n = 0;
	for (size_t i = 0; i < s->n_lanes && !err; i++) {
		if (s->lanes[i].shut)
			continue;
		err = read_tasks(db, s, i, n);
		more = more || (int64_t)s->lanes[i].rows == n;
	}
	for (size_t i = 0; i < s->n && !err; i++) {
		struct candidate *c = &s->list[i];

		c->first = (int)c->lane == s->drawn;
		score(db, s, &s->lanes[c->lane], c);
	}
	if (s->n)
		qsort(s->list, s->n, sizeof(*s->list), by_score);
	err = err ? err : db_error(db);
	return err ? err : more;
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

/*
 * From the best down, until the asker's place is found, and one behind it. How many are for the
 * asker, at most WANTED.
 */
static int64_t pass_over(struct db *db, struct selection *s, const char *refused, int64_t wanted,
			 int *err)
{
	int64_t open = 0;
	size_t i;

	s->stale = 0;
	for (i = 0; i < s->n && open < wanted && s->stale < STALE_MAX && !*err; i++) {
		s->list[i].shut = why_not(db, s, &s->list[i], refused, err);
		open += !s->list[i].shut;
	}
	s->looked = i;
	return open;
}

/* The NTH of those that are for the asker. */
static const struct candidate *open_at(const struct selection *s, int64_t nth)
{
	for (size_t i = 0; i < s->looked; i++)
		if (!s->list[i].shut && nth-- == 0)
			return &s->list[i];
	return NULL;
}

/* Is there one behind the N of its lane that were looked at which may come before C? */
static int is_hidden(const struct selection *s, int64_t n, const struct candidate *c)
{
	for (size_t i = 0; i < s->n_lanes; i++) {
		const struct select_lane *l = &s->lanes[i];
		struct candidate most = { .worth = l->least, .first = (int)i == s->drawn };

		if (l->shut || (int64_t)l->rows < n)
			continue;
		put_score(s, l, &most);
		if (most.first > c->first || (most.first == c->first && most.score > c->score))
			return 1;
	}
	return 0;
}

static int choose(struct db *db, struct selection *s)
{
	AUTO_BUF struct buf refused = BUF_INIT;
	int err = s->session ? read_refused(db, s, &refused) : 0, more = 1;
	int64_t n = s->place + SPARE, open = 0, wanted = s->place + 2;

	while (!err && more > 0 && s->stale < STALE_MAX) {
		n = n < LOOK_MAX ? n : LOOK_MAX;
		more = gather(db, s, n);
		err = more < 0 ? more : 0;
		open = err ? 0 : pass_over(db, s, buf_text(&refused), wanted, &err);
		if (open == wanted && !is_hidden(s, n, open_at(s, wanted - 1)))
			break;
		more = n < LOOK_MAX ? more : 0;
		n *= 4;
	}
	if (err || !open)
		return err;
	/* where there are fewer tasks than askers they go round */
	s->pick = open_at(s, s->place % open);
	s->runner_up = open > 1 ? open_at(s, (s->place + 1) % open) : NULL;
	return 0;
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

/* Others who hold nothing, came or let go a short while ago, and came before: they ask too. */
static int64_t place_of(struct db *db, const struct selection *s)
{
	int64_t since = s->wall - (int64_t)s->set.asking;

	return s->session && s->set.asking > 0 ?
		       db_get(db, 0, Q(ASKING_BEFORE), I(s->session->id), I(since)) :
		       0;
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
		err = look_at_lanes(db, out);
	out->place = place_of(db, out);
	if (!err)
		err = choose(db, out);
	if (!out->pick)
		out->none = !out->n_lanes ? "nothing is ready that is worth beginning" :
			    !out->n	  ? "no lane with ready tasks is open" :
					    "none of what is ready is for this session";
	return err ? err : db_error(db);
}

/* The lane of NAME and OFFER in the selection, added when it is not there; below 0: -errno. */
static int lane_in(struct db *db, struct selection *s, const char *name, int offer)
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

int select_score(struct db *db, struct selection *s, int64_t task, double *out)
{
	AUTO_ROWS *r = db_rows(db, Q(NEXT_TASK), I(task));
	struct candidate c = { .task = 0 };
	int lane, got = rows_next(r);

	if (got <= 0)
		return got < 0 ? got : -ENOENT;
	fill(r, &c);
	lane = lane_in(db, s, rows_text(r, 5), (int)rows_int(r, 6));
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
