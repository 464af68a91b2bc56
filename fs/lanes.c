/* lanes: kinds of work, and how much of each at once. */
#include "fs/dirs.h"

static const struct kind kind = THING_KIND(THING_LANE, NULL);

static const struct node lane[] = {
	OPERATORS_FIELD(ROW_LANE_KIND, "kind", THING_LANE, 0664),
	OPERATORS_FIELD(ROW_LANE_LIMIT, "limit", THING_LANE, 0664),
	END,
};

const struct node lanes_rows[] = {
	{ .type = NODE_DIR,
	  .row = ROW_LANE,
	  .mode = 0555,
	  .flags = NODE_OWNER,
	  .each = &kind,
	  .children = lane },
	END,
};
