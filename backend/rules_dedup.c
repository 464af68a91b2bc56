/*
 * Dedup: is a draft that is published the work of another task? Looked for through indexes, among the
 * newest SEEN_MAX of what shares a word or a name; alike.h says what two titles come to.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend/alike.h"
#include "backend/clean.h"
#include "backend/field.h"
#include "backend/rules.h"
#include "backend/text.h"

#define TWINS 3 /* so many are named */

enum match { MATCH_NOT, MATCH_ARTIFACTS, MATCH_NEAR, MATCH_NAME, MATCH_TITLE };

/* In events. */
static const char *const match_words[] = { "-", "artifacts", "near", "name", "title" };

struct twin {
	int64_t task;
	enum match match;
	char name[256]; /* MATCH_NAME: the artifact, cut */
};

/* The question: what is like TASK, called TITLE? */
struct dedup {
	struct tx *tx;
	const struct task *task;
	char key[ALIKE_KEY];
	int words;
	int64_t since; /* finished before that: of no interest */
	struct twin twins[TWINS];
	int n;
};

/* --- who is none of it --- */

static int is_covered(struct dedup *d, int64_t task, const char *by)
{
	AUTO_FREE char *text = tx_attr(d->tx->db, task, "covered");
	struct lines l = { text, text ? text + strlen(text) : NULL };
	const char *line;
	size_t n;

	while (text && lines_next(&l, &line, &n))
		if (n == strlen(by) && memcmp(line, by, n) == 0)
			return 1;
	return 0;
}

/* Do they know of each other? */
static int is_related(struct dedup *d, const struct task *o)
{
	const struct task *t = d->task;

	return alike_is_family(t->name, o->name) ||
	       db_get(d->tx->db, 0, Q(NEED_IS), I(t->id), T(o->name)) ||
	       db_get(d->tx->db, 0, Q(NEED_IS), I(o->id), T(t->name)) ||
	       is_covered(d, t->id, o->name) || is_covered(d, o->id, t->name);
}

/* Live, or finished not long ago. */
static int is_of_interest(struct dedup *d, const struct task *o)
{
	if (o->state != TASK_DONE)
		return o->state == TASK_PUBLISHED;
	return db_get(d->tx->db, 0, Q(FINISHED_AT), I(o->id)) >= d->since;
}

/* --- what is found --- */

static int is_known(struct dedup *d, int64_t task, enum match match)
{
	for (int i = 0; i < d->n; i++)
		if (d->twins[i].task == task)
			return d->twins[i].match >= match;
	return 0;
}

/* In its place among the twins: what says more first, then the younger. */
static void put(struct dedup *d, const struct twin *new)
{
	int at = 0;

	while (at < d->n && d->twins[at].match >= new->match)
		at++;
	if (at == TWINS)
		return;
	d->n += d->n < TWINS;
	memmove(&d->twins[at + 1], &d->twins[at], (size_t)(d->n - at - 1) * sizeof(*new));
	d->twins[at] = *new;
}

/* TASK is like it by MATCH; NAME: the artifact, or NULL. 0 or -errno. */
static int consider(struct dedup *d, int64_t task, enum match match, const char *name)
{
	struct twin new = { .task = task, .match = match };
	struct task o;
	int got;

	if (is_known(d, task, match) || (d->n == TWINS && d->twins[TWINS - 1].match >= match))
		return 0;
	got = read_task(d->tx->db, task, &o);
	if (got <= 0)
		return got;
	if (!is_of_interest(d, &o) || is_related(d, &o))
		return 0;
	(void)snprintf(new.name, sizeof(new.name), "%s", name ? name : "");
	put(d, &new);
	return 0;
}

/* --- titles --- */

static int look_same(struct dedup *d)
{
	AUTO_ROWS *r = db_rows(d->tx->db, Q(TITLES_SAME), T(d->key), I(d->task->id));
	int got, err = 0;

	while (!err && (got = rows_next(r)) > 0)
		err = consider(d, rows_int(r, 0), MATCH_TITLE, NULL);
	return err ? err : got;
}

struct word {
	char text[ALIKE_WORD];
	int64_t n; /* titles it is in */
};

static int rarest_first(const void *a, const void *b)
{
	const struct word *x = a, *y = b;

	return x->n != y->n ? (x->n > y->n) - (x->n < y->n) : strcmp(x->text, y->text);
}

/* The words of the key, the rarest first. How many. */
static int split(struct dedup *d, struct word *words)
{
	const char *p = d->key;
	int n = 0;

	for (size_t len; *p && n < ALIKE_WORDS; p += len + (p[len] == ' '), n++) {
		len = strcspn(p, " ");
		(void)snprintf(words[n].text, ALIKE_WORD, "%.*s", (int)len, p);
		words[n].n = db_get(d->tx->db, 0, Q(TITLE_WORD_COUNT), T(words[n].text));
	}
	qsort(words, (size_t)n, sizeof(*words), rarest_first);
	return n;
}

static int look_word(struct dedup *d, const char *word)
{
	AUTO_ROWS *r = db_rows(d->tx->db, Q(TITLES_WITH), T(word), I(d->task->id));
	int got, err = 0;

	while (!err && (got = rows_next(r)) > 0)
		if (alike_keys(d->key, rows_text(r, 1)) == ALIKE_NEAR)
			err = consider(d, rows_int(r, 0), MATCH_NEAR, NULL);
	return err ? err : got;
}

/*
 * A title that is near has all of this one's words, or three fifths of them: so it has one of any
 * two fifths and one more. The rarest of these are in few others.
 */
static int look_near(struct dedup *d)
{
	struct word words[ALIKE_WORDS];
	int n, err = 0;

	if (d->words < 3)
		return 0;
	n = split(d, words);
	for (int i = 0; !err && i <= 2 * n / 5; i++)
		err = look_word(d, words[i].text);
	return err;
}

/* --- artifacts --- */

/* A name that is no path, and not to be made twice: whoever has it too is after the same thing. */
static int is_one_thing(const char *name)
{
	static const char *const spaces[] = { "branch:", "pr:", "topic:", "url:" };

	for (size_t i = 0; i < sizeof(spaces) / sizeof(spaces[0]); i++)
		if (strncmp(name, spaces[i], strlen(spaces[i])) == 0)
			return !strpbrk(name, "*?[");
	return 0;
}

static int look_name(struct dedup *d, const char *name)
{
	AUTO_ROWS *r = db_rows(d->tx->db, Q(ARTIFACT_ALSO), T(name), I(d->task->id));
	int got, err = 0;

	while (!err && (got = rows_next(r)) > 0)
		err = consider(d, rows_int(r, 0), MATCH_NAME, name);
	return err ? err : got;
}

/* The same set of artifacts, of which NAME is one; and a title that is alike in part. */
static int look_set(struct dedup *d, const char *name, int64_t count)
{
	AUTO_ROWS *r = db_rows(d->tx->db, Q(ARTIFACTS_SAME), I(d->task->id), T(name), I(count));
	int got, err = 0;

	while (!err && (got = rows_next(r)) > 0)
		if (alike_keys(d->key, rows_text(r, 1)) >= ALIKE_SOME)
			err = consider(d, rows_int(r, 0), MATCH_ARTIFACTS, NULL);
	return err ? err : got;
}

/* What covers everything says nothing: a set with such a name is not looked at. */
static int look_artifacts(struct dedup *d)
{
	AUTO_ROWS *r = db_rows(d->tx->db, Q(ARTIFACTS_OF), I(d->task->id));
	AUTO_FREE char *first = NULL;
	int64_t count = 0;
	int got, err = 0, wide = 0;

	while (!err && (got = rows_next(r)) > 0) {
		AUTO_FREE char *name = tx_allocated(strdup(rows_text(r, 0)));

		wide = wide || rows_int(r, 1);
		count++;
		if (name && is_one_thing(name))
			err = look_name(d, name);
		if (!first) {
			first = name;
			name = NULL;
		}
	}
	if (err || got < 0 || !first || wide || d->words < 2)
		return err ? err : got;
	return look_set(d, first, count);
}

static int look(struct dedup *d)
{
	int err = d->words ? look_same(d) : 0;

	if (!err)
		err = look_near(d);
	return err ? err : look_artifacts(d);
}

/* --- what is said of it --- */

static const char *ago(struct tx *tx, int64_t at, char out[DURATION_TEXT])
{
	return duration_text((tx->wall > at ? tx->wall - at : 0) / 1000 * 1000, out);
}

/* Where the twin stands, and whose it is. */
static void say_state(struct tx *tx, const struct task *o, struct buf *out)
{
	struct grant g = { .session = 0 };
	char when[DURATION_TEXT];
	int64_t at = 0;

	if (o->token && read_grant(tx->db, o->token, &g) > 0)
		buf_printf(out, "held by session %s for %s", g.holder, ago(tx, g.since, when));
	else if (o->state != TASK_DONE)
		buf_str(out, o->column == COLUMN_BLOCKED ? "blocked" : "ready");
	else if (read_finished(tx->db, o->id, &g, &at) > 0 && g.session)
		buf_printf(out, "done by session %s %s ago", g.holder, ago(tx, at, when));
	else
		buf_str(out, "done");
}

static void say_match(struct tx *tx, const struct twin *w, struct buf *out)
{
	AUTO_FREE char *title = tx_attr(tx->db, w->task, "title");
	int cut = 120;

	switch (w->match) {
	case MATCH_TITLE:
		buf_printf(out, "the same title, \"%.*s\"", cut, title ? title : "");
		break;
	case MATCH_NEAR:
		buf_printf(out, "nearly the same title, \"%.*s\"", cut, title ? title : "");
		break;
	case MATCH_NAME:
		buf_printf(out, "the same artifact %s", w->name);
		break;
	default:
		buf_printf(out, "the same artifacts and a similar title, \"%.*s\"", cut,
			   title ? title : "");
		break;
	}
}

/* A line for each twin. */
static int say(struct dedup *d, struct buf *out)
{
	struct task o;

	for (int i = 0; i < d->n; i++) {
		AUTO_BUF struct buf line = BUF_INIT;

		if (read_task(d->tx->db, d->twins[i].task, &o) <= 0)
			return tx_fail(d->tx, -EIO);
		buf_printf(&line, "%s looks like %s (", d->task->name, o.name);
		say_state(d->tx, &o, &line);
		buf_str(&line, "): ");
		say_match(d->tx, &d->twins[i], &line);
		if (line.err)
			return tx_fail(d->tx, line.err);
		buf_line(out, "%s", line_mend(line.p));
	}
	return out->err ? tx_fail(d->tx, out->err) : 0;
}

/* --- what becomes of it --- */

static const char next_step[] =
	"if it is the same work, rmdir tasks/TASK; if it is not, write the other's name into tasks/TASK/covered or tasks/TASK/needs, or say in the title what differs";

/* Is any of these new? What was said before is no event. */
static int is_news(struct dedup *d, int refused)
{
	for (int i = 0; i < d->n; i++)
		if (!db_get(d->tx->db, 0, Q(DUPLICATE_IS), I(d->task->id), I(d->twins[i].task),
			    I(refused)))
			return 1;
	return 0;
}

static int record(struct dedup *d, int refused)
{
	json_t *body, *like = json_array();

	if (!is_news(d, refused)) {
		json_decref(like);
		return 0;
	}
	for (int i = 0; i < d->n; i++) {
		AUTO_FREE char *name = db_text(d->tx->db, Q(TASK_NAME), I(d->twins[i].task));

		(void)json_array_append_new(like, json_pack("[I,s,s]", (json_int_t)d->twins[i].task,
							    name ? name : "?",
							    match_words[d->twins[i].match]));
	}
	body = rules_body(d->tx, d->task);
	(void)json_object_set_new(body, "like", like);
	(void)json_object_set_new(body, "refused", json_integer(refused));
	return tx_emit(d->tx, "duplicate", body);
}

/* Its session keeps it; for who has none it goes with the answer. */
static int warn(struct dedup *d, const struct change *c, struct buf *text)
{
	struct session s;

	buf_line(text, "next: %s", next_step);
	if (text->err)
		return tx_fail(d->tx, text->err);
	if (d->tx->actor->session && read_session(d->tx->db, d->tx->actor->session, &s) > 0)
		return rules_warn(d->tx, c, &s, d->task, "publish", buf_text(text));
	buf_str(&d->tx->result->why, buf_text(text));
	return 0;
}

static int refuse(struct dedup *d, struct buf *text)
{
	buf_line(text, "next: %s", next_step);
	if (text->err)
		return tx_fail(d->tx, text->err);
	buf_clear(&d->tx->result->why);
	buf_str(&d->tx->result->why, buf_text(text));
	d->tx->keep = 1;
	return -EEXIST;
}

/* Who is like T. 0 or an error. */
static int ask(struct dedup *d, struct tx *tx, const struct task *t, const char *title)
{
	AUTO_FREE char *own = title ? NULL : tx_attr(tx->db, t->id, "title");
	int64_t window = field_duration(tx->db, THING_CONTROL, 0, "dedup-window");
	int err;

	*d = (struct dedup){ .tx = tx, .task = t };
	title = title ? title : own;
	d->words = alike_key(title ? title : "", d->key);
	/* to open a task again is to say that what was done is not enough */
	d->since = t->state == TASK_DONE || !window ? INT64_MAX : tx->wall - window;
	err = look(d);
	return err ? tx_fail(tx, err) : 0;
}

int rules_dedup(struct tx *tx, const struct change *c, const struct task *t, const char *title)
{
	AUTO_FREE char *mode = field_value(tx->db, THING_CONTROL, 0, "dedup");
	AUTO_BUF struct buf text = BUF_INIT;
	struct dedup d;
	int err, refused;

	if (!mode)
		return tx_fail(tx, -ENOMEM);
	if (strcmp(mode, "off") == 0)
		return 0;
	refused = strcmp(mode, "refuse") == 0;
	err = ask(&d, tx, t, title);
	if (err || !d.n)
		return err;
	err = say(&d, &text);
	if (!err)
		err = record(&d, refused);
	if (err)
		return err;
	return refused ? refuse(&d, &text) : warn(&d, c, &text);
}

int rules_dedup_report(struct tx *tx, const struct task *t)
{
	AUTO_FREE char *mode = field_value(tx->db, THING_CONTROL, 0, "dedup");
	struct dedup d;
	int err;

	if (!mode || strcmp(mode, "off") == 0)
		return mode ? 0 : tx_fail(tx, -ENOMEM);
	err = ask(&d, tx, t, NULL);
	return err ? err : say(&d, &tx->result->why);
}
