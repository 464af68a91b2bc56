#include <criterion/criterion.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "backend/clean.h"
#include "backend/log.h"
#include "backend/offline.h"
#include "backend/read.h"
#include "tests/lib/alloc.h"
#include "tests/lib/disk.h"
#include "tests/lib/history.h"
#include "tests/lib/random.h"

#define TASKS 12
#define SESSIONS 4
#define WALL INT64_C(1767225600000)

/* --- directories --- */

void scratch_new(char *out)
{
	const char *tmp = getenv("TMPDIR");

	(void)snprintf(out, 256, "%s/coordfs-XXXXXX", tmp && *tmp ? tmp : "/tmp");
	cr_assert_not_null(mkdtemp(out), "%s: %s", out, strerror(errno));
}

void scratch_remove(const char *dir)
{
	DIR *d = opendir(dir);
	const struct dirent *e;

	while (d && (e = readdir(d)))
		(void)unlinkat(dirfd(d), e->d_name, 0);
	if (d)
		(void)closedir(d);
	(void)rmdir(dir);
}

/* --- the world --- */

static struct history *of_world(struct world *w)
{
	return (struct history *)(void *)((char *)w - offsetof(struct history, world));
}

static int64_t boot_ms(struct world *w)
{
	return of_world(w)->now;
}

static int64_t wall_ms(struct world *w)
{
	return WALL + of_world(w)->now;
}

static int boot_id(struct world *w, char out[BOOT_ID_LEN])
{
	(void)w;
	(void)snprintf(out, BOOT_ID_LEN, "%s", "b007b007-0000-0000-0000-000000000000");
	return 0;
}

static int alive(struct world *w, int32_t pid, int64_t start)
{
	(void)w;
	(void)pid;
	(void)start;
	return 0;
}

static int descends(struct world *w, int32_t pid, int32_t of, int64_t start)
{
	(void)w;
	(void)start;
	return pid == of;
}

static int64_t asleep(struct world *w)
{
	(void)w;
	return 0;
}

static int pressure(struct world *w, double *load, int *cores, int64_t *available, int64_t *total)
{
	(void)w;
	*load = 0;
	*cores = 1;
	*available = *total = INT64_C(1) << 30;
	return 0;
}

static int oldest(struct world *w, const char *comm, int64_t *start_ms)
{
	(void)w;
	(void)comm;
	(void)start_ms;
	return 0;
}

static int foreseen(struct world *w, uint64_t *out)
{
	(void)w;
	*out = 4;
	return 0;
}

void history_new(struct history *h, uint64_t seed, const char *vfs)
{
	memset(h, 0, sizeof(*h));
	log_level(-1); /* what fails here was meant to */
	scratch_new(h->dir);
	h->random = seed;
	h->now = 1000;
	h->world = (struct world){ boot_ms,  wall_ms, boot_id,	alive,	vfs,
				   descends, asleep,  pressure, oldest, foreseen };
}

void history_end(struct history *h)
{
	history_close(h);
	scratch_remove(h->dir);
}

/* --- what a reader sees --- */

/* What the test itself does and sees does not fail. */
static void quiet(int on)
{
	disk_pause(on);
	alloc_pause(on);
}

static void look(struct history *h, struct seen *out)
{
	struct db *db = store_reader(h->store);

	cr_assert_eq(store_read_begin(h->store), 0);
	out->seq = db_get(db, 0, Q(EVENT_LAST));
	out->bytes = db_get(db, 0, Q(EVENT_FINISH));
	cr_assert_eq(offline_hash(db, out->hash), 0);
	store_read_end(h->store);
}

int history_open(struct history *h)
{
	AUTO_BUF struct buf says = BUF_INIT;
	int err;

	quiet(0);
	err = store_open(h->dir, &h->world, "pid 1, a test", &h->store, &says);
	quiet(1);

	if (err)
		cr_assert(says.n > 0 || err == -ENOMEM, "%s and not a word", strerror(-err));
	else
		look(h, &h->seen);
	return err;
}

void history_close(struct history *h)
{
	quiet(0);
	store_close(h->store);
	quiet(1);
	h->store = NULL;
}

/* --- changes --- */

static void session_name(int i, char *out)
{
	(void)snprintf(out, NAME_BUFFER, "s%d", i);
}

static void task_name(int i, char *out)
{
	(void)snprintf(out, NAME_BUFFER, "t%d", i);
}

static int64_t session_id(struct history *h, const char *name)
{
	struct session s;

	return read_session_named(store_reader(h->store), name, &s) > 0 ? s.id : 0;
}

static struct change *change(enum change_kind kind, int64_t session, const char *name,
			     const char *text)
{
	struct change *c = change_new(kind);

	if (!c)
		return NULL;
	c->actor = (struct actor){ .uid = 1000, .pid = 7, .session = session };
	c->actor.how = session ? ACTOR_PATH : ACTOR_NONE;
	(void)snprintf(c->name, sizeof(c->name), "%s", name);
	c->op = "test";
	if (text && change_text(c, text, strlen(text))) {
		change_free(c);
		return NULL;
	}
	return c;
}

static struct change *set(struct history *h, int64_t session, const char *task, const char *field,
			  const char *text)
{
	struct change *c = change(CHANGE_SET, session, "", text);
	struct task t;

	if (!c || read_task_named(store_reader(h->store), task, &t) <= 0) {
		change_free(c);
		return NULL;
	}
	c->of = THING_TASK;
	c->thing = t.id;
	(void)snprintf(c->field, sizeof(c->field), "%s", field);
	return c;
}

static void decided(struct change *c)
{
	struct history *h = c->arg;
	int err = c->result.err;

	if (!err) {
		h->applied++;
		if ((c->kind == CHANGE_CLAIM || c->kind == CHANGE_HANDOVER) &&
		    c->result.id > h->seen.token)
			h->seen.token = c->result.id;
	} else if (err == -EIO || err == -ENOMEM || err == -ENOSPC) {
		h->broken++;
		h->err = err;
	} else {
		h->refused++;
	}
	change_free(c);
}

static void ask(struct history *h, struct change *c)
{
	if (!c)
		return;
	c->arg = h;
	c->done = decided;
	store_commit(h->store, c);
}

/* Nothing was said to fail so far: then nothing has. */
static void compare(struct history *h)
{
	const struct seen *should;

	if (h->broken || !h->like || h->batches >= h->like->batches) {
		h->like = NULL;
		return;
	}
	should = &h->like->left[h->batches];
	cr_assert_eq(h->seen.seq, should->seq, "%s: other events than without it", h->about);
	cr_assert_eq(h->seen.bytes, should->bytes, "%s: another event than without it", h->about);
	cr_assert_str_eq(h->seen.hash, should->hash, "%s: another state than without it", h->about);
}

/* What was asked is decided, and a reader sees what was said. */
static void decide(struct history *h)
{
	struct seen now = { .token = h->seen.token };

	h->applied = h->refused = h->broken = 0;
	quiet(0);
	writer_run_batch(h->store);
	quiet(1);
	(void)store_collect(h->store);
	h->now += 10;
	look(h, &now);
	cr_assert_eq(now.seq, store_seq(h->store), "%s: what was answered is not what is read",
		     h->about);
	if (h->broken && !h->applied && !h->refused) {
		cr_assert_eq(now.seq, h->seen.seq, "%s: a change that failed is there", h->about);
		cr_assert_str_eq(now.hash, h->seen.hash, "%s: a change that failed left something",
				 h->about);
	}
	now.token = h->seen.token;
	h->seen = now;
	compare(h);
	if (h->batches < HISTORY_MAX)
		h->left[h->batches++] = now;
}

void history_begin(struct history *h)
{
	char name[NAME_BUFFER], text[64];

	quiet(1);
	for (int i = 0; i < SESSIONS; i++) {
		session_name(i, name);
		ask(h, change(CHANGE_REGISTER, 0, name, NULL));
	}
	for (int i = 0; i < TASKS; i++) {
		task_name(i, name);
		ask(h, change(CHANGE_DRAFT, 0, name, NULL));
	}
	decide(h);
	/* two of a pair overlap; every fourth task has something of its own as well */
	for (int i = 0; i < TASKS; i++) {
		task_name(i, name);
		(void)snprintf(text, sizeof(text), "d%d%s\n%s", i / 2, i % 2 ? "/f" : "",
			       i % 4 ? "" : "own/**\n");
		ask(h, set(h, 0, name, "artifacts", text));
	}
	decide(h);
	for (int i = 0; i < TASKS; i++) {
		task_name(i, name);
		ask(h, change(CHANGE_PUBLISH, 0, name, NULL));
	}
	decide(h);
}

/* The session that holds the task, or any, now and then. */
static int64_t actor(struct history *h, const char *task)
{
	char name[NAME_BUFFER];
	struct grant g;
	struct task t;

	session_name(random_below(&h->random, SESSIONS), name);
	if (random_below(&h->random, 8) && read_task_named(store_reader(h->store), task, &t) > 0 &&
	    t.token && read_grant(store_reader(h->store), t.token, &g) > 0)
		return g.session;
	return session_id(h, name);
}

static struct change *change_body(struct history *h, const char *task)
{
	char text[4200];
	size_t n = random_below(&h->random, 16) ? 40 : 4000;

	memset(text, 'a' + random_below(&h->random, 26), n);
	text[n] = 0;
	return set(h, actor(h, task), task, "body", text);
}

static struct change *change_extend(struct history *h, const char *task)
{
	char text[64];

	(void)snprintf(text, sizeof(text), "%sextra%d/%s\n", random_below(&h->random, 3) ? "" : "-",
		       random_below(&h->random, 4), random_below(&h->random, 2) ? "*.c" : "x");
	return change(CHANGE_EXTEND, actor(h, task), task, text);
}

/* Lines from a session to another; a mailbox takes so many and then no more. */
static struct change *change_message(struct history *h)
{
	char from[NAME_BUFFER], to[NAME_BUFFER], text[4200];
	size_t n = random_below(&h->random, 16) ? 40 : 4000;
	struct change *c;

	session_name(random_below(&h->random, SESSIONS), from);
	session_name(random_below(&h->random, SESSIONS), to);
	memset(text, 'a' + random_below(&h->random, 26), n);
	text[random_below(&h->random, 3) ? n - 1 : n / 2] = '\n';
	text[n - 1] = '\n';
	text[n] = 0;
	c = change(CHANGE_MESSAGE, session_id(h, from), "", text);
	if (c)
		c->thing = session_id(h, to);
	return c;
}

/*
 * An outward deed, asked for as the first of a batch, so that its id is known, and over by the
 * end of the batch: what is permitted still is not what it was when the store is opened again.
 */
static void deed(struct history *h)
{
	char name[NAME_BUFFER], key[NAME_BUFFER];
	struct change *c;
	int64_t who;

	session_name(random_below(&h->random, SESSIONS), name);
	who = session_id(h, name);
	(void)snprintf(key, sizeof(key), "k#%d", random_below(&h->random, 40));
	ask(h, change(CHANGE_PERMIT, who, key, NULL));
	if (random_below(&h->random, 3) == 0) {
		ask(h, change(CHANGE_WITHDRAW, who, key, NULL));
		return;
	}
	for (int i = 0, n = random_below(&h->random, 2); i <= n; i++) {
		c = change(CHANGE_RESULT, who, "", i ? "closed merged\n" : "posted\n");
		if (c)
			c->thing = h->seen.seq + 1;
		ask(h, c);
	}
}

/* A task into NAME, one in COLUMN if a few looks find it. */
static void pick(struct history *h, enum column column, char *name)
{
	struct task t = { .column = COLUMN_NONE };

	for (int i = 0; i < 8 && t.column != (int)column; i++) {
		task_name(random_below(&h->random, TASKS), name);
		(void)read_task_named(store_reader(h->store), name, &t);
	}
}

static struct change *change_random(struct history *h)
{
	char task[NAME_BUFFER], to[NAME_BUFFER];
	int dice = random_below(&h->random, 100);

	pick(h,
	     dice < 35		     ? COLUMN_READY :
	     dice >= 60 && dice < 70 ? COLUMN_DONE :
				       COLUMN_CLAIMS,
	     task);
	session_name(random_below(&h->random, SESSIONS), to);
	if (dice < 35)
		return change(CHANGE_CLAIM, session_id(h, to), task, NULL);
	if (dice < 50)
		return change(CHANGE_RELEASE, actor(h, task), task, NULL);
	if (dice < 60)
		return change(CHANGE_FINISH, actor(h, task), task, NULL);
	if (dice < 70)
		return change(CHANGE_REOPEN, 0, task, NULL);
	if (dice < 80)
		return change_extend(h, task);
	if (dice < 90)
		return change_body(h, task);
	if (dice < 97)
		return change(CHANGE_HANDOVER, actor(h, task), task, to);
	return change(CHANGE_TICK, 0, "", NULL);
}

void history_batch(struct history *h, int n)
{
	quiet(1);
	if (h->batches % 2) {
		deed(h);
		ask(h, change_message(h));
	}
	for (int i = 0; i < n; i++)
		ask(h, change_random(h));
	decide(h);
}

/* --- is a store what it should be --- */

static void verify_sound(const struct history *h)
{
	AUTO_BUF struct buf says = BUF_INIT;
	int found = offline_check(h->dir, &says);

	cr_assert_eq(found, 0, "%s: %d findings: %s", h->about, found, buf_text(&says));
}

/* A claim in the store just opened gets a token that nobody was given before. */
static void verify_token(struct history *h, int64_t top)
{
	h->seen.token = 0;
	ask(h, change(CHANGE_REGISTER, 0, "fresh", NULL));
	ask(h, change(CHANGE_DRAFT, 0, "fresh", NULL));
	decide(h);
	ask(h, change(CHANGE_PUBLISH, 0, "fresh", NULL));
	ask(h, change(CHANGE_CLAIM, session_id(h, "fresh"), "fresh", NULL));
	decide(h);
	cr_assert_eq(h->applied, 2, "%s: the reopened store takes no claim", h->about);
	cr_assert_gt(h->seen.token, top, "%s: a token was issued twice", h->about);
}

/* Is that the state that was SEEN? No hash: nobody has looked. */
static int is(const struct seen *a, const struct seen *seen)
{
	return a->seq == seen->seq && (!seen->hash[0] || strcmp(a->hash, seen->hash) == 0);
}

void history_verify(const struct history *h, const char *dir, const struct seen *acked,
		    const struct seen *later)
{
	struct history again = *h;
	int err;

	again.store = NULL;
	again.like = NULL;
	(void)snprintf(again.dir, sizeof(again.dir), "%s", dir);
	err = history_open(&again);
	cr_assert_eq(err, 0, "%s: it does not open again: %s", h->about, strerror(-err));
	cr_assert_geq(again.seen.seq, acked->seq, "%s: an acknowledged change is lost", h->about);
	cr_assert(is(&again.seen, acked) ||
			  (later ? is(&again.seen, later) : again.seen.seq > acked->seq),
		  "%s: a state that never was", h->about);
	verify_sound(&again);
	verify_token(&again, again.seen.seq > acked->token ? again.seen.seq : acked->token);
	verify_sound(&again);
	history_close(&again);
}
