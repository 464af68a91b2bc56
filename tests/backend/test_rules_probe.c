#include "backend/probe.h"
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

TestSuite(rules_probe, .init = setup, .fini = teardown);

Test(rules_probe, is_added_and_removed_by_operators)
{
	assert_refused(commit(&f, CHANGE_ADD, .of = THING_PROBE, .name = "p"), EPERM, "operators");
	assert_ok(commit(&f, CHANGE_ADD, .of = THING_PROBE, .name = "p", .operator_ = 1));
	assert_refused(commit(&f, CHANGE_ADD, .of = THING_PROBE, .name = "p", .operator_ = 1),
		       EEXIST, "probe p");
	assert_refused(commit(&f, CHANGE_REMOVE, .of = THING_PROBE, .name = "p"), EPERM,
		       "operators");
	assert_ok(commit(&f, CHANGE_REMOVE, .of = THING_PROBE, .name = "p", .operator_ = 1));
	assert_refused(commit(&f, CHANGE_REMOVE, .of = THING_PROBE, .name = "p", .operator_ = 1),
		       ENOENT, "no probe p");
	assert_ok(commit(&f, CHANGE_ADD, .of = THING_PROBE, .name = "p", .operator_ = 1));
	assert_sound(&f);
}

Test(rules_probe, has_a_name)
{
	assert_refused(commit(&f, CHANGE_ADD, .of = THING_PROBE, .name = ".p", .operator_ = 1),
		       EINVAL, "name");
	assert_refused(commit(&f, CHANGE_ADD, .of = THING_PROBE, .name = "", .operator_ = 1),
		       EINVAL, "name");
}

#define SET(id, fl) CHANGE_SET, .of = THING_PROBE, .thing = (id), .field = (fl)

Test(rules_probe, its_command_is_the_mount_owners_alone)
{
	int64_t id = commit(&f, CHANGE_ADD, .of = THING_PROBE, .name = "p", .owner = 1).id;

	assert_refused(commit(&f, SET(id, "command"), .text = "true", .operator_ = 1), EPERM,
		       "owner of the mount");
	assert_ok(commit(&f, SET(id, "command"), .text = "true", .owner = 1));
	cr_assert_str_eq(fixture_field(&f, id, "command"), "true");
	assert_refused(commit(&f, SET(id, "enabled"), .text = "0"), EPERM, "operators");
	assert_ok(commit(&f, SET(id, "enabled"), .text = "0", .operator_ = 1));
	assert_refused(commit(&f, SET(id, "enabled"), .text = "2", .operator_ = 1), EINVAL,
		       "not one of the words");
	assert_refused(commit(&f, SET(id, "timeout"), .text = "2h", .operator_ = 1), ERANGE,
		       "out of range");
	assert_ok(commit(&f, SET(id, "timeout"), .text = "5s", .operator_ = 1));
}

Test(rules_probe, a_removed_one_takes_no_more)
{
	int64_t id = commit(&f, CHANGE_ADD, .of = THING_PROBE, .name = "p", .owner = 1).id;

	assert_ok(commit(&f, CHANGE_REMOVE, .of = THING_PROBE, .name = "p", .owner = 1));
	assert_refused(commit(&f, SET(id, "enabled"), .text = "0", .owner = 1), ESTALE, "gone");
}

static int says(const char *answer, const char *detail, int filed)
{
	return commit(&f, CHANGE_JUDGED, .text = fixture_says("p", answer, detail, filed)).err;
}

Test(rules_probe, a_verdict_is_an_event_when_it_changes)
{
	cr_assert_eq(says("dry", "-", 0), 0);
	cr_assert_eq(says("dry", "other words", 0), 0);
	cr_assert_eq(fixture_count(&f, "verdict"), 1);
	cr_assert_eq(says("unknown", "time-out", 0), 0);
	cr_assert_eq(fixture_count(&f, "verdict"), 2);
	cr_assert_str_eq(fixture_field(&f, 0, "verdict"), "unknown");
	cr_assert_eq(says("supply", "mail", 0), 0);
	cr_assert_str_eq(fixture_field(&f, 0, "verdict"), "not-dry");
	assert_sound(&f);
}

Test(rules_probe, what_it_found_that_nobody_filed_is_offered_as_a_standing_task)
{
	cr_assert_eq(says("supply", "mail from Eve", 0), 0);
	assert_column(&f, "probe.p", COLUMN_READY);
	cr_assert_str_eq(fixture_field(&f, fixture_task_now(&f, "probe.p").id, "kind"), "standing");
	cr_assert_str_eq(fixture_judged(&f), "supply probe.p mail from Eve");
	cr_assert_eq(says("supply", "mail from Eve", 0), 0);
	cr_assert_eq(fixture_count(&f, "offer"), 1, "it is there already");
	assert_sound(&f);
}

Test(rules_probe, while_a_session_sees_to_it_it_is_dry)
{
	int64_t s = fixture_session(&f, "s1");

	cr_assert_eq(says("supply", "mail", 0), 0);
	(void)fixture_hold(&f, s, "probe.p");
	cr_assert_eq(says("supply", "mail", 0), 0);
	cr_assert_str_eq(fixture_judged(&f), "dry session s1 sees to it: mail");
	cr_assert_str_eq(fixture_field(&f, 0, "verdict"), "dry");
	assert_ok(fixture_finish(&f, s, "probe.p"));
	cr_assert_eq(says("supply", "mail", 0), 0);
	cr_assert_str_eq(fixture_judged(&f), "supply probe.p mail");
	assert_sound(&f);
}

Test(rules_probe, what_it_offered_is_taken_back_when_it_finds_nothing)
{
	cr_assert_eq(says("supply", "mail", 0), 0);
	cr_assert_eq(says("unknown", "time-out", 0), 0);
	assert_column(&f, "probe.p", COLUMN_READY); /* who cannot look takes nothing back */
	cr_assert_eq(says("dry", "-", 0), 0);
	assert_column(&f, "probe.p", COLUMN_IDEAS);
	cr_assert_eq(says("supply", "mail", 0), 0);
	assert_column(&f, "probe.p", COLUMN_READY);
	cr_assert_eq(fixture_count(&f, "offer"), 2);
	assert_sound(&f);
}

Test(rules_probe, a_task_that_was_taken_after_the_probe_looked_is_not_offered_anew)
{
	int64_t s = fixture_session(&f, "s1");

	(void)fixture_task(&f, "t", NULL);
	(void)fixture_hold(&f, s, "t");
	cr_assert_eq(says("supply", "t and 3 more", PROBE_FILED), 0);
	cr_assert_str_eq(fixture_judged(&f), "supply t and 3 more");
	cr_assert_eq(fixture_count(&f, "offer"), 0);
	assert_sound(&f);
}

Test(rules_probe, a_supply_that_names_a_ready_task_offers_nothing)
{
	int64_t s = fixture_session(&f, "s1");

	(void)fixture_task(&f, "fix-ci", NULL);
	cr_assert_eq(says("supply", "fix-ci 5 open", PROBE_PERHAPS), 0);
	cr_assert_str_eq(fixture_judged(&f), "supply fix-ci 5 open");
	cr_assert_eq(fixture_count(&f, "offer"), 0);
	(void)fixture_hold(&f, s, "fix-ci");
	cr_assert_eq(says("supply", "fix-ci 5 open", PROBE_PERHAPS), 0);
	cr_assert_str_eq(fixture_judged(&f), "supply probe.p fix-ci 5 open");
	assert_sound(&f);
}

Test(rules_probe, somebodys_own_task_of_that_name_is_left_alone)
{
	(void)fixture_idea(&f, "probe.p", NULL);
	cr_assert_eq(says("supply", "mail", 0), 0);
	assert_column(&f, "probe.p", COLUMN_IDEAS);
	(void)fixture_task(&f, "probe.q", NULL);
	assert_ok(commit(&f, CHANGE_JUDGED, .text = fixture_says("q", "dry", "-", 0)));
	assert_column(&f, "probe.q", COLUMN_READY);
	assert_sound(&f);
}

Test(rules_probe, a_run_that_makes_no_sense_is_refused)
{
	assert_refused(commit(&f, CHANGE_JUDGED, .text = "dry"), EINVAL, "no JSON");
}

#define PROVIDE \
	commit(&f, CHANGE_ADD, .of = THING_PROBE, .name = "p", .owner = 1, .flags = CHANGE_ONCE)

Test(rules_probe, the_built_in_ones_are_made_once)
{
	assert_ok(PROVIDE);
	assert_ok(PROVIDE);
	assert_ok(commit(&f, CHANGE_REMOVE, .of = THING_PROBE, .name = "p", .owner = 1));
	assert_ok(PROVIDE);
	cr_assert_eq(fixture_count(&f, "probe"), 1);
	cr_assert_eq(fixture_count(&f, "probe-removed"), 1);
}
