/* What a work tree holds that no commit has. */
#include <errno.h>
#include <fts.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backend/clean.h"
#include "backend/git_impl.h"
#include "backend/text.h"

/* --- the commit --- */

/* Anything else that is missing is damage; git_status_list_new() would take it for a first commit. */
static int check_tree(struct look *l)
{
	git_reference *head;
	git_object *tree = NULL;
	int code = git_repository_head(&head, l->repo);

	if (code == GIT_EUNBORNBRANCH)
		return 0;
	if (code)
		return git_refused(l->says, code, "HEAD");
	code = git_reference_peel(&tree, head, GIT_OBJECT_TREE);
	git_object_free(tree);
	git_reference_free(head);
	return code ? git_refused(l->says, code, "HEAD") : 0;
}

/* --- times --- */

static int64_t mtime_of(const struct stat *st)
{
	return (int64_t)st->st_mtim.tv_sec * 1000 + st->st_mtim.tv_nsec / 1000000;
}

/* 0 in *ms: the file is not there. */
static int file_mtime(const char *dir, const char *name, int64_t *ms, struct buf *says)
{
	AUTO_BUF struct buf path = BUF_INIT;
	struct stat st;

	buf_printf(&path, "%s%s", dir, name);
	if (path.err)
		return -ENOMEM;
	*ms = 0;
	if (lstat(path.p, &st) == 0)
		*ms = mtime_of(&st);
	else if (errno != ENOENT && errno != ENOTDIR)
		return git_failed(says, -errno, path.p);
	return 0;
}

static int put_lock(struct look *l, json_t *out)
{
	json_t *lock = json_null();
	int64_t ms;
	int err = file_mtime(git_repository_path(l->repo), "index.lock", &ms, l->says);

	if (err)
		return err;
	if (ms)
		lock = json_pack("{s:I}", "mtime", (json_int_t)ms);
	return json_object_set_new(out, "lock", lock) ? -ENOMEM : 0;
}

/* --- changed paths --- */

static const char *status_name(unsigned s)
{
	if (s & GIT_STATUS_CONFLICTED)
		return "conflicted";
	if (s & (GIT_STATUS_WT_DELETED | GIT_STATUS_INDEX_DELETED))
		return "deleted";
	if (s & GIT_STATUS_INDEX_NEW)
		return "new";
	if (s & GIT_STATUS_WT_NEW)
		return "untracked";
	return s & (GIT_STATUS_WT_TYPECHANGE | GIT_STATUS_INDEX_TYPECHANGE) ? "typechange" :
									      "modified";
}

static const char *path_of(const git_status_entry *e)
{
	const git_diff_delta *d = e->index_to_workdir ? e->index_to_workdir : e->head_to_index;

	return d->new_file.path ? d->new_file.path : d->old_file.path;
}

/* A sparse work tree lacks files on purpose. */
static int is_sparse(git_index *index, const git_status_entry *e)
{
	const git_index_entry *i = git_index_get_bypath(index, path_of(e), 0);

	return e->status == GIT_STATUS_WT_DELETED && i &&
	       (i->flags_extended & GIT_INDEX_ENTRY_SKIP_WORKTREE);
}

static json_t *change_json(const char *path, const char *status, int64_t ms)
{
	AUTO_FREE char *line = strdup(path);

	return line ? json_pack("{s:s, s:s, s:I}", "path", line_mend(line), "status", status,
				"mtime", (json_int_t)ms) :
		      NULL;
}

/* Add one to LIST if there is room: 1; 0: there is none; -errno. */
static int add_change(struct look *l, const git_status_entry *e, json_t *list, size_t *room)
{
	json_t *change;
	int64_t ms;
	size_t n;
	int err;

	if (e->status & GIT_STATUS_WT_UNREADABLE)
		return git_failed(l->says, -EACCES, path_of(e));
	if (json_array_size(list) == GIT_CHANGED_MAX || !*room)
		return 0;
	err = file_mtime(l->workdir, path_of(e), &ms, l->says);
	if (err)
		return err;
	change = change_json(path_of(e), status_name(e->status), ms);
	n = json_dumpb(change, NULL, 0, 0) + 2;
	if (json_array_size(list) && n > *room) {
		*room = 0;
		json_decref(change);
		return 0;
	}
	*room -= n < *room ? n : *room;
	return json_array_append_new(list, change) ? -ENOMEM : 1;
}

static int add_changes(struct look *l, git_status_list *all, json_t *list, int64_t *more)
{
	size_t room = GIT_CHANGED_BYTES;
	git_index *index;
	int code = git_repository_index(&index, l->repo), r = 0;

	if (code)
		return git_refused(l->says, code, "index");
	for (size_t i = 0; i < git_status_list_entrycount(all) && r >= 0; i++) {
		const git_status_entry *e = git_status_byindex(all, i);

		if (is_sparse(index, e))
			continue;
		r = add_change(l, e, list, &room);
		*more += r == 0;
	}
	git_index_free(index);
	return r < 0 ? r : 0;
}

static int list_changes(struct look *l, json_t *list, int64_t *more)
{
	git_status_options o;
	git_status_list *all;
	int code, err;

	(void)git_status_options_init(&o, GIT_STATUS_OPTIONS_VERSION);
	o.flags = GIT_STATUS_OPT_INCLUDE_UNTRACKED | GIT_STATUS_OPT_RECURSE_UNTRACKED_DIRS |
		  GIT_STATUS_OPT_EXCLUDE_SUBMODULES | GIT_STATUS_OPT_NO_REFRESH |
		  GIT_STATUS_OPT_INCLUDE_UNREADABLE;
	code = git_status_list_new(&all, l->repo, &o);
	if (code)
		return git_refused(l->says, code, l->workdir);
	err = add_changes(l, all, list, more);
	git_status_list_free(all);
	return err;
}

/* --- what libgit2 passes over --- */

/* Whether git does not look into this directory either: 1, 0, -errno. */
static int is_foreign(struct look *l, const FTSENT *e)
{
	AUTO_BUF struct buf path = BUF_INIT;
	int ignored = 0, code;

	if (e->fts_level == FTS_ROOTLEVEL)
		return 0;
	if (strcmp(e->fts_name, ".git") == 0)
		return 1;
	buf_printf(&path, "%s/.git", e->fts_path);
	if (path.err)
		return -ENOMEM;
	if (access(path.p, F_OK) == 0)
		return 1;
	buf_clear(&path);
	buf_printf(&path, "%s/", e->fts_path + strlen(l->workdir));
	code = path.err ? -1 : git_ignore_path_is_ignored(&ignored, l->repo, path.p);
	return code ? git_refused(l->says, code, e->fts_path) : ignored;
}

static int visit(struct look *l, FTS *fts, FTSENT *e)
{
	int wrong = e->fts_info == FTS_DNR || e->fts_info == FTS_NS || e->fts_info == FTS_ERR;
	int r;

	if (wrong && e->fts_errno == ENOENT && e->fts_level > FTS_ROOTLEVEL)
		return 0; /* removed while we look */
	if (wrong)
		return git_failed(l->says, e->fts_errno == EACCES ? -EACCES : -EIO, e->fts_path);
	if (e->fts_info != FTS_D)
		return 0;
	r = is_foreign(l, e);
	if (r > 0)
		(void)fts_set(fts, e, FTS_SKIP);
	return r < 0 ? r : 0;
}

/* libgit2 takes a directory that it may not read for an empty one. */
static int check_directories(struct look *l)
{
	AUTO_FREE char *root = strdup(l->workdir);
	char *roots[] = { root, NULL };
	FTSENT *e;
	FTS *fts;
	int err = 0;

	if (!root)
		return -ENOMEM;
	fts = fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR | FTS_NOSTAT, NULL);
	if (!fts)
		return git_failed(l->says, -errno, root);
	while (!err && (errno = 0, e = fts_read(fts)))
		err = visit(l, fts, e);
	if (!err && errno)
		err = git_failed(l->says, -errno, root);
	(void)fts_close(fts);
	return err;
}

static int put_changed(struct look *l, json_t *out)
{
	json_t *list = json_array();
	int64_t more = 0;
	int err = 0;

	if (json_object_set_new(out, "changed", list))
		return -ENOMEM;
	if (l->workdir)
		err = check_directories(l);
	if (!err && l->workdir)
		err = list_changes(l, list, &more);
	if (!err && json_object_set_new(out, "more", json_integer(more)))
		err = -ENOMEM;
	return err;
}

/* --- all of it --- */

static int put_path(const char *path, json_t *out)
{
	AUTO_FREE char *asked = strdup(path);

	return !asked || json_object_set_new(out, "path", json_string(line_mend(asked))) ? -ENOMEM :
											   0;
}

static int look(struct look *l, const char *path, json_t *out)
{
	int err = git_open(l, path);

	if (!err)
		err = put_path(path, out);
	if (!err)
		err = git_put_workdir(l, out);
	if (!err)
		err = git_put_head(l, out);
	if (!err)
		err = check_tree(l);
	if (!err)
		err = put_changed(l, out);
	return err ? err : put_lock(l, out);
}

int git_look(const char *path, json_t **out, struct buf *says)
{
	struct look l = { .says = says };
	json_t *found = json_object();
	int err = found ? git_library_init(says) : -ENOMEM;

	if (!err)
		err = look(&l, path, found);
	git_repository_free(l.repo);
	(void)git_libgit2_shutdown();
	if (err)
		json_decref(found);
	else
		*out = found;
	if (err == -ENOMEM && !says->n)
		buf_str(says, "out of memory");
	return err;
}
