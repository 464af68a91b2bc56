/* check: assertions on outcomes, at the line of the test. */
#ifndef TESTS_LIB_CHECK_H
#define TESTS_LIB_CHECK_H

#include <errno.h>
#include <string.h>

#include <criterion/criterion.h>

#include "backend/text.h"
#include "tests/lib/fixture.h"

/* A refusal's text must end with one line that begins with "next: ". */
static inline int says_next(const char *why)
{
	const char *last = why, *p;

	for (p = why; (p = strchr(p, '\n')) && p[1]; p++)
		last = p + 1;
	return strncmp(last, "next: ", 6) == 0 && strlen(last) > 7 && p && !p[1];
}

#define assert_ok(o_)                                                                          \
	do {                                                                                   \
		struct outcome ok_ = (o_);                                                     \
		cr_assert_eq(ok_.err, 0, "refused with %s: %s", errno_text(ok_.err), ok_.why); \
	} while (0)

/* Refused with ERR (positive), WORDS somewhere in the sentence, and what to do next. */
#define assert_refused(o_, e, words)                                                             \
	do {                                                                                     \
		struct outcome no_ = (o_);                                                       \
		cr_assert_eq(no_.err, -(e), "%s, not %s: %s", errno_text(no_.err), #e, no_.why); \
		cr_assert_not_null(strstr(no_.why, (words)), "no \"%s\" in: %s", (words),        \
				   no_.why);                                                     \
		cr_assert(says_next(no_.why), "no last line \"next: ..\" in: %s", no_.why);      \
	} while (0)

#define assert_column(f, t_, c)                                                        \
	do {                                                                           \
		struct task is_ = fixture_task_now((f), (t_));                         \
		cr_assert_eq(is_.column, (c), "%s is in column %d", (t_), is_.column); \
	} while (0)

/* The store is sound and its tables follow from its events. */
#define assert_sound(f)                                              \
	do {                                                         \
		const char *finds_ = fixture_check(f);               \
		cr_assert_str_empty(finds_, "it found: %s", finds_); \
	} while (0)

#endif
