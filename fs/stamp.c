#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "backend/clean.h"
#include "fs/caller.h"
#include "fs/stamp.h"

#define RACY_MS 10     /* a file that is so young may have changed since without a trace */
#define COARSE_MS 2000 /* the same, where times are whole seconds */

static void hash_in(uint64_t *h, uint64_t v)
{
	*h = (*h ^ v) * 1099511628211u;
}

/* Since when a file of that time might have been changed again at the same time. */
static int is_racy(const struct statx_timestamp *mtime, const struct timespec *now)
{
	int64_t age = (now->tv_sec - mtime->tv_sec) * 1000 +
		      (now->tv_nsec - (int64_t)mtime->tv_nsec) / 1000000;

	return age >= -RACY_MS && age < (mtime->tv_nsec ? RACY_MS : COARSE_MS);
}

/* A descriptor that stands for PATH, by what the kernel knows; or -errno. */
static int reach(const char *path)
{
	struct open_how how = { .flags = O_PATH | O_CLOEXEC,
				.resolve = RESOLVE_NO_SYMLINKS | RESOLVE_CACHED };
	int fd = (int)syscall(SYS_openat2, AT_FDCWD, path, &how, sizeof(how));

	return fd < 0 ? -errno : fd;
}

/*
 * What the kernel knows of PATH by itself. No file system is asked, for that may take for ever,
 * and it may be this one: whoever a repository belongs to can put a link or a mount in the
 * place of anything in it. 0 or -errno; -EAGAIN: it does not know.
 */
static int glance(const char *path, struct statx *st)
{
	AUTO_CLOSE int fd = reach(path);

	if (fd < 0)
		return fd;
	return statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_BASIC_STATS, st) ? -errno :
											  0;
}

static void stamp_in(struct stamp *s, const struct statx *st, const struct timespec *now)
{
	hash_in(&s->hash, (uint64_t)st->stx_dev_major << 32 | st->stx_dev_minor);
	hash_in(&s->hash, st->stx_ino);
	hash_in(&s->hash, st->stx_size);
	hash_in(&s->hash, (uint64_t)st->stx_mtime.tv_sec);
	hash_in(&s->hash, st->stx_mtime.tv_nsec);
	s->racy |= is_racy(&st->stx_mtime, now);
}

/*
 * Of a name that the kernel knows nothing of (some file systems keep no note of what is not
 * there) the directory it is in tells: what comes, goes or is replaced changes that.
 */
static int glance_near(const char *path, struct statx *st)
{
	int err = glance(path, st);
	const char *slash = strrchr(path, '/');
	char above[4096];

	if (err != -EAGAIN || !slash || slash == path || (size_t)(slash - path) >= sizeof(above))
		return err;
	(void)snprintf(above, sizeof(above), "%.*s", (int)(slash - path), path);
	return glance(above, st);
}

struct stamp stamp_of(const json_t *watch)
{
	struct stamp out = { .hash = 1469598103934665603u, .known = json_array_size(watch) > 0 };
	struct timespec now;
	struct statx st;
	const json_t *v;
	size_t i;

	(void)clock_gettime(CLOCK_REALTIME, &now);
	json_array_foreach(watch, i, v) {
		const char *path = json_string_value(v);
		int err = path ? glance_near(path, &st) : -EINVAL;

		out.known &= !err || err == -ENOENT || err == -ENOTDIR;
		if (err)
			hash_in(&out.hash, 1);
		else
			stamp_in(&out, &st, &now);
	}
	return out;
}

/* --- has anything happened at all? --- */

#define HAPPENS                                                                           \
	(IN_ATTRIB | IN_MODIFY | IN_CLOSE_WRITE | IN_CREATE | IN_DELETE | IN_MOVED_FROM | \
	 IN_MOVED_TO | IN_DELETE_SELF | IN_MOVE_SELF | IN_UNMOUNT)

#define GOES (IN_DELETE_SELF | IN_MOVE_SELF | IN_UNMOUNT)

/* The kernel is asked by descriptor: a path would be followed. 0 or -errno. */
static int listen_to(int notify, const char *path, uint32_t what)
{
	AUTO_CLOSE int fd = reach(path);
	char name[64];

	if (fd < 0)
		return fd;
	(void)snprintf(name, sizeof(name), CALLER_FD_PATH, fd);
	return inotify_add_watch(notify, name, what | IN_MASK_ADD) < 0 ? -errno : 0;
}

static int is_absent(int err)
{
	return err == -ENOENT || err == -ENOTDIR;
}

/*
 * PATH; the directory above that is there, since what is not there yet, or is replaced, comes
 * into that; and whether any further above goes away.
 */
static int listen_all(int notify, const char *path)
{
	int err = listen_to(notify, path, HAPPENS), near = 1;
	char above[4096], *slash;

	if ((err && !is_absent(err) && err != -EAGAIN) || strlen(path) >= sizeof(above))
		return err ? err : -ENAMETOOLONG;
	(void)snprintf(above, sizeof(above), "%s", path);
	while ((slash = strrchr(above, '/')) && slash != above) {
		*slash = '\0';
		err = listen_to(notify, above, near ? HAPPENS : GOES);
		if (err && !(near && is_absent(err)))
			return err;
		near = near && err;
	}
	return near ? -EINVAL : 0;
}

void quiet_begin(struct quiet *q, const json_t *watch)
{
	const json_t *v;
	size_t i;
	int err = 0;

	quiet_end(q);
	q->fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	json_array_foreach(watch, i, v) {
		const char *path = json_string_value(v);

		if (q->fd >= 0 && !err)
			err = path ? listen_all(q->fd, path) : -EINVAL;
	}
	if (err)
		quiet_end(q);
}

void quiet_end(struct quiet *q)
{
	if (q->fd >= 0)
		(void)close(q->fd);
	*q = (struct quiet){ .fd = -1 };
}

void quiet_since(struct quiet *q)
{
	q->since = q->fd >= 0;
}

int quiet_holds(struct quiet *q)
{
	char events[4096] __attribute__((aligned(8)));

	if (q->fd < 0)
		return 0;
	/* all that has happened, so that what happens from here on is heard */
	while (read(q->fd, events, sizeof(events)) > 0)
		q->since = 0;
	if (errno != EAGAIN)
		q->since = 0;
	return q->since;
}
