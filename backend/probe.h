/*
 * probe: who looks whether there is work. A kind of probe is a row: `look` gathers what
 * the answer depends on, `judge` answers from that alone. So a run that was recorded can
 * be judged again, and nothing that judges can block.
 */
#ifndef BACKEND_PROBE_H
#define BACKEND_PROBE_H

#include <stdint.h>

#include <jansson.h>

#include "backend/sqlite.h"
#include "backend/world.h"

enum probe_answer { PROBE_DRY, PROBE_SUPPLY, PROBE_UNKNOWN };
extern const char *const probe_words[3];

#define PROBE_DETAIL 256

/* What a look is made with, and what it sees. */
struct probe_look {
	struct db *db; /* a reader, inside a transaction */
	struct world *world;
	int64_t id;	/* of the probe: whose fields are its settings */
	int64_t wall;	/* ms */
	json_t *inputs; /* an object, to be filled: all that judge needs, settings included */
	json_t *asked;	/* an array: probe_ask's programs */
};

/* SUPPLY: is the first word of the detail a task? */
enum probe_filed {
	PROBE_UNFILED, /* no: the work is in nobody's list */
	PROBE_FILED,   /* yes, and it could be claimed when the probe looked */
	PROBE_PERHAPS, /* it is when there is such a task, which the writer will see */
};

struct probe_said {
	enum probe_answer answer;
	int filed; /* enum probe_filed */
	char detail[PROBE_DETAIL];
};

struct probe_kind {
	const char *name;     /* of the probe that is of this kind; "command", "fed" */
	const char *interval; /* of one that is fed: how long that holds; NULL: it is not fed */
	/*
	 * Look at the store, a few ms at most; no files, no waiting. 0, or -errno: could not
	 * look, which is answered as unknown without judge. Called by probe_look_with alone.
	 */
	int (*look)(struct probe_look *l);
	/*
	 * Answer from INPUTS. "programs" is there when look asked for some: an array in their
	 * order of {"argv": [..], "status": N or "signal": N or "failed": why it has no status,
	 * "output": text, "errors": its first line on stderr[, "unsandboxed": why]}.
	 */
	void (*judge)(const json_t *inputs, struct probe_said *out);
};

/* The kind of the probe ID called NAME: by its command, else by its name, else `fed`. */
const struct probe_kind *probe_kind_of(struct db *db, int64_t id, const char *name);
/* The kind called NAME; NULL: none. */
const struct probe_kind *probe_kind_named(const char *name);
/* The built-in kinds, one after the other from I = 0; NULL: no more. */
const struct probe_kind *probe_builtin(int i);

/*
 * Look as KIND does. 0; -errno, also when memory was wanted or the store could not be read and
 * the look did not notice: what it saw then may lack something.
 */
int probe_look_with(const struct probe_kind *kind, struct probe_look *l);

/* How a program is to be run. */
#define PROBE_SELF 1u	 /* argv[0] is this program, whatever it is called */
#define PROBE_NETWORK 2u /* with the network */
#define PROBE_OWNER 4u	 /* as the owner of the path that is the last argument, who may read it */

/*
 * Ask for a program to be run after look. TEXT: the argument vector, the words of one
 * line or one argument a line; copied. 0, -EINVAL (empty), -ENOMEM.
 */
int probe_ask(struct probe_look *l, const char *text, unsigned flags);

/* Answer, for judge: FMT as printf. */
void probe_say(struct probe_said *out, enum probe_answer answer, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* "1 task", "2 tasks": for details; WORD with an s unless N is 1. Static buffers, several in turn. */
const char *probe_count(int64_t n, const char *word);
/* "9d", "3h": MS rounded down to the unit that is large enough. Static buffers, several in turn. */
const char *probe_span(int64_t ms);

/*
 * What the field NAME of the probe says, or holds while it is unset, into the inputs, under
 * that name: a duration as ms, a number as one, else text; null: neither. 0 or -ENOMEM.
 */
int probe_setting(struct probe_look *l, const char *name);
/* A number among INPUTS, whole or not; 0: there is none. */
double probe_number(const json_t *inputs, const char *key);
/* Is WORD one of the lines of TEXT? */
int probe_has_line(const char *text, const char *word);
/* The first line of OUTPUT into LINE, its beginning when it is long; -EINVAL: no text. */
int probe_first_line(const char *output, char *line, size_t n);
/*
 * Program I of INPUTS ended by itself: 1, its exit status into *STATUS and its output into
 * *OUTPUT. 0: it did not, and OUT says unknown and why.
 */
int probe_program(const json_t *inputs, size_t i, int *status, const char **output,
		  struct probe_said *out);

#endif
