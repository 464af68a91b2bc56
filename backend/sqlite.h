/*
 * sqlite: the database under the store, and the only module that knows
 * SQLite. Statements are named (backend/sql.h holds their text); values are
 * bound, never printed in.
 *
 * A database handle belongs to one thread at a time.
 */
#ifndef BACKEND_SQLITE_H
#define BACKEND_SQLITE_H

#include <stddef.h>
#include <stdint.h>

struct db;
struct rows;

enum sql {
#define SQL(name, text) SQL_##name,
#include "backend/sql.h"
#undef SQL
	SQL_COUNT
};

enum db_mode {
	DB_WRITE, /* the one connection that writes and checkpoints; creates */
	DB_READ,  /* reads alone; the file must be there */
};

/* One bound value; made with Q, I and T below. */
struct bind {
	char type; /* 'q' statement, 'i' integer, 't' text, 0 end */
	int64_t i;
	const char *t;
};
#define Q(name)                              \
	{                                    \
		.type = 'q', .i = SQL_##name \
	}
#define I(value)                                   \
	{                                          \
		.type = 'i', .i = (int64_t)(value) \
	}
#define T(value)                          \
	{                                 \
		.type = 't', .t = (value) \
	}
#define BINDS(...)                \
	(const struct bind[])     \
	{                         \
		__VA_ARGS__,      \
		{                 \
			.type = 0 \
		}                 \
	}

/*
 * Open PATH. VFS names an SQLite VFS, NULL the default. The caller closes.
 * -EIO, -ENOMEM, -ENOENT (DB_READ of nothing), -ENOTUNIQ (not our file).
 */
int db_open(const char *path, enum db_mode mode, const char *vfs, struct db **out);
void db_close(struct db *db);

/* What a database says of itself. */
struct db_about {
	int64_t version;     /* PRAGMA user_version */
	int64_t application; /* PRAGMA application_id */
	int64_t tables;	     /* tables and indexes; not counted where an application is named */
};

/*
 * Look at PATH and change no byte of it, nor of a log beside it. 1 and *OUT;
 * 0: nothing is there (or an empty file); -ENOTUNIQ: no database; -errno.
 */
int db_look(const char *path, const char *vfs, struct db_about *out);

/* Run TEXT, one or several statements without values (schema, pragmas). */
int db_script(struct db *db, const char *text);

/*
 * Start a named statement: db_rows(db, Q(TASK_BY_NAME), T(name)). Never NULL;
 * an error is what the first rows_next answers. Owned by the handle; end it
 * with rows_end (or AUTO_ROWS) before the request is answered.
 */
#define db_rows(db, ...) db_rows_bound(db, BINDS(__VA_ARGS__))
struct rows *db_rows_bound(struct db *db, const struct bind *binds);

/* 1: a row is there. 0: no more. -errno. */
int rows_next(struct rows *r);
int64_t rows_int(struct rows *r, int col);
/* Of a column that is REAL. */
double rows_real(struct rows *r, int col);
/* Valid until the next rows_next; never NULL ("" for NULL). */
const char *rows_text(struct rows *r, int col);
size_t rows_bytes(struct rows *r, int col);
void rows_end(struct rows **r);
#define AUTO_ROWS __attribute__((cleanup(rows_end))) struct rows

/* Run a named statement to its end. 0 or -errno. */
#define db_run(db, ...) db_run_bound(db, BINDS(__VA_ARGS__))
int db_run_bound(struct db *db, const struct bind *binds);

/* First column of the first row into *OUT. 1 found, 0 none, -errno. */
#define db_int(db, out, ...) db_int_bound(db, out, BINDS(__VA_ARGS__))
int db_int_bound(struct db *db, int64_t *out, const struct bind *binds);

/* The same as a value: DFLT when there is no row (or no database). */
#define db_get(db, dflt, ...) db_get_bound(db, dflt, BINDS(__VA_ARGS__))
int64_t db_get_bound(struct db *db, int64_t dflt, const struct bind *binds);

/* First column of the first row as text, to be freed; NULL: none, or db_error. */
#define db_text(db, ...) db_text_bound(db, BINDS(__VA_ARGS__))
char *db_text_bound(struct db *db, const struct bind *binds);

/*
 * What failed first since the last BEGIN; 0: nothing. Once something has,
 * every statement answers it, until a ROLLBACK or the next BEGIN: so nobody
 * takes what could not be read for absent, and a COMMIT commits all or fails.
 */
int db_error(const struct db *db);
/* Rows the last statement changed. */
int64_t db_changes(struct db *db);
/* 1 while a transaction is open on the handle. */
int db_in_transaction(struct db *db);
/* Statements started and not ended; 0 between requests. */
int db_busy_count(const struct db *db);
/* What the last failed call said, for the log. */
const char *db_message(struct db *db);

/* Move the log into the database, so that its file is used from the start again. */
int db_checkpoint(struct db *db);
/* Write a whole consistent copy to PATH, which must not exist. */
int db_copy(struct db *db, const char *path);
/* SQLite's own check: 0 good; -EBADMSG and its words, to be freed, in *SAYS. */
int db_integrity(struct db *db, char **says);

#endif
