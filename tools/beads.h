/*
 * beads: issues as `bd export` writes them, one JSON object a line, and tasks
 * as control/import takes them. Pure functions: no files, no clock.
 *
 * What one says that the other cannot is noted, a line each, as "ID: what";
 * notes may be NULL.
 */
#ifndef TOOLS_BEADS_H
#define TOOLS_BEADS_H

#include <jansson.h>

#include "backend/buf.h"

#define BEADS_GUESS 1u /* also take the files that the description names as artifacts */

/* Why the issue cannot be taken: a static sentence; NULL: it can. */
const char *beads_wrong(const json_t *issue);

/* What makes the issue none to take ("tombstone", or its _type); NULL: nothing. In the issue. */
const char *beads_skipped(const json_t *issue);

/*
 * The record for control/import of an issue that is neither wrong nor
 * skipped; the caller's. Its member `needs` is there only if it needs
 * something, and may name what is unknown or needs the task itself; its
 * member `upstream` is the issue, shared. NULL: no memory.
 */
json_t *beads_record(json_t *issue, unsigned flags, struct buf *notes);

/*
 * The issue of a task; the caller's. The task is an object with the members
 * of a record, as the mount shows them now, but for
 *	column		ideas ready blocked claims done
 *	finished	when, of a done one; token: "-" if it was not finished here
 *	created, changed	times
 *	dropped		needs of upstream that cannot be here
 *	upstream	the issue that was imported; absent: born here
 * It is upstream, and over it what differs from what an import of upstream
 * would make. NULL: no memory.
 */
json_t *beads_issue(const json_t *task, struct buf *notes);

/* The string at KEY of an object; "" if there is none. */
const char *beads_text(const json_t *o, const char *key);

/* Is the string S in the array LIST (NULL: empty)? */
int beads_has(const json_t *list, const char *s);

/* The object at `metadata`, which may be JSON in a string: a new reference, or NULL. */
json_t *beads_metadata(const json_t *issue);

/* Does a dependency of that type mean "needs"? */
int beads_is_need(const char *type);

#endif
