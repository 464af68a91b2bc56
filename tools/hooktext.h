/*
 * hooktext: the text of a git hook, and our block in it: from the line HOOKTEXT_BEGIN to the line
 * HOOKTEXT_END. Pure functions of their arguments.
 */
#ifndef TOOLS_HOOKTEXT_H
#define TOOLS_HOOKTEXT_H

#include "backend/buf.h"

#define HOOKTEXT_BEGIN "# >>> coordfs guard >>>"
#define HOOKTEXT_END "# <<< coordfs guard <<<"
#define HOOKTEXT_SHEBANG "#!/bin/sh\n" /* of a file that holds nothing but our block */
#define HOOKTEXT_CHAINED ".coordfs-chained"

/*
 * What a block says. hook: git's name of it. program, mount: absolute paths. offline_open: what
 * cannot be checked passes. whole: the file was made for the block. chained: it runs the hook that
 * was there before, now called hook HOOKTEXT_CHAINED, if that can be executed.
 */
struct hooktext {
	const char *hook, *program, *mount;
	int offline_open, whole, chained;
};

/* Add the block of H, lines, to OUT. */
void hooktext_block(const struct hooktext *h, struct buf *out);

/* Is TEXT, N bytes, a script for a shell that understands a block? 1 or 0. */
int hooktext_is_shell(const char *text, size_t n);

/*
 * TEXT, N bytes, with BLOCK behind its first line, or without the block in it, into OUT. What was
 * inserted and is taken out leaves the same bytes.
 */
void hooktext_insert(const char *text, size_t n, const struct buf *block, struct buf *out);
void hooktext_remove(const char *text, size_t n, struct buf *out);

/* Does TEXT, a string, have a block? 1 and in *H, if not NULL, its `whole` and `chained`; or 0. */
int hooktext_find(const char *text, struct hooktext *h);

#endif
