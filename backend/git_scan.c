/* The commits that a repository's branches hold, one object each. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "backend/clean.h"
#include "backend/git_impl.h"
#include "backend/text.h"

/* --- where history is cut off --- */

static int read_file(struct look *l, const char *path, struct buf *text)
{
	AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
	int err = fd < 0 ? -errno : buf_read(text, fd);

	if (fd < 0 && err == -ENOENT)
		return 0;
	if (text->err)
		return -ENOMEM;
	return err ? git_failed(l->says, err, path) : 0;
}

static int shallow_parse(const struct buf *text, struct git_shallow *s)
{
	struct lines lines = { text->p, text->p + text->n };
	const char *line;
	size_t n;

	s->cut = calloc(text->n / GIT_OID_HEXSZ + 1, sizeof(*s->cut));
	if (!s->cut)
		return -ENOMEM;
	while (lines_next(&lines, &line, &n))
		if (n == GIT_OID_HEXSZ && !git_oid_fromstrn(&s->cut[s->n], line, n))
			s->n++;
	qsort(s->cut, s->n, sizeof(*s->cut), git_oid_order);
	return 0;
}

/* libgit2 looks for it in the git directory of a linked work tree, where it never is. */
static int shallow_read(struct look *l, struct git_shallow *s)
{
	AUTO_BUF struct buf path = BUF_INIT;
	AUTO_BUF struct buf text = BUF_INIT;
	int err;

	buf_printf(&path, "%sshallow", git_repository_commondir(l->repo));
	err = path.err ? -ENOMEM : read_file(l, path.p, &text);
	return err || !text.n ? err : shallow_parse(&text, s);
}

/* --- the objects --- */

struct scan {
	struct look l;
	const struct git_scan_options *o;
	git_scan_fn *fn;
	void *arg;
	struct git_shallow shallow;
	struct git_told told;
};

static int tell_repository(struct scan *s, json_t *line)
{
	int err = git_put_refs(&s->l, s->o, line);

	/* after the refs: what a fetch makes deeper meanwhile is still cut here */
	if (!err)
		err = shallow_read(&s->l, &s->shallow);
	if (!err && json_object_set_new(line, "shallow", json_boolean(s->shallow.n > 0)))
		err = -ENOMEM;
	return err ? err : s->fn(line, s->arg);
}

/* Where the walk begins: the branches, unless it was told. New. */
static json_t *tips_of(struct scan *s, json_t *heads)
{
	json_t *tips = s->o->tips ? json_object() : json_incref(heads);
	git_object *tip;
	git_oid oid;

	for (size_t i = 0; s->o->tips && i < s->o->n_tips; i++) {
		const char *hex = s->o->tips[i];

		if (git_oid_fromstr(&oid, hex) || git_find(&s->l, &oid, GIT_OBJECT_COMMIT, &tip))
			continue;
		git_object_free(tip);
		(void)json_object_set_new(tips, hex, json_string(hex));
	}
	return tips;
}

static int tell_commits(struct scan *s)
{
	int err = 0;

	for (size_t i = 0; i < s->told.n && !err; i++) {
		json_t *line;

		err = git_commit_json(&s->l, &s->told.tips[i], &line);
		if (err)
			break;
		err = s->fn(line, s->arg);
		json_decref(line);
	}
	return err;
}

static int tell_end(struct scan *s)
{
	json_t *line = json_pack("{s:b, s:I, s:I}", "end", 1, "commits", (json_int_t)s->told.n,
				 "older", (json_int_t)s->told.older);
	int err = line ? s->fn(line, s->arg) : -ENOMEM;

	json_decref(line);
	return err;
}

static int scan(struct scan *s)
{
	json_t *line = json_object(), *tips;
	int err = line ? git_open(&s->l, s->o->path) : -ENOMEM;

	if (!err)
		err = tell_repository(s, line);
	tips = err ? NULL : tips_of(s, json_object_get(line, "heads"));
	if (!err)
		err = tips ? git_walk(&s->l, s->o, tips, &s->shallow, &s->told) : -ENOMEM;
	json_decref(tips);
	json_decref(line);
	if (!err)
		err = tell_commits(s);
	return err ? err : tell_end(s);
}

int git_scan(const struct git_scan_options *o, git_scan_fn *fn, void *arg, struct buf *says)
{
	struct scan s = { .l = { .says = says }, .o = o, .fn = fn, .arg = arg };
	int err = git_library_init(says);

	if (!err)
		err = scan(&s);
	git_repository_free(s.l.repo);
	(void)git_libgit2_shutdown();
	free(s.shallow.cut);
	free(s.told.tips);
	if (err == -ENOMEM && !says->n)
		buf_str(says, "out of memory");
	return err;
}
