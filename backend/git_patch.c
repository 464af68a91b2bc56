/* What a commit changes: its paths, and hashes by which the same change is found again. */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "backend/clean.h"
#include "backend/git_impl.h"
#include "backend/text.h"

/* Larger files are only named by their hashes; a larger patch has none. */
#define BLOB_MAX ((size_t)1 << 20)
#define PATCH_MAX ((size_t)4 << 20)

struct patch {
	struct look *l;
	git_odb *odb;
	git_diff *diff;
	size_t n;
	git_oid *deleted; /* the blobs of all that went, sorted */
	size_t n_deleted;
	struct buf exact, loose;
	struct buf removed, added; /* of one file, without white space */
	int binary;		   /* that file is */
	int none;		   /* no hash can be told */
};

/* --- the changed paths --- */

static int is_blob(const git_diff_file *f)
{
	return f->mode != 0 && f->mode != GIT_FILEMODE_COMMIT;
}

static const char *path_of(const git_diff_delta *d)
{
	return d->new_file.path ? d->new_file.path : d->old_file.path;
}

static char status_of(const struct patch *p, const git_diff_delta *d)
{
	if (d->status == GIT_DELTA_DELETED)
		return 'D';
	if (d->status != GIT_DELTA_ADDED)
		return 'M';
	return p->n_deleted && is_blob(&d->new_file) &&
			       bsearch(&d->new_file.id, p->deleted, p->n_deleted,
				       sizeof(*p->deleted), git_oid_order) ?
		       'R' :
		       'A';
}

static int find_deleted(struct patch *p)
{
	p->deleted = calloc(p->n ? p->n : 1, sizeof(*p->deleted));
	if (!p->deleted)
		return -ENOMEM;
	for (size_t i = 0; i < p->n; i++) {
		const git_diff_delta *d = git_diff_get_delta(p->diff, i);

		if (d->status == GIT_DELTA_DELETED && is_blob(&d->old_file))
			p->deleted[p->n_deleted++] = d->old_file.id;
	}
	qsort(p->deleted, p->n_deleted, sizeof(*p->deleted), git_oid_order);
	return 0;
}

/* The bytes of F, -1: it is not there; -errno otherwise. */
static int size_of(struct patch *p, const git_diff_file *f, int64_t *size)
{
	git_object_t type;
	size_t n = 0;
	int code = 0;

	*size = 0;
	if (!is_blob(f))
		return 0;
	code = git_odb_read_header(&n, &type, p->odb, &f->id);
	if (git_moved(p->l, code))
		code = git_odb_read_header(&n, &type, p->odb, &f->id);
	if (code && code != GIT_ENOTFOUND)
		return git_refused(p->l->says, code, f->path);
	*size = code ? -1 : (int64_t)n;
	return 0;
}

static int put_path(struct patch *p, const git_diff_delta *d, json_t *list)
{
	AUTO_FREE char *path = strdup(path_of(d));
	int has_blob = d->status != GIT_DELTA_DELETED && is_blob(&d->new_file);
	int64_t size = 0;
	int err = path ? 0 : -ENOMEM;
	char status[] = { status_of(p, d), '\0' };

	if (!err && has_blob)
		err = size_of(p, &d->new_file, &size);
	if (err)
		return err;
	return json_array_append_new(list,
				     json_pack("[s, s, o, I]", status, line_mend(path),
					       has_blob ? git_hex(&d->new_file.id) : json_null(),
					       (json_int_t)size)) ?
		       -ENOMEM :
		       0;
}

static int put_list(struct patch *p, json_t *out)
{
	json_t *list = json_array();
	size_t listed = p->n < GIT_PATHS_MAX ? p->n : GIT_PATHS_MAX;
	int err = json_object_set_new(out, "paths", list) ? -ENOMEM : find_deleted(p);

	for (size_t i = 0; i < listed && !err; i++)
		err = put_path(p, git_diff_get_delta(p->diff, i), list);
	if (!err && json_object_set_new(out, "more", json_integer((json_int_t)(p->n - listed))))
		err = -ENOMEM;
	return err;
}

/* --- the text that is hashed --- */

static void add_both(struct patch *p, const void *text, size_t n)
{
	buf_add(&p->exact, text, n);
	buf_add(&p->loose, text, n);
}

/* Where the file is, and its mode where that is part of the change. */
static void add_file(struct patch *p, const git_diff_delta *d)
{
	AUTO_BUF struct buf head = BUF_INIT;

	buf_printf(&head, "%s%c%c", path_of(d), '\0', status_of(p, d));
	if (d->old_file.mode != d->new_file.mode)
		buf_printf(&head, " %o %o", d->old_file.mode, d->new_file.mode);
	buf_char(&head, '\n');
	add_both(p, head.p, head.n);
	p->exact.err = p->exact.err ? p->exact.err : head.err;
}

static void add_ids(struct patch *p, const git_diff_delta *d)
{
	add_both(p, d->old_file.id.id, sizeof(d->old_file.id.id));
	add_both(p, d->new_file.id.id, sizeof(d->new_file.id.id));
}

static void add_dense(struct buf *b, const char *s, size_t n)
{
	size_t from = 0;

	for (size_t i = 0; i <= n; i++) {
		if (i < n && s[i] != ' ' && (s[i] < '\t' || s[i] > '\r'))
			continue;
		buf_add(b, s + from, i - from);
		from = i + 1;
	}
}

static int on_binary(const git_diff_delta *d, const git_diff_binary *binary, void *arg)
{
	struct patch *p = arg;

	(void)d;
	(void)binary;
	p->binary = 1;
	return 0;
}

static int on_line(const git_diff_delta *d, const git_diff_hunk *h, const git_diff_line *line,
		   void *arg)
{
	struct patch *p = arg;
	int added = line->origin == GIT_DIFF_LINE_ADDITION;

	(void)d;
	(void)h;
	if (!added && line->origin != GIT_DIFF_LINE_DELETION)
		return 0;
	buf_char(&p->exact, line->origin);
	buf_add(&p->exact, line->content, line->content_len);
	if (!line->content_len || line->content[line->content_len - 1] != '\n')
		buf_str(&p->exact, "\n\\\n");
	add_dense(added ? &p->added : &p->removed, line->content, line->content_len);
	p->none = p->exact.n > PATCH_MAX;
	return p->none || p->exact.err ? GIT_EUSER : 0;
}

static int add_lines(struct patch *p, const git_diff_delta *d, git_odb_object *old,
		     git_odb_object *new)
{
	git_diff_options o;
	int code;

	(void)git_diff_options_init(&o, GIT_DIFF_OPTIONS_VERSION);
	o.context_lines = 0;
	o.max_size = (git_off_t)BLOB_MAX;
	p->binary = 0;
	buf_clear(&p->removed);
	buf_clear(&p->added);
	/* without names: attributes in the work tree are not to change what a commit is */
	code = git_diff_buffers(old ? git_odb_object_data(old) : NULL,
				old ? git_odb_object_size(old) : 0, NULL,
				new ? git_odb_object_data(new) : NULL,
				new ? git_odb_object_size(new) : 0, NULL, &o, NULL, on_binary, NULL,
				on_line, p);
	if (code && code != GIT_EUSER)
		return git_refused(p->l->says, code, path_of(d));
	if (p->binary)
		add_ids(p, d);
	buf_char(&p->loose, '-');
	buf_add(&p->loose, p->removed.p, p->removed.n);
	buf_str(&p->loose, "\n+");
	buf_add(&p->loose, p->added.p, p->added.n);
	buf_char(&p->loose, '\n');
	return p->removed.err || p->added.err ? -ENOMEM : 0;
}

static int read_blob(struct patch *p, const git_diff_file *f, git_odb_object **out)
{
	int code;

	if (!is_blob(f))
		return 0;
	code = git_odb_read(out, p->odb, &f->id);
	if (git_moved(p->l, code))
		code = git_odb_read(out, p->odb, &f->id);
	return code ? git_refused(p->l->says, code, f->path) : 0;
}

static int add_text(struct patch *p, const git_diff_delta *d)
{
	git_odb_object *old = NULL, *new = NULL;
	int err = read_blob(p, &d->old_file, &old);

	if (!err)
		err = read_blob(p, &d->new_file, &new);
	if (!err)
		err = add_lines(p, d, old, new);
	git_odb_object_free(old);
	git_odb_object_free(new);
	return err;
}

static int add_delta(struct patch *p, const git_diff_delta *d)
{
	int link = d->old_file.mode == GIT_FILEMODE_COMMIT ||
		   d->new_file.mode == GIT_FILEMODE_COMMIT;
	int64_t old = 0, new = 0;
	int err = size_of(p, &d->old_file, &old);

	if (!err)
		err = size_of(p, &d->new_file, &new);
	if (err)
		return err;
	p->none = old < 0 || new < 0;
	add_file(p, d);
	if (p->none || git_oid_equal(&d->old_file.id, &d->new_file.id) || (!link && !old && !new))
		return 0;
	if (!link && old <= (int64_t)BLOB_MAX && new <= (int64_t)BLOB_MAX)
		return add_text(p, d);
	add_ids(p, d);
	return 0;
}

static int put_hash(const struct buf *text, const char *key, int none, json_t *out)
{
	git_oid oid;

	if (!none && git_odb_hash(&oid, text->p, text->n, GIT_OBJECT_BLOB))
		return -ENOMEM;
	return json_object_set_new(out, key, none ? json_null() : git_hex(&oid)) ? -ENOMEM : 0;
}

static int put_hashes(struct patch *p, json_t *out)
{
	int err = 0;

	p->none = !p->n || p->n > GIT_PATHS_MAX;
	for (size_t i = 0; i < p->n && !p->none && !err; i++)
		err = add_delta(p, git_diff_get_delta(p->diff, i));
	if (!err && (p->exact.err || p->loose.err))
		err = -ENOMEM;
	if (!err)
		err = put_hash(&p->exact, "patch", p->none, out);
	return err ? err : put_hash(&p->loose, "loose", p->none, out);
}

/* --- the trees --- */

static int diff_trees(struct patch *p, const git_commit *commit)
{
	git_commit *parent = NULL;
	git_tree *old = NULL, *new = NULL;
	git_diff_options o;
	int code = git_commit_tree(&new, commit);

	(void)git_diff_options_init(&o, GIT_DIFF_OPTIONS_VERSION);
	o.flags = GIT_DIFF_INCLUDE_TYPECHANGE;
	o.ignore_submodules = GIT_SUBMODULE_IGNORE_NONE;
	if (!code && git_commit_parentcount(commit))
		code = git_commit_parent(&parent, commit, 0);
	if (!code && parent)
		code = git_commit_tree(&old, parent);
	if (!code)
		code = git_diff_tree_to_tree(&p->diff, p->l->repo, old, new, &o);
	git_tree_free(old);
	git_tree_free(new);
	git_commit_free(parent);
	return code;
}

static int find_changes(struct patch *p, const git_commit *commit)
{
	char hex[GIT_OID_HEXSZ + 1];
	int code = git_repository_odb(&p->odb, p->l->repo);

	if (!code)
		code = diff_trees(p, commit);
	if (git_moved(p->l, code))
		code = diff_trees(p, commit);
	if (code)
		return git_refused(p->l->says, code,
				   git_oid_tostr(hex, sizeof(hex), git_commit_id(commit)));
	p->n = git_diff_num_deltas(p->diff);
	return 0;
}

int git_put_paths(struct look *l, const git_commit *commit, json_t *out)
{
	struct patch p = { .l = l };
	int err = find_changes(&p, commit);

	if (!err)
		err = put_list(&p, out);
	if (!err)
		err = put_hashes(&p, out);
	git_diff_free(p.diff);
	git_odb_free(p.odb);
	free(p.deleted);
	buf_free(&p.exact);
	buf_free(&p.loose);
	buf_free(&p.removed);
	buf_free(&p.added);
	return err;
}
