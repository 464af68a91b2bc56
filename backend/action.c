#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "backend/action.h"
#include "backend/text.h"

#define LIMIT_MAX 1000000
#define NAMED 5 /* so many of those that fill a queue are named */

static int action_row(struct rows *r, struct action *out)
{
	int got = rows_next(r);

	if (got <= 0)
		return got;
	out->id = rows_int(r, 0);
	(void)snprintf(out->name, sizeof(out->name), "%s", rows_text(r, 1));
	out->session = rows_int(r, 2);
	(void)snprintf(out->by, sizeof(out->by), "%s", rows_text(r, 3));
	out->uid = (uint32_t)rows_int(r, 4);
	out->pid = (int32_t)rows_int(r, 5);
	out->since = rows_int(r, 6);
	out->changed = rows_int(r, 7);
	out->expires = rows_int(r, 8);
	out->state = (int)rows_int(r, 9);
	out->closed = (int)rows_int(r, 10);
	(void)snprintf(out->reason, sizeof(out->reason), "%s", rows_text(r, 11));
	return 1;
}

int read_action(struct db *db, int64_t id, struct action *out)
{
	AUTO_ROWS *r = db_rows(db, Q(ACTION), I(id));

	return action_row(r, out);
}

int read_action_named(struct db *db, const char *name, struct action *out)
{
	AUTO_ROWS *r = db_rows(db, Q(ACTION_NAMED), T(name));

	return action_row(r, out);
}

/* --- queues --- */

int action_queue_parse(const char *line, size_t n, struct action_queue *out)
{
	const char *blank = memchr(line, ' ', n);
	size_t len = blank ? (size_t)(blank - line) : 0;
	char number[24];

	if (!len || name_check(line, len) || n - len - 1 >= sizeof(number))
		return -EINVAL;
	(void)snprintf(out->prefix, sizeof(out->prefix), "%.*s", (int)len, line);
	(void)snprintf(number, sizeof(number), "%.*s", (int)(n - len - 1), blank + 1);
	return int_parse(number, 0, LIMIT_MAX, &out->limit) ? -EINVAL : 0;
}

/* Is the key NAME at or below the N bytes of PREFIX? */
static int is_below(const char *name, const char *prefix, size_t n)
{
	return strncmp(name, prefix, n) == 0 && (!name[n] || name[n] == ':' || name[n] == '#');
}

int action_queue_find(const char *limits, const char *name, struct action_queue *out)
{
	struct lines l = { limits, limits ? limits + strlen(limits) : limits };
	struct action_queue q;
	const char *line;
	size_t n, best = 0;

	while (limits && lines_next(&l, &line, &n)) {
		size_t len = n;

		while (len && line[len] != ' ')
			len--;
		if (len <= best || !is_below(name, line, len) || action_queue_parse(line, n, &q))
			continue;
		best = len;
		*out = q;
	}
	return best > 0;
}

int64_t action_queue_count(struct db *db, const char *limits, const struct action_queue *q,
			   char *who, size_t n)
{
	static const char *const words[] = { "", "permitted", "unknown", "done" };
	AUTO_ROWS *r = db_rows(db, Q(ACTIONS_OPEN), T(q->prefix));
	struct action_queue its;
	struct action a;
	int64_t count = 0;
	size_t used = 0;
	int got = 0;

	*who = 0;
	while (count <= q->limit && (got = action_row(r, &a)) > 0) {
		/* a longer prefix has it for itself */
		if (!action_queue_find(limits, a.name, &its) || strcmp(its.prefix, q->prefix) != 0)
			continue;
		if (count++ < NAMED && used < n)
			used += (size_t)snprintf(who + used, n - used, "%s%s (%s, session %s)",
						 used ? ", " : "", a.name, words[a.state], a.by);
	}
	return got < 0 ? got : count;
}
