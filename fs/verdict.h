/*
 * verdict: the preflight. Runs every enabled probe, all at the same time and once for any
 * number of readers; what they say goes to the writer as one change, which rolls it up
 * (supply anywhere: not-dry; else unknown anywhere: unknown; dry only when every probe
 * looked and found nothing), offers the tasks by which it is answered, and records the runs.
 */
#ifndef FS_VERDICT_H
#define FS_VERDICT_H

#include "fs/loop.h"
#include "fs/request.h"

struct verdict_state *verdict_new(struct fs *fs, struct loop *loop);
/* See to it that the probes that are built in are there, but for those that were removed. */
void verdict_start(struct verdict_state *v);
/* Are they there by now? */
int verdict_started(const struct verdict_state *v);
/* Running probes are killed. */
void verdict_free(struct verdict_state *v);

/*
 * Is there a judgement of PROBE (0: the roll-up of all) young enough for the caller? 1: show
 * it. 0: FN(ARG) will be called by the loop when there is one. -errno.
 */
int verdict_ready(struct request *r, int64_t probe, void (*fn)(void *arg), void *arg);
/* ARG waits no more (interrupted). 1 if it was waiting. */
int verdict_forget(struct verdict_state *v, void *arg);
/* The ARG of one who waits, who waits no more; NULL: nobody does. */
void *verdict_take(struct verdict_state *v);

#endif
