/*
 * wait: who waits for a claim or a mutex by flock, for people to see. Who is served
 * and when is the writer's to decide; this is the list of requests that are parked.
 */
#ifndef FS_WAIT_H
#define FS_WAIT_H

#include "fs/request.h"

struct waiter {
	struct change *change;
	int64_t since; /* wall ms */
	struct waiter *prev, *next;
};

/* C has been asked, and may have to wait. The waiter is its owner's, until wait_end. */
void wait_begin(struct fs *fs, struct waiter *w, struct change *c);
void wait_end(struct fs *fs, struct waiter *w);

/* `waiters N` and a line for each of the first: who waits for the grant TOKEN. */
void wait_show(struct request *r, int64_t token, struct buf *out);
/* The same for whoever waits for the mutex NAME. */
void wait_show_name(struct request *r, const char *name, struct buf *out);

#endif
