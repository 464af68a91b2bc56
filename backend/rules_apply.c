/* The lesson of an incident, applied to the tasks it names. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend/clean.h"
#include "backend/overlap.h"
#include "backend/rules.h"

/* One line of it to its task: 1: it was, 0: there was nothing to do, or refused. */
static int apply_line(struct tx *tx, const json_t *line)
{
	struct change c = { .kind = CHANGE_SET, .of = THING_TASK, .flags = CHANGE_APPEND };
	const char *value = event_text(line, "value");
	AUTO_FREE char *own = NULL;
	int64_t seq = tx->seq;
	struct task t;
	int err, got = read_task(tx->db, event_int(line, "task_id"), &t);

	if (got < 0)
		return tx_fail(tx, got);
	if (!got || t.state == TASK_CANCELLED)
		return 0;
	own = tx_attr(tx->db, t.id, "repo");
	if (strcmp(event_text(line, "key"), "artifact") == 0)
		value = artifact_show(value, own ? own : "");
	c.thing = t.id;
	(void)snprintf(c.field, sizeof(c.field), "%s",
		       strcmp(event_text(line, "key"), "needs") == 0 ? "needs" : "artifacts");
	err = change_text(&c, value, strlen(value));
	if (!err)
		err = rule_set(tx, &c);
	else
		err = tx_fail(tx, err);
	free(c.text);
	return err ? err : tx->seq > seq;
}

int rule_apply(struct tx *tx, const struct change *c)
{
	AUTO_ROWS *r = db_rows(tx->db, Q(INCIDENT), I(c->thing));
	json_t *lesson, *line;
	int64_t n = 0;
	int got = rows_next(r), tasks = 0;
	size_t i;

	if (got <= 0)
		return got < 0 ? tx_fail(tx, got) :
				 tx_refuse(tx, ESTALE, "ls convergence/", "that incident is gone");
	n = rows_int(r, 1);
	lesson = json_loads(rows_text(r, 13), 0, NULL);
	rows_end(&r);
	got = 0;
	json_array_foreach(lesson, i, line) {
		tasks += event_int(line, "task_id") != 0;
		if (got >= 0)
			got = apply_line(tx, line);
	}
	json_decref(lesson);
	if (got < 0)
		return got;
	if (!tasks)
		return tx_refuse(
			tx, EINVAL,
			"claim before you write: mkdir tasks/NAME, name in its artifacts what it will write; control/guard strict asks for it at each commit",
			"there is no task whose artifacts or needs would have prevented it");
	return tx_emit(tx, "applied",
		       json_pack("{s:I,s:I,s:I}", "incident", (json_int_t)n, "incident_id",
				 (json_int_t)c->thing, "uid", (json_int_t)tx->actor->uid));
}
