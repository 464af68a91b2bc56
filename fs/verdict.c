#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "backend/clean.h"
#include "backend/field.h"
#include "backend/log.h"
#include "backend/text.h"
#include "fs/caller.h"
#include "fs/dirs.h"
#include "fs/verdict.h"

#define OUTPUT_MAX 65536
#define ARGS_MAX 256

enum answer { DRY, SUPPLY, UNKNOWN };
static const char *const answers[] = { "dry", "supply", "unknown" };

/* One probe in a run, and its answer afterwards. */
struct probe {
	int64_t id;
	char name[NAME_BUFFER];
	struct verdict_state *v;
	pid_t pid;	       /* 0: not running; also its process group */
	int pidfd, out, timer; /* -1: none */
	int timed_out;
	struct buf output;
	enum answer answer;
	char detail[256];
	struct probe *next;
};

struct waiter {
	void (*fn)(void *arg);
	void *arg;
	struct waiter *next;
};

struct verdict_state {
	struct fs *fs;
	struct loop *loop;
	int running;		       /* probes not finished; 0: no run */
	struct probe *run;	       /* the run under way */
	struct probe *last;	       /* the last whole run */
	int64_t started, judged, took; /* ms since boot; judged 0: never */
	int64_t judged_wall, seq;
	struct waiter *waiters;
};

struct verdict_state *verdict_new(struct fs *fs, struct loop *loop)
{
	struct verdict_state *v = calloc(1, sizeof(*v));

	if (v) {
		v->fs = fs;
		v->loop = loop;
	}
	return v;
}

static void probes_free(struct probe *p)
{
	while (p) {
		struct probe *next = p->next;

		buf_free(&p->output);
		free(p);
		p = next;
	}
}

static void unwatch(struct probe *p, int *fd)
{
	if (*fd < 0)
		return;
	loop_unwatch(p->v->loop, *fd);
	(void)close(*fd);
	*fd = -1;
}

static void probe_kill(struct probe *p)
{
	if (!p->pid)
		return;
	(void)kill(-p->pid, SIGKILL);
	(void)kill(p->pid, SIGKILL); /* it may have gone into another group */
}

void verdict_free(struct verdict_state *v)
{
	if (!v)
		return;
	for (struct probe *p = v->run; p; p = p->next) {
		probe_kill(p);
		if (p->pid)
			(void)waitpid(p->pid, NULL, 0);
		unwatch(p, &p->pidfd);
		unwatch(p, &p->out);
		unwatch(p, &p->timer);
	}
	probes_free(v->run);
	probes_free(v->last);
	while (verdict_take(v))
		; /* ll.c has taken its own */
	free(v);
}

/* --- the roll-up --- */

static enum answer roll_up(const struct verdict_state *v)
{
	enum answer all = v->last ? DRY : UNKNOWN;

	for (const struct probe *p = v->last; p; p = p->next) {
		if (p->answer == SUPPLY)
			return SUPPLY;
		if (p->answer == UNKNOWN)
			all = UNKNOWN;
	}
	return all;
}

static const char *roll_up_word(const struct verdict_state *v)
{
	enum answer all = roll_up(v);

	return all == SUPPLY ? "not-dry" : answers[all];
}

static void judged_done(struct change *c)
{
	change_free(c);
}

/* The roll-up's word is recorded when it changes. */
static void record(struct verdict_state *v)
{
	const char *word = roll_up_word(v);
	struct change *c = change_new(CHANGE_JUDGED);

	if (!c || change_text(c, word, strlen(word))) {
		change_free(c);
		return;
	}
	c->op = "judge verdict";
	c->done = judged_done;
	store_commit(v->fs->store, c);
}

static void wake(struct verdict_state *v)
{
	struct waiter *w = v->waiters;

	v->waiters = NULL;
	while (w) {
		struct waiter *next = w->next;

		w->fn(w->arg);
		free(w);
		w = next;
	}
}

static void run_ended(struct verdict_state *v)
{
	struct world *w = store_world(v->fs->store);

	probes_free(v->last);
	v->last = v->run;
	v->run = NULL;
	v->judged = w->boot_ms(w);
	v->judged_wall = w->wall_ms(w);
	v->took = v->judged - v->started;
	record(v);
	wake(v);
}

/* --- one probe --- */

static void say(struct probe *p, enum answer answer, const char *detail)
{
	p->answer = answer;
	(void)snprintf(p->detail, sizeof(p->detail), "%s", detail);
}

/* The first line of the output, when it is a line of text; its beginning, when it is long. */
static int first_line(struct probe *p, char *out, size_t n)
{
	const char *text = buf_text(&p->output), *end = memchr(text, '\n', p->output.n);
	size_t len = end ? (size_t)(end - text) : p->output.n;

	if (line_check(text, len))
		return -EINVAL;
	if (len >= n)
		for (len = n - 1; ((unsigned char)text[len] & 0xc0) == 0x80; len--)
			; /* not inside a character */
	memcpy(out, text, len);
	out[len] = 0;
	return 0;
}

/* exit 0 supply, 1 dry; whatever else happened is unknown. */
static void judge(struct probe *p, const siginfo_t *si)
{
	char line[200] = "", text[256];
	int exited = si->si_code == CLD_EXITED;

	if (p->timed_out) {
		say(p, UNKNOWN, "time-out");
	} else if (p->output.n > OUTPUT_MAX) {
		say(p, UNKNOWN, "more than 64 KiB of output");
	} else if (!exited) {
		(void)snprintf(text, sizeof(text), "killed by signal %d", si->si_status);
		say(p, UNKNOWN, text);
	} else if (first_line(p, line, sizeof(line))) {
		say(p, UNKNOWN, "its first line is not a line of text");
	} else if (si->si_status > 1) {
		(void)snprintf(text, sizeof(text), "exit status %d%s%s", si->si_status,
			       *line ? ": " : "", line);
		say(p, UNKNOWN, text);
	} else {
		say(p, si->si_status == 0 ? SUPPLY : DRY, *line ? line : "-");
	}
}

/* Whatever it left behind in its process group goes with it. */
static void probe_ended(struct probe *p)
{
	unwatch(p, &p->pidfd);
	unwatch(p, &p->out);
	unwatch(p, &p->timer);
	p->pid = 0;
	if (--p->v->running == 0)
		run_ended(p->v);
}

static void on_output(void *arg)
{
	struct probe *p = arg;
	char chunk[4096];
	ssize_t n = read(p->out, chunk, sizeof(chunk));

	if (n > 0)
		buf_add(&p->output, chunk, (size_t)n);
	if (p->output.n > OUTPUT_MAX)
		probe_kill(p);
	if (n == 0 || (n < 0 && errno != EAGAIN) || p->output.n > OUTPUT_MAX)
		unwatch(p, &p->out);
}

static void on_exit_of(void *arg)
{
	struct probe *p = arg;
	siginfo_t si = { .si_pid = 0 };

	if (waitid(P_PIDFD, (id_t)p->pidfd, &si, WEXITED | WNOWAIT | WNOHANG) || !si.si_pid)
		return;
	probe_kill(p); /* the group, while its leader still keeps the number */
	while (p->out >= 0 && poll(&(struct pollfd){ .fd = p->out, .events = POLLIN }, 1, 0) > 0)
		on_output(p);
	(void)waitid(P_PIDFD, (id_t)p->pidfd, &si, WEXITED | WNOHANG);
	judge(p, &si);
	probe_ended(p);
}

static void on_timeout(void *arg)
{
	struct probe *p = arg;
	uint64_t n;

	(void)!read(p->timer, &n, sizeof(n));
	p->timed_out = 1;
	probe_kill(p);
}

/* The argument vector: words of one line, or one argument a line. Points into TEXT. */
static int split_args(char *text, char *argv[ARGS_MAX])
{
	const char *separators = strchr(text, '\n') ? "\n" : " \t";
	int n = 0;

	for (char *rest = text, *word;
	     n < ARGS_MAX - 1 && (word = strtok_r(rest, separators, &rest));)
		argv[n++] = word;
	argv[n] = NULL;
	return n;
}

static int spawn(struct probe *p, char *const argv[], int out)
{
	static char path[] = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
	static char locks[] = "GIT_OPTIONAL_LOCKS=0", lang[] = "LC_ALL=C.UTF-8";
	static char mount[4200];
	char *const envp[] = { path, locks, lang, mount, NULL };
	posix_spawn_file_actions_t fa;
	posix_spawnattr_t at;
	sigset_t none;
	int err;

	(void)snprintf(mount, sizeof(mount), "COORD_MOUNT=%s", p->v->fs->mountpoint);
	(void)sigemptyset(&none);
	(void)posix_spawn_file_actions_init(&fa);
	(void)posix_spawn_file_actions_addopen(&fa, 0, "/dev/null", O_RDONLY, 0);
	(void)posix_spawn_file_actions_adddup2(&fa, out, 1);
	(void)posix_spawn_file_actions_addopen(&fa, 2, "/dev/null", O_WRONLY, 0);
	(void)posix_spawnattr_init(&at);
	(void)posix_spawnattr_setflags(&at, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK);
	(void)posix_spawnattr_setpgroup(&at, 0);
	(void)posix_spawnattr_setsigmask(&at, &none);
	err = posix_spawnp(&p->pid, argv[0], &fa, &at, argv, envp);
	(void)posix_spawn_file_actions_destroy(&fa);
	(void)posix_spawnattr_destroy(&at);
	if (err)
		p->pid = 0;
	return -err;
}

static int watch(struct probe *p, int64_t timeout)
{
	struct itimerspec when = { .it_value = { timeout / 1000, timeout % 1000 * 1000000 } };

	p->pidfd = pidfd_open(p->pid, 0);
	p->timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (p->pidfd < 0 || p->timer < 0 || timerfd_settime(p->timer, 0, &when, NULL))
		return -errno;
	if (loop_watch(p->v->loop, p->out, on_output, p) ||
	    loop_watch(p->v->loop, p->timer, on_timeout, p))
		return -ENOMEM;
	return loop_watch(p->v->loop, p->pidfd, on_exit_of, p);
}

/* Start the probe's command; what cannot be started is unknown. */
static int probe_start(struct request *r, struct probe *p)
{
	AUTO_FREE char *command = db_text(r->db, Q(ATTR), I(p->id), T("command"));
	char *argv[ARGS_MAX], text[256];
	int fds[2], err;

	if (!command || !split_args(command, argv)) {
		say(p, UNKNOWN, "no command");
		return 0;
	}
	if (pipe2(fds, O_CLOEXEC | O_NONBLOCK)) {
		say(p, UNKNOWN, "no pipe");
		return 0;
	}
	(void)fcntl(fds[1], F_SETFL, 0);
	err = spawn(p, argv, fds[1]);
	(void)close(fds[1]);
	p->out = fds[0];
	if (!err)
		err = watch(p, field_duration(r->db, THING_PROBE, p->id, "timeout"));
	if (!err)
		return 1;
	(void)snprintf(text, sizeof(text), "%.150s: %s", argv[0], strerror(-err));
	say(p, UNKNOWN, text);
	probe_kill(p);
	if (p->pid)
		(void)waitpid(p->pid, NULL, 0);
	p->pid = 0;
	unwatch(p, &p->out);
	unwatch(p, &p->timer);
	unwatch(p, &p->pidfd);
	return 0;
}

static struct probe *probe_new(struct verdict_state *v, int64_t id, const char *name)
{
	struct probe *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	p->v = v;
	p->id = id;
	p->pidfd = p->out = p->timer = -1;
	(void)snprintf(p->name, sizeof(p->name), "%s", name);
	return p;
}

/* The probes of a new run: the enabled ones, by name. */
static void collect_probes(struct request *r, struct verdict_state *v)
{
	AUTO_ROWS *rows = db_rows(r->db, Q(THINGS), I(THING_PROBE));
	struct probe **end = &v->run;

	while (rows_next(rows) > 0) {
		AUTO_FREE char *enabled =
			db_text(r->db, Q(ATTR), I(rows_int(rows, 0)), T("enabled"));

		if (enabled && strcmp(enabled, "0") == 0)
			continue;
		*end = probe_new(v, rows_int(rows, 0), rows_text(rows, 2));
		if (*end)
			end = &(*end)->next;
	}
}

static void run_start(struct request *r, struct verdict_state *v)
{
	struct world *w = store_world(v->fs->store);

	v->started = w->boot_ms(w);
	v->seq = store_seq(v->fs->store);
	collect_probes(r, v);
	v->running = 1; /* so that no early end ends the run while it starts */
	for (struct probe *p = v->run; p; p = p->next)
		v->running += probe_start(r, p);
	if (--v->running == 0)
		run_ended(v);
}

/* A probe that reads `verdict` gets the last one: it must not wait for itself. */
static int is_probe(struct verdict_state *v, int32_t pid)
{
	for (struct probe *p = v->run; p; p = p->next)
		if (p->pid && caller_descends(pid, p->pid) > 0)
			return 1;
	return 0;
}

int verdict_ready(struct request *r, void (*fn)(void *arg), void *arg)
{
	struct verdict_state *v = r->fs->verdict;
	struct world *world = store_world(v->fs->store);
	struct waiter *w;

	if (!v->running && v->judged &&
	    world->boot_ms(world) - v->judged <
		    field_duration(r->db, THING_CONTROL, 0, "verdict-interval"))
		return 1;
	if (v->running && r->tid && is_probe(v, r->tid))
		return 1;
	if (!v->running)
		run_start(r, v);
	if (!v->running)
		return 1;
	w = calloc(1, sizeof(*w));
	if (!w)
		return -ENOMEM;
	w->fn = fn;
	w->arg = arg;
	w->next = v->waiters;
	v->waiters = w;
	return 0;
}

int verdict_forget(struct verdict_state *v, void *arg)
{
	for (struct waiter **w = &v->waiters; *w; w = &(*w)->next) {
		struct waiter *gone = *w;

		if (gone->arg != arg)
			continue;
		*w = gone->next;
		free(gone);
		return 1;
	}
	return 0;
}

void *verdict_take(struct verdict_state *v)
{
	void *arg = v->waiters ? v->waiters->arg : NULL;

	if (arg)
		(void)verdict_forget(v, arg);
	return arg;
}

const char *verdict_of(struct verdict_state *v, int64_t probe, struct buf *detail)
{
	for (const struct probe *p = v->last; p; p = p->next) {
		if (p->id != probe)
			continue;
		if (detail)
			buf_str(detail, p->detail);
		return answers[p->answer];
	}
	return NULL;
}

int verdict_show(struct request *r, int64_t id, struct buf *out)
{
	struct verdict_state *v = r->fs->verdict;
	char when[TIME_TEXT];

	(void)id;
	buf_line(out, "%s", roll_up_word(v));
	if (!v->judged) {
		buf_line(out, "judged -");
		return 0;
	}
	buf_line(out, "judged %s  seq %lld  took %lld.%02llds", time_text(v->judged_wall, when),
		 (long long)v->seq, (long long)v->took / 1000, (long long)v->took % 1000 / 10);
	for (const struct probe *p = v->last; p; p = p->next)
		buf_line(out, "%-20s %-8s %s", p->name, answers[p->answer], p->detail);
	if (!v->last)
		buf_line(out, "no probes: mkdir probes/NAME; echo COMMAND > probes/NAME/command");
	return 0;
}
