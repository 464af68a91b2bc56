#include <errno.h>
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend/text.h"

#define SECOND INT64_C(1000)
#define MINUTE (60 * SECOND)
#define HOUR (60 * MINUTE)
#define DAY (24 * HOUR)

/* Days from 0000-03-01 to 1970-01-01, and in 400 years. */
#define EPOCH_DAYS 719468
#define ERA_DAYS 146097

struct unit {
	const char *name;
	int64_t ms;
};

/* Largest first. */
static const struct unit units[] = {
	{ "d", DAY }, { "h", HOUR }, { "m", MINUTE }, { "s", SECOND }, { "ms", 1 },
};

#define N_UNITS (sizeof(units) / sizeof(units[0]))

static int is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static int is_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static int ends_with(const char *s, size_t n, const char *end)
{
	size_t len = strlen(end);

	return n >= len && !memcmp(s + n - len, end, len);
}

int name_check(const char *s, size_t n)
{
	size_t i;

	if (n < 1 || n > NAME_LEN_MAX || s[0] == '.')
		return -EINVAL;
	for (i = 0; i < n; i++) {
		if (is_digit(s[i]) || is_letter(s[i]))
			continue;
		if (!s[i] || !strchr("._:@+#-", s[i]))
			return -EINVAL;
	}
	if (ends_with(s, n, "~") || ends_with(s, n, ".swp") || ends_with(s, n, ".tmp"))
		return -EINVAL;
	return 0;
}

/* The length a first byte announces, with its own bits of the character. */
static int utf8_first(unsigned char b, uint32_t *bits)
{
	if (b < 0x80) {
		*bits = b;
		return 1;
	}
	if (b >= 0xc2 && b <= 0xdf) {
		*bits = b & 0x1f;
		return 2;
	}
	if (b >= 0xe0 && b <= 0xef) {
		*bits = b & 0x0f;
		return 3;
	}
	if (b >= 0xf0 && b <= 0xf4) {
		*bits = b & 0x07;
		return 4;
	}
	return -EILSEQ;
}

int utf8_next(const char *s, size_t n, uint32_t *c)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	uint32_t v = 0;
	int i, len;

	len = utf8_first((unsigned char)s[0], &v);
	if (len < 0 || (size_t)len > n)
		return -EILSEQ;
	for (i = 1; i < len; i++) {
		if (((unsigned char)s[i] & 0xc0) != 0x80)
			return -EILSEQ;
		v = v << 6 | ((unsigned char)s[i] & 0x3f);
	}
	if (v < least[len] || v > 0x10ffff || (v >= 0xd800 && v <= 0xdfff))
		return -EILSEQ;
	*c = v;
	return len;
}

/* Check that s is UTF-8 made only of characters that allow() accepts. */
static int chars_check(const char *s, size_t n, int (*allow)(uint32_t c))
{
	uint32_t c = 0;
	size_t i;
	int len;

	for (i = 0; i < n; i += (size_t)len) {
		len = utf8_next(s + i, n - i, &c);
		if (len < 0)
			return len;
		if (!allow(c))
			return -EINVAL;
	}
	return 0;
}

static int in_utf8(uint32_t c)
{
	return c != 0;
}

static int in_line(uint32_t c)
{
	return c >= 0x20 && !(c >= 0x7f && c <= 0x9f);
}

static int in_text(uint32_t c)
{
	return c == '\n' || c == '\t' || in_line(c);
}

int utf8_check(const char *s, size_t n)
{
	return chars_check(s, n, in_utf8);
}

int line_check(const char *s, size_t n)
{
	return chars_check(s, n, in_line);
}

char *line_mend(char *s)
{
	size_t i, n = strlen(s);
	uint32_t c = 0;
	int len;

	for (i = 0; i < n; i += (size_t)len) {
		len = utf8_next(s + i, n - i, &c);
		if (len > 0 && in_line(c))
			continue;
		if (len < 0)
			len = 1;
		memset(s + i, '?', (size_t)len);
	}
	return s;
}

int text_check(const char *s, size_t n)
{
	return chars_check(s, n, in_text);
}

static int64_t floor_div(int64_t a, int64_t b)
{
	return a / b - (a % b < 0);
}

/*
 * Dates by Howard Hinnant's method (chrono-Compatible Low-Level Date
 * Algorithms): years that start in March put the leap day last.
 */
static int64_t date_day(int64_t y, int64_t m, int64_t d)
{
	int64_t era, of_era, of_year;

	y -= m <= 2;
	era = floor_div(y, 400);
	of_era = y - era * 400;
	of_year = (153 * (m > 2 ? m - 3 : m + 9) + 2) / 5 + d - 1;
	return era * ERA_DAYS + of_era * 365 + of_era / 4 - of_era / 100 + of_year - EPOCH_DAYS;
}

/* Write v >= 0 to out as exactly n digits, without a NUL. */
static void put_digits(char *out, int n, int64_t v)
{
	for (; n > 0; v /= 10)
		out[--n] = (char)('0' + v % 10);
}

char *day_text(int64_t day, char out[DAY_TEXT])
{
	int64_t era, of_era, y, of_year, m;

	if (day < date_day(0, 1, 1) || day > date_day(9999, 12, 31))
		return memcpy(out, "?", 2);
	day += EPOCH_DAYS;
	era = floor_div(day, ERA_DAYS);
	of_era = day - era * ERA_DAYS;
	y = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
	of_year = of_era - (365 * y + y / 4 - y / 100);
	m = (5 * of_year + 2) / 153;
	memcpy(out, "yyyy-mm-dd", sizeof("yyyy-mm-dd"));
	put_digits(out, 4, y + era * 400 + (m >= 10));
	put_digits(out + 5, 2, m < 10 ? m + 3 : m - 9);
	put_digits(out + 8, 2, of_year - (153 * m + 2) / 5 + 1);
	return out;
}

char *time_text(int64_t ms, char out[TIME_TEXT])
{
	int64_t day = floor_div(ms, DAY);
	int s = (int)((ms - day * DAY) / SECOND);
	size_t n;

	if (!ms)
		return memcpy(out, "-", 2);
	n = strlen(day_text(day, out));
	if (n > 1)
		(void)snprintf(out + n, TIME_TEXT - n, "T%02d:%02d:%02dZ", s / 3600, s / 60 % 60,
			       s % 60);
	return out;
}

/* Step over c if *s starts with it: 1 or 0. */
static int take(const char **s, char c)
{
	if (**s != c)
		return 0;
	(*s)++;
	return 1;
}

/* Step over exactly n digits whose value is min..max: 0 or -EINVAL. */
static int take_digits(const char **s, int n, int min, int max, int *out)
{
	int v = 0;

	for (; n > 0; n--, (*s)++) {
		if (!is_digit(**s))
			return -EINVAL;
		v = 10 * v + (**s - '0');
	}
	if (v < min || v > max)
		return -EINVAL;
	*out = v;
	return 0;
}

static int month_days(int y, int m)
{
	if (m == 2)
		return (y % 4 == 0 && y % 100 != 0) || y % 400 == 0 ? 29 : 28;
	return m == 4 || m == 6 || m == 9 || m == 11 ? 30 : 31;
}

static int take_day(const char **s, int64_t *day)
{
	int y = 0, m = 0, d = 0;

	if (take_digits(s, 4, 0, 9999, &y) || !take(s, '-') || take_digits(s, 2, 1, 12, &m) ||
	    !take(s, '-') || take_digits(s, 2, 1, month_days(y, m), &d))
		return -EINVAL;
	*day = date_day(y, m, d);
	return 0;
}

/* "hh:mm", in milliseconds. */
static int take_hour_minute(const char **s, int64_t *ms)
{
	int h = 0, m = 0;

	if (take_digits(s, 2, 0, 23, &h) || !take(s, ':') || take_digits(s, 2, 0, 59, &m))
		return -EINVAL;
	*ms = h * HOUR + m * MINUTE;
	return 0;
}

/* ".123456" or nothing, cut to milliseconds. */
static int take_fraction(const char **s, int64_t *ms)
{
	int64_t unit = SECOND, v = 0;

	if (take(s, '.')) {
		if (!is_digit(**s))
			return -EINVAL;
		for (; is_digit(**s); (*s)++) {
			unit /= 10;
			v += unit * (**s - '0');
		}
	}
	*ms = v;
	return 0;
}

/* "Z", "+hh:mm" or "-hh:mm": how far ahead of UTC, in milliseconds. */
static int take_zone(const char **s, int64_t *ms)
{
	int64_t v = 0;
	int west;

	if (take(s, 'Z') || take(s, 'z')) {
		*ms = 0;
		return 0;
	}
	west = take(s, '-');
	if ((!west && !take(s, '+')) || take_hour_minute(s, &v))
		return -EINVAL;
	*ms = west ? -v : v;
	return 0;
}

int time_parse(const char *s, int64_t *ms)
{
	int64_t day = 0, minute = 0, fraction = 0, zone = 0;
	int second = 0;

	if (take_day(&s, &day) || (!take(&s, 'T') && !take(&s, 't')) ||
	    take_hour_minute(&s, &minute) || !take(&s, ':') || take_digits(&s, 2, 0, 59, &second) ||
	    take_fraction(&s, &fraction) || take_zone(&s, &zone) || *s)
		return -EINVAL;
	*ms = day * DAY + minute + second * SECOND + fraction - zone;
	return 0;
}

int64_t day_start(int64_t ms)
{
	return ms - ((ms % 86400000) + 86400000) % 86400000;
}

int day_parse(const char *s, int64_t *day)
{
	int64_t v = 0;

	if (take_day(&s, &v) || *s)
		return -EINVAL;
	*day = v;
	return 0;
}

/* Step over digits of any number: 0, -EINVAL if none, -ERANGE. */
static int take_number(const char **s, int64_t *out)
{
	int64_t v = 0;

	if (!is_digit(**s))
		return -EINVAL;
	for (; is_digit(**s); (*s)++)
		if (__builtin_mul_overflow(v, 10, &v) || __builtin_add_overflow(v, **s - '0', &v))
			return -ERANGE;
	*out = v;
	return 0;
}

/* Step over a unit, *from or a later one, and set *from to it: 0 or -EINVAL. */
static int take_unit(const char **s, size_t *from)
{
	size_t n, i;

	for (n = 0; is_letter((*s)[n]); n++)
		;
	for (i = *from; i < N_UNITS; i++) {
		if (strlen(units[i].name) == n && !memcmp(*s, units[i].name, n)) {
			*s += n;
			*from = i;
			return 0;
		}
	}
	return -EINVAL;
}

int duration_parse(const char *s, int64_t *ms)
{
	int64_t sum = 0, v = 0;
	size_t unit = 0;
	int err;

	do {
		err = take_number(&s, &v);
		if (!err)
			err = take_unit(&s, &unit);
		if (err)
			return err;
		if (__builtin_mul_overflow(v, units[unit].ms, &v) ||
		    __builtin_add_overflow(sum, v, &sum))
			return -ERANGE;
		unit++;
	} while (*s);
	*ms = sum;
	return 0;
}

char *duration_text(int64_t ms, char out[DURATION_TEXT])
{
	const struct unit *u = units;

	if (!ms)
		return memcpy(out, "0s", 3);
	while (ms % u->ms)
		u++;
	(void)snprintf(out, DURATION_TEXT, "%lld%s", (long long)(ms / u->ms), u->name);
	return out;
}

int int_parse(const char *s, int64_t min, int64_t max, int64_t *out)
{
	long long v;
	char *end;

	if (!is_digit(s[0]) && !(s[0] == '-' && is_digit(s[1])))
		return -EINVAL;
	errno = 0;
	v = strtoll(s, &end, 10);
	if (*end)
		return -EINVAL;
	if (errno || v < min || v > max)
		return -ERANGE;
	*out = v;
	return 0;
}

/* Step over digits: how many. */
static size_t skip_digits(const char **s)
{
	size_t n;

	for (n = 0; is_digit(**s); n++)
		(*s)++;
	return n;
}

/* Whether s is a number as number_parse documents it. */
static int is_number(const char *s)
{
	size_t n;

	(void)take(&s, '-');
	n = skip_digits(&s);
	if (take(&s, '.'))
		n += skip_digits(&s);
	if (!n)
		return 0;
	if (take(&s, 'e') || take(&s, 'E')) {
		if (!take(&s, '-'))
			(void)take(&s, '+');
		if (!skip_digits(&s))
			return 0;
	}
	return !*s;
}

int number_parse(const char *s, double *out)
{
	locale_t c;
	double v;

	if (!is_number(s))
		return -EINVAL;
	c = newlocale(LC_ALL_MASK, "C", (locale_t)0);
	if (!c) /* never in glibc: its "C" locale is built in */
		return -ENOMEM;
	v = strtod_l(s, NULL, c);
	freelocale(c);
	if (!isfinite(v))
		return -ERANGE;
	*out = v;
	return 0;
}

const char *errno_text(int err)
{
	const char *name = NULL;

	if (err > -4096 && err < 4096)
		name = strerrorname_np(err < 0 ? -err : err);
	return name ? name : "E?";
}

int lines_next(struct lines *l, const char **line, size_t *n)
{
	const char *nl;

	if (l->p == l->end)
		return 0;
	nl = memchr(l->p, '\n', (size_t)(l->end - l->p));
	*line = l->p;
	*n = (size_t)((nl ? nl : l->end) - l->p);
	l->p = nl ? nl + 1 : l->end;
	return 1;
}
