/*
 * conflict: artifacts against artifacts, through the indexes on their stems
 * (the literal part in front). Two names can only overlap when the stem of
 * one is an ancestor of, or equal to, the stem of the other: so a question
 * is a few point look-ups (the ancestors) and one range (what lies below).
 */
#ifndef BACKEND_CONFLICT_H
#define BACKEND_CONFLICT_H

#include <stdint.h>

#include "backend/overlap.h"

struct db;

/* A live artifact in the way. */
struct conflict {
	int64_t task;		    /* who holds it */
	char name[ARTIFACT_BUFFER]; /* canonical */
};

/*
 * The first live artifact of a task other than TASK that overlaps NAME
 * (canonical). 1 and *OUT, 0 none, -errno.
 */
int conflict_find(struct db *db, int64_t task, const char *name, struct conflict *out);

/*
 * NAME of TASK went live (DELTA 1) or is live no more (-1): bring the counts
 * of all other tasks that want something overlapping it up to date.
 */
int conflict_spread(struct db *db, int64_t task, const char *name, int delta);

/* Count anew what stands in the way of TASK itself. */
int conflict_recount(struct db *db, int64_t task);

/* The stem of a canonical name, into OUT (ARTIFACT_BUFFER bytes). */
void conflict_stem(const char *name, char *out);

#endif
