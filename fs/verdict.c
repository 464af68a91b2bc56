/*
 * One file, although it is long: runs, who waits for them and what is recorded share their states;
 * what can be judged without them is in backend/probe*.c, what is decided in backend/rules_probe.c.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <utlist.h>

#include "backend/clean.h"
#include "backend/field.h"
#include "backend/log.h"
#include "backend/probe.h"
#include "backend/text.h"
#include "backend/tx.h"
#include "fs/caller.h"
#include "fs/child.h"
#include "fs/dirs.h"
#include "fs/verdict.h"

/* One probe, as long as the daemon. */
struct probe {
	int64_t id;
	char name[NAME_BUFFER];
	struct verdict_state *v;
	const struct probe_kind *kind;
	int listed;	  /* it is there, and enabled */
	int shadow;	  /* it runs, and has no part in the verdict */
	int64_t interval; /* ms that an answer holds; 0: until somebody asks */
	/* a run under way */
	int running;   /* programs not ended, and one while it looks */
	int64_t stamp; /* the number of this run, of all */
	int64_t began; /* ms since boot */
	json_t *inputs;
	struct program *programs;
	/* the last run */
	int64_t judged; /* ms since boot; 0: never */
	int64_t judged_wall, took;
	struct probe_said said;
	json_t *seen; /* its inputs */
	int kept;     /* recorded already: its answer is used again */
	struct probe *next;
};

struct program {
	struct probe *p;
	struct child *child;
	json_t *result;
	struct program *next;
};

struct waiter {
	int64_t probe;	       /* 0: the roll-up */
	int64_t stamp;	       /* runs begun later are not waited for */
	int asked;	       /* what it waits for is being recorded */
	void (*fn)(void *arg); /* NULL: it waits no more */
	void *arg;
	struct waiter *next;
};

struct verdict_state {
	struct fs *fs;
	struct loop *loop;
	struct probe *probes; /* by name */
	struct waiter *waiters;
	int64_t stamp;	/* runs begun */
	int64_t judged; /* ms since boot; 0: never */
	int64_t seq;	/* the last event when the runs began that are judged next */
	json_t *last;	/* the last roll-up, as the writer decided it; NULL: none */
	int recording;	/* changes on their way to the writer */
	int making;	/* built-in probes on their way to the writer */
};

/* What was asked to be recorded. */
struct judgement {
	struct verdict_state *v;
	int64_t probe; /* 0: the roll-up */
	int64_t stamp;
};

static void check_waiters(struct verdict_state *v);

struct verdict_state *verdict_new(struct fs *fs, struct loop *loop)
{
	struct verdict_state *v = calloc(1, sizeof(*v));

	if (v) {
		v->fs = fs;
		v->loop = loop;
	}
	return v;
}

static void provided(struct change *c)
{
	struct verdict_state *v = c->arg;

	v->making--;
	if (c->result.err)
		log_msg(LOG_ERR, "probe %s cannot be made: %s", c->name, strerror(-c->result.err));
	change_free(c);
}

void verdict_start(struct verdict_state *v)
{
	const struct probe_kind *k;

	for (int i = 0; (k = probe_builtin(i)); i++) {
		struct change *c = change_new(CHANGE_ADD);

		if (!c)
			return;
		c->of = THING_PROBE;
		c->flags = CHANGE_ONCE;
		c->actor.uid = v->fs->owner;
		c->actor.is_operator = c->actor.is_owner = 1;
		(void)snprintf(c->name, sizeof(c->name), "%s", k->name);
		c->op = "mkdir probes/NAME";
		c->done = provided;
		c->arg = v;
		v->making++;
		store_commit(v->fs->store, c);
	}
}

int verdict_started(const struct verdict_state *v)
{
	return v->making == 0;
}

static void programs_free(struct probe *p)
{
	struct program *g, *next;

	LL_FOREACH_SAFE(p->programs, g, next) {
		if (g->child)
			child_drop(g->child);
		json_decref(g->result);
		free(g);
	}
	p->programs = NULL;
}

static void probe_free(struct probe *p)
{
	programs_free(p);
	json_decref(p->inputs);
	json_decref(p->seen);
	free(p);
}

void verdict_free(struct verdict_state *v)
{
	struct probe *p, *next;
	struct waiter *w, *after;

	if (!v)
		return;
	LL_FOREACH_SAFE(v->probes, p, next)
		probe_free(p);
	child_end_all(v->loop);
	LL_FOREACH_SAFE(v->waiters, w, after) /* ll.c has answered its own */
		free(w);
	json_decref(v->last);
	free(v);
}

static int64_t now_of(const struct verdict_state *v)
{
	struct world *w = store_world(v->fs->store);

	return w->boot_ms(w);
}

/* --- one run of one probe --- */

static void probe_ended(struct probe *p)
{
	struct verdict_state *v = p->v;
	struct world *w = store_world(v->fs->store);

	json_decref(p->seen);
	p->seen = p->inputs;
	p->inputs = NULL;
	p->judged = now_of(v);
	p->judged_wall = w->wall_ms(w);
	p->took = p->judged - p->began;
	p->kept = 0;
	check_waiters(v);
}

/* All programs have answered: so can the probe. */
static void judge(struct probe *p)
{
	json_t *programs = json_array();
	struct program *g;
	const char *naked;

	LL_FOREACH(p->programs, g)
		(void)json_array_append(programs, g->result);
	if (p->programs)
		(void)json_object_set(p->inputs, "programs", programs);
	p->said = (struct probe_said){ .answer = PROBE_UNKNOWN };
	p->kind->judge(p->inputs, &p->said);
	naked = event_text(json_array_get(programs, 0), "unsandboxed");
	if (*naked) {
		size_t n = strlen(p->said.detail);

		(void)snprintf(p->said.detail + n, sizeof(p->said.detail) - n,
			       " (ran unsandboxed: %s)", naked);
	}
	json_decref(programs);
	programs_free(p);
	probe_ended(p);
}

static void run_less(struct probe *p)
{
	if (--p->running == 0)
		judge(p);
}

static void program_ended(json_t *result, void *arg)
{
	struct program *g = arg;

	g->child = NULL;
	g->result = result;
	run_less(g->p);
}

static void program_start(struct probe *p, const json_t *ask, int64_t timeout)
{
	struct program *g = calloc(1, sizeof(*g));
	const char *why = "no memory";

	if (!g)
		return;
	g->p = p;
	LL_APPEND(p->programs, g);
	g->child =
		child_start(p->v->loop, ask, timeout, p->v->fs->mountpoint, program_ended, g, &why);
	if (g->child)
		p->running++;
	else
		g->result =
			json_pack("{s:O,s:s}", "argv", json_object_get(ask, "argv"), "failed", why);
}

static void probe_start(struct request *r, struct probe *p)
{
	struct world *w = store_world(p->v->fs->store);
	struct probe_look l = { r->db, w, p->id, w->wall_ms(w), json_object(), json_array() };
	int64_t timeout = field_duration(r->db, THING_PROBE, p->id, "timeout");
	int err = l.inputs && l.asked ? probe_look_with(p->kind, &l) : -ENOMEM;
	const json_t *ask;
	size_t i;

	p->inputs = l.inputs;
	p->began = now_of(p->v);
	p->stamp = ++p->v->stamp;
	if (err || db_error(r->db)) {
		p->said = (struct probe_said){ .answer = PROBE_UNKNOWN };
		probe_say(&p->said, PROBE_UNKNOWN, "could not look: %s",
			  strerror(err ? -err : EIO));
		json_decref(l.asked);
		probe_ended(p);
		return;
	}
	p->running = 1; /* so that no early end ends the run while it starts */
	json_array_foreach(l.asked, i, ask)
		program_start(p, ask, timeout);
	json_decref(l.asked);
	run_less(p);
}

/* --- which probes there are --- */

static struct probe *find_probe(const struct verdict_state *v, int64_t id)
{
	struct probe *p;

	LL_FOREACH(v->probes, p)
		if (p->id == id)
			return p;
	return NULL;
}

static int by_name(const struct probe *a, const struct probe *b)
{
	return strcmp(a->name, b->name);
}

static struct probe *probe_add(struct verdict_state *v, int64_t id, const char *name)
{
	struct probe *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	p->v = v;
	p->id = id;
	(void)snprintf(p->name, sizeof(p->name), "%s", name);
	LL_INSERT_INORDER(v->probes, p, by_name);
	return p;
}

static void probe_refresh(struct request *r, struct probe *p)
{
	AUTO_FREE char *enabled = field_value(r->db, THING_PROBE, p->id, "enabled");

	p->listed = enabled && strcmp(enabled, "0") != 0;
	p->shadow = enabled && strcmp(enabled, "shadow") == 0;
	if (!p->running)
		p->kind = probe_kind_of(r->db, p->id, p->name);
	p->interval = p->kind->interval ? 0 : field_duration(r->db, THING_PROBE, p->id, "interval");
}

static void refresh(struct request *r, struct verdict_state *v)
{
	AUTO_ROWS *rows = db_rows(r->db, Q(THINGS), I(THING_PROBE));
	struct probe *p, *next;

	LL_FOREACH(v->probes, p)
		p->listed = -1;
	while (rows_next(rows) > 0) {
		p = find_probe(v, rows_int(rows, 0));
		if (!p)
			p = probe_add(v, rows_int(rows, 0), rows_text(rows, 2));
		if (p)
			probe_refresh(r, p);
	}
	LL_FOREACH_SAFE(v->probes, p, next)
		if (p->listed < 0 && !p->running) { /* removed */
			LL_DELETE(v->probes, p);
			probe_free(p);
		}
}

/* --- the record --- */

/* The head of each repository that was looked at: one program for each that has a path. */
static void put_heads(const json_t *seen, json_t *heads)
{
	const json_t *programs = json_object_get(seen, "programs"), *repo;
	size_t i, ran = 0;

	json_array_foreach(json_object_get(seen, "repositories"), i, repo) {
		json_t *found;

		if (!json_is_string(json_object_get(repo, "path")))
			continue;
		found = json_loads(event_text(json_array_get(programs, ran++), "output"), 0, NULL);
		if (*event_text(found, "head"))
			(void)json_object_set(heads, event_text(repo, "name"),
					      json_object_get(found, "head"));
		json_decref(found);
	}
}

static json_t *describe(const struct probe *p)
{
	return json_pack("{s:s,s:I,s:s,s:s,s:i,s:b,s:b,s:I,s:I,s:O?}", "probe", p->name, "probe_id",
			 (json_int_t)p->id, "answer", probe_words[p->said.answer], "detail",
			 p->said.detail, "filed", p->said.filed, "shadow", p->shadow, "kept",
			 p->kept, "at", (json_int_t)p->judged_wall, "took", (json_int_t)p->took,
			 "inputs", p->seen);
}

static void on_recorded(struct change *c);

static int send(struct judgement *j, json_t *text)
{
	struct change *c = change_new(CHANGE_JUDGED);
	AUTO_FREE char *s = text ? json_dumps(text, JSON_COMPACT) : NULL;

	if (!c || !s || change_text(c, s, strlen(s))) {
		change_free(c);
		return -ENOMEM;
	}
	c->op = "judge verdict";
	c->done = on_recorded;
	c->arg = j;

	j->v->recording++;
	store_commit(j->v->fs->store, c);
	return 0;
}

/* Let the writer record what PROBE (0: all) said, and offer what is to be offered. */
static int record(struct verdict_state *v, int64_t probe)
{
	struct judgement *j = calloc(1, sizeof(*j));
	json_t *all = json_array(), *heads = json_object(), *text;
	int64_t took = 0;
	struct probe *p;
	int err;

	if (!j)
		return -ENOMEM;
	*j = (struct judgement){ v, probe, v->stamp };
	LL_FOREACH(v->probes, p) {
		if (probe ? p->id != probe : p->listed <= 0 || !p->judged)
			continue;
		(void)json_array_append_new(all, describe(p));
		p->kept = 1;
		put_heads(p->seen, heads);
		took = p->took > took ? p->took : took;
	}
	text = json_pack("{s:b,s:I,s:I,s:o,s:o}", "alone", probe != 0, "seq", (json_int_t)v->seq,
			 "took", (json_int_t)took, "heads", heads, "probes", all);
	err = send(j, text);
	json_decref(text);
	if (err)
		free(j);
	return err;
}

static void wake(struct verdict_state *v, const struct judgement *j)
{
	struct waiter **p = &v->waiters, *w, *next, *due = NULL, **end = &due;

	while ((w = *p)) {
		if (!w->asked || w->probe != j->probe || w->stamp > j->stamp) {
			p = &w->next;
			continue;
		}
		*p = w->next;
		w->next = NULL;
		*end = w;
		end = &w->next;
	}
	LL_FOREACH_SAFE(due, w, next) {
		if (w->fn)
			w->fn(w->arg);
		free(w);
	}
}

/* What was said is not known to whom it was said: nobody shall take an old verdict for it. */
static void not_recorded(struct verdict_state *v, int err)
{
	struct world *w = store_world(v->fs->store);
	char detail[128];

	(void)snprintf(detail, sizeof(detail), "could not be recorded: %s", strerror(err));
	log_msg(LOG_ERR, "a verdict %s", detail);
	json_decref(v->last);
	v->last = json_pack("{s:s,s:I,s:I,s:i,s:{},s:[{s:s,s:s,s:s}],s:[]}", "verdict", "unknown",
			    "at", (json_int_t)w->wall_ms(w), "seq", (json_int_t)v->seq, "took", 0,
			    "heads", "probes", "probe", "verdict", "answer", "unknown", "detail",
			    detail, "shadow");
	v->judged = 0;
}

/* What the writer made of it is what is shown. */
static void on_recorded(struct change *c)
{
	struct judgement *j = c->arg;
	struct verdict_state *v = j->v;

	v->recording--;
	if (!j->probe) {
		json_t *said = c->result.err ? NULL : json_loads(buf_text(&c->result.why), 0, NULL);

		if (said) {
			json_decref(v->last);
			v->last = said;
			v->judged = now_of(v);
		} else {
			not_recorded(v, -c->result.err);
		}
	}
	change_free(c);
	wake(v, j);
	free(j);
	check_waiters(v);
}

/* --- who waits --- */

static int is_over(const struct verdict_state *v, const struct waiter *w)
{
	const struct probe *p;

	LL_FOREACH(v->probes, p)
		if (p->running && p->stamp <= w->stamp && (!w->probe || w->probe == p->id))
			return 0;
	return 1;
}

static void check_waiters(struct verdict_state *v)
{
	struct waiter *w, *same;

	LL_FOREACH(v->waiters, w) {
		int64_t probe = w->probe;

		if (w->asked || !is_over(v, w))
			continue;
		LL_FOREACH(v->waiters, same) /* one record serves all whose wait is over */
			if (same->probe == probe && is_over(v, same))
				same->asked = 1;
		if (record(v, probe)) {
			not_recorded(v, ENOMEM);
			wake(v, &(struct judgement){ v, probe, v->stamp });
			return; /* the list has changed: the others are looked at next time */
		}
	}
}

static int wait_for(struct verdict_state *v, int64_t probe, void (*fn)(void *arg), void *arg)
{
	struct waiter *w = calloc(1, sizeof(*w));

	if (!w)
		return -ENOMEM;
	*w = (struct waiter){ .probe = probe, .stamp = v->stamp, .fn = fn, .arg = arg };
	LL_APPEND(v->waiters, w);
	check_waiters(v);
	return 0;
}

/* Is the answer of P, or of all (NULL), young enough? */
static int is_fresh(struct request *r, const struct verdict_state *v, const struct probe *p)
{
	int64_t age = now_of(v) - (p ? p->judged : v->judged);

	if (!(p ? p->judged : v->judged))
		return 0;
	return age < field_duration(r->db, THING_CONTROL, 0, "verdict-interval") ||
	       (p && age < p->interval);
}

/* What was run: whoever runs below the daemon gets the last verdict: it must not wait for itself. */
static int is_probes(const struct request *r)
{
	return r->tid && caller_descends(r->tid, getpid()) > 0;
}

int verdict_ready(struct request *r, int64_t probe, void (*fn)(void *arg), void *arg)
{
	struct verdict_state *v = r->fs->verdict;
	struct probe *p;

	if ((!probe && is_fresh(r, v, NULL)) || is_probes(r))
		return 1;
	refresh(r, v);
	p = probe ? find_probe(v, probe) : NULL;
	if (probe && (!p || !p->listed || (is_fresh(r, v, p) && !v->recording)) &&
	    !(p && p->running))
		return 1;
	v->seq = store_seq(v->fs->store);
	LL_FOREACH(v->probes, p)
		if (probe ? p->id == probe : p->listed > 0)
			if (!p->running && !is_fresh(r, v, p))
				probe_start(r, p);
	return wait_for(v, probe, fn, arg);
}

int verdict_forget(struct verdict_state *v, void *arg)
{
	struct waiter *w;

	LL_SEARCH_SCALAR(v->waiters, w, arg, arg);
	if (!w)
		return 0;
	w->fn = NULL; /* it stays, so that what was run is recorded */
	w->arg = NULL;
	return 1;
}

void *verdict_take(struct verdict_state *v)
{
	struct waiter *w;

	LL_FOREACH(v->waiters, w) {
		void *arg = w->arg;

		if (arg && verdict_forget(v, arg))
			return arg;
	}
	return NULL;
}

/* --- what is shown --- */

/* The last roll-up, also of a daemon before this one; NULL: none. */
static const json_t *last_of(struct request *r)
{
	struct verdict_state *v = r->fs->verdict;

	if (!v->last) {
		AUTO_FREE char *text = db_text(r->db, Q(RUN_INPUTS), I(0));

		v->last = text ? json_loads(text, 0, NULL) : NULL;
	}
	return v->last;
}

static void show_heads(json_t *heads, struct buf *out)
{
	const char *name, *begin = "  head ";
	json_t *head;

	json_object_foreach(heads, name, head) {
		buf_str(out, begin);
		if (json_object_size(heads) > 1)
			buf_printf(out, "%s:", name);
		buf_printf(out, "%.8s", json_string_value(head));
		begin = " ";
	}
}

int verdict_show(struct request *r, int64_t id, struct buf *out)
{
	const json_t *last = last_of(r), *probes = json_object_get(last, "probes"), *p;
	int64_t took = event_int(last, "took");
	char when[TIME_TEXT];
	size_t i;

	(void)id;
	if (!last) {
		buf_line(out, "unknown");
		buf_line(out, "judged -");
		return 0;
	}
	buf_line(out, "%s", event_text(last, "verdict"));
	buf_printf(out, "judged %s  seq %lld", time_text(event_int(last, "at"), when),
		   (long long)event_int(last, "seq"));
	show_heads(json_object_get(last, "heads"), out);
	buf_line(out, "  took %lld.%02llds", (long long)took / 1000, (long long)took % 1000 / 10);
	json_array_foreach(probes, i, p)
		buf_line(out, "%-20s %-8s %s", event_text(p, "probe"), event_text(p, "answer"),
			 event_text(p, "detail"));
	if (!json_array_size(probes))
		buf_line(out, "no probes: mkdir probes/NAME; echo COMMAND > probes/NAME/command");
	return 0;
}

int verdict_json_show(struct request *r, int64_t id, struct buf *out)
{
	const json_t *last = last_of(r);
	AUTO_FREE char *text = last ? json_dumps(last, JSON_COMPACT) : NULL;

	(void)id;
	buf_line(out, "%s", text ? text : "{\"verdict\":\"unknown\"}");
	return 0;
}
