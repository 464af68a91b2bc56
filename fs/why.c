/*
 * why: the last refusals in words, by session and by (uid, process): that of
 * the asker's parent, so that a shell's next command finds it, and its own,
 * for what a shell does itself. Memory of the daemon; a session's is also kept
 * with the session.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <uthash.h>

#include "backend/clean.h"
#include "backend/log.h"
#include "backend/text.h"
#include "fs/request.h"

#define WHY_MAX 4096 /* askers remembered */

struct why_key {
	int64_t session;
	uint32_t uid;
	int32_t pid;
};

struct why {
	struct why_key key;
	char *text;
	int64_t turn; /* of two, the later is the greater */
	int64_t seq;  /* the last event by then */
	UT_hash_handle hh;
};

struct why_table {
	struct why *all;
	int64_t turn;
};

struct why_table *why_new(void)
{
	return calloc(1, sizeof(struct why_table));
}

static void why_drop(struct why_table *t, struct why *w)
{
	HASH_DEL(t->all, w); /* NOLINT(clang-analyzer-*): W is in the table */
	free(w->text);
	free(w);
}

void why_free(struct why_table *t)
{
	struct why *w, *next;

	if (!t)
		return;
	for (w = t->all; w; w = next) {
		next = w->hh.next;
		why_drop(t, w);
	}
	free(t);
}

/* A key has no padding: it is hashed and compared as bytes. */
static struct why_key key_of(int64_t session, uint32_t uid, int32_t pid)
{
	return (struct why_key){ session, session ? 0 : uid, session ? 0 : pid };
}

static struct why *why_find(const struct why_table *t, struct why_key key)
{
	struct why *w = NULL;

	HASH_FIND(hh, t->all, &key, sizeof(key), w);
	return w;
}

static void why_put(struct why_table *t, struct why_key key, const char *text, int64_t seq)
{
	struct why *w = why_find(t, key);

	if (w)
		why_drop(t, w);
	if (HASH_COUNT(t->all) >= WHY_MAX)
		why_drop(t, t->all); /* the oldest: uthash keeps the order of adding */
	w = calloc(1, sizeof(*w));
	if (!w)
		return;
	w->key = key;
	w->text = strdup(text);
	w->turn = ++t->turn;
	w->seq = seq;
	HASH_ADD(hh, t->all, key, sizeof(w->key), w);
}

static void note(struct request *r, const char *word, const char *why)
{
	struct world *world = store_world(r->fs->store);
	AUTO_BUF struct buf text = BUF_INIT;
	int64_t seq = store_seq(r->fs->store);
	char when[TIME_TEXT];

	buf_line(&text, "%s %s %s", time_text(world->wall_ms(world), when), word, r->op);
	buf_str(&text, why);
	if (text.err)
		return;
	if (r->actor.session)
		why_put(r->fs->why, key_of(r->actor.session, 0, 0), buf_text(&text), seq);
	why_put(r->fs->why, key_of(0, r->uid, r->parent), buf_text(&text), seq);
	if (r->actor.pid)
		why_put(r->fs->why, key_of(0, r->uid, r->actor.pid), buf_text(&text), seq);
}

void request_note(struct request *r, int err, const struct buf *why)
{
	char plain[160];

	(void)snprintf(plain, sizeof(plain), "%s\nnext: see docs/tree.md, or README here\n",
		       strerror(abs(err)));
	note(r, errno_text(err), why && why->n ? buf_text(why) : plain);
}

void request_warn(struct request *r, const struct buf *why)
{
	note(r, "WARNING", buf_text(why));
}

/* What was refused to a child of r's parent, or of r's process, or to itself: the last. */
static const struct why *find_without_session(struct request *r)
{
	const struct why *w = why_find(r->fs->why, key_of(0, r->uid, r->parent)), *own = NULL;

	if (r->actor.pid)
		own = why_find(r->fs->why, key_of(0, r->uid, r->actor.pid));
	return own && (!w || own->turn > w->turn) ? own : w;
}

void request_why(struct request *r, int64_t session, struct buf *out)
{
	AUTO_FREE char *kept = NULL;
	const struct why *w = session ? why_find(r->fs->why, key_of(session, 0, 0)) :
					find_without_session(r);

	/* what the session was told of by itself may have come since */
	if (w && w->text &&
	    (!session || w->seq >= db_get(r->db, 0, Q(SESSION_TOLD_AT), I(session))))
		buf_str(out, w->text);
	else if (session && (kept = db_text(r->db, Q(SESSION_WHY), I(session))) && *kept)
		buf_str(out, kept);
	else
		buf_line(out, "nothing was refused");
}
