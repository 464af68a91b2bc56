#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backend/clean.h"
#include "tests/lib/scanning.h"

int (*scan_between)(json_t *line);

static char dir[] = "/tmp/coordfs-scan-XXXXXX";
static json_t *lines;
static struct buf says, out;

void scan_sh(const char *script)
{
	cr_assert_eq(system(script), 0, "%s", script); /* NOLINT: in our own directory */
}

void scan_setup(void)
{
	AUTO_BUF struct buf path = BUF_INIT;

	if (system("git --version >/dev/null 2>&1") != 0) /* NOLINT: a fixed text */
		cr_skip_test("there is no git");
	cr_assert_not_null(mkdtemp(dir));
	cr_assert_eq(chdir(dir), 0);
	buf_printf(&path, "%s:%s", dir, getenv("PATH"));
	cr_assert_eq(setenv("PATH", buf_text(&path), 1), 0);
	cr_assert_eq(setenv("HOME", dir, 1), 0);
	cr_assert_eq(setenv("GIT_CONFIG_NOSYSTEM", "1", 1), 0);
	scan_sh("git config --global user.name n && git config --global user.email n@example.org &&"
		"git config --global init.defaultBranch main &&"
		"git config --global protocol.file.allow always &&"
		"git config --global advice.detachedHead false &&"
		"printf '#!/bin/sh\\nt=\"$((1700000000 + $1)) +0000\"; shift\\n"
		"GIT_AUTHOR_DATE=$t GIT_COMMITTER_DATE=$t exec \"$@\"\\n' >at && chmod +x at &&"
		"git init -q r");
}

void scan_teardown(void)
{
	json_decref(lines);
	buf_free(&says);
	buf_free(&out);
	scan_sh("chmod -R u+rwX . && rm -rf \"$HOME\"");
}

static int keep(json_t *line, void *arg)
{
	(void)arg;
	cr_assert_eq(json_array_append(lines, line), 0);
	return scan_between ? scan_between(line) : 0;
}

int scan_with(const struct git_scan_options *o)
{
	int err;

	json_decref(lines);
	lines = json_array();
	buf_clear(&says);
	err = git_scan(o, keep, NULL, &says);
	cr_assert_eq(err<0, says.n> 0, "%d: %s", err, buf_text(&says));
	cr_assert_null(strchr(buf_text(&says), '\n'));
	return err;
}

int scan_path(const char *path)
{
	return scan_with(&(struct git_scan_options){ .path = path });
}

const char *scan_says(void)
{
	return buf_text(&says);
}

json_t *scan_first(void)
{
	return json_array_get(lines, 0);
}

json_t *scan_end(void)
{
	json_t *last = json_array_get(lines, json_array_size(lines) - 1);

	cr_assert(json_is_true(json_object_get(last, "end")), "%s", scan_says());
	return last;
}

size_t scan_commits(void)
{
	size_t n = json_array_size(lines) - 2;

	cr_assert_eq(json_integer_value(json_object_get(scan_end(), "commits")), n);
	return n;
}

const char *scan_text(const json_t *object, const char *key)
{
	const char *s = json_string_value(json_object_get(object, key));

	return s ? s : "null";
}

json_t *scan_commit(const char *subject)
{
	json_t *e;
	size_t i;

	json_array_foreach(lines, i, e)
		if (strcmp(scan_text(e, "subject"), subject) == 0)
			return e;
	cr_assert_fail("there is no commit %s: %s", subject, scan_says());
	return NULL;
}

const char *scan_order(void)
{
	json_t *e;
	size_t i;

	buf_free(&out);
	json_array_foreach(lines, i, e)
		if (json_object_get(e, "commit"))
			buf_printf(&out, "%s%s", out.n ? " " : "", scan_text(e, "subject"));
	return buf_text(&out);
}

const char *scan_paths(const char *subject)
{
	json_t *e;
	size_t i;

	buf_free(&out);
	json_array_foreach(json_object_get(scan_commit(subject), "paths"), i, e)
		buf_printf(&out, "%s%s %s", i ? ", " : "", json_string_value(json_array_get(e, 0)),
			   json_string_value(json_array_get(e, 1)));
	return buf_text(&out);
}
