/*
 * sim [-s SEED [-m COUNT]] [-n STEPS] [-b SECONDS] [-r FILE] [-e]
 *
 * With a seed: that one, twice; or COUNT from it on, as far as SECONDS allow.
 * Without: those of FILE (one a line), then fresh ones until SECONDS have
 * passed. -e: end with the first failure. The last line is "N passed, N failed,
 * N skipped".
 */
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "backend/log.h"
#include "fs/caller.h"
#include "tests/lib/disk.h"
#include "tests/sim/sim.h"

#define HANGS 20 /* seconds of a seed: it takes a fraction of one */

static struct run *running; /* for whoever aborts */

int below(struct run *s, int n)
{
	return random_below(&s->random, n);
}

int rarely(struct run *s, int n)
{
	return below(s, n) == 0;
}

int64_t now(const struct run *s)
{
	return s->w.f.sim.boot;
}

static void log_line(struct run *s, const char *fmt, va_list ap)
{
	char *line = s->log[s->logged++ % LOG_LINES];
	int n = snprintf(line, LOG_WIDTH, "%6lld %10lld ", (long long)s->step, (long long)now(s));

	(void)vsnprintf(line + n, (size_t)(LOG_WIDTH - n), fmt, ap);
}

void sim_log(struct run *s, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	log_line(s, fmt, ap);
	va_end(ap);
}

void sim_fail(struct run *s, const char *fmt, ...)
{
	va_list ap;

	if (s->failed[0])
		return;
	va_start(ap, fmt);
	(void)vsnprintf(s->failed, sizeof(s->failed), fmt, ap);
	va_end(ap);
}

/* --- a run --- */

static int alive(struct world *w, int32_t pid, int64_t start)
{
	(void)w;
	return caller_alive(pid, start);
}

static int descends(struct world *w, int32_t pid, int32_t of, int64_t start)
{
	(void)w;
	return caller_alive(of, start) > 0 && caller_descends(pid, of) > 0;
}

static void begin(struct run *s, uint64_t seed, int64_t steps)
{
	memset(s, 0, sizeof(*s));
	s->seed = s->random = seed;
	s->steps = steps;
	s->hash = 14695981039346656037u;
	disk_fail(DISK_NONE, 0, 0);
	disk_pause(1);
	disk_seed(seed);
	wire_open_on(&s->w, disk_vfs(), (struct loop *)(void *)s); /* procs.c needs no loop */
	s->w.f.sim.world.alive = alive;
	s->w.f.sim.world.descends = descends;
	procs_boot(s->w.f.sim.boot_id);
	model_init(s);
	agents_init(s);
}

static void step(struct run *s)
{
	int64_t start;
	int32_t pid;

	s->step++;
	faults_step(s);
	if (s->failed[0])
		return;
	if (!agents_step(s) && !s->n_pending)
		time_pass(s, 1000 + below(s, 10000)); /* all are stopped */
	if (s->n_pending && below(s, 3) == 0)
		batch_run(s);
	while (rarely(s, 3) && s->n_pending < PENDING - 2 && procs_deliver(&pid, &start))
		exit_told(s, pid, start);
	if (s->step % 1000 == 0 && !s->failed[0] && !s->full)
		check_all(s);
}

static void end(struct run *s)
{
	disk_freed(s);
	if (!s->failed[0] && s->n_pending)
		batch_run(s);
	if (!s->failed[0])
		check_all(s);
	disk_forget();
	free(s->m.grants);
	s->m.grants = NULL;
	if (s->w.f.store)
		wire_close(&s->w);
}

static void print_failure(const struct run *s)
{
	int64_t keep = getenv("SIM_LOG") ? atoll(getenv("SIM_LOG")) : 40;
	int64_t from = s->logged > keep ? s->logged - keep : 0;

	printf("\n*** seed %llu, step %lld: %s\n", (unsigned long long)s->seed, (long long)s->step,
	       s->failed);
	printf("the last requests (step, ms since boot, agent/session, request = answer):\n");
	for (int64_t i = from; i < s->logged; i++)
		printf("%s\n", s->log[i % LOG_LINES]);
	printf("again: make sim SEED=%llu STEPS=%lld\n", (unsigned long long)s->seed,
	       (long long)s->steps);
	(void)fflush(stdout);
}

static void on_abort(int sig)
{
	(void)sig;
	(void)signal(SIGABRT, SIG_DFL);
	if (running) {
		sim_fail(running, "the program aborted");
		print_failure(running);
	}
	abort();
}

/* --- many runs --- */

/* What a run tells, and all of them together. */
struct outcome_of_run {
	int64_t ops, steps;
	uint64_t hash;
	int failed;
};

static struct {
	int64_t passed, failed, ops, seeds;
	double began;
} total;

static void run_here(uint64_t seed, int64_t steps, struct outcome_of_run *out)
{
	static struct run s;

	running = &s;
	begin(&s, seed, steps);
	while (s.step < steps && !s.failed[0])
		step(&s);
	end(&s);
	running = NULL;
	if (s.failed[0])
		print_failure(&s);
	*out = (struct outcome_of_run){ s.ops, s.step, s.hash, s.failed[0] != 0 };
}

/*
 * One seed, in a process of its own: the daemon's memory is its process's, and a
 * run that aborts is one that failed. 1 when it found something.
 */
static int run(uint64_t seed, int64_t steps, uint64_t *hash)
{
	static struct outcome_of_run *out;
	int status;
	pid_t pid;

	if (!out)
		out = mmap(NULL, sizeof(*out), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
			   -1, 0);
	if (out == MAP_FAILED)
		abort();
	*out = (struct outcome_of_run){ .failed = 1 };
	(void)fflush(stdout);
	pid = fork();
	if (!pid) {
		(void)alarm(HANGS); /* an endless loop is a finding, too */
		run_here(seed, steps, out);
		(void)fflush(stdout);
		_exit(0);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		abort();
	if (WIFSIGNALED(status))
		printf("\n*** seed %llu: ended by signal %d\nagain: make sim SEED=%llu STEPS=%lld\n",
		       (unsigned long long)seed, WTERMSIG(status), (unsigned long long)seed,
		       (long long)steps);
	total.seeds++;
	total.ops += out->ops;
	total.passed += !out->failed;
	total.failed += out->failed;
	if (hash)
		*hash = out->hash;
	return out->failed;
}

static double seconds(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* The same seed must make the same run, to the last byte of the last answer. */
static void run_twice(uint64_t seed, int64_t steps)
{
	uint64_t first = 0, second = 0;

	if (run(seed, steps, &first) || run(seed, steps, &second) || first == second)
		return;
	printf("\n*** seed %llu: two runs of it differ\n", (unsigned long long)seed);
	total.failed++;
}

static void run_file(const char *path)
{
	FILE *f = fopen(path, "re");
	long long seed, steps;
	char line[256];

	if (!f) {
		printf("%s: %s\n", path, strerror(errno));
		total.failed++;
		return;
	}
	while (fgets(line, sizeof(line), f))
		if (sscanf(line, "%lld %lld", &seed, &steps) == 2)
			(void)run((uint64_t)seed, steps, NULL);
	(void)fclose(f);
}

static uint64_t fresh(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_REALTIME, &t);
	return ((uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000) % 100000000000u;
}

/* Seconds that the processor spent on the runs. */
static double processor(void)
{
	struct rusage u;

	(void)getrusage(RUSAGE_CHILDREN, &u);
	return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
	       (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6 + 1e-6;
}

static struct {
	int64_t steps, seed, many; /* seed -1: fresh */
	double budget;
	const char *file;
	int once;
} options = { 1000, -1, 0, 0, NULL, 0 };

static int usage(void)
{
	(void)fputs("usage: simulate [-s SEED [-m COUNT]] [-n STEPS] [-b SECONDS] [-r FILE] [-e]\n",
		    stderr);
	return 2;
}

static int options_read(int argc, char **argv)
{
	int opt;

	while ((opt = getopt(argc, argv, "s:n:b:r:m:e")) != -1)
		switch (opt) {
		case 's':
			options.seed = atoll(optarg);
			break;
		case 'n':
			options.steps = atoll(optarg);
			break;
		case 'b':
			options.budget = atof(optarg);
			break;
		case 'r':
			options.file = optarg;
			break;
		case 'm':
			options.many = atoll(optarg);
			break;
		case 'e':
			options.once = 1;
			break;
		default:
			return usage();
		}
	return 0;
}

static int goes_on(void)
{
	if (options.once && total.failed)
		return 0;
	if (options.budget > 0 && seconds() - total.began >= options.budget)
		return 0;
	return options.many ? total.seeds < options.many : options.budget > 0;
}

int main(int argc, char **argv)
{
	uint64_t next;

	if (options_read(argc, argv))
		return 2;
	log_level(-1);
	(void)signal(SIGABRT, on_abort);
	(void)signal(SIGPIPE, SIG_IGN);
	total.began = seconds();
	next = options.seed >= 0 ? (uint64_t)options.seed : fresh();
	if (options.file)
		run_file(options.file);
	if (!options.many)
		run_twice(next++, options.steps);
	while (goes_on())
		(void)run(next++, options.steps, NULL);
	printf("%lld seeds, %lld operations, %.0f a second, %.0f a second of the processor's\n",
	       (long long)total.seeds, (long long)total.ops,
	       (double)total.ops / (seconds() - total.began), (double)total.ops / processor());
	printf("%lld passed, %lld failed, 0 skipped\n", (long long)total.passed,
	       (long long)total.failed);
	return total.failed > 0;
}
