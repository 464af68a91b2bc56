/* repos: the repositories that artifacts are in. */
#include "fs/dirs.h"

static const struct kind kind = THING_KIND(THING_REPO, NULL);

static const struct node repo[] = {
	OPERATORS_FIELD(ROW_REPO_PATH, "path", THING_REPO, 0664),
	OPERATORS_FIELD(ROW_REPO_BRANCHES, "branches", THING_REPO, 0664),
	OPERATORS_FIELD(ROW_REPO_DEPTH, "depth", THING_REPO, 0664),
	END,
};

const struct node repos_rows[] = {
	{ .type = NODE_DIR,
	  .row = ROW_REPO,
	  .mode = 0555,
	  .flags = NODE_OWNER,
	  .each = &kind,
	  .children = repo },
	END,
};
