/* prepare_impl: what prepare.c and those that it calls share. */
#ifndef FS_PREPARE_IMPL_H
#define FS_PREPARE_IMPL_H

#include <jansson.h>

#include "fs/child.h"
#include "fs/prepare.h"
#include "fs/scan.h"

struct prepared {
	struct request *r;
	int64_t thing;	/* of its change, which the writer may have by now */
	prepare_fn *fn; /* NULL: nobody waits (any more) */
	void *arg;
	int scans;     /* that are waited for */
	int err;       /* of one of them, where that matters */
	int64_t until; /* ms since boot: the claim is not kept waiting longer; 0: for ever */
	struct child *child;
	json_t *ask;	   /* the program, while it waits its turn */
	child_fn *done;	   /* what gets its answer */
	struct buf output; /* of it */
	json_t *header;	   /* of a repository's path */
	struct prepared *prev, *next;
};

/* All is known: go on, or refuse with ERR. P is left to prepare_end. */
void prepare_done(struct prepared *p, int err);
/* The repository, other than P's, that is about to be at GITDIR: looked at, not decided. 0: none. */
int64_t prepare_coming(const struct prepared *p, const char *gitdir);
/*
 * Run `coordfs ARGV..`, the uid's turn come; DONE gets what it printed in p->output. 0, or
 * refused.
 */
int prepare_run(struct prepared *p, json_t *argv, child_fn *done);

#endif
