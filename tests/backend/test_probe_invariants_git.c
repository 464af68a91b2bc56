/* The probe on real repositories: what it asks for, answered by git_look itself. */
#include <criterion/criterion.h>
#include <time.h>
#include <unistd.h>

#include "backend/git.h"
#include "backend/probe_kinds.h"
#include "backend/tx.h"
#include "tests/lib/check.h"

static struct fixture f;
static int64_t probe;
static char dir[] = "/tmp/coordfs-invariants-XXXXXX";
static struct probe_said said;

static void sh(const char *script)
{
	cr_assert_eq(system(script), 0, "%s", script); /* NOLINT: in our own directory */
}

static void setup(void)
{
	if (system("git --version >/dev/null 2>&1") != 0) /* NOLINT: a fixed text */
		cr_skip_test("there is no git");
	fixture_open(&f);
	f.sim.wall = (int64_t)time(NULL) * 1000 + HOUR; /* all was done an hour ago */
	probe = commit(&f, CHANGE_ADD, .of = THING_PROBE, .name = "invariants", .owner = 1).id;
	cr_assert_not_null(mkdtemp(dir));
	cr_assert_eq(chdir(dir), 0);
	cr_assert_eq(setenv("HOME", dir, 1), 0);
	cr_assert_eq(setenv("GIT_CONFIG_NOSYSTEM", "1", 1), 0);
	sh("git config --global user.name n && git config --global user.email n@example.org &&"
	   "git init -q web && cd web && mkdir src && echo a >src/a.c && echo b >b && git add . &&"
	   "git commit -qm one");
}

static void teardown(void)
{
	fixture_close(&f);
	sh("rm -rf \"$HOME\"");
}

TestSuite(probe_invariants_git, .init = setup, .fini = teardown);

static void registered(const char *name, const char *below)
{
	int64_t id = commit(&f, CHANGE_ADD, .of = THING_REPO, .name = name, .owner = 1).id;
	char path[256];

	(void)snprintf(path, sizeof(path), "%s/%s", dir, below);
	assert_ok(commit(&f, CHANGE_SET, .of = THING_REPO, .thing = id, .field = "path",
			 .text = path, .owner = 1));
}

/* What `coordfs inspect PATH` comes to. */
static json_t *inspect(const char *path)
{
	struct buf says = BUF_INIT;
	json_t *found, *p;
	char *output;

	if (git_look(path, &found, &says)) {
		p = json_pack("{s:[s], s:i, s:s, s:s+}", "argv", "coordfs", "status", 3, "output",
			      "", "errors", "coordfs inspect: ", buf_text(&says));
		buf_free(&says);
		return p;
	}
	output = json_dumps(found, 0);
	p = json_pack("{s:[s], s:i, s:s, s:s}", "argv", "coordfs", "status", 0, "output", output,
		      "errors", "");
	free(output);
	json_decref(found);
	return p;
}

static const char *judged(void)
{
	struct probe_look l = {
		NULL, &f.sim.world, probe, f.sim.wall, json_object(), json_array()
	};
	json_t *programs = json_array(), *ask;
	size_t i;

	cr_assert_eq(store_read_begin(f.store), 0);
	l.db = store_reader(f.store);
	cr_assert_eq(probe_invariants.look(&l), 0);
	store_read_end(f.store);
	json_array_foreach(l.asked, i, ask)
		(void)json_array_append_new(programs, inspect(json_string_value(json_array_get(
							      json_object_get(ask, "argv"), 3))));
	(void)json_object_set_new(l.inputs, "programs", programs);
	probe_invariants.judge(l.inputs, &said);
	json_decref(l.inputs);
	json_decref(l.asked);
	return probe_words[said.answer];
}

static int64_t working(const char *session)
{
	int64_t s = fixture_session(&f, session);

	(void)fixture_idea(&f, "t", NULL);
	assert_ok(fixture_set(&f, "t", "repo", "web"));
	assert_ok(fixture_set(&f, "t", "artifacts", "src"));
	assert_ok(commit(&f, CHANGE_PUBLISH, .name = "t", .owner = 1));
	(void)fixture_hold(&f, s, "t");
	return s;
}

Test(probe_invariants_git, a_clean_repository_is_dry)
{
	registered("web", "web");
	cr_expect_str_eq(judged(), "dry");
	cr_expect_str_eq(said.detail, "1 repository is clean");
}

Test(probe_invariants_git, a_change_is_fine_while_claimed_then_the_ended_sessions_then_gone)
{
	int64_t s = working("s1");

	registered("web", "web");
	sh("echo more >>web/src/a.c");
	cr_expect_str_eq(judged(), "dry");
	cr_expect_str_eq(said.detail, "1 claimed change in 1 repository");
	assert_ok(commit(&f, CHANGE_END, .as = s, .thing = s));
	cr_expect_str_eq(judged(), "supply");
	cr_expect_str_eq(said.detail, "web: uncommitted changes of ended session s1: src/a.c");
	sh("git -C web commit -qam two");
	cr_expect_str_eq(judged(), "dry");
}

Test(probe_invariants_git, a_change_that_nobody_claimed_is_supply)
{
	(void)working("s1");
	registered("web", "web");
	sh("echo more >>web/b && touch web/new");
	cr_expect_str_eq(judged(), "supply");
	cr_expect_str_eq(said.detail, "web: modified without a claim: b and 1 more");
}

Test(probe_invariants_git, a_change_of_just_now_is_waited_for)
{
	registered("web", "web");
	sh("echo more >>web/b");
	f.sim.wall -= HOUR;
	cr_expect_str_eq(judged(), "dry");
	cr_expect_str_eq(said.detail, "1 path changed a moment ago in 1 repository");
}

Test(probe_invariants_git, a_lock_is_stale_once_its_git_is_gone)
{
	registered("web", "web");
	sh("touch web/.git/index.lock");
	f.sim.oldest = f.sim.wall - 2 * HOUR;
	cr_expect_str_eq(judged(), "dry");
	f.sim.oldest = 0;
	cr_expect_str_eq(judged(), "supply");
	cr_expect_not_null(strstr(said.detail, "web: stale index.lock"), "%s", said.detail);
	sh("rm web/.git/index.lock");
	cr_expect_str_eq(judged(), "dry");
}

Test(probe_invariants_git, a_repository_that_cannot_be_read_is_unknown)
{
	registered("web", "web");
	registered("gone", "gone");
	cr_expect_str_eq(judged(), "unknown");
	cr_expect_not_null(strstr(said.detail, "No such file or directory"), "%s", said.detail);
	sh("truncate -s 40 web/.git/index && git clone -q --bare web gone 2>/dev/null");
	cr_expect_str_eq(judged(), "unknown");
	cr_expect_not_null(strstr(said.detail, "invalid data in index"), "%s", said.detail);
}
