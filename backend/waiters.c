#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <utlist.h>

#include "backend/waiters.h"

static struct line *find(const struct waiters *l, const char *name)
{
	struct line *line = NULL;

	HASH_FIND_STR(l->all, name, line);
	return line;
}

/* The first that has not been decided. */
static struct change *first(const struct line *line)
{
	struct change *c = line->waiting;

	while (c && c->served)
		c = c->wait_next;
	return c;
}

static void set_blocker(struct line *line, int64_t blocker)
{
	struct change *c;

	line->blocker = blocker;
	DL_FOREACH2(line->waiting, c, wait_next)
		c->blocker = blocker;
}

static struct line *line_new(struct waiters *l, const char *name)
{
	struct line *line = calloc(1, sizeof(*line));

	if (!line)
		return NULL;
	memcpy(line->name, name, strlen(name) + 1);
	HASH_ADD_STR(l->all, name, line);
	return line;
}

static void leave(struct line *line, struct change *c)
{
	DL_DELETE2(line->waiting, c, wait_prev, wait_next);
	c->wait_prev = c->wait_next = NULL;
	c->blocker = 0;
	c->joined = c->served = 0;
}

static void drop_empty(struct waiters *l, struct line *line)
{
	if (line->waiting)
		return;
	HASH_DEL(l->all, line); /* NOLINT(clang-analyzer-*): it is in the table */
	free(line);
}

int waiters_has(const struct waiters *l, const char *name)
{
	const struct line *line = find(l, name);

	return line && first(line);
}

int64_t waiters_count(const struct waiters *l, uint32_t uid)
{
	int64_t n = 0;

	for (const struct line *line = l->all; line; line = line->hh.next)
		for (const struct change *c = line->waiting; c; c = c->wait_next)
			n += c->actor.uid == uid && !c->served;
	return n;
}

int waiters_join(struct waiters *l, struct change *c, int64_t blocker, int64_t task)
{
	struct line *line = find(l, c->name);
	int is_first = !line || !first(line);

	if (!line && !(line = line_new(l, c->name)))
		return -ENOMEM;
	c->arrival = ++l->arrivals;
	c->joined = 1;
	c->served = 0;
	l->touched = 1;
	DL_APPEND2(line->waiting, c, wait_prev, wait_next);
	if (is_first) {
		line->task = task;
		line->stirred = 0;
		set_blocker(line, blocker);
	}
	c->blocker = line->blocker;
	return 0;
}

void waiters_stir(struct waiters *l, struct stir *s)
{
	for (struct line *line = l->all; line && s->n; line = line->hh.next) {
		const struct change *c = first(line);

		if (s->n > STIR_MAX)
			line->stirred = 1;
		for (int i = 0; i < s->n && i < STIR_MAX && !line->stirred; i++)
			line->stirred = s->ids[i] &&
					(s->ids[i] == line->blocker || s->ids[i] == line->task ||
					 (c && s->ids[i] == c->actor.session));
	}
	s->n = 0;
}

struct change *waiters_next(struct waiters *l)
{
	struct change *next = NULL;

	for (struct line *line = l->all; line; line = line->hh.next) {
		struct change *c = line->stirred ? first(line) : NULL;

		if (!c)
			line->stirred = 0;
		else if (!next || c->arrival < next->arrival)
			next = c;
	}
	return next;
}

void waiters_serve(struct waiters *l, struct change *c)
{
	c->served = 1;
	l->touched = 1;
}

int waiters_due(const struct waiters *l)
{
	for (const struct line *line = l->all; line; line = line->hh.next)
		if (line->stirred && first(line))
			return 1;
	return 0;
}

void waiters_wait(struct waiters *l, const struct change *c, int64_t blocker)
{
	struct line *line = find(l, c->name);

	if (!line)
		return;
	line->stirred = 0;
	l->touched = 1; /* the blocker may be of this batch, which may fail */
	set_blocker(line, blocker);
}

void waiters_commit(struct waiters *l, void (*fn)(struct change *c, void *arg), void *arg)
{
	struct line *line, *next_line;
	struct change *c, *next;

	for (line = l->touched ? l->all : NULL; line; line = next_line) {
		next_line = line->hh.next;
		DL_FOREACH_SAFE2(line->waiting, c, next, wait_next)
		{
			int joined = c->joined;

			c->joined = 0;
			if (!c->served)
				continue;
			leave(line, c);
			if (!joined)
				fn(c, arg);
		}
		drop_empty(l, line);
	}
	l->touched = 0;
}

void waiters_rollback(struct waiters *l)
{
	struct line *line, *next_line;
	struct change *c, *next;

	for (line = l->touched ? l->all : NULL; line; line = next_line) {
		next_line = line->hh.next;
		line->stirred = 1; /* what it knew of the batch is void */
		DL_FOREACH_SAFE2(line->waiting, c, next, wait_next)
		{
			c->served = 0;
			if (!c->joined)
				continue;
			c->thing = 0;
			leave(line, c);
		}
		drop_empty(l, line);
	}
	l->touched = 0;
}

void waiters_sweep(struct waiters *l, int all, void (*fn)(struct change *c, void *arg), void *arg)
{
	struct line *line, *next_line;
	struct change *c, *next;

	for (line = l->all; line; line = next_line) {
		next_line = line->hh.next;
		DL_FOREACH_SAFE2(line->waiting, c, next, wait_next)
		{
			if (!all && !c->cancelled)
				continue;
			leave(line, c);
			line->stirred = 1;
			fn(c, arg);
		}
		drop_empty(l, line);
	}
}
