/* Tasks on the board: draft, publish, cancel, reopen. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "backend/clean.h"
#include "backend/rules.h"
#include "backend/text.h"

static const char *const next_name =
	"use 1 to 128 of A-Z a-z 0-9 . _ : @ + # -, not starting with '.', not ending in ~ .swp .tmp";

int rule_draft(struct tx *tx, const struct change *c)
{
	struct task t;
	json_t *body;
	int got, err = rules_may(tx, RIGHT_ANY, NULL, NULL);

	if (err)
		return err;
	if (name_check(c->name, strlen(c->name)))
		return tx_refuse(tx, EINVAL, next_name, "not a name for a task");
	got = read_task_named(tx->db, c->name, &t);
	if (got < 0)
		return tx_fail(tx, got);
	if (got)
		return tx_refuse(tx, EEXIST, "look at tasks/NAME/, or choose another name",
				 "there is a task %s", c->name);
	t.id = 0;
	(void)snprintf(t.name, sizeof(t.name), "%.*s", NAME_LEN_MAX, c->name);
	body = rules_body(tx, &t);
	(void)json_object_del(body, "task_id");
	tx->result->id = tx->seq + 1;
	return tx_emit(tx, "draft", body);
}

/* The task of change C, and the right to change it. */
static int my_task(struct tx *tx, const struct change *c, struct task *t)
{
	int err = rules_task(tx, c->name, t);

	return err ? err : rules_may(tx, RIGHT_TASK, t, NULL);
}

static int refuse_column(struct tx *tx, const struct task *t, const char *what)
{
	static const char *const columns[] = {
		"gone", "ideas", "ready", "blocked", "claims", "done"
	};

	return tx_refuse(tx, t->token ? EBUSY : EINVAL,
			 "look where it stands: cat tasks/TASK/state", "%s stands in %s: %s",
			 t->name, columns[t->column], what);
}

int rule_publish(struct tx *tx, const struct change *c)
{
	struct task t;
	int err = my_task(tx, c, &t);

	if (err)
		return err;
	if (t.state != TASK_IDEA)
		return refuse_column(tx, &t, "only an idea can be published");
	err = rules_dedup(tx, c, &t, NULL);
	tx->result->id = t.id;
	return err ? err : tx_emit(tx, "publish", rules_body(tx, &t));
}

int rule_unpublish(struct tx *tx, const struct change *c)
{
	struct task t;
	int err = my_task(tx, c, &t);

	if (err)
		return err;
	if (t.state != TASK_PUBLISHED || t.token)
		return refuse_column(tx, &t, "only a task nobody holds goes back to ideas");
	tx->result->id = t.id;
	return tx_emit(tx, "unpublish", rules_body(tx, &t));
}

int rule_cancel(struct tx *tx, const struct change *c)
{
	struct task t;
	int err = my_task(tx, c, &t);

	if (err)
		return err;
	if (t.token)
		return refuse_column(tx, &t, "a held task is not cancelled; give it back first");
	if (t.state == TASK_DONE)
		return tx_refuse(tx, EPERM, "leave it: done/ is the record",
				 "%s is done; what was done is kept", t.name);
	return tx_emit(tx, "cancel", rules_body(tx, &t));
}

int rule_unhold(struct tx *tx, const struct change *c)
{
	struct task t;
	int err = rules_task(tx, c->name, &t);

	if (err)
		return err;
	if (!t.hold)
		return tx_refuse(
			tx, EBUSY, "cat blocked/TASK says what it waits for",
			"%s is not on hold: it becomes ready by itself when nothing blocks it",
			t.name);
	err = rules_may(tx, RIGHT_OPERATOR, NULL, NULL);
	tx->result->id = t.id;
	return err ? err : tx_emit(tx, "unhold", rules_body(tx, &t));
}

int rule_reopen(struct tx *tx, const struct change *c)
{
	struct task t;
	int err = rules_may(tx, RIGHT_ANY, NULL, NULL);

	if (!err)
		err = rules_task(tx, c->name, &t);
	if (err)
		return err;
	if (t.state != TASK_DONE)
		return refuse_column(tx, &t, "only a finished task can be reopened");
	err = rules_dedup(tx, c, &t, NULL);
	tx->result->id = t.id;
	return err ? err : tx_emit(tx, "reopen", rules_body(tx, &t));
}
