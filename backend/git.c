/* The library, and whether a path is a repository that it reads. */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backend/clean.h"
#include "backend/git_impl.h"
#include "backend/text.h"

/* Of objects, in bytes as they are stored: in memory about three times that. */
#define CACHE_MAX ((ssize_t)32 << 20)

/* --- what is wrong --- */

int git_sorry(struct buf *says, int err, const char *what, const char *why)
{
	AUTO_BUF struct buf line = BUF_INIT;

	buf_printf(&line, "%s: %s", what, why);
	if (line.err)
		return -ENOMEM;
	buf_str(says, line_mend(line.p));
	return err;
}

int git_failed(struct buf *says, int err, const char *what)
{
	return git_sorry(says, err, what, strerror(-err));
}

/* libgit2 has codes for its callers' mistakes; what became of a file is in its sentence alone. */
static int errno_of(int code, const char *message)
{
	if (code == GIT_ELOCKED || strstr(message, "ermission denied"))
		return -EACCES;
	if (strstr(message, "unsupported"))
		return -ENOTSUP;
	return strstr(message, "ut of memory") ? -ENOMEM : -EIO;
}

int git_refused(struct buf *says, int code, const char *what)
{
	const git_error *e = git_error_last();
	const char *message = e && e->message ? e->message : "libgit2 does not say why";

	return git_sorry(says, errno_of(code, message), what, message);
}

/* --- the library --- */

/* Extensions that change nothing for who only looks. */
int git_library_init(struct buf *says)
{
	const char *extensions[] = { "partialclone", "preciousobjects", "worktreeconfig" };
	int err = git_libgit2_init();

	if (err > 0)
		err = git_libgit2_opts(GIT_OPT_SET_OWNER_VALIDATION, 0);
	if (err == 0)
		err = git_libgit2_opts(GIT_OPT_SET_EXTENSIONS, extensions, 3);
	/* where $HOME and $XDG_CONFIG_HOME say now, whoever used the library before */
	if (err == 0)
		err = git_libgit2_opts(GIT_OPT_SET_SEARCH_PATH, GIT_CONFIG_LEVEL_GLOBAL, NULL);
	if (err == 0)
		err = git_libgit2_opts(GIT_OPT_SET_SEARCH_PATH, GIT_CONFIG_LEVEL_XDG, NULL);
	/* a walk reads each commit once, and trees that are like those of the last */
	if (err == 0)
		err = git_libgit2_opts(GIT_OPT_SET_CACHE_OBJECT_LIMIT, GIT_OBJECT_COMMIT,
				       (size_t)0);
	if (err == 0)
		err = git_libgit2_opts(GIT_OPT_SET_CACHE_MAX_SIZE, CACHE_MAX);
	if (err < 0)
		return git_refused(says, err, "libgit2");
	return 0;
}

/* --- is it a repository? --- */

/* A file that is called .git names a git directory. */
static int check_path(const char *path, struct buf *says)
{
	const char *name = strrchr(path, '/');
	struct stat st;

	if (stat(path, &st))
		return git_failed(says, -errno, path);
	if (S_ISDIR(st.st_mode) || strcmp(name ? name + 1 : path, ".git") == 0)
		return 0;
	return git_failed(says, -ENOTDIR, path);
}

/* What libgit2 may not look into it takes for no repository. */
static int check_readable(const char *path, struct buf *says)
{
	AUTO_BUF struct buf git = BUF_INIT;

	if (access(path, R_OK | X_OK))
		return git_failed(says, -errno, path);
	buf_printf(&git, "%s/.git", path);
	if (git.err)
		return -ENOMEM;
	if (access(git.p, R_OK | X_OK) && errno != ENOENT && errno != ENOTDIR)
		return git_failed(says, -errno, git.p);
	return 0;
}

/* Without them libgit2 goes on as if they were empty, or says that they are not there. */
static int check_file(const char *dir, const char *name, struct buf *says)
{
	AUTO_BUF struct buf path = BUF_INIT;

	buf_printf(&path, "%s%s", dir, name);
	if (path.err)
		return -ENOMEM;
	return access(path.p, R_OK) == 0 || errno == ENOENT ? 0 : git_failed(says, -errno, path.p);
}

/* What libgit2 does not look up there, and we do not either, would be another work tree. */
static int check_own_config(struct look *l)
{
	AUTO_BUF struct buf path = BUF_INIT;
	git_config *config = NULL;
	git_config_entry *tree = NULL;
	int code, bare = 0, err = 0;

	buf_printf(&path, "%sconfig.worktree", git_repository_path(l->repo));
	code = path.err ? -1 : git_config_open_ondisk(&config, path.p);
	if (code)
		err = git_refused(l->says, code, "config.worktree");
	else if (git_config_get_entry(&tree, config, "core.worktree") == 0 ||
		 (git_config_get_bool(&bare, config, "core.bare") == 0 && bare))
		err = git_sorry(l->says, -ENOTSUP, path.p,
				"says where the work tree is, and libgit2 does not read it");
	git_config_entry_free(tree);
	git_config_free(config);
	return err;
}

static int check_files(struct look *l)
{
	int err = check_file(git_repository_commondir(l->repo), "config", l->says);

	if (!err)
		err = check_file(git_repository_path(l->repo), "config.worktree", l->says);
	if (!err)
		err = check_file(git_repository_path(l->repo), "index", l->says);
	return err ? err : check_own_config(l);
}

int git_open(struct look *l, const char *path)
{
	int err = check_path(path, l->says), code;

	if (err)
		return err;
	code = git_repository_open_ext(&l->repo, path, GIT_REPOSITORY_OPEN_NO_SEARCH, NULL);
	if (code && code != GIT_ENOTFOUND)
		return git_refused(l->says, code, path);
	if (code) {
		err = check_readable(path, l->says);
		return err ? err : git_sorry(l->says, -EINVAL, path, "is not a git repository");
	}
	l->workdir = git_repository_workdir(l->repo);
	return check_files(l);
}

/* --- objects --- */

int git_moved(struct look *l, int code)
{
	git_odb *odb;
	int bad;

	if (code != GIT_ENOTFOUND || git_repository_odb(&odb, l->repo))
		return 0;
	bad = git_odb_refresh(odb);
	git_odb_free(odb);
	return !bad;
}

int git_find(struct look *l, const git_oid *oid, git_object_t type, git_object **out)
{
	int code = git_object_lookup(out, l->repo, oid, type);

	return git_moved(l, code) ? git_object_lookup(out, l->repo, oid, type) : code;
}

int git_oid_order(const void *a, const void *b)
{
	return git_oid_cmp(a, b);
}

json_t *git_hex(const git_oid *oid)
{
	char hex[GIT_OID_HEXSZ + 1];

	return json_string(git_oid_tostr(hex, sizeof(hex), oid));
}

static int is_space(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

json_t *git_line(const char *s, size_t n, size_t max)
{
	AUTO_FREE char *line = NULL;

	for (; n && is_space(*s); n--)
		s++;
	while (n && is_space(s[n - 1]))
		n--;
	line = strndup(s, n < max + 4 ? n : max + 4); /* with all of the character at MAX */
	if (!line)
		return NULL;
	for (char *p = line; *p; p++)
		*p = is_space(*p) ? ' ' : *p;
	n = strlen(line_mend(line));
	if (n > max)
		for (n = max; n && ((unsigned char)line[n] & 0xc0) == 0x80;)
			n--;
	return json_stringn(line, n);
}

/* --- where it is --- */

int git_put_workdir(struct look *l, json_t *out)
{
	AUTO_FREE char *workdir = l->workdir ? strdup(l->workdir) : NULL;
	size_t n = workdir ? strlen(workdir) : 0;

	if (l->workdir && !workdir)
		return -ENOMEM;
	if (n > 1)
		workdir[n - 1] = '\0'; /* its last '/' */
	return json_object_set_new(out, "workdir",
				   workdir ? json_string(line_mend(workdir)) : json_null()) ?
		       -ENOMEM :
		       0;
}

static int put_branch(struct look *l, json_t *out)
{
	AUTO_FREE char *branch = NULL;
	git_reference *ref;
	int code = git_reference_lookup(&ref, l->repo, "HEAD"), detached;

	if (code)
		return git_refused(l->says, code, "HEAD");
	detached = git_reference_type(ref) == GIT_REFERENCE_DIRECT;
	branch = detached ? NULL : strdup(git_reference_symbolic_target(ref));
	git_reference_free(ref);
	if (!detached && !branch)
		return -ENOMEM;
	return json_object_set_new(out, "branch",
				   detached ? json_null() : json_string(line_mend(branch))) ?
		       -ENOMEM :
		       0;
}

int git_put_head(struct look *l, json_t *out)
{
	char hex[GIT_OID_HEXSZ + 1];
	git_reference *head;
	int code, err = put_branch(l, out);

	if (err)
		return err;
	code = git_repository_head(&head, l->repo);
	if (code == GIT_EUNBORNBRANCH)
		return json_object_set_new(out, "head", json_null()) ? -ENOMEM : 0;
	if (code)
		return git_refused(l->says, code, "HEAD");
	(void)git_oid_tostr(hex, sizeof(hex), git_reference_target(head));
	git_reference_free(head);
	return json_object_set_new(out, "head", json_string(hex)) ? -ENOMEM : 0;
}
