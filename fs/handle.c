#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fs/caller.h"
#include "fs/handle.h"

#define LARGE_MAX (1 << 20)
#define CUT_FROM 4096 /* a write of this many bytes may have been cut by a buffer */
#define CONTEST_MS 5000
#define CONTESTS 256
#define ANEW 8192 /* more processes than start within a tick */

/* How many files are open on a node. */
struct opened {
	uint64_t ino;
	int n;
	UT_hash_handle hh;
};

static struct handle *handles;
static struct opened *opened;
static uint64_t last_fh;

/* The last grants, and by whom they were asked for. */
static struct contest {
	int64_t token, at; /* ms since boot */
	int32_t pid, parent;
	int32_t last; /* the newest process there was */
	int64_t start;
} contests[CONTESTS];
static unsigned contest_next;

static struct opened *opened_find(uint64_t ino)
{
	struct opened *o = NULL;

	HASH_FIND(hh, opened, &ino, sizeof(ino), o);
	return o;
}

static int opened_add(uint64_t ino)
{
	struct opened *o = opened_find(ino);

	if (!o) {
		o = calloc(1, sizeof(*o));
		if (!o)
			return -ENOMEM;
		o->ino = ino;
		HASH_ADD(hh, opened, ino, sizeof(o->ino), o);
	}
	o->n++;
	return 0;
}

static void opened_remove(uint64_t ino)
{
	struct opened *o = opened_find(ino);

	if (!o || --o->n)
		return;
	HASH_DEL(opened, o); /* NOLINT(clang-analyzer-*): O is in the table */
	free(o);
}

int handle_is_open(uint64_t ino)
{
	return opened_find(ino) != NULL;
}

struct handle *handle_new(struct request *r, uint64_t ino, int flags)
{
	const struct node *n = node_of(ino);
	struct handle *h = calloc(1, sizeof(*h));

	if (!h)
		return NULL;
	h->fh = ++last_fh;
	if (n && n->row == ROW_DOOR && !NODE_ID(ino)) /* each is a node of its own */
		ino = NODE_INO(h->fh, ROW_DOOR);
	if (opened_add(ino)) {
		free(h);
		return NULL;
	}
	h->ino = ino;
	h->flags = flags;
	h->token = n && n->flags & NODE_FENCED ? NODE_ID(ino) : 0;
	h->pid = r->actor.pid;
	h->start = r->actor.start;
	h->session = r->actor.session;
	HASH_ADD(hh, handles, fh, sizeof(h->fh), h);
	return h;
}

struct handle *handle_get(uint64_t fh)
{
	struct handle *h = NULL;

	HASH_FIND(hh, handles, &fh, sizeof(fh), h);
	return h;
}

void handle_close(uint64_t fh)
{
	struct handle *h = handle_get(fh);

	if (!h)
		return;
	HASH_DEL(handles, h); /* NOLINT(clang-analyzer-*): H is in the table */
	opened_remove(h->ino);
	change_free(h->unlock);
	free(h->name);
	buf_free(&h->text);
	buf_free(&h->accepted);
	free(h);
}

void handle_close_all(void)
{
	struct handle *h, *next;

	for (h = handles; h; h = next) {
		next = h->hh.next;
		handle_close(h->fh);
	}
}

void handle_each(void (*fn)(struct handle *h, void *arg), void *arg)
{
	struct handle *h, *next;

	for (h = handles; h; h = next) {
		next = h->hh.next;
		fn(h, arg);
	}
}

static int check_cut(struct request *r, const struct handle *h, const char *p, size_t n)
{
	const struct node *node = node_of(h->ino);

	if (!(node->flags & NODE_LIST) || n < CUT_FROM || p[n - 1] == '\n')
		return 0;
	return request_refuse(
		r, EINVAL,
		"write whole lines: at most 4095 bytes at once, or one write(2) that ends in a newline",
		"a write of %zu bytes that ends inside a line: a buffer may have cut it", n);
}

int handle_write(struct request *r, struct handle *h, int64_t off, const char *p, size_t n,
		 struct buf *out, int *append)
{
	size_t max = node_of(h->ino)->flags & NODE_LARGE ? LARGE_MAX : FIELD_MAX;
	int err;

	*append = h->flags & O_APPEND ? 1 + h->mid_line : 0;
	if (n > max || (!*append && h->accepted.n + n > max))
		return request_refuse(r, E2BIG, "write less", "more than %zu bytes", max);
	if (!*append && off != (int64_t)h->accepted.n)
		return request_refuse(
			r, EINVAL, "write from the start, or go on where you are, or open with >>",
			"a write at offset %lld, where %zu was expected", (long long)off,
			h->accepted.n);
	err = check_cut(r, h, p, n);
	if (err)
		return err;
	if (!*append)
		buf_add(out, h->accepted.p ? h->accepted.p : "", h->accepted.n);
	buf_add(out, p, n);
	return out->err;
}

void handle_accept(struct handle *h, const struct buf *text, int append)
{
	if (append) {
		h->mid_line = !(node_of(h->ino)->flags & NODE_LIST) && text->n &&
			      text->p[text->n - 1] != '\n';
		return;
	}
	buf_clear(&h->accepted);
	buf_add(&h->accepted, buf_text(text), text->n);
}

static int is_of(const struct handle *h, const struct actor *a)
{
	if (h->pid != a->pid || h->start != a->start)
		return 0;
	return a->pid || (a->session && a->session == h->session);
}

int handle_is_winner(const struct request *r, int64_t token)
{
	for (const struct handle *h = handles; h; h = h->hh.next)
		if (h->won && h->token == token && is_of(h, &r->actor))
			return 1;
	return 0;
}

int handle_is_first_touch(const struct request *r, int64_t token)
{
	for (struct handle *h = handles; h; h = h->hh.next) {
		if (!h->won || h->token != token || !is_of(h, &r->actor))
			continue;
		return !(h->flags & O_EXCL) && !h->touched++;
	}
	return 0;
}

void handle_granted(struct request *r, int64_t token)
{
	struct world *w = store_world(r->fs->store);

	contests[contest_next++ % CONTESTS] = (struct contest){
		.token = token,
		.at = w->boot_ms(w),
		.pid = r->actor.pid,
		.parent = r->parent,
		.last = caller_last_pid(),
		.start = r->actor.start,
	};
}

/*
 * Was the process there when the contest was decided? Starts are known to a
 * tick alone; within one the number tells, which may have begun anew.
 */
static int is_older(const struct contest *c, const struct actor *a)
{
	int64_t tick = 1000 / sysconf(_SC_CLK_TCK), start = caller_start_ms(a->start);
	int began_anew = labs((long)a->pid - c->last) > ANEW;

	if (start + tick <= c->at)
		return 1;
	if (start > c->at || c->last <= 0)
		return 0;
	return (a->pid <= c->last) != began_anew;
}

int handle_is_contender(const struct request *r, int64_t token)
{
	struct world *w = store_world(r->fs->store);
	const struct actor *actor = &r->actor;
	int64_t now = w->boot_ms(w);

	for (int i = 0; i < CONTESTS; i++) {
		const struct contest *c = &contests[i];

		if (c->token != token || now - c->at > CONTEST_MS)
			continue;
		if (!actor->pid || !c->pid || (actor->pid == c->pid && actor->start == c->start))
			return 0;
		return is_older(c, actor) && caller_descends(c->parent, actor->pid) == 0;
	}
	return 0;
}
