/*
 * git: what a repository's work tree holds that no commit has, the commits that its branches
 * hold, and where a path is. Only git*.c know libgit2.
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

/* The most paths, trailers and names of a commit that are listed, and bytes of its texts. */
#define GIT_PATHS_MAX 1000
#define GIT_TRAILERS_MAX 20
#define GIT_NAMES_MAX 20
#define GIT_SUBJECT_BYTES 200
#define GIT_TEXT_BYTES 300

/*
 * path: as for git_look. branches: globs, of which `*` matches '/', too; one that begins with
 * "refs/" is matched with whole names, others with what follows "refs/heads/". None: every branch,
 * and each HEAD that is detached, of the repository and of its linked work trees. known: commits
 * as 40 hexadecimal digits; what is none, or not there, is passed over. depth: the most commits that
 * are told, the newest; 0 or less: all. tips: not NULL: commits as `known` are, from which the walk
 * begins, whatever the branches are now.
 */
struct git_scan_options {
	const char *path;
	const char *const *branches;
	size_t n_branches;
	const char *const *known;
	size_t n_known;
	const char *const *tips;
	size_t n_tips;
	int64_t depth;
};

/* Takes one object, which it borrows; anything but 0 ends the scan. */
typedef int git_scan_fn(json_t *line, void *arg);

/*
 * Tell FN of the commits that the branches hold and the known commits do not. First one object of
 * the repository:
 *
 *	gitdir   its git directory, absolute; of a linked work tree that of the main one
 *	workdir, head, branch  as of git_look
 *	shallow  whether its history is cut off
 *	heads    { NAME: commit }: the branches, and "HEAD", "worktrees/NAME/HEAD" where detached;
 *	         what comes to no commit is left out
 *	watch    paths, absolute, that may not exist: while none of them comes, goes or changes its
 *	         times, `heads` stays as it is. Taken before the branches are read. A symbolic
 *	         ref is watched, but not one elsewhere that it may point to
 *
 * then one a commit, parents before children, else by time:
 *
 *	commit, parents, time, author_time (s since 1970), author ("Name <mail>")
 *	subject  the first line of the message
 *	trailers [[key, value]...]
 *	names    the distinct words of 40 hexadecimal digits in the message, in small letters
 *	paths    [[status, path, blob, size]...] against the first parent, in order of path; none
 *	         for a merge. status: A added, M modified (or its mode, or its type), D deleted,
 *	         R added, and a file of the same content is D. blob null: D, or a submodule.
 *	         size in bytes; -1: the blob is not there (a partial clone)
 *	more     how many paths beyond those
 *	patch    a hash of what the commit changes, wherever that stands in the files
 *	loose    the same, whatever white space is in it
 *	cut      true: its parents are not there, so neither are paths. Else absent
 *
 * patch and loose are null where there are no paths or more than GIT_PATHS_MAX, where a blob is not
 * there, and beyond 4 MiB. A blob beyond 1 MiB counts as binary, as does one with a NUL at its
 * beginning. Texts are one line of UTF-8: else '?'. Then one object:
 *
 *	end      true
 *	commits  how many were told
 *	older    how many were not, for `depth`
 *
 * 0; what FN answered; or what is wrong as of git_look: also -EIO for a commit that is missing.
 */
int git_scan(const struct git_scan_options *o, git_scan_fn *fn, void *arg, struct buf *says);

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
