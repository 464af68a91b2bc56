#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend/overlap.h"

#define NOT_UTF8 0x110000u /* beyond the last character */
#define CLASS_MAX 64	   /* bytes of a class; a longer one meets all, to bound the time */

/* The bytes from p up to end. */
struct span {
	const char *p, *end;
};

/*
 * What stands for one character of a segment: a class of its members. '?' is all but none, a
 * plain character the class of itself. A star is no token: ask at_star before taking one.
 */
struct token {
	struct span members;
	int negated;
};

/* A canonical name while it is being written. */
struct writer {
	char *name;
	size_t path, stem, end; /* offsets: where the path starts, the stem ends, the name ends */
	size_t segments;
	struct span last; /* the last segment */
};

static int at_end(const struct span *s)
{
	return s->p == s->end;
}

static size_t length(const struct span *s)
{
	return (size_t)(s->end - s->p);
}

static int span_is(const struct span *s, const char *text)
{
	return length(s) == strlen(text) && !memcmp(s->p, text, length(s));
}

static int at_star(const struct span *s)
{
	return s->p < s->end && *s->p == '*';
}

static int refuse(const char **reason, const char *why, int error)
{
	if (reason)
		*reason = why;
	return error;
}

/* Takes one character that is not ASCII off s. */
static uint32_t take_long_char(struct span *s)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	const unsigned char *u = (const unsigned char *)s->p++;
	size_t i, len = *u >= 0xf0 ? 4 : *u >= 0xe0 ? 3 : 2;
	uint32_t c = *u;

	if (c < 0xc2 || c > 0xf4 || len - 1 > length(s))
		return NOT_UTF8;
	c &= 0x7fu >> len;
	for (i = 1; i < len; i++) {
		if ((u[i] & 0xc0) != 0x80)
			return NOT_UTF8;
		c = c << 6 | (u[i] & 0x3f);
	}
	if (c < least[len] || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
		return NOT_UTF8;
	s->p += len - 1;
	return c;
}

/* Takes one character off s, which is not empty; NOT_UTF8 for a byte that begins none. */
static uint32_t take_char(struct span *s)
{
	return (unsigned char)*s->p < 0x80 ? (uint32_t)*s->p++ : take_long_char(s);
}

/* Takes one member, a character or a range, off the members of a class. */
static void take_range(struct span *members, uint32_t *lo, uint32_t *hi)
{
	*lo = *hi = take_char(members);
	if (length(members) < 2 || *members->p != '-')
		return;
	members->p++;
	*hi = take_char(members);
}

/* Takes one token off s. A '[' that nothing closes, which no canonical name has, is itself. */
static void take_token(struct span *s, struct token *t)
{
	const char *start = s->p, *p, *close = NULL;
	uint32_t c = take_char(s);

	*t = (struct token){ .members = { c == '?' ? s->p : start, s->p }, .negated = c == '?' };
	p = s->p + (!at_end(s) && (*s->p == '!' || *s->p == '^'));
	if (c == '[' && p < s->end)
		close = memchr(p + 1, ']', (size_t)(s->end - p - 1));
	if (!close)
		return;
	*t = (struct token){ .members = { p, close }, .negated = p > s->p };
	s->p = close + 1;
}

/* Some character from lo to hi is matched by t; wide when a real range meets a negated class. */
static int token_meets_range(const struct token *t, uint32_t lo, uint32_t hi)
{
	struct span members = t->members;
	uint32_t from, to;

	while (!at_end(&members)) {
		take_range(&members, &from, &to);
		if (from <= hi && lo <= to && (!t->negated || lo == hi))
			return !t->negated;
	}
	return t->negated;
}

/* Some character is matched by both tokens. */
static int token_meets(const struct token *a, const struct token *b)
{
	size_t na = length(&a->members), nb = length(&b->members);
	int swap = a->negated || (!b->negated && nb < na);
	struct span members = swap ? b->members : a->members;
	uint32_t lo, hi;

	if ((a->negated && b->negated) || na > CLASS_MAX || nb > CLASS_MAX)
		return 1;
	while (!at_end(&members)) {
		take_range(&members, &lo, &hi);
		if (token_meets_range(swap ? a : b, lo, hi))
			return 1;
	}
	return 0;
}

/* Takes a token off each; 1 if they meet. */
static int take_both(struct span *a, struct span *b)
{
	struct token ta, tb;
	char ca = *a->p, cb = *b->p;

	if (ca != '[' && cb != '[' && !((ca | cb) & 0x80)) {
		a->p++;
		b->p++;
		return ca == cb || ca == '?' || cb == '?';
	}
	take_token(a, &ta);
	take_token(b, &tb);
	return token_meets(&ta, &tb);
}

/* Advances both until one is at a star or its end; 0 if two tokens on the way do not meet. */
static int heads_meet(struct span *a, struct span *b)
{
	int meet = 1;

	while (meet && !at_end(a) && !at_end(b) && !at_star(a) && !at_star(b))
		meet = take_both(a, b);
	return meet;
}

/* What follows the last star of s (all of s if it has none), and its length in tokens. */
static struct span tail(struct span s, size_t *count)
{
	struct span start = s;
	struct token t;

	*count = 0;
	while (!at_end(&s)) {
		int star = at_star(&s);

		take_token(&s, &t);
		start = star ? s : start;
		*count = star ? 0 : *count + 1;
	}
	return start;
}

/*
 * Pattern a, which is at a star, against b, which has none: as a string is matched, only that two
 * tokens meet where two characters are equal. Each run of a between stars goes to the leftmost
 * place it fits, so only the last star is ever retried.
 */
static int starless_meets(struct span a, struct span b)
{
	struct span after_star = a, retry = b;
	struct token t;

	for (;;) {
		while (at_star(&a)) {
			a.p++;
			after_star = a;
			retry = b;
		}
		if (at_end(&b))
			return at_end(&a);
		if (!at_end(&a) && take_both(&a, &b))
			continue;
		a = after_star;
		take_token(&retry, &t);
		b = retry;
	}
}

/*
 * Some segment is matched by both a and b. If both have a star, what stands between their first
 * and last stars never matters: (longer head)(middle of a)(middle of b)(longer tail) is matched
 * by both once heads and tails agree.
 */
static int segment_meets(struct span a, struct span b)
{
	struct span tail_a, tail_b;
	struct token t;
	size_t na, nb;

	if (!heads_meet(&a, &b))
		return 0;
	if (!at_star(&a) && !at_star(&b))
		return at_end(&a) && at_end(&b);
	tail_a = tail(a, &na);
	tail_b = tail(b, &nb);
	if (tail_a.p == a.p)
		return starless_meets(b, a);
	if (tail_b.p == b.p)
		return starless_meets(a, b);
	for (; na > nb; na--)
		take_token(&tail_a, &t);
	for (; nb > na; nb--)
		take_token(&tail_b, &t);
	return heads_meet(&tail_a, &tail_b);
}

/* Takes the next segment and the '/' after it off a path. */
static struct span take_segment(struct span *path)
{
	const char *slash = memchr(path->p, '/', length(path));
	struct span s = { path->p, slash ? slash : path->end };

	path->p = slash ? slash + 1 : path->end;
	return s;
}

static int has_wildcard(const struct span *s)
{
	return memchr(s->p, '*', length(s)) || memchr(s->p, '?', length(s)) ||
	       memchr(s->p, '[', length(s));
}

/*
 * Both paths end in an implied `**`, so the argument of segment_meets holds for segments too, with
 * empty tails: only the segments before the first `**` of either, or its end, decide.
 */
static int path_overlap(struct span a, struct span b)
{
	while (!at_end(&a) && !at_end(&b)) {
		struct span sa = take_segment(&a), sb = take_segment(&b);

		if (span_is(&sa, "**") || span_is(&sb, "**"))
			return 1;
		if (length(&sa) == length(&sb) && !memcmp(sa.p, sb.p, length(&sa)))
			continue;
		if (!segment_meets(sa, sb))
			return 0;
	}
	return 1;
}

/* What follows a space is a ':' or the NUL of a repo. */
static int space_is_valid(const struct span *s)
{
	size_t n = strspn(s->p, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				"0123456789._@+#-");

	return n && n == length(s) && n <= ARTIFACT_SPACE;
}

static int check_characters(struct span s, const char **reason)
{
	uint32_t c;

	while (!at_end(&s)) {
		c = take_char(&s);
		if (c == NOT_UTF8)
			return refuse(reason, "an artifact is UTF-8 text", -EILSEQ);
		if (c < 0x20 || (c >= 0x7f && c <= 0x9f))
			return refuse(reason, "an artifact holds no control characters", -EINVAL);
	}
	return 0;
}

static int check_class(struct span members, const char **reason)
{
	uint32_t lo, hi;

	while (!at_end(&members)) {
		if (length(&members) > 1 && !memcmp(members.p, "[:", 2))
			return refuse(reason, "a class is a range, not [:name:]", -EINVAL);
		take_range(&members, &lo, &hi);
		if (lo > hi)
			return refuse(reason, "a range in a [class] goes up", -EINVAL);
	}
	return 0;
}

static int check_segment(struct span s, const char **reason)
{
	struct token t;
	int r = 0;

	if (span_is(&s, ".."))
		return refuse(reason, "an artifact holds no .. segment", -EINVAL);
	while (!r && !at_end(&s)) {
		const char *start = s.p;

		take_token(&s, &t);
		if (*start == '[' && t.members.p == start)
			return refuse(reason, "a '[' is not closed; write [[] for itself", -EINVAL);
		if (*start == '[')
			r = check_class(t.members, reason);
	}
	return r;
}

static int add_segment(struct writer *w, struct span s, const char **reason)
{
	int literal = w->stem == w->end && !has_wildcard(&s), r;

	if (at_end(&s) || span_is(&s, ".") || (span_is(&s, "**") && span_is(&w->last, "**")))
		return 0;
	r = check_segment(s, reason);
	if (r)
		return r;
	if (w->segments++)
		w->name[w->end++] = '/';
	memcpy(w->name + w->end, s.p, length(&s));
	w->end += length(&s);
	w->last = s;
	if (literal)
		w->stem = w->end;
	return 0;
}

/* Judges the whole, having dropped a last `**` that says no more than its parent. */
static int finish_path(struct writer *w, const char **reason)
{
	struct span path;

	if (w->segments > 1 && span_is(&w->last, "**")) {
		w->end -= strlen("/**");
		w->segments--;
	}
	w->name[w->end] = '\0';
	path = (struct span){ w->name + w->path, w->name + w->end };
	if (at_end(&path))
		return refuse(reason, "an artifact names something: its path is empty", -EINVAL);
	if (w->segments > ARTIFACT_SEGMENTS)
		return refuse(reason, "an artifact has at most 32 segments", -ENAMETOOLONG);
	if (path.p[0] == ' ' || path.end[-1] == ' ')
		return refuse(reason, "an artifact neither begins nor ends with a blank", -EINVAL);
	if (w->path == 1 && memchr(path.p, ':', strcspn(path.p, "/")))
		return refuse(reason, "in no repo a first segment holds no ':'", -EINVAL);
	return 0;
}

static int add_path(struct writer *w, struct span path, const char **reason)
{
	int r = 0;

	if (!at_end(&path) && *path.p == '/')
		return refuse(reason, "an absolute path is in no known repo", -EINVAL);
	while (!r && !at_end(&path))
		r = add_segment(w, take_segment(&path), reason);
	return r ? r : finish_path(w, reason);
}

/* Fills *out from a finished name, whose block has room for the stem behind it. */
static void describe(const struct writer *w, struct artifact *out)
{
	out->name = w->name;
	out->stem = w->name + w->end + 1;
	memcpy(out->stem, w->name, w->stem);
	out->stem[w->stem] = '\0';
	out->wide = w->stem == w->path;
	out->literal = w->stem == w->end || !strcmp(w->name + w->path, "**");
}

/* Takes the space off s; it is `repo` when none is written. */
static int take_space(struct span *s, const char *repo, struct span *space, const char **reason)
{
	struct span rest = *s, first = take_segment(&rest);
	const char *colon = memchr(first.p, ':', length(&first));

	*space = (struct span){ repo, repo + strlen(repo) };
	if (!colon && at_end(space))
		return 0;
	if (colon) {
		*space = (struct span){ s->p, colon };
		s->p = colon + 1;
	}
	if (!space_is_valid(space))
		return refuse(reason, "a space is 1 to 128 of A-Z a-z 0-9 . _ @ + # -", -EINVAL);
	return 0;
}

int artifact_parse(const char *text, size_t n, const char *repo, struct artifact *out,
		   const char **reason)
{
	struct span path = { text, text + n }, space;
	struct writer w = { 0 };
	int r;

	if (n > ARTIFACT_MAX)
		return refuse(reason, "an artifact is at most 4096 bytes", -ENAMETOOLONG);
	r = check_characters(path, reason);
	if (!r)
		r = take_space(&path, repo, &space, reason);
	if (r)
		return r;
	w.path = w.stem = w.end = length(&space) + 1;
	w.name = malloc(2 * (w.path + length(&path) + 1));
	if (!w.name)
		return refuse(reason, "out of memory", -ENOMEM);
	memcpy(w.name, space.p, length(&space));
	w.name[length(&space)] = ':';
	r = add_path(&w, path, reason);
	if (r)
		free(w.name);
	else
		describe(&w, out);
	return r;
}

void artifact_release(struct artifact *a)
{
	free(a->name);
	*a = (struct artifact){ 0 };
}

const char *artifact_show(const char *name, const char *repo)
{
	size_t n = strlen(repo);
	const char *path;

	if (strncmp(name, repo, n) != 0 || name[n] != ':')
		return name;
	path = name + n + 1;
	return memchr(path, ':', strcspn(path, "/")) ? name : path;
}

int artifact_overlap(const char *a, const char *b)
{
	const char *colon = strchr(a, ':');
	size_t n = colon ? (size_t)(colon - a) + 1 : 0;

	if (!n || strncmp(a, b, n) != 0)
		return 0;
	return path_overlap((struct span){ a + n, a + strlen(a) },
			    (struct span){ b + n, b + strlen(b) });
}

int artifact_ancestors(const char *stem, int (*fn)(const char *ancestor, void *arg), void *arg)
{
	char buffer[ARTIFACT_BUFFER], *path, *cut;
	size_t n = strlen(stem);
	int r = 0;

	if (n >= sizeof(buffer) || !strchr(stem, ':'))
		return -EINVAL;
	memcpy(buffer, stem, n + 1);
	for (path = strchr(buffer, ':') + 1; !r && *path;) {
		cut = strrchr(path, '/');
		*(cut ? cut : path) = '\0';
		r = fn(buffer, arg);
	}
	return r;
}

void artifact_below(const char *stem, char *lo, char *hi)
{
	size_t n = strlen(stem);
	int root = strchr(stem, ':') == stem + n - 1;

	(void)snprintf(lo, ARTIFACT_BUFFER, "%s%s", stem, root ? "" : "/");
	(void)snprintf(hi, ARTIFACT_BUFFER, "%.*s%c", (int)n - root, stem, root ? ';' : '0');
}
