/* convergence: one directory an incident: two sessions, one piece of work. */
#include <errno.h>
#include <string.h>

#include <jansson.h>

#include "backend/clean.h"
#include "backend/overlap.h"
#include "backend/text.h"
#include "backend/tx.h"
#include "fs/dirs.h"

/* Columns of INCIDENT_COLUMNS. */
enum column_of {
	REPO = 2,
	FIRST,
	SECOND,
	FIRST_AT,
	LAST_AT,
	GAP,
	COST,
	KINDS,
	COMMITS,
	PATHS,
	HELD,
	LESSON,
	APPLIED
};

static const struct kind kind = {
	.find = SQL_FIND_INCIDENT,
	.list = SQL_LIST_INCIDENT,
	.stat = SQL_STAT_INCIDENT,
	.name = SQL_INCIDENT_NAME,
	.parent = PARENT_THING,
};

/* Lines as they are kept, or that there are none. */
static void put_lines(struct buf *out, const char *text)
{
	if (*text)
		buf_str(out, text);
	else
		buf_line(out, "-");
}

static int column_show(struct request *r, int64_t id, struct buf *out, int column)
{
	AUTO_ROWS *rows = db_rows(r->db, Q(INCIDENT), I(id));
	int got = rows_next(rows);

	if (got <= 0)
		return got ? got : -ESTALE;
	put_lines(out, rows_text(rows, column));
	return 0;
}

static int kind_show(struct request *r, int64_t id, struct buf *out)
{
	return column_show(r, id, out, KINDS);
}

static int commits_show(struct request *r, int64_t id, struct buf *out)
{
	return column_show(r, id, out, COMMITS);
}

static int paths_show(struct request *r, int64_t id, struct buf *out)
{
	return column_show(r, id, out, PATHS);
}

static int held_show(struct request *r, int64_t id, struct buf *out)
{
	return column_show(r, id, out, HELD);
}

static int sessions_show(struct request *r, int64_t id, struct buf *out)
{
	AUTO_ROWS *rows = db_rows(r->db, Q(INCIDENT), I(id));
	int got = rows_next(rows);

	if (got <= 0)
		return got ? got : -ESTALE;
	buf_line(out, "%s", rows_text(rows, FIRST));
	buf_line(out, "%s", rows_text(rows, SECOND));
	return 0;
}

static int gap_show(struct request *r, int64_t id, struct buf *out)
{
	AUTO_ROWS *rows = db_rows(r->db, Q(INCIDENT), I(id));
	char gap[DURATION_TEXT];
	int got = rows_next(rows);

	if (got <= 0)
		return got ? got : -ESTALE;
	buf_line(out, "%s", duration_text(rows_int(rows, GAP), gap));
	return 0;
}

static int at_show(struct request *r, int64_t id, struct buf *out)
{
	AUTO_ROWS *rows = db_rows(r->db, Q(INCIDENT), I(id));
	char when[TIME_TEXT];
	int got = rows_next(rows);

	if (got <= 0)
		return got ? got : -ESTALE;
	buf_line(out, "%s", time_text(rows_int(rows, FIRST_AT), when));
	buf_line(out, "%s", time_text(rows_int(rows, LAST_AT), when));
	return 0;
}

static int repo_show(struct request *r, int64_t id, struct buf *out)
{
	AUTO_ROWS *rows = db_rows(r->db, Q(INCIDENT), I(id));
	AUTO_FREE char *name = NULL;
	int got = rows_next(rows);

	if (got <= 0)
		return got ? got : -ESTALE;
	name = db_text(r->db, Q(THING_NAME), I(rows_int(rows, REPO)));
	buf_line(out, "%s", name ? name : "-");
	return 0;
}

/* One line of it: what could be written into tasks/TASK, and where. */
static void show_line(struct request *r, const json_t *line, struct buf *out)
{
	const char *task = event_text(line, "task"), *key = event_text(line, "key");
	const char *value = event_text(line, "value");
	AUTO_FREE char *repo = db_text(r->db, Q(ATTR), I(event_int(line, "task_id")), T("repo"));

	if (strcmp(key, "artifact") == 0)
		value = artifact_show(value, repo ? repo : "");
	buf_line(out, "task %s %s %s", task, key, value);
}

static int lesson_show(struct request *r, int64_t id, struct buf *out)
{
	AUTO_ROWS *rows = db_rows(r->db, Q(INCIDENT), I(id));
	json_t *lesson, *line;
	char when[TIME_TEXT];
	int got = rows_next(rows);
	size_t i;

	if (got <= 0)
		return got ? got : -ESTALE;
	lesson = json_loads(rows_text(rows, LESSON), 0, NULL);
	json_array_foreach(lesson, i, line)
		show_line(r, line, out);
	if (!json_array_size(lesson))
		buf_line(out, "-");
	json_decref(lesson);
	buf_line(out, "applied %s", time_text(rows_int(rows, APPLIED), when));
	return 0;
}

static int lesson_store(struct request *r, int64_t id, const char *text, size_t n, int append)
{
	int err = request_identify(r, 0);

	(void)append;
	if (err)
		return err;
	if (n && text[n - 1] == '\n')
		n--;
	if (n != 5 || memcmp(text, "apply", 5) != 0)
		return request_refuse(r, EINVAL, "echo apply > convergence/N/lesson",
				      "a lesson takes one word: apply");
	return request_about(r, CHANGE_APPLY, id, NULL, 0);
}

static const struct node incident[] = {
	FILE_RO(ROW_INCIDENT_KIND, "kind", kind_show),
	FILE_RO(ROW_INCIDENT_COMMITS, "commits", commits_show),
	FILE_RO(ROW_INCIDENT_SESSIONS, "sessions", sessions_show),
	FILE_RO(ROW_INCIDENT_PATHS, "paths", paths_show),
	FILE_RO(ROW_INCIDENT_GAP, "gap", gap_show),
	FILE_RO(ROW_INCIDENT_HELD, "held", held_show),
	FILE_RO(ROW_INCIDENT_AT, "at", at_show),
	FILE_RO(ROW_INCIDENT_REPO, "repo", repo_show),
	{ .type = NODE_FILE,
	  .row = ROW_INCIDENT_LESSON,
	  .name = "lesson",
	  .mode = 0666,
	  .flags = NODE_OWNER,
	  .show = lesson_show,
	  .store = lesson_store },
	END,
};

const struct node convergence_rows[] = {
	{ .type = NODE_DIR,
	  .row = ROW_INCIDENT,
	  .mode = 0555,
	  .flags = NODE_OWNER,
	  .each = &kind,
	  .children = incident },
	END,
};
