/*
 * history: random changes to a store, by sessions that claim, extend, hand
 * over, finish and give back tasks that get into each other's way, tell each
 * other something, and do outward deeds. The same seed makes the same history. Time stands still but for a step a batch, and
 * the calling test is the loop and the writer in one thread.
 */
#ifndef TESTS_LIB_HISTORY_H
#define TESTS_LIB_HISTORY_H

#include <stdint.h>

#include "backend/store.h"

/* The state as a reader saw it. */
struct seen {
	int64_t seq;
	int64_t bytes; /* of all events */
	int64_t token; /* the largest that was given to anybody */
	char hash[17];
};

#define HISTORY_MAX 512 /* batches */

struct history {
	char dir[256]; /* of the store */
	struct world world;
	struct store *store; /* NULL: not open */
	char about[96];	     /* what is done to it, for the messages of failures */
	uint64_t random;
	int64_t now; /* ms, since boot and since 1970 */

	struct seen seen; /* as of the last acknowledged batch */

	/*
	 * What each batch left. Where nothing was said to fail it must be what the
	 * same batch left in the history that this one is like (NULL: none).
	 */
	struct seen left[HISTORY_MAX];
	int batches;
	const struct history *like;

	/* Of the last batch: how many were applied, refused, not decided (a broken
	 * disk, no room, no memory), and the error of the latter. */
	int applied, refused, broken, err;
};

/* A new history in a directory of its own below TMPDIR, on the VFS (NULL: the
 * default one); not open yet. */
void history_new(struct history *h, uint64_t seed, const char *vfs);
/* Close what is open, and remove the directory. */
void history_end(struct history *h);

/* Open or close the store; 0 or -errno. The reader's view becomes what is acknowledged. */
int history_open(struct history *h);
void history_close(struct history *h);

/* Sessions and published tasks to begin with, in three batches. */
void history_begin(struct history *h);
/*
 * One batch of N random changes, every second time behind an outward deed and a message. A
 * reader must see what was applied; and after a batch that broke, what it saw before.
 */
void history_batch(struct history *h, int n);

/*
 * The store in DIR, which nobody has open, must be sound, and be what history
 * H had ACKED, or what it had LATER (NULL: anything from then on). It is
 * opened with h->world.vfs, and what is claimed in it gets a new token.
 */
void history_verify(const struct history *h, const char *dir, const struct seen *acked,
		    const struct seen *later);

/* An empty directory below TMPDIR into OUT (256 bytes); and its end. */
void scratch_new(char *out);
void scratch_remove(const char *dir);

#endif
