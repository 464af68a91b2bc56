/* Which name a repository is registered under. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "backend/clean.h"
#include "backend/git.h"
#include "tools/guard.h"

struct search {
	const struct mnt *m;
	const char *gitdir;
	char *name;
	int holds; /* git's library, once it was needed */
};

/* As the mount knows it: "" if it does not, or not yet. */
static void known(const struct mnt *m, const char *name, char out[MNT_PATH])
{
	if (mnt_read_line(m, out, MNT_PATH, "repos/%s/gitdir", name) || strcmp(out, "-") == 0)
		*out = '\0';
}

/* Where a repository of that name is said to be; NULL: it cannot be looked at from here. */
static char *look(struct search *s, const char *name)
{
	AUTO_BUF struct buf says = BUF_INIT;
	char path[MNT_PATH], *found = NULL;

	if (!s->holds)
		s->holds = !git_hold(&says);
	if (mnt_read_line(s->m, path, sizeof(path), "repos/%s/path", name) || *path != '/' ||
	    git_common(path, &found, &says))
		return NULL;
	return found;
}

/* 1: this is it. */
static int compare(const char *name, void *arg)
{
	struct search *s = arg;
	AUTO_FREE char *found = NULL;
	char gitdir[MNT_PATH] = "";

	known(s->m, name, gitdir);
	if (!*gitdir)
		found = look(s, name);
	if (strcmp(found ? found : gitdir, s->gitdir) != 0)
		return 0;
	(void)snprintf(s->name, NAME_LEN_MAX + 1, "%s", name);
	return 1;
}

int guard_repo(const struct mnt *m, const char *gitdir, char *name)
{
	struct search s = { m, gitdir, name, 0 };
	int got = mnt_list(m, "repos", compare, &s);

	if (s.holds)
		git_let_go();
	return got > 0 ? 0 : got ? got : -ENOENT;
}
