/*
 * idea-backlog: is there a draft that is ready enough to be published, and that no task covers?
 *
 * Inputs: floor; drafts; covered; ready: drafts above the floor, top the first of them;
 * unsaid: drafts without readiness, unsaid-first; most: the highest readiness of the others.
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

/* What is known while the drafts are gone through. */
struct drafts {
	double floor;
	int64_t all, covered, ready, unsaid;
	char top[NAME_BUFFER], silent[NAME_BUFFER]; /* the first of ready, of unsaid */
	double score, readiness;		    /* of top */
	double most;				    /* readiness, of all that say one */
};

/* Does one of the tasks in LIST exist, other than ID itself? 1, 0, -errno. */
static int is_covered(struct db *db, int64_t id, const char *list)
{
	struct lines lines = { list, list + strlen(list) };
	char name[NAME_BUFFER];
	struct task t;
	const char *line;
	size_t n;

	while (lines_next(&lines, &line, &n)) {
		int got;

		if (n >= sizeof(name))
			continue;
		(void)snprintf(name, sizeof(name), "%.*s", (int)n, line);
		got = read_task_named(db, name, &t);
		if (got < 0 || (got && t.id != id && t.state != TASK_CANCELLED))
			return got;
	}
	return 0;
}

/* impact, feasibility, alignment in their columns: what is not said does not count. */
static double factors(struct rows *r)
{
	double all = 1, one;

	for (int col = 3; col <= 5; col++)
		if (!number_parse(rows_text(r, col), &one))
			all *= one;
	return all;
}

static void look_uncovered(struct drafts *d, struct rows *r)
{
	double readiness, score;

	if (number_parse(rows_text(r, 2), &readiness)) {
		if (d->unsaid++ == 0)
			(void)snprintf(d->silent, sizeof(d->silent), "%s", rows_text(r, 1));
		return;
	}
	if (readiness > d->most)
		d->most = readiness;
	if (readiness <= d->floor)
		return;
	score = readiness * factors(r);
	if (d->ready++ && score <= d->score)
		return;
	d->score = score;
	d->readiness = readiness;
	(void)snprintf(d->top, sizeof(d->top), "%s", rows_text(r, 1));
}

static int look_drafts(struct probe_look *l, struct drafts *d)
{
	AUTO_ROWS *r = db_rows(l->db, Q(DRAFTS));
	int got;

	while ((got = rows_next(r)) > 0) {
		int covered;

		if (strncmp(rows_text(r, 1), "probe.", 6) == 0)
			continue;
		covered = is_covered(l->db, rows_int(r, 0), rows_text(r, 6));
		if (covered < 0)
			return covered;
		d->all++;
		if (covered)
			d->covered++;
		else
			look_uncovered(d, r);
	}
	return got;
}

static int look(struct probe_look *l)
{
	struct drafts d = { .most = -1 };
	int err = probe_setting(l, "floor");

	d.floor = probe_number(l->inputs, "floor");
	if (!err)
		err = look_drafts(l, &d);
	if (err)
		return err;
	return json_object_update_new(
		       l->inputs, json_pack("{s:I, s:I, s:I, s:s, s:f, s:I, s:s, s:f}", "drafts",
					    (json_int_t)d.all, "covered", (json_int_t)d.covered,
					    "ready", (json_int_t)d.ready, "top", d.top, "readiness",
					    d.readiness, "unsaid", (json_int_t)d.unsaid,
					    "unsaid-first", d.silent, "most", d.most)) ?
		       -ENOMEM :
		       0;
}

/* --- judge --- */

static void say_dry(const json_t *inputs, struct probe_said *out)
{
	long long drafts = event_int(inputs, "drafts"), covered = event_int(inputs, "covered");
	char rest[40] = "";

	if (covered)
		(void)snprintf(rest, sizeof(rest), "; %lld covered", covered);
	if (!drafts)
		probe_say(out, PROBE_DRY, "no drafts");
	else if (covered == drafts)
		probe_say(out, PROBE_DRY, "%s, all covered", probe_count(drafts, "draft"));
	else
		probe_say(out, PROBE_DRY, "top readiness %g, floor %g%s",
			  probe_number(inputs, "most"), probe_number(inputs, "floor"), rest);
}

static void judge(const json_t *inputs, struct probe_said *out)
{
	int64_t unsaid = event_int(inputs, "unsaid");

	out->filed = PROBE_UNFILED;
	if (!json_is_integer(json_object_get(inputs, "drafts")))
		probe_say(out, PROBE_UNKNOWN, "the drafts could not be read");
	else if (event_int(inputs, "ready"))
		probe_say(out, PROBE_SUPPLY,
			  "top %s: readiness %g, floor %g; %lld ready to be filed, %lld covered",
			  event_text(inputs, "top"), probe_number(inputs, "readiness"),
			  probe_number(inputs, "floor"), (long long)event_int(inputs, "ready"),
			  (long long)event_int(inputs, "covered"));
	else if (unsaid)
		probe_say(out, PROBE_UNKNOWN, "%s %s no readiness: %s%s",
			  probe_count(unsaid, "draft"), unsaid == 1 ? "says" : "say",
			  event_text(inputs, "unsaid-first"), unsaid == 1 ? "" : " ..");
	else
		say_dry(inputs, out);
}

const struct probe_kind probe_ideas = { "idea-backlog", NULL, look, judge };
