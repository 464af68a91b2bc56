#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend/clean.h"
#include "backend/field.h"
#include "backend/overlap.h"
#include "backend/text.h"
#include "tools/beads.h"
#include "tools/paths.h"

#define PRIORITY_LAST 4 /* 0 is the highest */
#define COST_MAX 1e9

/* What an issue's status is here: the record's state, and whether that is on hold. */
static const struct status {
	const char *name, *state;
	int held;
} statuses[] = {
	{ "open", "ready", 0 },	   { "in_progress", "ready", 1 }, { "hooked", "ready", 1 },
	{ "blocked", "ready", 1 }, { "deferred", "ready", 1 },	  { "pinned", "ready", 1 },
	{ "draft", "idea", 0 },	   { "idea", "idea", 0 },	  { "proposed", "idea", 0 },
	{ "closed", "done", 0 },
};

/* Types of dependencies: does one wait for the other? */
static const struct dependency {
	const char *type;
	int need;
} dependencies[] = {
	{ "blocks", 1 },	  { "waits-for", 1 },	{ "conditional-blocks", 1 },
	{ "parent-child", 0 },	  { "related", 0 },	{ "relates-to", 0 },
	{ "discovered-from", 0 }, { "replies-to", 0 },	{ "duplicates", 0 },
	{ "supersedes", 0 },	  { "authored-by", 0 }, { "assigned-to", 0 },
	{ "approved-by", 0 },	  { "attests", 0 },	{ "tracks", 0 },
	{ "until", 0 },		  { "caused-by", 0 },	{ "validates", 0 },
	{ "delegated-from", 0 },
};

#define N(a) (sizeof(a) / sizeof((a)[0]))

/* One conversion. */
struct conversion {
	json_t *issue, *record;
	const char *id;
	struct buf *notes;
};

__attribute__((format(printf, 2, 3))) static void note(const struct conversion *c, const char *fmt,
						       ...)
{
	char text[512];
	va_list ap;

	if (!c->notes)
		return;
	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	buf_line(c->notes, "%s: %s", c->id, text);
}

static void put(const struct conversion *c, const char *key, json_t *value)
{
	(void)json_object_set_new(c->record, key, value);
}

const char *beads_text(const json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));

	return s ? s : "";
}

int beads_has(const json_t *list, const char *s)
{
	const json_t *v;
	size_t i;

	json_array_foreach(list, i, v)
		if (json_is_string(v) && strcmp(json_string_value(v), s) == 0)
			return 1;
	return 0;
}

static void add_once(json_t *list, const char *s)
{
	if (!beads_has(list, s))
		(void)json_array_append_new(list, json_string(s));
}

json_t *beads_metadata(const json_t *issue)
{
	json_t *v = json_object_get(issue, "metadata");

	v = json_is_string(v) ? json_loads(json_string_value(v), 0, NULL) : json_incref(v);
	if (json_is_object(v))
		return v;
	json_decref(v);
	return NULL;
}

/* --- texts --- */

static int is_control(uint32_t c)
{
	return c < 0x20 || (c >= 0x7f && c <= 0x9f);
}

/*
 * TEXT in OUT as a field takes it: of control characters tab and newline are
 * kept where there may be MANY lines, the others become blanks ("\r\n" a
 * newline); no newlines at the end; 64 KiB at most. 1 if it was cut.
 */
static int clean(const char *text, int many, struct buf *out)
{
	size_t i, n = strlen(text);
	uint32_t c = 0;
	int len, cut = 0;

	for (i = 0; i < n && !cut; i += (size_t)len) {
		len = utf8_next(text + i, n - i, &c);
		if (len < 0) { /* no JSON text has such a byte */
			len = 1;
			c = 0;
		}
		if (many && c == '\r' && text[i + 1] == '\n')
			continue;
		cut = out->n + (size_t)len > FIELD_MAX;
		if (cut)
			break;
		if (is_control(c) && !(many && (c == '\n' || c == '\t')))
			buf_char(out, ' ');
		else
			buf_add(out, text + i, (size_t)len);
	}
	while (out->n && out->p[out->n - 1] == '\n')
		out->p[--out->n] = '\0';
	return cut;
}

/* The issue's text at FROM as the record's TO; nothing if it is empty. */
static void convert_text(const struct conversion *c, const char *from, const char *to, int many)
{
	const json_t *v = json_object_get(c->issue, from);
	AUTO_BUF struct buf text = BUF_INIT;

	if (v && !json_is_string(v) && !json_is_null(v))
		note(c, "%s is no text, passed over", from);
	if (clean(beads_text(c->issue, from), many, &text))
		note(c, "%s is cut to %d bytes", from, FIELD_MAX);
	if (text.n)
		put(c, to, json_stringn(text.p, text.n));
}

/* --- numbers --- */

/* A number, or a string that is one; "P1" is 1. 1 or 0. */
static int number_of(const json_t *v, double *out)
{
	const char *s = json_string_value(v);

	if (json_is_number(v)) {
		*out = json_number_value(v);
		return 1;
	}
	if (!s)
		return 0;
	return !number_parse(s + (*s == 'P' || *s == 'p'), out);
}

/* 0 is the highest priority, and 4 the highest value. */
static void convert_priority(const struct conversion *c)
{
	const json_t *v = json_object_get(c->issue, "priority");
	char text[2] = "0";
	double p;

	if (!v || json_is_null(v))
		return;
	if (!number_of(v, &p) || !(p >= 0 && p <= PRIORITY_LAST) || p != (int)p) {
		note(c, "priority is not one of 0 to %d, passed over", PRIORITY_LAST);
		return;
	}
	text[0] = (char)('0' + PRIORITY_LAST - (int)p);
	put(c, "value", json_string(text));
}

static void convert_cost(const struct conversion *c)
{
	const json_t *v = json_object_get(c->issue, "estimated_minutes");
	char text[32];
	double minutes;

	if (!v || json_is_null(v))
		return;
	if (!number_of(v, &minutes) || minutes > COST_MAX) {
		note(c, "estimated_minutes is no number of minutes, passed over");
		return;
	}
	(void)snprintf(text, sizeof(text), "%.15g", minutes);
	if (minutes > 0)
		put(c, "cost", json_string(text));
}

/* --- lists --- */

/* LABEL made a name; "" if nothing is left. */
static void tag_of(const char *label, char tag[NAME_LEN_MAX + 1])
{
	size_t n = 0;

	for (; n < NAME_LEN_MAX && label[n]; n++)
		tag[n] = name_check(&label[n], 1) && label[n] != '.' ? '-' : label[n];
	tag[n] = '\0';
	if (tag[0] == '.')
		tag[0] = '-';
	if (n && name_check(tag, n)) /* ".swp" or ".tmp" at its end */
		tag[n - 4] = '-';
}

static void convert_labels(const struct conversion *c)
{
	const json_t *list = json_object_get(c->issue, "labels"), *v;
	json_t *tags = json_array();
	char tag[NAME_LEN_MAX + 1];
	size_t i;

	if (list && !json_is_array(list) && !json_is_null(list))
		note(c, "labels is no list, passed over");
	json_array_foreach(list, i, v) {
		const char *label = json_string_value(v);

		tag_of(label ? label : "", tag);
		if (!*tag)
			note(c, "label %zu is no text, passed over", i + 1);
		else if (strcmp(tag, label) != 0)
			note(c, "label \"%s\" is the tag %s here", label, tag);
		if (*tag)
			add_once(tags, tag);
	}
	if (json_array_size(tags))
		(void)json_object_set(c->record, "tags", tags);
	json_decref(tags);
}

static const struct dependency *dependency_find(const char *type)
{
	for (size_t i = 0; i < N(dependencies); i++)
		if (strcmp(dependencies[i].type, type) == 0)
			return &dependencies[i];
	return NULL;
}

int beads_is_need(const char *type)
{
	const struct dependency *d = dependency_find(type);

	return d && d->need;
}

/* The type of a dependency, spelt as it should be. */
static const char *type_of(const struct conversion *c, const json_t *dep)
{
	const char *type = beads_text(dep, "type");

	if (dependency_find(type))
		return type;
	if (strcmp(type, "parent_child") != 0) {
		note(c, "dependency type \"%s\" is unknown, taken as no need", type);
		return type;
	}
	note(c, "dependency type parent_child on %s is read as parent-child",
	     beads_text(dep, "depends_on_id"));
	return "parent-child";
}

static void convert_dependencies(const struct conversion *c)
{
	const json_t *list = json_object_get(c->issue, "dependencies"), *dep;
	json_t *needs = json_array();
	size_t i;

	if (list && !json_is_array(list) && !json_is_null(list))
		note(c, "dependencies is no list, passed over");
	json_array_foreach(list, i, dep) {
		const char *on = beads_text(dep, "depends_on_id");

		if (!*on)
			note(c, "dependency %zu names no issue, passed over", i + 1);
		else if (beads_is_need(type_of(c, dep)))
			add_once(needs, on);
	}
	if (json_array_size(needs))
		(void)json_object_set(c->record, "needs", needs);
	json_decref(needs);
}

/* Those that say the same are taken once; what is no artifact is left for the mount to refuse. */
static void add_artifact(const struct conversion *c, json_t *list, const char *text, json_t *seen)
{
	struct artifact a;

	if (artifact_parse(text, strlen(text), beads_text(c->record, "repo"), &a, NULL)) {
		add_once(list, text);
		return;
	}
	if (!beads_has(seen, a.name)) {
		(void)json_array_append_new(seen, json_string(a.name));
		(void)json_array_append_new(list, json_string(text));
	}
	artifact_release(&a);
}

static void add_artifacts(const struct conversion *c, json_t *list, const json_t *from)
{
	json_t *seen = json_array();
	const json_t *v;
	size_t i;

	json_array_foreach(from, i, v) {
		if (json_is_string(v))
			add_artifact(c, list, json_string_value(v), seen);
		else
			note(c, "artifact %zu is no text, passed over", i + 1);
	}
	json_decref(seen);
}

static void convert_artifacts(const struct conversion *c, unsigned flags)
{
	json_t *metadata = beads_metadata(c->issue), *all = json_array(), *list = json_array();
	const json_t *named = json_object_get(metadata, "artifacts");

	if (json_is_string(json_object_get(metadata, "repo")))
		(void)json_object_set(c->record, "repo", json_object_get(metadata, "repo"));
	if (json_is_array(named))
		(void)json_array_extend(all, json_object_get(metadata, "artifacts"));
	else if (named && !json_is_null(named))
		note(c, "metadata.artifacts is no list, passed over");
	if (flags & BEADS_GUESS)
		paths_guess(beads_text(c->issue, "description"), all);
	add_artifacts(c, list, all);
	if (json_array_size(list))
		(void)json_object_set(c->record, "artifacts", list);
	json_decref(list);
	json_decref(all);
	json_decref(metadata);
}

/* --- state --- */

static const struct status *status_find(const char *name)
{
	for (size_t i = 0; i < N(statuses); i++)
		if (strcmp(statuses[i].name, name) == 0)
			return &statuses[i];
	return NULL;
}

/* When it was closed; failing that, when it last changed. */
static void convert_done(const struct conversion *c)
{
	static const char *const times[] = { "closed_at", "updated_at" };
	int64_t ms;

	for (size_t i = 0; i < N(times); i++) {
		const char *at = beads_text(c->issue, times[i]);

		if (time_parse(at, &ms))
			continue;
		if (i)
			note(c, "closed_at is no time, %s is taken", times[i]);
		put(c, "done", json_string(at));
		return;
	}
	note(c, "closed_at is no time, that of the import is taken");
}

/* Whoever works on it, or waits, does so elsewhere: nobody here is to take it. */
static void convert_hold(const struct conversion *c, const char *status)
{
	AUTO_BUF struct buf hold = BUF_INIT;

	buf_str(&hold, "external: upstream says ");
	(void)clean(*status ? status : "something else", 0, &hold);
	put(c, "hold", json_string(buf_text(&hold)));
}

static void convert_state(const struct conversion *c)
{
	const json_t *v = json_object_get(c->issue, "status");
	const char *status = v && !json_is_null(v) ? beads_text(c->issue, "status") : "open";
	const struct status *s = status_find(status);
	const char *state = s ? s->state : "ready";

	if (!s)
		note(c, "status \"%s\" is unknown, on hold here", status);
	if (!s || s->held)
		convert_hold(c, status);
	if (json_is_true(json_object_get(c->issue, "is_template")) && strcmp(state, "done") != 0)
		state = "idea";
	if (strcmp(state, "done") == 0)
		convert_done(c);
	put(c, "state", json_string(state));
}

/* --- the whole --- */

const char *beads_wrong(const json_t *issue)
{
	const json_t *id = json_object_get(issue, "id");

	if (!json_is_object(issue))
		return "not a JSON object";
	if (beads_skipped(issue))
		return NULL;
	if (!json_is_string(id))
		return "it has no id";
	if (name_check(json_string_value(id), json_string_length(id)))
		return "its id is no name of 1 to 128 of A-Z a-z 0-9 . _ : @ + # -";
	return NULL;
}

const char *beads_skipped(const json_t *issue)
{
	const char *type = beads_text(issue, "_type");

	if (*type && strcmp(type, "issue") != 0)
		return type;
	return strcmp(beads_text(issue, "status"), "tombstone") == 0 ? "tombstone" : NULL;
}

json_t *beads_record(json_t *issue, unsigned flags, struct buf *notes)
{
	struct conversion c = { issue, json_object(), beads_text(issue, "id"), notes };

	if (!c.record)
		return NULL;
	put(&c, "task", json_string(c.id));
	convert_text(&c, "title", "title", 0);
	convert_text(&c, "description", "body", 1);
	if (strcmp(beads_text(issue, "issue_type"), "epic") == 0)
		put(&c, "kind", json_string("standing"));
	convert_priority(&c);
	convert_cost(&c);
	convert_labels(&c);
	convert_dependencies(&c);
	convert_artifacts(&c, flags);
	convert_state(&c);
	convert_text(&c, "close_reason", "result", 1);
	(void)json_object_set(c.record, "upstream", issue);
	return c.record;
}
