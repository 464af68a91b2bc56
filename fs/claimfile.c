#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "backend/clean.h"
#include "backend/overlap.h"
#include "backend/read.h"
#include "backend/text.h"
#include "fs/claimfile.h"
#include "fs/handle.h"
#include "fs/wait.h"

int claim_show(struct request *r, int64_t id, struct buf *out)
{
	char when[TIME_TEXT];
	AUTO_FREE char *repo = NULL;
	AUTO_ROWS *rows = NULL;
	struct grant g;
	int got = read_grant(r->db, id, &g);

	if (got <= 0 || g.ended)
		return got < 0 ? got : -ESTALE;
	buf_line(out, "task %s", g.name);
	buf_line(out, "session %s", g.holder);
	buf_line(out, "token %lld", (long long)g.token);
	buf_line(out, "since %s", time_text(g.since, when));
	buf_line(out, "renewed %s", request_until(r, g.renewed, when));
	buf_line(out, "expires %s", request_until(r, g.expires, when));
	buf_line(out, "processes %lld",
		 (long long)db_get(r->db, 0, Q(MEMBERS_COUNT), I(g.session)));
	if (g.lock)
		buf_line(out, "lock flock by pid %d", g.pid);
	wait_show(r, g.token, out);
	repo = db_text(r->db, Q(ATTR), I(g.task), T("repo"));
	rows = db_rows(r->db, Q(ARTIFACTS_OF), I(g.task));
	while ((got = rows_next(rows)) > 0)
		buf_line(out, "artifact %s", artifact_show(rows_text(rows, 0), repo ? repo : ""));
	return got;
}

/* The acting session of a claim's file: its directory's, where there is one. */
static int identify(struct request *r, int64_t id)
{
	return request_identify(r, node_session(r, r->node, id));
}

int claim_store(struct request *r, int64_t id, const char *text, size_t n, int append)
{
	struct change *c;
	int err = identify(r, id);

	(void)append;
	if (err)
		return err;
	c = request_change(r, CHANGE_EXTEND, NULL);
	if (!c)
		return request_error(r);
	c->token = id;
	return change_text(c, text, n);
}

/* Ask for a claim that is held already: the writer says no, and why. */
static int ask_again(struct request *r, int64_t id)
{
	struct grant g;
	struct change *c;

	if (read_grant(r->db, id, &g) <= 0)
		return -ESTALE;
	if (g.ended && (!g.session || g.session != r->actor.session))
		return -ESTALE; /* the kernel looks again */
	c = request_change(r, CHANGE_CLAIM, g.name);
	if (!c)
		return request_error(r);
	c->token = id;
	return 0;
}

int claim_touch(struct request *r, int64_t id)
{
	int err = identify(r, id);

	if (err)
		return err;
	if (handle_is_winner(r, id))
		return 0;
	return ask_again(r, id);
}

int claim_open(struct request *r, int64_t id, int flags)
{
	struct grant g;
	int err = identify(r, id);

	if (err)
		return err;
	if (!(flags & O_APPEND))
		return ask_again(r, id);
	if (read_grant(r->db, id, &g) <= 0)
		return -ESTALE;
	if (g.ended)
		return ask_again(r, id);
	if (g.lock)
		return 0; /* the writer knows whose process it is */
	if (!r->actor.session || g.session != r->actor.session)
		return ask_again(r, id);
	return handle_is_contender(r, id) ? ask_again(r, id) : 0;
}

static int claims_create(struct request *r, int64_t id, const char *name, int flags)
{
	int err;

	if (name_check(name, strlen(name)))
		return request_refuse(r, EINVAL, "ls ready/ shows the names of tasks",
				      "not a name for a task");
	err = request_identify(r, r->node->flags & NODE_SESSION ? id : 0);
	if (err)
		return err;
	if ((flags & O_ACCMODE) == O_RDONLY && !(flags & O_EXCL))
		return 0; /* a door: opening for reading never claims, flock does */
	return request_change(r, CHANGE_CLAIM, name) ? 0 : request_error(r);
}

static int claims_unlink(struct request *r, int64_t id, const char *name)
{
	int err = request_identify(r, r->node->flags & NODE_SESSION ? id : 0);

	if (err)
		return err;
	return request_change(r, CHANGE_RELEASE, name) ? 0 : request_error(r);
}

static int column_unlink(struct request *r, int64_t id, const char *name)
{
	(void)name;
	(void)request_identify(r, r->node->flags & NODE_SESSION ? id : 0);
	if (r->node->row == ROW_DONE || r->node->row == ROW_SESSION_DONE)
		return request_refuse(r, EPERM, "to have it done again: mv done/TASK ready/",
				      "what was done is kept");
	return request_refuse(r, EPERM, "to cancel a task: rmdir tasks/TASK",
			      "a task does not leave the board by rm");
}

/* The moves between columns: from, to, and what each is. */
static const struct move {
	enum row from, to;
	enum change_kind kind;
} moves[] = {
	{ ROW_IDEAS, ROW_READY, CHANGE_PUBLISH },
	{ ROW_READY, ROW_IDEAS, CHANGE_UNPUBLISH },
	{ ROW_BLOCKED, ROW_IDEAS, CHANGE_UNPUBLISH },
	{ ROW_BLOCKED, ROW_READY, CHANGE_UNHOLD },
	{ ROW_IDEAS, ROW_CLAIMS, CHANGE_CLAIM },
	{ ROW_READY, ROW_CLAIMS, CHANGE_CLAIM },
	{ ROW_BLOCKED, ROW_CLAIMS, CHANGE_CLAIM },
	{ ROW_DONE, ROW_CLAIMS, CHANGE_CLAIM },
	{ ROW_IDEAS, ROW_SESSION_CLAIMS, CHANGE_CLAIM },
	{ ROW_READY, ROW_SESSION_CLAIMS, CHANGE_CLAIM },
	{ ROW_BLOCKED, ROW_SESSION_CLAIMS, CHANGE_CLAIM },
	{ ROW_DONE, ROW_SESSION_CLAIMS, CHANGE_CLAIM },
	{ ROW_CLAIMS, ROW_DONE, CHANGE_FINISH },
	{ ROW_CLAIMS, ROW_SESSION_DONE, CHANGE_FINISH },
	{ ROW_SESSION_CLAIMS, ROW_DONE, CHANGE_FINISH },
	{ ROW_SESSION_CLAIMS, ROW_SESSION_DONE, CHANGE_FINISH },
	{ ROW_CLAIMS, ROW_READY, CHANGE_RELEASE },
	{ ROW_SESSION_CLAIMS, ROW_READY, CHANGE_RELEASE },
	{ ROW_CLAIMS, ROW_SESSION_CLAIMS, CHANGE_HANDOVER },
	{ ROW_SESSION_CLAIMS, ROW_SESSION_CLAIMS, CHANGE_HANDOVER },
	{ ROW_DONE, ROW_READY, CHANGE_REOPEN },
	{ ROW_SESSION_DONE, ROW_READY, CHANGE_REOPEN },
};

static const struct move *find_move(enum row from, enum row to)
{
	for (size_t i = 0; i < sizeof(moves) / sizeof(moves[0]); i++)
		if (moves[i].from == from && moves[i].to == to)
			return &moves[i];
	return NULL;
}

/*
 * Whose directory a move acts as: its source's; its destination's when only
 * that is a session's; for a hand-over never the destination's.
 */
static int64_t move_session(struct request *r, int64_t id, const struct move *m,
			    const struct node *to, int64_t to_id)
{
	if (r->node->flags & NODE_SESSION)
		return id;
	return to->flags & NODE_SESSION && m->kind != CHANGE_HANDOVER ? to_id : 0;
}

static int move_details(struct request *r, const struct move *m, int64_t to_id)
{
	struct change *c = r->change;
	struct session s;

	if (m->kind == CHANGE_CLAIM)
		c->flags = CHANGE_ANEW;
	if (m->kind != CHANGE_HANDOVER)
		return 0;
	if (read_session(r->db, to_id, &s) <= 0)
		return -ESTALE;
	return change_text(c, s.name, strlen(s.name));
}

static int column_rename(struct request *r, int64_t id, const char *name, const struct node *to,
			 int64_t to_id)
{
	const struct move *m = find_move(r->node->row, to->row);
	int err;

	if (!m) {
		(void)request_identify(r, r->node->flags & NODE_SESSION ? id : 0);
		return request_refuse(
			r, EPERM,
			"README shows the moves: ideas > ready > claims > done, and back to ready",
			"there is no such move between columns");
	}
	err = request_identify(r, move_session(r, id, m, to, to_id));
	if (err)
		return err;
	if (!request_change(r, m->kind, name))
		return request_error(r);
	return move_details(r, m, to_id);
}

const struct dir_ops claims_ops = {
	.verb = "claim",
	.create = claims_create,
	.unlink = claims_unlink,
	.rename = column_rename,
};

const struct dir_ops column_ops = {
	.unlink = column_unlink,
	.rename = column_rename,
};
