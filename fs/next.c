/* next: the best task for the caller, and why; and the settings of that choice. */
#include "backend/select.h"
#include "fs/dirs.h"

/* The session that asks: by path, or whoever the caller is. 1, 0: nobody; -errno. */
static int asker(struct request *r, int64_t id, struct session *out)
{
	int64_t session = node_session(r, r->node, id);

	if (!session) {
		(void)request_identify(r, 0);
		session = r->actor.session;
	}
	return session ? read_session(r->db, session, out) : 0;
}

static int choose(struct request *r, int64_t id, struct session *s, struct selection *out)
{
	struct world *world = store_world(r->fs->store);
	int got = asker(r, id, s);

	return got < 0 ? got : select_next(r->db, got ? s : NULL, world->wall_ms(world), out);
}

int next_show(struct request *r, int64_t id, struct buf *out)
{
	struct selection choice = { .drawn = -1 };
	struct session s;
	int err = choose(r, id, &s, &choice);

	if (!err && choice.pick)
		buf_line(out, "%s", choice.pick->name);
	select_release(&choice);
	return err;
}

int next_why_show(struct request *r, int64_t id, struct buf *out)
{
	struct selection choice = { .drawn = -1 };
	struct session s;
	int err = choose(r, id, &s, &choice);

	if (!err)
		err = select_explain(r->db, &choice, out);
	select_release(&choice);
	return err;
}

/* --- control/select --- */

#define SETTING(r, n) SETTING_OF("select", r, n)

const struct node select_rows[] = {
	SETTING(ROW_SELECT_HALF_LIFE, "half-life"),
	SETTING(ROW_SELECT_EXPLORE, "explore"),
	SETTING(ROW_SELECT_RECENCY, "recency"),
	SETTING(ROW_SELECT_RECENCY_HALF_LIFE, "recency-half-life"),
	SETTING(ROW_SELECT_MONOTONY, "monotony"),
	SETTING(ROW_SELECT_FAMILY, "family"),
	SETTING(ROW_SELECT_SHARE, "share"),
	SETTING(ROW_SELECT_WINDOW, "window"),
	SETTING(ROW_SELECT_ASKING, "asking"),
	SETTING(ROW_SELECT_CALM, "calm"),
	SETTING(ROW_SELECT_REFUSED, "refused"),
	END,
};
