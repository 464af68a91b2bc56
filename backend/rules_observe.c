/* What was seen in a repository: commits and branches, recorded as events. */
#include <errno.h>
#include <string.h>

#include "backend/clean.h"
#include "backend/commit.h"
#include "backend/cover.h"
#include "backend/rules.h"

/* A path that a commit touched, as it came from the scan, with its canonical name. */
static json_t *named_path(const char *repo, const json_t *path)
{
	const char *text = json_string_value(json_array_get(path, 1));
	const json_t *blob = json_array_get(path, 2);
	const char *status = json_string_value(json_array_get(path, 0));
	struct artifact a;
	json_t *out;

	if (!text || !status || cover_artifact(repo, text, &a) < 0)
		return NULL;
	out = json_pack("[s,s,s,I]", status, a.name,
			json_is_string(blob) ? json_string_value(blob) : "",
			(json_int_t)json_integer_value(json_array_get(path, 3)));
	artifact_release(&a);
	return out;
}

/* All paths; what is beyond those that are listed may be anywhere. */
static json_t *named_paths(const char *repo, const json_t *seen, json_t *names)
{
	json_t *list = json_array(), *path;
	size_t i;

	json_array_foreach(json_object_get(seen, "paths"), i, path) {
		json_t *named = named_path(repo, path);

		(void)json_array_append(names, json_array_get(named, 1));
		(void)json_array_append_new(list, named);
	}
	if (event_int(seen, "more") > 0) {
		json_t *all = json_pack("[s,s,s,i]", "*", "", "", 0);
		AUTO_BUF struct buf name = BUF_INIT;

		buf_printf(&name, "%s:**", repo);
		(void)json_array_set_new(all, 1, json_string(buf_text(&name)));
		(void)json_array_append_new(list, all);
	}
	return list;
}

/* Those of the commit's own session. */
static json_t *own_grants(const json_t *grants, const struct attributed *who)
{
	json_t *own = json_array(), *g;
	size_t i;

	json_array_foreach(grants, i, g)
		if (who->id && event_int(g, "session_id") == who->id)
			(void)json_array_append(own, g);
	return own;
}

/* Other sessions that held one of its paths then, each once. */
static json_t *holders(const json_t *grants, const json_t *names, const struct attributed *who)
{
	json_t *set = json_object(), *list = json_array(), *g, *v;
	const char *session;
	size_t i, j;

	json_array_foreach(grants, i, g) {
		session = event_text(g, "session");
		if (event_int(g, "session_id") == who->id || json_object_get(set, session))
			continue;
		json_array_foreach(names, j, v)
			if (commit_covers(g, json_string_value(v)))
				(void)json_object_set_new(set, session, json_true());
	}
	json_object_foreach(set, session, v)
		(void)json_array_append_new(list, json_string(session));
	json_decref(set);
	return list;
}

/* How many of the paths are in no claim of its own session. */
static int64_t uncovered(const json_t *grants, const json_t *names, const struct attributed *who)
{
	const json_t *g, *v;
	int64_t n = 0;
	size_t i, j;

	json_array_foreach(names, i, v) {
		int covered = 0;

		json_array_foreach(grants, j, g)
			covered = covered || (event_int(g, "session_id") == who->id &&
					      commit_covers(g, json_string_value(v)));
		n += !covered;
	}
	return n;
}

static json_t *text_or_empty(const json_t *seen, const char *key)
{
	return json_string(event_text(seen, key));
}

static json_t *commit_body(const struct thing *repo, const json_t *seen,
			   const struct attributed *who)
{
	json_t *body = json_pack(
		"{s:s,s:I,s:s,s:I,s:s,s:I,s:s,s:s,s:I,s:s}", "repo", repo->name, "repo_id",
		(json_int_t)repo->id, "commit", event_text(seen, "commit"), "commit_at",
		(json_int_t)commit_ms(seen, "time"), "author", event_text(seen, "author"),
		"author_at", (json_int_t)commit_ms(seen, "author_time"), "subject",
		event_text(seen, "subject"), "session", *who->session ? who->session : "-",
		"session_id", (json_int_t)who->id, "how", who->how);

	(void)json_object_set_new(body, "patch", text_or_empty(seen, "patch"));
	(void)json_object_set_new(body, "loose", text_or_empty(seen, "loose"));
	(void)json_object_set(body, "parents", json_object_get(seen, "parents"));
	(void)json_object_set(body, "names", json_object_get(seen, "names"));
	if (json_array_size(json_object_get(seen, "reverts")))
		(void)json_object_set(body, "reverts", json_object_get(seen, "reverts"));
	return body;
}

/* Whose commits were undone by this one. */
static int mark_reverted(struct tx *tx, const json_t *seen)
{
	const json_t *oid;
	int err = 0;
	size_t i;

	json_array_foreach(json_object_get(seen, "reverts"), i, oid)
		if (!err)
			err = rules_mark(tx, db_get(tx->db, 0, Q(COMMIT_SESSION),
						    T(json_string_value(oid))));
	return err;
}

/* NAMES, PATHS, GRANTS are the caller's. */
static int emit_commit(struct tx *tx, const struct thing *repo, const json_t *seen, int first,
		       const json_t *names, json_t *paths, const json_t *grants)
{
	struct attributed who;
	json_t *body;
	int err = commit_attribute(tx, repo->id, seen, names, grants, &who);

	if (err)
		return err;
	body = commit_body(repo, seen, &who);
	(void)json_object_set(body, "paths", paths);
	(void)json_object_set_new(body, "grants", own_grants(grants, &who));
	(void)json_object_set_new(body, "holders", holders(grants, names, &who));
	if (who.id)
		(void)json_object_set_new(body, "uncovered",
					  json_integer(uncovered(grants, names, &who)));
	(void)json_object_set_new(
		body, "base", json_integer(db_get(tx->db, 0, Q(BASE_SEQ), I(who.id), I(repo->id))));
	if (first)
		(void)json_object_set_new(body, "first", json_true());
	err = tx_emit(tx, "commit", body);
	if (!err && *who.session)
		err = rules_converge(tx, repo, tx->seq);
	if (!err)
		err = rules_mark(tx, who.id);
	return err ? err : mark_reverted(tx, seen);
}

/* FIRST: it was there before; MEMO: of commit_grants. */
static int observe(struct tx *tx, const struct thing *repo, const json_t *seen, int first,
		   json_t *memo)
{
	int64_t known = 0;
	int err, got = db_int(tx->db, &known, Q(COMMIT_HAS), I(repo->id),
			      T(event_text(seen, "commit")));
	json_t *names, *paths, *grants;

	if (got)
		return got < 0 ? tx_fail(tx, got) : 0;
	names = json_array();
	paths = named_paths(repo->name, seen, names);
	grants = commit_grants(tx, seen, commit_ms(seen, "time"), memo);
	err = grants ? emit_commit(tx, repo, seen, first, names, paths, grants) : tx->err;
	json_decref(names);
	json_decref(paths);
	json_decref(grants);
	return err;
}

/* The value of a field that only scans set is what the event says. */
static int is_same(struct tx *tx, int64_t repo, const json_t *body, const char *key)
{
	AUTO_FREE char *now = tx_attr(tx->db, repo, key);

	return now && strcmp(now, event_text(body, key)) == 0;
}

/* Where the branches are, when that is news. */
static int emit_scan(struct tx *tx, const struct thing *repo, const json_t *in)
{
	const json_t *done = json_object_get(in, "done");
	json_t *body;

	if (!done)
		return 0;
	body = json_pack("{s:s,s:I,s:s,s:s,s:s}", "repo", repo->name, "repo_id",
			 (json_int_t)repo->id, "gitdir", event_text(in, "gitdir"), "head",
			 event_text(done, "head"), "heads", event_text(done, "heads"));
	if (is_same(tx, repo->id, body, "gitdir") && is_same(tx, repo->id, body, "head") &&
	    is_same(tx, repo->id, body, "heads")) {
		json_decref(body);
		return 0;
	}
	return tx_emit(tx, "scan", body);
}

/* 1 and *OUT, 0: there is no such repository (any more), or -errno. */
static int find_repo(struct tx *tx, int64_t id, struct thing *out)
{
	int got = read_thing(tx->db, id, out);

	return got > 0 ? out->kind == THING_REPO : got;
}

/* The daemon's own. TEXT: JSON of fs/scan.c. */
int rule_observed(struct tx *tx, const struct change *c)
{
	json_t *in = json_loadb(c->text, c->n, 0, NULL), *memo = NULL, *seen;
	struct thing repo;
	int first, err = 0, got = in ? find_repo(tx, event_int(in, "repo_id"), &repo) : 0;
	size_t i;

	if (got <= 0) {
		json_decref(in);
		return got < 0 ? tx_fail(tx, got) :
				 tx_refuse(tx, ESTALE, "nothing to do", "that repository is gone");
	}
	first = !is_same(tx, repo.id, in, "gitdir");
	memo = json_object();
	json_array_foreach(json_object_get(in, "commits"), i, seen)
		if (!err)
			err = observe(tx, &repo, seen, first, memo);
	if (!err)
		err = emit_scan(tx, &repo, in);
	json_decref(memo);
	json_decref(in);
	return err;
}

/* It has been looked at when this is decided: nothing is left to do. */
int rule_look(struct tx *tx, const struct change *c)
{
	struct thing repo;
	int got = find_repo(tx, c->thing, &repo);

	if (got < 0)
		return tx_fail(tx, got);
	return got ? 0 : tx_refuse(tx, ESTALE, "ls repos/", "that repository is gone");
}
