/*
 * calm-window: is the machine quiet enough for the tasks that ask for it?
 *
 * Inputs: max-sessions, max-load, min-memory; tasks: how many ready tasks are tagged `calm` and
 * have a place in their lane, task: the first of them; and when there is one: sessions that
 * live, load, cores, available, total (bytes), or machine: why that cannot be read.
 */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "backend/clean.h"
#include "backend/probe_kinds.h"
#include "backend/read.h"
#include "backend/text.h"
#include "backend/tx.h"

/* --- look --- */

/* The ready tasks tagged calm that can be claimed; of the highest value, then the oldest, first. */
static int look_tasks(struct probe_look *l)
{
	AUTO_ROWS *r = db_rows(l->db, Q(CALM_TASKS));
	char first[NAME_BUFFER] = "";
	int64_t tasks = 0;
	double best = 0;
	int got;

	while ((got = rows_next(r)) > 0) {
		struct lane lane;
		double v = 0;

		if (!probe_has_line(rows_text(r, 2), "calm"))
			continue;
		got = read_lane_of(l->db, rows_int(r, 0), l->wall, &lane);
		if (got < 0)
			break;
		if (got && lane_is_full(&lane))
			continue;
		(void)number_parse(rows_text(r, 3), &v);
		if (tasks++ && v <= best)
			continue;
		best = v;
		(void)snprintf(first, sizeof(first), "%s", rows_text(r, 1));
	}
	if (got < 0)
		return got;
	return json_object_update_new(l->inputs, json_pack("{s:I, s:s}", "tasks", (json_int_t)tasks,
							   "task", first)) ?
		       -ENOMEM :
		       0;
}

static int look_machine(struct probe_look *l)
{
	struct world *w = l->world;
	int64_t available = 0, total = 0;
	double load = 0;
	int cores = 0, err = w->pressure(w, &load, &cores, &available, &total);
	json_t *v;

	if (!err && !isfinite(load))
		err = -ERANGE;
	if (err)
		v = json_pack("{s:s}", "machine", errno_text(err));
	else
		v = json_pack("{s:f, s:i, s:I, s:I}", "load", load, "cores", cores, "available",
			      (json_int_t)available, "total", (json_int_t)total);
	return json_object_update_new(l->inputs, v) ? -ENOMEM : 0;
}

static int look(struct probe_look *l)
{
	static const char *const settings[] = { "max-sessions", "max-load", "min-memory" };
	int64_t sessions = 0;
	int got, err = 0;

	for (size_t i = 0; !err && i < sizeof(settings) / sizeof(settings[0]); i++)
		err = probe_setting(l, settings[i]);
	if (!err)
		err = look_tasks(l);
	if (err || !event_int(l->inputs, "tasks"))
		return err;
	got = db_int(l->db, &sessions, Q(SESSION_TOKENS));
	if (got < 0)
		return got;
	err = json_object_set_new(l->inputs, "sessions", json_integer(sessions)) ? -ENOMEM : 0;
	return err ? err : look_machine(l);
}

/* --- judge --- */

/* What of the inputs could not be read; NULL: all could. */
static const char *unreadable(const json_t *inputs)
{
	if (!json_is_integer(json_object_get(inputs, "sessions")))
		return "the live sessions";
	if (*event_text(inputs, "machine"))
		return "load and memory";
	if (!json_is_number(json_object_get(inputs, "load")) || probe_number(inputs, "load") < 0)
		return "the load";
	if (event_int(inputs, "cores") < 1)
		return "the number of cores";
	if (event_int(inputs, "total") < 1 || event_int(inputs, "available") < 0)
		return "the memory";
	return NULL;
}

__attribute__((format(printf, 2, 3))) static void closed(struct buf *why, const char *fmt, ...)
{
	char text[96];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	buf_printf(why, "%s%s", why->n ? ", " : "", text);
}

static void judge_machine(const json_t *inputs, struct probe_said *out)
{
	double load = probe_number(inputs, "load") / probe_number(inputs, "cores");
	double memory = probe_number(inputs, "available") / probe_number(inputs, "total");
	const char *task = event_text(inputs, "task");
	int64_t sessions = event_int(inputs, "sessions");
	AUTO_BUF struct buf why = BUF_INIT;

	if ((double)sessions > probe_number(inputs, "max-sessions"))
		closed(&why, "%s, at most %g", probe_count(sessions, "live session"),
		       probe_number(inputs, "max-sessions"));
	if (load > probe_number(inputs, "max-load"))
		closed(&why, "load %.2f a core, at most %g", load,
		       probe_number(inputs, "max-load"));
	if (memory < probe_number(inputs, "min-memory"))
		closed(&why, "%.0f %% of memory available, at least %g %%", memory * 100,
		       probe_number(inputs, "min-memory") * 100);
	if (why.n || why.err)
		probe_say(out, PROBE_DRY, "closed: %.110s; %s waits", buf_text(&why), task);
	else
		probe_say(out, PROBE_SUPPLY, "%s %s, load %.1f a core, %.0f %% of memory available",
			  task, probe_count(sessions, "live session"), load, memory * 100);
}

static void judge(const json_t *inputs, struct probe_said *out)
{
	const char *what = unreadable(inputs), *why = event_text(inputs, "machine");

	out->filed = PROBE_FILED;
	if (!json_is_integer(json_object_get(inputs, "tasks")))
		probe_say(out, PROBE_UNKNOWN, "the tasks could not be read");
	else if (!event_int(inputs, "tasks"))
		probe_say(out, PROBE_DRY, "no ready task is tagged calm");
	else if (what)
		probe_say(out, PROBE_UNKNOWN, "%s could not be read%s%s", what, *why ? ": " : "",
			  why);
	else
		judge_machine(inputs, out);
}

const struct probe_kind probe_calm = { "calm-window", NULL, look, judge };
