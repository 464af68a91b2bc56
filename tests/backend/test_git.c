/* Real repositories, made with the git program. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "backend/clean.h"
#include "backend/git.h"

#define NOBODY 65534

/* libgit2 1.5 leaks while it looks for extensions in the configuration. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
	return "leak:libpcre2-8";
}

/* And does so without a report that looks like one of an error. */
const char *__lsan_default_options(void);
const char *__lsan_default_options(void)
{
	return "print_suppressions=0";
}

static char dir[] = "/tmp/coordfs-git-XXXXXX";
static json_t *found;
static struct buf says;

static void sh(const char *script)
{
	cr_assert_eq(system(script), 0, "%s", script); /* NOLINT: in our own directory */
}

/* A directory with the repository r in it: one commit of a, d/x, d/y, and what is ignored. */
static void setup(void)
{
	if (system("git --version >/dev/null 2>&1") != 0) /* NOLINT: a fixed text */
		cr_skip_test("there is no git");
	cr_assert_not_null(mkdtemp(dir));
	cr_assert_eq(chdir(dir), 0);
	cr_assert_eq(chmod(dir, 0755), 0);
	cr_assert_eq(setenv("HOME", dir, 1), 0);
	cr_assert_eq(setenv("GIT_CONFIG_NOSYSTEM", "1", 1), 0);
	sh("git config --global user.name n && git config --global user.email n@example.org &&"
	   "git config --global init.defaultBranch main && git config --global protocol.file.allow always &&"
	   "git config --global advice.detachedHead false &&"
	   "git init -q r && cd r && mkdir d && echo a >a && echo x >d/x && echo y >d/y &&"
	   "echo '*.o' >.gitignore && git add . && git commit -qm one");
}

static void teardown(void)
{
	json_decref(found);
	buf_free(&says);
	sh("chmod -R u+rwX . && rm -rf \"$HOME\"");
}

TestSuite(git, .init = setup, .fini = teardown);

static int look(const char *path)
{
	json_t *new = NULL;
	int err;

	buf_clear(&says);
	err = git_look(path, &new, &says);
	cr_assert_eq(err == 0, new != NULL);
	cr_assert_eq(err != 0, says.n > 0, "%s", buf_text(&says));
	cr_assert_null(strchr(buf_text(&says), '\n'));
	json_decref(found);
	found = new;
	return err;
}

/* "path status, path status" of what changed at PATH, or the error; static. */
static const char *changes(const char *path)
{
	static struct buf out;
	json_t *e;
	size_t i;

	buf_free(&out);
	if (look(path)) {
		buf_printf(&out, "(%s)", buf_text(&says));
		return buf_text(&out);
	}
	json_array_foreach(json_object_get(found, "changed"), i, e)
		buf_printf(&out, "%s%s %s", i ? ", " : "",
			   json_string_value(json_object_get(e, "path")),
			   json_string_value(json_object_get(e, "status")));
	return buf_text(&out);
}

static const char *text(const char *key)
{
	const char *s = json_string_value(json_object_get(found, key));

	return s ? s : "null";
}

static int64_t mtime(size_t i)
{
	json_t *e = json_array_get(json_object_get(found, "changed"), i);

	return json_integer_value(json_object_get(e, "mtime"));
}

Test(git, a_clean_work_tree_has_no_changes)
{
	cr_expect_str_eq(changes("r"), "");
	cr_expect_eq(json_integer_value(json_object_get(found, "more")), 0);
	cr_expect(json_is_null(json_object_get(found, "lock")));
	cr_expect_str_eq(text("path"), "r");
	cr_expect_str_eq(text("branch"), "refs/heads/main");
	cr_expect_eq(strlen(text("head")), 40);
	cr_expect_str_eq(strrchr(text("workdir"), '/'), "/r");
	cr_expect_eq(text("workdir")[0], '/');
}

Test(git, each_kind_of_change_has_its_word)
{
	sh("cd r && echo more >>a && git mv d/x d/z && rm d/y && mkdir -p u/v && touch u/v/1 u/2 n &&"
	   "git add n && ln -sf a .gitignore");
	cr_expect_str_eq(changes("r"), ".gitignore typechange, a modified, d/x deleted, "
				       "d/y deleted, d/z new, n new, u/2 untracked, "
				       "u/v/1 untracked");
}

Test(git, a_conflict_is_told)
{
	sh("cd r && git checkout -qb o && echo 1 >a && git commit -qam o && git checkout -q main &&"
	   "echo 2 >a && git commit -qam m && ! git merge o >/dev/null 2>&1");
	cr_expect_str_eq(changes("r"), "a conflicted");
}

Test(git, what_git_tracks_no_more_but_is_there_is_one_change)
{
	sh("cd r && git rm -q --cached a");
	cr_expect_str_eq(changes("r"), "a deleted");
	cr_expect_gt(mtime(0), 0);
}

Test(git, ignored_files_are_no_changes)
{
	sh("cd r && touch d/a.o && mkdir e.o && touch e.o/f");
	cr_expect_str_eq(changes("r"), "");
}

Test(git, a_change_has_the_time_of_its_file)
{
	sh("cd r && touch -d '2001-02-03T04:05:06.789Z' n && rm a");
	cr_assert_str_eq(changes("r"), "a deleted, n untracked");
	cr_expect_eq(mtime(0), 0);
	cr_expect_eq(mtime(1), 981173106789);
}

Test(git, the_lock_of_the_index_is_that_of_its_work_tree)
{
	json_t *lock;

	sh("git -C r worktree add -q ../wt && touch -d '2001-02-03T04:05:06Z' r/.git/index.lock");
	cr_assert_eq(look("r"), 0);
	lock = json_object_get(found, "lock");
	cr_expect_eq(json_integer_value(json_object_get(lock, "mtime")), 981173106000);
	cr_assert_eq(look("wt"), 0);
	cr_expect(json_is_null(json_object_get(found, "lock")));
	sh("touch r/.git/worktrees/wt/index.lock");
	cr_assert_eq(look("wt"), 0);
	cr_expect(json_is_object(json_object_get(found, "lock")));
}

Test(git, a_git_directory_stands_for_its_work_tree)
{
	sh("cd r && git worktree add -q ../wt && touch n ../wt/m");
	cr_expect_str_eq(changes("r/.git"), "n untracked");
	cr_expect_str_eq(changes("wt"), "m untracked");
	cr_expect_str_eq(text("branch"), "refs/heads/wt");
	cr_expect_str_eq(changes("wt/.git"), "m untracked");
	cr_expect_str_eq(changes("r/.git/worktrees/wt"), "m untracked");
	cr_expect_str_eq(strrchr(text("workdir"), '/'), "/wt");
}

Test(git, a_bare_repository_has_a_commit_and_no_work_tree)
{
	sh("git clone -q --bare r b.git");
	cr_expect_str_eq(changes("b.git"), "");
	cr_expect(json_is_null(json_object_get(found, "workdir")));
	cr_expect_eq(strlen(text("head")), 40);
}

Test(git, before_the_first_commit_there_is_a_branch_and_no_head)
{
	sh("git init -q new && cd new && touch x y && git add x");
	cr_expect_str_eq(changes("new"), "x new, y untracked");
	cr_expect(json_is_null(json_object_get(found, "head")));
	cr_expect_str_eq(text("branch"), "refs/heads/main");
}

Test(git, a_detached_head_has_no_branch)
{
	sh("git -C r checkout -q --detach");
	cr_expect_str_eq(changes("r"), "");
	cr_expect(json_is_null(json_object_get(found, "branch")));
	cr_expect_eq(strlen(text("head")), 40);
}

Test(git, shallow_and_sparse_ones_are_clean_when_they_are)
{
	sh("git clone -q --depth 1 \"file://$HOME/r\" shallow &&"
	   "git clone -q r sparse && git -C sparse sparse-checkout set nothing &&"
	   "git -C sparse config core.repositoryformatversion 1 && ! test -e sparse/d");
	cr_expect_str_eq(changes("shallow"), "");
	cr_expect_str_eq(changes("sparse"), "");
	sh("rm sparse/a");
	cr_expect_str_eq(changes("sparse"), "a deleted");
}

Test(git, a_repository_inside_is_one_name_and_a_submodule_none)
{
	sh("git clone -q r r/in && cd r && git submodule --quiet add \"$HOME/r\" sub 2>/dev/null &&"
	   "git commit -qm sub && touch sub/n in/n");
	cr_expect_str_eq(changes("r"), "in/ untracked");
}

Test(git, a_name_that_is_no_UTF_8_is_still_told)
{
	sh("cd r && touch \"$(printf 'b\\377d')\"");
	cr_expect_str_eq(changes("r"), "b?d untracked");
}

Test(git, beyond_a_limit_changes_are_only_counted)
{
	json_t *list;
	char *line;

	sh("cd r && seq 1 1500 | xargs touch");
	cr_assert_eq(look("r"), 0);
	list = json_object_get(found, "changed");
	cr_expect_leq(json_array_size(list), GIT_CHANGED_MAX);
	cr_expect_geq(json_array_size(list), 500);
	cr_expect_eq(json_array_size(list) + json_integer_value(json_object_get(found, "more")),
		     1500);
	line = json_dumps(found, 0);
	cr_expect_lt(strlen(line), 65536);
	free(line);
}

Test(git, nothing_is_written)
{
	sh("cd r && touch a d/x && echo >>d/y && find . -printf '%p %T@ %C@ %s %i\\n' | sort >../before");
	cr_expect_str_eq(changes("r"), "d/y modified");
	sh("cd r && find . -printf '%p %T@ %C@ %s %i\\n' | sort | cmp - ../before");
}

Test(git, no_program_of_the_repository_is_run)
{
	sh("cd r && echo '* filter=f' >.gitattributes && git add . && git commit -qm attr &&"
	   "git config filter.f.clean 'touch ../ran; cat' && git config filter.f.process 'touch ../ran' &&"
	   "git config core.fsmonitor 'touch ../ran' && echo 2 >>a");
	cr_expect_str_eq(changes("r"), "a modified");
	sh("! test -e ran");
}

/* --- what cannot be told --- */

Test(git, what_is_no_repository_says_so)
{
	cr_expect_eq(look("none"), -ENOENT);
	cr_expect_eq(look("r/a"), -ENOTDIR);
	cr_expect_eq(look("r/a/b"), -ENOTDIR);
	cr_expect_eq(look("r/d"), -EINVAL);
	cr_expect_not_null(strstr(buf_text(&says), "is not a git repository"));
}

Test(git, a_format_that_libgit2_does_not_read_is_ENOTSUP)
{
	sh("git init -q --object-format=sha256 new && git clone -q r split &&"
	   "git -C split update-index --split-index && git clone -q r v9 &&"
	   "git -C v9 config core.repositoryformatversion 9");
	cr_expect_eq(look("new"), -ENOTSUP);
	cr_expect_not_null(strstr(buf_text(&says), "objectformat"), "%s", buf_text(&says));
	cr_expect_eq(look("split"), -ENOTSUP, "%s", buf_text(&says));
	cr_expect_eq(look("v9"), -ENOTSUP, "%s", buf_text(&says));
}

Test(git, a_work_tree_that_is_told_elsewhere_is_not_guessed)
{
	sh("git clone -q --bare r b.git && cd b.git && git config extensions.worktreeConfig true &&"
	   "git config --unset core.bare && git config --worktree core.bare true");
	cr_expect_eq(look("b.git"), -ENOTSUP);
}

Test(git, a_work_tree_that_is_gone_is_not_clean)
{
	sh("git -C r worktree add -q ../wt && rm -r wt");
	cr_expect_lt(look("r/.git/worktrees/wt"), 0);
}

Test(git, damage_is_EIO_and_never_clean)
{
	static const char *const hurt[] = {
		"truncate -s 40 .git/index",
		"echo x >>.git/index",
		"rm -r .git/objects/*",
		"echo junk >.git/refs/heads/main",
		"rm .git/objects/$(git rev-parse HEAD:d | sed 's,^..,&/,')",
		"echo '[x' >>.git/config",
	};
	char script[512];

	for (size_t i = 0; i < sizeof(hurt) / sizeof(hurt[0]); i++) {
		(void)snprintf(script, sizeof(script), "rm -rf c && cp -a r c && cd c && %s",
			       hurt[i]);
		sh(script);
		cr_expect_eq(look("c"), -EIO, "%s: %s", hurt[i], changes("c"));
	}
}

/* In a child that is nobody, who owns the repository but not PATH: git_look's answer. */
static int look_as_nobody(void)
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		if (setgid(NOBODY) || setuid(NOBODY))
			_exit(99);
		_exit(-git_look("r", &found, &says) & 127);
	}
	cr_assert_eq(waitpid(pid, &status, 0), pid);
	cr_assert(WIFEXITED(status));
	return -WEXITSTATUS(status);
}

Test(git, what_may_not_be_read_is_EACCES_and_never_clean)
{
	static const char *const hidden[] = {
		"r",
		"r/d",
		"r/new",
		"r/.git",
		"r/.git/index",
		"r/.git/config",
		"r/.git/HEAD",
		"r/.git/refs/heads",

		"r/.git/refs/heads/main",
	};

	if (geteuid() != 0)
		cr_skip_test("needs root");
	sh("mkdir r/new r/skip.o && chown -R 65534:65534 r");
	cr_assert_eq(look_as_nobody(), 0);
	for (size_t i = 0; i < sizeof(hidden) / sizeof(hidden[0]); i++) {
		struct stat st;

		cr_assert_eq(stat(hidden[i], &st), 0);
		cr_assert_eq(chmod(hidden[i], 0), 0);
		cr_expect_eq(look_as_nobody(), -EACCES, "%s", hidden[i]);
		cr_assert_eq(chmod(hidden[i], st.st_mode & 07777), 0);
	}
	cr_assert_eq(chmod("r/d", 0311), 0);
	cr_expect_eq(look_as_nobody(), -EACCES, "not listed, but searched");
	cr_assert_eq(chmod("r/d", 0755), 0);
	cr_assert_eq(chmod("r/skip.o", 0), 0);
	cr_expect_eq(look_as_nobody(), 0, "ignored: git does not look there either");
	cr_assert_eq(chmod("r/.git/objects", 0), 0);
	cr_expect_neq(look_as_nobody(), 0);
}
