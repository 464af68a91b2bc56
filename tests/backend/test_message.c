/* A message's text, and the line that a mailbox has of it. */
#include <errno.h>
#include <string.h>

#include <criterion/criterion.h>

#include "backend/clean.h"
#include "backend/message.h"

static int check(const char *text)
{
	return message_check(text, strlen(text));
}

Test(message, a_line_of_any_script_is_one)
{
	cr_assert_eq(check("x"), 0);
	cr_assert_eq(check("grüße 你好 שלום \xf0\x9f\x91\x8d"), 0);
	cr_assert_eq(check("a\xe2\x80\x8f"
			   "b"),
		     0, "a mark of direction turns nothing");
}

Test(message, what_ends_a_line_for_anybody_is_none)
{
	static const char *const ends[] = { "\n",	    "\v",	   "\f",   "\r",
					    "\x1c",	    "\x1d",	   "\x1e", "\xc2\x85",
					    "\xe2\x80\xa8", "\xe2\x80\xa9" };

	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++)
		cr_expect_eq(check(ends[i]), -EINVAL, "%zu", i);
}

Test(message, empty_too_long_and_broken_are_told_apart)
{
	char text[MESSAGE_MAX + 1];

	memset(text, 'x', sizeof(text));
	cr_assert_eq(message_check(text, MESSAGE_MAX), 0);
	cr_assert_eq(message_check(text, MESSAGE_MAX + 1), -E2BIG);
	cr_assert_eq(message_check(text, 0), -EINVAL);
	cr_assert_eq(check("\xe2\x80"), -EILSEQ);
}

static void assert_line(const char *event, const char *line)
{
	AUTO_BUF struct buf out = BUF_INIT;
	json_t *e = json_loads(event, 0, NULL);

	cr_assert_not_null(e);
	message_line(e, &out);
	cr_assert_str_eq(buf_text(&out), line);
	json_decref(e);
}

Test(message, its_line_says_when_who_and_what)
{
	assert_line(
		"{\"event\":\"message\",\"at\":1782895212345,\"session\":\"s1\",\"text\":\"a b\"}",
		"2026-07-01T08:40:12Z s1 a b\n");
}

Test(message, an_event_of_the_mounts_is_said_by_the_mount)
{
	assert_line(
		"{\"event\":\"lost\",\"at\":1782895212345,\"session\":\"s1\",\"task\":\"T\",\"token\":7,"
		"\"reason\":\"broken\",\"note\":\"secret\"}",
		"2026-07-01T08:40:12Z coordfs lost T, token 7, broken: stop working on it; mv ready/T "
		"sessions/s1/claims/ takes it anew when it is free\n");
}
