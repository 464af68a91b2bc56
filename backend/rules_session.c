/* Sessions: register, join, renew, end; and what time ends by itself. */
#include <errno.h>
#include <string.h>

#include "backend/clean.h"
#include "backend/rules.h"
#include "backend/text.h"

/* The session a change is about: 0, or refused. */
static int the_session(struct tx *tx, const struct change *c, struct session *out)
{
	int got = read_session(tx->db, c->thing, out);

	if (got < 0)
		return tx_fail(tx, got);
	return got ? 0 :
		     tx_refuse(tx, ESTALE, "look again: ls sessions/", "that session is not there");
}

int rule_register(struct tx *tx, const struct change *c)
{
	struct session s;
	json_t *body;
	int got;

	if (name_check(c->name, strlen(c->name)))
		return tx_refuse(
			tx, EINVAL,
			"use 1 to 128 of A-Z a-z 0-9 . _ : @ + # -, not starting with '.', not ending in ~ .swp .tmp",
			"not a name for a session");
	got = read_session_named(tx->db, c->name, &s);
	if (got < 0)
		return tx_fail(tx, got);
	if (got)
		return tx_refuse(tx, EEXIST, "choose another id: an id is never used twice",
				 "session %s %s", s.name, s.ended ? "has ended" : "is registered");
	body = json_pack("{s:s,s:I,s:I,s:I,s:I}", "session", c->name, "uid",
			 (json_int_t)tx->actor->uid, "gid", (json_int_t)tx->actor->gid, "pid",
			 (json_int_t)tx->actor->pid, "lease_ms", (json_int_t)read_lease(tx->db));
	tx->result->id = tx->seq + 1;
	return tx_emit(tx, "register", body);
}

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

static int end_session(struct tx *tx, const struct session *s, const char *reason)
{
	int err = lose_all(tx, s->id, "ended");

	if (err)
		return err;
	return tx_emit(tx, "end",
		       json_pack("{s:s,s:I,s:s}", "session", s->name, "session_id",
				 (json_int_t)s->id, "reason", reason));
}

int rule_end(struct tx *tx, const struct change *c)
{
	struct session s;
	int err = the_session(tx, c, &s);

	if (!err && s.ended)
		return 0;
	if (!err)
		err = rules_may(tx, RIGHT_SESSION, NULL, &s);
	return err ? err : end_session(tx, &s, c->kind == CHANGE_SET ? "outcome" : "removed");
}

int rule_chown(struct tx *tx, const struct change *c)
{
	struct session s;
	int err = the_session(tx, c, &s);

	if (!err)
		err = rules_may(tx, RIGHT_OPERATOR, NULL, NULL);
	if (!err && s.ended)
		return tx_refuse(tx, ESTALE, "register a new one", "session %s has ended", s.name);
	if (!err && db_get(tx->db, 0, Q(CLAIMS_OF_SESSION), I(s.id)))
		return tx_refuse(tx, EBUSY, "give its claims back first",
				 "session %s holds claims, which count for its uid", s.name);
	if (err)
		return err;
	return tx_emit(tx, "chown",
		       json_pack("{s:s,s:I,s:I,s:I}", "session", s.name, "session_id",
				 (json_int_t)s.id, "from_uid", (json_int_t)s.uid, "to_uid",
				 (json_int_t)c->uid));
}

/* Report a loss once; the rest has been renewed by then. */
int rule_renew(struct tx *tx, const struct change *c)
{
	char when[TIME_TEXT];
	struct session s;
	struct grant g;
	int64_t token = 0;
	int got, err = the_session(tx, c, &s);

	if (!err)
		err = rules_may(tx, RIGHT_SESSION, NULL, &s);
	if (!err)
		err = rules_actor(tx, &s);
	if (err)
		return err;
	got = db_int(tx->db, &token, Q(UNREPORTED), I(s.id));
	if (got <= 0)
		return got ? tx_fail(tx, got) : 0;
	if (read_grant(tx->db, token, &g) <= 0)
		return tx_fail(tx, -EIO);
	err = rules_renew(tx, s.id);
	if (!err)
		err = tx_emit(tx, "reported",
			      json_pack("{s:s,s:I,s:I,s:s,s:I}", "task", g.name, "task_id",
					(json_int_t)g.task, "token", (json_int_t)g.token, "session",
					s.name, "session_id", (json_int_t)s.id));
	if (err)
		return err;
	tx->keep = 1;
	return tx_refuse(
		tx, EKEYEXPIRED,
		"stop working on it; touch again to hear of the next loss; the rest is renewed",
		"session %s lost %s (token %lld) at %s: %s", s.name, g.name, (long long)g.token,
		time_text(g.ended, when), g.how);
}

int rule_join(struct tx *tx, const struct change *c)
{
	struct session s;
	int64_t other = 0;
	int err = the_session(tx, c, &s);

	if (!err)
		err = rules_may(tx, RIGHT_SESSION, NULL, &s);
	if (err)
		return err;
	if (s.ended)
		return tx_refuse(tx, ESTALE, "register a new one", "session %s has ended", s.name);
	if (db_int(tx->db, &other, Q(MEMBER), I(c->pid), I(c->start), T(c->text)) > 0) {
		if (other == s.id)
			return 0;
		return tx_refuse(tx, EBUSY, "a process is in one session",
				 "process %d is in another session", c->pid);
	}
	return tx_emit(tx, "join",
		       json_pack("{s:s,s:I,s:I,s:I,s:s}", "session", s.name, "session_id",
				 (json_int_t)s.id, "pid", (json_int_t)c->pid, "start",
				 (json_int_t)c->start, "boot", c->text));
}

/* --- time --- */

/* Its holder was not idle till now, and has a lease's time to hear of the loss. */
static int expire_leases(struct tx *tx)
{
	struct grant g;
	int64_t token = 0;
	int got = 0, err = 0;

	while (!err && (got = db_int(tx->db, &token, Q(LEASE_DUE), I(tx->boot))) > 0) {
		got = read_grant(tx->db, token, &g);
		err = got > 0 ? rules_lose(tx, &g, "expired", NULL) : tx_fail(tx, -EIO);
		if (!err)
			err = db_run(tx->db, Q(IDLE_RENEW), I(tx->boot), I(read_lease(tx->db)),
				     I(g.session));
	}
	return err || got >= 0 ? err : tx_fail(tx, got);
}

/* Does a process that joined SESSION live? What cannot be looked at counts as alive. */
static int members_alive(struct tx *tx, int64_t session)
{
	AUTO_ROWS *r = db_rows(tx->db, Q(MEMBERS_OF), I(session));

	while (rows_next(r) > 0) {
		if (strcmp(rows_text(r, 2), tx->boot_id) == 0 &&
		    tx->world->alive(tx->world, (int32_t)rows_int(r, 0), rows_int(r, 1)) != 0)
			return 1;
	}
	return 0;
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
		if (members_alive(tx, id) || db_get(tx->db, 0, Q(CLAIMS_OF_SESSION), I(id)))
			err = db_run(tx->db, Q(IDLE_RENEW), I(tx->boot), I(read_lease(tx->db)),
				     I(id));
		else
			err = end_session(tx, &s, "idle");
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
		err = end_idle(tx);
	return err ? err : reopen_daily(tx);
}
