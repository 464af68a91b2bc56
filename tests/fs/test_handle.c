#include <fcntl.h>
#include <time.h>
#include <unistd.h>

#include "backend/clean.h"
#include "fs/caller.h"
#include "fs/handle.h"
#include "tests/lib/check.h"
#include "tests/lib/wire.h"

static struct wire w;
static struct request r;
static uint64_t body, tags, claim;

static void setup(void)
{
	wire_open(&w);
	(void)fixture_task(&w.f, "T", NULL);
	(void)fixture_session(&w.f, "s1");
	body = wire_walk(&w, "tasks/T/body");
	tags = wire_walk(&w, "tasks/T/tags");
	claim = NODE_INO(77, ROW_CLAIM);
	r = (struct request){ .fs = &w.fs, .db = store_reader(w.f.store) };
}

static void teardown(void)
{
	request_release(&r);
	wire_close(&w);
}

TestSuite(handle, .init = setup, .fini = teardown);

/* --- the table --- */

Test(handle, is_found_by_its_number_until_it_is_closed)
{
	struct handle *h = handle_new(&r, body, O_WRONLY);
	uint64_t fh = h->fh;

	cr_assert_eq(handle_get(fh), h);
	cr_assert_eq(h->ino, body);
	handle_close(fh);
	cr_assert_null(handle_get(fh));
	handle_close(fh);
	handle_close(0);
}

Test(handle, a_node_is_open_as_long_as_one_of_its_files_is)
{
	struct handle *a, *b;

	cr_assert(!handle_is_open(body));
	a = handle_new(&r, body, O_RDONLY);
	b = handle_new(&r, body, O_WRONLY);
	cr_assert(handle_is_open(body));
	cr_assert(!handle_is_open(tags));
	handle_close(a->fh);
	cr_assert(handle_is_open(body));
	handle_close(b->fh);
	cr_assert(!handle_is_open(body));
	(void)handle_new(&r, body, O_RDONLY);
	(void)handle_new(&r, tags, O_RDONLY);
	handle_close_all();
	cr_assert(!handle_is_open(body));
	cr_assert(!handle_is_open(tags));
}

Test(handle, a_door_is_open_under_a_number_of_its_own)
{
	uint64_t any_door = NODE_INO(0, ROW_DOOR);
	struct handle *a = handle_new(&r, any_door, O_RDONLY);
	struct handle *b = handle_new(&r, any_door, O_RDONLY), *again;

	cr_assert_neq(a->ino, b->ino);
	cr_assert_eq(NODE_ID(a->ino), (int64_t)a->fh);
	cr_assert(!handle_is_open(any_door));
	again = handle_new(&r, a->ino, O_RDONLY);
	cr_assert_eq(again->ino, a->ino);
	handle_close(a->fh);
	cr_assert(handle_is_open(again->ino));
	handle_close(again->fh);
	handle_close(b->fh);
}

Test(handle, numbers_are_not_used_again)
{
	uint64_t first = handle_new(&r, body, O_RDONLY)->fh;

	handle_close(first);
	for (int i = 0; i < 100; i++) {
		struct handle *h = handle_new(&r, body, O_RDONLY);

		cr_assert_gt(h->fh, first);
		first = h->fh;
		handle_close(first);
	}
}

static void close_it(struct handle *h, void *arg)
{
	(*(int *)arg)++;
	handle_close(h->fh);
}

Test(handle, each_may_close_what_it_is_given)
{
	int n = 0;

	for (int i = 0; i < 20; i++)
		(void)handle_new(&r, body, O_RDONLY);
	handle_each(close_it, &n);
	cr_assert_eq(n, 20);
	handle_each(close_it, &n);
	cr_assert_eq(n, 20);
	(void)handle_new(&r, body, O_RDONLY);
	handle_close_all();
	handle_each(close_it, &n);
	cr_assert_eq(n, 20);
}

Test(handle, of_a_claim_stands_for_its_grant_and_no_other_for_any)
{
	cr_assert_eq(handle_new(&r, claim, O_WRONLY)->token, 77);
	cr_assert_eq(handle_new(&r, NODE_INO(78, ROW_SESSION_CLAIM), O_WRONLY)->token, 78);
	cr_assert_eq(handle_new(&r, body, O_WRONLY)->token, 0);
}

/* --- writing --- */

struct written {
	int err, append;
	char text[64];
};

static struct written put(struct handle *h, int64_t off, const char *p, size_t n)
{
	AUTO_BUF struct buf out = BUF_INIT;
	struct written got = { .append = -1 };

	got.err = handle_write(&r, h, off, p, n, &out, &got.append);
	if (!got.err) {
		(void)snprintf(got.text, sizeof(got.text), "%s", buf_text(&out));
		handle_accept(h, &out, got.append);
	}
	return got;
}

Test(handle, the_first_write_replaces_and_the_next_extends)
{
	struct handle *h = handle_new(&r, body, O_WRONLY);
	struct written got = put(h, 0, "a\n", 2);

	cr_assert_eq(got.err, 0);
	cr_assert_eq(got.append, 0);
	cr_assert_str_eq(got.text, "a\n");
	got = put(h, 2, "bc", 2);
	cr_assert_str_eq(got.text, "a\nbc");
	got = put(h, 4, "d\n", 2);
	cr_assert_str_eq(got.text, "a\nbcd\n");
}

Test(handle, any_other_offset_is_EINVAL)
{
	struct handle *h = handle_new(&r, body, O_WRONLY);

	cr_assert_eq(put(h, 1, "a", 1).err, -EINVAL);
	cr_assert_eq(put(h, -1, "a", 1).err, -EINVAL);
	cr_assert_eq(put(h, 0, "abc", 3).err, 0);
	cr_assert_eq(put(h, 0, "a", 1).err, -EINVAL);
	cr_assert_eq(put(h, 2, "a", 1).err, -EINVAL);
	cr_assert_eq(put(h, 4, "a", 1).err, -EINVAL);
	cr_assert_eq(put(h, 3, "d", 1).err, 0);
	cr_assert_not_null(strstr(buf_text(&r.why), "next: "));
}

Test(handle, what_was_refused_does_not_count)
{
	AUTO_BUF struct buf out = BUF_INIT;
	struct handle *h = handle_new(&r, body, O_WRONLY);
	int append;

	cr_assert_eq(handle_write(&r, h, 0, "bad", 3, &out, &append), 0);
	/* the writer said no: nothing is accepted */
	cr_assert_eq(put(h, 3, "x", 1).err, -EINVAL);
	cr_assert_str_eq(put(h, 0, "good", 4).text, "good");
}

Test(handle, with_O_APPEND_a_write_adds_at_whatever_offset)
{
	struct handle *h = handle_new(&r, tags, O_WRONLY | O_APPEND);
	struct written got = put(h, 4711, "a\n", 2);

	cr_assert_eq(got.err, 0);
	cr_assert_eq(got.append, 1);
	cr_assert_str_eq(got.text, "a\n");
	got = put(h, 0, "b\n", 2);
	cr_assert_eq(got.append, 1);
	cr_assert_str_eq(got.text, "b\n");
}

Test(handle, appending_goes_on_inside_a_line_of_text)
{
	struct handle *h = handle_new(&r, body, O_WRONLY | O_APPEND);

	cr_assert_eq(put(h, 0, "half", 4).append, 1);
	cr_assert_eq(put(h, 0, " and half\n", 10).append, 2);
	cr_assert_eq(put(h, 0, "new\n", 4).append, 1);
}

Test(handle, more_than_64_KiB_is_E2BIG_in_one_write_or_in_several)
{
	static char big[FIELD_MAX + 1];
	struct handle *h = handle_new(&r, body, O_WRONLY), *a;

	memset(big, 'x', sizeof(big));
	cr_assert_eq(put(h, 0, big, FIELD_MAX + 1).err, -E2BIG);
	cr_assert_eq(put(h, 0, big, FIELD_MAX).err, 0);
	cr_assert_eq(put(h, FIELD_MAX, "x", 1).err, -E2BIG);
	a = handle_new(&r, body, O_WRONLY | O_APPEND);
	cr_assert_eq(put(a, 0, big, FIELD_MAX).err, 0);
	cr_assert_eq(put(a, 0, big, FIELD_MAX + 1).err, -E2BIG);
}

Test(handle, an_import_takes_1_MiB)
{
	static char big[(1 << 20) + 1];
	struct handle *h = handle_new(&r, wire_walk(&w, "control/import"), O_WRONLY);

	memset(big, 'x', sizeof(big));
	cr_assert_eq(put(h, 0, big, sizeof(big)).err, -E2BIG);
	cr_assert_eq(put(h, 0, big, sizeof(big) - 1).err, 0);
}

Test(handle, a_long_write_to_a_list_that_ends_inside_a_line_was_cut)
{
	char lines[4097];
	uint64_t lists[2] = { tags, claim };

	memset(lines, 'x', sizeof(lines));
	for (int i = 0; i < 2; i++) {
		struct handle *h = handle_new(&r, lists[i], O_WRONLY | O_APPEND);

		cr_assert_eq(put(h, 0, lines, 4095).err, 0);
		cr_assert_eq(put(h, 0, lines, 4096).err, -EINVAL);
		lines[4095] = '\n';
		cr_assert_eq(put(h, 0, lines, 4096).err, 0);
		lines[4095] = 'x';
	}
	cr_assert_eq(put(handle_new(&r, body, O_WRONLY), 0, lines, 4097).err, 0, "text is no list");
}

/* --- who won --- */

static void act(pid_t pid, int64_t session)
{
	struct proc p = { .pid = 0 };

	memset(&r.actor, 0, sizeof(r.actor));
	r.parent = 0;
	r.actor.session = session;
	if (!pid)
		return;
	cr_assert_eq(caller_proc(pid, &p), 0);
	r.actor.pid = p.pid;
	r.actor.start = p.start;
	r.parent = p.ppid;
}

static int64_t boot_now(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_BOOTTIME, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* PID's CREATE makes grant 77 at MS since boot. */
static struct handle *win(pid_t pid, int64_t session, int64_t ms)
{
	struct handle *h;

	w.f.sim.boot = ms;
	act(pid, session);
	h = handle_new(&r, claim, O_WRONLY);
	h->won = 1;
	handle_granted(&r, 77);
	return h;
}

Test(handle, the_winner_is_the_process_whose_create_it_was_while_it_is_open)
{
	pid_t a = wire_process(&w, NULL), b = wire_process(&w, NULL);
	struct handle *h = win(a, 1, boot_now());

	cr_assert_eq(handle_is_winner(&r, 77), 1);
	cr_assert_eq(handle_is_winner(&r, 78), 0);
	act(b, 1);
	cr_assert_eq(handle_is_winner(&r, 77), 0);
	act(a, 1);
	handle_close(h->fh);
	cr_assert_eq(handle_is_winner(&r, 77), 0);
}

Test(handle, an_unseen_winner_is_its_session)
{
	(void)win(0, 1, boot_now());
	cr_assert_eq(handle_is_winner(&r, 77), 1);
	act(0, 2);
	cr_assert_eq(handle_is_winner(&r, 77), 0);
	act(0, 0);
	cr_assert_eq(handle_is_winner(&r, 77), 0);
}

Test(handle, a_pid_used_again_is_another_process)
{
	(void)win(wire_process(&w, NULL), 1, boot_now());
	r.actor.start++;
	cr_assert_eq(handle_is_winner(&r, 77), 0);
}

/* --- who asked at the same moment, and lost --- */

Test(handle, who_was_there_before_the_grant_is_a_contender)
{
	pid_t other = wire_process(&w, NULL);

	(void)win(wire_process(&w, NULL), 1, boot_now() + 1000);
	cr_assert_eq(handle_is_contender(&r, 77), 0, "the winner itself");
	act(other, 1);
	cr_assert_eq(handle_is_contender(&r, 77), 1);
	cr_assert_eq(handle_is_contender(&r, 78), 0, "of another grant");
}

Test(handle, who_came_after_the_grant_is_none)
{
	pid_t winner = wire_process(&w, NULL);

	(void)win(winner, 1, boot_now() - 2000);
	act(wire_process(&w, NULL), 1);
	cr_assert_eq(handle_is_contender(&r, 77), 0);
}

Test(handle, an_ancestor_of_the_winner_is_none)
{
	(void)win(wire_process(&w, NULL), 1, boot_now() + 1000);
	act(getpid(), 1); /* the shell whose touch won, and which now appends */
	cr_assert_eq(handle_is_contender(&r, 77), 0);
}

Test(handle, after_a_few_seconds_there_are_no_contenders)
{
	pid_t other = wire_process(&w, NULL);
	int64_t at = boot_now() + 1000;

	(void)win(wire_process(&w, NULL), 1, at);
	act(other, 1);
	w.f.sim.boot = at + 5000;
	cr_assert_eq(handle_is_contender(&r, 77), 1);
	w.f.sim.boot = at + 5001;
	cr_assert_eq(handle_is_contender(&r, 77), 0);
}

Test(handle, who_cannot_be_seen_is_no_contender)
{
	(void)win(wire_process(&w, NULL), 1, boot_now() + 1000);
	act(0, 1);
	cr_assert_eq(handle_is_contender(&r, 77), 0);
}
