#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend/clean.h"
#include "backend/field.h"
#include "backend/text.h"
#include "tools/beads.h"

#define SAMPLE "tests/data/beads.jsonl"
#define SAMPLE_GOOD 9 /* issues in it that become tasks */
#define N(a) (sizeof(a) / sizeof((a)[0]))

/* Here ' stands for " in all JSON. */
static json_t *parse(const char *text)
{
	AUTO_FREE char *copy = strdup(text);
	json_error_t error;
	json_t *v;

	for (char *p = copy; (p = strchr(p, '\''));)
		*p = '"';
	v = json_loads(copy, JSON_DECODE_ANY, &error);
	cr_assert_not_null(v, "%s: %s", text, error.text);
	return v;
}

static int same(json_t *a, const char *want)
{
	json_t *b = want ? parse(want) : NULL;
	int equal = want ? json_equal(a, b) : !a;

	json_decref(b);
	return equal;
}

static json_t *record_of(const char *issue, unsigned flags, struct buf *notes)
{
	json_t *i = parse(issue), *r;

	cr_assert_null(beads_wrong(i), "%s", issue);
	r = beads_record(i, flags, notes);
	cr_assert_not_null(r);
	json_decref(i);
	return r;
}

/* Member KEY of the record of ISSUE is WANT; NULL: there is none. */
static void converts(const char *issue, const char *key, const char *want)
{
	json_t *r = record_of(issue, 0, NULL), *got = json_object_get(r, key);
	AUTO_FREE char *text = json_dumps(got, JSON_COMPACT | JSON_ENCODE_ANY);

	cr_assert(same(got, want), "%s of %s is %s", key, issue, text ? text : "absent");
	json_decref(r);
}

static void notes_say(const char *issue, const char *want)
{
	AUTO_BUF struct buf notes = BUF_INIT;

	json_decref(record_of(issue, 0, &notes));
	cr_assert(strstr(buf_text(&notes), want), "no \"%s\" in: %s", want, buf_text(&notes));
}

/* --- one issue to one record --- */

Test(beads, priority_0_is_the_highest_value)
{
	converts("{'id':'a','priority':0}", "value", "'4'");
	converts("{'id':'a','priority':4}", "value", "'0'");
	converts("{'id':'a','priority':'1'}", "value", "'3'");
	converts("{'id':'a','priority':'P1'}", "value", "'3'");
	converts("{'id':'a'}", "value", NULL);
}

Test(beads, a_priority_out_of_range_is_passed_over_and_noted)
{
	converts("{'id':'a','priority':5}", "value", NULL);
	converts("{'id':'a','priority':-1}", "value", NULL);
	converts("{'id':'a','priority':1.5}", "value", NULL);
	converts("{'id':'a','priority':[1]}", "value", NULL);
	notes_say("{'id':'a','priority':5}", "a: priority is not one of");
}

Test(beads, estimated_minutes_are_the_cost)
{
	converts("{'id':'a','estimated_minutes':90}", "cost", "'90'");
	converts("{'id':'a','estimated_minutes':0.5}", "cost", "'0.5'");
	converts("{'id':'a','estimated_minutes':0}", "cost", NULL);
	converts("{'id':'a','estimated_minutes':-3}", "cost", NULL);
	converts("{'id':'a','estimated_minutes':1e12}", "cost", NULL);
}

Test(beads, a_title_is_one_line)
{
	converts("{'id':'a','title':'x\\ty\\nz\\u0085'}", "title", "'x y z '");
	converts("{'id':'a','title':''}", "title", NULL);
	converts("{'id':'a','title':7}", "title", NULL);
	notes_say("{'id':'a','title':7}", "a: title is no text");
}

Test(beads, a_body_keeps_tabs_and_lines_and_loses_other_controls)
{
	converts("{'id':'a','description':'a\\tb\\r\\nc\\u0007d\\n\\n'}", "body", "'a\\tb\\nc d'");
	converts("{'id':'a','description':null}", "body", NULL);
}

Test(beads, a_long_body_is_cut_between_characters)
{
	AUTO_BUF struct buf issue = BUF_INIT, notes = BUF_INIT;
	const char *body;
	json_t *r;

	buf_str(&issue, "{'id':'a','description':'x");
	for (int i = 0; i < FIELD_MAX / 2; i++)
		buf_str(&issue, "\xc3\xbc");
	buf_str(&issue, "'}");
	r = record_of(buf_text(&issue), 0, &notes);
	body = beads_text(r, "body");
	cr_assert_eq(strlen(body), FIELD_MAX - 1);
	cr_assert_eq(utf8_check(body, strlen(body)), 0);
	cr_assert(strstr(buf_text(&notes), "description is cut"));
	json_decref(r);
}

Test(beads, labels_become_names)
{
	static const char *const want[][2] = {
		{ "{'id':'a','labels':['ok','a b','ok']}", "['ok','a-b']" },
		{ "{'id':'a','labels':['.x','y~','z.swp','\xc3\xbc']}",
		  "['-x','y-','z-swp','--']" },
		{ "{'id':'a','labels':['',3,null,'k']}", "['k']" },
	};

	for (size_t i = 0; i < N(want); i++)
		converts(want[i][0], "tags", want[i][1]);
	converts("{'id':'a','labels':[]}", "tags", NULL);
	converts("{'id':'a','labels':'x'}", "tags", NULL);
	notes_say("{'id':'a','labels':['a b']}", "label \"a b\" is the tag a-b here");
}

Test(beads, every_tag_is_a_name)
{
	AUTO_BUF struct buf issue = BUF_INIT;
	json_t *r;

	buf_str(&issue, "{'id':'a','labels':['");
	for (int i = 0; i < 200; i++)
		buf_char(&issue, 'x');
	buf_str(&issue, "']}");
	r = record_of(buf_text(&issue), 0, NULL);
	cr_assert_eq(json_string_length(json_array_get(json_object_get(r, "tags"), 0)),
		     NAME_LEN_MAX);
	json_decref(r);
}

Test(beads, only_dependencies_that_block_are_needs)
{
	converts(
		"{'id':'a','dependencies':[{'depends_on_id':'b','type':'blocks'},"
		"{'depends_on_id':'c','type':'parent-child'},{'depends_on_id':'d','type':'related'},"
		"{'depends_on_id':'e','type':'waits-for'},{'depends_on_id':'b','type':'blocks'},"
		"{'depends_on_id':'f','type':'conditional-blocks'}]}",
		"needs", "['b','e','f']");
	converts("{'id':'a','dependencies':[]}", "needs", NULL);
	converts("{'id':'a','dependencies':['b',{'type':'blocks'},4]}", "needs", NULL);
}

Test(beads, parent_child_misspelt_is_no_need_and_noted)
{
	const char *issue =
		"{'id':'a','dependencies':[{'depends_on_id':'b','type':'parent_child'}]}";

	converts(issue, "needs", NULL);
	notes_say(issue, "a: dependency type parent_child on b is read as parent-child");
}

Test(beads, an_unknown_dependency_type_is_noted)
{
	notes_say("{'id':'a','dependencies':[{'depends_on_id':'b','type':'blokcs'}]}", "blokcs");
}

Test(beads, artifacts_come_from_metadata_object_or_text)
{
	converts("{'id':'a','metadata':{'artifacts':['x/y','x//./y','z']}}", "artifacts",
		 "['x/y','z']");
	converts("{'id':'a','metadata':{'artifacts':['x',1]}}", "artifacts", "['x']");
	converts("{'id':'a','metadata':{'artifacts':'x'}}", "artifacts", NULL);
	converts("{'id':'a','metadata':[1]}", "artifacts", NULL);
	converts("{'id':'a','metadata':'{}'}", "artifacts", NULL);
	converts("{'id':'a','metadata':'no JSON'}", "artifacts", NULL);
	converts("{'id':'a','metadata':{'repo':'r','artifacts':['x','r:x']}}", "artifacts",
		 "['x']");
	converts("{'id':'a','metadata':{'repo':'r'}}", "repo", "'r'");
}

Test(beads, metadata_in_a_string_is_read)
{
	json_t *issue = json_pack("{s:s,s:s}", "id", "a", "metadata", "{\"artifacts\":[\"q\"]}");
	json_t *r = beads_record(issue, 0, NULL);

	cr_assert(same(json_object_get(r, "artifacts"), "['q']"));
	json_decref(r);
	json_decref(issue);
}

Test(beads, a_wrong_artifact_is_left_for_the_mount_to_refuse)
{
	converts("{'id':'a','metadata':{'artifacts':['../x']}}", "artifacts", "['../x']");
}

Test(beads, files_in_the_description_are_artifacts_when_asked)
{
	const char *issue = "{'id':'a','description':'see src/a.c and src/b.c',"
			    "'metadata':{'artifacts':['src/b.c']}}";
	json_t *r = record_of(issue, BEADS_GUESS, NULL);

	cr_assert(same(json_object_get(r, "artifacts"), "['src/b.c','src/a.c']"));
	json_decref(r);
	converts(issue, "artifacts", "['src/b.c']");
}

Test(beads, an_epic_is_standing)
{
	converts("{'id':'a','issue_type':'epic'}", "kind", "'standing'");
	converts("{'id':'a','issue_type':'task'}", "kind", NULL);
}

Test(beads, status_is_state_and_hold)
{
	static const struct {
		const char *issue, *state, *hold;
	} want[] = {
		{ "{'id':'a'}", "'ready'", NULL },
		{ "{'id':'a','status':'open'}", "'ready'", NULL },
		{ "{'id':'a','status':'in_progress'}", "'ready'",
		  "'external: upstream says in_progress'" },
		{ "{'id':'a','status':'blocked'}", "'ready'", "'external: upstream says blocked'" },
		{ "{'id':'a','status':'deferred'}", "'ready'",
		  "'external: upstream says deferred'" },
		{ "{'id':'a','status':'hooked'}", "'ready'", "'external: upstream says hooked'" },
		{ "{'id':'a','status':'pinned'}", "'ready'", "'external: upstream says pinned'" },
		{ "{'id':'a','status':'my\\nown'}", "'ready'", "'external: upstream says my own'" },
		{ "{'id':'a','status':9}", "'ready'", "'external: upstream says something else'" },
		{ "{'id':'a','status':'draft'}", "'idea'", NULL },
		{ "{'id':'a','status':'open','is_template':true}", "'idea'", NULL },
		{ "{'id':'a','status':'closed'}", "'done'", NULL },
	};

	for (size_t i = 0; i < N(want); i++) {
		converts(want[i].issue, "state", want[i].state);
		converts(want[i].issue, "hold", want[i].hold);
	}
}

Test(beads, a_closed_issue_keeps_its_own_date_and_reason)
{
	converts("{'id':'a','status':'closed','closed_at':'2020-01-02T03:04:05.123456789Z'}",
		 "done", "'2020-01-02T03:04:05.123456789Z'");
	converts("{'id':'a','status':'closed','closed_at':'x','updated_at':'2020-01-02T03:04:05Z'}",
		 "done", "'2020-01-02T03:04:05Z'");
	converts("{'id':'a','status':'closed'}", "done", NULL);
	notes_say("{'id':'a','status':'closed'}", "that of the import is taken");
	converts("{'id':'a','status':'closed','close_reason':'it is\\ndone'}", "result",
		 "'it is\\ndone'");
	converts("{'id':'a','status':'open','closed_at':'2020-01-02T03:04:05Z'}", "done", NULL);
}

Test(beads, the_whole_issue_is_kept_as_upstream)
{
	const char *issue = "{'id':'a','x':[1,{'y':null}],'title':'t'}";

	converts(issue, "upstream", issue);
	converts(issue, "task", "'a'");
}

Test(beads, what_is_no_issue_is_wrong_or_skipped)
{
	static const char *const wrong[] = { "[]",	    "7",
					     "{}",	    "{'id':7}",
					     "{'id':''}",   "{'id':'a/b'}",
					     "{'id':'.a'}", "{'id':'a\\u0001'}" };
	json_t *i;

	for (size_t k = 0; k < N(wrong); k++) {
		i = parse(wrong[k]);
		cr_assert_not_null(beads_wrong(i), "%s", wrong[k]);
		json_decref(i);
	}
	i = parse("{'id':'a','status':'tombstone'}");
	cr_assert_str_eq(beads_skipped(i), "tombstone");
	json_decref(i);
	i = parse("{'_type':'memory'}");
	cr_assert_null(beads_wrong(i));
	cr_assert_str_eq(beads_skipped(i), "memory");
	json_decref(i);
	i = parse("{'_type':'issue','id':'a'}");
	cr_assert_null(beads_skipped(i));
	json_decref(i);
}

/* --- and back --- */

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
	json_t *i = parse(issue), *task = imported(i);

	json_decref(i);
	return task;
}

static void change(json_t *task, const char *key, const char *value)
{
	cr_assert_eq(json_object_set_new(task, key, parse(value)), 0);
}

/* Member KEY of the issue of TASK is WANT. */
static void gives(const json_t *task, const char *key, const char *want)
{
	json_t *issue = beads_issue(task, NULL);
	AUTO_FREE char *text = json_dumps(issue, JSON_COMPACT);

	cr_assert(same(json_object_get(issue, key), want), "%s is not %s in %s", key,
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

Test(beads, the_sample_comes_back_as_it_was)
{
	cr_assert_eq(each_issue(SAMPLE, comes_back), SAMPLE_GOOD);
}

Test(beads, a_real_backlog_comes_back_as_it_was)
{
	const char *dir = getenv("COORDFS_DATA");
	char path[4096];

	if (!dir)
		cr_skip_test("COORDFS_DATA names no directory with backlog.jsonl");
	(void)snprintf(path, sizeof(path), "%s/backlog.jsonl", dir);
	cr_assert_gt(each_issue(path, comes_back), 0);
}

Test(beads, the_column_decides_the_status)
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

Test(beads, finishing_here_closes_with_date_and_reason)
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

Test(beads, what_was_reopened_here_is_open_and_has_no_date)
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

Test(beads, only_what_was_changed_here_is_laid_over)
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

Test(beads, values_beyond_the_priorities_are_the_nearest)
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

Test(beads, needs_changed_here_leave_other_dependencies_alone)
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

Test(beads, needs_that_could_not_be_imported_are_no_change)
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

Test(beads, artifacts_changed_here_go_into_the_metadata)
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

Test(beads, metadata_that_was_a_string_stays_one)
{
	json_t *issue = json_pack("{s:s,s:s}", "id", "a", "metadata", "{\"artifacts\":[\"q\"]}");
	json_t *task = imported(issue), *back, *metadata;

	change(task, "artifacts", "['q','r']");
	back = beads_issue(task, NULL);
	cr_assert(json_is_string(json_object_get(back, "metadata")));
	metadata = beads_metadata(back);
	cr_assert(same(metadata, "{'artifacts':['q','r']}"));
	json_decref(metadata);
	json_decref(back);
	json_decref(task);
	json_decref(issue);
}

Test(beads, metadata_that_cannot_take_artifacts_is_left_and_noted)
{
	json_t *task = task_of("{'id':'a','metadata':[1]}"), *back;
	AUTO_BUF struct buf notes = BUF_INIT;

	change(task, "artifacts", "['q']");
	back = beads_issue(task, &notes);
	cr_assert(same(json_object_get(back, "metadata"), "[1]"));
	cr_assert(strstr(buf_text(&notes), "a: metadata is no object"));
	json_decref(back);
	json_decref(task);
}

Test(beads, a_task_born_here_is_a_whole_issue)
{
	json_t *task =
		parse("{'task':'n','title':'t','column':'ready','kind':'standing','value':'3',"
		      "'needs':['m'],'created':'2026-06-01T00:00:00Z',"
		      "'changed':'2026-06-02T00:00:00Z'}");
	json_t *issue = beads_issue(task, NULL);

	cr_assert(
		same(issue,
		     "{'id':'n','title':'t','description':'','status':'open','priority':1,"
		     "'issue_type':'epic','created_at':'2026-06-01T00:00:00Z',"
		     "'updated_at':'2026-06-02T00:00:00Z','dependencies':[{'issue_id':'n',"
		     "'depends_on_id':'m','type':'blocks','created_at':'2026-06-02T00:00:00Z'}]}"));
	json_decref(issue);
	json_decref(task);
}
