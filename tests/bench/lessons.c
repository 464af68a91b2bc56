/*
 * lessons: does the randomised figure find what a lesson does, where the observed one is fooled?
 * A fleet with a known truth (tests/lib/teaching.h) against the real store.
 *
 * usage: lessons [SESSIONS [LESSONS [DROPOUT [SEED]]]]     5000 300 0.2 7
 *
 * Exit status 0: helps > idle > harms by the randomised figure, and not by the observed one.
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "backend/clean.h"
#include "tests/lib/teaching.h"

static double seconds(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void print_effect(const struct lesson_effect *e)
{
	(void)printf(" %+.3f [%+.3f, %+.3f] %lld:%lld |", e->value, e->low, e->high,
		     (long long)e->with, (long long)e->without);
}

static void print_one(const struct teaching *t, enum planted which, const struct taught *what)
{
	static const double truth[PLANTED] = { TEACHING_HELPS, 0, TEACHING_HARMS, 0 };

	(void)t;
	(void)printf("| %s | %+.2f |", teaching_names[which], truth[which]);
	print_effect(&what->observed);
	print_effect(&what->randomised);
	(void)printf(" %s %s |\n", lesson_words[what->verdict], what->why);
}

/* How long a read of the effect takes, of the lesson that was given most. */
static double read_ms(const struct teaching *t)
{
	double begin = seconds();

	for (int i = 0; i < 100; i++)
		(void)teaching_look(t, PLANTED_BROAD);
	return (seconds() - begin) * 10;
}

int main(int argc, char **argv)
{
	int sessions = argc > 1 ? (int)strtol(argv[1], NULL, 10) : 5000,
	    lessons = argc > 2 ? (int)strtol(argv[2], NULL, 10) : 300;
	const char *dropout = argc > 3 ? argv[3] : "0.2";
	uint64_t seed = argc > 4 ? strtoull(argv[4], NULL, 10) : 7;
	struct taught what[PLANTED];
	struct fixture f;
	struct teaching t;
	double begin = seconds();
	int right, fooled;

	fixture_open(&f);
	teaching_begin(&t, &f, seed, lessons - PLANTED, dropout);
	teaching_run(&t, sessions);
	(void)printf(
		"%d sessions, %d lessons, dropout %s, seed %llu: %.1f s; effect and verdict %.2f ms\n",
		sessions, lessons, dropout, (unsigned long long)seed, seconds() - begin,
		read_ms(&t));
	(void)printf(
		"| lesson | truth | observed | randomised | verdict |\n|---|---|---|---|---|\n");
	for (int i = 0; i < PLANTED; i++) {
		what[i] = teaching_look(&t, (enum planted)i);
		print_one(&t, (enum planted)i, &what[i]);
	}
	(void)printf("store: %s\n", *fixture_check(&f) ? "NOT sound" : "sound, replayed the same");
	fixture_close(&f);
	right = what[PLANTED_HELPS].randomised.value > what[PLANTED_IDLE].randomised.value &&
		what[PLANTED_IDLE].randomised.value > what[PLANTED_HARMS].randomised.value;
	fooled = what[PLANTED_HELPS].observed.value < what[PLANTED_HARMS].observed.value;
	return !(right && fooled);
}
