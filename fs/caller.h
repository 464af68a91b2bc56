/*
 * caller — who is asking: facts about processes, as /proc shows them to the
 * daemon.
 *
 * Process numbers are those of the daemon's own pid namespace, the ones the
 * kernel puts in FUSE requests. Nothing is cached; every function may be
 * called from any thread. Unless said otherwise a function returns 0 or
 * -errno and leaves its outputs alone when it fails:
 *
 *   -ESRCH   no such process, or it went away while it was looked at;
 *            pid 0 and negative numbers are always -ESRCH
 *   -EACCES  it is there, but the kernel hides it from the daemon (another
 *            user's environment, hidepid=, /proc not mounted)
 *   -EIO     /proc holds something that cannot be understood
 *
 * and whatever open(2) and read(2) say, -EMFILE for one.
 */
#ifndef FS_CALLER_H
#define FS_CALLER_H

#include <stddef.h>
#include <stdint.h>

/* The most processes caller_ancestors() looks at, the first included. */
#define CALLER_DEPTH 64

/*
 * A process (a thread group), not one of its threads. pid and start together
 * name it for as long as the machine is up: numbers are used again, but not
 * with the same start. Both outlive execve(2).
 */
struct proc {
	int32_t pid;   /* thread group id */
	int32_t ppid;  /* parent; 0: none, or outside our pid namespace */
	int64_t start; /* clock ticks after boot (field 22 of stat), in no time namespace */
	uint32_t uid;  /* real user id */
};

/*
 * The process that thread `tid` belongs to; the id of any thread will do.
 * A zombie that has not been waited for is still a process here.
 */
int caller_proc(int32_t tid, struct proc *out);

/*
 * Whether the process `pid` that started at `start` (clock ticks, as in
 * struct proc) still runs. Returns 1 if so; 0 if it is gone, a zombie, or the
 * number belongs to another process now; -errno (never -ESRCH) when it cannot
 * be told. A process whose first thread has ended runs while others do.
 */
int caller_alive(int32_t pid, int64_t start);
/* When a process that started at `start` did, in ms of our CLOCK_BOOTTIME. */
int64_t caller_start_ms(int64_t start);

/*
 * A descriptor that gets readable when the process `pid` that started at
 * `start` exits; the caller closes it. -ESRCH when it has, or when the number
 * belongs to another process now.
 */
int caller_pidfd(int32_t pid, int64_t start);

/*
 * Calls fn(p, arg) for the process of `pid`, then for its parent, its
 * parent's parent and so on, CALLER_DEPTH processes at most. `p` is valid
 * during the call. Ends after pid 1 (which is visited), at a parent that is
 * outside our namespace or hidden from us, or when fn returns non-zero; that
 * value is returned, so let fn return positive numbers to tell them from
 * -errno. Returns 0 when fn never did.
 */
int caller_ancestors(int32_t pid, int (*fn)(const struct proc *p, void *arg), void *arg);

/*
 * The value the environment variable `name` had when the process was started
 * (at its last execve(2); later setenv(3) is not seen). When the name is set
 * more than once the first counts, as for getenv(3). The process can
 * overwrite that memory: the value is what it claims, not a proof.
 *
 * Returns 1: found, copied to `out` (`n` bytes) with a NUL; 0: not set (kernel
 * threads have none); -E2BIG: the value and its NUL do not fit, or the
 * environment is over 4 MiB; -EINVAL: `name` is empty or has a '='; -ESRCH
 * for a zombie; -ENOMEM. `pid` may be a thread's id, which works even when
 * the first thread of the process has ended.
 */
int caller_env(int32_t pid, const char *name, char *out, size_t n);

/*
 * Whether `gid` is the effective group of `pid` or one of its supplementary
 * groups. Returns 1, 0 or -errno. Given a thread's id it answers for that
 * thread.
 */
int caller_in_group(int32_t pid, uint32_t gid);

/*
 * The process that `writer` means by pid number `named`: a number of the
 * writer's own pid namespace, 0 for the writer itself. -ESRCH when the writer
 * is gone or knows no process of that number; -EACCES also when processes
 * have the number but the kernel does not say in which namespace. Reads all
 * of /proc when the writer is in another namespace than the daemon.
 */
int caller_named(int32_t writer, int64_t named, struct proc *out);

/*
 * Whether process `b` is process `a` or an ancestor of it. Follows parents as
 * caller_ancestors() does, and no parent is believed that started after its
 * child. Returns 1, 0 or -errno (for `a`; a `b` that is gone gives 0).
 */
int caller_descends(int32_t a, int32_t b);

/*
 * Whether `pid` is the init of a pid namespace, ours or one below: number 1
 * in the innermost namespace it is in. Returns 1, 0 or -errno.
 */
int caller_is_init(int32_t pid);

/*
 * The process id given out last: whoever is there by now has none that is newer.
 * Ids are given in order, and begin anew behind the highest. -errno.
 */
int32_t caller_last_pid(void);

/*
 * Whether a fatal signal is on its way to the thread `tid`: the kernel makes SIGKILL of it.
 * 1; 0: it will go on, or it cannot be told.
 */
int caller_is_dying(int32_t tid);

/*
 * How busy the machine is: the load average of the last minute, how many processors are in use,
 * and bytes of memory, those that could be had without swapping and all. -EIO also when a figure is
 * missing. A container's limits are not looked at.
 */
int caller_pressure(double *load, int *cores, int64_t *available, int64_t *total);

/*
 * Of the running processes that are called COMM or COMM-SOMETHING ("git": git, git-remote-https; a
 * name is cut to 15 bytes), the one that runs longest: since when, into *start_ms, ms since 1970,
 * for comparing with the times of files, up to 10 ms too early. 1; 0: there is none; -errno, -EACCES
 * too when a process is hidden from us that could be one. Looks at all processes.
 */
int caller_since(const char *comm, int64_t *start_ms);

/*
 * The id the kernel drew for this boot: 36 characters (a lower-case UUID) and
 * a NUL. Start times compare only between equal boot ids.
 */
int caller_boot_id(char out[37]);

/* A descriptor (O_PATH, O_CLOEXEC) of the program that runs; the caller closes it. */
int caller_self(void);
/* printf format: the path of what descriptor %d of whoever opens it names. */
#define CALLER_FD_PATH "/proc/self/fd/%d"
/* Where a sandbox has to have its own. */
#define CALLER_PROC "/proc"

/*
 * Calls fn(p, arg) for every process that can be seen, until fn returns other than 0,
 * which is returned.
 */
int caller_each(int (*fn)(const struct proc *p, void *arg), void *arg);

#endif
