/* order: records of tasks, each after those it needs. Pure functions. */
#ifndef TOOLS_ORDER_H
#define TOOLS_ORDER_H

#include <jansson.h>
#include <stddef.h>

/*
 * How order_sort reaches out; ARG is the caller's. known: is there a task of
 * that name besides the records? 1 or 0. dropped: the I-th record's need was
 * dropped, and why.
 */
struct order_ops {
	int (*known)(const char *need, void *arg);
	void (*dropped)(size_t i, const char *need, const char *why, void *arg);
	void *arg;
};

/*
 * Fill ORDER with the numbers 0..N-1 of the records, those with a string
 * `task` of their own and maybe an array `needs`, so that each comes after
 * what it needs; otherwise their order is kept. A need that is neither a
 * record nor known, and one that would close a circle, is taken out of its
 * record. 0 or -ENOMEM.
 */
int order_sort(json_t *const *records, size_t n, size_t *order, const struct order_ops *ops);

#endif
