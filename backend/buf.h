/*
 * buf: text that grows as it is added to.
 * Add freely and look at err once, at the end: the first failure stays.
 */
#ifndef BACKEND_BUF_H
#define BACKEND_BUF_H

#include <stddef.h>

/* The longest text a buf holds, in bytes without its NUL. */
#define BUF_MAX ((size_t)1 << 30)

/*
 * p: the text, owned by the buf; NULL before the first add, and ending in a
 * NUL (not counted in n) after it. n: its length in bytes; it may contain
 * NULs. cap: bytes allocated. err: 0, -ENOMEM, or -E2BIG past BUF_MAX; once
 * set, adds do nothing and the text stays as it was before the failing add.
 */
struct buf {
	char *p;
	size_t n, cap;
	int err;
};

#define BUF_INIT              \
	{                     \
		NULL, 0, 0, 0 \
	}

/* Add n bytes at p, which must not point into b; p may be NULL if n is 0. */
void buf_add(struct buf *b, const void *p, size_t n);

/* Add the string s, which must not point into b. */
void buf_str(struct buf *b, const char *s);

void buf_char(struct buf *b, char c);

/* Add as printf(3) does; no argument may point into b. */
void buf_printf(struct buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* buf_printf and a newline: both or neither. */
void buf_line(struct buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Add all that can be read from FD, to its end. 0 or -errno; what was read before stays added. */
int buf_read(struct buf *b, int fd);

/* Empty the text and keep the memory. err stays: a failure is never lost. */
void buf_clear(struct buf *b);

/* Remove the first N bytes of the text, which has as many. */
void buf_drop(struct buf *b, size_t n);

/* Free the memory and forget err: b is as from BUF_INIT. */
void buf_free(struct buf *b);

/*
 * Take the text out: the caller frees it with free(3), and b is as from
 * BUF_INIT. Never NULL ("" for no text), unless err is set, possibly by this
 * call (-ENOMEM); then b keeps its text and its err.
 */
char *buf_detach(struct buf *b);

/* The text as a string, "" if there is none; valid until b next changes. */
const char *buf_text(const struct buf *b);

#endif
