/*
 * grade: how a session did, in parts, each from what is recorded. Pure functions of the store: no
 * clock, no repository. docs/grading.md has the formulas.
 */
#ifndef BACKEND_GRADE_H
#define BACKEND_GRADE_H

#include <stdint.h>

#include "backend/buf.h"
#include "backend/read.h"

/* The dimensions, in the order in which they are shown; ended by NULL. */
extern const char *const grade_dimensions[];
#define GRADE_DIMENSIONS 6
#define GRADE_IMPORT "import" /* the writer of grades that came with a record; no session's name */
/* The weight of a dimension while control/grading/NAME is unset; the unit of value is "unit". */
const char *grade_default(const char *name);
/* s41 and s41.2 are one family by name. */
int grade_is_family(const char *a, const char *b);

/* What is recorded of a session. */
struct deeds {
	int64_t claims, finished, unblocked, lost;
	int64_t own;		    /* finished, but drafted by itself: counts for nothing */
	double worth;		    /* of what was finished, in units */
	int64_t choices;	    /* tasks claimed when something ready was worth something */
	double chosen;		    /* of each the share of the best that was taken, added up */
	int64_t commits, uncovered; /* in all; with a path outside its claims */
	int64_t reverted;	    /* of its commits */
	int64_t twins, told;	    /* incidents in which it was the second; after a refusal
					that named the first */
	int64_t refusals;
	int ended;
	char outcome[24]; /* its first word, "-": none */
	int noop;	  /* it stopped, and says so */
	char verdict[16]; /* at its outcome; "-": none */
};

struct grade_part {
	const char *name;
	int known;		       /* else it has no part in the whole */
	double value, weight;	       /* 0 .. 1 */
	char source[NAME_BUFFER + 16]; /* "computed", "import", "session ID", "uid N" */
	char reason[256];
};

struct grade {
	int known;
	double value;
	struct grade_part parts[GRADE_DIMENSIONS];
	struct deeds deeds;
};

/* 0 or -errno. */
int grade_deeds(struct db *db, const struct session *s, struct deeds *out);
/* What is computed of DEEDS under the name of a dimension: 1 and *OUT, 0: nothing is known. */
int grade_compute(const char *name, const struct deeds *d, struct grade_part *out);
int grade_of(struct db *db, const struct session *s, struct grade *out);

#endif
