/*
 * failed-services: has something that runs for the fleet failed, or do its sessions?
 *
 * Inputs, besides "programs" (the manager): manager, failures; outcomes: [[session, its first
 * word]..] of the last ended sessions that did something, the latest first; age: ms since the
 * first of them ended.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "backend/clean.h"
#include "backend/probe_kinds.h"
#include "backend/text.h"
#include "backend/tx.h"

#define LOOK_BACK 5000 /* sessions */
#define OUTAGE_WITHIN INT64_C(86400000)
#define UNITS_SHOWN 5
#define WORD_MOST 32 /* bytes of an outcome's first word */

/* --- look --- */

/* The first word says how it went, the last one that it is over. */
static int is_noop(const char *outcome, const char *first)
{
	const char *last = strrchr(outcome, ' ');

	return strcmp(first, "noop") == 0 || (last && strcmp(last + 1, "noop") == 0);
}

static int look_outcomes(struct probe_look *l, json_t *list)
{
	AUTO_ROWS *r = db_rows(l->db, Q(LAST_OUTCOMES), I(LOOK_BACK));
	double most = probe_number(l->inputs, "failures");
	int err = 0;

	while (!err && (double)json_array_size(list) < most && rows_next(r) > 0) {
		const char *outcome = rows_text(r, 2);
		char word[WORD_MOST];

		(void)snprintf(word, sizeof(word), "%s", outcome);
		word[strcspn(word, " ")] = 0;
		if (is_noop(outcome, word))
			continue;
		if (!json_array_size(list))
			err = json_object_set_new(l->inputs, "age",
						  json_integer(l->wall - rows_int(r, 0)));
		if (json_array_append_new(list,
					  json_pack("[s, s]", rows_text(r, 1), line_mend(word))))
			err = -ENOMEM;
	}
	return err ? -ENOMEM : db_error(l->db);
}

static int look(struct probe_look *l)
{
	json_t *list = json_array();
	int err = json_object_set_new(l->inputs, "outcomes", list) ? -ENOMEM : 0;

	if (!err)
		err = probe_setting(l, "manager");
	if (!err)
		err = probe_setting(l, "failures");
	if (!err)
		err = look_outcomes(l, list);
	return err ? err : probe_ask(l, event_text(l->inputs, "manager"), 0);
}

/* --- judge --- */

/* The first word of the N bytes at *LINE; its length. */
static size_t word_of(const char **line, size_t n)
{
	const char *p = *line, *end = p + n;

	while (p < end && (*p == ' ' || *p == '\t'))
		p++;
	*line = p;
	while (p < end && *p != ' ' && *p != '\t')
		p++;
	return (size_t)(p - *line);
}

static int is_mark(const char *word, size_t n)
{
	static const char *const marks[] = { "\xe2\x97\x8f", "\xc3\x97", "*", "x" };

	for (size_t i = 0; i < sizeof(marks) / sizeof(marks[0]); i++)
		if (strlen(marks[i]) == n && memcmp(marks[i], word, n) == 0)
			return 1;
	return 0;
}

/* The unit that a line of the manager's names, which may stand behind a mark; 0: none. */
static size_t unit_of(const char **line, size_t n)
{
	const char *end = *line + n, *second;
	size_t word = word_of(line, n), other;

	second = *line + word;
	other = word_of(&second, (size_t)(end - second));
	if (!other || !is_mark(*line, word))
		return word;
	*line = second;
	return other;
}

/* "2 failed units: a.service, b.service" into TEXT; how many there are. */
static int64_t list_units(const char *output, struct buf *text)
{
	struct lines lines = { output, output + strlen(output) };
	AUTO_BUF struct buf names = BUF_INIT;
	int64_t units = 0;
	const char *line;
	size_t n;

	while (lines_next(&lines, &line, &n)) {
		size_t word = unit_of(&line, n);

		if (word && units++ < UNITS_SHOWN)
			buf_printf(&names, "%s%.*s", names.n ? ", " : "",
				   word > 100 ? 100 : (int)word, line);
	}
	if (units)
		buf_printf(text, "%s: %.170s%s", probe_count(units, "failed unit"),
			   buf_text(&names), units > UNITS_SHOWN || names.n > 170 ? " .." : "");
	return units;
}

/* What the manager says: no failed units, some, or why that cannot be told. */
static void judge_manager(const json_t *inputs, struct probe_said *out)
{
	const json_t *p = json_array_get(json_object_get(inputs, "programs"), 0);
	const char *name = json_string_value(json_array_get(json_object_get(p, "argv"), 0));
	const char *output = "", *errors = event_text(p, "errors");
	AUTO_BUF struct buf units = BUF_INIT;
	int status = 0;

	name = name ? name : "?";
	if (!probe_program(inputs, 0, &status, &output, out))
		return;
	if (status == 127)
		probe_say(out, PROBE_UNKNOWN, "%.100s: not found", name);
	else if (status && *errors)
		probe_say(out, PROBE_UNKNOWN, "%.100s: %.120s", name, errors);
	else if (status)
		probe_say(out, PROBE_UNKNOWN, "%.100s: exit status %d", name, status);
	else if (text_check(output, strlen(output)))
		probe_say(out, PROBE_UNKNOWN, "%.100s: what it prints is no text", name);
	else if (list_units(output, &units))
		probe_say(out, PROBE_SUPPLY, "%s", buf_text(&units));
	else
		probe_say(out, PROBE_DRY, "no failed units");
}

/* How many of the sessions failed. */
static int64_t failed_of(const json_t *outcomes)
{
	int64_t failed = 0;
	const json_t *o;
	size_t i;

	json_array_foreach(outcomes, i, o) {
		const char *word = json_string_value(json_array_get(o, 1));

		failed += word && strcmp(word, "failed") == 0;
	}
	return failed;
}

static void say_outage(const struct probe_said *manager, int64_t n, struct probe_said *out)
{
	char sessions[64];

	if (n == 1)
		(void)snprintf(sessions, sizeof(sessions), "the last session failed");
	else
		(void)snprintf(sessions, sizeof(sessions), "the last %lld sessions failed",
			       (long long)n);
	if (manager->answer == PROBE_DRY)
		probe_say(out, PROBE_SUPPLY, "%s", sessions);
	else if (manager->answer == PROBE_UNKNOWN)
		probe_say(out, PROBE_SUPPLY, "%s; units unknown: %.160s", sessions,
			  manager->detail);
	else
		probe_say(out, PROBE_SUPPLY, "%s; %.180s", sessions, manager->detail);
}

static void judge(const json_t *inputs, struct probe_said *out)
{
	const json_t *outcomes = json_object_get(inputs, "outcomes");
	int64_t n = (int64_t)json_array_size(outcomes), failed = failed_of(outcomes);
	struct probe_said manager = { .answer = PROBE_UNKNOWN };

	judge_manager(inputs, &manager);
	if (n && failed == n && (double)n >= probe_number(inputs, "failures") &&
	    event_int(inputs, "age") <= OUTAGE_WITHIN)
		say_outage(&manager, n, out);
	else if (manager.answer != PROBE_DRY)
		*out = manager;
	else if (!n)
		probe_say(out, PROBE_DRY, "%s; no session says how it went", manager.detail);
	else
		probe_say(out, PROBE_DRY, "%s; %lld of the last %s failed", manager.detail,
			  (long long)failed, probe_count(n, "session"));
	(void)line_mend(out->detail);
	out->filed = PROBE_UNFILED;
}

const struct probe_kind probe_services = { "failed-services", NULL, look, judge };
