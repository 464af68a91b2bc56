/*
 * Ids of things (tasks, sessions, grants, probes) are the number of the event
 * that made them: never used twice, the same after a replay.
 */
#include <errno.h>
#include <stdio.h>

#include "backend/schema.h"
#include "backend/sqlite.h"

/*
 * board.col is the one predicate: which column a task stands in.
 * 0 none (cancelled), 1 ideas, 2 ready, 3 blocked, 4 claims, 5 done.
 */
static const char version_1[] =
	"CREATE TABLE meta(key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;"
	/* The truth. finish: the byte behind the line in the file `events`. */
	"CREATE TABLE events(seq INTEGER PRIMARY KEY, finish INTEGER NOT NULL,"
	" task INTEGER NOT NULL, line TEXT NOT NULL) STRICT;"
	"CREATE INDEX events_task ON events(task, seq) WHERE task > 0;"
	/* Projections of the events. */
	"CREATE TABLE tasks(id INTEGER PRIMARY KEY, name TEXT NOT NULL, uid INTEGER NOT NULL,"
	" drafter INTEGER NOT NULL, created INTEGER NOT NULL, changed INTEGER NOT NULL,"
	" gone INTEGER NOT NULL DEFAULT 0) STRICT;"
	"CREATE UNIQUE INDEX tasks_name ON tasks(name) WHERE gone = 0;"
	"CREATE TABLE board(task INTEGER PRIMARY KEY, state INTEGER NOT NULL DEFAULT 0,"
	" token INTEGER NOT NULL DEFAULT 0, unmet INTEGER NOT NULL DEFAULT 0,"
	" conflicts INTEGER NOT NULL DEFAULT 0, hold INTEGER NOT NULL DEFAULT 0,"
	" col INTEGER GENERATED ALWAYS AS (CASE"
	"  WHEN state = 3 THEN 0 WHEN state = 2 THEN 5 WHEN state = 0 THEN 1"
	"  WHEN token > 0 THEN 4 WHEN unmet = 0 AND conflicts = 0 AND hold = 0 THEN 2"
	"  ELSE 3 END) VIRTUAL) STRICT;"
	"CREATE INDEX board_col ON board(col, task);"
	"CREATE TABLE finished(task INTEGER PRIMARY KEY, token INTEGER NOT NULL,"
	" session INTEGER NOT NULL, at INTEGER NOT NULL, due INTEGER NOT NULL) STRICT;"
	"CREATE INDEX finished_at ON finished(at);"
	"CREATE INDEX finished_due ON finished(due) WHERE due > 0;"
	"CREATE TABLE attrs(thing INTEGER NOT NULL, name TEXT NOT NULL, value TEXT NOT NULL,"
	" changed INTEGER NOT NULL, PRIMARY KEY(thing, name)) STRICT, WITHOUT ROWID;"
	"CREATE TABLE needs(task INTEGER NOT NULL, need TEXT NOT NULL, pos INTEGER NOT NULL,"
	" PRIMARY KEY(task, need)) STRICT, WITHOUT ROWID;"
	"CREATE INDEX needs_need ON needs(need, task);"
	/* live: 0 of a finished or cancelled task, 1 wanted; held: those of claims. */
	"CREATE TABLE artifacts(task INTEGER NOT NULL, name TEXT NOT NULL, stem TEXT NOT NULL,"
	" pos INTEGER NOT NULL, live INTEGER NOT NULL,"
	" PRIMARY KEY(task, name)) STRICT, WITHOUT ROWID;"
	"CREATE INDEX artifacts_wanted ON artifacts(stem, task, name) WHERE live > 0;"
	"CREATE TABLE held(stem TEXT NOT NULL, task INTEGER NOT NULL, name TEXT NOT NULL,"
	" PRIMARY KEY(stem, task, name)) STRICT, WITHOUT ROWID;"
	"CREATE TABLE sessions(id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE,"
	" uid INTEGER NOT NULL, gid INTEGER NOT NULL, started INTEGER NOT NULL,"
	" ended INTEGER NOT NULL DEFAULT 0, how TEXT NOT NULL DEFAULT '',"
	" refusals INTEGER NOT NULL DEFAULT 0, why TEXT NOT NULL DEFAULT '') STRICT;"
	"CREATE INDEX sessions_ended ON sessions(ended, id);"
	"CREATE TABLE members(pid INTEGER NOT NULL, start INTEGER NOT NULL, boot TEXT NOT NULL,"
	" session INTEGER NOT NULL, PRIMARY KEY(pid, start, boot)) STRICT, WITHOUT ROWID;"
	"CREATE INDEX members_session ON members(session);"
	/*
	 * Every grant there ever was; ended 0: live. expires, renewed (ms since
	 * boot) and touched are what only renewals move: no part of the history.
	 */
	"CREATE TABLE grants(token INTEGER PRIMARY KEY, task INTEGER NOT NULL, name TEXT NOT NULL,"
	" session INTEGER NOT NULL, uid INTEGER NOT NULL, pid INTEGER NOT NULL,"
	" since INTEGER NOT NULL, ttl INTEGER NOT NULL, ended INTEGER NOT NULL DEFAULT 0,"
	" finish INTEGER NOT NULL DEFAULT 0, how TEXT NOT NULL DEFAULT '',"
	" reported INTEGER NOT NULL DEFAULT 0, superseded INTEGER NOT NULL DEFAULT 0,"
	" expires INTEGER NOT NULL, renewed INTEGER NOT NULL, touched INTEGER NOT NULL) STRICT;"
	"CREATE UNIQUE INDEX grants_live ON grants(name) WHERE ended = 0;"
	"CREATE INDEX grants_held ON grants(uid, session, token) WHERE ended = 0;"
	"CREATE INDEX grants_expires ON grants(expires) WHERE ended = 0;"
	"CREATE INDEX grants_finished ON grants(session, name, token) WHERE how = 'finished';"
	"CREATE INDEX grants_lost ON grants(name, session) WHERE how IN ('expired', 'broken');"
	"CREATE INDEX grants_unreported ON grants(session, token)"
	" WHERE how IN ('expired', 'broken') AND reported = 0;"
	/* Live claims of a session, and (session 0) of all of a uid: for the limits. */
	"CREATE TABLE counts(uid INTEGER NOT NULL, session INTEGER NOT NULL, claims INTEGER NOT NULL,"
	" PRIMARY KEY(uid, session)) STRICT, WITHOUT ROWID;"
	"CREATE TABLE probes(id INTEGER PRIMARY KEY, name TEXT NOT NULL,"
	" gone INTEGER NOT NULL DEFAULT 0) STRICT;"
	"CREATE UNIQUE INDEX probes_name ON probes(name) WHERE gone = 0;"
	"CREATE TABLE idle(session INTEGER PRIMARY KEY, expires INTEGER NOT NULL) STRICT;"
	"CREATE INDEX idle_expires ON idle(expires);";

/*
 * Processes: the one a session ends with (anchors), and those that hold a claim
 * or a plain mutex (locks) for as long as their descriptor is open.
 */
static const char version_2[] =
	"CREATE TABLE anchors(session INTEGER PRIMARY KEY, pid INTEGER NOT NULL,"
	" start INTEGER NOT NULL, boot TEXT NOT NULL) STRICT;"
	"CREATE INDEX anchors_pid ON anchors(pid, start, boot);"
	/*
	 * lock: 0 a claim with a lease, 1 one that lasts while a descriptor is open, 2 such a
	 * one after a restart of the daemon: a lease, and the process is looked after.
	 * acted: the last mutation by its session, ms since boot, as `expires`.
	 */
	"ALTER TABLE grants ADD COLUMN start INTEGER NOT NULL DEFAULT 0;"
	"ALTER TABLE grants ADD COLUMN boot TEXT NOT NULL DEFAULT '';"
	"ALTER TABLE grants ADD COLUMN lock INTEGER NOT NULL DEFAULT 0;"
	"ALTER TABLE grants ADD COLUMN acted INTEGER NOT NULL DEFAULT 0;"
	"UPDATE grants SET acted = renewed;"
	"CREATE INDEX grants_list ON grants(token) WHERE ended = 0;"
	"CREATE INDEX grants_lock ON grants(pid, token) WHERE ended = 0 AND lock > 0;"
	/* expires: as of a claim; 0 while the descriptor is open. */
	"CREATE TABLE locks(token INTEGER PRIMARY KEY, name TEXT NOT NULL, shared INTEGER NOT NULL,"
	" session INTEGER NOT NULL, uid INTEGER NOT NULL, pid INTEGER NOT NULL,"
	" start INTEGER NOT NULL, boot TEXT NOT NULL, since INTEGER NOT NULL,"
	" expires INTEGER NOT NULL DEFAULT 0, acted INTEGER NOT NULL DEFAULT 0) STRICT;"
	"CREATE INDEX locks_name ON locks(name, token);"
	"CREATE INDEX locks_uid ON locks(uid);"
	"CREATE INDEX locks_pid ON locks(pid, token);"
	"CREATE INDEX locks_expires ON locks(expires) WHERE expires > 0;";

/*
 * Probes, lanes, lessons, repositories are one kind of thing with a name and fields.
 * uid and made of a probe stand in its event.
 */
static const char version_3[] =
	"CREATE TABLE things(id INTEGER PRIMARY KEY, kind INTEGER NOT NULL, name TEXT NOT NULL,"
	" uid INTEGER NOT NULL, made INTEGER NOT NULL, gone INTEGER NOT NULL DEFAULT 0) STRICT;"
	"CREATE UNIQUE INDEX things_name ON things(kind, name) WHERE gone = 0;"
	"INSERT INTO things SELECT p.id, 3, p.name, coalesce(json_extract(e.line, '$.uid'), 0),"
	" coalesce(json_extract(e.line, '$.at'), 0), p.gone FROM probes p LEFT JOIN events e ON e.seq = p.id;"
	"DROP TABLE probes;"
	/* What probes said and what they saw; no part of the history, the last 1,000 of each. */
	"CREATE TABLE runs(id INTEGER PRIMARY KEY AUTOINCREMENT, probe INTEGER NOT NULL,"
	" shadow INTEGER NOT NULL, at INTEGER NOT NULL, took INTEGER NOT NULL, seq INTEGER NOT NULL,"
	" answer TEXT NOT NULL, detail TEXT NOT NULL, inputs TEXT NOT NULL) STRICT;"
	"CREATE INDEX runs_probe ON runs(probe, shadow, id);"
	"CREATE INDEX runs_last ON runs(probe, id);"
	/* the tasks of a lane */
	"CREATE INDEX attrs_lane ON attrs(value, thing) WHERE name = 'lane';";

/* What was seen in repositories, and what followed from it. */
static const char version_4[] =
	/* session: as it is called, also when it was never registered (session_id 0); '': nobody's. */
	"CREATE TABLE commits(id INTEGER PRIMARY KEY, repo INTEGER NOT NULL, oid TEXT NOT NULL,"
	" at INTEGER NOT NULL, author TEXT NOT NULL, author_at INTEGER NOT NULL, subject TEXT NOT NULL,"
	" session TEXT NOT NULL, session_id INTEGER NOT NULL, how TEXT NOT NULL, patch TEXT NOT NULL,"
	" loose TEXT NOT NULL, first INTEGER NOT NULL) STRICT;"
	"CREATE UNIQUE INDEX commits_oid ON commits(repo, oid);"
	"CREATE INDEX commits_at ON commits(repo, at);"
	"CREATE INDEX commits_patch ON commits(patch) WHERE patch <> '';"
	"CREATE INDEX commits_loose ON commits(loose) WHERE loose <> '';"
	"CREATE INDEX commits_subject ON commits(repo, subject, at) WHERE session <> '';"
	"CREATE INDEX commits_session ON commits(repo, session, at) WHERE session <> '';"
	"CREATE INDEX commits_fresh ON commits(repo, id) WHERE first = 0 AND session <> '';"
	/* name: canonical; status: A M D R, or * for all that is not listed */
	"CREATE TABLE commit_paths(stem TEXT NOT NULL, cid INTEGER NOT NULL, name TEXT NOT NULL,"
	" status TEXT NOT NULL, blob TEXT NOT NULL, size INTEGER NOT NULL,"
	" PRIMARY KEY(stem, cid, name)) STRICT, WITHOUT ROWID;"
	"CREATE INDEX commit_paths_commit ON commit_paths(cid);"
	"CREATE INDEX commit_paths_blob ON commit_paths(blob, cid) WHERE blob <> '';"
	/* other sessions that held one of its paths when it was committed */
	"CREATE TABLE commit_holders(session TEXT NOT NULL, cid INTEGER NOT NULL,"
	" PRIMARY KEY(session, cid)) STRICT, WITHOUT ROWID;"
	/* What a session has seen of a repository: seq is the last event by then. */
	"CREATE TABLE bases(session INTEGER NOT NULL, repo INTEGER NOT NULL, seq INTEGER NOT NULL,"
	" head TEXT NOT NULL, PRIMARY KEY(session, repo)) STRICT, WITHOUT ROWID;"
	/* a, b: the sessions, whose commit came first is a. Lists are lines; lesson is JSON. */
	"CREATE TABLE incidents(id INTEGER PRIMARY KEY, n INTEGER NOT NULL, repo INTEGER NOT NULL,"
	" a TEXT NOT NULL, b TEXT NOT NULL, first_at INTEGER NOT NULL, last_at INTEGER NOT NULL,"
	" gap INTEGER NOT NULL, cost INTEGER NOT NULL, kinds TEXT NOT NULL, commits TEXT NOT NULL,"
	" paths TEXT NOT NULL, held TEXT NOT NULL, lesson TEXT NOT NULL,"
	" applied INTEGER NOT NULL DEFAULT 0) STRICT;"
	"CREATE UNIQUE INDEX incidents_n ON incidents(n);"
	"CREATE INDEX incidents_pair ON incidents(repo, a, b, id);"
	"CREATE TABLE incident_commits(incident INTEGER NOT NULL, cid INTEGER NOT NULL,"
	" PRIMARY KEY(incident, cid)) STRICT, WITHOUT ROWID;"
	/* the event by which `why` was set last */
	"ALTER TABLE sessions ADD COLUMN told INTEGER NOT NULL DEFAULT 0;"
	"UPDATE sessions SET told = m.seq FROM (SELECT json_extract(line, '$.session_id') AS id, max(seq) AS seq"
	" FROM events WHERE json_extract(line, '$.event') = 'refused' GROUP BY 1) AS m WHERE sessions.id = m.id;"
	"CREATE INDEX grants_ended ON grants(ended) WHERE ended > 0;";

/* What a session did, and what is said of it. */
static const char version_5[] =
	"CREATE TABLE journal(id INTEGER PRIMARY KEY, session INTEGER NOT NULL, at INTEGER NOT NULL,"
	" text TEXT NOT NULL) STRICT;"
	"CREATE INDEX journal_session ON journal(session, id);"
	"CREATE TABLE refusals(id INTEGER PRIMARY KEY, session INTEGER NOT NULL, at INTEGER NOT NULL,"
	" errno TEXT NOT NULL, op TEXT NOT NULL) STRICT;"
	"CREATE INDEX refusals_session ON refusals(session, id);"
	"INSERT INTO refusals SELECT seq, json_extract(line, '$.session_id'), json_extract(line, '$.at'),"
	" json_extract(line, '$.errno'), json_extract(line, '$.op') FROM events WHERE json_extract(line, '$.event') = 'refused';"
	/* Appended, never changed. writer: the session that wrote it, '-' without one. */
	"CREATE TABLE grades(id INTEGER PRIMARY KEY, session INTEGER NOT NULL, dimension TEXT NOT NULL,"
	" value REAL NOT NULL, reason TEXT NOT NULL, writer TEXT NOT NULL, uid INTEGER NOT NULL,"
	" at INTEGER NOT NULL, judge TEXT NOT NULL) STRICT;"
	"CREATE INDEX grades_session ON grades(session, dimension, id);"
	"CREATE INDEX grants_session ON grants(session, token);"
	/* Lines among imported session records that are none. hex: text is their bytes in hexadecimal. */
	"CREATE TABLE lines(id INTEGER PRIMARY KEY, file TEXT NOT NULL, hex INTEGER NOT NULL,"
	" text TEXT NOT NULL) STRICT;"
	"CREATE INDEX lines_text ON lines(text);"
	/* oid was undone by the commit cid */
	"CREATE TABLE reverts(oid TEXT NOT NULL, cid INTEGER NOT NULL, PRIMARY KEY(oid, cid)) STRICT, WITHOUT ROWID;"
	"CREATE INDEX commits_of ON commits(session_id, id) WHERE session_id > 0;"
	"CREATE INDEX incidents_b ON incidents(b, id);"
	/* the field value of a task, for the best that is ready */
	"ALTER TABLE board ADD COLUMN value REAL NOT NULL DEFAULT 0;"
	"UPDATE board SET value = coalesce((SELECT CAST(value AS REAL) FROM attrs WHERE thing = board.task AND name = 'value'), 0);"
	"CREATE INDEX board_value ON board(col, value) WHERE value > 0;"
	/* what a claim's task was worth (NULL: not said), the best that was ready, and whom its end let begin */
	"ALTER TABLE grants ADD COLUMN worth REAL;"
	"ALTER TABLE grants ADD COLUMN best REAL;"
	"ALTER TABLE grants ADD COLUMN unblocks INTEGER NOT NULL DEFAULT 0;"
	/* paths of a commit outside the claims of its session */
	"ALTER TABLE commits ADD COLUMN uncovered INTEGER NOT NULL DEFAULT 0;"
	/* how much of what there was on a day (days since 1970, UTC) */
	"CREATE TABLE days(day INTEGER NOT NULL, what TEXT NOT NULL, n INTEGER NOT NULL,"
	" PRIMARY KEY(day, what)) STRICT, WITHOUT ROWID;"
	"INSERT INTO days SELECT json_extract(line, '$.at') / 86400000, 'done', count(*) FROM events"
	" WHERE json_extract(line, '$.event') = 'finish' AND json_extract(line, '$.to') = 'done' GROUP BY 1;"
	"INSERT INTO days SELECT json_extract(line, '$.at') / 86400000, CASE json_extract(line, '$.event')"
	" WHEN 'register' THEN 'sessions' WHEN 'reopen' THEN 'reopened' WHEN 'incident' THEN 'incidents' END, count(*) FROM events"
	" WHERE json_extract(line, '$.event') IN ('register', 'reopen', 'incident') GROUP BY 1, 2;"
	"INSERT INTO days SELECT json_extract(line, '$.at') / 86400000, CASE json_extract(line, '$.session') WHEN '-' THEN"
	" 'unattributed' ELSE 'commits' END, count(*) FROM events WHERE json_extract(line, '$.event') = 'commit'"
	" AND json_extract(line, '$.first') IS NULL GROUP BY 1, 2;";

/* What selection chooses by: what each task is worth, how its lane did, who took what. */
static const char version_6[] =
	"CREATE TABLE tags(tag TEXT NOT NULL, task INTEGER NOT NULL, PRIMARY KEY(tag, task)) STRICT, WITHOUT ROWID;"
	"CREATE INDEX tags_task ON tags(task);"
	"INSERT INTO tags WITH RECURSIVE lines(task, line, rest) AS (SELECT a.thing, '', a.value || char(10) FROM attrs a"
	" JOIN tasks t ON t.id = a.thing WHERE a.name = 'tags' UNION ALL SELECT task, substr(rest, 1, instr(rest, char(10)) - 1),"
	" substr(rest, instr(rest, char(10)) + 1) FROM lines WHERE rest <> '') SELECT DISTINCT line, task FROM lines WHERE line <> '';"
	/* worth: what is known of it beforehand; offer: 0 to nobody, 1 to anybody, 2 when it is calm */
	"ALTER TABLE board ADD COLUMN worth REAL NOT NULL DEFAULT 0;"
	"ALTER TABLE board ADD COLUMN offer INTEGER NOT NULL DEFAULT 0;"
	"ALTER TABLE board ADD COLUMN lane TEXT NOT NULL DEFAULT '';"
	/* let_go: when it was last given back or lost; family: tasks that are parts of one thing */
	"ALTER TABLE board ADD COLUMN let_go INTEGER NOT NULL DEFAULT 0;"
	"ALTER TABLE board ADD COLUMN family TEXT NOT NULL DEFAULT '';"
	"UPDATE board SET let_go = g.ended FROM (SELECT task, max(ended) AS ended FROM grants WHERE how NOT IN ('', 'finished', 'handed')"
	" GROUP BY task) AS g WHERE board.task = g.task;"
	"CREATE INDEX board_family ON board(family, token) WHERE family <> '' AND token > 0;"
	"CREATE INDEX board_next ON board(offer, lane, worth DESC, task) WHERE col = 2;"
	"ALTER TABLE grants ADD COLUMN lane TEXT NOT NULL DEFAULT '';"
	/* how much of what was recommended a claim took; NULL: there was no choice */
	"ALTER TABLE grants ADD COLUMN chosen REAL;"
	"UPDATE grants SET chosen = min(1.0, max(0.0, coalesce(worth, 0.0)) / best) WHERE best > 0;"
	"ALTER TABLE grants DROP COLUMN best;"
	"DROP INDEX board_value;"
	/* the whole grade of a session that has ended */
	"CREATE TABLE marks(session INTEGER PRIMARY KEY, value REAL NOT NULL) STRICT;"
	/* what a session in a lane came to; idx counts them all */
	"CREATE TABLE rewards(idx INTEGER PRIMARY KEY, session INTEGER NOT NULL, lane TEXT NOT NULL, value REAL NOT NULL) STRICT;"
	"CREATE UNIQUE INDEX rewards_of ON rewards(session, lane);"
	/* n, total: of all its rewards; weight, sum: the same, each halved with age, as of idx */
	"CREATE TABLE arms(lane TEXT PRIMARY KEY, n INTEGER NOT NULL, total REAL NOT NULL, weight REAL NOT NULL,"
	" sum REAL NOT NULL, idx INTEGER NOT NULL) STRICT, WITHOUT ROWID;"
	/* the first claim of a session in a lane */
	"CREATE TABLE picks(token INTEGER PRIMARY KEY, session INTEGER NOT NULL, lane TEXT NOT NULL) STRICT;"
	"CREATE UNIQUE INDEX picks_of ON picks(session, lane);"
	"UPDATE grants SET lane = e.lane FROM (SELECT seq, json_extract(line, '$.lane') AS lane FROM events"
	" WHERE json_extract(line, '$.event') IN ('claim', 'handover')) AS e WHERE grants.token = e.seq AND e.lane IS NOT NULL;"
	"INSERT OR IGNORE INTO picks SELECT g.token, g.session, g.lane FROM grants g JOIN events e ON e.seq = g.token"
	" WHERE g.session > 0 AND json_extract(e.line, '$.lane') IS NOT NULL ORDER BY g.token;";

/* Outward deeds: who was permitted which, and what became of it. */
static const char version_7[] =
	/*
	 * state: 1 permitted, 2 unknown, 3 done; gone: the event that freed the key. expires (ms
	 * since boot) is of permitted ones alone, and no part of the history.
	 */
	"CREATE TABLE actions(id INTEGER PRIMARY KEY, name TEXT NOT NULL, session INTEGER NOT NULL,"
	" uid INTEGER NOT NULL, pid INTEGER NOT NULL, since INTEGER NOT NULL, changed INTEGER NOT NULL,"
	" expires INTEGER NOT NULL, state INTEGER NOT NULL DEFAULT 1, closed INTEGER NOT NULL DEFAULT 0,"
	" reason TEXT NOT NULL DEFAULT '', result TEXT NOT NULL DEFAULT '', gone INTEGER NOT NULL DEFAULT 0) STRICT;"
	"CREATE UNIQUE INDEX actions_name ON actions(name) WHERE gone = 0;"
	"CREATE INDEX actions_list ON actions(id) WHERE gone = 0;"
	"CREATE INDEX actions_open ON actions(name) WHERE gone = 0 AND closed = 0;"
	"CREATE INDEX actions_session ON actions(session) WHERE gone = 0 AND state = 1;"
	"CREATE INDEX actions_expires ON actions(expires) WHERE gone = 0 AND state = 1;"
	"CREATE INDEX actions_unknown ON actions(id) WHERE gone = 0 AND state = 2;"
	"CREATE INDEX actions_done ON actions(changed) WHERE gone = 0 AND state = 3;"
	/* All that ever happened under a key. */
	"CREATE TABLE action_log(id INTEGER PRIMARY KEY, name TEXT NOT NULL, at INTEGER NOT NULL,"
	" event TEXT NOT NULL, session TEXT NOT NULL, note TEXT NOT NULL) STRICT;"
	"CREATE INDEX action_log_name ON action_log(name, id);";

#define EVENT_IS(word) "json_extract(line, '$.event') = '" word "'"
#define NOTICES(id, word)                   \
	" SELECT json_extract(line, '$." id \
	"'), seq, json_extract(line, '$.at') FROM events WHERE " EVENT_IS(word)

/* What sessions are told, by each other and by the mount; of the last what is known already. */
static const char version_8[] =
	/* The event id is in the mailbox of session. sender: a session; 0, and uid -1: the mount. */
	"CREATE TABLE messages(session INTEGER NOT NULL, id INTEGER NOT NULL, sender INTEGER NOT NULL,"
	" uid INTEGER NOT NULL, at INTEGER NOT NULL, PRIMARY KEY(session, id)) STRICT, WITHOUT ROWID;"
	"CREATE INDEX messages_sender ON messages(session, sender, id);"
	"CREATE INDEX messages_id ON messages(id);"
	"WITH ends(session, seq) AS MATERIALIZED (SELECT json_extract(line, '$.session_id'), seq FROM events"
	" WHERE " EVENT_IS(
		"end") "),"
		       " notices(session, id, at) AS (" NOTICES(
			       "session_id",
			       "lost") " AND json_extract(line, '$.reason') IN ('expired', 'broken')"
				       " UNION" NOTICES("session_id", "warned") " UNION" NOTICES("graded_id", "grade") " UNION" NOTICES(
					       "to_id",
					       "handover") " UNION SELECT s.value, e.seq, json_extract(e.line, '$.at') FROM events e, json_each(e.line, '$.session_ids') s"
							   " WHERE json_extract(e.line, '$.event') IN ('incident', 'incident-more') AND json_type(e.line, '$.whys') IS NOT NULL),"
							   " heard AS (SELECT n.session, n.id, n.at, row_number() OVER (PARTITION BY n.session ORDER BY n.id DESC) AS nth"
							   " FROM notices n CROSS JOIN sessions s ON s.id = n.session AND s.how <> 'imported'"
							   " WHERE NOT EXISTS(SELECT 1 FROM ends e WHERE e.session = n.session AND e.seq < n.id))"
							   "INSERT INTO messages SELECT session, id, 0, -1, at FROM heard WHERE nth <= 250;";

/* Titles by their words; what was drafted twice; what became of each task, for goals. */
static const char version_9[] =
	/* key: the words, as title_key makes them; of tasks that are there and have one */
	"CREATE TABLE titles(task INTEGER PRIMARY KEY, key TEXT NOT NULL) STRICT;"
	"CREATE INDEX titles_key ON titles(key, task);"
	"CREATE TABLE title_words(word TEXT NOT NULL, task INTEGER NOT NULL, PRIMARY KEY(word, task)) STRICT, WITHOUT ROWID;"
	"INSERT INTO titles SELECT a.thing, title_key(a.value) FROM attrs a JOIN tasks t ON t.id = a.thing AND t.gone = 0"
	" WHERE a.name = 'title' AND title_key(a.value) <> '';"
	"INSERT INTO title_words WITH RECURSIVE words(task, word, rest) AS (SELECT task, '', key || ' ' FROM titles UNION ALL"
	" SELECT task, substr(rest, 1, instr(rest, ' ') - 1), substr(rest, instr(rest, ' ') + 1) FROM words WHERE rest <> '')"
	" SELECT word, task FROM words WHERE word <> '';"
	"CREATE INDEX artifacts_name ON artifacts(name, task);"
	/* task looked like other when it was to be published */
	"CREATE TABLE duplicates(task INTEGER NOT NULL, other INTEGER NOT NULL, at INTEGER NOT NULL,"
	" refused INTEGER NOT NULL, PRIMARY KEY(task, other)) STRICT, WITHOUT ROWID;"
	/* how often it was reopened; tasks that could be begun by it; when it was done last */
	"ALTER TABLE board ADD COLUMN reopened INTEGER NOT NULL DEFAULT 0;"
	"ALTER TABLE board ADD COLUMN unblocked INTEGER NOT NULL DEFAULT 0;"
	"ALTER TABLE board ADD COLUMN done_at INTEGER NOT NULL DEFAULT 0;"
	"UPDATE board SET reopened = e.n FROM (SELECT task, count(*) AS n FROM events WHERE task > 0"
	" AND json_extract(line, '$.event') = 'reopen' GROUP BY task) AS e WHERE board.task = e.task;"
	"UPDATE board SET unblocked = g.n FROM (SELECT task, sum(unblocks) AS n FROM grants GROUP BY task) AS g"
	" WHERE board.task = g.task;"
	"UPDATE board SET done_at = e.at FROM (SELECT task, max(seq), coalesce(json_extract(line, '$.done_at'), json_extract(line, '$.at')) AS at"
	" FROM events WHERE json_extract(line, '$.event') IN ('finish', 'import') AND json_extract(line, '$.to') = 'done'"
	" GROUP BY task) AS e WHERE board.task = e.task;";

/* Who was given which lesson, and what became of it. */
static const char version_10[] =
	/* Sessions that have a context are counted by idx; seq: the event of the last one. */
	"CREATE TABLE contexts(idx INTEGER PRIMARY KEY, session INTEGER NOT NULL, seq INTEGER NOT NULL, at INTEGER NOT NULL) STRICT;"
	"CREATE UNIQUE INDEX contexts_session ON contexts(session);"
	/* How many, the sum and the sum of squares of their marks in millionths; 256 sessions a block. */
	"CREATE TABLE context_sums(block INTEGER PRIMARY KEY, n INTEGER NOT NULL, sum INTEGER NOT NULL, squares INTEGER NOT NULL) STRICT;"
	/* A lesson in a session, once. share: thousandths with which it could be held out; held: it was. */
	"CREATE TABLE firings(lesson INTEGER NOT NULL, session INTEGER NOT NULL, idx INTEGER NOT NULL, share INTEGER NOT NULL,"
	" held INTEGER NOT NULL, keywords TEXT NOT NULL, PRIMARY KEY(lesson, session)) STRICT, WITHOUT ROWID;"
	"CREATE INDEX firings_idx ON firings(lesson, idx);"
	"CREATE INDEX firings_session ON firings(session, share, held);"
	/* the marks of these sessions, as context_sums */
	"CREATE TABLE effects(lesson INTEGER NOT NULL, share INTEGER NOT NULL, held INTEGER NOT NULL, n INTEGER NOT NULL,"
	" sum INTEGER NOT NULL, squares INTEGER NOT NULL, PRIMARY KEY(lesson, share, held)) STRICT, WITHOUT ROWID;"
	/* Contexts there were before it was first active; before its keywords were what they are. last: wall ms. */
	"CREATE TABLE lessons(id INTEGER PRIMARY KEY, first INTEGER NOT NULL, since INTEGER NOT NULL, fired INTEGER NOT NULL DEFAULT 0,"
	" held INTEGER NOT NULL DEFAULT 0, last INTEGER NOT NULL DEFAULT 0) STRICT;"
	"INSERT OR IGNORE INTO lessons(id, first, since) SELECT json_extract(line, '$.thing'), 0, 0 FROM events"
	" WHERE json_extract(line, '$.event') = 'set' AND json_extract(line, '$.of') = 'lesson'"
	" AND json_extract(line, '$.field') = 'status' AND json_extract(line, '$.value') = 'active';"
	/* in how many contexts a keyword stood; of '' in all */
	"CREATE TABLE keywords(keyword TEXT PRIMARY KEY, n INTEGER NOT NULL) STRICT, WITHOUT ROWID;";

static const char *const migrations[] = {
	version_1, version_2, version_3, version_4, version_5,
	version_6, version_7, version_8, version_9, version_10,
};

#define RANKED 6 /* since this version tasks have a rank */
#define NEWEST ((int)(sizeof(migrations) / sizeof(migrations[0])))

int schema_newest(void)
{
	return NEWEST;
}

static int migrate_one(struct db *db, int version)
{
	char set[96];
	int err = db_script(db, "BEGIN IMMEDIATE");

	if (err)
		return err;
	(void)snprintf(set, sizeof(set), "PRAGMA user_version=%d; PRAGMA application_id=%d; COMMIT",
		       version + 1, SCHEMA_APPLICATION_ID);
	err = db_script(db, migrations[version]);
	if (!err)
		err = db_script(db, set);
	if (err)
		(void)db_script(db, "ROLLBACK");
	return err;
}

int schema_look(const char *path, const char *vfs)
{
	struct db_about db;
	int got = db_look(path, vfs, &db);

	if (got <= 0)
		return got;
	if (db.application != SCHEMA_APPLICATION_ID && (db.application || db.version || db.tables))
		return -ENOTUNIQ;
	return db.version > NEWEST ? -EPROTONOSUPPORT : 1;
}

int schema_migrate(struct db *db)
{
	int64_t version = 0, app = 0, old;
	int err = db_int(db, &version, Q(USER_VERSION));

	if (err < 0)
		return err;
	if (version > NEWEST)
		return -EPROTONOSUPPORT;
	err = db_int(db, &app, Q(APPLICATION_ID));
	if (err < 0)
		return err;
	if (app != SCHEMA_APPLICATION_ID && (app || version || db_get(db, 0, Q(COUNT_TABLES))))
		return -ENOTUNIQ;
	err = db_script(db, "PRAGMA journal_mode=WAL"); /* it stays so; not before it is ours */
	for (old = version; !err && version < NEWEST; version++)
		err = migrate_one(db, (int)version);
	if (!err && old < RANKED)
		err = db_run(db, Q(BOARD_RANK_ALL));
	return err;
}

int schema_clear(struct db *db)
{
	return db_script(
		db,
		"DELETE FROM events; DELETE FROM tasks; DELETE FROM board;"
		"DELETE FROM finished; DELETE FROM attrs; DELETE FROM needs;"
		"DELETE FROM artifacts; DELETE FROM sessions; DELETE FROM members;"
		"DELETE FROM held; DELETE FROM counts; DELETE FROM grants; DELETE FROM things;"
		"DELETE FROM idle; DELETE FROM anchors; DELETE FROM locks; DELETE FROM commits;"
		"DELETE FROM commit_paths; DELETE FROM commit_holders; DELETE FROM bases; DELETE FROM incidents;"
		"DELETE FROM incident_commits; DELETE FROM journal; DELETE FROM refusals;"
		"DELETE FROM actions; DELETE FROM action_log;"
		"DELETE FROM grades; DELETE FROM lines; DELETE FROM reverts; DELETE FROM days;"
		"DELETE FROM titles; DELETE FROM title_words; DELETE FROM duplicates;"
		"DELETE FROM tags; DELETE FROM marks; DELETE FROM rewards; DELETE FROM arms; DELETE FROM picks;"
		"DELETE FROM messages;"
		"DELETE FROM contexts; DELETE FROM context_sums; DELETE FROM firings; DELETE FROM effects;"
		"DELETE FROM lessons; DELETE FROM keywords;"
		"DELETE FROM meta WHERE key <> 'copy';");
}
