#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend/clean.h"
#include "backend/tx.h"
#include "tests/lib/fleet.h"
#include "tests/lib/random.h"

#define BATCH 500

/* Nothing here may fail: no test result, a crash that says so. */
static void must(int ok, const char *what)
{
	if (ok)
		return;
	(void)fprintf(stderr, "fleet: %s\n", what);
	abort();
}

static void allowed(struct outcome o)
{
	must(o.err == 0, o.why);
}

void fleet_open(struct fleet *x, uint64_t seed)
{
	*x = (struct fleet){ .seed = seed, .random = seed };
	fixture_open(&x->f);
	x->judge = fixture_session(&x->f, "judge");
}

void fleet_close(struct fleet *x)
{
	fixture_close(&x->f);
}

double fleet_draw(struct fleet *x)
{
	return (double)(random_next(&x->random) >> 11) * 0x1p-53;
}

void fleet_select(struct fleet *x, const char *name, const char *value)
{
	char field[64];

	(void)snprintf(field, sizeof(field), "select.%s", name);
	allowed(fixture_control(&x->f, field, value));
}

static int64_t lane_id(struct fleet *x, const char *lane)
{
	struct lane l;
	int64_t id = 0;

	must(store_read_begin(x->f.store) == 0, "read");
	if (read_lane_named(store_reader(x->f.store), lane, x->f.sim.wall, &l) > 0)
		id = l.id;
	store_read_end(x->f.store);
	return id;
}

void fleet_lane(struct fleet *x, const char *lane, const char *field, const char *value)
{
	int64_t id = lane_id(x, lane);

	if (!id)
		id = commit(&x->f, CHANGE_ADD, .of = THING_LANE, .name = lane, .owner = 1).id;
	allowed(commit(&x->f, CHANGE_SET, .of = THING_LANE, .thing = id, .field = field,
		       .text = value, .owner = 1));
}

/* ,"FIELD":"VALUE", or the value in brackets for a list; nothing without a value. */
static void member(struct buf *out, const char *field, const char *value, int is_list)
{
	if (value)
		buf_printf(out, is_list ? ",\"%s\":[\"%s\"]" : ",\"%s\":\"%s\"", field, value);
}

static struct change *queue_task(struct fleet *x, const char *lane, const char *tag, double value)
{
	AUTO_BUF struct buf record = BUF_INIT;
	char number[64];

	(void)snprintf(number, sizeof(number), "%.6g", value);
	buf_printf(&record, "{\"task\":\"t%lld\",\"state\":\"ready\"", (long long)++x->tasks);
	member(&record, "value", value > FLEET_NOTHING ? number : NULL, 0);
	member(&record, "lane", lane, 0);
	member(&record, "tags", tag, 1);
	buf_printf(&record, "}");
	return queue(&x->f, CHANGE_IMPORT, .text = buf_text(&record), .operator_ = 1);
}

void fleet_tasks_of(struct fleet *x, const char *lane, int n, const char *tag, double value)
{
	struct change *queued[BATCH];

	for (int done = 0, some; done < n; done += some) {
		some = n - done < BATCH ? n - done : BATCH;
		for (int i = 0; i < some; i++)
			queued[i] = queue_task(x, lane, tag, value);
		(void)fixture_run(&x->f);
		for (int i = 0; i < some; i++)
			allowed(fixture_take(queued[i]));
	}
}

void fleet_tasks(struct fleet *x, const char *lane, int n, double value)
{
	fleet_tasks_of(x, lane, n, NULL, value);
}

int64_t fleet_session(struct fleet *x)
{
	char name[32];

	(void)snprintf(name, sizeof(name), "s%llu-%lld", (unsigned long long)x->seed,
		       (long long)++x->sessions);
	return fixture_session(&x->f, name);
}

/* The choice for SESSION; *S must outlive it. store_read_end is the caller's. */
static void choose(struct fleet *x, int64_t session, struct session *s, struct selection *out)
{
	must(store_read_begin(x->f.store) == 0, "read");
	if (session)
		must(read_session(store_reader(x->f.store), session, s) > 0, "no such session");
	must(select_next(store_reader(x->f.store), session ? s : NULL, x->f.sim.wall, out) == 0,
	     "select_next failed");
}

int fleet_next(struct fleet *x, int64_t session, char name[NAME_BUFFER])
{
	struct selection choice;
	struct session s;
	int drawn;

	choose(x, session, &s, &choice);
	(void)snprintf(name, NAME_BUFFER, "%s", choice.pick ? choice.pick->name : "");
	drawn = choice.drawn >= 0;
	select_release(&choice);
	store_read_end(x->f.store);
	return drawn;
}

const char *fleet_why(struct fleet *x, int64_t session)
{
	static struct buf out;
	struct selection choice;
	struct session s;

	buf_free(&out);
	choose(x, session, &s, &choice);
	must(select_explain(store_reader(x->f.store), &choice, &out) == 0, "select_explain");
	select_release(&choice);
	store_read_end(x->f.store);
	return buf_text(&out);
}

int fleet_claim(struct fleet *x, int64_t session, const char *name)
{
	char op[NAME_BUFFER + 32];

	(void)snprintf(op, sizeof(op), "create claims/%s", name);
	return commit(&x->f, CHANGE_CLAIM, .as = session, .name = name, .op = op).err;
}

static double mark_of(struct fleet *x, int64_t session)
{
	AUTO_FREE char *text = NULL;
	double v;

	must(store_read_begin(x->f.store) == 0, "read");
	text = db_text(store_reader(x->f.store), Q(MARK), I(session));
	store_read_end(x->f.store);
	v = text ? strtod(text, NULL) : -1;
	return v;
}

static void say_outcome(struct fleet *x, int64_t session, const char *word)
{
	allowed(commit(&x->f, CHANGE_SET, .of = THING_SESSION, .thing = session, .as = session,
		       .field = "outcome", .text = word));
}

double fleet_end(struct fleet *x, int64_t session, const char *task, int success)
{
	if (*task)
		allowed(success ? fixture_finish(&x->f, session, task) :
				  fixture_release(&x->f, session, task));
	say_outcome(x, session, !*task ? "noop" : success ? "productive" : "failed");
	if (!fixture_session_now(&x->f, session).ended)
		allowed(commit(&x->f, CHANGE_END, .thing = session, .as = session));
	if (*task)
		allowed(commit(&x->f, CHANGE_GRADE, .thing = session, .as = x->judge,
			       .field = "trajectory",
			       .text = success ? "1 it works\n" : "0 nothing came of it\n"));
	return mark_of(x, session);
}

struct expected fleet_expected(struct fleet *x, const char *lane)
{
	struct select_settings set;
	struct expected e;

	must(store_read_begin(x->f.store) == 0, "read");
	must(select_settings(store_reader(x->f.store), &set) == 0, "settings");
	must(select_expected(store_reader(x->f.store), &set, lane, &e) == 0, "expected");
	store_read_end(x->f.store);
	return e;
}

/* --- a course --- */

/* A session that has come, and what it took. */
struct worker {
	int which; /* of the sessions, from 0; -1: nobody is here */
	int64_t session;
	char task[NAME_BUFFER];
};

static void prepare(struct fleet *x, const struct course *c)
{
	if (c->half_life)
		fleet_select(x, "half-life", c->half_life);
	if (c->explore)
		fleet_select(x, "explore", c->explore);
	if (c->monotony)
		fleet_select(x, "monotony", c->monotony);
	if (c->share_limit)
		fleet_lane(x, c->lanes[0].name, "share-limit", c->share_limit);
	for (int i = 0; i < FLEET_LANES; i++)
		if (c->lanes[i].name)
			fleet_tasks(x, c->lanes[i].name,
				    c->lanes[i].tasks ? c->lanes[i].tasks : c->sessions,
				    FLEET_NOTHING);
}

static int lane_of(struct fleet *x, const struct course *c, const char *task)
{
	const char *name = fixture_field(&x->f, fixture_task_now(&x->f, task).id, "lane");

	for (int i = 0; i < FLEET_LANES; i++)
		if (c->lanes[i].name && strcmp(c->lanes[i].name, name) == 0)
			return i;
	return -1;
}

static int is_over_half(struct fleet *x, const char *lane)
{
	int64_t in, window;

	must(store_read_begin(x->f.store) == 0, "read");
	window = share_window(store_reader(x->f.store));
	in = db_get(store_reader(x->f.store), 0, Q(PICKS_IN), T(lane), I(window));
	store_read_end(x->f.store);
	return 2 * in > window;
}

static void look(struct fleet *x, const struct course *c, struct taken *t)
{
	for (int i = 0; i < FLEET_LANES; i++) {
		struct expected e;

		if (!c->lanes[i].name)
			continue;
		e = fleet_expected(x, c->lanes[i].name);
		t->expected[i] = e.value;
		t->lifetime[i] = e.lifetime;
		t->ended[i] = e.arm.n;
	}
	t->over = is_over_half(x, c->lanes[0].name);
}

static void come(struct fleet *x, const struct course *c, struct worker *w, struct taken *t)
{
	w->session = fleet_session(x);
	*t = (struct taken){ .lane = -1 };
	look(x, c, t);
	t->drawn = fleet_next(x, w->session, w->task);
	if (*w->task && fleet_claim(x, w->session, w->task) != 0)
		*w->task = 0;
	if (*w->task)
		t->lane = lane_of(x, c, w->task);
}

static void go(struct fleet *x, const struct course *c, struct worker *w, struct taken *t)
{
	int later = c->change_at && w->which >= c->change_at;
	double p = t->lane < 0 ? 0 : later ? c->lanes[t->lane].later : c->lanes[t->lane].p;

	t->mark = fleet_end(x, w->session, w->task, fleet_draw(x) < p);
	w->which = -1;
}

void fleet_run(struct fleet *x, const struct course *c, fleet_step *step, struct taken *out)
{
	struct worker at[FLEET_AT_ONCE];

	must(c->sessions <= FLEET_SESSIONS, "too many sessions");
	fleet_open(x, c->seed);
	prepare(x, c);
	for (int i = 0; i < FLEET_AT_ONCE; i++)
		at[i].which = -1;
	for (int i = 0; i < c->sessions + FLEET_AT_ONCE; i++) {
		struct worker *w = &at[i % FLEET_AT_ONCE];

		if (step && i < c->sessions)
			step(x, i);
		if (w->which >= 0)
			go(x, c, w, &out[w->which]);
		fixture_pass(&x->f, MINUTE);
		w->which = i;
		if (i < c->sessions)
			come(x, c, w, &out[i]);
		else
			w->which = -1;
	}
}

int fleet_in_lane(const struct taken *t, int from, int to, int lane)
{
	int n = 0;

	for (int i = from; i < to; i++)
		n += t[i].lane == lane;
	return n;
}

double fleet_mean(const struct taken *t, int from, int to)
{
	double sum = 0;
	int n = 0;

	for (int i = from; i < to; i++) {
		if (t[i].mark < 0)
			continue;
		sum += t[i].mark;
		n++;
	}
	return n ? sum / n : 0;
}
