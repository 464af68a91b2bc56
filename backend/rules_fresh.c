/* Freshness: a claim is made from a picture of the repositories, which may be an old one. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "backend/clean.h"
#include "backend/commit.h"
#include "backend/field.h"
#include "backend/fresh.h"
#include "backend/rules.h"
#include "backend/text.h"

/* --- bases --- */

json_t *rules_heads(struct tx *tx)
{
	AUTO_ROWS *r = db_rows(tx->db, Q(HEADS), I(THING_REPO));
	json_t *list = json_array();

	while (rows_next(r) > 0)
		(void)json_array_append_new(list, json_pack("[I,s,s]", (json_int_t)rows_int(r, 0),
							    rows_text(r, 1), rows_text(r, 2)));
	return list;
}

/* Has S seen all that is known of every repository? */
static int is_up_to_date(struct tx *tx, const struct session *s, const json_t *heads)
{
	const json_t *base;
	size_t i;

	json_array_foreach(heads, i, base) {
		json_int_t repo = json_integer_value(json_array_get(base, 0));
		int64_t seq = db_get(tx->db, -1, Q(BASE_SEQ), I(s->id), I(repo));

		if (seq < 0 || db_get(tx->db, 0, Q(FRESH_ANY), I(repo), I(seq), T(s->name)))
			return 0;
	}
	return 1;
}

int rule_base(struct tx *tx, const struct change *c)
{
	struct session s;
	json_t *heads;
	int err = rules_own_session(tx, c, &s);

	if (err)
		return err;
	heads = rules_heads(tx);
	if (is_up_to_date(tx, &s, heads)) {
		json_decref(heads);
		return 0;
	}
	return tx_emit(tx, "base",
		       json_pack("{s:s,s:I,s:I,s:o}", "session", s.name, "session_id",
				 (json_int_t)s.id, "uid", (json_int_t)tx->actor->uid, "bases",
				 heads));
}

/* --- what becomes of it --- */

static int tell(struct tx *tx, const struct session *s, const char *task, const char *op,
		const char *why)
{
	return tx_emit(tx, "warned",
		       json_pack("{s:s,s:s,s:s,s:I,s:s}", "task", task, "op", op, "session",
				 s->name, "session_id", (json_int_t)s->id, "why", why));
}

int rules_warn(struct tx *tx, const struct change *c, const struct session *s, const struct task *t,
	       const char *op, const char *text)
{
	AUTO_BUF struct buf why = BUF_INIT;
	char when[TIME_TEXT];

	buf_line(&why, "%s WARNING %s", time_text(tx->wall, when), c->op ? c->op : op);
	buf_str(&why, text);
	return why.err ? tx_fail(tx, why.err) : tell(tx, s, t->name, op, buf_text(&why));
}

static int stale(struct tx *tx, const struct change *c, const struct task *t,
		 const struct session *s, const struct news *news, int warns)
{
	AUTO_FREE char *own = tx_attr(tx->db, t->id, "repo");
	char age[DURATION_TEXT];
	struct commit made;
	int err;

	if (read_commit(tx->db, news->commit, &made) <= 0)
		return tx_fail(tx, -EIO);
	(void)duration_text((tx->wall > made.at ? tx->wall - made.at : 0) / 1000 * 1000, age);
	err = tx_refuse(
		tx, ESTALE,
		"look at it (git show COMMIT), bring your work tree up to date, touch sessions/ID/base, and claim again",
		"%s was committed by session %s %s ago, after the base of session %s: %s in %s, \"%s\" (%s)",
		artifact_show(news->path, own ? own : ""), made.session, age, s->name, made.oid,
		news->repo.name, made.subject, made.how);
	if (!warns)
		return err;
	err = rules_warn(tx, c, s, t, "claim", buf_text(&tx->result->why));
	buf_clear(&tx->result->why);
	return err;
}

static int check_repo(struct tx *tx, const struct change *c, const struct task *t,
		      const struct session *s, int64_t id, int warns)
{
	struct news news;
	int got = fresh_news(tx->db, t->id, s, id, &news);

	if (got <= 0)
		return got ? tx_fail(tx, got) : 0;
	return stale(tx, c, t, s, &news, warns);
}

/* A repository could not be looked at: that is said, and stops nobody. */
static int unseen(struct tx *tx, const struct change *c, const struct task *t,
		  const struct session *s)
{
	AUTO_BUF struct buf text = BUF_INIT;

	buf_line(&text, "whether %s is fresh is unknown: %s", t->name, c->n ? c->text : "?");
	buf_line(&text, "next: look at the repository yourself before you write");
	return rules_warn(tx, c, s, t, "claim", buf_text(&text));
}

/* Mostly nobody has committed anything: one statement finds that out. */
int rules_fresh(struct tx *tx, const struct change *c, const struct task *t,
		const struct session *s)
{
	AUTO_FREE char *mode = NULL;
	AUTO_ROWS *r = NULL;
	int got, err = 0;

	if (!s->id)
		return 0;
	r = db_rows(tx->db, Q(FRESH_REPOS), I(t->id), I(THING_REPO), I(s->id), T(s->name));
	got = rows_next(r);
	if (got < 0)
		return tx_fail(tx, got);
	if (!got && !(c->flags & CHANGE_UNSEEN))
		return 0;
	mode = field_value(tx->db, THING_CONTROL, 0, "freshness");
	if (!mode)
		return tx_fail(tx, -ENOMEM);
	if (strcmp(mode, "off") == 0)
		return 0;
	for (; !err && got > 0; got = rows_next(r))
		err = check_repo(tx, c, t, s, rows_int(r, 0), strcmp(mode, "warn") == 0);
	if (!err && c->flags & CHANGE_UNSEEN)
		err = unseen(tx, c, t, s);
	return err;
}
