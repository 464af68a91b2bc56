/* Who waits for more of a file is woken by what is for it, and by nothing else. */
#include <fcntl.h>

#include "backend/clean.h"
#include "fs/follow.h"
#include "fs/handle.h"
#include "tests/lib/check.h"
#include "tests/lib/wire.h"

#define MANY 1000

/* One that counts how often it was woken. */
struct counter {
	struct follower f;
	struct handle *h;
	int woken, over;
	int leaves; /* when it is woken */
};

static struct wire w;
static struct follow *t;
static struct request r;
static int64_t s1, s2;

static void setup(void)
{
	wire_open(&w);
	s1 = fixture_session(&w.f, "s1");
	s2 = fixture_session(&w.f, "s2");
	t = follow_new(w.f.store);
	r = (struct request){ .fs = &w.fs, .db = store_reader(w.f.store) };
}

static void teardown(void)
{
	follow_free(t);
	handle_close_all();
	wire_close(&w);
}

TestSuite(follow, .init = setup, .fini = teardown);

static void wake(struct follower *f, int over)
{
	struct counter *c = (struct counter *)f;

	c->woken++;
	c->over += over;
	if (over || c->leaves)
		follow_leave(t, f);
}

/* It waits for messages to SESSION; 0: for any event. */
static void wait_for(struct counter *c, int64_t session)
{
	*c = (struct counter){ .f = { .wake = wake } };
	c->h = handle_new(
		&r, session ? NODE_INO(session, ROW_WAIT_MAILBOX) : NODE_INO(0, ROW_WAIT_EVENTS),
		O_RDONLY);
	follow_open(&r, c->h);
	cr_assert_eq(follow_wait(t, c->h, &c->f), 0);
}

static void say(int64_t to, const char *text)
{
	assert_ok(commit(&w.f, CHANGE_MESSAGE, .thing = to, .as = s1, .text = text));
}

/* What a read of it gives, up to SIZE bytes; "!" for nothing yet. Static. */
static const char *read_of(const struct counter *c, size_t size)
{
	static struct buf out;
	int got;

	buf_clear(&out);
	cr_assert_eq(store_read_begin(w.f.store), 0);
	got = follow_read(&r, c->h, size, &out);
	store_read_end(w.f.store);
	cr_assert_geq(got, 0);
	cr_assert(got || !out.n);
	return got ? buf_text(&out) : "!";
}

static int ready(const struct counter *c)
{
	int got;

	cr_assert_eq(store_read_begin(w.f.store), 0);
	got = follow_ready(&r, c->h);
	store_read_end(w.f.store);
	return got;
}

Test(follow, who_waits_for_one_session_is_not_woken_by_what_happens_to_others)
{
	static struct counter many[MANY];
	static struct counter one;

	for (int i = 0; i < MANY; i++)
		wait_for(&many[i], s2);
	wait_for(&one, s1);
	for (int i = 0; i < 10; i++) {
		(void)fixture_session(&w.f, (const char[]){ 'x', (char)('0' + i), '\0' });
		say(s1, "x\n");
		follow_look(t);
	}
	cr_assert_eq(one.woken, 10);
	for (int i = 0; i < MANY; i++)
		cr_assert_eq(many[i].woken, 0, "%d", i);
	say(s2, "x\n");
	follow_look(t);
	for (int i = 0; i < MANY; i++)
		cr_assert_eq(many[i].woken, 1, "%d", i);
	cr_assert_eq(one.woken, 10);
}

Test(follow, every_event_wakes_who_waits_for_all_and_no_event_nobody)
{
	static struct counter all;

	wait_for(&all, 0);
	follow_look(t);
	cr_assert_eq(all.woken, 0);
	say(s2, "x\n");
	follow_look(t);
	follow_look(t);
	cr_assert_eq(all.woken, 1);
	assert_ok(commit(&w.f, CHANGE_RENEW, .as = s1, .thing = s1)); /* no event */
	follow_look(t);
	cr_assert_eq(all.woken, 1);
}

Test(follow, the_end_of_a_session_wakes_who_waits_for_it)
{
	static struct counter one, two;

	wait_for(&one, s1);
	wait_for(&two, s2);
	assert_ok(commit(&w.f, CHANGE_END, .as = s1, .thing = s1));
	follow_look(t);
	cr_assert_eq(one.woken, 1);
	cr_assert_eq(two.woken, 0);
	cr_assert_str_eq(read_of(&one, 4096), "");
	cr_assert_str_eq(read_of(&two, 4096), "!");
}

Test(follow, what_the_mount_says_wakes_as_well)
{
	static struct counter two;

	(void)fixture_task(&w.f, "T", NULL);
	wait_for(&two, s2);
	(void)fixture_hold(&w.f, s1, "T");
	follow_look(t);
	cr_assert_eq(two.woken, 0);
	assert_ok(commit(&w.f, CHANGE_HANDOVER, .as = s1, .name = "T", .text = "s2"));
	follow_look(t);
	cr_assert_eq(two.woken, 1);
	cr_assert_not_null(strstr(read_of(&two, 4096), " coordfs handed T, token "));
}

Test(follow, each_may_leave_when_it_is_woken)
{
	static struct counter c[5];

	for (int i = 0; i < 5; i++) {
		wait_for(&c[i], s2);
		c[i].leaves = i != 2;
	}
	for (int i = 0; i < 2; i++) {
		say(s2, "x\n");
		follow_look(t);
	}
	for (int i = 0; i < 5; i++)
		cr_assert_eq(c[i].woken, i == 2 ? 2 : 1, "%d", i);
	follow_leave(t, &c[0].f); /* once more is nothing */
}

Test(follow, the_end_of_the_mount_wakes_all_that_still_wait)
{
	static struct counter one, two, all;

	wait_for(&one, s1);
	wait_for(&two, s2);
	wait_for(&all, 0);
	follow_leave(t, &two.f);
	follow_free(t);
	t = NULL;
	cr_assert_eq(one.over, 1);
	cr_assert_eq(two.woken, 0);
	cr_assert_eq(all.over, 1);
}

Test(follow, a_read_gives_whole_lines_and_a_part_of_one_that_is_longer)
{
	static struct counter c;
	const char *text;
	size_t line;

	wait_for(&c, s2);
	cr_assert_str_eq(read_of(&c, 100), "!");
	cr_assert_eq(ready(&c), 0);
	say(s2, "one\ntwo\nthree\n");
	cr_assert_eq(ready(&c), 1);
	text = read_of(&c, 60); /* each is 28 bytes or a little more */
	line = strcspn(text, "\n") + 1;
	cr_assert_eq(strlen(text), 2 * line, "%s", text);
	cr_assert_eq(strlen(read_of(&c, 5)), 5, "a part");
	cr_assert_eq(ready(&c), 1);
	text = read_of(&c, 100);
	cr_assert_not_null(strstr(text, "three\n"), "%s", text);
	cr_assert_eq(strlen(text), line + 2 - 5);
	cr_assert_str_eq(read_of(&c, 100), "!");
}

Test(follow, a_byte_at_a_time_gives_the_same)
{
	AUTO_BUF struct buf all = BUF_INIT;
	static struct counter c, whole;
	const char *piece;

	wait_for(&c, 0);
	wait_for(&whole, 0);
	say(s2, "one\ntwo\n");
	(void)fixture_session(&w.f, "later");
	while (strcmp(piece = read_of(&c, 1), "!") != 0) {
		cr_assert_eq(strlen(piece), 1);
		buf_str(&all, piece);
	}
	cr_assert_str_eq(buf_text(&all), read_of(&whole, 65536));
	cr_assert_not_null(strstr(buf_text(&all), "\"later\""));
}

Test(follow, a_reader_that_is_far_behind_gets_all_in_order)
{
	static struct counter c;
	const char *text;
	int n = 0;

	wait_for(&c, s2);
	for (int i = 0; i < 60; i++)
		say(s2, (const char[]){ (char)('0' + i), '\n', '\0' });
	while (strcmp(text = read_of(&c, 100), "!") != 0)
		for (const char *end; (end = strchr(text, '\n')); text = end + 1, n++)
			cr_assert_eq(end[-1], '0' + n);
	cr_assert_eq(n, 60);
}
