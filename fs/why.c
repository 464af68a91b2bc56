/*
 * why: the last refusals in words, by session and by (uid, process that asks).
 * Who asks may be a command, and then the shell that started it reads `why`
 * through another one; or the shell itself (`echo x > f`). So a refusal is
 * kept for the process and for its parent.
 * Memory of the daemon; a session's is also kept with the session.
 */
#include <errno.h>
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
	int32_t shell; /* parent of who reads `why` */
};

struct why {
	struct why_key key;
	char *text;
	UT_hash_handle hh;
};

struct why_table {
	struct why *all;
};

struct why_table *why_new(void)
{
	return calloc(1, sizeof(struct why_table));
}

static void why_drop(struct why_table *t, struct why *w)
{
	HASH_DEL(t->all, w); /* NOLINT(clang-analyzer-unix.Malloc) */
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

static void why_put(struct why_table *t, const struct why_key *key, const char *text)
{
	struct why *w = NULL;

	HASH_FIND(hh, t->all, key, sizeof(*key), w);
	if (w)
		why_drop(t, w);
	if (HASH_COUNT(t->all) >= WHY_MAX)
		why_drop(t, t->all); /* the oldest: uthash keeps the order of adding */
	w = calloc(1, sizeof(*w));
	if (!w)
		return;
	w->key = *key;
	w->text = strdup(text);
	HASH_ADD(hh, t->all, key, sizeof(w->key), w);
}

void request_note(struct request *r, int err, const struct buf *why)
{
	struct world *world = store_world(r->fs->store);
	AUTO_BUF struct buf text = BUF_INIT;
	struct why_key key;
	char when[TIME_TEXT];

	memset(&key, 0, sizeof(key));
	buf_line(&text, "%s %s %s", time_text(world->wall_ms(world), when), errno_text(err), r->op);
	if (why && why->n)
		buf_str(&text, buf_text(why));
	else
		buf_line(&text, "%s\nnext: see docs/tree.md, or README here", strerror(abs(err)));
	if (text.err)
		return;
	if (r->actor.session) {
		key.session = r->actor.session;
		why_put(r->fs->why, &key, buf_text(&text));
	}
	key.session = 0;
	key.uid = r->uid;
	key.shell = r->parent;
	why_put(r->fs->why, &key, buf_text(&text));
	key.shell = r->actor.pid;
	why_put(r->fs->why, &key, buf_text(&text));
}

void request_why(struct request *r, int64_t session, struct buf *out)
{
	AUTO_FREE char *kept = NULL;
	struct why_key key;
	struct why *w = NULL;

	memset(&key, 0, sizeof(key));
	key.session = session;
	if (!session) {
		key.uid = r->uid;
		key.shell = r->parent;
	}
	HASH_FIND(hh, r->fs->why->all, &key, sizeof(key), w);
	if (w && w->text)
		buf_str(out, w->text);
	else if (session && (kept = db_text(r->db, Q(SESSION_WHY), I(session))) && *kept)
		buf_str(out, kept);
	else
		buf_line(out, "nothing was refused");
}
