/*
 * wire: the kernel's side of a mount, played by the test: raw FUSE requests
 * with any pid and uid go in, replies come out, and the writer decides when
 * the test says so. No /dev/fuse, no root.
 *
 *	struct wire w;
 *	wire_open(&w);
 *	wire_mkdir(&w, wire_walk(&w, "sessions"), "s1");
 *	err = wire_create(&w, wire_walk(&w, "sessions/s1/claims"), "T", O_WRONLY, &o);
 *
 * A wire_* operation asks, lets the writer decide, and answers 0 or -errno. Its
 * ask_* form sends the request alone: wire_decide and wire_answer follow.
 */
#ifndef TESTS_LIB_WIRE_H
#define TESTS_LIB_WIRE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <linux/fuse.h>

#include "fs/ll.h"
#include "fs/request.h"
#include "tests/lib/fixture.h"

#define WIRE_ROOT 1u
#define WIRE_OWNER 500u	    /* uid of the mount's owner */
#define WIRE_OPERATORS 600u /* gid of the operators */
#define WIRE_PROCESSES 16

/* Who asks; pid 0 is a process that the daemon cannot see. */
struct who {
	uint32_t uid, gid;
	int32_t pid;
};

struct reply {
	uint64_t unique;
	int err; /* 0 or -errno */
	size_t n;
	char *data; /* n bytes and a NUL; freed by reply_free */
	struct reply *next;
};

struct wire {
	struct fixture f;
	struct fs fs;
	struct ll *ll;
	struct loop *loop; /* that watches processes; NULL: nobody does */
	int kernel;	   /* our end of the socket */
	uint32_t minor;	   /* of the protocol */
	struct who who;
	uint64_t unique; /* of the last request */
	char sent[512];	 /* the last request, to be sent again; n_sent 0: too long */
	size_t n_sent;
	struct reply *replies; /* not looked at yet, in order */
	int notified[16];      /* how often each notification came */
	pid_t processes[WIRE_PROCESSES];
};

void wire_open(struct wire *w);
/* As a kernel that speaks minor MINOR of protocol 7. */
void wire_open_as(struct wire *w, uint32_t minor);
/* On another VFS of SQLite's, with LOOP (not NULL) to watch processes. */
void wire_open_on(struct wire *w, const char *vfs, struct loop *loop);
void wire_close(struct wire *w);
/* The daemon ends and another takes over store and mount; handles are forgotten. */
void wire_restart(struct wire *w);
/* Its two halves: what is not answered by then never is; 0 or the error of store_open. */
void wire_down(struct wire *w);
int wire_up(struct wire *w);

/* A process that lives until wire_close, with COORD_SESSION=SESSION (NULL: unset). Its uid is
 * FIXTURE_UID when the test is root, else the test's own. */
pid_t wire_process(struct wire *w, const char *session);
void wire_kill(struct wire *w, pid_t pid);

/* --- raw --- */

/* Send a request and let the daemon handle it; its unique number. */
uint64_t wire_send(struct wire *w, uint32_t opcode, uint64_t node, const void *arg, size_t n,
		   const void *more, size_t m);
/* Send N bytes as they are. */
void wire_send_bytes(struct wire *w, const void *bytes, size_t n);
/* Send the request UNIQUE once more would be: the next one gets this number. */
void wire_number(struct wire *w, uint64_t unique);
/* The writer decides what is queued, and the daemon answers. */
void wire_decide(struct wire *w);
/* Is there an answer to UNIQUE? 1 and *OUT (NULL: thrown away), or 0. */
int wire_answered(struct wire *w, uint64_t unique, struct reply *out);
/* The answer to UNIQUE, letting the writer decide first if need be. -errno or 0. */
int wire_answer(struct wire *w, uint64_t unique, struct reply *out);
/* Replies that nobody took. */
int wire_unclaimed(struct wire *w);
void reply_free(struct reply *r);

/* --- requests --- */

/* What an open or a create answers. */
struct opened {
	uint64_t node, fh;
	uint32_t flags; /* FOPEN_* */
};

uint64_t ask_lookup(struct wire *w, uint64_t dir, const char *name);
uint64_t ask_create(struct wire *w, uint64_t dir, const char *name, int flags);
uint64_t ask_open(struct wire *w, uint64_t node, int flags);
uint64_t ask_touch(struct wire *w, uint64_t node);
uint64_t ask_read(struct wire *w, uint64_t node, uint64_t fh, uint64_t off, uint32_t size);
uint64_t ask_write(struct wire *w, uint64_t node, uint64_t fh, uint64_t off, const void *text,
		   size_t n);
uint64_t ask_name(struct wire *w, uint32_t opcode, uint64_t dir, const char *name);
uint64_t ask_rename(struct wire *w, uint64_t from, const char *name, uint64_t to,
		    const char *newname, uint32_t flags);
uint64_t ask_interrupt(struct wire *w, uint64_t unique);
/* As flock(2): LOCK_SH, LOCK_EX or LOCK_UN in HOW, and LOCK_NB. */
uint64_t ask_flock(struct wire *w, const struct opened *o, int how);
uint64_t ask_release(struct wire *w, const struct opened *o);

int wire_lookup(struct wire *w, uint64_t dir, const char *name, struct fuse_entry_out *out);
int wire_getattr(struct wire *w, uint64_t node, struct fuse_attr *out);
int wire_setattr(struct wire *w, uint64_t node, const struct fuse_setattr_in *in);
int wire_touch(struct wire *w, uint64_t node);
int wire_create(struct wire *w, uint64_t dir, const char *name, int flags, struct opened *out);
int wire_openf(struct wire *w, uint64_t node, int flags, struct opened *out);
int wire_write(struct wire *w, const struct opened *o, uint64_t off, const void *text, size_t n);
/* What would wait for ever is no answer: ask_flock and wire_answered for those. */
int wire_flock(struct wire *w, const struct opened *o, int how);
/* Release and flush, as close(2). */
int wire_release(struct wire *w, const struct opened *o);
int wire_mkdir(struct wire *w, uint64_t dir, const char *name);
int wire_rmdir(struct wire *w, uint64_t dir, const char *name);
int wire_unlink(struct wire *w, uint64_t dir, const char *name);
int wire_rename(struct wire *w, uint64_t from, const char *name, uint64_t to);

/* A directory's entries from cookie OFF on, at most as fit into SIZE bytes. */
struct entry {
	char name[256];
	uint64_t node, next;
	uint32_t type;
	uint32_t mode; /* readdirplus: of the attributes */
};
/* The number of entries into OUT, or -errno. */
int wire_list(struct wire *w, uint64_t dir, uint64_t off, uint32_t size, int plus,
	      struct entry *out, int max);

/* --- by path, as a user would --- */

/* The node of a path, looked up name by name; 0: not there. */
uint64_t wire_walk(struct wire *w, const char *path);
/* The text of a file: opened, read, closed; static. "!ENOENT" and such for errors. */
const char *wire_cat(struct wire *w, const char *path);
/* Open for writing (O_TRUNC or O_APPEND in FLAGS), one write, close. 0 or -errno. */
int wire_put(struct wire *w, const char *path, int flags, const char *text);
/* touch(1): open with O_CREAT, close, then set the times. What its exit status would be. */
int wire_touch1(struct wire *w, const char *dir, const char *name);

#endif
