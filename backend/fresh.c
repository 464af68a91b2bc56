#include <stdio.h>
#include <string.h>

#include "backend/clean.h"
#include "backend/conflict.h"
#include "backend/fresh.h"
#include "backend/sqlite.h"
#include "backend/tx.h"

/* A question on its way through the stems. */
struct asked {
	struct db *db;
	const char *name; /* an artifact of the task */
	int64_t repo, since;
	const char *session;
	int64_t commit; /* found */
	char path[ARTIFACT_BUFFER];
};

static int found(struct asked *q, struct rows *r)
{
	int got = rows_next(r);

	if (got > 0) {
		q->commit = rows_int(r, 0);
		(void)snprintf(q->path, sizeof(q->path), "%s", rows_text(r, 1));
	}
	return got;
}

static int ask_at(const char *stem, void *arg)
{
	struct asked *q = arg;
	AUTO_ROWS *r = db_rows(q->db, Q(FRESH_AT), T(stem), T(q->name), I(q->repo), I(q->since),
			       T(q->session));

	return found(q, r);
}

static int ask_below(const char *stem, struct asked *q)
{
	char lo[ARTIFACT_BUFFER], hi[ARTIFACT_BUFFER];
	AUTO_ROWS *r = NULL;

	artifact_below(stem, lo, hi);
	r = db_rows(q->db, Q(FRESH_BELOW), T(lo), T(q->name), I(q->repo), I(q->since),
		    T(q->session), T(hi));
	return found(q, r);
}

/* 1: q->commit touched what q->name covers. */
static int ask(struct asked *q)
{
	char stem[ARTIFACT_BUFFER];
	int got;

	conflict_stem(q->name, stem);
	got = ask_at(stem, q);
	if (!got)
		got = artifact_ancestors(stem, ask_at, q);
	return got ? got : ask_below(stem, q);
}

/* Is NAME ("space:path") in the repository called REPO? */
static int is_in(const char *name, const char *repo)
{
	size_t n = strlen(repo);

	return strncmp(name, repo, n) == 0 && name[n] == ':';
}

/* Of all artifacts of TASK in the repository. 1 and Q, 0, -errno. */
static int ask_repo(struct asked *q, int64_t task, const char *repo)
{
	int64_t news = db_get(q->db, 0, Q(FRESH_ANY), I(q->repo), I(q->since), T(q->session));
	AUTO_ROWS *r = NULL;
	int got = 0;

	if (!news)
		return 0;
	q->since = news - 1; /* what was there before is not walked past */
	r = db_rows(q->db, Q(ARTIFACTS_OF), I(task));
	while (!got && rows_next(r) > 0) {
		AUTO_FREE char *name = tx_allocated(strdup(rows_text(r, 0)));

		q->name = name;
		if (name && is_in(name, repo))
			got = ask(q);
	}
	return got;
}

int fresh_news(struct db *db, int64_t task, const struct session *s, int64_t repo, struct news *out)
{
	struct asked q = { .db = db, .repo = repo, .session = s->name };
	int got = read_thing(db, repo, &out->repo);

	if (got <= 0)
		return got;
	q.since = db_get(db, 0, Q(BASE_SEQ), I(s->id), I(repo));
	got = ask_repo(&q, task, out->repo.name);
	out->commit = q.commit;
	memcpy(out->path, q.path, sizeof(out->path));
	return got;
}

int fresh_any(struct db *db, const struct session *s)
{
	int64_t one;

	return db_int(db, &one, Q(FRESH_SINCE), I(s->id), T(s->name), I(THING_REPO));
}

int fresh_is_stale(struct db *db, int64_t task, const struct session *s)
{
	AUTO_ROWS *r = db_rows(db, Q(FRESH_REPOS), I(task), I(THING_REPO), I(s->id), T(s->name));
	struct news news;
	int stale = 0;

	while (!stale && rows_next(r) > 0)
		stale = fresh_news(db, task, s, rows_int(r, 0), &news);
	return stale ? stale : db_error(db);
}
