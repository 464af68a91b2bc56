/*
 * verdict: the preflight. Runs every enabled probe at once, one run for any
 * number of readers, and rolls their answers up: supply anywhere: not-dry;
 * else unknown anywhere: unknown; dry only when every probe looked and found
 * nothing.
 */
#ifndef FS_VERDICT_H
#define FS_VERDICT_H

#include "fs/loop.h"
#include "fs/request.h"

struct verdict_state *verdict_new(struct fs *fs, struct loop *loop);
/* Running probes are killed. */
void verdict_free(struct verdict_state *v);

/*
 * Is there a judgement young enough for the caller? 1: show it. 0: FN(ARG)
 * will be called when there is one; a run is on its way. -errno.
 */
int verdict_ready(struct request *r, void (*fn)(void *arg), void *arg);
/* ARG waits no more (interrupted). 1 if it was waiting. */
int verdict_forget(struct verdict_state *v, void *arg);
/* The ARG of one who waits, who waits no more; NULL: nobody does. */
void *verdict_take(struct verdict_state *v);

/* The last answer of probe ID: its word, and its detail into OUT. NULL: never ran. */
const char *verdict_of(struct verdict_state *v, int64_t probe, struct buf *detail);

#endif
