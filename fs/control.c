/* control: settings of the mount's owner, switches of the operators. */
#include <errno.h>
#include <string.h>

#include "backend/clean.h"
#include "backend/text.h"
#include "fs/dirs.h"
#include "fs/record.h"

static int limits_show(struct request *r, int64_t id, struct buf *out)
{
	(void)id;
	for (int i = 0; i < LIMIT_COUNT; i++)
		buf_line(out, "%s %lld", limit_rows[i].name,
			 (long long)read_limit(r->db, (enum limit)i));
	return 0;
}

/* Only root gets this far, whom the mode does not stop: tar and grep -r go on. */
static int break_show(struct request *r, int64_t id, struct buf *out)
{
	(void)r;
	(void)id;
	(void)out;
	return 0;
}

static int break_store(struct request *r, int64_t id, const char *text, size_t n, int append)
{
	int err = request_identify(r, 0);

	(void)id;
	(void)append;
	if (err)
		return err;
	if (!request_change(r, CHANGE_BREAK, NULL))
		return request_error(r);
	return change_text(r->change, text, n && text[n - 1] == '\n' ? n - 1 : n);
}

/* What the last import had to report. */
static int import_show(struct request *r, int64_t id, struct buf *out)
{
	(void)id;
	buf_str(out, buf_text(&r->fs->import_report));
	return 0;
}

static int import_store(struct request *r, int64_t id, const char *text, size_t n, int append)
{
	int err = request_identify(r, 0);

	(void)id;
	(void)append;
	if (err)
		return err;
	if (!request_change(r, CHANGE_IMPORT, NULL))
		return request_error(r);
	return change_text(r->change, text, n);
}

static int nibble(char c)
{
	return c <= '9' ? c - '0' : c - 'a' + 10;
}

/* The lines that an import found among session records and that are none, byte for byte. */
static int lines_show(struct request *r, int64_t id, struct buf *out)
{
	AUTO_ROWS *rows = db_rows(r->db, Q(LINES));
	int got;

	(void)id;
	while ((got = rows_next(rows)) > 0) {
		const char *s = rows_text(rows, 1);

		if (!rows_int(rows, 0))
			buf_str(out, s);
		else
			for (; s[0] && s[1]; s += 2)
				buf_char(out, (char)(nibble(s[0]) << 4 | nibble(s[1])));
		buf_char(out, '\n');
	}
	return got;
}

const struct node control_rows[] = {
	{ .type = NODE_FILE,
	  .row = ROW_LIMITS,
	  .name = "limits",
	  .mode = 0644,
	  .of = THING_CONTROL,
	  .flags = NODE_OWNER,
	  .show = limits_show,
	  .store = field_store },
	OPERATORS_FIELD(ROW_LEASE, "lease", THING_CONTROL, 0644),
	OPERATORS_FIELD(ROW_LEASE_MAX, "lease-max", THING_CONTROL, 0644),
	OPERATORS_FIELD(ROW_RECENT, "recent", THING_CONTROL, 0644),
	OPERATORS_FIELD(ROW_VERDICT_INTERVAL, "verdict-interval", THING_CONTROL, 0644),
	OPERATORS_FIELD(ROW_FRESHNESS, "freshness", THING_CONTROL, 0644),
	OPERATORS_FIELD(ROW_DEDUP, "dedup", THING_CONTROL, 0644),
	OPERATORS_FIELD(ROW_DEDUP_WINDOW, "dedup-window", THING_CONTROL, 0644),
	OPERATORS_FIELD(ROW_CONVERGENCE_WINDOW, "convergence-window", THING_CONTROL, 0644),
	OPERATORS_FIELD(ROW_TRAILERS, "trailers", THING_CONTROL, 0644),
	OPERATORS_FIELD(ROW_SCAN_INTERVAL, "scan-interval", THING_CONTROL, 0644),
	OPERATORS_FIELD(ROW_GUARD, "guard", THING_CONTROL, 0644),
	OPERATORS_FIELD(ROW_GUARD_OFFLINE, "guard-offline", THING_CONTROL, 0644),
	{ .type = NODE_FILE,
	  .row = ROW_ACTIONS_LIMIT,
	  .name = "actions-limit",
	  .mode = 0644,
	  .of = THING_CONTROL,
	  .flags = NODE_OWNER | NODE_LIST,
	  .show = field_show,
	  .store = field_store },
	OPERATORS_FIELD(ROW_ACTION_WAIT, "action-wait", THING_CONTROL, 0644),
	OPERATORS_FIELD(ROW_ACTION_RETENTION, "action-retention", THING_CONTROL, 0644),
	DIR(ROW_GRADING, "grading", grading_rows),
	DIR(ROW_SELECT, "select", select_rows),
	DIR(ROW_TEACHING, "lessons", teaching_rows),
	FIELD(ROW_ESTOP, "estop", THING_CONTROL, 0664),
	{ .type = NODE_FILE,
	  .row = ROW_BREAK,
	  .name = "break",
	  .mode = 0220,
	  .show = break_show,
	  .store = break_store },
	{ .type = NODE_FILE,
	  .row = ROW_IMPORT,
	  .name = "import",
	  .mode = 0660,
	  .flags = NODE_LARGE,
	  .show = import_show,
	  .store = import_store },
	FILE_RO(ROW_LINES, "lines", lines_show),
	END,
};
