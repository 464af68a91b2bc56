/*
 * world: what the outside decides. Time, the process table, randomness and
 * the disk under the store come through this table, so that a simulation can
 * put its own in place of the real one.
 */
#ifndef BACKEND_WORLD_H
#define BACKEND_WORLD_H

#include <stddef.h>
#include <stdint.h>

#define BOOT_ID_LEN 37 /* 36 characters and the NUL */

struct world {
	/* Milliseconds since boot, suspend included (CLOCK_BOOTTIME): leases. */
	int64_t (*boot_ms)(struct world *w);
	/* Milliseconds since 1970 (CLOCK_REALTIME): for display alone. */
	int64_t (*wall_ms)(struct world *w);
	/* The id of this boot, into OUT; 0 or -errno. */
	int (*boot_id)(struct world *w, char out[BOOT_ID_LEN]);
	/* Is process PID, started at START clock ticks, there? 1, 0, -errno. */
	int (*alive)(struct world *w, int32_t pid, int64_t start);
	/* The SQLite VFS under the store; NULL for the default one. */
	const char *vfs;
	/* Is process PID the process OF, started at START, or a descendant? 1, 0, -errno. */
	int (*descends)(struct world *w, int32_t pid, int32_t of, int64_t start);
	/* Milliseconds of boot_ms that the machine was suspended for. */
	int64_t (*asleep_ms)(struct world *w);
	/*
	 * How busy the machine is: the load of the last minute, processors in use, bytes of memory
	 * to be had and in all; 0 or -errno.
	 */
	int (*pressure)(struct world *w, double *load, int *cores, int64_t *available,
			int64_t *total);
	/*
	 * Since when (ms of wall_ms) the longest-running process called COMM or COMM-SOMETHING
	 * runs: 1; 0: there is none; -errno.
	 */
	int (*oldest)(struct world *w, const char *comm, int64_t *start_ms);
	/* A number that nobody can foresee. 0 or -errno. */
	int (*random)(struct world *w, uint64_t *out);
};

/*
 * The real world: the clocks of this machine. boot_id, alive, descends, pressure
 * and oldest answer -ENOSYS until the caller sets them (only fs/caller.c reads the process
 * table; tools that work on a store offline do without).
 */
struct world world_real(void);

#endif
