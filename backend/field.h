/*
 * field: the writable values of things, one row each: their type, who may
 * write them, what they say when unset. A new field is a row here, a row in
 * the tree, a paragraph in docs/tree.md and a test.
 */
#ifndef BACKEND_FIELD_H
#define BACKEND_FIELD_H

#include <stddef.h>

#include "backend/buf.h"
#include "backend/change.h"
#include "backend/rules.h"

#define FIELD_MAX 65536 /* bytes of a value */

enum field_type {
	FIELD_LINE,	 /* one line of text */
	FIELD_TEXT,	 /* any lines */
	FIELD_NAME,	 /* a name, as of a task */
	FIELD_REPO,	 /* a name that can stand before ':' in an artifact */
	FIELD_NUMBER,	 /* min .. max */
	FIELD_DURATION,	 /* 90s 30m 2h */
	FIELD_CHOICE,	 /* one of the words in `choices` */
	FIELD_ANSWER,	 /* supply, dry or unknown, and what else is to be said */
	FIELD_PATH,	 /* absolute */
	FIELD_OUTCOME,	 /* a line, then lines of what it resolved */
	FIELD_REFS,	 /* branches, or patterns of them, one a line */
	FIELD_WORDS,	 /* a list of names, one a line */
	FIELD_LIMITS,	 /* `name number` lines */
	FIELD_QUEUES,	 /* `prefix number` lines */
	FIELD_NEEDS,	 /* a list of tasks: tables of their own */
	FIELD_ARTIFACTS, /* a list of artifacts: tables of their own */
	FIELD_KEYWORDS,	 /* words or phrases, one a line */
};

struct field {
	enum thing_kind of;
	const char *name;
	enum field_type type;
	enum right right;
	const char *choices; /* CHOICE: " once standing daily " */
	double min, max;     /* NUMBER; DURATION: ms */
	const char *dflt;    /* what holds, and is shown, while it is unset; NULL: nothing */
};

/* The row of a field; NULL: there is no such field. */
const struct field *field_find(enum thing_kind of, const char *name);

/* Is the field a list (one thing a line)? */
int field_is_list(const struct field *f);

/*
 * Is TEXT (N bytes, without the last newline, not empty) a value of F?
 * 0, or -errno and a static sentence in *REASON. Existence of tasks and
 * overlap are the writer's to decide.
 */
int field_check(const struct field *f, const char *text, size_t n, const char **reason);

struct db;

/* The value of a field of THING, or what holds while it is unset, to be freed; NULL: neither. */
char *field_value(struct db *db, enum thing_kind of, int64_t thing, const char *name);
/* The same as ms of a duration, as a number; 0 when there is none. */
int64_t field_duration(struct db *db, enum thing_kind of, int64_t thing, const char *name);
double field_number(struct db *db, enum thing_kind of, int64_t thing, const char *name);

#endif
