/* What is held, and what of it is in the way of a path. */
#include <err.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend/clean.h"
#include "backend/overlap.h"
#include "tools/guard.h"
#include "tools/tool.h"

/*
 * No file is called so. A path is one's own when that file below it would be: so a directory is not
 * one's own because of a file in it.
 */
#define BELOW "/coordfs any file below"

/* --- what is held --- */

/* Cut the last word off LINE; NULL: there is but one. */
static char *cut_word(char *line)
{
	char *blank = strrchr(line, ' ');

	if (!blank)
		return NULL;
	*blank = '\0';
	return blank + 1;
}

/* `PATH TASK SESSION EXPIRES`; a path may have blanks, the others have none. 1 or 0. */
static int held_parse(char *line, struct held *h)
{
	h->path = line;
	h->expires = cut_word(line);
	h->session = h->expires ? cut_word(line) : NULL;
	h->task = h->session ? cut_word(line) : NULL;
	return h->task != NULL;
}

/* A path without a repository is written without a space; a canonical name has an empty one. */
static const char *canonical(const struct held *h, char room[ARTIFACT_BUFFER])
{
	if (memchr(h->path, ':', strcspn(h->path, "/")))
		return h->path;
	(void)snprintf(room, ARTIFACT_BUFFER, ":%s", h->path);
	return room;
}

static int set_add(struct held_set *s, const struct held *h)
{
	char room[ARTIFACT_BUFFER];

	s->at[s->n++] = *h;
	return cover_add(s->cover, canonical(h, room));
}

/* ROOM for that many. */
static int set_init(struct held_set *s, size_t room)
{
	s->at = calloc(room ? room : 1, sizeof(*s->at));
	s->cover = cover_new();
	return s->at && s->cover ? 0 : -ENOMEM;
}

static void set_release(struct held_set *s)
{
	cover_free(s->cover);
	free(s->at);
}

static int is_own(const struct guard *g, const char *session)
{
	return strcmp(g->own, "-") != 0 && strcmp(session, g->own) == 0;
}

static int sort_lines(struct guard *g)
{
	char *next = NULL;
	int err = 0;

	for (char *line = strtok_r(g->text.p, "\n", &next); line && !err;
	     line = strtok_r(NULL, "\n", &next)) {
		struct held h;

		err = held_parse(line, &h) ? 0 : -EBADMSG;
		if (!err)
			err = set_add(is_own(g, h.session) ? &g->mine : &g->others, &h);
	}
	return err;
}

static int read_held(struct guard *g)
{
	size_t lines = 0;
	int err = mnt_read(g->m, &g->text, "artifacts");

	for (size_t i = 0; !err && i < g->text.n; i++)
		lines += g->text.p[i] == '\n';
	if (!err)
		err = set_init(&g->others, lines + 1);
	if (!err)
		err = set_init(&g->mine, lines + 1);
	return err || !g->text.n ? err : sort_lines(g);
}

/* --- who asks, and how strict it is --- */

static int read_own(struct guard *g)
{
	AUTO_BUF struct buf whoami = BUF_INIT;
	int err = mnt_read(g->m, &whoami, "whoami");

	return err ? err : mnt_value(buf_text(&whoami), "session", g->own, sizeof(g->own));
}

/* A mount that knows no such setting is as one where it is unset. */
static int read_mode(struct guard *g)
{
	char mode[16] = "";
	int err = mnt_read_line(g->m, mode, sizeof(mode), "control/guard");

	g->mode = strcmp(mode, "off") == 0    ? GUARD_OFF :
		  strcmp(mode, "strict") == 0 ? GUARD_STRICT :
						GUARD_HELD;
	return err == -ENOENT ? 0 : err;
}

int guard_load(struct guard *g, const struct mnt *m)
{
	int err;

	g->m = m;
	err = read_mode(g);
	if (!err)
		err = read_own(g);
	if (!err)
		err = read_held(g);
	if (!err)
		return 0;
	warnx("cannot read %s: %s", m->dir, strerror(-err));
	return TOOL_CANNOT_TELL;
}

void guard_release(struct guard *g)
{
	set_release(&g->others);
	set_release(&g->mine);
	buf_free(&g->text);
	*g = GUARD_INIT;
}

/* --- asking --- */

/* PATH of REPO, which is itself and no pattern, as a canonical name. 0 or -errno. */
static int name_of(const char *repo, const char *path, struct artifact *out)
{
	AUTO_BUF struct buf literal = BUF_INIT;

	if (!*path)
		return artifact_parse("**", 2, repo, out, NULL);
	buf_str(&literal, "./");
	cover_literal(path, strlen(path), &literal);
	return literal.err ? -ENOMEM :
			     artifact_parse(buf_text(&literal), literal.n, repo, out, NULL);
}

/* A line for each of S, from number FIRST on, that is in the way: TOOL_NO if there is one. */
static int say_held(const struct held_set *s, int first, const struct artifact *a,
		    const char *shown, const char *also, struct buf *out)
{
	char room[ARTIFACT_BUFFER];
	int answer = TOOL_YES;

	for (size_t i = (size_t)first; i < s->n; i++) {
		const struct held *h = &s->at[i];

		if ((also && strcmp(h->session, also) == 0) ||
		    (i > (size_t)first && !(a && artifact_overlap(canonical(h, room), a->name))))
			continue;
		buf_line(out, "%s held by %s (session %s) until %s", shown, h->task, h->session,
			 h->expires);
		answer = TOOL_NO;
	}
	return answer;
}

/* What cannot be an artifact is below one at most: the first is all that is known of it. */
static int ask_held(struct guard *g, const char *repo, const char *path, const char *shown,
		    const char *also, struct buf *out)
{
	int answer, err, first = cover_find(g->others.cover, repo, path);
	struct artifact a;

	if (first < 0)
		return first == -1 ? TOOL_YES : TOOL_CANNOT_TELL;
	err = name_of(repo, path, &a);
	if (err == -ENOMEM)
		return TOOL_CANNOT_TELL;
	answer = say_held(&g->others, first, err ? NULL : &a, shown, also, out);
	if (!err)
		artifact_release(&a);
	if (answer == TOOL_NO)
		g->refused |= GUARD_REASON_HELD;
	return answer;
}

/* Is all of PATH the asking session's? 1, 0 or -errno. */
static int is_covered(struct guard *g, const char *repo, const char *path)
{
	AUTO_BUF struct buf below = BUF_INIT;
	int found;

	buf_str(&below, path);
	buf_str(&below, &BELOW[!*path]);
	found = below.err ? -ENOMEM : cover_find(g->mine.cover, repo, buf_text(&below));
	return found < -1 ? found : found >= 0;
}

static int ask_covered(struct guard *g, const char *repo, const char *path, const char *shown,
		       struct buf *out)
{
	int covered = is_covered(g, repo, path);

	if (covered)
		return covered < 0 ? TOOL_CANNOT_TELL : TOOL_YES;
	g->refused |= GUARD_REASON_UNCOVERED;
	if (strcmp(g->own, "-") == 0)
		buf_line(out, "%s is not covered by a claim: you are no session", shown);
	else
		buf_line(out, "%s is not covered by a claim of session %s", shown, g->own);
	return TOOL_NO;
}

int guard_ask(struct guard *g, const char *repo, const char *path, const char *shown,
	      const char *also, struct buf *out)
{
	int answer;

	if (g->mode == GUARD_OFF)
		return TOOL_YES;
	answer = ask_held(g, repo, path, shown, also, out);
	if (answer == TOOL_YES && g->mode == GUARD_STRICT)
		answer = ask_covered(g, repo, path, shown, out);
	return out->err ? TOOL_CANNOT_TELL : answer;
}

const char *guard_own_task(struct guard *g, const char *repo, const char *path)
{
	int found = cover_find(g->mine.cover, repo, path);

	return found < 0 ? NULL : g->mine.at[found].task;
}

void guard_next(const struct guard *g)
{
	const char *dir = g->m->dir;

	if (g->refused & GUARD_REASON_HELD)
		(void)fprintf(
			stderr,
			"next: leave these paths alone: take other work from %s/ready, or wait "
			"until %s/claims no longer names the task\n",
			dir, dir);
	else if (g->refused & GUARD_REASON_LATE)
		(void)fprintf(
			stderr,
			"next: the claim of that work is over: claim the task again (%s/ready) and "
			"commit anew with its token, or leave the work to who has it now\n",
			dir);
	else if (strcmp(g->own, "-") == 0)
		(void)fprintf(
			stderr,
			"next: act as a session that holds a claim: coordfs run -- COMMAND, or "
			"COORD_SESSION=ID\n");
	else
		(void)fprintf(
			stderr,
			"next: claim a task that names the path, or add it to a claim of yours: "
			"echo PATH >> %s/claims/TASK\n",
			dir);
}
