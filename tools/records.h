/* records: session records as JSON lines, in and out. A line that is none is kept as it is. */
#ifndef TOOLS_RECORDS_H
#define TOOLS_RECORDS_H

#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

/* The session record in a line, new; NULL, and in *WHY a sentence (until the next call): it is none. */
json_t *record_parse(const char *text, size_t n, const char **why);

/*
 * What control/import takes for a line that is none: the line, or its bytes in hexadecimal where
 * it is no text, and the name of the FILE (its path). New; NULL: no memory. SEEN counts the
 * same lines, an object of the caller's.
 */
json_t *record_line(const char *text, size_t n, const char *file, json_t *seen);

/*
 * Print the record of every session of the mount at DIR (NULL: the usual one) by its start, then
 * the lines that are none. SINCE, ms since 1970: what had ended before is left out. An exit status.
 */
int records_export(const char *dir, int64_t since);

#endif
