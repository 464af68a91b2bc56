/* A choice in words: every term of it, and what was passed over. */
#include <stdio.h>

#include "tests/lib/choosing.h"

static struct fixture f;
static int64_t s1;

static void setup(void)
{
	choosing_open(&f);
	s1 = fixture_session(&f, "s1");
}

static void teardown(void)
{
	assert_sound(&f);
	fixture_close(&f);
}

TestSuite(select_explain, .init = setup, .fini = teardown);

Test(select_explain, each_term_has_a_line)
{
	(void)choosing_task(&f, "big.1", "6", "web");
	(void)choosing_task(&f, "other", "1", NULL);
	assert_ok(fixture_set(&f, "big.1", "readiness", "0.5"));
	assert_ok(fixture_set(&f, "big.1", "cost", "2"));
	assert_ok(fixture_set(&f, "big.1", "tags", "fast"));
	choosing_field(&f, THING_GOAL, choosing_thing(&f, THING_GOAL, "fast"), "weight", "4");
	cr_assert_str_eq(
		choosing_why(&f, s1),
		"task big.1;score 3;lane web expected 0.500: lifetime 0.500 of 0, recent weight 0.0; "
		"0 of the last 20 taken;value 6;readiness 0.5;cost 2;goal fast weight 4;"
		"worth 6: value * readiness / cost * goal;recency -0.000;monotony -0.000;"
		"family -0.000 big;share -0.000;place 0 of 1: so many who hold nothing came before, and ask too;"
		"explore no;runner-up other score 0.5;ready 2;"
		"never-offered 0: epics, standing tasks, a value below 0;blocked 0;held 0;drafts 0;");
}

Test(select_explain, where_there_is_none_it_says_why_and_what_is_there)
{
	(void)fixture_idea(&f, "idea", NULL);
	cr_assert_str_eq(choosing_why(&f, s1),
			 "task -;none nothing is ready that is worth beginning;ready 0;"
			 "never-offered 0: epics, standing tasks, a value below 0;blocked 0;held 0;"
			 "drafts 1;");
}

Test(select_explain, who_explores_is_told_the_lane_and_a_better_runner_up)
{
	int64_t s = 0;

	(void)choosing_task(&f, "A", "9", "a");
	(void)choosing_task(&f, "B", "1", "b");
	assert_ok(fixture_control(&f, "select.explore", "1"));
	assert_ok(fixture_control(&f, "select.asking", "0s"));
	for (int i = 0; i < 50 && strcmp(choosing_drawn(&f, s), "b") != 0; i++) {
		char name[16];

		(void)snprintf(name, sizeof(name), "x%d", i);
		s = fixture_session(&f, name);
	}
	assert_next(&f, s, "B");
	assert_why(&f, s, "explore b;runner-up A score 4.5;");
}
