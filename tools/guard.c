/* guard: may I write these paths? For hooks of editors and agents. */
#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend/clean.h"
#include "backend/cover.h"
#include "backend/overlap.h"
#include "backend/text.h"
#include "tools/mnt.h"
#include "tools/tool.h"

extern const struct tool tool_guard;

static const char more[] =
	"  --check          ask about each PATH: who else holds it?\n"
	"  --repo NAME      the repository the paths are in; without it, paths of tasks\n"
	"                   that have no repo, or REPO:PATH\n" TOOL_MOUNT_HELP
	"\nPATH is a file's own name, not a pattern; ./PATH if there is a ':' in its first part.\n"
	"Exit status: 0 nobody else holds any, 1 somebody does, 3 cannot tell.\n";

/* One line of the file `artifacts`: pieces of the line itself, cut by NULs. */
struct held {
	char *path, *task, *session, *expires;
};

/* Cut the last word off LINE; NULL: there is but one. */
static char *cut_word(char *line)
{
	char *blank = strrchr(line, ' ');

	if (!blank)
		return NULL;
	*blank = '\0';
	return blank + 1;
}

/* `PATH TASK SESSION EXPIRES`; a path may have blanks, the others have none. 1 or 0. */
static int held_parse(char *line, struct held *h)
{
	h->path = line;
	h->expires = cut_word(line);
	h->session = h->expires ? cut_word(line) : NULL;
	h->task = h->session ? cut_word(line) : NULL;
	return h->task != NULL;
}

/* 0 and *OUT, a literal artifact; TOOL_USAGE, said on standard error. */
static int path_artifact(const char *path, const char *repo, struct artifact *out)
{
	AUTO_BUF struct buf literal = BUF_INIT;
	const char *reason = "no memory";

	cover_literal(path, strlen(path), &literal);
	if (!literal.err && !artifact_parse(buf_text(&literal), literal.n, repo, out, &reason))
		return 0;
	warnx("%s: %s", path, reason);
	return TOOL_USAGE;
}

/* Is the held name H another session's, and over the artifact A? */
static int in_the_way(const struct held *h, const char *own, const struct artifact *a)
{
	struct artifact theirs;
	int overlap;

	if (strcmp(own, "-") != 0 && strcmp(h->session, own) == 0)
		return 0;
	if (artifact_parse(h->path, strlen(h->path), "", &theirs, NULL))
		return 1; /* not understood: better loud */
	overlap = artifact_overlap(theirs.name, a->name);
	artifact_release(&theirs);
	return overlap;
}

/* Print each holder of PATH: TOOL_NO if there is one. */
static int check_path(const char *path, const struct artifact *a, const char *own,
		      const char *artifacts)
{
	struct lines l = { artifacts, artifacts + strlen(artifacts) };
	int answer = TOOL_YES;
	const char *line;
	struct held h;
	size_t n;

	while (lines_next(&l, &line, &n)) {
		AUTO_FREE char *copy = strndup(line, n);

		if (!copy || !held_parse(copy, &h))
			return TOOL_CANNOT_TELL;
		if (!in_the_way(&h, own, a))
			continue;
		(void)printf("%s held by %s (session %s) until %s\n", path, h.task, h.session,
			     h.expires);
		answer = TOOL_NO;
	}
	return answer;
}

static int check_paths(char **paths, int n, const char *repo, const char *own,
		       const char *artifacts)
{
	int answer = TOOL_YES;

	for (int i = 0; i < n && answer < TOOL_USAGE; i++) {
		struct artifact a;
		int got = path_artifact(paths[i], repo, &a);

		if (got)
			return got;
		got = check_path(paths[i], &a, own, artifacts);
		artifact_release(&a);
		answer = got > answer ? got : answer;
	}
	return answer;
}

/* All paths are looked at before any holder: a wrong one must not hide behind a right one. */
static int paths_valid(char **paths, int n, const char *repo)
{
	struct artifact a;

	for (int i = 0; i < n; i++) {
		if (path_artifact(paths[i], repo, &a))
			return 0;
		artifact_release(&a);
	}
	return 1;
}

static int ask(const struct mnt *m, char **paths, int n, const char *repo)
{
	AUTO_BUF struct buf whoami = BUF_INIT, artifacts = BUF_INIT;
	char own[NAME_LEN_MAX + 1];
	int err = mnt_read(m, &whoami, "whoami");

	if (!err)
		err = mnt_value(buf_text(&whoami), "session", own, sizeof(own));
	if (!err)
		err = mnt_read(m, &artifacts, "artifacts");
	if (err) {
		warnx("cannot read %s: %s", m->dir, strerror(-err));
		return TOOL_CANNOT_TELL;
	}
	return check_paths(paths, n, repo, own, buf_text(&artifacts));
}

static int guard_run(int argc, char **argv)
{
	static const struct option options[] = {
		{ "check", no_argument, NULL, 'c' },
		{ "repo", required_argument, NULL, 'r' },
		{ "mount", required_argument, NULL, 'm' },
		TOOL_HELP,
		TOOL_OPTIONS_END,
	};
	AUTO_MNT struct mnt m = MNT_INIT;
	const char *dir = NULL, *repo = "";
	int c, check = 0;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (c) {
		case 'c':
			check = 1;
			break;
		case 'r':
			repo = optarg;
			break;
		case 'm':
			dir = optarg;
			break;
		case 'h':
			return tool_help(&tool_guard, more);
		default:
			return tool_usage(&tool_guard, NULL);
		}
	}
	if (!check || optind == argc)
		return tool_usage(&tool_guard, "--check and at least one path are wanted");
	if (!paths_valid(argv + optind, argc - optind, repo))
		return TOOL_USAGE;
	if (mnt_open(&m, dir))
		return TOOL_CANNOT_TELL;
	return ask(&m, argv + optind, argc - optind, repo);
}

const struct tool tool_guard = {
	.name = "guard",
	.args = "--check [--repo NAME] [--mount DIR] PATH...",
	.summary = "exit 0 if no other session holds a PATH, 1 and who does if one does",
	.run = guard_run,
};
