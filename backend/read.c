#include <stdio.h>
#include <string.h>

#include "backend/clean.h"
#include "backend/field.h"
#include "backend/message.h"
#include "backend/read.h"
#include "backend/text.h"
#include "backend/tx.h"

static void copy(char *to, size_t n, const char *from)
{
	(void)snprintf(to, n, "%s", from);
}

static int task_row(struct rows *r, struct task *out)
{
	int got = rows_next(r);

	if (got <= 0)
		return got;
	out->id = rows_int(r, 0);
	copy(out->name, sizeof(out->name), rows_text(r, 1));
	out->uid = (uint32_t)rows_int(r, 2);
	out->drafter = rows_int(r, 3);
	out->created = rows_int(r, 4);
	out->changed = rows_int(r, 5);
	out->state = (int)rows_int(r, 6);
	out->token = rows_int(r, 7);
	out->unmet = rows_int(r, 8);
	out->conflicts = rows_int(r, 9);
	out->hold = rows_int(r, 10);
	out->column = (int)rows_int(r, 11);
	return 1;
}

int read_task(struct db *db, int64_t id, struct task *out)
{
	AUTO_ROWS *r = db_rows(db, Q(TASK), I(id));

	return task_row(r, out);
}

int read_task_named(struct db *db, const char *name, struct task *out)
{
	AUTO_ROWS *r = db_rows(db, Q(TASK_NAMED), T(name));

	return task_row(r, out);
}

static int session_row(struct rows *r, struct session *out)
{
	int got = rows_next(r);

	if (got <= 0)
		return got;
	out->id = rows_int(r, 0);
	copy(out->name, sizeof(out->name), rows_text(r, 1));
	out->uid = (uint32_t)rows_int(r, 2);
	out->gid = (uint32_t)rows_int(r, 3);
	out->started = rows_int(r, 4);
	out->ended = rows_int(r, 5);
	copy(out->how, sizeof(out->how), rows_text(r, 6));
	out->refusals = rows_int(r, 7);
	return 1;
}

int read_session(struct db *db, int64_t id, struct session *out)
{
	AUTO_ROWS *r = db_rows(db, Q(SESSION), I(id));

	return session_row(r, out);
}

int session_is_imported(const struct session *s)
{
	return strcmp(s->how, "imported") == 0;
}

int read_session_named(struct db *db, const char *name, struct session *out)
{
	AUTO_ROWS *r = db_rows(db, Q(SESSION_NAMED), T(name));

	return session_row(r, out);
}

static int grant_row(struct rows *r, struct grant *out)
{
	int got = rows_next(r);

	if (got <= 0)
		return got;
	out->token = rows_int(r, 0);
	out->task = rows_int(r, 1);
	copy(out->name, sizeof(out->name), rows_text(r, 2));
	out->session = rows_int(r, 3);
	copy(out->holder, sizeof(out->holder), rows_text(r, 4));
	out->uid = (uint32_t)rows_int(r, 5);
	out->pid = (int32_t)rows_int(r, 6);
	out->since = rows_int(r, 7);
	out->ttl = rows_int(r, 8);
	out->ended = rows_int(r, 9);
	copy(out->how, sizeof(out->how), rows_text(r, 10));
	out->expires = rows_int(r, 11);
	out->renewed = rows_int(r, 12);
	out->touched = rows_int(r, 13);
	out->start = rows_int(r, 14);
	copy(out->boot, sizeof(out->boot), rows_text(r, 15));
	out->lock = (int)rows_int(r, 16);
	out->acted = rows_int(r, 17);
	return 1;
}

int lane_row(struct rows *r, struct lane *out)
{
	int got = rows_next(r);
	double limit;

	if (got <= 0)
		return got;
	*out = (struct lane){ .id = rows_int(r, 0), .limit = -1 };
	(void)snprintf(out->name, sizeof(out->name), "%s", rows_text(r, 1));
	(void)snprintf(out->kind, sizeof(out->kind), "%s", rows_text(r, 2));
	if (!number_parse(rows_text(r, 3), &limit))
		out->limit = limit;
	else if (strcmp(out->kind, "daily") == 0)
		out->limit = 1;
	out->share_limit = number_parse(rows_text(r, 4), &limit) ? -1 : limit;
	return 1;
}

static int lane_is_limited(const struct lane *lane)
{
	return lane->limit >= 0 && strcmp(lane->kind, "standing") != 0;
}

/* How much of it is taken, where that is limited. */
static int lane_taken(struct db *db, int64_t wall, struct lane *out)
{
	if (!lane_is_limited(out))
		return 1;
	out->held = db_get(db, 0, Q(LANE_HELD_COUNT), T(out->name));
	if (strcmp(out->kind, "daily") == 0)
		out->today = db_get(db, 0, Q(LANE_TODAY_COUNT), T(out->name), I(day_start(wall)));
	return db_error(db) ? db_error(db) : 1;
}

int read_lane_of(struct db *db, int64_t task, int64_t wall, struct lane *out)
{
	AUTO_ROWS *r = db_rows(db, Q(LANE_OF), I(task), I(THING_LANE));
	int got = lane_row(r, out);

	return got <= 0 ? got : lane_taken(db, wall, out);
}

int read_lane_named(struct db *db, const char *name, int64_t wall, struct lane *out)
{
	AUTO_ROWS *r = db_rows(db, Q(LANE_NAMED), T(name), I(THING_LANE));
	int got = lane_row(r, out);

	if (got)
		return got < 0 ? got : lane_taken(db, wall, out);
	*out = (struct lane){ .kind = "once", .limit = -1, .share_limit = -1 };
	copy(out->name, sizeof(out->name), name);
	return 1;
}

int lane_is_full(const struct lane *lane)
{
	int64_t taken = lane->held;

	if (strcmp(lane->kind, "daily") == 0)
		taken += lane->today;
	return lane_is_limited(lane) && (double)taken >= lane->limit;
}

int read_grant(struct db *db, int64_t token, struct grant *out)
{
	AUTO_ROWS *r = db_rows(db, Q(GRANT), I(token));

	return grant_row(r, out);
}

int grant_is_lost(const struct grant *g)
{
	return strcmp(g->how, "finished") != 0 && strcmp(g->how, "released") != 0 &&
	       strcmp(g->how, "handed") != 0;
}

static int thing_row(struct rows *r, struct thing *out)
{
	int got = rows_next(r);

	if (got <= 0)
		return got;
	out->id = rows_int(r, 0);
	out->kind = (enum thing_kind)rows_int(r, 1);
	copy(out->name, sizeof(out->name), rows_text(r, 2));
	out->uid = (uint32_t)rows_int(r, 3);
	return 1;
}

int read_thing(struct db *db, int64_t id, struct thing *out)
{
	AUTO_ROWS *r = db_rows(db, Q(THING), I(id));

	return thing_row(r, out);
}

int read_thing_named(struct db *db, enum thing_kind kind, const char *name, struct thing *out)
{
	AUTO_ROWS *r = db_rows(db, Q(THING_NAMED), I(kind), T(name));

	return thing_row(r, out);
}

int mutex_row(struct rows *r, struct mutex *out)
{
	int got = rows_next(r);

	if (got <= 0)
		return got;
	out->token = rows_int(r, 0);
	copy(out->name, sizeof(out->name), rows_text(r, 1));
	out->shared = (int)rows_int(r, 2);
	out->session = rows_int(r, 3);
	copy(out->holder, sizeof(out->holder), rows_text(r, 4));
	out->uid = (uint32_t)rows_int(r, 5);
	out->pid = (int32_t)rows_int(r, 6);
	out->start = rows_int(r, 7);
	copy(out->boot, sizeof(out->boot), rows_text(r, 8));
	out->since = rows_int(r, 9);
	out->expires = rows_int(r, 10);
	out->acted = rows_int(r, 11);
	return 1;
}

int read_mutex(struct db *db, int64_t token, struct mutex *out)
{
	AUTO_ROWS *r = db_rows(db, Q(LOCK), I(token));

	return mutex_row(r, out);
}

int read_lost(struct db *db, int64_t session, const char *name, struct grant *out)
{
	int64_t token = 0;
	int got = db_int(db, &token, Q(GRANT_LOST), I(session), T(name));

	return got > 0 ? read_grant(db, token, out) : got;
}

int read_finished(struct db *db, int64_t task, struct grant *out, int64_t *at)
{
	int64_t token = 0;
	int got = db_int(db, &token, Q(FINISHED_TOKEN), I(task));

	if (got <= 0)
		return got;
	*at = db_get(db, 0, Q(FINISHED_AT), I(task));
	memset(out, 0, sizeof(*out));
	copy(out->holder, sizeof(out->holder), "-");
	return token ? read_grant(db, token, out) : 1;
}

const struct limit_row limit_rows[LIMIT_COUNT] = {
	[LIMIT_SESSION_CLAIMS] = { "session-claims", 64, 1000000 },
	[LIMIT_UID_CLAIMS] = { "uid-claims", 1000, 10000000 },
	[LIMIT_CLAIM_ARTIFACTS] = { "claim-artifacts", 1024, 1024 },
	[LIMIT_WIDE_ARTIFACTS] = { "wide-artifacts", 16, 1024 },
	[LIMIT_UID_MUTEXES] = { "uid-mutexes", 1000, 1000000 },
	[LIMIT_UID_WAITERS] = { "uid-waiters", 4096, 100000 },
	[LIMIT_SESSION_MESSAGES] = { "session-messages", 100, MESSAGES_OF_SENDER },
	[LIMIT_UID_MESSAGES] = { "uid-messages", MESSAGES_OF_UID, MESSAGES_OF_UID },
};

int64_t read_limit(struct db *db, enum limit which)
{
	AUTO_FREE char *text = tx_attr(db, 0, "limits");
	const char *name = limit_rows[which].name;
	size_t len = strlen(name);
	int64_t value = limit_rows[which].dflt;
	struct lines l = { text, text ? text + strlen(text) : text };
	const char *line;
	size_t n;

	while (text && lines_next(&l, &line, &n)) {
		char number[32];

		if (n <= len + 1 || n - len > sizeof(number) || strncmp(line, name, len) != 0 ||
		    line[len] != ' ')
			continue;
		(void)snprintf(number, sizeof(number), "%.*s", (int)(n - len - 1), line + len + 1);
		(void)int_parse(number, 0, limit_rows[which].max, &value);
	}
	return value;
}

int64_t read_lease(struct db *db)
{
	return field_duration(db, THING_CONTROL, 0, "lease");
}

int64_t read_lease_max(struct db *db)
{
	return field_duration(db, THING_CONTROL, 0, "lease-max");
}
