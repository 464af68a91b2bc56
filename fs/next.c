/* next: the best task for the caller, and why; and the settings of that choice. */
#include "backend/select.h"
#include "fs/dirs.h"

/* The session that asks: by path, or whoever the caller is; 0: nobody. */
static int64_t asker(struct request *r, int64_t id)
{
	int64_t session = node_session(r, r->node, id);

	if (!session) {
		(void)request_identify(r, 0);
		session = r->actor.session;
	}
	return session;
}

/* A choice is one of a second, so that its size is that of what is read then. */
static int64_t second(struct request *r)
{
	struct world *world = store_world(r->fs->store);

	return world->wall_ms(world) / 1000;
}

/* What a probe said may open a lane, and is no event. */
static int64_t stamp(struct request *r)
{
	return second(r) << 24 ^ db_get(r->db, 0, Q(RUN_NEWEST));
}

static int choose(struct request *r, int64_t session, struct session *s, struct selection *out)
{
	int got = session ? read_session(r->db, session, s) : 0;

	return got < 0 ? got : select_next(r->db, got ? s : NULL, second(r) * 1000, out);
}

static int render_next(struct request *r, int64_t session, struct buf *out)
{
	struct selection choice = { .drawn = -1 };
	struct session s;
	int err = choose(r, session, &s, &choice);

	if (!err && choice.pick)
		buf_line(out, "%s", choice.pick->name);
	select_release(&choice);
	return err;
}

static int render_why(struct request *r, int64_t session, struct buf *out)
{
	struct selection choice = { .drawn = -1 };
	struct session s;
	int err = choose(r, session, &s, &choice);

	if (!err)
		err = select_explain(r->db, &choice, out);
	select_release(&choice);
	return err;
}

int next_show(struct request *r, int64_t id, struct buf *out)
{
	int64_t session = asker(r, id);

	return shown_again(r, &r->fs->next, session + 1, stamp(r), session, render_next, out);
}

int next_why_show(struct request *r, int64_t id, struct buf *out)
{
	int64_t session = asker(r, id);

	return shown_again(r, &r->fs->next_why, session + 1, stamp(r), session, render_why, out);
}

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
