#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend/clean.h"
#include "backend/text.h"
#include "fs/node.h"

#define COOKIE_SHIFT 48
#define COOKIE_DOTS 2 /* "." and ".." come first */
#define COPY_LARGE 65536

static const struct node *nodes[ROW_MAX];
static const struct node *aboves[ROW_MAX];
static const struct kind *kinds[ROW_MAX];

static int number(const struct node *n, const struct node *above, const struct kind *kind)
{
	int err = 0;

	if (n->row <= 0 || n->row >= ROW_MAX)
		return -EINVAL;
	if (nodes[n->row])
		return nodes[n->row] == n ? 0 : -EEXIST;
	nodes[n->row] = n;
	aboves[n->row] = above;
	kinds[n->row] = n->each ? n->each : kind;
	for (const struct node *c = n->children; c && c->type && !err; c++)
		err = number(c, n, kinds[n->row]);
	return err;
}

int node_init(const struct node *root)
{
	memset(nodes, 0, sizeof(nodes));
	return number(root, NULL, NULL);
}

const struct node *node_of(uint64_t ino)
{
	uint64_t row = ino & 0xffff;

	return row < ROW_MAX ? nodes[row] : NULL;
}

const struct node *node_above(const struct node *n)
{
	return aboves[n->row];
}

const struct kind *node_kind(const struct node *n)
{
	return kinds[n->row];
}

void node_each(void (*fn)(const struct node *n, const struct node *above, void *arg), void *arg)
{
	for (int row = 0; row < ROW_MAX; row++)
		if (nodes[row])
			fn(nodes[row], aboves[row], arg);
}

/* Listings of done/ and sessions/ begin here: control/recent ago, wall ms. */
static int64_t recent_since(struct request *r)
{
	struct world *w = store_world(r->fs->store);

	return w->wall_ms(w) - field_duration(r->db, THING_CONTROL, 0, "recent");
}

/* The first value of a kind's statements, in a directory of thing ID. */
static int64_t kind_parent_value(struct request *r, const struct kind *k, int64_t id)
{
	if (k->parent == PARENT_THING)
		return id;
	return k->parent == PARENT_ARG ? k->arg : recent_since(r);
}

static int find_thing(struct request *r, const struct kind *k, int64_t id, const char *name,
		      int64_t *out)
{
	struct bind q[] = { { .type = 'q', .i = k->find },
			    I(kind_parent_value(r, k, id)),
			    T(name),
			    { .type = 0 } };
	int64_t found = 0;
	int got;

	if (k->find_id) {
		got = k->find_id(name, &found);
		if (got)
			return got;
		q[1] = (struct bind)I(found);
		q[2].type = 0;
	}
	got = db_int_bound(r->db, out, q);
	return got > 0 ? 0 : got ? got : -ENOENT;
}

static int is_there(struct request *r, const struct node *c, int64_t id)
{
	const struct kind *k = node_kind(c);
	int not = c->only && *c->only == '-';

	return !c->only || k->is(r, id, c->only + not ) != not ;
}

int node_lookup(struct request *r, uint64_t dir, const char *name, uint64_t *ino)
{
	const struct node *d = node_of(dir);
	int64_t id = NODE_ID(dir), found = 0;

	if (!d || d->type != NODE_DIR)
		return d ? -ENOTDIR : -ESTALE;
	for (const struct node *c = d->children; c && c->type; c++) {
		int err = -ENOENT;

		if (c->name && strcmp(c->name, name) == 0 && is_there(r, c, id)) {
			*ino = NODE_INO(id, c->row);
			return 0;
		}
		if (!c->name && !(c->flags & NODE_HIDDEN))
			err = find_thing(r, c->each, id, name, &found);
		if (err && err != -ENOENT)
			return err;
		if (!err) {
			*ino = NODE_INO(found, c->row);
			return 0;
		}
	}
	return -ENOENT;
}

/* uid, time and life of the thing a node belongs to. */
static int stat_thing(struct request *r, const struct node *n, const struct kind *k, int64_t id,
		      struct stat *st)
{
	struct bind q[] = { { .type = 'q', .i = n->stat ? n->stat : k->stat },
			    I(id),
			    { .type = 0 },
			    { .type = 0 } };
	AUTO_ROWS *rows = NULL;
	int64_t ms;
	int got;

	if (k->parent == PARENT_ARG && k->arg)
		q[2] = (struct bind)I(k->arg);
	rows = db_rows_bound(r->db, q);
	got = rows_next(rows);
	if (got <= 0)
		return got ? got : -ESTALE;
	st->st_uid = (uint32_t)rows_int(rows, 0);
	ms = rows_int(rows, 1);
	if (!ms)
		return 0; /* no time of its own: the mount's */
	st->st_mtim.tv_sec = ms / 1000;
	st->st_mtim.tv_nsec = (ms % 1000) * 1000000;
	return 0;
}

/* One copy of the one costly file, so that `ls -l` does not render it again. */
static struct {
	const struct node *node;
	int64_t seq;
	size_t size;
} copy;

static void keep_copy(struct request *r, const struct node *n, size_t size)
{
	copy.node = n;
	copy.seq = store_seq(r->fs->store);
	copy.size = size;
}

static int stat_size(struct request *r, uint64_t ino, const struct node *n, struct stat *st)
{
	AUTO_BUF struct buf text = BUF_INIT;
	int err;

	if (n->flags & NODE_STREAM) {
		st->st_size = store_bytes(r->fs->store);
		return 0;
	}
	if (n->flags & NODE_WAIT || (n->type == NODE_FILE && !n->show))
		return 0;
	if (n->flags & NODE_COSTLY && copy.node == n &&
	    (copy.seq == store_seq(r->fs->store) || copy.size > COPY_LARGE)) {
		st->st_size = (off_t)copy.size;
		return 0;
	}
	err = node_show(r, ino, &text);
	if (err)
		return err;
	st->st_size = (off_t)text.n;
	return 0;
}

int node_stat(struct request *r, uint64_t ino, struct stat *st)
{
	const struct node *n = node_of(ino);
	const struct kind *k;
	int err;

	if (!n)
		return -ESTALE;
	k = node_kind(n);
	memset(st, 0, sizeof(*st));
	st->st_ino = ino;
	st->st_uid = r->fs->owner;
	st->st_gid = r->fs->operators != UINT32_MAX ? r->fs->operators : r->fs->owner_gid;
	st->st_mtim.tv_sec = r->fs->mounted / 1000;
	st->st_nlink = n->type == NODE_DIR ? 2 : 1;
	st->st_blksize = 65536;
	st->st_mode = n->mode | (n->type == NODE_DIR  ? S_IFDIR :
				 n->type == NODE_LINK ? S_IFLNK :
							S_IFREG);
	err = k && k->stat ? stat_thing(r, n, k, NODE_ID(ino), st) : 0;
	if (!err && n->type != NODE_DIR)
		err = stat_size(r, ino, n, st);
	if (n->flags & NODE_OWNER)
		st->st_uid = r->fs->owner;
	st->st_blocks = (st->st_size + 511) / 512;
	st->st_atim = st->st_mtim;
	st->st_ctim = st->st_mtim;
	return err;
}

int node_show(struct request *r, uint64_t ino, struct buf *out)
{
	const struct node *n = node_of(ino), *was = r->node;
	uint64_t was_ino = r->ino;
	int err;

	if (!n || !n->show)
		return n ? -EINVAL : -ESTALE;
	r->node = n;
	r->ino = ino;
	err = n->show(r, NODE_ID(ino), out);
	r->node = was;
	r->ino = was_ino;
	if (!err && n->flags & NODE_COSTLY)
		keep_copy(r, n, out->n);
	if (!err)
		err = out->err ? out->err : db_error(r->db);
	return err;
}

/* --- listing --- */

typedef int list_fn(void *arg, const char *name, uint64_t ino, int64_t next);

static int64_t cookie(int64_t index, int64_t after)
{
	return (index + 1) << COOKIE_SHIFT | after;
}

static int list_things(struct request *r, const struct node *c, int64_t index, int64_t id,
		       int64_t after, list_fn *fn, void *arg)
{
	struct bind q[] = { { .type = 'q', .i = c->each->list },
			    I(kind_parent_value(r, c->each, id)),
			    I(after),
			    { .type = 0 } };
	AUTO_ROWS *rows = NULL;
	int got;

	rows = db_rows_bound(r->db, q);
	while ((got = rows_next(rows)) > 0) {
		int64_t child = rows_int(rows, 0);

		if (fn(arg, rows_text(rows, 1), NODE_INO(child, c->row), cookie(index, child)))
			return 1;
	}
	return got;
}

static int list_dots(uint64_t dir, int64_t off, list_fn *fn, void *arg)
{
	if (off < 1 && fn(arg, ".", dir, 1))
		return 1;
	return off < 2 && fn(arg, "..", dir, COOKIE_DOTS);
}

int node_list(struct request *r, uint64_t dir, int64_t off, list_fn *fn, void *arg)
{
	const struct node *d = node_of(dir);
	int64_t id = NODE_ID(dir), index = 0, after = 0;
	int64_t from = off <= COOKIE_DOTS ? 0 : (off >> COOKIE_SHIFT) - 1;
	struct stat st;
	int full;

	if (!d || d->type != NODE_DIR)
		return d ? -ENOTDIR : -ESTALE;
	full = node_kind(d) ? node_stat(r, dir, &st) : 0; /* what it belongs to may be gone */
	if (full)
		return full;
	full = list_dots(dir, off, fn, arg);
	if (off > COOKIE_DOTS)
		after = off & ((INT64_C(1) << COOKIE_SHIFT) - 1);
	for (const struct node *c = d->children; !full && c && c->type; c++, index++) {
		if (index < from || c->flags & NODE_HIDDEN || !is_there(r, c, id))
			continue;
		if (!c->name)
			full = list_things(r, c, index, id, index == from ? after : 0, fn, arg);
		else
			full = fn(arg, c->name, NODE_INO(id, c->row), cookie(index + 1, 0));
	}
	return full < 0 ? full : 0;
}

/* --- names and sessions --- */

static void thing_name(struct request *r, const struct node *n, int64_t id, struct buf *out)
{
	struct bind q[] = { { .type = 'q', .i = n->each->name }, I(id), { .type = 0 } };
	AUTO_FREE char *name = n->each->name ? db_text_bound(r->db, q) : NULL;

	buf_str(out, name ? name : "?");
}

/* The thing in whose directory a thing of kind K stands. */
static int64_t thing_above(struct request *r, const struct kind *k, int64_t id)
{
	struct bind q[] = { { .type = 'q', .i = k->above }, I(id), { .type = 0 } };

	return db_get_bound(r->db, 0, q);
}

void node_path(struct request *r, uint64_t ino, const char *name, struct buf *out)
{
	const struct node *chain[16], *n = node_of(ino);
	int64_t ids[16], id = NODE_ID(ino);
	int depth = 0;

	for (; n && node_above(n) && depth < 16; n = node_above(n)) {
		ids[depth] = id;
		chain[depth++] = n;
		if (n->each && n->each->above)
			id = thing_above(r, n->each, id);
	}
	for (int i = depth - 1; i >= 0; i--) {
		if (chain[i]->name)
			buf_str(out, chain[i]->name);
		else if (chain[i]->each)
			thing_name(r, chain[i], ids[i], out);
		if (i || name)
			buf_char(out, '/');
	}
	if (name)
		buf_str(out, name);
	if (!out->n)
		buf_char(out, '/');
}

int64_t node_session(struct request *r, const struct node *n, int64_t id)
{
	struct grant g;

	if (!(n->flags & NODE_SESSION))
		return 0;
	if (n->flags & NODE_FENCED)
		return read_grant(r->db, id, &g) > 0 ? g.session : 0;
	return id;
}

/* --- fields --- */

static const char *field_of(const struct node *n)
{
	return n->field ? n->field : n->name;
}

int field_show(struct request *r, int64_t id, struct buf *out)
{
	AUTO_FREE char *text = field_value(r->db, r->node->of, id, field_of(r->node));

	if (text)
		buf_line(out, "%s", text);
	return 0;
}

int field_store(struct request *r, int64_t id, const char *text, size_t n, int append)
{
	const struct node *node = r->node;
	struct change *c;
	int err = request_identify(r, node_session(r, node, id));

	if (err)
		return err;
	c = request_change(r, CHANGE_SET, NULL);
	if (!c)
		return request_error(r);
	c->of = node->of;
	c->thing = id;
	c->flags = append ? CHANGE_APPEND : 0;
	if (append > 1)
		c->flags |= CHANGE_GO_ON;
	(void)snprintf(c->field, sizeof(c->field), "%s", field_of(node));
	return change_text(c, text, n);
}
