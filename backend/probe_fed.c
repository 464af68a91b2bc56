/* fed: somebody else looks, and writes what he found into the probe's verdict. */
#include <string.h>

#include "backend/clean.h"
#include "backend/field.h"
#include "backend/probe_kinds.h"
#include "backend/text.h"
#include "backend/tx.h"

#define INTERVAL "1h"

static int look(struct probe_look *l)
{
	AUTO_FREE char *text = tx_attr(l->db, l->id, "verdict");
	AUTO_FREE char *interval = tx_attr(l->db, l->id, "interval");
	int64_t ms = 0;

	(void)duration_parse(interval ? interval : INTERVAL, &ms);
	if (text)
		(void)json_object_set_new(l->inputs, "said", json_string(text));
	(void)json_object_set_new(l->inputs, "interval", json_integer(ms));
	(void)json_object_set_new(
		l->inputs, "age",
		json_integer(l->wall - db_get(l->db, 0, Q(ATTR_CHANGED), I(l->id), T("verdict"))));
	return 0;
}

static void judge(const json_t *inputs, struct probe_said *out)
{
	const char *said = event_text(inputs, "said"), *rest = said + strcspn(said, " ");
	char age[DURATION_TEXT], interval[DURATION_TEXT];

	if (!*said) {
		probe_say(out, PROBE_UNKNOWN, "was never fed");
		return;
	}
	if (event_int(inputs, "age") > event_int(inputs, "interval")) {
		probe_say(out, PROBE_UNKNOWN, "fed %s ago, which holds for %s",
			  duration_text(event_int(inputs, "age"), age),
			  duration_text(event_int(inputs, "interval"), interval));
		return;
	}
	for (int i = 0; i < 3; i++)
		if (strncmp(said, probe_words[i], (size_t)(rest - said)) == 0)
			probe_say(out, (enum probe_answer)i, "%.250s", *rest ? rest + 1 : "-");
	out->filed = PROBE_PERHAPS;
}

const struct probe_kind probe_fed = { "fed", INTERVAL, look, judge };
