/*
 * ballast: room on the store's disk for bad times, a file of no content. It is
 * given up when the disk is full, so that what is held can still be given back.
 */
#ifndef BACKEND_BALLAST_H
#define BACKEND_BALLAST_H

/*
 * See that the ballast lies in the directory. 1: it does; 0: there is too
 * little room to make it and have some left; -errno.
 */
int ballast_take(int dir_fd);
/* Give it up. 1: there is more room now; 0: there was none; -errno. */
int ballast_give(int dir_fd);

#endif
