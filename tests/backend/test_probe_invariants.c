#include <errno.h>

#include <criterion/criterion.h>

#include "backend/probe_kinds.h"
#include "backend/text.h"
#include "backend/tx.h"
#include "tests/lib/check.h"

#define NOW INT64_C(1782894000000)
#define OLD (NOW - HOUR)

/* --- judge, on inputs written by hand --- */

static json_t *in;

static void inputs(void)
{
	in = json_pack("{s:[], s:[], s:[], s:[], s:n, s:I, s:I, s:I}", "repositories", "held",
		       "ended", "programs", "git", "now", (json_int_t)NOW, "grace",
		       (json_int_t)MINUTE, "lock-age", (json_int_t)(10 * MINUTE));
	cr_assert_not_null(in);
}

static void no_inputs(void)
{
	json_decref(in);
}

TestSuite(probe_invariants_judge, .init = inputs, .fini = no_inputs);

static void put(const char *list, json_t *v)
{
	cr_assert_eq(json_array_append_new(json_object_get(in, list), v), 0);
}

/* A repository, and how the program went that looked at it. */
static void program(const char *name, json_t *p)
{
	put("repositories", json_pack("{s:s, s:s}", "name", name, "path", "/r"));
	cr_assert_eq(json_object_set_new(p, "argv", json_pack("[s]", "coordfs")), 0);
	put("programs", p);
}

static json_t *one_change(const char *path, int64_t mtime)
{
	return json_pack("{s:s, s:s, s:I}", "path", path, "status", "modified", "mtime",
			 (json_int_t)mtime);
}

/* A repository in which PATHS, a NULL behind them, were modified at MTIME. */
static void repository(const char *name, int64_t mtime, int more, int64_t lock,
		       const char *const *paths)
{
	json_t *changed = json_array(), *v;
	char *output;

	for (; *paths; paths++)
		cr_assert_eq(json_array_append_new(changed, one_change(*paths, mtime)), 0);
	v = json_pack("{s:o, s:i, s:o}", "changed", changed, "more", more, "lock",
		      lock ? json_pack("{s:I}", "mtime", (json_int_t)lock) : json_null());
	output = json_dumps(v, 0);
	json_decref(v);
	program(name, json_pack("{s:i, s:s, s:s}", "status", 0, "output", output, "errors", ""));
	free(output);
}

#define PATHS(...) ((const char *const[]){ __VA_ARGS__, NULL })
#define NO_PATHS ((const char *const[]){ NULL })

static void says(enum probe_answer answer, const char *detail)
{
	struct probe_said said = { .answer = PROBE_DRY, .filed = 7, .detail = "nothing" };

	probe_invariants.judge(in, &said);
	cr_expect_eq(said.answer, answer, "%s: %s", probe_words[said.answer], said.detail);
	cr_expect_str_eq(said.detail, detail);
	cr_expect_eq(said.filed, 0);
}

static void held(const char *artifact)
{
	put("held", json_pack("[s, s, s, i]", artifact, "s1", "T1", 0));
}

static void ended(const char *artifact, const char *session, int64_t when)
{
	put("ended", json_pack("[s, s, s, I]", artifact, session, "T0", (json_int_t)when));
}

Test(probe_invariants_judge, without_repositories_it_is_dry_and_says_so)
{
	says(PROBE_DRY, "no repositories are registered");
}

Test(probe_invariants_judge, clean_repositories_are_dry)
{
	repository("web", 0, 0, 0, NO_PATHS);
	says(PROBE_DRY, "1 repository is clean");
	repository("api", 0, 0, 0, NO_PATHS);
	says(PROBE_DRY, "2 repositories are clean");
}

Test(probe_invariants_judge, what_a_live_claim_covers_is_fine)
{
	repository("web", OLD, 0, 0, PATHS("src/a.c", "doc/x.md"));
	held("web:src");
	held("web:doc/*.md");
	says(PROBE_DRY, "2 claimed changes in 1 repository");
}

Test(probe_invariants_judge, a_claim_in_another_repository_covers_nothing)
{
	repository("web", OLD, 0, 0, PATHS("src/a.c"));
	held("api:src");
	held(":src");
	says(PROBE_SUPPLY, "web: modified without a claim: src/a.c");
}

Test(probe_invariants_judge, a_change_after_a_live_and_before_an_ended_claim_is_the_live_ones)
{
	repository("web", OLD, 0, 0, PATHS("src/a.c"));
	held("web:src");
	ended("web:src", "s0", NOW);
	says(PROBE_DRY, "1 claimed change in 1 repository");
}

Test(probe_invariants_judge, an_ended_sessions_changes_are_named_with_it)
{
	repository("web", OLD, 0, 0, PATHS("a", "lib/b", "src/a.c", "src/b.c", "src/live"));
	held("web:src/live");
	ended("web:src", "s7", OLD + MINUTE);
	ended("web:src/b.c", "s6", OLD + MINUTE);
	says(PROBE_SUPPLY, "web: uncommitted changes of ended session s7: src/a.c and 3 more");
}

Test(probe_invariants_judge, a_change_made_after_the_session_ended_is_not_its_own)
{
	repository("web", OLD, 0, 0, PATHS("src/a.c"));
	ended("web:src", "s7", OLD - MINUTE);
	says(PROBE_SUPPLY, "web: modified without a claim: src/a.c");
}

Test(probe_invariants_judge, a_deleted_file_has_no_time_and_counts)
{
	repository("web", 0, 0, 0, PATHS("src/a.c"));
	ended("web:src", "s7", OLD);
	says(PROBE_SUPPLY, "web: uncommitted changes of ended session s7: src/a.c");
}

Test(probe_invariants_judge, a_change_of_a_moment_ago_is_not_yet_counted_but_told)
{
	repository("web", NOW - MINUTE + 1, 0, 0, PATHS("a"));
	says(PROBE_DRY, "1 path changed a moment ago in 1 repository");
	held("web:x");
	repository("api", OLD, 0, 0, NO_PATHS);
	repository("cli", NOW + MINUTE - 1, 0, 0, PATHS("b", "c"));
	says(PROBE_DRY, "3 paths changed a moment ago in 3 repositories");
	held("cli:b");
	says(PROBE_DRY, "1 claimed change; 2 paths changed a moment ago in 3 repositories");
}

Test(probe_invariants_judge, beyond_the_grace_a_change_counts)
{
	repository("web", NOW - MINUTE, 0, 0, PATHS("a"));
	says(PROBE_SUPPLY, "web: modified without a claim: a");
}

Test(probe_invariants_judge, without_a_grace_every_change_counts)
{
	repository("web", NOW, 0, 0, PATHS("a"));
	(void)json_object_set_new(in, "grace", json_integer(0));
	says(PROBE_SUPPLY, "web: modified without a claim: a");
}

Test(probe_invariants_judge, a_time_far_ahead_is_no_moment_ago)
{
	repository("web", NOW + DAY, 0, 0, PATHS("a"));
	says(PROBE_SUPPLY, "web: modified without a claim: a");
}

Test(probe_invariants_judge, an_old_lock_without_a_git_is_stale)
{
	repository("web", 0, 0, NOW - 42 * MINUTE, NO_PATHS);
	says(PROBE_SUPPLY, "web: stale index.lock, 42m old");
	(void)json_object_set_new(in, "git", json_integer(NOW - MINUTE));
	says(PROBE_SUPPLY, "web: stale index.lock, 42m old");
}

Test(probe_invariants_judge, a_lock_that_a_running_git_may_have_made_is_not)
{
	repository("web", 0, 0, NOW - 42 * MINUTE, NO_PATHS);
	(void)json_object_set_new(in, "git", json_integer(NOW - 43 * MINUTE));
	says(PROBE_DRY, "1 repository is clean");
	(void)json_object_set_new(in, "git", json_integer(NOW - 42 * MINUTE + 5));
	says(PROBE_DRY, "1 repository is clean");
}

Test(probe_invariants_judge, a_young_lock_is_somebodys)
{
	repository("web", 0, 0, NOW - 10 * MINUTE, NO_PATHS);
	says(PROBE_DRY, "1 repository is clean");
	(void)json_object_set_new(in, "git", json_string("EACCES"));
	says(PROBE_DRY, "1 repository is clean");
}

Test(probe_invariants_judge, where_processes_cannot_be_seen_an_old_lock_is_unknown)
{
	repository("web", 0, 0, NOW - 42 * MINUTE, NO_PATHS);
	(void)json_object_set_new(in, "git", json_string("EACCES"));
	says(PROBE_UNKNOWN, "web: whether git still needs its index.lock: EACCES");
}

Test(probe_invariants_judge, both_findings_of_a_repository_and_that_there_are_others_are_told)
{
	repository("web", OLD, 0, NOW - HOUR, PATHS("a", "b"));
	repository("api", OLD, 0, 0, PATHS("c"));
	repository("cli", OLD, 0, 0, NO_PATHS);
	says(PROBE_SUPPLY, "web: modified without a claim: a and 1 more; stale index.lock, 1h old"
			   "; and 1 more of the repositories");
}

Test(probe_invariants_judge, what_could_not_be_looked_at_is_unknown_with_the_reason)
{
	repository("api", OLD, 0, 0, NO_PATHS);
	program("web", json_pack("{s:i, s:s, s:s}", "status", 3, "output", "", "errors",
				 "coordfs inspect: /r/d: Permission denied"));
	says(PROBE_UNKNOWN, "web: /r/d: Permission denied");
}

Test(probe_invariants_judge, each_way_to_fail_is_unknown)
{
	static const char *const hows[][2] = {
		{ "{\"failed\": \"time-out\"}", "web: coordfs: time-out" },
		{ "{\"signal\": 11}", "web: coordfs: killed by signal 11" },
		{ "{\"status\": 0, \"output\": \"hello\", \"errors\": \"\"}",
		  "web: coordfs inspect printed what is no answer" },
		{ "{\"status\": 0, \"output\": \"\", \"errors\": \"\"}",
		  "web: coordfs inspect printed what is no answer" },
		{ "{\"status\": 0, \"output\": \"{}\", \"errors\": \"\"}",
		  "web: coordfs inspect printed what is no answer" },
		{ "{\"status\": 3, \"output\": \"{\\\"changed\\\": []}\", \"errors\": \"\"}",
		  "web: exit status 3" },
	};

	for (size_t i = 0; i < sizeof(hows) / sizeof(hows[0]); i++) {
		no_inputs();
		inputs();
		program("web", json_loads(hows[i][0], 0, NULL));
		says(PROBE_UNKNOWN, hows[i][1]);
	}
	(void)json_array_clear(json_object_get(in, "programs"));
	says(PROBE_UNKNOWN, "web: was not run");
}

Test(probe_invariants_judge, a_repository_without_a_path_is_unknown_and_shifts_no_other)
{
	put("repositories", json_pack("{s:s, s:n}", "name", "web", "path"));
	repository("api", OLD, 0, 0, NO_PATHS);
	says(PROBE_UNKNOWN, "web: its path is not set");
	repository("cli", OLD, 0, 0, PATHS("a"));
	says(PROBE_SUPPLY, "cli: modified without a claim: a; unknown: web: its path is not set");
}

Test(probe_invariants_judge, supply_wins_and_says_what_is_unknown_as_well)
{
	program("web", json_pack("{s:s}", "failed", "time-out"));
	repository("api", OLD, 0, 0, PATHS("c"));
	says(PROBE_SUPPLY, "api: modified without a claim: c; unknown: web: coordfs: time-out");
}

Test(probe_invariants_judge, several_unknowns_are_counted)
{
	program("web", json_pack("{s:s}", "failed", "time-out"));
	program("api", json_pack("{s:s}", "failed", "time-out"));
	says(PROBE_UNKNOWN, "web: coordfs: time-out; and 1 more");
}

Test(probe_invariants_judge, changes_that_were_not_listed_are_never_taken_for_claimed)
{
	repository("web", OLD, 5, 0, PATHS("src/a.c"));
	held("web:src");
	says(PROBE_UNKNOWN, "web: 5 changes more than are listed");
}

Test(probe_invariants_judge, a_long_name_is_cut_between_characters)
{
	char path[300] = "";
	struct probe_said said;

	for (int i = 0; i < 100; i++)
		(void)strcat(path, i == 0 ? "x" : "\xc3\xa4");
	repository("web", OLD, 0, 0, PATHS(path, "z"));
	probe_invariants.judge(in, &said);
	cr_expect_eq(utf8_check(said.detail, strlen(said.detail)), 0);
	cr_expect_null(strchr(said.detail, '?'), "%s", said.detail);
	cr_expect_not_null(strstr(said.detail, "... and 1 more"), "%s", said.detail);
}

Test(probe_invariants_judge, claims_that_are_not_understood_are_unknown)
{
	repository("web", OLD, 0, 0, PATHS("a"));
	held("web:../a");
	says(PROBE_UNKNOWN, "could not be judged: EINVAL");
}

Test(probe_invariants_judge, inputs_of_nothing_are_unknown)
{
	says(PROBE_DRY, "no repositories are registered");
	(void)json_object_clear(in);
	says(PROBE_UNKNOWN, "the repositories could not be read");
}

/* --- look, at a store --- */

static struct fixture f;
static int64_t probe;
static struct probe_look l;

static void setup(void)
{
	fixture_open(&f);
	probe = commit(&f, CHANGE_ADD, .of = THING_PROBE, .name = "invariants", .owner = 1).id;
}

static void teardown(void)
{
	json_decref(l.inputs);
	json_decref(l.asked);
	fixture_close(&f);
}

TestSuite(probe_invariants_look, .init = setup, .fini = teardown);

static void look(void)
{
	json_decref(l.inputs);
	json_decref(l.asked);
	cr_assert_eq(store_read_begin(f.store), 0);
	l = (struct probe_look){ store_reader(f.store), &f.sim.world, probe, f.sim.wall,
				 json_object(),		json_array() };
	cr_assert_eq(probe_invariants.look(&l), 0);
	cr_assert_eq(db_busy_count(l.db), 0);
	store_read_end(f.store);
}

/* The list KEY of the inputs, compact. */
static void has(const char *key, const char *want)
{
	char *text = json_dumps(json_object_get(l.inputs, key),
				JSON_COMPACT | JSON_ENCODE_ANY | JSON_SORT_KEYS);

	cr_expect_str_eq(text, want, "%s", key);
	free(text);
}

static void registered(const char *name, const char *path)
{
	int64_t id = commit(&f, CHANGE_ADD, .of = THING_REPO, .name = name, .owner = 1).id;

	cr_assert_gt(id, 0);
	if (path)
		assert_ok(commit(&f, CHANGE_SET, .of = THING_REPO, .thing = id, .field = "path",
				 .text = path, .owner = 1));
}

/* A task of a repository. */
static void task(const char *name, const char *repo, const char *artifacts)
{
	(void)fixture_idea(&f, name, NULL);
	assert_ok(fixture_set(&f, name, "repo", repo));
	assert_ok(fixture_set(&f, name, "artifacts", artifacts));
	assert_ok(commit(&f, CHANGE_PUBLISH, .name = name, .owner = 1));
}

Test(probe_invariants_look, without_repositories_nothing_is_asked)
{
	look();
	has("repositories", "[]");
	cr_expect_eq(json_array_size(l.asked), 0);
}

Test(probe_invariants_look, each_repository_is_inspected_as_its_owner)
{
	const json_t *ask;

	registered("web", "/srv/my web");
	registered("new", NULL);
	registered("api", "/srv/api");
	look();
	has("repositories", "[{\"name\":\"api\",\"path\":\"/srv/api\"},{\"name\":\"new\","
			    "\"path\":null},{\"name\":\"web\",\"path\":\"/srv/my web\"}]");
	cr_assert_eq(json_array_size(l.asked), 2);
	ask = json_array_get(l.asked, 1);
	cr_expect_eq(event_int(ask, "flags"), PROBE_SELF | PROBE_OWNER);
	cr_expect_str_eq(json_string_value(json_array_get(json_object_get(ask, "argv"), 1)),
			 "inspect");
	cr_expect_str_eq(json_string_value(json_array_get(json_object_get(ask, "argv"), 3)),
			 "/srv/my web");
}

Test(probe_invariants_look, its_settings_are_inputs)
{
	registered("web", "/srv/web");
	f.sim.oldest = NOW - MINUTE;
	look();
	has("grace", "60000");
	has("lock-age", "600000");
	cr_expect_eq(event_int(l.inputs, "git"), NOW - MINUTE);
	cr_expect_eq(event_int(l.inputs, "now"), f.sim.wall);
	assert_ok(commit(&f, CHANGE_SET, .of = THING_PROBE, .thing = probe, .field = "grace",
			 .text = "0s", .owner = 1));
	assert_ok(commit(&f, CHANGE_SET, .of = THING_PROBE, .thing = probe, .field = "lock-age",
			 .text = "2h", .owner = 1));
	f.sim.oldest = 0;
	look();
	has("grace", "0");
	has("lock-age", "7200000");
	has("git", "null");
	f.sim.oldest_err = -EACCES;
	look();
	has("git", "\"EACCES\"");
}

Test(probe_invariants_look, live_claims_of_registered_repositories_are_inputs)
{
	int64_t s = fixture_session(&f, "s1");

	registered("web", "/srv/web");
	task("t1", "web", "src/a.c\nlib");
	task("t2", "webb", "src/a.c");
	task("t3", "web", "doc");
	(void)fixture_hold(&f, s, "t1");
	(void)fixture_hold(&f, s, "t2");
	look();
	has("held", "[[\"web:lib\",\"s1\",\"t1\",0],[\"web:src/a.c\",\"s1\",\"t1\",0]]");
	has("ended", "[]");
}

Test(probe_invariants_look, claims_of_ended_sessions_are_inputs_for_a_week)
{
	int64_t s = fixture_session(&f, "s1"), other = fixture_session(&f, "s2");
	char want[160];

	registered("web", "/srv/web");
	task("t1", "web", "src/a.c");
	task("t2", "web", "src/b.c");
	(void)fixture_hold(&f, s, "t1");
	(void)fixture_hold(&f, other, "t2");
	assert_ok(fixture_finish(&f, other, "t2"));
	assert_ok(commit(&f, CHANGE_END, .as = s, .thing = s));
	look();
	has("held", "[]");
	(void)snprintf(want, sizeof(want), "[[\"web:src/a.c\",\"s1\",\"t1\",%lld]]",
		       (long long)f.sim.wall);
	has("ended", want);
	f.sim.wall += 7 * DAY + 1;
	look();
	has("ended", "[]");
}

Test(probe_invariants_look, of_two_sessions_with_one_artifact_the_last_counts)
{
	registered("web", "/srv/web");
	task("t1", "web", "src/a.c");
	for (int i = 1; i <= 2; i++) {
		char name[8];
		int64_t s;

		(void)snprintf(name, sizeof(name), "s%d", i);
		s = fixture_session(&f, name);
		(void)fixture_hold(&f, s, "t1");
		assert_ok(commit(&f, CHANGE_END, .as = s, .thing = s));
	}
	look();
	cr_assert_eq(json_array_size(json_object_get(l.inputs, "ended")), 1);
	cr_expect_str_eq(json_string_value(json_array_get(
				 json_array_get(json_object_get(l.inputs, "ended"), 0), 1)),
			 "s2");
}

Test(probe_invariants_look, what_was_looked_at_can_be_judged)
{
	struct probe_said said;

	registered("web", "/srv/web");
	look();
	json_object_set_new(l.inputs, "programs", json_pack("[{s:s}]", "failed", "time-out"));
	probe_invariants.judge(l.inputs, &said);
	cr_expect_eq(said.answer, PROBE_UNKNOWN);
}
