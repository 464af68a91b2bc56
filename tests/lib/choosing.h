/*
 * choosing: what is the best task for whom, asked of a store in a simulated world.
 *
 *	assert_next(&f, s1, "T");
 *	cr_assert_float_eq(choosing_pick(&f, s1).score, 0.5, 1e-9);
 */
#ifndef TESTS_LIB_CHOOSING_H
#define TESTS_LIB_CHOOSING_H

#include "backend/select.h"
#include "tests/lib/check.h"

/* A new store whose choices are without chance: nobody explores. */
void choosing_open(struct fixture *f);

/* The task for the SESSION (0: for nobody in particular), "-" if there is none; static. */
const char *choosing_next(struct fixture *f, int64_t session);
/* The whole pick; aborts when there is none. */
struct candidate choosing_pick(struct fixture *f, int64_t session);
/* Why there is none, or "-"; static. */
const char *choosing_none(struct fixture *f, int64_t session);
/* next.why, with ';' for each newline; static. */
const char *choosing_why(struct fixture *f, int64_t session);
/* How many who ask come before; the name of the lane that is drawn, "no" if none is; static. */
int64_t choosing_place(struct fixture *f, int64_t session);
const char *choosing_drawn(struct fixture *f, int64_t session);
/* What select_score says of the task. */
double choosing_score(struct fixture *f, int64_t session, const char *task);
/* What is expected of the lane. */
struct expected choosing_expected(struct fixture *f, const char *lane);

/* Make a thing (a lane, a goal) as the owner; its id. And set a field of it (NULL: unset). */
int64_t choosing_thing(struct fixture *f, enum thing_kind of, const char *name);
void choosing_field(struct fixture *f, enum thing_kind of, int64_t id, const char *field,
		    const char *text);
/* A published task with a value (NULL: unset) in a lane (NULL: none). */
int64_t choosing_task(struct fixture *f, const char *name, const char *value, const char *lane);
/* From now on the whole grade of a session is what another wrote as its trajectory. */
void choosing_grade_by_trajectory(struct fixture *f);
/* A new session takes TASK up, gives it back, is graded (NULL: not) by BY, and ends. Its id. */
int64_t choosing_live(struct fixture *f, const char *name, const char *task, int64_t by,
		      const char *grade);

#define assert_next(f, session, name_)                                                           \
	do {                                                                                     \
		const char *next_ = choosing_next((f), (session));                               \
		cr_assert_str_eq(next_, (name_), "%s: %s", next_, choosing_why((f), (session))); \
	} while (0)
#define assert_why(f, session, words)                                                           \
	do {                                                                                    \
		const char *said_ = choosing_why((f), (session));                               \
		cr_assert_not_null(strstr(said_, (words)), "no \"%s\" in: %s", (words), said_); \
	} while (0)

#endif
