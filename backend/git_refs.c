/* Which commits a scan begins at, and which files say that they are others now. */
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <fts.h>
#include <linux/magic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "backend/clean.h"
#include "backend/git_impl.h"
#include "backend/text.h"

#define HEADS "refs/heads/"
#define WATCH_MOST 1000 /* who compares them does that often */

/* --- what is watched --- */

/* Do times tell, there, what another process has written? Not of what other machines write, too. */
static int is_local(const char *path)
{
	static const unsigned long known[] = {
		EXT4_SUPER_MAGIC,	 XFS_SUPER_MAGIC,
		BTRFS_SUPER_MAGIC,	 TMPFS_MAGIC,
		OVERLAYFS_SUPER_MAGIC,	 F2FS_SUPER_MAGIC,
		0x2fc12fc1 /* of ZFS */, 0xca451a4e /* of bcachefs */
	};
	struct statfs fs;

	for (size_t i = 0; statfs(path, &fs) == 0 && i < sizeof(known) / sizeof(known[0]); i++)
		if (((unsigned long)fs.f_type & 0xffffffff) == known[i])
			return 1;
	return 0;
}

struct watched {
	struct look *l;
	const struct git_scan_options *o;
	const char *common;
	json_t *set; /* the paths are its keys: each once, in order of adding */
};

static int watch(json_t *set, const char *path)
{
	AUTO_FREE char *line = strdup(path);

	return !line || json_object_set_new(set, line_mend(line), json_true()) ? -ENOMEM : 0;
}

static int watch_in(json_t *set, const char *dir, const char *name)
{
	AUTO_BUF struct buf path = BUF_INIT;

	buf_printf(&path, "%s/%s", dir, name);
	return path.err ? -ENOMEM : watch(set, path.p);
}

static int is_asked(const struct git_scan_options *o, const char *name)
{
	for (size_t i = 0; i < o->n_branches; i++) {
		const char *p = o->branches[i];

		if (strncmp(p, "refs/", 5) == 0 ? fnmatch(p, name, 0) == 0 :
						  strncmp(name, HEADS, strlen(HEADS)) == 0 &&
							  fnmatch(p, name + strlen(HEADS), 0) == 0)
			return 1;
	}
	return !o->n_branches;
}

/* libgit2 lists no ref that it cannot read, as if there were none. */
static int check_loose(struct watched *w, const char *name)
{
	git_reference *ref = NULL;
	int code = is_asked(w->o, name) ? git_reference_lookup(&ref, w->l->repo, name) : 0;

	git_reference_free(ref);
	return code && code != GIT_ENOTFOUND && code != GIT_EINVALIDSPEC ?
		       git_refused(w->l->says, code, name) :
		       0;
}

static int watch_visit(struct watched *w, const FTSENT *e)
{
	int wrong = e->fts_info == FTS_DNR || e->fts_info == FTS_ERR;

	if (wrong && e->fts_errno != ENOENT)
		return git_failed(w->l->says, e->fts_errno == EACCES ? -EACCES : -EIO, e->fts_path);
	if (e->fts_info == FTS_D || e->fts_level == FTS_ROOTLEVEL)
		return watch(w->set, e->fts_path);
	return e->fts_info == FTS_F ? check_loose(w, e->fts_path + strlen(w->common) + 1) : 0;
}

/* ROOT, which may not be there, and each directory below it: git writes a ref by a rename in it. */
static int watch_tree(struct watched *w, char *root)
{
	char *roots[] = { root, NULL };
	FTSENT *e;
	FTS *fts = fts_open(roots, FTS_PHYSICAL | FTS_COMFOLLOW | FTS_NOCHDIR, NULL);
	int err = 0;

	if (!fts)
		return git_failed(w->l->says, -errno, root);
	while (!err && (errno = 0, e = fts_read(fts)))
		err = watch_visit(w, e);
	if (!err && errno)
		err = git_failed(w->l->says, -errno, root);
	(void)fts_close(fts);
	return err;
}

/* Whatever the refs are called that match a pattern, they are below the directory before its glob. */
static int watch_pattern(struct watched *w, const char *pattern)
{
	AUTO_BUF struct buf root = BUF_INIT;
	size_t n = strncmp(pattern, "refs/", 5) == 0 ? strcspn(pattern, "*?[\\") : 0;

	while (n && pattern[n - 1] != '/')
		n--;
	buf_printf(&root, "%s/%.*s", w->common, n ? (int)n - 1 : (int)strlen(HEADS) - 1,
		   n ? pattern : HEADS);
	if (root.err)
		return -ENOMEM;
	/* a name of a ref has no ".." */
	return strstr(pattern, "..") ? 0 : watch_tree(w, root.p);
}

static int watch_worktrees(struct watched *w, const git_strarray *trees)
{
	AUTO_BUF struct buf path = BUF_INIT;
	int err;

	buf_printf(&path, "%s/worktrees", w->common);
	err = path.err ? -ENOMEM : watch(w->set, path.p);
	if (!err && access(path.p, R_OK | X_OK) && errno != ENOENT)
		err = git_failed(w->l->says, -errno, path.p);
	for (size_t i = 0; i < trees->count && !err; i++) {
		buf_clear(&path);
		buf_printf(&path, "%s/worktrees/%s", w->common, trees->strings[i]);
		err = path.err ? -ENOMEM : watch_in(w->set, path.p, "HEAD");
	}
	return err;
}

static int watch_all(struct watched *w, const git_strarray *trees)
{
	int err = watch_in(w->set, w->common, "HEAD");

	if (!err)
		err = watch_in(w->set, w->common, "packed-refs");
	if (!err)
		err = watch_worktrees(w, trees);
	if (!err && !w->o->n_branches)
		err = watch_pattern(w, HEADS);
	for (size_t i = 0; i < w->o->n_branches && !err; i++)
		err = watch_pattern(w, w->o->branches[i]);
	return err;
}

static int put_watch(struct look *l, const char *common, const git_strarray *trees,
		     const struct git_scan_options *o, json_t *out)
{
	struct watched w = { l, o, common, json_object() };
	json_t *list = json_array(), *value;
	const char *path;
	int err = json_object_set_new(out, "watch", list) ? -ENOMEM : watch_all(&w, trees);

	json_object_foreach(w.set, path, value)
		if (!err && json_array_append_new(list, json_string(path)))
			err = -ENOMEM;
	json_decref(w.set);
	if (json_array_size(list) > WATCH_MOST || !is_local(common))
		(void)json_array_clear(list);
	return err;
}

/* --- where they point --- */

/* What comes to no commit is left out; what is missing is damage. */
static int put_tip(struct look *l, json_t *heads, const char *name, const git_oid *oid)
{
	AUTO_FREE char *line = strdup(name);
	git_object *o = NULL, *commit = NULL;
	int code = git_find(l, oid, GIT_OBJECT_ANY, &o), err = 0;

	if (!code)
		code = git_object_peel(&commit, o, GIT_OBJECT_COMMIT);
	if (code == GIT_EPEEL || code == GIT_EINVALIDSPEC || code == GIT_EAMBIGUOUS)
		err = 0;
	else if (code)
		err = git_refused(l->says, code, name);
	else if (!line ||
		 json_object_set_new(heads, line_mend(line), git_hex(git_object_id(commit))))
		err = -ENOMEM;
	git_object_free(commit);
	git_object_free(o);
	return err;
}

static int put_ref(struct look *l, json_t *heads, const char *name)
{
	git_reference *ref, *last = NULL;
	int code = git_reference_lookup(&ref, l->repo, name), err;

	if (code == GIT_ENOTFOUND || code == GIT_EINVALIDSPEC)
		return 0; /* gone meanwhile; a file that no ref can be called like, git passes it over, too */
	if (code)
		return git_refused(l->says, code, name);
	code = git_reference_resolve(&last, ref);
	git_reference_free(ref);
	if (code == GIT_ENOTFOUND)
		return 0; /* symbolic, of one that is not there */
	if (code)
		return git_refused(l->says, code, name);
	err = put_tip(l, heads, name, git_reference_target(last));
	git_reference_free(last);
	return err;
}

/* Names only: the iterator passes over refs that it cannot read. */
static int put_pattern(struct look *l, const char *pattern, json_t *heads)
{
	AUTO_BUF struct buf glob = BUF_INIT;
	git_reference_iterator *i;
	const char *name;
	int code, err = 0;

	buf_printf(&glob, "%s%s", strncmp(pattern, "refs/", 5) == 0 ? "" : HEADS, pattern);
	if (glob.err)
		return -ENOMEM;
	code = git_reference_iterator_glob_new(&i, l->repo, glob.p);
	if (code)
		return git_refused(l->says, code, glob.p);
	while (!err && !(code = git_reference_next_name(&name, i)))
		err = put_ref(l, heads, name);
	git_reference_iterator_free(i);
	return err || code == GIT_ITEROVER ? err : git_refused(l->says, code, glob.p);
}

/* libgit2 reads the HEAD of the work tree that was opened, we each: NAME below COMMON. */
static int put_detached(struct look *l, const char *common, const char *name, json_t *heads)
{
	AUTO_BUF struct buf path = BUF_INIT;
	AUTO_CLOSE int fd = -1;
	char text[GIT_OID_HEXSZ];
	git_oid oid;

	buf_printf(&path, "%s/%s", common, name);
	if (path.err)
		return -ENOMEM;
	fd = open(path.p, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0 && (errno == ENOENT || errno == ENOTDIR || errno == ELOOP))
		return 0; /* ELOOP: how git once wrote what is not detached */
	if (fd < 0)
		return git_failed(l->says, -errno, path.p);
	if (read(fd, text, sizeof(text)) != sizeof(text) ||
	    git_oid_fromstrn(&oid, text, sizeof(text)))
		return 0; /* "ref: ..." */
	return put_tip(l, heads, name, &oid);
}

static int put_detached_all(struct look *l, const char *common, const git_strarray *trees,
			    json_t *heads)
{
	int err = put_detached(l, common, "HEAD", heads);

	for (size_t i = 0; i < trees->count && !err; i++) {
		AUTO_BUF struct buf name = BUF_INIT;

		buf_printf(&name, "worktrees/%s/HEAD", trees->strings[i]);
		err = name.err ? -ENOMEM : put_detached(l, common, name.p, heads);
	}
	return err;
}

static int put_heads(struct look *l, const char *common, const git_strarray *trees,
		     const struct git_scan_options *o, json_t *out)
{
	json_t *heads = json_object();
	int err = json_object_set_new(out, "heads", heads) ? -ENOMEM : 0;

	if (!err && !o->n_branches)
		err = put_pattern(l, "*", heads);
	for (size_t i = 0; i < o->n_branches && !err; i++)
		err = put_pattern(l, o->branches[i], heads);
	if (!err && !o->n_branches)
		err = put_detached_all(l, common, trees, heads);
	return err;
}

/* --- all of it --- */

static int put_gitdir(const char *common, json_t *out)
{
	AUTO_FREE char *line = strdup(common);

	return !line || json_object_set_new(out, "gitdir", json_string(line_mend(line))) ? -ENOMEM :
											   0;
}

/* The files first: what changes meanwhile is noticed by who compares them. */
static int put_all(struct look *l, const char *common, const struct git_scan_options *o,
		   json_t *out)
{
	git_strarray trees = { 0 };
	int code = git_worktree_list(&trees, l->repo), err;

	if (code)
		return git_refused(l->says, code, common);
	err = put_watch(l, common, &trees, o, out);
	if (!err)
		err = git_put_head(l, out);
	if (!err)
		err = put_heads(l, common, &trees, o, out);
	git_strarray_dispose(&trees);
	return err;
}

int git_put_refs(struct look *l, const struct git_scan_options *o, json_t *out)
{
	AUTO_FREE char *common = realpath(git_repository_commondir(l->repo), NULL);
	int err;

	if (!common)
		return git_failed(l->says, -errno, git_repository_commondir(l->repo));
	err = put_gitdir(common, out);
	if (!err)
		err = git_put_workdir(l, out);
	return err ? err : put_all(l, common, o, out);
}
