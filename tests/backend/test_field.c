#include <errno.h>
#include <string.h>

#include <criterion/criterion.h>

#include "backend/field.h"

static int check(enum thing_kind of, const char *name, const char *text)
{
	const char *reason = NULL;
	const struct field *fl = field_find(of, name);
	int err;

	cr_assert_not_null(fl, "no field %s", name);
	err = field_check(fl, text, strlen(text), &reason);
	cr_assert_eq(err == 0, reason == NULL, "%s = %s: an error has a reason, success none", name,
		     text);
	return err;
}

Test(field, is_found_by_its_thing_and_its_name)
{
	cr_assert_not_null(field_find(THING_TASK, "title"));
	cr_assert_null(field_find(THING_SESSION, "title"));
	cr_assert_null(field_find(THING_TASK, "Title"));
	cr_assert_null(field_find(THING_TASK, ""));
	cr_assert_str_eq(field_find(THING_CONTROL, "lease")->name, "lease");
}

Test(field, values_that_are_good)
{
	static const struct {
		enum thing_kind of;
		const char *name, *text;
	} good[] = {
		{ THING_TASK, "title", "a title, \xc3\xa9" },
		{ THING_TASK, "body", "a\n\tb\n" },
		{ THING_TASK, "repo", "linux-6.1" },
		{ THING_TASK, "lane", "one-shot" },
		{ THING_TASK, "value", "-1e9" },
		{ THING_TASK, "value", "1000000000" },
		{ THING_TASK, "cost", "0" },
		{ THING_TASK, "kind", "once" },
		{ THING_TASK, "kind", "daily" },
		{ THING_TASK, "ttl", "100ms" },
		{ THING_TASK, "ttl", "30d" },
		{ THING_TASK, "tags", "a\nb" },
		{ THING_TASK, "impact", "5" },
		{ THING_TASK, "readiness", "0.30" },
		{ THING_TASK, "needs", "A\nB" },
		{ THING_PROBE, "enabled", "0" },
		{ THING_PROBE, "timeout", "1h" },
		{ THING_CONTROL, "limits", "uid-claims 0\nsession-claims 3" },
		{ THING_CONTROL, "recent", "3650d" },
		{ THING_CONTROL, "verdict-interval", "0s" },
		{ THING_CONTROL, "estop", "no more" },
	};

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		cr_expect_eq(check(good[i].of, good[i].name, good[i].text), 0, "%s = %s",
			     good[i].name, good[i].text);
}

Test(field, values_that_are_bad)
{
	static const struct {
		enum thing_kind of;
		const char *name, *text;
		int err;
	} bad[] = {
		{ THING_TASK, "title", "a\nb", EINVAL },
		{ THING_TASK, "title", "a\tb", EINVAL },
		{ THING_TASK, "title", "\x7f", EINVAL },
		{ THING_TASK, "title", "\xc3", EILSEQ },
		{ THING_TASK, "body", "a\rb", EINVAL },
		{ THING_TASK, "repo", "url", EINVAL },
		{ THING_TASK, "repo", "topic", EINVAL },
		{ THING_TASK, "repo", ".git", EINVAL },
		{ THING_TASK, "lane", "a\nb", EINVAL },
		{ THING_TASK, "value", "1e10", ERANGE },
		{ THING_TASK, "value", "0x10", EINVAL },
		{ THING_TASK, "value", " 1", EINVAL },
		{ THING_TASK, "cost", "-0.1", ERANGE },
		{ THING_TASK, "kind", "onc", EINVAL },
		{ THING_TASK, "kind", "once standing", EINVAL },
		{ THING_TASK, "kind", " ", EINVAL },
		{ THING_TASK, "ttl", "99ms", ERANGE },
		{ THING_TASK, "ttl", "60", EINVAL },
		{ THING_TASK, "tags", "a\n\nb", EINVAL },
		{ THING_TASK, "impact", "5.1", ERANGE },
		{ THING_TASK, "readiness", "-0.1", ERANGE },
		{ THING_TASK, "needs", "a/b", EINVAL },
		{ THING_PROBE, "enabled", "yes", EINVAL },
		{ THING_PROBE, "timeout", "61m", ERANGE },
		{ THING_CONTROL, "limits", "uid-claims", EINVAL },
		{ THING_CONTROL, "limits", "lane-claims 3", EINVAL },
		{ THING_CONTROL, "recent", "999ms", ERANGE },
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		cr_expect_eq(check(bad[i].of, bad[i].name, bad[i].text), -bad[i].err, "%s = %s",
			     bad[i].name, bad[i].text);
}

Test(field, lists_are_lists)
{
	static const char *const lists[] = { "tags", "needs", "artifacts" };
	static const char *const others[] = { "title", "body", "value", "kind", "result" };

	for (size_t i = 0; i < 3; i++)
		cr_expect(field_is_list(field_find(THING_TASK, lists[i])), "%s", lists[i]);
	for (size_t i = 0; i < 5; i++)
		cr_expect(!field_is_list(field_find(THING_TASK, others[i])), "%s", others[i]);
	cr_expect(field_is_list(field_find(THING_CONTROL, "limits")));
}

Test(field, a_value_is_64_KiB_at_most)
{
	static char big[FIELD_MAX + 2];
	const char *reason = NULL;
	const struct field *body = field_find(THING_TASK, "body");

	memset(big, 'x', FIELD_MAX + 1);
	cr_assert_eq(field_check(body, big, FIELD_MAX, &reason), 0);
	cr_assert_eq(field_check(body, big, FIELD_MAX + 1, &reason), -E2BIG);
	cr_assert_not_null(reason);
}
