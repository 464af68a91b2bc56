/*
 * Answers and events of a batch against the model; the store as a whole. One file on
 * purpose, although longer than others: a short function for each kind of event.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "backend/clean.h"
#include "backend/text.h"
#include "backend/tx.h"
#include "fs/node.h"
#include "tests/lib/disk.h"
#include "tests/sim/sim.h"

/* --- the events of a batch --- */

static struct {
	json_t **all;
	int n, at, cap;
} events;

static void events_read(struct run *s)
{
	struct db *db;
	struct rows *r;

	for (int i = 0; i < events.n; i++)
		json_decref(events.all[i]);
	events.n = events.at = 0;
	if (store_seq(s->w.f.store) == s->m.seq)
		return;
	(void)store_read_begin(s->w.f.store);
	db = store_reader(s->w.f.store);
	r = db_rows(db, Q(EVENTS_AFTER), I(s->m.seq), I(-1));
	while (rows_next(r) > 0) {
		if (events.n == events.cap) {
			events.cap = events.cap ? 2 * events.cap : 64;
			events.all = realloc(events.all, (size_t)events.cap * sizeof(json_t *));
		}
		s->m.bytes += (int64_t)rows_bytes(r, 1) + 1;
		events.all[events.n++] = json_loads(rows_text(r, 1), 0, NULL);
	}
	rows_end(&r);
	store_read_end(s->w.f.store);
}

/* The log has no gaps, and its bytes add up. */
static void events_whole(struct run *s)
{
	for (int i = 0; i < events.n; i++)
		if (event_int(events.all[i], "seq") != s->m.seq + 1 + i)
			sim_fail(s, "the log goes from %lld to %lld", (long long)(s->m.seq + i),
				 (long long)event_int(events.all[i], "seq"));
	s->m.seq += events.n;
	s->n.events += events.n;
	if (store_seq(s->w.f.store) != s->m.seq)
		sim_fail(s, "the log ends at %lld, the store says %lld", (long long)s->m.seq,
			 (long long)store_seq(s->w.f.store));
	if (store_bytes(s->w.f.store) != s->m.bytes)
		sim_fail(s, "the log has %lld bytes, the store says %lld", (long long)s->m.bytes,
			 (long long)store_bytes(s->w.f.store));
}

static json_t *peek(void)
{
	return events.at < events.n ? events.all[events.at] : NULL;
}

/* Is the next event of this kind, and for this reason? */
static int next_for(const char *kind, const char *reason)
{
	return peek() && strcmp(event_text(peek(), "event"), kind) == 0 &&
	       strcmp(event_text(peek(), "reason"), reason) == 0;
}

static int next_is(const char *kind)
{
	return peek() && strcmp(event_text(peek(), "event"), kind) == 0;
}

/* The next event, if it is of this kind; else NULL. */
static json_t *take(const char *kind)
{
	return next_is(kind) ? events.all[events.at++] : NULL;
}

/* The event that a change must have made. */
static json_t *need(struct run *s, const char *kind, const struct pending *p)
{
	json_t *e = take(kind);

	if (!e)
		sim_fail(s, "no event `%s` for what was granted: %s (next: %s)", kind,
			 p ? p->what : "-", peek() ? event_text(peek(), "event") : "none");
	return e;
}

static void must(struct run *s, int so, const char *what, const json_t *e)
{
	AUTO_FREE char *text = so ? NULL : json_dumps(e, JSON_COMPACT);

	if (!so)
		sim_fail(s, "%s: %s", what, text);
}

/* --- what an event does to the model --- */

static void renew(struct run *s, int session)
{
	struct m_session *who = &s->m.sessions[session];

	for (int t = 0; t < TASKS; t++) {
		struct m_grant *g = s->m.tasks[t].exists && s->m.tasks[t].token ?
					    model_grant(&s->m, s->m.tasks[t].token) :
					    NULL;

		if (!g || g->session != session || g->lock == 1)
			continue;
		g->acted = now(s);
		if (g->lower < now(s) + g->ttl)
			g->lower = now(s) + g->ttl;
		if (g->upper < now(s) + g->ttl)
			g->upper = now(s) + g->ttl;
	}
	who->acted = now(s);
	who->quiet = now(s) + s->m.lease;
}

static struct m_grant *grant_new(struct run *s, const json_t *e, int session)
{
	struct model *m = &s->m;
	struct m_task *t;
	struct m_grant *g;
	int task = event_text(e, "task")[0] - 'A';

	must(s, task >= 0 && task < TASKS, "a grant of what is no task", e);
	if (task < 0 || task >= TASKS)
		return NULL;
	t = &m->tasks[task];
	if (m->n_grants == m->cap_grants) {
		m->cap_grants = m->cap_grants ? 2 * m->cap_grants : 256;
		m->grants = realloc(m->grants, (size_t)m->cap_grants * sizeof(*g));
	}
	g = &m->grants[m->n_grants];
	memset(g, 0, sizeof(*g));
	g->token = event_int(e, "token");
	g->ttl = t->ttl ? t->ttl : m->lease;
	g->task = task;
	g->task_id = t->id;
	g->session = session;
	g->uid = (uint32_t)event_int(e, "uid");
	g->lock = (int)event_int(e, "lock");
	g->pid = (int32_t)event_int(e, "pid");
	g->start = event_int(e, "start");
	g->boot = m->boot;
	g->acted = now(s);
	g->lower = g->upper = g->lock ? NEVER_DUE : now(s) + g->ttl;
	must(s, g->token == event_int(e, "seq"), "a token that is not its event's number", e);
	must(s, g->token > m->granted, "a token that does not rise", e);
	m->granted = g->token;
	must(s, g->token > m->issued, "a token not above all that were ever told", e);
	must(s, event_int(e, "ttl_ms") == g->ttl, "a lease of another length", e);
	must(s, event_int(e, "task_id") == t->id, "a grant of another task", e);
	must(s, t->exists && t->state == TASK_PUBLISHED, "a grant of what cannot be held", e);
	must(s, !model_conflicts(m, task, t->arts), "a grant that overlaps a live claim", e);
	must(s, session < 0 || !m->sessions[session].ended, "a grant to a session that has ended",
	     e);
	must(s, !t->token, "a second live grant", e);
	must(s, !model_holder(m, task), "a grant of what is locked as a mutex", e);
	must(s,
	     (size_t)__builtin_popcount(t->arts) ==
		     json_array_size(json_object_get(e, "artifacts")),
	     "a grant of other artifacts", e);
	m->n_grants++;
	t->token = g->token;
	if (session >= 0)
		m->sessions[session].lost &= ~(1u << task);
	else
		m->lost_lock[task] = 0;
	return g;
}

static void grant_end(struct run *s, const json_t *e, struct m_grant *g, char how)
{
	must(s, g && !g->ended, "the end of a grant that is not live", e);
	if (!g)
		return;
	g->ended = 1;
	g->how = how;
	s->m.tasks[g->task].token = 0;
	if (how == 'l' && g->session >= 0)
		s->m.sessions[g->session].lost |= 1u << g->task;
	else if (how == 'l')
		s->m.lost_lock[g->task] = g->token;
	must(s, event_int(e, "session_id") == (g->session < 0 ? 0 : s->m.sessions[g->session].id),
	     "the end of another session's grant", e);
}

static struct m_grant *grant_of(struct run *s, const json_t *e, const char *key)
{
	struct m_grant *g = model_grant(&s->m, event_int(e, key));

	must(s, g != NULL, "an event about a grant that never was", e);
	return g;
}

static int session_of(const json_t *e)
{
	if (event_text(e, "session")[0] != 's')
		return NOBODY;
	return atoi(event_text(e, "session") + 1);
}

static int lives(const struct run *s, int32_t pid, int64_t start, int boot)
{
	const struct sim_proc *p = procs_get(pid);

	return p && p->start == start && !p->zombie && boot == s->m.boot;
}

/* Its anchor, or a process that joined it. */
static int session_lives(const struct run *s, int session)
{
	const struct m_session *who = &s->m.sessions[session];

	if (who->anchor && lives(s, who->anchor, who->anchor_start, who->anchor_boot))
		return 1;
	for (int i = 0; i < s->m.n_members; i++) {
		const struct m_member *m = &s->m.members[i];

		if (m->session == session && lives(s, m->pid, m->start, m->boot))
			return 1;
	}
	return 0;
}

static int claims_of(const struct run *s, int session)
{
	int n = 0;

	for (int i = s->m.n_grants - 1; i >= 0; i--)
		n += s->m.grants[i].session == session && !s->m.grants[i].ended;
	return n;
}

static void session_end(struct run *s, const json_t *e, int session)
{
	struct model *m = &s->m;
	int n = 0;

	must(s, !m->sessions[session].ended, "the end of a session that has ended", e);
	must(s, !claims_of(s, session), "a session ended that holds claims", e);
	m->sessions[session].ended = 1;
	m->sessions[session].anchor = 0;
	for (int i = 0; i < m->n_members; i++)
		if (m->members[i].session != session)
			m->members[n++] = m->members[i];
	m->n_members = n;
}

/* A process of its holder. */
static int holder_lives(const struct run *s, const struct m_grant *g)
{
	return (g->lock && lives(s, g->pid, g->start, g->boot)) ||
	       (g->session >= 0 && session_lives(s, g->session));
}

/* `lost` for REASON, where nobody asked for it. */
static void take_expired(struct run *s)
{
	json_t *e = take("lost");
	struct m_grant *g = grant_of(s, e, "token");

	must(s, !g || now(s) > g->lower, "a lease ended before its time", e);
	must(s, !g || now(s) >= g->acted + s->m.lease_max || !holder_lives(s, g),
	     "a lease ended whose holder lives", e);
	grant_end(s, e, g, 'l');
	if (g && g->session >= 0 && s->m.sessions[g->session].quiet < now(s) + s->m.lease)
		s->m.sessions[g->session].quiet = now(s) + s->m.lease;
	s->n.lost++;
}

static void mutex_end(struct run *s, const json_t *e, struct m_mutex *x)
{
	must(s, x != NULL, "the end of a lock that nobody has", e);
	if (x)
		*x = s->m.mutexes[--s->m.n_mutexes];
}

static void take_unlocked(struct run *s)
{
	json_t *e = take("unlock");
	struct m_mutex *x = model_mutex(&s->m, event_int(e, "token"));

	must(s, !x || now(s) > x->lower, "a lock ended before its time", e);
	must(s, !x || now(s) >= x->acted + s->m.lease_max || !lives(s, x->pid, x->start, x->boot),
	     "a lock ended whose holder lives", e);
	mutex_end(s, e, x);
}

static void take_idle(struct run *s)
{
	json_t *e = take("end");
	int session = session_of(e);

	must(s, now(s) >= s->m.sessions[session].quiet, "a session ended that was not idle", e);
	must(s, !session_lives(s, session), "a session ended whose member lives", e);
	session_end(s, e, session);
}

/* What time has ended comes before all that was asked. */
static void take_due(struct run *s)
{
	while (!s->failed[0]) {
		if (next_for("lost", "expired"))
			take_expired(s);
		else if (next_for("unlock", "expired"))
			take_unlocked(s);
		else if (next_for("end", "idle"))
			take_idle(s);
		else
			return;
	}
}

/* --- what was granted --- */

/* What it holds is lost for one reason, and it ends for another. */
static void take_end(struct run *s, const struct pending *p, int session, const char *lost,
		     const char *reason)
{
	json_t *e;

	while (!s->failed[0] && claims_of(s, session) && (e = need(s, "lost", p))) {
		struct m_grant *g = grant_of(s, e, "token");

		must(s, strcmp(event_text(e, "reason"), lost) == 0, "lost for what reason", e);
		must(s, !g || g->session == session, "another session's claim ended", e);
		grant_end(s, e, g, 'e');
	}
	if (s->failed[0] || !(e = need(s, "end", p)))
		return;
	must(s, strcmp(event_text(e, "reason"), reason) == 0, "ended for what reason", e);
	must(s, session_of(e) == session, "another session ended", e);
	session_end(s, e, session);
}

static void apply_ended(struct run *s, const struct pending *p)
{
	if (!s->m.sessions[p->want.session].ended)
		take_end(s, p, p->want.session, "ended", "removed");
}

/* --- exits --- */

static int is_told_by(const struct run *s, const struct want *w, int32_t pid, int64_t start,
		      int boot)
{
	if (!w->pid)
		return boot != s->m.boot;
	return w->pid == pid && w->start == start && boot == s->m.boot;
}

/* Is that a process that the daemon was told of, by P or by what stands right behind it? */
static int is_told(const struct run *s, const struct pending *p, int32_t pid, int64_t start,
		   int boot)
{
	if ((!pid && boot == s->m.boot) || lives(s, pid, start, boot))
		return 0;
	for (; p < s->pending + s->n_pending && p->want.kind == CHANGE_EXIT; p++)
		if (is_told_by(s, &p->want, pid, start, boot))
			return 1;
	return 0;
}

/* A member has gone; so long as it lived its session's leases renewed themselves. */
static void member_left(struct run *s, const struct m_member *gone)
{
	for (int t = 0; t < TASKS && gone->boot == s->m.boot; t++) {
		struct m_grant *g = s->m.tasks[t].exists && s->m.tasks[t].token ?
					    model_grant(&s->m, s->m.tasks[t].token) :
					    NULL;
		int64_t most;

		if (!g || g->session != gone->session || g->lock == 1)
			continue;
		most = g->acted + s->m.lease_max;
		most = now(s) + g->ttl < most ? now(s) + g->ttl : most;
		if (g->lower < most)
			g->lower = most;
		if (g->upper < most)
			g->upper = most;
	}
	if (s->m.sessions[gone->session].quiet < now(s) + s->m.lease)
		s->m.sessions[gone->session].quiet = now(s) + s->m.lease;
}

static int find_gone(const struct run *s, const struct pending *p, const json_t *e)
{
	for (int i = 0; i < s->m.n_members; i++) {
		const struct m_member *m = &s->m.members[i];

		if (is_told(s, p, m->pid, m->start, m->boot) &&
		    (!e || (event_int(e, "pid") == m->pid && event_int(e, "start") == m->start &&
			    session_of(e) == m->session)))
			return i;
	}
	return -1;
}

static int find_orphan(const struct run *s, const struct pending *p)
{
	for (int i = 0; i < s->m.n_sessions; i++) {
		const struct m_session *w = &s->m.sessions[i];

		if (!w->ended && w->anchor &&
		    is_told(s, p, w->anchor, w->anchor_start, w->anchor_boot))
			return i;
	}
	return NOBODY;
}

/* Do the next events lose claims of the session of the first, and end it? */
static int ends_next(void)
{
	const char *session = peek() ? event_text(peek(), "session") : "";

	for (int i = events.at; i < events.n; i++) {
		const json_t *e = events.all[i];

		if (strcmp(event_text(e, "session"), session) != 0 ||
		    strcmp(event_text(e, "reason"), "exited") != 0)
			return 0;
		if (strcmp(event_text(e, "event"), "end") == 0)
			return 1;
	}
	return 0;
}

/* The session that the next event says has exited. */
static int next_orphan(const struct run *s, const struct pending *p)
{
	int session = peek() ? session_of(peek()) : NOBODY;
	const struct m_session *w = &s->m.sessions[session >= 0 ? session : 0];

	if ((!next_for("lost", "exited") && !next_for("end", "exited")) || !ends_next())
		return NOBODY;
	return session >= 0 && session < s->m.n_sessions && !w->ended && w->anchor &&
			       is_told(s, p, w->anchor, w->anchor_start, w->anchor_boot) ?
		       session :
		       NOBODY;
}

/* What the process had locked before a restart. */
static int locker_left(struct run *s, const struct pending *p)
{
	struct m_grant *g =
		next_for("lost", "exited") ? model_grant(&s->m, event_int(peek(), "token")) : NULL;
	struct m_mutex *x = next_for("unlock", "exited") ?
				    model_mutex(&s->m, event_int(peek(), "token")) :
				    NULL;

	if (g && !g->ended && g->lock == 2 && is_told(s, p, g->pid, g->start, g->boot))
		grant_end(s, take("lost"), g, 'e');
	else if (x && x->lock == 2 && is_told(s, p, x->pid, x->start, x->boot))
		mutex_end(s, take("unlock"), x);
	else
		return 0;
	return 1;
}

/* Is there a lock still of a process that is known to have gone? */
static int64_t find_dead_lock(const struct run *s, const struct pending *p)
{
	for (int i = 0; i < s->m.n_grants; i++) {
		const struct m_grant *g = &s->m.grants[i];

		if (!g->ended && g->lock == 2 && is_told(s, p, g->pid, g->start, g->boot))
			return g->token;
	}
	for (int i = 0; i < s->m.n_mutexes; i++) {
		const struct m_mutex *x = &s->m.mutexes[i];

		if (x->lock == 2 && is_told(s, p, x->pid, x->start, x->boot))
			return x->token;
	}
	return 0;
}

static void check_exit(struct run *s, struct pending *p)
{
	int i;

	while (!s->failed[0]) {
		if ((i = next_orphan(s, p)) != NOBODY) {
			take_end(s, p, i, "exited", "exited");
		} else if (next_is("left") && (i = find_gone(s, p, peek())) >= 0) {
			(void)take("left");
			member_left(s, &s->m.members[i]);
			s->m.members[i] = s->m.members[--s->m.n_members];
		} else if (locker_left(s, p)) {
			continue;
		} else {
			break;
		}
	}
	/* on a full disk it is tried again with the next batch */
	if (p + 1 < s->pending + s->n_pending && p[1].want.kind == CHANGE_EXIT && !s->full)
		return; /* the last of them looks for all */
	p->again = s->full && (find_orphan(s, p) != NOBODY || find_gone(s, p, NULL) >= 0 ||
			       find_dead_lock(s, p));
	if (p->again)
		return;
	if (!s->failed[0] && find_orphan(s, p) != NOBODY)
		must(s, 0, "an anchor has gone, and its session goes on; next is", peek());
	if (!s->failed[0] && find_gone(s, p, NULL) >= 0)
		sim_fail(s, "process %d has gone, and is a member still",
			 s->m.members[find_gone(s, p, NULL)].pid);
	if (!s->failed[0] && find_dead_lock(s, p))
		sim_fail(s, "who locked %lld has gone, and has it still",
			 (long long)find_dead_lock(s, p));
}

void exit_told(struct run *s, int32_t pid, int64_t start)
{
	struct pending p = { .agent = -1, .unasked = 1 };

	if (s->n_pending == PENDING)
		return;
	p.want.kind = CHANGE_EXIT;
	p.want.pid = pid;
	p.want.start = start;
	(void)snprintf(p.what, sizeof(p.what), "exit of %d told", pid);
	sim_log(s, "%s", p.what);
	s->pending[s->n_pending++] = p;
}

static void apply_claim(struct run *s, const struct pending *p)
{
	json_t *e = need(s, "claim", p);
	struct m_grant *g;

	if (!e)
		return;
	must(s, session_of(e) == p->want.actor, "a claim for another session", e);
	must(s, event_text(e, "task")[0] == task_name(p->want.task)[0], "another task", e);
	g = grant_new(s, e, p->want.actor);
	if (!g || !p->answered)
		return;
	s->m.issued = g->token;
	if (p->node && p->node >> 16 != (uint64_t)g->token)
		sim_fail(s, "%s: answered with token %llu, the grant is %lld", p->what,
			 (unsigned long long)p->node >> 16, (long long)g->token);
}

static void apply_taken(struct run *s, const struct pending *p, const char *kind, char how)
{
	json_t *e = need(s, kind, p);
	struct m_grant *g = e ? grant_of(s, e, "token") : NULL;

	if (!g) {
		return;
	}
	must(s, g->task == p->want.task && (!p->want.token || g->token == p->want.token),
	     "another claim ended", e);
	must(s, g->session == p->want.actor || g->lock || how == 'l',
	     "another session's claim ended", e);
	grant_end(s, e, g, how);
	if (how == 'f' && !s->m.tasks[g->task].standing)
		s->m.tasks[g->task].state = TASK_DONE;
}

static void apply_gone(struct run *s, const struct pending *p, const char *kind, char how)
{
	if (how == 'l' && model_mutex(&s->m, p->want.token)) {
		json_t *broken = need(s, "unlock", p);

		if (broken)
			mutex_end(s, broken, model_mutex(&s->m, p->want.token));
		return;
	}
	apply_taken(s, p, kind, how);
}

static void apply_handover(struct run *s, const struct pending *p)
{
	json_t *e = need(s, "handover", p);
	struct m_grant *g;

	if (!e)
		return;
	g = grant_of(s, e, "from_token");
	must(s, g && g->session == p->want.actor && g->task == p->want.task, "another claim", e);
	must(s, event_int(e, "to_id") == s->m.sessions[p->want.to].id, "to another session", e);
	grant_end(s, e, g, 'h');
	(void)grant_new(s, e, p->want.to);
}

static void apply_artifacts(struct run *s, const struct pending *p, int task, uint32_t next)
{
	struct m_task *t = &s->m.tasks[task];
	json_t *e;

	/* the same in another order is an event too */
	if (t->arts == next && !(next_is("artifacts") && event_int(peek(), "task_id") == t->id))
		return;
	e = need(s, "artifacts", p);
	if (e)
		must(s, event_int(e, "task_id") == t->id, "artifacts of another task", e);
	t->arts = next;
}

static void apply_extend(struct run *s, const struct pending *p)
{
	const struct m_grant *g = model_grant(&s->m, p->want.token);
	uint32_t has = s->m.tasks[g->task].arts, added = p->want.add & ~has;

	apply_artifacts(s, p, g->task, (has & ~p->want.drop) | added);
}

static void apply_set(struct run *s, const struct pending *p)
{
	const struct want *w = &p->want;
	struct m_task *t = &s->m.tasks[w->task];

	if (w->id && strcmp(w->field, "artifacts") == 0) {
		apply_artifacts(s, p, w->task, w->append ? t->arts | w->add : w->add);
		return;
	}
	if (next_is("set") && event_int(peek(), "thing") == w->id &&
	    strcmp(event_text(peek(), "field"), w->field) == 0)
		(void)take("set"); /* else the value was that already */
	if (!w->id && strcmp(w->field, "lease") == 0)
		s->m.lease = w->value;
	else if (!w->id)
		s->m.estop = (int)w->value;
	else if (strcmp(w->field, "needs") == 0)
		t->needs = w->needs;
	else if (strcmp(w->field, "kind") == 0)
		t->standing = (int)w->value;
	else
		t->ttl = w->value;
}

static void apply_register(struct run *s, const struct pending *p)
{
	json_t *e = need(s, "register", p);
	struct m_session *who = &s->m.sessions[s->m.n_sessions];

	if (!e)
		return;
	must(s, session_of(e) == s->m.n_sessions, "another session registered", e);
	*who = (struct m_session){ .id = event_int(e, "seq"),
				   .uid = p->want.uid,
				   .acted = now(s),
				   .quiet = now(s) + s->m.lease };
	s->m.n_sessions++;
}

static void apply_join(struct run *s, const struct pending *p)
{
	struct model *m = &s->m;
	json_t *e;

	for (int i = 0; i < m->n_members; i++)
		if (m->members[i].pid == p->want.pid && m->members[i].start == p->want.start &&
		    m->members[i].boot == m->boot)
			return;
	e = need(s, "join", p);
	if (!e || m->n_members == MEMBERS)
		return;
	must(s, event_int(e, "pid") == p->want.pid, "another process joined", e);
	m->members[m->n_members++] =
		(struct m_member){ p->want.pid, p->want.start, m->boot, p->want.session };
}

static void apply_anchor(struct run *s, const struct pending *p)
{
	struct m_session *w = &s->m.sessions[p->want.session];
	int32_t was = w->anchor_boot == s->m.boot ? w->anchor : 0;
	json_t *e;

	if (was == p->want.pid && (!was || w->anchor_start == p->want.start))
		return;
	e = need(s, "anchor", p);
	if (e)
		must(s, event_int(e, "pid") == p->want.pid, "another process is anchor", e);
	w->anchor = p->want.pid;
	w->anchor_start = p->want.start;
	w->anchor_boot = s->m.boot;
}

static void apply_board(struct run *s, const struct pending *p)
{
	static const char *const kinds[CHANGE_KINDS] = { [CHANGE_DRAFT] = "draft",
							 [CHANGE_PUBLISH] = "publish",
							 [CHANGE_UNPUBLISH] = "unpublish",
							 [CHANGE_CANCEL] = "cancel",
							 [CHANGE_REOPEN] = "reopen" };
	struct m_task *t = &s->m.tasks[p->want.task];
	json_t *e = need(s, kinds[p->want.kind], p);

	if (!e)
		return;
	must(s, event_text(e, "task")[0] == task_name(p->want.task)[0], "another task", e);
	switch (p->want.kind) {
	case CHANGE_DRAFT:
		*t = (struct m_task){ .exists = 1, .id = event_int(e, "seq"), .state = TASK_IDEA };
		break;
	case CHANGE_CANCEL:
		*t = (struct m_task){ .exists = 0 };
		break;
	case CHANGE_UNPUBLISH:
		t->state = TASK_IDEA;
		break;
	default:
		t->state = TASK_PUBLISHED;
	}
}

static void refused(struct run *s, const struct pending *p, int err);
static int is_out_of_order(const struct run *s, int err);

/* --- locks --- */

int64_t lock_of(const struct run *s, uint64_t fh)
{
	for (int i = 0; i < AGENTS * 4; i++)
		if (s->locks[i].fh == fh)
			return s->locks[i].token;
	return 0;
}

static void lock_keep(struct run *s, uint64_t fh, int64_t token)
{
	int i = 0;

	while (i < AGENTS * 4 - 1 && s->locks[i].fh && s->locks[i].fh != fh)
		i++;
	s->locks[i].fh = fh;
	s->locks[i].token = token;
}

void lock_forget(struct run *s, uint64_t fh)
{
	for (int i = 0; i < AGENTS * 4; i++)
		if (s->locks[i].fh == fh)
			s->locks[i].fh = 0;
}

void lock_closed(struct run *s, uint64_t fh)
{
	struct pending p = { .agent = -1, .unasked = 1 };

	for (int i = 0; i < AGENTS * 4; i++) {
		if (s->locks[i].fh != fh)
			continue;
		p.want.kind = CHANGE_UNLOCK;
		p.want.actor = NOBODY;
		p.want.token = s->locks[i].token;
		s->locks[i].fh = 0;
		(void)snprintf(p.what, sizeof(p.what), "the lock of %lld goes with its descriptor",
			       (long long)p.want.token);
		s->pending[s->n_pending++] = p;
		return;
	}
}

static void mutex_new(struct run *s, const struct pending *p, const json_t *e)
{
	struct model *m = &s->m;
	struct m_mutex *x = &m->mutexes[m->n_mutexes];

	if (m->n_mutexes == MUTEXES)
		return;
	*x = (struct m_mutex){ .name = p->want.task,
			       .shared = (int)event_int(e, "shared"),
			       .session = session_of(e),
			       .uid = p->want.uid,
			       .token = event_int(e, "token"),
			       .pid = (int32_t)event_int(e, "pid"),
			       .start = event_int(e, "start"),
			       .boot = m->boot,
			       .lock = 1,
			       .lower = NEVER_DUE,
			       .upper = NEVER_DUE,
			       .acted = now(s) };
	must(s, event_text(e, "mutex")[0] == task_name(p->want.task)[0], "another mutex", e);
	must(s, x->token == event_int(e, "seq"), "a token that is not its event's number", e);
	must(s, x->token > m->granted && x->token > m->issued, "a token that does not rise", e);
	must(s, x->shared == p->want.shared, "a lock in another mode", e);
	for (int i = 0; i < m->n_mutexes; i++)
		must(s, m->mutexes[i].name != x->name || (m->mutexes[i].shared && x->shared),
		     "a mutex that two have", e);
	m->granted = x->token;
	m->n_mutexes++;
}

static void apply_lock(struct run *s, const struct pending *p)
{
	int task = s->m.tasks[p->want.task].exists;
	json_t *e;
	const struct m_grant *g = p->want.token ? model_grant(&s->m, p->want.token) : NULL;

	if (p->want.token && ((g && !g->ended) || model_mutex(&s->m, p->want.token)))
		return; /* it has it */
	e = need(s, task ? "claim" : "lock", p);
	if (!e)
		return;
	must(s, session_of(e) == p->want.actor, "a lock for another session", e);
	must(s, event_int(e, "pid") == p->want.pid, "a lock for another process", e);
	if (task)
		must(s, event_text(e, "task")[0] == task_name(p->want.task)[0], "another task", e);
	if (task)
		(void)grant_new(s, e, p->want.actor);
	else
		mutex_new(s, p, e);
	lock_keep(s, p->want.fh, event_int(e, "token"));
	s->n.locks++;
}

static void apply_unlock(struct run *s, struct pending *p)
{
	struct m_grant *g = model_grant(&s->m, p->want.token);
	struct m_mutex *x = model_mutex(&s->m, p->want.token);
	const char *kind = x ? "unlock" : "release";

	if (!x && (!g || g->ended))
		return;
	if (s->full && !(next_is(kind) && event_int(peek(), "token") == p->want.token)) {
		p->again = 1; /* it is tried again with the next batch */
		return;
	}
	if (!need(s, kind, p))
		return;
	must(s, event_int(events.all[events.at - 1], "token") == p->want.token, "another lock",
	     events.all[events.at - 1]);
	if (x)
		mutex_end(s, events.all[events.at - 1], x);
	else
		grant_end(s, events.all[events.at - 1], g, 'r');
	if (!p->unasked)
		lock_forget(s, p->want.fh);
}

static int is_first(const struct run *s, int i)
{
	for (int k = 0; k < i; k++)
		if (s->waiting[k].want.task == s->waiting[i].want.task && !s->waiting[k].served)
			return 0;
	return !s->waiting[i].served;
}

static int anybody_waits(const struct run *s, int name)
{
	for (int i = 0; i < s->n_waiting; i++)
		if (s->waiting[i].want.task == name && !s->waiting[i].served)
			return 1;
	return 0;
}

/* Is that it was refused written down behind the next event? */
static int refused_later(const struct run *s, const struct pending *p, int err)
{
	for (int i = events.at; i < events.n && p->want.actor >= 0; i++) {
		const json_t *e = events.all[i];

		if (strcmp(event_text(e, "event"), "refused") == 0 &&
		    strcmp(event_text(e, "errno"), errno_text(err)) == 0 &&
		    event_int(e, "session_id") == s->m.sessions[p->want.actor].id)
			return i > events.at;
	}
	return 0;
}

/* One of the line has its answer: 1. */
static int serve_one(struct run *s, struct pending *p, int known)
{
	int want = lock_answer(s, &p->want, 0);

	if (known && p->answered && is_out_of_order(s, p->err)) {
		p->served = 1;
		return 1;
	}
	if (want == BLOCKED)
		return 0;
	if (known && !p->answered) {
		if (s->full)
			return 0;
		if (want == 0 || (p->want.id && (want == -EEXIST || want == -ENOENT)))
			sim_fail(s, "%s: waits, and must be answered %s", p->what,
				 errno_text(want));
		return 0;
	}
	if (!known && want)
		return 0;
	if (known && p->err != want)
		return 0; /* perhaps it is answered after a later change */
	if (want && refused_later(s, p, want))
		return 0;
	p->served = 1;
	if (want) {
		refused(s, p, want);
		return 1;
	}
	s->n.waited++;
	apply_lock(s, p);
	if (p->want.actor >= 0)
		renew(s, p->want.actor);
	return 1;
}

/* Whoever waits for nothing any more is served, in order of arrival, before anybody else. */
static void serve(struct run *s, int known)
{
	int again = 1;

	while (again && !s->failed[0]) {
		again = 0;
		for (int i = 0; i < s->n_waiting && !again; i++)
			if (is_first(s, i))
				again = serve_one(s, &s->waiting[i], known);
	}
}

static void give_up(struct run *s)
{
	for (int i = 0; i < s->n_waiting; i++)
		if (s->waiting[i].interrupted)
			s->waiting[i].served = 1;
}

static void check_lock(struct run *s, struct pending *p, int known)
{
	int want = p->interrupted ? -EINTR :
				    lock_answer(s, &p->want, anybody_waits(s, p->want.task));

	if (want == BLOCKED) {
		p->in_line = 1;
		p->want.id = s->m.tasks[p->want.task].exists ? s->m.tasks[p->want.task].id : 0;
		s->waiting[s->n_waiting++] = *p;
		return;
	}
	if (known && !p->answered) {
		sim_fail(s, "%s: not answered, must be %s", p->what, errno_text(want));
		return;
	}
	if (known && p->err != want) {
		sim_fail(s, "%s: answered %s, must be %s", p->what, errno_text(p->err),
			 errno_text(want));
		return;
	}
	if (p->interrupted)
		return;
	if (want) {
		refused(s, p, want);
		return;
	}
	apply_lock(s, p);
	if (p->want.actor >= 0)
		renew(s, p->want.actor);
}

static void apply(struct run *s, const struct pending *p)
{
	switch (p->want.kind) {
	case CHANGE_CLAIM:
		apply_claim(s, p);
		break;
	case CHANGE_FINISH:
		apply_gone(s, p, "finish", 'f');
		break;
	case CHANGE_RELEASE:
		apply_gone(s, p, "release", 'r');
		break;
	case CHANGE_BREAK:
		apply_gone(s, p, "lost", 'l');
		break;
	case CHANGE_HANDOVER:
		apply_handover(s, p);
		break;
	case CHANGE_EXTEND:
		apply_extend(s, p);
		break;
	case CHANGE_SET:
		apply_set(s, p);
		break;
	case CHANGE_REGISTER:
		apply_register(s, p);
		break;
	case CHANGE_END:
		apply_ended(s, p);
		break;
	case CHANGE_JOIN:
		apply_join(s, p);
		break;
	case CHANGE_ANCHOR:
		apply_anchor(s, p);
		break;
	case CHANGE_LOCK:
	case CHANGE_UNLOCK:
		break;
	case CHANGE_RENEW:
		break;
	default:
		apply_board(s, p);
	}
}

/* --- what was refused --- */

static void reported(struct run *s, const struct pending *p)
{
	json_t *e = need(s, "reported", p);
	struct m_grant *g = e ? grant_of(s, e, "token") : NULL;

	if (!g)
		return;
	must(s, g->session == p->want.session && g->how == 'l' && !g->reported,
	     "a loss reported that was none, or twice", e);
	g->reported = 1;
	renew(s, p->want.session);
}

/* Is the next event of this kind, and about the session that asked? */
static int is_theirs(const struct run *s, const struct pending *p, const char *kind)
{
	return next_is(kind) && event_int(peek(), "session_id") ==
					(p->want.actor >= 0 ? s->m.sessions[p->want.actor].id : 0);
}

/* Nothing may have changed; that somebody was late or refused is written down. */
static void refused(struct run *s, const struct pending *p, int err)
{
	if (err == -EKEYEXPIRED)
		reported(s, p);
	if (is_theirs(s, p, "late"))
		(void)take("late");
	if (is_theirs(s, p, "refused") && strcmp(event_text(peek(), "errno"), errno_text(err)) == 0)
		(void)take("refused");
}

static int is_out_of_order(const struct run *s, int err)
{
	return (s->full && err == -ENOSPC) || (s->broken && err == -EIO);
}

/*
 * What was made, and what was touched, may have ended by a later change of the same
 * batch; then there is nothing to be shown in the answer. batch_check looks whether so.
 */
static int is_gone_already(const struct run *s, struct pending *p)
{
	(void)s;
	if (p->err != -ESTALE && p->err != -ENOENT)
		return 0;
	if (p->want.kind != CHANGE_RENEW && p->want.kind != CHANGE_CLAIM &&
	    p->want.kind != CHANGE_REGISTER && p->want.kind != CHANGE_DRAFT)
		return 0;
	p->gone = 1;
	return 1;
}

static void check_gone(struct run *s, const struct pending *p)
{
	int there = p->want.kind == CHANGE_CLAIM ? s->m.tasks[p->want.task].token == s->m.issued :
		    p->want.kind == CHANGE_DRAFT ? s->m.tasks[p->want.task].exists :
						   !s->m.sessions[p->want.session].ended;

	if (p->gone && there)
		sim_fail(s, "%s: done, and answered as if it were not", p->what);
}

/* One change in its turn: what must have been answered, what must have come of it. */
static void check_one(struct run *s, struct pending *p, int known)
{
	int want;

	if (p->want.kind == CHANGE_EXIT) {
		check_exit(s, p);
		return;
	}
	if (p->want.kind == CHANGE_UNLOCK && (p->unasked || !p->interrupted)) {
		apply_unlock(s, p);
		if (!p->again && p->want.actor >= 0)
			renew(s, p->want.actor);
		return;
	}
	if (p->want.kind == CHANGE_LOCK && !(known && is_out_of_order(s, p->err))) {
		check_lock(s, p, known);
		return;
	}
	want = p->interrupted ? -EINTR : model_answer(s, &p->want);

	if (known && is_out_of_order(s, p->err))
		return;
	if (known && !want && is_gone_already(s, p))
		p->err = 0;
	if (known && p->err != want) {
		sim_fail(s, "%s: answered %s, must be %s", p->what, errno_text(p->err),
			 errno_text(want));
		return;
	}
	if (p->interrupted)
		return;
	if (want) {
		refused(s, p, want);
		return;
	}
	apply(s, p);
	if (p->want.actor >= 0 && p->want.kind != CHANGE_REGISTER)
		renew(s, p->want.actor);
}

/* A lease that was due, of a holder that lives, has renewed itself. */
static void keep(struct run *s, struct m_grant *g)
{
	int64_t most = g->acted + s->m.lease_max;

	if (now(s) <= g->upper || now(s) >= most || !holder_lives(s, g))
		return;
	g->lower = g->lower + g->ttl < most ? g->lower + g->ttl : most;
	g->upper = now(s) + g->ttl < most ? now(s) + g->ttl : most;
}

static void check_leases(struct run *s)
{
	for (int t = 0; t < TASKS; t++) {
		struct m_grant *g;

		if (!s->m.tasks[t].exists || !s->m.tasks[t].token)
			continue;
		g = model_grant(&s->m, s->m.tasks[t].token);
		keep(s, g);
		if (now(s) > g->upper + 5000)
			sim_fail(
				s,
				"the lease of %s (token %lld) goes on %lld ms after its end; the store has %lld",
				task_name(t), (long long)g->token, (long long)(now(s) - g->upper),
				(long long)fixture_grant_now(&s->w.f, g->token).expires);
	}
}

/* After a suspend, or when the daemon stood still: who could not renew has some minutes. */
static void awake(struct run *s)
{
	const int64_t most = 5 * MINUTE;

	int unsure = s->full || s->slept == 2; /* it may have been a batch before this one */

	if (!s->slept && !(s->stalled && s->due > 0 && now(s) - s->due > 5000))
		return;
	s->stalled = 0;
	s->slept = s->full ? 2 : 0;
	for (int i = 0; i < s->m.n_grants; i++) {
		struct m_grant *g = &s->m.grants[i];
		int64_t least = now(s) + (g->ttl < most ? g->ttl : most);

		if (g->ended || g->lock == 1)
			continue;
		if (g->lower < least && !unsure)
			g->lower = least;
		if (g->upper < least)
			g->upper = least;
	}
	for (int i = 0; i < s->m.n_mutexes; i++) {
		struct m_mutex *x = &s->m.mutexes[i];
		int64_t least = now(s) + (s->m.lease < most ? s->m.lease : most);

		if (x->lock == 2 && x->lower < least && !unsure)
			x->lower = least;
	}
}

void batch_check(struct run *s, int known)
{
	events_read(s);
	awake(s);
	give_up(s);
	take_due(s);
	serve(s, known);
	for (int i = 0; i < s->n_pending && !s->failed[0]; i++) {
		check_one(s, &s->pending[i], known);
		serve(s, known);
	}
	for (int i = 0; i < s->n_pending && !s->failed[0]; i++)
		check_gone(s, &s->pending[i]);
	if (peek() && !s->failed[0])
		must(s, 0, "an event that nobody caused", peek());
	events_whole(s);
	if (!s->full && !s->broken)
		check_leases(s);
	check_board(s);
}

/* --- requests and batches --- */

static void note_reply(struct run *s, const struct pending *p, const struct reply *r)
{
	uint64_t h = s->hash;

	h = (h ^ p->unique) * 1099511628211u;
	h = (h ^ (uint64_t)(uint32_t)r->err) * 1099511628211u;
	for (size_t i = 0; i < r->n; i++)
		h = (h ^ (unsigned char)r->data[i]) * 1099511628211u;
	s->hash = h;
}

/* Is there an answer to P? Into it. */
static int take_answer(struct run *s, struct pending *p)
{
	struct reply r;

	if (!wire_answered(&s->w, p->unique, &r))
		return 0;
	note_reply(s, p, &r);
	p->answered = 1;
	p->err = r.err;
	p->node = p->fh = 0;
	(void)snprintf(s->data, sizeof(s->data), "%s", r.data);
	if (!r.err && r.n == sizeof(struct fuse_open_out)) {
		p->fh = ((struct fuse_open_out *)(void *)r.data)->fh;
	} else if (!r.err && r.n >= sizeof(struct fuse_entry_out)) {
		p->node = ((struct fuse_entry_out *)(void *)r.data)->nodeid;
		if (r.n == sizeof(struct fuse_entry_out) + sizeof(struct fuse_open_out))
			p->fh = ((struct fuse_open_out *)(void *)(r.data +
								  sizeof(struct fuse_entry_out)))
					->fh;
	}
	reply_free(&r);
	sim_log(s, "%s = %s", p->what, errno_text(p->err));
	return 1;
}

void request_sent(struct run *s, struct pending *p)
{
	s->ops++;
	if (!take_answer(s, p)) {
		if (p->expect != DEFERRED && p->maybe != DEFERRED)
			sim_fail(s, "%s: not answered, must be %s", p->what, errno_text(p->expect));
		sim_log(s, "%s ...", p->what);
		if (s->w.n_sent <= sizeof(p->bytes)) {
			p->n = s->w.n_sent;
			memcpy(p->bytes, s->w.sent, p->n);
		}
		s->pending[s->n_pending++] = *p;
		return;
	}
	if (p->err != p->expect && p->err != p->maybe)
		sim_fail(s, "%s: answered %s, must be %s", p->what, errno_text(p->err),
			 p->expect == DEFERRED ? "for the writer to decide" :
						 errno_text(p->expect));
	if (!p->err && p->must_node && p->node != p->must_node)
		sim_fail(s, "%s: answered node %llx, must be %llx", p->what,
			 (unsigned long long)p->node, (unsigned long long)p->must_node);
	if (p->agent >= 0)
		agent_answered(s, p->agent, p->err, p->node, p->fh);
}

static void answer_all(struct run *s)
{
	for (int i = 0; i < s->n_waiting; i++)
		(void)take_answer(s, &s->waiting[i]);
	for (int i = 0; i < s->n_pending; i++) {
		struct pending *p = &s->pending[i];

		if (!p->unasked && !take_answer(s, p) && p->want.kind != CHANGE_LOCK &&
		    !(p->want.kind == CHANGE_UNLOCK && s->full))
			sim_fail(s, "%s: never answered", p->what);
	}
}

static int only_retried(const struct run *s)
{
	for (int i = 0; i < s->n_pending; i++)
		if (!s->pending[i].retried)
			return 0;
	return s->n_pending > 0;
}

/* Who was served goes on; the others wait on. */
static void leave_line(struct run *s)
{
	struct pending served[AGENTS * 2];
	int n = 0, waits = 0;

	for (int i = 0; i < s->n_waiting; i++) {
		struct pending *p = &s->waiting[i];

		if (p->answered && !p->served && !s->full)
			sim_fail(s, "%s: answered %s, must wait", p->what, errno_text(p->err));
		if (p->answered)
			served[n++] = *p;
		else
			s->waiting[waits++] = *p;
	}
	s->n_waiting = waits;
	for (int i = 0; i < n; i++)
		if (served[i].agent >= 0)
			agent_answered(s, served[i].agent, served[i].err, 0, 0);
		else
			kernel_closes(s, NODE_INO(0, ROW_CLAIMS), served[i].want.fh);
}

void batch_run(struct run *s)
{
	struct pending done[PENDING];
	int n = s->n_pending;
	int32_t pid;
	int64_t start;

	s->due = store_due(s->w.f.store);
	if (only_retried(s))
		tick_ask(s);
	disk_pause(0); /* what fails, fails the writer */
	writer_run_batch(s->w.f.store);
	disk_pause(1);
	ll_decided(s->w.ll);
	s->n.batches++;
	s->n.changes += n;
	answer_all(s);
	if (store_failed(s->w.f.store) && !s->broken)
		sim_fail(s, "the store gave up, and nothing was wrong with the disk");
	if (store_failed(s->w.f.store))
		return; /* what is pending is settled after the restart */
	if (!s->failed[0])
		batch_check(s, 1);
	memcpy(done, s->pending, sizeof(done));
	s->n_pending = 0;
	for (int i = 0; i < n; i++)
		if (done[i].again && !done[i].answered) {
			done[i].again = 0;
			done[i].retried = 1;
			s->pending[s->n_pending++] = done[i];
			done[i].in_line = 1;
		}
	leave_line(s);
	while (procs_missed(&pid, &start))
		exit_told(s, pid, start);
	for (int i = 0; i < n; i++)
		if (done[i].in_line)
			continue;
		else if (done[i].agent >= 0)
			agent_answered(s, done[i].agent, done[i].err, done[i].node, done[i].fh);
		else if (done[i].want.kind == CHANGE_LOCK)
			kernel_closes(s, NODE_INO(0, ROW_CLAIMS), done[i].want.fh);
		else if (!done[i].unasked && !done[i].err && done[i].fh)
			kernel_closes(s, done[i].node, done[i].fh);
}

void batch_settle(struct run *s, int64_t boot)
{
	int64_t was = s->w.f.sim.boot;

	s->w.f.sim.boot = boot;
	if (store_seq(s->w.f.store) != s->m.seq) {
		batch_check(s, 0);
	} else {
		for (int i = 0; i < s->m.n_grants; i++) { /* renewals leave no event */
			struct m_grant *g = &s->m.grants[i];

			if (!g->ended && g->lock != 1 && g->upper < boot + g->ttl)
				g->upper = boot + g->ttl;
		}
	}
	s->w.f.sim.boot = was;
	s->n_pending = s->n_waiting = 0;
	memset(s->locks, 0, sizeof(s->locks));
}

/* --- the board --- */

static void differs(struct run *s, int task, const char *what, int64_t is, int64_t should)
{
	if (is != should)
		sim_fail(s, "%s of %s is %lld, must be %lld", what, task_name(task), (long long)is,
			 (long long)should);
}

static uint32_t arts_now(struct db *db, int64_t task)
{
	struct rows *r = db_rows(db, Q(ARTIFACTS_OF), I(task));
	uint32_t arts = 0;

	while (rows_next(r) > 0)
		for (int i = 0; i < ARTS; i++)
			if (strcmp(rows_text(r, 0) + 1, art_names[i]) == 0)
				arts |= 1u << i;
	rows_end(&r);
	return arts;
}

void check_board(struct run *s)
{
	struct db *db = store_reader(s->w.f.store);

	if (s->failed[0])
		return;
	(void)store_read_begin(s->w.f.store);
	for (int i = 0; i < TASKS; i++) {
		const struct m_task *m = &s->m.tasks[i];
		struct task t;
		int got = read_task_named(db, task_name(i), &t);

		differs(s, i, "existence", got, m->exists);
		if (got <= 0 || !m->exists)
			continue;
		differs(s, i, "id", t.id, m->id);
		differs(s, i, "state", t.state, m->state);
		differs(s, i, "token", t.token, m->token);
		differs(s, i, "column", t.column, model_column(&s->m, i));
		if (m->token)
			differs(s, i, "overlap with another claim",
				model_conflicts(&s->m, i, m->arts), 0);
		if ((s->n.batches + i) % 16 == 0)
			differs(s, i, "the set of artifacts", arts_now(db, t.id), m->arts);
	}
	store_read_end(s->w.f.store);
}

void check_all(struct run *s)
{
	const char *says;

	check_board(s);
	if (s->failed[0])
		return;
	says = fixture_check(&s->w.f);
	if (*says)
		sim_fail(s, "the store as a whole: %s", says);
}
