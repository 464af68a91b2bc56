#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "backend/ballast.h"
#include "backend/clean.h"

#define NAME "ballast"
#define BALLAST ((uint64_t)8 << 20) /* bytes; a quarter of a smaller disk */

/* How large it should be; 0: there is not that much room, and half as much again. */
static uint64_t size_now(int dir_fd)
{
	struct statvfs fs;
	uint64_t size = BALLAST;

	if (fstatvfs(dir_fd, &fs))
		return 0;
	if (fs.f_blocks * fs.f_frsize / 4 < size)
		size = fs.f_blocks * fs.f_frsize / 4;
	return fs.f_bavail * fs.f_frsize < size + size / 2 ? 0 : size;
}

int ballast_take(int dir_fd)
{
	AUTO_CLOSE int fd = -1;
	struct stat st;
	uint64_t size;
	int err;

	if (!fstatat(dir_fd, NAME, &st, AT_SYMLINK_NOFOLLOW) && st.st_size > 0)
		return 1;
	size = size_now(dir_fd);
	if (!size)
		return 0;
	fd = openat(dir_fd, NAME, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return errno == ENOSPC || errno == EDQUOT ? 0 : -errno;
	err = posix_fallocate(fd, 0, (off_t)size);
	if (!err)
		return 1;
	(void)unlinkat(dir_fd, NAME, 0);
	return err == ENOSPC || err == EDQUOT ? 0 : -err;
}

int ballast_give(int dir_fd)
{
	if (!unlinkat(dir_fd, NAME, 0))
		return 1;
	return errno == ENOENT ? 0 : -errno;
}
