#include <string.h>

#include "tools/hooktext.h"

static const char whole_mark[] = "# The whole file is coordfs's.";
static const char chain_mark[] = "# The hook that was here before is run afterwards.";

/* --- the block --- */

/* TEXT as one word of a shell. */
static void add_quoted(struct buf *out, const char *text)
{
	buf_char(out, '\'');
	for (; *text; text++)
		if (*text == '\'')
			buf_str(out, "'\\''");
		else
			buf_char(out, *text);
	buf_char(out, '\'');
}

static void add_call(const struct hooktext *h, struct buf *out)
{
	buf_printf(out, "\"$coordfs_guard\" guard --hook %s --mount ", h->hook);
	add_quoted(out, h->mount);
	buf_printf(out, " --offline %s -- \"$@\"", h->offline_open ? "open" : "closed");
}

/* The answer of coordfs decides, and without it the policy. BEFORE: what it is fed by. */
static void add_deciding(const struct hooktext *h, const char *before, struct buf *out)
{
	buf_printf(out, "if [ -x \"$coordfs_guard\" ]; then\n\t%s", before);
	add_call(h, out);
	buf_str(out,
		" || exit\nelse\n"
		"\techo \"coordfs guard: $coordfs_guard is missing: nothing was checked\" >&2\n");
	if (!h->offline_open)
		buf_str(out,
			"\techo \"next: install coordfs there, or run its guard --install again\" >&2\n"
			"\texit 1\n");
	buf_str(out, "fi\n");
}

/* Standard input is there once: it is kept, for us and for the rest. */
static void add_pre_push(const struct hooktext *h, struct buf *out)
{
	buf_str(out, "coordfs_input=$(cat)\n");
	add_deciding(h, "[ -z \"$coordfs_input\" ] || printf '%s\\n' \"$coordfs_input\" | ", out);
	buf_str(out, "if [ -n \"$coordfs_input\" ]; then\n"
		     "\texec <<COORDFS_INPUT\n"
		     "$coordfs_input\n"
		     "COORDFS_INPUT\n"
		     "else\n"
		     "\texec </dev/null\n"
		     "fi\n");
}

/* Nothing here makes git fail. */
static void add_telling(const struct hooktext *h, struct buf *out)
{
	buf_str(out, "[ ! -x \"$coordfs_guard\" ] || ");
	add_call(h, out);
	buf_str(out, " || :\n");
}

void hooktext_block(const struct hooktext *h, struct buf *out)
{
	buf_line(out, "%s", HOOKTEXT_BEGIN);
	buf_line(out,
		 "# Written by coordfs guard --install; coordfs guard --uninstall takes it out.");
	if (h->whole)
		buf_line(out, "%s", whole_mark);
	buf_str(out, "coordfs_guard=");
	add_quoted(out, h->program);
	buf_char(out, '\n');
	if (strcmp(h->hook, "pre-push") == 0)
		add_pre_push(h, out);
	else if (strcmp(h->hook, "pre-commit") == 0)
		add_deciding(h, "", out);
	else
		add_telling(h, out);
	if (h->chained)
		buf_line(out, "%s\n[ ! -x \"${0%%/*}/%s%s\" ] || exec \"${0%%/*}/%s%s\" \"$@\"",
			 chain_mark, h->hook, HOOKTEXT_CHAINED, h->hook, HOOKTEXT_CHAINED);
	buf_line(out, "%s", HOOKTEXT_END);
}

/* --- which shell --- */

/* The next word of a line, N bytes: its length, 0 at the end. */
static size_t next_word(const char **p, const char *end)
{
	size_t n = 0;

	while (*p < end && (**p == ' ' || **p == '\t'))
		++*p;
	while (*p + n < end && (*p)[n] != ' ' && (*p)[n] != '\t')
		n++;
	return n;
}

/* Is the last name of the path WORD, N bytes, one of NAMES, each with a blank around it? */
static int is_one_of(const char *word, size_t n, const char *names)
{
	for (size_t i = n; i; i--)
		if (word[i - 1] == '/') {
			word += i;
			n -= i;
			break;
		}
	for (const char *p = names; n && (p = strchr(p, ' ')); p++)
		if (strncmp(p + 1, word, n) == 0 && p[1 + n] == ' ')
			return 1;
	return 0;
}

int hooktext_is_shell(const char *text, size_t n)
{
	const char *end = n ? memchr(text, '\n', n) : NULL, *p = text + 2;
	size_t len;

	if (!end)
		end = text + n;
	if (n < 2 || memcmp(text, "#!", 2) != 0)
		return 0;
	len = next_word(&p, end);
	if (is_one_of(p, len, " env "))
		do {
			p += len;
			len = next_word(&p, end);
		} while (len && (*p == '-' || memchr(p, '=', len)));
	return is_one_of(p, len, " sh bash dash ksh zsh ");
}

/* --- in and out --- */

void hooktext_insert(const char *text, size_t n, const struct buf *block, struct buf *out)
{
	const char *end = n ? memchr(text, '\n', n) : NULL;
	size_t first = end ? (size_t)(end - text) + 1 : n;

	buf_add(out, text, first);
	if (end) {
		buf_add(out, block->p, block->n);
		buf_add(out, text + first, n - first);
	} else { /* the text ends without a newline, and so it does afterwards */
		buf_char(out, '\n');
		buf_add(out, block->p, block->n - 1);
	}
}

/* The line LINE of TEXT, or NULL. */
static const char *find_line(const char *text, const char *line)
{
	size_t n = strlen(line);

	for (const char *p = text; (p = strstr(p, line)); p += n)
		if ((p == text || p[-1] == '\n') && (p[n] == '\n' || !p[n]))
			return p;
	return NULL;
}

/* The block in TEXT, a string: where it begins and ends. 1 or 0. */
static int bounds(const char *text, const char **from, const char **to)
{
	*from = find_line(text, HOOKTEXT_BEGIN);
	*to = *from ? find_line(*from, HOOKTEXT_END) : NULL;
	if (!*to)
		return 0;
	*to += strlen(HOOKTEXT_END);
	if (**to == '\n')
		++*to;
	else if (*from > text)
		--*from; /* the newline that came with it */
	return 1;
}

void hooktext_remove(const char *text, size_t n, struct buf *out)
{
	const char *from, *to;

	if (!bounds(text, &from, &to)) {
		buf_add(out, text, n);
		return;
	}
	buf_add(out, text, (size_t)(from - text));
	buf_add(out, to, n - (size_t)(to - text));
}

int hooktext_find(const char *text, struct hooktext *h)
{
	const char *from, *to, *mark;

	if (!bounds(text, &from, &to))
		return 0;
	if (h) {
		mark = find_line(from, whole_mark);
		h->whole = mark && mark < to;
		mark = find_line(from, chain_mark);
		h->chained = mark && mark < to;
	}
	return 1;
}
