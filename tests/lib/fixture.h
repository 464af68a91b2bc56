/*
 * fixture: a store in a simulated world. Nothing runs by itself: the test
 * queues changes, runs the writer's batch, moves the clocks.
 *
 *	static struct fixture f;
 *	int64_t s = fixture_session(&f, "s1");
 *	struct outcome o = commit(&f, CHANGE_CLAIM, .as = s, .name = "T");
 */
#ifndef TESTS_LIB_FIXTURE_H
#define TESTS_LIB_FIXTURE_H

#include <stdint.h>

#include <jansson.h>

#include "backend/read.h"
#include "backend/store.h"

#define FIXTURE_UID 1000u
#define FIXTURE_ALIVE 8
#define FIXTURE_PROCESSES 32

#define SECOND INT64_C(1000)
#define MINUTE (60 * SECOND)
#define HOUR (60 * MINUTE)
#define DAY (24 * HOUR)

struct sim_process {
	int32_t pid, parent; /* pid 0: a free place */
	int64_t start;
};

/* A world whose clocks and processes the test decides. */
struct sim {
	struct world world;
	int64_t boot, wall; /* ms */
	int64_t asleep;	    /* ms of boot spent in suspend */
	char boot_id[BOOT_ID_LEN];
	int32_t alive[FIXTURE_ALIVE];			 /* pids, whatever their start */
	struct sim_process processes[FIXTURE_PROCESSES]; /* everybody else is gone */
	int64_t commit_ms; /* so long takes the commit of each batch that is run */
	int64_t committing;
	double load; /* what pressure answers, unless pressure_err is set (-errno) */
	int cores, pressure_err;
	int64_t available, total;
	int64_t oldest; /* what oldest answers, for any name: ms of wall; 0: no such process */
	int oldest_err;
	uint64_t seed; /* what random answers follows from it */
};

struct fixture {
	struct sim sim;
	char dir[256];
	struct store *store; /* NULL: could not be opened, says has why */
	struct buf says;
};

/* A new store in a directory of its own. Aborts when there can be none. */
void fixture_open(struct fixture *f);
/* The same on another VFS of SQLite's. */
void fixture_open_on(struct fixture *f, const char *vfs);
/* Close the store and remove its directory. */
void fixture_close(struct fixture *f);
/* As a daemon that ends, and one that starts. The error of store_open. */
void fixture_stop(struct fixture *f);
int fixture_start(struct fixture *f);
int fixture_restart(struct fixture *f);

/* What a change asks for; what is left out is 0. */
struct ask {
	enum change_kind kind;
	const char *name, *field, *text;
	size_t n;     /* bytes of text; 0: strlen */
	int64_t as;   /* the acting session */
	uint32_t uid; /* 0: FIXTURE_UID */
	int operator_, owner;
	int32_t pid; /* of the actor */
	int64_t pid_start;
	enum thing_kind of;
	int64_t thing, token;
	unsigned flags;
	uint32_t to_uid; /* CHOWN */
	int32_t member;	 /* JOIN */
	int64_t member_start;
	const char *op; /* the record's words; NULL: made of the kind and the name */
};

struct outcome {
	int err;
	int64_t id;
	char why[2048];
};

/* Queue a change; it is decided by the next fixture_run. Freed with change_free. */
struct change *fixture_queue(struct fixture *f, const struct ask *ask);
#define queue(f, ...) fixture_queue((f), &(const struct ask){ __VA_ARGS__ })
/* One batch of the writer, and its answers. The number of them. */
int fixture_run(struct fixture *f);
/* The answer to a change that was run; frees it. Aborts when there is none. */
struct outcome fixture_take(struct change *c);

/* One change in a batch of its own. */
struct outcome fixture_commit(struct fixture *f, const struct ask *ask);
#define commit(f, ...) fixture_commit((f), &(const struct ask){ __VA_ARGS__ })

/* A process starts, as a child of PARENT (0: of nobody known); and is gone. */
void fixture_process(struct fixture *f, int32_t pid, int64_t start, int32_t parent);
void fixture_exit(struct fixture *f, int32_t pid);
/* Such a process is gone, and the store is told. */
struct outcome fixture_gone(struct fixture *f, int32_t pid, int64_t start);

/* Let time pass on both clocks; what is due ends when it is due, as the loop's timer sees to. */
void fixture_pass(struct fixture *f, int64_t ms);
/* The same time passes, but the daemon stands still meanwhile. */
void fixture_stall(struct fixture *f, int64_t ms);
void fixture_tick(struct fixture *f);

/* Short forms; those that answer an id abort when they are refused. */
int64_t fixture_session(struct fixture *f, const char *name);
int64_t fixture_session_of(struct fixture *f, const char *name, uint32_t uid);
/* A published task with these artifacts (lines; NULL: none), by an operator. */
int64_t fixture_task(struct fixture *f, const char *name, const char *artifacts);
/* The same, but left in ideas/. */
int64_t fixture_idea(struct fixture *f, const char *name, const char *artifacts);
/* Set a field of a task, or of control, as the owner. */
struct outcome fixture_set(struct fixture *f, const char *task, const char *field,
			   const char *text);
struct outcome fixture_control(struct fixture *f, const char *field, const char *text);
struct outcome fixture_claim(struct fixture *f, int64_t session, const char *task);
struct outcome fixture_finish(struct fixture *f, int64_t session, const char *task);
struct outcome fixture_release(struct fixture *f, int64_t session, const char *task);
/* Claim that must succeed; the token. */
int64_t fixture_hold(struct fixture *f, int64_t session, const char *task);

/* The state now; abort when the thing is not there. */
struct task fixture_task_now(struct fixture *f, const char *name);
struct session fixture_session_now(struct fixture *f, int64_t id);
struct grant fixture_grant_now(struct fixture *f, int64_t token);
/* The field's value, "-" when unset; static, of the last call. */
const char *fixture_field(struct fixture *f, int64_t thing, const char *field);
/* The artifacts of a task, canonical, separated by blanks; static. */
const char *fixture_artifacts(struct fixture *f, const char *task);
/* How many events of this kind there are (NULL: any). */
int fixture_count(struct fixture *f, const char *kind);
/* The last event of this kind (NULL: any); NULL: none. The caller's. */
json_t *fixture_event(struct fixture *f, const char *kind);
/* The number of the last event of this kind; 0: none. */
int64_t fixture_seq(struct fixture *f, const char *kind);
/* The state hash; static. */
const char *fixture_hash(struct fixture *f);

/* What offline_check finds in the store, as it is now; "" for nothing. Static. */
const char *fixture_check(struct fixture *f);

/* What CHANGE_JUDGED takes when one probe (its id 77) has answered; static. */
const char *fixture_says(const char *probe, const char *answer, const char *detail, int filed);
/* "ANSWER DETAIL" of the last run of that probe that was recorded; static. */
const char *fixture_judged(struct fixture *f);

#endif
