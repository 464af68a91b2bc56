/* What befalls a daemon and its machine. */
#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "backend/ballast.h"
#include "fs/watch.h"
#include "tests/lib/disk.h"
#include "tests/sim/sim.h"

/* In place of backend/ballast.c: room for some more writes, once. */
static struct {
	int full, given;
	int64_t room; /* writes */
} ballast;

/* --- the store's directory --- */

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

/* A directory beside the store's, and the store's goes. */
static void new_dir(const struct run *s, char out[256])
{
	char *end;

	(void)snprintf(out, 256, "%s", s->w.f.dir);
	end = strrchr(out, '-');
	(void)snprintf(end, (size_t)(out + 256 - end), "-XXXXXX");
	if (!mkdtemp(out))
		abort();
}

static void move_to(struct run *s, const char *dir)
{
	(void)nftw(s->w.f.dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
	(void)snprintf(s->w.f.dir, sizeof(s->w.f.dir), "%s", dir);
}

/* --- ends of the daemon --- */

static void raise_leases(struct run *s, int boots_anew)
{
	struct model *m = &s->m;

	for (int i = 0; i < m->n_grants; i++) {
		struct m_grant *g = &m->grants[i];
		int64_t least = now(s) + (boots_anew ? g->ttl : g->ttl / 10);

		if (g->ended)
			continue;
		if (g->lock == 1 || boots_anew) {
			/* its descriptor has gone with the daemon: a lease from now on */
			least = now(s) + g->ttl;
			g->lower = g->upper = least;
			g->acted = now(s);
			g->lock = g->lock ? 2 : 0;
			continue;
		}
		if (g->lower < least || boots_anew)
			g->lower = least;
		if (g->upper < least || boots_anew)
			g->upper = least;
	}
	for (int i = 0; i < m->n_mutexes; i++) {
		struct m_mutex *x = &m->mutexes[i];

		if (x->lock == 2 && !boots_anew)
			continue;
		x->lock = 2;
		x->acted = now(s);
		x->lower = x->upper = now(s) + m->lease;
	}
	for (int i = 0; i < m->n_sessions; i++) {
		struct m_session *w = &m->sessions[i];
		int64_t least = now(s) + (boots_anew ? m->lease : m->lease / 10);

		if (w->quiet < least || boots_anew)
			w->quiet = least;
		if (w->quiet > now(s) + 2 * m->lease)
			w->quiet = now(s) + 2 * m->lease; /* control/lease is shorter now */
	}
}

/* Requests that nobody answered may be sent again, as they were. */
static int again(struct run *s, struct pending *out)
{
	int n = 0;

	for (int i = 0; i < s->n_pending; i++) {
		const struct pending *p = &s->pending[i];
		struct fuse_in_header h;

		memcpy(&h, p->bytes, sizeof(h));
		if (p->n && !p->interrupted && p->agent >= 0 && !rarely(s, 3) &&
		    (h.opcode == FUSE_CREATE || h.opcode == FUSE_RENAME2 ||
		     h.opcode == FUSE_UNLINK || h.opcode == FUSE_MKDIR || h.opcode == FUSE_RMDIR))
			out[n++] = *p;
	}
	return n;
}

static void send_again(struct run *s, struct pending *p)
{
	sim_log(s, "sent again: %s", p->what);
	p->answered = 0;
	p->expect = DEFERRED;
	p->maybe = NEVER;
	p->agent = -1; /* nobody goes on with what it was a part of */
	wire_send_bytes(&s->w, p->bytes, p->n);
	request_sent(s, p);
}

/* Another boot: clocks begin anew, and no process of before is there. */
static void boot_anew(struct run *s)
{
	struct sim *w = &s->w.f.sim;

	s->boots++;
	w->boot = (int64_t)(10 + below(s, 100)) * SECOND;
	(void)snprintf(w->boot_id, sizeof(w->boot_id), "00000000-0000-4000-8000-%012x",
		       (unsigned)s->boots + 1);
	procs_boot(w->boot_id);
}

/* The store opens; sometimes not at the first try: it ends again while it does. */
static int open_again(struct run *s, int boots)
{
	char dir[256];
	int err;

	for (;;) {
		disk_forget();
		if (boots)
			boot_anew(s);
		if (rarely(s, 4))
			disk_record(s->w.f.dir);
		err = wire_up(&s->w);
		if (err || !disk_moment())
			return err;
		sim_log(s, "and again while it starts");
		new_dir(s, dir);
		disk_cut((size_t)below(s, (int)disk_moment() + 1),
			 boots ? (enum disk_cut)below(s, CUT_KINDS) : CUT_ALL, &s->random, dir);
		disk_forget();
		wire_down(&s->w);
		move_to(s, dir);
	}
}

/* The daemon is up again; BOOTS: so is the machine. */
static void come_up(struct run *s, int boots)
{
	struct pending lost[PENDING];
	int64_t boot = now(s), start;
	int32_t pid;
	int n = boots ? 0 : again(s, lost);

	procs_forget_watches();
	disk_fail(DISK_NONE, 0, 0);
	ballast.full = ballast.given = 0;
	s->cut_at = 0;
	if (open_again(s, boots)) {
		sim_fail(s, "the store does not open again: %s", buf_text(&s->w.f.says));
		return;
	}
	disk_forget();
	s->broken = 0;
	batch_settle(s, boot); /* the last batch was one on the disk as it was */
	s->slept = s->full ? 2 : s->slept;
	s->full = 0;
	s->m.boot += boots;
	raise_leases(s, boots);
	agents_cut_off(s);
	if (boots)
		agents_reboot(s);
	watch_start(s->w.fs.watch);
	exit_told(s, 0, 0);
	while (procs_missed(&pid, &start))
		exit_told(s, pid, start);
	for (int i = 0; i < n && !s->failed[0]; i++)
		send_again(s, &lost[i]);
	check_board(s);
}

/*
 * kill -9, or a power cut (the machine boots anew), at some moment within the
 * next batch, or before or behind it. Nobody hears an answer.
 */
static void crash(struct run *s, int power)
{
	enum disk_cut how = power ? (enum disk_cut)below(s, CUT_KINDS) : CUT_ALL;
	char dir[256];
	size_t from, moment;

	if (!s->cut_at) /* else what was written since then may not have arrived */
		disk_record(s->w.f.dir);
	from = disk_moment();
	s->due = store_due(s->w.f.store);
	writer_run_batch(s->w.f.store);
	moment = from + (size_t)below(s, (int)(disk_moment() - from) + 1);
	sim_log(s, "%s within a batch of %d, %zu of %zu, kind %d", power ? "POWER CUT" : "KILL -9",
		s->n_pending, moment, disk_moment(), (int)how);
	new_dir(s, dir);
	disk_cut(moment, how, &s->random, dir);
	disk_forget();
	ll_decided(s->w.ll); /* unheard */
	wire_down(&s->w);
	move_to(s, dir);
	s->n.crashes += !power;
	s->n.cuts += power;
	come_up(s, power);
}

/* From now on it is remembered what was written and what has arrived. */
static void plan_cut(struct run *s)
{
	disk_record(s->w.f.dir);
	s->cut_at = s->n.batches + 1 + below(s, 30);
}

/* An orderly end and a new beginning; what is pending is decided first. */
static void restart(struct run *s)
{
	batch_run(s);
	if (s->failed[0])
		return;
	sim_log(s, "RESTART");
	wire_down(&s->w);
	come_up(s, 0);
}

/* --- the disk --- */

static void io_error(struct run *s)
{
	int nth = 1 + below(s, 60);

	sim_log(s, "I/O ERROR at call %d of the next batch", nth);
	s->broken = 1;
	disk_fail(below(s, 2) ? DISK_EIO : DISK_TORN, nth, 1 + (rarely(s, 3) ? 1000 : 0));
	batch_run(s);
	disk_fail(DISK_NONE, 0, 0);
	s->n.errors++;
	if (s->failed[0])
		return;
	if (store_failed(s->w.f.store)) {
		wire_down(&s->w);
		come_up(s, 0);
	}
	s->broken = 0;
}

int ballast_take(int dir_fd)
{
	(void)dir_fd;
	if (ballast.full && ballast.given)
		return 0;
	ballast.given = 0;
	return 1;
}

int ballast_give(int dir_fd)
{
	(void)dir_fd;
	if (ballast.given)
		return 0;
	ballast.given = 1;
	if (ballast.full)
		disk_fail(DISK_FULL, 1 + ballast.room, INT64_MAX / 2);
	return 1;
}

static void disk_full(struct run *s)
{
	sim_log(s, "DISK FULL");
	s->full = ballast.full = 1;
	ballast.room = below(s, 3) * below(s, 300);
	s->n.fulls++;
	disk_fail(DISK_FULL, 1 + below(s, 10), INT64_MAX / 2);
}

void disk_freed(struct run *s)
{
	sim_log(s, "ROOM AGAIN");
	disk_fail(DISK_NONE, 0, 0);
	s->slept = s->full ? 2 : s->slept; /* nothing could be renewed for some time */
	s->full = ballast.full = 0;
	for (int i = 0; i < s->m.n_grants; i++) {
		struct m_grant *g = &s->m.grants[i];

		if (!g->ended && g->upper < now(s))
			g->upper = now(s);
	}
}

/* --- time --- */

static void tick_done(struct change *c)
{
	change_free(c);
}

void tick_ask(struct run *s)
{
	struct change *c = change_new(CHANGE_TICK);

	c->done = tick_done;
	store_commit(s->w.f.store, c);
}

static void tick(struct run *s)
{
	tick_ask(s);
	batch_run(s);
}

static void advance(struct run *s, int64_t ms)
{
	s->w.f.sim.boot += ms;
	s->w.f.sim.wall += ms;
}

void time_pass(struct run *s, int64_t ms)
{
	int64_t until = now(s) + ms, due;
	int ticks = 0;

	while (!s->failed[0] && (due = store_due(s->w.f.store)) <= until) {
		if (due > now(s))
			advance(s, due - now(s));
		advance(s, below(s, LATENCY));
		tick(s);
		if (++ticks > 200 && !s->full)
			sim_fail(s, "the timer is due again and again, at %lld",
				 (long long)store_due(s->w.f.store));
		if (ticks > 200 || store_failed(s->w.f.store))
			break;
	}
	if (now(s) < until)
		advance(s, until - now(s));
}

/* The machine sleeps: its timers wait for it to wake. */
static void suspend(struct run *s)
{
	int64_t ms = below(s, 3) ? below(s, 90 * MINUTE) : below(s, 3000);

	sim_log(s, "SUSPEND for %lld ms", (long long)ms);
	advance(s, ms);
	s->w.f.sim.asleep += ms;
	s->slept |= ms >= 1000;
	time_pass(s, 0);
}

/* The daemon is stopped, and goes on. */
static void stall(struct run *s)
{
	int64_t ms = below(s, 3) ? below(s, 40 * MINUTE) : below(s, 10000);

	sim_log(s, "STALL for %lld ms", (long long)ms);
	advance(s, ms);
	s->stalled = 1;
	time_pass(s, 0);
	s->stalled = 0;
}

/* --- what happens next --- */

static void interrupt_one(struct run *s)
{
	struct pending *p;

	if (s->n_waiting && below(s, 2))
		p = &s->waiting[below(s, s->n_waiting)];
	else if (s->n_pending)
		p = &s->pending[below(s, s->n_pending)];
	else
		return;
	if (p->interrupted || p->unasked)
		return;
	p->interrupted = 1;
	sim_log(s, "interrupt: %s", p->what);
	s->ops++;
	(void)ask_interrupt(&s->w, p->unique);
}

static void pause_one(struct run *s)
{
	struct agent *a = &s->agents[1 + below(s, AGENTS - 1)];

	a->paused = now(s) + below(s, (int)(2 * s->m.lease));
	sim_log(s, "%d is stopped for %lld ms", (int)(a - s->agents),
		(long long)(a->paused - now(s)));
}

void faults_step(struct run *s)
{
	int dice = below(s, 6000);

	if (s->full && rarely(s, 30))
		disk_freed(s);
	if (s->cut_at && s->n.batches >= s->cut_at)
		crash(s, 1);
	if (dice < 8)
		crash(s, 0);
	else if (dice < 13 && !s->cut_at)
		plan_cut(s);
	else if (dice < 16)
		restart(s);
	else if (dice < 20 && !s->full)
		io_error(s);
	else if (dice < 25 && !s->full)
		disk_full(s);
	else if (dice < 60)
		time_pass(s, below(s, 40 * MINUTE));
	else if (dice < 66)
		suspend(s);
	else if (dice < 72)
		stall(s);
	else if (dice < 80)
		s->w.f.sim.wall += (int64_t)(below(s, 3) - 1) * below(s, 26) * HOUR;
	else if (dice < 110)
		agent_kill(s, 1 + below(s, AGENTS - 1));
	else if (dice < 160)
		pause_one(s);
	else if (dice < 260)
		interrupt_one(s);
	else if (dice < 2500)
		time_pass(s, below(s, 500));
}
