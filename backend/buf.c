#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "backend/buf.h"

#define FIRST_CAP 64

/* Make room for n more bytes and the NUL. 0, or err, which it sets. */
static int buf_room(struct buf *b, size_t n)
{
	size_t need, cap;
	char *p;

	if (b->err)
		return b->err;
	if (n > BUF_MAX - b->n)
		return b->err = -E2BIG;
	need = b->n + n + 1;
	if (need <= b->cap)
		return 0;
	cap = b->cap ? 2 * b->cap : FIRST_CAP;
	if (cap < need)
		cap = need;
	p = realloc(b->p, cap);
	if (!p)
		return b->err = -ENOMEM;
	b->p = p;
	b->cap = cap;
	return 0;
}

void buf_add(struct buf *b, const void *p, size_t n)
{
	if (buf_room(b, n))
		return;
	if (n)
		memcpy(b->p + b->n, p, n);
	b->n += n;
	b->p[b->n] = '\0';
}

void buf_str(struct buf *b, const char *s)
{
	buf_add(b, s, strlen(s));
}

void buf_char(struct buf *b, char c)
{
	buf_add(b, &c, 1);
}

/*
 * Print into the room there is, leaving space for one byte more, and again if
 * that was too little. The text does not change if it fails.
 */
__attribute__((format(printf, 2, 0))) static int buf_vprintf(struct buf *b, const char *fmt,
							     va_list ap)
{
	va_list again;
	int n;

	if (buf_room(b, 1))
		return b->err;
	va_copy(again, ap);
	n = vsnprintf(b->p + b->n, b->cap - b->n, fmt, again);
	va_end(again);
	if (n < 0)
		b->err = errno == EOVERFLOW ? -E2BIG : -ENOMEM;
	else if (!buf_room(b, (size_t)n + 1))
		(void)vsnprintf(b->p + b->n, (size_t)n + 1, fmt, ap);
	if (b->err)
		b->p[b->n] = '\0';
	else
		b->n += (size_t)n;
	return b->err;
}

void buf_printf(struct buf *b, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	(void)buf_vprintf(b, fmt, ap);
	va_end(ap);
}

void buf_line(struct buf *b, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	if (!buf_vprintf(b, fmt, ap))
		buf_char(b, '\n');
	va_end(ap);
}

int buf_read(struct buf *b, int fd)
{
	char part[65536];
	ssize_t n;

	do {
		n = read(fd, part, sizeof(part));
		if (n > 0)
			buf_add(b, part, (size_t)n);
	} while (n > 0 || (n < 0 && errno == EINTR));
	return n < 0 ? -errno : b->err;
}

void buf_clear(struct buf *b)
{
	b->n = 0;
	if (b->p)
		b->p[0] = '\0';
}

void buf_drop(struct buf *b, size_t n)
{
	if (!n)
		return;
	b->n -= n;
	memmove(b->p, b->p + n, b->n + 1);
}

void buf_free(struct buf *b)
{
	free(b->p);
	*b = (struct buf)BUF_INIT;
}

char *buf_detach(struct buf *b)
{
	char *p;

	buf_add(b, NULL, 0);
	if (b->err)
		return NULL;
	p = b->p;
	*b = (struct buf)BUF_INIT;
	return p;
}

const char *buf_text(const struct buf *b)
{
	return b->p ? b->p : "";
}
