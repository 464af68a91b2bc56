#include "backend/tx.h"
#include "tests/lib/check.h"

static struct fixture f;

static void setup(void)
{
	fixture_open(&f);
}

static void teardown(void)
{
	fixture_close(&f);
}

TestSuite(rules_task, .init = setup, .fini = teardown);

#define OWN(k, n) commit(&f, (k), .name = (n), .owner = 1)

Test(rules_task, a_draft_is_an_idea)
{
	int64_t s = fixture_session(&f, "s1");
	struct outcome o = commit(&f, CHANGE_DRAFT, .name = "T", .as = s);
	struct task t;

	assert_ok(o);
	t = fixture_task_now(&f, "T");
	cr_assert_eq(t.id, o.id);
	cr_assert_eq(t.drafter, s);
	cr_assert_eq(t.uid, FIXTURE_UID);
	cr_assert_eq(t.created, f.sim.wall);
	cr_assert_eq(t.column, COLUMN_IDEAS);
}

Test(rules_task, needs_no_session_to_be_drafted)
{
	assert_ok(commit(&f, CHANGE_DRAFT, .name = "T"));
	cr_assert_eq(fixture_task_now(&f, "T").drafter, 0);
}

Test(rules_task, a_name_is_one_task_until_it_is_cancelled)
{
	int64_t id = fixture_idea(&f, "T", NULL);

	assert_refused(OWN(CHANGE_DRAFT, "T"), EEXIST, "there is a task T");
	assert_ok(OWN(CHANGE_CANCEL, "T"));
	assert_ok(OWN(CHANGE_DRAFT, "T"));
	cr_assert_neq(fixture_task_now(&f, "T").id, id);
	cr_assert_str_eq(fixture_artifacts(&f, "T"), "");
}

Test(rules_task, a_name_has_its_letters)
{
	static const char *const bad[] = { "", ".x", "a b", "x~", "x.swp", "x.tmp", "a\n" };

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_refused(OWN(CHANGE_DRAFT, bad[i]), EINVAL, "not a name");
}

Test(rules_task, goes_from_ideas_to_ready_and_back)
{
	(void)fixture_idea(&f, "T", NULL);
	assert_ok(OWN(CHANGE_PUBLISH, "T"));
	assert_column(&f, "T", COLUMN_READY);
	assert_refused(OWN(CHANGE_PUBLISH, "T"), EINVAL, "T stands in ready: only an idea");
	assert_ok(OWN(CHANGE_UNPUBLISH, "T"));
	assert_column(&f, "T", COLUMN_IDEAS);
	assert_refused(OWN(CHANGE_UNPUBLISH, "T"), EINVAL, "T stands in ideas");
}

Test(rules_task, a_held_one_is_neither_unpublished_nor_cancelled)
{
	(void)fixture_task(&f, "T", NULL);
	(void)fixture_hold(&f, fixture_session(&f, "s1"), "T");
	assert_refused(OWN(CHANGE_UNPUBLISH, "T"), EBUSY, "T stands in claims");
	assert_refused(OWN(CHANGE_CANCEL, "T"), EBUSY, "T stands in claims");
	assert_refused(OWN(CHANGE_PUBLISH, "T"), EBUSY, "T stands in claims");
	assert_refused(OWN(CHANGE_REOPEN, "T"), EBUSY, "T stands in claims");
}

Test(rules_task, a_done_one_is_kept)
{
	int64_t s = fixture_session(&f, "s1");

	(void)fixture_task(&f, "T", NULL);
	(void)fixture_hold(&f, s, "T");
	assert_ok(fixture_finish(&f, s, "T"));
	assert_refused(OWN(CHANGE_CANCEL, "T"), EPERM, "T is done");
	assert_refused(OWN(CHANGE_UNPUBLISH, "T"), EINVAL, "T stands in done");
	assert_column(&f, "T", COLUMN_DONE);
}

Test(rules_task, is_reopened_by_anybody_as_an_event_of_its_own)
{
	int64_t s = fixture_session(&f, "s1");

	(void)fixture_task(&f, "T", "src/a");
	(void)fixture_task(&f, "N", NULL);
	assert_ok(fixture_set(&f, "N", "needs", "T"));
	(void)fixture_hold(&f, s, "T");
	assert_ok(fixture_finish(&f, s, "T"));
	assert_column(&f, "N", COLUMN_READY);
	assert_ok(commit(&f, CHANGE_REOPEN, .name = "T", .uid = 77));
	assert_column(&f, "T", COLUMN_READY);
	assert_column(&f, "N", COLUMN_BLOCKED);
	cr_assert_eq(fixture_count(&f, "reopen"), 1);
	cr_assert_eq(fixture_count(&f, "finish"), 1, "history is kept");
	assert_refused(commit(&f, CHANGE_REOPEN, .name = "T"), EINVAL, "only a finished task");
	assert_sound(&f);
}

Test(rules_task, a_reopened_one_is_blocked_by_what_was_claimed_meanwhile)
{
	int64_t s = fixture_session(&f, "s1");

	(void)fixture_task(&f, "T", "src/a");
	(void)fixture_task(&f, "U", "src");
	(void)fixture_hold(&f, s, "T");
	assert_ok(fixture_finish(&f, s, "T"));
	(void)fixture_hold(&f, s, "U");
	assert_ok(OWN(CHANGE_REOPEN, "T"));
	assert_column(&f, "T", COLUMN_BLOCKED);
	assert_sound(&f);
}

Test(rules_task, unknown_ones_are_ENOENT)
{
	static const enum change_kind kinds[] = { CHANGE_PUBLISH, CHANGE_UNPUBLISH, CHANGE_CANCEL,
						  CHANGE_UNHOLD, CHANGE_REOPEN };

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		assert_refused(OWN(kinds[i], "none"), ENOENT, "there is no task none");
}

Test(rules_task, a_hold_is_lifted_by_operators_alone)
{
	assert_ok(commit(&f, CHANGE_IMPORT, .owner = 1,
			 .text = "{\"task\":\"T\",\"state\":\"ready\",\"hold\":\"external\"}"));
	assert_refused(commit(&f, CHANGE_UNHOLD, .name = "T"), EPERM, "operators");
	assert_ok(commit(&f, CHANGE_UNHOLD, .name = "T", .operator_ = 1));
	assert_column(&f, "T", COLUMN_READY);
	assert_refused(OWN(CHANGE_UNHOLD, "T"), EBUSY, "T is not on hold");
	assert_sound(&f);
}

Test(rules_task, a_cancelled_one_stands_in_nobodys_way)
{
	(void)fixture_task(&f, "T", "src/a");
	(void)fixture_task(&f, "U", "src/a");
	assert_ok(OWN(CHANGE_CANCEL, "T"));
	assert_ok(fixture_claim(&f, fixture_session(&f, "s1"), "U"));
	assert_sound(&f);
}
