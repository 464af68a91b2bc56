/* What several rules share: who may, which task, which session. */
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "backend/clean.h"
#include "backend/rules.h"
#include "backend/text.h"

const char *rules_session_name(struct tx *tx, int64_t id, char out[NAME_BUFFER])
{
	struct session s;

	(void)snprintf(out, NAME_BUFFER, "%s",
		       id && read_session(tx->db, id, &s) > 0 ? s.name : "-");
	return out;
}

json_t *rules_body(struct tx *tx, const struct task *t)
{
	char name[NAME_BUFFER];

	(void)rules_session_name(tx, tx->actor->session, name);
	return json_pack("{s:s,s:I,s:s,s:I,s:I,s:I}", "task", t->name, "task_id", (json_int_t)t->id,
			 "session", name, "session_id", (json_int_t)tx->actor->session, "uid",
			 (json_int_t)tx->actor->uid, "pid", (json_int_t)tx->actor->pid);
}

int rules_task(struct tx *tx, const char *name, struct task *out)
{
	int got = read_task_named(tx->db, name, out);

	if (got < 0)
		return tx_fail(tx, got);
	if (!got)
		return tx_refuse(
			tx, ENOENT,
			"look at the name: ls ready/ blocked/ ideas/ (mkdir tasks/NAME drafts a new one)",
			"there is no task %s", name);
	return 0;
}

static int refuse_foreign(struct tx *tx, const struct session *s)
{
	return tx_refuse(tx, EPERM, "act as a session of your own uid",
			 "session %s belongs to uid %u, you are uid %u", s->name, s->uid,
			 tx->actor->uid);
}

int rules_actor(struct tx *tx, struct session *out)
{
	const struct actor *a = tx->actor;
	int got;

	if (!a->session && a->foreign && read_session(tx->db, a->foreign, out) > 0)
		return refuse_foreign(tx, out);
	if (!a->session)
		return tx_refuse(
			tx, ENOKEY,
			"mkdir sessions/ID, then act through sessions/ID/claims/, export COORD_SESSION=ID, or start with coordfs run",
			"no session: uid %u, pid %d belongs to none", a->uid, a->pid);
	got = read_session(tx->db, a->session, out);
	if (got < 0)
		return tx_fail(tx, got);
	if (!got || out->ended)
		return tx_refuse(
			tx, ESTALE,
			"register a new one: mkdir sessions/NEWID (ids are never used twice)",
			"session %s has ended", got ? out->name : "?");
	return out->uid == a->uid || a->is_operator ? 0 : refuse_foreign(tx, out);
}

int rules_open(struct tx *tx)
{
	AUTO_FREE char *estop = tx_attr(tx->db, 0, "estop");

	if (!estop)
		return 0;
	return tx_refuse(
		tx, EROFS,
		"finish or give back what you hold, take nothing new; wait until control/estop is empty",
		"the board is closed (control/estop): %s", estop);
}

int rules_is_holder(struct tx *tx, const struct grant *g)
{
	if (g->lock)
		return rules_is_locker(tx, g);
	return g->session && g->session == tx->actor->session;
}

static int may_task(struct tx *tx, const struct task *t, const struct grant *g)
{
	const struct actor *a = tx->actor;

	if (t->token)
		return rules_is_holder(tx, g);
	if (t->drafter)
		return t->drafter == a->session;
	return !a->session && t->uid == a->uid;
}

static int may_result(struct tx *tx, const struct task *t, const struct grant *g)
{
	struct grant last;
	int64_t at;

	if (t->token)
		return rules_is_holder(tx, g);
	if (t->state == TASK_DONE && read_finished(tx->db, t->id, &last, &at) > 0)
		return last.session && last.session == tx->actor->session;
	return may_task(tx, t, g);
}

static int refuse_right(struct tx *tx, enum right right, const struct task *t,
			const struct grant *g)
{
	char who[NAME_BUFFER];

	if (right == RIGHT_OWNER)
		return tx_refuse(tx, EPERM, "ask the owner of the mount",
				 "this is for the owner of the mount alone");
	if (right == RIGHT_OPERATOR)
		return tx_refuse(
			tx, EPERM, "ask an operator",
			"this is for operators: root, the mount's owner, the operators' group");
	if (right == RIGHT_SESSION)
		return tx_refuse(tx, EPERM, "write to your own session",
				 "a session's files are its own");
	assert(t);
	if (t->token)
		return tx_refuse(tx, EPERM, "claim it when it is free, or ask the holder",
				 "task %s is held by session %s: only its holder changes it",
				 t->name, g->holder);
	if (!t->drafter)
		return tx_refuse(
			tx, EPERM, "claim it first: what you hold you may change",
			"task %s was drafted by uid %u without a session: sessions change it only while they hold it",
			t->name, t->uid);
	return tx_refuse(
		tx, EPERM, "claim it first: what you hold you may change",
		"task %s was drafted by session %s: others change it only while they hold it",
		t->name, rules_session_name(tx, t->drafter, who));
}

/* Nobody acts as a session of another uid, nor as one that has ended. */
static int check_own(struct tx *tx)
{
	struct session s;

	return tx->actor->session && !tx->actor->is_operator ? rules_actor(tx, &s) : 0;
}

int rules_may_thing(struct tx *tx, enum right right, const struct thing *th)
{
	if (right != RIGHT_MAKER)
		return rules_may(tx, right, NULL, NULL);
	if (th->uid == tx->actor->uid)
		return 0;
	return tx->actor->is_operator ? 0 :
					tx_refuse(tx, EPERM, "ask who made it, or an operator",
						  "%s %s is for uid %u, who made it, and operators",
						  thing_words[th->kind], th->name, th->uid);
}

/* The one place where rule 7 is decided. */
int rules_may(struct tx *tx, enum right right, const struct task *t, const struct session *s)
{
	const struct actor *a = tx->actor;
	struct grant g = { .token = 0 };
	int may, err = right <= RIGHT_RESULT ? check_own(tx) : 0;

	assert(t || (right != RIGHT_TASK && right != RIGHT_RESULT));
	if (err)
		return err;
	if (t && t->token && read_grant(tx->db, t->token, &g) < 0)
		return tx_fail(tx, -EIO);
	switch (right) {
	case RIGHT_ANY:
		may = 1;
		break;
	case RIGHT_TASK:
		may = a->is_operator || may_task(tx, t, &g);
		break;
	case RIGHT_RESULT:
		may = a->is_operator || may_result(tx, t, &g);
		break;
	case RIGHT_SESSION:
		may = a->is_operator || (s && a->session == s->id && a->uid == s->uid);
		break;
	case RIGHT_OPERATOR:
		may = a->is_operator;
		break;
	default:
		may = a->is_owner;
		break;
	}
	return may ? 0 : refuse_right(tx, right, t, &g);
}
