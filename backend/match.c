#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "backend/clean.h"
#include "backend/match.h"
#include "backend/tx.h"

#define PREFIX_MAX 63

/*
 * A keyword hangs on its anchor: its first run of letters and digits. When a `*` follows, that is
 * the beginning of a word, else a whole one.
 */
struct keyword {
	char *text;
	size_t n, before, anchor; /* bytes in all; in front of the anchor; of the anchor */
	int prefix;
	int found;
	int next; /* with the same anchor; -1: the last */
};

struct slot {
	uint64_t hash;
	int first; /* -1: free */
};

struct matcher {
	struct keyword *keywords;
	int n, room;
	struct slot *slots;
	size_t nslots;	  /* a power of two, more than twice the anchors */
	uint64_t lengths; /* bit N: there is an anchor that is a prefix of N bytes */
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
	free(m->slots);
	free(m);
}

/* Find the anchor of the folded text. 0 or -EINVAL. */
static int anchor_find(struct keyword *k)
{
	const char *s = k->text;
	size_t end;

	while (k->before < k->n && !is_word((unsigned char)s[k->before]) && s[k->before] != '*')
		k->before++;
	end = k->before;
	while (end < k->n && is_word((unsigned char)s[end]))
		end++;
	k->anchor = end - k->before;
	k->prefix = end < k->n && s[end] == '*';
	if (k->prefix && k->anchor > PREFIX_MAX)
		k->anchor = PREFIX_MAX;
	return k->anchor ? 0 : -EINVAL;
}

int match_check(const char *line, size_t n)
{
	char text[KEYWORD_MAX];
	struct keyword k = { .text = text };

	if (n > KEYWORD_MAX)
		return -E2BIG;
	k.n = fold(line, n, text);
	return anchor_find(&k);
}

static uint64_t anchor_hash(const struct keyword *k)
{
	uint64_t h = HASH_BEGIN;

	for (size_t i = 0; i < k->anchor; i++)
		h = hash_more(h, k->text[k->before + i]);
	return hash_end(h, k->prefix);
}

static struct slot *slot_of(const struct matcher *m, uint64_t hash)
{
	size_t i = hash & (m->nslots - 1);

	while (m->slots[i].first >= 0 && m->slots[i].hash != hash)
		i = (i + 1) & (m->nslots - 1);
	return &m->slots[i];
}

static int slots_grow(struct matcher *m)
{
	struct matcher bigger = { .nslots = m->nslots ? m->nslots * 2 : 256 };

	bigger.slots = tx_allocated(malloc(bigger.nslots * sizeof(*bigger.slots)));
	if (!bigger.slots)
		return -ENOMEM;
	for (size_t i = 0; i < bigger.nslots; i++)
		bigger.slots[i].first = -1;
	for (size_t i = 0; i < m->nslots; i++)
		if (m->slots[i].first >= 0)
			*slot_of(&bigger, m->slots[i].hash) = m->slots[i];
	free(m->slots);
	m->slots = bigger.slots;
	m->nslots = bigger.nslots;
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
	int err = (size_t)m->n * 2 >= m->nslots ? slots_grow(m) : 0;

	return !err && m->n == m->room ? keywords_grow(m) : err;
}

/* The same keyword among those of its slot; -1: none. */
static int same(const struct matcher *m, int first, const struct keyword *k)
{
	for (int i = first; i >= 0; i = m->keywords[i].next)
		if (m->keywords[i].n == k->n && memcmp(m->keywords[i].text, k->text, k->n) == 0)
			return i;
	return -1;
}

int match_add(struct matcher *m, const char *line, size_t n)
{
	char text[KEYWORD_MAX + 1];
	struct keyword k = { .text = text };
	struct slot *slot;
	uint64_t hash;
	int err = n > KEYWORD_MAX ? -E2BIG : 0, there;

	k.n = err ? 0 : fold(line, n, text);
	text[k.n] = 0;
	if (!err)
		err = anchor_find(&k);
	if (!err)
		err = grow(m);
	if (err)
		return err;
	hash = anchor_hash(&k);
	slot = slot_of(m, hash);
	there = same(m, slot->first, &k);
	if (there >= 0)
		return there;
	k.text = tx_allocated(strdup(text));
	if (!k.text)
		return -ENOMEM;
	k.next = slot->first;
	*slot = (struct slot){ hash, m->n };
	if (k.prefix)
		m->lengths |= UINT64_C(1) << k.anchor;
	m->keywords[m->n] = k;
	return m->n++;
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

/*
 * Does the rest of the keyword, from K on, stand at AT? A `*` goes on no further than its word, so
 * only the last one can have taken too little.
 */
static int rest_fits(const struct text *t, size_t at, const char *k, const char *end)
{
	const char *star = NULL;
	size_t taken = 0;

	for (;;) {
		if (k < end && *k == '*') {
			star = ++k;
			taken = at;
		} else if (k == end && (!is_word((unsigned char)end[-1]) || !word_at(t, at))) {
			return 1;
		} else if (k < end && at < t->n && t->p[at] == *k) {
			at++;
			k++;
		} else if (star && word_at(t, taken)) {
			at = ++taken;
			k = star;
		} else {
			return 0;
		}
	}
}

/* Does K stand there with its anchor at AT? */
static int fits(const struct text *t, size_t at, const struct keyword *k)
{
	if (at < k->before || memcmp(t->p + at - k->before, k->text, k->before) != 0 ||
	    at + k->anchor > t->n || memcmp(t->p + at, k->text + k->before, k->anchor) != 0)
		return 0;
	return rest_fits(t, at + k->anchor, k->text + k->before + k->anchor, k->text + k->n);
}

static void try_slot(struct matcher *m, const struct text *t, size_t at, uint64_t hash)
{
	const struct slot *slot = slot_of(m, hash);

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

	if (!folded)
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
