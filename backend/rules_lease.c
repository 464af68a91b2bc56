/*
 * What ends by itself: leases, idle sessions, daily tasks, and what a process
 * held that has exited. Leases count in ms since boot.
 */
#include <errno.h>
#include <string.h>

#include "backend/rules.h"

static int64_t min64(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

int rules_renew(struct tx *tx, int64_t session)
{
	int err;

	if (!session)
		return 0;
	err = db_run(tx->db, Q(LEASES_RENEW), I(tx->boot), I(tx->wall), I(session), I(tx->allow));
	if (!err)
		err = db_run(tx->db, Q(IDLE_RENEW), I(tx->boot), I(read_lease(tx->db)), I(session));
	return err ? tx_fail(tx, err) : 0;
}

/* --- who lives --- */

/* What cannot be looked at counts as alive; of another boot nothing is. */
static int is_alive(struct tx *tx, int64_t pid, int64_t start, const char *boot)
{
	return strcmp(boot, tx->boot_id) == 0 &&
	       tx->world->alive(tx->world, (int32_t)pid, start) != 0;
}

static int any_alive(struct tx *tx, enum sql of, int64_t session)
{
	struct bind q[] = { { .type = 'q', .i = of }, I(session), { .type = 0 } };
	AUTO_ROWS *r = db_rows_bound(tx->db, q);

	while (rows_next(r) > 0)
		if (is_alive(tx, rows_int(r, 0), rows_int(r, 1), rows_text(r, 2)))
			return 1;
	return 0;
}

/* Its anchor, or a process that joined it. */
static int session_lives(struct tx *tx, int64_t session)
{
	return session &&
	       (any_alive(tx, SQL_ANCHOR_OF, session) || any_alive(tx, SQL_MEMBERS_OF, session));
}

static int holder_lives(struct tx *tx, const struct grant *g)
{
	return (g->lock && is_alive(tx, g->pid, g->start, g->boot)) ||
	       session_lives(tx, g->session);
}

/* --- the end of a session --- */

/* What SESSION holds, one grant after the other; REASON as in `lost`. */
static int lose_all(struct tx *tx, int64_t session, const char *reason)
{
	struct grant g;
	int64_t token = 0;
	int got = 0, err = 0;

	while (!err && (got = db_int(tx->db, &token, Q(HELD_NEXT), I(session), I(token))) > 0) {
		got = read_grant(tx->db, token, &g);
		err = got > 0 ? rules_lose(tx, &g, reason, NULL) : tx_fail(tx, -EIO);
	}
	return err || got >= 0 ? err : tx_fail(tx, got);
}

int rules_end_session(struct tx *tx, const struct session *s, const char *reason)
{
	int err = lose_all(tx, s->id, strcmp(reason, "exited") == 0 ? reason : "ended");

	if (err)
		return err;
	return tx_emit(tx, "end",
		       json_pack("{s:s,s:I,s:s}", "session", s->name, "session_id",
				 (json_int_t)s->id, "reason", reason));
}

/* --- time --- */

/*
 * A lease that is due. While a process of its holder lives it renews itself, up to
 * control/lease-max after the last mutation. Who loses it was not idle till now, and
 * has a lease's time to hear of it.
 */
static int lease_due(struct tx *tx, const struct grant *g)
{
	int64_t until = min64(tx->boot + g->ttl, g->acted + read_lease_max(tx->db));
	int err;

	if (until > tx->boot && holder_lives(tx, g)) {
		err = db_run(tx->db, Q(GRANT_KEEP), I(until), I(tx->boot), I(g->token));
		return err ? tx_fail(tx, err) : 0;
	}
	err = rules_lose(tx, g, "expired", NULL);
	if (err)
		return err;
	err = db_run(tx->db, Q(IDLE_RENEW), I(tx->boot), I(read_lease(tx->db)), I(g->session));
	return err ? tx_fail(tx, err) : 0;
}

static int expire_leases(struct tx *tx)
{
	struct grant g;
	int64_t token = 0;
	int got = 0, err = 0;

	while (!err && (got = db_int(tx->db, &token, Q(LEASE_DUE), I(tx->boot))) > 0) {
		got = read_grant(tx->db, token, &g);
		err = got > 0 ? lease_due(tx, &g) : tx_fail(tx, -EIO);
	}
	return err || got >= 0 ? err : tx_fail(tx, got);
}

/* A mutex that was held when the daemon went: the same. */
static int mutex_due(struct tx *tx, const struct mutex *m)
{
	int64_t until = min64(tx->boot + read_lease(tx->db), m->acted + read_lease_max(tx->db));
	int err;

	if (until <= tx->boot || !is_alive(tx, m->pid, m->start, m->boot))
		return rules_unlock(tx, m, "expired", NULL);
	err = db_run(tx->db, Q(LOCK_KEEP), I(until), I(m->token));
	return err ? tx_fail(tx, err) : 0;
}

static int expire_mutexes(struct tx *tx)
{
	struct mutex m;
	int64_t token = 0;
	int got = 0, err = 0;

	while (!err && (got = db_int(tx->db, &token, Q(LOCK_DUE), I(tx->boot))) > 0) {
		got = read_mutex(tx->db, token, &m);
		err = got > 0 ? mutex_due(tx, &m) : tx_fail(tx, -EIO);
	}
	return err || got >= 0 ? err : tx_fail(tx, got);
}

/* An idle session ends; one that holds claims or has members stays a lease more. */
static int end_idle(struct tx *tx)
{
	struct session s;
	int64_t id = 0;
	int got = 0, err = 0;

	while (!err && (got = db_int(tx->db, &id, Q(IDLE_DUE), I(tx->boot))) > 0) {
		if (read_session(tx->db, id, &s) <= 0)
			return tx_fail(tx, -EIO);
		if (session_lives(tx, id) || db_get(tx->db, 0, Q(CLAIMS_OF_SESSION), I(id)))
			err = db_run(tx->db, Q(IDLE_RENEW), I(tx->boot), I(read_lease(tx->db)),
				     I(id));
		else
			err = rules_end_session(tx, &s, "idle");
	}
	return err || got >= 0 ? err : tx_fail(tx, got);
}

static int reopen_daily(struct tx *tx)
{
	struct task t;
	int64_t id = 0;
	int got = 0, err = 0;

	while (!err && (got = db_int(tx->db, &id, Q(DAILY_DUE), I(tx->wall))) > 0) {
		got = read_task(tx->db, id, &t);
		err = got > 0 ? tx_emit(tx, "due", rules_body(tx, &t)) : tx_fail(tx, -EIO);
	}
	return err || got >= 0 ? err : tx_fail(tx, got);
}

/* The one place where time ends things. */
int rule_tick(struct tx *tx, const struct change *c)
{
	int err;

	(void)c;
	err = expire_leases(tx);
	if (!err)
		err = expire_mutexes(tx);
	if (!err)
		err = end_idle(tx);
	return err ? err : reopen_daily(tx);
}

/* --- processes --- */

/* The next session or token that hangs on the process of C. 1, 0 or an error. */
static int next_of(struct tx *tx, enum sql what, const struct change *c, int64_t *out)
{
	struct bind q[] = {
		{ .type = 'q', .i = what }, I(c->pid), I(c->start), T(c->text), { .type = 0 }
	};

	return db_int_bound(tx->db, out, q);
}

static int end_anchored(struct tx *tx, const struct change *c)
{
	struct session s;
	int64_t id = 0;
	int got = 0, err = 0;

	while (!err && (got = next_of(tx, SQL_ANCHORED, c, &id)) > 0) {
		got = read_session(tx->db, id, &s);
		err = got > 0 ? rules_end_session(tx, &s, "exited") : tx_fail(tx, -EIO);
	}
	return err || got >= 0 ? err : tx_fail(tx, got);
}

/* It lived till now: so long did its session's leases renew themselves. */
static int member_left(struct tx *tx, const struct change *c)
{
	struct session s;
	int64_t id = 0;
	int err, got = next_of(tx, SQL_MEMBER, c, &id);

	if (got <= 0)
		return got ? tx_fail(tx, got) : 0;
	if (read_session(tx->db, id, &s) <= 0)
		return tx_fail(tx, -EIO);
	err = 0;
	if (strcmp(c->text, tx->boot_id) == 0)
		err = db_run(tx->db, Q(LEASES_KEEP), I(tx->boot), I(id), I(read_lease_max(tx->db)));
	if (!err)
		err = db_run(tx->db, Q(IDLE_RENEW), I(tx->boot), I(read_lease(tx->db)), I(id));
	if (err)
		return tx_fail(tx, err);
	return tx_emit(tx, "left",
		       json_pack("{s:s,s:I,s:I,s:I,s:s}", "session", s.name, "session_id",
				 (json_int_t)id, "pid", (json_int_t)c->pid, "start",
				 (json_int_t)c->start, "boot", c->text));
}

/* What it had locked when the daemon was restarted; else the kernel tells. */
static int drop_locks(struct tx *tx, const struct change *c)
{
	struct mutex m;
	struct grant g;
	int64_t token = 0;
	int got = 0, err = 0;

	while (!err && (got = next_of(tx, SQL_GRANT_GONE, c, &token)) > 0) {
		got = read_grant(tx->db, token, &g);
		err = got > 0 ? rules_lose(tx, &g, "exited", NULL) : tx_fail(tx, -EIO);
	}
	while (!err && got >= 0 && (got = next_of(tx, SQL_LOCK_GONE, c, &token)) > 0) {
		got = read_mutex(tx->db, token, &m);
		err = got > 0 ? rules_unlock(tx, &m, "exited", NULL) : tx_fail(tx, -EIO);
	}
	return err || got >= 0 ? err : tx_fail(tx, got);
}

/* A process is gone; whoever says so while it runs is mistaken. */
int rule_exit(struct tx *tx, const struct change *c)
{
	int err;

	if (strcmp(c->text, tx->boot_id) == 0 && tx->world->alive(tx->world, c->pid, c->start) == 1)
		return 0;
	err = end_anchored(tx, c);
	if (!err)
		err = member_left(tx, c);
	return err ? err : drop_locks(tx, c);
}
