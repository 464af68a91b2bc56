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

TestSuite(rules_session, .init = setup, .fini = teardown);

static struct outcome renew(int64_t s)
{
	return commit(&f, CHANGE_RENEW, .as = s, .thing = s);
}

static struct outcome end(int64_t s)
{
	return commit(&f, CHANGE_END, .as = s, .thing = s);
}

static struct outcome outcome_is(int64_t s, const char *text)
{
	return commit(&f, CHANGE_SET, .of = THING_SESSION, .thing = s, .field = "outcome",
		      .text = text, .as = s);
}

static void assert_live(int64_t s, int live)
{
	struct session is = fixture_session_now(&f, s);

	cr_assert_eq(!is.ended, live, "session %s ended: %s", is.name, is.how);
}

/* --- registering --- */

Test(rules_session, registering_makes_a_session_of_the_callers_uid)
{
	struct outcome o = commit(&f, CHANGE_REGISTER, .name = "s1", .uid = 42);
	struct session s;

	assert_ok(o);
	s = fixture_session_now(&f, o.id);
	cr_assert_str_eq(s.name, "s1");
	cr_assert_eq(s.uid, 42);
	cr_assert_eq(s.started, f.sim.wall);
	cr_assert_eq(s.ended, 0);
}

Test(rules_session, an_id_is_never_used_twice)
{
	int64_t s = fixture_session(&f, "s1");

	assert_refused(commit(&f, CHANGE_REGISTER, .name = "s1"), EEXIST, "s1 is registered");
	assert_ok(end(s));
	assert_refused(commit(&f, CHANGE_REGISTER, .name = "s1"), EEXIST, "s1 has ended");
}

Test(rules_session, a_name_has_its_letters)
{
	static const char *const bad[] = { "",	    ".x", "a b",	 "a/b", "x~", "x.swp",
					   "x.tmp", "\n", "caf\303\251", "..",	"." };
	char name[160];

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_refused(commit(&f, CHANGE_REGISTER, .name = bad[i]), EINVAL, "not a name");
	memset(name, 'x', sizeof(name));
	name[129] = 0;
	assert_refused(commit(&f, CHANGE_REGISTER, .name = name), EINVAL, "not a name");
	name[128] = 0;
	assert_ok(commit(&f, CHANGE_REGISTER, .name = name));
	assert_ok(commit(&f, CHANGE_REGISTER, .name = "A9._:@+#-"));
}

/* --- ending --- */

Test(rules_session, its_end_gives_back_what_it_holds_at_once)
{
	int64_t s = fixture_session(&f, "s1");
	json_t *e;

	(void)fixture_task(&f, "A", "src/a");
	(void)fixture_task(&f, "B", "src/b");
	(void)fixture_task(&f, "C", "src");
	(void)fixture_hold(&f, s, "A");
	(void)fixture_hold(&f, s, "B");
	assert_ok(end(s));
	assert_live(s, 0);
	assert_column(&f, "A", COLUMN_READY);
	assert_column(&f, "B", COLUMN_READY);
	assert_column(&f, "C", COLUMN_READY);
	cr_assert_eq(fixture_count(&f, "lost"), 2);
	e = fixture_event(&f, "lost");
	cr_assert_str_eq(event_text(e, "reason"), "ended");
	json_decref(e);
	assert_sound(&f);
}

Test(rules_session, ending_it_again_is_no_error_and_no_event)
{
	int64_t s = fixture_session(&f, "s1"), seq;

	assert_ok(end(s));
	seq = store_seq(f.store);
	assert_ok(end(s));
	cr_assert_eq(store_seq(f.store), seq);
}

Test(rules_session, noop_or_done_as_the_last_word_of_its_outcome_ends_it)
{
	static const struct {
		const char *text;
		int live;
	} cases[] = { { "noop", 0 },	      { "done", 0 },	    { "all is done", 0 },
		      { "nothing: noop", 0 }, { "noop so far", 1 }, { "undone", 1 },
		      { "done.", 1 } };

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char name[16];
		int64_t s;

		(void)snprintf(name, sizeof(name), "s%zu", i);
		s = fixture_session(&f, name);
		assert_ok(outcome_is(s, cases[i].text));
		assert_live(s, cases[i].live);
		cr_assert_str_eq(fixture_field(&f, s, "outcome"), cases[i].text);
	}
}

Test(rules_session, its_outcome_is_stamped_with_the_verdict_and_its_refusals)
{
	int64_t s = fixture_session(&f, "s1");
	json_t *e;

	assert_ok(commit(&f, CHANGE_JUDGED, .text = fixture_says("p", "dry", "-", 0)));
	(void)fixture_claim(&f, s, "none");
	(void)commit(&f, CHANGE_CLAIM, .as = s, .name = "none2", .op = "other");
	assert_ok(outcome_is(s, "noop"));
	e = fixture_event(&f, "set");
	cr_assert_str_eq(event_text(e, "verdict"), "dry");
	cr_assert_eq(event_int(e, "refusals"), 2);
	json_decref(e);
}

Test(rules_session, without_members_and_claims_it_ends_after_an_idle_lease)
{
	int64_t s = fixture_session(&f, "s1");

	fixture_pass(&f, 30 * MINUTE);
	assert_ok(renew(s));
	fixture_pass(&f, HOUR - 1);
	assert_live(s, 1);
	fixture_pass(&f, 10 * MINUTE);
	assert_live(s, 0);
	cr_assert_str_eq(fixture_session_now(&f, s).how, "idle");
	assert_refused(commit(&f, CHANGE_REGISTER, .name = "s1"), EEXIST, "s1 has ended");
}

Test(rules_session, while_it_holds_a_claim_it_is_not_idle)
{
	int64_t s = fixture_session(&f, "s1");

	(void)fixture_task(&f, "T", NULL);
	assert_ok(fixture_set(&f, "T", "ttl", "5h"));
	(void)fixture_hold(&f, s, "T");
	for (int i = 0; i < 4; i++) {
		fixture_pass(&f, HOUR + 10 * MINUTE);
		assert_live(s, 1);
	}
}

Test(rules_session, while_a_member_process_lives_it_is_not_idle)
{
	int64_t s = fixture_session(&f, "s1");

	f.sim.alive[0] = 4711;
	assert_ok(commit(&f, CHANGE_JOIN, .as = s, .thing = s, .member = 4711, .member_start = 5,
			 .text = f.sim.boot_id));
	fixture_pass(&f, 3 * HOUR);
	assert_live(s, 1);
	f.sim.alive[0] = 0;
	fixture_pass(&f, 2 * HOUR);
	assert_live(s, 0);
}

Test(rules_session, a_member_of_an_earlier_boot_keeps_nothing_alive)
{
	int64_t s = fixture_session(&f, "s1");

	f.sim.alive[0] = 4711;
	assert_ok(commit(&f, CHANGE_JOIN, .as = s, .thing = s, .member = 4711, .member_start = 5,
			 .text = "another-boot"));
	fixture_pass(&f, 2 * HOUR);
	assert_live(s, 0);
}

Test(rules_session, after_a_reboot_it_has_a_whole_idle_lease)
{
	int64_t s = fixture_session(&f, "s1");

	fixture_pass(&f, 50 * MINUTE);
	fixture_stop(&f);
	f.sim.boot = 0;
	f.sim.boot_id[0] = '9';
	cr_assert_eq(fixture_start(&f), 0);
	fixture_pass(&f, HOUR - 1);
	assert_live(s, 1);
	fixture_pass(&f, 1);
	assert_live(s, 0);
}

Test(rules_session, after_a_restart_it_has_a_tenth_of_an_idle_lease_at_least)
{
	int64_t s = fixture_session(&f, "s1");

	fixture_stop(&f);
	f.sim.boot += 2 * HOUR;
	f.sim.wall += 2 * HOUR;
	cr_assert_eq(fixture_start(&f), 0);
	fixture_pass(&f, 6 * MINUTE - 1);
	assert_live(s, 1);
	fixture_pass(&f, 1);
	assert_live(s, 0);
}

/* --- renewing --- */

Test(rules_session, a_loss_is_reported_once_after_the_rest_was_renewed)
{
	int64_t s = fixture_session(&f, "s1"), kept;

	(void)fixture_task(&f, "A", NULL);
	(void)fixture_task(&f, "B", NULL);
	assert_ok(fixture_set(&f, "A", "ttl", "10m"));
	(void)fixture_hold(&f, s, "A");
	kept = fixture_hold(&f, s, "B");
	fixture_pass(&f, 20 * MINUTE);
	assert_refused(renew(s), EKEYEXPIRED, "session s1 lost A (token");
	cr_assert_eq(fixture_grant_now(&f, kept).expires - f.sim.boot, HOUR);
	assert_ok(renew(s));
	cr_assert_eq(fixture_count(&f, "reported"), 1);
	assert_sound(&f);
}

Test(rules_session, each_loss_is_reported_by_itself)
{
	int64_t s = fixture_session(&f, "s1");

	(void)fixture_task(&f, "A", NULL);
	(void)fixture_task(&f, "B", NULL);
	(void)fixture_hold(&f, s, "A");
	(void)fixture_hold(&f, s, "B");
	fixture_pass(&f, HOUR + 1);
	assert_refused(renew(s), EKEYEXPIRED, "lost A");
	assert_refused(renew(s), EKEYEXPIRED, "lost B");
	assert_ok(renew(s));
}

Test(rules_session, a_broken_claim_is_reported_and_one_given_back_is_not)
{
	int64_t s = fixture_session(&f, "s1");
	char text[64];

	(void)fixture_task(&f, "A", NULL);
	(void)fixture_task(&f, "B", NULL);
	(void)snprintf(text, sizeof(text), "A %lld x", (long long)fixture_hold(&f, s, "A"));
	(void)fixture_hold(&f, s, "B");
	assert_ok(fixture_release(&f, s, "B"));
	assert_ok(commit(&f, CHANGE_BREAK, .text = text, .owner = 1));
	assert_refused(renew(s), EKEYEXPIRED, ": broken");
	assert_ok(renew(s));
}

Test(rules_session, a_report_outlives_a_restart)
{
	int64_t s = fixture_session(&f, "s1");

	(void)fixture_task(&f, "A", NULL);
	(void)fixture_hold(&f, s, "A");
	fixture_pass(&f, HOUR + 1);
	cr_assert_eq(fixture_restart(&f), 0);
	assert_refused(renew(s), EKEYEXPIRED, "lost A");
	cr_assert_eq(fixture_restart(&f), 0);
	assert_ok(renew(s));
}

/* --- members --- */

Test(rules_session, a_process_is_in_one_session)
{
	int64_t s1 = fixture_session(&f, "s1"), s2 = fixture_session(&f, "s2"), seq;

#define JOIN(s, p, st)                                                                        \
	commit(&f, CHANGE_JOIN, .as = (s), .thing = (s), .member = (p), .member_start = (st), \
	       .text = "b")
	assert_ok(JOIN(s1, 10, 5));
	seq = store_seq(f.store);
	assert_ok(JOIN(s1, 10, 5));
	cr_assert_eq(store_seq(f.store), seq, "joining again is no event");
	assert_refused(JOIN(s2, 10, 5), EBUSY, "process 10 is in another session");
	assert_ok(JOIN(s2, 10, 6)); /* the number, used again */
	assert_ok(end(s1));
	assert_ok(JOIN(s2, 10, 5));
	assert_refused(JOIN(s1, 11, 5), ESTALE, "s1 has ended");
}

/* --- chown --- */

Test(rules_session, an_operator_gives_it_to_another_uid)
{
	int64_t s = fixture_session(&f, "s1");

	assert_refused(commit(&f, CHANGE_CHOWN, .thing = s, .as = s, .to_uid = 7), EPERM,
		       "operators");
	assert_ok(commit(&f, CHANGE_CHOWN, .thing = s, .to_uid = 7, .operator_ = 1));
	cr_assert_eq(fixture_session_now(&f, s).uid, 7);
	assert_refused(renew(s), EPERM, "own");
	assert_ok(commit(&f, CHANGE_RENEW, .as = s, .thing = s, .uid = 7));
}

Test(rules_session, it_changes_hands_only_without_claims_and_alive)
{
	int64_t s = fixture_session(&f, "s1");

	(void)fixture_task(&f, "T", NULL);
	(void)fixture_hold(&f, s, "T");
	assert_refused(commit(&f, CHANGE_CHOWN, .thing = s, .to_uid = 7, .owner = 1), EBUSY,
		       "holds claims");
	assert_ok(end(s));
	assert_refused(commit(&f, CHANGE_CHOWN, .thing = s, .to_uid = 7, .owner = 1), ESTALE,
		       "has ended");
}

Test(rules_session, what_is_not_there_is_ESTALE)
{
	assert_refused(commit(&f, CHANGE_END, .thing = 999), ESTALE, "not there");
	assert_refused(commit(&f, CHANGE_RENEW, .thing = 999), ESTALE, "not there");
	assert_refused(commit(&f, CHANGE_CHOWN, .thing = 999, .owner = 1), ESTALE, "not there");
	assert_refused(commit(&f, CHANGE_JOIN, .thing = 999, .text = "b"), ESTALE, "not there");
}
