/* control: settings of the mount's owner, switches of the operators. */
#include <errno.h>
#include <string.h>

#include "backend/clean.h"
#include "backend/text.h"
#include "fs/dirs.h"

static int limits_show(struct request *r, int64_t id, struct buf *out)
{
	(void)id;
	for (int i = 0; i < LIMIT_COUNT; i++)
		buf_line(out, "%s %lld", limit_rows[i].name,
			 (long long)read_limit(r->db, (enum limit)i));
	return 0;
}

/* A setting, or the value that holds while it is unset. */
static int setting_show(struct request *r, const char *dflt, struct buf *out)
{
	AUTO_FREE char *text = db_text(r->db, Q(ATTR), I(0), T(r->node->name));

	buf_line(out, "%s", text ? text : dflt);
	return 0;
}

static int lease_show(struct request *r, int64_t id, struct buf *out)
{
	(void)id;
	return setting_show(r, "60m", out);
}

static int lease_max_show(struct request *r, int64_t id, struct buf *out)
{
	(void)id;
	return setting_show(r, "8h", out);
}

static int recent_show(struct request *r, int64_t id, struct buf *out)
{
	(void)id;
	return setting_show(r, "7d", out);
}

static int interval_show(struct request *r, int64_t id, struct buf *out)
{
	(void)id;
	return setting_show(r, "10s", out);
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

#define SETTING(r, n, sh)                                                                      \
	{                                                                                      \
		.type = NODE_FILE, .row = (r), .name = (n), .mode = 0644, .of = THING_CONTROL, \
		.flags = NODE_OWNER, .show = (sh), .store = field_store                        \
	}

const struct node control_rows[] = {
	SETTING(ROW_LIMITS, "limits", limits_show),
	SETTING(ROW_LEASE, "lease", lease_show),
	SETTING(ROW_LEASE_MAX, "lease-max", lease_max_show),
	SETTING(ROW_RECENT, "recent", recent_show),
	SETTING(ROW_VERDICT_INTERVAL, "verdict-interval", interval_show),
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
	END,
};
