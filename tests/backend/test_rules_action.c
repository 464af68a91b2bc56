/* Outward deeds, once: who is permitted, what becomes of it, and that nothing unknown is free. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "backend/action.h"
#include "backend/clean.h"
#include "backend/offline.h"
#include "backend/tx.h"
#include "tests/lib/check.h"

#define KEY "comment:org+repo#12:ack"
#define OTHER_UID 2000u

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

TestSuite(rules_action, .init = setup, .fini = teardown);

#define ask(session, key, ...) \
	commit(&f, CHANGE_PERMIT, .as = (session), .name = (key), ##__VA_ARGS__)
#define say(id_, session, text_, ...) \
	commit(&f, CHANGE_RESULT, .thing = (id_), .as = (session), .text = (text_), ##__VA_ARGS__)
#define withdraw(session, key, ...) \
	commit(&f, CHANGE_WITHDRAW, .as = (session), .name = (key), ##__VA_ARGS__)

/* Permission that must be given; its id. */
static int64_t permitted(int64_t session, const char *key)
{
	struct outcome o = ask(session, key);

	cr_assert_eq(o.err, 0, "%s", o.why);
	cr_assert_gt(o.id, 0);
	return o.id;
}

/* What the key has; state 0: it is free. */
static struct action now(const char *key)
{
	struct action a = { .state = 0 };

	cr_assert_eq(store_read_begin(f.store), 0);
	cr_assert_geq(read_action_named(store_reader(f.store), key, &a), 0);
	store_read_end(f.store);
	return a;
}

static const char *result_of(int64_t id)
{
	static char text[ACTION_RESULT_MAX + 1];
	AUTO_FREE char *got = NULL;

	cr_assert_eq(store_read_begin(f.store), 0);
	got = db_text(store_reader(f.store), Q(ACTION_RESULT), I(id));
	(void)snprintf(text, sizeof(text), "%s", got ? got : "?");
	store_read_end(f.store);
	return text;
}

#define assert_state(key, state_) cr_assert_eq(now(key).state, (state_))
#define FREE 0

/* --- asking --- */

Test(rules_action, is_permitted_to_the_first_who_asks)
{
	json_t *e;
	int64_t id = permitted(s1, KEY);

	e = fixture_event(&f, "action-permitted");
	cr_assert_str_eq(event_text(e, "action"), KEY);
	cr_assert_str_eq(event_text(e, "session"), "s1");
	cr_assert_eq(event_int(e, "seq"), id);
	cr_assert_eq(event_int(e, "wait_ms"), 15 * MINUTE);
	json_decref(e);
	cr_assert_eq(now(KEY).session, s1);
	cr_assert_eq(now(KEY).uid, FIXTURE_UID);
	assert_state(KEY, ACTION_PERMITTED);
}

Test(rules_action, asked_for_again_is_EEXIST_also_by_whom_it_was_permitted_to)
{
	(void)permitted(s1, KEY);
	assert_refused(ask(s2, KEY), EEXIST, "permitted to session s1 since");
	assert_refused(ask(s2, KEY), EEXIST, "without a result it is unknown at");
	assert_refused(ask(s1, KEY), EEXIST, "your own session s1");
	assert_refused(ask(s1, KEY, .operator_ = 1), EEXIST, "act twice");
	cr_assert_eq(fixture_count(&f, "action-permitted"), 1);
}

Test(rules_action, of_many_who_ask_in_one_batch_one_is_permitted)
{
	struct change *c[16];
	int won = 0;

	for (int i = 0; i < 16; i++)
		c[i] = queue(&f, CHANGE_PERMIT, .as = i % 2 ? s1 : s2, .name = KEY, .pid = 100 + i);
	(void)fixture_run(&f);
	for (int i = 0; i < 16; i++) {
		struct outcome o = fixture_take(c[i]);

		won += o.err == 0;
		cr_assert(o.err == 0 || o.err == -EEXIST);
	}
	cr_assert_eq(won, 1);
}

Test(rules_action, without_a_session_is_ENOKEY)
{
	assert_refused(ask(0, KEY), ENOKEY, "no session");
	assert_refused(ask(0, KEY, .operator_ = 1), ENOKEY, "no session");
	assert_state(KEY, FREE);
}

Test(rules_action, for_a_session_that_has_ended_is_ESTALE)
{
	assert_ok(commit(&f, CHANGE_END, .as = s1, .thing = s1));
	assert_refused(ask(s1, KEY), ESTALE, "s1 has ended");
}

Test(rules_action, as_a_session_of_another_uid_is_EPERM)
{
	assert_refused(ask(s1, KEY, .uid = OTHER_UID), EPERM, "belongs to uid");
}

Test(rules_action, while_the_board_is_closed_is_EROFS_and_a_result_is_taken)
{
	int64_t id = permitted(s1, KEY);

	assert_ok(fixture_control(&f, "estop", "no more"));
	assert_refused(ask(s1, "other"), EROFS, "no more");
	assert_ok(say(id, s1, "posted\n"));
}

Test(rules_action, a_key_that_is_no_name_is_EINVAL)
{
	static const char *const bad[] = { ".x", "a b", "x~", "x.tmp", "x.swp", "a/b", "" };

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_refused(ask(s1, bad[i]), EINVAL, "not a key");
}

Test(rules_action, asked_for_by_what_has_gone_is_ESTALE)
{
	int64_t id = permitted(s1, KEY);

	assert_refused(ask(s2, KEY, .thing = id), EEXIST, "permitted to session s1");
	assert_ok(withdraw(s1, KEY));
	assert_refused(ask(s2, KEY, .thing = id), ESTALE, "free meanwhile");
	assert_state(KEY, FREE);
	assert_ok(ask(s2, KEY));
}

/* --- the result --- */

Test(rules_action, has_its_result_by_the_session_that_was_permitted)
{
	json_t *e;
	int64_t id = permitted(s1, KEY);

	assert_ok(say(id, s1, "posted https://x\n"));
	e = fixture_event(&f, "action-done");
	cr_assert_str_eq(event_text(e, "result"), "posted https://x");
	cr_assert_eq(event_int(e, "action_id"), id);
	json_decref(e);
	assert_state(KEY, ACTION_DONE);
	cr_assert_str_eq(result_of(id), "posted https://x");
	assert_refused(ask(s2, KEY), EEXIST, "by session s1: posted https://x");
	assert_refused(ask(s1, KEY), EEXIST, "is done since");
}

Test(rules_action, a_second_result_is_EEXIST)
{
	int64_t id = permitted(s1, KEY);

	assert_ok(say(id, s1, "yes\n"));
	assert_refused(say(id, s1, "no\n"), EEXIST, "is done since");
	assert_refused(say(id, s2, "no\n"), EEXIST, "is done since");
	assert_refused(say(id, 0, "no\n", .operator_ = 1), EEXIST, "is done since");
	cr_assert_str_eq(result_of(id), "yes");
}

Test(rules_action, the_result_is_not_for_another_session)
{
	int64_t id = permitted(s1, KEY);
	int64_t s3 = fixture_session_of(&f, "s3", OTHER_UID);

	assert_refused(say(id, s2, "posted\n"), EPERM, "for that session to write");
	assert_refused(say(id, s2, "posted\n", .operator_ = 1), EPERM, "for that session");
	assert_refused(say(id, s3, "posted\n", .uid = OTHER_UID), EPERM, "for that session");
	assert_refused(say(id, 0, "posted\n"), ENOKEY, "no session");
	assert_refused(say(id, s2, ""), EPERM, "for that session"); /* as it is opened */
	assert_ok(say(id, s1, ""));
	assert_state(KEY, ACTION_PERMITTED);
}

Test(rules_action, the_result_may_be_an_operators_who_is_no_session)
{
	int64_t id = permitted(s1, KEY);

	assert_ok(say(id, 0, "seen at https://x\n", .operator_ = 1));
	assert_state(KEY, ACTION_DONE);
}

Test(rules_action, a_result_is_one_whole_line_of_text)
{
	static char text[ACTION_RESULT_MAX + 3];
	int64_t id = permitted(s1, KEY);

	assert_refused(say(id, s1, "half"), EINVAL, "half a line is none");
	assert_refused(say(id, s1, "\n"), EINVAL, "one line");
	assert_refused(say(id, s1, "two\nlines\n"), EINVAL, "one line");
	assert_refused(say(id, s1, "\tx\n"), EINVAL, "one line");
	assert_refused(say(id, s1, "\xff\n"), EILSEQ, "one line");
	memset(text, 'x', ACTION_RESULT_MAX + 1);
	text[ACTION_RESULT_MAX + 1] = '\n';
	assert_refused(say(id, s1, text), E2BIG, "4096");
	assert_state(KEY, ACTION_PERMITTED);
	assert_ok(say(id, s1, text + 1));
	cr_assert_eq(strlen(result_of(id)), ACTION_RESULT_MAX);
}

Test(rules_action, a_result_for_a_permission_that_is_no_more_is_ESTALE)
{
	int64_t id = permitted(s1, KEY);

	assert_ok(withdraw(s1, KEY));
	(void)permitted(s1, KEY);
	assert_refused(say(id, s1, "posted\n"), ESTALE, "no more");
	assert_state(KEY, ACTION_PERMITTED);
}

/* --- withdrawn --- */

Test(rules_action, withdrawn_by_its_session_the_key_is_free_again)
{
	int64_t id = permitted(s1, KEY);

	assert_ok(withdraw(s1, KEY));
	assert_state(KEY, FREE);
	cr_assert_gt(permitted(s2, KEY), id);
}

Test(rules_action, is_withdrawn_by_nobody_else)
{
	(void)permitted(s1, KEY);
	assert_refused(withdraw(s2, KEY), EPERM, "only that may withdraw it");
	assert_refused(withdraw(s2, KEY, .operator_ = 1), EPERM, "only that");
	assert_refused(withdraw(0, KEY, .operator_ = 1), EPERM, "only that");
	assert_refused(withdraw(0, KEY), EPERM, "only that");
	assert_refused(withdraw(s1, KEY, .uid = OTHER_UID), EPERM, "belongs to uid");
	assert_refused(withdraw(s1, "none"), ENOENT, "no action none");
	assert_state(KEY, ACTION_PERMITTED);
}

Test(rules_action, done_is_not_withdrawn_by_anybody)
{
	int64_t id = permitted(s1, KEY);

	assert_ok(say(id, s1, "posted\n"));
	assert_refused(withdraw(s1, KEY), EPERM, "that is kept");
	assert_refused(withdraw(0, KEY, .operator_ = 1), EPERM, "that is kept");
	assert_refused(withdraw(0, KEY, .owner = 1, .operator_ = 1), EPERM, "that is kept");
	assert_state(KEY, ACTION_DONE);
}

/* --- unknown --- */

static void assert_unknown(const char *key, const char *reason)
{
	struct action a = now(key);

	cr_assert_eq(a.state, ACTION_UNKNOWN, "state %d", a.state);
	cr_assert_str_eq(a.reason, reason);
	assert_refused(ask(s2, key), EEXIST, "nobody knows whether it was done");
}

Test(rules_action, is_unknown_when_its_session_ends_before_a_result)
{
	json_t *e;
	int64_t id = permitted(s1, "other");

	assert_ok(say(id, s1, "posted\n"));
	(void)permitted(s1, KEY);
	(void)permitted(s1, "third");
	(void)permitted(s2, "anothers");
	assert_ok(commit(&f, CHANGE_END, .as = s1, .thing = s1));
	e = fixture_event(&f, "action-unknown");
	cr_assert_str_eq(event_text(e, "session"), "s1");
	cr_assert_str_eq(event_text(e, "reason"), "removed");
	json_decref(e);
	cr_assert_eq(fixture_count(&f, "action-unknown"), 2);
	assert_unknown(KEY, "removed");
	assert_unknown("third", "removed");
	assert_state("other", ACTION_DONE);
	assert_state("anothers", ACTION_PERMITTED);
}

Test(rules_action, is_unknown_when_its_session_ends_by_its_outcome)
{
	(void)permitted(s1, KEY);
	assert_ok(commit(&f, CHANGE_SET, .of = THING_SESSION, .thing = s1, .as = s1,
			 .field = "outcome", .text = "noop\n"));
	assert_unknown(KEY, "outcome");
}

Test(rules_action, is_unknown_when_its_sessions_anchor_exits)
{
	(void)permitted(s1, KEY);
	fixture_process(&f, 50, 7, 0);
	assert_ok(commit(&f, CHANGE_ANCHOR, .as = s1, .thing = s1, .member = 50, .member_start = 7,
			 .text = f.sim.boot_id));
	assert_ok(fixture_gone(&f, 50, 7));
	assert_unknown(KEY, "exited");
}

Test(rules_action, is_unknown_when_its_session_was_idle)
{
	assert_ok(fixture_control(&f, "action-wait", "1d"));
	(void)permitted(s1, KEY);
	fixture_pass(&f, 61 * MINUTE);
	s2 = fixture_session(&f, "later");
	assert_unknown(KEY, "idle");
}

Test(rules_action, is_unknown_when_the_daemon_is_started_again)
{
	int64_t id = permitted(s1, KEY), done = permitted(s1, "other");

	assert_ok(say(done, s1, "posted\n"));
	cr_assert_eq(fixture_restart(&f), 0);
	assert_unknown(KEY, "restarted");
	assert_state("other", ACTION_DONE);
	cr_assert_eq(fixture_count(&f, "action-unknown"), 1);
	cr_assert_eq(fixture_restart(&f), 0); /* once is enough */
	cr_assert_eq(fixture_count(&f, "action-unknown"), 1);
	cr_assert_eq(now(KEY).id, id);
	assert_refused(ask(s1, KEY), EEXIST, "restarted");
}

Test(rules_action, is_unknown_when_action_wait_has_passed_and_not_before)
{
	assert_ok(fixture_control(&f, "action-wait", "10m"));
	(void)permitted(s1, KEY);
	assert_ok(fixture_control(&f, "action-wait", "1m")); /* for later ones */
	fixture_pass(&f, 10 * MINUTE - SECOND);
	assert_state(KEY, ACTION_PERMITTED);
	fixture_pass(&f, 2 * SECOND);
	assert_unknown(KEY, "no-result");
}

Test(rules_action, unknown_never_becomes_free_by_itself)
{
	(void)permitted(s1, KEY);
	fixture_pass(&f, HOUR);
	fixture_pass(&f, 400 * DAY);
	s2 = fixture_session(&f, "later");
	assert_unknown(KEY, "no-result");
}

Test(rules_action, unknown_has_its_result_by_the_session_that_was_permitted_while_it_lives)
{
	int64_t id = permitted(s1, KEY);

	cr_assert_eq(fixture_restart(&f), 0);
	assert_refused(say(id, s2, "posted\n"), EPERM, "for that session");
	assert_ok(say(id, s1, "posted\n"));
	assert_state(KEY, ACTION_DONE);
	cr_assert_str_empty(now(KEY).reason);
}

Test(rules_action, unknown_of_a_session_that_has_ended_is_an_operators)
{
	int64_t id = permitted(s1, KEY);

	assert_ok(commit(&f, CHANGE_END, .as = s1, .thing = s1));
	assert_refused(say(id, s1, "posted\n"), ESTALE, "s1 has ended");
	assert_refused(say(id, s2, "posted\n"), EPERM, "for that session");
	assert_ok(say(id, 0, "posted\n", .operator_ = 1));
	assert_state(KEY, ACTION_DONE);
}

Test(rules_action, unknown_is_freed_by_an_operator_and_by_no_session_whatever_its_uid)
{
	json_t *e;

	(void)permitted(s1, KEY);
	cr_assert_eq(fixture_restart(&f), 0);
	assert_refused(withdraw(s1, KEY), EPERM, "no session frees it");
	assert_refused(withdraw(s2, KEY), EPERM, "no session frees it");
	assert_refused(withdraw(s1, KEY, .operator_ = 1), EPERM, "no session frees it");
	assert_refused(withdraw(0, KEY), EPERM, "no session frees it");
	assert_ok(withdraw(0, KEY, .operator_ = 1, .uid = OTHER_UID));
	e = fixture_event(&f, "action-cleared");
	cr_assert_str_eq(event_text(e, "session"), "-");
	cr_assert_eq(event_int(e, "uid"), OTHER_UID);
	json_decref(e);
	assert_state(KEY, FREE);
	assert_ok(ask(s2, KEY));
}

/* --- kept, and forgotten --- */

Test(rules_action, done_is_kept_for_action_retention_and_then_free)
{
	int64_t id;

	assert_ok(fixture_control(&f, "action-retention", "10d"));
	id = permitted(s1, KEY);
	assert_ok(say(id, s1, "posted\n"));
	fixture_pass(&f, 10 * DAY - SECOND);
	assert_state(KEY, ACTION_DONE);
	fixture_pass(&f, 2 * SECOND);
	cr_assert_eq(fixture_count(&f, "action-forgotten"), 1);
	assert_state(KEY, FREE);
	s2 = fixture_session(&f, "later");
	assert_ok(ask(s2, KEY));
}

/* --- queues --- */

static void limit(const char *lines)
{
	assert_ok(fixture_control(&f, "actions-limit", lines));
}

Test(rules_action, in_a_full_queue_is_EDQUOT_and_says_who_fills_it)
{
	int64_t done;

	limit("pr 2\n");
	done = permitted(s1, "pr:a#1");
	assert_ok(say(done, s1, "https://x\n"));
	(void)permitted(s2, "pr:a#2");
	assert_refused(ask(s1, "pr:b#3"), EDQUOT,
		       "pr:a#1 (done, session s1), pr:a#2 (permitted, session s2)");
	assert_refused(ask(s1, "pr:b#3"), EDQUOT, "2 open, at most 2");
	assert_refused(ask(s1, "pr:a#1"), EEXIST, "is done");
	assert_ok(ask(s1, "prs"));
	assert_ok(withdraw(s2, "pr:a#2"));
	assert_ok(ask(s1, "pr:b#3"));
}

Test(rules_action, unknown_counts_in_its_queue)
{
	limit("pr 1\n");
	(void)permitted(s1, "pr#1");
	cr_assert_eq(fixture_restart(&f), 0);
	assert_refused(ask(s2, "pr#2"), EDQUOT, "pr#1 (unknown, session s1)");
	assert_ok(withdraw(0, "pr#1", .operator_ = 1));
	assert_ok(ask(s2, "pr#2"));
}

Test(rules_action, a_longer_prefix_has_its_keys_for_itself)
{
	limit("pr 1\npr:org 2\n");
	(void)permitted(s1, "pr:org#1");
	(void)permitted(s1, "pr:org#2");
	assert_refused(ask(s1, "pr:org#3"), EDQUOT, "the queue pr:org is full");
	(void)permitted(s1, "pr:other#1");
	assert_refused(ask(s1, "pr:other#2"), EDQUOT, "the queue pr is full: 1 open");
}

/* What the processor takes to look 200 times whether one is open in the queue PREFIX, in ns. */
static int64_t looking(const char *prefix, const char *limits, int64_t open)
{
	struct action_queue q = { .limit = 1 };
	struct timespec from, to;
	char who[640];

	(void)snprintf(q.prefix, sizeof(q.prefix), "%s", prefix);
	cr_assert_eq(store_read_begin(f.store), 0);
	(void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &from);
	for (int i = 0; i < 200; i++)
		cr_assert_eq(action_queue_count(store_reader(f.store), limits, &q, who,
						sizeof(who)),
			     open);
	(void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &to);
	store_read_end(f.store);
	return (to.tv_sec - from.tv_sec) * INT64_C(1000000000) + to.tv_nsec - from.tv_nsec;
}

/* So many are permitted to s1 in the queue PREFIX. */
static void ask_many(const char *prefix)
{
	struct change *c[4000];
	char key[32];

	for (int i = 0; i < 4000; i++) {
		struct ask q = { .kind = CHANGE_PERMIT, .as = s1, .name = key };

		(void)snprintf(key, sizeof(key), "%s#%d", prefix, i);
		c[i] = fixture_queue(&f, &q);
	}
	(void)fixture_run(&f);
	for (int i = 0; i < 4000; i++)
		assert_ok(fixture_take(c[i]));
}

Test(rules_action, what_others_have_done_makes_no_queue_slower_to_look_at)
{
	int64_t few, many;

	(void)permitted(s1, "pr#1");
	few = looking("pr", "pr 1\n", 1);
	ask_many("comment");
	many = looking("pr", "pr 1\n", 1);
	cr_assert_lt(many, 10 * few, "%lld ns, without them %lld", (long long)many, (long long)few);
}

Test(rules_action, a_queue_with_far_too_many_is_not_slower_to_look_at)
{
	int64_t few, many;

	(void)permitted(s1, "pr#1");
	(void)permitted(s1, "pr#2");
	ask_many("comment");
	few = looking("pr", "pr 1\n", 2);
	many = looking("comment", "comment 1\n", 2);
	cr_assert_lt(many, 10 * few, "%lld ns, of two %lld", (long long)many, (long long)few);
	limit("comment 1\n");
	assert_refused(ask(s1, "comment#new"), EDQUOT, "full: more than 1 open, at most 1");
}

Test(rules_action, of_which_none_may_be_open_is_never_permitted)
{
	limit("pr 0\n");
	assert_refused(ask(s1, "pr#1"), EDQUOT, "0 open, at most 0");
	limit("\n");
	assert_ok(ask(s1, "pr#1"));
}

Test(rules_action, closed_leaves_its_queue_and_stays_done)
{
	json_t *e;
	int64_t id;

	limit("pr 1\n");
	id = permitted(s1, "pr#1");
	assert_ok(say(id, s1,
		      "closed as a duplicate\n")); /* the first is the result, whatever it says */
	assert_refused(ask(s2, "pr#2"), EDQUOT, "full");
	assert_refused(say(id, s2, "closedish\n"), EEXIST, "is done");
	assert_ok(say(id, s2, "closed merged by Eve\n"));
	e = fixture_event(&f, "action-closed");
	cr_assert_str_eq(event_text(e, "text"), "closed merged by Eve");
	cr_assert_str_eq(event_text(e, "session"), "s2");
	json_decref(e);
	assert_refused(say(id, s2, "closed\n"), EEXIST, "is done");
	assert_refused(ask(s2, "pr#1"), EEXIST, "closed as a duplicate");
	assert_ok(ask(s2, "pr#2"));
	cr_assert_str_eq(result_of(id), "closed as a duplicate");
}

Test(rules_action, is_closed_by_sessions_of_its_uid_and_operators)
{
	int64_t s3 = fixture_session_of(&f, "s3", OTHER_UID), a = permitted(s1, "a"),
		b = permitted(s1, "b"), c = permitted(s1, "c");

	assert_ok(say(a, s1, "x\n"));
	assert_ok(say(b, s1, "x\n"));
	assert_ok(say(c, s1, "x\n"));
	assert_refused(say(a, s3, "closed\n", .uid = OTHER_UID), EPERM, "sessions of uid");
	assert_refused(say(a, 0, "closed\n"), ENOKEY, "no session");
	assert_ok(commit(&f, CHANGE_END, .as = s1, .thing = s1));
	assert_refused(say(a, s1, "closed\n"), ESTALE, "has ended");
	assert_ok(say(a, s2, "closed\n"));
	assert_ok(say(b, 0, "closed\n", .operator_ = 1));
	assert_ok(say(c, s3, "closed\n", .uid = OTHER_UID, .operator_ = 1));
}

/* --- the history, and a replay --- */

Test(rules_action, its_history_goes_on_when_the_key_was_free)
{
	char all[512] = "";
	int64_t id;
	AUTO_ROWS *r = NULL;

	(void)permitted(s1, KEY);
	assert_ok(withdraw(s1, KEY));
	(void)permitted(s1, KEY);
	cr_assert_eq(fixture_restart(&f), 0);
	assert_ok(withdraw(0, KEY, .operator_ = 1, .uid = 7));
	id = permitted(s2, KEY);
	assert_ok(say(id, s2, "posted\n"));
	assert_ok(say(id, s1, "closed\n"));
	cr_assert_eq(store_read_begin(f.store), 0);
	r = db_rows(store_reader(f.store), Q(ACTION_LOG), T(KEY), I(1000));
	while (rows_next(r) > 0)
		(void)snprintf(all + strlen(all), sizeof(all) - strlen(all), "%s %s %s;",
			       rows_text(r, 1), rows_text(r, 2), rows_text(r, 3));
	rows_end(&r);
	store_read_end(f.store);
	cr_assert_str_eq(all, "permitted s1 ;withdrawn s1 ;permitted s1 ;unknown s1 restarted;"
			      "cleared - by uid 7;permitted s2 ;done s2 posted;closed s1 closed;");
}

/* Every test here ends with a check, which replays; this one repairs as well. */
Test(rules_action, all_that_is_known_follows_from_the_events)
{
	int64_t id = permitted(s1, "done");

	assert_ok(say(id, s1, "posted\n"));
	(void)permitted(s1, "withdrawn");
	assert_ok(withdraw(s1, "withdrawn"));
	(void)permitted(s1, "unknown");
	cr_assert_eq(fixture_restart(&f), 0);
	(void)permitted(s2, "permitted");
	assert_sound(&f);
	fixture_stop(&f);
	cr_assert_eq(offline_repair(f.dir, &f.says), 0, "%s", buf_text(&f.says));
	cr_assert_eq(fixture_start(&f), 0);
	assert_state("done", ACTION_DONE);
	assert_state("withdrawn", FREE);
	assert_unknown("unknown", "restarted");
	assert_unknown("permitted", "restarted");
}
