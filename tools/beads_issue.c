#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend/clean.h"
#include "backend/overlap.h"
#include "backend/text.h"
#include "tools/beads.h"

#define PRIORITY_LAST 4
#define PRIORITY_USUAL 2

/* One task going back: as it is now, what an import of its issue made of it, the new issue. */
struct overlay {
	const json_t *task;
	json_t *was, *issue;
	struct buf *notes;
	int changed;
};

static void set(struct overlay *o, const char *key, json_t *value)
{
	(void)json_object_set_new(o->issue, key, value);
	o->changed = 1;
}

static void unset(struct overlay *o, const char *key)
{
	if (json_object_get(o->issue, key) && !json_object_del(o->issue, key))
		o->changed = 1;
}

static int differs(const struct overlay *o, const char *key)
{
	return strcmp(beads_text(o->task, key), beads_text(o->was, key)) != 0;
}

static int is_column(const struct overlay *o, const char *column)
{
	return strcmp(beads_text(o->task, "column"), column) == 0;
}

static int was_done(const struct overlay *o)
{
	return strcmp(beads_text(o->was, "state"), "done") == 0;
}

/* --- texts and numbers --- */

static void overlay_text(struct overlay *o, const char *key, const char *to)
{
	if (differs(o, key))
		set(o, to, json_string(beads_text(o->task, key)));
}

/* Do two texts say the same number? Neither: yes. */
static int same_number(const char *a, const char *b)
{
	double x, y;

	if (strcmp(a, b) == 0)
		return 1;
	return !number_parse(a, &x) && !number_parse(b, &y) && !(x < y) && !(x > y);
}

/* The nearest whole number of LEAST to MOST. */
static int whole(double v, int least, int most)
{
	if (!(v > least))
		return least;
	return v < most ? (int)(v + 0.5) : most;
}

static void overlay_value(struct overlay *o)
{
	const char *value = beads_text(o->task, "value");
	int priority = PRIORITY_USUAL;
	double v;

	if (same_number(value, beads_text(o->was, "value")))
		return;
	if (!number_parse(value, &v))
		priority = whole(PRIORITY_LAST - v, 0, PRIORITY_LAST);
	set(o, "priority", json_integer(priority));
}

static void overlay_cost(struct overlay *o)
{
	const char *cost = beads_text(o->task, "cost");
	double v;

	if (same_number(cost, beads_text(o->was, "cost")))
		return;
	if (number_parse(cost, &v))
		unset(o, "estimated_minutes");
	else
		set(o, "estimated_minutes", json_integer(whole(v, 1, 1000000000)));
}

static void overlay_kind(struct overlay *o)
{
	int epic = strcmp(beads_text(o->task, "kind"), "standing") == 0;

	if (epic != (strcmp(beads_text(o->was, "kind"), "standing") == 0))
		set(o, "issue_type", json_string(epic ? "epic" : "task"));
}

/* --- lists --- */

/* Is each string of A in B? */
static int within(const json_t *a, const json_t *b)
{
	const json_t *v;
	size_t i;

	json_array_foreach(a, i, v)
		if (!beads_has(b, json_string_value(v)))
			return 0;
	return 1;
}

static int same_list(const json_t *a, const json_t *b)
{
	return json_array_size(a) == json_array_size(b) && within(a, b) && within(b, a);
}

/* The list at KEY, a new reference; an empty one if there is none. */
static json_t *list_of(const json_t *task, const char *key)
{
	json_t *list = json_object_get(task, key);

	return list ? json_incref(list) : json_array();
}

static void overlay_tags(struct overlay *o)
{
	json_t *tags = list_of(o->task, "tags");

	if (!same_list(tags, json_object_get(o->was, "tags")))
		set(o, "labels", json_incref(tags));
	json_decref(tags);
}

/* Which of the issue's dependencies stay: those that are no needs, or still needed. */
static json_t *kept_dependencies(const struct overlay *o)
{
	const json_t *needs = json_object_get(o->task, "needs"),
		     *dropped = json_object_get(o->task, "dropped");
	json_t *kept = json_array(), *dep;
	size_t i;

	json_array_foreach(json_object_get(o->issue, "dependencies"), i, dep) {
		const char *on = beads_text(dep, "depends_on_id");

		if (!beads_is_need(beads_text(dep, "type")) || beads_has(needs, on) ||
		    beads_has(dropped, on))
			(void)json_array_append(kept, dep);
	}
	return kept;
}

/* Needs of upstream that cannot be here are no change. */
static json_t *needs_before(const struct overlay *o)
{
	const json_t *dropped = json_object_get(o->task, "dropped"), *v;
	json_t *needs = json_array();
	size_t i;

	json_array_foreach(json_object_get(o->was, "needs"), i, v)
		if (!beads_has(dropped, json_string_value(v)))
			(void)json_array_append_new(needs, json_string(json_string_value(v)));
	return needs;
}

static void overlay_needs(struct overlay *o)
{
	const json_t *needs = json_object_get(o->task, "needs"), *v;
	json_t *before = needs_before(o), *deps;
	size_t i;

	if (same_list(needs, before)) {
		json_decref(before);
		return;
	}
	deps = kept_dependencies(o);
	json_array_foreach(needs, i, v) {
		if (beads_has(before, json_string_value(v)))
			continue;
		(void)json_array_append_new(deps, json_pack("{s:s,s:s,s:s,s:s}", "issue_id",
							    beads_text(o->task, "task"),
							    "depends_on_id", json_string_value(v),
							    "type", "blocks", "created_at",
							    beads_text(o->task, "changed")));
	}
	set(o, "dependencies", deps);
	json_decref(before);
}

/* The canonical names of a task's artifacts: a new array. */
static json_t *canonical(const json_t *task)
{
	json_t *names = json_array();
	const json_t *v;
	struct artifact a;
	size_t i;

	json_array_foreach(json_object_get(task, "artifacts"), i, v) {
		const char *s = json_string_value(v);

		if (!s || artifact_parse(s, strlen(s), beads_text(task, "repo"), &a, NULL)) {
			(void)json_array_append_new(names, json_string(s ? s : ""));
			continue;
		}
		(void)json_array_append_new(names, json_string(a.name));
		artifact_release(&a);
	}
	return names;
}

static int same_artifacts(const struct overlay *o)
{
	json_t *now = canonical(o->task), *before = canonical(o->was);
	int same = same_list(now, before);

	json_decref(now);
	json_decref(before);
	return same;
}

/* Put metadata back as it was: an object, or one in a string. */
static void set_metadata(struct overlay *o, const json_t *old, json_t *metadata)
{
	AUTO_FREE char *text = json_is_string(old) ? json_dumps(metadata, JSON_COMPACT) : NULL;

	set(o, "metadata", text ? json_string(text) : json_incref(metadata));
}

static void overlay_metadata(struct overlay *o)
{
	const json_t *old = json_object_get(o->issue, "metadata");
	json_t *metadata = beads_metadata(o->issue);
	int artifacts = !same_artifacts(o), repo = differs(o, "repo");

	if ((artifacts || repo) && !metadata && old && !json_is_null(old)) {
		buf_line(o->notes, "%s: metadata is no object, artifacts are left out",
			 beads_text(o->task, "task"));
	} else if (artifacts || repo) {
		metadata = metadata ? metadata : json_object();
		if (artifacts)
			(void)json_object_set_new(metadata, "artifacts",
						  list_of(o->task, "artifacts"));
		if (repo)
			(void)json_object_set_new(metadata, "repo",
						  json_string(beads_text(o->task, "repo")));
		set_metadata(o, old, metadata);
	}
	json_decref(metadata);
}

/* --- state --- */

static const char *status_of(const struct overlay *o)
{
	if (is_column(o, "done"))
		return "closed";
	if (is_column(o, "claims"))
		return "in_progress";
	return is_column(o, "ideas") ? "draft" : "open";
}

/* Does the issue's own status stand for the column the task is in? */
static int status_fits(const struct overlay *o)
{
	const char *status = beads_text(o->issue, "status"), *state = beads_text(o->was, "state");

	if (is_column(o, "claims"))
		return strcmp(status, "in_progress") == 0 || strcmp(status, "hooked") == 0;
	if (is_column(o, "done"))
		return strcmp(state, "done") == 0;
	if (is_column(o, "ideas"))
		return strcmp(state, "idea") == 0;
	return strcmp(state, "ready") == 0 &&
	       (is_column(o, "blocked") || !json_object_get(o->was, "hold"));
}

/* Was it finished here, at another time than upstream says? */
static int finished_anew(const struct overlay *o)
{
	const char *token = beads_text(o->task, "token");
	char when[TIME_TEXT];
	int64_t ms;

	if (!was_done(o))
		return 1;
	if (!*token || strcmp(token, "-") == 0)
		return 0;
	return time_parse(beads_text(o->was, "done"), &ms) ||
	       strcmp(time_text(ms, when), beads_text(o->task, "finished")) != 0;
}

static void overlay_done(struct overlay *o)
{
	if (!is_column(o, "done")) {
		if (was_done(o)) {
			unset(o, "closed_at");
			unset(o, "close_reason");
		}
		return;
	}
	if (finished_anew(o))
		set(o, "closed_at", json_string(beads_text(o->task, "finished")));
	if (differs(o, "result"))
		set(o, "close_reason", json_string(beads_text(o->task, "result")));
}

static void overlay_state(struct overlay *o)
{
	if (!status_fits(o))
		set(o, "status", json_string(status_of(o)));
	overlay_done(o);
}

/* --- the whole --- */

/* The issue of a task that was born here, before what the task says is laid over it. */
static json_t *new_issue(const json_t *task)
{
	const char *created = beads_text(task, "created");

	return json_pack("{s:s,s:s,s:s,s:s,s:i,s:s,s:s,s:s}", "id", beads_text(task, "task"),
			 "title", "", "description", "", "status", "open", "priority",
			 PRIORITY_USUAL, "issue_type", "task", "created_at", created, "updated_at",
			 created);
}

static void lay_over(struct overlay *o)
{
	overlay_text(o, "title", "title");
	overlay_text(o, "body", "description");
	overlay_state(o);
	overlay_value(o);
	overlay_kind(o);
	overlay_cost(o);
	overlay_tags(o);
	overlay_needs(o);
	overlay_metadata(o);
	if (o->changed && *beads_text(o->task, "changed"))
		set(o, "updated_at", json_string(beads_text(o->task, "changed")));
}

json_t *beads_issue(const json_t *task, struct buf *notes)
{
	json_t *upstream = json_object_get(task, "upstream");
	struct buf unwanted = BUF_INIT;
	struct overlay o = { .task = task, .notes = notes ? notes : &unwanted };

	o.issue = upstream ? json_deep_copy(upstream) : new_issue(task);
	o.was = upstream ? beads_record(upstream, 0, NULL) : json_pack("{s:s}", "state", "ready");
	if (o.issue && o.was)
		lay_over(&o);
	json_decref(o.was);
	buf_free(&unwanted);
	return o.issue;
}
