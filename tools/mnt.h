/*
 * mnt: the mount, as the tools see it: its files, like everybody else.
 * One descriptor is held on its root, so that an answer never comes from the
 * directory below after an unmount.
 */
#ifndef TOOLS_MNT_H
#define TOOLS_MNT_H

#include <stddef.h>

#include "backend/buf.h"

#define MNT_PATH 1024 /* bytes of a path below the mount, with its NUL */

/* dir: the mount's path, absolute, owned. */
struct mnt {
	int fd;
	char *dir;
};

#define MNT_INIT         \
	(struct mnt)     \
	{                \
		.fd = -1 \
	}
#define AUTO_MNT __attribute__((cleanup(mnt_close)))

/* For tests alone: 1 takes a plain directory for a mount. */
extern int mnt_plain;

/* The directory to use: GIVEN (--mount), else $COORD_MOUNT, else "/coord". */
const char *mnt_dir(const char *given);

/*
 * Open the mount at mnt_dir(GIVEN). 0, or TOOL_CANNOT_TELL after saying on
 * standard error what is there instead. M must be closed either way.
 */
int mnt_open(struct mnt *m, const char *given);
/* The same without a word: 0 or -errno, -EMEDIUMTYPE when something else is there. */
int mnt_try(struct mnt *m, const char *given);
void mnt_close(struct mnt *m);

/* Add the whole text of a file below the mount to OUT. 0 or -errno. */
int mnt_read(const struct mnt *m, struct buf *out, const char *path, ...)
	__attribute__((format(printf, 3, 4)));

/* The text of a one-line file into OUT, N bytes, without its newline. 0 or -errno. */
int mnt_read_line(const struct mnt *m, char *out, size_t n, const char *path, ...)
	__attribute__((format(printf, 4, 5)));

/* Write TEXT, N bytes, to a file below the mount, by one write(2). 0 or -errno. */
int mnt_write(const struct mnt *m, const char *text, size_t n, const char *path, ...)
	__attribute__((format(printf, 4, 5)));

/* Set the times of a file below the mount, as touch does. 0 or -errno. */
int mnt_touch(const struct mnt *m, const char *path, ...) __attribute__((format(printf, 2, 3)));

/* Is there something at that path below the mount? 1, 0 or -errno. */
int mnt_has(const struct mnt *m, const char *path, ...) __attribute__((format(printf, 2, 3)));

/*
 * Call FN for each name in a directory below the mount, in the mount's order,
 * until it answers other than 0. That answer, 0, or -errno.
 */
int mnt_list(const struct mnt *m, const char *path, int (*fn)(const char *name, void *arg),
	     void *arg);

/* Add the reason of this process's last refusal to OUT, each line after PREFIX. */
void mnt_why(const struct mnt *m, const char *prefix, struct buf *out);

/* Is ERR (-errno) what every call answers while the mount is away? */
int mnt_is_away(int err);

/*
 * The value of the first line `KEY value` in TEXT, N bytes into OUT. 0,
 * -ENOENT, or -ENOSPC if it is longer.
 */
int mnt_value(const char *text, const char *key, char *out, size_t n);

#endif
