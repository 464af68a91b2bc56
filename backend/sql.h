/* sql: every statement of the store, named. SQL(NAME, "text"); values are bound. */
#ifndef SQL
extern int sql_text_is_for_sqlite_c; /* included for its SQL() rows alone */
#else
/* clang-format off */

/* the connection */
SQL(USER_VERSION, "PRAGMA user_version")
SQL(APPLICATION_ID, "PRAGMA application_id")
SQL(COUNT_TABLES, "SELECT count(*) FROM sqlite_master")
SQL(INTEGRITY, "PRAGMA integrity_check")
SQL(COPY, "VACUUM INTO ?")
SQL(BEGIN_READ, "BEGIN")
SQL(BEGIN_WRITE, "BEGIN IMMEDIATE")
SQL(COMMIT, "COMMIT")
SQL(ROLLBACK, "ROLLBACK")
SQL(SAVEPOINT, "SAVEPOINT change")
SQL(SAVEPOINT_RELEASE, "RELEASE change")
SQL(SAVEPOINT_ROLLBACK, "ROLLBACK TO change")
SQL(META, "SELECT value FROM meta WHERE key = ?")
SQL(META_SET, "INSERT OR REPLACE INTO meta(key, value) VALUES(?, ?)")
SQL(META_UNSET, "DELETE FROM meta WHERE key = ?")

/* events */
SQL(EVENT_ADD, "INSERT INTO events(seq, finish, task, line) VALUES(?, ?, ?, ?)")
SQL(EVENT_LAST, "SELECT seq FROM events ORDER BY seq DESC LIMIT 1")
SQL(EVENT_FINISH, "SELECT finish FROM events ORDER BY seq DESC LIMIT 1")
SQL(EVENT_AT, "SELECT seq, finish FROM events WHERE seq >= ? ORDER BY seq LIMIT 1")
SQL(EVENT_FIRST, "SELECT seq FROM events ORDER BY seq LIMIT 1")
SQL(EVENTS_FROM, "SELECT finish, line FROM events WHERE seq >= ? ORDER BY seq")
SQL(EVENTS_ALL, "SELECT seq, finish, task, line FROM events ORDER BY seq")
SQL(EVENT_COPY, "INSERT INTO events(seq, finish, task, line) VALUES(?, ?, ?, ?)")
SQL(EVENTS_AFTER, "SELECT seq, line FROM events WHERE seq > ? ORDER BY seq LIMIT ?")
SQL(EVENTS_GAP,
    "SELECT e.seq FROM events e WHERE e.seq > 1 AND NOT EXISTS(SELECT 1 FROM events p"
    " WHERE p.seq = e.seq - 1) AND CASE WHEN json_valid(e.line) THEN json_extract(e.line, '$.event') ELSE '' END <> 'restored' LIMIT 1")
SQL(EVENTS_ODD,
    "SELECT seq FROM (SELECT seq, line, finish, finish - lag(finish, 1, 0) OVER (ORDER BY seq) AS n"
    " FROM events) WHERE n <> length(CAST(line AS BLOB)) + 1"
    " OR CASE WHEN json_valid(line) THEN json_extract(line, '$.seq') END IS NOT seq LIMIT 1")

/* tasks */
#define TASK_COLUMNS                                                                              \
	"SELECT t.id, t.name, t.uid, t.drafter, t.created, t.changed, b.state, b.token, b.unmet," \
	" b.conflicts, b.hold, b.col FROM tasks t JOIN board b ON b.task = t.id "
SQL(TASK, TASK_COLUMNS "WHERE t.id = ?")
SQL(TASK_NAMED, TASK_COLUMNS "WHERE t.name = ? AND t.gone = 0")
SQL(TASK_ADD,
    "INSERT INTO tasks(id, name, uid, drafter, created, changed) VALUES(?1, ?2, ?3, ?4, ?5, ?5)")
SQL(TASK_CHANGED, "UPDATE tasks SET changed = ? WHERE id = ?")
SQL(TASK_GONE, "UPDATE tasks SET gone = ? WHERE id = ?")
SQL(BOARD_ADD, "INSERT INTO board(task) VALUES(?)")
SQL(BOARD_STATE, "UPDATE board SET state = ? WHERE task = ?")
SQL(BOARD_TOKEN, "UPDATE board SET token = ? WHERE task = ?")
SQL(BOARD_LET_GO, "UPDATE board SET let_go = ? WHERE task = ?")
SQL(BOARD_HOLD, "UPDATE board SET hold = ? WHERE task = ?")
SQL(BOARD_CONFLICTS, "UPDATE board SET conflicts = ? WHERE task = ?")
SQL(BOARD_UNMET,
    "UPDATE board SET unmet = (SELECT count(*) FROM needs n WHERE n.task = ?1 AND NOT EXISTS("
    "SELECT 1 FROM tasks t JOIN board b ON b.task = t.id WHERE t.name = n.need AND t.gone = 0"
    " AND b.state = 2)) WHERE task = ?1")
SQL(BOARD_STATE_OF, "SELECT state FROM board WHERE task = ?")
SQL(BOARD_TOKEN_OF, "SELECT token FROM board WHERE task = ?")
SQL(FINISHED_ADD,
    "INSERT OR REPLACE INTO finished(task, token, session, at, due) VALUES(?, ?, ?, ?, ?)")
SQL(FINISHED_REMOVE, "DELETE FROM finished WHERE task = ?")
SQL(FINISHED_TOKEN, "SELECT token FROM finished WHERE task = ?")
SQL(FINISHED_AT, "SELECT at FROM finished WHERE task = ?")
SQL(DAILY_DUE, "SELECT task FROM finished WHERE due > 0 AND due <= ? LIMIT 1")
SQL(DAILY_NEXT, "SELECT min(due) FROM finished WHERE due > 0")

/* fields */
SQL(ATTR, "SELECT value FROM attrs WHERE thing = ? AND name = ?")
SQL(ATTR_SET, "INSERT OR REPLACE INTO attrs(thing, name, value, changed) VALUES(?, ?, ?, ?)")
SQL(ATTR_UNSET, "DELETE FROM attrs WHERE thing = ? AND name = ?")
SQL(ATTR_CHANGED, "SELECT changed FROM attrs WHERE thing = ? AND name = ?")
SQL(NEEDS_CLEAR, "DELETE FROM needs WHERE task = ?")
SQL(NEED_ADD, "INSERT OR IGNORE INTO needs(task, need, pos) VALUES(?, ?, ?)")
SQL(NEEDS_OF, "SELECT need FROM needs WHERE task = ? ORDER BY pos")
SQL(NEEDS_UNMET,
    "SELECT n.need, CASE WHEN t.id IS NULL THEN 'cancelled' WHEN b.state = 0 THEN"
    " 'not published' WHEN b.token > 0 THEN 'in work' ELSE 'not done' END FROM needs n"
    " LEFT JOIN tasks t ON t.name = n.need AND t.gone = 0 LEFT JOIN board b ON b.task = t.id"
    " WHERE n.task = ? AND (b.state IS NULL OR b.state <> 2) ORDER BY n.pos")
SQL(NEEDS_REACH, "WITH RECURSIVE reach(name) AS (SELECT ?1 UNION SELECT n.need FROM reach r"
		 " JOIN tasks t ON t.name = r.name AND t.gone = 0 JOIN needs n ON n.task = t.id)"
		 " SELECT 1 FROM reach WHERE name = ?2 LIMIT 1")
SQL(NEED_SPREAD,
    "UPDATE board SET unmet = unmet + ?1 WHERE task IN (SELECT task FROM needs WHERE need = ?2)")

/* artifacts */
SQL(ARTIFACT_ADD,
    "INSERT OR IGNORE INTO artifacts(task, name, stem, pos, live) VALUES(?, ?, ?, ?, ?)")
SQL(ARTIFACT_REMOVE, "DELETE FROM artifacts WHERE task = ? AND name = ?")
SQL(ARTIFACT_HAS, "SELECT 1 FROM artifacts WHERE task = ? AND name = ?")
SQL(ARTIFACT_LAST, "SELECT max(pos) FROM artifacts WHERE task = ?")
SQL(ARTIFACTS_OF,
    "SELECT name, substr(stem, -1) = ':' FROM artifacts WHERE task = ? ORDER BY pos, name")
SQL(ARTIFACTS_TURN, "SELECT name, stem FROM artifacts WHERE task = ? ORDER BY pos, name")
SQL(ARTIFACTS_COUNT, "SELECT count(*) FROM artifacts WHERE task = ?")
SQL(ARTIFACTS_WIDE, "SELECT count(*) FROM artifacts WHERE task = ? AND substr(stem, -1) = ':'")
SQL(ARTIFACTS_LIVE, "UPDATE artifacts SET live = ? WHERE task = ?")
SQL(ARTIFACTS_HELD, "SELECT a.name, a.task, g.name, coalesce(s.name, '-'), g.expires FROM held a"
    " JOIN board b ON b.task = a.task JOIN grants g ON g.token = b.token"
    " LEFT JOIN sessions s ON s.id = g.session ORDER BY a.name, a.task")
SQL(ARTIFACTS_CLAIMED, "SELECT a.name, coalesce(s.name, '-'), g.name, 0 FROM held a"
    " JOIN board b ON b.task = a.task JOIN grants g ON g.token = b.token"
    " LEFT JOIN sessions s ON s.id = g.session ORDER BY a.name, a.task")
/* Of sessions that ended at ?1 or later, the latest claim first. A session's grants are younger than it is. */
SQL(ARTIFACTS_ENDED, "SELECT a.name, s.name, g.name, s.ended FROM grants g CROSS JOIN sessions s ON s.id = g.session"
    " CROSS JOIN artifacts a ON a.task = g.task WHERE g.ended > 0 AND s.ended >= ?1"
    " AND g.token > (SELECT min(id) FROM sessions WHERE ended >= ?1) ORDER BY g.token DESC LIMIT ?2")
SQL(HELD_ADD, "INSERT INTO held(stem, task, name) VALUES(?, ?, ?)")
SQL(HELD_REMOVE, "DELETE FROM held WHERE stem = ? AND task = ? AND name = ?")
SQL(WANTED_AT, "SELECT 1 FROM artifacts WHERE live > 0 AND stem = ?1 AND task <> ?2 LIMIT 1")
SQL(WANTED_BELOW, "SELECT 1 FROM artifacts WHERE live > 0 AND stem > ?1 AND stem < ?2 AND task <> ?3 LIMIT 1")
SQL(HELD_AT, "SELECT task, name FROM held WHERE stem = ?1 AND task <> ?2 AND overlaps(name, ?3) LIMIT 1")
SQL(HELD_BELOW, "SELECT task, name FROM held WHERE stem > ?1 AND stem < ?2 AND task <> ?3 AND overlaps(name, ?4) LIMIT 1")
SQL(HELD_COUNT_AT, "SELECT count(*) FROM held WHERE stem = ?1 AND task <> ?2 AND overlaps(name, ?3)")
SQL(HELD_COUNT_BELOW, "SELECT count(*) FROM held WHERE stem > ?1 AND stem < ?2 AND task <> ?3 AND overlaps(name, ?4)")
SQL(SPREAD_AT, "UPDATE board SET conflicts = conflicts + ?1 * x.n FROM (SELECT task, count(*) AS n"
	       " FROM artifacts WHERE live > 0 AND stem = ?2 AND task <> ?3 AND overlaps(name, ?4)"
	       " GROUP BY task) AS x WHERE board.task = x.task")
SQL(SPREAD_BELOW,
    "UPDATE board SET conflicts = conflicts + ?1 * x.n FROM (SELECT task, count(*) AS n"
    " FROM artifacts WHERE live > 0 AND stem > ?2 AND stem < ?3 AND task <> ?4 AND overlaps(name, ?5)"
    " GROUP BY task) AS x WHERE board.task = x.task")
SQL(SPREAD_ALL_BELOW,
    "UPDATE board SET conflicts = conflicts + ?1 * x.n FROM (SELECT task, count(*) AS n"
    " FROM artifacts WHERE live > 0 AND stem > ?2 AND stem < ?3 AND task <> ?4"
    " GROUP BY task) AS x WHERE board.task = x.task")

/* sessions */
#define SESSION_COLUMNS "SELECT id, name, uid, gid, started, ended, how, refusals FROM sessions "
SQL(SESSION, SESSION_COLUMNS "WHERE id = ?")
SQL(SESSION_NAMED, SESSION_COLUMNS "WHERE name = ?")
SQL(SESSION_ADD, "INSERT INTO sessions(id, name, uid, gid, started) VALUES(?, ?, ?, ?, ?)")
SQL(SESSION_END, "UPDATE sessions SET ended = ?, how = ? WHERE id = ?")
SQL(SESSION_IMPORTED, "UPDATE sessions SET started = ?, ended = ?, how = 'imported' WHERE id = ?")
SQL(SESSION_CHOWN, "UPDATE sessions SET uid = ? WHERE id = ?")
SQL(SESSION_REFUSED, "UPDATE sessions SET refusals = refusals + 1, why = ?1, told = ?2 WHERE id = ?3")
SQL(SESSION_WHY, "SELECT why FROM sessions WHERE id = ?")
SQL(MEMBER_ADD, "INSERT OR REPLACE INTO members(pid, start, boot, session) VALUES(?, ?, ?, ?)")
SQL(MEMBER, "SELECT session FROM members WHERE pid = ? AND start = ? AND boot = ?")
SQL(MEMBERS_ANY, "SELECT 1 FROM members LIMIT 1")
SQL(MEMBERS_OF, "SELECT pid, start, boot FROM members WHERE session = ? ORDER BY pid")
SQL(MEMBERS_COUNT, "SELECT count(*) FROM members WHERE session = ?")
SQL(MEMBERS_REMOVE, "DELETE FROM members WHERE session = ?")
SQL(MEMBER_REMOVE, "DELETE FROM members WHERE pid = ? AND start = ? AND boot = ?")
SQL(ANCHOR_SET, "INSERT OR REPLACE INTO anchors(session, pid, start, boot) VALUES(?, ?, ?, ?)")
SQL(ANCHOR_UNSET, "DELETE FROM anchors WHERE session = ?")
SQL(ANCHOR_OF, "SELECT pid, start, boot FROM anchors WHERE session = ?")
SQL(ANCHORED, "SELECT session FROM anchors WHERE pid = ? AND start = ? AND boot = ? LIMIT 1")
SQL(PROCESSES, "SELECT pid, start, boot FROM members UNION SELECT pid, start, boot FROM anchors UNION"
    " SELECT pid, start, boot FROM grants WHERE ended = 0 AND lock = 2 UNION"
    " SELECT pid, start, boot FROM locks WHERE expires > 0")
SQL(IDLE_SET, "INSERT OR REPLACE INTO idle(session, expires) VALUES(?, ?)")
SQL(IDLE_RENEW, "UPDATE idle SET expires = ?1 + ?2 + ?2 / 20 WHERE session = ?3 AND expires < ?1 + ?2")
SQL(IDLE_REMOVE, "DELETE FROM idle WHERE session = ?")
SQL(IDLE_DUE, "SELECT session FROM idle WHERE expires <= ? LIMIT 1")
SQL(IDLE_NEXT, "SELECT min(expires) FROM idle")
SQL(IDLE_AWAKE, "UPDATE idle SET expires = max(expires, ?1 + ?2)")
SQL(IDLE_CLAMP, "UPDATE idle SET expires = min(expires, ?1 + ?2)")
SQL(IDLE_ALL,
    "INSERT OR REPLACE INTO idle(session, expires) SELECT id, ? FROM sessions WHERE ended = 0")

/* grants */
SQL(GRANT, "SELECT g.token, g.task, g.name, g.session, coalesce(s.name, '-'), g.uid, g.pid, g.since,"
    " g.ttl, g.ended, g.how, g.expires, g.renewed, g.touched,"
    " g.start, g.boot, g.lock, g.acted FROM grants g LEFT JOIN sessions s ON s.id = g.session WHERE g.token = ?")
SQL(GRANT_ADD, "INSERT INTO grants(token, task, name, session, uid, pid, since, ttl, expires, renewed, touched, acted, start, boot, lock, worth, chosen, lane)"
    " VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?7, ?10, ?11, ?12, ?13, CAST(nullif(?14, '') AS REAL), CAST(nullif(?15, '') AS REAL), ?16)")
SQL(GRANT_UNBLOCKS, "UPDATE grants SET unblocks = ? WHERE token = ?")
SQL(GRANT_KEEP, "UPDATE grants SET expires = ?, renewed = ? WHERE token = ?")
SQL(GRANT_END, "UPDATE grants SET ended = ?, finish = ?, how = ? WHERE token = ?")
SQL(GRANT_REPORTED, "UPDATE grants SET reported = 1 WHERE token = ?")
SQL(GRANT_LOST, "SELECT token FROM grants WHERE session = ? AND name = ? AND how IN ('expired', 'broken') AND superseded = 0"
    " ORDER BY token DESC LIMIT 1")
SQL(LOST_BY_ANY, "SELECT session FROM grants WHERE name = ? AND how IN ('expired', 'broken') AND superseded = 0 LIMIT 1")
SQL(GRANT_SUPERSEDE, "UPDATE grants SET superseded = 1 WHERE session = ? AND name = ? AND how IN ('expired', 'broken')")
SQL(UNREPORTED, "SELECT token FROM grants WHERE session = ? AND reported = 0"
		" AND how IN ('expired', 'broken') ORDER BY token LIMIT 1")
SQL(HELD_NEXT, "SELECT token FROM grants WHERE uid = (SELECT uid FROM sessions WHERE id = ?1) AND session = ?1 AND ended = 0"
    " AND token > ?2 ORDER BY token LIMIT 1")
SQL(CLAIMS_OF_SESSION, "SELECT claims FROM counts WHERE uid = (SELECT uid FROM sessions WHERE id = ?1) AND session = ?1")
SQL(CLAIMS_OF_UID, "SELECT claims FROM counts WHERE uid = ? AND session = 0")
SQL(COUNT_UP, "INSERT INTO counts(uid, session, claims) VALUES(?1, ?2, 1)"
    " ON CONFLICT(uid, session) DO UPDATE SET claims = claims + 1")
SQL(COUNT_DOWN, "UPDATE counts SET claims = claims - 1 WHERE uid = (SELECT uid FROM grants WHERE token = ?1)"
    " AND session IN (0, (SELECT session FROM grants WHERE token = ?1))")
SQL(COUNT_DROP, "DELETE FROM counts WHERE uid = (SELECT uid FROM grants WHERE token = ?1)"
    " AND session = (SELECT session FROM grants WHERE token = ?1) AND claims = 0")
/* ?1 now, ?2 wall, ?3 session, ?4 what the commit may take */
SQL(LEASES_RENEW, "UPDATE grants SET expires = max(expires, ?1 + ?4 + ttl), renewed = ?1, acted = ?1, touched = ?2"
    " WHERE uid = (SELECT uid FROM sessions WHERE id = ?3) AND session = ?3 AND ended = 0")
/* ?1 now, ?2 session, ?3 lease-max: its process was alive till now */
SQL(LEASES_KEEP, "UPDATE grants SET expires = max(expires, min(?1 + ttl, acted + ?3)), renewed = ?1"
    " WHERE uid = (SELECT uid FROM sessions WHERE id = ?2) AND session = ?2 AND ended = 0")
SQL(LEASES_START_OVER, "UPDATE grants SET expires = ?1 + ttl, renewed = ?1, acted = ?1 WHERE ended = 0 AND lock = 0")
/* long overdue: the clock jumped, or the machine slept, while nobody was there */
SQL(LEASES_GRACE, "UPDATE grants SET expires = min(max(expires, ?1 + max(ttl / 10,"
    " CASE WHEN expires < ?1 - 5000 THEN min(ttl, 300000) ELSE 0 END)), ?1 + ttl),"
    " renewed = min(renewed, ?1), acted = min(acted, ?1) WHERE ended = 0 AND lock <> 1")
SQL(LEASES_AWAKE, "UPDATE grants SET expires = max(expires, ?1 + min(ttl, ?2)) WHERE ended = 0 AND lock <> 1")
SQL(LEASES_CLAMP, "UPDATE grants SET expires = min(expires, ?1 + ttl), renewed = min(renewed, ?1),"
    " acted = min(acted, ?1) WHERE ended = 0 AND lock <> 1")
SQL(LEASES_OWED, "UPDATE grants SET expires = expires + ?2 WHERE ended = 0 AND lock <> 1 AND renewed = ?1")
/* a lock outlives the daemon as a lease, from now on */
SQL(GRANTS_ADOPT, "UPDATE grants SET lock = 2, expires = ?1 + ttl, renewed = ?1, acted = ?1"
    " WHERE ended = 0 AND lock > 0 AND (lock = 1 OR ?2)")
SQL(LOCKS_ADOPT, "UPDATE locks SET expires = ?1 + ?2, acted = ?1 WHERE expires = 0 OR ?3")
SQL(IDLE_GRACE, "UPDATE idle SET expires = min(max(expires, ?1), ?2)")
SQL(LEASE_DUE, "SELECT token FROM grants WHERE ended = 0 AND expires < ? ORDER BY expires LIMIT 1")
SQL(LEASE_NEXT, "SELECT min(expires) + 1 FROM grants WHERE ended = 0")

/* plain mutexes: names that are no task, held while a descriptor is open */
SQL(LOCK_ADD, "INSERT INTO locks(token, name, shared, session, uid, pid, start, boot, since)"
    " VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?)")
SQL(LOCK_REMOVE, "DELETE FROM locks WHERE token = ?")
#define LOCK_COLUMNS "SELECT l.token, l.name, l.shared, l.session, coalesce(s.name, '-'), l.uid, l.pid, l.start, l.boot," 	" l.since, l.expires, l.acted FROM locks l LEFT JOIN sessions s ON s.id = l.session "
SQL(LOCK, LOCK_COLUMNS "WHERE l.token = ?")
SQL(LOCKS_NAMED, LOCK_COLUMNS "WHERE l.name = ? ORDER BY l.token")
SQL(LOCK_NAMED, "SELECT token FROM locks WHERE name = ? LIMIT 1")
SQL(LOCKS_OF_UID, "SELECT count(*) FROM locks WHERE uid = ?")
SQL(LOCK_DUE, "SELECT token FROM locks WHERE expires > 0 AND expires < ? ORDER BY expires LIMIT 1")
SQL(LOCK_NEXT, "SELECT min(expires) + 1 FROM locks WHERE expires > 0")
SQL(LOCK_KEEP, "UPDATE locks SET expires = ? WHERE token = ?")
/* as LEASES_GRACE and LEASES_CLAMP; ?2 the length of a lease */
SQL(LOCKS_GRACE, "UPDATE locks SET expires = CASE WHEN acted > ?1 THEN ?1 + ?2 ELSE max(expires, ?1 + max(?2 / 10,"
    " CASE WHEN expires < ?1 - 5000 THEN min(?2, 300000) ELSE 0 END)) END, acted = min(acted, ?1) WHERE expires > 0")
SQL(LOCKS_CLAMP, "UPDATE locks SET expires = min(expires, ?1 + ?2), acted = min(acted, ?1) WHERE expires > 0")
SQL(LOCKS_AWAKE, "UPDATE locks SET expires = max(expires, ?1 + min(?3, ?2)) WHERE expires > 0")
SQL(LOCK_GONE, "SELECT token FROM locks WHERE pid = ? AND start = ? AND boot = ? AND expires > 0 LIMIT 1")
SQL(GRANT_GONE, "SELECT token FROM grants WHERE ended = 0 AND lock = 2 AND pid = ? AND start = ? AND boot = ? LIMIT 1")
SQL(OWN_OVERLAP, "SELECT g.token FROM grants g JOIN artifacts a ON a.task = g.task JOIN artifacts b ON b.task = ?3"
    " WHERE g.uid = ?1 AND g.session = ?2 AND g.ended = 0 AND g.lock = 0 AND g.task <> ?3"
    " AND overlaps(a.name, b.name) LIMIT 1")
SQL(FIND_MUTEX, "SELECT min(token) FROM locks WHERE name = ?2 HAVING count(*) > 0")
SQL(LIST_MUTEX, "SELECT min(token), name FROM locks GROUP BY name HAVING min(token) > ?2 ORDER BY min(token)")
SQL(STAT_MUTEX, "SELECT uid, since FROM locks WHERE token = ?1")
SQL(MUTEX_WAS, "SELECT json_extract(line, '$.mutex') FROM events WHERE seq = ?")
SQL(MUTEX_NAME, "SELECT name FROM locks WHERE token = ?")
SQL(FIND_NONE, "SELECT 1 WHERE ?1 IS NULL AND ?2 IS NULL")
SQL(LIST_NONE, "SELECT 1, '' WHERE ?1 IS NULL AND ?2 IS NULL")
SQL(STAT_DOOR, "SELECT 0, 0 WHERE ?1 IS NOT NULL")

/* probes, lanes, lessons, repositories */
SQL(THING_ADD, "INSERT INTO things(id, kind, name, uid, made) VALUES(?, ?, ?, ?, ?)")
SQL(THING_GONE, "UPDATE things SET gone = ? WHERE id = ?")
#define THING_COLUMNS "SELECT id, kind, name, uid FROM things "
SQL(THING, THING_COLUMNS "WHERE id = ? AND gone = 0")
SQL(THING_NAMED, THING_COLUMNS "WHERE kind = ? AND name = ? AND gone = 0")
SQL(THING_EVER, "SELECT 1 FROM things WHERE kind = ? AND name = ? LIMIT 1")
SQL(THINGS, THING_COLUMNS "WHERE kind = ? AND gone = 0 ORDER BY name")

/* what probes said; probe 0: the roll-up */
SQL(RUN_ADD, "INSERT INTO runs(probe, shadow, at, took, seq, answer, detail, inputs) VALUES(?, ?, ?, ?, ?, ?, ?, ?)")
SQL(RUNS_PRUNE, "DELETE FROM runs WHERE probe = ?1 AND shadow = ?2 AND id <= (SELECT id FROM runs WHERE probe = ?1 AND shadow = ?2"
    " ORDER BY id DESC LIMIT 1 OFFSET ?3)")
#define RUN_COLUMNS "SELECT at, took, seq, answer, detail, inputs, shadow FROM runs "
SQL(RUN_NEWEST, "SELECT max(id) FROM runs")
SQL(RUN_LAST, RUN_COLUMNS "WHERE probe = ? ORDER BY id DESC LIMIT 1")
SQL(RUN_INPUTS, "SELECT inputs FROM runs WHERE probe = ? ORDER BY id DESC LIMIT 1")
SQL(RUN_AT, "SELECT at FROM runs WHERE probe = ? ORDER BY id DESC LIMIT 1")
SQL(RUNS_OF, RUN_COLUMNS "WHERE probe = ? AND shadow = ? ORDER BY id")

/* repositories: commits, and what followed from them */
SQL(COMMIT_ADD, "INSERT INTO commits(id, repo, oid, at, author, author_at, subject, session, session_id, how, patch, loose, first)"
    " VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)")
SQL(COMMIT_UNCOVERED, "UPDATE commits SET uncovered = ? WHERE id = ?")
SQL(COMMIT_PATH_ADD, "INSERT OR IGNORE INTO commit_paths(stem, cid, name, status, blob, size) VALUES(?, ?, ?, ?, ?, ?)")
SQL(COMMIT_HOLDER_ADD, "INSERT OR IGNORE INTO commit_holders(session, cid) VALUES(?, ?)")
SQL(COMMIT_HAS, "SELECT id FROM commits WHERE repo = ? AND oid = ?")
#define COMMIT_COLUMNS "SELECT c.id, c.repo, c.oid, c.at, c.author, c.author_at, c.subject, c.session, c.session_id, c.how, c.patch, c.loose, c.first FROM commits c "
SQL(COMMIT_ROW, COMMIT_COLUMNS "WHERE c.id = ?")
SQL(COMMITS_LAST, COMMIT_COLUMNS "WHERE c.repo = ? ORDER BY c.at DESC, c.id DESC LIMIT ?")
SQL(COMMITS_COUNT, "SELECT count(*) FROM commits WHERE repo = ?")
SQL(COMMIT_PATHS, "SELECT name, status, blob, size FROM commit_paths WHERE cid = ? ORDER BY name")
/* The same author at the same second, and the same change: it was picked, rebased, amended. */
SQL(COMMIT_REWRITTEN, COMMIT_COLUMNS "WHERE c.loose = ?1 AND c.loose <> '' AND c.repo = ?2 AND c.author = ?3 AND c.author_at = ?4"
    " AND c.session <> '' ORDER BY c.id LIMIT 1")
/* Grants that were live between ?1 and ?2. */
SQL(GRANTS_SINCE, "SELECT since FROM grants ORDER BY token LIMIT 1")
SQL(GRANTS_AT, "SELECT token FROM grants WHERE ended = 0 AND since <= ?2 UNION"
    " SELECT token FROM grants WHERE ended > 0 AND ended >= ?1 AND since <= ?2")
SQL(EVENT_LINE, "SELECT line FROM events WHERE seq = ?")
SQL(TASK_EVENTS, "SELECT line FROM events WHERE task = ?1 AND task > 0 AND seq > ?2 AND seq <= ?3 ORDER BY seq")
/* Commits of others near ?2 and ?3 (ms), by what they have in common with one of session ?4; the last first. */
#define OTHERS " c.repo = ?1 AND c.at BETWEEN ?2 AND ?3 AND c.session <> ?4 AND c.session <> ''"
#define OTHERS_LAST " ORDER BY c.id DESC LIMIT 256"
SQL(OTHERS_PATCH, "SELECT c.id, c.session FROM commits c INDEXED BY commits_patch WHERE c.patch = ?6 AND c.patch <> '' AND" OTHERS OTHERS_LAST)
SQL(OTHERS_LOOSE, "SELECT c.id, c.session FROM commits c INDEXED BY commits_loose WHERE c.loose = ?6 AND c.loose <> '' AND" OTHERS OTHERS_LAST)
SQL(OTHERS_SUBJECT, "SELECT c.id, c.session FROM commits c WHERE c.subject = ?6 AND" OTHERS OTHERS_LAST)
SQL(OTHERS_FIRST, "SELECT min(id) FROM commits WHERE repo = ?1 AND at BETWEEN ?2 AND ?3")
SQL(OTHERS_PATH, "SELECT c.id, c.session FROM commit_paths p CROSS JOIN commits c ON c.id = p.cid WHERE p.stem = ?6 AND p.cid >= ?5"
    " AND p.name = ?7 AND" OTHERS " ORDER BY p.cid DESC LIMIT 256")
SQL(OTHERS_BLOB, "SELECT c.id, c.session FROM commit_paths p CROSS JOIN commits c ON c.id = p.cid WHERE p.blob = ?6 AND p.blob <> '' AND"
    " p.cid >= ?5 AND p.name <> ?7 AND" OTHERS " ORDER BY p.cid DESC LIMIT 256")
/* by session ?6, whose claim it is in; and those that are in a claim of ?4 */
SQL(OTHERS_SESSION, "SELECT c.id, c.session FROM commits c WHERE c.session = ?6 AND" OTHERS OTHERS_LAST)
SQL(OTHERS_INSIDE, "SELECT c.id, c.session FROM commit_holders h CROSS JOIN commits c ON c.id = h.cid WHERE h.session = ?4 AND h.cid >= ?5 AND"
    OTHERS " ORDER BY h.cid DESC LIMIT 256")
/* bases */
SQL(BASE_SET, "INSERT OR REPLACE INTO bases(session, repo, seq, head) VALUES(?, ?, ?, ?)")
SQL(BASE_SEQ, "SELECT seq FROM bases WHERE session = ? AND repo = ?")
SQL(BASES_OF, "SELECT t.name, b.head, b.seq FROM bases b JOIN things t ON t.id = b.repo AND t.gone = 0 WHERE b.session = ? ORDER BY t.name")
SQL(HEADS, "SELECT t.id, t.name, coalesce((SELECT value FROM attrs WHERE thing = t.id AND name = 'head'), '-') FROM things t"
    " WHERE t.kind = ? AND t.gone = 0 ORDER BY t.id")
#define IN_REPO " FROM artifacts a CROSS JOIN things t ON t.kind = ?2 AND t.gone = 0 AND t.name = substr(a.name, 1, instr(a.name, ':') - 1)"
/* The repositories (kind ?2) that artifacts of the task called ?1 are in. */
SQL(REPOS_OF, "SELECT DISTINCT t.id" IN_REPO " WHERE a.task = (SELECT id FROM tasks WHERE name = ?1 AND gone = 0)")
/* Of those of task ?1 the ones that another than session ?3, called ?4, has committed to since its base. */
SQL(FRESH_REPOS, "SELECT DISTINCT t.id" IN_REPO " WHERE a.task = ?1 AND EXISTS(SELECT 1 FROM commits c WHERE c.repo = t.id"
    " AND c.id > coalesce((SELECT seq FROM bases WHERE session = ?3 AND repo = t.id), 0) AND c.first = 0 AND c.session <> '' AND c.session <> ?4)")
/* The first that another session has committed to the repository ?1 since the event ?2. */
SQL(FRESH_ANY, "SELECT id FROM commits WHERE repo = ?1 AND id > ?2 AND session <> ?3 AND first = 0 AND session <> '' ORDER BY id LIMIT 1")
/* Has anybody but ?2 committed anything to a repository since session ?1 looked? ?3: the kind */
SQL(FRESH_SINCE, "SELECT 1 FROM things r WHERE r.kind = ?3 AND r.gone = 0 AND EXISTS(SELECT 1 FROM commits c WHERE c.repo = r.id"
    " AND c.id > coalesce((SELECT seq FROM bases WHERE session = ?1 AND repo = r.id), 0) AND c.first = 0 AND c.session <> '' AND c.session <> ?2) LIMIT 1")
SQL(FRESH_AT, "SELECT p.cid, p.name FROM commit_paths p CROSS JOIN commits c ON c.id = p.cid WHERE p.stem = ?1 AND p.cid > ?4"
    " AND overlaps(p.name, ?2) AND c.repo = ?3 AND c.first = 0 AND c.session <> '' AND c.session <> ?5 ORDER BY p.cid DESC LIMIT 1")
SQL(FRESH_BELOW, "SELECT p.cid, p.name FROM commit_paths p CROSS JOIN commits c ON c.id = p.cid WHERE p.stem > ?1 AND p.stem < ?6"
    " AND p.cid > ?4 AND overlaps(p.name, ?2) AND c.repo = ?3 AND c.first = 0 AND c.session <> '' AND c.session <> ?5 LIMIT 1")
/* incidents */
SQL(INCIDENT_SET, "INSERT INTO incidents(id, n, repo, a, b, first_at, last_at, gap, cost, kinds, commits, paths, held, lesson)"
    " VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14) ON CONFLICT(id) DO UPDATE SET last_at = ?7, first_at = ?6,"
    " gap = ?8, cost = ?9, kinds = ?10, commits = ?11, paths = ?12, held = ?13,"
    " applied = CASE WHEN lesson = ?14 THEN applied ELSE 0 END, lesson = ?14")
SQL(INCIDENT_APPLIED, "UPDATE incidents SET applied = ? WHERE id = ?")
SQL(INCIDENT_COMMIT_ADD, "INSERT OR IGNORE INTO incident_commits(incident, cid) VALUES(?, ?)")
#define INCIDENT_COLUMNS "SELECT i.id, i.n, i.repo, i.a, i.b, i.first_at, i.last_at, i.gap, i.cost, i.kinds, i.commits, i.paths, i.held, i.lesson, i.applied FROM incidents i "
SQL(INCIDENT, INCIDENT_COLUMNS "WHERE i.id = ?")
SQL(INCIDENT_OF, INCIDENT_COLUMNS "WHERE i.id = max(coalesce((SELECT max(id) FROM incidents WHERE repo = ?1 AND a = ?2 AND b = ?3), 0),"
    " coalesce((SELECT max(id) FROM incidents WHERE repo = ?1 AND a = ?3 AND b = ?2), 0))")
SQL(INCIDENT_LAST, "SELECT max(n) FROM incidents")
SQL(INCIDENTS_COUNT, "SELECT count(*) FROM incidents")
SQL(INCIDENT_GAPS, "SELECT gap, cost FROM incidents ORDER BY gap")
SQL(SESSIONS_COUNT, "SELECT count(*) FROM sessions WHERE how <> 'imported'")
SQL(SESSION_TOLD, "UPDATE sessions SET why = ?1, told = ?2 WHERE id = ?3")
SQL(SESSION_TOLD_AT, "SELECT told FROM sessions WHERE id = ?")
SQL(FIND_INCIDENT, "SELECT id FROM incidents WHERE CAST(n AS TEXT) = ?2 AND ?1 IS NOT NULL")
SQL(LIST_INCIDENT, "SELECT id, CAST(n AS TEXT) FROM incidents WHERE ?1 IS NOT NULL AND id > ?2 ORDER BY id")
SQL(STAT_INCIDENT, "SELECT 0, last_at FROM incidents WHERE id = ?1")
SQL(INCIDENT_NAME, "SELECT CAST(n AS TEXT) FROM incidents WHERE id = ?")

/* what sessions did, and what is said of it */
SQL(JOURNAL_ADD, "INSERT INTO journal(id, session, at, text) VALUES(?, ?, ?, ?)")
SQL(JOURNAL_OF, "SELECT text FROM journal WHERE session = ? ORDER BY id")
SQL(JOURNAL_SIZE, "SELECT coalesce(sum(length(CAST(text AS BLOB)) + 1), 0) FROM journal WHERE session = ?")
SQL(REFUSAL_ADD, "INSERT INTO refusals(id, session, at, errno, op) VALUES(?, ?, ?, ?, ?)")
SQL(REFUSALS_OF, "SELECT at, errno, op FROM refusals WHERE session = ? ORDER BY id DESC LIMIT ?")
SQL(LINE_ADD, "INSERT INTO lines(id, file, hex, text) VALUES(?, ?, ?, ?)")
SQL(LINE_COUNT, "SELECT count(*) FROM lines WHERE text = ? AND hex = ?")
SQL(LINES, "SELECT hex, text FROM lines ORDER BY id")
SQL(GRADE_ADD, "INSERT INTO grades(id, session, dimension, value, reason, writer, uid, at, judge) VALUES(?1, ?2, ?3, CAST(?4 AS REAL), ?5, ?6, ?7, ?8, ?9)")
/* the value as it was written: 1, 0.80 */
#define GRADE_SAID "SELECT dimension, (SELECT json_extract(line, '$.value') FROM events WHERE seq = grades.id)," \
	" reason, writer, uid, at, judge FROM grades "
#define GRADE_COLUMNS "SELECT dimension, CAST(value AS TEXT), reason, writer, uid, at, judge FROM grades "
SQL(GRADE_LAST, GRADE_SAID "WHERE session = ? AND dimension = ? ORDER BY id DESC LIMIT 1")
SQL(GRADES_LAST, GRADE_COLUMNS "WHERE id IN (SELECT max(id) FROM grades WHERE session = ? GROUP BY dimension)")
SQL(GRADING, "SELECT name, value FROM attrs WHERE thing = 0 AND name >= 'grading.' AND name < 'grading/'")
SQL(GRADES_OF, GRADE_SAID "WHERE session = ? ORDER BY id")
SQL(REVERT_ADD, "INSERT OR IGNORE INTO reverts(oid, cid) VALUES(?, ?)")
SQL(DAY_UP, "INSERT INTO days(day, what, n) VALUES(?1, ?2, ?3) ON CONFLICT(day, what) DO UPDATE SET n = n + ?3")
SQL(DAY_SUM, "SELECT coalesce(sum(n), 0) FROM days WHERE what = ? AND day >= ?")
SQL(DAYS_SINCE, "SELECT day, what, n FROM days WHERE day >= ? ORDER BY day DESC, what")
SQL(BOARD_VALUE, "UPDATE board SET value = CAST(coalesce(?1, '0') AS REAL) WHERE task = ?2")
/* Tasks that need ?1 and nothing else that is not done; not those that the session ?2 drafted. */
SQL(UNBLOCKED_BY, "SELECT t.name FROM needs n CROSS JOIN board b ON b.task = n.task CROSS JOIN tasks t ON t.id = n.task"
    " WHERE n.need = ?1 AND b.unmet = 1 AND b.state = 1 AND (?2 = 0 OR t.drafter <> ?2) ORDER BY t.name LIMIT 100")
/* Did session ?2 itself, since it began, say last what the task ?1 is worth? */
SQL(VALUE_BY, "SELECT json_extract(line, '$.session_id') = ?2 FROM events WHERE task = ?1 AND task > 0 AND seq > ?2"
    " AND json_extract(line, '$.event') = 'set' AND json_extract(line, '$.field') = 'value' ORDER BY seq DESC LIMIT 1")
/* Is process ?2, started at ?3 of boot ?4, in session ?1, or its anchor? */
SQL(PROCESS_OF, "SELECT 1 FROM members WHERE session = ?1 AND pid = ?2 AND start = ?3 AND boot = ?4"
    " UNION ALL SELECT 1 FROM anchors WHERE session = ?1 AND pid = ?2 AND start = ?3 AND boot = ?4 LIMIT 1")
/*
 * What session ?1 did with its claims, each task (by name) once: how many claims; tasks finished that it had not drafted, what
 * they were worth (?2 a unit; one unit where it was not said); tasks unblocked; claims lost; tasks claimed when something was
 * worth more than nothing, and how much of the best was taken; tasks finished that it had drafted itself.
 */
SQL(DEEDS, "WITH mine AS (SELECT g.*, EXISTS(SELECT 1 FROM tasks t WHERE t.id = g.task AND t.drafter = ?1) AS own"
    " FROM grants g WHERE g.session = ?1 AND g.session > 0),"
    " each AS (SELECT count(*) AS claims, max(how = 'finished' AND NOT own) AS finished,"
    " max(CASE WHEN how = 'finished' AND NOT own THEN max(coalesce(worth / CAST(?2 AS REAL), 1.0), 0.0) END) AS units,"
    " max(CASE WHEN own THEN 0 ELSE unblocks END) AS unblocks, sum(how IN ('expired', 'broken')) AS lost,"
    " max(chosen IS NOT NULL) AS choice, avg(chosen) AS share,"
    " max(how = 'finished' AND own) AS own FROM mine GROUP BY name)"
    " SELECT coalesce(sum(claims), 0), coalesce(sum(finished), 0), CAST(coalesce(sum(units), 0.0) AS TEXT), coalesce(sum(unblocks), 0),"
    " coalesce(sum(lost), 0), coalesce(sum(choice), 0), CAST(coalesce(sum(share), 0.0) AS TEXT), coalesce(sum(own), 0) FROM each")
SQL(COMMIT_DEEDS, "SELECT count(*), coalesce(sum(uncovered > 0), 0) FROM commits WHERE session_id = ?1 AND session_id > 0")
/*
 * Incidents in which session ?1 (called ?2) was the second; and of these, those before which it had been refused with the
 * first one's name. Each sentence that says who holds, finished or committed it says "session NAME ".
 */
SQL(INCIDENT_DEEDS, "SELECT count(*), coalesce(sum(EXISTS(SELECT 1 FROM refusals f JOIN events e ON e.seq = f.id WHERE f.session = ?1"
    " AND f.id < i.id AND f.errno IN ('EBUSY', 'ESTALE', 'EEXIST', 'WARNING') AND instr(e.line, 'session ' || i.a || ' '))), 0)"
    " FROM incidents i WHERE i.b = ?2")
SQL(REVERT_DEEDS, "SELECT count(DISTINCT c.oid) FROM commits c CROSS JOIN reverts v ON v.oid = c.oid WHERE c.session_id = ?1 AND c.session_id > 0")
SQL(GRANTS_OF, "SELECT token, name, since, ended, finish, how FROM grants WHERE session = ? ORDER BY token")
SQL(COMMITS_OF, COMMIT_COLUMNS "WHERE c.session_id = ?1 AND c.session_id > 0 ORDER BY c.id")
SQL(TOP_AUTHORS, "SELECT session, count(*) FROM commits WHERE session <> '' GROUP BY session ORDER BY count(*) DESC, session LIMIT ?")
/* Did session ?1 finish what let the task ?2 begin? */
SQL(UNBLOCKED_IS, "SELECT 1 FROM grants g CROSS JOIN events e ON e.seq = g.finish WHERE g.session = ?1 AND g.unblocks > 0"
    " AND EXISTS(SELECT 1 FROM json_each(e.line, '$.unblocks') j WHERE j.value = ?2) LIMIT 1")
SQL(REOPENED_BY, "SELECT count(*) FROM events WHERE task = (SELECT id FROM tasks WHERE name = ?2 AND gone = 0) AND task > 0"
    " AND json_extract(line, '$.event') = 'reopen' AND json_extract(line, '$.session_id') = ?1")

SQL(COMMIT_SESSION, "SELECT session_id FROM commits WHERE oid = ? AND session_id > 0 LIMIT 1")
SQL(MARK_SET, "INSERT OR REPLACE INTO marks(session, value) VALUES(?1, CAST(?2 AS REAL))")
/* as it is said in an event */
SQL(MARK, "SELECT printf('%.6f', value) FROM marks WHERE session = ?")

/* selection */
SQL(TAGS_CLEAR, "DELETE FROM tags WHERE task = ?")
SQL(TAG_ADD, "INSERT OR IGNORE INTO tags(tag, task) VALUES(?, ?)")
/*
 * worth: value * readiness / cost * the weight of the goal that weighs most. What is not said is 1, and a cost of 0 is none
 * said; bounded, for a cost may be next to nothing, and infinity times a weight of 0 is no number. offer: not an epic, nor what is
 * always there (but for what a probe offers), nor what does harm.
 */
#define TASK_FIELD(field) "(SELECT value FROM attrs WHERE thing = board.task AND name = '" field "')"
#define GOAL_WEIGHT "(SELECT max(CAST(coalesce((SELECT value FROM attrs WHERE thing = g.id AND name = 'weight'), '1') AS REAL))" \
	" FROM things g JOIN tags x ON x.tag = coalesce((SELECT value FROM attrs WHERE thing = g.id AND name = 'tag'), g.name)" \
	" AND x.task = board.task WHERE g.kind = 7 AND g.gone = 0)"
#define TASK_CALLED "(SELECT name FROM tasks WHERE id = board.task)"
/* the tag family:X; else, of a name with a dot, what is before the last one */
#define FAMILY "coalesce((SELECT substr(tag, 8) FROM tags WHERE task = board.task AND tag >= 'family:' AND tag < 'family;' LIMIT 1)," \
	" CASE WHEN instr(" TASK_CALLED ", '.') AND " TASK_CALLED " NOT LIKE 'probe.%' THEN" \
	" rtrim(rtrim(" TASK_CALLED ", replace(" TASK_CALLED ", '.', '')), '.') ELSE '' END)"
#define BOARD_RANKING "UPDATE board SET lane = coalesce(" TASK_FIELD("lane") ", ''), family = " FAMILY "," \
	" worth = max(-1e18, min(1e18, CAST(coalesce(" TASK_FIELD("value") ", '1') AS REAL) * CAST(coalesce(" TASK_FIELD("readiness") ", '1') AS REAL)" \
	" / coalesce(nullif(CAST(" TASK_FIELD("cost") " AS REAL), 0.0), 1.0))) * coalesce(" GOAL_WEIGHT ", 1.0)," \
	" offer = CASE WHEN coalesce(" TASK_FIELD("kind") ", 'once') = 'epic' OR CAST(coalesce(" TASK_FIELD("value") ", '1') AS REAL) < 0 THEN 0" \
	" WHEN " TASK_FIELD("kind") " = 'standing' AND " TASK_CALLED " NOT LIKE 'probe.%' THEN 0" \
	" WHEN EXISTS(SELECT 1 FROM tags WHERE tag = 'calm' AND task = board.task) THEN 2 ELSE 1 END"
SQL(BOARD_RANK, BOARD_RANKING " WHERE task = ?")
SQL(BOARD_RANK_TAGGED, BOARD_RANKING " WHERE task IN (SELECT task FROM tags)")
SQL(BOARD_RANK_ALL, BOARD_RANKING)
SQL(REWARD, "SELECT idx, value FROM rewards WHERE session = ? AND lane = ?")
SQL(REWARD_LAST, "SELECT max(idx) FROM rewards")
SQL(REWARD_SET, "INSERT OR REPLACE INTO rewards(idx, session, lane, value) VALUES(?1, ?2, ?3, CAST(?4 AS REAL))")
SQL(LANES_TAKEN, "SELECT DISTINCT lane FROM grants WHERE session = ?1 AND session > 0 ORDER BY lane")
SQL(ARM, "SELECT n, total, weight, sum, idx FROM arms WHERE lane = ?")
SQL(ARM_SET, "INSERT OR REPLACE INTO arms(lane, n, total, weight, sum, idx) VALUES(?1, ?2, CAST(?3 AS REAL), CAST(?4 AS REAL), CAST(?5 AS REAL), ?6)")
SQL(CALM_SEEN, "SELECT 1 FROM things p WHERE p.kind = ?1 AND p.name = 'calm-window' AND p.gone = 0"
    " AND coalesce((SELECT value FROM attrs WHERE thing = p.id AND name = 'enabled'), '1') = '1'"
    " AND (SELECT answer = 'supply' AND at >= ?2 FROM runs WHERE probe = p.id ORDER BY id DESC LIMIT 1)")
#define NEXT_COLUMNS "SELECT b.task, t.name, b.worth, b.let_go, b.family, b.lane, b.offer FROM board b" \
	" CROSS JOIN tasks t ON t.id = b.task "
SQL(NEXT_OF_LANE, NEXT_COLUMNS "WHERE b.col = 2 AND b.offer = ? AND b.lane = ? ORDER BY b.worth DESC, b.task LIMIT ?")
SQL(LOST_ANY, "SELECT 1 FROM grants WHERE session = ? AND how IN ('expired', 'broken') AND superseded = 0 LIMIT 1")
SQL(SELECT_SETTINGS, "SELECT name, value FROM attrs WHERE thing = 0 AND name >= 'select.' AND name < 'select/'")
SQL(NEXT_TASK, NEXT_COLUMNS "WHERE b.task = ?")
/* Is something of the family held, and not by session ?2? */
SQL(FAMILY_HELD, "SELECT 1 FROM board b CROSS JOIN grants g ON g.token = b.token WHERE b.family = ?1 AND b.family <> '' AND b.token > 0"
    " AND g.session <> ?2 LIMIT 1")
SQL(REFUSED_SINCE, "SELECT op FROM refusals WHERE session = ?1 AND at >= ?2 ORDER BY id DESC LIMIT ?3")
/* live sessions but ?1 that hold nothing, and have come or let go since ?2: those older than it, and all */
SQL(ASKING, "SELECT coalesce(sum(s.id < ?1), 0), count(*) FROM sessions s WHERE s.ended = 0 AND s.id <> ?1 AND NOT EXISTS(SELECT 1"
    " FROM counts c WHERE c.uid = s.uid AND c.session = s.id AND c.claims > 0) AND (s.started >= ?2 OR EXISTS(SELECT 1 FROM grants g"
    " WHERE g.session = s.id AND g.ended >= ?2))")
SQL(COUNT_OFFER, "SELECT count(*) FROM board WHERE col = 2 AND offer = ?")
SQL(GOAL_OF, "SELECT g.name, coalesce((SELECT value FROM attrs WHERE thing = g.id AND name = 'weight'), '1') FROM things g"
    " JOIN tags x ON x.tag = coalesce((SELECT value FROM attrs WHERE thing = g.id AND name = 'tag'), g.name) AND x.task = ?1"
    " WHERE g.kind = 7 AND g.gone = 0 ORDER BY CAST(coalesce((SELECT value FROM attrs WHERE thing = g.id AND name = 'weight'), '1') AS REAL) DESC LIMIT 1")
SQL(PICKS_LAST, "SELECT lane = ?1 FROM picks ORDER BY token DESC LIMIT ?2")
SQL(PICKS_IN, "SELECT coalesce(sum(lane = ?1), 0) FROM (SELECT lane FROM picks ORDER BY token DESC LIMIT ?2)")
SQL(PICK_OF, "SELECT 1 FROM picks WHERE session = ? AND lane = ?")
SQL(PICK_ANY, "SELECT 1 FROM picks WHERE session = ? LIMIT 1")
SQL(PICK_ADD, "INSERT OR IGNORE INTO picks(token, session, lane) VALUES(?, ?, ?)")
/* outward deeds */
#define ACTION_COLUMNS_FROM(from) "SELECT a.id, a.name, a.session, coalesce(s.name, '-'), a.uid, a.pid, a.since, a.changed, a.expires, a.state," \
	" a.closed, a.reason FROM " from " LEFT JOIN sessions s ON s.id = a.session "
#define ACTION_COLUMNS ACTION_COLUMNS_FROM("actions a")
SQL(ACTION, ACTION_COLUMNS "WHERE a.id = ? AND a.gone = 0")
SQL(ACTION_NAMED, ACTION_COLUMNS "WHERE a.name = ? AND a.gone = 0")
/* Of the open ones those called ?1, or that and ':' or '#' and more, by name: the first costs no look at the many others. */
#define ACTIONS_OPEN_IN ACTION_COLUMNS_FROM("actions a INDEXED BY actions_open") "WHERE a.gone = 0 AND a.closed = 0 AND a.name "
SQL(ACTIONS_OPEN, ACTIONS_OPEN_IN "= ?1 UNION ALL " ACTIONS_OPEN_IN ">= ?1 || '#' AND a.name < ?1 || '$' UNION ALL "
    ACTIONS_OPEN_IN ">= ?1 || ':' AND a.name < ?1 || ';'")
SQL(ACTION_RESULT, "SELECT result FROM actions WHERE id = ?")
SQL(ACTION_ADD, "INSERT INTO actions(id, name, session, uid, pid, since, changed, expires) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?6, ?7)")
SQL(ACTION_DOUBT, "UPDATE actions SET state = 2, changed = ?, reason = ? WHERE id = ?")
SQL(ACTION_FINISH, "UPDATE actions SET state = 3, reason = '', changed = ?, result = ? WHERE id = ?")
SQL(ACTION_CLOSE, "UPDATE actions SET closed = 1, changed = ? WHERE id = ?")
SQL(ACTION_GONE, "UPDATE actions SET gone = ? WHERE id = ?")
SQL(ACTION_PERMITTED, "SELECT id FROM actions WHERE gone = 0 AND state = 1 LIMIT 1")
SQL(ACTION_OF_SESSION, "SELECT id FROM actions WHERE session = ? AND gone = 0 AND state = 1 LIMIT 1")
SQL(ACTION_DUE, "SELECT id FROM actions WHERE gone = 0 AND state = 1 AND expires < ? ORDER BY expires LIMIT 1")
SQL(ACTION_NEXT, "SELECT min(expires) + 1 FROM actions WHERE gone = 0 AND state = 1")
SQL(ACTION_OLD, "SELECT id FROM actions WHERE gone = 0 AND state = 3 AND changed <= ? ORDER BY changed LIMIT 1")
SQL(ACTION_OLDEST, "SELECT min(changed) FROM actions WHERE gone = 0 AND state = 3")
SQL(ACTIONS_UNKNOWN, "SELECT count(*) FROM actions WHERE gone = 0 AND state = 2")
SQL(ACTION_LOG_ADD, "INSERT INTO action_log(id, name, at, event, session, note) VALUES(?, ?, ?, ?, ?, ?)")
SQL(ACTION_LOG, "SELECT at, event, session, note FROM (SELECT id, at, event, session, note FROM action_log WHERE name = ?1"
    " ORDER BY id DESC LIMIT ?2) ORDER BY id")
/* messages: the events that are in a session's mailbox; sender 0: the mount */
SQL(MESSAGE_ADD, "INSERT OR IGNORE INTO messages(session, id, sender, uid, at) SELECT ?1, ?2, ?3, ?4, ?5"
    " WHERE EXISTS(SELECT 1 FROM sessions WHERE id = ?1 AND ended = 0)")
/* What is pushed out: the sender's own before others'; of a uid that is not the mailbox's the same. */
SQL(MESSAGES_PRUNE_SENDER, "DELETE FROM messages WHERE session = ?1 AND sender = ?2 AND id <= (SELECT id FROM messages"
    " WHERE session = ?1 AND sender = ?2 ORDER BY id DESC LIMIT 1 OFFSET ?3)")
SQL(MESSAGES_PRUNE_UID, "DELETE FROM messages WHERE ?2 <> (SELECT uid FROM sessions WHERE id = ?1) AND session = ?1 AND sender > 0 AND uid = ?2"
    " AND id <= (SELECT id FROM messages WHERE session = ?1 AND sender > 0 AND uid = ?2 ORDER BY id DESC LIMIT 1 OFFSET ?3)")
SQL(MESSAGES_PRUNE, "DELETE FROM messages WHERE session = ?1 AND id <= (SELECT id FROM messages"
    " WHERE session = ?1 ORDER BY id DESC LIMIT 1 OFFSET ?2)")
SQL(MESSAGES_AFTER, "SELECT m.id, e.line FROM messages m CROSS JOIN events e ON e.seq = m.id WHERE m.session = ?1 AND m.id > ?2 ORDER BY m.id")
/* ?3 now, ?4 within so many ms of it */
SQL(MESSAGES_BY, "SELECT count(*) FROM messages WHERE session = ?1 AND sender = ?2 AND abs(at - ?3) < ?4")
SQL(MESSAGES_BY_UID, "SELECT count(*) FROM messages WHERE session = ?1 AND sender > 0 AND uid = ?2 AND abs(at - ?3) < ?4")
/* The sessions for which something came, or that ended, behind event ?1, up to ?2. */
SQL(FOLLOW_NEWS, "SELECT session FROM messages WHERE id > ?1 AND id <= ?2 UNION SELECT json_extract(line, '$.session_id') FROM events"
    " WHERE seq > ?1 AND seq <= ?2 AND instr(line, '\"event\":\"end\"') AND json_extract(line, '$.event') = 'end'")

/* titles, and what is drafted twice. Of what is common the newest alone are looked at, so that no title costs more. */
#define SEEN_MAX "256"
SQL(TITLE_OF, "SELECT key FROM titles WHERE task = ?")
SQL(TITLE_SET, "INSERT OR REPLACE INTO titles(task, key) VALUES(?, ?)")
SQL(TITLE_UNSET, "DELETE FROM titles WHERE task = ?")
SQL(TITLE_WORD_ADD, "INSERT OR IGNORE INTO title_words(word, task) VALUES(?, ?)")
SQL(TITLE_WORD_REMOVE, "DELETE FROM title_words WHERE word = ? AND task = ?")
SQL(TITLE_WORD_COUNT, "SELECT count(*) FROM (SELECT 1 FROM title_words WHERE word = ? LIMIT " SEEN_MAX ")")
SQL(TITLES_SAME, "SELECT task FROM titles WHERE key = ?1 AND task <> ?2 ORDER BY task DESC LIMIT " SEEN_MAX)
SQL(TITLES_WITH, "SELECT w.task, t.key FROM title_words w CROSS JOIN titles t ON t.task = w.task WHERE w.word = ?1 AND w.task <> ?2"
    " ORDER BY w.task DESC LIMIT " SEEN_MAX)
SQL(ARTIFACT_ALSO, "SELECT task FROM artifacts WHERE name = ?1 AND task <> ?2 ORDER BY task DESC LIMIT " SEEN_MAX)
/* Those that have all ?3 artifacts of ?1, of which ?2 is one, and no more; with their titles. */
SQL(ARTIFACTS_SAME, "SELECT s.task, t.key FROM (SELECT task FROM artifacts WHERE name = ?2 AND task <> ?1 ORDER BY task DESC LIMIT " SEEN_MAX ") s"
    " CROSS JOIN titles t ON t.task = s.task WHERE (SELECT count(*) FROM (SELECT 1 FROM artifacts WHERE task = s.task LIMIT ?3 + 1)) = ?3"
    " AND NOT EXISTS(SELECT 1 FROM artifacts m WHERE m.task = ?1 AND NOT EXISTS(SELECT 1 FROM artifacts o WHERE o.task = s.task AND o.name = m.name))")
SQL(NEED_IS, "SELECT 1 FROM needs WHERE task = ? AND need = ?")
SQL(DUPLICATE_ADD, "INSERT INTO duplicates(task, other, at, refused) VALUES(?1, ?2, ?3, ?4)"
    " ON CONFLICT(task, other) DO UPDATE SET refused = max(refused, ?4)")
SQL(DUPLICATE_IS, "SELECT 1 FROM duplicates WHERE task = ? AND other = ? AND refused >= ?")
SQL(DUPLICATES_COUNT, "SELECT count(DISTINCT task) FROM duplicates")
/* of these, those that are not on the board (any more) */
SQL(DUPLICATES_STOPPED, "SELECT count(DISTINCT d.task) FROM duplicates d JOIN board b ON b.task = d.task WHERE b.state IN (0, 3)")

/* goals: what they want has their tag */
#define GOAL_TAG_OF(g) "coalesce((SELECT value FROM attrs WHERE thing = " g ".id AND name = 'tag'), " g ".name)"
SQL(GOAL_TAG, "SELECT " GOAL_TAG_OF("g") " FROM things g WHERE g.id = ? AND g.gone = 0")
SQL(GOAL_WANTS, "SELECT 1 FROM tags x JOIN things g ON g.kind = 7 AND g.gone = 0 AND x.tag = " GOAL_TAG_OF("g") " WHERE x.task = ? LIMIT 1")
/*
 * Of the tasks tagged ?1: all, ideas, ready, claimed, done; times reopened, tasks unblocked; the value of those done, and of all;
 * when the last was done. In one walk that works out the column of each once: there may be 10,000.
 */
SQL(GOAL_PROGRESS, "SELECT count(*), sum(b.state = 0), sum(b.col = 2), sum(b.token > 0), sum(b.state = 2), sum(b.reopened), sum(b.unblocked),"
    " printf('%.12g', sum(CASE WHEN b.state = 2 THEN b.value ELSE 0.0 END)), printf('%.12g', sum(b.value)), max(b.done_at)"
    " FROM tags x CROSS JOIN board b ON b.task = x.task WHERE x.tag = ?1 AND b.state <> 3")
SQL(BOARD_REOPENED, "UPDATE board SET reopened = reopened + 1 WHERE task = ?")
SQL(BOARD_UNBLOCKED, "UPDATE board SET unblocked = unblocked + ? WHERE task = ?")
SQL(BOARD_DONE_AT, "UPDATE board SET done_at = ? WHERE task = ?")

/* lanes */
#define LANE_COLUMNS "SELECT l.id, l.name, coalesce((SELECT value FROM attrs WHERE thing = l.id AND name = 'kind'), 'once')," \
	" coalesce((SELECT value FROM attrs WHERE thing = l.id AND name = 'limit'), '')," \
	" coalesce((SELECT value FROM attrs WHERE thing = l.id AND name = 'share-limit'), '') FROM things l "
SQL(LANES, LANE_COLUMNS "WHERE l.kind = ? AND l.gone = 0 ORDER BY l.name")
SQL(LANE_NAMED, LANE_COLUMNS "WHERE l.kind = ?2 AND l.gone = 0 AND l.name = ?1")
SQL(LANE_OF, LANE_COLUMNS "WHERE l.kind = ?2 AND l.gone = 0 AND l.name = (SELECT value FROM attrs WHERE thing = ?1 AND name = 'lane')")
/* Those held, and those finished since ?, are few, whatever the size of the lane. */
SQL(LANES_HELD, "SELECT a.value, count(*) FROM board b CROSS JOIN attrs a ON a.thing = b.task AND a.name = 'lane'"
    " WHERE b.col = 4 GROUP BY a.value")
SQL(LANES_TODAY, "SELECT a.value, count(*) FROM finished f CROSS JOIN attrs a ON a.thing = f.task AND a.name = 'lane'"
    " WHERE f.at >= ? GROUP BY a.value")
SQL(LANE_HELD_COUNT, "SELECT count(*) FROM board WHERE col = 4 AND lane = ?1")
/* those with a ready task that is offered (1 to anybody, 2 when it is calm): a few looks into the index */
SQL(LANES_OFFERED, "WITH RECURSIVE l(lane) AS (SELECT min(lane) FROM board WHERE col = 2 AND offer = ?1 UNION ALL"
    " SELECT (SELECT min(lane) FROM board WHERE col = 2 AND offer = ?1 AND lane > l.lane) FROM l WHERE l.lane IS NOT NULL)"
    " SELECT lane FROM l WHERE lane IS NOT NULL")
SQL(LANE_TODAY_COUNT, "SELECT count(*) FROM finished f CROSS JOIN attrs a ON a.thing = f.task AND a.name = 'lane'"
    " WHERE f.at >= ?2 AND a.value = ?1")
SQL(LANE_READY, "SELECT t.name FROM attrs a CROSS JOIN board b ON b.task = a.thing CROSS JOIN tasks t ON t.id = a.thing"
    " WHERE a.name = 'lane' AND a.value = (SELECT name FROM things WHERE id = ?1) AND b.col = 2 ORDER BY a.thing")
SQL(LANE_HELD, "SELECT g.name, coalesce(s.name, '-'), g.token FROM board b CROSS JOIN attrs a ON a.thing = b.task AND a.name = 'lane'"
    " JOIN grants g ON g.token = b.token LEFT JOIN sessions s ON s.id = g.session"
    " WHERE b.col = 4 AND a.value = (SELECT name FROM things WHERE id = ?1) ORDER BY b.task")

/* what probes look at */
#define ATTR_OF(id, field) "(SELECT value FROM attrs WHERE thing = " id " AND name = '" field "')"
SQL(READY_TASKS, "SELECT b.task, l.value, k.value, t.value, v.value FROM board b"
    " LEFT JOIN attrs l ON l.thing = b.task AND l.name = 'lane' LEFT JOIN attrs k ON k.thing = b.task AND k.name = 'kind'"
    " LEFT JOIN attrs t ON t.thing = b.task AND t.name = 'tags' LEFT JOIN attrs v ON v.thing = b.task AND v.name = 'value'"
    " WHERE b.col = 2 ORDER BY b.task")
SQL(CALM_TASKS, "SELECT b.task, t.name, a.value, " ATTR_OF("b.task", "value") " FROM board b CROSS JOIN attrs a"
    " ON a.thing = b.task AND a.name = 'tags' CROSS JOIN tasks t ON t.id = b.task WHERE b.col = 2 AND instr(a.value, 'calm') ORDER BY b.task")
SQL(DRAFTS, "SELECT t.id, t.name, " ATTR_OF("t.id", "readiness") ", " ATTR_OF("t.id", "impact") ", " ATTR_OF("t.id", "feasibility")
    ", " ATTR_OF("t.id", "alignment") ", " ATTR_OF("t.id", "covered") " FROM board b CROSS JOIN tasks t ON t.id = b.task"
    " WHERE b.col = 1 ORDER BY b.task")
SQL(LAST_CATEGORIES, "SELECT " ATTR_OF("id", "category") " FROM sessions WHERE ended > 0 ORDER BY ended DESC, id DESC LIMIT ?")
SQL(LAST_ENDED, "SELECT id FROM sessions WHERE ended > 0 ORDER BY ended DESC, id DESC LIMIT ?")
SQL(LAST_OF_CATEGORY, "SELECT s.ended FROM sessions s CROSS JOIN attrs a ON a.thing = s.id AND a.name = 'category' AND a.value = ?"
    " WHERE s.ended > 0 ORDER BY s.ended DESC LIMIT 1")
SQL(LAST_OUTCOMES, "SELECT s.ended, s.name, a.value FROM (SELECT id, name, ended FROM sessions WHERE ended > 0"
    " ORDER BY ended DESC, id DESC LIMIT ?1) s CROSS JOIN attrs a ON a.thing = s.id AND a.name = 'outcome' ORDER BY s.ended DESC, s.id DESC")
SQL(LESSONS_SOUND, "SELECT l.name, trim(coalesce(" ATTR_OF("l.id", "keywords") ", ''), char(10, 9, 32)) <> '',"
    " coalesce(substr(" ATTR_OF("l.id", "body") ", 1, 1), '') = '#', coalesce(" ATTR_OF("l.id", "status") ", 'draft')"
    " FROM things l WHERE l.kind = ? AND l.gone = 0 ORDER BY l.name")

/* lessons: who was given which, and what became of it */
SQL(LESSONS_ACTIVE, "SELECT l.id, l.name, k.value FROM things l CROSS JOIN attrs s ON s.thing = l.id AND s.name = 'status' AND s.value = 'active'"
    " CROSS JOIN attrs k ON k.thing = l.id AND k.name = 'keywords' WHERE l.kind = ? AND l.gone = 0 ORDER BY l.id")
SQL(LESSON_BYTES, "SELECT length(CAST(value AS BLOB)) FROM attrs WHERE thing = ? AND name = 'body'")
SQL(KEYWORD_HEARD, "SELECT n FROM keywords WHERE keyword = ?")
SQL(KEYWORD_UP, "INSERT INTO keywords(keyword, n) VALUES(?, 1) ON CONFLICT(keyword) DO UPDATE SET n = n + 1")
SQL(CONTEXT_NUMBER, "SELECT idx FROM contexts WHERE session = ?")
SQL(CONTEXT_LAST, "SELECT idx FROM contexts ORDER BY idx DESC LIMIT 1")
SQL(CONTEXT_ADD, "INSERT INTO contexts(idx, session, seq, at) VALUES(?, ?, 0, 0)")
SQL(CONTEXT_SEEN, "UPDATE contexts SET seq = ?2, at = ?3 WHERE session = ?1")
SQL(CONTEXT_SUM_ADD, "INSERT INTO context_sums(block, n, sum, squares) VALUES(?, ?, ?, ?) ON CONFLICT(block)"
    " DO UPDATE SET n = n + excluded.n, sum = sum + excluded.sum, squares = squares + excluded.squares")
SQL(CONTEXT_SUMS, "SELECT coalesce(sum(n), 0), coalesce(sum(sum), 0), coalesce(sum(squares), 0) FROM context_sums WHERE block > ?")
/* of the contexts between the numbers ?1 and ?2, from the marks themselves */
SQL(CONTEXT_SUM_BETWEEN, "SELECT count(*), coalesce(sum(v), 0), coalesce(sum(v * v), 0) FROM (SELECT CAST(round(m.value * 1e6) AS INTEGER) AS v"
    " FROM contexts c CROSS JOIN marks m ON m.session = c.session WHERE c.idx > ?1 AND c.idx < ?2)")
SQL(FIRING, "SELECT held, share FROM firings WHERE lesson = ? AND session = ?")
SQL(FIRING_WORDS, "SELECT keywords FROM firings WHERE lesson = ? AND session = ?")
SQL(FIRING_SET, "INSERT INTO firings(lesson, session, idx, share, held, keywords) VALUES(?, ?, ?, ?, ?, ?)"
    " ON CONFLICT(lesson, session) DO UPDATE SET keywords = excluded.keywords")
SQL(FIRINGS_SINCE, "SELECT count(*) FROM firings WHERE lesson = ? AND idx > ?")
SQL(FIRING_KEYWORDS, "SELECT keywords FROM firings WHERE lesson = ? AND idx > ? ORDER BY idx")
SQL(EFFECT_ADD, "INSERT INTO effects(lesson, share, held, n, sum, squares) SELECT lesson, share, held, ?2, ?3, ?4 FROM firings"
    " WHERE session = ?1 ON CONFLICT(lesson, share, held)"
    " DO UPDATE SET n = n + excluded.n, sum = sum + excluded.sum, squares = squares + excluded.squares")
SQL(EFFECT_FIRED, "SELECT coalesce(sum(n), 0), coalesce(sum(sum), 0), coalesce(sum(squares), 0) FROM effects WHERE lesson = ? AND held = 0")
SQL(EFFECT_DRAWN, "SELECT share, held, n, sum, squares FROM effects WHERE lesson = ? AND share > 0 ORDER BY share, held")
SQL(LESSON_ROW, "SELECT first, since, fired, held, last FROM lessons WHERE id = ?")
SQL(LESSON_ACTIVE, "INSERT OR IGNORE INTO lessons(id, first, since) VALUES(?1, ?2, ?2)")
SQL(LESSON_SINCE, "UPDATE lessons SET since = ?2 WHERE id = ?1")
SQL(LESSON_FIRED, "UPDATE lessons SET fired = fired + ?2, held = held + ?3, first = min(first, ?4) WHERE id = ?1")
SQL(LESSON_LAST, "UPDATE lessons SET last = ?2 WHERE id = ?1")
/* what the last context of the session gave it: name, score, keywords as JSON, body */
SQL(LESSONS_GIVEN, "SELECT l.name, json_extract(f.value, '$.score'), json_extract(f.value, '$.keywords'), " ATTR_OF("l.id", "body")
    " FROM contexts c CROSS JOIN events e ON e.seq = c.seq CROSS JOIN json_each(e.line, '$.fired') f"
    " CROSS JOIN things l ON l.id = json_extract(f.value, '$.lesson_id') AND l.gone = 0"
    " WHERE c.session = ? AND json_extract(f.value, '$.held') = 0 ORDER BY f.key")
SQL(LESSONS_LEFT_OUT, "SELECT n.value FROM contexts c CROSS JOIN events e ON e.seq = c.seq CROSS JOIN json_each(e.line, '$.left_out') n"
    " WHERE c.session = ? ORDER BY n.key")

/* the tree: children of a directory by name, in order of id; and what they are */
SQL(FIND_COLUMN,
    "SELECT t.id FROM tasks t JOIN board b ON b.task = t.id WHERE t.name = ?2 AND t.gone = 0 AND b.col = ?1")
SQL(LIST_COLUMN,
    "SELECT b.task, t.name FROM board b JOIN tasks t ON t.id = b.task WHERE b.col = ?1 AND b.task > ?2 ORDER BY b.task")
SQL(LIST_DONE,
    "SELECT b.task, t.name FROM board b JOIN tasks t ON t.id = b.task JOIN finished f ON f.task = b.task"
    " WHERE b.col = 5 AND b.task > ?2 AND f.at >= ?1 ORDER BY b.task")
SQL(STAT_COLUMN,
    "SELECT t.uid, t.changed FROM tasks t JOIN board b ON b.task = t.id WHERE t.id = ?1 AND b.col = ?2")
SQL(FIND_DONE,
    "SELECT t.id FROM tasks t JOIN board b ON b.task = t.id WHERE t.name = ?2 AND t.gone = 0 AND b.col = 5 AND ?1 <> 0")
SQL(STAT_DONE, "SELECT t.uid, f.at FROM tasks t JOIN finished f ON f.task = t.id WHERE t.id = ?1")
SQL(TASK_NAME, "SELECT name FROM tasks WHERE id = ?")
SQL(GRANT_NAME, "SELECT name FROM grants WHERE token = ?")
SQL(GRANT_SESSION, "SELECT session FROM grants WHERE token = ?")
SQL(SESSION_NAME, "SELECT name FROM sessions WHERE id = ?")
SQL(THING_NAME, "SELECT name FROM things WHERE id = ?")
SQL(FIND_CLAIM, "SELECT token FROM grants WHERE name = ?2 AND ended = 0")
SQL(LIST_CLAIM, "SELECT token, name FROM grants INDEXED BY grants_list WHERE ended = 0 AND token > ?2 ORDER BY token")
SQL(FIND_HELD, "SELECT token FROM grants WHERE name = ?2 AND ended = 0 AND session = ?1")
SQL(LIST_HELD, "SELECT token, name FROM grants WHERE uid = (SELECT uid FROM sessions WHERE id = ?1) AND session = ?1 AND ended = 0 AND token > ?2 ORDER BY token")
SQL(FIND_ACTION, "SELECT id FROM actions WHERE name = ?2 AND gone = 0 AND ?1 IS NOT NULL")
SQL(LIST_ACTION, "SELECT id, name FROM actions INDEXED BY actions_list WHERE gone = 0 AND ?1 IS NOT NULL AND id > ?2 ORDER BY id")
SQL(STAT_ACTION, "SELECT uid, changed FROM actions WHERE id = ?1 AND gone = 0")
SQL(ACTION_NAME, "SELECT name FROM actions WHERE id = ?")
SQL(STAT_CLAIM, "SELECT uid, touched FROM grants WHERE token = ?1 AND ended = 0")
SQL(FIND_FINISHED,
    "SELECT token FROM grants WHERE session = ?1 AND name = ?2 AND how = 'finished' ORDER BY token DESC LIMIT 1")
SQL(LIST_FINISHED,
    "SELECT max(token), name FROM grants WHERE session = ?1 AND how = 'finished' GROUP BY name"
    " HAVING max(token) > ?2 ORDER BY max(token)")
SQL(STAT_FINISHED, "SELECT uid, ended FROM grants WHERE token = ?1 AND how = 'finished'")
SQL(FIND_TASK, "SELECT id FROM tasks WHERE name = ?2 AND gone = 0")
SQL(LIST_TASK, "SELECT id, name FROM tasks WHERE gone = 0 AND id > ?2 ORDER BY id")
SQL(STAT_TASK, "SELECT uid, changed FROM tasks WHERE id = ?1 AND gone = 0")
SQL(FIND_LIVE_SESSION, "SELECT id FROM sessions WHERE name = ?2 AND ended = 0")
SQL(LIST_LIVE_SESSION, "SELECT id, name FROM sessions WHERE ended = 0 AND id > ?2 ORDER BY id")
SQL(STAT_LIVE_SESSION, "SELECT uid, started, gid FROM sessions WHERE id = ?1 AND ended = 0")
SQL(FIND_ENDED_SESSION, "SELECT id FROM sessions WHERE name = ?2 AND ended > 0")
SQL(LIST_ENDED_SESSION,
    "SELECT id, name FROM sessions WHERE ended >= max(1, ?1) AND id > ?2 ORDER BY id")
SQL(STAT_ENDED_SESSION, "SELECT uid, ended, gid FROM sessions WHERE id = ?1 AND ended > 0")
SQL(FIND_THING, "SELECT id FROM things WHERE kind = ?1 AND name = ?2 AND gone = 0")
SQL(LIST_THING, "SELECT id, name FROM things WHERE kind = ?1 AND gone = 0 AND id > ?2 ORDER BY id")
SQL(STAT_THING,
    "SELECT uid, max(made, coalesce((SELECT max(changed) FROM attrs WHERE thing = ?1), 0)) FROM things"
    " WHERE id = ?1 AND gone = 0 AND kind = ?2")
SQL(FIND_DAY,
    "SELECT ?1 FROM sessions WHERE ended >= ?1 * 86400000 AND ended < (?1 + 1) * 86400000 UNION ALL"
    " SELECT ?1 FROM finished WHERE at >= ?1 * 86400000 AND at < (?1 + 1) * 86400000 LIMIT 1")
SQL(LIST_DAY,
    "SELECT DISTINCT day, date(day * 86400, 'unixepoch') FROM (SELECT ended / 86400000 AS day FROM sessions WHERE ended > 0"
    " UNION SELECT at / 86400000 FROM finished) WHERE day > ?2 ORDER BY day")
SQL(STAT_DAY, "SELECT 0, ?1 * 86400000")
SQL(DAY_NAME, "SELECT date(?1 * 86400, 'unixepoch')")
SQL(LIST_DAY_SESSION,
    "SELECT id, name FROM sessions WHERE ended >= ?1 * 86400000 AND ended < (?1 + 1) * 86400000 AND ended > 0 AND id > ?2 ORDER BY id")
SQL(FIND_DAY_SESSION,
    "SELECT id FROM sessions WHERE name = ?2 AND ended >= ?1 * 86400000 AND ended < (?1 + 1) * 86400000 AND ended > 0")
SQL(LIST_DAY_TASK,
    "SELECT f.task, t.name FROM finished f JOIN tasks t ON t.id = f.task WHERE f.at >= ?1 * 86400000 AND f.at < (?1 + 1) * 86400000 AND f.task > ?2 ORDER BY f.task")
SQL(FIND_DAY_TASK,
    "SELECT f.task FROM tasks t JOIN finished f ON t.id = f.task WHERE t.name = ?2 AND t.gone = 0 AND f.at >= ?1 * 86400000 AND f.at < (?1 + 1) * 86400000")
SQL(STAT_SESSION, "SELECT uid, max(started, ended) FROM sessions WHERE id = ?1")
SQL(SESSION_TOKENS, "SELECT count(*) FROM sessions WHERE ended = 0")
SQL(HISTORY, "SELECT line FROM events WHERE task = ?1 AND task > 0 ORDER BY seq")

SQL(COUNT_COLUMN, "SELECT count(*) FROM board WHERE col = ?")
SQL(COUNT_DONE_SINCE, "SELECT count(*) FROM finished WHERE at >= ?")
SQL(STATUS_CLAIMS, "SELECT g.name, coalesce(s.name, '-'), g.touched FROM grants g"
    " LEFT JOIN sessions s ON s.id = g.session WHERE g.ended = 0 ORDER BY g.touched LIMIT ?")

/* the whole state, for hashing and checking */
SQL(DUMP_TASKS,
    "SELECT t.id || '|' || t.name || '|' || t.uid || '|' || t.drafter || '|' || t.created || '|' || t.changed || '|' || t.gone"
    " || '|' || b.state || '|' || b.token || '|' || b.unmet || '|' || b.conflicts || '|' || b.hold || '|' || b.value || '|' || b.worth || '|' || b.offer || '|' || b.lane || '|' || b.let_go || '|' || b.family"
    " || '|' || b.reopened || '|' || b.unblocked || '|' || b.done_at FROM tasks t JOIN board b ON b.task = t.id ORDER BY t.id")
SQL(DUMP_FINISHED,
    "SELECT task || '|' || token || '|' || session || '|' || at || '|' || due FROM finished ORDER BY task")
SQL(DUMP_ATTRS,
    "SELECT thing || '|' || name || '|' || value || '|' || changed FROM attrs WHERE name <> 'verdict' ORDER BY thing, name")
SQL(DUMP_NEEDS, "SELECT task || '|' || need || '|' || pos FROM needs ORDER BY task, need")
SQL(DUMP_ARTIFACTS,
    "SELECT task || '|' || name || '|' || stem || '|' || pos || '|' || live FROM artifacts ORDER BY task, name")
SQL(DUMP_SESSIONS,
    "SELECT id || '|' || name || '|' || uid || '|' || gid || '|' || started || '|' || ended || '|' || how || '|' || refusals || '|' || why || '|' || told FROM sessions ORDER BY id")
SQL(DUMP_MEMBERS,
    "SELECT pid || '|' || start || '|' || boot || '|' || session FROM members ORDER BY pid, start, boot")
SQL(DUMP_ANCHORS,
    "SELECT session || '|' || pid || '|' || start || '|' || boot FROM anchors ORDER BY session")
SQL(DUMP_LOCKS,
    "SELECT token || '|' || name || '|' || shared || '|' || session || '|' || uid || '|' || pid || '|' || start || '|' || boot"
    " || '|' || since FROM locks ORDER BY token")
SQL(DUMP_GRANTS,
    "SELECT token || '|' || task || '|' || name || '|' || session || '|' || uid || '|' || pid || '|' || since || '|' || ttl"
    " || '|' || ended || '|' || finish || '|' || how || '|' || reported || '|' || superseded || '|' || start || '|' || boot || '|' || (lock > 0) || '|' || unblocks || '|' || lane || '|' || coalesce(printf('%.17g', chosen), '') FROM grants ORDER BY token")
SQL(DUMP_COMMITS, "SELECT id || '|' || repo || '|' || oid || '|' || at || '|' || author || '|' || author_at || '|' || subject || '|' || session"
    " || '|' || session_id || '|' || how || '|' || patch || '|' || loose || '|' || first || '|' || uncovered FROM commits ORDER BY id")
SQL(DUMP_COMMIT_PATHS, "SELECT cid || '|' || stem || '|' || name || '|' || status || '|' || blob || '|' || size FROM commit_paths ORDER BY cid, name")
SQL(DUMP_COMMIT_HOLDERS, "SELECT cid || '|' || session FROM commit_holders ORDER BY cid, session")
SQL(DUMP_BASES, "SELECT session || '|' || repo || '|' || seq || '|' || head FROM bases ORDER BY session, repo")
SQL(DUMP_INCIDENTS, "SELECT id || '|' || n || '|' || repo || '|' || a || '|' || b || '|' || first_at || '|' || last_at || '|' || gap || '|' || cost || '|' ||"
    " kinds || '|' || commits || '|' || paths || '|' || held || '|' || lesson || '|' || applied FROM incidents ORDER BY id")
SQL(DUMP_INCIDENT_COMMITS, "SELECT incident || '|' || cid FROM incident_commits ORDER BY incident, cid")
SQL(DUMP_JOURNAL, "SELECT id || '|' || session || '|' || at || '|' || text FROM journal ORDER BY id")
SQL(DUMP_REFUSALS, "SELECT id || '|' || session || '|' || at || '|' || errno || '|' || op FROM refusals ORDER BY id")
SQL(DUMP_GRADES, "SELECT id || '|' || session || '|' || dimension || '|' || value || '|' || reason || '|' || writer || '|' || uid || '|' || at"
    " || '|' || judge FROM grades ORDER BY id")
SQL(DUMP_LINES, "SELECT id || '|' || file || '|' || hex || '|' || text FROM lines ORDER BY id")
SQL(DUMP_MESSAGES, "SELECT session || '|' || id || '|' || sender || '|' || uid || '|' || at FROM messages ORDER BY session, id")
SQL(DUMP_REVERTS, "SELECT oid || '|' || cid FROM reverts ORDER BY oid, cid")
SQL(DUMP_DAYS, "SELECT day || '|' || what || '|' || n FROM days ORDER BY day, what")
SQL(DUMP_TAGS, "SELECT tag || '|' || task FROM tags ORDER BY tag, task")
SQL(DUMP_TITLES, "SELECT task || '|' || key FROM titles ORDER BY task")
SQL(DUMP_TITLE_WORDS, "SELECT word || '|' || task FROM title_words ORDER BY word, task")
SQL(DUMP_DUPLICATES, "SELECT task || '|' || other || '|' || at || '|' || refused FROM duplicates ORDER BY task, other")
SQL(DUMP_MARKS, "SELECT session || '|' || printf('%.17g', value) FROM marks ORDER BY session")
SQL(DUMP_REWARDS, "SELECT idx || '|' || session || '|' || lane || '|' || printf('%.17g', value) FROM rewards ORDER BY idx")
SQL(DUMP_ARMS, "SELECT lane || '|' || n || '|' || printf('%.17g', total) || '|' || printf('%.17g', weight) || '|' || printf('%.17g', sum) || '|' || idx FROM arms ORDER BY lane")
SQL(DUMP_PICKS, "SELECT token || '|' || session || '|' || lane FROM picks ORDER BY token")
SQL(DUMP_ACTIONS, "SELECT id || '|' || name || '|' || session || '|' || uid || '|' || pid || '|' || since || '|' || changed || '|' || state"
    " || '|' || closed || '|' || reason || '|' || result || '|' || gone FROM actions ORDER BY id")
SQL(DUMP_ACTION_LOG, "SELECT id || '|' || name || '|' || at || '|' || event || '|' || session || '|' || note FROM action_log ORDER BY id")
SQL(DUMP_CONTEXTS, "SELECT idx || '|' || session || '|' || seq || '|' || at FROM contexts ORDER BY idx")
SQL(DUMP_CONTEXT_SUMS, "SELECT block || '|' || n || '|' || sum || '|' || squares FROM context_sums ORDER BY block")
SQL(DUMP_FIRINGS, "SELECT lesson || '|' || session || '|' || idx || '|' || share || '|' || held || '|' || keywords FROM firings ORDER BY lesson, session")
SQL(DUMP_EFFECTS, "SELECT lesson || '|' || share || '|' || held || '|' || n || '|' || sum || '|' || squares FROM effects ORDER BY lesson, share, held")
SQL(DUMP_LESSONS, "SELECT id || '|' || first || '|' || since || '|' || fired || '|' || held || '|' || last FROM lessons ORDER BY id")
SQL(DUMP_KEYWORDS, "SELECT keyword || '|' || n FROM keywords ORDER BY keyword")
SQL(DUMP_THINGS, "SELECT id || '|' || kind || '|' || name || '|' || uid || '|' || made || '|' || gone FROM things ORDER BY id")
SQL(CHECK_TOKENS,
    "SELECT count(*) FROM board b LEFT JOIN grants g ON g.token = b.token AND g.ended = 0 WHERE b.token > 0 AND (g.token IS NULL OR g.task <> b.task)")
SQL(CHECK_GRANTS,
    "SELECT count(*) FROM grants g LEFT JOIN board b ON b.task = g.task AND b.token = g.token WHERE g.ended = 0 AND b.task IS NULL")
SQL(CHECK_LIVE, "SELECT count(*) FROM artifacts a JOIN board b ON b.task = a.task WHERE a.live <> CASE WHEN b.state >= 2 THEN 0 ELSE 1 END")
SQL(CHECK_HELD, "SELECT (SELECT count(*) FROM held h WHERE NOT EXISTS(SELECT 1 FROM board b JOIN artifacts a ON a.task = b.task"
    " WHERE b.task = h.task AND b.token > 0 AND a.name = h.name AND a.stem = h.stem))"
    " + (SELECT count(*) FROM board b JOIN artifacts a ON a.task = b.task WHERE b.token > 0"
    " AND NOT EXISTS(SELECT 1 FROM held h WHERE h.stem = a.stem AND h.task = a.task AND h.name = a.name))")
SQL(CHECK_COUNTS, "SELECT count(*) FROM counts c WHERE c.claims <> (SELECT count(*) FROM grants g WHERE g.uid = c.uid"
    " AND g.ended = 0 AND (c.session = 0 OR g.session = c.session))")
SQL(CHECK_UNMET,
    "SELECT count(*) FROM board b JOIN tasks t ON t.id = b.task WHERE t.gone = 0 AND b.unmet <> (SELECT count(*) FROM needs n"
    " WHERE n.task = b.task AND NOT EXISTS(SELECT 1 FROM tasks t2 JOIN board b2 ON b2.task = t2.id"
    " WHERE t2.name = n.need AND t2.gone = 0 AND b2.state = 2))")
SQL(CHECK_OVERLAP, "SELECT count(*) FROM held a JOIN held o ON o.task > a.task AND overlaps(a.name, o.name)")
SQL(CHECK_CONFLICTS,
    "SELECT count(*) FROM board b JOIN tasks t ON t.id = b.task WHERE t.gone = 0 AND b.state < 2 AND b.conflicts <>"
    " (SELECT count(*) FROM artifacts a JOIN held o ON o.task <> a.task AND overlaps(a.name, o.name) WHERE a.task = b.task AND a.live > 0)")
/* clang-format on */
#endif
