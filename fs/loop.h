/*
 * loop: what the one event loop offers to those who wait for descriptors.
 * Everything here runs in the loop's thread.
 */
#ifndef FS_LOOP_H
#define FS_LOOP_H

#include <stdint.h>

struct loop;

/* Call FN(ARG) whenever FD is readable (or hung up). 0 or -errno. */
int loop_watch(struct loop *l, int fd, void (*fn)(void *arg), void *arg);
void loop_unwatch(struct loop *l, int fd);

#endif
