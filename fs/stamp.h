/*
 * stamp: has anything changed among some files? What the kernel knows by itself is looked at, and
 * no file system is asked: that may take for ever, and it may be this one.
 */
#ifndef FS_STAMP_H
#define FS_STAMP_H

#include <stdint.h>

#include <jansson.h>

/* What files looked like. */
struct stamp {
	uint64_t hash;
	int racy;  /* one was too young: it may change again without a trace */
	int known; /* there were some, and all could be looked at */
};

/* WATCH: absolute paths, that may not exist. */
struct stamp stamp_of(const json_t *watch);

/*
 * Whether nothing at all has happened to them since a moment, which costs one read and no stat.
 * fd -1: that cannot be told, and never holds.
 */
struct quiet {
	int fd, since;
};

/* Listen to WATCH, from now on and before it is stamped. */
void quiet_begin(struct quiet *q, const json_t *watch);
void quiet_end(struct quiet *q);
/* It has just been looked at, after quiet_holds answered 0. */
void quiet_since(struct quiet *q);
/* 1: nothing has happened since. Else it is to be looked at. */
int quiet_holds(struct quiet *q);

#endif
