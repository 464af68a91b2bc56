/*
 * flock: a claim, or a plain mutex, that lasts while a descriptor is open. Who has to
 * wait is not refused: the writer keeps the change in line (backend/waiters.h).
 */
#include <errno.h>

#include "backend/rules.h"
#include "backend/text.h"

/* Who asks: its session, where it has one; 0, or refused. */
static int the_locker(struct tx *tx, struct session *s)
{
	const struct actor *a = tx->actor;

	*s = (struct session){ .name = "-", .uid = a->uid };
	return a->session || a->foreign ? rules_actor(tx, s) : 0;
}

static json_t *locker_body(struct tx *tx, const char *key, const char *name,
			   const struct session *s)
{
	const struct actor *a = tx->actor;

	return json_pack("{s:s,s:s,s:I,s:I,s:I,s:I,s:s}", key, name, "session", s->name,
			 "session_id", (json_int_t)s->id, "uid", (json_int_t)s->uid, "pid",
			 (json_int_t)a->pid, "start", (json_int_t)a->start, "boot", tx->boot_id);
}

static int refuse_shared(struct tx *tx, const char *task)
{
	return tx_refuse(tx, EOPNOTSUPP, "flock -x", "a claim is not shared: %s is a task", task);
}

/*
 * The descriptor of C locked this name before. 1: it still has the lock, 0: it gave it
 * back itself; else refused, since it was taken away.
 */
static int still_locked(struct tx *tx, const struct change *c)
{
	struct grant g;
	struct mutex m;
	int got = read_grant(tx->db, c->token, &g);

	if (!got)
		got = read_mutex(tx->db, c->token, &m) > 0;
	else if (got > 0 && g.ended && grant_is_lost(&g))
		return rules_late(tx, c, &g);
	else if (got > 0 && g.ended)
		return 0;
	else if (got > 0 && c->flags & CHANGE_SHARED)
		return refuse_shared(tx, g.name);
	if (got < 0)
		return tx_fail(tx, got);
	if (got)
		return 1;
	return tx_refuse(tx, ESTALE, "open it anew",
			 "the lock of %s that this descriptor had was taken away", c->name);
}

/* Would it wait for a claim of its own session, it would wait for ever. */
static int check_own(struct tx *tx, const struct task *t, const struct session *s)
{
	struct grant g;
	int64_t token = 0;
	int got = read_grant(tx->db, t->token, &g);

	if (got >= 0 && !(got && g.session == s->id && !g.lock))
		got = db_int(tx->db, &token, Q(OWN_OVERLAP), I(s->uid), I(s->id), I(t->id));
	if (got > 0 && token)
		got = read_grant(tx->db, token, &g);
	if (got < 0)
		return tx_fail(tx, got);
	if (!got)
		return 0;
	return tx_refuse(tx, EDEADLK, "finish it or give it back first",
			 "your own session %s holds %s, and not by flock: this would never end",
			 s->name, g.name);
}

/* Refused with ERR because of tx->blocker: in line, or told so. */
static int must_wait(struct tx *tx, const struct change *c)
{
	if (!(c->flags & CHANGE_WAIT))
		return -EWOULDBLOCK; /* why says what the refusal said */
	buf_clear(&tx->result->why);
	return -EINPROGRESS;
}

static int lock_task(struct tx *tx, const struct change *c, const struct task *t,
		     const struct session *s)
{
	json_t *body;
	int err;

	if (c->flags & CHANGE_SHARED)
		return refuse_shared(tx, t->name);
	err = rules_claimable(tx, c, t);
	if (err && tx->blocker) {
		int own = s->id ? check_own(tx, t, s) : 0;

		return own ? own : must_wait(tx, c);
	}
	if (!err)
		err = rules_limits(tx, s);
	if (!err)
		err = rules_lane(tx, t);
	if (!err)
		err = rules_fresh(tx, c, t, s);
	if (err)
		return err;
	body = locker_body(tx, "task", t->name, s);
	(void)json_object_set_new(body, "task_id", json_integer(t->id));
	(void)json_object_set_new(body, "lock", json_integer(1));
	return rules_emit_grant(tx, "claim", t, body);
}

/* --- plain mutexes --- */

static int refuse_locked(struct tx *tx, const struct change *c, const struct mutex *m)
{
	char when[TIME_TEXT];

	tx->blocker = m->token;
	(void)tx_refuse(tx, EWOULDBLOCK, "wait for it: flock without -n",
			"%s is locked by session %s since %s, by pid %d", m->name, m->holder,
			time_text(m->since, when), m->pid);
	return must_wait(tx, c);
}

/* Who holds the mutex already, in a way that excludes C? 0, or has to wait. */
static int check_free(struct tx *tx, const struct change *c)
{
	AUTO_ROWS *r = db_rows(tx->db, Q(LOCKS_NAMED), T(c->name));
	int shared = (c->flags & CHANGE_SHARED) != 0, got;
	struct mutex m;

	while ((got = mutex_row(r, &m)) > 0)
		if (!shared || !m.shared || tx->behind)
			return refuse_locked(tx, c, &m);
	return got < 0 ? tx_fail(tx, got) : 0;
}

static int lock_mutex(struct tx *tx, const struct change *c, const struct session *s)
{
	json_t *body;
	int err = check_free(tx, c);

	if (err)
		return err;
	if (db_get(tx->db, 0, Q(LOCKS_OF_UID), I(s->uid)) >= read_limit(tx->db, LIMIT_UID_MUTEXES))
		return tx_refuse(
			tx, EDQUOT, "let go of one first",
			"uid %u holds as many mutexes as it may (control/limits uid-mutexes)",
			s->uid);
	body = locker_body(tx, "mutex", c->name, s);
	(void)json_object_set_new(body, "shared", json_integer((c->flags & CHANGE_SHARED) != 0));
	(void)json_object_set_new(body, "token", json_integer(tx->seq + 1));
	tx->result->id = tx->seq + 1;
	return tx_emit(tx, "lock", body);
}

int rule_lock(struct tx *tx, const struct change *c)
{
	struct session s;
	struct task t;
	int got = c->token ? still_locked(tx, c) : 0;
	int err = got < 0 ? got : 0;

	if (got > 0)
		tx->result->id = c->token;
	if (got)
		return err;
	err = the_locker(tx, &s);
	if (!err)
		err = rules_open(tx);
	if (err)
		return err;
	got = read_task_named(tx->db, c->name, &t);
	if (got < 0)
		return tx_fail(tx, got);
	if (c->thing && (!got || t.id != c->thing))
		return tx_refuse(tx, ENOENT, "take another task", "%s was cancelled meanwhile",
				 c->name);
	return got ? lock_task(tx, c, &t, &s) : lock_mutex(tx, c, &s);
}

int rules_unlock(struct tx *tx, const struct mutex *m, const char *reason, const char *note)
{
	json_t *body = json_pack("{s:s,s:I,s:s,s:I,s:I,s:I,s:s}", "mutex", m->name, "token",
				 (json_int_t)m->token, "session", m->holder, "session_id",
				 (json_int_t)m->session, "uid", (json_int_t)m->uid, "pid",
				 (json_int_t)m->pid, "reason", reason);

	if (note)
		(void)json_object_set_new(body, "note", json_string(note));
	return tx_emit(tx, "unlock", body);
}

/* The descriptor was closed. What was taken away or finished before is none of it any more. */
int rule_unlock(struct tx *tx, const struct change *c)
{
	struct grant g;
	struct mutex m;
	int got = read_grant(tx->db, c->token, &g);

	if (got > 0)
		return g.ended ? 0 : tx_emit(tx, "release", rules_grant_body(tx, &g));
	if (!got)
		got = read_mutex(tx->db, c->token, &m);
	if (got < 0)
		return tx_fail(tx, got);
	return got ? rules_unlock(tx, &m, "closed", NULL) : 0;
}
