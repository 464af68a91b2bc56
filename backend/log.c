#include <errno.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "backend/log.h"
#include "backend/text.h"

#define MSG_MAX 1000

/* The head, each byte as \xNN, "..." and a newline: below PIPE_BUF, 4096. */
#define LINE_SIZE (4 * MSG_MAX + 32)

static atomic_int log_max = LOG_INFO;

/* Write the n bytes at s to out, escaped; returns the bytes written. */
static size_t escape(const char *s, size_t n, char *out)
{
	size_t i = 0, o = 0;
	uint32_t c;
	int len;

	while (i < n) {
		len = utf8_next(s + i, n - i, &c);
		if (len > 0 && !line_check(s + i, (size_t)len)) {
			memcpy(out + o, s + i, (size_t)len);
			o += (size_t)len;
			i += (size_t)len;
		} else {
			o += (size_t)sprintf(out + o, "\\x%02x", (unsigned char)s[i++]);
		}
	}
	return o;
}

/* Write what comes before the message; returns the bytes written. */
static size_t head(int level, char *out)
{
	if (getenv("JOURNAL_STREAM"))
		return (size_t)sprintf(out, "<%d>coordfs: ", LOG_PRI(level));
	return (size_t)sprintf(out, "coordfs: ");
}

void log_msg(int level, const char *fmt, ...)
{
	char msg[MSG_MAX + 1], line[LINE_SIZE];
	int n, saved = errno;
	va_list ap;
	size_t len;

	if (level > atomic_load(&log_max))
		return;
	va_start(ap, fmt);
	n = vsnprintf(msg, sizeof(msg), fmt, ap);
	va_end(ap);
	if (n < 0)
		return;
	len = head(level, line);
	len += escape(msg, n > MSG_MAX ? MSG_MAX : (size_t)n, line + len);
	if (n > MSG_MAX) {
		memcpy(line + len, "...", 3);
		len += 3;
	}
	line[len++] = '\n';
	while (write(STDERR_FILENO, line, len) < 0 && errno == EINTR)
		;
	errno = saved;
}

void log_level(int max)
{
	atomic_store(&log_max, max);
}
