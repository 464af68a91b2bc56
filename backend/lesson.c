#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "backend/clean.h"
#include "backend/field.h"
#include "backend/lesson.h"
#include "backend/text.h"
#include "backend/tx.h"

#define STRATA 64	 /* dropouts that are told apart */
#define NAMED 5		 /* keywords that are named as too broad, at most */
#define NORMAL 1.9599640 /* of the normal distribution: 2.5 % lie above */

const char *const lesson_words[] = { "keep", "narrow", "silent", "prune", "unknown" };

/* --- when a session writes what it is about to do --- */

int lesson_is_held(uint64_t seed, int64_t lesson, int64_t share)
{
	uint64_t z = seed + (uint64_t)lesson * 0x9e3779b97f4a7c15u;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u; /* splitmix64 */
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	z ^= z >> 31;
	return (double)(z >> 11) * LESSON_SHARES < (double)share * 9007199254740992.0; /* 2^53 */
}

double lesson_rarity(int64_t heard, int64_t contexts)
{
	return log2((double)(contexts + 2) / (double)(heard + 1));
}

/* --- statistics --- */

static double mean_of(const struct lesson_sum *s)
{
	return s->n ? (double)s->sum / (double)s->n / LESSON_UNIT : 0;
}

/* The variance of one grade; of the whole numbers, so that nothing cancels. */
static double variance_of(const struct lesson_sum *s)
{
	double n = (double)s->n, mean = (double)s->sum / n;
	double v = ((double)s->squares - mean * (double)s->sum) / (n - 1);

	return v > 0 ? v / LESSON_UNIT / LESSON_UNIT : 0;
}

/*
 * 97.5 % of Student's t with NU degrees of freedom lie below this: Cornish and Fisher's expansion,
 * below 3 the value of the whole number, which is wider.
 */
static double student(double nu)
{
	double z = NORMAL, z2 = z * z, t = z;

	if (nu < 3)
		return nu < 2 ? 12.7062 : 4.3027;
	t += z * (z2 + 1) / (4 * nu);
	t += z * ((5 * z2 + 16) * z2 + 3) / (96 * nu * nu);
	t += z * (((3 * z2 + 19) * z2 + 17) * z2 - 15) / (384 * nu * nu * nu);
	t += z * ((((79 * z2 + 776) * z2 + 1482) * z2 - 1920) * z2 - 945) /
	     (92160 * nu * nu * nu * nu);
	return t;
}

/* Added up over the pairs. */
struct welch {
	double weight, value, variance, freedom;
};

static void welch_add(struct welch *w, const struct lesson_pair *p)
{
	double a = (double)p->with.n, b = (double)p->without.n, weight = a * b / (a + b);
	double va = variance_of(&p->with) / a, vb = variance_of(&p->without) / b;

	w->weight += weight;
	w->value += weight * (mean_of(&p->with) - mean_of(&p->without));
	w->variance += weight * weight * (va + vb);
	w->freedom += pow(weight, 4) * (va * va / (a - 1) + vb * vb / (b - 1));
}

static void sum_add(struct lesson_sum *to, const struct lesson_sum *s)
{
	to->n += s->n;
	to->sum += s->sum;
	to->squares += s->squares;
}

void lesson_compare(const struct lesson_pair *pairs, int n, struct lesson_effect *out)
{
	struct welch w = { 0 };
	struct lesson_pair all = { { 0 }, { 0 } };
	double half;

	for (int i = 0; i < n; i++) {
		sum_add(&all.with, &pairs[i].with);
		sum_add(&all.without, &pairs[i].without);
		if (pairs[i].with.n > 1 && pairs[i].without.n > 1)
			welch_add(&w, &pairs[i]);
	}
	*out = (struct lesson_effect){ .with = all.with.n,
				       .without = all.without.n,
				       .mean_with = mean_of(&all.with),
				       .mean_without = mean_of(&all.without) };
	if (w.weight <= 0)
		return;
	half = w.freedom > 0 ? student(w.variance * w.variance / w.freedom) * sqrt(w.variance) : 0;
	out->known = 1;
	out->value = w.value / w.weight;
	out->low = out->value - half / w.weight;
	out->high = out->value + half / w.weight;
}

/* --- the store --- */

int lesson_settings(struct db *db, struct lesson_settings *out)
{
	out->window = (int64_t)field_number(db, THING_CONTROL, 0, "lessons.window");
	out->sample = (int64_t)field_number(db, THING_CONTROL, 0, "lessons.sample");
	out->broad = field_number(db, THING_CONTROL, 0, "lessons.broad");
	out->harm = field_number(db, THING_CONTROL, 0, "lessons.harm");
	return db_error(db);
}

/* The row of the lesson: 1, 0 (never active) or -errno; *FIRST and *SINCE are numbers of contexts. */
static int read_row(struct db *db, int64_t lesson, int64_t *first, int64_t *since,
		    struct lesson_uses *out)
{
	AUTO_ROWS *r = db_rows(db, Q(LESSON_ROW), I(lesson));
	int got = rows_next(r);

	*first = *since = 0;
	if (got <= 0)
		return got;
	*first = rows_int(r, 0);
	*since = rows_int(r, 1);
	out->fired = rows_int(r, 2);
	out->held = rows_int(r, 3);
	out->last = rows_int(r, 4);
	return 1;
}

int lesson_uses(struct db *db, int64_t lesson, const struct lesson_settings *set,
		struct lesson_uses *out)
{
	int64_t last = db_get(db, 0, Q(CONTEXT_LAST)), first, since;
	int got;

	*out = (struct lesson_uses){ 0 };
	got = read_row(db, lesson, &first, &since, out);
	if (got <= 0)
		return got;
	out->sessions = last - first;
	out->window = last - since < set->window ? last - since : set->window;
	out->recent = db_get(db, 0, Q(FIRINGS_SINCE), I(lesson), I(last - out->window));
	return db_error(db);
}

static int row_sum(struct rows *r, int col, struct lesson_sum *out)
{
	*out = (struct lesson_sum){ rows_int(r, col), rows_int(r, col + 1), rows_int(r, col + 2) };
	return 0;
}

/* The grades of all sessions with a context since the lesson was first active. */
static int read_others(struct db *db, int64_t first, struct lesson_sum *out)
{
	int64_t block = first / LESSON_BLOCK;
	AUTO_ROWS *r = db_rows(db, Q(CONTEXT_SUMS), I(block));
	struct lesson_sum rest;
	int got = rows_next(r);

	if (got > 0)
		(void)row_sum(r, 0, out);
	rows_end(&r);
	r = db_rows(db, Q(CONTEXT_SUM_BETWEEN), I(first), I((block + 1) * LESSON_BLOCK));
	if (got > 0)
		got = rows_next(r);
	if (got > 0) {
		(void)row_sum(r, 0, &rest);
		sum_add(out, &rest);
	}
	return got < 0 ? got : 0;
}

int lesson_observed(struct db *db, int64_t lesson, struct lesson_effect *out)
{
	AUTO_ROWS *r = NULL;
	struct lesson_pair pair = { { 0 }, { 0 } };
	struct lesson_uses uses;
	int64_t first, since;
	int got = read_row(db, lesson, &first, &since, &uses);

	*out = (struct lesson_effect){ 0 };
	if (got <= 0)
		return got;
	got = read_others(db, first, &pair.without);
	if (got)
		return got;
	r = db_rows(db, Q(EFFECT_FIRED), I(lesson));
	got = rows_next(r);
	if (got > 0)
		(void)row_sum(r, 0, &pair.with);
	pair.without.n -= pair.with.n;
	pair.without.sum -= pair.with.sum;
	pair.without.squares -= pair.with.squares;
	lesson_compare(&pair, 1, out);
	return got < 0 ? got : 0;
}

int lesson_randomised(struct db *db, int64_t lesson, struct lesson_effect *out)
{
	AUTO_ROWS *r = db_rows(db, Q(EFFECT_DRAWN), I(lesson));
	struct lesson_pair pairs[STRATA];
	int64_t share = 0;
	int got, n = 0;

	while ((got = rows_next(r)) > 0) {
		if (!n || rows_int(r, 0) != share) {
			if (n == STRATA)
				break;
			share = rows_int(r, 0);
			pairs[n++] = (struct lesson_pair){ { 0 }, { 0 } };
		}
		(void)row_sum(r, 2, rows_int(r, 1) ? &pairs[n - 1].without : &pairs[n - 1].with);
	}
	lesson_compare(pairs, n, out);
	return got < 0 ? got : 0;
}

/* --- the verdict --- */

/* What is looked at for a verdict. */
struct judging {
	struct db *db;
	int64_t lesson;
	const struct lesson_settings *set;
	int brief;
	struct buf *why;
	struct lesson_uses uses;
	struct lesson_effect effect;
	int enough; /* of both groups */
};

static int is_enough(const struct judging *j, const struct lesson_effect *e)
{
	return e->known && e->with >= j->set->sample && e->without >= j->set->sample;
}

static void say_effect(const struct judging *j, const char *what, const struct lesson_effect *e)
{
	buf_printf(j->why,
		   "%s effect %+.4f, 95 %% within %+.4f and %+.4f, of %lld and %lld sessions", what,
		   e->value, e->low, e->high, (long long)e->with, (long long)e->without);
}

struct count {
	const char *keyword;
	int64_t n;
};

/* More sessions first, then by name. */
static int compare_counts(const void *a, const void *b)
{
	const struct count *x = a, *y = b;

	return x->n != y->n ? (x->n < y->n) - (x->n > y->n) : strcmp(x->keyword, y->keyword);
}

/* In how many of the last sessions each keyword stood, into COUNTS, an object. 0 or -errno. */
static int count_keywords(const struct judging *j, json_t *counts)
{
	AUTO_ROWS *r = db_rows(j->db, Q(FIRING_KEYWORDS), I(j->lesson),
			       I(db_get(j->db, 0, Q(CONTEXT_LAST)) - j->uses.window));
	const char *line;
	size_t len;
	int got, err = 0;

	while (!err && (got = rows_next(r)) > 0) {
		struct lines l = { rows_text(r, 0), rows_text(r, 0) + rows_bytes(r, 0) };

		while (!err && lines_next(&l, &line, &len)) {
			json_int_t n = json_integer_value(json_object_getn(counts, line, len));

			err = json_object_setn_new(counts, line, len, json_integer(n + 1));
		}
	}
	return err ? -ENOMEM : got < 0 ? got : 0;
}

/* Of these N, in order: those that are too broad by themselves; else the three that matched most often. */
static void say_counts(const struct judging *j, const struct count *counts, size_t n)
{
	double most = j->set->broad * (double)j->uses.window;

	for (size_t i = 0; i < n; i++)
		if (i < 3 || (i < NAMED && (double)counts[i].n > most))
			buf_printf(j->why, "%s \"%s\" %lld", i ? "," : ":", counts[i].keyword,
				   (long long)counts[i].n);
}

static int say_keywords(const struct judging *j)
{
	json_t *all = json_object(), *v;
	int err = all ? count_keywords(j, all) : -ENOMEM;
	AUTO_FREE struct count *counts =
		tx_allocated(calloc(json_object_size(all) + 1, sizeof(*counts)));
	const char *keyword;
	size_t n = 0;

	if (!err && !counts)
		err = -ENOMEM;
	if (!err) {
		json_object_foreach(all, keyword, v)
			counts[n++] = (struct count){ keyword, json_integer_value(v) };
		qsort(counts, n, sizeof(*counts), compare_counts);
		say_counts(j, counts, n);
	}
	json_decref(all);
	return err;
}

static int say_broad(const struct judging *j)
{
	buf_printf(
		j->why,
		"matched in %lld of the last %lld sessions with a context, more than a share of %.2f",
		(long long)j->uses.recent, (long long)j->uses.window, j->set->broad);
	return j->brief ? 0 : say_keywords(j);
}

/* Nothing is wrong with it by what was drawn, or nothing was drawn. */
static enum lesson_verdict judge_effect(struct judging *j)
{
	struct lesson_effect *e = &j->effect;

	if (j->enough) {
		say_effect(j, "randomised", e);
		buf_str(j->why, e->low > 0 ? ": it helps" : ": no harm is seen");
		return LESSON_KEEP;
	}
	if (!j->brief && is_enough(j, e)) {
		say_effect(j, "observed", e);
		if (e->high >= j->set->harm)
			return LESSON_KEEP;
		buf_str(j->why, ": that may be what it is given for; only control/lessons/dropout "
				"tells whether it is the lesson");
		return LESSON_UNKNOWN;
	}
	buf_printf(j->why, "fewer than %lld sessions with a grade to compare",
		   (long long)j->set->sample);
	return LESSON_UNKNOWN;
}

static int judge_uses(struct judging *j, enum lesson_verdict *out)
{
	const struct lesson_uses *u = &j->uses;

	if (u->window >= j->set->sample && (double)u->recent > j->set->broad * (double)u->window) {
		*out = LESSON_NARROW;
		return say_broad(j);
	}
	if (u->window >= j->set->window && !u->recent) {
		*out = LESSON_SILENT;
		buf_printf(j->why, "matched in none of the last %lld sessions with a context",
			   (long long)u->window);
		return 0;
	}
	*out = judge_effect(j);
	return 0;
}

/* The randomised effect, when it is of enough sessions, else what was observed. */
static int look_effect(struct judging *j)
{
	int err = lesson_randomised(j->db, j->lesson, &j->effect);

	j->enough = !err && is_enough(j, &j->effect);
	if (!err && !j->enough && !j->brief)
		err = lesson_observed(j->db, j->lesson, &j->effect);
	return err;
}

int lesson_judge(struct db *db, int64_t lesson, const struct lesson_settings *set, int brief,
		 enum lesson_verdict *out, struct buf *why)
{
	struct judging j = { .db = db, .lesson = lesson, .set = set, .brief = brief, .why = why };
	int err = lesson_uses(db, lesson, set, &j.uses);

	if (!err)
		err = look_effect(&j);
	if (err)
		return err;
	if (!j.enough || j.effect.high >= set->harm)
		err = judge_uses(&j, out);
	else {
		*out = LESSON_PRUNE;
		say_effect(&j, "randomised", &j.effect);
	}
	return err ? err : db_error(db);
}
