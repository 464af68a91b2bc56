/* The claim: taken whole or not at all, extended, finished, given back, lost. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend/clean.h"
#include "backend/conflict.h"
#include "backend/rules.h"
#include "backend/text.h"

static const char *const next_busy =
	"take another task (ls ready/), or wait for this one; coordinate with the holder";

/* "held by session S since .. until .." of the grant TOKEN, for a refusal. */
static const char *say_holder(struct tx *tx, int64_t token, char *out, size_t n)
{
	char since[TIME_TEXT], until[TIME_TEXT];
	struct grant g;

	if (read_grant(tx->db, token, &g) <= 0)
		(void)snprintf(out, n, "held");
	else if (g.lock == GRANT_LOCK)
		(void)snprintf(out, n, "locked by session %s since %s, until pid %d lets go",
			       g.holder, time_text(g.since, since), g.pid);
	else
		(void)snprintf(out, n,
			       "held by session %s since %s, by pid %d, until %s unless renewed",
			       g.holder, time_text(g.since, since), g.pid,
			       time_text(tx->wall + g.expires - tx->boot, until));
	return out;
}

static int refuse_lost(struct tx *tx, const struct grant *g)
{
	char when[TIME_TEXT];

	return tx_refuse(
		tx, ESTALE,
		"stop this work, and touch sessions/ID; to start it again, knowingly: mv ready/TASK claims/",
		"your session %s lost %s at %s (%s); what it wrote since then is not covered",
		g->holder, g->name, time_text(g->ended, when), g->how);
}

/* Did this session lose the task the last time it had it? */
static int was_lost(struct tx *tx, const char *task, struct grant *out)
{
	return read_lost(tx->db, tx->actor->session, task, out);
}

static int refuse_held(struct tx *tx, const struct task *t)
{
	char holder[512];
	struct grant g;

	tx->blocker = t->token;
	if (read_grant(tx->db, t->token, &g) > 0 && g.session && g.session == tx->actor->session)
		return tx_refuse(
			tx, EEXIST,
			"go on with it if you are the one; if another worker of your session has it, take another task",
			"%s is %s: your own session has it already", t->name,
			say_holder(tx, t->token, holder, sizeof(holder)));
	return tx_refuse(tx, EBUSY, next_busy, "%s is %s", t->name,
			 say_holder(tx, t->token, holder, sizeof(holder)));
}

static int refuse_done(struct tx *tx, const struct task *t)
{
	struct grant g = { .holder = "-" };
	char when[TIME_TEXT];
	int64_t at = 0;

	if (read_finished(tx->db, t->id, &g, &at) < 0)
		return tx_fail(tx, -EIO);
	return tx_refuse(tx, EEXIST,
			 "take another task; to have it done again: mv done/TASK ready/",
			 "%s is done: finished by session %s at %s", t->name, g.holder,
			 time_text(at, when));
}

static int refuse_need(struct tx *tx, const struct task *t)
{
	AUTO_ROWS *r = db_rows(tx->db, Q(NEEDS_UNMET), I(t->id));
	const char *need = "?", *state = "not done";

	if (rows_next(r) > 0) {
		need = rows_text(r, 0);
		state = rows_text(r, 1);
	}
	return tx_refuse(tx, EBUSY, "take another task, or do the needed one first",
			 "%s needs %s, which is %s", t->name, need, state);
}

static int refuse_conflict(struct tx *tx, const char *what, const struct conflict *by)
{
	char holder[512];
	struct task other = { .name = "?", .token = 0 };

	(void)read_task(tx->db, by->task, &other);
	tx->blocker = other.token;
	return tx_refuse(tx, EBUSY, next_busy, "%s overlaps %s of task %s, which is %s",
			 artifact_show(what, ""), artifact_show(by->name, ""), other.name,
			 say_holder(tx, other.token, holder, sizeof(holder)));
}

static int check_artifacts(struct tx *tx, const struct task *t)
{
	AUTO_ROWS *r = db_rows(tx->db, Q(ARTIFACTS_OF), I(t->id));
	struct conflict by;
	int64_t n = 0, wide = 0;
	int got;

	while ((got = rows_next(r)) > 0) {
		n++;
		wide += rows_int(r, 1);
		got = conflict_find(tx->db, t->id, rows_text(r, 0), &by);
		if (got < 0)
			return tx_fail(tx, got);
		if (got)
			return refuse_conflict(tx, rows_text(r, 0), &by);
	}
	if (got < 0)
		return tx_fail(tx, got);
	if (n > read_limit(tx->db, LIMIT_CLAIM_ARTIFACTS))
		return tx_refuse(
			tx, EDQUOT, "split the task",
			"%s names %lld artifacts, more than a claim may hold (control/limits claim-artifacts)",
			t->name, (long long)n);
	if (wide > read_limit(tx->db, LIMIT_WIDE_ARTIFACTS))
		return tx_refuse(
			tx, EDQUOT, "name the top directory of each",
			"%s has %lld artifacts without a literal first segment, more than a claim may hold (control/limits wide-artifacts)",
			t->name, (long long)wide);
	return 0;
}

int rules_limits(struct tx *tx, const struct session *s)
{
	int64_t mine = db_get(tx->db, 0, Q(CLAIMS_OF_SESSION), I(s->id));
	int64_t uids = db_get(tx->db, 0, Q(CLAIMS_OF_UID), I(s->uid));

	if (s->id && mine >= read_limit(tx->db, LIMIT_SESSION_CLAIMS))
		return tx_refuse(
			tx, EDQUOT, "finish or give back a claim first",
			"session %s holds %lld claims, its limit (control/limits session-claims)",
			s->name, (long long)mine);
	if (uids >= read_limit(tx->db, LIMIT_UID_CLAIMS))
		return tx_refuse(tx, EDQUOT, "finish or give back a claim first",
				 "uid %u holds %lld claims, its limit (control/limits uid-claims)",
				 s->uid, (long long)uids);
	return 0;
}

static int refuse_mutex(struct tx *tx, const struct task *t, int64_t token)
{
	struct mutex m = { .holder = "-" };
	char when[TIME_TEXT];

	if (read_mutex(tx->db, token, &m) < 0)
		return tx_fail(tx, -EIO);
	tx->blocker = token;
	return tx_refuse(
		tx, EBUSY, next_busy,
		"%s is locked by session %s since %s, by pid %d, from before it was a task",
		t->name, m.holder, time_text(m.since, when), m.pid);
}

int rules_claimable(struct tx *tx, const struct change *c, const struct task *t)
{
	AUTO_FREE char *hold = NULL;
	struct grant last;
	int64_t mutex = 0;
	int lost = c->flags & CHANGE_ANEW || !tx->actor->session ? 0 : was_lost(tx, t->name, &last);

	if (lost < 0)
		return tx_fail(tx, lost);
	if (t->state == TASK_DONE)
		return refuse_done(tx, t);
	if (t->state != TASK_PUBLISHED)
		return tx_refuse(tx, ENOENT, "publish it first: mv ideas/TASK ready/",
				 "%s is not published", t->name);
	if (lost)
		return refuse_lost(tx, &last);
	/* asked through a claim's own file: the answer is never a grant */
	if (c->kind == CHANGE_CLAIM && c->token && t->token != c->token)
		return tx_refuse(tx, ESTALE, "look again", "that claim of %s has ended meanwhile",
				 t->name);
	if (t->token)
		return refuse_held(tx, t);
	if (db_int(tx->db, &mutex, Q(LOCK_NAMED), T(t->name)) > 0)
		return refuse_mutex(tx, t, mutex);
	if (t->unmet)
		return refuse_need(tx, t);
	if (!t->hold)
		return check_artifacts(tx, t);
	hold = tx_attr(tx->db, t->id, "hold");
	return tx_refuse(tx, EBUSY,
			 "take another task; an operator lifts a hold: mv blocked/TASK ready/",
			 "%s is on hold: %s", t->name, hold ? hold : "-");
}

static int64_t lease_of(struct tx *tx, int64_t task)
{
	return tx_duration(tx->db, task, "ttl", read_lease(tx->db));
}

int rules_emit_grant(struct tx *tx, const char *kind, const struct task *t, json_t *body)
{
	json_t *names = json_array();
	AUTO_FREE char *lane = tx_attr(tx->db, t->id, "lane");
	AUTO_ROWS *r = db_rows(tx->db, Q(ARTIFACTS_OF), I(t->id));

	while (names && rows_next(r) > 0)
		(void)json_array_append_new(names, json_string(rows_text(r, 0)));
	rows_end(&r);
	(void)json_object_set_new(body, "lane", json_string(lane ? lane : ""));
	(void)json_object_set_new(body, "artifacts", names);
	(void)json_object_set_new(body, "ttl_ms", json_integer(lease_of(tx, t->id)));
	(void)json_object_set_new(body, "token", json_integer(tx->seq + 1));
	tx->result->id = tx->seq + 1;
	return tx_emit(tx, kind, body);
}

/* Asked through the file of a claim that the actor lost: a late act. 0, or refused. */
static int check_late(struct tx *tx, const struct change *c)
{
	struct grant g;
	int got = c->token ? read_grant(tx->db, c->token, &g) : 0;

	if (got < 0)
		return tx_fail(tx, got);
	if (!got || !g.ended || !g.session || g.session != tx->actor->session || !grant_is_lost(&g))
		return 0;
	return rules_late(tx, c, &g);
}

int rule_claim(struct tx *tx, const struct change *c)
{
	struct session s;
	struct task t;
	json_t *body;
	int err = check_late(tx, c);

	if (!err)
		err = rules_task(tx, c->name, &t);

	if (!err)
		err = rules_actor(tx, &s);
	if (!err)
		err = rules_open(tx);
	if (!err)
		err = rules_claimable(tx, c, &t);
	if (!err)
		err = rules_limits(tx, &s);
	if (!err)
		err = rules_lane(tx, &t);
	if (!err)
		err = rules_fresh(tx, c, &t, &s);
	if (err)
		return err;
	body = rules_body(tx, &t);
	err = rules_put_choice(tx, &t, &s, body);
	if (err) {
		json_decref(body);
		return err;
	}
	/* the claim counts for the session's uid, also when an operator acts as it */
	(void)json_object_set_new(body, "uid", json_integer(s.uid));
	return rules_emit_grant(tx, "claim", &t, body);
}

/* --- the end of a claim --- */

int rules_late(struct tx *tx, const struct change *c, const struct grant *g)
{
	int err = tx->repeat ? 0 :
			       tx_emit(tx, "late",
				       json_pack("{s:s,s:I,s:s,s:I,s:s}", "task", g->name, "token",
						 (json_int_t)g->token, "session", g->holder,
						 "session_id", (json_int_t)g->session, "op",
						 c->op ? c->op : "-"));

	tx->keep = 1;
	return err ? err : refuse_lost(tx, g);
}

static int refuse_not_holder(struct tx *tx, const struct grant *g, const char *me)
{
	return tx_refuse(tx, EPERM, "leave it to its holder; operators: control/break",
			 "%s is held by session %s, you are session %s", g->name, g->holder, me);
}

int rules_is_locker(struct tx *tx, const struct grant *g)
{
	const struct actor *a = tx->actor;
	int own = g->session && g->session == a->session;

	if (!g->pid || !a->pid)
		return !g->pid && own;
	if (tx->world->descends(tx->world, a->pid, g->pid, g->start) > 0)
		return 1;
	/* it has exited, and the descriptor lives on in another: its session is left */
	return own && tx->world->alive(tx->world, g->pid, g->start) == 0;
}

/* May the asker act on what a lock holds? 0, or refused. */
static int check_lock(struct tx *tx, const struct grant *g)
{
	if (rules_is_locker(tx, g))
		return 0;
	return tx_refuse(tx, EPERM, "leave it to its holder; operators: control/break",
			 "%s is locked by process %d, and you are not started by it", g->name,
			 g->pid);
}

/* A lock without a session that was broken: its process is told. */
static int lost_lock(struct tx *tx, const char *name, struct grant *out)
{
	return tx->actor->session ? 0 : read_lost(tx->db, 0, name, out) > 0 && !check_lock(tx, out);
}

/* The live grant of change C: the token's where a handle or node names one, else
 * the task's. 1 and *OUT (which may have ended), 0: none, or refused. */
static int find_grant(struct tx *tx, const struct change *c, struct grant *out)
{
	struct task t;
	int64_t token = c->token;
	int got, err;

	*out = (struct grant){ .token = 0 };
	if (!token) {
		err = rules_task(tx, c->name, &t);
		if (err)
			return err;
		token = t.token;
	}
	got = read_grant(tx->db, token, out);
	return got < 0 ? tx_fail(tx, got) : got;
}

/* The live grant that change C acts on, held by who asks. 0, or refused. */
static int held_grant(struct tx *tx, const struct change *c, struct grant *out)
{
	struct session s = { .name = "-" };
	struct grant last;
	int got = find_grant(tx, c, out), err = 0;

	if (got > 0 && out->lock && !out->ended)
		return check_lock(tx, out);
	if (got > 0 && out->ended && out->session && out->session == tx->actor->session)
		return rules_late(tx, c, out);
	if (got >= 0 && c->name[0] && lost_lock(tx, c->name, &last))
		return rules_late(tx, c, &last);
	err = rules_actor(tx, &s);
	if (err || got < 0)
		return err ? err : got;
	if (got && !out->ended && out->session == s.id)
		return 0;
	if (c->name[0] && was_lost(tx, c->name, &last) > 0)
		return rules_late(tx, c, &last);
	if (!got)
		return tx_refuse(tx, ENOENT, "nothing to do", "%s is not held", c->name);
	return refuse_not_holder(tx, out, s.name);
}

json_t *rules_grant_body(struct tx *tx, const struct grant *g)
{
	return json_pack("{s:s,s:I,s:I,s:s,s:I,s:I,s:I}", "task", g->name, "task_id",
			 (json_int_t)g->task, "token", (json_int_t)g->token, "session", g->holder,
			 "session_id", (json_int_t)g->session, "uid", (json_int_t)g->uid, "pid",
			 (json_int_t)tx->actor->pid);
}

/* The first moment of tomorrow (UTC), wall ms. */
static int64_t tomorrow(int64_t wall)
{
	return (wall / 86400000 + 1) * 86400000;
}

int rule_finish(struct tx *tx, const struct change *c)
{
	AUTO_FREE char *kind = NULL;
	struct grant g;
	json_t *body;
	int err = held_grant(tx, c, &g);

	if (err)
		return err;
	body = rules_grant_body(tx, &g);
	kind = tx_attr(tx->db, g.task, "kind");
	if (kind && strcmp(kind, "standing") == 0) {
		(void)json_object_set_new(body, "to", json_string("ready"));
		return tx_emit(tx, "finish", body);
	}
	(void)json_object_set_new(body, "to", json_string("done"));
	(void)json_object_set_new(body, "unblocks", rules_unblocked_by(tx, &g));
	if (kind && strcmp(kind, "daily") == 0)
		(void)json_object_set_new(body, "due", json_integer(tomorrow(tx->wall)));
	tx->result->id = g.task;
	return tx_emit(tx, "finish", body);
}

int rule_release(struct tx *tx, const struct change *c)
{
	struct grant g;
	int err = held_grant(tx, c, &g);

	return err ? err : tx_emit(tx, "release", rules_grant_body(tx, &g));
}

int rule_handover(struct tx *tx, const struct change *c)
{
	struct session to;
	struct grant g;
	struct task t;
	json_t *body;
	int got, err = held_grant(tx, c, &g);

	if (err)
		return err;
	got = read_session_named(tx->db, c->text, &to);
	if (got <= 0)
		return got ? tx_fail(tx, got) :
			     tx_refuse(tx, ENOENT, "look at ls sessions/", "there is no session %s",
				       c->text);
	if (g.lock)
		return tx_refuse(tx, EPERM, "finish it, or let go and let the other claim it",
				 "%s is locked: it ends with its descriptor", g.name);
	if (to.id == g.session)
		return tx_refuse(tx, EINVAL, "nothing to do", "%s is that session's already",
				 g.name);
	if (to.ended)
		return tx_refuse(tx, ESTALE, "hand it to a live session, or give it back",
				 "session %s has ended", to.name);
	if (to.uid != g.uid)
		return tx_refuse(tx, EPERM,
				 "give it back (mv claims/TASK ready/) and let the other claim it",
				 "session %s belongs to another uid", to.name);
	err = rules_limits(tx, &to);
	if (err || (err = rules_task(tx, g.name, &t)))
		return err;
	body = rules_grant_body(tx, &g);
	(void)json_object_set_new(body, "from_token", json_integer(g.token));
	(void)json_object_set_new(body, "to", json_string(to.name));
	(void)json_object_set_new(body, "to_id", json_integer(to.id));
	rules_put_value(tx, &t, to.id, body);
	return rules_emit_grant(tx, "handover", &t, body);
}

int rule_extend(struct tx *tx, const struct change *c)
{
	json_t *added = NULL, *given_up = NULL;
	struct grant g;
	struct task t = { .id = 0 };
	int err = held_grant(tx, c, &g);

	if (!err)
		err = rules_task(tx, g.name, &t);
	if (!err)
		err = rules_artifacts(tx, &t, c->text, c->n, ARTIFACTS_CLAIM, &added, &given_up);
	if (!err)
		err = rules_free(tx, t.id, added);
	if (!err) {
		tx->result->id = g.token;
		return rules_emit_artifacts(tx, &t, added, given_up);
	}
	json_decref(added);
	json_decref(given_up);
	return err;
}

int rules_free(struct tx *tx, int64_t task, const json_t *names)
{
	struct conflict by;
	json_t *name;
	size_t i;

	json_array_foreach(names, i, name) {
		int got = conflict_find(tx->db, task, json_string_value(name), &by);

		if (got)
			return got < 0 ? tx_fail(tx, got) :
					 refuse_conflict(tx, json_string_value(name), &by);
	}
	return 0;
}

int rules_lose(struct tx *tx, const struct grant *g, const char *reason, const char *note)
{
	json_t *body = rules_grant_body(tx, g);

	(void)json_object_set_new(body, "reason", json_string(reason));
	if (note)
		(void)json_object_set_new(body, "note", json_string(note));
	return tx_emit(tx, "lost", body);
}

/* Is TOKEN one of the mutex NAME? Then it ends, and *ERR says how that went. */
static int break_mutex(struct tx *tx, const char *name, int64_t token, const char *note, int *err)
{
	struct mutex m;

	if (read_mutex(tx->db, token, &m) <= 0 || strcmp(m.name, name) != 0)
		return 0;
	*err = rules_unlock(tx, &m, "broken", note);
	return 1;
}

int rule_break(struct tx *tx, const struct change *c)
{
	char name[NAME_BUFFER], token[24];
	struct grant g;
	struct task t;
	int64_t want = 0;
	int used = 0, err = rules_may(tx, RIGHT_OPERATOR, NULL, NULL);

	if (err)
		return err;
	if (line_check(c->text, c->n) || sscanf(c->text, "%135s %23s %n", name, token, &used) < 2 ||
	    int_parse(token, 1, INT64_MAX, &want) || !c->text[used])
		return tx_refuse(tx, EINVAL, "echo \"TASK TOKEN reason\" > control/break",
				 "not of the form TASK TOKEN reason");
	if (break_mutex(tx, name, want, c->text + used, &err))
		return err;
	err = rules_task(tx, name, &t);
	if (err)
		return err;
	if (!t.token || t.token != want)
		return tx_refuse(tx, ESTALE, "look again: cat claims/TASK",
				 "the token of %s is %lld now, not %lld", t.name,
				 (long long)t.token, (long long)want);
	if (read_grant(tx->db, t.token, &g) <= 0)
		return tx_fail(tx, -EIO);
	return rules_lose(tx, &g, "broken", c->text + used);
}
