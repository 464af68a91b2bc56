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

TestSuite(project, .init = setup, .fini = teardown);

#define OWN(k, n) assert_ok(commit(&f, (k), .name = (n), .owner = 1))

static void claims_in_every_way(int64_t s1, int64_t s2)
{
	char text[64];

	(void)fixture_hold(&f, s1, "A");
	assert_ok(commit(&f, CHANGE_EXTEND, .as = s1, .name = "A", .text = "more"));
	assert_ok(commit(&f, CHANGE_HANDOVER, .as = s1, .name = "A", .text = "s2"));
	assert_ok(fixture_release(&f, s2, "A"));
	(void)snprintf(text, sizeof(text), "A %lld x", (long long)fixture_hold(&f, s1, "A"));
	assert_ok(commit(&f, CHANGE_BREAK, .text = text, .owner = 1));
	assert_refused(commit(&f, CHANGE_RENEW, .as = s1, .thing = s1), EKEYEXPIRED, "lost A");
	assert_refused(commit(&f, CHANGE_FINISH, .as = s1, .name = "A", .op = "finish"), ESTALE,
		       "lost A");
	(void)fixture_hold(&f, s2, "A");
	assert_ok(fixture_finish(&f, s2, "A"));
	assert_ok(commit(&f, CHANGE_REOPEN, .name = "A"));
}

static void tasks_in_every_way(int64_t s)
{
	(void)fixture_idea(&f, "B", "b");
	OWN(CHANGE_PUBLISH, "B");
	OWN(CHANGE_UNPUBLISH, "B");
	OWN(CHANGE_CANCEL, "B");
	(void)fixture_task(&f, "D", NULL);
	assert_ok(fixture_set(&f, "D", "kind", "daily"));
	(void)fixture_hold(&f, s, "D");
	assert_ok(fixture_finish(&f, s, "D"));
	assert_ok(commit(&f, CHANGE_IMPORT, .owner = 1,
			 .text = "{\"task\":\"H\",\"state\":\"ready\",\"hold\":\"x\"}"));
	OWN(CHANGE_UNHOLD, "H");
}

static void sessions_in_every_way(int64_t s)
{
	assert_ok(commit(&f, CHANGE_JOIN, .as = s, .thing = s, .member = 5, .text = "boot"));
	assert_ok(commit(&f, CHANGE_CHOWN, .thing = s, .to_uid = 5, .owner = 1));
	assert_ok(commit(&f, CHANGE_SET, .of = THING_SESSION, .thing = s, .field = "outcome",
			 .text = "noop", .owner = 1));
	assert_ok(commit(&f, CHANGE_ADD, .of = THING_PROBE, .name = "p", .owner = 1));
	assert_ok(commit(&f, CHANGE_REMOVE, .of = THING_PROBE, .name = "p", .owner = 1));
	assert_ok(commit(&f, CHANGE_JUDGED, .text = fixture_says("p", "dry", "-", 0)));
}

Test(project, every_kind_of_event_does_in_a_replay_what_it_did)
{
	static const char *const kinds[] = {
		"claim",     "finish", "release", "refused", "lost",	  "handover",
		"reported",  "late",   "reopen",  "due",     "draft",	  "publish",
		"unpublish", "cancel", "unhold",  "set",     "artifacts", "register",
		"end",	     "chown",  "join",	  "import",  "probe",	  "probe-removed",
	};
	int64_t s1 = fixture_session(&f, "s1"), s2 = fixture_session(&f, "s2");

	(void)fixture_task(&f, "A", "src/a");
	claims_in_every_way(s1, s2);
	tasks_in_every_way(s2);
	sessions_in_every_way(s1);
	fixture_pass(&f, DAY);
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		cr_assert_gt(fixture_count(&f, kinds[i]), 0, "no event %s", kinds[i]);
	assert_sound(&f);
}

Test(project, an_event_tells_all_that_it_changed)
{
	int64_t s = fixture_session_of(&f, "s1", 42);
	json_t *e = fixture_event(&f, "register");

	cr_assert_eq(event_int(e, "uid"), 42);
	cr_assert_eq(event_int(e, "at"), f.sim.wall);
	cr_assert_str_eq(event_text(e, "time"), "2026-07-01T08:20:00Z");
	json_decref(e);
	(void)fixture_task(&f, "T", "src/a");
	assert_ok(commit(&f, CHANGE_CLAIM, .as = s, .uid = 42, .name = "T", .pid = 4711));
	e = fixture_event(&f, "claim");
	cr_assert_str_eq(event_text(e, "task"), "T");
	cr_assert_str_eq(event_text(e, "session"), "s1");
	cr_assert_eq(event_int(e, "session_id"), s);
	cr_assert_eq(event_int(e, "pid"), 4711);
	cr_assert_eq(event_int(e, "uid"), 42);
	cr_assert_eq(event_int(e, "ttl_ms"), HOUR);
	json_decref(e);
}

Test(project, an_unknown_event_is_an_error)
{
	struct result result = { .why = BUF_INIT };
	struct tx tx = { .db = store_reader(f.store), .result = &result };
	json_t *e = json_pack("{s:s}", "event", "magic");

	cr_assert_eq(project_event(&tx, e), -ENOTSUP);
	cr_assert_eq(tx.err, -ENOTSUP);
	json_decref(e);
}

Test(project, members_that_are_not_there_are_nothing)
{
	json_t *e = json_pack("{s:i,s:s}", "n", 7, "s", "x");

	cr_assert_eq(event_int(e, "n"), 7);
	cr_assert_eq(event_int(e, "s"), 0);
	cr_assert_eq(event_int(e, "none"), 0);
	cr_assert_str_eq(event_text(e, "s"), "x");
	cr_assert_str_eq(event_text(e, "n"), "");
	cr_assert_str_eq(event_text(e, "none"), "");
	json_decref(e);
}
