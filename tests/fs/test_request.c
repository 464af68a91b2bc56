#include <fcntl.h>
#include <unistd.h>

#include "fs/caller.h"
#include "fs/node.h"
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

TestSuite(request, .init = setup, .fini = teardown);

/* A request of the process PID (0: unseen), identified in a directory of SESSION. */
static struct request ask(uint32_t uid, pid_t pid, int64_t path)
{
	struct request r = {
		.fs = &w.fs, .uid = uid, .gid = uid, .tid = pid, .db = store_reader(w.f.store)
	};

	cr_assert_eq(store_read_begin(w.f.store), 0);
	(void)request_identify(&r, path);
	store_read_end(w.f.store);
	return r;
}

/* The test's own process, the parent of all that wire_process starts, is in SESSION. */
static void join_parent(int64_t session)
{
	struct proc me;

	cr_assert_eq(caller_proc(getpid(), &me), 0);
	assert_ok(commit(&w.f, CHANGE_JOIN, .as = session, .thing = session, .member = me.pid,
			 .member_start = me.start, .text = w.f.sim.boot_id));
}

/* --- identity --- */

Test(request, a_path_is_the_session_whose_directory_it_is)
{
	struct request r = ask(FIXTURE_UID, 0, s1);

	cr_assert_eq(r.actor.session, s1);
	cr_assert_eq(r.actor.how, ACTOR_PATH);
	cr_assert_eq(r.actor.pid, 0);
	request_release(&r);
}

Test(request, a_process_in_no_session_is_nobody)
{
	struct request r = ask(FIXTURE_UID, wire_process(&w, NULL), 0);

	cr_assert_eq(r.actor.session, 0);
	cr_assert_eq(r.actor.how, ACTOR_NONE);
	cr_assert_neq(r.actor.pid, 0);
	cr_assert_eq(r.parent, getpid());
	request_release(&r);
}

Test(request, a_child_of_a_joined_process_is_its_session)
{
	struct request r;

	join_parent(s1);
	r = ask(FIXTURE_UID, wire_process(&w, NULL), 0);
	cr_assert_eq(r.actor.session, s1);
	cr_assert_eq(r.actor.how, ACTOR_JOINED);
	cr_assert_eq(r.actor.joined, s1);
	request_release(&r);
}

Test(request, an_environment_set_below_the_joined_process_wins)
{
	struct request r;

	join_parent(s1);
	r = ask(FIXTURE_UID, wire_process(&w, "s2"), 0);
	cr_assert_eq(r.actor.session, s2);
	cr_assert_eq(r.actor.how, ACTOR_ENV);
	cr_assert_eq(r.actor.joined, s1);
	request_release(&r);
}

Test(request, an_environment_that_names_no_session_does_not_undo_joining)
{
	struct request r;

	join_parent(s1);
	r = ask(FIXTURE_UID, wire_process(&w, "nobody"), 0);
	cr_assert_eq(r.actor.session, s1);
	request_release(&r);
	r = ask(FIXTURE_UID, wire_process(&w, ""), 0);
	cr_assert_eq(r.actor.session, s1);
	request_release(&r);
}

Test(request, what_joined_in_an_earlier_boot_is_no_member)
{
	struct proc me;
	struct request r;

	cr_assert_eq(caller_proc(getpid(), &me), 0);
	assert_ok(commit(&w.f, CHANGE_JOIN, .as = s1, .thing = s1, .member = me.pid,
			 .member_start = me.start, .text = "another-boot"));
	r = ask(FIXTURE_UID, wire_process(&w, NULL), 0);
	cr_assert_eq(r.actor.session, 0);
	request_release(&r);
}

Test(request, a_name_is_an_ancestor_of_what_goes_on_with_a_dot)
{
	int64_t below = fixture_session(&w.f, "s1.2"), beside = fixture_session(&w.f, "s12");
	struct request r;

	join_parent(s1);
	r = ask(FIXTURE_UID, wire_process(&w, NULL), below);
	cr_assert_eq(r.actor.session, below);
	request_release(&r);
	r = ask(FIXTURE_UID, wire_process(&w, NULL), beside);
	cr_assert_eq(r.actor.session, s1, "refused, in its own name");
	cr_assert_gt(r.why.n, 0);
	request_release(&r);
}

/* 0 nobody, 1 an operator, 3 the owner too. */
static int rank(uint32_t id)
{
	struct request r = ask(id, 0, 0); /* as uid, and as group */
	int is = r.actor.is_operator + 2 * r.actor.is_owner;

	request_release(&r);
	return is;
}

Test(request, operators_are_root_the_owner_and_the_group)
{
	cr_assert_eq(rank(0), 3);
	cr_assert_eq(rank(WIRE_OWNER), 3);
	cr_assert_eq(rank(WIRE_OPERATORS), 1);
	cr_assert_eq(rank(FIXTURE_UID), 0);
	w.fs.operators = UINT32_MAX;
	cr_assert_eq(rank(WIRE_OPERATORS), 0);
}

Test(request, identifying_twice_is_identifying_once)
{
	struct request r = ask(FIXTURE_UID, 0, s1);

	cr_assert_eq(request_identify(&r, s2), 0);
	cr_assert_eq(r.actor.session, s1);
	request_release(&r);
}

/* --- refusing --- */

Test(request, a_refusal_replaces_the_one_before)
{
	struct request r = { .fs = &w.fs };

	cr_assert_eq(request_refuse(&r, EPERM, "one", "first %d", 1), -EPERM);
	cr_assert_eq(request_refuse(&r, EBUSY, "two", "second\nforged\033"), -EBUSY);
	cr_assert_str_eq(buf_text(&r.why), "second?forged?\nnext: two\n");
	request_release(&r);
	cr_assert_eq(r.why.n, 0);
}

/* --- changes --- */

Test(request, a_change_is_by_the_caller)
{
	struct request r = ask(FIXTURE_UID, 0, s1);
	struct change *c;

	(void)snprintf(r.op, sizeof(r.op), "claim x");
	c = request_change(&r, CHANGE_CLAIM, "T");
	cr_assert_eq(c, r.change);
	cr_assert_eq(c->kind, CHANGE_CLAIM);
	cr_assert_str_eq(c->name, "T");
	cr_assert_eq(c->actor.session, s1);
	cr_assert_eq(c->actor.uid, FIXTURE_UID);
	c = request_change(&r, CHANGE_RELEASE, NULL);
	cr_assert_eq(c, r.change, "the first one is gone");
	cr_assert_str_empty(c->name);
	request_release(&r);
	cr_assert_null(r.change);
}

Test(request, a_name_that_fits_nowhere_is_refused)
{
	struct request r = ask(FIXTURE_UID, 0, s1);
	char name[300];

	memset(name, 'x', sizeof(name));
	name[299] = 0;
	cr_assert_null(request_change(&r, CHANGE_CLAIM, name));
	cr_assert_eq(request_error(&r), -EINVAL);
	cr_assert_not_null(strstr(buf_text(&r.why), "299 bytes"));
	request_release(&r);
}
