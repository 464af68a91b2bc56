/*
 * shown: the last text of a file that is long to make. A reader asks for its size and then for
 * itself; as long as nothing has happened in between it is the same text.
 */
#ifndef FS_SHOWN_H
#define FS_SHOWN_H

#include <stdint.h>

#include "backend/buf.h"

struct request;

struct shown {
	int64_t of, seq,
		stamp; /* which; the last event when it was made; what else it depends on */
	struct buf text;
};

/*
 * The text of OF (not 0) into OUT: the one that is kept if no event has come since and the stamp is
 * the same, else what RENDER makes of ID. 0 or -errno.
 */
int shown_again(struct request *r, struct shown *s, int64_t of, int64_t stamp, int64_t id,
		int (*render)(struct request *r, int64_t id, struct buf *out), struct buf *out);

#endif
