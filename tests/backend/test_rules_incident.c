/* Two sessions, one piece of work: found, told to both, and what would have prevented it. */
#include "backend/clean.h"
#include "backend/tx.h"
#include "tests/lib/check.h"
#include "tests/lib/json.h"
#include "tests/lib/observing.h"

static struct fixture f;
static int64_t repo, s1, s2, start;

static void setup(void)
{
	fixture_open(&f);
	repo = observing_repo(&f, "r");
	s1 = fixture_session(&f, "s1");
	s2 = fixture_session(&f, "s2");
	start = observing_now(&f);
	assert_ok(fixture_control(&f, "freshness", "off"));
}

static void teardown(void)
{
	assert_sound(&f);
	fixture_close(&f);
}

TestSuite(rules_incident, .init = setup, .fini = teardown);

#define see(...) assert_ok(observe(&f, repo, __VA_ARGS__))

/* A task in the repository r. */
static void task(const char *name, const char *artifacts)
{
	(void)fixture_task(&f, name, NULL);
	assert_ok(fixture_set(&f, name, "repo", "r"));
	if (artifacts)
		assert_ok(fixture_set(&f, name, "artifacts", artifacts));
}

static int incidents(void)
{
	return fixture_count(&f, "incident");
}

/* Member KEY of the last event of that kind is TEXT. */
static void assert_says(const char *kind, const char *key, const char *text)
{
	json_t *e = fixture_event(&f, kind);

	cr_assert_not_null(e, "no %s", kind);
	cr_assert_str_eq(event_text(e, key), text, "%s is %s", key, event_text(e, key));
	json_decref(e);
}

static int64_t number(const char *kind, const char *key)
{
	json_t *e = fixture_event(&f, kind);
	int64_t n = event_int(e, key);

	json_decref(e);
	return n;
}

/* The lesson of the last incident is, without the numbers of tasks: "TASK KEY VALUE" lines. */
static void assert_lesson(const char *want)
{
	const char *kind = fixture_seq(&f, "incident-more") > fixture_seq(&f, "incident") ?
				   "incident-more" :
				   "incident";
	json_t *e = fixture_event(&f, kind), *lesson = json_loads(event_text(e, "lesson"), 0, NULL);
	AUTO_BUF struct buf is = BUF_INIT;
	json_t *v;
	size_t i;

	json_array_foreach(lesson, i, v)
		buf_line(&is, "%s %s %s", event_text(v, "task"), event_text(v, "key"),
			 event_text(v, "value"));
	cr_assert_str_eq(buf_text(&is), want, "it is %s", buf_text(&is));
	json_decref(lesson);
	json_decref(e);
}

static struct outcome apply(int64_t as, int is_operator)
{
	return commit(&f, CHANGE_APPLY, .as = as, .thing = fixture_seq(&f, "incident"),
		      .operator_ = is_operator);
}

/* --- the story it is for --- */

Test(rules_incident, a_script_and_its_metadata_by_two_sessions_are_found_and_stopped_the_next_time)
{
	json_t *e;

	task("A", "tasks/a.md");
	task("B", "tasks/b.md");
	(void)fixture_hold(&f, s1, "A");
	(void)fixture_hold(&f, s2, "B");
	see(.commit = "a", .session = "s1", .paths = "A scripts/x.py", .at = start + 60,
	    .subject = "Add the link checker");
	cr_assert_eq(incidents(), 0);
	see(.commit = "b", .session = "s2", .paths = "M tasks/b.md", .at = start + 80,
	    .subject = "Add the link checker");
	cr_assert_eq(incidents(), 1);

	e = fixture_event(&f, "incident");
	cr_assert_eq(event_int(e, "incident"), 1);
	cr_assert_eq(event_int(e, "gap_ms"), 20000);
	cr_assert_str_eq(event_text(e, "first_session"), "s1");
	cr_assert_str_eq(event_text(e, "second_session"), "s2");
	cr_assert_str_eq(event_text(e, "kinds"), "subject\n");
	cr_assert_str_eq(event_text(e, "paths"), "scripts/x.py\n");
	cr_assert_str_eq(event_text(e, "held"), "scripts/x.py s1 -\nscripts/x.py s2 -\n");
	cr_assert_eq(event_int(e, "cost_ms"), 80000);
	json_decref(e);
	assert_lesson("A artifact r:scripts/x.py\nB artifact r:scripts/x.py\n");

	assert_ok(fixture_finish(&f, s1, "A"));
	assert_ok(fixture_finish(&f, s2, "B"));
	assert_ok(apply(0, 1));
	cr_assert_str_eq(fixture_artifacts(&f, "A"), "r:tasks/a.md r:scripts/x.py");
	cr_assert_str_eq(fixture_artifacts(&f, "B"), "r:tasks/b.md r:scripts/x.py");
	assert_ok(commit(&f, CHANGE_REOPEN, .name = "A"));
	assert_ok(commit(&f, CHANGE_REOPEN, .name = "B"));
	assert_ok(fixture_claim(&f, s1, "A"));
	assert_refused(fixture_claim(&f, s2, "B"), EBUSY, "scripts/x.py");
}

/* --- what is said of it --- */

Test(rules_incident, it_says_who_did_what_when_and_what_they_held)
{
	char want[256];
	int64_t token;

	task("A", "a.c");
	token = fixture_hold(&f, s1, "A");
	see(.commit = "a", .session = "s1", .paths = "M a.c", .at = start + 5, .subject = "one");
	see(.commit = "b", .session = "s2", .paths = "M a.c", .at = start + 12, .subject = "two");
	cr_assert_eq(incidents(), 1);
	assert_says("incident", "repo", "r");
	assert_says("incident", "kinds", "path\n");
	assert_says("incident", "commits",
		    "a000000000000000000000000000000000000000 s1 2026-07-01T08:20:05Z one\n"
		    "b000000000000000000000000000000000000000 s2 2026-07-01T08:20:12Z two\n");
	(void)snprintf(want, sizeof(want), "a.c s1 A %lld\na.c s2 -\n", (long long)token);
	assert_says("incident", "held", want);
	cr_assert_eq(number("incident", "gap_ms"), 7000);
	cr_assert_eq(number("incident", "first_at"), (start + 5) * 1000);
	cr_assert_eq(number("incident", "last_at"), (start + 12) * 1000);
}

Test(rules_incident, both_sessions_are_told_each_of_its_own_commit)
{
	see(.commit = "a", .session = "s1", .paths = "M a.c");
	see(.commit = "b", .session = "s2", .paths = "M a.c");
	cr_assert(strstr(observing_why(&f, s1),
			 " CONVERGENCE commit convergence/1\n"
			 "your commit a00000000000 and b00000000000 of session s2, "),
		  "%s", observing_why(&f, s1));
	cr_assert(says_next(observing_why(&f, s1)));
	cr_assert(strstr(observing_why(&f, s2),
			 "your commit b00000000000 and a00000000000 of session s1, "),
		  "%s", observing_why(&f, s2));
	cr_assert_eq(fixture_session_now(&f, s1).refusals, 0);
}

Test(rules_incident, a_session_that_was_never_registered_is_named_and_the_other_told)
{
	see(.commit = "a", .session = "elsewhere", .paths = "M a.c");
	see(.commit = "b", .session = "s2", .paths = "M a.c");
	assert_says("incident", "first_session", "elsewhere");
	cr_assert(strstr(observing_why(&f, s2), "of session elsewhere"));
}

Test(rules_incident, a_commit_that_is_reported_late_is_put_where_its_date_says)
{
	see(.commit = "b", .session = "s2", .paths = "M a.c", .at = start + 30);
	see(.commit = "a", .session = "s1", .paths = "M a.c", .at = start + 10);
	assert_says("incident", "first_session", "s1");
	assert_says("incident", "second_session", "s2");
	cr_assert_eq(number("incident", "gap_ms"), 20000);
}

Test(rules_incident, the_cost_is_the_time_of_the_second_ones_claim)
{
	task("B", "b.c");
	fixture_pass(&f, 100 * SECOND);
	(void)fixture_hold(&f, s2, "B");
	see(.commit = "a", .session = "s1", .paths = "M b.c", .at = start + 150);
	see(.commit = "b", .session = "s2", .paths = "M b.c", .at = start + 160);
	cr_assert_eq(number("incident", "cost_ms"), 60000);
}

Test(rules_incident, without_a_claim_the_cost_is_that_of_the_session_and_else_unknown)
{
	see(.commit = "a", .session = "s1", .paths = "M b.c", .at = start + 150);
	see(.commit = "b", .session = "s2", .paths = "M b.c", .at = start + 160);
	cr_assert_eq(number("incident", "cost_ms"), 160000);
	see(.commit = "c", .session = "elsewhere", .paths = "M d.c", .at = start + 150);
	see(.commit = "d", .session = "nowhere", .paths = "M d.c", .at = start + 160);
	cr_assert_eq(number("incident", "cost_ms"), -1);
}

/* --- one, or another --- */

Test(rules_incident, more_of_the_same_pair_is_the_same_incident)
{
	see(.commit = "a", .session = "s1", .paths = "M a.c", .at = start);
	see(.commit = "b", .session = "s2", .paths = "M a.c", .at = start + 100);
	see(.commit = "c", .session = "s2", .paths = "M d.c", .at = start + 200);
	see(.commit = "d", .session = "s1", .paths = "M d.c", .at = start + 230, .loose = "l");
	cr_assert_eq(incidents(), 1);
	cr_assert_eq(number("incident-more", "incident"), 1);
	cr_assert_eq(number("incident-more", "incident_id"), fixture_seq(&f, "incident"));
	cr_assert_eq(number("incident-more", "gap_ms"), 30000);
	cr_assert_eq(number("incident-more", "first_at"), start * 1000);
	cr_assert_eq(number("incident-more", "last_at"), (start + 230) * 1000);
	assert_says("incident-more", "first_session", "s1");
	assert_says("incident-more", "paths", "a.c\nd.c\n");
	see(.commit = "e", .session = "s2", .paths = "M z.c", .at = start + 240, .loose = "l");
	assert_says("incident-more", "kinds", "format\npath\n");
}

Test(rules_incident, more_of_the_same_pair_outside_the_window_is_another)
{
	see(.commit = "a", .session = "s1", .paths = "M a.c", .at = start);
	see(.commit = "b", .session = "s2", .paths = "M a.c", .at = start + 1);
	see(.commit = "c", .session = "s1", .paths = "M c.c", .at = start + 3602);
	see(.commit = "d", .session = "s2", .paths = "M c.c", .at = start + 3603);
	cr_assert_eq(incidents(), 2);
	cr_assert_eq(number("incident", "incident"), 2);
	assert_says("incident", "paths", "c.c\n");
}

Test(rules_incident, each_pair_has_its_own)
{
	(void)fixture_session(&f, "s3");
	see(.commit = "a", .session = "s1", .paths = "M a.c");
	see(.commit = "b", .session = "s2", .paths = "M a.c");
	see(.commit = "c", .session = "s3", .paths = "M a.c");
	cr_assert_eq(incidents(), 3);
	cr_assert_eq(number("incident", "incident"), 3);
}

Test(rules_incident, each_repository_has_its_own)
{
	int64_t other = observing_repo(&f, "other");

	see(.commit = "a", .session = "s1", .paths = "M a.c");
	assert_ok(observe(&f, other, .commit = "b", .session = "s2", .paths = "M a.c"));
	cr_assert_eq(incidents(), 0);
	see(.commit = "c", .session = "s2", .paths = "M a.c");
	assert_ok(observe(&f, other, .commit = "d", .session = "s1", .paths = "M a.c"));
	cr_assert_eq(incidents(), 2);
	assert_says("incident", "repo", "other");
}

/* --- the window --- */

Test(rules_incident, as_far_apart_as_the_window_is_near_and_more_is_not)
{
	see(.commit = "a", .session = "s1", .paths = "M a.c\nM b.c", .at = start);
	see(.commit = "b", .session = "s2", .paths = "M a.c", .at = start + 3601);
	cr_assert_eq(incidents(), 0);
	see(.commit = "c", .session = "s2", .paths = "M b.c", .at = start + 3600);
	cr_assert_eq(incidents(), 1);
	see(.commit = "d", .session = "s3", .paths = "M a.c", .at = start - 3600);
	cr_assert_eq(incidents(), 2);
	see(.commit = "e", .session = "s4", .paths = "M a.c", .at = start - 3601 - 3600);
	cr_assert_eq(incidents(), 2);
}

Test(rules_incident, the_window_is_a_setting)
{
	assert_ok(fixture_control(&f, "convergence-window", "10s"));
	see(.commit = "a", .session = "s1", .paths = "M a.c", .at = start);
	see(.commit = "b", .session = "s2", .paths = "M a.c", .at = start + 11);
	cr_assert_eq(incidents(), 0);
	assert_ok(fixture_control(&f, "convergence-window", "1m"));
	see(.commit = "c", .session = "s2", .paths = "M a.c", .at = start + 50);
	cr_assert_eq(incidents(), 1);
}

Test(rules_incident, with_no_window_there_are_none)
{
	assert_ok(fixture_control(&f, "convergence-window", "0s"));
	see(.commit = "a", .session = "s1", .paths = "M a.c", .at = start);
	see(.commit = "b", .session = "s2", .paths = "M a.c", .at = start);
	cr_assert_eq(incidents(), 0);
}

/* --- who is found --- */

Test(rules_incident, each_sign_finds_the_other)
{
	static const struct seen pairs[][2] = {
		{ { .paths = "M a", .patch = "p" }, { .paths = "M b", .patch = "p" } },
		{ { .paths = "M a", .loose = "l" }, { .paths = "M b", .loose = "l" } },
		{ { .paths = "A a x", .subject = "" }, { .paths = "A b x", .subject = "" } },
		{ { .paths = "M a x" }, { .paths = "M a x" } },
		{ { .paths = "D a" }, { .paths = "D a" } },
		{ { .paths = "M a", .subject = "Say it once more" },
		  { .paths = "M b", .subject = "Say it once more" } },
	};
	static const char *const kinds[] = { "patch\n",	      "format\n",      "blob\n",
					     "empty\npath\n", "empty\npath\n", "subject\n" };

	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
		struct seen x = pairs[i][0], y = pairs[i][1];
		char name[2][8];

		(void)snprintf(name[0], 8, "%zua", i);
		(void)snprintf(name[1], 8, "%zub", i);
		x.commit = name[0];
		y.commit = name[1];
		x.session = "s1";
		y.session = "s2";
		x.at = y.at = start + (int64_t)i * 10000;
		assert_ok(observing_tell(&f, repo, &x));
		assert_ok(observing_tell(&f, repo, &y));
		cr_assert_eq(incidents(), (int)i + 1, "%zu", i);
		assert_says("incident", "kinds", kinds[i]);
	}
}

Test(rules_incident, nobodys_commits_are_in_none)
{
	see(.commit = "a", .paths = "M a.c");
	see(.commit = "b", .session = "s2", .paths = "M a.c");
	see(.commit = "c", .paths = "M a.c");
	cr_assert_eq(incidents(), 0);
}

Test(rules_incident, a_merge_a_revert_and_a_rewrite_are_in_none)
{
	see(.commit = "a", .session = "s1", .paths = "M a.c", .author = "N <n>", .author_at = 7,
	    .loose = "l");
	see(.commit = "b", .paths = "M a.c", .author = "N <n>", .author_at = 7, .loose = "l");
	see(.commit = "c", .session = "s2", .paths = "M a.c", .parents = 2);
	cr_assert_eq(incidents(), 0);
	see(.commit = "d", .session = "s1", .paths = "M d.c");
	see(.commit = "e", .session = "s2", .paths = "M d.c", .names = "d");
	cr_assert_eq(incidents(), 0);
}

Test(rules_incident, inside_the_claims_of_both_it_is_their_work)
{
	task("A", "a.c");
	task("B", "a.c");
	(void)fixture_hold(&f, s1, "A");
	see(.commit = "a", .session = "s1", .paths = "M a.c");
	assert_ok(fixture_finish(&f, s1, "A"));
	fixture_pass(&f, 10 * SECOND);
	(void)fixture_hold(&f, s2, "B");
	see(.commit = "b", .session = "s2", .paths = "M a.c");
	cr_assert_eq(incidents(), 0);
}

Test(rules_incident, into_the_claim_of_another_is_found_whoever_commits_first)
{
	task("A", "src");
	(void)fixture_hold(&f, s1, "A");
	see(.commit = "a", .session = "s2", .paths = "M src/x", .at = start + 1);
	see(.commit = "b", .session = "s1", .paths = "M src/y", .at = start + 2);
	cr_assert_eq(incidents(), 1);
	assert_says("incident", "paths", "src/x\n");
	see(.commit = "c", .session = "s3", .paths = "M src/z", .at = start + 3);
	cr_assert_eq(incidents(), 2);
	assert_says("incident", "paths", "src/z\n");
}

Test(rules_incident, into_a_claim_that_has_ended_is_no_trespass)
{
	task("A", "src");
	(void)fixture_hold(&f, s1, "A");
	see(.commit = "a", .session = "s1", .paths = "M src/y");
	assert_ok(fixture_finish(&f, s1, "A"));
	fixture_pass(&f, 10 * SECOND);
	see(.commit = "b", .session = "s2", .paths = "M src/x");
	cr_assert_eq(incidents(), 0);
}

Test(rules_incident, one_of_another_session_is_found_behind_many_innocent_ones)
{
	char name[8];

	task("A", "a.c");
	(void)fixture_hold(&f, s1, "A");
	for (int i = 0; i < 100; i++) {
		(void)snprintf(name, sizeof(name), "a%03d", i);
		see(.commit = name, .session = "s1", .paths = "M a.c", .at = start + i);
	}
	assert_ok(fixture_finish(&f, s1, "A"));
	fixture_pass(&f, 200 * SECOND);
	see(.commit = "b", .session = "s3", .paths = "M a.c", .at = start + 150);
	task("B", "a.c");
	(void)fixture_hold(&f, s2, "B");
	see(.commit = "c", .session = "s2", .paths = "M a.c", .at = start + 210);
	assert_says("incident", "first_session", "s3");
	assert_says("incident", "second_session", "s2");
}

/* --- the lesson --- */

Test(rules_incident, the_task_that_did_not_name_the_path_is_to_name_it)
{
	task("A", "a.c");
	task("B", "b.c");
	(void)fixture_hold(&f, s1, "A");
	(void)fixture_hold(&f, s2, "B");
	see(.commit = "a", .session = "s1", .paths = "M a.c");
	see(.commit = "b", .session = "s2", .paths = "M a.c");
	assert_lesson("B artifact r:a.c\n");
}

Test(rules_incident, when_both_named_it_the_second_is_to_wait_for_the_first)
{
	task("A", "a.c");
	task("B", "a.c");
	(void)fixture_hold(&f, s1, "A");
	see(.commit = "a", .session = "s1", .paths = "M a.c", .patch = "p");
	assert_ok(fixture_finish(&f, s1, "A"));
	fixture_pass(&f, 10 * SECOND);
	(void)fixture_hold(&f, s2, "B");
	see(.commit = "b", .session = "s2", .paths = "M a.c", .patch = "p");
	cr_assert_eq(incidents(), 1);
	assert_lesson("B needs A\n");
	assert_ok(fixture_release(&f, s2, "B"));
	assert_ok(apply(0, 1));
	assert_ok(commit(&f, CHANGE_REOPEN, .name = "A"));
	assert_refused(fixture_claim(&f, s2, "B"), EBUSY, "A");
}

Test(rules_incident, one_task_in_two_hands_needs_nothing)
{
	task("A", "a.c");
	(void)fixture_hold(&f, s1, "A");
	see(.commit = "a", .session = "s1", .paths = "M a.c", .patch = "p");
	assert_ok(commit(&f, CHANGE_HANDOVER, .as = s1, .name = "A", .text = "s2"));
	fixture_pass(&f, 10 * SECOND);
	see(.commit = "b", .session = "s2", .paths = "M a.c", .patch = "p");
	cr_assert_eq(incidents(), 1);
	assert_lesson("");
	assert_refused(apply(0, 1), EINVAL, "there is no task");
}

Test(rules_incident, without_a_task_there_is_none_to_change)
{
	see(.commit = "a", .session = "s1", .paths = "M a.c");
	see(.commit = "b", .session = "s2", .paths = "M a.c");
	assert_lesson("- artifact r:a.c\n");
	assert_refused(apply(0, 1), EINVAL, "there is no task");
	cr_assert_eq(fixture_count(&f, "applied"), 0);
}

/* --- applied --- */

/* s2 of task B wrote what s1 holds by task A. */
static void trespass(void)
{
	task("A", "a.c");
	task("B", "b.c");
	(void)fixture_hold(&f, s1, "A");
	(void)fixture_hold(&f, s2, "B");
	see(.commit = "a", .session = "s1", .paths = "M a.c");
	see(.commit = "b", .session = "s2", .paths = "M a.c");
	cr_assert_eq(incidents(), 1);
}

Test(rules_incident, applied_while_a_claim_is_in_the_way_it_is_EBUSY_and_nothing_changes)
{
	trespass();
	assert_refused(apply(0, 1), EBUSY, "B is held by session s2");
	assert_refused(apply(s2, 0), EBUSY, "a.c");
	assert_ok(fixture_finish(&f, s1, "A"));
	assert_refused(apply(0, 1), EBUSY, "B is held by session s2");
	cr_assert_str_eq(fixture_artifacts(&f, "B"), "r:b.c");
	cr_assert_eq(fixture_count(&f, "applied"), 0);
}

Test(rules_incident, the_holder_applies_it_to_its_own_task)
{
	trespass();
	assert_ok(fixture_finish(&f, s1, "A"));
	assert_ok(apply(s2, 0));
	cr_assert_str_eq(fixture_artifacts(&f, "B"), "r:b.c r:a.c");
	cr_assert_str_eq(fixture_artifacts(&f, "A"), "r:a.c");
	cr_assert_eq(number("applied", "incident"), 1);
	task("C", "a.c");
	assert_refused(fixture_claim(&f, s1, "C"), EBUSY, "a.c");
}

Test(rules_incident, who_may_not_change_the_task_may_not_apply_it)
{
	trespass();
	assert_ok(fixture_finish(&f, s1, "A"));
	assert_ok(fixture_release(&f, s2, "B"));
	assert_refused(apply(s2, 0), EPERM, "B");
	assert_refused(commit(&f, CHANGE_APPLY, .uid = 77, .thing = fixture_seq(&f, "incident")),
		       EPERM, "B");
	cr_assert_str_eq(fixture_artifacts(&f, "B"), "r:b.c");
}

Test(rules_incident, all_of_a_lesson_is_applied_or_nothing)
{
	task("A", "x");
	task("B", "y");
	(void)fixture_hold(&f, s1, "A");
	(void)fixture_hold(&f, s2, "B");
	see(.commit = "a", .session = "s1", .paths = "M a.c");
	see(.commit = "b", .session = "s2", .paths = "M a.c");
	assert_lesson("A artifact r:a.c\nB artifact r:a.c\n");
	assert_refused(apply(s1, 0), EPERM, "B");
	cr_assert_str_eq(fixture_artifacts(&f, "A"), "r:x");
}

Test(rules_incident, applied_twice_it_changes_nothing_more)
{
	trespass();
	assert_ok(fixture_release(&f, s2, "B"));
	assert_ok(apply(0, 1));
	assert_ok(apply(0, 1));
	cr_assert_str_eq(fixture_artifacts(&f, "B"), "r:b.c r:a.c");
}

Test(rules_incident, a_task_that_was_cancelled_is_left_out)
{
	trespass();
	assert_ok(fixture_release(&f, s2, "B"));
	assert_ok(commit(&f, CHANGE_CANCEL, .name = "B", .operator_ = 1));
	assert_ok(apply(0, 1));
}

Test(rules_incident, a_task_of_another_repository_is_told_with_the_space)
{
	(void)fixture_task(&f, "B", "r:b.c");
	(void)fixture_hold(&f, s2, "B");
	see(.commit = "a", .session = "s1", .json = "[['M', 'x:y/*.c', 'b1', 9]]");
	see(.commit = "b", .session = "s2", .json = "[['M', 'x:y/*.c', 'b2', 9]]");
	assert_ok(fixture_release(&f, s2, "B"));
	assert_lesson("- artifact r:x:y/[*].c\nB artifact r:x:y/[*].c\n");
	assert_ok(apply(0, 1));
	cr_assert_str_eq(fixture_artifacts(&f, "B"), "r:b.c r:x:y/[*].c");
}

Test(rules_incident, what_is_no_incident_is_not_applied)
{
	assert_refused(commit(&f, CHANGE_APPLY, .thing = repo, .operator_ = 1), ESTALE,
		       "that incident is gone");
}

/* --- much of it --- */

Test(rules_incident, what_goes_on_for_longer_than_the_window_is_one_incident)
{
	char name[8];

	for (int i = 0; i < 200; i++) {
		(void)snprintf(name, sizeof(name), "a%03d", i);
		see(.commit = name, .session = i % 2 ? "s1" : "s2", .paths = "M a.c",
		    .at = start + i * 60);
	}
	cr_assert_eq(incidents(), 1);
	cr_assert_gt(number("incident-more", "last_at"), (start + 180 * 60) * 1000);
}

Test(rules_incident, an_incident_of_many_commits_does_not_grow_without_end)
{
	char name[8];
	json_t *e;

	for (int i = 0; i < 600; i++) {
		(void)snprintf(name, sizeof(name), "a%03d", i);
		see(.commit = name, .session = i % 2 ? "s1" : "s2", .paths = "M a.c",
		    .at = start + i);
	}
	cr_assert_eq(incidents(), 1);
	e = fixture_event(&f, "incident-more");
	cr_assert_lt(strlen(event_text(e, "commits")), 16384);
	cr_assert_eq(event_int(e, "first_at"), start * 1000);
	json_decref(e);
	cr_assert_lt(fixture_count(&f, "incident-more"), 100);
}
