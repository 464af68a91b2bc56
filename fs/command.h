/*
 * command: how a program of a probe is called: limits (prlimit), a sandbox (bubblewrap), an
 * unprivileged uid (setpriv), then the program itself.
 */
#ifndef FS_COMMAND_H
#define FS_COMMAND_H

#include <stdint.h>

#include <jansson.h>

#define COMMAND_ARGS_MAX 400
#define COMMAND_STATUS_FD 3 /* where bubblewrap tells how it went */
#define COMMAND_SELF_FD 4   /* this program, for PROBE_SELF */

/* An argument vector, or an environment: V ends with NULL. Begin with { .n = 0 }. */
struct args {
	char *v[COMMAND_ARGS_MAX];
	int n;
	int err; /* -E2BIG, -ENOMEM: not whole */
};

struct call {
	const json_t *ask;	/* what probe_ask asked for */
	int64_t timeout;	/* ms */
	const char *mountpoint; /* where the tree is */
	int naked;		/* without a sandbox */
};

void command_line(struct args *a, const struct call *c);
/* Clean: PATH (this process's), GIT_OPTIONAL_LOCKS, LC_ALL, COORD_MOUNT. */
void command_environment(struct args *env, const struct call *c);
void args_free(struct args *a);

/* Look up who nobody is, once: name services may take their time. */
void command_find_nobody(void);

#endif
