/*
 * A session says what it is about to do, and is given the lessons for it. That is the moment at
 * which a lesson fires: reading them changes nothing.
 */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend/clean.h"
#include "backend/field.h"
#include "backend/lesson.h"
#include "backend/match.h"
#include "backend/rules.h"
#include "backend/text.h"

#define HEADING 32 /* bytes of "lesson NAME SCORE: A, B" besides the names, and two newlines */

/* An active lesson. */
struct candidate {
	int64_t id;
	char *name;
	double score;
	size_t first, n; /* its keywords, among all pairs */
};

/* The lessons and their keywords, and what is found in the text. */
struct firing {
	struct tx *tx;
	int64_t session;
	struct matcher *matcher;
	struct candidate *lessons;
	size_t n, room;
	int *pairs; /* numbers of keywords, of each lesson in turn */
	size_t npairs, pairs_room;
	double *rarity; /* of each keyword that was found */
};

/* Room for one more in LIST. 0 or -ENOMEM. */
static int make_room(void *list, size_t n, size_t *room, size_t size)
{
	void *p, *more;

	if (n < *room)
		return 0;
	memcpy(&p, list, sizeof(p));
	more = tx_allocated(realloc(p, (*room ? *room * 2 : 64) * size));
	if (!more)
		return -ENOMEM;
	*room = *room ? *room * 2 : 64;
	memcpy(list, &more, sizeof(more));
	return 0;
}

/* --- which there are --- */

static int add_pair(struct firing *f, int keyword)
{
	int err = make_room(&f->pairs, f->npairs, &f->pairs_room, sizeof(*f->pairs));

	if (!err)
		f->pairs[f->npairs++] = keyword;
	return err;
}

/* The keywords of the last lesson. Lines that are none, or too many (of an older store), match nothing. */
static int add_keywords(struct firing *f, const char *text, size_t n)
{
	struct candidate *c = &f->lessons[f->n - 1];
	struct lines l = { text, text + n };
	const char *line;
	size_t len;
	int err = 0;

	while (!err && f->npairs - c->first < LESSON_KEYWORDS && lines_next(&l, &line, &len)) {
		int k = match_add(f->matcher, line, len), again = 0;

		if (k == -ENOMEM)
			return k;
		for (size_t i = c->first; i < f->npairs; i++)
			again = again || f->pairs[i] == k;
		if (k >= 0 && !again)
			err = add_pair(f, k);
	}
	c->n = f->npairs - c->first;
	return err;
}

static int read_lessons(struct firing *f)
{
	AUTO_ROWS *r = db_rows(f->tx->db, Q(LESSONS_ACTIVE), I(THING_LESSON));
	int got = 0, err = 0;

	while (!err && (got = rows_next(r)) > 0) {
		err = make_room(&f->lessons, f->n, &f->room, sizeof(*f->lessons));
		if (err)
			break;
		f->lessons[f->n++] =
			(struct candidate){ .id = rows_int(r, 0),
					    .name = tx_allocated(strdup(rows_text(r, 1))),
					    .first = f->npairs };
		err = add_keywords(f, rows_text(r, 2), rows_bytes(r, 2));
	}
	return err ? err : got < 0 ? got : 0;
}

/* --- which match, how well --- */

/* How much each keyword says that stands in the text: the rarer it was so far, the more. */
static int weigh_keywords(struct firing *f)
{
	int n = match_count(f->matcher);
	int64_t contexts = db_get(f->tx->db, 0, Q(KEYWORD_HEARD), T(""));

	f->rarity = tx_allocated(calloc((size_t)n + 1, sizeof(*f->rarity)));
	if (!f->rarity)
		return -ENOMEM;
	for (int k = 0; k < n; k++)
		if (match_found(f->matcher, k))
			f->rarity[k] = lesson_rarity(db_get(f->tx->db, 0, Q(KEYWORD_HEARD),
							    T(match_text(f->matcher, k))),
						     contexts);
	return 0;
}

/* The best first; those that match nothing last. */
static int compare(const void *a, const void *b)
{
	const struct candidate *x = a, *y = b;

	return x->score != y->score ? (x->score < y->score) - (x->score > y->score) :
				      strcmp(x->name, y->name);
}

/* To the digits that the event says, so that it bears out the order. */
static double rounded(double score)
{
	return round(score * 1000) / 1000;
}

/* The number of lessons that match, which come first then. */
static size_t rank(struct firing *f)
{
	size_t n = 0;

	for (size_t i = 0; i < f->n; i++) {
		struct candidate *c = &f->lessons[i];
		int matches = 0;

		c->score = 0;
		for (size_t k = c->first; f->pairs && k < c->first + c->n; k++)
			if (match_found(f->matcher, f->pairs[k])) {
				c->score += f->rarity[f->pairs[k]];
				matches = 1;
			}
		c->score = matches ? rounded(c->score) : -1;
		n += (size_t)matches;
	}
	if (f->n)
		qsort(f->lessons, f->n, sizeof(*f->lessons), compare);
	return n;
}

/* So much room the lesson takes where it is given, at most: heading, body, an empty line. */
static int64_t bytes_of(const struct firing *f, const struct candidate *c)
{
	size_t n = strlen(c->name) + HEADING;

	for (size_t k = c->first; k < c->first + c->n; k++)
		if (match_found(f->matcher, f->pairs[k]))
			n += strlen(match_text(f->matcher, f->pairs[k])) + 2;
	return (int64_t)n + db_get(f->tx->db, 0, Q(LESSON_BYTES), I(c->id));
}

/*
 * How many of the N that match fit: the best one always, and no worse one where a better one does
 * not. A coin is thrown for those alone, and the room of one that is held out stays empty: so
 * whether a lesson is given does not hang on the coins of others.
 */
static size_t fit(struct firing *f, size_t n)
{
	int64_t budget = (int64_t)field_number(f->tx->db, THING_CONTROL, 0, "lessons.budget");
	size_t fits = 0;

	for (; fits < n; fits++) {
		budget -= bytes_of(f, &f->lessons[fits]);
		if (fits && budget < 0)
			break;
	}
	return fits;
}

/* --- the event --- */

/* What is decided of a lesson in a session stays decided: one coin, also for several contexts. */
static int decide(const struct firing *f, const struct candidate *c, uint64_t seed, int64_t *share)
{
	AUTO_ROWS *r = db_rows(f->tx->db, Q(FIRING), I(c->id), I(f->session));

	if (rows_next(r) <= 0)
		return lesson_is_held(seed, c->id, *share);
	*share = rows_int(r, 1);
	return (int)rows_int(r, 0);
}

static json_t *fired_json(const struct firing *f, const struct candidate *c, uint64_t seed,
			  int64_t share)
{
	json_t *keywords = json_array();
	char score[32];
	int held = decide(f, c, seed, &share);

	(void)snprintf(score, sizeof(score), "%.3f", c->score);
	for (size_t k = c->first; k < c->first + c->n; k++)
		if (match_found(f->matcher, f->pairs[k]))
			(void)json_array_append_new(
				keywords, json_string(match_text(f->matcher, f->pairs[k])));
	return json_pack("{s:s,s:I,s:s,s:i,s:I,s:o}", "lesson", c->name, "lesson_id",
			 (json_int_t)c->id, "score", score, "held", held, "share",
			 (json_int_t)share, "keywords", keywords);
}

/* fired: what fits; left_out: the names of the others that match; heard: all keywords found. */
static int put_lessons(struct firing *f, json_t *body)
{
	double dropout = field_number(f->tx->db, THING_CONTROL, 0, "lessons.dropout");
	json_t *fired = json_array(), *left_out = json_array(), *heard = json_array();
	size_t n = rank(f), fits = fit(f, n);
	uint64_t seed = 0;
	char text[24];
	int err = f->tx->world->random(f->tx->world, &seed);

	for (size_t i = 0; !err && i < n; i++)
		if (i < fits)
			(void)json_array_append_new(fired,
						    fired_json(f, &f->lessons[i], seed,
							       llround(dropout * LESSON_SHARES)));
		else
			(void)json_array_append_new(left_out, json_string(f->lessons[i].name));
	for (int k = 0; k < match_count(f->matcher); k++)
		if (match_found(f->matcher, k))
			(void)json_array_append_new(heard, json_string(match_text(f->matcher, k)));
	(void)snprintf(text, sizeof(text), "%016llx", (unsigned long long)seed);
	(void)json_object_set_new(body, "seed", json_string(text));
	(void)json_object_set_new(body, "fired", fired);
	(void)json_object_set_new(body, "left_out", left_out);
	(void)json_object_set_new(body, "heard", heard);
	return err;
}

static int look_up(struct firing *f, const char *text, json_t *body)
{
	int err = f->matcher ? read_lessons(f) : -ENOMEM;

	if (!err)
		err = match_find(f->matcher, text, strlen(text));
	if (!err)
		err = weigh_keywords(f);
	return err ? err : put_lessons(f, body);
}

static void firing_free(struct firing *f)
{
	for (size_t i = 0; i < f->n; i++)
		free(f->lessons[i].name);
	free(f->lessons);
	free(f->pairs);
	free(f->rarity);
	match_free(f->matcher);
}

int rules_context(struct tx *tx, const struct session *s, const char *text)
{
	struct firing f = { .tx = tx, .session = s->id, .matcher = match_new() };
	json_t *body = json_pack("{s:s,s:I,s:I,s:I,s:s?}", "session", s->name, "session_id",
				 (json_int_t)s->id, "uid", (json_int_t)tx->actor->uid, "pid",
				 (json_int_t)tx->actor->pid, "text", text);
	int err = body && text ? look_up(&f, text, body) : 0;

	firing_free(&f);
	if (!err)
		err = db_error(tx->db);
	if (!err)
		return tx_emit(tx, "context", body);
	json_decref(body);
	return tx_fail(tx, err);
}
