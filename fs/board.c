/* board: ideas ready blocked claims done. Every task is in exactly one. */
#include <errno.h>

#include "backend/clean.h"
#include "backend/overlap.h"
#include "backend/conflict.h"
#include "backend/text.h"
#include "fs/claimfile.h"
#include "fs/dirs.h"
#include "fs/lockfile.h"

#define COLUMN(n)                                                                                \
	{                                                                                        \
		SQL_FIND_COLUMN, SQL_LIST_COLUMN, SQL_STAT_COLUMN, SQL_TASK_NAME, PARENT_ARG, n, \
			0, NULL, NULL                                                            \
	}

static const struct kind idea_kind = COLUMN(COLUMN_IDEAS);
static const struct kind ready_kind = COLUMN(COLUMN_READY);
static const struct kind blocked_kind = COLUMN(COLUMN_BLOCKED);
static const struct kind done_kind = {
	SQL_FIND_DONE, SQL_LIST_DONE, SQL_STAT_DONE, SQL_TASK_NAME, PARENT_RECENT, 0, 0, NULL, NULL
};
static const struct kind claim_kind = {
	SQL_FIND_CLAIM, SQL_LIST_CLAIM, SQL_STAT_CLAIM, SQL_GRANT_NAME, PARENT_ARG, 0, 0, NULL, NULL
};

static void show_field(struct request *r, int64_t id, const char *name, struct buf *out)
{
	AUTO_FREE char *text = db_text(r->db, Q(ATTR), I(id), T(name));

	if (text)
		buf_line(out, "%s %s", name, text);
}

static void show_lists(struct request *r, int64_t id, struct buf *out)
{
	AUTO_FREE char *repo = db_text(r->db, Q(ATTR), I(id), T("repo"));
	AUTO_ROWS *needs = db_rows(r->db, Q(NEEDS_OF), I(id));
	AUTO_ROWS *artifacts = db_rows(r->db, Q(ARTIFACTS_OF), I(id));

	while (rows_next(needs) > 0)
		buf_line(out, "need %s", rows_text(needs, 0));
	while (rows_next(artifacts) > 0)
		buf_line(out, "artifact %s",
			 artifact_show(rows_text(artifacts, 0), repo ? repo : ""));
}

/* ideas/T and ready/T: what there is to decide on. */
static int task_show(struct request *r, int64_t id, struct buf *out)
{
	struct task t;
	int got = read_task(r->db, id, &t);

	if (got <= 0)
		return got ? got : -ESTALE;
	buf_line(out, "task %s", t.name);
	show_field(r, id, "title", out);
	show_field(r, id, "kind", out);
	show_field(r, id, "lane", out);
	show_field(r, id, "value", out);
	show_field(r, id, "repo", out);
	show_lists(r, id, out);
	return 0;
}

static void show_conflict(struct request *r, const char *mine, const char *repo,
			  const struct conflict *c, struct buf *out)
{
	struct grant g = { .holder = "-" };
	struct task t = { .name = "?" };
	char when[TIME_TEXT];

	if (read_task(r->db, c->task, &t) > 0)
		(void)read_grant(r->db, t.token, &g);
	buf_line(out, "artifact %s overlaps %s of %s, held by session %s until %s",
		 artifact_show(mine, repo), artifact_show(c->name, repo), t.name, g.holder,
		 request_until(r, g.expires, when));
}

static int show_conflicts(struct request *r, int64_t id, struct buf *out)
{
	AUTO_FREE char *repo = db_text(r->db, Q(ATTR), I(id), T("repo"));
	AUTO_ROWS *rows = db_rows(r->db, Q(ARTIFACTS_TURN), I(id));
	struct conflict c;
	int got;

	while ((got = rows_next(rows)) > 0) {
		got = conflict_find(r->db, id, rows_text(rows, 0), &c);
		if (got < 0)
			return got;
		if (got)
			show_conflict(r, rows_text(rows, 0), repo ? repo : "", &c, out);
	}
	return got;
}

/* One reason a line. */
static int blocked_show(struct request *r, int64_t id, struct buf *out)
{
	AUTO_FREE char *hold = db_text(r->db, Q(ATTR), I(id), T("hold"));
	AUTO_ROWS *needs = db_rows(r->db, Q(NEEDS_UNMET), I(id));
	struct task t;
	int got = read_task(r->db, id, &t);

	if (got <= 0)
		return got ? got : -ESTALE;
	if (t.hold)
		buf_line(out, "hold %s", hold ? hold : "-");
	while (rows_next(needs) > 0)
		buf_line(out, "need %s is %s", rows_text(needs, 0), rows_text(needs, 1));
	return show_conflicts(r, id, out);
}

static int done_show(struct request *r, int64_t id, struct buf *out)
{
	struct grant g = { .holder = "-" };
	char when[TIME_TEXT];
	struct task t;
	int64_t at = 0;
	int got = read_task(r->db, id, &t);

	if (got > 0)
		got = read_finished(r->db, id, &g, &at);
	if (got <= 0)
		return got ? got : -ESTALE;
	buf_line(out, "task %s", t.name);
	buf_line(out, "session %s", g.holder);
	if (g.token)
		buf_line(out, "token %lld", (long long)g.token);
	else
		buf_line(out, "token -");
	buf_line(out, "finished %s", time_text(at, when));
	show_field(r, id, "title", out);
	return 0;
}

#define TASK_FILE(r, k, fn)                                                            \
	{                                                                              \
		.type = NODE_FILE, .row = (r), .mode = 0444, .each = (k), .show = (fn) \
	}

const struct node ideas_rows[] = { TASK_FILE(ROW_IDEA, &idea_kind, task_show), END };
const struct node ready_rows[] = { TASK_FILE(ROW_READY_TASK, &ready_kind, task_show), END };
const struct node blocked_rows[] = { TASK_FILE(ROW_BLOCKED_TASK, &blocked_kind, blocked_show),
				     END };
const struct node claims_rows[] = { CLAIM_FILE(ROW_CLAIM, &claim_kind, 0), MUTEX_FILE, DOOR_FILE,
				    END };
const struct node done_rows[] = { TASK_FILE(ROW_DONE_TASK, &done_kind, done_show), END };
