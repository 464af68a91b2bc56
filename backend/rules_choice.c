/* What is known of a choice when it is made, for whoever judges it later. */
#include "backend/clean.h"
#include "backend/rules.h"

/* What the task is worth to SESSION. What that set itself is no measure of what it did. */
void rules_put_value(struct tx *tx, const struct task *t, int64_t session, json_t *body)
{
	AUTO_FREE char *value = tx_attr(tx->db, t->id, "value");

	if (!value || !session || t->drafter == session)
		return;
	if (db_get(tx->db, 0, Q(VALUE_BY), I(t->id), I(session)))
		(void)json_object_set_new(body, "value", json_string("0"));
	else
		(void)json_object_set_new(body, "value", json_string(value));
}

/* And the best that could have been had at that moment. */
void rules_put_choice(struct tx *tx, const struct task *t, json_t *body)
{
	AUTO_ROWS *r = db_rows(tx->db, Q(BEST_READY));

	rules_put_value(tx, t, tx->actor->session, body);
	if (rows_next(r) <= 0)
		return;
	(void)json_object_set_new(body, "best", json_string(rows_text(r, 0)));
	(void)json_object_set_new(body, "best_task", json_string(rows_text(r, 1)));
}

/* The tasks that can be begun when this one is done. */
json_t *rules_unblocked_by(struct tx *tx, const struct grant *g)
{
	AUTO_ROWS *r = db_rows(tx->db, Q(UNBLOCKED_BY), T(g->name), I(g->session));
	json_t *list = json_array();

	while (rows_next(r) > 0)
		(void)json_array_append_new(list, json_string(rows_text(r, 0)));
	return list;
}
