/* The table of kinds, and what they share. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "backend/clean.h"
#include "backend/probe.h"
#include "backend/probe_kinds.h"
#include "backend/tx.h"

const char *const probe_words[3] = { "dry", "supply", "unknown" };

/* The two that anyone can make, then those that go by their names. */
static const struct probe_kind *const kinds[] = {
	&probe_command,
	&probe_fed,
	&probe_invariants,
};

#define KINDS ((int)(sizeof(kinds) / sizeof(kinds[0])))
#define BUILTIN 2 /* from here on */

const struct probe_kind *probe_builtin(int i)
{
	return i < KINDS - BUILTIN ? kinds[i + BUILTIN] : NULL;
}

const struct probe_kind *probe_kind_named(const char *name)
{
	for (int i = 0; i < KINDS; i++)
		if (strcmp(kinds[i]->name, name) == 0)
			return kinds[i];
	return NULL;
}

const struct probe_kind *probe_kind_of(struct db *db, int64_t id, const char *name)
{
	AUTO_FREE char *command = tx_attr(db, id, "command");

	if (command)
		return &probe_command;
	for (int i = BUILTIN; i < KINDS; i++)
		if (strcmp(kinds[i]->name, name) == 0)
			return kinds[i];
	return &probe_fed;
}

int probe_ask(struct probe_look *l, const char *text, unsigned flags)
{
	AUTO_FREE char *copy = tx_allocated(strdup(text));
	const char *separators = strchr(text, '\n') ? "\n" : " \t";
	json_t *argv = json_array(), *ask;

	for (char *rest = copy, *word; copy && (word = strtok_r(rest, separators, &rest));)
		(void)json_array_append_new(argv, json_string(word));
	if (!copy || !json_array_size(argv)) {
		json_decref(argv);
		return copy ? -EINVAL : -ENOMEM;
	}
	ask = json_pack("{s:o,s:i}", "argv", argv, "flags", (int)flags);
	return json_array_append_new(l->asked, ask) ? -ENOMEM : 0;
}

void probe_say(struct probe_said *out, enum probe_answer answer, const char *fmt, ...)
{
	va_list ap;

	out->answer = answer;
	va_start(ap, fmt);
	(void)vsnprintf(out->detail, sizeof(out->detail), fmt, ap);
	va_end(ap);
}

const char *probe_count(int64_t n, const char *word)
{
	static char said[4][64];
	static unsigned at;
	char *s = said[at++ % 4];

	(void)snprintf(s, sizeof(said[0]), "%lld %s%s", (long long)n, word, n == 1 ? "" : "s");
	return s;
}

int probe_program(const json_t *inputs, size_t i, int *status, const char **output,
		  struct probe_said *out)
{
	const json_t *p = json_array_get(json_object_get(inputs, "programs"), i);
	const char *failed = event_text(p, "failed");
	const char *name = json_string_value(json_array_get(json_object_get(p, "argv"), 0));

	if (!p)
		probe_say(out, PROBE_UNKNOWN, "was not run");
	else if (*failed)
		probe_say(out, PROBE_UNKNOWN, "%s: %s", name, failed);
	else if (json_object_get(p, "signal"))
		probe_say(out, PROBE_UNKNOWN, "%s: killed by signal %d", name,
			  (int)event_int(p, "signal"));
	else {
		*status = (int)event_int(p, "status");
		*output = event_text(p, "output");
		return 1;
	}
	return 0;
}
