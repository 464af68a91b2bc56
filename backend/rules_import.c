/*
 * Import: one record, one whole task (of a session: rules_record.c). Again: what was changed here wins,
 * held and done tasks are left alone, and nothing is reopened. The attribute
 * `imported` keeps what the last import said, so that "changed here" is known.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "backend/clean.h"
#include "backend/field.h"
#include "backend/overlap.h"
#include "backend/rules.h"
#include "backend/text.h"

static const char *const plain[] = { "title",	    "body",	 "repo",      "lane",  "value",
				     "cost",	    "kind",	 "ttl",	      "tags",  "impact",
				     "feasibility", "alignment", "readiness", "result" };
#define PLAIN (sizeof(plain) / sizeof(plain[0]))

struct import {
	struct tx *tx;
	const json_t *record;
	json_t *before; /* what the last import said; {} */
	json_t *now;	/* what this one says, as it will be kept */
	json_t *body;	/* the event */
	json_t *fields; /* in the event */
	const char *name;
	struct task task; /* id 0: new */
};

static int bad(struct import *im, int err, const char *what, const char *reason)
{
	return tx_refuse(im->tx, err, "mend the record; the others are not touched by it",
			 "%s: %s: %s", im->name, what, reason);
}

/* "a\nb" of an array of strings, or the string itself; NULL: absent. To be freed. */
static char *text_of(const json_t *v)
{
	AUTO_BUF struct buf b = BUF_INIT;
	const json_t *line;
	size_t i;

	if (json_is_string(v))
		return tx_allocated(strdup(json_string_value(v)));
	if (!json_is_array(v))
		return NULL;
	json_array_foreach(v, i, line) {
		if (i)
			buf_char(&b, '\n');
		buf_str(&b, json_is_string(line) ? json_string_value(line) : "");
	}
	return b.n || b.err ? tx_allocated(buf_detach(&b)) : NULL;
}

static int same(const char *a, const char *b)
{
	return a && b ? strcmp(a, b) == 0 : a == b;
}

/*
 * Take the new value of FIELD? Upstream did not change it: no. It stands
 * here as upstream left it: yes. Else it was changed here: report.
 */
static int take(struct import *im, const char *field, const char *value, const char *here)
{
	const char *before = json_string_value(json_object_get(im->before, field));

	if (value)
		(void)json_object_set_new(im->now, field, json_string(value));
	if (!im->task.id)
		return value != NULL;
	if (same(value, before) || same(value, here))
		return 0;
	if (same(here, before))
		return 1;
	buf_line(&im->tx->result->why, "%s %s: changed here, kept", im->name, field);
	return 0;
}

static int import_plain(struct import *im, const char *name)
{
	AUTO_FREE char *value = text_of(json_object_get(im->record, name));
	AUTO_FREE char *here = im->task.id ? tx_attr(im->tx->db, im->task.id, name) : NULL;
	const char *reason = "";
	size_t n = value ? strlen(value) : 0;
	int err;

	while (n && value[n - 1] == '\n')
		value[--n] = 0;
	err = n ? field_check(field_find(THING_TASK, name), value, n, &reason) : 0;
	if (err)
		return bad(im, -err, name, reason);
	if (take(im, name, n ? value : NULL, here))
		(void)json_object_set_new(im->fields, name, n ? json_string(value) : json_null());
	return 0;
}

static char *lines_of(struct tx *tx, const struct bind *q)
{
	AUTO_BUF struct buf b = BUF_INIT;
	AUTO_ROWS *r = db_rows_bound(tx->db, q);

	while (rows_next(r) > 0) {
		if (b.n)
			buf_char(&b, '\n');
		buf_str(&b, rows_text(r, 0));
	}
	return b.n || b.err ? tx_allocated(buf_detach(&b)) : NULL;
}

static int import_needs(struct import *im)
{
	const json_t *list = json_object_get(im->record, "needs");
	AUTO_FREE char *value = text_of(list);
	AUTO_FREE char *here = im->task.id ? lines_of(im->tx, BINDS(Q(NEEDS_OF), I(im->task.id))) :
					     NULL;
	const json_t *v;
	struct task t;
	size_t i;
	int err;

	json_array_foreach(list, i, v)
		if (!json_is_string(v) ||
		    read_task_named(im->tx->db, json_string_value(v), &t) <= 0)
			return bad(im, ENOENT, "needs",
				   "a task that is not there; import it first");
	if (!take(im, "needs", value, here))
		return 0;
	err = rules_acyclic(im->tx, im->name, list);
	return err ? err :
		     json_object_set_new(im->body, "needs",
					 list ? json_deep_copy(list) : json_array());
}

/* The canonical names of the record's artifacts, as a JSON array to be freed. */
static int parse_artifacts(struct import *im, const char *repo, json_t **out)
{
	const json_t *list = json_object_get(im->record, "artifacts"), *v;
	json_t *names = json_array();
	const char *reason = "";
	struct artifact a;
	size_t i;

	json_array_foreach(list, i, v) {
		const char *s = json_is_string(v) ? json_string_value(v) : "";
		int err = artifact_parse(s, strlen(s), repo, &a, &reason);

		if (err) {
			json_decref(names);
			return bad(im, -err, "artifacts", reason);
		}
		(void)json_array_append_new(names, json_string(a.name));
		artifact_release(&a);
	}
	*out = names;
	return 0;
}

static int import_artifacts(struct import *im)
{
	AUTO_FREE char *stored = im->task.id ? tx_attr(im->tx->db, im->task.id, "repo") : NULL;
	const json_t *taken = json_object_get(im->fields, "repo");
	const char *repo = taken ? json_string_value(taken) : stored;
	AUTO_FREE char *here =
		im->task.id ? lines_of(im->tx, BINDS(Q(ARTIFACTS_TURN), I(im->task.id))) : NULL;
	AUTO_FREE char *value = NULL;
	json_t *names = NULL, *old = json_array();
	int err = parse_artifacts(im, repo ? repo : "", &names);

	if (err) {
		json_decref(old);
		return err;
	}
	value = text_of(names);
	if (take(im, "artifacts", value, here)) {
		struct lines l = { here, here ? here + strlen(here) : here };
		const char *line;
		size_t n;

		while (here && lines_next(&l, &line, &n))
			(void)json_array_append_new(old, json_stringn(line, n));
		(void)json_object_set(im->body, "given_up", old);
		(void)json_object_set(im->body, "added", names);
	}
	json_decref(old);
	json_decref(names);
	return 0;
}

/* Held and done tasks are left alone; say so when upstream has moved. */
static int leave_alone(struct import *im, const json_t *upstream)
{
	AUTO_FREE char *before = tx_attr(im->tx->db, im->task.id, "upstream");
	AUTO_FREE char *now = json_dumps(upstream, JSON_COMPACT);

	if (!same(before, now))
		buf_line(&im->tx->result->why, "%s: %s here, not touched", im->name,
			 im->task.token ? "held" : "done");
	return 0;
}

static int import_state(struct import *im)
{
	const char *to = event_text(im->record, "state"),
		   *hold = json_string_value(json_object_get(im->record, "hold"));
	const char *done = json_string_value(json_object_get(im->record, "done"));
	AUTO_FREE char *here = im->task.id ? tx_attr(im->tx->db, im->task.id, "hold") : NULL;
	int64_t at = 0;

	if (strcmp(to, "idea") != 0 && strcmp(to, "ready") != 0 && strcmp(to, "done") != 0)
		return bad(im, EINVAL, "state", "idea, ready or done");
	if (done && time_parse(done, &at))
		return bad(im, EINVAL, "done", "not a time");
	if (take(im, "hold", hold, here))
		(void)json_object_set_new(im->fields, "hold",
					  hold ? json_string(hold) : json_null());
	hold = json_object_get(im->fields, "hold") ? hold : here;
	(void)json_object_set_new(im->body, "hold", json_integer(hold != NULL));
	if (im->task.id && im->task.state == TASK_PUBLISHED && strcmp(to, "done") != 0)
		to = "";
	if (im->task.id && im->task.state == TASK_IDEA && strcmp(to, "idea") == 0)
		to = "";
	(void)json_object_set_new(im->body, "to", json_string(to));
	if (at)
		(void)json_object_set_new(im->body, "done_at", json_integer(at));
	return 0;
}

static int import_parts(struct import *im)
{
	int err = 0;

	for (size_t i = 0; !err && i < PLAIN; i++)
		err = import_plain(im, plain[i]);
	if (!err)
		err = import_needs(im);
	if (!err)
		err = import_artifacts(im);
	return err ? err : import_state(im);
}

/* The foreign record itself, so that an export gives every field back. */
static void import_keep(struct import *im, const json_t *upstream)
{
	AUTO_FREE char *text = json_dumps(upstream, JSON_COMPACT);
	AUTO_FREE char *now = json_dumps(im->now, JSON_COMPACT);
	AUTO_FREE char *old_now = im->task.id ? tx_attr(im->tx->db, im->task.id, "imported") : NULL;
	AUTO_FREE char *old = im->task.id ? tx_attr(im->tx->db, im->task.id, "upstream") : NULL;

	if (upstream && !same(old, text))
		(void)json_object_set_new(im->fields, "upstream", json_string(text));
	if (!same(old_now, now))
		(void)json_object_set_new(im->fields, "imported", json_string(now));
}

/* What was published in bulk is not refused, and nobody is told but who imports. */
static int import_looks_like(struct import *im, int err, int published)
{
	struct task t;

	if (err || !published)
		return err;
	if (read_task(im->tx->db, im->tx->result->id, &t) <= 0)
		return tx_fail(im->tx, -EIO);
	return rules_dedup_report(im->tx, &t);
}

static int import_emit(struct import *im)
{
	int published = strcmp(event_text(im->body, "to"), "ready") == 0;
	int quiet = im->task.id && !json_object_size(im->fields) &&
		    !json_object_get(im->body, "needs") && !json_object_get(im->body, "added") &&
		    !*event_text(im->body, "to");

	if (quiet) {
		json_decref(im->body);
		return 0;
	}
	(void)json_object_set_new(im->body, "task", json_string(im->name));
	if (im->task.id)
		(void)json_object_set_new(im->body, "task_id", json_integer(im->task.id));
	(void)json_object_set_new(im->body, "uid", json_integer(im->tx->owner));
	im->tx->result->id = im->task.id ? im->task.id : im->tx->seq + 1;
	return import_looks_like(im, tx_emit(im->tx, "import", im->body), published);
}

static int import_record(struct import *im)
{
	const json_t *upstream = json_object_get(im->record, "upstream");
	int got, err;

	im->name = event_text(im->record, "task");
	if (name_check(im->name, strlen(im->name)))
		return bad(im, EINVAL, "task", "not a name");
	got = read_task_named(im->tx->db, im->name, &im->task);
	if (got < 0)
		return tx_fail(im->tx, got);
	if (got && (im->task.token || im->task.state == TASK_DONE))
		return leave_alone(im, upstream);
	if (got) {
		AUTO_FREE char *before = tx_attr(im->tx->db, im->task.id, "imported");

		im->before = before ? json_loads(before, 0, NULL) : NULL;
	}
	im->now = json_object();
	im->body = json_object();
	im->fields = json_object();
	(void)json_object_set(im->body, "fields", im->fields);
	err = import_parts(im);
	if (err) {
		json_decref(im->body);
	} else {
		import_keep(im, upstream);
		err = import_emit(im);
	}
	json_decref(im->fields);
	json_decref(im->now);
	json_decref(im->before);
	return err;
}

/* The record, to be freed; NULL: none. A session's may have numbers that are larger than ours. */
static json_t *load_record(const struct change *c, json_error_t *why)
{
	json_t *record = json_loadb(c->text, c->n, JSON_REJECT_DUPLICATES, why);
	json_error_t other;

	if (record)
		return record;
	record =
		json_loadb(c->text, c->n, JSON_REJECT_DUPLICATES | JSON_DECODE_INT_AS_REAL, &other);
	if (rules_is_session_record(record))
		return record;
	json_decref(record);
	return NULL;
}

int rule_import(struct tx *tx, const struct change *c)
{
	struct import im = { .tx = tx, .name = "record" };
	json_error_t why;
	json_t *record;
	int err = rules_may(tx, RIGHT_OPERATOR, NULL, NULL);

	if (err)
		return err;
	record = load_record(c, &why);
	if (!json_is_object(record)) {
		json_decref(record);
		return tx_refuse(
			tx, EINVAL,
			"write one JSON object, with `task` and `state`, or with `session_id`",
			"not a record: %s", why.text);
	}
	im.record = record;
	if (rules_is_session_record(record))
		err = rules_import_session(tx, record, c->text, c->n);
	else if (rules_is_line(record))
		err = rules_import_line(tx, record);
	else
		err = import_record(&im);
	json_decref(record);
	return err;
}
