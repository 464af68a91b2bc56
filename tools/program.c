#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include "backend/clean.h"
#include "tools/program.h"

#define KILLED 128

static int plan(posix_spawn_file_actions_t *a, int flags, int out)
{
	int err = posix_spawn_file_actions_addopen(a, STDIN_FILENO, "/dev/null", O_RDONLY, 0);

	if (!err)
		err = posix_spawn_file_actions_adddup2(a, out, STDOUT_FILENO);
	if (!err && (flags & PROGRAM_QUIET))
		err = posix_spawn_file_actions_addopen(a, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
	return -err;
}

/* 0 or -errno. */
static int start(const char *const argv[], int flags, int out, pid_t *pid)
{
	posix_spawn_file_actions_t actions;
	char **args;
	int err;

	memcpy(&args, &argv, sizeof(args)); /* posix_spawn(3) changes none of them */
	if (posix_spawn_file_actions_init(&actions))
		return -ENOMEM;
	err = plan(&actions, flags, out);
	if (!err)
		err = -posix_spawnp(pid, argv[0], &actions, NULL, args, environ);
	(void)posix_spawn_file_actions_destroy(&actions);
	return err;
}

static int await(pid_t pid)
{
	int status;

	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	return WIFEXITED(status) ? WEXITSTATUS(status) : KILLED + WTERMSIG(status);
}

int program_run(const char *const argv[], int flags, struct buf *out)
{
	int ends[2] = { -1, -1 }, err, status;
	pid_t pid;

	if (out && pipe2(ends, O_CLOEXEC))
		return -errno;
	err = start(argv, flags, out ? ends[1] : STDERR_FILENO, &pid);
	clean_close(&ends[1]);
	if (err) {
		clean_close(&ends[0]);
		return err;
	}
	if (out)
		err = buf_read(out, ends[0]);
	clean_close(&ends[0]); /* who writes on is told so */
	status = await(pid);
	return err ? err : status;
}
