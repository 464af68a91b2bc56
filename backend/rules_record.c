/*
 * Import of session records: a whole session, ended, in one event, and its grades. The text of the
 * record is kept as it came. A line that is no record is kept too, for an export to give it back.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend/clean.h"
#include "backend/field.h"
#include "backend/grade.h"
#include "backend/rules.h"
#include "backend/text.h"

#define FIRST_MS INT64_C(86400000) /* the archive has no day before */
#define LAST_S 253402300799.0	   /* of the year 9999 */
#define REASON_MAX 255

/* One that is imported. session.id 0: new. */
struct record {
	struct tx *tx;
	const json_t *json;
	char *text; /* one line */
	char *old;  /* what was imported before; NULL: nothing */
	struct session session;
};

static int bad(struct tx *tx, const char *what, const char *reason)
{
	return tx_refuse(tx, EINVAL, "mend the record; the others are not touched by it", "%s: %s",
			 what, reason);
}

int rules_is_session_record(const json_t *record)
{
	return json_object_get(record, "session_id") &&
	       !(json_object_get(record, "task") && json_object_get(record, "state"));
}

int rules_is_line(const json_t *record)
{
	return !json_object_get(record, "task") &&
	       (json_object_get(record, "line") || json_object_get(record, "hex"));
}

/* --- what a record says --- */

/* A time without a zone is UTC; a blank may stand for the T. */
static int parse_zoneless(const char *s, int64_t *ms)
{
	char text[48];
	int n = snprintf(text, sizeof(text), "%sZ", s);

	if (n < 12 || n >= (int)sizeof(text))
		return -EINVAL;
	if (text[10] == ' ')
		text[10] = 'T';
	return time_parse(text, ms);
}

/* ms since 1970 of an RFC 3339 time, or of seconds since then; 0: none. */
static int64_t time_of(const json_t *v)
{
	const char *s = json_string_value(v);
	double seconds = json_number_value(v);
	int64_t ms = 0;

	if (s && time_parse(s, &ms) && parse_zoneless(s, &ms) && number_parse(s, &seconds))
		return 0;
	if (seconds > 0 && seconds <= LAST_S)
		ms = (int64_t)(seconds * 1000 + 0.5);
	return ms >= FIRST_MS ? ms : 0;
}

/* When it began and ended; what is not known is what is known of the other, or NOW. */
static void times_of(const struct record *rec, int64_t *started, int64_t *ended)
{
	const json_t *r = rec->json;
	double seconds = json_number_value(json_object_get(r, "duration_seconds"));
	int64_t took = seconds > 0 && seconds < 1e9 ? (int64_t)(seconds * 1000) : 0;
	int64_t at = time_of(json_object_get(r, "timestamp"));

	*started = time_of(json_object_get(r, "start_time"));
	*ended = time_of(json_object_get(r, "end_time"));
	if (!*ended)
		*ended = *started && took ? *started + took : at;
	if (!*started)
		*started = *ended - took >= FIRST_MS ? *ended - took : *ended;
	if (!*started && rec->session.id) { /* nothing is: as it was */
		*started = rec->session.started;
		*ended = rec->session.ended;
	}
	if (!*started)
		*started = rec->tx->wall;
	if (*ended < *started)
		*ended = *started;
}

/* A member as the value of a field of the session, if it can be that. */
static void put_field(const struct record *rec, json_t *body, const char *name)
{
	const char *value = json_string_value(json_object_get(rec->json, name)), *reason;

	if (value && *value &&
	    !field_check(field_find(THING_SESSION, name), value, strlen(value), &reason))
		(void)json_object_set_new(body, name, json_string(value));
}

/* --- its grades --- */

struct said {
	double value;
	char text[24];
	char reason[REASON_MAX + 1];
};

/* What RECORD says of a dimension: 1 and *OUT, or 0. */
static int grade_in(const json_t *record, const char *name, struct said *out)
{
	const json_t *v = json_object_get(json_object_get(record, "grades"), name);
	const char *why =
		json_string_value(json_object_get(json_object_get(record, "grade_reasons"), name));
	size_t n = 0, len = why ? strcspn(why, "\r\n") : 0;
	uint32_t c;

	out->value = json_number_value(v);
	if (!json_is_number(v) || !(out->value >= 0 && out->value <= 1))
		return 0;
	while (n < len) {
		int more = utf8_next(why + n, len - n, &c);

		if (more < 0 || n + (size_t)more > REASON_MAX)
			break;
		n += (size_t)more;
	}
	(void)snprintf(out->text, sizeof(out->text), "%.15g", out->value);
	if (strtod(out->text, NULL) != out->value)
		(void)snprintf(out->text, sizeof(out->text), "%.17g", out->value);
	(void)snprintf(out->reason, sizeof(out->reason), "%.*s", (int)n, why ? why : "");
	(void)line_mend(out->reason);
	if (!*out->reason)
		(void)snprintf(out->reason, sizeof(out->reason), "imported");
	return 1;
}

/* A grade for each that the record says, and did not say before. */
static int emit_grades(const struct record *rec, int64_t id)
{
	json_t *old = rec->old ? json_loads(rec->old, JSON_DECODE_INT_AS_REAL, NULL) : NULL;
	struct said now, before;
	int err = 0;

	for (int i = 0; grade_dimensions[i] && !err; i++) {
		const char *name = grade_dimensions[i];

		if (!grade_in(rec->json, name, &now))
			continue;
		if (grade_in(old, name, &before) && strcmp(before.text, now.text) == 0 &&
		    strcmp(before.reason, now.reason) == 0)
			continue;
		err = tx_emit(rec->tx, "grade",
			      json_pack("{s:s,s:I,s:s,s:s,s:s,s:s,s:s,s:I,s:I}", "graded",
					rec->session.name, "graded_id", (json_int_t)id, "dimension",
					name, "value", now.text, "reason", now.reason, "judge", "-",
					"session", GRADE_IMPORT, "uid",
					(json_int_t)rec->tx->actor->uid, "pid",
					(json_int_t)rec->tx->actor->pid));
	}
	json_decref(old);
	return err;
}

/* --- the session --- */

/* The N bytes of JSON on one line, to be freed; a newline in it is a blank between tokens. */
static char *one_line(const char *text, size_t n)
{
	static const char blanks[] = " \t\r\n";
	char *s;

	while (n && strchr(blanks, text[n - 1]))
		n--;
	for (; n && strchr(blanks, *text); n--)
		text++;
	s = tx_allocated(strndup(text, n));
	if (s)
		for (char *p = s; *p; p++)
			if (*p == '\r' || *p == '\n')
				*p = ' ';
	return s;
}

static int is_same(const char *a, const char *b)
{
	json_t *x, *y;
	int same = a && b && strcmp(a, b) == 0;

	if (!a || !b || same)
		return same;
	x = json_loads(a, 0, NULL);
	y = json_loads(b, 0, NULL);
	same = x && y && json_equal(x, y);
	json_decref(x);
	json_decref(y);
	return same;
}

static int emit_session(struct record *rec)
{
	int64_t started, ended, id = rec->session.id ? rec->session.id : rec->tx->seq + 1;
	const struct actor *a = rec->tx->actor;
	json_t *body;
	int err;

	times_of(rec, &started, &ended);
	body = json_pack("{s:s,s:I,s:I,s:I,s:I,s:I,s:s}", "session", rec->session.name, "uid",
			 (json_int_t)a->uid, "gid", (json_int_t)a->gid, "pid", (json_int_t)a->pid,
			 "started", (json_int_t)started, "ended", (json_int_t)ended, "record",
			 rec->text);
	if (rec->session.id)
		(void)json_object_set_new(body, "session_id", json_integer(id));
	put_field(rec, body, "category");
	put_field(rec, body, "outcome");
	rec->tx->result->id = id;
	err = tx_emit(rec->tx, "session-import", body);
	return err ? err : emit_grades(rec, id);
}

static int import_session(struct record *rec, const char *name)
{
	int got = read_session_named(rec->tx->db, name, &rec->session);

	if (got < 0)
		return tx_fail(rec->tx, got);
	if (got && !session_is_imported(&rec->session)) {
		buf_line(&rec->tx->result->why, "%s: registered here, kept", name);
		return 0;
	}
	if (got)
		rec->old = tx_attr(rec->tx->db, rec->session.id, "record");
	else
		(void)snprintf(rec->session.name, sizeof(rec->session.name), "%s", name);
	if (!rec->text)
		return tx_fail(rec->tx, -ENOMEM);
	return is_same(rec->old, rec->text) ? 0 : emit_session(rec);
}

int rules_import_session(struct tx *tx, const json_t *record, const char *text, size_t n)
{
	struct record rec = { .tx = tx, .json = record };
	const char *name = event_text(record, "session_id");
	int err;

	if (name_check(name, strlen(name)))
		return bad(tx, "session_id", "not a name for a session");
	rec.text = one_line(text, n);
	err = import_session(&rec, name);
	free(rec.text);
	free(rec.old);
	return err;
}

/* --- lines that are no records --- */

/* Are these bytes in hexadecimal, without a newline among them? */
static int is_hex_line(const char *s)
{
	size_t n = strlen(s);

	if (n % 2 || strspn(s, "0123456789abcdef") != n)
		return 0;
	for (size_t i = 0; i < n; i += 2)
		if (s[i] == '0' && s[i + 1] == 'a')
			return 0;
	return 1;
}

int rules_import_line(struct tx *tx, const json_t *record)
{
	int hex = !json_object_get(record, "line");
	const json_t *v = json_object_get(record, hex ? "hex" : "line");
	const char *text = json_string_value(v), *file = event_text(record, "of");
	int64_t nth = event_int(record, "nth");

	if (!text || (hex ? !is_hex_line(text) : strchr(text, '\n') != NULL))
		return bad(tx, hex ? "hex" : "line", "one line is wanted, as a string");
	if (strlen(file) > 255 || line_check(file, strlen(file)))
		return bad(tx, "of", "the name of a file is wanted");
	if (db_get(tx->db, 0, Q(LINE_COUNT), T(text), I(hex)) >= (nth > 0 ? nth : 1))
		return 0;
	return tx_emit(tx, "line",
		       json_pack("{s:s,s:s,s:I,s:I}", hex ? "hex" : "line", text, "of", file, "uid",
				 (json_int_t)tx->actor->uid, "pid", (json_int_t)tx->actor->pid));
}
