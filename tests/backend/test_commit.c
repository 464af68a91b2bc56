/* Whose a commit is, as the store says when a scan reports it. */
#include "backend/commit.h"
#include "backend/tx.h"
#include "tests/lib/check.h"
#include "tests/lib/observing.h"

static struct fixture f;
static int64_t repo, s1, s2;

static void setup(void)
{
	fixture_open(&f);
	repo = observing_repo(&f, "r");
	s1 = fixture_session(&f, "s1");
	s2 = fixture_session(&f, "s2");
}

static void teardown(void)
{
	assert_sound(&f);
	fixture_close(&f);
}

TestSuite(commit, .init = setup, .fini = teardown);

#define see(...) assert_ok(observe(&f, repo, __VA_ARGS__))
#define assert_whose(want) cr_assert_str_eq(observing_whose(&f), want)

static int64_t session_id(void)
{
	json_t *e = fixture_event(&f, "commit");
	int64_t id = event_int(e, "session_id");

	json_decref(e);
	return id;
}

/* "SESSION HOW" of the commit called that; static. */
static const char *whose(const char *name)
{
	static char out[256];
	struct commit c = { .id = 0 };
	struct rows *r;

	cr_assert_eq(store_read_begin(f.store), 0);
	r = db_rows(store_reader(f.store), Q(COMMITS_LAST), I(repo), I(-1));
	while (commit_row(r, &c) > 0)
		if (strcmp(c.oid, observing_oid(name)) == 0)
			(void)snprintf(out, sizeof(out), "%s %s", *c.session ? c.session : "-",
				       c.how);
	rows_end(&r);
	store_read_end(f.store);
	return out;
}

/* A task in the repository r. */
static void task(const char *name, const char *artifacts)
{
	(void)fixture_task(&f, name, NULL);
	assert_ok(fixture_set(&f, name, "repo", "r"));
	assert_ok(fixture_set(&f, name, "artifacts", artifacts));
}

/* --- by its trailers --- */

Test(commit, a_trailer_names_its_session)
{
	see(.commit = "a", .session = "s1");
	assert_whose("s1 trailer Coord-Session");
	cr_assert_eq(session_id(), s1);
}

Test(commit, a_session_that_was_never_registered_is_named_all_the_same)
{
	see(.commit = "a", .session = "elsewhere");
	assert_whose("elsewhere trailer Coord-Session");
	cr_assert_eq(session_id(), 0);
}

Test(commit, the_keys_count_in_the_order_of_the_setting)
{
	see(.commit = "a", .trailers = "[['Agent-Session', 's2'], ['Coord-Session', 's1']]");
	assert_whose("s1 trailer Coord-Session");
	assert_ok(fixture_control(&f, "trailers", "Made-By\nAgent-Session"));
	see(.commit = "b",
	    .trailers = "[['Coord-Session', 's1'], ['Agent-Session', 's2'], ['Made-By', 's3']]");
	assert_whose("s3 trailer Made-By");
	see(.commit = "c", .session = "s1");
	assert_whose("- unattributed");
}

Test(commit, a_key_may_be_written_in_any_case)
{
	see(.commit = "a", .trailers = "[['coord-SESSION', 's1']]");
	assert_whose("s1 trailer Coord-Session");
}

Test(commit, a_longer_or_shorter_key_is_another)
{
	see(.commit = "a", .trailers = "[['Coord-Sessions', 's1'], ['Coord', 's1']]");
	assert_whose("- unattributed");
}

Test(commit, of_an_address_the_last_part_is_the_name)
{
	see(.commit = "a",
	    .trailers = "[['Claude-Session', 'https://example.org/code/session_01A']]");
	assert_whose("session_01A trailer Claude-Session");
}

Test(commit, a_value_that_is_no_name_is_passed_over)
{
	see(.commit = "a", .trailers = "[['Coord-Session', 'not a name'], ['Coord-Session', ''],"
				       "['Coord-Session', 'https://example.org/'],"
				       "['Coord-Session', '.hidden'], ['Coord-Session', 's1']]");
	assert_whose("s1 trailer Coord-Session");
	see(.commit = "b",
	    .trailers = "[['Coord-Session', 'not a name'], ['Agent-Session', 's2']]");
	assert_whose("s2 trailer Agent-Session");
}

Test(commit, the_sign_for_nobody_is_no_name)
{
	see(.commit = "a", .trailers = "[['Coord-Session', '-'], ['Agent-Session', 's2']]");
	assert_whose("s2 trailer Agent-Session");
	see(.commit = "b", .session = "-");
	assert_whose("- unattributed");
}

Test(commit, a_trailer_comes_before_who_held_it)
{
	task("T", "a.c");
	(void)fixture_hold(&f, s2, "T");
	see(.commit = "a", .session = "s1", .paths = "M a.c");
	assert_whose("s1 trailer Coord-Session");
}

/* --- as a rewrite --- */

#define ORIGINAL .author = "N <n>", .author_at = 1000, .loose = "l1"

Test(commit, a_picked_or_rebased_commit_is_the_first_ones)
{
	see(.commit = "a", .session = "s1", ORIGINAL, .at = 1000);
	see(.commit = "b", ORIGINAL, .at = 2000);
	assert_whose("s1 rewrite");
	cr_assert_eq(session_id(), s1);
}

Test(commit, a_rewrite_comes_before_who_held_it)
{
	task("T", "a.c");
	(void)fixture_hold(&f, s2, "T");
	see(.commit = "a", .session = "s1", ORIGINAL);
	see(.commit = "b", ORIGINAL, .paths = "M a.c");
	assert_whose("s1 rewrite");
}

Test(commit, another_author_second_change_or_repository_is_no_rewrite)
{
	int64_t other = observing_repo(&f, "other");

	see(.commit = "a", .session = "s1", ORIGINAL, .at = 1000);
	see(.commit = "b", .author = "M <m>", .author_at = 1000, .loose = "l1");
	assert_whose("- unattributed");
	see(.commit = "c", .author = "N <n>", .author_at = 1001, .loose = "l1");
	assert_whose("- unattributed");
	see(.commit = "d", .author = "N <n>", .author_at = 1000, .loose = "l2");
	assert_whose("- unattributed");
	see(.commit = "e", .author = "N <n>", .author_at = 1000);
	assert_whose("- unattributed");
	assert_ok(observe(&f, other, .commit = "f", ORIGINAL));
	assert_whose("- unattributed");
}

Test(commit, a_rewrite_of_what_was_nobodys_is_that_of_the_first_that_is_somebodys)
{
	see(.commit = "a", ORIGINAL, .at = 1000);
	see(.commit = "b", .session = "s1", ORIGINAL, .at = 2000);
	see(.commit = "c", ORIGINAL, .at = 3000);
	assert_whose("s1 rewrite");
}

/* --- by who held it --- */

Test(commit, who_held_its_path_made_it)
{
	task("T", "src/a.c\nlib");
	(void)fixture_hold(&f, s1, "T");
	see(.commit = "a", .paths = "M src/a.c");
	assert_whose("s1 holder");
	see(.commit = "b", .paths = "A lib/new/x.c");
	assert_whose("s1 holder");
	see(.commit = "c", .paths = "M src/b.c");
	assert_whose("- unattributed");
	see(.commit = "d", .paths = "M src/b.c\nM src/a.c");
	assert_whose("s1 holder");
}

Test(commit, the_same_path_in_another_repository_is_another)
{
	(void)fixture_task(&f, "T", "other:src/a.c\nsrc/a.c");
	(void)fixture_hold(&f, s1, "T");
	see(.commit = "a", .paths = "M src/a.c");
	assert_whose("- unattributed");
}

Test(commit, paths_that_several_held_are_nobodys_and_that_is_said)
{
	task("T", "a.c");
	task("U", "b.c");
	(void)fixture_hold(&f, s1, "T");
	(void)fixture_hold(&f, s2, "U");
	see(.commit = "a", .paths = "M a.c\nM b.c");
	assert_whose("- ambiguous");
	cr_assert_eq(session_id(), 0);
}

Test(commit, two_claims_of_one_session_are_not_several)
{
	task("T", "a.c");
	task("U", "b.c");
	(void)fixture_hold(&f, s1, "T");
	(void)fixture_hold(&f, s1, "U");
	see(.commit = "a", .paths = "M a.c\nM b.c");
	assert_whose("s1 holder");
}

Test(commit, what_is_not_listed_makes_it_nobodys)
{
	task("T", "deep/down.c");
	(void)fixture_hold(&f, s1, "T");
	see(.commit = "a", .paths = "M x.c", .more = 1);
	assert_whose("- unattributed");
}

Test(commit, a_lock_of_no_session_hides_nobodys_claim)
{
	struct outcome o;

	task("T", "a.c");
	task("U", "b.c");
	o = commit(&f, CHANGE_LOCK, .name = "T", .pid = 77, .pid_start = 1);
	assert_ok(o);
	(void)fixture_hold(&f, s1, "U");
	see(.commit = "a", .paths = "M a.c\nM b.c");
	assert_whose("s1 holder");
}

/* The claim is made 500 ms into a second. */
static int64_t held_at_half(void)
{
	task("T", "a.c");
	fixture_pass(&f, 500);
	(void)fixture_hold(&f, s1, "T");
	return observing_now(&f);
}

Test(commit, a_claim_of_the_same_second_counts)
{
	int64_t now = held_at_half();

	see(.commit = "a", .paths = "M a.c", .at = now);
	assert_whose("s1 holder");
}

Test(commit, a_claim_of_the_next_second_does_not)
{
	int64_t now = held_at_half();

	see(.commit = "a", .paths = "M a.c", .at = now - 1);
	assert_whose("- unattributed");
}

Test(commit, a_claim_that_ended_in_the_same_second_counts_and_one_before_does_not)
{
	int64_t now = held_at_half();

	fixture_pass(&f, 10 * SECOND);
	assert_ok(fixture_release(&f, s1, "T"));
	see(.commit = "a", .paths = "M a.c", .at = now + 10);
	assert_whose("s1 holder");
	see(.commit = "b", .paths = "M a.c", .at = now + 11);
	assert_whose("- unattributed");
	see(.commit = "c", .paths = "M a.c", .at = now + 5);
	assert_whose("s1 holder");
}

Test(commit, a_claim_that_was_finished_or_lost_counts_while_it_lasted)
{
	int64_t now = held_at_half();

	task("U", "b.c");
	assert_ok(fixture_control(&f, "lease", "1m"));
	(void)fixture_hold(&f, s2, "U");
	fixture_pass(&f, 5 * SECOND);
	assert_ok(fixture_finish(&f, s1, "T"));
	fixture_pass(&f, 5 * MINUTE);
	assert_column(&f, "U", COLUMN_READY);
	see(.commit = "a", .paths = "M a.c", .at = now + 3);
	assert_whose("s1 holder");
	see(.commit = "b", .paths = "M a.c", .at = now + 7);
	assert_whose("- unattributed");
	see(.commit = "c", .paths = "M b.c", .at = now + 30);
	assert_whose("s2 holder");
	see(.commit = "d", .paths = "M b.c", .at = now + 90);
	assert_whose("- unattributed");
}

Test(commit, a_claim_that_was_handed_over_is_each_ones_in_its_time)
{
	int64_t now = held_at_half();

	fixture_pass(&f, 10 * SECOND);
	assert_ok(commit(&f, CHANGE_HANDOVER, .as = s1, .name = "T", .text = "s2"));
	fixture_pass(&f, 10 * SECOND);
	see(.commit = "a", .paths = "M a.c", .at = now + 5);
	assert_whose("s1 holder");
	see(.commit = "b", .paths = "M a.c", .at = now + 15);
	assert_whose("s2 holder");
	see(.commit = "c", .paths = "M a.c", .at = now + 10);
	assert_whose("- ambiguous");
}

static void edit(int64_t session, const char *lines)
{
	assert_ok(commit(&f, CHANGE_EXTEND, .as = session, .name = "T", .text = lines));
}

Test(commit, an_artifact_that_was_added_counts_from_then_on)
{
	int64_t now = held_at_half();

	fixture_pass(&f, 10 * SECOND);
	edit(s1, "b.c\n");
	see(.commit = "a", .paths = "M b.c", .at = now + 9);
	assert_whose("- unattributed");
	see(.commit = "b", .paths = "M b.c", .at = now + 10);
	assert_whose("s1 holder");
	see(.commit = "c", .paths = "M b.c", .at = now + 11);
	assert_whose("s1 holder");
}

Test(commit, an_artifact_that_was_given_up_counts_until_then)
{
	int64_t now = held_at_half();

	edit(s1, "b.c\n");
	fixture_pass(&f, 10 * SECOND);
	edit(s1, "-a.c\n");
	fixture_pass(&f, 10 * SECOND);
	see(.commit = "a", .paths = "M a.c", .at = now + 9);
	assert_whose("s1 holder");
	see(.commit = "b", .paths = "M a.c", .at = now + 10);
	assert_whose("s1 holder");
	see(.commit = "c", .paths = "M a.c", .at = now + 11);
	assert_whose("- unattributed");
}

Test(commit, commits_of_one_change_are_each_looked_at_in_their_own_second)
{
	int64_t now = held_at_half();
	json_t *list;

	task("U", "u.c");
	(void)fixture_hold(&f, s2, "U");
	fixture_pass(&f, 10 * SECOND);
	edit(s1, "b.c\n-a.c\n");
	list = json_pack(
		"[o,o,o,o]",
		observing_commit(&f,
				 &(struct seen){ .commit = "a", .paths = "M a.c", .at = now + 5 }),
		observing_commit(&f,
				 &(struct seen){ .commit = "b", .paths = "M a.c", .at = now + 15 }),
		observing_commit(&f,
				 &(struct seen){ .commit = "c", .paths = "M u.c", .at = now + 5 }),
		observing_commit(&f,
				 &(struct seen){ .commit = "d", .paths = "M u.c", .at = now - 5 }));
	assert_ok(observing_change(&f, repo, list, NULL));
	assert_whose("- unattributed");
	cr_assert_str_eq(whose("a"), "s1 holder");
	cr_assert_str_eq(whose("b"), "- unattributed");
	cr_assert_str_eq(whose("c"), "s2 holder");
}

/* --- by a token it names --- */

Test(commit, a_token_that_it_names_counts_whatever_its_date_says)
{
	struct outcome o;

	task("T", "a.c");
	o = fixture_claim(&f, s1, "T");
	assert_ok(o);
	see(.commit = "a", .paths = "M a.c", .at = 1000);
	assert_whose("- unattributed");
	char trailers[64];
	(void)snprintf(trailers, sizeof(trailers), "[['coord-token', '%lld']]", (long long)o.id);
	see(.commit = "b", .paths = "M a.c", .at = 1000, .trailers = trailers);
	assert_whose("s1 holder");
	see(.commit = "c", .paths = "M z.c", .at = 1000, .trailers = trailers);
	assert_whose("- unattributed");
}

Test(commit, a_token_covers_all_its_claim_ever_had)
{
	char trailers[64];
	int64_t token;

	task("T", "a.c\nc.c");
	token = fixture_hold(&f, s1, "T");
	edit(s1, "b.c\n-a.c\n");
	(void)snprintf(trailers, sizeof(trailers), "[['Coord-Token', '%lld']]", (long long)token);
	see(.commit = "a", .paths = "M a.c", .at = 1000, .trailers = trailers);
	assert_whose("s1 holder");
	see(.commit = "b", .paths = "M b.c", .at = 1000, .trailers = trailers);
	assert_whose("s1 holder");
}

Test(commit, a_token_that_is_none_says_nothing)
{
	see(.commit = "a", .paths = "M a.c",
	    .trailers = "[['Coord-Token', 'x'], ['Coord-Token', '999999'], ['Coord-Token', '-1'],"
			"['Coord-Token', '1'], ['Coord-Token', '99999999999999999999']]");
	assert_whose("- unattributed");
}

Test(commit, its_own_claims_and_the_other_holders_are_in_the_event)
{
	json_t *e;

	task("T", "a.c");
	task("U", "b.c");
	(void)fixture_hold(&f, s1, "T");
	(void)fixture_hold(&f, s2, "U");
	see(.commit = "a", .session = "s1", .paths = "M a.c\nM b.c");
	e = fixture_event(&f, "commit");
	cr_assert_eq(json_array_size(json_object_get(e, "grants")), 1);
	cr_assert_str_eq(event_text(json_array_get(json_object_get(e, "grants"), 0), "task"), "T");
	cr_assert_eq(json_array_size(json_object_get(e, "holders")), 1);
	cr_assert_str_eq(json_string_value(json_array_get(json_object_get(e, "holders"), 0)), "s2");
	json_decref(e);
}
