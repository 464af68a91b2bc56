/*
 * log: one line to stderr for each thing the operator should know.
 * Safe from any thread: a line is one write(2), short enough to be atomic.
 */
#ifndef BACKEND_LOG_H
#define BACKEND_LOG_H

#include <syslog.h>

/*
 * Print "coordfs: " and the message to stderr if level, one of LOG_ERR,
 * LOG_WARNING, LOG_INFO, LOG_DEBUG, is within log_level. fmt needs no
 * newline. Under systemd (JOURNAL_STREAM is set) the line starts with the
 * level as "<3>". Control characters and bytes that are not UTF-8 become
 * \xNN, so that a hostile name cannot forge a line; a message over 1000 bytes
 * is cut and ends in "...". Keeps errno; a failing stderr is ignored.
 */
void log_msg(int level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Print messages up to level max from now on; LOG_INFO until called. */
void log_level(int max);

#endif
