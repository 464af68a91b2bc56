#include "backend/tx.h"
#include "tests/lib/probing.h"

/* --- judge, on inputs written by hand --- */

#define LANE(name, kind, limit, held, today, rest)                                     \
	"{'name': '" name "', 'kind': '" kind "', 'limit': " #limit ", 'held': " #held \
	", 'today': " #today ", " rest "}"
#define FIRST(n, t, v, i) "'ready': " #n ", 'first': '" t "', 'value': " #v ", 'id': " #i
#define IN(lanes, free) \
	"{'lanes': [" lanes "], 'free': {" free "}, 'held': 0, 'blocked': 0, 'standing': 0}"

static struct probe_said judge(const char *inputs)
{
	return probing_judge("lane-occupancy", inputs);
}

Test(probe_lanes_judge, ready_tasks_without_lanes_are_supply)
{
	assert_supply(judge(IN("", FIRST(1, "t", 0, 1))), 1, "t");
	assert_supply(judge(IN("", FIRST(4, "t", 0, 1))), 1, "t and 3 more");
}

Test(probe_lanes_judge, the_highest_value_stands_first_then_the_oldest)
{
	assert_supply(judge(IN(LANE("a", "once", -1, 0, 0, FIRST(1, "low", 1, 1)) "," LANE(
				       "b", "once", -1, 0, 0, FIRST(1, "high", 2, 2)),
			       FIRST(1, "none", 0, 3))),
		      1, "high and 2 more: 2 of 2 one-shot lanes free today");
	assert_supply(judge(IN(LANE("a", "once", -1, 0, 0, FIRST(1, "new", 1, 9)) "," LANE(
				       "b", "once", -1, 0, 0, FIRST(1, "old", 1, 2)),
			       "'ready': 0")),
		      1, "old and 1 more: 2 of 2 one-shot lanes free today");
}

Test(probe_lanes_judge, tasks_in_full_lanes_are_no_supply)
{
	assert_supply(judge(IN(LANE("a", "once", 2, 2, 0, FIRST(5, "x", 9, 1)) "," LANE(
				       "b", "once", 2, 1, 0, FIRST(1, "y", 0, 2)),
			       "'ready': 0")),
		      1, "y and no more: 1 of 2 one-shot lanes free today");
	assert_dry(judge(IN(LANE("a", "once", 2, 2, 0, FIRST(5, "x", 9, 1)), "'ready': 0")),
		   "no ready task in a one-shot lane; 5 in full lanes");
}

Test(probe_lanes_judge, a_daily_lane_is_full_by_what_was_done_today)
{
	assert_dry(judge(IN(LANE("d", "daily", 2, 1, 1, FIRST(1, "x", 0, 1)), "'ready': 0")),
		   "no ready task in a one-shot lane; 1 in full lanes");
	assert_supply(judge(IN(LANE("d", "daily", 2, 0, 1, FIRST(1, "x", 0, 1)), "'ready': 0")), 1,
		      "x and no more: 1 of 1 one-shot lane free today");
	assert_supply(judge(IN(LANE("o", "once", 1, 0, 7, FIRST(1, "x", 0, 1)), "'ready': 0")), 1,
		      "x and no more: 1 of 1 one-shot lane free today");
}

Test(probe_lanes_judge, dry_says_what_is_there_instead)
{
	assert_dry(judge("{'lanes': [], 'free': {'ready': 0}, 'held': 3, 'blocked': 12,"
			 " 'standing': 2}"),
		   "no ready task in a one-shot lane; 3 held, 12 blocked, 2 standing");
	assert_dry(judge(IN("", "'ready': 0")), "no ready task in a one-shot lane");
}

Test(probe_lanes_judge, inputs_of_nothing_are_unknown)
{
	assert_unknown(judge("{}"), "the lanes could not be read");
}

/* --- look, at a store --- */

static struct probing p;
static int64_t s1;

static void setup(void)
{
	probing_open(&p, "lane-occupancy");
	s1 = fixture_session(&p.f, "s1");
}

static void teardown(void)
{
	probing_close(&p);
}

TestSuite(probe_lanes, .init = setup, .fini = teardown);

static int64_t lane(const char *name, const char *kind, const char *limit)
{
	int64_t id = probing_thing(&p, THING_LANE, name);

	if (kind)
		probing_field(&p, THING_LANE, id, "kind", kind);
	if (limit)
		probing_field(&p, THING_LANE, id, "limit", limit);
	return id;
}

static void task(const char *name, const char *in, const char *field, const char *value)
{
	(void)fixture_task(&p.f, name, NULL);
	if (in)
		assert_ok(fixture_set(&p.f, name, "lane", in));
	if (field)
		assert_ok(fixture_set(&p.f, name, field, value));
}

static struct probe_said run(void)
{
	return probing_run(&p, NULL);
}

Test(probe_lanes, an_empty_board_is_dry)
{
	assert_dry(run(), "no ready task in a one-shot lane");
}

Test(probe_lanes, ready_tasks_are_supply_and_the_one_of_highest_value_is_named)
{
	task("a", NULL, NULL, NULL);
	assert_supply(run(), 1, "a");
	task("b", "nowhere", "value", "5");
	task("c", "nowhere", "value", "5");
	task("d", NULL, "value", "-1");
	assert_supply(run(), 1, "b and 3 more");
	assert_ok(fixture_claim(&p.f, s1, "b"));
	assert_supply(run(), 1, "c and 2 more");
}

Test(probe_lanes, drafts_standing_tasks_epics_and_calm_tasks_are_no_supply)
{
	(void)fixture_idea(&p.f, "draft", NULL);
	task("a", NULL, "kind", "standing");
	task("b", NULL, "kind", "epic");
	task("c", NULL, "tags", "bug\ncalm");
	(void)lane("ops", "standing", NULL);
	task("d", "ops", NULL, NULL);
	task("e", NULL, NULL, NULL);
	assert_ok(fixture_claim(&p.f, s1, "e"));
	task("f", NULL, "needs", "e");
	assert_dry(run(), "no ready task in a one-shot lane; 1 held, 1 blocked, 2 standing, 1 epic,"
			  " 1 calm");
}

Test(probe_lanes, a_tag_that_only_begins_with_calm_is_none)
{
	task("g", NULL, "tags", "calmness\nbecalm");
	assert_supply(run(), 1, "g");
}

Test(probe_lanes, free_lanes_are_counted_by_live_claims)
{
	(void)lane("web", NULL, "1");
	(void)lane("api", NULL, NULL);
	(void)lane("ops", "standing", NULL);
	task("w1", "web", NULL, NULL);
	task("w2", "web", NULL, NULL);
	task("a1", "api", NULL, NULL);
	assert_supply(run(), 1, "w1 and 2 more: 2 of 2 one-shot lanes free today");
	assert_ok(fixture_claim(&p.f, s1, "w1"));
	assert_supply(run(), 1, "a1 and no more: 1 of 2 one-shot lanes free today");
	assert_ok(fixture_claim(&p.f, s1, "a1"));
	assert_dry(run(), "no ready task in a one-shot lane; 2 held, 1 in full lanes");
}

Test(probe_lanes, once_its_claim_has_expired_a_task_is_supply_again)
{
	task("w1", NULL, NULL, NULL);
	assert_ok(fixture_claim(&p.f, s1, "w1"));
	assert_dry(run(), "no ready task in a one-shot lane; 1 held");
	fixture_pass(&p.f, 3 * HOUR);
	assert_supply(run(), 1, "w1");
}

Test(probe_lanes, a_daily_lane_is_free_again_tomorrow)
{
	(void)lane("news", "daily", NULL);
	task("n1", "news", NULL, NULL);
	task("n2", "news", NULL, NULL);
	assert_supply(run(), 1, "n1 and 1 more: 1 of 1 one-shot lane free today");
	assert_ok(fixture_claim(&p.f, s1, "n1"));
	assert_dry(run(), "no ready task in a one-shot lane; 1 held, 1 in full lanes");
	assert_ok(fixture_finish(&p.f, s1, "n1"));
	assert_dry(run(), "no ready task in a one-shot lane; 1 in full lanes");
	fixture_pass(&p.f, DAY);
	assert_supply(run(), 1, "n2 and no more: 1 of 1 one-shot lane free today");
}
