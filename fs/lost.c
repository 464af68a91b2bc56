#include <errno.h>

#include "fs/lost.h"

#define SOURCE_MS 1000 /* the two look-ups of a move come one after the other */
#define SOURCES 256

/* The tasks last looked up in the columns that can be claimed from, and in claims:
 * a hand-over's target may have lost the task before. */
static struct source {
	int32_t tid;
	int64_t task, holder; /* a claim's session; 0: from the board */
	int64_t at;	      /* ms since boot */
} sources[SOURCES];

static struct source *source_of(const struct request *r)
{
	return &sources[(uint32_t)r->tid % SOURCES];
}

static int64_t now(const struct request *r)
{
	struct world *w = store_world(r->fs->store);

	return w->boot_ms(w);
}

static void note_source(const struct request *r, int64_t task, int64_t holder)
{
	*source_of(r) = (struct source){ r->tid, task, holder, now(r) };
}

void lost_source(struct request *r, uint64_t ino)
{
	struct grant g;

	switch (node_of(ino)->row) {
	case ROW_IDEA:
	case ROW_READY_TASK:
	case ROW_BLOCKED_TASK:
	case ROW_DONE_TASK:
		note_source(r, NODE_ID(ino), 0);
		break;
	case ROW_CLAIM:
	case ROW_SESSION_CLAIM:
		if (read_grant(r->db, NODE_ID(ino), &g) > 0)
			note_source(r, g.task, g.session);
		break;
	default:
		break;
	}
}

/* Is this look-up, in SESSION's claims, the second one of a move of TASK? The first
 * counts once. Who looks at his own claim and then loses it has moved nothing. */
static int is_target(const struct request *r, int64_t task, int64_t session)
{
	struct source *s = source_of(r);
	int is = s->at && s->tid == r->tid && s->task == task && s->holder != session &&
		 now(r) - s->at < SOURCE_MS;

	s->at = 0;
	return is;
}

/* Whose claims the directory shows, as far as the loss of NAME goes. */
static int64_t session_in(struct request *r, uint64_t dir, const char *name)
{
	int64_t session = 0;

	switch (node_of(dir)->row) {
	case ROW_SESSION_CLAIMS:
		return NODE_ID(dir);
	case ROW_CLAIMS:
		/* who asks is dear to find out: only for what was lost by anyone */
		if (db_int(r->db, &session, Q(LOST_BY_ANY), T(name)) > 0 && !request_identify(r, 0))
			return r->actor.session;
		return 0;
	default:
		return 0;
	}
}

int lost_lookup(struct request *r, uint64_t dir, const char *name)
{
	int64_t session = session_in(r, dir, name);
	struct grant g;

	if (!session || read_lost(r->db, session, name, &g) <= 0 || is_target(r, g.task, session))
		return -ENOENT;
	(void)request_identify(r, session);
	(void)request_refuse(
		r, ESTALE,
		"stop this work, and touch sessions/ID; to start it again, knowingly: mv ready/TASK claims/",
		"session %s lost %s (%s)", g.holder, name, g.how);
	return -ESTALE;
}
