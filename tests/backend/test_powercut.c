#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/lib/disk.h"
#include "tests/lib/history.h"
#include "tests/lib/random.h"

/*
 * The power goes at random moments of a history. COORDFS_CUTS=1000 asks for so
 * many in each test, COORDFS_SEED=N for others.
 */

#define CUTS (size_t) random_rounds("COORDFS_CUTS", 50)
#define SEED (uint64_t) random_rounds("COORDFS_SEED", 1)

struct mark {
	size_t moment; /* from then on it is acknowledged */
	struct seen seen;
};

static int by_moment(const void *a, const void *b)
{
	size_t x = *(const size_t *)a, y = *(const size_t *)b;

	return x < y ? -1 : x > y;
}

/* N moments, sorted. */
static size_t *moments(uint64_t *random, size_t n)
{
	size_t *all = malloc(n * sizeof(*all));

	cr_assert_not_null(all);
	for (size_t i = 0; i < n; i++)
		all[i] = (size_t)random_below(random, (int)disk_moment() + 1);
	qsort(all, n, sizeof(*all), by_moment);
	return all;
}

/* The last mark at or before MOMENT. */
static size_t mark_at(const struct mark *marks, size_t n, size_t moment)
{
	size_t i = 0;

	while (i + 1 < n && marks[i + 1].moment <= moment)
		i++;
	return i;
}

/* The power goes at MOMENT: what is left goes to DIR. */
static void cut(struct history *h, size_t moment, enum disk_cut how, uint64_t *random, char *dir)
{
	(void)snprintf(h->about, sizeof(h->about), "cut of kind %d at %zu", how, moment);
	scratch_new(dir);
	disk_cut(moment, how, random, dir);
}

#define BATCHES 400

/* A history, and what was acknowledged when; the number of marks. */
static size_t record(struct history *h, struct mark *marks, uint64_t *random)
{
	size_t n = 0;

	history_new(h, *random, disk_vfs());
	disk_record(h->dir);
	cr_assert_eq(history_open(h), 0);
	marks[n++] = (struct mark){ 0, h->seen };
	history_begin(h);
	marks[n++] = (struct mark){ disk_moment(), h->seen };
	for (int i = 0; i < BATCHES; i++) {
		history_batch(h, 1 + random_below(random, 4));
		cr_assert_eq(h->broken, 0);
		marks[n++] = (struct mark){ disk_moment(), h->seen };
	}
	disk_stop();
	return n;
}

/*
 * What a cut leaves must be the state after some batch: the last acknowledged
 * one or the one under way. (The first mark stands before several.)
 */
static void cut_at_many(enum disk_cut how)
{
	static struct mark marks[BATCHES + 2];
	uint64_t random = SEED + (uint64_t)how * 1000;
	size_t cuts = CUTS, n, *at;
	struct history h;
	char dir[256];

	n = record(&h, marks, &random);
	at = moments(&random, cuts);
	for (size_t i = 0; i < cuts; i++) {
		size_t m = mark_at(marks, n, at[i]);

		cut(&h, at[i], how, &random, dir);
		history_verify(&h, dir, &marks[m].seen,
			       m == 0 || m + 1 == n ? NULL : &marks[m + 1].seen);
		scratch_remove(dir);
	}
	cr_log_info("%zu cuts in a history of %zu batches, %zu writes and syncs, %lld events", cuts,
		    n, disk_moment(), (long long)h.seen.seq);
	free(at);
	disk_forget();
	history_end(&h);
}

Test(powercut, before_anything_not_synced_arrives_loses_nothing_acknowledged)
{
	cut_at_many(CUT_SYNCED);
}

Test(powercut, after_everything_arrived_leaves_nothing_by_half)
{
	cut_at_many(CUT_ALL);
}

Test(powercut, after_some_writes_loses_nothing_and_leaves_nothing_by_half)
{
	cut_at_many(CUT_PREFIX);
}

Test(powercut, after_any_of_the_writes_loses_nothing_and_leaves_nothing_by_half)
{
	cut_at_many(CUT_SUBSET);
}

Test(powercut, within_writes_loses_nothing_and_leaves_nothing_by_half)
{
	cut_at_many(CUT_TORN);
}

/* The history goes on in what a cut has left, and so on. */
Test(powercut, again_and_again_loses_nothing_either)
{
	uint64_t random = SEED;
	struct seen acked, later;
	struct history h;
	char dir[256];
	size_t moment;

	history_new(&h, random, disk_vfs());
	disk_record(h.dir);
	cr_assert_eq(history_open(&h), 0);
	history_begin(&h);
	for (size_t i = 0; i < CUTS; i++) {
		for (int b = random_below(&random, 8); b; b--)
			history_batch(&h, 3);
		acked = h.seen;
		moment = disk_moment();
		history_batch(&h, 3);
		later = h.seen;
		moment += (size_t)random_below(&random, (int)(disk_moment() - moment) + 1);
		cut(&h, moment, (enum disk_cut)random_below(&random, CUT_KINDS), &random, dir);
		history_end(&h);
		(void)strcpy(h.dir, dir);
		disk_record(h.dir);
		cr_assert_eq(history_open(&h), 0);
		cr_assert(h.seen.seq == acked.seq || h.seen.seq == later.seq, "%s", h.about);
		cr_assert_str_eq(h.seen.hash, h.seen.seq == acked.seq ? acked.hash : later.hash,
				 "%s", h.about);
		h.seen.token = later.token;
	}
	acked = h.seen;
	history_close(&h);
	history_verify(&h, h.dir, &acked, &acked);
	disk_forget();
	history_end(&h);
}
