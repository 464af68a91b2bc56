#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>

#include "backend/clean.h"
#include "fs/dirs.h"
#include "tests/lib/check.h"
#include "tests/lib/random.h"
#include "tests/lib/wire.h"

static struct wire w;

static void setup(void)
{
	wire_open(&w);
}

static void teardown(void)
{
	wire_close(&w);
}

TestSuite(node, .init = setup, .fini = teardown);

/* --- the rows --- */

/* The path of a row, with * for what there is one of for each thing. */
static const char *path_of(const struct node *n)
{
	static char out[256];
	const struct node *chain[16];
	int depth = 0;

	for (; node_above(n); n = node_above(n))
		chain[depth++] = n;
	out[0] = 0;
	while (depth--)
		(void)snprintf(out + strlen(out), sizeof(out) - strlen(out), "%s%s",
			       *out ? "/" : "", chain[depth]->name ? chain[depth]->name : "*");
	return out;
}

struct numbered {
	int row;
	const char *path;
};

/* A number is half of an inode number and is given for ever: add, never change. */
static const struct numbered golden[] = {
	/* clang-format off */
	{ 1, "" },
	{ 2, "README" },
	{ 3, "status" },
	{ 4, "verdict" },
	{ 5, "why" },
	{ 6, "whoami" },
	{ 7, "artifacts" },
	{ 8, "events" },
	{ 9, "wait" },
	{ 10, "wait/events" },
	{ 11, "verdict.json" },
	{ 20, "ideas" },
	{ 21, "ready" },
	{ 22, "blocked" },
	{ 23, "claims" },
	{ 24, "done" },
	{ 25, "ideas/*" },
	{ 26, "ready/*" },
	{ 27, "blocked/*" },
	{ 28, "claims/*" },
	{ 29, "done/*" },
	{ 30, "claims/*" },
	{ 31, "claims/*" },
	{ 40, "tasks" },
	{ 41, "tasks/*" },
	{ 42, "tasks/*/title" },
	{ 43, "tasks/*/body" },
	{ 44, "tasks/*/repo" },
	{ 45, "tasks/*/artifacts" },
	{ 46, "tasks/*/needs" },
	{ 47, "tasks/*/lane" },
	{ 48, "tasks/*/value" },
	{ 49, "tasks/*/cost" },
	{ 50, "tasks/*/kind" },
	{ 51, "tasks/*/ttl" },
	{ 52, "tasks/*/tags" },
	{ 53, "tasks/*/impact" },
	{ 54, "tasks/*/feasibility" },
	{ 55, "tasks/*/alignment" },
	{ 56, "tasks/*/readiness" },
	{ 57, "tasks/*/result" },
	{ 58, "tasks/*/state" },
	{ 59, "tasks/*/history" },
	{ 60, "tasks/*/upstream" },
	{ 61, "tasks/*/covered" },
	{ 80, "sessions" },
	{ 81, "sessions/*" },
	{ 82, "sessions/*" },
	{ 83, "sessions/*/claims" },
	{ 84, "sessions/*/done" },
	{ 85, "sessions/*/claims/*" },
	{ 86, "sessions/*/done/*" },
	{ 87, "sessions/*/why" },
	{ 88, "sessions/*/whoami" },
	{ 89, "sessions/*/procs" },
	{ 90, "sessions/*/state" },
	{ 91, "sessions/*/started" },
	{ 92, "sessions/*/ended" },
	{ 93, "sessions/*/category" },
	{ 94, "sessions/*/outcome" },
	{ 95, "sessions/*/anchor" },
	{ 110, "probes" },
	{ 111, "probes/*" },
	{ 112, "probes/*/command" },
	{ 113, "probes/*/timeout" },
	{ 114, "probes/*/enabled" },
	{ 115, "probes/*/verdict" },
	{ 116, "probes/*/detail" },
	{ 130, "archive" },
	{ 131, "archive/*" },
	{ 132, "archive/*/sessions" },
	{ 133, "archive/*/done" },
	{ 134, "archive/*/sessions/*" },
	{ 135, "archive/*/done/*" },
	{ 150, "control" },
	{ 151, "control/limits" },
	{ 152, "control/estop" },
	{ 153, "control/break" },
	{ 154, "control/lease" },
	{ 155, "control/recent" },
	{ 156, "control/verdict-interval" },
	{ 157, "control/import" },
	{ 158, "control/lease-max" },
	{ 170, "probes/*/interval" },
	{ 174, "probes/*/network" },
	{ 176, "probes/*/feed" },
	{ 177, "probes/*/floor" },
	{ 178, "probes/*/category" },
	{ 179, "probes/*/window" },
	{ 180, "probes/*/max-age" },
	{ 181, "probes/*/max-share" },
	{ 182, "probes/*/lock-age" },
	{ 183, "probes/*/grace" },
	{ 184, "probes/*/linter" },
	{ 185, "probes/*/manager" },
	{ 186, "probes/*/failures" },
	{ 187, "probes/*/max-sessions" },
	{ 188, "probes/*/max-load" },
	{ 189, "probes/*/min-memory" },
	{ 190, "probes/*/min-grade" },
	{ 171, "probes/*/last" },
	{ 172, "probes/*/history" },
	{ 173, "probes/*/shadow" },
	{ 175, "probes/*/verdict" },
	{ 200, "lanes" },
	{ 201, "lanes/*" },
	{ 202, "lanes/*/kind" },
	{ 203, "lanes/*/limit" },
	{ 204, "lanes/*/ready" },
	{ 205, "lanes/*/held" },
	{ 220, "lessons" },
	{ 221, "lessons/*" },
	{ 222, "lessons/*/keywords" },
	{ 223, "lessons/*/status" },
	{ 224, "lessons/*/body" },
	{ 240, "repos" },
	{ 241, "repos/*" },
	{ 242, "repos/*/path" },
	{ 243, "repos/*/branches" },
	{ 244, "repos/*/depth" },
	{ 245, "repos/*/gitdir" },
	{ 246, "repos/*/head" },
	{ 247, "repos/*/heads" },
	{ 248, "repos/*/scan" },
	{ 249, "repos/*/commits" },
	{ 250, "repos/*/error" },
	{ 260, "convergence" },
	{ 261, "convergence/*" },
	{ 262, "convergence/*/kind" },
	{ 263, "convergence/*/commits" },
	{ 264, "convergence/*/sessions" },
	{ 265, "convergence/*/paths" },
	{ 266, "convergence/*/gap" },
	{ 267, "convergence/*/held" },
	{ 268, "convergence/*/lesson" },
	{ 269, "convergence/*/at" },
	{ 270, "convergence/*/repo" },
	{ 280, "stats" },
	{ 281, "stats/convergence" },
	{ 282, "stats/motion" },
	{ 283, "stats/outcome" },
	{ 284, "stats/authorship" },
	{ 300, "sessions/*/journal" },
	{ 301, "sessions/*/commits" },
	{ 302, "sessions/*/refusals" },
	{ 303, "sessions/*/taken" },
	{ 304, "sessions/*/stamp" },
	{ 305, "sessions/*/grade" },
	{ 306, "sessions/*/grades" },
	{ 307, "sessions/*/grades/trajectory" },
	{ 308, "sessions/*/grades/cascade" },
	{ 309, "sessions/*/grades/harm" },
	{ 310, "sessions/*/grades/alignment" },
	{ 311, "sessions/*/grades/productivity" },
	{ 312, "sessions/*/grades/restraint" },
	{ 313, "sessions/*/grades/history" },
	{ 314, "sessions/*/record.json" },
	{ 330, "control/grading" },
	{ 331, "control/grading/trajectory" },
	{ 332, "control/grading/cascade" },
	{ 333, "control/grading/harm" },
	{ 334, "control/grading/alignment" },
	{ 335, "control/grading/productivity" },
	{ 336, "control/grading/restraint" },
	{ 337, "control/grading/unit" },
	{ 390, "goals" },
	{ 391, "goals/*" },
	{ 392, "goals/*/weight" },
	{ 393, "goals/*/tag" },
	{ 394, "goals/*/progress" },
	{ 395, "control/dedup" },
	{ 396, "control/dedup-window" },
	{ 400, "next" },
	{ 401, "next.why" },
	{ 402, "sessions/*/next" },
	{ 403, "sessions/*/next.why" },
	{ 404, "control/select" },
	{ 405, "control/select/half-life" },
	{ 406, "control/select/explore" },
	{ 407, "control/select/recency" },
	{ 408, "control/select/recency-half-life" },
	{ 409, "control/select/monotony" },
	{ 410, "control/select/family" },
	{ 411, "control/select/share" },
	{ 412, "control/select/window" },
	{ 413, "control/select/asking" },
	{ 414, "control/select/calm" },
	{ 415, "control/select/refused" },
	{ 420, "lanes/*/share" },
	{ 421, "lanes/*/share-limit" },
	{ 422, "lanes/*/value" },
	{ 423, "lanes/*/outcomes" },
	{ 360, "sessions/*/messages" },
	{ 361, "wait/messages" },
	{ 362, "wait/messages/*" },
	{ 370, "lessons/*/fired" },
	{ 371, "lessons/*/effect" },
	{ 372, "lessons/*/verdict" },
	{ 373, "sessions/*/context" },
	{ 374, "sessions/*/lessons" },
	{ 375, "control/lessons" },
	{ 376, "control/lessons/budget" },
	{ 377, "control/lessons/dropout" },
	{ 378, "control/lessons/window" },
	{ 379, "control/lessons/broad" },
	{ 380, "control/lessons/sample" },
	{ 381, "control/lessons/harm" },
	{ 96, "sessions/*/base" },
	{ 159, "control/freshness" },
	{ 160, "control/convergence-window" },
	{ 161, "control/trailers" },
	{ 162, "control/scan-interval" },
	{ 163, "control/guard" },
	{ 164, "control/guard-offline" },
	{ 165, "control/lines" },
	{ 350, "actions" },
	{ 351, "actions/*" },
	{ 352, "control/actions-limit" },
	{ 353, "control/action-wait" },
	{ 354, "control/action-retention" },
	/* clang-format on */
};
#define GOLDENS (sizeof(golden) / sizeof(golden[0]))

static void check_number(const struct node *n, const struct node *above, void *arg)
{
	int *rows = arg;

	(void)above;
	(*rows)++;
	for (size_t i = 0; i < GOLDENS; i++) {
		if (golden[i].row != (int)n->row)
			continue;
		cr_expect_str_eq(path_of(n), golden[i].path, "row %d was another file", n->row);
		return;
	}
	cr_expect(0, "row %d (%s) is new: add it to the list here", n->row, path_of(n));
}

Test(node, the_number_of_a_row_never_changes)
{
	int rows = 0;

	node_each(check_number, &rows);
	cr_assert_eq(rows, (int)GOLDENS, "a row is gone: its number stays taken");
}

Test(node, a_number_given_twice_is_found)
{
	static const struct node twice[] = { FILE_RO(5, "a", readme_show),
					     FILE_RO(5, "b", readme_show), END };
	static const struct node none[] = { FILE_RO(0, "a", readme_show), END };
	static const struct node root = { .type = NODE_DIR, .row = 1, .children = twice };
	static const struct node other = { .type = NODE_DIR, .row = 1, .children = none };

	cr_assert_eq(node_init(&root), -EEXIST);
	cr_assert_eq(node_init(&other), -EINVAL);
	cr_assert_eq(node_init(&root_node), 0);
}

static void check_names(const struct node *n, const struct node *above, void *arg)
{
	(void)above;
	(void)arg;
	for (const struct node *a = n->children; a && a->type; a++) {
		cr_expect((a->name != NULL) != (a->each != NULL),
			  "%s: a row has a name, or is one for each thing", path_of(a));
		for (const struct node *b = a + 1; b->type; b++)
			cr_expect(!a->name || !b->name || strcmp(a->name, b->name) != 0 ||
					  (a->only && b->only),
				  "%s is there twice", path_of(a));
	}
}

Test(node, names_are_unique_in_a_directory)
{
	node_each(check_names, NULL);
}

static void check_mode(const struct node *n, const struct node *above, void *arg)
{
	const char *path = path_of(n);
	int writes = n->store != NULL, reads = n->show || n->flags & NODE_WAIT;

	(void)above;
	(void)arg;
	cr_expect_eq(n->mode & ~0777u, 0, "%s", path);
	if (n->type == NODE_FILE) {
		cr_expect_eq((n->mode & 0222) != 0, writes, "%s: w where it takes writes", path);
		if (n->row != ROW_BREAK) /* root alone reads it, whom no mode stops */
			cr_expect_eq((n->mode & 0444) != 0, reads, "%s: r where it can be read",
				     path);
		cr_expect_eq(n->mode & 0111, 0, "%s: nothing here is run", path);
		cr_expect(!n->ops && !n->children, "%s: a file has no names in it", path);
	} else if (n->type == NODE_DIR) {
		cr_expect_eq((n->mode & 0222) != 0, n->ops || n->touch,
			     "%s: w where names come and go, or times are set", path);
		cr_expect_eq(n->mode & 0555, 0555, "%s: everybody may look", path);
		cr_expect_not_null(n->children, "%s: a directory has rows", path);
		cr_expect(!n->show && !n->store, "%s: a directory has no text", path);
	} else {
		cr_expect_eq(n->mode, 0777, "%s", path);
		cr_expect(n->show && !n->store, "%s: a link has a target", path);
	}
}

Test(node, modes_fit_the_handlers)
{
	node_each(check_mode, NULL);
}

static void check_inode(const struct node *n, const struct node *above, void *arg)
{
	static const int64_t ids[] = {
		0, 1, 77, 65535, 65536, INT64_C(1) << 40, (INT64_C(1) << 47) - 1
	};

	(void)above;
	(void)arg;
	for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
		uint64_t ino = NODE_INO(ids[i], n->row);

		cr_expect_eq(node_of(ino), n, "%s", path_of(n));
		cr_expect_eq(NODE_ID(ino), ids[i], "%s", path_of(n));
	}
}

Test(node, an_inode_number_is_its_thing_and_its_row)
{
	node_each(check_inode, NULL);
	cr_assert_eq(NODE_INO(0, ROW_ROOT), WIRE_ROOT, "what the kernel calls the root");
	cr_assert_null(node_of(0));
	cr_assert_null(node_of(ROW_MAX));
	cr_assert_null(node_of(65535));
}

/* --- docs/tree.md --- */

static char *document(void)
{
	AUTO_BUF struct buf text = BUF_INIT;
	FILE *in = fopen("docs/tree.md", "re");
	char line[8192];

	if (!in)
		return NULL;
	while (fgets(line, sizeof(line), in))
		buf_str(&text, line);
	(void)fclose(in);
	return buf_detach(&text);
}

/* The heading under which the rows of a directory are explained. */
static const char *heading_of(const char *dir)
{
	static const char *const headings[][2] = {
		{ "", "\n## The top\n" },
		{ "wait", "\n## The top\n" },
		{ "tasks/*", "\n## tasks/TASK/\n" },
		{ "sessions/*", "\n## sessions/ID/\n" },
		{ "probes/*", "\n## probes/NAME/\n" },
		{ "lanes/*", "\n## lanes/LANE/\n" },
		{ "goals/*", "\n## goals/NAME/\n" },
		{ "lessons/*", "\n## lessons/NAME/\n" },
		{ "repos/*", "\n## repos/NAME/\n" },
		{ "convergence/*", "\n## convergence/N/\n" },
		{ "stats", "\n## stats/\n" },
		{ "sessions/*/grades", "\n## sessions/ID/grades/\n" },
		{ "control/grading", "\n## control/grading/\n" },
		{ "control/select", "\n## control/select/\n" },
		{ "control/lessons", "\n## control/lessons/\n" },
		{ "archive/*", "\n## archive/DAY/\n" },
		{ "control", "\n## control/\n" },
	};

	for (size_t i = 0; i < sizeof(headings) / sizeof(headings[0]); i++)
		if (strcmp(headings[i][0], dir) == 0)
			return headings[i][1];
	return NULL;
}

/* The line of a section that explains NAME, with a mode when the table has such a column. */
static int is_explained(const char *section, const struct node *n, const char *path)
{
	const char *end = strstr(section + 4, "\n## "), *hit = section;
	char name[256];

	(void)snprintf(name, sizeof(name), "%s", strncmp(path, "wait/", 5) ? n->name : path);
	while ((hit = strstr(hit, name)) && (!end || hit < end)) {
		const char *after = hit + strlen(name);
		int begins = hit[-1] == '`', ends = *after == '`' || strncmp(after, "/`", 2) == 0;
		const char *line = hit, *cell;
		unsigned mode;

		while (line[-1] != '\n')
			line--;
		cell = strchr(line + 1, '|'); /* behind the names */
		if (begins && ends && *line == '|' && cell > hit &&
		    sscanf(cell, "| %4o |", &mode) == 1)
			cr_expect_eq(mode, n->mode, "%s is 0%o, documented as 0%o", path, n->mode,
				     mode);
		if (begins && ends)
			return 1;
		hit++;
	}
	return 0;
}

static void check_documented(const struct node *n, const struct node *above, void *arg)
{
	const char *text = arg, *heading, *section;
	char path[256], dir[256];

	if (!above || !n->name)
		return;
	(void)snprintf(dir, sizeof(dir), "%s", path_of(above));
	(void)snprintf(path, sizeof(path), "%s", path_of(n));
	heading = heading_of(dir);
	cr_expect_not_null(heading, "%s: no section of docs/tree.md is about %s", path, dir);
	section = heading ? strstr(text, heading) : NULL;
	cr_expect(section && is_explained(section, n, path), "%s is not in docs/tree.md", path);
}

Test(node, every_file_is_documented_with_its_mode)
{
	AUTO_FREE char *text = document();

	if (!text)
		cr_skip_test("docs/tree.md is not here: run this from the top of the source");
	node_each(check_documented, text);
}

/* --- looking up --- */

Test(node, fixed_names_are_found_and_others_are_ENOENT)
{
	struct fuse_entry_out e;

	cr_assert_eq(wire_lookup(&w, WIRE_ROOT, "README", &e), 0);
	cr_assert_eq(e.nodeid, NODE_INO(0, ROW_README));
	cr_assert_eq(e.attr.ino, e.nodeid);
	cr_assert_eq(wire_lookup(&w, WIRE_ROOT, "readme", NULL), -ENOENT);
	cr_assert_eq(wire_lookup(&w, WIRE_ROOT, "", NULL), -ENOENT);
	cr_assert_eq(wire_lookup(&w, e.nodeid, "x", NULL), -ENOTDIR);
	cr_assert_eq(wire_lookup(&w, 9999, "x", NULL), -ESTALE);
}

Test(node, a_task_is_found_in_its_column_alone)
{
	static const char *const columns[] = { "ideas", "ready", "blocked", "claims", "done" };
	int64_t s = fixture_session(&w.f, "s1");

	(void)fixture_idea(&w.f, "T", NULL);
	for (int step = 0; step < 4; step++) {
		static const int in[] = { 0, 1, 3, 4 };

		for (int c = 0; c < 5; c++) {
			char path[32];

			(void)snprintf(path, sizeof(path), "%s/T", columns[c]);
			cr_assert_eq(wire_walk(&w, path) != 0, c == in[step], "%s in step %d", path,
				     step);
		}
		cr_assert_neq(wire_walk(&w, "tasks/T/title"), 0);
		if (step == 0)
			assert_ok(commit(&w.f, CHANGE_PUBLISH, .name = "T", .owner = 1));
		if (step == 1)
			(void)fixture_hold(&w.f, s, "T");
		if (step == 2)
			assert_ok(fixture_finish(&w.f, s, "T"));
	}
}

Test(node, no_two_columns_share_an_inode_and_a_claim_is_its_grant)
{
	int64_t s = fixture_session(&w.f, "s1"), first;
	uint64_t ready, claim, own;

	(void)fixture_task(&w.f, "T", NULL);
	ready = wire_walk(&w, "ready/T");
	first = fixture_hold(&w.f, s, "T");
	claim = wire_walk(&w, "claims/T");
	own = wire_walk(&w, "sessions/s1/claims/T");
	cr_assert_neq(claim, ready);
	cr_assert_neq(own, claim);
	cr_assert_eq(NODE_ID(claim), first);
	cr_assert_eq(NODE_ID(own), first);
	assert_ok(fixture_release(&w.f, s, "T"));
	cr_assert_eq(wire_getattr(&w, claim, NULL), -ESTALE);
	(void)fixture_hold(&w.f, s, "T");
	cr_assert_eq(wire_getattr(&w, claim, NULL), -ESTALE, "the old claim stays dead");
	cr_assert_neq(wire_walk(&w, "claims/T"), claim);
}

Test(node, an_ended_session_is_another_node_than_the_live_one)
{
	int64_t s = fixture_session(&w.f, "s1");
	uint64_t live = wire_walk(&w, "sessions/s1");

	assert_ok(commit(&w.f, CHANGE_END, .as = s, .thing = s));
	cr_assert_eq(wire_getattr(&w, live, NULL), -ESTALE);
	cr_assert_neq(wire_walk(&w, "sessions/s1"), 0);
	cr_assert_neq(wire_walk(&w, "sessions/s1"), live);
	cr_assert_str_eq(wire_cat(&w, "sessions/s1/state"), "ended removed\n");
}

/* Nodes that were there, of things that are gone. */
Test(node, what_is_gone_is_ESTALE)
{
	static const char *const paths[] = { "tasks/T", "tasks/T/title", "tasks/T/history",
					     "ready/T", "probes/p",	 "probes/p/detail" };
	uint64_t nodes[6];

	(void)fixture_task(&w.f, "T", NULL);
	assert_ok(commit(&w.f, CHANGE_ADD, .of = THING_PROBE, .name = "p", .owner = 1));
	for (int i = 0; i < 6; i++)
		cr_assert_neq(nodes[i] = wire_walk(&w, paths[i]), 0, "%s", paths[i]);
	assert_ok(commit(&w.f, CHANGE_CANCEL, .name = "T", .owner = 1));
	assert_ok(commit(&w.f, CHANGE_REMOVE, .of = THING_PROBE, .name = "p", .owner = 1));
	for (int i = 0; i < 6; i++) {
		struct entry e[4];

		cr_expect_eq(wire_getattr(&w, nodes[i], NULL), -ESTALE, "%s", paths[i]);
		cr_expect_eq(wire_openf(&w, nodes[i], O_RDONLY, NULL) < 0, 1, "%s", paths[i]);
		cr_expect_neq(wire_lookup(&w, nodes[i], "title", NULL), 0, "%s", paths[i]);
		if (i % 4 == 0)
			cr_expect_eq(wire_list(&w, nodes[i], 0, 4096, 0, e, 4), -ESTALE, "%s",
				     paths[i]);
	}
}

/* --- attributes --- */

Test(node, the_size_is_that_of_the_text)
{
	static const char *const paths[] = {
		"README",	   "status",	    "why",
		"ready/T",	   "tasks/T/title", "tasks/T/artifacts",
		"claims/U",	   "control/lease", "sessions/s1/state",
		"tasks/U/history", "artifacts",	    "events"
	};
	struct fuse_attr a;

	(void)fixture_task(&w.f, "T", "src/a\nsrc/b");
	(void)fixture_task(&w.f, "U", "doc");
	assert_ok(fixture_set(&w.f, "T", "title", "some title"));
	(void)fixture_hold(&w.f, fixture_session(&w.f, "s1"), "U");
	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		cr_assert_eq(wire_getattr(&w, wire_walk(&w, paths[i]), &a), 0, "%s", paths[i]);
		cr_expect_eq(a.size, strlen(wire_cat(&w, paths[i])), "%s", paths[i]);
		cr_expect_gt(a.size, 0, "%s", paths[i]);
	}
}

Test(node, owners_and_times_are_those_of_the_thing)
{
	struct fuse_attr a;
	int64_t s = fixture_session_of(&w.f, "s1", 42), made = w.f.sim.wall;

	fixture_pass(&w.f, 10 * MINUTE);
	(void)fixture_task(&w.f, "T", NULL);
	cr_assert_eq(wire_getattr(&w, wire_walk(&w, "sessions/s1"), &a), 0);
	cr_assert_eq(a.uid, 42);
	cr_assert_eq(a.mtime, made / 1000);
	cr_assert_eq(a.mode, S_IFDIR | 0755);
	assert_ok(commit(&w.f, CHANGE_CLAIM, .as = s, .uid = 42, .name = "T"));
	cr_assert_eq(wire_getattr(&w, wire_walk(&w, "claims/T"), &a), 0);
	cr_assert_eq(a.uid, 42);
	cr_assert_eq(a.mode, S_IFREG | 0666);
	cr_assert_eq(a.mtime, w.f.sim.wall / 1000);
	cr_assert_eq(wire_getattr(&w, wire_walk(&w, "control/lease"), &a), 0);
	cr_assert_eq(a.uid, WIRE_OWNER);
	cr_assert_eq(a.gid, WIRE_OPERATORS);
}

Test(node, the_time_of_a_claim_is_its_holders_last_mutation)
{
	int64_t s = fixture_session(&w.f, "s1"), at;
	struct fuse_attr a;

	(void)fixture_task(&w.f, "T", NULL);
	(void)fixture_hold(&w.f, s, "T");
	at = w.f.sim.wall;
	fixture_pass(&w.f, 10 * MINUTE);
	cr_assert_eq(wire_getattr(&w, wire_walk(&w, "claims/T"), &a), 0);
	cr_assert_eq(a.mtime, at / 1000);
	assert_ok(commit(&w.f, CHANGE_EXTEND, .as = s, .name = "T", .text = "x"));
	cr_assert_eq(wire_getattr(&w, wire_walk(&w, "claims/T"), &a), 0);
	cr_assert_eq(a.mtime, w.f.sim.wall / 1000);
}

/* --- listing --- */

static int list_all(const char *path, uint32_t size, int plus, struct entry *all, int max)
{
	uint64_t dir = wire_walk(&w, path), off = 0;
	int n = 0, got;

	while (n < max && (got = wire_list(&w, dir, off, size, plus, all + n, max - n)) > 0) {
		n += got;
		off = all[n - 1].next;
	}
	return n;
}

static int has(const struct entry *all, int n, const char *name)
{
	int found = 0;

	for (int i = 0; i < n; i++)
		found += strcmp(all[i].name, name) == 0;
	return found;
}

Test(node, a_listing_has_the_dots_and_every_row_that_is_not_hidden)
{
	struct entry all[64];
	int n = list_all("", 4096, 0, all, 64);

	cr_assert_str_eq(all[0].name, ".");
	cr_assert_str_eq(all[1].name, "..");
	cr_assert_eq(has(all, n, "claims"), 1);
	cr_assert_eq(has(all, n, "wait"), 0, "scanners would hang in it");
	cr_assert_neq(wire_walk(&w, "wait/events"), 0);
	for (int i = 2; i < n; i++)
		cr_assert_eq(all[i].node, wire_walk(&w, all[i].name), "%s", all[i].name);
}

Test(node, a_listing_in_pieces_of_any_size_is_the_same)
{
	struct entry whole[64], pieces[64];

	for (int i = 0; i < 20; i++) {
		char name[40];

		(void)snprintf(name, sizeof(name), "task-with-number-%d", i);
		(void)fixture_task(&w.f, name, NULL);
	}
	for (int plus = 0; plus < 2; plus++) {
		int n = list_all("tasks", 65536, plus, whole, 64);

		cr_assert_eq(n, 22);
		for (uint32_t size = 192; size < 2000; size += 61) {
			int m = list_all("tasks", size, plus, pieces, 64);

			cr_assert_eq(m, n, "in pieces of %u", size);
			for (int i = 0; i < n; i++) {
				cr_assert_str_eq(pieces[i].name, whole[i].name);
				cr_assert_eq(pieces[i].node, whole[i].node);
			}
		}
	}
}

Test(node, readdirplus_gives_the_attributes)
{
	struct entry all[64];
	struct fuse_attr a;
	int n;

	(void)fixture_task(&w.f, "T", NULL);
	n = list_all("tasks/T", 65536, 1, all, 64);
	for (int i = 2; i < n; i++) {
		cr_assert_eq(wire_getattr(&w, all[i].node, &a), 0);
		cr_assert_eq(all[i].mode, a.mode, "%s", all[i].name);
	}
}

Test(node, a_place_too_small_for_one_entry_gives_none)
{
	struct entry all[4];

	cr_assert_eq(wire_list(&w, WIRE_ROOT, 0, 8, 0, all, 4), 0);
	cr_assert_eq(wire_list(&w, WIRE_ROOT, 0, 0, 0, all, 4), 0);
}

Test(node, a_listing_goes_on_after_what_was_removed_at_its_place)
{
	uint64_t dir = wire_walk(&w, "tasks");
	struct entry first[4], rest[64];
	int n;

	for (int i = 0; i < 8; i++) {
		char name[40];

		(void)snprintf(name, sizeof(name), "t%d", i);
		(void)fixture_task(&w.f, name, NULL);
	}
	n = wire_list(&w, dir, 0, 160, 0, first, 4); /* . .. t0 t1 .. */
	cr_assert_geq(n, 4);
	cr_assert_str_eq(first[3].name, "t1");
	assert_ok(commit(&w.f, CHANGE_CANCEL, .name = "t0", .owner = 1));
	assert_ok(commit(&w.f, CHANGE_CANCEL, .name = "t1", .owner = 1));
	assert_ok(commit(&w.f, CHANGE_CANCEL, .name = "t4", .owner = 1));
	(void)fixture_task(&w.f, "t8", NULL);
	n = wire_list(&w, dir, first[3].next, 4096, 0, rest, 64);
	cr_assert_eq(n, 6);
	cr_assert_str_eq(rest[0].name, "t2");
	cr_assert_str_eq(rest[2].name, "t5");
	cr_assert_str_eq(rest[5].name, "t8");
}

/*
 * Whatever comes and goes meanwhile: what is there all the time is listed
 * exactly once, nothing is listed twice, nothing that never was.
 */
Test(node, what_stays_is_listed_once_whatever_comes_and_goes)
{
	for (uint64_t seed = 1; seed <= 20; seed++) {
		struct entry all[200];
		uint64_t r = seed, dir = wire_walk(&w, "ideas"), off = 0;
		char name[32];
		int n = 0, got, made = 0;

		for (int i = 0; i < 12; i++) {
			(void)snprintf(name, sizeof(name), "stays-%d-%d", (int)seed, i);
			(void)fixture_idea(&w.f, name, NULL);
			(void)snprintf(name, sizeof(name), "goes-%d-%d", (int)seed, made++);
			(void)fixture_idea(&w.f, name, NULL);
		}
		while ((got = wire_list(&w, dir, off, 128, 0, all + n, 200 - n)) > 0) {
			n += got;
			off = all[n - 1].next;
			(void)snprintf(name, sizeof(name), "goes-%d-%d", (int)seed,
				       random_below(&r, made));
			(void)commit(&w.f, CHANGE_CANCEL, .name = name, .owner = 1);
			if (made < 20) {
				(void)snprintf(name, sizeof(name), "goes-%d-%d", (int)seed, made++);
				(void)fixture_idea(&w.f, name, NULL);
			}
		}
		cr_assert_eq(got, 0);
		for (int i = 0; i < 12; i++) {
			(void)snprintf(name, sizeof(name), "stays-%d-%d", (int)seed, i);
			cr_assert_eq(has(all, n, name), 1, "seed %d: %s", (int)seed, name);
			(void)commit(&w.f, CHANGE_CANCEL, .name = name, .owner = 1);
		}
		for (int i = 0; i < n; i++)
			cr_assert_eq(has(all, n, all[i].name), 1, "seed %d: %s twice", (int)seed,
				     all[i].name);
		for (int i = 0; i < made; i++) {
			(void)snprintf(name, sizeof(name), "goes-%d-%d", (int)seed, i);
			(void)commit(&w.f, CHANGE_CANCEL, .name = name, .owner = 1);
		}
	}
}

Test(node, listings_show_what_is_recent_and_look_ups_find_all)
{
	int64_t s = fixture_session(&w.f, "old");
	struct entry all[16];

	(void)fixture_task(&w.f, "T", NULL);
	(void)fixture_hold(&w.f, s, "T");
	assert_ok(fixture_finish(&w.f, s, "T"));
	assert_ok(commit(&w.f, CHANGE_END, .as = s, .thing = s));
	cr_assert_eq(has(all, list_all("done", 4096, 0, all, 16), "T"), 1);
	cr_assert_eq(has(all, list_all("sessions", 4096, 0, all, 16), "old"), 1);
	fixture_pass(&w.f, 7 * DAY + SECOND);
	cr_assert_eq(has(all, list_all("done", 4096, 0, all, 16), "T"), 0);
	cr_assert_eq(has(all, list_all("sessions", 4096, 0, all, 16), "old"), 0);
	cr_assert_neq(wire_walk(&w, "done/T"), 0);
	cr_assert_neq(wire_walk(&w, "sessions/old/state"), 0);
	assert_ok(fixture_control(&w.f, "recent", "8d"));
	cr_assert_eq(has(all, list_all("done", 4096, 0, all, 16), "T"), 1);
}

Test(node, the_archive_has_each_day_with_links)
{
	struct entry all[16];
	struct reply r;
	int64_t s;

	assert_ok(fixture_control(&w.f, "lease", "20h"));
	s = fixture_session(&w.f, "old");
	(void)fixture_task(&w.f, "T", NULL);
	(void)fixture_hold(&w.f, s, "T");
	assert_ok(fixture_finish(&w.f, s, "T"));
	fixture_pass(&w.f, DAY); /* the session ends idle */
	cr_assert_eq(has(all, list_all("archive", 4096, 0, all, 16), "2026-07-01"), 1);
	cr_assert_eq(has(all, list_all("archive", 4096, 0, all, 16), "2026-07-02"), 1);
	cr_assert_eq(wire_walk(&w, "archive/2026-06-30"), 0);
	cr_assert_eq(wire_walk(&w, "archive/today"), 0);
	cr_assert_eq(has(all, list_all("archive/2026-07-01/done", 4096, 1, all, 16), "T"), 1);
	cr_assert_eq(wire_answer(&w,
				 wire_send(&w, FUSE_READLINK,
					   wire_walk(&w, "archive/2026-07-01/done/T"), NULL, 0,
					   NULL, 0),
				 &r),
		     0);
	cr_assert_str_eq(r.data, "../../../done/T");
	reply_free(&r);
	cr_assert_neq(wire_walk(&w, "archive/2026-07-02/sessions/old"), 0);
}
