/*
 * One file on purpose, although longer than others: every FUSE operation is
 * a few lines here and its meaning is elsewhere.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <syslog.h>
#include <unistd.h>

#include <fuse_lowlevel.h>
#include <utlist.h>

#include "backend/clean.h"
#include "backend/log.h"
#include "backend/text.h"
#include "backend/read.h"
#include "fs/caller.h"
#include "fs/events.h"
#include "fs/follow.h"
#include "fs/handle.h"
#include "fs/ll.h"
#include "fs/lockfile.h"
#include "fs/lost.h"
#include "fs/prepare.h"
#include "fs/scan.h"
#include "fs/verdict.h"
#include "fs/wait.h"
#include "fs/watch.h"

#define FIXED_SECONDS 60.0 /* fixed names and texts */
#define LIVE_SECONDS 1.0   /* what moves, where the kernel takes an epoch */
#define EPOCH_MINOR 44	   /* FUSE protocol 7.44 */
#define NOTIFY_INC_EPOCH 8

struct ll {
	struct fs *fs;
	struct fuse_session *se;
	struct fuse_buf buf;
	int epoch; /* the kernel has FUSE_NOTIFY_INC_EPOCH */
	int running;
	int closing; /* locks of closed files that are being given back */
	struct follow *follow;
};

/* A request that is answered later. */
struct op {
	struct request r;
	struct ll *ll;
	fuse_req_t req;
	void (*reply)(struct op *op); /* the change was applied */
	struct fuse_file_info fi;
	uint64_t fh;
	struct buf text;
	int append;
	size_t size;
	int late;		   /* opens what has gone */
	struct waiter waiter;	   /* a lock that may have to wait */
	int how;		   /* of flock(2) */
	int again;		   /* it was cancelled, to be asked anew */
	struct prepared *prepared; /* what was found out for the change; NULL: nothing */
	struct follower follower;  /* a read that waits */
};

/* An open file that somebody polls. */
struct poller {
	struct follower follower;
	struct ll *ll;
	struct fuse_pollhandle *ph;
};

/* --- begin and end of a request --- */

static void request_start(struct request *r, fuse_req_t req, fuse_ino_t ino)
{
	const struct fuse_ctx *ctx = fuse_req_ctx(req);
	struct ll *l = fuse_req_userdata(req);

	memset(r, 0, sizeof(*r));
	r->fs = l->fs;
	r->db = store_reader(l->fs->store);
	r->uid = ctx->uid;
	r->gid = ctx->gid;
	r->tid = ctx->pid;
	r->ino = ino;
	r->node = node_of(ino);
	(void)store_read_begin(l->fs->store);
}

static void request_end(struct request *r)
{
	store_read_end(r->fs->store);
}

/* What was asked, for `why` and the log: "VERB PATH". */
static void request_op(struct request *r, const char *verb, uint64_t ino, const char *name)
{
	AUTO_BUF struct buf path = BUF_INIT;

	node_path(r, ino, name, &path);
	(void)snprintf(r->op, sizeof(r->op), "%s %s", verb, buf_text(&path));
	(void)line_mend(r->op); /* a name may hold anything, a line may not */
}

static struct op *op_new(fuse_req_t req, fuse_ino_t ino)
{
	struct op *op = calloc(1, sizeof(*op));

	if (!op) {
		(void)fuse_reply_err(req, ENOMEM);
		return NULL;
	}
	op->req = req;
	op->ll = fuse_req_userdata(req);
	request_start(&op->r, req, ino);
	return op;
}

static void op_free(struct op *op)
{
	prepare_end(op->prepared, NULL);
	buf_free(&op->text);
	request_release(&op->r);
	free(op);
}

/* By the path asked for, when nothing else has found out who asks. */
static void identify_here(struct op *op)
{
	struct request *r = &op->r;

	if (!r->identified)
		(void)request_identify(r, r->node ? node_session(r, r->node, NODE_ID(r->ino)) : 0);
}

/* ESTALE for what is gone is no refusal worth a word: the kernel looks again. */
static void refuse(struct op *op, int err, const struct buf *why)
{
	AUTO_BUF struct buf said = BUF_INIT;

	if ((why && why->n) || (err != -ESTALE && err != -ENOENT && err != -EINTR)) {
		if (why)
			buf_str(&said, buf_text(why)); /* identifying has words of its own */
		identify_here(op);
		request_note(&op->r, err, &said);
	}
	(void)fuse_reply_err(op->req, -err);
}

static void lock_again(struct op *op);

/*
 * Was a lock refused only because another of the same open file got it meanwhile? That one
 * cancelled it in line, or has let go what it was asked with, or is what it would wait for.
 * So has one let go what was said to be held still, before that was heard.
 * (EINTR without a signal must never be answered: the kernel makes errno 512 of it.)
 */
static int is_void(const struct op *op, const struct change *c)
{
	const struct handle *h = handle_get(op->fh);
	int err = c->result.err;

	if (!err)
		return c->token && c->result.id == c->token && h && h->lock != c->token;
	if (fuse_req_interrupted(op->req))
		return 0;
	if (err == -EINTR)
		return op->again;
	return (err == -ESTALE || err == -EWOULDBLOCK) && h && h->lock && h->lock != c->token;
}

/* It stands: those who look at repositories are told. */
static void decided(struct op *op, const struct change *c)
{
	prepare_end(op->prepared, c);
	op->prepared = NULL;
	if (!c->result.err)
		scan_decided(op->ll->fs->scan, c);
}

static void op_decided(struct change *c)
{
	struct op *op = c->arg;

	fuse_req_interrupt_func(op->req, NULL, NULL);
	wait_end(op->ll->fs, &op->waiter);
	op->r.change = c;
	(void)store_read_begin(op->ll->fs->store);
	if (c->kind == CHANGE_LOCK && is_void(op, c)) {
		op->r.change = NULL;
		change_free(c);
		lock_again(op);
		return;
	}
	if (!c->result.err)
		watch_decided(op->ll->fs->watch, c);
	if (c->result.err) /* of a missing session the search knows more than the rules */
		refuse(op, c->result.err,
		       c->result.err == -ENOKEY && op->r.why.n ? &op->r.why : &c->result.why);
	else
		op->reply(op);
	store_read_end(op->ll->fs->store);
	decided(op, c);
	op_free(op);
}

/*
 * Who waits for a lock leaves at any signal. What is about to be done is undone for the
 * dying alone: a rename that fails with EINTR is a surprise to whoever handles a signal.
 */
static void on_interrupt(fuse_req_t req, void *arg)
{
	struct ll *l = fuse_req_userdata(req);
	struct change *c = arg;
	const struct op *op = c->arg;

	if (c->kind == CHANGE_LOCK || !op->r.tid || caller_is_dying(op->r.tid))
		store_cancel(l->fs->store, c);
}

/* To the writer with it. */
static void op_send(struct op *op)
{
	struct change *c = op->r.change;

	op->r.change = NULL;
	c->op = op->r.op;
	c->arg = op;
	c->done = op_decided;
	if (c->kind == CHANGE_LOCK && c->flags & CHANGE_WAIT)
		wait_begin(op->ll->fs, &op->waiter, c);
	fuse_req_interrupt_func(op->req, on_interrupt, c); /* may run at once */
	store_commit(op->ll->fs->store, c);
}

/* What had to be found out for it is known. */
static void op_prepared(void *arg, int err)
{
	struct op *op = arg;

	fuse_req_interrupt_func(op->req, NULL, NULL);
	if (!err) {
		op_send(op);
		return;
	}
	(void)store_read_begin(op->ll->fs->store);
	refuse(op, err, &op->r.why);
	store_read_end(op->ll->fs->store);
	op_free(op);
}

static void prepare_interrupted(fuse_req_t req, void *arg)
{
	struct op *op = arg;

	/* as on_interrupt; what is only looked at leaves at any signal */
	if (op->r.change->kind != CHANGE_LOOK && op->r.tid && !caller_is_dying(op->r.tid))
		return;
	if (!prepare_forget(op->ll->fs, op))
		return;
	(void)fuse_reply_err(req, EINTR);
	op_free(op);
}

/*
 * The end of every handler of a mutation: ERR from the node's hook. Sends
 * the change it made to the writer, or answers at once.
 */
static void op_finish(struct op *op, int err, void (*reply)(struct op *op))
{
	struct change *c = op->r.change;
	int ready = 1;

	if (db_error(op->r.db)) /* what could not be read was not absent */
		err = db_error(op->r.db);
	if (!err && c) {
		ready = prepare(&op->r, op_prepared, op, &op->prepared);
		err = ready < 0 ? ready : 0;
	}
	if (err || !c) {
		if (err)
			refuse(op, err, &op->r.why);
		else
			reply(op);
		request_end(&op->r);
		op_free(op);
		return;
	}
	op->reply = reply;
	request_end(&op->r);
	if (ready)
		op_send(op);
	else
		fuse_req_interrupt_func(op->req, prepare_interrupted, op); /* may run at once */
}

static int refuse_fixed(struct op *op)
{
	struct stat st;
	int err = node_stat(&op->r, op->r.ino, &st);

	if (err)
		return err;
	identify_here(op);
	return request_refuse(&op->r, EPERM,
			      "README says what can be made, moved and removed where",
			      "this directory is fixed");
}

/* --- attributes --- */

static double entry_seconds(const struct ll *l, const struct node *n)
{
	if (n->name)
		return FIXED_SECONDS;
	return l->epoch ? LIVE_SECONDS : 0;
}

/* An open file asks nobody by name: its attributes are not cached. */
static double attr_seconds(const struct ll *l, const struct node *n, uint64_t ino)
{
	if (n->flags & NODE_STATIC)
		return FIXED_SECONDS;
	if (n->type == NODE_DIR || (!n->name && !handle_is_open(ino)))
		return l->epoch ? LIVE_SECONDS : 0;
	return 0;
}

/* What the kernel learnt of a node before it was opened. A negative offset touches no
 * pages, so nothing is waited for. */
static void forget_attributes(struct ll *l, uint64_t ino)
{
	const struct node *n = node_of(ino);

	if (l->epoch && n && n->type == NODE_FILE && !n->name)
		(void)fuse_lowlevel_notify_inval_inode(l->se, ino, -1, 0);
}

static int fill_entry(struct ll *l, struct request *r, uint64_t ino, struct fuse_entry_param *e)
{
	const struct node *n = node_of(ino);

	memset(e, 0, sizeof(*e));
	e->ino = ino;
	e->generation = 1;
	e->attr_timeout = attr_seconds(l, n, ino);
	e->entry_timeout = entry_seconds(l, n);
	return node_stat(r, ino, &e->attr);
}

static void reply_attr_of(struct ll *l, struct request *r, fuse_req_t req, uint64_t ino)
{
	const struct node *n = node_of(ino);
	struct stat st;
	int err = n ? node_stat(r, ino, &st) : -ESTALE;

	if (err == -ESTALE && n && lock_is_late(r, 1)) { /* the kernel looks before it opens */
		st = (struct stat){ .st_ino = ino, .st_nlink = 1 };
		st.st_mode = S_IFREG | n->mode;
		(void)fuse_reply_attr(req, &st, 0);
	} else if (err) {
		(void)fuse_reply_err(req, -err);
	} else {
		(void)fuse_reply_attr(req, &st, attr_seconds(l, n, ino));
	}
}

static void ll_lookup(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	struct ll *l = fuse_req_userdata(req);
	struct fuse_entry_param e;
	struct request r;
	uint64_t ino;
	int err;

	request_start(&r, req, parent);
	err = node_lookup(&r, parent, name, &ino);
	if (!err)
		lost_source(&r, ino);
	else if (err == -ENOENT && (err = lost_lookup(&r, parent, name)) == -ESTALE) {
		request_op(&r, "look", parent, name);
		request_note(&r, err, &r.why);
	}
	if (!err)
		err = fill_entry(l, &r, ino, &e);
	if (err)
		(void)fuse_reply_err(req, -err);
	else
		(void)fuse_reply_entry(req, &e);
	request_end(&r);
	request_release(&r);
}

static void ll_getattr(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct request r;

	(void)fi;
	request_start(&r, req, ino);
	reply_attr_of(fuse_req_userdata(req), &r, req, ino);
	request_end(&r);
	request_release(&r);
}

static void reply_own_attr(struct op *op)
{
	reply_attr_of(op->ll, &op->r, op->req, op->r.ino);
}

/* Size and mode: nothing to do, as long as nothing is asked that cannot be. */
static int setattr_same(struct op *op, const struct stat *attr, int to_set)
{
	struct stat st;
	int err = node_stat(&op->r, op->r.ino, &st);

	if (err)
		return err;
	if (to_set & FUSE_SET_ATTR_SIZE && !op->r.node->store)
		return request_refuse(&op->r, EPERM, "write to it as docs/tree.md says",
				      "this file cannot be truncated");
	if (to_set & FUSE_SET_ATTR_SIZE && op->r.node->flags & NODE_STRICT) {
		err = op->r.node->open(&op->r, NODE_ID(op->r.ino), O_WRONLY);
		if (err)
			return err;
	}
	if ((to_set & FUSE_SET_ATTR_MODE && (attr->st_mode & 07777) != (st.st_mode & 07777)) ||
	    (to_set & FUSE_SET_ATTR_UID && attr->st_uid != st.st_uid &&
	     op->r.node->row != ROW_SESSION) ||
	    (to_set & FUSE_SET_ATTR_GID && attr->st_gid != st.st_gid))
		return request_refuse(&op->r, EPERM, "leave them: they say who may do what",
				      "modes and owners here are fixed");
	return 0;
}

static int setattr_owner(struct op *op, uint32_t uid)
{
	int err = request_identify(&op->r, NODE_ID(op->r.ino));

	if (err)
		return err;
	if (!request_change(&op->r, CHANGE_CHOWN, NULL))
		return request_error(&op->r);
	op->r.change->thing = NODE_ID(op->r.ino);
	op->r.change->uid = uid;
	return 0;
}

static int setattr_times(struct op *op)
{
	const struct node *n = op->r.node;

	if (n->touch)
		return n->touch(&op->r, NODE_ID(op->r.ino));
	if (n->type == NODE_FILE && n->store)
		return 0; /* a tool that copies times; they are kept by the store */
	return refuse_fixed(op);
}

static void ll_setattr(fuse_req_t req, fuse_ino_t ino, struct stat *attr, int to_set,
		       struct fuse_file_info *fi)
{
	struct op *op = op_new(req, ino);
	int err;

	(void)fi;
	if (!op)
		return;
	request_op(&op->r, to_set & FUSE_SET_ATTR_UID ? "chown" : "touch", ino, NULL);
	err = op->r.node ? setattr_same(op, attr, to_set) : -ESTALE;
	if (!err && to_set & FUSE_SET_ATTR_UID && op->r.node->row == ROW_SESSION)
		err = setattr_owner(op, attr->st_uid);
	else if (!err && to_set & (FUSE_SET_ATTR_MTIME | FUSE_SET_ATTR_ATIME))
		err = setattr_times(op);
	op_finish(op, err, reply_own_attr);
}

static void ll_readlink(fuse_req_t req, fuse_ino_t ino)
{
	AUTO_BUF struct buf text = BUF_INIT;
	struct request r;
	int err;

	request_start(&r, req, ino);
	err = node_show(&r, ino, &text);
	if (err)
		(void)fuse_reply_err(req, -err);
	else
		(void)fuse_reply_readlink(req, buf_text(&text));
	request_end(&r);
	request_release(&r);
}

/* --- names --- */

static void reply_ok(struct op *op)
{
	(void)fuse_reply_err(op->req, 0);
}

/* The thing just made, found by the name that was asked for. */
static void reply_new_entry(struct op *op)
{
	struct fuse_entry_param e;
	uint64_t ino;
	int err = node_lookup(&op->r, op->r.ino, op->r.change->name, &ino);

	if (!err)
		err = fill_entry(op->ll, &op->r, ino, &e);
	if (err)
		(void)fuse_reply_err(op->req, -err);
	else
		(void)fuse_reply_entry(op->req, &e);
}

static const struct dir_ops no_ops;

static const struct dir_ops *ops_of(const struct op *op)
{
	return op->r.node && op->r.node->ops ? op->r.node->ops : &no_ops;
}

static void ll_mkdir(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode)
{
	struct op *op = op_new(req, parent);

	(void)mode;
	if (!op)
		return;
	request_op(&op->r, "mkdir", parent, name);
	op_finish(op,
		  ops_of(op)->mkdir ? ops_of(op)->mkdir(&op->r, NODE_ID(parent), name) :
				      refuse_fixed(op),
		  reply_new_entry);
}

static void ll_rmdir(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	struct op *op = op_new(req, parent);

	if (!op)
		return;
	request_op(&op->r, "rmdir", parent, name);
	op_finish(op,
		  ops_of(op)->rmdir ? ops_of(op)->rmdir(&op->r, NODE_ID(parent), name) :
				      refuse_fixed(op),
		  reply_ok);
}

static void ll_unlink(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	struct op *op = op_new(req, parent);

	if (!op)
		return;
	request_op(&op->r, "rm", parent, name);
	op_finish(op,
		  ops_of(op)->unlink ? ops_of(op)->unlink(&op->r, NODE_ID(parent), name) :
				       refuse_fixed(op),
		  reply_ok);
}

static void reply_moved(struct op *op)
{
	const struct change *c = op->r.change;

	if (c && c->kind == CHANGE_CLAIM)
		handle_granted(&op->r, c->result.id);
	reply_ok(op);
}

static int rename_checked(struct op *op, const char *name, fuse_ino_t newparent,
			  const char *newname, unsigned flags)
{
	const struct node *to = node_of(newparent);

	if (!to)
		return -ESTALE;
	if (flags & ~(unsigned)RENAME_NOREPLACE)
		return request_refuse(&op->r, EINVAL, "move one name at a time",
				      "exchanging names is not offered");
	if (strcmp(name, newname) != 0)
		return request_refuse(&op->r, EINVAL, "mv COLUMN/TASK OTHER/",
				      "a move between columns keeps the name");
	if (!ops_of(op)->rename)
		return refuse_fixed(op);
	return ops_of(op)->rename(&op->r, NODE_ID(op->r.ino), name, to, NODE_ID(newparent));
}

static void ll_rename(fuse_req_t req, fuse_ino_t parent, const char *name, fuse_ino_t newparent,
		      const char *newname, unsigned int flags)
{
	struct op *op = op_new(req, parent);
	size_t n;

	if (!op)
		return;
	request_op(&op->r, "mv", parent, name);
	n = strlen(op->r.op);
	if (n < sizeof(op->r.op) - 64) {
		AUTO_BUF struct buf path = BUF_INIT;

		node_path(&op->r, newparent, NULL, &path);
		(void)snprintf(op->r.op + n, sizeof(op->r.op) - n, " %s", buf_text(&path));
	}
	op_finish(op, rename_checked(op, name, newparent, newname, flags), reply_moved);
}

static void refuse_making(fuse_req_t req, fuse_ino_t parent, const char *name, const char *verb)
{
	struct op *op = op_new(req, parent);

	if (!op)
		return;
	request_op(&op->r, verb, parent, name);
	op_finish(op, refuse_fixed(op), reply_ok);
}

static void ll_symlink(fuse_req_t req, const char *link, fuse_ino_t parent, const char *name)
{
	(void)link;
	refuse_making(req, parent, name, "symlink");
}

static void ll_mknod(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode, dev_t rdev)
{
	(void)mode;
	(void)rdev;
	refuse_making(req, parent, name, "mknod");
}

static void ll_link(fuse_req_t req, fuse_ino_t ino, fuse_ino_t newparent, const char *newname)
{
	(void)ino;
	refuse_making(req, newparent, newname, "link");
}

/* --- files --- */

static void reply_open_file(struct op *op, struct handle *h)
{
	const struct node *n = node_of(h->ino);

	if (!h->won && !h->dir)
		forget_attributes(op->ll, h->ino);
	op->fi.fh = h->fh;
	op->fi.direct_io = !(n->flags & NODE_STATIC);
	op->fi.keep_cache = (n->flags & NODE_STATIC) != 0;
	op->fi.nonseekable = (n->flags & NODE_WAIT) != 0;
}

/* The claim, or the permission, just made, as an open file. */
static void reply_created(struct op *op)
{
	struct fuse_entry_param e;
	struct handle *h = NULL;
	uint64_t ino;
	int err = node_lookup(&op->r, op->r.ino, op->r.change->name, &ino);

	/* granted, and lost before we could say so, or another's by now: the kernel asks again */
	if (err == -ENOENT || (!err && NODE_ID(ino) != op->r.change->result.id))
		err = -ESTALE;
	if (!err)
		err = fill_entry(op->ll, &op->r, ino, &e);
	if (!err && !(h = handle_new(&op->r, ino, op->fi.flags)))
		err = -ENOMEM;
	if (!err)
		(void)node_show(&op->r, ino, &h->text);
	if (err) {
		(void)fuse_reply_err(op->req, -err);
		return;
	}
	h->won = 1;
	handle_granted(&op->r, h->token);
	reply_open_file(op, h);
	if (fuse_reply_create(op->req, &e, &op->fi))
		handle_close(h->fh);
}

/* A file to be locked, of a name that is not held. */
static void reply_door(struct op *op)
{
	struct fuse_entry_param e;
	struct handle *h = handle_new(&op->r, NODE_INO(0, ROW_DOOR), op->fi.flags);
	int err = h && (h->name = strdup(buf_text(&op->text))) ? 0 : -ENOMEM;

	if (!err) {
		h->dir = op->r.ino;
		h->as = node_session(&op->r, op->r.node, NODE_ID(op->r.ino));
		err = fill_entry(op->ll, &op->r, h->ino, &e);
	}
	if (!err) {
		e.entry_timeout = 0; /* by that name it is found this once */
		reply_open_file(op, h);
	} else {
		(void)fuse_reply_err(op->req, -err);
	}
	if (h && (err || fuse_reply_create(op->req, &e, &op->fi)))
		handle_close(h->fh);
}

static void ll_create(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode,
		      struct fuse_file_info *fi)
{
	struct op *op = op_new(req, parent);
	int err;

	(void)mode;
	if (!op)
		return;
	op->fi = *fi;
	request_op(&op->r, ops_of(op)->verb ? ops_of(op)->verb : "create", parent, name);
	buf_str(&op->text, name);
	err = ops_of(op)->create ? ops_of(op)->create(&op->r, NODE_ID(parent), name, fi->flags) :
				   refuse_fixed(op);
	op_finish(op, err, op->r.change ? reply_created : reply_door);
}

static void reply_opened(struct op *op)
{
	struct handle *h;
	int err = 0;

	h = handle_new(&op->r, op->r.ino, op->fi.flags);
	if (!h) {
		(void)fuse_reply_err(op->req, ENOMEM);
		return;
	}
	if (op->r.node->flags & NODE_WAIT)
		follow_open(&op->r, h);
	err = op->late ? lock_opened_late(&op->r, h) : lock_opened(&op->r, h);
	if (!err && !op->late && (op->fi.flags & O_ACCMODE) != O_WRONLY && op->r.node->show)
		err = node_show(&op->r, op->r.ino, &h->text);
	reply_open_file(op, h);
	if (err)
		(void)fuse_reply_err(op->req, -err);
	if (err || fuse_reply_open(op->req, &op->fi))
		handle_close(h->fh);
}

/* A run of the probes has ended: the parked open goes on. */
static void verdict_is_there(void *arg)
{
	struct op *op = arg;

	fuse_req_interrupt_func(op->req, NULL, NULL);
	(void)store_read_begin(op->ll->fs->store);
	op_finish(op, 0, reply_opened);
}

static void verdict_interrupted(fuse_req_t req, void *arg)
{
	struct op *op = arg;

	if (!verdict_forget(op->ll->fs->verdict, op))
		return;
	(void)fuse_reply_err(req, EINTR);
	op_free(op);
}

static void open_verdict(struct op *op)
{
	int ready = verdict_ready(&op->r, NODE_ID(op->r.ino), verdict_is_there, op);

	if (ready) {
		op_finish(op, ready < 0 ? ready : 0, reply_opened);
		return;
	}
	request_end(&op->r);
	fuse_req_interrupt_func(op->req, verdict_interrupted, op); /* last: may run at once */
}

static int open_checked(struct op *op, int flags)
{
	const struct node *n = op->r.node;
	int writes = (flags & O_ACCMODE) != O_RDONLY;
	struct stat st;
	int err;

	err = !n ? -ESTALE : node_kind(n) ? node_stat(&op->r, op->r.ino, &st) : 0;
	if (err)
		return err;
	if (writes && !n->store)
		return request_refuse(&op->r, EACCES, "read it", "this file is not written");
	if ((flags & O_ACCMODE) != O_WRONLY && !n->show && !(n->flags & NODE_WAIT))
		return request_refuse(&op->r, EACCES, "write to it", "this file is not read");
	return writes && n->open ? n->open(&op->r, NODE_ID(op->r.ino), flags) : 0;
}

static void ll_open(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct op *op = op_new(req, ino);
	int err;

	if (!op)
		return;
	op->fi = *fi;
	if ((fi->flags & O_ACCMODE) != O_RDONLY)
		request_op(&op->r, "open", ino, NULL);
	err = open_checked(op, fi->flags);
	if (err == -ESTALE && (fi->flags & O_ACCMODE) == O_RDONLY && lock_is_late(&op->r, 0)) {
		op->late = 1;
		err = 0;
	}
	if (!err && op->r.node->flags & NODE_VERDICT && (fi->flags & O_ACCMODE) != O_WRONLY)
		open_verdict(op);
	else
		op_finish(op, err, reply_opened);
}

/* --- reading --- */

static void reply_slice(fuse_req_t req, const struct buf *text, size_t size, off_t off)
{
	size_t from = off < 0 || (size_t)off > text->n ? text->n : (size_t)off;
	size_t n = text->n - from < size ? text->n - from : size;

	(void)fuse_reply_buf(req, n ? text->p + from : NULL, n);
}

/* What has come for H, if anything: 1 when it was answered. */
static int read_wait(fuse_req_t req, struct handle *h, size_t size)
{
	AUTO_BUF struct buf text = BUF_INIT;
	struct request r;
	int got;

	request_start(&r, req, h->ino);
	got = follow_read(&r, h, size, &text);
	request_end(&r);
	if (!got)
		return 0;
	fuse_req_interrupt_func(req, NULL, NULL);
	if (got < 0)
		(void)fuse_reply_err(req, -got);
	else
		(void)fuse_reply_buf(req, text.p, text.n);
	return 1;
}

static void read_unpark(struct op *op)
{
	follow_leave(op->ll->follow, &op->follower);
	op_free(op);
}

static void read_interrupted(fuse_req_t req, void *arg)
{
	(void)fuse_reply_err(req, EINTR);
	read_unpark(arg);
}

static void wake_read(struct follower *f, int over)
{
	struct op *op = (struct op *)((char *)f - offsetof(struct op, follower));
	struct handle *h = handle_get(f->fh);

	if (over || !h) {
		fuse_req_interrupt_func(op->req, NULL, NULL);
		(void)fuse_reply_err(op->req, over ? ENOTCONN : ESTALE);
	} else if (!read_wait(op->req, h, op->size)) {
		return;
	}
	read_unpark(op);
}

static void read_park(struct ll *l, fuse_req_t req, fuse_ino_t ino, struct handle *h, size_t size)
{
	struct op *op = op_new(req, ino);

	if (!op)
		return;
	request_end(&op->r);
	op->size = size;
	op->follower.wake = wake_read;
	if (follow_wait(l->follow, h, &op->follower)) {
		(void)fuse_reply_err(req, ENOMEM);
		op_free(op);
		return;
	}
	fuse_req_interrupt_func(req, read_interrupted, op); /* last: may run at once */
}

static void read_stream(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off)
{
	AUTO_BUF struct buf text = BUF_INIT;
	struct request r;
	int err;

	request_start(&r, req, ino);
	err = events_read(&r, off, size, &text);
	request_end(&r);
	if (err)
		(void)fuse_reply_err(req, -err);
	else
		(void)fuse_reply_buf(req, text.p, text.n);
}

static void ll_read(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off,
		    struct fuse_file_info *fi)
{
	struct ll *l = fuse_req_userdata(req);
	struct handle *h = handle_get(fi->fh);
	const struct node *n = h ? node_of(h->ino) : NULL;

	if (!n || h->late)
		(void)fuse_reply_err(req, ESTALE);
	else if (n->flags & NODE_STREAM)
		read_stream(req, ino, size, off);
	else if (!(n->flags & NODE_WAIT))
		reply_slice(req, &h->text, size, off);
	else if (read_wait(req, h, size))
		return;
	else if (fi->flags & O_NONBLOCK)
		(void)fuse_reply_err(req, EAGAIN);
	else
		read_park(l, req, ino, h, size);
}

/* --- writing --- */

static void reply_written(struct op *op)
{
	struct handle *h = handle_get(op->fh);
	struct change *c = op->r.change;

	if (h)
		handle_accept(h, &op->text, op->append);
	if (c && c->kind == CHANGE_IMPORT) {
		buf_clear(&op->ll->fs->import_report);
		buf_str(&op->ll->fs->import_report, buf_text(&c->result.why));
	}
	(void)fuse_reply_write(op->req, op->size);
}

static int write_checked(struct op *op, struct handle *h, const char *p, size_t n, off_t off)
{
	const struct node *node = op->r.node;
	int err;

	if (!h || !node)
		return -ESTALE;
	if (!node->store)
		return -EACCES;
	err = handle_write(&op->r, h, off, p, n, &op->text, &op->append);
	if (err) {
		(void)request_identify(&op->r, node_session(&op->r, node, NODE_ID(op->r.ino)));
		return err;
	}
	return node->store(&op->r, NODE_ID(op->r.ino), buf_text(&op->text), op->text.n, op->append);
}

static void ll_write(fuse_req_t req, fuse_ino_t ino, const char *p, size_t size, off_t off,
		     struct fuse_file_info *fi)
{
	struct op *op = op_new(req, ino);

	if (!op)
		return;
	op->fh = fi->fh;
	op->size = size;
	request_op(&op->r, "write", ino, NULL);
	op_finish(op, write_checked(op, handle_get(fi->fh), p, size, off), reply_written);
}

static void ll_fsync(fuse_req_t req, fuse_ino_t ino, int datasync, struct fuse_file_info *fi)
{
	(void)ino;
	(void)datasync;
	(void)fi;
	(void)fuse_reply_err(req, 0); /* every write was durable before it returned */
}

/* --- flock --- */

static void unlock_done(struct change *c)
{
	struct ll *l = c->arg;

	if (!(c->flags & CHANGE_SURE))
		l->closing--;
	if (c->flags & CHANGE_SURE || (c->result.err != -ENOSPC && c->result.err != -ENOMEM)) {
		change_free(c);
		return;
	}
	c->flags = CHANGE_SURE; /* later, and nobody waits for it */
	store_commit(l->fs->store, c);
}

/*
 * Give back what H has locked, without an answer. FLAGS 0: it was closed, and nothing is
 * received until that is done; CHANGE_SURE: it is locked otherwise.
 */
static void drop_lock(struct ll *l, struct handle *h, unsigned flags)
{
	struct change *c = h->unlock;

	if (!h->lock || !c)
		return;
	c->token = h->lock;
	c->flags = flags;
	c->done = unlock_done;
	c->arg = l;
	if (!(flags & CHANGE_SURE))
		l->closing++;
	h->lock = 0;
	h->unlock = NULL;
	store_commit(l->fs->store, c);
}

static int lock_asked(struct op *op, struct handle *h, int how);
static void reply_locked(struct op *op);

static void lock_again(struct op *op)
{
	op->again = 0;
	prepare_end(op->prepared, NULL);
	op->prepared = NULL;
	op_finish(op, lock_asked(op, handle_get(op->fh), op->how), reply_locked);
}

/*
 * Of all who ask through one open file at once, as threads or children may, one got it,
 * and so has it for all: the others would wait for themselves.
 */
static void lock_for_all(const struct op *got)
{
	struct waiter *w;

	DL_FOREACH(got->ll->fs->waiters, w) {
		struct op *op = w->change->arg;

		if (op->fh != got->fh || op->again)
			continue;
		op->again = 1;
		store_cancel(got->ll->fs->store, w->change);
	}
}

static void reply_locked(struct op *op)
{
	struct handle *h = handle_get(op->fh), closed = { .unlock = NULL };
	const struct change *c = op->r.change;

	if (!h) /* closed meanwhile: nobody has it */
		h = &closed;
	if (h->lock && h->lock != c->result.id) /* shared, and asked for twice at once */
		drop_lock(op->ll, h, CHANGE_SURE);
	if (!h->unlock)
		h->unlock = change_new(CHANGE_UNLOCK);
	h->lock = c->result.id;
	h->shared = (c->flags & CHANGE_SHARED) != 0;
	if (fuse_reply_err(op->req, 0) || h == &closed)
		drop_lock(op->ll, h, CHANGE_SURE);
	else
		lock_for_all(op);
}

static int lock_asked(struct op *op, struct handle *h, int how)
{
	const struct node *n = op->r.node;
	int err, shared = (how & LOCK_SH) != 0;
	struct mutex m;

	if (!n || !h)
		return -ESTALE;
	if (!n->lock) {
		identify_here(op);
		return request_refuse(&op->r, EOPNOTSUPP, "flock claims/TASK",
				      "locks are for claims/ alone");
	}
	/* as flock(2): the old one goes, then the other is asked for; a claim is kept, since
	 * no share of it is granted */
	if (h->lock && h->shared != shared && read_mutex(op->r.db, h->lock, &m) > 0)
		drop_lock(op->ll, h, CHANGE_SURE);
	if (!h->unlock && !(h->unlock = change_new(CHANGE_UNLOCK)))
		return -ENOMEM;
	err = n->lock(&op->r, NODE_ID(op->r.ino), h);
	if (!err && op->r.change)
		op->r.change->flags = (shared ? CHANGE_SHARED : 0) |
				      (how & LOCK_NB ? 0 : CHANGE_WAIT);
	return err;
}

static int unlock_asked(struct op *op, struct handle *h)
{
	if (!h || !h->lock)
		return 0;
	if (!request_change(&op->r, CHANGE_UNLOCK, NULL))
		return request_error(&op->r);
	op->r.change->token = h->lock;
	return 0;
}

static void reply_unlocked(struct op *op)
{
	struct handle *h = handle_get(op->fh);

	if (h && op->r.change)
		h->lock = 0;
	reply_ok(op);
}

static void ll_flock(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi, int how)
{
	AUTO_BUF struct buf path = BUF_INIT;
	struct handle *h = handle_get(fi->fh);
	struct op *op = op_new(req, ino);

	if (!op)
		return;
	op->fh = fi->fh;
	op->how = how;
	if (how & LOCK_UN) {
		op_finish(op, unlock_asked(op, h), reply_unlocked);
		return;
	}
	if (h)
		lock_path(&op->r, h, &path);
	(void)snprintf(op->r.op, sizeof(op->r.op), "flock %s", buf_text(&path));
	(void)line_mend(op->r.op);
	op_finish(op, lock_asked(op, h, how), reply_locked);
}

static void poller_free(struct poller *p)
{
	follow_leave(p->ll->follow, &p->follower);
	fuse_pollhandle_destroy(p->ph);
	free(p);
}

static void wake_poll(struct follower *f, int over)
{
	struct poller *p = (struct poller *)((char *)f - offsetof(struct poller, follower));
	struct handle *h = handle_get(f->fh);

	if (!over)
		(void)fuse_lowlevel_notify_poll(p->ph);
	if (h)
		h->poll = NULL;
	poller_free(p);
}

/* PH, which is taken over, is told when there is something to read in H. */
static void poll_later(struct ll *l, struct handle *h, struct fuse_pollhandle *ph)
{
	struct poller *p = h->poll;

	if (p) {
		fuse_pollhandle_destroy(p->ph);
		p->ph = ph;
		return;
	}
	p = calloc(1, sizeof(*p));
	if (!p || follow_wait(l->follow, h, &p->follower)) {
		(void)fuse_lowlevel_notify_poll(ph); /* no memory: it is to ask again */
		fuse_pollhandle_destroy(ph);
		free(p);
		return;
	}
	p->follower.wake = wake_poll;
	p->ll = l;
	p->ph = ph;
	h->poll = p;
}

static void ll_release(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct ll *l = fuse_req_userdata(req);
	struct handle *h = handle_get(fi->fh);

	(void)ino;
	if (h && h->poll)
		poller_free(h->poll);
	if (h)
		drop_lock(l, h, 0);
	handle_close(fi->fh);
	(void)fuse_reply_err(req, 0);
}

/* --- directories --- */

struct listing {
	struct ll *l;
	struct request *r;
	fuse_req_t req;
	int plus;
	size_t size, used;
	char *p;
};

/* Readdirplus must not count a look-up for the dots. */
static int is_dots(const char *name)
{
	return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

static int list_entry(void *arg, const char *name, uint64_t ino, int64_t next)
{
	struct listing *d = arg;
	struct fuse_entry_param e = { .ino = 0 };
	const struct node *n = node_of(ino);
	size_t need;

	if (d->plus && !is_dots(name) && fill_entry(d->l, d->r, ino, &e))
		return 0; /* gone meanwhile */
	/* The kernel counts what a listing tells as learnt when it gets round to it, which may
	 * be after the next epoch began: names that move are looked up again. */
	if (!n->name)
		e.entry_timeout = 0;
	e.attr.st_ino = ino;
	if (!e.attr.st_mode)
		e.attr.st_mode = n->type == NODE_DIR  ? S_IFDIR :
				 n->type == NODE_LINK ? S_IFLNK :
							S_IFREG;
	if (d->plus)
		need = fuse_add_direntry_plus(d->req, d->p + d->used, d->size - d->used, name, &e,
					      next);
	else
		need = fuse_add_direntry(d->req, d->p + d->used, d->size - d->used, name, &e.attr,
					 next);
	if (need > d->size - d->used)
		return 1;
	d->used += need;
	return 0;
}

static void list(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off, int plus)
{
	AUTO_FREE char *p = malloc(size);
	struct request r;
	struct listing d = { fuse_req_userdata(req), &r, req, plus, size, 0, p };
	int err;

	if (!p) {
		(void)fuse_reply_err(req, ENOMEM);
		return;
	}
	request_start(&r, req, ino);
	err = node_list(&r, ino, off, list_entry, &d);
	if (err)
		(void)fuse_reply_err(req, -err);
	else
		(void)fuse_reply_buf(req, p, d.used);
	request_end(&r);
	request_release(&r);
}

static void ll_readdir(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off,
		       struct fuse_file_info *fi)
{
	(void)fi;
	list(req, ino, size, off, 0);
}

static void ll_readdirplus(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off,
			   struct fuse_file_info *fi)
{
	(void)fi;
	list(req, ino, size, off, 1);
}

static void ll_statfs(fuse_req_t req, fuse_ino_t ino)
{
	struct statvfs st = { .f_bsize = 65536, .f_frsize = 65536, .f_namemax = 128 };

	(void)ino;
	(void)fuse_reply_statfs(req, &st);
}

static void ll_poll(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi,
		    struct fuse_pollhandle *ph)
{
	struct ll *l = fuse_req_userdata(req);
	struct handle *h = handle_get(fi->fh);
	const struct node *n = node_of(h ? h->ino : ino);
	struct request r;
	int ready;

	if (!n || !(n->flags & NODE_WAIT) || !h) {
		if (ph)
			fuse_pollhandle_destroy(ph);
		(void)fuse_reply_poll(req, POLLIN | POLLRDNORM |
						   (n && n->store ? POLLOUT | POLLWRNORM : 0));
		return;
	}
	if (ph) /* kept though there is something to read: who waits for edges asks but once */
		poll_later(l, h, ph);
	request_start(&r, req, ino);
	ready = follow_ready(&r, h);
	request_end(&r);
	(void)fuse_reply_poll(req, ready ? POLLIN | POLLRDNORM : 0);
}

static void ll_forget(fuse_req_t req, fuse_ino_t ino, uint64_t nlookup)
{
	(void)ino;
	(void)nlookup; /* inode numbers need no memory */
	fuse_reply_none(req);
}

static void ll_forget_multi(fuse_req_t req, size_t count, struct fuse_forget_data *forgets)
{
	(void)count;
	(void)forgets;
	fuse_reply_none(req);
}

static void ll_init(void *userdata, struct fuse_conn_info *conn)
{
	struct ll *l = userdata;

	l->epoch = conn->proto_major == 7 && conn->proto_minor >= EPOCH_MINOR;
	l->running = 1;
	conn->want &= ~(unsigned)FUSE_CAP_AUTO_INVAL_DATA;
	conn->want &= ~(unsigned)FUSE_CAP_READDIRPLUS_AUTO; /* always with attributes */
}

static const struct fuse_lowlevel_ops ops = {
	.init = ll_init,
	.lookup = ll_lookup,
	.forget = ll_forget,
	.forget_multi = ll_forget_multi,
	.getattr = ll_getattr,
	.setattr = ll_setattr,
	.readlink = ll_readlink,
	.mknod = ll_mknod,
	.mkdir = ll_mkdir,
	.unlink = ll_unlink,
	.rmdir = ll_rmdir,
	.symlink = ll_symlink,
	.rename = ll_rename,
	.link = ll_link,
	.open = ll_open,
	.read = ll_read,
	.write = ll_write,
	/* no flush: answered ENOSYS once, the kernel does not ask at every close */
	.release = ll_release,
	.fsync = ll_fsync,
	.flock = ll_flock,
	.readdir = ll_readdir,
	.readdirplus = ll_readdirplus,
	.statfs = ll_statfs,
	.create = ll_create,
	.poll = ll_poll,
};

/* --- the session --- */

struct ll *ll_new(struct fs *fs, const char *options)
{
	char name[] = "coordfs", dash_o[] = "-o";
	AUTO_FREE char *opts = options ? strdup(options) : NULL;
	char *argv[] = { name, dash_o, opts, NULL };
	struct fuse_args args = FUSE_ARGS_INIT(opts ? 3 : 1, argv);
	struct ll *l = calloc(1, sizeof(*l));

	if (!l)
		return NULL;
	l->fs = fs;
	l->follow = follow_new(fs->store);
	l->se = l->follow ? fuse_session_new(&args, &ops, sizeof(ops), l) : NULL;
	fuse_opt_free_args(&args);
	if (l->se)
		return l;
	follow_free(l->follow);
	free(l);
	return NULL;
}

void ll_free(struct ll *l)
{
	struct op *waiting;

	if (!l)
		return;
	follow_free(l->follow);
	while ((l->fs->verdict && (waiting = verdict_take(l->fs->verdict))) ||
	       (waiting = prepare_take(l->fs))) {
		(void)fuse_reply_err(waiting->req, ENOTCONN);
		op_free(waiting);
	}
	fuse_session_destroy(l->se);
	free(l->buf.mem);
	free(l);
}

int ll_mount(struct ll *l, const char *mountpoint)
{
	int fd, err = fuse_session_mount(l->se, mountpoint);

	if (err)
		return err;
	fd = fuse_session_fd(l->se);
	(void)fcntl(fd, F_SETFD, FD_CLOEXEC);
	return fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK) ? -1 : 0;
}

void ll_unmount(struct ll *l)
{
	fuse_session_unmount(l->se);
}

static ssize_t io_read(int fd, void *p, size_t n, void *userdata)
{
	(void)userdata;
	return read(fd, p, n);
}

static ssize_t io_writev(int fd, struct iovec *iov, int count, void *userdata)
{
	(void)userdata;
	return writev(fd, iov, count);
}

int ll_attach(struct ll *l, int fd)
{
	static const struct fuse_custom_io io = { .writev = io_writev, .read = io_read };

	return fuse_session_custom_io(l->se, &io, fd);
}

int ll_fd(const struct ll *l)
{
	return fuse_session_fd(l->se);
}

int ll_exited(const struct ll *l)
{
	return fuse_session_exited(l->se);
}

int ll_running(const struct ll *l)
{
	return l->running;
}

int ll_pauses(const struct ll *l)
{
	return l->closing > 0;
}

int ll_receive(struct ll *l, int max)
{
	for (int i = 0; i < max && !l->closing && !fuse_session_exited(l->se); i++) {
		int got = fuse_session_receive_buf(l->se, &l->buf);

		if (got == -EINTR)
			continue;
		if (got == -EAGAIN)
			return 0;
		if (got <= 0) {
			fuse_session_exit(l->se);
			return 0;
		}
		fuse_session_process_buf(l->se, &l->buf);
	}
	return !fuse_session_exited(l->se);
}

/* All dentries are looked up again at their next use; costs no lock. */
static void bump_epoch(struct ll *l)
{
	struct fuse_out_header {
		uint32_t len;
		int32_t error;
		uint64_t unique;
	} h = { sizeof(h), NOTIFY_INC_EPOCH, 0 };

	if (l->epoch && write(fuse_session_fd(l->se), &h, sizeof(h)) < 0 && errno != ENOENT) {
		log_msg(LOG_WARNING, "no epoch notification (%s): names are not cached any more",
			errno_text(errno));
		l->epoch = 0;
	}
}

void ll_decided(struct ll *l)
{
	bump_epoch(l);
	(void)store_collect(l->fs->store);
	follow_look(l->follow);
}
