/*
 * git: what a repository's work tree holds that no commit has. Only git*.c know libgit2.
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

#endif
