/* The roll-up. Probes that run a program are tried on a mount: they need the loop. */
#include <fcntl.h>

#include "fs/verdict.h"
#include "tests/lib/check.h"
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

Test(verdict, a_probe_without_a_command_is_unknown)
{
	(void)add("p");
	cr_assert_not_null(
		strstr(wire_cat(&w, "verdict"), "\np                    unknown  no command\n"));
	cr_assert_str_eq(wire_cat(&w, "probes/p/verdict"), "unknown\n");
	cr_assert_str_eq(wire_cat(&w, "probes/p/detail"), "no command\n");
}

Test(verdict, a_probe_that_never_ran_says_so)
{
	(void)add("p");
	cr_assert_str_eq(wire_cat(&w, "probes/p/verdict"), "unknown\n");
	cr_assert_str_eq(wire_cat(&w, "probes/p/detail"), "not run yet\n");
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
	cr_assert_eq(fixture_count(&w.f, "set"), 2, "the interval, and the word once");
	cr_assert_not_null(strstr(wire_cat(&w, "status"), "verdict unknown\n"));
}

Test(verdict, asking_its_size_runs_nothing)
{
	(void)add("p");
	cr_assert_eq(wire_getattr(&w, wire_walk(&w, "verdict"), NULL), 0);
	cr_assert_str_eq(wire_cat(&w, "probes/p/detail"), "not run yet\n");
}

Test(verdict, who_does_not_wait_is_not_forgotten_twice)
{
	int nobody;

	cr_assert_eq(verdict_forget(w.fs.verdict, &nobody), 0);
	verdict_free(NULL);
}
