/*
 * sim: a whole coordfs in one thread, on virtual time: the real tree, the real
 * writer and the real SQLite, asked by simulated agents through raw FUSE
 * requests, while the world around it fails. All that happens follows from a
 * seed. A model that shares nothing with the rules says what each answer and
 * each event must be.
 *
 * sim.c	begins and ends runs, prints what failed
 * procs.c	the process table, in place of fs/caller.c
 * agents.c	what agents do, request by request
 * faults.c	crashes, power cuts, full disks, time
 * model.c	what is so, and what must be answered
 * check.c	the answers and events of a batch against the model; whole-store checks
 */
#ifndef TESTS_SIM_SIM_H
#define TESTS_SIM_SIM_H

#include <stdint.h>

#include "tests/lib/random.h"
#include "tests/lib/wire.h"
#include "tests/sim/procs.h"

#define TASKS 9
#define NAMES 11 /* tasks, and names of mutexes that are never one */
#define AGENTS 9
#define SESSIONS 4096 /* ever registered in one run */
#define PENDING 48
#define MEMBERS 64
#define LOG_LINES 4000
#define LOG_WIDTH 180

#define NOBODY (-1)
#define BLOCKED 3 /* no errno: must wait in line */
#define NEVER_DUE (INT64_MAX / 4)
#define FOREIGN (-2) /* a session of another uid was found */

#define LATENCY 4000 /* ms: the latest that a timer of the daemon fires */

/* --- the model --- */

struct m_task {
	int exists;
	int64_t id;
	int state; /* enum task_state */
	int64_t token;
	int standing;
	int64_t ttl;	/* ms; 0: unset */
	unsigned needs; /* bit of each task */
	uint32_t arts;	/* bit of each artifact */
};

struct m_grant {
	int64_t token, ttl;
	int task, session;
	int64_t task_id;
	int64_t lower; /* ms since boot: not lost to time before */
	int64_t upper; /* and, while the daemon runs, not much later */
	int64_t acted; /* the last change by its session */
	uint32_t uid;
	int lock;    /* by flock: 1 while its descriptor is open, 2 after that was lost */
	int32_t pid; /* who locked it */
	int64_t start;
	int boot;
	int ended;
	char how; /* f r l h: finished released lost handed */
	int reported;
};

struct m_session {
	int64_t id;
	uint32_t uid;
	int ended;
	int64_t acted;	/* ms since boot: the last change of its own */
	int64_t quiet;	/* idle from then on, at the earliest */
	unsigned lost;	/* bit of each task it lost and has not taken anew */
	int32_t anchor; /* process; 0: none */
	int64_t anchor_start;
	int anchor_boot;
};

struct m_mutex {
	int name, shared, session;
	uint32_t uid;
	int64_t token;
	int32_t pid;
	int64_t start;
	int boot;
	int lock; /* as of a grant */
	int64_t lower, upper, acted;
};
#define MUTEXES 32

struct m_member {
	int32_t pid;
	int64_t start;
	int boot, session;
};

struct model {
	struct m_task tasks[NAMES];
	struct m_session sessions[SESSIONS];
	int n_sessions;
	struct m_grant *grants; /* by rising token */
	int n_grants, cap_grants;
	int64_t lost_lock[NAMES]; /* the last lock that a process without a session lost */
	struct m_mutex mutexes[MUTEXES];
	int n_mutexes;
	struct m_member members[MEMBERS];
	int n_members;
	int boot; /* the how manieth */
	int64_t seq, bytes;
	int64_t granted;	  /* the highest token */
	int64_t issued;		  /* the highest token that anybody was told */
	int64_t lease, lease_max; /* control/, ms */
	int estop;
	int session_limit, uid_limit; /* control/limits */
};

/* --- requests --- */

/* What a request that the writer decides wants changed. */
struct want {
	enum change_kind kind;
	int actor; /* a session; NOBODY, FOREIGN */
	uint32_t uid;
	int is_op;
	int task, session, to; /* what it is about */
	int64_t id;	       /* the thing meant: a task that may be gone */
	int64_t token;	       /* the grant it was asked through; break: the one to end */
	int anew;
	int shared, waits; /* LOCK */
	uint64_t fh;
	int append;
	uint32_t add, drop; /* artifacts */
	unsigned needs;
	const char *field;
	int64_t value;
	int32_t pid; /* JOIN */
	int64_t start;
};

#define DEFERRED 1 /* to be decided by the writer */

struct pending {
	uint64_t unique;
	int agent;  /* -1: nobody waits for it any more */
	int expect; /* 0, -errno, DEFERRED */
	int maybe;  /* another answer that is right: 0, -errno, DEFERRED; else NEVER */
	int interrupted;
	int unasked; /* the daemon's own change */
	int again;   /* and not decided yet */
	int retried; /* it was not, by the last batch: a full disk */
	int in_line; /* it waits, or did: it is in run.waiting */
	int served;  /* it waited, and is decided */
	int gone;    /* done, and answered that it is not there: ended in the same batch */
	int answered, err;
	uint64_t node, fh;  /* of the answer */
	uint64_t must_node; /* what the answer must name; 0: anything */
	struct want want;
	char what[96];
	char bytes[320]; /* to be sent again; n 0: not of that kind */
	size_t n;
};
#define NEVER 2

/* --- agents --- */

enum identity { BY_PATH, BY_CONTAINER, BY_ENV, BY_JOINING, OWNER };

/* A descriptor, whose it is, and as whom. */
struct won {
	int64_t token;
	uint64_t fh; /* 0: closed */
	int32_t pid;
	int64_t start;
	int session;
};

#define OPEN 8

struct agent {
	enum identity is;
	uint32_t uid;
	int32_t main, child; /* processes; 0: none, or not to be seen */
	int session;	     /* NOBODY: none yet */
	int by_path;	     /* this time through sessions/ID/ */
	int op, stage, task, again;
	int waits; /* for an answer */
	int err;   /* the last answer */
	uint64_t node, fh, node2;
	int64_t paused; /* until, ms since boot */
	/* a descriptor on a claim kept open */
	uint64_t kept_node, kept_fh;
	uint64_t open[OPEN];	     /* all its descriptors */
	uint64_t lock_node, lock_fh; /* locked, or to be locked */
	int lock_as;
	/* descriptors whose CREATE won the grant: of this command, and the one kept */
	struct won won[2];
	char must_text[64]; /* what a read must begin with */
};

/* --- a run --- */

struct run {
	struct wire w;
	uint64_t seed, random;
	int64_t step, steps;
	int64_t ops; /* requests sent */
	uint64_t hash;
	struct model m;
	struct agent agents[AGENTS];
	struct pending pending[PENDING];
	int n_pending;
	struct pending waiting[AGENTS * 2]; /* for a lock, in order of arrival */
	int n_waiting;
	struct {
		uint64_t fh;
		int64_t token;
	} locks[AGENTS * 4]; /* what descriptors have locked */
	int64_t due;	     /* what the timer was set to before the batch */
	int slept;	     /* the machine, since the last batch; 2: or one before it */
	int stalled;	     /* the daemon stood still */
	int full, broken;    /* the disk, since the last batch that went through */
	int boots;
	int64_t cut_at; /* the batch that a power cut will meet; 0: none is planned */
	struct {
		int64_t batches, changes, events, crashes, cuts, errors, fulls, lost, kills, locks,
			waited;
	} n;
	char log[LOG_LINES][LOG_WIDTH];
	int64_t logged;
	char data[512];	   /* the beginning of the last answer */
	char failed[1024]; /* what is wrong; empty while all is well */
};

int below(struct run *s, int n);
/* One in N. */
int rarely(struct run *s, int n);
int64_t now(const struct run *s);
void sim_log(struct run *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* The first that is wrong is kept. */
void sim_fail(struct run *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* agents.c */
void agents_init(struct run *s);
/* Some agent sends its next request; 0: none can. */
int agents_step(struct run *s);
/* The answer to one of an agent's requests. */
void agent_answered(struct run *s, int agent, int err, uint64_t node, uint64_t fh);
/* Nobody has the descriptor any more. */
void kernel_closes(struct run *s, uint64_t node, uint64_t fh);
/* The daemon has gone: what waits for it fails, descriptors are void. */
void agents_cut_off(struct run *s);
/* A new boot: no process of before is there any more. */
void agents_reboot(struct run *s);
void agent_kill(struct run *s, int agent);

/* faults.c */
void faults_step(struct run *s);
/* The disk has room again. */
void disk_freed(struct run *s);
/* The daemon's timer has fired. */
void tick_ask(struct run *s);
/* Time passes, and the daemon does what is due. */
void time_pass(struct run *s, int64_t ms);

/* model.c */
extern const char *const art_names[];
extern uint32_t art_overlaps[];
#define ARTS 22
void model_init(struct run *s);
const char *task_name(int task);
/* The artifacts of other held tasks that overlap any of ARTS. */
uint32_t model_conflicts(const struct model *m, int task, uint32_t arts);
enum column model_column(const struct model *m, int task);
struct m_grant *model_grant(struct model *m, int64_t token);
/* As which session the caller acts; *DENY: a refusal at once. PATH: a session, or NOBODY. */
int model_actor(struct run *s, int32_t pid, uint32_t uid, int path, int *deny);
int model_is_op(uint32_t uid);
int model_is_member(const struct run *s, int32_t pid);
struct m_mutex *model_mutex(struct model *m, int64_t token);
/* The first that holds a mutex of that name; NULL: nobody. */
struct m_mutex *model_holder(struct model *m, int name);
/* Is PID the process OF that started at START, or a descendant of it, which lives? */
int model_descends(int32_t pid, int32_t of, int64_t start);
/* What the writer must answer to a request for a lock; BEHIND: others wait for it already. */
int lock_answer(struct run *s, const struct want *w, int behind);
/* What the writer must answer. */
int model_answer(struct run *s, const struct want *w);

/* check.c */
/* The writer decides what is pending, and all that comes of it is looked at. */
void batch_run(struct run *s);
/* Events and answers so far against the model; KNOWN: the answers have come. */
void batch_check(struct run *s, int known);
void check_board(struct run *s);
/* The whole store: sound, and equal to a replay of its events. */
void check_all(struct run *s);
/*
 * The daemon is up again: what is pending had no answer. It happened as a whole, as the
 * events will show, or did not. BOOT: when it would have been decided, ms since boot.
 */
void batch_settle(struct run *s, int64_t boot);
/* The daemon was told of the exit of a process; pid 0: of all those of former boots. */
void exit_told(struct run *s, int32_t pid, int64_t start);
/* The descriptor FH was closed: what it had locked is given back. */
void lock_closed(struct run *s, uint64_t fh);
void lock_forget(struct run *s, uint64_t fh);
int64_t lock_of(const struct run *s, uint64_t fh);
/* A request was sent: its answer now, or it is pending. */
void request_sent(struct run *s, struct pending *p);

#endif
