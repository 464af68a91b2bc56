/*
 * select: which task is best for whom. Pure functions of the store, the session and the time:
 * a choice leaves no trace. docs/selection.md has the formulas and the figures.
 */
#ifndef BACKEND_SELECT_H
#define BACKEND_SELECT_H

#include <stdint.h>

#include "backend/sqlite.h"

/* How sessions in a lane did: the sum of their grades, and the same faded with age. */
struct arm {
	int64_t n;
	double total;	    /* of n grades */
	double weight, sum; /* each faded by half per half-life, as of idx */
	int64_t idx;	    /* the number of the last one, of all lanes */
};

/* The grade a session came to in a lane, and its number among all; idx 0: none yet. */
struct reward {
	int64_t idx;
	double value;
};

/* 1, 0: nothing is known of the lane, or of the session in it (*OUT is all 0 then), or -errno. */
int select_arm(struct db *db, const char *lane, struct arm *out);
int select_reward(struct db *db, int64_t session, const char *lane, struct reward *out);

#endif
