#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <jansson.h>

#include "backend/clean.h"
#include "backend/offline.h"
#include "backend/schema.h"
#include "backend/store.h"
#include "backend/tx.h"

/* --- hash --- */

static uint64_t hash_rows(struct db *db, enum sql id, uint64_t h)
{
	struct bind q[] = { { .type = 'q', .i = id }, { .type = 0 } };
	AUTO_ROWS *r = db_rows_bound(db, q);

	while (rows_next(r) > 0) {
		for (const char *p = rows_text(r, 0); *p; p++)
			h = (h ^ (unsigned char)*p) * 1099511628211u;
		h = (h ^ '\n') * 1099511628211u;
	}
	return h;
}

static const struct {
	const char *name;
	enum sql rows;
} dumps[] = {
	{ "tasks", SQL_DUMP_TASKS },
	{ "finished", SQL_DUMP_FINISHED },
	{ "attrs", SQL_DUMP_ATTRS },
	{ "needs", SQL_DUMP_NEEDS },
	{ "artifacts", SQL_DUMP_ARTIFACTS },
	{ "sessions", SQL_DUMP_SESSIONS },
	{ "members", SQL_DUMP_MEMBERS },
	{ "grants", SQL_DUMP_GRANTS },
	{ "things", SQL_DUMP_THINGS },
	{ "anchors", SQL_DUMP_ANCHORS },
	{ "locks", SQL_DUMP_LOCKS },
	{ "commits", SQL_DUMP_COMMITS },
	{ "journal", SQL_DUMP_JOURNAL },
	{ "refusals", SQL_DUMP_REFUSALS },
	{ "grades", SQL_DUMP_GRADES },
	{ "lines", SQL_DUMP_LINES },
	{ "reverts", SQL_DUMP_REVERTS },
	{ "messages", SQL_DUMP_MESSAGES },
	{ "days", SQL_DUMP_DAYS },
	{ "tags", SQL_DUMP_TAGS },
	{ "titles", SQL_DUMP_TITLES },
	{ "title_words", SQL_DUMP_TITLE_WORDS },
	{ "duplicates", SQL_DUMP_DUPLICATES },
	{ "marks", SQL_DUMP_MARKS },
	{ "rewards", SQL_DUMP_REWARDS },
	{ "arms", SQL_DUMP_ARMS },
	{ "picks", SQL_DUMP_PICKS },
	{ "actions", SQL_DUMP_ACTIONS },
	{ "action_log", SQL_DUMP_ACTION_LOG },
	{ "contexts", SQL_DUMP_CONTEXTS },
	{ "context_sums", SQL_DUMP_CONTEXT_SUMS },
	{ "firings", SQL_DUMP_FIRINGS },
	{ "effects", SQL_DUMP_EFFECTS },
	{ "lessons", SQL_DUMP_LESSONS },
	{ "keywords", SQL_DUMP_KEYWORDS },
	{ "bases", SQL_DUMP_BASES },
	{ "commit_paths", SQL_DUMP_COMMIT_PATHS },
	{ "commit_holders", SQL_DUMP_COMMIT_HOLDERS },
	{ "incidents", SQL_DUMP_INCIDENTS },
	{ "incident_commits", SQL_DUMP_INCIDENT_COMMITS },
};
#define DUMPS (sizeof(dumps) / sizeof(dumps[0]))

int offline_hash(struct db *db, char out[17])
{
	uint64_t h = 14695981039346656037u;

	for (size_t i = 0; i < DUMPS; i++)
		h = hash_rows(db, dumps[i].rows, h);
	(void)snprintf(out, 17, "%016llx", (unsigned long long)h);
	return 0;
}

/* --- replay --- */

static int replay_line(struct tx *tx, const char *line)
{
	json_t *e = json_loads(line, 0, NULL);
	int err;

	if (!e)
		return -EBADMSG;
	tx->wall = event_int(e, "at");
	err = project_event(tx, e);
	json_decref(e);
	return err;
}

static int copy_event(struct tx *tx, struct rows *r)
{
	return db_run(tx->db, Q(EVENT_COPY), I(rows_int(r, 0)), I(rows_int(r, 1)),
		      I(rows_int(r, 2)), T(rows_text(r, 3)));
}

/* Every event of FROM into the empty TO, in order. */
static int replay_into(struct db *from, struct db *to, struct buf *says)
{
	struct tx tx = { .db = to };
	AUTO_ROWS *r = db_rows(from, Q(EVENTS_ALL));
	int got, err = 0;

	while (!err && (got = rows_next(r)) > 0) {
		err = copy_event(&tx, r);
		if (!err)
			err = replay_line(&tx, rows_text(r, 3));
		if (err)
			buf_line(says, "event %lld cannot be replayed: %s",
				 (long long)rows_int(r, 0), strerror(-err));
	}
	return err ? err : got;
}

static int replay_new(struct db *from, const char *path, struct db **out, struct buf *says)
{
	struct db *to = NULL;
	int err = db_open(path, DB_WRITE, NULL, &to);

	if (!err)
		err = schema_migrate(to);
	if (!err)
		err = db_run(to, Q(BEGIN_WRITE));
	if (!err)
		err = replay_into(from, to, says);
	if (!err)
		err = db_run(to, Q(COMMIT));
	if (err)
		db_close(to);
	else
		*out = to;
	return err;
}

/* Is there a store in DIR, and can this program read it? Its database's PATH. */
static int find_store(const char *dir, char *path, size_t n, struct buf *says)
{
	int got;

	store_path(dir, path, n);
	got = schema_look(path, NULL);
	if (got > 0)
		return 0;
	got = got ? got : -ENOENT;
	store_says(path, got, says);
	return got;
}

static int open_store(const char *dir, struct db **out, struct buf *says)
{
	char path[4200];
	int64_t version = 0;
	int err = find_store(dir, path, sizeof(path), says);

	if (err)
		return err;
	err = db_open(path, DB_READ, NULL, out);
	if (err) {
		store_says(path, err, says);
		return err;
	}
	err = db_int(*out, &version, Q(USER_VERSION));
	if (err < 0 || version != schema_newest()) {
		buf_line(says, "%s: schema %lld, this program knows %d", path, (long long)version,
			 schema_newest());
		db_close(*out);
		*out = NULL;
		return err < 0 ? err : -EPROTONOSUPPORT;
	}
	err = db_run(*out, Q(BEGIN_READ));
	return err;
}

/* Which tables differ, for whoever has to find out why. */
static void say_difference(struct db *a, struct db *b, struct buf *says)
{
	for (size_t i = 0; i < DUMPS; i++)
		if (hash_rows(a, dumps[i].rows, 1) != hash_rows(b, dumps[i].rows, 1))
			buf_line(says, "table %s does not follow from the events", dumps[i].name);
}

static int compare(struct db *db, const char *to, struct buf *says)
{
	char is[17], should[17];
	struct db *again = NULL;
	int err = replay_new(db, to ? to : ":memory:", &again, says);

	if (err)
		return err;
	(void)offline_hash(db, is);
	(void)offline_hash(again, should);
	buf_line(says, "store  %s", is);
	buf_line(says, "replay %s", should);
	err = strcmp(is, should) != 0;
	if (err)
		say_difference(db, again, says);
	db_close(again);
	return err;
}

int offline_replay(const char *dir, const char *to, struct buf *says)
{
	struct db *db = NULL;
	int err = to && access(to, F_OK) == 0 ? -EEXIST : open_store(dir, &db, says);

	if (err == -EEXIST)
		buf_line(says, "%s exists", to);
	if (!err)
		err = compare(db, to, says);
	db_close(db);
	return err;
}

/* --- check --- */

static const struct {
	enum sql rows;
	const char *says;
} checks[] = {
	{ SQL_CHECK_TOKENS, "tasks whose token is no live grant of theirs" },
	{ SQL_CHECK_GRANTS, "live grants whose task does not know them" },
	{ SQL_CHECK_HELD, "held artifacts that are not their claim's, or missing from it" },
	{ SQL_CHECK_COUNTS, "counts of live claims that are wrong" },
	{ SQL_CHECK_LIVE, "artifacts whose state is not their task's" },
	{ SQL_CHECK_UNMET, "tasks whose count of unmet needs is wrong" },
	{ SQL_CHECK_OVERLAP, "pairs of live artifacts of different tasks that overlap" },
	{ SQL_CHECK_CONFLICTS, "tasks whose count of conflicts is wrong" },
};

static int check_tables(struct db *db, struct buf *says)
{
	int found = 0;

	for (size_t i = 0; i < sizeof(checks) / sizeof(checks[0]); i++) {
		struct bind q[] = { { .type = 'q', .i = checks[i].rows }, { .type = 0 } };
		int64_t n = db_get_bound(db, -1, q);

		if (!n)
			continue;
		buf_line(says, "%lld %s", (long long)n, checks[i].says);
		found++;
	}
	return found;
}

/* The events themselves: everything else follows from them. */
static int check_events(struct db *db, struct buf *says)
{
	int64_t at = 0;
	int gap = db_int(db, &at, Q(EVENTS_GAP)), odd;

	if (gap > 0)
		buf_line(says, "events: a gap before %lld", (long long)at);
	odd = gap ? 0 : db_int(db, &at, Q(EVENTS_ODD));
	if (odd > 0)
		buf_line(says, "events: %lld is not the event that was written", (long long)at);
	if (gap < 0 || odd < 0)
		buf_line(says, "events: unreadable: %s", db_message(db));
	return gap || odd;
}

int offline_check(const char *dir, struct buf *says)
{
	AUTO_FREE char *broken = NULL;
	AUTO_BUF struct buf replay = BUF_INIT;
	struct db *db = NULL;
	int found = 0, got, err = open_store(dir, &db, says);

	if (err)
		return err;
	if (db_integrity(db, &broken)) {
		buf_line(says, "database: %s", broken ? broken : "unreadable");
		found++;
	}
	found += check_events(db, says);
	found += check_tables(db, says);
	got = compare(db, NULL, &replay);
	if (got) {
		buf_str(says, buf_text(&replay));
		found++;
	}
	db_close(db);
	return found;
}

int offline_backup(const char *dir, const char *file, struct buf *says)
{
	struct db *db = NULL, *copy = NULL;
	int err = access(file, F_OK) == 0 ? -EEXIST : open_store(dir, &db, says);

	if (err == -EEXIST)
		buf_line(says, "%s exists", file);
	if (err)
		return err;
	(void)db_run(db, Q(COMMIT)); /* VACUUM INTO takes its own snapshot */
	(void)umask(077);
	err = db_copy(db, file);
	if (err) {
		buf_line(says, "%s: %s (%s)", file, strerror(-err), db_message(db));
		(void)unlink(file);
	}
	db_close(db);
	if (err)
		return err;
	err = db_open(file, DB_WRITE, NULL, &copy);
	if (!err)
		err = db_run(copy, Q(META_SET), T("copy"), T("1"));
	db_close(copy);
	if (err) { /* a copy that does not know it is one would issue tokens again */
		buf_line(says, "%s: %s", file, strerror(-err));
		(void)unlink(file);
	}
	return err;
}

/* The tables anew, in one transaction; leases start over with their full length. */
static int rebuild(struct db *db, struct db *again, struct buf *says)
{
	struct tx tx = { .db = db };
	AUTO_ROWS *r = NULL;
	int got = 0, err = schema_clear(db);

	r = db_rows(again, Q(EVENTS_ALL));
	while (!err && (got = rows_next(r)) > 0) {
		err = copy_event(&tx, r);
		if (!err)
			err = replay_line(&tx, rows_text(r, 3));
	}
	if (!err && got < 0)
		err = got;
	if (err)
		buf_line(says, "rebuilding failed: %s; nothing was changed", strerror(-err));
	return err;
}

static int repair_locked(const char *path, struct buf *says)
{
	struct db *db = NULL, *again = NULL;
	int err = db_open(path, DB_WRITE, NULL, &db);

	if (!err)
		err = schema_migrate(db);
	if (!err && check_events(db, says)) {
		buf_line(says, "what follows from them would be wrong: put a copy in its place");
		err = -EBADMSG;
	}
	if (!err)
		err = replay_new(db, ":memory:", &again, says);
	if (!err)
		err = db_run(db, Q(BEGIN_WRITE));
	if (!err)
		err = rebuild(db, again, says);
	if (!err)
		err = db_run(db, Q(COMMIT));
	else if (db && db_in_transaction(db))
		(void)db_run(db, Q(ROLLBACK));
	db_close(again);
	db_close(db);
	return err;
}

int offline_repair(const char *dir, struct buf *says)
{
	AUTO_CLOSE int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	char path[4200];
	int err;

	if (fd < 0)
		return -errno;
	if (flock(fd, LOCK_EX | LOCK_NB)) {
		buf_line(says, "%s is in use: unmount it first", dir);
		return -EBUSY;
	}
	err = find_store(dir, path, sizeof(path), says);
	return err ? err : repair_locked(path, says);
}
