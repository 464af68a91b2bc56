/* Sessions: register, join, renew, end. */
#include <errno.h>
#include <string.h>

#include "backend/clean.h"
#include "backend/grade.h"
#include "backend/message.h"
#include "backend/rules.h"
#include "backend/text.h"

int rules_session(struct tx *tx, const struct change *c, struct session *out)
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

	if (name_check(c->name, strlen(c->name)) || strcmp(c->name, GRADE_IMPORT) == 0 ||
	    strcmp(c->name, MESSAGE_MOUNT) == 0)
		return tx_refuse(
			tx, EINVAL,
			"use 1 to 128 of A-Z a-z 0-9 . _ : @ + # -, not starting with '.', not ending in ~ .swp .tmp; `import` and `coordfs` are taken",
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
	(void)json_object_set_new(body, "bases", rules_heads(tx));
	tx->result->id = tx->seq + 1;
	return tx_emit(tx, "register", body);
}

int rule_end(struct tx *tx, const struct change *c)
{
	struct session s;
	int err = rules_session(tx, c, &s);

	if (!err && s.ended)
		return 0;
	if (!err)
		err = rules_may(tx, RIGHT_SESSION, NULL, &s);
	return err ? err : rules_end_session(tx, &s, c->kind == CHANGE_SET ? "outcome" : "removed");
}

int rule_chown(struct tx *tx, const struct change *c)
{
	struct session s;
	int err = rules_session(tx, c, &s);

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
	int got, err = rules_session(tx, c, &s);

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

int rules_own_session(struct tx *tx, const struct change *c, struct session *out)
{
	int err = rules_session(tx, c, out);

	if (!err)
		err = rules_may(tx, RIGHT_SESSION, NULL, out);
	if (err)
		return err;
	if (out->ended)
		return tx_refuse(tx, ESTALE, "register a new session", "session %s has ended",
				 out->name);
	return 0;
}

json_t *rules_process_body(const struct session *s, const struct change *c)
{
	return json_pack("{s:s,s:I,s:I,s:I,s:s}", "session", s->name, "session_id",
			 (json_int_t)s->id, "pid", (json_int_t)c->pid, "start",
			 (json_int_t)c->start, "boot", c->text);
}

int rule_join(struct tx *tx, const struct change *c)
{
	struct session s;
	int64_t other = 0;
	int err = rules_own_session(tx, c, &s);

	if (err)
		return err;
	if (db_int(tx->db, &other, Q(MEMBER), I(c->pid), I(c->start), T(c->text)) > 0) {
		if (other == s.id)
			return 0;
		return tx_refuse(tx, EBUSY, "a process is in one session",
				 "process %d is in another session", c->pid);
	}
	return tx_emit(tx, "join", rules_process_body(&s, c));
}

/* Several sessions may end with one process: a launcher's. */
int rule_anchor(struct tx *tx, const struct change *c)
{
	AUTO_ROWS *r = NULL;
	struct session s;
	int64_t pid = 0, start = 0;
	int err = rules_own_session(tx, c, &s);

	if (err)
		return err;
	r = db_rows(tx->db, Q(ANCHOR_OF), I(s.id));
	if (rows_next(r) > 0 && strcmp(rows_text(r, 2), tx->boot_id) == 0) {
		pid = rows_int(r, 0);
		start = rows_int(r, 1);
	}
	rows_end(&r);
	if (pid == c->pid && (!pid || start == c->start))
		return 0;
	return tx_emit(tx, "anchor", rules_process_body(&s, c));
}
