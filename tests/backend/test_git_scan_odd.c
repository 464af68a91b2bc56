/* Repositories that are cut off, rewritten meanwhile, damaged, or none. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/lib/scanning.h"

#define NOBODY 65534

TestSuite(git_scan_odd, .init = scan_setup, .fini = scan_teardown);

#define LINE \
	"cd r && for i in 1 2 3 4; do echo $i >f && git add f && at $i git commit -qm c$i; done"

Test(git_scan_odd, a_shallow_clone_ends_where_it_is_cut)
{
	json_t *c;

	scan_sh(LINE " && git clone -q --depth 2 \"file://$HOME/r\" ../s && cd ../s &&"
		     "at 5 git commit -q --allow-empty -m c5 && git worktree add -q ../wt");
	for (int i = 0; i < 2; i++) {
		cr_assert_eq(scan_path(i ? "wt" : "s"), 0, "%s", scan_says());
		cr_expect(json_is_true(json_object_get(scan_first(), "shallow")));
		cr_expect_str_eq(scan_order(), "c3 c4 c5");
		c = scan_commit("c3");
		cr_expect(json_is_true(json_object_get(c, "cut")));
		cr_expect_eq(json_array_size(json_object_get(c, "parents")), 1);
		cr_expect_str_eq(scan_paths("c3"), "");
		cr_expect_str_eq(scan_text(c, "patch"), "null");
		cr_expect_str_eq(scan_paths("c4"), "M f");
		cr_expect_null(json_object_get(scan_commit("c4"), "cut"));
	}
}

Test(git_scan_odd, a_blob_that_a_partial_clone_has_not_is_minus_one)
{
	json_t *path;

	scan_sh(LINE " && git config uploadpack.allowFilter true &&"
		     "git clone -q --bare --filter=blob:none \"file://$HOME/r\" ../p");
	cr_assert_eq(scan_path("p"), 0, "%s", scan_says());
	cr_expect_str_eq(scan_order(), "c1 c2 c3 c4");
	path = json_array_get(json_object_get(scan_commit("c2"), "paths"), 0);
	cr_expect_eq(json_integer_value(json_array_get(path, 3)), -1);
	cr_expect_str_eq(scan_text(scan_commit("c2"), "patch"), "null");
}

static int repack(json_t *line)
{
	if (strcmp(scan_text(line, "subject"), "c1") == 0)
		scan_sh("cd r && git repack -adq && git prune-packed && git gc -q --prune=now");
	return 0;
}

Test(git_scan_odd, gc_in_between_loses_nothing)
{
	for (int i = 0; i < 2; i++) {
		scan_sh(i ? "cd r && echo 9 >f && git commit -qam c9" : LINE);
		scan_between = repack;
		cr_assert_eq(scan_path("r"), 0, "%s", scan_says());
		scan_between = NULL;
		cr_expect_str_eq(scan_order(), i ? "c1 c2 c3 c4 c9" : "c1 c2 c3 c4");
		cr_expect_str_eq(scan_paths("c4"), "M f");
	}
}

static int stop(json_t *line)
{
	return json_object_get(line, "commit") ? 7 : 0;
}

Test(git_scan_odd, who_is_told_can_end_it)
{
	scan_sh(LINE);
	scan_between = stop;
	cr_expect_eq(scan_path("r"), 7);
	cr_expect_str_eq(scan_order(), "c1");
}

Test(git_scan_odd, nothing_is_written_and_nothing_run)
{
	scan_sh(LINE
		" && echo '* filter=f diff=d' >.gitattributes && git config filter.f.clean 'touch ../ran' &&"
		"git config diff.d.textconv 'touch ../ran' && git config core.fsmonitor 'touch ../ran' &&"
		"find . -printf '%p %T@ %C@ %s %i\\n' | sort >../before");
	cr_assert_eq(scan_path("r"), 0);
	scan_sh("cd r && find . -printf '%p %T@ %C@ %s %i\\n' | sort | cmp - ../before && ! test -e ../ran");
}

/* --- what cannot be told --- */

Test(git_scan_odd, what_is_no_repository_says_so)
{
	scan_sh("touch r/a && mkdir r/d");
	cr_expect_eq(scan_path("none"), -ENOENT);
	cr_expect_eq(scan_path("r/a"), -ENOTDIR);
	cr_expect_eq(scan_path("r/d"), -EINVAL);
	cr_expect_not_null(strstr(scan_says(), "is not a git repository"));
}

Test(git_scan_odd, a_format_that_libgit2_does_not_read_is_ENOTSUP)
{
	scan_sh("git init -q --object-format=sha256 new && git clone -q r tables 2>/dev/null &&"
		"git -C tables config core.repositoryformatversion 1 &&"
		"git -C tables config extensions.refStorage reftable");
	cr_expect_eq(scan_path("new"), -ENOTSUP);
	cr_expect_eq(scan_path("tables"), -ENOTSUP, "%s", scan_says());
}

Test(git_scan_odd, damage_is_EIO)
{
	static const char *const hurt[] = {
		"rm -r c/.git/objects/*",
		"echo junk >c/.git/refs/heads/main",
		"echo junk >c/.git/refs/heads/other",
		"rm c/.git/objects/$(git -C c rev-parse HEAD~2 | sed 's,^..,&/,')",
		"rm c/.git/objects/$(git -C c rev-parse HEAD~2^{tree} | sed 's,^..,&/,')",
		"echo '[x' >>c/.git/config",
		"git clone -q --depth 2 \"file://$HOME/r\" d && rm -rf c && mv d c && rm c/.git/shallow",
	};

	scan_sh(LINE);
	for (size_t i = 0; i < sizeof(hurt) / sizeof(hurt[0]); i++) {
		scan_sh("rm -rf c && cp -a r c");
		scan_sh(hurt[i]);
		cr_expect_eq(scan_path("c"), -EIO, "%s: %s", hurt[i], scan_order());
	}
}

static int scan_as_nobody(void)
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		if (setgid(NOBODY) || setuid(NOBODY))
			_exit(99);
		_exit(-scan_path("r") & 127);
	}
	cr_assert_eq(waitpid(pid, &status, 0), pid);
	cr_assert(WIFEXITED(status));
	return -WEXITSTATUS(status);
}

Test(git_scan_odd, what_may_not_be_read_is_EACCES)
{
	static const char *const hidden[] = {
		"r",
		"r/.git",
		"r/.git/HEAD",
		"r/.git/refs/heads",
		"r/.git/refs/heads/main",
		"r/.git/refs/heads/deep",
		"r/.git/refs/heads/deep/x",
		"r/.git/packed-refs",
		"r/.git/worktrees",
		"r/.git/worktrees/wt/HEAD",
	};

	if (geteuid() != 0)
		cr_skip_test("needs root");
	scan_sh(LINE
		" && git branch p && git pack-refs --all && git update-ref refs/heads/main main~1 &&"
		"git branch deep/x && git worktree add -q --detach ../wt && cd .. && chmod 755 . &&"
		"chown -R 65534:65534 r wt");
	cr_assert_eq(scan_as_nobody(), 0);
	for (size_t i = 0; i < sizeof(hidden) / sizeof(hidden[0]); i++) {
		struct stat st;

		cr_assert_eq(stat(hidden[i], &st), 0, "%s", hidden[i]);
		cr_assert_eq(chmod(hidden[i], 0), 0);
		cr_expect_eq(scan_as_nobody(), -EACCES, "%s", hidden[i]);
		cr_assert_eq(chmod(hidden[i], st.st_mode & 07777), 0);
	}
	cr_assert_eq(chmod("r/.git/objects", 0), 0);
	cr_expect_neq(scan_as_nobody(), 0);
}
