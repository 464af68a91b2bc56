/* flock over the protocol: doors, locks that are parked, and how each ends. */
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backend/log.h"
#include "fs/handle.h"
#include "fs/node.h"
#include "tests/lib/check.h"
#include "tests/lib/disk.h"
#include "tests/lib/wire.h"

static struct wire w;
static int64_t s1, s2;
static uint64_t claims, claims1, claims2;

static void setup(void)
{
	wire_open(&w);
	s1 = fixture_session(&w.f, "s1");
	s2 = fixture_session(&w.f, "s2");
	claims = wire_walk(&w, "claims");
	claims1 = wire_walk(&w, "sessions/s1/claims");
	claims2 = wire_walk(&w, "sessions/s2/claims");
	(void)fixture_task(&w.f, "T", "src/a");
}

static void teardown(void)
{
	wire_close(&w);
}

TestSuite(lockfile, .init = setup, .fini = teardown);

#define assert_errno(call, e)                                                                 \
	do {                                                                                  \
		int is_ = (call);                                                             \
		cr_assert_eq(is_, -(e), "%s, not %s", is_ ? errno_text(is_) : "success", #e); \
	} while (0)

#define assert_says(path, words)                                                              \
	do {                                                                                  \
		const char *says_ = wire_cat(&w, (path));                                     \
		cr_assert_not_null(strstr(says_, (words)), "no \"%s\" in: %s", words, says_); \
	} while (0)

/* open(2) of flock(1): O_RDONLY | O_CREAT, looked up first. */
static struct opened door(uint64_t dir, const char *name)
{
	struct fuse_entry_out e;
	struct opened o;

	if (wire_lookup(&w, dir, name, &e) == 0)
		assert_errno(wire_openf(&w, e.nodeid, O_RDONLY, &o), 0);
	else
		assert_errno(wire_create(&w, dir, name, O_RDONLY, &o), 0);
	return o;
}

static struct opened locked(uint64_t dir, const char *name)
{
	struct opened o = door(dir, name);

	assert_errno(wire_flock(&w, &o, LOCK_EX), 0);
	return o;
}

/* close(2), and what comes of it. */
static int closes(const struct opened *o)
{
	int err = wire_release(&w, o);

	wire_decide(&w);
	return err;
}

static uint64_t parked(const struct opened *o, int how)
{
	uint64_t u = ask_flock(&w, o, how);

	wire_decide(&w);
	cr_assert_eq(wire_answered(&w, u, NULL), 0, "it does not wait");
	return u;
}

/* The error of a request that must have been answered by now. */
static int answered(uint64_t u)
{
	struct reply r;

	cr_assert(wire_answered(&w, u, &r), "not answered");
	reply_free(&r);
	return r.err;
}

static struct task task(void)
{
	return fixture_task_now(&w.f, "T");
}

/* --- doors --- */

Test(lockfile, opening_for_reading_never_claims)
{
	struct opened o = door(claims1, "T"), p = door(claims, "T");

	assert_column(&w.f, "T", COLUMN_READY);
	cr_assert_eq(fixture_count(&w.f, "claim"), 0);
	assert_errno(closes(&o), 0);
	assert_errno(closes(&p), 0);
	assert_errno(wire_create(&w, claims1, "T", O_RDONLY | O_EXCL, &o), 0);
	assert_column(&w.f, "T", COLUMN_CLAIMS);
	assert_errno(closes(&o), 0);
}

Test(lockfile, a_door_is_a_node_of_its_own_found_by_that_name_this_once)
{
	struct {
		struct fuse_entry_out entry;
		struct fuse_open_out open;
	} a;
	struct opened first, second;
	struct reply r;

	assert_errno(wire_answer(&w, ask_create(&w, claims, "T", O_RDONLY), &r), 0);
	cr_assert_eq(r.n, sizeof(a));
	memcpy(&a, r.data, sizeof(a));
	reply_free(&r);
	cr_assert_eq(a.entry.entry_valid, 0);
	cr_assert_eq(a.entry.entry_valid_nsec, 0);
	cr_assert_eq(a.entry.attr_valid, 0);
	cr_assert(a.open.open_flags & FOPEN_DIRECT_IO);
	cr_assert(S_ISREG(a.entry.attr.mode));
	first = (struct opened){ a.entry.nodeid, a.open.fh, 0 };
	assert_errno(wire_create(&w, claims, "T", O_RDONLY, &second), 0);
	cr_assert_neq(first.node, second.node);
	cr_assert_eq(wire_walk(&w, "claims/T"), 0, "it is not there for others");
	assert_errno(closes(&first), 0);
	assert_errno(closes(&second), 0);
}

Test(lockfile, a_door_can_be_looked_at_and_read_and_opened_again)
{
	struct opened o = door(claims, "T"), again;
	struct fuse_attr attr;
	struct reply r;

	assert_errno(wire_getattr(&w, o.node, &attr), 0);
	cr_assert_eq(attr.size, 0);
	cr_assert_eq(attr.mode & 0222, 0, "nobody writes it");
	assert_errno(wire_answer(&w, ask_read(&w, o.node, o.fh, 0, 100), &r), 0);
	cr_assert_eq(r.n, 0);
	reply_free(&r);
	assert_errno(wire_openf(&w, o.node, O_RDONLY, &again), 0);
	cr_assert_neq(again.fh, o.fh);
	assert_errno(wire_flock(&w, &again, LOCK_EX), 0);
	assert_errno(wire_flock(&w, &o, LOCK_EX | LOCK_NB), EWOULDBLOCK);
	assert_errno(closes(&again), 0);
	assert_errno(wire_flock(&w, &o, LOCK_EX | LOCK_NB), 0);
	assert_errno(closes(&o), 0);
}

Test(lockfile, a_closed_door_is_gone)
{
	struct opened o = door(claims, "T");

	assert_errno(closes(&o), 0);
	assert_errno(wire_getattr(&w, o.node, NULL), ESTALE);
	assert_errno(wire_openf(&w, o.node, O_RDONLY, NULL), ESTALE);
	assert_errno(wire_flock(&w, &o, LOCK_EX), ESTALE);
}

Test(lockfile, a_door_is_for_names_of_tasks)
{
	assert_errno(wire_create(&w, claims, ".T.swp", O_RDONLY, NULL), EINVAL);
	assert_errno(wire_create(&w, claims, "a b", O_RDONLY, NULL), EINVAL);
	assert_errno(wire_create(&w, wire_walk(&w, "ready"), "x", O_RDONLY, NULL), EPERM);
}

/* --- a task --- */

Test(lockfile, a_flock_is_the_claim_and_its_close_gives_it_back)
{
	struct opened o;

	w.who.pid = wire_process(&w, NULL);
	o = locked(claims1, "T");
	assert_column(&w.f, "T", COLUMN_CLAIMS);
	cr_assert_eq(fixture_grant_now(&w.f, task().token).session, s1);
	assert_says("claims/T", "session s1\n");
	assert_says("claims/T", "expires -\n");
	assert_says("claims/T", "lock flock by pid");
	assert_says("claims/T", "artifact src/a\n");
	assert_says("tasks/T/state", "claimed s1");
	assert_errno(closes(&o), 0);
	assert_column(&w.f, "T", COLUMN_READY);
	assert_sound(&w.f);
}

Test(lockfile, a_door_acts_as_the_session_whose_directory_it_is_in)
{
	struct opened a = locked(claims2, "T"), b = door(claims1, "T");
	uint64_t u = parked(&b, LOCK_EX);

	cr_assert_eq(fixture_grant_now(&w.f, task().token).session, s2);
	assert_errno(closes(&a), 0);
	assert_errno(answered(u), 0);
	cr_assert_eq(fixture_grant_now(&w.f, task().token).session, s1);
	assert_errno(closes(&b), 0);
}

Test(lockfile, a_door_of_another_uids_session_is_EPERM)
{
	w.who.uid = 4711;
	assert_errno(wire_create(&w, claims1, "T", O_RDONLY, NULL), EPERM);
	assert_column(&w.f, "T", COLUMN_READY);
}

Test(lockfile, who_has_no_session_locks_as_its_process)
{
	struct opened o;

	w.who.pid = wire_process(&w, NULL);
	o = locked(claims, "T");
	cr_assert_eq(fixture_grant_now(&w.f, task().token).session, 0);
	cr_assert_eq(fixture_grant_now(&w.f, task().token).pid, w.who.pid);
	assert_says("claims/T", "session -\n");
	assert_errno(closes(&o), 0);
}

Test(lockfile, of_two_descriptors_one_has_it)
{
	struct opened a = locked(claims1, "T"), b = door(claims1, "T");

	assert_errno(wire_flock(&w, &b, LOCK_EX | LOCK_NB), EWOULDBLOCK);
	assert_says("sessions/s1/why", "EAGAIN flock sessions/s1/claims/T");
	assert_errno(wire_flock(&w, &a, LOCK_UN), 0);
	assert_errno(wire_flock(&w, &b, LOCK_EX | LOCK_NB), 0);
	assert_errno(closes(&a), 0);
	assert_column(&w.f, "T", COLUMN_CLAIMS);
	assert_errno(closes(&b), 0);
	assert_column(&w.f, "T", COLUMN_READY);
}

Test(lockfile, refusals_are_as_the_rules_have_them)
{
	struct opened o = door(claims1, "T"), i;

	(void)fixture_idea(&w.f, "I", NULL);
	i = door(claims1, "I");
	assert_errno(wire_flock(&w, &i, LOCK_EX), ENOENT);
	assert_errno(wire_flock(&w, &o, LOCK_SH), EOPNOTSUPP);
	(void)fixture_hold(&w.f, s1, "T");
	assert_errno(wire_flock(&w, &o, LOCK_EX), EDEADLK);
	assert_says("sessions/s1/why", "not by flock");
	assert_ok(fixture_finish(&w.f, s1, "T"));
	assert_errno(wire_flock(&w, &o, LOCK_EX), EEXIST);
	assert_errno(closes(&o), 0);
	assert_errno(closes(&i), 0);
}

Test(lockfile, the_claim_of_another_opened_for_reading_is_a_lock_to_wait_for)
{
	struct opened o;
	uint64_t u;

	(void)fixture_hold(&w.f, s2, "T");
	o = door(claims, "T");
	cr_assert_eq(o.node, wire_walk(&w, "claims/T"));
	u = parked(&o, LOCK_EX);
	assert_ok(fixture_release(&w.f, s2, "T"));
	wire_decide(&w);
	assert_errno(answered(u), 0);
	cr_assert_eq(fixture_grant_now(&w.f, task().token).lock, GRANT_LOCK);
	assert_errno(closes(&o), 0);
	assert_column(&w.f, "T", COLUMN_READY);
}

Test(lockfile, other_files_are_EOPNOTSUPP)
{
	static const char *const paths[] = { "README", "ready/T",	  "tasks/T/title",
					     "events", "sessions/s1/why", "control/lease" };

	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		struct opened o;

		assert_errno(wire_openf(&w, wire_walk(&w, paths[i]), O_RDONLY, &o), 0);
		assert_errno(wire_flock(&w, &o, LOCK_EX | LOCK_NB), EOPNOTSUPP);
		assert_errno(wire_flock(&w, &o, LOCK_SH), EOPNOTSUPP);
		assert_errno(wire_flock(&w, &o, LOCK_UN), 0);
		assert_errno(closes(&o), 0);
	}
}

Test(lockfile, what_a_broken_lock_was_on_is_ESTALE_until_it_is_let_go)
{
	struct opened o = locked(claims1, "T");
	char text[64];

	(void)snprintf(text, sizeof(text), "T %lld stuck\n", (long long)task().token);
	assert_ok(commit(&w.f, CHANGE_BREAK, .operator_ = 1, .text = text, .n = strlen(text) - 1));
	assert_column(&w.f, "T", COLUMN_READY);
	assert_errno(wire_flock(&w, &o, LOCK_EX), ESTALE);
	assert_errno(wire_flock(&w, &o, LOCK_EX | LOCK_NB), ESTALE);
	assert_errno(closes(&o), 0);
	cr_assert_eq(fixture_count(&w.f, "release"), 0);
	assert_sound(&w.f);
}

/* --- waiting --- */

Test(lockfile, who_waits_is_answered_when_it_is_its_turn)
{
	struct opened o[3] = { locked(claims, "T"), door(claims, "T"), door(claims, "T") };
	uint64_t u1 = parked(&o[1], LOCK_EX), u2 = parked(&o[2], LOCK_EX);

	assert_errno(closes(&o[0]), 0);
	assert_errno(answered(u1), 0);
	cr_assert_eq(wire_answered(&w, u2, NULL), 0);
	assert_errno(closes(&o[1]), 0);
	assert_errno(answered(u2), 0);
	assert_errno(closes(&o[2]), 0);
	assert_column(&w.f, "T", COLUMN_READY);
	cr_assert_eq(wire_unclaimed(&w), 0);
	assert_sound(&w.f);
}

Test(lockfile, who_waits_keeps_nobody_else_from_anything)
{
	struct opened o[40];
	uint64_t u[40];

	o[0] = locked(claims, "T");
	for (int i = 1; i < 40; i++) {
		o[i] = door(claims, "T");
		u[i] = parked(&o[i], LOCK_EX);
	}
	assert_says("README", "flock");
	cr_assert_eq(wire_mkdir(&w, wire_walk(&w, "sessions"), "s9"), 0);
	for (int i = 1; i < 40; i++) {
		assert_errno(closes(&o[i - 1]), 0);
		assert_errno(answered(u[i]), 0);
	}
	assert_errno(closes(&o[39]), 0);
}

Test(lockfile, who_is_interrupted_waits_no_more)
{
	struct opened a = locked(claims, "T"), b = door(claims, "T"), c = door(claims, "T");
	uint64_t ub = parked(&b, LOCK_EX), uc = parked(&c, LOCK_EX);

	(void)ask_interrupt(&w, ub);
	wire_decide(&w);
	assert_errno(answered(ub), EINTR);
	cr_assert_eq(wire_answered(&w, uc, NULL), 0);
	assert_says("claims/T", "waiters 1\n");
	assert_errno(closes(&a), 0);
	assert_errno(answered(uc), 0);
	assert_errno(closes(&b), 0);
	assert_errno(closes(&c), 0);
	assert_column(&w.f, "T", COLUMN_READY);
}

Test(lockfile, an_interrupt_that_comes_too_late_takes_nothing_back)
{
	struct opened a = locked(claims, "T"), b = door(claims, "T");
	uint64_t u = parked(&b, LOCK_EX);

	assert_errno(closes(&a), 0);
	(void)ask_interrupt(&w, u);
	wire_decide(&w);
	assert_errno(answered(u), 0);
	assert_column(&w.f, "T", COLUMN_CLAIMS);
	assert_errno(closes(&b), 0);
	assert_column(&w.f, "T", COLUMN_READY);
}

Test(lockfile, a_lock_that_is_granted_to_a_closed_file_is_given_back)
{
	struct opened a = locked(claims, "T"), b = door(claims, "T"), c = door(claims, "T");
	uint64_t ub = parked(&b, LOCK_EX), uc = parked(&c, LOCK_EX);

	assert_errno(closes(&b), 0);
	assert_errno(closes(&a), 0);
	wire_decide(&w);
	(void)answered(ub);
	assert_errno(answered(uc), 0);
	assert_errno(closes(&c), 0);
	assert_column(&w.f, "T", COLUMN_READY);
	assert_sound(&w.f);
}

Test(lockfile, who_waits_for_what_is_finished_or_cancelled_is_told)
{
	struct opened a, b, c;
	uint64_t ub, uc;

	(void)fixture_task(&w.f, "U", "src");
	(void)fixture_hold(&w.f, s2, "T");
	a = door(claims1, "T");
	b = door(claims1, "T");
	c = door(claims1, "U");
	ub = parked(&b, LOCK_EX);
	uc = parked(&c, LOCK_EX);
	assert_ok(commit(&w.f, CHANGE_CANCEL, .name = "U", .owner = 1));
	wire_decide(&w);
	assert_errno(answered(uc), ENOENT);
	assert_ok(fixture_finish(&w.f, s2, "T"));
	wire_decide(&w);
	assert_errno(answered(ub), EEXIST);
	assert_says("sessions/s1/why", "EEXIST flock");
	assert_errno(closes(&a), 0);
	assert_errno(closes(&b), 0);
	assert_errno(closes(&c), 0);
}

Test(lockfile, a_claim_names_its_first_waiters_and_its_size_is_true)
{
	struct opened a = locked(claims1, "T"), o[20];
	struct fuse_attr attr;
	const char *text, *p;
	int named = 0;

	assert_says("claims/T", "waiters 0\n");
	for (int i = 0; i < 20; i++) {
		o[i] = door(i % 2 ? claims2 : claims, "T");
		(void)parked(&o[i], LOCK_EX);
		assert_errno(wire_getattr(&w, wire_walk(&w, "claims/T"), &attr), 0);
		cr_assert_eq(attr.size, strlen(wire_cat(&w, "claims/T")));
	}
	text = wire_cat(&w, "claims/T");
	cr_assert_not_null(strstr(text, "\nwaiters 20\nwaiter - pid 0 since "), "%s", text);
	cr_assert_not_null(strstr(text, "\nwaiter s2 pid 0 since "), "%s", text);
	for (p = text; (p = strstr(p, "\nwaiter ")); p++)
		named++;
	cr_assert_eq(named, 16);
	cr_assert_str_eq(text + strlen(text) - 15, "artifact src/a\n");
	(void)a;
}

Test(lockfile, waiters_of_what_overlaps_are_named_with_what_they_want)
{
	struct opened a = locked(claims1, "T"), b;

	(void)fixture_task(&w.f, "U", "src");
	b = door(claims2, "U");
	(void)parked(&b, LOCK_EX);
	assert_says("claims/T", "waiters 1\nwaiter s2 pid 0 since ");
	assert_says("claims/T", "for U\n");
	assert_says("blocked/U", "overlaps src/a of T");
	(void)a;
}

/* --- the order of things --- */

Test(lockfile, what_is_asked_after_a_close_sees_the_lock_gone)
{
	struct opened a = locked(claims, "T");
	struct reply r;
	uint64_t closed = ask_release(&w, &a), look;

	cr_assert(ll_pauses(w.ll));
	look = ask_lookup(&w, wire_walk(&w, "ready"), "T");
	cr_assert_eq(answered(closed), 0, "the close itself waits for nothing");
	wire_decide(&w);
	cr_assert(!ll_pauses(w.ll));
	cr_assert(wire_answered(&w, look, &r));
	cr_assert_eq(r.err, 0, "it is ready: %s", errno_text(r.err));
	reply_free(&r);
}

Test(lockfile, whoever_asks_at_once_after_a_close_gets_it)
{
	struct opened a = locked(claims, "T"), b = door(claims, "T");

	(void)ask_release(&w, &a);
	assert_errno(wire_answer(&w, ask_flock(&w, &b, LOCK_EX | LOCK_NB), NULL), 0);
	assert_errno(closes(&b), 0);
}

Test(lockfile, unlocked_twice_is_once_and_never_locked_is_nothing)
{
	struct opened a = locked(claims, "T"), b = door(claims, "T");
	int64_t seq;

	assert_errno(wire_flock(&w, &b, LOCK_UN), 0);
	assert_column(&w.f, "T", COLUMN_CLAIMS);
	assert_errno(wire_flock(&w, &a, LOCK_UN), 0);
	seq = store_seq(w.f.store);
	assert_errno(wire_flock(&w, &a, LOCK_UN), 0);
	assert_errno(closes(&a), 0);
	assert_errno(closes(&b), 0);
	cr_assert_eq(store_seq(w.f.store), seq);
	cr_assert_eq(fixture_count(&w.f, "release"), 1);
}

Test(lockfile, locked_again_is_the_same_lock)
{
	struct opened a = locked(claims, "T");
	int64_t token = task().token;

	assert_errno(wire_flock(&w, &a, LOCK_EX), 0);
	assert_errno(wire_flock(&w, &a, LOCK_EX | LOCK_NB), 0);
	cr_assert_eq(task().token, token);
	assert_errno(wire_flock(&w, &a, LOCK_UN), 0);
	assert_errno(wire_flock(&w, &a, LOCK_EX), 0);
	cr_assert_gt(task().token, token);
	assert_errno(closes(&a), 0);
	assert_column(&w.f, "T", COLUMN_READY);
}

/* Threads, and children with an inherited descriptor, lock the same open file. */
Test(lockfile, who_asks_through_one_open_file_at_once_has_it_together)
{
	struct opened a = locked(claims, "T"), b = door(claims, "T"), c = door(claims, "T");
	uint64_t u1 = parked(&b, LOCK_EX), u2 = parked(&b, LOCK_EX), u3 = parked(&b, LOCK_EX),
		 uc = parked(&c, LOCK_EX);
	int64_t token;

	(void)ask_interrupt(&w, u3);
	assert_errno(closes(&a), 0);
	wire_decide(&w);
	assert_errno(answered(u1), 0);
	assert_errno(answered(u2), 0);
	assert_errno(answered(u3), EINTR);
	token = task().token;
	cr_assert_eq(wire_answered(&w, uc, NULL), 0);
	assert_errno(wire_flock(&w, &b, LOCK_EX), 0);
	cr_assert_eq(task().token, token);
	assert_errno(closes(&b), 0);
	assert_errno(answered(uc), 0);
	assert_errno(closes(&c), 0);
	assert_column(&w.f, "T", COLUMN_READY);
	assert_sound(&w.f);
}

Test(lockfile, who_shares_twice_at_once_through_one_open_file_lets_go_of_all)
{
	struct opened a = door(claims, "m"), b = door(claims, "m");
	uint64_t u1 = ask_flock(&w, &a, LOCK_SH), u2 = ask_flock(&w, &a, LOCK_SH),
		 u3 = ask_flock(&w, &a, LOCK_SH | LOCK_NB);

	wire_decide(&w);
	assert_errno(answered(u1), 0);
	assert_errno(answered(u2), 0);
	assert_errno(answered(u3), 0);
	assert_errno(closes(&a), 0);
	assert_errno(wire_flock(&w, &b, LOCK_EX | LOCK_NB), 0);
	assert_errno(closes(&b), 0);
	cr_assert_eq(wire_walk(&w, "claims/m"), 0);
	assert_sound(&w.f);
}

Test(lockfile, one_open_file_locked_in_two_ways_at_once_ends_in_one_of_them)
{
	struct opened a = locked(claims, "m"), b = door(claims, "m"), c = door(claims, "m");
	uint64_t u1 = parked(&b, LOCK_SH), u2 = parked(&b, LOCK_EX);

	assert_errno(closes(&a), 0);
	wire_decide(&w);
	assert_errno(answered(u1), 0);
	assert_errno(answered(u2), 0);
	assert_says("claims/m", "mode exclusive\n");
	assert_errno(closes(&b), 0);
	assert_errno(wire_flock(&w, &c, LOCK_EX | LOCK_NB), 0);
	assert_errno(closes(&c), 0);
	cr_assert_eq(wire_walk(&w, "claims/m"), 0);
	assert_sound(&w.f);
}

/* --- mutexes --- */

static int listed(const char *name)
{
	static struct entry e[64];
	int n = wire_list(&w, claims, 0, 65536, 1, e, 64);

	for (int i = 0; i < n; i++)
		if (strcmp(e[i].name, name) == 0)
			return 1;
	return 0;
}

Test(lockfile, a_mutex_is_in_claims_while_it_is_held)
{
	struct opened o = door(claims1, "deploy");
	struct fuse_attr attr;
	uint64_t node;

	cr_assert(!listed("deploy"));
	assert_errno(wire_flock(&w, &o, LOCK_EX), 0);
	cr_assert(listed("deploy"));
	node = wire_walk(&w, "claims/deploy");
	assert_errno(wire_getattr(&w, node, &attr), 0);
	cr_assert_eq(attr.size, strlen(wire_cat(&w, "claims/deploy")));
	cr_assert_eq(attr.mode & 0222, 0);
	assert_says("claims/deploy", "mutex deploy\nmode exclusive\nholder s1 pid 0 token ");
	assert_says("claims/deploy", "waiters 0\n");
	cr_assert_eq(wire_walk(&w, "tasks/deploy"), 0);
	assert_errno(closes(&o), 0);
	cr_assert(!listed("deploy"));
	cr_assert_eq(wire_walk(&w, "claims/deploy"), 0);
	assert_errno(wire_getattr(&w, node, NULL), ESTALE);
	assert_sound(&w.f);
}

Test(lockfile, a_mutex_is_neither_written_touched_moved_nor_removed)
{
	struct opened o = locked(claims1, "deploy");
	uint64_t node = wire_walk(&w, "claims/deploy");

	cr_assert_neq(wire_openf(&w, node, O_WRONLY, NULL), 0);
	cr_assert_neq(wire_touch(&w, node), 0);
	cr_assert_neq(wire_unlink(&w, claims, "deploy"), 0);
	cr_assert_neq(wire_rename(&w, claims, "deploy", wire_walk(&w, "done")), 0);
	cr_assert_neq(wire_touch1(&w, "sessions/s2/claims", "deploy"), 0);
	assert_says("claims/deploy", "holder s1");
	assert_errno(closes(&o), 0);
}

Test(lockfile, a_mutex_opened_by_its_file_is_waited_for_by_its_name)
{
	struct opened a = locked(claims, "m"), b = door(claims, "m"), c = door(claims, "m");
	uint64_t ub = parked(&b, LOCK_EX), uc;

	cr_assert_eq(b.node, wire_walk(&w, "claims/m"));
	uc = parked(&c, LOCK_EX);
	assert_says("claims/m", "waiters 2\n");
	assert_errno(closes(&a), 0);
	assert_errno(answered(ub), 0);
	assert_errno(closes(&b), 0);
	assert_errno(answered(uc), 0);
	assert_errno(closes(&c), 0);
	cr_assert_eq(wire_walk(&w, "claims/m"), 0);
}

Test(lockfile, shared_becomes_exclusive_when_the_others_let_go)
{
	struct opened a = door(claims, "m"), b = door(claims, "m");
	uint64_t u;

	assert_errno(wire_flock(&w, &a, LOCK_SH), 0);
	assert_errno(wire_flock(&w, &b, LOCK_SH), 0);
	assert_says("claims/m", "mode shared\n");
	u = parked(&a, LOCK_EX);
	assert_errno(closes(&b), 0);
	assert_errno(answered(u), 0);
	assert_says("claims/m", "mode exclusive\n");
	b = door(claims, "m");
	assert_errno(wire_flock(&w, &b, LOCK_SH | LOCK_NB), EWOULDBLOCK);
	assert_errno(wire_flock(&w, &a, LOCK_SH), 0);
	assert_errno(wire_flock(&w, &b, LOCK_SH | LOCK_NB), 0);
	assert_errno(closes(&a), 0);
	assert_errno(closes(&b), 0);
	cr_assert_eq(fixture_count(&w.f, "lock"), fixture_count(&w.f, "unlock"));
	assert_sound(&w.f);
}

Test(lockfile, two_that_share_and_want_it_alone_get_it_one_after_the_other)
{
	struct opened a = door(claims, "m"), b = door(claims, "m");
	uint64_t ua, ub;

	assert_errno(wire_flock(&w, &a, LOCK_SH), 0);
	assert_errno(wire_flock(&w, &b, LOCK_SH), 0);
	ua = parked(&a, LOCK_EX);
	ub = ask_flock(&w, &b, LOCK_EX); /* which lets go of what A waits for */
	wire_decide(&w);
	assert_errno(answered(ua), 0);
	cr_assert_eq(wire_answered(&w, ub, NULL), 0);
	assert_errno(closes(&a), 0);
	assert_errno(answered(ub), 0);
	assert_errno(closes(&b), 0);
}

Test(lockfile, a_conversion_that_would_wait_loses_the_lock_as_flock_does)
{
	struct opened a = door(claims, "m"), b = door(claims, "m");

	assert_errno(wire_flock(&w, &a, LOCK_SH), 0);
	assert_errno(wire_flock(&w, &b, LOCK_SH), 0);
	assert_errno(wire_flock(&w, &a, LOCK_EX | LOCK_NB), EWOULDBLOCK);
	assert_errno(wire_flock(&w, &b, LOCK_EX | LOCK_NB), 0);
	assert_errno(closes(&a), 0);
	assert_says("claims/m", "mode exclusive\n");
	assert_errno(closes(&b), 0);
}

/* The kernel looks a name up, and opens what it found: it may have gone between. */
Test(lockfile, what_is_gone_when_it_is_opened_twice_is_opened_to_be_locked)
{
	uint64_t first, second;
	struct opened a = locked(claims, "m"), b, o;
	struct reply r;

	first = wire_walk(&w, "claims/m");
	assert_errno(closes(&a), 0);
	b = locked(claims, "m");
	second = wire_walk(&w, "claims/m");
	assert_errno(closes(&b), 0);
	w.who.pid = wire_process(&w, NULL);
	assert_errno(wire_openf(&w, first, O_RDONLY, &o), ESTALE);
	assert_errno(wire_openf(&w, second, O_RDONLY, &o), 0);
	assert_errno(wire_answer(&w, ask_read(&w, o.node, o.fh, 0, 100), &r), ESTALE);
	reply_free(&r);
	assert_errno(wire_flock(&w, &o, LOCK_EX), 0);
	assert_says("claims/m", "mutex m\n");
	assert_errno(closes(&o), 0);
	cr_assert_eq(wire_walk(&w, "claims/m"), 0);
}

/* It asks for the attributes before, to look at the mode. */
Test(lockfile, what_is_gone_twice_has_attributes_to_be_opened_by)
{
	uint64_t nodes[3];
	struct fuse_attr attr;
	struct opened o;

	for (int i = 0; i < 3; i++) {
		o = locked(claims, "m");
		nodes[i] = wire_walk(&w, "claims/m");
		assert_errno(closes(&o), 0);
	}
	w.who.pid = wire_process(&w, NULL);
	assert_errno(wire_getattr(&w, nodes[0], NULL), ESTALE);
	assert_errno(wire_getattr(&w, nodes[1], &attr), 0);
	cr_assert(S_ISREG(attr.mode));
	cr_assert_eq(attr.mode & 0444, 0444);
	assert_errno(wire_openf(&w, nodes[1], O_RDONLY, &o), 0);
	assert_errno(wire_flock(&w, &o, LOCK_EX), 0);
	assert_errno(closes(&o), 0);
	assert_errno(wire_getattr(&w, nodes[2], NULL), ESTALE);
}

/* --- ends --- */

Test(lockfile, what_is_parked_at_the_end_of_the_mount_is_answered)
{
	struct opened a = locked(claims, "T"), b = door(claims, "T"), m = locked(claims, "m"),
		      n = door(claims, "m");

	(void)parked(&b, LOCK_EX);
	(void)parked(&n, LOCK_EX);
	(void)ask_flock(&w, &n, LOCK_SH); /* the writer has not seen it */
	(void)a;
	(void)m; /* the rest is teardown's, and a sanitizer's */
}

Test(lockfile, a_restart_leaves_the_lock_and_forgets_the_descriptor)
{
	struct opened a, b;
	pid_t pid = wire_process(&w, NULL);

	w.who.pid = pid;
	a = locked(claims, "T");
	b = locked(claims, "m");
	wire_restart(&w);
	assert_says("claims/T", "lock flock by pid");
	assert_says("claims/m", "holder - pid");
	cr_assert_null(strstr(wire_cat(&w, "claims/T"), "expires -\n"), "it has a lease now");
	assert_errno(wire_flock(&w, &a, LOCK_EX), ESTALE);
	assert_errno(wire_flock(&w, &b, LOCK_UN), 0);
	assert_errno(closes(&a), 0);
	assert_column(&w.f, "T", COLUMN_CLAIMS);
	fixture_pass(&w.f, HOUR + 1); /* nobody lives in this world */
	assert_column(&w.f, "T", COLUMN_READY);
	cr_assert_eq(wire_walk(&w, "claims/m"), 0);
	assert_sound(&w.f);
}

Test(lockfile, on_a_full_disk_a_close_keeps_nobody_from_reading_and_is_made_up_for)
{
	struct opened a, b;
	uint64_t u;

	wire_down(&w);
	w.f.sim.world.vfs = disk_vfs();
	cr_assert_eq(wire_up(&w), 0);
	log_level(LOG_EMERG);
	claims = wire_walk(&w, "claims");
	a = locked(claims, "m");
	b = door(claims, "m");
	u = parked(&b, LOCK_EX);
	disk_fail(DISK_FULL, 1, INT64_MAX / 2);
	assert_errno(closes(&a), 0);
	wire_decide(&w);
	cr_assert(!ll_pauses(w.ll));
	assert_says("README", "claims");
	assert_says("claims/m", "mode exclusive");
	cr_assert_eq(wire_answered(&w, u, NULL), 0);
	disk_fail(DISK_NONE, 0, 0);
	wire_decide(&w);
	assert_errno(answered(u), 0);
	assert_errno(closes(&b), 0);
	cr_assert_eq(wire_walk(&w, "claims/m"), 0);
}
