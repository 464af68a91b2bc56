/*
 * bench: what an operation costs its caller, in system calls of one process.
 * The measures named are taken in turn, a few operations of each at a time,
 * so that whatever else the machine does falls on all of them alike.
 *
 * usage: bench [-n COUNT] [-r ROUNDS] MEASURE[:PATH]...
 *        bench -t SECONDS PATH...      claims and releases, a process a PATH
 *
 * Prints "NAME p50 US us p99 US us PATH" for each measure; times are of one
 * operation. With -t: "rate PER_SECOND /s PROCESSES".
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <sqlite3.h>

#include "backend/clean.h"

/* Nanoseconds, one an operation. */
struct samples {
	const char *name;
	size_t n, room;
	int64_t *ns;
};

/* The other side of a wake-up: woken as the writer is, answers as it does. */
struct echo {
	pthread_t thread;
	pthread_mutex_t lock; /* guards asked, stop */
	pthread_cond_t wake;
	int asked, stop;
	int event_fd, epoll_fd;
};

struct measure {
	const struct operation *op;
	const char *path;
	int record; /* 0 while warming up */
	struct samples first, second;
	/* commit */
	sqlite3 *db;
	sqlite3_stmt *insert;
	char dir[512];
	/* wake */
	struct echo echo;
};

/* All return 0 or -errno. */
struct operation {
	const char *name;
	const char *second; /* what its second sample is called; NULL: none */
	int (*begin)(struct measure *m);
	int (*once)(struct measure *m);
	void (*end)(struct measure *m);
};

static int64_t now_ns(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void sample(const struct measure *m, struct samples *s, int64_t ns)
{
	if (m->record && s->n < s->room)
		s->ns[s->n++] = ns;
}

/* --- claim: create and give back --- */

static int claim_once(struct measure *m)
{
	int64_t start = now_ns(), claimed;
	int fd = open(m->path, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0666);

	if (fd < 0 || close(fd))
		return -errno;
	claimed = now_ns();
	sample(m, &m->first, claimed - start);
	if (unlink(m->path))
		return -errno;
	sample(m, &m->second, now_ns() - claimed);
	return 0;
}

/* --- cat, stat, ls: look at it --- */

static int cat_once(struct measure *m)
{
	int64_t start = now_ns();
	AUTO_CLOSE int fd = open(m->path, O_RDONLY | O_CLOEXEC);
	char buf[65536];
	ssize_t n;

	if (fd < 0)
		return -errno;
	do
		n = read(fd, buf, sizeof(buf));
	while (n > 0);
	if (n < 0 || close(fd))
		return -errno;
	fd = -1;
	sample(m, &m->first, now_ns() - start);
	return 0;
}

static int stat_once(struct measure *m)
{
	int64_t start = now_ns();
	struct stat st;

	if (lstat(m->path, &st))
		return -errno;
	sample(m, &m->first, now_ns() - start);
	return 0;
}

/* As ls -l does it: names, then each by its whole path. */
static int ls_once(struct measure *m)
{
	int64_t start = now_ns();
	DIR *d = opendir(m->path);
	const struct dirent *e;
	char path[1024];
	struct stat st;
	int err = 0;

	if (!d)
		return -errno;
	while (!err && (e = readdir(d))) {
		(void)snprintf(path, sizeof(path), "%s/%s", m->path, e->d_name);
		if (lstat(path, &st) && errno != ENOENT)
			err = -errno;
	}
	(void)closedir(d);
	sample(m, &m->first, now_ns() - start);
	return err;
}

/* --- commit: SQLite alone, durable --- */

static void commit_end(struct measure *m)
{
	static const char *const files[] = { "db", "db-wal", "db-shm" };
	char file[sizeof(m->dir) + 16];

	(void)sqlite3_finalize(m->insert);
	(void)sqlite3_close(m->db);
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		(void)snprintf(file, sizeof(file), "%s/%s", m->dir, files[i]);
		(void)unlink(file);
	}
	(void)rmdir(m->dir);
}

static int commit_open(struct measure *m)
{
	char file[sizeof(m->dir) + 16];

	(void)snprintf(file, sizeof(file), "%s/db", m->dir);
	if (sqlite3_open(file, &m->db) ||
	    sqlite3_exec(m->db,
			 "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;"
			 "CREATE TABLE t(id INTEGER PRIMARY KEY, line TEXT NOT NULL)",
			 NULL, NULL, NULL) ||
	    sqlite3_prepare_v2(m->db, "INSERT INTO t(line) VALUES(hex(zeroblob(100)))", -1,
			       &m->insert, NULL))
		return -EIO;
	return 0;
}

static int commit_begin(struct measure *m)
{
	int err;

	(void)snprintf(m->dir, sizeof(m->dir), "%s/commit.XXXXXX", m->path);
	if (!mkdtemp(m->dir))
		return -errno;
	err = commit_open(m);
	if (err)
		commit_end(m);
	return err;
}

static int commit_once(struct measure *m)
{
	int64_t start = now_ns();

	if (sqlite3_step(m->insert) != SQLITE_DONE || sqlite3_reset(m->insert))
		return -EIO;
	sample(m, &m->first, now_ns() - start);
	return 0;
}

/* --- wake: there by condition variable, back by eventfd and epoll --- */

static void *echo_main(void *arg)
{
	struct echo *e = arg;
	int stop;

	do {
		(void)pthread_mutex_lock(&e->lock);
		while (!e->asked && !e->stop)
			(void)pthread_cond_wait(&e->wake, &e->lock);
		e->asked = 0;
		stop = e->stop;
		(void)pthread_mutex_unlock(&e->lock);
		(void)eventfd_write(e->event_fd, 1);
	} while (!stop);
	return NULL;
}

static void echo_ask(struct echo *e, int *what)
{
	(void)pthread_mutex_lock(&e->lock);
	*what = 1;
	(void)pthread_cond_signal(&e->wake);
	(void)pthread_mutex_unlock(&e->lock);
}

static int wake_begin(struct measure *m)
{
	struct epoll_event ev = { .events = EPOLLIN };
	struct echo *e = &m->echo;

	(void)pthread_mutex_init(&e->lock, NULL);
	(void)pthread_cond_init(&e->wake, NULL);
	e->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	e->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (e->event_fd < 0 || e->epoll_fd < 0 ||
	    epoll_ctl(e->epoll_fd, EPOLL_CTL_ADD, e->event_fd, &ev))
		return -errno;
	return -pthread_create(&e->thread, NULL, echo_main, e);
}

/* There and back are two wake-ups. */
static int wake_once(struct measure *m)
{
	int64_t start = now_ns();
	struct epoll_event ev;
	eventfd_t value;

	echo_ask(&m->echo, &m->echo.asked);
	if (epoll_wait(m->echo.epoll_fd, &ev, 1, -1) < 0 || eventfd_read(m->echo.event_fd, &value))
		return -errno;
	sample(m, &m->first, (now_ns() - start) / 2);
	return 0;
}

static void wake_end(struct measure *m)
{
	echo_ask(&m->echo, &m->echo.stop);
	(void)pthread_join(m->echo.thread, NULL);
	(void)close(m->echo.event_fd);
	(void)close(m->echo.epoll_fd);
}

/* --- the measures in turn --- */

static const struct operation operations[] = {
	{ "claim", "release", NULL, claim_once, NULL },
	{ "cat", NULL, NULL, cat_once, NULL },
	{ "stat", NULL, NULL, stat_once, NULL },
	{ "ls", NULL, NULL, ls_once, NULL },
	{ "commit", NULL, commit_begin, commit_once, commit_end },
	{ "wake", NULL, wake_begin, wake_once, wake_end },
};

/* "cat:PATH" or "wake". 0, -EINVAL, -ENOMEM. */
static int measure_parse(struct measure *m, char *text, size_t room)
{
	char *colon = strchr(text, ':');

	if (colon)
		*colon = 0;
	*m = (struct measure){ .path = colon ? colon + 1 : "-" };
	for (size_t i = 0; i < sizeof(operations) / sizeof(operations[0]); i++)
		if (strcmp(text, operations[i].name) == 0)
			m->op = &operations[i];
	if (!m->op)
		return -EINVAL;
	m->first = (struct samples){ m->op->name, 0, room, calloc(room, sizeof(int64_t)) };
	m->second = (struct samples){ m->op->second, 0, room, calloc(room, sizeof(int64_t)) };
	return m->first.ns && m->second.ns ? 0 : -ENOMEM;
}

static int measure_run(struct measure *m, int n)
{
	int err = 0;

	for (int i = 0; !err && i < n; i++)
		err = m->op->once(m);
	return err;
}

static int compare(const void *a, const void *b)
{
	const int64_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

static double percentile_us(const struct samples *s, int percent)
{
	size_t at = s->n * (size_t)percent / 100;

	return s->n ? (double)s->ns[at < s->n ? at : s->n - 1] / 1000 : 0;
}

static void samples_print(struct samples *s, const char *path)
{
	if (!s->name)
		return;
	qsort(s->ns, s->n, sizeof(*s->ns), compare);
	(void)printf("%-8s p50 %10.2f us p99 %10.2f us  %s\n", s->name, percentile_us(s, 50),
		     percentile_us(s, 99), path);
}

static int complain(const char *what, const char *path, int err)
{
	(void)fprintf(stderr, "bench: %s %s: %s\n", what, path, strerror(-err));
	return err;
}

/* The first round warms up. Stops at the first error, which it prints. */
static int measures_run(struct measure *all, int n, int rounds, int each)
{
	int err = 0;

	for (int r = 0; !err && r <= rounds; r++)
		for (int i = 0; !err && i < n; i++) {
			all[i].record = r > 0;
			err = measure_run(&all[i], each);
			if (err)
				(void)complain(all[i].op->name, all[i].path, err);
		}
	return err;
}

/* Begin all; *BEGUN of them, also when one fails. */
static int measures_begin(struct measure *all, int n, int *begun)
{
	int err = 0;

	for (*begun = 0; !err && *begun < n; ++*begun) {
		struct measure *m = &all[*begun];

		err = m->op->begin ? m->op->begin(m) : 0;
		if (err)
			return complain(m->op->name, m->path, err);
	}
	return 0;
}

static void measures_end(struct measure *all, int n, int begun)
{
	for (int i = 0; i < n; i++) {
		if (i < begun && all[i].op->end)
			all[i].op->end(&all[i]);
		free(all[i].first.ns);
		free(all[i].second.ns);
	}
}

static int bench(char **args, int n, int count, int rounds)
{
	AUTO_FREE struct measure *all = calloc((size_t)n, sizeof(*all));
	int each = count > rounds ? count / rounds : 1, begun = 0, err = all ? 0 : -ENOMEM;

	for (int i = 0; !err && i < n; i++) {
		err = measure_parse(&all[i], args[i], (size_t)each * (size_t)rounds);
		if (err)
			(void)complain("measure", args[i], err);
	}
	if (!err)
		err = measures_begin(all, n, &begun);
	if (!err)
		err = measures_run(all, n, rounds, each);
	for (int i = 0; !err && i < n; i++) {
		samples_print(&all[i].first, all[i].path);
		samples_print(&all[i].second, all[i].path);
	}
	if (all)
		measures_end(all, n, begun);
	return err;
}

/* --- many processes --- */

struct shared {
	int64_t deadline; /* ns; a process works until then */
	int64_t done[];
};

static int rate_child(struct shared *sh, int which, char *path)
{
	struct measure m = { .path = path };
	int err = 0;

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	while (!err && now_ns() < sh->deadline) {
		err = claim_once(&m);
		sh->done[which]++;
	}
	return err ? complain("claim", path, err) : 0;
}

static int rate(char **paths, int n, int seconds)
{
	size_t size = sizeof(struct shared) + (size_t)n * sizeof(int64_t);
	struct shared *sh =
		mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int64_t start, total = 0;
	int status, started, err = 0;

	if (sh == MAP_FAILED)
		return -errno;
	start = now_ns();
	sh->deadline = start + (int64_t)seconds * 1000000000;
	for (started = 0; !err && started < n; started++) {
		pid_t pid = fork();

		if (pid == 0)
			_exit(rate_child(sh, started, paths[started]) ? 1 : 0);
		err = pid < 0 ? complain("fork", paths[started], -errno) : 0;
	}
	while (wait(&status) > 0)
		if (status)
			err = -EIO;
	for (int i = 0; i < n; i++)
		total += sh->done[i];
	if (!err)
		(void)printf("rate %.1f /s %d processes\n",
			     (double)total * 1e9 / (double)(now_ns() - start), n);
	(void)munmap(sh, size);
	return err;
}

int main(int argc, char **argv)
{
	int option, count = 2000, rounds = 20, seconds = 0, usage = 0;

	while ((option = getopt(argc, argv, "n:r:t:")) != -1) {
		int value = option == '?' ? 0 : atoi(optarg);

		if (option == 'n')
			count = value;
		else if (option == 'r')
			rounds = value;
		else if (option == 't')
			seconds = value;
		usage |= value <= 0;
	}
	if (usage || optind == argc) {
		(void)fprintf(stderr, "usage: bench [-n COUNT] [-r ROUNDS] MEASURE[:PATH]...\n"
				      "       bench -t SECONDS PATH...\n");
		return 2;
	}
	argc -= optind;
	argv += optind;
	return (seconds ? rate(argv, argc, seconds) : bench(argv, argc, count, rounds)) ? 1 : 0;
}
