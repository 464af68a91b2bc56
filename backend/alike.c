#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend/alike.h"
#include "backend/text.h"

struct words {
	char word[ALIKE_WORDS][ALIKE_WORD];
	int n;
};

/* `a` is one too, but at the end of a title: "plan a" is not "plan b". */
static int says_nothing(const char *word, int last)
{
	static const char *const words[] = { "an",   "and", "are",  "as",   "at",   "be",
					     "by",   "for", "from", "in",   "into", "is",
					     "it",   "its", "of",   "on",   "or",   "so",
					     "that", "the", "then", "this", "to",   "with" };

	if (strcmp(word, "a") == 0)
		return !last;
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (strcmp(words[i], word) == 0)
			return 1;
	return 0;
}

/* Does the character C, at S, belong to a word? Beyond ASCII all but blanks and punctuation do. */
static int is_of_word(const char *s, uint32_t c)
{
	if (c < 0x80)
		return (*s >= 'a' && *s <= 'z') || (*s >= 'A' && *s <= 'Z') ||
		       (*s >= '0' && *s <= '9');
	return c > 0xbf && !(c >= 0x2000 && c <= 0x206f) && !(c >= 0x3000 && c <= 0x303f) &&
	       c != 0xfeff;
}

/* The bytes of the character at S: of a word, or (*IN 0) between two. */
static size_t step(const char *s, int *in)
{
	uint32_t c = 0;
	int n = utf8_next(s, strlen(s) < 4 ? strlen(s) : 4, &c);

	*in = n > 0 && is_of_word(s, c);
	return n > 0 ? (size_t)n : 1;
}

/* The next word of *TITLE into OUT, in lower case. 0: there is none. */
static int next_word(const char **title, char out[ALIKE_WORD])
{
	const char *p = *title;
	size_t n = 0, len;
	int in = 0;

	while (*p && (len = step(p, &in), !in))
		p += len;
	for (; *p && (len = step(p, &in), in); p += len) {
		if (n + len >= ALIKE_WORD)
			continue;
		memcpy(out + n, p, len);
		if (len == 1 && *p >= 'A' && *p <= 'Z')
			out[n] = (char)(*p + ('a' - 'A'));
		n += len;
	}
	out[n] = '\0';
	*title = p;
	return n > 0;
}

static void add(struct words *w, const char *word)
{
	for (int i = 0; i < w->n; i++)
		if (strcmp(w->word[i], word) == 0)
			return;
	(void)snprintf(w->word[w->n++], ALIKE_WORD, "%s", word);
}

static int by_bytes(const void *a, const void *b)
{
	return strcmp(a, b);
}

int alike_key(const char *title, char out[ALIKE_KEY])
{
	struct words w = { .n = 0 };
	char word[ALIKE_WORD], next[ALIKE_WORD];
	int more = next_word(&title, word);
	size_t n = 0;

	while (more && w.n < ALIKE_WORDS) {
		more = next_word(&title, next);
		if (!says_nothing(word, !more))
			add(&w, word);
		memcpy(word, next, sizeof(word));
	}
	qsort(w.word, (size_t)w.n, sizeof(w.word[0]), by_bytes);
	out[0] = '\0';
	for (int i = 0; i < w.n; i++)
		n += (size_t)snprintf(out + n, ALIKE_KEY - n, "%s%s", i ? " " : "", w.word[i]);
	return w.n;
}

/* Compare the words at A and B, which end at a blank. */
static int compare(const char *a, size_t na, const char *b, size_t nb)
{
	int d = memcmp(a, b, na < nb ? na : nb);

	return d ? d : (na > nb) - (na < nb);
}

static const char *behind(const char *word, size_t n)
{
	return word[n] ? word + n + 1 : word + n;
}

enum alike alike_keys(const char *a, const char *b)
{
	int only_a = 0, only_b = 0, both = 0, shorter, longer;

	while (*a || *b) {
		size_t na = strcspn(a, " "), nb = strcspn(b, " ");
		int d = !*a ? 1 : !*b ? -1 : compare(a, na, b, nb);

		both += d == 0;
		only_a += d < 0;
		only_b += d > 0;
		a = d <= 0 ? behind(a, na) : a;
		b = d >= 0 ? behind(b, nb) : b;
	}
	shorter = both + (only_a < only_b ? only_a : only_b);
	longer = both + (only_a < only_b ? only_b : only_a);
	if (both && !only_a && !only_b)
		return ALIKE_SAME;
	if (both >= 3 && both == shorter && 5 * both >= 3 * longer)
		return ALIKE_NEAR;
	return both >= 2 && 2 * both >= shorter ? ALIKE_SOME : ALIKE_NOT;
}

int alike_is_family(const char *a, const char *b)
{
	size_t na = strlen(a), nb = strlen(b), n = na < nb ? na : nb;

	return strncmp(a, b, n) == 0 && (a[n] == '.' || b[n] == '.');
}
