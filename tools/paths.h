/*
 * paths: names of files, found in prose, as artifacts.
 * A pure function.
 */
#ifndef TOOLS_PATHS_H
#define TOOLS_PATHS_H

#include <jansson.h>

#define PATHS_GUESS_MAX 64 /* names that paths_guess finds in one text */

/*
 * Add the names of source files that TEXT mentions to LIST, an array of
 * strings, literally, each once: words with a '/' that end in a known
 * extension, and such words without a '/' in backquotes. Absolute paths, URLs
 * and what else cannot be a path in a repository are passed over.
 */
void paths_guess(const char *text, json_t *list);

#endif
