/*
 * fleet: how well `next` chooses, for a whole fleet on virtual time.
 *
 * usage: fleet [-s SEED] [PART]...     parts a to g; none: all but f, which takes minutes
 *
 * Prints the figures of docs/selection.md. All but g (times) follow from the
 * seed; what is said of several seeds is of SEED and those that follow it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "backend/clean.h"
#include "backend/tx.h"
#include "tests/lib/fleet.h"
#include "tests/lib/random.h"

#define SESSIONS 200
#define SEEDS 8
#define HERD 100
#define LANE(name, p, later)       \
	{                          \
		name, p, later, 0, \
	}

static uint64_t first_seed = 1;
static struct taken taken[FLEET_SESSIONS];

static const struct course steady = {
	.sessions = SESSIONS,
	.lanes = { LANE("A", 0.8, 0.8), LANE("B", 0.5, 0.5), LANE("C", 0.2, 0.2) },
};
static const struct course falls = {
	.sessions = SESSIONS,
	.change_at = SESSIONS / 2,
	.lanes = { LANE("A", 0.8, 0.1), LANE("B", 0.5, 0.5), LANE("C", 0.2, 0.2) },
};
static const struct course rises = {
	.sessions = SESSIONS,
	.change_at = SESSIONS / 2,
	.lanes = { LANE("A", 0.6, 0.6), LANE("B", 0.5, 0.5), LANE("C", 0.2, 0.9) },
};

/* The lowest, the median, the highest of N numbers. */
struct spread {
	double low, middle, high;
};

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

static struct spread spread_of(double *v, int n)
{
	qsort(v, (size_t)n, sizeof(*v), by_value);
	return (struct spread){ v[0], v[n / 2], v[n - 1] };
}

/* --- a: which lanes are taken, and what is thought of them --- */

/* What a session in a lane comes to that finishes its task always, or never. */
static double grade_when(int success)
{
	static struct fleet x;
	char name[NAME_BUFFER];
	double mark;
	int64_t s;

	fleet_open(&x, 1);
	fleet_tasks(&x, "A", 1, FLEET_NOTHING);
	s = fleet_session(&x);
	(void)fleet_next(&x, s, name);
	if (fleet_claim(&x, s, name))
		abort();
	mark = fleet_end(&x, s, name, success);
	fleet_close(&x);
	return mark;
}

static void converge(void)
{
	static struct fleet x;
	double in[4][FLEET_LANES] = { { 0 } }, thought[FLEET_LANES] = { 0 };
	double good = grade_when(1), bad = grade_when(0);

	for (uint64_t i = 0; i < SEEDS; i++) {
		struct course c = steady;

		c.seed = first_seed + i;
		fleet_run(&x, &c, NULL, taken);
		for (int q = 0; q < 4; q++)
			for (int l = 0; l < FLEET_LANES; l++)
				in[q][l] += fleet_in_lane(taken, q * SESSIONS / 4,
							  (q + 1) * SESSIONS / 4, l) *
					    400.0 / SESSIONS / SEEDS;
		for (int l = 0; l < FLEET_LANES; l++)
			thought[l] += fleet_expected(&x, steady.lanes[l].name).value / SEEDS;
		fleet_close(&x);
	}
	(void)printf("a. %d sessions, %d seeds: claims by lane, %% of each quarter\n"
		     "   lane  p     1st   2nd   3rd   4th   true grade  expected\n",
		     SESSIONS, SEEDS);
	for (int l = 0; l < FLEET_LANES; l++) {
		double p = steady.lanes[l].p;

		(void)printf("   %-4s  %.1f  %5.1f %5.1f %5.1f %5.1f  %10.3f  %8.3f\n",
			     steady.lanes[l].name, p, in[0][l], in[1][l], in[2][l], in[3][l],
			     p * good + (1 - p) * bad, thought[l]);
	}
}

/* --- b, c: a lane that changes, one that runs dry --- */

/* So many sessions after FROM until of ten that drew nothing most are not in lane 0; -1: never. */
static int left_after(int from, int lane, int is_left)
{
	for (int end = from + 1; end <= SESSIONS; end++) {
		int n = 0, out = 0;

		for (int i = end - 1; i >= from && n < 10; i--) {
			n += !taken[i].drawn;
			out += !taken[i].drawn && (taken[i].lane != lane) == is_left;
		}
		if (n == 10 && out > 5)
			return end - from;
	}
	return -1;
}

static void change(const struct course *plan, const char *what, int lane, int is_left)
{
	static struct fleet x;
	double after[SEEDS];
	struct spread s;
	int never = 0, n = 0;

	for (uint64_t i = 0; i < SEEDS; i++) {
		struct course c = *plan;
		int got;

		c.seed = first_seed + i;
		fleet_run(&x, &c, NULL, taken);
		fleet_close(&x);
		got = left_after(c.change_at, lane, is_left);
		never += got < 0;
		if (got >= 0)
			after[n++] = got;
	}
	(void)printf("   %s: ", what);
	if (n) {
		s = spread_of(after, n);
		(void)printf("median %.0f sessions (%.0f to %.0f)", s.middle, s.low, s.high);
	}
	(void)printf("%s%d of %d seeds not within %d\n", n ? "; " : "", never, SEEDS,
		     SESSIONS - plan->change_at);
}

static void notice(void)
{
	(void)printf("b. the worth changes at session %d; until 6 of 10 choose accordingly\n",
		     SESSIONS / 2);
	change(&falls, "A falls from 0.8 to 0.1, it is left after", 0, 1);
	change(&rises, "C rises from 0.2 to 0.9, it is found after", 2, 0);
}

static void more_at_150(struct fleet *x, int i)
{
	if (i == 150)
		fleet_tasks(x, "A", 100, FLEET_NOTHING);
}

/* Of a lane in which nobody ends, its value only moves towards its lifetime's mean. */
static int drifts(void)
{
	int n = 0;

	for (int i = 1; i < SESSIONS; i++)
		for (int l = 0; l < FLEET_LANES; l++) {
			const struct taken *a = &taken[i - 1], *b = &taken[i];
			double was = a->expected[l] - a->lifetime[l];
			double is = b->expected[l] - b->lifetime[l];

			if (a->ended[l] == b->ended[l] && a->lifetime[l] == b->lifetime[l])
				n += was * is < -1e-12 || is * is > was * was + 1e-12;
		}
	return n;
}

static void dry(void)
{
	static struct fleet x;
	struct course c = steady;
	int last = -1, again = -1;

	c.seed = first_seed;
	c.lanes[0].tasks = 40;
	c.lanes[0].p = 1;
	fleet_run(&x, &c, more_at_150, taken);
	fleet_close(&x);
	for (int i = 0; i < SESSIONS; i++) {
		if (i < 150 && taken[i].lane == 0)
			last = i;
		if (i >= 150 && again < 0 && taken[i].lane == 0)
			again = i;
	}
	(void)printf(
		"c. A has 40 tasks, which all succeed, and 100 more from session 150: last taken by session %d,\n"
		"   again by %d; %d of the sessions between found nothing\n",
		last, again, fleet_in_lane(taken, last + 1, 150, -1));
	(void)printf("   A expected %.3f when it ran dry, %.3f at session 149 (lifetime %.3f);\n"
		     "   away from its lifetime's mean without an outcome: %d times in %d\n",
		     taken[last + 1].expected[0], taken[149].expected[0], taken[149].lifetime[0],
		     drifts(), SESSIONS * FLEET_LANES);
}

/* --- d: a share-limit --- */

static int times_over(int from, int to)
{
	int n = 0;

	for (int i = from; i < to; i++)
		n += taken[i].over;
	return n;
}

static void b_at_100(struct fleet *x, int i)
{
	if (i == 100)
		fleet_tasks(x, "B", 300, FLEET_NOTHING);
}

static void share(void)
{
	static struct fleet x;
	struct course c = steady, alone = steady;
	int back = -1;

	c.seed = alone.seed = first_seed;
	c.share_limit = alone.share_limit = "0.5";
	fleet_run(&x, &c, NULL, taken);
	fleet_close(&x);
	(void)printf("d. A may have 0.5: it has %d of %d, B %d, C %d; over its limit %d times;\n"
		     "   nothing found %d times\n",
		     fleet_in_lane(taken, 0, SESSIONS, 0), SESSIONS,
		     fleet_in_lane(taken, 0, SESSIONS, 1), fleet_in_lane(taken, 0, SESSIONS, 2),
		     times_over(0, SESSIONS), fleet_in_lane(taken, 0, SESSIONS, -1));
	alone.lanes[1].tasks = alone.lanes[2].tasks = -1;
	fleet_run(&x, &alone, b_at_100, taken);
	fleet_close(&x);
	for (int i = 101; i < SESSIONS && back < 0; i++)
		if (!taken[i].over)
			back = i;
	(void)printf(
		"   alone until session 100: %d of 100 found something, %d in A; then B has supply:\n"
		"   within its limit again from session %d on (over %d times since), A %d, B %d of 100\n",
		100 - fleet_in_lane(taken, 0, 100, -1), fleet_in_lane(taken, 0, 100, 0), back,
		times_over(back, SESSIONS), fleet_in_lane(taken, 100, SESSIONS, 0),
		fleet_in_lane(taken, 100, SESSIONS, 1));
}

/* --- e: many ask at once --- */

struct herd {
	const char *what;
	int tasks, lanes, differ; /* differ: no two are worth the same */
	int odd;		  /* sessions that were refused the best, and some that explore */
};

static const struct herd herds[] = {
	{ "1,000 tasks of equal value", 1000, 1, 0, 0 },
	{ "1,000 tasks of different value", 1000, 1, 1, 0 },
	{ "100 tasks of equal value", 100, 1, 0, 0 },
	{ "1,000 tasks in 20 lanes", 1000, 20, 1, 0 },
	{ "the same, 30 exclude 20 tasks, 3 in 10 explore", 1000, 20, 1, 1 },
};

struct waste {
	int claims, refused, without;
	double value; /* taken, of that of the best HERD tasks */
};

static double value_of(const struct herd *h, int task)
{
	return h->differ ? h->tasks - task : 1;
}

/* t1 is worth most. */
static void herd_tasks(struct fleet *x, const struct herd *h)
{
	char lane[16];

	for (int i = 0; i < h->tasks; i++) {
		(void)snprintf(lane, sizeof(lane), "l%d", i % h->lanes);
		fleet_tasks(x, lane, 1, value_of(h, i));
	}
}

static void exclude(struct fleet *x, const int64_t *sessions)
{
	int64_t holder = fleet_session(x);
	char name[16];

	for (int i = 1; i <= 20; i++) {
		(void)snprintf(name, sizeof(name), "t%d", i);
		(void)fixture_hold(&x->f, holder, name);
		for (int s = 0; s < HERD; s += HERD / 30)
			if (!fleet_claim(x, sessions[s], name))
				abort();
		if (fixture_release(&x->f, holder, name).err)
			abort();
	}
	(void)commit(&x->f, CHANGE_END, .thing = holder, .as = holder);
}

static void herd_begin(struct fleet *x, const struct herd *h, int spread, int64_t *sessions)
{
	fleet_open(x, first_seed);
	fleet_select(x, "explore", h->odd ? "0.3" : "0");
	fleet_select(x, "recency", "0");
	fleet_select(x, "asking", spread ? "2m" : "0s");
	herd_tasks(x, h);
	for (int i = 0; i < HERD; i++)
		sessions[i] = fleet_session(x);
	if (h->odd)
		exclude(x, sessions);
	fixture_pass(&x->f, SECOND);
}

static void shuffle(struct fleet *x, int *order, int n)
{
	for (int i = 0; i < n; i++)
		order[i] = i;
	for (int i = n - 1; i > 0; i--) {
		int j = random_below(&x->random, i + 1), t = order[i];

		order[i] = order[j];
		order[j] = t;
	}
}

/* One round: all that have nothing read, then all claim. How many have nothing yet. */
static int herd_round(struct fleet *x, const struct herd *h, int64_t *sessions, struct waste *w)
{
	static char wanted[HERD][NAME_BUFFER];
	int order[HERD], left = 0;

	for (int i = 0; i < HERD; i++) {
		wanted[i][0] = 0;
		if (sessions[i])
			(void)fleet_next(x, sessions[i], wanted[i]);
	}
	shuffle(x, order, HERD);
	for (int i = 0; i < HERD; i++) {
		int s = order[i];

		if (!wanted[s][0])
			continue;
		w->claims++;
		if (fleet_claim(x, sessions[s], wanted[s])) {
			w->refused++;
			left++;
			continue;
		}
		w->value += value_of(h, (int)strtol(wanted[s] + 1, NULL, 10) - 1);
		sessions[s] = 0;
	}
	return left;
}

static struct waste herd_run(const struct herd *h, int spread)
{
	static struct fleet x;
	int64_t sessions[HERD];
	struct waste w = { .claims = 0 };
	double best = 0;

	herd_begin(&x, h, spread, sessions);
	while (herd_round(&x, h, sessions, &w))
		;
	fleet_close(&x);
	for (int i = 0; i < HERD; i++) {
		best += value_of(h, i);
		w.without += sessions[i] != 0;
	}
	w.value /= best;
	return w;
}

/* What a hash of session and minute would do, over what is within 5 % of the best; no store. */
static struct waste herd_hashed(const struct herd *h)
{
	AUTO_FREE char *gone = calloc((size_t)h->tasks, 1);
	struct fleet x = { .random = first_seed };
	int without = HERD, first = 0;
	struct waste w = { .claims = 0 };

	while (gone && without && first < h->tasks) {
		int n = 0, asked = without;

		while (first < h->tasks && gone[first])
			first++;
		for (int i = first; i < h->tasks && value_of(h, i) >= 0.95 * value_of(h, first);
		     i++)
			n = i - first + 1;
		for (int i = 0; n && i < asked; i++) {
			int at = first + random_below(&x.random, n);

			w.claims++;
			w.refused += gone[at];
			without -= !gone[at];
			gone[at] = 1;
		}
	}
	return w;
}

static double percent(struct waste w)
{
	return w.claims ? 100.0 * w.refused / w.claims : 0;
}

static void herd(void)
{
	(void)printf(
		"e. %d sessions ask at once, then claim in any order; refused claims in %% of claims\n"
		"   %-46s  place   hash   none  value taken\n",
		HERD, "");
	for (size_t i = 0; i < sizeof(herds) / sizeof(herds[0]); i++) {
		struct waste place = herd_run(&herds[i], 1), none = herd_run(&herds[i], 0);

		(void)printf("   %-46s  %5.1f  %5.1f  %5.1f  %9.1f %%%s\n", herds[i].what,
			     percent(place), percent(herd_hashed(&herds[i])), percent(none),
			     100 * place.value, place.without ? "  some found nothing" : "");
	}
}

/* --- f: what each setting does --- */

static const struct {
	const char *what, *half_life, *explore, *monotony;
} ways[] = {
	{ "as it is: explore 0.1, monotony 0.1, half-life 50", NULL, NULL, NULL },
	{ "explore 0", NULL, "0", NULL },
	{ "explore 0.05", NULL, "0.05", NULL },
	{ "explore 0.2", NULL, "0.2", NULL },
	{ "monotony 0", NULL, NULL, "0" },
	{ "monotony 0.3", NULL, NULL, "0.3" },
	{ "half-life 10", "10", NULL, NULL },
	{ "half-life 25", "25", NULL, NULL },
	{ "half-life 100", "100", NULL, NULL },
	{ "half-life 1e6: none fades", "1e6", NULL, NULL },
	{ "explore 0, monotony 0", NULL, "0", "0" },
};

static struct spread outcome(const struct course *plan, size_t way)
{
	static struct fleet x;
	double mean[SEEDS];

	for (uint64_t i = 0; i < SEEDS; i++) {
		struct course c = *plan;

		c.seed = first_seed + i;
		c.half_life = ways[way].half_life;
		c.explore = ways[way].explore;
		c.monotony = ways[way].monotony;
		fleet_run(&x, &c, NULL, taken);
		mean[i] = fleet_mean(taken, 0, SESSIONS);
		fleet_close(&x);
	}
	return spread_of(mean, SEEDS);
}

static void ablate(void)
{
	static const struct course *const worlds[] = { &steady, &falls, &rises };

	(void)printf("f. mean grade of %d sessions, median of %d seeds (lowest to highest)\n"
		     "   %-50s  steady               A falls              C rises\n",
		     SESSIONS, SEEDS, "");
	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
		(void)printf("   %-50s", ways[i].what);
		for (int w = 0; w < 3; w++) {
			struct spread s = outcome(worlds[w], i);

			(void)printf("  %.3f (%.3f-%.3f)", s.middle, s.low, s.high);
		}
		(void)printf("\n");
		(void)fflush(stdout);
	}
}

/* --- g: what it costs --- */

#define TIMES 200

static double us_since(const struct timespec *a)
{
	struct timespec b;

	(void)clock_gettime(CLOCK_MONOTONIC, &b);
	return (double)(b.tv_sec - a->tv_sec) * 1e6 + (double)(b.tv_nsec - a->tv_nsec) / 1e3;
}

static void time_one(struct fleet *x, int64_t session, double *choice, double *plain)
{
	char name[NAME_BUFFER];
	struct timespec start;
	struct task t;

	(void)clock_gettime(CLOCK_MONOTONIC, &start);
	(void)fleet_next(x, session, name);
	*choice = us_since(&start);
	(void)clock_gettime(CLOCK_MONOTONIC, &start);
	if (store_read_begin(x->f.store) ||
	    read_task_named(store_reader(x->f.store), name, &t) <= 0)
		abort();
	store_read_end(x->f.store);
	*plain = us_since(&start);
}

static void cost_of(const char *what, int lanes, int one_family)
{
	static struct fleet x;
	double choice[2][TIMES], plain[2][TIMES];
	int64_t sessions[HERD];

	fleet_open(&x, first_seed);
	for (int i = 0; i < lanes; i++) {
		char lane[16];

		(void)snprintf(lane, sizeof(lane), "l%d", i);
		fleet_tasks_of(&x, lane, 10000 / lanes, one_family ? "family:f" : NULL, 1);
	}
	if (one_family)
		(void)fixture_hold(&x.f, x.judge, "t1");
	fleet_select(&x, "explore", "0");
	for (int i = 0; i < HERD; i++)
		sessions[i] = fleet_session(&x);
	for (int i = 0; i < TIMES; i++) {
		time_one(&x, sessions[0], &choice[0][i], &plain[0][i]);
		time_one(&x, sessions[HERD - 1], &choice[1][i], &plain[1][i]);
	}
	fleet_close(&x);
	for (int i = 0; i < 2; i++) {
		struct spread c = spread_of(choice[i], TIMES), p = spread_of(plain[i], TIMES);

		(void)printf("   %-40s  %5d  %7.0f us  %6.1f us  %6.1f\n", what, i ? HERD - 1 : 0,
			     c.middle, p.middle, c.middle / p.middle);
	}
}

static void cost(void)
{
	(void)printf("g. one choice among 10,000 ready tasks, beside reading one task by name\n"
		     "   %-40s  place    choice    plain   ratio\n",
		     "");
	cost_of("3 lanes", 3, 0);
	cost_of("100 lanes", 100, 0);
	cost_of("3 lanes, all of one family that is held", 3, 1);
}

int main(int argc, char **argv)
{
	static void (*const parts[])(void) = { converge, notice, dry, share, herd, ablate, cost };
	int option, any = 0;

	while ((option = getopt(argc, argv, "s:")) == 's')
		first_seed = strtoull(optarg, NULL, 10);
	if (option != -1)
		return 2;
	(void)printf("seed %llu\n", (unsigned long long)first_seed);
	for (int i = 0; i < 7; i++) {
		int wanted = optind == argc && parts[i] != ablate;

		for (int a = optind; a < argc; a++)
			wanted |= argv[a][0] == 'a' + i && !argv[a][1];
		if (wanted)
			parts[i]();
		any |= wanted;
		(void)fflush(stdout);
	}
	return any ? 0 : 2;
}
