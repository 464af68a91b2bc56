/* grades: how a session did: the whole, its parts, who says so; and the weights. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "backend/clean.h"
#include "backend/grade.h"
#include "backend/text.h"
#include "fs/caller.h"
#include "fs/record.h"

/* --- the whole --- */

static void show_part(const struct grade_part *p, struct buf *out)
{
	if (p->known)
		buf_line(out, "%s %.2f weight %.2f by %s: %s", p->name, p->value, p->weight,
			 p->source, p->reason);
	else
		buf_line(out, "%s - weight %.2f", p->name, p->weight);
}

static void show_inputs(const struct deeds *d, struct buf *out)
{
	const struct {
		const char *name;
		int64_t n;
	} inputs[] = {
		{ "claims", d->claims },       { "finished", d->finished },
		{ "unblocked", d->unblocked }, { "lost", d->lost },
		{ "commits", d->commits },     { "uncovered", d->uncovered },
		{ "reverted", d->reverted },   { "twins", d->twins },
		{ "told", d->told },	       { "refusals", d->refusals },
		{ "choices", d->choices },     { "own", d->own },
	};

	for (size_t i = 0; i < sizeof(inputs) / sizeof(inputs[0]); i++)
		buf_line(out, "input %s %lld", inputs[i].name, (long long)inputs[i].n);
	buf_line(out, "input worth %.2f", d->worth);
	buf_line(out, "input chosen %.2f", d->chosen);
	buf_line(out, "input outcome %s", *d->outcome ? d->outcome : "-");
	buf_line(out, "input verdict %s", d->verdict);
}

/* What the session says that it resolved, and what the events say of that. */
static void show_resolved(struct request *r, int64_t id, struct buf *out)
{
	AUTO_FREE char *outcome = db_text(r->db, Q(ATTR), I(id), T("outcome"));
	struct lines l = { outcome, outcome ? outcome + strlen(outcome) : NULL };
	const char *line, *says;
	size_t n;

	if (!outcome || !lines_next(&l, &line, &n))
		return;
	while (lines_next(&l, &line, &n)) {
		AUTO_FREE char *text = strndup(line, n);
		const char *what = text ? strchr(text, ' ') : NULL;
		int seen = 0;

		if (!what)
			continue;
		if (strncmp(text, "unblocked ", 10) == 0)
			seen = (int)db_get(r->db, 0, Q(UNBLOCKED_IS), I(id), T(what + 1));
		else if (strncmp(text, "reopened ", 9) == 0)
			seen = db_get(r->db, 0, Q(REOPENED_BY), I(id), T(what + 1)) > 0;
		says = seen				 ? "seen" :
		       strncmp(text, "cheaper ", 8) == 0 ? "its own word" :
							   "not seen";
		buf_line(out, "resolved %s: %s", text, says);
	}
}

static int render(struct request *r, int64_t id, struct buf *out)
{
	struct session s;
	struct grade g;
	int err;

	if (read_session(r->db, id, &s) <= 0)
		return -ESTALE;
	err = grade_of(r->db, &s, &g);
	if (err)
		return err;
	if (g.known)
		buf_line(out, "%.2f", g.value);
	else
		buf_line(out, "-");
	for (int i = 0; grade_dimensions[i]; i++)
		show_part(&g.parts[i], out);
	show_inputs(&g.deeds, out);
	show_resolved(r, id, out);
	return out->err ? out->err : db_error(r->db);
}

/* A grade follows from the events: as long as there is no other one it is the same. */
int grade_show(struct request *r, int64_t id, struct buf *out)
{
	return shown_again(r, &r->fs->grade, id, 0, id, render, out);
}

/* --- its parts --- */

/* What was written last: VALUE REASON; of a part that is computed, what that gives. */
static int dimension_show(struct request *r, int64_t id, struct buf *out)
{
	AUTO_ROWS *rows = db_rows(r->db, Q(GRADE_LAST), I(id), T(r->node->name));
	struct grade_part part = { .name = r->node->name };
	struct session s;
	struct deeds d;
	int got = rows_next(rows), err;

	if (got < 0)
		return got;
	if (got) {
		buf_printf(out, "%s ", rows_text(rows, 1));
		if (strcmp(rows_text(rows, 6), "-") != 0)
			buf_printf(out, "judge=%s ", rows_text(rows, 6));
		buf_line(out, "%s", rows_text(rows, 2));
		return 0;
	}
	rows_end(&rows);
	if (read_session(r->db, id, &s) <= 0)
		return -ESTALE;
	err = grade_deeds(r->db, &s, &d);
	if (!err && grade_compute(part.name, &d, &part))
		buf_line(out, "%.2f %s", part.value, part.reason);
	else if (!err)
		buf_line(out, "-");
	return err;
}

struct kin {
	struct request *r;
	struct session graded;
};

/* Is the process of the graded session: its anchor, joined to it, or started as it? */
static int is_of_graded(const struct proc *p, void *arg)
{
	struct kin *k = arg;
	char name[256] = "";

	return db_get(k->r->db, 0, Q(PROCESS_OF), I(k->graded.id), I(p->pid), I(p->start),
		      T(store_boot_id(k->r->fs->store))) ||
	       (caller_env(p->pid, "COORD_SESSION", name, sizeof(name)) > 0 &&
		strcmp(name, k->graded.name) == 0);
}

/* Who asks is its process and those it descends from, whatever they call themselves; never the path. */
static int identify(struct request *r, int64_t id)
{
	struct kin k = { .r = r };
	int err = request_identify(r, 0);

	if (err || !r->actor.pid || read_session(r->db, id, &k.graded) <= 0)
		return err;
	if (caller_ancestors(r->actor.pid, is_of_graded, &k) > 0)
		r->actor.joined = id;
	return 0;
}

static int dimension_store(struct request *r, int64_t id, const char *text, size_t n, int append)
{
	int err = identify(r, id);

	(void)append;
	if (err)
		return err;
	err = request_about(r, CHANGE_GRADE, id, text, n);
	if (!err)
		(void)snprintf(r->change->field, sizeof(r->change->field), "%s", r->node->name);
	return err;
}

/* Refused when it is opened: the session and its family do not even get a descriptor. */
static int dimension_open(struct request *r, int64_t id, int flags)
{
	static const char next[] = "let another session, or an operator, grade it";
	struct session by, graded;
	int err = identify(r, id);

	(void)flags;
	if (err)
		return err;
	if (r->actor.session == id || r->actor.joined == id || r->actor.foreign == id)
		return request_refuse(r, EPERM, next,
				      "you are this session: nobody grades their own work");
	if (read_session(r->db, r->actor.session, &by) > 0 &&
	    read_session(r->db, id, &graded) > 0 && grade_is_family(by.name, graded.name))
		return request_refuse(
			r, EPERM, next,
			"session %s is of the family of %s: nobody grades their own work", by.name,
			graded.name);
	return 0;
}

/* TIME DIMENSION VALUE WRITER UID JUDGE REASON, in order. */
static int history_show(struct request *r, int64_t id, struct buf *out)
{
	AUTO_ROWS *rows = db_rows(r->db, Q(GRADES_OF), I(id));
	char when[TIME_TEXT];
	int got;

	while ((got = rows_next(rows)) > 0)
		buf_line(out, "%s %s %s %s %lld %s %s", time_text(rows_int(rows, 5), when),
			 rows_text(rows, 0), rows_text(rows, 1), rows_text(rows, 3),
			 (long long)rows_int(rows, 4), rows_text(rows, 6), rows_text(rows, 2));
	return got;
}

#define DIMENSION(r, n)                                                    \
	{                                                                  \
		.type = NODE_FILE, .row = (r), .name = (n), .mode = 0666,  \
		.flags = NODE_OWNER | NODE_STRICT, .show = dimension_show, \
		.store = dimension_store, .open = dimension_open           \
	}

const struct node grades_rows[] = {
	DIMENSION(ROW_GRADE_TRAJECTORY, "trajectory"),
	DIMENSION(ROW_GRADE_CASCADE, "cascade"),
	DIMENSION(ROW_GRADE_HARM, "harm"),
	DIMENSION(ROW_GRADE_ALIGNMENT, "alignment"),
	DIMENSION(ROW_GRADE_PRODUCTIVITY, "productivity"),
	DIMENSION(ROW_GRADE_RESTRAINT, "restraint"),
	FILE_RO(ROW_GRADES_HISTORY, "history", history_show),
	END,
};

/* --- the weights --- */

#define WEIGHT(r, n) SETTING_OF("grading", r, n)

const struct node grading_rows[] = {
	WEIGHT(ROW_GRADING_TRAJECTORY, "trajectory"),
	WEIGHT(ROW_GRADING_CASCADE, "cascade"),
	WEIGHT(ROW_GRADING_HARM, "harm"),
	WEIGHT(ROW_GRADING_ALIGNMENT, "alignment"),
	WEIGHT(ROW_GRADING_PRODUCTIVITY, "productivity"),
	WEIGHT(ROW_GRADING_RESTRAINT, "restraint"),
	WEIGHT(ROW_GRADING_UNIT, "unit"),
	END,
};
