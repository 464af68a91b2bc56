/*
 * project: what an event does to the tables. Live and in a replay the same
 * code runs on the same JSON, so the tables are a function of the events.
 * No rule is decided here, and neither clock nor caller is looked at; the
 * leases alone start at tx->boot.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend/conflict.h"
#include "backend/project_impl.h"
#include "backend/read.h"

enum { LIVE_NOT, LIVE_WANTED, LIVE_HELD }; /* HELD: wanted, and in the table held */

void project_run(struct tx *tx, const struct bind *binds)
{
	if (!tx->err)
		tx->err = db_run_bound(tx->db, binds);
}

/* 1 if the last RUN changed a row. */
static int ran(struct tx *tx)
{
	return !tx->err && db_changes(tx->db) > 0;
}

static void spread(struct tx *tx, int64_t task, const char *name, int delta)
{
	if (!tx->err)
		tx->err = conflict_spread(tx->db, task, name, delta);
}

static void recount(struct tx *tx, int64_t task)
{
	if (!tx->err)
		tx->err = conflict_recount(tx->db, task);
}

static int64_t id_of(const json_t *e)
{
	return event_int(e, "seq");
}

static int64_t task_of(const json_t *e)
{
	return event_int(e, "task_id");
}

static int64_t at_of(const json_t *e)
{
	return event_int(e, "at");
}

/* --- tasks --- */

static void project_draft(struct tx *tx, json_t *e)
{
	RUN(Q(TASK_ADD), I(id_of(e)), T(event_text(e, "task")), I(event_int(e, "uid")),
	    I(event_int(e, "session_id")), I(at_of(e)));
	RUN(Q(BOARD_ADD), I(id_of(e)));
	RUN(Q(BOARD_RANK), I(id_of(e)));
}

static void set_state(struct tx *tx, int64_t task, int state, json_t *e)
{
	RUN(Q(BOARD_STATE), I(state), I(task));
	RUN(Q(TASK_CHANGED), I(at_of(e)), I(task));
	tx_stir(tx, task);
}

static void project_publish(struct tx *tx, json_t *e)
{
	set_state(tx, task_of(e), TASK_PUBLISHED, e);
}

static void project_unpublish(struct tx *tx, json_t *e)
{
	set_state(tx, task_of(e), TASK_IDEA, e);
}

static void project_cancel(struct tx *tx, json_t *e)
{
	set_state(tx, task_of(e), TASK_CANCELLED, e);
	RUN(Q(TASK_GONE), I(id_of(e)), I(task_of(e)));
	project_title(tx, task_of(e), "");
	RUN(Q(ARTIFACTS_LIVE), I(LIVE_NOT), I(task_of(e)));
}

static void project_unhold(struct tx *tx, json_t *e)
{
	RUN(Q(BOARD_HOLD), I(0), I(task_of(e)));
	RUN(Q(ATTR_UNSET), I(task_of(e)), T("hold"));
}

/* Who waits for the task NAME: one unmet need more, or less. */
static void spread_need(struct tx *tx, const char *name, int delta)
{
	RUN(Q(NEED_SPREAD), I(delta), T(name));
}

static void into_done(struct tx *tx, json_t *e, int64_t task, const char *name)
{
	int64_t at = event_int(e, "done_at");

	set_state(tx, task, TASK_DONE, e);
	RUN(Q(ARTIFACTS_LIVE), I(LIVE_NOT), I(task));
	RUN(Q(FINISHED_ADD), I(task), I(event_int(e, "token")), I(event_int(e, "session_id")),
	    I(at ? at : at_of(e)), I(event_int(e, "due")));
	RUN(Q(BOARD_DONE_AT), I(at ? at : at_of(e)), I(task));
	spread_need(tx, name, -1);
}

/* reopen, and a daily task that is due again */
static void project_reopen(struct tx *tx, json_t *e)
{
	int64_t task = task_of(e);

	set_state(tx, task, TASK_PUBLISHED, e);
	if (strcmp(event_text(e, "event"), "reopen") == 0) {
		project_day(tx, e, "reopened", 1);
		RUN(Q(BOARD_REOPENED), I(task));
	}
	RUN(Q(FINISHED_REMOVE), I(task));
	RUN(Q(ARTIFACTS_LIVE), I(LIVE_WANTED), I(task));
	recount(tx, task);
	spread_need(tx, event_text(e, "task"), 1);
}

/* --- fields --- */

static void artifact_put(struct tx *tx, int64_t task, const char *name, int64_t pos, int live)
{
	char stem[ARTIFACT_BUFFER];

	conflict_stem(name, stem);
	RUN(Q(ARTIFACT_ADD), I(task), T(name), T(stem), I(pos), I(live != LIVE_NOT));
	if (!ran(tx) || live != LIVE_HELD)
		return;
	RUN(Q(HELD_ADD), T(stem), I(task), T(name));
	spread(tx, task, name, 1);
}

static void artifact_drop(struct tx *tx, int64_t task, const char *name, int live)
{
	char stem[ARTIFACT_BUFFER];

	RUN(Q(ARTIFACT_REMOVE), I(task), T(name));
	if (!ran(tx) || live != LIVE_HELD)
		return;
	conflict_stem(name, stem);
	RUN(Q(HELD_REMOVE), T(stem), I(task), T(name));
	spread(tx, task, name, -1);
	tx_stir(tx, db_get(tx->db, 0, Q(BOARD_TOKEN_OF), I(task)));
}

/* How the artifacts of TASK stand now. */
static int live_of(struct tx *tx, int64_t task)
{
	if (db_get(tx->db, 0, Q(BOARD_STATE_OF), I(task)) >= TASK_DONE)
		return LIVE_NOT;
	return db_get(tx->db, 0, Q(BOARD_TOKEN_OF), I(task)) ? LIVE_HELD : LIVE_WANTED;
}

/* Members of event E: artifacts added, artifacts given up. */
static void project_artifacts(struct tx *tx, json_t *e)
{
	int64_t task = task_of(e);
	int64_t pos = db_get(tx->db, 0, Q(ARTIFACT_LAST), I(task)) + 1;
	int live = live_of(tx, task);
	size_t i;
	json_t *name;

	json_array_foreach(json_object_get(e, "given_up"), i, name)
		artifact_drop(tx, task, json_string_value(name), live);
	json_array_foreach(json_object_get(e, "added"), i, name)
		artifact_put(tx, task, json_string_value(name), pos + (int64_t)i, live);
	if (live == LIVE_WANTED)
		recount(tx, task);
	tx_stir(tx, task);
	RUN(Q(TASK_CHANGED), I(at_of(e)), I(task));
}

static void project_needs(struct tx *tx, int64_t task, const json_t *list)
{
	size_t i;
	json_t *name;

	RUN(Q(NEEDS_CLEAR), I(task));
	json_array_foreach(list, i, name)
		RUN(Q(NEED_ADD), I(task), T(json_string_value(name)), I(i));
	RUN(Q(BOARD_UNMET), I(task));
}

void project_attr(struct tx *tx, int64_t thing, const char *name, const json_t *value, int64_t at)
{
	if (json_is_string(value))
		RUN(Q(ATTR_SET), I(thing), T(name), T(json_string_value(value)), I(at));
	else
		RUN(Q(ATTR_UNSET), I(thing), T(name));
	if (strcmp(name, "value") == 0)
		RUN(Q(BOARD_VALUE), T(json_string_value(value)), I(thing));
	if (strcmp(name, "title") == 0)
		project_title(tx, thing, json_is_string(value) ? json_string_value(value) : "");
	project_ranked(tx, thing, name, value);
}

static void project_set(struct tx *tx, json_t *e)
{
	int64_t thing = event_int(e, "thing");
	const char *field = event_text(e, "field");

	if (strcmp(field, "outcome") == 0 && json_object_get(e, "verdict"))
		project_stamp(tx, e);
	if (strcmp(field, "needs") == 0)
		project_needs(tx, thing, json_object_get(e, "value"));
	else
		project_attr(tx, thing, field, json_object_get(e, "value"), at_of(e));
	if (strcmp(event_text(e, "of"), "task") == 0)
		RUN(Q(TASK_CHANGED), I(at_of(e)), I(thing));
	if (strcmp(event_text(e, "of"), "goal") == 0)
		project_goals(tx);
	if (strcmp(event_text(e, "of"), "lesson") == 0)
		project_lesson(tx, thing, field, json_object_get(e, "value"));
}

/* --- claims --- */

/* Every artifact of TASK goes live, or is wanted alone again. */
static void artifacts_turn(struct tx *tx, int64_t task, int live)
{
	AUTO_ROWS *r = db_rows(tx->db, Q(ARTIFACTS_TURN), I(task));
	int got = 0;

	while (!tx->err && (got = rows_next(r)) > 0) {
		if (live == LIVE_HELD)
			RUN(Q(HELD_ADD), T(rows_text(r, 1)), I(task), T(rows_text(r, 0)));
		else
			RUN(Q(HELD_REMOVE), T(rows_text(r, 1)), I(task), T(rows_text(r, 0)));
		spread(tx, task, rows_text(r, 0), live == LIVE_HELD ? 1 : -1);
	}
	if (got < 0)
		tx->err = got;
}

/* How much of what could be had a claim took, 0 .. 1; "": nothing was to choose. */
static const char *chosen_of(const json_t *e, char out[32])
{
	/* Before there was a recommendation it was the best value of all that was ready. */
	int recommended = json_object_get(e, "next_score") != NULL;
	const char *best = event_text(e, recommended ? "next_score" : "best");
	const char *got = event_text(e, recommended ? "score" : "value");
	double of = strtod(best, NULL), v = strtod(got, NULL);

	*out = 0;
	if (*best && of > 0)
		(void)snprintf(out, 32, "%.17g", v <= 0 ? 0.0 : v >= of ? 1.0 : v / of);
	return out;
}

static void grant_add(struct tx *tx, json_t *e, int64_t session)
{
	char chosen[32];
	int64_t lock = event_int(e, "lock"), ttl = event_int(e, "ttl_ms");

	RUN(Q(GRANT_SUPERSEDE), I(session), T(event_text(e, "task")));
	RUN(Q(GRANT_ADD), I(id_of(e)), I(task_of(e)), T(event_text(e, "task")), I(session),
	    I(event_int(e, "uid")), I(event_int(e, "pid")), I(at_of(e)), I(ttl),
	    I(lock ? LEASE_NEVER : tx->boot + tx->allow + ttl), I(tx->boot),
	    I(event_int(e, "start")), T(event_text(e, "boot")), I(lock ? GRANT_LOCK : GRANT_LEASE),
	    T(event_text(e, "value")), T(chosen_of(e, chosen)), T(event_text(e, "lane")));
	project_pick(tx, e, session);
	if (session)
		RUN(Q(COUNT_UP), I(event_int(e, "uid")), I(session));
	RUN(Q(COUNT_UP), I(event_int(e, "uid")), I(0));
	RUN(Q(BOARD_TOKEN), I(id_of(e)), I(task_of(e)));
}

static void grant_end(struct tx *tx, json_t *e, int64_t token, const char *how)
{
	RUN(Q(GRANT_END), I(at_of(e)), I(id_of(e)), T(how), I(token));
	RUN(Q(COUNT_DOWN), I(token));
	RUN(Q(COUNT_DROP), I(token));
	tx_stir(tx, token);
}

static void project_claim(struct tx *tx, json_t *e)
{
	grant_add(tx, e, event_int(e, "session_id"));
	artifacts_turn(tx, task_of(e), LIVE_HELD);
}

static void let_go(struct tx *tx, json_t *e, const char *how)
{
	grant_end(tx, e, event_int(e, "token"), how);
	RUN(Q(BOARD_TOKEN), I(0), I(task_of(e)));
	artifacts_turn(tx, task_of(e), LIVE_WANTED);
}

static void project_release(struct tx *tx, json_t *e)
{
	let_go(tx, e, "released");
	RUN(Q(BOARD_LET_GO), I(at_of(e)), I(task_of(e)));
}

static void project_lost(struct tx *tx, json_t *e)
{
	const char *reason = event_text(e, "reason");

	let_go(tx, e, reason);
	RUN(Q(BOARD_LET_GO), I(at_of(e)), I(task_of(e)));
	if (strcmp(reason, "expired") == 0 || strcmp(reason, "broken") == 0)
		project_notice(tx, e, event_int(e, "session_id"));
}

static void project_finish(struct tx *tx, json_t *e)
{
	int64_t unblocks;

	let_go(tx, e, "finished");
	if (strcmp(event_text(e, "to"), "done") != 0)
		return;
	into_done(tx, e, task_of(e), event_text(e, "task"));
	project_day(tx, e, "done", 1);
	project_wanted(tx, e);
	unblocks = (int64_t)json_array_size(json_object_get(e, "unblocks"));
	project_day(tx, e, "unblocked", unblocks);
	if (!unblocks)
		return;
	RUN(Q(GRANT_UNBLOCKS), I(unblocks), I(event_int(e, "token")));
	RUN(Q(BOARD_UNBLOCKED), I(unblocks), I(task_of(e)));
}

static void project_handover(struct tx *tx, json_t *e)
{
	grant_end(tx, e, event_int(e, "from_token"), "handed");
	grant_add(tx, e, event_int(e, "to_id"));
	project_notice(tx, e, event_int(e, "to_id"));
}

/* A mutex: a name that is no task. */
static void project_lock(struct tx *tx, json_t *e)
{
	RUN(Q(LOCK_ADD), I(id_of(e)), T(event_text(e, "mutex")), I(event_int(e, "shared")),
	    I(event_int(e, "session_id")), I(event_int(e, "uid")), I(event_int(e, "pid")),
	    I(event_int(e, "start")), T(event_text(e, "boot")), I(at_of(e)));
}

static void project_unlock(struct tx *tx, json_t *e)
{
	RUN(Q(LOCK_REMOVE), I(event_int(e, "token")));
	tx_stir(tx, event_int(e, "token"));
}

static void project_reported(struct tx *tx, json_t *e)
{
	RUN(Q(GRANT_REPORTED), I(event_int(e, "token")));
}

/* --- sessions --- */

static void project_register(struct tx *tx, json_t *e)
{
	RUN(Q(SESSION_ADD), I(id_of(e)), T(event_text(e, "session")), I(event_int(e, "uid")),
	    I(event_int(e, "gid")), I(at_of(e)));
	RUN(Q(IDLE_SET), I(id_of(e)), I(tx->boot + event_int(e, "lease_ms")));
	project_bases(tx, id_of(e), e);
	project_day(tx, e, "sessions", 1);
}

static void project_end(struct tx *tx, json_t *e)
{
	int64_t id = event_int(e, "session_id");

	tx_stir(tx, id);
	RUN(Q(SESSION_END), I(at_of(e)), T(event_text(e, "reason")), I(id));
	RUN(Q(IDLE_REMOVE), I(id));
	RUN(Q(MEMBERS_REMOVE), I(id));
	RUN(Q(ANCHOR_UNSET), I(id));
	project_mark(tx, e);
}

static void project_chown(struct tx *tx, json_t *e)
{
	RUN(Q(SESSION_CHOWN), I(event_int(e, "to_uid")), I(event_int(e, "session_id")));
}

static void project_join(struct tx *tx, json_t *e)
{
	RUN(Q(MEMBER_ADD), I(event_int(e, "pid")), I(event_int(e, "start")),
	    T(event_text(e, "boot")), I(event_int(e, "session_id")));
}

/* A member has exited. */
static void project_left(struct tx *tx, json_t *e)
{
	RUN(Q(MEMBER_REMOVE), I(event_int(e, "pid")), I(event_int(e, "start")),
	    T(event_text(e, "boot")));
}

static void project_anchor(struct tx *tx, json_t *e)
{
	if (event_int(e, "pid"))
		RUN(Q(ANCHOR_SET), I(event_int(e, "session_id")), I(event_int(e, "pid")),
		    I(event_int(e, "start")), T(event_text(e, "boot")));
	else
		RUN(Q(ANCHOR_UNSET), I(event_int(e, "session_id")));
}

static void project_refused(struct tx *tx, json_t *e)
{
	RUN(Q(SESSION_REFUSED), T(event_text(e, "why")), I(id_of(e)),
	    I(event_int(e, "session_id")));
	RUN(Q(REFUSAL_ADD), I(id_of(e)), I(event_int(e, "session_id")), I(at_of(e)),
	    T(event_text(e, "errno")), T(event_text(e, "op")));
}

/* --- probes, lanes, lessons, repositories; import --- */

/* The kind whose word an event begins with. */
static enum thing_kind kind_of(const json_t *e)
{
	const char *event = event_text(e, "event");
	size_t n = strcspn(event, "-");

	for (int k = THING_PROBE; k < THING_KINDS; k++)
		if (strlen(thing_words[k]) == n && strncmp(thing_words[k], event, n) == 0)
			return (enum thing_kind)k;
	return THING_KINDS;
}

static void project_thing(struct tx *tx, json_t *e)
{
	enum thing_kind kind = kind_of(e);

	RUN(Q(THING_ADD), I(id_of(e)), I(kind), T(event_text(e, thing_words[kind])),
	    I(event_int(e, "uid")), I(at_of(e)));
	if (kind == THING_GOAL)
		project_goals(tx);
}

static void project_thing_removed(struct tx *tx, json_t *e)
{
	char id[32];

	(void)snprintf(id, sizeof(id), "%s_id", thing_words[kind_of(e)]);
	RUN(Q(THING_GONE), I(id_of(e)), I(event_int(e, id)));
	if (kind_of(e) == THING_GOAL)
		project_goals(tx);
}

static void import_fields(struct tx *tx, json_t *e, int64_t task)
{
	const char *name;
	json_t *value;

	json_object_foreach(json_object_get(e, "fields"), name, value)
		project_attr(tx, task, name, value, at_of(e));
	if (json_object_get(e, "needs"))
		project_needs(tx, task, json_object_get(e, "needs"));
	project_artifacts(tx, e);
	RUN(Q(BOARD_HOLD), I(event_int(e, "hold")), I(task));
}

/* A whole task at once: drafted (when new), its fields, and its column. */
static void project_import(struct tx *tx, json_t *e)
{
	int64_t task = task_of(e) ? task_of(e) : id_of(e);
	const char *to = event_text(e, "to");

	if (!task_of(e)) {
		project_draft(tx, e);
		json_object_set_new(e, "task_id", json_integer(task));
	}
	import_fields(tx, e, task);
	if (strcmp(to, "ready") == 0)
		set_state(tx, task, TASK_PUBLISHED, e);
	if (strcmp(to, "done") == 0)
		into_done(tx, e, task, event_text(e, "task"));
}

/* What the probes say has changed. */
static void project_verdict(struct tx *tx, json_t *e)
{
	project_attr(tx, 0, "verdict", json_object_get(e, "verdict"), at_of(e));
}

/* Recorded, but the tables do not move. */
static void project_nothing(struct tx *tx, json_t *e)
{
	(void)tx;
	(void)e;
}

static const struct {
	const char *event;
	void (*project)(struct tx *tx, json_t *e);
} projections[] = {
	{ "claim", project_claim },
	{ "finish", project_finish },
	{ "release", project_release },
	{ "refused", project_refused },
	{ "lost", project_lost },
	{ "handover", project_handover },
	{ "reported", project_reported },
	{ "late", project_nothing },
	{ "reopen", project_reopen },
	{ "due", project_reopen },
	{ "draft", project_draft },
	{ "publish", project_publish },
	{ "unpublish", project_unpublish },
	{ "cancel", project_cancel },
	{ "unhold", project_unhold },
	{ "set", project_set },
	{ "artifacts", project_artifacts },
	{ "register", project_register },
	{ "end", project_end },
	{ "chown", project_chown },
	{ "join", project_join },
	{ "left", project_left },
	{ "anchor", project_anchor },
	{ "lock", project_lock },
	{ "unlock", project_unlock },
	{ "import", project_import },
	{ "probe", project_thing },
	{ "probe-removed", project_thing_removed },
	{ "lane", project_thing },
	{ "lane-removed", project_thing_removed },
	{ "lesson", project_thing },
	{ "lesson-removed", project_thing_removed },
	{ "repo", project_thing },
	{ "repo-removed", project_thing_removed },
	{ "goal", project_thing },
	{ "goal-removed", project_thing_removed },
	{ "duplicate", project_duplicate },
	{ "mark", project_mark },
	{ "offer", project_import },
	{ "withdraw", project_unpublish },
	{ "verdict", project_verdict },
	{ "judged", project_nothing },
	{ "commit", project_commit },
	{ "scan", project_scan },
	{ "incident", project_incident },
	{ "incident-more", project_incident },
	{ "applied", project_applied },
	{ "base", project_base },
	{ "warned", project_told },
	{ "journal", project_journal },
	{ "context", project_context },
	{ "grade", project_grade },
	{ "message", project_message },
	{ "session-import", project_session_import },
	{ "line", project_line },
	{ "action-permitted", project_action_permitted },
	{ "action-unknown", project_action_unknown },
	{ "action-done", project_action_done },
	{ "action-closed", project_action_closed },
	{ "action-withdrawn", project_action_gone },
	{ "action-cleared", project_action_gone },
	{ "action-forgotten", project_action_gone },
	{ "restored", project_nothing },
};

int project_event(struct tx *tx, json_t *event)
{
	const char *kind = event_text(event, "event");

	for (size_t i = 0; i < sizeof(projections) / sizeof(projections[0]); i++) {
		if (strcmp(projections[i].event, kind) != 0)
			continue;
		projections[i].project(tx, event);
		return tx->err;
	}
	return tx_fail(tx, -ENOTSUP);
}
