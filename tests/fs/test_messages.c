/* sessions/ID/messages, and reads of wait/messages/ID as the kernel sends them. */
#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include "backend/clean.h"
#include "tests/lib/check.h"
#include "tests/lib/wire.h"

static struct wire w;
static int64_t s1, s2;

static void setup(void)
{
	wire_open(&w);
	s1 = fixture_session(&w.f, "s1");
	s2 = fixture_session(&w.f, "s2");
}

static void teardown(void)
{
	wire_close(&w);
}

TestSuite(messages, .init = setup, .fini = teardown);

#define assert_errno(call, e)                                                                 \
	do {                                                                                  \
		int is_ = (call);                                                             \
		cr_assert_eq(is_, -(e), "%s, not %s", is_ ? errno_text(is_) : "success", #e); \
	} while (0)

/* The caller is a process with COORD_SESSION=NAME. */
static void be(const char *name)
{
	w.who = (struct who){ FIXTURE_UID, FIXTURE_UID, wire_process(&w, name) };
}

static int tell(const char *to, int flags, const char *text)
{
	char path[64];

	(void)snprintf(path, sizeof(path), "sessions/%s/messages", to);
	return wire_put(&w, path, flags, text);
}

static void say(int64_t to, const char *text)
{
	assert_ok(commit(&w.f, CHANGE_MESSAGE, .thing = to, .as = s1, .text = text));
	ll_decided(w.ll);
}

/* --- sending --- */

Test(messages, the_sender_is_the_process_and_never_the_path)
{
	be("s1");
	assert_errno(tell("s2", O_APPEND, "hello\n"), 0);
	cr_assert_not_null(strstr(wire_cat(&w, "sessions/s2/messages"), "Z s1 hello\n"));
	cr_assert_str_eq(wire_cat(&w, "sessions/s1/messages"), "");
}

Test(messages, a_process_that_is_nobody_is_ENOKEY_whatever_the_path)
{
	be(NULL);
	assert_errno(tell("s2", O_APPEND, "hello\n"), ENOKEY);
	cr_assert_not_null(strstr(wire_cat(&w, "why"), "no session"));
	cr_assert_str_eq(wire_cat(&w, "sessions/s2/messages"), "");
}

Test(messages, what_is_not_added_is_EPERM)
{
	be("s1");
	assert_errno(tell("s2", 0, "hello\n"), EPERM);
	assert_errno(tell("s2", O_TRUNC, "hello\n"), EPERM);
	cr_assert_not_null(strstr(wire_cat(&w, "why"), ">> sessions/ID/messages"));
	cr_assert_str_eq(wire_cat(&w, "sessions/s2/messages"), "");
}

Test(messages, half_a_line_is_EINVAL_and_an_ended_session_ESTALE)
{
	uint64_t node = wire_walk(&w, "sessions/s2/messages");
	struct opened o;

	be("s1");
	assert_errno(tell("s2", O_APPEND, "half"), EINVAL);
	assert_errno(wire_openf(&w, node, O_WRONLY | O_APPEND, &o), 0);
	assert_ok(commit(&w.f, CHANGE_END, .as = s2, .thing = s2));
	assert_errno(wire_write(&w, &o, 0, "x\n", 2), ESTALE);
	assert_errno(wire_release(&w, &o), 0);
	assert_errno(tell("s2", O_APPEND, "x\n"), ESTALE);
}

Test(messages, its_size_is_what_a_read_gives)
{
	struct fuse_attr attr;

	say(s2, "one\ntwo\n");
	assert_errno(wire_getattr(&w, wire_walk(&w, "sessions/s2/messages"), &attr), 0);
	cr_assert_eq(attr.size, strlen(wire_cat(&w, "sessions/s2/messages")));
	cr_assert_eq(attr.mode & 07777, 0666);
}

/* --- waiting --- */

static uint64_t mailbox;

static void open_mailbox(struct opened *o, const char *name, int flags)
{
	char path[64];

	(void)snprintf(path, sizeof(path), "wait/messages/%s", name);
	mailbox = wire_walk(&w, path);
	cr_assert_neq(mailbox, 0);
	assert_errno(wire_openf(&w, mailbox, O_RDONLY | flags, o), 0);
}

Test(messages, they_are_found_by_the_names_of_live_sessions_and_not_listed)
{
	struct entry all[16];
	int n;

	assert_ok(commit(&w.f, CHANGE_END, .as = s2, .thing = s2));
	cr_assert_neq(wire_walk(&w, "wait/messages/s1"), 0);
	cr_assert_eq(wire_walk(&w, "wait/messages/s2"), 0);
	cr_assert_eq(wire_walk(&w, "wait/messages/nobody"), 0);
	n = wire_list(&w, wire_walk(&w, "wait/messages"), 0, 4096, 1, all, 16);
	cr_assert_eq(n, 2, "the dots alone");
	n = wire_list(&w, wire_walk(&w, "wait"), 0, 4096, 1, all, 16);
	cr_assert_eq(n, 3);
	cr_assert_str_eq(all[2].name, "events");
}

Test(messages, a_read_waits_for_the_next_one_and_for_no_other_sessions)
{
	struct opened o;
	struct reply r;
	uint64_t a;

	say(s2, "old\n");
	open_mailbox(&o, "s2", 0);
	a = ask_read(&w, mailbox, o.fh, 0, 4096);
	say(s1, "not for s2\n");
	cr_assert_eq(wire_answered(&w, a, NULL), 0);
	say(s2, "one\ntwo\n");
	cr_assert_eq(wire_answered(&w, a, &r), 1);
	cr_assert_not_null(strstr(r.data, "Z s1 one\n"));
	cr_assert_not_null(strstr(r.data, "Z s1 two\n"));
	cr_assert_null(strstr(r.data, "old"));
	reply_free(&r);
	assert_errno(wire_release(&w, &o), 0);
}

Test(messages, what_came_since_the_open_is_read_without_waiting)
{
	struct opened o;
	struct reply r;

	open_mailbox(&o, "s2", 0);
	say(s2, "one\n");
	say(s2, "two\n");
	cr_assert_eq(wire_answered(&w, ask_read(&w, mailbox, o.fh, 0, 4096), &r), 1);
	cr_assert_not_null(strstr(r.data, "one\n"));
	cr_assert_not_null(strstr(r.data, "two\n"));
	reply_free(&r);
	assert_errno(wire_release(&w, &o), 0);
}

Test(messages, a_waiting_read_is_interrupted_and_nothing_of_it_is_left)
{
	struct opened o;
	struct reply r;
	uint64_t a;

	open_mailbox(&o, "s2", 0);
	a = ask_read(&w, mailbox, o.fh, 0, 4096);
	(void)ask_interrupt(&w, a);
	cr_assert_eq(wire_answered(&w, a, &r), 1);
	cr_assert_eq(r.err, -EINTR);
	reply_free(&r);
	say(s2, "one\n");
	cr_assert_eq(wire_unclaimed(&w), 0);
	cr_assert_eq(wire_answered(&w, ask_read(&w, mailbox, o.fh, 0, 4096), &r), 1);
	cr_assert_not_null(strstr(r.data, "one\n"), "the next read has it");
	reply_free(&r);
	assert_errno(wire_release(&w, &o), 0);
}

Test(messages, who_does_not_want_to_wait_gets_EAGAIN)
{
	struct fuse_read_in in = { .size = 4096, .flags = O_NONBLOCK };
	struct opened o;

	open_mailbox(&o, "s2", O_NONBLOCK);
	in.fh = o.fh;
	assert_errno(wire_answer(&w, wire_send(&w, FUSE_READ, mailbox, &in, sizeof(in), NULL, 0),
				 NULL),
		     EAGAIN);
	assert_errno(wire_release(&w, &o), 0);
}

Test(messages, when_the_session_ends_its_readers_get_the_rest_and_then_the_end)
{
	struct opened o, parked;
	struct reply r;
	uint64_t a;

	open_mailbox(&o, "s2", 0);
	say(s2, "the last\n");
	open_mailbox(&parked, "s2", 0);
	a = ask_read(&w, mailbox, parked.fh, 0, 4096);
	assert_ok(commit(&w.f, CHANGE_END, .as = s2, .thing = s2));
	ll_decided(w.ll);
	cr_assert_eq(wire_answered(&w, a, &r), 1);
	cr_assert_eq(r.err, 0);
	cr_assert_eq(r.n, 0);
	reply_free(&r);
	cr_assert_eq(wire_answered(&w, ask_read(&w, mailbox, o.fh, 0, 4096), &r), 1);
	cr_assert_not_null(strstr(r.data, "the last\n"));
	reply_free(&r);
	for (int i = 0; i < 2; i++) {
		cr_assert_eq(wire_answered(&w, ask_read(&w, mailbox, o.fh, 0, 4096), &r), 1);
		cr_assert_eq(r.err, 0);
		cr_assert_eq(r.n, 0);
		reply_free(&r);
	}
	assert_errno(wire_release(&w, &o), 0);
	assert_errno(wire_release(&w, &parked), 0);
}

Test(messages, a_reader_still_waiting_when_the_daemon_ends_is_answered)
{
	struct opened o;

	open_mailbox(&o, "s2", 0);
	(void)ask_read(&w, mailbox, o.fh, 0, 4096);
	wire_restart(&w);
	cr_assert_eq(wire_unclaimed(&w), 0);
}

static uint32_t poll_of(const struct opened *o, uint64_t kh)
{
	struct fuse_poll_in in = {
		.fh = o->fh, .kh = kh, .flags = FUSE_POLL_SCHEDULE_NOTIFY, .events = POLLIN
	};
	struct fuse_poll_out out;
	struct reply r;

	assert_errno(wire_answer(&w, wire_send(&w, FUSE_POLL, o->node, &in, sizeof(in), NULL, 0),
				 &r),
		     0);
	memcpy(&out, r.data, sizeof(out));
	reply_free(&r);
	return out.revents;
}

Test(messages, a_poll_is_woken_by_a_message_for_it_and_by_the_end_of_its_session)
{
	struct opened o;

	open_mailbox(&o, "s2", 0);
	cr_assert_eq(poll_of(&o, 1), 0);
	say(s1, "not for s2\n");
	(void)wire_unclaimed(&w);
	cr_assert_eq(w.notified[FUSE_NOTIFY_POLL], 0);
	say(s2, "one\n");
	(void)wire_unclaimed(&w);
	cr_assert_eq(w.notified[FUSE_NOTIFY_POLL], 1);
	cr_assert_neq(poll_of(&o, 2) & POLLIN, 0);
	assert_errno(wire_answer(&w, ask_read(&w, mailbox, o.fh, 0, 4096), NULL), 0);
	cr_assert_eq(poll_of(&o, 3), 0);
	assert_ok(commit(&w.f, CHANGE_END, .as = s2, .thing = s2));
	ll_decided(w.ll);
	(void)wire_unclaimed(&w);
	cr_assert_eq(w.notified[FUSE_NOTIFY_POLL], 2);
	cr_assert_neq(poll_of(&o, 4) & POLLIN, 0);
	assert_errno(wire_release(&w, &o), 0);
}

Test(messages, a_file_that_is_polled_is_closed_without_a_trace)
{
	struct opened o;

	open_mailbox(&o, "s2", 0);
	for (uint64_t i = 0; i < 5; i++)
		cr_assert_eq(poll_of(&o, i), 0);
	assert_errno(wire_release(&w, &o), 0);
	say(s2, "one\n");
	(void)wire_unclaimed(&w);
	cr_assert_eq(w.notified[FUSE_NOTIFY_POLL], 0);
}

Test(messages, a_read_by_the_handle_of_another_file_is_of_that_file)
{
	uint64_t readme = wire_walk(&w, "README");
	struct opened o;
	struct reply r;

	assert_errno(wire_openf(&w, readme, O_RDONLY, &o), 0);
	assert_errno(wire_answer(&w, ask_read(&w, wire_walk(&w, "wait/messages/s2"), o.fh, 0, 7),
				 &r),
		     0);
	cr_assert_eq(strncmp(r.data, "This is", 7), 0);
	reply_free(&r);
	assert_errno(wire_release(&w, &o), 0);
}
