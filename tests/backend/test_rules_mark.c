/* The whole grade of a session that has ended, kept, and kept true. */
#include <math.h>

#include "backend/tx.h"
#include "tests/lib/choosing.h"
#include "tests/lib/observing.h"

static struct fixture f;
static int64_t s1, judge;

static void setup(void)
{
	choosing_open(&f);
	s1 = fixture_session(&f, "s1");
	judge = fixture_session(&f, "judge");
	(void)choosing_task(&f, "T", NULL, "web");
}

static void teardown(void)
{
	assert_sound(&f);
	fixture_close(&f);
}

TestSuite(rules_mark, .init = setup, .fini = teardown);

static void grade(const char *dimension, const char *text)
{
	assert_ok(commit(&f, CHANGE_GRADE, .thing = s1, .as = judge, .field = dimension,
			 .text = text));
}

static void end(int64_t session)
{
	assert_ok(commit(&f, CHANGE_END, .as = session, .thing = session));
}

/* The mark in the last event of the kind, below 0 when there is none. */
static double mark_in(const char *kind)
{
	json_t *e = fixture_event(&f, kind);
	const char *text = e ? event_text(e, "mark") : "";
	double v = -1;

	if (*text)
		cr_assert_eq(number_parse(text, &v), 0, "%s", text);
	json_decref(e);
	return v;
}

#define assert_mark(kind, v) cr_assert_float_eq(mark_in(kind), (v), 1e-6, "%f", mark_in(kind))

Test(rules_mark, the_end_of_a_session_says_what_it_came_to)
{
	choosing_grade_by_trajectory(&f);
	grade("trajectory", "0.8 sound\n");
	cr_assert_eq(fixture_count(&f, "mark"), 0, "it lives");
	end(s1);
	assert_mark("end", 0.8);
	cr_assert_eq(fixture_count(&f, "mark"), 0);
}

Test(rules_mark, of_whom_nothing_is_known_none_is_made)
{
	choosing_grade_by_trajectory(&f);
	end(s1);
	assert_mark("end", -1);
	cr_assert_eq(choosing_expected(&f, "web").arm.n, 0);
}

Test(rules_mark, a_grade_that_is_written_afterwards_moves_it)
{
	choosing_grade_by_trajectory(&f);
	(void)fixture_hold(&f, s1, "T");
	assert_ok(fixture_release(&f, s1, "T"));
	end(s1);
	grade("trajectory", "0.2 poor\n");
	assert_mark("mark", 0.2);
	cr_assert_float_eq(choosing_expected(&f, "web").arm.total, 0.2, 1e-9);
	grade("trajectory", "0.9 on second thoughts\n");
	assert_mark("mark", 0.9);
	cr_assert_eq(choosing_expected(&f, "web").arm.n, 1);
	cr_assert_float_eq(choosing_expected(&f, "web").arm.total, 0.9, 1e-9);
	grade("trajectory", "0.9 once more\n");
	cr_assert_eq(fixture_count(&f, "mark"), 2, "the same again is no event");
	grade("harm", "0 of no weight\n");
	cr_assert_eq(fixture_count(&f, "mark"), 2);
}

/* s1 commits and ends. */
static void commit_and_end(int64_t repo)
{
	fixture_pass(&f, SECOND);
	assert_ok(observe(&f, repo, .commit = "a1", .session = "s1", .subject = "x", .patch = "p",
			  .paths = "M src/a b1"));
	assert_ok(fixture_control(&f, "grading.harm", "10"));
	end(s1);
}

Test(rules_mark, a_revert_afterwards_moves_it)
{
	int64_t repo = observing_repo(&f, "r");
	double before;
	json_t *undo;

	commit_and_end(repo);
	before = mark_in("end");
	fixture_pass(&f, MINUTE);
	undo = observing_commit(&f, &(const struct seen){ .commit = "c1",
							  .session = "judge",
							  .subject = "Revert \"x\"",
							  .paths = "M src/a b0" });
	(void)json_object_set_new(undo, "reverts", json_pack("[s]", observing_oid("a1")));
	assert_ok(observing_change(&f, repo, json_pack("[o]", undo), NULL));
	cr_assert_eq(fixture_count(&f, "mark"), 1);
	cr_assert_lt(mark_in("mark"), before);
}

Test(rules_mark, an_incident_afterwards_moves_it)
{
	int64_t repo = observing_repo(&f, "r");
	int64_t s2 = fixture_session(&f, "s2");
	double before;

	fixture_pass(&f, SECOND);
	assert_ok(fixture_control(&f, "grading.restraint", "10"));
	(void)fixture_task(&f, "U", "r:src/a");
	(void)fixture_hold(&f, s1, "U");
	assert_refused(fixture_claim(&f, s2, "U"), EBUSY, "held by session s1");
	assert_ok(observe(&f, repo, .commit = "a1", .session = "s1", .subject = "x", .patch = "p",
			  .paths = "M src/a b1"));
	end(s2);
	fixture_pass(&f, MINUTE);
	assert_ok(observe(&f, repo, .commit = "b0", .session = "s2", .paths = "M doc b0"));
	before = mark_in("mark");
	assert_ok(observe(&f, repo, .commit = "b1", .session = "s2", .subject = "x", .patch = "p",
			  .paths = "M src/a b1"));
	cr_assert_eq(fixture_count(&f, "incident"), 1);
	cr_assert_lt(mark_in("mark"), before);
}
