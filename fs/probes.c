/* probes: one directory a probe: its settings, and what it said. */
#include <string.h>

#include "backend/probe.h"
#include "backend/text.h"
#include "fs/dirs.h"

/* `WORD DETAIL` of the last run, as a fed one is written. */
static int answer_show(struct request *r, int64_t id, struct buf *out)
{
	AUTO_ROWS *rows = db_rows(r->db, Q(RUN_LAST), I(id));
	int got = rows_next(rows);
	const char *detail = got > 0 ? rows_text(rows, 4) : "was never run";

	buf_printf(out, "%s", got > 0 ? rows_text(rows, 3) : "unknown");
	buf_line(out, "%s%s", strcmp(detail, "-") != 0 ? " " : "",
		 strcmp(detail, "-") != 0 ? detail : "");
	return got < 0 ? got : 0;
}

static int detail_show(struct request *r, int64_t id, struct buf *out)
{
	AUTO_ROWS *rows = db_rows(r->db, Q(RUN_LAST), I(id));
	int got = rows_next(rows);

	buf_line(out, "%s", got > 0 ? rows_text(rows, 4) : "was never run");
	return got < 0 ? got : 0;
}

static int last_show(struct request *r, int64_t id, struct buf *out)
{
	AUTO_ROWS *rows = db_rows(r->db, Q(RUN_LAST), I(id));
	char when[TIME_TEXT];
	int got = rows_next(rows);

	buf_line(out, "judged %s", got > 0 ? time_text(rows_int(rows, 0), when) : "-");
	buf_line(out, "seq %lld", got > 0 ? (long long)rows_int(rows, 2) : 0);
	buf_line(out, "took %lldms", got > 0 ? (long long)rows_int(rows, 1) : 0);
	buf_line(out, "answer %s", got > 0 ? rows_text(rows, 3) : "-");
	buf_line(out, "detail %s", got > 0 ? rows_text(rows, 4) : "-");
	buf_line(out, "shadow %s", got > 0 && rows_int(rows, 6) ? "yes" : "no");
	buf_line(out, "inputs %s", got > 0 ? rows_text(rows, 5) : "-");
	return got < 0 ? got : 0;
}

static int show_runs(struct request *r, int64_t id, int shadow, struct buf *out)
{
	AUTO_ROWS *rows = db_rows(r->db, Q(RUNS_OF), I(id), I(shadow));
	char when[TIME_TEXT];
	int got;

	while ((got = rows_next(rows)) > 0)
		buf_line(out, "%s %s %lldms %s", time_text(rows_int(rows, 0), when),
			 rows_text(rows, 3), (long long)rows_int(rows, 1), rows_text(rows, 4));
	return got;
}

static int history_show(struct request *r, int64_t id, struct buf *out)
{
	return show_runs(r, id, 0, out);
}

static int shadow_show(struct request *r, int64_t id, struct buf *out)
{
	return show_runs(r, id, 1, out);
}

/* WHAT: a kind of probe. */
static int is_kind(struct request *r, int64_t id, const char *what)
{
	struct thing th;

	return read_thing(r->db, id, &th) > 0 &&
	       strcmp(probe_kind_of(r->db, id, th.name)->name, what) == 0;
}

static const struct kind probe_kind = THING_KIND(THING_PROBE, is_kind);

/* There for probes of one kind; 0664 what operators set, 0644 programs, which are the owner's alone. */
#define SETTING(r, n, m, kind_name)                                                                \
	{                                                                                          \
		.type = NODE_FILE, .row = (r), .name = (n), .mode = (m), .of = THING_PROBE,        \
		.only = (kind_name), .flags = NODE_OWNER, .show = field_show, .store = field_store \
	}

/* Reading it runs this probe alone; of a fed one it is where it is fed. */
#define ANSWER(r, m, kind_name, st)                                                               \
	{                                                                                         \
		.type = NODE_FILE, .row = (r), .name = "verdict", .mode = (m), .of = THING_PROBE, \
		.only = (kind_name), .flags = NODE_OWNER | NODE_VERDICT, .show = answer_show,     \
		.store = (st)                                                                     \
	}

static const struct node probe[] = {
	ANSWER(ROW_PROBE_VERDICT, 0444, "-fed", NULL),
	ANSWER(ROW_PROBE_FED, 0664, "fed", field_store),
	FILE_RO(ROW_PROBE_DETAIL, "detail", detail_show),
	FILE_RO(ROW_PROBE_LAST, "last", last_show),
	FILE_RO(ROW_PROBE_HISTORY, "history", history_show),
	FILE_RO(ROW_PROBE_SHADOW, "shadow", shadow_show),
	SETTING(ROW_PROBE_ENABLED, "enabled", 0664, NULL),
	SETTING(ROW_PROBE_INTERVAL, "interval", 0664, NULL),
	SETTING(ROW_PROBE_TIMEOUT, "timeout", 0664, NULL),
	SETTING(ROW_PROBE_COMMAND, "command", 0644, NULL),
	SETTING(ROW_PROBE_NETWORK, "network", 0644, "command"),
	SETTING(ROW_PROBE_FEED, "feed", 0664, "cross-repo-supply"),
	SETTING(ROW_PROBE_FLOOR, "floor", 0664, "idea-backlog"),
	SETTING(ROW_PROBE_CATEGORY, "category", 0664, "self-review"),
	SETTING(ROW_PROBE_WINDOW, "window", 0664, "self-review"),
	SETTING(ROW_PROBE_MAX_AGE, "max-age", 0664, "self-review"),
	SETTING(ROW_PROBE_MAX_SHARE, "max-share", 0664, "self-review"),
	SETTING(ROW_PROBE_MIN_GRADE, "min-grade", 0664, "self-review"),
	SETTING(ROW_PROBE_LOCK_AGE, "lock-age", 0664, "invariants"),
	SETTING(ROW_PROBE_GRACE, "grace", 0664, "invariants"),
	SETTING(ROW_PROBE_LINTER, "linter", 0644, "lint-lessons"),
	SETTING(ROW_PROBE_MANAGER, "manager", 0644, "failed-services"),
	SETTING(ROW_PROBE_FAILURES, "failures", 0664, "failed-services"),
	SETTING(ROW_PROBE_MAX_SESSIONS, "max-sessions", 0664, "calm-window"),
	SETTING(ROW_PROBE_MAX_LOAD, "max-load", 0664, "calm-window"),
	SETTING(ROW_PROBE_MIN_MEMORY, "min-memory", 0664, "calm-window"),
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
