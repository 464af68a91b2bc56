#include "backend/conflict.h"
#include "backend/tx.h"
#include "tests/lib/check.h"
#include "tests/lib/oracle.h"
#include "tests/lib/random.h"

static struct fixture f;

static void setup(void)
{
	fixture_open(&f);
}

static void teardown(void)
{
	fixture_close(&f);
}

TestSuite(conflict, .init = setup, .fini = teardown);

/* --- stems --- */

Test(conflict, a_stem_is_the_name_up_to_its_first_wildcard_segment)
{
	static const char *const cases[][2] = {
		{ ":src/a.c", ":src/a.c" },
		{ ":src/*.c", ":src" },
		{ ":src/lib/?/x", ":src/lib" },
		{ ":*", ":" },
		{ ":**", ":" },
		{ ":a*/b", ":" },
		{ "linux:**", "linux:" },
		{ ":a/[bc]/d", ":a" },
		{ ":a/b**/c", ":a" },
		{ "branch:fix", "branch:fix" },
	};
	char stem[ARTIFACT_BUFFER];

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		conflict_stem(cases[i][0], stem);
		cr_assert_str_eq(stem, cases[i][1]);
	}
}

Test(conflict, a_stem_is_the_one_the_grammar_gives)
{
	uint64_t r = 7;
	char stem[ARTIFACT_BUFFER];

	for (int n = 0; n < 2000; n++) {
		static const char letters[] = "ab/*?[]:!-.";
		struct artifact a;
		char text[16];
		int len = 1 + random_below(&r, 14);

		for (int i = 0; i < len; i++)
			text[i] = letters[random_below(&r, 11)];
		if (artifact_parse(text, (size_t)len, "", &a, NULL))
			continue;
		conflict_stem(a.name, stem);
		cr_assert_str_eq(stem, a.stem, "of %s", a.name);
		artifact_release(&a);
	}
}

/* --- finding --- */

static int find(const char *name, struct conflict *by)
{
	int got;

	cr_assert_eq(store_read_begin(f.store), 0);
	got = conflict_find(store_reader(f.store), 0, name, by);
	store_read_end(f.store);
	return got;
}

Test(conflict, what_is_in_the_way_is_above_at_or_below_the_name)
{
	int64_t s = fixture_session(&f, "s1"), task = fixture_task(&f, "T", "src/lib\nx:**\n*.md");
	static const struct {
		const char *name, *by;
	} cases[] = {
		{ ":src/lib", ":src/lib" }, { ":src", ":src/lib" }, { ":src/lib/a/b", ":src/lib" },
		{ ":src/*/a", ":src/lib" }, { ":src/libs", NULL },  { ":src/doc", NULL },
		{ "x:anything", "x:**" },   { "y:anything", NULL }, { ":README.md", ":*.md" },
		{ ":doc/README.md", NULL }, { ":**", ":*.md" },	    { ":a.md/b", ":*.md" },
	};
	struct conflict by;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		cr_assert_eq(find(cases[i].name, &by), 0, "nothing is held: %s", cases[i].name);
	(void)fixture_hold(&f, s, "T");
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		cr_assert_eq(find(cases[i].name, &by), cases[i].by != NULL, "%s", cases[i].name);
		if (!cases[i].by)
			continue;
		cr_assert_eq(by.task, task);
		cr_assert_str_eq(by.name, cases[i].by, "in the way of %s", cases[i].name);
	}
}

/* --- the property --- */

/*
 * Random tasks with random patterns, random changes by random sessions, against
 * a model that decides everything by brute force. A failure names its seed:
 * COORDFS_SEED=n COORDFS_SEEDS=1 runs that one alone.
 */
Test(conflict, every_answer_column_and_count_is_what_brute_force_says)
{
	int first = random_rounds("COORDFS_SEED", 1), seeds = random_rounds("COORDFS_SEEDS", 24);
	struct oracle h;

	for (int seed = first; seed < first + seeds; seed++) {
		if (seed > first) {
			fixture_close(&f);
			fixture_open(&f);
		}
		oracle_init(&h, &f, (uint64_t)seed);
		for (int step = 0; step < 150; step++) {
			int bad = oracle_step(&h) || oracle_check(&h);

			cr_assert(!bad, "seed %d, step %d:\n%s\nit did:\n%s", seed, step,
				  buf_text(&h.says), h.did);
		}
		oracle_free(&h);
		assert_sound(&f);
	}
}
