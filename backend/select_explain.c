/* A choice in words. */
#include <string.h>

#include "backend/clean.h"
#include "backend/select.h"
#include "backend/tx.h"

#define PASSED_SHOWN 20

static const char *lane_shown(const char *name)
{
	return *name ? name : "-";
}

/* A field of the pick; what it counts as when it is not set. */
static void say_field(struct db *db, const struct candidate *c, const char *field, struct buf *out)
{
	AUTO_FREE char *value = tx_attr(db, c->task, field);

	if (value)
		buf_line(out, "%s %s", field, value);
	else
		buf_line(out, "%s 1, not set", field);
}

static void say_goal(struct db *db, const struct candidate *c, struct buf *out)
{
	AUTO_ROWS *r = db_rows(db, Q(GOAL_OF), I(c->task));

	if (rows_next(r) > 0)
		buf_line(out, "goal %s weight %s", rows_text(r, 0), rows_text(r, 1));
	else
		buf_line(out, "goal 1, none");
}

static void say_lane(const struct select_lane *l, struct buf *out)
{
	const struct expected *e = &l->expected;

	buf_line(
		out,
		"lane %s expected %.3f: lifetime %.3f of %lld, recent weight %.1f; %lld of the last %lld taken",
		lane_shown(l->name), e->value, e->lifetime, (long long)e->arm.n, e->weight,
		(long long)l->share.in, (long long)l->share.window);
}

static void say_pick(struct db *db, const struct selection *s, struct buf *out)
{
	const struct candidate *c = s->pick;

	buf_line(out, "task %s", c->name);
	buf_line(out, "score %.4g", c->score);
	say_lane(&s->lanes[c->lane], out);
	say_field(db, c, "value", out);
	say_field(db, c, "readiness", out);
	say_field(db, c, "cost", out);
	say_goal(db, c, out);
	buf_line(out, "worth %.4g: value * readiness / cost * goal", c->worth);
	buf_line(out, "recency -%.3f", c->recency);
	buf_line(out, "monotony -%.3f", c->monotony);
	buf_line(out, "family -%.3f %s", c->redundancy, *c->family ? c->family : "-");
	buf_line(out, "share -%.3f", c->share);
	buf_line(out, "place %lld of %lld: so many who hold nothing came before, and ask too",
		 (long long)s->place, (long long)s->asking);
	buf_line(out, "explore %s", s->drawn >= 0 ? lane_shown(s->lanes[s->drawn].name) : "no");
	if (s->runner_up)
		buf_line(out, "runner-up %s score %.4g", s->runner_up->name, s->runner_up->score);
	else
		buf_line(out, "runner-up -");
}

static void say_passed(const struct selection *s, struct buf *out)
{
	int n = 0;

	for (size_t i = 0; i < s->n; i++)
		if (s->list[i].shut && n++ < PASSED_SHOWN)
			buf_line(out, "passed %s: %s", s->list[i].name, s->list[i].shut);
	if (n > PASSED_SHOWN)
		buf_line(out, "passed %d more", n - PASSED_SHOWN);
	for (size_t i = 0; i < s->n_lanes; i++)
		if (s->lanes[i].shut)
			buf_line(out, "shut lane %s: %s", lane_shown(s->lanes[i].name),
				 s->lanes[i].shut);
}

/* Of what is on the board and is offered to nobody, how many. */
static void say_rest(struct db *db, struct buf *out)
{
	static const struct {
		const char *word;
		int64_t column;
	} rest[] = { { "blocked", COLUMN_BLOCKED },
		     { "held", COLUMN_CLAIMS },
		     { "drafts", COLUMN_IDEAS } };

	buf_line(out, "ready %lld", (long long)db_get(db, 0, Q(COUNT_COLUMN), I(COLUMN_READY)));
	buf_line(out, "never-offered %lld: epics, standing tasks, a value below 0",
		 (long long)db_get(db, 0, Q(COUNT_OFFER), I(0)));
	for (size_t i = 0; i < sizeof(rest) / sizeof(rest[0]); i++)
		buf_line(out, "%s %lld", rest[i].word,
			 (long long)db_get(db, 0, Q(COUNT_COLUMN), I(rest[i].column)));
}

int select_explain(struct db *db, const struct selection *s, struct buf *out)
{
	if (s->pick)
		say_pick(db, s, out);
	else
		buf_line(out, "task -\nnone %s", s->none);
	say_passed(s, out);
	say_rest(db, out);
	return out->err ? out->err : db_error(db);
}
