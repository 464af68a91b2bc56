/* repos: the repositories that artifacts are in, and what was seen in them. */
#include <string.h>

#include "backend/clean.h"
#include "backend/commit.h"
#include "backend/text.h"
#include "fs/dirs.h"
#include "fs/scan.h"

#define COMMITS_SHOWN 100

static const struct kind kind = THING_KIND(THING_REPO, NULL);

/* A field that scans alone set, "-" before the first. */
static int seen_show(struct request *r, int64_t id, struct buf *out)
{
	AUTO_FREE char *text = db_text(r->db, Q(ATTR), I(id), T(r->node->name));

	if (!text || !*text)
		buf_line(out, "-");
	else if (text[strlen(text) - 1] == '\n')
		buf_str(out, text);
	else
		buf_line(out, "%s", text);
	return 0;
}

static int scan_show(struct request *r, int64_t id, struct buf *out)
{
	struct scan_info now;
	char when[TIME_TEXT];

	scan_info(r->fs->scan, id, &now);
	buf_line(out, "at %s", time_text(now.at, when));
	buf_line(out, "took %lld.%03llds", (long long)now.took / 1000, (long long)now.took % 1000);
	buf_line(out, "new %lld", (long long)now.found);
	buf_line(out, "commits %lld", (long long)db_get(r->db, 0, Q(COMMITS_COUNT), I(id)));
	buf_line(out, "running %s", now.running ? "yes" : "no");
	buf_line(out, "error %s", *now.error ? now.error : "-");
	return 0;
}

static int error_show(struct request *r, int64_t id, struct buf *out)
{
	struct scan_info now;

	scan_info(r->fs->scan, id, &now);
	buf_line(out, "%s", *now.error ? now.error : "-");
	return 0;
}

static int look_now(struct request *r, int64_t id)
{
	int err = request_identify(r, 0);

	if (err)
		return err;
	r->actor.session = 0; /* a look is no act of a session */
	return request_about(r, CHANGE_LOOK, id, NULL, 0);
}

static int scan_store(struct request *r, int64_t id, const char *text, size_t n, int append)
{
	int err = line_check(text, n && text[n - 1] == '\n' ? n - 1 : n);

	(void)append;
	if (!err)
		return look_now(r, id);
	(void)request_identify(r, 0);
	return request_refuse(r, -err, "touch repos/NAME/scan",
			      "what is written here counts for nothing, but this is no text");
}

/* "trailer Coord-Session" as one word. */
static const char *one_word(char *how)
{
	for (char *p = how; (p = strchr(p, ' '));)
		*p = ':';
	return how;
}

/* OID TIME SESSION HOW SUBJECT, the newest first. */
static int commits_show(struct request *r, int64_t id, struct buf *out)
{
	AUTO_ROWS *rows = db_rows(r->db, Q(COMMITS_LAST), I(id), I(COMMITS_SHOWN));
	char when[TIME_TEXT];
	struct commit c;
	int got;

	while ((got = commit_row(rows, &c)) > 0)
		buf_line(out, "%s %s %s %s %s", c.oid, time_text(c.at, when),
			 *c.session ? c.session : "-", one_word(c.how), c.subject);
	return got;
}

static const struct node repo[] = {
	OPERATORS_FIELD(ROW_REPO_PATH, "path", THING_REPO, 0664),
	OPERATORS_FIELD(ROW_REPO_BRANCHES, "branches", THING_REPO, 0664),
	OPERATORS_FIELD(ROW_REPO_DEPTH, "depth", THING_REPO, 0664),
	FILE_RO(ROW_REPO_GITDIR, "gitdir", seen_show),
	FILE_RO(ROW_REPO_HEAD, "head", seen_show),
	FILE_RO(ROW_REPO_HEADS, "heads", seen_show),
	{ .type = NODE_FILE,
	  .row = ROW_REPO_SCAN,
	  .name = "scan",
	  .mode = 0666,
	  .flags = NODE_OWNER,
	  .show = scan_show,
	  .store = scan_store,
	  .touch = look_now },
	FILE_RO(ROW_REPO_COMMITS, "commits", commits_show),
	FILE_RO(ROW_REPO_ERROR, "error", error_show),
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
