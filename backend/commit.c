/* What a commit says of itself, and what the claims say of it: whose it is. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend/clean.h"
#include "backend/commit.h"
#include "backend/field.h"
#include "backend/overlap.h"
#include "backend/text.h"

#define TOKEN_TRAILER "Coord-Token"
#define SECOND_MS 999			  /* git's times are cut to the second */
#define LAST_SECOND INT64_C(253402300799) /* of the year 9999 */

static void copy(char *to, size_t n, const char *from)
{
	(void)snprintf(to, n, "%s", from);
}

int commit_row(struct rows *r, struct commit *out)
{
	int got = rows_next(r);

	if (got <= 0)
		return got;
	out->id = rows_int(r, 0);
	out->repo = rows_int(r, 1);
	copy(out->oid, sizeof(out->oid), rows_text(r, 2));
	out->at = rows_int(r, 3);
	out->author_at = rows_int(r, 5);
	copy(out->subject, sizeof(out->subject), rows_text(r, 6));
	copy(out->session, sizeof(out->session), rows_text(r, 7));
	out->session_id = rows_int(r, 8);
	copy(out->how, sizeof(out->how), rows_text(r, 9));
	out->first = (int)rows_int(r, 12);
	return 1;
}

int64_t commit_ms(const json_t *seen, const char *key)
{
	int64_t at = event_int(seen, key);

	return (at < 0 ? 0 : at > LAST_SECOND ? LAST_SECOND : at) * 1000;
}

int read_commit(struct db *db, int64_t id, struct commit *out)
{
	AUTO_ROWS *r = db_rows(db, Q(COMMIT_ROW), I(id));

	return commit_row(r, out);
}

json_t *commit_event(struct db *db, int64_t id)
{
	AUTO_FREE char *line = db_text(db, Q(EVENT_LINE), I(id));

	return line ? json_loads(line, 0, NULL) : NULL;
}

/* --- what was held --- */

static void take_away(json_t *list, const char *name)
{
	json_t *v;
	size_t i;

	json_array_foreach(list, i, v)
		if (strcmp(json_string_value(v), name) == 0) {
			(void)json_array_remove(list, i);
			return;
		}
}

/*
 * An `artifacts` event E of the grant: LIST after it, if that was before FROM or TO. What was
 * given up between the two was held until then.
 */
static void apply_edit(json_t *list, const json_t *e, int64_t from, int64_t to)
{
	json_t *v;
	size_t i;

	if (event_int(e, "at") > to)
		return;
	if (event_int(e, "at") < from)
		json_array_foreach(json_object_get(e, "given_up"), i, v)
			take_away(list, json_string_value(v));
	json_array_foreach(json_object_get(e, "added"), i, v)
		(void)json_array_append(list, v);
}

/*
 * The artifacts of G in the second that begins AT; all it ever had when it was NAMED. *EDITED:
 * at another time they may be others.
 */
static json_t *held_by(struct tx *tx, const struct grant *g, int64_t at, int named, int *edited)
{
	int64_t from = named ? INT64_MIN : at, to = named ? INT64_MAX : at + SECOND_MS;
	json_t *grant = commit_event(tx->db, g->token), *list;
	AUTO_ROWS *r = NULL;
	json_t *e;

	list = json_deep_copy(json_object_get(grant, "artifacts"));
	json_decref(grant);
	if (!list)
		return json_array();
	r = db_rows(tx->db, Q(TASK_EVENTS), I(g->task), I(g->token), I(INT64_MAX));
	while (rows_next(r) > 0) {
		const char *line = rows_text(r, 0);

		if (!strstr(line, "\"artifacts\""))
			continue;
		e = json_loads(line, 0, NULL);
		if (strcmp(event_text(e, "event"), "artifacts") == 0 &&
		    event_int(e, "token") == g->token) {
			apply_edit(list, e, from, to);
			*edited = 1;
		}
		json_decref(e);
	}
	return list;
}

static int has_token(const json_t *list, int64_t token)
{
	const json_t *v;
	size_t i;

	json_array_foreach(list, i, v)
		if (event_int(v, "token") == token)
			return 1;
	return 0;
}

/* json: the grant as a member of the list; one that is always the same goes into MEMO. */
static json_t *grant_then(struct tx *tx, const struct grant *g, int64_t at, int named, json_t *memo)
{
	int edited = 0;
	json_t *held = held_by(tx, g, at, named, &edited);
	json_t *v = json_pack("{s:I,s:s,s:I,s:s,s:I,s:I,s:b,s:o}", "token", (json_int_t)g->token,
			      "task", g->name, "task_id", (json_int_t)g->task, "session", g->holder,
			      "session_id", (json_int_t)g->session, "since", (json_int_t)g->since,
			      "named", named, "artifacts", held);
	char key[24];

	if (!edited && !named && v) {
		(void)snprintf(key, sizeof(key), "%lld", (long long)g->token);
		(void)json_object_set(memo, key, v);
	}
	return v;
}

struct granting {
	struct tx *tx;
	json_t *list, *memo;
	int64_t at;
};

static int add_grant(struct granting *to, int64_t token, int named)
{
	struct grant g;
	json_t *known;
	char key[24];
	int got;

	(void)snprintf(key, sizeof(key), "%lld", (long long)token);
	known = named ? NULL : json_object_get(to->memo, key);
	if (has_token(to->list, token))
		return 0;
	if (known)
		return json_array_append(to->list, known) ? -ENOMEM : 0;
	got = read_grant(to->tx->db, token, &g);
	if (got <= 0 || !g.session)
		return got < 0 ? got : 0;
	known = grant_then(to->tx, &g, to->at, named, to->memo);
	return json_array_append_new(to->list, known) ? -ENOMEM : 0;
}

static int add_named(struct granting *to, const json_t *seen)
{
	const json_t *pair;
	size_t i;
	int err = 0;

	json_array_foreach(json_object_get(seen, "trailers"), i, pair) {
		const char *key = json_string_value(json_array_get(pair, 0));
		const char *value = json_string_value(json_array_get(pair, 1));
		long long token = value ? strtoll(value, NULL, 10) : 0;

		if (!err && key && token > 0 && strcasecmp(key, TOKEN_TRAILER) == 0)
			err = add_grant(to, token, 1);
	}
	return err;
}

json_t *commit_grants(struct tx *tx, const json_t *seen, int64_t at, json_t *memo)
{
	struct granting to = { tx, json_array(), memo, at };
	int64_t oldest = 0;
	int any = db_int(tx->db, &oldest, Q(GRANTS_SINCE));
	AUTO_ROWS *r = NULL;
	int err = add_named(&to, seen);

	if (!err && any > 0 && oldest <= at + SECOND_MS)
		r = db_rows(tx->db, Q(GRANTS_AT), I(at), I(at + SECOND_MS));
	while (!err && r && rows_next(r) > 0)
		err = add_grant(&to, rows_int(r, 0), 0);
	if (!err && !db_error(tx->db))
		return to.list;
	json_decref(to.list);
	(void)tx_fail(tx, err ? err : db_error(tx->db));
	return NULL;
}

int commit_covers(const json_t *grant, const char *name)
{
	const json_t *v;
	size_t i;

	json_array_foreach(json_object_get(grant, "artifacts"), i, v)
		if (artifact_overlap(json_string_value(v), name))
			return 1;
	return 0;
}

/* --- whose it is --- */

static int set_session(struct tx *tx, struct attributed *out, const char *name, const char *how)
{
	struct session s;
	int got = read_session_named(tx->db, name, &s);

	if (got < 0)
		return tx_fail(tx, got);
	copy(out->session, sizeof(out->session), name);
	out->id = got ? s.id : 0;
	copy(out->how, sizeof(out->how), how);
	return 1;
}

/* The session that VALUE names: a name, or the last part of an address. NULL: none, or "-". */
static const char *session_in(const char *value)
{
	const char *slash = strrchr(value, '/'), *name = slash ? slash + 1 : value;

	return name_check(name, strlen(name)) || strcmp(name, "-") == 0 ? NULL : name;
}

/* 1: *OUT is set. */
static int by_trailer(struct tx *tx, const json_t *seen, const char *key, size_t n,
		      struct attributed *out)
{
	const json_t *pair;
	char how[64];
	size_t i;

	json_array_foreach(json_object_get(seen, "trailers"), i, pair) {
		const char *is = json_string_value(json_array_get(pair, 0));
		const char *value = json_string_value(json_array_get(pair, 1));

		if (!is || !value || strlen(is) != n || strncasecmp(is, key, n) != 0 ||
		    !session_in(value))
			continue;
		(void)snprintf(how, sizeof(how), "trailer %.*s", (int)n, key);
		return set_session(tx, out, session_in(value), how);
	}
	return 0;
}

static int by_trailers(struct tx *tx, const json_t *seen, struct attributed *out)
{
	AUTO_FREE char *keys = field_value(tx->db, THING_CONTROL, 0, "trailers");
	struct lines l = { keys, keys ? keys + strlen(keys) : NULL };
	const char *key;
	size_t n;
	int got = keys ? 0 : -ENOMEM;

	while (!got && lines_next(&l, &key, &n))
		got = by_trailer(tx, seen, key, n, out);
	return got;
}

/*
 * Picked, rebased, amended: the same change by the same author at the same second, committed
 * anew. Whoever did that, the work is the first one's.
 */
static int by_rewrite(struct tx *tx, int64_t repo, const json_t *seen, struct attributed *out)
{
	const char *loose = event_text(seen, "loose");
	AUTO_ROWS *r = NULL;
	struct commit was;
	int got;

	if (!*loose || event_int(seen, "time") < event_int(seen, "author_time"))
		return 0;
	r = db_rows(tx->db, Q(COMMIT_REWRITTEN), T(loose), I(repo), T(event_text(seen, "author")),
		    I(commit_ms(seen, "author_time")));
	got = commit_row(r, &was);
	return got > 0 ? set_session(tx, out, was.session, "rewrite") : got;
}

/* The one session that held any of its paths; several: nobody's, and that is said. */
static int by_holder(struct tx *tx, const json_t *names, const json_t *grants,
		     struct attributed *out)
{
	const char *holder = NULL, *who;
	const json_t *g, *name;
	size_t i, j;

	json_array_foreach(grants, i, g) {
		int covers = 0;

		json_array_foreach(names, j, name)
			covers = covers || commit_covers(g, json_string_value(name));
		who = event_text(g, "session");
		if (!covers || (holder && strcmp(holder, who) == 0))
			continue;
		if (holder) {
			copy(out->how, sizeof(out->how), "ambiguous");
			return 1;
		}
		holder = who;
	}
	return holder ? set_session(tx, out, holder, "holder") : 0;
}

int commit_attribute(struct tx *tx, int64_t repo, const json_t *seen, const json_t *names,
		     const json_t *grants, struct attributed *out)
{
	int got;

	*out = (struct attributed){ .how = "unattributed" };
	got = by_trailers(tx, seen, out);
	if (!got)
		got = by_rewrite(tx, repo, seen, out);
	if (!got)
		got = by_holder(tx, names, grants, out);
	return got < 0 ? tx_fail(tx, got) : 0;
}
