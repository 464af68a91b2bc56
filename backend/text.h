/*
 * text: check, read and write the small texts the files are made of.
 * Nothing here allocates, keeps state or depends on the locale.
 */
#ifndef BACKEND_TEXT_H
#define BACKEND_TEXT_H

#include <stddef.h>
#include <stdint.h>

/* The longest name, in bytes. */
#define NAME_LEN_MAX 128

/* Bytes for each kind of text, with its NUL. */
#define TIME_TEXT 32
#define DAY_TEXT 16
#define DURATION_TEXT 32

/*
 * Whether the n bytes at s are a name: 1..NAME_LEN_MAX of [A-Za-z0-9._:@+#-],
 * not starting with '.', not ending as editors' files do ("~", ".swp",
 * ".tmp"). 0 or -EINVAL.
 */
int name_check(const char *s, size_t n);

/*
 * Decode the character at s, where n > 0 bytes are left, into *c. Its length
 * in bytes, 1..4, or -EILSEQ: cut short, overlong, a surrogate, > U+10FFFF.
 */
int utf8_next(const char *s, size_t n, uint32_t *c);

/*
 * Whether the n bytes at s are UTF-8 without NUL. 0, -EILSEQ for what
 * utf8_next refuses, -EINVAL for a NUL; the first of them decides.
 */
int utf8_check(const char *s, size_t n);

/*
 * Whether the n bytes at s are one line of UTF-8, without its newline: no
 * control character (below U+0020, U+007F..U+009F), so no tab either. An
 * empty line is one. 0, -EILSEQ, or -EINVAL for a control character.
 */
int line_check(const char *s, size_t n);

/* Make s one line: '?' for each byte of it that line_check would refuse. Returns s. */
char *line_mend(char *s);

/* line_check for a text of many lines: newlines and tabs are allowed. */
int text_check(const char *s, size_t n);

/*
 * Write ms, milliseconds since 1970 UTC, to out as "2026-07-01T08:40:12Z",
 * rounded down to the second. 0 means no time and gives "-"; a year outside
 * 0000..9999 gives "?". Returns out.
 */
char *time_text(int64_t ms, char out[TIME_TEXT]);

/*
 * Read an RFC 3339 time into *ms, milliseconds since 1970 UTC: a fraction of
 * any length may follow the seconds and is cut to milliseconds, then "Z",
 * "+hh:mm" or "-hh:mm". "-" and leap seconds (":60") are refused. 0 or
 * -EINVAL.
 */
int time_parse(const char *s, int64_t *ms);

/*
 * Write day, days since 1970-01-01, to out as "2026-07-01"; "?" for a year
 * outside 0000..9999. Returns out.
 */
char *day_text(int64_t day, char out[DAY_TEXT]);

/* The first moment of the day (UTC) of ms, milliseconds since 1970. */
int64_t day_start(int64_t ms);

/* Read exactly "yyyy-mm-dd", a date that exists. 0 or -EINVAL. */
int day_parse(const char *s, int64_t *day);

/*
 * Read a duration into *ms, milliseconds: whole numbers with the units d, h,
 * m, s, ms, each at most once and in that order: "90s", "1h30m", "500ms". No
 * sign, no spaces, no bare number. 0, -EINVAL, or -ERANGE if it overflows.
 */
int duration_parse(const char *s, int64_t *ms);

/*
 * Write ms to out in the largest unit that leaves no rest: "90s", "1h" (60m),
 * "90m" (1h30m), "0s". duration_parse reads it back unless ms is negative.
 * Returns out.
 */
char *duration_text(int64_t ms, char out[DURATION_TEXT]);

/*
 * Read a whole decimal number: digits, with "-" before them if negative.
 * 0, -EINVAL, or -ERANGE outside min..max.
 */
int int_parse(const char *s, int64_t min, int64_t max, int64_t *out);

/*
 * Read a decimal number: digits with an optional '.' among or around them,
 * an optional exponent, "-" before it if negative. 0; -EINVAL, also for
 * infinities, NaN and hexadecimal; -ERANGE if too large for a double.
 */
int number_parse(const char *s, double *out);

/*
 * The name of an error, given as EBUSY or as -EBUSY: "EBUSY"; "0" for 0,
 * "E?" if it has none. Static text.
 */
const char *errno_text(int err);

/* What is left of a text of lines: start with { s, s + n }. */
struct lines {
	const char *p, *end;
};

/*
 * The next line, without its newline: 1, with *line pointing into the text
 * and *n its length in bytes; 0 at the end. A last line without a newline
 * counts, and an empty text has no lines.
 */
int lines_next(struct lines *l, const char **line, size_t *n);

#endif
