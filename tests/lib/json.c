#include <criterion/criterion.h>
#include <string.h>

#include "backend/clean.h"
#include "tests/lib/json.h"

json_t *json_quoted(const char *text)
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

int json_is(json_t *v, const char *text)
{
	json_t *want = text ? json_quoted(text) : NULL;
	int equal = want ? json_equal(v, want) : !v;

	json_decref(want);
	return equal;
}
