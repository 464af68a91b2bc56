/* guard --install, --uninstall: the hooks of a repository, beside those that are there. */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backend/clean.h"
#include "tools/guard.h"
#include "tools/hooktext.h"
#include "tools/program.h"
#include "tools/tool.h"

#define HOOKS 4

static const char *const names[HOOKS] = { "pre-commit", "prepare-commit-msg", "post-commit",
					  "pre-push" };

/*
 * One hook as it is. path, chained: its file, and where what cannot take a block is moved to.
 * there: there is something; st, text: what (text: of a regular file alone). is: what our block says
 * of itself, if there is one. moves: it has to make way.
 */
struct hookfile {
	char path[PATH_MAX], chained[PATH_MAX];
	int there, ours, moves;
	struct stat st;
	struct buf text;
	struct hooktext is;
};

/* common: the git directory of all work trees; top: the work tree's; hooks: where git looks
 * for hooks. Owned. */
struct place {
	char *common, *top, *hooks;
	struct hookfile at[HOOKS];
};

/* --- where the hooks are --- */

/* What `git -C DIR rev-parse A B` prints, without its last newline. 0 or -1. */
static int ask_git(const char *dir, int flags, struct buf *out, const char *a, const char *b)
{
	const char *const argv[] = { "git", "-C", dir, "rev-parse", a, b, NULL, NULL };
	const char *const path[] = { "git", "-C", dir, "rev-parse", a, "--git-path", b, NULL };
	int status = program_run(b ? path : argv, flags, out);

	if (status || out->err || !out->n)
		return -1;
	out->p[--out->n] = '\0';
	return 0;
}

/* PATH, as git says it from DIR on, for us. */
static char *resolve(const char *dir, const char *path)
{
	AUTO_BUF struct buf out = BUF_INIT;

	if (*path != '/')
		buf_printf(&out, "%s/", dir);
	buf_str(&out, path);
	return buf_detach(&out);
}

/* A hook that is started by git, and starts this, leaves its own repository in the environment. */
static void forget_git(void)
{
	(void)unsetenv("GIT_DIR");
	(void)unsetenv("GIT_WORK_TREE");
	(void)unsetenv("GIT_COMMON_DIR");
	(void)unsetenv("GIT_INDEX_FILE");
}

static int find_place(struct place *p, const char *repo)
{
	AUTO_BUF struct buf top = BUF_INIT, out = BUF_INIT;
	AUTO_FREE char *common = NULL;
	char *hooks;

	forget_git();
	if (ask_git(repo, PROGRAM_QUIET, &top, "--show-toplevel", NULL)) {
		buf_clear(&top);
		if (ask_git(repo, 0, &top, "--absolute-git-dir", NULL))
			return -1; /* git has said why */
	}
	if (ask_git(buf_text(&top), 0, &out, "--git-common-dir", "hooks"))
		return -1;
	hooks = strchr(out.p, '\n');
	if (!hooks)
		return -1;
	*hooks++ = '\0';
	common = resolve(buf_text(&top), out.p);
	p->common = common ? realpath(common, NULL) : NULL;
	p->hooks = resolve(buf_text(&top), hooks);
	p->top = buf_detach(&top);
	return p->common && p->hooks && p->top ? 0 : -1;
}

/* --- what is there --- */

static int read_text(const char *path, struct buf *out)
{
	AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);

	return fd < 0 ? -errno : buf_read(out, fd);
}

/* 0 or -errno. */
static int look(struct hookfile *f, const char *dir, const char *name)
{
	int n = snprintf(f->path, sizeof(f->path), "%s/%s", dir, name), err = 0;

	if (n < 0 || (size_t)n + sizeof(HOOKTEXT_CHAINED) > sizeof(f->path))
		return -ENAMETOOLONG;
	(void)snprintf(f->chained, sizeof(f->chained), "%s/%s%s", dir, name, HOOKTEXT_CHAINED);
	f->there = lstat(f->path, &f->st) == 0;
	if (!f->there)
		return errno == ENOENT ? 0 : -errno;
	if (S_ISREG(f->st.st_mode))
		err = read_text(f->path, &f->text);
	f->ours = !err && strlen(buf_text(&f->text)) == f->text.n &&
		  hooktext_find(buf_text(&f->text), &f->is);
	f->moves = !f->ours && !(S_ISREG(f->st.st_mode) && (f->st.st_mode & 0111) &&
				 hooktext_is_shell(buf_text(&f->text), f->text.n));
	return S_ISDIR(f->st.st_mode) ? -EISDIR : err;
}

static int look_at_all(struct place *p)
{
	for (int i = 0; i < HOOKS; i++) {
		int err = look(&p->at[i], p->hooks, names[i]);

		if (err) {
			warnx("%s: %s", p->at[i].path, strerror(-err));
			return TOOL_NO;
		}
	}
	return 0;
}

/* 0, or TOOL_NO: a hook that has to make way cannot. */
static int check_all(const struct place *p)
{
	for (int i = 0; i < HOOKS; i++) {
		const struct hookfile *f = &p->at[i];
		struct stat st;

		if ((f->there && !f->moves) || lstat(f->chained, &st))
			continue;
		warnx("%s exists already: it was moved there once, or is somebody else's",
		      f->chained);
		(void)fprintf(stderr, "next: put it where it belongs, and try again\n");
		return TOOL_NO;
	}
	return 0;
}

static void place_release(struct place *p)
{
	for (int i = 0; i < HOOKS; i++)
		buf_free(&p->at[i].text);
	free(p->common);
	free(p->top);
	free(p->hooks);
}

/* --- writing --- */

static int write_all(int fd, const struct buf *text)
{
	size_t done = 0;

	while (done < text->n) {
		ssize_t n = write(fd, text->p + done, text->n - done);

		if (n < 0 && errno != EINTR)
			return -errno;
		done += n > 0 ? (size_t)n : 0;
	}
	return 0;
}

/* FILE becomes TEXT, wholly or not at all, with the mode and, where possible, the owner of LIKE. */
static int replace(const char *file, const struct buf *text, mode_t mode, const struct stat *like)
{
	AUTO_BUF struct buf temp = BUF_INIT;
	AUTO_CLOSE int fd = -1;
	int err;

	buf_printf(&temp, "%s.coordfs-XXXXXX", file);
	fd = temp.err || text->err ? -1 : mkostemp(temp.p, O_CLOEXEC);
	if (fd < 0)
		return temp.err || text->err ? -ENOMEM : -errno;
	err = write_all(fd, text);
	if (!err && fchown(fd, like->st_uid, like->st_gid) && errno != EPERM)
		err = -errno;
	if (!err && fchmod(fd, mode & 07777))
		err = -errno;
	if (!err && rename(temp.p, file))
		err = -errno;
	if (err)
		(void)unlink(temp.p);
	return err;
}

/* What is left of a file without our block is what we made it of. */
static int is_bare(const struct buf *rest)
{
	return strcmp(buf_text(rest), HOOKTEXT_SHEBANG) == 0;
}

/* The file of H alone, in DIR. */
static int write_whole(struct hookfile *f, const struct hooktext *h, const struct stat *dir)
{
	AUTO_BUF struct buf block = BUF_INIT, text = BUF_INIT;

	hooktext_block(h, &block);
	hooktext_insert(HOOKTEXT_SHEBANG, strlen(HOOKTEXT_SHEBANG), &block, &text);
	return replace(f->path, &text, 0755, dir);
}

/* The file as it is, our block anew or for the first time. */
static int write_block(struct hookfile *f, struct hooktext *h)
{
	AUTO_BUF struct buf block = BUF_INIT, rest = BUF_INIT, text = BUF_INIT;

	hooktext_remove(buf_text(&f->text), f->text.n, &rest);
	h->chained = f->is.chained;
	h->whole = f->is.whole && is_bare(&rest);
	hooktext_block(h, &block);
	hooktext_insert(buf_text(&rest), rest.n, &block, &text);
	return replace(f->path, &text, f->st.st_mode, &f->st);
}

static int install_one(struct hookfile *f, struct hooktext *h, const struct stat *dir)
{
	if (f->there && !f->moves)
		return write_block(f, h);
	h->whole = 1;
	h->chained = f->moves;
	if (f->moves && rename(f->path, f->chained))
		return -errno;
	return write_whole(f, h, dir);
}

/* 0 or -errno. */
static int uninstall_one(const struct hookfile *f)
{
	AUTO_BUF struct buf rest = BUF_INIT;

	if (!f->ours)
		return 0;
	hooktext_remove(buf_text(&f->text), f->text.n, &rest);
	if (!f->is.whole || !is_bare(&rest)) {
		if (f->is.chained)
			warnx("%s was changed: %s stays where it is", f->path, f->chained);
		return replace(f->path, &rest, f->st.st_mode, &f->st);
	}
	if (f->is.chained && !rename(f->chained, f->path))
		return 0;
	if (f->is.chained && errno != ENOENT)
		return -errno;
	return unlink(f->path) ? -errno : 0;
}

/* --- the command --- */

/* This program's own path. 0 or -errno. */
static int find_self(char out[PATH_MAX])
{
	ssize_t n = readlink("/proc/self/exe", out, PATH_MAX - 1);

	if (n < 0)
		return -errno;
	out[n] = '\0';
	return access(out, X_OK) ? -errno : 0;
}

/* Is PATH, as it is really called, below DIR? */
static int is_below(const char *dir, const char *path)
{
	AUTO_FREE char *real = realpath(path, NULL);
	size_t n = strlen(dir);

	return real && strncmp(real, dir, n) == 0 && (real[n] == '/' || !real[n]);
}

static void warn_of(const struct place *p, const struct mnt *m)
{
	char name[NAME_LEN_MAX + 1];

	if (guard_repo(m, p->common, name) == -ENOENT)
		warnx("%s is in none of %s/repos: until it is, nothing is checked", p->common,
		      m->dir);
	if (access(p->hooks, F_OK) == 0 && !is_below(p->common, p->hooks) &&
	    !is_below(p->top, p->hooks))
		warnx("%s is outside of the repository: whoever has it for hooks has these",
		      p->hooks);
}

static int install_all(struct place *p, struct hooktext *h)
{
	struct stat dir;
	int err = mkdir(p->hooks, 0777) && errno != EEXIST ? -errno : 0;

	if (!err && stat(p->hooks, &dir))
		err = -errno;
	if (err)
		warnx("%s: %s", p->hooks, strerror(-err));
	for (int i = 0; i < HOOKS && !err; i++) {
		h->hook = names[i];
		err = install_one(&p->at[i], h, &dir);
		if (err)
			warnx("%s: %s", p->at[i].path, strerror(-err));
	}
	return err ? TOOL_NO : TOOL_YES;
}

/* The policy of the mount is written into the hooks: they follow it when there is no mount. */
static int install(struct place *p, const struct mnt *m)
{
	char policy[16] = "", self[PATH_MAX];
	struct hooktext h = { .program = self, .mount = m->dir };
	int err = mnt_read_line(m, policy, sizeof(policy), "control/guard-offline");

	if (err && err != -ENOENT) {
		warnx("cannot read %s/control/guard-offline: %s", m->dir, strerror(-err));
		return TOOL_CANNOT_TELL;
	}
	h.offline_open = strcmp(policy, "open") == 0;
	err = find_self(self);
	if (err) {
		warnx("cannot find this program: %s", strerror(-err));
		return TOOL_CANNOT_TELL;
	}
	warn_of(p, m);
	return install_all(p, &h);
}

int guard_install(const char *repo, const char *dir)
{
	AUTO_MNT struct mnt m = MNT_INIT;
	struct place p = { .common = NULL };
	int status = mnt_open(&m, dir);

	if (!status)
		status = find_place(&p, repo) ? TOOL_USAGE : TOOL_YES;
	if (!status)
		status = look_at_all(&p);
	if (!status)
		status = check_all(&p);
	if (!status)
		status = install(&p, &m);
	place_release(&p);
	return status;
}

int guard_uninstall(const char *repo)
{
	struct place p = { .common = NULL };
	int status = find_place(&p, repo) ? TOOL_USAGE : TOOL_YES;

	if (!status)
		status = look_at_all(&p);
	for (int i = 0; i < HOOKS && !status; i++) {
		int err = uninstall_one(&p.at[i]);

		if (err) {
			warnx("%s: %s", p.at[i].path, strerror(-err));
			status = TOOL_NO;
		}
	}
	place_release(&p);
	return status;
}
