#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <syslog.h>
#include <unistd.h>

#include "backend/ballast.h"
#include "backend/clean.h"
#include "backend/log.h"
#include "backend/read.h"
#include "backend/rules.h"
#include "backend/schema.h"
#include "backend/store_impl.h"
#include "backend/text.h"
#include "backend/tx.h"

/*
 * Where a restored store begins to number: by the clock, at a rate that no
 * store keeps up, so behind what the original and every copy restored before
 * have issued by now; by a wide jump, where the clock is behind the numbers.
 */
#define RESTORE_EPOCH INT64_C(1767225600000) /* 2026-01-01 */
#define RESTORE_RATE 32			     /* events a millisecond */
#define RESTORE_JUMP (INT64_C(1) << 30)

/* --- changes --- */

struct change *change_new(enum change_kind kind)
{
	struct change *c = calloc(1, sizeof(*c));

	if (c)
		c->kind = kind;
	return c;
}

void change_free(struct change *c)
{
	if (!c)
		return;
	buf_free(&c->result.why);
	free(c->text);
	free(c);
}

int change_text(struct change *c, const char *text, size_t n)
{
	char *copy = malloc(n + 1);

	if (!copy)
		return -ENOMEM;
	if (n)
		memcpy(copy, text, n);
	copy[n] = 0;
	free(c->text);
	c->text = copy;
	c->n = n;
	return 0;
}

/* --- the directory and its lock --- */

void store_path(const char *dir, char *out, size_t n)
{
	(void)snprintf(out, n, "%s/store.db", dir);
}

void store_default_dir(char *out, size_t n)
{
	const char *state = getenv("XDG_STATE_HOME"), *home = getenv("HOME");

	if (geteuid() == 0)
		(void)snprintf(out, n, "/var/lib/coordfs");
	else if (state && *state)
		(void)snprintf(out, n, "%s/coordfs", state);
	else
		(void)snprintf(out, n, "%s/.local/state/coordfs", home ? home : "");
}

static int make_dirs(const char *dir)
{
	AUTO_FREE char *path = strdup(dir);

	if (!path)
		return -ENOMEM;
	for (char *p = path + 1; *p; p++) {
		if (*p != '/')
			continue;
		*p = 0;
		if (mkdir(path, 0755) && errno != EEXIST)
			return -errno;
		*p = '/';
	}
	return mkdir(path, 0700) && errno != EEXIST ? -errno : 0;
}

/* Who has it: the text file beside, for people; the lock is the directory's. */
static void say_owner(int dir_fd, struct buf *says)
{
	AUTO_CLOSE int fd = openat(dir_fd, "owner", O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	char text[4096];
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);

	text[n > 0 ? n : 0] = 0;
	text[strcspn(text, "\n")] = 0;
	buf_printf(says, "the store is in use by %s", n > 0 ? text : "another process");
}

static int write_owner(int dir_fd, const char *about)
{
	AUTO_CLOSE int fd = openat(dir_fd, "owner",
				   O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);

	if (fd < 0 || dprintf(fd, "%s\n", about) < 0)
		return -errno;
	return 0;
}

static int lock_dir(struct store *s, const char *dir, struct buf *says)
{
	struct stat st;
	int err = make_dirs(dir);

	if (!err)
		s->dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (err || s->dir_fd < 0) {
		err = err ? err : -errno;
		buf_printf(says, "%s: %s", dir, strerror(-err));
		return err;
	}
	if (flock(s->dir_fd, LOCK_EX | LOCK_NB)) {
		say_owner(s->dir_fd, says);
		return -EBUSY;
	}
	if (!fstat(s->dir_fd, &st) && st.st_uid == geteuid())
		(void)fchmod(s->dir_fd, 0700);
	return 0;
}

/* A full disk is no reason to keep the mount away: reading goes on. */
static int tell_owner(struct store *s, const char *dir, const char *about, struct buf *says)
{
	int err = write_owner(s->dir_fd, about);

	if (!err || err == -ENOSPC || err == -EDQUOT)
		return 0;
	buf_printf(says, "%s/owner: %s", dir, strerror(-err));
	return err;
}

/* --- opening --- */

static int64_t restored_seq(int64_t seq, int64_t wall)
{
	int64_t by_clock = (wall - RESTORE_EPOCH) * RESTORE_RATE;

	return by_clock > seq ? by_clock : seq + RESTORE_JUMP;
}

/* After a restore nothing the original may have issued is issued again. */
static int settle_restore(struct store *s)
{
	AUTO_FREE char *copy = db_text(s->writer, Q(META), T("copy"));
	struct tx tx = { .db = s->writer, .finish = s->finish };
	int err;

	if (!copy)
		return 0;
	tx.wall = s->world->wall_ms(s->world);
	tx.seq = restored_seq(s->seq, tx.wall);
	tx.boot = s->world->boot_ms(s->world);
	err = tx_emit(&tx, "restored", json_pack("{s:I}", "from_seq", (json_int_t)s->seq));
	if (!err)
		err = db_run(s->writer, Q(META_UNSET), T("copy"));
	s->seq = tx.seq;
	s->finish = tx.finish;
	return err;
}

/* The descriptors of all locks are gone with the old mount; who had them may go on. */
static int adopt_locks(struct store *s, int64_t now, int all)
{
	int err = db_run(s->writer, Q(GRANTS_ADOPT), I(now), I(all));

	return err ? err :
		     db_run(s->writer, Q(LOCKS_ADOPT), I(now), I(read_lease(s->writer)), I(all));
}

int store_keep_asleep(struct store *s)
{
	char ms[24];

	(void)snprintf(ms, sizeof(ms), "%lld", (long long)s->world->asleep_ms(s->world));
	return db_run(s->writer, Q(META_SET), T("asleep"), T(ms));
}

/* Another boot, or only another daemon: leases never end early for that. */
static int settle_leases(struct store *s)
{
	AUTO_FREE char *boot = db_text(s->writer, Q(META), T("boot"));
	int64_t now = s->world->boot_ms(s->world);
	int err;

	s->asleep = s->world->asleep_ms(s->world);
	s->last_boot = now;
	if (boot && strcmp(boot, s->boot_id) == 0) {
		/* a daemon that was killed as the machine woke may not have seen that it slept */
		s->asleep = db_get(s->writer, s->asleep, Q(META), T("asleep"));
		err = db_run(s->writer, Q(LEASES_GRACE), I(now));
		if (!err)
			err = db_run(s->writer, Q(LOCKS_GRACE), I(now), I(read_lease(s->writer)));
		if (!err)
			err = adopt_locks(s, now, 0);
		return err ? err :
			     db_run(s->writer, Q(IDLE_GRACE), I(now + read_lease(s->writer) / 10),
				    I(now + 2 * read_lease(s->writer)));
	}
	err = db_run(s->writer, Q(LEASES_START_OVER), I(now));
	if (!err)
		err = adopt_locks(s, now, 1);
	if (!err)
		err = db_run(s->writer, Q(IDLE_ALL), I(now + read_lease(s->writer)));
	if (!err)
		err = store_keep_asleep(s);
	return err ? err : db_run(s->writer, Q(META_SET), T("boot"), T(s->boot_id));
}

/* Who was permitted a deed may have done it while nobody could hear of it. */
static int settle_actions(struct store *s)
{
	struct tx tx = { .db = s->writer, .seq = s->seq, .finish = s->finish };
	int err;

	tx.wall = s->world->wall_ms(s->world);
	tx.boot = s->world->boot_ms(s->world);
	err = rules_actions_restarted(&tx);
	s->seq = tx.seq;
	s->finish = tx.finish;
	return err;
}

static int settle_once(struct store *s)
{
	int err = db_run(s->writer, Q(BEGIN_WRITE));

	if (err)
		return err;
	s->seq = db_get(s->writer, 0, Q(EVENT_LAST));
	s->finish = db_get(s->writer, 0, Q(EVENT_FINISH));
	err = settle_restore(s);
	if (!err)
		err = settle_leases(s);
	if (!err)
		err = settle_actions(s);
	return err ? err : db_run(s->writer, Q(COMMIT));
}

void store_make_room(struct store *s)
{
	if (db_in_transaction(s->writer))
		(void)db_run(s->writer, Q(ROLLBACK));
	if (!s->full)
		log_msg(LOG_ERR, "the disk is full: nothing is taken that needs room");
	s->full = 1;
	(void)ballast_give(s->dir_fd);
	(void)db_checkpoint(s->writer);
}

static int settle(struct store *s)
{
	int err = settle_once(s);

	if (err == -ENOSPC) {
		store_make_room(s);
		err = settle_once(s);
	}
	if (err && db_in_transaction(s->writer))
		(void)db_run(s->writer, Q(ROLLBACK));
	if (!err && ballast_take(s->dir_fd) <= 0)
		log_msg(LOG_WARNING, "no ballast: too little room on the disk of the store");
	return err;
}

void store_says(const char *path, int err, struct buf *says)
{
	if (err == -EPROTONOSUPPORT)
		buf_line(says, "%s was written by a newer coordfs; nothing was touched", path);
	else if (err == -ENOTUNIQ)
		buf_line(says, "%s is not a store of coordfs; nothing was touched", path);
	else
		buf_line(says, "%s: %s", path, strerror(-err));
}

static int open_databases(struct store *s, const char *path)
{
	int err;

	(void)umask(077);
	err = db_open(path, DB_WRITE, s->world->vfs, &s->writer);
	if (!err)
		err = schema_migrate(s->writer);
	if (!err)
		err = settle(s);
	if (!err)
		err = db_open(path, DB_READ, s->world->vfs, &s->reader);
	return err;
}

/* What is there is looked at before anything is written. */
static int open_store(struct store *s, const char *dir, const char *about, struct buf *says)
{
	char path[4200];
	int err;

	store_path(dir, path, sizeof(path));
	err = schema_look(path, s->world->vfs);
	if (err >= 0 && (err = tell_owner(s, dir, about, says)))
		return err;
	if (!err)
		err = open_databases(s, path);
	if (err)
		store_says(path, err, says);
	return err;
}

static struct store *store_new(struct world *world)
{
	struct store *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->dir_fd = -1;
	s->world = world;
	s->owner = geteuid();
	s->queue_end = &s->queue;
	s->decided_end = &s->decided;
	s->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	(void)pthread_mutex_init(&s->lock, NULL);
	(void)pthread_cond_init(&s->queued, NULL);
	return s;
}

int store_open(const char *dir, struct world *world, const char *about, struct store **out,
	       struct buf *says)
{
	struct store *s = store_new(world);
	int err;

	if (!s)
		return -ENOMEM;
	tx_watch_memory();
	err = world->boot_id(world, s->boot_id);
	if (err)
		buf_printf(says, "the boot id cannot be read: %s", strerror(-err));
	if (!err)
		err = lock_dir(s, dir, says);
	if (!err)
		err = open_store(s, dir, about, says);
	if (err) {
		store_close(s);
		return err;
	}
	atomic_store(&s->seen_seq, s->seq);
	atomic_store(&s->seen_bytes, s->finish);
	atomic_store(&s->due, 0);
	*out = s;
	return 0;
}

static void free_all(struct change *c)
{
	while (c) {
		struct change *next = c->next;

		change_free(c);
		c = next;
	}
}

void store_close(struct store *s)
{
	if (!s)
		return;
	free_all(s->queue);
	free_all(s->again);
	free_all(s->decided);
	db_close(s->reader);
	db_close(s->writer);
	if (s->event_fd >= 0)
		(void)close(s->event_fd);
	if (s->dir_fd >= 0)
		(void)close(s->dir_fd);
	(void)pthread_cond_destroy(&s->queued);
	(void)pthread_mutex_destroy(&s->lock);
	free(s);
}

/* --- the loop's side --- */

struct db *store_reader(struct store *s)
{
	return s->reader;
}

int store_read_begin(struct store *s)
{
	return db_run(s->reader, Q(BEGIN_READ));
}

void store_read_end(struct store *s)
{
	if (db_busy_count(s->reader))
		abort(); /* an unfinished cursor would miss the next commit */
	if (!db_error(s->reader))
		(void)db_run(s->reader, Q(COMMIT));
	else if (db_in_transaction(s->reader))
		(void)db_run(s->reader, Q(ROLLBACK));
}

void store_commit(struct store *s, struct change *c)
{
	c->next = NULL;
	(void)pthread_mutex_lock(&s->lock);
	*s->queue_end = c;
	s->queue_end = &c->next;
	(void)pthread_cond_signal(&s->queued);
	(void)pthread_mutex_unlock(&s->lock);
}

int store_event_fd(const struct store *s)
{
	return s->event_fd;
}

void store_cancel(struct store *s, struct change *c)
{
	c->cancelled = 1;
	(void)pthread_mutex_lock(&s->lock);
	s->woken = 1;
	(void)pthread_cond_signal(&s->queued);
	(void)pthread_mutex_unlock(&s->lock);
}

int store_collect(struct store *s)
{
	struct change *c;
	uint64_t n;
	int count = 0;

	if (read(s->event_fd, &n, sizeof(n)) < 0 && errno != EAGAIN)
		return 0;
	(void)pthread_mutex_lock(&s->lock);
	c = s->decided;
	s->decided = NULL;
	s->decided_end = &s->decided;
	(void)pthread_mutex_unlock(&s->lock);
	while (c) {
		struct change *next = c->next;

		c->done(c);
		c = next;
		count++;
	}
	return count;
}

void store_stop(struct store *s)
{
	(void)pthread_mutex_lock(&s->lock);
	s->stopping = 1;
	(void)pthread_cond_signal(&s->queued);
	(void)pthread_mutex_unlock(&s->lock);
}

int64_t store_due(struct store *s)
{
	return atomic_load(&s->due);
}

int64_t store_seq(struct store *s)
{
	return atomic_load(&s->seen_seq);
}

int64_t store_bytes(struct store *s)
{
	return atomic_load(&s->seen_bytes);
}

struct world *store_world(struct store *s)
{
	return s->world;
}

const char *store_boot_id(struct store *s)
{
	return s->boot_id;
}

int store_failed(struct store *s)
{
	return atomic_load(&s->failed);
}
