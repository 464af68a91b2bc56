/* The whole grade of a session that has ended, kept for those who compare many. */
#include <stdio.h>
#include <string.h>

#include "backend/clean.h"
#include "backend/grade.h"
#include "backend/rules.h"

/* The grade as an event says it, into OUT; "": nothing is known. 0 or -errno. */
static int mark_text(struct tx *tx, const struct session *s, char out[24])
{
	struct grade g;
	int err = grade_of(tx->db, s, &g);

	*out = 0;
	if (!err && g.known)
		(void)snprintf(out, 24, "%.6f", g.value);
	return err ? tx_fail(tx, err) : 0;
}

int rules_put_mark(struct tx *tx, const struct session *s, json_t *body)
{
	struct session ended = *s;
	char mark[24];
	int err;

	if (tx->tight) /* to end is more than to be remembered for it */
		return 0;
	ended.ended = tx->wall;
	err = mark_text(tx, &ended, mark);
	if (!err && *mark)
		(void)json_object_set_new(body, "mark", json_string(mark));
	return err;
}

int rules_mark(struct tx *tx, int64_t session)
{
	AUTO_FREE char *old = NULL;
	struct session s;
	char mark[24];
	int err, got = session ? read_session(tx->db, session, &s) : 0;

	if (got <= 0 || !s.ended)
		return got < 0 ? tx_fail(tx, got) : 0;
	err = mark_text(tx, &s, mark);
	old = db_text(tx->db, Q(MARK), I(session));
	if (err || !*mark || (old && strcmp(old, mark) == 0))
		return err;
	return tx_emit(tx, "mark",
		       json_pack("{s:s,s:I,s:s}", "session", s.name, "session_id", (json_int_t)s.id,
				 "mark", mark));
}
