/*
 * offline: a store looked at as a whole: is it sound, does it follow from
 * its events, a copy of it. Works on a store in use too, except repair.
 */
#ifndef BACKEND_OFFLINE_H
#define BACKEND_OFFLINE_H

#include "backend/buf.h"

struct db;

/*
 * Check the store in DIR: SQLite's own check, the invariants between tables,
 * events without gaps, and the tables equal to a replay of the events.
 * One line a finding into SAYS. The number of findings, or -errno.
 */
int offline_check(const char *dir, struct buf *says);

/*
 * Rebuild the tables of the store in DIR from its events; the store must not
 * be in use. 0; -EBUSY; -errno, nothing changed.
 */
int offline_repair(const char *dir, struct buf *says);

/* A consistent copy into FILE, which must not exist. It opens as a store whose
 * tokens begin behind all that the original can have issued. */
int offline_backup(const char *dir, const char *file, struct buf *says);

/*
 * Replay the events of the store in DIR into a new database TO, which must
 * not exist (NULL: in memory), and compare. Both hashes into SAYS. 0 equal, 1 different, -errno.
 */
int offline_replay(const char *dir, const char *to, struct buf *says);

/* Hash of the state (boot times and the last verdict aside), 16 hex digits. */
int offline_hash(struct db *db, char out[17]);

#endif
