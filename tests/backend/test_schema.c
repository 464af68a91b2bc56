#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backend/clean.h"
#include "backend/schema.h"
#include "tests/lib/check.h"
#include "tests/lib/observing.h"
#include "tests/lib/observing.h"

static struct fixture f;
static char path[320];

static void setup(void)
{
	fixture_open(&f);
	store_path(f.dir, path, sizeof(path));
}

static void teardown(void)
{
	fixture_close(&f);
}

TestSuite(schema, .init = setup, .fini = teardown);

static struct db *memory(void)
{
	struct db *db = NULL;

	cr_assert_eq(db_open(":memory:", DB_WRITE, NULL, &db), 0);
	return db;
}

Test(schema, an_empty_database_becomes_the_newest)
{
	struct db *db = memory();

	cr_assert_eq(schema_migrate(db), 0);
	cr_assert_eq(db_get(db, -1, Q(USER_VERSION)), schema_newest());
	cr_assert_eq(db_get(db, -1, Q(APPLICATION_ID)), SCHEMA_APPLICATION_ID);
	db_close(db);
}

Test(schema, migrating_again_does_nothing)
{
	struct db *db = memory();
	int64_t tables;

	cr_assert_eq(schema_migrate(db), 0);
	tables = db_get(db, -1, Q(COUNT_TABLES));
	cr_assert_eq(schema_migrate(db), 0);
	cr_assert_eq(db_get(db, -1, Q(COUNT_TABLES)), tables);
	db_close(db);
}

Test(schema, clearing_leaves_no_row_behind)
{
	struct db *db = memory();

	cr_assert_eq(schema_migrate(db), 0);
	cr_assert_eq(db_script(db, "INSERT INTO meta VALUES('a', 'b');"
				   "INSERT INTO idle VALUES(1, 2);"
				   "INSERT INTO held VALUES('a', 1, 'b');"
				   "INSERT INTO members VALUES(1, 2, 'b', 3);"),
		     0);
	cr_assert_eq(schema_clear(db), 0);
	cr_assert_eq(db_get(db, 0, Q(MEMBERS_ANY)), 0);
	cr_assert_null(db_text(db, Q(META), T("a")));
	cr_assert_eq(db_get(db, 0, Q(IDLE_NEXT)), 0);
	db_close(db);
}

/* --- what is not ours --- */

/* The bytes of a file, to be freed. */
static char *slurp(const char *name, size_t *n)
{
	AUTO_CLOSE int fd = open(name, O_RDONLY | O_CLOEXEC);
	struct stat st;
	char *text;

	cr_assert_geq(fd, 0, "%s", name);
	cr_assert_eq(fstat(fd, &st), 0);
	*n = (size_t)st.st_size;
	text = malloc(*n + 1);
	cr_assert_eq(read(fd, text, *n), (ssize_t)*n);
	return text;
}

static void assert_refused_untouched(int err, const char *words)
{
	AUTO_FREE char *before = NULL, *after = NULL;
	size_t n, m;

	before = slurp(path, &n);
	cr_assert_eq(fixture_start(&f), err, "%s", buf_text(&f.says));
	cr_assert_not_null(strstr(buf_text(&f.says), words), "%s", buf_text(&f.says));
	after = slurp(path, &m);
	cr_assert_eq(n, m);
	cr_assert_arr_eq(before, after, n);
}

static void run_on_file(const char *sql)
{
	struct db *db = NULL;

	cr_assert_eq(db_open(path, DB_WRITE, NULL, &db), 0);
	cr_assert_eq(db_script(db, sql), 0);
	db_close(db);
}

Test(schema, a_newer_store_is_refused_and_not_touched)
{
	(void)fixture_task(&f, "T", "a");
	fixture_stop(&f);
	run_on_file("PRAGMA user_version=9999");
	assert_refused_untouched(-EPROTONOSUPPORT, "newer");
}

Test(schema, another_programs_database_is_refused_and_not_touched)
{
	fixture_stop(&f);
	cr_assert_eq(unlink(path), 0);
	run_on_file("PRAGMA journal_mode=DELETE; CREATE TABLE theirs(x)");
	assert_refused_untouched(-ENOTUNIQ, "not a store");
}

Test(schema, a_file_that_is_no_database_is_refused_and_not_touched)
{
	AUTO_CLOSE int fd = -1;
	char text[4096];

	fixture_stop(&f);
	cr_assert_eq(unlink(path), 0);
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	memset(text, 'x', sizeof(text));
	cr_assert_eq(write(fd, text, sizeof(text)), (ssize_t)sizeof(text));
	assert_refused_untouched(-ENOTUNIQ, "not a store");
}

/* --- older ones --- */

/* What version 9 made. */
#define DROP_9                                                               \
	"DROP TABLE titles; DROP TABLE title_words; DROP TABLE duplicates;"  \
	"DROP INDEX artifacts_name; ALTER TABLE board DROP COLUMN reopened;" \
	"ALTER TABLE board DROP COLUMN unblocked; ALTER TABLE board DROP COLUMN done_at;"
/* What version 10 made. */
#define DROP_LESSONS                                                        \
	"DROP TABLE contexts; DROP TABLE context_sums; DROP TABLE firings;" \
	"DROP TABLE effects; DROP TABLE lessons; DROP TABLE keywords;"

/* The store as version 3 had it: without what came since. */
static void become_version_3(void)
{
	run_on_file(
		DROP_LESSONS
		"DROP TABLE tags; DROP TABLE marks; DROP TABLE rewards; DROP TABLE arms; DROP TABLE picks;"
		"DROP INDEX board_next; DROP INDEX board_family; ALTER TABLE board DROP COLUMN let_go; ALTER TABLE board DROP COLUMN family; ALTER TABLE board DROP COLUMN worth; ALTER TABLE board DROP COLUMN offer;"
		"ALTER TABLE board DROP COLUMN lane; ALTER TABLE grants DROP COLUMN lane;"
		"DROP TABLE actions; DROP TABLE action_log;" DROP_9
		"DROP TABLE journal; DROP TABLE lines; DROP TABLE refusals; DROP TABLE grades; DROP TABLE reverts;"
		"DROP TABLE days; DROP TABLE messages; DROP INDEX grants_session;"
		"ALTER TABLE board DROP COLUMN value; ALTER TABLE grants DROP COLUMN worth;"
		"ALTER TABLE grants DROP COLUMN chosen; ALTER TABLE grants DROP COLUMN unblocks;"
		"DROP TABLE commits; DROP TABLE commit_paths; DROP TABLE commit_holders;"
		"DROP TABLE bases; DROP TABLE incidents; DROP TABLE incident_commits;"
		"ALTER TABLE sessions DROP COLUMN told; DROP INDEX grants_ended;"
		"PRAGMA user_version=3");
}

/* The event by which the session's why was set. */
static int64_t told_at(int64_t session)
{
	int64_t seq;

	cr_assert_eq(store_read_begin(f.store), 0);
	seq = db_get(store_reader(f.store), -1, Q(SESSION_TOLD_AT), I(session));
	store_read_end(f.store);
	return seq;
}

Test(schema, a_store_of_version_3_becomes_the_newest_and_is_sound)
{
	int64_t s1 = fixture_session(&f, "s1"), s2 = fixture_session(&f, "s2");
	int64_t s3 = fixture_session(&f, "s3"), first;

	(void)fixture_task(&f, "T", "a");
	(void)fixture_hold(&f, s1, "T");
	assert_refused(fixture_claim(&f, s2, "T"), EBUSY, "held");
	first = fixture_seq(&f, "refused");
	fixture_pass(&f, MINUTE);
	assert_refused(fixture_claim(&f, s3, "T"), EBUSY, "held");
	fixture_pass(&f, MINUTE);
	assert_refused(fixture_claim(&f, s3, "T"), EBUSY, "held");
	fixture_stop(&f);
	become_version_3();
	cr_assert_eq(fixture_start(&f), 0, "%s", buf_text(&f.says));
	assert_sound(&f);
	cr_assert_eq(told_at(s1), 0);
	cr_assert_eq(told_at(s2), first);
	cr_assert_eq(told_at(s3), fixture_seq(&f, "refused"));
	cr_assert_gt(told_at(s3), first);
	assert_ok(fixture_finish(&f, s1, "T"));
	assert_sound(&f);
}

Test(schema, what_the_mount_has_to_say_of_older_events_is_in_the_mailboxes)
{
	int64_t s1 = fixture_session(&f, "s1"), s2 = fixture_session(&f, "s2");
	int64_t repo;
	char broken[64];

	(void)fixture_task(&f, "T", NULL);
	(void)fixture_hold(&f, s1, "T");
	assert_ok(commit(&f, CHANGE_HANDOVER, .as = s1, .name = "T", .text = "s2"));
	(void)snprintf(broken, sizeof(broken), "T %lld x",
		       (long long)fixture_task_now(&f, "T").token);
	assert_ok(commit(&f, CHANGE_BREAK, .text = broken, .operator_ = 1));
	repo = observing_repo(&f, "r");
	assert_ok(
		observe(&f, repo, .commit = "a", .session = "s1", .patch = "p", .paths = "M x b"));
	fixture_pass(&f, 20 * SECOND);
	assert_ok(
		observe(&f, repo, .commit = "b", .session = "s2", .patch = "p", .paths = "M x b"));
	cr_assert_eq(fixture_count(&f, "incident"), 1);
	assert_ok(fixture_control(&f, "freshness", "warn"));
	(void)fixture_task(&f, "U", "r:x");
	(void)fixture_hold(&f, s1, "U");
	cr_assert_eq(fixture_count(&f, "warned"), 1);
	for (int i = 0; i < 248; i++) /* with the others more than are kept */
		assert_ok(commit(&f, CHANGE_GRADE, .thing = s2, .as = s1, .field = "harm",
				 .text = "0.5 x\n"));
	assert_ok(commit(&f, CHANGE_GRADE, .thing = s1, .as = s2, .field = "harm",
			 .text = "0.5 x\n"));
	assert_ok(commit(&f, CHANGE_END, .as = s1, .thing = s1));
	assert_ok(commit(&f, CHANGE_GRADE, .thing = s1, .as = s2, .field = "harm",
			 .text = "0.4 nobody hears it\n"));
	fixture_stop(&f);
	run_on_file(DROP_LESSONS DROP_9 "DROP TABLE messages; PRAGMA user_version=7");
	cr_assert_eq(fixture_start(&f), 0, "%s", buf_text(&f.says));
	assert_sound(&f);
}

Test(schema, a_store_of_version_8_becomes_the_newest_and_is_sound)
{
	int64_t s1 = fixture_session(&f, "s1");

	(void)fixture_task(&f, "T", "a");
	assert_ok(fixture_set(&f, "T", "title", "Fix the fix of a login"));
	(void)fixture_task(&f, "gone", NULL);
	assert_ok(fixture_set(&f, "gone", "title", "nothing"));
	assert_ok(commit(&f, CHANGE_CANCEL, .name = "gone", .operator_ = 1));
	(void)fixture_task(&f, "U", NULL);
	assert_ok(fixture_set(&f, "U", "needs", "T"));
	(void)fixture_hold(&f, s1, "T");
	assert_ok(fixture_finish(&f, s1, "T"));
	assert_ok(commit(&f, CHANGE_REOPEN, .name = "T"));
	assert_ok(commit(
		&f, CHANGE_IMPORT, .operator_ = 1,
		.text = "{\"task\":\"old\",\"state\":\"done\",\"done\":\"2020-01-01T00:00:00Z\"}"));
	fixture_stop(&f);
	run_on_file(DROP_LESSONS DROP_9 "PRAGMA user_version=8");
	cr_assert_eq(fixture_start(&f), 0, "%s", buf_text(&f.says));
	assert_sound(&f);
}

Test(schema, a_lesson_that_was_active_in_version_9_is_given)
{
	struct outcome o = commit(&f, CHANGE_ADD, .of = THING_LESSON, .name = "l");
	int64_t s1 = fixture_session(&f, "s1");
	json_t *e;

	assert_ok(o);
	assert_ok(commit(&f, CHANGE_SET, .of = THING_LESSON, .thing = o.id, .field = "status",
			 .text = "active"));
	assert_ok(commit(&f, CHANGE_SET, .of = THING_LESSON, .thing = o.id, .field = "keywords",
			 .text = "alpha"));
	fixture_stop(&f);
	run_on_file(DROP_LESSONS "PRAGMA user_version=9");
	cr_assert_eq(fixture_start(&f), 0, "%s", buf_text(&f.says));
	assert_sound(&f);
	assert_ok(commit(&f, CHANGE_SET, .of = THING_SESSION, .thing = s1, .as = s1,
			 .field = "context", .text = "alpha"));
	e = fixture_event(&f, "context");
	cr_assert_eq(json_array_size(json_object_get(e, "fired")), 1);
	json_decref(e);
	assert_sound(&f);
}

Test(schema, an_empty_store_of_version_3_becomes_the_newest)
{
	fixture_stop(&f);
	become_version_3();
	cr_assert_eq(fixture_start(&f), 0, "%s", buf_text(&f.says));
	assert_sound(&f);
}

Test(schema, a_session_of_version_3_claims_from_what_is_seen_since)
{
	int64_t repo, s1 = fixture_session(&f, "s1");

	(void)fixture_task(&f, "T", "r:a");
	repo = observing_new_repo(&f, "r");
	fixture_stop(&f);
	become_version_3();
	cr_assert_eq(fixture_start(&f), 0, "%s", buf_text(&f.says));
	assert_ok(observe(&f, repo, .commit = "a", .session = "s2", .paths = "M a"));
	assert_ok(observing_done(&f, repo, "a"));
	assert_ok(fixture_claim(&f, s1, "T"));
	assert_ok(fixture_release(&f, s1, "T"));
	assert_ok(observe(&f, repo, .commit = "b", .session = "s2", .paths = "M a"));
	assert_refused(fixture_claim(&f, s1, "T"), ESTALE, "after the base");
	assert_ok(commit(&f, CHANGE_BASE, .as = s1, .thing = s1));
	assert_ok(fixture_claim(&f, s1, "T"));
	assert_sound(&f);
}
