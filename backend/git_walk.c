/*
 * Which commits are new: reached from the branches, not from the known ones. A walk of our own,
 * since libgit2's ends at the missing parents of a shallow clone.
 *
 * Marks go down from known commits to their ancestors, newest first, so that most of the history is
 * never read. Times lie: a child may be older than its parent. So what is taken for new is certain
 * only once everything that is still to be read lies below it: see settle().
 */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#include "backend/git_impl.h"

/* Marks of a commit. BELOW << n: an ancestor of the n-th of the oldest new ones. */
#define KNOWN 1U /* a known one, or an ancestor of it */
#define READ 2U
#define QUEUED 4U
#define CUT 8U
#define EVERYTHING 16U /* no commit has it: wait until all are read */
#define BELOW 32U
#define BELOW_MAX 27U
#define SPREADING (~(READ | QUEUED | CUT))

struct commit {
	git_oid oid;
	uint32_t marks, parents, waiting;
	size_t first; /* of its parents in walk.edges */
	int64_t time;
	UT_hash_handle hh;
};

struct heap {
	struct commit **all;
	size_t n, cap;
};

struct walk {
	struct look *l;
	const struct git_shallow *shallow;
	struct commit *seen;
	struct commit **edges;
	size_t n_edges, cap_edges;
	struct heap queue, spreading; /* the latter only a stack */
	uint32_t want;		      /* the walk goes on while a queued commit lacks one of them */
	size_t open;		      /* how many do */
};

/* --- arrays --- */

static int grow(struct commit ***all, size_t n, size_t *cap)
{
	size_t more = *cap ? *cap * 2 : 64;
	struct commit **new;

	if (n < *cap)
		return 0;
	new = reallocarray(*all, more,
			   sizeof(struct commit *)); /* NOLINT(bugprone-sizeof-expression) */
	if (!new)
		return -ENOMEM;
	*all = new;
	*cap = more;
	return 0;
}

/* Newest first, and else in any order that is the same each time. */
static int before(const struct commit *a, const struct commit *b)
{
	return a->time != b->time ? a->time > b->time : git_oid_cmp(&a->oid, &b->oid) < 0;
}

static int heap_add(struct heap *h, struct commit *c)
{
	size_t i = h->n;

	if (grow(&h->all, h->n, &h->cap))
		return -ENOMEM;
	h->n++;
	for (; i && before(c, h->all[(i - 1) / 2]); i = (i - 1) / 2)
		h->all[i] = h->all[(i - 1) / 2];
	h->all[i] = c;
	return 0;
}

static struct commit *heap_take(struct heap *h)
{
	struct commit *first = h->all[0], *last = h->all[--h->n];
	size_t i = 0, child;

	while ((child = 2 * i + 1) < h->n) {
		if (child + 1 < h->n && before(h->all[child + 1], h->all[child]))
			child++;
		if (!before(h->all[child], last))
			break;
		h->all[i] = h->all[child];
		i = child;
	}
	h->all[i] = last;
	return first;
}

/* --- commits --- */

static struct commit *commit_of(struct walk *w, const git_oid *oid)
{
	struct commit *c;

	HASH_FIND(hh, w->seen, oid, sizeof(*oid), c); /* NOLINT(clang-analyzer-*): OID is whole */
	if (c)
		return c;
	c = calloc(1, sizeof(*c));
	if (!c)
		return NULL;
	c->oid = *oid;
	HASH_ADD(hh, w->seen, oid, sizeof(c->oid), c);
	return c;
}

static int is_cut(const struct git_shallow *s, const git_oid *oid)
{
	return s->n && bsearch(oid, s->cut, s->n, sizeof(*oid), git_oid_order);
}

static int add_parents(struct walk *w, struct commit *c, const git_commit *commit)
{
	unsigned n = git_commit_parentcount(commit);

	c->time = git_commit_time(commit);
	c->first = w->n_edges;
	if (n && is_cut(w->shallow, &c->oid)) {
		c->marks |= CUT;
		return 0;
	}
	for (unsigned i = 0; i < n; i++) {
		struct commit *p = commit_of(w, git_commit_parent_id(commit, i));

		if (!p || grow(&w->edges, w->n_edges, &w->cap_edges))
			return -ENOMEM;
		w->edges[w->n_edges++] = p;
		c->parents++;
	}
	return 0;
}

/* What is missing below a known commit is nothing to us: it may be one that gc takes piece by piece. */
static int read_commit(struct walk *w, struct commit *c)
{
	char hex[GIT_OID_HEXSZ + 1];
	git_object *o = NULL;
	int code = git_find(w->l, &c->oid, GIT_OBJECT_COMMIT, &o), err = 0;

	c->marks |= READ;
	if (!code)
		err = add_parents(w, c, (git_commit *)o);
	else if (!(c->marks & KNOWN))
		err = git_refused(w->l->says, code, git_oid_tostr(hex, sizeof(hex), &c->oid));
	git_object_free(o);
	return err;
}

static int is_open(const struct walk *w, const struct commit *c)
{
	return (c->marks & w->want) != w->want;
}

static int queue(struct walk *w, struct commit *c)
{
	int err = read_commit(w, c);

	if (err || !c->parents)
		return err; /* nothing lies below it */
	c->marks |= QUEUED;
	w->open += (size_t)is_open(w, c);
	return heap_add(&w->queue, c);
}

/* --- marks --- */

static int mark(struct walk *w, struct commit *c, uint32_t marks)
{
	struct heap *h = &w->spreading;
	int was_open = is_open(w, c);

	if ((c->marks & marks) == marks)
		return 0;
	c->marks |= marks;
	if (c->marks & QUEUED)
		w->open -= (size_t)(was_open && !is_open(w, c));
	if (!(c->marks & READ) || (c->marks & QUEUED))
		return 0; /* goes on from there when its turn comes */
	if (grow(&h->all, h->n, &h->cap))
		return -ENOMEM;
	h->all[h->n++] = c;
	return 0;
}

/* To the parents of C, and of all those below that were read and had their turn. */
static int spread(struct walk *w, struct commit *c)
{
	struct heap *h = &w->spreading;
	int err = 0;

	for (;; c = h->all[--h->n]) {
		for (uint32_t i = 0; i < c->parents && !err; i++)
			err = mark(w, w->edges[c->first + i], c->marks & SPREADING);
		if (err || !h->n)
			return err;
	}
}

static int mark_down(struct walk *w, struct commit *c, uint32_t marks)
{
	for (uint32_t i = 0; i < c->parents; i++) {
		struct commit *p = w->edges[c->first + i];
		int err = mark(w, p, marks);

		if (!err && w->spreading.n)
			err = spread(w, w->spreading.all[--w->spreading.n]);
		if (err)
			return err;
	}
	return 0;
}

/* Read on, newest first, until all that is queued has the marks WANT. */
static int walk_until(struct walk *w, uint32_t want)
{
	int err = 0;

	w->want = want;
	w->open = 0;
	for (size_t i = 0; i < w->queue.n; i++)
		w->open += (size_t)is_open(w, w->queue.all[i]);
	while (w->open && !err) {
		struct commit *c = heap_take(&w->queue);

		w->open -= (size_t)is_open(w, c);
		c->marks &= ~QUEUED;
		err = spread(w, c);
		for (uint32_t i = 0; i < c->parents && !err; i++)
			if (!(w->edges[c->first + i]->marks & READ))
				err = queue(w, w->edges[c->first + i]);
	}
	return err;
}

/* --- what is new --- */

static int is_new(const struct commit *c)
{
	return (c->marks & (READ | KNOWN)) == READ;
}

/* Whether no parent of C, which is new, is. */
static int is_oldest(const struct walk *w, const struct commit *c)
{
	for (uint32_t i = 0; i < c->parents; i++)
		if (is_new(w->edges[c->first + i]))
			return 0;
	return 1;
}

/* Give the ancestors of each of the oldest new ones a mark of its own; *want: all of those. */
static int mark_below(struct walk *w, uint32_t *want)
{
	unsigned n = 0;
	int err = 0;

	*want = KNOWN;
	for (struct commit *c = w->seen; c && !err; c = c->hh.next) {
		if (!is_new(c) || !is_oldest(w, c))
			continue;
		if (n == BELOW_MAX) {
			*want = EVERYTHING;
			return 0;
		}
		*want |= BELOW << n;
		err = mark_down(w, c, BELOW << n++);
	}
	return err;
}

/*
 * Only known ones are queued now, but one of them may be a descendant of what was taken for new. None
 * is once all are ancestors of each of the oldest new ones: whatever is new lies above one of these,
 * taken for new by mistake or not. That shows after a few more steps, where the branches parted.
 */
static int settle(struct walk *w)
{
	uint32_t want;
	int err = mark_below(w, &want);

	return err ? err : walk_until(w, want);
}

static int start_at(struct walk *w, const char *hex, uint32_t marks)
{
	struct commit *c;
	git_oid oid;

	if (strlen(hex) != GIT_OID_HEXSZ || git_oid_fromstr(&oid, hex))
		return 0;
	c = commit_of(w, &oid);
	if (!c)
		return -ENOMEM;
	c->marks |= marks;
	return c->marks & READ ? 0 : queue(w, c);
}

static int walk(struct walk *w, const struct git_scan_options *o, json_t *heads)
{
	const char *name;
	json_t *hex;
	int err = 0;

	for (size_t i = 0; i < o->n_known && !err; i++)
		err = start_at(w, o->known[i], KNOWN);
	json_object_foreach(heads, name, hex)
		if (!err)
			err = start_at(w, json_string_value(hex), 0);
	if (!err)
		err = walk_until(w, KNOWN);
	return err ? err : settle(w);
}

/* --- their order --- */

/* In QUEUE, emptied before: those that no child waits for. */
static int count_children(struct walk *w, size_t *n)
{
	int err = 0;

	w->queue.n = 0;
	*n = 0;
	for (struct commit *c = w->seen; c; c = c->hh.next)
		for (uint32_t i = 0; is_new(c) && i < c->parents; i++)
			w->edges[c->first + i]->waiting++;
	for (struct commit *c = w->seen; c && !err; c = c->hh.next) {
		*n += (size_t)is_new(c);
		if (is_new(c) && !c->waiting)
			err = heap_add(&w->queue, c);
	}
	return err;
}

static int take_children(struct walk *w, const struct commit *c)
{
	int err = 0;

	for (uint32_t i = 0; i < c->parents && !err; i++) {
		struct commit *p = w->edges[c->first + i];

		if (is_new(p) && --p->waiting == 0)
			err = heap_add(&w->queue, p);
	}
	return err;
}

/* The newest first, into the end of the list. */
static int put_in_order(struct walk *w, int64_t depth, struct git_told *out)
{
	size_t n;
	int err = count_children(w, &n);

	if (err)
		return err;
	out->n = depth > 0 && (uint64_t)depth < n ? (size_t)depth : n;
	out->older = (int64_t)(n - out->n);
	out->tips = calloc(out->n ? out->n : 1, sizeof(*out->tips));
	if (!out->tips)
		return -ENOMEM;
	for (size_t i = out->n; i && !err;) {
		struct commit *c = heap_take(&w->queue);

		out->tips[--i] = (struct git_tip){ c->oid, !!(c->marks & CUT) };
		err = take_children(w, c);
	}
	return err;
}

int git_walk(struct look *l, const struct git_scan_options *o, json_t *heads,
	     const struct git_shallow *shallow, struct git_told *out)
{
	struct walk w = { .l = l, .shallow = shallow };
	struct commit *all, *next;
	int err = walk(&w, o, heads);

	if (!err)
		err = put_in_order(&w, o->depth, out);
	all = w.seen;
	HASH_CLEAR(hh, w.seen); /* the table, not what is in it */
	for (; all; all = next) {
		next = all->hh.next;
		free(all);
	}
	free(w.edges);
	free(w.queue.all);
	free(w.spreading.all);
	return err;
}
