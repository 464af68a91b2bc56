#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend/clean.h"
#include "tests/lib/random.h"
#include "tests/lib/teaching.h"

const char *const teaching_names[PLANTED] = { "helps", "idle", "harms", "broad" };

static const char *const keywords[PLANTED] = { "schema migration\nrollback plan", "lock order",
					       "quick fix", "error\nfile" };

static void must(struct outcome o)
{
	if (!o.err)
		return;
	(void)fprintf(stderr, "teaching: refused: %s", o.why);
	abort();
}

static int64_t add_lesson(const struct teaching *t, const char *name, const char *words)
{
	struct outcome o = commit(t->f, CHANGE_ADD, .of = THING_LESSON, .name = name, .owner = 1);
	char body[256];

	must(o);
	(void)snprintf(body, sizeof(body), "# %s\n\nWhat was learnt of %s.\n", name, name);
	must(commit(t->f, CHANGE_SET, .of = THING_LESSON, .thing = o.id, .field = "keywords",
		    .text = words, .owner = 1));
	must(commit(t->f, CHANGE_SET, .of = THING_LESSON, .thing = o.id, .field = "body",
		    .text = body, .owner = 1));
	must(commit(t->f, CHANGE_SET, .of = THING_LESSON, .thing = o.id, .field = "status",
		    .text = "active", .owner = 1));
	return o.id;
}

/* A judge's grade is the whole. */
static void judge_alone(struct fixture *f)
{
	static const char *const parts[] = { "cascade", "harm", "alignment", "productivity",
					     "restraint" };
	char field[48];

	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		(void)snprintf(field, sizeof(field), "grading.%s", parts[i]);
		must(fixture_control(f, field, "0"));
	}
}

void teaching_begin(struct teaching *t, struct fixture *f, uint64_t seed, int noise,
		    const char *dropout)
{
	char name[64], words[64];

	*t = (struct teaching){ .f = f, .random = seed, .noise = noise };
	f->sim.seed = seed ^ 0x5eed;
	t->judge = fixture_session(f, "judge");
	judge_alone(f);
	must(fixture_control(f, "lease", "1d"));
	must(fixture_control(f, "lessons.dropout", dropout));
	for (int i = 0; i < PLANTED; i++)
		t->lessons[i] = add_lesson(t, teaching_names[i], keywords[i]);
	for (int i = 0; i < noise; i++) {
		(void)snprintf(name, sizeof(name), "noise-%d", i);
		(void)snprintf(words, sizeof(words), "topic%d\ntopic%d again", i, i + 1);
		(void)add_lesson(t, name, words);
	}
}

/* 0 .. 1 */
static double uniform(struct teaching *t)
{
	return (double)(random_next(&t->random) >> 11) / 9007199254740992.0;
}

static int with_probability(struct teaching *t, double p)
{
	return uniform(t) < p;
}

/* What the session is about to do, in words. */
static void write_context(struct teaching *t, int hard, struct buf *out)
{
	buf_str(out, "Today:");
	if (with_probability(t, hard ? 0.6 : 0.1))
		buf_str(out, " write the Schema\nmigration,");
	if (with_probability(t, hard ? 0.6 : 0.1))
		buf_str(out, " mind the lock order,");
	if (with_probability(t, hard ? 0.1 : 0.6))
		buf_str(out, " a quick fix,");
	if (with_probability(t, 0.7))
		buf_str(out, " an error that was seen,");
	if (with_probability(t, 0.3))
		buf_str(out, " in that file,");
	for (int i = 0; i < 8; i++)
		buf_printf(out, " topic%d,", random_below(&t->random, t->noise + 100));
	buf_str(out, " and report.");
}

/* Which of the planted ones are in what the session reads: bits. */
static unsigned given(const struct teaching *t, int64_t session)
{
	AUTO_ROWS *r = NULL;
	unsigned bits = 0;

	if (store_read_begin(t->f->store))
		abort();
	r = db_rows(store_reader(t->f->store), Q(LESSONS_GIVEN), I(session));
	while (rows_next(r) > 0)
		for (int i = 0; i < PLANTED; i++)
			if (strcmp(rows_text(r, 0), teaching_names[i]) == 0)
				bits |= 1u << i;
	rows_end(&r);
	store_read_end(t->f->store);
	return bits;
}

/* Sum of twelve: normal enough. */
static double noise(struct teaching *t)
{
	double sum = -6;

	for (int i = 0; i < 12; i++)
		sum += uniform(t);
	return 0.08 * sum;
}

static void one_session(struct teaching *t, int n)
{
	AUTO_BUF struct buf context = BUF_INIT;
	int hard = with_probability(t, 0.3);
	char name[32], grade[64];
	int64_t session;
	unsigned bits;
	double g;

	(void)snprintf(name, sizeof(name), "s%d", n);
	session = fixture_session(t->f, name);
	write_context(t, hard, &context);
	must(commit(t->f, CHANGE_SET, .of = THING_SESSION, .thing = session, .as = session,
		    .field = "context", .text = buf_text(&context)));
	bits = given(t, session);
	g = 0.7 + (hard ? TEACHING_HARD : 0) + noise(t);
	g += bits >> PLANTED_HELPS & 1 ? TEACHING_HELPS : 0;
	g += bits >> PLANTED_HARMS & 1 ? TEACHING_HARMS : 0;
	must(commit(t->f, CHANGE_END, .thing = session, .as = session));
	(void)snprintf(grade, sizeof(grade), "%.4f as it went\n", fmin(fmax(g, 0), 1));
	must(commit(t->f, CHANGE_GRADE, .thing = session, .as = t->judge, .field = "trajectory",
		    .text = grade));
}

void teaching_run(struct teaching *t, int sessions)
{
	for (int i = 0; i < sessions; i++)
		one_session(t, i);
}

struct taught teaching_look(const struct teaching *t, enum planted which)
{
	AUTO_BUF struct buf why = BUF_INIT;
	struct lesson_settings set;
	struct taught out;
	struct db *db;

	if (store_read_begin(t->f->store))
		abort();
	db = store_reader(t->f->store);
	if (lesson_settings(db, &set) || lesson_observed(db, t->lessons[which], &out.observed) ||
	    lesson_randomised(db, t->lessons[which], &out.randomised) ||
	    lesson_judge(db, t->lessons[which], &set, 0, &out.verdict, &why))
		abort();
	store_read_end(t->f->store);
	(void)snprintf(out.why, sizeof(out.why), "%s", buf_text(&why));
	return out;
}
