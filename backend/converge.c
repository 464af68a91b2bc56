#include <ctype.h>
#include <errno.h>
#include <stdint.h>
#include <string.h>

#include "backend/buf.h"
#include "backend/commit.h"
#include "backend/converge.h"

#define BLOB_LEAST 5	 /* bytes: what is smaller says nothing ("{}\n", an empty file) */
#define SUBJECT_LEAST 12 /* bytes, and */
#define SUBJECT_WORDS 3
#define SECOND_MS 999

const char *const converge_words[] = {
	"patch", "format", "empty", "blob", "path", "subject", NULL
};

void converge_say(unsigned kinds, struct buf *out)
{
	for (int i = 0; converge_words[i]; i++)
		if (kinds & 1u << i)
			buf_line(out, "%s", converge_words[i]);
}

void converge_release(struct converge *c)
{
	json_decref(c->paths);
	c->paths = NULL;
}

/* --- a commit's paths --- */

static const char *status_of(const json_t *path)
{
	const char *s = json_string_value(json_array_get(path, 0));

	return s ? s : "*";
}

static const char *name_of(const json_t *path)
{
	const char *s = json_string_value(json_array_get(path, 1));

	return s ? s : "";
}

/* "": there is none, of a file that is gone or is no file. */
static const char *blob_of(const json_t *path)
{
	const char *s = json_string_value(json_array_get(path, 2));

	return s ? s : "";
}

static int is_listed(const json_t *path)
{
	return *status_of(path) != '*';
}

static const json_t *path_named(const json_t *commit, const char *name)
{
	const json_t *p;
	size_t i;

	json_array_foreach(json_object_get(commit, "paths"), i, p)
		if (is_listed(p) && strcmp(name_of(p), name) == 0)
			return p;
	return NULL;
}

static int has_paths(const json_t *commit)
{
	return json_array_size(json_object_get(commit, "paths")) > 0;
}

static int add_name(struct converge *c, const char *name)
{
	if (event_lists(c->paths, name))
		return 0;
	return json_array_append_new(c->paths, json_string(name)) ? -ENOMEM : 0;
}

/* --- what is none --- */

static int is_merge(const json_t *commit)
{
	return json_array_size(json_object_get(commit, "parents")) > 1;
}

/* Does X name Y in its message: a revert, a picked commit, a squashed branch? */
static int names(const json_t *x, const json_t *y)
{
	return event_lists(json_object_get(x, "names"), event_text(y, "commit"));
}

static int same_text(const json_t *x, const json_t *y, const char *key)
{
	return *event_text(x, key) && strcmp(event_text(x, key), event_text(y, key)) == 0;
}

static int says_so(const json_t *commit)
{
	return strncmp(event_text(commit, "how"), "trailer", 7) == 0;
}

/* Unless both say themselves whose they are. */
static int is_rewrite(const json_t *x, const json_t *y)
{
	return same_text(x, y, "author") &&
	       event_int(x, "author_at") == event_int(y, "author_at") && same_text(x, y, "loose") &&
	       !(says_so(x) && says_so(y));
}

static int is_none(const json_t *x, const json_t *y)
{
	return is_merge(x) || is_merge(y) || names(x, y) || names(y, x) || is_rewrite(x, y) ||
	       same_text(x, y, "session");
}

/* --- signs --- */

static int add_common(const json_t *x, const json_t *y, struct converge *out)
{
	const json_t *p;
	size_t i;
	int err = 0;

	json_array_foreach(json_object_get(x, "paths"), i, p)
		if (!err && is_listed(p) && path_named(y, name_of(p)))
			err = add_name(out, name_of(p));
	return err;
}

/* Is NAME inside one of the commit's own claims? */
static int is_covered(const json_t *commit, const char *name)
{
	const json_t *g;
	size_t i;

	json_array_foreach(json_object_get(commit, "grants"), i, g)
		if (commit_covers(g, name))
			return 1;
	return 0;
}

/* Did the later of the two know of the other's commit, and hold NAME to go on with it? */
static int goes_on(const json_t *x, const json_t *y, const char *name)
{
	int y_later = event_int(y, "commit_at") >= event_int(x, "commit_at");
	const json_t *first = y_later ? x : y, *later = y_later ? y : x;

	return event_int(later, "base") > event_int(first, "seq") && is_covered(later, name);
}

/* Paths of both that are not inside the claims of both. */
static int judge_paths(const json_t *x, const json_t *y, struct converge *out)
{
	const json_t *p;
	size_t i;
	int err = 0;

	json_array_foreach(json_object_get(x, "paths"), i, p) {
		const char *name = name_of(p);

		if (err || !is_listed(p) || !path_named(y, name) ||
		    (is_covered(x, name) && is_covered(y, name)) || goes_on(x, y, name))
			continue;
		out->kinds |= CONVERGE_PATH;
		err = add_name(out, name);
	}
	return err;
}

/* Did Y's session hold a path of X when that was committed? */
static int is_held(const json_t *x, const json_t *y)
{
	return event_lists(json_object_get(x, "holders"), event_text(y, "session"));
}

/* X wrote, outside its own claims, what Y's session held by then, to write it. */
static int judge_trespass(const json_t *x, const json_t *y, struct converge *out)
{
	const json_t *g, *p;
	size_t i, j;
	int err = 0;

	if (!is_held(x, y))
		return 0;
	json_array_foreach(json_object_get(y, "grants"), i, g) {
		if (event_int(x, "commit_at") + SECOND_MS < event_int(g, "since"))
			continue;
		json_array_foreach(json_object_get(x, "paths"), j, p) {
			if (err || !is_listed(p) || is_covered(x, name_of(p)) ||
			    !commit_covers(g, name_of(p)))
				continue;
			out->kinds |= CONVERGE_PATH;
			err = add_name(out, name_of(p));
		}
	}
	return err;
}

/* A file that X added is what Y wrote under another name. */
static int judge_blobs(const json_t *x, const json_t *y, struct converge *out)
{
	const json_t *p, *q;
	size_t i, j;
	int err = 0;

	json_array_foreach(json_object_get(x, "paths"), i, p) {
		if (*status_of(p) != 'A' || json_integer_value(json_array_get(p, 3)) < BLOB_LEAST ||
		    path_named(y, name_of(p)))
			continue;
		json_array_foreach(json_object_get(y, "paths"), j, q) {
			if (err || !is_listed(q) || !*blob_of(q) || *status_of(q) == 'R' ||
			    strcmp(blob_of(p), blob_of(q)) != 0)
				continue;
			out->kinds |= CONVERGE_BLOB;
			err = add_name(out, name_of(q));
			if (!err)
				err = add_name(out, name_of(p));
		}
	}
	return err;
}

int converge_telling(const char *subject)
{
	static const char *const common[] = { "Merge ", "Revert ", "fixup! ", "squash! ",
					      "amend! " };
	int words = 0;

	for (size_t i = 0; i < sizeof(common) / sizeof(common[0]); i++)
		if (strncmp(subject, common[i], strlen(common[i])) == 0)
			return 0;
	for (const char *s = subject; *s; s++)
		words += !isspace((unsigned char)*s) &&
			 (s == subject || isspace((unsigned char)s[-1]));
	return words >= SUBJECT_WORDS && strlen(subject) >= SUBJECT_LEAST;
}

/* Was X first? In the same second it is their names that decide, in whatever order they come. */
static int is_first(const json_t *x, const json_t *y)
{
	int64_t gap = event_int(x, "commit_at") - event_int(y, "commit_at");

	return gap ? gap < 0 : strcmp(event_text(x, "commit"), event_text(y, "commit")) < 0;
}

/* The paths of the one that has some: those of the first, if both have. */
static int judge_subject(const json_t *x, const json_t *y, struct converge *out)
{
	const json_t *p, *first = is_first(x, y) ? x : y;
	size_t i;
	int err = 0;

	if (!same_text(x, y, "subject") || !converge_telling(event_text(x, "subject")))
		return 0;
	out->kinds |= CONVERGE_SUBJECT;
	if (has_paths(x) != has_paths(y))
		out->kinds |= CONVERGE_EMPTY;
	if (!has_paths(first))
		first = first == x ? y : x;
	json_array_foreach(json_object_get(first, "paths"), i, p)
		if (!err && is_listed(p))
			err = add_name(out, name_of(p));
	return err;
}

/* Is what X did to every path of it what Y did there, too, and not knowingly after it? */
static int is_within(const json_t *x, const json_t *y)
{
	const json_t *p, *other;
	size_t i;

	json_array_foreach(json_object_get(x, "paths"), i, p) {
		other = is_listed(p) ? path_named(y, name_of(p)) : NULL;
		if (!other || goes_on(x, y, name_of(p)) || strcmp(blob_of(p), blob_of(other)) != 0)
			return 0;
		if (!*blob_of(p) && (*status_of(p) != 'D' || *status_of(other) != 'D'))
			return 0;
	}
	return has_paths(x);
}

/* What they have in common that is more than a place. */
static int judge_twins(const json_t *x, const json_t *y, struct converge *out)
{
	if (same_text(x, y, "patch"))
		out->kinds |= CONVERGE_PATCH;
	else if (same_text(x, y, "loose"))
		out->kinds |= CONVERGE_FORMAT;
	if (is_within(x, y) || is_within(y, x))
		out->kinds |= CONVERGE_EMPTY;
	return out->kinds ? add_common(x, y, out) : 0;
}

int converge_judge(const json_t *x, const json_t *y, struct converge *out)
{
	int err;

	*out = (struct converge){ .paths = json_array() };
	if (is_none(x, y))
		return 0;
	err = judge_twins(x, y, out);
	if (!err)
		err = judge_paths(x, y, out);
	if (!err)
		err = judge_trespass(x, y, out);
	if (!err)
		err = judge_trespass(y, x, out);
	if (!err)
		err = judge_blobs(x, y, out);
	if (!err)
		err = judge_blobs(y, x, out);
	return err || out->kinds ? err : judge_subject(x, y, out);
}

const json_t *converge_grant(const json_t *commit)
{
	const json_t *g, *p, *best = NULL;
	int most = -1;
	size_t i, j;

	json_array_foreach(json_object_get(commit, "grants"), i, g) {
		int n = json_is_true(json_object_get(g, "named")) ? 1 << 20 : 0;

		json_array_foreach(json_object_get(commit, "paths"), j, p)
			n += commit_covers(g, name_of(p));
		if (n >= most) {
			most = n;
			best = g;
		}
	}
	return best;
}
