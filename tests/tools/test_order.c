#include <criterion/criterion.h>
#include <string.h>

#include "backend/buf.h"
#include "backend/clean.h"
#include "tools/beads.h"
#include "tools/order.h"

#define MAX 8

static int known(const char *need, void *arg)
{
	(void)arg;
	return strcmp(need, "known") == 0;
}

static void dropped(size_t i, const char *need, const char *why, void *arg)
{
	(void)why;
	buf_printf(arg, "%zu-%s ", i, need);
}

/*
 * Sort records named a, b, c ... whose needs are the characters of each
 * string, '!' for the unknown one and '?' for a known one. Their order as a
 * string, and what was dropped, as dropped() says it.
 */
static void sorts(const char *const *needs, const char *want, const char *want_dropped)
{
	AUTO_BUF struct buf log = BUF_INIT;
	struct order_ops ops = { known, dropped, &log };
	json_t *records[MAX];
	size_t order[MAX], n;
	char got[MAX + 1] = "";

	for (n = 0; needs[n]; n++) {
		char name[2] = { (char)('a' + n), '\0' };
		json_t *list = json_array();

		for (const char *p = needs[n]; *p; p++) {
			char need[2] = { *p, '\0' };

			(void)json_array_append_new(list, json_string(*p == '?' ? "known" : need));
		}
		records[n] = json_pack("{s:s,s:o}", "task", name, "needs", list);
	}
	cr_assert_eq(order_sort(records, n, order, &ops), 0);
	for (size_t i = 0; i < n; i++)
		got[i] = (char)('a' + order[i]);
	cr_assert_str_eq(got, want);
	cr_assert_str_eq(buf_text(&log), want_dropped);
	for (size_t i = 0; i < n; i++)
		json_decref(records[i]);
}

#define SORTS(want, want_dropped, ...) \
	sorts((const char *const[]){ __VA_ARGS__, NULL }, want, want_dropped)

Test(order, records_without_needs_keep_their_order)
{
	SORTS("abc", "", "", "", "");
}

Test(order, a_need_comes_before_what_needs_it)
{
	SORTS("cba", "", "b", "c", "");
	SORTS("bcad", "", "bc", "", "", "a");
}

Test(order, an_unknown_need_is_dropped_and_a_known_one_kept)
{
	SORTS("a", "0-! ", "!?");
}

Test(order, of_a_circle_only_the_closing_need_is_dropped)
{
	SORTS("cba", "2-a ", "b", "c", "a");
	SORTS("a", "0-a ", "a");
	SORTS("bac", "1-a ", "b", "a", "ab");
}

Test(order, a_long_chain_is_no_recursion)
{
	enum { LONG = 200000 };
	AUTO_FREE json_t **records = calloc(LONG, sizeof(json_t *));
	AUTO_FREE size_t *order = calloc(LONG, sizeof(size_t));
	struct order_ops ops = { known, dropped, NULL };

	for (int i = 0; i < LONG; i++) {
		char name[16], need[16];

		(void)snprintf(name, sizeof(name), "%d", i);
		(void)snprintf(need, sizeof(need), i + 1 < LONG ? "%d" : "known", i + 1);
		records[i] = json_pack("{s:s,s:[s]}", "task", name, "needs", need);
	}
	cr_assert_eq(order_sort(records, LONG, order, &ops), 0);
	for (size_t i = 0; i < LONG; i++)
		cr_assert_eq(order[i], LONG - 1 - i);
	for (int i = 0; i < LONG; i++)
		json_decref(records[i]);
}
