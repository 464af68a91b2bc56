/* main: the daemon: opens the store, mounts, loops. */
#ifndef FS_MAIN_H
#define FS_MAIN_H

struct mount_options {
	const char *mountpoint; /* absolute */
	const char *store;	/* directory */
	const char *fuse;	/* options for FUSE; NULL: none */
	const char *operators;	/* group name; NULL: none */
	int ready_fd;		/* told once the mount answers, or why not; -1: none */
};

/* Runs until unmounted or told to end by SIGTERM, SIGINT, SIGHUP. Exit status. */
int fs_main(const struct mount_options *o);

#endif
