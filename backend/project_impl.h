/* project_impl: what the files of project.c share. */
#ifndef BACKEND_PROJECT_IMPL_H
#define BACKEND_PROJECT_IMPL_H

#include "backend/tx.h"

/* Run a statement; errors stick in TX: after the first one nothing more is run. */
void project_run(struct tx *tx, const struct bind *binds);
#define RUN(...) project_run(tx, BINDS(__VA_ARGS__))

/* Set, or unset, a field that an event gives a value (a string, or null). */
void project_attr(struct tx *tx, int64_t thing, const char *name, const json_t *value, int64_t at);

/* N more of WHAT on the day of the event. */
void project_day(struct tx *tx, const json_t *e, const char *what, int64_t n);

/* An outcome is stamped with what was known then. */
void project_stamp(struct tx *tx, const json_t *e);

/* project_grade.c: what sessions say, and what is said of them. */
void project_journal(struct tx *tx, json_t *e);
void project_grade(struct tx *tx, json_t *e);
void project_session_import(struct tx *tx, json_t *e);
void project_line(struct tx *tx, json_t *e);
void project_message(struct tx *tx, json_t *e);
/* The mount tells SESSION, if it lives, of the event itself. */
void project_notice(struct tx *tx, const json_t *e, int64_t session);

/* project_select.c: what selection goes by. */
/* What a session that has ended came to, for its lanes too. */
void project_mark(struct tx *tx, json_t *e);
/* The first claim of a session in a lane. */
void project_pick(struct tx *tx, const json_t *e, int64_t session);
/* A field of a task was set: what it is worth, when it depends on that. */
void project_ranked(struct tx *tx, int64_t task, const char *field, const json_t *value);
/* Something about the goals was set: what the tasks they want are worth. */
void project_goals(struct tx *tx);
/* project_action.c: outward deeds. */
void project_action_permitted(struct tx *tx, json_t *e);
void project_action_unknown(struct tx *tx, json_t *e);
void project_action_done(struct tx *tx, json_t *e);
void project_action_closed(struct tx *tx, json_t *e);
void project_action_gone(struct tx *tx, json_t *e);

/* project_goal.c: goals, and what was drafted twice. */
/* What the task is called; "": nothing, or it is gone. */
void project_title(struct tx *tx, int64_t task, const char *title);
/* A draft looks like other tasks. */
void project_duplicate(struct tx *tx, json_t *e);
/* A task was finished: did a goal want it? */
void project_wanted(struct tx *tx, const json_t *e);
/* project_lesson.c: who was given which lesson, and what became of it. */
void project_context(struct tx *tx, json_t *e);
/* A field of a lesson was set. */
void project_lesson(struct tx *tx, int64_t lesson, const char *field, const json_t *value);
/* The whole grade of a session is MARK from now on; to be called before that is kept. */
void project_lesson_mark(struct tx *tx, int64_t session, const char *mark);

/* project_git.c: what was seen in repositories. */
void project_commit(struct tx *tx, json_t *e);
void project_scan(struct tx *tx, json_t *e);
void project_incident(struct tx *tx, json_t *e);
void project_applied(struct tx *tx, json_t *e);
void project_base(struct tx *tx, json_t *e);
void project_told(struct tx *tx, json_t *e);
/* The bases of a session that has just been registered. */
void project_bases(struct tx *tx, int64_t session, const json_t *e);

#endif
