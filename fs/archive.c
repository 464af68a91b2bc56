/* archive: sessions and done tasks by the day they ended, as links. */
#include <errno.h>

#include "backend/clean.h"
#include "backend/text.h"
#include "fs/dirs.h"

static int find_day(const char *name, int64_t *id)
{
	return day_parse(name, id) || *id <= 0 ? -ENOENT : 0;
}

static const struct kind day_kind = {
	SQL_FIND_DAY, SQL_LIST_DAY, SQL_STAT_DAY, SQL_DAY_NAME, PARENT_ARG, 0, 0, find_day, NULL
};
static const struct kind day_session = { SQL_FIND_DAY_SESSION,
					 SQL_LIST_DAY_SESSION,
					 SQL_STAT_SESSION,
					 SQL_SESSION_NAME,
					 PARENT_THING,
					 0,
					 0,
					 NULL,
					 NULL };
static const struct kind day_task = { SQL_FIND_DAY_TASK,
				      SQL_LIST_DAY_TASK,
				      SQL_STAT_TASK,
				      SQL_TASK_NAME,
				      PARENT_THING,
				      0,
				      0,
				      NULL,
				      NULL };

static int link_show(struct request *r, const char *where, char *name, struct buf *out)
{
	(void)r;
	if (!name)
		return -ESTALE;
	buf_printf(out, "../../../%s/%s", where, name);
	return 0;
}

static int session_link(struct request *r, int64_t id, struct buf *out)
{
	AUTO_FREE char *name = db_text(r->db, Q(SESSION_NAME), I(id));

	return link_show(r, "sessions", name, out);
}

static int task_link(struct request *r, int64_t id, struct buf *out)
{
	AUTO_FREE char *name = db_text(r->db, Q(TASK_NAME), I(id));

	return link_show(r, "done", name, out);
}

static const struct node day_sessions[] = {
	{ .type = NODE_LINK,
	  .row = ROW_DAY_SESSION,
	  .mode = 0777,
	  .each = &day_session,
	  .show = session_link },
	END,
};
static const struct node day_done[] = {
	{ .type = NODE_LINK,
	  .row = ROW_DAY_TASK,
	  .mode = 0777,
	  .each = &day_task,
	  .show = task_link },
	END,
};
static const struct node day[] = {
	DIR(ROW_DAY_SESSIONS, "sessions", day_sessions),
	DIR(ROW_DAY_DONE, "done", day_done),
	END,
};

const struct node archive_rows[] = {
	{ .type = NODE_DIR,
	  .row = ROW_DAY,
	  .mode = 0555,
	  .flags = NODE_OWNER,
	  .each = &day_kind,
	  .children = day },
	END,
};
