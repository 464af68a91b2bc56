/* Processes that the store hangs on: who is watched, and that an exit is told. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <unistd.h>

#include "backend/log.h"
#include "fs/caller.h"
#include "fs/watch.h"
#include "tests/lib/check.h"
#include "tests/lib/disk.h"
#include "tests/lib/loop.h"
#include "tests/lib/wire.h"

static struct wire w;
static int64_t s1, s2;

/* The mount gets a loop to watch with. */
static void with_loop(void)
{
	watch_free(w.fs.watch);
	w.fs.watch = watch_new(&w.fs, test_loop());
	cr_assert_not_null(w.fs.watch);
	watch_start(w.fs.watch);
}

static void setup(void)
{
	wire_open(&w);
	w.who.uid = w.who.gid = geteuid() ? geteuid() : FIXTURE_UID;
	s1 = fixture_session_of(&w.f, "s1", w.who.uid);
	s2 = fixture_session_of(&w.f, "s2", w.who.uid);
	(void)fixture_task(&w.f, "T", NULL);
	with_loop();
}

static void teardown(void)
{
	wire_close(&w);
}

TestSuite(watch, .init = setup, .fini = teardown);

static int64_t start_of(pid_t pid)
{
	struct proc p;

	cr_assert_eq(caller_proc(pid, &p), 0);
	return p.start;
}

/* A change about PID, decided as a request's would be. */
static void tie(enum change_kind kind, int64_t session, pid_t pid, int64_t start)
{
	struct change *c = queue(&w.f, kind, .as = session, .thing = session, .uid = w.who.uid,
				 .member = pid, .member_start = start, .text = w.f.sim.boot_id);

	(void)fixture_run(&w.f);
	cr_assert_eq(c->result.err, 0);
	watch_decided(w.fs.watch, c);
	(void)fixture_take(c);
}

static const char *how_ended(int64_t s)
{
	static struct session is;

	is = fixture_session_now(&w.f, s);
	return is.how;
}

Test(watch, tells_of_the_exit_of_an_anchor)
{
	pid_t pid = wire_process(&w, NULL);
	char text[32];

	(void)snprintf(text, sizeof(text), "%d\n", pid);
	w.who.pid = pid;
	cr_assert_eq(wire_put(&w, "sessions/s1/anchor", 0, text), 0);
	cr_assert_eq(test_loop_watched(), 1);
	wire_kill(&w, pid);
	cr_assert_eq(test_loop_run(), 1);
	cr_assert_eq(test_loop_watched(), 0, "once is enough");
	wire_decide(&w);
	cr_assert_str_eq(how_ended(s1), "exited");
	assert_sound(&w.f);
}

Test(watch, tells_of_the_exit_of_a_member_and_of_each_once)
{
	pid_t a = wire_process(&w, NULL), b = wire_process(&w, NULL);

	tie(CHANGE_JOIN, s1, a, start_of(a));
	tie(CHANGE_JOIN, s1, b, start_of(b));
	cr_assert_eq(test_loop_watched(), 2);
	wire_kill(&w, b);
	cr_assert_eq(test_loop_run(), 1);
	wire_decide(&w);
	cr_assert_eq(fixture_count(&w.f, "left"), 1);
	cr_assert_eq(test_loop_watched(), 1);
	cr_assert_str_eq(how_ended(s1), "");
}

Test(watch, watches_a_process_once_however_much_hangs_on_it)
{
	pid_t pid = wire_process(&w, NULL);

	tie(CHANGE_JOIN, s1, pid, start_of(pid));
	tie(CHANGE_ANCHOR, s1, pid, start_of(pid));
	tie(CHANGE_ANCHOR, s2, pid, start_of(pid));
	cr_assert_eq(test_loop_watched(), 1);
	wire_kill(&w, pid);
	cr_assert_eq(test_loop_run(), 1);
	wire_decide(&w);
	cr_assert_str_eq(how_ended(s1), "exited");
	cr_assert_str_eq(how_ended(s2), "exited");
	assert_sound(&w.f);
}

Test(watch, tells_at_once_of_who_is_gone_or_is_another_by_now)
{
	pid_t pid = wire_process(&w, NULL), gone = wire_process(&w, NULL);
	int64_t start = start_of(gone);

	wire_kill(&w, gone);
	tie(CHANGE_ANCHOR, s1, gone, start);
	tie(CHANGE_ANCHOR, s2, pid, start_of(pid) - 1);
	cr_assert_eq(test_loop_watched(), 0);
	wire_decide(&w);
	cr_assert_str_eq(how_ended(s1), "exited");
	cr_assert_str_eq(how_ended(s2), "exited");
}

Test(watch, watches_nobody_for_an_anchor_that_is_taken_away)
{
	tie(CHANGE_ANCHOR, s1, 0, 0);
	cr_assert_eq(test_loop_watched(), 0);
	wire_decide(&w);
	cr_assert_str_eq(how_ended(s1), "");
}

Test(watch, begins_with_all_that_the_store_hangs_on)
{
	pid_t anchor = wire_process(&w, NULL), member = wire_process(&w, NULL),
	      locker = wire_process(&w, NULL), gone = wire_process(&w, NULL);
	struct opened o, m;

	tie(CHANGE_ANCHOR, s1, anchor, start_of(anchor));
	tie(CHANGE_JOIN, s2, member, start_of(member));
	tie(CHANGE_JOIN, s2, gone, start_of(gone));
	w.who.pid = locker;
	cr_assert_eq(wire_create(&w, wire_walk(&w, "claims"), "T", O_RDONLY, &o), 0);
	cr_assert_eq(wire_flock(&w, &o, LOCK_EX), 0);
	cr_assert_eq(wire_create(&w, wire_walk(&w, "claims"), "m", O_RDONLY, &m), 0);
	cr_assert_eq(wire_flock(&w, &m, LOCK_EX), 0);
	cr_assert_eq(test_loop_watched(), 3, "a lock has its descriptor");
	wire_restart(&w);
	cr_assert_eq(test_loop_watched(), 0);
	wire_kill(&w, gone);
	with_loop();
	cr_assert_eq(test_loop_watched(), 3);
	wire_decide(&w);
	cr_assert_eq(fixture_count(&w.f, "left"), 1);
	wire_kill(&w, locker);
	cr_assert_eq(test_loop_run(), 1);
	wire_decide(&w);
	assert_column(&w.f, "T", COLUMN_READY);
	cr_assert_eq(fixture_count(&w.f, "lost"), 1);
	cr_assert_eq(fixture_count(&w.f, "unlock"), 1);
	assert_sound(&w.f);
}

Test(watch, holds_nobody_of_another_boot_for_alive)
{
	pid_t pid = wire_process(&w, NULL);

	tie(CHANGE_ANCHOR, s1, pid, start_of(pid));
	wire_down(&w);
	w.f.sim.boot = 5 * SECOND;
	w.f.sim.boot_id[35] = '2';
	cr_assert_eq(wire_up(&w), 0);
	with_loop();
	cr_assert_eq(test_loop_watched(), 0);
	wire_decide(&w);
	cr_assert_str_eq(how_ended(s1), "exited");
}

Test(watch, lets_who_cannot_be_watched_be)
{
	pid_t pid = wire_process(&w, NULL);
	int fd, next;

	log_level(LOG_EMERG);
	fd = dup(0);
	(void)close(fd);
	test_loop_fail(-ENOSPC);
	tie(CHANGE_ANCHOR, s1, pid, start_of(pid));
	cr_assert_eq(test_loop_watched(), 0);
	next = dup(0);
	(void)close(next);
	cr_assert_eq(next, fd, "a descriptor stays open");
	wire_decide(&w);
	cr_assert_str_eq(how_ended(s1), "");
	test_loop_fail(0);
	tie(CHANGE_JOIN, s1, pid, start_of(pid));
	cr_assert_eq(test_loop_watched(), 1, "another time it can");
}

Test(watch, an_exit_is_not_lost_on_a_full_disk)
{
	pid_t pid = wire_process(&w, NULL);

	tie(CHANGE_ANCHOR, s1, pid, start_of(pid));
	wire_down(&w);
	w.f.sim.world.vfs = disk_vfs();
	cr_assert_eq(wire_up(&w), 0);
	with_loop();
	log_level(LOG_EMERG);
	wire_kill(&w, pid);
	cr_assert_eq(test_loop_run(), 1);
	disk_fail(DISK_FULL, 1, INT64_MAX / 2);
	wire_decide(&w);
	cr_assert_str_eq(how_ended(s1), "");
	disk_fail(DISK_NONE, 0, 0);
	wire_decide(&w);
	cr_assert_str_eq(how_ended(s1), "exited");
}
