/* Who may do what: the table of rules_may, cell by cell. */
#include "tests/lib/check.h"

#define OTHER_UID 2000u

static struct fixture f;
static int64_t drafter, holder, other, foreign; /* sessions; foreign: of OTHER_UID */

static void setup(void)
{
	fixture_open(&f);
	drafter = fixture_session(&f, "drafter");
	holder = fixture_session(&f, "holder");
	other = fixture_session(&f, "other");
	foreign = fixture_session_of(&f, "foreign", OTHER_UID);
}

static void teardown(void)
{
	fixture_close(&f);
}

TestSuite(rules, .init = setup, .fini = teardown);

/* Task T drafted by a session (0: by FIXTURE_UID without one), in a state. */
static void draft(int64_t by)
{
	assert_ok(commit(&f, CHANGE_DRAFT, .name = "T", .as = by));
}

static void publish(void)
{
	assert_ok(commit(&f, CHANGE_PUBLISH, .name = "T", .owner = 1));
}

/* Who tries, and which of the cells below it may. */
struct row {
	const char *who;
	int64_t *as;
	uint32_t uid;
	int op;
	int may; /* bits */
};

static int try_field(const struct row *r, const char *field)
{
	static int n;
	char text[16];
	struct ask ask = { CHANGE_SET,	      .of = THING_TASK,		.field = field,
			   .text = text,      .as = r->as ? *r->as : 0, .uid = r->uid,
			   .operator_ = r->op };

	ask.thing = fixture_task_now(&f, "T").id;
	(void)snprintf(text, sizeof(text), "text %d", n++);
	return fixture_commit(&f, &ask).err;
}

static void check_table(const struct row *rows, size_t n, int bit, const char *field,
			const char *state)
{
	for (size_t i = 0; i < n; i++) {
		int err = try_field(&rows[i], field), want = rows[i].may & bit ? 0 : -EPERM;

		cr_expect_eq(err, want, "%s of a task %s, written by %s: %s, not %s", field, state,
			     rows[i].who, errno_text(err), errno_text(want));
	}
}

enum { FREE = 1, HELD = 2, DONE = 4, RESULT = 8, RESULT_HELD = 16, RESULT_DONE = 32 };

static void check_states(const struct row *rows, size_t n)
{
	check_table(rows, n, FREE, "title", "in ideas");
	check_table(rows, n, RESULT, "result", "in ideas");
	publish();
	check_table(rows, n, FREE, "title", "in ready");
	check_table(rows, n, RESULT, "result", "in ready");
	(void)fixture_hold(&f, holder, "T");
	check_table(rows, n, HELD, "title", "held");
	check_table(rows, n, RESULT_HELD, "result", "held");
	assert_ok(fixture_finish(&f, holder, "T"));
	check_table(rows, n, DONE, "title", "done");
	check_table(rows, n, RESULT_DONE, "result", "done");
}

Test(rules, of_a_task_drafted_by_a_session)
{
	const struct row rows[] = {
		{ "its drafter", &drafter, 0, 0, FREE | DONE | RESULT },
		{ "its holder", &holder, 0, 0, HELD | RESULT_HELD | RESULT_DONE },
		{ "another session", &other, 0, 0, 0 },
		{ "the drafter's uid without a session", NULL, 0, 0, 0 },
		{ "a session of another uid", &foreign, OTHER_UID, 0, 0 },
		{ "another uid as the drafter", &drafter, OTHER_UID, 0, 0 },
		{ "another uid as the holder", &holder, OTHER_UID, 0, 0 },
		{ "an operator", NULL, OTHER_UID, 1, 63 },
		{ "an operator as another session", &other, OTHER_UID, 1, 63 },
	};

	draft(drafter);
	check_states(rows, sizeof(rows) / sizeof(rows[0]));
}

Test(rules, of_a_task_drafted_without_a_session)
{
	const struct row rows[] = {
		{ "its drafter's uid without a session", NULL, 0, 0, FREE | DONE | RESULT },
		{ "its holder", &holder, 0, 0, HELD | RESULT_HELD | RESULT_DONE },
		{ "another session", &other, 0, 0, 0 },
		{ "another uid without a session", NULL, OTHER_UID, 0, 0 },
		{ "a session of another uid", &foreign, OTHER_UID, 0, 0 },
		{ "an operator", NULL, OTHER_UID, 1, 63 },
	};

	draft(0);
	check_states(rows, sizeof(rows) / sizeof(rows[0]));
}

Test(rules, publishing_unpublishing_and_cancelling_are_its_drafters)
{
	draft(drafter);
	assert_refused(commit(&f, CHANGE_PUBLISH, .name = "T", .as = other), EPERM,
		       "drafted by session drafter");
	assert_refused(commit(&f, CHANGE_CANCEL, .name = "T", .as = other), EPERM,
		       "drafted by session drafter");
	assert_refused(commit(&f, CHANGE_PUBLISH, .name = "T", .as = drafter, .uid = OTHER_UID),
		       EPERM, "belongs to uid 1000");
	assert_ok(commit(&f, CHANGE_PUBLISH, .name = "T", .as = drafter));
	assert_refused(commit(&f, CHANGE_UNPUBLISH, .name = "T", .as = other), EPERM,
		       "drafted by session drafter");
	assert_ok(commit(&f, CHANGE_UNPUBLISH, .name = "T", .as = drafter));
	assert_ok(commit(&f, CHANGE_CANCEL, .name = "T", .as = drafter));
}

Test(rules, a_refusal_names_who_may)
{
	struct ask ask = { CHANGE_SET, .of = THING_TASK, .field = "title", .text = "x",
			   .as = other };

	draft(0);
	ask.thing = fixture_task_now(&f, "T").id;
	assert_refused(fixture_commit(&f, &ask), EPERM, "uid 1000 without a session");
	publish();
	(void)fixture_hold(&f, holder, "T");
	assert_refused(fixture_commit(&f, &ask), EPERM, "held by session holder");
}

Test(rules, no_uid_acts_as_a_session_of_another)
{
	(void)fixture_task(&f, "A", NULL);
	(void)fixture_task(&f, "B", NULL);
	(void)fixture_hold(&f, holder, "B");
#define AS_VICTIM .as = holder, .uid = OTHER_UID
	assert_refused(commit(&f, CHANGE_CLAIM, .name = "A", AS_VICTIM), EPERM, "you are uid 2000");
	assert_refused(commit(&f, CHANGE_RELEASE, .name = "B", AS_VICTIM), EPERM, "uid 2000");
	assert_refused(commit(&f, CHANGE_FINISH, .name = "B", AS_VICTIM), EPERM, "uid 2000");
	assert_refused(commit(&f, CHANGE_EXTEND, .name = "B", .text = "x", AS_VICTIM), EPERM,
		       "uid 2000");
	assert_refused(commit(&f, CHANGE_HANDOVER, .name = "B", .text = "foreign", AS_VICTIM),
		       EPERM, "uid 2000");
	assert_refused(commit(&f, CHANGE_DRAFT, .name = "C", AS_VICTIM), EPERM, "uid 2000");
	assert_refused(commit(&f, CHANGE_RENEW, .thing = holder, AS_VICTIM), EPERM, "its own");
	assert_refused(commit(&f, CHANGE_END, .thing = holder, AS_VICTIM), EPERM, "its own");
	assert_refused(commit(&f, CHANGE_JOIN, .thing = holder, .member = 9, .text = "boot",
			      AS_VICTIM),
		       EPERM, "its own");
	assert_refused(commit(&f, CHANGE_SET, .of = THING_SESSION, .thing = holder,
			      .field = "category", .text = "x", AS_VICTIM),
		       EPERM, "its own");
	assert_ok(fixture_finish(&f, holder, "B"));
	assert_refused(commit(&f, CHANGE_REOPEN, .name = "B", AS_VICTIM), EPERM, "uid 2000");
}

Test(rules, a_foreign_attempt_renews_nothing)
{
	int64_t token;

	(void)fixture_task(&f, "A", NULL);
	token = fixture_hold(&f, holder, "A");
	fixture_pass(&f, 10 * MINUTE);
	(void)commit(&f, CHANGE_DRAFT, .name = "C", AS_VICTIM);
	cr_assert_eq(fixture_grant_now(&f, token).expires - f.sim.boot, 50 * MINUTE);
}

Test(rules, an_operator_acts_as_any_session)
{
	(void)fixture_task(&f, "A", NULL);
	assert_ok(commit(&f, CHANGE_CLAIM, .name = "A", .as = holder, .uid = OTHER_UID,
			 .operator_ = 1));
	cr_assert_eq(fixture_grant_now(&f, fixture_task_now(&f, "A").token).uid, FIXTURE_UID,
		     "the claim counts for the session's uid");
	assert_ok(commit(&f, CHANGE_RELEASE, .name = "A", .as = holder, .uid = OTHER_UID,
			 .operator_ = 1));
}

Test(rules, nothing_is_done_as_a_session_that_has_ended)
{
	draft(drafter);
	(void)fixture_task(&f, "A", NULL);
	assert_ok(commit(&f, CHANGE_END, .as = drafter, .thing = drafter));
	assert_refused(fixture_claim(&f, drafter, "A"), ESTALE, "drafter has ended");
	assert_refused(commit(&f, CHANGE_DRAFT, .as = drafter, .name = "B"), ESTALE, "has ended");
	assert_refused(commit(&f, CHANGE_PUBLISH, .as = drafter, .name = "T"), ESTALE, "has ended");
	assert_refused(commit(&f, CHANGE_RENEW, .as = drafter, .thing = drafter), ESTALE,
		       "has ended");
	assert_refused(commit(&f, CHANGE_SET, .of = THING_SESSION, .thing = drafter,
			      .field = "outcome", .text = "done", .as = drafter),
		       ESTALE, "has ended");
	assert_ok(commit(&f, CHANGE_END, .as = drafter, .thing = drafter));
}

Test(rules, what_needs_a_session_says_so)
{
	(void)fixture_task(&f, "A", NULL);
	assert_refused(commit(&f, CHANGE_CLAIM, .name = "A"), ENOKEY, "uid 1000");
	assert_refused(commit(&f, CHANGE_FINISH, .name = "A"), ENOKEY, "no session");
	assert_refused(commit(&f, CHANGE_RELEASE, .name = "A"), ENOKEY, "no session");
	assert_refused(commit(&f, CHANGE_EXTEND, .name = "A", .text = "x"), ENOKEY, "no session");
	assert_refused(commit(&f, CHANGE_HANDOVER, .name = "A", .text = "holder"), ENOKEY,
		       "no session");
}

Test(rules, settings_are_the_owners_and_switches_the_operators)
{
	static const char *const settings[] = { "lease", "recent", "verdict-interval" };

	for (size_t i = 0; i < 3; i++) {
		assert_refused(commit(&f, CHANGE_SET, .of = THING_CONTROL, .field = settings[i],
				      .text = "1h"),
			       EPERM, "owner of the mount");
		assert_refused(commit(&f, CHANGE_SET, .of = THING_CONTROL, .field = settings[i],
				      .text = "1h", .operator_ = 1),
			       EPERM, "owner of the mount");
		assert_ok(fixture_control(&f, settings[i], "1h"));
	}
	assert_refused(commit(&f, CHANGE_SET, .of = THING_CONTROL, .field = "limits",
			      .text = "uid-claims 1", .operator_ = 1),
		       EPERM, "owner");
	assert_refused(commit(&f, CHANGE_SET, .of = THING_CONTROL, .field = "estop", .text = "x"),
		       EPERM, "operators");
	assert_ok(commit(&f, CHANGE_SET, .of = THING_CONTROL, .field = "estop", .text = "x",
			 .operator_ = 1));
}

Test(rules, a_session_belongs_to_itself_and_to_operators)
{
#define SET_CATEGORY CHANGE_SET, .of = THING_SESSION, .thing = holder, .field = "category"
	assert_ok(commit(&f, SET_CATEGORY, .text = "a", .as = holder));
	assert_refused(commit(&f, SET_CATEGORY, .text = "b", .as = other), EPERM, "its own");
	assert_refused(commit(&f, SET_CATEGORY, .text = "b"), EPERM, "its own");
	assert_ok(commit(&f, SET_CATEGORY, .text = "b", .operator_ = 1));
	assert_refused(commit(&f, CHANGE_END, .thing = holder, .as = other), EPERM, "its own");
	assert_ok(commit(&f, CHANGE_END, .thing = holder, .operator_ = 1));
}
