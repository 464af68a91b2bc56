#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <sqlite3.h>

#include "backend/clean.h"
#include "backend/overlap.h"
#include "backend/sqlite.h"

struct rows {
	struct db *db;
	sqlite3_stmt *stmt;
	int busy;
	int err; /* what binding or preparing said */
};

struct db {
	sqlite3 *conn;
	int busy;
	int err; /* what failed since the last BEGIN: nothing more is run until the next */
	struct rows rows[SQL_COUNT];
};

static const char *const sql_text[SQL_COUNT] = {
#define SQL(name, text) [SQL_##name] = text,
#include "backend/sql.h"
#undef SQL
};

/* The one translation of SQLite's results. */
static int db_errno(int rc)
{
	switch (rc & 0xff) {
	case SQLITE_OK:
	case SQLITE_ROW:
	case SQLITE_DONE:
		return 0;
	case SQLITE_NOMEM:
		return -ENOMEM;
	case SQLITE_FULL:
		return -ENOSPC;
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		return -EBUSY;
	case SQLITE_CANTOPEN:
		return -ENOENT;
	case SQLITE_NOTADB:
		return -ENOTUNIQ;
	case SQLITE_TOOBIG:
		return -E2BIG;
	case SQLITE_READONLY:
		return -EROFS;
	case SQLITE_CORRUPT:
		return -EBADMSG;
	default:
		return -EIO;
	}
}

/* What the last call that failed on the log said; 0: none did. */
static int log_errno(struct db *db)
{
	sqlite3_file *log = NULL;
	int err = 0;

	(void)sqlite3_file_control(db->conn, "main", SQLITE_FCNTL_JOURNAL_POINTER, &log);
	if (log && log->pMethods)
		(void)log->pMethods->xFileControl(log, SQLITE_FCNTL_LAST_ERRNO, &err);
	return err;
}

/* SQLite knows a full disk; not an exhausted quota, nor want of room for its shared memory. */
static int db_result(struct db *db, int rc)
{
	int full = rc == SQLITE_IOERR_SHMSIZE ||
		   (rc == SQLITE_IOERR_WRITE && log_errno(db) == EDQUOT);

	return full ? -ENOSPC : db_errno(rc);
}

/* overlaps(name, name): do two canonical artifacts overlap. */
static void sql_overlaps(sqlite3_context *ctx, int n, sqlite3_value **v)
{
	const char *a = (const char *)sqlite3_value_text(v[0]);
	const char *b = (const char *)sqlite3_value_text(v[1]);

	(void)n;
	sqlite3_result_int(ctx, a && b && artifact_overlap(a, b));
}

static const char *const pragmas[] = {
	[DB_WRITE] = "PRAGMA synchronous=FULL;"
		     "PRAGMA wal_autocheckpoint=1000; PRAGMA journal_size_limit=8388608;"
		     "PRAGMA trusted_schema=OFF; PRAGMA cell_size_check=ON;"
		     "PRAGMA temp_store=MEMORY; PRAGMA mmap_size=0; PRAGMA cache_size=-65536;",
	[DB_READ] = "PRAGMA query_only=ON; PRAGMA trusted_schema=OFF;"
		    "PRAGMA temp_store=MEMORY; PRAGMA mmap_size=0; PRAGMA cache_size=-65536;",
};

static int db_prepare_connection(struct db *db, enum db_mode mode)
{
	int flags = SQLITE_UTF8 | SQLITE_DETERMINISTIC | SQLITE_INNOCUOUS;
	int rc;

	(void)sqlite3_busy_timeout(db->conn, 2000);
	(void)sqlite3_extended_result_codes(db->conn, 1);
	(void)sqlite3_db_config(db->conn, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
	(void)sqlite3_limit(db->conn, SQLITE_LIMIT_ATTACHED, 1);
	rc = sqlite3_create_function(db->conn, "overlaps", 2, flags, NULL, sql_overlaps, NULL,
				     NULL);
	return rc ? db_errno(rc) : db_script(db, pragmas[mode]);
}

int db_open(const char *path, enum db_mode mode, const char *vfs, struct db **out)
{
	int flags = SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_NOFOLLOW;
	struct db *db = calloc(1, sizeof(*db));
	int err;

	if (!db)
		return -ENOMEM;
	flags |= mode == DB_WRITE ? SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE :
				    SQLITE_OPEN_READONLY;
	(void)sqlite3_config(SQLITE_CONFIG_MEMSTATUS,
			     0); /* nobody asks; before the first use alone */
	err = db_errno(sqlite3_open_v2(path, &db->conn, flags, vfs));
	if (!err)
		err = db_prepare_connection(db, mode);
	if (err) {
		db_close(db);
		return err;
	}
	*out = db;
	return 0;
}

void db_close(struct db *db)
{
	if (!db)
		return;
	for (int i = 0; i < SQL_COUNT; i++)
		(void)sqlite3_finalize(db->rows[i].stmt);
	(void)sqlite3_close(db->conn);
	free(db);
}

/* --- a look from outside --- */

static const char magic[16] = "SQLite format 3";

static int64_t big_endian(const unsigned char *p)
{
	return (int64_t)p[0] << 24 | (int64_t)p[1] << 16 | (int64_t)p[2] << 8 | (int64_t)p[3];
}

/* The first page's own words: nobody has to open it for that. */
static int look_at_header(const char *path, struct db_about *out)
{
	AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	unsigned char page[100];
	ssize_t n = fd < 0 ? -1 : pread(fd, page, sizeof(page), 0);

	if (n < 0)
		return errno == ENOENT ? 0 : -errno;
	if (!n)
		return 0;
	if (n < (ssize_t)sizeof(page) || memcmp(page, magic, sizeof(magic)) != 0)
		return -ENOTUNIQ;
	out->version = big_endian(page + 60);
	out->application = big_endian(page + 68);
	return 1;
}

/* Has a writer that died left something beside it? */
static int has_log(const char *path)
{
	char wal[4200];
	struct stat st;

	(void)snprintf(wal, sizeof(wal), "%s-wal", path);
	return stat(wal, &st) == 0 && st.st_size > 0;
}

/* Did it die while it made the database? The journal knows how many pages there were. */
static int is_half_made(const char *path)
{
	char journal[4200];
	unsigned char head[20];
	AUTO_CLOSE int fd = -1;

	(void)snprintf(journal, sizeof(journal), "%s-journal", path);
	fd = open(journal, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	return fd >= 0 && pread(fd, head, sizeof(head), 0) == (ssize_t)sizeof(head) &&
	       big_endian(head + 16) <= 1;
}

/* What the header cannot tell is asked through a connection that reads alone. */
static int look_inside(const char *path, const char *vfs, struct db_about *out)
{
	struct db *db = NULL;
	int got = db_open(path, DB_READ, vfs, &db);

	if (got)
		return got;
	got = db_int(db, &out->version, Q(USER_VERSION));
	if (got > 0)
		got = db_int(db, &out->application, Q(APPLICATION_ID));
	if (got > 0 && !out->application)
		got = db_int(db, &out->tables, Q(COUNT_TABLES));
	db_close(db);
	return got;
}

int db_look(const char *path, const char *vfs, struct db_about *out)
{
	struct db_about seen = { .version = 0 };
	int got = look_at_header(path, &seen);

	if (got > 0 && (has_log(path) || (!seen.application && !seen.version)))
		got = look_inside(path, vfs, &seen);
	if (got == -EROFS && is_half_made(path))
		got = 1;
	if (got > 0)
		*out = seen;
	return got;
}

int db_script(struct db *db, const char *text)
{
	return db_result(db, sqlite3_exec(db->conn, text, NULL, NULL, NULL));
}

/*
 * The first failure sticks. SQLite may have rolled everything back, and what
 * is run next would stand alone, committed by itself.
 */
static int db_fail(struct db *db, int err)
{
	if (!db->err)
		db->err = err;
	return err;
}

int db_error(const struct db *db)
{
	return db->err;
}

static int rows_prepare(struct rows *r, enum sql id)
{
	if (r->stmt)
		return 0;
	return db_errno(sqlite3_prepare_v3(r->db->conn, sql_text[id], -1, SQLITE_PREPARE_PERSISTENT,
					   &r->stmt, NULL));
}

static int rows_bind(struct rows *r, const struct bind *b)
{
	int rc = SQLITE_OK;

	for (int i = 1; b->type && rc == SQLITE_OK; i++, b++) {
		if (b->type == 'i')
			rc = sqlite3_bind_int64(r->stmt, i, b->i);
		else
			rc = sqlite3_bind_text(r->stmt, i, b->t, -1, SQLITE_STATIC);
	}
	return db_errno(rc);
}

/*
 * A transaction begins anew, or what failed is rolled back. Want of memory may
 * have kept the last one from its ROLLBACK.
 */
static void db_refresh(struct db *db, enum sql id)
{
	int begins = id == SQL_BEGIN_READ || id == SQL_BEGIN_WRITE;

	if (begins && db->err && db_in_transaction(db))
		(void)sqlite3_exec(db->conn, "ROLLBACK", NULL, NULL, NULL);
	if (begins || id == SQL_ROLLBACK)
		db->err = 0;
}

struct rows *db_rows_bound(struct db *db, const struct bind *binds)
{
	struct rows *r;

	assert(db);
	r = &db->rows[binds->i];
	if (r->busy)
		abort(); /* a named statement is not reentrant: our bug */
	r->db = db;
	r->busy = 1;
	db->busy++;
	db_refresh(db, (enum sql)binds->i);
	r->err = db->err;
	if (!r->err)
		r->err = db_fail(db, rows_prepare(r, (enum sql)binds->i));
	if (!r->err)
		r->err = db_fail(db, rows_bind(r, binds + 1));
	return r;
}

int rows_next(struct rows *r)
{
	int rc;

	if (r->err)
		return r->err;
	rc = sqlite3_step(r->stmt);
	if (rc == SQLITE_ROW)
		return 1;
	r->err = db_fail(r->db, rc == SQLITE_DONE ? 0 : db_result(r->db, rc));
	return r->err;
}

int64_t rows_int(struct rows *r, int col)
{
	return sqlite3_column_int64(r->stmt, col);
}

double rows_real(struct rows *r, int col)
{
	return sqlite3_column_double(r->stmt, col);
}

const char *rows_text(struct rows *r, int col)
{
	const char *s = (const char *)sqlite3_column_text(r->stmt, col);

	if (!s && sqlite3_column_type(r->stmt, col) != SQLITE_NULL)
		(void)db_fail(r->db, -ENOMEM);
	return s ? s : "";
}

size_t rows_bytes(struct rows *r, int col)
{
	return (size_t)sqlite3_column_bytes(r->stmt, col);
}

void rows_end(struct rows **rp)
{
	struct rows *r = *rp;

	if (!r || !r->busy)
		return;
	if (r->stmt) {
		(void)sqlite3_reset(r->stmt);
		(void)sqlite3_clear_bindings(r->stmt);
	}
	r->busy = 0;
	r->db->busy--;
	*rp = NULL;
}

int db_run_bound(struct db *db, const struct bind *binds)
{
	AUTO_ROWS *r = db_rows_bound(db, binds);
	int got;

	while ((got = rows_next(r)) > 0)
		;
	return got;
}

int db_int_bound(struct db *db, int64_t *out, const struct bind *binds)
{
	AUTO_ROWS *r = db_rows_bound(db, binds);
	int got = rows_next(r);

	if (got > 0)
		*out = rows_int(r, 0);
	return got;
}

int64_t db_get_bound(struct db *db, int64_t dflt, const struct bind *binds)
{
	int64_t value = dflt;

	(void)db_int_bound(db, &value, binds);
	return value;
}

char *db_text_bound(struct db *db, const struct bind *binds)
{
	AUTO_ROWS *r = db_rows_bound(db, binds);
	char *text;

	if (rows_next(r) <= 0)
		return NULL;
	text = strdup(rows_text(r, 0));
	if (!text)
		(void)db_fail(db, -ENOMEM);
	return text;
}

int64_t db_changes(struct db *db)
{
	return sqlite3_changes64(db->conn);
}

int db_in_transaction(struct db *db)
{
	return !sqlite3_get_autocommit(db->conn);
}

int db_busy_count(const struct db *db)
{
	return db->busy;
}

const char *db_message(struct db *db)
{
	return sqlite3_errmsg(db->conn);
}

/* query_only would forbid the copy too; a reader's file is opened read-only all the same. */
int db_checkpoint(struct db *db)
{
	return db_result(db, sqlite3_wal_checkpoint_v2(db->conn, NULL, SQLITE_CHECKPOINT_RESTART,
						       NULL, NULL));
}

int db_copy(struct db *db, const char *path)
{
	int err = db_script(db, "PRAGMA query_only=OFF");

	return err ? err : db_run(db, Q(COPY), T(path));
}

int db_integrity(struct db *db, char **says)
{
	char *text = db_text(db, Q(INTEGRITY));

	if (!text)
		return -EIO;
	if (strcmp(text, "ok") == 0) {
		free(text);
		return 0;
	}
	*says = text;
	return -EBADMSG;
}
