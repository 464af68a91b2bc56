#include "tests/lib/check.h"

static struct fixture f;
static struct db *db; /* inside a read */

static void setup(void)
{
	fixture_open(&f);
	db = store_reader(f.store);
}

static void teardown(void)
{
	fixture_close(&f);
}

TestSuite(read, .init = setup, .fini = teardown);

static void begin(void)
{
	cr_assert_eq(store_read_begin(f.store), 0);
}

static void end(void)
{
	store_read_end(f.store);
}

Test(read, what_is_not_there_is_0_and_leaves_the_output_alone)
{
	struct task t = { .id = -7 };
	struct session s = { .id = -7 };
	struct grant g = { .token = -7 };
	int64_t at = -7;

	begin();
	cr_assert_eq(read_task(db, 9, &t), 0);
	cr_assert_eq(read_task_named(db, "T", &t), 0);
	cr_assert_eq(read_session(db, 9, &s), 0);
	cr_assert_eq(read_session_named(db, "s1", &s), 0);
	cr_assert_eq(read_grant(db, 9, &g), 0);
	cr_assert_eq(read_lost(db, 9, "T", &g), 0);
	cr_assert_eq(read_finished(db, 9, &g, &at), 0);
	end();
	cr_assert_eq(t.id, -7);
	cr_assert_eq(s.id, -7);
	cr_assert_eq(g.token, -7);
	cr_assert_eq(at, -7);
}

Test(read, a_task_by_its_name_is_the_one_that_is_not_cancelled)
{
	int64_t old = fixture_task(&f, "T", NULL), now;
	struct task t;

	assert_ok(commit(&f, CHANGE_CANCEL, .name = "T", .owner = 1));
	now = fixture_idea(&f, "T", NULL);
	begin();
	cr_assert_eq(read_task_named(db, "T", &t), 1);
	cr_assert_eq(t.id, now);
	cr_assert_eq(read_task(db, old, &t), 1);
	cr_assert_eq(t.state, TASK_CANCELLED);
	cr_assert_eq(t.column, COLUMN_NONE);
	end();
}

Test(read, the_longest_names_fit)
{
	char name[NAME_LEN_MAX + 1];
	struct session s;
	struct grant g;
	struct task t;

	memset(name, 'n', NAME_LEN_MAX);
	name[NAME_LEN_MAX] = 0;
	(void)fixture_task(&f, name, NULL);
	(void)fixture_hold(&f, fixture_session(&f, name), name);
	begin();
	cr_assert_eq(read_task_named(db, name, &t), 1);
	cr_assert_str_eq(t.name, name);
	cr_assert_eq(read_session_named(db, name, &s), 1);
	cr_assert_str_eq(s.name, name);
	cr_assert_eq(read_grant(db, t.token, &g), 1);
	cr_assert_str_eq(g.name, name);
	cr_assert_str_eq(g.holder, name);
	end();
}

Test(read, a_grant_tells_its_times)
{
	int64_t s = fixture_session(&f, "s1"), token, since;
	struct grant g;

	(void)fixture_task(&f, "T", NULL);
	token = fixture_hold(&f, s, "T");
	since = f.sim.wall;
	fixture_pass(&f, 10 * MINUTE);
	assert_ok(commit(&f, CHANGE_RENEW, .as = s, .thing = s));
	g = fixture_grant_now(&f, token);
	cr_assert_eq(g.since, since);
	cr_assert_eq(g.touched, f.sim.wall);
	cr_assert_eq(g.renewed, f.sim.boot);
	cr_assert_eq(g.expires, f.sim.boot + HOUR);
	cr_assert_eq(g.ttl, HOUR);
	cr_assert_eq(g.ended, 0);
	assert_ok(fixture_release(&f, s, "T"));
	g = fixture_grant_now(&f, token);
	cr_assert_eq(g.ended, f.sim.wall);
	cr_assert_str_eq(g.how, "released");
}

Test(read, a_limit_is_its_default_until_it_is_set)
{
	begin();
	for (int i = 0; i < LIMIT_COUNT; i++)
		cr_assert_eq(read_limit(db, (enum limit)i), limit_rows[i].dflt);
	end();
	assert_ok(fixture_control(&f, "limits", "uid-claims 7\nwide-artifacts 0\n"));
	begin();
	cr_assert_eq(read_limit(db, LIMIT_UID_CLAIMS), 7);
	cr_assert_eq(read_limit(db, LIMIT_WIDE_ARTIFACTS), 0);
	cr_assert_eq(read_limit(db, LIMIT_SESSION_CLAIMS), 64);
	end();
}

Test(read, the_lease_is_an_hour_until_it_is_set)
{
	begin();
	cr_assert_eq(read_lease(db), HOUR);
	end();
	assert_ok(fixture_control(&f, "lease", "90s"));
	begin();
	cr_assert_eq(read_lease(db), 90 * SECOND);
	end();
}
