#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <stddef.h>

#include "fs/caller.h"
#include "fs/node.h"
#include "tests/lib/fuzz.h"
#include "tests/lib/random.h"
#include "tests/lib/wire.h"

#define POOL 64 /* nodes and descriptors seen */
#define REQUEST_MAX 8192
#define CLAIMS 3 /* directories to lock in */
#define OWN 4	 /* files about a session's processes */

enum { UNKNOWN, WAITING, MAYBE, ANSWERED };

struct fuzz {
	struct wire w;
	uint64_t random;
	uint64_t nodes[POOL], fhs[POOL];
	unsigned n_nodes, n_fhs, n_files;
	uint64_t claims[CLAIMS], own[OWN], actions;
	pid_t kid, s1; /* processes: one that joins what it may, one that is session s1 */
	struct opened files[POOL]; /* descriptors with what they are open on */
	uint8_t *state;		   /* of each request, by half its number */
	uint64_t *node;		   /* and what it was about */
	size_t n_states;
	struct buf *says;
};

static uint64_t any(struct fuzz *z)
{
	return random_next(&z->random);
}

static int below(struct fuzz *z, int n)
{
	return random_below(&z->random, n);
}

/* --- what to ask --- */

static const char *some_name(struct fuzz *z)
{
	static const char *const names[] = {
		"A",	  "B",	    "C",	 "s1",	"s2",	    "s3",	"claims",
		"done",	  "title",  "artifacts", "why", "outcome",  "procs",	"control",
		"ready",  "README", ".",	 "..",	"",	    "x\ny",	"\xff\xfe",
		"T.swp",  "~",	    "sessions",	 "p",	"command",  "events",	"2026-07-01",
		"import", "limits", "verdict",	 "a/b", "\033[31m", "tasks",	"m",
		"m2",	  "anchor", "k#1",	 "k",	"actions",  "messages", "wait",
	};
	static char longest[300];

	if (below(z, 40) == 0) {
		memset(longest, 'n', sizeof(longest) - 1);
		longest[below(z, 299)] = 0;
		return longest;
	}
	return names[below(z, (int)(sizeof(names) / sizeof(names[0])))];
}

static uint64_t some_node(struct fuzz *z)
{
	switch (below(z, 12)) {
	case 0:
		return any(z);
	case 1:
		return any(z) % ROW_MAX;
	case 2:
		return NODE_INO(any(z) % 300, any(z) % ROW_MAX);
	default:
		return z->nodes[(unsigned)below(z, POOL) % (z->n_nodes < POOL ? z->n_nodes : POOL)];
	}
}

static uint64_t some_fh(struct fuzz *z)
{
	unsigned have = z->n_fhs < POOL ? z->n_fhs : POOL;

	return have && below(z, 8) ? z->fhs[(unsigned)below(z, POOL) % have] : any(z) % 1000;
}

static struct opened some_file(struct fuzz *z)
{
	unsigned have = z->n_files < POOL ? z->n_files : POOL;

	if (have && below(z, 10))
		return z->files[(unsigned)below(z, POOL) % have];
	return (struct opened){ some_node(z), some_fh(z), 0 };
}

static uint32_t some_flags(struct fuzz *z)
{
	static const int flags[] = { O_RDONLY,
				     O_WRONLY,
				     O_RDWR,
				     O_WRONLY | O_APPEND,
				     O_WRONLY | O_TRUNC,
				     O_WRONLY | O_EXCL,
				     O_RDONLY | O_NONBLOCK,
				     O_RDONLY | O_EXCL };

	return below(z, 10) ? (uint32_t)flags[below(z, 8)] : (uint32_t)any(z);
}

static size_t some_text(struct fuzz *z, char *out, size_t max)
{
	static const char *const texts[] = {
		"src/a\n",
		"-src/a\n",
		"artifact doc/x\n",
		"noop\n",
		"done",
		"\n",
		"",
		"0\n",
		"1",
		"A 5 x\n",
		"**\n",
		"x:**\n*\n",
		"standing\n",
		"90s\n",
		"3.5\n",
		"\a",
		"\xc3\n",
		"A\nB\n",
		"/etc/passwd\n",
		"../x\n",
		"uid-claims 3\n",
		"true\n",
		"k 1\n",
		"closed\n",
		"posted\n",
		"{\"task\":\"I\",\"state\":\"ready\",\"artifacts\":[\"a\"]}\n",
		"{\"task\":\"A\",\"state\":\"done\"}",
		"{}",
		"[[[[",
	};
	size_t n;

	if (below(z, 30) == 0) { /* long, in lines or not */
		n = (size_t)below(z, (int)max);
		memset(out, below(z, 2) ? 'x' : '\n', n);
		return n;
	}
	n = (size_t)snprintf(out, max, "%s",
			     texts[below(z, (int)(sizeof(texts) / sizeof(texts[0])))]);
	return n;
}

/* --- requests --- */

/* The parts behind the header; a name goes last and keeps its NUL. */
struct asked {
	uint32_t opcode;
	uint64_t node;
	char body[REQUEST_MAX];
	size_t n, fixed; /* fixed: bytes that are a struct, and may be mutated */
};

static void add_struct(struct asked *a, const void *p, size_t n)
{
	memcpy(a->body + a->n, p, n);
	a->n += n;
	a->fixed = a->n;
}

static void add_name(struct asked *a, const char *name)
{
	size_t n = strlen(name) + 1;

	memcpy(a->body + a->n, name, n);
	a->n += n;
}

static void ask_names(struct fuzz *z, struct asked *a)
{
	static const uint32_t ops[] = { FUSE_LOOKUP, FUSE_LOOKUP, FUSE_LOOKUP, FUSE_UNLINK,
					FUSE_RMDIR };
	struct fuse_mkdir_in mk = { .mode = 0755 };
	struct fuse_rename2_in mv = { .newdir = some_node(z), .flags = (uint32_t)below(z, 6) / 2 };

	switch (below(z, 4)) {
	case 0:
		a->opcode = FUSE_MKDIR;
		add_struct(a, &mk, sizeof(mk));
		break;
	case 1:
		a->opcode = FUSE_RENAME2;
		add_struct(a, &mv, sizeof(mv));
		add_name(a, some_name(z));
		if (below(z, 3)) { /* mostly the same name */
			memcpy(a->body + a->n, a->body + a->fixed, a->n - a->fixed);
			a->n += a->n - a->fixed;
			return;
		}
		break;
	default:
		a->opcode = ops[below(z, 5)];
	}
	add_name(a, some_name(z));
}

static void ask_files(struct fuzz *z, struct asked *a)
{
	struct fuse_create_in create = { .flags = some_flags(z) | O_CREAT, .mode = 0100644 };
	struct fuse_open_in open = { .flags = some_flags(z) };
	struct fuse_read_in read = { .fh = some_fh(z),
				     .size = any(z) & 0x1fff,
				     .offset = below(z, 4) ? 0 : any(z),
				     .flags = below(z, 2) ? O_NONBLOCK : 0 };
	struct fuse_write_in write = { .fh = some_fh(z), .offset = below(z, 4) ? 0 : any(z) };
	struct fuse_release_in release = { .fh = some_fh(z) };

	switch (below(z, 6)) {
	case 0:
		a->opcode = FUSE_CREATE;
		add_struct(a, &create, sizeof(create));
		add_name(a, some_name(z));
		break;
	case 1:
		a->opcode = FUSE_OPEN;
		add_struct(a, &open, sizeof(open));
		break;
	case 2:
		a->opcode = below(z, 4) ? FUSE_READ : below(z, 2) ? FUSE_READDIR : FUSE_READDIRPLUS;
		add_struct(a, &read, sizeof(read));
		break;
	case 3:
		a->opcode = below(z, 2) ? FUSE_RELEASE : FUSE_FLUSH;
		add_struct(a, &release, sizeof(release));
		break;
	default:
		a->opcode = FUSE_WRITE;
		add_struct(a, &write, sizeof(write));
		a->n += some_text(z, a->body + a->n, 6000);
		write.size = (uint32_t)(a->n - sizeof(write));
		memcpy(a->body, &write, sizeof(write));
		a->fixed = offsetof(struct fuse_write_in, size);
	}
}

/* "0", the asker's own process, into a file that says so of a session: 1 if one is open. */
static int ask_own(struct fuzz *z, struct asked *a)
{
	for (unsigned i = 0; i < POOL && i < z->n_files; i++)
		for (int k = 0; k < OWN; k++)
			if (z->files[i].node == z->own[k] && below(z, 4) == 0) {
				struct fuse_write_in in = { .fh = z->files[i].fh, .size = 2 };

				a->opcode = FUSE_WRITE;
				a->node = z->own[k];
				add_struct(a, &in, sizeof(in));
				memcpy(a->body + a->n, "0\n", 2);
				a->n += 2;
				return 1;
			}
	return 0;
}

/* What is open, and on what it is: most of it makes sense. */
static void ask_opened(struct fuzz *z, struct asked *a)
{
	struct opened o = some_file(z);
	struct fuse_lk_in lock = { .fh = o.fh,
				   .owner = (uint64_t)below(z, 3),
				   .lk_flags = below(z, 20) ? FUSE_LK_FLOCK : 0,
				   .lk = { .type = (uint32_t)below(z, 3) } };
	struct fuse_release_in release = { .fh = o.fh };
	struct fuse_write_in write = { .fh = o.fh };

	if (below(z, 8) == 0 && ask_own(z, a))
		return;
	a->node = o.node;
	switch (below(z, 8)) {
	case 0:
		a->opcode = FUSE_RELEASE;
		add_struct(a, &release, sizeof(release));
		break;
	case 1:
		a->opcode = FUSE_WRITE;
		add_struct(a, &write, sizeof(write));
		a->n += some_text(z, a->body + a->n, 100);
		write.size = (uint32_t)(a->n - sizeof(write));
		memcpy(a->body, &write, sizeof(write));
		a->fixed = offsetof(struct fuse_write_in, size);
		break;
	default:
		a->opcode = below(z, 3) ? FUSE_SETLKW : FUSE_SETLK;
		add_struct(a, &lock, sizeof(lock));
	}
}

/* A file of claims/, to be locked, or one that says whose process a session's is. */
static void ask_lockable(struct fuzz *z, struct asked *a)
{
	static const char *const names[] = { "A", "B", "m", "m2" };
	struct fuse_create_in create = { .flags = O_RDONLY | O_CREAT, .mode = 0100644 };
	struct fuse_open_in open = { .flags = O_WRONLY };

	if (below(z, 6) == 0) {
		a->opcode = FUSE_OPEN;
		a->node = z->own[below(z, OWN)];
		add_struct(a, &open, sizeof(open));
		return;
	}
	a->opcode = FUSE_CREATE;
	a->node = z->claims[below(z, CLAIMS)];
	add_struct(a, &create, sizeof(create));
	add_name(a, names[below(z, 4)]);
}

/* A node of ROW that was seen, or 0. */
static uint64_t some_of(struct fuzz *z, enum row row)
{
	unsigned from = (unsigned)below(z, POOL);

	for (unsigned i = 0; i < POOL; i++)
		if ((z->nodes[(from + i) % POOL] & 0xffff) == row)
			return z->nodes[(from + i) % POOL];
	return 0;
}

/* An outward deed: asked for, looked for, withdrawn, or opened to say what became of it; a mailbox. */
static void ask_deed(struct fuzz *z, struct asked *a)
{
	static const char *const names[] = { "k", "k#1", "k#2", "l" };
	struct fuse_create_in create = { .flags = O_WRONLY | O_CREAT, .mode = 0100644 };
	struct fuse_open_in open = { .flags = O_WRONLY | O_APPEND };

	a->node = some_of(z, below(z, 3) ? ROW_ACTION : ROW_SESSION_MESSAGES);
	if (a->node && below(z, 3)) {
		a->opcode = FUSE_OPEN;
		add_struct(a, &open, sizeof(open));
		return;
	}
	a->node = z->actions;
	a->opcode = below(z, 3) ? FUSE_CREATE : below(z, 2) ? FUSE_LOOKUP : FUSE_UNLINK;
	if (a->opcode == FUSE_CREATE)
		add_struct(a, &create, sizeof(create));
	add_name(a, names[below(z, 4)]);
}

static void ask_others(struct fuzz *z, struct asked *a)
{
	struct fuse_setattr_in set = { .valid = (uint32_t)any(z) & 0xfff,
				       .mode = (uint32_t)any(z),
				       .uid = (uint32_t)below(z, 3) * 500,
				       .size = any(z) };
	struct fuse_poll_in poll = { .fh = some_fh(z),
				     .kh = any(z),
				     .flags = (uint32_t)below(z, 2) };
	struct fuse_lk_in lock = { .fh = some_fh(z),
				   .lk_flags = FUSE_LK_FLOCK,
				   .lk = { .type = (uint32_t)below(z, 3) } };

	switch (below(z, 6)) {
	case 0:
		a->opcode = FUSE_POLL;
		add_struct(a, &poll, sizeof(poll));
		break;
	case 1:
		a->opcode = below(z, 2) ? FUSE_SETLK : FUSE_SETLKW;
		add_struct(a, &lock, sizeof(lock));
		break;
	case 2: /* whatever it is; not INIT and DESTROY, which end the session */
		do
			a->opcode = below(z, 4) ? (uint32_t)below(z, 60) : (uint32_t)any(z);
		while (a->opcode == FUSE_INIT || a->opcode == FUSE_DESTROY ||
		       a->opcode == FUSE_FORGET || a->opcode == FUSE_BATCH_FORGET ||
		       a->opcode == FUSE_INTERRUPT || a->opcode == FUSE_NOTIFY_REPLY ||
		       a->opcode == FUSE_READ || a->opcode == FUSE_READDIR ||
		       a->opcode == FUSE_READDIRPLUS || a->opcode == FUSE_WRITE);
		for (a->n = 0; a->n < 128; a->n++)
			a->body[a->n] = (char)any(z);
		a->body[a->n++] = 0;
		a->body[a->n++] = 0;
		break;
	case 3:
		a->opcode = FUSE_GETATTR;
		a->n = a->fixed = sizeof(struct fuse_getattr_in);
		break;
	default:
		if (below(z, 2))
			set.valid = FATTR_MTIME | FATTR_ATIME | FATTR_MTIME_NOW | FATTR_ATIME_NOW;
		a->opcode = FUSE_SETATTR;
		add_struct(a, &set, sizeof(set));
	}
}

/* READ's size decides what is allocated: it stays as a kernel would ask. */
static void mutate(struct fuzz *z, struct asked *a)
{
	if (!a->fixed || a->opcode == FUSE_READ || a->opcode == FUSE_READDIR ||
	    a->opcode == FUSE_READDIRPLUS)
		return;
	for (int i = 1 + below(z, 4); i; i--)
		a->body[(size_t)any(z) % a->fixed] ^= (char)(1 << below(z, 8));
}

/* --- answers --- */

static void complain(struct fuzz *z, const char *what, uint64_t unique)
{
	buf_line(z->says, "%s: request %llu", what, (unsigned long long)unique);
}

static void learn(struct fuzz *z, const struct reply *r)
{
	struct fuse_entry_out e = { .nodeid = z->node[r->unique / 2] };
	struct fuse_open_out o;

	if (r->err)
		return;
	if (r->n >= sizeof(e)) {
		memcpy(&e, r->data, sizeof(e));
		if (e.nodeid && e.nodeid == e.attr.ino)
			z->nodes[z->n_nodes++ % POOL] = e.nodeid;
	}
	if (r->n == sizeof(o) || r->n == sizeof(e) + sizeof(o)) {
		memcpy(&o, r->data + r->n - sizeof(o), sizeof(o));
		z->fhs[z->n_fhs++ % POOL] = o.fh;
		z->files[z->n_files++ % POOL] = (struct opened){ e.nodeid, o.fh, 0 };
	}
}

/* Each reply must be to a request that waits for one. */
static void collect(struct fuzz *z)
{
	(void)wire_unclaimed(&z->w);
	while (z->w.replies) {
		struct reply *r = z->w.replies;

		z->w.replies = r->next;
		if (r->unique / 2 >= z->n_states || z->state[r->unique / 2] == UNKNOWN ||
		    z->state[r->unique / 2] == ANSWERED)
			complain(z, "an answer nobody waits for", r->unique);
		else {
			z->state[r->unique / 2] = ANSWERED;
			learn(z, r);
		}
		if (r->err > 0 || r->err < -4095)
			complain(z, "an answer that is no errno", r->unique);
		if (r->err == -EIO || r->err == -ENOMEM || r->err == -EBADMSG)
			complain(z, "the store failed", r->unique);
		free(r->data);
		free(r);
	}
}

/* --- a run --- */

static void someone(struct fuzz *z)
{
	static const uint32_t uids[] = { FIXTURE_UID, FIXTURE_UID, 2000, 0, WIRE_OWNER };

	z->w.who.uid = uids[below(z, 5)];
	z->w.who.gid = below(z, 5) ? z->w.who.uid : WIRE_OPERATORS;
	z->w.who.pid = below(z, 3) ? 0 : below(z, 2) ? z->kid : below(z, 100000);
	if (below(z, 10) == 0)
		z->w.who.pid = getpid();
	if (below(z, 4) == 0)
		z->w.who.pid = z->s1;
}

/* May be answered: EAGAIN to one that came before, or long after, what it is about. */
static void interrupt(struct fuzz *z, uint64_t unique)
{
	z->state[(z->w.unique + 2) / 2] = MAYBE;
	(void)ask_interrupt(&z->w, unique);
}

/* One that waits before request number LAST, maybe for long. */
static void interrupt_waiting(struct fuzz *z, uint64_t last)
{
	uint64_t from = (uint64_t)below(z, 200);

	for (uint64_t i = last > from ? last - from : 0; i < last; i++)
		if (z->state[i] == WAITING) {
			interrupt(z, i * 2);
			return;
		}
}

static void ask_one(struct fuzz *z)
{
	struct asked a = { .node = some_node(z) };
	uint64_t u;

	someone(z);
	switch (below(z, 9)) {
	case 0:
	case 1:
		ask_names(z, &a);
		break;
	case 2:
	case 3:
		ask_files(z, &a);
		break;
	case 4:
		ask_others(z, &a);
		break;
	case 5:
		ask_lockable(z, &a);
		break;
	case 6:
		ask_deed(z, &a);
		break;
	default:
		ask_opened(z, &a);
	}
	if (below(z, 10) == 0)
		mutate(z, &a);
	if (a.opcode == FUSE_WRITE && (a.node & 0xffff) == ROW_PROBE_COMMAND)
		return; /* reading the verdict would run it */
	z->state[(z->w.unique + 2) / 2] = WAITING;
	z->node[(z->w.unique + 2) / 2] = a.node;
	u = wire_send(&z->w, a.opcode, a.node, a.body, a.n, NULL, 0);
	if (below(z, 15) == 0)
		interrupt(z, u - (uint64_t)below(z, 6));
	if (below(z, 30) == 0)
		interrupt_waiting(z, u / 2);
}

static void exit_done(struct change *c)
{
	change_free(c);
}

/* A process is said to be gone: sometimes the one that asks now and then. */
static void somebody_exits(struct fuzz *z)
{
	const char *boot = store_boot_id(z->w.f.store);
	struct change *c = change_new(CHANGE_EXIT);
	struct proc p = { .start = 1 };

	(void)caller_proc(z->kid, &p);
	(void)change_text(c, boot, strlen(boot));
	c->pid = below(z, 4) ? z->kid : 4711;
	c->start = p.start;
	c->flags = CHANGE_SURE;
	c->done = exit_done;
	store_commit(z->w.f.store, c);
}

static void step(struct fuzz *z)
{
	struct fuse_forget_in forget = { .nlookup = any(z) };

	ask_one(z);
	if (below(z, 3) == 0)
		wire_decide(&z->w);
	if (below(z, 50) == 0)
		(void)wire_send(&z->w, FUSE_FORGET, some_node(z), &forget, sizeof(forget), NULL, 0);
	if (below(z, 100) == 0)
		somebody_exits(z);
	if (below(z, 100) == 0) {
		int64_t ms = MINUTE * below(z, 90);

		z->w.f.sim.boot += ms;
		z->w.f.sim.wall += ms;
	}
	collect(z);
}

static void begin(struct fuzz *z, int n)
{
	static const char *const paths[] = { "",
					     "claims",
					     "ready",
					     "sessions",
					     "sessions/s1",
					     "tasks",
					     "done",
					     "ideas",
					     "sessions/s1/claims",
					     "tasks/A",
					     "control",
					     "tasks/A/title",
					     "control/import",
					     "wait/events",
					     "events",
					     "artifacts",
					     "verdict",
					     "probes",
					     "wait/messages",
					     "wait/messages/s1",
					     "sessions/s2/messages",
					     "actions",
					     "control/actions-limit" };

	static const char *const claims[CLAIMS] = { "claims", "sessions/s1/claims",
						    "sessions/s2/claims" };
	static const char *const own[OWN] = { "sessions/s1/anchor", "sessions/s2/anchor",
					      "sessions/s1/procs", "sessions/s2/procs" };

	wire_open(&z->w);
	(void)fixture_session(&z->w.f, "s1");
	(void)fixture_session(&z->w.f, "s2");
	(void)fixture_task(&z->w.f, "A", "src/a");
	(void)fixture_task(&z->w.f, "B", "src");
	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++)
		z->nodes[z->n_nodes++] = wire_walk(&z->w, paths[i]);
	for (int i = 0; i < CLAIMS; i++)
		z->claims[i] = wire_walk(&z->w, claims[i]);
	for (int i = 0; i < OWN; i++)
		z->own[i] = wire_walk(&z->w, own[i]);
	z->actions = wire_walk(&z->w, "actions");
	z->kid = wire_process(&z->w, NULL);
	z->s1 = wire_process(&z->w, "s1");
	/* an interrupt has a number too */
	z->n_states = (size_t)n * 3 + z->w.unique / 2 + 16;
	z->state = calloc(z->n_states, 1);
	z->node = calloc(z->n_states, sizeof(*z->node));
}

/* What waits for events or for a lock may still be unanswered: the end answers it. */
static void end(struct fuzz *z)
{
	wire_decide(&z->w);
	collect(z);
	z->w.who = (struct who){ FIXTURE_UID, FIXTURE_UID, 0 };
	(void)wire_mkdir(&z->w, wire_walk(&z->w, "sessions"), "the-last");
	writer_turn_away(z->w.f.store);
	ll_decided(z->w.ll);
	collect(z);
	for (size_t i = 0; i < z->n_states; i++) /* each lets libfuse drop one interrupt */
		if (z->state[i] == MAYBE)
			(void)wire_getattr(&z->w, WIRE_ROOT, NULL);
	collect(z);
	for (size_t i = 0; i < z->n_states; i++)
		if (z->state[i] == WAITING)
			complain(z, "no answer", i * 2);
	buf_str(z->says, fixture_check(&z->w.f));
	free(z->state);
	free(z->node);
	wire_close(&z->w);
}

int fuzz_run(uint64_t seed, int n, struct buf *says)
{
	struct fuzz z = { .random = seed, .says = says };

	begin(&z, n);
	for (int i = 0; i < n && !says->n; i++)
		step(&z);
	end(&z);
	return says->n ? -1 : 0;
}
