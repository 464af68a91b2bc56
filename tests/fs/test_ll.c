/* The protocol: what becomes of each request, in every order, by any caller. */
#include <fcntl.h>
#include <poll.h>
#include <sys/file.h>
#include <unistd.h>

#include "fs/handle.h"
#include "fs/node.h"
#include "tests/lib/check.h"
#include "tests/lib/wire.h"

static struct wire w;
static int64_t s1, s2;
static uint64_t claims, claims1, claims2; /* claims/, sessions/s1/claims/, .. */

static void setup(void)
{
	wire_open(&w);
	s1 = fixture_session(&w.f, "s1");
	s2 = fixture_session(&w.f, "s2");
	claims = wire_walk(&w, "claims");
	claims1 = wire_walk(&w, "sessions/s1/claims");
	claims2 = wire_walk(&w, "sessions/s2/claims");
	(void)fixture_task(&w.f, "T", "src/a");
}

static void teardown(void)
{
	wire_close(&w);
}

TestSuite(ll, .init = setup, .fini = teardown);

#define assert_errno(call, e)                                                                 \
	do {                                                                                  \
		int is_ = (call);                                                             \
		cr_assert_eq(is_, -(e), "%s, not %s", is_ ? errno_text(is_) : "success", #e); \
	} while (0)

#define assert_why(path, words)                                                               \
	do {                                                                                  \
		const char *why_ = wire_cat(&w, (path));                                      \
		cr_assert_not_null(strstr(why_, (words)), "no \"%s\" in: %s", (words), why_); \
		cr_assert(says_next(why_), "no last line \"next: ..\" in: %s", why_);         \
	} while (0)

/* --- a claim by touch --- */

Test(ll, touch_is_create_times_and_close)
{
	struct opened o;

	assert_errno(wire_create(&w, claims1, "T", O_WRONLY | O_NONBLOCK, &o), 0);
	assert_column(&w.f, "T", COLUMN_CLAIMS);
	assert_errno(wire_touch(&w, o.node), 0);
	assert_errno(wire_release(&w, &o), 0);
}

Test(ll, what_a_create_made_is_the_claim_its_session_shows)
{
	struct opened o;

	assert_errno(wire_create(&w, claims1, "T", O_RDWR, &o), 0);
	cr_assert_eq(o.node, wire_walk(&w, "sessions/s1/claims/T"));
	cr_assert(o.flags & FOPEN_DIRECT_IO);
	assert_errno(wire_release(&w, &o), 0);
	cr_assert_not_null(strstr(wire_cat(&w, "claims/T"), "session s1\n"));
}

Test(ll, times_are_set_by_the_winner_alone_and_only_until_it_closes)
{
	pid_t winner = wire_process(&w, NULL), other = wire_process(&w, NULL);
	struct opened o;

	w.who.pid = winner;
	assert_errno(wire_create(&w, claims1, "T", O_WRONLY, &o), 0);
	w.who.pid = other;
	assert_errno(wire_touch(&w, o.node), EEXIST);
	w.who.pid = winner;
	assert_errno(wire_touch(&w, o.node), 0);
	assert_errno(wire_touch(&w, o.node), 0);
	assert_errno(wire_release(&w, &o), 0);
	assert_errno(wire_touch(&w, o.node), EEXIST);
	assert_why("sessions/s1/why", "EEXIST touch sessions/s1/claims/T");
}

Test(ll, an_open_that_did_not_win_lets_nobody_set_times)
{
	pid_t winner = wire_process(&w, NULL), reader = wire_process(&w, NULL);
	struct opened o, r;

	w.who.pid = winner;
	assert_errno(wire_create(&w, claims1, "T", O_WRONLY, &o), 0);
	w.who.pid = reader;
	assert_errno(wire_openf(&w, o.node, O_RDONLY, &r), 0);
	assert_errno(wire_touch(&w, o.node), EEXIST);
	assert_errno(wire_release(&w, &r), 0);
	assert_errno(wire_release(&w, &o), 0);
}

/* Containers: the daemon sees no process, the path is all there is. */
Test(ll, of_processes_it_cannot_see_the_winners_session_sets_times)
{
	struct opened o;

	assert_errno(wire_create(&w, claims1, "T", O_WRONLY, &o), 0);
	assert_errno(wire_touch(&w, o.node), 0);
	assert_errno(wire_touch(&w, wire_walk(&w, "claims/T")), ENOKEY);
	assert_errno(wire_release(&w, &o), 0);
	assert_errno(wire_touch(&w, o.node), EEXIST);
}

Test(ll, touch_of_a_held_claim_fails_for_the_same_session_as_well)
{
	cr_assert_eq(wire_touch1(&w, "sessions/s1/claims", "T"), 0);
	cr_assert_eq(wire_touch1(&w, "sessions/s1/claims", "T"), -EEXIST);
	cr_assert_eq(wire_touch1(&w, "sessions/s2/claims", "T"), -EBUSY);
	cr_assert_eq(wire_touch1(&w, "claims", "T"), -ENOKEY);
	cr_assert_eq(fixture_count(&w.f, "claim"), 1);
}

Test(ll, touch_of_what_is_no_task_makes_none)
{
	cr_assert_eq(wire_touch1(&w, "sessions/s1/claims", "typo"), -ENOENT);
	cr_assert_eq(wire_touch1(&w, "sessions/s1/claims", ".T.swp"), -EINVAL);
	assert_why("sessions/s1/why", "not a name for a task");
	cr_assert_eq(wire_walk(&w, "tasks/typo"), 0);
}

/* --- refused in every way of asking --- */

static uint64_t held_by_s1(void)
{
	(void)fixture_hold(&w.f, s1, "T");
	return wire_walk(&w, "claims/T");
}

Test(ll, a_held_claim_is_refused_in_open_times_unlink_and_rename_alike)
{
	uint64_t node = held_by_s1(), done = wire_walk(&w, "done"), ready = wire_walk(&w, "ready");

	w.who.pid = wire_process(&w, "s2");
	assert_errno(wire_openf(&w, node, O_WRONLY, NULL), EBUSY);
	assert_errno(wire_openf(&w, node, O_RDWR, NULL), EBUSY);
	assert_errno(wire_openf(&w, node, O_WRONLY | O_APPEND, NULL), EBUSY);
	assert_errno(wire_openf(&w, node, O_WRONLY | O_TRUNC, NULL), EBUSY);
	assert_errno(wire_touch(&w, node), EBUSY);
	assert_errno(wire_create(&w, claims, "T", O_WRONLY, NULL), EBUSY);
	assert_errno(wire_create(&w, claims, "T", O_WRONLY | O_EXCL, NULL), EBUSY);
	assert_errno(wire_create(&w, claims, "T", O_RDONLY | O_EXCL, NULL), EBUSY);
	assert_errno(wire_create(&w, claims2, "T", O_WRONLY, NULL), EBUSY);
	assert_errno(wire_unlink(&w, claims, "T"), EPERM);
	assert_errno(wire_rename(&w, claims, "T", done), EPERM);
	assert_errno(wire_rename(&w, claims, "T", ready), EPERM);
	assert_errno(wire_rename(&w, claims, "T", claims2), EPERM);
	assert_errno(wire_rename(&w, ready, "T", claims), EBUSY);
	cr_assert_eq(fixture_grant_now(&w.f, fixture_task_now(&w.f, "T").token).session, s1);
	cr_assert_eq(fixture_count(&w.f, "claim"), 1);
}

Test(ll, a_held_claim_can_be_read_by_anybody)
{
	struct opened o;

	w.who.uid = 4711;
	assert_errno(wire_openf(&w, held_by_s1(), O_RDONLY, &o), 0);
	assert_errno(wire_release(&w, &o), 0);
	cr_assert_not_null(strstr(wire_cat(&w, "claims/T"), "artifact src/a\n"));
}

Test(ll, a_claim_lost_meanwhile_is_ESTALE_in_every_way)
{
	uint64_t node, own;
	struct opened o;

	assert_errno(wire_create(&w, claims1, "T", O_WRONLY | O_APPEND, &o), 0);
	own = o.node;
	node = wire_walk(&w, "claims/T");
	fixture_pass(&w.f, HOUR + 1);
	assert_errno(wire_getattr(&w, node, NULL), ESTALE);
	assert_errno(wire_openf(&w, own, O_RDONLY, NULL), ESTALE);
	assert_errno(wire_openf(&w, own, O_WRONLY | O_APPEND, NULL), ESTALE);
	assert_errno(wire_touch(&w, own), ESTALE);
	assert_errno(wire_unlink(&w, claims1, "T"), ESTALE);
	assert_errno(wire_rename(&w, claims1, "T", wire_walk(&w, "done")), ESTALE);
	assert_errno(wire_create(&w, claims1, "T", O_WRONLY, NULL), ESTALE);
	assert_errno(wire_write(&w, &o, 0, "src/b\n", 6), ESTALE);
	assert_errno(wire_release(&w, &o), 0);
	assert_why("sessions/s1/why", "lost T");
}

Test(ll, a_descriptor_is_fenced_although_the_same_session_claims_anew)
{
	struct opened old, now;

	assert_errno(wire_create(&w, claims1, "T", O_WRONLY | O_APPEND, &old), 0);
	fixture_pass(&w.f, HOUR + 1);
	assert_errno(wire_rename(&w, wire_walk(&w, "ready"), "T", claims1), 0);
	assert_errno(wire_openf(&w, wire_walk(&w, "sessions/s1/claims/T"), O_WRONLY | O_APPEND,
				&now),
		     0);
	assert_errno(wire_write(&w, &old, 0, "src/b\n", 6), ESTALE);
	assert_errno(wire_write(&w, &now, 0, "src/c\n", 6), 0);
	cr_assert_str_eq(fixture_artifacts(&w.f, "T"), ":src/a :src/c");
	assert_errno(wire_release(&w, &old), 0);
	assert_errno(wire_release(&w, &now), 0);
}

/* --- names --- */

Test(ll, a_task_goes_through_the_columns_by_moves)
{
	uint64_t ready = wire_walk(&w, "ready"), done1 = wire_walk(&w, "sessions/s1/done"),
		 ideas = wire_walk(&w, "ideas"), done = wire_walk(&w, "done");

	assert_errno(wire_mkdir(&w, wire_walk(&w, "tasks"), "U"), 0);
	assert_column(&w.f, "U", COLUMN_IDEAS);
	assert_errno(wire_rename(&w, ideas, "U", ready), 0);
	assert_errno(wire_rename(&w, ready, "U", ideas), 0);
	assert_errno(wire_rename(&w, ideas, "U", ready), 0);
	assert_errno(wire_rename(&w, ready, "U", claims1), 0);
	assert_errno(wire_rename(&w, claims1, "U", claims2), 0);
	assert_errno(wire_rename(&w, claims2, "U", ready), 0);
	assert_errno(wire_rename(&w, ready, "U", claims1), 0);
	assert_errno(wire_rename(&w, claims1, "U", done1), 0);
	assert_column(&w.f, "U", COLUMN_DONE);
	assert_errno(wire_rename(&w, done, "U", ready), 0);
	assert_errno(wire_rmdir(&w, wire_walk(&w, "tasks"), "U"), 0);
	cr_assert_eq(wire_walk(&w, "tasks/U"), 0);
	assert_sound(&w.f);
}

Test(ll, moves_that_mean_nothing_are_EPERM)
{
	uint64_t ready = wire_walk(&w, "ready"), done = wire_walk(&w, "done"),
		 tasks = wire_walk(&w, "tasks"), root = WIRE_ROOT;

	assert_errno(wire_rename(&w, ready, "T", done), EPERM);
	assert_errno(wire_rename(&w, ready, "T", wire_walk(&w, "blocked")), EPERM);
	assert_errno(wire_rename(&w, ready, "T", ready), EPERM);
	assert_errno(wire_rename(&w, ready, "T", tasks), EPERM);
	assert_errno(wire_rename(&w, tasks, "T", ready), EPERM);
	assert_errno(wire_rename(&w, root, "ready", claims), EPERM);
	assert_errno(wire_rename(&w, root, "README", ready), EPERM);
	assert_column(&w.f, "T", COLUMN_READY);
}

Test(ll, a_move_keeps_the_name_and_never_exchanges)
{
	uint64_t ready = wire_walk(&w, "ready");

	assert_errno(wire_answer(&w, ask_rename(&w, ready, "T", claims1, "U", 0), NULL), EINVAL);
	assert_errno(wire_answer(&w, ask_rename(&w, ready, "T", claims1, "T", 2), NULL), EINVAL);
	assert_errno(wire_answer(&w, ask_rename(&w, ready, "T", claims1, "T", 4), NULL), EINVAL);
	assert_column(&w.f, "T", COLUMN_READY);
	assert_errno(wire_answer(&w, ask_rename(&w, ready, "T", claims1, "T", 1), NULL), 0);
	assert_column(&w.f, "T", COLUMN_CLAIMS);
}

Test(ll, rename_in_its_old_form_is_the_same)
{
	struct fuse_rename_in in = { .newdir = claims1 };

	assert_errno(wire_answer(&w,
				 wire_send(&w, FUSE_RENAME, wire_walk(&w, "ready"), &in, sizeof(in),
					   "T\0T", 4),
				 NULL),
		     0);
	assert_column(&w.f, "T", COLUMN_CLAIMS);
}

Test(ll, fixed_directories_are_fixed)
{
	static const char *const dirs[] = { "",	       "ready",	  "control", "sessions/s1",
					    "tasks/T", "archive", "wait" };

	for (size_t i = 0; i < sizeof(dirs) / sizeof(dirs[0]); i++) {
		uint64_t dir = wire_walk(&w, dirs[i]);

		assert_errno(wire_mkdir(&w, dir, "x"), EPERM);
		assert_errno(wire_rmdir(&w, dir, "x"), EPERM);
		assert_errno(wire_unlink(&w, dir, "x"), EPERM);
		assert_errno(wire_create(&w, dir, "x", O_WRONLY, NULL), EPERM);
		if (strcmp(dirs[i], "sessions/s1") != 0)
			assert_errno(wire_touch(&w, dir), EPERM);
	}
	assert_errno(wire_touch(&w, claims), EPERM);
	assert_errno(wire_touch(&w, claims1), EPERM);
	assert_errno(wire_unlink(&w, wire_walk(&w, "ready"), "T"), EPERM);
	assert_errno(wire_unlink(&w, wire_walk(&w, "done"), "T"), EPERM);
	assert_errno(wire_rmdir(&w, claims, "T"), EPERM);
}

Test(ll, links_and_devices_are_made_nowhere)
{
	struct fuse_link_in link = { .oldnodeid = wire_walk(&w, "ready/T") };
	struct fuse_mknod_in node = { .mode = S_IFIFO | 0644 };

	assert_errno(wire_answer(&w, wire_send(&w, FUSE_SYMLINK, claims, NULL, 0, "x\0target", 9),
				 NULL),
		     EPERM);
	assert_errno(wire_answer(&w, wire_send(&w, FUSE_LINK, claims, &link, sizeof(link), "x", 2),
				 NULL),
		     EPERM);
	assert_errno(wire_answer(&w, wire_send(&w, FUSE_MKNOD, claims, &node, sizeof(node), "x", 2),
				 NULL),
		     EPERM);
}

Test(ll, a_name_of_more_than_128_bytes_is_EINVAL)
{
	char name[256];

	memset(name, 'x', 255);
	name[255] = 0;
	assert_errno(wire_mkdir(&w, wire_walk(&w, "tasks"), name), EINVAL);
	assert_errno(wire_mkdir(&w, wire_walk(&w, "sessions"), name), EINVAL);
	assert_errno(wire_create(&w, claims1, name, O_WRONLY, NULL), EINVAL);
	name[129] = 0;
	assert_errno(wire_mkdir(&w, wire_walk(&w, "tasks"), name), EINVAL);
	name[128] = 0;
	assert_errno(wire_mkdir(&w, wire_walk(&w, "tasks"), name), 0);
}

Test(ll, hostile_names_are_EINVAL_and_forge_no_line)
{
	static const char *const names[] = { "a\nb",	"a\033[2Jb", "..x\177", "caf\xc3\xa9",
					     "bad\xff", " ",	     "a b" };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		assert_errno(wire_create(&w, claims1, names[i], O_WRONLY, NULL), EINVAL);
		cr_assert_eq(strcspn(wire_cat(&w, "sessions/s1/why"), "\033\177"),
			     strlen(wire_cat(&w, "sessions/s1/why")));
		cr_assert_eq(utf8_check(wire_cat(&w, "sessions/s1/why"),
					strlen(wire_cat(&w, "sessions/s1/why"))),
			     0);
		assert_errno(wire_mkdir(&w, wire_walk(&w, "tasks"), names[i]), EINVAL);
		assert_errno(wire_mkdir(&w, wire_walk(&w, "sessions"), names[i]), EINVAL);
	}
	assert_sound(&w.f);
}

/* --- interleavings --- */

Test(ll, of_two_creates_in_one_batch_one_wins)
{
	uint64_t a = ask_create(&w, claims1, "T", O_WRONLY), b;

	b = ask_create(&w, claims2, "T", O_WRONLY);
	cr_assert_eq(wire_answered(&w, a, NULL), 0, "it waits for the writer");
	wire_decide(&w);
	assert_errno(wire_answer(&w, a, NULL), 0);
	assert_errno(wire_answer(&w, b, NULL), EBUSY);
	assert_why("sessions/s2/why", "EBUSY claim sessions/s2/claims/T\nT is held by session s1");
}

Test(ll, of_many_creates_of_one_session_in_one_batch_one_wins)
{
	uint64_t asked[20];
	int won = 0;

	for (int i = 0; i < 20; i++)
		asked[i] = ask_create(&w, claims1, "T", i % 2 ? O_WRONLY : O_RDWR | O_EXCL);
	wire_decide(&w);
	for (int i = 0; i < 20; i++) {
		int err = wire_answer(&w, asked[i], NULL);

		cr_assert(err == 0 || err == -EEXIST, "%s", errno_text(err));
		won += err == 0;
	}
	cr_assert_eq(won, 1);
	cr_assert_eq(fixture_count(&w.f, "claim"), 1);
}

Test(ll, overlapping_claims_in_opposite_order_never_both_win)
{
	uint64_t a, b;

	(void)fixture_task(&w.f, "A", "x\ny");
	(void)fixture_task(&w.f, "B", "y\nx");
	a = ask_create(&w, claims1, "A", O_WRONLY);
	b = ask_create(&w, claims2, "B", O_WRONLY);
	wire_decide(&w);
	assert_errno(wire_answer(&w, a, NULL), 0);
	assert_errno(wire_answer(&w, b, NULL), EBUSY);
	assert_column(&w.f, "B", COLUMN_BLOCKED);
}

Test(ll, a_request_between_the_decision_and_its_answer_sees_the_decision)
{
	uint64_t a = ask_create(&w, claims1, "T", O_WRONLY), b;

	writer_run_batch(w.f.store); /* decided, not answered */
	cr_assert_neq(wire_walk(&w, "claims/T"), 0);
	b = ask_create(&w, claims2, "T", O_WRONLY);
	wire_decide(&w);
	assert_errno(wire_answer(&w, a, NULL), 0);
	assert_errno(wire_answer(&w, b, NULL), EBUSY);
}

Test(ll, a_claim_that_is_over_before_its_answer_does_not_look_held)
{
	uint64_t a = ask_create(&w, claims1, "T", O_WRONLY), b;

	b = ask_name(&w, FUSE_UNLINK, claims1, "T");
	wire_decide(&w);
	cr_assert_neq(wire_answer(&w, a, NULL), 0, "there is no such file any more");
	assert_errno(wire_answer(&w, b, NULL), 0);
	assert_column(&w.f, "T", COLUMN_READY);
}

Test(ll, an_interrupted_request_that_was_not_decided_is_EINTR_and_undone)
{
	uint64_t a = ask_create(&w, claims1, "T", O_WRONLY);

	(void)ask_interrupt(&w, a);
	wire_decide(&w);
	assert_errno(wire_answer(&w, a, NULL), EINTR);
	assert_column(&w.f, "T", COLUMN_READY);
	cr_assert_str_eq(wire_cat(&w, "sessions/s1/why"), "nothing was refused\n");
}

Test(ll, an_interrupt_that_comes_too_late_changes_nothing)
{
	uint64_t a = ask_create(&w, claims1, "T", O_WRONLY);

	writer_run_batch(w.f.store);
	(void)ask_interrupt(&w, a);
	wire_decide(&w);
	assert_errno(wire_answer(&w, a, NULL), 0);
	assert_column(&w.f, "T", COLUMN_CLAIMS);
	(void)ask_interrupt(&w, a); /* of what was answered long ago */
	(void)ask_interrupt(&w, 77777);
	cr_assert_eq(wire_unclaimed(&w), 0);
	for (int i = 0; i < 2; i++) /* kept for a while: their requests might come yet */
		assert_errno(wire_getattr(&w, WIRE_ROOT, NULL), 0);
	cr_assert_eq(wire_unclaimed(&w), 2, "EAGAIN, to the kernel alone");
}

Test(ll, an_interrupt_that_overtakes_its_request_is_heeded)
{
	uint64_t next = w.unique + 4, a;

	(void)ask_interrupt(&w, next);
	a = ask_create(&w, claims1, "T", O_WRONLY);
	cr_assert_eq(a, next);
	wire_decide(&w);
	assert_errno(wire_answer(&w, a, NULL), EINTR);
	assert_column(&w.f, "T", COLUMN_READY);
}

Test(ll, requests_asked_twice_are_decided_twice_and_harm_nobody)
{
	uint64_t ready = wire_walk(&w, "ready"), done = wire_walk(&w, "done"), a, b;

	a = ask_rename(&w, ready, "T", claims1, "T", 0);
	b = ask_rename(&w, ready, "T", claims1, "T", 0);
	wire_decide(&w);
	assert_errno(wire_answer(&w, a, NULL), 0);
	assert_errno(wire_answer(&w, b, NULL), EEXIST);
	a = ask_rename(&w, claims1, "T", done, "T", 0);
	b = ask_rename(&w, claims1, "T", done, "T", 0);
	wire_decide(&w);
	assert_errno(wire_answer(&w, a, NULL), 0);
	cr_assert_neq(wire_answer(&w, b, NULL), 0);
	cr_assert_eq(fixture_count(&w.f, "finish"), 1);
}

/* --- reading --- */

Test(ll, what_an_open_file_reads_is_fixed_when_it_is_opened)
{
	uint64_t node;
	struct opened o;
	struct reply r;

	(void)fixture_hold(&w.f, s1, "T");
	node = wire_walk(&w, "claims/T");
	assert_errno(wire_openf(&w, node, O_RDONLY, &o), 0);
	assert_ok(commit(&w.f, CHANGE_EXTEND, .as = s1, .name = "T", .text = "src/new"));
	assert_errno(wire_answer(&w, ask_read(&w, node, o.fh, 0, 4096), &r), 0);
	cr_assert_null(strstr(r.data, "src/new"));
	reply_free(&r);
	assert_errno(wire_release(&w, &o), 0);
	cr_assert_not_null(strstr(wire_cat(&w, "claims/T"), "artifact src/new\n"));
}

Test(ll, a_read_gives_the_slice_that_was_asked_for)
{
	uint64_t node = wire_walk(&w, "README");
	struct opened o;
	struct reply all, part;

	assert_errno(wire_openf(&w, node, O_RDONLY, &o), 0);
	cr_assert(!(o.flags & FOPEN_DIRECT_IO), "what never changes may be cached");
	assert_errno(wire_answer(&w, ask_read(&w, node, o.fh, 0, 1 << 17), &all), 0);
	for (uint64_t off = 0; off < all.n + 20; off += 97) {
		size_t want = off >= all.n ? 0 : all.n - off < 50 ? all.n - off : 50;

		assert_errno(wire_answer(&w, ask_read(&w, node, o.fh, off, 50), &part), 0);
		cr_assert_eq(part.n, want);
		if (want)
			cr_assert_arr_eq(part.data, all.data + off, want);
		reply_free(&part);
	}
	assert_errno(wire_answer(&w, ask_read(&w, node, o.fh, UINT64_MAX - 5, 50), &part), 0);
	cr_assert_eq(part.n, 0);
	reply_free(&part);
	reply_free(&all);
	assert_errno(wire_release(&w, &o), 0);
}

Test(ll, the_log_is_read_by_offset)
{
	const char *text;
	uint64_t node = wire_walk(&w, "events");
	struct opened o;
	struct reply r;
	char *all;

	text = wire_cat(&w, "events");
	all = strdup(text);
	cr_assert_eq((int64_t)strlen(all), store_bytes(w.f.store));
	assert_errno(wire_openf(&w, node, O_RDONLY, &o), 0);
	for (size_t off = 0; off < strlen(all); off += 13) {
		size_t left = strlen(all) - off;

		assert_errno(wire_answer(&w, ask_read(&w, node, o.fh, off, 37), &r), 0);
		cr_assert_eq(r.n, left < 37 ? left : 37);
		cr_assert_arr_eq(r.data, all + off, r.n);
		reply_free(&r);
	}
	(void)fixture_session(&w.f, "later");
	assert_errno(wire_answer(&w, ask_read(&w, node, o.fh, strlen(all), 4096), &r), 0);
	cr_assert_not_null(strstr(r.data, "\"later\""), "an open log goes on: tail -f");
	reply_free(&r);
	assert_errno(wire_release(&w, &o), 0);
	free(all);
}

Test(ll, opening_what_is_not_written_or_read_is_EACCES)
{
	assert_errno(wire_openf(&w, wire_walk(&w, "README"), O_WRONLY, NULL), EACCES);
	assert_errno(wire_openf(&w, wire_walk(&w, "tasks/T/state"), O_RDWR, NULL), EACCES);
	assert_errno(wire_openf(&w, wire_walk(&w, "ready/T"), O_WRONLY, NULL), EACCES);
	assert_errno(wire_openf(&w, wire_walk(&w, "wait/events"), O_WRONLY, NULL), EACCES);
	w.who = (struct who){ 0, 0, 0 };
	assert_errno(wire_openf(&w, wire_walk(&w, "README"), O_WRONLY, NULL), EACCES);
}

Test(ll, reading_everything_changes_nothing)
{
	static const char *const paths[] = { "README",
					     "status",
					     "why",
					     "whoami",
					     "artifacts",
					     "events",
					     "claims/T",
					     "sessions/s1/claims/T",
					     "sessions/s1/why",
					     "sessions/s1/whoami",
					     "tasks/T/history",
					     "control/limits",
					     "ready/U" };
	char before[17];
	int64_t seq, touched;

	(void)fixture_hold(&w.f, s1, "T");
	(void)fixture_task(&w.f, "U", NULL);
	(void)strcpy(before, fixture_hash(&w.f));
	seq = store_seq(w.f.store);
	touched = fixture_grant_now(&w.f, fixture_task_now(&w.f, "T").token).touched;
	w.f.sim.boot += MINUTE;
	w.f.sim.wall += MINUTE;
	w.who.uid = 99;
	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++)
		cr_assert_neq(*wire_cat(&w, paths[i]), '!', "%s", paths[i]);
	cr_assert_str_eq(fixture_hash(&w.f), before);
	cr_assert_eq(store_seq(w.f.store), seq);
	cr_assert_eq(fixture_grant_now(&w.f, fixture_task_now(&w.f, "T").token).touched, touched);
}

/* --- wait/events --- */

static uint64_t wait_node;

static void open_wait(struct opened *o, int flags)
{
	wait_node = wire_walk(&w, "wait/events");
	assert_errno(wire_openf(&w, wait_node, O_RDONLY | flags, o), 0);
}

Test(ll, a_read_of_wait_events_waits_for_the_next_event)
{
	struct opened o;
	struct reply r;
	uint64_t a;

	open_wait(&o, 0);
	a = ask_read(&w, wait_node, o.fh, 0, 4096);
	wire_decide(&w);
	cr_assert_eq(wire_answered(&w, a, NULL), 0);
	assert_errno(wire_mkdir(&w, wire_walk(&w, "tasks"), "new"), 0);
	cr_assert_eq(wire_answered(&w, a, &r), 1);
	cr_assert_not_null(strstr(r.data, "\"event\":\"draft\""));
	cr_assert_not_null(strstr(r.data, "\"new\""));
	reply_free(&r);
	assert_errno(wire_release(&w, &o), 0);
}

Test(ll, every_waiting_reader_is_woken)
{
	struct opened o[3];
	uint64_t a[3];

	for (int i = 0; i < 3; i++) {
		open_wait(&o[i], 0);
		a[i] = ask_read(&w, wait_node, o[i].fh, 0, 4096);
	}
	assert_errno(wire_mkdir(&w, wire_walk(&w, "tasks"), "new"), 0);
	for (int i = 0; i < 3; i++) {
		cr_assert_eq(wire_answered(&w, a[i], NULL), 1);
		assert_errno(wire_release(&w, &o[i]), 0);
	}
}

Test(ll, what_came_since_the_open_is_read_without_waiting)
{
	struct opened o;
	struct reply r;

	open_wait(&o, 0);
	assert_errno(wire_mkdir(&w, wire_walk(&w, "tasks"), "one"), 0);
	assert_errno(wire_mkdir(&w, wire_walk(&w, "tasks"), "two"), 0);
	cr_assert_eq(wire_answered(&w, ask_read(&w, wait_node, o.fh, 0, 20), &r), 1);
	cr_assert_eq(r.n, 20);
	reply_free(&r);
	cr_assert_eq(wire_answered(&w, ask_read(&w, wait_node, o.fh, 20, 4096), &r), 1);
	cr_assert_not_null(strstr(r.data, "\"two\""));
	cr_assert_eq(r.data[r.n - 1], '\n');
	reply_free(&r);
	assert_errno(wire_release(&w, &o), 0);
}

Test(ll, a_waiting_read_is_interrupted)
{
	struct opened o;
	uint64_t a;

	open_wait(&o, 0);
	a = ask_read(&w, wait_node, o.fh, 0, 4096);
	(void)ask_interrupt(&w, a);
	cr_assert_eq(wire_answered(&w, a, NULL), 1);
	assert_errno(wire_mkdir(&w, wire_walk(&w, "tasks"), "new"), 0);
	cr_assert_eq(wire_unclaimed(&w), 0);
	assert_errno(wire_release(&w, &o), 0);
}

Test(ll, a_waiting_read_whose_interrupt_overtook_it_does_not_wait)
{
	struct opened o;
	uint64_t next;
	struct reply r;

	open_wait(&o, 0);
	next = w.unique + 4;
	(void)ask_interrupt(&w, next);
	cr_assert_eq(ask_read(&w, wait_node, o.fh, 0, 4096), next);
	cr_assert_eq(wire_answered(&w, next, &r), 1);
	cr_assert_eq(r.err, -EINTR);
	reply_free(&r);
	assert_errno(wire_release(&w, &o), 0);
}

Test(ll, a_reader_that_does_not_want_to_wait_gets_EAGAIN)
{
	struct fuse_read_in in = { .size = 4096, .flags = O_NONBLOCK };
	struct opened o;

	open_wait(&o, O_NONBLOCK);
	in.fh = o.fh;
	assert_errno(wire_answer(&w, wire_send(&w, FUSE_READ, wait_node, &in, sizeof(in), NULL, 0),
				 NULL),
		     EAGAIN);
	assert_errno(wire_release(&w, &o), 0);
}

Test(ll, a_reader_still_waiting_when_the_daemon_ends_is_answered)
{
	struct opened o;

	open_wait(&o, 0);
	(void)ask_read(&w, wait_node, o.fh, 0, 4096);
	wire_restart(&w);
	cr_assert_eq(wire_unclaimed(&w), 0);
}

/* --- poll --- */

static uint32_t poll_of(uint64_t node, uint64_t fh, uint64_t kh)
{
	struct fuse_poll_in in = {
		.fh = fh, .kh = kh, .flags = FUSE_POLL_SCHEDULE_NOTIFY, .events = POLLIN
	};
	struct fuse_poll_out out;
	struct reply r;

	assert_errno(wire_answer(&w, wire_send(&w, FUSE_POLL, node, &in, sizeof(in), NULL, 0), &r),
		     0);
	memcpy(&out, r.data, sizeof(out));
	reply_free(&r);
	return out.revents;
}

Test(ll, files_are_always_ready_and_wait_events_when_there_is_something)
{
	struct opened o, r;

	assert_errno(wire_openf(&w, wire_walk(&w, "README"), O_RDONLY, &r), 0);
	cr_assert_neq(poll_of(r.node, r.fh, 1) & POLLIN, 0);
	assert_errno(wire_release(&w, &r), 0);
	open_wait(&o, 0);
	cr_assert_eq(poll_of(wait_node, o.fh, 2), 0);
	cr_assert_eq(w.notified[FUSE_NOTIFY_POLL], 0);
	assert_errno(wire_mkdir(&w, wire_walk(&w, "tasks"), "new"), 0);
	(void)wire_unclaimed(&w);
	cr_assert_eq(w.notified[FUSE_NOTIFY_POLL], 1);
	cr_assert_neq(poll_of(wait_node, o.fh, 2) & POLLIN, 0);
	assert_errno(wire_mkdir(&w, wire_walk(&w, "tasks"), "newer"), 0);
	(void)wire_unclaimed(&w);
	cr_assert_eq(w.notified[FUSE_NOTIFY_POLL], 2, "an edge-triggered epoll asks once for all");
	assert_errno(wire_release(&w, &o), 0);
}

Test(ll, polling_again_and_closing_leaves_nothing_behind)
{
	struct opened o;

	open_wait(&o, 0);
	for (uint64_t i = 0; i < 5; i++)
		cr_assert_eq(poll_of(wait_node, o.fh, i), 0);
	assert_errno(wire_release(&w, &o), 0);
	assert_errno(wire_mkdir(&w, wire_walk(&w, "tasks"), "new"), 0);
	(void)wire_unclaimed(&w);
	cr_assert_eq(w.notified[FUSE_NOTIFY_POLL], 0);
}

/* --- writing --- */

Test(ll, a_field_is_set_by_one_write_and_reads_back)
{
	w.who.uid = WIRE_OWNER;
	assert_errno(wire_put(&w, "tasks/T/title", O_TRUNC, "What to do\n"), 0);
	cr_assert_str_eq(wire_cat(&w, "tasks/T/title"), "What to do\n");
	assert_errno(wire_put(&w, "tasks/T/tags", O_APPEND, "a\n"), 0);
	assert_errno(wire_put(&w, "tasks/T/tags", O_APPEND, "b\n"), 0);
	cr_assert_str_eq(wire_cat(&w, "tasks/T/tags"), "a\nb\n");
	assert_errno(wire_put(&w, "tasks/T/title", 0, "\n"), 0);
	cr_assert_str_eq(wire_cat(&w, "tasks/T/title"), "");
}

Test(ll, writes_that_follow_each_other_extend_the_value)
{
	struct opened o;

	w.who.uid = WIRE_OWNER;
	assert_errno(wire_openf(&w, wire_walk(&w, "tasks/T/body"), O_WRONLY | O_TRUNC, &o), 0);
	assert_errno(wire_write(&w, &o, 0, "one\n", 4), 0);
	cr_assert_str_eq(wire_cat(&w, "tasks/T/body"), "one\n");
	assert_errno(wire_write(&w, &o, 4, "two\n", 4), 0);
	cr_assert_str_eq(wire_cat(&w, "tasks/T/body"), "one\ntwo\n");
	assert_errno(wire_write(&w, &o, 4, "x", 1), EINVAL);
	assert_errno(wire_write(&w, &o, 0, "x", 1), EINVAL);
	assert_errno(wire_write(&w, &o, 99, "x", 1), EINVAL);
	assert_errno(wire_write(&w, &o, 8, "\a", 1), EINVAL);
	assert_errno(wire_write(&w, &o, 8, "three\n", 6), 0);
	assert_errno(wire_release(&w, &o), 0);
	cr_assert_str_eq(wire_cat(&w, "tasks/T/body"), "one\ntwo\nthree\n");
}

Test(ll, truncating_changes_nothing_by_itself)
{
	struct fuse_setattr_in in = { .valid = FATTR_SIZE, .size = 0 };

	w.who.uid = WIRE_OWNER;
	assert_errno(wire_put(&w, "tasks/T/title", 0, "x\n"), 0);
	assert_errno(wire_setattr(&w, wire_walk(&w, "tasks/T/title"), &in), 0);
	cr_assert_str_eq(wire_cat(&w, "tasks/T/title"), "x\n");
	assert_errno(wire_setattr(&w, wire_walk(&w, "README"), &in), EPERM);
	assert_errno(wire_setattr(&w, wire_walk(&w, "tasks/T/state"), &in), EPERM);
	assert_errno(wire_setattr(&w, WIRE_ROOT, &in), EPERM);
}

Test(ll, modes_and_owners_are_fixed)
{
	struct fuse_setattr_in mode = { .valid = FATTR_MODE, .mode = S_IFREG | 0777 };
	struct fuse_setattr_in same = { .valid = FATTR_MODE, .mode = S_IFREG | 0666 };
	struct fuse_setattr_in uid = { .valid = FATTR_UID, .uid = 7 };
	struct fuse_setattr_in gid = { .valid = FATTR_GID, .gid = 7 };
	uint64_t node = wire_walk(&w, "tasks/T/title");

	w.who.uid = 0;
	assert_errno(wire_setattr(&w, node, &mode), EPERM);
	assert_errno(wire_setattr(&w, node, &uid), EPERM);
	assert_errno(wire_setattr(&w, node, &gid), EPERM);
	assert_errno(wire_setattr(&w, node, &same), 0);
	assert_errno(wire_touch(&w, node), 0);
}

Test(ll, a_session_is_given_away_by_chown)
{
	struct fuse_setattr_in uid = { .valid = FATTR_UID, .uid = 7 };
	uint64_t node = wire_walk(&w, "sessions/s1");
	struct fuse_attr a;

	assert_errno(wire_setattr(&w, node, &uid), EPERM);
	w.who.uid = 0;
	assert_errno(wire_setattr(&w, node, &uid), 0);
	assert_errno(wire_getattr(&w, node, &a), 0);
	cr_assert_eq(a.uid, 7);
}

Test(ll, a_write_through_a_descriptor_nobody_opened_is_ESTALE)
{
	struct opened o = { .node = wire_walk(&w, "tasks/T/title"), .fh = 12345 };

	w.who.uid = WIRE_OWNER;
	assert_errno(wire_write(&w, &o, 0, "x", 1), ESTALE);
	assert_errno(wire_answer(&w, ask_read(&w, o.node, o.fh, 0, 10), NULL), ESTALE);
	assert_errno(wire_release(&w, &o), 0);
}

Test(ll, descriptors_of_an_earlier_daemon_are_ESTALE)
{
	struct opened o;

	w.who.uid = WIRE_OWNER;
	assert_errno(wire_openf(&w, wire_walk(&w, "tasks/T/title"), O_WRONLY, &o), 0);
	wire_restart(&w);
	assert_errno(wire_write(&w, &o, 0, "x", 1), ESTALE);
	assert_errno(wire_release(&w, &o), 0);
	cr_assert_str_eq(wire_cat(&w, "tasks/T/title"), "");
	assert_errno(wire_getattr(&w, o.node, NULL), 0);
}

Test(ll, an_import_is_one_write_and_its_report_is_read_back)
{
	w.who.uid = WIRE_OWNER;
	assert_errno(wire_put(&w, "control/import", 0,
			      "{\"task\":\"I\",\"state\":\"ready\",\"title\":\"old\"}\n"),
		     0);
	assert_ok(fixture_set(&w.f, "I", "title", "mine"));
	assert_errno(wire_put(&w, "control/import", 0,
			      "{\"task\":\"I\",\"state\":\"ready\",\"title\":\"new\"}\n"),
		     0);
	cr_assert_str_eq(wire_cat(&w, "control/import"), "I title: changed here, kept\n");
}

Test(ll, a_break_is_an_operators_write)
{
	char text[64];

	(void)snprintf(text, sizeof(text), "T %lld it hangs\n",
		       (long long)fixture_hold(&w.f, s1, "T"));
	assert_errno(wire_put(&w, "control/break", 0, text), EPERM);
	w.who.gid = WIRE_OPERATORS;
	assert_errno(wire_put(&w, "control/break", 0, text), 0);
	assert_column(&w.f, "T", COLUMN_READY);
}

/* --- sessions --- */

Test(ll, a_session_is_made_renewed_and_ended_by_its_directory)
{
	uint64_t sessions = wire_walk(&w, "sessions");

	assert_errno(wire_mkdir(&w, sessions, "s9"), 0);
	assert_errno(wire_touch(&w, wire_walk(&w, "sessions/s9")), 0);
	assert_errno(wire_rmdir(&w, sessions, "s9"), 0);
	assert_errno(wire_rmdir(&w, sessions, "s9"), 0);
	assert_errno(wire_rmdir(&w, sessions, "none"), ENOENT);
	assert_errno(wire_touch(&w, wire_walk(&w, "sessions/s9")), ESTALE);
	assert_errno(wire_mkdir(&w, sessions, "s9"), EEXIST);
}

Test(ll, touch_of_a_session_reports_a_loss_once)
{
	uint64_t node = wire_walk(&w, "sessions/s1");

	(void)fixture_hold(&w.f, s1, "T");
	fixture_pass(&w.f, HOUR + 1);
	assert_errno(wire_touch(&w, node), EKEYEXPIRED);
	assert_why("sessions/s1/why", "EKEYEXPIRED touch sessions/s1\nsession s1 lost T");
	assert_errno(wire_touch(&w, node), 0);
}

Test(ll, an_outcome_of_done_ends_the_session_and_frees_its_claims)
{
	(void)fixture_hold(&w.f, s1, "T");
	assert_errno(wire_put(&w, "sessions/s1/outcome", 0, "nothing left: done\n"), 0);
	cr_assert_str_eq(wire_cat(&w, "sessions/s1/state"), "ended outcome\n");
	cr_assert_str_eq(wire_cat(&w, "sessions/s1/outcome"), "nothing left: done\n");
	assert_column(&w.f, "T", COLUMN_READY);
}

/* --- who asks --- */

Test(ll, whoami_says_who_and_how)
{
	w.who.uid = 1234;
	cr_assert_str_eq(wire_cat(&w, "whoami"),
			 "session -\nhow -\nuid 1234\npid -\noperator no\n");
	w.who.uid = FIXTURE_UID;
	cr_assert_str_eq(wire_cat(&w, "sessions/s1/whoami"),
			 "session s1\nhow path\nuid 1000\npid -\noperator no\n");
	w.who.pid = wire_process(&w, "s2");
	cr_assert_not_null(strstr(wire_cat(&w, "whoami"), "session s2\nhow environment\n"));
	w.who.gid = WIRE_OPERATORS;
	cr_assert_not_null(strstr(wire_cat(&w, "whoami"), "operator yes\n"));
}

Test(ll, without_a_session_a_claim_is_ENOKEY_and_why_says_how_to_have_one)
{
	assert_errno(wire_create(&w, claims, "T", O_WRONLY, NULL), ENOKEY);
	assert_why("why", "ENOKEY claim claims/T\n");
	w.who.pid = wire_process(&w, "nobody");
	assert_errno(wire_create(&w, claims, "T", O_WRONLY, NULL), ENOKEY);
	assert_why("why", "COORD_SESSION=nobody names none");
	assert_column(&w.f, "T", COLUMN_READY);
}

Test(ll, the_environment_names_the_session)
{
	w.who.pid = wire_process(&w, "s2");
	assert_errno(wire_create(&w, claims, "T", O_WRONLY, NULL), 0);
	cr_assert_eq(fixture_grant_now(&w.f, fixture_task_now(&w.f, "T").token).session, s2);
	cr_assert_eq(fixture_grant_now(&w.f, fixture_task_now(&w.f, "T").token).pid, w.who.pid);
}

Test(ll, the_path_of_another_uids_session_is_EPERM)
{
	w.who.uid = 4711;
	assert_errno(wire_create(&w, claims1, "T", O_WRONLY, NULL), EPERM);
	assert_errno(wire_touch(&w, wire_walk(&w, "sessions/s1")), EPERM);
	assert_errno(wire_rmdir(&w, wire_walk(&w, "sessions"), "s1"), EPERM);
	assert_errno(wire_put(&w, "sessions/s1/outcome", 0, "done\n"), EPERM);
	w.who.uid = FIXTURE_UID;
	cr_assert_str_eq(wire_cat(&w, "sessions/s1/why"), "nothing was refused\n",
			 "what others were refused is not s1's");
	w.who.uid = 0;
	assert_errno(wire_create(&w, claims1, "T", O_WRONLY, NULL), 0);
}

Test(ll, the_environment_of_another_uids_session_makes_nobody_of_you)
{
	w.who = (struct who){ 4711, 4711, wire_process(&w, "s1") };
	cr_assert_neq(wire_create(&w, claims, "T", O_WRONLY, NULL), 0);
	assert_errno(wire_create(&w, claims, "T", O_WRONLY, NULL), EPERM);
	assert_column(&w.f, "T", COLUMN_READY);
}

static void join(pid_t pid, const char *session)
{
	char path[64];

	if (geteuid() != 0 && geteuid() != FIXTURE_UID)
		cr_skip_test("needs root, to have processes of uid 1000");

	w.who.pid = pid;
	(void)snprintf(path, sizeof(path), "sessions/%s/procs", session);
	assert_errno(wire_put(&w, path, 0, "0\n"), 0);
}

Test(ll, a_joined_process_is_its_session)
{
	char text[32];
	pid_t pid = wire_process(&w, NULL);

	join(pid, "s1");
	(void)snprintf(text, sizeof(text), "%d\n", pid);
	cr_assert_str_eq(wire_cat(&w, "sessions/s1/procs"), text);
	cr_assert_not_null(strstr(wire_cat(&w, "whoami"), "session s1\nhow joined process\n"));
	assert_errno(wire_create(&w, claims, "T", O_WRONLY, NULL), 0);
	cr_assert_eq(fixture_grant_now(&w.f, fixture_task_now(&w.f, "T").token).session, s1);
}

Test(ll, a_path_that_contradicts_the_joined_session_is_EPERM)
{
	(void)fixture_session(&w.f, "s1.2");
	(void)fixture_task(&w.f, "U", NULL);
	join(wire_process(&w, NULL), "s1");
	assert_errno(wire_create(&w, claims2, "T", O_WRONLY, NULL), EPERM);
	assert_why("sessions/s1/why", "you are session s1 (joined by process)");
	assert_errno(wire_create(&w, wire_walk(&w, "sessions/s1.2/claims"), "T", O_WRONLY, NULL),
		     0);
	w.who.uid = 0;
	assert_errno(wire_create(&w, claims2, "U", O_WRONLY, NULL), 0);
}

Test(ll, an_environment_set_below_the_joined_process_wins)
{
	pid_t pid = wire_process(&w, "s2");

	/* the process itself has joined: its own environment is not set below it */
	join(pid, "s1");
	cr_assert_not_null(strstr(wire_cat(&w, "whoami"), "session s1\nhow joined process\n"));
}

Test(ll, only_an_own_ancestor_or_descendant_joins)
{
	char text[32];
	pid_t other = wire_process(&w, NULL);

	w.who.pid = wire_process(&w, NULL);
	(void)snprintf(text, sizeof(text), "%d\n", other);
	assert_errno(wire_put(&w, "sessions/s1/procs", 0, text), EPERM);
	assert_errno(wire_put(&w, "sessions/s1/procs", 0, "1\n"), EPERM);
	assert_errno(wire_put(&w, "sessions/s1/procs", 0, "x\n"), EINVAL);
	assert_errno(wire_put(&w, "sessions/s1/procs", 0, "999999999\n"), ESRCH);
	w.who.pid = 0;
	assert_errno(wire_put(&w, "sessions/s1/procs", 0, "0\n"), ESRCH);
}

Test(ll, a_hand_over_acts_as_its_source)
{
	(void)fixture_hold(&w.f, s1, "T");
	join(wire_process(&w, NULL), "s2");
	assert_errno(wire_rename(&w, claims1, "T", claims2), EPERM);
	w.who.pid = 0;
	assert_errno(wire_rename(&w, claims1, "T", claims2), 0);
	cr_assert_eq(fixture_grant_now(&w.f, fixture_task_now(&w.f, "T").token).session, s2);
}

/* --- what the kernel may keep --- */

Test(ll, live_names_are_not_cached_by_a_kernel_that_cannot_be_told)
{
	struct fuse_entry_out e;

	assert_errno(wire_lookup(&w, wire_walk(&w, "ready"), "T", &e), 0);
	cr_assert_eq(e.entry_valid + e.entry_valid_nsec, 0);
	cr_assert_eq(e.attr_valid + e.attr_valid_nsec, 0);
	assert_errno(wire_lookup(&w, WIRE_ROOT, "README", &e), 0);
	cr_assert_eq(e.entry_valid, 60);
	assert_errno(wire_mkdir(&w, wire_walk(&w, "tasks"), "x"), 0);
	cr_assert_eq(w.notified[8], 0);
}

Test(ll, a_kernel_with_epochs_is_told_before_every_answer)
{
	struct fuse_entry_out e;

	wire_close(&w);
	wire_open_as(&w, 44);
	(void)fixture_task(&w.f, "T", NULL);
	assert_errno(wire_lookup(&w, wire_walk(&w, "ready"), "T", &e), 0);
	cr_assert_eq(e.entry_valid, 1);
	assert_errno(wire_mkdir(&w, wire_walk(&w, "tasks"), "x"), 0);
	cr_assert_eq(w.notified[8], 1);
}

/* --- what makes no sense --- */

Test(ll, unknown_operations_are_ENOSYS)
{
	assert_errno(wire_answer(&w, wire_send(&w, 200, WIRE_ROOT, NULL, 0, NULL, 0), NULL),
		     ENOSYS);
	assert_errno(wire_answer(&w, ask_name(&w, FUSE_GETXATTR, WIRE_ROOT, "x"), NULL), ENOSYS);
}

Test(ll, unknown_nodes_are_ESTALE_everywhere)
{
	static const uint64_t nodes[] = { 0,
					  300,
					  65535,
					  UINT64_C(999) << 16 | ROW_TASK,
					  UINT64_C(999) << 16 | ROW_CLAIM,
					  UINT64_C(999) << 16 | ROW_SESSION,
					  UINT64_C(999) << 16 | ROW_TASK_TITLE,
					  UINT64_MAX };

	for (size_t i = 0; i < sizeof(nodes) / sizeof(nodes[0]); i++) {
		struct opened o;
		uint64_t n = nodes[i];

		assert_errno(wire_getattr(&w, n, NULL), ESTALE);
		assert_errno(wire_openf(&w, n, O_RDONLY, &o), ESTALE);
		assert_errno(wire_touch(&w, n), ESTALE);
		cr_assert_neq(wire_openf(&w, n, O_WRONLY, &o), 0);
		cr_assert_neq(wire_lookup(&w, n, "T", NULL), 0);
		cr_assert_neq(wire_mkdir(&w, n, "T"), 0);
		cr_assert_neq(wire_unlink(&w, n, "T"), 0);
		cr_assert_neq(wire_create(&w, n, "T", O_WRONLY, &o), 0);
		cr_assert_neq(wire_rename(&w, n, "T", claims), 0);
		cr_assert_neq(wire_rename(&w, wire_walk(&w, "ready"), "T", n), 0);
	}
	assert_column(&w.f, "T", COLUMN_READY);
}

Test(ll, names_in_a_dead_directory_are_ESTALE)
{
	uint64_t dead = UINT64_C(999) << 16 | ROW_SESSION_CLAIMS, none = 500;

	assert_errno(wire_create(&w, dead, "T", O_WRONLY, NULL), ESTALE);
	assert_errno(wire_unlink(&w, dead, "T"), ESTALE);
	assert_errno(wire_mkdir(&w, none, "T"), ESTALE);
	assert_errno(wire_unlink(&w, none, "T"), ESTALE);
	assert_errno(wire_rename(&w, none, "T", claims), ESTALE);
	assert_errno(wire_rename(&w, wire_walk(&w, "ready"), "T", none), ESTALE);
}

Test(ll, forgets_are_not_answered)
{
	struct fuse_forget_in in = { .nlookup = 3 };
	struct {
		struct fuse_batch_forget_in in;
		struct fuse_forget_one one[2];
	} batch = { .in = { .count = 2 }, .one = { { 5, 1 }, { UINT64_MAX, 9 } } };

	(void)wire_send(&w, FUSE_FORGET, claims, &in, sizeof(in), NULL, 0);
	(void)wire_send(&w, FUSE_BATCH_FORGET, 0, &batch, sizeof(batch), NULL, 0);
	cr_assert_eq(wire_unclaimed(&w), 0);
	assert_errno(wire_getattr(&w, claims, NULL), 0);
}

Test(ll, small_operations_are_answered)
{
	struct opened o;
	struct fuse_fsync_in sync = { .fh = 0 };
	struct fuse_lk_in lock = { .lk_flags = FUSE_LK_FLOCK, .lk = { .type = F_WRLCK } };

	assert_errno(wire_answer(&w, wire_send(&w, FUSE_STATFS, WIRE_ROOT, NULL, 0, NULL, 0), NULL),
		     0);
	assert_errno(wire_openf(&w, wire_walk(&w, "ready/T"), O_RDONLY, &o), 0);
	sync.fh = lock.fh = o.fh;
	assert_errno(wire_answer(&w,
				 wire_send(&w, FUSE_FSYNC, o.node, &sync, sizeof(sync), NULL, 0),
				 NULL),
		     0);
	assert_errno(wire_answer(&w,
				 wire_send(&w, FUSE_SETLKW, o.node, &lock, sizeof(lock), NULL, 0),
				 NULL),
		     EOPNOTSUPP);
	assert_errno(wire_release(&w, &o), 0);
}
