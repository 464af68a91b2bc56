/* flock on tasks and on plain mutexes: who gets it, who is refused, and how it ends. */
#include "backend/tx.h"
#include "tests/lib/check.h"

#define START 77

static struct fixture f;
static int64_t s1, s2;

/* Processes: 11 with its child 12 and grandchild 13, and 21. */
static void setup(void)
{
	fixture_open(&f);
	s1 = fixture_session(&f, "s1");
	s2 = fixture_session(&f, "s2");
	fixture_process(&f, 11, START, 1);
	fixture_process(&f, 12, START, 11);
	fixture_process(&f, 13, START, 12);
	fixture_process(&f, 21, START, 1);
	(void)fixture_task(&f, "T", "src/a");
}

static void teardown(void)
{
	fixture_close(&f);
}

TestSuite(rules_lock, .init = setup, .fini = teardown);

/* flock -n */
#define lock(session, process, what, ...)                                              \
	commit(&f, CHANGE_LOCK, .as = (session), .pid = (process), .pid_start = START, \
	       .name = (what), .op = "flock claims/" what, __VA_ARGS__)
#define by(session, process) .as = (session), .pid = (process), .pid_start = START

static int64_t locked(struct outcome o)
{
	assert_ok(o);
	cr_assert_gt(o.id, 0);
	return o.id;
}

static struct outcome unlock(int64_t token)
{
	return commit(&f, CHANGE_UNLOCK, .token = token);
}

static int mutex_is(int64_t token)
{
	struct mutex m;
	int got;

	cr_assert_eq(store_read_begin(f.store), 0);
	got = read_mutex(store_reader(f.store), token, &m);
	store_read_end(f.store);
	return got;
}

static int64_t left(int64_t token)
{
	return fixture_grant_now(&f, token).expires - f.sim.boot;
}

static void assert_reason(const char *kind, const char *reason)
{
	json_t *e = fixture_event(&f, kind);

	cr_assert_not_null(e, "no event %s", kind);
	cr_assert_str_eq(event_text(e, "reason"), reason);
	json_decref(e);
}

/* --- a task: what is granted --- */

Test(rules_lock, of_a_task_is_a_claim_with_its_artifacts)
{
	int64_t token;
	struct grant g;
	json_t *e;

	(void)fixture_task(&f, "U", "src");
	token = locked(lock(s1, 11, "T"));
	g = fixture_grant_now(&f, token);
	assert_column(&f, "T", COLUMN_CLAIMS);
	assert_column(&f, "U", COLUMN_BLOCKED);
	cr_assert_eq(g.session, s1);
	cr_assert_eq(g.lock, GRANT_LOCK);
	cr_assert_eq(g.pid, 11);
	cr_assert_eq(g.start, START);
	cr_assert_eq(fixture_task_now(&f, "T").token, token);
	e = fixture_event(&f, "claim");
	cr_assert_eq(event_int(e, "lock"), 1);
	cr_assert_eq(event_int(e, "seq"), token);
	cr_assert_str_eq(event_text(e, "session"), "s1");
	json_decref(e);
	assert_sound(&f);
}

Test(rules_lock, needs_no_session)
{
	struct grant g = fixture_grant_now(&f, locked(lock(0, 11, "T")));

	cr_assert_eq(g.session, 0);
	cr_assert_str_eq(g.holder, "-");
	cr_assert_eq(g.uid, FIXTURE_UID);
	assert_refused(lock(0, 21, "T"), EWOULDBLOCK, "until pid 11 lets go");
	assert_sound(&f);
}

Test(rules_lock, does_not_expire_while_its_descriptor_is_open)
{
	int64_t token = locked(lock(0, 11, "T"));

	fixture_pass(&f, 30 * DAY);
	cr_assert_eq(fixture_grant_now(&f, token).ended, 0);
	assert_column(&f, "T", COLUMN_CLAIMS);
}

Test(rules_lock, asked_again_through_the_same_descriptor_changes_nothing)
{
	int64_t token = locked(lock(s1, 11, "T")), m = locked(lock(s1, 11, "deploy")), seq;

	seq = store_seq(f.store);
	cr_assert_eq(locked(lock(s1, 11, "T", .token = token)), token);
	cr_assert_eq(locked(lock(s1, 11, "deploy", .token = m)), m);
	cr_assert_eq(store_seq(f.store), seq);
}

Test(rules_lock, excludes_within_one_session_and_one_process_as_well)
{
	(void)locked(lock(s1, 11, "T"));
	assert_refused(lock(s1, 11, "T"), EWOULDBLOCK, "locked by session s1");
	assert_refused(lock(s1, 12, "T"), EWOULDBLOCK, "locked by session s1");
	(void)locked(lock(s1, 11, "deploy"));
	assert_refused(lock(s1, 11, "deploy"), EWOULDBLOCK, "locked by session s1");
}

Test(rules_lock, is_given_back_by_its_close_and_the_rest_is_silence)
{
	int64_t token = locked(lock(s1, 11, "T")), seq;

	assert_ok(unlock(token));
	assert_column(&f, "T", COLUMN_READY);
	cr_assert_eq(fixture_count(&f, "release"), 1);
	seq = store_seq(f.store);
	assert_ok(unlock(token));
	cr_assert_eq(store_seq(f.store), seq, "what is given back is given back");
	cr_assert_gt(locked(lock(s1, 11, "T", .token = token)), token, "and can be locked anew");
	assert_sound(&f);
}

/* --- a task: what is refused --- */

Test(rules_lock, that_would_have_to_wait_is_EWOULDBLOCK_and_says_for_whom)
{
	(void)fixture_task(&f, "U", "src");
	(void)fixture_hold(&f, s2, "T");
	assert_refused(lock(s1, 11, "T"), EWOULDBLOCK, "held by session s2");
	assert_refused(lock(s1, 11, "U"), EWOULDBLOCK, "overlaps src/a of task T");
	assert_refused(lock(0, 11, "U"), EWOULDBLOCK, "held by session s2");
	cr_assert_eq(fixture_count(&f, "claim"), 1);
}

Test(rules_lock, of_what_the_own_session_holds_otherwise_is_EDEADLK)
{
	(void)fixture_task(&f, "U", "src");
	(void)fixture_hold(&f, s1, "T");
	assert_refused(lock(s1, 11, "T", .flags = CHANGE_WAIT), EDEADLK, "s1 holds T");
	assert_refused(lock(s1, 11, "U", .flags = CHANGE_WAIT), EDEADLK, "s1 holds T");
	assert_refused(lock(s1, 11, "T"), EDEADLK, "s1 holds T");
	assert_refused(lock(s2, 11, "T"), EWOULDBLOCK, "s1");
	assert_refused(lock(0, 11, "T"), EWOULDBLOCK, "s1");
}

Test(rules_lock, of_what_overlaps_an_own_claim_besides_others_is_EDEADLK)
{
	(void)fixture_task(&f, "A", "lib/a");
	(void)fixture_task(&f, "B", "lib/b");
	(void)fixture_task(&f, "C", "lib/c");
	(void)fixture_task(&f, "all", "lib");
	(void)fixture_hold(&f, s2, "A");
	(void)fixture_hold(&f, s2, "C");
	assert_refused(lock(s1, 11, "all"), EWOULDBLOCK, "s2");
	(void)fixture_hold(&f, s1, "B");
	assert_refused(lock(s1, 11, "all", .flags = CHANGE_WAIT), EDEADLK, "s1 holds B");
	assert_ok(fixture_release(&f, s1, "B"));
	(void)locked(lock(s1, 11, "B"));
	assert_refused(lock(s1, 12, "all"), EWOULDBLOCK, "overlaps");
}

Test(rules_lock, shared_of_a_task_is_EOPNOTSUPP)
{
	assert_refused(lock(s1, 11, "T", .flags = CHANGE_SHARED), EOPNOTSUPP, "T is a task");
	assert_refused(lock(s1, 11, "T", .flags = CHANGE_SHARED | CHANGE_WAIT), EOPNOTSUPP,
		       "T is a task");
	assert_column(&f, "T", COLUMN_READY);
}

Test(rules_lock, of_a_finished_task_is_EEXIST_and_of_an_unpublished_one_ENOENT)
{
	(void)fixture_idea(&f, "I", NULL);
	(void)fixture_hold(&f, s1, "T");
	assert_ok(fixture_finish(&f, s1, "T"));
	assert_refused(lock(s2, 21, "T", .flags = CHANGE_WAIT), EEXIST, "finished by session s1");
	assert_refused(lock(s2, 21, "I", .flags = CHANGE_WAIT), ENOENT, "not published");
}

Test(rules_lock, of_what_its_session_lost_is_ESTALE)
{
	(void)fixture_hold(&f, s1, "T");
	fixture_pass(&f, HOUR + 1);
	assert_refused(lock(s1, 11, "T", .flags = CHANGE_WAIT), ESTALE, "lost T");
	(void)locked(lock(0, 21, "T"));
}

Test(rules_lock, of_a_task_that_lacks_something_is_EBUSY_even_if_it_would_wait)
{
	(void)fixture_task(&f, "N", NULL);
	(void)fixture_task(&f, "first", NULL);
	assert_ok(fixture_set(&f, "N", "needs", "first"));
	assert_refused(lock(s1, 11, "N", .flags = CHANGE_WAIT), EBUSY, "needs first");
}

Test(rules_lock, is_EROFS_while_the_board_is_closed)
{
	int64_t token = locked(lock(s1, 11, "T"));

	assert_ok(fixture_control(&f, "estop", "looking"));
	assert_refused(lock(s2, 21, "T", .flags = CHANGE_WAIT), EROFS, "looking");
	assert_refused(lock(s2, 21, "deploy"), EROFS, "looking");
	assert_ok(unlock(token));
}

Test(rules_lock, counts_for_the_limits_of_its_uid_and_session)
{
	(void)fixture_task(&f, "A", NULL);
	assert_ok(fixture_control(&f, "limits", "session-claims 1"));
	(void)locked(lock(s1, 11, "T"));
	assert_refused(lock(s1, 11, "A"), EDQUOT, "session-claims");
	assert_ok(fixture_control(&f, "limits", "uid-claims 1"));
	assert_refused(lock(0, 11, "A"), EDQUOT, "uid-claims");
	assert_refused(fixture_claim(&f, s2, "A"), EDQUOT, "uid-claims");
	assert_ok(commit(&f, CHANGE_LOCK, .uid = 4711, .name = "A"));
	assert_sound(&f);
}

Test(rules_lock, of_mutexes_a_uid_has_so_many_at_once)
{
	int64_t a;

	assert_ok(fixture_control(&f, "limits", "uid-mutexes 2"));
	a = locked(lock(0, 11, "a"));
	(void)locked(lock(s1, 11, "b"));
	assert_refused(lock(0, 11, "c"), EDQUOT, "uid-mutexes");
	assert_ok(commit(&f, CHANGE_LOCK, .uid = 4711, .name = "c"));
	assert_ok(unlock(a));
	(void)locked(lock(0, 11, "d"));
}

Test(rules_lock, nobody_locks_as_a_session_that_is_not_his_or_has_ended)
{
	assert_refused(lock(s1, 11, "T", .uid = 4711), EPERM, "belongs to uid");
	assert_ok(commit(&f, CHANGE_END, .as = s1, .thing = s1));
	assert_refused(lock(s1, 11, "T"), ESTALE, "has ended");
	assert_refused(lock(s1, 11, "deploy"), ESTALE, "has ended");
	assert_column(&f, "T", COLUMN_READY);
}

/* --- what its process may do --- */

Test(rules_lock, is_finished_by_the_locking_process)
{
	int64_t token = locked(lock(0, 11, "T"));

	assert_ok(commit(&f, CHANGE_FINISH, by(0, 11), .name = "T"));
	assert_column(&f, "T", COLUMN_DONE);
	assert_ok(unlock(token));
	assert_column(&f, "T", COLUMN_DONE);
	cr_assert_eq(fixture_count(&f, "release"), 0);
	assert_refused(lock(0, 11, "T", .token = token), EEXIST, "done");
	assert_sound(&f);
}

Test(rules_lock, is_finished_by_a_descendant_of_the_locking_process)
{
	(void)locked(lock(s1, 11, "T"));
	assert_ok(commit(&f, CHANGE_FINISH, by(0, 13), .name = "T"));
	assert_column(&f, "T", COLUMN_DONE);
}

Test(rules_lock, is_ended_by_nobody_else_whatever_his_session)
{
	int64_t token = locked(lock(s1, 12, "T"));

	assert_refused(commit(&f, CHANGE_FINISH, by(s1, 11), .name = "T"), EPERM,
		       "locked by process 12");
	assert_refused(commit(&f, CHANGE_FINISH, by(s1, 21), .name = "T"), EPERM,
		       "not started by it");
	assert_refused(commit(&f, CHANGE_RELEASE, by(s1, 21), .name = "T"), EPERM,
		       "not started by it");
	assert_refused(commit(&f, CHANGE_EXTEND, by(s1, 21), .token = token, .text = "doc/x"),
		       EPERM, "not started by it");
	assert_refused(commit(&f, CHANGE_RELEASE, .as = s1, .name = "T"), EPERM,
		       "not started by it");
	assert_refused(commit(&f, CHANGE_FINISH, by(s2, 21), .name = "T"), EPERM,
		       "not started by it");
	cr_assert_eq(fixture_grant_now(&f, token).ended, 0);
	cr_assert_str_eq(fixture_artifacts(&f, "T"), ":src/a");
}

Test(rules_lock, a_process_with_its_number_that_started_later_is_another)
{
	int64_t token = locked(lock(0, 11, "T"));

	fixture_exit(&f, 11);
	fixture_process(&f, 11, START + 1, 1);
	assert_refused(commit(&f, CHANGE_FINISH, .pid = 11, .pid_start = START + 1, .name = "T"),
		       EPERM, "locked by process 11");
	cr_assert_eq(fixture_grant_now(&f, token).ended, 0);
}

Test(rules_lock, is_extended_and_given_back_by_its_processes)
{
	int64_t token = locked(lock(0, 11, "T"));

	assert_ok(commit(&f, CHANGE_EXTEND, by(0, 12), .token = token, .text = "doc/x"));
	cr_assert_str_eq(fixture_artifacts(&f, "T"), ":src/a :doc/x");
	assert_ok(commit(&f, CHANGE_RELEASE, by(0, 12), .name = "T"));
	assert_column(&f, "T", COLUMN_READY);
	assert_sound(&f);
}

Test(rules_lock, of_a_process_nobody_sees_is_its_sessions_to_finish)
{
	(void)locked(commit(&f, CHANGE_LOCK, .as = s1, .name = "T"));
	assert_refused(commit(&f, CHANGE_FINISH, .as = s2, .name = "T"), EPERM, "locked");
	assert_refused(commit(&f, CHANGE_FINISH, .name = "T"), EPERM, "locked");
	assert_ok(commit(&f, CHANGE_FINISH, .as = s1, .name = "T"));
}

Test(rules_lock, of_a_process_nobody_sees_and_no_session_is_nobodys_to_finish)
{
	int64_t token = locked(commit(&f, CHANGE_LOCK, .name = "T"));

	assert_refused(commit(&f, CHANGE_FINISH, .name = "T"), EPERM, "locked");
	assert_refused(commit(&f, CHANGE_FINISH, by(0, 21), .name = "T"), EPERM, "locked");
	assert_ok(unlock(token));
}

Test(rules_lock, is_not_handed_over)
{
	int64_t token = locked(lock(s1, 11, "T"));

	assert_refused(commit(&f, CHANGE_HANDOVER, by(s1, 11), .name = "T", .text = "s2"), EPERM,
		       "ends with its descriptor");
	cr_assert_eq(fixture_grant_now(&f, token).ended, 0);
}

/* --- taken away --- */

static struct outcome brk(const char *name, int64_t token)
{
	char text[100];

	(void)snprintf(text, sizeof(text), "%s %lld stuck", name, (long long)token);
	return commit(&f, CHANGE_BREAK, .operator_ = 1, .text = text);
}

Test(rules_lock, that_is_broken_is_lost_and_its_descriptor_is_told)
{
	int64_t token = locked(lock(s1, 11, "T"));

	assert_ok(brk("T", token));
	assert_reason("lost", "broken");
	assert_column(&f, "T", COLUMN_READY);
	assert_refused(lock(s1, 11, "T", .token = token), ESTALE, "lost T");
	assert_refused(commit(&f, CHANGE_FINISH, by(s1, 11), .name = "T"), ESTALE, "lost T");
	assert_refused(commit(&f, CHANGE_RENEW, .as = s1, .thing = s1), EKEYEXPIRED, "lost T");
	assert_ok(unlock(token));
	cr_assert_eq(fixture_count(&f, "release"), 0);
	assert_sound(&f);
}

Test(rules_lock, without_a_session_that_is_broken_is_told_to_its_process)
{
	int64_t token = locked(lock(0, 11, "T"));

	assert_ok(brk("T", token));
	assert_refused(commit(&f, CHANGE_FINISH, by(0, 12), .name = "T"), ESTALE, "lost T");
	assert_refused(commit(&f, CHANGE_FINISH, by(0, 21), .name = "T"), ENOKEY, "no session");
	assert_refused(lock(0, 11, "T", .token = token), ESTALE, "lost T");
	(void)locked(lock(0, 21, "T"));
	assert_refused(lock(0, 11, "T", .token = token), ESTALE, "lost T");
	assert_sound(&f);
}

Test(rules_lock, of_a_mutex_is_broken_by_its_token)
{
	int64_t token = locked(lock(s1, 11, "deploy"));
	json_t *e;

	assert_refused(brk("deploy", token + 1), ENOENT, "no task deploy");
	assert_refused(brk("other", token), ENOENT, "no task other");
	assert_ok(brk("deploy", token));
	assert_reason("unlock", "broken");
	e = fixture_event(&f, "unlock");
	cr_assert_str_eq(event_text(e, "note"), "stuck");
	json_decref(e);
	assert_refused(lock(s1, 11, "deploy", .token = token), ESTALE, "taken away");
	assert_ok(unlock(token));
	(void)locked(lock(s2, 21, "deploy"));
	assert_sound(&f);
}

/* --- plain mutexes --- */

Test(rules_lock, of_a_name_that_is_no_task_is_a_mutex_while_it_is_held)
{
	int64_t token = locked(lock(s1, 11, "deploy"));
	json_t *e = fixture_event(&f, "lock");

	cr_assert_str_eq(event_text(e, "mutex"), "deploy");
	cr_assert_eq(event_int(e, "token"), token);
	cr_assert_eq(event_int(e, "pid"), 11);
	json_decref(e);
	cr_assert_eq(mutex_is(token), 1);
	assert_refused(lock(s2, 21, "deploy"), EWOULDBLOCK, "deploy is locked by session s1");
	fixture_pass(&f, 30 * DAY);
	cr_assert_eq(mutex_is(token), 1, "it does not expire");
	assert_ok(unlock(token));
	assert_reason("unlock", "closed");
	cr_assert_eq(mutex_is(token), 0);
	assert_ok(unlock(token));
	cr_assert_eq(fixture_count(&f, "unlock"), 1);
	assert_sound(&f);
}

Test(rules_lock, of_a_mutex_is_shared_by_who_shares_and_excludes_who_does_not)
{
	int64_t a = locked(lock(s1, 11, "m", .flags = CHANGE_SHARED)), b;

	b = locked(lock(0, 21, "m", .flags = CHANGE_SHARED));
	assert_refused(lock(s2, 12, "m"), EWOULDBLOCK, "locked");
	assert_ok(unlock(a));
	assert_refused(lock(s2, 12, "m"), EWOULDBLOCK, "locked");
	assert_ok(unlock(b));
	a = locked(lock(s2, 12, "m"));
	assert_refused(lock(s1, 11, "m", .flags = CHANGE_SHARED), EWOULDBLOCK, "locked");
	assert_ok(unlock(a));
	assert_sound(&f);
}

Test(rules_lock, of_a_mutex_whose_name_became_a_task_keeps_that_from_being_claimed)
{
	int64_t token = locked(lock(0, 11, "later"));

	(void)fixture_task(&f, "later", NULL);
	assert_refused(fixture_claim(&f, s1, "later"), EBUSY, "from before it was a task");
	assert_refused(lock(0, 21, "later"), EWOULDBLOCK, "from before it was a task");
	assert_ok(unlock(token));
	assert_ok(fixture_claim(&f, s1, "later"));
	assert_sound(&f);
}

/* --- the end of its session and of its process --- */

Test(rules_lock, ends_with_its_session)
{
	int64_t token = locked(lock(s1, 11, "T"));

	assert_ok(commit(&f, CHANGE_END, .as = s1, .thing = s1));
	assert_column(&f, "T", COLUMN_READY);
	assert_ok(unlock(token));
	assert_sound(&f);
}

Test(rules_lock, of_an_open_descriptor_outlives_the_process_that_asked)
{
	int64_t token = locked(lock(0, 11, "T")), m = locked(lock(0, 11, "deploy"));

	assert_ok(fixture_gone(&f, 11, START));
	cr_assert_eq(fixture_grant_now(&f, token).ended, 0, "a child has inherited it");
	cr_assert_eq(mutex_is(m), 1);
}

/* --- after a restart of the daemon --- */

Test(rules_lock, goes_on_as_a_whole_lease_after_a_restart)
{
	int64_t token = locked(lock(0, 11, "T")), m = locked(lock(0, 11, "deploy"));

	fixture_pass(&f, 3 * DAY);
	cr_assert_eq(fixture_restart(&f), 0);
	cr_assert_eq(fixture_grant_now(&f, token).lock, GRANT_LOCK_KEPT);
	cr_assert_eq(left(token), HOUR);
	cr_assert_eq(mutex_is(m), 1);
	fixture_exit(&f, 11); /* and nobody says so */
	fixture_pass(&f, HOUR);
	assert_column(&f, "T", COLUMN_CLAIMS);
	cr_assert_eq(mutex_is(m), 1);
	fixture_pass(&f, 1);
	assert_column(&f, "T", COLUMN_READY);
	assert_reason("lost", "expired");
	cr_assert_eq(mutex_is(m), 0);
	assert_reason("unlock", "expired");
	assert_sound(&f);
}

Test(rules_lock, that_a_restart_left_renews_itself_while_its_process_lives_up_to_lease_max)
{
	int64_t token = locked(lock(0, 11, "T")), m = locked(lock(0, 11, "deploy"));

	cr_assert_eq(fixture_restart(&f), 0);
	fixture_pass(&f, 8 * HOUR);
	assert_column(&f, "T", COLUMN_CLAIMS);
	cr_assert_eq(mutex_is(m), 1);
	cr_assert_eq(fixture_grant_now(&f, token).ended, 0);
	fixture_pass(&f, 1);
	assert_column(&f, "T", COLUMN_READY);
	cr_assert_eq(mutex_is(m), 0);
}

Test(rules_lock, that_a_restart_left_ends_at_once_with_its_process)
{
	(void)fixture_task(&f, "A", NULL);
	(void)fixture_task(&f, "B", NULL);
	(void)locked(lock(0, 11, "T"));
	(void)locked(lock(0, 11, "A"));
	(void)locked(lock(0, 21, "B"));
	(void)locked(lock(0, 11, "deploy"));
	cr_assert_eq(fixture_restart(&f), 0);
	assert_ok(fixture_gone(&f, 11, START));
	assert_column(&f, "T", COLUMN_READY);
	assert_column(&f, "A", COLUMN_READY);
	assert_column(&f, "B", COLUMN_CLAIMS);
	cr_assert_eq(fixture_count(&f, "lost"), 2);
	assert_reason("lost", "exited");
	assert_reason("unlock", "exited");
	assert_sound(&f);
}

Test(rules_lock, that_a_restart_left_is_its_processes_to_finish_still)
{
	(void)locked(lock(0, 11, "T"));
	cr_assert_eq(fixture_restart(&f), 0);
	assert_refused(commit(&f, CHANGE_FINISH, by(0, 21), .name = "T"), EPERM, "locked");
	assert_ok(commit(&f, CHANGE_FINISH, by(0, 12), .name = "T"));
	assert_column(&f, "T", COLUMN_DONE);
}

Test(rules_lock, of_another_boot_is_gone_as_its_process_is)
{
	char old[BOOT_ID_LEN];
	int64_t m;

	(void)locked(lock(0, 11, "T"));
	m = locked(lock(0, 11, "deploy"));
	memcpy(old, f.sim.boot_id, sizeof(old));
	fixture_stop(&f);
	f.sim.boot = 5 * SECOND;
	f.sim.boot_id[35] = '2';
	cr_assert_eq(fixture_start(&f), 0);
	assert_column(&f, "T", COLUMN_CLAIMS);
	assert_ok(commit(&f, CHANGE_EXIT, .member = 11, .member_start = START, .text = old));
	assert_column(&f, "T", COLUMN_READY);
	cr_assert_eq(mutex_is(m), 0);
	assert_sound(&f);
}

Test(rules_lock, an_operator_without_a_session_does_not_change_the_artifacts_of_a_lock_without_one)
{
	(void)locked(lock(0, 21, "T", .uid = FIXTURE_UID));
	assert_refused(fixture_set(&f, "T", "artifacts", "src/b"), EBUSY, "is held by session");
	cr_assert_str_eq(fixture_artifacts(&f, "T"), ":src/a");
	assert_sound(&f);
}
