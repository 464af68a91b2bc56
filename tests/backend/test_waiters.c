/* Who waits, and that each is served once, in its turn, in the transaction that freed what it wants. */
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>

#include "backend/log.h"
#include "backend/store_impl.h"
#include "backend/tx.h"
#include "backend/waiters.h"
#include "tests/lib/alloc.h"
#include "tests/lib/check.h"
#include "tests/lib/disk.h"

/* --- the lines by themselves --- */

static struct waiters l;
static struct change *given[16];
static int n_given;

static void give(struct change *c, void *arg)
{
	(void)arg;
	given[n_given++] = c;
}

static struct change *asks(const char *name)
{
	struct change *c = change_new(CHANGE_LOCK);

	(void)snprintf(c->name, sizeof(c->name), "%s", name);
	return c;
}

/* Waits for BLOCKER since an earlier batch. */
static struct change *waits(const char *name, int64_t blocker, int64_t task)
{
	struct change *c = asks(name);

	cr_assert_eq(waiters_join(&l, c, blocker, task), 0);
	waiters_commit(&l, give, NULL);
	return c;
}

static void stir(int64_t id)
{
	struct stir s = { .ids = { id }, .n = 1 };

	waiters_stir(&l, &s);
	cr_assert_eq(s.n, 0);
}

static void empty(void)
{
	n_given = 0;
	waiters_sweep(&l, 1, give, NULL);
	for (int i = 0; i < n_given; i++)
		change_free(given[i]);
	n_given = 0;
	cr_assert_null(l.all);
}

TestSuite(waiters, .fini = empty);

Test(waiters, of_a_name_are_tried_in_order_of_arrival)
{
	struct change *a = waits("T", 5, 1), *b = waits("T", 5, 1), *c = waits("T", 5, 1);

	cr_assert_null(waiters_next(&l), "nothing was let go");
	stir(5);
	cr_assert_eq(waiters_next(&l), a);
	cr_assert_eq(waiters_next(&l), a, "until it is decided");
	waiters_serve(&l, a);
	cr_assert_eq(waiters_next(&l), b);
	waiters_wait(&l, b, a->arrival + 100);
	cr_assert_null(waiters_next(&l), "all of a line want the same");
	cr_assert_eq(c->blocker, a->arrival + 100);
	waiters_commit(&l, give, NULL);
	cr_assert_eq(n_given, 1);
	cr_assert_eq(given[0], a);
	change_free(a);
}

Test(waiters, of_several_names_are_tried_in_order_of_arrival_too)
{
	struct change *x1 = waits("X", 5, 0), *y1 = waits("Y", 5, 0), *x2 = waits("X", 5, 0);

	stir(5);
	cr_assert_eq(waiters_next(&l), x1);
	waiters_serve(&l, x1);
	cr_assert_eq(waiters_next(&l), y1);
	waiters_serve(&l, y1);
	cr_assert_eq(waiters_next(&l), x2);
	waiters_serve(&l, x2);
	cr_assert_null(waiters_next(&l));
	cr_assert_eq(waiters_due(&l), 0);
	waiters_commit(&l, give, NULL);
	cr_assert_eq(n_given, 3);
	for (int i = 0; i < 3; i++)
		change_free(given[i]);
	cr_assert_null(l.all, "an empty line is none");
}

Test(waiters, are_stirred_by_their_blocker_or_their_task_and_by_nothing_else)
{
	struct change *a = waits("A", 5, 50), *b = waits("B", 6, 60);

	stir(7);
	stir(0);
	cr_assert_null(waiters_next(&l));
	stir(60);
	cr_assert_eq(waiters_next(&l), b);
	waiters_wait(&l, b, 9);
	stir(6);
	cr_assert_null(waiters_next(&l), "it waits for another now");
	stir(5);
	cr_assert_eq(waiters_next(&l), a);
}

Test(waiters, are_all_stirred_by_more_than_is_listed)
{
	struct stir s = { .n = STIR_MAX + 1 };
	struct change *a = waits("A", 5, 0);

	(void)waits("B", 6, 0);
	waiters_stir(&l, &s);
	cr_assert_eq(s.n, 0);
	cr_assert_eq(waiters_next(&l), a);
	waiters_wait(&l, a, 5);
	cr_assert_not_null(waiters_next(&l));
}

Test(waiters, are_counted_by_uid_and_found_by_name)
{
	waits("A", 5, 0)->actor.uid = 1;
	waits("A", 5, 0)->actor.uid = 1;
	waits("B", 5, 0)->actor.uid = 2;
	cr_assert_eq(waiters_count(&l, 1), 2);
	cr_assert_eq(waiters_count(&l, 2), 1);
	cr_assert_eq(waiters_count(&l, 3), 0);
	cr_assert(waiters_has(&l, "A"));
	cr_assert(!waiters_has(&l, "a"));
}

Test(waiters, who_were_served_wait_no_more)
{
	struct change *a = waits("A", 5, 0);

	waiters_serve(&l, a);
	cr_assert(!waiters_has(&l, "A"));
	cr_assert_eq(waiters_count(&l, 0), 0);
	waiters_rollback(&l);
	cr_assert(waiters_has(&l, "A"));
	cr_assert_eq(waiters_count(&l, 0), 1);
}

Test(waiters, of_a_batch_that_is_undone_are_as_before_it)
{
	struct change *a = waits("A", 5, 0), *b = asks("A"), *c = asks("C");

	stir(5);
	waiters_serve(&l, a);
	cr_assert_eq(waiters_join(&l, b, 99, 0), 0);
	cr_assert_eq(waiters_join(&l, c, 99, 0), 0);
	waiters_rollback(&l);
	cr_assert_eq(l.touched, 0);
	cr_assert(waiters_has(&l, "A"));
	cr_assert(!waiters_has(&l, "C"));
	cr_assert_eq(b->joined, 0);
	cr_assert_eq(b->blocker, 0);
	cr_assert_eq(waiters_due(&l), 1, "what was learnt in it is void");
	cr_assert_eq(waiters_next(&l), a);
	waiters_serve(&l, a);
	waiters_commit(&l, give, NULL);
	cr_assert_eq(n_given, 1);
	for (int i = 0; i < n_given; i++)
		change_free(given[i]);
	change_free(b);
	change_free(c);
}

Test(waiters, whose_blocker_was_of_a_batch_that_is_undone_are_tried_again)
{
	struct change *a = waits("A", 5, 0);

	stir(5);
	cr_assert_eq(waiters_next(&l), a);
	waiters_wait(&l, a, 99);
	waiters_rollback(&l);
	cr_assert_eq(waiters_next(&l), a, "there is no 99");
}

Test(waiters, who_joined_and_were_served_in_one_batch_are_not_given_twice)
{
	struct change *a = asks("A");

	cr_assert_eq(waiters_join(&l, a, 5, 0), 0);
	stir(5);
	cr_assert_eq(waiters_next(&l), a);
	waiters_serve(&l, a);
	waiters_commit(&l, give, NULL);
	cr_assert_eq(n_given, 0, "who asked has it already");
	cr_assert_null(l.all);
	change_free(a);
}

Test(waiters, that_gave_up_are_taken_out_and_the_next_is_tried)
{
	struct change *a = waits("A", 5, 0), *b = waits("A", 5, 0), *c = waits("A", 5, 0);

	a->cancelled = 1;
	waiters_sweep(&l, 0, give, NULL);
	cr_assert_eq(n_given, 1);
	cr_assert_eq(given[0], a);
	cr_assert_eq(waiters_next(&l), b);
	waiters_wait(&l, b, 5);
	c->cancelled = 1;
	waiters_sweep(&l, 0, give, NULL);
	cr_assert_eq(n_given, 2);
	cr_assert_eq(given[1], c);
	cr_assert_eq(waiters_count(&l, 0), 1);
	change_free(a);
	change_free(c);
}

/* --- through the writer --- */

static struct fixture f;
static int64_t s1, s2;

static void setup(void)
{
	fixture_open(&f);
	s1 = fixture_session(&f, "s1");
	s2 = fixture_session(&f, "s2");
	(void)fixture_task(&f, "T", "src/a");
	(void)fixture_task(&f, "U", "src");
}

static void teardown(void)
{
	fixture_close(&f);
}

TestSuite(writer_waiters, .init = setup, .fini = teardown);

#define asked(process, what, ...)                                                      \
	queue(&f, CHANGE_LOCK, .flags = CHANGE_WAIT, .pid = (process), .pid_start = 1, \
	      .name = (what), __VA_ARGS__)

#define shares(process, what)                                                          \
	queue(&f, CHANGE_LOCK, .flags = CHANGE_WAIT | CHANGE_SHARED, .pid = (process), \
	      .pid_start = 1, .name = (what))

static int is_waiting(const struct change *c)
{
	return !c->arg && c->blocker;
}

#define assert_waits(c) \
	cr_assert(is_waiting(c), "it does not wait: %s", errno_text((c)->result.err))

static struct change *in_line(struct change *c)
{
	(void)fixture_run(&f);
	assert_waits(c);
	return c;
}

static int64_t served(struct change *c)
{
	struct outcome o;

	cr_assert_eq(is_waiting(c), 0, "it still waits");
	o = fixture_take(c);
	assert_ok(o);
	return o.id;
}

static struct outcome unlock(int64_t token)
{
	return commit(&f, CHANGE_UNLOCK, .token = token);
}

static int64_t locked(int32_t pid, const char *name)
{
	struct outcome o = commit(&f, CHANGE_LOCK, .pid = pid, .pid_start = 1, .name = name);

	assert_ok(o);
	return o.id;
}

/* Who waits at the end of a test is turned away, as at the end of a mount. */
static void turn_away(struct change *c)
{
	assert_waits(c);
	writer_turn_away(f.store);
	(void)store_collect(f.store);
	cr_assert_eq(fixture_take(c).err, -ENOTCONN);
}

Test(writer_waiters, is_served_in_the_transaction_that_let_go)
{
	struct change *c;
	int64_t token;

	(void)fixture_hold(&f, s1, "T");
	c = in_line(asked(11, "T"));
	cr_assert_eq(c->blocker, fixture_task_now(&f, "T").token);
	assert_ok(fixture_release(&f, s1, "T"));
	token = served(c);
	cr_assert_eq(token, fixture_seq(&f, "release") + 1, "nothing comes between");
	cr_assert_eq(fixture_task_now(&f, "T").token, token);
	assert_sound(&f);
}

Test(writer_waiters, are_served_in_order_of_arrival)
{
	int64_t token = fixture_hold(&f, s1, "T"), next;
	struct change *c[4];

	for (int i = 0; i < 4; i++)
		c[i] = in_line(asked(11 + i, "T"));
	assert_ok(fixture_release(&f, s1, "T"));
	for (int i = 0; i < 4; i++) {
		for (int k = i + 1; k < 4; k++)
			assert_waits(c[k]);
		next = served(c[i]);
		cr_assert_gt(next, token);
		token = next;
		assert_ok(unlock(token));
	}
	assert_column(&f, "T", COLUMN_READY);
	assert_sound(&f);
}

Test(writer_waiters, of_one_batch_are_served_in_order_of_arrival)
{
	struct change *c[3];
	int64_t token;

	for (int i = 0; i < 3; i++)
		c[i] = asked(11 + i, "m");
	cr_assert_eq(fixture_run(&f), 1);
	token = served(c[0]);
	assert_waits(c[1]);
	assert_waits(c[2]);
	assert_ok(unlock(token));
	token = served(c[1]);
	assert_ok(unlock(token));
	assert_ok(unlock(served(c[2])));
}

Test(writer_waiters, come_before_who_asks_later_in_the_same_batch)
{
	struct change *c, *gone, *claim, *late;
	int64_t token;

	(void)fixture_hold(&f, s1, "T");
	c = in_line(asked(11, "T"));
	gone = queue(&f, CHANGE_RELEASE, .as = s1, .name = "T");
	claim = queue(&f, CHANGE_CLAIM, .as = s2, .name = "T");
	late = asked(12, "T");
	(void)fixture_run(&f);
	assert_ok(fixture_take(gone));
	token = served(c);
	cr_assert_eq(token, fixture_seq(&f, "release") + 1);
	assert_refused(fixture_take(claim), EBUSY, "locked");
	assert_waits(late);
	assert_ok(unlock(token));
	assert_ok(unlock(served(late)));
}

Test(writer_waiters, come_before_who_asks_when_a_lease_has_run_out)
{
	struct change *c, *claim;

	assert_ok(fixture_set(&f, "T", "ttl", "5m"));
	(void)fixture_hold(&f, s1, "T");
	c = in_line(asked(11, "T"));
	f.sim.boot += 5 * MINUTE + 1; /* and no tick */
	claim = queue(&f, CHANGE_CLAIM, .as = s2, .name = "T");
	(void)fixture_run(&f);
	cr_assert_eq(fixture_seq(&f, "claim"), fixture_seq(&f, "lost") + 1);
	assert_ok(unlock(served(c)));
	assert_refused(fixture_take(claim), EBUSY, "locked");
}

Test(writer_waiters, are_served_when_a_lease_ends_by_itself)
{
	struct change *c;

	(void)fixture_hold(&f, s1, "T");
	c = in_line(asked(11, "T"));
	fixture_pass(&f, HOUR + 1);
	assert_ok(unlock(served(c)));
}

Test(writer_waiters, are_served_when_the_anchor_of_the_holder_exits)
{
	struct change *c;

	fixture_process(&f, 21, 1, 0);
	assert_ok(commit(&f, CHANGE_ANCHOR, .as = s1, .thing = s1, .member = 21, .member_start = 1,
			 .text = f.sim.boot_id));
	(void)fixture_hold(&f, s1, "T");
	c = in_line(asked(11, "T"));
	assert_ok(fixture_gone(&f, 21, 1));
	assert_ok(unlock(served(c)));
}

Test(writer_waiters, wait_for_what_overlaps_one_after_the_other)
{
	int64_t a, b;
	struct change *c;

	(void)fixture_task(&f, "B", "src/b");
	a = fixture_hold(&f, s1, "T");
	b = fixture_hold(&f, s2, "B");
	c = in_line(asked(11, "U"));
	cr_assert_eq(c->blocker, a);
	assert_ok(fixture_release(&f, s1, "T"));
	assert_waits(c);
	cr_assert_eq(c->blocker, b);
	assert_ok(fixture_release(&f, s2, "B"));
	assert_ok(unlock(served(c)));
	assert_sound(&f);
}

Test(writer_waiters, reserve_nothing_meanwhile)
{
	struct change *c;

	(void)fixture_task(&f, "B", "src/b");
	(void)fixture_hold(&f, s1, "T");
	c = in_line(asked(11, "U"));
	assert_ok(fixture_claim(&f, s2, "B"));
	turn_away(c);
}

Test(writer_waiters, of_other_names_are_served_by_one_release)
{
	struct change *t, *u, *m;
	int64_t token;

	token = fixture_hold(&f, s1, "T");
	u = in_line(asked(11, "U"));
	t = in_line(asked(12, "T"));
	(void)locked(13, "m");
	m = in_line(asked(14, "m"));
	assert_ok(fixture_release(&f, s1, "T"));
	token = served(u); /* it came first */
	assert_waits(t);
	cr_assert_eq(t->blocker, token);
	assert_waits(m);
	assert_ok(unlock(token));
	assert_ok(unlock(served(t)));
	turn_away(m);
}

Test(writer_waiters, wait_on_when_the_claim_is_handed_over)
{
	struct change *c;

	(void)fixture_hold(&f, s1, "T");
	c = in_line(asked(11, "T"));
	assert_ok(commit(&f, CHANGE_HANDOVER, .as = s1, .name = "T", .text = "s2"));
	assert_waits(c);
	cr_assert_eq(c->blocker, fixture_task_now(&f, "T").token);
	assert_ok(fixture_release(&f, s2, "T"));
	assert_ok(unlock(served(c)));
}

Test(writer_waiters, are_served_when_the_holder_gives_up_the_name_that_overlaps)
{
	struct change *c;

	(void)fixture_task(&f, "B", "lib/b");
	assert_ok(fixture_set(&f, "T", "artifacts", "src/a\nlib"));
	(void)fixture_hold(&f, s1, "T");
	c = in_line(asked(11, "B"));
	assert_ok(commit(&f, CHANGE_EXTEND, .as = s1, .name = "T", .text = "-lib"));
	assert_ok(unlock(served(c)));
	assert_sound(&f);
}

Test(writer_waiters, are_served_when_their_own_task_loses_the_name_that_overlaps)
{
	struct change *c;

	(void)fixture_hold(&f, s1, "T");
	c = in_line(asked(11, "U"));
	assert_ok(fixture_set(&f, "U", "artifacts", "doc"));
	assert_column(&f, "U", COLUMN_CLAIMS);
	assert_ok(unlock(served(c)));
	assert_sound(&f);
}

Test(writer_waiters, of_a_task_that_is_finished_are_told_EEXIST)
{
	struct change *a, *b;

	(void)fixture_hold(&f, s1, "T");
	a = in_line(asked(11, "T"));
	b = in_line(asked(12, "T"));
	assert_ok(fixture_finish(&f, s1, "T"));
	assert_refused(fixture_take(a), EEXIST, "finished by session s1");
	assert_refused(fixture_take(b), EEXIST, "finished by session s1");
}

Test(writer_waiters, of_a_task_that_is_cancelled_or_taken_back_are_told_ENOENT)
{
	struct change *t, *u;

	(void)fixture_task(&f, "V", "src/v");
	(void)fixture_task(&f, "W", "src");
	(void)fixture_hold(&f, s1, "T");
	t = in_line(asked(11, "U"));
	u = in_line(asked(12, "W"));
	assert_ok(commit(&f, CHANGE_CANCEL, .name = "U", .owner = 1));
	assert_ok(commit(&f, CHANGE_UNPUBLISH, .name = "W", .owner = 1));
	assert_refused(fixture_take(u), ENOENT, "not published");
	assert_refused(fixture_take(t), ENOENT, "cancelled");
}

Test(writer_waiters, who_gave_up_are_answered_at_once_and_the_next_has_their_place)
{
	struct change *a, *b;

	(void)fixture_hold(&f, s1, "T");
	a = in_line(asked(11, "T"));
	b = in_line(asked(12, "T"));
	store_cancel(f.store, a);
	cr_assert_eq(fixture_run(&f), 1, "without anything else to decide");
	cr_assert_eq(fixture_take(a).err, -EINTR);
	assert_waits(b);
	assert_ok(fixture_release(&f, s1, "T"));
	assert_ok(unlock(served(b)));
	cr_assert_eq(fixture_count(&f, "claim"), 2);
}

Test(writer_waiters, who_gave_up_in_the_batch_that_lets_go_are_passed_over)
{
	struct change *a, *b, *gone;

	(void)fixture_hold(&f, s1, "T");
	a = in_line(asked(11, "T"));
	b = in_line(asked(12, "T"));
	gone = queue(&f, CHANGE_RELEASE, .as = s1, .name = "T");
	a->cancelled = 1; /* the writer has not heard */
	(void)fixture_run(&f);
	assert_ok(fixture_take(gone));
	cr_assert_eq(fixture_take(a).err, -EINTR);
	assert_ok(unlock(served(b)));
}

Test(writer_waiters, who_is_served_was_not_cancelled_though_it_gives_up_then)
{
	struct change *a;

	(void)fixture_hold(&f, s1, "T");
	a = in_line(asked(11, "T"));
	assert_ok(fixture_release(&f, s1, "T"));
	store_cancel(f.store, a);
	(void)fixture_run(&f);
	assert_ok(unlock(served(a)));
}

/* --- shared and not --- */

Test(writer_waiters, who_excludes_is_not_overtaken_by_who_shares)
{
	struct change *ex, *sh1, *sh2;
	int64_t token;

	token = locked(0, "other");
	assert_ok(unlock(token));
	sh1 = shares(11, "m");
	(void)fixture_run(&f);
	token = served(sh1);
	ex = in_line(asked(12, "m"));
	sh1 = in_line(shares(13, "m"));
	sh2 = in_line(shares(14, "m"));
	assert_refused(commit(&f, CHANGE_LOCK, .name = "m", .flags = CHANGE_SHARED), EWOULDBLOCK,
		       "locked");
	assert_ok(unlock(token));
	token = served(ex);
	assert_waits(sh1);
	assert_waits(sh2);
	assert_ok(unlock(token));
	token = served(sh1);
	cr_assert_eq(served(sh2), token + 1, "all who share come in together");
	assert_sound(&f);
}

Test(writer_waiters, who_shares_comes_in_when_who_excludes_gives_up)
{
	struct change *sh, *ex, *more;

	sh = shares(11, "m");
	(void)fixture_run(&f);
	(void)served(sh);
	ex = in_line(asked(12, "m"));
	more = in_line(shares(13, "m"));
	store_cancel(f.store, ex);
	(void)fixture_run(&f);
	cr_assert_eq(fixture_take(ex).err, -EINTR);
	assert_ok(unlock(served(more)));
}

Test(writer_waiters, who_excludes_waits_for_all_who_share)
{
	struct change *sh1, *sh2, *ex;
	int64_t a, b;

	sh1 = shares(11, "m");
	sh2 = shares(12, "m");
	(void)fixture_run(&f);
	a = served(sh1);
	b = served(sh2);
	ex = in_line(asked(13, "m"));
	assert_ok(unlock(b));
	assert_waits(ex);
	assert_ok(unlock(a));
	assert_ok(unlock(served(ex)));
}

/* --- limits --- */

Test(writer_waiters, are_so_many_of_a_uid_at_most)
{
	struct change *a, *b, *c;

	assert_ok(fixture_control(&f, "limits", "uid-waiters 2"));
	(void)fixture_hold(&f, s1, "T");
	a = in_line(asked(11, "T"));
	b = in_line(asked(12, "U"));
	c = asked(13, "T");
	(void)fixture_run(&f);
	assert_refused(fixture_take(c), EDQUOT, "uid-waiters");
	c = in_line(asked(14, "T", .uid = 4711));
	store_cancel(f.store, b);
	(void)fixture_run(&f);
	(void)fixture_take(b);
	b = in_line(asked(15, "T"));
	writer_turn_away(f.store);
	(void)store_collect(f.store);
	cr_assert_eq(fixture_take(a).err, -ENOTCONN);
	cr_assert_eq(fixture_take(b).err, -ENOTCONN);
	cr_assert_eq(fixture_take(c).err, -ENOTCONN);
}

Test(writer_waiters, served_in_a_batch_count_no_more_for_who_asks_later_in_it)
{
	struct change *a, *b, *gone;

	assert_ok(fixture_control(&f, "limits", "uid-waiters 1"));
	(void)fixture_hold(&f, s1, "T");
	a = in_line(asked(11, "T"));
	gone = queue(&f, CHANGE_RELEASE, .as = s1, .name = "T");
	b = asked(12, "T");
	(void)fixture_run(&f);
	assert_ok(fixture_take(gone));
	(void)served(a);
	turn_away(b);
}

/* --- a batch that fails --- */

/* Nothing at all can be written until disk_good. */
static void disk_bad(void)
{
	log_level(LOG_EMERG);
	disk_fail(DISK_FULL, 1, INT64_MAX / 2);
}

static void disk_good(void)
{
	disk_fail(DISK_NONE, 0, 0);
}

static void on_bad_disk(void)
{
	setup();
	fixture_stop(&f);
	f.sim.world.vfs = disk_vfs();
	cr_assert_eq(fixture_start(&f), 0);
}

TestSuite(writer_failing, .init = on_bad_disk, .fini = teardown);

Test(writer_failing, leaves_who_waits_waiting_and_serves_nobody_twice)
{
	struct change *a, *b, *gone;
	int64_t held = fixture_hold(&f, s1, "T"), token;

	a = in_line(asked(11, "T"));
	b = in_line(asked(12, "T"));
	disk_bad();
	gone = queue(&f, CHANGE_RELEASE, .as = s1, .name = "T");
	(void)fixture_run(&f);
	assert_refused(fixture_take(gone), ENOSPC, "could not write");
	assert_waits(a);
	assert_waits(b);
	cr_assert_eq(fixture_task_now(&f, "T").token, held);
	disk_good();
	assert_ok(fixture_release(&f, s1, "T"));
	token = served(a);
	assert_waits(b);
	assert_ok(unlock(token));
	assert_ok(unlock(served(b)));
	cr_assert_eq(fixture_count(&f, "claim"), 3);
	assert_sound(&f);
}

Test(writer_failing, refuses_who_joined_in_it_and_keeps_nothing_of_them)
{
	struct change *c, *other;

	(void)fixture_hold(&f, s1, "T");
	disk_bad();
	c = asked(11, "T");
	other = queue(&f, CHANGE_REGISTER, .name = "x");
	(void)fixture_run(&f);
	assert_refused(fixture_take(other), ENOSPC, "full");
	assert_refused(fixture_take(c), ENOSPC, "full");
	disk_good();
	assert_ok(fixture_release(&f, s1, "T"));
	assert_column(&f, "T", COLUMN_READY);
	assert_ok(commit(&f, CHANGE_DRAFT, .name = "after", .owner = 1));
}

Test(writer_failing, lets_nobody_wait_for_what_never_was)
{
	struct change *c, *gone, *claim;

	(void)fixture_task(&f, "B", "src/b");
	(void)fixture_hold(&f, s1, "T");
	c = in_line(asked(11, "U"));
	disk_bad();
	claim = queue(&f, CHANGE_CLAIM, .as = s2, .name = "B");
	gone = queue(&f, CHANGE_RELEASE, .as = s1, .name = "T");
	(void)fixture_run(&f);
	assert_refused(fixture_take(claim), ENOSPC, "could not write");
	assert_refused(fixture_take(gone), ENOSPC, "could not write");
	assert_waits(c);
	disk_good();
	assert_ok(fixture_release(&f, s1, "T"));
	assert_ok(unlock(served(c)));
	assert_sound(&f);
}

/* Room for what lets go, and no more: the second try is without who needs room. */
Test(writer_failing, that_goes_well_at_second_try_leaves_nobody_in_line_for_ever)
{
	struct change *c, *gone, *claim;

	(void)fixture_task(&f, "B", "src/b");
	(void)fixture_hold(&f, s1, "T");
	c = in_line(asked(11, "U"));
	log_level(LOG_EMERG);
	claim = queue(&f, CHANGE_CLAIM, .as = s2, .name = "B");
	gone = queue(&f, CHANGE_RELEASE, .as = s1, .name = "T");
	disk_fail(DISK_FULL, 1, 1);
	(void)fixture_run(&f);
	disk_good();
	assert_refused(fixture_take(claim), ENOSPC, "full");
	assert_ok(fixture_take(gone));
	cr_assert_eq(is_waiting(c), 0, "T and B are free, and it waits");
	cr_assert_eq(fixture_take(c).err, -ENOSPC);
	assert_sound(&f);
}

Test(writer_failing, tries_again_what_must_not_fail)
{
	int64_t token = locked(11, "m");
	struct change *c = in_line(asked(12, "m")), *u;

	disk_bad();
	u = queue(&f, CHANGE_UNLOCK, .token = token, .flags = CHANGE_SURE);
	(void)fixture_run(&f);
	cr_assert_null(u->arg, "answered with %s", errno_text(u->result.err));
	assert_waits(c);
	disk_good();
	fixture_tick(&f);
	assert_ok(fixture_take(u));
	assert_ok(unlock(served(c)));
	cr_assert_eq(fixture_count(&f, "unlock"), 2);
	assert_sound(&f);
}

Test(writer_failing, tries_again_what_must_not_fail_though_nobody_asks_anything)
{
	int64_t token = locked(11, "m");
	struct change *u;

	disk_bad();
	u = queue(&f, CHANGE_UNLOCK, .token = token, .flags = CHANGE_SURE);
	(void)fixture_run(&f);
	cr_assert_null(u->arg);
	disk_good();
	(void)fixture_run(&f);
	cr_assert_not_null(u->arg);
	assert_ok(fixture_take(u));
}

Test(writer_failing, of_its_thread_is_tried_again_by_the_thread)
{
	int64_t token = locked(11, "m");
	struct pollfd p = { .fd = store_event_fd(f.store), .events = POLLIN };
	struct change *u;
	pthread_t writer;

	disk_bad();
	cr_assert_eq(pthread_create(&writer, NULL, writer_main, f.store), 0);
	u = queue(&f, CHANGE_UNLOCK, .token = token, .flags = CHANGE_SURE);
	cr_assert_eq(poll(&p, 1, 20000), 1, "the loop hears that there is nothing yet");
	cr_assert_eq(store_collect(f.store), 0);
	disk_good();
	while (!u->arg) {
		cr_assert_eq(poll(&p, 1, 20000), 1);
		(void)store_collect(f.store);
	}
	assert_ok(fixture_take(u));
	store_stop(f.store);
	cr_assert_eq(pthread_join(writer, NULL), 0);
}

Test(writer_failing, for_want_of_memory_serves_nobody_twice_either)
{
	int64_t token, calls, before;
	struct change *a, *gone;
	int tried = 0;

	log_level(LOG_EMERG);
	token = fixture_hold(&f, s1, "T");
	a = in_line(asked(11, "T"));
	for (calls = 1;; calls++) {
		gone = queue(&f, CHANGE_RELEASE, .as = s1, .name = "T");
		before = store_seq(f.store);
		alloc_fail(calls, 1);
		(void)fixture_run(&f);
		alloc_stop();
		if (!gone->result.err)
			break;
		assert_refused(fixture_take(gone), ENOMEM, "could not write");
		cr_assert_eq(store_seq(f.store), before);
		cr_assert_eq(fixture_task_now(&f, "T").token, token);
		assert_waits(a);
		tried++;
	}
	cr_assert_gt(tried, 5);
	assert_ok(fixture_take(gone));
	cr_assert_eq(served(a), fixture_seq(&f, "release") + 1);
	cr_assert_eq(fixture_count(&f, "claim"), 2);
	assert_sound(&f);
}
