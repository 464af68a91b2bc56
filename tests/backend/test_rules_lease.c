/* Leases that follow the living, and the clocks they count by. */
#include "backend/store_impl.h"
#include "backend/tx.h"
#include "tests/lib/check.h"

#define START 77

static struct fixture f;
static int64_t s1;

static void setup(void)
{
	fixture_open(&f);
	s1 = fixture_session(&f, "s1");
	fixture_process(&f, 11, START, 1);
	fixture_process(&f, 12, START, 1);
	(void)fixture_task(&f, "A", NULL);
	(void)fixture_task(&f, "B", NULL);
}

static void teardown(void)
{
	fixture_close(&f);
}

TestSuite(rules_lease, .init = setup, .fini = teardown);

static int64_t left(int64_t token)
{
	return fixture_grant_now(&f, token).expires - f.sim.boot;
}

static struct outcome tie(enum change_kind kind, int64_t session, int32_t pid)
{
	return commit(&f, kind, .as = session, .thing = session, .member = pid,
		      .member_start = START, .text = f.sim.boot_id);
}

static void join(int64_t session, int32_t pid)
{
	assert_ok(tie(CHANGE_JOIN, session, pid));
}

static void anchor(int64_t session, int32_t pid)
{
	assert_ok(tie(CHANGE_ANCHOR, session, pid));
}

static void assert_ended(int64_t s, const char *how)
{
	struct session is = fixture_session_now(&f, s);

	cr_assert_str_eq(is.how, how, "session %s: \"%s\"", is.name, is.how);
	cr_assert_eq(is.ended > 0, *how != 0);
}

static void assert_lost_for(const char *reason)
{
	json_t *e = fixture_event(&f, "lost");

	cr_assert_not_null(e);
	cr_assert_str_eq(event_text(e, "reason"), reason);
	json_decref(e);
}

static int64_t in_a_batch(enum change_kind kind, const char *name)
{
	struct outcome o = commit(&f, kind, .as = s1, .thing = s1, .name = name);

	assert_ok(o);
	return o.id;
}

/* --- renewed by the living --- */

Test(rules_lease, renews_itself_while_a_member_lives_up_to_lease_max)
{
	int64_t a = fixture_hold(&f, s1, "A");

	join(s1, 11);
	fixture_pass(&f, 8 * HOUR);
	cr_assert_eq(fixture_grant_now(&f, a).ended, 0);
	fixture_pass(&f, 1);
	assert_column(&f, "A", COLUMN_READY);
	assert_lost_for("expired");
	assert_ended(s1, "");
	assert_sound(&f);
}

Test(rules_lease, renews_itself_while_the_anchor_lives_up_to_lease_max)
{
	anchor(s1, 11);
	(void)fixture_hold(&f, s1, "A");
	assert_ok(fixture_control(&f, "lease-max", "3h"));
	fixture_pass(&f, 3 * HOUR);
	assert_column(&f, "A", COLUMN_CLAIMS);
	fixture_pass(&f, 1);
	assert_column(&f, "A", COLUMN_READY);
}

Test(rules_lease, counts_lease_max_from_the_last_mutation)
{
	int64_t a = fixture_hold(&f, s1, "A");

	join(s1, 11);
	fixture_pass(&f, 7 * HOUR);
	assert_ok(commit(&f, CHANGE_RENEW, .as = s1, .thing = s1));
	fixture_pass(&f, 8 * HOUR);
	cr_assert_eq(fixture_grant_now(&f, a).ended, 0);
	fixture_pass(&f, 1);
	cr_assert_neq(fixture_grant_now(&f, a).ended, 0);
}

Test(rules_lease, that_is_longer_than_lease_max_is_not_shortened_by_it)
{
	assert_ok(fixture_set(&f, "A", "ttl", "10h"));
	(void)fixture_hold(&f, s1, "A");
	join(s1, 11);
	fixture_pass(&f, 10 * HOUR);
	assert_column(&f, "A", COLUMN_CLAIMS);
	fixture_pass(&f, 1);
	assert_column(&f, "A", COLUMN_READY);
}

Test(rules_lease, an_automatic_renewal_is_no_event_and_no_mutation)
{
	int64_t a = fixture_hold(&f, s1, "A"), seq, touched;

	join(s1, 11);
	seq = store_seq(f.store);
	touched = fixture_grant_now(&f, a).touched;
	fixture_pass(&f, 5 * HOUR);
	cr_assert_eq(store_seq(f.store), seq);
	cr_assert_eq(fixture_grant_now(&f, a).touched, touched, "find -mmin shows who is stuck");
	cr_assert_gt(fixture_grant_now(&f, a).renewed, f.sim.boot - HOUR - 10);
}

Test(rules_lease, of_others_is_not_kept_by_the_living)
{
	int64_t s2 = fixture_session(&f, "s2");

	join(s1, 11);
	(void)fixture_hold(&f, s2, "A");
	fixture_pass(&f, HOUR + 1);
	assert_column(&f, "A", COLUMN_READY);
}

Test(rules_lease, is_not_kept_by_a_process_with_the_number_of_a_member)
{
	(void)fixture_hold(&f, s1, "A");
	join(s1, 11);
	fixture_exit(&f, 11);
	fixture_process(&f, 11, START + 1, 1);
	fixture_pass(&f, HOUR + 1);
	assert_column(&f, "A", COLUMN_READY);
}

Test(rules_lease, is_not_kept_by_a_process_of_another_boot)
{
	(void)fixture_hold(&f, s1, "A");
	assert_ok(commit(&f, CHANGE_JOIN, .as = s1, .thing = s1, .member = 11,
			 .member_start = START, .text = "another-boot"));
	fixture_pass(&f, HOUR + 1);
	assert_column(&f, "A", COLUMN_READY);
}

/* --- exits --- */

Test(rules_lease, is_whole_again_when_a_member_exits)
{
	int64_t a = fixture_hold(&f, s1, "A");

	join(s1, 11);
	fixture_pass(&f, 30 * MINUTE);
	assert_ok(fixture_gone(&f, 11, START));
	cr_assert_eq(left(a), HOUR, "till then it was alive");
	cr_assert_eq(fixture_count(&f, "left"), 1);
	fixture_pass(&f, HOUR);
	assert_column(&f, "A", COLUMN_CLAIMS);
	fixture_pass(&f, 1);
	assert_column(&f, "A", COLUMN_READY);
	assert_sound(&f);
}

Test(rules_lease, is_not_longer_than_lease_max_when_a_member_exits)
{
	int64_t a = fixture_hold(&f, s1, "A");

	join(s1, 11);
	fixture_pass(&f, 7 * HOUR + 50 * MINUTE);
	assert_ok(fixture_gone(&f, 11, START));
	cr_assert_eq(left(a), 10 * MINUTE);
}

Test(rules_lease, goes_on_while_one_of_several_members_lives)
{
	(void)fixture_hold(&f, s1, "A");
	join(s1, 11);
	join(s1, 12);
	assert_ok(fixture_gone(&f, 11, START));
	fixture_pass(&f, 5 * HOUR);
	assert_column(&f, "A", COLUMN_CLAIMS);
	assert_ok(fixture_gone(&f, 12, START));
	fixture_pass(&f, HOUR + 1);
	assert_column(&f, "A", COLUMN_READY);
	assert_sound(&f);
}

Test(rules_lease, the_exit_of_an_anchor_ends_its_session_and_frees_all_it_holds_at_once)
{
	int64_t s2 = fixture_session(&f, "s2");

	anchor(s1, 11);
	(void)fixture_hold(&f, s1, "A");
	(void)fixture_hold(&f, s1, "B");
	assert_ok(fixture_gone(&f, 11, START));
	assert_ended(s1, "exited");
	assert_column(&f, "A", COLUMN_READY);
	assert_column(&f, "B", COLUMN_READY);
	cr_assert_eq(fixture_count(&f, "lost"), 2);
	assert_lost_for("exited");
	assert_refused(fixture_claim(&f, s1, "A"), ESTALE, "has ended");
	assert_ok(fixture_claim(&f, s2, "A"));
	assert_ended(s2, "");
	assert_sound(&f);
}

Test(rules_lease, all_sessions_with_one_anchor_end_with_it)
{
	int64_t s2 = fixture_session(&f, "s2"), s3 = fixture_session(&f, "s3");

	anchor(s1, 11);
	anchor(s2, 11);
	anchor(s3, 12);
	join(s3, 11);
	(void)fixture_hold(&f, s1, "A");
	(void)fixture_hold(&f, s2, "B");
	assert_ok(fixture_gone(&f, 11, START));
	assert_ended(s1, "exited");
	assert_ended(s2, "exited");
	assert_ended(s3, "");
	assert_column(&f, "A", COLUMN_READY);
	assert_column(&f, "B", COLUMN_READY);
	cr_assert_eq(fixture_count(&f, "left"), 1, "it was a member of the third");
	assert_sound(&f);
}

Test(rules_lease, an_anchor_can_be_another_and_none_and_the_former_does_nothing_then)
{
	int64_t seq;

	anchor(s1, 11);
	anchor(s1, 12);
	assert_ok(fixture_gone(&f, 11, START));
	assert_ended(s1, "");
	seq = store_seq(f.store);
	anchor(s1, 12);
	cr_assert_eq(store_seq(f.store), seq, "the same changes nothing");
	assert_ok(commit(&f, CHANGE_ANCHOR, .as = s1, .thing = s1, .text = f.sim.boot_id));
	assert_ok(fixture_gone(&f, 12, START));
	assert_ended(s1, "");
	assert_sound(&f);
}

Test(rules_lease, an_anchor_is_for_a_live_session_of_the_callers)
{
	assert_refused(commit(&f, CHANGE_ANCHOR, .uid = 4711, .thing = s1, .member = 11,
			      .member_start = START, .text = f.sim.boot_id),
		       EPERM, "its own");
	assert_ok(commit(&f, CHANGE_END, .as = s1, .thing = s1));
	assert_refused(tie(CHANGE_ANCHOR, s1, 11), ESTALE, "has ended");
}

Test(rules_lease, who_says_that_a_living_process_is_gone_is_mistaken)
{
	int64_t seq;

	anchor(s1, 11);
	join(s1, 12);
	seq = store_seq(f.store);
	assert_ok(commit(&f, CHANGE_EXIT, .member = 11, .member_start = START,
			 .text = f.sim.boot_id));
	assert_ok(commit(&f, CHANGE_EXIT, .member = 12, .member_start = START,
			 .text = f.sim.boot_id));
	cr_assert_eq(store_seq(f.store), seq);
	assert_ended(s1, "");
}

Test(rules_lease, the_exit_of_a_process_nobody_hangs_on_is_nothing)
{
	int64_t seq = store_seq(f.store);

	anchor(s1, 11);
	assert_ok(fixture_gone(&f, 11, START + 1)); /* an older one of that number */
	assert_ok(fixture_gone(&f, 999, 1));
	cr_assert_eq(store_seq(f.store), seq + 1, "but for the anchor's own event");
	assert_ended(s1, "");
}

Test(rules_lease, the_exit_of_a_process_of_another_boot_is_not_one_of_this)
{
	char old[BOOT_ID_LEN];

	anchor(s1, 11);
	(void)fixture_hold(&f, s1, "A");
	memcpy(old, f.sim.boot_id, sizeof(old));
	fixture_stop(&f);
	f.sim.boot = 5 * SECOND;
	f.sim.boot_id[35] = '2';
	cr_assert_eq(fixture_start(&f), 0);
	assert_ok(fixture_gone(&f, 11, START));
	assert_ended(s1, "");
	assert_ok(commit(&f, CHANGE_EXIT, .member = 11, .member_start = START, .text = old));
	assert_ended(s1, "exited");
	assert_column(&f, "A", COLUMN_READY);
	assert_sound(&f);
}

/* --- idle sessions --- */

Test(rules_lease, a_session_whose_anchor_lives_is_not_idle)
{
	anchor(s1, 11);
	fixture_pass(&f, 5 * DAY);
	assert_ended(s1, "");
	assert_ok(commit(&f, CHANGE_ANCHOR, .as = s1, .thing = s1, .text = f.sim.boot_id));
	fixture_pass(&f, 2 * HOUR);
	assert_ended(s1, "idle");
}

Test(rules_lease, a_session_that_lost_its_last_claim_has_a_lease_to_hear_of_it)
{
	(void)fixture_hold(&f, s1, "A");
	fixture_pass(&f, HOUR + 1);
	assert_column(&f, "A", COLUMN_READY);
	fixture_pass(&f, 50 * MINUTE);
	assert_refused(commit(&f, CHANGE_RENEW, .as = s1, .thing = s1), EKEYEXPIRED, "lost A");
}

/* --- suspend, stalls, clocks --- */

static void sleep_for(int64_t ms)
{
	f.sim.boot += ms;
	f.sim.wall += ms;
	f.sim.asleep += ms;
}

Test(rules_lease, has_five_minutes_more_after_a_suspend)
{
	int64_t a = fixture_hold(&f, s1, "A"), b;

	assert_ok(fixture_set(&f, "B", "ttl", "1m"));
	b = fixture_hold(&f, s1, "B");
	sleep_for(3 * HOUR);
	fixture_tick(&f);
	cr_assert_eq(left(a), 5 * MINUTE);
	cr_assert_eq(left(b), MINUTE, "its own length, where that is less");
	fixture_pass(&f, 5 * MINUTE);
	assert_column(&f, "A", COLUMN_CLAIMS);
	assert_column(&f, "B", COLUMN_READY);
	fixture_pass(&f, 1);
	assert_column(&f, "A", COLUMN_READY);
}

Test(rules_lease, that_has_little_left_after_a_suspend_has_five_minutes)
{
	int64_t a = fixture_hold(&f, s1, "A");

	sleep_for(59 * MINUTE);
	fixture_tick(&f);
	cr_assert_eq(left(a), 5 * MINUTE);
}

Test(rules_lease, that_ran_out_during_the_last_second_of_a_suspend_has_five_minutes)
{
	int64_t a = fixture_hold(&f, s1, "A");

	sleep_for(HOUR + 1 * SECOND);
	fixture_tick(&f);
	cr_assert_eq(fixture_grant_now(&f, a).ended, 0);
	cr_assert_eq(left(a), 5 * MINUTE);
}

Test(rules_lease, that_has_more_left_is_not_touched_by_a_suspend)
{
	int64_t a = fixture_hold(&f, s1, "A");

	sleep_for(10 * MINUTE);
	fixture_tick(&f);
	cr_assert_eq(left(a), 50 * MINUTE);
	fixture_pass(&f, 50 * MINUTE + 1);
	assert_column(&f, "A", COLUMN_READY);
}

Test(rules_lease, has_the_time_of_a_suspend_once)
{
	int64_t a = fixture_hold(&f, s1, "A");

	sleep_for(3 * HOUR);
	fixture_tick(&f);
	fixture_pass(&f, MINUTE);
	fixture_tick(&f);
	cr_assert_eq(left(a), 4 * MINUTE);
}

Test(rules_lease, an_idle_session_has_time_after_a_suspend_as_well)
{
	sleep_for(3 * HOUR);
	fixture_tick(&f);
	assert_ended(s1, "");
	fixture_pass(&f, 5 * MINUTE + 1);
	assert_ended(s1, "idle");
}

Test(rules_lease, whoever_asks_first_after_a_suspend_finds_it_renewed)
{
	int64_t s2 = fixture_session(&f, "s2");

	(void)fixture_hold(&f, s1, "A");
	sleep_for(3 * HOUR);
	assert_refused(fixture_claim(&f, s2, "A"), EBUSY, "held by session s1");
	assert_ok(fixture_finish(&f, s1, "A"));
}

Test(rules_lease, does_not_end_because_the_daemon_stood_still)
{
	int64_t a = fixture_hold(&f, s1, "A");

	fixture_stall(&f, HOUR + 6 * SECOND);
	cr_assert_eq(fixture_grant_now(&f, a).ended, 0);
	cr_assert_eq(left(a), 5 * MINUTE);
	fixture_pass(&f, 5 * MINUTE + 1);
	assert_column(&f, "A", COLUMN_READY);
}

Test(rules_lease, ends_although_the_daemon_was_a_little_late)
{
	(void)fixture_hold(&f, s1, "A");
	fixture_stall(&f, HOUR + 4 * SECOND);
	assert_column(&f, "A", COLUMN_READY);
}

Test(rules_lease, is_never_longer_than_its_length_when_the_clock_goes_back)
{
	int64_t a = fixture_hold(&f, s1, "A");

	fixture_pass(&f, 30 * MINUTE);
	f.sim.boot -= 20 * MINUTE;
	fixture_tick(&f);
	cr_assert_eq(left(a), 50 * MINUTE, "what it had left in that clock is no more than it has");
	f.sim.boot -= 500 * SECOND;
	fixture_tick(&f);
	cr_assert_leq(left(a), HOUR);
	cr_assert_leq(fixture_grant_now(&f, a).renewed, f.sim.boot);
	cr_assert_leq(fixture_grant_now(&f, a).acted, f.sim.boot);
}

Test(rules_lease, is_never_longer_than_its_length_after_a_restart_in_an_earlier_clock)
{
	int64_t a;

	fixture_pass(&f, 5 * HOUR);
	s1 = fixture_session(&f, "again");
	a = fixture_hold(&f, s1, "A");
	fixture_stop(&f);
	f.sim.boot -= 4 * HOUR;
	cr_assert_eq(fixture_start(&f), 0);
	cr_assert_eq(left(a), HOUR);
	join(s1, 11);
	fixture_pass(&f, 8 * HOUR + 1);
	assert_column(&f, "A", COLUMN_READY);
}

Test(rules_lease, of_a_mutex_is_never_longer_than_its_length_either)
{
	struct outcome o;
	struct mutex m;

	fixture_pass(&f, 5 * HOUR);
	o = commit(&f, CHANGE_LOCK, .pid = 11, .pid_start = START, .name = "deploy");
	assert_ok(o);
	cr_assert_eq(fixture_restart(&f), 0);
	fixture_stop(&f);
	f.sim.boot -= HOUR;
	cr_assert_eq(fixture_start(&f), 0);
	f.sim.boot -= HOUR;
	fixture_tick(&f);
	fixture_exit(&f, 11);
	fixture_pass(&f, HOUR + 1);
	cr_assert_eq(store_read_begin(f.store), 0);
	cr_assert_eq(read_mutex(store_reader(f.store), o.id, &m), 0);
	store_read_end(f.store);
}

Test(rules_lease, of_a_mutex_does_not_end_because_the_daemon_was_away)
{
	struct outcome o;
	struct mutex m;

	o = commit(&f, CHANGE_LOCK, .pid = 11, .pid_start = START, .name = "deploy");
	assert_ok(o);
	cr_assert_eq(fixture_restart(&f), 0);
	fixture_stop(&f);
	f.sim.boot += 9 * HOUR; /* longer than lease-max */
	cr_assert_eq(fixture_start(&f), 0);
	fixture_tick(&f);
	cr_assert_eq(store_read_begin(f.store), 0);
	cr_assert_eq(read_mutex(store_reader(f.store), o.id, &m), 1);
	store_read_end(f.store);
	cr_assert_eq(m.expires - f.sim.boot, 6 * MINUTE, "a tenth, or five minutes");
}

/* --- what the commit takes is none of the lease --- */

Test(rules_lease, is_whole_when_it_is_answered_however_long_the_commit_took)
{
	int64_t a;

	f.sim.commit_ms = 700;
	a = in_a_batch(CHANGE_CLAIM, "A");
	fixture_tick(&f); /* what the first was not allowed for is owed */
	cr_assert_geq(left(a), HOUR - 700 - 700 + 700);
	a = in_a_batch(CHANGE_CLAIM, "B");
	cr_assert_geq(left(a), HOUR, "%lld short", (long long)(HOUR - left(a)));
	cr_assert_leq(left(a), HOUR + 5 * SECOND);
}

Test(rules_lease, is_longer_by_what_a_commit_took_beyond_what_was_allowed)
{
	int64_t a, answered;

	f.sim.commit_ms = 20 * SECOND;
	a = in_a_batch(CHANGE_CLAIM, "A");
	answered = f.sim.boot;
	f.sim.commit_ms = 0;
	fixture_tick(&f);
	cr_assert_eq(fixture_grant_now(&f, a).expires, answered + HOUR);
	fixture_tick(&f);
	cr_assert_eq(fixture_grant_now(&f, a).expires, answered + HOUR, "once");
}

Test(rules_lease, that_is_due_during_a_long_commit_has_what_it_is_owed)
{
	int64_t a;

	assert_ok(fixture_set(&f, "A", "ttl", "10s"));
	f.sim.commit_ms = 12 * SECOND;
	a = in_a_batch(CHANGE_CLAIM, "A");
	f.sim.commit_ms = 0;
	assert_ok(commit(&f, CHANGE_RENEW, .as = s1, .thing = s1));
	cr_assert_eq(fixture_grant_now(&f, a).ended, 0);
}

Test(rules_lease, a_renewal_is_whole_when_it_is_answered_as_well)
{
	int64_t a = fixture_hold(&f, s1, "A");

	f.sim.commit_ms = 300;
	assert_ok(commit(&f, CHANGE_RENEW, .as = s1, .thing = s1));
	fixture_pass(&f, MINUTE);
	assert_ok(commit(&f, CHANGE_RENEW, .as = s1, .thing = s1));
	cr_assert_geq(left(a), HOUR);
	cr_assert_leq(left(a), HOUR + 5 * SECOND);
}

Test(rules_lease, forgets_what_commits_took_when_they_are_quick_again)
{
	int64_t a = fixture_hold(&f, s1, "A");

	f.sim.commit_ms = 2 * SECOND;
	assert_ok(commit(&f, CHANGE_RENEW, .as = s1, .thing = s1));
	cr_assert_eq(f.store->allow, 4 * SECOND);
	f.sim.commit_ms = 0;
	for (int i = 0; i < 200; i++)
		assert_ok(commit(&f, CHANGE_RENEW, .as = s1, .thing = s1));
	cr_assert_lt(f.store->allow, 20);
	fixture_pass(&f, MINUTE);
	assert_ok(commit(&f, CHANGE_RENEW, .as = s1, .thing = s1));
	cr_assert_leq(left(a), HOUR + 20);
}
