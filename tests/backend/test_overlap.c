#include <criterion/criterion.h>
#include <errno.h>
#include <fnmatch.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend/overlap.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static struct artifact parse(const char *text, const char *repo)
{
	struct artifact a = { 0 };
	const char *reason = "";
	int r = artifact_parse(text, strlen(text), repo, &a, &reason);

	cr_assert_eq(r, 0, "'%s': %s", text, reason);
	return a;
}

/* The canonical name of text, in one of two static buffers in turn. */
static const char *canon(const char *text, const char *repo)
{
	static char buffers[2][ARTIFACT_BUFFER];
	static unsigned int next;
	char *buffer = buffers[next++ % 2];
	struct artifact a = parse(text, repo);

	strcpy(buffer, a.name);
	artifact_release(&a);
	return buffer;
}

static int overlap(const char *a, const char *b)
{
	const char *x = canon(a, ""), *y = canon(b, "");
	int r = artifact_overlap(x, y);

	cr_assert_eq(r, artifact_overlap(y, x), "%s and %s: not symmetric", a, b);
	return r;
}

/* What parsing answers; a failure gives a reason and leaves the output alone. */
static int parse_error(const char *text, size_t n, const char *repo)
{
	static char untouched[] = "untouched";
	struct artifact a = { .name = untouched };
	const char *reason = NULL;
	int r = artifact_parse(text, n, repo, &a, &reason);

	if (!r)
		artifact_release(&a);
	else
		cr_assert(a.name == untouched && reason && *reason, "'%s'", text);
	return r;
}

/* "x" repeated n times, between before and after; free it. */
static char *repeat(const char *before, const char *x, size_t n, const char *after)
{
	char *s = malloc(strlen(before) + n * strlen(x) + strlen(after) + 1), *p;

	cr_assert_not_null(s);
	for (p = stpcpy(s, before); n; n--)
		p = stpcpy(p, x);
	strcpy(p, after);
	return s;
}

/* The oracle: does the name s fall under the pattern p as written? By the plainest recursion. */
static int covers(const char *p, const char *s)
{
	const char *pe = strchrnul(p, '/'), *se = strchrnul(s, '/');
	const char *prest = pe + (*pe == '/'), *srest = se + (*se == '/');
	char glob[32], name[32];

	if (!*p)
		return 1;
	(void)snprintf(glob, sizeof(glob), "%.*s", (int)(pe - p), p);
	(void)snprintf(name, sizeof(name), "%.*s", (int)(se - s), s);
	if (!strcmp(glob, "**"))
		return covers(prest, s) || (*s && covers(p, srest));
	return *s && !fnmatch(glob, name, FNM_NOESCAPE) && covers(prest, srest);
}

#define WORDS 32

struct pattern {
	char text[32], name[32], stem[32];
	uint64_t covered[WORDS]; /* one bit a name of the universe */
};

static char universe[WORDS * 64][16];
static size_t universe_size;
static struct pattern patterns[2048];
static size_t pattern_count;

static void add_name(const char *text)
{
	cr_assert_lt(universe_size, COUNT(universe));
	strcpy(universe[universe_size++], text);
}

static void add_pattern(const char *text)
{
	struct pattern *p = &patterns[pattern_count++];
	struct artifact a = parse(text, "");
	size_t i;

	cr_assert_leq(pattern_count, COUNT(patterns));
	strcpy(p->text, text);
	strcpy(p->name, a.name);
	strcpy(p->stem, a.stem);
	artifact_release(&a);
	for (i = 0; i < universe_size; i++)
		if (covers(text, universe[i]))
			p->covered[i / 64] |= UINT64_C(1) << i % 64;
}

/* Calls add for every sequence of 1 to depth of the n parts, joined by glue. */
static void every(const char *const *parts, size_t n, const char *glue, int depth,
		  const char *before, void (*add)(const char *))
{
	char text[64];
	size_t i;

	for (i = 0; i < n; i++) {
		(void)snprintf(text, sizeof(text), "%s%s%s", before, *before ? glue : "", parts[i]);
		add(text);
		if (depth > 1)
			every(parts, n, glue, depth - 1, text, add);
	}
}

static int witnessed(const struct pattern *a, const struct pattern *b)
{
	size_t i;

	for (i = 0; i < WORDS; i++)
		if (a->covered[i] & b->covered[i])
			return 1;
	return 0;
}

/* a is b or an ancestor of it, as stems. */
static int stem_above(const char *a, const char *b)
{
	size_t n = strlen(a);

	return !strncmp(a, b, n) && (a[n - 1] == ':' || b[n] == '/' || !b[n]);
}

/* Every ordered pair, so both directions; exact: also no false positive. */
static void check_pairs(int exact)
{
	const struct pattern *a, *b, *end = patterns + pattern_count;

	for (a = patterns; a < end; a++)
		for (b = patterns; b < end; b++) {
			int witness = witnessed(a, b), r = artifact_overlap(a->name, b->name);

			if (exact ? r != witness : r < witness)
				cr_assert_fail("%s, %s: %d, not %d", a->text, b->text, r, witness);
			if (r && !stem_above(a->stem, b->stem) && !stem_above(b->stem, a->stem))
				cr_assert_fail("%s, %s: unrelated stems", a->text, b->text);
		}
}

static const char *const letters[] = { "a", "b" };

Test(overlap, of_paths_is_exactly_the_existence_of_a_common_name)
{
	static const char *const names[] = { "a", "b", "aa", "ab", "ba", "bb" };
	static const char *const parts[] = { "a", "b", "*", "?", "[ab]", "[!a]", "**" };

	every(names, COUNT(names), "/", 3, "", add_name);
	every(letters, COUNT(letters), "/", 5, "", add_name);
	every(parts, COUNT(parts), "/", 3, "", add_pattern);
	cr_expect_eq(pattern_count, 7 + 49 + 343);
	check_pairs(1);
}

Test(overlap, of_segments_is_exactly_the_existence_of_a_common_name)
{
	static const char *const tokens[] = { "a", "b", "*", "?", "[ab]", "[!a]" };

	every(letters, COUNT(letters), "", 8, "", add_name);
	every(tokens, COUNT(tokens), "", 4, "", add_pattern);
	cr_expect_eq(pattern_count, 6 + 36 + 216 + 1296);
	check_pairs(1);
}

Test(overlap, of_paths_of_long_segments_is_exactly_the_existence_of_a_common_name)
{
	static const char *const names[] = { "a", "b", "ab", "ba", "bb", "aab", "abb", "bab" };
	static const char *const parts[] = {
		"a*", "*b", "a*b", "?*", "??", "b?", "*a*", "[!a]*", "a**b", "***", "ab", "**",
	};

	every(letters, COUNT(letters), "", 3, "", add_name);
	every(names, COUNT(names), "/", 3, "", add_name);
	every(parts, COUNT(parts), "/", 2, "", add_pattern);
	every(parts, COUNT(parts), "/**/", 2, "", add_pattern);
	check_pairs(1);
}

Test(overlap, of_classes_never_misses_a_common_name)
{
	static const char *const parts[] = {
		"[a-c]", "[!a-c]", "[!b]", "[ce]", "[b-d]", "[!a-e]", "[!-]", "[a-]", "e", "*", "?",
	};

	every((const char *const[]){ "a", "b", "c", "d", "e", "-" }, 6, "", 3, "", add_name);
	every(parts, COUNT(parts), "", 3, "", add_pattern);
	check_pairs(0);
}

Test(overlap, directory_covers_everything_below)
{
	cr_expect(overlap("src", "src"));
	cr_expect(overlap("src", "src/a.c"));
	cr_expect(overlap("src", "src/deep/er/*.c"));
	cr_expect(overlap("src/*", "src"));
	cr_expect(overlap("a?c/d", "abc"));
}

Test(overlap, siblings_do_not_overlap)
{
	cr_expect_not(overlap("*ab*ba", "aba"));
	cr_expect_not(overlap("src", "src2/a.c"));
	cr_expect_not(overlap("src/*.c", "src/*.h"));
	cr_expect_not(overlap("a/*/c", "a/b/d"));
}

Test(overlap, double_star_is_any_number_of_segments)
{
	cr_expect(overlap("**", "anything/at/all"));
	cr_expect(overlap("a/**/z", "a/z"));
	cr_expect(overlap("a/**/z", "a/b/c/z/y"));
	cr_expect(overlap("**/x.c", "src/x.c"));
	cr_expect(overlap("a/**/z", "a/b"), "a/b covers a/b/z");
	cr_expect_not(overlap("a/**/z", "b/z"));
	cr_expect(overlap("a**b", "axxb"));
	cr_expect_not(overlap("a**b", "a/x/b"), "inside a segment it stays in it");
}

Test(overlap, question_mark_is_one_character_not_one_byte)
{
	cr_expect(overlap("?", "\xc3\xa9"));
	cr_expect_not(overlap("??", "\xc3\xa9"));
	cr_expect(overlap("[\xc3\xa0-\xc3\xbf]", "\xc3\xa9"));
	cr_expect_not(overlap("[\xc3\xa0-\xc3\xa8]", "\xc3\xa9"));
	cr_expect_not(overlap("[!\xc3\xa9]", "\xc3\xa9"));
}

Test(overlap, class_is_one_of_its_members)
{
	cr_expect(overlap("[a-c]x", "bx"));
	cr_expect_not(overlap("[a-c]x", "dx"));
	cr_expect_not(overlap("[^a-c]x", "bx"));
	cr_expect(overlap("[]]", "]"));
	cr_expect_not(overlap("[!]]", "]"));
	cr_expect(overlap("[[]id]", "[[]id]"));
	cr_expect(overlap("[a-]", "-"));
	cr_expect(overlap("[\\a]", "\\"), "a backslash is an ordinary character");
	cr_expect_not(overlap("a\\*", "abc"));
	cr_expect_not(overlap("[a-c]", "[d-f]"));
	cr_expect_not(overlap("[!ab]", "[ab]"));
}

Test(overlap, different_spaces_never_overlap)
{
	cr_expect_not(artifact_overlap("a:**", "b:**"));
	cr_expect_not(artifact_overlap(":**", "b:**"));
	cr_expect_not(artifact_overlap("a:x", "aa:x"));
	cr_expect_not(artifact_overlap("ab:x", "a:x"));
	cr_expect(artifact_overlap("a:**", "a:x"));
	cr_expect(artifact_overlap("a:", "a:x"), "the root stem is the whole space");
	cr_expect(artifact_overlap("pr:org/repo#12", canon("pr:org/repo#12", "main")));
}

Test(overlap, survives_names_that_are_not_canonical)
{
	static const char *const odd[] = {
		"", ":", "a", "a:[", "a:[!", "a:[]", "a:\xc3", "a:[\xc3-\xff]", "a:\x80*", "a:/",
	};
	size_t i, j;

	for (i = 0; i < COUNT(odd); i++)
		for (j = 0; j < COUNT(odd); j++)
			cr_expect_eq(artifact_overlap(odd[i], odd[j]),
				     artifact_overlap(odd[j], odd[i]));
}

/* Every pair of the worst patterns; the slowest took 0.06 s when this was written. */
Test(overlap, of_the_longest_patterns_is_quick, .timeout = 60)
{
	char *p[] = {
		repeat("", "*a", 2048, ""),	  repeat("", "*", 4095, "b"),
		repeat("", "a", 4096, ""),	  repeat("*", "a", 2047, "b*"),
		repeat("*", "?", 2047, "b*"),	  repeat("*", "[!b]", 1023, "c"),
		repeat("", "[ab]", 1024, ""),	  repeat("*[", "b", 4090, "]*c"),
		repeat("[", "ab-c", 1023, "]"),	  repeat("*", "?*", 2047, "c"),
		repeat("", "*/**/", 15, "*"),	  repeat("", "a*b*/", 31, "b"),
		repeat("", "\xc3\xa9", 2048, ""),
	};
	size_t i, j;

	for (i = 0; i < COUNT(p); i++)
		for (j = 0; j < i; j++)
			(void)overlap(p[i], p[j]);
	for (i = 0; i < COUNT(p); i++)
		free(p[i]);
}

Test(artifact, has_one_spelling)
{
	static const struct {
		const char *text, *repo, *name, *stem;
		int literal, wide;
	} rows[] = {
		{ "src/a.c", "main", "main:src/a.c", "main:src/a.c", 1, 0 },
		{ "./src//./a.c/", "", ":src/a.c", ":src/a.c", 1, 0 },
		{ "src/.", "", ":src", ":src", 1, 0 },
		{ "..a/.../b]", "", ":..a/.../b]", ":..a/.../b]", 1, 0 },
		{ "src/**", "", ":src", ":src", 1, 0 },
		{ "src/**/./**//", "", ":src", ":src", 1, 0 },
		{ "src/**/**/x", "", ":src/**/x", ":src", 0, 0 },
		{ "src/*/**", "", ":src/*", ":src", 0, 0 },
		{ "src/*/a/b", "m", "m:src/*/a/b", "m:src", 0, 0 },
		{ "**", "", ":**", ":", 1, 1 },
		{ "./**/**/", "m", "m:**", "m:", 1, 1 },
		{ "**/x", "", ":**/x", ":", 0, 1 },
		{ "*", "m", "m:*", "m:", 0, 1 },
		{ "branch:fix-x", "main", "branch:fix-x", "branch:fix-x", 1, 0 },
		{ "pr:org/repo#12", "main", "pr:org/repo#12", "pr:org/repo#12", 1, 0 },
		{ "other-repo:./src/a.c", "", "other-repo:src/a.c", "other-repo:src/a.c", 1, 0 },
		{ "url:https://x.org/y", "", "url:https:/x.org/y", "url:https:/x.org/y", 1, 0 },
		{ "main:a:b", "", "main:a:b", "main:a:b", 1, 0 },
		{ "./a:b", "main", "main:a:b", "main:a:b", 1, 0 },
		{ "src/a:b", "", ":src/a:b", ":src/a:b", 1, 0 },
		{ "branch:**", "", "branch:**", "branch:", 1, 1 },
		{ "a b/ c", "", ":a b/ c", ":a b/ c", 1, 0 },
		{ "\xc3\xa9/\xf0\x9f\x98\x80/?", "", ":\xc3\xa9/\xf0\x9f\x98\x80/?",
		  ":\xc3\xa9/\xf0\x9f\x98\x80", 0, 0 },
	};
	struct artifact a;
	size_t i;

	for (i = 0; i < COUNT(rows); i++) {
		a = parse(rows[i].text, rows[i].repo);
		cr_expect_str_eq(a.name, rows[i].name);
		cr_expect_str_eq(a.stem, rows[i].stem);
		cr_expect_eq(a.literal, rows[i].literal, "literal '%s'", rows[i].text);
		cr_expect_eq(a.wide, rows[i].wide, "wide '%s'", rows[i].text);
		artifact_release(&a);
		artifact_release(&a);
	}
}

Test(artifact, that_makes_no_sense_is_EINVAL)
{
	static const char *const bad[] = {
		"",
		".",
		"./",
		"./.",
		"/",
		"//",
		"/etc/passwd",
		"/**",
		"..",
		"../a",
		"a/../b",
		"a/..",
		"main:..",
		"a\nb",
		"a\n",
		"a\tb",
		"\x1b[2J",
		"a\x7f",
		"\r",
		" a",
		"a ",
		"\ta",
		"a\t",
		" ",
		"a/ ",
		"./ a",
		"a /**",
		"sp: a",
		":a",
		":",
		"sp:",
		"sp:.",
		"sp:/a",
		"sp:/",
		"s p:a",
		"*:a",
		"[ab]:x",
		"s?:a",
		"[a:b]/x",
		"s/p\n:a",
		"C\\:a",
		"\xc3\xa9:a",
		"[",
		"a[",
		"a[b",
		"a[]",
		"a[!]",
		"a[^]",
		"[a/b]",
		"a/[",
		"[z-a]",
		"[b-ac]",
		"[a--]",
		"./[[:alpha:]]",
		"./a:b",
		"./:",
		"./*:b",
	};
	size_t i;

	for (i = 0; i < COUNT(bad); i++)
		cr_expect_eq(parse_error(bad[i], strlen(bad[i]), ""), -EINVAL, "'%s'", bad[i]);
	cr_expect_eq(parse_error("a\0b", 3, ""), -EINVAL, "NUL");
	cr_expect_eq(parse_error("a\0", 2, ""), -EINVAL, "NUL at the end");
	cr_expect_eq(parse_error("a", 1, "s p"), -EINVAL, "a bad repo");
	cr_expect_eq(parse_error("a", 1, "s:p"), -EINVAL, "a bad repo");
}

Test(artifact, that_is_not_UTF8_is_EILSEQ)
{
	static const char *const bad[] = {
		"\x80",
		"a\xff",
		"\xc3",
		"\xc3(",
		"\xc0\xaf",
		"\xc1\xbf",
		"\xe0\x80\xaf",
		"[\xc3]",
		"\xe2\x82",
		"\xf0\x80\x80\xaf",
		"\xf4\x91\x80\x80",
		"\xf5\x80\x80\x80",
		"\xc3/\xa9",
		"\xed\xa0\x80",
		"\xf0\x9f\x98",
	};
	size_t i;

	for (i = 0; i < COUNT(bad); i++)
		cr_expect_eq(parse_error(bad[i], strlen(bad[i]), ""), -EILSEQ, "row %zu", i);
	cr_expect_eq(parse_error("\xc3\xa9", 1, ""), -EILSEQ, "cut by n");
	cr_expect_eq(parse_error("a\xff", 1, ""), 0, "n bytes and no more");
}

Test(artifact, that_is_too_long_is_ENAMETOOLONG)
{
	const struct {
		char *text;
		int error;
	} rows[] = {
		{ repeat("", "a", 4096, ""), 0 },
		{ repeat("", "a", 4097, ""), -ENAMETOOLONG },
		{ repeat("", "x", 5000, ""), -ENAMETOOLONG },
		{ repeat("", "a/", 31, "a"), 0 },
		{ repeat("", "a/", 32, "a"), -ENAMETOOLONG },
		{ repeat("", "a/", 32, "**"), 0 },
		{ repeat("a/", "./", 2000, "b"), 0 },
		{ repeat("", "**/", 1365, "b"), 0 },
		{ repeat("", "s", 128, ":a"), 0 },
		{ repeat("", "s", 129, ":a"), -EINVAL },
	};
	size_t i;

	for (i = 0; i < COUNT(rows); i++) {
		cr_expect_eq(parse_error(rows[i].text, strlen(rows[i].text), "main"), rows[i].error,
			     "row %zu", i);
		free(rows[i].text);
	}
}

Test(artifact, shown_reads_back_as_itself)
{
	static const char *const repos[] = { "", "main", "mai", "other" };
	static const char *const texts[] = { "a", "main:a", "other:a/b", "a/b:c", "**" };
	size_t i, r;

	for (r = 0; r < COUNT(repos); r++)
		for (i = 0; i < COUNT(texts); i++) {
			const char *name = canon(texts[i], repos[r]);

			cr_expect_str_eq(canon(artifact_show(name, repos[r]), repos[r]), name);
		}
	cr_expect_str_eq(artifact_show("main:src/a.c", "main"), "src/a.c");
	cr_expect_str_eq(artifact_show(":src/a.c", ""), "src/a.c");
	cr_expect_str_eq(artifact_show("main:a:b", "main"), "main:a:b");
}

struct list {
	char text[128];
	int stop_after;
};

static int append(const char *ancestor, void *arg)
{
	struct list *list = arg;

	strcat(strcat(list->text, ancestor), " ");
	return --list->stop_after ? 0 : -EINTR;
}

Test(stems, ancestors_come_nearest_first_and_end_with_the_root)
{
	struct list list = { "", 0 };

	cr_expect_eq(artifact_ancestors("sp:a/b:c/d", append, &list), 0);
	cr_expect_str_eq(list.text, "sp:a/b:c sp:a sp: ");
	cr_expect_eq(artifact_ancestors(":", append, NULL), 0, "the root has none");
	cr_expect_eq(artifact_ancestors("no stem", append, NULL), -EINVAL);
}

Test(stems, ancestors_stop_at_the_first_answer)
{
	struct list list = { "", 2 };

	cr_expect_eq(artifact_ancestors("sp:a/b/c", append, &list), -EINTR);
	cr_expect_str_eq(list.text, "sp:a/b sp:a ");
}

Test(stems, below_are_exactly_those_between_the_bounds)
{
	static const char *const stems[] = {
		":",	 ":a",	 ":a/b", ":a/b/c", ":a:",	 ":a:/b", ":a-b",
		":a.b",	 ":a0",	 ":aa",	 ":b",	   ":a\xc3\xa9", "a:",	  "a:a",
		"a:a/b", "a#:x", "a0:x", "a@:",	   ":0",	 ":a/0",
	};
	char lo[ARTIFACT_BUFFER], hi[ARTIFACT_BUFFER];
	size_t i, j;

	for (i = 0; i < COUNT(stems); i++) {
		artifact_below(stems[i], lo, hi);
		for (j = 0; j < COUNT(stems); j++)
			cr_expect_eq(i != j && stem_above(stems[i], stems[j]),
				     strcmp(stems[j], lo) > 0 && strcmp(stems[j], hi) < 0,
				     "%s below %s", stems[j], stems[i]);
	}
}

Test(stems, bounds_of_the_longest_fit_their_buffers)
{
	char *space = repeat("", "s", 128, ""), *text = repeat("", "a", 4096, "");
	char lo[ARTIFACT_BUFFER], hi[ARTIFACT_BUFFER];

	artifact_below(canon(text, space), lo, hi);
	cr_expect_eq(strlen(lo), 128 + 1 + 4096 + 1);
	cr_expect_eq(strlen(hi), strlen(lo));
	free(space);
	free(text);
}
