#include <pthread.h>
#include <stdatomic.h>
#include <poll.h>

#include "backend/log.h"
#include "backend/store_impl.h"
#include "backend/tx.h"
#include "tests/lib/check.h"
#include "tests/lib/disk.h"

static struct fixture f;

static void setup(void)
{
	fixture_open(&f);
}

static void teardown(void)
{
	fixture_close(&f);
}

TestSuite(writer, .init = setup, .fini = teardown);

/* --- a batch --- */

Test(writer, a_refusal_in_a_batch_undoes_only_itself)
{
	int64_t s = fixture_session(&f, "s1");
	struct change *c[5];

	(void)fixture_task(&f, "A", "src/a");
	(void)fixture_task(&f, "B", "src/b");
	c[0] = queue(&f, CHANGE_CLAIM, .as = s, .name = "A");
	c[1] = queue(&f, CHANGE_CLAIM, .as = s, .name = "none");
	c[2] = queue(&f, CHANGE_EXTEND, .as = s, .name = "A", .text = "src/c\nsrc/../d\n");
	c[3] = queue(&f, CHANGE_CLAIM, .as = s, .name = "B");
	c[4] = queue(&f, CHANGE_RELEASE, .as = s, .name = "none");
	cr_assert_eq(fixture_run(&f), 5);
	assert_ok(fixture_take(c[0]));
	assert_refused(fixture_take(c[1]), ENOENT, "no task none");
	assert_refused(fixture_take(c[2]), EINVAL, "src/../d");
	assert_ok(fixture_take(c[3]));
	assert_refused(fixture_take(c[4]), ENOENT, "no task none");
	assert_column(&f, "A", COLUMN_CLAIMS);
	assert_column(&f, "B", COLUMN_CLAIMS);
	cr_assert_str_eq(fixture_artifacts(&f, "A"), ":src/a");
	assert_sound(&f);
}

Test(writer, the_first_of_two_claims_in_a_batch_wins)
{
	int64_t s1 = fixture_session(&f, "s1"), s2 = fixture_session(&f, "s2");
	struct change *first, *second;

	(void)fixture_task(&f, "T", "src/a");
	first = queue(&f, CHANGE_CLAIM, .as = s2, .name = "T");
	second = queue(&f, CHANGE_CLAIM, .as = s1, .name = "T");
	(void)fixture_run(&f);
	assert_ok(fixture_take(first));
	assert_refused(fixture_take(second), EBUSY, "held by session s2");
	cr_assert_eq(fixture_count(&f, "claim"), 1);
}

Test(writer, changes_of_a_batch_see_those_before_them)
{
	int64_t s = fixture_session(&f, "s1");
	struct change *c[4];

	c[0] = queue(&f, CHANGE_DRAFT, .as = s, .name = "T");
	c[1] = queue(&f, CHANGE_PUBLISH, .as = s, .name = "T");
	c[2] = queue(&f, CHANGE_CLAIM, .as = s, .name = "T");
	c[3] = queue(&f, CHANGE_FINISH, .as = s, .name = "T");
	cr_assert_eq(fixture_run(&f), 4);
	for (int i = 0; i < 4; i++)
		assert_ok(fixture_take(c[i]));
	assert_column(&f, "T", COLUMN_DONE);
}

Test(writer, a_batch_is_seen_whole_or_not_at_all)
{
	int64_t s = fixture_session(&f, "s1");
	struct db *db = store_reader(f.store);
	struct change *c[2];
	struct task t;

	(void)fixture_task(&f, "T", NULL);
	cr_assert_eq(store_read_begin(f.store), 0);
	cr_assert_eq(read_task_named(db, "T", &t), 1);
	c[0] = queue(&f, CHANGE_CLAIM, .as = s, .name = "T");
	c[1] = queue(&f, CHANGE_FINISH, .as = s, .name = "T");
	writer_run_batch(f.store);
	cr_assert_eq(read_task_named(db, "T", &t), 1);
	cr_assert_eq(t.column, COLUMN_READY, "an open read sees a later batch");
	store_read_end(f.store);
	(void)store_collect(f.store);
	assert_column(&f, "T", COLUMN_DONE);
	assert_ok(fixture_take(c[0]));
	assert_ok(fixture_take(c[1]));
}

Test(writer, a_batch_that_cannot_be_written_is_refused_whole_and_nothing_of_it_stays)
{
	int64_t s = fixture_session(&f, "s1"), seq;
	char before[17], *big = malloc(60001);
	struct change *c[2];

	memset(big, 'x', 60000);
	big[60000] = 0;
	(void)fixture_task(&f, "T", NULL);
	(void)strcpy(before, fixture_hash(&f));
	seq = store_seq(f.store);
	log_level(LOG_CRIT);
	cr_assert_eq(db_script(f.store->writer, "PRAGMA max_page_count=1"), 0);
	c[0] = queue(&f, CHANGE_CLAIM, .as = s, .name = "T");
	c[1] = queue(&f, CHANGE_SET, .of = THING_TASK, .thing = fixture_task_now(&f, "T").id,
		     .field = "body", .text = big, .as = s);
	(void)fixture_run(&f);
	assert_refused(fixture_take(c[0]), ENOSPC, "disk of the store is full");
	assert_refused(fixture_take(c[1]), ENOSPC, "disk of the store is full");
	cr_assert_str_eq(fixture_hash(&f), before);
	cr_assert_eq(store_seq(f.store), seq);
	cr_assert_eq(store_failed(f.store), 0, "a full disk is no reason to stop");

	cr_assert_eq(db_script(f.store->writer, "PRAGMA max_page_count=1000000"), 0);
	cr_assert_eq(fixture_hold(&f, s, "T"), seq + 1, "the numbers of a lost batch are free");
	assert_sound(&f);
	free(big);
}

Test(writer, a_failed_store_refuses_everything)
{
	int64_t s = fixture_session(&f, "s1");

	(void)fixture_task(&f, "T", NULL);
	log_level(LOG_CRIT);
	atomic_store(&f.store->failed, 1);
	assert_refused(fixture_claim(&f, s, "T"), EIO, "could not write");
	assert_column(&f, "T", COLUMN_READY);
}

Test(writer, a_change_whose_asker_is_gone_is_not_applied)
{
	int64_t s = fixture_session(&f, "s1");
	struct change *c;

	(void)fixture_task(&f, "T", NULL);
	c = queue(&f, CHANGE_CLAIM, .as = s, .name = "T");
	c->cancelled = 1;
	(void)fixture_run(&f);
	cr_assert_eq(fixture_take(c).err, -EINTR);
	assert_column(&f, "T", COLUMN_READY);
	cr_assert_eq(fixture_count(&f, "claim"), 0);
}

Test(writer, answers_are_announced_by_a_descriptor)
{
	struct pollfd p = { .fd = store_event_fd(f.store), .events = POLLIN };
	struct change *c = queue(&f, CHANGE_REGISTER, .name = "s1");

	cr_assert_eq(poll(&p, 1, 0), 0);
	writer_run_batch(f.store);
	cr_assert_eq(poll(&p, 1, 0), 1);
	cr_assert_eq(store_collect(f.store), 1);
	cr_assert_eq(poll(&p, 1, 0), 0);
	assert_ok(fixture_take(c));
}

Test(writer, an_empty_batch_does_nothing)
{
	int64_t seq = store_seq(f.store);

	cr_assert_eq(fixture_run(&f), 0);
	cr_assert_eq(store_seq(f.store), seq);
}

/* --- its thread --- */

static void *ask_many(void *arg)
{
	struct change **c = arg;

	for (int i = 0; i < 50; i++)
		store_commit(f.store, c[i]);
	return NULL;
}

static _Atomic int answered;

static void count_one(struct change *c)
{
	c->arg = c;
	answered++;
}

Test(writer, its_thread_answers_all_that_several_threads_queue_and_ends_when_told)
{
	struct change *c[2][50];
	pthread_t writer, asker[2];
	int64_t last = 0;

	for (int i = 0; i < 100; i++) {
		struct change *one = change_new(CHANGE_REGISTER);

		(void)snprintf(one->name, sizeof(one->name), "s%d", i);
		one->done = count_one;
		c[i / 50][i % 50] = one;
	}
	cr_assert_eq(pthread_create(&writer, NULL, writer_main, f.store), 0);
	for (int i = 0; i < 2; i++)
		cr_assert_eq(pthread_create(&asker[i], NULL, ask_many, c[i]), 0);
	for (int i = 0; i < 2; i++)
		cr_assert_eq(pthread_join(asker[i], NULL), 0);
	store_stop(f.store);
	cr_assert_eq(pthread_join(writer, NULL), 0);
	(void)store_collect(f.store);
	cr_assert_eq(answered, 100, "what was queued before the end is decided");
	for (int i = 0; i < 100; i++) {
		struct outcome o = fixture_take(c[i / 50][i % 50]);

		assert_ok(o);
		last = o.id > last ? o.id : last;
	}
	cr_assert_eq(last, store_seq(f.store));
}

/* --- numbers --- */

Test(writer, tokens_rise_whatever_happens_between)
{
	int64_t s1 = fixture_session(&f, "s1"), s2 = fixture_session(&f, "s2"), last = 0, token;

	(void)fixture_task(&f, "A", NULL);
	(void)fixture_task(&f, "B", NULL);
	for (int i = 0; i < 12; i++) {
		token = fixture_hold(&f, i % 2 ? s1 : s2, "A");
		cr_assert_gt(token, last);
		last = token;
		switch (i % 4) {
		case 0:
			assert_ok(fixture_release(&f, s2, "A"));
			break;
		case 1:
			assert_ok(fixture_finish(&f, s1, "A"));
			assert_ok(commit(&f, CHANGE_REOPEN, .name = "A"));
			break;
		case 2:
			assert_refused(fixture_claim(&f, s1, "A"), EBUSY, "s2");
			assert_ok(fixture_release(&f, s2, "A"));
			cr_assert_eq(fixture_restart(&f), 0);
			break;
		default:
			token = fixture_hold(&f, s1, "B");
			cr_assert_gt(token, last);
			last = token;
			assert_ok(fixture_release(&f, s1, "B"));
			assert_ok(fixture_release(&f, s1, "A"));
		}
	}
}

Test(writer, events_are_numbered_without_gaps_and_their_bytes_add_up)
{
	int64_t s = fixture_session(&f, "s1"), seq = 0, bytes = 0;
	struct rows *r;

	(void)fixture_task(&f, "T", "src/a\nsrc/b");
	assert_refused(fixture_claim(&f, s, "none"), ENOENT, "none");
	(void)fixture_hold(&f, s, "T");
	assert_refused(fixture_claim(&f, s, "T"), EEXIST, "own");
	assert_ok(fixture_finish(&f, s, "T"));
	cr_assert_eq(store_read_begin(f.store), 0);
	r = db_rows(store_reader(f.store), Q(EVENTS_ALL));
	while (rows_next(r) > 0) {
		json_t *e = json_loads(rows_text(r, 3), 0, NULL);

		cr_assert_not_null(e);
		cr_assert_eq(rows_int(r, 0), ++seq);
		cr_assert_eq(event_int(e, "seq"), seq);
		bytes += (int64_t)strlen(rows_text(r, 3)) + 1;
		cr_assert_eq(rows_int(r, 1), bytes);
		json_decref(e);
	}
	rows_end(&r);
	store_read_end(f.store);
	cr_assert_eq(store_seq(f.store), seq);
	cr_assert_eq(store_bytes(f.store), bytes);
}

Test(writer, a_refusal_without_a_session_takes_no_number)
{
	int64_t seq = store_seq(f.store);

	assert_refused(commit(&f, CHANGE_CLAIM, .name = "T"), ENOENT, "no task T");
	assert_refused(commit(&f, CHANGE_DRAFT, .name = ".T"), EINVAL, "not a name");
	cr_assert_eq(store_seq(f.store), seq);
}

Test(writer, a_renewal_takes_no_number)
{
	int64_t s = fixture_session(&f, "s1"), seq = store_seq(f.store);

	assert_ok(commit(&f, CHANGE_RENEW, .as = s, .thing = s));
	cr_assert_eq(store_seq(f.store), seq);
}

/* --- refusals are kept with the session --- */

Test(writer, a_refusal_is_recorded_with_its_session_in_words)
{
	int64_t s = fixture_session(&f, "s1");
	json_t *e;

	assert_refused(commit(&f, CHANGE_CLAIM, .as = s, .name = "none", .op = "claim claims/none"),
		       ENOENT, "none");
	cr_assert_eq(fixture_session_now(&f, s).refusals, 1);
	e = fixture_event(&f, "refused");
	cr_assert_str_eq(event_text(e, "op"), "claim claims/none");
	cr_assert_str_eq(event_text(e, "errno"), "ENOENT");
	cr_assert_str_eq(event_text(e, "session"), "s1");
	cr_assert_eq(strncmp(event_text(e, "why"),
			     "2026-07-01T08:20:00Z ENOENT claim claims/none\n", 46),
		     0, "%s", event_text(e, "why"));
	json_decref(e);
}

Test(writer, a_refusal_that_quotes_what_is_no_text_loses_nobody_else_the_batch)
{
	int64_t s = fixture_session(&f, "s1");
	struct change *bad, *good;
	struct outcome o;
	json_t *e;

	(void)fixture_task(&f, "A", "src/a");
	(void)fixture_task(&f, "B", "src/b");
	(void)fixture_hold(&f, s, "A");
	bad = queue(&f, CHANGE_EXTEND, .as = s, .name = "A", .text = "src/\xff\033[31m\n");
	good = queue(&f, CHANGE_CLAIM, .as = s, .name = "B");
	(void)fixture_run(&f);
	o = fixture_take(bad);
	assert_refused(o, EILSEQ, "\"src/??[31m\"");
	assert_ok(fixture_take(good));
	e = fixture_event(&f, "refused");
	cr_assert_not_null(strstr(event_text(e, "why"), "src/??[31m"));
	json_decref(e);
}

Test(writer, the_same_refusal_of_a_process_within_a_second_counts_once)
{
	int64_t s = fixture_session(&f, "s1");
	struct ask ask = { CHANGE_CLAIM, .as = s, .name = "X", .pid = 7, .op = "claim claims/X" };

	(void)fixture_commit(&f, &ask);
	f.sim.boot += 900;
	f.sim.wall += 900;
	(void)fixture_commit(&f, &ask);
	cr_assert_eq(fixture_session_now(&f, s).refusals, 1);
	ask.op = "claim claims/Y";
	(void)fixture_commit(&f, &ask);
	cr_assert_eq(fixture_session_now(&f, s).refusals, 2, "another name");
	ask.op = "claim claims/X";
	ask.pid = 8;
	(void)fixture_commit(&f, &ask);
	cr_assert_eq(fixture_session_now(&f, s).refusals, 3, "another process");
	ask.pid = 7;
	f.sim.boot += 200;
	f.sim.wall += 200;
	(void)fixture_commit(&f, &ask);
	cr_assert_eq(fixture_session_now(&f, s).refusals, 4, "another second");
}

Test(writer, a_wall_clock_step_does_not_count_a_refusal_twice)
{
	int64_t s = fixture_session(&f, "s1");

	(void)commit(&f, CHANGE_CLAIM, .as = s, .name = "X", .pid = 7, .op = "claim claims/X");
	f.sim.wall -= HOUR;
	(void)commit(&f, CHANGE_CLAIM, .as = s, .name = "X", .pid = 7, .op = "claim claims/X");
	f.sim.wall += 2 * HOUR;
	(void)commit(&f, CHANGE_CLAIM, .as = s, .name = "X", .pid = 7, .op = "claim claims/X");
	cr_assert_eq(fixture_session_now(&f, s).refusals, 1);
}

Test(writer, nobody_is_refused_in_the_name_of_a_session_of_another_uid)
{
	int64_t s = fixture_session_of(&f, "s1", 1000);

	(void)fixture_task(&f, "T", NULL);
	assert_refused(commit(&f, CHANGE_CLAIM, .as = s, .uid = 1001, .name = "T"), EPERM,
		       "belongs to uid 1000");
	cr_assert_eq(fixture_session_now(&f, s).refusals, 0, "it would count against the victim");
}

/* --- leases --- */

static int64_t left(int64_t token)
{
	return fixture_grant_now(&f, token).expires - f.sim.boot;
}

Test(writer, a_claim_has_its_whole_lease)
{
	int64_t s = fixture_session(&f, "s1");

	(void)fixture_task(&f, "A", NULL);
	(void)fixture_task(&f, "B", NULL);
	cr_assert_eq(left(fixture_hold(&f, s, "A")), HOUR, "60m unless control/lease says else");
	assert_ok(fixture_set(&f, "B", "ttl", "5m"));
	cr_assert_eq(left(fixture_hold(&f, s, "B")), 5 * MINUTE, "a task's ttl overrides");
	assert_ok(fixture_control(&f, "lease", "2h"));
	assert_ok(fixture_release(&f, s, "A"));
	cr_assert_eq(left(fixture_hold(&f, s, "A")), 2 * HOUR);
}

Test(writer, every_mutation_of_a_session_renews_all_it_holds_and_a_refusal_none)
{
	int64_t s = fixture_session(&f, "s1"), a, b;

	(void)fixture_task(&f, "A", NULL);
	(void)fixture_task(&f, "B", NULL);
	a = fixture_hold(&f, s, "A");
	fixture_pass(&f, 10 * MINUTE);
	b = fixture_hold(&f, s, "B");
	cr_assert_eq(left(a), HOUR, "a claim of another task renews it");
	fixture_pass(&f, 10 * MINUTE);
	assert_refused(fixture_claim(&f, s, "none"), ENOENT, "none");
	cr_assert_eq(left(a), 50 * MINUTE, "a refusal is no sign of work");
	assert_ok(commit(&f, CHANGE_EXTEND, .as = s, .name = "A", .text = "src/x"));
	cr_assert_eq(left(a), HOUR);
	cr_assert_eq(left(b), HOUR);
	cr_assert_eq(fixture_grant_now(&f, b).touched, f.sim.wall);
	fixture_pass(&f, 10 * MINUTE);
	assert_ok(commit(&f, CHANGE_RENEW, .as = s, .thing = s));
	cr_assert_eq(left(a), HOUR);
}

Test(writer, a_mutation_renews_nothing_of_other_sessions)
{
	int64_t s1 = fixture_session(&f, "s1"), s2 = fixture_session(&f, "s2"), a;

	(void)fixture_task(&f, "A", NULL);
	a = fixture_hold(&f, s1, "A");
	fixture_pass(&f, 10 * MINUTE);
	assert_ok(commit(&f, CHANGE_DRAFT, .as = s2, .name = "B"));
	assert_ok(commit(&f, CHANGE_DRAFT, .owner = 1, .name = "C"));
	cr_assert_eq(left(a), 50 * MINUTE);
}

Test(writer, a_renewal_never_shortens_a_lease)
{
	int64_t s = fixture_session(&f, "s1"), a;

	(void)fixture_task(&f, "A", NULL);
	a = fixture_hold(&f, s, "A");
	assert_ok(fixture_control(&f, "lease", "1m"));
	assert_ok(commit(&f, CHANGE_RENEW, .as = s, .thing = s));
	cr_assert_eq(left(a), HOUR);
}

Test(writer, a_lease_ends_at_its_end_and_not_a_moment_before)
{
	int64_t s1 = fixture_session(&f, "s1"), s2;
	json_t *e;

	(void)fixture_task(&f, "A", "src/a");
	(void)fixture_hold(&f, s1, "A");
	fixture_pass(&f, HOUR);
	assert_column(&f, "A", COLUMN_CLAIMS);
	s2 = fixture_session(&f, "s2");
	assert_refused(fixture_claim(&f, s2, "A"), EBUSY, "s1");
	fixture_pass(&f, 1);
	assert_column(&f, "A", COLUMN_READY);
	e = fixture_event(&f, "lost");
	cr_assert_str_eq(event_text(e, "reason"), "expired");
	cr_assert_str_eq(event_text(e, "session"), "s1");
	json_decref(e);
	assert_ok(fixture_claim(&f, s2, "A"));
	assert_sound(&f);
}

Test(writer, whoever_comes_first_after_its_end_finds_the_lease_ended)
{
	int64_t s1 = fixture_session(&f, "s1"), s2;

	(void)fixture_task(&f, "A", "src/a");
	(void)fixture_task(&f, "B", "src");
	(void)fixture_hold(&f, s1, "A");
	fixture_pass(&f, HOUR);
	s2 = fixture_session(&f, "s2");
	f.sim.boot += 1; /* and no tick */
	assert_ok(fixture_claim(&f, s2, "B"));
	assert_column(&f, "A", COLUMN_BLOCKED);
}

Test(writer, its_holder_comes_too_late_too)
{
	int64_t s = fixture_session(&f, "s1");

	(void)fixture_task(&f, "A", NULL);
	(void)fixture_hold(&f, s, "A");
	f.sim.boot += HOUR + 1;
	assert_refused(fixture_finish(&f, s, "A"), ESTALE, "lost A");
	assert_column(&f, "A", COLUMN_READY);
	cr_assert_eq(fixture_count(&f, "late"), 1, "the log keeps who came late");
}

Test(writer, wall_clock_steps_do_nothing_to_leases)
{
	int64_t s = fixture_session(&f, "s1"), a;

	(void)fixture_task(&f, "A", NULL);
	a = fixture_hold(&f, s, "A");
	f.sim.wall += 30 * DAY;
	fixture_tick(&f);
	cr_assert_eq(left(a), HOUR);
	f.sim.wall -= 60 * DAY;
	fixture_tick(&f);
	cr_assert_eq(left(a), HOUR);
	assert_column(&f, "A", COLUMN_CLAIMS);
}

Test(writer, after_a_reboot_leases_start_over_with_their_full_length)
{
	int64_t s = fixture_session(&f, "s1"), a, b;

	(void)fixture_task(&f, "A", NULL);
	(void)fixture_task(&f, "B", NULL);
	assert_ok(fixture_set(&f, "B", "ttl", "10m"));
	a = fixture_hold(&f, s, "A");
	b = fixture_hold(&f, s, "B");
	fixture_stop(&f);
	f.sim.boot = 5 * SECOND; /* a clock that began anew */
	f.sim.boot_id[35] = '2';
	cr_assert_eq(fixture_start(&f), 0);
	cr_assert_eq(left(a), HOUR);
	cr_assert_eq(left(b), 10 * MINUTE);
	fixture_pass(&f, 10 * MINUTE + 1);
	assert_column(&f, "A", COLUMN_CLAIMS);
	assert_column(&f, "B", COLUMN_READY);
}

Test(writer, after_a_restart_no_lease_ends_before_a_tenth_of_it_has_passed)
{
	int64_t s = fixture_session(&f, "s1"), a, b;

	(void)fixture_task(&f, "A", NULL);
	(void)fixture_task(&f, "B", NULL);
	a = fixture_hold(&f, s, "A");
	fixture_pass(&f, 30 * MINUTE);
	b = fixture_hold(&f, fixture_session(&f, "s2"), "B");
	fixture_stop(&f);
	f.sim.boot += 40 * MINUTE; /* A's lease ended while nobody was there */
	cr_assert_eq(fixture_start(&f), 0);
	cr_assert_eq(left(a), 6 * MINUTE);
	cr_assert_eq(left(b), 20 * MINUTE, "what is longer stays as it is");
	fixture_pass(&f, 6 * MINUTE);
	assert_column(&f, "A", COLUMN_CLAIMS);
	fixture_pass(&f, 1);
	assert_column(&f, "A", COLUMN_READY);
}

Test(writer, what_was_long_overdue_at_a_restart_has_five_minutes_or_its_whole_length)
{
	int64_t s = fixture_session(&f, "s1"), a, b;

	(void)fixture_task(&f, "A", NULL);
	(void)fixture_task(&f, "B", NULL);
	assert_ok(fixture_set(&f, "A", "ttl", "10m"));
	assert_ok(fixture_set(&f, "B", "ttl", "1m"));
	a = fixture_hold(&f, s, "A");
	b = fixture_hold(&f, s, "B");
	fixture_stop(&f);
	f.sim.boot += 24 * HOUR; /* as in another time namespace */
	cr_assert_eq(fixture_start(&f), 0);
	cr_assert_eq(left(a), 5 * MINUTE);
	cr_assert_eq(left(b), MINUTE);
}

Test(writer, says_when_the_next_thing_is_due)
{
	int64_t s = fixture_session(&f, "s1");

	cr_assert_eq(store_due(f.store), f.sim.boot + HOUR, "an idle session");
	(void)fixture_task(&f, "A", NULL);
	assert_ok(fixture_set(&f, "A", "ttl", "5m"));
	(void)fixture_hold(&f, s, "A");
	cr_assert_eq(store_due(f.store), f.sim.boot + 5 * MINUTE + 1, "a lease");
	assert_ok(fixture_finish(&f, s, "A"));
	assert_ok(commit(&f, CHANGE_END, .as = s, .thing = s));
	cr_assert_eq(store_due(f.store), INT64_MAX, "nothing");
}

Test(writer, a_restarted_store_looks_at_once_what_is_due)
{
	cr_assert_eq(fixture_restart(&f), 0);
	cr_assert_leq(store_due(f.store), f.sim.boot);
}

/* --- a disk that is full --- */

Test(writer, what_is_due_on_a_full_disk_is_not_due_at_once_again)
{
	fixture_stop(&f);
	f.sim.world.vfs = disk_vfs();
	cr_assert_eq(fixture_start(&f), 0);
	(void)fixture_hold(&f, fixture_session(&f, "s1"), (fixture_task(&f, "T", NULL), "T"));
	f.sim.boot = store_due(f.store) + 1;
	f.sim.wall += HOUR;
	disk_fail(DISK_FULL, 1, INT64_MAX / 2);
	cr_assert_eq(commit(&f, CHANGE_TICK).err, -ENOSPC);
	cr_assert_gt(store_due(f.store), f.sim.boot, "the timer would fire on and on");
	disk_fail(DISK_NONE, 0, 0);
	f.sim.boot = store_due(f.store);
	fixture_tick(&f);
	assert_column(&f, "T", COLUMN_READY);
	assert_sound(&f);
}
