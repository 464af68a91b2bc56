/*
 * teaching: a fleet that is taught, with a known truth. Of many lessons four are planted: one
 * helps, one harms, one does nothing, one matches almost everywhere. A session's work is hard or
 * easy, which nobody sees; hard work mentions what the helping and the idle one are about and is
 * graded lower, easy work what the harming one is about. All of it goes through the product's own
 * changes: contexts are written, what is given is read, another session grades.
 */
#ifndef TESTS_LIB_TEACHING_H
#define TESTS_LIB_TEACHING_H

#include "backend/lesson.h"
#include "tests/lib/fixture.h"

enum planted { PLANTED_HELPS, PLANTED_IDLE, PLANTED_HARMS, PLANTED_BROAD, PLANTED };

#define TEACHING_HELPS 0.10 /* what being given it adds to the grade */
#define TEACHING_HARMS (-0.10)
#define TEACHING_HARD (-0.40) /* what hard work adds */

struct teaching {
	struct fixture *f;
	uint64_t random;
	int64_t judge;
	int64_t lessons[PLANTED];
	int noise; /* lessons besides, that do nothing */
};

/* What the product says of a planted lesson. */
struct taught {
	struct lesson_effect observed, randomised;
	enum lesson_verdict verdict;
	char why[512];
};

extern const char *const teaching_names[PLANTED];

/* NOISE lessons besides the planted ones, on the open store F; everything follows from SEED. */
void teaching_begin(struct teaching *t, struct fixture *f, uint64_t seed, int noise,
		    const char *dropout);
/* So many sessions, from the first word to the grade. */
void teaching_run(struct teaching *t, int sessions);
struct taught teaching_look(const struct teaching *t, enum planted which);

#endif
