#include <string.h>
#include <strings.h>

#include "backend/clean.h"
#include "backend/cover.h"
#include "backend/overlap.h"
#include "tools/paths.h"

/* What ends a word in prose; a backquote also says what kind of word it is. */
#define BETWEEN " \t\r\n()<>{}\"'`,;|"
#define WORD_MAX 1024

static const char *const extensions[] = {
	"asm",	"bash", "bat",	"c",	  "cc",	   "cfg",    "cjs",  "clj",  "cmake",
	"conf", "cpp",	"cs",	"css",	  "csv",   "cxx",    "dart", "el",   "erl",
	"ex",	"exs",	"fish", "fs",	  "go",	   "gradle", "h",    "hpp",  "hs",
	"html", "hxx",	"ini",	"ipynb",  "java",  "jl",     "js",   "json", "jsonl",
	"jsx",	"kt",	"less", "lock",	  "lua",   "m",	     "md",   "mjs",  "mk",
	"ml",	"mli",	"mm",	"nim",	  "nix",   "php",    "pl",   "pm",   "proto",
	"ps1",	"py",	"pyi",	"r",	  "rb",	   "rs",     "rst",  "s",    "scala",
	"scss", "sh",	"sql",	"svelte", "swift", "tcl",    "tf",   "toml", "ts",
	"tsx",	"txt",	"vim",	"vue",	  "xml",   "yaml",   "yml",  "zig",  "zsh",
};

#define EXTENSIONS (sizeof(extensions) / sizeof(extensions[0]))

static int has_extension(const char *word)
{
	const char *base = strrchr(word, '/'), *dot = strrchr(word, '.');

	base = base ? base + 1 : word;
	if (!dot || dot <= base)
		return 0;
	for (size_t i = 0; i < EXTENSIONS; i++)
		if (strcasecmp(dot + 1, extensions[i]) == 0)
			return 1;
	return 0;
}

/* "src/a.c:12:3" and "src/a.c#L12" are places in src/a.c. */
static void cut_place(char *word)
{
	size_t n = strcspn(word, ":#");

	if (n && word[n] && strchr("0123456789L", word[n + 1]))
		word[n] = '\0';
}

/* "**./a.c**." is a.c; what is left may be empty. */
static char *trim(char *word)
{
	size_t n = strlen(word);

	while (n && strchr(".:!?*", word[n - 1]))
		word[--n] = '\0';
	word += strspn(word, "*");
	while (strncmp(word, "./", 2) == 0)
		word += 2;
	return word;
}

static int is_path(const char *word, int quoted)
{
	if (!has_extension(word) || (!quoted && !strchr(word, '/')))
		return 0;
	return *word != '/' && !strpbrk(word, ":~$\\=*") && !strstr(word, "..");
}

static int is_in(const json_t *list, const char *s)
{
	const json_t *v;
	size_t i;

	json_array_foreach(list, i, v)
		if (strcmp(json_string_value(v) ? json_string_value(v) : "", s) == 0)
			return 1;
	return 0;
}

static void consider(char *word, int quoted, json_t *list)
{
	AUTO_BUF struct buf literal = BUF_INIT;
	struct artifact a;

	cut_place(word);
	word = trim(word);
	if (!is_path(word, quoted))
		return;
	cover_literal(word, strlen(word), &literal);
	if (literal.err || is_in(list, buf_text(&literal)) ||
	    artifact_parse(buf_text(&literal), literal.n, "", &a, NULL))
		return;
	artifact_release(&a);
	(void)json_array_append_new(list, json_string(buf_text(&literal)));
}

void paths_guess(const char *text, json_t *list)
{
	size_t before = json_array_size(list);
	const char *p = text;

	while (*p && json_array_size(list) < before + PATHS_GUESS_MAX) {
		size_t n = strcspn(p, BETWEEN);
		char word[WORD_MAX];

		if (n && n < sizeof(word)) {
			memcpy(word, p, n);
			word[n] = '\0';
			consider(word, p > text && p[-1] == '`' && p[n] == '`', list);
		}
		p += n;
		p += *p != '\0';
	}
}
