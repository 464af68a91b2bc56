/* Want of memory while a probe looks: an error, or the same as ever; never less than there is. */
#include "backend/tx.h"
#include "tests/lib/alloc.h"
#include "tests/lib/probing.h"

static struct probing p;

static void teardown(void)
{
	probing_close(&p);
}

TestSuite(probe_oom, .init = alloc_with_sqlite, .fini = teardown);

/* A bit of everything that a probe looks at. */
static void world(const char *name)
{
	int64_t s, id;

	probing_open(&p, name);
	s = fixture_session(&p.f, "s");
	assert_ok(commit(&p.f, CHANGE_SET, .of = THING_SESSION, .thing = s, .as = s,
			 .field = "category", .text = "self-review"));
	assert_ok(commit(&p.f, CHANGE_SET, .of = THING_SESSION, .thing = s, .as = s,
			 .field = "outcome", .text = "failed"));
	assert_ok(commit(&p.f, CHANGE_END, .as = s, .thing = s));
	(void)probing_thing(&p, THING_LANE, "web");
	(void)fixture_task(&p.f, "t", NULL);
	assert_ok(fixture_set(&p.f, "t", "lane", "web"));
	assert_ok(fixture_set(&p.f, "t", "value", "3"));
	(void)fixture_task(&p.f, "c", NULL);
	assert_ok(fixture_set(&p.f, "c", "tags", "calm"));
	(void)fixture_idea(&p.f, "i", NULL);
	assert_ok(fixture_set(&p.f, "i", "readiness", "0.9"));
	assert_ok(fixture_set(&p.f, "i", "covered", "t"));
	id = probing_thing(&p, THING_LESSON, "l");
	probing_field(&p, THING_LESSON, id, "status", "active");
	id = probing_thing(&p, THING_REPO, "r");
	probing_field(&p, THING_REPO, id, "path", "/r");
}

/* Look while allocation NTH fails: 1 as long as there is one, and it is no less than REFERENCE. */
static int look_starved(int64_t nth, const json_t *reference, size_t asked)
{
	struct probe_look l;
	int err, failed;

	cr_assert_eq(store_read_begin(p.f.store), 0);
	l = (struct probe_look){ store_reader(p.f.store), &p.f.sim.world, p.id, p.f.sim.wall,
				 json_object(),		  json_array() };
	alloc_fail(nth, 1);
	err = probe_look_with(p.kind, &l);
	failed = alloc_failed() > 0;
	alloc_stop();
	if (!err) {
		cr_expect(json_equal(l.inputs, reference), "%s: allocation %lld", p.kind->name,
			  (long long)nth);
		cr_expect_eq(json_array_size(l.asked), asked, "%s: allocation %lld", p.kind->name,
			     (long long)nth);
	}
	cr_expect_eq(db_busy_count(l.db), 0);
	json_decref(l.inputs);
	json_decref(l.asked);
	store_read_end(p.f.store);
	return failed;
}

static void sweep(const char *name, const char *field, const char *text)
{
	int64_t nth = 1;

	world(name);
	if (field)
		probing_set(&p, field, text);
	probing_look(&p);
	while (look_starved(nth, p.inputs, json_array_size(p.asked)))
		nth++;
	cr_expect_gt(nth, 5, "%s allocates", name);
}

Test(probe_oom, lane_occupancy_sees_all_or_says_that_it_could_not_look)
{
	sweep("lane-occupancy", NULL, NULL);
}

Test(probe_oom, idea_backlog_sees_all_or_says_that_it_could_not_look)
{
	sweep("idea-backlog", "floor", "0.1");
}

Test(probe_oom, self_review_sees_all_or_says_that_it_could_not_look)
{
	sweep("self-review", "window", "9");
}

Test(probe_oom, lint_lessons_sees_all_or_says_that_it_could_not_look)
{
	sweep("lint-lessons", "linter", "lint --all");
}

Test(probe_oom, failed_services_sees_all_or_says_that_it_could_not_look)
{
	sweep("failed-services", NULL, NULL);
}

Test(probe_oom, calm_window_sees_all_or_says_that_it_could_not_look)
{
	sweep("calm-window", "max-load", "3");
}

Test(probe_oom, cross_repo_supply_sees_all_or_says_that_it_could_not_look)
{
	sweep("cross-repo-supply", "feed", "web open=1 quick-wins=1");
}

Test(probe_oom, invariants_sees_all_or_says_that_it_could_not_look)
{
	sweep("invariants", NULL, NULL);
}
