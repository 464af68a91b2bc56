/* A claim from an old picture of a repository: refused, or warned of, or accepted. */
#include "backend/tx.h"
#include "tests/lib/check.h"
#include "tests/lib/observing.h"

static struct fixture f;
static int64_t repo, s1, s2;

static void setup(void)
{
	fixture_open(&f);
	repo = observing_repo(&f, "r");
	s1 = fixture_session(&f, "s1");
	s2 = fixture_session(&f, "s2");
}

static void teardown(void)
{
	assert_sound(&f);
	fixture_close(&f);
}

TestSuite(rules_fresh, .init = setup, .fini = teardown);

#define see(...) assert_ok(observe(&f, repo, __VA_ARGS__))

/* A task in the repository r. */
static void task(const char *name, const char *artifacts)
{
	(void)fixture_task(&f, name, NULL);
	assert_ok(fixture_set(&f, name, "repo", "r"));
	assert_ok(fixture_set(&f, name, "artifacts", artifacts));
}

#define assert_stale(session, t_) \
	assert_refused(fixture_claim(&f, (session), (t_)), ESTALE, "after the base of session")

/* --- what is stale --- */

Test(rules_fresh, what_another_committed_to_since_the_base_is_ESTALE_and_says_by_whom_and_when)
{
	task("T", "src/a.c");
	see(.commit = "abc", .session = "s2", .paths = "M src/a.c", .subject = "Change a");
	fixture_pass(&f, 90 * SECOND + 300);
	assert_refused(fixture_claim(&f, s1, "T"), ESTALE,
		       "src/a.c was committed by session s2 90s ago, after the base of session s1: "
		       "abc0000000000000000000000000000000000000 in r, \"Change a\" "
		       "(trailer Coord-Session)");
	assert_column(&f, "T", COLUMN_READY);
	cr_assert_eq(fixture_count(&f, "claim"), 0);
}

Test(rules_fresh, a_commit_by_its_holder_counts_as_well)
{
	task("T", "src/a.c");
	task("U", "src/a.c");
	(void)fixture_hold(&f, s2, "U");
	see(.commit = "a", .paths = "M src/a.c");
	assert_ok(fixture_finish(&f, s2, "U"));
	assert_refused(fixture_claim(&f, s1, "T"), ESTALE, "committed by session s2");
	assert_refused(fixture_claim(&f, s1, "T"), ESTALE, "(holder)");
}

Test(rules_fresh, a_session_that_was_never_registered_is_another)
{
	task("T", "src/a.c");
	see(.commit = "a", .session = "elsewhere", .paths = "M src/a.c");
	assert_refused(fixture_claim(&f, s1, "T"), ESTALE, "committed by session elsewhere");
}

Test(rules_fresh, a_deletion_counts)
{
	task("T", "src/a.c");
	see(.commit = "a", .session = "s2", .paths = "D src/a.c");
	assert_stale(s1, "T");
}

Test(rules_fresh, a_date_in_the_past_makes_no_commit_older)
{
	task("T", "src/a.c");
	see(.commit = "a", .session = "s2", .paths = "M src/a.c", .at = 1000);
	assert_stale(s1, "T");
}

Test(rules_fresh, a_date_in_the_future_has_no_age)
{
	task("T", "src/a.c");
	see(.commit = "a", .session = "s2", .paths = "M src/a.c", .at = observing_now(&f) + 9999);
	assert_refused(fixture_claim(&f, s1, "T"), ESTALE, "by session s2 0s ago");
}

Test(rules_fresh, of_a_directory_all_below_it_counts)
{
	task("T", "src");
	see(.commit = "a", .session = "s2", .paths = "M srcs/x\nM src.c");
	assert_ok(fixture_claim(&f, s1, "T"));
	assert_ok(fixture_release(&f, s1, "T"));
	see(.commit = "b", .session = "s2", .paths = "A src/deep/down/x.c");
	assert_refused(fixture_claim(&f, s1, "T"), ESTALE, "src/deep/down/x.c was committed");
}

Test(rules_fresh, of_a_pattern_what_it_matches_counts)
{
	task("T", "src/*.c");
	see(.commit = "a", .session = "s2", .paths = "M src/a.h");
	assert_ok(fixture_claim(&f, s1, "T"));
	assert_ok(fixture_release(&f, s1, "T"));
	see(.commit = "b", .session = "s2", .paths = "M src/a.c");
	assert_refused(fixture_claim(&f, s1, "T"), ESTALE, "src/a.c was committed");
}

Test(rules_fresh, a_file_called_like_a_pattern_is_that_file)
{
	task("T", "src/x.c");
	see(.commit = "a", .session = "s2", .json = "[['M', 'src/*.c', 'b', 9]]");
	assert_ok(fixture_claim(&f, s1, "T"));
}

Test(rules_fresh, what_was_a_file_above_it_counts)
{
	task("T", "lib/x/y.c");
	see(.commit = "a", .session = "s2", .paths = "D lib");
	assert_refused(fixture_claim(&f, s1, "T"), ESTALE, "lib was committed");
}

Test(rules_fresh, what_is_not_listed_may_be_any_path)
{
	task("T", "lib/x/y.c");
	see(.commit = "a", .session = "s2", .paths = "M z", .more = 1);
	assert_stale(s1, "T");
}

Test(rules_fresh, a_task_of_the_whole_repository_is_stale_by_any_commit)
{
	task("T", "**");
	see(.commit = "a", .session = "s2", .paths = "M z");
	assert_stale(s1, "T");
}

Test(rules_fresh, a_task_elsewhere_that_names_the_repository_is_asked_about_too)
{
	(void)fixture_task(&f, "T", "branch:x\nr:src/a.c\nplain");
	see(.commit = "a", .session = "s2", .paths = "M src/a.c");
	assert_refused(fixture_claim(&f, s1, "T"), ESTALE, "r:src/a.c was committed");
}

Test(rules_fresh, one_of_several_repositories_is_enough)
{
	int64_t other = observing_repo(&f, "other");

	assert_ok(commit(&f, CHANGE_BASE, .as = s1, .thing = s1));
	(void)fixture_task(&f, "T", "r:a\nother:b");
	assert_ok(observe(&f, other, .commit = "a", .session = "s2", .paths = "M b"));
	assert_refused(fixture_claim(&f, s1, "T"), ESTALE, "in other");
}

/* --- what is fresh --- */

Test(rules_fresh, the_own_commit_is_none_of_it)
{
	task("T", "src/a.c");
	see(.commit = "a", .session = "s1", .paths = "M src/a.c");
	assert_ok(fixture_claim(&f, s1, "T"));
}

Test(rules_fresh, what_was_there_before_the_repository_was_looked_at_is_none_of_it)
{
	int64_t other = observing_new_repo(&f, "other");

	(void)fixture_task(&f, "T", "other:a");
	assert_ok(observe(&f, other, .commit = "a", .session = "s2", .paths = "M a"));
	assert_ok(fixture_claim(&f, s1, "T"));
}

Test(rules_fresh, what_came_after_the_first_look_counts_although_the_session_is_older)
{
	int64_t other = observing_repo(&f, "other");

	(void)fixture_task(&f, "T", "other:a");
	assert_ok(observe(&f, other, .commit = "a", .session = "s2", .paths = "M a"));
	assert_stale(s1, "T");
}

Test(rules_fresh, nobodys_commit_is_none_of_it)
{
	task("T", "src/a.c");
	see(.commit = "a", .paths = "M src/a.c");
	assert_ok(fixture_claim(&f, s1, "T"));
}

Test(rules_fresh, another_path_is_none_of_it)
{
	task("T", "src/a.c");
	see(.commit = "a", .session = "s2", .paths = "M src/b.c\nM a.c\nM src/a.cc");
	assert_ok(fixture_claim(&f, s1, "T"));
}

Test(rules_fresh, the_same_path_in_another_repository_is_none_of_it)
{
	int64_t other = observing_repo(&f, "other");

	task("T", "src/a.c");
	assert_ok(observe(&f, other, .commit = "a", .session = "s2", .paths = "M src/a.c"));
	assert_ok(fixture_claim(&f, s1, "T"));
}

Test(rules_fresh, a_session_that_registered_after_the_commit_has_seen_it)
{
	task("T", "src/a.c");
	see(.commit = "a", .session = "s2", .paths = "M src/a.c");
	assert_ok(fixture_claim(&f, fixture_session(&f, "s3"), "T"));
}

Test(rules_fresh, a_repository_that_is_gone_makes_nothing_stale)
{
	task("T", "src/a.c");
	see(.commit = "a", .session = "s2", .paths = "M src/a.c");
	assert_ok(commit(&f, CHANGE_REMOVE, .of = THING_REPO, .name = "r", .thing = repo,
			 .owner = 1));
	assert_ok(fixture_claim(&f, s1, "T"));
}

Test(rules_fresh, a_task_without_artifacts_is_never_stale)
{
	(void)fixture_task(&f, "T", NULL);
	see(.commit = "a", .session = "s2", .paths = "M src/a.c");
	assert_ok(fixture_claim(&f, s1, "T"));
}

/* --- the base --- */

Test(rules_fresh, who_accepts_what_there_is_may_claim)
{
	task("T", "src/a.c");
	see(.commit = "a", .session = "s2", .paths = "M src/a.c");
	assert_stale(s1, "T");
	assert_ok(commit(&f, CHANGE_BASE, .as = s1, .thing = s1));
	assert_ok(fixture_claim(&f, s1, "T"));
	assert_ok(fixture_release(&f, s1, "T"));
	see(.commit = "b", .session = "s2", .paths = "M src/a.c");
	assert_refused(fixture_claim(&f, s1, "T"), ESTALE, "b000");
}

Test(rules_fresh, the_base_of_one_session_is_not_that_of_another)
{
	task("T", "src/a.c");
	see(.commit = "a", .session = "elsewhere", .paths = "M src/a.c");
	assert_ok(commit(&f, CHANGE_BASE, .as = s2, .thing = s2));
	assert_stale(s1, "T");
}

Test(rules_fresh, a_base_that_is_up_to_date_is_no_event)
{
	int n = fixture_count(&f, "base");

	assert_ok(commit(&f, CHANGE_BASE, .as = s1, .thing = s1));
	cr_assert_eq(fixture_count(&f, "base"), n);
	see(.commit = "a", .session = "s2", .paths = "M x");
	assert_ok(commit(&f, CHANGE_BASE, .as = s1, .thing = s1));
	cr_assert_eq(fixture_count(&f, "base"), n + 1);
	assert_ok(commit(&f, CHANGE_BASE, .as = s1, .thing = s1));
	cr_assert_eq(fixture_count(&f, "base"), n + 1);
}

Test(rules_fresh, a_base_is_the_sessions_own_or_an_operators_to_accept)
{
	see(.commit = "a", .session = "elsewhere", .paths = "M x");
	assert_refused(commit(&f, CHANGE_BASE, .as = s2, .thing = s1), EPERM,
		       "a session's files are its own");
	assert_refused(commit(&f, CHANGE_BASE, .uid = 77, .thing = s1), EPERM, "its own");
	assert_refused(commit(&f, CHANGE_BASE, .thing = s1), EPERM, "its own");
	assert_ok(commit(&f, CHANGE_BASE, .operator_ = 1, .thing = s1));
}

Test(rules_fresh, a_session_that_has_ended_or_never_was_accepts_nothing)
{
	assert_ok(commit(&f, CHANGE_END, .as = s1, .thing = s1));
	assert_refused(commit(&f, CHANGE_BASE, .operator_ = 1, .thing = s1), ESTALE, "has ended");
	assert_refused(commit(&f, CHANGE_BASE, .operator_ = 1, .thing = 999999), ESTALE,
		       "is not there");
}

/* --- by whatever way it is claimed --- */

Test(rules_fresh, to_claim_anew_is_to_claim)
{
	task("T", "src/a.c");
	see(.commit = "a", .session = "s2", .paths = "M src/a.c");
	assert_refused(commit(&f, CHANGE_CLAIM, .as = s1, .name = "T", .flags = CHANGE_ANEW),
		       ESTALE, "after the base of session s1");
}

Test(rules_fresh, a_lock_of_a_session_is_a_claim)
{
	task("T", "src/a.c");
	see(.commit = "a", .session = "s2", .paths = "M src/a.c");
	assert_refused(commit(&f, CHANGE_LOCK, .as = s1, .name = "T", .pid = 5, .pid_start = 1),
		       ESTALE, "after the base of session s1");
}

Test(rules_fresh, a_lock_of_no_session_has_no_base)
{
	task("T", "src/a.c");
	see(.commit = "a", .session = "s2", .paths = "M src/a.c");
	assert_ok(commit(&f, CHANGE_LOCK, .name = "T", .pid = 5, .pid_start = 1));
}

Test(rules_fresh, what_is_in_the_way_anyhow_is_said_first)
{
	task("T", "src/a.c");
	(void)fixture_hold(&f, s2, "T");
	see(.commit = "a", .session = "s2", .paths = "M src/a.c");
	assert_refused(fixture_claim(&f, s1, "T"), EBUSY, "held by session s2");
}

/* --- to warn, and not to ask --- */

Test(rules_fresh, with_warn_it_is_granted_and_the_session_told)
{
	json_t *e;

	task("T", "src/a.c");
	assert_ok(fixture_control(&f, "freshness", "warn"));
	see(.commit = "a", .session = "s2", .paths = "M src/a.c");
	assert_ok(commit(&f, CHANGE_CLAIM, .as = s1, .name = "T", .op = "claim claims/T"));
	assert_column(&f, "T", COLUMN_CLAIMS);
	e = fixture_event(&f, "warned");
	cr_assert_eq(event_int(e, "session_id"), s1);
	cr_assert_str_eq(event_text(e, "task"), "T");
	cr_assert_str_eq(event_text(e, "why"), observing_why(&f, s1));
	json_decref(e);
	cr_assert(strstr(observing_why(&f, s1), " WARNING claim claims/T\nsrc/a.c was committed"),
		  "%s", observing_why(&f, s1));
	cr_assert(says_next(observing_why(&f, s1)));
	cr_assert_eq(fixture_session_now(&f, s1).refusals, 0);
}

Test(rules_fresh, with_warn_what_is_fresh_is_not_warned_of)
{
	task("T", "src/a.c");
	assert_ok(fixture_control(&f, "freshness", "warn"));
	assert_ok(fixture_claim(&f, s1, "T"));
	cr_assert_eq(fixture_count(&f, "warned"), 0);
}

Test(rules_fresh, with_warn_what_is_refused_anyhow_is_not_warned_of)
{
	task("T", "src/a.c");
	assert_ok(fixture_control(&f, "freshness", "warn"));
	see(.commit = "a", .session = "s2", .paths = "M src/a.c");
	(void)fixture_hold(&f, s2, "T");
	assert_refused(fixture_claim(&f, s1, "T"), EBUSY, "held");
	cr_assert_eq(fixture_count(&f, "warned"), 0);
}

Test(rules_fresh, with_off_nobody_asks)
{
	task("T", "src/a.c");
	assert_ok(fixture_control(&f, "freshness", "off"));
	see(.commit = "a", .session = "s2", .paths = "M src/a.c");
	assert_ok(commit(&f, CHANGE_CLAIM, .as = s1, .name = "T", .flags = CHANGE_UNSEEN,
			 .text = "x"));
	cr_assert_eq(fixture_count(&f, "warned"), 0);
}

Test(rules_fresh, a_repository_that_could_not_be_looked_at_is_said_and_stops_nobody)
{
	task("T", "src/a.c");
	assert_ok(commit(&f, CHANGE_CLAIM, .as = s1, .name = "T", .flags = CHANGE_UNSEEN,
			 .text = "r cannot be read: No such file or directory"));
	cr_assert_eq(fixture_count(&f, "warned"), 1);
	cr_assert(strstr(observing_why(&f, s1), "whether T is fresh is unknown: r cannot be read"),
		  "%s", observing_why(&f, s1));
}

Test(rules_fresh, what_is_known_to_be_stale_is_refused_although_not_all_was_seen)
{
	task("T", "src/a.c");
	see(.commit = "a", .session = "s2", .paths = "M src/a.c");
	assert_refused(commit(&f, CHANGE_CLAIM, .as = s1, .name = "T", .flags = CHANGE_UNSEEN,
			      .text = "?"),
		       ESTALE, "after the base");
	cr_assert_eq(fixture_count(&f, "warned"), 0);
}

Test(rules_fresh, in_a_repository_called_with_signs_of_a_pattern_it_is_the_same)
{
	int64_t other = observing_repo(&f, "re@po#1");

	(void)fixture_task(&f, "T", "re@po#1:src");
	assert_ok(observe(&f, other, .commit = "a", .session = "s2", .paths = "M src/a.c"));
	assert_stale(s1, "T");
}
