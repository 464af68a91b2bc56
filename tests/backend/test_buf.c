#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "backend/buf.h"
#include "backend/clean.h"

Test(buf, text_of_an_empty_buf_is_an_empty_string)
{
	struct buf b = BUF_INIT;

	cr_assert_str_eq(buf_text(&b), "");
	cr_assert_null(b.p);
}

Test(buf, every_kind_of_add_appends)
{
	AUTO_BUF struct buf b = BUF_INIT;

	buf_add(&b, "abc", 2);
	buf_str(&b, "cd");
	buf_char(&b, 'e');
	buf_printf(&b, " %d", 12);
	buf_line(&b, " %s", "x");
	cr_assert_str_eq(buf_text(&b), "abcde 12 x\n");
	cr_assert_eq(b.n, strlen("abcde 12 x\n"));
	cr_assert_eq(b.err, 0);
}

Test(buf, adding_nothing_still_makes_a_string)
{
	AUTO_BUF struct buf b = BUF_INIT;

	buf_add(&b, NULL, 0);
	cr_assert_not_null(b.p);
	cr_assert_str_eq(b.p, "");
	cr_assert_eq(b.n, 0);
}

Test(buf, nul_bytes_are_kept)
{
	AUTO_BUF struct buf b = BUF_INIT;

	buf_add(&b, "a\0b", 3);
	buf_char(&b, '\0');
	cr_assert_eq(b.n, 4);
	cr_assert_arr_eq(b.p, "a\0b\0", 5);
}

Test(buf, text_is_always_nul_terminated_within_its_memory)
{
	AUTO_BUF struct buf b = BUF_INIT;
	size_t i;

	for (i = 0; i < 5000; i++) {
		buf_char(&b, (char)('a' + i % 26));
		cr_assert_lt(b.n, b.cap);
		cr_assert_eq(b.p[b.n], '\0');
	}
	for (i = 0; i < 5000; i++)
		cr_assert_eq(b.p[i], (char)('a' + i % 26));
}

Test(buf, printf_of_every_length_comes_out_whole)
{
	int len;

	for (len = 0; len < 300; len++) {
		AUTO_BUF struct buf b = BUF_INIT;

		buf_str(&b, "<");
		buf_printf(&b, "%*s", len, "");
		buf_line(&b, "%*s>", len, "");
		cr_assert_eq(b.n, (size_t)(2 * len + 3));
		cr_assert_eq(b.p[b.n - 1], '\n');
		cr_assert_eq(b.p[b.n - 2], '>');
		cr_assert_eq(strlen(b.p), b.n);
	}
}

Test(buf, too_long_an_add_gives_E2BIG_and_leaves_the_text)
{
	AUTO_BUF struct buf b = BUF_INIT;

	buf_str(&b, "kept");
	buf_add(&b, "x", BUF_MAX);
	cr_assert_eq(b.err, -E2BIG);
	cr_assert_str_eq(buf_text(&b), "kept");
}

Test(buf, size_that_would_wrap_around_gives_E2BIG)
{
	AUTO_BUF struct buf b = BUF_INIT;

	buf_str(&b, "kept");
	buf_add(&b, "x", SIZE_MAX);
	cr_assert_eq(b.err, -E2BIG);
}

Test(buf, printf_past_the_limit_gives_E2BIG_and_leaves_the_text)
{
	AUTO_BUF struct buf b = BUF_INIT;

	b.p = malloc(BUF_MAX + 1); /* never touched but for its end */
	cr_assert_not_null(b.p);
	b.cap = BUF_MAX + 1;
	b.n = BUF_MAX - 4;
	buf_line(&b, "%s", "a");
	cr_assert_eq(b.n, BUF_MAX - 2);
	buf_line(&b, "%s", "long");
	cr_assert_eq(b.err, -E2BIG);
	cr_assert_eq(b.n, BUF_MAX - 2);
	cr_assert_str_eq(b.p + BUF_MAX - 4, "a\n");
}

Test(buf, adds_after_a_failure_do_nothing)
{
	AUTO_BUF struct buf b = BUF_INIT;

	buf_str(&b, "kept");
	b.err = -ENOMEM;
	buf_add(&b, "x", 1);
	buf_str(&b, "x");
	buf_char(&b, 'x');
	buf_printf(&b, "x");
	buf_line(&b, "x");
	cr_assert_str_eq(buf_text(&b), "kept");
	cr_assert_eq(b.err, -ENOMEM);
}

Test(buf, failure_before_the_first_add_is_still_safe_to_read)
{
	struct buf b = { NULL, 0, 0, -ENOMEM };

	buf_line(&b, "x");
	buf_clear(&b);
	cr_assert_str_eq(buf_text(&b), "");
	cr_assert_null(buf_detach(&b));
}

Test(buf, clear_empties_and_keeps_the_memory)
{
	AUTO_BUF struct buf b = BUF_INIT;
	size_t cap;

	buf_str(&b, "text");
	cap = b.cap;
	buf_clear(&b);
	cr_assert_eq(b.n, 0);
	cr_assert_eq(b.cap, cap);
	cr_assert_str_eq(buf_text(&b), "");
	buf_str(&b, "new");
	cr_assert_str_eq(buf_text(&b), "new");
}

Test(buf, clear_does_not_lose_a_failure)
{
	AUTO_BUF struct buf b = BUF_INIT;

	buf_add(&b, "x", SIZE_MAX);
	buf_clear(&b);
	cr_assert_eq(b.err, -E2BIG);
}

Test(buf, drop_takes_from_the_front)
{
	AUTO_BUF struct buf b = BUF_INIT;

	buf_drop(&b, 0);
	cr_assert_str_eq(buf_text(&b), "");
	buf_str(&b, "one two");
	buf_drop(&b, 4);
	cr_assert_str_eq(buf_text(&b), "two");
	cr_assert_eq(b.n, 3);
	buf_drop(&b, 3);
	cr_assert_str_eq(buf_text(&b), "");
	buf_str(&b, "x");
	cr_assert_str_eq(buf_text(&b), "x");
}

Test(buf, free_returns_to_init)
{
	struct buf b = BUF_INIT;

	buf_str(&b, "text");
	buf_add(&b, "x", SIZE_MAX);
	buf_free(&b);
	cr_assert_null(b.p);
	cr_assert_eq(b.n, 0);
	cr_assert_eq(b.cap, 0);
	cr_assert_eq(b.err, 0);
	buf_free(&b);
}

Test(buf, detach_gives_the_text_away)
{
	AUTO_FREE char *s = NULL;
	struct buf b = BUF_INIT;

	buf_str(&b, "text");
	s = buf_detach(&b);
	cr_assert_str_eq(s, "text");
	cr_assert_null(b.p);
	cr_assert_eq(b.n, 0);
}

Test(buf, detach_of_an_empty_buf_is_an_empty_string)
{
	AUTO_FREE char *s = NULL;
	struct buf b = BUF_INIT;

	s = buf_detach(&b);
	cr_assert_str_eq(s, "");
}

Test(buf, detach_after_a_failure_is_NULL_and_keeps_err)
{
	AUTO_BUF struct buf b = BUF_INIT;

	buf_str(&b, "kept");
	buf_add(&b, "x", SIZE_MAX);
	cr_assert_null(buf_detach(&b));
	cr_assert_eq(b.err, -E2BIG);
	cr_assert_str_eq(buf_text(&b), "kept");
}

static void open_and_leave(int *seen)
{
	AUTO_CLOSE int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	AUTO_CLOSE int none = -1;

	cr_assert_geq(fd, 0);
	cr_assert_eq(none, -1);
	*seen = fd;
	errno = EBUSY;
}

Test(clean, scope_closes_its_file_and_keeps_errno)
{
	int fd = -1;

	open_and_leave(&fd);
	cr_assert_eq(errno, EBUSY);
	cr_assert_eq(fcntl(fd, F_GETFD), -1);
	cr_assert_eq(errno, EBADF);
}

Test(buf, reads_a_file_to_its_end)
{
	static const char block[4096] = "x";
	struct buf b = BUF_INIT;
	int ends[2];

	cr_assert_eq(pipe(ends), 0);
	for (int i = 0; i < 4; i++)
		cr_assert_eq(write(ends[1], block, sizeof(block)), (ssize_t)sizeof(block));
	(void)close(ends[1]);
	buf_str(&b, "before ");
	cr_assert_eq(buf_read(&b, ends[0]), 0);
	cr_assert_eq(b.n, 7 + 4 * sizeof(block));
	cr_assert_eq(strncmp(b.p, "before x", 8), 0);
	cr_assert_eq(buf_read(&b, ends[0]), 0, "at the end there is nothing");
	cr_assert_eq(b.n, 7 + 4 * sizeof(block));
	(void)close(ends[0]);
	cr_assert_eq(buf_read(&b, ends[0]), -EBADF);
	cr_assert_eq(b.n, 7 + 4 * sizeof(block));
	buf_free(&b);
}
