#include <errno.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "backend/clean.h"
#include "backend/probe.h"
#include "fs/caller.h"
#include "fs/command.h"

#define NOBODY 65534

static uid_t nobody = NOBODY;
static gid_t nogroup = NOBODY;

__attribute__((format(printf, 2, 3))) static void add(struct args *a, const char *fmt, ...)
{
	va_list ap;

	if (a->n >= COMMAND_ARGS_MAX - 1) {
		a->err = -E2BIG;
		return;
	}
	va_start(ap, fmt);
	if (vasprintf(&a->v[a->n], fmt, ap) < 0) {
		a->v[a->n] = NULL;
		a->err = -ENOMEM;
	} else {
		a->n++;
	}
	va_end(ap);
}

static void add_words(struct args *a, const char *words)
{
	AUTO_FREE char *copy = strdup(words);

	for (char *rest = copy, *word; copy && (word = strtok_r(rest, " ", &rest));)
		add(a, "%s", word);
	if (!copy)
		a->err = -ENOMEM;
}

void args_free(struct args *a)
{
	for (int i = 0; i < a->n; i++)
		free(a->v[i]);
}

static unsigned flags_of(const struct call *c)
{
	return (unsigned)json_integer_value(json_object_get(c->ask, "flags"));
}

/* bubblewrap would make them for root alone. */
static void add_parents(struct args *a, const char *path)
{
	for (const char *end = strchr(path + 5, '/'); end; end = strchr(end + 1, '/')) {
		add_words(a, "--perms 0755 --dir");
		add(a, "%.*s", (int)(end - path), path);
	}
}

/* Who looks into repositories has to see them wherever they are, and writes nothing. */
static void add_sandbox(struct args *a, const struct call *c)
{
	add_words(a, "bwrap --ro-bind / / --dev /dev --proc " CALLER_PROC);
	if (flags_of(c) & PROBE_OWNER) {
		add_words(a, "--ro-bind-try /dev/shm /dev/shm");
	} else {
		add_words(a, "--perms 1777 --size 67108864 --tmpfs /tmp");
		if (strncmp(c->mountpoint, "/tmp/", 5) == 0) {
			add_parents(a, c->mountpoint);
			add(a, "--ro-bind");
			add(a, "%s", c->mountpoint);
			add(a, "%s", c->mountpoint);
		}
	}
	add_words(a, "--unshare-pid --unshare-ipc --unshare-uts --unshare-cgroup-try");
	if (!(flags_of(c) & PROBE_NETWORK))
		add(a, "--unshare-net");
	if (geteuid() != 0)
		add(a, "--unshare-user");
	add_words(a, "--die-with-parent --new-session --chdir /");
	add(a, "--json-status-fd");
	add(a, "%d", COMMAND_STATUS_FD);
	add(a, "--");
}

static void add_user(struct args *a, const struct call *c)
{
	add(a, "setpriv");
	if (geteuid() == 0 && !(flags_of(c) & PROBE_OWNER)) {
		add(a, "--reuid=%u", nobody);
		add(a, "--regid=%u", nogroup);
		add_words(a, "--clear-groups --inh-caps=-all --bounding-set=-all");
	}
	add_words(a, "--pdeathsig KILL --no-new-privs --"); /* anew: it ends with a change of uid */
	/* of the uid, everywhere: one of ours that is run naked has all its others to count in */
	if (!c->naked || geteuid() == 0)
		add_words(a, "prlimit --nproc=512 --");
}

void command_line(struct args *a, const struct call *c)
{
	const json_t *argv = json_object_get(c->ask, "argv"), *arg;
	size_t i;

	add_words(a, "setpriv --pdeathsig KILL -- prlimit --core=0 --nofile=256 --fsize=67108864");
	add(a, "--cpu=%lld", (long long)(c->timeout / 1000 + 1));
	if (!(flags_of(c) & PROBE_SELF))
		add(a, "--as=4294967296");
	add(a, "--");
	if (!c->naked)
		add_sandbox(a, c);
	add_user(a, c);
	json_array_foreach(argv, i, arg) {
		if (!i && flags_of(c) & PROBE_SELF)
			add(a, CALLER_FD_PATH, COMMAND_SELF_FD);
		else
			add(a, "%s", json_string_value(arg));
	}
	a->v[a->n] = NULL;
}

void command_environment(struct args *env, const struct call *c)
{
	const char *path = getenv("PATH");

	add(env, "PATH=%s",
	    path ? path : "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
	add(env, "GIT_OPTIONAL_LOCKS=0");
	add(env, "LC_ALL=C.UTF-8");
	add(env, "COORD_MOUNT=%s", c->mountpoint);
	env->v[env->n] = NULL;
}

void command_find_nobody(void)
{
	const struct passwd *p = getpwnam("nobody");

	if (!p)
		return;
	nobody = p->pw_uid;
	nogroup = p->pw_gid;
}
