/*
 * alike: may two tasks be one piece of work, by their titles? Pure functions.
 *
 * The key of a title is its words, each once, in order of their bytes, a blank between two. A word is a
 * run of letters and digits, ASCII in lower case; what is not ASCII is taken as it is, but for blanks
 * and punctuation. Words that say nothing (`the`, `of`) are left out.
 */
#ifndef BACKEND_ALIKE_H
#define BACKEND_ALIKE_H

#define ALIKE_WORDS 32 /* of a longer title the first so many count */
#define ALIKE_WORD 64  /* bytes of a word; the rest of a longer one is dropped */
#define ALIKE_KEY (ALIKE_WORDS * (ALIKE_WORD + 1))

enum alike {
	ALIKE_NOT,
	ALIKE_SOME, /* two words in common at least, and half of the shorter one's */
	ALIKE_NEAR, /* three words at least are all of one and three fifths of the other */
	ALIKE_SAME,
};

/* The key of TITLE into OUT. How many words it has. */
int alike_key(const char *title, char out[ALIKE_KEY]);

/* How alike are two titles, by their keys? Symmetric. An empty key is like nothing. */
enum alike alike_keys(const char *a, const char *b);

/* Is one of two names that of the other's parent: `x` of `x.1`, `x.1.2`? */
int alike_is_family(const char *a, const char *b);

#endif
