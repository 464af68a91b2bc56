/* Probes, lanes, lessons, repositories: made and removed by name. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "backend/rules.h"
#include "backend/text.h"

/* Who may make one; removing is for them too, or for who made it. */
static const enum right rights[THING_KINDS] = {
	[THING_PROBE] = RIGHT_OPERATOR, [THING_LANE] = RIGHT_OPERATOR, [THING_LESSON] = RIGHT_MAKER,
	[THING_REPO] = RIGHT_OPERATOR,	[THING_GOAL] = RIGHT_OPERATOR,
};

int rule_add(struct tx *tx, const struct change *c)
{
	const char *word = thing_words[c->of];
	struct thing th = { .kind = c->of, .uid = tx->actor->uid };
	int got, err = rules_may_thing(tx, rights[c->of], &th);

	if (err)
		return err;
	if (name_check(c->name, strlen(c->name)))
		return tx_refuse(tx, EINVAL, "use A-Z a-z 0-9 . _ : @ + # -", "not a name for a %s",
				 word);
	if (c->flags & CHANGE_ONCE && db_get(tx->db, 0, Q(THING_EVER), I(c->of), T(c->name)))
		return 0;
	got = read_thing_named(tx->db, c->of, c->name, &th);
	if (got)
		return got < 0 ? tx_fail(tx, got) :
				 tx_refuse(tx, EEXIST, "nothing to do", "there is a %s %s", word,
					   c->name);
	tx->result->id = tx->seq + 1;
	return tx_emit(tx, word,
		       json_pack("{s:s,s:I}", word, c->name, "uid", (json_int_t)tx->actor->uid));
}

int rule_remove(struct tx *tx, const struct change *c)
{
	const char *word = thing_words[c->of];
	char event[32], id[32];
	struct thing th;
	int err, got = read_thing_named(tx->db, c->of, c->name, &th);

	if (got < 0)
		return tx_fail(tx, got);
	th.uid = got ? th.uid : tx->actor->uid;
	err = rules_may_thing(tx, rights[c->of], &th);
	if (err)
		return err;
	if (!got)
		return tx_refuse(tx, ENOENT, "list its directory", "there is no %s %s", word,
				 c->name);
	(void)snprintf(event, sizeof(event), "%s-removed", word);
	(void)snprintf(id, sizeof(id), "%s_id", word);
	return tx_emit(tx, event,
		       json_pack("{s:s,s:I,s:I}", word, c->name, id, (json_int_t)th.id, "uid",
				 (json_int_t)tx->actor->uid));
}
