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

int rules_each(struct tx *tx, const struct bind *q,
	       int (*one)(struct tx *tx, int64_t id, const char *why), const char *why)
{
	int64_t id = 0;
	int got = 0, err = 0;

	while (!err && (got = db_int_bound(tx->db, &id, q)) > 0)
		err = one(tx, id, why);
	return err || got >= 0 ? err : tx_fail(tx, got);
}

/* --- the end of a session --- */

static int lose_one(struct tx *tx, int64_t token, const char *reason)
{
	struct grant g;

	return read_grant(tx->db, token, &g) > 0 ? rules_lose(tx, &g, reason, NULL) :
						   tx_fail(tx, -EIO);
}

int rules_end_session(struct tx *tx, const struct session *s, const char *reason)
{
	int err = rules_each(tx, BINDS(Q(HELD_NEXT), I(s->id), I(0)), lose_one,
			     strcmp(reason, "exited") == 0 ? reason : "ended");
	json_t *body;

	if (!err)
		err = rules_actions_of_session(tx, s->id, reason);
	if (err)
		return err;
	body = json_pack("{s:s,s:I,s:s}", "session", s->name, "session_id", (json_int_t)s->id,
			 "reason", reason);
	err = rules_put_mark(tx, s, body);
	if (!err)
		return tx_emit(tx, "end", body);
	json_decref(body);
	return err;
}

/* --- time --- */

/*
 * A lease that is due. While a process of its holder lives it renews itself, up to
 * control/lease-max after the last mutation. Who loses it was not idle till now, and
 * has a lease's time to hear of it.
 */
static int lease_due(struct tx *tx, int64_t token, const char *reason)
{
	struct grant g;
	int64_t until;
	int err;

	if (read_grant(tx->db, token, &g) <= 0)
		return tx_fail(tx, -EIO);
	until = min64(tx->boot + g.ttl, g.acted + read_lease_max(tx->db));
	if (until > tx->boot && holder_lives(tx, &g)) {
		err = db_run(tx->db, Q(GRANT_KEEP), I(until), I(tx->boot), I(token));
		return err ? tx_fail(tx, err) : 0;
	}
	err = rules_lose(tx, &g, reason, NULL);
	if (err)
		return err;
	err = db_run(tx->db, Q(IDLE_RENEW), I(tx->boot), I(read_lease(tx->db)), I(g.session));
	return err ? tx_fail(tx, err) : 0;
}

static int drop_mutex(struct tx *tx, int64_t token, const char *reason)
{
	struct mutex m;

	return read_mutex(tx->db, token, &m) > 0 ? rules_unlock(tx, &m, reason, NULL) :
						   tx_fail(tx, -EIO);
}

/* A mutex that was held when the daemon went: the same. */
static int mutex_due(struct tx *tx, int64_t token, const char *reason)
{
	struct mutex m;
	int64_t until;
	int err;

	if (read_mutex(tx->db, token, &m) <= 0)
		return tx_fail(tx, -EIO);
	until = min64(tx->boot + read_lease(tx->db), m.acted + read_lease_max(tx->db));
	if (until <= tx->boot || !is_alive(tx, m.pid, m.start, m.boot))
		return rules_unlock(tx, &m, reason, NULL);
	err = db_run(tx->db, Q(LOCK_KEEP), I(until), I(token));
	return err ? tx_fail(tx, err) : 0;
}

/* An idle session ends; one that holds claims or has members stays a lease more. */
static int idle_due(struct tx *tx, int64_t id, const char *reason)
{
	struct session s;

	if (read_session(tx->db, id, &s) <= 0)
		return tx_fail(tx, -EIO);
	if (session_lives(tx, id) || db_get(tx->db, 0, Q(CLAIMS_OF_SESSION), I(id)))
		return db_run(tx->db, Q(IDLE_RENEW), I(tx->boot), I(read_lease(tx->db)), I(id));
	return rules_end_session(tx, &s, reason);
}

static int daily_due(struct tx *tx, int64_t id, const char *event)
{
	struct task t;

	return read_task(tx->db, id, &t) > 0 ? tx_emit(tx, event, rules_body(tx, &t)) :
					       tx_fail(tx, -EIO);
}

/* The one place where time ends things. */
int rule_tick(struct tx *tx, const struct change *c)
{
	int err;

	(void)c;
	err = rules_each(tx, BINDS(Q(LEASE_DUE), I(tx->boot)), lease_due, "expired");
	if (!err)
		err = rules_each(tx, BINDS(Q(LOCK_DUE), I(tx->boot)), mutex_due, "expired");
	if (!err)
		err = rules_each(tx, BINDS(Q(IDLE_DUE), I(tx->boot)), idle_due, "idle");
	if (!err)
		err = rules_each(tx, BINDS(Q(DAILY_DUE), I(tx->wall)), daily_due, "due");
	return err ? err : rules_actions_due(tx);
}

/* --- processes --- */

static int end_one(struct tx *tx, int64_t id, const char *reason)
{
	struct session s;

	return read_session(tx->db, id, &s) > 0 ? rules_end_session(tx, &s, reason) :
						  tx_fail(tx, -EIO);
}

/* It lived till now: so long did its session's leases renew themselves. */
static int member_left(struct tx *tx, const struct change *c)
{
	struct session s;
	int64_t id = 0;
	int err, got = db_int(tx->db, &id, Q(MEMBER), I(c->pid), I(c->start), T(c->text));

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
	return tx_emit(tx, "left", rules_process_body(&s, c));
}

/* A process is gone; whoever says so while it runs is mistaken. */
int rule_exit(struct tx *tx, const struct change *c)
{
	int err;

	if (strcmp(c->text, tx->boot_id) == 0 && tx->world->alive(tx->world, c->pid, c->start) == 1)
		return 0;
	err = rules_each(tx, BINDS(Q(ANCHORED), I(c->pid), I(c->start), T(c->text)), end_one,
			 "exited");
	if (!err)
		err = member_left(tx, c);
	/* what it had locked when the daemon was restarted; else the kernel tells */
	if (!err)
		err = rules_each(tx, BINDS(Q(GRANT_GONE), I(c->pid), I(c->start), T(c->text)),
				 lose_one, "exited");
	return err ? err :
		     rules_each(tx, BINDS(Q(LOCK_GONE), I(c->pid), I(c->start), T(c->text)),
				drop_mutex, "exited");
}
