#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <criterion/criterion.h>

#include "backend/buf.h"
#include "backend/clean.h"
#include "backend/match.h"
#include "tests/lib/random.h"

/* Does the keyword stand in the text? -errno when it is none. */
static int stands(const char *keyword, const char *text)
{
	struct matcher *m = match_new();
	int k = match_add(m, keyword, strlen(keyword)), found = k;

	if (k >= 0) {
		cr_assert_eq(match_find(m, text, strlen(text)), 0);
		found = match_found(m, k);
	}
	match_free(m);
	return found;
}

#define assert_stands(k, t) cr_expect_eq(stands((k), (t)), 1, "\"%s\" in \"%s\"", (k), (t))
#define assert_absent(k, t) cr_expect_eq(stands((k), (t)), 0, "\"%s\" in \"%s\"", (k), (t))

Test(match, a_word_is_found_whole_and_in_any_case)
{
	assert_stands("go", "Go!");
	assert_stands("GO", "let it go");
	assert_absent("go", "ago");
	assert_absent("go", "gone");
	assert_absent("go", "go_on");
	assert_absent("go", "");
	assert_stands("go", "gone, go");
	assert_stands("\xc3\xa9t\xc3\xa9", "un \xc3\xa9t\xc3\xa9 chaud");
	assert_absent("t", "\xc3\xa9t\xc3\xa9");
}

Test(match, a_phrase_is_found_over_any_white_space_and_nothing_else)
{
	assert_stands("git push", "then git \n\t push it");
	assert_stands("  git   push ", "git push");
	assert_absent("git push", "git-push");
	assert_absent("git push", "git pushes");
	assert_absent("git push", "legit push");
	assert_stands("git push --force", "git push --force now");
	assert_absent("git push --force", "git push --forced");
	assert_absent("git push", "git");
}

Test(match, what_is_no_word_at_its_ends_needs_no_boundary)
{
	assert_stands("C++", "use C++17");
	assert_absent("C++", "use C+");
	assert_stands(".env", "config.env");
	assert_absent(".env", "environment .environment env");
	assert_stands("--force", "x --force y");
	assert_absent("--force", "-force");
}

Test(match, a_star_goes_on_to_the_end_of_its_word)
{
	assert_stands("deploy*", "deployments fail");
	assert_stands("deploy*", "deploy");
	assert_absent("deploy*", "redeploy");
	assert_stands("te*t case", "this teapot case");
	assert_absent("te*t case", "tea pot case");
	assert_stands("src/*.c", "in src/main.c here");
	assert_absent("src/*.c", "src/a/b.c");
	assert_absent("src/*.c", "src/main.cc");
	assert_stands("a*b*c", "axxbyybzzc");
	assert_absent("a*b*c", "axxbyyb");
	assert_stands("x*", "x");
}

Test(match, a_keyword_has_a_letter_or_digit_before_any_star)
{
	cr_expect_eq(stands("++", "++"), -EINVAL);
	cr_expect_eq(stands("*ing", "sing"), -EINVAL);
	cr_expect_eq(stands("", "x"), -EINVAL);
	cr_expect_eq(stands(" \t", "x"), -EINVAL);
	cr_expect_eq(match_check("a", 1), 0);
	cr_expect_eq(match_check("*", 1), -EINVAL);
	cr_expect_eq(match_check("0", KEYWORD_MAX + 1), -E2BIG);
	cr_expect_eq(match_check("a*b*c*d*", 8), 0);
	cr_expect_eq(match_check("a*b*c*d*e*", 10), -EINVAL);
}

Test(match, the_same_keyword_written_otherwise_is_one)
{
	struct matcher *m = match_new();

	cr_assert_eq(match_add(m, "Git  Push", 9), 0);
	cr_assert_eq(match_add(m, "git push", 8), 0);
	cr_assert_eq(match_add(m, "git pull", 8), 1);
	cr_assert_eq(match_count(m), 2);
	cr_assert_str_eq(match_text(m, 0), "git push");
	match_free(m);
}

/* By brute force: one keyword at a time, at every place. */
static int is_letter(char c)
{
	return c == 'a' || c == 'b';
}

static int fits_here(const char *k, const char *t)
{
	if (!*k)
		return 1;
	if (*k == '*')
		return fits_here(k + 1, t) || (is_letter(*t) && fits_here(k, t + 1));
	return *k == *t && fits_here(k + 1, t + 1);
}

/* The ends as the real one has them: the last character decides whether a boundary is wanted. */
static int ends_well(const char *k, const char *t)
{
	if (!*k)
		return !is_letter(k[-1]) || !is_letter(*t);
	if (*k == '*')
		return ends_well(k + 1, t) || (is_letter(*t) && ends_well(k, t + 1));
	return *k == *t && ends_well(k + 1, t + 1);
}

static int brute(const char *k, const char *text)
{
	for (const char *t = text; *t; t++)
		if (fits_here(k, t) && ends_well(k, t) &&
		    (!is_letter(*k) || t == text || !is_letter(t[-1])))
			return 1;
	return 0;
}

static void random_text(uint64_t *state, const char *letters, int n, char *out)
{
	int len = 1 + random_below(state, n);

	for (int i = 0; i < len; i++)
		out[i] = letters[random_below(state, (int)strlen(letters))];
	out[len] = 0;
}

Test(match, what_is_found_of_many_is_what_each_finds_by_brute_force)
{
	uint64_t state = 1;
	char keywords[60][8], text[24];

	for (int round = 0; round < random_rounds("MATCH_ROUNDS", 2000); round++) {
		struct matcher *m = match_new();
		int numbers[60];

		for (int i = 0; i < 60; i++) {
			random_text(&state, "ab.*", 6, keywords[i]);
			numbers[i] = match_add(m, keywords[i], strlen(keywords[i]));
		}
		random_text(&state, "aab.", 20, text);
		cr_assert_eq(match_find(m, text, strlen(text)), 0);
		for (int i = 0; i < 60; i++)
			if (numbers[i] >= 0)
				cr_assert_eq(match_found(m, numbers[i]), brute(keywords[i], text),
					     "\"%s\" in \"%s\"", keywords[i], text);
		match_free(m);
	}
}

/* Processor time that it takes to look for 256 keywords, BEGIN and a number each, in TEXT. */
static double cost(const char *begin, const char *text)
{
	struct matcher *m = match_new();
	clock_t start;

	for (int i = 0; i < 256; i++) {
		char line[KEYWORD_MAX + 1];
		int n = snprintf(line, sizeof(line), "%s%03d", begin, i);

		cr_assert_eq(match_add(m, line, (size_t)n), i);
	}
	start = clock();
	cr_assert_eq(match_find(m, text, strlen(text)), 0);
	for (int i = 0; i < 256; i++)
		cr_assert_not(match_found(m, i));
	start = clock() - start;
	match_free(m);
	return (double)(start + 1) / CLOCKS_PER_SEC;
}

/* A star that tries every letter, and what is behind it at each: a hundred times this. */
Test(match, a_star_goes_over_a_long_word_once)
{
	AUTO_BUF struct buf text = BUF_INIT;
	char begin[160];
	double once, stars;

	for (int i = 0; i < 65000; i++)
		buf_char(&text, 'a');
	memset(begin, 'a', sizeof(begin));
	begin[1] = '*';
	begin[sizeof(begin) - 1] = 0;
	once = cost("a*b", buf_text(&text));
	stars = cost(begin, buf_text(&text));
	cr_log_info("256 keywords that are there but for the end: %.1f ms; that are not: %.1f ms",
		    1e3 * stars, 1e3 * once);
	cr_expect_lt(stars, 20 * once);
}
