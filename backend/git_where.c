/* Which repository a path lies in. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backend/clean.h"
#include "backend/git_impl.h"

/*
 * A path on its way: dir is there and really called so, rest is what follows it, without a slash
 * at either end. dir: owned.
 */
struct way {
	char *dir;
	struct buf rest;
	struct buf *says;
};

static void way_release(struct way *w)
{
	free(w->dir);
	buf_free(&w->rest);
}

/* --- the path as it really is --- */

static int is_directory(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

/* Add NAME, N bytes, to REST; "." is nothing, and ".." of what is not there nobody knows. */
static int add_name(struct buf *rest, const char *name, size_t n)
{
	if (n == 2 && memcmp(name, "..", 2) == 0)
		return -EINVAL;
	if (n && !(n == 1 && *name == '.')) {
		if (rest->n)
			buf_char(rest, '/');
		buf_add(rest, name, n);
	}
	return rest->err;
}

/* The names of TEXT, one by one. */
static int add_names(struct buf *rest, const char *text)
{
	int err = 0;

	while (*text && !err) {
		size_t n = strcspn(text, "/");

		err = add_name(rest, text, n);
		text += n + (text[n] == '/');
	}
	return err;
}

/* The length of what is before the last name in the first N bytes of PATH. */
static size_t before_last(const char *path, size_t n)
{
	while (n > 1 && path[n - 1] == '/')
		n--;
	while (n && path[n - 1] != '/')
		n--;
	return n;
}

/* What the first N bytes of PATH are really called, *out, if it is a directory. 0 or -errno. */
static int real_directory(const char *path, size_t n, char **out)
{
	AUTO_FREE char *front = n ? strndup(path, n) : strdup(".");
	AUTO_FREE char *found = NULL;

	if (!front)
		return -ENOMEM;
	found = realpath(front, NULL);
	if (!found)
		return -errno;
	if (!is_directory(found))
		return -ENOTDIR;
	*out = found;
	found = NULL;
	return 0;
}

/*
 * The real name of the deepest directory that is there, of the first N bytes of PATH and those
 * above it, and the rest of PATH.
 */
static int way_find(struct way *w, const char *path, size_t n)
{
	int err;

	while ((err = real_directory(path, n, &w->dir)), !w->dir) {
		if ((err != -ENOENT && err != -ENOTDIR) || n == 0 || (n == 1 && *path == '/'))
			break;
		n = before_last(path, n);
	}
	if (!w->dir) {
		(void)git_failed(w->says, err, path);
		return err ? err : -EIO;
	}
	err = add_names(&w->rest, path + n);
	return err == -EINVAL ? git_sorry(w->says, err, path, "has a .. behind what is not there") :
				err;
}

/* --- the repository --- */

/* DIR, or a directory above it, is a repository. 0 and *repo. */
static int find_repository(const struct way *w, git_repository **repo)
{
	int code = git_repository_open_ext(repo, w->dir, GIT_REPOSITORY_OPEN_CROSS_FS, NULL);

	if (code == GIT_ENOTFOUND)
		return git_sorry(w->says, -ENOENT, w->dir, "is in no git repository");
	return code ? git_refused(w->says, code, w->dir) : 0;
}

static int real(const char *path, char **out, struct buf *says)
{
	*out = realpath(path, NULL);
	return *out ? 0 : git_failed(says, -errno, path);
}

/* What of PATH is below DIR, both as they are really called; NULL: it is not. */
static const char *below(const char *dir, const char *path)
{
	size_t n = strlen(dir);

	if (strncmp(dir, path, n) != 0 || (path[n] && path[n] != '/' && n > 1))
		return NULL;
	return path + n + (path[n] == '/');
}

/* Is one of the names of PATH ".git"? */
static int names_git(const char *path)
{
	for (const char *p = path; (p = strstr(p, ".git")); p += 4)
		if ((p == path || p[-1] == '/') && (!p[4] || p[4] == '/'))
			return 1;
	return 0;
}

/* 0 and OUT->inside, once the rest of OUT is known. */
static int find_inside(const struct way *w, struct git_where *out)
{
	const char *dir = below(out->workdir, w->dir);
	AUTO_BUF struct buf inside = BUF_INIT;

	if (!dir)
		return git_sorry(w->says, -EINVAL, w->dir, "is in no work tree");
	buf_str(&inside, dir);
	if (*dir && w->rest.n)
		buf_char(&inside, '/');
	buf_str(&inside, buf_text(&w->rest));
	if (names_git(buf_text(&inside)))
		return git_sorry(w->says, -EINVAL, w->dir, "is in a git directory");
	out->inside = buf_detach(&inside);
	return out->inside ? 0 : -ENOMEM;
}

static int find_all(const struct way *w, git_repository *repo, struct git_where *out)
{
	const char *workdir = git_repository_workdir(repo);
	int err;

	if (!workdir)
		return git_sorry(w->says, -EINVAL, w->dir,
				 "is in a repository without a work tree");
	err = real(git_repository_commondir(repo), &out->gitdir, w->says);
	if (!err)
		err = real(workdir, &out->workdir, w->says);
	if (!err && below(out->gitdir, w->dir))
		err = git_sorry(w->says, -EINVAL, w->dir, "is in a git directory");
	return err ? err : find_inside(w, out);
}

/* Does the index have PATH as a symbolic link? What cannot be read has not. */
static int is_tracked_link(git_repository *repo, const char *path)
{
	git_index *index = NULL;
	const git_index_entry *e = NULL;
	int link;

	if (git_repository_index(&index, repo) == 0)
		e = git_index_get_bypath(index, path, 0);
	link = e && e->mode == GIT_FILEMODE_LINK;
	git_index_free(index);
	return link;
}

/*
 * 0 and *out. The last name is kept as it is if IS_LINK says so; *tracked: the index has it as a
 * link.
 */
static int look_at(const char *path, int is_link, struct git_where *out, int *tracked,
		   struct buf *says)
{
	struct way w = { NULL, BUF_INIT, says };
	struct git_where found = { NULL, NULL, NULL };
	git_repository *repo = NULL;
	int err = way_find(&w, path, is_link ? before_last(path, strlen(path)) : strlen(path));

	if (!err)
		err = find_repository(&w, &repo);
	if (!err)
		err = find_all(&w, repo, &found);
	if (err)
		git_where_release(&found);
	else
		*out = found;
	*tracked = !err && is_link && is_tracked_link(repo, found.inside);
	git_repository_free(repo);
	way_release(&w);
	return err;
}

/* Is the last name of PATH a symbolic link, and no directory that is entered? */
static int is_link(const char *path)
{
	struct stat st;
	size_t n = strlen(path);

	return n && path[n - 1] != '/' && lstat(path, &st) == 0 && S_ISLNK(st.st_mode);
}

static int where(const char *path, struct git_where *out, struct buf *says)
{
	AUTO_BUF struct buf unheard = BUF_INIT;
	AUTO_FREE char *end = NULL; /* of a link that is followed */
	struct git_where link;
	int tracked;

	if (is_link(path)) {
		if (look_at(path, 1, &link, &tracked, &unheard) == 0) {
			if (tracked) {
				*out = link;
				return 0;
			}
			git_where_release(&link);
		}
		end = realpath(path, NULL);
	}
	return look_at(end ? end : path, 0, out, &tracked, says);
}

int git_hold(struct buf *says)
{
	return git_library_init(says);
}

void git_let_go(void)
{
	(void)git_libgit2_shutdown();
}

int git_where(const char *path, struct git_where *out, struct buf *says)
{
	int err = *path ? git_library_init(says) : git_failed(says, -ENOENT, "\"\"");

	if (err)
		return err;
	err = where(path, out, says);
	(void)git_libgit2_shutdown();
	return err;
}

void git_where_release(struct git_where *w)
{
	free(w->gitdir);
	free(w->workdir);
	free(w->inside);
	*w = (struct git_where){ NULL, NULL, NULL };
}

int git_common(const char *path, char **out, struct buf *says)
{
	struct look l = { .says = says };
	char *dir = NULL;
	int err = git_library_init(says);

	if (err)
		return err;
	err = git_open(&l, path);
	if (!err)
		err = real(git_repository_commondir(l.repo), &dir, says);
	git_repository_free(l.repo);
	(void)git_libgit2_shutdown();
	if (!err)
		*out = dir;
	return err;
}
