/* git_impl: what backend/git*.c share, and they alone include libgit2 through it. */
#ifndef BACKEND_GIT_IMPL_H
#define BACKEND_GIT_IMPL_H

#include <git2.h>

#include "backend/git.h"

/* A repository while it is looked at. */
struct look {
	git_repository *repo;
	const char *workdir; /* ends in '/'; NULL: bare */
	struct buf *says;
};

/* What is wrong, as one sentence into SAYS: "WHAT: WHY". Each answers -errno (ERR, or -ENOMEM). */
int git_sorry(struct buf *says, int err, const char *what, const char *why);
/* The sentence of ERR. */
int git_failed(struct buf *says, int err, const char *what);
/* What libgit2, which answered CODE, says; the errno is made of that. */
int git_refused(struct buf *says, int code, const char *what);

/* Before the first call; ended by git_libgit2_shutdown. 0 or -errno and SAYS. */
int git_library_init(struct buf *says);
/*
 * Open the repository at PATH, as git_look describes it, into L->repo, the caller's to free.
 * 0 or -errno and L->says.
 */
int git_open(struct look *l, const char *path);

/* Put "workdir"; "head" and "branch" of HEAD, as git_look describes them. 0 or -errno and L->says. */
int git_put_workdir(struct look *l, json_t *out);
int git_put_head(struct look *l, json_t *out);

#endif
