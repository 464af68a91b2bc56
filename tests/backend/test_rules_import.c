#include "backend/tx.h"
#include "tests/lib/check.h"

static struct fixture f;

static void setup(void)
{
	fixture_open(&f);
}

static void teardown(void)
{
	fixture_close(&f);
}

TestSuite(rules_import, .init = setup, .fini = teardown);

static struct outcome import(const char *record)
{
	return commit(&f, CHANGE_IMPORT, .text = record, .operator_ = 1);
}

static const char *field(const char *name)
{
	return fixture_field(&f, fixture_task_now(&f, "T").id, name);
}

#define READY "{\"task\":\"T\",\"state\":\"ready\""

/* --- the first time --- */

Test(rules_import, a_record_is_a_whole_task_in_one_event)
{
	struct outcome o;
	int64_t seq;

	(void)fixture_task(&f, "N", NULL);
	seq = store_seq(f.store);
	o = import(READY ",\"title\":\"What\",\"body\":\"one\\ntwo\\n\",\"repo\":\"linux\","
			 "\"artifacts\":[\"src/a\",\"topic:x\"],\"needs\":[\"N\"],"
			 "\"tags\":[\"a\",\"b\"],\"value\":\"3\",\"kind\":\"standing\"}");
	assert_ok(o);
	cr_assert_str_empty(o.why);
	cr_assert_eq(store_seq(f.store), seq + 1);
	cr_assert_eq(o.id, fixture_task_now(&f, "T").id);
	assert_column(&f, "T", COLUMN_BLOCKED);
	cr_assert_str_eq(field("title"), "What");
	cr_assert_str_eq(field("body"), "one\ntwo");
	cr_assert_str_eq(field("tags"), "a\nb");
	cr_assert_str_eq(field("kind"), "standing");
	cr_assert_str_eq(fixture_artifacts(&f, "T"), "linux:src/a topic:x");
	assert_sound(&f);
}

Test(rules_import, is_for_operators)
{
	assert_refused(commit(&f, CHANGE_IMPORT, .text = READY "}"), EPERM, "operators");
}

Test(rules_import, a_state_says_the_column)
{
	assert_ok(import("{\"task\":\"I\",\"state\":\"idea\"}"));
	assert_column(&f, "I", COLUMN_IDEAS);
	assert_ok(import(READY "}"));
	assert_column(&f, "T", COLUMN_READY);
	assert_ok(import("{\"task\":\"H\",\"state\":\"ready\",\"hold\":\"external\"}"));
	assert_column(&f, "H", COLUMN_BLOCKED);
	assert_ok(import("{\"task\":\"D\",\"state\":\"done\",\"done\":\"2026-01-02T03:04:05Z\"}"));
	assert_column(&f, "D", COLUMN_DONE);
	assert_sound(&f);
}

Test(rules_import, what_is_done_has_its_own_date)
{
	int64_t at = 0, want = 0, id;
	struct grant g;

	assert_ok(import("{\"task\":\"T\",\"state\":\"done\",\"done\":\"2026-01-02T03:04:05Z\"}"));
	cr_assert_eq(time_parse("2026-01-02T03:04:05Z", &want), 0);
	id = fixture_task_now(&f, "T").id;
	cr_assert_eq(store_read_begin(f.store), 0);
	cr_assert_eq(read_finished(store_reader(f.store), id, &g, &at), 1);
	store_read_end(f.store);
	cr_assert_eq(at, want);
	cr_assert_eq(g.token, 0, "nobody here finished it");
}

Test(rules_import, an_imported_done_task_is_no_unmet_need)
{
	assert_ok(import("{\"task\":\"D\",\"state\":\"done\"}"));
	assert_ok(import(READY ",\"needs\":[\"D\"]}"));
	assert_column(&f, "T", COLUMN_READY);
	assert_ok(commit(&f, CHANGE_REOPEN, .name = "D"));
	assert_column(&f, "T", COLUMN_BLOCKED);
	assert_sound(&f);
}

Test(rules_import, a_bad_record_changes_nothing_and_says_what_is_wrong)
{
	static const struct {
		const char *record;
		int err;
		const char *words;
	} bad[] = {
		{ "", EINVAL, "not a record" },
		{ "[1]", EINVAL, "not a record" },
		{ "{\"task\":\"T\"", EINVAL, "not a record" },
		{ "{\"task\":\"T\",\"task\":\"U\"}", EINVAL, "not a record" },
		{ "{\"state\":\"ready\"}", EINVAL, "task: not a name" },
		{ "{\"task\":\"a b\",\"state\":\"ready\"}", EINVAL, "task: not a name" },
		{ "{\"task\":7,\"state\":\"ready\"}", EINVAL, "task: not a name" },
		{ "{\"task\":\"T\"}", EINVAL, "state: idea, ready or done" },
		{ "{\"task\":\"T\",\"state\":\"held\"}", EINVAL, "state" },
		{ "{\"task\":\"T\",\"state\":\"done\",\"done\":\"today\"}", EINVAL, "done" },
		{ READY ",\"needs\":[\"none\"]}", ENOENT, "needs" },
		{ READY ",\"needs\":[7]}", ENOENT, "needs" },
		{ READY ",\"artifacts\":[\"/etc\"]}", EINVAL, "artifacts" },
		{ READY ",\"artifacts\":[7]}", EINVAL, "artifacts" },
		{ READY ",\"repo\":\"pr\"}", EINVAL, "repo" },
		{ READY ",\"value\":\"x\"}", EINVAL, "value" },
		{ READY ",\"title\":\"a\\nb\"}", EINVAL, "title" },
		{ READY ",\"kind\":\"weekly\"}", EINVAL, "kind" },
	};
	char before[17];

	(void)strcpy(before, fixture_hash(&f));
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_refused(import(bad[i].record), bad[i].err, bad[i].words);
	cr_assert_str_eq(fixture_hash(&f), before);
	cr_assert_eq(store_seq(f.store), 0);
}

Test(rules_import, needs_close_no_circle)
{
	assert_ok(import("{\"task\":\"A\",\"state\":\"ready\"}"));
	assert_ok(import(READY ",\"needs\":[\"A\"]}"));
	assert_refused(import("{\"task\":\"A\",\"state\":\"ready\",\"needs\":[\"T\"]}"), ELOOP,
		       "already");
	assert_refused(import("{\"task\":\"A\",\"state\":\"ready\",\"needs\":[\"A\"]}"), ELOOP,
		       "A needs A");
	assert_sound(&f);
}

Test(rules_import, the_foreign_record_is_kept)
{
	assert_ok(import(READY ",\"upstream\":{\"id\":7,\"x\":[null]}}"));
	cr_assert_str_eq(field("upstream"), "{\"id\":7,\"x\":[null]}");
}

/* --- again --- */

Test(rules_import, the_same_record_again_is_no_event_and_no_report)
{
	static const char record[] = READY ",\"title\":\"x\",\"artifacts\":[\"b\",\"a\"],"
					   "\"tags\":[\"t\"],\"hold\":\"external\","
					   "\"upstream\":{\"id\":7}}";
	int64_t seq;
	struct outcome o;

	assert_ok(import(record));
	seq = store_seq(f.store);
	o = import(record);
	assert_ok(o);
	cr_assert_str_empty(o.why, "%s", o.why);
	cr_assert_eq(store_seq(f.store), seq);
}

Test(rules_import, what_changed_upstream_alone_is_taken)
{
	struct outcome o;

	assert_ok(import(READY ",\"title\":\"old\",\"artifacts\":[\"a\",\"b\"],\"lane\":\"l\"}"));
	o = import(READY ",\"title\":\"new\",\"artifacts\":[\"b\",\"c\"]}");
	assert_ok(o);
	cr_assert_str_empty(o.why, "%s", o.why);
	cr_assert_str_eq(field("title"), "new");
	cr_assert_str_eq(field("lane"), "-", "what upstream took away is gone");
	cr_assert_str_eq(fixture_artifacts(&f, "T"), ":b :c");
	assert_sound(&f);
}

Test(rules_import, what_changed_here_wins_and_is_reported_once)
{
	struct outcome o;

	(void)fixture_task(&f, "N", NULL);
	assert_ok(import(READY ",\"title\":\"old\",\"artifacts\":[\"a\"]}"));
	assert_ok(fixture_set(&f, "T", "title", "mine"));
	assert_ok(fixture_set(&f, "T", "artifacts", "mine"));
	assert_ok(fixture_set(&f, "T", "needs", "N"));
	o = import(READY ",\"title\":\"theirs\",\"artifacts\":[\"theirs\"]}");
	assert_ok(o);
	cr_assert_not_null(strstr(o.why, "T title: changed here, kept"), "%s", o.why);
	cr_assert_not_null(strstr(o.why, "T artifacts: changed here, kept"), "%s", o.why);
	cr_assert_str_eq(field("title"), "mine");
	cr_assert_str_eq(fixture_artifacts(&f, "T"), ":mine");
	cr_assert_eq(fixture_task_now(&f, "T").unmet, 1, "a need added here stays");
	o = import(READY ",\"title\":\"theirs\",\"artifacts\":[\"theirs\"]}");
	cr_assert_str_empty(o.why, "%s", o.why);
	assert_sound(&f);
}

Test(rules_import, the_same_change_on_both_sides_is_no_conflict)
{
	struct outcome o;

	assert_ok(import(READY ",\"title\":\"old\"}"));
	assert_ok(fixture_set(&f, "T", "title", "new"));
	o = import(READY ",\"title\":\"new\"}");
	cr_assert_str_empty(o.why, "%s", o.why);
	cr_assert_str_eq(field("title"), "new");
}

Test(rules_import, a_held_task_is_left_alone)
{
	int64_t s = fixture_session(&f, "s1"), seq;
	struct outcome o;

	assert_ok(import(READY ",\"title\":\"old\",\"upstream\":{\"v\":1}}"));
	(void)fixture_hold(&f, s, "T");
	seq = store_seq(f.store);
	o = import("{\"task\":\"T\",\"state\":\"done\",\"title\":\"new\",\"upstream\":{\"v\":2}}");
	assert_ok(o);
	cr_assert_str_eq(o.why, "T: held here, not touched\n");
	cr_assert_eq(store_seq(f.store), seq);
	assert_column(&f, "T", COLUMN_CLAIMS);
	cr_assert_str_eq(field("title"), "old");
}

Test(rules_import, a_done_task_is_never_reopened)
{
	int64_t s = fixture_session(&f, "s1");
	struct outcome o;

	assert_ok(import(READY ",\"upstream\":{\"v\":1}}"));
	(void)fixture_hold(&f, s, "T");
	assert_ok(fixture_finish(&f, s, "T"));
	o = import(READY ",\"upstream\":{\"v\":1}}");
	assert_ok(o);
	cr_assert_str_empty(o.why, "upstream has not moved: %s", o.why);
	o = import(READY ",\"title\":\"x\",\"upstream\":{\"v\":2}}");
	cr_assert_str_eq(o.why, "T: done here, not touched\n");
	assert_column(&f, "T", COLUMN_DONE);
	cr_assert_str_eq(field("title"), "-");
}

Test(rules_import, what_was_closed_upstream_is_done_here)
{
	(void)fixture_task(&f, "W", NULL);
	assert_ok(import(READY ",\"artifacts\":[\"a\"]}"));
	assert_ok(fixture_set(&f, "W", "needs", "T"));
	assert_ok(import("{\"task\":\"T\",\"state\":\"done\",\"artifacts\":[\"a\"],"
			 "\"done\":\"2026-06-30T00:00:00Z\"}"));
	assert_column(&f, "T", COLUMN_DONE);
	assert_column(&f, "W", COLUMN_READY);
	assert_sound(&f);
}

Test(rules_import, a_hold_comes_and_goes_with_upstream)
{
	assert_ok(import(READY "}"));
	assert_ok(import(READY ",\"hold\":\"external\"}"));
	assert_column(&f, "T", COLUMN_BLOCKED);
	assert_ok(import(READY "}"));
	assert_column(&f, "T", COLUMN_READY);
	assert_sound(&f);
}

Test(rules_import, a_hold_lifted_here_stays_lifted)
{
	assert_ok(import(READY ",\"hold\":\"external\"}"));
	assert_ok(commit(&f, CHANGE_UNHOLD, .name = "T", .operator_ = 1));
	assert_ok(import(READY ",\"hold\":\"external\",\"title\":\"new\"}"));
	assert_column(&f, "T", COLUMN_READY);
	cr_assert_str_eq(field("title"), "new");
	assert_sound(&f);
}

Test(rules_import, an_idea_drafted_here_is_published_by_upstream_and_keeps_what_it_has)
{
	struct outcome o;

	(void)fixture_idea(&f, "T", "mine");
	assert_ok(fixture_set(&f, "T", "title", "mine"));
	o = import(READY ",\"title\":\"theirs\"}");
	assert_ok(o);
	cr_assert_not_null(strstr(o.why, "T title: changed here, kept"));
	assert_column(&f, "T", COLUMN_READY);
	cr_assert_str_eq(field("title"), "mine");
	cr_assert_str_eq(fixture_artifacts(&f, "T"), ":mine");
	assert_sound(&f);
}

Test(rules_import, a_published_task_is_not_put_back_among_the_ideas)
{
	assert_ok(import(READY "}"));
	assert_ok(import("{\"task\":\"T\",\"state\":\"idea\",\"title\":\"x\"}"));
	assert_column(&f, "T", COLUMN_READY);
	cr_assert_str_eq(field("title"), "x");
}

Test(rules_import, artifacts_of_a_free_task_may_come_to_overlap_a_claim)
{
	int64_t s = fixture_session(&f, "s1");

	(void)fixture_task(&f, "U", "src");
	(void)fixture_hold(&f, s, "U");
	assert_ok(import(READY ",\"artifacts\":[\"src/a\"]}"));
	assert_column(&f, "T", COLUMN_BLOCKED);
	assert_ok(import(READY ",\"artifacts\":[\"doc\"]}"));
	assert_column(&f, "T", COLUMN_READY);
	assert_sound(&f);
}

Test(rules_import, the_repo_of_a_record_moves_its_artifacts)
{
	assert_ok(import(READY ",\"repo\":\"a\",\"artifacts\":[\"x\"]}"));
	assert_ok(import(READY ",\"repo\":\"b\",\"artifacts\":[\"x\"]}"));
	cr_assert_str_eq(fixture_artifacts(&f, "T"), "b:x");
	assert_ok(import(READY ",\"artifacts\":[\"x\"]}"));
	cr_assert_str_eq(fixture_artifacts(&f, "T"), ":x");
	assert_sound(&f);
}
