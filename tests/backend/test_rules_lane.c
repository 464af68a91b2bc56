/* A lane that is full takes no more claims. */
#include "tests/lib/probing.h"

static struct fixture f;
static int64_t s1, s2, web;

static void setup(void)
{
	fixture_open(&f);
	s1 = fixture_session(&f, "s1");
	s2 = fixture_session(&f, "s2");
	web = commit(&f, CHANGE_ADD, .of = THING_LANE, .name = "web", .owner = 1).id;
}

static void teardown(void)
{
	fixture_close(&f);
}

TestSuite(rules_lane, .init = setup, .fini = teardown);

static void set(const char *field, const char *text)
{
	assert_ok(commit(&f, CHANGE_SET, .of = THING_LANE, .thing = web, .field = field,
			 .text = text, .owner = 1));
}

static void task(const char *name)
{
	(void)fixture_task(&f, name, NULL);
	assert_ok(fixture_set(&f, name, "lane", "web"));
}

Test(rules_lane, a_claim_in_a_full_one_is_EDQUOT_and_names_lane_limit_and_holder)
{
	set("limit", "1");
	task("A");
	task("B");
	(void)fixture_hold(&f, s1, "A");
	assert_refused(fixture_claim(&f, s2, "B"), EDQUOT,
		       "lane web of B is full: its limit is 1; held by s1 (A)");
	assert_column(&f, "B", COLUMN_READY);
	assert_ok(fixture_release(&f, s1, "A"));
	assert_ok(fixture_claim(&f, s2, "B"));
	assert_sound(&f);
}

Test(rules_lane, so_is_a_lock_which_does_not_wait_for_a_place)
{
	set("limit", "1");
	task("A");
	task("B");
	(void)fixture_hold(&f, s1, "A");
	assert_refused(commit(&f, CHANGE_LOCK, .as = s2, .name = "B", .pid = 5,
			      .flags = CHANGE_WAIT),
		       EDQUOT, "lane web of B is full");
}

Test(rules_lane, who_waits_for_a_task_by_flock_gets_its_place_too)
{
	struct change *waits;

	set("limit", "1");
	task("A");
	(void)fixture_hold(&f, s1, "A");
	waits = queue(&f, CHANGE_LOCK, .as = s2, .name = "A", .pid = 5, .flags = CHANGE_WAIT);
	(void)fixture_run(&f);
	assert_ok(fixture_release(&f, s1, "A"));
	assert_ok(fixture_take(waits));
	assert_column(&f, "A", COLUMN_CLAIMS);
}

Test(rules_lane, who_waits_and_finds_it_full_when_served_is_told)
{
	struct change *waits;

	set("limit", "1");
	(void)fixture_task(&f, "free", "src");
	(void)fixture_task(&f, "A", "src/a");
	assert_ok(fixture_set(&f, "A", "lane", "web"));
	task("B");
	(void)fixture_hold(&f, s1, "free");
	waits = queue(&f, CHANGE_LOCK, .as = s2, .name = "A", .pid = 5, .flags = CHANGE_WAIT);
	(void)fixture_run(&f);
	(void)fixture_hold(&f, s1, "B");
	assert_ok(fixture_release(&f, s1, "free"));
	assert_refused(fixture_take(waits), EDQUOT, "lane web of A is full");
}

Test(rules_lane, a_hand_over_is_no_new_claim)
{
	set("limit", "1");
	task("A");
	(void)fixture_hold(&f, s1, "A");
	assert_ok(commit(&f, CHANGE_HANDOVER, .as = s1, .name = "A", .text = "s2"));
}

Test(rules_lane, without_a_limit_or_a_directory_it_takes_any_number)
{
	task("A");
	task("B");
	(void)fixture_hold(&f, s1, "A");
	(void)fixture_hold(&f, s2, "B");
	set("limit", "1");
	task("C");
	assert_refused(fixture_claim(&f, s1, "C"), EDQUOT, "held by s1 (A), s2 (B)");
	assert_ok(commit(&f, CHANGE_REMOVE, .of = THING_LANE, .name = "web", .owner = 1));
	assert_ok(fixture_claim(&f, s1, "C"));
}

Test(rules_lane, a_standing_one_is_never_full)
{
	set("limit", "0");
	task("A");
	assert_refused(fixture_claim(&f, s1, "A"), EDQUOT, "its limit is 0; held by nobody");
	set("kind", "standing");
	assert_ok(fixture_claim(&f, s1, "A"));
}

Test(rules_lane, a_daily_one_counts_what_was_done_today)
{
	set("kind", "daily");
	task("A");
	task("B");
	(void)fixture_hold(&f, s1, "A");
	assert_refused(fixture_claim(&f, s2, "B"), EDQUOT, "its limit is 1 a day; 0 done today");
	assert_ok(fixture_finish(&f, s1, "A"));
	assert_refused(fixture_claim(&f, s2, "B"), EDQUOT, "1 done today; held by nobody");
	fixture_pass(&f, DAY);
	s2 = fixture_session(&f, "s3");
	assert_ok(fixture_claim(&f, s2, "B"));
}
