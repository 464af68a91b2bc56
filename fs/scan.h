/*
 * scan: looking at the repositories, off the loop. Each has at most one program that walks it
 * (coordfs scan, as the owner of the repository); what it finds goes to the writer in pieces.
 * Whether anything has moved since costs a few stats and no walk.
 */
#ifndef FS_SCAN_H
#define FS_SCAN_H

#include <jansson.h>

#include "fs/loop.h"
#include "fs/request.h"

struct scan_state *scan_new(struct fs *fs, struct loop *loop);
void scan_free(struct scan_state *s);
/* Begin: the mount answers. */
void scan_start(struct scan_state *s);
/* Nothing is begun any more: the writer is about to stop. */
void scan_stop(struct scan_state *s);

/*
 * See to it that all that was committed to the repository REPO by now is recorded. 1: it is.
 * 0: FN(ARG, ERR, WHY) will be called by the loop when it is, or could not be (-errno and a
 * sentence). FORCE: also when nothing seems to have moved. -errno: it cannot be asked for.
 */
typedef void scan_fn(void *arg, int err, const char *why);
int scan_ask(struct scan_state *s, int64_t repo, int force, scan_fn *fn, void *arg);
/* Is all of every repository recorded, without asking the store? 0: ask for each. */
int scan_quiet(struct scan_state *s);
/* When the look at REPO that goes on began, ms since boot; 0: none does. */
int64_t scan_since(const struct scan_state *s, int64_t repo);
/* ARG waits no more. */
void scan_forget(struct scan_state *s, void *arg);

/* A change of a setting, a repository or its path was decided. */
void scan_decided(struct scan_state *s, const struct change *c);
/*
 * HEADER, which is taken over: what a look at the path that REPO is about to get has said.
 * The commits that are reachable by then were there before.
 */
void scan_expect(struct scan_state *s, int64_t repo, json_t *header);

/* The git directory of such a header, or of the run that goes on; NULL: what is recorded is true. */
const char *scan_expected(const struct scan_state *s, int64_t repo);

/* What is known of the last look. */
struct scan_info {
	int64_t at;	   /* wall ms when it ended; 0: never */
	int64_t took;	   /* ms */
	int64_t found;	   /* commits that were new */
	const char *error; /* "": it went well */
	int running;
};
void scan_info(const struct scan_state *s, int64_t repo, struct scan_info *out);

/* What to ask child_start for: this program as `coordfs ARGUMENT..`, as the owner of what is looked at. */
json_t *scan_program(json_t *argv);
/* Is PATH, as it is really called, the mount, or in it? */
int scan_is_ours(const struct fs *fs, const char *path);
/* Options of it: the branches of REPO that are looked at. Inside a read. */
void scan_branches(struct db *db, int64_t repo, json_t *argv);
/* The errno that a program's sentence tells of. */
int scan_errno(const char *sentence);

#endif
