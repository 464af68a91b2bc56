#include <stdlib.h>

#include "backend/select.h"

int select_arm(struct db *db, const char *lane, struct arm *out)
{
	AUTO_ROWS *r = db_rows(db, Q(ARM), T(lane));
	int got = rows_next(r);

	*out = (struct arm){ .n = 0 };
	if (got <= 0)
		return got;
	*out = (struct arm){ rows_int(r, 0), strtod(rows_text(r, 1), NULL),
			     strtod(rows_text(r, 2), NULL), strtod(rows_text(r, 3), NULL),
			     rows_int(r, 4) };
	return 1;
}

int select_reward(struct db *db, int64_t session, const char *lane, struct reward *out)
{
	AUTO_ROWS *r = db_rows(db, Q(REWARD), I(session), T(lane));
	int got = rows_next(r);

	*out = (struct reward){ .idx = 0 };
	if (got <= 0)
		return got;
	*out = (struct reward){ rows_int(r, 0), strtod(rows_text(r, 1), NULL) };
	return 1;
}
