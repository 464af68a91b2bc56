/* What the events mean for the choice of work: how lanes did, who took what; see project.c. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend/clean.h"
#include "backend/field.h"
#include "backend/project_impl.h"
#include "backend/select.h"
#include "backend/text.h"

#define NUMBER 32 /* bytes of a double as text */

static const char *number(double v, char out[NUMBER])
{
	(void)snprintf(out, NUMBER, "%.17g", v);
	return out;
}

/* The session's reward in the lane was OLD and is V now. */
static void arm_correct(struct arm *a, const struct reward *old, double v, double half_life)
{
	a->total += v - old->value;
	a->sum += (v - old->value) * exp2(-(double)(a->idx - old->idx) / half_life);
}

static void arm_add(struct arm *a, double v, int64_t idx, double half_life)
{
	double fade = exp2(-(double)(idx - a->idx) / half_life);

	a->n++;
	a->total += v;
	a->weight = a->weight * fade + 1;
	a->sum = a->sum * fade + v;
	a->idx = idx;
}

static void arm_write(struct tx *tx, const char *lane, const struct arm *a)
{
	char total[NUMBER], weight[NUMBER], sum[NUMBER];

	RUN(Q(ARM_SET), T(lane), I(a->n), T(number(a->total, total)), T(number(a->weight, weight)),
	    T(number(a->sum, sum)), I(a->idx));
}

static void reward(struct tx *tx, int64_t session, const char *lane, double v)
{
	double half_life = field_number(tx->db, THING_CONTROL, 0, "select.half-life");
	struct reward old = { .idx = 0 };
	char text[NUMBER];
	struct arm a;

	if (tx->err || select_arm(tx->db, lane, &a) < 0 ||
	    select_reward(tx->db, session, lane, &old) < 0) {
		tx->err = tx->err ? tx->err : db_error(tx->db);
		return;
	}
	if (old.idx) {
		arm_correct(&a, &old, v, half_life);
	} else {
		old.idx = db_get(tx->db, 0, Q(REWARD_LAST)) + 1;
		arm_add(&a, v, old.idx, half_life);
	}
	RUN(Q(REWARD_SET), I(old.idx), I(session), T(lane), T(number(v, text)));
	arm_write(tx, lane, &a);
}

void project_mark(struct tx *tx, json_t *e)
{
	int64_t session = event_int(e, "session_id");
	const char *mark = event_text(e, "mark");
	json_t *lanes = json_array(), *lane;
	AUTO_ROWS *r = NULL;
	double v = 0;
	size_t i;

	if (*mark && !number_parse(mark, &v)) {
		project_lesson_mark(tx, session, mark);
		RUN(Q(MARK_SET), I(session), T(mark));
		r = db_rows(tx->db, Q(LANES_TAKEN), I(session));
		while (rows_next(r) > 0)
			(void)json_array_append_new(lanes, json_string(rows_text(r, 0)));
		rows_end(&r);
	}
	json_array_foreach(lanes, i, lane)
		reward(tx, session, json_string_value(lane), v);
	json_decref(lanes);
}

void project_pick(struct tx *tx, const json_t *e, int64_t session)
{
	if (session && json_object_get(e, "lane"))
		RUN(Q(PICK_ADD), I(event_int(e, "seq")), I(session), T(event_text(e, "lane")));
}

/* --- what is known of a task beforehand --- */

/* Fields of a task that its rank is made of. */
static int is_ranked_by(const char *field)
{
	static const char *const fields[] = {
		"value", "readiness", "cost", "kind", "lane", "tags"
	};

	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
		if (strcmp(fields[i], field) == 0)
			return 1;
	return 0;
}

static void tags_set(struct tx *tx, int64_t task, const char *text)
{
	struct lines l = { text, text + strlen(text) };
	const char *line;
	size_t len;

	RUN(Q(TAGS_CLEAR), I(task));
	while (lines_next(&l, &line, &len)) {
		AUTO_FREE char *tag = tx_allocated(strndup(line, len));

		if (tag)
			RUN(Q(TAG_ADD), T(tag), I(task));
	}
}

void project_ranked(struct tx *tx, int64_t task, const char *field, const json_t *value)
{
	if (strcmp(field, "tags") == 0)
		tags_set(tx, task, json_is_string(value) ? json_string_value(value) : "");
	if (is_ranked_by(field))
		RUN(Q(BOARD_RANK), I(task));
}

void project_goals(struct tx *tx)
{
	RUN(Q(BOARD_RANK_TAGGED));
}
