/* What is one piece of work done twice, and what only looks like it. */
#include <stdio.h>
#include <string.h>

#include "backend/buf.h"
#include "backend/clean.h"
#include "backend/converge.h"
#include "backend/tx.h"
#include "tests/lib/check.h"
#include "tests/lib/json.h"
#include "tests/lib/random.h"

static json_t *x, *y;

/* Two commits of two sessions, a minute apart, that have nothing in common. */
static json_t *plain(const char *text)
{
	json_t *e = json_quoted("{'parents': ['p'], 'how': 'holder', 'names': [], 'patch': '',"
				"'loose': '', 'paths': [], 'grants': [], 'holders': []}");
	json_t *own = json_quoted(text);

	cr_assert_eq(json_object_update(e, own), 0);
	json_decref(own);
	return e;
}

static void setup(void)
{
	x = plain("{'commit': 'xx', 'session': 's1', 'commit_at': 100000, 'author': 'X <x>',"
		  "'author_at': 100000, 'subject': 'x'}");
	y = plain("{'commit': 'yy', 'session': 's2', 'commit_at': 160000, 'author': 'Y <y>',"
		  "'author_at': 160000, 'subject': 'y'}");
}

static void teardown(void)
{
	json_decref(x);
	json_decref(y);
}

TestSuite(converge, .init = setup, .fini = teardown);

/* Member KEY of E is what TEXT says. */
static void be(json_t *e, const char *key, const char *text)
{
	cr_assert_eq(json_object_set_new(e, key, json_quoted(text)), 0);
}

static void both(const char *key, const char *text)
{
	be(x, key, text);
	be(y, key, text);
}

static void paths(const char *of_x, const char *of_y)
{
	be(x, "paths", of_x);
	be(y, "paths", of_y);
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* "KINDS: PATHS", each separated by blanks, the paths in order of the alphabet. */
static char *judged(const json_t *a, const json_t *b)
{
	AUTO_BUF struct buf kinds = BUF_INIT;
	AUTO_BUF struct buf out = BUF_INIT;
	const char *names[32];
	struct converge is;
	const json_t *v;
	size_t i, n = 0;

	cr_assert_eq(converge_judge(a, b, &is), 0);
	converge_say(is.kinds, &kinds);
	for (const char *s = buf_text(&kinds); *s; s++)
		buf_char(&out, *s == '\n' ? ' ' : *s);
	json_array_foreach(is.paths, i, v)
		if (n < 32)
			names[n++] = json_string_value(v);
	qsort(names, n, sizeof(*names), by_text);
	for (i = 0; i < n; i++)
		buf_printf(&out, "%s%s", i ? " " : ": ", names[i]);
	converge_release(&is);
	return strdup(buf_text(&out));
}

/* X and Y, in both orders. */
static void assert_is(const char *want)
{
	AUTO_FREE char *one = judged(x, y), *other = judged(y, x);

	cr_assert_str_eq(one, want);
	cr_assert_str_eq(other, one, "it depends on which is asked about first");
}

#define HOLDS(artifact)                                                             \
	"[{'token': 5, 'task': 'T', 'task_id': 3, 'since': 50000, 'named': false, " \
	"'artifacts': ['" artifact "']}]"

/* --- what is one piece of work --- */

/* The later session had seen the other's commit, as its base says, and held what it wrote. */
static void knowingly(const char *seq, const char *base)
{
	be(x, "seq", seq);
	be(y, "base", base);
	be(y, "grants", HOLDS("r:a"));
}

Test(converge, going_on_knowingly_under_a_claim_is_none)
{
	paths("[['M', 'r:a', 'b1', 9]]", "[['M', 'r:a', 'b2', 9]]");
	knowingly("40", "41");
	assert_is("");
}

Test(converge, a_mode_changed_knowingly_under_a_claim_is_none)
{
	paths("[['M', 'r:a', 'b1', 9]]", "[['M', 'r:a', 'b1', 9]]");
	knowingly("40", "41");
	assert_is("");
}

Test(converge, a_claim_without_having_seen_the_other_is_no_excuse)
{
	paths("[['M', 'r:a', 'b1', 9]]", "[['M', 'r:a', 'b2', 9]]");
	knowingly("40", "39");
	assert_is("path : r:a");
}

Test(converge, having_seen_the_other_without_a_claim_is_no_excuse)
{
	paths("[['M', 'r:a', 'b1', 9]]", "[['M', 'r:a', 'b2', 9]]");
	knowingly("40", "41");
	be(y, "grants", "[]");
	assert_is("path : r:a");
}

Test(converge, two_commits_that_share_nothing_are_none)
{
	paths("[['M', 'r:a', 'b1', 9]]", "[['M', 'r:b', 'b2', 9]]");
	assert_is("");
}

Test(converge, the_same_patch_on_another_base_is_found)
{
	both("patch", "'p1'");
	both("loose", "'l1'");
	paths("[['M', 'r:a', 'b1', 9]]", "[['M', 'r:a', 'b2', 9]]");
	both("grants", HOLDS("r:a"));
	assert_is("patch : r:a");
}

Test(converge, the_same_but_for_white_space_is_found)
{
	be(x, "patch", "'p1'");
	be(y, "patch", "'p2'");
	both("loose", "'l1'");
	paths("[['M', 'r:a', 'b1', 9]]", "[['M', 'r:a', 'b2', 9]]");
	both("grants", HOLDS("r:a"));
	assert_is("format : r:a");
}

Test(converge, commits_without_a_patch_have_none_in_common)
{
	both("patch", "''");
	both("loose", "''");
	assert_is("");
}

Test(converge, the_same_content_at_the_same_path_is_empty_against_the_other)
{
	paths("[['M', 'r:a', 'b1', 9], ['M', 'r:b', 'b2', 9]]", "[['M', 'r:a', 'b1', 9]]");
	both("grants", HOLDS("r:**"));
	assert_is("empty : r:a");
}

Test(converge, a_part_that_differs_is_more_than_the_other_wrote)
{
	paths("[['M', 'r:a', 'b1', 9], ['M', 'r:b', 'b2', 9]]",
	      "[['M', 'r:a', 'b1', 9], ['M', 'r:c', 'b2', 9]]");
	both("grants", HOLDS("r:**"));
	assert_is("");
}

Test(converge, a_file_that_both_deleted_is_empty)
{
	paths("[['D', 'r:a', '', 0]]", "[['D', 'r:a', '', 0]]");
	both("grants", HOLDS("r:a"));
	assert_is("empty : r:a");
}

Test(converge, a_file_that_one_deleted_and_the_other_changed_is_not_empty)
{
	paths("[['D', 'r:a', '', 0]]", "[['M', 'r:a', 'b1', 9]]");
	both("grants", HOLDS("r:a"));
	assert_is("");
}

Test(converge, a_mode_that_both_changed_is_empty)
{
	paths("[['M', 'r:a', 'b1', 9]]", "[['M', 'r:a', 'b1', 9]]");
	both("grants", HOLDS("r:a"));
	assert_is("empty : r:a");
}

Test(converge, what_has_no_content_to_compare_is_not_the_same)
{
	/* two steps of a submodule */
	paths("[['M', 'r:lib', '', 0]]", "[['M', 'r:lib', '', 0]]");
	both("grants", HOLDS("r:lib"));
	assert_is("");
}

Test(converge, a_commit_without_paths_is_not_within_another)
{
	paths("[]", "[['M', 'r:a', 'b1', 9]]");
	assert_is("");
}

Test(converge, what_is_not_listed_is_within_nothing)
{
	paths("[['*', 'r:**', '', 0]]", "[['*', 'r:**', '', 0]]");
	assert_is("");
	paths("[['M', 'r:a', 'b1', 9], ['*', 'r:**', '', 0]]",
	      "[['M', 'r:a', 'b2', 9], ['*', 'r:**', '', 0]]");
	both("grants", HOLDS("r:a"));
	assert_is("");
}

Test(converge, the_same_file_under_another_name_is_found)
{
	paths("[['A', 'r:a', 'b1', 9]]", "[['A', 'r:b', 'b1', 9]]");
	assert_is("blob : r:a r:b");
	paths("[['A', 'r:a', 'b1', 9]]", "[['M', 'r:b', 'b1', 9]]");
	assert_is("blob : r:a r:b");
}

Test(converge, a_file_that_was_only_renamed_is_not_written_twice)
{
	paths("[['A', 'r:a', 'b1', 9]]", "[['R', 'r:b', 'b1', 9]]");
	assert_is("");
}

Test(converge, tiny_and_empty_files_say_nothing)
{
	paths("[['A', 'r:a/__init__.py', 'e69', 0]]", "[['A', 'r:b/__init__.py', 'e69', 0]]");
	assert_is("");
	paths("[['A', 'r:a', 'b1', 4]]", "[['A', 'r:b', 'b1', 4]]");
	assert_is("");
	paths("[['A', 'r:a', 'b1', 5]]", "[['A', 'r:b', 'b1', 5]]");
	assert_is("blob : r:a r:b");
}

Test(converge, two_changed_files_of_one_content_are_not_a_new_file_twice)
{
	paths("[['M', 'r:a', 'b1', 9]]", "[['M', 'r:b', 'b1', 9]]");
	assert_is("");
}

Test(converge, the_same_path_outside_any_claim_is_found)
{
	paths("[['M', 'r:a', 'b1', 9]]", "[['M', 'r:a', 'b2', 9]]");
	assert_is("path : r:a");
}

Test(converge, the_same_path_inside_one_claim_only_is_found)
{
	paths("[['M', 'r:a', 'b1', 9]]", "[['M', 'r:a', 'b2', 9]]");
	be(x, "grants", HOLDS("r:a"));
	assert_is("path : r:a");
}

Test(converge, the_same_path_inside_the_claims_of_both_is_their_work)
{
	paths("[['M', 'r:a', 'b1', 9], ['M', 'r:b', 'b3', 9]]",
	      "[['M', 'r:a', 'b2', 9], ['M', 'r:c', 'b4', 9]]");
	both("grants", HOLDS("r:a"));
	assert_is("");
}

Test(converge, only_the_paths_outside_show_it)
{
	paths("[['M', 'r:a', 'b1', 9], ['M', 'r:b', 'b3', 9]]",
	      "[['M', 'r:a', 'b2', 9], ['M', 'r:b', 'b4', 9]]");
	both("grants", HOLDS("r:a"));
	assert_is("path : r:b");
}

Test(converge, a_pattern_in_a_claim_covers_a_path)
{
	paths("[['M', 'r:src/a.c', 'b1', 9]]", "[['M', 'r:src/a.c', 'b2', 9]]");
	both("grants", HOLDS("r:src/*.c"));
	assert_is("");
}

/* --- into a claim of the other --- */

static void trespass(void)
{
	paths("[['M', 'r:src/a', 'b1', 9]]", "[['M', 'r:src/b', 'b2', 9]]");
	be(y, "grants", HOLDS("r:src"));
	be(x, "holders", "['s2']");
}

Test(converge, what_was_written_into_the_claim_of_the_other_is_found)
{
	trespass();
	assert_is("path : r:src/a");
}

Test(converge, inside_a_claim_of_its_own_it_is_no_trespass)
{
	trespass();
	be(x, "grants", HOLDS("r:src/a"));
	assert_is("");
}

Test(converge, a_claim_that_began_after_the_commit_was_not_there_to_respect)
{
	trespass();
	be(x, "holders", "[]");
	be(x, "commit_at", "48000");
	assert_is("");
}

Test(converge, a_claim_of_the_same_second_was_there)
{
	trespass();
	be(x, "commit_at", "49001");
	assert_is("path : r:src/a");
	be(x, "commit_at", "49000");
	assert_is("");
}

Test(converge, a_claim_that_had_ended_before_the_commit_is_no_trespass)
{
	trespass();
	be(x, "commit_at", "900000");
	be(x, "holders", "[]");
	assert_is("");
}

/* --- what is none --- */

/* All that one piece of work can show. */
static void twins(void)
{
	both("patch", "'p1'");
	both("loose", "'l1'");
	both("subject", "'Add a check of links'");
	paths("[['A', 'r:a', 'b1', 9]]", "[['A', 'r:a', 'b1', 9]]");
}

Test(converge, twins_are_found_by_each_sign)
{
	twins();
	assert_is("patch empty path : r:a");
}

Test(converge, one_session_does_not_converge_with_itself)
{
	twins();
	both("session", "'s1'");
	assert_is("");
}

Test(converge, a_merge_is_none)
{
	twins();
	be(x, "parents", "['p', 'q']");
	assert_is("");
}

Test(converge, a_first_commit_may_be_one)
{
	twins();
	be(x, "parents", "[]");
	assert_is("patch empty path : r:a");
}

Test(converge, a_commit_whose_message_names_the_other_knows_of_it)
{
	twins();
	be(y, "names", "['zz', 'xx']"); /* a revert, a picked commit, a squashed branch */
	assert_is("");
	be(y, "names", "['zz']");
	assert_is("patch empty path : r:a");
	be(x, "names", "['yy']");
	assert_is("");
}

static void rewritten(void)
{
	twins();
	both("author", "'X <x>'");
	both("author_at", "100000");
}

Test(converge, the_same_change_by_the_same_author_at_the_same_second_is_a_rewrite)
{
	rewritten();
	assert_is("");
}

Test(converge, another_author_second_or_change_is_no_rewrite)
{
	rewritten();
	be(y, "author", "'Y <y>'");
	assert_is("patch empty path : r:a");
	rewritten();
	be(y, "author_at", "101000");
	assert_is("patch empty path : r:a");
	rewritten();
	be(y, "loose", "'l2'");
	assert_is("patch empty path : r:a");
}

Test(converge, without_a_patch_nothing_is_a_rewrite)
{
	rewritten();
	both("patch", "''");
	both("loose", "''");
	assert_is("empty path : r:a");
}

Test(converge, when_both_say_whose_they_are_it_is_no_rewrite)
{
	rewritten();
	both("how", "'trailer Coord-Session'");
	assert_is("patch empty path : r:a");
	be(x, "how", "'holder'");
	assert_is("");
}

/* --- words --- */

Test(converge, the_same_words_and_nothing_else_are_found_with_the_first_ones_paths)
{
	both("subject", "'Add a check of links'");
	paths("[['A', 'r:a', 'b1', 9]]", "[['M', 'r:b', 'b2', 9]]");
	assert_is("subject : r:a");
}

Test(converge, at_the_same_second_the_words_show_the_same_paths_in_either_order)
{
	both("subject", "'Add a check of links'");
	both("commit_at", "100000");
	paths("[['A', 'r:a', 'b1', 9]]", "[['M', 'r:b', 'b2', 9]]");
	assert_is("subject : r:a");
}

Test(converge, the_same_words_over_nothing_are_empty)
{
	both("subject", "'Add a check of links'");
	paths("[]", "[['M', 'r:b', 'b2', 9]]");
	assert_is("empty subject : r:b");
}

Test(converge, words_that_anybody_would_write_say_nothing)
{
	static const char *const words[] = {
		"''",
		"'wip'",
		"'Fix typo'",
		"'a b c'",
		"'     a     b'",
		"'Merge branch of somebody'",
		"'Revert \\u0027Add a check of links\\u0027'",
		"'fixup! Add a check of links'",
		"'squash! Add a check of links'",
		"'amend! Add a check of links'",
	};

	paths("[['A', 'r:a', 'b1', 9]]", "[['M', 'r:b', 'b2', 9]]");
	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++) {
		both("subject", words[i]);
		assert_is("");
	}
}

Test(converge, words_are_not_looked_at_where_there_is_more)
{
	both("subject", "'Add a check of links'");
	paths("[['M', 'r:a', 'b1', 9]]", "[['M', 'r:a', 'b2', 9]]");
	assert_is("path : r:a");
}

/* --- whatever they are --- */

static json_t *some_grants(uint64_t *seed)
{
	static const char *const names[] = { "r:a", "r:b", "r:d", "r:**" };
	json_t *list = json_array();

	for (int i = random_below(seed, 3); i > 0; i--)
		(void)json_array_append_new(list,
					    json_pack("{s:i,s:s,s:I,s:i,s:[s]}", "token", i, "task",
						      "T", "task_id", (json_int_t)3, "since",
						      random_below(seed, 4) * 1000, "artifacts",
						      names[random_below(seed, 4)]));
	return list;
}

static json_t *some_paths(uint64_t *seed)
{
	static const char *const names[] = { "r:a", "r:b", "r:d/e", "r:d/f" };
	static const char *const blobs[] = { "", "b1", "b2" };
	static const char *const status[] = { "A", "M", "D", "R" };
	json_t *list = json_array();

	for (int i = 0; i < 4; i++)
		if (random_below(seed, 3) == 0)
			(void)json_array_append_new(
				list,
				json_pack("[s,s,s,i]", status[random_below(seed, 4)], names[i],
					  blobs[random_below(seed, 3)], random_below(seed, 10)));
	if (random_below(seed, 20) == 0)
		(void)json_array_append_new(list, json_pack("[s,s,s,i]", "*", "r:**", "", 0));
	return list;
}

static const char *some(uint64_t *seed, const char *a, const char *b, const char *c)
{
	const char *all[] = { a, b, c };

	return all[random_below(seed, 3)];
}

static json_t *some_commit(uint64_t *seed, const char *name, const char *other)
{
	json_t *e = json_pack("{s:s,s:[s],s:i,s:s,s:i,s:s,s:s,s:s,s:s,s:s}", "commit", name,
			      "parents", "p", "commit_at", random_below(seed, 4) * 1000, "author",
			      some(seed, "X", "Y", "X"), "author_at", random_below(seed, 2),
			      "subject",
			      some(seed, "Add a check of links", "wip", "One more check"),
			      "session", some(seed, "s1", "s2", "s3"), "how",
			      some(seed, "holder", "trailer T", "rewrite"), "patch",
			      some(seed, "", "p1", "p2"), "loose", some(seed, "", "l1", "l2"));

	(void)json_object_set_new(e, "names",
				  random_below(seed, 9) ? json_array() : json_pack("[s]", other));
	(void)json_object_set_new(e, "holders",
				  random_below(seed, 2) ?
					  json_array() :
					  json_pack("[s]", some(seed, "s1", "s2", "s3")));
	(void)json_object_set_new(e, "paths", some_paths(seed));
	(void)json_object_set_new(e, "grants", some_grants(seed));
	return e;
}

Test(converge, the_answer_is_the_same_in_either_order)
{
	uint64_t seed = 20260701;
	int found = 0;

	for (int i = random_rounds("CONVERGE_ROUNDS", 20000); i > 0; i--) {
		json_t *a = some_commit(&seed, "aa", "bb"), *b = some_commit(&seed, "bb", "aa");
		AUTO_FREE char *one = judged(a, b), *other = judged(b, a);

		cr_assert_str_eq(one, other, "round %d", i);
		found += *one != '\0';
		json_decref(a);
		json_decref(b);
	}
	cr_assert_gt(found, 0);
}

/* --- under which claim --- */

Test(converge, a_commit_was_made_under_the_claim_that_covers_the_most)
{
	be(x, "paths", "[['M', 'r:a', 'b1', 9], ['M', 'r:b', 'b1', 9]]");
	be(x, "grants",
	   "[{'token': 1, 'artifacts': ['r:a', 'r:b']}, {'token': 2, 'artifacts': ['r:a']}]");
	cr_assert_eq(event_int(converge_grant(x), "token"), 1);
	be(x, "grants",
	   "[{'token': 1, 'artifacts': ['r:a']}, {'token': 2, 'artifacts': ['r:**']}]");
	cr_assert_eq(event_int(converge_grant(x), "token"), 2);
}

Test(converge, a_claim_that_the_commit_names_comes_before_all)
{
	be(x, "paths", "[['M', 'r:a', 'b1', 9]]");
	be(x, "grants",
	   "[{'token': 1, 'named': true, 'artifacts': []}, {'token': 2, 'artifacts': ['r:a']}]");
	cr_assert_eq(event_int(converge_grant(x), "token"), 1);
}

Test(converge, without_a_claim_there_is_none)
{
	cr_assert_null(converge_grant(x));
}
