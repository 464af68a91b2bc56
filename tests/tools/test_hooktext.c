#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "backend/clean.h"
#include "tools/hooktext.h"

static const struct hooktext example = { "pre-commit", "/usr/bin/coordfs", "/coord", 0, 0, 0 };

/* The block of HOOK with that program. */
static void block_of(const char *hook, const char *program, struct buf *out)
{
	struct hooktext h = example;

	h.hook = hook;
	h.program = program;
	hooktext_block(&h, out);
}

static int is_shell(const char *text)
{
	return hooktext_is_shell(text, strlen(text));
}

Test(hooktext, a_script_for_a_shell_takes_a_block_and_nothing_else_does)
{
	cr_assert(is_shell("#!/bin/sh\n"));
	cr_assert(is_shell("#!/bin/bash -e\necho\n"));
	cr_assert(is_shell("#! /bin/dash"));
	cr_assert(is_shell("#!/usr/bin/env sh\n"));
	cr_assert(is_shell("#!/usr/bin/env -S A=b zsh -f\n"));
	cr_assert(is_shell("#!/opt/ksh\n"));
	cr_assert_not(is_shell(""));
	cr_assert_not(is_shell("#"));
	cr_assert_not(is_shell("#!"));
	cr_assert_not(is_shell("#!\n/bin/sh\n"));
	cr_assert_not(is_shell("echo\n"));
	cr_assert_not(is_shell("#!/usr/bin/python3\n"));
	cr_assert_not(is_shell("#!/usr/bin/env\n"));
	cr_assert_not(is_shell("#!/usr/bin/env node sh\n"));
	cr_assert_not(is_shell("#!/bin/sh\r\n"));
	cr_assert_not(is_shell("#!/bin/fish\n"));
	cr_assert_not(is_shell("\177ELF\n"));
}

Test(hooktext, what_was_inserted_and_is_taken_out_leaves_the_same_bytes)
{
	const char *const texts[] = { "#!/bin/sh\n", "#!/bin/sh", "#!/bin/sh\necho a",
				      "#!/bin/sh\n\n\n", "#!/usr/bin/env bash\n# x\necho\n" };
	AUTO_BUF struct buf block = BUF_INIT;

	hooktext_block(&example, &block);
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		AUTO_BUF struct buf with = BUF_INIT, without = BUF_INIT;

		hooktext_insert(texts[i], strlen(texts[i]), &block, &with);
		cr_assert(hooktext_find(with.p, NULL));
		cr_assert_eq(strncmp(with.p, "#!", 2), 0);
		hooktext_remove(with.p, with.n, &without);
		cr_assert_str_eq(without.p, texts[i]);
	}
}

Test(hooktext, without_a_whole_block_nothing_is_taken_out)
{
	const char *const texts[] = { "", "#!/bin/sh\n", "#!/bin/sh\n" HOOKTEXT_BEGIN "\n",
				      "#!/bin/sh\n" HOOKTEXT_END "\n" HOOKTEXT_BEGIN "\n",
				      "echo " HOOKTEXT_BEGIN "\n" HOOKTEXT_END "\n" };

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		AUTO_BUF struct buf out = BUF_INIT;

		cr_assert_not(hooktext_find(texts[i], NULL), "%s", texts[i]);
		hooktext_remove(texts[i], strlen(texts[i]), &out);
		cr_assert_str_eq(buf_text(&out), texts[i]);
	}
}

Test(hooktext, a_block_says_whether_the_file_is_its_and_whether_another_follows)
{
	for (int i = 0; i < 4; i++) {
		AUTO_BUF struct buf block = BUF_INIT;
		struct hooktext h = example, found = example;

		h.whole = i & 1;
		h.chained = i >> 1;
		hooktext_block(&h, &block);
		cr_assert(hooktext_find(block.p, &found));
		cr_assert_eq(found.whole, h.whole);
		cr_assert_eq(found.chained, h.chained);
	}
}

/* dash -n reads it, so it is a script whatever the names in it are. */
Test(hooktext, every_block_is_a_script_whatever_is_in_its_paths)
{
	const char *const hooks[] = { "pre-commit", "prepare-commit-msg", "post-commit",
				      "pre-push" };

	for (size_t i = 0; i < 4; i++) {
		AUTO_BUF struct buf block = BUF_INIT;
		FILE *f = popen("sh -n", "w"); /* NOLINT: a fixed text */

		block_of(hooks[i], "/it's \"a\" $(place)/`x`\\", &block);
		cr_assert_not_null(f);
		cr_assert(fputs(block.p, f) >= 0);
		cr_assert_eq(pclose(f), 0, "%s", block.p);
	}
}
