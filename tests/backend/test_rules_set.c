#include "backend/tx.h"
#include "tests/lib/check.h"

static struct fixture f;
static int64_t task;

static void setup(void)
{
	fixture_open(&f);
	task = fixture_task(&f, "T", NULL);
}

static void teardown(void)
{
	fixture_close(&f);
}

TestSuite(rules_set, .init = setup, .fini = teardown);

static struct outcome set(const char *field, const char *text)
{
	return fixture_set(&f, "T", field, text);
}

static struct outcome append(const char *field, const char *text)
{
	return commit(&f, CHANGE_SET, .of = THING_TASK, .thing = task, .field = field, .text = text,
		      .flags = CHANGE_APPEND, .owner = 1);
}

/* What is stored of a list of needs, separated by blanks; static. */
static const char *needs(void)
{
	static char out[256];
	struct rows *r;

	out[0] = 0;
	cr_assert_eq(store_read_begin(f.store), 0);
	r = db_rows(store_reader(f.store), Q(NEEDS_OF), I(task));
	while (rows_next(r) > 0)
		(void)snprintf(out + strlen(out), sizeof(out) - strlen(out), "%s%s",
			       *out ? " " : "", rows_text(r, 0));
	rows_end(&r);
	store_read_end(f.store);
	return out;
}

/* --- values --- */

Test(rules_set, a_value_reads_back_as_it_was_written)
{
	assert_ok(set("title", "What to do\n"));
	cr_assert_str_eq(fixture_field(&f, task, "title"), "What to do");
	assert_ok(set("body", "one\n\n\ttwo\n\n"));
	cr_assert_str_eq(fixture_field(&f, task, "body"), "one\n\n\ttwo\n");
	assert_ok(set("value", "-1.5e3"));
	cr_assert_str_eq(fixture_field(&f, task, "value"), "-1.5e3");
}

Test(rules_set, a_single_newline_unsets_a_value)
{
	assert_ok(set("title", "x"));
	assert_ok(set("title", "\n"));
	cr_assert_str_eq(fixture_field(&f, task, "title"), "-");
}

Test(rules_set, the_same_value_again_is_no_event)
{
	int64_t seq;

	assert_ok(set("title", "x"));
	seq = store_seq(f.store);
	assert_ok(set("title", "x\n"));
	assert_ok(set("lane", "\n"));
	cr_assert_eq(store_seq(f.store), seq);
}

Test(rules_set, what_is_no_value_is_refused_and_changes_nothing)
{
	static const struct {
		const char *field, *text;
		int err;
	} bad[] = {
		{ "title", "two\nlines", EINVAL }, { "title", "\033[31mred", EINVAL },
		{ "title", "caf\xe9", EILSEQ },	   { "body", "bell\a", EINVAL },
		{ "repo", "pr", EINVAL },	   { "repo", "a:b", EINVAL },
		{ "repo", "a/b", EINVAL },	   { "lane", "a b", EINVAL },
		{ "value", "much", EINVAL },	   { "value", "1e300", ERANGE },
		{ "cost", "-1", ERANGE },	   { "cost", "nan", EINVAL },
		{ "kind", "weekly", EINVAL },	   { "kind", " once ", EINVAL },
		{ "ttl", "10", EINVAL },	   { "ttl", "1ms", ERANGE },
		{ "ttl", "31d", ERANGE },	   { "tags", "a b", EINVAL },
		{ "tags", "a\n\nb", EINVAL },	   { "impact", "6", ERANGE },
		{ "readiness", "1.01", ERANGE },   { "needs", "no such", EINVAL },
		{ "artifacts", "a\n\nb", EINVAL }, { "artifacts", "/x", EINVAL },
		{ "artifacts", "a/../b", EINVAL }, { "artifacts", "b[", EINVAL },
		{ "artifacts", "x\xff", EILSEQ },
	};
	char before[17];

	(void)strcpy(before, fixture_hash(&f));
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_refused(set(bad[i].field, bad[i].text), bad[i].err, "");
	cr_assert_str_eq(fixture_hash(&f), before);
}

Test(rules_set, a_NUL_is_EINVAL)
{
	assert_refused(commit(&f, CHANGE_SET, .of = THING_TASK, .thing = task, .field = "body",
			      .text = "a\0b", .n = 3, .owner = 1),
		       EINVAL, "NUL");
}

Test(rules_set, more_than_64_KiB_is_E2BIG)
{
	char *big = malloc(65538);

	memset(big, 'x', 65537);
	big[65537] = 0;
	assert_refused(set("body", big), E2BIG, "64 KiB");
	big[65536] = 0;
	assert_ok(set("body", big));
	free(big);
}

Test(rules_set, what_the_file_belonged_to_may_be_gone)
{
	int64_t s = fixture_session(&f, "s1");

	assert_ok(commit(&f, CHANGE_CANCEL, .name = "T", .owner = 1));
	assert_refused(commit(&f, CHANGE_SET, .of = THING_TASK, .thing = task, .field = "title",
			      .text = "x", .owner = 1),
		       ESTALE, "gone");
	assert_refused(commit(&f, CHANGE_SET, .of = THING_SESSION, .thing = 999,
			      .field = "category", .text = "x", .as = s),
		       ESTALE, "gone");
}

/* --- lists --- */

Test(rules_set, appending_adds_lines)
{
	assert_ok(append("tags", "a\n"));
	assert_ok(append("tags", "b\nc\n"));
	cr_assert_str_eq(fixture_field(&f, task, "tags"), "a\nb\nc");
	assert_ok(append("body", "one\n"));
	assert_ok(append("body", "two\n"));
	cr_assert_str_eq(fixture_field(&f, task, "body"), "one\ntwo");
	assert_ok(append("title", "word"));
	assert_refused(append("title", "more"), EINVAL, "one line");
}

Test(rules_set, artifacts_are_replaced_or_appended)
{
	assert_ok(set("artifacts", "b\na\n"));
	cr_assert_str_eq(fixture_artifacts(&f, "T"), ":b :a", "in the order given");
	assert_ok(append("artifacts", "c\na\n"));
	cr_assert_str_eq(fixture_artifacts(&f, "T"), ":b :a :c");
	assert_ok(set("artifacts", "c\n"));
	cr_assert_str_eq(fixture_artifacts(&f, "T"), ":c");
	assert_ok(set("artifacts", "\n"));
	cr_assert_str_eq(fixture_artifacts(&f, "T"), "");
}

Test(rules_set, artifacts_read_back_in_the_order_they_were_written)
{
	int64_t s1;

	assert_ok(set("artifacts", "a\nb\nc\n"));
	assert_ok(set("artifacts", "c\na\n"));
	cr_assert_str_eq(fixture_artifacts(&f, "T"), ":c :a");
	assert_ok(set("artifacts", "x\nc\n"));
	cr_assert_str_eq(fixture_artifacts(&f, "T"), ":x :c");
	(void)fixture_task(&f, "U", "a");
	s1 = fixture_session(&f, "s1");
	(void)fixture_hold(&f, s1, "T");
	assert_ok(commit(&f, CHANGE_SET, .of = THING_TASK, .thing = task, .field = "artifacts",
			 .text = "c\nx\n", .as = s1));
	cr_assert_str_eq(fixture_artifacts(&f, "T"), ":c :x");
	assert_column(&f, "U", COLUMN_READY);
	assert_sound(&f);
}

Test(rules_set, artifacts_are_normalised_and_told_once)
{
	assert_ok(set("artifacts", "./a//b/\na/b\nx/**\nbranch:fix-x\n"));
	cr_assert_str_eq(fixture_artifacts(&f, "T"), ":a/b :x branch:fix-x");
}

Test(rules_set, the_same_artifacts_again_are_no_event)
{
	int64_t seq;

	assert_ok(set("artifacts", "a\nb\n"));
	seq = store_seq(f.store);
	assert_ok(set("artifacts", "a\nb\n"));
	assert_ok(append("artifacts", "b\n"));
	cr_assert_eq(store_seq(f.store), seq);
}

Test(rules_set, artifacts_may_begin_with_a_minus_where_nothing_is_given_up)
{
	assert_ok(set("artifacts", "-x\nartifact y\n"));
	cr_assert_str_eq(fixture_artifacts(&f, "T"), ":-x :artifact y");
}

Test(rules_set, artifacts_of_a_claim_are_decided_like_the_claim)
{
	int64_t s1 = fixture_session(&f, "s1"), s2 = fixture_session(&f, "s2");

	(void)fixture_task(&f, "U", "taken");
	(void)fixture_hold(&f, s2, "U");
	(void)fixture_hold(&f, s1, "T");
	assert_refused(commit(&f, CHANGE_SET, .of = THING_TASK, .thing = task, .field = "artifacts",
			      .text = "free\ntaken\n", .as = s1),
		       EBUSY, "overlaps");
	cr_assert_str_eq(fixture_artifacts(&f, "T"), "");
	assert_ok(commit(&f, CHANGE_SET, .of = THING_TASK, .thing = task, .field = "artifacts",
			 .text = "free\n", .as = s1));
	assert_refused(set("artifacts", "more\n"), EBUSY, "the holder's to change");
	assert_sound(&f);
}

Test(rules_set, artifacts_of_a_task_nobody_holds_may_overlap_a_claim)
{
	int64_t s = fixture_session(&f, "s1");

	(void)fixture_task(&f, "U", "taken");
	(void)fixture_hold(&f, s, "U");
	assert_ok(set("artifacts", "taken/x"));
	assert_column(&f, "T", COLUMN_BLOCKED);
	assert_ok(set("artifacts", "free"));
	assert_column(&f, "T", COLUMN_READY);
	assert_sound(&f);
}

Test(rules_set, more_artifacts_than_a_claim_may_hold_are_EDQUOT)
{
	assert_ok(fixture_control(&f, "limits", "claim-artifacts 2"));
	assert_ok(set("artifacts", "a\nb\n"));
	assert_refused(append("artifacts", "c\n"), EDQUOT, "3 artifacts are more");
	assert_ok(set("artifacts", "c\nd\n"));
}

Test(rules_set, paths_follow_their_task_into_another_repository)
{
	assert_ok(set("artifacts", "src/a\ntopic:x\n"));
	assert_ok(set("repo", "linux"));
	cr_assert_str_eq(fixture_artifacts(&f, "T"), "linux:src/a topic:x");
	assert_ok(set("artifacts", "src/b\n"));
	cr_assert_str_eq(fixture_artifacts(&f, "T"), "linux:src/b");
	assert_ok(set("repo", "\n"));
	cr_assert_str_eq(fixture_artifacts(&f, "T"), ":src/b");
	assert_sound(&f);
}

Test(rules_set, a_held_task_does_not_move_onto_what_another_holds)
{
	int64_t s1 = fixture_session(&f, "s1"), s2 = fixture_session(&f, "s2");

	assert_ok(set("artifacts", "src/a"));
	(void)fixture_task(&f, "U", "linux:src");
	(void)fixture_hold(&f, s1, "T");
	(void)fixture_hold(&f, s2, "U");
	assert_refused(commit(&f, CHANGE_SET, .of = THING_TASK, .thing = task, .field = "repo",
			      .text = "linux", .as = s1),
		       EBUSY, "overlaps");
	cr_assert_str_eq(fixture_field(&f, task, "repo"), "-");
	cr_assert_str_eq(fixture_artifacts(&f, "T"), ":src/a");
	assert_sound(&f);
}

/* --- needs --- */

Test(rules_set, needs_are_tasks_that_exist)
{
	(void)fixture_task(&f, "A", NULL);
	(void)fixture_task(&f, "B", NULL);
	assert_ok(set("needs", "B\nA\nB\n"));
	cr_assert_str_eq(needs(), "B A");
	assert_refused(append("needs", "C\n"), ENOENT, "there is no task C");
	cr_assert_str_eq(needs(), "B A");
	(void)fixture_task(&f, "C", NULL);
	assert_ok(append("needs", "C\n"));
	cr_assert_str_eq(needs(), "B A C");
	cr_assert_eq(fixture_task_now(&f, "T").unmet, 3);
	assert_ok(set("needs", "\n"));
	assert_column(&f, "T", COLUMN_READY);
	assert_sound(&f);
}

Test(rules_set, needs_close_no_circle)
{
	(void)fixture_task(&f, "A", NULL);
	(void)fixture_task(&f, "B", NULL);
	assert_refused(set("needs", "T"), ELOOP, "T needs T");
	assert_ok(fixture_set(&f, "A", "needs", "T"));
	assert_ok(fixture_set(&f, "B", "needs", "A"));
	assert_refused(set("needs", "B"), ELOOP, "B needs T already");
	assert_ok(fixture_set(&f, "A", "needs", "\n"));
	assert_ok(set("needs", "B"));
	assert_refused(fixture_set(&f, "A", "needs", "T\n"), ELOOP, "T needs A already");
	assert_sound(&f);
}

Test(rules_set, needs_of_a_cancelled_task_close_no_circle)
{
	(void)fixture_task(&f, "A", NULL);
	assert_ok(fixture_set(&f, "A", "needs", "T"));
	assert_ok(commit(&f, CHANGE_CANCEL, .name = "A", .owner = 1));
	(void)fixture_task(&f, "A", NULL);
	assert_ok(set("needs", "A"));
	assert_sound(&f);
}

Test(rules_set, a_value_over_next_to_nothing_is_still_a_number)
{
	struct outcome goal = commit(&f, CHANGE_ADD, .of = THING_GOAL, .name = "g", .owner = 1);

	assert_ok(goal);
	assert_ok(commit(&f, CHANGE_SET, .of = THING_GOAL, .thing = goal.id, .field = "weight",
			 .text = "0", .owner = 1));
	assert_ok(set("tags", "g"));
	assert_ok(set("value", "-1e9"));
	assert_ok(set("cost", "1e-305"));
	assert_ok(set("value", "1e9"));
	assert_sound(&f);
}

/* --- settings --- */

Test(rules_set, limits_are_names_and_numbers)
{
	static const char *const bad[] = { "x 1",
					   "uid-claims",
					   "uid-claims x",
					   "uid-claims -1",
					   "uid-claims 1 2",
					   "uid-claims 99999999999",
					   "claim-artifacts 1025",
					   "uid-claims 1\n\nlane 2" };
	int64_t limit;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_refused(fixture_control(&f, "limits", bad[i]), EINVAL, "NAME NUMBER");
	assert_ok(fixture_control(&f, "limits", "uid-claims 5\nsession-claims 0\n"));
	cr_assert_eq(store_read_begin(f.store), 0);
	limit = read_limit(store_reader(f.store), LIMIT_UID_CLAIMS);
	cr_assert_eq(limit, 5);
	cr_assert_eq(read_limit(store_reader(f.store), LIMIT_SESSION_CLAIMS), 0);
	cr_assert_eq(read_limit(store_reader(f.store), LIMIT_CLAIM_ARTIFACTS), 1024);
	store_read_end(f.store);
}

Test(rules_set, a_lease_is_a_duration)
{
	assert_refused(fixture_control(&f, "lease", "soon"), EINVAL, "not a duration");
	assert_refused(fixture_control(&f, "lease", "1ms"), ERANGE, "out of range");
	assert_ok(fixture_control(&f, "lease", "90s"));
	assert_ok(fixture_control(&f, "lease", "\n"));
}
