/*
 * disk: the disk under a store, as a test wants it: an SQLite VFS over the
 * default one (name it in world.vfs) whose calls can be made to fail, and
 * whose writes and syncs are recorded, so that what a power cut would have
 * left can be laid out in another directory. It never waits for a real sync.
 *
 * One thread, one store directory at a time.
 */
#ifndef TESTS_LIB_DISK_H
#define TESTS_LIB_DISK_H

#include <stddef.h>
#include <stdint.h>

/* Register the VFS; its name. */
const char *disk_vfs(void);

/* What SQLite draws from now on (salts of its log, names of files) follows from SEED. */
void disk_seed(uint64_t seed);

/* --- failures --- */

enum disk_failure {
	DISK_NONE,
	DISK_EIO,   /* the call fails and does nothing */
	DISK_TORN,  /* a write writes its first half and fails; others as EIO */
	DISK_FULL,  /* writes alone fail, for want of room */
	DISK_QUOTA, /* the same, for want of quota */
};

/* Let call number NTH from now (1: the next) and the COUNT - 1 after it fail. */
void disk_fail(enum disk_failure how, int64_t nth, int64_t count);
/* While ON no call fails or is counted. */
void disk_pause(int on);
/* Calls that can fail so since disk_fail; and those that did. */
int64_t disk_calls(void);
int64_t disk_failed(void);

/* --- power cuts --- */

/* Forget what was recorded and record anew; what is in directory DIR is certain. */
void disk_record(const char *dir);
/* Record no more, and keep what was recorded. */
void disk_stop(void);
/* Writes, syncs and changes of names so far: a moment to cut the power at. */
size_t disk_moment(void);

enum disk_cut {
	CUT_SYNCED, /* what was never synced is lost */
	CUT_ALL,    /* everything reached the disk */
	CUT_PREFIX, /* what was not synced, up to some point */
	CUT_SUBSET, /* any of it, in whole writes */
	CUT_TORN,   /* any of it, in sectors of 512 bytes */
	CUT_KINDS
};

/*
 * Lay out in the empty directory DIR what a power cut after the first MOMENT
 * records leaves. Calls must come with moments that do not fall. What is
 * chosen is drawn from *RANDOM.
 */
void disk_cut(size_t moment, enum disk_cut how, uint64_t *random, const char *dir);
/* Free what was recorded. */
void disk_forget(void);

#endif
