/*
 * lint-lessons: are the lessons in order, and does the linter, if there is one, find nothing?
 *
 * Inputs, besides "programs" (the linter): linter: text or null; lessons: how many there are;
 * ill: how many of them are not sound, found: [[lesson, what is wrong]..] of the first; unwell:
 * how many active ones are to be pruned, narrowed or are silent, judged: the same of the first.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "backend/clean.h"
#include "backend/lesson.h"
#include "backend/probe_kinds.h"
#include "backend/text.h"
#include "backend/tx.h"

#define FOUND_MOST 20

/* --- look --- */

/* What is wrong with the lesson of a row; NULL: nothing. Nobody is given a draft to follow. */
static const char *wrong(struct rows *r)
{
	const char *status = rows_text(r, 3);

	if (strcmp(status, "active") != 0 && strcmp(status, "automated") != 0)
		return NULL;
	if (!rows_int(r, 1))
		return "has no keywords";
	return rows_int(r, 2) ? NULL : "has a body that does not begin with #";
}

static int look_lessons(struct probe_look *l)
{
	AUTO_ROWS *r = db_rows(l->db, Q(LESSONS_SOUND), I(THING_LESSON));
	json_t *found = json_array();
	int64_t lessons = 0, ill = 0;
	int err = found ? 0 : -ENOMEM;

	while (!err && rows_next(r) > 0) {
		const char *what = wrong(r);

		lessons++;
		if (what && ill++ < FOUND_MOST &&
		    json_array_append_new(found, json_pack("[s, s]", rows_text(r, 0), what)))
			err = -ENOMEM;
	}
	if (json_object_update_new(l->inputs,
				   json_pack("{s:I, s:I, s:o}", "lessons", (json_int_t)lessons,
					     "ill", (json_int_t)ill, "found", found)))
		err = -ENOMEM;
	return err ? err : db_error(l->db);
}

/* One active lesson: counted, and said of the first what is to become of it. */
static int look_verdict(struct probe_look *l, struct rows *r, const struct lesson_settings *set,
			int64_t *unwell, json_t *judged)
{
	AUTO_BUF struct buf why = BUF_INIT;
	enum lesson_verdict verdict = LESSON_UNKNOWN;
	int err = lesson_judge(l->db, rows_int(r, 0), set, 1, &verdict, &why);

	if (err || why.err)
		return err ? err : why.err;
	if (verdict == LESSON_KEEP || verdict == LESSON_UNKNOWN || (*unwell)++ >= FOUND_MOST)
		return 0;
	return json_array_append_new(judged, json_pack("[s, s, s]", rows_text(r, 1),
						       lesson_words[verdict], buf_text(&why))) ?
		       -ENOMEM :
		       0;
}

static int look_verdicts(struct probe_look *l)
{
	AUTO_ROWS *r = db_rows(l->db, Q(LESSONS_ACTIVE), I(THING_LESSON));
	struct lesson_settings set;
	json_t *judged = json_array();
	int64_t unwell = 0;
	int err = judged ? lesson_settings(l->db, &set) : -ENOMEM;

	while (!err && rows_next(r) > 0)
		err = look_verdict(l, r, &set, &unwell, judged);
	if (json_object_update_new(l->inputs, json_pack("{s:I, s:o}", "unwell", (json_int_t)unwell,
							"judged", judged)))
		err = -ENOMEM;
	return err ? err : db_error(l->db);
}

static int look(struct probe_look *l)
{
	int err = probe_setting(l, "linter");

	if (!err)
		err = look_lessons(l);
	if (!err)
		err = look_verdicts(l);
	if (!err && json_object_get(l->inputs, "linter") != json_null())
		err = probe_ask(l, event_text(l->inputs, "linter"), 0);
	return err;
}

/* --- judge --- */

/* What the linter says: clean, findings or why it cannot tell. */
static void judge_linter(const json_t *inputs, struct probe_said *out)
{
	const json_t *p = json_array_get(json_object_get(inputs, "programs"), 0);
	const char *output = "", *errors = event_text(p, "errors");
	char line[160] = "";
	int status = 0;

	if (!json_is_string(json_object_get(inputs, "linter")))
		probe_say(out, PROBE_DRY, "no linter configured");
	else if (!probe_program(inputs, 0, &status, &output, out))
		return;
	else if (status == 0)
		probe_say(out, PROBE_DRY, "the linter finds nothing");
	else if (status != 1)
		probe_say(out, PROBE_UNKNOWN, "the linter could not tell: exit status %d%s%.150s",
			  status, *errors ? ": " : "", errors);
	else if (probe_first_line(output, line, sizeof(line)))
		probe_say(out, PROBE_UNKNOWN, "the linter's first line is not a line of text");
	else
		probe_say(out, PROBE_SUPPLY, "%.150s",
			  *line	  ? line :
			  *errors ? errors :
				    "the linter finds something");
}

static void say_ill(const json_t *inputs, const struct probe_said *linter, struct probe_said *out)
{
	const json_t *first = json_array_get(json_object_get(inputs, "found"), 0);
	const char *name = json_string_value(json_array_get(first, 0));
	const char *what = json_string_value(json_array_get(first, 1));
	int64_t others = event_int(inputs, "ill") - 1;
	char more[64] = "";

	if (others > 0)
		(void)snprintf(more, sizeof(more), "; and %s more", probe_count(others, "lesson"));
	probe_say(out, PROBE_SUPPLY, "lesson %s %s%s%s%s", name ? name : "?",
		  what ? what : "is not sound", more,
		  linter->answer == PROBE_DRY ? "" : "; linter: ",
		  linter->answer == PROBE_DRY ? "" : linter->detail);
}

/* The first lesson that is to be pruned, narrowed, or that is silent. */
static void say_unwell(const json_t *inputs, struct probe_said *out)
{
	const json_t *first = json_array_get(json_object_get(inputs, "judged"), 0);
	const char *name = json_string_value(json_array_get(first, 0));
	const char *verdict = json_string_value(json_array_get(first, 1));
	const char *why = json_string_value(json_array_get(first, 2));
	int64_t others = event_int(inputs, "unwell") - 1;
	char more[64] = "";

	if (others > 0)
		(void)snprintf(more, sizeof(more), "; and %s more", probe_count(others, "lesson"));
	probe_say(out, PROBE_SUPPLY, "lesson %s: %s%s; %s", name ? name : "?",
		  verdict ? verdict : "look at it", more, why ? why : "");
}

static void judge(const json_t *inputs, struct probe_said *out)
{
	struct probe_said linter = { .answer = PROBE_UNKNOWN };
	int64_t n = event_int(inputs, "lessons");

	judge_linter(inputs, &linter);
	if (!json_is_integer(json_object_get(inputs, "lessons")))
		probe_say(out, PROBE_UNKNOWN, "the lessons could not be read");
	else if (event_int(inputs, "ill"))
		say_ill(inputs, &linter, out);
	else if (event_int(inputs, "unwell"))
		say_unwell(inputs, out);
	else if (linter.answer != PROBE_DRY)
		*out = linter;
	else if (!n)
		probe_say(out, PROBE_DRY, "no lessons, %s", linter.detail);
	else
		probe_say(out, PROBE_DRY, "%s %s sound, %s", probe_count(n, "lesson"),
			  n == 1 ? "is" : "are", linter.detail);
	(void)line_mend(out->detail);
	out->filed = PROBE_UNFILED;
}

const struct probe_kind probe_lint = { "lint-lessons", NULL, look, judge };
