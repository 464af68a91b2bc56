/*
 * lost: the name of a claim that its session lost. Nothing is there any more,
 * but whoever still acts on it must hear that, and not "no such file".
 */
#ifndef FS_LOST_H
#define FS_LOST_H

#include "fs/node.h"

/*
 * NAME was looked up in directory DIR in vain. -ESTALE, with a word in `why`:
 * a claim that the caller's session lost; else -ENOENT.
 *
 * Not for the target of `mv ready/T claims/`, which claims anew, nor for that of a
 * hand-over: the kernel looks up the source of a move just before, from the same
 * thread (when it trusted its cache instead, it does so on trying again after the
 * ESTALE).
 */
int lost_lookup(struct request *r, uint64_t dir, const char *name);
/* The caller has looked up INO: perhaps the source of such a move. */
void lost_source(struct request *r, uint64_t ino);

#endif
