#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include <sqlite3.h>

#include "tests/lib/alloc.h"

static struct {
	int on, paused;
	int64_t nth, count, calls, failed;
} fault;

void alloc_fail(int64_t nth, int64_t count)
{
	fault.on = 1;
	fault.nth = nth;
	fault.count = count;
	fault.calls = fault.failed = 0;
}

void alloc_stop(void)
{
	fault.on = 0;
}

void alloc_pause(int on)
{
	fault.paused = on;
}

int64_t alloc_calls(void)
{
	return fault.calls;
}

int64_t alloc_failed(void)
{
	return fault.failed;
}

static int fails(void)
{
	if (!fault.on || fault.paused)
		return 0;
	fault.calls++;
	if (fault.calls < fault.nth || fault.calls - fault.nth >= fault.count)
		return 0;
	fault.failed++;
	return 1;
}

/* --- in place of the C library's --- */

void *__real_malloc(size_t n);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t n);
char *__real_strdup(const char *s);
char *__real_strndup(const char *s, size_t n);

void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t n);
char *__wrap_strdup(const char *s);
char *__wrap_strndup(const char *s, size_t n);

void *__wrap_malloc(size_t n)
{
	return fails() ? NULL : __real_malloc(n);
}

void *__wrap_calloc(size_t n, size_t size)
{
	return fails() ? NULL : __real_calloc(n, size);
}

void *__wrap_realloc(void *p, size_t n)
{
	return fails() ? NULL : __real_realloc(p, n);
}

char *__wrap_strdup(const char *s)
{
	return fails() ? NULL : __real_strdup(s);
}

char *__wrap_strndup(const char *s, size_t n)
{
	return fails() ? NULL : __real_strndup(s, n);
}

/* --- SQLite's --- */

static sqlite3_mem_methods sqlite;

static void *sqlite_malloc(int n)
{
	return fails() ? NULL : sqlite.xMalloc(n);
}

static void *sqlite_realloc(void *p, int n)
{
	return fails() ? NULL : sqlite.xRealloc(p, n);
}

void alloc_with_sqlite(void)
{
	sqlite3_mem_methods ours;

	(void)sqlite3_shutdown();
	assert(sqlite3_config(SQLITE_CONFIG_GETMALLOC, &sqlite) == SQLITE_OK);
	ours = sqlite;
	ours.xMalloc = sqlite_malloc;
	ours.xRealloc = sqlite_realloc;
	assert(sqlite3_config(SQLITE_CONFIG_MALLOC, &ours) == SQLITE_OK);
}
