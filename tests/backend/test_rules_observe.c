/* What a scan reports, as events: each commit once, its paths as artifacts, where the branches are. */
#include "backend/clean.h"
#include "backend/commit.h"
#include "backend/tx.h"
#include "tests/lib/check.h"
#include "tests/lib/json.h"
#include "tests/lib/observing.h"

static struct fixture f;
static int64_t repo;

static void setup(void)
{
	fixture_open(&f);
	repo = observing_repo(&f, "r");
}

static void teardown(void)
{
	assert_sound(&f);
	fixture_close(&f);
}

TestSuite(rules_observe, .init = setup, .fini = teardown);

#define see(...) assert_ok(observe(&f, repo, __VA_ARGS__))

static int64_t count_commits(int64_t of)
{
	int64_t n;

	cr_assert_eq(store_read_begin(f.store), 0);
	n = db_get(store_reader(f.store), -1, Q(COMMITS_COUNT), I(of));
	store_read_end(f.store);
	return n;
}

/* The row of the last one. */
static struct commit last_commit(void)
{
	int64_t id = fixture_seq(&f, "commit");
	struct commit c;

	cr_assert_eq(store_read_begin(f.store), 0);
	cr_assert_eq(read_commit(store_reader(f.store), id, &c), 1);
	store_read_end(f.store);
	return c;
}

/* Is member KEY of the last commit this? */
static void assert_has(const char *key, const char *text)
{
	json_t *e = fixture_event(&f, "commit");
	AUTO_FREE char *is = json_dumps(json_object_get(e, key), JSON_ENCODE_ANY);

	cr_assert(json_is(json_object_get(e, key), text), "%s is %s", key, is ? is : "not there");
	json_decref(e);
}

/* --- commits --- */

Test(rules_observe, a_commit_is_recorded_with_all_that_was_seen_of_it)
{
	struct commit c;

	(void)fixture_session(&f, "s1");
	see(.commit = "a1", .session = "s1", .paths = "M src/a.c b1 7\nD old\nA new b2 0",
	    .author = "N <n@example.org>", .at = 2000, .author_at = 1000, .subject = "Say it",
	    .patch = "p1", .loose = "l1", .names = "b1", .parents = 2);
	assert_has("repo", "'r'");
	assert_has("commit", "'a100000000000000000000000000000000000000'");
	assert_has("commit_at", "2000000");
	assert_has("author_at", "1000000");
	assert_has("author", "'N <n@example.org>'");
	assert_has("subject", "'Say it'");
	assert_has("patch", "'p1'");
	assert_has("loose", "'l1'");
	assert_has("names", "['b100000000000000000000000000000000000000']");
	assert_has("paths", "[['M','r:src/a.c','b1',7],['D','r:old','',0],['A','r:new','b2',0]]");
	assert_has("first", NULL);
	c = last_commit();
	cr_assert_eq(c.repo, repo);
	cr_assert_eq(c.at, 2000000);
	cr_assert_eq(c.author_at, 1000000);
	cr_assert_str_eq(c.subject, "Say it");
	cr_assert_str_eq(c.session, "s1");
	cr_assert_str_eq(c.how, "trailer Coord-Session");
	cr_assert_eq(c.first, 0);
}

Test(rules_observe, nobodys_commit_has_a_dash_in_the_event_and_no_name_in_the_table)
{
	struct commit c;

	see(.commit = "a1");
	assert_has("session", "'-'");
	c = last_commit();
	cr_assert_str_eq(c.session, "");
	cr_assert_eq(c.session_id, 0);
}

Test(rules_observe, a_commit_that_is_known_is_not_recorded_twice)
{
	json_t *twice = json_pack("[o,o]", observing_commit(&f, &(struct seen){ .commit = "b" }),
				  observing_commit(&f, &(struct seen){ .commit = "b" }));

	see(.commit = "a");
	see(.commit = "a", .subject = "other words");
	cr_assert_eq(fixture_count(&f, "commit"), 1);
	assert_ok(observing_change(&f, repo, twice, NULL));
	cr_assert_eq(fixture_count(&f, "commit"), 2);
	cr_assert_eq(count_commits(repo), 2);
}

Test(rules_observe, the_same_commit_in_another_repository_is_recorded_there)
{
	int64_t other = observing_repo(&f, "other");

	see(.commit = "a");
	assert_ok(observe(&f, other, .commit = "a"));
	cr_assert_eq(count_commits(repo), 1);
	cr_assert_eq(count_commits(other), 1);
}

Test(rules_observe, until_a_scan_is_done_its_commits_were_there_before)
{
	int64_t other = observing_new_repo(&f, "other");

	assert_ok(observe(&f, other, .commit = "a"));
	assert_has("first", "true");
	assert_ok(observe(&f, other, .commit = "b"));
	assert_has("first", "true");
	assert_ok(observing_change(
		&f, other, json_pack("[o]", observing_commit(&f, &(struct seen){ .commit = "c" })),
		"c"));
	assert_has("first", "true");
	assert_ok(observe(&f, other, .commit = "d"));
	assert_has("first", NULL);
}

Test(rules_observe, of_another_directory_all_that_is_new_was_there_before)
{
	json_t *in = json_pack("{s:I,s:s,s:[o]}", "repo_id", (json_int_t)repo, "gitdir",
			       "/elsewhere/.git", "commits",
			       observing_commit(&f, &(struct seen){ .commit = "b" }));
	AUTO_FREE char *text = json_dumps(in, 0);

	json_decref(in);
	see(.commit = "a");
	assert_has("first", NULL);
	assert_ok(commit(&f, CHANGE_OBSERVED, .text = text));
	assert_has("first", "true");
}

Test(rules_observe, a_hundred_commits_of_one_change_stand_in_its_order)
{
	json_t *list = json_array();
	char name[8];

	for (int i = 0; i < 100; i++) {
		(void)snprintf(name, sizeof(name), "a%03d", i);
		(void)json_array_append_new(
			list,
			observing_commit(&f, &(struct seen){ .commit = name, .paths = "M a" }));
	}
	assert_ok(observing_change(&f, repo, list, "a099"));
	cr_assert_eq(count_commits(repo), 100);
	assert_has("subject", "'a099'");
}

/* --- branches --- */

Test(rules_observe, where_the_branches_are_is_recorded_when_it_is_news)
{
	int n = fixture_count(&f, "scan");

	assert_ok(observing_done(&f, repo, "a"));
	cr_assert_eq(fixture_count(&f, "scan"), n + 1);
	cr_assert_str_eq(fixture_field(&f, repo, "head"),
			 "a000000000000000000000000000000000000000 refs/heads/main");
	cr_assert_str_eq(fixture_field(&f, repo, "gitdir"), "/r/.git");
	assert_ok(observing_done(&f, repo, "a"));
	cr_assert_eq(fixture_count(&f, "scan"), n + 1);
	assert_ok(observing_done(&f, repo, "b"));
	cr_assert_eq(fixture_count(&f, "scan"), n + 2);
}

Test(rules_observe, a_part_of_a_scan_says_nothing_of_branches)
{
	int n = fixture_count(&f, "scan");

	see(.commit = "a");
	cr_assert_eq(fixture_count(&f, "scan"), n);
}

/* --- what is refused --- */

Test(rules_observe, of_a_repository_that_is_gone_nothing_is_recorded)
{
	assert_ok(commit(&f, CHANGE_REMOVE, .of = THING_REPO, .name = "r", .thing = repo,
			 .owner = 1));
	assert_refused(observe(&f, repo, .commit = "a"), ESTALE, "that repository is gone");
	assert_refused(observe(&f, 999999, .commit = "a"), ESTALE, "that repository is gone");
	assert_refused(commit(&f, CHANGE_LOOK, .thing = repo), ESTALE, "that repository is gone");
	cr_assert_eq(fixture_count(&f, "commit"), 0);
}

Test(rules_observe, what_is_no_repository_has_no_commits)
{
	struct outcome o = commit(&f, CHANGE_ADD, .of = THING_LANE, .name = "lane", .owner = 1);

	assert_ok(o);
	assert_refused(observe(&f, o.id, .commit = "a"), ESTALE, "that repository is gone");
}

Test(rules_observe, what_is_no_report_is_refused_and_nothing_recorded)
{
	static const char *const texts[] = { "x", "[]", "{}", "{\"repo_id\":\"1\"}", "{", "1" };

	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++)
		assert_refused(commit(&f, CHANGE_OBSERVED, .text = texts[i]), ESTALE, "gone");
}

Test(rules_observe, a_repository_that_was_added_anew_is_another)
{
	see(.commit = "a");
	assert_ok(commit(&f, CHANGE_REMOVE, .of = THING_REPO, .name = "r", .thing = repo,
			 .owner = 1));
	repo = observing_new_repo(&f, "r");
	see(.commit = "a");
	assert_has("first", "true");
	cr_assert_eq(count_commits(repo), 1);
}

Test(rules_observe, to_look_at_a_repository_changes_nothing)
{
	int n = fixture_count(&f, NULL);

	assert_ok(commit(&f, CHANGE_LOOK, .thing = repo));
	cr_assert_eq(fixture_count(&f, NULL), n);
}

/* --- paths --- */

Test(rules_observe, a_name_with_the_signs_of_a_pattern_is_that_name_alone)
{
	see(.commit = "a", .json = "[['M', 'src/*.c', 'b', 9], ['M', 'a?/[x]', 'b', 9]]");
	assert_has("paths", "[['M','r:src/[*].c','b',9],['M','r:a[?]/[[]x]','b',9]]");
}

Test(rules_observe, a_colon_in_the_first_segment_is_no_space)
{
	see(.commit = "a", .json = "[['M', 'other:x/y', 'b', 9]]");
	assert_has("paths", "[['M','r:other:x/y','b',9]]");
}

Test(rules_observe, a_name_that_is_too_deep_is_the_deepest_directory_there_can_be)
{
	char json[512] = "[['A', 'd", want[512] = "[['A','r:d";

	for (int i = 1; i < 40; i++)
		(void)strcat(json, "/d");
	for (int i = 1; i < 32; i++)
		(void)strcat(want, "/d");
	(void)strcat(json, "', 'b', 9]]");
	(void)strcat(want, "','b',9]]");
	see(.commit = "a", .json = json);
	assert_has("paths", want);
}

Test(rules_observe, what_cannot_be_an_artifact_is_the_directory_above_it)
{
	see(.commit = "a", .json = "[['A', 'src/a\\nb', 'b1', 9], ['A', 'src/c\\u0001', 'b2', 9],"
				   "['A', 'top\\t', 'b3', 9], ['A', ' lead/x', 'b4', 9]]");
	assert_has("paths", "[['A','r:src','b1',9],['A','r:src','b2',9],['A','r:**','b3',9],"
			    "['A','r:**','b4',9]]");
}

Test(rules_observe, a_path_that_is_no_text_is_left_out)
{
	see(.commit = "a", .json = "[['A', null, 'b', 9], ['A'], 7, ['A', 'x', null, 0]]");
	assert_has("paths", "[['A','r:x','',0]]");
}

Test(rules_observe, what_is_not_listed_may_be_anywhere)
{
	see(.commit = "a", .paths = "M a b1 9", .more = 7);
	assert_has("paths", "[['M','r:a','b1',9],['*','r:**','',0]]");
}

Test(rules_observe, a_commit_without_paths_is_one)
{
	see(.commit = "a");
	assert_has("paths", "[]");
}
