/* probes: one directory a probe; a command whose exit status is the answer. */
#include <string.h>

#include "backend/probe.h"
#include "fs/dirs.h"
#include "fs/verdict.h"

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

/* WHAT: a kind of probe. */
static int is_kind(struct request *r, int64_t id, const char *what)
{
	struct thing th;

	return read_thing(r->db, id, &th) > 0 &&
	       strcmp(probe_kind_of(r->db, id, th.name)->name, what) == 0;
}

static const struct kind probe_kind = THING_KIND(THING_PROBE, is_kind);

#define SETTING(r, n, kind_name)                                                                   \
	{                                                                                          \
		.type = NODE_FILE, .row = (r), .name = (n), .mode = 0664, .of = THING_PROBE,       \
		.only = (kind_name), .flags = NODE_OWNER, .show = field_show, .store = field_store \
	}
/* Programs are the owner's alone. */
#define PROGRAM(r, n, kind_name)                                                                   \
	{                                                                                          \
		.type = NODE_FILE, .row = (r), .name = (n), .mode = 0644, .of = THING_PROBE,       \
		.only = (kind_name), .flags = NODE_OWNER, .show = field_show, .store = field_store \
	}

static const struct node probe[] = {
	FILE_RO(ROW_PROBE_VERDICT, "verdict", answer_show),
	FILE_RO(ROW_PROBE_DETAIL, "detail", detail_show),
	SETTING(ROW_PROBE_ENABLED, "enabled", NULL),
	SETTING(ROW_PROBE_INTERVAL, "interval", NULL),
	SETTING(ROW_PROBE_TIMEOUT, "timeout", "-fed"),
	PROGRAM(ROW_PROBE_COMMAND, "command", NULL),
	PROGRAM(ROW_PROBE_NETWORK, "network", "command"),
	SETTING(ROW_PROBE_FEED, "feed", "cross-repo-supply"),
	SETTING(ROW_PROBE_FLOOR, "floor", "idea-backlog"),
	SETTING(ROW_PROBE_CATEGORY, "category", "self-review"),
	SETTING(ROW_PROBE_WINDOW, "window", "self-review"),
	SETTING(ROW_PROBE_MAX_AGE, "max-age", "self-review"),
	SETTING(ROW_PROBE_MAX_SHARE, "max-share", "self-review"),
	SETTING(ROW_PROBE_LOCK_AGE, "lock-age", "invariants"),
	SETTING(ROW_PROBE_GRACE, "grace", "invariants"),
	PROGRAM(ROW_PROBE_LINTER, "linter", "lint-lessons"),
	PROGRAM(ROW_PROBE_MANAGER, "manager", "failed-services"),
	SETTING(ROW_PROBE_FAILURES, "failures", "failed-services"),
	SETTING(ROW_PROBE_MAX_SESSIONS, "max-sessions", "calm-window"),
	SETTING(ROW_PROBE_MAX_LOAD, "max-load", "calm-window"),
	SETTING(ROW_PROBE_MIN_MEMORY, "min-memory", "calm-window"),
	END,
};

const struct node probes_rows[] = {
	{ .type = NODE_DIR,
	  .row = ROW_PROBE,
	  .mode = 0555,
	  .flags = NODE_OWNER,
	  .each = &probe_kind,
	  .children = probe },
	END,
};
