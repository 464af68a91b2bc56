/*
 * lane-occupancy: is there a ready task that somebody could take up and be done with?
 *
 * Inputs:
 *
 *	lanes                  [{ name, kind, limit, held, today, ready[, first, value, id] }..];
 *	                       limit below 0: none
 *	free                   the same for ready tasks in no lane that has a directory
 *	held blocked           counts of the board
 *	standing epic calm     ready tasks that are no supply, by why
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "backend/clean.h"
#include "backend/probe_kinds.h"
#include "backend/read.h"
#include "backend/text.h"
#include "backend/tx.h"

/* --- look --- */

static json_t *entry(const struct lane *lane)
{
	return json_pack("{s:s, s:s, s:f, s:I, s:I, s:I}", "name", lane->name, "kind", lane->kind,
			 "limit", lane->limit, "held", (json_int_t)0, "today", (json_int_t)0,
			 "ready", (json_int_t)0);
}

/* The lanes that have a directory into LIST, and by name into BY. */
static int look_lanes(struct probe_look *l, json_t *list, json_t *by)
{
	AUTO_ROWS *r = db_rows(l->db, Q(LANES), I(THING_LANE));
	struct lane lane;
	int got;

	while ((got = lane_row(r, &lane)) > 0) {
		json_t *e = entry(&lane);

		if (json_array_append(list, e) || json_object_set_new(by, lane.name, e))
			return -ENOMEM;
	}
	return got;
}

/* The counts of a statement by lane into KEY of the lanes. */
static int look_taken(struct rows *r, const char *key, json_t *by)
{
	AUTO_ROWS *rows = r;
	int got;

	while ((got = rows_next(rows)) > 0)
		(void)json_integer_set(json_object_get(json_object_get(by, rows_text(rows, 0)),
						       key),
				       rows_int(rows, 1));
	return got;
}

static void count(json_t *in, const char *key)
{
	json_t *n = json_object_get(in, key);

	(void)json_integer_set(n, json_integer_value(n) + 1);
}

/* A ready task of a lane: the one of the highest value stands first, then the oldest. */
static int look_task(json_t *lane, struct rows *r)
{
	double v = 0;

	count(lane, "ready");
	(void)number_parse(rows_text(r, 4), &v);
	if (json_object_get(lane, "id") && v <= probe_number(lane, "value"))
		return 0;
	return json_object_update_new(lane, json_pack("{s:f, s:I}", "value", v, "id",
						      (json_int_t)rows_int(r, 0))) ?
		       -ENOMEM :
		       0;
}

/* Why such a task is no supply; NULL: it is. */
static const char *why_not(const char *kind, const char *tags, const json_t *lane)
{
	if (strcmp(kind, "standing") == 0 || strcmp(event_text(lane, "kind"), "standing") == 0)
		return "standing";
	if (strcmp(kind, "epic") == 0)
		return "epic";
	return probe_has_line(tags, "calm") ? "calm" : NULL;
}

/* The names of those that stand first. */
static int look_name(struct probe_look *l, json_t *lane)
{
	AUTO_FREE char *name = NULL;

	if (!event_int(lane, "id"))
		return 0;
	name = db_text(l->db, Q(TASK_NAME), I(event_int(lane, "id")));
	if (!name)
		return db_error(l->db) ? db_error(l->db) : -ENOMEM;
	return json_object_set_new(lane, "first", json_string(name)) ? -ENOMEM : 0;
}

static int look_names(struct probe_look *l, json_t *lanes)
{
	int err = look_name(l, json_object_get(l->inputs, "free"));
	json_t *lane;
	size_t i;

	json_array_foreach(lanes, i, lane)
		if (!err)
			err = look_name(l, lane);
	return err;
}

static int look_tasks(struct probe_look *l, json_t *by)
{
	AUTO_ROWS *r = db_rows(l->db, Q(READY_TASKS));
	json_t *none = json_object_get(l->inputs, "free");
	int err = 0;

	while (!err && rows_next(r) > 0) {
		json_t *lane = json_object_get(by, rows_text(r, 1));
		const char *why = why_not(rows_text(r, 2), rows_text(r, 3), lane);

		if (why)
			count(l->inputs, why);
		else
			err = look_task(lane ? lane : none, r);
	}
	return err ? err : db_error(l->db);
}

static int look(struct probe_look *l)
{
	json_t *list = json_array(), *by = json_object();
	int err = json_object_update_new(
		l->inputs,
		json_pack(
			"{s:O, s:{s:i}, s:I, s:I, s:i, s:i, s:i}", "lanes", list, "free", "ready",
			0, "held", (json_int_t)db_get(l->db, 0, Q(COUNT_COLUMN), I(COLUMN_CLAIMS)),
			"blocked", (json_int_t)db_get(l->db, 0, Q(COUNT_COLUMN), I(COLUMN_BLOCKED)),
			"standing", 0, "epic", 0, "calm", 0));

	err = err || !by ? -ENOMEM : look_lanes(l, list, by);
	if (!err)
		err = look_taken(db_rows(l->db, Q(LANES_HELD)), "held", by);
	if (!err)
		err = look_taken(db_rows(l->db, Q(LANES_TODAY), I(day_start(l->wall))), "today",
				 by);
	if (!err)
		err = look_tasks(l, by);
	if (!err)
		err = look_names(l, list);
	json_decref(by);
	json_decref(list);
	return err;
}

/* --- judge --- */

struct judged {
	int64_t lanes, open; /* one-shot lanes; those that are not full */
	int64_t ready, full; /* tasks in such lanes; in full ones */
	const json_t *first; /* the lane of the task that stands first */
};

static int is_full(const json_t *lane)
{
	struct lane as = { .limit = probe_number(lane, "limit"),
			   .held = event_int(lane, "held"),
			   .today = event_int(lane, "today") };

	(void)snprintf(as.kind, sizeof(as.kind), "%s", event_text(lane, "kind"));
	return lane_is_full(&as);
}

/* Is the first task of A to be done before that of B? */
static int is_before(const json_t *a, const json_t *b)
{
	double va = probe_number(a, "value"), vb = probe_number(b, "value");

	return va > vb || (va == vb && event_int(a, "id") < event_int(b, "id"));
}

static void take(struct judged *j, const json_t *lane)
{
	j->ready += event_int(lane, "ready");
	if (event_int(lane, "ready") && (!j->first || is_before(lane, j->first)))
		j->first = lane;
}

static void judge_lanes(struct judged *j, const json_t *lanes)
{
	const json_t *lane;
	size_t i;

	json_array_foreach(lanes, i, lane) {
		if (strcmp(event_text(lane, "kind"), "standing") == 0)
			continue;
		j->lanes++;
		if (is_full(lane)) {
			j->full += event_int(lane, "ready");
		} else {
			j->open++;
			take(j, lane);
		}
	}
}

static void say_supply(const struct judged *j, struct probe_said *out)
{
	char more[32] = "", lanes[80] = "";

	if (j->ready > 1)
		(void)snprintf(more, sizeof(more), " and %lld more", (long long)j->ready - 1);
	else if (j->lanes) /* the first word is the task alone */
		(void)snprintf(more, sizeof(more), " and no more");
	if (j->lanes)
		(void)snprintf(lanes, sizeof(lanes), ": %lld of %lld one-shot lane%s free today",
			       (long long)j->open, (long long)j->lanes, j->lanes == 1 ? "" : "s");
	probe_say(out, PROBE_SUPPLY, "%s%s%s", event_text(j->first, "first"), more, lanes);
}

static void say_dry(const struct judged *j, const json_t *inputs, struct probe_said *out)
{
	static const char *const keys[] = { "held", "blocked", "standing", "epic", "calm" };
	AUTO_BUF struct buf text = BUF_INIT;

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		if (event_int(inputs, keys[i]))
			buf_printf(&text, "%s %lld %s", text.n ? "," : ";",
				   (long long)event_int(inputs, keys[i]), keys[i]);
	if (j->full)
		buf_printf(&text, "%s %lld in full lanes", text.n ? "," : ";", (long long)j->full);
	probe_say(out, PROBE_DRY, "no ready task in a one-shot lane%s", buf_text(&text));
}

static void judge(const json_t *inputs, struct probe_said *out)
{
	struct judged j = { .lanes = 0 };

	judge_lanes(&j, json_object_get(inputs, "lanes"));
	take(&j, json_object_get(inputs, "free"));
	out->filed = PROBE_FILED;
	if (!json_is_array(json_object_get(inputs, "lanes")))
		probe_say(out, PROBE_UNKNOWN, "the lanes could not be read");
	else if (j.first)
		say_supply(&j, out);
	else
		say_dry(&j, inputs, out);
}

const struct probe_kind probe_lanes = { "lane-occupancy", NULL, look, judge };
