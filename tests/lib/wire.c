#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "backend/text.h"
#include "fs/dirs.h"
#include "fs/handle.h"
#include "fs/verdict.h"
#include "fs/watch.h"
#include "tests/lib/wire.h"

#define MESSAGE_MAX (1 << 21)
#define MINOR 38 /* of the protocol */

/* The harness itself failed: no test result, a crash that says so. */
#define MUST(x)                                                                                   \
	do {                                                                                      \
		if (!(x)) {                                                                       \
			(void)fprintf(stderr, "%s:%d: not so: %s (%s)\n", __FILE__, __LINE__, #x, \
				      strerror(errno));                                           \
			abort();                                                                  \
		}                                                                                 \
	} while (0)

/* --- the mount --- */

static void attach(struct wire *w)
{
	struct fuse_init_in in = { .major = 7,
				   .minor = w->minor,
				   .max_readahead = 131072,
				   .flags = FUSE_ASYNC_READ | FUSE_BIG_WRITES |
					    FUSE_DO_READDIRPLUS | FUSE_MAX_PAGES };
	int ends[2], room = MESSAGE_MAX;

	MUST(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) == 0);
	for (int i = 0; i < 2; i++)
		(void)setsockopt(ends[i], SOL_SOCKET, SO_SNDBUF, &room, sizeof(room));
	w->kernel = ends[0];
	MUST((w->ll = ll_new(&w->fs, NULL)));
	MUST(ll_attach(w->ll, ends[1]) == 0);
	MUST(wire_answer(w, wire_send(w, FUSE_INIT, 0, &in, sizeof(in), NULL, 0), NULL) == 0);
}

static void detach(struct wire *w)
{
	writer_turn_away(w->f.store);
	(void)store_collect(w->f.store);
	handle_close_all();
	ll_free(w->ll);
	(void)close(w->kernel);
	while (w->replies) {
		struct reply *r = w->replies;

		w->replies = r->next;
		free(r->data);
		free(r);
	}
}

static void fs_init(struct wire *w)
{
	w->fs.store = w->f.store;
	w->fs.owner = w->fs.owner_gid = WIRE_OWNER;
	w->fs.operators = WIRE_OPERATORS;
	w->fs.mounted = w->f.sim.wall;
	(void)snprintf(w->fs.mountpoint, sizeof(w->fs.mountpoint), "/coord");
	MUST((w->fs.why = why_new()));
	MUST((w->fs.verdict = verdict_new(&w->fs, NULL)));
	MUST((w->fs.watch = watch_new(&w->fs, w->loop)));
}

static void fs_release(struct wire *w)
{
	verdict_free(w->fs.verdict);
	watch_free(w->fs.watch);
	why_free(w->fs.why);
	buf_free(&w->fs.import_report);
	buf_free(&w->fs.grade.text);
	buf_free(&w->fs.next.text);
	buf_free(&w->fs.next_why.text);
}

void wire_open_as(struct wire *w, uint32_t minor)
{
	memset(w, 0, sizeof(*w));
	fixture_open(&w->f);
	w->minor = minor;
	w->who = (struct who){ FIXTURE_UID, FIXTURE_UID, 0 };
	MUST(node_init(&root_node) == 0);
	fs_init(w);
	attach(w);
}

void wire_open_on(struct wire *w, const char *vfs, struct loop *loop)
{
	memset(w, 0, sizeof(*w));
	fixture_open_on(&w->f, vfs);
	w->minor = MINOR;
	w->loop = loop;
	w->who = (struct who){ FIXTURE_UID, FIXTURE_UID, 0 };
	MUST(node_init(&root_node) == 0);
	fs_init(w);
	attach(w);
}

void wire_open(struct wire *w)
{
	wire_open_as(w, MINOR);
}

void wire_close(struct wire *w)
{
	for (int i = 0; i < WIRE_PROCESSES; i++)
		if (w->processes[i])
			wire_kill(w, w->processes[i]);
	detach(w);
	fs_release(w);
	fixture_close(&w->f);
}

void wire_down(struct wire *w)
{
	detach(w);
	fs_release(w);
	fixture_stop(&w->f);
}

int wire_up(struct wire *w)
{
	int err = fixture_start(&w->f);

	if (err)
		return err;
	fs_init(w);
	attach(w);
	return 0;
}

void wire_restart(struct wire *w)
{
	wire_down(w);
	MUST(wire_up(w) == 0);
}

/* A process's environment can be read a moment after it was started only. */
static int has_started(pid_t pid)
{
	char path[64], text[512];
	ssize_t n;
	int fd;

	(void)snprintf(path, sizeof(path), "/proc/%d/environ", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	n = read(fd, text, sizeof(text));
	(void)close(fd);
	return n > 0 && memmem(text, (size_t)n, "WIRE=1", 6);
}

static pid_t start(const char *session)
{
	char sleep[] = "sleep", seconds[] = "60", wire[] = "WIRE=1", text[256];
	char *argv[] = { sleep, seconds, NULL };
	char *envp[] = { wire, session ? text : NULL, NULL };
	pid_t pid = fork();

	(void)snprintf(text, sizeof(text), "COORD_SESSION=%s", session ? session : "");
	if (pid)
		return pid;
	if (geteuid() != 0 || setresuid(FIXTURE_UID, FIXTURE_UID, FIXTURE_UID) == 0)
		(void)execvpe("sleep", argv, envp);
	_exit(127);
}

pid_t wire_process(struct wire *w, const char *session)
{
	for (int i = 0; i < WIRE_PROCESSES; i++) {
		if (w->processes[i])
			continue;
		MUST((w->processes[i] = start(session)) > 0);
		for (int tries = 0; !has_started(w->processes[i]); tries++) {
			MUST(tries < 10000);
			MUST(waitpid(w->processes[i], NULL, WNOHANG) == 0);
			(void)poll(NULL, 0, 1);
		}
		return w->processes[i];
	}
	abort();
}

void wire_kill(struct wire *w, pid_t pid)
{
	for (int i = 0; i < WIRE_PROCESSES; i++)
		if (w->processes[i] == pid)
			w->processes[i] = 0;
	(void)kill(pid, SIGKILL);
	(void)waitpid(pid, NULL, 0);
}

/* --- raw --- */

void wire_send_bytes(struct wire *w, const void *bytes, size_t n)
{
	w->n_sent = n <= sizeof(w->sent) ? n : 0;
	memcpy(w->sent, bytes, w->n_sent);
	MUST(send(w->kernel, bytes, n, 0) == (ssize_t)n);
	(void)ll_receive(w->ll, 1);
}

void wire_number(struct wire *w, uint64_t unique)
{
	w->unique = unique - 2;
}

uint64_t wire_send(struct wire *w, uint32_t opcode, uint64_t node, const void *arg, size_t n,
		   const void *more, size_t m)
{
	struct fuse_in_header h = { .len = (uint32_t)(sizeof(h) + n + m),
				    .opcode = opcode,
				    .unique = w->unique += 2, /* as the kernel does */
				    .nodeid = node,
				    .uid = w->who.uid,
				    .gid = w->who.gid,
				    .pid = (uint32_t)w->who.pid };
	char *all = malloc(h.len);

	MUST(all);
	memcpy(all, &h, sizeof(h));
	if (n)
		memcpy(all + sizeof(h), arg, n);
	if (m)
		memcpy(all + sizeof(h) + n, more, m);
	wire_send_bytes(w, all, h.len);
	free(all);
	return h.unique;
}

void wire_decide(struct wire *w)
{
	int more;

	do {
		more = ll_pauses(w->ll); /* what waited for a lock's end is to be decided too */
		writer_run_batch(w->f.store);
		ll_decided(w->ll);
	} while (ll_receive(w->ll, 64) || more || ll_pauses(w->ll));
}

/* What the daemon has sent, into w->replies. */
static void drain(struct wire *w)
{
	static char message[MESSAGE_MAX];
	struct reply **end = &w->replies;
	ssize_t n;

	while (*end)
		end = &(*end)->next;
	while ((n = recv(w->kernel, message, sizeof(message), 0)) > 0) {
		struct fuse_out_header h;
		struct reply *r;

		memcpy(&h, message, sizeof(h));
		MUST(h.len == (size_t)n);
		if (!h.unique) {
			MUST(h.error > 0 && h.error < 16);
			w->notified[h.error]++;
			continue;
		}
		MUST((r = calloc(1, sizeof(*r))));
		r->unique = h.unique;
		r->err = h.error;
		r->n = h.len - sizeof(h);
		MUST((r->data = calloc(1, r->n + 1)));
		memcpy(r->data, message + sizeof(h), r->n);
		*end = r;
		end = &r->next;
	}
}

void reply_free(struct reply *r)
{
	free(r->data);
	r->data = NULL;
}

int wire_answered(struct wire *w, uint64_t unique, struct reply *out)
{
	drain(w);
	for (struct reply **p = &w->replies; *p; p = &(*p)->next) {
		struct reply *r = *p;

		if (r->unique != unique)
			continue;
		*p = r->next;
		if (out)
			*out = *r;
		else
			free(r->data);
		free(r);
		return 1;
	}
	return 0;
}

int wire_answer(struct wire *w, uint64_t unique, struct reply *out)
{
	struct reply r;
	int err;

	if (!wire_answered(w, unique, &r)) {
		wire_decide(w);
		MUST(wire_answered(w, unique, &r));
	}
	err = r.err;
	if (out)
		*out = r;
	else
		reply_free(&r);
	return err;
}

int wire_unclaimed(struct wire *w)
{
	int n = 0;

	drain(w);
	for (struct reply *r = w->replies; r; r = r->next)
		n++;
	return n;
}

/* --- requests --- */

uint64_t ask_name(struct wire *w, uint32_t opcode, uint64_t dir, const char *name)
{
	return wire_send(w, opcode, dir, NULL, 0, name, strlen(name) + 1);
}

uint64_t ask_lookup(struct wire *w, uint64_t dir, const char *name)
{
	return ask_name(w, FUSE_LOOKUP, dir, name);
}

uint64_t ask_create(struct wire *w, uint64_t dir, const char *name, int flags)
{
	struct fuse_create_in in = { .flags = (uint32_t)flags | O_CREAT, .mode = 0100644 };

	return wire_send(w, FUSE_CREATE, dir, &in, sizeof(in), name, strlen(name) + 1);
}

uint64_t ask_open(struct wire *w, uint64_t node, int flags)
{
	struct fuse_open_in in = { .flags = (uint32_t)flags };

	return wire_send(w, FUSE_OPEN, node, &in, sizeof(in), NULL, 0);
}

uint64_t ask_touch(struct wire *w, uint64_t node)
{
	struct fuse_setattr_in in = { .valid = FATTR_ATIME | FATTR_MTIME | FATTR_ATIME_NOW |
					       FATTR_MTIME_NOW };

	return wire_send(w, FUSE_SETATTR, node, &in, sizeof(in), NULL, 0);
}

uint64_t ask_read(struct wire *w, uint64_t node, uint64_t fh, uint64_t off, uint32_t size)
{
	struct fuse_read_in in = { .fh = fh, .offset = off, .size = size };

	return wire_send(w, FUSE_READ, node, &in, sizeof(in), NULL, 0);
}

uint64_t ask_write(struct wire *w, uint64_t node, uint64_t fh, uint64_t off, const void *text,
		   size_t n)
{
	struct fuse_write_in in = { .fh = fh, .offset = off, .size = (uint32_t)n };

	return wire_send(w, FUSE_WRITE, node, &in, sizeof(in), text, n);
}

uint64_t ask_rename(struct wire *w, uint64_t from, const char *name, uint64_t to,
		    const char *newname, uint32_t flags)
{
	struct fuse_rename2_in in = { .newdir = to, .flags = flags };
	char names[600];
	size_t n = strlen(name) + 1, m = strlen(newname) + 1;

	MUST(n + m <= sizeof(names));
	memcpy(names, name, n);
	memcpy(names + n, newname, m);
	return wire_send(w, FUSE_RENAME2, from, &in, sizeof(in), names, n + m);
}

uint64_t ask_interrupt(struct wire *w, uint64_t unique)
{
	struct fuse_interrupt_in in = { .unique = unique };

	return wire_send(w, FUSE_INTERRUPT, 0, &in, sizeof(in), NULL, 0);
}

uint64_t ask_flock(struct wire *w, const struct opened *o, int how)
{
	struct fuse_lk_in in = { .fh = o->fh,
				 .owner = o->fh,
				 .lk_flags = FUSE_LK_FLOCK,
				 .lk = { .end = INT64_MAX,
					 .type = how & LOCK_UN ? F_UNLCK :
						 how & LOCK_SH ? F_RDLCK :
								 F_WRLCK } };

	return wire_send(w, how & LOCK_NB ? FUSE_SETLK : FUSE_SETLKW, o->node, &in, sizeof(in),
			 NULL, 0);
}

uint64_t ask_release(struct wire *w, const struct opened *o)
{
	struct fuse_release_in in = { .fh = o->fh };

	return wire_send(w, FUSE_RELEASE, o->node, &in, sizeof(in), NULL, 0);
}

/* The first N bytes of an answer into OUT, if it is one. */
static int answer_into(struct wire *w, uint64_t unique, void *out, size_t n)
{
	struct reply r;
	int err = wire_answer(w, unique, &r);

	if (!err) {
		MUST(r.n >= n);
		if (out)
			memcpy(out, r.data, n);
	}
	reply_free(&r);
	return err;
}

int wire_lookup(struct wire *w, uint64_t dir, const char *name, struct fuse_entry_out *out)
{
	return answer_into(w, ask_lookup(w, dir, name), out, sizeof(*out));
}

int wire_getattr(struct wire *w, uint64_t node, struct fuse_attr *out)
{
	struct fuse_getattr_in in = { .fh = 0 };
	struct fuse_attr_out attr = { .attr_valid = 0 };
	int err = answer_into(w, wire_send(w, FUSE_GETATTR, node, &in, sizeof(in), NULL, 0), &attr,
			      sizeof(attr));

	if (!err && out)
		*out = attr.attr;
	return err;
}

int wire_setattr(struct wire *w, uint64_t node, const struct fuse_setattr_in *in)
{
	return wire_answer(w, wire_send(w, FUSE_SETATTR, node, in, sizeof(*in), NULL, 0), NULL);
}

int wire_touch(struct wire *w, uint64_t node)
{
	return wire_answer(w, ask_touch(w, node), NULL);
}

int wire_create(struct wire *w, uint64_t dir, const char *name, int flags, struct opened *out)
{
	struct {
		struct fuse_entry_out entry;
		struct fuse_open_out open;
	} made;
	int err = answer_into(w, ask_create(w, dir, name, flags), &made, sizeof(made));

	if (!err && out)
		*out = (struct opened){ made.entry.nodeid, made.open.fh, made.open.open_flags };
	return err;
}

int wire_openf(struct wire *w, uint64_t node, int flags, struct opened *out)
{
	struct fuse_open_out open;
	int err = answer_into(w, ask_open(w, node, flags), &open, sizeof(open));

	if (!err && out)
		*out = (struct opened){ node, open.fh, open.open_flags };
	return err;
}

int wire_write(struct wire *w, const struct opened *o, uint64_t off, const void *text, size_t n)
{
	struct fuse_write_out out = { .size = 0 };
	int err = answer_into(w, ask_write(w, o->node, o->fh, off, text, n), &out, sizeof(out));

	MUST(err || out.size == n);
	return err;
}

int wire_release(struct wire *w, const struct opened *o)
{
	struct fuse_flush_in flush = { .fh = o->fh };
	int err = wire_answer(w, wire_send(w, FUSE_FLUSH, o->node, &flush, sizeof(flush), NULL, 0),
			      NULL);

	if (err == -ENOSYS) /* the kernel takes that for success, and asks no more */
		err = 0;
	MUST(wire_answer(w, ask_release(w, o), NULL) == 0);
	return err;
}

int wire_flock(struct wire *w, const struct opened *o, int how)
{
	return wire_answer(w, ask_flock(w, o, how), NULL);
}

int wire_mkdir(struct wire *w, uint64_t dir, const char *name)
{
	struct fuse_mkdir_in in = { .mode = 0755 };

	return wire_answer(
		w, wire_send(w, FUSE_MKDIR, dir, &in, sizeof(in), name, strlen(name) + 1), NULL);
}

int wire_rmdir(struct wire *w, uint64_t dir, const char *name)
{
	return wire_answer(w, ask_name(w, FUSE_RMDIR, dir, name), NULL);
}

int wire_unlink(struct wire *w, uint64_t dir, const char *name)
{
	return wire_answer(w, ask_name(w, FUSE_UNLINK, dir, name), NULL);
}

int wire_rename(struct wire *w, uint64_t from, const char *name, uint64_t to)
{
	return wire_answer(w, ask_rename(w, from, name, to, name, 0), NULL);
}

/* --- directories --- */

/* One entry at P into OUT; the bytes it takes. */
static size_t take_entry(const char *p, int plus, struct entry *out)
{
	size_t head = plus ? FUSE_NAME_OFFSET_DIRENTPLUS : FUSE_NAME_OFFSET;
	struct fuse_entry_out entry = { .nodeid = 0 };
	struct fuse_dirent d;

	if (plus)
		memcpy(&entry, p, sizeof(entry));
	memcpy(&d, p + head - FUSE_NAME_OFFSET, FUSE_NAME_OFFSET);
	MUST(d.namelen < sizeof(out->name));
	memcpy(out->name, p + head, d.namelen);
	out->name[d.namelen] = 0;
	out->node = d.ino;
	out->next = d.off;
	out->type = d.type;
	out->mode = entry.attr.mode;
	MUST(!plus || entry.nodeid == 0 || entry.nodeid == d.ino);
	return FUSE_DIRENT_ALIGN(head + d.namelen);
}

int wire_list(struct wire *w, uint64_t dir, uint64_t off, uint32_t size, int plus,
	      struct entry *out, int max)
{
	struct fuse_read_in in = { .offset = off, .size = size };
	struct reply r;
	int n = 0, err = wire_answer(w,
				     wire_send(w, plus ? FUSE_READDIRPLUS : FUSE_READDIR, dir, &in,
					       sizeof(in), NULL, 0),
				     &r);

	for (size_t at = 0; !err && at < r.n && n < max; n++)
		at += take_entry(r.data + at, plus, &out[n]);
	reply_free(&r);
	return err ? err : n;
}

/* --- by path --- */

uint64_t wire_walk(struct wire *w, const char *path)
{
	struct fuse_entry_out e = { .nodeid = WIRE_ROOT };
	char copy[512], *rest = copy, *name;

	(void)snprintf(copy, sizeof(copy), "%s", path);
	while ((name = strtok_r(rest, "/", &rest)))
		if (wire_lookup(w, e.nodeid, name, &e))
			return 0;
	return e.nodeid;
}

static const char *in_words(int err)
{
	static char out[32];

	(void)snprintf(out, sizeof(out), "!%s", errno_text(err));
	return out;
}

const char *wire_cat(struct wire *w, const char *path)
{
	static struct buf text;
	uint64_t node = wire_walk(w, path);
	struct opened o;
	struct reply r;
	int err = node ? wire_openf(w, node, O_RDONLY, &o) : -ENOENT;

	buf_free(&text);
	if (err)
		return in_words(err);
	do {
		err = wire_answer(w, ask_read(w, node, o.fh, text.n, 65536), &r);
		if (!err)
			buf_add(&text, r.data, r.n);
		reply_free(&r);
	} while (!err && r.n);
	(void)wire_release(w, &o);
	return err ? in_words(err) : buf_text(&text);
}

int wire_put(struct wire *w, const char *path, int flags, const char *text)
{
	uint64_t node = wire_walk(w, path);
	struct opened o;
	int err = node ? wire_openf(w, node, O_WRONLY | flags, &o) : -ENOENT;

	if (err)
		return err;
	err = wire_write(w, &o, 0, text, strlen(text));
	(void)wire_release(w, &o);
	return err;
}

/* open(2) with O_CREAT, as the kernel asks for it. */
static int open_or_create(struct wire *w, uint64_t dir, const char *name, struct opened *o)
{
	struct fuse_entry_out e;
	int err = wire_lookup(w, dir, name, &e);

	if (err == -ENOENT)
		return wire_create(w, dir, name, O_WRONLY | O_NONBLOCK, o);
	return err ? err : wire_openf(w, e.nodeid, O_WRONLY | O_NONBLOCK, o);
}

/* What touch(1) does when its open fails: it sets the times all the same. */
int wire_touch1(struct wire *w, const char *dir, const char *name)
{
	uint64_t parent = wire_walk(w, dir);
	struct fuse_entry_out e;
	struct opened o;
	int err = open_or_create(w, parent, name, &o);

	if (err)
		return wire_lookup(w, parent, name, &e) ? err : wire_touch(w, e.nodeid);
	err = wire_touch(w, o.node);
	(void)wire_release(w, &o);
	return err;
}
