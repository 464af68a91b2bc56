#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <sqlite3.h>

#include "tests/lib/disk.h"
#include "tests/lib/random.h"

#define SECTOR 512
#define INODES 256
#define NAMES 4

/* --- the record --- */

enum record_kind { WRITE, TRUNCATE, SYNC, CREATE, REMOVE, SYNC_NAMES };

struct record {
	enum record_kind kind;
	int inode;
	int64_t off; /* WRITE; TRUNCATE: the size */
	size_t n;
	unsigned char *data;
};

/* A file's bytes. */
struct image {
	unsigned char *p;
	int64_t n, cap;
};

/* A name in the store's directory, and the file it stands for; -1: none. */
struct entry {
	char name[32];
	int inode;
};

static struct {
	int on;
	struct record *log;
	size_t n, cap;
	int inodes;		     /* given out */
	struct entry now[NAMES];     /* as the program sees it */
	size_t at;		     /* records that went into what follows */
	struct image synced[INODES]; /* each file as of its last sync */
	struct entry names[NAMES];   /* the directory as of its last sync */
	size_t from[INODES];	     /* behind the last sync of a file */
	size_t names_from;	     /* behind the last sync of the directory */
} rec;

static int records; /* begun */

static void image_set(struct image *i, int64_t off, const unsigned char *p, size_t n)
{
	int64_t end = off + (int64_t)n;

	if (end > i->cap) {
		i->cap = end + end / 2 + 65536;
		i->p = realloc(i->p, (size_t)i->cap);
		assert(i->p);
	}
	if (off > i->n)
		memset(i->p + i->n, 0, (size_t)(off - i->n));
	if (n)
		memcpy(i->p + off, p, n);
	if (end > i->n)
		i->n = end;
}

static void image_cut(struct image *i, int64_t size)
{
	if (size > i->n) {
		image_set(i, size, NULL, 0);
		return;
	}
	i->n = size;
}

static void apply(struct image *i, const struct record *r)
{
	if (r->kind == WRITE)
		image_set(i, r->off, r->data, r->n);
	else if (r->kind == TRUNCATE)
		image_cut(i, r->off);
}

static const char *base(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

static struct entry *entry_of(struct entry *names, const char *name)
{
	struct entry *free_one = NULL;

	for (int i = 0; i < NAMES; i++) {
		if (strcmp(names[i].name, name) == 0)
			return &names[i];
		if (!names[i].name[0] && !free_one)
			free_one = &names[i];
	}
	assert(free_one && strlen(name) < sizeof(free_one->name));
	strcpy(free_one->name, name);
	free_one->inode = -1;
	return free_one;
}

static void note(enum record_kind kind, int inode, int64_t off, const void *p, size_t n)
{
	struct record *r;

	if (!rec.on || (inode < 0 && kind != SYNC_NAMES))
		return;
	if (rec.n == rec.cap) {
		rec.cap = rec.cap ? 2 * rec.cap : 1024;
		rec.log = realloc(rec.log, rec.cap * sizeof(*rec.log));
		assert(rec.log);
	}
	r = &rec.log[rec.n++];
	*r = (struct record){ kind, inode, off, n, NULL };
	if (!n)
		return;
	r->data = malloc(n);
	assert(r->data);
	memcpy(r->data, p, n);
}

/* The file behind a name that is opened; made if it is new. */
static int note_open(const char *path)
{
	struct entry *e;

	if (!rec.on || !path)
		return -1;
	e = entry_of(rec.now, base(path));
	if (e->inode < 0) {
		assert(rec.inodes < INODES);
		e->inode = rec.inodes++;
		/* the name travels in the record's data */
		note(CREATE, e->inode, 0, e->name, sizeof(e->name));
	}
	return e->inode;
}

static void note_remove(const char *path)
{
	struct entry *e;

	if (!rec.on)
		return;
	e = entry_of(rec.now, base(path));
	if (e->inode >= 0)
		note(REMOVE, e->inode, 0, e->name, sizeof(e->name));
	e->inode = -1;
}

void disk_forget(void)
{
	for (size_t i = 0; i < rec.n; i++)
		free(rec.log[i].data);
	free(rec.log);
	for (int i = 0; i < INODES; i++)
		free(rec.synced[i].p);
	memset(&rec, 0, sizeof(rec));
}

/* A file that is there when recording begins. */
static void load(const char *dir, const char *name)
{
	char path[4200];
	unsigned char page[4096];
	struct entry *e;
	size_t n;
	FILE *f;

	(void)snprintf(path, sizeof(path), "%s/%s", dir, name);
	f = fopen(path, "re");
	if (!f)
		return;
	e = entry_of(rec.now, name);
	e->inode = rec.inodes++;
	*entry_of(rec.names, name) = *e;
	while ((n = fread(page, 1, sizeof(page), f)) > 0)
		image_set(&rec.synced[e->inode], rec.synced[e->inode].n, page, n);
	assert(fclose(f) == 0);
}

void disk_record(const char *dir)
{
	disk_forget();
	records++;
	rec.on = 1;
	load(dir, "store.db");
	load(dir, "store.db-wal");
	load(dir, "store.db-journal");
}

void disk_stop(void)
{
	rec.on = 0;
}

size_t disk_moment(void)
{
	return rec.n;
}

/* --- what a cut leaves --- */

static void name_apply(struct entry *names, const struct record *r)
{
	char name[sizeof(names->name)];

	if (r->kind != CREATE && r->kind != REMOVE)
		return;
	memcpy(name, r->data, sizeof(name));
	entry_of(names, name)->inode = r->kind == CREATE ? r->inode : -1;
}

/* One record goes by: a sync makes certain what came before it. */
static void step(size_t at)
{
	const struct record *r = &rec.log[at];

	if (r->kind == SYNC) {
		for (size_t i = rec.from[r->inode]; i < at; i++)
			if (rec.log[i].inode == r->inode)
				apply(&rec.synced[r->inode], &rec.log[i]);
		rec.from[r->inode] = at + 1;
	} else if (r->kind == SYNC_NAMES) {
		for (size_t i = rec.names_from; i < at; i++)
			name_apply(rec.names, &rec.log[i]);
		rec.names_from = at + 1;
	}
}

/* A write of which some sectors arrived. */
static void apply_torn(struct image *i, const struct record *r, uint64_t *random)
{
	int64_t end = r->off + (int64_t)r->n, next;

	if (r->kind != WRITE) {
		apply(i, r);
		return;
	}
	for (int64_t off = r->off; off < end; off = next) {
		next = (off / SECTOR + 1) * SECTOR;
		if (next > end)
			next = end;
		if (random_below(random, 2))
			image_set(i, off, r->data + (off - r->off), (size_t)(next - off));
	}
}

struct choice {
	enum disk_cut how;
	size_t until; /* PREFIX: records before this one arrived */
	uint64_t *random;
};

static void choose(struct image *i, const struct record *r, size_t at, struct choice *c)
{
	int whole = c->how == CUT_ALL || (c->how == CUT_PREFIX && at < c->until) ||
		    (c->how >= CUT_SUBSET && random_below(c->random, 2));

	if (whole)
		apply(i, r);
	else if (c->how == CUT_TORN && random_below(c->random, 2))
		apply_torn(i, r, c->random);
}

static void write_file(const char *dir, const char *name, const struct image *i)
{
	char path[4200];
	FILE *f;

	(void)snprintf(path, sizeof(path), "%s/%s", dir, name);
	f = fopen(path, "we");
	assert(f);
	assert(fwrite(i->p ? i->p : (const unsigned char *)"", 1, (size_t)i->n, f) == (size_t)i->n);
	assert(fclose(f) == 0);
}

static void lay_out(const struct entry *e, size_t moment, struct choice *c, const char *dir)
{
	struct image i = { NULL, 0, 0 };
	const struct image *was = &rec.synced[e->inode];

	image_set(&i, 0, was->p, (size_t)was->n);
	for (size_t at = rec.from[e->inode]; at < moment; at++)
		if (rec.log[at].inode == e->inode)
			choose(&i, &rec.log[at], at, c);
	write_file(dir, e->name, &i);
	free(i.p);
}

/* Is that a change of a file's bytes that no sync has made certain? */
static int is_open(size_t at)
{
	const struct record *r = &rec.log[at];

	return (r->kind == WRITE || r->kind == TRUNCATE) && at >= rec.from[r->inode];
}

/* The place behind some of the changes that no sync has made certain. */
static size_t some_of_them(size_t moment, uint64_t *random)
{
	size_t n = 0, skip, at = 0;

	for (size_t i = 0; i < moment; i++)
		n += (size_t)is_open(i);
	skip = (size_t)random_below(random, (int)n + 1);
	while (at < moment && (!is_open(at) || skip))
		skip -= (size_t)is_open(at++);
	return at;
}

/* A file system keeps the order of changes of names, but not when they arrive. */
static void names_after(struct entry *names, size_t moment, struct choice *c)
{
	size_t until = rec.names_from;

	if (c->how == CUT_ALL)
		until = moment;
	else if (c->how != CUT_SYNCED)
		until += (size_t)random_below(c->random, (int)(moment - until) + 1);
	memcpy(names, rec.names, sizeof(rec.names));
	for (size_t i = rec.names_from; i < until; i++)
		name_apply(names, &rec.log[i]);
}

void disk_cut(size_t moment, enum disk_cut how, uint64_t *random, const char *dir)
{
	struct choice c = { how, 0, random };
	struct entry names[NAMES];

	assert(moment >= rec.at && moment <= rec.n);
	while (rec.at < moment)
		step(rec.at++);
	c.until = some_of_them(moment, random);
	names_after(names, moment, &c);
	for (int i = 0; i < NAMES; i++)
		if (names[i].name[0] && names[i].inode >= 0)
			lay_out(&names[i], moment, &c, dir);
}

/* --- failures --- */

static struct {
	enum disk_failure how;
	int64_t nth, count, calls, failed;
	int paused;
} fault;

void disk_pause(int on)
{
	fault.paused = on;
}

void disk_fail(enum disk_failure how, int64_t nth, int64_t count)
{
	fault.how = how;
	fault.nth = nth;
	fault.count = count;
	fault.calls = fault.failed = 0;
}

int64_t disk_calls(void)
{
	return fault.calls;
}

int64_t disk_failed(void)
{
	return fault.failed;
}

/* Does this call fail? */
static int fails(int is_write)
{
	if (fault.paused || fault.how == DISK_NONE || (fault.how >= DISK_FULL && !is_write))
		return 0;
	fault.calls++;
	if (fault.calls < fault.nth || fault.calls - fault.nth >= fault.count)
		return 0;
	fault.failed++;
	return 1;
}

/* --- the VFS --- */

struct file {
	sqlite3_file us;
	char name[32]; /* "": not to be recorded */
	int inode;     /* -1: not recorded */
	int record;    /* the one that the inode is of */
	int last_errno;
	int syncs_names;    /* its next sync syncs the directory too */
	sqlite3_file *real; /* right behind */
};

static struct file *file_of(sqlite3_file *f)
{
	return (struct file *)(void *)f;
}

/* The file's number in what is being recorded; it may have been open before that began. */
static int inode_of(sqlite3_file *f)
{
	struct file *file = file_of(f);

	if (file->record != records) {
		file->record = records;
		file->inode = file->name[0] ? note_open(file->name) : -1;
	}
	return file->inode;
}

static sqlite3_file *real_of(sqlite3_file *f)
{
	return file_of(f)->real;
}

static sqlite3_vfs *below(sqlite3_vfs *v)
{
	return v->pAppData;
}

static int f_close(sqlite3_file *f)
{
	return real_of(f)->pMethods ? real_of(f)->pMethods->xClose(real_of(f)) : SQLITE_OK;
}

static int f_read(sqlite3_file *f, void *p, int n, sqlite3_int64 off)
{
	return fails(0) ? SQLITE_IOERR_READ : real_of(f)->pMethods->xRead(real_of(f), p, n, off);
}

static int f_write(sqlite3_file *f, const void *p, int n, sqlite3_int64 off)
{
	sqlite3_file *real = real_of(f);
	int half = n / 2;

	if (fails(1)) {
		file_of(f)->last_errno = fault.how == DISK_QUOTA ? EDQUOT : EIO;
		if (fault.how == DISK_EIO || fault.how == DISK_QUOTA)
			return SQLITE_IOERR_WRITE;
		(void)real->pMethods->xWrite(real, p, half, off);
		note(WRITE, inode_of(f), off, p, (size_t)half);
		return fault.how == DISK_FULL ? SQLITE_FULL : SQLITE_IOERR_WRITE;
	}
	note(WRITE, inode_of(f), off, p, (size_t)n);
	return real->pMethods->xWrite(real, p, n, off);
}

static int f_truncate(sqlite3_file *f, sqlite3_int64 size)
{
	if (fails(0))
		return SQLITE_IOERR_TRUNCATE;
	note(TRUNCATE, inode_of(f), size, NULL, 0);
	return real_of(f)->pMethods->xTruncate(real_of(f), size);
}

static int f_sync(sqlite3_file *f, int flags)
{
	struct file *file = file_of(f);

	(void)flags;
	if (fails(0))
		return SQLITE_IOERR_FSYNC;
	if (inode_of(f) < 0)
		return SQLITE_OK;
	note(SYNC, file->inode, 0, NULL, 0);
	if (file->syncs_names)
		note(SYNC_NAMES, -1, 0, NULL, 0);
	file->syncs_names = 0;
	return SQLITE_OK;
}

static int f_size(sqlite3_file *f, sqlite3_int64 *size)
{
	return fails(0) ? SQLITE_IOERR_FSTAT : real_of(f)->pMethods->xFileSize(real_of(f), size);
}

static int f_lock(sqlite3_file *f, int how)
{
	return real_of(f)->pMethods->xLock(real_of(f), how);
}

static int f_unlock(sqlite3_file *f, int how)
{
	return real_of(f)->pMethods->xUnlock(real_of(f), how);
}

static int f_reserved(sqlite3_file *f, int *out)
{
	return real_of(f)->pMethods->xCheckReservedLock(real_of(f), out);
}

static int f_control(sqlite3_file *f, int op, void *arg)
{
	if (op == SQLITE_FCNTL_LAST_ERRNO && file_of(f)->last_errno) {
		*(int *)arg = file_of(f)->last_errno;
		return SQLITE_OK;
	}
	return real_of(f)->pMethods->xFileControl(real_of(f), op, arg);
}

static int f_sector(sqlite3_file *f)
{
	return real_of(f)->pMethods->xSectorSize(real_of(f));
}

static int f_device(sqlite3_file *f)
{
	return real_of(f)->pMethods->xDeviceCharacteristics(real_of(f));
}

/* The shared memory is the kernel's: a cut takes it away whole. */
static int f_shm_map(sqlite3_file *f, int page, int size, int extend, void volatile **out)
{
	if (fails(0))
		return SQLITE_IOERR_SHMMAP;
	return real_of(f)->pMethods->xShmMap(real_of(f), page, size, extend, out);
}

static int f_shm_lock(sqlite3_file *f, int off, int n, int flags)
{
	return real_of(f)->pMethods->xShmLock(real_of(f), off, n, flags);
}

static void f_shm_barrier(sqlite3_file *f)
{
	real_of(f)->pMethods->xShmBarrier(real_of(f));
}

static int f_shm_unmap(sqlite3_file *f, int del)
{
	return real_of(f)->pMethods->xShmUnmap(real_of(f), del);
}

static const sqlite3_io_methods methods = {
	.iVersion = 2,
	.xClose = f_close,
	.xRead = f_read,
	.xWrite = f_write,
	.xTruncate = f_truncate,
	.xSync = f_sync,
	.xFileSize = f_size,
	.xLock = f_lock,
	.xUnlock = f_unlock,
	.xCheckReservedLock = f_reserved,
	.xFileControl = f_control,
	.xSectorSize = f_sector,
	.xDeviceCharacteristics = f_device,
	.xShmMap = f_shm_map,
	.xShmLock = f_shm_lock,
	.xShmBarrier = f_shm_barrier,
	.xShmUnmap = f_shm_unmap,
};

static int v_open(sqlite3_vfs *v, const char *path, sqlite3_file *f, int flags, int *out)
{
	struct file *file = file_of(f);
	int journal = SQLITE_OPEN_WAL | SQLITE_OPEN_MAIN_JOURNAL, rc;

	memset(file, 0, sizeof(*file));
	file->inode = file->record = -1;
	file->real = (sqlite3_file *)(void *)(file + 1);
	if (fails(0))
		return SQLITE_CANTOPEN;
	rc = below(v)->xOpen(below(v), path, file->real, flags, out);
	if (rc)
		return rc;
	file->us.pMethods = &methods;
	if (flags & (journal | SQLITE_OPEN_MAIN_DB) && !(flags & SQLITE_OPEN_DELETEONCLOSE))
		(void)snprintf(file->name, sizeof(file->name), "%s", base(path));
	(void)inode_of(f);
	/* as the VFS for Unix does: the first sync of a new journal syncs its directory */
	file->syncs_names = flags & journal && flags & SQLITE_OPEN_CREATE;
	return SQLITE_OK;
}

static int v_delete(sqlite3_vfs *v, const char *path, int sync)
{
	int rc;

	if (fails(0))
		return SQLITE_IOERR_DELETE;
	rc = below(v)->xDelete(below(v), path, 0);
	if (rc)
		return rc;
	note_remove(path);
	if (sync)
		note(SYNC_NAMES, -1, 0, NULL, 0);
	return SQLITE_OK;
}

static int v_access(sqlite3_vfs *v, const char *path, int flags, int *out)
{
	return fails(0) ? SQLITE_IOERR_ACCESS : below(v)->xAccess(below(v), path, flags, out);
}

const char *disk_vfs(void)
{
	static sqlite3_vfs v;

	if (v.zName)
		return v.zName;
	v = *sqlite3_vfs_find(NULL);
	v.pAppData = sqlite3_vfs_find(NULL);
	v.zName = "disk";
	v.szOsFile = (int)sizeof(struct file) + below(&v)->szOsFile;
	v.xOpen = v_open;
	v.xDelete = v_delete;
	v.xAccess = v_access;
	(void)sqlite3_vfs_register(&v, 0);
	return v.zName;
}

void disk_seed(uint64_t seed)
{
	int known = (int)seed;

	(void)sqlite3_test_control(SQLITE_TESTCTRL_PRNG_SEED, known ? known : 1, NULL);
}
