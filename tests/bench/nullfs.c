/*
 * nullfs: the floor under coordfs. The same kind of loop (one thread, epoll,
 * the FUSE descriptor drained without blocking) and the same requests, but no
 * store: claims/ holds names in memory, each reads as the same text.
 *
 * usage: nullfs MOUNTPOINT      stays in the foreground; SIGTERM unmounts
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#include <fuse_lowlevel.h>
#include <uthash.h>

#include "backend/clean.h"

#define TEXT_SIZE 200
#define NAME_SIZE 160
#define CLAIMS_INO 2
#define FIRST_INO 3

struct name {
	uint64_t ino;
	struct timespec mtime;
	UT_hash_handle by_name;
	UT_hash_handle by_ino;
	char text[NAME_SIZE];
};

static struct name *by_name, *by_ino; /* by_ino in order of ino */
static uint64_t last_ino = FIRST_INO - 1;
static char claim_text[TEXT_SIZE];

static struct name *find_name(const char *text)
{
	struct name *n = NULL;

	HASH_FIND(by_name, by_name, text, strlen(text), n);
	return n;
}

static struct name *find_ino(uint64_t ino)
{
	struct name *n = NULL;

	HASH_FIND(by_ino, by_ino, &ino, sizeof(ino), n);
	return n;
}

/* NULL: no memory. TEXT is not there yet and fits. */
static struct name *name_add(const char *text)
{
	struct name *n = calloc(1, sizeof(*n));

	if (!n)
		return NULL;
	n->ino = ++last_ino;
	(void)clock_gettime(CLOCK_REALTIME, &n->mtime);
	(void)snprintf(n->text, sizeof(n->text), "%s", text);
	HASH_ADD(by_name, by_name, text, strlen(n->text), n);
	HASH_ADD(by_ino, by_ino, ino, sizeof(n->ino), n);
	return n;
}

static void name_remove(struct name *n)
{
	HASH_DELETE(by_name, by_name, n);
	HASH_DELETE(by_ino, by_ino, n);
	free(n);
}

static int is_dir(uint64_t ino)
{
	return ino == FUSE_ROOT_ID || ino == CLAIMS_INO;
}

/* 0, or -ENOENT. */
static int stat_of(uint64_t ino, struct stat *st)
{
	const struct name *n = NULL;

	if (!is_dir(ino)) {
		n = find_ino(ino);
		if (!n)
			return -ENOENT;
	}
	*st = (struct stat){
		.st_ino = ino,
		.st_mode = n ? S_IFREG | 0666 : S_IFDIR | 0777,
		.st_nlink = n ? 1 : 2,
		.st_uid = getuid(),
		.st_gid = getgid(),
		.st_size = n ? TEXT_SIZE : 0,
	};
	if (n)
		st->st_mtim = n->mtime;
	return 0;
}

/* Time-outs 0: the kernel asks each time. */
static int entry_of(uint64_t ino, struct fuse_entry_param *e)
{
	*e = (struct fuse_entry_param){ .ino = ino, .generation = 1 };
	return stat_of(ino, &e->attr);
}

static void null_lookup(fuse_req_t req, fuse_ino_t parent, const char *text)
{
	const struct name *n = parent == CLAIMS_INO ? find_name(text) : NULL;
	struct fuse_entry_param e;
	uint64_t ino = n ? n->ino : 0;

	if (parent == FUSE_ROOT_ID && strcmp(text, "claims") == 0)
		ino = CLAIMS_INO;
	if (!ino || entry_of(ino, &e))
		(void)fuse_reply_err(req, ENOENT);
	else
		(void)fuse_reply_entry(req, &e);
}

static void reply_attr(fuse_req_t req, uint64_t ino)
{
	struct stat st;

	if (stat_of(ino, &st))
		(void)fuse_reply_err(req, ENOENT);
	else
		(void)fuse_reply_attr(req, &st, 0);
}

static void null_getattr(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	(void)fi;
	reply_attr(req, ino);
}

static void null_setattr(fuse_req_t req, fuse_ino_t ino, struct stat *st, int set,
			 struct fuse_file_info *fi)
{
	struct name *n = find_ino(ino);

	(void)fi;
	if (n && (set & FUSE_SET_ATTR_MTIME_NOW))
		(void)clock_gettime(CLOCK_REALTIME, &n->mtime);
	else if (n && (set & FUSE_SET_ATTR_MTIME))
		n->mtime = st->st_mtim;
	reply_attr(req, ino);
}

static void null_create(fuse_req_t req, fuse_ino_t parent, const char *text, mode_t mode,
			struct fuse_file_info *fi)
{
	struct fuse_entry_param e;
	struct name *n;
	int err = 0;

	(void)mode;
	if (parent != CLAIMS_INO)
		err = EPERM;
	else if (strlen(text) >= NAME_SIZE)
		err = ENAMETOOLONG;
	else if (find_name(text))
		err = EEXIST;
	n = err ? NULL : name_add(text);
	if (!n || entry_of(n->ino, &e)) {
		(void)fuse_reply_err(req, err ? err : ENOMEM);
		return;
	}
	fi->direct_io = 1;
	(void)fuse_reply_create(req, &e, fi);
}

static void null_unlink(fuse_req_t req, fuse_ino_t parent, const char *text)
{
	struct name *n = parent == CLAIMS_INO ? find_name(text) : NULL;

	if (n)
		name_remove(n);
	(void)fuse_reply_err(req, n ? 0 : ENOENT);
}

static void null_open(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	if (!find_ino(ino)) {
		(void)fuse_reply_err(req, ESTALE);
		return;
	}
	fi->direct_io = 1;
	(void)fuse_reply_open(req, fi);
}

static void null_read(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off,
		      struct fuse_file_info *fi)
{
	size_t at = off < TEXT_SIZE ? (size_t)off : TEXT_SIZE;
	size_t left = TEXT_SIZE - at;

	(void)ino;
	(void)fi;
	(void)fuse_reply_buf(req, claim_text + at, size < left ? size : left);
}

/* The first name after cookie OFF, which is an inode number. */
static const struct name *name_after(uint64_t off)
{
	const struct name *n = off ? find_ino(off) : NULL;

	if (n)
		return n->by_ino.next;
	for (n = by_ino; n && n->ino <= off; n = n->by_ino.next)
		;
	return n;
}

static void null_readdir(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off,
			 struct fuse_file_info *fi)
{
	struct stat st = { .st_ino = CLAIMS_INO, .st_mode = S_IFDIR };
	AUTO_FREE char *out = malloc(size);
	size_t used = 0;

	(void)fi;
	if (!out) {
		(void)fuse_reply_err(req, ENOMEM);
		return;
	}
	if (ino == FUSE_ROOT_ID && !off)
		used = fuse_add_direntry(req, out, size, "claims", &st, 1);
	st.st_mode = S_IFREG;
	for (const struct name *n = ino == CLAIMS_INO ? name_after((uint64_t)off) : NULL; n;
	     n = n->by_ino.next) {
		size_t need;

		st.st_ino = n->ino;
		need = fuse_add_direntry(req, out + used, size - used, n->text, &st, (off_t)n->ino);
		if (need > size - used)
			break;
		used += need;
	}
	(void)fuse_reply_buf(req, out, used);
}

static const struct fuse_lowlevel_ops operations = {
	.lookup = null_lookup,
	.getattr = null_getattr,
	.setattr = null_setattr,
	.create = null_create,
	.unlink = null_unlink,
	.open = null_open,
	.read = null_read,
	.readdir = null_readdir,
};

/* Take requests until there is none. 0 or -errno. */
static int drain(struct fuse_session *se, struct fuse_buf *buf)
{
	int n;

	while (!fuse_session_exited(se)) {
		n = fuse_session_receive_buf(se, buf);
		if (n > 0)
			fuse_session_process_buf(se, buf);
		else if (n != -EINTR)
			return n == -EAGAIN ? 0 : n;
	}
	return 0;
}

static int watch(int epoll, int fd)
{
	struct epoll_event e = { .events = EPOLLIN, .data.fd = fd };

	return epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &e);
}

/* Until unmounted, or told to stop by a signal that SIGNALS reads. 0 or -errno. */
static int loop(struct fuse_session *se, int signals)
{
	AUTO_CLOSE int epoll = epoll_create1(EPOLL_CLOEXEC);
	struct fuse_buf buf = { .mem = NULL };
	int fd = fuse_session_fd(se), err = 0;
	struct epoll_event e;

	if (epoll < 0 || fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK) || watch(epoll, fd) ||
	    watch(epoll, signals))
		return -errno;
	while (!err && !fuse_session_exited(se)) {
		if (epoll_wait(epoll, &e, 1, -1) < 0)
			err = errno == EINTR ? 0 : -errno;
		else if (e.data.fd == signals)
			break;
		else
			err = drain(se, &buf);
	}
	free(buf.mem);
	return err;
}

static int serve(struct fuse_session *se, const char *mountpoint)
{
	AUTO_CLOSE int signals = -1;
	sigset_t set;
	int err;

	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGTERM);
	(void)sigaddset(&set, SIGINT);
	(void)sigprocmask(SIG_BLOCK, &set, NULL);
	signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (signals < 0)
		return -errno;
	if (fuse_session_mount(se, mountpoint))
		return -EIO;
	err = loop(se, signals);
	fuse_session_unmount(se);
	return err;
}

int main(int argc, char **argv)
{
	struct fuse_args args = FUSE_ARGS_INIT(0, NULL);
	struct fuse_session *se = NULL;
	struct name *n, *next;
	int err = -ENOMEM;

	if (argc != 2) {
		(void)fprintf(stderr, "usage: nullfs MOUNTPOINT\n");
		return 2;
	}
	memset(claim_text, 'x', sizeof(claim_text));
	claim_text[TEXT_SIZE - 1] = '\n';
	if (!fuse_opt_add_arg(&args, argv[0]) && !fuse_opt_add_arg(&args, "-ofsname=nullfs"))
		se = fuse_session_new(&args, &operations, sizeof(operations), NULL);
	if (se) {
		err = serve(se, argv[1]);
		fuse_session_destroy(se);
	}
	fuse_opt_free_args(&args);
	HASH_ITER(by_ino, by_ino, n, next)
		name_remove(n);
	if (err)
		(void)fprintf(stderr, "nullfs: %s\n", strerror(-err));
	return err ? 1 : 0;
}
