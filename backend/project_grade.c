/* What the events about sessions' work do to the tables; see project.c. */
#include <stdio.h>

#include "backend/message.h"
#include "backend/project_impl.h"

#define MS_DAY INT64_C(86400000)

void project_day(struct tx *tx, const json_t *e, const char *what, int64_t n)
{
	if (n)
		RUN(Q(DAY_UP), I(event_int(e, "at") / MS_DAY), T(what), I(n));
}

void project_stamp(struct tx *tx, const json_t *e)
{
	static const char *const keys[] = { "judged", "refusals" };
	char number[24];

	RUN(Q(ATTR_SET), I(event_int(e, "thing")), T("stamp.verdict"), T(event_text(e, "verdict")),
	    I(event_int(e, "at")));
	for (int i = 0; i < 2; i++) {
		char name[32];

		(void)snprintf(name, sizeof(name), "stamp.%s", keys[i]);
		(void)snprintf(number, sizeof(number), "%lld", (long long)event_int(e, keys[i]));
		RUN(Q(ATTR_SET), I(event_int(e, "thing")), T(name), T(number),
		    I(event_int(e, "at")));
	}
}

void project_journal(struct tx *tx, json_t *e)
{
	RUN(Q(JOURNAL_ADD), I(event_int(e, "seq")), I(event_int(e, "session_id")),
	    I(event_int(e, "at")), T(event_text(e, "text")));
}

void project_grade(struct tx *tx, json_t *e)
{
	RUN(Q(GRADE_ADD), I(event_int(e, "seq")), I(event_int(e, "graded_id")),
	    T(event_text(e, "dimension")), T(event_text(e, "value")), T(event_text(e, "reason")),
	    T(event_text(e, "session")), I(event_int(e, "uid")), I(event_int(e, "at")),
	    T(event_text(e, "judge")));
	project_notice(tx, e, event_int(e, "graded_id"));
}

#define MOUNT_UID (-1)

/* A mailbox keeps so many; a sender's own go before others'. */
static void into_mailbox(struct tx *tx, const json_t *e, int64_t session, int64_t sender,
			 int64_t uid)
{
	RUN(Q(MESSAGE_ADD), I(session), I(event_int(e, "seq")), I(sender), I(uid),
	    I(event_int(e, "at")));
	if (tx->err || !db_changes(tx->db))
		return;
	RUN(Q(MESSAGES_PRUNE_SENDER), I(session), I(sender), I(MESSAGES_OF_SENDER));
	if (sender)
		RUN(Q(MESSAGES_PRUNE_UID), I(session), I(uid), I(MESSAGES_OF_UID));
	RUN(Q(MESSAGES_PRUNE), I(session), I(MESSAGES_KEPT));
}

void project_message(struct tx *tx, json_t *e)
{
	into_mailbox(tx, e, event_int(e, "to_id"), event_int(e, "session_id"), event_int(e, "uid"));
}

void project_notice(struct tx *tx, const json_t *e, int64_t session)
{
	into_mailbox(tx, e, session, 0, MOUNT_UID);
}

/* A whole session at once, ended; again, what stands in its place. */
void project_session_import(struct tx *tx, json_t *e)
{
	static const char *const fields[] = { "category", "outcome", "record" };
	int64_t id = event_int(e, "session_id");

	if (!id) {
		id = event_int(e, "seq");
		RUN(Q(SESSION_ADD), I(id), T(event_text(e, "session")), I(event_int(e, "uid")),
		    I(event_int(e, "gid")), I(event_int(e, "started")));
	}
	RUN(Q(SESSION_IMPORTED), I(event_int(e, "started")), I(event_int(e, "ended")), I(id));
	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
		project_attr(tx, id, fields[i], json_object_get(e, fields[i]), event_int(e, "at"));
}

void project_line(struct tx *tx, json_t *e)
{
	int hex = json_object_get(e, "hex") != NULL;

	RUN(Q(LINE_ADD), I(event_int(e, "seq")), T(event_text(e, "of")), I(hex),
	    T(event_text(e, hex ? "hex" : "line")));
}
