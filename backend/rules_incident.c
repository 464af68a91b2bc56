/*
 * Incidents: two sessions, one piece of work. Found when a commit is recorded, among those of
 * other sessions near it in time that share a sign with it; told to both; and what would have
 * prevented it, for who wants to apply that.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend/clean.h"
#include "backend/commit.h"
#include "backend/conflict.h"
#include "backend/converge.h"
#include "backend/field.h"
#include "backend/overlap.h"
#include "backend/rules.h"
#include "backend/text.h"

#define CANDIDATES 128
#define OF_A_SESSION 2 /* by one sign, the last ones */
#define LESSONS 64     /* lines, as the next */
#define PATHS_SHOWN 100
#define HELD_SHOWN 200
#define COMMITS_SHOWN 20

/* --- who may be a twin --- */

struct candidates {
	struct tx *tx;
	const json_t *commit;
	int64_t repo, from, to, oldest;
	const char *session;
	int64_t ids[CANDIDATES];
	int n;
};

static void add_candidate(struct candidates *c, int64_t id)
{
	for (int i = 0; i < c->n; i++)
		if (c->ids[i] == id)
			return;
	if (c->n < CANDIDATES)
		c->ids[c->n++] = id;
}

/* Has MET no more than a few of the session yet? */
static int is_wanted(json_t *met, const char *session)
{
	json_int_t n = event_int(met, session);

	(void)json_object_set_new(met, session, json_integer(n + 1));
	return n < OF_A_SESSION;
}

/* Run a statement that names others; ?1 to ?5 are the same for all, KEY and NAME may be NULL. */
static void find(struct candidates *c, enum sql sql, const char *key, const char *name)
{
	struct bind q[] = { { .type = 'q', .i = sql },
			    I(c->repo),
			    I(c->from),
			    I(c->to),
			    T(c->session),
			    I(c->oldest),
			    T(key),
			    T(name),
			    { .type = 0 } };
	json_t *met = json_object();
	AUTO_ROWS *r = NULL;

	if (!name)
		q[key ? 7 : 6].type = 0;
	r = db_rows_bound(c->tx->db, q);
	while (rows_next(r) > 0)
		if (is_wanted(met, rows_text(r, 1)))
			add_candidate(c, rows_int(r, 0));
	json_decref(met);
}

static void find_by_paths(struct candidates *c)
{
	const json_t *p;
	size_t i;

	json_array_foreach(json_object_get(c->commit, "paths"), i, p) {
		const char *name = json_string_value(json_array_get(p, 1));
		const char *blob = json_string_value(json_array_get(p, 2));
		char stem[ARTIFACT_BUFFER];

		if (!name || *json_string_value(json_array_get(p, 0)) == '*')
			continue;
		conflict_stem(name, stem);
		find(c, SQL_OTHERS_PATH, stem, name);
		if (blob && *blob)
			find(c, SQL_OTHERS_BLOB, blob, name);
	}
}

/* Those whose claims it is in, and those that are in its own session's. */
static void find_by_claims(struct candidates *c)
{
	const json_t *v;
	size_t i;

	json_array_foreach(json_object_get(c->commit, "holders"), i, v)
		find(c, SQL_OTHERS_SESSION, json_string_value(v), NULL);
	find(c, SQL_OTHERS_INSIDE, NULL, NULL);
}

/* What says the most comes first. */
static void find_all(struct candidates *c)
{
	const json_t *e = c->commit;

	c->oldest = db_get(c->tx->db, 0, Q(OTHERS_FIRST), I(c->repo), I(c->from), I(c->to));
	if (*event_text(e, "patch"))
		find(c, SQL_OTHERS_PATCH, event_text(e, "patch"), NULL);
	if (*event_text(e, "loose"))
		find(c, SQL_OTHERS_LOOSE, event_text(e, "loose"), NULL);
	find_by_claims(c);
	find_by_paths(c);
	if (converge_telling(event_text(e, "subject")))
		find(c, SQL_OTHERS_SUBJECT, event_text(e, "subject"), NULL);
}

/* --- what is said of it --- */

/* Two commits, the first one first, and what they have in common. */
struct pair {
	struct tx *tx;
	const struct thing *repo;
	const json_t *e[2];
	struct converge is;
};

static const char *session_of(const struct pair *p, int i)
{
	return event_text(p->e[i], "session");
}

static int64_t gap_of(const struct pair *p)
{
	return event_int(p->e[1], "commit_at") - event_int(p->e[0], "commit_at");
}

/* What the second one's work cost, in ms, as far as is known; -1: it is not. */
static int64_t cost_of(const struct pair *p)
{
	const json_t *g = converge_grant(p->e[1]);
	int64_t at = event_int(p->e[1], "commit_at"), since = g ? event_int(g, "since") : 0;
	struct session s;

	if (!since && read_session(p->tx->db, event_int(p->e[1], "session_id"), &s) > 0)
		since = s.started;
	return since && since <= at ? at - since : -1;
}

static int has_line(const char *text, const char *line)
{
	struct lines l = { text, text + strlen(text) };
	size_t n, len = strlen(line);
	const char *at;

	while (lines_next(&l, &at, &n))
		if (n == len && memcmp(at, line, n) == 0)
			return 1;
	return 0;
}

static int count_lines(const char *text)
{
	int n = 0;

	for (; (text = strchr(text, '\n')); text++)
		n++;
	return n;
}

/* LINE behind OUT, once, if OUT has less than MOST. */
static void add_line(struct buf *out, const char *line, int most)
{
	if (!has_line(buf_text(out), line) && count_lines(buf_text(out)) < most)
		buf_line(out, "%s", line);
}

static void add_commits(const struct pair *p, struct buf *out)
{
	for (int i = 0; i < 2; i++) {
		AUTO_BUF struct buf line = BUF_INIT;
		char when[TIME_TEXT];

		buf_printf(&line, "%s %s %s %s", event_text(p->e[i], "commit"), session_of(p, i),
			   time_text(event_int(p->e[i], "commit_at"), when),
			   event_text(p->e[i], "subject"));
		add_line(out, buf_text(&line), COMMITS_SHOWN);
	}
}

static void add_paths(const struct pair *p, struct buf *out)
{
	const json_t *v;
	size_t i;

	json_array_foreach(p->is.paths, i, v)
		add_line(out, artifact_show(json_string_value(v), p->repo->name), PATHS_SHOWN);
}

/* The grant of commit I that covers NAME; NULL: none. */
static const json_t *grant_over(const struct pair *p, int i, const char *name)
{
	const json_t *g;
	size_t k;

	json_array_foreach(json_object_get(p->e[i], "grants"), k, g)
		if (commit_covers(g, name))
			return g;
	return NULL;
}

/* PATH SESSION TASK TOKEN, of who held what they have in common; PATH SESSION - */
static void add_held(const struct pair *p, struct buf *out)
{
	const json_t *v;
	size_t i;

	json_array_foreach(p->is.paths, i, v) {
		const char *name = json_string_value(v);

		for (int k = 0; k < 2 && i < PATHS_SHOWN; k++) {
			const json_t *g = grant_over(p, k, name);
			AUTO_BUF struct buf line = BUF_INIT;

			buf_printf(&line, "%s %s ", artifact_show(name, p->repo->name),
				   session_of(p, k));
			if (g)
				buf_printf(&line, "%s %lld", event_text(g, "task"),
					   (long long)event_int(g, "token"));
			else
				buf_char(&line, '-');
			add_line(out, buf_text(&line), HELD_SHOWN);
		}
	}
}

/* --- what would have prevented it --- */

static void add_lesson(json_t *lesson, const json_t *grant, const char *key, const char *value)
{
	json_t *line = json_pack("{s:s,s:I,s:s,s:s}", "task",
				 grant ? event_text(grant, "task") : "-", "task_id",
				 (json_int_t)(grant ? event_int(grant, "task_id") : 0), "key", key,
				 "value", value);
	const json_t *v;
	size_t i;

	json_array_foreach(lesson, i, v)
		if (json_equal(v, line)) {
			json_decref(line);
			return;
		}
	if (json_array_size(lesson) < LESSONS)
		(void)json_array_append_new(lesson, line);
	else
		json_decref(line);
}

/* Does the task name it by now, whatever it did then? */
static int task_covers(const struct pair *p, const json_t *grant, const char *name)
{
	AUTO_ROWS *r = db_rows(p->tx->db, Q(ARTIFACTS_OF), I(event_int(grant, "task_id")));

	while (rows_next(r) > 0)
		if (artifact_overlap(rows_text(r, 0), name))
			return 1;
	return 0;
}

/*
 * The task of either that did not name what both wrote; if both did, that the second needs the
 * first. Without a task there is nothing that could be changed: that is said.
 */
static void add_lessons(const struct pair *p, json_t *lesson)
{
	const json_t *g[2] = { converge_grant(p->e[0]), converge_grant(p->e[1]) }, *v;
	size_t i, before = json_array_size(lesson);

	json_array_foreach(p->is.paths, i, v)
		for (int k = 0; k < 2; k++)
			if (!g[k] || !task_covers(p, g[k], json_string_value(v)))
				add_lesson(lesson, g[k], "artifact", json_string_value(v));
	if (json_array_size(lesson) == before && g[0] && g[1] &&
	    event_int(g[0], "task_id") != event_int(g[1], "task_id"))
		add_lesson(lesson, g[1], "needs", event_text(g[0], "task"));
}

/* --- the record --- */

struct record {
	int64_t id, n, first_at, last_at, gap, cost;
	unsigned kinds;
	struct buf commits, paths, held;
	json_t *lesson;
	char first[NAME_BUFFER], second[NAME_BUFFER];
};

static void record_free(struct record *r)
{
	buf_free(&r->commits);
	buf_free(&r->paths);
	buf_free(&r->held);
	json_decref(r->lesson);
}

static unsigned kinds_in(const char *text)
{
	unsigned kinds = 0;

	for (int i = 0; converge_words[i]; i++)
		if (has_line(text, converge_words[i]))
			kinds |= 1u << i;
	return kinds;
}

/* The incident of these two sessions that the pair belongs to: 1 and *R, 0: it is a new one. */
static int record_find(const struct pair *p, int64_t window, struct record *r)
{
	int64_t first = event_int(p->e[0], "commit_at"), last = event_int(p->e[1], "commit_at");
	AUTO_ROWS *rows = db_rows(p->tx->db, Q(INCIDENT_OF), I(p->repo->id), T(session_of(p, 0)),
				  T(session_of(p, 1)));

	if (rows_next(rows) <= 0 || rows_int(rows, 6) + window < first ||
	    rows_int(rows, 5) - window > last)
		return 0;
	r->id = rows_int(rows, 0);
	r->n = rows_int(rows, 1);
	(void)snprintf(r->first, sizeof(r->first), "%s", rows_text(rows, 3));
	(void)snprintf(r->second, sizeof(r->second), "%s", rows_text(rows, 4));
	r->first_at = rows_int(rows, 5);
	r->last_at = rows_int(rows, 6);
	r->gap = rows_int(rows, 7);
	r->cost = rows_int(rows, 8);
	r->kinds = kinds_in(rows_text(rows, 9));
	buf_str(&r->commits, rows_text(rows, 10));
	buf_str(&r->paths, rows_text(rows, 11));
	buf_str(&r->held, rows_text(rows, 12));
	r->lesson = json_loads(rows_text(rows, 13), 0, NULL);
	return 1;
}

static void record_new(const struct pair *p, struct record *r)
{
	r->n = db_get(p->tx->db, 0, Q(INCIDENT_LAST)) + 1;
	r->first_at = INT64_MAX;
	r->gap = INT64_MAX;
	r->cost = -1;
	(void)snprintf(r->first, sizeof(r->first), "%s", session_of(p, 0));
	(void)snprintf(r->second, sizeof(r->second), "%s", session_of(p, 1));
	r->lesson = json_array();
}

static void record_add(const struct pair *p, struct record *r)
{
	int64_t cost = cost_of(p);

	r->first_at = event_int(p->e[0], "commit_at") < r->first_at ?
			      event_int(p->e[0], "commit_at") :
			      r->first_at;
	r->last_at = event_int(p->e[1], "commit_at") > r->last_at ?
			     event_int(p->e[1], "commit_at") :
			     r->last_at;
	r->gap = gap_of(p) < r->gap ? gap_of(p) : r->gap;
	r->cost = cost > r->cost ? cost : r->cost;
	r->kinds |= p->is.kinds;
	add_commits(p, &r->commits);
	add_paths(p, &r->paths);
	add_held(p, &r->held);
	add_lessons(p, r->lesson);
}

/* What session I of the pair is told. */
static json_t *why_for(const struct pair *p, const struct record *r, int i)
{
	AUTO_BUF struct buf why = BUF_INIT;
	char when[TIME_TEXT], gap[DURATION_TEXT];

	buf_line(&why, "%s CONVERGENCE commit convergence/%lld", time_text(p->tx->wall, when),
		 (long long)r->n);
	buf_line(&why,
		 "your commit %.12s and %.12s of session %s, %s apart, are one piece of work: %s",
		 event_text(p->e[i], "commit"), event_text(p->e[!i], "commit"), session_of(p, !i),
		 duration_text(gap_of(p), gap),
		 artifact_show(json_string_value(json_array_get(p->is.paths, 0)) ?
				       json_string_value(json_array_get(p->is.paths, 0)) :
				       event_text(p->e[0], "subject"),
			       p->repo->name));
	buf_line(
		&why,
		"next: look at both (convergence/%lld/commits) before you go on, and coordinate with session %s; convergence/%lld/lesson says what would have prevented it",
		(long long)r->n, session_of(p, !i), (long long)r->n);
	return json_string(buf_text(&why));
}

/* Was it there before the repository was registered? */
static int is_first(const json_t *commit)
{
	return json_is_true(json_object_get(commit, "first"));
}

static int record_emit(const struct pair *p, struct record *r)
{
	AUTO_FREE char *lesson = tx_allocated(json_dumps(r->lesson, JSON_COMPACT));
	AUTO_BUF struct buf kinds = BUF_INIT;
	json_t *body;
	int err;

	converge_say(r->kinds, &kinds);
	if (kinds.err || r->commits.err || r->paths.err || r->held.err || !lesson)
		return tx_fail(p->tx, -ENOMEM);
	body = json_pack("{s:I,s:s,s:I,s:s,s:s,s:I,s:I,s:I,s:I}", "incident", (json_int_t)r->n,
			 "repo", p->repo->name, "repo_id", (json_int_t)p->repo->id, "first_session",
			 r->first, "second_session", r->second, "first_at", (json_int_t)r->first_at,
			 "last_at", (json_int_t)r->last_at, "gap_ms", (json_int_t)r->gap, "cost_ms",
			 (json_int_t)r->cost);
	if (r->id)
		(void)json_object_set_new(body, "incident_id", json_integer(r->id));
	(void)json_object_set_new(body, "kinds", json_string(buf_text(&kinds)));
	(void)json_object_set_new(body, "commits", json_string(buf_text(&r->commits)));
	(void)json_object_set_new(body, "paths", json_string(buf_text(&r->paths)));
	(void)json_object_set_new(body, "held", json_string(buf_text(&r->held)));
	(void)json_object_set_new(body, "lesson", json_string(lesson));
	(void)json_object_set_new(body, "session_ids",
				  json_pack("[O,O]", json_object_get(p->e[0], "session_id"),
					    json_object_get(p->e[1], "session_id")));
	(void)json_object_set_new(body, "commit_ids",
				  json_pack("[O,O]", json_object_get(p->e[0], "seq"),
					    json_object_get(p->e[1], "seq")));
	if (!is_first(p->e[0]) || !is_first(p->e[1])) /* else it is nobody's news */
		(void)json_object_set_new(body, "whys",
					  json_pack("[o,o]", why_for(p, r, 0), why_for(p, r, 1)));
	err = tx_emit(p->tx, r->id ? "incident-more" : "incident", body);
	for (int i = 0; i < 2 && !err; i++)
		err = rules_mark(p->tx, event_int(p->e[i], "session_id"));
	return err;
}

/* How much is in a record. */
struct extent {
	size_t commits, paths, lessons;
	unsigned kinds;
	int64_t first_at, last_at, gap;
};

static struct extent extent_of(const struct record *r)
{
	return (struct extent){ r->commits.n, r->paths.n,  json_array_size(r->lesson),
				r->kinds,     r->first_at, r->last_at,
				r->gap };
}

/*
 * Is there more to say than once more the same? When there are as many commits as are shown the
 * next one is no news by itself; that it goes on is, from time to time.
 */
static int is_news(const struct extent *was, const struct extent *is, int64_t window)
{
	return is->commits != was->commits || is->paths != was->paths ||
	       is->lessons != was->lessons || is->kinds != was->kinds || is->gap != was->gap ||
	       is->last_at - was->last_at > window / 4 || was->first_at - is->first_at > window / 4;
}

static int settle(const struct pair *p, int64_t window)
{
	struct record r = { .commits = BUF_INIT, .paths = BUF_INIT, .held = BUF_INIT };
	struct extent was, is;
	int err = 0;

	if (!record_find(p, window, &r))
		record_new(p, &r);
	was = extent_of(&r);
	record_add(p, &r);
	is = extent_of(&r);
	if (is_news(&was, &is, window))
		err = record_emit(p, &r);
	record_free(&r);
	return err;
}

static int judge(struct tx *tx, const struct thing *repo, const json_t *commit, int64_t other_id,
		 int64_t window)
{
	json_t *other = commit_event(tx->db, other_id);
	int later = event_int(commit, "commit_at") >= event_int(other, "commit_at");
	struct pair p = { tx, repo, { later ? other : commit, later ? commit : other }, { 0 } };
	int err = other ? converge_judge(p.e[0], p.e[1], &p.is) : -ENOMEM;

	if (!err && p.is.kinds)
		err = settle(&p, window);
	else if (err)
		err = tx_fail(tx, err);
	converge_release(&p.is);
	json_decref(other);
	return err;
}

int rules_converge(struct tx *tx, const struct thing *repo, int64_t commit)
{
	int64_t window = field_duration(tx->db, THING_CONTROL, 0, "convergence-window");
	json_t *e = window ? commit_event(tx->db, commit) : NULL;
	int64_t at = event_int(e, "commit_at");
	struct candidates c = { .tx = tx,
				.commit = e,
				.repo = repo->id,
				.from = at - window,
				.to = at + window,
				.session = event_text(e, "session") };
	int err = 0;

	if (!e)
		return window ? tx_fail(tx, -ENOMEM) : 0;
	find_all(&c);
	for (int i = 0; i < c.n && !err; i++)
		err = judge(tx, repo, e, c.ids[i], window);
	json_decref(e);
	return err;
}
