/*
 * fuzz: random and mutated FUSE requests against a mount in this process:
 * any operation on any node, live, dead or never there, with any name, flags
 * and descriptor, by several uids and processes, some interrupted, some sent
 * twice, the writer deciding now and then, time passing. The same seed asks
 * the same.
 */
#ifndef TESTS_LIB_FUZZ_H
#define TESTS_LIB_FUZZ_H

#include <stdint.h>

#include "backend/buf.h"

/*
 * Send N requests. 0: each was answered once, and the store is sound; else -1
 * and SAYS has what is wrong. A crash or a sanitizer's report is the rest.
 */
int fuzz_run(uint64_t seed, int n, struct buf *says);

#endif
