/* Who asks, and what became of it. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend/clean.h"
#include "backend/read.h"
#include "backend/text.h"
#include "fs/caller.h"
#include "fs/node.h"

int request_refuse(struct request *r, int err, const char *next, const char *fmt, ...)
{
	char text[1024];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	buf_clear(&r->why);
	buf_line(&r->why, "%s", line_mend(text)); /* it may quote anything */
	buf_line(&r->why, "next: %s", next);
	return -err;
}

const char *request_until(struct request *r, int64_t expires, char *when)
{
	struct world *w = store_world(r->fs->store);

	if (expires >= LEASE_NEVER)
		return "-";
	return time_text(w->wall_ms(w) + expires - w->boot_ms(w), when);
}

void request_release(struct request *r)
{
	buf_free(&r->why);
	change_free(r->change);
	r->change = NULL;
}

/* --- identity --- */

struct joined {
	struct request *r;
	struct proc at; /* the joined process found */
	int64_t session;
};

static int is_member(const struct proc *p, void *arg)
{
	struct joined *j = arg;
	int64_t session = 0;
	int got = db_int(j->r->db, &session, Q(MEMBER), I(p->pid), I(p->start),
			 T(store_boot_id(j->r->fs->store)));

	if (got <= 0)
		return 0;
	j->session = session;
	j->at = *p;
	return 1;
}

/* The nearest ancestor that is in some session's procs. */
static void find_joined(struct request *r, struct joined *j)
{
	j->r = r;
	if (r->actor.pid && db_get(r->db, 0, Q(MEMBERS_ANY)))
		(void)caller_ancestors(r->actor.pid, is_member, j);
}

static int is_operator(struct request *r)
{
	struct fs *fs = r->fs;

	if (r->uid == 0 || r->uid == fs->owner)
		return 1;
	if (fs->operators == UINT32_MAX)
		return 0;
	return r->gid == fs->operators ||
	       (r->actor.pid && caller_in_group(r->actor.pid, fs->operators) > 0);
}

/* s41 is an ancestor of s41.2, by name. */
static int is_name_ancestor(const char *a, const char *b)
{
	size_t n = strlen(a);

	return strncmp(a, b, n) == 0 && b[n] == '.';
}

/* COORD_SESSION of the caller, when it names a session. */
static int64_t env_session(struct request *r, char *name, size_t n, int *err)
{
	struct session s;

	*err = r->actor.pid ? caller_env(r->actor.pid, "COORD_SESSION", name, n) : -ESRCH;
	if (*err <= 0 || !*name)
		return 0;
	return read_session_named(r->db, name, &s) > 0 ? s.id : 0;
}

static void say_no_env(struct request *r, int err)
{
	static const char next[] = "act through sessions/ID/claims/, or start with coordfs run";

	if (r->actor.pid)
		(void)request_refuse(r, ENOKEY, next,
				     "no session: the environment of pid %d cannot be read (%s)",
				     r->actor.pid, errno_text(err));
	else
		(void)request_refuse(
			r, ENOKEY, next,
			"no session: you are in a pid namespace the daemon cannot see into, so your environment cannot be read");
}

static void find_env(struct request *r, const struct joined *j)
{
	char name[256] = "", theirs[256] = "";
	int err;
	int64_t id = env_session(r, name, sizeof(name), &err);

	if (err < 0)
		say_no_env(r, err);
	else if (*name && !id && !j->session)
		(void)request_refuse(r, ENOKEY, "mkdir sessions/ID first",
				     "no session: COORD_SESSION=%s names none that is registered",
				     name);
	if (!id)
		return;
	/* set below the joined process (another value than its own): it wins */
	if (j->session && caller_env(j->at.pid, "COORD_SESSION", theirs, sizeof(theirs)) > 0 &&
	    strcmp(name, theirs) == 0)
		return;
	r->actor.session = id;
	r->actor.how = ACTOR_ENV;
}

/* Who the caller is by itself. What is another uid's is noted, and is nobody. */
static void find_own(struct request *r, const struct joined *j)
{
	struct session s;

	if (j->session) {
		r->actor.session = j->session;
		r->actor.how = ACTOR_JOINED;
	}
	find_env(r, j);
	if (!r->actor.session || r->actor.is_operator ||
	    (read_session(r->db, r->actor.session, &s) > 0 && s.uid == r->uid))
		return;
	r->actor.foreign = r->actor.session;
	r->actor.session = 0;
	r->actor.how = ACTOR_NONE;
}

/* The path's session, unless it contradicts who the caller is: then its own, and refused. */
static int find_path(struct request *r, const struct joined *j, int64_t path)
{
	struct session mine = { .id = 0 }, other;

	if (r->actor.is_operator || read_session(r->db, path, &other) <= 0) {
		r->actor.session = path;
		r->actor.how = ACTOR_PATH;
		return 0;
	}
	if (j->session && j->session != path)
		(void)read_session(r->db, j->session, &mine);
	if (other.uid == r->uid && (!mine.id || is_name_ancestor(mine.name, other.name))) {
		r->actor.session = path;
		r->actor.how = ACTOR_PATH;
		return 0;
	}
	find_own(r, j);
	if (other.uid != r->uid)
		return request_refuse(r, EPERM, "act as a session of your own uid",
				      "session %s belongs to uid %u, you are uid %u", other.name,
				      other.uid, r->uid);
	return request_refuse(
		r, EPERM, "use sessions/YOURS/ or the top-level directories",
		"you are session %s (joined by process), and this is a path of session %s",
		mine.name, other.name);
}

int request_identify(struct request *r, int64_t path_session)
{
	struct joined j = { .session = 0 };
	struct proc p;

	if (r->identified)
		return 0;
	r->identified = 1;
	r->actor = (struct actor){ .uid = r->uid, .gid = r->gid };
	if (r->tid && !caller_proc(r->tid, &p)) {
		r->actor.pid = p.pid;
		r->actor.start = p.start;
		r->parent = p.ppid;
	}
	r->actor.is_owner = r->uid == 0 || r->uid == r->fs->owner;
	r->actor.is_operator = is_operator(r);
	find_joined(r, &j);
	r->actor.joined = j.session;
	if (path_session)
		return find_path(r, &j, path_session);
	find_own(r, &j);
	return 0;
}

/* --- changes --- */

struct change *request_change(struct request *r, enum change_kind kind, const char *name)
{
	struct change *c;

	if (name && strlen(name) >= sizeof(c->name)) {
		(void)request_refuse(r, EINVAL, "a name is 128 bytes at most",
				     "a name of %zu bytes", strlen(name));
		return NULL;
	}
	c = change_new(kind);
	if (!c)
		return NULL;
	c->actor = r->actor;
	c->op = r->op;
	if (name)
		(void)snprintf(c->name, sizeof(c->name), "%s", name);
	change_free(r->change);
	r->change = c;
	return c;
}

int request_error(struct request *r)
{
	return r->why.n ? -EINVAL : -ENOMEM;
}

int request_about(struct request *r, enum change_kind kind, int64_t id, const char *text, size_t n)
{
	if (!request_change(r, kind, NULL))
		return request_error(r);
	r->change->thing = id;
	return text ? change_text(r->change, text, n) : 0;
}
