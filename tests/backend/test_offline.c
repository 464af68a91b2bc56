#include <stdio.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backend/clean.h"
#include "backend/offline.h"
#include "backend/store_impl.h"
#include "backend/tx.h"
#include "tests/lib/check.h"
#include "tests/lib/oracle.h"

static struct fixture f;
static char copy[320]; /* a second place */

static void setup(void)
{
	fixture_open(&f);
	(void)snprintf(copy, sizeof(copy), "%s/copy.db", f.dir);
}

static void teardown(void)
{
	fixture_close(&f);
}

TestSuite(offline, .init = setup, .fini = teardown);

/* A board on which everything has happened. */
static void some_history(void)
{
	struct oracle o;

	oracle_init(&o, &f, 42);
	for (int i = 0; i < 60; i++)
		cr_assert_eq(oracle_step(&o), 0, "%s", buf_text(&o.says));
	oracle_free(&o);
}

/* --- check --- */

Test(offline, a_sound_store_has_no_findings)
{
	AUTO_BUF struct buf says = BUF_INIT;

	some_history();
	cr_assert_eq(offline_check(f.dir, &says), 0);
	cr_assert_str_empty(buf_text(&says));
}

/* Break one thing behind the rules' back. */
static void assert_found(const char *sql, const char *words)
{
	AUTO_BUF struct buf says = BUF_INIT;

	cr_assert_eq(db_script(f.store->writer, sql), 0, "%s", db_message(f.store->writer));
	cr_assert_gt(offline_check(f.dir, &says), 0);
	cr_assert_not_null(strstr(buf_text(&says), words), "no \"%s\" in: %s", words,
			   buf_text(&says));
}

static void held_and_wanted(void)
{
	(void)fixture_task(&f, "N", NULL);
	(void)fixture_task(&f, "A", "src/a");
	(void)fixture_task(&f, "B", "src");
	(void)fixture_task(&f, "C", "src/a/b");
	assert_ok(fixture_set(&f, "C", "needs", "N"));
	(void)fixture_hold(&f, fixture_session(&f, "s1"), "A");
}

Test(offline, a_wrong_count_of_conflicts_is_found)
{
	held_and_wanted();
	assert_found("UPDATE board SET conflicts = 5 WHERE conflicts = 1", "count of conflicts");
}

Test(offline, a_wrong_count_of_needs_is_found)
{
	held_and_wanted();
	assert_found("UPDATE board SET unmet = 0", "count of unmet needs");
}

Test(offline, a_token_of_no_grant_is_found)
{
	held_and_wanted();
	assert_found("UPDATE board SET token = 999 WHERE token > 0", "no live grant");
}

Test(offline, a_grant_nobody_knows_is_found)
{
	held_and_wanted();
	assert_found("UPDATE board SET token = 0", "does not know them");
}

Test(offline, two_claims_that_overlap_are_found)
{
	held_and_wanted();
	assert_found("INSERT INTO held(stem, task, name) SELECT stem, task, name FROM artifacts"
		     " WHERE name = ':src'",
		     "overlap");
}

Test(offline, an_artifact_in_the_wrong_state_is_found)
{
	held_and_wanted();
	assert_found("UPDATE artifacts SET live = 0 WHERE name = ':src'", "not their task's");
}

Test(offline, what_does_not_follow_from_the_events_is_found_and_named)
{
	held_and_wanted();
	assert_found("UPDATE sessions SET uid = 5", "table sessions does not follow");
}

Test(offline, an_event_that_is_missing_is_found)
{
	held_and_wanted();
	assert_found("DELETE FROM events WHERE seq = 3", "a gap before 4");
}

Test(offline, an_event_that_cannot_be_read_is_found)
{
	held_and_wanted();
	assert_found("UPDATE events SET line = '{' WHERE seq = 3", "event 3 cannot be replayed");
}

Test(offline, an_event_of_an_unknown_kind_is_found)
{
	held_and_wanted();
	assert_found("UPDATE events SET line = json_set(line, '$.event', 'magic') WHERE seq = 3",
		     "event 3 cannot be replayed");
}

Test(offline, a_broken_page_is_found)
{
	AUTO_BUF struct buf says = BUF_INIT;
	AUTO_CLOSE int fd = -1;
	char path[320], junk[512];

	for (int i = 0; i < 40; i++) {
		char name[16];

		(void)snprintf(name, sizeof(name), "t%d", i);
		(void)fixture_task(&f, name, "src/a");
	}
	fixture_stop(&f);
	store_path(f.dir, path, sizeof(path));
	fd = open(path, O_RDWR | O_CLOEXEC);
	memset(junk, 0x5a, sizeof(junk));
	cr_assert_eq(pwrite(fd, junk, sizeof(junk), 4096 * 5), (ssize_t)sizeof(junk));
	cr_assert_neq(offline_check(f.dir, &says), 0);
	cr_assert_gt(says.n, 0, "a finding has words");
}

Test(offline, no_store_is_an_error_with_words)
{
	AUTO_BUF struct buf says = BUF_INIT;

	cr_assert_eq(offline_check("/nonexistent/place", &says), -ENOENT);
	cr_assert_not_null(strstr(buf_text(&says), "/nonexistent/place"));
}

Test(offline, a_newer_store_is_not_checked)
{
	AUTO_BUF struct buf says = BUF_INIT;

	cr_assert_eq(db_script(f.store->writer, "PRAGMA user_version=9999"), 0);
	cr_assert_eq(offline_check(f.dir, &says), -EPROTONOSUPPORT);
	cr_assert_not_null(strstr(buf_text(&says), "newer"));
}

/* --- replay --- */

Test(offline, a_replay_of_random_histories_gives_an_equal_state)
{
	for (uint64_t seed = 100; seed < 104; seed++) {
		AUTO_BUF struct buf says = BUF_INIT;
		struct oracle o;

		fixture_close(&f);
		fixture_open(&f);
		oracle_init(&o, &f, seed);
		for (int i = 0; i < 120; i++)
			cr_assert_eq(oracle_step(&o), 0, "seed %d: %s", (int)seed,
				     buf_text(&o.says));
		oracle_free(&o);
		cr_assert_eq(offline_replay(f.dir, NULL, &says), 0, "seed %d: %s", (int)seed,
			     buf_text(&says));
		cr_assert_not_null(strstr(buf_text(&says), fixture_hash(&f)));
	}
}

Test(offline, a_replay_into_a_file_makes_a_store)
{
	AUTO_BUF struct buf says = BUF_INIT;
	char hash[17], again[17];
	struct db *db = NULL;

	some_history();
	(void)strcpy(hash, fixture_hash(&f));
	cr_assert_eq(offline_replay(f.dir, copy, &says), 0);
	cr_assert_eq(db_open(copy, DB_READ, NULL, &db), 0);
	cr_assert_eq(offline_hash(db, again), 0);
	db_close(db);
	cr_assert_str_eq(again, hash);
}

Test(offline, the_hash_knows_every_part_of_the_state_and_no_renewal)
{
	char before[17];
	int64_t s;

	held_and_wanted();
	s = fixture_session(&f, "s2");
	(void)strcpy(before, fixture_hash(&f));
	assert_ok(commit(&f, CHANGE_RENEW, .as = s, .thing = s));
	cr_assert_str_eq(fixture_hash(&f), before);
	(void)fixture_hold(&f, s, "N");
	cr_assert_str_neq(fixture_hash(&f), before);
	(void)strcpy(before, fixture_hash(&f));
	assert_ok(commit(&f, CHANGE_SET, .of = THING_SESSION, .thing = s, .field = "category",
			 .text = "x", .as = s));
	cr_assert_str_neq(fixture_hash(&f), before);
}

Test(offline, reading_and_checking_change_nothing)
{
	AUTO_BUF struct buf says = BUF_INIT;
	char before[17];

	some_history();
	(void)strcpy(before, fixture_hash(&f));
	(void)offline_check(f.dir, &says);
	(void)offline_replay(f.dir, NULL, &says);
	cr_assert_str_eq(fixture_hash(&f), before);
}

/* --- repair --- */

Test(offline, a_repair_rebuilds_the_tables_from_the_events)
{
	AUTO_BUF struct buf says = BUF_INIT;
	char before[17];

	some_history();
	(void)strcpy(before, fixture_hash(&f));
	cr_assert_eq(db_script(f.store->writer, "UPDATE board SET conflicts = 7, unmet = 3;"
						"DELETE FROM sessions; DELETE FROM attrs"),
		     0);
	fixture_stop(&f);
	cr_assert_eq(offline_repair(f.dir, &says), 0, "%s", buf_text(&says));
	cr_assert_eq(fixture_start(&f), 0);
	cr_assert_str_eq(fixture_hash(&f), before);
	assert_sound(&f);
}

Test(offline, after_a_repair_leases_have_their_full_length)
{
	AUTO_BUF struct buf says = BUF_INIT;
	int64_t token;

	(void)fixture_task(&f, "T", NULL);
	token = fixture_hold(&f, fixture_session(&f, "s1"), "T");
	fixture_stop(&f);
	f.sim.boot += 50 * MINUTE;
	cr_assert_eq(offline_repair(f.dir, &says), 0);
	cr_assert_eq(fixture_start(&f), 0);
	cr_assert_eq(fixture_grant_now(&f, token).expires - f.sim.boot, HOUR);
}

Test(offline, a_store_in_use_is_not_repaired)
{
	AUTO_BUF struct buf says = BUF_INIT;

	cr_assert_eq(offline_repair(f.dir, &says), -EBUSY);
	cr_assert_not_null(strstr(buf_text(&says), "in use"));
}

Test(offline, a_repair_that_cannot_be_changes_nothing)
{
	AUTO_BUF struct buf says = BUF_INIT;
	char before[17];

	held_and_wanted();
	cr_assert_eq(db_script(f.store->writer, "UPDATE events SET line = '{' WHERE seq = 3"), 0);
	(void)strcpy(before, fixture_hash(&f));
	fixture_stop(&f);
	cr_assert_neq(offline_repair(f.dir, &says), 0);
	cr_assert_eq(fixture_start(&f), 0);
	cr_assert_str_eq(fixture_hash(&f), before);
}

/* --- backup --- */

Test(offline, a_copy_is_a_store_whose_tokens_begin_behind_all_of_the_original)
{
	AUTO_BUF struct buf says = BUF_INIT;
	char path[320];
	int64_t before;

	held_and_wanted();
	before = store_seq(f.store);
	cr_assert_eq(offline_backup(f.dir, copy, &says), 0, "%s", buf_text(&says));
	(void)fixture_hold(&f, fixture_session(&f, "s2"), "N"); /* goes on, then is lost */
	fixture_stop(&f);
	store_path(f.dir, path, sizeof(path));
	cr_assert_eq(rename(copy, path), 0);
	cr_assert_eq(fixture_start(&f), 0, "%s", buf_text(&f.says));
	cr_assert_gt(store_seq(f.store), before + 1000000);
	assert_column(&f, "A", COLUMN_CLAIMS);
	assert_sound(&f);
	before = store_seq(f.store);
	cr_assert_eq(fixture_restart(&f), 0);
	cr_assert_eq(store_seq(f.store), before, "it jumps once");
}

Test(offline, a_copy_is_made_of_a_store_in_use_and_overwrites_nothing)
{
	AUTO_BUF struct buf says = BUF_INIT;
	struct stat st;

	some_history();
	cr_assert_eq(offline_backup(f.dir, copy, &says), 0);
	cr_assert_eq(stat(copy, &st), 0);
	cr_assert_eq(st.st_mode & 077, 0, "it is nobody else's");
	cr_assert_eq(offline_backup(f.dir, copy, &says), -EEXIST);
	cr_assert_not_null(strstr(buf_text(&says), "exists"));
}
