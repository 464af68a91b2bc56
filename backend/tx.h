/*
 * tx: one change on its way into the store. Rules read through tx->db, refuse
 * with tx_refuse, and change the state by emitting events and in no other
 * way: project.c alone turns an event into rows, live and in a replay alike.
 */
#ifndef BACKEND_TX_H
#define BACKEND_TX_H

#include <stdint.h>

#include <jansson.h>

#include "backend/change.h"
#include "backend/sqlite.h"
#include "backend/world.h"

/*
 * What a change let go, or moved: tokens, tasks, sessions that ended (one kind of number).
 * Who waits for one of them, or as one, is tried again.
 */
#define STIR_MAX 64
struct stir {
	int64_t ids[STIR_MAX];
	int n; /* more than STIR_MAX: everything */
};

struct tx {
	struct db *db;
	struct world *world;
	const char *boot_id;
	int64_t wall, boot; /* ms; one moment a change */
	int64_t allow;	    /* ms a lease is longer, so that the commit does not shorten it */
	int64_t seq;	    /* the last event's number */
	int64_t finish;	    /* bytes of all events */
	uint32_t owner;	    /* uid of the mount's owner */
	const struct actor *actor;
	struct result *result;
	int repeat;	 /* the asker repeats at once what was refused: record it once */
	int keep;	 /* refused, but what was emitted stays (a report, a late act) */
	int err;	 /* a database error, sticky: the whole batch is lost */
	int64_t blocker; /* refused: the live grant or lock in the way; 0: something else */
	int tight;	 /* the disk is full: nothing is written that can be left out */
	int behind;	 /* somebody waits for the same name already */
	struct stir stir;
};

/*
 * Refuse the change: ERR positive errno; NEXT what to do now (a sentence
 * without "next: "); the rest says why, one or several lines. Returns -ERR.
 */
int tx_refuse(struct tx *tx, int err, const char *next, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
/*
 * Before the first change: let jansson's want of memory be remembered, so that
 * not every member that is set has to be looked at.
 */
void tx_watch_memory(void);
/* P, just allocated; if it is NULL that is remembered too. */
void *tx_allocated(void *p);
/* Did such an allocation fail in this thread since the last call? */
int tx_starved(void);
/* ID, a token or a task, was let go or moved: who waits for it is to be tried. */
void tx_stir(struct tx *tx, int64_t id);
/* A database error: remembered, so that the batch is given up. Returns err. */
int tx_fail(struct tx *tx, int err);

/*
 * Append an event and project it. BODY is taken over (also on error) and may
 * be NULL (no memory). KIND is the event's name. 0 or -errno.
 */
int tx_emit(struct tx *tx, const char *kind, json_t *body);

/* The value of a field of a thing (0: control), to be freed; NULL: unset. */
char *tx_attr(struct db *db, int64_t thing, const char *name);
/* The same as a duration in ms; DFLT when unset. */
int64_t tx_duration(struct db *db, int64_t thing, const char *name, int64_t dflt);

/* project.c: apply an event to the tables. BOOT_MS is "now" for new leases. */
int project_event(struct tx *tx, json_t *event);

/* Members of an event; 0 or "" when absent. */
int64_t event_int(const json_t *e, const char *key);
const char *event_text(const json_t *e, const char *key);
/* Is TEXT in LIST, an array of strings, or NULL: no list? */
int event_lists(const json_t *list, const char *text);

#endif
