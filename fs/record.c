/* record: what a session did: its journal, commits, refusals, claims, and all of it as JSON. */
#include <errno.h>
#include <string.h>

#include <jansson.h>

#include "backend/clean.h"
#include "backend/commit.h"
#include "backend/grade.h"
#include "backend/text.h"
#include "fs/record.h"

#define REFUSALS_SHOWN 1000

int journal_show(struct request *r, int64_t id, struct buf *out)
{
	AUTO_ROWS *rows = db_rows(r->db, Q(JOURNAL_OF), I(id));
	int got;

	while ((got = rows_next(rows)) > 0)
		buf_line(out, "%s", rows_text(rows, 0));
	return got;
}

int journal_store(struct request *r, int64_t id, const char *text, size_t n, int append)
{
	int err = request_identify(r, node_session(r, r->node, id));

	if (err)
		return err;
	if (!append)
		return request_refuse(r, EPERM, "echo TEXT >> sessions/ID/journal",
				      "a journal is added to, and never written anew");
	return request_about(r, CHANGE_JOURNAL, id, text, n);
}

/* COMMIT TIME HOW SUBJECT, in order of being seen. */
int deeds_commits_show(struct request *r, int64_t id, struct buf *out)
{
	AUTO_ROWS *rows = db_rows(r->db, Q(COMMITS_OF), I(id));
	char when[TIME_TEXT];
	struct commit c;
	int got;

	while ((got = commit_row(rows, &c)) > 0) {
		for (char *p = c.how; (p = strchr(p, ' '));)
			*p = ':';
		buf_line(out, "%s %s %s %s", c.oid, time_text(c.at, when), c.how, c.subject);
	}
	return got;
}

/* TIME ERRNO OPERATION, the last first. */
int refusals_show(struct request *r, int64_t id, struct buf *out)
{
	AUTO_ROWS *rows = db_rows(r->db, Q(REFUSALS_OF), I(id), I(REFUSALS_SHOWN));
	char when[TIME_TEXT];
	int got;

	while ((got = rows_next(rows)) > 0)
		buf_line(out, "%s %s %s", time_text(rows_int(rows, 0), when), rows_text(rows, 1),
			 rows_text(rows, 2));
	return got;
}

/* TASK TOKEN SINCE ENDED HOW, in order. */
int taken_show(struct request *r, int64_t id, struct buf *out)
{
	AUTO_ROWS *rows = db_rows(r->db, Q(GRANTS_OF), I(id));
	char since[TIME_TEXT], ended[TIME_TEXT];
	int got;

	while ((got = rows_next(rows)) > 0)
		buf_line(out, "%s %lld %s %s %s", rows_text(rows, 1), (long long)rows_int(rows, 0),
			 time_text(rows_int(rows, 2), since), time_text(rows_int(rows, 3), ended),
			 rows_int(rows, 3) ? rows_text(rows, 5) : "held");
	return got;
}

/* What was known when its outcome was written. */
int stamp_show(struct request *r, int64_t id, struct buf *out)
{
	AUTO_FREE char *verdict = db_text(r->db, Q(ATTR), I(id), T("stamp.verdict"));
	AUTO_FREE char *judged = db_text(r->db, Q(ATTR), I(id), T("stamp.judged"));
	AUTO_FREE char *refusals = db_text(r->db, Q(ATTR), I(id), T("stamp.refusals"));
	int64_t at = 0;
	char when[TIME_TEXT];

	(void)int_parse(judged ? judged : "0", 0, INT64_MAX, &at);
	buf_line(out, "verdict %s", verdict ? verdict : "-");
	buf_line(out, "judged %s", time_text(at, when));
	buf_line(out, "refusals %s", refusals ? refusals : "-");
	return 0;
}

/* --- record.json --- */

static void put_time(json_t *o, const char *key, int64_t ms)
{
	char when[TIME_TEXT];

	if (ms)
		(void)json_object_set_new(o, key, json_string(time_text(ms, when)));
}

/* An outcome's first word, in the words of the form. */
static const char *outcome_word(const struct deeds *d)
{
	static const char *const words[] = { "productive", "noop", "failed", "violated_policy" };

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (strcmp(d->outcome, words[i]) == 0)
			return words[i];
	return d->noop ? "noop" : d->finished ? "productive" : "unknown";
}

static void put_deliverables(struct request *r, int64_t id, json_t *record)
{
	AUTO_ROWS *rows = db_rows(r->db, Q(COMMITS_OF), I(id));
	json_t *list = json_array(), *details = json_array();
	struct commit c;

	while (commit_row(rows, &c) > 0) {
		(void)json_array_append_new(list, json_string(c.oid));
		(void)json_array_append_new(details, json_pack("{s:s,s:s,s:s,s:s}", "value", c.oid,
							       "kind", "commit", "provenance_class",
							       c.how, "evidence", c.subject));
	}
	(void)json_object_set_new(record, "deliverables", list);
	(void)json_object_set_new(record, "deliverable_details", details);
}

static void put_grades(const struct grade *g, json_t *record)
{
	json_t *grades = json_object(), *reasons = json_object(), *sources = json_object();

	for (int i = 0; grade_dimensions[i]; i++) {
		const struct grade_part *p = &g->parts[i];

		if (!p->known)
			continue;
		(void)json_object_set_new(grades, p->name, json_real(p->value));
		(void)json_object_set_new(reasons, p->name, json_string(p->reason));
		(void)json_object_set_new(sources, p->name, json_string(p->source));
	}
	(void)json_object_set_new(record, "grades", grades);
	(void)json_object_set_new(record, "grade_reasons", reasons);
	(void)json_object_set_new(record, "grade_sources", sources);
	(void)json_object_set_new(record, "trajectory_grade",
				  g->known ? json_real(g->value) : json_null());
}

/* As it was imported, to the byte: numbers that are larger than ours, members nobody knows here. */
static int foreign_show(struct request *r, int64_t id, struct buf *out)
{
	AUTO_FREE char *text = db_text(r->db, Q(ATTR), I(id), T("record"));

	if (!text)
		return -ESTALE;
	buf_str(out, text);
	buf_char(out, '\n');
	return 0;
}

static int native_show(struct request *r, const struct session *s, struct buf *out)
{
	AUTO_FREE char *category = db_text(r->db, Q(ATTR), I(s->id), T("category"));
	AUTO_FREE char *text = NULL;
	struct grade g;
	json_t *record;
	int err = grade_of(r->db, s, &g);

	if (err)
		return err;
	record = json_pack("{s:s,s:s}", "session_id", s->name, "outcome", outcome_word(&g.deeds));
	put_time(record, "timestamp", s->ended ? s->ended : s->started);
	put_time(record, "start_time", s->started);
	put_time(record, "end_time", s->ended);
	if (s->ended)
		(void)json_object_set_new(record, "duration_seconds",
					  json_integer((s->ended - s->started) / 1000));
	if (category)
		(void)json_object_set_new(record, "category", json_string(category));
	put_deliverables(r, s->id, record);
	put_grades(&g, record);
	text = json_dumps(record, JSON_COMPACT);
	json_decref(record);
	if (!text)
		return -ENOMEM;
	buf_line(out, "%s", text);
	return 0;
}

/* The session's record in the field's common form. */
int record_show(struct request *r, int64_t id, struct buf *out)
{
	struct session s;

	if (read_session(r->db, id, &s) <= 0)
		return -ESTALE;
	return session_is_imported(&s) ? foreign_show(r, id, out) : native_show(r, &s, out);
}
