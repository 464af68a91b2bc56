/* What is drafted twice: who is told or refused, and of what. */
#include <stdlib.h>

#include "backend/clean.h"
#include "backend/tx.h"
#include "tests/lib/check.h"

static struct fixture f;
static int64_t s1, s2;

static void setup(void)
{
	fixture_open(&f);
	s1 = fixture_session(&f, "s1");
	s2 = fixture_session(&f, "s2");
}

static void teardown(void)
{
	assert_sound(&f);
	fixture_close(&f);
}

TestSuite(rules_dedup, .init = setup, .fini = teardown);

/* A draft with a title, by an operator. */
static void draft(const char *name, const char *title, const char *artifacts)
{
	(void)fixture_idea(&f, name, artifacts);
	if (title)
		assert_ok(fixture_set(&f, name, "title", title));
}

static struct outcome publish(const char *name)
{
	return commit(&f, CHANGE_PUBLISH, .name = name, .operator_ = 1, .op = "publish ideas/T");
}

static struct outcome publish_as(int64_t session, const char *name)
{
	return commit(&f, CHANGE_PUBLISH, .name = name, .as = session, .operator_ = 1,
		      .op = "publish ideas/T");
}

/* A published task. */
static void task(const char *name, const char *title, const char *artifacts)
{
	draft(name, title, artifacts);
	assert_ok(publish(name));
}

#define assert_told(o_, words)                                                                  \
	do {                                                                                    \
		struct outcome told_ = (o_);                                                    \
		cr_assert_eq(told_.err, 0, "refused: %s", told_.why);                           \
		cr_assert_not_null(strstr(told_.why, (words)), "no \"%s\" in: %s", (words),     \
				   told_.why);                                                  \
		cr_assert(says_next(told_.why), "no last line \"next: ..\" in: %s", told_.why); \
	} while (0)

#define assert_silent(o_)                                                   \
	do {                                                                \
		struct outcome mum_ = (o_);                                 \
		cr_assert_eq(mum_.err, 0, "refused: %s", mum_.why);         \
		cr_assert_str_empty(mum_.why, "it was told: %s", mum_.why); \
	} while (0)

/* --- what counts --- */

Test(rules_dedup, the_same_words_are_the_same_title)
{
	task("a", "Fix the login page", NULL);
	draft("b", "login page: FIX!", NULL);
	assert_told(publish("b"), "b looks like a (ready): the same title, \"Fix the login page\"");
	assert_column(&f, "b", COLUMN_READY);
}

Test(rules_dedup, all_words_of_one_and_little_more_is_nearly_the_same_title)
{
	task("a", "stats command implementation", NULL);
	draft("b", "stats/status command implementation", NULL);
	assert_told(publish("b"), "nearly the same title, \"stats command implementation\"");
	task("c", "audit the per-test logging again", NULL);
	draft("d", "audit per-test logging", NULL);
	assert_told(publish("d"), "d looks like c");
}

Test(rules_dedup, one_word_in_place_of_another_is_another_task)
{
	task("a", "Integrate rich output into the list command", NULL);
	draft("b", "Integrate rich output into the sync command", NULL);
	assert_silent(publish("b"));
}

Test(rules_dedup, a_name_that_must_not_be_made_twice_counts_whatever_the_title)
{
	task("a", NULL, "topic:ci-flake\nsrc/a.c\n");
	draft("b", NULL, "topic:ci-flake\nsrc/b.c\n");
	assert_told(publish("b"), "the same artifact topic:ci-flake");
}

Test(rules_dedup, the_same_artifacts_count_with_half_of_the_titles_words)
{
	task("a", "conformance test harness", "tests/conformance.rs\nsrc/h.rs\n");
	draft("b", "conformance harness that compares bd and br",
	      "src/h.rs\ntests/conformance.rs\n");
	assert_told(publish("b"), "the same artifacts and a similar title");
	draft("c", "finish what is missing in conformance", "src/h.rs\ntests/conformance.rs\n");
	assert_silent(publish("c"));
	draft("d", "conformance harness for nightly runs", "src/h.rs\n");
	assert_silent(publish("d"));
}

Test(rules_dedup, what_covers_everything_cries_no_wolf)
{
	task("a", "tidy the parser code", "**\n");
	draft("b", "tidy the parser tests", "**\n");
	assert_silent(publish("b"));
	task("c", "tidy the lexer code", "src\n");
	draft("d", "document the whole", "src/a.c\n");
	assert_silent(publish("d"));
}

Test(rules_dedup, without_titles_paths_alone_say_nothing)
{
	task("a", NULL, "src/a.c\n");
	draft("b", NULL, "src/a.c\n");
	assert_silent(publish("b"));
}

/* --- who counts --- */

Test(rules_dedup, a_draft_is_nobodys_twin)
{
	draft("a", "Fix the login", NULL);
	draft("b", "Fix the login", NULL);
	assert_silent(publish("b"));
	assert_told(publish("a"), "a looks like b (ready)");
}

Test(rules_dedup, it_says_who_holds_the_other_and_since_when)
{
	task("a", "Fix the login", NULL);
	(void)fixture_hold(&f, s1, "a");
	fixture_pass(&f, 3 * MINUTE);
	draft("b", "Fix the login", NULL);
	assert_told(publish("b"), "a (held by session s1 for 3m)");
}

Test(rules_dedup, what_was_done_counts_for_the_window_and_says_by_whom)
{
	task("a", "Fix the login", NULL);
	(void)fixture_hold(&f, s1, "a");
	assert_ok(fixture_finish(&f, s1, "a"));
	fixture_pass(&f, 2 * HOUR);
	draft("b", "Fix the login", NULL);
	assert_told(publish("b"), "a (done by session s1 2h ago)");
	assert_ok(fixture_control(&f, "dedup-window", "1h"));
	assert_ok(commit(&f, CHANGE_CANCEL, .name = "b", .operator_ = 1));
	draft("c", "Fix the login", NULL);
	assert_silent(publish("c"));
	assert_ok(fixture_control(&f, "dedup-window", "0s"));
	draft("d", "Fix the login", NULL);
	assert_told(publish("d"), "d looks like c (ready)");
}

Test(rules_dedup, what_was_cancelled_is_no_twin)
{
	task("a", "Fix the login", NULL);
	assert_ok(commit(&f, CHANGE_CANCEL, .name = "a", .operator_ = 1));
	draft("b", "Fix the login", NULL);
	assert_silent(publish("b"));
}

Test(rules_dedup, those_that_know_of_each_other_are_not_told)
{
	task("a", "Fix the login", NULL);
	draft("b", "Fix the login", NULL);
	assert_ok(fixture_set(&f, "b", "covered", "x\na"));
	assert_silent(publish("b"));
	task("c", "Mend the door", NULL);
	draft("d", "Mend the door", NULL);
	assert_ok(fixture_set(&f, "d", "needs", "c"));
	assert_silent(publish("d"));
	draft("e", "Close the window", NULL);
	task("g", "Close the window", NULL);
	assert_ok(fixture_set(&f, "g", "needs", "e"));
	assert_silent(publish("e"));
	task("h", "Paint the wall", NULL);
	draft("h.1", "Paint the wall", NULL);
	assert_silent(publish("h.1"));
	draft("h.2", "Paint the wall", NULL);
	assert_told(publish("h.2"), "h.2 looks like h.1");
}

Test(rules_dedup, the_strongest_three_are_named)
{
	task("near", "fix the old login page", NULL);
	for (int i = 0; i < 4; i++) {
		char name[] = "same0";

		name[4] = (char)('0' + i);
		task(name, i ? "other words each" : "page login old", NULL);
		assert_ok(fixture_set(&f, name, "title", "login page old"));
	}
	draft("t", "old login page", NULL);
	assert_told(publish("t"), "t looks like same3 (ready): the same title");
	json_t *e = fixture_event(&f, "duplicate");
	cr_assert_eq(json_array_size(json_object_get(e, "like")), 3);
	json_decref(e);
}

/* --- what becomes of it --- */

Test(rules_dedup, a_session_finds_it_in_its_why_and_among_its_refusals)
{
	AUTO_FREE char *why = NULL;
	json_t *e;

	task("a", "Fix the login", NULL);
	draft("b", "Fix the login", NULL);
	assert_silent(publish_as(s2, "b"));
	e = fixture_event(&f, "warned");
	cr_assert_str_eq(event_text(e, "session"), "s2");
	cr_assert_str_eq(event_text(e, "op"), "publish");
	cr_assert_not_null(strstr(event_text(e, "why"), "WARNING publish ideas/T\nb looks like a"));
	json_decref(e);
	cr_assert_eq(store_read_begin(f.store), 0);
	why = db_text(store_reader(f.store), Q(SESSION_WHY), I(s2));
	store_read_end(f.store);
	cr_assert_not_null(strstr(why, "b looks like a (ready)"));
	cr_assert(says_next(why), "%s", why);
}

Test(rules_dedup, refuse_refuses_and_nothing_is_published)
{
	assert_ok(fixture_control(&f, "dedup", "refuse"));
	task("a", "Fix the login", NULL);
	draft("b", "Fix the login", NULL);
	assert_refused(publish("b"), EEXIST, "b looks like a (ready)");
	assert_refused(publish_as(s1, "b"), EEXIST, "the same title");
	assert_column(&f, "b", COLUMN_IDEAS);
	assert_ok(fixture_set(&f, "b", "covered", "a"));
	assert_silent(publish("b"));
}

Test(rules_dedup, off_asks_nothing)
{
	assert_ok(fixture_control(&f, "dedup", "off"));
	task("a", "Fix the login", NULL);
	draft("b", "Fix the login", NULL);
	assert_silent(publish("b"));
	cr_assert_eq(fixture_count(&f, "duplicate"), 0);
}

Test(rules_dedup, of_two_that_are_published_in_one_batch_the_second_is_refused)
{
	struct change *one, *two;

	assert_ok(fixture_control(&f, "dedup", "refuse"));
	draft("a", "Fix the login", NULL);
	draft("b", "Fix the login", NULL);
	one = queue(&f, CHANGE_PUBLISH, .name = "a", .operator_ = 1);
	two = queue(&f, CHANGE_PUBLISH, .name = "b", .operator_ = 1);
	cr_assert_eq(fixture_run(&f), 2);
	assert_ok(fixture_take(one));
	assert_refused(fixture_take(two), EEXIST, "b looks like a");
}

Test(rules_dedup, a_published_task_does_not_slip_by_with_a_new_title)
{
	assert_ok(fixture_control(&f, "dedup", "refuse"));
	task("a", "Fix the login", NULL);
	task("b", "something else", NULL);
	assert_refused(fixture_set(&f, "b", "title", "Fix the login"), EEXIST, "b looks like a");
	assert_ok(fixture_set(&f, "b", "title", "something else now"));
	assert_ok(fixture_set(&f, "a", "title", "Fix the login!"));
}

Test(rules_dedup, taken_back_and_published_again_it_is_asked_again)
{
	task("a", "Fix the login", NULL);
	draft("b", "Fix the login", NULL);
	assert_told(publish("b"), "b looks like a");
	assert_ok(commit(&f, CHANGE_UNPUBLISH, .name = "b", .operator_ = 1));
	assert_told(publish("b"), "b looks like a");
	cr_assert_eq(fixture_count(&f, "duplicate"), 1, "what was said before is no event");
}

Test(rules_dedup, opened_again_it_is_compared_with_what_is_live_alone)
{
	task("a", "Fix the login", NULL);
	(void)fixture_hold(&f, s1, "a");
	assert_ok(fixture_finish(&f, s1, "a"));
	assert_silent(commit(&f, CHANGE_REOPEN, .name = "a"));
	(void)fixture_hold(&f, s1, "a");
	assert_ok(fixture_finish(&f, s1, "a"));
	draft("b", "Fix the login", NULL);
	assert_told(publish("b"), "b looks like a (done by session s1");
	assert_ok(fixture_control(&f, "dedup", "refuse"));
	assert_refused(commit(&f, CHANGE_REOPEN, .name = "a"), EEXIST, "a looks like b (ready)");
	assert_column(&f, "a", COLUMN_DONE);
	(void)fixture_hold(&f, s2, "b");
	assert_ok(fixture_finish(&f, s2, "b"));
	assert_silent(commit(&f, CHANGE_REOPEN, .name = "a"));
}

Test(rules_dedup, an_import_reports_and_neither_warns_nor_refuses)
{
	struct outcome o;

	assert_ok(fixture_control(&f, "dedup", "refuse"));
	task("a", "Fix the login", NULL);
	o = commit(&f, CHANGE_IMPORT, .operator_ = 1,
		   .text = "{\"task\":\"b\",\"state\":\"ready\",\"title\":\"Fix the login\"}");
	cr_assert_eq(o.err, 0);
	cr_assert_str_eq(o.why, "b looks like a (ready): the same title, \"Fix the login\"\n");
	assert_column(&f, "b", COLUMN_READY);
	cr_assert_eq(fixture_count(&f, "duplicate"), 0);
	o = commit(&f, CHANGE_IMPORT, .operator_ = 1,
		   .text = "{\"task\":\"c\",\"state\":\"done\",\"title\":\"Fix the login\"}");
	cr_assert_eq(o.err, 0);
	cr_assert_str_empty(o.why);
}

/* --- what is counted --- */

static int64_t count(enum sql which)
{
	struct bind q[] = { { .type = 'q', .i = which }, { .type = 0 } };
	int64_t n;

	cr_assert_eq(store_read_begin(f.store), 0);
	n = db_get_bound(store_reader(f.store), -1, q);
	store_read_end(f.store);
	return n;
}

Test(rules_dedup, those_that_were_stopped_are_not_on_the_board)
{
	task("a", "Fix the login", NULL);
	draft("b", "Fix the login", NULL);
	assert_told(publish("b"), "a");
	draft("c", "Fix the login", NULL);
	assert_told(publish("c"), "a");
	cr_assert_eq(count(SQL_DUPLICATES_COUNT), 2);
	cr_assert_eq(count(SQL_DUPLICATES_STOPPED), 0);
	assert_ok(commit(&f, CHANGE_CANCEL, .name = "b", .operator_ = 1));
	cr_assert_eq(count(SQL_DUPLICATES_STOPPED), 1);
	assert_ok(fixture_control(&f, "dedup", "refuse"));
	draft("d", "Fix the login", NULL);
	assert_refused(publish("d"), EEXIST, "a");
	assert_refused(publish("d"), EEXIST, "a");
	cr_assert_eq(count(SQL_DUPLICATES_COUNT), 3);
	cr_assert_eq(count(SQL_DUPLICATES_STOPPED), 2);
	cr_assert_eq(fixture_count(&f, "duplicate"), 3);
}
