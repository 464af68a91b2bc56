#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "backend/clean.h"
#include "backend/cover.h"
#include "backend/overlap.h"

struct entry {
	struct artifact a;
	int number;
};

struct cover {
	struct entry *at;
	size_t n, room;
	int sorted;
};

/* What is asked for, and the lowest number that answers it. */
struct question {
	const struct cover *c;
	const char *name; /* NULL: the stem alone, for what covers all of it */
	int best;	  /* -1: none */
};

struct cover *cover_new(void)
{
	return calloc(1, sizeof(struct cover));
}

void cover_free(struct cover *c)
{
	if (!c)
		return;
	for (size_t i = 0; i < c->n; i++)
		artifact_release(&c->at[i].a);
	free(c->at);
	free(c);
}

static int grow(struct cover *c)
{
	size_t room = c->room ? c->room * 2 : 64;
	struct entry *at = reallocarray(c->at, room, sizeof(*at));

	if (!at)
		return -ENOMEM;
	c->at = at;
	c->room = room;
	return 0;
}

int cover_add(struct cover *c, const char *name)
{
	int in_none = *name == ':'; /* in no repository */
	int err = c->n == c->room ? grow(c) : 0;

	if (!err)
		err = artifact_parse(name + in_none, strlen(name + in_none), "", &c->at[c->n].a,
				     NULL);
	if (err)
		return err;
	c->at[c->n].number = (int)c->n;
	c->n++;
	c->sorted = 0;
	return 0;
}

static int by_stem(const void *a, const void *b)
{
	const struct entry *x = a, *y = b;

	return strcmp(x->a.stem, y->a.stem);
}

/* The first entry whose stem is not before STEM, or, with PAST, is behind it. */
static size_t first_from(const struct cover *c, const char *stem, int past)
{
	size_t lo = 0, hi = c->n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (strcmp(c->at[mid].a.stem, stem) < past)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

static void consider(struct question *q, size_t from, size_t to)
{
	for (size_t i = from; i < to; i++) {
		const struct entry *e = &q->c->at[i];

		if (q->best >= 0 && e->number > q->best)
			continue;
		if (q->name ? artifact_overlap(e->a.name, q->name) : e->a.literal)
			q->best = e->number;
	}
}

static int at_stem(const char *stem, void *arg)
{
	struct question *q = arg;

	consider(q, first_from(q->c, stem, 0), first_from(q->c, stem, 1));
	return 0;
}

static void below_stem(struct question *q, const char *stem)
{
	char lo[ARTIFACT_BUFFER], hi[ARTIFACT_BUFFER];

	artifact_below(stem, lo, hi);
	consider(q, first_from(q->c, lo, 1), first_from(q->c, hi, 0));
}

/* PATH's first N bytes as an artifact of REPO. 0 and *OUT, or -errno. */
static int as_artifact(const char *repo, const char *path, size_t n, struct artifact *out)
{
	AUTO_BUF struct buf literal = BUF_INIT;

	if (!n)
		return artifact_parse("**", 2, repo, out, NULL);
	buf_str(&literal, "./"); /* a ':' in its first segment names no other space */
	cover_literal(path, n, &literal);
	return literal.err ? -ENOMEM :
			     artifact_parse(buf_text(&literal), literal.n, repo, out, NULL);
}

/* The length of the directory that the first N bytes of PATH are in; 0: the work tree. */
static size_t above(const char *path, size_t n)
{
	while (n && path[n - 1] != '/')
		n--;
	return n ? n - 1 : 0;
}

int cover_artifact(const char *repo, const char *path, struct artifact *out)
{
	size_t whole = strlen(path), n;
	int err;

	while (whole && path[whole - 1] == '/')
		whole--;
	for (n = whole; (err = as_artifact(repo, path, n, out)) && err != -ENOMEM && n;)
		n = above(path, n);
	return err ? err : n == whole;
}

int cover_find(struct cover *c, const char *repo, const char *path)
{
	struct question q = { .c = c, .best = -1 };
	struct artifact a;
	int got;

	if (!c->sorted && c->n)
		qsort(c->at, c->n, sizeof(*c->at), by_stem);
	c->sorted = 1;
	got = cover_artifact(repo, path, &a);
	if (got < 0)
		return got == -ENOMEM ? got : -1;
	q.name = got ? a.name : NULL;
	(void)at_stem(a.stem, &q);
	(void)artifact_ancestors(a.stem, at_stem, &q);
	if (q.name)
		below_stem(&q, a.stem);
	artifact_release(&a);
	return q.best;
}

void cover_literal(const char *path, size_t n, struct buf *out)
{
	for (size_t i = 0; i < n; i++)
		if (path[i] && strchr("[*?", path[i]))
			buf_printf(out, "[%c]", path[i]);
		else
			buf_char(out, path[i]);
}
