#include <err.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend/clean.h"
#include "backend/text.h"
#include "tools/mnt.h"
#include "tools/records.h"
#include "tools/tool.h"

#define MS_DAY INT64_C(86400000)

/* --- in --- */

json_t *record_parse(const char *text, size_t n, const char **why)
{
	static json_error_t error;
	/* a number larger than ours is no reason to refuse: the text is what is kept */
	json_t *record =
		json_loadb(text, n, JSON_REJECT_DUPLICATES | JSON_DECODE_INT_AS_REAL, &error);

	*why = NULL;
	if (!record)
		*why = error.text;
	else if (!json_is_object(record))
		*why = "no JSON object";
	else if (!json_object_get(record, "session_id"))
		*why = "it has no session_id";
	else if (json_object_get(record, "task") && json_object_get(record, "state"))
		*why = "it is of a task";
	if (!*why)
		return record;
	json_decref(record);
	return NULL;
}

static void add_hex(struct buf *out, const char *text, size_t n)
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < n; i++) {
		buf_char(out, digits[(unsigned char)text[i] >> 4]);
		buf_char(out, digits[(unsigned char)text[i] & 15]);
	}
}

json_t *record_line(const char *text, size_t n, const char *file, json_t *seen)
{
	AUTO_BUF struct buf key = BUF_INIT;
	const char *base = strrchr(file, '/') ? strrchr(file, '/') + 1 : file;
	int hex = utf8_check(text, n) != 0;
	json_int_t nth;

	buf_char(&key, hex ? 'h' : 't');
	if (hex)
		add_hex(&key, text, n);
	else
		buf_add(&key, text, n);
	if (key.err)
		return NULL;
	nth = 1 + json_integer_value(json_object_get(seen, key.p));
	if (json_object_set_new(seen, key.p, json_integer(nth)))
		return NULL;
	return json_pack("{s:s,s:s,s:I}", hex ? "hex" : "line", key.p + 1, "of",
			 line_check(base, strlen(base)) ? "?" : base, "nth", nth);
}

/* --- out --- */

struct session {
	const char *name;
	char started[TIME_TEXT];
	struct buf record;
};

struct export
{
	struct mnt m;
	json_t *names; /* every session, live and ended */
	int64_t since;
	char first_day[DAY_TEXT];
	struct session *sessions;
	size_t n;
};

static int take_name(const char *name, void *arg)
{
	struct export *x = arg;

	return json_object_set_new(x->names, name, json_true()) ? -ENOMEM : 0;
}

static int take_day(const char *day, void *arg)
{
	struct export *x = arg;
	char path[MNT_PATH];
	int err;

	if (strcmp(day, x->first_day) < 0)
		return 0;
	(void)snprintf(path, sizeof(path), "archive/%s/sessions", day);
	err = mnt_list(&x->m, path, take_name, x);
	return err == -ENOENT || err == -ESTALE ? 0 : err;
}

/* Had it ended by then? Times are shown to the second. */
static int is_before(const char *ended, int64_t since)
{
	int64_t ms;

	return !time_parse(ended, &ms) && ms / 1000 < since / 1000;
}

static int read_session_of(struct export *x, const char *name)
{
	struct session *s = &x->sessions[x->n];
	char ended[TIME_TEXT];
	int err;

	*s = (struct session){ .name = name, .record = BUF_INIT };
	err = mnt_read_line(&x->m, s->started, sizeof(s->started), "sessions/%s/started", name);
	if (!err)
		err = mnt_read_line(&x->m, ended, sizeof(ended), "sessions/%s/ended", name);
	if (!err && is_before(ended, x->since))
		return 0;
	if (!err)
		err = mnt_read(&x->m, &s->record, "sessions/%s/record.json", name);
	if (err) {
		warnx("cannot read sessions/%s: %s", name, strerror(-err));
		buf_free(&s->record);
		return err;
	}
	x->n++;
	return 0;
}

static int by_start(const void *a, const void *b)
{
	const struct session *x = a, *y = b;
	int order = strcmp(x->started, y->started);

	return order ? order : strcmp(x->name, y->name);
}

static int list_all(struct export *x)
{
	int err = mnt_list(&x->m, "sessions", take_name, x);

	if (!err)
		err = mnt_list(&x->m, "archive", take_day, x);
	if (err)
		warnx("cannot list the sessions: %s", strerror(-err));
	return err;
}

static int read_all(struct export *x, struct buf *lines)
{
	const char *name;
	json_t *v;
	int err = list_all(x);

	if (err)
		return err;
	x->sessions = calloc(json_object_size(x->names) + 1, sizeof(x->sessions[0]));
	if (!x->sessions)
		return -ENOMEM;
	json_object_foreach(x->names, name, v) {
		err = read_session_of(x, name);
		if (err)
			return err;
	}
	qsort(x->sessions, x->n, sizeof(x->sessions[0]), by_start);
	err = mnt_read(&x->m, lines, "control/lines");
	if (err)
		warnx("cannot read control/lines: %s", strerror(-err));
	return err;
}

static int write_all(const struct export *x, const struct buf *lines)
{
	for (size_t i = 0; i < x->n; i++)
		if (fwrite(buf_text(&x->sessions[i].record), 1, x->sessions[i].record.n, stdout) !=
		    x->sessions[i].record.n)
			return -errno;
	if (fwrite(buf_text(lines), 1, lines->n, stdout) != lines->n || fflush(stdout))
		return -errno;
	return 0;
}

/* All is read before the first line is written: no half export looks whole. */
int records_export(const char *dir, int64_t since)
{
	struct export x = { .m = { .fd = -1 }, .since = since };
	AUTO_BUF struct buf lines = BUF_INIT;
	int err, status = mnt_open(&x.m, dir);

	x.names = json_object();
	(void)day_text(since / MS_DAY, x.first_day);
	if (!status && read_all(&x, &lines))
		status = TOOL_CANNOT_TELL;
	if (!status) {
		err = write_all(&x, &lines);
		if (err)
			warnx("cannot write: %s", strerror(-err));
		status = err ? TOOL_NO : TOOL_YES;
	}
	for (size_t i = 0; i < x.n; i++)
		buf_free(&x.sessions[i].record);
	free(x.sessions);
	json_decref(x.names);
	mnt_close(&x.m);
	return status;
}
