#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <criterion/criterion.h>

#include "fs/caller.h"

#define KIDS 128
#define NOBODY 65534

/* In a child: its exit status is what the test asserts. */
#define CHECK(x)                                                                 \
	do {                                                                     \
		if (!(x)) {                                                      \
			(void)fprintf(stderr, "%d: not so: %s\n", __LINE__, #x); \
			return 1;                                                \
		}                                                                \
	} while (0)

#define NEED_ROOT()                                 \
	do {                                        \
		if (geteuid() != 0)                 \
			cr_skip_test("needs root"); \
	} while (0)

static pid_t kids[KIDS];
static int n_kids;

static const struct proc untouched = { -7, -7, -7, 7 };

static bool is_untouched(const struct proc *p)
{
	return p->pid == -7 && p->ppid == -7 && p->start == -7 && p->uid == 7;
}

/* The children a test started, and those that fell to it as a subreaper. */
static void reap(void)
{
	while (n_kids > 0)
		(void)kill(kids[--n_kids], SIGKILL);
	while (waitpid(-1, NULL, 0) > 0)
		;
}

static void forget(pid_t pid)
{
	int i;

	for (i = 0; i < n_kids; i++)
		if (kids[i] == pid)
			kids[i] = kids[--n_kids];
}

static void end(pid_t pid)
{
	forget(pid);
	(void)kill(pid, SIGKILL);
	cr_assert_eq(waitpid(pid, NULL, 0), pid);
}

static void die_with_parent(void)
{
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
}

static void say(int fd, int32_t n)
{
	if (write(fd, &n, sizeof(n)) != sizeof(n))
		_exit(99);
}

static int32_t hear(int fd)
{
	int32_t n = -1;

	cr_assert_eq(read(fd, &n, sizeof(n)), sizeof(n), "a child died");
	return n;
}

static void stay(void)
{
	for (;;)
		(void)pause();
}

/* fork(2), or a fork into new namespaces, remembered for reap(). */
static pid_t fork_kid(int flags)
{
	pid_t pid;

	cr_assert_lt(n_kids, KIDS);
	pid = (pid_t)syscall(SYS_clone, flags | SIGCHLD, 0, 0, 0, 0);
	if (pid == 0)
		die_with_parent();
	if (pid > 0)
		kids[n_kids++] = pid;
	return pid;
}

/*
 * A child that has run fn(arg, fd) and stays. To fail the test fn says an
 * errno to fd.
 */
static pid_t spawn(int flags, void (*fn)(void *arg, int fd), void *arg)
{
	int p[2];
	pid_t pid;

	cr_assert_eq(pipe2(p, O_CLOEXEC), 0);
	pid = fork_kid(flags);
	cr_assert_geq(pid, 0, "clone: %s", strerror(errno));
	if (pid == 0) {
		(void)close(p[0]);
		fn(arg, p[1]);
		say(p[1], 0);
		stay();
	}
	(void)close(p[1]);
	cr_assert_eq(hear(p[0]), 0);
	(void)close(p[0]);
	return pid;
}

/* Group 0 too: it sees through hidepid=. */
static int become_nobody(void)
{
	if (setgroups(0, NULL) < 0 || setresgid(NOBODY, NOBODY, NOBODY) < 0)
		return -errno;
	return setresuid(NOBODY, NOBODY, NOBODY) < 0 ? -errno : 0;
}

/* The exit status of fn() in a child. */
static int run(int (*fn)(void *arg), void *arg)
{
	int status = -1;
	pid_t pid = fork_kid(0);

	cr_assert_geq(pid, 0);
	if (pid == 0)
		_exit(fn(arg));
	cr_assert_eq(waitpid(pid, &status, 0), pid);
	forget(pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void nothing(void *arg, int fd)
{
	(void)arg;
	(void)fd;
}

static pid_t zombie(void)
{
	pid_t pid = fork_kid(0);
	siginfo_t info;

	cr_assert_geq(pid, 0);
	if (pid == 0)
		_exit(0);
	cr_assert_eq(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), 0);
	return pid;
}

/* A cat that has been executed with the environment `env` and runs. */
static pid_t cat(char *const env[])
{
	char name[] = "cat", c = 'c';
	char *argv[] = { name, NULL };
	int in[2], out[2];
	pid_t pid;

	cr_assert_eq(pipe2(in, O_CLOEXEC), 0);
	cr_assert_eq(pipe2(out, O_CLOEXEC), 0);
	pid = fork_kid(0);
	cr_assert_geq(pid, 0);
	if (pid == 0) {
		(void)dup2(in[0], 0);
		(void)dup2(out[1], 1);
		(void)execve("/bin/cat", argv, env);
		_exit(127);
	}
	(void)close(in[0]);
	(void)close(out[1]);
	cr_assert_eq(write(in[1], &c, 1), 1);
	cr_assert_eq(read(out[0], &c, 1), 1, "cat did not start");
	return pid;
}

/* --- processes --- */

static void rename_self(void *arg, int fd)
{
	(void)fd;
	(void)prctl(PR_SET_NAME, arg);
}

Test(caller, odd_names_do_not_confuse_the_parser, .fini = reap)
{
	static char names[][16] = {
		"a) (b 1",
		")",
		"",
		" ",
		"((((",
		"x) Z 1 2 3 4",
		"\n) Z 1 1",
		"a\nTgid:\t1\nPid:",
		"a\nPPid:\t1\nUid:",
		"a\\nUid:\t7",
		"\nUid:\t7\n\n",
		"\377\376) R 1",
	};
	struct proc p;
	size_t i;
	pid_t pid;

	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		pid = spawn(0, rename_self, names[i]);
		cr_assert_eq(caller_proc(pid, &p), 0, "name %zu", i);
		cr_expect_eq(p.pid, pid);
		cr_expect_eq(p.ppid, getpid());
		cr_expect_eq(p.uid, getuid());
		cr_expect_eq(caller_alive(pid, p.start), 1, "name %zu", i);
		end(pid);
	}
}

Test(caller, start_is_ticks_after_boot, .fini = reap)
{
	int64_t hz = sysconf(_SC_CLK_TCK);
	struct timespec before, after;
	struct proc p;
	pid_t pid;

	(void)clock_gettime(CLOCK_BOOTTIME, &before);
	pid = spawn(0, nothing, NULL);
	(void)clock_gettime(CLOCK_BOOTTIME, &after);
	cr_assert_eq(caller_proc(pid, &p), 0);
	cr_expect_geq(p.start, before.tv_sec * hz);
	cr_expect_lt(p.start, (after.tv_sec + 1) * hz);
}

Test(caller, no_process_has_number_0_or_less)
{
	struct proc p = untouched;

	cr_expect_eq(caller_proc(0, &p), -ESRCH);
	cr_expect_eq(caller_proc(-1, &p), -ESRCH);
	cr_expect_eq(caller_proc(INT32_MIN, &p), -ESRCH);
	cr_expect(is_untouched(&p));
	cr_expect_eq(caller_alive(0, 0), 0);
	cr_expect_eq(caller_is_init(0), -ESRCH);
	cr_expect_eq(caller_in_group(0, 0), -ESRCH);
	cr_expect_eq(caller_descends(0, 0), -ESRCH);
}

static void set_real_uid(void *arg, int fd)
{
	(void)arg;
	if (setresuid(1234, 0, 0) < 0)
		say(fd, errno);
}

Test(caller, uid_is_the_real_one, .fini = reap)
{
	struct proc p;

	NEED_ROOT();
	cr_assert_eq(caller_proc(spawn(0, set_real_uid, NULL), &p), 0);
	cr_expect_eq(p.uid, 1234);
}

struct thread {
	pthread_t id;
	pthread_barrier_t at;
	int32_t tid;
};

static void *thread_main(void *arg)
{
	struct thread *t = arg;

	t->tid = (int32_t)syscall(SYS_gettid);
	if (geteuid() == 0)
		(void)syscall(SYS_setresuid, NOBODY, 0, 0);
	(void)pthread_barrier_wait(&t->at);
	(void)pthread_barrier_wait(&t->at);
	return NULL;
}

static void thread_start(struct thread *t)
{
	cr_assert_eq(pthread_barrier_init(&t->at, NULL, 2), 0);
	cr_assert_eq(pthread_create(&t->id, NULL, thread_main, t), 0);
	(void)pthread_barrier_wait(&t->at);
}

static void thread_end(struct thread *t)
{
	(void)pthread_barrier_wait(&t->at);
	(void)pthread_join(t->id, NULL);
	(void)pthread_barrier_destroy(&t->at);
}

Test(caller, a_thread_is_its_process)
{
	struct proc me, it;
	struct thread t;

	cr_assert_eq(caller_proc(getpid(), &me), 0);
	thread_start(&t);
	cr_assert_neq(t.tid, getpid());
	cr_assert_eq(caller_proc(t.tid, &it), 0);
	cr_expect_eq(it.pid, getpid());
	cr_expect_eq(it.ppid, getppid());
	cr_expect_eq(it.start, me.start);
	cr_expect_eq(it.uid, me.uid);
	cr_expect_eq(caller_is_init(t.tid), caller_is_init(getpid()));
	cr_expect_eq(caller_descends(t.tid, getpid()), 1);
	thread_end(&t);
}

Test(caller, a_process_keeps_its_start_over_exec, .fini = reap)
{
	char *none[] = { NULL };
	struct proc p;
	pid_t pid = cat(none);

	cr_assert_eq(caller_proc(pid, &p), 0);
	cr_expect_eq(p.ppid, getpid());
	cr_expect_eq(caller_alive(pid, p.start), 1);
}

Test(caller, another_start_is_another_process, .fini = reap)
{
	struct proc p;
	pid_t pid = spawn(0, nothing, NULL);

	cr_assert_eq(caller_proc(pid, &p), 0);
	cr_expect_eq(caller_alive(pid, p.start), 1);
	cr_expect_eq(caller_alive(pid, p.start - 1), 0);
	cr_expect_eq(caller_alive(pid, p.start + 1), 0);
}

Test(caller, a_zombie_is_a_process_that_does_not_live, .fini = reap)
{
	struct proc p = untouched;
	char v[8] = "same";
	pid_t pid = zombie();

	cr_assert_eq(caller_proc(pid, &p), 0);
	cr_expect_eq(p.ppid, getpid());
	cr_expect_eq(caller_alive(pid, p.start), 0);
	cr_expect_eq(caller_env(pid, "PATH", v, sizeof(v)), -ESRCH);
	cr_expect_str_eq(v, "same");
}

/* Readable within MS? */
static int is_readable(int fd, int ms)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, ms) == 1;
}

Test(caller, a_pidfd_gets_readable_when_its_process_exits, .fini = reap)
{
	pid_t pid = spawn(0, nothing, NULL);
	struct proc p;
	int fd;

	cr_assert_eq(caller_proc(pid, &p), 0);
	fd = caller_pidfd(pid, p.start);
	cr_assert_geq(fd, 0);
	cr_assert(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	cr_assert(!is_readable(fd, 0));
	forget(pid);
	(void)kill(pid, SIGKILL);
	cr_assert(is_readable(fd, 20000), "before anybody has waited for it");
	cr_assert_eq(caller_pidfd(pid, p.start), -ESRCH, "a zombie has exited");
	cr_assert_eq(waitpid(pid, NULL, 0), pid);
	cr_assert(is_readable(fd, 0));
	cr_assert_eq(caller_pidfd(pid, p.start), -ESRCH);
	(void)close(fd);
}

Test(caller, no_pidfd_is_of_another_process_of_that_number, .fini = reap)
{
	pid_t pid = spawn(0, nothing, NULL);
	struct proc p;
	int before = dup(0), after;

	(void)close(before);
	cr_assert_eq(caller_proc(pid, &p), 0);
	cr_assert_eq(caller_pidfd(pid, p.start + 1), -ESRCH);
	cr_assert_eq(caller_pidfd(pid, p.start - 1), -ESRCH);
	cr_assert_eq(caller_pidfd(0, 0), -ESRCH);
	cr_assert_eq(caller_pidfd(-1, 0), -ESRCH);
	after = dup(0);
	cr_assert_eq(before, after, "a descriptor stays open");
	(void)close(after);
}

Test(caller, one_that_was_waited_for_is_gone, .fini = reap)
{
	struct proc p, q = untouched;
	char v[8];
	pid_t pid = zombie();

	cr_assert_eq(caller_proc(pid, &p), 0);
	end(pid);
	cr_expect_eq(caller_proc(pid, &q), -ESRCH);
	cr_expect(is_untouched(&q));
	cr_expect_eq(caller_alive(pid, p.start), 0);
	cr_expect_eq(caller_env(pid, "PATH", v, sizeof(v)), -ESRCH);
	cr_expect_eq(caller_in_group(pid, 0), -ESRCH);
	cr_expect_eq(caller_is_init(pid), -ESRCH);
	cr_expect_eq(caller_descends(pid, 1), -ESRCH);
	cr_expect_eq(caller_descends(getpid(), pid), 0);
	cr_expect_eq(caller_named(pid, 0, &q), -ESRCH);
	cr_expect_eq(caller_named(pid, 1, &q), -ESRCH);
	cr_expect_eq(caller_named(getpid(), pid, &q), -ESRCH);
}

static char own_state(void)
{
	char buf[512], *p;
	ssize_t n;
	int fd = open("/proc/self/stat", O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return '?';
	n = read(fd, buf, sizeof(buf) - 1);
	(void)close(fd);
	buf[n > 0 ? n : 0] = '\0';
	p = strrchr(buf, ')');
	return p ? p[2] : '?';
}

static void *outlive_leader(void *arg)
{
	const int *fd = arg;

	while (own_state() != 'Z')
		(void)sched_yield();
	say(*fd, 0);
	say(*fd, (int32_t)syscall(SYS_gettid));
	stay();
	return NULL;
}

/* A process whose first thread has ended; *tid is the other one. */
static pid_t headless(int32_t *tid)
{
	pthread_t t;
	int p[2];
	pid_t pid;

	cr_assert_eq(pipe2(p, O_CLOEXEC), 0);
	pid = fork_kid(0);
	cr_assert_geq(pid, 0);
	if (pid == 0) {
		if (pthread_create(&t, NULL, outlive_leader, &p[1]) != 0)
			_exit(1);
		(void)syscall(SYS_exit, 0);
	}
	cr_assert_eq(hear(p[0]), 0);
	*tid = hear(p[0]);
	return pid;
}

Test(caller, a_process_outlives_its_first_thread, .fini = reap)
{
	struct proc p, q;
	char v[4096];
	int32_t tid;
	pid_t pid = headless(&tid);

	cr_assert_eq(caller_proc(pid, &p), 0);
	cr_expect_eq(caller_alive(pid, p.start), 1);
	cr_assert_eq(caller_proc(tid, &q), 0);
	cr_expect_eq(q.pid, pid);
	cr_expect_eq(q.start, p.start);
	cr_expect_eq(caller_env(pid, "PATH", v, sizeof(v)), -ESRCH);
	cr_expect_geq(caller_env(tid, "PATH", v, sizeof(v)), 0);
	cr_expect_eq(caller_descends(tid, getpid()), 1);
}

/* --- ancestors --- */

struct seen {
	int n;
	int stop_at;
	struct proc p[CALLER_DEPTH + 1];
};

static int see(const struct proc *p, void *arg)
{
	struct seen *s = arg;

	s->p[s->n++] = *p;
	return s->n == s->stop_at ? 7 : 0;
}

/* Forks `depth` generations; the last says its number. */
static void generations(int depth, int fd)
{
	pid_t pid = 1;

	while (depth-- > 0) {
		pid = fork();
		if (pid != 0)
			stay();
		die_with_parent();
	}
	say(fd, (int32_t)getpid());
	stay();
}

/* A descendant `depth` (1 and up) generations below the test. */
static pid_t descendant(int depth)
{
	int p[2];
	pid_t pid;

	cr_assert_eq(pipe2(p, O_CLOEXEC), 0);
	pid = fork_kid(0);
	cr_assert_geq(pid, 0);
	if (pid == 0)
		generations(depth - 1, p[1]);
	(void)close(p[1]);
	pid = hear(p[0]);
	(void)close(p[0]);
	return pid;
}

Test(caller, ancestors_come_nearest_first, .fini = reap)
{
	struct seen s = { 0 };
	pid_t pid = descendant(2);

	cr_assert_eq(caller_ancestors(pid, see, &s), 0);
	cr_assert_geq(s.n, 4);
	cr_expect_eq(s.p[0].pid, pid);
	cr_expect_eq(s.p[1].pid, kids[0]);
	cr_expect_eq(s.p[2].pid, getpid());
	cr_expect_eq(s.p[3].pid, getppid());
	cr_expect_eq(s.p[s.n - 1].ppid, 0);
}

Test(caller, the_callback_ends_the_walk, .fini = reap)
{
	struct seen s = { .stop_at = 2 };

	cr_expect_eq(caller_ancestors(descendant(2), see, &s), 7);
	cr_expect_eq(s.n, 2);
}

Test(caller, a_walk_has_64_steps_at_most, .fini = reap)
{
	struct seen s = { 0 };
	pid_t pid = descendant(70);

	cr_expect_eq(caller_ancestors(pid, see, &s), 0);
	cr_expect_eq(s.n, CALLER_DEPTH);
	cr_expect_eq(caller_descends(pid, getpid()), 0);
}

Test(caller, descends_means_ancestor_or_self, .fini = reap)
{
	pid_t pid = descendant(2), other = descendant(1);

	cr_expect_eq(caller_descends(pid, pid), 1);
	cr_expect_eq(caller_descends(pid, kids[0]), 1);
	cr_expect_eq(caller_descends(pid, getpid()), 1);
	cr_expect_eq(caller_descends(kids[0], pid), 0);
	cr_expect_eq(caller_descends(pid, other), 0);
	cr_expect_eq(caller_descends(getpid(), pid), 0);
}

static int killer(void *arg)
{
	pid_t *victim = arg;

	(void)kill(*victim, SIGKILL);
	return 0;
}

static int in_child(const struct proc *p, void *arg)
{
	/* the parent dies between being named by its child and being read */
	if (p->pid == *(pid_t *)arg && p->ppid != getpid())
		end(p->ppid);
	return p->pid == getpid();
}

static void orphan_parent(void *arg, int fd)
{
	int *to = arg;
	pid_t pid;

	(void)fd;
	pid = fork();
	if (pid == 0)
		stay();
	say(to[1], (int32_t)pid);
}

Test(caller, an_orphan_is_followed_to_its_new_parent, .fini = reap)
{
	struct proc p;
	int to[2], i;
	pid_t pid;

	cr_assert_eq(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
	cr_assert_eq(pipe2(to, O_CLOEXEC), 0);
	for (i = 0; i < 20; i++) {
		(void)spawn(0, orphan_parent, to);
		pid = hear(to[0]);
		kids[n_kids++] = pid;
		cr_assert_eq(caller_ancestors(pid, in_child, &pid), 1);
		cr_assert_eq(caller_proc(pid, &p), 0);
		cr_assert_eq(p.ppid, getpid());
		end(pid);
	}
}

Test(caller, walks_race_with_dying_parents, .fini = reap)
{
	pid_t pid, mid, axe;
	int to[2], i;

	cr_assert_eq(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
	cr_assert_eq(pipe2(to, O_CLOEXEC), 0);
	for (i = 0; i < 100; i++) {
		mid = spawn(0, orphan_parent, to);
		pid = hear(to[0]);
		kids[n_kids++] = pid;
		axe = fork_kid(0);
		if (axe == 0)
			_exit(killer(&mid));
		while (waitpid(mid, NULL, WNOHANG) == 0)
			cr_assert_eq(caller_descends(pid, getpid()), 1);
		cr_assert_eq(caller_descends(pid, getpid()), 1);
		forget(mid);
		end(axe);
		end(pid);
	}
}

/* --- environment --- */

static int env_of(pid_t pid, const char *name, char *v, size_t n)
{
	memset(v, '~', n);
	return caller_env(pid, name, v, n);
}

Test(caller, env_takes_whole_names_and_the_first_of_two, .fini = reap)
{
	char a[] = "COORD_SESSION2=longer", b[] = "COORD_SESSION=one";
	char c[] = "COORD_SESSION=two", d[] = "XCOORD_SESSION=three";
	char e[] = "EMPTY=", f[] = "EQ==a=b", g[] = "NOVALUE", h[] = "LAST=z";
	char *env[] = { a, b, c, d, e, f, g, h, NULL };
	char v[32];
	pid_t pid = cat(env);

	cr_expect_eq(env_of(pid, "COORD_SESSION", v, sizeof(v)), 1);
	cr_expect_str_eq(v, "one");
	cr_expect_eq(env_of(pid, "COORD_SESSION2", v, sizeof(v)), 1);
	cr_expect_str_eq(v, "longer");
	cr_expect_eq(env_of(pid, "EMPTY", v, sizeof(v)), 1);
	cr_expect_str_eq(v, "");
	cr_expect_eq(env_of(pid, "EQ", v, sizeof(v)), 1);
	cr_expect_str_eq(v, "=a=b");
	cr_expect_eq(env_of(pid, "LAST", v, sizeof(v)), 1);
	cr_expect_str_eq(v, "z");
	cr_expect_eq(env_of(pid, "NOVALUE", v, sizeof(v)), 0);
	cr_expect_eq(env_of(pid, "COORD_SESSIO", v, sizeof(v)), 0);
	cr_expect_eq(env_of(pid, "COORD", v, sizeof(v)), 0);
	cr_expect_eq(v[0], '~', "the output is left alone");
}

Test(caller, env_says_when_a_value_does_not_fit, .fini = reap)
{
	char a[] = "A=12345";
	char *env[] = { a, NULL };
	char v[6];
	pid_t pid = cat(env);

	cr_expect_eq(env_of(pid, "A", v, 6), 1);
	cr_expect_str_eq(v, "12345");
	cr_expect_eq(env_of(pid, "A", v, 5), -E2BIG);
	cr_expect_eq(v[0], '~');
	cr_expect_eq(caller_env(pid, "A", NULL, 0), -E2BIG);
}

Test(caller, env_refuses_what_is_no_name)
{
	char v[8];

	cr_expect_eq(caller_env(getpid(), "", v, sizeof(v)), -EINVAL);
	cr_expect_eq(caller_env(getpid(), "A=", v, sizeof(v)), -EINVAL);
}

Test(caller, an_empty_environment_has_no_names, .fini = reap)
{
	char *env[] = { NULL };
	char v[8];

	cr_expect_eq(env_of(cat(env), "PATH", v, sizeof(v)), 0);
}

static void set_late(void *arg, int fd)
{
	(void)arg;
	if (setenv("COORD_LATE", "1", 1) < 0)
		say(fd, errno);
}

Test(caller, env_is_that_of_the_start, .fini = reap)
{
	pid_t pid = spawn(0, set_late, NULL);
	char v[8];

	cr_expect_eq(env_of(pid, "COORD_LATE", v, sizeof(v)), 0);
}

/* A cat with COUNT variables of 1024 bytes, then LAST=here. */
static pid_t big_cat(size_t count)
{
	char **env = calloc(count + 2, sizeof(*env));
	char last[] = "LAST=here";
	size_t i;
	pid_t pid;

	cr_assert_not_null(env);
	for (i = 0; i < count; i++) {
		env[i] = malloc(1024);
		cr_assert_not_null(env[i]);
		(void)snprintf(env[i], 1024, "V%zu=%01000d", i, 0);
	}
	env[count] = last;
	pid = cat(env);
	while (count > 0)
		free(env[--count]);
	free(env);
	return pid;
}

Test(caller, a_big_environment_is_read_to_its_end, .fini = reap)
{
	char v[8];
	pid_t pid = big_cat(1024);

	cr_expect_eq(env_of(pid, "LAST", v, sizeof(v)), 1);
	cr_expect_str_eq(v, "here");
	cr_expect_eq(env_of(pid, "NONE", v, sizeof(v)), 0);
}

Test(caller, an_environment_over_4_MiB_is_too_big, .fini = reap)
{
	struct rlimit lim;
	char v[8];

	cr_assert_eq(getrlimit(RLIMIT_STACK, &lim), 0);
	lim.rlim_cur = 64 << 20;
	if (setrlimit(RLIMIT_STACK, &lim) < 0)
		cr_skip_test("cannot raise the stack limit");
	cr_expect_eq(env_of(big_cat(5000), "LAST", v, sizeof(v)), -E2BIG);
}

static int env_of_root(void *arg)
{
	const pid_t *pid = arg;
	char v[8] = "same";

	CHECK(become_nobody() == 0);
	CHECK(caller_env(*pid, "A", v, sizeof(v)) == -EACCES);
	CHECK(strcmp(v, "same") == 0);
	return 0;
}

Test(caller, another_users_environment_is_EACCES, .fini = reap)
{
	char a[] = "A=1";
	char *env[] = { a, NULL };
	pid_t pid;

	NEED_ROOT();
	pid = cat(env);
	cr_expect_eq(run(env_of_root, &pid), 0);
}

Test(caller, a_kernel_thread_has_no_environment)
{
	char v[8], path[64];

	NEED_ROOT();
	if (readlink("/proc/2/exe", path, sizeof(path)) >= 0 || access("/proc/2", F_OK) < 0)
		cr_skip_test("number 2 is no kernel thread here");
	cr_expect_eq(env_of(2, "PATH", v, sizeof(v)), 0);
}

/* --- groups --- */

Test(caller, own_groups_are_found)
{
	gid_t g[1024];
	int i, n = getgroups(1024, g);

	for (i = 0; i < n; i++)
		cr_expect_eq(caller_in_group(getpid(), g[i]), 1);
	cr_expect_eq(caller_in_group(getpid(), getegid()), 1);
	cr_expect_eq(caller_in_group(getpid(), UINT32_MAX), 0);
}

static void set_some_groups(void *arg, int fd)
{
	gid_t g[] = { 5, 100, 4000000000u };

	(void)arg;
	if (setgroups(3, g) < 0 || setresgid(31, 4242, 33) < 0)
		say(fd, errno);
}

Test(caller, the_effective_group_and_the_others_count, .fini = reap)
{
	pid_t pid;

	NEED_ROOT();
	pid = spawn(0, set_some_groups, NULL);
	cr_expect_eq(caller_in_group(pid, 4242), 1);
	cr_expect_eq(caller_in_group(pid, 5), 1);
	cr_expect_eq(caller_in_group(pid, 100), 1);
	cr_expect_eq(caller_in_group(pid, 4000000000u), 1);
	cr_expect_eq(caller_in_group(pid, 31), 0, "the real one does not");
	cr_expect_eq(caller_in_group(pid, 33), 0, "the saved one does not");
	cr_expect_eq(caller_in_group(pid, 10), 0);
	cr_expect_eq(caller_in_group(pid, 1), 0);
	cr_expect_eq(caller_in_group(pid, 0), 0);
}

static void set_no_groups(void *arg, int fd)
{
	(void)arg;
	if (setgroups(0, NULL) < 0)
		say(fd, errno);
}

Test(caller, there_may_be_no_other_groups, .fini = reap)
{
	pid_t pid;

	NEED_ROOT();
	pid = spawn(0, set_no_groups, NULL);
	cr_expect_eq(caller_in_group(pid, getegid()), 1);
	cr_expect_eq(caller_in_group(pid, getegid() + 1), 0);
}

static void set_many_groups(void *arg, int fd)
{
	static gid_t g[65536];
	unsigned int i;

	(void)arg;
	for (i = 0; i < 65536; i++)
		g[i] = 100000 + 2 * i;
	if (setgroups(65536, g) < 0)
		say(fd, errno);
}

Test(caller, there_may_be_65536_groups, .fini = reap)
{
	struct proc p;
	uint32_t i;
	pid_t pid;

	NEED_ROOT();
	pid = spawn(0, set_many_groups, NULL);
	for (i = 0; i < 65536; i += 1311) {
		cr_expect_eq(caller_in_group(pid, 100000 + 2 * i), 1);
		cr_expect_eq(caller_in_group(pid, 100001 + 2 * i), 0);
	}
	cr_expect_eq(caller_in_group(pid, 100000 + 2 * 65535), 1);
	cr_expect_eq(caller_is_init(pid), 0, "what follows them is found");
	cr_expect_eq(caller_named(pid, getpid(), &p), 0);
}

/* --- namespaces --- */

Test(caller, in_our_namespace_a_number_is_what_it_says, .fini = reap)
{
	struct proc p = untouched;
	pid_t pid = spawn(0, nothing, NULL), other = spawn(0, nothing, NULL);

	cr_expect_eq(caller_named(pid, other, &p), 0);
	cr_expect_eq(p.pid, other);
	cr_expect_eq(caller_named(pid, 0, &p), 0);
	cr_expect_eq(p.pid, pid);
	cr_expect_eq(caller_named(pid, pid, &p), 0);
	cr_expect_eq(p.pid, pid);
	p = untouched;
	cr_expect_eq(caller_named(pid, -1, &p), -ESRCH);
	cr_expect_eq(caller_named(pid, other + (1LL << 32), &p), -ESRCH);
	cr_expect_eq(caller_named(pid, INT64_MIN, &p), -ESRCH);
	cr_expect_eq(caller_named(pid, INT32_MAX, &p), -ESRCH);
	cr_expect(is_untouched(&p));
}

/* Init of a new namespace: a child 2, and a child 3 in yet another one. */
static void small_container(void *arg, int fd)
{
	pid_t pid;

	(void)arg;
	pid = fork();
	if (pid == 0)
		stay();
	if (pid != 2)
		say(fd, ECHILD);
	pid = (pid_t)syscall(SYS_clone, CLONE_NEWPID | SIGCHLD, 0, 0, 0, 0);
	if (pid == 0)
		stay();
	if (pid != 3)
		say(fd, ECHILD);
}

/* The container's init, in our numbering. */
static pid_t container(void)
{
	pid_t probe;

	NEED_ROOT();
	probe = fork_kid(CLONE_NEWPID);
	if (probe == 0)
		stay();
	if (probe < 0 && (errno == EPERM || errno == EINVAL))
		cr_skip_test("no pid namespaces here: %s", strerror(errno));
	end(probe);
	return spawn(CLONE_NEWPID, small_container, NULL);
}

Test(caller, each_namespace_has_its_init, .fini = reap)
{
	pid_t init = container();
	struct proc two, three;

	cr_assert_eq(caller_named(init, 2, &two), 0);
	cr_assert_eq(caller_named(init, 3, &three), 0);
	cr_expect_eq(caller_is_init(init), 1);
	cr_expect_eq(caller_is_init(two.pid), 0);
	cr_expect_eq(caller_is_init(three.pid), 1);
	cr_expect_eq(caller_is_init(spawn(0, nothing, NULL)), 0);
	cr_expect_eq(caller_is_init(1), 1);
}

Test(caller, a_number_is_of_the_writers_namespace, .fini = reap)
{
	pid_t init = container(), init2 = container();
	struct proc one, two, other;

	cr_assert_eq(caller_named(init, 1, &one), 0);
	cr_expect_eq(one.pid, init);
	cr_assert_eq(caller_named(init, 2, &two), 0);
	cr_expect_eq(two.ppid, init);
	cr_assert_eq(caller_named(init2, 2, &other), 0);
	cr_expect_eq(other.ppid, init2);
	cr_assert_eq(caller_named(two.pid, 1, &one), 0);
	cr_expect_eq(one.pid, init);
	cr_assert_eq(caller_named(two.pid, 0, &other), 0);
	cr_expect_eq(other.pid, two.pid);
	cr_expect_eq(caller_named(init, 4, &other), -ESRCH);
	if (init > 3)
		cr_expect_eq(caller_named(init, init, &other), -ESRCH);
}

Test(caller, a_writer_may_name_a_process_further_in, .fini = reap)
{
	pid_t init = container(), init2 = container();
	struct proc three, p;

	cr_assert_eq(caller_named(init, 3, &three), 0);
	cr_expect_eq(three.ppid, init);
	cr_assert_eq(caller_named(init2, 3, &p), 0);
	cr_expect_eq(p.ppid, init2);
	cr_assert_eq(caller_named(three.pid, 1, &p), 0);
	cr_expect_eq(p.pid, three.pid);
	cr_expect_eq(caller_named(three.pid, 2, &p), -ESRCH, "but not out");
	cr_expect_eq(caller_named(three.pid, 3, &p), -ESRCH);
}

Test(caller, ancestors_cross_namespaces, .fini = reap)
{
	pid_t init = container();
	struct proc three;

	cr_assert_eq(caller_named(init, 3, &three), 0);
	cr_expect_eq(caller_descends(three.pid, init), 1);
	cr_expect_eq(caller_descends(three.pid, getpid()), 1);
}

/* --- when /proc does not tell --- */

/* Puts something over /proc in a mount namespace of our own. */
static int cover_proc(const char *type, const char *options)
{
	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount(type, "/proc", type, 0, options) < 0)
		return -errno;
	return 0;
}

struct hidden {
	const char *options;
	struct proc root;
};

static int with_hidden_processes(void *arg)
{
	const struct hidden *h = arg;
	const struct proc *root = &h->root;
	struct proc p = untouched;
	struct seen s = { 0 };
	char v[8];

	if (cover_proc("proc", h->options) < 0)
		return 77;
	CHECK(become_nobody() == 0);
	CHECK(caller_proc(root->pid, &p) == -EACCES);
	CHECK(is_untouched(&p));
	CHECK(caller_alive(root->pid, root->start) == -EACCES);
	CHECK(caller_env(root->pid, "PATH", v, sizeof(v)) == -EACCES);
	CHECK(caller_in_group(root->pid, 0) == -EACCES);
	CHECK(caller_is_init(root->pid) == -EACCES);
	CHECK(caller_proc(getpid(), &p) == 0);
	CHECK(caller_alive(getpid(), p.start) == 1);
	CHECK(caller_ancestors(getpid(), see, &s) == 0);
	CHECK(s.n == 1);
	CHECK(caller_alive(INT32_MAX, 1) == 0);
	return 0;
}

Test(caller, a_hidden_process_is_not_taken_for_dead, .fini = reap)
{
	static const char *const options[] = { "hidepid=1", "hidepid=2" };
	struct hidden h;
	int i, r;

	NEED_ROOT();
	cr_assert_eq(caller_proc(spawn(0, nothing, NULL), &h.root), 0);
	for (i = 0; i < 2; i++) {
		h.options = options[i];
		r = run(with_hidden_processes, &h);
		if (r == 77)
			cr_skip_test("cannot mount /proc here");
		cr_expect_eq(r, 0, "%s", options[i]);
	}
}

static int without_proc(void *arg)
{
	char id[37];

	(void)arg;
	if (cover_proc("tmpfs", NULL) < 0)
		return 77;
	CHECK(caller_alive(getpid(), 1) == -EACCES);
	CHECK(caller_descends(getpid(), getpid()) == -EACCES);
	CHECK(caller_boot_id(id) < 0);
	return 0;
}

Test(caller, without_proc_nobody_is_taken_for_dead, .fini = reap)
{
	int r;

	NEED_ROOT();
	r = run(without_proc, NULL);
	if (r == 77)
		cr_skip_test("cannot cover /proc here");
	cr_expect_eq(r, 0);
}

static int lowest_fd(void)
{
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

	(void)close(fd);
	return fd;
}

/* Takes all descriptors but `n`. */
static int leave_fds(int n)
{
	struct rlimit lim = { 64, 64 };
	int fd, last[8];
	unsigned int i = 0;

	if (setrlimit(RLIMIT_NOFILE, &lim) < 0)
		return -errno;
	while ((fd = open("/dev/null", O_RDONLY | O_CLOEXEC)) >= 0)
		last[i++ % 8] = fd;
	while (n-- > 0)
		(void)close(last[--i % 8]);
	return 0;
}

static int count_fds(void)
{
	int fd = dup(2);
	int n;

	if (fd < 0)
		return 0;
	n = 1 + count_fds();
	(void)close(fd);
	return n;
}

static int ask_everything(pid_t pid)
{
	struct seen s = { 0 };
	struct proc p;
	char v[8], id[37];
	int64_t a, b;
	double load;
	int cores;

	(void)caller_proc(pid, &p);
	(void)caller_alive(pid, 1);
	(void)caller_ancestors(pid, see, &s);
	(void)caller_env(pid, "PATH", v, sizeof(v));
	(void)caller_env(pid, "NONE", v, sizeof(v));
	(void)caller_in_group(pid, 1);
	(void)caller_named(pid, 1, &p);
	(void)caller_named(pid, 7777, &p);
	(void)caller_is_init(pid);
	(void)caller_pressure(&load, &cores, &a, &b);
	(void)caller_since("init", &a);
	return caller_boot_id(id);
}

Test(caller, no_descriptor_is_left_open, .fini = reap)
{
	int before = lowest_fd();
	pid_t pid = zombie();

	cr_expect_eq(ask_everything(getpid()), 0);
	cr_expect_eq(ask_everything(pid), 0);
	end(pid);
	cr_expect_eq(ask_everything(pid), 0);
	cr_expect_eq(ask_everything(1), 0);
	if (geteuid() == 0)
		cr_expect_eq(ask_everything(container()), 0);
	cr_expect_eq(lowest_fd(), before);
}

static int with_descriptors(void *arg)
{
	const int *n = arg;
	struct proc me, p = untouched;
	char v[8];

	CHECK(caller_proc(getpid(), &me) == 0);
	CHECK(leave_fds(*n) == 0);
	CHECK(caller_proc(getpid(), &p) == (*n < 2 ? -EMFILE : 0));
	CHECK(p.pid == (*n < 2 ? untouched.pid : getpid()));
	CHECK(caller_alive(getpid(), me.start) == (*n < 2 ? -EMFILE : 1));
	CHECK(caller_env(getpid(), "COORD_NONE", v, sizeof(v)) == (*n < 2 ? -EMFILE : 0));
	CHECK(caller_in_group(getpid(), getegid()) == (*n < 2 ? -EMFILE : 1));
	CHECK(caller_descends(getpid(), getppid()) == (*n < 2 ? -EMFILE : 1));
	CHECK(count_fds() == *n);
	return 0;
}

Test(caller, want_of_descriptors_is_not_taken_for_an_answer, .fini = reap)
{
	int n;

	for (n = 0; n <= 3; n++)
		cr_expect_eq(run(with_descriptors, &n), 0, "%d free", n);
}

struct named_in {
	pid_t init;
	int n;
};

static int name_with_descriptors(void *arg)
{
	const struct named_in *in = arg;
	struct proc p = untouched;
	int r;

	CHECK(leave_fds(in->n) == 0);
	r = caller_named(in->init, 3, &p);
	CHECK(r == (in->n < 5 ? -EMFILE : 0));
	CHECK(r == 0 || is_untouched(&p));
	CHECK(count_fds() == in->n);
	return 0;
}

Test(caller, a_search_without_descriptors_is_EMFILE, .fini = reap)
{
	struct named_in in = { container(), 0 };

	for (in.n = 0; in.n <= 6; in.n++)
		cr_expect_eq(run(name_with_descriptors, &in), 0, "%d free", in.n);
}

/* --- the boot --- */

Test(caller, the_boot_has_an_id)
{
	char id[37], again[37];

	cr_assert_eq(caller_boot_id(id), 0);
	cr_expect_eq(strlen(id), 36);
	cr_expect_eq(strspn(id, "0123456789abcdef-"), 36);
	cr_assert_eq(caller_boot_id(again), 0);
	cr_expect_str_eq(id, again);
}

/* --- the machine --- */

static void put_file(const char *path, const char *text)
{
	FILE *f = fopen(path, "we");

	if (!f || fputs(text, f) < 0 || fclose(f) != 0)
		_exit(98);
}

struct machine {
	const char *loadavg, *meminfo;
	int err;
};

/* A /proc of two files. */
static int with_a_machine(void *arg)
{
	const struct machine *m = arg;
	int64_t available = -7, total = -7;
	double load = -7;
	int cores = -7;

	if (cover_proc("tmpfs", NULL) < 0)
		return 77;
	if (m->loadavg)
		put_file("/proc/loadavg", m->loadavg);
	if (m->meminfo)
		put_file("/proc/meminfo", m->meminfo);
	CHECK(caller_pressure(&load, &cores, &available, &total) == m->err);
	if (m->err) {
		CHECK(load < 0 && cores == -7 && available == -7 && total == -7);
		return 0;
	}
	CHECK(load > 1.49 && load < 1.51);
	CHECK(available == INT64_C(2048) << 10 && total == INT64_C(16384) << 10);
	CHECK(cores == sysconf(_SC_NPROCESSORS_ONLN));
	return 0;
}

Test(caller, a_figure_that_is_missing_or_no_number_is_no_answer, .fini = reap)
{
	static const char load[] = "1.50 0.40 0.30 1/200 4711\n";
	static const char mem[] =
		"MemTotal:       16384 kB\nMemFree:  9 kB\nMemAvailable: 2048 kB\n";
	static const struct machine all[] = {
		{ load, mem, 0 },
		{ "", mem, -EIO },
		{ "busy 1 2\n", mem, -EIO },
		{ "-1.0 1 2\n", mem, -EIO },
		{ NULL, mem, -EACCES },
		{ load, NULL, -EACCES },
		{ load, "", -EIO },
		{ load, "MemTotal: 16384 kB\nMemFree: 9 kB\n", -EIO },
		{ load, "MemAvailable: 2048 kB\nXMemTotal: 16384 kB\n", -EIO },
		{ load, "MemTotal: 16384 MB\nMemAvailable: 2048 kB\n", -EIO },
		{ load, "MemTotal: lots kB\nMemAvailable: 2048 kB\n", -EIO },
		{ load, "MemTotal: 0 kB\nMemAvailable: 0 kB\n", -EIO },
	};
	int r;

	NEED_ROOT();
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		r = run(with_a_machine, (void *)(uintptr_t)&all[i]);
		if (r == 77)
			cr_skip_test("cannot cover /proc here");
		cr_expect_eq(r, 0, "%zu", i);
	}
}

Test(caller, the_machine_has_processors_and_memory)
{
	int64_t available, total;
	double load;
	int cores;

	cr_assert_eq(caller_pressure(&load, &cores, &available, &total), 0);
	cr_expect_geq(load, 0);
	cr_expect_geq(cores, 1);
	cr_expect_gt(available, 0);
	cr_expect_lt(available, total);
}

static void be_called(void *arg, int fd)
{
	(void)fd;
	(void)prctl(PR_SET_NAME, arg);
}

static int64_t now_ms(void)
{
	struct timespec t;

	cr_assert_eq(clock_gettime(CLOCK_REALTIME, &t), 0);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

Test(caller, the_longest_running_of_a_name_is_found, .fini = reap)
{
	static char exact[] = "coordzz", dashed[] = "coordzz-sub", longer[] = "coordzzy",
		    odd[] = "coordzz) (x";
	int64_t before = now_ms(), start = -7, first;
	pid_t pid;

	(void)spawn(0, be_called, longer);
	(void)spawn(0, be_called, odd);
	cr_expect_eq(caller_since("coordzz", &start), 0);
	cr_expect_eq(start, -7);
	pid = spawn(0, be_called, dashed);
	cr_assert_eq(caller_since("coordzz", &first), 1);
	cr_expect_geq(first, before - 20);
	cr_expect_leq(first, now_ms());
	while (now_ms() < before + 50)
		(void)sched_yield();
	(void)spawn(0, be_called, exact);
	cr_assert_eq(caller_since("coordzz", &start), 1);
	cr_expect_lt(llabs(start - first), 5, "the older one, however often it is asked");
	end(pid);
	cr_assert_eq(caller_since("coordzz", &start), 1);
	cr_expect_gt(start, first + 5, "the one that is left");
}

static int since_with_hidden_processes(void *arg)
{
	int64_t start = -7;

	if (cover_proc("proc", arg) < 0)
		return 77;
	CHECK(become_nobody() == 0);
	CHECK(caller_since("coordzz", &start) == -EACCES);
	CHECK(start == -7);
	return 0;
}

Test(caller, where_processes_are_hidden_none_is_no_answer, .fini = reap)
{
	static char options[][12] = { "hidepid=1", "hidepid=2" };
	int r;

	NEED_ROOT();
	for (int i = 0; i < 2; i++) {
		r = run(since_with_hidden_processes, options[i]);
		if (r == 77)
			cr_skip_test("cannot mount /proc here");
		cr_expect_eq(r, 0, "%s", options[i]);
	}
}
