/*
 * actions: outward deeds, each done once by the whole fleet. Making a name is
 * asking for permission; what became of it is appended; removing it is not
 * having done it.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "backend/action.h"
#include "backend/clean.h"
#include "backend/text.h"
#include "fs/dirs.h"
#include "fs/handle.h"

#define HISTORY_MAX 1000

static void show_history(struct request *r, const struct action *a, struct buf *out)
{
	AUTO_ROWS *rows = db_rows(r->db, Q(ACTION_LOG), T(a->name), I(HISTORY_MAX));
	char when[TIME_TEXT];

	while (rows_next(rows) > 0) {
		const char *note = rows_text(rows, 3);

		buf_line(out, "history %s %s %s%s%s", time_text(rows_int(rows, 0), when),
			 rows_text(rows, 1), rows_text(rows, 2), *note ? " " : "", note);
	}
}

static void show_state(struct request *r, const struct action *a, struct buf *out)
{
	AUTO_FREE char *result = NULL;

	if (a->state == ACTION_PERMITTED) {
		buf_line(out, "permitted");
	} else if (a->state == ACTION_UNKNOWN) {
		buf_line(out, "unknown: look before acting");
	} else {
		result = db_text(r->db, Q(ACTION_RESULT), I(a->id));
		buf_line(out, "done %s", result ? result : "");
	}
}

static int action_show(struct request *r, int64_t id, struct buf *out)
{
	AUTO_FREE char *limits = tx_attr(r->db, 0, "actions-limit");
	struct action_queue q = { .prefix = "-" };
	char when[TIME_TEXT];
	struct action a;
	int got = read_action(r->db, id, &a);

	if (got <= 0)
		return got ? got : -ESTALE;
	show_state(r, &a, out);
	buf_line(out, "session %s", a.by);
	buf_line(out, "since %s", time_text(a.since, when));
	buf_line(out, "changed %s", time_text(a.changed, when));
	buf_line(out, "until %s",
		 a.state == ACTION_PERMITTED ? request_until(r, a.expires, when) : "-");
	(void)action_queue_find(limits, a.name, &q);
	buf_line(out, "queue %s", q.prefix);
	buf_line(out, "open %s", a.closed ? "no" : "yes");
	show_history(r, &a, out);
	return 0;
}

/* Ask for what is there already: the writer says no, and why. */
static int ask_again(struct request *r, int64_t id)
{
	struct action a;

	if (read_action(r->db, id, &a) <= 0)
		return -ESTALE; /* the kernel looks again */
	if (!request_change(r, CHANGE_PERMIT, a.name))
		return request_error(r);
	r->change->thing = id;
	return 0;
}

static int action_touch(struct request *r, int64_t id)
{
	int err = request_identify(r, 0);

	if (err)
		return err;
	return handle_is_first_touch(r, id) ? 0 : ask_again(r, id);
}

/*
 * To append, by who may; everybody else, and whoever would replace, asks. Of workers who
 * share a session and asked at the same moment one has it, and the others do not go on.
 */
static int action_open(struct request *r, int64_t id, int flags)
{
	int err = request_identify(r, 0);

	if (err)
		return err;
	if (!(flags & O_APPEND) || handle_is_contender(r, id))
		return ask_again(r, id);
	return request_about(r, CHANGE_RESULT, id, NULL, 0);
}

static int action_store(struct request *r, int64_t id, const char *text, size_t n, int append)
{
	int err = request_identify(r, 0);

	if (err)
		return err;
	if (!append)
		return request_refuse(
			r, EINVAL, "act, then echo RESULT >> actions/KEY; or rm actions/KEY",
			"the key is yours, but nothing was recorded: what is written while asking is no result");
	return request_about(r, CHANGE_RESULT, id, text, n);
}

static int actions_create(struct request *r, int64_t id, const char *name, int flags)
{
	int err = request_identify(r, 0);

	(void)id;
	if (err)
		return err;
	if (!(flags & O_EXCL) && (flags & O_APPEND || (flags & O_ACCMODE) == O_RDONLY))
		return request_refuse(r, EINVAL, "touch actions/KEY, act, and then >> the result",
				      "nobody was permitted that: ask first");
	return request_change(r, CHANGE_PERMIT, name) ? 0 : request_error(r);
}

static int actions_unlink(struct request *r, int64_t id, const char *name)
{
	int err = request_identify(r, 0);

	(void)id;
	if (err)
		return err;
	return request_change(r, CHANGE_WITHDRAW, name) ? 0 : request_error(r);
}

static const struct kind action_kind = { SQL_FIND_ACTION,
					 SQL_LIST_ACTION,
					 SQL_STAT_ACTION,
					 SQL_ACTION_NAME,
					 PARENT_ARG,
					 0,
					 0,
					 NULL,
					 NULL };

const struct dir_ops actions_ops = {
	.verb = "ask",
	.create = actions_create,
	.unlink = actions_unlink,
};

const struct node actions_rows[] = {
	{ .type = NODE_FILE,
	  .row = ROW_ACTION,
	  .mode = 0666,
	  .each = &action_kind,
	  .flags = NODE_FENCED | NODE_STRICT | NODE_LIST,
	  .show = action_show,
	  .store = action_store,
	  .touch = action_touch,
	  .open = action_open },
	END,
};
