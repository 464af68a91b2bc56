/* tasks: everything about one task, a file each. */
#include <errno.h>
#include <string.h>

#include <jansson.h>

#include "backend/clean.h"
#include "backend/overlap.h"
#include "backend/text.h"
#include "backend/tx.h"
#include "fs/dirs.h"

static int artifacts_of_show(struct request *r, int64_t id, struct buf *out)
{
	AUTO_FREE char *repo = db_text(r->db, Q(ATTR), I(id), T("repo"));
	AUTO_ROWS *rows = db_rows(r->db, Q(ARTIFACTS_OF), I(id));
	int got;

	while ((got = rows_next(rows)) > 0)
		buf_line(out, "%s", artifact_show(rows_text(rows, 0), repo ? repo : ""));
	return got;
}

static int needs_show(struct request *r, int64_t id, struct buf *out)
{
	AUTO_ROWS *rows = db_rows(r->db, Q(NEEDS_OF), I(id));
	int got;

	while ((got = rows_next(rows)) > 0)
		buf_line(out, "%s", rows_text(rows, 0));
	return got;
}

/* `idea`, `ready`, `blocked`, `claimed SESSION TOKEN`, `done SESSION TOKEN` */
static int state_show(struct request *r, int64_t id, struct buf *out)
{
	static const char *const words[] = { "cancelled", "idea",    "ready",
					     "blocked",	  "claimed", "done" };
	struct grant g = { .holder = "-" };
	struct task t;
	int64_t at;
	int got = read_task(r->db, id, &t);

	if (got <= 0)
		return got ? got : -ESTALE;
	if (t.column == COLUMN_CLAIMS && read_grant(r->db, t.token, &g) > 0)
		buf_line(out, "claimed %s %lld", g.holder, (long long)g.token);
	else if (t.column == COLUMN_DONE && read_finished(r->db, id, &g, &at) > 0 && g.token)
		buf_line(out, "done %s %lld", g.holder, (long long)g.token);
	else
		buf_line(out, "%s", words[t.column]);
	return 0;
}

static void history_line(const json_t *e, struct buf *out)
{
	static const char *const details[] = { "field", "reason", "to", "op" };
	const char *session = event_text(e, "session");

	buf_printf(out, "%s %s %s", event_text(e, "time"), event_text(e, "event"),
		   *session ? session : "-");
	for (size_t i = 0; i < sizeof(details) / sizeof(details[0]); i++)
		if (*event_text(e, details[i]))
			buf_printf(out, " %s", event_text(e, details[i]));
	if (event_int(e, "token"))
		buf_printf(out, " %lld", (long long)event_int(e, "token"));
	buf_char(out, '\n');
}

/* Every event about the task: TIME EVENT SESSION and what it was about. */
static int history_show(struct request *r, int64_t id, struct buf *out)
{
	AUTO_ROWS *rows = db_rows(r->db, Q(HISTORY), I(id));
	int got;

	while ((got = rows_next(rows)) > 0) {
		json_t *e = json_loads(rows_text(rows, 0), 0, NULL);

		if (e)
			history_line(e, out);
		json_decref(e);
	}
	return got;
}

#define LIST_FILE(r, n, sh)                                                                 \
	{                                                                                   \
		.type = NODE_FILE, .row = (r), .name = (n), .mode = 0666, .of = THING_TASK, \
		.flags = NODE_LIST, .show = (sh), .store = field_store                      \
	}

static const struct node task[] = {
	FIELD(ROW_TASK_TITLE, "title", THING_TASK, 0666),
	FIELD(ROW_TASK_BODY, "body", THING_TASK, 0666),
	FIELD(ROW_TASK_REPO, "repo", THING_TASK, 0666),
	LIST_FILE(ROW_TASK_ARTIFACTS, "artifacts", artifacts_of_show),
	LIST_FILE(ROW_TASK_NEEDS, "needs", needs_show),
	FIELD(ROW_TASK_LANE, "lane", THING_TASK, 0666),
	FIELD(ROW_TASK_VALUE, "value", THING_TASK, 0666),
	FIELD(ROW_TASK_COST, "cost", THING_TASK, 0666),
	FIELD(ROW_TASK_KIND, "kind", THING_TASK, 0666),
	FIELD(ROW_TASK_TTL, "ttl", THING_TASK, 0666),
	LIST_FILE(ROW_TASK_TAGS, "tags", field_show),
	FIELD(ROW_TASK_IMPACT, "impact", THING_TASK, 0666),
	FIELD(ROW_TASK_FEASIBILITY, "feasibility", THING_TASK, 0666),
	FIELD(ROW_TASK_ALIGNMENT, "alignment", THING_TASK, 0666),
	FIELD(ROW_TASK_READINESS, "readiness", THING_TASK, 0666),
	LIST_FILE(ROW_TASK_COVERED, "covered", field_show),
	FIELD(ROW_TASK_RESULT, "result", THING_TASK, 0666),
	FILE_RO(ROW_TASK_STATE, "state", state_show),
	FILE_RO(ROW_TASK_HISTORY, "history", history_show),
	FILE_RO(ROW_TASK_UPSTREAM, "upstream", field_show),
	END,
};

static int tasks_mkdir(struct request *r, int64_t id, const char *name)
{
	int err = request_identify(r, 0);

	(void)id;
	if (err)
		return err;
	return request_change(r, CHANGE_DRAFT, name) ? 0 : request_error(r);
}

static int tasks_rmdir(struct request *r, int64_t id, const char *name)
{
	int err = request_identify(r, 0);

	(void)id;
	if (err)
		return err;
	return request_change(r, CHANGE_CANCEL, name) ? 0 : request_error(r);
}

const struct dir_ops tasks_ops = { .mkdir = tasks_mkdir, .rmdir = tasks_rmdir };

static const struct kind task_kind = {
	SQL_FIND_TASK, SQL_LIST_TASK, SQL_STAT_TASK, SQL_TASK_NAME, PARENT_ARG, 0, 0, NULL, NULL
};

const struct node tasks_rows[] = {
	{ .type = NODE_DIR, .row = ROW_TASK, .mode = 0555, .each = &task_kind, .children = task },
	END,
};
