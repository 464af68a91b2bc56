/* Real repositories, made with the git program. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backend/clean.h"
#include "backend/git.h"

static char dir[] = "/tmp/coordfs-where-XXXXXX";

static void sh(const char *script)
{
	cr_assert_eq(system(script), 0, "%s", script); /* NOLINT: in our own directory */
}

/* The repository r, with the tracked link `link`, in a directory that is the current one. */
static void setup(void)
{
	if (system("git --version >/dev/null 2>&1") != 0) /* NOLINT: a fixed text */
		cr_skip_test("there is no git");
	cr_assert_not_null(mkdtemp(dir));
	cr_assert_eq(chdir(dir), 0);
	cr_assert_eq(setenv("HOME", dir, 1), 0);
	cr_assert_eq(setenv("GIT_CONFIG_NOSYSTEM", "1", 1), 0);
	sh("git config --global user.name n && git config --global user.email n@example.org &&"
	   "git config --global init.defaultBranch main && git config --global protocol.file.allow always &&"
	   "git init -q r && cd r && mkdir d && echo a >a && echo x >d/x && ln -s d/x link &&"
	   "git add . && git commit -qm one");
}

static void teardown(void)
{
	cr_assert_eq(chdir("/"), 0);
	if (dir[strlen(dir) - 1] != 'X') {
		AUTO_BUF struct buf command = BUF_INIT;

		buf_printf(&command, "rm -rf %s", dir);
		sh(buf_text(&command));
	}
}

/* PATH lies in the repository whose git directory and work tree are so called below dir. */
static void is(const char *path, const char *gitdir, const char *workdir, const char *inside)
{
	AUTO_BUF struct buf says = BUF_INIT, git = BUF_INIT, work = BUF_INIT;
	struct git_where w;

	cr_assert_eq(git_where(path, &w, &says), 0, "%s: %s", path, buf_text(&says));
	buf_printf(&git, "%s/%s", dir, gitdir);
	buf_printf(&work, "%s/%s", dir, workdir);
	cr_assert_str_eq(w.gitdir, buf_text(&git), "%s", path);
	cr_assert_str_eq(w.workdir, buf_text(&work), "%s", path);
	cr_assert_str_eq(w.inside, inside, "%s", path);
	git_where_release(&w);
}

/* PATH is refused with ERR and a sentence. */
static void is_refused(const char *path, int err)
{
	AUTO_BUF struct buf says = BUF_INIT;
	struct git_where w;

	cr_assert_eq(git_where(path, &w, &says), -err, "%s: %s", path, buf_text(&says));
	cr_assert_gt(says.n, 0, "%s", path);
}

TestSuite(git_where, .init = setup, .fini = teardown);

Test(git_where, a_path_is_in_the_repository_around_it)
{
	AUTO_BUF struct buf absolute = BUF_INIT;

	buf_printf(&absolute, "%s/r/d/x", dir);
	is(buf_text(&absolute), "r/.git", "r", "d/x");
	is("r/d/x", "r/.git", "r", "d/x");
	is("r//d/./x", "r/.git", "r", "d/x");
	is("r/d/", "r/.git", "r", "d");
	is("r/d/../a", "r/.git", "r", "a");
	is("r", "r/.git", "r", "");
	cr_assert_eq(chdir("r/d"), 0);
	is("x", "r/.git", "r", "d/x");
	is("../a", "r/.git", "r", "a");
	is(".", "r/.git", "r", "d");
}

Test(git_where, what_is_not_there_yet_is_where_it_would_be)
{
	is("r/new", "r/.git", "r", "new");
	is("r/no/such/dir/new.c", "r/.git", "r", "no/such/dir/new.c");
	is("r/a/below a file", "r/.git", "r", "a/below a file");
	is_refused("r/no/../a", EINVAL);
}

Test(git_where, wildcards_are_names_like_others)
{
	is("r/d/*.c", "r/.git", "r", "d/*.c");
	is("r/**/x?/[ab]", "r/.git", "r", "**/x?/[ab]");
}

Test(git_where, a_link_on_the_way_is_followed)
{
	sh("ln -s r/d into && ln -s r root && ln -s d r/inner");
	is("into/new", "r/.git", "r", "d/new");
	is("into", "r/.git", "r", "d");
	is("root/a", "r/.git", "r", "a");
	is("root", "r/.git", "r", "");
	is("r/inner/x", "r/.git", "r", "d/x");
}

Test(git_where, a_link_that_is_tracked_is_itself_and_another_what_it_points_at)
{
	sh("cd r && ln -s d/x untracked && ln -s nowhere dangling && ln -s ../out away && echo >../out");
	is("r/link", "r/.git", "r", "link");
	is("r/untracked", "r/.git", "r", "d/x");
	is("r/dangling", "r/.git", "r", "dangling");
	is_refused("r/away", ENOENT);
}

Test(git_where, a_linked_work_tree_has_the_common_git_directory)
{
	sh("cd r && git worktree add -q ../w");
	is("w/d/x", "r/.git", "w", "d/x");
	is("w", "r/.git", "w", "");
	sh("mkdir r/trees && cd r && git worktree add -q trees/t");
	is("r/trees/t/a", "r/.git", "r/trees/t", "a");
}

Test(git_where, a_submodule_is_a_repository_of_its_own)
{
	sh("git init -q s && cd s && echo f >f && git add . && git commit -qm one && cd ../r &&"
	   "git submodule --quiet add ../s sub");
	is("r/sub/f", "r/.git/modules/sub", "r/sub", "f");
	is("r/sub", "r/.git/modules/sub", "r/sub", "");
}

Test(git_where, a_bare_repository_has_work_trees_only_where_they_are)
{
	sh("git clone -q --bare r b.git && cd b.git && git worktree add -q ../bw");
	is("bw/d/new", "b.git", "bw", "d/new");
	is_refused("b.git/new", EINVAL);
	is_refused("b.git", EINVAL);
}

Test(git_where, a_git_directory_is_no_place_for_files)
{
	sh("cd r && git worktree add -q ../w");
	is_refused("r/.git", EINVAL);
	is_refused("r/.git/config", EINVAL);
	is_refused("r/.git/hooks/new", EINVAL);
	is_refused("r/.git/worktrees/w/x", EINVAL);
	is_refused("w/.git", EINVAL);
	is("r/.gitignore", "r/.git", "r", ".gitignore");
	is("r/x.git/y", "r/.git", "r", "x.git/y");
}

Test(git_where, a_path_outside_is_ENOENT)
{
	is_refused(".", ENOENT);
	is_refused("x", ENOENT);
	is_refused("/", ENOENT);
	is_refused("r/../x", ENOENT);
	is_refused("", ENOENT);
}

Test(git_where, a_loop_of_links_is_ELOOP)
{
	sh("ln -s l1 l2 && ln -s l2 l1");
	is_refused("l1/x", ELOOP);
}

Test(git_where, the_common_directory_of_a_repository_is_found_for_a_bare_one_too)
{
	AUTO_BUF struct buf says = BUF_INIT, want = BUF_INIT;
	const char *const at[] = { "r", "r/.git", "w", "b.git" };

	sh("git clone -q --bare r b.git && cd r && git worktree add -q ../w");
	for (size_t i = 0; i < 4; i++) {
		AUTO_FREE char *found = NULL;

		buf_clear(&want);
		buf_printf(&want, "%s/%s", dir, i < 3 ? "r/.git" : "b.git");
		cr_assert_eq(git_common(at[i], &found, &says), 0, "%s", buf_text(&says));
		cr_assert_str_eq(found, buf_text(&want));
	}
	for (size_t i = 0; i < 2; i++) {
		char *found = NULL;

		cr_assert_eq(git_common(i ? "r/d" : "no", &found, &says), i ? -EINVAL : -ENOENT);
		cr_assert_null(found);
	}
}
