#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "backend/clean.h"
#include "backend/text.h"
#include "backend/tx.h"

static _Thread_local int starved;

void *tx_allocated(void *p)
{
	if (!p)
		starved = 1;
	return p;
}

static void *json_alloc(size_t n)
{
	return tx_allocated(malloc(n));
}

void tx_watch_memory(void)
{
	json_set_alloc_funcs(json_alloc, free);
}

int tx_starved(void)
{
	int was = starved;

	starved = 0;
	return was;
}

int tx_refuse(struct tx *tx, int err, const char *next, const char *fmt, ...)
{
	char text[1024];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	buf_clear(&tx->result->why);
	buf_line(&tx->result->why, "%s", line_mend(text)); /* it may quote anything */
	buf_line(&tx->result->why, "next: %s", next);
	return -err;
}

int tx_fail(struct tx *tx, int err)
{
	if (!tx->err)
		tx->err = err;
	return tx->err;
}

int64_t event_int(const json_t *e, const char *key)
{
	return json_integer_value(json_object_get(e, key));
}

const char *event_text(const json_t *e, const char *key)
{
	const char *s = json_string_value(json_object_get(e, key));

	return s ? s : "";
}

int event_lists(const json_t *list, const char *text)
{
	const json_t *v;
	size_t i;

	json_array_foreach(list, i, v)
		if (strcmp(json_string_value(v), text) == 0)
			return 1;
	return 0;
}

/* The task an event is about, for its history; 0: none. */
static int64_t event_task(const json_t *e)
{
	const char *kind = event_text(e, "event");
	int64_t task = event_int(e, "task_id");

	if (!task && (strcmp(kind, "draft") == 0 || strcmp(kind, "import") == 0))
		return event_int(e, "seq");
	if (!task && strcmp(event_text(e, "of"), "task") == 0)
		return event_int(e, "thing");
	return task;
}

static int tx_record(struct tx *tx, json_t *event)
{
	char *line = json_dumps(event, JSON_COMPACT);
	int64_t finish;
	int err;

	if (!line)
		return tx_fail(tx, -ENOMEM);
	finish = tx->finish + (int64_t)strlen(line) + 1;
	err = db_run(tx->db, Q(EVENT_ADD), I(tx->seq + 1), I(finish), I(event_task(event)),
		     T(line));
	free(line);
	if (err)
		return tx_fail(tx, err);
	tx->seq++;
	tx->finish = finish;
	return 0;
}

int tx_emit(struct tx *tx, const char *kind, json_t *body)
{
	char when[TIME_TEXT];
	json_t *event = json_pack("{s:I,s:s,s:I,s:s}", "seq", (json_int_t)(tx->seq + 1), "time",
				  time_text(tx->wall, when), "at", (json_int_t)tx->wall, "event",
				  kind);
	int err = 0;

	if (!event || !body || json_object_update(event, body) || starved)
		err = tx_fail(tx, -ENOMEM);
	if (!err)
		err = tx_record(tx, event);
	if (!err)
		err = project_event(tx, event);
	json_decref(body);
	json_decref(event);
	return err;
}

void tx_stir(struct tx *tx, int64_t id)
{
	if (tx->stir.n < STIR_MAX)
		tx->stir.ids[tx->stir.n] = id;
	if (tx->stir.n <= STIR_MAX)
		tx->stir.n++;
}

char *tx_attr(struct db *db, int64_t thing, const char *name)
{
	return db_text(db, Q(ATTR), I(thing), T(name));
}

int64_t tx_duration(struct db *db, int64_t thing, const char *name, int64_t dflt)
{
	AUTO_FREE char *text = tx_attr(db, thing, name);
	int64_t ms;

	if (!text || duration_parse(text, &ms))
		return dflt;
	return ms;
}
