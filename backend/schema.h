/*
 * schema: the tables of the store and how an older store becomes today's.
 * The version is SQLite's user_version; each step runs in one transaction.
 */
#ifndef BACKEND_SCHEMA_H
#define BACKEND_SCHEMA_H

struct db;

#define SCHEMA_APPLICATION_ID 0x636f6f72 /* "coor" */

/*
 * Is the database at PATH a store this program can use? Looks and touches
 * nothing. 1 yes; 0 nothing is there; -EPROTONOSUPPORT: it is newer than this
 * program; -ENOTUNIQ: not a store of ours; -errno.
 */
int schema_look(const char *path, const char *vfs);
/* Bring DB to the newest version. 0 or -errno, those of schema_look too. */
int schema_migrate(struct db *db);
/* The version this program writes. */
int schema_newest(void);
/* Empty every table that replay fills again; the caller has a transaction. A copy
 * stays known as one. */
int schema_clear(struct db *db);

#endif
