/* What a commit says and changes: real repositories, made with the git program. */
#include <criterion/criterion.h>
#include <string.h>

#include "tests/lib/scanning.h"

TestSuite(git_patch, .init = scan_setup, .fini = scan_teardown);

/* LINES 1 to N into f. */
#define START "cd r && seq 20 >f && git add f && git commit -qm base"

static void expect_hashes(const char *a, const char *b, int patch, int loose)
{
	cr_assert_eq(scan_path("r"), 0, "%s", scan_says());
	cr_assert_eq(strlen(scan_text(scan_commit(a), "patch")), 40);
	cr_assert_eq(strlen(scan_text(scan_commit(b), "loose")), 40);
	cr_expect_eq(strcmp(scan_text(scan_commit(a), "patch"),
			    scan_text(scan_commit(b), "patch")) == 0,
		     patch, "patch");
	cr_expect_eq(strcmp(scan_text(scan_commit(a), "loose"),
			    scan_text(scan_commit(b), "loose")) == 0,
		     loose, "loose");
}

static json_t *path_of(const char *subject, size_t i)
{
	return json_array_get(json_object_get(scan_commit(subject), "paths"), i);
}

static int64_t size(const char *subject, size_t i)
{
	return json_integer_value(json_array_get(path_of(subject, i), 3));
}

static int has_blob(const char *subject, size_t i)
{
	return json_is_string(json_array_get(path_of(subject, i), 2));
}

/* --- paths --- */

Test(git_patch, each_kind_of_change_has_its_letter)
{
	scan_sh("cd r && mkdir d && echo a >a && echo b >d/b && echo c >c && echo x >x && ln -s a l &&"
		"git add . && git commit -qm one && echo more >>a && git rm -q c && git mv d/b e &&"
		"chmod +x x && rm l && echo l >l && echo n >n && git add . && git commit -qm two");
	cr_assert_eq(scan_path("r"), 0);
	cr_expect_str_eq(scan_paths("one"), "A a, A c, A d/b, A l, A x");
	cr_expect_str_eq(scan_paths("two"), "M a, D c, D d/b, R e, M l, A n, M x");
	cr_expect_eq(size("two", 0), 7);
	cr_expect_eq(size("two", 1), 0);
	cr_expect(!has_blob("two", 1) && has_blob("two", 0) && has_blob("two", 3));
	cr_expect_eq(size("one", 3), 1, "a symbolic link is as long as its target");
	cr_expect_eq(json_integer_value(json_object_get(scan_commit("two"), "more")), 0);
}

Test(git_patch, a_moved_file_that_changed_is_no_rename)
{
	scan_sh("cd r && seq 99 >a && git add a && git commit -qm one && git mv a b && echo >>b &&"
		"git commit -qam two");
	cr_assert_eq(scan_path("r"), 0);
	cr_expect_str_eq(scan_paths("two"), "D a, A b");
}

Test(git_patch, a_submodule_has_no_blob)
{
	scan_sh("git init -q s && at 1 git -C s commit -q --allow-empty -m s && cd r &&"
		"git submodule --quiet add \"$HOME/s\" sub 2>/dev/null && git commit -qm one &&"
		"at 2 git -C sub commit -q --allow-empty -m s2 && git commit -qam two &&"
		"git rm -qf sub && git commit -qm three");
	cr_assert_eq(scan_path("r"), 0);
	cr_expect_str_eq(scan_paths("one"), "A .gitmodules, A sub");
	cr_expect_str_eq(scan_paths("two"), "M sub");
	cr_expect(!has_blob("two", 0) && size("two", 0) == 0);
	cr_expect_eq(strlen(scan_text(scan_commit("two"), "patch")), 40);
	cr_expect_str_eq(scan_paths("three"), "M .gitmodules, D sub");
}

Test(git_patch, a_file_that_becomes_a_directory_is_deleted)
{
	scan_sh("cd r && echo a >a && git add . && git commit -qm one && rm a && mkdir a && echo b >a/b &&"
		"git add . && git commit -qm two");
	cr_assert_eq(scan_path("r"), 0);
	cr_expect_str_eq(scan_paths("two"), "D a, A a/b");
}

Test(git_patch, names_that_are_no_line_are_mended)
{
	scan_sh("cd r && touch \"$(printf 'a\\nb')\" \"$(printf 'c\\377d')\" \"$(printf 'e\\tf')\" '\"' &&"
		"git add . && git commit -qm one");
	cr_assert_eq(scan_path("r"), 0);
	cr_expect_str_eq(scan_paths("one"), "A \", A a?b, A c?d, A e?f");
}

Test(git_patch, beyond_a_limit_paths_are_only_counted)
{
	scan_sh("cd r && seq 1000 | xargs touch && git add . && git commit -qm full &&"
		"seq 1001 2001 | xargs touch && git add . && git commit -qm over");
	cr_assert_eq(scan_path("r"), 0);
	cr_expect_eq(json_array_size(json_object_get(scan_commit("full"), "paths")), 1000);
	cr_expect_eq(strlen(scan_text(scan_commit("full"), "patch")), 40);
	cr_expect_eq(json_array_size(json_object_get(scan_commit("over"), "paths")), GIT_PATHS_MAX);
	cr_expect_eq(json_integer_value(json_object_get(scan_commit("over"), "more")), 1);
	cr_expect_str_eq(scan_text(scan_commit("over"), "patch"), "null");
	cr_expect_str_eq(scan_text(scan_commit("over"), "loose"), "null");
}

Test(git_patch, an_empty_commit_changes_nothing)
{
	scan_sh(START " && git commit -q --allow-empty -m none");
	cr_assert_eq(scan_path("r"), 0);
	cr_expect_str_eq(scan_paths("none"), "");
	cr_expect_str_eq(scan_text(scan_commit("none"), "patch"), "null");
	cr_expect_str_eq(scan_text(scan_commit("none"), "loose"), "null");
}

/* --- the same change again --- */

Test(git_patch, a_change_made_again_elsewhere_is_the_same)
{
	scan_sh(START
		" && git checkout -qb o && sed -i 's/^10$/ten/' f && git commit -qam a &&"
		"git checkout -q main && sed -i -e 1,3d -e 's/^9$/nine/' -e 's/^11$/eleven/' f &&"
		"echo >>f && git commit -qam other && sed -i 's/^10$/ten/' f && git commit -qam b");
	expect_hashes("a", "b", 1, 1);
}

Test(git_patch, another_content_path_or_mode_is_another_change)
{
	scan_sh(START
		" && cp f g && git add . && git commit -qm g && sed -i 's/^10$/ten/' f &&"
		"git commit -qam a && git checkout -q main~1 && sed -i 's/^10$/TEN/' f &&"
		"git commit -qam b && git branch b && git checkout -q main~1 &&"
		"sed -i 's/^10$/ten/' g && git commit -qam c && git branch c &&"
		"git checkout -q main~1 && sed -i 's/^10$/ten/' f && chmod +x f &&"
		"git commit -qam d && git branch d && git checkout -q main~1 && chmod +x f &&"
		"git commit -qam e && git branch e && chmod -x f && git commit -qam e2 && git branch e2");
	expect_hashes("a", "b", 0, 0);
	expect_hashes("a", "c", 0, 0);
	expect_hashes("a", "d", 0, 0);
	expect_hashes("e", "d", 0, 0);
	expect_hashes("e", "e2", 0, 0);
}

Test(git_patch, whether_a_line_is_removed_or_added_and_ends_in_a_newline_counts)
{
	scan_sh(START
		" && printf x >>f && git commit -qam a && echo >>f && git commit -qam b &&"
		"git reset -q --hard HEAD~2 && echo x >>f && git commit -qam c &&"
		"sed -i '$d' f && git commit -qam d && git branch k && git reset -q --hard ORIG_HEAD");
	expect_hashes("a", "c", 0, 1);
	expect_hashes("c", "d", 0, 0);
}

Test(git_patch, white_space_is_nothing_to_the_loose_hash)
{
	scan_sh(START
		" && git checkout -qb o && sed -i '10a if (x) call(a, b);' f && git commit -qam a &&"
		"git checkout -q main && sed -i '10a \\\\tif (x)\\n\\t\\tcall(a,\\n\\t\\t     b);' f &&"
		"git commit -qam b");
	expect_hashes("a", "b", 0, 1);
}

Test(git_patch, a_change_of_white_space_alone_has_hashes)
{
	scan_sh(START
		" && sed -i 's/^10$/  10/' f && git commit -qam a && sed -i 's/^12$/  12/' f &&"
		"git commit -qam b");
	expect_hashes("a", "b", 0, 0);
}

Test(git_patch, binary_and_large_files_count_by_their_blobs)
{
	scan_sh("cd r && printf 'a\\0b' >b && seq 300000 >l && git add . && git commit -qm one &&"
		"git checkout -qb o && printf 'a\\0c' >b && git commit -qam a && git checkout -q main &&"
		"echo >n && git add n && git commit -qm n && printf 'a\\0c' >b && git commit -qam a2 &&"
		"printf 'a\\0 c' >b && git commit -qam a3 && echo >>l && git commit -qam l1 &&"
		"echo >>l && git commit -qam l2");
	expect_hashes("a", "a2", 1, 1);
	expect_hashes("a", "a3", 0, 0);
	expect_hashes("l1", "l2", 0, 0);
	cr_expect_eq(size("l2", 0), 1988897);
}

Test(git_patch, a_patch_beyond_a_limit_has_no_hash)
{
	scan_sh("cd r && for i in 1 2 3 4 5; do seq 140000 >l$i; done && git add . && git commit -qm big");
	cr_assert_eq(scan_path("r"), 0);
	cr_expect_eq(json_array_size(json_object_get(scan_commit("big"), "paths")), 5);
	cr_expect_str_eq(scan_text(scan_commit("big"), "patch"), "null");
	cr_expect_str_eq(scan_text(scan_commit("big"), "loose"), "null");
}

Test(git_patch, what_the_work_tree_says_of_files_is_nothing_to_a_hash)
{
	char before[64];

	scan_sh(START " && sed -i 's/^10$/ten/' f && git commit -qam a");
	cr_assert_eq(scan_path("r"), 0);
	(void)strcpy(before, scan_text(scan_commit("a"), "patch")); /* NOLINT: 40 digits */
	scan_sh("cd r && echo '* binary' >.gitattributes && git config diff.algorithm patience");
	cr_assert_eq(scan_path("r"), 0);
	cr_expect_str_eq(scan_text(scan_commit("a"), "patch"), before);
}

/* --- the message --- */

static json_t *trailer(const char *subject, size_t i)
{
	return json_array_get(json_object_get(scan_commit(subject), "trailers"), i);
}

Test(git_patch, trailers_are_pairs)
{
	scan_sh("cd r && printf 'a\\n\\nbody: not\\n\\ntext\\n\\nCoord-Session: s1\\nFixes: x\\n  folded\\n' |"
		"git commit -q --allow-empty -F - && (printf 'b\\n\\n'; for i in $(seq 30); do "
		"echo \"K$i: $(printf 'v%.0s' $(seq 400))\"; done) | git commit -q --allow-empty -F -");
	cr_assert_eq(scan_path("r"), 0);
	cr_expect_eq(json_array_size(json_object_get(scan_commit("a"), "trailers")), 2);
	cr_expect_str_eq(json_string_value(json_array_get(trailer("a", 0), 0)), "Coord-Session");
	cr_expect_str_eq(json_string_value(json_array_get(trailer("a", 0), 1)), "s1");
	cr_expect_str_eq(json_string_value(json_array_get(trailer("a", 1), 1)), "x   folded");
	cr_expect_eq(json_array_size(json_object_get(scan_commit("b"), "trailers")),
		     GIT_TRAILERS_MAX);
	cr_expect_eq(json_string_length(json_array_get(trailer("b", 0), 1)), GIT_TEXT_BYTES);
}

Test(git_patch, a_revert_and_a_picked_commit_name_what_they_are_of)
{
	scan_sh(START
		" && sed -i 's/^10$/ten/' f && git commit -qam a && git revert --no-edit HEAD >/dev/null &&"
		"git checkout -qb o main~2 && echo >n && git add n && git commit -qm n &&"
		"git cherry-pick -x main~1 >/dev/null && git commit -q --amend -m "
		"\"picked\n\n$(git log -1 --format=%b)\n(twice $(git rev-parse main~1), upper "
		"$(git rev-parse main~1 | tr a-f A-F), longer $(git rev-parse main~1)0)\"");
	cr_assert_eq(scan_path("r"), 0);
	cr_expect_str_eq(json_string_value(json_array_get(
				 json_object_get(scan_commit("Revert \"a\""), "names"), 0)),
			 scan_text(scan_commit("a"), "commit"));
	cr_expect_eq(json_array_size(json_object_get(scan_commit("picked"), "names")), 1);
	cr_expect_str_eq(json_string_value(json_array_get(
				 json_object_get(scan_commit("picked"), "names"), 0)),
			 scan_text(scan_commit("a"), "commit"));
	expect_hashes("a", "picked", 1, 1);
}

Test(git_patch, texts_are_one_line_of_UTF_8)
{
	scan_sh("cd r && printf 'a\\tb\\001\\377 \\r\\nnext\\n' | git -c i18n.commitEncoding=latin1 commit -q --allow-empty -F - &&"
		"printf 'x%.0s' $(seq 199) >../s && printf '\\303\\244y\\n' >>../s &&"
		"git commit -q --allow-empty -F ../s");
	cr_assert_eq(scan_path("r"), 0);
	cr_expect_eq(scan_commits(), 2);
	cr_expect_not_null(strstr(scan_order(), "a b?? "), "%s", scan_order());
	cr_expect_not_null(strstr(scan_order(), "xxx"));
	cr_expect_eq(strlen(strstr(scan_order(), "xxx")), 199);
}
