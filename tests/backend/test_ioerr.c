#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/lib/disk.h"
#include "tests/lib/history.h"
#include "tests/lib/random.h"

/*
 * One call to the disk after the other fails, from the making of the store on.
 * COORDFS_STEP=1 takes every call, the default only some (from a random one on).
 */

#define BATCHES 12

/*
 * A short history; it stops where the store gives up. In its middle the store is
 * opened anew, so that what comes next is read from the disk.
 */
static void run(struct history *h)
{
	if (history_open(h))
		return;
	history_begin(h);
	for (int i = 0; i < BATCHES && !store_failed(h->store); i++) {
		if (i == BATCHES / 2) {
			history_close(h);
			if (history_open(h))
				return;
		}
		history_batch(h, 3);
	}
}

/* The history when nothing fails; how many calls it makes. */
static int64_t run_well(struct history *h, enum disk_failure how)
{
	int64_t calls;

	history_new(h, 1, disk_vfs());
	disk_fail(how, INT64_MAX, 0);
	run(h);
	calls = disk_calls();
	history_end(h);
	return calls;
}

/* Afterwards the disk is good again, and so must be the store. */
static void look_again(struct history *h)
{
	struct seen acked = h->seen;

	history_close(h);
	disk_fail(DISK_NONE, 0, 0);
	history_verify(h, h->dir, &acked, NULL);
	history_end(h);
}

static void sweep(const char *about, enum disk_failure how, int64_t count)
{
	static struct history well;
	int64_t calls = run_well(&well, how), step = random_rounds("COORDFS_STEP", 13);
	uint64_t random = (uint64_t)random_rounds("COORDFS_SEED", 1);
	int tried = 0;

	cr_assert_gt(calls, 100);
	for (int64_t nth = 1 + random_below(&random, (int)step); nth <= calls; nth += step) {
		struct history h;

		history_new(&h, 1, disk_vfs());
		h.like = how < DISK_FULL ? &well : NULL;
		(void)snprintf(h.about, sizeof(h.about), "%s, call %lld of %lld", about,
			       (long long)nth, (long long)calls);
		disk_fail(how, nth, count);
		run(&h);
		cr_assert_gt(disk_failed(), 0, "%s: nothing failed", h.about);
		cr_assert(how < DISK_FULL || !h.store || !store_failed(h.store),
			  "%s: the store gave up", h.about);
		look_again(&h);
		tried++;
	}
	cr_log_info("%s: %d of %lld calls, each in a history of its own", about, tried,
		    (long long)calls);
}

Test(ioerr, of_one_call_loses_nothing_acknowledged_and_leaves_nothing_by_half)
{
	sweep("one call fails", DISK_EIO, 1);
}

Test(ioerr, of_every_call_from_some_moment_on_loses_nothing_acknowledged)
{
	sweep("the disk is gone", DISK_EIO, INT64_MAX / 2);
}

Test(ioerr, of_a_write_in_its_middle_loses_nothing_acknowledged)
{
	sweep("half a write fails", DISK_TORN, 1);
}

Test(ioerr, want_of_room_refuses_changes_and_no_more)
{
	sweep("no room for one write", DISK_FULL, 1);
}

Test(ioerr, want_of_quota_is_want_of_room)
{
	sweep("no quota for one write", DISK_QUOTA, 1);
}

Test(ioerr, want_of_room_that_lasts_refuses_changes_and_no_more)
{
	sweep("no room any more", DISK_FULL, INT64_MAX / 2);
}
