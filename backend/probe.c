/* The table of kinds, and what they share. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "backend/clean.h"
#include "backend/field.h"
#include "backend/probe.h"
#include "backend/probe_kinds.h"
#include "backend/text.h"
#include "backend/tx.h"

const char *const probe_words[3] = { "dry", "supply", "unknown" };

/* The two that anyone can make, then those that go by their names. */
static const struct probe_kind *const kinds[] = {
	&probe_command,	   &probe_fed,	&probe_lanes,	 &probe_ideas, &probe_review,
	&probe_invariants, &probe_lint, &probe_services, &probe_calm,  &probe_supply,
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

int probe_look_with(const struct probe_kind *kind, struct probe_look *l)
{
	int err;

	(void)tx_starved();
	err = kind->look(l);
	if (!err)
		err = db_error(l->db);
	return tx_starved() && !err ? -ENOMEM : err;
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

const char *probe_span(int64_t ms)
{
	static const struct {
		int64_t ms;
		const char *unit;
	} units[] = { { 86400000, "d" }, { 3600000, "h" }, { 60000, "m" }, { 1000, "s" } };
	static char said[4][32];
	static unsigned at;
	char *s = said[at++ % 4];
	size_t i = 0;

	while (i < 3 && ms < 2 * units[i].ms)
		i++;
	(void)snprintf(s, sizeof(said[0]), "%lld%s", (long long)(ms / units[i].ms), units[i].unit);
	return s;
}

int probe_setting(struct probe_look *l, const char *name)
{
	const struct field *f = field_find(THING_PROBE, name);
	AUTO_FREE char *text = field_value(l->db, THING_PROBE, l->id, name);
	int64_t ms = 0;
	double v = 0;
	json_t *value;

	if (!text)
		value = json_null();
	else if (f->type == FIELD_DURATION && !duration_parse(text, &ms))
		value = json_integer(ms);
	else if (f->type == FIELD_NUMBER && !number_parse(text, &v))
		value = json_real(v);
	else
		value = json_string(text);
	return json_object_set_new(l->inputs, name, value) ? -ENOMEM : 0;
}

double probe_number(const json_t *inputs, const char *key)
{
	return json_number_value(json_object_get(inputs, key));
}

int probe_has_line(const char *text, const char *word)
{
	struct lines l = { text, text + strlen(text) };
	const char *line;
	size_t n;

	while (lines_next(&l, &line, &n))
		if (strlen(word) == n && memcmp(line, word, n) == 0)
			return 1;
	return 0;
}

int probe_first_line(const char *output, char *line, size_t n)
{
	size_t len = strcspn(output, "\n");

	if (line_check(output, len))
		return -EINVAL;
	if (len >= n)
		for (len = n - 1; ((unsigned char)output[len] & 0xc0) == 0x80; len--)
			; /* not inside a character */
	(void)snprintf(line, n, "%.*s", (int)len, output);
	return 0;
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
