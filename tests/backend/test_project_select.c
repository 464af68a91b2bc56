/* What events mean for how lanes did and who took what. */
#include <math.h>
#include <stdio.h>

#include "tests/lib/choosing.h"

static struct fixture f;
static int64_t judge;

static void setup(void)
{
	choosing_open(&f);
	choosing_grade_by_trajectory(&f);
	judge = fixture_session(&f, "judge");
	(void)choosing_task(&f, "A", NULL, "a");
	(void)choosing_task(&f, "B", NULL, "b");
	(void)choosing_task(&f, "C", NULL, NULL);
}

static void teardown(void)
{
	assert_sound(&f);
	fixture_close(&f);
}

TestSuite(project_select, .init = setup, .fini = teardown);

#define assert_near(is, v)                                              \
	do {                                                            \
		double is_ = (is);                                      \
		cr_assert_float_eq(is_, (v), 1e-9, "it is %.12g", is_); \
	} while (0)

Test(project_select, an_outcome_counts_in_each_lane_the_session_took_a_task_of)
{
	int64_t s = fixture_session(&f, "s");

	(void)fixture_hold(&f, s, "A");
	(void)fixture_hold(&f, s, "C");
	assert_ok(commit(&f, CHANGE_GRADE, .thing = s, .as = judge, .field = "trajectory",
			 .text = "0.6 x\n"));
	assert_ok(commit(&f, CHANGE_END, .as = s, .thing = s));
	cr_assert_eq(choosing_expected(&f, "a").arm.n, 1);
	cr_assert_eq(choosing_expected(&f, "").arm.n, 1);
	cr_assert_eq(choosing_expected(&f, "b").arm.n, 0);
	assert_near(choosing_expected(&f, "a").lifetime, 1.6 / 3);
	assert_near(choosing_expected(&f, "").lifetime, 1.6 / 3);
}

/* By hand: h = 2; outcomes 1 (lane a), 0 (b), 0.5 (a), 1 (b). */
Test(project_select, outcomes_fade_by_half_in_each_half_life_of_outcomes_of_all_lanes)
{
	double w = exp2(-1) + 1, sum = 1 * exp2(-1) + 0.5;
	struct expected e;

	assert_ok(fixture_control(&f, "select.half-life", "2"));
	(void)choosing_live(&f, "s1", "A", judge, "1");
	(void)choosing_live(&f, "s2", "B", judge, "0");
	(void)choosing_live(&f, "s3", "A", judge, "0.5");
	e = choosing_expected(&f, "a");
	assert_near(e.weight, w);
	assert_near(e.lifetime, 2.5 / 4);
	assert_near(e.value, (2 * 2.5 / 4 + sum) / (2 + w));
	(void)choosing_live(&f, "s4", "B", judge, "1");
	e = choosing_expected(&f, "a");
	assert_near(e.weight, w * exp2(-0.5));
	assert_near(e.value, (2 * 2.5 / 4 + sum * exp2(-0.5)) / (2 + w * exp2(-0.5)));
}

Test(project_select, an_outcome_that_is_corrected_is_as_if_it_had_been_so_from_the_first)
{
	struct expected late, e;
	int64_t s;

	assert_ok(fixture_control(&f, "select.half-life", "3"));
	s = choosing_live(&f, "s1", "A", judge, "0");
	(void)choosing_live(&f, "s2", "B", judge, "0.3");
	(void)choosing_live(&f, "s3", "A", judge, "0.4");
	assert_ok(commit(&f, CHANGE_GRADE, .thing = s, .as = judge, .field = "trajectory",
			 .text = "1 after all\n"));
	late = choosing_expected(&f, "a");
	cr_assert_eq(late.arm.n, 2);
	assert_near(late.lifetime, 2.4 / 4);
	assert_near(late.arm.sum, exp2(-2 / 3.0) + 0.4);
	e = choosing_expected(&f, "b");
	assert_near(e.lifetime, 1.3 / 3);
}

Test(project_select, a_lane_that_nobody_enters_falls_back_to_its_lifetime_and_no_further)
{
	struct expected e;
	char name[16];

	assert_ok(fixture_control(&f, "select.half-life", "1"));
	for (int i = 0; i < 20; i++) {
		(void)snprintf(name, sizeof(name), "a%d", i);
		(void)choosing_live(&f, name, "A", judge, i < 10 ? "0" : "1");
	}
	e = choosing_expected(&f, "a");
	assert_near(e.lifetime, 0.5);
	cr_assert_gt(e.value, 0.7);
	for (int i = 0; i < 40; i++) {
		(void)snprintf(name, sizeof(name), "b%d", i);
		(void)choosing_live(&f, name, "B", judge, "1");
		cr_assert_leq(choosing_expected(&f, "a").value, e.value);
		cr_assert_geq(choosing_expected(&f, "a").value, e.lifetime - 1e-9);
		e = choosing_expected(&f, "a");
	}
	cr_assert_float_eq(e.value, e.lifetime, 1e-6);
}

Test(project_select, what_was_taken_without_a_session_is_nobodys_outcome)
{
	assert_ok(commit(&f, CHANGE_LOCK, .name = "A", .pid = 5));
	cr_assert_eq(choosing_expected(&f, "a").arm.n, 0);
}

Test(project_select, the_rank_follows_what_is_set_imported_and_wanted)
{
	const char *issue = "{\"task\":\"I\",\"state\":\"ready\",\"value\":\"4\",\"tags\":[\"x\"],"
			    "\"lane\":\"a\",\"cost\":\"2\"}";

	assert_ok(commit(&f, CHANGE_IMPORT, .text = issue, .operator_ = 1));
	assert_near(choosing_score(&f, 0, "I"), 1);
	choosing_field(&f, THING_GOAL, choosing_thing(&f, THING_GOAL, "x"), "weight", "10");
	assert_near(choosing_score(&f, 0, "I"), 10);
	cr_assert_eq(fixture_restart(&f), 0);
	assert_near(choosing_score(&f, 0, "I"), 10);
}

Test(project_select, a_tag_that_is_named_twice_counts_once_and_goes_with_its_task)
{
	assert_ok(fixture_set(&f, "C", "tags", "x\ny\nx"));
	choosing_field(&f, THING_GOAL, choosing_thing(&f, THING_GOAL, "y"), "weight", "2");
	assert_near(choosing_score(&f, 0, "C"), 1);
	assert_ok(fixture_set(&f, "C", "tags", "\n"));
	assert_near(choosing_score(&f, 0, "C"), 0.5);
}
