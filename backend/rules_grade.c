/* What a session says of its work, and what others say of it. Nobody marks their own. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "backend/clean.h"
#include "backend/grade.h"
#include "backend/rules.h"
#include "backend/text.h"

#define JOURNAL_MAX 1048576 /* bytes of a session's journal */

int rule_journal(struct tx *tx, const struct change *c)
{
	size_t n = c->n && c->text[c->n - 1] == '\n' ? c->n - 1 : c->n;
	AUTO_FREE char *text = tx_allocated(strndup(c->text, n));
	struct session s;
	int err = rules_own_session(tx, c, &s);

	if (err)
		return err;
	err = text_check(c->text, c->n);
	if (err || !n)
		return tx_refuse(tx, err ? -err : EINVAL, "echo TEXT >> sessions/ID/journal",
				 "a journal takes lines of UTF-8 text");
	if (db_get(tx->db, 0, Q(JOURNAL_SIZE), I(s.id)) + (int64_t)n >= JOURNAL_MAX)
		return tx_refuse(tx, EDQUOT, "keep the rest elsewhere, and say here where",
				 "the journal of session %s is full: 1 MiB", s.name);
	return tx_emit(tx, "journal",
		       json_pack("{s:s,s:I,s:I,s:s}", "session", s.name, "session_id",
				 (json_int_t)s.id, "uid", (json_int_t)tx->actor->uid, "text",
				 text ? text : ""));
}

/* May the actor say how session S did? 0, or refused. */
static int may_grade(struct tx *tx, const struct session *s, struct session *by)
{
	static const char next[] = "let another session, or an operator, grade it";
	const struct actor *a = tx->actor;

	*by = (struct session){ .name = "-" };
	if (a->session == s->id || a->joined == s->id || a->foreign == s->id)
		return tx_refuse(tx, EPERM, next,
				 "you are session %s: nobody grades their own work", s->name);
	if (a->session && read_session(tx->db, a->session, by) < 0)
		return tx_fail(tx, -EIO);
	if (a->session && grade_is_family(by->name, s->name))
		return tx_refuse(tx, EPERM, next,
				 "session %s is of the family of %s: nobody grades their own work",
				 by->name, s->name);
	if (a->is_operator)
		return 0;
	if (!a->session)
		return tx_refuse(
			tx, EPERM, next,
			"no session: grades are written by another session, or by an operator");
	if (by->ended)
		return tx_refuse(tx, ESTALE, "register a new session", "session %s has ended",
				 by->name);
	if (a->uid != s->uid)
		return tx_refuse(tx, EPERM, "ask an operator",
				 "session %s belongs to uid %u, you are uid %u and no operator",
				 s->name, s->uid, a->uid);
	return 0;
}

/* "0.8 reason" or "0.8 judge=V3 reason", one line. 0, or refused. */
static int parse_grade(struct tx *tx, const struct change *c, char value[24], char judge[64],
		       const char **reason)
{
	static const char next[] = "echo \"0.8 why\" > sessions/ID/grades/DIMENSION";
	const char *text = c->text, *word;
	size_t n = strcspn(text, " \n"), k;
	double v;

	int err = line_check(text, c->n ? c->n - 1 : 0);

	if (err || !c->n || text[c->n - 1] != '\n')
		return tx_refuse(
			tx, err ? -err : EINVAL, next,
			"a grade is one line of text with its newline: half a line is none");
	(void)snprintf(value, 24, "%.*s", n < 24 ? (int)n : 0, text);
	err = number_parse(value, &v);
	if (err == -EINVAL)
		return tx_refuse(tx, EINVAL, next, "not a number from 0 to 1");
	if (err || v < 0 || v > 1)
		return tx_refuse(tx, ERANGE, next, "a grade is a number from 0 to 1");
	word = text + n + strspn(text + n, " ");
	(void)snprintf(judge, 64, "-");
	if (strncmp(word, "judge=", 6) == 0) {
		k = strcspn(word + 6, " \n");
		if (!k || k >= 64)
			return tx_refuse(tx, EINVAL, next, "judge= takes 1 to 63 bytes");
		(void)snprintf(judge, 64, "%.*s", (int)k, word + 6);
		word += 6 + k + strspn(word + 6 + k, " ");
	}
	if (!*word || *word == '\n')
		return tx_refuse(tx, EINVAL, next, "a grade needs a reason");
	*reason = word;
	return 0;
}

int rule_grade(struct tx *tx, const struct change *c)
{
	char value[24], judge[64];
	struct session s, by;
	const char *reason = "";
	int err = rules_session(tx, c, &s);

	if (!err)
		err = may_grade(tx, &s, &by);
	if (!err)
		err = parse_grade(tx, c, value, judge, &reason);
	if (err)
		return err;
	err = tx_emit(tx, "grade",
		      json_pack("{s:s,s:I,s:s,s:s,s:s%,s:s,s:s,s:I,s:I,s:I}", "graded", s.name,
				"graded_id", (json_int_t)s.id, "dimension", c->field, "value",
				value, "reason", reason, strcspn(reason, "\n"), "judge", judge,
				"session", by.name, "session_id", (json_int_t)by.id, "uid",
				(json_int_t)tx->actor->uid, "pid", (json_int_t)tx->actor->pid));
	return err ? err : rules_mark(tx, s.id);
}
