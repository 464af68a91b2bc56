/* What the events about repositories do to the tables; see project.c. */
#include <stdio.h>
#include <string.h>

#include "backend/conflict.h"
#include "backend/project_impl.h"
#include "backend/read.h"

static void add_path(struct tx *tx, int64_t commit, const json_t *path)
{
	const char *name = json_string_value(json_array_get(path, 1));
	const char *blob = json_string_value(json_array_get(path, 2));
	char stem[ARTIFACT_BUFFER];

	if (!name || !strchr(name, ':'))
		return;
	conflict_stem(name, stem);
	RUN(Q(COMMIT_PATH_ADD), T(stem), I(commit), T(name),
	    T(json_string_value(json_array_get(path, 0))), T(blob ? blob : ""),
	    I(json_integer_value(json_array_get(path, 3))));
}

void project_commit(struct tx *tx, json_t *e)
{
	const json_t *path, *holder;
	size_t i;

	RUN(Q(COMMIT_ADD), I(event_int(e, "seq")), I(event_int(e, "repo_id")),
	    T(event_text(e, "commit")), I(event_int(e, "commit_at")), T(event_text(e, "author")),
	    I(event_int(e, "author_at")), T(event_text(e, "subject")),
	    T(strcmp(event_text(e, "session"), "-") == 0 ? "" : event_text(e, "session")),
	    I(event_int(e, "session_id")), T(event_text(e, "how")), T(event_text(e, "patch")),
	    T(event_text(e, "loose")), I(json_is_true(json_object_get(e, "first"))));
	json_array_foreach(json_object_get(e, "paths"), i, path)
		add_path(tx, event_int(e, "seq"), path);
	if (event_int(e, "uncovered"))
		RUN(Q(COMMIT_UNCOVERED), I(event_int(e, "uncovered")), I(event_int(e, "seq")));
	json_array_foreach(json_object_get(e, "reverts"), i, path)
		RUN(Q(REVERT_ADD), T(json_string_value(path)), I(event_int(e, "seq")));
	if (!json_is_true(json_object_get(e, "first")))
		project_day(tx, e,
			    strcmp(event_text(e, "session"), "-") == 0 ? "unattributed" : "commits",
			    1);
	json_array_foreach(json_object_get(e, "holders"), i, holder)
		RUN(Q(COMMIT_HOLDER_ADD), T(json_string_value(holder)), I(event_int(e, "seq")));
}

/* Where the branches are now. */
void project_scan(struct tx *tx, json_t *e)
{
	static const char *const kept[] = { "gitdir", "head", "heads" };

	for (size_t i = 0; i < sizeof(kept) / sizeof(kept[0]); i++)
		project_attr(tx, event_int(e, "repo_id"), kept[i], json_object_get(e, kept[i]),
			     event_int(e, "at"));
}

static void tell(struct tx *tx, json_t *e, const json_t *session, const json_t *why)
{
	RUN(Q(SESSION_TOLD), T(json_string_value(why)), I(event_int(e, "seq")),
	    I(json_integer_value(session)));
	project_notice(tx, e, json_integer_value(session));
}

/* A new one, or (incident_id) what it is now. */
void project_incident(struct tx *tx, json_t *e)
{
	int64_t id = event_int(e, "incident_id");
	const json_t *sessions = json_object_get(e, "session_ids"), *v;
	size_t i;

	if (!id)
		project_day(tx, e, "incidents", 1);
	id = id ? id : event_int(e, "seq");
	RUN(Q(INCIDENT_SET), I(id), I(event_int(e, "incident")), I(event_int(e, "repo_id")),
	    T(event_text(e, "first_session")), T(event_text(e, "second_session")),
	    I(event_int(e, "first_at")), I(event_int(e, "last_at")), I(event_int(e, "gap_ms")),
	    I(event_int(e, "cost_ms")), T(event_text(e, "kinds")), T(event_text(e, "commits")),
	    T(event_text(e, "paths")), T(event_text(e, "held")), T(event_text(e, "lesson")));
	json_array_foreach(json_object_get(e, "commit_ids"), i, v)
		RUN(Q(INCIDENT_COMMIT_ADD), I(id), I(json_integer_value(v)));
	json_array_foreach(json_object_get(e, "whys"), i, v)
		tell(tx, e, json_array_get(sessions, i), v);
}

void project_applied(struct tx *tx, json_t *e)
{
	RUN(Q(INCIDENT_APPLIED), I(event_int(e, "at")), I(event_int(e, "incident_id")));
}

void project_bases(struct tx *tx, int64_t session, const json_t *e)
{
	const json_t *base;
	size_t i;

	json_array_foreach(json_object_get(e, "bases"), i, base)
		RUN(Q(BASE_SET), I(session), I(json_integer_value(json_array_get(base, 0))),
		    I(event_int(e, "seq")), T(json_string_value(json_array_get(base, 2))));
}

void project_base(struct tx *tx, json_t *e)
{
	project_bases(tx, event_int(e, "session_id"), e);
}

/* A claim was granted with a warning, which is kept as a refusal is. */
void project_told(struct tx *tx, json_t *e)
{
	char op[NAME_BUFFER + 16];

	(void)snprintf(op, sizeof(op), "claim %s", event_text(e, "task"));
	tell(tx, e, json_object_get(e, "session_id"), json_object_get(e, "why"));
	RUN(Q(REFUSAL_ADD), I(event_int(e, "seq")), I(event_int(e, "session_id")),
	    I(event_int(e, "at")), T("WARNING"), T(op));
}
