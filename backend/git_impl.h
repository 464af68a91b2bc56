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

/* Whether what CODE says is missing may be there now: gc moves objects. Then it is worth a try. */
int git_moved(struct look *l, int code);
/* Look up an object, the caller's to free. 0 or a code of libgit2. */
int git_find(struct look *l, const git_oid *oid, git_object_t type, git_object **out);

/* The N bytes at S as a JSON string: one line of UTF-8, at most MAX bytes. NULL: out of memory. */
json_t *git_line(const char *s, size_t n, size_t max);
json_t *git_hex(const git_oid *oid);
/* For qsort and bsearch over git_oids. */
int git_oid_order(const void *a, const void *b);

/* git_refs: the first object of a scan, but "shallow". 0 or -errno and L->says. */
int git_put_refs(struct look *l, const struct git_scan_options *o, json_t *out);

/* git_walk: the commits that are told. cut: a shallow clone has not its parents. */
struct git_tip {
	git_oid oid;
	int cut;
};

struct git_told {
	struct git_tip *tips; /* parents first; the caller's to free */
	size_t n;
	int64_t older; /* how many more there are, beyond depth */
};

/* Commits that a shallow clone has without their parents. */
struct git_shallow {
	git_oid *cut; /* sorted; the caller's to free */
	size_t n;
};

/* HEADS: of the first object. 0 or -errno and L->says. */
int git_walk(struct look *l, const struct git_scan_options *o, json_t *heads,
	     const struct git_shallow *shallow, struct git_told *out);

/* git_commit: the object of a commit, the caller's to json_decref. 0 or -errno and L->says. */
int git_commit_json(struct look *l, const struct git_tip *tip, json_t **out);

/* git_patch: put "paths", "more", "patch" and "loose" of COMMIT. 0 or -errno and L->says. */
int git_put_paths(struct look *l, const git_commit *commit, json_t *out);

#endif
