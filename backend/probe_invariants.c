/*
 * invariants: do the registered repositories hold what nobody answers for?
 * Changes that no live claim covers, and index.lock files whose git has gone.
 *
 * Inputs, besides "programs" (`coordfs inspect` for each repository, in their order):
 *
 *	now grace lock-age  ms
 *	git                 since when the longest-running git runs (ms of now);
 *	                    null: none runs; a text: why that cannot be told
 *	repositories        [{ name, path }..]; path null: not set
 *	held                [[artifact, session, task, 0]..] of live claims, in these repositories
 *	ended               the same of sessions that have ended, the latest first; and when (ms)
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "backend/clean.h"
#include "backend/cover.h"
#include "backend/field.h"
#include "backend/probe_kinds.h"
#include "backend/text.h"
#include "backend/tx.h"

#define ENDED_WITHIN (7 * INT64_C(86400000))
/* Artifacts of ended sessions; without them a change is told, but not whose it is. */
#define ENDED_MOST 1000
#define ENDED_ROWS 5000 /* that are looked at for them */
#define PATH_SHOWN 80	/* bytes */
#define CLOCK_STEP 1000 /* ms that the time of a file may be off the start of who made it */

/* --- look --- */

static int look_repository(struct probe_look *l, int64_t id, const char *name, json_t *list)
{
	AUTO_FREE char *path = tx_attr(l->db, id, "path");
	AUTO_BUF struct buf argv = BUF_INIT;

	if (json_array_append_new(list, json_pack("{s:s, s:s?}", "name", name, "path", path)))
		return -ENOMEM;
	buf_printf(&argv, "coordfs\ninspect\n--as-owner\n%s", path ? path : "");
	if (argv.err)
		return -ENOMEM;
	return path ? probe_ask(l, argv.p, PROBE_SELF | PROBE_OWNER) : 0;
}

static int look_repositories(struct probe_look *l, json_t *list)
{
	AUTO_ROWS *r = db_rows(l->db, Q(THINGS), I(THING_REPO));
	int err = 0, got = 0;

	while (!err && (got = rows_next(r)) > 0)
		err = look_repository(l, rows_int(r, 0), rows_text(r, 2), list);
	return err ? err : got;
}

/* Is the artifact in one of the registered repositories? */
static int is_registered(const json_t *repositories, const char *artifact)
{
	size_t n = strcspn(artifact, ":"), i;
	const json_t *repo;

	json_array_foreach(repositories, i, repo) {
		const char *name = event_text(repo, "name");

		if (strlen(name) == n && memcmp(name, artifact, n) == 0)
			return 1;
	}
	return 0;
}

/* [artifact, session, task, when it ended], the columns of a row. */
static int add_entry(struct rows *r, json_t *list)
{
	return json_array_append_new(list,
				     json_pack("[s, s, s, I]", rows_text(r, 0), rows_text(r, 1),
					       rows_text(r, 2), (json_int_t)rows_int(r, 3))) ?
		       -ENOMEM :
		       0;
}

static int look_held(struct probe_look *l, const json_t *repositories, json_t *list)
{
	AUTO_ROWS *r = db_rows(l->db, Q(ARTIFACTS_CLAIMED));
	int err = 0;

	while (!err && rows_next(r) > 0)
		if (is_registered(repositories, rows_text(r, 0)))
			err = add_entry(r, list);
	return err ? err : db_error(l->db);
}

/* Each artifact once: its last session. */
static int look_ended(struct probe_look *l, const json_t *repositories, json_t *list)
{
	AUTO_ROWS *r = db_rows(l->db, Q(ARTIFACTS_ENDED), I(l->wall - ENDED_WITHIN), I(ENDED_ROWS));
	json_t *seen = json_object();
	int err = seen ? 0 : -ENOMEM;

	while (!err && json_array_size(list) < ENDED_MOST && rows_next(r) > 0) {
		const char *name = rows_text(r, 0);

		if (json_object_get(seen, name) || !is_registered(repositories, name))
			continue;
		err = json_object_set_new(seen, name, json_true()) ? -ENOMEM : add_entry(r, list);
	}
	json_decref(seen);
	return err ? err : db_error(l->db);
}

static json_t *look_git(struct world *w)
{
	int64_t since = 0;
	int got = w->oldest(w, "git", &since);

	if (got < 0)
		return json_string(errno_text(got));
	return got ? json_integer(since) : json_null();
}

static int look(struct probe_look *l)
{
	json_t *repositories = json_array(), *held = json_array(), *ended = json_array();
	int err;

	err = json_object_update_new(
		l->inputs,
		json_pack("{s:o, s:o, s:o, s:I, s:I, s:I}", "repositories", repositories, "held",
			  held, "ended", ended, "now", (json_int_t)l->wall, "grace",
			  (json_int_t)field_duration(l->db, THING_PROBE, l->id, "grace"),
			  "lock-age",
			  (json_int_t)field_duration(l->db, THING_PROBE, l->id, "lock-age")));
	if (err)
		return -ENOMEM;
	err = look_repositories(l, repositories);
	if (err || !json_array_size(repositories))
		return err;
	err = look_held(l, repositories, held);
	if (!err)
		err = look_ended(l, repositories, ended);
	if (err)
		return err;
	return json_object_set_new(l->inputs, "git", look_git(l->world)) ? -ENOMEM : 0;
}

/* --- judge --- */

/* Whose a changed path is. */
enum whose { CLAIMED, RECENT, ENDED, NOBODY, WHOSE };

/* What is known while the repositories are gone through. */
struct judged {
	const json_t *inputs;
	struct cover *held, *ended;
	int supplies, unknowns;
	int64_t claimed, recent;    /* changed paths that are no supply */
	struct buf supply, unknown; /* what the first of each has to say */
};

/* One repository. */
struct found {
	const char *name; /* of the repository */
	int64_t n[WHOSE];
	const char *first[WHOSE]; /* path */
	const char *session;	  /* of the first ENDED one */
	int64_t more;		  /* paths that were not listed */
	int64_t lock;		  /* age in ms of a stale index.lock; 0: there is none */
};

__attribute__((format(printf, 3, 4))) static void unknown(struct judged *j, const char *name,
							  const char *fmt, ...)
{
	char why[PROBE_DETAIL];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(why, sizeof(why), fmt, ap);
	va_end(ap);
	if (j->unknowns++ == 0)
		buf_printf(&j->unknown, "%s: %s", name, why);
}

/* The artifacts of LIST into *OUT, which is to be freed however that went. */
static int cover_of(const json_t *list, struct cover **out)
{
	const json_t *e;
	int err = 0;
	size_t i;

	*out = cover_new();
	json_array_foreach(list, i, e) {
		const char *name = json_string_value(json_array_get(e, 0));

		if (*out && !err)
			err = cover_add(*out, name ? name : "");
	}
	return *out ? err : -ENOMEM;
}

/* A time ahead of ours is no reason to wait for it. */
static int is_recent(const struct judged *j, int64_t mtime)
{
	int64_t age = event_int(j->inputs, "now") - mtime;

	return mtime && (age < 0 ? -age : age) < event_int(j->inputs, "grace");
}

/* A negative answer: no memory. */
static int whose(struct judged *j, struct found *f, const json_t *change)
{
	const char *path = event_text(change, "path");
	int i = cover_find(j->held, f->name, path);
	const json_t *e;

	if (i != -1)
		return i < 0 ? i : CLAIMED;
	if (is_recent(j, event_int(change, "mtime")))
		return RECENT;
	i = cover_find(j->ended, f->name, path);
	if (i == -1)
		return NOBODY;
	if (i < 0)
		return i;
	e = json_array_get(json_object_get(j->inputs, "ended"), (size_t)i);
	if (event_int(change, "mtime") > json_integer_value(json_array_get(e, 3)) + CLOCK_STEP)
		return NOBODY; /* the session had gone by then */
	if (!f->session)
		f->session = json_string_value(json_array_get(e, 1));
	return ENDED;
}

static int count_changes(struct judged *j, struct found *f, const json_t *changed)
{
	const json_t *change;
	size_t i;

	json_array_foreach(changed, i, change) {
		int w = whose(j, f, change);

		if (w < 0)
			return w;
		if (f->n[w]++ == 0)
			f->first[w] = event_text(change, "path");
	}
	j->claimed += f->n[CLAIMED];
	j->recent += f->n[RECENT];
	return 0;
}

/* A lock that a git which runs may have made is not stale. */
static void look_at_lock(struct judged *j, struct found *f, const json_t *lock)
{
	const json_t *git = json_object_get(j->inputs, "git");
	int64_t made = event_int(lock, "mtime"), age = event_int(j->inputs, "now") - made;

	if (!json_is_object(lock) || age <= event_int(j->inputs, "lock-age"))
		return;
	if (json_is_string(git))
		unknown(j, f->name, "whether git still needs its index.lock: %s",
			json_string_value(git));
	else if (!json_is_integer(git) || made + CLOCK_STEP < json_integer_value(git))
		f->lock = age;
}

/* PATH's beginning, whole characters. */
static int shown(const char *path)
{
	size_t n = strlen(path);

	if (n <= PATH_SHOWN)
		return (int)n;
	for (n = PATH_SHOWN; ((unsigned char)path[n] & 0xc0) == 0x80; n--)
		;
	return (int)n;
}

/* "changes of …: PATH and 2 more", of the paths that are supply. */
static void tell_paths(const struct found *f, struct buf *out)
{
	enum whose w = f->n[ENDED] ? ENDED : NOBODY;
	int64_t others = f->n[ENDED] + f->n[NOBODY] - 1;

	if (w == ENDED)
		buf_printf(out, "uncommitted changes of ended session %s: ", f->session);
	else
		buf_str(out, "modified without a claim: ");
	buf_printf(out, "%.*s%s", shown(f->first[w]), f->first[w],
		   f->first[w][shown(f->first[w])] ? "..." : "");
	if (others > 0)
		buf_printf(out, " and %lld more", (long long)others);
}

static void tell(struct judged *j, const struct found *f)
{
	char age[DURATION_TEXT];
	int paths = f->n[ENDED] + f->n[NOBODY] > 0;

	if (!paths && !f->lock && f->more)
		unknown(j, f->name, "%lld changes more than are listed", (long long)f->more);
	if (!paths && !f->lock)
		return;
	if (j->supplies++)
		return;
	buf_printf(&j->supply, "%s: ", f->name);
	if (paths)
		tell_paths(f, &j->supply);
	if (f->lock)
		buf_printf(&j->supply, "%sstale index.lock, %s old", paths ? "; " : "",
			   duration_text(f->lock / 1000 * 1000, age));
}

/* What the program printed, the caller's; NULL: it could not look, which J knows now. */
static json_t *inspected(struct judged *j, const char *name, size_t program)
{
	const json_t *p = json_array_get(json_object_get(j->inputs, "programs"), program);
	const char *output, *errors = event_text(p, "errors"), *colon;
	struct probe_said said = { .answer = PROBE_UNKNOWN };
	json_t *found = NULL;
	int status;

	if (!probe_program(j->inputs, program, &status, &output, &said)) {
		unknown(j, name, "%s", said.detail);
		return NULL;
	}
	if (status == 0)
		found = json_loads(output, 0, NULL);
	if (json_is_array(json_object_get(found, "changed")))
		return found;
	json_decref(found);
	colon = strstr(errors, ": "); /* behind who says it */
	if (status)
		unknown(j, name, "%s", colon ? colon + 2 : *errors ? errors : "exit status 3");
	else
		unknown(j, name, "coordfs inspect printed what is no answer");
	return NULL;
}

static int judge_repository(struct judged *j, const char *name, size_t program)
{
	struct found f = { .name = name };
	json_t *found = inspected(j, name, program);
	int err;

	if (!found)
		return 0;
	f.more = event_int(found, "more");
	err = count_changes(j, &f, json_object_get(found, "changed"));
	if (!err) {
		look_at_lock(j, &f, json_object_get(found, "lock"));
		tell(j, &f);
	}
	json_decref(found);
	return err;
}

static int judge_all(struct judged *j, const json_t *repositories)
{
	const json_t *repo;
	size_t i, program = 0;
	int err = 0;

	json_array_foreach(repositories, i, repo) {
		const char *name = event_text(repo, "name");

		if (err)
			break;
		if (json_is_string(json_object_get(repo, "path")))
			err = judge_repository(j, name, program++);
		else
			unknown(j, name, "its path is not set");
	}
	return err;
}

static void say_supply(const struct judged *j, struct probe_said *out)
{
	char others[64] = "";

	if (j->supplies > 1)
		(void)snprintf(others, sizeof(others), "; and %d more of the repositories",
			       j->supplies - 1);
	probe_say(out, PROBE_SUPPLY, "%s%s%s%s", buf_text(&j->supply), others,
		  j->unknowns ? "; unknown: " : "", buf_text(&j->unknown));
}

static void say_unknown(const struct judged *j, struct probe_said *out)
{
	char others[64] = "";

	if (j->unknowns > 1)
		(void)snprintf(others, sizeof(others), "; and %d more", j->unknowns - 1);
	probe_say(out, PROBE_UNKNOWN, "%s%s", buf_text(&j->unknown), others);
}

static void say_dry(const struct judged *j, size_t n, struct probe_said *out)
{
	char recent[64] = "";

	if (j->recent)
		(void)snprintf(recent, sizeof(recent), "%s changed a moment ago",
			       probe_count(j->recent, "path"));
	if (!j->claimed && !j->recent)
		probe_say(out, PROBE_DRY, "%zu %s clean", n,
			  n == 1 ? "repository is" : "repositories are");
	else
		probe_say(out, PROBE_DRY, "%s%s%s in %zu %s",
			  j->claimed ? probe_count(j->claimed, "claimed change") : "",
			  j->claimed && j->recent ? "; " : "", recent, n,
			  n == 1 ? "repository" : "repositories");
}

static void judge(const json_t *inputs, struct probe_said *out)
{
	const json_t *repositories = json_object_get(inputs, "repositories");
	struct judged j = { .inputs = inputs };
	int err = cover_of(json_object_get(inputs, "held"), &j.held);

	if (!err)
		err = cover_of(json_object_get(inputs, "ended"), &j.ended);
	if (!err)
		err = judge_all(&j, repositories);
	if (err || j.supply.err || j.unknown.err)
		probe_say(out, PROBE_UNKNOWN, "could not be judged: %s",
			  errno_text(err ? err : -ENOMEM));
	else if (j.supplies)
		say_supply(&j, out);
	else if (j.unknowns)
		say_unknown(&j, out);
	else if (!json_is_array(repositories))
		probe_say(out, PROBE_UNKNOWN, "the repositories could not be read");
	else if (!json_array_size(repositories))
		probe_say(out, PROBE_DRY, "no repositories are registered");
	else
		say_dry(&j, json_array_size(repositories), out);
	(void)line_mend(out->detail); /* cut inside a character, or said by a program */
	out->filed = PROBE_UNFILED;
	buf_free(&j.supply);
	buf_free(&j.unknown);
	cover_free(j.held);
	cover_free(j.ended);
}

const struct probe_kind probe_invariants = { "invariants", NULL, look, judge };
