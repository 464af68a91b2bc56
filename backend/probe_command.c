/* command: a program of the owner's; exit 0 is supply, 1 dry, anything else unknown. */
#include <string.h>

#include "backend/clean.h"
#include "backend/field.h"
#include "backend/probe_kinds.h"
#include "backend/tx.h"

static int look(struct probe_look *l)
{
	AUTO_FREE char *command = tx_attr(l->db, l->id, "command");
	AUTO_FREE char *network = field_value(l->db, THING_PROBE, l->id, "network");

	return probe_ask(l, command ? command : "",
			 network && strcmp(network, "1") == 0 ? PROBE_NETWORK : 0);
}

static void judge(const json_t *inputs, struct probe_said *out)
{
	const json_t *p = json_array_get(json_object_get(inputs, "programs"), 0);
	const char *output = "", *errors = event_text(p, "errors");
	char line[200] = "";
	int status = 0;

	if (!probe_program(inputs, 0, &status, &output, out))
		return;
	if (probe_first_line(output, line, sizeof(line)))
		probe_say(out, PROBE_UNKNOWN, "its first line is not a line of text");
	else if (status > 1)
		probe_say(out, PROBE_UNKNOWN, "exit status %d%s%.150s", status,
			  *line || *errors ? ": " : "", *line ? line : errors);
	else
		probe_say(out, status ? PROBE_DRY : PROBE_SUPPLY, "%s", *line ? line : "-");
	out->filed = PROBE_PERHAPS;
}

const struct probe_kind probe_command = { "command", NULL, look, judge };
