#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend/clean.h"
#include "backend/text.h"
#include "tests/lib/json.h"
#include "tools/beads.h"

#define SAMPLE "tests/data/beads.jsonl"
#define SAMPLE_GOOD 9 /* issues in it that become tasks */
#define N(a) (sizeof(a) / sizeof((a)[0]))

/* What the mount shows of a task right after its import. */
static json_t *imported(json_t *issue)
{
	json_t *task = beads_record(issue, 0, NULL);
	const char *state = beads_text(task, "state"), *done = beads_text(task, "done");
	const char *column = "ready";
	char when[TIME_TEXT];
	int64_t ms;

	if (strcmp(state, "ready") != 0)
		column = strcmp(state, "done") == 0 ? "done" : "ideas";
	else if (json_object_get(task, "hold"))
		column = "blocked";
	(void)json_object_set_new(task, "column", json_string(column));
	(void)json_object_set_new(task, "token", json_string("-"));
	if (!time_parse(done, &ms))
		(void)json_object_set_new(task, "finished", json_string(time_text(ms, when)));
	(void)json_object_set_new(task, "created", json_string("2026-06-01T00:00:00Z"));
	(void)json_object_set_new(task, "changed", json_string("2026-06-02T00:00:00Z"));
	return task;
}

static json_t *task_of(const char *issue)
{
	json_t *i = json_quoted(issue), *task = imported(i);

	json_decref(i);
	return task;
}

static void change(json_t *task, const char *key, const char *value)
{
	cr_assert_eq(json_object_set_new(task, key, json_quoted(value)), 0);
}

/* Member KEY of the issue of TASK is WANT. */
static void gives(const json_t *task, const char *key, const char *want)
{
	json_t *issue = beads_issue(task, NULL);
	AUTO_FREE char *text = json_dumps(issue, JSON_COMPACT);

	cr_assert(json_is(json_object_get(issue, key), want), "%s is not %s in %s", key,
		  want ? want : "absent", text);
	json_decref(issue);
}

/* Each issue of a file of lines to FN, what is no issue left out; how many. */
static int each_issue(const char *path, void (*fn)(json_t *issue))
{
	FILE *f = fopen(path, "re");
	AUTO_FREE char *line = NULL;
	size_t size = 0;
	int n = 0;

	cr_assert_not_null(f, "%s", path);
	while (getline(&line, &size, f) > 0) {
		json_t *issue = json_loads(line, 0, NULL);

		if (issue && !beads_wrong(issue) && !beads_skipped(issue)) {
			fn(issue);
			n++;
		}
		json_decref(issue);
	}
	(void)fclose(f);
	return n;
}

/* Equal, and the members in the same order. */
static void comes_back(json_t *issue)
{
	json_t *task = imported(issue), *back = beads_issue(task, NULL);
	AUTO_FREE char *was = json_dumps(issue, JSON_COMPACT);
	AUTO_FREE char *is = json_dumps(back, JSON_COMPACT);

	cr_assert_str_eq(is, was);
	json_decref(back);
	json_decref(task);
}

Test(beads_issue, the_sample_comes_back_as_it_was)
{
	cr_assert_eq(each_issue(SAMPLE, comes_back), SAMPLE_GOOD);
}

Test(beads_issue, a_real_backlog_comes_back_as_it_was)
{
	const char *dir = getenv("COORDFS_DATA");
	char path[4096];

	if (!dir) {
		(void)fputs("*** SKIPPED: COORDFS_DATA names no directory with backlog.jsonl\n",
			    stderr);
		cr_skip_test("no COORDFS_DATA");
	}
	(void)snprintf(path, sizeof(path), "%s/backlog.jsonl", dir);
	cr_assert_gt(each_issue(path, comes_back), 0);
}

Test(beads_issue, the_column_decides_the_status)
{
	static const char *const want[][3] = {
		/* status upstream, column here, status after */
		{ "'open'", "'ready'", "'open'" },
		{ "'open'", "'blocked'", "'open'" },
		{ "'open'", "'claims'", "'in_progress'" },
		{ "'open'", "'done'", "'closed'" },
		{ "'open'", "'ideas'", "'draft'" },
		{ "'in_progress'", "'blocked'", "'in_progress'" },
		{ "'in_progress'", "'claims'", "'in_progress'" },
		{ "'in_progress'", "'ready'", "'open'" },
		{ "'hooked'", "'claims'", "'hooked'" },
		{ "'deferred'", "'blocked'", "'deferred'" },
		{ "'deferred'", "'ready'", "'open'" },
		{ "'deferred'", "'claims'", "'in_progress'" },
		{ "'closed'", "'done'", "'closed'" },
		{ "'closed'", "'ready'", "'open'" },
		{ "'draft'", "'ready'", "'open'" },
		{ "'proposed'", "'ideas'", "'proposed'" },
		{ "'custom'", "'blocked'", "'custom'" },
	};

	for (size_t i = 0; i < N(want); i++) {
		char issue[128];
		json_t *task;

		(void)snprintf(issue, sizeof(issue), "{'id':'a','status':%s}", want[i][0]);
		task = task_of(issue);
		change(task, "column", want[i][1]);
		gives(task, "status", want[i][2]);
		json_decref(task);
	}
}

Test(beads_issue, finishing_here_closes_with_date_and_reason)
{
	json_t *task = task_of("{'id':'a','status':'open','updated_at':'2020-01-01T00:00:00Z'}");

	change(task, "column", "'done'");
	change(task, "token", "'17'");
	change(task, "finished", "'2026-06-02T01:02:03Z'");
	change(task, "result", "'all of it'");
	gives(task, "status", "'closed'");
	gives(task, "closed_at", "'2026-06-02T01:02:03Z'");
	gives(task, "close_reason", "'all of it'");
	gives(task, "updated_at", "'2026-06-02T00:00:00Z'");
	json_decref(task);
}

Test(beads_issue, what_was_reopened_here_is_open_and_has_no_date)
{
	json_t *task = task_of("{'id':'a','status':'closed','closed_at':'2020-01-02T03:04:05.5Z',"
			       "'close_reason':'r'}");

	change(task, "column", "'ready'");
	gives(task, "status", "'open'");
	gives(task, "closed_at", NULL);
	gives(task, "close_reason", NULL);
	change(task, "column", "'done'");
	change(task, "token", "'99'");
	gives(task, "closed_at", "'2020-01-02T03:04:05.5Z'");
	change(task, "finished", "'2026-06-02T01:02:03Z'");
	gives(task, "closed_at", "'2026-06-02T01:02:03Z'");
	json_decref(task);
}

Test(beads_issue, only_what_was_changed_here_is_laid_over)
{
	json_t *task = task_of("{'id':'a','title':'x\\ty','description':'b\\r\\n','priority':'P1',"
			       "'labels':['a b'],'estimated_minutes':5,'keep':{'z':1}}");

	gives(task, "title", "'x\\ty'");
	change(task, "value", "'1'");
	gives(task, "priority", "3");
	gives(task, "title", "'x\\ty'");
	gives(task, "labels", "['a b']");
	gives(task, "keep", "{'z':1}");
	change(task, "title", "'new'");
	gives(task, "title", "'new'");
	change(task, "body", "''");
	gives(task, "description", "''");
	change(task, "tags", "['p','q']");
	gives(task, "labels", "['p','q']");
	change(task, "cost", "'7.6'");
	gives(task, "estimated_minutes", "8");
	json_decref(task);
}

Test(beads_issue, values_beyond_the_priorities_are_the_nearest)
{
	json_t *task = task_of("{'id':'a','priority':2}");

	change(task, "value", "'100'");
	gives(task, "priority", "0");
	change(task, "value", "'-7'");
	gives(task, "priority", "4");
	change(task, "value", "''");
	gives(task, "priority", "2");
	change(task, "value", "'2.0'");
	gives(task, "updated_at", NULL);
	json_decref(task);
}

Test(beads_issue, needs_changed_here_leave_other_dependencies_alone)
{
	json_t *task =
		task_of("{'id':'a','dependencies':[{'depends_on_id':'b','type':'blocks','k':1},"
			"{'depends_on_id':'c','type':'blocks'},"
			"{'depends_on_id':'b','type':'parent-child'}]}");

	change(task, "needs", "['b','d']");
	gives(task, "dependencies",
	      "[{'depends_on_id':'b','type':'blocks','k':1},"
	      "{'depends_on_id':'b','type':'parent-child'},"
	      "{'issue_id':'a','depends_on_id':'d','type':'blocks',"
	      "'created_at':'2026-06-02T00:00:00Z'}]");
	json_decref(task);
}

Test(beads_issue, needs_that_could_not_be_imported_are_no_change)
{
	json_t *task = task_of("{'id':'a','dependencies':[{'depends_on_id':'b','type':'blocks'},"
			       "{'depends_on_id':'nope','type':'blocks'}]}");

	change(task, "needs", "['b']");
	change(task, "dropped", "['nope']");
	gives(task, "dependencies",
	      "[{'depends_on_id':'b','type':'blocks'},{'depends_on_id':'nope','type':'blocks'}]");
	gives(task, "updated_at", NULL);
	change(task, "needs", "[]");
	gives(task, "dependencies", "[{'depends_on_id':'nope','type':'blocks'}]");
	json_decref(task);
}

Test(beads_issue, artifacts_changed_here_go_into_the_metadata)
{
	json_t *task = task_of("{'id':'a','metadata':{'artifacts':['x//y'],'other':1}}");

	change(task, "artifacts", "['x/y']");
	gives(task, "metadata", "{'artifacts':['x//y'],'other':1}");
	change(task, "artifacts", "['x/y','z']");
	gives(task, "metadata", "{'artifacts':['x/y','z'],'other':1}");
	json_decref(task);
	task = task_of("{'id':'a'}");
	change(task, "artifacts", "['z']");
	gives(task, "metadata", "{'artifacts':['z']}");
	json_decref(task);
}

Test(beads_issue, metadata_that_was_a_string_stays_one)
{
	json_t *issue = json_pack("{s:s,s:s}", "id", "a", "metadata", "{\"artifacts\":[\"q\"]}");
	json_t *task = imported(issue), *back, *metadata;

	change(task, "artifacts", "['q','r']");
	back = beads_issue(task, NULL);
	cr_assert(json_is_string(json_object_get(back, "metadata")));
	metadata = beads_metadata(back);
	cr_assert(json_is(metadata, "{'artifacts':['q','r']}"));
	json_decref(metadata);
	json_decref(back);
	json_decref(task);
	json_decref(issue);
}

Test(beads_issue, metadata_that_cannot_take_artifacts_is_left_and_noted)
{
	json_t *task = task_of("{'id':'a','metadata':[1]}"), *back;
	AUTO_BUF struct buf notes = BUF_INIT;

	change(task, "artifacts", "['q']");
	back = beads_issue(task, &notes);
	cr_assert(json_is(json_object_get(back, "metadata"), "[1]"));
	cr_assert(strstr(buf_text(&notes), "a: metadata is no object"));
	json_decref(back);
	json_decref(task);
}

Test(beads_issue, a_task_born_here_is_a_whole_issue)
{
	json_t *task = json_quoted(
		"{'task':'n','title':'t','column':'ready','kind':'standing','value':'3',"
		"'needs':['m'],'created':'2026-06-01T00:00:00Z',"
		"'changed':'2026-06-02T00:00:00Z'}");
	json_t *issue = beads_issue(task, NULL);

	cr_assert(json_is(
		issue,
		"{'id':'n','title':'t','description':'','status':'open','priority':1,"
		"'issue_type':'epic','created_at':'2026-06-01T00:00:00Z',"
		"'updated_at':'2026-06-02T00:00:00Z','dependencies':[{'issue_id':'n',"
		"'depends_on_id':'m','type':'blocks','created_at':'2026-06-02T00:00:00Z'}]}"));
	json_decref(issue);
	json_decref(task);
}
