/* coordfs mount: starts the daemon, and returns when the mount answers. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>

#include "backend/buf.h"
#include "backend/clean.h"
#include "backend/store.h"
#include "fs/main.h"
#include "tools/tool.h"

#define FUSE_MAGIC 0x65735546

extern const struct tool tool_mount;
extern char **environ;

struct request {
	char mountpoint[4096], store[4096];
	struct buf fuse; /* options for FUSE */
	char *operators;
	int foreground, ready_fd;
};

static const char more[] =
	"  --store DIR      where the state is kept (default: $XDG_STATE_HOME/coordfs, root: /var/lib/coordfs)\n"
	"  -o OPTIONS       FUSE options; operators=GROUP names the operators' group\n"
	"  --foreground     stay; log to standard error\n";

/* Others may look in when we are root, or when fuse.conf lets us allow it. */
static int may_allow_other(void)
{
	char line[256];
	FILE *f;
	int may = geteuid() == 0;

	if (may || !(f = fopen("/etc/fuse.conf", "re")))
		return may;
	while (!may && fgets(line, sizeof(line), f))
		may = strncmp(line, "user_allow_other", 16) == 0;
	(void)fclose(f);
	return may;
}

static void add_options(struct request *r, char *options)
{
	for (char *rest = options, *word; (word = strtok_r(rest, ",", &rest));) {
		if (strncmp(word, "operators=", 10) == 0) {
			r->operators = word + 10;
			continue;
		}
		if (r->fuse.n)
			buf_char(&r->fuse, ',');
		buf_str(&r->fuse, word);
	}
}

static int parse(struct request *r, int argc, char **argv)
{
	static const struct option options[] = {
		{ "store", required_argument, NULL, 's' },
		{ "foreground", no_argument, NULL, 'f' },
		{ "ready-fd", required_argument, NULL, 'r' }, /* between mount and its daemon */
		TOOL_HELP,
		TOOL_OPTIONS_END,
	};
	int c;

	while ((c = getopt_long(argc, argv, "o:s:f", options, NULL)) != -1) {
		if (c == 's')
			(void)snprintf(r->store, sizeof(r->store), "%s", optarg);
		else if (c == 'o')
			add_options(r, optarg);
		else if (c == 'f')
			r->foreground = 1;
		else if (c == 'r')
			r->ready_fd = (int)strtol(optarg, NULL, 10);
		else if (c == 'h')
			return -1;
		else
			return tool_usage(&tool_mount, NULL);
	}
	if (optind != argc - 1)
		return tool_usage(&tool_mount, "one MOUNTPOINT is wanted");
	return 0;
}

static int refuse(const char *mountpoint, const char *why)
{
	(void)fprintf(stderr, "coordfs mount: %s: %s\n", mountpoint, why);
	return TOOL_NO;
}

static int refuse_errno(const char *mountpoint, int err)
{
	return refuse(mountpoint, err == ENOTCONN ?
					  "a dead mount is there: coordfs unmount it first" :
					  strerror(err));
}

/* A directory, and nothing of ours on it, dead or alive. */
static int check_place(const char *path)
{
	struct statfs fs;
	struct stat st;

	if (stat(path, &st) || statfs(path, &fs))
		return refuse_errno(path, errno);
	if (!S_ISDIR(st.st_mode))
		return refuse(path, "not a directory");
	if ((uint32_t)fs.f_type == FUSE_MAGIC)
		return refuse(path, "a FUSE file system is mounted there already");
	return TOOL_YES;
}

/* The mountpoint and the store by absolute paths: the daemon leaves this directory. */
static int resolve(struct request *r, const char *mountpoint)
{
	AUTO_FREE char *path = realpath(mountpoint, NULL);
	char cwd[2048];

	if (!path)
		return refuse_errno(mountpoint, errno);
	if (check_place(path))
		return TOOL_NO;
	(void)snprintf(r->mountpoint, sizeof(r->mountpoint), "%s", path);
	if (!r->store[0])
		store_default_dir(r->store, sizeof(r->store));
	if (r->store[0] != '/' && getcwd(cwd, sizeof(cwd))) {
		AUTO_FREE char *relative = strdup(r->store);

		(void)snprintf(r->store, sizeof(r->store), "%s/%s", cwd, relative ? relative : "");
	}
	return 0;
}

static int run_here(struct request *r)
{
	struct mount_options o = {
		.mountpoint = r->mountpoint,
		.store = r->store,
		.fuse = r->fuse.n ? buf_text(&r->fuse) : NULL,
		.operators = r->operators,
		.ready_fd = r->ready_fd,
	};

	if (r->ready_fd >= 0) {
		(void)fcntl(r->ready_fd, F_SETFD, FD_CLOEXEC);
		(void)!chdir("/");
	}
	return fs_main(&o);
}

/* The daemon's log: a file beside the store, since nobody reads its stderr. */
static int open_log(const struct request *r)
{
	char path[4200];
	int fd;

	(void)mkdir(r->store, 0700);
	(void)snprintf(path, sizeof(path), "%s/log", r->store);
	fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
	return fd < 0 ? open("/dev/null", O_WRONLY | O_CLOEXEC) : fd;
}

static int spawn_daemon(struct request *r, int ready, pid_t *pid)
{
	char fd[16] = "3", options[4096], self[] = "/proc/self/exe";
	char name[] = "coordfs", mount[] = "mount", store[] = "--store", stay[] = "--foreground";
	char ready_fd[] = "--ready-fd", dash_o[] = "-o";
	char *argv[] = { name,	   mount, r->mountpoint, store,	  r->store, stay,
			 ready_fd, fd,	  dash_o,	 options, NULL };
	posix_spawn_file_actions_t fa;
	posix_spawnattr_t at;
	int log = open_log(r), err;

	(void)snprintf(options, sizeof(options), "%s%s%s%s", buf_text(&r->fuse),
		       r->operators && r->fuse.n ? "," : "", r->operators ? "operators=" : "",
		       r->operators ? r->operators : "");
	if (!options[0])
		argv[8] = NULL;
	(void)posix_spawn_file_actions_init(&fa);
	(void)posix_spawn_file_actions_adddup2(&fa, ready, 3);
	(void)posix_spawn_file_actions_addopen(&fa, 0, "/dev/null", O_RDONLY, 0);
	(void)posix_spawn_file_actions_adddup2(&fa, log, 1);
	(void)posix_spawn_file_actions_adddup2(&fa, log, 2);
	(void)posix_spawnattr_init(&at);
	(void)posix_spawnattr_setflags(&at, POSIX_SPAWN_SETSID);
	err = posix_spawn(pid, self, &fa, &at, argv, environ);
	(void)posix_spawn_file_actions_destroy(&fa);
	(void)posix_spawnattr_destroy(&at);
	(void)close(log);
	return -err;
}

/* Wait for the daemon's word. */
static int await(const struct request *r, int ready)
{
	char text[4700];
	size_t n = 0;
	ssize_t got;

	while (n < sizeof(text) - 1 && (got = read(ready, text + n, sizeof(text) - 1 - n)) > 0)
		n += (size_t)got;
	text[n] = 0;
	if (strcmp(text, "ok\n") == 0)
		return TOOL_YES;
	(void)fprintf(stderr, "coordfs mount: %s",
		      n ? text : "the daemon ended without a word; see the store's log\n");
	if (n == 0)
		(void)fprintf(stderr, "coordfs mount: log: %s/log\n", r->store);
	return TOOL_NO;
}

static int run_behind(struct request *r)
{
	AUTO_CLOSE int in = -1;
	int fds[2], err;
	pid_t pid;

	if (pipe2(fds, O_CLOEXEC)) {
		(void)fprintf(stderr, "coordfs mount: %s\n", strerror(errno));
		return TOOL_NO;
	}
	in = fds[0];
	if (fds[1] == 3) /* dup2 onto itself would keep O_CLOEXEC */
		fds[1] = fcntl(fds[1], F_DUPFD_CLOEXEC, 4);
	err = spawn_daemon(r, fds[1], &pid);
	(void)close(fds[1]);
	if (err) {
		(void)fprintf(stderr, "coordfs mount: %s\n", strerror(-err));
		return TOOL_NO;
	}
	return await(r, in);
}

static int mount_run(int argc, char **argv)
{
	struct request r = { .fuse = BUF_INIT, .ready_fd = -1 };
	int err = parse(&r, argc, argv);

	if (err == -1)
		err = tool_help(&tool_mount, more);
	else if (!err && !(err = resolve(&r, argv[argc - 1]))) {
		if (may_allow_other() && r.ready_fd < 0)
			add_options(&r, (char[]){ "allow_other" });
		err = r.foreground ? run_here(&r) : run_behind(&r);
	}
	buf_free(&r.fuse);
	return err;
}

const struct tool tool_mount = {
	"mount",
	"MOUNTPOINT [--store DIR] [-o OPTIONS,operators=GROUP] [--foreground]",
	"mount the coordination state; returns when the mount answers",
	mount_run,
};
