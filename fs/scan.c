/*
 * One file, although it is long: a repository's look, who waits for it and what is sent to the
 * writer share their states; what is recorded is decided in backend/rules_observe.c.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/timerfd.h>
#include <syslog.h>
#include <unistd.h>

#include <utlist.h>

#include "backend/clean.h"
#include "backend/field.h"
#include "backend/log.h"
#include "backend/probe.h"
#include "backend/text.h"
#include "backend/tx.h"
#include "fs/child.h"
#include "fs/scan.h"
#include "fs/stamp.h"

#define SCAN_TIMEOUT 600000 /* ms that a walk may take */
#define LINE_MAX_BYTES 8388608
#define BATCH_MOST 64 /* commits in one transaction */
#define BATCH_LEAST 4
#define BATCH_MS 20 /* that it should take: so long others wait for it */
#define BATCH_BYTES 262144
#define QUIET_MOST 8 /* repositories that are all looked at, whichever a task is in */
#define OIDS_A_WORD 2000
#define WORDS_MAX 20

struct scan_waiter {
	int64_t need; /* the run that will do */
	scan_fn *fn;  /* NULL: it waits no more */
	void *arg;
	struct scan_waiter *next;
};

struct repo {
	struct scan_state *s;
	int64_t id;
	char name[NAME_BUFFER];
	char *path; /* NULL: not set */
	int listed;
	json_t *expect;	    /* what the path held when it was set, until that is recorded */
	json_t *watch;	    /* files whose stat tells */
	struct stamp stamp; /* of them, when the last good run began */
	struct quiet quiet; /* whether anything has happened to them */
	int unheard;	    /* they are others now than those that are listened to */
	struct scan_waiter *waiters;
	/* a run */
	int64_t runs; /* begun */
	struct child *child;
	int running; /* from its start until all of it is recorded */
	int again;
	int64_t began; /* ms since boot */
	struct stamp before;
	int tips;	 /* it walks from what was expected, not from where the branches are */
	struct buf text; /* of it, not yet looked at */
	json_t *header, *batch;
	size_t batch_bytes;
	size_t most; /* commits in a batch: fewer when they take long */
	int sending;
	int64_t sent; /* ms since boot */
	int complete; /* it has printed its last line */
	int ended;    /* the program has; RC says how; 2: the last batch is sent, too */
	int rc;	      /* 0 or -errno */
	char says[256];
	int64_t count;
	/* the last run */
	int64_t at, took, found;
	int err;
	char error[256];
	struct repo *next;
};

struct scan_state {
	struct fs *fs;
	struct loop *loop;
	struct repo *repos;
	int timer; /* -1: none */
	int started;
};

static void run_start(struct repo *p);
static void go_on(struct repo *p);
static void give_up(struct repo *p, int err, const char *why);

/* --- stamps --- */

static int64_t now_boot(const struct scan_state *s)
{
	struct world *w = store_world(s->fs->store);

	return w->boot_ms(w);
}

/* Could something have come since the stamp OLD? */
static int has_moved(struct repo *p, const struct stamp *old)
{
	int last = old == &p->stamp, moved;
	struct stamp now;

	if (!old->known || old->racy)
		return 1;
	if (last && quiet_holds(&p->quiet))
		return 0;
	now = stamp_of(p->watch);
	moved = !now.known || now.hash != old->hash;
	if (last && !moved)
		quiet_since(&p->quiet);
	return moved;
}

/* --- which there are --- */

static struct repo *find_repo(const struct scan_state *s, int64_t id)
{
	struct repo *p;

	LL_SEARCH_SCALAR(s->repos, p, id, id);
	return p;
}

static void wake(struct repo *p, int all)
{
	struct scan_waiter *w, *next, *due = NULL;

	LL_FOREACH_SAFE(p->waiters, w, next)
		if (all || w->need <= p->runs) {
			LL_DELETE(p->waiters, w);
			LL_PREPEND(due, w);
		}
	LL_FOREACH_SAFE(due, w, next) {
		if (w->fn)
			w->fn(w->arg, p->err, p->error);
		free(w);
	}
}

static void run_clear(struct repo *p)
{
	if (p->child)
		child_drop(p->child);
	p->child = NULL;
	buf_free(&p->text);
	json_decref(p->header);
	json_decref(p->batch);
	p->header = p->batch = NULL;
	p->batch_bytes = 0;
}

static void repo_free(struct repo *p)
{
	struct scan_waiter *w, *next;

	run_clear(p);
	LL_FOREACH_SAFE(p->waiters, w, next)
		free(w);
	json_decref(p->expect);
	json_decref(p->watch);
	quiet_end(&p->quiet);
	free(p->path);
	free(p);
}

static struct repo *repo_add(struct scan_state *s, int64_t id, const char *name)
{
	struct repo *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	p->s = s;
	p->id = id;
	p->most = BATCH_LEAST;
	p->quiet.fd = -1;
	(void)snprintf(p->name, sizeof(p->name), "%s", name);
	LL_APPEND(s->repos, p);
	return p;
}

/* Another path: nothing of what was known counts. */
static void repo_moved(struct repo *p, char *path)
{
	free(p->path);
	p->path = path;
	json_decref(p->watch);
	p->watch = NULL;
	p->stamp = (struct stamp){ 0 };
}

static void repo_refresh(struct scan_state *s, int64_t id, const char *name)
{
	struct repo *p = find_repo(s, id);
	char *path = tx_attr(store_reader(s->fs->store), id, "path");

	if (!p)
		p = repo_add(s, id, name);
	if (!p || (p->path && path && strcmp(p->path, path) == 0))
		free(path);
	else
		repo_moved(p, path);
	if (p)
		p->listed = 1;
}

/* What the store says by now; inside a read. */
static void refresh(struct scan_state *s)
{
	AUTO_ROWS *r = db_rows(store_reader(s->fs->store), Q(THINGS), I(THING_REPO));
	struct repo *p;

	LL_FOREACH(s->repos, p)
		p->listed = 0;
	while (rows_next(r) > 0)
		repo_refresh(s, rows_int(r, 0), rows_text(r, 2));
}

/* It was removed. Outside of reads: those who wait are answered. */
static void repo_end(struct repo *p)
{
	LL_DELETE(p->s->repos, p);
	p->err = -ESTALE;
	(void)snprintf(p->error, sizeof(p->error), "it was removed meanwhile");
	wake(p, 1);
	repo_free(p);
}

static void end_unlisted(struct scan_state *s)
{
	struct repo *p, *next;

	LL_FOREACH_SAFE(s->repos, p, next)
		if (!p->listed && !p->sending) /* else when that is decided */
			repo_end(p);
}

/* --- from time to time --- */

static void on_timer(void *arg)
{
	struct scan_state *s = arg;
	struct repo *p;
	uint64_t n;

	(void)!read(s->timer, &n, sizeof(n));
	LL_FOREACH(s->repos, p) {
		p->quiet.since = 0; /* a directory far above may be another: nobody tells of that */
		if (p->path && !p->running && has_moved(p, &p->stamp))
			run_start(p);
	}
}

static void arm(struct scan_state *s)
{
	int64_t ms = field_duration(store_reader(s->fs->store), THING_CONTROL, 0, "scan-interval");
	struct itimerspec often = { .it_value = { ms / 1000, ms % 1000 * 1000000 },
				    .it_interval = { ms / 1000, ms % 1000 * 1000000 } };

	if (!s->repos)
		often = (struct itimerspec){ .it_value = { 0, 0 } };
	if (s->timer >= 0)
		(void)timerfd_settime(s->timer, 0, &often, NULL);
}

static void look_again(struct scan_state *s)
{
	struct repo *p;

	if (!s->started)
		return;
	(void)store_read_begin(s->fs->store);
	refresh(s);
	arm(s);
	store_read_end(s->fs->store);
	end_unlisted(s);
	LL_FOREACH(s->repos, p)
		if (p->path && !p->running && !p->stamp.known && !p->err)
			run_start(p);
}

static int is_field(const struct change *c, enum thing_kind of, const char *name)
{
	return c->kind == CHANGE_SET && c->of == of && strcmp(c->field, name) == 0;
}

/* Its path or its branches are others now. */
static void start_over(struct repo *p)
{
	p->err = 0; /* it may be mended */
	p->stamp.known = 0;
	if (!p->running)
		return;
	p->again = 1;
	give_up(p, -ECANCELED, "it was set anew meanwhile");
	go_on(p);
}

void scan_decided(struct scan_state *s, const struct change *c)
{
	struct repo *p = NULL;

	if (!s || !s->started)
		return;
	if (c->kind == CHANGE_SET && c->of == THING_REPO) {
		p = find_repo(s, c->thing);
		if (p)
			start_over(p);
	}
	if (p || is_field(c, THING_CONTROL, "scan-interval") ||
	    ((c->kind == CHANGE_ADD || c->kind == CHANGE_REMOVE) && c->of == THING_REPO))
		look_again(s);
}

void scan_expect(struct scan_state *s, int64_t repo, json_t *header)
{
	struct repo *p;

	if (!find_repo(s, repo))
		look_again(s);
	p = find_repo(s, repo);
	if (!p) {
		json_decref(header);
		return;
	}
	json_decref(p->expect);
	p->expect = header;
}

const char *scan_expected(const struct scan_state *s, int64_t repo)
{
	const struct repo *p = s ? find_repo(s, repo) : NULL;
	const json_t *header = p && p->expect ? p->expect : p ? p->header : NULL;

	return header ? event_text(header, "gitdir") : NULL;
}

struct scan_state *scan_new(struct fs *fs, struct loop *loop)
{
	struct scan_state *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->fs = fs;
	s->loop = loop;
	s->timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (s->timer >= 0 && !loop_watch(loop, s->timer, on_timer, s))
		return s;
	scan_free(s);
	return NULL;
}

void scan_start(struct scan_state *s)
{
	s->started = 1;
	look_again(s);
}

void scan_stop(struct scan_state *s)
{
	struct repo *p;

	if (!s)
		return;
	s->started = 0;
	LL_FOREACH(s->repos, p)
		run_clear(p);
}

void scan_free(struct scan_state *s)
{
	struct repo *p, *next;

	if (!s)
		return;
	LL_FOREACH_SAFE(s->repos, p, next)
		repo_free(p);
	if (s->timer >= 0)
		(void)close(s->timer);
	free(s);
}

/* --- who waits --- */

int scan_ask(struct scan_state *s, int64_t repo, int force, scan_fn *fn, void *arg)
{
	struct repo *p = find_repo(s, repo);
	struct scan_waiter *w;
	int fits;

	if (!p || !p->path)
		return p && !force ? 1 : -ENOENT;
	if (!force && !p->running && !has_moved(p, &p->stamp))
		return 1;
	w = calloc(1, sizeof(*w));
	if (!w)
		return -ENOMEM;
	/* a run that began before all this was committed will not do */
	fits = p->running && !p->tips && !force && !has_moved(p, &p->before);
	*w = (struct scan_waiter){ .need = p->runs + !fits, .fn = fn, .arg = arg };
	LL_APPEND(p->waiters, w);
	if (!p->running)
		run_start(p);
	else if (!fits)
		p->again = 1;
	return 0;
}

int scan_quiet(struct scan_state *s)
{
	struct repo *p;
	int n = 0;

	LL_FOREACH(s->repos, p)
		if (p->path && (p->running || ++n > QUIET_MOST || has_moved(p, &p->stamp)))
			return 0;
	return 1;
}

void scan_forget(struct scan_state *s, void *arg)
{
	struct scan_waiter *w;
	struct repo *p;

	LL_FOREACH(s->repos, p)
		LL_FOREACH(p->waiters, w)
			if (w->arg == arg)
				w->fn = NULL;
}

int64_t scan_since(const struct scan_state *s, int64_t repo)
{
	const struct repo *p = find_repo(s, repo);

	return p && p->running ? p->began : 0;
}

void scan_info(const struct scan_state *s, int64_t repo, struct scan_info *out)
{
	const struct repo *p = s ? find_repo(s, repo) : NULL;

	*out = (struct scan_info){ .error = p ? p->error : "" };
	if (!p)
		return;
	out->at = p->at;
	out->took = p->took;
	out->found = p->found;
	out->running = p->running;
}

/* --- a run --- */

json_t *scan_program(json_t *argv)
{
	return json_pack("{s:o,s:i}", "argv", argv, "flags", PROBE_SELF | PROBE_OWNER);
}

int scan_is_ours(const struct fs *fs, const char *path)
{
	size_t n = strlen(fs->mountpoint);

	return n && strncmp(path, fs->mountpoint, n) == 0 && (!path[n] || path[n] == '/');
}

int scan_errno(const char *sentence)
{
	static const int known[] = { ENOENT, EACCES, ENOTDIR, EIO };
	size_t n = strlen(sentence);

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		const char *text = strerror(known[i]);

		if (n >= strlen(text) && strcmp(sentence + n - strlen(text), text) == 0)
			return -known[i];
	}
	return -EINVAL;
}

static void add_word(json_t *argv, const char *word)
{
	(void)json_array_append_new(argv, json_string(word));
}

/* The object ids of LIST as options, many in a word. */
static void add_oids(json_t *argv, const char *option, const json_t *list)
{
	AUTO_BUF struct buf word = BUF_INIT;
	const json_t *v;
	size_t i, words = 0;

	json_array_foreach(list, i, v) {
		buf_printf(&word, "%s%s", word.n ? "," : "", json_string_value(v));
		if ((i + 1) % OIDS_A_WORD && i + 1 < json_array_size(list))
			continue;
		if (words++ < WORDS_MAX) {
			add_word(argv, option);
			add_word(argv, buf_text(&word));
		}
		buf_clear(&word);
	}
}

/* The first words of the lines of TEXT: "OID REF". */
static json_t *oids_of(const char *text)
{
	struct lines l = { text, text + strlen(text) };
	json_t *list = json_array();
	const char *line;
	size_t n;

	while (lines_next(&l, &line, &n))
		if (n >= 40)
			(void)json_array_append_new(list, json_stringn(line, 40));
	return list;
}

static void add_lines(json_t *argv, const char *option, const char *text)
{
	struct lines l = { text, text + strlen(text) };
	const char *line;
	size_t n;

	while (lines_next(&l, &line, &n)) {
		add_word(argv, option);
		(void)json_array_append_new(argv, json_stringn(line, n));
	}
}

void scan_branches(struct db *db, int64_t repo, json_t *argv)
{
	AUTO_FREE char *branches = tx_attr(db, repo, "branches");

	if (branches)
		add_lines(argv, "--branch", branches);
}

static json_t *values_of(json_t *heads)
{
	json_t *list = json_array(), *v;
	const char *ref;

	json_object_foreach(heads, ref, v)
		(void)json_array_append(list, v);
	return list;
}

/* Inside a read. */
static json_t *arguments(struct repo *p)
{
	struct db *db = store_reader(p->s->fs->store);
	AUTO_FREE char *heads = tx_attr(db, p->id, "heads");
	AUTO_FREE char *depth = field_value(db, THING_REPO, p->id, "depth");
	json_t *argv = json_pack("[s,s,s]", "coordfs", "scan", "--as-owner"), *list;

	p->tips = p->expect != NULL;
	if (p->tips) {
		list = values_of(json_object_get(p->expect, "heads"));
		add_oids(argv, "--tip", list);
		if (!json_array_size(list)) {
			add_word(argv, "--tip");
			add_word(argv, "");
		}
		json_decref(list);
	}
	if (heads) {
		list = oids_of(heads);
		add_oids(argv, "--known", list);
		json_decref(list);
	}
	scan_branches(db, p->id, argv);
	add_word(argv, "--depth");
	add_word(argv, depth ? depth : "0");
	add_word(argv, p->path);
	return argv;
}

static void run_over(struct repo *p, int err, const char *why)
{
	struct world *w = store_world(p->s->fs->store);

	run_clear(p);
	if (!err && !p->tips)
		p->stamp = p->before;
	if (!err && p->tips) {
		json_decref(p->expect);
		p->expect = NULL;
		p->again = 1;
	}
	if (err && err != p->err)
		log_msg(LOG_WARNING, "repository %s: %s", p->name, why);
	p->running = 0;
	p->err = err;
	(void)snprintf(p->error, sizeof(p->error), "%s", err ? why : "");
	p->at = w->wall_ms(w);
	p->took = now_boot(p->s) - p->began;
	p->found = p->count;
	wake(p, 0);
	if (p->again && !p->running)
		run_start(p);
}

/* --- what it prints --- */

/* "OID REF", or "- REF": there is no commit yet. */
static json_t *head_line(const json_t *header)
{
	const char *head = event_text(header, "head"), *branch = event_text(header, "branch");
	AUTO_BUF struct buf line = BUF_INIT;

	buf_printf(&line, "%s %s", *head ? head : "-", *branch ? branch : "HEAD");
	return json_string(buf_text(&line));
}

static json_t *head_lines(const json_t *header)
{
	AUTO_BUF struct buf lines = BUF_INIT;
	json_t *heads = json_object_get(header, "heads"), *oid;
	const char *ref;

	json_object_foreach(heads, ref, oid)
		buf_line(&lines, "%s %s", json_string_value(oid), ref);
	return json_string(buf_text(&lines));
}

/* Whoever claims something meanwhile waits for the batch: it is small where that takes long. */
static void fit_batch(struct repo *p)
{
	int64_t took = now_boot(p->s) - p->sent;

	if (took > BATCH_MS && p->most > BATCH_LEAST)
		p->most /= 2;
	else if (took < BATCH_MS / 2 && p->most < BATCH_MOST)
		p->most *= 2;
}

static void on_recorded(struct change *c)
{
	struct repo *p = c->arg;

	int err = c->result.err;
	char why[200];

	p->sending = 0;
	fit_batch(p);
	change_free(c);
	if (!p->s->started)
		return;
	if (err) {
		(void)snprintf(why, sizeof(why), "what was found could not be recorded: %s",
			       strerror(-err));
		give_up(p, err, why);
	}
	if (p->listed)
		go_on(p);
	else
		repo_end(p);
}

/* Let the writer record the batch; DONE: with where the branches are. */
static int send_batch(struct repo *p, int done)
{
	const json_t *from = p->tips ? p->expect : p->header;
	struct change *c = change_new(CHANGE_OBSERVED);
	json_t *text = json_pack("{s:I,s:s,s:o}", "repo_id", (json_int_t)p->id, "gitdir",
				 event_text(p->header, "gitdir"), "commits",
				 p->batch ? p->batch : json_array());
	AUTO_FREE char *s = NULL;

	p->batch = NULL;
	p->batch_bytes = 0;
	if (done)
		(void)json_object_set_new(text, "done",
					  json_pack("{s:o,s:o}", "head", head_line(from), "heads",
						    head_lines(from)));
	s = text ? json_dumps(text, JSON_COMPACT) : NULL;
	json_decref(text);
	if (!c || !s || change_text(c, s, strlen(s))) {
		change_free(c);
		return -ENOMEM;
	}
	c->op = "scan";
	c->actor.uid = p->s->fs->owner;
	c->done = on_recorded;
	c->arg = p;
	p->sending = 1;
	p->sent = now_boot(p->s);
	store_commit(p->s->fs->store, c);
	return 0;
}

/* 0 or -errno. */
static int take_header(struct repo *p, json_t *header)
{
	json_t *watch = json_object_get(header, "watch");

	if (scan_is_ours(p->s->fs, event_text(header, "gitdir")))
		return -EXDEV;
	json_decref(p->header);
	p->header = json_incref(header);
	if (json_equal(watch, p->watch))
		return 0;
	/* what it stands for was not looked at before the walk: it is looked at once more */
	json_decref(p->watch);
	p->watch = json_incref(watch);
	p->unheard = 1;
	p->before = (struct stamp){ 0 };
	p->again = 1;
	return 0;
}

static int take_line(struct repo *p, const char *line, size_t n)
{
	json_t *v = json_loadb(line, n, 0, NULL);
	int err = v ? 0 : -EBADMSG;

	if (json_object_get(v, "gitdir")) {
		err = take_header(p, v);
	} else if (json_object_get(v, "commit")) {
		if (!p->batch)
			p->batch = json_array();
		err = json_array_append(p->batch, v) ? -ENOMEM : 0;
		p->batch_bytes += n;
		p->count++;
	} else if (json_object_get(v, "end")) {
		p->complete = 1;
	}
	json_decref(v);
	return err;
}

static int is_full(const struct repo *p)
{
	return json_array_size(p->batch) >= p->most || p->batch_bytes >= BATCH_BYTES;
}

/* Whole lines of what was printed, until a batch is full. */
static int take_lines(struct repo *p)
{
	size_t at = 0;
	int err = 0;

	while (!err && !is_full(p)) {
		const char *from = buf_text(&p->text) + at;
		const char *end = memchr(from, '\n', p->text.n - at);

		if (!end)
			break;
		err = take_line(p, from, (size_t)(end - from));
		at += (size_t)(end - from) + 1;
	}
	if (at && p->text.p) {
		memmove(p->text.p, p->text.p + at, p->text.n - at);
		p->text.n -= at;
		p->text.p[p->text.n] = '\0';
	}
	return err ? err : p->text.n > LINE_MAX_BYTES ? -EMSGSIZE : p->text.err;
}

static void give_up(struct repo *p, int err, const char *why)
{
	if (!p->rc) {
		p->rc = err;
		(void)snprintf(p->says, sizeof(p->says), "%s", why);
	}
	if (p->child)
		child_drop(p->child);
	p->child = NULL;
	p->ended = 1;
	buf_clear(&p->text);
}

static const char *no_answer(int err)
{
	return err == -EXDEV	? "a repository in this mount cannot be looked at by it" :
	       err == -EMSGSIZE ? "it has too many branches: say which in repos/NAME/branches" :
				  "coordfs scan printed what is no answer";
}

static int has_line(const struct repo *p)
{
	return p->text.n && memchr(p->text.p, '\n', p->text.n) != NULL;
}

/* One step after the other: take what was printed, let it be recorded, and so on to the end. */
static void go_on(struct repo *p)
{
	int err;

	if (p->sending)
		return;
	if (!p->rc) {
		err = take_lines(p);
		if (err)
			give_up(p, err, no_answer(err));
	}
	if (p->rc && p->ended) {
		run_over(p, p->rc, p->says);
		return;
	}
	if (!p->rc && (is_full(p) || (p->ended && p->batch && !has_line(p)))) {
		if (send_batch(p, 0))
			give_up(p, -ENOMEM, strerror(ENOMEM));
		return;
	}
	if (p->ended && !p->complete) {
		run_over(p, -EBADMSG, "coordfs scan did not come to its end");
	} else if (p->ended && p->ended < 2) {
		p->ended = 2;
		if (send_batch(p, 1))
			run_over(p, -ENOMEM, strerror(ENOMEM));
	} else if (p->ended) {
		run_over(p, 0, "");
	} else if (p->child) {
		child_resume(p->child);
	}
}

static int on_output(const char *text, size_t n, void *arg)
{
	struct repo *p = arg;

	buf_add(&p->text, text, n);
	if (!p->sending)
		go_on(p);
	return p->sending || p->rc;
}

static void on_end(json_t *result, void *arg)
{
	struct repo *p = arg;
	const char *failed = event_text(result, "failed"), *errors = event_text(result, "errors");
	const char *colon = strstr(errors, ": "); /* behind who says it */

	p->child = NULL;
	p->ended = 1;
	errors = colon ? colon + 2 : errors;
	if (!p->rc && (*failed || json_integer_value(json_object_get(result, "status")) ||
		       !json_object_get(result, "status"))) {
		(void)snprintf(p->says, sizeof(p->says), "%s",
			       *failed ? failed :
			       *errors ? errors :
					 "coordfs scan was killed");
		p->rc = *failed ? -EIO : scan_errno(p->says);
	}
	json_decref(result);
	go_on(p);
}

static void run_start(struct repo *p)
{
	const char *why = strerror(ENOMEM);
	json_t *ask;
	int reads;

	p->runs++;
	p->running = 1;
	p->again = p->ended = p->rc = p->complete = 0;
	p->count = 0;
	p->began = now_boot(p->s);
	if (p->unheard)
		quiet_begin(&p->quiet, p->watch);
	p->unheard = 0;
	p->before = stamp_of(p->watch);
	reads = !db_in_transaction(store_reader(p->s->fs->store)); /* who asks may be reading */
	if (reads)
		(void)store_read_begin(p->s->fs->store);
	ask = scan_program(arguments(p));
	if (reads)
		store_read_end(p->s->fs->store);
	p->child = ask ? child_start(p->s->loop, ask, SCAN_TIMEOUT, p->s->fs->mountpoint, on_end, p,
				     &why) :
			 NULL;
	json_decref(ask);
	if (p->child)
		child_stream(p->child, on_output);
	else
		run_over(p, -EAGAIN, why);
}
