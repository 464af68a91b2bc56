/* unmount: take a coordfs mount away, a dead one too. */
#include <err.h>
#include <errno.h>
#include <mntent.h>
#include <poll.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "backend/clean.h"
#include "tools/tool.h"

extern const struct tool tool_unmount;

#define END_MS 10000 /* patience for a daemon that writes its last batch */

/*
 * The absolute name of a mount point, to be freed. Only the directory above
 * it is resolved: a dead mount answers no question about itself. NULL and errno.
 */
static char *resolve(const char *path)
{
	AUTO_FREE char *copy = strdup(path);
	AUTO_FREE char *above = NULL;
	char *whole = realpath(path, NULL), *slash;

	if (whole || !copy || errno == ENOENT)
		return whole;
	while ((slash = strrchr(copy, '/')) && slash > copy && !slash[1])
		*slash = '\0';
	if (slash)
		*slash = '\0';
	above = realpath(slash ? (slash > copy ? copy : "/") : ".", NULL);
	if (!above)
		return NULL;
	if (asprintf(&whole, "%s/%s", strcmp(above, "/") == 0 ? "" : above,
		     slash ? slash + 1 : copy) < 0)
		return NULL;
	return whole;
}

/* Is that a coordfs, by the table of mounts? The last one at a place is on top. */
static int is_coordfs(const struct mntent *e)
{
	return strcmp(e->mnt_type, "fuse.coordfs") == 0 ||
	       (strcmp(e->mnt_type, "fuse") == 0 && strcmp(e->mnt_fsname, "coordfs") == 0);
}

/* 0; -ENOENT: nothing is mounted at DIR; -EMEDIUMTYPE: something else is; -errno. */
static int find_mount(const char *dir)
{
	FILE *table = setmntent("/proc/self/mounts", "re");
	const struct mntent *e;
	int found = -ENOENT;

	if (!table)
		return -errno;
	while ((e = getmntent(table)))
		if (strcmp(e->mnt_dir, dir) == 0)
			found = is_coordfs(e) ? 0 : -EMEDIUMTYPE;
	(void)endmntent(table);
	return found;
}

/* Run ARGV and wait: its exit status, 127 if it cannot be started. */
static int run(char **argv)
{
	pid_t pid;
	int status;

	if (posix_spawnp(&pid, argv[0], NULL, NULL, argv, environ))
		return 127;
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return 127;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 126;
}

/* Root may be where fusermount3 is not; others need its setuid bit. */
static int unmount(char *dir)
{
	char umount[] = "umount", fusermount[] = "fusermount3", u[] = "-u", end[] = "--";
	char *as_root[] = { umount, end, dir, NULL };
	char *as_user[] = { fusermount, u, end, dir, NULL };
	char **argv = geteuid() == 0 ? as_root : as_user;
	int status = run(argv);

	if (status == 127)
		warnx("cannot run %s: is it installed?", argv[0]);
	return status ? TOOL_NO : TOOL_YES;
}

/* In another pid namespace the number is somebody else's. */
static int is_daemon(int pid)
{
	char path[64], argv0[8] = "";
	FILE *f;

	(void)snprintf(path, sizeof(path), "/proc/%d/cmdline", pid);
	f = fopen(path, "re");
	if (!f)
		return 0;
	(void)!fread(argv0, 1, sizeof(argv0), f);
	(void)fclose(f);
	return memcmp(argv0, "coordfs", sizeof(argv0)) == 0;
}

/* The daemon of the mount at DIR, from its file `status`: a pidfd; -1: cannot tell. */
static int find_daemon(const char *dir)
{
	char path[4200], line[128];
	int pid = 0;
	FILE *f;

	(void)snprintf(path, sizeof(path), "%s/status", dir);
	f = fopen(path, "re");
	if (!f)
		return -1;
	while (!pid && fgets(line, sizeof(line), f))
		if (strncmp(line, "daemon ", 7) == 0)
			pid = (int)strtol(line + 7, NULL, 10);
	(void)fclose(f);
	return pid > 0 && is_daemon(pid) ? pidfd_open(pid, 0) : -1;
}

/* Until the daemon has closed its store, so that it can be mounted again at once. */
static void await_end(int pidfd)
{
	struct pollfd p = { .fd = pidfd, .events = POLLIN };

	if (pidfd >= 0 && poll(&p, 1, END_MS) == 0)
		warnx("it is unmounted, but its daemon has not ended yet");
}

static int unmount_at(const char *path)
{
	AUTO_FREE char *dir = resolve(path);
	AUTO_CLOSE int daemon = -1;
	int err;

	if (!dir) {
		warn("%s", path);
		return TOOL_NO;
	}
	err = find_mount(dir);
	if (!err) {
		daemon = find_daemon(dir);
		err = unmount(dir);
		if (!err)
			await_end(daemon);
		return err;
	}
	if (err == -ENOENT)
		warnx("%s: nothing is mounted there", dir);
	else if (err == -EMEDIUMTYPE)
		warnx("%s: what is mounted there is no coordfs", dir);
	else
		warnx("cannot read the table of mounts: %s", strerror(-err));
	return TOOL_NO;
}

static int unmount_run(int argc, char **argv)
{
	static const struct option options[] = { TOOL_HELP, TOOL_OPTIONS_END };
	int c = getopt_long(argc, argv, "", options, NULL);

	if (c == 'h')
		return tool_help(&tool_unmount, NULL);
	if (c != -1)
		return tool_usage(&tool_unmount, NULL);
	if (argc - optind != 1)
		return tool_usage(&tool_unmount, "one mount point is wanted");
	return unmount_at(argv[optind]);
}

const struct tool tool_unmount = {
	.name = "unmount",
	.args = "MOUNTPOINT",
	.summary = "take the mount away; the state stays in its store",
	.run = unmount_run,
};
