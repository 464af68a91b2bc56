/*
 * Artifacts: the names of what a task will write, brought to one spelling, and which of them
 * overlap. Pure functions of their arguments: no state, no files, safe from any thread.
 *
 * An artifact is written `[space:]path`. The space is what stands before the first ':' of the
 * first segment as written (so `./a:b` is a file called `a:b`); without one it is the task's repo.
 * A path is segments separated by '/'. Within a segment '*' is any run of characters (a leading
 * '.' is nothing special), '?' one character, `[...]` one character of a class: '!' or '^' first
 * negates, `a-z` is a range, ']' first is itself, '\' is an ordinary character. The segment `**`
 * is any number of segments, or none. A name covers itself and everything below it: every path
 * ends in an implied `**`.
 *
 * The canonical name is "space:path", without empty and `.` segments, with no two `**` in a row
 * and none at the end unless it is the whole path: ":src/a.c" is in no repo, "linux:**" is the
 * whole space linux. The stem of a name is it up to the first segment with a wildcard: ":src" for
 * ":src/?.c", and "linux:", the root stem, for "linux:**".
 */
#ifndef BACKEND_OVERLAP_H
#define BACKEND_OVERLAP_H

#include <stddef.h>

#define ARTIFACT_MAX 4096		     /* bytes of an artifact as written */
#define ARTIFACT_SEGMENTS 32		     /* segments of a path, once normalised */
#define ARTIFACT_SPACE 128		     /* bytes of a space */
#define ARTIFACT_BUFFER (ARTIFACT_MAX + 256) /* holds any canonical name, stem or bound */

struct artifact {
	char *name;  /* the canonical name */
	char *stem;  /* its stem; in the same heap block as name */
	int literal; /* 1: all of the stem and below: no wildcard, or the whole space */
	int wide;    /* 1: no literal first segment: the stem is the root stem */
};

/*
 * Normalises the n bytes at text, as written in a task whose repo is `repo` ("": none). On success
 * *out owns one heap block: artifact_release it. On failure *out is untouched and *reason (reason
 * may be NULL) is a static sentence that says what is wrong.
 * -ENAMETOOLONG: more than ARTIFACT_MAX bytes or ARTIFACT_SEGMENTS segments. -EILSEQ: not UTF-8.
 * -EINVAL: an empty or absolute path, a `..` segment, a control character, a blank at either end
 * of the path; a space or repo that is not 1 to ARTIFACT_SPACE bytes of [A-Za-z0-9._@+#-]; a class
 * that nothing closes, that holds `[:`, or with a range that goes down; and `./a:b` when repo is
 * "", since nothing shown for it would read back as it. -ENOMEM.
 */
int artifact_parse(const char *text, size_t n, const char *repo, struct artifact *out,
		   const char **reason);

/* Frees what artifact_parse made and zeroes *a; harmless on a zeroed artifact. */
void artifact_release(struct artifact *a);

/*
 * What to show of a canonical name to somebody whose repo is `repo`: its path if that is its
 * space, else all of it. All of it too if its first segment holds a ':', so that what is shown
 * reads back as the same artifact. Points into name.
 */
const char *artifact_show(const char *name, const char *repo);

/*
 * 1 if the canonical names a and b overlap, that is: they have the same space and some path is
 * covered by both; else 0. Symmetric; 1 for a name and itself. Exact for literals, '*', '?' and
 * `**`. Where a negated class meets another class, or a class has more than 64 bytes, it may answer
 * 1 too often, never 0.
 * A stem may stand for a name, the root stem for the whole space.
 * At worst the product of the bytes of two segments; nothing is allocated, nothing recurses.
 * What follows the first `**` of a path decides nothing: all C files below src/ overlap with
 * src/a.h, since src/a.h covers src/a.h/x.c, should that ever exist.
 */
int artifact_overlap(const char *a, const char *b);

/*
 * Calls fn for each proper ancestor of a stem, nearest first: "sp:a/b" has "sp:a" and "sp:". The
 * string passed is good during the call only. Stops at the first answer that is not 0 and returns
 * it, else 0. -EINVAL: not a stem, or one too long to be canonical.
 */
int artifact_ancestors(const char *stem, int (*fn)(const char *ancestor, void *arg), void *arg);

/*
 * The stems strictly below a canonical stem are those between lo and hi, exclusive, in bytewise
 * order: "sp:a" has "sp:a/" and "sp:a0", "sp:" has "sp:" and "sp;". Buffers of ARTIFACT_BUFFER.
 */
void artifact_below(const char *stem, char *lo, char *hi);

#endif
