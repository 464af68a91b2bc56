/* To which queue a key belongs. */
#include "backend/action.h"
#include "tests/lib/check.h"

#define LIMITS "pr 5\npr:org+repo 2\npr:org 3\nask 0\npr 9"

static const char *queue_of(const char *key)
{
	static struct action_queue q;

	return action_queue_find(LIMITS, key, &q) ? q.prefix : "-";
}

Test(action, belongs_to_the_longest_prefix_that_it_is_or_that_a_colon_or_hash_follows)
{
	cr_assert_str_eq(queue_of("pr:org+repo#7"), "pr:org+repo");
	cr_assert_str_eq(queue_of("pr:org+repo"), "pr:org+repo");
	cr_assert_str_eq(queue_of("pr:org+repo:x"), "pr:org+repo");
	cr_assert_str_eq(queue_of("pr:org+rep"), "pr");
	cr_assert_str_eq(queue_of("pr:org+repository#7"), "pr");
	cr_assert_str_eq(queue_of("pr:org#1"), "pr:org");
	cr_assert_str_eq(queue_of("pr"), "pr");
	cr_assert_str_eq(queue_of("ask"), "ask");
}

Test(action, belongs_to_none_where_another_byte_follows)
{
	cr_assert_str_eq(queue_of("pr-7"), "-");
	cr_assert_str_eq(queue_of("prs"), "-");
	cr_assert_str_eq(queue_of("p"), "-");
	cr_assert_str_eq(queue_of("comment:pr"), "-");
	cr_assert_str_eq(queue_of("ask.x"), "-");
}

Test(action, has_the_limit_of_the_first_line_with_that_prefix)
{
	struct action_queue q;

	cr_assert_eq(action_queue_find(LIMITS, "pr#1", &q), 1);
	cr_assert_eq(q.limit, 5);
	cr_assert_eq(action_queue_find("", "pr#1", &q), 0);
	cr_assert_eq(action_queue_find(NULL, "pr#1", &q), 0);
}

static int parses(const char *line)
{
	struct action_queue q;

	return action_queue_parse(line, strlen(line), &q) == 0;
}

Test(action, a_queue_is_a_name_and_a_number)
{
	cr_assert(parses("pr 0"));
	cr_assert(parses("pr:org+repo#1 1000000"));
	cr_assert_not(parses("pr 1000001"));
	cr_assert_not(parses("pr -1"));
	cr_assert_not(parses("pr"));
	cr_assert_not(parses("pr "));
	cr_assert_not(parses(" 5"));
	cr_assert_not(parses("pr  5"));
	cr_assert_not(parses("pr 5 6"));
	cr_assert_not(parses(".pr 5"));
	cr_assert_not(parses("p/r 5"));
	cr_assert_not(parses(""));
}
