/* Probes: added and removed by operators; what they said is recorded. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "backend/rules.h"
#include "backend/text.h"

int rule_probe_add(struct tx *tx, const struct change *c)
{
	int64_t id = 0;
	int got, err = rules_may(tx, RIGHT_OPERATOR, NULL, NULL);

	if (err)
		return err;
	if (name_check(c->name, strlen(c->name)))
		return tx_refuse(tx, EINVAL, "use A-Z a-z 0-9 . _ : @ + # -",
				 "not a name for a probe");
	got = db_int(tx->db, &id, Q(PROBE_NAMED), T(c->name));
	if (got)
		return got < 0 ? tx_fail(tx, got) :
				 tx_refuse(tx, EEXIST, "nothing to do", "there is a probe %s",
					   c->name);
	tx->result->id = tx->seq + 1;
	return tx_emit(tx, "probe",
		       json_pack("{s:s,s:I}", "probe", c->name, "uid", (json_int_t)tx->actor->uid));
}

int rule_probe_remove(struct tx *tx, const struct change *c)
{
	int64_t id = 0;
	int got, err = rules_may(tx, RIGHT_OPERATOR, NULL, NULL);

	if (err)
		return err;
	got = db_int(tx->db, &id, Q(PROBE_NAMED), T(c->name));
	if (got <= 0)
		return got ? tx_fail(tx, got) :
			     tx_refuse(tx, ENOENT, "ls probes/", "there is no probe %s", c->name);
	return tx_emit(tx, "probe-removed",
		       json_pack("{s:s,s:I}", "probe", c->name, "probe_id", (json_int_t)id));
}

/* The daemon's own: TEXT is the roll-up's word; recorded when it changed. */
int rule_judged(struct tx *tx, const struct change *c)
{
	char *last = tx_attr(tx->db, 0, "verdict");
	int same = last && strcmp(last, c->text) == 0;

	free(last);
	if (same)
		return 0;
	return tx_emit(tx, "set",
		       json_pack("{s:s,s:s,s:I,s:s,s:s}", "of", "control", "name", "control",
				 "thing", (json_int_t)0, "field", "verdict", "value", c->text));
}
