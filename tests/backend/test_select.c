/* Which task is best for whom: each term of the score, and what is offered to nobody. */
#include <math.h>
#include <stdio.h>

#include "tests/lib/choosing.h"
#include "tests/lib/observing.h"

static struct fixture f;
static int64_t s1;

static void setup(void)
{
	choosing_open(&f);
	assert_ok(fixture_control(&f, "select.asking", "0s")); /* s1 asks alone */
	s1 = fixture_session(&f, "s1");
}

static void teardown(void)
{
	assert_sound(&f);
	fixture_close(&f);
}

TestSuite(select, .init = setup, .fini = teardown);

static void task(const char *name, const char *value)
{
	(void)choosing_task(&f, name, value, NULL);
}

static void set(const char *name, const char *field, const char *text)
{
	assert_ok(fixture_set(&f, name, field, text));
}

#define assert_score(name, v)                                                            \
	do {                                                                             \
		double score_ = choosing_score(&f, s1, (name));                          \
		cr_assert_float_eq(score_, (v), 1e-9, "%s scores %.9g", (name), score_); \
	} while (0)

/* --- what a task is worth --- */

Test(select, of_a_bare_task_half_of_one_is_expected)
{
	task("T", NULL);
	assert_score("T", 0.5);
	assert_next(&f, s1, "T");
	assert_next(&f, 0, "T");
}

Test(select, value_readiness_and_cost_are_a_product)
{
	task("T", "6");
	assert_score("T", 3);
	set("T", "readiness", "0.5");
	assert_score("T", 1.5);
	set("T", "cost", "4");
	assert_score("T", 0.375);
	set("T", "value", "\n");
	assert_score("T", 0.0625);
}

Test(select, a_cost_of_0_is_none_said)
{
	task("T", "6");
	set("T", "cost", "0");
	assert_score("T", 3);
}

Test(select, what_is_not_ready_at_all_comes_last_and_is_offered_still)
{
	task("T", "6");
	set("T", "readiness", "0");
	task("U", "0.001");
	assert_score("T", 0);
	assert_next(&f, s1, "U");
	(void)fixture_hold(&f, s1, "U");
	assert_next(&f, s1, "T");
}

Test(select, of_equals_it_is_the_oldest)
{
	task("B", "2");
	task("A", "2");
	assert_next(&f, s1, "B");
	(void)choosing_thing(&f, THING_LANE, "web");
	set("B", "lane", "web");
	assert_next(&f, s1, "B");
}

Test(select, goals_multiply_by_the_largest_weight)
{
	int64_t goal, more;

	task("T", NULL);
	set("T", "tags", "fast\nquiet");
	assert_score("T", 0.5);
	goal = choosing_thing(&f, THING_GOAL, "fast");
	assert_score("T", 0.5);
	choosing_field(&f, THING_GOAL, goal, "weight", "3");
	assert_score("T", 1.5);
	more = choosing_thing(&f, THING_GOAL, "peace");
	choosing_field(&f, THING_GOAL, more, "weight", "5");
	assert_score("T", 1.5);
	choosing_field(&f, THING_GOAL, more, "tag", "quiet");
	assert_score("T", 2.5);
	assert_why(&f, s1, "goal peace weight 5;");
	assert_ok(commit(&f, CHANGE_REMOVE, .of = THING_GOAL, .name = "peace", .owner = 1));
	assert_score("T", 1.5);
	set("T", "tags", "quiet");
	assert_score("T", 0.5);
	assert_why(&f, s1, "goal 1, none;");
}

Test(select, a_goal_of_weight_0_wants_nothing_of_it)
{
	task("T", "9");
	task("U", "1");
	set("T", "tags", "x");
	choosing_field(&f, THING_GOAL, choosing_thing(&f, THING_GOAL, "x"), "weight", "0");
	assert_next(&f, s1, "U");
}

/* --- what is taken off --- */

Test(select, what_was_given_back_just_now_loses_and_gets_it_back_with_time)
{
	int64_t s2 = fixture_session(&f, "s2");

	task("T", "2");
	(void)fixture_hold(&f, s2, "T");
	assert_ok(fixture_release(&f, s2, "T"));
	assert_ok(fixture_control(&f, "select.monotony", "0"));
	assert_ok(fixture_control(&f, "select.recency-half-life", "5m"));
	assert_score("T", 0.5);
	fixture_pass(&f, 5 * MINUTE);
	assert_score("T", 0.75);
	fixture_pass(&f, 5 * MINUTE);
	assert_score("T", 0.875);
	assert_ok(fixture_control(&f, "select.recency", "0"));
	assert_score("T", 1);
}

Test(select, what_was_lost_loses_as_well_and_what_was_finished_does_not)
{
	int64_t s2 = fixture_session(&f, "s2");

	task("T", "2");
	assert_ok(fixture_control(&f, "select.monotony", "0"));
	(void)fixture_hold(&f, s2, "T");
	assert_ok(fixture_finish(&f, s2, "T"));
	assert_ok(commit(&f, CHANGE_REOPEN, .as = s1, .name = "T"));
	assert_score("T", 1);
	(void)fixture_hold(&f, s2, "T");
	fixture_pass(&f, HOUR + 1);
	cr_assert_eq(fixture_count(&f, "lost"), 1);
	cr_assert_lt(choosing_score(&f, s1, "T"), 0.51);
}

Test(select, what_everybody_takes_loses_in_proportion)
{
	int64_t s2 = fixture_session(&f, "s2");

	task("T", "2");
	task("U", NULL);
	(void)fixture_hold(&f, s2, "U");
	assert_score("T", 0.5 * 2 * (1 - 0.1 * 1 / 20));
	assert_ok(fixture_control(&f, "select.window", "1"));
	assert_score("T", 0.5 * 2 * 0.9);
	set("T", "lane", "web");
	assert_score("T", 1);
}

Test(select, parts_of_what_another_has_in_work_lose)
{
	int64_t s2 = fixture_session(&f, "s2");

	assert_ok(fixture_control(&f, "select.monotony", "0"));
	task("big.1", "2");
	task("big.2", "2");
	task("big.2.1", "2");
	task("other", "2");
	set("other", "tags", "family:big");
	task("bigger", "2");
	(void)fixture_hold(&f, s2, "big.1");
	assert_score("big.2", 0.7);
	assert_score("other", 0.7);
	assert_score("big.2.1", 1);
	assert_score("bigger", 1);
	cr_assert_float_eq(choosing_score(&f, s2, "big.2"), 1, 1e-9, "its own is not another's");
	cr_assert_float_eq(choosing_score(&f, 0, "big.2"), 0.7, 1e-9);
}

Test(select, what_loses_much_does_not_hide_what_is_behind_it)
{
	int64_t s2 = fixture_session(&f, "s2");
	char name[16];

	for (int i = 0; i < 12; i++) {
		(void)snprintf(name, sizeof(name), "big.%d", i);
		task(name, "2");
	}
	task("alone", "1.9");
	(void)fixture_hold(&f, s2, "big.0");
	assert_next(&f, s1, "alone");
}

Test(select, so_it_is_when_everything_before_it_was_given_back)
{
	int64_t s2 = fixture_session(&f, "s2");
	char name[16];

	for (int i = 0; i < 200; i++) {
		(void)snprintf(name, sizeof(name), "t%d", i);
		task(name, "2");
	}
	task("alone", "1.9");
	for (int i = 0; i < 200; i++) {
		(void)snprintf(name, sizeof(name), "t%d", i);
		(void)fixture_hold(&f, s2, name);
		assert_ok(fixture_release(&f, s2, name));
	}
	assert_next(&f, s1, "alone");
}

/* --- what is offered to nobody --- */

Test(select, nothing_but_what_is_ready)
{
	int64_t s2 = fixture_session(&f, "s2");

	cr_assert_str_eq(choosing_none(&f, s1), "nothing is ready that is worth beginning");
	(void)fixture_idea(&f, "idea", NULL);
	task("held", "9");
	task("done", "9");
	task("waits", "9");
	task("overlaps", "9");
	set("held", "artifacts", "src/a");
	set("overlaps", "artifacts", "src");
	set("waits", "needs", "held");
	(void)fixture_hold(&f, s2, "done");
	assert_ok(fixture_finish(&f, s2, "done"));
	(void)fixture_hold(&f, s2, "held");
	assert_next(&f, s1, "-");
	assert_why(&f, s1,
		   "ready 0;never-offered 0: epics, standing tasks, a value below 0;"
		   "blocked 2;held 1;drafts 1;");
	assert_ok(fixture_finish(&f, s2, "held"));
	assert_next(&f, s1, "waits");
}

Test(select, no_epic_nothing_that_is_always_there_nothing_that_does_harm)
{
	task("epic", "9");
	task("standing", "9");
	task("harm", "-1");
	task("probe.x", NULL);
	set("epic", "kind", "epic");
	set("standing", "kind", "standing");
	assert_next(&f, s1, "probe.x");
	(void)fixture_hold(&f, s1, "probe.x");
	assert_next(&f, s1, "-");
	assert_why(&f, s1, "never-offered 3: ");
	set("harm", "value", "0");
	assert_next(&f, s1, "harm");
}

Test(select, what_a_probe_offers_is_offered_though_it_is_always_there)
{
	task("probe.x", NULL);
	set("probe.x", "kind", "standing");
	assert_next(&f, s1, "probe.x");
}

Test(select, nothing_of_a_standing_lane_nor_of_a_full_one)
{
	int64_t lane = choosing_thing(&f, THING_LANE, "web"), s2 = fixture_session(&f, "s2");

	(void)choosing_task(&f, "T", "9", "web");
	(void)choosing_task(&f, "U", "9", "web");
	choosing_field(&f, THING_LANE, lane, "kind", "standing");
	assert_next(&f, s1, "-");
	cr_assert_str_eq(choosing_none(&f, s1), "no lane with ready tasks is open");
	assert_why(&f, s1, "shut lane web: standing: it is always there, and no supply;");
	choosing_field(&f, THING_LANE, lane, "kind", "once");
	choosing_field(&f, THING_LANE, lane, "limit", "1");
	assert_next(&f, s1, "T");
	(void)fixture_hold(&f, s2, "T");
	assert_next(&f, s1, "-");
	assert_why(&f, s1, "shut lane web: full: its limit is reached;");
}

/* The probe calm-window answers. */
static void calm_window(int64_t id, const char *answer, int shadow)
{
	char text[512];

	(void)snprintf(text, sizeof(text),
		       "{\"seq\":0,\"took\":1,\"heads\":{},\"probes\":[{\"probe\":\"calm-window\","
		       "\"probe_id\":%lld,\"answer\":\"%s\",\"detail\":\"-\",\"filed\":1,"
		       "\"shadow\":%s,\"at\":%lld,\"took\":1,\"inputs\":{}}]}",
		       (long long)id, answer, shadow ? "true" : "false", (long long)f.sim.wall);
	assert_ok(commit(&f, CHANGE_JUDGED, .text = text));
}

Test(select, what_wants_it_calm_is_offered_while_it_was_seen_to_be)
{
	int64_t probe = choosing_thing(&f, THING_PROBE, "calm-window");

	task("T", "9");
	set("T", "tags", "calm");
	assert_next(&f, s1, "-");
	assert_why(&f, s1, "shut lane -: tagged calm, and nobody has seen the machine calm");
	calm_window(probe, "supply", 0);
	assert_next(&f, s1, "T");
	fixture_pass(&f, 5 * MINUTE + 1);
	assert_next(&f, s1, "-");
	calm_window(probe, "supply", 0);
	calm_window(probe, "dry", 0);
	assert_next(&f, s1, "-");
	calm_window(probe, "supply", 0);
	choosing_field(&f, THING_PROBE, probe, "enabled", "0");
	assert_next(&f, s1, "-");
}

Test(select, what_was_lost_is_not_offered_to_who_lost_it)
{
	int64_t s2 = fixture_session(&f, "s2");
	char words[32];

	task("T", "9");
	task("U", "1");
	(void)snprintf(words, sizeof(words), "T %lld x", (long long)fixture_hold(&f, s1, "T"));
	assert_ok(commit(&f, CHANGE_BREAK, .text = words, .operator_ = 1));
	assert_next(&f, s1, "U");
	assert_why(&f, s1, "passed T: your session lost it: mv ready/TASK claims/ takes it anew");
	assert_next(&f, s2, "T");
	assert_refused(fixture_claim(&f, s1, "T"), ESTALE, "");
}

Test(select, what_was_refused_a_moment_ago_is_not_offered_to_the_same_session)
{
	int64_t lane = choosing_thing(&f, THING_LANE, "web"), s2 = fixture_session(&f, "s2");

	(void)choosing_task(&f, "T", "9", "web");
	task("T.1", "2");
	task("xT", "1");
	choosing_field(&f, THING_LANE, lane, "limit", "0");
	assert_refused(commit(&f, CHANGE_CLAIM, .as = s1, .name = "T",
			      .op = "claim sessions/s1/claims/T"),
		       EDQUOT, "full");
	choosing_field(&f, THING_LANE, lane, "limit", NULL);
	assert_next(&f, s1, "T.1");
	assert_why(&f, s1, "passed T: your claim of it was refused a moment ago;");
	assert_next(&f, s2, "T");
	fixture_pass(&f, MINUTE + 1);
	assert_next(&f, s1, "T");
	assert_ok(fixture_control(&f, "select.refused", "1h"));
	assert_next(&f, s1, "T.1");
}

Test(select, what_others_have_committed_to_is_not_offered_to_an_old_base)
{
	int64_t repo = observing_repo(&f, "r"), s2;

	task("T", "9");
	set("T", "repo", "r");
	set("T", "artifacts", "src/a.c");
	task("U", "1");
	assert_ok(observe(&f, repo, .commit = "abc", .session = "sx", .paths = "M src/a.c"));
	s2 = fixture_session(&f, "s2");
	assert_next(&f, s1, "U");
	assert_why(&f, s1, "passed T: others committed to it since your base: touch base;");
	assert_next(&f, s2, "T");
	assert_next(&f, 0, "T");
	assert_ok(fixture_control(&f, "freshness", "warn"));
	assert_next(&f, s1, "U");
	assert_ok(fixture_control(&f, "freshness", "off"));
	assert_next(&f, s1, "T");
	assert_ok(fixture_control(&f, "freshness", "refuse"));
	assert_ok(commit(&f, CHANGE_BASE, .as = s1, .thing = s1));
	assert_next(&f, s1, "T");
}

Test(select, who_is_behind_in_all_that_is_best_must_look_first)
{
	int64_t repo = observing_repo(&f, "r");
	char name[16];

	for (int i = 0; i < 64; i++) {
		(void)snprintf(name, sizeof(name), "t%d", i);
		task(name, "9");
		set(name, "repo", "r");
		set(name, "artifacts", "src");
	}
	task("U", "1");
	assert_ok(observe(&f, repo, .commit = "a", .session = "sx", .paths = "M src/a.c"));
	assert_next(&f, s1, "-");
	assert_why(&f, s1, "none none of what is ready is for this session;passed t0: ");
	assert_why(&f, s1,
		   "passed t19: others committed to it since your base: touch base;"
		   "passed 44 more;");
	assert_ok(fixture_set(&f, "t63", "artifacts", "doc"));
	assert_next(&f, s1, "t63");
	assert_ok(fixture_set(&f, "t63", "value", "0"));
	assert_next(&f, s1, "U");
}

Test(select, who_may_have_nothing_is_told_why)
{
	task("T", NULL);
	task("U", NULL);
	assert_ok(fixture_control(&f, "limits", "session-claims 1"));
	(void)fixture_hold(&f, s1, "T");
	cr_assert_str_eq(choosing_none(&f, s1), "the session holds as many claims as it may: "
						"control/limits session-claims");
	assert_why(&f, s1, "task -;none the session holds");
	assert_ok(fixture_control(&f, "limits", "session-claims 9\nuid-claims 1"));
	cr_assert_str_eq(choosing_none(&f, s1),
			 "the uid holds as many claims as it may: control/limits uid-claims");
	cr_assert_str_eq(choosing_none(&f, fixture_session_of(&f, "else", 7)), "-");
	assert_ok(fixture_control(&f, "limits", "uid-claims 9"));
	assert_next(&f, s1, "U");
	assert_ok(commit(&f, CHANGE_SET, .of = THING_CONTROL, .field = "estop", .text = "fire",
			 .operator_ = 1));
	cr_assert_str_eq(choosing_none(&f, s1), "the board is closed: control/estop");
	cr_assert_str_eq(choosing_none(&f, 0), "the board is closed: control/estop");
	assert_ok(commit(&f, CHANGE_SET, .of = THING_CONTROL, .field = "estop", .text = "\n",
			 .operator_ = 1));
	assert_ok(commit(&f, CHANGE_END, .as = s1, .thing = s1));
	cr_assert_str_eq(choosing_none(&f, s1), "the session has ended");
}

/* --- who asks at the same time --- */

static void ask_together(void)
{
	assert_ok(fixture_control(&f, "select.asking", "2m"));
	assert_ok(fixture_control(&f, "select.monotony", "0"));
}

Test(select, of_those_who_ask_at_once_each_is_offered_another)
{
	int64_t s2 = fixture_session(&f, "s2"), s3 = fixture_session(&f, "s3");

	ask_together();
	task("A", "3");
	task("B", "2");
	task("C", "1");
	assert_next(&f, s1, "A");
	assert_next(&f, s2, "B");
	assert_next(&f, s3, "C");
	assert_why(&f, s2, "place 1 of 3: ");
	assert_why(&f, s2, "runner-up C score 0.5;");
	assert_next(&f, 0, "A");
	(void)fixture_hold(&f, s2, "B");
	assert_next(&f, s1, "A");
	assert_next(&f, s3, "C");
	(void)fixture_hold(&f, s1, "A");
	assert_next(&f, s3, "C");
	cr_assert_eq(choosing_place(&f, s3), 0);
}

Test(select, where_there_are_more_askers_than_tasks_they_go_round)
{
	int64_t s2 = fixture_session(&f, "s2"), s3 = fixture_session(&f, "s3");

	ask_together();
	task("A", "3");
	task("B", "2");
	assert_next(&f, s1, "A");
	assert_next(&f, s2, "B");
	assert_next(&f, s3, "A");
	assert_why(&f, s3, "place 2 of 3: ");
	assert_why(&f, s3, "runner-up B score 1;");
}

Test(select, who_holds_something_has_ended_or_came_long_ago_is_not_counted)
{
	int64_t s2 = fixture_session(&f, "s2"), s3 = fixture_session(&f, "s3");

	ask_together();
	task("A", NULL);
	cr_assert_eq(choosing_place(&f, s3), 2);
	(void)fixture_hold(&f, s1, "A");
	cr_assert_eq(choosing_place(&f, s3), 1);
	assert_ok(commit(&f, CHANGE_END, .as = s2, .thing = s2));
	cr_assert_eq(choosing_place(&f, s3), 0);
	fixture_pass(&f, 2 * MINUTE + 1);
	assert_ok(fixture_release(&f, s1, "A"));
	cr_assert_eq(choosing_place(&f, s3), 1, "it let go a moment ago");
	fixture_pass(&f, 2 * MINUTE + 1);
	cr_assert_eq(choosing_place(&f, s3), 0);
}

/* --- who explores --- */

static int64_t nth_session(int i)
{
	char name[16];

	(void)snprintf(name, sizeof(name), "x%d", i);
	return fixture_session(&f, name);
}

Test(select, some_begin_with_a_lane_that_is_drawn_and_the_draw_is_always_the_same)
{
	int explored = 0, of_a = 0;

	(void)choosing_task(&f, "A", "9", "a");
	(void)choosing_task(&f, "B", "1", "b");
	(void)choosing_task(&f, "C", "2", "c");
	assert_ok(fixture_control(&f, "select.explore", "0.2"));
	for (int i = 0; i < 200; i++) {
		int64_t s = nth_session(i);
		char drawn[NAME_BUFFER];

		(void)snprintf(drawn, sizeof(drawn), "%s", choosing_drawn(&f, s));
		cr_assert_str_eq(choosing_drawn(&f, s), drawn);
		explored += strcmp(drawn, "no") != 0;
		of_a += strcmp(drawn, "a") == 0;
		if (strcmp(drawn, "b") == 0)
			assert_next(&f, s, "B");
	}
	cr_assert(explored > 20 && explored < 60, "%d of 200", explored);
	cr_assert(of_a > 3 && of_a < 30, "%d of %d", of_a, explored);
	cr_assert_str_eq(choosing_drawn(&f, 0), "no");
}

Test(select, nobody_explores_one_lane_and_a_drawn_one_that_has_nothing_is_no_end)
{
	int64_t s2;

	(void)choosing_task(&f, "A", "9", "a");
	assert_ok(fixture_control(&f, "select.explore", "1"));
	cr_assert_str_eq(choosing_drawn(&f, s1), "no");
	(void)choosing_task(&f, "B", "1", "b");
	s2 = strcmp(choosing_drawn(&f, s1), "a") == 0 ? s1 : 0;
	assert_why(&f, s1, "explore ");
	cr_assert(s2 ? strcmp(choosing_next(&f, s1), "A") == 0 :
		       strcmp(choosing_next(&f, s1), "B") == 0);
}

/* --- how lanes did --- */

Test(select, what_its_lane_came_to_counts)
{
	choosing_grade_by_trajectory(&f);
	(void)choosing_task(&f, "A", "2", "good");
	(void)choosing_task(&f, "B", "2", "bad");
	assert_ok(fixture_control(&f, "select.monotony", "0"));
	assert_ok(fixture_control(&f, "select.recency", "0"));
	for (int i = 0; i < 3; i++) {
		char name[16];

		(void)snprintf(name, sizeof(name), "g%d", i);
		(void)choosing_live(&f, name, "A", s1, "1");
		(void)snprintf(name, sizeof(name), "b%d", i);
		(void)choosing_live(&f, name, "B", s1, "0");
	}
	cr_assert_float_eq(choosing_expected(&f, "good").lifetime, 4 / 5.0, 1e-9);
	cr_assert_float_eq(choosing_expected(&f, "bad").lifetime, 1 / 5.0, 1e-9);
	cr_assert_gt(choosing_score(&f, s1, "A"), 1.6);
	cr_assert_lt(choosing_score(&f, s1, "B"), 0.4);
	assert_next(&f, s1, "A");
	cr_assert_float_eq(choosing_expected(&f, "never").value, 0.5, 1e-9);
}

/* --- replay --- */

Test(select, after_a_restart_it_is_the_same)
{
	char before[4096];

	task("T", "3");
	(void)choosing_task(&f, "U", "2", "web");
	(void)choosing_live(&f, "s9", "U", s1, "0.7");
	(void)snprintf(before, sizeof(before), "%s", choosing_why(&f, s1));
	cr_assert_eq(fixture_restart(&f), 0);
	cr_assert_str_eq(choosing_why(&f, s1), before);
}
