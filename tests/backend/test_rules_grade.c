/* Who may say how a session did, in which form, and what is counted of what it did. */
#include <math.h>
#include <stdlib.h>

#include "backend/clean.h"
#include "backend/grade.h"
#include "backend/tx.h"
#include "tests/lib/check.h"
#include "tests/lib/observing.h"

static struct fixture f;
static int64_t s1, s2;

static void setup(void)
{
	fixture_open(&f);
	s1 = fixture_session(&f, "s1");
	s2 = fixture_session(&f, "s2");
}

static void teardown(void)
{
	assert_sound(&f);
	fixture_close(&f);
}

TestSuite(rules_grade, .init = setup, .fini = teardown);

#define grade(session, by, text_, ...)                                                  \
	commit(&f, CHANGE_GRADE, .thing = (session), .as = (by), .field = "trajectory", \
	       .text = (text_), ##__VA_ARGS__)

/* What is known of a session; aborts when it cannot be read. */
static struct grade grade_now(int64_t session)
{
	struct grade g = { .known = 0 };
	struct session s = fixture_session_now(&f, session);

	cr_assert_eq(store_read_begin(f.store), 0);
	cr_assert_eq(grade_of(store_reader(f.store), &s, &g), 0);
	store_read_end(f.store);
	return g;
}

static struct grade_part part_now(int64_t session, const char *name)
{
	struct grade g = grade_now(session);

	for (int i = 0; i < GRADE_DIMENSIONS; i++)
		if (strcmp(g.parts[i].name, name) == 0)
			return g.parts[i];
	cr_assert_fail("no part %s", name);
	abort();
}

static void assert_part(int64_t session, const char *name, double value, const char *source)
{
	struct grade_part p = part_now(session, name);

	cr_assert(p.known, "%s is not known", name);
	cr_assert_float_eq(p.value, value, 1e-9, "%s is %.4f: %s", name, p.value, p.reason);
	cr_assert_str_eq(p.source, source);
}

/* --- who --- */

Test(rules_grade, another_session_of_its_uid_may)
{
	json_t *e;

	assert_ok(grade(s1, s2, "0.8 sound work\n"));
	e = fixture_event(&f, "grade");
	cr_assert_str_eq(event_text(e, "graded"), "s1");
	cr_assert_str_eq(event_text(e, "session"), "s2");
	cr_assert_str_eq(event_text(e, "value"), "0.8");
	cr_assert_str_eq(event_text(e, "reason"), "sound work");
	cr_assert_str_eq(event_text(e, "judge"), "-");
	json_decref(e);
	assert_part(s1, "trajectory", 0.8, "session s2");
}

Test(rules_grade, nobody_grades_himself)
{
	assert_refused(grade(s1, s1, "1 great\n"), EPERM, "nobody grades their own work");
	assert_refused(grade(s1, s1, "1 great\n", .operator_ = 1), EPERM, "you are session s1");
	assert_refused(grade(s1, s1, "1 great\n", .owner = 1), EPERM, "you are session s1");
	cr_assert_eq(fixture_count(&f, "grade"), 0);
}

/* Whatever the process calls itself: what it has joined, or another uid's session it claims to be. */
static struct outcome grade_as(int64_t as, int64_t joined, int64_t foreign, int operator_)
{
	struct change *c = fixture_queue(
		&f, &(const struct ask){ CHANGE_GRADE, .thing = s1, .as = as, .field = "harm",
					 .text = "1 good\n", .operator_ = operator_ });

	c->actor.joined = joined;
	c->actor.foreign = foreign;
	(void)fixture_run(&f);
	return fixture_take(c);
}

Test(rules_grade, a_process_that_joined_it_is_the_session_whatever_else_it_is)
{
	assert_refused(grade_as(s2, s1, 0, 0), EPERM, "you are session s1");
	assert_refused(grade_as(0, s1, 0, 1), EPERM, "you are session s1");
	assert_refused(grade_as(0, 0, s1, 0), EPERM, "you are session s1");
	assert_ok(grade_as(s2, s2, 0, 0));
}

Test(rules_grade, its_family_by_name_may_not_in_either_direction)
{
	int64_t child = fixture_session(&f, "s1.2"), deep = fixture_session(&f, "s1.2.1"),
		like = fixture_session(&f, "s12");

	assert_refused(grade(s1, child, "1 x\n"), EPERM, "of the family of s1");
	assert_refused(grade(s1, deep, "1 x\n"), EPERM, "of the family of s1");
	assert_refused(grade(child, s1, "1 x\n"), EPERM, "of the family of s1.2");
	assert_refused(grade(deep, s1, "1 x\n", .operator_ = 1), EPERM, "of the family");
	assert_ok(grade(s1, like, "1 x\n"));
	assert_ok(grade(like, s1, "1 x\n"));
}

Test(rules_grade, who_is_no_session_must_be_an_operator)
{
	assert_refused(grade(s1, 0, "1 x\n"), EPERM, "no session");
	assert_ok(grade(s1, 0, "1 x\n", .operator_ = 1));
	assert_part(s1, "trajectory", 1, "uid 1000");
}

Test(rules_grade, another_uid_must_be_an_operator)
{
	int64_t alien = fixture_session_of(&f, "s9", 9);

	assert_refused(grade(s1, alien, "0 x\n", .uid = 9), EPERM, "you are uid 9 and no operator");
	assert_ok(grade(s1, alien, "0.1 x\n", .uid = 9, .operator_ = 1));
	assert_part(s1, "trajectory", 0.1, "session s9");
}

Test(rules_grade, an_ended_session_is_graded_and_grades_no_more)
{
	assert_ok(commit(&f, CHANGE_END, .as = s1, .thing = s1));
	assert_ok(grade(s1, s2, "0.4 x\n"));
	assert_refused(grade(s2, s1, "0.4 x\n"), ESTALE, "session s1 has ended");
}

Test(rules_grade, of_what_is_not_there_is_ESTALE)
{
	assert_refused(grade(4711, s2, "0.4 x\n"), ESTALE, "not there");
}

/* --- in which form --- */

Test(rules_grade, a_grade_is_one_whole_line_of_number_and_reason)
{
	static const struct {
		const char *text;
		int err;
	} bad[] = {
		{ "0.8 x", EINVAL },
		{ "0.8", EINVAL },
		{ "0.8\n", EINVAL },
		{ "0.8 \n", EINVAL },
		{ "\n", EINVAL },
		{ "0.8 a\nb\n", EINVAL },
		{ "0.8 a\n\n", EINVAL },
		{ "0.8 a\tb\n", EINVAL },
		{ "0.8 judge=v3\n", EINVAL },
		{ "0.8 judge= x\n", EINVAL },
		{ "0.8 \xff\n", EILSEQ },
		{ "1.01 x\n", ERANGE },
		{ "-0.1 x\n", ERANGE },
		{ "NaN x\n", EINVAL },
		{ "nan x\n", EINVAL },
		{ "inf x\n", EINVAL },
		{ "1e999 x\n", ERANGE },
		{ "0x1p-1 x\n", EINVAL },
		{ "0,5 x\n", EINVAL },
		{ "good x\n", EINVAL },
		{ " 0.5 x\n", EINVAL },
		{ "0.50000000000000000000000001 x\n", EINVAL },
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct outcome o = grade(s1, s2, bad[i].text);

		cr_expect_eq(o.err, -bad[i].err, "\"%s\" is %s", bad[i].text, errno_text(o.err));
		cr_expect(says_next(o.why), "%s", o.why);
	}
	cr_assert_eq(fixture_count(&f, "grade"), 0);
}

Test(rules_grade, a_grade_with_a_NUL_is_none)
{
	assert_refused(grade(s1, s2, "0.8 a\0b\n", .n = 8), EINVAL, "one line");
}

Test(rules_grade, its_judge_is_a_word_of_its_own)
{
	char text[128];
	json_t *e;

	assert_ok(grade(s1, s2, "0 judge=v3.1 too late\n"));
	e = fixture_event(&f, "grade");
	cr_assert_str_eq(event_text(e, "judge"), "v3.1");
	cr_assert_str_eq(event_text(e, "reason"), "too late");
	json_decref(e);
	(void)snprintf(text, sizeof(text), "1 judge=%064d x\n", 0);
	assert_refused(grade(s1, s2, text), EINVAL, "judge=");
	assert_ok(grade(s1, s2, "1 the judge=v4 is a word in here\n"));
	e = fixture_event(&f, "grade");
	cr_assert_str_eq(event_text(e, "judge"), "-");
	json_decref(e);
}

Test(rules_grade, every_number_from_0_to_1_is_kept)
{
	static const char *const good[] = { "0",    "1",     "1.0",  "0.5", ".5",
					    "5e-1", "0.333", "1e-9", "-0" };

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		char text[64];

		(void)snprintf(text, sizeof(text), "%s x\n", good[i]);
		assert_ok(grade(s1, s2, text));
		assert_part(s1, "trajectory", fabs(atof(good[i])), "session s2");
	}
}

/* --- what is made of it --- */

Test(rules_grade, what_was_said_stays_and_the_last_word_counts)
{
	assert_ok(grade(s1, s2, "0.2 bad\n"));
	assert_ok(grade(s1, s2, "0.9 no, good\n"));
	cr_assert_eq(fixture_count(&f, "grade"), 2);
	assert_part(s1, "trajectory", 0.9, "session s2");
}

Test(rules_grade, praise_covers_no_harm_and_blame_counts_where_it_is_worse)
{
	char text[64];
	int64_t token;

	(void)fixture_task(&f, "T", NULL);
	token = fixture_hold(&f, s1, "T");
	(void)snprintf(text, sizeof(text), "T %lld x", (long long)token);
	assert_ok(commit(&f, CHANGE_BREAK, .text = text, .operator_ = 1));
	assert_part(s1, "harm", 0.9, "computed");
	assert_ok(commit(&f, CHANGE_GRADE, .thing = s1, .as = s2, .field = "harm",
			 .text = "1 fine\n"));
	assert_part(s1, "harm", 0.9, "computed");
	assert_ok(commit(&f, CHANGE_GRADE, .thing = s1, .as = s2, .field = "harm",
			 .text = "0.3 bad\n"));
	assert_part(s1, "harm", 0.3, "session s2");
}

Test(rules_grade, a_weight_is_the_owners_and_one_of_0_takes_a_part_out)
{
	assert_ok(grade(s1, s2, "0.2 bad\n"));
	assert_ok(commit(&f, CHANGE_GRADE, .thing = s1, .as = s2, .field = "alignment",
			 .text = "1 x\n"));
	cr_assert_float_eq(grade_now(s1).value, (0.2 * 0.4 + 0.35) / 0.75, 1e-9);
	assert_refused(commit(&f, CHANGE_SET, .of = THING_CONTROL, .as = s1,
			      .field = "grading.trajectory", .text = "0"),
		       EPERM, "owner");
	assert_ok(fixture_control(&f, "grading.trajectory", "0"));
	cr_assert_float_eq(grade_now(s1).value, 1, 1e-9);
	assert_ok(fixture_control(&f, "grading.alignment", "0"));
	cr_assert_eq(grade_now(s1).known, 0);
	assert_refused(fixture_control(&f, "grading.alignment", "-1"), ERANGE, "");
	assert_refused(fixture_control(&f, "grading.unit", "0"), ERANGE, "");
}

/* --- what is counted --- */

static void value(const char *task, const char *text)
{
	assert_ok(fixture_set(&f, task, "value", text));
}

static void do_task(int64_t session, const char *task)
{
	(void)fixture_hold(&f, session, task);
	assert_ok(fixture_finish(&f, session, task));
}

Test(rules_grade, what_was_finished_counts_by_its_value_in_units)
{
	(void)fixture_task(&f, "T", NULL);
	value("T", "6");
	assert_ok(fixture_control(&f, "grading.unit", "2"));
	do_task(s1, "T");
	cr_assert_float_eq(grade_now(s1).deeds.worth, 3, 1e-9);
	assert_part(s1, "productivity", 1 - exp2(-4), "computed");
}

Test(rules_grade, where_nothing_is_to_choose_there_is_no_choice)
{
	(void)fixture_task(&f, "T", NULL);
	value("T", "6");
	(void)fixture_hold(&f, s1, "T");
	cr_assert_not(part_now(s1, "cascade").known);
	(void)fixture_task(&f, "U", NULL);
	(void)fixture_task(&f, "V", NULL);
	(void)fixture_hold(&f, s2, "V"); /* they are as good as each other */
	cr_assert_not(part_now(s2, "cascade").known);
}

Test(rules_grade, a_task_without_a_value_is_one_unit)
{
	(void)fixture_task(&f, "T", NULL);
	do_task(s1, "T");
	assert_part(s1, "productivity", 0.75, "computed");
}

Test(rules_grade, what_was_recommended_is_the_measure_of_a_choice)
{
	(void)fixture_task(&f, "T", NULL);
	(void)fixture_task(&f, "U", NULL);
	(void)fixture_task(&f, "V", NULL);
	value("T", "1");
	value("U", "4");
	value("V", "1");
	(void)fixture_hold(&f, s1, "T");
	assert_part(s1, "cascade", 0.25, "computed");
	(void)fixture_hold(&f, s2, "U");
	assert_part(s2, "cascade", 1, "computed");
}

/* A reader of next at its place took what it was given, though others had better. */
Test(rules_grade, the_recommendation_at_ones_place_is_the_measure)
{
	(void)fixture_task(&f, "T", NULL);
	(void)fixture_task(&f, "U", NULL);
	(void)fixture_task(&f, "V", NULL);
	value("T", "1");
	value("U", "4");
	value("V", "0.5");
	(void)fixture_hold(&f, s2, "T"); /* s1 came before and holds nothing: U is for it */
	assert_part(s2, "cascade", 1, "computed");
}

Test(rules_grade, to_claim_the_best_and_let_go_again_and_again_is_one_choice)
{
	(void)fixture_task(&f, "T", NULL);
	(void)fixture_task(&f, "U", NULL);
	value("T", "0");
	value("U", "4");
	for (int i = 0; i < 5; i++) {
		(void)fixture_hold(&f, s1, "U");
		assert_ok(fixture_release(&f, s1, "U"));
	}
	(void)fixture_hold(&f, s1, "T");
	assert_part(s1, "cascade", 0.5, "computed");
}

Test(rules_grade, a_task_that_it_drafted_itself_earns_nothing)
{
	assert_ok(commit(&f, CHANGE_DRAFT, .as = s1, .name = "T"));
	assert_ok(commit(&f, CHANGE_SET, .of = THING_TASK, .thing = fixture_task_now(&f, "T").id,
			 .as = s1, .field = "value", .text = "1000"));
	assert_ok(commit(&f, CHANGE_PUBLISH, .as = s1, .name = "T"));
	do_task(s1, "T");
	cr_assert_eq(grade_now(s1).deeds.own, 1);
	cr_assert_eq(grade_now(s1).deeds.finished, 0);
	cr_assert_float_eq(grade_now(s1).deeds.worth, 0, 1e-9);
	assert_ok(fixture_set(&f, "T", "title", "x"));
	cr_assert_eq(part_now(s1, "productivity").known, 0);
	assert_ok(commit(&f, CHANGE_END, .as = s1, .thing = s1));
	assert_part(s1, "productivity", 0, "computed");
}

Test(rules_grade, a_value_that_its_holder_set_is_none)
{
	int64_t id = fixture_task(&f, "T", NULL);

	value("T", "2");
	(void)fixture_hold(&f, s1, "T");
	assert_ok(commit(&f, CHANGE_SET, .of = THING_TASK, .thing = id, .as = s1, .field = "value",
			 .text = "1000"));
	assert_ok(fixture_release(&f, s1, "T"));
	do_task(s1, "T");
	cr_assert_float_eq(grade_now(s1).deeds.worth, 0, 1e-9);
}

Test(rules_grade, a_task_that_is_reopened_and_finished_again_counts_once)
{
	(void)fixture_task(&f, "T", NULL);
	(void)fixture_task(&f, "U", NULL);
	assert_ok(fixture_set(&f, "U", "needs", "T"));
	for (int i = 0; i < 3; i++) {
		do_task(s1, "T");
		assert_ok(commit(&f, CHANGE_REOPEN, .as = s1, .name = "T"));
	}
	cr_assert_eq(grade_now(s1).deeds.finished, 1);
	cr_assert_eq(grade_now(s1).deeds.unblocked, 1);
}

Test(rules_grade, what_it_drafted_to_be_unblocked_is_not)
{
	(void)fixture_task(&f, "T", NULL);
	(void)fixture_task(&f, "U", NULL);
	assert_ok(fixture_set(&f, "U", "needs", "T"));
	for (int i = 0; i < 5; i++) {
		char name[8];

		(void)snprintf(name, sizeof(name), "o%d", i);
		assert_ok(commit(&f, CHANGE_DRAFT, .as = s1, .name = name));
		assert_ok(commit(&f, CHANGE_SET, .of = THING_TASK,
				 .thing = fixture_task_now(&f, name).id, .as = s1, .field = "needs",
				 .text = "T"));
		assert_ok(commit(&f, CHANGE_PUBLISH, .as = s1, .name = name));
	}
	do_task(s1, "T");
	cr_assert_eq(grade_now(s1).deeds.unblocked, 1);
}

Test(rules_grade, a_task_handed_over_keeps_its_value)
{
	(void)fixture_task(&f, "T", NULL);
	value("T", "4");
	(void)fixture_hold(&f, s1, "T");
	assert_ok(commit(&f, CHANGE_HANDOVER, .as = s1, .name = "T", .text = "s2"));
	assert_ok(fixture_finish(&f, s2, "T"));
	cr_assert_float_eq(grade_now(s2).deeds.worth, 4, 1e-9);
	cr_assert_eq(grade_now(s1).deeds.finished, 0);
}

Test(rules_grade, claims_that_ran_out_are_lost_and_those_given_back_are_not)
{
	(void)fixture_task(&f, "T", NULL);
	(void)fixture_hold(&f, s1, "T");
	assert_ok(fixture_release(&f, s1, "T"));
	cr_assert_eq(grade_now(s1).deeds.lost, 0);
	(void)fixture_hold(&f, s1, "T");
	fixture_pass(&f, HOUR + 1);
	cr_assert_eq(grade_now(s1).deeds.lost, 1);
}

/* --- commits --- */

Test(rules_grade, a_commit_outside_its_claims_is_uncovered_and_one_inside_is_not)
{
	int64_t repo = observing_repo(&f, "r");

	(void)fixture_task(&f, "T", "r:src");
	(void)fixture_hold(&f, s1, "T");
	fixture_pass(&f, SECOND);
	assert_ok(observe(&f, repo, .commit = "c1", .session = "s1", .paths = "M src/a"));
	cr_assert_eq(grade_now(s1).deeds.uncovered, 0);
	assert_ok(observe(&f, repo, .commit = "c2", .session = "s1", .paths = "M src/b\nM doc/b"));
	cr_assert_eq(grade_now(s1).deeds.uncovered, 1);
	cr_assert_eq(grade_now(s1).deeds.commits, 2);
}

/* s1 commits, s2 commits the same: an incident in which s2 is the second. */
static void twin(int64_t repo)
{
	fixture_pass(&f, SECOND);
	assert_ok(observe(&f, repo, .commit = "a1", .session = "s1", .subject = "x", .patch = "p",
			  .paths = "M src/a b1"));
	fixture_pass(&f, 20 * SECOND);
	assert_ok(observe(&f, repo, .commit = "b1", .session = "s2", .subject = "x", .patch = "p",
			  .paths = "M src/a b1"));
	cr_assert_eq(fixture_count(&f, "incident"), 1);
}

Test(rules_grade, the_second_of_two_that_did_the_same_is_the_twin)
{
	twin(observing_repo(&f, "r"));
	cr_assert_eq(grade_now(s1).deeds.twins, 0);
	cr_assert_eq(grade_now(s2).deeds.twins, 1);
	cr_assert_eq(grade_now(s2).deeds.told, 0);
}

Test(rules_grade, who_was_refused_for_the_first_ones_sake_was_told)
{
	int64_t repo = observing_repo(&f, "r");

	(void)fixture_task(&f, "T", "r:src/a");
	(void)fixture_hold(&f, s1, "T");
	assert_refused(fixture_claim(&f, s2, "T"), EBUSY, "held by session s1");
	twin(repo);
	cr_assert_eq(grade_now(s2).deeds.told, 1);
	assert_part(s2, "restraint", 0, "computed");
}

Test(rules_grade, who_was_warned_of_the_first_ones_work_was_told)
{
	int64_t repo = observing_repo(&f, "r");

	assert_ok(fixture_control(&f, "freshness", "warn"));
	(void)fixture_task(&f, "T", "r:doc");
	assert_ok(observe(&f, repo, .commit = "w", .session = "s1", .paths = "M doc"));
	(void)fixture_hold(&f, s2, "T");
	cr_assert_eq(fixture_count(&f, "warned"), 1);
	twin(repo);
	cr_assert_eq(grade_now(s2).deeds.told, 1);
	cr_assert_eq(grade_now(s2).deeds.refusals, 0);
}

Test(rules_grade, who_was_refused_for_another_ones_sake_was_not_told)
{
	int64_t repo = observing_repo(&f, "r"), s11 = fixture_session(&f, "s11");

	(void)fixture_task(&f, "T", "other");
	(void)fixture_hold(&f, s11, "T");
	assert_refused(fixture_claim(&f, s2, "T"), EBUSY, "held by session s11");
	twin(repo);
	cr_assert_eq(grade_now(s2).deeds.refusals, 1);
	cr_assert_eq(grade_now(s2).deeds.told, 0);
}

/* --- the journal --- */

static struct outcome journal(int64_t as, int64_t session, const char *text, size_t n)
{
	return commit(&f, CHANGE_JOURNAL, .as = as, .thing = session, .text = text, .n = n);
}

Test(rules_grade, a_journal_is_its_sessions_and_only_grows)
{
	assert_ok(journal(s1, s1, "one\n", 0));
	assert_ok(journal(s1, s1, "two\nthree\n", 0));
	assert_refused(journal(s2, s1, "four\n", 0), EPERM, "its own");
	assert_ok(
		commit(&f, CHANGE_JOURNAL, .thing = s1, .text = "an operator's\n", .operator_ = 1));
	cr_assert_eq(fixture_count(&f, "journal"), 3);
}

Test(rules_grade, a_journal_takes_text)
{
	assert_refused(journal(s1, s1, "a\0b\n", 4), EINVAL, "UTF-8");
	assert_refused(journal(s1, s1, "\xff\n", 0), EILSEQ, "UTF-8");
	assert_refused(journal(s1, s1, "\x1b[31m\n", 0), EINVAL, "UTF-8");
	assert_refused(journal(s1, s1, "\n", 0), EINVAL, "lines");
	cr_assert_eq(fixture_count(&f, "journal"), 0);
}

Test(rules_grade, the_journal_of_an_ended_session_is_closed)
{
	assert_ok(commit(&f, CHANGE_END, .as = s1, .thing = s1));
	assert_refused(journal(s1, s1, "late\n", 0), ESTALE, "has ended");
	assert_refused(journal(s1, 4711, "x\n", 0), ESTALE, "not there");
}

Test(rules_grade, a_journal_has_an_end)
{
	static char text[65536];
	struct outcome o;
	int n = 0;

	memset(text, 'x', sizeof(text) - 2);
	text[sizeof(text) - 2] = '\n';
	while ((o = journal(s1, s1, text, sizeof(text) - 1)).err == 0)
		cr_assert_lt(++n, 18);
	assert_refused(o, EDQUOT, "is full: 1 MiB");
	cr_assert_eq(n, 16);
	assert_ok(journal(s2, s2, "another's is not\n", 0));
}
