/*
 * observing: commits as a scan reports them, told to a store.
 *
 *	int64_t repo = observing_repo(&f, "r");
 *	assert_ok(observe(&f, repo, .commit = "c1", .session = "s1", .paths = "M src/a.c"));
 */
#ifndef TESTS_LIB_OBSERVING_H
#define TESTS_LIB_OBSERVING_H

#include <stdint.h>

#include <jansson.h>

#include "tests/lib/fixture.h"

/* What is left out is nothing, or of this commit alone. */
struct seen {
	const char *commit;	      /* hexadecimal digits; filled up with 0 */
	const char *session;	      /* its Coord-Session trailer */
	const char *trailers;	      /* JSON (' for "), in place of it */
	const char *paths;	      /* lines: STATUS PATH [BLOB [SIZE]] */
	const char *json;	      /* in place of them: JSON */
	const char *author, *subject; /* "C <c>" and "C", of the commit C */
	const char *patch, *loose;    /* NULL: none */
	const char *names;	      /* one commit of its message */
	int64_t at, author_at;	      /* s since 1970; 0: now, and as at */
	int parents, more;	      /* 0: one */
};

/* A repository that was looked at once, and was empty. Its id. */
int64_t observing_repo(struct fixture *f, const char *name);
/* The same, but never looked at. */
int64_t observing_new_repo(struct fixture *f, const char *name);

/* One commit, alone in its change. */
struct outcome observing_tell(struct fixture *f, int64_t repo, const struct seen *s);
#define observe(f, repo, ...) observing_tell((f), (repo), &(const struct seen){ __VA_ARGS__ })
/* The scan is done; main is at the commit HEAD. */
struct outcome observing_done(struct fixture *f, int64_t repo, const char *head);
/* A whole change: COMMITS is an array of commits (stolen), HEAD: the last of its scan. */
struct outcome observing_change(struct fixture *f, int64_t repo, json_t *commits, const char *head);
/* The commit as a scan has it. */
json_t *observing_commit(struct fixture *f, const struct seen *s);

/* The whole name of a commit; static, of the last few calls. */
const char *observing_oid(const char *digits);
/* "SESSION HOW" of the last commit that was recorded; static. */
const char *observing_whose(struct fixture *f);
/* The session's why; static. */
const char *observing_why(struct fixture *f, int64_t session);
/* The seconds of the wall clock now. */
int64_t observing_now(struct fixture *f);

#endif
