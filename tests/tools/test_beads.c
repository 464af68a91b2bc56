#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "backend/clean.h"
#include "backend/field.h"
#include "backend/text.h"
#include "tests/lib/json.h"
#include "tools/beads.h"

#define N(a) (sizeof(a) / sizeof((a)[0]))

static json_t *record_of(const char *issue, unsigned flags, struct buf *notes)
{
	json_t *i = json_quoted(issue), *r;

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

	cr_assert(json_is(got, want), "%s of %s is %s", key, issue, text ? text : "absent");
	json_decref(r);
}

static void notes_say(const char *issue, const char *want)
{
	AUTO_BUF struct buf notes = BUF_INIT;

	json_decref(record_of(issue, 0, &notes));
	cr_assert(strstr(buf_text(&notes), want), "no \"%s\" in: %s", want, buf_text(&notes));
}

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

	cr_assert(json_is(json_object_get(r, "artifacts"), "['q']"));
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

	cr_assert(json_is(json_object_get(r, "artifacts"), "['src/b.c','src/a.c']"));
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
		i = json_quoted(wrong[k]);
		cr_assert_not_null(beads_wrong(i), "%s", wrong[k]);
		json_decref(i);
	}
	i = json_quoted("{'id':'a','status':'tombstone'}");
	cr_assert_str_eq(beads_skipped(i), "tombstone");
	json_decref(i);
	i = json_quoted("{'_type':'memory'}");
	cr_assert_null(beads_wrong(i));
	cr_assert_str_eq(beads_skipped(i), "memory");
	json_decref(i);
	i = json_quoted("{'_type':'issue','id':'a'}");
	cr_assert_null(beads_skipped(i));
	json_decref(i);
}
