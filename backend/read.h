/*
 * read: the things of the store as structs, for the rules (inside the
 * writer's transaction) and for the tree (inside a reader's) alike.
 *
 * Each function answers 1 and *OUT, 0 (no such thing), or -errno.
 */
#ifndef BACKEND_READ_H
#define BACKEND_READ_H

#include <stdint.h>

#include "backend/change.h"
#include "backend/sqlite.h"
#include "backend/world.h"

#define NAME_BUFFER 136 /* a name's 128 bytes and the NUL */

/* Columns of the board; the numbers stand in the schema too. */
enum column { COLUMN_NONE, COLUMN_IDEAS, COLUMN_READY, COLUMN_BLOCKED, COLUMN_CLAIMS, COLUMN_DONE };
enum task_state { TASK_IDEA, TASK_PUBLISHED, TASK_DONE, TASK_CANCELLED };

struct task {
	int64_t id;
	char name[NAME_BUFFER];
	uint32_t uid;
	int64_t drafter;	  /* session id; 0: drafted without one */
	int64_t created, changed; /* wall ms */
	int state;
	int64_t token; /* of the live grant; 0: not held */
	int64_t unmet, conflicts, hold;
	int column;
};

struct session {
	int64_t id;
	char name[NAME_BUFFER];
	uint32_t uid, gid;
	int64_t started, ended; /* wall ms; ended 0: live */
	char how[16];		/* why it ended */
	int64_t refusals;
};

/* It never lived here: a record of it was imported. */
int session_is_imported(const struct session *s);

/* A probe, a lane, a lesson or a repository. */
struct thing {
	int64_t id;
	enum thing_kind kind;
	char name[NAME_BUFFER];
	uint32_t uid; /* who made it */
};

/* A directory of lanes/, and how much of it is taken. */
struct lane {
	int64_t id;
	char name[NAME_BUFFER];
	char kind[16];	     /* once standing daily */
	double limit;	     /* how many tasks of it at once, or a day; below 0: any number */
	double share_limit;  /* how much of all that is taken, 0 .. 1; below 0: any part */
	int64_t held, today; /* its tasks that are held; that are done since 00:00 UTC */
};

/* A grant, live or past. */
struct grant {
	int64_t token, task;
	char name[NAME_BUFFER]; /* of the task */
	int64_t session;
	char holder[NAME_BUFFER]; /* name of the session */
	uint32_t uid;
	int32_t pid;
	int64_t since;		  /* wall ms */
	int64_t ttl;		  /* ms */
	int64_t ended;		  /* wall ms; 0: live */
	char how[16];		  /* finished released expired broken exited ended handed */
	int64_t expires, renewed; /* ms since boot; of a live one */
	int64_t touched;	  /* wall ms: the holder's last sign of work */
	int64_t start;		  /* of pid, clock ticks; of a lock alone */
	char boot[BOOT_ID_LEN];	  /* the boot id pid and start belong to */
	int lock;		  /* enum grant_lock */
	int64_t acted;		  /* ms since boot: the last mutation by its session */
};

/* Is a grant a lease, or a lock that lasts while its descriptor is open? */
enum grant_lock {
	GRANT_LEASE,
	GRANT_LOCK,	/* flock: no lease */
	GRANT_LOCK_KEPT /* flock, but the daemon was restarted: a lease */
};
#define LEASE_NEVER (INT64_C(1) << 61) /* expires of a GRANT_LOCK */

/* A plain mutex, held: one holder, or one of several who share it. */
struct mutex {
	int64_t token;
	char name[NAME_BUFFER];
	int shared;
	int64_t session; /* 0: the process alone */
	char holder[NAME_BUFFER];
	uint32_t uid;
	int32_t pid;
	int64_t start;
	char boot[BOOT_ID_LEN];
	int64_t since;		/* wall ms */
	int64_t expires, acted; /* ms since boot; expires 0: while its descriptor is open */
};

int read_mutex(struct db *db, int64_t token, struct mutex *out);
/* Was an ended grant taken away, and not given back, finished or handed over by its holder? */
int grant_is_lost(const struct grant *g);
/* The next row of LOCK or LOCKS_NAMED. */
int mutex_row(struct rows *r, struct mutex *out);
int read_task(struct db *db, int64_t id, struct task *out);
int read_task_named(struct db *db, const char *name, struct task *out);
int read_session(struct db *db, int64_t id, struct session *out);
int read_session_named(struct db *db, const char *name, struct session *out);
/* One that has not been removed. */
int read_thing(struct db *db, int64_t id, struct thing *out);
int read_thing_named(struct db *db, enum thing_kind kind, const char *name, struct thing *out);
/*
 * The lane of a task, with what is taken of it at WALL (ms) when that is limited; 0: the task
 * has none, or none that has a directory, which is one without a limit.
 */
int read_lane_of(struct db *db, int64_t task, int64_t wall, struct lane *out);
/* The lane called NAME; one that has no directory is one without a limit, id 0. 1 or -errno. */
int read_lane_named(struct db *db, const char *name, int64_t wall, struct lane *out);
/* The next row of LANES or LANE_OF; held and today stay 0. */
int lane_row(struct rows *r, struct lane *out);
/* Has it no place left? Of kind daily the done ones count until tomorrow. */
int lane_is_full(const struct lane *lane);
int read_grant(struct db *db, int64_t token, struct grant *out);
/* The grant SESSION lost (expired, broken) of the task called NAME, and has not taken anew since. */
int read_lost(struct db *db, int64_t session, const char *name, struct grant *out);
/* Who finished the task, and when (wall ms). */
int read_finished(struct db *db, int64_t task, struct grant *out, int64_t *at);

/* A setting of control/limits; its default when it is not set. */
enum limit {
	LIMIT_SESSION_CLAIMS,
	LIMIT_UID_CLAIMS,
	LIMIT_CLAIM_ARTIFACTS,
	LIMIT_WIDE_ARTIFACTS,
	LIMIT_UID_MUTEXES,
	LIMIT_UID_WAITERS,
	LIMIT_SESSION_MESSAGES,
	LIMIT_UID_MESSAGES,
	LIMIT_COUNT
};
struct limit_row {
	const char *name;
	int64_t dflt, max;
};
extern const struct limit_row limit_rows[LIMIT_COUNT];
int64_t read_limit(struct db *db, enum limit which);

/* control/lease, control/lease-max in ms. */
int64_t read_lease(struct db *db);
int64_t read_lease_max(struct db *db);

#endif
