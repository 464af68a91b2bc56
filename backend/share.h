/*
 * share: how much of what the fleet takes up lies in one lane. A claim that would push a lane
 * over its share-limit is refused while another lane has supply; where the limit does not hold
 * anyway it is a penalty alone (docs/selection.md).
 */
#ifndef BACKEND_SHARE_H
#define BACKEND_SHARE_H

#include "backend/read.h"

enum share_guard {
	SHARE_FREE,   /* there is no limit, or one more is within it */
	SHARE_DEMUR,  /* over it, and often: selection thinks less of the lane */
	SHARE_REFUSE, /* over it, and another lane has supply */
};

struct share {
	int64_t in, window; /* of the last `window` first claims of a session in a lane */
	enum share_guard guard;
};

/*
 * Of LANE ("" as a name: tasks without a lane), for one more claim by SESSION (0: of anybody) at
 * WALL (ms), WINDOW first claims being looked at. 0 or -errno.
 */
int share_of(struct db *db, const struct lane *lane, int64_t session, int64_t wall, int64_t window,
	     struct share *out);
/* control/select/window. */
int64_t share_window(struct db *db);

#endif
