#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "backend/field.h"
#include "backend/overlap.h"
#include "backend/text.h"

#define MS_DAY 86400000.0

static const struct field fields[] = {
	{ THING_TASK, "title", FIELD_LINE, RIGHT_TASK, NULL, 0, 0 },
	{ THING_TASK, "body", FIELD_TEXT, RIGHT_TASK, NULL, 0, 0 },
	{ THING_TASK, "repo", FIELD_REPO, RIGHT_TASK, NULL, 0, 0 },
	{ THING_TASK, "artifacts", FIELD_ARTIFACTS, RIGHT_TASK, NULL, 0, 0 },
	{ THING_TASK, "needs", FIELD_NEEDS, RIGHT_TASK, NULL, 0, 0 },
	{ THING_TASK, "lane", FIELD_NAME, RIGHT_TASK, NULL, 0, 0 },
	{ THING_TASK, "value", FIELD_NUMBER, RIGHT_TASK, NULL, -1e9, 1e9 },
	{ THING_TASK, "cost", FIELD_NUMBER, RIGHT_TASK, NULL, 0, 1e9 },
	{ THING_TASK, "kind", FIELD_CHOICE, RIGHT_TASK, " once standing daily ", 0, 0 },
	{ THING_TASK, "ttl", FIELD_DURATION, RIGHT_TASK, NULL, 100, 30 * MS_DAY },
	{ THING_TASK, "tags", FIELD_WORDS, RIGHT_TASK, NULL, 0, 0 },
	{ THING_TASK, "impact", FIELD_NUMBER, RIGHT_TASK, NULL, 0, 5 },
	{ THING_TASK, "feasibility", FIELD_NUMBER, RIGHT_TASK, NULL, 0, 5 },
	{ THING_TASK, "alignment", FIELD_NUMBER, RIGHT_TASK, NULL, 0, 5 },
	{ THING_TASK, "readiness", FIELD_NUMBER, RIGHT_TASK, NULL, 0, 1 },
	{ THING_TASK, "result", FIELD_TEXT, RIGHT_RESULT, NULL, 0, 0 },
	{ THING_SESSION, "category", FIELD_NAME, RIGHT_SESSION, NULL, 0, 0 },
	{ THING_SESSION, "outcome", FIELD_LINE, RIGHT_SESSION, NULL, 0, 0 },
	{ THING_PROBE, "command", FIELD_TEXT, RIGHT_OWNER, NULL, 0, 0 },
	{ THING_PROBE, "timeout", FIELD_DURATION, RIGHT_OPERATOR, NULL, 100, MS_DAY / 24 },
	{ THING_PROBE, "enabled", FIELD_CHOICE, RIGHT_OPERATOR, " 0 1 ", 0, 0 },
	{ THING_CONTROL, "limits", FIELD_LIMITS, RIGHT_OWNER, NULL, 0, 0 },
	{ THING_CONTROL, "lease", FIELD_DURATION, RIGHT_OWNER, NULL, 100, 30 * MS_DAY },
	{ THING_CONTROL, "lease-max", FIELD_DURATION, RIGHT_OWNER, NULL, 100, 365 * MS_DAY },
	{ THING_CONTROL, "recent", FIELD_DURATION, RIGHT_OWNER, NULL, 1000, 3650 * MS_DAY },
	{ THING_CONTROL, "verdict-interval", FIELD_DURATION, RIGHT_OWNER, NULL, 0, MS_DAY },
	{ THING_CONTROL, "estop", FIELD_LINE, RIGHT_OPERATOR, NULL, 0, 0 },
};

const struct field *field_find(enum thing_kind of, const char *name)
{
	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
		if (fields[i].of == of && strcmp(fields[i].name, name) == 0)
			return &fields[i];
	return NULL;
}

int field_is_list(const struct field *f)
{
	return f->type == FIELD_WORDS || f->type == FIELD_NEEDS || f->type == FIELD_ARTIFACTS ||
	       f->type == FIELD_LIMITS;
}

static int say(int err, const char *sentence, const char **reason)
{
	*reason = sentence;
	return err;
}

static int check_number(const struct field *f, const char *text, const char **reason)
{
	double v;

	if (number_parse(text, &v))
		return say(-EINVAL, "not a number", reason);
	if (v < f->min || v > f->max)
		return say(-ERANGE, "the number is out of range (docs/tree.md gives it)", reason);
	return 0;
}

static int check_duration(const struct field *f, const char *text, const char **reason)
{
	int64_t ms;

	if (duration_parse(text, &ms))
		return say(-EINVAL, "not a duration like 90s, 30m or 2h", reason);
	if ((double)ms < f->min || (double)ms > f->max)
		return say(-ERANGE, "the duration is out of range (docs/tree.md gives it)", reason);
	return 0;
}

static int check_choice(const struct field *f, const char *text, const char **reason)
{
	char word[40];

	if (strlen(text) < sizeof(word) - 2 && !strchr(text, ' ')) {
		(void)snprintf(word, sizeof(word), " %s ", text);
		if (strstr(f->choices, word))
			return 0;
	}
	return say(-EINVAL, "not one of the words this file takes (docs/tree.md lists them)",
		   reason);
}

static int check_names(const char *text, size_t n, const char **reason)
{
	struct lines l = { text, text + n };
	const char *line;
	size_t len;

	while (lines_next(&l, &line, &len))
		if (name_check(line, len))
			return say(-EINVAL, "each line is one name of A-Z a-z 0-9 . _ : @ + # -",
				   reason);
	return 0;
}

static int check_repo(const char *text, size_t n, const char **reason)
{
	static const char *const taken[] = { "branch", "pr", "topic", "url" };

	if (name_check(text, n) || strchr(text, ':'))
		return say(-EINVAL, "a repository's name is 1 to 128 of A-Z a-z 0-9 . _ @ + # -",
			   reason);
	for (size_t i = 0; i < sizeof(taken) / sizeof(taken[0]); i++)
		if (strcmp(text, taken[i]) == 0)
			return say(-EINVAL,
				   "branch, pr, topic and url stand for names that are no paths",
				   reason);
	return 0;
}

static int check_limit_line(const char *line, size_t len)
{
	char name[64], number[24], rest;
	int64_t v;
	char copy[96];

	if (len >= sizeof(copy))
		return -EINVAL;
	(void)snprintf(copy, sizeof(copy), "%.*s", (int)len, line);
	if (sscanf(copy, "%63[a-z-] %23[0-9]%c", name, number, &rest) != 2)
		return -EINVAL;
	for (int i = 0; i < LIMIT_COUNT; i++)
		if (strcmp(limit_rows[i].name, name) == 0)
			return int_parse(number, 0, limit_rows[i].max, &v);
	return -EINVAL;
}

static int check_limits(const char *text, size_t n, const char **reason)
{
	struct lines l = { text, text + n };
	const char *line;
	size_t len;

	while (lines_next(&l, &line, &len))
		if (check_limit_line(line, len))
			return say(
				-EINVAL,
				"each line is NAME NUMBER, as a read of control/limits shows them",
				reason);
	return 0;
}

/* What every value must be, whatever its type. */
static int check_bytes(const struct field *f, const char *text, size_t n, const char **reason)
{
	int many = field_is_list(f) || f->type == FIELD_TEXT;
	int err = many ? text_check(text, n) : line_check(text, n);

	if (n > FIELD_MAX)
		return say(-E2BIG, "a value is 64 KiB at most", reason);
	if (err == -EILSEQ)
		return say(err, "not UTF-8 (a buffer may have cut a character: write it at once)",
			   reason);
	if (err)
		return say(err,
			   many ? "control characters other than newline and tab" :
				  "one line without control characters is wanted",
			   reason);
	return 0;
}

int field_check(const struct field *f, const char *text, size_t n, const char **reason)
{
	int err = check_bytes(f, text, n, reason);

	if (err)
		return err;
	switch (f->type) {
	case FIELD_NAME:
		return name_check(text, n) ?
			       say(-EINVAL, "one name of A-Z a-z 0-9 . _ : @ + # - is wanted",
				   reason) :
			       0;
	case FIELD_REPO:
		return check_repo(text, n, reason);
	case FIELD_NUMBER:
		return check_number(f, text, reason);
	case FIELD_DURATION:
		return check_duration(f, text, reason);
	case FIELD_CHOICE:
		return check_choice(f, text, reason);
	case FIELD_WORDS:
	case FIELD_NEEDS:
		return check_names(text, n, reason);
	case FIELD_LIMITS:
		return check_limits(text, n, reason);
	default:
		return 0;
	}
}
