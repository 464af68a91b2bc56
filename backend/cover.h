/*
 * cover: many artifacts, and which of them a file belongs to. Finding one takes a few searches
 * in an array sorted by stem, however many there are.
 */
#ifndef BACKEND_COVER_H
#define BACKEND_COVER_H

#include <stddef.h>

#include "backend/buf.h"
#include "backend/overlap.h"

struct cover;

/* An empty set; NULL: no memory. */
struct cover *cover_new(void);
void cover_free(struct cover *c);

/* Add a canonical name. 0, -ENOMEM, or as artifact_parse. The first added has number 0, and so on. */
int cover_add(struct cover *c, const char *name);

/*
 * The number of the first added artifact that covers or overlaps the file PATH, its own name
 * and no pattern, in the repository REPO; -1: none. What cannot be an artifact (a control
 * character in it, too deep) belongs to those without wildcards that cover a directory above it.
 * -ENOMEM.
 */
int cover_find(struct cover *c, const char *repo, const char *path);

/*
 * The file PATH of the repository REPO, its own name and no pattern, as an artifact, to be
 * released: 1. Of what cannot be one it is the nearest directory above that can, the whole
 * repository at last: 0. -ENOMEM, -EINVAL (REPO is no name).
 */
int cover_artifact(const char *repo, const char *path, struct artifact *out);

/* Add the N bytes of PATH to OUT as an artifact that is that name alone: [*] for '*', and so on. */
void cover_literal(const char *path, size_t n, struct buf *out);

#endif
