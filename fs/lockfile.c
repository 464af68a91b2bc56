#include <errno.h>

#include "backend/clean.h"
#include "backend/read.h"
#include "backend/text.h"
#include "fs/handle.h"
#include "fs/lockfile.h"
#include "fs/wait.h"

const struct kind mutex_kind = {
	SQL_FIND_MUTEX, SQL_LIST_MUTEX, SQL_STAT_MUTEX, SQL_MUTEX_NAME, PARENT_ARG, 0, 0, NULL
};
const struct kind door_kind = { SQL_FIND_NONE, SQL_LIST_NONE, SQL_STAT_DOOR, 0, PARENT_ARG, 0, 0,
				NULL };

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
int lock_mutex(struct request *r, int64_t id, struct handle *h)
{
	(void)id;
	return h->name ? ask(r, h, h->name) : -ESTALE;
}

int lock_door(struct request *r, int64_t id, struct handle *h)
{
	return lock_mutex(r, id, h);
}

void lock_path(struct request *r, const struct handle *h, struct buf *out)
{
	if (h->dir)
		node_path(r, h->dir, h->name, out);
	else
		node_path(r, h->ino, NULL, out);
}
