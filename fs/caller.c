#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

#include <linux/nsfs.h>

#include "backend/text.h"
#include "fs/caller.h"

#define ENVIRON_FIRST ((size_t)16 << 10)
#define ENVIRON_MOST ((size_t)4 << 20)

/* The kernel nests pid namespaces 32 deep; one more for the outermost. */
#define NS_LEVELS 33

/* How often a parent that ends while we look at it is looked up again. */
#define PARENT_TRIES 4

/* What scan_getc() returns at the end: no byte, and no -errno either. */
#define SCAN_END 256

/*
 * A status file being read from front to back. It has no useful upper bound:
 * the Groups line can hold 65536 numbers.
 */
struct scan {
	int fd;
	size_t at, len;
	char buf[4096];
};

/* What we want of a stat file. */
struct stat_line {
	char state;
	int64_t threads;
	int64_t start;
};

/* A process's number in each pid namespace it is in, ours first. */
struct ns_pids {
	int n;
	int64_t at[NS_LEVELS];
};

/* Number `pid` of the namespace `ns`, which is `level` below ours. */
struct ns_name {
	int level;
	int64_t pid;
	struct stat ns;
};

/*
 * -errno of a call under /proc/PID. A process that ends makes files vanish
 * (ENOENT) or fail (ESRCH), depending on where we are; hidepid=1 and
 * namespaces out of reach say EPERM.
 */
static int proc_errno(void)
{
	if (errno == ENOENT)
		return -ESRCH;
	return errno == EPERM ? -EACCES : -errno;
}

/*
 * A descriptor of /proc/PID. It stays with this process: once that has ended
 * every call on it fails, even when the number is in use again. Not O_PATH:
 * hidepid= would let that pass and fail later, as if the process had ended.
 */
static int open_pid(int32_t pid)
{
	char path[32];
	int fd;

	if (pid <= 0)
		return -ESRCH;
	(void)snprintf(path, sizeof(path), "/proc/%d", (int)pid);
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd >= 0)
		return fd;
	if (errno != ENOENT)
		return proc_errno();
	/* hidepid=2 and a missing /proc look like processes that are gone */
	return kill(pid, 0) < 0 && errno == ESRCH ? -ESRCH : -EACCES;
}

static int open_file(int dir, const char *name)
{
	int fd = openat(dir, name, O_RDONLY | O_CLOEXEC);

	return fd < 0 ? proc_errno() : fd;
}

static ssize_t read_some(int fd, char *buf, size_t n)
{
	ssize_t r;

	do
		r = read(fd, buf, n);
	while (r < 0 && errno == EINTR);
	return r < 0 ? proc_errno() : r;
}

/* One read of a small file, with a NUL after it; returns the length. */
static ssize_t read_small(int dir, const char *name, char *buf, size_t n)
{
	int fd = open_file(dir, name);
	ssize_t r;

	if (fd < 0)
		return fd;
	r = read_some(fd, buf, n - 1);
	(void)close(fd);
	if (r >= 0)
		buf[r] = '\0';
	return r;
}

static int scan_open(struct scan *s, int dir, const char *name)
{
	s->at = s->len = 0;
	s->fd = open_file(dir, name);
	return s->fd < 0 ? s->fd : 0;
}

static void scan_close(struct scan *s)
{
	(void)close(s->fd);
}

static int scan_getc(struct scan *s)
{
	ssize_t r;

	if (s->at == s->len) {
		r = read_some(s->fd, s->buf, sizeof(s->buf));
		if (r <= 0)
			return r < 0 ? (int)r : SCAN_END;
		s->at = 0;
		s->len = (size_t)r;
	}
	return (unsigned char)s->buf[s->at++];
}

/*
 * Moves behind `key`, which starts with the end of the line before it and has
 * no other newline. Keys are asked for in the order of the file. A process
 * cannot forge one: its name is shown there with newlines escaped.
 */
static int scan_key(struct scan *s, const char *key)
{
	const char *k = key;
	int c;

	while (*k) {
		c = scan_getc(s);
		if (c < 0)
			return c;
		if (c == SCAN_END)
			return -EIO;
		if (c == *k)
			k++;
		else
			k = c == '\n' ? key + 1 : key;
	}
	return 0;
}

/* The next number of the line: 1, or 0 at the end of the line, or -errno. */
static int scan_number(struct scan *s, int64_t *out)
{
	int64_t n = 0;
	int digits = 0;
	int c;

	do
		c = scan_getc(s);
	while (c == ' ' || c == '\t');
	for (; c >= '0' && c <= '9' && digits < 18; digits++) {
		n = n * 10 + (c - '0');
		c = scan_getc(s);
	}
	if (c < 0)
		return c;
	if (c != SCAN_END)
		s->at--;
	if (digits == 0)
		return c == '\n' ? 0 : -EIO;
	*out = n;
	return 1;
}

/* The first number of the line `key`. */
static int scan_value(struct scan *s, const char *key, int64_t *out)
{
	int r = scan_key(s, key);

	if (r < 0)
		return r;
	r = scan_number(s, out);
	if (r < 0)
		return r;
	return r == 0 ? -EIO : 0;
}

/* The start of the field `n` behind the one `p` is in, NULL if none. */
static const char *skip_fields(const char *p, int n)
{
	for (; p && n > 0; n--) {
		p = strchr(p, ' ');
		if (p)
			p++;
	}
	return p;
}

/* The name, field 2, may hold anything but a NUL; no later field has a ')'. */
static int parse_stat(const char *line, struct stat_line *out)
{
	const char *name_end = strrchr(line, ')');
	const char *state = skip_fields(name_end, 3 - 2);
	const char *threads = skip_fields(state, 20 - 3);
	const char *start = skip_fields(threads, 22 - 20);

	if (!start || !isdigit((unsigned char)*start))
		return -EIO;
	out->state = *state;
	out->threads = strtoll(threads, NULL, 10);
	out->start = strtoll(start, NULL, 10);
	return 0;
}

static pthread_once_t ahead_known = PTHREAD_ONCE_INIT;
static int64_t ahead_ticks;

static void find_ahead(void)
{
	int64_t hz = sysconf(_SC_CLK_TCK), seconds;
	char buf[256], *end;
	const char *line;
	int dir = open("/proc/self", O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (dir < 0)
		return;
	if (read_small(dir, "timens_offsets", buf, sizeof(buf)) > 0 &&
	    (line = strstr(buf, "boottime"))) {
		seconds = strtoll(line + strlen("boottime"), &end, 10);
		ahead_ticks = seconds * hz + strtoll(end, NULL, 10) / (1000000000 / hz);
	}
	(void)close(dir);
}

/* How far the time since boot is ahead in this process's time namespace. */
static int64_t ahead(void)
{
	(void)pthread_once(&ahead_known, find_ahead);
	return ahead_ticks;
}

static int read_stat(int dir, const char *name, struct stat_line *out)
{
	char buf[2048];
	ssize_t r = read_small(dir, name, buf, sizeof(buf));

	r = r < 0 ? r : parse_stat(buf, out);
	if (r == 0)
		out->start -= ahead(); /* the same for daemons of all time namespaces */
	return (int)r;
}

int64_t caller_start_ms(int64_t start)
{
	return (start + ahead()) * (1000 / sysconf(_SC_CLK_TCK));
}

static bool is_dead(const struct stat_line *s)
{
	return s->state == 'Z' || s->state == 'X' || s->state == 'x';
}

/* All of `p` but its start; `tid` is the thread whose file this is. */
static int scan_ids(struct scan *s, struct proc *p, int32_t *tid)
{
	int64_t tgid, pid, ppid, uid;
	int r = scan_value(s, "\nTgid:", &tgid);

	if (r == 0)
		r = scan_value(s, "\nPid:", &pid);
	if (r == 0)
		r = scan_value(s, "\nPPid:", &ppid);
	if (r == 0)
		r = scan_value(s, "\nUid:", &uid);
	if (r != 0)
		return r;
	p->pid = (int32_t)tgid;
	p->ppid = (int32_t)ppid;
	p->uid = (uint32_t)uid;
	*tid = (int32_t)pid;
	return 0;
}

static int read_ids(int dir, const char *name, struct proc *p, int32_t *tid)
{
	struct scan s;
	int r = scan_open(&s, dir, name);

	if (r < 0)
		return r;
	r = scan_ids(&s, p, tid);
	scan_close(&s);
	return r;
}

/* A thread has its own start and, with raw system calls, its own uid. */
static int read_leader(int dir, struct proc *p, struct stat_line *line)
{
	char name[48];
	int32_t tid, tgid = p->pid;
	int r;

	(void)snprintf(name, sizeof(name), "task/%d/status", (int)tgid);
	r = read_ids(dir, name, p, &tid);
	if (r != 0)
		return r;
	(void)snprintf(name, sizeof(name), "task/%d/stat", (int)tgid);
	return read_stat(dir, name, line);
}

/* The process of the thread that /proc/PID directory `dir` is of. */
static int read_proc(int dir, struct proc *out)
{
	struct stat_line line;
	struct proc p;
	int32_t tid;
	int r;

	r = read_ids(dir, "status", &p, &tid);
	if (r != 0)
		return r;
	if (tid == p.pid)
		r = read_stat(dir, "stat", &line);
	else
		r = read_leader(dir, &p, &line);
	if (r != 0)
		return r;
	p.start = line.start;
	*out = p;
	return 0;
}

/*
 * The parent of `child`: 0, or 1 when there is none to be seen, or -errno.
 * When the parent ends the child gets another, so ask the child again.
 */
static int read_parent(const struct proc *child, struct proc *out)
{
	struct proc c = *child;
	struct proc p;
	int i, r;

	for (i = 0; i < PARENT_TRIES; i++) {
		if (c.pid == 1 || c.ppid == 0)
			return 1;
		r = caller_proc(c.ppid, &p);
		if (r == -EACCES)
			return 1;
		if (r < 0 && r != -ESRCH)
			return r;
		if (r == 0 && p.start <= c.start) {
			*out = p;
			return 0;
		}
		r = caller_proc(child->pid, &c);
		if (r < 0)
			return r;
		if (c.start != child->start)
			return -ESRCH;
	}
	return -ESRCH;
}

static int is_pid(const struct proc *p, void *arg)
{
	const int32_t *pid = arg;

	return p->pid == *pid;
}

/* Doubles *buf, which has room for *size bytes. */
static int grow(char **buf, size_t *size)
{
	char *p = realloc(*buf, *size * 2);

	if (!p)
		return -ENOMEM;
	*buf = p;
	*size *= 2;
	return 0;
}

/* Reads `fd` to its end into *buf, which grows; returns the length. */
static ssize_t read_growing(int fd, char **buf, size_t size)
{
	size_t n = 0;
	ssize_t r;

	while (n <= ENVIRON_MOST) {
		if (n == size - 1 && grow(buf, &size) < 0)
			return -ENOMEM;
		r = read_some(fd, *buf + n, size - 1 - n);
		if (r < 0)
			return r;
		if (r == 0) {
			(*buf)[n] = '\0';
			return (ssize_t)n;
		}
		n += (size_t)r;
	}
	return -E2BIG;
}

/* The environment of `dir`, a NUL behind it, to be freed; and its length. */
static ssize_t read_environ(int dir, char **out)
{
	int fd = open_file(dir, "environ");
	ssize_t r = -ENOMEM;
	char *buf;

	if (fd < 0)
		return fd;
	buf = malloc(ENVIRON_FIRST);
	if (buf)
		r = read_growing(fd, &buf, ENVIRON_FIRST);
	(void)close(fd);
	if (r < 0)
		free(buf);
	else
		*out = buf;
	return r;
}

/*
 * What to say when no environment was read, `r` being how. Without memory a
 * process has none, and the kernel may call that empty, gone or forbidden.
 */
static int no_environ(int dir, int r)
{
	struct stat_line line;
	int alive = read_stat(dir, "stat", &line);

	if (alive < 0)
		return alive;
	if (is_dead(&line))
		return -ESRCH;
	return r == -ESRCH ? 0 : r;
}

/* The value of `name` among NUL-ended strings, NULL if it is not set. */
static const char *find_env(const char *env, size_t len, const char *name)
{
	size_t n = strlen(name);
	const char *end = env + len;
	const char *p;

	for (p = env; p < end; p += strlen(p) + 1)
		if (strncmp(p, name, n) == 0 && p[n] == '=')
			return p + n + 1;
	return NULL;
}

static int copy_env(const char *value, char *out, size_t n)
{
	size_t len = strlen(value);

	if (len >= n)
		return -E2BIG;
	memcpy(out, value, len + 1);
	return 1;
}

static int lookup_env(int dir, const char *name, char *out, size_t n)
{
	const char *value;
	char *env = NULL;
	ssize_t len = read_environ(dir, &env);
	int r;

	if (len <= 0) {
		free(env);
		return no_environ(dir, (int)len);
	}
	value = find_env(env, (size_t)len, name);
	r = value ? copy_env(value, out, n) : 0;
	free(env);
	return r;
}

static int scan_groups(struct scan *s, uint32_t gid)
{
	int64_t real, n;
	int r = scan_value(s, "\nGid:", &real);

	if (r == 0)
		r = scan_number(s, &n);
	if (r <= 0)
		return r < 0 ? r : -EIO;
	if (n == gid)
		return 1;
	r = scan_key(s, "\nGroups:");
	if (r < 0)
		return r;
	while ((r = scan_number(s, &n)) > 0)
		if (n == gid)
			return 1;
	return r;
}

/* NStgid and not NSpid, so that any thread will do; a leader's are equal. */
static int scan_ns_pids(struct scan *s, struct ns_pids *out)
{
	int r = scan_key(s, "\nNStgid:");

	out->n = 0;
	while (r >= 0 && out->n < NS_LEVELS) {
		r = scan_number(s, &out->at[out->n]);
		if (r <= 0)
			break;
		out->n++;
	}
	if (r < 0)
		return r;
	return out->n == 0 ? -EIO : 0;
}

static int read_ns_pids(int dir, struct ns_pids *out)
{
	struct scan s;
	int r = scan_open(&s, dir, "status");

	if (r < 0)
		return r;
	r = scan_ns_pids(&s, out);
	scan_close(&s);
	return r;
}

/* Replaces the namespace descriptor by its parent's; -1 in *fd on failure. */
static int ns_up(int *fd)
{
	int up = ioctl(*fd, NS_GET_PARENT);
	int r = up < 0 ? proc_errno() : 0;

	(void)close(*fd);
	*fd = up;
	return r;
}

/* Which pid namespace is `up` levels above the one `dir` is in. */
static int read_ns(int dir, int up, struct stat *out)
{
	int fd = open_file(dir, "ns/pid");
	int r = 0;

	if (fd < 0)
		return fd;
	while (r == 0 && up-- > 0)
		r = ns_up(&fd);
	if (r < 0)
		return r;
	if (fstat(fd, out) < 0)
		r = -errno;
	(void)close(fd);
	return r;
}

/* 0 and *out if `dir` is the process meant by `want`, -ESRCH if it is not. */
static int match_ns_name(int dir, const struct ns_name *want, struct proc *out)
{
	struct ns_pids pids;
	struct stat ns;
	int r = read_ns_pids(dir, &pids);

	if (r < 0)
		return r;
	if (pids.n <= want->level || pids.at[want->level] != want->pid)
		return -ESRCH;
	r = read_ns(dir, pids.n - 1 - want->level, &ns);
	if (r < 0)
		return r;
	if (ns.st_dev != want->ns.st_dev || ns.st_ino != want->ns.st_ino)
		return -ESRCH;
	return read_proc(dir, out);
}

static int match_entry(DIR *d, const struct dirent *e, const struct ns_name *want, struct proc *out)
{
	int dir, r;

	if (!isdigit((unsigned char)e->d_name[0]))
		return -ESRCH;
	dir = openat(dirfd(d), e->d_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return proc_errno();
	r = match_ns_name(dir, want, out);
	(void)close(dir);
	return r;
}

static int search_ns_name(const struct ns_name *want, struct proc *out)
{
	int found = -ESRCH;
	struct dirent *e;
	DIR *d;
	int r;

	d = opendir("/proc");
	if (!d)
		return -errno;
	while (errno = 0, e = readdir(d)) {
		r = match_entry(d, e, want, out);
		if (r != -ESRCH)
			found = r;
		if (r != -ESRCH && r != -EACCES)
			break;
	}
	if (!e && errno != 0)
		found = -errno;
	(void)closedir(d);
	return found;
}

/* `named` as the process of `dir` means it. */
static int resolve(int dir, int64_t named, struct proc *out)
{
	struct ns_name want = { .pid = named };
	struct ns_pids pids;
	int r;

	r = read_ns_pids(dir, &pids);
	if (r < 0)
		return r;
	if (pids.n == 1)
		return caller_proc((int32_t)named, out);
	want.level = pids.n - 1;
	r = read_ns(dir, 0, &want.ns);
	if (r < 0)
		return r;
	return search_ns_name(&want, out);
}

int caller_proc(int32_t tid, struct proc *out)
{
	int dir = open_pid(tid);
	int r;

	if (dir < 0)
		return dir;
	r = read_proc(dir, out);
	(void)close(dir);
	return r;
}

int caller_alive(int32_t pid, int64_t start)
{
	struct stat_line line;
	int dir = open_pid(pid);
	int r;

	if (dir < 0)
		return dir == -ESRCH ? 0 : dir;
	r = read_stat(dir, "stat", &line);
	(void)close(dir);
	if (r < 0)
		return r == -ESRCH ? 0 : r;
	/* the first thread of a process waits as a zombie for the others */
	if (is_dead(&line) && line.threads <= 1)
		return 0;
	return line.start == start;
}

int caller_pidfd(int32_t pid, int64_t start)
{
	int fd, alive;

	if (pid <= 0)
		return -ESRCH;
	fd = (int)syscall(SYS_pidfd_open, pid, 0); /* O_CLOEXEC by itself */
	if (fd < 0)
		return -errno;
	alive = caller_alive(pid, start); /* now it stays that process, or is none */
	if (alive != 0)
		return fd;
	(void)close(fd);
	return -ESRCH;
}

int caller_ancestors(int32_t pid, int (*fn)(const struct proc *p, void *arg), void *arg)
{
	struct proc p;
	int i, r;

	r = caller_proc(pid, &p);
	for (i = 1; r == 0; i++) {
		r = fn(&p, arg);
		if (r != 0 || i == CALLER_DEPTH)
			return r;
		r = read_parent(&p, &p);
	}
	return r < 0 ? r : 0;
}

int caller_env(int32_t pid, const char *name, char *out, size_t n)
{
	int dir, r;

	if (!*name || strchr(name, '='))
		return -EINVAL;
	dir = open_pid(pid);
	if (dir < 0)
		return dir;
	r = lookup_env(dir, name, out, n);
	(void)close(dir);
	return r;
}

int caller_in_group(int32_t pid, uint32_t gid)
{
	int dir = open_pid(pid);
	struct scan s;
	int r;

	if (dir < 0)
		return dir;
	r = scan_open(&s, dir, "status");
	(void)close(dir);
	if (r < 0)
		return r;
	r = scan_groups(&s, gid);
	scan_close(&s);
	return r;
}

int caller_named(int32_t writer, int64_t named, struct proc *out)
{
	int dir, r;

	if (named == 0)
		return caller_proc(writer, out);
	if (named < 0 || named > INT32_MAX)
		return -ESRCH;
	dir = open_pid(writer);
	if (dir < 0)
		return dir;
	r = resolve(dir, named, out);
	(void)close(dir);
	return r;
}

int caller_descends(int32_t a, int32_t b)
{
	return caller_ancestors(a, is_pid, &b);
}

int caller_is_init(int32_t pid)
{
	int dir = open_pid(pid);
	struct ns_pids pids;
	int r;

	if (dir < 0)
		return dir;
	r = read_ns_pids(dir, &pids);
	(void)close(dir);
	return r < 0 ? r : pids.at[pids.n - 1] == 1;
}

/* The hexadecimal number of the line `key`: whether bit `bit` is set. */
static int scan_bit(struct scan *s, const char *key, int bit)
{
	uint64_t n = 0;
	int c, r = scan_key(s, key);

	if (r < 0)
		return r;
	while ((c = scan_getc(s)) >= 0 && c != '\n' && c != SCAN_END)
		if (isxdigit(c))
			n = n << 4 | (uint64_t)(isdigit(c) ? c - '0' : tolower(c) - 'a' + 10);
	return c < 0 ? c : (int)(n >> bit & 1);
}

int caller_is_dying(int32_t tid)
{
	int dir = open_pid(tid), r;
	struct scan s;

	if (dir < 0)
		return dir == -ESRCH; /* it is dead */
	r = scan_open(&s, dir, "status");
	(void)close(dir);
	if (r < 0)
		return r == -ESRCH;
	r = scan_bit(&s, "\nSigPnd:", SIGKILL - 1);
	scan_close(&s);
	return r > 0;
}

int32_t caller_last_pid(void)
{
	char buf[128];
	ssize_t r = read_small(AT_FDCWD, "/proc/loadavg", buf, sizeof(buf));
	const char *last = r < 0 ? NULL : strrchr(buf, ' ');
	long pid = last ? strtol(last, NULL, 10) : 0;

	if (r < 0)
		return (int32_t)r;
	return pid > 0 && pid <= INT32_MAX ? (int32_t)pid : -EIO;
}

int caller_boot_id(char out[37])
{
	char buf[64];
	ssize_t r;

	r = read_small(AT_FDCWD, "/proc/sys/kernel/random/boot_id", buf, sizeof(buf));
	if (r < 0)
		return (int)r;
	if (r != 37 || buf[36] != '\n')
		return -EIO;
	memcpy(out, buf, 36);
	out[36] = '\0';
	return 0;
}

/* One read of a file that is there wherever /proc is. */
static ssize_t read_machine(const char *path, char *buf, size_t n)
{
	ssize_t r = read_small(AT_FDCWD, path, buf, n);

	return r == -ESRCH ? -EACCES : r;
}

static int read_load(double *load)
{
	char buf[128];
	ssize_t r = read_machine("/proc/loadavg", buf, sizeof(buf));

	if (r < 0)
		return (int)r;
	buf[strcspn(buf, " \n")] = '\0';
	return number_parse(buf, load) || *load < 0 ? -EIO : 0;
}

/* The line `key NUMBER kB`, in bytes; the text begins with a newline. */
static int memory_line(const char *text, const char *key, int64_t *bytes)
{
	const char *line = strstr(text, key);
	char *end;
	long long n;

	if (!line)
		return -EIO;
	line += strlen(key);
	n = strtoll(line, &end, 10);
	if (end == line || strncmp(end, " kB\n", 4) != 0 || n < 0 || n > INT64_MAX >> 10)
		return -EIO;
	*bytes = (int64_t)n << 10;
	return 0;
}

static int read_memory(int64_t *available, int64_t *total)
{
	char buf[8192] = "\n";
	ssize_t r = read_machine("/proc/meminfo", buf + 1, sizeof(buf) - 1);
	int err;

	if (r < 0)
		return (int)r;
	err = memory_line(buf, "\nMemAvailable:", available);
	if (!err)
		err = memory_line(buf, "\nMemTotal:", total);
	return !err && *total == 0 ? -EIO : err;
}

int caller_pressure(double *load, int *cores, int64_t *available, int64_t *total)
{
	long n = sysconf(_SC_NPROCESSORS_ONLN);
	int64_t free_now, all;
	double busy;
	int r = n > 0 && n <= INT_MAX ? read_load(&busy) : -EIO;

	if (r == 0)
		r = read_memory(&free_now, &all);
	if (r < 0)
		return r;
	*load = busy;
	*cores = (int)n;
	*available = free_now;
	*total = all;
	return 0;
}

/* Whether the name in a line of stat is `comm`, or that and a '-'. */
static bool is_called(const char *line, const char *comm)
{
	const char *name = strchr(line, '('), *end = strrchr(line, ')');
	size_t n = strlen(comm);

	return name && end && (size_t)(end - name) > n && memcmp(name + 1, comm, n) == 0 &&
	       (end == name + 1 + n || name[1 + n] == '-');
}

/* The start of the entry's process if it is called `comm` and runs: 1, 0, -errno. */
static int start_of(DIR *d, const struct dirent *e, const char *comm, int64_t *start)
{
	char path[sizeof(e->d_name) + 8], buf[2048];
	struct stat_line line;
	ssize_t r;

	if (!isdigit((unsigned char)e->d_name[0]))
		return 0;
	(void)snprintf(path, sizeof(path), "%s/stat", e->d_name);
	r = read_small(dirfd(d), path, buf, sizeof(buf));
	if (r < 0)
		return r == -ESRCH ? 0 : (int)r;
	if (!is_called(buf, comm))
		return 0;
	r = parse_stat(buf, &line);
	if (r < 0 || is_dead(&line))
		return (int)r;
	*start = line.start - ahead();
	return 1;
}

/* The earliest start among processes called `comm`: 1, 0, -errno. */
static int first_start(DIR *d, const char *comm, int64_t *start)
{
	struct dirent *e;
	int found = 0;
	int64_t s;
	int r;

	while (errno = 0, e = readdir(d)) {
		r = start_of(d, e, comm, &s);
		if (r < 0)
			return r;
		if (r > 0 && (!found || s < *start))
			*start = s;
		found |= r;
	}
	return errno ? -errno : found;
}

static int64_t clock_ms(clockid_t id)
{
	struct timespec t;

	(void)clock_gettime(id, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

int caller_since(const char *comm, int64_t *start_ms)
{
	int one = open_pid(1), r; /* hidepid=2 leaves out of the listing what it hides */
	int64_t start = 0;
	DIR *d;

	if (one < 0)
		return one == -ESRCH ? -EACCES : one;
	(void)close(one);
	d = opendir("/proc");
	if (!d)
		return -errno;
	r = first_start(d, comm, &start);
	(void)closedir(d);
	if (r > 0)
		*start_ms = clock_ms(CLOCK_REALTIME) - clock_ms(CLOCK_BOOTTIME) +
			    caller_start_ms(start);
	return r;
}

int caller_self(void)
{
	int fd = open("/proc/self/exe", O_PATH | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

int caller_each(int (*fn)(const struct proc *p, void *arg), void *arg)
{
	DIR *d = opendir("/proc");
	struct dirent *e;
	struct proc p;
	int64_t pid;
	int r = 0;

	if (!d)
		return -errno;
	while (!r && (e = readdir(d)))
		if (!int_parse(e->d_name, 1, INT32_MAX, &pid) && !caller_proc((int32_t)pid, &p))
			r = fn(&p, arg);
	(void)closedir(d);
	return r;
}
