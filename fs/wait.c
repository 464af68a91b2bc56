#include <string.h>

#include <utlist.h>

#include "backend/read.h"
#include "backend/text.h"
#include "fs/wait.h"

#define SHOWN 16 /* waiters named in a claim */

void wait_begin(struct fs *fs, struct waiter *w, struct change *c)
{
	struct world *world = store_world(fs->store);

	w->change = c;
	w->since = world->wall_ms(world);
	DL_APPEND(fs->waiters, w);
}

void wait_end(struct fs *fs, struct waiter *w)
{
	if (!w->change)
		return;
	DL_DELETE(fs->waiters, w);
	w->change = NULL;
}

/* Does it wait for the grant TOKEN, or, if that is 0, for the mutex NAME? */
static int is_for(const struct waiter *w, int64_t token, const char *name)
{
	int64_t blocker = w->change->blocker;

	if (!blocker)
		return 0; /* not decided yet, or not in line any more */
	return token ? blocker == token : strcmp(w->change->name, name) == 0;
}

static void show_one(struct request *r, const struct waiter *w, struct buf *out)
{
	const struct actor *a = &w->change->actor;
	struct session s = { .name = "-" };
	char when[TIME_TEXT];

	if (a->session)
		(void)read_session(r->db, a->session, &s);
	buf_line(out, "waiter %s pid %d since %s for %s", s.name, a->pid, time_text(w->since, when),
		 w->change->name);
}

static void show(struct request *r, int64_t token, const char *name, struct buf *out)
{
	const struct waiter *w;
	int n = 0, shown = 0;

	DL_FOREACH(r->fs->waiters, w)
		n += is_for(w, token, name);
	buf_line(out, "waiters %d", n);
	DL_FOREACH(r->fs->waiters, w)
		if (shown < SHOWN && is_for(w, token, name)) {
			show_one(r, w, out);
			shown++;
		}
}

void wait_show(struct request *r, int64_t token, struct buf *out)
{
	show(r, token, NULL, out);
}

void wait_show_name(struct request *r, const char *name, struct buf *out)
{
	show(r, 0, name, out);
}
