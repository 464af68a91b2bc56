/* sessions: one directory a session; what is done in it is done as it. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "backend/clean.h"
#include "backend/text.h"
#include "fs/caller.h"
#include "fs/claimfile.h"
#include "fs/dirs.h"
#include "fs/record.h"

static const struct kind held_kind = { SQL_FIND_HELD,	  SQL_LIST_HELD, SQL_STAT_CLAIM,
				       SQL_GRANT_NAME,	  PARENT_THING,	 0,
				       SQL_GRANT_SESSION, NULL,		 NULL };
static const struct kind finished_kind = { SQL_FIND_FINISHED,
					   SQL_LIST_FINISHED,
					   SQL_STAT_FINISHED,
					   SQL_GRANT_NAME,
					   PARENT_THING,
					   0,
					   SQL_GRANT_SESSION,
					   NULL,
					   NULL };
static const struct kind live_kind = { SQL_FIND_LIVE_SESSION,
				       SQL_LIST_LIVE_SESSION,
				       SQL_STAT_SESSION,
				       SQL_SESSION_NAME,
				       PARENT_ARG,
				       0,
				       0,
				       NULL,
				       NULL };
static const struct kind ended_kind = { SQL_FIND_ENDED_SESSION,
					SQL_LIST_ENDED_SESSION,
					SQL_STAT_SESSION,
					SQL_SESSION_NAME,
					PARENT_RECENT,
					0,
					0,
					NULL,
					NULL };

static int finished_show(struct request *r, int64_t id, struct buf *out)
{
	char when[TIME_TEXT];
	struct grant g;
	int got = read_grant(r->db, id, &g);

	if (got <= 0)
		return got ? got : -ESTALE;
	buf_line(out, "task %s", g.name);
	buf_line(out, "session %s", g.holder);
	buf_line(out, "token %lld", (long long)g.token);
	buf_line(out, "finished %s", time_text(g.ended, when));
	return 0;
}

static int procs_show(struct request *r, int64_t id, struct buf *out)
{
	AUTO_ROWS *rows = db_rows(r->db, Q(MEMBERS_OF), I(id));
	int got;

	while ((got = rows_next(rows)) > 0)
		if (strcmp(rows_text(rows, 2), store_boot_id(r->fs->store)) == 0)
			buf_line(out, "%lld", (long long)rows_int(rows, 0));
	return got;
}

static int refuse_pid(struct request *r, int64_t pid, const char *what)
{
	return request_refuse(r, EPERM, "echo 0 > procs joins the process that writes",
			      "process %lld %s", (long long)pid, what);
}

/* May the caller name this process as a member? */
static int check_member(struct request *r, int64_t named, const struct proc *p)
{
	if (p->pid != r->actor.pid && caller_descends(r->actor.pid, p->pid) <= 0 &&
	    caller_descends(p->pid, r->actor.pid) <= 0)
		return refuse_pid(r, named,
				  "is neither you, nor an ancestor or a descendant of yours");
	if (p->uid != r->uid && r->uid != 0)
		return refuse_pid(r, named, "belongs to another uid");
	if (caller_is_init(p->pid) > 0)
		return refuse_pid(
			r, named,
			"is the init of its pid namespace: everything would be this session");
	if (caller_descends(getpid(), p->pid) > 0)
		return refuse_pid(r, named, "is the daemon or started it");
	return 0;
}

/* The process of the caller's that TEXT names. 0, or refused. */
static int parse_process(struct request *r, const char *text, size_t n, struct proc *out)
{
	char number[24] = "";
	int64_t named;
	int err;

	if (!n || n >= sizeof(number))
		return request_refuse(r, EINVAL, "echo 0 > procs", "one process id is wanted");
	memcpy(number, text, n);
	if (int_parse(number, 0, INT32_MAX, &named))
		return request_refuse(r, EINVAL, "echo 0 > procs", "not a process id");
	if (!r->actor.pid)
		return request_refuse(r, ESRCH, "use the paths of sessions/ID/ instead",
				      "you are in a pid namespace the daemon cannot see into");
	err = caller_named(r->actor.pid, named, out);
	if (err)
		return request_refuse(r, -err, "echo 0 > procs", "no process %lld: %s",
				      (long long)named, errno_text(err));
	return check_member(r, named, out);
}

/* A change of KIND about session ID and process P (pid 0: none). */
static int ask_process(struct request *r, enum change_kind kind, int64_t id, const struct proc *p)
{
	const char *boot = store_boot_id(r->fs->store);

	if (!request_change(r, kind, NULL))
		return request_error(r);
	r->change->thing = id;
	r->change->pid = p->pid;
	r->change->start = p->start;
	return change_text(r->change, boot, strlen(boot));
}

static size_t without_newline(const char *text, size_t n)
{
	return n && text[n - 1] == '\n' ? n - 1 : n;
}

static int procs_store(struct request *r, int64_t id, const char *text, size_t n, int append)
{
	struct proc p = { .pid = 0 };
	int err = request_identify(r, id);

	(void)append;
	if (!err)
		err = parse_process(r, text, without_newline(text, n), &p);
	return err ? err : ask_process(r, CHANGE_JOIN, id, &p);
}

static int anchor_show(struct request *r, int64_t id, struct buf *out)
{
	AUTO_ROWS *rows = db_rows(r->db, Q(ANCHOR_OF), I(id));
	int got = rows_next(rows);

	if (got > 0 && strcmp(rows_text(rows, 2), store_boot_id(r->fs->store)) == 0)
		buf_line(out, "%lld", (long long)rows_int(rows, 0));
	else
		buf_line(out, "-");
	return got < 0 ? got : 0;
}

/* A process id; a newline alone, or what a read of none shows: none. */
static int anchor_store(struct request *r, int64_t id, const char *text, size_t n, int append)
{
	struct proc p = { .pid = 0 };
	size_t len = without_newline(text, n);
	int err = request_identify(r, id);

	(void)append;
	if (!err && len && !(len == 1 && *text == '-'))
		err = parse_process(r, text, len, &p);
	return err ? err : ask_process(r, CHANGE_ANCHOR, id, &p);
}

static int state_show(struct request *r, int64_t id, struct buf *out)
{
	struct session s;
	int got = read_session(r->db, id, &s);

	if (got <= 0)
		return got ? got : -ESTALE;
	if (s.ended)
		buf_line(out, "ended %s", s.how);
	else
		buf_line(out, "live");
	return 0;
}

static int started_show(struct request *r, int64_t id, struct buf *out)
{
	char when[TIME_TEXT];
	struct session s;

	if (read_session(r->db, id, &s) <= 0)
		return -ESTALE;
	buf_line(out, "%s", time_text(s.started, when));
	return 0;
}

static int ended_show(struct request *r, int64_t id, struct buf *out)
{
	char when[TIME_TEXT];
	struct session s;

	if (read_session(r->db, id, &s) <= 0)
		return -ESTALE;
	buf_line(out, "%s", time_text(s.ended, when));
	return 0;
}

/* touch sessions/ID: I am alive. */
static int session_touch(struct request *r, int64_t id)
{
	int err = request_identify(r, id);

	return err ? err : request_about(r, CHANGE_RENEW, id, NULL, 0);
}

static const struct node session_claims[] = {
	CLAIM_FILE(ROW_SESSION_CLAIM, &held_kind, NODE_SESSION), END
};
static const struct node session_done[] = {
	{ .type = NODE_FILE,
	  .row = ROW_SESSION_FINISHED,
	  .mode = 0444,
	  .each = &finished_kind,
	  .show = finished_show },
	END,
};

/* NAME HEAD BRANCH of each repository, as the session has seen it. */
static int base_show(struct request *r, int64_t id, struct buf *out)
{
	AUTO_ROWS *rows = db_rows(r->db, Q(BASES_OF), I(id));
	int got;

	while ((got = rows_next(rows)) > 0)
		buf_line(out, "%s %s", rows_text(rows, 0), rows_text(rows, 1));
	return got;
}

static int base_touch(struct request *r, int64_t id)
{
	int err = request_identify(r, id);

	return err ? err : request_about(r, CHANGE_BASE, id, NULL, 0);
}

static int base_store(struct request *r, int64_t id, const char *text, size_t n, int append)
{
	(void)text;
	(void)n;
	(void)append;
	(void)request_identify(r, id);
	return request_refuse(
		r, EINVAL, "touch sessions/ID/base",
		"a base is not written: touching it accepts what the repositories hold now");
}

#define SESSION_FIELD(r, n)                                                                    \
	{                                                                                      \
		.type = NODE_FILE, .row = (r), .name = (n), .mode = 0664, .of = THING_SESSION, \
		.flags = NODE_SESSION, .show = field_show, .store = field_store                \
	}

static const struct node session[] = {
	{ .type = NODE_DIR,
	  .row = ROW_SESSION_CLAIMS,
	  .name = "claims",
	  .mode = 0777,
	  .flags = NODE_SESSION,
	  .children = session_claims,
	  .ops = &claims_ops },
	{ .type = NODE_DIR,
	  .row = ROW_SESSION_DONE,
	  .name = "done",
	  .mode = 0777,
	  .flags = NODE_SESSION,
	  .children = session_done,
	  .ops = &column_ops },
	{ .type = NODE_FILE,
	  .row = ROW_SESSION_WHY,
	  .name = "why",
	  .mode = 0444,
	  .flags = NODE_SESSION,
	  .show = why_show },
	{ .type = NODE_FILE,
	  .row = ROW_SESSION_NEXT,
	  .name = "next",
	  .mode = 0444,
	  .flags = NODE_SESSION,
	  .show = next_show },
	{ .type = NODE_FILE,
	  .row = ROW_SESSION_NEXT_WHY,
	  .name = "next.why",
	  .mode = 0444,
	  .flags = NODE_SESSION,
	  .show = next_why_show },
	{ .type = NODE_FILE,
	  .row = ROW_SESSION_WHOAMI,
	  .name = "whoami",
	  .mode = 0444,
	  .flags = NODE_SESSION,
	  .show = whoami_show },
	{ .type = NODE_FILE,
	  .row = ROW_SESSION_PROCS,
	  .name = "procs",
	  .mode = 0664,
	  .flags = NODE_SESSION,
	  .show = procs_show,
	  .store = procs_store },
	{ .type = NODE_FILE,
	  .row = ROW_SESSION_ANCHOR,
	  .name = "anchor",
	  .mode = 0664,
	  .flags = NODE_SESSION,
	  .show = anchor_show,
	  .store = anchor_store },
	{ .type = NODE_FILE,
	  .row = ROW_SESSION_BASE,
	  .name = "base",
	  .mode = 0664,
	  .flags = NODE_SESSION,
	  .show = base_show,
	  .store = base_store,
	  .touch = base_touch },
	FILE_RO(ROW_SESSION_STATE, "state", state_show),
	FILE_RO(ROW_SESSION_STARTED, "started", started_show),
	FILE_RO(ROW_SESSION_ENDED_AT, "ended", ended_show),
	SESSION_FIELD(ROW_SESSION_CATEGORY, "category"),
	SESSION_FIELD(ROW_SESSION_OUTCOME, "outcome"),
	SESSION_FIELD(ROW_SESSION_CONTEXT, "context"),
	FILE_RO(ROW_SESSION_LESSONS, "lessons", session_lessons_show),
	{ .type = NODE_FILE,
	  .row = ROW_SESSION_JOURNAL,
	  .name = "journal",
	  .mode = 0664,
	  .flags = NODE_SESSION,
	  .show = journal_show,
	  .store = journal_store },
	FILE_RW(ROW_SESSION_MESSAGES, "messages", 0666, messages_show, messages_store),
	FILE_RO(ROW_SESSION_COMMITS, "commits", deeds_commits_show),
	FILE_RO(ROW_SESSION_REFUSALS, "refusals", refusals_show),
	FILE_RO(ROW_SESSION_TAKEN, "taken", taken_show),
	FILE_RO(ROW_SESSION_STAMP, "stamp", stamp_show),
	FILE_RO(ROW_SESSION_GRADE, "grade", grade_show),
	DIR(ROW_SESSION_GRADES, "grades", grades_rows),
	FILE_RO(ROW_SESSION_RECORD, "record.json", record_show),
	END,
};

static int sessions_mkdir(struct request *r, int64_t id, const char *name)
{
	int err = request_identify(r, 0);

	(void)id;
	if (err)
		return err;
	r->actor.session = 0; /* registering renews nobody */
	return request_change(r, CHANGE_REGISTER, name) ? 0 : request_error(r);
}

static int sessions_rmdir(struct request *r, int64_t id, const char *name)
{
	struct session s;
	int err, got = read_session_named(r->db, name, &s);

	(void)id;
	if (got <= 0)
		return got ? got : -ENOENT;
	err = request_identify(r, s.ended ? 0 : s.id);
	return err ? err : request_about(r, CHANGE_END, s.id, NULL, 0);
}

const struct dir_ops sessions_ops = { .mkdir = sessions_mkdir, .rmdir = sessions_rmdir };

const struct node sessions_rows[] = {
	{ .type = NODE_DIR,
	  .row = ROW_SESSION,
	  .mode = 0755,
	  .each = &live_kind,
	  .stat = SQL_STAT_LIVE_SESSION,
	  .children = session,
	  .touch = session_touch },
	{ .type = NODE_DIR,
	  .row = ROW_SESSION_ENDED,
	  .mode = 0755,
	  .each = &ended_kind,
	  .children = session,
	  .touch = session_touch },
	END,
};
