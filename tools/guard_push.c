/* pre-push: no late work, and nothing of what another session holds. */
#include <err.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend/clean.h"
#include "tools/guard_hook.h"
#include "tools/program.h"
#include "tools/token.h"
#include "tools/tool.h"

#define COMMITS "10000"	  /* the most that are looked at, the newest */
#define LINES_SHOWN 40	  /* refusals; the others are counted */
#define HASH_SHOWN 12	  /* characters of a commit's name */
#define VALUES_END "\001" /* between the values of a trailer */

/* A token that was judged, and what came of it. task, says: owned. */
struct judged {
	char *task, *says;
	int64_t token;
	int answer;
};

struct push {
	struct hook *h;
	struct guard g;
	struct buf out;
	struct judged *judged;
	size_t n, room;
};

/* One commit: its name, whose it is ("": nobody says), and the values of its Coord-Token. */
struct commit {
	const char *hash, *session;
	char *tokens;
};

/* --- tokens --- */

static struct judged *find_judged(const struct push *p, const char *task, int64_t token)
{
	for (size_t i = 0; i < p->n; i++)
		if (p->judged[i].token == token && strcmp(p->judged[i].task, task) == 0)
			return &p->judged[i];
	return NULL;
}

/* The mount is asked once about each; NULL: no memory. */
static const struct judged *judge(struct push *p, const char *task, int64_t token)
{
	AUTO_BUF struct buf says = BUF_INIT;
	struct judged *j = find_judged(p, task, token);

	if (j)
		return j;
	if (p->n == p->room) {
		size_t room = p->room ? p->room * 2 : 16;

		j = reallocarray(p->judged, room, sizeof(*j));
		if (!j)
			return NULL;
		p->judged = j;
		p->room = room;
	}
	j = &p->judged[p->n];
	j->token = token;
	j->answer = token_judge(&p->h->m, task, token, &says);
	j->task = strdup(task);
	j->says = buf_detach(&says);
	p->n++;
	return j->task && j->says ? j : NULL;
}

static void push_release(struct push *p)
{
	for (size_t i = 0; i < p->n; i++) {
		free(p->judged[i].task);
		free(p->judged[i].says);
	}
	free(p->judged);
	buf_free(&p->out);
	guard_release(&p->g);
}

/* VALUE is `TOKEN TASK`: 1 and both; 0: it is something else. */
static int parse_token(char *value, int64_t *token, const char **task)
{
	char *blank = strchr(value, ' ');

	if (!blank)
		return 0;
	*blank = '\0';
	*task = blank + 1;
	return !name_check(*task, strlen(*task)) && !int_parse(value, 1, INT64_MAX, token);
}

/* How many tokens C has into *FOUND; TOOL_NO if one of them is stale. */
static int ask_tokens(struct push *p, const struct commit *c, int *found)
{
	int answer = TOOL_YES;
	char *next = NULL;

	*found = 0;
	for (char *value = strtok_r(c->tokens, VALUES_END, &next); value;
	     value = strtok_r(NULL, VALUES_END, &next)) {
		const struct judged *j;
		const char *task;
		int64_t token;

		if (!parse_token(value, &token, &task))
			continue;
		++*found;
		j = judge(p, task, token);
		if (!j || j->answer >= TOOL_USAGE)
			return TOOL_CANNOT_TELL;
		if (j->answer == TOOL_YES)
			continue;
		buf_line(&p->out, "commit %.*s is late work: Coord-Token %lld of %s: %s",
			 HASH_SHOWN, c->hash, (long long)token, task, j->says);
		p->g.refused |= GUARD_REASON_LATE;
		answer = TOOL_NO;
	}
	return answer;
}

/* --- commits --- */

static int ask_path(struct push *p, const struct commit *c, const char *path)
{
	AUTO_BUF struct buf shown = BUF_INIT;

	buf_printf(&shown, "%s (commit %.*s)", path, HASH_SHOWN, c->hash);
	if (shown.err)
		return TOOL_CANNOT_TELL;
	return guard_ask(&p->g, p->h->repo, path, buf_text(&shown), *c->session ? c->session : NULL,
			 &p->out);
}

/* The fields behind a commit's name in LOG. */
static void read_commit(const struct buf *log, size_t *at, struct commit *c)
{
	const char *session = hook_next(log, at);

	c->tokens = log->p + *at;
	if (!hook_next(log, at) || !session) {
		c->session = "";
		c->tokens = log->p + log->n; /* the NUL at its end */
		return;
	}
	c->session = session;
	log->p[(size_t)(session - log->p) + strcspn(session, VALUES_END)] = '\0';
}

/*
 * LOG as git_log() makes it: for each commit "/HASH", its Coord-Session, its Coord-Tokens, and the
 * paths, before the first of them a newline, or of a merge an empty name. No path begins with a '/'.
 */
static int ask_log(struct push *p, const struct buf *log)
{
	struct commit c = { "", "", NULL };
	int answer = TOOL_YES, got, tokens = 0, first = 0;
	const char *word;
	size_t at = 0;

	while (answer < TOOL_USAGE && (word = hook_next(log, &at))) {
		if (*word == '/') {
			c.hash = word + 1;
			read_commit(log, &at, &c);
			got = ask_tokens(p, &c, &tokens);
			first = 1;
		} else {
			word += first && *word == '\n';
			got = tokens || !*word ? TOOL_YES : ask_path(p, &c, word);
			first = 0;
		}
		answer = got > answer ? got : answer;
	}
	return answer;
}

/* --- git --- */

/* An argument vector that grows; its strings are somebody else's. */
struct args {
	const char **at;
	size_t n, room;
	int err;
};

static void args_add(struct args *a, const char *word)
{
	if (a->n == a->room) {
		size_t room = a->room ? a->room * 2 : 64;
		const char **at = reallocarray(a->at, room, sizeof(*at));

		if (!at) {
			a->err = -ENOMEM;
			return;
		}
		a->at = at;
		a->room = room;
	}
	if (!a->err)
		a->at[a->n++] = word;
}

static int is_zero(const char *hash)
{
	return hash[strspn(hash, "0")] == '\0';
}

/* `LOCAL-REF LOCAL REMOTE-REF REMOTE`: 1 and the two commits, cut out of LINE; ^ before REMOTE. */
static int parse_line(char *line, const char **local, const char **remote)
{
	char *next = NULL, *gap = strtok_r(line, " ", &next), *ref;

	*local = gap ? strtok_r(NULL, " ", &next) : NULL;
	ref = *local ? strtok_r(NULL, " ", &next) : NULL;
	gap = ref ? strtok_r(NULL, " ", &next) : NULL;
	if (!gap)
		return 0;
	gap[-1] = '^'; /* where the blank was */
	*remote = gap - 1;
	return 1;
}

/* The commits that INPUT, git's lines, sends: how many lines do. */
static size_t add_commits(struct args *a, struct buf *input)
{
	const char *local, *remote;
	size_t n = 0;
	char *next = NULL;

	for (char *line = input->n ? strtok_r(input->p, "\n", &next) : NULL; line;
	     line = strtok_r(NULL, "\n", &next)) {
		if (!parse_line(line, &local, &remote) || is_zero(local))
			continue;
		args_add(a, local);
		if (!is_zero(remote + 1))
			args_add(a, remote);
		n++;
	}
	return n;
}

/* What is sent to REMOTE that it has not, by what is known here, into LOG. 0 or -errno. */
static int git_log(struct buf *input, const char *remote, struct buf *log)
{
	static const char *const first[] = {
		"git",
		"log",
		"-z",
		"--name-only",
		"-c",
		"--root",
		"--no-renames",
		"--no-ext-diff",
		"--no-relative",
		"--no-color",
		"--no-show-signature",
		"--no-notes",
		"--ignore-submodules=none",
		"--ignore-missing",
		"--max-count=" COMMITS,
		"--format=/%H%x00%(trailers:key=Coord-Session,valueonly,separator=%x01)%x00"
		"%(trailers:key=Coord-Token,valueonly,separator=%x01)"
	};
	AUTO_BUF struct buf remotes = BUF_INIT;
	struct args a = { NULL, 0, 0, 0 };
	size_t n;
	int err;

	for (size_t i = 0; i < sizeof(first) / sizeof(first[0]); i++)
		args_add(&a, first[i]);
	n = add_commits(&a, input);
	buf_printf(&remotes, "--remotes=%s", remote);
	args_add(&a, "--not");
	args_add(&a, buf_text(&remotes));
	args_add(&a, "--");
	args_add(&a, NULL);
	err = a.err ? a.err : remotes.err;
	if (!err && n && program_run(a.at, 0, log))
		err = -EIO;
	free(a.at);
	return err;
}

static void show(const struct buf *out)
{
	struct lines l = { buf_text(out), buf_text(out) + out->n };
	const char *line;
	size_t n, shown = 0, more = 0;

	while (lines_next(&l, &line, &n))
		if (shown++ < LINES_SHOWN)
			(void)fprintf(stderr, "%.*s\n", (int)n, line);
		else
			more++;
	if (more)
		(void)fprintf(stderr, "and %zu more\n", more);
}

int hook_pre_push(struct hook *h, const char *remote)
{
	AUTO_BUF struct buf log = BUF_INIT;
	struct push p = { .h = h };
	int answer = guard_load(&p.g, &h->m);

	if (!answer && p.g.mode != GUARD_OFF) {
		if (git_log(&h->input, remote, &log)) {
			warnx("git does not say what is pushed");
			answer = TOOL_USAGE;
		} else
			answer = ask_log(&p, &log);
	}
	show(&p.out);
	if (answer == TOOL_NO)
		guard_next(&p.g);
	push_release(&p);
	return answer == TOOL_CANNOT_TELL ? hook_away(h) : answer;
}
