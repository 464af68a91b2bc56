/*
 * alloc: memory that runs out. The linker puts these in place of malloc and
 * its kin in the unit tests (--wrap); one thread.
 */
#ifndef TESTS_LIB_ALLOC_H
#define TESTS_LIB_ALLOC_H

#include <stdint.h>

/* Count what SQLite asks for as well; before it is used. (Jansson's comes through us.) */
void alloc_with_sqlite(void);
/* Let allocation NTH from now (1: the next) and the COUNT - 1 after it fail. */
void alloc_fail(int64_t nth, int64_t count);
/* All is well again, and nothing is counted. */
void alloc_stop(void);
/* While ON nothing fails or is counted. */
void alloc_pause(int on);
/* Allocations since alloc_fail; and those that failed. */
int64_t alloc_calls(void);
int64_t alloc_failed(void);

#endif
