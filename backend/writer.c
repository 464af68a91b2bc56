/*
 * The one writer: takes what is queued, each change in a savepoint of its
 * own, one transaction and one fsync for all, then answers.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include "backend/ballast.h"
#include "backend/clean.h"
#include "backend/field.h"
#include "backend/log.h"
#include "backend/rules.h"
#include "backend/store_impl.h"
#include "backend/text.h"

static rule_fn *const rules[CHANGE_KINDS] = {
	[CHANGE_TICK] = rule_tick,	   [CHANGE_DRAFT] = rule_draft,
	[CHANGE_PUBLISH] = rule_publish,   [CHANGE_UNPUBLISH] = rule_unpublish,
	[CHANGE_CANCEL] = rule_cancel,	   [CHANGE_UNHOLD] = rule_unhold,
	[CHANGE_SET] = rule_set,	   [CHANGE_CLAIM] = rule_claim,
	[CHANGE_EXTEND] = rule_extend,	   [CHANGE_FINISH] = rule_finish,
	[CHANGE_RELEASE] = rule_release,   [CHANGE_HANDOVER] = rule_handover,
	[CHANGE_REOPEN] = rule_reopen,	   [CHANGE_BREAK] = rule_break,
	[CHANGE_REGISTER] = rule_register, [CHANGE_END] = rule_end,
	[CHANGE_CHOWN] = rule_chown,	   [CHANGE_RENEW] = rule_renew,
	[CHANGE_JOIN] = rule_join,	   [CHANGE_ANCHOR] = rule_anchor,
	[CHANGE_EXIT] = rule_exit,	   [CHANGE_LOCK] = rule_lock,
	[CHANGE_UNLOCK] = rule_unlock,	   [CHANGE_IMPORT] = rule_import,
	[CHANGE_ADD] = rule_add,	   [CHANGE_REMOVE] = rule_remove,
	[CHANGE_JUDGED] = rule_judged,	   [CHANGE_OBSERVED] = rule_observed,
	[CHANGE_LOOK] = rule_look,	   [CHANGE_BASE] = rule_base,
	[CHANGE_JOURNAL] = rule_journal,   [CHANGE_GRADE] = rule_grade,
	[CHANGE_APPLY] = rule_apply,	   [CHANGE_PERMIT] = rule_permit,
	[CHANGE_RESULT] = rule_result,	   [CHANGE_WITHDRAW] = rule_withdraw,
	[CHANGE_MESSAGE] = rule_message,
};

#define AWAKE_MS 300000 /* after a suspend a lease has so much more, at most */
#define SLEPT_MS 1000	/* a suspend */
#define RETRY_MS 1000	/* after a batch that failed the next one comes, asked for or not */
#define STALL_MS 5000	/* so late nothing ends while the daemon runs */
#define AGAIN_S 1	/* what could not be written and must be is tried again so often */

static uint64_t hash_text(const char *s)
{
	uint64_t h = 1469598103934665603u; /* FNV-1a */

	for (; *s; s++)
		h = (h ^ (unsigned char)*s) * 1099511628211u;
	return h;
}

/* Was the same refused to the same process within a second? Remembers it if not. */
static int is_repeat(struct store *s, const struct change *c, int64_t boot, int remember)
{
	uint64_t op = hash_text(c->op ? c->op : "");
	struct recent_refusal *r;

	for (int i = 0; i < RECENT_REFUSALS; i++) {
		r = &s->recent[i];
		if (r->op == op && r->pid == c->actor.pid && r->start == c->actor.start &&
		    boot - r->boot < 1000)
			return 1;
	}
	if (remember) {
		r = &s->recent[s->recent_at++ % RECENT_REFUSALS];
		*r = (struct recent_refusal){ c->actor.pid, c->actor.start, boot, op };
	}
	return 0;
}

/* A session's refusal is kept with it: grading and `why` read it. Not that of
 * another uid, which cannot act as it. */
static void record_refusal(struct store *s, struct tx *tx, const struct change *c)
{
	struct session who;
	AUTO_BUF struct buf why = BUF_INIT;
	char when[TIME_TEXT];

	if (!c->actor.session || read_session(tx->db, c->actor.session, &who) <= 0 ||
	    (who.uid != c->actor.uid && !c->actor.is_operator) || is_repeat(s, c, tx->boot, 1))
		return;
	buf_line(&why, "%s %s %s", time_text(tx->wall, when), errno_text(c->result.err),
		 c->op ? c->op : "-");
	buf_str(&why, buf_text(&c->result.why));
	(void)tx_emit(tx, "refused",
		      json_pack("{s:s,s:I,s:s,s:s,s:s}", "session", who.name, "session_id",
				(json_int_t)who.id, "op", c->op ? c->op : "-", "errno",
				errno_text(c->result.err), "why", buf_text(&why)));
}

static void savepoint(struct tx *tx, const struct bind *q)
{
	int err = db_run_bound(tx->db, q);

	if (err)
		(void)tx_fail(tx, err);
}

/* What lets go, or keeps what is held, is done on a full disk as well. */
static int needs_room(const struct change *c)
{
	switch (c->kind) {
	case CHANGE_TICK:
	case CHANGE_FINISH:
	case CHANGE_RELEASE:
	case CHANGE_BREAK:
	case CHANGE_END:
	case CHANGE_RENEW:
	case CHANGE_EXIT:
	case CHANGE_UNLOCK:
	case CHANGE_RESULT:
	case CHANGE_WITHDRAW:
		return 0;
	case CHANGE_SET:
		return c->of != THING_CONTROL && strcmp(c->field, "outcome") != 0;
	default:
		return 1;
	}
}

static int apply_rule(struct store *s, struct tx *tx, const struct change *c)
{
	if (s->full && needs_room(c))
		return tx_refuse(tx, ENOSPC, "wait until somebody has made room",
				 "the disk of the store is full: finishing and giving back go on");
	return rules[c->kind](tx, c);
}

static void apply_one(struct store *s, struct tx *tx, struct change *c)
{
	int64_t seq = tx->seq, finish = tx->finish;
	int err, stirred = tx->stir.n;

	if (c->cancelled) {
		c->result.err = -EINTR;
		return;
	}
	tx->actor = &c->actor;
	tx->result = &c->result;
	tx->keep = 0;
	tx->blocker = 0;
	tx->repeat = is_repeat(s, c, tx->boot, 0);
	(void)tx_starved();
	savepoint(tx, BINDS(Q(SAVEPOINT)));
	err = apply_rule(s, tx, c);
	if (tx_starved()) /* what was decided may lack something */
		err = tx_fail(tx, -ENOMEM);
	if (!err && c->actor.session)
		err = rules_renew(tx, c->actor.session);
	c->result.err = err;
	if (err && !tx->keep) {
		savepoint(tx, BINDS(Q(SAVEPOINT_ROLLBACK)));
		tx->seq = seq;
		tx->finish = finish;
		tx->stir.n = stirred;
	}
	savepoint(tx, BINDS(Q(SAVEPOINT_RELEASE)));
	if (err && err != -EINPROGRESS && !tx->err && !s->full)
		record_refusal(s, tx, c);
}

/* --- who waits --- */

/* C would have to wait: in line, unless too many of its uid do already. */
static void join_line(struct store *s, struct tx *tx, struct change *c)
{
	int64_t blocker = tx->blocker;
	struct task t = { .id = 0 };
	int err = 0;

	tx->actor = &c->actor;
	tx->result = &c->result;
	c->result.err = 0;
	if (waiters_count(&s->waiters, c->actor.uid) >= read_limit(tx->db, LIMIT_UID_WAITERS))
		err = tx_refuse(tx, EDQUOT, "try again later",
				"as many of uid %u wait as may (control/limits uid-waiters)",
				c->actor.uid);
	else if (read_task_named(tx->db, c->name, &t) < 0)
		err = tx_fail(tx, -EIO);
	c->thing = t.id; /* what it waits for, should the name be another's by then */
	if (!err)
		err = waiters_join(&s->waiters, c, blocker, t.id);
	c->result.err = err;
	if (err && !tx->err && !s->full)
		record_refusal(s, tx, c);
}

/* What was let go is for who waits for it: in order of arrival, before anybody else asks. */
static void serve_lines(struct store *s, struct tx *tx)
{
	struct change *c;

	waiters_stir(&s->waiters, &tx->stir);
	while (!tx->err && (c = waiters_next(&s->waiters))) {
		tx->behind = 0;
		apply_one(s, tx, c);
		if (c->result.err == -EINPROGRESS)
			waiters_wait(&s->waiters, c, tx->blocker);
		else
			waiters_serve(&s->waiters, c);
		waiters_stir(&s->waiters, &tx->stir);
	}
}

static void apply_asked(struct store *s, struct tx *tx, struct change *c)
{
	tx->behind = c->kind == CHANGE_LOCK && waiters_has(&s->waiters, c->name);
	apply_one(s, tx, c);
	if (c->result.err == -EINPROGRESS)
		join_line(s, tx, c);
	serve_lines(s, tx);
}

static int64_t min_positive(int64_t a, int64_t b)
{
	return b > 0 && b < a ? b : a;
}

/* A moment of the wall clock (0: none) as one of the boot clock, not before the next ms. */
static int64_t on_boot_clock(int64_t at, int64_t boot, int64_t wall)
{
	return !at ? 0 : boot + (at > wall ? at - wall : 1);
}

/* When the key of the deed that was done first is free again, wall ms; 0: there is none. */
static int64_t next_forgotten(struct db *db)
{
	int64_t at = db_get(db, 0, Q(ACTION_OLDEST));

	return at ? at + field_duration(db, THING_CONTROL, 0, "action-retention") : 0;
}

static int64_t next_due(struct db *db, int64_t boot, int64_t wall)
{
	int64_t due = INT64_MAX;

	/* a lease ends behind its last millisecond */
	due = min_positive(due, db_get(db, 0, Q(LEASE_NEXT)));
	due = min_positive(due, db_get(db, 0, Q(LOCK_NEXT)));
	due = min_positive(due, db_get(db, 0, Q(IDLE_NEXT)));
	due = min_positive(due, db_get(db, 0, Q(ACTION_NEXT)));
	due = min_positive(due, on_boot_clock(db_get(db, 0, Q(DAILY_NEXT)), boot, wall));
	return min_positive(due, on_boot_clock(next_forgotten(db), boot, wall));
}

static void append(struct change *c, void *arg)
{
	struct change ***end = arg;

	c->next = NULL;
	**end = c;
	*end = &c->next;
}

static void say_failed(struct change *c, int err)
{
	c->result.err = err == -ENOSPC || err == -ENOMEM ? err : -EIO;
	buf_clear(&c->result.why);
	buf_line(&c->result.why, "the store could not write: %s", errno_text(err));
	buf_line(&c->result.why, "next: wait%s",
		 c->result.err == -EIO ? "; see whether it happened before trying again" :
					 ", then try again: nothing of it has happened");
}

/*
 * After a failed batch nothing of it counts: say so to every asker, but to whoever
 * only lets go; that is tried again with the next batch, or after AGAIN_S.
 */
static struct change *batch_failed(struct store *s, struct change *all, int err)
{
	int over = err != -ENOSPC && err != -ENOMEM;
	struct change *refused = NULL, **end = &refused, **again = &s->again, *next;

	log_msg(LOG_ERR, "a batch of changes failed: %s (%s)", errno_text(err),
		db_message(s->writer));
	if (db_in_transaction(s->writer))
		(void)db_run(s->writer, Q(ROLLBACK));
	for (struct change *c = all; c; c = next) {
		next = c->next;
		if (!over && c->flags & CHANGE_SURE) {
			append(c, &again);
			continue;
		}
		say_failed(c, err);
		append(c, &end);
	}
	if (over)
		atomic_store(&s->failed, 1);
	return refused;
}

/* --- the clock --- */

/* More time for whoever could not renew: ?1 now, ?2 at most so much. */
static int leases_awake(struct tx *tx)
{
	int64_t lease = read_lease(tx->db);
	int err = db_run(tx->db, Q(LEASES_AWAKE), I(tx->boot), I(AWAKE_MS));

	if (!err)
		err = db_run(tx->db, Q(LOCKS_AWAKE), I(tx->boot), I(AWAKE_MS), I(lease));
	if (err)
		return err;
	return db_run(tx->db, Q(IDLE_AWAKE), I(tx->boot), I(lease < AWAKE_MS ? lease : AWAKE_MS));
}

/* A clock that went back makes no lease longer than it was given. */
static int leases_clamp(struct tx *tx)
{
	int64_t lease = read_lease(tx->db);
	int err = db_run(tx->db, Q(LEASES_CLAMP), I(tx->boot));

	if (!err)
		err = db_run(tx->db, Q(LOCKS_CLAMP), I(tx->boot), I(lease));
	return err ? err : db_run(tx->db, Q(IDLE_CLAMP), I(tx->boot), I(2 * lease));
}

/*
 * What the clocks say of the time since the last batch, before anything ends: was the
 * machine suspended, did the daemon stand still while something was due, did the
 * commit take longer than was allowed for?
 */
static int look_at_clocks(struct store *s, struct tx *tx)
{
	int64_t asleep = s->world->asleep_ms(s->world);
	int64_t due = s->overdue ? s->overdue : atomic_load(&s->due);
	int err = 0;

	if (s->owed)
		err = db_run(tx->db, Q(LEASES_OWED), I(s->owed_boot), I(s->owed));
	if (!err && asleep - s->asleep >= SLEPT_MS)
		err = store_keep_asleep(s);
	if (!err && (asleep - s->asleep >= SLEPT_MS || (due > 0 && tx->boot - due > STALL_MS)))
		err = leases_awake(tx);
	if (!err && tx->boot < s->last_boot)
		err = leases_clamp(tx);
	return err;
}

/* The batch that began at BOOT stands. */
static void clocks_seen(struct store *s, const struct tx *tx)
{
	int64_t took = s->world->boot_ms(s->world) - tx->boot;

	s->asleep = s->world->asleep_ms(s->world);
	s->last_boot = tx->boot;
	s->owed = took > tx->allow ? took - tx->allow : 0;
	s->owed_boot = tx->boot;
	if (2 * took > s->allow)
		s->allow = 2 * took < STALL_MS ? 2 * took : STALL_MS;
	else
		s->allow -= (s->allow - 2 * took) / 16; /* forgets slowly */
}

static int batch_apply(struct store *s, struct tx *tx, struct change *all, int64_t *due)
{
	struct change tick = { .kind = CHANGE_TICK };
	int err = db_run(tx->db, Q(BEGIN_WRITE));

	if (!err)
		err = look_at_clocks(s, tx);
	if (err)
		return err;
	apply_one(s, tx, &tick);
	buf_free(&tick.result.why);
	serve_lines(s, tx);
	for (struct change *c = all; c && !tx->err; c = c->next)
		if (c->kind != CHANGE_TICK)
			apply_asked(s, tx, c);
	if (tx->err)
		return tx->err;
	*due = next_due(tx->db, tx->boot, tx->wall);
	return db_run(tx->db, Q(COMMIT));
}

/* Of all that was asked, what has been decided: the rest waits in line. */
static struct change *batch_decided(struct store *s, struct change *all)
{
	struct change *decided = NULL, **end = &decided, *next;

	for (struct change *c = all; c; c = next) {
		next = c->next;
		if (!c->joined || c->served)
			append(c, &end);
	}
	waiters_commit(&s->waiters, append, &end);
	return decided;
}

/* Hand the decided changes back to the loop; it looks, also when there are none. */
static void batch_answer(struct store *s, struct change *all)
{
	struct change **end = &all;
	uint64_t one = 1;

	while (*end)
		end = &(*end)->next;
	(void)pthread_mutex_lock(&s->lock);
	*s->decided_end = all;
	if (all)
		s->decided_end = end;
	(void)pthread_mutex_unlock(&s->lock);
	if (write(s->event_fd, &one, sizeof(one)) < 0 && errno != EAGAIN)
		log_msg(LOG_ERR, "eventfd: %s", errno_text(errno));
}

static struct change *batch_take(struct store *s, int *woken)
{
	struct change *all, **end;

	(void)pthread_mutex_lock(&s->lock);
	all = s->queue;
	s->queue = NULL;
	s->queue_end = &s->queue;
	*woken = s->woken;
	s->woken = 0;
	(void)pthread_mutex_unlock(&s->lock);
	if (!s->again)
		return all;
	for (end = &s->again; *end;)
		end = &(*end)->next;
	*end = all;
	all = s->again;
	s->again = NULL;
	return all;
}

static struct tx tx_now(struct store *s)
{
	struct tx tx = {
		.db = s->writer,
		.world = s->world,
		.boot_id = s->boot_id,
		.wall = s->world->wall_ms(s->world),
		.boot = s->world->boot_ms(s->world),
		.allow = s->allow,
		.seq = s->seq,
		.finish = s->finish,
		.owner = s->owner,
		.tight = s->full,
	};

	return tx;
}

/* On a full disk again, with the room that could be made; what needs room is refused. */
static int batch_again(struct store *s, struct tx *tx, struct change *all, int64_t *due)
{
	store_make_room(s);
	waiters_rollback(&s->waiters);
	*tx = tx_now(s);
	for (struct change *c = all; c; c = c->next) {
		c->result.id = 0;
		buf_clear(&c->result.why);
	}
	return batch_apply(s, tx, all, due);
}

/* All of it, in one transaction; what is decided then. */
static struct change *batch_run(struct store *s, struct change *all)
{
	struct tx tx = tx_now(s);
	int64_t due = INT64_MAX;
	int err;

	if (s->full && ballast_take(s->dir_fd) > 0) {
		log_msg(LOG_NOTICE, "there is room on the disk again");
		s->full = 0;
	}
	err = atomic_load(&s->failed) ? -EIO : batch_apply(s, &tx, all, &due);
	if (err == -ENOSPC)
		err = batch_again(s, &tx, all, &due);
	if (err) {
		waiters_rollback(&s->waiters);
		if (!s->overdue)
			s->overdue = atomic_load(&s->due);
		atomic_store(&s->due, tx.boot + RETRY_MS);
		return batch_failed(s, all, err);
	}
	s->overdue = 0;
	s->seq = tx.seq;
	s->finish = tx.finish;
	clocks_seen(s, &tx);
	atomic_store(&s->seen_bytes, tx.finish);
	atomic_store(&s->seen_seq, tx.seq);
	atomic_store(&s->due, due);
	return batch_decided(s, all);
}

static void give_up(struct change *c, void *arg)
{
	c->result.err = -EINTR;
	append(c, arg);
}

static void turn_away(struct change *c, void *arg)
{
	c->result.err = -ENOTCONN;
	append(c, arg);
}

void writer_run_batch(struct store *s)
{
	struct change *gone = NULL, **end = &gone, *all;
	int woken;

	all = batch_take(s, &woken);
	if (woken)
		waiters_sweep(&s->waiters, 0, give_up, &end);
	if (all || waiters_due(&s->waiters))
		all = batch_run(s, all);
	else if (!gone)
		return;
	*end = all;
	if (atomic_load(&s->failed))
		writer_turn_away(s);
	batch_answer(s, gone);
}

void writer_turn_away(struct store *s)
{
	struct change *gone = NULL, **end = &gone;

	waiters_sweep(&s->waiters, 1, turn_away, &end);
	batch_answer(s, gone);
}

/* Under the lock: until there is something to do. */
static void wait_for_work(struct store *s)
{
	struct timespec until;
	int late = 0;

	(void)clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += AGAIN_S;
	while (!s->queue && !s->stopping && !s->woken && !late)
		if (s->again)
			late = pthread_cond_clockwait(&s->queued, &s->lock, CLOCK_MONOTONIC,
						      &until) == ETIMEDOUT;
		else
			(void)pthread_cond_wait(&s->queued, &s->lock);
}

void *writer_main(void *store)
{
	struct store *s = store;
	int stop;

	do {
		(void)pthread_mutex_lock(&s->lock);
		wait_for_work(s);
		stop = s->stopping && !s->queue;
		(void)pthread_mutex_unlock(&s->lock);
		writer_run_batch(s);
	} while (!stop);
	writer_turn_away(s);
	return NULL;
}
