/*
 * lockfile: flock(2) in claims/ and sessions/ID/claims/. A name that is not held is
 * opened as a door: a file without a text, to be locked. A name that is no task is a
 * plain mutex, shown as a file while it is held.
 */
#ifndef FS_LOCKFILE_H
#define FS_LOCKFILE_H

#include "fs/node.h"

extern const struct kind mutex_kind, door_kind;

/* Locks of an open claim (ID: the grant); of a mutex or a door, which go by their name. */
int lock_claim(struct request *r, int64_t id, struct handle *h);
int lock_named(struct request *r, int64_t id, struct handle *h);

int mutex_show(struct request *r, int64_t id, struct buf *out);
int door_show(struct request *r, int64_t id, struct buf *out);

/* H has been opened: what flock will need to know of it. 0, -ESTALE, -ENOMEM. */
int lock_opened(struct request *r, struct handle *h);
/*
 * R opens for reading what has gone: shall it be opened all the same, to be locked and not
 * to be read (lock_opened_late), or, LOOK, looked at before that? If not the answer is
 * ESTALE, and the kernel looks again.
 */
int lock_is_late(struct request *r, int look);
int lock_opened_late(struct request *r, struct handle *h);

/* "claims/T", as it was opened. */
void lock_path(struct request *r, const struct handle *h, struct buf *out);

#define MUTEX_FILE                                                                      \
	{                                                                               \
		.type = NODE_FILE, .row = ROW_MUTEX, .mode = 0444, .each = &mutex_kind, \
		.show = mutex_show, .lock = lock_named                                  \
	}
#define DOOR_FILE                                                                     \
	{                                                                             \
		.type = NODE_FILE, .row = ROW_DOOR, .mode = 0444, .each = &door_kind, \
		.flags = NODE_HIDDEN, .show = door_show, .lock = lock_named           \
	}

#endif
