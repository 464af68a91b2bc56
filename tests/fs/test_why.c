#include <unistd.h>

#include "backend/clean.h"
#include "fs/node.h"
#include "tests/lib/check.h"
#include "tests/lib/wire.h"

static struct wire w;

static void setup(void)
{
	wire_open(&w);
}

static void teardown(void)
{
	wire_close(&w);
}

TestSuite(why, .init = setup, .fini = teardown);

/* A request of somebody, refused with ERR for WORDS. */
static void refuse(uint32_t uid, int32_t pid, int32_t parent, int64_t session, const char *words)
{
	AUTO_BUF struct buf text = BUF_INIT;
	struct request r = { .fs = &w.fs, .uid = uid, .parent = parent };

	r.actor.pid = pid;
	r.actor.session = session;
	(void)snprintf(r.op, sizeof(r.op), "touch x");
	buf_line(&text, "%s\nnext: go on", words);
	request_note(&r, -EBUSY, &text);
}

/* What somebody reads; static. */
static const char *why(uint32_t uid, int32_t pid, int32_t parent, int64_t session)
{
	static char out[1024];
	AUTO_BUF struct buf text = BUF_INIT;
	struct request r = {
		.fs = &w.fs, .uid = uid, .parent = parent, .db = store_reader(w.f.store)
	};

	r.actor.pid = pid;
	cr_assert_eq(store_read_begin(w.f.store), 0);
	request_why(&r, session, &text);
	store_read_end(w.f.store);
	(void)snprintf(out, sizeof(out), "%s", buf_text(&text));
	return out;
}

#define NOTHING "nothing was refused\n"

Test(why, has_time_errno_operation_reason_and_what_to_do)
{
	refuse(1000, 20, 10, 0, "held");
	cr_assert_str_eq(why(1000, 21, 10, 0),
			 "2026-07-01T08:20:00Z EBUSY touch x\nheld\nnext: go on\n");
}

Test(why, is_nothing_to_those_who_were_refused_nothing)
{
	refuse(1000, 20, 10, 0, "held");
	cr_assert_str_eq(why(1001, 21, 10, 0), NOTHING, "another uid");
	cr_assert_str_eq(why(1000, 31, 30, 0), NOTHING, "another shell");
	cr_assert_str_eq(why(1000, 0, 0, 5), NOTHING, "a session");
}

Test(why, is_found_by_the_next_command_of_the_same_shell_and_by_the_shell)
{
	refuse(1000, 20, 10, 0, "of a command");
	cr_assert_not_null(strstr(why(1000, 21, 10, 0), "of a command"), "the next command");
	refuse(1000, 10, 1, 0, "of the shell itself");
	cr_assert_not_null(strstr(why(1000, 21, 10, 0), "of the shell itself"), "the later one");
	refuse(1000, 22, 10, 0, "of a command again");
	cr_assert_not_null(strstr(why(1000, 23, 10, 0), "of a command again"));
}

Test(why, of_a_session_is_the_sessions)
{
	refuse(1000, 20, 10, 5, "first");
	refuse(1000, 40, 30, 5, "second");
	cr_assert_not_null(strstr(why(1000, 50, 49, 5), "second"));
	cr_assert_not_null(strstr(why(1000, 21, 10, 0), "first"), "and its shell's");
}

Test(why, of_an_error_without_words_has_those_of_its_errno)
{
	struct request r = { .fs = &w.fs, .uid = 1, .parent = 2 };

	(void)snprintf(r.op, sizeof(r.op), "open x");
	request_note(&r, -E2BIG, NULL);
	cr_assert_not_null(strstr(why(1, 3, 2, 0), "E2BIG open x\n"));
	cr_assert(says_next(why(1, 3, 2, 0)));
}

Test(why, forgets_the_oldest_when_there_are_very_many)
{
	refuse(1, 0, 7, 0, "the oldest");
	for (int i = 0; i < 5000; i++)
		refuse(2, 0, 100 + i, 0, "others");
	cr_assert_str_eq(why(1, 0, 7, 0), NOTHING);
	cr_assert_not_null(strstr(why(2, 0, 100 + 4999, 0), "others"));
}

Test(why, of_a_session_outlives_the_daemon)
{
	int64_t s = fixture_session(&w.f, "s1");

	cr_assert_eq(wire_touch1(&w, "sessions/s1/claims", "none"), -ENOENT);
	wire_restart(&w);
	cr_assert_not_null(strstr(wire_cat(&w, "sessions/s1/why"),
				  "ENOENT claim sessions/s1/claims/none\nthere is no task none"));
	cr_assert_str_eq(why(FIXTURE_UID, 0, 0, 0), NOTHING, "of others it is memory alone");
	(void)s;
}

Test(why, starts_over_with_a_table_of_its_own)
{
	why_free(NULL);
	refuse(1, 2, 3, 4, "x");
	why_free(w.fs.why);
	w.fs.why = why_new();
	cr_assert_str_eq(why(1, 2, 3, 4), NOTHING);
}
