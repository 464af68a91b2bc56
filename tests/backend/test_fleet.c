/* What docs/selection.md says of a whole fleet: a smaller variant of tests/bench/fleet.c. */
#include "tests/lib/check.h"
#include "tests/lib/fleet.h"

#define SESSIONS 120
#define HERD 40

static struct fleet x;
static struct taken taken[FLEET_SESSIONS];

static const struct course steady = {
	.seed = 3,
	.sessions = SESSIONS,
	.lanes = { { "A", 0.8, 0.8, 0 }, { "B", 0.5, 0.5, 0 }, { "C", 0.2, 0.2, 0 } },
};

static void teardown(void)
{
	if (x.f.store)
		fleet_close(&x);
}

TestSuite(fleet, .fini = teardown);

/* --- what lanes come to --- */

static void assert_no_drift(int sessions)
{
	for (int i = 1; i < sessions; i++)
		for (int l = 0; l < FLEET_LANES; l++) {
			const struct taken *a = &taken[i - 1], *b = &taken[i];
			double was = a->expected[l] - a->lifetime[l];
			double is = b->expected[l] - b->lifetime[l];

			if (a->ended[l] != b->ended[l] || a->lifetime[l] != b->lifetime[l])
				continue;
			cr_assert(was * is >= -1e-12, "lane %d went past its mean at %d", l, i);
			cr_assert(is * is <= was * was + 1e-12, "lane %d drifts at %d", l, i);
		}
}

Test(fleet, most_sessions_come_to_the_lane_that_does_best_and_the_worst_is_still_entered)
{
	fleet_run(&x, &steady, NULL, taken);
	cr_assert_geq(fleet_in_lane(taken, SESSIONS / 2, SESSIONS, 0), SESSIONS / 2 * 7 / 10);
	cr_assert_gt(fleet_in_lane(taken, 0, SESSIONS, 2), 0);
	cr_assert_lt(fleet_expected(&x, "C").value, fleet_expected(&x, "A").value);
	assert_no_drift(SESSIONS);
	assert_sound(&x.f);
}

Test(fleet, a_lane_that_does_badly_of_late_is_left)
{
	struct course c = steady;

	c.sessions = 200;
	c.change_at = 100;
	c.lanes[0].later = 0;
	fleet_run(&x, &c, NULL, taken);
	cr_assert_gt(fleet_in_lane(taken, 60, 100, 0), 20);
	cr_assert_lt(fleet_in_lane(taken, 180, 200, 0), 10);
	assert_no_drift(200);
}

Test(fleet, nothing_draws_sessions_to_the_worst_lane_when_none_explores)
{
	struct course c = steady;

	c.explore = "0";
	c.lanes[2].p = 0;
	fleet_run(&x, &c, NULL, taken);
	cr_assert_leq(fleet_in_lane(taken, SESSIONS / 2, SESSIONS, 2), 2);
	for (int i = 0; i < SESSIONS; i++)
		cr_assert(!taken[i].drawn);
}

static void more_at_80(struct fleet *fleet, int i)
{
	if (i == 80)
		fleet_tasks(fleet, "A", 40, FLEET_NOTHING);
}

Test(fleet, a_lane_without_supply_is_left_at_once_and_found_again_when_it_has_some)
{
	struct course c = steady;
	int last = 0;

	c.lanes[0].tasks = 20;
	c.lanes[0].p = 1;
	fleet_run(&x, &c, more_at_80, taken);
	while (last < 80 && fleet_in_lane(taken, last, 80, 0))
		last++;
	cr_assert_eq(fleet_in_lane(taken, 0, 80, 0), 20);
	cr_assert_lt(last, 40);
	cr_assert_eq(fleet_in_lane(taken, 0, SESSIONS, -1), 0);
	cr_assert_geq(fleet_in_lane(taken, 80, 90, 0), 8);
	assert_no_drift(SESSIONS);
}

/* --- a share --- */

Test(fleet, a_lane_has_no_more_than_its_share_while_others_have_supply)
{
	struct course c = steady;

	c.share_limit = "0.5";
	fleet_run(&x, &c, NULL, taken);
	for (int i = 0; i < SESSIONS; i++) {
		cr_assert(!taken[i].over, "over its share when session %d came", i);
		cr_assert_geq(taken[i].lane, 0, "session %d found nothing", i);
	}
	cr_assert_geq(fleet_in_lane(taken, 0, SESSIONS, 0), SESSIONS * 4 / 10);
}

static void b_at_60(struct fleet *fleet, int i)
{
	if (i == 60)
		fleet_tasks(fleet, "B", 200, FLEET_NOTHING);
}

Test(fleet, what_is_the_only_supply_is_not_refused_and_what_was_often_over_is_thought_less_of)
{
	struct course c = steady;
	const char *why;

	c.share_limit = "0.5";
	c.lanes[1].tasks = c.lanes[2].tasks = -1;
	fleet_run(&x, &c, NULL, taken);
	cr_assert_eq(fleet_in_lane(taken, 0, SESSIONS, 0), SESSIONS);
	fleet_select(&x, "explore", "0");
	why = fleet_why(&x, fleet_session(&x));
	cr_assert_not_null(strstr(why, "\nshare -0.000\n"), "%s", why);
	fleet_tasks(&x, "B", 1, 0.001);
	why = fleet_why(&x, fleet_session(&x));
	cr_assert_not_null(strstr(why, "\nlane A expected "), "%s", why);
	cr_assert_not_null(strstr(why, "\nshare -0.300\n"), "%s", why);
	fleet_close(&x);
	fleet_run(&x, &c, b_at_60, taken);
	cr_assert_gt(fleet_in_lane(taken, 60, SESSIONS, 1), 5);
}

/* --- many at once --- */

static int64_t herd[HERD];

static void herd_comes(int tasks, int lanes, int differ)
{
	fleet_open(&x, 1);
	fleet_select(&x, "recency", "0");
	fleet_select(&x, "explore", "0");
	for (int i = 0; i < tasks; i++) {
		char lane[16];

		(void)snprintf(lane, sizeof(lane), "l%d", i % lanes);
		fleet_tasks(&x, lane, 1, differ ? tasks - i : 1);
	}
	fixture_pass(&x.f, HOUR);
	for (int i = 0; i < HERD; i++)
		herd[i] = fleet_session(&x);
}

/* All read, then all claim; the claims that are refused. */
static int rush(void)
{
	static char name[HERD][NAME_BUFFER];
	int refused = 0;

	for (int i = 0; i < HERD; i++)
		(void)fleet_next(&x, herd[i], name[i]);
	for (int i = HERD - 1; i >= 0; i--)
		refused += fleet_claim(&x, herd[i], name[i]) != 0;
	return refused;
}

static void assert_best_are_taken(int n)
{
	for (int i = 1; i <= n; i++) {
		char name[16];

		(void)snprintf(name, sizeof(name), "t%d", i);
		assert_column(&x.f, name, COLUMN_CLAIMS);
	}
}

Test(fleet, of_many_who_ask_at_once_nobody_is_sent_to_anothers_task)
{
	herd_comes(200, 1, 0);
	cr_assert_eq(rush(), 0);
	assert_best_are_taken(HERD);
}

Test(fleet, so_it_is_in_many_lanes_and_the_best_are_taken)
{
	herd_comes(200, 20, 1);
	cr_assert_eq(rush(), 0);
	assert_best_are_taken(HERD);
}

Test(fleet, so_it_is_when_there_are_no_more_tasks_than_sessions)
{
	herd_comes(HERD, 3, 1);
	cr_assert_eq(rush(), 0);
	assert_best_are_taken(HERD);
}

/* The best 10 are refused to every third. */
static void exclude(void)
{
	int64_t other = fleet_session(&x);
	char name[16];

	for (int i = 1; i <= 10; i++) {
		(void)snprintf(name, sizeof(name), "t%d", i);
		(void)fixture_hold(&x.f, other, name);
		for (int s = 0; s < HERD; s += 3)
			cr_assert_eq(fleet_claim(&x, herd[s], name), -EBUSY);
		assert_ok(fixture_release(&x.f, other, name));
	}
	assert_ok(commit(&x.f, CHANGE_END, .thing = other, .as = other));
}

Test(fleet, what_one_may_not_have_sends_it_to_nobody_elses)
{
	herd_comes(200, 3, 1);
	exclude();
	cr_assert_eq(rush(), 0);
}

Test(fleet, where_some_explore_and_some_exclude_at_most_one_claim_in_ten_is_refused)
{
	herd_comes(400, 20, 1);
	fleet_select(&x, "explore", "0.3");
	exclude();
	cr_assert_leq(rush(), HERD / 10);
}

Test(fleet, without_places_all_are_sent_to_one_task)
{
	herd_comes(200, 1, 0);
	fleet_select(&x, "asking", "0s");
	fixture_pass(&x.f, SECOND);
	cr_assert_eq(rush(), HERD - 1);
}
