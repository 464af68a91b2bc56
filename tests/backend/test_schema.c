#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backend/clean.h"
#include "backend/schema.h"
#include "tests/lib/check.h"

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
