#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include <sqlite3.h>

#include "backend/clean.h"
#include "backend/schema.h"
#include "tests/lib/check.h"

static struct db *db;

static void setup(void)
{
	cr_assert_eq(db_open(":memory:", DB_WRITE, NULL, &db), 0);
	cr_assert_eq(schema_migrate(db), 0);
}

static void teardown(void)
{
	db_close(db);
}

TestSuite(sqlite, .init = setup, .fini = teardown);

/* --- opening --- */

Test(sqlite, reading_what_is_not_there_is_ENOENT)
{
	struct db *no = NULL;

	cr_assert_eq(db_open("/nonexistent/x.db", DB_READ, NULL, &no), -ENOENT);
	cr_assert_eq(db_open("/nonexistent/x.db", DB_WRITE, NULL, &no), -ENOENT);
	cr_assert_null(no);
}

Test(sqlite, a_symbolic_link_is_not_followed)
{
	char dir[] = "/tmp/coordfs-test-XXXXXX", file[64], name[64];
	struct db *no = NULL;

	cr_assert_not_null(mkdtemp(dir));
	(void)snprintf(file, sizeof(file), "%s/a", dir);
	(void)snprintf(name, sizeof(name), "%s/b", dir);
	cr_assert_eq(symlink(file, name), 0);
	cr_assert_neq(db_open(name, DB_WRITE, NULL, &no), 0);
	cr_assert_neq(access(file, F_OK), 0);
	(void)unlink(name);
	(void)rmdir(dir);
}

Test(sqlite, closing_nothing_is_fine)
{
	db_close(NULL);
}

/* --- statements --- */

/* As in the module, which shows its texts to nobody. */
static const char *const texts[] = {
#define SQL(name, text) text,
#include "backend/sql.h"
#undef SQL
};
static const char *const names[] = {
#define SQL(name, text) #name,
#include "backend/sql.h"
#undef SQL
};

static void no_overlaps(sqlite3_context *ctx, int n, sqlite3_value **v)
{
	(void)n;
	(void)v;
	sqlite3_result_int(ctx, 0);
}

Test(sqlite, every_statement_fits_the_schema)
{
	char path[] = "/tmp/coordfs-test-XXXXXX";
	int fd = mkstemp(path);
	sqlite3 *conn = NULL;
	struct db *file = NULL;

	cr_assert_geq(fd, 0);
	(void)close(fd);
	cr_assert_eq(db_open(path, DB_WRITE, NULL, &file), 0);
	cr_assert_eq(schema_migrate(file), 0);
	cr_assert_eq(sqlite3_open(path, &conn), SQLITE_OK);
	cr_assert_eq(sqlite3_create_function(conn, "overlaps", 2, SQLITE_UTF8, NULL, no_overlaps,
					     NULL, NULL),
		     SQLITE_OK);
	for (int i = 0; i < SQL_COUNT; i++) {
		sqlite3_stmt *stmt = NULL;
		const char *rest = NULL;

		cr_expect_eq(sqlite3_prepare_v2(conn, texts[i], -1, &stmt, &rest), SQLITE_OK,
			     "%s: %s", names[i], sqlite3_errmsg(conn));
		cr_expect(!rest || !*rest, "%s: only its first statement is run", names[i]);
		(void)sqlite3_finalize(stmt);
	}
	(void)sqlite3_close(conn);
	db_close(file);
	(void)unlink(path);
}

Test(sqlite, rows_come_one_by_one_and_then_no_more)
{
	struct rows *r;

	cr_assert_eq(db_run(db, Q(META_SET), T("a"), T("1")), 0);
	r = db_rows(db, Q(META), T("a"));
	cr_assert_eq(db_busy_count(db), 1);
	cr_assert_eq(rows_next(r), 1);
	cr_assert_str_eq(rows_text(r, 0), "1");
	cr_assert_eq(rows_bytes(r, 0), 1);
	cr_assert_eq(rows_next(r), 0);
	rows_end(&r);
	cr_assert_null(r);
	cr_assert_eq(db_busy_count(db), 0);
	rows_end(&r);
}

Test(sqlite, a_row_left_early_is_ended)
{
	{
		AUTO_ROWS *r = db_rows(db, Q(USER_VERSION));

		cr_assert_eq(rows_next(r), 1);
	}
	cr_assert_eq(db_busy_count(db), 0);
	cr_assert_eq(db_get(db, -1, Q(USER_VERSION)), schema_newest());
}

Test(sqlite, a_statement_used_within_itself_aborts, .signal = SIGABRT)
{
	(void)db_rows(db, Q(USER_VERSION));
	(void)db_rows(db, Q(USER_VERSION));
}

Test(sqlite, one_value_is_found_or_not)
{
	int64_t n = 7;

	cr_assert_eq(db_int(db, &n, Q(EVENT_LAST)), 0);
	cr_assert_eq(n, 7);
	cr_assert_eq(db_get(db, 5, Q(EVENT_LAST)), 5);
	cr_assert_null(db_text(db, Q(META), T("none")));
	cr_assert_eq(db_run(db, Q(EVENT_ADD), I(INT64_MAX), I(2), I(0), T("{}")), 0);
	cr_assert_eq(db_int(db, &n, Q(EVENT_LAST)), 1);
	cr_assert_eq(n, INT64_MAX);
}

Test(sqlite, text_is_bound_and_never_run)
{
	AUTO_FREE char *got = NULL;
	static const char evil[] = "'); DROP TABLE meta; --";

	cr_assert_eq(db_run(db, Q(META_SET), T("a"), T(evil)), 0);
	got = db_text(db, Q(META), T("a"));
	cr_assert_str_eq(got, evil);
}

Test(sqlite, a_constraint_is_an_error_with_words)
{
	cr_assert_eq(db_run(db, Q(EVENT_ADD), I(1), I(2), I(0), T("{}")), 0);
	cr_assert_neq(db_run(db, Q(EVENT_ADD), I(1), I(2), I(0), T("{}")), 0);
	cr_assert_not_null(strstr(db_message(db), "UNIQUE"), "%s", db_message(db));
}

Test(sqlite, changes_are_counted)
{
	cr_assert_eq(db_run(db, Q(META_SET), T("a"), T("1")), 0);
	cr_assert_eq(db_changes(db), 1);
	cr_assert_eq(db_run(db, Q(META_UNSET), T("none")), 0);
	cr_assert_eq(db_changes(db), 0);
}

Test(sqlite, says_whether_a_transaction_is_open)
{
	cr_assert_eq(db_in_transaction(db), 0);
	cr_assert_eq(db_run(db, Q(BEGIN_WRITE)), 0);
	cr_assert_eq(db_in_transaction(db), 1);
	cr_assert_eq(db_run(db, Q(ROLLBACK)), 0);
	cr_assert_eq(db_in_transaction(db), 0);
}

Test(sqlite, knows_what_overlaps)
{
	cr_assert_eq(db_script(db, "CREATE TABLE r(x); INSERT INTO r VALUES(overlaps(':a', ':a/b') "
				   "+ 10 * overlaps(':a', ':b') + 100 * overlaps(NULL, ':b'))"),
		     0);
	cr_assert_eq(db_script(db, "INSERT INTO events SELECT x, 0, 0, '' FROM r"), 0);
	cr_assert_eq(db_get(db, 0, Q(EVENT_LAST)), 1);
}

Test(sqlite, its_own_check_says_ok)
{
	char *says = NULL;

	cr_assert_eq(db_integrity(db, &says), 0);
	cr_assert_null(says);
}
