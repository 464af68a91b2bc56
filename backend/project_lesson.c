/* What the events mean for lessons: who was given which, and what became of it; see project.c. */
#include <math.h>
#include <string.h>

#include "backend/clean.h"
#include "backend/lesson.h"
#include "backend/project_impl.h"
#include "backend/text.h"

/* The number of the session among those that have a context; its first one gives it that. */
static int64_t number_of(struct tx *tx, const json_t *e, int64_t session)
{
	int64_t seq = event_int(e, "seq"), at = event_int(e, "at");
	int64_t idx = db_get(tx->db, 0, Q(CONTEXT_NUMBER), I(session));

	if (!idx) {
		idx = db_get(tx->db, 0, Q(CONTEXT_LAST)) + 1;
		RUN(Q(CONTEXT_ADD), I(idx), I(session));
	}
	RUN(Q(CONTEXT_SEEN), I(session), I(seq), I(at));
	return idx;
}

/* The lines of OLD, and those of LIST that are not among them. */
static void keywords_join(const char *old, const json_t *list, struct buf *out)
{
	struct lines l;
	const json_t *v;
	const char *line;
	size_t i, n;

	buf_str(out, old);
	json_array_foreach(list, i, v) {
		const char *text = json_string_value(v);
		int there = 0;

		l = (struct lines){ old, old + strlen(old) };
		while (text && lines_next(&l, &line, &n))
			there = there || (strlen(text) == n && memcmp(text, line, n) == 0);
		if (text && !there)
			buf_line(out, "%s", text);
	}
}

/* A lesson fires in a session once: later contexts only add keywords. */
static void fire(struct tx *tx, const json_t *e, const json_t *f, int64_t session, int64_t idx)
{
	int64_t lesson = event_int(f, "lesson_id"), held = event_int(f, "held");
	AUTO_FREE char *old = db_text(tx->db, Q(FIRING_WORDS), I(lesson), I(session));
	AUTO_BUF struct buf keywords = BUF_INIT;

	keywords_join(old ? old : "", json_object_get(f, "keywords"), &keywords);
	if (keywords.err) {
		tx->err = tx->err ? tx->err : keywords.err;
		return;
	}
	RUN(Q(FIRING_SET), I(lesson), I(session), I(idx), I(event_int(f, "share")), I(held),
	    T(buf_text(&keywords)));
	if (!old)
		RUN(Q(LESSON_FIRED), I(lesson), I(!held), I(held != 0), I(idx - 1));
	if (!held)
		RUN(Q(LESSON_LAST), I(lesson), I(event_int(e, "at")));
}

void project_context(struct tx *tx, json_t *e)
{
	int64_t session = event_int(e, "session_id"), idx = number_of(tx, e, session);
	const json_t *v;
	size_t i;

	project_attr(tx, session, "context", json_object_get(e, "text"), event_int(e, "at"));
	if (!json_object_get(e, "fired"))
		return;
	json_array_foreach(json_object_get(e, "fired"), i, v)
		fire(tx, e, v, session, idx);
	RUN(Q(KEYWORD_UP), T(""));
	json_array_foreach(json_object_get(e, "heard"), i, v)
		RUN(Q(KEYWORD_UP), T(json_string_value(v)));
}

void project_lesson(struct tx *tx, int64_t lesson, const char *field, const json_t *value)
{
	int active = strcmp(field, "status") == 0 && json_is_string(value) &&
		     strcmp(json_string_value(value), "active") == 0;

	if (active)
		RUN(Q(LESSON_ACTIVE), I(lesson), I(db_get(tx->db, 0, Q(CONTEXT_LAST))));
	if (active || strcmp(field, "keywords") == 0)
		RUN(Q(LESSON_SINCE), I(lesson), I(db_get(tx->db, 0, Q(CONTEXT_LAST))));
}

static int64_t units(const char *mark)
{
	double v = 0;

	return number_parse(mark, &v) ? 0 : llround(v * LESSON_UNIT);
}

/* Whole numbers: what is taken out is what was put in, whatever came between. */
void project_lesson_mark(struct tx *tx, int64_t session, const char *mark)
{
	int64_t idx = db_get(tx->db, 0, Q(CONTEXT_NUMBER), I(session));
	AUTO_FREE char *text = idx ? db_text(tx->db, Q(MARK), I(session)) : NULL;
	int64_t old = text ? units(text) : 0, v = units(mark);

	if (!idx)
		return;
	RUN(Q(CONTEXT_SUM_ADD), I(idx / LESSON_BLOCK), I(!text), I(v - old), I(v * v - old * old));
	RUN(Q(EFFECT_ADD), I(session), I(!text), I(v - old), I(v * v - old * old));
}
