#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend/clean.h"
#include "backend/read.h"
#include "backend/text.h"
#include "fs/handle.h"
#include "fs/lockfile.h"
#include "fs/wait.h"

#define LATE_MS 1000
#define LATES 64

const struct kind mutex_kind = {
	SQL_FIND_MUTEX, SQL_LIST_MUTEX, SQL_STAT_MUTEX, SQL_MUTEX_NAME, PARENT_ARG, 0, 0, NULL, NULL
};
const struct kind door_kind = { SQL_FIND_NONE, SQL_LIST_NONE, SQL_STAT_DOOR, 0, PARENT_ARG, 0, 0,
				NULL,	       NULL };

static void show_holder(const struct mutex *m, struct buf *out)
{
	char when[TIME_TEXT];

	buf_line(out, "holder %s pid %d token %lld since %s", m->holder, m->pid,
		 (long long)m->token, time_text(m->since, when));
}

int mutex_show(struct request *r, int64_t id, struct buf *out)
{
	AUTO_ROWS *rows = NULL;
	struct mutex m;
	int got = read_mutex(r->db, id, &m);

	if (got <= 0)
		return got ? got : -ESTALE;
	buf_line(out, "mutex %s", m.name);
	buf_line(out, "mode %s", m.shared ? "shared" : "exclusive");
	rows = db_rows(r->db, Q(LOCKS_NAMED), T(m.name));
	while ((got = mutex_row(rows, &m)) > 0)
		show_holder(&m, out);
	rows_end(&rows);
	if (got >= 0)
		wait_show_name(r, m.name, out);
	return got;
}

int door_show(struct request *r, int64_t id, struct buf *out)
{
	(void)r;
	(void)out;
	return handle_get((uint64_t)id) ? 0 : -ESTALE;
}

static int ask(struct request *r, struct handle *h, const char *name)
{
	int err = request_identify(r, h->as);

	if (err)
		return err;
	if (!request_change(r, CHANGE_LOCK, name))
		return request_error(r);
	r->change->token = h->lock;
	return 0;
}

int lock_claim(struct request *r, int64_t id, struct handle *h)
{
	struct grant g;

	if (read_grant(r->db, id, &g) <= 0)
		return -ESTALE;
	return ask(r, h, g.name);
}

/* The holder may have gone since it was opened: the name is what counts. */
int lock_named(struct request *r, int64_t id, struct handle *h)
{
	(void)id;
	return h->name ? ask(r, h, h->name) : -ESTALE;
}

void lock_path(struct request *r, const struct handle *h, struct buf *out)
{
	if (h->dir)
		node_path(r, h->dir, h->name, out);
	else
		node_path(r, h->ino, NULL, out);
}

/* --- opening --- */

/* What flock will need to know of it: a mutex goes by its name, as does a door. */
int lock_opened(struct request *r, struct handle *h)
{
	const struct node *n = r->node;
	const struct handle *door = handle_get((uint64_t)NODE_ID(h->ino));
	struct mutex m;

	if (n->lock && n->row != ROW_DOOR)
		h->as = node_session(r, n, NODE_ID(h->ino));
	if (n->row == ROW_MUTEX) {
		if (read_mutex(r->db, NODE_ID(h->ino), &m) <= 0)
			return -ESTALE;
		h->name = strdup(m.name);
	} else if (n->row == ROW_DOOR) { /* opened anew through a descriptor */
		if (!door || !door->dir)
			return -ESTALE;
		h->dir = door->dir;
		h->as = door->as;
		h->name = strdup(door->name);
	} else {
		return 0;
	}
	return h->name ? 0 : -ENOMEM;
}

/*
 * Who opens what was let go since it was looked up is told ESTALE, and the kernel looks
 * again; but once only. Where locks go from hand to hand it finds the next one gone as
 * well, and flock would fail: so the second time it is opened all the same. It can be
 * locked, which goes by name; there is nothing to read.
 */
static struct late {
	int32_t tid;
	int64_t at;	/* ms since boot; 0: none */
	int64_t id;	/* of the first */
	int64_t looked; /* of the second, which was shown and will be opened */
	char name[NAME_BUFFER];
} lates[LATES];

/* The name of the claim or mutex that INO was; owned by the caller. NULL: none. */
static char *name_that_was(struct request *r, uint64_t ino)
{
	struct grant g;

	switch (node_of(ino)->row) {
	case ROW_CLAIM:
	case ROW_SESSION_CLAIM:
		return read_grant(r->db, NODE_ID(ino), &g) > 0 ? strdup(g.name) : NULL;
	case ROW_MUTEX:
		return db_text(r->db, Q(MUTEX_WAS), I(NODE_ID(ino)));
	default:
		return NULL;
	}
}

static int is_second(const struct late *l, int64_t id, const char *name)
{
	return id == l->looked || (id != l->id && strcmp(l->name, name) == 0);
}

/* The node of R is gone. Is it, after another one, the second of that name for this thread? */
int lock_is_late(struct request *r, int look)
{
	struct world *w = store_world(r->fs->store);
	struct late *l = &lates[(uint32_t)r->tid % LATES];
	char *name = r->node ? name_that_was(r, r->ino) : NULL;
	int64_t now = w->boot_ms(w), id = NODE_ID(r->ino);
	int again;

	if (!name)
		return 0;
	again = l->at && l->tid == r->tid && now - l->at < LATE_MS && is_second(l, id, name);
	l->tid = r->tid;
	l->at = again && !look ? 0 : now;
	l->id = id;
	l->looked = again && look ? id : 0;
	(void)snprintf(l->name, sizeof(l->name), "%s", name);
	free(name);
	return again;
}

/* Like lock_opened and its text, of a node that is gone. */
int lock_opened_late(struct request *r, struct handle *h)
{
	h->late = 1;
	h->as = node_session(r, r->node, NODE_ID(h->ino));
	h->name = name_that_was(r, h->ino);
	return h->name ? 0 : -ESTALE;
}
