#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <unistd.h>

#include <uthash.h>

#include "backend/clean.h"
#include "backend/log.h"
#include "backend/text.h"
#include "fs/caller.h"
#include "fs/loop.h"
#include "fs/watch.h"

struct process {
	int64_t pid, start; /* of one width: the key has no padding */
};

struct watched {
	struct process p;
	int pidfd;
	struct watch_table *table;
	UT_hash_handle hh;
};

struct watch_table {
	struct fs *fs;
	struct loop *loop;
	struct watched *all;
};

struct watch_table *watch_new(struct fs *fs, struct loop *loop)
{
	struct watch_table *t = calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	t->fs = fs;
	t->loop = loop;
	return t;
}

static void forget(struct watched *w)
{
	loop_unwatch(w->table->loop, w->pidfd);
	(void)close(w->pidfd);
	HASH_DEL(w->table->all, w); /* NOLINT(clang-analyzer-*): it is in the table */
	free(w);
}

void watch_free(struct watch_table *t)
{
	while (t && t->all)
		forget(t->all);
	free(t);
}

/* --- what it has to say --- */

static void gone_done(struct change *c)
{
	if (c->result.err)
		log_msg(LOG_ERR, "the exit of pid %d could not be recorded: %s", c->pid,
			errno_text(c->result.err));
	change_free(c);
}

static void say_gone(struct watch_table *t, int32_t pid, int64_t start, const char *boot)
{
	struct change *c = change_new(CHANGE_EXIT);

	if (!c || change_text(c, boot, strlen(boot))) {
		log_msg(LOG_ERR, "the exit of pid %d could not be recorded: no memory", pid);
		change_free(c);
		return;
	}
	c->pid = pid;
	c->start = start;
	c->flags = CHANGE_SURE;
	c->done = gone_done;
	store_commit(t->fs->store, c);
}

static void on_exit_of(void *arg)
{
	struct watched *w = arg;

	say_gone(w->table, (int32_t)w->p.pid, w->p.start, store_boot_id(w->table->fs->store));
	forget(w);
}

/* --- who is watched --- */

static int watch_pidfd(struct watch_table *t, const struct process *p, int pidfd)
{
	struct watched *w = calloc(1, sizeof(*w));
	int err = w ? loop_watch(t->loop, pidfd, on_exit_of, w) : -ENOMEM;

	if (err) {
		free(w);
		return err;
	}
	w->p = *p;
	w->pidfd = pidfd;
	w->table = t;
	HASH_ADD(hh, t->all, p, sizeof(w->p), w);
	return 0;
}

/* A process of this boot. What cannot be watched ends with its leases. */
static void watch(struct watch_table *t, int32_t pid, int64_t start)
{
	struct process p = { pid, start };
	struct watched *w = NULL;
	int fd, err;

	HASH_FIND(hh, t->all, &p, sizeof(p), w); /* NOLINT(clang-analyzer-*): P is whole */
	if (w || !t->loop || !pid) /* 0: in a pid namespace that cannot be seen into */
		return;
	fd = caller_pidfd(pid, start);
	if (fd == -ESRCH) {
		say_gone(t, pid, start, store_boot_id(t->fs->store));
		return;
	}
	err = fd < 0 ? fd : watch_pidfd(t, &p, fd);
	if (!err)
		return;
	if (fd >= 0)
		(void)close(fd);
	log_msg(LOG_ERR, "pid %d cannot be watched: %s", pid, errno_text(err));
}

void watch_start(struct watch_table *t)
{
	const char *boot = store_boot_id(t->fs->store);
	AUTO_ROWS *rows = NULL;

	if (store_read_begin(t->fs->store))
		return;
	rows = db_rows(store_reader(t->fs->store), Q(PROCESSES));
	while (rows_next(rows) > 0) {
		int32_t pid = (int32_t)rows_int(rows, 0);

		if (strcmp(rows_text(rows, 2), boot) == 0)
			watch(t, pid, rows_int(rows, 1));
		else /* of another boot nothing lives */
			say_gone(t, pid, rows_int(rows, 1), rows_text(rows, 2));
	}
	rows_end(&rows);
	store_read_end(t->fs->store);
}

void watch_decided(struct watch_table *t, const struct change *c)
{
	if ((c->kind == CHANGE_JOIN || c->kind == CHANGE_ANCHOR) && c->pid)
		watch(t, c->pid, c->start);
}
