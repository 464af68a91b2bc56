#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backend/clean.h"
#include "backend/offline.h"
#include "backend/tx.h"
#include "tests/lib/fixture.h"
#include "tests/lib/random.h"

/* The harness itself failed: no test result, a crash that says so. */
#define MUST(x)                                                                                   \
	do {                                                                                      \
		if (!(x)) {                                                                       \
			(void)fprintf(stderr, "%s:%d: not so: %s (%s)\n", __FILE__, __LINE__, #x, \
				      strerror(errno));                                           \
			abort();                                                                  \
		}                                                                                 \
	} while (0)

/* --- the simulated world --- */

static struct sim *sim_of(struct world *w)
{
	return (struct sim *)(void *)w;
}

/* While a batch is run it is looked at first when that begins. */
static int64_t sim_boot(struct world *w)
{
	struct sim *s = sim_of(w);
	int64_t now = s->boot;

	s->boot += s->committing;
	s->committing = 0;
	return now;
}

static int64_t sim_wall(struct world *w)
{
	return sim_of(w)->wall;
}

static int sim_boot_id(struct world *w, char out[BOOT_ID_LEN])
{
	memcpy(out, sim_of(w)->boot_id, BOOT_ID_LEN);
	return 0;
}

static const struct sim_process *sim_find(const struct sim *s, int32_t pid)
{
	for (int i = 0; i < FIXTURE_PROCESSES; i++)
		if (pid && s->processes[i].pid == pid)
			return &s->processes[i];
	return NULL;
}

static int sim_alive(struct world *w, int32_t pid, int64_t start)
{
	const struct sim_process *p = sim_find(sim_of(w), pid);

	for (int i = 0; i < FIXTURE_ALIVE; i++)
		if (sim_of(w)->alive[i] == pid)
			return 1;
	return p && p->start == start;
}

static int sim_descends(struct world *w, int32_t pid, int32_t of, int64_t start)
{
	const struct sim_process *p;

	if (!sim_alive(w, of, start))
		return 0;
	for (p = sim_find(sim_of(w), pid); p && pid != of; p = sim_find(sim_of(w), pid))
		pid = p->parent;
	return pid == of;
}

static int64_t sim_asleep(struct world *w)
{
	return sim_of(w)->asleep;
}

static int sim_pressure(struct world *w, double *load, int *cores, int64_t *available,
			int64_t *total)
{
	const struct sim *s = sim_of(w);

	if (s->pressure_err)
		return s->pressure_err;
	*load = s->load;
	*cores = s->cores;
	*available = s->available;
	*total = s->total;
	return 0;
}

static int sim_oldest(struct world *w, const char *comm, int64_t *start_ms)
{
	const struct sim *s = sim_of(w);

	(void)comm;
	if (s->oldest_err || !s->oldest)
		return s->oldest_err;
	*start_ms = s->oldest;
	return 1;
}

static int sim_random(struct world *w, uint64_t *out)
{
	*out = random_next(&sim_of(w)->seed);
	return 0;
}

/* A calm machine. */
static void sim_machine(struct sim *s)
{
	s->load = 0.5;
	s->cores = 4;
	s->total = INT64_C(16) << 30;
	s->available = s->total / 2;
}

static void sim_init(struct sim *s)
{
	memset(s, 0, sizeof(*s));
	s->world = (struct world){ sim_boot,	 sim_wall,   sim_boot_id,  sim_alive,  NULL,
				   sim_descends, sim_asleep, sim_pressure, sim_oldest, sim_random };
	sim_machine(s);
	s->boot = 1000 * SECOND;
	s->wall = INT64_C(1782894000000); /* 2026-07-01T08:20:00Z */
	(void)snprintf(s->boot_id, sizeof(s->boot_id), "00000000-0000-4000-8000-000000000001");
}

/* --- the store --- */

/* Where fsync costs nothing, if there is such a place. */
static const char *place(void)
{
	const char *dir = getenv("TMPDIR");

	if (dir && *dir)
		return dir;
	return access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
}

void fixture_open(struct fixture *f)
{
	fixture_open_on(f, NULL);
}

void fixture_open_on(struct fixture *f, const char *vfs)
{
	memset(f, 0, sizeof(*f));
	sim_init(&f->sim);
	f->sim.world.vfs = vfs;
	(void)snprintf(f->dir, sizeof(f->dir), "%s/coordfs-test-XXXXXX", place());
	MUST(mkdtemp(f->dir));
	MUST(fixture_start(f) == 0);
}

int fixture_start(struct fixture *f)
{
	int err;

	buf_clear(&f->says);
	err = store_open(f->dir, &f->sim.world, "the test", &f->store, &f->says);
	if (err)
		f->store = NULL;
	return err;
}

void fixture_stop(struct fixture *f)
{
	if (f->store)
		store_close(f->store);
	f->store = NULL;
}

int fixture_restart(struct fixture *f)
{
	fixture_stop(f);
	return fixture_start(f);
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

void fixture_close(struct fixture *f)
{
	fixture_stop(f);
	buf_free(&f->says);
	(void)nftw(f->dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

/* --- changes --- */

static void is_done(struct change *c)
{
	c->arg = c;
}

struct change *fixture_queue(struct fixture *f, const struct ask *ask)
{
	struct change *c = change_new(ask->kind);

	MUST(c);
	c->flags = ask->flags;
	c->actor = (struct actor){
		.uid = ask->uid ? ask->uid : FIXTURE_UID,
		.gid = ask->uid ? ask->uid : FIXTURE_UID,
		.pid = ask->pid,
		.start = ask->pid_start,
		.session = ask->as,
		.how = ask->as ? ACTOR_PATH : ACTOR_NONE,
		.is_operator = ask->operator_ || ask->owner,
		.is_owner = ask->owner,
	};
	c->of = ask->of;
	c->thing = ask->thing;
	c->token = ask->token;
	c->uid = ask->to_uid;
	c->pid = ask->member;
	c->start = ask->member_start;
	c->op = ask->op ? ask->op : "test";
	if (ask->name)
		(void)snprintf(c->name, sizeof(c->name), "%s", ask->name);
	if (ask->field)
		(void)snprintf(c->field, sizeof(c->field), "%s", ask->field);
	if (ask->text)
		MUST(change_text(c, ask->text, ask->n ? ask->n : strlen(ask->text)) == 0);
	c->done = is_done;
	store_commit(f->store, c);
	return c;
}

int fixture_run(struct fixture *f)
{
	f->sim.committing = f->sim.commit_ms;
	writer_run_batch(f->store);
	f->sim.committing = 0;
	return store_collect(f->store);
}

struct outcome fixture_take(struct change *c)
{
	struct outcome o = { .err = c->result.err, .id = c->result.id };

	MUST(c->arg == c);
	MUST(!c->wait_next && !c->wait_prev && !c->blocker && !c->joined && !c->served);
	(void)snprintf(o.why, sizeof(o.why), "%s", buf_text(&c->result.why));
	change_free(c);
	return o;
}

struct outcome fixture_commit(struct fixture *f, const struct ask *ask)
{
	struct change *c = fixture_queue(f, ask);

	(void)fixture_run(f);
	return fixture_take(c);
}

void fixture_process(struct fixture *f, int32_t pid, int64_t start, int32_t parent)
{
	struct sim_process *p = f->sim.processes;

	while (p->pid)
		MUST(++p < f->sim.processes + FIXTURE_PROCESSES);
	*p = (struct sim_process){ pid, parent, start };
}

void fixture_exit(struct fixture *f, int32_t pid)
{
	for (int i = 0; i < FIXTURE_PROCESSES; i++)
		if (f->sim.processes[i].pid == pid)
			f->sim.processes[i].pid = 0;
}

struct outcome fixture_gone(struct fixture *f, int32_t pid, int64_t start)
{
	fixture_exit(f, pid);
	return commit(f, CHANGE_EXIT, .member = pid, .member_start = start, .text = f->sim.boot_id);
}

void fixture_tick(struct fixture *f)
{
	MUST(commit(f, CHANGE_TICK).err == 0);
}

static void advance(struct fixture *f, int64_t ms)
{
	f->sim.boot += ms;
	f->sim.wall += ms;
}

void fixture_pass(struct fixture *f, int64_t ms)
{
	int64_t end = f->sim.boot + ms, due;

	while ((due = store_due(f->store)) < end) {
		if (due > f->sim.boot)
			advance(f, due - f->sim.boot);
		fixture_tick(f);
	}
	advance(f, end - f->sim.boot);
	fixture_tick(f);
}

void fixture_stall(struct fixture *f, int64_t ms)
{
	advance(f, ms);
	fixture_tick(f);
}

/* --- short forms --- */

static int64_t made(struct outcome o)
{
	if (o.err)
		(void)fprintf(stderr, "refused: %s: %s", strerror(-o.err), o.why);
	MUST(o.err == 0 && o.id > 0);
	return o.id;
}

int64_t fixture_session_of(struct fixture *f, const char *name, uint32_t uid)
{
	return made(commit(f, CHANGE_REGISTER, .name = name, .uid = uid));
}

int64_t fixture_session(struct fixture *f, const char *name)
{
	return fixture_session_of(f, name, FIXTURE_UID);
}

int64_t fixture_idea(struct fixture *f, const char *name, const char *artifacts)
{
	int64_t id = made(commit(f, CHANGE_DRAFT, .name = name, .owner = 1));

	if (artifacts)
		MUST(fixture_set(f, name, "artifacts", artifacts).err == 0);
	return id;
}

int64_t fixture_task(struct fixture *f, const char *name, const char *artifacts)
{
	(void)fixture_idea(f, name, artifacts);
	return made(commit(f, CHANGE_PUBLISH, .name = name, .owner = 1));
}

struct outcome fixture_set(struct fixture *f, const char *task, const char *field, const char *text)
{
	struct task t = fixture_task_now(f, task);

	return commit(f, CHANGE_SET, .of = THING_TASK, .thing = t.id, .field = field, .text = text,
		      .owner = 1);
}

struct outcome fixture_control(struct fixture *f, const char *field, const char *text)
{
	return commit(f, CHANGE_SET, .of = THING_CONTROL, .field = field, .text = text, .owner = 1);
}

struct outcome fixture_claim(struct fixture *f, int64_t session, const char *task)
{
	return commit(f, CHANGE_CLAIM, .as = session, .name = task);
}

struct outcome fixture_finish(struct fixture *f, int64_t session, const char *task)
{
	return commit(f, CHANGE_FINISH, .as = session, .name = task);
}

struct outcome fixture_release(struct fixture *f, int64_t session, const char *task)
{
	return commit(f, CHANGE_RELEASE, .as = session, .name = task);
}

int64_t fixture_hold(struct fixture *f, int64_t session, const char *task)
{
	return made(fixture_claim(f, session, task));
}

/* --- the state now --- */

static struct db *look(struct fixture *f)
{
	MUST(store_read_begin(f->store) == 0);
	return store_reader(f->store);
}

struct task fixture_task_now(struct fixture *f, const char *name)
{
	struct task t;

	MUST(read_task_named(look(f), name, &t) == 1);
	store_read_end(f->store);
	return t;
}

struct session fixture_session_now(struct fixture *f, int64_t id)
{
	struct session s;

	MUST(read_session(look(f), id, &s) == 1);
	store_read_end(f->store);
	return s;
}

struct grant fixture_grant_now(struct fixture *f, int64_t token)
{
	struct grant g;

	MUST(read_grant(look(f), token, &g) == 1);
	store_read_end(f->store);
	return g;
}

const char *fixture_field(struct fixture *f, int64_t thing, const char *field)
{
	static char out[4096];
	AUTO_FREE char *text = tx_attr(look(f), thing, field);

	store_read_end(f->store);
	(void)snprintf(out, sizeof(out), "%s", text ? text : "-");
	return out;
}

const char *fixture_artifacts(struct fixture *f, const char *task)
{
	static struct buf out;
	struct task t = fixture_task_now(f, task);
	struct rows *r = db_rows(look(f), Q(ARTIFACTS_OF), I(t.id));

	buf_free(&out);
	while (rows_next(r) > 0)
		buf_printf(&out, "%s%s", out.n ? " " : "", rows_text(r, 0));
	rows_end(&r);
	store_read_end(f->store);
	return buf_text(&out);
}

/* Calls FN for every event, in order. */
static void each_event(struct fixture *f, void (*fn)(json_t *e, void *arg), void *arg)
{
	struct rows *r = db_rows(look(f), Q(EVENTS_AFTER), I(0), I(-1));

	while (rows_next(r) > 0) {
		json_t *e = json_loads(rows_text(r, 1), 0, NULL);

		MUST(e);
		fn(e, arg);
		json_decref(e);
	}
	rows_end(&r);
	store_read_end(f->store);
}

struct wanted {
	const char *kind;
	int count;
	json_t *last;
};

static void if_wanted(json_t *e, void *arg)
{
	struct wanted *w = arg;

	if (w->kind && strcmp(w->kind, event_text(e, "event")) != 0)
		return;
	w->count++;
	json_decref(w->last);
	w->last = json_incref(e);
}

int fixture_count(struct fixture *f, const char *kind)
{
	struct wanted w = { .kind = kind };

	each_event(f, if_wanted, &w);
	json_decref(w.last);
	return w.count;
}

json_t *fixture_event(struct fixture *f, const char *kind)
{
	struct wanted w = { .kind = kind };

	each_event(f, if_wanted, &w);
	return w.last;
}

int64_t fixture_seq(struct fixture *f, const char *kind)
{
	json_t *e = fixture_event(f, kind);
	int64_t seq = e ? event_int(e, "seq") : 0;

	json_decref(e);
	return seq;
}

const char *fixture_hash(struct fixture *f)
{
	static char out[17];

	MUST(offline_hash(look(f), out) == 0);
	store_read_end(f->store);
	return out;
}

const char *fixture_check(struct fixture *f)
{
	static char out[2048];
	AUTO_BUF struct buf says = BUF_INIT;
	int found = offline_check(f->dir, &says);

	(void)snprintf(out, sizeof(out), "%s", found ? buf_text(&says) : "");
	if (found && !*out)
		(void)snprintf(out, sizeof(out), "offline_check answered %d", found);
	return out;
}

/* --- probes --- */

const char *fixture_says(const char *probe, const char *answer, const char *detail, int filed)
{
	static char text[512];

	(void)snprintf(text, sizeof(text),
		       "{\"seq\":0,\"took\":1,\"heads\":{},\"probes\":[{\"probe\":\"%s\","
		       "\"probe_id\":77,\"answer\":\"%s\",\"detail\":\"%s\",\"filed\":%d,"
		       "\"shadow\":false,\"at\":1,\"took\":1,\"inputs\":{}}]}",
		       probe, answer, detail, filed);
	return text;
}

const char *fixture_judged(struct fixture *f)
{
	static char text[512];
	AUTO_ROWS *r = db_rows(look(f), Q(RUN_LAST), I(77));
	int got = rows_next(r);

	(void)snprintf(text, sizeof(text), "%s %s", got > 0 ? rows_text(r, 3) : "none",
		       got > 0 ? rows_text(r, 4) : "");
	rows_end(&r);
	store_read_end(f->store);
	return text;
}
