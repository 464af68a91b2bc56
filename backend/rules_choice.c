/* What is known of a choice when it is made, for whoever judges it later. */
#include <stdio.h>

#include "backend/clean.h"
#include "backend/rules.h"
#include "backend/select.h"

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

/*
 * Was there anything to choose: does one of the tasks that were looked at score less than what is
 * recommended, by more than a twentieth?
 */
static int is_choice(const struct selection *s)
{
	for (size_t i = 0; s->pick && i < s->n; i++)
		if (s->list[i].score < 0.95 * s->pick->score)
			return 1;
	return 0;
}

/* What was recommended at that moment, and what the two scored. */
static int put_recommended(struct tx *tx, const struct task *t, struct selection *s, json_t *body)
{
	double score;
	char text[2][32];
	int err = select_score(tx->db, s, t->id, &score);

	if (err)
		return err;
	(void)snprintf(text[0], sizeof(text[0]), "%.6g", s->pick->score);
	(void)snprintf(text[1], sizeof(text[1]), "%.6g", score);
	(void)json_object_set_new(body, "next", json_string(s->pick->name));
	(void)json_object_set_new(body, "next_score", json_string(text[0]));
	(void)json_object_set_new(body, "score", json_string(text[1]));
	return 0;
}

/* Does it count as the session's own choice? Not where it made the task, or says what it is worth. */
static int is_own(struct tx *tx, const struct task *t, int64_t session)
{
	return t->drafter == session || db_get(tx->db, 0, Q(VALUE_BY), I(t->id), I(session));
}

int rules_put_choice(struct tx *tx, const struct task *t, const struct session *s, json_t *body)
{
	struct selection choice = { .drawn = -1 };
	int err = select_next(tx->db, s, tx->wall, &choice);

	rules_put_value(tx, t, s->id, body);
	if (!err && is_choice(&choice))
		err = put_recommended(tx, t, &choice, body);
	if (!err && json_object_get(body, "score") && is_own(tx, t, s->id))
		(void)json_object_set_new(body, "score", json_string("0"));
	select_release(&choice);
	return err ? tx_fail(tx, err) : 0;
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
