/* probes: one directory a probe; a command whose exit status is the answer. */
#include <stdlib.h>

#include "fs/dirs.h"
#include "fs/verdict.h"

static int timeout_show(struct request *r, int64_t id, struct buf *out)
{
	char *text = db_text(r->db, Q(ATTR), I(id), T("timeout"));

	buf_line(out, "%s", text ? text : "30s");
	free(text);
	return 0;
}

static int enabled_show(struct request *r, int64_t id, struct buf *out)
{
	char *text = db_text(r->db, Q(ATTR), I(id), T("enabled"));

	buf_line(out, "%s", text ? text : "1");
	free(text);
	return 0;
}

/* The probe's answer in the last run. */
static int answer_show(struct request *r, int64_t id, struct buf *out)
{
	const char *word = verdict_of(r->fs->verdict, id, NULL);

	buf_line(out, "%s", word ? word : "unknown");
	return 0;
}

static int detail_show(struct request *r, int64_t id, struct buf *out)
{
	if (!verdict_of(r->fs->verdict, id, out))
		buf_str(out, "not run yet");
	buf_char(out, '\n');
	return 0;
}

static const struct kind probe_kind = {
	SQL_FIND_PROBE, SQL_LIST_PROBE, SQL_STAT_PROBE, SQL_PROBE_NAME, PARENT_ARG, 0, 0, NULL
};

static const struct node probe[] = {
	{ .type = NODE_FILE,
	  .row = ROW_PROBE_COMMAND,
	  .name = "command",
	  .mode = 0644,
	  .of = THING_PROBE,
	  .flags = NODE_OWNER,
	  .show = field_show,
	  .store = field_store },
	{ .type = NODE_FILE,
	  .row = ROW_PROBE_TIMEOUT,
	  .name = "timeout",
	  .mode = 0664,
	  .of = THING_PROBE,
	  .flags = NODE_OWNER,
	  .show = timeout_show,
	  .store = field_store },
	{ .type = NODE_FILE,
	  .row = ROW_PROBE_ENABLED,
	  .name = "enabled",
	  .mode = 0664,
	  .of = THING_PROBE,
	  .flags = NODE_OWNER,
	  .show = enabled_show,
	  .store = field_store },
	FILE_RO(ROW_PROBE_VERDICT, "verdict", answer_show),
	FILE_RO(ROW_PROBE_DETAIL, "detail", detail_show),
	END,
};

static int probes_mkdir(struct request *r, int64_t id, const char *name)
{
	int err = request_identify(r, 0);

	(void)id;
	if (err)
		return err;
	return request_change(r, CHANGE_PROBE_ADD, name) ? 0 : request_error(r);
}

static int probes_rmdir(struct request *r, int64_t id, const char *name)
{
	int err = request_identify(r, 0);

	(void)id;
	if (err)
		return err;
	return request_change(r, CHANGE_PROBE_REMOVE, name) ? 0 : request_error(r);
}

const struct dir_ops probes_ops = { .mkdir = probes_mkdir, .rmdir = probes_rmdir };

const struct node probes_rows[] = {
	{ .type = NODE_DIR,
	  .row = ROW_PROBE,
	  .mode = 0555,
	  .flags = NODE_OWNER,
	  .each = &probe_kind,
	  .children = probe },
	END,
};
