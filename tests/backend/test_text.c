#include <criterion/criterion.h>
#include <errno.h>
#include <limits.h>
#include <locale.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend/text.h"

#define N(a) (sizeof(a) / sizeof((a)[0]))
#define DAY_MS INT64_C(86400000)

static int name(const char *s)
{
	return name_check(s, strlen(s));
}

Test(text, ordinary_names_are_accepted)
{
	static const char *const good[] = {
		"a",	   "README.md", "agent-7", "user@host", "a:b",	  "issue#12",  "a+b",
		"v1.2_rc", "-",		"swp",	   "tmp",	"a.swpx", "a.b.tmp.c",
	};
	size_t i;

	for (i = 0; i < N(good); i++)
		cr_assert_eq(name(good[i]), 0, "%s", good[i]);
}

Test(text, empty_name_is_refused)
{
	cr_assert_eq(name_check("", 0), -EINVAL);
	cr_assert_eq(name_check(NULL, 0), -EINVAL);
}

Test(text, name_with_newline_is_refused)
{
	cr_assert_eq(name("a\nb"), -EINVAL);
	cr_assert_eq(name("a\n"), -EINVAL);
}

Test(text, names_of_other_characters_are_refused)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyz"
				      "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._:@+#-";
	char s[3] = "x.x";
	int c;

	for (c = 0; c < 256; c++) {
		s[1] = (char)c;
		cr_assert_eq(name_check(s, 3), c && strchr(allowed, (char)c) ? 0 : -EINVAL,
			     "byte %d", c);
	}
}

Test(text, name_starting_with_a_dot_is_refused)
{
	cr_assert_eq(name("."), -EINVAL);
	cr_assert_eq(name(".."), -EINVAL);
	cr_assert_eq(name(".git"), -EINVAL);
}

Test(text, names_of_editor_files_are_refused)
{
	cr_assert_eq(name("file~"), -EINVAL);
	cr_assert_eq(name("file.swp"), -EINVAL);
	cr_assert_eq(name("file.tmp"), -EINVAL);
}

Test(text, name_of_128_bytes_is_the_longest)
{
	char s[129];

	memset(s, 'a', sizeof(s));
	cr_assert_eq(name_check(s, 128), 0);
	cr_assert_eq(name_check(s, 129), -EINVAL);
}

/* Encode c as UTF-8 without judging it; returns the length. */
static size_t encode(uint32_t c, char *s)
{
	if (c < 0x80) {
		s[0] = (char)c;
		return 1;
	}
	if (c < 0x800) {
		s[0] = (char)(0xc0 | c >> 6);
		s[1] = (char)(0x80 | (c & 0x3f));
		return 2;
	}
	if (c < 0x10000) {
		s[0] = (char)(0xe0 | c >> 12);
		s[1] = (char)(0x80 | (c >> 6 & 0x3f));
		s[2] = (char)(0x80 | (c & 0x3f));
		return 3;
	}
	s[0] = (char)(0xf0 | c >> 18);
	s[1] = (char)(0x80 | (c >> 12 & 0x3f));
	s[2] = (char)(0x80 | (c >> 6 & 0x3f));
	s[3] = (char)(0x80 | (c & 0x3f));
	return 4;
}

Test(text, every_character_decodes_and_surrogates_do_not)
{
	uint32_t c, got = 0;
	char s[4];
	size_t n;
	int want;

	for (c = 0; c < 0x140000; c++) {
		n = encode(c, s);
		want = c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff) ? -EILSEQ : (int)n;
		if (utf8_next(s, n, &got) != want || (want > 0 && got != c))
			cr_assert_fail("U+%04X", c);
	}
}

Test(text, every_pair_of_bytes_is_judged_as_the_table_says)
{
	int a, b, good;
	char s[2];

	for (a = 0; a < 256; a++) {
		for (b = 0; b < 256; b++) {
			s[0] = (char)a;
			s[1] = (char)b;
			good = (a && b && a < 0x80 && b < 0x80) ||
			       (a >= 0xc2 && a <= 0xdf && b >= 0x80 && b <= 0xbf);
			if ((utf8_check(s, 2) == 0) != good)
				cr_assert_fail("%02x %02x", a, b);
		}
	}
}

Test(text, broken_utf8_gives_EILSEQ)
{
	static const char *const bad[] = {
		"\x80",
		"\xbf",
		"\xc3",
		"\xc3(",
		"\xe2\x82",
		"\xf0\x9f\x98",
		"\xc0\xaf",
		"\xc1\xbf",
		"\xe0\x80\xaf",
		"\xe0\x9f\xbf",
		"\xf0\x80\x80\xaf",
		"\xf0\x8f\xbf\xbf",
		"\xed\xa0\x80",
		"\xed\xbf\xbf",
		"\xf4\x90\x80\x80",
		"\xf5\x80\x80\x80",
		"\xf8\x88\x80\x80\x80",
		"\xfe",
		"\xff",
		"ok\xff",
	};
	size_t i;

	for (i = 0; i < N(bad); i++) {
		cr_assert_eq(utf8_check(bad[i], strlen(bad[i])), -EILSEQ, "%zu", i);
		cr_assert_eq(line_check(bad[i], strlen(bad[i])), -EILSEQ, "%zu", i);
		cr_assert_eq(text_check(bad[i], strlen(bad[i])), -EILSEQ, "%zu", i);
	}
}

Test(text, character_cut_short_is_not_read_past_its_end)
{
	char *s = malloc(3);

	cr_assert_not_null(s);
	memcpy(s, "\xf0\x9f\x98", 3);
	cr_assert_eq(utf8_check(s, 3), -EILSEQ);
	free(s);
}

Test(text, nul_byte_is_not_text)
{
	cr_assert_eq(utf8_check("a\0b", 3), -EINVAL);
	cr_assert_eq(line_check("a\0b", 3), -EINVAL);
	cr_assert_eq(text_check("a\0b", 3), -EINVAL);
	cr_assert_eq(utf8_check("a\nb\x1b", 4), 0);
}

Test(text, empty_text_is_valid)
{
	cr_assert_eq(utf8_check(NULL, 0), 0);
	cr_assert_eq(line_check("", 0), 0);
	cr_assert_eq(text_check("", 0), 0);
}

Test(text, control_characters_are_refused_but_for_newline_and_tab_in_text)
{
	uint32_t c;
	int control, blank;
	char s[4];
	size_t n;

	for (c = 1; c < 0x200; c++) {
		n = encode(c, s);
		control = c < 0x20 || (c >= 0x7f && c <= 0x9f);
		blank = c == '\n' || c == '\t';
		cr_assert_eq(line_check(s, n), control ? -EINVAL : 0, "U+%04X", c);
		cr_assert_eq(text_check(s, n), control && !blank ? -EINVAL : 0, "U+%04X", c);
	}
}

Test(text, line_of_words_in_any_script_is_accepted)
{
	static const char s[] = "na\xc3\xafve \xe6\x97\xa5\xe6\x9c\xac \xf0\x9f\x98\x80";

	cr_assert_eq(line_check(s, strlen(s)), 0);
}

static void time_is(int64_t ms, const char *want)
{
	char out[TIME_TEXT];

	cr_assert_eq(time_text(ms, out), out);
	cr_assert_str_eq(out, want);
}

Test(text, time_is_written_in_UTC_to_the_second)
{
	time_is(INT64_C(1782895212000), "2026-07-01T08:40:12Z");
	time_is(INT64_C(1782895212999), "2026-07-01T08:40:12Z");
	time_is(1, "1970-01-01T00:00:00Z");
	time_is(INT64_C(951827696000), "2000-02-29T12:34:56Z");
}

Test(text, time_before_1970_is_rounded_down)
{
	time_is(-1, "1969-12-31T23:59:59Z");
	time_is(-1000, "1969-12-31T23:59:59Z");
	time_is(-1001, "1969-12-31T23:59:58Z");
}

Test(text, no_time_is_a_dash)
{
	time_is(0, "-");
}

Test(text, time_of_a_year_without_four_digits_is_a_question_mark)
{
	time_is(INT64_C(253402300799999), "9999-12-31T23:59:59Z");
	time_is(INT64_C(253402300800000), "?");
	time_is(INT64_C(-62167219200000), "0000-01-01T00:00:00Z");
	time_is(INT64_C(-62167219200001), "?");
	time_is(INT64_MAX, "?");
	time_is(INT64_MIN, "?");
}

static void time_reads(const char *s, int64_t want)
{
	int64_t ms = 0;

	cr_assert_eq(time_parse(s, &ms), 0, "%s", s);
	cr_assert_eq(ms, want, "%s: %lld", s, (long long)ms);
}

Test(text, rfc3339_times_are_read)
{
	time_reads("2026-07-01T08:40:12Z", INT64_C(1782895212000));
	time_reads("2026-07-01T10:40:12+02:00", INT64_C(1782895212000));
	time_reads("2026-07-01T03:10:12-05:30", INT64_C(1782895212000));
	time_reads("2026-07-01T08:40:12-00:00", INT64_C(1782895212000));
	time_reads("2026-07-01t08:40:12z", INT64_C(1782895212000));
	time_reads("1970-01-01T00:00:00Z", 0);
	time_reads("0000-01-01T00:00:00+23:59", INT64_C(-62167219200000) - 86340000);
}

Test(text, fraction_is_cut_to_milliseconds)
{
	time_reads("2026-07-01T08:40:12.5Z", INT64_C(1782895212500));
	time_reads("2026-07-01T08:40:12.05Z", INT64_C(1782895212050));
	time_reads("2026-07-01T08:40:12.1239999999999999999999Z", INT64_C(1782895212123));
	time_reads("2026-07-01T08:40:12.000+00:00", INT64_C(1782895212000));
	time_reads("1969-12-31T23:59:59.9999Z", -1);
}

Test(text, other_times_are_refused)
{
	static const char *const bad[] = {
		"",
		"-",
		"?",
		"now",
		"2026-07-01",
		"2026-07-01T08:40:12",
		"2026-07-01 08:40:12Z",
		"2026-07-01T08:40Z",
		"2026-07-01T08:40:12.Z",
		"2026-07-01T08:40:12,5Z",
		"2026-07-01T24:00:00Z",
		"2026-07-01T08:60:12Z",
		"2026-07-01T08:40:60Z",
		"2026-07-01T08:40:12+0200",
		"2026-07-01T08:40:12+24:00",
		"2026-07-01T08:40:12+02",
		"2026-07-01T08:40:12+-2:00",
		"2026-07-01T08:40:12ZZ",
		"2026-07-01T08:40:12Z ",
		" 2026-07-01T08:40:12Z",
		"2026-7-01T08:40:12Z",
		"2026-02-30T08:40:12Z",
		"2026-07-01T8:40:12Z",
		"12026-07-01T08:40:12Z",
		"2026-07-01T08:40:12Z\n",
	};
	int64_t ms = 42;
	size_t i;

	for (i = 0; i < N(bad); i++)
		cr_assert_eq(time_parse(bad[i], &ms), -EINVAL, "%s", bad[i]);
	cr_assert_eq(ms, 42);
}

Test(text, written_time_is_read_back)
{
	char out[TIME_TEXT];
	int64_t s, ms = 0;

	for (s = INT64_C(-62167219200); s < INT64_C(253402300800); s += 98765437) {
		cr_assert_eq(time_parse(time_text(s * 1000, out), &ms), 0, "%s", out);
		cr_assert_eq(ms, s * 1000, "%s", out);
	}
}

Test(text, every_day_follows_the_one_before)
{
	static const int len[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	int y = 0, m = 1, d = 1, last;
	char want[64], out[DAY_TEXT];
	int64_t day, back = 0;

	for (day = -719528; y < 10000; day++) {
		snprintf(want, sizeof(want), "%04d-%02d-%02d", y, m, d);
		if (strcmp(day_text(day, out), want))
			cr_assert_fail("%s, not %s", out, want);
		if (day_parse(out, &back) || back != day)
			cr_assert_fail("%s", out);
		last = len[m - 1] + (m == 2 && y % 4 == 0 && (y % 100 != 0 || y % 400 == 0));
		if (++d > last) {
			d = 1;
			m++;
		}
		if (m > 12) {
			m = 1;
			y++;
		}
	}
	cr_assert_str_eq(day_text(day, out), "?");
}

Test(text, a_day_starts_at_midnight_before_1970_too)
{
	cr_expect_eq(day_start(0), 0);
	cr_expect_eq(day_start(86399999), 0);
	cr_expect_eq(day_start(86400000), 86400000);
	cr_expect_eq(day_start(-1), -86400000);
}

Test(text, day_outside_four_digit_years_is_a_question_mark)
{
	char out[DAY_TEXT];

	cr_assert_str_eq(day_text(0, out), "1970-01-01");
	cr_assert_str_eq(day_text(-719529, out), "?");
	cr_assert_str_eq(day_text(INT64_MAX, out), "?");
	cr_assert_str_eq(day_text(INT64_MIN, out), "?");
}

Test(text, dates_that_do_not_exist_are_refused)
{
	static const char *const bad[] = {
		"",
		"2026",
		"2026-07",
		"2026-07-1",
		"2026-7-01",
		"26-07-01",
		"2026-00-01",
		"2026-13-01",
		"2026-01-00",
		"2026-01-32",
		"2026-04-31",
		"2026-02-29",
		"1900-02-29",
		"2026-07-01 ",
		" 2026-07-01",
		"2026-07-01T",
		"2026/07/01",
		"+026-07-01",
		"-026-07-01",
		"20260701",
		"2026-07-01\n",
		"2026-07--1",
	};
	int64_t day = 42;
	size_t i;

	for (i = 0; i < N(bad); i++)
		cr_assert_eq(day_parse(bad[i], &day), -EINVAL, "%s", bad[i]);
	cr_assert_eq(day, 42);
	cr_assert_eq(day_parse("2000-02-29", &day), 0);
	cr_assert_eq(day_parse("2024-02-29", &day), 0);
}

Test(text, durations_are_sums_of_units)
{
	static const struct {
		const char *s;
		int64_t ms;
	} good[] = {
		{ "90s", 90000 },     { "30m", 1800000 },    { "2h", 7200000 },
		{ "7d", 7 * DAY_MS }, { "1h30m", 5400000 },  { "500ms", 500 },
		{ "1m1ms", 60001 },   { "0s", 0 },	     { "1d2h3m4s5ms", DAY_MS + 7384005 },
		{ "007s", 7000 },     { "90m90s", 5490000 }, { "9223372036854775807ms", INT64_MAX },
	};
	int64_t ms = 0;
	size_t i;

	for (i = 0; i < N(good); i++) {
		cr_assert_eq(duration_parse(good[i].s, &ms), 0, "%s", good[i].s);
		cr_assert_eq(ms, good[i].ms, "%s", good[i].s);
	}
}

Test(text, other_durations_are_refused)
{
	static const char *const bad[] = {
		"",	"0",	 "90",	 "s",	"-1s",	   "+1s",   "1 s",
		" 1s",	"1s ",	 "1.5h", "1w",	"1S",	   "30m1h", "1s1s",
		"1h30", "1ms1s", "1sec", "1hm", "1h30m\n", "0x1s",  "1d-1h",
	};
	int64_t ms = 42;
	size_t i;

	for (i = 0; i < N(bad); i++)
		cr_assert_eq(duration_parse(bad[i], &ms), -EINVAL, "%s", bad[i]);
	cr_assert_eq(ms, 42);
}

Test(text, duration_that_overflows_gives_ERANGE)
{
	int64_t ms = 42;

	cr_assert_eq(duration_parse("9223372036854775808ms", &ms), -ERANGE);
	cr_assert_eq(duration_parse("106751991168d", &ms), -ERANGE);
	cr_assert_eq(duration_parse("106751991167d23h", &ms), -ERANGE);
	cr_assert_eq(duration_parse("99999999999999999999999s", &ms), -ERANGE);
	cr_assert_eq(ms, 42);
}

Test(text, duration_is_written_in_its_largest_exact_unit)
{
	static const struct {
		int64_t ms;
		const char *s;
	} want[] = {
		{ 0, "0s" },
		{ 1, "1ms" },
		{ 1500, "1500ms" },
		{ 90000, "90s" },
		{ 3600000, "1h" },
		{ 5400000, "90m" },
		{ 25 * 3600000, "25h" },
		{ 2 * DAY_MS, "2d" },
		{ -90000, "-90s" },
		{ INT64_MAX, "9223372036854775807ms" },
		{ INT64_MIN, "-9223372036854775808ms" },
	};
	char out[DURATION_TEXT];
	size_t i;

	for (i = 0; i < N(want); i++) {
		cr_assert_eq(duration_text(want[i].ms, out), out);
		cr_assert_str_eq(out, want[i].s);
	}
}

Test(text, written_duration_is_read_back)
{
	char out[DURATION_TEXT];
	int64_t ms, back = 0;

	for (ms = 0; ms < INT64_MAX / 3; ms = 3 * ms + 500) {
		cr_assert_eq(duration_parse(duration_text(ms, out), &back), 0, "%s", out);
		cr_assert_eq(back, ms, "%s", out);
	}
}

static void int_is(const char *s, int64_t want)
{
	int64_t v = 0;

	cr_assert_eq(int_parse(s, INT64_MIN, INT64_MAX, &v), 0, "%s", s);
	cr_assert_eq(v, want, "%s", s);
}

Test(text, whole_numbers_are_read)
{
	int_is("0", 0);
	int_is("-0", 0);
	int_is("010", 10);
	int_is("-17", -17);
	int_is("9223372036854775807", INT64_MAX);
	int_is("-9223372036854775808", INT64_MIN);
}

Test(text, anything_but_a_whole_number_gives_EINVAL)
{
	static const char *const bad[] = {
		"",
		"-",
		"+1",
		" 1",
		"1 ",
		"1\n",
		"--1",
		"0x10",
		"1.0",
		"1e3",
		"a",
		"1a",
		"99999999999999999999a",
		"- 1",
	};
	int64_t v = 42;
	size_t i;

	for (i = 0; i < N(bad); i++)
		cr_assert_eq(int_parse(bad[i], INT64_MIN, INT64_MAX, &v), -EINVAL, "%s", bad[i]);
	cr_assert_eq(v, 42);
}

Test(text, whole_number_outside_its_range_gives_ERANGE)
{
	int64_t v = 42;

	cr_assert_eq(int_parse("0", 1, 10, &v), -ERANGE);
	cr_assert_eq(int_parse("11", 1, 10, &v), -ERANGE);
	cr_assert_eq(int_parse("9223372036854775808", INT64_MIN, INT64_MAX, &v), -ERANGE);
	cr_assert_eq(int_parse("-9223372036854775809", INT64_MIN, INT64_MAX, &v), -ERANGE);
	cr_assert_eq(v, 42);
	cr_assert_eq(int_parse("1", 1, 10, &v), 0);
	cr_assert_eq(int_parse("10", 1, 10, &v), 0);
	cr_assert_eq(v, 10);
}

static void number_is(const char *s, double want)
{
	double v = NAN;

	cr_assert_eq(number_parse(s, &v), 0, "%s", s);
	cr_assert(!(v < want) && !(v > want), "%s: %g", s, v);
}

Test(text, decimal_numbers_are_read)
{
	number_is("0", 0);
	number_is("-1.5", -1.5);
	number_is(".5", 0.5);
	number_is("5.", 5);
	number_is("1e3", 1000);
	number_is("1.25E-2", 0.0125);
	number_is("1e+05", 1e5);
	number_is("1e-999", 0);
	number_is("1.7976931348623157e308", 1.7976931348623157e308);
}

Test(text, anything_but_a_decimal_number_is_refused)
{
	static const char *const bad[] = {
		"",	 "-",	".",   "-.",	"e3",	    "+1",  " 1",     "1 ",
		"1\n",	 "1,5", "inf", "-inf",	"infinity", "nan", "nan(1)", "0x10",
		"0x1p3", "1e",	"1e+", "1.2.3", "1e2.5",    "1f",  "--1",    "1_000",
	};
	double v = 42;
	size_t i;

	for (i = 0; i < N(bad); i++)
		cr_assert_eq(number_parse(bad[i], &v), -EINVAL, "%s", bad[i]);
	cr_assert_eq(number_parse("1e999", &v), -ERANGE);
	cr_assert_eq(number_parse("-1e999", &v), -ERANGE);
	cr_assert_eq((int)v, 42);
}

Test(text, decimal_point_is_a_dot_in_every_locale)
{
	static const char *const names[] = { "de_DE.UTF-8", "fr_FR.UTF-8", "de_DE", "C.UTF-8" };
	size_t i;

	for (i = 0; i < N(names); i++)
		if (setlocale(LC_ALL, names[i]))
			number_is("1.5", 1.5);
}

Test(text, error_has_a_name_with_either_sign)
{
	cr_assert_str_eq(errno_text(EBUSY), "EBUSY");
	cr_assert_str_eq(errno_text(-EBUSY), "EBUSY");
	cr_assert_str_eq(errno_text(-ESTALE), "ESTALE");
	cr_assert_str_eq(errno_text(0), "0");
}

Test(text, unknown_error_is_a_question_mark)
{
	cr_assert_str_eq(errno_text(4000), "E?");
	cr_assert_str_eq(errno_text(INT_MAX), "E?");
	cr_assert_str_eq(errno_text(INT_MIN), "E?");
}

/* Check that the n bytes at s are count lines, given joined by '|'. */
static void lines_are(const char *s, size_t n, int count, const char *want)
{
	struct lines l = { s, s + n };
	const char *line = NULL;
	char got[64] = "";
	size_t len = 0;
	int seen = 0;

	while (lines_next(&l, &line, &len)) {
		if (seen++)
			strcat(got, "|");
		strncat(got, line, len);
	}
	cr_assert_eq(seen, count);
	cr_assert_str_eq(got, want);
	cr_assert_eq(lines_next(&l, &line, &len), 0);
}

Test(text, lines_come_without_their_newlines)
{
	lines_are("a\nbc\n", 5, 2, "a|bc");
	lines_are("a\r\nb\n", 5, 2, "a\r|b");
}

Test(text, last_line_without_a_newline_counts)
{
	lines_are("a\nbc", 4, 2, "a|bc");
	lines_are("a", 1, 1, "a");
}

Test(text, empty_lines_count)
{
	lines_are("\n", 1, 1, "");
	lines_are("\n\na\n\n", 5, 4, "||a|");
}

Test(text, empty_text_has_no_lines)
{
	struct lines l = { NULL, NULL };
	const char *line = NULL;
	size_t n = 0;

	lines_are("", 0, 0, "");
	cr_assert_eq(lines_next(&l, &line, &n), 0);
}

Test(text, lines_stop_at_the_end_given)
{
	lines_are("a\nbcd\n", 3, 2, "a|b");
}

Test(text, a_mended_line_passes_line_check)
{
	static const char *const lines[][2] = {
		{ "", "" },
		{ "plain \xc3\xa4\xe2\x82\xac", "plain \xc3\xa4\xe2\x82\xac" },
		{ "a\nb\tc\r\x1b[m\x7f", "a?b?c??[m?" },
		{ "\xc2\x9b"
		  "1m",
		  "??1m" },
		{ "cut \xc3", "cut ?" },
		{ "\xff\xed\xa0\x80\xc0\xaf.", "??????." },
	};

	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		char s[64];

		cr_assert_str_eq(line_mend(strcpy(s, lines[i][0])), lines[i][1]);
		cr_assert_eq(line_check(s, strlen(s)), 0);
	}
}
