/* What others have committed to a task's artifacts since a session last looked. */
#include "backend/fresh.h"
#include "tests/lib/check.h"
#include "tests/lib/observing.h"

static struct fixture f;
static int64_t repo, s1, task;

static void setup(void)
{
	fixture_open(&f);
	repo = observing_repo(&f, "r");
	s1 = fixture_session(&f, "s1");
	task = fixture_task(&f, "T", "r:src\nr:doc/a.md\nother");
}

static void teardown(void)
{
	assert_sound(&f);
	fixture_close(&f);
}

TestSuite(fresh, .init = setup, .fini = teardown);

#define see(...) assert_ok(observe(&f, repo, __VA_ARGS__))

static int any(void)
{
	struct session s = fixture_session_now(&f, s1);
	int got;

	cr_assert_eq(store_read_begin(f.store), 0);
	got = fresh_any(store_reader(f.store), &s);
	store_read_end(f.store);
	return got;
}

static int stale(int64_t id)
{
	struct session s = fixture_session_now(&f, s1);
	int got;

	cr_assert_eq(store_read_begin(f.store), 0);
	got = fresh_is_stale(store_reader(f.store), id, &s);
	store_read_end(f.store);
	return got;
}

Test(fresh, before_anybody_commits_there_are_no_news)
{
	cr_assert_eq(any(), 0);
	cr_assert_eq(stale(task), 0);
}

Test(fresh, another_ones_commit_is_news_of_the_tasks_it_touches_alone)
{
	int64_t other = fixture_task(&f, "U", "r:lib");

	see(.commit = "a", .session = "s2", .paths = "M src/x.c");
	cr_assert_eq(any(), 1);
	cr_assert_eq(stale(task), 1);
	cr_assert_eq(stale(other), 0);
	assert_ok(commit(&f, CHANGE_BASE, .as = s1, .thing = s1));
	cr_assert_eq(any(), 0);
	cr_assert_eq(stale(task), 0);
}

Test(fresh, its_own_commits_and_those_of_nobody_are_no_news)
{
	see(.commit = "a", .session = "s1", .paths = "M src/x.c");
	see(.commit = "b", .paths = "M src/x.c");
	cr_assert_eq(any(), 0);
	cr_assert_eq(stale(task), 0);
}

Test(fresh, neither_are_those_of_a_repository_that_is_gone)
{
	see(.commit = "a", .session = "s2", .paths = "M src/x.c");
	assert_ok(commit(&f, CHANGE_REMOVE, .of = THING_REPO, .name = "r", .owner = 1));
	cr_assert_eq(any(), 0);
	cr_assert_eq(stale(task), 0);
}

Test(fresh, what_the_news_are_is_said)
{
	struct session s = fixture_session_now(&f, s1);
	struct news news;

	see(.commit = "a", .session = "s2", .paths = "M lib/y\nM doc/a.md");
	cr_assert_eq(store_read_begin(f.store), 0);
	cr_assert_eq(fresh_news(store_reader(f.store), task, &s, repo, &news), 1);
	store_read_end(f.store);
	cr_assert_str_eq(news.path, "r:doc/a.md");
	cr_assert_str_eq(news.repo.name, "r");
	cr_assert_eq(news.commit, fixture_seq(&f, "commit"));
}
