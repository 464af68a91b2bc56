/*
 * lessons: what was learnt, and when it applies; what came of it. And in sessions/ID what the
 * session is about to do, and the lessons for that.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <jansson.h>

#include "backend/clean.h"
#include "backend/lesson.h"
#include "backend/text.h"
#include "fs/dirs.h"

/* --- sessions/ID/lessons --- */

static void show_keywords(const char *json, struct buf *out)
{
	json_t *list = json_loads(json, 0, NULL), *v;
	size_t i;

	json_array_foreach(list, i, v)
		buf_printf(out, "%s %s", i ? "," : ":", json_string_value(v));
	json_decref(list);
}

/* Those that matched and had no room, so that nobody takes their absence for a sign. */
static int show_left_out(struct request *r, int64_t id, struct buf *out)
{
	AUTO_ROWS *rows = db_rows(r->db, Q(LESSONS_LEFT_OUT), I(id));
	int got, any = 0;

	while ((got = rows_next(rows)) > 0) {
		buf_printf(out, "%s %s", any ? "" : "left-out", rows_text(rows, 0));
		any = 1;
	}
	if (any)
		buf_char(out, '\n');
	return got;
}

/* What the last context of the session gave it, the best first, with the bodies as they are now. */
int session_lessons_show(struct request *r, int64_t id, struct buf *out)
{
	AUTO_ROWS *rows = db_rows(r->db, Q(LESSONS_GIVEN), I(id));
	int got;

	while ((got = rows_next(rows)) > 0) {
		buf_printf(out, "lesson %s %s", rows_text(rows, 0), rows_text(rows, 1));
		show_keywords(rows_text(rows, 2), out);
		buf_line(out, "\n%s\n", rows_text(rows, 3));
	}
	return got ? got : show_left_out(r, id, out);
}

/* --- lessons/NAME --- */

static int fired_show(struct request *r, int64_t id, struct buf *out)
{
	char when[TIME_TEXT];
	struct lesson_settings set;
	struct lesson_uses u;
	int err = lesson_settings(r->db, &set);

	if (!err)
		err = lesson_uses(r->db, id, &set, &u);
	if (err)
		return err;
	buf_line(out, "fired %lld", (long long)u.fired);
	buf_line(out, "held-out %lld", (long long)u.held);
	buf_line(out, "last %s", time_text(u.last, when));
	buf_line(out, "sessions %lld", (long long)u.sessions);
	if (u.sessions)
		buf_line(out, "share %.4f", (double)u.fired / (double)u.sessions);
	else
		buf_line(out, "share -");
	buf_line(out, "recent %lld of %lld", (long long)u.recent, (long long)u.window);
	return 0;
}

static void show_group(const char *what, const char *group, int64_t n, double mean, struct buf *out)
{
	if (n)
		buf_line(out, "%s-%s %lld mean %.4f", what, group, (long long)n, mean);
	else
		buf_line(out, "%s-%s 0 mean -", what, group);
}

static void show_effect(const char *what, const struct lesson_effect *e, const char *without,
			struct buf *out)
{
	if (e->known) {
		buf_line(out, "%s %+.4f", what, e->value);
		buf_line(out, "%s-interval %+.4f %+.4f", what, e->low, e->high);
	} else {
		buf_line(out, "%s -", what);
		buf_line(out, "%s-interval - -", what);
	}
	show_group(what, "fired", e->with, e->mean_with, out);
	show_group(what, without, e->without, e->mean_without, out);
}

static int effect_show(struct request *r, int64_t id, struct buf *out)
{
	struct lesson_effect observed, randomised;
	int err = lesson_observed(r->db, id, &observed);

	if (!err)
		err = lesson_randomised(r->db, id, &randomised);
	if (err)
		return err;
	show_effect("observed", &observed, "others", out);
	show_effect("randomised", &randomised, "held-out", out);
	return 0;
}

/* A lesson that nobody is given has no effect to be judged by. */
static int lesson_verdict_show(struct request *r, int64_t id, struct buf *out)
{
	AUTO_FREE char *status = field_value(r->db, THING_LESSON, id, "status");
	AUTO_BUF struct buf why = BUF_INIT;
	enum lesson_verdict verdict = LESSON_UNKNOWN;
	struct lesson_settings set;
	int err = lesson_settings(r->db, &set);

	if (!err && (!status || strcmp(status, "active") != 0))
		buf_printf(&why, "its status is %s: it is given to nobody", status ? status : "-");
	else if (!err)
		err = lesson_judge(r->db, id, &set, 0, &verdict, &why);
	if (!err)
		buf_line(out, "%s %s", lesson_words[verdict], buf_text(&why));
	return err ? err : why.err;
}

static const struct kind kind = THING_KIND(THING_LESSON, NULL);

static const struct node lesson[] = {
	FIELD(ROW_LESSON_KEYWORDS, "keywords", THING_LESSON, 0664),
	FIELD(ROW_LESSON_STATUS, "status", THING_LESSON, 0664),
	FIELD(ROW_LESSON_BODY, "body", THING_LESSON, 0664),
	FILE_RO(ROW_LESSON_FIRED, "fired", fired_show),
	FILE_RO(ROW_LESSON_EFFECT, "effect", effect_show),
	FILE_RO(ROW_LESSON_VERDICT, "verdict", lesson_verdict_show),
	END,
};

const struct node lessons_rows[] = {
	{ .type = NODE_DIR, .row = ROW_LESSON, .mode = 0555, .each = &kind, .children = lesson },
	END,
};

/* --- control/lessons --- */

#define SETTING(r, n) SETTING_OF("lessons", r, n)

const struct node teaching_rows[] = {
	SETTING(ROW_TEACHING_BUDGET, "budget"),
	SETTING(ROW_TEACHING_DROPOUT, "dropout"),
	SETTING(ROW_TEACHING_WINDOW, "window"),
	SETTING(ROW_TEACHING_BROAD, "broad"),
	SETTING(ROW_TEACHING_SAMPLE, "sample"),
	SETTING(ROW_TEACHING_HARM, "harm"),
	END,
};
