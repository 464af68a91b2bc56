/* Which lesson helps and which harms, where what is observed says the opposite. */
#include "tests/lib/check.h"
#include "tests/lib/random.h"
#include "tests/lib/teaching.h"

#define SESSIONS 700
#define NOISE 40
#define SEED 7

static struct fixture f;
static struct teaching t;
static struct taught helps, idle, harms, broad;

static void setup(void)
{
	fixture_open(&f);
	teaching_begin(&t, &f, SEED, NOISE, "0.5");
	teaching_run(&t, random_rounds("LESSON_SESSIONS", SESSIONS));
	helps = teaching_look(&t, PLANTED_HELPS);
	idle = teaching_look(&t, PLANTED_IDLE);
	harms = teaching_look(&t, PLANTED_HARMS);
	broad = teaching_look(&t, PLANTED_BROAD);
}

static void teardown(void)
{
	assert_sound(&f);
	fixture_close(&f);
}

TestSuite(lesson_effect, .init = setup, .fini = teardown);

Test(lesson_effect, observed_is_fooled_by_what_makes_a_lesson_match)
{
	cr_assert(helps.observed.known && harms.observed.known);
	cr_assert_lt(helps.observed.high, 0, "the helping one looks harmful");
	cr_assert_lt(idle.observed.high, 0, "and so does the idle one");
	cr_assert_gt(harms.observed.value, helps.observed.value, "the harming one looks better");
}

Test(lesson_effect, randomised_ranks_them_as_they_are)
{
	cr_assert(helps.randomised.known && idle.randomised.known && harms.randomised.known);
	cr_assert_gt(helps.randomised.value, idle.randomised.value);
	cr_assert_gt(idle.randomised.value, harms.randomised.value);
	cr_assert_gt(helps.randomised.low, 0);
	cr_assert_lt(harms.randomised.high, 0);
	cr_assert(idle.randomised.low < 0 && idle.randomised.high > 0);
	cr_assert(helps.randomised.low < TEACHING_HELPS && helps.randomised.high > TEACHING_HELPS,
		  "%.4f .. %.4f", helps.randomised.low, helps.randomised.high);
	cr_assert(harms.randomised.low < TEACHING_HARMS && harms.randomised.high > TEACHING_HARMS,
		  "%.4f .. %.4f", harms.randomised.low, harms.randomised.high);
}

Test(lesson_effect, the_verdict_goes_by_the_randomised_figure)
{
	cr_assert_eq(helps.verdict, LESSON_KEEP, "%s", helps.why);
	cr_assert_not_null(strstr(helps.why, "it helps"), "%s", helps.why);
	cr_assert_eq(harms.verdict, LESSON_PRUNE, "%s", harms.why);
	cr_assert_eq(idle.verdict, LESSON_KEEP, "%s", idle.why);
}

Test(lesson_effect, a_lesson_that_matches_everywhere_is_narrow_and_the_keyword_is_named)
{
	cr_assert_eq(broad.verdict, LESSON_NARROW, "%s", broad.why);
	cr_assert_not_null(strstr(broad.why, ": \"error\" 1"), "%s", broad.why);
}
