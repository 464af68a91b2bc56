/*
 * claimfile: a claim as a file, and names moved between columns. Shared by
 * the board and by the sessions' own directories.
 */
#ifndef FS_CLAIMFILE_H
#define FS_CLAIMFILE_H

#include "fs/lockfile.h"

/* `task`, `session`, `token` ... and one `artifact PATH` a line. ID: the grant. */
int claim_show(struct request *r, int64_t id, struct buf *out);
/* Lines added, -lines given up. */
int claim_store(struct request *r, int64_t id, const char *text, size_t n, int append);
/* Times: from the winner's own touch alone. */
int claim_touch(struct request *r, int64_t id);
/* For writing: the holder may append; whoever else asks for the claim, and is refused. */
int claim_open(struct request *r, int64_t id, int flags);

/* Names made, removed and moved in claims/ and sessions/ID/claims/. */
extern const struct dir_ops claims_ops;
/* Names moved out of any other column; nothing is made or removed there. */
extern const struct dir_ops column_ops;

/* A file for a claim in a directory: KIND says whose. */
#define CLAIM_FILE(r, k, fl)                                                                       \
	{                                                                                          \
		.type = NODE_FILE, .row = (r), .mode = 0666, .each = (k),                          \
		.flags = NODE_FENCED | NODE_LIST | (fl), .show = claim_show, .store = claim_store, \
		.touch = claim_touch, .open = claim_open, .lock = lock_claim                       \
	}

#endif
