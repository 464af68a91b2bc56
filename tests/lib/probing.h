/*
 * probing: a probe of a built-in kind on a store in a simulated world, looked with and judged as
 * the daemon does, and judgements of inputs that are written by hand.
 */
#ifndef TESTS_LIB_PROBING_H
#define TESTS_LIB_PROBING_H

#include "backend/probe.h"
#include "tests/lib/check.h"

struct probing {
	struct fixture f;
	const struct probe_kind *kind;
	int64_t id;
	json_t *inputs, *asked; /* of the last look */
};

/* A new store with the probe NAME, and nothing else. */
void probing_open(struct probing *p, const char *name);
void probing_close(struct probing *p);
/* Set a field of the probe, as the owner. */
void probing_set(struct probing *p, const char *field, const char *text);
/* Make a thing (a lane, a lesson) as the owner; its id. And set a field of it. */
int64_t probing_thing(struct probing *p, enum thing_kind of, const char *name);
void probing_field(struct probing *p, enum thing_kind of, int64_t id, const char *field,
		   const char *text);
/* Look. Aborts when that fails or leaves a statement open. */
void probing_look(struct probing *p);
/* Look and judge; PROGRAM (JSON, ' for "): how the program it asks for ended; NULL: it asks for none. */
struct probe_said probing_run(struct probing *p, const char *program);
/* What KIND says of INPUTS (JSON, ' for "). */
struct probe_said probing_judge(const char *kind, const char *inputs);

#define assert_said(said_, answer_, filed_, detail_)                                         \
	do {                                                                                 \
		struct probe_said got_ = (said_);                                            \
		cr_expect_str_eq(got_.detail, (detail_));                                    \
		cr_expect_eq(got_.answer, (answer_), "%s: %s", probe_words[got_.answer],     \
			     got_.detail);                                                   \
		cr_expect(got_.answer != PROBE_SUPPLY || got_.filed == (filed_), "filed %d", \
			  got_.filed);                                                       \
	} while (0)
#define assert_supply(said, filed, detail) assert_said(said, PROBE_SUPPLY, filed, detail)
#define assert_dry(said, detail) assert_said(said, PROBE_DRY, 0, detail)
#define assert_unknown(said, detail) assert_said(said, PROBE_UNKNOWN, 0, detail)

#endif
