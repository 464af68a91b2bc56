/*
 * match: which of many keywords stand in a text. Pure, no store: keywords are added, then a text
 * of any length is gone over once, whatever their number.
 *
 * A keyword is a word or a phrase. Upper and lower case of ASCII are one, and so are all runs of
 * white space. Where it begins or ends with a letter, a digit or `_`, so does the word in the text.
 * `*` stands for any number of letters, digits and `_`.
 */
#ifndef BACKEND_MATCH_H
#define BACKEND_MATCH_H

#include <stddef.h>

#define KEYWORD_MAX 200 /* bytes */
#define KEYWORD_STARS 4 /* so many `*` at most: each is one more place to look at */

struct matcher;

/* NULL: no memory. */
struct matcher *match_new(void);
void match_free(struct matcher *m);

/* Is the line a keyword? 0; -EINVAL: no letter or digit, a `*` before the first, too many; -E2BIG. */
int match_check(const char *line, size_t n);
/* Add one: its number from 0; the same one again: the same number; -errno as of match_check, -ENOMEM. */
int match_add(struct matcher *m, const char *line, size_t n);
/* Look for all of them in TEXT. 0 or -ENOMEM. */
int match_find(struct matcher *m, const char *text, size_t n);
/* Did keyword K stand in the text? And as it is compared: lower case, single blanks. */
int match_found(const struct matcher *m, int k);
const char *match_text(const struct matcher *m, int k);
int match_count(const struct matcher *m);

#endif
