/* Lanes and sessions in a small fleet, and the page about selection. Figures of a whole one: test_fleet.c. */
#include <stdio.h>
#include <stdlib.h>

#include "backend/clean.h"
#include "backend/field.h"
#include "tests/lib/check.h"
#include "tests/lib/fleet.h"

static struct fleet x;

static void setup(void)
{
	fleet_open(&x, 1);
	fleet_select(&x, "explore", "0");
	fleet_select(&x, "asking", "0s");
}

static void teardown(void)
{
	assert_sound(&x.f);
	fleet_close(&x);
}

TestSuite(select_lanes, .init = setup, .fini = teardown);

static const char *next(int64_t session)
{
	static char name[NAME_BUFFER];

	(void)fleet_next(&x, session, name);
	return name;
}

static void give_back(int64_t session, const char *task)
{
	assert_ok(fixture_claim(&x.f, session, task));
	assert_ok(fixture_release(&x.f, session, task));
}

Test(select_lanes, what_was_given_back_just_now_is_not_offered_before_what_nobody_had)
{
	int64_t other = fleet_session(&x);

	fleet_tasks(&x, "web", 8, 1);
	for (int i = 1; i < 8; i++) {
		char name[16];

		(void)snprintf(name, sizeof(name), "t%d", i);
		give_back(other, name);
	}
	fixture_pass(&x.f, MINUTE);
	cr_assert_str_eq(next(fleet_session(&x)), "t8");
}

Test(select_lanes, a_session_that_explores_begins_with_the_drawn_lane_and_then_takes_the_best)
{
	int64_t s;
	char first[NAME_BUFFER];

	fleet_select(&x, "explore", "1");
	fleet_tasks(&x, "poor", 20, 1);
	fleet_tasks(&x, "rich", 20, 100);
	do {
		s = fleet_session(&x);
		(void)fleet_next(&x, s, first);
	} while (strcmp(fixture_field(&x.f, fixture_task_now(&x.f, first).id, "lane"), "poor") !=
		 0);
	assert_ok(fixture_claim(&x.f, s, first));
	assert_ok(fixture_finish(&x.f, s, first));
	cr_assert_str_eq(fixture_field(&x.f, fixture_task_now(&x.f, next(s)).id, "lane"), "rich");
}

/* --- what is never offered --- */

static void field(const char *task, const char *name, const char *value)
{
	assert_ok(fixture_set(&x.f, task, name, value));
}

Test(select_lanes, epics_standing_tasks_and_a_negative_value_are_offered_to_nobody)
{
	fleet_tasks(&x, "web", 4, 1);
	field("t1", "kind", "epic");
	field("t2", "kind", "standing");
	field("t3", "value", "-1");
	cr_assert_str_eq(next(fleet_session(&x)), "t4");
}

Test(select_lanes, a_standing_lane_is_not)
{
	fleet_tasks(&x, "web", 1, 1);
	fleet_lane(&x, "web", "kind", "standing");
	cr_assert_str_empty(next(fleet_session(&x)));
	cr_assert_not_null(strstr(fleet_why(&x, 0), "\nshut lane web: standing: "));
}

Test(select_lanes, a_full_lane_is_not)
{
	fleet_tasks(&x, "web", 2, 1);
	fleet_tasks(&x, "doc", 1, 0.1);
	fleet_lane(&x, "web", "limit", "1");
	(void)fixture_hold(&x.f, fleet_session(&x), "t1");
	cr_assert_str_eq(next(fleet_session(&x)), "t3");
}

Test(select_lanes, what_is_tagged_calm_is_not_while_nobody_saw_the_machine_calm)
{
	fleet_tasks_of(&x, "web", 1, "calm", 5);
	fleet_tasks(&x, "web", 1, 1);
	cr_assert_str_eq(next(fleet_session(&x)), "t2");
	cr_assert_not_null(strstr(fleet_why(&x, 0), "\nshut lane web: tagged calm"));
}

Test(select_lanes, what_was_refused_a_moment_ago_is_not_and_later_it_is_again)
{
	int64_t other = fleet_session(&x), s = fleet_session(&x);

	fleet_tasks(&x, "web", 2, 1);
	(void)fixture_hold(&x.f, other, "t1");
	cr_assert_eq(fleet_claim(&x, s, "t1"), -EBUSY);
	assert_ok(fixture_finish(&x.f, other, "t1"));
	assert_ok(commit(&x.f, CHANGE_REOPEN, .name = "t1", .operator_ = 1));
	fixture_pass(&x.f, SECOND);
	cr_assert_str_eq(next(s), "t2");
	fixture_pass(&x.f, 2 * MINUTE);
	cr_assert_str_eq(next(s), "t1");
}

Test(select_lanes, what_is_held_or_blocked_is_not_and_without_anything_left_it_says_so)
{
	fleet_tasks(&x, "web", 2, 1);
	field("t2", "needs", "t1");
	(void)fixture_hold(&x.f, fleet_session(&x), "t1");
	cr_assert_str_empty(next(fleet_session(&x)));
	cr_assert_not_null(strstr(fleet_why(&x, 0), "none nothing is ready"));
}

Test(select_lanes, what_a_session_lost_is_not_offered_to_it)
{
	int64_t s = fleet_session(&x);
	char text[64];

	fleet_tasks(&x, "web", 2, 1);
	(void)snprintf(text, sizeof(text), "t1 %lld gone", (long long)fixture_hold(&x.f, s, "t1"));
	assert_ok(commit(&x.f, CHANGE_BREAK, .text = text, .operator_ = 1));
	fleet_select(&x, "recency", "0");
	fixture_pass(&x.f, MINUTE);
	cr_assert_str_eq(next(0), "t1");
	cr_assert_str_eq(next(s), "t2");
	cr_assert_not_null(strstr(fleet_why(&x, s), "\npassed t1: your session lost it"));
}

Test(select_lanes, nobody_is_offered_anything_while_the_board_is_closed)
{
	int64_t s = fleet_session(&x);

	fleet_tasks(&x, "web", 2, 1);
	assert_ok(fixture_control(&x.f, "estop", "closed"));
	cr_assert_str_empty(next(0));
	assert_ok(fixture_control(&x.f, "estop", ""));
	cr_assert_str_eq(next(0), "t1");
	assert_ok(commit(&x.f, CHANGE_END, .thing = s, .as = s));
	cr_assert_str_empty(next(s));
}

Test(select_lanes, looking_changes_nothing)
{
	int64_t s = fleet_session(&x), seq;

	fleet_tasks(&x, "web", 3, 1);
	fixture_pass(&x.f, MINUTE);
	seq = store_seq(x.f.store);
	for (int i = 0; i < 3; i++)
		cr_assert_str_eq(next(s), "t1");
	cr_assert_eq(store_seq(x.f.store), seq);
}

/* --- why --- */

static void assert_page_has(const char *text)
{
	AUTO_FREE char *page = calloc(1, 1 << 17);
	FILE *f = fopen("docs/selection.md", "r");

	cr_assert_not_null(f);
	cr_assert_gt(fread(page, 1, (1 << 17) - 1, f), 0);
	(void)fclose(f);
	cr_assert_not_null(strstr(page, text), "docs/selection.md does not have:\n%s", text);
}

Test(select_lanes, why_says_every_term_as_the_page_shows)
{
	int64_t other = fleet_session(&x);

	fleet_tasks_of(&x, "web", 2, "family:x", 4);
	fleet_tasks(&x, "web", 1, 1);
	field("t2", "readiness", "0.9");
	(void)fixture_hold(&x.f, other, "t1");
	fixture_pass(&x.f, MINUTE);
	assert_page_has(fleet_why(&x, fleet_session(&x)));
}

Test(select_lanes, the_page_has_every_setting_and_what_holds_while_it_is_unset)
{
	static const char *const names[] = { "half-life", "explore", "recency", "recency-half-life",
					     "monotony",  "family",  "share",	"window",
					     "asking",	  "calm",    "refused" };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		char field_name[64], row[128];

		(void)snprintf(field_name, sizeof(field_name), "select.%s", names[i]);
		(void)snprintf(row, sizeof(row), "\n| `%s` | %s |", names[i],
			       field_find(THING_CONTROL, field_name)->dflt);
		assert_page_has(row);
	}
}
