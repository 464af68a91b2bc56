#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "backend/clean.h"
#include "tools/paths.h"

/* The names guessed in TEXT, a blank after each. */
static void guesses(const char *text, const char *want)
{
	AUTO_BUF struct buf got = BUF_INIT;
	json_t *list = json_array();
	const json_t *v;
	size_t i;

	paths_guess(text, list);
	json_array_foreach(list, i, v)
		buf_printf(&got, "%s ", json_string_value(v));
	cr_assert_str_eq(buf_text(&got), want, "%s: %s", text, buf_text(&got));
	json_decref(list);
}

Test(paths, words_with_a_slash_and_an_extension_are_guessed)
{
	guesses("Change src/a.c, (lib/b.py) and \"x/y.TS\".", "src/a.c lib/b.py x/y.TS ");
	guesses("**docs/x.md** [text](docs/y.md)", "docs/x.md docs/y.md ");
	guesses("src/a.c:12:3 src/b.rs#L7 ./src/c.go", "src/a.c src/b.rs src/c.go ");
	guesses("src/a.c src/a.c", "src/a.c ");
}

Test(paths, backquoted_file_names_are_guessed)
{
	guesses("`Cargo.toml` Cargo.lock `self.field` `a.c b.c`", "Cargo.toml ");
}

Test(paths, what_cannot_be_a_file_of_a_repository_is_passed_over)
{
	guesses("/etc/passwd.conf ~/x/y.sh $HOME/a/b.sh https://e.org/a/b.html ../x/y.c", "");
	guesses("and/or either/or. v1.2/beta src/ a/b a/.c `.c` file:a/b.c src/*.rs", "");
}

Test(paths, brackets_in_a_guess_are_literal)
{
	guesses("app/[id]/page.tsx", "app/[[]id]/page.tsx ");
}

Test(paths, guessing_ends_at_its_limit)
{
	AUTO_BUF struct buf text = BUF_INIT;
	json_t *list = json_array();

	for (int i = 0; i < 2 * PATHS_GUESS_MAX; i++)
		buf_printf(&text, "d/%d.c ", i);
	paths_guess(buf_text(&text), list);
	cr_assert_eq(json_array_size(list), PATHS_GUESS_MAX);
	json_decref(list);
}
