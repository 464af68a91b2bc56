/*
 * What the probes said: rolled up, recorded, and answered. A probe whose finding is in
 * nobody's list offers the standing task probe.NAME, so that one session at a time sees to it.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "backend/clean.h"
#include "backend/probe.h"
#include "backend/rules.h"
#include "backend/text.h"

#define RUNS_KEPT 1000

static int is_standing(struct tx *tx, const struct task *t)
{
	AUTO_FREE char *kind = tx_attr(tx->db, t->id, "kind");

	return kind && strcmp(kind, "standing") == 0;
}

/* Is the first word of DETAIL a task that can be claimed? */
static int names_ready(struct tx *tx, const char *detail)
{
	char name[NAME_BUFFER];
	size_t n = strcspn(detail, " ");
	struct task t;

	if (!n || n >= sizeof(name))
		return 0;
	(void)snprintf(name, sizeof(name), "%.*s", (int)n, detail);
	return read_task_named(tx->db, name, &t) > 0 && t.column == COLUMN_READY;
}

/* Answer with WORD, and DETAIL as printf. */
__attribute__((format(printf, 3, 4))) static void answer(json_t *p, const char *word,
							 const char *fmt, ...)
{
	char detail[PROBE_DETAIL + NAME_BUFFER];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(detail, sizeof(detail), fmt, ap);
	va_end(ap);
	(void)json_object_set_new(p, "answer", json_string(word));
	(void)json_object_set_new(p, "detail", json_string(detail));
}

/* Publish the standing task NAME, drafted when it is new. */
static int publish(struct tx *tx, const char *name, const struct task *t, const char *title)
{
	json_t *body = json_pack("{s:s,s:I,s:s,s:i,s:I,s:{s:s,s:s},s:s,s:i}", "task", name,
				 "task_id", (json_int_t)t->id, "session", "-", "session_id", 0,
				 "uid", (json_int_t)tx->owner, "fields", "kind", "standing",
				 "title", title, "to", "ready", "hold", 0);

	return tx_emit(tx, "offer", body);
}

static int offer(struct tx *tx, json_t *p)
{
	const char *detail = event_text(p, "detail"), *who = event_text(p, "probe");
	char name[NAME_BUFFER + 8];
	struct task t = { .id = 0 };
	struct grant g = { .holder = "-" };
	int got, err = 0;

	(void)snprintf(name, sizeof(name), "probe.%s", who);
	if (name_check(name, strlen(name)))
		return 0; /* too long a name: it has to do without */
	got = read_task_named(tx->db, name, &t);
	if (got < 0)
		return tx_fail(tx, got);
	if (got && t.column == COLUMN_CLAIMS) {
		if (read_grant(tx->db, t.token, &g) < 0)
			return tx_fail(tx, -EIO);
		answer(p, "dry", "session %s sees to it: %s", g.holder, detail);
		return 0;
	}
	if (!got || (t.column == COLUMN_IDEAS && is_standing(tx, &t)))
		err = publish(tx, name, &t, detail);
	if (!err)
		answer(p, "supply", "%s %s", name, detail);
	return err;
}

/* Nothing to be found any more: what was offered is taken back. */
static int withdraw(struct tx *tx, const json_t *p)
{
	char name[NAME_BUFFER + 8];
	struct task t;

	(void)snprintf(name, sizeof(name), "probe.%s", event_text(p, "probe"));
	if (read_task_named(tx->db, name, &t) <= 0 || t.state != TASK_PUBLISHED || t.token ||
	    !is_standing(tx, &t))
		return 0;
	return tx_emit(tx, "withdraw", rules_body(tx, &t));
}

static int settle(struct tx *tx, json_t *p)
{
	const char *word = event_text(p, "answer");
	int64_t filed = event_int(p, "filed");

	if (json_is_true(json_object_get(p, "shadow")))
		return 0;
	if (strcmp(word, "dry") == 0)
		return withdraw(tx, p);
	if (strcmp(word, "supply") != 0)
		return 0;
	if (filed == PROBE_FILED) /* taken since it looked: the next look names another */
		return 0;
	if (filed == PROBE_PERHAPS && names_ready(tx, event_text(p, "detail")))
		return 0;
	return offer(tx, p);
}

static int keep_run(struct tx *tx, int64_t probe, int shadow, const json_t *p, const char *word,
		    int64_t seq, const json_t *inputs)
{
	AUTO_FREE char *text = tx_allocated(json_dumps(inputs, JSON_COMPACT));
	int err = db_run(tx->db, Q(RUN_ADD), I(probe), I(shadow), I(event_int(p, "at")),
			 I(event_int(p, "took")), I(seq), T(word), T(event_text(p, "detail")),
			 T(text ? text : "{}"));

	if (!err)
		err = db_run(tx->db, Q(RUNS_PRUNE), I(probe), I(shadow), I(RUNS_KEPT));
	return err ? tx_fail(tx, err) : 0;
}

/* Is P a run that is recorded already, and still says the same? Its answer was used again. */
static int is_kept(struct tx *tx, const json_t *p)
{
	AUTO_ROWS *rows = NULL;

	if (!json_is_true(json_object_get(p, "kept")))
		return 0;
	rows = db_rows(tx->db, Q(RUN_LAST), I(event_int(p, "probe_id")));
	return rows_next(rows) > 0 && rows_int(rows, 0) == event_int(p, "at") &&
	       strcmp(rows_text(rows, 3), event_text(p, "answer")) == 0 &&
	       strcmp(rows_text(rows, 4), event_text(p, "detail")) == 0;
}

/* Each answer on its own; SAID gets those without their inputs, shadows apart. */
static int settle_all(struct tx *tx, const json_t *in, json_t *said)
{
	json_t *live = json_array(), *shadows = json_array(), *p;
	size_t i;
	int err = 0;

	(void)json_object_set_new(said, "probes", live);
	(void)json_object_set_new(said, "shadow", shadows);
	json_array_foreach(json_object_get(in, "probes"), i, p) {
		int shadow = json_is_true(json_object_get(p, "shadow"));
		json_t *brief;

		err = settle(tx, p);
		if (!err && !is_kept(tx, p))
			err = keep_run(tx, event_int(p, "probe_id"), shadow, p,
				       event_text(p, "answer"), event_int(in, "seq"),
				       json_object_get(p, "inputs"));
		if (err)
			return err;
		brief = json_pack("{s:O,s:O,s:O,s:O,s:O}", "probe", json_object_get(p, "probe"),
				  "answer", json_object_get(p, "answer"), "detail",
				  json_object_get(p, "detail"), "at", json_object_get(p, "at"),
				  "took", json_object_get(p, "took"));
		(void)json_array_append_new(shadow ? shadows : live, brief);
	}
	return 0;
}

/* supply anywhere; else unknown anywhere, or nobody who looked; else dry. */
static const char *roll_up(const json_t *probes)
{
	const char *all = json_array_size(probes) ? "dry" : "unknown";
	const json_t *p;
	size_t i;

	json_array_foreach(probes, i, p) {
		if (strcmp(event_text(p, "answer"), "supply") == 0)
			return "not-dry";
		if (strcmp(event_text(p, "answer"), "unknown") == 0)
			all = "unknown";
	}
	return all;
}

static int emit_change(struct tx *tx, json_t *said, const char *word)
{
	AUTO_FREE char *last = tx_attr(tx->db, 0, "verdict");
	json_t *body;

	if (last && strcmp(last, word) == 0)
		return 0;
	body = json_deep_copy(said);
	(void)json_object_del(body, "at"); /* the event has its own */
	(void)json_object_del(body, "seq");
	(void)json_object_set(body, "judged_seq", json_object_get(said, "seq"));
	(void)json_object_set_new(body, "was", json_string(last ? last : "-"));
	return tx_emit(tx, "verdict", body);
}

/* The daemon's own. TEXT: JSON of fs/verdict.c; the report is what came of it. */
int rule_judged(struct tx *tx, const struct change *c)
{
	json_t *in = json_loadb(c->text, c->n, 0, NULL), *said;
	char when[TIME_TEXT];
	const char *word;
	int err;

	if (!in)
		return tx_refuse(tx, EINVAL, "write JSON", "what the probes said is no JSON");
	said = json_pack("{s:s,s:s,s:I,s:O,s:O,s:O}", "verdict", "", "judged",
			 time_text(tx->wall, when), "at", (json_int_t)tx->wall, "seq",
			 json_object_get(in, "seq"), "took", json_object_get(in, "took"), "heads",
			 json_object_get(in, "heads"));
	err = said ? settle_all(tx, in, said) : tx_fail(tx, -ENOMEM);
	word = roll_up(json_object_get(said, "probes"));
	if (!err && !json_is_true(json_object_get(in, "alone"))) {
		(void)json_object_set_new(said, "verdict", json_string(word));
		err = emit_change(tx, said, word);
		if (!err)
			err = keep_run(tx, 0, 0, said, word, event_int(in, "seq"), said);
	}
	if (!err) {
		AUTO_FREE char *text = tx_allocated(json_dumps(said, JSON_COMPACT));

		buf_str(&tx->result->why, text ? text : "");
	}
	json_decref(said);
	json_decref(in);
	return err;
}
