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

Test(rules_probe, a_verdict_is_recorded_when_it_changes)
{
	assert_ok(commit(&f, CHANGE_JUDGED, .text = "dry"));
	assert_ok(commit(&f, CHANGE_JUDGED, .text = "dry"));
	cr_assert_eq(fixture_count(&f, "set"), 1);
	assert_ok(commit(&f, CHANGE_JUDGED, .text = "not-dry"));
	cr_assert_eq(fixture_count(&f, "set"), 2);
	cr_assert_str_eq(fixture_field(&f, 0, "verdict"), "not-dry");
	assert_sound(&f);
}
