/*
 * commit: what was seen in repositories, as structs, and whose it is. A commit's event holds all
 * that is known of it; the tables are for finding it.
 */
#ifndef BACKEND_COMMIT_H
#define BACKEND_COMMIT_H

#include <stdint.h>

#include <jansson.h>

#include "backend/read.h"
#include "backend/tx.h"

#define COMMIT_OID 41 /* 40 hexadecimal digits and the NUL */
#define COMMIT_SUBJECT 256

struct commit {
	int64_t id; /* the number of its event */
	int64_t repo;
	char oid[COMMIT_OID];
	int64_t at; /* when it was committed, wall ms */
	int64_t author_at;
	char subject[COMMIT_SUBJECT];
	char session[NAME_BUFFER]; /* "": nobody's */
	int64_t session_id;	   /* 0: it was never registered */
	char how[64];		   /* how that is known */
	int first;		   /* it was there before the repository was registered */
};

/* 1 and *OUT, 0: no such commit, or -errno. */
int read_commit(struct db *db, int64_t id, struct commit *out);
/* The next row of a statement that selects COMMIT_COLUMNS. */
int commit_row(struct rows *r, struct commit *out);
/* The whole event of a commit (or any other), the caller's; NULL: there is none. */
json_t *commit_event(struct db *db, int64_t id);

/* The time KEY, which the commit SEEN (as it came from the scan) says, wall ms; within 1970 and 9999. */
int64_t commit_ms(const json_t *seen, const char *key);

/* Whose a commit is. */
struct attributed {
	char session[NAME_BUFFER]; /* "": nobody's */
	int64_t id;		   /* 0: never registered */
	char how[64];
};

/*
 * json: the grants that were live when the commit SEEN was made (as it came from the scan), or
 * that it names in a Coord-Token trailer: [{token, task, task_id, session, session_id, since,
 * named, artifacts: [canonical..]}..], what each held then. NULL: no memory, or tx->err.
 * MEMO: an object, empty at first, for all commits that are asked about in one transaction.
 */
json_t *commit_grants(struct tx *tx, const json_t *seen, int64_t at, json_t *memo);
/*
 * Whose is the commit SEEN of the repository REPO: by its trailers, else that of which it is a
 * rewrite, else who held a path of it. NAMES: its paths, canonical; GRANTS: of commit_grants.
 */
int commit_attribute(struct tx *tx, int64_t repo, const json_t *seen, const json_t *names,
		     const json_t *grants, struct attributed *out);
/* Does one of the artifacts of a grant cover NAME, canonical? */
int commit_covers(const json_t *grant, const char *name);

#endif
