/* The roll-up. Probes that run a program are tried on a mount: they need the loop. */
#include <fcntl.h>

#include "fs/verdict.h"
#include "tests/lib/check.h"
#include "tests/lib/loop.h"
#include "tests/lib/wire.h"

static struct wire w;

static void setup(void)
{
	wire_open(&w);
}

static void teardown(void)
{
	wire_close(&w);
}

TestSuite(verdict, .init = setup, .fini = teardown);

static int64_t add(const char *name)
{
	struct outcome o = commit(&w.f, CHANGE_ADD, .of = THING_PROBE, .name = name, .owner = 1);

	assert_ok(o);
	return o.id;
}

Test(verdict, without_probes_nobody_has_looked_unknown)
{
	const char *text = wire_cat(&w, "verdict");

	cr_assert_eq(strncmp(text, "unknown\njudged 2026-07-01T08:20:00Z  seq 0  took 0.00s\n", 55),
		     0, "%s", text);
	cr_assert_not_null(strstr(text, "no probes: mkdir probes/NAME"));
}

Test(verdict, one_that_was_never_fed_is_unknown)
{
	(void)add("p");
	cr_assert_not_null(
		strstr(wire_cat(&w, "verdict"), "\np                    unknown  was never fed\n"));
	cr_assert_str_eq(wire_cat(&w, "probes/p/verdict"), "unknown was never fed\n");
	cr_assert_str_eq(wire_cat(&w, "probes/p/detail"), "was never fed\n");
}

Test(verdict, a_probe_that_never_ran_says_so)
{
	(void)add("p");
	cr_assert_str_eq(wire_cat(&w, "probes/p/detail"), "was never run\n");
	cr_assert_not_null(strstr(wire_cat(&w, "probes/p/last"), "judged -\n"));
}

Test(verdict, probes_stand_in_order_of_their_names_and_disabled_ones_not_at_all)
{
	const char *text;
	int64_t off;

	(void)add("zeta");
	(void)add("alpha");
	off = add("beta");
	assert_ok(commit(&w.f, CHANGE_SET, .of = THING_PROBE, .thing = off, .field = "enabled",
			 .text = "0", .owner = 1));
	text = wire_cat(&w, "verdict");
	cr_assert_not_null(strstr(text, "\nalpha "));
	cr_assert_null(strstr(text, "beta"));
	cr_assert_gt(strstr(text, "\nzeta "), strstr(text, "\nalpha "));
}

Test(verdict, is_not_judged_again_within_its_interval)
{
	char first[512];

	(void)snprintf(first, sizeof(first), "%s", wire_cat(&w, "verdict"));
	(void)add("p");
	w.f.sim.boot += 9999;
	w.f.sim.wall += 9999;
	cr_assert_str_eq(wire_cat(&w, "verdict"), first);
	w.f.sim.boot += 1;
	w.f.sim.wall += 1;
	cr_assert_str_neq(wire_cat(&w, "verdict"), first);
	assert_ok(fixture_control(&w.f, "verdict-interval", "0s"));
	assert_ok(commit(&w.f, CHANGE_REMOVE, .of = THING_PROBE, .name = "p", .owner = 1));
	cr_assert_not_null(strstr(wire_cat(&w, "verdict"), "no probes"));
}

Test(verdict, its_word_is_recorded_when_it_changes)
{
	assert_ok(fixture_control(&w.f, "verdict-interval", "0s"));
	(void)wire_cat(&w, "verdict");
	wire_decide(&w);
	cr_assert_str_eq(fixture_field(&w.f, 0, "verdict"), "unknown");
	(void)wire_cat(&w, "verdict");
	wire_decide(&w);
	cr_assert_eq(fixture_count(&w.f, "verdict"), 1);
	cr_assert_not_null(strstr(wire_cat(&w, "status"), "verdict unknown\n"));
}

Test(verdict, asking_its_size_runs_nothing)
{
	(void)add("p");
	cr_assert_eq(wire_getattr(&w, wire_walk(&w, "verdict"), NULL), 0);
	cr_assert_str_eq(wire_cat(&w, "probes/p/detail"), "was never run\n");
}

Test(verdict, who_does_not_wait_is_not_forgotten_twice)
{
	int nobody;

	cr_assert_eq(verdict_forget(w.fs.verdict, &nobody), 0);
	verdict_free(NULL);
}

static void feed(int64_t probe, const char *text)
{
	assert_ok(commit(&w.f, CHANGE_SET, .of = THING_PROBE, .thing = probe, .field = "verdict",
			 .text = text, .owner = 1));
}

Test(verdict, of_one_that_is_fed_is_what_it_was_fed_for_its_interval)
{
	int64_t p = add("p");

	assert_ok(fixture_control(&w.f, "verdict-interval", "0s"));
	feed(p, "dry nothing there");
	cr_assert_eq(strncmp(wire_cat(&w, "verdict"), "dry\n", 4), 0);
	cr_assert_str_eq(wire_cat(&w, "probes/p/verdict"), "dry nothing there\n");
	fixture_pass(&w.f, 3660001);
	cr_assert_eq(strncmp(wire_cat(&w, "verdict"), "unknown\n", 8), 0);
	cr_assert_not_null(strstr(wire_cat(&w, "probes/p/detail"), "ago, which holds for "));
}

Test(verdict, of_a_shadow_has_no_part_in_the_roll_up)
{
	int64_t p = add("p"), q = add("q");

	feed(p, "dry");
	feed(q, "unknown or so");
	assert_ok(commit(&w.f, CHANGE_SET, .of = THING_PROBE, .thing = q, .field = "enabled",
			 .text = "shadow", .owner = 1));
	cr_assert_eq(strncmp(wire_cat(&w, "verdict"), "dry\n", 4), 0);
	cr_assert_null(strstr(wire_cat(&w, "verdict"), "\nq "));
	cr_assert_not_null(strstr(wire_cat(&w, "probes/q/shadow"), " unknown "));
	cr_assert_str_empty(wire_cat(&w, "probes/q/history"));
	cr_assert_not_null(strstr(wire_cat(&w, "verdict.json"), "\"shadow\":[{\"probe\":\"q\""));
}

Test(verdict, of_one_probe_leaves_the_roll_up_alone)
{
	int64_t p = add("p");

	feed(p, "dry");
	cr_assert_str_eq(wire_cat(&w, "probes/p/verdict"), "dry\n");
	cr_assert_eq(fixture_count(&w.f, "verdict"), 0);
	cr_assert_not_null(strstr(wire_cat(&w, "probes/p/history"), " dry "));
}

Test(verdict, outlives_the_daemon)
{
	feed(add("p"), "dry");
	(void)wire_cat(&w, "verdict");
	verdict_free(w.fs.verdict);
	w.fs.verdict = verdict_new(&w.fs, test_loop());
	cr_assert_not_null(strstr(wire_cat(&w, "probes/p/last"), "answer dry\n"));
	cr_assert_eq(strncmp(wire_cat(&w, "verdict"), "dry\n", 4), 0);
}
