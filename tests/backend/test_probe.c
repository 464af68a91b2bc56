/* What the kinds of probes share. */
#include "backend/tx.h"
#include "tests/lib/probing.h"

Test(probe, a_span_is_rounded_down_to_a_unit_that_is_large_enough)
{
	cr_expect_str_eq(probe_span(0), "0s");
	cr_expect_str_eq(probe_span(119 * SECOND + 999), "119s");
	cr_expect_str_eq(probe_span(2 * MINUTE), "2m");
	cr_expect_str_eq(probe_span(47 * HOUR), "47h");
	cr_expect_str_eq(probe_span(9 * DAY + 23 * HOUR), "9d");
}

Test(probe, a_line_is_looked_for_as_a_whole)
{
	cr_expect(probe_has_line("calm", "calm"));
	cr_expect(probe_has_line("bug\ncalm\n", "calm"));
	cr_expect_not(probe_has_line("calmer\nbecalm", "calm"));
	cr_expect_not(probe_has_line("", "calm"));
}

Test(probe, a_first_line_is_cut_between_characters_and_is_text)
{
	char line[4];

	cr_expect_eq(probe_first_line("ab\ncd", line, sizeof(line)), 0);
	cr_expect_str_eq(line, "ab");
	cr_expect_eq(probe_first_line("a\xc3\xa4\xc3\xa4", line, sizeof(line)), 0);
	cr_expect_str_eq(line, "a\xc3\xa4");
	cr_expect_eq(probe_first_line("a\x01", line, sizeof(line)), -EINVAL);
}

Test(probe, each_that_is_built_in_has_its_name_and_is_unknown_without_inputs)
{
	static const char *const names[] = { "lane-occupancy", "idea-backlog",
					     "self-review",    "invariants",
					     "lint-lessons",   "failed-services",
					     "calm-window",    "cross-repo-supply" };
	int n = sizeof(names) / sizeof(names[0]);

	for (int i = 0; i < n; i++) {
		cr_assert_str_eq(probe_builtin(i)->name, names[i]);
		cr_expect_eq(probe_kind_named(names[i]), probe_builtin(i));
	}
	cr_expect_null(probe_builtin(n));
	for (int i = 0; i < n; i++)
		cr_expect_eq(probing_judge(names[i], "{}").answer, PROBE_UNKNOWN, "%s", names[i]);
}

Test(probe, settings_are_inputs_as_what_they_are)
{
	struct probing p;

	probing_open(&p, "self-review");
	probing_look(&p);
	cr_expect_eq(probe_number(p.inputs, "window"), 20);
	cr_expect_eq(event_int(p.inputs, "max-age"), 7 * DAY);
	cr_expect_str_eq(event_text(p.inputs, "category"), "self-review");
	probing_set(&p, "max-share", "0.5");
	probing_look(&p);
	cr_expect_eq(probe_number(p.inputs, "max-share"), 0.5);
	probing_close(&p);
}
