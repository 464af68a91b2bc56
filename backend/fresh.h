/*
 * fresh: what others have committed to a task's artifacts since a session last looked. Reads alone;
 * whether that stops a claim is the rules' (rules_fresh.c) to say.
 */
#ifndef BACKEND_FRESH_H
#define BACKEND_FRESH_H

#include "backend/overlap.h"
#include "backend/read.h"

struct news {
	int64_t commit;
	char path[ARTIFACT_BUFFER]; /* canonical; what it touched */
	struct thing repo;
};

/* The first such commit in the repository REPO: 1 and *OUT, 0, -errno. */
int fresh_news(struct db *db, int64_t task, const struct session *s, int64_t repo,
	       struct news *out);
/* Is there one at all, to whatever task? 1, 0, -errno. */
int fresh_any(struct db *db, const struct session *s);
/* Is there one to TASK in any repository? 1, 0, -errno. */
int fresh_is_stale(struct db *db, int64_t task, const struct session *s);

#endif
