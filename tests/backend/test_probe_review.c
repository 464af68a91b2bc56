#include "tests/lib/probing.h"

/* --- judge, on inputs written by hand --- */

#define IN(sessions, named, reviews, age)                                                        \
	"{'category': 'self-review', 'window': 20.0, 'max-age': 604800000, 'max-share': 0.2,"    \
	" 'sessions': " #sessions ", 'named': " #named ", 'reviews': " #reviews ", 'age': " #age \
	"}"

static struct probe_said judge(const char *inputs)
{
	return probing_judge("self-review", inputs);
}

Test(probe_review_judge, when_none_says_its_category_it_is_unknown)
{
	assert_unknown(judge(IN(20, 0, 0, null)), "none of the last 20 sessions says its category");
	assert_unknown(judge("{}"), "the sessions could not be read");
}

Test(probe_review_judge, when_the_last_is_long_ago_or_never_was_it_is_supply)
{
	assert_supply(judge(IN(20, 5, 0, 777600000)), 0, "last self-review 9d ago, due after 7d");
	assert_supply(judge(IN(20, 5, 4, 604800001)), 0, "last self-review 7d ago, due after 7d");
	assert_supply(judge(IN(20, 5, 0, null)), 0, "no session was a self-review yet");
}

Test(probe_review_judge, when_there_were_enough_or_one_lately_it_is_dry)
{
	assert_dry(judge(IN(20, 20, 8, 777600000)), "share 0.40 of the last 20: enough");
	assert_dry(judge(IN(20, 5, 4, 7200000)), "last self-review 2h ago, due after 7d");
	assert_dry(judge(IN(0, 0, 0, null)), "no session has ended: nothing to review");
}

#define GRADED(reviews, graded, mean)                                                             \
	"{'category': 'self-review', 'window': 20.0, 'max-age': 604800000, 'max-share': 0.2,"     \
	" 'sessions': 20, 'named': 9, 'reviews': " #reviews ", 'age': 7200000, 'min-grade': 0.5," \
	" 'graded': " #graded ", 'mean': " #mean "}"

Test(probe_review_judge, when_the_last_did_badly_it_is_supply)
{
	assert_supply(judge(GRADED(1, 6, 0.41)), 0,
		      "mean grade 0.41 of the last 6 graded sessions, below 0.50");
	assert_dry(judge(GRADED(1, 6, 0.5)), "last self-review 2h ago, due after 7d");
}

Test(probe_review_judge, a_mean_of_few_says_nothing_and_enough_reviews_are_enough)
{
	assert_dry(judge(GRADED(1, 4, 0.1)), "last self-review 2h ago, due after 7d");
	assert_dry(judge(GRADED(8, 20, 0.1)), "share 0.40 of the last 20: enough");
}

/* --- look, at a store --- */

static struct probing p;

static void setup(void)
{
	probing_open(&p, "self-review");
}

static void teardown(void)
{
	probing_close(&p);
}

TestSuite(probe_review, .init = setup, .fini = teardown);

/* A session that says its category (NULL: none) and ends. */
static void session(const char *name, const char *category)
{
	int64_t id = fixture_session(&p.f, name);

	if (category)
		assert_ok(commit(&p.f, CHANGE_SET, .of = THING_SESSION, .thing = id, .as = id,
				 .field = "category", .text = category));
	assert_ok(commit(&p.f, CHANGE_END, .as = id, .thing = id));
}

static struct probe_said run(void)
{
	return probing_run(&p, NULL);
}

Test(probe_review, without_an_ended_session_it_is_dry)
{
	(void)fixture_session(&p.f, "lives");
	assert_dry(run(), "no session has ended: nothing to review");
}

Test(probe_review, sessions_without_a_category_are_unknown)
{
	session("a", NULL);
	assert_unknown(run(), "none of the last 1 session says its category");
}

Test(probe_review, a_review_that_never_was_is_due)
{
	session("a", "feature");
	assert_supply(run(), 0, "no session was a self-review yet");
}

Test(probe_review, a_review_of_long_ago_is_due_and_a_late_one_is_not)
{
	probing_set(&p, "max-share", "0.5");
	session("a", "self-review");
	assert_dry(run(), "share 1.00 of the last 1: enough");
	session("b", "feature");
	assert_dry(run(), "last self-review 0s ago, due after 7d");
	fixture_pass(&p.f, 9 * DAY);
	session("c", "feature");
	assert_supply(run(), 0, "last self-review 9d ago, due after 7d");
	probing_set(&p, "max-age", "30d");
	assert_dry(run(), "last self-review 9d ago, due after 30d");
}

Test(probe_review, only_the_last_of_the_window_count_but_the_last_review_is_found_behind_it)
{
	probing_set(&p, "window", "2");
	session("a", "self-review");
	fixture_pass(&p.f, 2 * DAY);
	session("b", "feature");
	assert_dry(run(), "share 0.50 of the last 2: enough");
	session("c", "feature");
	assert_dry(run(), "last self-review 2d ago, due after 7d");
}

Test(probe_review, its_category_can_be_another)
{
	probing_set(&p, "category", "retro");
	session("a", "self-review");
	assert_supply(run(), 0, "no session was a retro yet");
}

Test(probe_review, the_grades_of_the_last_are_looked_at)
{
	int64_t ids[6];
	char name[16];

	for (int i = 0; i < 6; i++) {
		(void)snprintf(name, sizeof(name), "g%d", i);
		ids[i] = fixture_session(&p.f, name);
		assert_ok(commit(&p.f, CHANGE_END, .as = ids[i], .thing = ids[i]));
	}
	for (int i = 0; i < 5; i++)
		assert_ok(commit(&p.f, CHANGE_GRADE, .operator_ = 1, .thing = ids[i],
				 .field = "alignment", .text = "0.25 off its goal\n"));
	assert_supply(probing_run(&p, NULL), 0,
		      "mean grade 0.25 of the last 5 graded sessions, below 0.50");
	probing_set(&p, "min-grade", "0.2");
	assert_unknown(probing_run(&p, NULL), "none of the last 6 sessions says its category");
}
