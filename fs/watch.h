/*
 * watch: the exit of processes that sessions and locks hang on, by pidfd.
 */
#ifndef FS_WATCH_H
#define FS_WATCH_H

#include "fs/request.h"

struct loop;

/* NULL: no memory. LOOP NULL: nothing is watched. */
struct watch_table *watch_new(struct fs *fs, struct loop *loop);
void watch_free(struct watch_table *t);

/* Every process the store knows of: watched from now on, or said to be gone. */
void watch_start(struct watch_table *t);
/* C was decided, and well: if it was about a process, that one is watched. */
void watch_decided(struct watch_table *t, const struct change *c);

#endif
