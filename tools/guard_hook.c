/* guard --hook: what the hooks that `guard --install` writes call. */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "backend/clean.h"
#include "tools/guard_hook.h"
#include "tools/program.h"
#include "tools/tool.h"

#define STAMPS 64 /* the most tasks a commit is stamped with */

/* --- git --- */

const char *hook_next(const struct buf *list, size_t *at)
{
	const char *name = list->p + *at;

	if (*at >= list->n)
		return NULL;
	*at += strlen(name) + 1;
	return name;
}

/* As git sees it, by its environment and the directory it runs hooks in. 0 or -errno. */
static int find_git(struct hook *h)
{
	static const char *const argv[] = { "git", "rev-parse", "--git-common-dir", "--git-dir",
					    NULL };
	AUTO_BUF struct buf out = BUF_INIT;
	char *next = NULL, *common, *own;

	if (program_run(argv, 0, &out) || !out.n)
		return -EIO;
	common = strtok_r(out.p, "\n", &next);
	own = strtok_r(NULL, "\n", &next);
	h->common = common ? realpath(common, NULL) : NULL;
	h->own = own ? realpath(own, NULL) : NULL;
	return h->common && h->own ? 0 : -EIO;
}

/* Is there a file NAME in the git directory of this work tree? */
static int has(const struct hook *h, const char *name)
{
	AUTO_BUF struct buf path = BUF_INIT;

	buf_printf(&path, "%s/%s", h->own, name);
	return access(buf_text(&path), F_OK) == 0;
}

static int rebases(const struct hook *h)
{
	return has(h, "rebase-merge") || has(h, "rebase-apply");
}

/* What is staged and differs from COMMIT (NULL: HEAD, or nothing), into OUT. 0 or -errno. */
static int diff(const char *commit, struct buf *out)
{
	const char *const argv[] = { "git",
				     "diff",
				     "--cached",
				     "--name-only",
				     "--no-renames",
				     "--no-ext-diff",
				     "--no-relative",
				     "--ignore-submodules=none",
				     "-z",
				     commit ? commit : "--",
				     NULL };

	return program_run(argv, 0, out) ? -EIO : out->err;
}

/* The names that are in A and in B, both in git's order, into OUT. */
static void add_common(const struct buf *a, const struct buf *b, struct buf *out)
{
	size_t i = 0, j = 0;
	const char *x = hook_next(a, &i), *y = hook_next(b, &j);

	while (x && y) {
		int order = strcmp(x, y);

		if (!order)
			buf_add(out, x, strlen(x) + 1);
		if (order <= 0)
			x = hook_next(a, &i);
		if (order >= 0)
			y = hook_next(b, &j);
	}
}

/* What this commit writes: of a merge, what comes unchanged from the other side is none of it. */
static int staged(const struct hook *h, struct buf *out)
{
	AUTO_BUF struct buf ours = BUF_INIT, theirs = BUF_INIT;
	int err;

	if (!has(h, "MERGE_HEAD"))
		return diff(NULL, out);
	err = diff(NULL, &ours);
	if (!err)
		err = diff("MERGE_HEAD", &theirs);
	if (!err)
		add_common(&ours, &theirs, out);
	return err ? err : out->err;
}

/* --- pre-commit --- */

int hook_away(const struct hook *h)
{
	if (h->offline_open) {
		warnx("nothing was checked: guard-offline was open when the hooks were installed");
		return TOOL_YES;
	}
	(void)fprintf(stderr, "next: wait until the mount answers; coordfs mount starts it\n");
	return TOOL_NO;
}

static int ask_all(struct guard *g, const struct hook *h, const struct buf *paths)
{
	AUTO_BUF struct buf out = BUF_INIT;
	int answer = TOOL_YES;
	const char *path;
	size_t at = 0;

	while (answer < TOOL_USAGE && (path = hook_next(paths, &at))) {
		int got = guard_ask(g, h->repo, path, path, NULL, &out);

		answer = got > answer ? got : answer;
	}
	(void)fputs(buf_text(&out), stderr);
	if (answer == TOOL_NO)
		guard_next(g);
	return answer;
}

static int pre_commit(struct hook *h)
{
	AUTO_GUARD struct guard g = GUARD_INIT;
	AUTO_BUF struct buf paths = BUF_INIT;

	if (guard_load(&g, &h->m))
		return hook_away(h);
	if (g.mode == GUARD_OFF)
		return TOOL_YES;
	if (staged(h, &paths)) {
		warnx("git does not say what is staged");
		return TOOL_CANNOT_TELL;
	}
	return ask_all(&g, h, &paths);
}

/* --- prepare-commit-msg --- */

/* The tasks of the asking session that PATHS belong to: how many. */
static size_t own_tasks(struct guard *g, const struct hook *h, const struct buf *paths,
			const char *tasks[STAMPS])
{
	size_t at = 0, n = 0, i;
	const char *path;

	while (n < STAMPS && (path = hook_next(paths, &at))) {
		const char *task = guard_own_task(g, h->repo, path);

		for (i = 0; task && i < n && strcmp(tasks[i], task) != 0; i++)
			;
		if (task && i == n)
			tasks[n++] = task;
	}
	return n;
}

/* `Coord-Token=TOKEN TASK` into OUT; nothing if the claim has just gone. */
static int stamp_text(const struct hook *h, const char *task, struct buf *out)
{
	AUTO_BUF struct buf claim = BUF_INIT;
	char token[24];

	if (mnt_read(&h->m, &claim, "claims/%s", task) ||
	    mnt_value(buf_text(&claim), "token", token, sizeof(token)))
		return 0;
	buf_printf(out, "Coord-Token=%s %s", token, task);
	return !out->err;
}

/* Is LINE, N bytes, a token of the same task as STAMP, `Coord-Token=TOKEN TASK`, but another one? */
static int is_older(const char *line, size_t n, const char *stamp)
{
	const char key[] = "Coord-Token: ", *token = strchr(stamp, '=') + 1;
	const size_t k = sizeof(key) - 1, digits = strspn(line + (n > k ? k : 0), "0123456789");
	const char *task = strchr(token, ' ');

	return n > k && strncmp(line, key, k) == 0 && digits && n - k - digits == strlen(task) &&
	       strncmp(line + k + digits, task, strlen(task)) == 0 &&
	       ((size_t)(task - token) != digits || strncmp(line + k, token, digits) != 0);
}

/*
 * An amended commit is work under the claim it is amended under: a token of the same task from
 * before would make it late work for ever.
 */
static void drop_older(const char *file, const char *stamp)
{
	AUTO_CLOSE int fd = open(file, O_RDWR | O_CLOEXEC);
	AUTO_BUF struct buf text = BUF_INIT, kept = BUF_INIT;
	struct lines l;
	const char *line;
	size_t n;

	if (fd < 0 || buf_read(&text, fd))
		return;
	l = (struct lines){ buf_text(&text), buf_text(&text) + text.n };
	while (lines_next(&l, &line, &n))
		if (!is_older(line, n, stamp))
			buf_add(&kept, line, n + (line + n < text.p + text.n));
	if (kept.err || kept.n == text.n)
		return;
	if (pwrite(fd, kept.p, kept.n, 0) != (ssize_t)kept.n || ftruncate(fd, (off_t)kept.n))
		warn("%s", file);
}

/* The trailers of SESSION and of N tasks, into the message in FILE. */
static int stamp(const struct hook *h, const char *session, const char *const *tasks, size_t n,
		 const char *file)
{
	static const char *const first[] = { "git",
					     "-c",
					     "trailer.separators=:",
					     "interpret-trailers",
					     "--in-place",
					     "--no-divider",
					     "--where",
					     "end",
					     "--if-missing",
					     "add",
					     "--if-exists",
					     "doNothing",
					     "--trailer" };
	const size_t fixed = sizeof(first) / sizeof(*first);
	const char *argv[sizeof(first) / sizeof(*first) + 2 * STAMPS + 5];
	struct buf text[STAMPS + 1] = { BUF_INIT };
	size_t at = fixed;
	int status;

	memcpy(argv, first, sizeof(first));
	buf_printf(&text[STAMPS], "Coord-Session=%s", session);
	argv[at++] = buf_text(&text[STAMPS]);
	argv[at++] = "--if-exists";
	argv[at++] = "addIfDifferent";
	for (size_t i = 0; i < n; i++)
		if (stamp_text(h, tasks[i], &text[i])) {
			drop_older(file, buf_text(&text[i]));
			argv[at++] = "--trailer";
			argv[at++] = buf_text(&text[i]);
		}
	argv[at++] = file;
	argv[at] = NULL;
	status = program_run(argv, 0, NULL);
	for (size_t i = 0; i <= STAMPS; i++)
		buf_free(&text[i]);
	return status;
}

/*
 * Trailers in a message that is still empty stand on its second line: whoever writes the subject
 * into the first would have one paragraph of both. As `git commit -s` does, leave a line between.
 */
static void make_room(const char *file)
{
	AUTO_CLOSE int fd = open(file, O_RDWR | O_CLOEXEC);
	AUTO_BUF struct buf text = BUF_INIT;

	buf_char(&text, '\n');
	if (fd < 0 || buf_read(&text, fd) || strncmp(buf_text(&text), "\n\nCoord-", 8) != 0)
		return;
	if (pwrite(fd, text.p, text.n, 0) != (ssize_t)text.n)
		warn("%s", file);
}

/* A commit is somebody's work already where it is only moved. It never fails for want of a stamp. */
static int prepare_commit_msg(struct hook *h, const char *file)
{
	AUTO_GUARD struct guard g = GUARD_INIT;
	AUTO_BUF struct buf paths = BUF_INIT;
	const char *tasks[STAMPS];
	size_t n = 0;

	if (rebases(h) || has(h, "CHERRY_PICK_HEAD") || guard_load(&g, &h->m) ||
	    strcmp(g.own, "-") == 0)
		return TOOL_YES;
	if (staged(h, &paths))
		warnx("git does not say what is staged: no Coord-Token");
	else
		n = own_tasks(&g, h, &paths, tasks);
	if (stamp(h, g.own, tasks, n, file))
		warnx("the commit has no trailers Coord-Session and Coord-Token");
	else
		make_room(file);
	return TOOL_YES;
}

/* --- post-commit --- */

static int post_commit(struct hook *h)
{
	if (!rebases(h))
		(void)mnt_touch(&h->m, "repos/%s/scan", h->repo);
	return TOOL_YES;
}

/* --- all of them --- */

/*
 * NEEDED: the answer decides what git does. SILENT: nobody is told what goes wrong. TOLD: git writes
 * to standard input, and all of it is read whatever happens: who writes must not be interrupted.
 */
#define NEEDED 1
#define SILENT 2
#define TOLD 4

struct kind {
	const char *name;
	int args; /* at least */
	int flags;
};

static const struct kind kinds[] = {
	{ "pre-commit", 0, NEEDED },
	{ "prepare-commit-msg", 1, 0 },
	{ "post-commit", 0, SILENT },
	{ "pre-push", 1, NEEDED | TOLD },
};

static const struct kind *find_kind(const char *name)
{
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (strcmp(kinds[i].name, name) == 0)
			return &kinds[i];
	return NULL;
}

static int act(struct hook *h, const char *name, char **argv)
{
	if (strcmp(name, "pre-commit") == 0)
		return pre_commit(h);
	if (strcmp(name, "prepare-commit-msg") == 0)
		return prepare_commit_msg(h, argv[0]);
	if (strcmp(name, "post-commit") == 0)
		return post_commit(h);
	return hook_pre_push(h, argv[0]);
}

/* 1: all that is needed to act is there; 0: *STATUS is the answer. */
static int prepare(struct hook *h, const struct kind *k, const char *dir, int *status)
{
	int err = k->flags & SILENT ? mnt_try(&h->m, dir) : mnt_open(&h->m, dir);
	int needed = k->flags & NEEDED;

	*status = TOOL_YES;
	if (err) {
		*status = needed ? hook_away(h) : TOOL_YES;
		return 0;
	}
	if (find_git(h)) {
		*status = needed ? TOOL_CANNOT_TELL : TOOL_YES;
		return 0;
	}
	err = guard_repo(&h->m, h->common, h->repo);
	if (err == -ENOENT && needed)
		warnx("%s is in none of %s/repos: nothing was checked", h->common, h->m.dir);
	else if (err && needed) {
		warnx("cannot read %s/repos: %s", h->m.dir, strerror(-err));
		*status = hook_away(h);
	}
	return !err;
}

int guard_hook(const char *name, const char *dir, int open, int argc, char **argv)
{
	const struct kind *k = find_kind(name);
	struct hook h = { .m = MNT_INIT, .offline_open = open };
	int status;

	if (!k || argc < k->args) {
		warnx("%s: no such hook, or its arguments are missing", name);
		return TOOL_USAGE;
	}
	if (k->flags & TOLD)
		(void)buf_read(&h.input, STDIN_FILENO);
	if (prepare(&h, k, dir, &status))
		status = act(&h, name, argv);
	mnt_close(&h.m);
	free(h.common);
	free(h.own);
	buf_free(&h.input);
	return status;
}
