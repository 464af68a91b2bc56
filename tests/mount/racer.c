/*
 * racer: N processes ask for one claim at the same moment, round after round;
 * exactly one may get it. For tests/mount/test_race.py and
 * test_actions.py.
 *
 * usage: racer MOUNT TOOL ROUNDS CONTENDERS SESSIONS TASKS WHERE HELD
 *
 * TOOL is a row of tools[] below: the system calls of a program, in its order;
 * "mixed": contender i uses the i-th of them, in turn.
 * SESSIONS and TASKS are lists with commas; contender i is the i-th session and
 * asks for the i-th task, in turn. WHERE is "paths" (sessions/ID/claims/) or
 * "names" (claims/; each contender joins its session), or "actions" (actions/,
 * the same; TASKS are keys, and each round has its own: KEY.0, KEY.1 ..). HELD: how many
 * artifacts there are whenever one of the tasks is held, and all its own.
 *
 * Prints one line, "rounds N" and how often each errno was the answer; on the
 * first round that is not as it should be, what was wrong, and exits 1.
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define CONTENDERS 256
#define NAMES 256
#define ERRNOS 134
#define ROUND_SECONDS 60

/* What the processes share. Behind `start` all ask; behind `asked` all have
 * their answer and keep what they opened; behind `over` they close it. */
struct shared {
	pthread_barrier_t start, asked, over;
	int stop;
	int answer[CONTENDERS]; /* 0 or errno */
};

struct names {
	char *at[NAMES];
	int n;
};

struct tool {
	const char *name;
	/* 0 and *FD (-1: none is open), or errno. FROM: the task in ready/. */
	int (*ask)(const char *path, const char *from, int *fd);
};

struct race {
	const char *mount;
	const struct tool *tool; /* NULL: mixed */
	int rounds, contenders, by_name, actions, held;
	struct names sessions, tasks;
	struct shared *shared;
	long count[ERRNOS];
};

static int open_with(const char *path, int flags, int *fd)
{
	*fd = open(path, flags | O_CLOEXEC, 0666);
	return *fd < 0 ? errno : 0;
}

/* touch(1): what it could not open it still tries to set the times of. */
static int ask_touch(const char *path, const char *from, int *fd)
{
	int error = open_with(path, O_WRONLY | O_CREAT | O_NONBLOCK | O_NOCTTY, fd);

	(void)from;
	if (error)
		return utimensat(AT_FDCWD, path, NULL, 0) ? error : 0;
	return futimens(*fd, NULL) ? errno : 0;
}

static int ask_truncate(const char *path, const char *from, int *fd)
{
	(void)from;
	return open_with(path, O_WRONLY | O_CREAT | O_TRUNC, fd);
}

static int ask_append(const char *path, const char *from, int *fd)
{
	(void)from;
	return open_with(path, O_WRONLY | O_CREAT | O_APPEND, fd);
}

/* bash with noclobber: only what is not there is made. */
static int ask_noclobber(const char *path, const char *from, int *fd)
{
	struct stat st;

	(void)from;
	if (stat(path, &st) == 0)
		return EEXIST;
	return open_with(path, O_WRONLY | O_CREAT | O_EXCL, fd);
}

/* python's open(path, 'x') */
static int ask_exclusive(const char *path, const char *from, int *fd)
{
	(void)from;
	return open_with(path, O_WRONLY | O_CREAT | O_EXCL, fd);
}

static int ask_exclusive_reading(const char *path, const char *from, int *fd)
{
	(void)from;
	return open_with(path, O_RDONLY | O_CREAT | O_EXCL, fd);
}

/* node's fs.open(path, 'wx') */
static int ask_wx(const char *path, const char *from, int *fd)
{
	(void)from;
	return open_with(path, O_WRONLY | O_CREAT | O_EXCL | O_TRUNC, fd);
}

/* python's Path.touch(): the times first, by name. */
static int ask_times_first(const char *path, const char *from, int *fd)
{
	(void)from;
	if (utimensat(AT_FDCWD, path, NULL, 0) == 0)
		return 0;
	return open_with(path, O_WRONLY | O_CREAT, fd);
}

static int ask_rename(const char *path, const char *from, int *fd)
{
	(void)fd;
	return rename(from, path) ? errno : 0;
}

static const struct tool tools[] = {
	{ "touch", ask_touch },		{ ">", ask_truncate },
	{ ">>", ask_append },		{ "set -C; >", ask_noclobber },
	{ "open('x')", ask_exclusive }, { "O_EXCL|O_RDONLY", ask_exclusive_reading },
	{ "node wx", ask_wx },		{ "Path.touch", ask_times_first },
	{ "mv", ask_rename },
};

#define TOOLS (sizeof(tools) / sizeof(tools[0]))

/* --- a contender --- */

static const char *session_of(const struct race *r, int i)
{
	return r->sessions.at[i % r->sessions.n];
}

static const struct tool *tool_of(const struct race *r, int i)
{
	/* a turn later each round of tasks, so that every tool asks for every one */
	return r->tool ? r->tool : &tools[(size_t)(i + i / r->tasks.n) % TOOLS];
}

static const char *task_of(const struct race *r, int i)
{
	return r->tasks.at[i % r->tasks.n];
}

static void join(const struct race *r, const char *session)
{
	char path[4096];
	int fd;

	(void)snprintf(path, sizeof(path), "%s/sessions/%s/procs", r->mount, session);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, "0\n", 2) != 2)
		err(1, "%s", path);
	(void)close(fd);
}

static void contend(const struct race *r, int i)
{
	const struct tool *tool = tool_of(r, i);
	char path[4096], from[4096];

	if (r->by_name || r->actions)
		join(r, session_of(r, i));
	if (r->by_name)
		(void)snprintf(path, sizeof(path), "%s/claims/%s", r->mount, task_of(r, i));
	else if (!r->actions)
		(void)snprintf(path, sizeof(path), "%s/sessions/%s/claims/%s", r->mount,
			       session_of(r, i), task_of(r, i));
	(void)snprintf(from, sizeof(from), "%s/ready/%s", r->mount, task_of(r, i));
	for (int round = 0;; round++) {
		int fd = -1;

		if (r->actions)
			(void)snprintf(path, sizeof(path), "%s/actions/%s.%d", r->mount,
				       task_of(r, i), round);

		(void)pthread_barrier_wait(&r->shared->start);
		if (r->shared->stop)
			_exit(0);
		r->shared->answer[i] = tool->ask(path, from, &fd);
		(void)pthread_barrier_wait(&r->shared->asked);
		(void)pthread_barrier_wait(&r->shared->over);
		if (fd >= 0)
			(void)close(fd);
	}
}

/* --- the judge --- */

static int read_file(const struct race *r, const char *name, char *out, size_t n)
{
	char path[4096];
	ssize_t got;
	int fd;

	(void)snprintf(path, sizeof(path), "%s/%s", r->mount, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	got = fd < 0 ? -1 : read(fd, out, n - 1);
	if (fd >= 0)
		(void)close(fd);
	out[got > 0 ? got : 0] = '\0';
	return got < 0 ? errno : 0;
}

/* The claim of TASK is SESSION's, and every artifact that is held is TASK's. */
static void check_held(const struct race *r, int round, const char *task, const char *session)
{
	char name[512], text[65536], want[512];
	int n = 0;

	(void)snprintf(name, sizeof(name), "claims/%s", task);
	(void)snprintf(want, sizeof(want), "\nsession %s\n", session);
	if (read_file(r, name, text, sizeof(text)) || !strstr(text, want))
		errx(1, "round %d: %s was given %s, but the claim says: %s", round, session, task,
		     text);
	if (read_file(r, "artifacts", text, sizeof(text)))
		err(1, "artifacts");
	(void)snprintf(want, sizeof(want), " %s %s ", task, session);
	for (char *rest = text, *line; (line = strtok_r(rest, "\n", &rest)); n++)
		if (!strstr(line, want))
			errx(1, "round %d: %s of %s is held, but so is %s", round, task, session,
			     line);
	if (n != r->held)
		errx(1, "round %d: %d artifacts of %s are held, not %d", round, n, task, r->held);
}

static void check_free(const struct race *r, int round, const char *task)
{
	char name[512], text[4096];

	(void)snprintf(name, sizeof(name), "claims/%s", task);
	if (read_file(r, name, text, sizeof(text)) != ENOENT)
		errx(1, "round %d: nobody was given %s, but there is a claim: %s", round, task,
		     text);
}

/* It is permitted to SESSION. */
static void check_permitted(const struct race *r, int round, const char *key, const char *session)
{
	char name[512], text[65536], want[512];

	(void)snprintf(name, sizeof(name), "actions/%s.%d", key, round);
	(void)snprintf(want, sizeof(want), "permitted\nsession %s\n", session);
	if (read_file(r, name, text, sizeof(text)) || strncmp(text, want, strlen(want)) != 0)
		errx(1, "round %d: %s was permitted %s, but it says: %s", round, session, key,
		     text);
}

static void release(const struct race *r, const char *task, const char *session)
{
	char path[4096];

	(void)snprintf(path, sizeof(path), "%s/sessions/%s/claims/%s", r->mount, session, task);
	if (unlink(path))
		err(1, "rm %s", path);
}

static void judge(struct race *r, int round)
{
	int winner = -1;

	for (int i = 0; i < r->contenders; i++) {
		int answer = r->shared->answer[i];

		if (answer >= 0 && answer < ERRNOS)
			r->count[answer]++;
		if (answer)
			continue;
		if (winner >= 0)
			errx(1, "round %d: two were told yes: %s of %s and %s of %s", round,
			     task_of(r, winner), session_of(r, winner), task_of(r, i),
			     session_of(r, i));
		winner = i;
	}
	if (winner < 0)
		errx(1, "round %d: nobody was given it: %s", round,
		     strerrorname_np(r->shared->answer[0]));
	if (r->actions) {
		check_permitted(r, round, task_of(r, winner), session_of(r, winner));
		return;
	}
	for (int i = 0; i < r->tasks.n; i++)
		if (i != winner % r->tasks.n)
			check_free(r, round, r->tasks.at[i]);
	check_held(r, round, task_of(r, winner), session_of(r, winner));
	release(r, task_of(r, winner), session_of(r, winner));
}

static void split(char *text, struct names *out)
{
	for (char *rest = text, *word; (word = strtok_r(rest, ",", &rest));) {
		if (out->n == NAMES)
			errx(2, "too many names");
		out->at[out->n++] = word;
	}
	if (!out->n)
		errx(2, "no names");
}

static void share(struct race *r)
{
	unsigned n = (unsigned)r->contenders + 1;
	pthread_barrierattr_t at;

	r->shared = mmap(NULL, sizeof(*r->shared), PROT_READ | PROT_WRITE,
			 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (r->shared == MAP_FAILED)
		err(1, "mmap");
	(void)pthread_barrierattr_init(&at);
	(void)pthread_barrierattr_setpshared(&at, PTHREAD_PROCESS_SHARED);
	if (pthread_barrier_init(&r->shared->start, &at, n) ||
	    pthread_barrier_init(&r->shared->asked, &at, n) ||
	    pthread_barrier_init(&r->shared->over, &at, n))
		errx(1, "no barrier");
}

/* Contenders end with the judge, however it ends. */
static void fork_all(const struct race *r)
{
	pid_t judge = getpid();

	for (int i = 0; i < r->contenders; i++) {
		pid_t pid = fork();

		if (pid < 0)
			err(1, "fork");
		if (pid)
			continue;
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() != judge)
			_exit(1);
		contend(r, i);
	}
}

static void run(struct race *r)
{
	for (int round = 0; round < r->rounds; round++) {
		(void)alarm(ROUND_SECONDS); /* a round that hangs ends all */
		(void)pthread_barrier_wait(&r->shared->start);
		(void)pthread_barrier_wait(&r->shared->asked);
		judge(r, round);
		(void)pthread_barrier_wait(&r->shared->over);
	}
	r->shared->stop = 1;
	(void)pthread_barrier_wait(&r->shared->start);
	while (wait(NULL) > 0)
		;
}

static void report(const struct race *r)
{
	(void)printf("rounds %d", r->rounds);
	for (int i = 0; i < ERRNOS; i++)
		if (r->count[i])
			(void)printf(" %s %ld", i ? strerrorname_np(i) : "ok", r->count[i]);
	(void)printf("\n");
}

static int number(const char *text)
{
	char *end;
	long n = strtol(text, &end, 10);

	if (*end || n < 0 || n > 1000000)
		errx(2, "%s is no number", text);
	return (int)n;
}

int main(int argc, char **argv)
{
	struct race r = { .rounds = 0 };

	if (argc != 9)
		errx(2, "usage: racer MOUNT TOOL ROUNDS CONTENDERS SESSIONS TASKS WHERE HELD");
	r.mount = argv[1];
	for (size_t i = 0; i < TOOLS; i++)
		if (strcmp(tools[i].name, argv[2]) == 0)
			r.tool = &tools[i];
	r.rounds = number(argv[3]);
	r.contenders = number(argv[4]);
	split(argv[5], &r.sessions);
	split(argv[6], &r.tasks);
	r.by_name = strcmp(argv[7], "names") == 0;
	r.actions = strcmp(argv[7], "actions") == 0;
	r.held = number(argv[8]);
	if ((!r.tool && strcmp(argv[2], "mixed") != 0) || r.contenders < 1 ||
	    r.contenders > CONTENDERS)
		errx(2, "no such tool, or too many contenders");
	share(&r);
	fork_all(&r);
	run(&r);
	report(&r);
	return 0;
}
