#include <errno.h>
#include <sys/random.h>
#include <time.h>

#include "backend/world.h"

static int64_t clock_ms(clockid_t id)
{
	struct timespec t;

	(void)clock_gettime(id, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static int64_t real_boot_ms(struct world *w)
{
	(void)w;
	return clock_ms(CLOCK_BOOTTIME);
}

static int64_t real_wall_ms(struct world *w)
{
	(void)w;
	return clock_ms(CLOCK_REALTIME);
}

static int real_boot_id(struct world *w, char out[BOOT_ID_LEN])
{
	(void)w;
	(void)out;
	return -ENOSYS;
}

static int real_alive(struct world *w, int32_t pid, int64_t start)
{
	(void)w;
	(void)pid;
	(void)start;
	return -ENOSYS;
}

static int real_descends(struct world *w, int32_t pid, int32_t of, int64_t start)
{
	(void)pid;
	(void)of;
	return real_alive(w, of, start);
}

/* CLOCK_MONOTONIC stands still while the machine sleeps. */
static int64_t real_asleep_ms(struct world *w)
{
	(void)w;
	return clock_ms(CLOCK_BOOTTIME) - clock_ms(CLOCK_MONOTONIC);
}

static int real_pressure(struct world *w, double *load, int *cores, int64_t *available,
			 int64_t *total)
{
	(void)w;
	(void)load;
	(void)cores;
	(void)available;
	(void)total;
	return -ENOSYS;
}

static int real_oldest(struct world *w, const char *comm, int64_t *start_ms)
{
	(void)w;
	(void)comm;
	(void)start_ms;
	return -ENOSYS;
}

static int real_random(struct world *w, uint64_t *out)
{
	(void)w;
	return getrandom(out, sizeof(*out), 0) == (ssize_t)sizeof(*out) ? 0 : -EIO;
}

struct world world_real(void)
{
	struct world w = {
		.boot_ms = real_boot_ms,
		.wall_ms = real_wall_ms,
		.boot_id = real_boot_id,
		.alive = real_alive,
		.vfs = NULL,
		.descends = real_descends,
		.asleep_ms = real_asleep_ms,
		.pressure = real_pressure,
		.oldest = real_oldest,
		.random = real_random,
	};

	return w;
}
