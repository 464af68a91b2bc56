/*
 * request: one FUSE request while it is decided: who asks, what for, what
 * change it wants, and why it was refused. Knows neither FUSE nor SQL.
 */
#ifndef FS_REQUEST_H
#define FS_REQUEST_H

#include <stdint.h>

#include "backend/store.h"
#include "fs/shown.h"

struct node;
struct why_table;
struct verdict_state;
struct waiter;
struct watch_table;
struct scan_state;
struct loop;

/* The mount: what lives as long as the daemon. */
struct fs {
	struct store *store;
	uint32_t owner; /* uid of the mount's owner */
	uint32_t owner_gid;
	uint32_t operators; /* gid; (uint32_t)-1: none */
	int64_t mounted;    /* wall ms */
	char mountpoint[4096];
	struct why_table *why;
	struct verdict_state *verdict;
	struct buf import_report;
	struct shown grade, next, next_why;
	struct waiter *waiters; /* wait.c's */
	struct watch_table *watch;
	struct loop *loop;
	struct scan_state *scan; /* NULL: repositories are not looked at */
};

struct request {
	struct fs *fs;
	struct db *db; /* the reader, inside this request's transaction */
	uint32_t uid, gid;
	int32_t tid;		 /* thread id; 0: outside our pid namespace */
	int32_t parent;		 /* pid of the asking process's parent; for `why` */
	uint64_t ino;		 /* the node asked for, or its directory */
	const struct node *node; /* row of ino */
	struct actor actor;
	int identified;
	char op[320];	       /* "claim claims/T", for the record */
	struct buf why;	       /* refused here: the reason; lines as tx_refuse makes */
	struct change *change; /* what it wants changed; owned until committed */
};

/*
 * Refuse: ERR positive; NEXT and FMT as in tx_refuse. Returns -ERR.
 */
int request_refuse(struct request *r, int err, const char *next, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

/* When a lease ends that EXPIRES (ms since boot), as text in WHEN; "-" for a lock. */
const char *request_until(struct request *r, int64_t expires, char *when);

/* Find out who asks, once; PATH_SESSION is the session whose directory is
 * used, 0 for none. 0, or refused (EPERM: contradicts the joined identity). */
int request_identify(struct request *r, int64_t path_session);

/*
 * Start a change of KIND by the identified caller, about a thing called NAME
 * (NULL: none). It hangs on r->change. NULL: no memory, or the name is too
 * long (refused): answer request_error.
 */
struct change *request_change(struct request *r, enum change_kind kind, const char *name);
int request_error(struct request *r);
/* The same of the thing ID, with the N bytes of TEXT (NULL: none). 0, or refused. */
int request_about(struct request *r, enum change_kind kind, int64_t id, const char *text, size_t n);

/* The whole reason of the last refusal of r's caller into OUT (for `why`). */
void request_why(struct request *r, int64_t session, struct buf *out);
/* Remember that r was refused with ERR for WHY. */
void request_note(struct request *r, int err, const struct buf *why);

struct why_table *why_new(void);
void why_free(struct why_table *t);

void request_release(struct request *r);

#endif
