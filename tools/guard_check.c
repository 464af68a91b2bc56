/* guard --check: the paths of a command line, and what they are in which repository. */
#include <err.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend/clean.h"
#include "backend/git.h"
#include "backend/overlap.h"
#include "tools/guard.h"
#include "tools/tool.h"

/* A path as it was given, and as it is asked about. path: owned. */
struct asked {
	char repo[NAME_LEN_MAX + 1];
	char *path;
};

/* What is known of the repositories around: the last one, since mostly all are in the same. */
struct place {
	const struct mnt *m;
	int inside; /* the current directory is in a registered one */
	char *gitdir;
	char name[NAME_LEN_MAX + 1];
};

/* The name of the repository at GITDIR: 0, -ENOENT or -errno. */
static int name_of(struct place *p, const char *gitdir)
{
	int err;

	if (p->gitdir && strcmp(p->gitdir, gitdir) == 0)
		return 0;
	free(p->gitdir);
	p->gitdir = NULL;
	err = guard_repo(p->m, gitdir, p->name);
	if (!err)
		p->gitdir = strdup(gitdir);
	return err || p->gitdir ? err : -ENOMEM;
}

/* 0 and *out, or TOOL_: where PATH is as a file. */
static int locate(struct place *p, const char *path, struct asked *out)
{
	AUTO_BUF struct buf says = BUF_INIT;
	struct git_where w;
	int err = git_where(path, &w, &says);

	if (err) {
		warnx("%s", buf_text(&says));
		return err == -ENOENT || err == -EINVAL ? TOOL_USAGE : TOOL_CANNOT_TELL;
	}
	err = name_of(p, w.gitdir);
	if (err == -ENOENT)
		warnx("%s is in no registered repository: %s is in none of %s/repos", path,
		      w.workdir, p->m->dir);
	else if (err)
		warnx("cannot read %s/repos: %s", p->m->dir, strerror(-err));
	else {
		memcpy(out->repo, p->name, sizeof(out->repo));
		out->path = w.inside;
		w.inside = NULL;
	}
	git_where_release(&w);
	return !err ? 0 : err == -ENOENT ? TOOL_USAGE : TOOL_CANNOT_TELL;
}

/* Is the current directory in a registered repository? */
static void look_around(struct place *p)
{
	AUTO_BUF struct buf unheard = BUF_INIT;
	struct git_where w;

	if (git_where(".", &w, &unheard))
		return;
	p->inside = !name_of(p, w.gitdir);
	git_where_release(&w);
}

/* 0, or TOOL_USAGE, said on standard error: PATH as a name of REPO is no artifact. */
static int check_name(const char *path, const char *repo)
{
	AUTO_BUF struct buf literal = BUF_INIT;
	const char *reason = "no memory";
	struct artifact a;

	cover_literal(path, strlen(path), &literal);
	if (literal.err || artifact_parse(buf_text(&literal), literal.n, repo, &a, &reason)) {
		warnx("%s: %s", path, reason);
		return TOOL_USAGE;
	}
	artifact_release(&a);
	return 0;
}

/* PATH is a name of REPO, or says itself of which: SPACE:PATH. */
static int take_name(const char *path, const char *repo, struct asked *out)
{
	const char *colon = memchr(path, ':', strcspn(path, "/"));
	int err = check_name(path, repo);

	if (err)
		return err;
	if (colon)
		(void)snprintf(out->repo, sizeof(out->repo), "%.*s", (int)(colon - path), path);
	else
		(void)snprintf(out->repo, sizeof(out->repo), "%s", repo);
	out->path = strdup(colon ? colon + 1 : path);
	return out->path ? 0 : TOOL_CANNOT_TELL;
}

/* REPO NULL: a path is a file, if it is absolute or the current directory is in a repository. */
static int take(struct place *p, const char *repo, const char *path, struct asked *out)
{
	if (!repo && *path && !memchr(path, ':', strcspn(path, "/")) && (*path == '/' || p->inside))
		return locate(p, path, out);
	return take_name(path, repo ? repo : "", out);
}

/* All paths are looked at before any holder: a wrong one must not hide behind a right one. */
static int take_all(const struct mnt *m, const char *repo, char **paths, int n, struct asked *out)
{
	AUTO_BUF struct buf says = BUF_INIT;
	struct place p = { .m = m };
	int err = repo ? 0 : git_hold(&says);

	if (err) {
		warnx("%s", buf_text(&says));
		return TOOL_CANNOT_TELL;
	}
	if (!repo)
		look_around(&p);
	for (int i = 0; i < n && !err; i++)
		err = take(&p, repo, paths[i], &out[i]);
	free(p.gitdir);
	if (!repo)
		git_let_go();
	return err;
}

static int ask_all(const struct mnt *m, const struct asked *asked, char **paths, int n)
{
	AUTO_GUARD struct guard g = GUARD_INIT;
	AUTO_BUF struct buf out = BUF_INIT;
	int answer = guard_load(&g, m);

	for (int i = 0; i < n && answer < TOOL_USAGE; i++) {
		int got = guard_ask(&g, asked[i].repo, asked[i].path, paths[i], NULL, &out);

		answer = got > answer ? got : answer;
	}
	(void)fputs(buf_text(&out), stdout);
	(void)fflush(stdout);
	if (answer == TOOL_NO)
		guard_next(&g);
	return answer;
}

int guard_check(const struct mnt *m, const char *repo, char **paths, int n)
{
	struct asked *asked = calloc((size_t)n, sizeof(*asked));
	int answer;

	if (!asked)
		return TOOL_CANNOT_TELL;
	answer = take_all(m, repo, paths, n, asked);
	if (!answer)
		answer = ask_all(m, asked, paths, n);
	for (int i = 0; i < n; i++)
		free(asked[i].path);
	free(asked);
	return answer;
}
