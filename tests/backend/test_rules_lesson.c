/* Writing a context gives the session its lessons; what became of it follows the grades. */
#include <stdio.h>
#include <stdlib.h>

#include "backend/clean.h"
#include "backend/lesson.h"
#include "backend/tx.h"
#include "tests/lib/check.h"

static struct fixture f;
static int64_t s1, s2;

static void setup(void)
{
	fixture_open(&f);
	s1 = fixture_session(&f, "s1");
	s2 = fixture_session(&f, "s2");
}

static void teardown(void)
{
	assert_sound(&f);
	fixture_close(&f);
}

TestSuite(rules_lesson, .init = setup, .fini = teardown);

#define lesson_set(id, field_, text_)                                                \
	commit(&f, CHANGE_SET, .of = THING_LESSON, .thing = (id), .field = (field_), \
	       .text = (text_))
#define context(session, text_)                                                          \
	commit(&f, CHANGE_SET, .of = THING_SESSION, .thing = (session), .as = (session), \
	       .field = "context", .text = (text_))

static int64_t lesson(const char *name, const char *keywords, const char *body)
{
	struct outcome o = commit(&f, CHANGE_ADD, .of = THING_LESSON, .name = name);

	assert_ok(o);
	assert_ok(lesson_set(o.id, "keywords", keywords));
	assert_ok(lesson_set(o.id, "body", body));
	assert_ok(lesson_set(o.id, "status", "active"));
	return o.id;
}

/* Names of the list KEY of the last context; a + behind those held out. Static. */
static const char *list(const char *key)
{
	static char text[4096];
	json_t *e = fixture_event(&f, "context"), *v;
	size_t i;

	*text = 0;
	json_array_foreach(json_object_get(e, key), i, v) {
		const char *name = json_is_string(v) ? json_string_value(v) :
						       event_text(v, "lesson");
		size_t n = strlen(text);

		(void)snprintf(text + n, sizeof(text) - n, "%s%s%s", i ? " " : "", name,
			       event_int(v, "held") ? "+" : "");
	}
	json_decref(e);
	return text;
}

static struct lesson_uses uses(int64_t id)
{
	struct lesson_settings set;
	struct lesson_uses u;

	cr_assert_eq(store_read_begin(f.store), 0);
	cr_assert_eq(lesson_settings(store_reader(f.store), &set), 0);
	cr_assert_eq(lesson_uses(store_reader(f.store), id, &set, &u), 0);
	store_read_end(f.store);
	return u;
}

static struct lesson_effect effect(int64_t id,
				   int (*which)(struct db *, int64_t, struct lesson_effect *))
{
	struct lesson_effect e;

	cr_assert_eq(store_read_begin(f.store), 0);
	cr_assert_eq(which(store_reader(f.store), id, &e), 0);
	store_read_end(f.store);
	return e;
}

static enum lesson_verdict verdict(int64_t id, struct buf *why)
{
	struct lesson_settings set;
	enum lesson_verdict v = LESSON_KEEP;

	cr_assert_eq(store_read_begin(f.store), 0);
	cr_assert_eq(lesson_settings(store_reader(f.store), &set), 0);
	cr_assert_eq(lesson_judge(store_reader(f.store), id, &set, 0, &v, why), 0);
	store_read_end(f.store);
	return v;
}

/* --- which are given --- */

Test(rules_lesson, active_ones_that_match_are_given_the_best_first)
{
	(void)lesson("one", "alpha", "# One");
	(void)lesson("two", "alpha\nbeta", "# Two");
	(void)lesson("none", "gamma", "# None");
	cr_assert_eq(lesson_set(lesson("old", "alpha", "# Old"), "status", "archived").err, 0);
	assert_ok(context(s1, "Alpha, then BETA"));
	cr_assert_str_eq(list("fired"), "two one");
	cr_assert_str_eq(list("heard"), "alpha beta");
	cr_assert_str_eq(fixture_field(&f, s1, "context"), "Alpha, then BETA");
}

Test(rules_lesson, a_rare_keyword_counts_more_than_a_common_one)
{
	(void)lesson("common", "alpha", "# C");
	(void)lesson("rare", "beta", "# R");
	for (int i = 0; i < 5; i++)
		assert_ok(context(s1, "alpha"));
	assert_ok(context(s2, "alpha and beta"));
	cr_assert_str_eq(list("fired"), "rare common");
}

Test(rules_lesson, what_does_not_fit_is_left_out_but_never_the_best)
{
	char *big = malloc(3001);

	memset(big, 'x', 3000);
	big[3000] = 0;
	assert_ok(fixture_control(&f, "lessons.budget", "1024"));
	(void)lesson("best", "alpha\nbeta", big);
	(void)lesson("small", "alpha", "# S");
	assert_ok(context(s1, "alpha beta"));
	cr_assert_str_eq(list("fired"), "best");
	cr_assert_str_eq(list("left_out"), "small");
	assert_ok(fixture_control(&f, "lessons.budget", "4096"));
	assert_ok(context(s1, "alpha beta"));
	cr_assert_str_eq(list("fired"), "best small");
	free(big);
}

Test(rules_lesson, another_session_or_an_ended_one_writes_no_context)
{
	assert_refused(commit(&f, CHANGE_SET, .of = THING_SESSION, .thing = s1, .as = s2,
			      .field = "context", .text = "x"),
		       EPERM, "");
	assert_ok(commit(&f, CHANGE_END, .thing = s1, .as = s1));
	assert_refused(context(s1, "x"), ESTALE, "has ended");
	cr_assert_eq(fixture_count(&f, "context"), 0);
}

Test(rules_lesson, an_emptied_context_gives_nothing)
{
	int64_t id = lesson("one", "alpha", "# One");

	assert_ok(context(s1, "\n"));
	cr_assert_eq(fixture_count(&f, "context"), 0);
	assert_ok(context(s1, "alpha"));
	assert_ok(context(s1, "\n"));
	cr_assert_str_eq(list("fired"), "");
	cr_assert_str_eq(fixture_field(&f, s1, "context"), "-");
	cr_assert_eq(uses(id).fired, 1);
}

Test(rules_lesson, so_many_keywords_count_and_more_are_refused)
{
	AUTO_BUF struct buf lines = BUF_INIT;
	int64_t id = lesson("a", "x", "# a");

	for (int i = 0; i < LESSON_KEYWORDS; i++)
		buf_printf(&lines, "w%d\n\n", i);
	assert_ok(lesson_set(id, "keywords", buf_text(&lines)));
	buf_str(&lines, "last");
	assert_refused(lesson_set(id, "keywords", buf_text(&lines)), E2BIG, "256 keywords");
	assert_ok(context(s1, "last"));
	cr_expect_str_eq(list("fired"), "");
	assert_ok(context(s1, "w255"));
	cr_expect_str_eq(list("fired"), "a");
}

Test(rules_lesson, keywords_that_can_not_be_found_are_refused)
{
	int64_t id = lesson("one", "alpha", "# One");

	assert_refused(lesson_set(id, "keywords", "good\n*ing"), EINVAL, "a letter or a digit");
	assert_refused(lesson_set(id, "keywords", "++"), EINVAL, "a letter or a digit");
	assert_refused(lesson_set(id, "keywords", "a*b*c*d*e*f"), EINVAL, "4 * at most");
	assert_ok(lesson_set(id, "keywords", "a\n\nb c\nC++"));
}

/* --- what is counted --- */

Test(rules_lesson, fires_in_a_session_once_however_often_its_context_is_written)
{
	int64_t id = lesson("one", "alpha", "# One");

	assert_ok(context(s1, "alpha"));
	assert_ok(context(s1, "alpha"));
	cr_assert_eq(fixture_count(&f, "context"), 2);
	cr_assert_eq(uses(id).fired, 1);
	cr_assert_eq(uses(id).sessions, 1);
	assert_ok(context(s2, "beta"));
	cr_assert_eq(uses(id).fired, 1);
	cr_assert_eq(uses(id).sessions, 2);
	cr_assert_eq(uses(id).recent, 1);
	cr_assert_eq(uses(id).window, 2);
}

Test(rules_lesson, sessions_before_it_was_active_are_not_counted)
{
	int64_t id;

	assert_ok(context(s1, "alpha"));
	id = lesson("late", "alpha", "# Late");
	cr_assert_eq(uses(id).sessions, 0);
	assert_ok(context(s2, "alpha"));
	cr_assert_eq(uses(id).sessions, 1);
	cr_assert_eq(uses(id).fired, 1);
	assert_ok(context(s1, "alpha again")); /* one from before, that is given it after all */
	cr_assert_eq(uses(id).sessions, 2);
	cr_assert_eq(uses(id).fired, 2);
}

Test(rules_lesson, what_was_decided_in_a_session_stays_decided)
{
	char name[16];

	(void)lesson("one", "alpha", "# One");
	assert_ok(fixture_control(&f, "lessons.dropout", "0.5"));
	for (int i = 0; i < 12; i++) {
		AUTO_FREE char *first = NULL;
		int64_t s;

		(void)snprintf(name, sizeof(name), "n%d", i);
		s = fixture_session(&f, name);
		assert_ok(context(s, "alpha"));
		first = strdup(list("fired"));
		for (int k = 0; k < 4; k++) {
			assert_ok(context(s, "alpha once more"));
			cr_assert_str_eq(list("fired"), first);
		}
	}
}

/* So many sessions with the context TEXT, graded VALUE by s1. */
static void many(int n, const char *text, double value, double step)
{
	static int made;
	char name[32], grade[64];

	for (int i = 0; i < n; i++) {
		int64_t s;

		(void)snprintf(name, sizeof(name), "m%d", made++);
		(void)snprintf(grade, sizeof(grade), "%.3f x\n", value + (i % 2 ? step : -step));
		s = fixture_session(&f, name);
		assert_ok(context(s, text));
		assert_ok(commit(&f, CHANGE_END, .thing = s, .as = s));
		assert_ok(commit(&f, CHANGE_GRADE, .thing = s, .as = s1, .field = "trajectory",
				 .text = grade));
	}
}

static void trajectory_alone(void)
{
	static const char *const parts[] = { "cascade", "harm", "alignment", "productivity",
					     "restraint" };
	char field[48];

	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		(void)snprintf(field, sizeof(field), "grading.%s", parts[i]);
		assert_ok(fixture_control(&f, field, "0"));
	}
}

Test(rules_lesson, the_observed_effect_is_the_difference_of_the_means_and_follows_the_grades)
{
	int64_t id = lesson("one", "alpha", "# One");
	struct lesson_effect e;

	trajectory_alone();
	many(4, "alpha", 0.8, 0.1);
	many(6, "beta", 0.5, 0.1);
	e = effect(id, lesson_observed);
	cr_assert_eq(e.with, 4);
	cr_assert_eq(e.without, 6);
	cr_assert_float_eq(e.value, 0.3, 1e-6);
	cr_assert(e.low < 0.3 && e.high > 0.3);
	cr_assert_eq(effect(id, lesson_randomised).with, 0);
	/* one without a context is in neither group */
	assert_ok(commit(&f, CHANGE_GRADE, .thing = fixture_session_now(&f, s2).id, .as = s1,
			 .field = "trajectory", .text = "0 x\n"));
	cr_assert_float_eq(effect(id, lesson_observed).value, 0.3, 1e-6);
}

Test(rules_lesson, a_grade_that_is_said_anew_moves_the_effect)
{
	int64_t id = lesson("one", "alpha", "# One"), s = fixture_session(&f, "late");

	trajectory_alone();
	many(3, "beta", 0.5, 0);
	many(1, "alpha", 0.9, 0);
	assert_ok(context(s, "alpha"));
	assert_ok(commit(&f, CHANGE_END, .thing = s, .as = s));
	cr_assert_eq(effect(id, lesson_observed).with, 1);
	assert_ok(commit(&f, CHANGE_GRADE, .thing = s, .as = s1, .field = "trajectory",
			 .text = "0.7 x\n"));
	cr_assert_float_eq(effect(id, lesson_observed).value, 0.3, 1e-6);
	assert_ok(commit(&f, CHANGE_GRADE, .thing = s, .as = s1, .field = "trajectory",
			 .text = "0.1 x\n"));
	cr_assert_eq(effect(id, lesson_observed).with, 2);
	cr_assert_float_eq(effect(id, lesson_observed).value, 0, 1e-6);
}

/* --- the verdict --- */

Test(rules_lesson, harm_that_is_only_observed_never_prunes)
{
	AUTO_BUF struct buf why = BUF_INIT;
	int64_t id = lesson("one", "alpha", "# One");

	trajectory_alone();
	assert_ok(fixture_control(&f, "lessons.sample", "5"));
	assert_ok(fixture_control(&f, "lessons.broad", "0.9"));
	cr_assert_eq(verdict(id, &why), LESSON_UNKNOWN);
	many(6, "alpha", 0.2, 0.05);
	many(6, "beta", 0.8, 0.05);
	buf_clear(&why);
	cr_assert_eq(verdict(id, &why), LESSON_UNKNOWN, "%s", buf_text(&why));
	cr_assert_not_null(strstr(buf_text(&why), "only control/lessons/dropout"), "%s",
			   buf_text(&why));
}

Test(rules_lesson, one_that_matches_nothing_any_more_is_silent_and_changed_keywords_begin_anew)
{
	AUTO_BUF struct buf why = BUF_INIT;
	int64_t id = lesson("one", "alpha", "# One");

	assert_ok(fixture_control(&f, "lessons.window", "10"));
	assert_ok(fixture_control(&f, "lessons.sample", "5"));
	many(10, "alpha", 0.5, 0.1);
	cr_assert_eq(verdict(id, &why), LESSON_NARROW);
	cr_assert_not_null(strstr(buf_text(&why), "\"alpha\" 10"), "%s", buf_text(&why));
	assert_ok(lesson_set(id, "keywords", "delta"));
	cr_assert_neq(verdict(id, &why), LESSON_NARROW);
	many(9, "alpha", 0.5, 0.1);
	cr_assert_neq(verdict(id, &why), LESSON_SILENT);
	many(1, "alpha", 0.5, 0.1);
	cr_assert_eq(verdict(id, &why), LESSON_SILENT);
}
