/* lessons: what was learnt, and when it applies. */
#include "fs/dirs.h"

static const struct kind kind = THING_KIND(THING_LESSON, NULL);

static const struct node lesson[] = {
	FIELD(ROW_LESSON_KEYWORDS, "keywords", THING_LESSON, 0664),
	FIELD(ROW_LESSON_STATUS, "status", THING_LESSON, 0664),
	FIELD(ROW_LESSON_BODY, "body", THING_LESSON, 0664),
	END,
};

const struct node lessons_rows[] = {
	{ .type = NODE_DIR, .row = ROW_LESSON, .mode = 0555, .each = &kind, .children = lesson },
	END,
};
