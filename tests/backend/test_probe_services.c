#include <stdio.h>

#include "tests/lib/probing.h"

/* --- judge, on inputs written by hand --- */

#define NONE "'status': 0, 'output': ''"
#define TWO \
	"'status': 0, 'output': 'a.service loaded failed failed A\\n  b.service loaded failed\\n'"
#define ABSENT "'status': 127, 'output': '', 'errors': 'sh: 1: systemctl: not found'"
#define FAILED(n) "['s" n "', 'failed']"
#define ALL FAILED("3") ", " FAILED("2") ", " FAILED("1")
#define IN(how, outcomes)                                                              \
	"{'programs': [{'argv': ['systemctl', 'x'], " how "}], 'outcomes': [" outcomes \
	"], 'failures': 3.0, 'age': 86400000}"

static struct probe_said judge(const char *inputs)
{
	return probing_judge("failed-services", inputs);
}

Test(probe_services_judge, failed_units_are_supply)
{
	assert_supply(judge(IN(TWO, "")), 0, "2 failed units: a.service, b.service");
	assert_supply(judge(IN("'status': 0, 'output': '\xe2\x97\x8f a.service loaded'", "")), 0,
		      "1 failed unit: a.service");
	assert_supply(judge(IN("'status': 0, 'output': '* a.service'", "")), 0,
		      "1 failed unit: a.service");
	assert_supply(judge(IN("'status': 0, 'output': 'x'", "")), 0, "1 failed unit: x");
	assert_supply(judge(IN("'status': 0, 'output': 'a\\nb\\nc\\nd\\ne\\nf'", "")), 0,
		      "6 failed units: a, b, c, d, e ..");
}

Test(probe_services_judge, without_failures_it_is_dry)
{
	assert_dry(judge(IN(NONE, "")), "no failed units; no session says how it went");
	assert_dry(judge(IN("'status': 0, 'output': '\\n \\n'", FAILED("1") ", ['s2', 'done']")),
		   "no failed units; 1 of the last 2 sessions failed");
}

Test(probe_services_judge, a_manager_that_cannot_be_asked_is_unknown)
{
	assert_unknown(judge(IN(ABSENT, "")), "systemctl: not found");
	assert_unknown(
		judge(IN("'status': 1, 'output': '', 'errors': 'Failed to connect to bus'", "")),
		"systemctl: Failed to connect to bus");
	assert_unknown(judge(IN("'status': 4, 'output': '', 'errors': ''", "")),
		       "systemctl: exit status 4");
	assert_unknown(judge(IN("'failed': 'time-out'", "")), "systemctl: time-out");
	assert_unknown(judge(IN("'signal': 9", "")), "systemctl: killed by signal 9");
	assert_unknown(judge(IN("'status': 0, 'output': 'a\\u0001b'", "")),
		       "systemctl: what it prints is no text");
	assert_unknown(judge("{}"), "was not run");
}

Test(probe_services_judge, sessions_that_only_fail_are_an_outage_whatever_the_manager_says)
{
	assert_supply(judge(IN(NONE, ALL)), 0, "the last 3 sessions failed");
	assert_supply(judge(IN(ABSENT, ALL)), 0,
		      "the last 3 sessions failed; units unknown: systemctl: not found");
	assert_supply(judge(IN(TWO, ALL)), 0,
		      "the last 3 sessions failed; 2 failed units: a.service, b.service");
}

Test(probe_services_judge, fewer_or_older_ones_are_none)
{
	assert_dry(judge(IN(NONE, FAILED("2") ", " FAILED("1"))),
		   "no failed units; 2 of the last 2 sessions failed");
	assert_dry(judge("{'programs': [{'argv': ['s'], " NONE "}], 'outcomes': [" ALL "],"
			 " 'failures': 3.0, 'age': 86400001}"),
		   "no failed units; 3 of the last 3 sessions failed");
}

/* --- look, at a store --- */

static struct probing p;

static void setup(void)
{
	probing_open(&p, "failed-services");
	probing_set(&p, "failures", "2");
}

static void teardown(void)
{
	probing_close(&p);
}

TestSuite(probe_services, .init = setup, .fini = teardown);

/* A session that ends and says how it went (NULL: it does not). */
static void session(const char *outcome)
{
	static int n;
	char name[16];
	int64_t id;

	(void)snprintf(name, sizeof(name), "s%d", n++);
	id = fixture_session(&p.f, name);
	if (outcome)
		assert_ok(commit(&p.f, CHANGE_SET, .of = THING_SESSION, .thing = id, .as = id,
				 .field = "outcome", .text = outcome));
	if (!fixture_session_now(&p.f, id).ended)
		assert_ok(commit(&p.f, CHANGE_END, .as = id, .thing = id));
}

static struct probe_said run(void)
{
	return probing_run(&p, "{" NONE "}");
}

Test(probe_services, it_asks_the_manager_it_is_told)
{
	const json_t *argv;

	assert_dry(run(), "no failed units; no session says how it went");
	argv = json_object_get(json_array_get(p.asked, 0), "argv");
	cr_expect_str_eq(json_string_value(json_array_get(argv, 0)), "systemctl");
	probing_set(&p, "manager", "my-manager\nlist failed");
	assert_supply(probing_run(&p, "{" TWO "}"), 0, "2 failed units: a.service, b.service");
	argv = json_object_get(json_array_get(p.asked, 0), "argv");
	cr_expect_str_eq(json_string_value(json_array_get(argv, 1)), "list failed");
	assert_unknown(probing_run(&p, "{" ABSENT "}"), "my-manager: not found");
}

Test(probe_services, sessions_that_fail_one_after_the_other_are_an_outage)
{
	session("failed: no compiler");
	assert_dry(run(), "no failed units; 0 of the last 1 session failed");
	session("failed for want of a compiler");
	session("failed");
	assert_supply(run(), 0, "the last 2 sessions failed");
	fixture_pass(&p.f, DAY + MINUTE);
	assert_dry(run(), "no failed units; 2 of the last 2 sessions failed");
}

Test(probe_services, one_that_went_well_ends_it_and_one_that_says_nothing_does_not)
{
	session("failed");
	session("failed");
	session(NULL);
	assert_supply(run(), 0, "the last 2 sessions failed");
	session("merged the branch done");
	assert_dry(run(), "no failed units; 1 of the last 2 sessions failed");
}

Test(probe_services, only_noops_are_no_outage_and_hide_none)
{
	session("noop");
	session("noop");
	assert_dry(run(), "no failed units; no session says how it went");
	session("failed");
	session("failed");
	session("verdict was dry: noop");
	session("noop");
	assert_supply(run(), 0, "the last 2 sessions failed");
}
