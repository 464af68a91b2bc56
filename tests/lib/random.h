/* random: numbers that follow from a seed alone (splitmix64). */
#ifndef TESTS_LIB_RANDOM_H
#define TESTS_LIB_RANDOM_H

#include <stdint.h>
#include <stdlib.h>

static inline uint64_t random_next(uint64_t *state)
{
	uint64_t z = (*state += 0x9e3779b97f4a7c15u);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return z ^ (z >> 31);
}

/* 0 .. n - 1 */
static inline int random_below(uint64_t *state, int n)
{
	return (int)(random_next(state) % (uint64_t)n);
}

/* How often a property is tried: the environment variable NAME, else DFLT. */
static inline int random_rounds(const char *name, int dflt)
{
	const char *text = getenv(name);

	return text && atoi(text) > 0 ? atoi(text) : dflt;
}

#endif
