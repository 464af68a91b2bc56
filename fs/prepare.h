/*
 * prepare: what has to be found out, off the loop, before a change can be decided: what was
 * committed by now, for a claim, a new session and its base; what is at the path of a
 * repository; in which repository an absolute path lies.
 */
#ifndef FS_PREPARE_H
#define FS_PREPARE_H

#include "fs/request.h"

struct prepared;

/* ERR 0, or -errno and the request's why. */
typedef void prepare_fn(void *arg, int err);

/*
 * Prepare r->change, inside r's read. 1: nothing is to be found out. 0: FN(ARG, err) will be
 * called by the loop, when r->change can be sent; R stays where it is until then. -errno:
 * refused. *OUT is for prepare_end.
 */
int prepare(struct request *r, prepare_fn *fn, void *arg, struct prepared **out);
/* ARG waits no more. 1 if it was waiting. */
int prepare_forget(struct fs *fs, void *arg);
/* The ARG of one who waits, who waits no more; NULL: nobody does. */
void *prepare_take(struct fs *fs);
/* The change was decided (C), or never will be (NULL); frees P, which may be NULL. */
void prepare_end(struct prepared *p, const struct change *c);

/* The path of a repository: is one there, and is it nobody else's? */
int prepare_path(struct prepared *p);
/* Absolute paths among artifacts: 1, there are none; else as prepare. */
int prepare_artifacts(struct prepared *p);

#endif
