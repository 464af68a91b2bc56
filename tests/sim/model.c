/* What is so, and what must be answered: a small board known by brute force. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "backend/clean.h"
#include "fs/node.h"
#include "tests/sim/sim.h"

/* --- artifacts, and which overlap, by trying every path over a small alphabet --- */

const char *const art_names[ARTS] = {
	"a",	"b",	"c",	  "a/a", "a/b",	     "b/c",    "a/b/c", "ab",
	"ab/c", "*",	"?",	  "a/*", "*/b",	     "a*",     "**/c",	"a/**/c",
	"?b",	"[ab]", "[!a]/b", "b/?", "a/[bc]/*", "c/**/a",
};
uint32_t art_overlaps[ARTS];

static const char *const words[] = { "a", "b", "c", "ab", "bb" };
#define WORDS 5
#define DEPTH 4

static int in_class(const char *p, char c)
{
	int not = p[1] == '!', in = 0;

	for (p += 1 + not ; *p != ']'; p++)
		in |= *p == c;
	return in != not ;
}

/* Does the pattern P of a segment (it ends at '/' or NUL) match the word S? */
static int segment_matches(const char *p, const char *s)
{
	if (!*p || *p == '/')
		return !*s;
	if (*p == '*')
		return segment_matches(p + 1, s) || (*s && segment_matches(p, s + 1));
	if (!*s)
		return 0;
	if (*p == '[')
		return in_class(p, *s) && segment_matches(strchr(p, ']') + 1, s + 1);
	return (*p == '?' || *p == *s) && segment_matches(p + 1, s + 1);
}

/* Does the name P cover the path of N words? A name covers all below it. */
static int covers(const char *p, const int *path, int n)
{
	const char *slash;

	if (!p)
		return 1;
	slash = strchr(p, '/');
	slash = slash ? slash + 1 : NULL;
	if (strncmp(p, "**", 2) == 0)
		return covers(slash, path, n) || (n && covers(p, path + 1, n - 1));
	return n && segment_matches(p, words[*path]) && covers(slash, path + 1, n - 1);
}

static void try_paths(int *path, int n)
{
	uint32_t all = 0;

	for (int i = 0; n && i < ARTS; i++)
		all |= (uint32_t)covers(art_names[i], path, n) << i;
	for (int i = 0; i < ARTS; i++)
		if (all >> i & 1)
			art_overlaps[i] |= all;
	for (int word = 0; n < DEPTH && word < WORDS; word++) {
		path[n] = word;
		try_paths(path, n + 1);
	}
}

/* --- the board --- */

const char *task_name(int task)
{
	static const char names[NAMES][2] = {
		"A", "B", "C", "D", "E", "F", "G", "H", "I", "J", "K"
	};

	return names[task];
}

uint32_t model_conflicts(const struct model *m, int task, uint32_t arts)
{
	uint32_t held = 0, hit = 0;

	for (int t = 0; t < TASKS; t++)
		if (t != task && m->tasks[t].exists && m->tasks[t].token)
			held |= m->tasks[t].arts;
	for (int i = 0; i < ARTS; i++)
		if (arts >> i & 1)
			hit |= art_overlaps[i] & held;
	return hit;
}

static int is_unmet(const struct model *m, int task)
{
	for (int i = 0; i < TASKS; i++)
		if (m->tasks[task].needs >> i & 1 &&
		    !(m->tasks[i].exists && m->tasks[i].state == TASK_DONE))
			return 1;
	return 0;
}

enum column model_column(const struct model *m, int task)
{
	const struct m_task *t = &m->tasks[task];

	if (!t->exists)
		return COLUMN_NONE;
	if (t->state == TASK_DONE)
		return COLUMN_DONE;
	if (t->state == TASK_IDEA)
		return COLUMN_IDEAS;
	if (t->token)
		return COLUMN_CLAIMS;
	return is_unmet(m, task) || model_conflicts(m, task, t->arts) ? COLUMN_BLOCKED :
									COLUMN_READY;
}

/* Does task FROM need TO, at any remove? */
static int reaches(const struct model *m, int from, int to, int depth)
{
	if (from == to)
		return 1;
	if (depth > TASKS || !m->tasks[from].exists)
		return 0;
	for (int i = 0; i < TASKS; i++)
		if (m->tasks[from].needs >> i & 1 && reaches(m, i, to, depth + 1))
			return 1;
	return 0;
}

struct m_grant *model_grant(struct model *m, int64_t token)
{
	int lo = 0, hi = m->n_grants;

	while (lo < hi) {
		int mid = (lo + hi) / 2;

		if (m->grants[mid].token < token)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < m->n_grants && m->grants[lo].token == token ? &m->grants[lo] : NULL;
}

struct m_mutex *model_mutex(struct model *m, int64_t token)
{
	for (int i = 0; i < m->n_mutexes; i++)
		if (m->mutexes[i].token == token)
			return &m->mutexes[i];
	return NULL;
}

struct m_mutex *model_holder(struct model *m, int name)
{
	for (int i = 0; i < m->n_mutexes; i++)
		if (m->mutexes[i].name == name)
			return &m->mutexes[i];
	return NULL;
}

int model_descends(int32_t pid, int32_t of, int64_t start)
{
	const struct sim_proc *top = procs_get(of), *p;

	if (!top || top->start != start || top->zombie)
		return 0;
	for (; (p = procs_get(pid)); pid = p->ppid)
		if (p == top)
			return 1;
	return 0;
}

/* --- who asks --- */

int model_is_op(uint32_t uid)
{
	return uid == WIRE_OWNER || uid == 0;
}

static int find_member(const struct model *m, const struct sim_proc *p)
{
	for (int i = 0; i < m->n_members; i++)
		if (m->members[i].pid == p->pid && m->members[i].start == p->start &&
		    m->members[i].boot == m->boot)
			return m->members[i].session;
	return NOBODY;
}

int model_is_member(const struct run *s, int32_t pid)
{
	const struct sim_proc *p = procs_get(pid);

	return p && find_member(&s->m, p) != NOBODY;
}

/* The session of the nearest ancestor that joined one; *AT: that process. */
static int joined_of(const struct model *m, int32_t pid, const struct sim_proc **at)
{
	const struct sim_proc *p;

	for (; (p = procs_get(pid)); pid = p->ppid) {
		int session = find_member(m, p);

		*at = p;
		if (session != NOBODY)
			return session;
	}
	return NOBODY;
}

static int env_of(const struct model *m, const struct sim_proc *p)
{
	int session = p && p->session[0] && !p->zombie ? atoi(p->session + 1) : NOBODY;

	return session < m->n_sessions ? session : NOBODY;
}

int model_actor(struct run *s, int32_t pid, uint32_t uid, int path, int *deny)
{
	const struct model *m = &s->m;
	const struct sim_proc *at = NULL, *p = procs_get(pid);
	int joined = joined_of(m, pid, &at), env, found;

	if (path != NOBODY) {
		if (model_is_op(uid))
			return path;
		if (m->sessions[path].uid != uid || (joined != NOBODY && joined != path))
			*deny = -EPERM;
		return path;
	}
	env = env_of(m, p);
	found = env != NOBODY && !(joined != NOBODY && strcmp(at->session, p->session) == 0) ?
			env :
			joined;
	if (found != NOBODY && !model_is_op(uid) && m->sessions[found].uid != uid)
		return FOREIGN;
	return found;
}

/* --- answers --- */

/* Is the actor a live session of its own uid? */
static int actor_answer(const struct model *m, const struct want *w)
{
	if (w->actor == FOREIGN)
		return -EPERM;
	if (w->actor == NOBODY)
		return -ENOKEY;
	if (m->sessions[w->actor].ended)
		return -ESTALE;
	return w->is_op || m->sessions[w->actor].uid == w->uid ? 0 : -EPERM;
}

/* Whoever has none may; whoever acts as one must be able to. */
static int own_answer(const struct model *m, const struct want *w)
{
	return w->actor >= 0 && !w->is_op ? actor_answer(m, w) : 0;
}

static int limits_answer(const struct model *m, int session, uint32_t uid)
{
	int mine = 0, uids = 0;

	for (int t = 0; t < TASKS; t++) {
		const struct m_grant *g;

		if (!m->tasks[t].exists || !m->tasks[t].token)
			continue;
		g = model_grant((struct model *)(uintptr_t)m, m->tasks[t].token);
		mine += g->session == session;
		uids += g->uid == uid;
	}
	return (session >= 0 && mine >= m->session_limit) || uids >= m->uid_limit ? -EDQUOT : 0;
}

/* What stands between a task and a grant; BLOCKED: what others hold. */
static int claimable_answer(struct model *m, const struct want *w)
{
	const struct m_task *t = &m->tasks[w->task];

	if (t->state == TASK_DONE)
		return -EEXIST;
	if (t->state != TASK_PUBLISHED)
		return -ENOENT;
	if (!w->anew && w->actor >= 0 && m->sessions[w->actor].lost >> w->task & 1)
		return -ESTALE;
	if (w->kind == CHANGE_CLAIM && w->token && t->token != w->token)
		return -ESTALE;
	if (t->token || model_holder(m, w->task))
		return BLOCKED;
	if (is_unmet(m, w->task))
		return -EBUSY;
	return model_conflicts(m, w->task, t->arts) ? BLOCKED : 0;
}

static int claim_answer(struct model *m, const struct want *w)
{
	const struct m_task *t = &m->tasks[w->task];
	const struct m_grant *g = w->token ? model_grant(m, w->token) : NULL;
	int err = t->exists ? actor_answer(m, w) : -ENOENT;

	if (g && g->ended && w->actor >= 0 && g->session == w->actor && strchr("le", g->how))
		return -ESTALE;
	if (!err && m->estop)
		err = -EROFS;
	if (!err)
		err = claimable_answer(m, w);
	if (err == BLOCKED)
		return t->token && model_grant(m, t->token)->session == w->actor ? -EEXIST : -EBUSY;
	return err ? err : limits_answer(m, w->actor, m->sessions[w->actor].uid);
}

/* Does its own session hold what it would wait for, and not by flock? */
static int is_own(struct model *m, const struct want *w)
{
	const struct m_task *t = &m->tasks[w->task];

	for (int i = 0; i < TASKS && w->actor >= 0; i++) {
		const struct m_task *o = &m->tasks[i];
		const struct m_grant *g = o->exists && o->token ? model_grant(m, o->token) : NULL;
		uint32_t hit = 0;

		if (!g || g->session != w->actor || g->lock)
			continue;
		for (int art = 0; art < ARTS; art++)
			if (t->arts >> art & 1)
				hit |= art_overlaps[art] & o->arts;
		if (i == w->task || hit)
			return 1;
	}
	return 0;
}

static int task_lock_answer(struct model *m, const struct want *w)
{
	int err = w->shared ? -EOPNOTSUPP : claimable_answer(m, w);

	if (err == BLOCKED && is_own(m, w))
		return -EDEADLK;
	if (err == BLOCKED)
		return w->waits ? BLOCKED : -EWOULDBLOCK;
	if (err)
		return err;
	return limits_answer(m, w->actor, w->actor >= 0 ? m->sessions[w->actor].uid : w->uid);
}

static int mutex_answer(const struct model *m, const struct want *w, int behind)
{
	for (int i = 0; i < m->n_mutexes; i++)
		if (m->mutexes[i].name == w->task &&
		    (!w->shared || !m->mutexes[i].shared || behind))
			return w->waits ? BLOCKED : -EWOULDBLOCK;
	return 0;
}

int lock_answer(struct run *s, const struct want *w, int behind)
{
	struct model *m = &s->m;
	const struct m_grant *g = w->token ? model_grant(m, w->token) : NULL;
	int err;

	if (w->token && !g)
		return model_mutex(m, w->token) ? 0 : -ESTALE;
	if (g && !g->ended)
		return 0;
	if (g && strchr("le", g->how))
		return -ESTALE;
	err = w->actor == NOBODY ? 0 : actor_answer(m, w);
	if (err)
		return err;
	if (m->estop)
		return -EROFS;
	if (w->id && !(m->tasks[w->task].exists && m->tasks[w->task].id == w->id))
		return -ENOENT; /* what it waited for was cancelled */
	return m->tasks[w->task].exists ? task_lock_answer(m, w) : mutex_answer(m, w, behind);
}

static int is_lockers(const struct want *w, const struct m_grant *g)
{
	int own = g->session >= 0 && g->session == w->actor;

	if (!g->pid || !w->pid)
		return !g->pid && own;
	if (model_descends(w->pid, g->pid, g->start) && g->boot >= 0)
		return 1;
	return own && !model_descends(g->pid, g->pid, g->start); /* it has exited */
}

/* What a session hears that acts on a claim; *OUT: the grant. */
static int held_answer(struct model *m, const struct want *w, struct m_grant **out)
{
	const struct m_task *t = &m->tasks[w->task];
	struct m_grant *g;
	int err;

	if (!w->token && !t->exists) {
		err = actor_answer(m, w);
		return err ? err : -ENOENT;
	}
	g = model_grant(m, w->token ? w->token : t->token);
	*out = g;
	if (g && g->lock && !g->ended)
		return is_lockers(w, g) ? 0 : -EPERM;
	if (g && g->ended && w->actor >= 0 && g->session == w->actor)
		return -ESTALE;
	if (!w->token && w->actor < 0 && m->lost_lock[w->task] &&
	    is_lockers(w, model_grant(m, m->lost_lock[w->task])))
		return -ESTALE;
	err = actor_answer(m, w);
	if (err)
		return err;
	if (g && g->session == w->actor)
		return 0;
	if (!w->token && m->sessions[w->actor].lost >> w->task & 1)
		return -ESTALE;
	return g ? -EPERM : -ENOENT;
}

static int handover_answer(struct model *m, const struct want *w)
{
	struct m_grant *g = NULL;
	int err = held_answer(m, w, &g);

	if (err)
		return err;
	if (g->lock)
		return -EPERM;
	if (w->to == g->session)
		return -EINVAL;
	if (m->sessions[w->to].ended)
		return -ESTALE;
	if (m->sessions[w->to].uid != g->uid)
		return -EPERM;
	return limits_answer(m, w->to, m->sessions[w->to].uid);
}

static int extend_answer(struct model *m, const struct want *w)
{
	struct m_grant *g = NULL;
	int err = held_answer(m, w, &g);
	uint32_t has;

	if (err)
		return err;
	has = m->tasks[g->task].arts;
	if (w->drop & ~has)
		return -ENOENT;
	return model_conflicts(m, g->task, w->add & ~has) ? -EBUSY : 0;
}

static int break_answer(const struct model *m, const struct want *w)
{
	if (!w->is_op)
		return -EPERM;
	for (int i = 0; i < m->n_mutexes; i++)
		if (m->mutexes[i].token == w->token && m->mutexes[i].name == w->task)
			return 0;
	if (!m->tasks[w->task].exists)
		return -ENOENT;
	return m->tasks[w->task].token == w->token && w->token ? 0 : -ESTALE;
}

/* A change of a session by itself, or by an operator. */
static int session_answer(const struct model *m, const struct want *w)
{
	const struct m_session *s = &m->sessions[w->session];

	return w->is_op || (w->actor == w->session && w->uid == s->uid) ? 0 : -EPERM;
}

static int renew_answer(struct model *m, const struct want *w)
{
	int err = session_answer(m, w);

	if (!err)
		err = actor_answer(m, w);
	if (err)
		return err;
	for (int i = 0; i < m->n_grants; i++)
		if (m->grants[i].session == w->session && m->grants[i].how == 'l' &&
		    !m->grants[i].reported)
			return -EKEYEXPIRED;
	return 0;
}

static int join_answer(const struct model *m, const struct want *w)
{
	int err = session_answer(m, w);

	if (err)
		return err;
	if (m->sessions[w->session].ended)
		return -ESTALE;
	for (int i = 0; i < m->n_members && w->kind == CHANGE_JOIN; i++)
		if (m->members[i].pid == w->pid && m->members[i].start == w->start &&
		    m->members[i].boot == m->boot)
			return m->members[i].session == w->session ? 0 : -EBUSY;
	return 0;
}

static int misplaced(const struct m_task *t)
{
	return t->token ? -EBUSY : -EINVAL;
}

static int needs_answer(const struct model *m, const struct want *w)
{
	if (w->needs == m->tasks[w->task].needs)
		return 0;
	for (int i = 0; i < TASKS; i++)
		if (w->needs >> i & 1 && !m->tasks[i].exists)
			return -ENOENT;
	for (int i = 0; i < TASKS; i++)
		if (w->needs >> i & 1 && reaches(m, i, w->task, 0))
			return -ELOOP;
	return 0;
}

static int set_answer(const struct model *m, const struct want *w)
{
	const struct m_task *t = &m->tasks[w->task];

	if (!w->id) /* control */
		return w->is_op ? 0 : -EPERM;
	if (!t->exists || t->id != w->id)
		return -ESTALE;
	if (strcmp(w->field, "artifacts") == 0)
		return t->token ? -EBUSY : 0;
	return strcmp(w->field, "needs") == 0 ? needs_answer(m, w) : 0;
}

/* The owner's moves of a task. */
static int board_answer(const struct model *m, const struct want *w)
{
	const struct m_task *t = &m->tasks[w->task];
	int err = own_answer(m, w);

	if (err)
		return err;
	if (w->kind == CHANGE_DRAFT)
		return t->exists ? -EEXIST : 0;
	if (!t->exists)
		return -ENOENT;
	switch (w->kind) {
	case CHANGE_PUBLISH:
		return t->state == TASK_IDEA ? 0 : misplaced(t);
	case CHANGE_UNPUBLISH:
		return t->state == TASK_PUBLISHED && !t->token ? 0 : misplaced(t);
	case CHANGE_CANCEL:
		return t->token ? -EBUSY : t->state == TASK_DONE ? -EPERM : 0;
	default: /* CHANGE_REOPEN */
		return t->state == TASK_DONE ? 0 : misplaced(t);
	}
}

int model_answer(struct run *s, const struct want *w)
{
	struct model *m = &s->m;
	struct m_grant *g;

	switch (w->kind) {
	case CHANGE_CLAIM:
		return claim_answer(m, w);
	case CHANGE_FINISH:
	case CHANGE_RELEASE:
		return held_answer(m, w, &g);
	case CHANGE_HANDOVER:
		return handover_answer(m, w);
	case CHANGE_EXTEND:
		return extend_answer(m, w);
	case CHANGE_BREAK:
		return break_answer(m, w);
	case CHANGE_REGISTER:
		return w->session < m->n_sessions ? -EEXIST : 0;
	case CHANGE_END:
		return m->sessions[w->session].ended ? 0 : session_answer(m, w);
	case CHANGE_RENEW:
		return renew_answer(m, w);
	case CHANGE_JOIN:
	case CHANGE_ANCHOR:
		return join_answer(m, w);
	case CHANGE_LOCK:
		return lock_answer(s, w, 0);
	case CHANGE_UNLOCK:
		return 0;
	case CHANGE_SET:
		return set_answer(m, w);
	default:
		return board_answer(m, w);
	}
}

/* --- the beginning --- */

/* The board to begin with is made by the owner, outside of what is judged. */
void model_init(struct run *s)
{
	static int tried;
	struct fixture *f = &s->w.f;
	struct model *m = &s->m;
	int path[DEPTH];

	if (!tried++)
		try_paths(path, 0);
	m->lease = (int64_t)(1 + below(s, 30)) * MINUTE;
	m->session_limit = 1 + below(s, 6);
	m->uid_limit = m->session_limit + below(s, 6);
	{
		char text[80];

		(void)snprintf(text, sizeof(text), "%lldm", (long long)(m->lease / MINUTE));
		(void)fixture_control(f, "lease", text);
		m->lease_max = m->lease * (1 + below(s, 6));
		(void)snprintf(text, sizeof(text), "%lldm", (long long)(m->lease_max / MINUTE));
		(void)fixture_control(f, "lease-max", text);
		(void)snprintf(text, sizeof(text), "session-claims %d\nuid-claims %d\n",
			       m->session_limit, m->uid_limit);
		(void)fixture_control(f, "limits", text);
	}
	for (int t = 0; t < TASKS; t++) {
		AUTO_BUF struct buf lines = BUF_INIT;
		struct m_task *task = &m->tasks[t];

		for (int i = 0; i < ARTS; i++)
			if (rarely(s, 9)) {
				task->arts |= 1u << i;
				buf_line(&lines, "%s", art_names[i]);
			}
		task->exists = 1;
		task->state = TASK_PUBLISHED;
		task->id = fixture_task(f, task_name(t), lines.n ? buf_text(&lines) : NULL);
	}
	m->seq = store_seq(f->store);
	m->bytes = store_bytes(f->store);
}
