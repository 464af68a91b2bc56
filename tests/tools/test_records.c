#include <criterion/criterion.h>
#include <string.h>

#include "backend/clean.h"
#include "tools/records.h"

static int is_record(const char *text, size_t n, const char *words)
{
	const char *why;
	json_t *record = record_parse(text, n, &why);
	int is = record != NULL;

	if (!is)
		cr_assert_not_null(strstr(why, words), "%s: %s", text, why);
	json_decref(record);
	return is;
}

#define IS(text) is_record(text, sizeof(text) - 1, "")
#define IS_NOT(text, words) !is_record(text, sizeof(text) - 1, words)

Test(records, an_object_with_a_session_id_is_one)
{
	cr_assert(IS("{\"session_id\":\"a\"}"));
	cr_assert(IS(" {\"session_id\":\"a\",\"task\":\"T\"} \r"));
	cr_assert(IS("{\"session_id\":7}"), "the mount says what is wrong with it");
	cr_assert(IS("{\"session_id\":\"a\",\"n\":123456789012345678901234567890}"));
}

Test(records, anything_else_is_none_and_it_is_said_why)
{
	cr_assert(IS_NOT("{\"session_id\":\"a\",\"out", ""));
	cr_assert(IS_NOT("[1]", "no JSON object"));
	cr_assert(IS_NOT("{\"id\":\"a\"}", "session_id"));
	cr_assert(IS_NOT("{\"session_id\":\"a\",\"task\":\"T\",\"state\":\"ready\"}", "task"));
	cr_assert(IS_NOT("{\"session_id\":\"a\",\"session_id\":\"b\"}", "duplicate"));
	cr_assert(IS_NOT("{\"session_id\":\"a\"}\0", ""));
	cr_assert(IS_NOT("{\"session_id\":\"a\",\"x\":NaN}", ""));
	cr_assert(IS_NOT("{\"session_id\":\"\xc3\"}", ""));
}

/* The line as control/import takes it. */
static void takes(const char *text, size_t n, json_t *seen, const char *want)
{
	json_t *line = record_line(text, n, "dir/f.jsonl", seen);
	AUTO_FREE char *got = json_dumps(line, JSON_COMPACT | JSON_SORT_KEYS);

	cr_assert_str_eq(got, want);
	json_decref(line);
}

Test(records, a_line_goes_as_text_and_bytes_go_as_hex)
{
	json_t *seen = json_object();

	takes("{torn\r", 6, seen, "{\"line\":\"{torn\\r\",\"nth\":1,\"of\":\"f.jsonl\"}");
	takes("{torn\r", 6, seen, "{\"line\":\"{torn\\r\",\"nth\":2,\"of\":\"f.jsonl\"}");
	takes("a\0\xff", 3, seen, "{\"hex\":\"6100ff\",\"nth\":1,\"of\":\"f.jsonl\"}");
	takes("6100ff", 6, seen, "{\"line\":\"6100ff\",\"nth\":1,\"of\":\"f.jsonl\"}");
	takes("a\0\xff", 3, seen, "{\"hex\":\"6100ff\",\"nth\":2,\"of\":\"f.jsonl\"}");
	json_decref(seen);
}
