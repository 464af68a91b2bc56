/*
 * action: an outward deed that is to be done once (a comment, a pull request),
 * as it is recorded under its key; and the queues that limit how many are open.
 */
#ifndef BACKEND_ACTION_H
#define BACKEND_ACTION_H

#include "backend/read.h"

#define ACTION_RESULT_MAX 4096 /* bytes of a result */

/* The numbers stand in the statements too. A key that is free has no action. */
enum action_state { ACTION_PERMITTED = 1, ACTION_UNKNOWN, ACTION_DONE };

struct action {
	int64_t id; /* of the permission: another one after the key was free again */
	char name[NAME_BUFFER];
	int64_t session; /* that was permitted */
	char by[NAME_BUFFER];
	uint32_t uid; /* of that session */
	int32_t pid;
	int64_t since, changed; /* wall ms: permitted, last transition */
	int64_t expires;	/* ms since boot: unknown from then on; of a permitted one */
	int state;		/* enum action_state */
	int closed;		/* done, and out of its queue */
	char reason[16];	/* why it is unknown: how its session ended, restarted, no-result */
};

/* The action that a key has now. 1 and *OUT, 0 (the key is free), or -errno. */
int read_action(struct db *db, int64_t id, struct action *out);
int read_action_named(struct db *db, const char *name, struct action *out);

/* A line of control/actions-limit. */
struct action_queue {
	char prefix[NAME_BUFFER];
	int64_t limit;
};

/* Read a line "PREFIX NUMBER", N bytes. 0 or -EINVAL. */
int action_queue_parse(const char *line, size_t n, struct action_queue *out);
/*
 * The queue of the key NAME: that of the longest prefix in LIMITS (the text of
 * control/actions-limit; NULL: none) which it equals, or which ':' or '#' follows in it. 1, or 0.
 */
int action_queue_find(const char *limits, const char *name, struct action_queue *out);
/*
 * How many deeds of the queue Q are open: permitted, unknown, or done and not closed. None
 * is counted behind the first that is too much: there may be many of them. Some are named
 * in WHO, for a sentence. The number, or -errno.
 */
int64_t action_queue_count(struct db *db, const char *limits, const struct action_queue *q,
			   char *who, size_t n);

#endif
