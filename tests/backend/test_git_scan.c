/* Which commits are told, and in what order: real repositories, made with the git program. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/lib/scanning.h"

TestSuite(git_scan, .init = scan_setup, .fini = scan_teardown);

#define LINE \
	"cd r && for i in 1 2 3 4; do echo $i >f && git add f && at $i git commit -qm c$i; done"

/* What git rev-parse NAME says in the repository r; static, a few at a time. */
static const char *rev(const char *name)
{
	static char all[4][64];
	static unsigned next;
	char *hex = all[next++ % 4], command[128];
	FILE *f;

	(void)snprintf(command, sizeof(command), "git -C r rev-parse %s", name);
	f = popen(command, "r"); /* NOLINT: in our own directory */
	cr_assert_not_null(f);
	cr_assert_not_null(fgets(hex, 64, f));
	cr_assert_eq(pclose(f), 0);
	hex[strcspn(hex, "\n")] = '\0';
	return hex;
}

static int scan_known(const char *a, const char *b)
{
	const char *known[] = { a, b };

	return scan_with(
		&(struct git_scan_options){ .path = "r", .known = known, .n_known = b ? 2 : 1 });
}

static int scan_branches(const char *a, const char *b)
{
	const char *branches[] = { a, b };

	return scan_with(&(struct git_scan_options){
		.path = "r", .branches = branches, .n_branches = b ? 2 : 1 });
}

static json_t *heads(void)
{
	return json_object_get(scan_first(), "heads");
}

static int watched(const char *end)
{
	json_t *e;
	size_t i;

	json_array_foreach(json_object_get(scan_first(), "watch"), i, e) {
		const char *s = json_string_value(e);

		cr_assert_eq(s[0], '/');
		if (strlen(s) >= strlen(end) && strcmp(s + strlen(s) - strlen(end), end) == 0)
			return 1;
	}
	return 0;
}

/* --- the commits --- */

Test(git_scan, a_line_of_commits_is_told_from_its_root)
{
	json_t *c, *parents;

	scan_sh(LINE);
	cr_assert_eq(scan_path("r"), 0);
	cr_expect_str_eq(scan_order(), "c1 c2 c3 c4");
	cr_expect_eq(scan_commits(), 4);
	cr_expect_eq(json_integer_value(json_object_get(scan_end(), "older")), 0);
	c = scan_commit("c3");
	parents = json_object_get(c, "parents");
	cr_expect_str_eq(scan_text(c, "commit"), rev("main~1"));
	cr_expect_eq(json_array_size(parents), 1);
	cr_expect_str_eq(json_string_value(json_array_get(parents, 0)), rev("main~2"));
	cr_expect_eq(json_integer_value(json_object_get(c, "time")), SCAN_EPOCH + 3);
	cr_expect_str_eq(scan_text(c, "author"), "n <n@example.org>");
	cr_expect_eq(json_array_size(json_object_get(scan_commit("c1"), "parents")), 0);
}

Test(git_scan, author_and_committer_have_times_of_their_own)
{
	scan_sh("cd r && at 9 git commit -q --allow-empty --date='1600000000 +0200' -m c");
	cr_assert_eq(scan_path("r"), 0);
	cr_expect_eq(json_integer_value(json_object_get(scan_commit("c"), "time")), SCAN_EPOCH + 9);
	cr_expect_eq(json_integer_value(json_object_get(scan_commit("c"), "author_time")),
		     1600000000);
}

Test(git_scan, known_commits_and_all_below_are_left_out)
{
	scan_sh(LINE);
	cr_assert_eq(scan_known(rev("main~2"), NULL), 0);
	cr_expect_str_eq(scan_order(), "c3 c4");
	cr_assert_eq(scan_known(rev("main"), NULL), 0);
	cr_expect_str_eq(scan_order(), "");
	cr_expect_eq(scan_commits(), 0);
}

Test(git_scan, what_is_no_known_commit_is_passed_over)
{
	scan_sh(LINE);
	cr_assert_eq(scan_known("0123456789012345678901234567890123456789", rev("main~1")), 0);
	cr_expect_str_eq(scan_order(), "c4");
	cr_assert_eq(scan_known("no oid", "012345678901234567890123456789012345678x"), 0);
	cr_expect_str_eq(scan_order(), "c1 c2 c3 c4");
	cr_assert_eq(scan_known(rev("main:f"), NULL), 0);
	cr_expect_str_eq(scan_order(), "c1 c2 c3 c4");
}

Test(git_scan, a_merge_comes_after_both_sides_and_has_no_paths)
{
	scan_sh(LINE
		" && git checkout -qb side main~2 && echo >s && git add s && at 6 git commit -qm s &&"
		"git checkout -q main && at 7 git merge -q --no-edit -m m side");
	cr_assert_eq(scan_path("r"), 0);
	cr_expect_str_eq(scan_order(), "c1 c2 c3 c4 s m");
	cr_expect_eq(json_array_size(json_object_get(scan_commit("m"), "parents")), 2);
	cr_expect_str_eq(scan_paths("m"), "");
	cr_expect_str_eq(scan_text(scan_commit("m"), "patch"), "null");
	cr_assert_eq(scan_known(rev("main~1"), NULL), 0);
	cr_expect_str_eq(scan_order(), "s m");
	cr_assert_eq(scan_known(rev("side"), NULL), 0);
	cr_expect_str_eq(scan_order(), "c3 c4 m");
	cr_assert_eq(scan_known(rev("side"), rev("main~1")), 0);
	cr_expect_str_eq(scan_order(), "m");
}

Test(git_scan, branches_without_a_common_root_are_all_told)
{
	scan_sh(LINE " && git checkout -q --orphan o && at 0 git commit -qm o1 && at 9 git commit "
		     "-q --allow-empty -m o2");
	cr_assert_eq(scan_path("r"), 0);
	cr_expect_str_eq(scan_order(), "o1 c1 c2 c3 c4 o2");
	cr_assert_eq(scan_known(rev("main~1"), NULL), 0);
	cr_expect_str_eq(scan_order(), "o1 c4 o2");
	cr_assert_eq(scan_known(rev("o"), rev("main~1")), 0);
	cr_expect_str_eq(scan_order(), "c4");
}

Test(git_scan, depth_bounds_the_newest)
{
	scan_sh(LINE);
	cr_assert_eq(scan_with(&(struct git_scan_options){ .path = "r", .depth = 3 }), 0);
	cr_expect_str_eq(scan_order(), "c2 c3 c4");
	cr_expect_eq(scan_commits(), 3);
	cr_expect_eq(json_integer_value(json_object_get(scan_end(), "older")), 1);
	cr_assert_eq(scan_with(&(struct git_scan_options){ .path = "r", .depth = 4 }), 0);
	cr_expect_eq(json_integer_value(json_object_get(scan_end(), "older")), 0);
}

/* --- clocks that are wrong --- */

Test(git_scan, a_commit_older_than_its_parent_comes_after_it)
{
	scan_sh("cd r && at 500 git commit -q --allow-empty -m a && at 1 git commit -q --allow-empty -m b &&"
		"at 900 git commit -q --allow-empty -m c && at 2 git commit -q --allow-empty -m d");
	cr_assert_eq(scan_path("r"), 0);
	cr_expect_str_eq(scan_order(), "a b c d");
	cr_assert_eq(scan_known(rev("main~1"), NULL), 0);
	cr_expect_str_eq(scan_order(), "d");
	cr_assert_eq(scan_known(rev("main~2"), NULL), 0);
	cr_expect_str_eq(scan_order(), "c d");
}

/* The known one is older by its time than the root, and above all that the branch reaches. */
Test(git_scan, a_known_commit_with_a_very_old_time_still_covers_what_is_below)
{
	scan_sh("cd r && for i in 1 2 3 4 5 6 7 8 9; do at ${i}00 git commit -q --allow-empty -m c$i; done &&"
		"git checkout -qb k && GIT_COMMITTER_DATE='@1000 +0000' git commit -q --allow-empty -m k1 &&"
		"GIT_COMMITTER_DATE='@900 +0000' git commit -q --allow-empty -m k2 &&"
		"git checkout -q main~3 && at 1000 git commit -q --allow-empty -m x && git branch x &&"
		"git checkout -q main");
	cr_assert_eq(scan_known(rev("k"), NULL), 0);
	cr_expect_str_eq(scan_order(), "x");
	cr_assert_eq(scan_known(rev("k~1"), NULL), 0);
	cr_expect_str_eq(scan_order(), "k2 x");
}

/* Against git, which has no known ones to stop at when it is asked for each by itself. */
Test(git_scan, random_histories_with_random_times_agree_with_git)
{
	char script[1024];

	for (int seed = 1; seed <= 12; seed++) {
		(void)snprintf(
			script, sizeof(script),
			"rm -rf r && git init -q r && awk 'BEGIN { srand(%d); for (i = 1; i <= 60; i++) {"
			"t = 1700000000 + int(rand() * 100000); if (rand() < .1) t = int(rand() * 1000);"
			"printf \"commit refs/heads/b%%d\\nmark :%%d\\ncommitter n <n> %%d +0000\\ndata 4\\nc%%03d\\n\","
			"rand() * 5, i, t, i; p = 0;"
			"if (i > 1) { p = i - 1 - int(rand() * (i < 8 ? i - 1 : 7)); printf \"from :%%d\\n\", p }"
			"q = i > 9 ? i - 2 - int(rand() * 6) : 0;"
			"if (q > 0 && q != p && rand() < .3) printf \"merge :%%d\\n\", q;"
			"print \"\" } }' | git -C r fast-import --quiet --force --export-marks=../marks &&"
			"for m in 5 17 31 44 58; do grep \"^:$m \" marks | cut -d' ' -f2; done >known",
			seed);
		scan_sh(script);
		for (int n = 1; n <= 5; n++) {
			char hex[5][64];
			const char *known[5];
			FILE *f = fopen("known", "re");
			char command[256];

			for (int i = 0; i < n; i++) {
				cr_assert_not_null(fgets(hex[i], 64, f));
				hex[i][40] = '\0';
				known[i] = hex[i];
			}
			cr_assert_eq(fclose(f), 0);
			cr_assert_eq(scan_with(&(struct git_scan_options){
					     .path = "r", .known = known, .n_known = (size_t)n }),
				     0);
			(void)snprintf(
				command, sizeof(command),
				"cd r && git rev-list --branches | sort >../all &&"
				"head -n %d ../known | xargs git rev-list | sort -u >../old &&"
				"test $(comm -23 ../all ../old | wc -l) = %zu",
				n, scan_commits());
			scan_sh(command);
		}
	}
}

/* --- where they begin --- */

Test(git_scan, the_first_line_says_what_the_repository_is)
{
	scan_sh(LINE " && git branch feature/x main~1");
	cr_assert_eq(scan_path("r"), 0);
	cr_expect_str_eq(strrchr(scan_text(scan_first(), "gitdir"), '/'), "/.git");
	cr_expect_str_eq(strrchr(scan_text(scan_first(), "workdir"), '/'), "/r");
	cr_expect_str_eq(scan_text(scan_first(), "head"), rev("main"));
	cr_expect_str_eq(scan_text(scan_first(), "branch"), "refs/heads/main");
	cr_expect(json_is_false(json_object_get(scan_first(), "shallow")));
	cr_expect_eq(json_object_size(heads()), 2);
	cr_expect_str_eq(scan_text(heads(), "refs/heads/main"), rev("main"));
	cr_expect_str_eq(scan_text(heads(), "refs/heads/feature/x"), rev("main~1"));
	cr_expect(watched("/r/.git/HEAD") && watched("/packed-refs") && watched("/refs/heads") &&
		  watched("/refs/heads/feature"));
}

Test(git_scan, a_bare_repository_has_no_work_tree)
{
	scan_sh(LINE " && git clone -q --bare . ../b.git");
	cr_assert_eq(scan_path("b.git"), 0);
	cr_expect(json_is_null(json_object_get(scan_first(), "workdir")));
	cr_expect_str_eq(strrchr(scan_text(scan_first(), "gitdir"), '/'), "/b.git");
	cr_expect_str_eq(scan_order(), "c1 c2 c3 c4");
}

Test(git_scan, a_linked_work_tree_is_the_same_repository)
{
	char gitdir[256];

	scan_sh(LINE
		" && git worktree add -q ../wt -b wt && cd ../wt && git checkout -q --detach &&"
		"at 8 git commit -q --allow-empty -m d");
	cr_assert_eq(scan_path("r"), 0);
	(void)snprintf(gitdir, sizeof(gitdir), "%s", scan_text(scan_first(), "gitdir"));
	cr_expect_eq(json_object_size(heads()), 3);
	cr_expect_eq(strlen(scan_text(heads(), "worktrees/wt/HEAD")), 40);
	cr_expect_str_eq(scan_order(), "c1 c2 c3 c4 d");
	cr_expect(watched("/.git/worktrees/wt/HEAD"));
	cr_assert_eq(scan_path("wt"), 0);
	cr_expect_str_eq(scan_text(scan_first(), "gitdir"), gitdir);
	cr_expect_str_eq(strrchr(scan_text(scan_first(), "workdir"), '/'), "/wt");
	cr_expect(json_is_null(json_object_get(scan_first(), "branch")));
	cr_expect_str_eq(scan_text(scan_first(), "head"), scan_text(heads(), "worktrees/wt/HEAD"));
	cr_expect_str_eq(scan_order(), "c1 c2 c3 c4 d");
	cr_assert_eq(scan_branches("*", NULL), 0);
	cr_expect_str_eq(scan_order(), "c1 c2 c3 c4");
}

Test(git_scan, a_detached_head_counts_as_a_branch)
{
	scan_sh(LINE " && git checkout -q --detach && at 5 git commit -q --allow-empty -m d");
	cr_assert_eq(scan_path("r"), 0);
	cr_expect_str_eq(scan_text(heads(), "HEAD"), rev("HEAD"));
	cr_expect_str_eq(scan_order(), "c1 c2 c3 c4 d");
}

Test(git_scan, before_the_first_commit_there_is_nothing_to_tell)
{
	cr_assert_eq(scan_path("r"), 0);
	cr_expect(json_is_null(json_object_get(scan_first(), "head")));
	cr_expect_str_eq(scan_text(scan_first(), "branch"), "refs/heads/main");
	cr_expect_eq(json_object_size(heads()), 0);
	cr_expect_eq(scan_commits(), 0);
}

Test(git_scan, packed_refs_count_and_newer_loose_ones_win)
{
	scan_sh(LINE " && git branch old main~1 && git pack-refs --all --prune &&"
		     "at 5 git commit -q --allow-empty -m c5");
	cr_assert_eq(scan_path("r"), 0);
	cr_expect_str_eq(scan_text(heads(), "refs/heads/old"), rev("main~2"));
	cr_expect_str_eq(scan_order(), "c1 c2 c3 c4 c5");
}

Test(git_scan, globs_choose_branches)
{
	scan_sh(LINE " && git branch feature/x main~1 && git branch feature/deep/y main~2 &&"
		     "git branch other main~3 && git update-ref refs/remotes/origin/z main~3");
	cr_assert_eq(scan_branches("feature/*", NULL), 0);
	cr_expect_eq(json_object_size(heads()), 2);
	cr_expect_str_eq(scan_order(), "c1 c2 c3");
	cr_assert_eq(scan_branches("other", "refs/remotes/origin/*"), 0);
	cr_expect_eq(json_object_size(heads()), 2);
	cr_expect_str_eq(scan_text(heads(), "refs/remotes/origin/z"), rev("other"));
	cr_expect(watched("/refs/remotes/origin") && watched("/refs/heads"));
	cr_assert_eq(scan_branches("refs/remotes/none/*", NULL), 0);
	cr_expect_eq(json_object_size(heads()), 0);
	cr_expect(watched("/refs/remotes/none"));
}

Test(git_scan, tags_are_peeled_symbols_followed_and_the_rest_left_out)
{
	scan_sh(LINE
		" && git tag -am t v1 main~1 && git symbolic-ref refs/heads/sym refs/heads/main &&"
		"git symbolic-ref refs/heads/dangling refs/heads/none &&"
		"git update-ref refs/tags/blob main:f");
	cr_assert_eq(scan_branches("refs/tags/*", "refs/heads/*"), 0);
	cr_expect_eq(json_object_size(heads()), 3);
	cr_expect_str_eq(scan_text(heads(), "refs/tags/v1"), rev("main~1"));
	cr_expect_str_eq(scan_text(heads(), "refs/heads/sym"), rev("main"));
}

Test(git_scan, whatever_moves_a_ref_changes_what_is_watched)
{
	static const char *const moves[] = {
		"git commit -q --allow-empty -m n",
		"git branch new",
		"git branch deep/er/x",
		"git branch -D new",
		"git checkout -q --detach main~1",
		"git -C ../wt checkout -q --detach",
		"git worktree add -q --detach ../w2",
		"git update-ref refs/heads/main main~1",
	};
	static const char stats[] =
		"cd r && xargs -d '\\n' stat -c '%n %Z.%Y %i %s' <../watch 2>&1 |"
		"sort >../";
	char script[256];

	scan_sh(LINE " && git worktree add -q ../wt");
	for (size_t i = 0; i < sizeof(moves) / sizeof(moves[0]); i++) {
		json_t *e;
		size_t k;
		FILE *f = fopen("watch", "we");

		cr_assert_eq(scan_path("r"), 0);
		json_array_foreach(json_object_get(scan_first(), "watch"), k, e)
			cr_assert_geq(fprintf(f, "%s\n", json_string_value(e)), 0);
		cr_assert_eq(fclose(f), 0);
		/* long ago, so that any write shows */
		scan_sh("<watch xargs -d '\\n' touch -c -d 2001-01-01");
		(void)snprintf(script, sizeof(script), "%sbefore || :", stats);
		scan_sh(script);
		(void)snprintf(script, sizeof(script), "cd r && %s", moves[i]);
		scan_sh(script);
		(void)snprintf(script, sizeof(script), "%safter || :", stats);
		scan_sh(script);
		cr_expect_neq(
			system("cut -d' ' -f1-2 before | sed 's/ [0-9]*[.]/ /' >b1;" /* NOLINT */
			       "cut -d' ' -f1-2 after | sed 's/ [0-9]*[.]/ /' >a1; cmp -s b1 a1"),
			0, "%s", moves[i]);
	}
}
