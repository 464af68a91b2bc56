#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "fs/caller.h"
#include "fs/loop.h"
#include "tests/sim/procs.h"

#define INIT 1
#define DAEMON 2
#define WATCHES 512
#define FDS 1024
#define TICK_MS 10

static struct {
	struct sim_proc all[PROCS_COUNT];
	int32_t last;
	char boot_id[37];
} table;

/* What each descriptor handed out as a pidfd stands for. */
static struct {
	int32_t pid;
	int64_t start;
} pidfds[FDS], missed[64];
static int n_missed;

static struct watch {
	int fd; /* -1: free */
	void (*fn)(void *arg);
	void *arg;
} watches[WATCHES];
static int watched;

/* --- the table --- */

void procs_boot(const char *boot_id)
{
	memset(&table, 0, sizeof(table));
	table.last = PROCS_FIRST - 1;
	(void)snprintf(table.boot_id, sizeof(table.boot_id), "%s", boot_id);
}

static struct sim_proc *slot(int32_t pid)
{
	if (pid < PROCS_FIRST || pid >= PROCS_FIRST + PROCS_COUNT)
		return NULL;
	return &table.all[pid - PROCS_FIRST];
}

const struct sim_proc *procs_get(int32_t pid)
{
	const struct sim_proc *p = slot(pid);

	return p && p->pid ? p : NULL;
}

int32_t procs_start(int32_t parent, uint32_t uid, const char *session, int64_t now)
{
	int64_t start = now / TICK_MS;

	for (int i = 1; i <= PROCS_COUNT; i++) {
		int32_t pid = PROCS_FIRST + (table.last + i - PROCS_FIRST) % PROCS_COUNT;
		struct sim_proc *p = slot(pid);

		if (!p || p->pid || p->start == start)
			continue; /* no kernel gives a number out again within a tick */
		*p = (struct sim_proc){ pid, parent ? parent : INIT, start, uid, 0, "" };
		(void)snprintf(p->session, sizeof(p->session), "%s", session ? session : "");
		table.last = pid;
		return pid;
	}
	return 0;
}

void procs_exit(int32_t pid, int zombie)
{
	struct sim_proc *p = slot(pid);

	if (!p || !p->pid)
		return;
	p->zombie = 1;
	if (!zombie)
		p->pid = 0;
	for (int i = 0; i < PROCS_COUNT; i++)
		if (table.all[i].ppid == pid)
			table.all[i].ppid = INIT;
}

/* --- fs/caller.h --- */

/* Init and the daemon are nobody's session; the daemon goes by its real number too. */
static int fixed(int32_t pid, struct proc *out)
{
	if (pid == getpid())
		pid = DAEMON;
	if (pid != INIT && pid != DAEMON)
		return 0;
	*out = (struct proc){ pid, pid == INIT ? 0 : INIT, pid, 0 };
	return 1;
}

int caller_proc(int32_t tid, struct proc *out)
{
	const struct sim_proc *p = procs_get(tid);

	if (fixed(tid, out))
		return 0;
	if (!p)
		return -ESRCH;
	*out = (struct proc){ p->pid, p->ppid, p->start, p->uid };
	return 0;
}

int caller_alive(int32_t pid, int64_t start)
{
	const struct sim_proc *p = procs_get(pid);

	return p && p->start == start && !p->zombie;
}

int caller_ancestors(int32_t pid, int (*fn)(const struct proc *p, void *arg), void *arg)
{
	struct proc p;
	int got = caller_proc(pid, &p);

	for (int depth = 0; !got && depth < CALLER_DEPTH; depth++) {
		got = fn(&p, arg);
		if (got || !p.ppid || caller_proc(p.ppid, &p))
			break;
	}
	return got;
}

int caller_env(int32_t pid, const char *name, char *out, size_t n)
{
	const struct sim_proc *p = procs_get(pid);

	if (!p || p->zombie)
		return -ESRCH;
	if (strcmp(name, "COORD_SESSION") != 0 || !p->session[0])
		return 0;
	(void)snprintf(out, n, "%s", p->session);
	return 1;
}

int caller_in_group(int32_t pid, uint32_t gid)
{
	(void)gid;
	return procs_get(pid) ? 0 : -ESRCH;
}

int caller_named(int32_t writer, int64_t named, struct proc *out)
{
	if (!procs_get(writer))
		return -ESRCH;
	return caller_proc(named ? (int32_t)named : writer, out);
}

int caller_descends(int32_t a, int32_t b)
{
	struct proc p;
	int err = caller_proc(a, &p);

	for (; !err; err = caller_proc(p.ppid, &p))
		if (p.pid == b)
			return 1;
		else if (!p.ppid)
			return 0;
	return err == -ESRCH && procs_get(a) ? 0 : err;
}

int caller_is_init(int32_t pid)
{
	return pid == INIT;
}

/* A simulated interrupt is a signal that kills. */
int caller_is_dying(int32_t tid)
{
	(void)tid;
	return 1;
}

int32_t caller_last_pid(void)
{
	return table.last;
}

int64_t caller_start_ms(int64_t start)
{
	return start * TICK_MS;
}

int caller_boot_id(char out[37])
{
	memcpy(out, table.boot_id, sizeof(table.boot_id));
	return 0;
}

/* --- pidfds and fs/loop.h --- */

int caller_pidfd(int32_t pid, int64_t start)
{
	int fd;

	if (!caller_alive(pid, start)) {
		missed[n_missed % 64].pid = pid;
		missed[n_missed++ % 64].start = start;
		return -ESRCH;
	}
	fd = eventfd(0, EFD_CLOEXEC);
	if (fd < 0 || fd >= FDS)
		return -EMFILE;
	pidfds[fd].pid = pid;
	pidfds[fd].start = start;
	return fd;
}

int loop_watch(struct loop *l, int fd, void (*fn)(void *arg), void *arg)
{
	(void)l;
	for (int i = 0; i < watched || (i < WATCHES && i == watched); i++) {
		if (i < watched && watches[i].fd >= 0)
			continue;
		watches[i] = (struct watch){ fd, fn, arg };
		watched += i == watched;
		return 0;
	}
	return -ENOMEM;
}

void loop_unwatch(struct loop *l, int fd)
{
	(void)l;
	for (int i = 0; i < watched; i++)
		if (watches[i].fd == fd)
			watches[i].fd = -1;
}

int procs_missed(int32_t *pid, int64_t *start)
{
	if (!n_missed)
		return 0;
	*pid = missed[0].pid;
	*start = missed[0].start;
	memmove(missed, missed + 1, sizeof(missed) - sizeof(missed[0]));
	n_missed--;
	return 1;
}

int procs_deliver(int32_t *pid, int64_t *start)
{
	for (int i = 0; i < watched; i++) {
		int fd = watches[i].fd;

		if (fd < 0 || fd >= FDS || caller_alive(pidfds[fd].pid, pidfds[fd].start))
			continue;
		*pid = pidfds[fd].pid;
		*start = pidfds[fd].start;
		watches[i].fn(watches[i].arg);
		return 1;
	}
	return 0;
}

void procs_forget_watches(void)
{
	watched = 0;
}

int procs_watched(void)
{
	int n = 0;

	for (int i = 0; i < watched; i++)
		n += watches[i].fd >= 0;
	return n;
}

/* No probe runs a program here. */
int caller_self(void)
{
	return -ENOSYS;
}

int caller_each(int (*fn)(const struct proc *p, void *arg), void *arg)
{
	(void)fn;
	(void)arg;
	return 0;
}
