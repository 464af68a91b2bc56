#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "backend/clean.h"
#include "backend/tx.h"
#include "tests/lib/json.h"
#include "tests/lib/observing.h"

#define SHORT 64 /* bytes of a name here */

const char *observing_oid(const char *digits)
{
	static char names[8][41];
	static int turn;
	char *out = names[turn++ % 8];

	(void)snprintf(out, 41, "%s%.*s", digits, 40 - (int)strlen(digits),
		       "0000000000000000000000000000000000000000");
	return out;
}

int64_t observing_now(struct fixture *f)
{
	return f->sim.wall / 1000;
}

/* STATUS PATH [BLOB [SIZE]]; without a blob, one that no other commit has. */
static json_t *path_of(const char *line, size_t n, const char *commit)
{
	char text[512], status[8] = "", path[256] = "", blob[SHORT] = "";
	long long size = 100;
	int got;

	(void)snprintf(text, sizeof(text), "%.*s", (int)n, line);
	got = sscanf(text, "%7s %255s %63s %lld", status, path, blob, &size);
	cr_assert_geq(got, 2, "%s", text);
	if (*status == 'D')
		return json_pack("[s,s,n,i]", status, path, 0);
	if (got == 2)
		(void)snprintf(blob, sizeof(blob), "%s-%.40s", commit, path);
	return json_pack("[s,s,s,I]", status, path, blob, (json_int_t)size);
}

static json_t *paths_of(const struct seen *s)
{
	const char *at = s->paths ? s->paths : "";
	json_t *list = json_array();
	size_t n;

	if (s->json) {
		json_decref(list);
		return json_quoted(s->json);
	}
	for (; *at; at += n + (at[n] == '\n')) {
		n = strcspn(at, "\n");
		(void)json_array_append_new(list, path_of(at, n, s->commit));
	}
	return list;
}

static json_t *trailers_of(const struct seen *s)
{
	if (s->trailers)
		return json_quoted(s->trailers);
	return s->session ? json_pack("[[s,s]]", "Coord-Session", s->session) : json_array();
}

static void set(json_t *e, const char *key, json_t *value)
{
	cr_assert_eq(json_object_set_new(e, key, value), 0, "%s", key);
}

static void set_text(json_t *e, const char *key, const char *text)
{
	set(e, key, text ? json_string(text) : json_null());
}

json_t *observing_commit(struct fixture *f, const struct seen *s)
{
	int64_t at = s->at ? s->at : observing_now(f);
	json_t *e = json_object(), *parents = json_array();
	char author[SHORT];

	(void)snprintf(author, sizeof(author), "%s <%s>", s->commit, s->commit);
	for (int i = 0; i < (s->parents ? s->parents : 1); i++)
		(void)json_array_append_new(parents, json_string(observing_oid("9")));
	set_text(e, "commit", observing_oid(s->commit));
	set(e, "parents", parents);
	set(e, "time", json_integer(at));
	set_text(e, "author", s->author ? s->author : author);
	set(e, "author_time", json_integer(s->author_at ? s->author_at : at));
	set_text(e, "subject", s->subject ? s->subject : s->commit);
	set(e, "trailers", trailers_of(s));
	set(e, "names", s->names ? json_pack("[s]", observing_oid(s->names)) : json_array());
	set(e, "paths", paths_of(s));
	set(e, "more", json_integer(s->more));
	set_text(e, "patch", s->patch);
	set_text(e, "loose", s->loose);
	return e;
}

struct outcome observing_change(struct fixture *f, int64_t repo, json_t *commits, const char *head)
{
	json_t *in = json_pack("{s:I,s:s,s:o}", "repo_id", (json_int_t)repo, "gitdir", "/r/.git",
			       "commits", commits);
	AUTO_FREE char *text = NULL;
	char ref[SHORT + 40];

	if (head) {
		(void)snprintf(ref, sizeof(ref), "%s refs/heads/main", observing_oid(head));
		set(in, "done", json_pack("{s:s,s:s}", "head", ref, "heads", ref));
	}
	text = json_dumps(in, JSON_COMPACT);
	json_decref(in);
	return commit(f, CHANGE_OBSERVED, .text = text);
}

struct outcome observing_tell(struct fixture *f, int64_t repo, const struct seen *s)
{
	return observing_change(f, repo, json_pack("[o]", observing_commit(f, s)), NULL);
}

struct outcome observing_done(struct fixture *f, int64_t repo, const char *head)
{
	return observing_change(f, repo, json_array(), head);
}

int64_t observing_new_repo(struct fixture *f, const char *name)
{
	struct outcome o = commit(f, CHANGE_ADD, .of = THING_REPO, .name = name, .owner = 1);

	cr_assert_eq(o.err, 0, "%s", o.why);
	return o.id;
}

int64_t observing_repo(struct fixture *f, const char *name)
{
	int64_t id = observing_new_repo(f, name);
	struct outcome o = observing_done(f, id, "0");

	cr_assert_eq(o.err, 0, "%s", o.why);
	return id;
}

const char *observing_whose(struct fixture *f)
{
	static char out[256];
	json_t *e = fixture_event(f, "commit");

	(void)snprintf(out, sizeof(out), "%s %s", event_text(e, "session"), event_text(e, "how"));
	json_decref(e);
	return out;
}

const char *observing_why(struct fixture *f, int64_t session)
{
	static char out[4096];
	AUTO_FREE char *why = NULL;

	cr_assert_eq(store_read_begin(f->store), 0);
	why = db_text(store_reader(f->store), Q(SESSION_WHY), I(session));
	store_read_end(f->store);
	(void)snprintf(out, sizeof(out), "%s", why ? why : "");
	return out;
}
