/* Which titles are one piece of work. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <criterion/criterion.h>

#include "backend/alike.h"

TestSuite(alike);

static const char *key(const char *title)
{
	static char out[ALIKE_KEY];

	(void)alike_key(title, out);
	return out;
}

static enum alike compare(const char *a, const char *b)
{
	char ka[ALIKE_KEY], kb[ALIKE_KEY];

	(void)alike_key(a, ka);
	(void)alike_key(b, kb);
	cr_assert_eq(alike_keys(ka, kb), alike_keys(kb, ka), "not symmetric: %s, %s", a, b);
	return alike_keys(ka, kb);
}

Test(alike, a_key_is_the_words_in_lower_case_each_once_in_order)
{
	cr_assert_str_eq(key("  Zeta, alpha--ALPHA (beta_2)!"), "2 alpha beta zeta");
	cr_assert_str_eq(key(""), "");
	cr_assert_str_eq(key(" -- "), "");
}

Test(alike, words_that_say_nothing_are_left_out)
{
	cr_assert_str_eq(key("The README of the project is for a user"), "project readme user");
	cr_assert_str_eq(key("of the"), "");
}

Test(alike, an_a_at_the_end_is_a_word)
{
	cr_assert_str_eq(key("Plan A"), "a plan");
	cr_assert_str_eq(key("A plan"), "plan");
}

Test(alike, beyond_ascii_letters_are_kept_and_punctuation_parts_words)
{
	cr_assert_str_eq(key("Größe\xe2\x80\x93\xe7\x8c\xab \xc2\xabx\xc2\xbb"),
			 "größe x \xe7\x8c\xab");
	cr_assert_str_eq(key("a\xff b"), "b"); /* not UTF-8: parts words as well */
}

Test(alike, a_long_title_has_so_many_words_of_so_many_bytes_at_most)
{
	char title[4096] = "", out[ALIKE_KEY];
	size_t n = 0;

	for (int i = 0; i < 100; i++)
		n += (size_t)snprintf(title + n, sizeof(title) - n, "w%d ", i);
	cr_assert_eq(alike_key(title, out), ALIKE_WORDS);
	memset(title, 'x', sizeof(title) - 1);
	title[sizeof(title) - 1] = '\0';
	cr_assert_eq(alike_key(title, out), 1);
	cr_assert_eq(strlen(out), ALIKE_WORD - 1);
}

Test(alike, the_same_words_in_any_order_are_the_same)
{
	cr_assert_eq(compare("Fix: the login!", "login fix"), ALIKE_SAME);
	cr_assert_eq(compare("x", "x"), ALIKE_SAME);
}

Test(alike, all_words_of_one_and_few_more_are_near)
{
	cr_assert_eq(compare("stats command implementation", "stats/status command implementation"),
		     ALIKE_NEAR);
	cr_assert_eq(compare("a1 b1 c1", "a1 b1 c1 d1 e1"), ALIKE_NEAR);
	cr_assert_eq(compare("a1 b1 c1", "a1 b1 c1 d1 e1 f1"), ALIKE_SOME);
	cr_assert_eq(compare("a1 b1", "a1 b1 c1"), ALIKE_SOME, "two words are too few");
}

Test(alike, one_word_in_place_of_another_is_another_title)
{
	cr_assert_eq(compare("Integrate rich output into the list command",
			     "Integrate rich output into the sync command"),
		     ALIKE_SOME);
	cr_assert_eq(compare("Phase 1: foundation layer", "Phase 2: foundation layer"), ALIKE_SOME);
}

Test(alike, nothing_is_like_a_title_without_words)
{
	cr_assert_eq(compare("", ""), ALIKE_NOT);
	cr_assert_eq(compare("", "x"), ALIKE_NOT);
	cr_assert_eq(compare("one two", "three four"), ALIKE_NOT);
	cr_assert_eq(compare("one two", "one"), ALIKE_NOT);
}

Test(alike, a_family_is_a_name_and_what_goes_on_behind_a_dot)
{
	cr_assert(alike_is_family("x", "x.1"));
	cr_assert(alike_is_family("x.1.2", "x.1"));
	cr_assert_not(alike_is_family("x", "xy"));
	cr_assert_not(alike_is_family("x.1", "x.2"));
	cr_assert_not(alike_is_family("x", "x"));
}
