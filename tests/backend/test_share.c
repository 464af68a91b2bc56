/* How much of what is taken up lies in one lane, and what follows from too much. */
#include <stdio.h>

#include "tests/lib/choosing.h"

static struct fixture f;
static int64_t web, asker;
static int made;

static void setup(void)
{
	choosing_open(&f);
	assert_ok(fixture_control(&f, "select.asking", "0s"));
	assert_ok(fixture_control(&f, "select.window", "4"));
	made = 0;
	web = choosing_thing(&f, THING_LANE, "web");
	choosing_field(&f, THING_LANE, web, "share-limit", "0.5");
	(void)choosing_task(&f, "W", "9", "web");
	asker = fixture_session(&f, "asker");
}

static void teardown(void)
{
	assert_sound(&f);
	fixture_close(&f);
}

TestSuite(share, .init = setup, .fini = teardown);

/* What is said of the lane for one more claim by the session. */
static struct share share_now(const char *name, int64_t session)
{
	struct lane lane;
	struct share s;

	cr_assert_eq(store_read_begin(f.store), 0);
	cr_assert_eq(read_lane_named(store_reader(f.store), name, f.sim.wall, &lane), 1);
	cr_assert_eq(share_of(store_reader(f.store), &lane, session, f.sim.wall,
			      share_window(store_reader(f.store)), &s),
		     0);
	store_read_end(f.store);
	return s;
}

#define assert_share(name, in_, guard_)                                                   \
	do {                                                                              \
		struct share s_ = share_now((name), asker);                               \
		cr_assert_eq(s_.in, (in_), "%lld of %lld", (long long)s_.in,              \
			     (long long)s_.window);                                       \
		cr_assert_eq(s_.guard, (guard_), "guard %d, %lld of %lld", (int)s_.guard, \
			     (long long)s_.in, (long long)s_.window);                     \
	} while (0)

/* A session claims a task of its own, in that lane (NULL: none), and finishes it. The answer to the claim. */
static struct outcome take(const char *lane)
{
	char name[16];
	int64_t s;
	struct outcome o;

	(void)snprintf(name, sizeof(name), "n%d", made++);
	s = fixture_session(&f, name);
	(void)choosing_task(&f, name, NULL, lane);
	o = fixture_claim(&f, s, name);
	if (!o.err)
		assert_ok(fixture_finish(&f, s, name));
	return o;
}

static void elsewhere(void)
{
	(void)choosing_task(&f, "else", "1", NULL);
}

Test(share, of_the_last_first_claims_those_in_the_lane_are_counted)
{
	assert_share("web", 0, SHARE_FREE);
	assert_ok(take("web"));
	assert_share("web", 1, SHARE_FREE);
	assert_ok(take(NULL));
	assert_share("web", 1, SHARE_FREE);
	assert_share("", 1, SHARE_FREE);
	assert_ok(take("other"));
	assert_share("other", 1, SHARE_FREE);
	for (int i = 0; i < 4; i++)
		assert_ok(take(NULL));
	assert_share("web", 0, SHARE_FREE);
	assert_share("", 4, SHARE_FREE);
}

Test(share, a_session_counts_once_in_a_lane_however_much_it_takes)
{
	(void)fixture_hold(&f, asker, "W");
	assert_ok(fixture_release(&f, asker, "W"));
	(void)fixture_hold(&f, asker, "W");
	assert_share("web", 1, SHARE_FREE);
	(void)choosing_task(&f, "X", NULL, NULL);
	(void)fixture_hold(&f, asker, "X");
	assert_share("web", 1, SHARE_FREE);
	assert_share("", 1, SHARE_FREE);
}

Test(share, one_more_than_its_limit_is_EDQUOT_while_there_is_supply_elsewhere)
{
	assert_ok(take("web"));
	assert_ok(take("web"));
	assert_share("web", 2, SHARE_FREE);
	elsewhere();
	assert_share("web", 2, SHARE_REFUSE);
	assert_refused(fixture_claim(&f, asker, "W"), EDQUOT,
		       "lane web of W has its share: 2 of the last 4, its share-limit is 0.5");
	assert_next(&f, asker, "else");
	assert_why(&f, asker, "shut lane web: has its share, and there is supply elsewhere;");
	(void)fixture_hold(&f, asker, "else");
	assert_share("web", 2, SHARE_FREE);
	assert_ok(fixture_claim(&f, asker, "W"));
}

Test(share, who_is_in_the_lane_already_is_no_further_one)
{
	elsewhere();
	(void)fixture_hold(&f, asker, "W");
	assert_ok(fixture_release(&f, asker, "W"));
	assert_ok(take("web"));
	cr_assert_eq(share_now("web", 0).guard, SHARE_REFUSE);
	assert_share("web", 2, SHARE_FREE);
	assert_ok(fixture_claim(&f, asker, "W"));
}

Test(share, supply_elsewhere_is_a_lane_that_may_grow)
{
	int64_t other = choosing_thing(&f, THING_LANE, "other");

	assert_ok(take("web"));
	assert_ok(take("web"));
	(void)choosing_task(&f, "O", NULL, "other");
	assert_share("web", 2, SHARE_REFUSE);
	choosing_field(&f, THING_LANE, other, "limit", "0");
	assert_share("web", 2, SHARE_FREE);
	choosing_field(&f, THING_LANE, other, "limit", NULL);
	choosing_field(&f, THING_LANE, other, "share-limit", "0");
	assert_share("web", 2, SHARE_FREE);
	choosing_field(&f, THING_LANE, other, "share-limit", "0.25");
	assert_share("web", 2, SHARE_REFUSE);
	choosing_field(&f, THING_LANE, other, "kind", "standing");
	assert_share("web", 2, SHARE_FREE);
}

Test(share, what_is_offered_to_nobody_is_no_supply)
{
	assert_ok(take("web"));
	assert_ok(take("web"));
	elsewhere();
	assert_share("web", 2, SHARE_REFUSE);
	assert_ok(fixture_set(&f, "else", "kind", "epic"));
	assert_share("web", 2, SHARE_FREE);
	assert_ok(fixture_set(&f, "else", "kind", "once"));
	assert_ok(fixture_set(&f, "else", "tags", "calm"));
	assert_share("web", 2, SHARE_FREE);
}

Test(share, where_the_limit_does_not_hold_anyway_it_is_a_penalty_alone)
{
	for (int i = 0; i < 4; i++)
		assert_ok(take("web"));
	elsewhere();
	assert_share("web", 4, SHARE_DEMUR);
	assert_ok(fixture_control(&f, "select.monotony", "0"));
	cr_assert_float_eq(choosing_score(&f, asker, "W"), 0.5 * 9 * 0.7, 1e-9);
	assert_why(&f, asker, "share -0.300;");
	assert_ok(fixture_claim(&f, asker, "W"));
}

Test(share, and_it_holds_again_when_it_was_kept_for_a_while)
{
	for (int i = 0; i < 4; i++)
		assert_ok(take("web"));
	for (int i = 0; i < 2; i++)
		assert_ok(take(NULL));
	elsewhere();
	/* the windows before: WWWW WWWw - over in three of four, then two of the last four */
	assert_share("web", 2, SHARE_FREE);
	for (int i = 0; i < 2; i++)
		assert_ok(take(NULL));
	assert_ok(take("web"));
	assert_ok(take("web"));
	assert_share("web", 2, SHARE_REFUSE);
}

Test(share, a_lane_without_a_limit_is_free)
{
	choosing_field(&f, THING_LANE, web, "share-limit", NULL);
	for (int i = 0; i < 4; i++)
		assert_ok(take("web"));
	elsewhere();
	assert_share("web", 4, SHARE_FREE);
	choosing_field(&f, THING_LANE, web, "share-limit", "1");
	assert_share("web", 4, SHARE_FREE);
}

Test(share, at_the_beginning_a_few_are_no_share)
{
	assert_ok(fixture_control(&f, "select.window", "20"));
	elsewhere();
	for (int i = 0; i < 10; i++)
		assert_ok(take("web"));
	assert_refused(take("web"), EDQUOT, "10 of the last 20");
}
