#include "tests/lib/probing.h"

/* --- judge, on inputs written by hand --- */

#define IN(drafts, covered, ready, unsaid, most)                                          \
	"{'floor': 0.3, 'drafts': " #drafts ", 'covered': " #covered ", 'ready': " #ready \
	", 'top': 't', 'readiness': 0.8, 'unsaid': " #unsaid                              \
	", 'unsaid-first': 'u', 'most': " #most "}"

static struct probe_said judge(const char *inputs)
{
	return probing_judge("idea-backlog", inputs);
}

Test(probe_ideas_judge, drafts_above_the_floor_are_supply_that_nobody_filed)
{
	assert_supply(judge(IN(70, 65, 2, 3, 0.8)), 0,
		      "top t: readiness 0.8, floor 0.3; 2 ready to be filed, 65 covered");
}

Test(probe_ideas_judge, drafts_that_say_no_readiness_are_unknown)
{
	assert_unknown(judge(IN(70, 65, 0, 3, 0.2)), "3 drafts say no readiness: u ..");
	assert_unknown(judge(IN(1, 0, 0, 1, -1)), "1 draft says no readiness: u");
}

Test(probe_ideas_judge, nothing_above_the_floor_is_dry)
{
	assert_dry(judge(IN(66, 65, 0, 0, 0.3)), "top readiness 0.3, floor 0.3; 65 covered");
	assert_dry(judge(IN(1, 0, 0, 0, 0.1)), "top readiness 0.1, floor 0.3");
	assert_dry(judge(IN(65, 65, 0, 0, -1)), "65 drafts, all covered");
	assert_dry(judge(IN(0, 0, 0, 0, -1)), "no drafts");
}

Test(probe_ideas_judge, inputs_of_nothing_are_unknown)
{
	assert_unknown(judge("{}"), "the drafts could not be read");
}

/* --- look, at a store --- */

static struct probing p;

static void setup(void)
{
	probing_open(&p, "idea-backlog");
}

static void teardown(void)
{
	probing_close(&p);
}

TestSuite(probe_ideas, .init = setup, .fini = teardown);

static void draft(const char *name, const char *readiness, const char *field, const char *value)
{
	(void)fixture_idea(&p.f, name, NULL);
	if (readiness)
		assert_ok(fixture_set(&p.f, name, "readiness", readiness));
	if (field)
		assert_ok(fixture_set(&p.f, name, field, value));
}

static struct probe_said run(void)
{
	return probing_run(&p, NULL);
}

Test(probe_ideas, without_drafts_it_is_dry)
{
	(void)fixture_task(&p.f, "published", NULL);
	(void)fixture_idea(&p.f, "probe.idea-backlog", NULL);
	assert_dry(run(), "no drafts");
}

Test(probe_ideas, a_draft_above_the_floor_is_supply_and_at_the_floor_it_is_not)
{
	draft("a", "0.3", NULL, NULL);
	assert_dry(run(), "top readiness 0.3, floor 0.3");
	probing_set(&p, "floor", "0.2");
	assert_supply(run(), 0, "top a: readiness 0.3, floor 0.2; 1 ready to be filed, 0 covered");
	assert_ok(commit(&p.f, CHANGE_PUBLISH, .name = "a", .owner = 1));
	assert_dry(run(), "no drafts");
}

Test(probe_ideas, the_best_by_all_factors_is_named)
{
	draft("a", "0.9", NULL, NULL);
	draft("b", "0.4", "impact", "4");
	assert_supply(run(), 0, "top b: readiness 0.4, floor 0.3; 2 ready to be filed, 0 covered");
	assert_ok(fixture_set(&p.f, "b", "feasibility", "0.5"));
	assert_supply(run(), 0, "top a: readiness 0.9, floor 0.3; 2 ready to be filed, 0 covered");
	assert_ok(fixture_set(&p.f, "a", "alignment", "0"));
	assert_supply(run(), 0, "top b: readiness 0.4, floor 0.3; 2 ready to be filed, 0 covered");
}

Test(probe_ideas, a_draft_without_readiness_is_unknown_unless_another_is_supply)
{
	draft("a", NULL, NULL, NULL);
	draft("b", "0.1", NULL, NULL);
	assert_unknown(run(), "1 draft says no readiness: a");
	draft("c", "0.5", NULL, NULL);
	assert_supply(run(), 0, "top c: readiness 0.5, floor 0.3; 1 ready to be filed, 0 covered");
}

Test(probe_ideas, a_draft_is_covered_while_one_of_the_named_tasks_exists)
{
	(void)fixture_task(&p.f, "t", NULL);
	draft("a", "0.9", "covered", "t\ngone");
	assert_dry(run(), "1 draft, all covered");
	assert_ok(commit(&p.f, CHANGE_CANCEL, .name = "t", .owner = 1));
	assert_supply(run(), 0, "top a: readiness 0.9, floor 0.3; 1 ready to be filed, 0 covered");
	draft("b", "0.2", NULL, NULL);
	assert_ok(fixture_set(&p.f, "a", "covered", "b"));
	assert_dry(run(), "top readiness 0.2, floor 0.3; 1 covered");
}
