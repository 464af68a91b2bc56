/*
 * child: a program run for a probe, apart from everything: bubblewrap (read-only root,
 * namespaces of its own), an unprivileged uid, limits, 64 KiB of output, so much time and no
 * more; and what it left behind goes with it. Where bubblewrap cannot run it is run without,
 * and the result says so.
 */
#ifndef FS_CHILD_H
#define FS_CHILD_H

#include <stdint.h>
#include <sys/types.h>

#include <jansson.h>

#include "fs/loop.h"

struct child;

/* RESULT: as "programs" of struct probe_kind's judge; the callee's. C is gone afterwards. */
typedef void child_fn(json_t *result, void *arg);

/*
 * Orphans of those that are run come to this process from now on, so that it can end
 * them. 0 or -errno. Once, by the daemon, before the first child.
 */
int child_adopt(void);

/*
 * Run what probe_ask asked for in ASK, for TIMEOUT ms; MOUNTPOINT is where the tree is.
 * DONE(result, ARG) is called by the loop when it has ended. NULL: it could not be started,
 * and *WHY (static) says why.
 */
struct child *child_start(struct loop *l, const json_t *ask, int64_t timeout,
			  const char *mountpoint, child_fn *done, void *arg, const char **why);
/*
 * What it prints goes to FN as it comes, any length, instead of into the result, and has no
 * limit. An answer other than 0: no more for now, until child_resume. DONE is called when all
 * that it printed has been taken.
 */
typedef int child_output_fn(const char *text, size_t n, void *arg);
void child_stream(struct child *c, child_output_fn *fn);
void child_resume(struct child *c);
/* End it now, without an answer; also from its output function. It is not waited for. */
void child_drop(struct child *c);
/* End what an earlier child left behind; called by child_drop and when children end. */
void child_sweep(struct loop *l);
/* At the end of the daemon: nothing of them is left when this returns, but what cannot be killed. */
void child_end_all(struct loop *l);

#endif
