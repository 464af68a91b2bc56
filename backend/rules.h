/*
 * rules: what each kind of change may do, decided in the writer, where no
 * path can go round it. One function a kind; it refuses or emits events.
 */
#ifndef BACKEND_RULES_H
#define BACKEND_RULES_H

#include "backend/change.h"
#include "backend/read.h"
#include "backend/tx.h"

typedef int rule_fn(struct tx *tx, const struct change *c);

rule_fn rule_tick;
rule_fn rule_draft, rule_publish, rule_unpublish, rule_cancel, rule_unhold, rule_reopen;
rule_fn rule_set;
rule_fn rule_claim, rule_extend, rule_finish, rule_release, rule_handover, rule_break;
rule_fn rule_lock, rule_unlock;
rule_fn rule_register, rule_end, rule_chown, rule_renew, rule_join, rule_anchor;
rule_fn rule_exit;
rule_fn rule_import;
rule_fn rule_add, rule_remove;
rule_fn rule_judged;
rule_fn rule_observed, rule_look, rule_apply;
rule_fn rule_base;
rule_fn rule_permit, rule_result, rule_withdraw;
rule_fn rule_journal, rule_grade, rule_message;

/* Who may do what to a thing: docs/tree.md shows the same table. */
enum right {
	RIGHT_ANY,	/* whoever the mode bits let through */
	RIGHT_TASK,	/* its holder; while nobody holds it, its drafter; operators */
	RIGHT_RESULT,	/* its holder, who finished it, operators */
	RIGHT_SESSION,	/* the session itself, operators */
	RIGHT_OPERATOR, /* root, the mount's owner, the operators' group */
	RIGHT_OWNER,	/* root and the mount's owner */
	RIGHT_MAKER,	/* the uid that made it, operators */
};

/* Does the actor have RIGHT over the task or session? 0, or refused: EPERM, and as rules_actor
 * when it acts as a session that is not its to act as. */
int rules_may(struct tx *tx, enum right right, const struct task *t, const struct session *s);

/* The same, over a probe, a lane, a lesson or a repository. */
int rules_may_thing(struct tx *tx, enum right right, const struct thing *th);

/* The acting session, live and of the actor's uid, or refused (ENOKEY, ESTALE, EPERM). */
int rules_actor(struct tx *tx, struct session *out);
/* The session that C is about, or refused with ESTALE. */
int rules_session(struct tx *tx, const struct change *c, struct session *out);
/* The same, live and the asker's own, or refused (ESTALE, and as rules_may). */
int rules_own_session(struct tx *tx, const struct change *c, struct session *out);
/* The task called NAME, or refused with ENOENT. */
int rules_task(struct tx *tx, const char *name, struct task *out);
/* Give every live lease of SESSION its full length again. */
int rules_renew(struct tx *tx, int64_t session);
/*
 * The board's answer: everything that stands between T and a grant to the actor. 0, or
 * refused; tx->blocker is the grant in the way, where it is one.
 */
int rules_claimable(struct tx *tx, const struct change *c, const struct task *t);
/* May S (id 0: nobody but its uid) hold one more claim? 0, or refused with EDQUOT. */
int rules_limits(struct tx *tx, const struct session *s);
/* Has the lane of the task a place for one more claim? 0, or refused. */
int rules_lane(struct tx *tx, const struct task *t);
/*
 * Has another session committed to an artifact of T since the base of S? 0; refused with ESTALE,
 * or, as control/freshness says, S is told and 0.
 */
int rules_fresh(struct tx *tx, const struct change *c, const struct task *t,
		const struct session *s);
/* json: [repository's id, its name, its head] of each repository. */
json_t *rules_heads(struct tx *tx);
/* S is told TEXT in its `why`, though OP ("claim") on T is done; an event. 0, or an error. */
int rules_warn(struct tx *tx, const struct change *c, const struct session *s, const struct task *t,
	       const char *op, const char *text);
/*
 * Is what T asks for the work of another task, called TITLE (NULL: as its title is)? 0: no, or who asks
 * is told, in the session's `why` or in the result's; or refused with EEXIST, as control/dedup says.
 */
int rules_dedup(struct tx *tx, const struct change *c, const struct task *t, const char *title);
/* The same, of a task that is there: what it looks like, a line each, into the result. 0, or an error. */
int rules_dedup_report(struct tx *tx, const struct task *t);
/*
 * Which incidents is the commit a part of, whose event has been emitted? Emits them.
 * REPO: its repository.
 */
int rules_converge(struct tx *tx, const struct thing *repo, int64_t commit);
/* Put into BODY what T is worth to SESSION, where that is said. */
void rules_put_value(struct tx *tx, const struct task *t, int64_t session, json_t *body);
/* The same, and what `next` recommended to S, which takes T now, if there was a choice. 0 or -errno. */
int rules_put_choice(struct tx *tx, const struct task *t, const struct session *s, json_t *body);
/* json: the tasks that can be begun when that of G is done. */
json_t *rules_unblocked_by(struct tx *tx, const struct grant *g);
/* Emit the event KIND that grants T; BODY is taken over. */
int rules_emit_grant(struct tx *tx, const char *kind, const struct task *t, json_t *body);
/* The actor came too late, G was lost: the log keeps it. Refused with ESTALE. */
int rules_late(struct tx *tx, const struct change *c, const struct grant *g);
/*
 * ONE(id) for the id that Q finds, and again until Q finds none: what it ends or renews is
 * not found any more. WHY is for ONE. 0 or -errno.
 */
int rules_each(struct tx *tx, const struct bind *q,
	       int (*one)(struct tx *tx, int64_t id, const char *why), const char *why);
/* SESSION ends for REASON: what it was permitted to do, and of which it said no result, is unknown. */
int rules_actions_of_session(struct tx *tx, int64_t session, const char *reason);
/* The daemon was away: so is everything that is permitted. Needs neither actor nor result in TX. */
int rules_actions_restarted(struct tx *tx);
/* What was permitted too long ago, and what was done so long ago that its key is free again. */
int rules_actions_due(struct tx *tx);
/* End a live session for REASON, and what it holds. */
int rules_end_session(struct tx *tx, const struct session *s, const char *reason);
/* End the holding of a mutex for REASON (closed, expired, broken, exited); NOTE may be NULL. */
int rules_unlock(struct tx *tx, const struct mutex *m, const char *reason, const char *note);
/* End a live grant for REASON (expired, broken, ended); emits `lost`. */
int rules_lose(struct tx *tx, const struct grant *g, const char *reason, const char *note);
enum artifacts_mode {
	ARTIFACTS_REPLACE, /* the whole list */
	ARTIFACTS_APPEND,  /* lines behind it */
	ARTIFACTS_CLAIM,   /* written to a claim: PATH, `artifact PATH`, -PATH gives one up */
};
/* The artifacts in TEXT for task T, against those it has: what to add and to
 * give up, as new JSON arrays. 0, or refused. */
int rules_artifacts(struct tx *tx, const struct task *t, const char *text, size_t n,
		    enum artifacts_mode mode, json_t **added, json_t **given_up);
/* Does the actor hold the live grant G: as its session, or as who locked it? */
int rules_is_holder(struct tx *tx, const struct grant *g);
/* Is the actor the process that locked G, or started by it? */
int rules_is_locker(struct tx *tx, const struct grant *g);
/* Would TASK with these added names overlap a live claim? 0, or refused with EBUSY. */
int rules_free(struct tx *tx, int64_t task, const json_t *names);
/* Emit `artifacts` for T; both arrays are taken over. Nothing when both are empty. */
int rules_emit_artifacts(struct tx *tx, const struct task *t, json_t *added, json_t *given_up);
/* Would NEEDS of task NAME close a circle? 0, refused with ELOOP, or -errno. */
int rules_acyclic(struct tx *tx, const char *name, const json_t *needs);
/* json: task, task_id, session, session_id of an event about T by the actor. */
json_t *rules_body(struct tx *tx, const struct task *t);
/* json: task, task_id, token, session, session_id, uid of G, pid of the actor. */
json_t *rules_grant_body(struct tx *tx, const struct grant *g);
/* json: session, session_id of S; pid, start and boot id of the process C is about. */
json_t *rules_process_body(const struct session *s, const struct change *c);
/* What a record of control/import is: of a session; a line that is none, to be kept; else a task. */
int rules_is_session_record(const json_t *record);
int rules_is_line(const json_t *record);
/* Import them. TEXT, N bytes: the record as it came. 0, or refused. */
int rules_import_session(struct tx *tx, const json_t *record, const char *text, size_t n);
int rules_import_line(struct tx *tx, const json_t *record);
/* Is the board closed (control/estop)? 0, or refused with EROFS. */
int rules_open(struct tx *tx);
/* What the grade of S comes to when it ends now, into BODY; not on a full disk. 0 or -errno. */
int rules_put_mark(struct tx *tx, const struct session *s, json_t *body);
/* The session says what it is about to do (NULL: nothing any more), and is given the lessons for it. */
int rules_context(struct tx *tx, const struct session *s, const char *text);
/* Something has happened that may change the grade of SESSION (0: nobody's): said, if it has ended. */
int rules_mark(struct tx *tx, int64_t session);
/* The name of session ID into OUT; "-" for 0. */
const char *rules_session_name(struct tx *tx, int64_t id, char out[NAME_BUFFER]);

#endif
