/*
 * self-review: is it time again that a session looks at how the sessions do?
 *
 * Inputs: category, max-age (ms), max-share; sessions: how many of the last ended ones were
 * looked at, named: of them, with a category; reviews: of them, with ours; age: ms since the
 * last of ours ended, in all history; null: never. min-grade; graded: how many of the last
 * GRADES_MOST of them have a grade, mean: of these.
 */
#include <errno.h>
#include <string.h>

#include "backend/clean.h"
#include "backend/grade.h"
#include "backend/probe_kinds.h"
#include "backend/tx.h"

#define GRADES_MOST 20 /* sessions whose grades are looked at */
#define GRADES_LEAST 5 /* below so many a mean says nothing */

/* --- look --- */

static int look_last(struct probe_look *l, const char *category)
{
	AUTO_ROWS *r = db_rows(l->db, Q(LAST_CATEGORIES), I(probe_number(l->inputs, "window")));
	int64_t sessions = 0, named = 0, reviews = 0;
	int got;

	while ((got = rows_next(r)) > 0) {
		sessions++;
		named += *rows_text(r, 0) != 0;
		reviews += strcmp(rows_text(r, 0), category) == 0;
	}
	if (got < 0)
		return got;
	return json_object_update_new(l->inputs,
				      json_pack("{s:I, s:I, s:I}", "sessions", (json_int_t)sessions,
						"named", (json_int_t)named, "reviews",
						(json_int_t)reviews)) ?
		       -ENOMEM :
		       0;
}

static int look_age(struct probe_look *l, const char *category)
{
	int64_t ended = 0;
	int got = db_int(l->db, &ended, Q(LAST_OF_CATEGORY), T(category));

	if (got < 0)
		return got;
	return json_object_set_new(l->inputs, "age",
				   got ? json_integer(l->wall - ended) : json_null()) ?
		       -ENOMEM :
		       0;
}

/* The next session of R, which ends with it; 1 and *KNOWN, *VALUE of its grade. */
static int next_grade(struct probe_look *l, struct rows *r, int *known, double *value)
{
	struct grade g = { .known = 0 };
	struct session s;
	int got = rows_next(r);

	if (got <= 0)
		return got;
	got = read_session(l->db, rows_int(r, 0), &s);
	if (got > 0)
		got = grade_of(l->db, &s, &g);
	if (got < 0)
		return got;
	*known = g.known;
	*value = g.value;
	return 1;
}

static int look_grades(struct probe_look *l)
{
	double window = probe_number(l->inputs, "window"), sum = 0, value = 0;
	AUTO_ROWS *r =
		db_rows(l->db, Q(LAST_ENDED), I(window < GRADES_MOST ? window : GRADES_MOST));
	int64_t graded = 0;
	int got, known = 0;

	while ((got = next_grade(l, r, &known, &value)) > 0) {
		graded += known;
		sum += known ? value : 0;
	}
	if (got < 0)
		return got;
	return json_object_update_new(l->inputs,
				      json_pack("{s:I,s:f}", "graded", (json_int_t)graded, "mean",
						graded ? sum / (double)graded : 0)) ?
		       -ENOMEM :
		       0;
}

static int look(struct probe_look *l)
{
	static const char *const settings[] = { "category", "window", "max-age", "max-share",
						"min-grade" };
	const char *category;
	int err = 0;

	for (size_t i = 0; !err && i < sizeof(settings) / sizeof(settings[0]); i++)
		err = probe_setting(l, settings[i]);
	category = event_text(l->inputs, "category");
	if (!err)
		err = look_last(l, category);
	if (!err)
		err = look_grades(l);
	return err ? err : look_age(l, category);
}

/* --- judge --- */

static void judge_age(const json_t *inputs, struct probe_said *out)
{
	int64_t age = event_int(inputs, "age"), most = event_int(inputs, "max-age");
	const char *category = event_text(inputs, "category");

	if (!json_is_integer(json_object_get(inputs, "age")))
		probe_say(out, PROBE_SUPPLY, "no session was a %.128s yet", category);
	else
		probe_say(out, age > most ? PROBE_SUPPLY : PROBE_DRY,
			  "last %.128s %s ago, due after %s", category, probe_span(age),
			  probe_span(most));
}

static void judge(const json_t *inputs, struct probe_said *out)
{
	int64_t n = event_int(inputs, "sessions");
	double share = n ? (double)event_int(inputs, "reviews") / (double)n : 0;

	int enough = event_int(inputs, "named") && share > probe_number(inputs, "max-share");

	out->filed = PROBE_UNFILED;
	if (!json_is_integer(json_object_get(inputs, "sessions")))
		probe_say(out, PROBE_UNKNOWN, "the sessions could not be read");
	else if (!n)
		probe_say(out, PROBE_DRY, "no session has ended: nothing to review");
	else if (enough)
		probe_say(out, PROBE_DRY, "share %.2f of the last %lld: enough", share,
			  (long long)n);
	else if (event_int(inputs, "graded") >= GRADES_LEAST &&
		 probe_number(inputs, "mean") < probe_number(inputs, "min-grade"))
		probe_say(out, PROBE_SUPPLY, "mean grade %.2f of the last %s, below %.2f",
			  probe_number(inputs, "mean"),
			  probe_count(event_int(inputs, "graded"), "graded session"),
			  probe_number(inputs, "min-grade"));
	else if (!event_int(inputs, "named"))
		probe_say(out, PROBE_UNKNOWN, "none of the last %s says its category",
			  probe_count(n, "session"));
	else
		judge_age(inputs, out);
}

const struct probe_kind probe_review = { "self-review", NULL, look, judge };
