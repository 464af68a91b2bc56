/*
 * ll: between the kernel and the nodes. Decodes FUSE requests, calls node_*,
 * replies; the only module that knows FUSE. Nothing here blocks: what must
 * wait is an `op` with its request, and is answered later.
 */
#ifndef FS_LL_H
#define FS_LL_H

#include "fs/request.h"

struct ll;

/*
 * A FUSE session for FS with mount options OPTIONS ("allow_other,..."; NULL
 * none). Mounted by ll_mount, or fed through ll_feed. NULL on failure.
 */
struct ll *ll_new(struct fs *fs, const char *options);
void ll_free(struct ll *l);

/* 0, or -1 (libfuse has said why on stderr). */
int ll_mount(struct ll *l, const char *mountpoint);
void ll_unmount(struct ll *l);

/*
 * Instead of a mount: requests come from and replies go to descriptor FD,
 * one message a read or writev (a SOCK_SEQPACKET socket). FD becomes the
 * session's. 0 or -errno.
 */
int ll_attach(struct ll *l, int fd);

/* Readable when the kernel has requests. */
int ll_fd(const struct ll *l);
/* Handle what the kernel has sent, at most MAX requests. 1 when there may be more. */
int ll_receive(struct ll *l, int max);
/* The session is over (unmounted). */
int ll_exited(const struct ll *l);
/* Has the kernel answered INIT? */
int ll_running(const struct ll *l);

/*
 * Nothing is to be received until changes were decided: the kernel does not wait for the
 * end of a close, so whoever sees that a command has ended and then looks must find
 * its lock given back.
 */
int ll_pauses(const struct ll *l);

/* Changes were decided: make the kernel's caches forget, reply, wake waiters. */
void ll_decided(struct ll *l);

#endif
