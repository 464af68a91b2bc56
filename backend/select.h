/*
 * select: which task is best for whom. Pure functions of the store, the session and the time:
 * a choice leaves no trace. docs/selection.md has the formulas and the figures.
 */
#ifndef BACKEND_SELECT_H
#define BACKEND_SELECT_H

#include <stddef.h>
#include <stdint.h>

#include "backend/buf.h"
#include "backend/read.h"
#include "backend/share.h"

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

/* What a session in the lane may be expected to come to, 0 .. 1. */
struct expected {
	struct arm arm;
	double lifetime; /* (1 + total) / (2 + n) */
	double weight;	 /* of the evidence, faded as of now */
	double value;	 /* (2 lifetime + sum) / (2 + weight), sum faded as of now */
};

/* control/select; durations in ms. */
struct select_settings {
	double half_life, explore, recency, recency_half_life, monotony, family, share, window,
		asking, calm, refused;
};

int select_settings(struct db *db, struct select_settings *out);
int select_expected(struct db *db, const struct select_settings *set, const char *lane,
		    struct expected *out);

/* A lane with ready tasks. */
struct select_lane {
	char name[NAME_BUFFER]; /* "": tasks without a lane */
	int offer;		/* 1: tasks for anybody, 2: those that want it calm */
	struct expected expected;
	struct share share;
	const char *shut; /* why nobody is offered anything of it; NULL: it is open */
	int64_t want;	  /* so many of its tasks are looked at */
	size_t rows;	  /* that were looked at; below what was wanted: all */
	double least;	  /* what the last of them is worth; no other is worth more, */
	int64_t last;	  /* and none of its worth is older */
};

/* A task that can be claimed, and what it scores for the asker. */
struct candidate {
	int64_t task;
	char name[NAME_BUFFER], family[NAME_BUFFER];
	size_t lane; /* in the selection's */
	double worth;
	double recency, monotony, redundancy, share; /* parts that are taken off */
	double score;
	int first;	  /* it is of the drawn lane */
	int is_asked;	  /* whether it is for the asker */
	const char *shut; /* why not; NULL: it is */
};

struct selection {
	struct select_settings set;
	struct select_lane *lanes;
	size_t n_lanes;
	struct candidate *list; /* the best first */
	size_t n, room;
	size_t stale; /* of those that were looked at, others have committed to so many */
	int64_t wall;
	const struct session *session; /* the asker's; NULL: nobody in particular */
	int has_lost,
		is_behind; /* the session lost something; others have committed since its base */
	char family[NAME_BUFFER]; /* that was asked for last, and is it held by others? */
	int is_family_held;
	int64_t place, asking; /* how many who ask now come before the asker; and all, with it */
	int drawn; /* the lane that the asker begins with, for the sake of knowing; -1: none */
	const struct candidate *pick, *runner_up; /* NULL: there is none */
	const char *none;			  /* pick is NULL: why, in a few words */
};

/*
 * Choose for SESSION (NULL: for nobody in particular) at WALL (ms). SESSION must outlive *OUT, which
 * the caller releases, also after an error. 0 or -errno.
 */
int select_next(struct db *db, const struct session *session, int64_t wall, struct selection *out);
/* What TASK, which may be any, scores in the same eyes. 0 or -errno. */
int select_score(struct db *db, struct selection *s, int64_t task, double *out);
void select_release(struct selection *s);

/* Every term of the choice in words, a line each. 0 or -errno. */
int select_explain(struct db *db, const struct selection *s, struct buf *out);

#endif
