/* The daemon: one event loop and one writer thread, and the only epoll. */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <syslog.h>
#include <unistd.h>

#include <utlist.h>

#include "backend/clean.h"
#include "backend/log.h"
#include "fs/caller.h"
#include "fs/child.h"
#include "fs/dirs.h"
#include "fs/handle.h"
#include "fs/ll.h"
#include "fs/loop.h"
#include "fs/main.h"
#include "fs/scan.h"
#include "fs/verdict.h"
#include "fs/watch.h"

#define DRAIN 64 /* requests taken before decided changes are looked at */

struct watch {
	int fd; /* -1: no more */
	void (*fn)(void *arg);
	void *arg;
	struct watch *next;
};

struct loop {
	int epoll;
	struct watch *watches;
	int stop;
};

struct daemon {
	struct fs fs;
	struct loop loop;
	struct world world;
	struct ll *ll;
	pthread_t writer;
	int writing;
	int signals, timer;
	int64_t armed; /* what the timer is set to, ms since boot; -1: never yet */
	int ready_fd;
	int paused; /* the kernel's requests wait: ll_pauses */
};

/* --- the loop --- */

int loop_watch(struct loop *l, int fd, void (*fn)(void *arg), void *arg)
{
	struct watch *w = calloc(1, sizeof(*w));
	struct epoll_event e = { .events = EPOLLIN };

	if (!w)
		return -ENOMEM;
	w->fd = fd;
	w->fn = fn;
	w->arg = arg;
	e.data.ptr = w;
	if (epoll_ctl(l->epoll, EPOLL_CTL_ADD, fd, &e)) {
		free(w);
		return -errno;
	}
	LL_PREPEND(l->watches, w);
	return 0;
}

void loop_unwatch(struct loop *l, int fd)
{
	struct watch *w;

	LL_FOREACH(l->watches, w)
		if (w->fd == fd) {
			(void)epoll_ctl(l->epoll, EPOLL_CTL_DEL, fd, NULL);
			w->fd = -1; /* freed between rounds: this one may still name it */
			return;
		}
}

/* Leave what FD has where it is (ON 1), or look at it again. */
static void loop_mute(struct loop *l, int fd, int on)
{
	struct epoll_event e = { .events = on ? 0 : EPOLLIN };
	struct watch *w;

	LL_FOREACH(l->watches, w)
		if (w->fd == fd) {
			e.data.ptr = w;
			(void)epoll_ctl(l->epoll, EPOLL_CTL_MOD, fd, &e);
			return;
		}
}

static void loop_sweep(struct loop *l, int all)
{
	struct watch *w, *next;

	LL_FOREACH_SAFE(l->watches, w, next)
		if (all || w->fd < 0) {
			LL_DELETE(l->watches, w);
			free(w);
		}
}

static void loop_once(struct loop *l)
{
	struct epoll_event events[32];
	int n = epoll_wait(l->epoll, events, 32, -1);

	for (int i = 0; i < n; i++) {
		struct watch *w = events[i].data.ptr;

		if (w->fd >= 0)
			w->fn(w->arg);
	}
	loop_sweep(l, 0);
}

/* --- what it waits for --- */

static void pause_kernel(struct daemon *d)
{
	if (d->paused == ll_pauses(d->ll))
		return;
	d->paused = !d->paused;
	loop_mute(&d->loop, ll_fd(d->ll), d->paused);
}

static void on_kernel(void *arg)
{
	struct daemon *d = arg;

	(void)ll_receive(d->ll, DRAIN);
	if (ll_exited(d->ll))
		d->loop.stop = 1;
	pause_kernel(d);
}

static void tick_done(struct change *c)
{
	change_free(c);
}

static void on_timer(void *arg)
{
	struct daemon *d = arg;
	struct change *c = change_new(CHANGE_TICK);
	uint64_t n;

	(void)!read(d->timer, &n, sizeof(n));
	d->armed = INT64_MAX;
	if (!c)
		return;
	c->done = tick_done;
	store_commit(d->fs.store, c);
}

/* The timer follows the next thing due. */
static void arm(struct daemon *d)
{
	int64_t due = store_due(d->fs.store);
	struct itimerspec when = { .it_value = { 0, 0 } };

	if (due == d->armed)
		return;
	d->armed = due;
	if (due != INT64_MAX) {
		when.it_value.tv_sec = due / 1000;
		when.it_value.tv_nsec = due % 1000 * 1000000 + 1;
	}
	(void)timerfd_settime(d->timer, TFD_TIMER_ABSTIME, &when, NULL);
}

static void on_decided(void *arg)
{
	struct daemon *d = arg;

	ll_decided(d->ll);
	pause_kernel(d);
	arm(d);
	if (store_failed(d->fs.store)) {
		log_msg(LOG_ERR, "the store failed: stopping; what was answered is safe");
		d->loop.stop = 2;
	}
}

static void on_signal(void *arg)
{
	struct daemon *d = arg;
	struct signalfd_siginfo si;

	if (read(d->signals, &si, sizeof(si)) == sizeof(si))
		d->loop.stop = 1;
}

/* --- start and end --- */

static int world_boot_id(struct world *w, char out[BOOT_ID_LEN])
{
	(void)w;
	return caller_boot_id(out);
}

static int world_alive(struct world *w, int32_t pid, int64_t start)
{
	(void)w;
	return caller_alive(pid, start);
}

/* A process that has exited has no descendants to be seen. */
static int world_descends(struct world *w, int32_t pid, int32_t of, int64_t start)
{
	int alive = world_alive(w, of, start);

	return alive > 0 ? caller_descends(pid, of) : alive;
}

static int world_pressure(struct world *w, double *load, int *cores, int64_t *available,
			  int64_t *total)
{
	(void)w;
	return caller_pressure(load, cores, available, total);
}

static int world_oldest(struct world *w, const char *comm, int64_t *start_ms)
{
	(void)w;
	return caller_since(comm, start_ms);
}

static void tell(struct daemon *d, const char *text)
{
	if (d->ready_fd < 0)
		return;
	(void)!write(d->ready_fd, text, strlen(text));
	(void)close(d->ready_fd);
	d->ready_fd = -1;
}

static int fail(struct daemon *d, const char *what, const char *why)
{
	char text[4600];

	(void)snprintf(text, sizeof(text), "%s: %s\n", what, why);
	log_msg(LOG_ERR, "%s: %s", what, why);
	tell(d, text);
	return 1;
}

static int find_operators(struct daemon *d, const char *name)
{
	const struct group *g;

	d->fs.operators = UINT32_MAX;
	if (!name)
		return 0;
	g = getgrnam(name);
	if (!g)
		return fail(d, name, "there is no such group (operators=GROUP)");
	d->fs.operators = g->gr_gid;
	return 0;
}

static int open_store(struct daemon *d, const struct mount_options *o)
{
	AUTO_BUF struct buf says = BUF_INIT;
	char about[4300];

	d->world = world_real();
	d->world.boot_id = world_boot_id;
	d->world.alive = world_alive;
	d->world.descends = world_descends;
	d->world.pressure = world_pressure;
	d->world.oldest = world_oldest;
	(void)snprintf(about, sizeof(about), "pid %d, mounted on %s", getpid(), o->mountpoint);
	if (store_open(o->store, &d->world, about, &d->fs.store, &says))
		return fail(d, o->store, buf_text(&says));
	(void)snprintf(d->fs.mountpoint, sizeof(d->fs.mountpoint), "%s", o->mountpoint);
	d->fs.owner = geteuid();
	d->fs.owner_gid = getegid();
	d->fs.mounted = d->world.wall_ms(&d->world);
	d->fs.why = why_new();
	(void)child_adopt();
	d->fs.verdict = verdict_new(&d->fs, &d->loop);
	d->fs.watch = watch_new(&d->fs, &d->loop);
	d->fs.loop = &d->loop;
	return d->fs.why && d->fs.verdict && d->fs.watch ? 0 : fail(d, "memory", "none left");
}

static int open_signals(void)
{
	sigset_t set;

	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGTERM);
	(void)sigaddset(&set, SIGINT);
	(void)sigaddset(&set, SIGHUP);
	(void)pthread_sigmask(SIG_BLOCK, &set, NULL);
	(void)signal(SIGPIPE, SIG_IGN);
	(void)signal(SIGXFSZ, SIG_IGN);
	return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

static int open_loop(struct daemon *d)
{
	d->loop.epoll = epoll_create1(EPOLL_CLOEXEC);
	d->signals = open_signals();
	d->timer = timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC | TFD_NONBLOCK);
	if (d->loop.epoll < 0 || d->signals < 0 || d->timer < 0)
		return fail(d, "event loop", strerror(errno));
	if (loop_watch(&d->loop, store_event_fd(d->fs.store), on_decided, d) ||
	    loop_watch(&d->loop, d->signals, on_signal, d) ||
	    loop_watch(&d->loop, d->timer, on_timer, d))
		return fail(d, "event loop", strerror(errno));
	d->fs.scan = scan_new(&d->fs, &d->loop);
	return d->fs.scan ? 0 : fail(d, "event loop", strerror(errno));
}

static int open_mount(struct daemon *d, const struct mount_options *o)
{
	AUTO_BUF struct buf options = BUF_INIT;

	buf_printf(&options, "default_permissions,fsname=coordfs,subtype=coordfs%s%s",
		   o->fuse ? "," : "", o->fuse ? o->fuse : "");
	if (node_init(&root_node))
		return fail(d, "tree", "two rows with one number");
	d->ll = ll_new(&d->fs, buf_text(&options));
	if (!d->ll)
		return fail(d, "options", "not understood (coordfs mount --help)");
	if (ll_mount(d->ll, o->mountpoint))
		return fail(
			d, o->mountpoint,
			"cannot be mounted on (is it a directory, is it mounted already, is there /dev/fuse?)");
	if (loop_watch(&d->loop, ll_fd(d->ll), on_kernel, d))
		return fail(d, "event loop", strerror(errno));
	return 0;
}

/* The kernel's first request has been answered: the mount answers. */
static void loop_run(struct daemon *d)
{
	watch_start(d->fs.watch);
	verdict_start(d->fs.verdict);
	scan_start(d->fs.scan);
	arm(d);
	while (!d->loop.stop) {
		loop_once(&d->loop);
		if (d->ready_fd >= 0 && ll_running(d->ll) && verdict_started(d->fs.verdict))
			tell(d, "ok\n");
	}
}

static void close_all(struct daemon *d)
{
	scan_stop(d->fs.scan);
	if (d->ll)
		ll_unmount(d->ll);
	if (d->writing) {
		store_stop(d->fs.store);
		(void)pthread_join(d->writer, NULL);
		(void)store_collect(d->fs.store);
	}
	handle_close_all();
	ll_free(d->ll); /* it answers who waits for a verdict */
	scan_free(d->fs.scan);
	verdict_free(d->fs.verdict);
	watch_free(d->fs.watch);
	store_close(d->fs.store);
	why_free(d->fs.why);
	buf_free(&d->fs.import_report);
	buf_free(&d->fs.grade.text);
	buf_free(&d->fs.next.text);
	buf_free(&d->fs.next_why.text);
	loop_sweep(&d->loop, 1);
	(void)close(d->loop.epoll);
	(void)close(d->signals);
	(void)close(d->timer);
}

int fs_main(const struct mount_options *o)
{
	struct daemon d = { .loop = { .epoll = -1 },
			    .signals = -1,
			    .timer = -1,
			    .armed = -1,
			    .ready_fd = o->ready_fd };
	int err = find_operators(&d, o->operators) || open_store(&d, o) || open_loop(&d);

	if (!err && pthread_create(&d.writer, NULL, writer_main, d.fs.store))
		err = fail(&d, "writer", "no thread");
	else if (!err)
		d.writing = 1;
	err = err || open_mount(&d, o);
	if (!err)
		loop_run(&d);
	if (d.loop.stop == 2)
		err = 1;
	close_all(&d);
	return err;
}
