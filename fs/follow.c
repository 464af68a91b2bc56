#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <uthash.h>
#include <utlist.h>

#include "backend/clean.h"
#include "fs/follow.h"
#include "fs/handle.h"

#define ANY 0 /* the thing of wait/events: every event is news of it */

/* Who waits for news of one thing, in order of arrival. */
struct follow_line {
	int64_t id;
	struct follower *first;
	UT_hash_handle hh;
};

struct follow {
	struct store *store;
	struct follow_line *lines; /* none is empty */
	int64_t seen;		   /* the last event that was looked at */
};

struct follow *follow_new(struct store *store)
{
	struct follow *t = calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	t->store = store;
	t->seen = store_seq(store);
	return t;
}

void follow_free(struct follow *t)
{
	if (!t)
		return;
	while (t->lines)
		t->lines->first->wake(t->lines->first, 1);
	free(t);
}

/* --- reading --- */

void follow_open(struct request *r, struct handle *h)
{
	h->at = store_seq(r->fs->store);
}

/* So much as there is, till there are SIZE bytes. 1: there will be no more; 0 or -errno. */
static int fill(struct request *r, struct handle *h, size_t size)
{
	const struct node *n = node_of(h->ino);
	AUTO_BUF struct buf more = BUF_INIT;
	int64_t at = h->at;
	int got;

	if (h->text.n >= size)
		return 0;
	got = n->next(r, NODE_ID(h->ino), &at, size - h->text.n, &more);
	if (got >= 0 && (more.err || db_error(r->db)))
		got = more.err ? more.err : db_error(r->db);
	if (got < 0)
		return got;
	if (more.n)
		buf_add(&h->text, more.p, more.n);
	h->at = at;
	return h->text.err ? h->text.err : got;
}

/* How much of TEXT goes into SIZE bytes: whole lines, if one does. */
static size_t whole_lines(const struct buf *text, size_t size)
{
	const char *last;

	if (text->n <= size)
		return text->n;
	last = memrchr(text->p, '\n', size);
	return last ? (size_t)(last - text->p) + 1 : size;
}

int follow_read(struct request *r, struct handle *h, size_t size, struct buf *out)
{
	int got = fill(r, h, size);
	size_t n;

	if (got < 0 || !h->text.n)
		return got;
	n = whole_lines(&h->text, size);
	buf_add(out, h->text.p, n);
	if (out->err)
		return out->err;
	buf_drop(&h->text, n);
	return 1;
}

int follow_ready(struct request *r, struct handle *h)
{
	int got = fill(r, h, 1);

	return got < 0 ? got : got || h->text.n;
}

/* --- waiting --- */

static struct follow_line *line_of(struct follow *t, int64_t id)
{
	struct follow_line *line = NULL;

	HASH_FIND(hh, t->lines, &id, sizeof(id), line);
	return line;
}

int follow_wait(struct follow *t, const struct handle *h, struct follower *f)
{
	int64_t id = NODE_ID(h->ino);
	struct follow_line *line = line_of(t, id);

	if (!line) {
		line = calloc(1, sizeof(*line));
		if (!line)
			return -ENOMEM;
		line->id = id;
		HASH_ADD(hh, t->lines, id, sizeof(line->id), line);
	}
	f->fh = h->fh;
	f->line = line;
	DL_APPEND(line->first, f);
	return 0;
}

void follow_leave(struct follow *t, struct follower *f)
{
	struct follow_line *line = f->line;

	if (!line)
		return;
	DL_DELETE(line->first, f);
	f->line = NULL;
	if (line->first)
		return;
	HASH_DEL(t->lines, line); /* NOLINT(clang-analyzer-*): LINE is in the table */
	free(line);
}

/* Each leaves by itself, if at all; the line goes with the last. */
static void wake_line(struct follow_line *line)
{
	struct follower *next;

	for (struct follower *f = line ? line->first : NULL; f; f = next) {
		next = f->next;
		f->wake(f, 0);
	}
}

static void wake_all(struct follow *t)
{
	struct follow_line *next;

	for (struct follow_line *line = t->lines; line; line = next) {
		next = line->hh.next;
		wake_line(line);
	}
}

/* The things that something happened to behind event T->seen, up to SEEN: ids into OUT. */
static int news(struct follow *t, int64_t seen, struct buf *out)
{
	struct db *db = store_reader(t->store);
	AUTO_ROWS *rows = db_rows(db, Q(FOLLOW_NEWS), I(t->seen), I(seen));
	int got;

	while ((got = rows_next(rows)) > 0) {
		int64_t id = rows_int(rows, 0);

		buf_add(out, &id, sizeof(id));
	}
	return got ? got : out->err;
}

/* Of those who wait for one thing; one look for all of them together. */
static void wake_those(struct follow *t, int64_t seen)
{
	AUTO_BUF struct buf ids = BUF_INIT;
	int err = store_read_begin(t->store);

	if (!err)
		err = news(t, seen, &ids);
	store_read_end(t->store);
	if (err) { /* let each look for itself, and hear of it */
		wake_all(t);
		return;
	}
	for (size_t at = 0; at < ids.n; at += sizeof(int64_t)) {
		int64_t id;

		memcpy(&id, ids.p + at, sizeof(id));
		wake_line(line_of(t, id));
	}
}

void follow_look(struct follow *t)
{
	int64_t seen = store_seq(t->store);
	int others;

	if (seen == t->seen)
		return;
	wake_line(line_of(t, ANY));
	others = t->lines && (t->lines->id != ANY || t->lines->hh.next);
	if (others)
		wake_those(t, seen);
	t->seen = seen;
}
