/*
 * follow: files that are read as things happen: wait/events, wait/messages/ID. Who waits for
 * more of one stands in the line of the thing that the file is about, so that what happens
 * to one thing wakes, and costs, nobody who waits for another. Knows no FUSE: what waits
 * is a part of a parked read or of a poll, with a function to wake it.
 */
#ifndef FS_FOLLOW_H
#define FS_FOLLOW_H

#include "fs/request.h"

struct follow;
struct follow_line;
struct handle;

struct follower {
	uint64_t fh; /* the open file */
	/*
	 * There may be something to read. It may leave its line and be freed; if it does
	 * not, it goes on waiting. OVER: the mount ends, and it must leave.
	 */
	void (*wake)(struct follower *f, int over);
	struct follow_line *line; /* NULL: it does not wait */
	struct follower *prev, *next;
};

/* NULL: no memory. */
struct follow *follow_new(struct store *store);
/* Whoever waits is woken, for the last time. NULL is allowed. */
void follow_free(struct follow *t);

/* The place of a file that is opened now: behind all that was answered. */
void follow_open(struct request *r, struct handle *h);
/*
 * What came since H was opened and was not read yet, SIZE bytes at most, into OUT: whole
 * lines, or a part of one that is longer than that. 1: this is the answer, and when it is
 * empty the end; 0: there is nothing yet; or -errno.
 */
int follow_read(struct request *r, struct handle *h, size_t size, struct buf *out);
/* Would a read of H not have to wait? 1, 0 or -errno. */
int follow_ready(struct request *r, struct handle *h);

/* F waits for more of what H reads. 0 or -ENOMEM. */
int follow_wait(struct follow *t, const struct handle *h, struct follower *f);
/* F waits no more; nothing if it did not. */
void follow_leave(struct follow *t, struct follower *f);
/* Changes were decided: wake those for whom there is something. */
void follow_look(struct follow *t);

#endif
