/*
 * loop: the event loop of fs/loop.h, as a test wants it: nothing is called until the
 * test says so. In the unit tests the linker puts it in the place of the real one
 * (--wrap); one thread.
 */
#ifndef TESTS_LIB_LOOP_H
#define TESTS_LIB_LOOP_H

#include "fs/loop.h"

struct loop *test_loop(void);
/* How many descriptors are watched. */
int test_loop_watched(void);
/* Wait until one of them is readable, a long while at most, and call who waits for it, and
 * for each other that is. How many were called. */
int test_loop_run(void);
/* Let the next watches fail with ERR (-errno; 0: no more). */
void test_loop_fail(int err);

#endif
