/* events: the log by offset, and who waits for more of it. */
#ifndef FS_EVENTS_H
#define FS_EVENTS_H

#include "fs/node.h"

/* Bytes [OFF, OFF + SIZE) of the log, as many as there are, into OUT. 0 or -errno. */
int events_read(struct request *r, int64_t off, size_t size, struct buf *out);

#endif
