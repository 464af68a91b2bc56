/*
 * waiters: who waits for a claim or a mutex, one line a name, in order of arrival. The
 * writer's alone. The first of a line is tried when what stood in its way was let go,
 * in the transaction that did so; nobody else is, since all of a line want the same.
 *
 * A batch may fail after some of it was decided: until waiters_commit or waiters_rollback a
 * change that joined is marked `joined`, and one that was decided `served`.
 */
#ifndef BACKEND_WAITERS_H
#define BACKEND_WAITERS_H

#include <uthash.h>

#include "backend/change.h"
#include "backend/tx.h"

struct line {
	char name[sizeof(((struct change *)0)->name)];
	int64_t blocker; /* the grant or lock in the way of the first */
	int64_t task;	 /* 0: a mutex */
	int stirred;	 /* to be tried */
	struct change *waiting;
	UT_hash_handle hh;
};

struct waiters {
	struct line *all;
	int64_t arrivals;
	int touched; /* since the last commit or rollback */
};

/* Does anybody wait for NAME? */
int waiters_has(const struct waiters *l, const char *name);
/* How many changes of UID wait. */
int64_t waiters_count(const struct waiters *l, uint32_t uid);
/* C waits from now on, for BLOCKER; TASK as in struct line. 0 or -ENOMEM. */
int waiters_join(struct waiters *l, struct change *c, int64_t blocker, int64_t task);
/* Who waits for what was stirred is to be tried. Empties S. */
void waiters_stir(struct waiters *l, struct stir *s);
/* The first of a line that is to be tried, who came first of all such; NULL: none. */
struct change *waiters_next(struct waiters *l);
/* It is decided. */
void waiters_serve(struct waiters *l, struct change *c);
/* Is there somebody to be tried? */
int waiters_due(const struct waiters *l);
/* It waits on, for BLOCKER. */
void waiters_wait(struct waiters *l, const struct change *c, int64_t blocker);
/*
 * The batch stands: what was served leaves the lines. What joined before this batch is
 * given to FN, the rest is the caller's already.
 */
void waiters_commit(struct waiters *l, void (*fn)(struct change *c, void *arg), void *arg);
/* The batch is undone: nobody was served, and who joined in it has not. */
void waiters_rollback(struct waiters *l);
/* Take out who need not wait on: cancelled, or (ALL) everybody; each is given to FN. Who
 * is first now is to be tried: what the other wanted may have been more. */
void waiters_sweep(struct waiters *l, int all, void (*fn)(struct change *c, void *arg), void *arg);

#endif
