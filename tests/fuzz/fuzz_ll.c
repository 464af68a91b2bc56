/*
 * fuzz_ll [SEED [RUNS [REQUESTS]]]: random requests, one seed after the other,
 * until one fails; it names its seed. RUNS 0: for ever.
 */
#include <stdio.h>
#include <stdlib.h>
#include <syslog.h>

#include "backend/log.h"
#include "tests/lib/fuzz.h"

static long number(int argc, char **argv, int at, long dflt)
{
	return argc > at ? strtol(argv[at], NULL, 0) : dflt;
}

int main(int argc, char **argv)
{
	long seed = number(argc, argv, 1, 1), runs = number(argc, argv, 2, 100);
	long requests = number(argc, argv, 3, 2000);
	struct buf says = BUF_INIT;

	log_level(LOG_ERR);
	for (long i = 0; !runs || i < runs; i++, seed++) {
		(void)fprintf(stderr, "\rseed %ld", seed);
		if (!fuzz_run((uint64_t)seed, (int)requests, &says))
			continue;
		(void)fprintf(stderr, "\nfuzz_ll %ld 1 %ld\n%s", seed, requests, buf_text(&says));
		buf_free(&says);
		return 1;
	}
	(void)fputc('\n', stderr);
	buf_free(&says);
	return 0;
}
