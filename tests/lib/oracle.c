#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "backend/clean.h"
#include "backend/conflict.h"
#include "backend/text.h"
#include "tests/lib/oracle.h"
#include "tests/lib/random.h"

/* A change on its way, and what the model says of it. */
struct step {
	struct change *change;
	int want; /* 0 or -errno */
	char what[256];
};

#define STEPS 4

static int below(struct oracle *h, int n)
{
	return random_below(&h->random, n);
}

static const char *task_name(int t)
{
	static const char names[ORACLE_TASKS][2] = { "A", "B", "C", "D", "E", "F", "G" };

	return names[t];
}

/* --- the model's one question: what overlaps what is held --- */

static int overlaps_held(const struct oracle *h, int task, const char *name)
{
	int n = 0;

	for (int t = 0; t < ORACLE_TASKS; t++) {
		const struct oracle_task *o = &h->tasks[t];

		if (t == task || o->holder < 0)
			continue;
		for (int i = 0; i < o->n; i++)
			n += artifact_overlap(name, o->artifacts[i]);
	}
	return n;
}

static int conflicts(const struct oracle *h, int task)
{
	int n = 0;

	for (int i = 0; i < h->tasks[task].n; i++)
		n += overlaps_held(h, task, h->tasks[task].artifacts[i]);
	return n;
}

static int is_done(const struct oracle *h, int task)
{
	return h->tasks[task].exists && h->tasks[task].state == TASK_DONE;
}

static int unmet(const struct oracle *h, int task)
{
	int n = 0;

	for (int i = 0; i < ORACLE_TASKS; i++)
		n += h->tasks[task].needs[i] && !is_done(h, i);
	return n;
}

static enum column column(const struct oracle *h, int task)
{
	const struct oracle_task *t = &h->tasks[task];

	if (t->state == TASK_DONE)
		return COLUMN_DONE;
	if (t->state == TASK_IDEA)
		return COLUMN_IDEAS;
	if (t->holder >= 0)
		return COLUMN_CLAIMS;
	return unmet(h, task) || conflicts(h, task) || t->hold ? COLUMN_BLOCKED : COLUMN_READY;
}

/* Does `from` need `to`, at any remove? */
static int reaches(const struct oracle *h, int from, int to, int depth)
{
	if (from == to)
		return 1;
	if (depth > ORACLE_TASKS || !h->tasks[from].exists)
		return 0;
	for (int i = 0; i < ORACLE_TASKS; i++)
		if (h->tasks[from].needs[i] && reaches(h, i, to, depth + 1))
			return 1;
	return 0;
}

static int find_artifact(const struct oracle_task *t, const char *name)
{
	for (int i = 0; i < t->n; i++)
		if (strcmp(t->artifacts[i], name) == 0)
			return i;
	return -1;
}

/* --- making artifacts --- */

static void random_artifact(struct oracle *h, char text[64], char name[64])
{
	static const char *const segments[] = { "a",  "b",  "ab",   "*",  "?", "a*",
						"*b", "**", "[ab]", "??", "c", "[!a]b" };
	struct artifact a;

	do {
		(void)strcpy(text, below(h, 6) ? "" : "x:");
		for (int i = below(h, 3); i >= 0; i--) {
			(void)strcat(text, segments[below(h, 12)]);
			if (i)
				(void)strcat(text, "/");
		}
	} while (artifact_parse(text, strlen(text), "", &a, NULL));
	(void)snprintf(name, 64, "%s", a.name);
	artifact_release(&a);
}

/* Up to N random artifacts, one a line; their canonical names, once each, into T. */
static void random_list(struct oracle *h, int n, struct oracle_task *t, struct buf *lines)
{
	char text[64], name[64];

	t->n = 0;
	for (int i = below(h, n + 1); i > 0; i--) {
		random_artifact(h, text, name);
		buf_line(lines, "%s", text);
		if (find_artifact(t, name) < 0)
			memcpy(t->artifacts[t->n++], name, 64);
	}
}

/* --- the changes --- */

static void set_up(struct oracle *h, struct step *s, struct ask *ask, int want, const char *what,
		   int task)
{
	if (!ask->name && ask->kind != CHANGE_SET)
		ask->name = task_name(task);
	s->want = want;
	s->change = fixture_queue(h->f, ask);
	(void)snprintf(s->what, sizeof(s->what), "%s %s %s", what, task_name(task),
		       ask->text ? ask->text : "");
	for (char *p = s->what; *p; p++)
		if (*p == '\n')
			*p = ' ';
}

static void do_draft(struct oracle *h, struct step *s, int task)
{
	struct oracle_task *t = &h->tasks[task];
	int want = t->exists ? -EEXIST : 0;

	set_up(h, s, &(struct ask){ .kind = CHANGE_DRAFT, .owner = 1 }, want, "draft", task);
	if (want)
		return;
	memset(t, 0, sizeof(*t));
	t->exists = 1;
	t->holder = -1;
}

static void do_import(struct oracle *h, struct step *s, int task)
{
	struct oracle_task *t = &h->tasks[task];
	AUTO_BUF struct buf lines = BUF_INIT, record = BUF_INIT;
	struct lines l;
	const char *line;
	size_t n;

	if (t->exists) {
		do_draft(h, s, task);
		return;
	}
	memset(t, 0, sizeof(*t));
	t->exists = 1;
	t->holder = -1;
	t->state = below(h, 3) ? TASK_PUBLISHED : TASK_DONE;
	t->hold = below(h, 2);
	random_list(h, 3, t, &lines);
	buf_printf(&record, "{\"task\":\"%s\",\"state\":\"%s\",\"artifacts\":[", task_name(task),
		   t->state == TASK_DONE ? "done" : "ready");
	l = (struct lines){ buf_text(&lines), buf_text(&lines) + lines.n };
	while (lines_next(&l, &line, &n))
		buf_printf(&record, "%s\"%.*s\"", line == buf_text(&lines) ? "" : ",", (int)n,
			   line);
	buf_printf(&record, "]%s}", t->hold ? ",\"hold\":\"external\"" : "");
	set_up(h, s, &(struct ask){ .kind = CHANGE_IMPORT, .text = buf_text(&record), .owner = 1 },
	       0, "import", task);
}

static int misplaced(const struct oracle_task *t)
{
	return t->holder >= 0 ? -EBUSY : -EINVAL;
}

static void do_publish(struct oracle *h, struct step *s, int task)
{
	struct oracle_task *t = &h->tasks[task];
	int want = !t->exists ? -ENOENT : t->state == TASK_IDEA ? 0 : misplaced(t);

	set_up(h, s, &(struct ask){ .kind = CHANGE_PUBLISH, .owner = 1 }, want, "publish", task);
	if (!want)
		t->state = TASK_PUBLISHED;
}

static void do_unpublish(struct oracle *h, struct step *s, int task)
{
	struct oracle_task *t = &h->tasks[task];
	int free_now = t->state == TASK_PUBLISHED && t->holder < 0;
	int want = !t->exists ? -ENOENT : free_now ? 0 : misplaced(t);

	set_up(h, s, &(struct ask){ .kind = CHANGE_UNPUBLISH, .owner = 1 }, want, "unpublish",
	       task);
	if (!want)
		t->state = TASK_IDEA;
}

static void do_cancel(struct oracle *h, struct step *s, int task)
{
	struct oracle_task *t = &h->tasks[task];
	int want = !t->exists		 ? -ENOENT :
		   t->holder >= 0	 ? -EBUSY :
		   t->state == TASK_DONE ? -EPERM :
					   0;

	set_up(h, s, &(struct ask){ .kind = CHANGE_CANCEL, .owner = 1 }, want, "cancel", task);
	if (want)
		return;
	memset(t, 0, sizeof(*t));
	t->holder = -1;
}

static void do_reopen(struct oracle *h, struct step *s, int task)
{
	struct oracle_task *t = &h->tasks[task];
	int want = !t->exists ? -ENOENT : t->state == TASK_DONE ? 0 : misplaced(t);

	set_up(h, s, &(struct ask){ .kind = CHANGE_REOPEN }, want, "reopen", task);
	if (!want)
		t->state = TASK_PUBLISHED;
}

static void do_unhold(struct oracle *h, struct step *s, int task)
{
	struct oracle_task *t = &h->tasks[task];
	int want = !t->exists ? -ENOENT : t->hold ? 0 : -EBUSY;

	set_up(h, s, &(struct ask){ .kind = CHANGE_UNHOLD, .owner = 1 }, want, "unhold", task);
	if (!want)
		t->hold = 0;
}

/* A SET is about an id: it needs the task's own, so it is a batch's first step. */
static int64_t id_of(struct oracle *h, int task)
{
	return fixture_task_now(h->f, task_name(task)).id;
}

static void do_artifacts(struct oracle *h, struct step *s, int task)
{
	struct oracle_task *t = &h->tasks[task], next = *t;
	AUTO_BUF struct buf lines = BUF_INIT;
	struct ask ask = { .kind = CHANGE_SET, .of = THING_TASK, .field = "artifacts", .owner = 1 };

	random_list(h, 4, &next, &lines);
	if (!lines.n)
		buf_char(&lines, '\n');
	ask.thing = id_of(h, task);
	ask.text = buf_text(&lines);
	set_up(h, s, &ask, t->holder >= 0 ? -EBUSY : 0, "artifacts", task);
	if (!s->want)
		*t = next;
}

static void do_needs(struct oracle *h, struct step *s, int task)
{
	struct oracle_task *t = &h->tasks[task], next = *t;
	AUTO_BUF struct buf lines = BUF_INIT;
	struct ask ask = { .kind = CHANGE_SET, .of = THING_TASK, .field = "needs", .owner = 1 };
	int unknown = 0, circle = 0;

	for (int i = 0; i < ORACLE_TASKS; i++) {
		next.needs[i] = below(h, 5) == 0;
		if (!next.needs[i])
			continue;
		buf_line(&lines, "%s", task_name(i));
		unknown |= !h->tasks[i].exists;
		circle |= reaches(h, i, task, 0);
	}
	if (!lines.n)
		buf_char(&lines, '\n');
	ask.thing = id_of(h, task);
	ask.text = buf_text(&lines);
	set_up(h, s, &ask, unknown ? -ENOENT : circle ? -ELOOP : 0, "needs", task);
	if (!s->want)
		*t = next;
}

static void do_kind(struct oracle *h, struct step *s, int task)
{
	struct ask ask = { .kind = CHANGE_SET, .of = THING_TASK, .field = "kind", .owner = 1 };

	h->tasks[task].standing = below(h, 2);
	ask.text = h->tasks[task].standing ? "standing" : "once";
	ask.thing = id_of(h, task);
	set_up(h, s, &ask, 0, "kind", task);
}

static int claim_answer(const struct oracle *h, int session, int task, int anew)
{
	const struct oracle_task *t = &h->tasks[task];

	if (!t->exists)
		return -ENOENT;
	if (t->state == TASK_DONE)
		return -EEXIST;
	if (t->state == TASK_IDEA)
		return -ENOENT;
	if (h->lost[session][task] && !anew)
		return -ESTALE;
	if (t->holder >= 0)
		return t->holder == session ? -EEXIST : -EBUSY;
	return unmet(h, task) || t->hold || conflicts(h, task) ? -EBUSY : 0;
}

static void do_claim(struct oracle *h, struct step *s, int task)
{
	int session = below(h, ORACLE_SESSIONS), anew = below(h, 2);
	struct ask ask = { .kind = CHANGE_CLAIM,
			   .as = h->sessions[session],
			   .flags = anew ? CHANGE_ANEW : 0 };

	set_up(h, s, &ask, claim_answer(h, session, task, anew), "claim", task);
	if (s->want)
		return;
	h->tasks[task].holder = session;
	h->lost[session][task] = 0;
}

/* What a session hears that acts on a claim. */
static int held_answer(const struct oracle *h, int session, int task)
{
	const struct oracle_task *t = &h->tasks[task];

	if (!t->exists)
		return -ENOENT;
	if (t->holder == session)
		return 0;
	if (h->lost[session][task])
		return -ESTALE;
	return t->holder < 0 ? -ENOENT : -EPERM;
}

/* Mostly the holder. */
static int some_session(struct oracle *h, int task)
{
	int holder = h->tasks[task].holder;

	return holder >= 0 && below(h, 4) ? holder : below(h, ORACLE_SESSIONS);
}

static void do_release(struct oracle *h, struct step *s, int task)
{
	int session = some_session(h, task);

	set_up(h, s, &(struct ask){ .kind = CHANGE_RELEASE, .as = h->sessions[session] },
	       held_answer(h, session, task), "release", task);
	if (!s->want)
		h->tasks[task].holder = -1;
}

static void do_finish(struct oracle *h, struct step *s, int task)
{
	int session = some_session(h, task);

	set_up(h, s, &(struct ask){ .kind = CHANGE_FINISH, .as = h->sessions[session] },
	       held_answer(h, session, task), "finish", task);
	if (s->want)
		return;
	h->tasks[task].holder = -1;
	if (!h->tasks[task].standing)
		h->tasks[task].state = TASK_DONE;
}

static void do_handover(struct oracle *h, struct step *s, int task)
{
	int session = some_session(h, task), to = below(h, ORACLE_SESSIONS);
	struct session dest = fixture_session_now(h->f, h->sessions[to]);
	int want = held_answer(h, session, task);

	if (!want && to == session)
		want = -EINVAL;
	set_up(h, s,
	       &(struct ask){
		       .kind = CHANGE_HANDOVER, .as = h->sessions[session], .text = dest.name },
	       want, "handover", task);
	if (want)
		return;
	h->tasks[task].holder = to;
	h->lost[to][task] = 0;
}

static void do_extend(struct oracle *h, struct step *s, int task)
{
	int session = some_session(h, task), want = held_answer(h, session, task);
	struct oracle_task *t = &h->tasks[task], next = *t;
	AUTO_BUF struct buf lines = BUF_INIT;
	char text[64], name[64];

	for (int i = below(h, 3); i >= 0 && next.n < ORACLE_ARTIFACTS; i--) {
		random_artifact(h, text, name);
		buf_line(&lines, "artifact %s", text);
		if (find_artifact(t, name) < 0 && !want && overlaps_held(h, task, name))
			want = -EBUSY;
		if (find_artifact(&next, name) < 0)
			memcpy(next.artifacts[next.n++], name, 64);
	}
	if (t->n && below(h, 2)) {
		const char *drop = t->artifacts[0];

		buf_line(&lines, "-%s", *drop == ':' ? drop + 1 : drop);
		next.n--;
		memmove(next.artifacts[0], next.artifacts[1], sizeof(next.artifacts[0]) * 5);
	}
	if (!lines.n)
		buf_line(&lines, "task %s", task_name(task));
	set_up(h, s,
	       &(struct ask){ .kind = CHANGE_EXTEND,
			      .as = h->sessions[session],
			      .text = buf_text(&lines) },
	       want, "extend", task);
	if (!want)
		*t = next;
}

static void do_break(struct oracle *h, struct step *s, int task)
{
	struct oracle_task *t = &h->tasks[task];
	int64_t token = t->exists ? fixture_task_now(h->f, task_name(task)).token : 0;
	int want = !t->exists ? -ENOENT : t->holder < 0 ? -ESTALE : 0;
	char text[64];

	(void)snprintf(text, sizeof(text), "%s %lld so it is", task_name(task),
		       (long long)(token ? token : 1));
	set_up(h, s, &(struct ask){ .kind = CHANGE_BREAK, .text = text, .owner = 1 }, want, "break",
	       task);
	if (want)
		return;
	h->lost[t->holder][task] = 1;
	t->holder = -1;
}

static void new_session(struct oracle *h, int session)
{
	char name[16];

	(void)snprintf(name, sizeof(name), "s%d", h->registered++);
	h->sessions[session] = fixture_session(h->f, name);
	memset(h->lost[session], 0, sizeof(h->lost[session]));
}

/* --- steps that are a batch of their own --- */

static void end_session(struct oracle *h)
{
	int session = below(h, ORACLE_SESSIONS);

	(void)commit(h->f, CHANGE_END, .thing = h->sessions[session], .owner = 1);
	for (int t = 0; t < ORACLE_TASKS; t++)
		if (h->tasks[t].holder == session)
			h->tasks[t].holder = -1;
	new_session(h, session);
}

/* Leases end; which ones is not what is tested here, so the model looks. */
static void pass_time(struct oracle *h)
{
	for (int i = 0; i < ORACLE_SESSIONS; i++)
		if (below(h, 2))
			(void)commit(h->f, CHANGE_RENEW, .as = h->sessions[i],
				     .thing = h->sessions[i]);
	fixture_pass(h->f, MINUTE * (1 + below(h, 45)));
	for (int t = 0; t < ORACLE_TASKS; t++) {
		struct oracle_task *m = &h->tasks[t];

		if (m->holder < 0 || fixture_task_now(h->f, task_name(t)).token)
			continue;
		h->lost[m->holder][t] = 1;
		m->holder = -1;
	}
	for (int i = 0; i < ORACLE_SESSIONS; i++)
		if (fixture_session_now(h->f, h->sessions[i]).ended)
			new_session(h, i);
}

static void restart(struct oracle *h)
{
	if (fixture_restart(h->f))
		buf_printf(&h->says, "restart: %s", buf_text(&h->f->says));
}

/* --- a step --- */

typedef void step_fn(struct oracle *h, struct step *s, int task);

/* With the number of times each is as likely as the others. */
static step_fn *const anywhere[] = { do_draft,	 do_import,    do_publish, do_publish, do_publish,
				     do_cancel,	 do_unpublish, do_reopen,  do_unhold,  do_claim,
				     do_claim,	 do_claim,     do_claim,   do_claim,   do_claim,
				     do_release, do_finish,    do_extend,  do_extend,  do_extend,
				     do_handover };
/* These look at the store: only as the first of a batch. */
static step_fn *const first_alone[] = { do_artifacts, do_artifacts, do_needs, do_kind, do_break };

static void note(struct oracle *h, const char *what, int got)
{
	char line[320];
	size_t have = strlen(h->did), n;

	(void)snprintf(line, sizeof(line), "%s: %s\n", what, errno_text(got));
	n = strlen(line);
	if (have + n >= sizeof(h->did)) {
		const char *keep = strchr(h->did + sizeof(h->did) / 2, '\n');

		memmove(h->did, keep ? keep + 1 : "", keep ? strlen(keep + 1) + 1 : 1);
		have = strlen(h->did);
	}
	memcpy(h->did + have, line, n + 1);
}

static void finish_step(struct oracle *h, struct step *s)
{
	struct outcome o = fixture_take(s->change);

	note(h, s->what, o.err);
	if (o.err != s->want)
		buf_printf(&h->says, "%s: %s, not %s: %s", s->what, errno_text(o.err),
			   errno_text(s->want), o.why);
}

static void batch(struct oracle *h)
{
	struct step steps[STEPS];
	int n = 0, want = 1 + below(h, STEPS), task = below(h, ORACLE_TASKS);

	if (h->tasks[task].exists && below(h, 3) == 0)
		first_alone[below(h, 5)](h, &steps[n++], task);
	while (n < want)
		anywhere[below(h, (int)(sizeof(anywhere) / sizeof(anywhere[0])))](
			h, &steps[n++], below(h, ORACLE_TASKS));
	(void)fixture_run(h->f);
	for (int i = 0; i < n; i++)
		finish_step(h, &steps[i]);
}

int oracle_step(struct oracle *h)
{
	switch (below(h, 40)) {
	case 0:
		end_session(h);
		note(h, "end of a session", 0);
		break;
	case 1:
	case 2:
		pass_time(h);
		note(h, "time passes", 0);
		break;
	case 3:
		restart(h);
		note(h, "restart", 0);
		break;
	default:
		batch(h);
	}
	return h->says.n ? -1 : 0;
}

void oracle_init(struct oracle *h, struct fixture *f, uint64_t seed)
{
	memset(h, 0, sizeof(*h));
	h->f = f;
	h->random = seed;
	for (int i = 0; i < ORACLE_SESSIONS; i++)
		new_session(h, i);
	for (int t = 0; t < ORACLE_TASKS; t++)
		h->tasks[t].holder = -1;
}

void oracle_free(struct oracle *h)
{
	buf_free(&h->says);
}

/* --- the comparison --- */

static void differs(struct oracle *h, int task, const char *what, int64_t is, int64_t should)
{
	if (is != should)
		buf_line(&h->says, "%s of %s is %lld, not %lld", what, task_name(task),
			 (long long)is, (long long)should);
}

static void check_task(struct oracle *h, struct db *db, int task)
{
	const struct oracle_task *m = &h->tasks[task];
	struct conflict by;
	struct task t;
	int got = read_task_named(db, task_name(task), &t);

	differs(h, task, "existence", got, m->exists);
	if (got <= 0 || !m->exists)
		return;
	differs(h, task, "state", t.state, m->state);
	differs(h, task, "column", t.column, column(h, task));
	differs(h, task, "unmet", t.unmet, unmet(h, task));
	differs(h, task, "held", t.token != 0, m->holder >= 0);
	if (m->state != TASK_DONE)
		differs(h, task, "conflicts", t.conflicts, conflicts(h, task));
	if (m->holder >= 0)
		differs(h, task, "overlap with another claim", conflicts(h, task), 0);
	for (int i = 0; i < m->n; i++)
		differs(h, task, m->artifacts[i], conflict_find(db, t.id, m->artifacts[i], &by),
			overlaps_held(h, task, m->artifacts[i]) > 0);
}

int oracle_check(struct oracle *h)
{
	(void)store_read_begin(h->f->store);
	for (int t = 0; t < ORACLE_TASKS; t++)
		check_task(h, store_reader(h->f->store), t);
	store_read_end(h->f->store);
	return h->says.n ? -1 : 0;
}
