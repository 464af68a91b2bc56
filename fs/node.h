/*
 * node: the tree as rows. A directory is a table of rows; a row is a name,
 * a mode and its handlers. An inode number is `thing id << 16 | row`, so the
 * tree needs no memory of what was looked up. Knows neither FUSE nor SQL text.
 */
#ifndef FS_NODE_H
#define FS_NODE_H

#include <stdint.h>
#include <sys/stat.h>

#include "backend/field.h"
#include "fs/request.h"
#include "fs/rows.h"

enum node_type { NODE_END, NODE_DIR, NODE_FILE, NODE_LINK };

/* Where a kind's statements get their first value from. */
enum kind_parent { PARENT_THING, PARENT_ARG, PARENT_RECENT };

/* A kind of thing the store has many of: how one is found, listed, looked at. */
struct kind {
	enum sql find; /* (parent, name) -> id */
	enum sql list; /* (parent, after id) -> id, name; in order of id */
	enum sql stat; /* (id[, arg]) -> uid, mtime ms[, gid]; no row: gone */
	enum sql name; /* (id) -> name; 0 (USER_VERSION): none */
	enum kind_parent parent;
	int64_t arg;
	enum sql above; /* (id) -> the thing whose directory it is in; 0: the same, or none */
	int (*find_id)(const char *name,
		       int64_t *id); /* ids that are no store ids: find gets the id alone */
	/* Is thing ID a WHAT? Of rows that are there for some alone; NULL: there are none. */
	int (*is)(struct request *r, int64_t id, const char *what);
};

struct handle;

/* What making, removing and moving names in a directory means; NULL: EPERM. */
struct dir_ops {
	const char *verb; /* what `create` is called in `why`; NULL: create */
	int (*create)(struct request *r, int64_t id, const char *name, int flags);
	int (*mkdir)(struct request *r, int64_t id, const char *name);
	int (*unlink)(struct request *r, int64_t id, const char *name);
	int (*rmdir)(struct request *r, int64_t id, const char *name);
	/* from here to the directory (to, to_id); the name stays. */
	int (*rename)(struct request *r, int64_t id, const char *name, const struct node *to,
		      int64_t to_id);
};

#define NODE_STATIC 1u	  /* the text never changes: the kernel may cache it */
#define NODE_HIDDEN 2u	  /* answers look-ups, is not listed */
#define NODE_LIST 4u	  /* a write of 4096 bytes or more must end with a line */
#define NODE_OWNER 8u	  /* belongs to the mount's owner, not to the thing's */
#define NODE_SESSION 16u  /* using it acts as the session whose thing it is */
#define NODE_WAIT 32u	  /* reads block until there is something, which `next` tells */
#define NODE_STREAM 64u	  /* served by offset (events) */
#define NODE_VERDICT 128u /* opening it runs the probes */
#define NODE_FENCED \
	256u /* its thing is a grant or a permission: handles know whose CREATE got it */
#define NODE_LARGE 1024u  /* takes writes of up to 1 MiB */
#define NODE_STRICT 2048u /* who may not open it for writing does not truncate it either */
#define NODE_COSTLY 512u  /* long to render: the size of the last copy will do */

struct node {
	enum node_type type;
	enum row row;
	const char *name; /* NULL: one for each thing of kind `each` */
	uint32_t mode;
	unsigned flags;
	const char *field;  /* attributes: which, where it is not called as the file is */
	enum thing_kind of; /* attributes: what kind of thing the id is, or things made in it */
	const char
		*only; /* there for things that are this alone (kind->is); "-x": for all others */
	const struct kind *each;
	enum sql stat;		     /* instead of each->stat, for this row alone; 0: none */
	const struct node *children; /* a directory's table, ended by END */
	const struct dir_ops *ops;
	/* Append the text; never sees an offset. 0 or -errno. */
	int (*show)(struct request *r, int64_t id, struct buf *out);
	/* One whole message; makes r->change. 0, or refused. */
	int (*store)(struct request *r, int64_t id, const char *text, size_t n, int append);
	/* Setting the times to now; makes r->change (or none). NULL: EPERM, or nothing for files that can be written. */
	int (*touch)(struct request *r, int64_t id);
	/* Opening for writing: 0 or refused. */
	int (*open)(struct request *r, int64_t id, int flags);
	/*
	 * NODE_WAIT: append what came behind event *AT, whole lines, till there are SIZE bytes;
	 * *AT: the last of it. 1: no more will ever come; 0 or -errno.
	 */
	int (*next)(struct request *r, int64_t id, int64_t *at, size_t size, struct buf *out);
	/* flock: makes r->change, for the open file H. NULL: EOPNOTSUPP. */
	int (*lock)(struct request *r, int64_t id, struct handle *h);
};

#define DIR(r, n, rows)                                                                     \
	{                                                                                   \
		.type = NODE_DIR, .row = (r), .name = (n), .mode = 0555, .children = (rows) \
	}
#define DIR_OPS(r, n, m, rows, o)                                                           \
	{                                                                                   \
		.type = NODE_DIR, .row = (r), .name = (n), .mode = (m), .children = (rows), \
		.ops = (o)                                                                  \
	}
#define FILE_RO(r, n, fn)                                                              \
	{                                                                              \
		.type = NODE_FILE, .row = (r), .name = (n), .mode = 0444, .show = (fn) \
	}
#define FILE_RW(r, n, m, sh, st)                                                       \
	{                                                                              \
		.type = NODE_FILE, .row = (r), .name = (n), .mode = (m), .show = (sh), \
		.store = (st)                                                          \
	}
/* A field of backend/field.c, shown and stored as it is. */
#define FIELD(r, n, k, m)                                                           \
	{                                                                           \
		.type = NODE_FILE, .row = (r), .name = (n), .mode = (m), .of = (k), \
		.show = field_show, .store = field_store                            \
	}
/* The same, of the mount's owner, and of operators where the mode says so. */
#define OPERATORS_FIELD(r, n, k, m)                                                 \
	{                                                                           \
		.type = NODE_FILE, .row = (r), .name = (n), .mode = (m), .of = (k), \
		.flags = NODE_OWNER, .show = field_show, .store = field_store       \
	}
/* One of control/GROUP/, kept as the field GROUP.NAME. */
#define SETTING_OF(group, r, n)                                                                \
	{                                                                                      \
		.type = NODE_FILE, .row = (r), .name = (n), .mode = 0644, .of = THING_CONTROL, \
		.field = group "." n, .flags = NODE_OWNER, .show = field_show,                 \
		.store = field_store                                                           \
	}
#define END                      \
	{                        \
		.type = NODE_END \
	}

/* Things that are a name and fields: mkdir and rmdir of the kind that the row says. */
extern const struct dir_ops things_ops;
#define THING_KIND(k, fn)                                                                        \
	{                                                                                        \
		SQL_FIND_THING, SQL_LIST_THING, SQL_STAT_THING, SQL_THING_NAME, PARENT_ARG, (k), \
			0, NULL, (fn)                                                            \
	}
/* A directory in which things of kind K are made, and one of them; kind_ptr as THING_KIND. */
#define THINGS_DIR(r, n, m, k, rows)                                               \
	{                                                                          \
		.type = NODE_DIR, .row = (r), .name = (n), .mode = (m), .of = (k), \
		.children = (rows), .ops = &things_ops                             \
	}

/* Handlers of FIELD rows; the field is the row's name. */
int field_show(struct request *r, int64_t id, struct buf *out);
int field_store(struct request *r, int64_t id, const char *text, size_t n, int append);

#define NODE_INO(id, row) ((uint64_t)(id) << 16 | (uint64_t)(row))
#define NODE_ID(ino) ((int64_t)((ino) >> 16))

/* Number the tree under ROOT. -EEXIST: a number given twice; -EINVAL. */
int node_init(const struct node *root);
/* The row of an inode number; NULL: none. */
const struct node *node_of(uint64_t ino);
/* The row above; NULL for the root. */
const struct node *node_above(const struct node *n);
/* The kind of thing the ids of a row are; NULL: thing 0. */
const struct kind *node_kind(const struct node *n);

/* 0 and *INO; -ENOENT, -ENOTDIR, -ESTALE. */
int node_lookup(struct request *r, uint64_t dir, const char *name, uint64_t *ino);
/* Everything but timestamps of the daemon's own: see docs/tree.md. 0, -ESTALE. */
int node_stat(struct request *r, uint64_t ino, struct stat *st);
/* Entries from cookie OFF on; FN returns 1 when it is full. 0 or -errno. */
int node_list(struct request *r, uint64_t dir, int64_t off,
	      int (*fn)(void *arg, const char *name, uint64_t ino, int64_t next), void *arg);
/* The text of a file, or the target of a link. */
int node_show(struct request *r, uint64_t ino, struct buf *out);
/* The path of a node from the root of the mount, "claims/T"; NAME under it when not NULL. */
void node_path(struct request *r, uint64_t ino, const char *name, struct buf *out);
/* The session a node's directory stands for; 0: none. */
int64_t node_session(struct request *r, const struct node *n, int64_t id);

/* Walk all rows, parents first: for tests and documents. */
void node_each(void (*fn)(const struct node *n, const struct node *above, void *arg), void *arg);

#endif
