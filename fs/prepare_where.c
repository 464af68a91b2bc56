/* What programs say of paths: which repository is there, and which one a file lies in. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "backend/clean.h"
#include "backend/read.h"
#include "backend/text.h"
#include "backend/tx.h"
#include "fs/prepare_impl.h"

#define PATHS_MOST 200 /* absolute ones of a write */

/* Why a program did not do it, "" if it did. Behind who says it. */
static const char *failure_of(const json_t *result)
{
	const char *failed = event_text(result, "failed"), *errors = event_text(result, "errors");
	const char *colon = strstr(errors, ": ");

	if (*failed)
		return failed;
	if (!json_integer_value(json_object_get(result, "status")) &&
	    json_object_get(result, "status"))
		return "";
	return colon ? colon + 2 : *errors ? errors : "it was killed";
}

/* Is GITDIR that of the repository ID? What its path held when that was set, or has held since. */
static int is_at(struct request *r, int64_t id, const char *gitdir)
{
	const char *expected = scan_expected(r->fs->scan, id);
	AUTO_FREE char *path = tx_attr(r->db, id, "path");
	AUTO_FREE char *seen = tx_attr(r->db, id, "gitdir");

	if (!path)
		return 0;
	return strcmp(expected ? expected : seen ? seen : "", gitdir) == 0;
}

/* The name of the repository, other than NOT, whose git directory is GITDIR. 1, 0. */
static int repo_at(struct request *r, const char *gitdir, int64_t not, char name[NAME_BUFFER])
{
	AUTO_ROWS *rows = db_rows(r->db, Q(THINGS), I(THING_REPO));

	while (rows_next(rows) > 0) {
		if (rows_int(rows, 0) == not || !is_at(r, rows_int(rows, 0), gitdir))
			continue;
		(void)snprintf(name, NAME_BUFFER, "%s", rows_text(rows, 2));
		return 1;
	}
	return 0;
}

/* The same of one whose path is being set. */
static int repo_coming(struct prepared *p, const char *gitdir, char name[NAME_BUFFER])
{
	int64_t id = prepare_coming(p, gitdir);
	AUTO_FREE char *theirs = id ? db_text(p->r->db, Q(THING_NAME), I(id)) : NULL;

	(void)snprintf(name, NAME_BUFFER, "%s", theirs ? theirs : "");
	return id != 0;
}

/* --- the path of a repository --- */

static int check_header(struct prepared *p)
{
	const char *gitdir = event_text(p->header, "gitdir");
	char name[NAME_BUFFER];

	if (!*gitdir)
		return request_refuse(p->r, EINVAL, "echo /absolute/path > repos/NAME/path",
				      "what is there could not be understood");
	if (scan_is_ours(p->r->fs, gitdir))
		return request_refuse(p->r, EINVAL, "keep it elsewhere",
				      "a repository in this mount cannot be looked at by it");
	if (repo_at(p->r, gitdir, p->r->change->thing, name) || repo_coming(p, gitdir, name))
		return request_refuse(
			p->r, EEXIST, "use that name, or rmdir repos/NAME first",
			"%s is registered as %s already: two names would be two claims of one file",
			gitdir, name);
	return 0;
}

static void on_header(json_t *result, void *arg)
{
	struct prepared *p = arg;
	const char *why = failure_of(result);
	int err = 0;

	(void)store_read_begin(p->r->fs->store);
	if (*why) {
		err = scan_errno(why);
		(void)request_refuse(
			p->r, -err,
			"echo /absolute/path > repos/NAME/path: a work tree, a linked one, a bare repository, or a git directory",
			"%s", why);
	} else {
		p->header =
			json_loadb(buf_text(&p->output), p->output.n, JSON_DISABLE_EOF_CHECK, NULL);
		err = check_header(p);
	}
	store_read_end(p->r->fs->store);
	json_decref(result);
	prepare_done(p, err);
}

int prepare_path(struct prepared *p)
{
	const struct change *c = p->r->change;
	size_t n = c->n && c->text[c->n - 1] == '\n' ? c->n - 1 : c->n;
	json_t *argv;

	if (!n || *c->text != '/' || memchr(c->text, 0, n) || line_check(c->text, n))
		return 1; /* the writer says what is wrong */
	argv = json_pack("[s,s,s,s]", "coordfs", "scan", "--as-owner", "--only-head");
	scan_branches(p->r->db, c->thing, argv);
	(void)json_array_append_new(argv, json_stringn(c->text, n));
	return prepare_run(p, argv, on_header);
}

/* --- absolute paths among artifacts --- */

/* The absolute path in a line of artifacts, or of a claim: behind `artifact ` or a minus. */
static const char *absolute_in(const char *line, size_t n, size_t *len)
{
	static const char key[] = "artifact ";
	size_t skip = n >= sizeof(key) && strncmp(line, key, sizeof(key) - 1) == 0 ?
			      sizeof(key) - 1 :
			      n && *line == '-';

	if (n <= skip || line[skip] != '/')
		return NULL;
	*len = n - skip;
	return line + skip;
}

static int add_paths(struct prepared *p, json_t *argv)
{
	const struct change *c = p->r->change;
	struct lines l = { c->text, c->text + c->n };
	const char *line, *path;
	size_t n, len, found = 0;

	while (lines_next(&l, &line, &n)) {
		path = absolute_in(line, n, &len);
		if (!path || line_check(path, len))
			continue;
		if (++found > PATHS_MOST)
			return request_refuse(p->r, E2BIG, "write them in several writes",
					      "more than %d absolute paths in one write",
					      PATHS_MOST);
		(void)json_array_append_new(argv, json_stringn(path, len));
	}
	return found ? 0 : 1;
}

/* What was said of PATH: the canonical name into OUT; -EINVAL: refused. */
static int say_where(struct prepared *p, const json_t *said, struct buf *out)
{
	const char *error = event_text(said, "error"), *inside = event_text(said, "inside");
	char name[NAME_BUFFER];

	if (!*error && scan_is_ours(p->r->fs, event_text(said, "gitdir")))
		error = "it is in this mount";
	if (*error || !repo_at(p->r, event_text(said, "gitdir"), 0, name))
		return request_refuse(
			p->r, EINVAL,
			"write a path in the task's repo, or register its repository: mkdir repos/NAME",
			"%s is in no registered repository%s%s", event_text(said, "path"),
			*error ? ": " : "", error);
	buf_printf(out, "%s:%s", name, *inside ? inside : "**");
	return 0;
}

/* The text of the change with names in repositories in place of absolute paths. */
static int rewrite(struct prepared *p)
{
	struct change *c = p->r->change;
	struct lines l = { c->text, c->text + c->n };
	struct lines said = { buf_text(&p->output), buf_text(&p->output) + p->output.n };
	AUTO_BUF struct buf out = BUF_INIT;
	const char *line, *path, *answer;
	size_t n, len, m;
	int err = 0;

	while (!err && lines_next(&l, &line, &n)) {
		json_t *where;

		path = absolute_in(line, n, &len);
		if (!path || line_check(path, len)) {
			buf_add(&out, line, n);
			buf_char(&out, '\n');
			continue;
		}
		where = lines_next(&said, &answer, &m) ? json_loadb(answer, m, 0, NULL) : NULL;
		buf_add(&out, line, (size_t)(path - line));
		err = where ? say_where(p, where, &out) :
			      request_refuse(p->r, EIO, "try again", "%.*s was not looked at",
					     (int)(len > 200 ? 200 : len), path);
		buf_char(&out, '\n');
		json_decref(where);
	}
	return err ? err : out.err ? out.err : change_text(c, buf_text(&out), out.n);
}

static void on_where(json_t *result, void *arg)
{
	struct prepared *p = arg;
	const char *why = failure_of(result);
	int err;

	(void)store_read_begin(p->r->fs->store);
	err = *why ? request_refuse(p->r, EIO, "write a path in the task's repo",
				    "where the absolute paths are could not be seen: %s", why) :
		     rewrite(p);
	store_read_end(p->r->fs->store);
	json_decref(result);
	prepare_done(p, err);
}

int prepare_artifacts(struct prepared *p)
{
	json_t *argv = json_pack("[s,s]", "coordfs", "where");
	char uid[24];
	int got;

	if (geteuid() == 0) { /* nobody learns by this what he may not see */
		(void)snprintf(uid, sizeof(uid), "%u", p->r->uid);
		(void)json_array_append_new(argv, json_string("--as-uid"));
		(void)json_array_append_new(argv, json_string(uid));
	}
	(void)json_array_append_new(argv, json_string("--"));
	got = argv ? add_paths(p, argv) : -ENOMEM;
	if (!got && geteuid() != 0 && p->r->uid != geteuid()) /* it cannot be looked as that user */
		got = request_refuse(p->r, EINVAL, "write a path in the task's repo",
				     "absolute paths are for the owner of this mount alone");
	if (got) {
		json_decref(argv);
		return got;
	}
	return prepare_run(p, argv, on_where);
}
