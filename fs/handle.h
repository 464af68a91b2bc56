/*
 * handle: an open file. The text is fixed at open; a write is one whole
 * message. Found by number, never by pointer, so that a daemon that took
 * over a mount can answer for a number it does not know (ESTALE).
 */
#ifndef FS_HANDLE_H
#define FS_HANDLE_H

#include <uthash.h>

#include "fs/node.h"

struct handle {
	uint64_t fh;
	uint64_t ino;
	int flags;     /* of open(2) */
	int64_t token; /* the grant it stands for; 0: none */
	int won;       /* its CREATE made the grant */
	int touched;   /* and its own touch has set the times */
	int32_t pid;   /* who opened it */
	int64_t start;
	int64_t session;     /* as whom; 0: none */
	struct buf text;     /* what reads see; of what is followed, what they did not see yet */
	struct buf accepted; /* what writes have put so far */
	int mid_line;	     /* O_APPEND: the last write ended inside a line */
	int64_t at;	     /* what is followed: the last event seen */
	void *poll;	     /* what is followed: who polls it; ll.c's */
	int64_t as;	     /* the session whose directory it was opened through; 0: none */
	uint64_t dir;	     /* a door: the directory it is in; 0: no door */
	char *name;	     /* a door, a mutex: its name; owned */
	int late;	     /* opened when it was gone: to be locked, not to be read */
	int64_t lock;	     /* flock: the token; 0: not locked */
	int shared;
	struct change
		*unlock; /* flock: made before it is asked for, so that giving back cannot fail */
	UT_hash_handle hh;
};

/* A new open file of the caller; NULL: no memory. Owned by the table. */
struct handle *handle_new(struct request *r, uint64_t ino, int flags);
struct handle *handle_get(uint64_t fh);
/* Is any file open on the node? */
int handle_is_open(uint64_t ino);
void handle_close(uint64_t fh);
void handle_close_all(void);
/* FN for every open file. */
void handle_each(void (*fn)(struct handle *h, void *arg), void *arg);

/*
 * A write at OFF: the whole text the value would have into OUT, or what is to
 * be added (*APPEND 1; 2: to the last line). 0, or refused: EINVAL (offset,
 * cut line), E2BIG.
 */
int handle_write(struct request *r, struct handle *h, int64_t off, const char *p, size_t n,
		 struct buf *out, int *append);
/* The write was accepted. */
void handle_accept(struct handle *h, const struct buf *text, int append);

/*
 * Is the handle whose CREATE won TOKEN still open, and the caller's? Of the
 * processes we cannot see, any that acts as the same session.
 */
int handle_is_winner(const struct request *r, int64_t token);

/*
 * The same, for what must not be got twice: only the first time, and not when the CREATE
 * was with O_EXCL, after which no touch sets times.
 */
int handle_is_first_touch(const struct request *r, int64_t token);

/* A grant was made to R's actor. */
void handle_granted(struct request *r, int64_t token);
/*
 * Is the caller one who asked for TOKEN at the same moment, and lost, under
 * the same session? True for a few seconds after the grant, for a process that is
 * older than the grant and neither the winner nor an ancestor of it.
 */
int handle_is_contender(const struct request *r, int64_t token);

#endif
