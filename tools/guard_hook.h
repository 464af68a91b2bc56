/* guard_hook: what the hooks of one run of git share. */
#ifndef TOOLS_GUARD_HOOK_H
#define TOOLS_GUARD_HOOK_H

#include "tools/guard.h"

/*
 * repo: the name the repository is registered under. common, own: its git directories, the one of
 * all work trees and that of this one; owned, real. input: what a hook that is told something on
 * standard input was told. offline_open: a mount that is away lets pass.
 */
struct hook {
	struct mnt m;
	int offline_open;
	char repo[NAME_LEN_MAX + 1];
	char *common, *own;
	struct buf input;
};

/* What a hook asked for that cannot be answered comes to: the exit status, said on standard error. */
int hook_away(const struct hook *h);

/* pre-push, to REMOTE, of what h->input says. The exit status. */
int hook_pre_push(struct hook *h, const char *remote);

/*
 * The names in LIST, each with a NUL behind it, one by one: the next, or NULL at the end. *AT starts
 * at 0.
 */
const char *hook_next(const struct buf *list, size_t *at);

#endif
