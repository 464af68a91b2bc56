/* import: issues of another tracker, or session records, each written to control/import. */
#include <err.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend/clean.h"
#include "backend/text.h"
#include "tools/beads.h"
#include "tools/mnt.h"
#include "tools/order.h"
#include "tools/records.h"
#include "tools/tool.h"

extern const struct tool tool_import;

#define RECORD_MAX (1 << 20)

static const char more[] =
	"  --format beads   what FILE is: the JSON lines of `bd export` (the default)\n"
	"  --format sessions  session records as JSON lines; a line that is none is kept as it is\n"
	"  --guess-artifacts  the files that a description names are artifacts too\n"
	"  --dry-run        say what would be dropped or refused here, and write nothing\n" TOOL_MOUNT_HELP
	"\nFILE may be - for standard input. Bad lines lose nothing else. Exit status: 0 all is in,\n"
	"1 some line was bad or refused, 3 the mount is away.\n";

/* A record and the line it came from; TEXT: what is written, where that is not RECORD. */
struct item {
	json_t *record; /* NULL: a later line is in its place */
	char *text;
	size_t line;
};

struct import;

/* What FILE is: how a line is taken, how all that was taken is written. */
struct format {
	const char *name;
	int issues;
	void (*take)(struct import *im, const char *text, size_t n, size_t line);
	int (*write)(struct import *im);
};

struct import {
	struct mnt m;
	const struct format *format;
	const char *file;
	unsigned flags;
	int dry, away;
	struct item *items;
	size_t n, cap;
	json_t *lines;	 /* id -> its line; of a session: its item */
	json_t *seen;	 /* lines that are no session records -> how many */
	json_t *skipped; /* what was skipped -> how many */
	size_t done, bad, refused, dropped, gone, kept, replaced;
};

__attribute__((format(printf, 3, 4))) static void report(const struct import *im, size_t line,
							 const char *fmt, ...)
{
	va_list ap;

	(void)fprintf(stderr, "%s:%zu: ", im->file, line);
	va_start(ap, fmt);
	(void)vfprintf(stderr, fmt, ap);
	va_end(ap);
	(void)fputc('\n', stderr);
}

/* Each line of TEXT as a report. */
static void report_lines(const struct import *im, size_t line, const struct buf *text)
{
	struct lines l = { buf_text(text), buf_text(text) + text->n };
	const char *s;
	size_t n;

	while (lines_next(&l, &s, &n))
		report(im, line, "%.*s", (int)n, s);
}

/* --- reading --- */

static int add_item(struct import *im, json_t *record, char *text, size_t line)
{
	if (im->n == im->cap) {
		size_t cap = im->cap ? 2 * im->cap : 256;
		struct item *items = reallocarray(im->items, cap, sizeof(*items));

		if (!items)
			return -ENOMEM;
		im->items = items;
		im->cap = cap;
	}
	im->items[im->n++] = (struct item){ record, text, line };
	return 0;
}

static void skip(struct import *im, const char *what)
{
	const json_t *before = json_object_get(im->skipped, what);

	(void)json_object_set_new(im->skipped, what, json_integer(json_integer_value(before) + 1));
}

/* Why the issue is not taken; NULL, and it is, or is skipped. */
static const char *take_issue(struct import *im, json_t *issue, size_t line)
{
	AUTO_BUF struct buf notes = BUF_INIT;
	const char *why = beads_wrong(issue), *id = beads_text(issue, "id");
	json_t *record;

	if (why)
		return why;
	if (beads_skipped(issue)) {
		skip(im, beads_skipped(issue));
		return NULL;
	}
	if (json_object_get(im->lines, id))
		return "its id was on a line before";
	record = beads_record(issue, im->flags, &notes);
	if (!record || add_item(im, record, NULL, line)) {
		json_decref(record);
		return "no memory";
	}
	(void)json_object_set_new(im->lines, id, json_integer((json_int_t)line));
	report_lines(im, line, &notes);
	return NULL;
}

static void take_issue_line(struct import *im, const char *text, size_t n, size_t line)
{
	json_error_t error;
	json_t *issue;
	const char *why;

	if (strspn(text, " \t\r\n") == n)
		return;
	issue = json_loadb(text, n, JSON_REJECT_DUPLICATES, &error);
	why = issue ? take_issue(im, issue, line) : error.text;
	if (why) {
		report(im, line, "%s", why);
		im->bad++;
	}
	json_decref(issue);
}

/* A line that is no session record, as it is. 0 or -ENOMEM. */
static int keep_line(struct import *im, const char *text, size_t n, size_t line)
{
	json_t *record = record_line(text, n, im->file, im->seen);
	int err = record ? add_item(im, record, NULL, line) : -ENOMEM;

	if (err)
		json_decref(record);
	else
		im->kept++;
	return err;
}

/* RECORD stands in line LINE: an earlier one of the same session does not count any more. */
static void replace_earlier(struct import *im, const json_t *record, const char *text, size_t line)
{
	const char *id = beads_text(record, "session_id");
	const json_t *before = json_object_get(im->lines, id);
	struct item *old = before ? &im->items[json_integer_value(before)] : NULL;

	if (!*id)
		return;
	(void)json_object_set_new(im->lines, id, json_integer((json_int_t)im->n - 1));
	if (!old)
		return;
	if (strcmp(old->text, text) != 0)
		report(im, old->line, "%s: line %zu is in its place", id, line);
	im->replaced++;
	json_decref(old->record);
	free(old->text);
	old->record = NULL;
	old->text = NULL;
}

/* The record of a session. 0 or -ENOMEM. */
static int keep_record(struct import *im, json_t *record, const char *text, size_t n, size_t line)
{
	char *copy = strndup(text, n);

	if (!copy || add_item(im, record, copy, line)) {
		free(copy);
		return -ENOMEM;
	}
	replace_earlier(im, record, copy, line);
	return 0;
}

static void take_session_line(struct import *im, const char *text, size_t n, size_t line)
{
	const char *why;
	json_t *record;
	int err;

	if (n && text[n - 1] == '\n')
		n--;
	if (strspn(text, " \t\r\n") >= n)
		return;
	record = record_parse(text, n, &why);
	if (!record)
		report(im, line, "kept as it is: %s", why);
	err = record ? keep_record(im, record, text, n, line) : keep_line(im, text, n, line);
	if (!err)
		return;
	report(im, line, "no memory");
	im->bad++;
	json_decref(record);
}

/* 0 or -errno. */
static int load(struct import *im)
{
	FILE *f = strcmp(im->file, "-") == 0 ? stdin : fopen(im->file, "re");
	AUTO_FREE char *text = NULL;
	size_t size = 0, line = 0;
	ssize_t n;
	int err;

	if (!f)
		return -errno;
	while ((n = getline(&text, &size, f)) >= 0)
		im->format->take(im, text, (size_t)n, ++line);
	err = ferror(f) ? -EIO : 0;
	if (f != stdin)
		(void)fclose(f);
	return err;
}

/* --- order --- */

static int need_known(const char *need, void *arg)
{
	const struct import *im = arg;

	return !im->dry && !name_check(need, strlen(need)) && mnt_has(&im->m, "tasks/%s", need) > 0;
}

static void need_dropped(size_t i, const char *need, const char *why, void *arg)
{
	struct import *im = arg;
	const struct item *item = &im->items[i];

	report(im, item->line, "%s: need %s dropped: %s", beads_text(item->record, "task"), need,
	       why);
	im->dropped++;
}

/* --- writing --- */

/* What the mount had to say about the record that was just taken. */
static void pass_report(const struct import *im, size_t line)
{
	AUTO_BUF struct buf text = BUF_INIT;

	if (!mnt_read(&im->m, &text, "control/import"))
		report_lines(im, line, &text);
}

/* What an item is called. */
static const char *item_name(const struct item *item)
{
	const char *name = beads_text(item->record, item->text ? "session_id" : "task");

	return *name ? name : item->text ? "record" : "line";
}

static void refused(struct import *im, const struct item *item, int err)
{
	AUTO_BUF struct buf why = BUF_INIT;

	im->refused++;
	report(im, item->line, "%s: refused: %s", item_name(item), strerror(-err));
	if (err == -EACCES) /* by the mode of control/import, so without a reason */
		buf_line(&why, "  importing is for the operators of the mount");
	else
		mnt_why(&im->m, "  ", &why);
	(void)fputs(buf_text(&why), stderr);
}

/* 0: go on; else the rest would fare no better. */
static int write_item(struct import *im, const struct item *item)
{
	AUTO_FREE char *dumped = item->text ? NULL : json_dumps(item->record, JSON_COMPACT);
	const char *text = item->text ? item->text : dumped;
	size_t n = text ? strlen(text) : 0;
	int err = !text ? -ENOMEM : n > RECORD_MAX ? -E2BIG : 0;

	if (!err && !im->dry)
		err = mnt_write(&im->m, text, n, "control/import");
	if (!err) {
		im->done++;
		if (!im->dry)
			pass_report(im, item->line);
		return 0;
	}
	if (mnt_is_away(err)) {
		warnx("the mount went away: %s", strerror(-err));
		im->away = 1;
		return err;
	}
	refused(im, item, err);
	return err == -EACCES || err == -EPERM ? err : 0;
}

static int write_issues(struct import *im)
{
	AUTO_FREE json_t **records = calloc(im->n + 1, sizeof(json_t *));
	AUTO_FREE size_t *order = calloc(im->n + 1, sizeof(size_t));
	struct order_ops ops = { need_known, need_dropped, im };
	int err;

	if (!records || !order)
		return -ENOMEM;
	for (size_t i = 0; i < im->n; i++)
		records[i] = im->items[i].record;
	err = order_sort(records, im->n, order, &ops);
	for (size_t i = 0; !err && i < im->n; i++)
		err = write_item(im, &im->items[order[i]]);
	return err;
}

/* In the order of the file. */
static int write_sessions(struct import *im)
{
	int err = 0;

	for (size_t i = 0; !err && i < im->n; i++)
		if (im->items[i].record)
			err = write_item(im, &im->items[i]);
	return err;
}

static const struct format formats[] = {
	{ "beads", 1, take_issue_line, write_issues },
	{ "sessions", 0, take_session_line, write_sessions },
};
#define FORMATS (sizeof(formats) / sizeof(formats[0]))

static const struct format *format_find(const char *name)
{
	for (size_t i = 0; i < FORMATS; i++)
		if (strcmp(formats[i].name, name) == 0)
			return &formats[i];
	return NULL;
}

/* --- what upstream has no more --- */

static int look_for_gone(const char *name, void *arg)
{
	AUTO_BUF struct buf upstream = BUF_INIT;
	struct import *im = arg;

	if (json_object_get(im->lines, name))
		return 0;
	if (!mnt_read(&im->m, &upstream, "tasks/%s/upstream", name) && upstream.n) {
		(void)fprintf(stderr, "%s: %s: imported before, not there now; kept\n", im->file,
			      name);
		im->gone++;
	}
	return 0;
}

static void count(const char *what, size_t n)
{
	if (n)
		(void)printf(", %s %zu", what, n);
}

static void summary(const struct import *im)
{
	const char *what;
	json_t *n;

	(void)printf("%s %zu", im->dry ? "would import" : "imported", im->done);
	json_object_foreach(im->skipped, what, n)
		(void)printf(", skipped %lld %s", (long long)json_integer_value(n), what);
	count("dropped needs", im->dropped);
	count("bad lines", im->bad);
	count("refused", im->refused);
	count("gone upstream", im->gone);
	count("kept lines", im->kept);
	count("replaced by later lines", im->replaced);
	(void)putchar('\n');
}

static int import_file(struct import *im)
{
	int err = load(im);

	if (err) {
		warnx("%s: %s", im->file, strerror(-err));
		return TOOL_CANNOT_TELL;
	}
	err = im->format->write(im);
	if (!err && !im->dry && im->format->issues)
		(void)mnt_list(&im->m, "tasks", look_for_gone, im);
	summary(im);
	if (im->away)
		return TOOL_CANNOT_TELL;
	return err || im->bad || im->refused ? TOOL_NO : TOOL_YES;
}

static int import_to(struct import *im, const char *dir)
{
	int status = im->dry ? TOOL_YES : mnt_open(&im->m, dir);

	im->lines = json_object();
	im->skipped = json_object();
	im->seen = json_object();
	if (!status)
		status = import_file(im);
	for (size_t i = 0; i < im->n; i++) {
		json_decref(im->items[i].record);
		free(im->items[i].text);
	}
	free(im->items);
	json_decref(im->lines);
	json_decref(im->skipped);
	json_decref(im->seen);
	mnt_close(&im->m);
	return status;
}

static int import_run(int argc, char **argv)
{
	static const struct option options[] = {
		{ "format", required_argument, NULL, 'f' },
		{ "mount", required_argument, NULL, 'm' },
		{ "guess-artifacts", no_argument, NULL, 'g' },
		{ "dry-run", no_argument, NULL, 'n' },
		TOOL_HELP,
		TOOL_OPTIONS_END,
	};
	struct import im = { .m = { .fd = -1 } };
	const char *dir = NULL, *format = "beads";
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (c) {
		case 'f':
			format = optarg;
			break;
		case 'm':
			dir = optarg;
			break;
		case 'g':
			im.flags |= BEADS_GUESS;
			break;
		case 'n':
			im.dry = 1;
			break;
		case 'h':
			return tool_help(&tool_import, more);
		default:
			return tool_usage(&tool_import, NULL);
		}
	}
	im.format = format_find(format);
	if (!im.format)
		return tool_usage(&tool_import, "the formats are beads and sessions");
	if (im.flags & BEADS_GUESS && !im.format->issues)
		return tool_usage(&tool_import, "--guess-artifacts is for --format beads");
	if (argc - optind != 1)
		return tool_usage(&tool_import, "one file is wanted");
	im.file = argv[optind];
	return import_to(&im, dir);
}

const struct tool tool_import = {
	.name = "import",
	.args = "[--format beads|sessions] [--guess-artifacts] [--dry-run] [--mount DIR] FILE",
	.summary =
		"bring in issues as tasks, or session records; again later: what changed here is kept",
	.run = import_run,
};
