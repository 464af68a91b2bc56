/* export: every task as an issue of another tracker, what that knew before kept; or session records. */
#include <err.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "backend/clean.h"
#include "backend/text.h"
#include "tools/beads.h"
#include "tools/mnt.h"
#include "tools/records.h"
#include "tools/tool.h"

extern const struct tool tool_export;

static const char more[] =
	"  --format beads   JSON lines as of `bd export` (the default)\n"
	"  --sessions       the record of every session instead, as JSON lines by their start,\n"
	"                   then the lines that an import of such records kept as they were\n"
	"  --since TIME     no session that had ended by then (2026-07-01 or 2026-07-01T08:00:00Z)\n" TOOL_MOUNT_HELP;

static const char *const texts[] = { "title", "body", "repo", "value", "cost", "kind", "result" };
static const char *const lists[] = { "artifacts", "needs", "tags" };

#define N(a) (sizeof(a) / sizeof((a)[0]))

struct export
{
	struct mnt m;
	json_t *tasks; /* name -> what the mount shows of it */
	int err;
};

/* --- needs that cannot be here --- */

/* `wanted`: what upstream says the task needs, whether an import could have it or not. */
static void find_wanted(json_t *task)
{
	json_t *upstream = json_object_get(task, "upstream");
	json_t *record = upstream ? beads_record(upstream, 0, NULL) : NULL;

	if (json_object_get(record, "needs"))
		(void)json_object_set(task, "wanted", json_object_get(record, "needs"));
	json_decref(record);
}

/* Does upstream's FROM need TO, by way of any others? */
static int reaches(const json_t *tasks, const char *from, const char *to)
{
	json_t *todo = json_pack("[s]", from), *seen = json_object(), *need;
	int found = 0;
	size_t i, k;

	for (i = 0; !found && i < json_array_size(todo); i++) {
		const char *s = json_string_value(json_array_get(todo, i));

		found = strcmp(s, to) == 0;
		if (json_object_get(seen, s))
			continue;
		(void)json_object_set_new(seen, s, json_true());
		json_array_foreach(json_object_get(json_object_get(tasks, s), "wanted"), k, need)
			(void)json_array_append(todo, need);
	}
	json_decref(seen);
	json_decref(todo);
	return found;
}

/*
 * `dropped`: needs that an import drops, of an unknown task, or in a circle.
 * What is not here for another reason was taken out here.
 */
static void find_dropped(const json_t *tasks, json_t *task)
{
	json_t *dropped = json_array();
	const json_t *v;
	size_t i;

	json_array_foreach(json_object_get(task, "wanted"), i, v) {
		const char *need = json_string_value(v);

		if (beads_has(json_object_get(task, "needs"), need))
			continue;
		if (!json_object_get(tasks, need) || reaches(tasks, need, beads_text(task, "task")))
			(void)json_array_append_new(dropped, json_string(need));
	}
	(void)json_object_set_new(task, "dropped", dropped);
}

/* --- reading a task --- */

/* The text without the newline that ends every file. */
static json_t *file_text(const struct buf *b)
{
	size_t n = b->n;

	if (n && b->p[n - 1] == '\n')
		n--;
	return json_stringn(buf_text(b), n);
}

static json_t *file_list(const struct buf *b)
{
	struct lines l = { buf_text(b), buf_text(b) + b->n };
	json_t *list = json_array();
	const char *line;
	size_t n;

	while (lines_next(&l, &line, &n))
		(void)json_array_append_new(list, json_stringn(line, n));
	return list;
}

/* The file FIELD of a task as a member, if there is something in it. 0 or -errno. */
static int read_field(const struct mnt *m, json_t *task, const char *name, const char *field,
		      json_t *(*convert)(const struct buf *b))
{
	AUTO_BUF struct buf text = BUF_INIT;
	int err = mnt_read(m, &text, "tasks/%s/%s", name, field);

	if (!err && text.n && json_object_set_new(task, field, convert(&text)))
		err = -EILSEQ;
	return err;
}

static json_t *file_json(const struct buf *b)
{
	return json_loadb(b->p, b->n, 0, NULL);
}

/* Which column the first word of `state` means. */
static const char *column_of(const char *state)
{
	static const char *const columns[][2] = {
		{ "idea", "ideas" },	 { "ready", "ready" }, { "blocked", "blocked" },
		{ "claimed", "claims" }, { "done", "done" },
	};
	size_t n = strcspn(state, " \n");

	for (size_t i = 0; i < N(columns); i++)
		if (strlen(columns[i][0]) == n && strncmp(state, columns[i][0], n) == 0)
			return columns[i][1];
	return NULL;
}

/* The line `KEY value` of TEXT as a member. */
static void set_value(json_t *task, const char *text, const char *key)
{
	char value[64];

	if (!mnt_value(text, key, value, sizeof(value)))
		(void)json_object_set_new(task, key, json_string(value));
}

/* 0 or -errno; -ENOENT: it is no more a task, or its state is of none. */
static int read_state(const struct mnt *m, json_t *task, const char *name)
{
	AUTO_BUF struct buf state = BUF_INIT, done = BUF_INIT;
	const char *column;
	int err = mnt_read(m, &state, "tasks/%s/state", name);

	column = err ? NULL : column_of(buf_text(&state));
	if (!column)
		return err ? err : -ENOENT;
	(void)json_object_set_new(task, "column", json_string(column));
	if (strcmp(column, "done") != 0)
		return 0;
	err = mnt_read(m, &done, "done/%s", name);
	set_value(task, buf_text(&done), "token");
	set_value(task, buf_text(&done), "finished");
	return err;
}

/* The times of its first event and of its last change. 0 or -errno. */
static int read_times(const struct mnt *m, json_t *task, const char *name)
{
	AUTO_BUF struct buf history = BUF_INIT;
	char path[MNT_PATH], when[TIME_TEXT];
	struct stat st;
	int err = mnt_read(m, &history, "tasks/%s/history", name);

	if (err)
		return err;
	(void)json_object_set_new(task, "created",
				  json_stringn(buf_text(&history),
					       strcspn(buf_text(&history), " \n")));
	(void)snprintf(path, sizeof(path), "tasks/%s/state", name);
	if (fstatat(m->fd, path, &st, 0))
		return -errno;
	(void)time_text((int64_t)st.st_mtim.tv_sec * 1000, when);
	(void)json_object_set_new(task, "changed", json_string(when));
	return 0;
}

static int read_task(const struct mnt *m, json_t *task, const char *name)
{
	int err = 0;

	(void)json_object_set_new(task, "task", json_string(name));
	for (size_t i = 0; !err && i < N(texts); i++)
		err = read_field(m, task, name, texts[i], file_text);
	for (size_t i = 0; !err && i < N(lists); i++)
		err = read_field(m, task, name, lists[i], file_list);
	if (!err)
		err = read_field(m, task, name, "upstream", file_json);
	if (!err)
		err = read_state(m, task, name);
	if (!err)
		find_wanted(task);
	return err ? err : read_times(m, task, name);
}

/* A task that is cancelled while we look is none. */
static int take_task(const char *name, void *arg)
{
	struct export *x = arg;
	json_t *task = json_object();

	x->err = read_task(&x->m, task, name);
	if (!x->err && json_object_set(x->tasks, name, task))
		x->err = -ENOMEM;
	json_decref(task);
	if (x->err == -ENOENT || x->err == -ESTALE)
		x->err = 0;
	if (x->err)
		warnx("cannot read tasks/%s: %s", name, strerror(-x->err));
	return x->err;
}

/* --- writing --- */

static int write_task(const json_t *tasks, json_t *task)
{
	AUTO_BUF struct buf notes = BUF_INIT;
	AUTO_FREE char *text = NULL;
	json_t *issue;

	find_dropped(tasks, task);
	issue = beads_issue(task, &notes);
	text = json_dumps(issue, JSON_COMPACT);
	json_decref(issue);
	(void)fputs(buf_text(&notes), stderr);
	return text && puts(text) >= 0 ? 0 : -EIO;
}

static int by_name(const void *a, const void *b)
{
	const char *const *x = a, *const *y = b;

	return strcmp(*x, *y);
}

/* By name, as `bd export` has it: two exports differ only where tasks do. NAMES has room for all. */
static int write_sorted(json_t *tasks, const char **names)
{
	const char *name;
	json_t *task;
	size_t n = 0;
	int err = 0;

	json_object_foreach(tasks, name, task)
		names[n++] = name;
	qsort(names, n, sizeof(names[0]), by_name);
	for (size_t i = 0; !err && i < n; i++)
		err = write_task(tasks, json_object_get(tasks, names[i]));
	return err ? err : fflush(stdout) ? -errno : 0;
}

static int write_tasks(json_t *tasks)
{
	const char **names = calloc(json_object_size(tasks) + 1, sizeof(names[0]));
	int err = names ? write_sorted(tasks, names) : -ENOMEM;

	free(names);
	return err;
}

/* All is read before the first line is written: no half export looks whole. */
static int export_from(const char *dir)
{
	struct export x = { .m = { .fd = -1 } };
	int err, status = mnt_open(&x.m, dir);

	x.tasks = json_object();
	if (!status) {
		err = mnt_list(&x.m, "tasks", take_task, &x);
		if (err && !x.err)
			warnx("cannot list tasks: %s", strerror(-err));
		status = err ? TOOL_CANNOT_TELL : TOOL_YES;
	}
	if (!status) {
		err = write_tasks(x.tasks);
		if (err)
			warnx("cannot write: %s", strerror(-err));
		status = err ? TOOL_NO : TOOL_YES;
	}
	json_decref(x.tasks);
	mnt_close(&x.m);
	return status;
}

/* A day, or an RFC 3339 time. 0 or -EINVAL. */
static int parse_since(const char *s, int64_t *ms)
{
	int64_t day;

	if (!day_parse(s, &day)) {
		*ms = day * INT64_C(86400000);
		return 0;
	}
	return time_parse(s, ms);
}

static int export_run(int argc, char **argv)
{
	static const struct option options[] = {
		{ "format", required_argument, NULL, 'f' },
		{ "sessions", no_argument, NULL, 's' },
		{ "since", required_argument, NULL, 'S' },
		{ "mount", required_argument, NULL, 'm' },
		TOOL_HELP,
		TOOL_OPTIONS_END,
	};
	const char *dir = NULL, *format = "beads", *since = NULL;
	int64_t ms = 0;
	int c, sessions = 0;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (c == 'h')
			return tool_help(&tool_export, more);
		if (c == 'f')
			format = optarg;
		else if (c == 's')
			sessions = 1;
		else if (c == 'S')
			since = optarg;
		else if (c == 'm')
			dir = optarg;
		else
			return tool_usage(&tool_export, NULL);
	}
	if (strcmp(format, "beads") != 0)
		return tool_usage(&tool_export, "the only format is beads");
	if (optind != argc)
		return tool_usage(&tool_export, "no argument is wanted");
	if (since && !sessions)
		return tool_usage(&tool_export, "--since is for --sessions");
	if (since && parse_since(since, &ms))
		return tool_usage(&tool_export, "%s is no time", since);
	return sessions ? records_export(dir, ms) : export_from(dir);
}

const struct tool tool_export = {
	.name = "export",
	.args = "[--format beads | --sessions [--since TIME]] [--mount DIR]",
	.summary =
		"print every task as an issue, with all that its tracker knew of it; or sessions",
	.run = export_run,
};
