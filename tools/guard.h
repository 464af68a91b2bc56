/*
 * guard: may these paths be written? What the mount says is read once, whatever the number of
 * paths; the parts of `coordfs guard`.
 */
#ifndef TOOLS_GUARD_H
#define TOOLS_GUARD_H

#include "backend/buf.h"
#include "backend/cover.h"
#include "backend/text.h"
#include "tools/mnt.h"

/* control/guard: nothing is refused; what others hold is; also what is not one's own. */
enum guard_mode { GUARD_OFF, GUARD_HELD, GUARD_STRICT };

/* One line of the file `artifacts`, pieces of one text. */
struct held {
	char *path, *task, *session, *expires;
};

/* Held names, and which of them a path belongs to: cover's numbers are those of at[]. */
struct held_set {
	struct held *at;
	size_t n;
	struct cover *cover;
};

/*
 * own: the session that asks; "-": none. others, mine: what is held by others and by it. refused:
 * GUARD_REASON_ bits of all that was refused so far.
 */
struct guard {
	const struct mnt *m;
	enum guard_mode mode;
	char own[NAME_LEN_MAX + 1];
	struct buf text;
	struct held_set others, mine;
	int refused;
};

#define GUARD_REASON_HELD 1
#define GUARD_REASON_UNCOVERED 2
#define GUARD_REASON_LATE 4

#define GUARD_INIT                                            \
	(struct guard)                                        \
	{                                                     \
		.text = BUF_INIT, .others = { NULL, 0, NULL } \
	}
#define AUTO_GUARD __attribute__((cleanup(guard_release)))

/*
 * Read control/guard, who asks and what is held. M must outlive G. 0, or TOOL_CANNOT_TELL, said on
 * standard error.
 */
int guard_load(struct guard *g, const struct mnt *m);
void guard_release(struct guard *g);

/*
 * May the file PATH of the repository REPO ("": none) be written? TOOL_YES; TOOL_NO and in OUT a
 * line, beginning with SHOWN, for each reason; or TOOL_CANNOT_TELL. ALSO: another session whose
 * claims are no reason; NULL: none.
 */
int guard_ask(struct guard *g, const char *repo, const char *path, const char *shown,
	      const char *also, struct buf *out);

/* The task, held by the session that asks, which PATH belongs to; NULL: none. */
const char *guard_own_task(struct guard *g, const char *repo, const char *path);

/* What whoever was refused can do now: a line `next: ...` on standard error. */
void guard_next(const struct guard *g);

/*
 * The name that the repository whose common git directory is GITDIR is registered under, NAME_LEN_MAX
 * and a NUL into NAME. 0; -ENOENT: it is registered nowhere; or -errno.
 */
int guard_repo(const struct mnt *m, const char *gitdir, char *name);

/* guard --check: REPO is NULL without --repo. The exit status. */
int guard_check(const struct mnt *m, const char *repo, char **paths, int n);

/* guard --hook NAME, with git's arguments; OPEN: a mount that is away lets pass. The exit status. */
int guard_hook(const char *name, const char *dir, int open, int argc, char **argv);

/* guard --install and --uninstall. The exit status. */
int guard_install(const char *repo, const char *dir);
int guard_uninstall(const char *repo);

#endif
