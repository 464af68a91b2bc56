/* root: the top-level rows, and the small files among them. */
#include <string.h>

#include "backend/clean.h"
#include "backend/overlap.h"
#include "backend/text.h"
#include "fs/claimfile.h"
#include "fs/dirs.h"

int why_show(struct request *r, int64_t id, struct buf *out)
{
	int64_t session = node_session(r, r->node, id);

	if (!session) {
		(void)request_identify(r, 0);
		session = r->actor.session;
	}
	request_why(r, session, out);
	return 0;
}

int whoami_show(struct request *r, int64_t id, struct buf *out)
{
	static const char *const how[] = { "-", "path", "joined process", "environment" };
	struct session s;

	/* by a path that is not the caller's to use it is who it is without the path */
	(void)request_identify(r, node_session(r, r->node, id));
	buf_line(out, "session %s",
		 r->actor.session && read_session(r->db, r->actor.session, &s) > 0 ? s.name : "-");
	buf_line(out, "how %s", how[r->actor.how]);
	buf_line(out, "uid %u", r->actor.uid);
	if (r->actor.pid)
		buf_line(out, "pid %d", r->actor.pid);
	else
		buf_line(out, "pid -");
	buf_line(out, "operator %s", r->actor.is_operator ? "yes" : "no");
	return 0;
}

/* Every name held now: PATH TASK SESSION EXPIRES. */
int artifacts_show(struct request *r, int64_t id, struct buf *out)
{
	AUTO_ROWS *rows = db_rows(r->db, Q(ARTIFACTS_HELD));
	char when[TIME_TEXT];
	int got;

	(void)id;
	while ((got = rows_next(rows)) > 0)
		buf_line(out, "%s %s %s %s", artifact_show(rows_text(rows, 0), ""),
			 rows_text(rows, 2), rows_text(rows, 3),
			 request_until(r, rows_int(rows, 4), when));
	return got;
}

static const struct node root_rows[] = {
	{ .type = NODE_FILE,
	  .row = ROW_README,
	  .name = "README",
	  .mode = 0444,
	  .flags = NODE_STATIC,
	  .show = readme_show },
	FILE_RO(ROW_STATUS, "status", status_show),
	{ .type = NODE_FILE,
	  .row = ROW_VERDICT,
	  .name = "verdict",
	  .mode = 0444,
	  .flags = NODE_VERDICT,
	  .show = verdict_show },
	{ .type = NODE_FILE,
	  .row = ROW_VERDICT_JSON,
	  .name = "verdict.json",
	  .mode = 0444,
	  .flags = NODE_VERDICT,
	  .show = verdict_json_show },
	FILE_RO(ROW_NEXT, "next", next_show),
	FILE_RO(ROW_NEXT_WHY, "next.why", next_why_show),
	FILE_RO(ROW_WHY, "why", why_show),
	FILE_RO(ROW_WHOAMI, "whoami", whoami_show),
	{ .type = NODE_FILE,
	  .row = ROW_ARTIFACTS,
	  .name = "artifacts",
	  .mode = 0444,
	  .flags = NODE_COSTLY,
	  .show = artifacts_show },
	DIR_OPS(ROW_IDEAS, "ideas", 0777, ideas_rows, &column_ops),
	DIR_OPS(ROW_READY, "ready", 0777, ready_rows, &column_ops),
	DIR_OPS(ROW_BLOCKED, "blocked", 0777, blocked_rows, &column_ops),
	DIR_OPS(ROW_CLAIMS, "claims", 0777, claims_rows, &claims_ops),
	DIR_OPS(ROW_DONE, "done", 0777, done_rows, &column_ops),
	DIR_OPS(ROW_ACTIONS, "actions", 0777, actions_rows, &actions_ops),
	DIR_OPS(ROW_TASKS, "tasks", 0777, tasks_rows, &tasks_ops),
	DIR_OPS(ROW_SESSIONS, "sessions", 0777, sessions_rows, &sessions_ops),
	THINGS_DIR(ROW_PROBES, "probes", 0775, THING_PROBE, probes_rows),
	THINGS_DIR(ROW_LANES, "lanes", 0775, THING_LANE, lanes_rows),
	THINGS_DIR(ROW_REPOS, "repos", 0775, THING_REPO, repos_rows),
	DIR(ROW_CONVERGENCE, "convergence", convergence_rows),
	DIR(ROW_STATS, "stats", stats_rows),
	THINGS_DIR(ROW_LESSONS, "lessons", 0777, THING_LESSON, lessons_rows),
	{ .type = NODE_FILE,
	  .row = ROW_EVENTS,
	  .name = "events",
	  .mode = 0444,
	  .flags = NODE_STREAM,
	  .show = events_show },
	{ .type = NODE_DIR,
	  .row = ROW_WAIT,
	  .name = "wait",
	  .mode = 0555,
	  .flags = NODE_HIDDEN,
	  .children = wait_rows },
	DIR(ROW_ARCHIVE, "archive", archive_rows),
	DIR(ROW_CONTROL, "control", control_rows),
	END,
};

const struct node root_node = {
	.type = NODE_DIR, .row = ROW_ROOT, .mode = 0555, .children = root_rows
};
