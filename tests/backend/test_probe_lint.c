#include "tests/lib/probing.h"

/* --- judge, on inputs written by hand --- */

#define SOUND "'lessons': 12, 'ill': 0, 'found': []"
#define ILL "'lessons': 12, 'ill': 2, 'found': [['ci', 'has no keywords'], ['web', 'x']]"
#define NO_LINTER "'linter': null"
#define LINTER(how) "'linter': 'lint', 'programs': [{'argv': ['lint'], " how "}]"
#define IN(lessons, linter) "{" lessons ", " linter "}"
#define CLEAN LINTER("'status': 0, 'output': 'all is well', 'errors': ''")
#define FINDS LINTER("'status': 1, 'output': 'ci: too long\\nweb: too short', 'errors': ''")
#define CANNOT LINTER("'status': 2, 'output': '', 'errors': 'no such option'")

static struct probe_said judge(const char *inputs)
{
	return probing_judge("lint-lessons", inputs);
}

Test(probe_lint_judge, sound_lessons_are_dry)
{
	assert_dry(judge(IN(SOUND, NO_LINTER)), "12 lessons are sound, no linter configured");
	assert_dry(judge(IN(SOUND, CLEAN)), "12 lessons are sound, the linter finds nothing");
	assert_dry(judge(IN("'lessons': 0, 'ill': 0", NO_LINTER)),
		   "no lessons, no linter configured");
}

Test(probe_lint_judge, findings_and_ill_lessons_are_supply)
{
	assert_supply(judge(IN(SOUND, FINDS)), 0, "ci: too long");
	assert_supply(judge(IN(ILL, NO_LINTER)), 0, "lesson ci has no keywords; and 1 lesson more");
	assert_supply(judge(IN(ILL, FINDS)), 0,
		      "lesson ci has no keywords; and 1 lesson more; linter: ci: too long");
	assert_supply(judge(IN(SOUND, LINTER("'status': 1, 'output': '', 'errors': 'bad'"))), 0,
		      "bad");
}

Test(probe_lint_judge, a_linter_that_cannot_tell_is_unknown)
{
	assert_unknown(judge(IN(SOUND, CANNOT)),
		       "the linter could not tell: exit status 2: no such option");
	assert_unknown(judge(IN(SOUND, LINTER("'failed': 'time-out'"))), "lint: time-out");
	assert_unknown(judge(IN(SOUND, LINTER("'signal': 11"))), "lint: killed by signal 11");
	assert_unknown(judge(IN(SOUND, "'linter': 'lint'")), "was not run");
	assert_unknown(judge(IN(SOUND, LINTER("'status': 1, 'output': '\\u0001'"))),
		       "the linter's first line is not a line of text");
	assert_unknown(judge("{}"), "the lessons could not be read");
}

Test(probe_lint_judge, lessons_whose_verdict_is_bad_are_supply)
{
	assert_supply(
		judge(IN(SOUND ", 'unwell': 1, 'judged': [['x', 'prune', 'it harms']]", NO_LINTER)),
		0, "lesson x: prune; it harms");
	assert_supply(
		judge(IN(SOUND ", 'unwell': 3, 'judged': [['x', 'silent', 'of 200']]", CANNOT)), 0,
		"lesson x: silent; and 2 lessons more; of 200");
	assert_dry(judge(IN(SOUND ", 'unwell': 0, 'judged': []", NO_LINTER)),
		   "12 lessons are sound, no linter configured");
}

Test(probe_lint_judge, ill_lessons_are_supply_also_when_the_linter_cannot_tell)
{
	assert_supply(judge(IN(ILL, CANNOT)), 0,
		      "lesson ci has no keywords; and 1 lesson more; linter: the linter could not "
		      "tell: exit status 2: no such option");
}

/* --- look, at a store --- */

static struct probing p;

static void setup(void)
{
	probing_open(&p, "lint-lessons");
}

static void teardown(void)
{
	probing_close(&p);
}

TestSuite(probe_lint, .init = setup, .fini = teardown);

static void lesson(const char *name, const char *status, const char *keywords, const char *body)
{
	int64_t id = probing_thing(&p, THING_LESSON, name);

	if (status)
		probing_field(&p, THING_LESSON, id, "status", status);
	if (keywords)
		probing_field(&p, THING_LESSON, id, "keywords", keywords);
	if (body)
		probing_field(&p, THING_LESSON, id, "body", body);
}

Test(probe_lint, lessons_in_use_must_have_keywords_and_a_heading)
{
	lesson("good", "active", "ci", "# CI\n\ntext");
	lesson("begun", NULL, NULL, NULL);
	lesson("old", "deprecated", NULL, "no heading");
	assert_dry(probing_run(&p, NULL), "3 lessons are sound, no linter configured");
	lesson("mute", "automated", " \n\t\n ", "# Mute");
	assert_supply(probing_run(&p, NULL), 0, "lesson mute has no keywords");
	lesson("flat", "active", "x", "text\n# late");
	assert_supply(probing_run(&p, NULL), 0,
		      "lesson flat has a body that does not begin with #; and 1 lesson more");
}

Test(probe_lint, a_linter_is_run_when_there_is_one)
{
	lesson("good", "active", "ci", "# CI");
	probing_set(&p, "linter", "/usr/bin/lint --all");
	assert_dry(probing_run(&p, "{'status': 0, 'output': ''}"),
		   "1 lesson is sound, the linter finds nothing");
	assert_unknown(probing_run(&p, "{'status': 127, 'output': '', 'errors': 'not found'}"),
		       "the linter could not tell: exit status 127: not found");
	assert_supply(probing_run(&p, "{'status': 1, 'output': 'x is bad'}"), 0, "x is bad");
	cr_expect_str_eq(json_string_value(json_array_get(
				 json_object_get(json_array_get(p.asked, 0), "argv"), 1)),
			 "--all");
}
