/* What the probes said is recorded. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "backend/rules.h"
#include "backend/text.h"

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
