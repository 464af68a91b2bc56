/*
 * lesson: what a lesson is worth: where it was given and what came of it. Functions of the store
 * and of nothing else; docs/lessons.md has the formulas.
 */
#ifndef BACKEND_LESSON_H
#define BACKEND_LESSON_H

#include <stdint.h>

#include "backend/buf.h"
#include "backend/sqlite.h"

#define LESSON_UNIT \
	1000000		 /* grades are added up as whole numbers of millionths: no order matters */
#define LESSON_BLOCK 256 /* sessions with a context whose grades are one sum */
#define LESSON_SHARES 1000  /* a dropout is so many thousandths */
#define LESSON_KEYWORDS 256 /* lines of `keywords` that count */

/* Grades of some sessions: how many, their sum, the sum of their squares. */
struct lesson_sum {
	int64_t n, sum, squares; /* in LESSON_UNIT, and its square */
};

/* Two groups that are compared, `with` the lesson and without it. */
struct lesson_pair {
	struct lesson_sum with, without;
};

/* What came of the comparison. */
struct lesson_effect {
	int64_t with, without; /* sessions compared */
	double mean_with, mean_without;
	int known;		 /* else the rest is not */
	double value, low, high; /* with minus without; the 95 % interval */
};

/* How often it was given. Sessions count when they have a context. */
struct lesson_uses {
	int64_t sessions;    /* since it was first active */
	int64_t fired, held; /* in how many of them; held out of how many */
	int64_t last;	     /* wall ms; 0: never */
	int64_t window;	     /* the last so many, since its keywords are what they are */
	int64_t recent;	     /* in so many of these it matched, held out or not */
};

struct lesson_settings {
	int64_t window, sample;
	double broad, harm;
};

enum lesson_verdict { LESSON_KEEP, LESSON_NARROW, LESSON_SILENT, LESSON_PRUNE, LESSON_UNKNOWN };
extern const char *const lesson_words[];

/* Is a match held out? SEED is the event's random number, SHARE in LESSON_SHARES. */
int lesson_is_held(uint64_t seed, int64_t lesson, int64_t share);
/* What a keyword adds to a score that matched HEARD of CONTEXTS contexts so far. */
double lesson_rarity(int64_t heard, int64_t contexts);

/*
 * Welch's comparison of N pairs, each of which is a group of its own; where there are several,
 * each counts by how much it tells. 95 %.
 */
void lesson_compare(const struct lesson_pair *pairs, int n, struct lesson_effect *out);

/* 0 or -errno. */
int lesson_settings(struct db *db, struct lesson_settings *out);
int lesson_uses(struct db *db, int64_t lesson, const struct lesson_settings *set,
		struct lesson_uses *out);
/* Those who were given it, with all others that have a context: not a fair comparison. */
int lesson_observed(struct db *db, int64_t lesson, struct lesson_effect *out);
/* Those who were given it, with those from whom a coin kept it. */
int lesson_randomised(struct db *db, int64_t lesson, struct lesson_effect *out);
/*
 * What is to become of it; WHY gets the reason, in words, on one line. BRIEF: without looking for
 * the keywords that make it too broad, and without the observed effect, which prunes nothing.
 */
int lesson_judge(struct db *db, int64_t lesson, const struct lesson_settings *set, int brief,
		 enum lesson_verdict *out, struct buf *why);

#endif
