#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "backend/clean.h"
#include "backend/cover.h"
#include "backend/overlap.h"

static struct cover *of(const char *const *names)
{
	struct cover *c = cover_new();

	cr_assert_not_null(c);
	for (; *names; names++)
		cr_assert_eq(cover_add(c, *names), 0, "%s", *names);
	return c;
}

#define OF(...) of((const char *const[]){ __VA_ARGS__, NULL })

Test(cover, a_file_belongs_to_its_name_its_directories_and_its_patterns)
{
	struct cover *c = OF("web:src/a.c", "web:lib", "web:doc/*.md", "web:**/*.sql", "api:src");

	cr_expect_eq(cover_find(c, "web", "src/a.c"), 0);
	cr_expect_eq(cover_find(c, "web", "lib/deep/b.c"), 1);
	cr_expect_eq(cover_find(c, "web", "lib"), 1);
	cr_expect_eq(cover_find(c, "web", "doc/x.md"), 2);
	cr_expect_eq(cover_find(c, "api", "src/a.c"), 4);
	cr_expect_eq(cover_find(c, "web", "src/b.c"), 3, "below ** nothing is told apart");
	cover_free(c);
}

Test(cover, a_neighbour_or_another_repository_is_not_meant)
{
	struct cover *c = OF("web:src/a.c", "web:lib", "web:doc/*.md", "ap:x", "apis:x");

	cr_expect_eq(cover_find(c, "web", "src/a.cc"), -1);
	cr_expect_eq(cover_find(c, "web", "src/a"), -1);
	cr_expect_eq(cover_find(c, "web", "library"), -1);
	cr_expect_eq(cover_find(c, "web", "doc/x.txt"), -1);
	cr_expect_eq(cover_find(c, "api", "x"), -1);
	cr_expect_eq(cover_find(c, "web", "x"), -1);
	cover_free(c);
	c = OF(":x");
	cr_expect_eq(cover_find(c, "web", "x"), -1);
	cr_expect_eq(cover_find(c, "", "x"), 0);
	cover_free(c);
	c = cover_new();
	cr_expect_eq(cover_find(c, "web", "x"), -1);
	cover_free(c);
}

Test(cover, the_first_added_wins)
{
	struct cover *c = OF("web:x", "web:src", "web:src/a.c", "web:**", "web:src/*.c");

	cr_expect_eq(cover_find(c, "web", "src/a.c"), 1);
	cr_expect_eq(cover_find(c, "web", "y"), 3);
	cover_free(c);
}

Test(cover, a_directory_overlaps_what_is_below_it)
{
	struct cover *c = OF("web:in/side/a.c");

	cr_expect_eq(cover_find(c, "web", "in/"), 0);
	cr_expect_eq(cover_find(c, "web", "inn/"), -1);
	cover_free(c);
}

Test(cover, a_name_is_no_pattern)
{
	struct cover *c = OF("web:ab", "web:x:y", "web:q[*]");

	cr_expect_eq(cover_find(c, "web", "a*"), -1);
	cr_expect_eq(cover_find(c, "web", "a?"), -1);
	cr_expect_eq(cover_find(c, "web", "[a]b"), -1);
	cr_expect_eq(cover_find(c, "web", "x:y"), 1);
	cr_expect_eq(cover_find(c, "web", "q*"), 2);
	cover_free(c);
}

Test(cover, what_cannot_be_an_artifact_belongs_to_a_directory_above)
{
	char deep[256] = "lib";
	struct cover *c;

	for (int i = 0; i < 40; i++)
		(void)strcat(deep, "/d");
	c = OF("web:lib/*.c", "web:lib");
	cr_expect_eq(cover_find(c, "web", "lib/\001"), 1, "not to a pattern that might miss it");
	cr_expect_eq(cover_find(c, "web", deep), 1);
	cr_expect_eq(cover_find(c, "web", "\001"), -1);
	cover_free(c);
	c = OF("web:**");
	cr_expect_eq(cover_find(c, "web", "\001"), 0);
	cover_free(c);
}

Test(cover, what_is_no_canonical_name_is_refused)
{
	struct cover *c = OF("web:a");

	cr_expect_lt(cover_add(c, "web:../x"), 0);
	cr_expect_eq(cover_add(c, "web:b"), 0);
	cr_expect_eq(cover_find(c, "web", "b"), 1);
	cover_free(c);
}

/* Every pair of small names, against artifact_overlap itself. */
Test(cover, many_are_searched_as_each_would_be_asked)
{
	static const char *const parts[] = { "a", "b", "*", "a?", "**" };
	static const char *const files[] = {
		"a", "b", "a/a", "a/b", "ab", "ab/a", "b/a/b", "a/b/"
	};
	struct cover *c = cover_new();
	char names[160][32];
	int n = 0;

	for (size_t i = 0; i < 5; i++)
		for (size_t j = 0; j < 6; j++)
			for (size_t k = 0; k < 5; k++, n++) {
				struct artifact a;

				(void)snprintf(names[n], sizeof(names[n]), "web:%s%s%s/%s",
					       parts[(i + k) % 5], j < 5 ? "/" : "",
					       j < 5 ? parts[j] : "", parts[k]);
				cr_assert_eq(artifact_parse(names[n], strlen(names[n]), "", &a,
							    NULL),
					     0);
				(void)snprintf(names[n], sizeof(names[n]), "%s", a.name);
				artifact_release(&a);
				cr_assert_eq(cover_add(c, names[n]), 0);
			}
	for (size_t f = 0; f < sizeof(files) / sizeof(files[0]); f++) {
		struct artifact a;
		int want = -1;

		cr_assert_eq(artifact_parse(files[f], strlen(files[f]), "web", &a, NULL), 0);
		for (int i = n - 1; i >= 0; i--)
			want = artifact_overlap(names[i], a.name) ? i : want;
		artifact_release(&a);
		cr_expect_eq(cover_find(c, "web", files[f]), want, "%s", files[f]);
	}
	cover_free(c);
}

Test(cover, a_literal_name_has_no_wildcards)
{
	AUTO_BUF struct buf out = BUF_INIT;

	cover_literal("a*b?[c]/d", 9, &out);
	cr_assert_str_eq(buf_text(&out), "a[*]b[?][[]c]/d");
}
