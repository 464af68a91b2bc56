#include <stdio.h>
#include <string.h>

#include "backend/buf.h"
#include "backend/clean.h"
#include "backend/conflict.h"
#include "backend/sqlite.h"

#define STEM_MAX ARTIFACT_BUFFER

/* A question on its way through the stems. */
struct walk {
	struct db *db;
	int64_t task;
	const char *name;
	int delta;
	int64_t count;
	struct conflict *out;
};

static int is_wild(char c)
{
	return c == '*' || c == '?' || c == '[';
}

void conflict_stem(const char *name, char *out)
{
	const char *path = strchr(name, ':') + 1;
	const char *cut = path, *p;

	for (p = path; *p && !is_wild(*p); p++)
		if (*p == '/')
			cut = p;
	if (!*p)
		cut = p;
	(void)snprintf(out, STEM_MAX, "%.*s", (int)(cut - name), name);
}

/* Everything below a stem overlaps a name without wildcards: no need to ask. */
static int covers_below(const char *name)
{
	return !strpbrk(strchr(name, ':'), "*?[") || strcmp(strchr(name, ':'), ":**") == 0;
}

static int find_row(struct walk *w, struct rows *r)
{
	int got = rows_next(r);

	if (got > 0) {
		w->out->task = rows_int(r, 0);
		(void)snprintf(w->out->name, sizeof(w->out->name), "%s", rows_text(r, 1));
	}
	return got;
}

static int find_at(const char *stem, void *arg)
{
	struct walk *w = arg;
	AUTO_ROWS *r = db_rows(w->db, Q(HELD_AT), T(stem), I(w->task), T(w->name));

	return find_row(w, r);
}

static int find_below(const char *stem, struct walk *w)
{
	char lo[STEM_MAX], hi[STEM_MAX];
	AUTO_ROWS *r = NULL;

	artifact_below(stem, lo, hi);
	r = db_rows(w->db, Q(HELD_BELOW), T(lo), T(hi), I(w->task), T(w->name));
	return find_row(w, r);
}

int conflict_find(struct db *db, int64_t task, const char *name, struct conflict *out)
{
	struct walk w = { .db = db, .task = task, .name = name, .out = out };
	char stem[STEM_MAX];
	int got;

	conflict_stem(name, stem);
	got = find_at(stem, &w);
	if (!got)
		got = artifact_ancestors(stem, find_at, &w);
	if (!got)
		got = find_below(stem, &w);
	return got;
}

/* Mostly nobody else wants it: a look is cheaper than an update of nothing. */
static int spread_at(const char *stem, void *arg)
{
	struct walk *w = arg;
	int64_t any;
	int got = db_int(w->db, &any, Q(WANTED_AT), T(stem), I(w->task));

	if (got <= 0)
		return got;
	return db_run(w->db, Q(SPREAD_AT), I(w->delta), T(stem), I(w->task), T(w->name));
}

static int spread_below(const char *stem, struct walk *w)
{
	char lo[STEM_MAX], hi[STEM_MAX];
	int64_t any;
	int got;

	artifact_below(stem, lo, hi);
	got = db_int(w->db, &any, Q(WANTED_BELOW), T(lo), T(hi), I(w->task));
	if (got <= 0)
		return got;
	if (covers_below(w->name))
		return db_run(w->db, Q(SPREAD_ALL_BELOW), I(w->delta), T(lo), T(hi), I(w->task));
	return db_run(w->db, Q(SPREAD_BELOW), I(w->delta), T(lo), T(hi), I(w->task), T(w->name));
}

int conflict_spread(struct db *db, int64_t task, const char *name, int delta)
{
	struct walk w = { .db = db, .task = task, .name = name, .delta = delta };
	char stem[STEM_MAX];
	int err;

	conflict_stem(name, stem);
	err = spread_at(stem, &w);
	if (!err)
		err = artifact_ancestors(stem, spread_at, &w);
	if (!err)
		err = spread_below(stem, &w);
	return err;
}

static int count_at(const char *stem, void *arg)
{
	struct walk *w = arg;
	int64_t n = 0;
	int got = db_int(w->db, &n, Q(HELD_COUNT_AT), T(stem), I(w->task), T(w->name));

	w->count += n;
	return got < 0 ? got : 0;
}

static int count_name(struct walk *w)
{
	char stem[STEM_MAX], lo[STEM_MAX], hi[STEM_MAX];
	int64_t n = 0;
	int err;

	conflict_stem(w->name, stem);
	err = count_at(stem, w);
	if (!err)
		err = artifact_ancestors(stem, count_at, w);
	if (err)
		return err;
	artifact_below(stem, lo, hi);
	err = db_int(w->db, &n, Q(HELD_COUNT_BELOW), T(lo), T(hi), I(w->task), T(w->name));
	w->count += n;
	return err < 0 ? err : 0;
}

int conflict_recount(struct db *db, int64_t task)
{
	struct walk w = { .db = db, .task = task };
	AUTO_ROWS *r = db_rows(db, Q(ARTIFACTS_OF), I(task));
	int got, err;

	while ((got = rows_next(r)) > 0) {
		w.name = rows_text(r, 0);
		err = count_name(&w);
		if (err)
			return err;
	}
	if (got < 0)
		return got;
	rows_end(&r);
	return db_run(db, Q(BOARD_CONFLICTS), I(w.count), I(task));
}
