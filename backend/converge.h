/*
 * converge: are two commits one piece of work, done twice? Pure functions of the events of two
 * commits: no store, no clock, no repository.
 *
 * What they look at, members of the event `commit`: commit parents commit_at author author_at
 * subject session how names patch loose, paths [[status, canonical name, blob, size]..], grants
 * [{token, task, task_id, since, named, artifacts [canonical..]}..] of the commit's own session,
 * holders [session..]: the others that held one of its paths when it was committed; seq, its number,
 * and base: the last event that the session knew of when it looked at the repository.
 */
#ifndef BACKEND_CONVERGE_H
#define BACKEND_CONVERGE_H

#include <jansson.h>

/* What two commits have in common; the strongest sign is the lowest bit. */
enum converge_kind {
	CONVERGE_PATCH = 1,   /* the same change, on another base or the same */
	CONVERGE_FORMAT = 2,  /* the same but for white space and line breaks */
	CONVERGE_EMPTY = 4,   /* nothing that the other had not written already */
	CONVERGE_BLOB = 8,    /* the same file under another name */
	CONVERGE_PATH = 16,   /* the same path, not inside the claims of both, and unknowingly */
	CONVERGE_SUBJECT = 32 /* the same words, and nothing else to see */
};

/* The words, one bit after the other; ended by NULL. */
extern const char *const converge_words[];

struct converge {
	unsigned kinds; /* enum converge_kind, or-ed; 0: they are none */
	json_t *paths;	/* the canonical names that show it */
};

/*
 * Judge the commits X and Y of one repository, in any order. Neither is a merge, a commit that
 * the other names in its message, nor a rewrite of it. *OUT is to be released. 0 or -ENOMEM.
 */
int converge_judge(const json_t *x, const json_t *y, struct converge *out);
void converge_release(struct converge *c);

/* The words of KINDS as lines, the strongest first, into OUT. */
struct buf;
void converge_say(unsigned kinds, struct buf *out);

/* Is SUBJECT words that somebody chose: several, and not those that git writes? */
int converge_telling(const char *subject);

/* The grant under which the commit was made, of those in it: named, else covering the most. */
const json_t *converge_grant(const json_t *commit);

#endif
