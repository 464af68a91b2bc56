/*
 * procs: the process table of the simulation. It stands in for fs/caller.c and
 * for the watching of descriptors: whoever asks about processes is told what
 * this table says, and whoever watches a pidfd is called when its process has
 * exited. Process ids are few, so that they are soon used again.
 */
#ifndef TESTS_SIM_PROCS_H
#define TESTS_SIM_PROCS_H

#include <stdint.h>

#define PROCS_FIRST 5000000 /* ids given out: FIRST .. FIRST + COUNT - 1; no kernel's are so high */
#define PROCS_COUNT 120

struct sim_proc {
	int32_t pid, ppid; /* pid 0: none */
	int64_t start;	   /* clock ticks after boot */
	uint32_t uid;
	int zombie;
	char session[16]; /* COORD_SESSION; "": not set */
};

/* A machine that has just booted: nobody but init and the daemon. */
void procs_boot(const char *boot_id);
/* A new process; its pid, or 0 when there is no number left. NOW: ms since boot. */
int32_t procs_start(int32_t parent, uint32_t uid, const char *session, int64_t now);
/* It exits; ZOMBIE: nobody has waited for it yet. Its children are init's. */
void procs_exit(int32_t pid, int zombie);
/* The process, zombies too; NULL: none. */
const struct sim_proc *procs_get(int32_t pid);

/* One of those who watch for an exit that has happened is called. 0: there is none. */
int procs_deliver(int32_t *pid, int64_t *start);
/* Was a pidfd of a process asked for that has gone, and not told here yet? In order. */
int procs_missed(int32_t *pid, int64_t *start);
/* The daemon has gone, and its watches with it. */
void procs_forget_watches(void);
/* How many pidfds are being watched. */
int procs_watched(void);

#endif
