/*
 * One file, although it is long: all of it is the life of a struct child, its start, what it says,
 * its end, and what is left behind by those that had no sandbox.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <utlist.h>

#include "backend/buf.h"
#include "backend/clean.h"
#include "backend/probe.h"
#include "backend/text.h"
#include "fs/caller.h"
#include "fs/child.h"
#include "fs/command.h"

#define OUTPUT_MAX 65536
#define ERRORS_MAX 4096
#define TICK_NS 250000000
#define GRACE_MS 2000 /* that one which was killed has to go */

enum stream_of { OUTPUT, ERRORS, STATUS, STREAMS };

struct stream {
	struct child *c;
	int fd; /* -1: none */
	size_t max;
	struct buf text; /* at most max + 1 bytes */
};

struct child {
	struct loop *loop;
	json_t *ask;
	int64_t timeout;
	const char *mountpoint;
	child_fn *done;
	void *arg;
	pid_t pid;	  /* also its process group */
	int pidfd, timer; /* -1: none */
	int tick;	  /* a timer: is the mount there? -1: none */
	uint64_t mount;	  /* its number; 0: cannot be told */
	int timed_out;
	child_output_fn *output; /* NULL: it goes into the result */
	int printed;		 /* it has had something: it began */
	int paused;		 /* nothing is read until child_resume */
	int telling;		 /* output is being called */
	int dropped;		 /* nobody waits for it: it is freed when it has exited */
	int over; /* it has exited, as this says; what it printed is still to be taken */
	siginfo_t how;
	int naked; /* run without a sandbox */
	char why_naked[160];
	struct stream streams[STREAMS];
	struct child *prev, *next;
};

static struct child *children;
static int64_t adopted_since; /* start of the first that was run naked, clock ticks; 0: none yet */

/* --- ends --- */

static void unwatch(struct loop *l, int *fd)
{
	if (*fd < 0)
		return;
	loop_unwatch(l, *fd);
	(void)close(*fd);
	*fd = -1;
}

static void kill_child(struct child *c)
{
	if (!c->pid)
		return;
	(void)kill(-c->pid, SIGKILL);
	(void)kill(c->pid, SIGKILL); /* it may have gone into another group */
}

static void close_all(struct child *c)
{
	for (int i = 0; i < STREAMS; i++)
		unwatch(c->loop, &c->streams[i].fd);
	unwatch(c->loop, &c->pidfd);
	unwatch(c->loop, &c->timer);
	unwatch(c->loop, &c->tick);
	c->pid = 0;
}

static void child_free(struct child *c)
{
	close_all(c);
	for (int i = 0; i < STREAMS; i++)
		buf_free(&c->streams[i].text);
	json_decref(c->ask);
	DL_DELETE(children, c);
	free(c);
}

/* One that was dropped goes, once it has exited. */
static void bury(struct child *c)
{
	struct loop *l = c->loop;

	if (c->pid || c->telling)
		return;
	child_free(c);
	child_sweep(l);
}

/*
 * Its exit is not waited for: where it hangs in a file system that does not answer, this may
 * be the one who has to.
 */
void child_drop(struct child *c)
{
	kill_child(c);
	c->dropped = 1;
	c->output = NULL;
	for (int i = 0; i < STREAMS; i++)
		unwatch(c->loop, &c->streams[i].fd);
	unwatch(c->loop, &c->timer);
	unwatch(c->loop, &c->tick);
	bury(c);
}

static void first_line(const struct buf *text, const char *prefix, char *out, size_t n)
{
	const char *s = buf_text(text), *found = *prefix ? strstr(s, prefix) : s;

	(void)snprintf(out, n, "%.*s", (int)strcspn(found ? found : "", "\n"), found ? found : "");
}

/* How it ended by itself: bubblewrap answers 128 and more for a signal, as a shell does. */
static void put_status(const struct child *c, const siginfo_t *si, json_t *out)
{
	int status = si->si_status, signal = si->si_code != CLD_EXITED;

	if (!signal && !c->naked && status > 128 && status < 128 + 65) {
		signal = 1;
		status -= 128;
	}
	(void)json_object_set_new(out, signal ? "signal" : "status", json_integer(status));
}

/* What was run last could not start the program itself: why not; NULL: it could. */
static const char *not_started(const struct child *c, int status)
{
	const char *text = buf_text(&c->streams[ERRORS].text), *why;

	if ((status != 126 && status != 127) ||
	    (strncmp(text, "prlimit: failed to execute ", 27) != 0 &&
	     strncmp(text, "setpriv: failed to execute ", 27) != 0))
		return NULL;
	why = strstr(text, ": No such file");
	return why ? "not found" : "cannot be executed";
}

/* Each byte that is no text becomes SUBSTITUTE: whoever judges refuses that where he reads. */
static json_t *text_of(const struct buf *b)
{
	AUTO_FREE char *s = malloc(b->n + 1);
	uint32_t ch;
	int len;

	if (!s)
		return NULL;
	memcpy(s, buf_text(b), b->n);
	for (size_t i = 0; i < b->n; i += (size_t)len) {
		len = s[i] ? utf8_next(s + i, b->n - i, &ch) : -EINVAL;
		if (len < 0) {
			s[i] = 0x1a;
			len = 1;
		}
	}
	return json_stringn(s, b->n);
}

static json_t *result_of(const struct child *c, const siginfo_t *si)
{
	const struct buf *output = &c->streams[OUTPUT].text;
	json_t *out = json_pack("{s:O}", "argv", json_object_get(c->ask, "argv"));
	const char *failed = c->timed_out	    ? "time-out" :
			     output->n > OUTPUT_MAX ? "more than 64 KiB of output" :
						      not_started(c, si->si_status);
	char line[200];

	if (failed)
		(void)json_object_set_new(out, "failed", json_string(failed));
	else
		put_status(c, si, out);
	if (!c->timed_out && output->n <= OUTPUT_MAX)
		(void)json_object_set_new(out, "output", text_of(output));
	first_line(&c->streams[ERRORS].text, "", line, sizeof(line));
	(void)json_object_set_new(out, "errors", json_string(line_mend(line)));
	if (c->naked)
		(void)json_object_set_new(out, "unsandboxed", json_string(c->why_naked));
	return out;
}

/* Did bubblewrap not come so far as to start it? What it says is then no answer of the probe's. */
static int never_began(const struct child *c)
{
	return !c->naked && !c->timed_out && !c->printed &&
	       c->streams[OUTPUT].text.n <= OUTPUT_MAX &&
	       !strstr(buf_text(&c->streams[STATUS].text), "\"exit-code\"");
}

static int begin(struct child *c);

static void ended(struct child *c, const siginfo_t *si)
{
	child_fn *done = c->done;
	struct loop *l = c->loop;
	void *arg = c->arg;
	json_t *result;

	close_all(c);
	if (never_began(c)) {
		first_line(&c->streams[ERRORS].text, "bwrap:", c->why_naked, sizeof(c->why_naked));
		if (!*c->why_naked)
			(void)snprintf(c->why_naked, sizeof(c->why_naked),
				       "bubblewrap cannot be started");
		c->naked = 1;
		if (!begin(c))
			return;
	}
	result = result_of(c, si);
	child_free(c);
	child_sweep(l);
	done(result, arg);
}

/* --- while it runs --- */

static void child_pause(struct child *c)
{
	c->paused = 1;
	if (c->streams[OUTPUT].fd >= 0)
		loop_unwatch(c->loop, c->streams[OUTPUT].fd);
}

static int is_streamed(const struct stream *s)
{
	return s->c->output && s == &s->c->streams[OUTPUT];
}

/* 1: C was dropped meanwhile, and is gone. */
static int tell(struct child *c, const char *text, size_t n)
{
	int full;

	c->telling = 1;
	full = c->output(text, n, c->arg);
	c->telling = 0;
	if (c->dropped) {
		bury(c);
		return 1;
	}
	if (full)
		child_pause(c);
	return 0;
}

/* 1: its child is gone. */
static int take(struct stream *s)
{
	char chunk[16384];
	ssize_t n = read(s->fd, chunk, sizeof(chunk));
	size_t room = s->max + 1 - s->text.n;

	if (n > 0 && is_streamed(s)) {
		s->c->printed = 1;
		return tell(s->c, chunk, (size_t)n);
	}
	if (n > 0)
		buf_add(&s->text, chunk, (size_t)n < room ? (size_t)n : room);
	if (s == &s->c->streams[OUTPUT] && s->text.n > s->max) {
		kill_child(s->c);
		unwatch(s->c->loop, &s->fd);
	} else if (n == 0 || (n < 0 && errno != EAGAIN)) {
		unwatch(s->c->loop, &s->fd);
	}
	return 0;
}

static void on_stream(void *arg)
{
	(void)take(arg);
}

/* It has exited, and all that it printed was taken. */
static void take_rest(struct child *c)
{
	struct stream *s = &c->streams[OUTPUT];

	while (s->fd >= 0 && !c->paused &&
	       poll(&(struct pollfd){ .fd = s->fd, .events = POLLIN }, 1, 0) > 0)
		if (take(s))
			return;
	if (!c->paused)
		ended(c, &c->how);
}

static void on_rest(void *arg)
{
	struct child *c = arg;
	uint64_t n;

	(void)!read(c->timer, &n, sizeof(n));
	unwatch(c->loop, &c->timer);
	take_rest(c);
}

void child_stream(struct child *c, child_output_fn *fn)
{
	c->output = fn;
}

/* From the loop, not from here: who resumes it may be in the middle of something. */
void child_resume(struct child *c)
{
	struct itimerspec now = { .it_value = { 0, 1 } };

	if (!c->paused)
		return;
	c->paused = 0;
	if (!c->over) {
		if (c->streams[OUTPUT].fd >= 0)
			(void)loop_watch(c->loop, c->streams[OUTPUT].fd, on_stream,
					 &c->streams[OUTPUT]);
		return;
	}
	c->timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (c->timer < 0 || timerfd_settime(c->timer, 0, &now, NULL) ||
	    loop_watch(c->loop, c->timer, on_rest, c))
		take_rest(c);
}

static void on_exit_of(void *arg)
{
	struct child *c = arg;
	siginfo_t si = { .si_pid = 0 };

	if (waitid(P_PIDFD, (id_t)c->pidfd, &si, WEXITED | WNOWAIT | WNOHANG) || !si.si_pid)
		return;
	kill_child(c); /* the group, while its leader still keeps the number */
	for (int i = 0; i < STREAMS; i++) {
		struct stream *s = &c->streams[i];

		while (s->fd >= 0 && !is_streamed(s) &&
		       poll(&(struct pollfd){ .fd = s->fd, .events = POLLIN }, 1, 0) > 0)
			(void)take(s);
	}
	(void)waitid(P_PIDFD, (id_t)c->pidfd, &si, WEXITED | WNOHANG);
	c->over = 1;
	c->how = si;
	c->pid = 0; /* its number may be another's from now on */
	unwatch(c->loop, &c->pidfd);
	unwatch(c->loop, &c->timer);
	if (c->dropped)
		bury(c);
	else
		take_rest(c);
}

/* It was killed, and is still there: nobody waits for it any longer. */
static void leave(struct child *c)
{
	child_fn *done = c->done;
	void *arg = c->arg;
	json_t *result = result_of(c, &c->how);

	child_drop(c);
	done(result, arg);
}

static void on_timeout(void *arg)
{
	struct itimerspec grace = { .it_value = { GRACE_MS / 1000, GRACE_MS % 1000 * 1000000 } };
	struct child *c = arg;
	uint64_t n;

	(void)!read(c->timer, &n, sizeof(n));
	if (c->timed_out) {
		leave(c);
		return;
	}
	c->timed_out = 1;
	kill_child(c);
	(void)timerfd_settime(c->timer, 0, &grace, NULL);
}

/* Of the mount at PATH, asked of the kernel alone: who would be asked for more is this process. */
static uint64_t mount_number(const char *path)
{
	struct statx st;

	if (statx(AT_FDCWD, path, AT_STATX_DONT_SYNC | AT_NO_AUTOMOUNT, STATX_MNT_ID, &st) ||
	    !(st.stx_mask & STATX_MNT_ID))
		return 0;
	return st.stx_mnt_id;
}

/* A sandbox has the mount too, and would keep it, and so this process, after it was unmounted. */
static void on_tick(void *arg)
{
	struct child *c = arg;
	uint64_t n;

	(void)!read(c->tick, &n, sizeof(n));
	if (mount_number(c->mountpoint) != c->mount)
		kill_child(c);
}

/* No sandbox that cannot be told to be of a mount is ended for it. */
static int watch_mount(struct child *c)
{
	struct itimerspec often = { .it_value = { 0, TICK_NS }, .it_interval = { 0, TICK_NS } };

	if (c->naked || !c->mount)
		return 0;
	c->tick = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (c->tick < 0 || timerfd_settime(c->tick, 0, &often, NULL))
		return -errno;
	return loop_watch(c->loop, c->tick, on_tick, c);
}

/* --- orphans of those that were run naked --- */

static int64_t start_of(pid_t pid)
{
	struct proc p;

	return caller_proc(pid, &p) ? 0 : p.start;
}

/* Is it one of those that run, or of theirs? */
static int is_of_child(pid_t pid)
{
	struct child *c;

	DL_FOREACH(children, c)
		if (c->pid && caller_descends(pid, c->pid) != 0)
			return 1;
	return 0;
}

static int naked_runs(void)
{
	struct child *c;

	DL_FOREACH(children, c)
		if (c->naked && c->pid && !c->dropped)
			return 1;
	return 0;
}

struct sweep {
	int signal;
	int found;
};

/* Who came below us after the first child, and is none that runs, was left behind by one. */
static int end_orphan(const struct proc *p, void *arg)
{
	struct sweep *s = arg;

	if (p->start < adopted_since || p->pid == getpid() ||
	    caller_descends(p->pid, getpid()) <= 0 || is_of_child(p->pid))
		return 0;
	(void)kill(p->pid, s->signal);
	(void)waitpid(p->pid, NULL, WNOHANG);
	s->found = 1;
	return 0;
}

/* First they are stopped, so that none starts others meanwhile. 1: there were some. */
static int end_orphans(void)
{
	struct sweep stop = { .signal = SIGSTOP }, end = { .signal = SIGKILL };

	(void)caller_each(end_orphan, &stop);
	if (stop.found)
		(void)caller_each(end_orphan, &end);
	return stop.found;
}

struct orphan {
	struct loop *loop;
	int fd;
};

static struct orphan sweeping = { .fd = -1 };

static void on_sweep(void *arg)
{
	struct orphan *o = arg;
	uint64_t n;

	(void)!read(o->fd, &n, sizeof(n));
	unwatch(o->loop, &o->fd);
	child_sweep(o->loop);
}

/* Look again soon: children of those that were ended come to us by then. */
static void sweep_again(struct loop *l)
{
	struct itimerspec soon = { .it_value = { 0, 2000000 } };

	sweeping.loop = l;
	sweeping.fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (sweeping.fd >= 0 && (timerfd_settime(sweeping.fd, 0, &soon, NULL) ||
				 loop_watch(l, sweeping.fd, on_sweep, &sweeping))) {
		(void)close(sweeping.fd);
		sweeping.fd = -1;
	}
}

void child_sweep(struct loop *l)
{
	if (adopted_since && sweeping.fd < 0 && !naked_runs() && end_orphans())
		sweep_again(l);
}

int child_adopt(void)
{
	command_find_nobody();
	return prctl(PR_SET_CHILD_SUBREAPER, 1) ? -errno : 0;
}

static int64_t now_ms(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

void child_end_all(struct loop *l)
{
	int64_t end = now_ms() + GRACE_MS;
	struct child *c, *next;

	DL_FOREACH_SAFE(children, c, next)
		if (!c->dropped)
			child_drop(c);
	DL_FOREACH_SAFE(children, c, next) {
		int64_t left = end - now_ms();

		(void)poll(&(struct pollfd){ .fd = c->pidfd, .events = POLLIN }, 1,
			   left > 0 ? (int)left : 0);
		(void)waitpid(c->pid, NULL, WNOHANG);
		child_free(c);
	}
	unwatch(l, &sweeping.fd);
	while (adopted_since && end_orphans() && now_ms() < end)
		;
}

/* --- the start --- */

static int spawn(struct child *c, const int ends[STREAMS], int self)
{
	const struct call call = { c->ask, c->timeout, c->mountpoint, c->naked };
	struct args args = { .n = 0 }, env = { .n = 0 };
	posix_spawn_file_actions_t fa;
	posix_spawnattr_t at;
	sigset_t none;
	int err;

	command_line(&args, &call);
	command_environment(&env, &call);
	(void)sigemptyset(&none);
	(void)posix_spawn_file_actions_init(&fa);
	(void)posix_spawn_file_actions_addopen(&fa, 0, "/dev/null", O_RDONLY, 0);
	(void)posix_spawn_file_actions_adddup2(&fa, ends[OUTPUT], 1);
	(void)posix_spawn_file_actions_adddup2(&fa, ends[ERRORS], 2);
	if (!c->naked)
		(void)posix_spawn_file_actions_adddup2(&fa, ends[STATUS], COMMAND_STATUS_FD);
	if (json_integer_value(json_object_get(c->ask, "flags")) & PROBE_SELF)
		(void)posix_spawn_file_actions_adddup2(&fa, self, COMMAND_SELF_FD);
	(void)posix_spawn_file_actions_addchdir_np(&fa, "/");
	(void)posix_spawnattr_init(&at);
	(void)posix_spawnattr_setflags(&at, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK);
	(void)posix_spawnattr_setpgroup(&at, 0);
	(void)posix_spawnattr_setsigmask(&at, &none);
	err = args.err ? -args.err :
	      env.err  ? -env.err :
			 posix_spawnp(&c->pid, args.v[0], &fa, &at, args.v, env.v);
	(void)posix_spawn_file_actions_destroy(&fa);
	(void)posix_spawnattr_destroy(&at);
	args_free(&args);
	args_free(&env);
	if (err)
		c->pid = 0;
	return -err;
}

/* A descriptor above those that a child gets, so that dup2 does not tread on it. */
static int lift(int fd)
{
	int up = fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, COMMAND_SELF_FD + 1);

	if (fd >= 0)
		(void)close(fd);
	return up;
}

static int open_streams(struct child *c, int ends[STREAMS])
{
	static const size_t maxima[] = { OUTPUT_MAX, ERRORS_MAX, ERRORS_MAX };

	for (int i = 0; i < STREAMS; i++) {
		struct stream *s = &c->streams[i];
		int fds[2];

		s->c = c;
		s->max = maxima[i];
		buf_clear(&s->text);
		if (pipe2(fds, O_CLOEXEC))
			return -errno;
		ends[i] = lift(fds[1]);
		s->fd = fds[0];
		if (ends[i] < 0 || fcntl(s->fd, F_SETFL, O_NONBLOCK))
			return -errno;
	}
	return 0;
}

static int watch(struct child *c)
{
	struct itimerspec when = { .it_value = { c->timeout / 1000,
						 c->timeout % 1000 * 1000000 + 1 } };
	int err = 0;

	c->pidfd = pidfd_open(c->pid, 0);
	c->timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (c->pidfd < 0 || c->timer < 0 || timerfd_settime(c->timer, 0, &when, NULL))
		return -errno;
	for (int i = 0; !err && i < STREAMS; i++)
		err = loop_watch(c->loop, c->streams[i].fd, on_stream, &c->streams[i]);
	if (!err)
		err = loop_watch(c->loop, c->timer, on_timeout, c);
	if (!err)
		err = watch_mount(c);
	return err ? err : loop_watch(c->loop, c->pidfd, on_exit_of, c);
}

static int begin(struct child *c)
{
	int ends[STREAMS] = { -1, -1, -1 }, self = lift(caller_self());
	int err = self < 0 ? -EBADF : open_streams(c, ends);

	c->over = c->paused = 0;
	if (!err)
		err = spawn(c, ends, self);
	for (int i = 0; i < STREAMS; i++)
		if (ends[i] >= 0)
			(void)close(ends[i]);
	if (self >= 0)
		(void)close(self);
	if (!err && c->naked && !adopted_since)
		adopted_since = start_of(c->pid);
	if (!err)
		err = watch(c);
	if (!err)
		return 0;
	kill_child(c);
	if (c->pid)
		(void)waitpid(c->pid, NULL, 0);
	close_all(c);
	return err;
}

struct child *child_start(struct loop *l, const json_t *ask, int64_t timeout,
			  const char *mountpoint, child_fn *done, void *arg, const char **why)
{
	struct child *c = calloc(1, sizeof(*c));
	int err;

	if (!c) {
		*why = strerror(ENOMEM);
		return NULL;
	}
	c->loop = l;
	c->ask = json_deep_copy(ask);
	c->timeout = timeout;
	c->mountpoint = mountpoint;
	c->done = done;
	c->arg = arg;
	c->pidfd = c->timer = c->tick = -1;
	c->mount = mount_number(mountpoint);
	for (int i = 0; i < STREAMS; i++)
		c->streams[i].fd = -1;
	DL_APPEND(children, c);
	err = begin(c);
	if (!err)
		return c;
	*why = strerror(-err);
	child_free(c);
	return NULL;
}
