/*
 * store: the state of one mount: a directory that holds the database, locked
 * by one daemon. Reads go through the reader's handle; every change through
 * store_commit, to the one writer.
 */
#ifndef BACKEND_STORE_H
#define BACKEND_STORE_H

#include <stdint.h>

#include "backend/buf.h"
#include "backend/change.h"
#include "backend/sqlite.h"
#include "backend/world.h"

struct store;

/*
 * Open (and make, when absent) the store in directory DIR. ABOUT is one line
 * on who opens it, for whoever comes second ("pid 12 mountpoint /coord").
 * World stays the caller's. -EBUSY: in use, by what *SAYS tells;
 * -EPROTONOSUPPORT: newer than this program, untouched; -EBADMSG, -EIO, ...;
 * *SAYS has a sentence on every error.
 */
int store_open(const char *dir, struct world *world, const char *about, struct store **out,
	       struct buf *says);
/* The writer must have stopped. Changes not decided yet are dropped. */
void store_close(struct store *s);

/* The reader's handle: for the thread that owns the loop. */
struct db *store_reader(struct store *s);
/* A read is one transaction, none open between requests. */
int store_read_begin(struct store *s);
void store_read_end(struct store *s);

/* Queue a change; it is decided by the writer, then c->done is called by store_collect. */
void store_commit(struct store *s, struct change *c);
/* Whoever asked for C has gone: it is not done any more, and need not wait in line. */
void store_cancel(struct store *s, struct change *c);
/* Readable when changes were decided. */
int store_event_fd(const struct store *s);
/* Call done() of every decided change; the number of them. */
int store_collect(struct store *s);

/* When the next lease, idle session or daily task is due: ms since boot; INT64_MAX never. */
int64_t store_due(struct store *s);
/* The last event's number and the bytes of all events, as decided and answered. */
int64_t store_seq(struct store *s);
int64_t store_bytes(struct store *s);
struct world *store_world(struct store *s);
const char *store_boot_id(struct store *s);
/* The writer met an error it cannot go on after (EIO, a corrupt page): stop and restart. */
int store_failed(struct store *s);

/* The writer: one step (all that is queued, one transaction), and the loop
 * of its thread, until store_stop. */
void writer_run_batch(struct store *s);
void *writer_main(void *store);
/* Whoever waits in line is answered ENOTCONN: the end of the mount. */
void writer_turn_away(struct store *s);
void store_stop(struct store *s);

/* The path of the database file in DIR, into OUT. */
void store_path(const char *dir, char *out, size_t n);
/* A sentence on why the database at PATH was not opened. */
void store_says(const char *path, int err, struct buf *says);
/* The default directory: $XDG_STATE_HOME/coordfs, for root /var/lib/coordfs. */
void store_default_dir(char *out, size_t n);

#endif
