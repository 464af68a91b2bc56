#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <utlist.h>

#include "backend/clean.h"
#include "backend/field.h"
#include "backend/read.h"
#include "backend/tx.h"
#include "fs/prepare_impl.h"

#define SCAN_PATIENCE 5000    /* ms that a claim waits to know what was committed */
#define PROGRAM_TIMEOUT 10000 /* ms */
#define OUTPUT_MOST 4194304
#define PROGRAMS_MOST 8 /* of a uid at once: the others wait their turn */

static struct prepared *waiting; /* all of them; the loop's alone */
static int timer = -1;
static int ending; /* no program is started any more */

/* --- begin and end --- */

void prepare_done(struct prepared *p, int err)
{
	prepare_fn *fn = p->fn;

	if (!fn)
		return;
	p->fn = NULL;
	fn(p->arg, err);
}

static int64_t now_of(const struct fs *fs)
{
	struct world *w = store_world(fs->store);

	return w->boot_ms(w);
}

static void run_next(void);

static void prepare_free(struct prepared *p)
{
	int runs = p->child != NULL;

	if (p->r->fs->scan)
		scan_forget(p->r->fs->scan, p);
	if (p->child)
		child_drop(p->child);
	buf_free(&p->output);
	json_decref(p->header);
	json_decref(p->ask);
	DL_DELETE(waiting, p);
	free(p);
	if (runs)
		run_next();
}

void prepare_end(struct prepared *p, const struct change *c)
{
	if (!p)
		return;
	if (c && !c->result.err && p->header) {
		scan_expect(p->r->fs->scan, c->thing, p->header);
		p->header = NULL;
	}
	prepare_free(p);
}

int64_t prepare_coming(const struct prepared *p, const char *gitdir)
{
	const struct prepared *q;

	DL_FOREACH(waiting, q)
		if (q != p && q->header && q->thing != p->thing &&
		    strcmp(event_text(q->header, "gitdir"), gitdir) == 0)
			return q->thing;
	return 0;
}

int prepare_forget(struct fs *fs, void *arg)
{
	struct prepared *p;

	(void)fs;
	DL_FOREACH(waiting, p)
		if (p->arg == arg && p->fn) {
			p->fn = NULL;
			return 1;
		}
	return 0;
}

void *prepare_take(struct fs *fs)
{
	struct prepared *p;

	ending = 1;
	DL_FOREACH(waiting, p)
		if (p->r->fs == fs && p->fn) {
			p->fn = NULL;
			return p->arg;
		}
	return NULL;
}

/* --- programs --- */

static int on_output(const char *text, size_t n, void *arg)
{
	struct prepared *p = arg;

	if (p->output.n < OUTPUT_MOST)
		buf_add(&p->output, text, n);
	return 0;
}

static void on_end(json_t *result, void *arg)
{
	struct prepared *p = arg;

	p->child = NULL;
	p->done(result, p); /* it may be gone afterwards */
	run_next();
}

static int run(struct prepared *p)
{
	const char *why = strerror(ENOMEM);
	json_t *ask = p->ask;

	p->ask = NULL;
	p->child = child_start(p->r->fs->loop, ask, PROGRAM_TIMEOUT, p->r->fs->mountpoint, on_end,
			       p, &why);
	json_decref(ask);
	if (!p->child)
		return request_refuse(p->r, EAGAIN, "try again", "it could not be looked at: %s",
				      why);
	child_stream(p->child, on_output);
	return 0;
}

/* Has the uid of P so many running that P has to wait? */
static int has_enough(const struct prepared *p)
{
	const struct prepared *q;
	int n = 0;

	DL_FOREACH(waiting, q)
		n += q->child && q->r->uid == p->r->uid;
	return n >= PROGRAMS_MOST;
}

/* Those whose turn it is, in order of arrival. */
static void run_next(void)
{
	struct prepared *p, *next;
	int err;

	if (ending)
		return;
	DL_FOREACH_SAFE(waiting, p, next) {
		if (!p->ask || !p->fn || has_enough(p))
			continue;
		(void)store_read_begin(p->r->fs->store);
		err = run(p);
		store_read_end(p->r->fs->store);
		if (err)
			prepare_done(p, err);
	}
}

int prepare_run(struct prepared *p, json_t *argv, child_fn *done)
{
	p->done = done;
	p->ask = scan_program(argv);
	if (!p->ask)
		return -ENOMEM;
	return has_enough(p) ? 0 : run(p);
}

/* --- scans --- */

static void scans_over(struct prepared *p)
{
	p->scans = 0;
	p->until = 0;
	prepare_done(p, p->err);
}

/* A claim goes on without knowing, and its session is told so. */
static void unseen(struct prepared *p, const char *repo, const char *why)
{
	struct change *c = p->r->change;
	AUTO_BUF struct buf text = BUF_INIT;

	if (c->kind != CHANGE_CLAIM || c->n)
		return;
	buf_printf(&text, "%s%s", repo, why);
	if (!text.err && !change_text(c, buf_text(&text), text.n))
		c->flags |= CHANGE_UNSEEN;
}

static void scanned(void *arg, int err, const char *why)
{
	struct prepared *p = arg;

	if (err && p->r->change->kind == CHANGE_LOOK) {
		(void)request_refuse(p->r, -err, "look at repos/NAME/path and repos/NAME/error",
				     "the repository could not be looked at: %s", why);
		p->err = err;
	} else if (err) {
		unseen(p, "a repository could not be looked at: ", why);
	}
	if (--p->scans <= 0)
		scans_over(p);
}

static void arm(struct fs *fs);

static void on_timer(void *arg)
{
	struct fs *fs = arg;
	struct prepared *p, *next;
	uint64_t n;

	(void)!read(timer, &n, sizeof(n));
	DL_FOREACH_SAFE(waiting, p, next)
		if (p->until && p->until <= now_of(fs)) {
			scan_forget(fs->scan, p);
			unseen(p, "", "what was committed is not known yet: the walk goes on");
			scans_over(p);
		}
	arm(fs);
}

/* The timer, for whoever has waited long enough first. */
static void arm(struct fs *fs)
{
	struct itimerspec when = { .it_value = { 0, 0 } };
	int64_t first = 0, now = now_of(fs);
	struct prepared *p;

	DL_FOREACH(waiting, p)
		if (p->until && (!first || p->until < first))
			first = p->until;
	if (first)
		when.it_value.tv_nsec = 1;
	if (first > now) {
		when.it_value.tv_sec = (first - now) / 1000;
		when.it_value.tv_nsec = (first - now) % 1000 * 1000000 + 1;
	}
	(void)timerfd_settime(timer, 0, &when, NULL);
}

static int open_timer(struct fs *fs)
{
	if (timer >= 0)
		return 0;
	timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	return timer >= 0 && !loop_watch(fs->loop, timer, on_timer, fs) ? 0 : -EMFILE;
}

/* For a look that goes on already nobody waits longer than the first who waited for it. */
static void wait_for_scan(struct prepared *p, int64_t id)
{
	int64_t until = scan_since(p->r->fs->scan, id) + SCAN_PATIENCE;

	p->scans++;
	if (until > p->until)
		p->until = until;
}

/* Ask for what was committed to the repository ID; one that cannot be asked stops no claim. */
static void ask_scan(struct prepared *p, int64_t id)
{
	int force = p->r->change->kind == CHANGE_LOOK;
	int got = scan_ask(p->r->fs->scan, id, force, scanned, p);

	if (got == 0)
		wait_for_scan(p, id);
	else if (got < 0 && force)
		p->err = request_refuse(p->r, -got, "echo /absolute/path > repos/NAME/path",
					"it has no path to be looked at");
}

static void ask_scans_of(struct prepared *p, const char *task)
{
	AUTO_ROWS *r = db_rows(p->r->db, Q(REPOS_OF), T(task), I(THING_REPO));

	while (rows_next(r) > 0)
		ask_scan(p, rows_int(r, 0));
}

static void ask_all_scans(struct prepared *p)
{
	AUTO_ROWS *r = db_rows(p->r->db, Q(THINGS), I(THING_REPO));

	while (rows_next(r) > 0)
		ask_scan(p, rows_int(r, 0));
}

static int is_off(struct request *r)
{
	AUTO_FREE char *mode = field_value(r->db, THING_CONTROL, 0, "freshness");

	return mode && strcmp(mode, "off") == 0;
}

/* 1: all that was committed is recorded. */
static int prepare_scans(struct prepared *p)
{
	struct change *c = p->r->change;

	if (!p->r->fs->scan || open_timer(p->r->fs))
		return 1;
	p->scans = 1; /* so that none is the last while they are asked for */
	if (c->kind == CHANGE_LOOK)
		ask_scan(p, c->thing);
	else if (c->kind == CHANGE_REGISTER || c->kind == CHANGE_BASE)
		ask_all_scans(p);
	else if (!is_off(p->r))
		ask_scans_of(p, c->name);
	if (--p->scans <= 0)
		return p->err ? p->err : 1;
	if (c->kind == CHANGE_LOOK)
		p->until = 0;
	arm(p->r->fs);
	return 0;
}

/* --- which change needs what --- */

static int is_set(const struct change *c, enum thing_kind of, const char *field)
{
	return c->kind == CHANGE_SET && c->of == of && strcmp(c->field, field) == 0;
}

static int start(struct prepared *p)
{
	const struct change *c = p->r->change;

	switch (c->kind) {
	case CHANGE_CLAIM:
	case CHANGE_REGISTER:
	case CHANGE_BASE:
	case CHANGE_LOOK:
		return prepare_scans(p);
	case CHANGE_LOCK:
		return c->actor.session ? prepare_scans(p) : 1;
	case CHANGE_EXTEND:
		return prepare_artifacts(p);
	case CHANGE_SET:
		if (is_set(c, THING_REPO, "path"))
			return prepare_path(p);
		return is_set(c, THING_TASK, "artifacts") ? prepare_artifacts(p) : 1;
	default:
		return 1;
	}
}

/* Whether there is anything to be found out, without a struct for each change. */
static int is_of_interest(const struct request *r)
{
	const struct change *c = r->change;

	switch (c->kind) {
	case CHANGE_CLAIM:
	case CHANGE_REGISTER:
	case CHANGE_BASE:
	case CHANGE_LOCK:
		return !scan_quiet(r->fs->scan);
	case CHANGE_LOOK:
	case CHANGE_EXTEND:
		return 1;
	case CHANGE_SET:
		return c->of == THING_REPO || c->of == THING_TASK;
	default:
		return 0;
	}
}

int prepare(struct request *r, prepare_fn *fn, void *arg, struct prepared **out)
{
	struct prepared *p;
	int got;

	*out = NULL;
	if (!r->fs->scan || !is_of_interest(r))
		return 1;
	p = calloc(1, sizeof(*p));
	if (!p)
		return -ENOMEM;
	p->r = r;
	p->thing = r->change->thing;
	DL_APPEND(waiting, p);
	got = start(p);
	if (got) {
		prepare_free(p);
		return got;
	}
	p->fn = fn;
	p->arg = arg;
	*out = p;
	return 0;
}
