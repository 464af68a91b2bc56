#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "backend/action.h"
#include "backend/clean.h"
#include "backend/field.h"
#include "backend/lesson.h"
#include "backend/match.h"
#include "backend/overlap.h"
#include "backend/probe.h"
#include "backend/text.h"
#include "backend/tx.h"

#define MS_DAY 86400000.0

static const struct field fields[] = {
	{ THING_TASK, "title", FIELD_LINE, RIGHT_TASK, NULL, 0, 0, NULL },
	{ THING_TASK, "body", FIELD_TEXT, RIGHT_TASK, NULL, 0, 0, NULL },
	{ THING_TASK, "repo", FIELD_REPO, RIGHT_TASK, NULL, 0, 0, NULL },
	{ THING_TASK, "artifacts", FIELD_ARTIFACTS, RIGHT_TASK, NULL, 0, 0, NULL },
	{ THING_TASK, "needs", FIELD_NEEDS, RIGHT_TASK, NULL, 0, 0, NULL },
	{ THING_TASK, "lane", FIELD_NAME, RIGHT_TASK, NULL, 0, 0, NULL },
	{ THING_TASK, "value", FIELD_NUMBER, RIGHT_TASK, NULL, -1e9, 1e9, NULL },
	{ THING_TASK, "cost", FIELD_NUMBER, RIGHT_TASK, NULL, 0, 1e9, NULL },
	{ THING_TASK, "kind", FIELD_CHOICE, RIGHT_TASK, " once standing daily epic ", 0, 0, NULL },
	{ THING_TASK, "ttl", FIELD_DURATION, RIGHT_TASK, NULL, 100, 30 * MS_DAY, NULL },
	{ THING_TASK, "tags", FIELD_WORDS, RIGHT_TASK, NULL, 0, 0, NULL },
	{ THING_TASK, "impact", FIELD_NUMBER, RIGHT_TASK, NULL, 0, 5, NULL },
	{ THING_TASK, "feasibility", FIELD_NUMBER, RIGHT_TASK, NULL, 0, 5, NULL },
	{ THING_TASK, "alignment", FIELD_NUMBER, RIGHT_TASK, NULL, 0, 5, NULL },
	{ THING_TASK, "readiness", FIELD_NUMBER, RIGHT_TASK, NULL, 0, 1, NULL },
	{ THING_TASK, "covered", FIELD_WORDS, RIGHT_TASK, NULL, 0, 0, NULL },
	{ THING_TASK, "result", FIELD_TEXT, RIGHT_RESULT, NULL, 0, 0, NULL },
	{ THING_SESSION, "category", FIELD_NAME, RIGHT_SESSION, NULL, 0, 0, NULL },
	{ THING_SESSION, "outcome", FIELD_OUTCOME, RIGHT_SESSION, NULL, 0, 0, NULL },
	{ THING_SESSION, "context", FIELD_TEXT, RIGHT_SESSION, NULL, 0, 0, NULL },
	{ THING_PROBE, "command", FIELD_TEXT, RIGHT_OWNER, NULL, 0, 0, NULL },
	{ THING_PROBE, "timeout", FIELD_DURATION, RIGHT_OPERATOR, NULL, 100, MS_DAY / 24, "30s" },
	{ THING_PROBE, "enabled", FIELD_CHOICE, RIGHT_OPERATOR, " 0 1 shadow ", 0, 0, "1" },
	{ THING_PROBE, "interval", FIELD_DURATION, RIGHT_OPERATOR, NULL, 0, 30 * MS_DAY, NULL },
	{ THING_PROBE, "network", FIELD_CHOICE, RIGHT_OWNER, " 0 1 ", 0, 0, "0" },
	{ THING_PROBE, "verdict", FIELD_ANSWER, RIGHT_OPERATOR, NULL, 0, 0, NULL },
	{ THING_PROBE, "feed", FIELD_TEXT, RIGHT_OPERATOR, NULL, 0, 0, NULL },
	{ THING_PROBE, "floor", FIELD_NUMBER, RIGHT_OPERATOR, NULL, 0, 1, "0.3" },
	{ THING_PROBE, "category", FIELD_NAME, RIGHT_OPERATOR, NULL, 0, 0, "self-review" },
	{ THING_PROBE, "window", FIELD_NUMBER, RIGHT_OPERATOR, NULL, 1, 1000, "20" },
	{ THING_PROBE, "max-age", FIELD_DURATION, RIGHT_OPERATOR, NULL, 0, 3650 * MS_DAY, "7d" },
	{ THING_PROBE, "max-share", FIELD_NUMBER, RIGHT_OPERATOR, NULL, 0, 1, "0.2" },
	{ THING_PROBE, "min-grade", FIELD_NUMBER, RIGHT_OPERATOR, NULL, 0, 1, "0.5" },
	{ THING_PROBE, "lock-age", FIELD_DURATION, RIGHT_OPERATOR, NULL, 0, 30 * MS_DAY, "10m" },
	{ THING_PROBE, "grace", FIELD_DURATION, RIGHT_OPERATOR, NULL, 0, 30 * MS_DAY, "1m" },
	{ THING_PROBE, "linter", FIELD_TEXT, RIGHT_OWNER, NULL, 0, 0, NULL },
	{ THING_PROBE, "manager", FIELD_TEXT, RIGHT_OWNER, NULL, 0, 0,
	  "systemctl list-units --state=failed --plain --no-legend --no-pager" },
	{ THING_PROBE, "failures", FIELD_NUMBER, RIGHT_OPERATOR, NULL, 1, 1000, "5" },
	{ THING_PROBE, "max-sessions", FIELD_NUMBER, RIGHT_OPERATOR, NULL, 0, 1e6, "10" },
	{ THING_PROBE, "max-load", FIELD_NUMBER, RIGHT_OPERATOR, NULL, 0, 1000, "0.9" },
	{ THING_PROBE, "min-memory", FIELD_NUMBER, RIGHT_OPERATOR, NULL, 0, 1, "0.2" },
	{ THING_LANE, "kind", FIELD_CHOICE, RIGHT_OPERATOR, " once standing daily ", 0, 0, "once" },
	{ THING_LANE, "limit", FIELD_NUMBER, RIGHT_OPERATOR, NULL, 0, 1e6, NULL },
	{ THING_LANE, "share-limit", FIELD_NUMBER, RIGHT_OPERATOR, NULL, 0, 1, NULL },
	{ THING_LESSON, "keywords", FIELD_KEYWORDS, RIGHT_MAKER, NULL, 0, 0, NULL },
	{ THING_LESSON, "status", FIELD_CHOICE, RIGHT_MAKER,
	  " active automated deprecated archived draft ", 0, 0, "draft" },
	{ THING_LESSON, "body", FIELD_TEXT, RIGHT_MAKER, NULL, 0, 0, NULL },
	{ THING_REPO, "path", FIELD_PATH, RIGHT_OPERATOR, NULL, 0, 0, NULL },
	{ THING_REPO, "branches", FIELD_REFS, RIGHT_OPERATOR, NULL, 0, 0, NULL },
	{ THING_REPO, "depth", FIELD_NUMBER, RIGHT_OPERATOR, NULL, 1, 1e7, "10000" },
	{ THING_GOAL, "tag", FIELD_NAME, RIGHT_OPERATOR, NULL, 0, 0, NULL },
	{ THING_GOAL, "weight", FIELD_NUMBER, RIGHT_OPERATOR, NULL, 0, 1000, "1" },
	{ THING_CONTROL, "limits", FIELD_LIMITS, RIGHT_OWNER, NULL, 0, 0, NULL },
	{ THING_CONTROL, "lease", FIELD_DURATION, RIGHT_OWNER, NULL, 100, 30 * MS_DAY, "60m" },
	{ THING_CONTROL, "lease-max", FIELD_DURATION, RIGHT_OWNER, NULL, 100, 365 * MS_DAY, "8h" },
	{ THING_CONTROL, "recent", FIELD_DURATION, RIGHT_OWNER, NULL, 1000, 3650 * MS_DAY, "7d" },
	{ THING_CONTROL, "verdict-interval", FIELD_DURATION, RIGHT_OWNER, NULL, 0, MS_DAY, "10s" },
	{ THING_CONTROL, "freshness", FIELD_CHOICE, RIGHT_OWNER, " refuse warn off ", 0, 0,
	  "refuse" },
	{ THING_CONTROL, "dedup", FIELD_CHOICE, RIGHT_OWNER, " warn refuse off ", 0, 0, "warn" },
	{ THING_CONTROL, "dedup-window", FIELD_DURATION, RIGHT_OWNER, NULL, 0, 365 * MS_DAY, "7d" },
	{ THING_CONTROL, "convergence-window", FIELD_DURATION, RIGHT_OWNER, NULL, 0, 30 * MS_DAY,
	  "1h" },
	{ THING_CONTROL, "trailers", FIELD_WORDS, RIGHT_OWNER, NULL, 0, 0,
	  "Coord-Session\nGit-Session-Id\nAgent-Session\nSession-Id\nClaude-Session\nAmp-Thread-ID" },
	{ THING_CONTROL, "scan-interval", FIELD_DURATION, RIGHT_OWNER, NULL, 0, MS_DAY, "10s" },
	{ THING_CONTROL, "guard", FIELD_CHOICE, RIGHT_OWNER, " held strict off ", 0, 0, "held" },
	{ THING_CONTROL, "guard-offline", FIELD_CHOICE, RIGHT_OWNER, " open closed ", 0, 0,
	  "closed" },
	{ THING_CONTROL, "grading.trajectory", FIELD_NUMBER, RIGHT_OWNER, NULL, 0, 1000, "0.40" },
	{ THING_CONTROL, "grading.cascade", FIELD_NUMBER, RIGHT_OWNER, NULL, 0, 1000, "0.35" },
	{ THING_CONTROL, "grading.harm", FIELD_NUMBER, RIGHT_OWNER, NULL, 0, 1000, "0.25" },
	{ THING_CONTROL, "grading.alignment", FIELD_NUMBER, RIGHT_OWNER, NULL, 0, 1000, "0.35" },
	{ THING_CONTROL, "grading.productivity", FIELD_NUMBER, RIGHT_OWNER, NULL, 0, 1000, "0.40" },
	{ THING_CONTROL, "grading.restraint", FIELD_NUMBER, RIGHT_OWNER, NULL, 0, 1000, "0.35" },
	{ THING_CONTROL, "grading.unit", FIELD_NUMBER, RIGHT_OWNER, NULL, 1e-6, 1e9, "1" },
	{ THING_CONTROL, "select.half-life", FIELD_NUMBER, RIGHT_OWNER, NULL, 1, 1e6, "50" },
	{ THING_CONTROL, "select.explore", FIELD_NUMBER, RIGHT_OWNER, NULL, 0, 1, "0.1" },
	{ THING_CONTROL, "select.recency", FIELD_NUMBER, RIGHT_OWNER, NULL, 0, 1, "0.5" },
	{ THING_CONTROL, "select.recency-half-life", FIELD_DURATION, RIGHT_OWNER, NULL, 1000,
	  30 * MS_DAY, "30m" },
	{ THING_CONTROL, "select.monotony", FIELD_NUMBER, RIGHT_OWNER, NULL, 0, 1, "0.1" },
	{ THING_CONTROL, "select.family", FIELD_NUMBER, RIGHT_OWNER, NULL, 0, 1, "0.3" },
	{ THING_CONTROL, "select.share", FIELD_NUMBER, RIGHT_OWNER, NULL, 0, 1, "0.3" },
	{ THING_CONTROL, "select.window", FIELD_NUMBER, RIGHT_OWNER, NULL, 1, 200, "20" },
	{ THING_CONTROL, "select.asking", FIELD_DURATION, RIGHT_OWNER, NULL, 0, MS_DAY, "2m" },
	{ THING_CONTROL, "select.calm", FIELD_DURATION, RIGHT_OWNER, NULL, 0, MS_DAY, "5m" },
	{ THING_CONTROL, "select.refused", FIELD_DURATION, RIGHT_OWNER, NULL, 0, MS_DAY, "1m" },
	{ THING_CONTROL, "actions-limit", FIELD_QUEUES, RIGHT_OWNER, NULL, 0, 0, NULL },
	{ THING_CONTROL, "action-wait", FIELD_DURATION, RIGHT_OWNER, NULL, 100, 30 * MS_DAY,
	  "15m" },
	{ THING_CONTROL, "action-retention", FIELD_DURATION, RIGHT_OWNER, NULL, 1000, 3650 * MS_DAY,
	  "30d" },
	{ THING_CONTROL, "lessons.budget", FIELD_NUMBER, RIGHT_OWNER, NULL, 1024, 1048576,
	  "32768" },
	{ THING_CONTROL, "lessons.dropout", FIELD_NUMBER, RIGHT_OWNER, NULL, 0, 0.5, "0" },
	{ THING_CONTROL, "lessons.window", FIELD_NUMBER, RIGHT_OWNER, NULL, 10, 10000, "200" },
	{ THING_CONTROL, "lessons.broad", FIELD_NUMBER, RIGHT_OWNER, NULL, 0, 1, "0.4" },
	{ THING_CONTROL, "lessons.sample", FIELD_NUMBER, RIGHT_OWNER, NULL, 2, 1e6, "30" },
	{ THING_CONTROL, "lessons.harm", FIELD_NUMBER, RIGHT_OWNER, NULL, -1, 0, "-0.02" },
	{ THING_CONTROL, "estop", FIELD_LINE, RIGHT_OPERATOR, NULL, 0, 0, NULL },
};

const char *const thing_words[THING_KINDS] = { "control", "task",   "session", "probe",
					       "lane",	  "lesson", "repo",    "goal" };

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
	       f->type == FIELD_LIMITS || f->type == FIELD_REFS || f->type == FIELD_QUEUES;
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

static int check_answer(const char *text, const char **reason)
{
	size_t n = strcspn(text, " ");

	for (int i = 0; i < 3; i++)
		if (strlen(probe_words[i]) == n && strncmp(text, probe_words[i], n) == 0)
			return 0;
	return say(-EINVAL, "the first word is supply, dry or unknown", reason);
}

/* A line of any words; then what it resolved, each checked against the events when it is graded. */
static int check_outcome(const char *text, size_t n, const char **reason)
{
	static const char *const verbs[] = { "unblocked ", "reopened ", "cheaper " };
	struct lines l = { text, text + n };
	const char *line;
	size_t len;
	int first = 1;

	for (; lines_next(&l, &line, &len); first = 0) {
		int good = first;

		for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++)
			good = good || (len > strlen(verbs[i]) &&
					strncmp(line, verbs[i], strlen(verbs[i])) == 0);
		if (!good)
			return say(
				-EINVAL,
				"below its first line an outcome says `unblocked TASK`, `reopened TASK` or `cheaper WHAT`",
				reason);
	}
	return 0;
}

static int check_path(const char *text, const char **reason)
{
	if (*text != '/' || strlen(text) >= 4096)
		return say(-EINVAL, "an absolute path is wanted", reason);
	return 0;
}

/* Empty lines are skipped. */
static int check_keywords(const char *text, size_t n, const char **reason)
{
	struct lines l = { text, text + n };
	const char *line;
	size_t len;
	int keywords = 0;

	while (lines_next(&l, &line, &len)) {
		int some = strspn(line, " \t\n") < len, err = some ? match_check(line, len) : 0;

		keywords += some;
		if (err == -E2BIG)
			return say(err, "a keyword has 200 bytes at most", reason);
		if (keywords > LESSON_KEYWORDS)
			return say(-E2BIG, "a lesson has 256 keywords at most", reason);
		if (err)
			return say(
				err,
				"a keyword has a letter or a digit, no * before it, and 4 * at most",
				reason);
	}
	return 0;
}

/* What git takes for a part of a ref's name, and * ? [ besides. */
static int check_refs(const char *text, size_t n, const char **reason)
{
	struct lines l = { text, text + n };
	const char *line;
	size_t len;

	while (lines_next(&l, &line, &len))
		if (!len || len > 255 || memchr(line, ' ', len) || memchr(line, '\t', len) ||
		    *line == '/' || *line == '-')
			return say(
				-EINVAL,
				"each line is a branch or a pattern of branches: main, release/*",
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

static int check_queues(const char *text, size_t n, const char **reason)
{
	struct lines l = { text, text + n };
	struct action_queue q;
	const char *line;
	size_t len;

	while (lines_next(&l, &line, &len))
		if (action_queue_parse(line, len, &q))
			return say(
				-EINVAL,
				"each line is PREFIX NUMBER, the beginning of keys of actions/ and how many of these may be open",
				reason);
	return 0;
}

/* What every value must be, whatever its type. */
static int check_bytes(const struct field *f, const char *text, size_t n, const char **reason)
{
	int many = field_is_list(f) || f->type == FIELD_TEXT || f->type == FIELD_OUTCOME ||
		   f->type == FIELD_KEYWORDS;
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
	case FIELD_ANSWER:
		return check_answer(text, reason);
	case FIELD_PATH:
		return check_path(text, reason);
	case FIELD_OUTCOME:
		return check_outcome(text, n, reason);
	case FIELD_REFS:
		return check_refs(text, n, reason);
	case FIELD_LIMITS:
		return check_limits(text, n, reason);
	case FIELD_QUEUES:
		return check_queues(text, n, reason);
	case FIELD_KEYWORDS:
		return check_keywords(text, n, reason);
	default:
		return 0;
	}
}

char *field_value(struct db *db, enum thing_kind of, int64_t thing, const char *name)
{
	const struct field *f = field_find(of, name);
	char *text = tx_attr(db, thing, name);

	return text || !f || !f->dflt ? text : tx_allocated(strdup(f->dflt));
}

int64_t field_duration(struct db *db, enum thing_kind of, int64_t thing, const char *name)
{
	AUTO_FREE char *text = field_value(db, of, thing, name);
	int64_t ms = 0;

	return text && !duration_parse(text, &ms) ? ms : 0;
}

double field_number(struct db *db, enum thing_kind of, int64_t thing, const char *name)
{
	AUTO_FREE char *text = field_value(db, of, thing, name);
	double v = 0;

	return text && !number_parse(text, &v) ? v : 0;
}
