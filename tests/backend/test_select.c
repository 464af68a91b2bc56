/* Which task is best for whom. The figures of a whole fleet are in test_fleet.c. */
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

TestSuite(select, .init = setup, .fini = teardown);

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

Test(select, what_was_given_back_just_now_is_not_offered_before_what_nobody_had)
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

Test(select, a_session_that_explores_begins_with_the_drawn_lane_and_then_takes_the_best)
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
