#include <poll.h>
#include <stddef.h>

#include "tests/lib/loop.h"

#define WATCHES 64
#define LONG_MS 20000

struct loop {
	struct pollfd fds[WATCHES]; /* -1: a free place */
	struct {
		void (*fn)(void *arg);
		void *arg;
	} calls[WATCHES];
	int n, fails;
};

static struct loop the_loop;

int __wrap_loop_watch(struct loop *l, int fd, void (*fn)(void *arg), void *arg);
void __wrap_loop_unwatch(struct loop *l, int fd);

struct loop *test_loop(void)
{
	return &the_loop;
}

void test_loop_fail(int err)
{
	the_loop.fails = err;
}

int test_loop_watched(void)
{
	int n = 0;

	for (int i = 0; i < the_loop.n; i++)
		n += the_loop.fds[i].fd >= 0;
	return n;
}

int test_loop_run(void)
{
	struct loop *l = &the_loop;
	int called = 0;

	if (poll(l->fds, (nfds_t)l->n, LONG_MS) <= 0)
		return 0;
	for (int i = 0; i < l->n; i++)
		if (l->fds[i].fd >= 0 && l->fds[i].revents) {
			l->calls[i].fn(l->calls[i].arg);
			called++;
		}
	return called;
}

int __wrap_loop_watch(struct loop *l, int fd, void (*fn)(void *arg), void *arg)
{
	int i;

	if (l->fails)
		return l->fails;
	for (i = 0; i < l->n && l->fds[i].fd >= 0;)
		i++;
	if (i == WATCHES)
		return -1;
	if (i == l->n)
		l->n++;
	l->fds[i] = (struct pollfd){ .fd = fd, .events = POLLIN };
	l->calls[i].fn = fn;
	l->calls[i].arg = arg;
	return 0;
}

void __wrap_loop_unwatch(struct loop *l, int fd)
{
	for (int i = 0; i < l->n; i++)
		if (l->fds[i].fd == fd)
			l->fds[i].fd = -1;
}
