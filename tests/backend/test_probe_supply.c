#include "tests/lib/probing.h"

/* --- judge, on inputs written by hand --- */

#define IN(feed) "{'feed': '" feed "', 'interval': 21600000, 'age': 21600000}"

static struct probe_said judge(const char *inputs)
{
	return probing_judge("cross-repo-supply", inputs);
}

Test(probe_supply_judge, quick_wins_anywhere_are_supply_that_nobody_filed)
{
	assert_supply(judge(IN("web open=5 quick-wins=2 pending=3\\napi quick-wins=0 open=1\\n"
			       "cli quick-wins=1 stars=many open=1\\n")),
		      0, "web: 2 quick wins of 5 open; cli: 1 quick win of 1 open");
	assert_supply(
		judge(IN("a open=1 quick-wins=1\\nb open=1 quick-wins=1\\n"
			 "c open=1 quick-wins=1\\nd open=1 quick-wins=1")),
		0,
		"a: 1 quick win of 1 open; b: 1 quick win of 1 open; c: 1 quick win of 1 open;"
		" and 1 more");
}

Test(probe_supply_judge, none_is_dry)
{
	assert_dry(judge(IN("web open=5 quick-wins=0")), "5 open in 1 repository, none quick");
	assert_dry(judge(IN("web open=5 quick-wins=0\\n\\napi open=1 quick-wins=0 pending=x")),
		   "6 open in 2 repositories, none quick");
}

Test(probe_supply_judge, what_makes_no_sense_is_unknown_even_beside_a_line_that_does)
{
	static const char *const lines[] = {
		"web",
		"web open=5",
		"web quick-wins=0",
		"web open=5 quick-wins=-1",
		"web open=x quick-wins=0",
		"web open= quick-wins=0",
		"open=5 quick-wins=0",
		"web open=5 quick-wins=0 =1",
		"web open=5 quick-wins=0 x",
	};

	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		char text[256], says[128];

		(void)snprintf(text, sizeof(text), IN("api open=1 quick-wins=1\\n%s"), lines[i]);
		(void)snprintf(says, sizeof(says), "a line of the feed makes no sense: %s",
			       lines[i]);
		assert_unknown(judge(text), says);
	}
	assert_unknown(judge(IN("\\n ")), "the feed names no repository");
}

Test(probe_supply_judge, never_fed_or_too_old_is_unknown)
{
	assert_unknown(judge("{'feed': null}"), "was never fed");
	assert_unknown(judge("{}"), "was never fed");
	assert_unknown(judge("{'feed': 'web open=5 quick-wins=0', 'interval': 21600000,"
			     " 'age': 21600001}"),
		       "fed 6h ago, which holds for 6h");
}

/* --- look, at a store --- */

static struct probing p;

static void setup(void)
{
	probing_open(&p, "cross-repo-supply");
}

static void teardown(void)
{
	probing_close(&p);
}

TestSuite(probe_supply, .init = setup, .fini = teardown);

static struct probe_said run(void)
{
	return probing_run(&p, NULL);
}

Test(probe_supply, it_is_unknown_until_it_is_fed_and_when_that_is_too_old)
{
	assert_unknown(run(), "was never fed");
	probing_set(&p, "feed", "web open=5 quick-wins=0 pending=3\n");
	assert_dry(run(), "5 open in 1 repository, none quick");
	fixture_pass(&p.f, 6 * HOUR + SECOND);
	assert_unknown(run(), "fed 6h ago, which holds for 6h");
	probing_set(&p, "interval", "1d");
	assert_dry(run(), "5 open in 1 repository, none quick");
	probing_set(&p, "feed", "web open=5 quick-wins=4\n");
	assert_supply(run(), 0, "web: 4 quick wins of 5 open");
}

Test(probe_supply, fed_with_the_same_again_it_holds_anew)
{
	probing_set(&p, "feed", "web open=5 quick-wins=0\n");
	fixture_pass(&p.f, 5 * HOUR);
	probing_set(&p, "feed", "web open=5 quick-wins=0\n");
	fixture_pass(&p.f, 5 * HOUR);
	assert_dry(run(), "5 open in 1 repository, none quick");
}
