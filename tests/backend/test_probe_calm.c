#include "tests/lib/probing.h"

/* --- judge, on inputs written by hand --- */

#define LIMITS "'max-sessions': 10.0, 'max-load': 0.9, 'min-memory': 0.2, 'tasks': 1, 'task': 't'"
#define IN(sessions, load, cores, available, total)                                   \
	"{" LIMITS ", 'sessions': " #sessions ", 'load': " #load ", 'cores': " #cores \
	", 'available': " #available ", 'total': " #total "}"

static struct probe_said judge(const char *inputs)
{
	return probing_judge("calm-window", inputs);
}

Test(probe_calm_judge, a_quiet_machine_is_supply_for_the_task_that_waits)
{
	assert_supply(judge(IN(3, 0.8, 4, 80, 100)), 1,
		      "t 3 live sessions, load 0.2 a core, 80 % of memory available");
	assert_supply(judge(IN(10, 3.6, 4, 20, 100)), 1,
		      "t 10 live sessions, load 0.9 a core, 20 % of memory available");
}

Test(probe_calm_judge, a_busy_one_is_dry_and_says_why)
{
	assert_dry(judge(IN(43, 0.8, 4, 80, 100)), "closed: 43 live sessions, at most 10; t waits");
	assert_dry(judge(IN(3, 4.0, 4, 80, 100)), "closed: load 1.00 a core, at most 0.9; t waits");
	assert_dry(judge(IN(3, 0.8, 4, 19, 100)),
		   "closed: 19 % of memory available, at least 20 %; t waits");
	assert_dry(judge(IN(11, 4.0, 4, 80, 100)),
		   "closed: 11 live sessions, at most 10, load 1.00 a core, at most 0.9; t waits");
}

Test(probe_calm_judge, without_such_a_task_it_is_dry)
{
	assert_dry(judge("{'tasks': 0, 'task': ''}"), "no ready task is tagged calm");
}

Test(probe_calm_judge, what_cannot_be_read_is_unknown_and_named)
{
	assert_unknown(judge("{" LIMITS ", 'sessions': 99, 'machine': 'EACCES'}"),
		       "load and memory could not be read: EACCES");
	assert_unknown(judge("{" LIMITS ", 'machine': 'EACCES'}"),
		       "the live sessions could not be read: EACCES");
	assert_unknown(judge("{" LIMITS ", 'sessions': 1}"), "the load could not be read");
	assert_unknown(judge(IN(1, -1, 4, 80, 100)), "the load could not be read");
	assert_unknown(judge(IN(1, 1.0, 0, 80, 100)), "the number of cores could not be read");
	assert_unknown(judge(IN(1, 1.0, 4, 80, 0)), "the memory could not be read");
	assert_unknown(judge("{}"), "the tasks could not be read");
}

/* --- look, at a store --- */

static struct probing p;

static void setup(void)
{
	probing_open(&p, "calm-window");
}

static void teardown(void)
{
	probing_close(&p);
}

TestSuite(probe_calm, .init = setup, .fini = teardown);

static void task(const char *name, const char *tags, const char *value)
{
	(void)fixture_task(&p.f, name, NULL);
	assert_ok(fixture_set(&p.f, name, "tags", tags));
	if (value)
		assert_ok(fixture_set(&p.f, name, "value", value));
}

static struct probe_said run(void)
{
	return probing_run(&p, NULL);
}

Test(probe_calm, without_a_ready_task_tagged_calm_it_is_dry)
{
	task("a", "calmer\nbecalm", NULL);
	assert_dry(run(), "no ready task is tagged calm");
	(void)fixture_idea(&p.f, "b", NULL);
	assert_ok(fixture_set(&p.f, "b", "tags", "calm"));
	assert_dry(run(), "no ready task is tagged calm");
	p.f.sim.pressure_err = -EACCES;
	assert_dry(run(), "no ready task is tagged calm");
}

Test(probe_calm, the_task_of_highest_value_is_offered_on_a_quiet_machine)
{
	task("a", "bug\ncalm", NULL);
	task("b", "calm", "3");
	task("c", "calm", "3");
	p.f.sim.load = 0.8;
	p.f.sim.cores = 4;
	assert_supply(run(), 1, "b 0 live sessions, load 0.2 a core, 50 % of memory available");
}

Test(probe_calm, sessions_load_and_memory_close_it)
{
	int64_t s1 = fixture_session(&p.f, "s1");

	task("a", "calm", NULL);
	probing_set(&p, "max-sessions", "0");
	assert_dry(run(), "closed: 1 live session, at most 0; a waits");
	assert_ok(commit(&p.f, CHANGE_END, .as = s1, .thing = s1));
	p.f.sim.load = 40;
	p.f.sim.cores = 4;
	assert_dry(run(), "closed: load 10.00 a core, at most 0.9; a waits");
	p.f.sim.load = 0;
	probing_set(&p, "min-memory", "0.6");
	assert_dry(run(), "closed: 50 % of memory available, at least 60 %; a waits");
}

Test(probe_calm, a_machine_that_cannot_be_read_is_unknown)
{
	task("a", "calm", NULL);
	p.f.sim.pressure_err = -EACCES;
	assert_unknown(run(), "load and memory could not be read: EACCES");
	p.f.sim.pressure_err = 0;
	p.f.sim.cores = 0;
	assert_unknown(run(), "the number of cores could not be read");
}

Test(probe_calm, a_task_whose_lane_is_full_is_not_offered)
{
	int64_t lane = probing_thing(&p, THING_LANE, "web");

	probing_field(&p, THING_LANE, lane, "limit", "0");
	task("a", "calm", NULL);
	assert_ok(fixture_set(&p.f, "a", "lane", "web"));
	assert_dry(run(), "no ready task is tagged calm");
	task("b", "calm", NULL);
	cr_expect_eq(run().answer, PROBE_SUPPLY);
	cr_expect_eq(strncmp(run().detail, "b ", 2), 0);
}
