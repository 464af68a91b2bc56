/* The grade: each part's cases as docs/grading.md has them, and what must hold of any deeds. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <criterion/criterion.h>

#include "backend/clean.h"
#include "backend/grade.h"
#include "tests/lib/random.h"

/* --- deeds --- */

static const struct {
	const char *name;
	size_t at;
} counts[] = {
#define COUNT(f)                              \
	{                                     \
#f, offsetof(struct deeds, f) \
	}
	COUNT(claims),	 COUNT(finished), COUNT(unblocked), COUNT(lost),
	COUNT(own),	 COUNT(choices),  COUNT(commits),   COUNT(uncovered),
	COUNT(reverted), COUNT(twins),	  COUNT(told),	    COUNT(refusals),
};

static void set(struct deeds *d, const char *key, const char *value)
{
	for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++)
		if (strcmp(counts[i].name, key) == 0) {
			int64_t n = atoll(value);

			memcpy((char *)d + counts[i].at, &n, sizeof(n));
			return;
		}
	if (strcmp(key, "worth") == 0)
		d->worth = atof(value);
	else if (strcmp(key, "chosen") == 0)
		d->chosen = atof(value);
	else if (strcmp(key, "noop") == 0)
		d->noop = atoi(value);
	else if (strcmp(key, "ended") == 0)
		d->ended = atoi(value);
	else if (strcmp(key, "outcome") == 0)
		(void)snprintf(d->outcome, sizeof(d->outcome), "%s", value);
	else if (strcmp(key, "verdict") == 0)
		(void)snprintf(d->verdict, sizeof(d->verdict), "%s", value);
	else
		cr_assert_fail("no deed is called %s", key);
}

/* "claims=1 lost=1" */
static struct deeds deeds(const char *text)
{
	struct deeds d = { .outcome = "-", .verdict = "-" };
	char copy[256], *save = NULL;

	(void)snprintf(copy, sizeof(copy), "%s", text);
	for (char *w = strtok_r(copy, " ", &save); w; w = strtok_r(NULL, " ", &save)) {
		char *eq = strchr(w, '=');

		cr_assert_not_null(eq, "%s", w);
		*eq = 0;
		set(&d, w, eq + 1);
	}
	return d;
}

/* The part, or the whole of all parts by their default weights; -1: not known. */
static double value_of(const char *name, const struct deeds *d)
{
	double sum = 0, weights = 0;
	struct grade_part p;

	if (strcmp(name, "whole") != 0) {
		memset(&p, 0, sizeof(p));
		if (!grade_compute(name, d, &p))
			return -1;
		cr_assert_geq(p.value, 0);
		cr_assert_leq(p.value, 1);
		cr_assert_gt(strlen(p.reason), 0);
		return p.value;
	}
	for (int i = 0; grade_dimensions[i]; i++) {
		double v = value_of(grade_dimensions[i], d);

		if (v < 0)
			continue;
		sum += v * atof(grade_default(grade_dimensions[i]));
		weights += atof(grade_default(grade_dimensions[i]));
	}
	return weights > 0 ? sum / weights : -1;
}

static double whole(const char *text)
{
	struct deeds d = deeds(text);

	return value_of("whole", &d);
}

/* --- the page --- */

static char *page(void)
{
	FILE *f = fopen("docs/grading.md", "r");
	char *text = malloc(1 << 17);
	size_t n;

	cr_assert(f && text, "docs/grading.md");
	n = fread(text, 1, (1 << 17) - 1, f);
	text[n] = 0;
	(void)fclose(f);
	return text;
}

/* The cells of "| a | b | c |", without blanks around them; how many. */
static int cells(char *line, char *out[8])
{
	int n = 0;

	for (char *p = line + 1, *end; n < 8 && (end = strchr(p, '|')); p = end + 1) {
		*end = 0;
		p += strspn(p, " ");
		for (char *last = end; last > p && last[-1] == ' ';)
			*--last = 0;
		out[n++] = p;
	}
	return n;
}

static int is_part(const char *name)
{
	for (int i = 0; grade_dimensions[i]; i++)
		if (strcmp(grade_dimensions[i], name) == 0)
			return 1;
	return strcmp(name, "whole") == 0;
}

/* A row of its tables: 1 when it had a number that was looked at. */
static int hold(char *line, int *weights)
{
	char *cell[8], is[32], name[32];
	struct deeds d;
	double v;

	if (*line != '|' || cells(line, cell) < 3)
		return 0;
	if (sscanf(cell[0], "`%31[a-z]`", name) == 1 && is_part(name)) {
		cr_assert_str_eq(cell[1], grade_default(name), "the weight of %s", name);
		*weights += 1;
		return 1;
	}
	if (!is_part(cell[0]))
		return 0;
	d = deeds(cell[1]);
	v = value_of(cell[0], &d);
	(void)snprintf(is, sizeof(is), v < 0 ? "-" : "%.2f", v);
	cr_assert_str_eq(is, cell[2], "%s of %s is %s, the page says %s", cell[0], cell[1], is,
			 cell[2]);
	return 1;
}

Test(grade_page, every_number_of_it_is_the_programs)
{
	AUTO_FREE char *text = page();
	char *save = NULL;
	int n = 0, weights = 0;

	for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
		n += hold(line, &weights);
	cr_assert_eq(weights, GRADE_DIMENSIONS);
	cr_assert_gt(n, 50, "only %d numbers", n);
}

/* The costs in the sentence of the formula are those of the table, and so of the program. */
Test(grade_page, its_formulas_are_the_programs)
{
	static const char *const said[] = {
		"0.3 · reverted",
		"0.5 · told",
		"0.2 · (twins − told)",
		"0.1 · lost",
		"min(0.2, 0.05 · uncovered)",
		"1 − 2^−(1 + worth + 0.5 · unblocked)",
		"fewer than 2 refusals",
	};
	AUTO_FREE char *text = page();

	for (size_t i = 0; i < sizeof(said) / sizeof(said[0]); i++)
		cr_assert_not_null(strstr(text, said[i]), "%s", said[i]);
}

/* --- the order --- */

Test(grade, finished_is_more_than_a_stop_and_that_than_shallow_work_and_that_than_a_twin)
{
	double finished = whole("claims=1 finished=1 worth=1 commits=1 ended=1");
	double stopped = whole("noop=1 verdict=dry outcome=noop ended=1");
	double shallow = whole("commits=1 uncovered=1 verdict=dry outcome=productive ended=1");
	double twin = whole("claims=1 commits=1 twins=1 told=1 refusals=1 verdict=dry ended=1");

	cr_assert_gt(finished, stopped);
	cr_assert_gt(stopped, shallow);
	cr_assert_gt(shallow, twin);
}

Test(grade, the_word_noop_does_not_make_a_journal_entry_a_stop)
{
	double said = whole("noop=1 commits=1 uncovered=1 verdict=dry outcome=noop ended=1");

	cr_assert_lt(said, 0.3);
	cr_assert_lt(said, whole("noop=1 verdict=unknown outcome=noop ended=1"));
}

Test(grade, tasks_of_its_own_make_no_work_of_shallow_work)
{
	cr_assert_float_eq(whole("claims=9 own=9 commits=9 verdict=dry ended=1"),
			   whole("claims=9 commits=9 verdict=dry ended=1"), 1e-9);
}

Test(grade, dimensions_that_no_event_knows_are_not_computed)
{
	struct deeds d = deeds("claims=1 finished=1 worth=1 commits=1 ended=1");
	struct grade_part p;

	cr_assert_eq(grade_compute("trajectory", &d, &p), 0);
	cr_assert_eq(grade_compute("alignment", &d, &p), 0);
	cr_assert_eq(grade_compute("nothing", &d, &p), 0);
	cr_assert_null(grade_default("nothing"));
}

/* --- of any deeds --- */

#define ROUNDS 20000

static int64_t upto(uint64_t *r, int64_t n)
{
	return random_below(r, 3) ? 0 : (int64_t)random_below(r, (int)n + 1);
}

static struct deeds any(uint64_t *r)
{
	static const char *const verdicts[] = { "-", "dry", "not-dry", "unknown" };
	struct deeds d = { .claims = upto(r, 5), .outcome = "-" };

	if (d.claims) {
		d.finished = upto(r, d.claims);
		d.own = upto(r, 3);
		d.lost = upto(r, d.claims);
		d.choices = upto(r, d.claims);
		d.chosen = (double)d.choices * random_below(r, 101) / 100;
	}
	if (d.finished) {
		d.unblocked = upto(r, 5);
		d.worth = random_below(r, 900) / 100.0;
	}
	d.commits = upto(r, 5);
	d.uncovered = upto(r, d.commits);
	d.reverted = upto(r, d.commits);
	d.twins = d.commits ? upto(r, 3) : 0;
	d.told = upto(r, d.twins);
	d.refusals = d.told + upto(r, 4);
	d.ended = (int)random_below(r, 2);
	if (random_below(r, 2)) {
		d.noop = (int)random_below(r, 2);
		(void)snprintf(d.outcome, sizeof(d.outcome), "%s", d.noop ? "noop" : "productive");
		(void)snprintf(d.verdict, sizeof(d.verdict), "%s", verdicts[random_below(r, 4)]);
	} else {
		(void)snprintf(d.verdict, sizeof(d.verdict), "-");
	}
	return d;
}

/* What is known of both is not more in B; nor is the whole. */
static void assert_no_more(const struct deeds *a, const struct deeds *b, const char *what)
{
	for (int i = 0; i <= GRADE_DIMENSIONS; i++) {
		const char *name = i < GRADE_DIMENSIONS ? grade_dimensions[i] : "whole";
		double was = value_of(name, a), is = value_of(name, b);

		if (was >= 0 && is >= 0)
			cr_assert_leq(
				is, was + 1e-9,
				"%s: %s from %.4f to %.4f (claims %d, commits %d, noop %d, %s)",
				what, name, was, is, (int)a->claims, (int)a->commits, a->noop,
				a->verdict);
	}
}

Test(grade, of_any_deeds_every_part_is_from_0_to_1)
{
	uint64_t r = 1;

	for (int i = 0; i < ROUNDS; i++) {
		struct deeds d = any(&r);

		cr_assert_leq(value_of("whole", &d), 1 + 1e-9);
	}
}

Test(grade, commits_alone_raise_nothing)
{
	uint64_t r = 2;

	for (int i = 0; i < ROUNDS; i++) {
		struct deeds a = any(&r), b = a;
		int64_t n = 1 + (int64_t)random_below(&r, 3);

		b.commits += n;
		b.uncovered += upto(&r, n);
		assert_no_more(&a, &b, "commits");
	}
}

Test(grade, harm_raises_nothing)
{
	uint64_t r = 3;

	for (int i = 0; i < ROUNDS; i++) {
		struct deeds a = any(&r), b;

		a.commits++;
		b = a;
		switch (random_below(&r, 5)) {
		case 0:
			b.reverted++;
			break;
		case 1:
			b.twins++;
			break;
		case 2:
			b.twins++;
			b.told++;
			b.refusals++;
			break;
		case 3:
			b.lost++;
			b.claims++;
			a.claims++;
			break;
		default:
			b.commits++;
			b.uncovered++;
		}
		assert_no_more(&a, &b, "harm");
	}
}

Test(grade, more_finished_lowers_no_productivity)
{
	uint64_t r = 4;

	for (int i = 0; i < ROUNDS; i++) {
		struct deeds a = any(&r), b = a;

		b.claims++;
		b.finished++;
		b.worth += random_below(&r, 300) / 100.0;
		cr_assert_geq(value_of("productivity", &b), value_of("productivity", &a) - 1e-9);
	}
}

/* Whatever else they did alike, if neither finished anything. */
Test(grade, on_a_dry_day_a_stop_is_more_than_work_that_nobody_wanted)
{
	uint64_t r = 5;

	for (int i = 0; i < ROUNDS; i++) {
		struct deeds a = any(&r), b;

		a.finished = a.commits = a.uncovered = a.reverted = a.twins = a.told = 0;
		a.worth = 0;
		a.unblocked = 0;
		a.ended = 1;
		(void)snprintf(a.verdict, sizeof(a.verdict), "dry");
		b = a;
		a.noop = 1;
		(void)snprintf(a.outcome, sizeof(a.outcome), "noop");
		b.noop = (int)random_below(&r, 2);
		(void)snprintf(b.outcome, sizeof(b.outcome), "productive");
		b.commits = 1 + (int64_t)random_below(&r, 50);
		cr_assert_gt(value_of("whole", &a), value_of("whole", &b));
	}
}

Test(grade, who_was_told_and_did_it_anyway_is_never_above_who_was_not)
{
	uint64_t r = 6;

	for (int i = 0; i < ROUNDS; i++) {
		struct deeds a = any(&r), b;

		a.commits++;
		a.refusals++;
		b = a;
		a.twins = a.told = 0;
		b.twins = b.told = 1;
		assert_no_more(&a, &b, "told");
	}
}
