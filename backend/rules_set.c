/* Fields: a value checked, compared, and set; lists with tables of their own. */
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend/clean.h"
#include "backend/field.h"
#include "backend/overlap.h"
#include "backend/rules.h"
#include "backend/text.h"

/* The thing a SET is about, read once. */
struct target {
	const struct field *field;
	struct task task;
	struct session session;
	struct thing thing; /* a probe, a lane .. */
	const char *of;	    /* its kind, in the event */
	const char *name;   /* and its name */
};

static int refuse_gone(struct tx *tx)
{
	return tx_refuse(tx, ESTALE, "look it up again", "what this file belonged to is gone");
}

static int target_find(struct tx *tx, const struct change *c, struct target *t)
{
	int got = 1;

	t->of = thing_words[c->of];
	t->name = t->of;
	if (c->of == THING_TASK) {
		got = read_task(tx->db, c->thing, &t->task);
		t->name = t->task.name;
		if (got > 0 && t->task.state == TASK_CANCELLED)
			got = 0;
	} else if (c->of == THING_SESSION) {
		got = read_session(tx->db, c->thing, &t->session);
		t->name = t->session.name;
	} else if (c->of >= THING_PROBE) {
		got = read_thing(tx->db, c->thing, &t->thing);
		t->name = t->thing.name;
	}
	if (got < 0)
		return tx_fail(tx, got);
	return got ? 0 : refuse_gone(tx);
}

/*
 * An outcome whose first line ended the session goes on: bash's printf writes a line at a time.
 * Lines behind what is there, and nothing else.
 */
static int goes_on(struct tx *tx, const struct change *c, const struct target *t)
{
	AUTO_FREE char *old = NULL;
	size_t n;

	if (strcmp(c->field, "outcome") != 0 || strcmp(t->session.how, "outcome") != 0)
		return 0;
	old = tx_attr(tx->db, c->thing, c->field);
	n = old ? strlen(old) : 0;
	return n && !(c->flags & CHANGE_APPEND) && c->n > n && memcmp(c->text, old, n) == 0 &&
	       c->text[n] == '\n';
}

static int target_may(struct tx *tx, const struct change *c, const struct target *t)
{
	int err;

	assert(t->field);
	if (c->of >= THING_PROBE)
		return rules_may_thing(tx, t->field->right, &t->thing);
	err = rules_may(tx, t->field->right, c->of == THING_TASK ? &t->task : NULL,
			c->of == THING_SESSION ? &t->session : NULL);

	if (!err && c->of == THING_SESSION && t->session.ended && !goes_on(tx, c, t))
		return tx_refuse(tx, ESTALE, "register a new session", "session %s has ended",
				 t->session.name);
	return err;
}

/* --- artifacts --- */

static int has_artifact(struct tx *tx, int64_t task, const char *name)
{
	return db_get(tx->db, 0, Q(ARTIFACT_HAS), I(task), T(name)) > 0;
}

/* A line of a claim: PATH, `artifact PATH`, or `-PATH` to give up; NULL: another key. */
static const char *strip_line(const char *line, size_t *n, int *minus)
{
	static const char key[] = "artifact ";
	size_t len = sizeof(key) - 1;

	*minus = 0;
	if (*n > len && strncmp(line, key, len) == 0) {
		*n -= len;
		return line + len;
	}
	if (*n && line[0] == '-') {
		*minus = 1;
		--*n;
		return line + 1;
	}
	return memchr(line, ' ', *n) ? NULL : line;
}

/* Is the line one that a read of the claim gives (`task T`, `session S` ..)? */
static int is_record_line(const char *line, size_t n)
{
	static const char *const keys[] = { "task ",	"session ", "token ",	  "since ",
					    "renewed ", "expires ", "processes ", "lock ",
					    "waiters ", "waiter " };

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		if (n > strlen(keys[i]) && strncmp(line, keys[i], strlen(keys[i])) == 0)
			return 1;
	return 0;
}

struct artifact_edit {
	struct tx *tx;
	const struct task *task;
	const char *repo;
	enum artifacts_mode mode;
	json_t *added, *given_up, *listed;
};

static int edit_line(struct artifact_edit *e, const char *line, size_t n)
{
	struct artifact a;
	const char *reason = "";
	int minus = 0, err;

	if (!n)
		return tx_refuse(e->tx, EINVAL, "one artifact a line, no empty lines",
				 "an empty line");
	if (e->mode == ARTIFACTS_CLAIM)
		line = strip_line(line, &n, &minus);
	if (!line)
		return tx_refuse(e->tx, EINVAL, "write PATH, `artifact PATH` or -PATH, one a line",
				 "a line with a key that is not `artifact`");
	err = artifact_parse(line, n, e->repo, &a, &reason);
	if (err)
		return tx_refuse(e->tx, -err, "write a path in the repository, or space:name",
				 "\"%.*s\": %s", (int)(n > 200 ? 200 : n), line, reason);
	if (minus && !has_artifact(e->tx, e->task->id, a.name))
		err = tx_refuse(e->tx, ENOENT, "cat the claim shows what it holds",
				"%s is not among its artifacts", artifact_show(a.name, e->repo));
	else if (minus && !event_lists(e->given_up, a.name))
		err = json_array_append_new(e->given_up, json_string(a.name));
	else if (!minus) {
		if (!event_lists(e->listed, a.name))
			(void)json_array_append_new(e->listed, json_string(a.name));
		if (!has_artifact(e->tx, e->task->id, a.name) && !event_lists(e->added, a.name))
			err = json_array_append_new(e->added, json_string(a.name));
	}
	artifact_release(&a);
	return err < -1 ? err : 0;
}

/* How many of these lack a literal first segment. */
static int64_t count_wide(const json_t *names)
{
	const json_t *v;
	int64_t n = 0;
	size_t i;

	json_array_foreach(names, i, v) {
		const char *path = strchr(json_string_value(v), ':') + 1;

		n += strcspn(path, "*?[") < strcspn(path, "/");
	}
	return n;
}

/* What is in the way of many: the number and the shape of a claim's artifacts. */
static int edit_limits(struct artifact_edit *e)
{
	int64_t n = db_get(e->tx->db, 0, Q(ARTIFACTS_COUNT), I(e->task->id));
	int64_t wide = db_get(e->tx->db, 0, Q(ARTIFACTS_WIDE), I(e->task->id));

	n += (int64_t)json_array_size(e->added) - (int64_t)json_array_size(e->given_up);
	wide += count_wide(e->added) - count_wide(e->given_up);
	if (n > read_limit(e->tx->db, LIMIT_CLAIM_ARTIFACTS))
		return tx_refuse(
			e->tx, EDQUOT, "name directories instead of files, or split the task",
			"%lld artifacts are more than a claim may hold (control/limits claim-artifacts)",
			(long long)n);
	if (e->task->token && wide > read_limit(e->tx->db, LIMIT_WIDE_ARTIFACTS))
		return tx_refuse(
			e->tx, EDQUOT, "name the top directory of each",
			"%lld artifacts without a literal first segment are more than a claim may hold (control/limits wide-artifacts)",
			(long long)wide);
	return 0;
}

/*
 * What REPLACE leaves out is given up. Where the rest would not stand in the
 * order of the text, all is given up and added anew.
 */
static int edit_rest(struct artifact_edit *e)
{
	AUTO_ROWS *r = db_rows(e->tx->db, Q(ARTIFACTS_OF), I(e->task->id));
	json_t *all = json_array(), *rest = json_array();

	while (rows_next(r) > 0) {
		json_t *to = event_lists(e->listed, rows_text(r, 0)) ? rest : e->given_up;

		(void)json_array_append_new(to, json_string(rows_text(r, 0)));
		(void)json_array_append_new(all, json_string(rows_text(r, 0)));
	}
	(void)json_array_extend(rest, e->added);
	if (!json_equal(rest, e->listed)) {
		(void)json_array_clear(e->given_up);
		(void)json_array_extend(e->given_up, all);
		(void)json_array_clear(e->added);
		(void)json_array_extend(e->added, e->listed);
	}
	json_decref(rest);
	json_decref(all);
	return 0;
}

static int edit_run(struct artifact_edit *e, const char *text, size_t n)
{
	struct lines l = { text, text + n };
	const char *line;
	size_t len;
	int err = 0;

	while (!err && lines_next(&l, &line, &len))
		if (e->mode != ARTIFACTS_CLAIM || !is_record_line(line, len))
			err = edit_line(e, line, len);
	if (!err && e->mode == ARTIFACTS_REPLACE)
		err = edit_rest(e);
	return err ? err : edit_limits(e);
}

int rules_artifacts(struct tx *tx, const struct task *t, const char *text, size_t n,
		    enum artifacts_mode mode, json_t **added, json_t **given_up)
{
	AUTO_FREE char *repo = tx_attr(tx->db, t->id, "repo");
	struct artifact_edit e = { tx,		 t,	      repo ? repo : "", mode, json_array(),
				   json_array(), json_array() };
	int err = e.added && e.given_up && e.listed ? edit_run(&e, text, n) : tx_fail(tx, -ENOMEM);

	json_decref(e.listed);
	if (err) {
		json_decref(e.added);
		json_decref(e.given_up);
		return err;
	}
	*added = e.added;
	*given_up = e.given_up;
	return 0;
}

int rules_emit_artifacts(struct tx *tx, const struct task *t, json_t *added, json_t *given_up)
{
	json_t *body;

	if (!json_array_size(added) && !json_array_size(given_up)) {
		json_decref(added);
		json_decref(given_up);
		return 0;
	}
	body = rules_body(tx, t);
	(void)json_object_set_new(body, "token", json_integer(t->token));
	(void)json_object_set_new(body, "added", added);
	(void)json_object_set_new(body, "given_up", given_up);
	return tx_emit(tx, "artifacts", body);
}

static int set_artifacts(struct tx *tx, const struct task *t, const char *text, size_t n,
			 enum artifacts_mode mode)
{
	json_t *added = NULL, *given_up = NULL;
	struct grant g;
	int err = 0;

	if (t->token && read_grant(tx->db, t->token, &g) > 0 && !rules_is_holder(tx, &g))
		return tx_refuse(
			tx, EBUSY, "wait until it is free",
			"%s is held by session %s: its artifacts are the holder's to change",
			t->name, g.holder);
	err = rules_artifacts(tx, t, text, n, mode, &added, &given_up);
	if (!err && t->token)
		err = rules_free(tx, t->id, added);
	if (!err)
		return rules_emit_artifacts(tx, t, added, given_up);
	json_decref(added);
	json_decref(given_up);
	return err;
}

/* --- needs --- */

int rules_acyclic(struct tx *tx, const char *name, const json_t *needs)
{
	const json_t *v;
	size_t i;

	json_array_foreach(needs, i, v) {
		const char *need = json_string_value(v);
		int64_t hit = 0;
		int got = strcmp(need, name) == 0 ?
				  1 :
				  db_int(tx->db, &hit, Q(NEEDS_REACH), T(need), T(name));

		if (got < 0)
			return tx_fail(tx, got);
		if (got)
			return tx_refuse(tx, ELOOP, "break the circle",
					 "%s needs %s already: the two would wait for each other",
					 need, name);
	}
	return 0;
}

static json_t *json_lines(const char *text, size_t n)
{
	struct lines l = { text, text + n };
	json_t *list = json_array();
	const char *line;
	size_t len;

	while (list && lines_next(&l, &line, &len)) {
		AUTO_FREE char *s = tx_allocated(strndup(line, len));

		if (s && !event_lists(list, s))
			(void)json_array_append_new(list, json_string(s));
	}
	return list;
}

static int needs_exist(struct tx *tx, const json_t *needs)
{
	const json_t *v;
	struct task t;
	size_t i;

	json_array_foreach(needs, i, v)
		if (read_task_named(tx->db, json_string_value(v), &t) <= 0)
			return tx_refuse(tx, ENOENT, "draft it first: mkdir tasks/NAME",
					 "there is no task %s", json_string_value(v));
	return 0;
}

/* --- the change itself --- */

static int emit_set(struct tx *tx, const struct change *c, const struct target *t, json_t *value)
{
	char who[NAME_BUFFER];
	json_t *body = json_pack("{s:s,s:s,s:I,s:s,s:o,s:s,s:I,s:I}", "of", t->of, "name", t->name,
				 "thing", (json_int_t)c->thing, "field", c->field, "value", value,
				 "session", rules_session_name(tx, tx->actor->session, who),
				 "session_id", (json_int_t)tx->actor->session, "uid",
				 (json_int_t)tx->actor->uid);

	if (body && strcmp(c->field, "outcome") == 0) {
		AUTO_FREE char *verdict = tx_attr(tx->db, 0, "verdict");

		(void)json_object_set_new(body, "refusals", json_integer(t->session.refusals));
		(void)json_object_set_new(body, "verdict",
					  json_string(verdict ? verdict : "unknown"));
		(void)json_object_set_new(body, "judged",
					  json_integer(db_get(tx->db, 0, Q(RUN_AT), I(0))));
	}
	return tx_emit(tx, "set", body);
}

static json_t *needs_now(struct tx *tx, int64_t task)
{
	AUTO_ROWS *r = db_rows(tx->db, Q(NEEDS_OF), I(task));
	json_t *list = json_array();

	while (list && rows_next(r) > 0)
		(void)json_array_append_new(list, json_string(rows_text(r, 0)));
	return list;
}

static int set_needs(struct tx *tx, const struct change *c, const struct target *t,
		     const char *text, size_t n)
{
	json_t *needs = json_lines(text, n), *now = needs_now(tx, c->thing);
	int same = json_equal(needs, now);
	int err = same ? 0 : needs_exist(tx, needs);

	json_decref(now);
	if (!err && !same)
		err = rules_acyclic(tx, t->task.name, needs);
	if (!err && !same)
		return emit_set(tx, c, t, needs);
	json_decref(needs);
	return err;
}

/* The artifacts of a task as lines, as its repo shows them. */
static void artifact_lines(struct tx *tx, int64_t task, const char *repo, struct buf *out)
{
	AUTO_ROWS *r = db_rows(tx->db, Q(ARTIFACTS_OF), I(task));

	while (rows_next(r) > 0)
		buf_line(out, "%s", artifact_show(rows_text(r, 0), repo));
}

/* Paths follow their task into another repository. */
static int set_repo(struct tx *tx, const struct change *c, const struct target *t, const char *text)
{
	AUTO_FREE char *old = tx_attr(tx->db, c->thing, "repo");
	AUTO_BUF struct buf lines = BUF_INIT;
	int err;

	artifact_lines(tx, c->thing, old ? old : "", &lines);
	if (lines.err)
		return tx_fail(tx, lines.err);
	err = emit_set(tx, c, t, text ? json_string(text) : json_null());
	return err ? err :
		     set_artifacts(tx, &t->task, buf_text(&lines), lines.n, ARTIFACTS_REPLACE);
}

/* `noop` or `done` as the last word of its outcome's first line ends a session. */
static int ends_session(const char *text)
{
	size_t n = strcspn(text, "\n"), at = n;

	while (at && text[at - 1] != ' ')
		at--;
	return n - at == 4 &&
	       (strncmp(text + at, "noop", 4) == 0 || strncmp(text + at, "done", 4) == 0);
}

/* Is to say the same again to say that it still holds? */
static int is_fed(const struct field *f)
{
	return f->type == FIELD_ANSWER || (f->of == THING_PROBE && strcmp(f->name, "feed") == 0);
}

/* What is published under one title and then gets another is looked at as when it was published. */
static int is_retitled(const struct change *c, const struct target *t, const char *text)
{
	return text && c->of == THING_TASK && t->task.state == TASK_PUBLISHED &&
	       strcmp(c->field, "title") == 0;
}

static int set_plain(struct tx *tx, const struct change *c, const struct target *t,
		     const char *text)
{
	AUTO_FREE char *old = tx_attr(tx->db, c->thing, c->field);
	int news = old ? !text || is_fed(t->field) || strcmp(old, text) != 0 : text != NULL;
	int err;

	if (c->of == THING_SESSION && strcmp(c->field, "context") == 0) /* also the same again */
		return old || text ? rules_context(tx, &t->session, text) : 0;
	err = news && is_retitled(c, t, text) ? rules_dedup(tx, c, &t->task, text) : 0;
	if (!err && news)
		err = emit_set(tx, c, t, text ? json_string(text) : json_null());
	if (!err && text && strcmp(c->field, "outcome") == 0 && ends_session(text))
		err = rule_end(tx, c);
	return err;
}

static int set_value(struct tx *tx, const struct change *c, const struct target *t,
		     const char *text, size_t n)
{
	const char *reason = "";
	int err = n ? field_check(t->field, text, n, &reason) : 0;

	if (err)
		return tx_refuse(tx, -err,
				 "read the file for its form; docs/tree.md has every file",
				 "%s of %s: %s", c->field, t->name, reason);
	if (t->field->type == FIELD_ARTIFACTS)
		return set_artifacts(tx, &t->task, text, n,
				     c->flags & CHANGE_APPEND ? ARTIFACTS_APPEND :
								ARTIFACTS_REPLACE);
	if (t->field->type == FIELD_NEEDS)
		return set_needs(tx, c, t, text, n);
	if (t->field->type == FIELD_REPO)
		return set_repo(tx, c, t, n ? text : NULL);
	return set_plain(tx, c, t, n ? text : NULL);
}

/* The lines of B, each once. What is no text stays as it is, to be refused. */
static int unique_lines(struct buf *b)
{
	json_t *lines, *v;
	size_t i;

	if (text_check(buf_text(b), b->n))
		return 0;
	lines = json_lines(buf_text(b), b->n);
	buf_clear(b);
	json_array_foreach(lines, i, v)
		buf_printf(b, "%s%s", i ? "\n" : "", json_string_value(v));
	json_decref(lines);
	return b->err;
}

/*
 * With O_APPEND: what was there, and the new lines behind it. Words that are
 * there already stay where they are.
 */
static int append_value(struct tx *tx, const struct change *c, const struct target *t,
			const char *text, struct buf *out)
{
	AUTO_FREE char *old = NULL;

	if (t->field->type == FIELD_NEEDS) {
		AUTO_ROWS *r = db_rows(tx->db, Q(NEEDS_OF), I(c->thing));

		while (rows_next(r) > 0)
			buf_line(out, "%s", rows_text(r, 0));
	} else if ((old = tx_attr(tx->db, c->thing, c->field))) {
		buf_line(out, "%s", old);
	}
	if (c->flags & CHANGE_GO_ON && out->n)
		out->n--; /* the last line goes on */
	buf_str(out, text);
	return t->field->type == FIELD_WORDS && !out->err ? unique_lines(out) : out->err;
}

int rule_set(struct tx *tx, const struct change *c)
{
	struct target t = { .field = field_find(c->of, c->field) };
	AUTO_BUF struct buf text = BUF_INIT;
	size_t n = c->n && c->text[c->n - 1] == '\n' ? c->n - 1 : c->n;
	AUTO_FREE char *value = strndup(c->text, n);
	int err = t.field && value ? target_find(tx, c, &t) : tx_fail(tx, -ENOMEM);

	if (!err)
		err = target_may(tx, c, &t);
	if (err)
		return err;
	if (memchr(c->text, 0, c->n))
		return tx_refuse(tx, EINVAL, "write text", "a NUL byte");
	if (!(c->flags & CHANGE_APPEND) || t.field->type == FIELD_ARTIFACTS)
		return set_value(tx, c, &t, value, n);
	err = append_value(tx, c, &t, value, &text);
	return err ? tx_fail(tx, err) : set_value(tx, c, &t, buf_text(&text), text.n);
}
