#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "backend/clean.h"
#include "backend/match.h"
#include "backend/tx.h"

#define PREFIX_MAX 63

/*
 * A keyword hangs on its anchor: of its words in front of any `*` the one that the fewest other
 * keywords have, so that no common word has many to try. Where the first word goes on with a `*`, the beginning of that.
 */
struct keyword {
	char *text;
	size_t n, before, anchor; /* bytes in all; in front of the anchor; of the anchor */
	int prefix;
	int found;
	int next;  /* with the same anchor; -1: the last */
	int alike; /* with the same hash of the whole text; -1: the last */
};

struct slot {
	uint64_t hash;
	int first; /* FREE, or the first keyword; -1: none yet */
	int uses;  /* keywords that have this word */
};
#define FREE (-2)

/* Open addressing; a power of two of slots, more than twice what is in it. */
struct table {
	struct slot *slots;
	size_t n;
};

struct matcher {
	struct keyword *keywords;
	int n, room;
	size_t words;	     /* of all keywords, at most */
	struct table whole;  /* by the whole text */
	struct table anchor; /* by the anchor; made by match_find */
	uint64_t lengths;    /* bit N: there is an anchor that is a prefix of N bytes */
};

/* --- words --- */

/* What is no ASCII is a letter. */
static int is_word(unsigned char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c >= 0x80;
}

/* Lower case, single blanks, none at either end, into OUT of N bytes at least. The length. */
static size_t fold(const char *s, size_t n, char *out)
{
	size_t k = 0;

	for (size_t i = 0; i < n; i++) {
		char c = s[i];

		if (c == ' ' || c == '\t' || c == '\n' || c == '\r') {
			if (k && out[k - 1] != ' ')
				out[k++] = ' ';
		} else {
			out[k++] = (char)(c >= 'A' && c <= 'Z' ? c + 'a' - 'A' : c);
		}
	}
	return k && out[k - 1] == ' ' ? k - 1 : k;
}

#define HASH_BEGIN 14695981039346656037u

static uint64_t hash_more(uint64_t h, char c)
{
	return (h ^ (unsigned char)c) * 1099511628211u;
}

/* A prefix is not the whole word of the same bytes. */
static uint64_t hash_end(uint64_t h, int prefix)
{
	h = hash_more(h, prefix ? '*' : ' ');
	return h ^ h >> 32;
}

/* --- keywords --- */

struct matcher *match_new(void)
{
	return tx_allocated(calloc(1, sizeof(struct matcher)));
}

void match_free(struct matcher *m)
{
	if (!m)
		return;
	for (int i = 0; i < m->n; i++)
		free(m->keywords[i].text);
	free(m->keywords);
	free(m->whole.slots);
	free(m->anchor.slots);
	free(m);
}

/*
 * The next word of the keyword behind its anchor (at first: 0 bytes at 0), in front of any `*` but
 * for the first one's. 1, or 0: there is none.
 */
static int next_anchor(struct keyword *k)
{
	const char *s = k->text;
	size_t at = k->before + k->anchor, end;
	int first = !k->anchor;

	while (at < k->n && !is_word((unsigned char)s[at]) && s[at] != '*')
		at++;
	for (end = at; end < k->n && is_word((unsigned char)s[end]);)
		end++;
	k->prefix = end < k->n && s[end] == '*';
	if (end == at || (k->prefix && !first))
		return 0;
	k->before = at;
	k->anchor = k->prefix && end - at > PREFIX_MAX ? PREFIX_MAX : end - at;
	return 1;
}

int match_check(const char *line, size_t n)
{
	char text[KEYWORD_MAX + 1];
	struct keyword k = { .text = text };
	int stars = 0;

	if (n > KEYWORD_MAX)
		return -E2BIG;
	for (size_t i = 0; i < n; i++)
		stars += line[i] == '*';
	k.n = fold(line, n, text);
	return next_anchor(&k) && stars <= KEYWORD_STARS ? 0 : -EINVAL;
}

static uint64_t hash_of(const char *s, size_t n, int prefix)
{
	uint64_t h = HASH_BEGIN;

	for (size_t i = 0; i < n; i++)
		h = hash_more(h, s[i]);
	return hash_end(h, prefix);
}

static struct slot *slot_of(const struct table *t, uint64_t hash)
{
	size_t i = hash & (t->n - 1);

	while (t->slots[i].first != FREE && t->slots[i].hash != hash)
		i = (i + 1) & (t->n - 1);
	return &t->slots[i];
}

/* The slot of HASH, taken. */
static struct slot *slot_take(const struct table *t, uint64_t hash)
{
	struct slot *slot = slot_of(t, hash);

	if (slot->first == FREE)
		*slot = (struct slot){ .hash = hash, .first = -1 };
	return slot;
}

/* An empty table for so many. 0 or -ENOMEM. */
static int table_new(struct table *t, size_t room)
{
	size_t n = 256;

	while (n <= 2 * room)
		n *= 2;
	*t = (struct table){ tx_allocated(malloc(n * sizeof(*t->slots))), n };
	if (!t->slots)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++)
		t->slots[i].first = FREE;
	return 0;
}

static int table_grow(struct table *t)
{
	struct table bigger;
	int err = table_new(&bigger, t->n);

	if (err)
		return err;
	for (size_t i = 0; i < t->n; i++)
		if (t->slots[i].first != FREE)
			*slot_of(&bigger, t->slots[i].hash) = t->slots[i];
	free(t->slots);
	*t = bigger;
	return 0;
}

static int keywords_grow(struct matcher *m)
{
	int room = m->room ? m->room * 2 : 64;
	struct keyword *k = tx_allocated(realloc(m->keywords, (size_t)room * sizeof(*m->keywords)));

	if (!k)
		return -ENOMEM;
	m->keywords = k;
	m->room = room;
	return 0;
}

static int grow(struct matcher *m)
{
	int err = (size_t)m->n * 2 >= m->whole.n ? table_grow(&m->whole) : 0;

	return !err && m->n == m->room ? keywords_grow(m) : err;
}

/* The same keyword among those of its slot; -1: none. */
static int same(const struct matcher *m, int first, const struct keyword *k)
{
	for (int i = first; i >= 0; i = m->keywords[i].alike)
		if (m->keywords[i].n == k->n && memcmp(m->keywords[i].text, k->text, k->n) == 0)
			return i;
	return -1;
}

int match_add(struct matcher *m, const char *line, size_t n)
{
	char text[KEYWORD_MAX + 1];
	struct keyword k = { .text = text };
	struct slot *slot;
	int err = match_check(line, n), there;

	if (!err)
		err = grow(m);
	if (err)
		return err;
	k.n = fold(line, n, text);
	text[k.n] = 0;
	slot = slot_take(&m->whole, hash_of(text, k.n, 0));
	there = same(m, slot->first, &k);
	if (there >= 0)
		return there;
	k.text = tx_allocated(strdup(text));
	if (!k.text)
		return -ENOMEM;
	k.alike = slot->first;
	slot->first = m->n;
	m->words += k.n / 2 + 1;
	m->keywords[m->n] = k;
	return m->n++;
}

/* --- anchors --- */

static struct slot *slot_of_anchor(const struct matcher *m, const struct keyword *k)
{
	return slot_take(&m->anchor, hash_of(k->text + k->before, k->anchor, k->prefix));
}

/* One use more of each word that could be an anchor. */
static void count_words(struct matcher *m, struct keyword *k)
{
	k->before = k->anchor = 0;
	while (next_anchor(k))
		slot_of_anchor(m, k)->uses++;
}

static void hang(struct matcher *m, int number)
{
	struct keyword *k = &m->keywords[number], try, best = { .n = 0 };
	struct slot *slot;
	int least = 0;

	try = *k;
	try.before = try.anchor = 0;
	while (next_anchor(&try)) {
		int uses = slot_of_anchor(m, &try)->uses;

		if (!least || uses < least) {
			least = uses;
			best = try;
		}
	}
	slot = slot_of_anchor(m, &best);
	*k = best;
	k->next = slot->first;
	slot->first = number;
	if (k->prefix)
		m->lengths |= UINT64_C(1) << k->anchor;
}

static int hang_all(struct matcher *m)
{
	int err;

	free(m->anchor.slots);
	m->anchor.slots = NULL;
	m->lengths = 0;
	err = table_new(&m->anchor, m->words);
	for (int i = 0; !err && i < m->n; i++)
		count_words(m, &m->keywords[i]);
	for (int i = 0; !err && i < m->n; i++)
		hang(m, i);
	return err;
}

/* --- the text --- */

struct text {
	const char *p;
	size_t n;
};

static int word_at(const struct text *t, size_t i)
{
	return i < t->n && is_word((unsigned char)t->p[i]);
}

#define NOWHERE SIZE_MAX

/*
 * Where the part K of N bytes ends, behind a `*` at AT. The star goes on no further than its word:
 * so a part that goes beyond the word, or is the last, begins where its letters reach to the end
 * of that, and any other as early as it can. *STOP, the end of the word, is kept for the next
 * part: a long word is gone over once.
 */
static size_t find_part(const struct text *t, size_t at, size_t *stop, const char *k, size_t n,
			int last)
{
	size_t letters = 0;
	const char *p;

	*stop = *stop > at ? *stop : at;
	while (word_at(t, *stop))
		++*stop;
	while (letters < n && is_word((unsigned char)k[letters]))
		letters++;
	if (letters == n && !last) {
		p = memmem(t->p + at, *stop - at, k, n);
		return p ? (size_t)(p - t->p) + n : NOWHERE;
	}
	if (letters > *stop - at || n > t->n - (*stop - letters))
		return NOWHERE;
	at = *stop - letters;
	return memcmp(t->p + at, k, n) == 0 ? at + n : NOWHERE;
}

/* Does the rest of the keyword, from K on, stand at AT? */
static int rest_fits(const struct text *t, size_t at, const char *k, const char *end)
{
	const char *star = memchr(k, '*', (size_t)(end - k));
	size_t n = (size_t)((star ? star : end) - k), stop = 0;

	if (n > t->n - at || memcmp(t->p + at, k, n) != 0)
		return 0;
	at += n;
	while (star) {
		k = star + 1;
		star = memchr(k, '*', (size_t)(end - k));
		n = (size_t)((star ? star : end) - k);
		at = n ? find_part(t, at, &stop, k, n, !star) : at;
		if (at == NOWHERE)
			return 0;
	}
	return !is_word((unsigned char)end[-1]) || !word_at(t, at);
}

/* Does K stand there with its anchor at AT? */
static int fits(const struct text *t, size_t at, const struct keyword *k)
{
	size_t begin = at - k->before;

	if (at < k->before || at + k->anchor > t->n ||
	    memcmp(t->p + begin, k->text, k->before + k->anchor) != 0)
		return 0;
	if (begin && is_word((unsigned char)*k->text) && word_at(t, begin - 1))
		return 0;
	return rest_fits(t, at + k->anchor, k->text + k->before + k->anchor, k->text + k->n);
}

static void try_slot(struct matcher *m, const struct text *t, size_t at, uint64_t hash)
{
	const struct slot *slot = slot_of(&m->anchor, hash);

	for (int i = slot->first; i >= 0; i = m->keywords[i].next)
		if (!m->keywords[i].found)
			m->keywords[i].found = fits(t, at, &m->keywords[i]);
}

/* The word at AT: all that hang on it or on its beginning. Where it ends. */
static size_t try_word(struct matcher *m, const struct text *t, size_t at)
{
	uint64_t h = HASH_BEGIN;
	size_t end = at;

	while (word_at(t, end)) {
		h = hash_more(h, t->p[end++]);
		if (end - at <= PREFIX_MAX && m->lengths >> (end - at) & 1)
			try_slot(m, t, at, hash_end(h, 1));
	}
	try_slot(m, t, at, hash_end(h, 0));
	return end;
}

int match_find(struct matcher *m, const char *text, size_t n)
{
	AUTO_FREE char *folded = tx_allocated(malloc(n + 1));
	struct text t = { folded, 0 };

	if (!folded || hang_all(m))
		return -ENOMEM;
	for (int i = 0; i < m->n; i++)
		m->keywords[i].found = 0;
	t.n = fold(text, n, folded);
	for (size_t i = 0; m->n && i < t.n;)
		i = word_at(&t, i) ? try_word(m, &t, i) : i + 1;
	return 0;
}

int match_found(const struct matcher *m, int k)
{
	return m->keywords[k].found;
}

const char *match_text(const struct matcher *m, int k)
{
	return m->keywords[k].text;
}

int match_count(const struct matcher *m)
{
	return m->n;
}
