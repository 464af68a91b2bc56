/* store_impl: what store.c and writer.c share; for nobody else. */
#ifndef BACKEND_STORE_IMPL_H
#define BACKEND_STORE_IMPL_H

#include <pthread.h>
#include <stdatomic.h>

#include "backend/waiters.h"
#include "backend/store.h"

/* A refusal of the last second, so that its repetition is not recorded again. */
struct recent_refusal {
	int32_t pid;
	int64_t start;
	int64_t boot; /* ms */
	uint64_t op;  /* hash */
};
#define RECENT_REFUSALS 256

struct store {
	int dir_fd; /* holds the lock */
	int event_fd;
	uint32_t owner;
	struct world *world;
	char boot_id[BOOT_ID_LEN];
	struct db *writer;			       /* the writer's thread alone */
	struct db *reader;			       /* the loop's thread alone */
	int64_t seq, finish;			       /* the writer's */
	struct recent_refusal recent[RECENT_REFUSALS]; /* the writer's */
	unsigned recent_at;
	struct waiters waiters; /* the writer's */
	struct change *again;	/* the writer's: to be tried anew */
	/* The writer's: how the clocks stood, what a commit may take, what it took too long. */
	int64_t asleep, last_boot, allow, owed, owed_boot;
	int64_t overdue; /* the writer's: what was due when a batch failed; 0: the last one stands */
	int full;	 /* the disk: nothing is taken that needs room; the writer's */

	pthread_mutex_t lock; /* guards what follows */
	pthread_cond_t queued;
	struct change *queue, **queue_end;
	struct change *decided, **decided_end;
	int stopping, woken;

	_Atomic int64_t due, seen_seq, seen_bytes;
	_Atomic int failed;
};

/* The disk is full: roll back, and make what room there can be. */
void store_make_room(struct store *s);

/* How long the machine has slept since it booted, as far as leases have been given it; to the store. */
int store_keep_asleep(struct store *s);

#endif
