/*
 * clean: variables that release themselves when their scope ends.
 * Each must be initialised where it is declared:
 *
 *	AUTO_BUF struct buf text = BUF_INIT;
 *	AUTO_FREE char *name = NULL;
 *	AUTO_CLOSE int fd = -1;
 *
 * A returned value is computed before the release, and errno survives it.
 */
#ifndef BACKEND_CLEAN_H
#define BACKEND_CLEAN_H

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "backend/buf.h"

/* For a struct buf: buf_free. */
#define AUTO_BUF __attribute__((cleanup(buf_free)))

/* For a pointer to any type: free(3); NULL for none. */
#define AUTO_FREE __attribute__((cleanup(clean_free)))

/* For an int file descriptor: close(2); -1 for none. */
#define AUTO_CLOSE __attribute__((cleanup(clean_close)))

/* Free the pointer stored at var, whatever its type. */
static inline void clean_free(void *var)
{
	void *p;

	memcpy(&p, var, sizeof(p));
	free(p);
}

/* Close *fd unless it is negative; keeps errno. */
static inline void clean_close(int *fd)
{
	int saved = errno;

	if (*fd >= 0)
		(void)close(*fd);
	errno = saved;
}

#endif
