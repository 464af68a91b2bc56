/* Tools that only read, run in a plain directory that looks like a mount. */
#include <criterion/criterion.h>
#include <criterion/redirect.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backend/clean.h"
#include "tools/mnt.h"
#include "tools/tool.h"

extern const struct tool tool_guard, tool_verify, tool_import, tool_run, tool_export;

#define ARGS 10

static char dir[] = "/tmp/coordfs-tools-XXXXXX";

static void put(const char *path, const char *text)
{
	FILE *f = fopen(path, "we");

	cr_assert_not_null(f, "%s", path);
	cr_assert(fputs(text, f) >= 0);
	cr_assert_eq(fclose(f), 0);
}

static void setup(void)
{
	cr_redirect_stdout();
	cr_redirect_stderr();
	cr_assert_not_null(mkdtemp(dir));
	cr_assert_eq(chdir(dir), 0);
	cr_assert_eq(setenv("COORD_MOUNT", dir, 1), 0);
	mnt_plain = 1;
	for (const char *const *d = (const char *const[]){ "claims", "done", "tasks", NULL }; *d;
	     d++)
		cr_assert_eq(mkdir(*d, 0755), 0);
	put("README", "coordfs\n");
	put("whoami", "session s1\nhow path\n");
	put("artifacts", "src/a.c T1 s2 2026-01-01T00:00:00Z\n"
			 "my docs/b c.md T2 s3 2026-01-01T00:00:00Z\n"
			 "repo:src/*.c T3 s2 2026-01-01T00:00:00Z\n"
			 "own/x T4 s1 2026-01-01T00:00:00Z\n"
			 "lock T5 - 2026-01-01T00:00:00Z\n");
	put("claims/T1", "task T1\nsession s2\ntoken 7\nexpires 2026-01-01T00:00:00Z\n");
	put("done/T2", "task T2\nsession s2\ntoken 5\nfinished 2026-01-01T00:00:00Z\n");
	put("done/T3", "task T3\nsession -\ntoken -\nfinished 2026-01-01T00:00:00Z\n");
}

static void teardown(void)
{
	char command[64];

	(void)snprintf(command, sizeof(command), "rm -rf %s", dir);
	cr_assert_eq(system(command), 0); /* NOLINT: our own directory */
}

/* Run T with ARGV..., NULL: its exit status. */
static int run(const struct tool *t, const char *const *args)
{
	char *argv[ARGS + 1] = { NULL };
	int argc = 1, status;

	argv[0] = strdup(t->name);
	for (; args[argc - 1]; argc++)
		argv[argc] = strdup(args[argc - 1]);
	optind = 0;
	status = t->run(argc, argv);
	for (int i = 0; i < argc; i++)
		free(argv[i]);
	return status;
}

#define RUN(t, ...) run(&(t), (const char *const[]){ __VA_ARGS__, NULL })

TestSuite(tools, .init = setup, .fini = teardown);

Test(tools, guard_knows_what_others_hold)
{
	cr_assert_eq(RUN(tool_guard, "--check", "src/b.c"), TOOL_YES);
	cr_assert_eq(RUN(tool_guard, "--check", "src/a.c"), TOOL_NO);
	cr_assert_eq(RUN(tool_guard, "--check", "src"), TOOL_NO);
	cr_assert_eq(RUN(tool_guard, "--check", "x", "src/a.c", "y"), TOOL_NO);
	cr_assert_eq(RUN(tool_guard, "--check", "lock"), TOOL_NO);
}

Test(tools, guard_prints_who_holds_it_until_when)
{
	cr_assert_eq(RUN(tool_guard, "--check", "my docs/b c.md"), TOOL_NO);
	(void)fflush(stdout);
	cr_assert_stdout_eq_str("my docs/b c.md held by T2 (session s3) until "
				"2026-01-01T00:00:00Z\n");
}

Test(tools, guard_lets_a_session_have_its_own)
{
	cr_assert_eq(RUN(tool_guard, "--check", "own/x/y"), TOOL_YES);
	put("whoami", "session -\n");
	cr_assert_eq(RUN(tool_guard, "--check", "own/x/y"), TOOL_NO);
	cr_assert_eq(RUN(tool_guard, "--check", "lock"), TOOL_NO);
}

Test(tools, guard_tells_repositories_apart)
{
	cr_assert_eq(RUN(tool_guard, "--repo", "repo", "--check", "src/a.c"), TOOL_NO);
	cr_assert_eq(RUN(tool_guard, "--repo", "repo", "--check", "src/a.h"), TOOL_YES);
	cr_assert_eq(RUN(tool_guard, "--repo", "other", "--check", "src/a.c"), TOOL_YES);
	cr_assert_eq(RUN(tool_guard, "--check", "repo:src/z.c"), TOOL_NO);
}

/* What the mount says of where a repository is counts; where it says nothing, `path` is looked at. */
Test(tools, guard_finds_a_repository_by_what_the_mount_says_of_it)
{
	AUTO_BUF struct buf path = BUF_INIT, line = BUF_INIT;

	if (system("git init -q w 2>/dev/null") != 0) /* NOLINT: in our own directory */
		cr_skip_test("there is no git");
	put("artifacts", "x:src T9 s9 2026-01-01T00:00:00Z\n");
	buf_printf(&path, "%s/w/src/a.c", dir);
	cr_assert_eq(mkdir("repos", 0755), 0);
	cr_assert_eq(RUN(tool_guard, "--check", buf_text(&path)), TOOL_USAGE);
	cr_assert_eq(mkdir("repos/x", 0755), 0);
	buf_printf(&line, "%s/w/.git\n", dir);
	put("repos/x/gitdir", buf_text(&line));
	cr_assert_eq(RUN(tool_guard, "--check", buf_text(&path)), TOOL_NO);
	put("repos/x/gitdir", "-\n");
	cr_assert_eq(RUN(tool_guard, "--check", buf_text(&path)), TOOL_USAGE);
	buf_clear(&line);
	buf_printf(&line, "%s/w\n", dir);
	put("repos/x/path", buf_text(&line));
	cr_assert_eq(RUN(tool_guard, "--check", buf_text(&path)), TOOL_NO);
}

Test(tools, guard_takes_names_literally)
{
	cr_assert_eq(RUN(tool_guard, "--check", "sr?/a.c"), TOOL_YES);
	cr_assert_eq(RUN(tool_guard, "--repo", "repo", "--check", "src/*.c"), TOOL_NO);
	cr_assert_eq(RUN(tool_guard, "--repo", "repo", "--check", "src/[.c"), TOOL_NO);
}

Test(tools, guard_refuses_what_is_no_artifact)
{
	cr_assert_eq(RUN(tool_guard, "--check", "../x"), TOOL_USAGE);
	cr_assert_eq(RUN(tool_guard, "--check", "src/a.c", ""), TOOL_USAGE);
	cr_assert_eq(RUN(tool_guard, "--check", "/abs"), TOOL_USAGE);
	cr_assert_eq(RUN(tool_guard, "--check"), TOOL_USAGE);
	cr_assert_eq(RUN(tool_guard, "src/a.c"), TOOL_USAGE);
	cr_assert_eq(RUN(tool_guard, "--install", "x"), TOOL_USAGE);
}

Test(tools, guard_cannot_tell_without_artifacts_or_mount)
{
	cr_assert_eq(unlink("artifacts"), 0);
	cr_assert_eq(RUN(tool_guard, "--check", "x"), TOOL_CANNOT_TELL);
	put("artifacts", "cut off\n");
	cr_assert_eq(RUN(tool_guard, "--check", "x"), TOOL_CANNOT_TELL);
	cr_assert_eq(RUN(tool_guard, "--mount", "/nowhere", "--check", "x"), TOOL_CANNOT_TELL);
	mnt_plain = 0;
	cr_assert_eq(RUN(tool_guard, "--check", "x"), TOOL_CANNOT_TELL);
}

Test(tools, verify_accepts_the_live_and_the_finishing_token)
{
	cr_assert_eq(RUN(tool_verify, "T1", "7"), TOOL_YES);
	cr_assert_eq(RUN(tool_verify, "T2", "5"), TOOL_YES);
}

Test(tools, verify_refuses_stale_tokens)
{
	cr_assert_eq(RUN(tool_verify, "T1", "6"), TOOL_NO);
	cr_assert_eq(RUN(tool_verify, "T2", "4"), TOOL_NO);
	cr_assert_eq(RUN(tool_verify, "T3", "4"), TOOL_NO);
	cr_assert_eq(RUN(tool_verify, "T9", "4"), TOOL_NO);
}

Test(tools, verify_wants_a_task_and_a_token)
{
	cr_assert_eq(RUN(tool_verify, "T1"), TOOL_USAGE);
	cr_assert_eq(RUN(tool_verify, "T1", "x"), TOOL_USAGE);
	cr_assert_eq(RUN(tool_verify, "T1", "0"), TOOL_USAGE);
	cr_assert_eq(RUN(tool_verify, "a/b", "1"), TOOL_USAGE);
	cr_assert_eq(RUN(tool_verify, "T1", "7", "x"), TOOL_USAGE);
}

Test(tools, verify_cannot_tell_without_the_mount)
{
	cr_assert_eq(RUN(tool_verify, "--mount", "/nowhere", "T1", "7"), TOOL_CANNOT_TELL);
	cr_assert_eq(unlink("README"), 0);
	cr_assert_eq(RUN(tool_verify, "T1", "7"), TOOL_CANNOT_TELL);
}

Test(tools, run_does_not_start_the_command_without_the_mount)
{
	cr_assert_eq(RUN(tool_run, "--mount", "/nowhere", "--", "touch", "started"),
		     TOOL_CANNOT_TELL);
	cr_assert_neq(access("started", F_OK), 0);
	cr_assert_eq(RUN(tool_run, "--"), TOOL_USAGE);
	cr_assert_eq(RUN(tool_run, "--session", "a/b", "true"), TOOL_USAGE);
}

Test(tools, a_dry_import_reports_bad_lines_and_needs_no_mount)
{
	put("in", "{\"id\":\"a\"}\n\nbad\n{\"id\":\"t\",\"status\":\"tombstone\"}\n");
	cr_assert_eq(RUN(tool_import, "--mount", "/nowhere", "--dry-run", "in"), TOOL_NO);
	(void)fflush(stdout);
	cr_assert_stdout_eq_str("would import 1, skipped 1 tombstone, bad lines 1\n");
}

Test(tools, export_without_a_mount_cannot_tell)
{
	cr_assert_eq(RUN(tool_export, "--mount", "/nowhere"), TOOL_CANNOT_TELL);
	cr_assert_eq(RUN(tool_export, "extra"), TOOL_USAGE);
	cr_assert_eq(RUN(tool_export, "--format", "csv"), TOOL_USAGE);
}
