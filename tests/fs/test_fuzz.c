#include <criterion/criterion.h>

#include "backend/clean.h"
#include "tests/lib/fuzz.h"
#include "tests/lib/random.h"

/*
 * tests/fuzz/fuzz_ll.c does this for longer. COORDFS_SEED=n COORDFS_SEEDS=1
 * runs a failing seed alone.
 */
Test(fuzz, whatever_is_asked_is_answered_once_and_the_store_stays_sound)
{
	int first = random_rounds("COORDFS_SEED", 1), seeds = random_rounds("COORDFS_SEEDS", 12);

	for (int seed = first; seed < first + seeds; seed++) {
		AUTO_BUF struct buf says = BUF_INIT;

		cr_assert_eq(fuzz_run((uint64_t)seed, 1200, &says), 0, "seed %d:\n%s", seed,
			     buf_text(&says));
	}
}
