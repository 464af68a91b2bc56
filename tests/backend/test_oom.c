#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "tests/lib/alloc.h"
#include "tests/lib/history.h"
#include "tests/lib/random.h"

/*
 * One allocation after the other fails: ours, jansson's, SQLite's.
 * COORDFS_STEP=1 takes every one, the default only some (from a random one on).
 */

#define BATCHES 5
#define SLACK 50 /* allocations more or less, by the length of a name or so */

TestSuite(oom, .init = alloc_with_sqlite);

static void run(struct history *h)
{
	if (history_open(h))
		return;
	history_begin(h);
	for (int i = 0; i < BATCHES && !store_failed(h->store); i++)
		history_batch(h, 3);
}

/* The history when nothing fails; how many allocations it takes. */
static int64_t run_well(struct history *h)
{
	int64_t calls;

	history_new(h, 1, NULL);
	alloc_fail(INT64_MAX, 0);
	run(h);
	alloc_stop();
	calls = alloc_calls();
	history_end(h);
	return calls;
}

static void sweep(const char *about, int64_t count)
{
	static struct history well;
	int64_t calls = run_well(&well), step = random_rounds("COORDFS_STEP", 401);
	uint64_t random = (uint64_t)random_rounds("COORDFS_SEED", 1);
	int tried = 0;

	cr_assert_gt(calls, 1000);
	for (int64_t nth = 1 + random_below(&random, (int)step); nth <= calls; nth += step) {
		struct history h;
		struct seen acked;

		history_new(&h, 1, NULL);
		h.like = &well;
		(void)snprintf(h.about, sizeof(h.about), "%s, allocation %lld of %lld", about,
			       (long long)nth, (long long)calls);
		alloc_fail(nth, count);
		run(&h);
		alloc_stop();
		cr_assert(alloc_failed() > 0 || nth > calls - SLACK, "%s: nothing failed", h.about);
		if (h.store && !store_failed(h.store)) { /* it goes on as if nothing had been */
			history_batch(&h, 3);
			cr_assert_eq(h.broken, 0, "%s: it does not recover: %s", h.about,
				     strerror(-h.err));
		}
		acked = h.seen;
		history_close(&h);
		history_verify(&h, h.dir, &acked, NULL);
		history_end(&h);
		tried++;
	}
	cr_log_info("%s: %d of %lld allocations, each in a history of its own", about, tried,
		    (long long)calls);
}

Test(oom, of_one_allocation_is_ENOMEM_and_leaves_nothing_by_half)
{
	sweep("one fails", 1);
}

Test(oom, of_every_allocation_from_some_moment_on_leaves_nothing_by_half)
{
	sweep("all fail from here on", INT64_MAX / 2);
}
