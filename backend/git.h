/*
 * git: what a repository's work tree holds that no commit has, and where a path is. Only git*.c know libgit2.
 * Nothing is written: not the index, no lock; no hook, filter or other program is run.
 */
#ifndef BACKEND_GIT_H
#define BACKEND_GIT_H

#include <jansson.h>

#include "backend/buf.h"

/* The most changed paths that are listed, and about how many bytes of JSON they may take. */
#define GIT_CHANGED_MAX 1000
#define GIT_CHANGED_BYTES 49152

/*
 * Look at the repository at PATH: a work tree, a linked one, a bare repository, or the git
 * directory of any of them. Directories above PATH are not looked in. *out, the caller's to
 * json_decref, is
 *
 *	path     PATH as given
 *	workdir  the work tree, absolute; null: bare
 *	head     the commit, 40 hexadecimal digits; null: there is none yet
 *	branch   "refs/heads/main"; null: HEAD is detached
 *	changed  [{ path, status, mtime }...], in git's order, at most GIT_CHANGED_MAX
 *	more     how many beyond those
 *	lock     { mtime } of the work tree's index.lock; null: there is none
 *
 * path is relative to workdir; a byte of it that is no line of UTF-8 is '?'. A directory with a
 * repository of its own in it ends in '/'. status is new, modified, deleted, typechange, conflicted
 * or untracked, against the commit; a renamed file is one deleted and one new. What .gitignore
 * names, and submodules, are left out. mtime is in ms since 1970; 0: the file is gone.
 *
 * 0, or what is wrong, as one sentence without a newline in SAYS: -ENOENT no such path; -ENOTDIR,
 * -EINVAL no repository; -EACCES; -ENOTSUP a format libgit2 does not read, SHA-256 for one;
 * -ENOMEM; -EIO, also for anything below the work tree that could not be read.
 */
int git_look(const char *path, json_t **out, struct buf *says);

/*
 * Where a path is. gitdir: the directory that all work trees of the repository share, as it is
 * really called, without a slash at its end. workdir: the work tree's root, likewise. inside: the
 * path below workdir; "" for the root itself. All owned.
 */
struct git_where {
	char *gitdir, *workdir, *inside;
};

/*
 * Which repository PATH lies in, absolute or from the current directory on, there or not: what is
 * not there may hold wildcards, but no "..". The way to its last name is resolved; a last name that
 * is a symbolic link is itself if the repository tracks it as one, else what it points at. The
 * innermost repository counts, so a submodule is its own.
 *
 * 0 and *out, the caller's to git_where_release, or what is wrong, as git_look says it: -ENOENT it
 * lies in no repository; -EINVAL in a git directory, or in a repository without a work tree; -ENOTSUP;
 * -EACCES; -ELOOP; -ENAMETOOLONG; -EIO; -ENOMEM.
 */
int git_where(const char *path, struct git_where *out, struct buf *says);

/*
 * Who asks more than once holds the library meanwhile: starting it takes some ms. 0, or -errno and
 * SAYS; each hold is let go of.
 */
int git_hold(struct buf *says);
void git_let_go(void);

/* Frees what git_where made and zeroes *w; harmless on a zeroed one. */
void git_where_release(struct git_where *w);

/*
 * The gitdir, as in git_where, of the repository at PATH itself, a bare one too. 0 and *out, the
 * caller's to free, or as git_look.
 */
int git_common(const char *path, char **out, struct buf *says);

#endif
