/* What a session tells another: who may, in which form, how much. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "backend/message.h"
#include "backend/rules.h"
#include "backend/text.h"

#define HOUR_MS 3600000 /* what was sent within it counts for the limits */

static const char next_send[] = "echo TEXT >> sessions/ID/messages";

/* The lines of C, how many into *LINES: each is one message. 0, or refused. */
static int check_lines(struct tx *tx, const struct change *c, int64_t *lines)
{
	struct lines l = { c->text, c->text + c->n };
	const char *line;
	size_t n;
	int err = c->n && c->text[c->n - 1] == '\n' ? 0 : -EINVAL;

	if (err)
		return tx_refuse(tx, EINVAL, next_send,
				 "a message is a whole line with its newline: half a line is none");
	for (*lines = 0; !err && lines_next(&l, &line, &n); ++*lines)
		err = message_check(line, n);
	if (err == -E2BIG)
		return tx_refuse(tx, E2BIG, "say where the rest is, or send several lines",
				 "a message has %d bytes at most", MESSAGE_MAX);
	return err ? tx_refuse(tx, -err, next_send,
			       "a message is a line of UTF-8 text that is not empty, without "
			       "control characters, other ends of lines, and what turns the "
			       "direction of a text") :
		     0;
}

/* The mailbox C is for, of a session that lives. */
static int mailbox(struct tx *tx, const struct change *c, struct session *to)
{
	int err = rules_session(tx, c, to);

	if (!err && to->ended)
		return tx_refuse(tx, ESTALE, "look who lives: ls sessions/",
				 "session %s has ended: nobody reads its messages", to->name);
	return err;
}

static int refuse_more(struct tx *tx, const struct session *to, const char *who, enum limit limit)
{
	return tx_refuse(
		tx, EDQUOT, "wait for an answer, or say it in fewer lines",
		"session %s had %lld messages from %s within the hour, as many as may be (control/limits %s)",
		to->name, (long long)read_limit(tx->db, limit), who, limit_rows[limit].name);
}

/* May BY send LINES more to TO? Of its uid's own a mailbox takes what each session may send. */
static int check_room(struct tx *tx, const struct session *to, const struct session *by,
		      int64_t lines)
{
	int64_t n =
		db_get(tx->db, 0, Q(MESSAGES_BY), I(to->id), I(by->id), I(tx->wall), I(HOUR_MS));

	if (n + lines > read_limit(tx->db, LIMIT_SESSION_MESSAGES))
		return refuse_more(tx, to, "your session", LIMIT_SESSION_MESSAGES);
	if (tx->actor->uid == to->uid)
		return 0;
	n = db_get(tx->db, 0, Q(MESSAGES_BY_UID), I(to->id), I(tx->actor->uid), I(tx->wall),
		   I(HOUR_MS));
	if (n + lines > read_limit(tx->db, LIMIT_UID_MESSAGES))
		return refuse_more(tx, to, "your uid", LIMIT_UID_MESSAGES);
	return 0;
}

static int send_one(struct tx *tx, const struct session *to, const struct session *by,
		    const char *line, size_t n)
{
	return tx_emit(tx, "message",
		       json_pack("{s:s,s:I,s:s,s:I,s:I,s:I,s:s%}", "to", to->name, "to_id",
				 (json_int_t)to->id, "session", by->name, "session_id",
				 (json_int_t)by->id, "uid", (json_int_t)tx->actor->uid, "pid",
				 (json_int_t)tx->actor->pid, "text", line, n));
}

int rule_message(struct tx *tx, const struct change *c)
{
	struct lines l = { c->text, c->text + c->n };
	struct session by, to;
	const char *line;
	int64_t lines = 0;
	size_t n;
	int err = rules_actor(tx, &by);

	/* one that was registered before nobody could be called so */
	if (!err && strcmp(by.name, MESSAGE_MOUNT) == 0)
		err = tx_refuse(tx, EPERM, "register under another name",
				"session %s has the name of the mount", by.name);
	if (!err)
		err = mailbox(tx, c, &to);
	if (!err)
		err = check_lines(tx, c, &lines);
	if (!err)
		err = check_room(tx, &to, &by, lines);
	while (!err && lines_next(&l, &line, &n))
		err = send_one(tx, &to, &by, line, n);
	return err;
}
