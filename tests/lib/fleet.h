/*
 * fleet: sessions that do as `next` says, in a store of their own, on virtual time. The store, the
 * rules, the grades and the choice are the real ones; who succeeds follows from a seed.
 */
#ifndef TESTS_LIB_FLEET_H
#define TESTS_LIB_FLEET_H

#include "backend/select.h"
#include "tests/lib/fixture.h"

#define FLEET_LANES 3 /* of a course */
#define FLEET_SESSIONS 400
#define FLEET_AT_ONCE 8

struct fleet {
	struct fixture f;
	uint64_t seed, random;
	int64_t judge;		 /* a session that says how others did */
	int64_t tasks, sessions; /* so many were made: their names are t1 .., sSEED-1 .. */
};

/* A task has FLEET_NOTHING for a value that is not set. */
#define FLEET_NOTHING (-1.0)

void fleet_open(struct fleet *x, uint64_t seed);
void fleet_close(struct fleet *x);
/* 0 <= x < 1. */
double fleet_draw(struct fleet *x);
/* control/select/NAME and, of a lane's directory, a field; abort when they are refused. */
void fleet_select(struct fleet *x, const char *name, const char *value);
void fleet_lane(struct fleet *x, const char *lane, const char *field, const char *value);
/* N tasks that are ready; LANE NULL: in none. */
void fleet_tasks(struct fleet *x, const char *lane, int n, double value);
/* The same, with a tag (NULL: none). */
void fleet_tasks_of(struct fleet *x, const char *lane, int n, const char *tag, double value);
int64_t fleet_session(struct fleet *x);
/* What `next` says to SESSION (0: to nobody), "" nothing; 1 when it drew a lane to begin with. */
int fleet_next(struct fleet *x, int64_t session, char name[NAME_BUFFER]);
/* next.why, static. */
const char *fleet_why(struct fleet *x, int64_t session);
/* Claim, as through a mount: what is refused is recorded with the operation. 0 or -errno. */
int fleet_claim(struct fleet *x, int64_t session, const char *name);
/*
 * SESSION finishes TASK ("": it has none, and stops) or gives it back, says so and ends; the judge
 * says what the work was. The grade it came to; below 0: it has none.
 */
double fleet_end(struct fleet *x, int64_t session, const char *task, int success);
struct expected fleet_expected(struct fleet *x, const char *lane);

/* A course: sessions come one a minute, FLEET_AT_ONCE live at a time, and each takes one task. */
struct course {
	uint64_t seed;
	int sessions, change_at; /* from that session on a lane's `later` holds; 0: never */
	struct {
		const char *name;
		double p, later; /* a session in it finishes its task */
		int tasks;	 /* 0: as many as there are sessions; -1: none */
	} lanes[FLEET_LANES];
	const char *half_life, *explore, *monotony; /* NULL: as they are */
	const char *share_limit;		    /* of the first lane */
};

struct taken {
	int lane; /* in the course's; -1: it found nothing */
	int drawn;
	double mark;		      /* its grade; below 0: none */
	double expected[FLEET_LANES]; /* of all lanes, when it chose */
	double lifetime[FLEET_LANES];
	int64_t ended[FLEET_LANES];
	int over; /* the first lane's part was above 1/2 then */
};

/* Called before session I comes; NULL: nothing to do. */
typedef void fleet_step(struct fleet *x, int i);

/* Leaves X open. */
void fleet_run(struct fleet *x, const struct course *c, fleet_step *step, struct taken *out);
/* How many of FROM .. TO - 1 are in LANE; their mean grade. */
int fleet_in_lane(const struct taken *t, int from, int to, int lane);
double fleet_mean(const struct taken *t, int from, int to);

#endif
