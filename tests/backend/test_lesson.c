/* The statistics of lessons, on numbers by hand. */
#include <math.h>

#include <criterion/criterion.h>

#include "backend/lesson.h"

static struct lesson_sum sum_of(const double *v, int n)
{
	struct lesson_sum s = { .n = n };

	for (int i = 0; i < n; i++) {
		int64_t u = llround(v[i] * LESSON_UNIT);

		s.sum += u;
		s.squares += u * u;
	}
	return s;
}

#define SUM(...)                                \
	sum_of((const double[]){ __VA_ARGS__ }, \
	       sizeof((const double[]){ __VA_ARGS__ }) / sizeof(double))

static struct lesson_effect compare(struct lesson_sum with, struct lesson_sum without)
{
	struct lesson_pair p = { with, without };
	struct lesson_effect e;

	lesson_compare(&p, 1, &e);
	return e;
}

Test(lesson, the_interval_is_welchs)
{
	struct lesson_effect e = compare(SUM(0.3, 0.4, 0.5, 0.6, 0.7), SUM(0.2, 0.3, 0.4));

	cr_assert(e.known);
	cr_assert_float_eq(e.value, 0.2, 1e-9);
	cr_assert_eq(e.with, 5);
	cr_assert_eq(e.without, 3);
	/* va = .005, vb = .003333; df = (.008333)^2 / (.005^2/4 + .003333^2/2) = 5.882; t = 2.459 */
	cr_assert_float_eq(e.high - e.value, 2.459 * sqrt(0.025 / 5 + 0.01 / 3), 5e-4);
	cr_assert_float_eq(e.value - e.low, e.high - e.value, 1e-12);
}

Test(lesson, large_groups_have_the_interval_of_the_normal_distribution)
{
	struct lesson_sum a = { 10000, INT64_C(5000) * LESSON_UNIT, 0 }, b = a;
	struct lesson_effect e;

	a.squares = b.squares = INT64_C(2600) * LESSON_UNIT * LESSON_UNIT;
	e = compare(a, b);
	cr_assert_float_eq(e.high, 1.9602 * sqrt(2 * 0.01 / 9999), 1e-6);
	cr_assert_float_eq(e.value, 0, 1e-12);
}

Test(lesson, one_session_in_a_group_tells_nothing)
{
	struct lesson_effect e = compare(SUM(0.5), SUM(0.1, 0.2, 0.3));

	cr_assert(!e.known);
	cr_assert_eq(e.with, 1);
	cr_assert_eq(e.without, 3);
	cr_assert_float_eq(e.mean_without, 0.2, 1e-12);
	cr_assert(!compare(SUM(0.5, 0.6), (struct lesson_sum){ 0 }).known);
}

Test(lesson, groups_without_any_variance_have_a_point_as_interval)
{
	struct lesson_effect e = compare(SUM(0.5, 0.5), SUM(0.25, 0.25, 0.25));

	cr_assert(e.known);
	cr_assert_float_eq(e.low, 0.25, 1e-12);
	cr_assert_float_eq(e.high, 0.25, 1e-12);
}

/* Few were given it in good times and many in bad ones: together that would look like harm. */
Test(lesson, a_change_of_times_between_two_dropouts_is_no_effect)
{
	struct lesson_pair p[2] = {
		{ SUM(0.8, 0.9, 0.8, 0.9), SUM(0.8, 0.9, 0.8, 0.9, 0.8, 0.9, 0.8, 0.9) },
		{ SUM(0.2, 0.3, 0.2, 0.3, 0.2, 0.3, 0.2, 0.3), SUM(0.2, 0.3) },
	};
	struct lesson_effect e;

	lesson_compare(p, 2, &e);
	cr_assert(e.known);
	cr_assert_float_eq(e.value, 0, 1e-12);
	cr_assert_lt(e.mean_with, e.mean_without - 0.2);
	cr_assert_eq(e.with, 12);
}

Test(lesson, the_coin_is_fair_and_follows_from_seed_and_lesson)
{
	int held = 0, both = 0;

	for (uint64_t seed = 1; seed <= 20000; seed++) {
		int one = lesson_is_held(seed * 0x123456789, 7, 200);

		held += one;
		both += one && lesson_is_held(seed * 0x123456789, 8, 200);
		cr_assert(!lesson_is_held(seed, 7, 0));
		cr_assert(lesson_is_held(seed, 7, LESSON_SHARES));
		cr_assert_eq(one, lesson_is_held(seed * 0x123456789, 7, 200));
	}
	cr_assert(held > 3800 && held < 4200, "%d of 20000", held);
	cr_assert(both > 700 && both < 900, "%d of 20000: those of two lessons hang together",
		  both);
}

Test(lesson, a_keyword_that_stands_everywhere_says_next_to_nothing)
{
	cr_assert_float_eq(lesson_rarity(0, 0), 1, 1e-12);
	cr_assert_float_eq(lesson_rarity(0, 62), 6, 1e-12);
	cr_assert_lt(lesson_rarity(1000, 1000), 0.002);
	cr_assert_gt(lesson_rarity(1000, 1000), 0);
}
