/* What the events about outward deeds do to the tables; see project.c. */
#include <stdio.h>
#include <string.h>

#include "backend/action.h"
#include "backend/project_impl.h"

/* What there is to remember of an event besides its kind: for the history. */
static const char *note_of(const json_t *e, char out[32])
{
	static const char *const keys[] = { "result", "text", "reason" };

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		if (json_object_get(e, keys[i]))
			return event_text(e, keys[i]);
	if (strcmp(event_text(e, "event"), "action-cleared") != 0)
		return "";
	(void)snprintf(out, 32, "by uid %lld", (long long)event_int(e, "uid"));
	return out;
}

/* One line of the key's history; the event's word without "action-". */
static void into_history(struct tx *tx, const json_t *e)
{
	char note[32];

	RUN(Q(ACTION_LOG_ADD), I(event_int(e, "seq")), T(event_text(e, "action")),
	    I(event_int(e, "at")), T(strchr(event_text(e, "event"), '-') + 1),
	    T(event_text(e, "session")), T(note_of(e, note)));
}

void project_action_permitted(struct tx *tx, json_t *e)
{
	RUN(Q(ACTION_ADD), I(event_int(e, "seq")), T(event_text(e, "action")),
	    I(event_int(e, "session_id")), I(event_int(e, "uid")), I(event_int(e, "pid")),
	    I(event_int(e, "at")), I(tx->boot + event_int(e, "wait_ms")));
	into_history(tx, e);
}

void project_action_unknown(struct tx *tx, json_t *e)
{
	RUN(Q(ACTION_DOUBT), I(event_int(e, "at")), T(event_text(e, "reason")),
	    I(event_int(e, "action_id")));
	into_history(tx, e);
}

void project_action_done(struct tx *tx, json_t *e)
{
	RUN(Q(ACTION_FINISH), I(event_int(e, "at")), T(event_text(e, "result")),
	    I(event_int(e, "action_id")));
	into_history(tx, e);
}

void project_action_closed(struct tx *tx, json_t *e)
{
	RUN(Q(ACTION_CLOSE), I(event_int(e, "at")), I(event_int(e, "action_id")));
	into_history(tx, e);
}

/* withdrawn, cleared, forgotten: the key is free again */
void project_action_gone(struct tx *tx, json_t *e)
{
	RUN(Q(ACTION_GONE), I(event_int(e, "seq")), I(event_int(e, "action_id")));
	into_history(tx, e);
}
