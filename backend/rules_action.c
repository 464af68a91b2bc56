/*
 * Outward deeds, once: permission to one asker, its result, and fail closed
 * between the two: of what nobody knows whether it was done, nobody does it
 * again by itself.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "backend/action.h"
#include "backend/clean.h"
#include "backend/field.h"
#include "backend/rules.h"
#include "backend/text.h"

/* json: the action, its id and the actor. */
static json_t *body_of(struct tx *tx, const struct action *a)
{
	char name[NAME_BUFFER];

	(void)rules_session_name(tx, tx->actor->session, name);
	return json_pack("{s:s,s:I,s:s,s:I,s:I,s:I}", "action", a->name, "action_id",
			 (json_int_t)a->id, "session", name, "session_id",
			 (json_int_t)tx->actor->session, "uid", (json_int_t)tx->actor->uid, "pid",
			 (json_int_t)tx->actor->pid);
}

/* The action that has the key NAME. 1, 0, or -errno that has been remembered. */
static int find_named(struct tx *tx, const char *name, struct action *out)
{
	int got = read_action_named(tx->db, name, out);

	return got < 0 ? tx_fail(tx, got) : got;
}

/* --- asking --- */

static int refuse_permitted(struct tx *tx, const struct action *a)
{
	char since[TIME_TEXT], until[TIME_TEXT];

	(void)time_text(a->since, since);
	(void)time_text(tx->wall + a->expires - tx->boot, until);
	if (a->session == tx->actor->session)
		return tx_refuse(
			tx, EEXIST,
			"if it was you who asked: act, then echo RESULT >> actions/KEY, or rm actions/KEY when you will not; otherwise leave it",
			"%s is permitted to your own session %s since %s, by pid %d: a second time would be to act twice",
			a->name, a->by, since, a->pid);
	return tx_refuse(
		tx, EEXIST, "leave it, it is being done; cat actions/KEY tells what became of it",
		"%s is permitted to session %s since %s, by pid %d; without a result it is unknown at %s",
		a->name, a->by, since, a->pid, until);
}

static int refuse_taken(struct tx *tx, const struct action *a)
{
	AUTO_FREE char *result = NULL;
	char since[TIME_TEXT], changed[TIME_TEXT];

	if (a->state == ACTION_PERMITTED)
		return refuse_permitted(tx, a);
	(void)time_text(a->since, since);
	(void)time_text(a->changed, changed);
	if (a->state == ACTION_UNKNOWN)
		return tx_refuse(
			tx, EEXIST,
			"look where it would show; then an operator says what is: echo RESULT >> actions/KEY, or rm actions/KEY if it was not done",
			"%s: nobody knows whether it was done. Session %s was permitted since %s, and it is unknown since %s (%s)",
			a->name, a->by, since, changed, a->reason);
	result = db_text(tx->db, Q(ACTION_RESULT), I(a->id));
	return tx_refuse(tx, EEXIST, "nothing to do: cat actions/KEY shows the result",
			 "%s is done since %s, by session %s: %.300s", a->name, changed, a->by,
			 result ? result : "");
}

static int check_queue(struct tx *tx, const char *name)
{
	AUTO_FREE char *limits = tx_attr(tx->db, 0, "actions-limit");
	struct action_queue q;
	char who[640];
	int64_t n;

	if (!action_queue_find(limits, name, &q))
		return 0;
	n = action_queue_count(tx->db, limits, &q, who, sizeof(who));
	if (n < 0)
		return tx_fail(tx, (int)n);
	if (n < q.limit)
		return 0;
	return tx_refuse(
		tx, EDQUOT,
		"wait, or when one of them is over: echo closed >> actions/KEY takes it out of the queue",
		"the queue %s is full: %s%lld open, at most %lld (control/actions-limit)%s%s",
		q.prefix, n > q.limit ? "more than " : "", (long long)q.limit, (long long)q.limit,
		*who ? ": " : "", who);
}

/* Everything that stands between the key of C and a permission, but who has it. */
static int check_ask(struct tx *tx, const struct change *c, struct session *s)
{
	int err = rules_actor(tx, s);

	if (err)
		return err;
	if (name_check(c->name, strlen(c->name)))
		return tx_refuse(
			tx, EINVAL,
			"use 1 to 128 of A-Z a-z 0-9 . _ : @ + # -, not starting with '.', not ending in ~ .swp .tmp",
			"not a key of an action");
	return rules_open(tx);
}

int rule_permit(struct tx *tx, const struct change *c)
{
	struct action a;
	struct session s;
	int got, err = check_ask(tx, c, &s);

	if (err)
		return err;
	got = find_named(tx, c->name, &a);
	if (got)
		return got < 0 ? got : refuse_taken(tx, &a);
	if (c->thing) /* asked for by what was there when it was looked up */
		return tx_refuse(tx, ESTALE, "ask again", "%s has become free meanwhile", c->name);
	err = check_queue(tx, c->name);
	if (err)
		return err;
	tx->result->id = tx->seq + 1;
	return tx_emit(
		tx, "action-permitted",
		json_pack("{s:s,s:s,s:I,s:I,s:I,s:I}", "action", c->name, "session", s.name,
			  "session_id", (json_int_t)s.id, "uid", (json_int_t)s.uid, "pid",
			  (json_int_t)tx->actor->pid, "wait_ms",
			  (json_int_t)field_duration(tx->db, THING_CONTROL, 0, "action-wait")));
}

/* --- what became of it --- */

/* An operator who acts as no session: a person, who can look. Sessions of a fleet that runs as
 * the mount's owner are operators all, and must not clear what nobody knows. */
static int is_person(const struct actor *a)
{
	return a->is_operator && !a->session;
}

/*
 * May the actor say what became of A? Its result the session that was permitted, and a
 * person; that a done one is closed any session of its uid, and operators.
 */
static int check_writer(struct tx *tx, const struct action *a)
{
	struct session s;
	int err = is_person(tx->actor) ? 0 : rules_actor(tx, &s);

	if (err || is_person(tx->actor) || s.id == a->session)
		return err;
	if (a->state == ACTION_DONE && (s.uid == a->uid || tx->actor->is_operator))
		return 0;
	if (a->state == ACTION_DONE)
		return tx_refuse(
			tx, EPERM, "ask a session of that uid, or an operator",
			"%s is done; it is for sessions of uid %u and operators to say that it is closed",
			a->name, a->uid);
	return tx_refuse(tx, EPERM,
			 "leave it; an operator who acts as no session may say what became of it",
			 "%s is permitted to session %s: its result is for that session to write",
			 a->name, a->by);
}

/* One whole line of C's; its length into *N. 0, or refused. */
static int check_line(struct tx *tx, const struct change *c, size_t *n)
{
	static const char next[] = "echo \"what was done, and where\" >> actions/KEY";
	int err;

	*n = c->n - 1;
	if (c->text[*n] != '\n' || !*n)
		return tx_refuse(
			tx, EINVAL, next,
			"a result is one line of text with its newline: half a line is none");
	err = line_check(c->text, *n);
	if (err)
		return tx_refuse(tx, -err, next, "a result is one line of UTF-8 text");
	if (*n > ACTION_RESULT_MAX)
		return tx_refuse(tx, E2BIG, "say where the rest is", "a result is %d bytes at most",
				 ACTION_RESULT_MAX);
	return 0;
}

static int is_closing(const char *text, size_t n)
{
	return n >= 6 && strncmp(text, "closed", 6) == 0 && (n == 6 || text[6] == ' ');
}

static int emit_line(struct tx *tx, const struct action *a, const char *event, const char *key,
		     const char *text, size_t n)
{
	json_t *body = body_of(tx, a);

	(void)json_object_set_new(body, key, json_stringn(text, n));
	return tx_emit(tx, event, body);
}

int rule_result(struct tx *tx, const struct change *c)
{
	struct action a;
	size_t n = 0;
	int err, got = read_action(tx->db, c->thing, &a);

	if (got < 0)
		return tx_fail(tx, got);
	if (!got)
		return tx_refuse(tx, ESTALE, "look again: ls actions/",
				 "that permission is no more: the key was freed meanwhile");
	err = check_writer(tx, &a);
	if (err || !c->n) /* it is only opened: may it be written? */
		return err;
	err = check_line(tx, c, &n);
	if (err)
		return err;
	if (a.state != ACTION_DONE)
		return emit_line(tx, &a, "action-done", "result", c->text, n);
	if (a.closed || !is_closing(c->text, n))
		return refuse_taken(tx, &a);
	return emit_line(tx, &a, "action-closed", "text", c->text, n);
}

/* --- free again --- */

static int refuse_withdraw(struct tx *tx, const struct action *a)
{
	if (a->state == ACTION_DONE)
		return tx_refuse(tx, EPERM, "cat actions/KEY shows the result",
				 "%s is done: that is kept", a->name);
	if (a->state == ACTION_UNKNOWN)
		return tx_refuse(
			tx, EPERM,
			"look where it would show; an operator who acts as no session may then rm it",
			"nobody knows whether %s was done (%s): no session frees it", a->name,
			a->reason);
	return tx_refuse(tx, EPERM,
			 "leave it; when that session has ended it is unknown, and an operator's",
			 "%s is permitted to session %s: only that may withdraw it", a->name,
			 a->by);
}

int rule_withdraw(struct tx *tx, const struct change *c)
{
	struct action a;
	struct session s;
	int err, got = find_named(tx, c->name, &a);

	if (got < 0)
		return got;
	if (!got)
		return tx_refuse(tx, ENOENT, "ls actions/", "there is no action %s", c->name);
	if (a.state == ACTION_UNKNOWN && is_person(tx->actor))
		return tx_emit(tx, "action-cleared", body_of(tx, &a));
	if (a.state != ACTION_PERMITTED || tx->actor->session != a.session)
		return refuse_withdraw(tx, &a);
	err = rules_actor(tx, &s);
	return err ? err : tx_emit(tx, "action-withdrawn", body_of(tx, &a));
}

/* --- what happens by itself --- */

/* By nobody: the session is the one that was permitted. */
static int emit_alone(struct tx *tx, int64_t id, const char *event, const char *reason)
{
	struct action a;
	json_t *body;

	if (read_action(tx->db, id, &a) <= 0)
		return tx_fail(tx, -EIO);
	body = json_pack("{s:s,s:I,s:s,s:I}", "action", a.name, "action_id", (json_int_t)a.id,
			 "session", a.by, "session_id", (json_int_t)a.session);
	if (reason)
		(void)json_object_set_new(body, "reason", json_string(reason));
	return tx_emit(tx, event, body);
}

static int doubt(struct tx *tx, int64_t id, const char *reason)
{
	return emit_alone(tx, id, "action-unknown", reason);
}

static int forget(struct tx *tx, int64_t id, const char *reason)
{
	(void)reason;
	return emit_alone(tx, id, "action-forgotten", NULL);
}

int rules_actions_of_session(struct tx *tx, int64_t session, const char *reason)
{
	return rules_each(tx, BINDS(Q(ACTION_OF_SESSION), I(session)), doubt, reason);
}

int rules_actions_restarted(struct tx *tx)
{
	return rules_each(tx, BINDS(Q(ACTION_PERMITTED)), doubt, "restarted");
}

int rules_actions_due(struct tx *tx)
{
	int64_t keep;
	int err = rules_each(tx, BINDS(Q(ACTION_DUE), I(tx->boot)), doubt, "no-result");

	if (err || !db_get(tx->db, 0, Q(ACTION_OLDEST)))
		return err;
	keep = field_duration(tx->db, THING_CONTROL, 0, "action-retention");
	return rules_each(tx, BINDS(Q(ACTION_OLD), I(tx->wall - keep)), forget, NULL);
}
