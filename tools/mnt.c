#include <dirent.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "backend/clean.h"
#include "backend/text.h"
#include "tools/mnt.h"
#include "tools/tool.h"

#define DEFAULT_MOUNT "/coord"

int mnt_plain;

const char *mnt_dir(const char *given)
{
	const char *env = getenv("COORD_MOUNT");

	if (given)
		return given;
	return env && *env ? env : DEFAULT_MOUNT;
}

/* 0, -errno, or -EMEDIUMTYPE: something else is there. */
static int check(int fd)
{
	struct statfs st;
	int err = fstatfs(fd, &st) ? -errno : 0;

	if (!err && !mnt_plain && st.f_type != FUSE_SUPER_MAGIC)
		err = -EMEDIUMTYPE;
	if (!err && faccessat(fd, "README", R_OK, 0))
		err = errno == ENOENT ? -EMEDIUMTYPE : -errno;
	return err;
}

int mnt_try(struct mnt *m, const char *given)
{
	const char *dir = mnt_dir(given);
	int err;

	m->fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	err = m->fd < 0 ? -errno : check(m->fd);
	if (!err) {
		m->dir = realpath(dir, NULL);
		err = m->dir ? 0 : -errno;
	}
	return err;
}

int mnt_open(struct mnt *m, const char *given)
{
	int err = mnt_try(m, given);

	if (err == -EMEDIUMTYPE)
		warnx("%s is no coordfs mount", mnt_dir(given));
	else if (err)
		warnx("no mount at %s: %s", mnt_dir(given), strerror(-err));
	return err ? TOOL_CANNOT_TELL : 0;
}

void mnt_close(struct mnt *m)
{
	clean_close(&m->fd);
	free(m->dir);
	*m = MNT_INIT;
}

__attribute__((format(printf, 2, 0))) /* 0 or -ENAMETOOLONG */
static int
path_make(char path[MNT_PATH], const char *fmt, va_list ap)
{
	int n = vsnprintf(path, MNT_PATH, fmt, ap);

	return n < 0 || n >= MNT_PATH ? -ENAMETOOLONG : 0;
}

static int read_file(const struct mnt *m, const char *path, struct buf *out)
{
	AUTO_CLOSE int fd = openat(m->fd, path, O_RDONLY | O_CLOEXEC);

	return fd < 0 ? -errno : buf_read(out, fd);
}

int mnt_read(const struct mnt *m, struct buf *out, const char *path, ...)
{
	char name[MNT_PATH];
	va_list ap;
	int err;

	va_start(ap, path);
	err = path_make(name, path, ap);
	va_end(ap);
	return err ? err : read_file(m, name, out);
}

int mnt_read_line(const struct mnt *m, char *out, size_t n, const char *path, ...)
{
	AUTO_BUF struct buf text = BUF_INIT;
	char name[MNT_PATH];
	va_list ap;
	int err;

	va_start(ap, path);
	err = path_make(name, path, ap);
	va_end(ap);
	if (!err)
		err = read_file(m, name, &text);
	if (err)
		return err;
	if (text.n && text.p[text.n - 1] == '\n')
		text.p[--text.n] = '\0';
	if (text.n >= n)
		return -ENOSPC;
	memcpy(out, buf_text(&text), text.n + 1);
	return 0;
}

int mnt_write(const struct mnt *m, const char *text, size_t n, const char *path, ...)
{
	AUTO_CLOSE int fd = -1;
	char name[MNT_PATH];
	va_list ap;
	ssize_t done;
	int err;

	va_start(ap, path);
	err = path_make(name, path, ap);
	va_end(ap);
	if (err)
		return err;
	fd = openat(m->fd, name, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	done = write(fd, text, n);
	if (done < 0)
		return -errno;
	return (size_t)done == n ? 0 : -EIO;
}

int mnt_touch(const struct mnt *m, const char *path, ...)
{
	char name[MNT_PATH];
	va_list ap;
	int err;

	va_start(ap, path);
	err = path_make(name, path, ap);
	va_end(ap);
	if (err)
		return err;
	return utimensat(m->fd, name, NULL, 0) ? -errno : 0;
}

int mnt_has(const struct mnt *m, const char *path, ...)
{
	char name[MNT_PATH];
	va_list ap;
	int err;

	va_start(ap, path);
	err = path_make(name, path, ap);
	va_end(ap);
	if (err)
		return err;
	if (!faccessat(m->fd, name, F_OK, 0))
		return 1;
	return errno == ENOENT ? 0 : -errno;
}

static int list(DIR *d, int (*fn)(const char *name, void *arg), void *arg)
{
	const struct dirent *e;
	int got = 0;

	for (;;) {
		errno = 0;
		e = readdir(d);
		if (!e)
			return -errno;
		if (e->d_name[0] != '.')
			got = fn(e->d_name, arg);
		if (got)
			return got;
	}
}

int mnt_list(const struct mnt *m, const char *path, int (*fn)(const char *name, void *arg),
	     void *arg)
{
	int got, fd = openat(m->fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d;

	if (fd < 0)
		return -errno;
	d = fdopendir(fd);
	if (!d) {
		got = -errno;
		(void)close(fd);
		return got;
	}
	got = list(d, fn, arg);
	(void)closedir(d);
	return got;
}

void mnt_why(const struct mnt *m, const char *prefix, struct buf *out)
{
	AUTO_BUF struct buf why = BUF_INIT;
	struct lines l;
	const char *line;
	size_t n;

	if (read_file(m, "why", &why))
		return;
	l = (struct lines){ buf_text(&why), buf_text(&why) + why.n };
	(void)lines_next(&l, &line, &n); /* time, errno, operation: known */
	while (lines_next(&l, &line, &n)) {
		buf_str(out, prefix);
		buf_add(out, line, n);
		buf_char(out, '\n');
	}
}

int mnt_is_away(int err)
{
	return err == -ENOTCONN || err == -ECONNABORTED || err == -ESHUTDOWN || err == -ENODEV;
}

int mnt_value(const char *text, const char *key, char *out, size_t n)
{
	struct lines l = { text, text + strlen(text) };
	size_t len, k = strlen(key);
	const char *line;

	while (lines_next(&l, &line, &len)) {
		if (len <= k || line[k] != ' ' || memcmp(line, key, k) != 0)
			continue;
		if (len - k > n)
			return -ENOSPC;
		memcpy(out, line + k + 1, len - k - 1);
		out[len - k - 1] = '\0';
		return 0;
	}
	return -ENOENT;
}
