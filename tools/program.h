/* program: another program, run to its end. */
#ifndef TOOLS_PROGRAM_H
#define TOOLS_PROGRAM_H

#include "backend/buf.h"

#define PROGRAM_QUIET 1 /* what it says on standard error is not shown */

/*
 * Run ARGV, NULL at its end, with an empty standard input, until it ends. OUT gets its standard
 * output; NULL: that goes to standard error. Its exit status, 128 and the signal that killed it,
 * or -errno.
 */
int program_run(const char *const argv[], int flags, struct buf *out);

#endif
