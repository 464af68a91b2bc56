/* select_impl: what the parts of a choice share; nothing for others. */
#ifndef BACKEND_SELECT_IMPL_H
#define BACKEND_SELECT_IMPL_H

#include "backend/select.h"

/* Fill in the lanes with ready tasks, and which of them was drawn. 0 or -errno. */
int select_lanes(struct db *db, struct selection *s);
/* The lane of NAME and OFFER in the selection, added when it is not there; below 0: -errno. */
int select_lane_in(struct db *db, struct selection *s, const char *name, int offer);

#endif
