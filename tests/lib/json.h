/* json: JSON in tests, where ' stands for ". */
#ifndef TESTS_LIB_JSON_H
#define TESTS_LIB_JSON_H

#include <jansson.h>

/* The value of TEXT, the caller's; the test fails if it is none. */
json_t *json_quoted(const char *text);

/* Is V equal to the value of TEXT? TEXT NULL: is V NULL? */
int json_is(json_t *v, const char *text);

#endif
