/*
 * schema: the tables of the store and how an older store becomes today's.
 * The version is SQLite's user_version; each step runs in one transaction.
 */
#ifndef BACKEND_SCHEMA_H
#define BACKEND_SCHEMA_H

struct db;

#define SCHEMA_APPLICATION_ID 0x636f6f72 /* "coor" */

/*
 * Bring DB to the newest version. 0; -EPROTONOSUPPORT: the store is newer
 * than this program, nothing was touched; -ENOTUNIQ: not a store of ours.
 */
int schema_migrate(struct db *db);
/* The version this program writes. */
int schema_newest(void);
/* Empty every table that replay fills again; the caller has a transaction. */
int schema_clear(struct db *db);

#endif
