/* token: is a fencing token still good? For `verify`, and for hooks that refuse late work. */
#ifndef TOOLS_TOKEN_H
#define TOOLS_TOKEN_H

#include <stdint.h>

#include "backend/buf.h"
#include "tools/mnt.h"

/*
 * TOOL_YES if TOKEN is the live or the finishing one of TASK, TOOL_NO if it is stale,
 * TOOL_CANNOT_TELL; and why, as one line without a newline, added to SAYS.
 */
int token_judge(const struct mnt *m, const char *task, int64_t token, struct buf *says);

#endif
