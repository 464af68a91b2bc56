/*
 * oracle: a random history of a board, and a model that knows by brute force
 * what each step must answer and how the board must stand afterwards. The
 * model shares nothing with the rules but artifact_overlap.
 */
#ifndef TESTS_LIB_ORACLE_H
#define TESTS_LIB_ORACLE_H

#include "tests/lib/fixture.h"

#define ORACLE_TASKS 7
#define ORACLE_SESSIONS 4
#define ORACLE_ARTIFACTS 6

struct oracle_task {
	int exists;
	enum task_state state;
	int holder; /* index of a session; -1: nobody */
	int standing, hold;
	int needs[ORACLE_TASKS];
	int n;
	char artifacts[ORACLE_ARTIFACTS][64]; /* canonical */
};

struct oracle {
	struct fixture *f;
	uint64_t random;
	struct oracle_task tasks[ORACLE_TASKS];
	int64_t sessions[ORACLE_SESSIONS];
	int lost[ORACLE_SESSIONS][ORACLE_TASKS];
	int registered;
	struct buf says; /* what does not agree; empty while all is well */
	char did[4096];	 /* the last steps, for whoever has to find out */
};

void oracle_init(struct oracle *h, struct fixture *f, uint64_t seed);
void oracle_free(struct oracle *h);

/* A few random changes in one batch. 0, or -1 and says tells what went otherwise. */
int oracle_step(struct oracle *h);
/* Compare every task of the store with the model. 0 or -1. */
int oracle_check(struct oracle *h);

#endif
