#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "backend/log.h"

#define THREADS 8
#define LINES 200

/* Each test is a process of its own, with stderr going to this file. */
static int err_fd = -1, real_fd = -1;

static void catch_stderr(void)
{
	unsetenv("JOURNAL_STREAM");
	real_fd = dup(STDERR_FILENO);
	err_fd = memfd_create("stderr", MFD_CLOEXEC);
	cr_assert_geq(err_fd, 0);
	cr_assert_eq(fcntl(err_fd, F_SETFL, O_APPEND), 0);
	cr_assert_eq(dup2(err_fd, STDERR_FILENO), STDERR_FILENO);
}

static void release_stderr(void)
{
	(void)dup2(real_fd, STDERR_FILENO);
	(void)close(real_fd);
	(void)close(err_fd);
}

TestSuite(log, .init = catch_stderr, .fini = release_stderr);

/* What was logged so far: the caller frees it. */
static char *logged(void)
{
	off_t size = lseek(err_fd, 0, SEEK_END);
	char *s = calloc(1, (size_t)size + 1);

	cr_assert_not_null(s);
	cr_assert_eq(pread(err_fd, s, (size_t)size, 0), size);
	return s;
}

static void logged_is(const char *want)
{
	char *s = logged();

	cr_assert_str_eq(s, want);
	free(s);
}

Test(log, message_is_one_line_with_the_name_of_the_program)
{
	log_msg(LOG_ERR, "cannot open %s: %d", "x", 5);
	logged_is("coordfs: cannot open x: 5\n");
}

Test(log, journal_is_told_the_level)
{
	setenv("JOURNAL_STREAM", "8:12345", 1);
	log_msg(LOG_ERR, "a");
	log_msg(LOG_WARNING, "b");
	log_msg(LOG_INFO, "c");
	logged_is("<3>coordfs: a\n<4>coordfs: b\n<6>coordfs: c\n");
}

Test(log, debug_is_silent_until_asked_for)
{
	log_msg(LOG_DEBUG, "no");
	log_level(LOG_DEBUG);
	log_msg(LOG_DEBUG, "yes");
	logged_is("coordfs: yes\n");
}

Test(log, levels_above_the_limit_are_silent)
{
	log_level(LOG_WARNING);
	log_msg(LOG_INFO, "no");
	log_msg(LOG_WARNING, "yes");
	log_level(LOG_ERR);
	log_msg(LOG_WARNING, "no");
	log_msg(LOG_ERR, "yes");
	logged_is("coordfs: yes\ncoordfs: yes\n");
}

Test(log, hostile_name_cannot_forge_a_line)
{
	log_msg(LOG_ERR, "name %s", "x\n<0>coordfs: all is well\r\x1b[2K\x7f");
	logged_is("coordfs: name x\\x0a<0>coordfs: all is well\\x0d\\x1b[2K\\x7f\n");
}

Test(log, broken_utf8_and_c1_controls_are_escaped_and_words_are_not)
{
	log_msg(LOG_ERR, "%s", "na\xc3\xafve \xc2\x9b \xff \x9b \xe2\x82");
	logged_is("coordfs: na\xc3\xafve \\xc2\\x9b \\xff \\x9b \\xe2\\x82\n");
}

Test(log, long_message_is_cut_to_one_atomic_write)
{
	char name[5001];
	char *s;

	memset(name, '\n', 5000);
	name[5000] = '\0';
	log_msg(LOG_ERR, "%s", name);
	s = logged();
	cr_assert_leq(strlen(s), 4096);
	cr_assert_eq(strlen(s), strlen("coordfs: ") + 4 * 1000 + strlen("...\n"));
	cr_assert_str_eq(s + strlen(s) - 8, "\\x0a...\n");
	free(s);
}

Test(log, message_of_1000_bytes_is_whole)
{
	char name[1001];
	char *s;

	memset(name, 'a', 1000);
	name[1000] = '\0';
	log_msg(LOG_ERR, "%s", name);
	s = logged();
	cr_assert_eq(strlen(s), strlen("coordfs: ") + 1000 + 1);
	cr_assert_str_eq(s + strlen(s) - 2, "a\n");
	free(s);
}

Test(log, errno_is_kept_even_if_stderr_is_closed)
{
	errno = EBUSY;
	log_msg(LOG_ERR, "a");
	cr_assert_eq(errno, EBUSY);
	(void)close(STDERR_FILENO);
	errno = EBUSY;
	log_msg(LOG_ERR, "b");
	cr_assert_eq(errno, EBUSY);
	logged_is("coordfs: a\n");
}

static void *log_many(void *arg)
{
	char c = *(const char *)arg;
	int i;

	for (i = 0; i < LINES; i++)
		log_msg(LOG_INFO, "%c%c%c%c%c%c%c%c", c, c, c, c, c, c, c, c);
	return NULL;
}

Test(log, lines_of_many_threads_do_not_mix)
{
	char *s, *line, *rest, names[THREADS];
	pthread_t t[THREADS];
	int i, n = 0;

	for (i = 0; i < THREADS; i++) {
		names[i] = (char)('a' + i);
		cr_assert_eq(pthread_create(&t[i], NULL, log_many, &names[i]), 0);
	}
	for (i = 0; i < THREADS; i++)
		cr_assert_eq(pthread_join(t[i], NULL), 0);
	s = logged();
	for (line = strtok_r(s, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest), n++) {
		cr_assert_eq(strlen(line), strlen("coordfs: ") + 8, "%s", line);
		cr_assert_eq(strspn(line + 9, (char[]){ line[9], '\0' }), 8, "%s", line);
	}
	cr_assert_eq(n, THREADS * LINES);
	free(s);
}
