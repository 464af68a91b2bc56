/*
 * What agents do, request by request, as the kernel would send it. One file on
 * purpose, although longer than others: a short function for each thing they do.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>

#include "backend/clean.h"
#include "backend/text.h"
#include "fs/node.h"
#include "tests/sim/sim.h"

enum op {
	IDLE,
	REGISTER,
	JOIN,
	ANCHOR,
	TOUCH,
	APPEND,
	KEPT,
	TAKE,
	FINISH,
	GIVE,
	HAND,
	RENEW,
	LOOK,
	LIST,
	NEXT,
	LEAVE,
	REOPEN,
	LOCK,
	/* the owner's */
	EDIT,
	MOVE,
	DRAFT,
	CANCEL,
	BREAK,
	CONTROL,
};

static void finish(struct agent *a)
{
	a->op = IDLE;
}

/* --- requests --- */

static int32_t pid_of(const struct agent *a)
{
	return a->is == BY_CONTAINER ? 0 : a->child ? a->child : a->main;
}

static int64_t start_of(const struct agent *a)
{
	const struct sim_proc *p = procs_get(pid_of(a));

	return p ? p->start : 0;
}

static struct pending ask(struct run *s, struct agent *a, int expect, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

/* A request of A's is about to be sent. */
static struct pending ask(struct run *s, struct agent *a, int expect, const char *fmt, ...)
{
	struct pending p = { .agent = a >= s->agents && a < s->agents + AGENTS ?
					      (int)(a - s->agents) :
					      -1,
			     .expect = expect,
			     .maybe = NEVER };
	size_t n;
	va_list ap;

	s->w.who = (struct who){ a->uid, a->uid, pid_of(a) };
	n = (size_t)snprintf(p.what, sizeof(p.what), "%d/s%d pid %d ", p.agent, a->session,
			     pid_of(a));
	va_start(ap, fmt);
	(void)vsnprintf(p.what + n, sizeof(p.what) - n, fmt, ap);
	va_end(ap);
	p.want.actor = NOBODY;
	p.want.uid = a->uid;
	p.want.is_op = model_is_op(a->uid);
	p.want.pid = pid_of(a);
	p.want.start = start_of(a);
	p.want.task = a->task;
	a->waits = 1;
	return p;
}

static void sent(struct run *s, struct pending *p, uint64_t unique)
{
	p->unique = unique;
	request_sent(s, p);
}

/* What the request will be, of a caller at PATH (a session, or NOBODY). */
static void decide(struct run *s, struct agent *a, struct pending *p, enum change_kind kind,
		   int path)
{
	int deny = 0;

	p->want.kind = kind;
	p->want.actor = model_actor(s, pid_of(a), a->uid, path, &deny);
	p->expect = deny ? deny : DEFERRED;
}

static int path_of(const struct agent *a)
{
	return a->by_path ? a->session : NOBODY;
}

static uint64_t session_dir(const struct run *s, int session, enum row row)
{
	return NODE_INO(s->m.sessions[session].id, row);
}

static uint64_t claims_dir(const struct run *s, const struct agent *a)
{
	return a->by_path ? session_dir(s, a->session, ROW_SESSION_CLAIMS) :
			    NODE_INO(0, ROW_CLAIMS);
}

static uint64_t column_dir(enum row row)
{
	return NODE_INO(0, row);
}

/* --- look-ups --- */

/* The node that T has in directory row WHERE (of SESSION); 0: none. */
static uint64_t node_in(const struct run *s, enum row where, int session, int task)
{
	const struct m_task *t = &s->m.tasks[task];
	enum column c = model_column(&s->m, task);
	const struct m_mutex *x = NULL;

	if (where == ROW_CLAIMS && !(t->exists && t->token))
		for (int i = 0; i < s->m.n_mutexes; i++)
			if (s->m.mutexes[i].name == task &&
			    (!x || s->m.mutexes[i].token < x->token))
				x = &s->m.mutexes[i];
	if (x)
		return NODE_INO(x->token, ROW_MUTEX);
	if (!t->exists)
		return 0;
	switch (where) {
	case ROW_IDEAS:
		return c == COLUMN_IDEAS ? NODE_INO(t->id, ROW_IDEA) : 0;
	case ROW_READY:
		return c == COLUMN_READY ? NODE_INO(t->id, ROW_READY_TASK) : 0;
	case ROW_BLOCKED:
		return c == COLUMN_BLOCKED ? NODE_INO(t->id, ROW_BLOCKED_TASK) : 0;
	case ROW_DONE:
		return c == COLUMN_DONE ? NODE_INO(t->id, ROW_DONE_TASK) : 0;
	case ROW_CLAIMS:
		return t->token ? NODE_INO(t->token, ROW_CLAIM) : 0;
	case ROW_SESSION_CLAIMS:
		return t->token && model_grant((struct model *)(uintptr_t)&s->m, t->token)
						       ->session == session ?
			       NODE_INO(t->token, ROW_SESSION_CLAIM) :
			       0;
	default:
		return NODE_INO(t->id, ROW_TASK);
	}
}

static const char *row_name(enum row row)
{
	switch (row) {
	case ROW_IDEAS:
		return "ideas";
	case ROW_READY:
		return "ready";
	case ROW_BLOCKED:
		return "blocked";
	case ROW_DONE:
		return "done";
	case ROW_CLAIMS:
		return "claims";
	case ROW_SESSION_CLAIMS:
		return "sessions/ID/claims";
	default:
		return "tasks";
	}
}

static void look(struct run *s, struct agent *a, enum row where, uint64_t dir)
{
	int session = where == ROW_SESSION_CLAIMS ? a->session : NOBODY, deny = 0;
	struct pending p = ask(s, a, 0, "look %s/%s", row_name(where), task_name(a->task));

	p.must_node = node_in(s, where, session, a->task);
	if (!p.must_node)
		p.expect = -ENOENT;
	if (where == ROW_CLAIMS)
		session = model_actor(s, pid_of(a), a->uid, NOBODY, &deny);
	/* what its session lost says so, but not to a move that claims anew */
	if (!p.must_node && session >= 0 && s->m.sessions[session].lost >> a->task & 1)
		p.maybe = -ESTALE;
	sent(s, &p, ask_lookup(&s->w, dir, task_name(a->task)));
}

static void look_claim(struct run *s, struct agent *a)
{
	look(s, a, a->by_path ? ROW_SESSION_CLAIMS : ROW_CLAIMS, claims_dir(s, a));
}

/* --- a claim's file --- */

static const struct m_grant *grant_at(const struct run *s, uint64_t node)
{
	return model_grant((struct model *)(uintptr_t)&s->m, NODE_ID(node));
}

/* The session a claim's node acts as. */
static int node_path_of(const struct run *s, uint64_t node)
{
	return (node & 0xffff) == ROW_SESSION_CLAIM ? grant_at(s, node)->session : NOBODY;
}

static int is_winner(const struct run *s, const struct pending *p, int64_t token)
{
	for (int i = 0; i < 2 * AGENTS; i++) {
		const struct won *w = &s->agents[i / 2].won[i % 2];

		if (w->token == token && w->fh && w->pid == p->want.pid &&
		    w->start == p->want.start &&
		    (p->want.pid || (p->want.actor >= 0 && w->session == p->want.actor)))
			return 1;
	}
	return 0;
}

static void open_claim(struct run *s, struct agent *a, int flags)
{
	const struct m_grant *g = grant_at(s, a->node);
	struct pending p = ask(s, a, 0, "open %s%s token %lld", task_name(a->task),
			       flags & O_APPEND	 ? " >>" :
			       flags & O_ACCMODE ? " >" :
						   "",
			       (long long)NODE_ID(a->node));

	if (g->ended) {
		p.expect = -ESTALE;
		/* the second in a row that is gone is opened all the same, to be locked */
		p.maybe = flags & O_ACCMODE ? NEVER : 0;
	} else if (flags & O_ACCMODE) {
		decide(s, a, &p, CHANGE_CLAIM, node_path_of(s, a->node));
		p.want.token = g->token;
		if (p.expect == DEFERRED && flags & O_APPEND && g->lock) {
			p.expect = 0; /* the writer knows whose process it is */
		} else if (p.expect == DEFERRED && flags & O_APPEND && g->session >= 0 &&
			   g->session == p.want.actor) {
			p.expect = 0;
			/* one of several workers of one session, who asked at the same time */
			p.maybe = pid_of(a) ? DEFERRED : NEVER;
		}
	}
	sent(s, &p, ask_open(&s->w, a->node, flags));
}

static void touch_claim(struct run *s, struct agent *a)
{
	const struct m_grant *g = grant_at(s, a->node);
	struct pending p = ask(s, a, 0, "times of %s token %lld", task_name(a->task),
			       (long long)NODE_ID(a->node));

	if (g->ended) {
		p.expect = -ESTALE;
	} else {
		decide(s, a, &p, CHANGE_CLAIM, node_path_of(s, a->node));
		p.want.token = g->token;
		if (p.expect == DEFERRED && is_winner(s, &p, g->token))
			p.expect = 0;
	}
	sent(s, &p, ask_touch(&s->w, a->node));
}

static void create(struct run *s, struct agent *a, int flags)
{
	struct pending p = ask(s, a, 0, "create %sclaims/%s", a->by_path ? "sessions/ID/" : "",
			       task_name(a->task));

	decide(s, a, &p, CHANGE_CLAIM, path_of(a));
	sent(s, &p, ask_create(&s->w, claims_dir(s, a), task_name(a->task), flags));
}

static void forget(struct run *s, uint64_t fh)
{
	for (int i = 0; i < AGENTS; i++) {
		struct agent *a = &s->agents[i];

		for (int k = 0; k < OPEN; k++)
			if (a->open[k] == fh)
				a->open[k] = 0;
		for (int k = 0; k < 2; k++)
			if (a->won[k].fh == fh)
				a->won[k].fh = 0;
	}
}

/* Until what a closed descriptor had locked is given back, the daemon hears nobody. */
static void let_go(struct run *s)
{
	for (int i = 0; ll_pauses(s->w.ll) && !s->failed[0] && !store_failed(s->w.f.store); i++) {
		batch_run(s);
		if (i > 3)
			sim_fail(s, "the daemon does not go on after the end of a lock");
	}
}

static void close_fh(struct run *s, struct agent *a, uint64_t node, uint64_t fh)
{
	struct fuse_release_in in = { .fh = fh };
	struct pending p = ask(s, a, 0, "close %llu", (unsigned long long)fh);

	forget(s, fh);
	sent(s, &p, wire_send(&s->w, FUSE_RELEASE, node, &in, sizeof(in), NULL, 0));
	lock_closed(s, fh);
	let_go(s);
}

/* Some lines for a claim: what to add and to give up. */
static void some_lines(struct run *s, const struct agent *a, struct want *w, struct buf *out)
{
	uint32_t has = s->m.tasks[a->task].arts;

	for (int i = 1 + below(s, 2); i > 0; i--) {
		int art = below(s, ARTS);

		if (has >> art & 1 && below(s, 2)) {
			w->drop |= 1u << art;
			buf_line(out, "-%s", art_names[art]);
		} else if (__builtin_popcount(has | w->add) < 6 && !(w->drop >> art & 1)) {
			w->add |= 1u << art;
			buf_line(out, "%s%s", below(s, 2) ? "artifact " : "", art_names[art]);
		}
	}
	if (!out->n)
		buf_line(out, "task %s", task_name(a->task));
}

static void write_claim(struct run *s, struct agent *a, uint64_t node, uint64_t fh)
{
	AUTO_BUF struct buf text = BUF_INIT;
	struct pending p = ask(s, a, 0, "write ");

	a->task = p.want.task = grant_at(s, node)->task;
	decide(s, a, &p, CHANGE_EXTEND, node_path_of(s, node));
	p.want.token = NODE_ID(node);
	some_lines(s, a, &p.want, &text);
	(void)snprintf(p.what + strlen(p.what), sizeof(p.what) - strlen(p.what),
		       "%s token %lld: %s", task_name(a->task), (long long)p.want.token,
		       buf_text(&text));
	(void)line_mend(p.what);
	sent(s, &p, ask_write(&s->w, node, fh, 0, buf_text(&text), text.n));
}

/* --- moves --- */

static void rename_to(struct run *s, struct agent *a, enum change_kind kind, int path,
		      uint64_t from, uint64_t to, int to_session, const char *what)
{
	struct pending p = ask(s, a, 0, "%s %s", what, task_name(a->task));

	decide(s, a, &p, kind, path);
	p.want.anew = kind == CHANGE_CLAIM;
	p.want.to = to_session;
	sent(s, &p, ask_rename(&s->w, from, task_name(a->task), to, task_name(a->task), 0));
}

static void unlink_claim(struct run *s, struct agent *a)
{
	struct pending p = ask(s, a, 0, "rm claims/%s", task_name(a->task));

	decide(s, a, &p, CHANGE_RELEASE, path_of(a));
	sent(s, &p, ask_name(&s->w, FUSE_UNLINK, claims_dir(s, a), task_name(a->task)));
}

/* --- what agents do: one request a call --- */

static void win(struct agent *a)
{
	a->won[0] = (struct won){ NODE_ID(a->node), a->fh, pid_of(a), start_of(a), a->session };
}

/* open(2) with O_CREAT: 1 when it was asked for, and stage 2 has the answer. */
static int open_or_create(struct run *s, struct agent *a, int flags)
{
	if (a->stage == 0) {
		a->stage = 1;
		look_claim(s, a);
		return 1;
	}
	if (a->stage != 1)
		return 0;
	a->stage = a->err ? 3 : 2;
	if (!a->err && (a->node & 0xffff) == ROW_MUTEX)
		finish(a);
	else if (!a->err)
		open_claim(s, a, flags);
	else if (a->err == -ENOENT)
		create(s, a, flags);
	else if (a->err == -ESTALE && !a->again++)
		a->stage = 0; /* the kernel looks again */
	else
		finish(a);
	return 1;
}

static void do_touch(struct run *s, struct agent *a)
{
	if (open_or_create(s, a, O_WRONLY))
		return;
	switch (a->stage) {
	case 2: /* touch sets the times, although the open was refused */
		a->stage = 5;
		touch_claim(s, a);
		break;
	case 3:
		a->stage = 4;
		if (a->err) {
			finish(a);
			return;
		}
		win(a);
		touch_claim(s, a);
		break;
	case 4:
		a->stage = 5;
		close_fh(s, a, a->node, a->won[0].fh);
		break;
	default:
		finish(a);
	}
}

static void do_append(struct run *s, struct agent *a)
{
	if (open_or_create(s, a, O_WRONLY | O_APPEND))
		return;
	switch (a->stage) {
	case 2:
	case 3:
		if (a->err) {
			finish(a);
			return;
		}
		if (a->stage == 3)
			win(a);
		a->node2 = a->fh;
		a->stage = 4;
		write_claim(s, a, a->node, a->fh);
		break;
	case 4:
		a->stage = 5;
		if (!a->kept_fh && below(s, 2)) {
			a->kept_node = a->node;
			a->kept_fh = a->node2;
			if (a->won[0].fh == a->kept_fh) {
				a->won[1] = a->won[0];
				a->won[0].fh = 0;
			}
			finish(a);
		} else {
			close_fh(s, a, a->node, a->node2);
		}
		break;
	default:
		finish(a);
	}
}

/* An old descriptor on a claim, that may have been lost long ago. */
static void do_kept(struct run *s, struct agent *a)
{
	uint64_t fh = a->kept_fh;

	if (a->stage++ == 0 && fh) {
		write_claim(s, a, a->kept_node, fh);
	} else if (fh && (a->err || rarely(s, 3))) {
		a->kept_fh = 0;
		close_fh(s, a, a->kept_node, fh);
	} else {
		finish(a);
	}
}

static void do_take(struct run *s, struct agent *a)
{
	static const enum row from[] = { ROW_READY, ROW_READY, ROW_READY, ROW_BLOCKED, ROW_IDEAS };

	switch (a->stage++) {
	case 0:
		a->node2 = column_dir(from[below(s, 5)]);
		look(s, a, (enum row)(a->node2 & 0xffff), a->node2);
		break;
	case 1:
		if (a->err)
			finish(a);
		else
			look_claim(s, a);
		break;
	case 2:
		rename_to(s, a, CHANGE_CLAIM, path_of(a), a->node2, claims_dir(s, a), 0,
			  "mv to claims/");
		break;
	default:
		finish(a);
	}
}

static void do_finish(struct run *s, struct agent *a)
{
	switch (a->stage++) {
	case 0:
		look_claim(s, a);
		break;
	case 1:
		if (a->err)
			finish(a);
		else if (a->op == FINISH && a->by_path && below(s, 2))
			rename_to(s, a, CHANGE_FINISH, path_of(a), claims_dir(s, a),
				  session_dir(s, a->session, ROW_SESSION_DONE), 0,
				  "mv to sessions/ID/done/");
		else if (a->op == FINISH)
			rename_to(s, a, CHANGE_FINISH, path_of(a), claims_dir(s, a),
				  column_dir(ROW_DONE), 0, "mv to done/");
		else if (below(s, 2))
			rename_to(s, a, CHANGE_RELEASE, path_of(a), claims_dir(s, a),
				  column_dir(ROW_READY), 0, "mv to ready/");
		else
			unlink_claim(s, a);
		break;
	default:
		finish(a);
	}
}

static void do_hand(struct run *s, struct agent *a)
{
	int to = s->agents[below(s, AGENTS)].session;

	switch (a->stage++) {
	case 0:
		look_claim(s, a);
		break;
	case 1:
		if (a->err || to == NOBODY)
			finish(a);
		else
			rename_to(s, a, CHANGE_HANDOVER, path_of(a), claims_dir(s, a),
				  session_dir(s, to, ROW_SESSION_CLAIMS), to, "hand over");
		break;
	default:
		finish(a);
	}
}

static void look_session(struct run *s, struct agent *a, int session)
{
	char name[16];
	const struct m_session *who = &s->m.sessions[session];
	struct pending p = ask(s, a, 0, "look sessions/s%d", session);

	(void)snprintf(name, sizeof(name), "s%d", session);
	p.must_node = NODE_INO(who->id, who->ended ? ROW_SESSION_ENDED : ROW_SESSION);
	sent(s, &p, ask_lookup(&s->w, column_dir(ROW_SESSIONS), name));
}

static void do_renew(struct run *s, struct agent *a)
{
	struct pending p;

	switch (a->stage++) {
	case 0:
		look_session(s, a, a->session);
		break;
	case 1:
		p = ask(s, a, 0, "touch sessions/s%d", a->session);
		decide(s, a, &p, CHANGE_RENEW, a->session);
		p.want.session = a->session;
		if ((a->node & 0xffff) == ROW_SESSION && s->m.sessions[a->session].ended)
			p.expect = -ESTALE;
		sent(s, &p, ask_touch(&s->w, a->node));
		break;
	default:
		finish(a);
	}
}

static void do_look(struct run *s, struct agent *a)
{
	struct fuse_read_in in = { .fh = a->fh, .size = 65536 };
	const struct m_grant *g;
	char session[16] = "-";
	struct pending p;

	switch (a->stage++) {
	case 0:
		look_claim(s, a);
		break;
	case 1:
		if (a->err || (a->node & 0xffff) == ROW_MUTEX) {
			finish(a);
			return;
		}
		g = grant_at(s, a->node);
		if (g->session >= 0)
			(void)snprintf(session, sizeof(session), "s%d", g->session);
		(void)snprintf(a->must_text, sizeof(a->must_text),
			       "task %s\nsession %s\ntoken %lld\n", task_name(g->task), session,
			       (long long)g->token);
		a->again = g->ended;
		open_claim(s, a, O_RDONLY);
		break;
	case 2:
		if (a->err) {
			finish(a);
			return;
		}
		a->node2 = a->fh;
		p = ask(s, a, 0, "read %s", task_name(a->task));
		p.maybe = a->again ? -ESTALE : NEVER;
		sent(s, &p, wire_send(&s->w, FUSE_READ, a->node, &in, sizeof(in), NULL, 0));
		if (a->err == 0 && strncmp(s->data, a->must_text, strlen(a->must_text)) != 0)
			sim_fail(s, "claims/%s reads \"%s\", must begin \"%s\"", task_name(a->task),
				 s->data, a->must_text);
		break;
	case 3:
		close_fh(s, a, a->node, a->node2);
		break;
	default:
		finish(a);
	}
}

/* --- flock --- */

static void ask_lock(struct run *s, struct agent *a, int how)
{
	struct fuse_lk_in in = { .fh = a->lock_fh, .lk_flags = FUSE_LK_FLOCK };
	struct pending p = ask(s, a, 0, "flock%s%s%s %s", how & LOCK_UN ? " -u" : "",
			       how & LOCK_SH ? " -s" : "", how & LOCK_NB ? " -n" : "",
			       task_name(a->task));

	in.lk.type = how & LOCK_UN ? F_UNLCK : how & LOCK_SH ? F_RDLCK : F_WRLCK;
	if (how & LOCK_UN) {
		p.want.kind = CHANGE_UNLOCK;
		p.expect = lock_of(s, a->lock_fh) ? DEFERRED : 0;
	} else {
		decide(s, a, &p, CHANGE_LOCK, a->lock_as);
	}
	p.want.fh = a->lock_fh;
	p.want.token = lock_of(s, a->lock_fh);
	p.want.shared = (how & LOCK_SH) != 0;
	p.want.waits = !(how & LOCK_NB);
	sent(s, &p,
	     wire_send(&s->w, how & (LOCK_NB | LOCK_UN) ? FUSE_SETLK : FUSE_SETLKW, a->lock_node,
		       &in, sizeof(in), NULL, 0));
}

/* flock(1) opens for reading; what is not held is made, as a door. */
static void open_lock(struct run *s, struct agent *a)
{
	struct pending p;
	int deny = 0;

	if (a->err == -ENOENT) {
		p = ask(s, a, 0, "open claims/%s for flock", task_name(a->task));
		(void)model_actor(s, pid_of(a), a->uid, path_of(a), &deny);
		p.expect = deny;
		sent(s, &p, ask_create(&s->w, claims_dir(s, a), task_name(a->task), O_RDONLY));
	} else if (a->err) {
		finish(a);
	} else if ((a->node & 0xffff) == ROW_MUTEX) {
		p = ask(s, a, 0, "open mutex %s for flock", task_name(a->task));
		if (!model_mutex(&s->m, NODE_ID(a->node))) {
			p.expect = -ESTALE;
			p.maybe = 0;
		}
		sent(s, &p, ask_open(&s->w, a->node, O_RDONLY));
	} else {
		open_claim(s, a, O_RDONLY);
	}
}

static void while_locked(struct run *s, struct agent *a)
{
	a->stage = rarely(s, 4) ? 5 : 4;
	switch (below(s, 8)) {
	case 0:
		ask_lock(s, a, a->again);
		break;
	case 1:
		if (a->task < TASKS)
			rename_to(s, a, CHANGE_FINISH, path_of(a), claims_dir(s, a),
				  column_dir(ROW_DONE), 0, "mv to done/");
		break;
	case 2:
		a->stage = 5;
		ask_lock(s, a, LOCK_UN);
		break;
	default:
		if (a->task < TASKS)
			look(s, a, ROW_CLAIMS, column_dir(ROW_CLAIMS));
	}
}

static void do_lock(struct run *s, struct agent *a)
{
	switch (a->stage++) {
	case 0:
		a->task = rarely(s, 3) ? TASKS + below(s, NAMES - TASKS) : below(s, NAMES);
		a->again = (rarely(s, 3) ? LOCK_NB : 0) |
			   (rarely(s, a->task < TASKS ? 20 : 2) ? LOCK_SH : LOCK_EX);
		look_claim(s, a);
		break;
	case 1:
		a->lock_as = path_of(a);
		open_lock(s, a);
		break;
	case 2:
		if (a->err) {
			finish(a);
			return;
		}
		a->lock_fh = a->fh;
		a->lock_node = a->node;
		if ((a->node & 0xffff) == ROW_CLAIM || (a->node & 0xffff) == ROW_MUTEX)
			a->lock_as = NOBODY;
		ask_lock(s, a, a->again);
		break;
	case 3:
		if (a->err)
			a->stage = 5;
		break;
	case 4:
		while_locked(s, a);
		break;
	case 5:
		a->node2 = a->lock_fh;
		a->lock_fh = 0;
		close_fh(s, a, a->lock_node, a->node2);
		break;
	default:
		finish(a);
	}
}

/* A whole listing at once, against the model. */
static void do_list(struct run *s, struct agent *a)
{
	static const enum row rows[] = { ROW_IDEAS,  ROW_READY, ROW_BLOCKED,
					 ROW_CLAIMS, ROW_DONE,	ROW_SESSION_CLAIMS };
	struct entry all[64];
	enum row where = rows[below(s, a->session == NOBODY ? 5 : 6)];
	uint64_t dir = where == ROW_SESSION_CLAIMS ? session_dir(s, a->session, where) :
						     column_dir(where);
	int n, seen = 2;

	s->w.who = (struct who){ a->uid, a->uid, pid_of(a) };
	s->ops++;
	n = wire_list(&s->w, dir, 0, 32768, below(s, 2), all, 64);
	sim_log(s, "%d list %s = %d", (int)(a - s->agents), row_name(where), n);
	for (int t = 0; t < NAMES; t++) {
		uint64_t node = node_in(s, where, a->session, t);

		for (int i = 0; node && i < n; i++)
			if (strcmp(all[i].name, task_name(t)) == 0 && all[i].node == node)
				node = 0, seen++;
		if (node)
			sim_fail(s, "%s does not list %s", row_name(where), task_name(t));
	}
	if (n != seen)
		sim_fail(s, "%s lists %d names, must be %d", row_name(where), n, seen);
	finish(a);
}

static int task_called(const char *line)
{
	for (int t = 0; t < TASKS; t++)
		if (strncmp(line, task_name(t), strlen(task_name(t))) == 0 &&
		    strcmp(line + strlen(task_name(t)), "\n") == 0)
			return t;
	return -1;
}

/* What is offered can be claimed, whatever has just happened. */
static void do_next(struct run *s, struct agent *a)
{
	int ended = s->m.sessions[a->session].ended, t;
	char path[48];
	const char *text;

	(void)snprintf(path, sizeof(path), "sessions/s%d/next", a->session);
	s->w.who = (struct who){ a->uid, a->uid, pid_of(a) };
	s->ops++;
	text = wire_cat(&s->w, path);
	t = task_called(text);
	sim_log(s, "%d next of s%d = %s", (int)(a - s->agents), a->session, text);
	if (*text && t < 0)
		sim_fail(s, "next of s%d is \"%s\"", a->session, text);
	else if (*text && (ended || s->m.estop))
		sim_fail(s, "next of s%d offers %s: it may claim nothing", a->session, text);
	else if (*text && (model_column(&s->m, t) != COLUMN_READY || s->m.tasks[t].standing))
		sim_fail(s, "next of s%d offers %s, which is not to be had", a->session, text);
	finish(a);
}

static void do_reopen(struct run *s, struct agent *a)
{
	switch (a->stage++) {
	case 0:
		look(s, a, ROW_DONE, column_dir(ROW_DONE));
		break;
	case 1:
		if (a->err)
			finish(a);
		else
			rename_to(s, a, CHANGE_REOPEN, NOBODY, column_dir(ROW_DONE),
				  column_dir(ROW_READY), 0, "reopen");
		break;
	default:
		finish(a);
	}
}

static void do_leave(struct run *s, struct agent *a)
{
	char name[16];
	struct pending p;

	switch (a->stage++) {
	case 0:
		p = ask(s, a, 0, "rmdir sessions/s%d", a->session);
		decide(s, a, &p, CHANGE_END, s->m.sessions[a->session].ended ? NOBODY : a->session);
		p.want.session = a->session;
		(void)snprintf(name, sizeof(name), "s%d", a->session);
		sent(s, &p, ask_name(&s->w, FUSE_RMDIR, column_dir(ROW_SESSIONS), name));
		break;
	default:
		if (!a->err)
			a->session = NOBODY;
		finish(a);
	}
}

/* --- a session of one's own --- */

static void new_main(struct run *s, struct agent *a, const char *session)
{
	procs_exit(a->child, 0);
	a->child = 0;
	procs_exit(a->main, 0);
	a->main = procs_start(1, a->uid, session, now(s));
	if (!a->main)
		sim_fail(s, "no process id is left");
}

/* The number is free, or becomes another's just before. */
static void do_register(struct run *s, struct agent *a)
{
	struct fuse_mkdir_in in = { .mode = 0755 };
	struct pending p;
	char name[16];

	(void)snprintf(name, sizeof(name), "s%d",
		       a->stage			      ? a->task :
		       s->m.n_sessions < SESSIONS - 1 ? s->m.n_sessions :
							0);
	switch (a->stage++) {
	case 0:
		a->task = s->m.n_sessions < SESSIONS - 1 ? s->m.n_sessions : 0;
		p = ask(s, a, DEFERRED, "mkdir sessions/%s", name);
		p.want.kind = CHANGE_REGISTER;
		p.want.task = 0;
		p.want.session = a->task;
		sent(s, &p,
		     wire_send(&s->w, FUSE_MKDIR, column_dir(ROW_SESSIONS), &in, sizeof(in), name,
			       strlen(name) + 1));
		break;
	default:
		finish(a);
		if (a->err)
			return;
		a->session = a->task;
		if (a->is == BY_CONTAINER)
			return;
		new_main(s, a, a->is == BY_ENV ? name : NULL);
		if (a->is == BY_JOINING || rarely(s, 2)) {
			a->op = a->is == BY_JOINING ? JOIN : ANCHOR;
			a->stage = 0;
		}
	}
}

static void do_join(struct run *s, struct agent *a)
{
	int joins = a->op == JOIN;
	uint64_t node = session_dir(s, a->session, joins ? ROW_SESSION_PROCS : ROW_SESSION_ANCHOR);
	struct pending p;

	switch (a->stage++) {
	case 0:
		p = ask(s, a, 0, "open %s of s%d", joins ? "procs" : "anchor", a->session);
		sent(s, &p, ask_open(&s->w, node, O_WRONLY | O_TRUNC));
		break;
	case 1:
		a->node2 = a->fh;
		p = ask(s, a, 0, "%s s%d", joins ? "join" : "anchor of", a->session);
		decide(s, a, &p, joins ? CHANGE_JOIN : CHANGE_ANCHOR, a->session);
		p.want.session = a->session;
		sent(s, &p, ask_write(&s->w, node, a->node2, 0, "0\n", 2));
		break;
	case 2:
		close_fh(s, a, node, a->node2);
		break;
	default:
		finish(a);
		if (joins && rarely(s, 2)) {
			a->op = ANCHOR;
			a->stage = 0;
		}
	}
}

/* --- the owner --- */

/* Open, one write, close; NODE is decided on by WANT's makers below. */
static void put(struct run *s, struct agent *a, uint64_t node, int flags, struct pending *p,
		const char *text)
{
	struct pending opening;
	const struct m_task *t = &s->m.tasks[a->task];

	switch (a->stage++) {
	case 0:
		opening = ask(s, a, 0, "open %llx", (unsigned long long)node);
		if (NODE_ID(node) && (!t->exists || t->id != NODE_ID(node)))
			opening.expect = -ESTALE;
		a->node = node;
		sent(s, &opening, ask_open(&s->w, node, O_WRONLY | flags));
		break;
	case 1:
		if (a->err) {
			finish(a);
			a->waits = 0;
			return;
		}
		a->node2 = a->fh;
		sent(s, p, ask_write(&s->w, a->node, a->node2, 0, text, strlen(text)));
		break;
	case 2:
		close_fh(s, a, a->node, a->node2);
		break;
	default:
		finish(a);
	}
}

static void edit_artifacts(struct run *s, struct want *w, struct buf *text)
{
	uint32_t has = s->m.tasks[w->task].arts;

	w->field = "artifacts";
	for (int i = 0; i < ARTS; i++)
		if (rarely(s, 8) && __builtin_popcount(has * (unsigned)w->append | w->add) < 6) {
			w->add |= 1u << i;
			buf_line(text, "%s", art_names[i]);
		}
}

static void edit_needs(struct run *s, struct want *w, struct buf *text)
{
	w->field = "needs";
	for (int i = 0; i < TASKS; i++)
		if (rarely(s, 7)) {
			w->needs |= 1u << i;
			buf_line(text, "%s", task_name(i));
		}
}

static void edit_value(struct run *s, struct want *w, struct buf *text)
{
	if (below(s, 2)) {
		w->field = "kind";
		w->value = below(s, 2);
		buf_line(text, "%s", w->value ? "standing" : "once");
		return;
	}
	w->field = "ttl";
	w->value = below(s, 3) * (1 + below(s, 20)) * 30 * SECOND;
	if (w->value)
		buf_line(text, "%llds", (long long)(w->value / SECOND));
}

static void do_edit(struct run *s, struct agent *a)
{
	static const enum row rows[] = { ROW_TASK_ARTIFACTS, ROW_TASK_NEEDS, ROW_TASK_KIND };
	AUTO_BUF struct buf text = BUF_INIT;
	const struct m_task *t = &s->m.tasks[a->task];
	struct pending p = { .agent = 0 };
	enum row row;

	if (a->stage == 0) {
		if (!t->exists) {
			finish(a);
			return;
		}
		a->again = below(s, 3);
		a->by_path = a->again == 0 && below(s, 2); /* append */
	}
	row = rows[a->again];
	if (a->stage == 1 && !a->err) {
		p = ask(s, a, DEFERRED, "edit of %s: ", task_name(a->task));
		p.want.kind = CHANGE_SET;
		p.want.id = NODE_ID(a->node);
		p.want.append = a->by_path;
		if (a->again == 0)
			edit_artifacts(s, &p.want, &text);
		else if (a->again == 1)
			edit_needs(s, &p.want, &text);
		else
			edit_value(s, &p.want, &text);
		if (a->again == 2 && strcmp(p.want.field, "ttl") == 0)
			a->node = NODE_INO(NODE_ID(a->node), ROW_TASK_TTL);
		if (!text.n && !p.want.append)
			buf_char(&text, '\n');
		if (!text.n) {
			finish(a);
			a->waits = 0;
			return;
		}
		(void)snprintf(p.what + strlen(p.what), sizeof(p.what) - strlen(p.what), "%s %s",
			       p.want.field, buf_text(&text));
		(void)line_mend(p.what);
	}
	put(s, a, a->stage ? a->node : NODE_INO(t->id, row), a->by_path ? O_APPEND : O_TRUNC, &p,
	    buf_text(&text));
}

static void do_move(struct run *s, struct agent *a)
{
	static const struct {
		enum row from, to;
		enum change_kind kind;
	} moves[] = { { ROW_IDEAS, ROW_READY, CHANGE_PUBLISH },
		      { ROW_READY, ROW_IDEAS, CHANGE_UNPUBLISH },
		      { ROW_BLOCKED, ROW_IDEAS, CHANGE_UNPUBLISH },
		      { ROW_DONE, ROW_READY, CHANGE_REOPEN } };
	int m = a->again;

	switch (a->stage++) {
	case 0:
		m = a->again = below(s, 4);
		look(s, a, moves[m].from, column_dir(moves[m].from));
		break;
	case 1:
		if (a->err)
			finish(a);
		else
			rename_to(s, a, moves[m].kind, NOBODY, column_dir(moves[m].from),
				  column_dir(moves[m].to), 0, "move");
		break;
	default:
		finish(a);
	}
}

static void do_draft(struct run *s, struct agent *a)
{
	struct fuse_mkdir_in in = { .mode = 0755 };
	struct pending p;

	if (a->stage++) {
		finish(a);
		return;
	}
	p = ask(s, a, DEFERRED, "%s tasks/%s", a->op == DRAFT ? "mkdir" : "rmdir",
		task_name(a->task));
	p.want.kind = a->op == DRAFT ? CHANGE_DRAFT : CHANGE_CANCEL;
	if (a->op == DRAFT)
		sent(s, &p,
		     wire_send(&s->w, FUSE_MKDIR, column_dir(ROW_TASKS), &in, sizeof(in),
			       task_name(a->task), 2));
	else
		sent(s, &p, ask_name(&s->w, FUSE_RMDIR, column_dir(ROW_TASKS), task_name(a->task)));
}

static void do_break(struct run *s, struct agent *a)
{
	struct pending p = { .agent = 0 };
	char text[64] = "";

	if (a->stage == 1 && !a->err) {
		const struct m_task *t = &s->m.tasks[a->task];

		p = ask(s, a, DEFERRED, "break %s", task_name(a->task));
		p.want.kind = CHANGE_BREAK;
		p.want.token = t->token && !rarely(s, 5) ? t->token : 1;
		(void)snprintf(text, sizeof(text), "%s %lld so it is\n", task_name(a->task),
			       (long long)p.want.token);
	}
	put(s, a, NODE_INO(0, ROW_BREAK), O_TRUNC, &p, text);
}

static void do_control(struct run *s, struct agent *a)
{
	struct pending p = { .agent = 0 };
	char text[32] = "\n";

	if (a->stage == 0)
		a->again = s->m.estop || rarely(s, 2);
	if (a->stage == 1 && !a->err) {
		p = ask(s, a, DEFERRED, "control ");
		p.want.kind = CHANGE_SET;
		p.want.field = a->again ? "estop" : "lease";
		p.want.value = a->again ? !s->m.estop : (1 + below(s, 30)) * MINUTE;
		if (!a->again)
			(void)snprintf(text, sizeof(text), "%lldm\n",
				       (long long)(p.want.value / MINUTE));
		else if (p.want.value)
			(void)snprintf(text, sizeof(text), "stop\n");
		(void)snprintf(p.what + strlen(p.what), sizeof(p.what) - strlen(p.what), "%s %s",
			       p.want.field, text);
		(void)line_mend(p.what);
	}
	put(s, a, NODE_INO(0, a->again ? ROW_ESTOP : ROW_LEASE), O_TRUNC, &p, text);
}

/* --- what next --- */

/* Mostly one that its session holds. */
static int own_task(struct run *s, const struct agent *a)
{
	int from = below(s, TASKS);

	for (int i = 0; i < TASKS && !rarely(s, 5); i++) {
		const struct m_task *t = &s->m.tasks[(from + i) % TASKS];

		if (t->exists && t->token && model_grant(&s->m, t->token)->session == a->session)
			return (from + i) % TASKS;
	}
	return from;
}

static enum op some_op(struct run *s, const struct agent *a)
{
	static const enum op worker[] = { TOUCH,  TOUCH,  TOUCH, TOUCH, APPEND, APPEND, TAKE, TAKE,
					  FINISH, GIVE,	  GIVE,	 HAND,	RENEW,	LOOK,	LOOK, LIST,
					  KEPT,	  REOPEN, LOCK,	 LOCK,	LOCK,	NEXT };
	static const enum op owner[] = { EDIT, EDIT, EDIT,  MOVE,  MOVE,  MOVE,
					 LOOK, LIST, BREAK, DRAFT, DRAFT, CANCEL };

	if (a->is == OWNER)
		return rarely(s, 30) || s->m.estop ? CONTROL : owner[below(s, 12)];
	if (a->session == NOBODY)
		return rarely(s, 4) ? LOCK : REGISTER;
	if (s->m.sessions[a->session].ended && rarely(s, 4))
		return REGISTER;
	return rarely(s, 60) ? LEAVE : worker[below(s, 22)];
}

/* A command of its own is a process of its own. */
static void new_child(struct run *s, struct agent *a)
{
	const struct sim_proc *main = procs_get(a->main);

	if (a->child)
		procs_exit(a->child, 0);
	a->child = 0;
	if (main && !main->zombie && a->op != JOIN && a->op != ANCHOR && below(s, 3))
		a->child = procs_start(a->main, a->uid, main->session, now(s));
}

static void begin(struct run *s, struct agent *a)
{
	for (int i = 0; i < OPEN; i++) /* what a command left open ends with it */
		if (a->open[i] && a->open[i] != a->kept_fh)
			kernel_closes(s, column_dir(ROW_CLAIMS), a->open[i]);
	a->op = (int)some_op(s, a);
	a->stage = a->again = 0;
	a->by_path = a->session != NOBODY &&
		     (a->is == BY_PATH || a->is == BY_CONTAINER || rarely(s, 3));
	a->task = a->op == FINISH || a->op == GIVE || a->op == HAND || a->op == APPEND ||
				  a->op == LOOK ?
			  own_task(s, a) :
			  below(s, TASKS);
	if (a->is != BY_CONTAINER)
		new_child(s, a);
}

static void (*const does[])(struct run *s, struct agent *a) = {
	[REGISTER] = do_register, [JOIN] = do_join,   [ANCHOR] = do_join,     [TOUCH] = do_touch,
	[APPEND] = do_append,	  [KEPT] = do_kept,   [TAKE] = do_take,	      [FINISH] = do_finish,
	[GIVE] = do_finish,	  [HAND] = do_hand,   [RENEW] = do_renew,     [LOOK] = do_look,
	[LIST] = do_list,	  [NEXT] = do_next,   [LEAVE] = do_leave,     [REOPEN] = do_reopen,
	[LOCK] = do_lock,	  [EDIT] = do_edit,   [MOVE] = do_move,	      [DRAFT] = do_draft,
	[CANCEL] = do_draft,	  [BREAK] = do_break, [CONTROL] = do_control,
};

int agents_step(struct run *s)
{
	int64_t ops = s->ops;
	int from = below(s, AGENTS);

	for (int i = 0; i < 4 * AGENTS && s->ops == ops; i++) {
		struct agent *a = &s->agents[(from + i / 4) % AGENTS];

		if (s->n_pending >= PENDING - 2 || s->failed[0])
			break;
		if (a->waits || a->paused > now(s))
			continue;
		if (a->op == IDLE)
			begin(s, a);
		does[a->op](s, a);
	}
	return s->ops != ops;
}

void agent_answered(struct run *s, int agent, int err, uint64_t node, uint64_t fh)
{
	struct agent *a = &s->agents[agent];

	a->waits = 0;
	a->err = err;
	if (!err && node)
		a->node = node;
	if (err || !fh)
		return;
	a->fh = fh;
	for (int i = 0; i < OPEN; i++)
		if (!a->open[i]) {
			a->open[i] = fh;
			return;
		}
	sim_fail(s, "an agent has more than %d files open", OPEN);
}

/* --- what befalls them --- */

static void forget_descriptors(struct agent *a)
{
	a->kept_fh = a->lock_fh = 0;
	memset(a->won, 0, sizeof(a->won));
	memset(a->open, 0, sizeof(a->open));
}

void agents_cut_off(struct run *s)
{
	for (int i = 0; i < AGENTS; i++) {
		s->agents[i].waits = 0;
		finish(&s->agents[i]);
		forget_descriptors(&s->agents[i]);
	}
}

static void start(struct run *s, struct agent *a)
{
	a->child = 0;
	a->main = a->is == BY_CONTAINER ? 0 : procs_start(1, a->uid, NULL, now(s));
}

void agents_reboot(struct run *s)
{
	for (int i = 0; i < AGENTS; i++) {
		struct agent *a = &s->agents[i];

		start(s, a);
		a->paused = 0;
		if (a->is == BY_ENV || a->is == BY_JOINING)
			a->session = NOBODY;
	}
}

void kernel_closes(struct run *s, uint64_t node, uint64_t fh)
{
	struct fuse_release_in in = { .fh = fh };
	struct agent kernel = { .is = BY_CONTAINER, .session = NOBODY };
	struct pending p = ask(s, &kernel, 0, "the kernel closes");

	p.agent = -1;
	forget(s, fh);
	sent(s, &p, wire_send(&s->w, FUSE_RELEASE, node, &in, sizeof(in), NULL, 0));
	lock_closed(s, fh);
	let_go(s);
}

/* The kernel closes what it had open, and interrupts what it waited for. */
void agent_kill(struct run *s, int agent)
{
	struct agent *a = &s->agents[agent];
	uint64_t waits = 0;

	s->n.kills++;
	sim_log(s, "%d is killed", agent);
	if (a->child && below(s, 2))
		procs_exit(a->child, below(s, 2));
	procs_exit(a->main, below(s, 2));
	for (int i = 0; i < s->n_pending; i++)
		if (s->pending[i].agent == agent) {
			s->pending[i].agent = -1;
			if (s->pending[i].want.kind == CHANGE_LOCK)
				waits = s->pending[i].want.fh;
		}
	for (int i = 0; i < s->n_waiting; i++) {
		struct pending *p = &s->waiting[i];

		if (p->agent != agent)
			continue;
		p->agent = -1;
		waits = p->want.fh;
		if (!p->interrupted)
			(void)ask_interrupt(&s->w, p->unique);
		p->interrupted = 1;
	}
	/* the kernel closes a file when its requests have been answered */
	for (int i = 0; i < OPEN && !s->failed[0]; i++)
		if (a->open[i] && a->open[i] != waits)
			kernel_closes(s, column_dir(ROW_CLAIMS), a->open[i]);
	forget_descriptors(a);
	finish(a);
	a->waits = 0;
	if (a->is == BY_ENV || a->is == BY_JOINING || rarely(s, 2))
		a->session = NOBODY;
	start(s, a);
}

void agents_init(struct run *s)
{
	for (int i = 0; i < AGENTS; i++) {
		struct agent *a = &s->agents[i];

		a->is = i == 0 ? OWNER : (enum identity)below(s, 4);
		a->uid = i == 0 ? WIRE_OWNER : rarely(s, 4) ? 2000 : FIXTURE_UID;
		a->session = NOBODY;
		start(s, a);
	}
}
