/* run: a command as a session: register, join, run it, end the session with it. */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "backend/clean.h"
#include "backend/text.h"
#include "tools/mnt.h"
#include "tools/tool.h"

extern const struct tool tool_run;

#define TRIES 10      /* fresh ids before giving up */
#define CHILDREN 9999 /* the last number of a worker's worker */
#define NOT_RUN 126
#define NOT_FOUND 127
#define KILLED 128

static const char more[] =
	"  --session ID     the session's id; without it a fresh one, or, in a session S,\n"
	"                   the first free of S.2, S.3 ...\n" TOOL_MOUNT_HELP
	"\nThe command finds COORD_SESSION and COORD_MOUNT in its environment.\n"
	"Exit status: the command's, 128 and the signal's number if one killed it, 126 or 127\n"
	"if it cannot be started; 1 if the session is refused, 3 if the mount is away.\n";

/* In order of arrival these reach the command; SIGCHLD tells of its end. */
static const int forwarded[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2 };

/* A session being run: its mount, its id, the signal mask it began with. */
struct run {
	struct mnt m;
	char id[NAME_LEN_MAX + 1];
	int64_t renew; /* ms after which to say that it lives; 0: the mount sees that itself */
	sigset_t mask;
};

/* --- the session --- */

static void say_refused(const struct mnt *m, const char *what, int err)
{
	AUTO_BUF struct buf why = BUF_INIT;

	warnx("%s: %s", what, strerror(-err));
	if (!mnt_is_away(err))
		mnt_why(m, "  ", &why);
	(void)fputs(buf_text(&why), stderr);
}

/* 0 or -errno. */
static int session_register(struct run *r)
{
	char path[MNT_PATH];

	(void)snprintf(path, sizeof(path), "sessions/%s", r->id);
	return mkdirat(r->m.fd, path, 0755) ? -errno : 0;
}

/* "s20260701-084012-k3v9xq2m": sorts by time, and two of one second differ. */
static int fresh_id(char id[NAME_LEN_MAX + 1])
{
	static const char base32[] = "abcdefghijklmnopqrstuvwxyz234567";
	unsigned char random[8];
	time_t now = time(NULL);
	struct tm tm;
	size_t n;

	if (getrandom(random, sizeof(random), 0) != sizeof(random) || !gmtime_r(&now, &tm))
		return -EIO;
	n = strftime(id, NAME_LEN_MAX, "s%Y%m%d-%H%M%S-", &tm);
	for (size_t i = 0; i < sizeof(random); i++)
		id[n++] = base32[random[i] % 32];
	id[n] = '\0';
	return 0;
}

static int register_fresh(struct run *r)
{
	int err = -EEXIST;

	for (int i = 0; i < TRIES && err == -EEXIST; i++) {
		err = fresh_id(r->id);
		if (!err)
			err = session_register(r);
	}
	return err;
}

/* The first free of PARENT.2, PARENT.3 ...: the parent itself is the first worker. */
static int register_child(struct run *r, const char *parent)
{
	int err = -EEXIST;

	for (int i = 2; i <= CHILDREN && err == -EEXIST; i++) {
		int n = snprintf(r->id, sizeof(r->id), "%s.%d", parent, i);

		err = n < (int)sizeof(r->id) ? session_register(r) : -ENAMETOOLONG;
	}
	return err;
}

/* COORD_SESSION, if it names a live session; else NULL. */
static const char *parent_session(const struct mnt *m)
{
	const char *id = getenv("COORD_SESSION");
	char state[64];

	if (!id || name_check(id, strlen(id)) ||
	    mnt_read_line(m, state, sizeof(state), "sessions/%s/state", id))
		return NULL;
	return strcmp(state, "live") == 0 ? id : NULL;
}

static int refused(const struct run *r, int err)
{
	char what[NAME_LEN_MAX + 32];

	(void)snprintf(what, sizeof(what), "cannot register session %s", r->id);
	if (err == -EEXIST) /* the kernel may answer that by itself, without a reason */
		warnx("%s: it is there already, and an id is never used twice", what);
	else
		say_refused(&r->m, what, err);
	return mnt_is_away(err) ? TOOL_CANNOT_TELL : TOOL_NO;
}

/* TOOL_YES, with the session's id in R; else said on standard error. */
static int begin(struct run *r, const char *id)
{
	const char *parent = id ? NULL : parent_session(&r->m);
	int err;

	if (id) {
		(void)snprintf(r->id, sizeof(r->id), "%s", id);
		err = session_register(r);
	} else {
		err = parent ? register_child(r, parent) : register_fresh(r);
	}
	return err ? refused(r, err) : TOOL_YES;
}

/* Where the mount cannot see into our pid namespace nobody joins: we say that we live. */
static void look_whether_seen(struct run *r)
{
	AUTO_BUF struct buf who = BUF_INIT;
	char word[64];
	int64_t lease;

	if (mnt_read(&r->m, &who, "sessions/%s/whoami", r->id) ||
	    mnt_value(buf_text(&who), "pid", word, sizeof(word)) || strcmp(word, "-") != 0)
		return;
	if (mnt_read_line(&r->m, word, sizeof(word), "control/lease") ||
	    duration_parse(word, &lease))
		lease = 60000;
	r->renew = lease / 3;
	warnx("the mount does not see this process: the session is renewed while the command runs, and ends with its lease if this is killed");
}

static void renew(const struct run *r)
{
	char path[MNT_PATH];

	if (!r->renew)
		return;
	(void)snprintf(path, sizeof(path), "sessions/%s", r->id);
	(void)utimensat(r->m.fd, path, NULL, 0); /* a loss is for the command to notice */
}

/* An outcome may have ended it before: that is success here. */
static void end(const struct run *r)
{
	char path[MNT_PATH], what[NAME_LEN_MAX + 32];

	(void)snprintf(path, sizeof(path), "sessions/%s", r->id);
	if (!unlinkat(r->m.fd, path, AT_REMOVEDIR))
		return;
	(void)snprintf(what, sizeof(what), "cannot end session %s", r->id);
	say_refused(&r->m, what, -errno);
}

/* --- the command --- */

/* In the child: become a member, and the process with which the session ends. 0 or -errno. */
static int join(const struct run *r)
{
	int err;

	if (r->renew)
		return 0;
	err = mnt_write(&r->m, "0\n", 2, "sessions/%s/procs", r->id);
	return err ? err : mnt_write(&r->m, "0\n", 2, "sessions/%s/anchor", r->id);
}

__attribute__((noreturn)) static void child(const struct run *r, char **argv)
{
	char what[NAME_LEN_MAX + 32];
	int err = join(r);

	if (err) {
		(void)snprintf(what, sizeof(what), "cannot join session %s", r->id);
		say_refused(&r->m, what, err);
		_exit(mnt_is_away(err) ? TOOL_CANNOT_TELL : TOOL_NO);
	}
	if (setenv("COORD_SESSION", r->id, 1) || setenv("COORD_MOUNT", r->m.dir, 1)) {
		warn("cannot set the environment");
		_exit(NOT_RUN);
	}
	(void)sigprocmask(SIG_SETMASK, &r->mask, NULL);
	(void)execvp(argv[0], argv);
	err = errno;
	warn("%s", argv[0]);
	_exit(err == ENOENT ? NOT_FOUND : NOT_RUN);
}

/*
 * A terminal sends ^C to the whole group, the command included: only what
 * another process sent to this one is passed on.
 */
static void forward(pid_t pid, const siginfo_t *si)
{
	int sent = si->si_code == SI_USER || si->si_code == SI_QUEUE || si->si_code == SI_TKILL;

	if (sent && si->si_pid != pid)
		(void)kill(pid, si->si_signo);
}

/* The next signal, or none for as long as the session need not be renewed. 0: none. */
static int next_signal(const struct run *r, const sigset_t *signals, siginfo_t *si)
{
	struct timespec t = { .tv_sec = r->renew / 1000, .tv_nsec = r->renew % 1000 * 1000000 };
	int got = r->renew ? sigtimedwait(signals, si, &t) : sigwaitinfo(signals, si);

	return got > 0 ? got : 0;
}

/* Wait for the command, passing signals on. Its wait status. */
static int await(const struct run *r, pid_t pid, const sigset_t *signals)
{
	siginfo_t si;
	int status;
	pid_t got;

	for (;;) {
		got = waitpid(pid, &status, WNOHANG);
		if (got == pid)
			return status;
		if (got < 0 && errno != EINTR)
			err(NOT_RUN, "lost sight of the command");
		if (!next_signal(r, signals, &si))
			renew(r);
		else if (si.si_signo != SIGCHLD)
			forward(pid, &si);
	}
}

/* Blocked before the fork, so that none is missed; a SIGCHLD ignored by inheritance never comes. */
static void catch_signals(struct run *r, sigset_t *signals)
{
	(void)signal(SIGCHLD, SIG_DFL);
	(void)sigemptyset(signals);
	(void)sigaddset(signals, SIGCHLD);
	for (size_t i = 0; i < sizeof(forwarded) / sizeof(forwarded[0]); i++)
		(void)sigaddset(signals, forwarded[i]);
	(void)sigprocmask(SIG_BLOCK, signals, &r->mask);
}

static int run_command(struct run *r, char **argv)
{
	sigset_t signals;
	int status;
	pid_t pid;

	look_whether_seen(r);
	catch_signals(r, &signals);
	pid = fork();
	if (pid < 0) {
		warn("cannot start the command");
		return NOT_RUN;
	}
	if (!pid)
		child(r, argv);
	status = await(r, pid, &signals);
	return WIFEXITED(status) ? WEXITSTATUS(status) : KILLED + WTERMSIG(status);
}

static int run_session(const char *dir, const char *id, char **argv)
{
	struct run r = { .m = { .fd = -1 } };
	int status = mnt_open(&r.m, dir);

	if (!status)
		status = begin(&r, id);
	if (!status) {
		status = run_command(&r, argv);
		end(&r);
	}
	mnt_close(&r.m);
	return status;
}

static int run_run(int argc, char **argv)
{
	static const struct option options[] = {
		{ "session", required_argument, NULL, 's' },
		{ "mount", required_argument, NULL, 'm' },
		TOOL_HELP,
		TOOL_OPTIONS_END,
	};
	const char *dir = NULL, *id = NULL;
	int c;

	while ((c = getopt_long(argc, argv, "+", options, NULL)) != -1) {
		switch (c) {
		case 's':
			id = optarg;
			break;
		case 'm':
			dir = optarg;
			break;
		case 'h':
			return tool_help(&tool_run, more);
		default:
			return tool_usage(&tool_run, NULL);
		}
	}
	if (optind == argc)
		return tool_usage(&tool_run, "a command is wanted");
	if (id && name_check(id, strlen(id)))
		return tool_usage(&tool_run, "\"%s\" is no id for a session", id);
	return run_session(dir, id, argv + optind);
}

const struct tool tool_run = {
	.name = "run",
	.args = "[--session ID] [--mount DIR] -- COMMAND [ARGUMENT...]",
	.summary = "run a command as a session that ends with it",
	.run = run_run,
};
