/* The claim: every row of what can become of it, each with its errno and its sentence. */
#include "backend/tx.h"
#include "tests/lib/check.h"

static struct fixture f;
static int64_t s1, s2;

static void setup(void)
{
	fixture_open(&f);
	s1 = fixture_session(&f, "s1");
	s2 = fixture_session(&f, "s2");
}

static void teardown(void)
{
	fixture_close(&f);
}

TestSuite(rules_claim, .init = setup, .fini = teardown);

/* --- asking for one --- */

Test(rules_claim, a_ready_task_is_held_with_all_its_artifacts)
{
	struct outcome o;
	json_t *e;

	(void)fixture_task(&f, "T", "src/a\nsrc/b/*.c");
	o = fixture_claim(&f, s1, "T");
	assert_ok(o);
	assert_column(&f, "T", COLUMN_CLAIMS);
	cr_assert_eq(fixture_task_now(&f, "T").token, o.id);
	cr_assert_eq(fixture_grant_now(&f, o.id).session, s1);
	e = fixture_event(&f, "claim");
	cr_assert_eq(event_int(e, "token"), o.id);
	cr_assert_eq(event_int(e, "seq"), o.id, "the token is the number of its event");
	cr_assert_eq(json_array_size(json_object_get(e, "artifacts")), 2);
	json_decref(e);
	assert_sound(&f);
}

Test(rules_claim, held_by_another_is_EBUSY_and_says_who_since_and_until_when)
{
	(void)fixture_task(&f, "T", NULL);
	assert_ok(commit(&f, CHANGE_CLAIM, .as = s2, .name = "T", .pid = 4711));
	assert_refused(fixture_claim(&f, s1, "T"), EBUSY,
		       "T is held by session s2 since 2026-07-01T08:20:00Z, by pid 4711, "
		       "until 2026-07-01T09:20:00Z");
}

Test(rules_claim, held_by_the_own_session_is_EEXIST)
{
	(void)fixture_task(&f, "T", NULL);
	(void)fixture_hold(&f, s1, "T");
	assert_refused(commit(&f, CHANGE_CLAIM, .as = s1, .name = "T", .pid = 99), EEXIST,
		       "your own session has it already");
	cr_assert_eq(fixture_count(&f, "claim"), 1);
}

Test(rules_claim, asked_for_through_its_own_file_a_claim_is_never_granted_anew)
{
	int64_t token;

	(void)fixture_task(&f, "T", NULL);
	token = fixture_hold(&f, s1, "T");
	assert_ok(fixture_release(&f, s1, "T"));
	assert_refused(commit(&f, CHANGE_CLAIM, .as = s2, .name = "T", .token = token), ESTALE,
		       "that claim of T has ended");
	assert_column(&f, "T", COLUMN_READY);
}

Test(rules_claim, an_overlap_is_EBUSY_takes_nothing_and_names_path_task_session_and_expiry)
{
	struct outcome o;

	(void)fixture_task(&f, "A", "free\nsrc/lib");
	(void)fixture_task(&f, "B", "other\nsrc/lib/x.c");
	(void)fixture_hold(&f, s1, "A");
	assert_column(&f, "B", COLUMN_BLOCKED);
	o = fixture_claim(&f, s2, "B");
	assert_refused(o, EBUSY, "src/lib/x.c overlaps src/lib of task A");
	assert_refused(o, EBUSY, "held by session s1 since");
	assert_refused(o, EBUSY, "until 2026-07-01T09:20:00Z");
	assert_column(&f, "B", COLUMN_BLOCKED);
	(void)fixture_task(&f, "C", "other");
	assert_ok(fixture_claim(&f, s2, "C"));
}

Test(rules_claim, tasks_of_one_session_overlap_as_well)
{
	(void)fixture_task(&f, "A", "src");
	(void)fixture_task(&f, "B", "src/x");
	(void)fixture_hold(&f, s1, "A");
	assert_refused(fixture_claim(&f, s1, "B"), EBUSY, "overlaps");
}

Test(rules_claim, a_needed_task_that_is_not_done_is_EBUSY)
{
	(void)fixture_task(&f, "N", NULL);
	(void)fixture_task(&f, "T", NULL);
	assert_ok(fixture_set(&f, "T", "needs", "N"));
	assert_column(&f, "T", COLUMN_BLOCKED);
	assert_refused(fixture_claim(&f, s1, "T"), EBUSY, "T needs N, which is not done");
	(void)fixture_hold(&f, s1, "N");
	assert_refused(fixture_claim(&f, s2, "T"), EBUSY, "T needs N, which is in work");
	assert_ok(fixture_finish(&f, s1, "N"));
	assert_column(&f, "T", COLUMN_READY);
	assert_ok(fixture_claim(&f, s2, "T"));
}

Test(rules_claim, a_needed_task_that_was_cancelled_or_not_published_is_EBUSY)
{
	(void)fixture_idea(&f, "N", NULL);
	(void)fixture_task(&f, "T", NULL);
	assert_ok(fixture_set(&f, "T", "needs", "N"));
	assert_refused(fixture_claim(&f, s1, "T"), EBUSY, "T needs N, which is not published");
	assert_ok(commit(&f, CHANGE_CANCEL, .name = "N", .owner = 1));
	assert_refused(fixture_claim(&f, s1, "T"), EBUSY, "T needs N, which is cancelled");
	assert_column(&f, "T", COLUMN_BLOCKED);
	assert_sound(&f);
}

Test(rules_claim, a_done_task_is_EEXIST_and_says_who_finished_it)
{
	(void)fixture_task(&f, "T", NULL);
	(void)fixture_hold(&f, s1, "T");
	assert_ok(fixture_finish(&f, s1, "T"));
	assert_refused(fixture_claim(&f, s2, "T"), EEXIST,
		       "T is done: finished by session s1 at 2026-07-01T08:20:00Z");
	assert_refused(fixture_claim(&f, s1, "T"), EEXIST, "finished by session s1");
}

Test(rules_claim, an_unknown_or_unpublished_task_is_ENOENT_and_made_by_nobody)
{
	assert_refused(fixture_claim(&f, s1, "typo"), ENOENT, "there is no task typo");
	(void)fixture_idea(&f, "T", NULL);
	assert_refused(fixture_claim(&f, s1, "T"), ENOENT, "T is not published");
	assert_ok(commit(&f, CHANGE_CANCEL, .name = "T", .owner = 1));
	assert_refused(fixture_claim(&f, s1, "T"), ENOENT, "there is no task T");
}

Test(rules_claim, a_task_on_hold_is_EBUSY)
{
	assert_ok(commit(&f, CHANGE_IMPORT, .owner = 1,
			 .text = "{\"task\":\"T\",\"state\":\"ready\",\"hold\":\"external\"}"));
	assert_column(&f, "T", COLUMN_BLOCKED);
	assert_refused(fixture_claim(&f, s1, "T"), EBUSY, "T is on hold: external");
}

Test(rules_claim, what_a_session_lost_it_gets_again_only_knowingly)
{
	(void)fixture_task(&f, "T", NULL);
	(void)fixture_hold(&f, s1, "T");
	fixture_pass(&f, HOUR + 1);
	assert_refused(fixture_claim(&f, s1, "T"), ESTALE, "your session s1 lost T at");
	assert_refused(fixture_claim(&f, s1, "T"), ESTALE, "(expired)");
	assert_ok(commit(&f, CHANGE_CLAIM, .as = s1, .name = "T", .flags = CHANGE_ANEW));
	assert_ok(fixture_release(&f, s1, "T"));
	assert_ok(fixture_claim(&f, s1, "T"));
}

Test(rules_claim, what_was_given_back_is_not_lost)
{
	(void)fixture_task(&f, "T", NULL);
	for (int i = 0; i < 3; i++) {
		(void)fixture_hold(&f, s1, "T");
		assert_ok(fixture_release(&f, s1, "T"));
	}
}

Test(rules_claim, a_loss_is_the_losers_alone)
{
	(void)fixture_task(&f, "T", NULL);
	(void)fixture_hold(&f, s1, "T");
	fixture_pass(&f, HOUR + 1);
	assert_ok(fixture_claim(&f, fixture_session(&f, "s3"), "T"));
	assert_refused(fixture_claim(&f, s1, "T"), ESTALE, "your session s1 lost T");
}

Test(rules_claim, no_claim_while_the_board_is_closed_but_the_rest_goes_on)
{
	(void)fixture_task(&f, "A", NULL);
	(void)fixture_task(&f, "B", NULL);
	(void)fixture_hold(&f, s1, "A");
	assert_ok(fixture_control(&f, "estop", "fire drill"));
	assert_refused(fixture_claim(&f, s1, "B"), EROFS, "closed (control/estop): fire drill");
	assert_ok(commit(&f, CHANGE_RENEW, .as = s1, .thing = s1));
	assert_ok(fixture_finish(&f, s1, "A"));
	assert_ok(fixture_control(&f, "estop", "\n"));
	assert_ok(fixture_claim(&f, s1, "B"));
}

/* --- limits --- */

static void many_tasks(int n)
{
	for (int i = 0; i < n; i++) {
		char name[16];

		(void)snprintf(name, sizeof(name), "t%d", i);
		(void)fixture_task(&f, name, NULL);
	}
}

Test(rules_claim, a_session_holds_as_many_as_its_limit)
{
	many_tasks(3);
	assert_ok(fixture_control(&f, "limits", "session-claims 2"));
	(void)fixture_hold(&f, s1, "t0");
	(void)fixture_hold(&f, s1, "t1");
	assert_refused(fixture_claim(&f, s1, "t2"), EDQUOT, "session s1 holds 2 claims");
	assert_ok(fixture_claim(&f, s2, "t2"));
	assert_ok(fixture_release(&f, s1, "t0"));
	assert_ok(fixture_claim(&f, s1, "t0"));
}

Test(rules_claim, the_sessions_of_a_uid_hold_as_many_as_its_limit)
{
	int64_t alien = fixture_session_of(&f, "s9", 9);

	many_tasks(4);
	assert_ok(fixture_control(&f, "limits", "uid-claims 2"));
	(void)fixture_hold(&f, s1, "t0");
	(void)fixture_hold(&f, s2, "t1");
	assert_refused(fixture_claim(&f, s1, "t2"), EDQUOT, "uid 1000 holds 2 claims");
	assert_ok(commit(&f, CHANGE_CLAIM, .as = alien, .uid = 9, .name = "t2"));
}

Test(rules_claim, a_claim_holds_as_many_artifacts_as_its_limit)
{
	(void)fixture_task(&f, "T", "a\nb\nc");
	assert_ok(fixture_control(&f, "limits", "claim-artifacts 2"));
	assert_refused(fixture_claim(&f, s1, "T"), EDQUOT, "T names 3 artifacts");
	assert_ok(fixture_control(&f, "limits", "claim-artifacts 3"));
	assert_ok(fixture_claim(&f, s1, "T"));
	assert_refused(commit(&f, CHANGE_EXTEND, .as = s1, .name = "T", .text = "d"), EDQUOT,
		       "4 artifacts are more");
	assert_ok(commit(&f, CHANGE_EXTEND, .as = s1, .name = "T", .text = "-a\nd\n"));
	assert_refused(commit(&f, CHANGE_EXTEND, .as = s1, .name = "T", .text = "-b\n-b\ne\nf\n"),
		       EDQUOT, "4 artifacts are more");
}

Test(rules_claim, a_claim_lacks_a_literal_first_segment_as_often_as_its_limit)
{
	(void)fixture_task(&f, "T", "*.a\n*.b\nsrc/*");
	assert_ok(fixture_control(&f, "limits", "wide-artifacts 1"));
	assert_refused(fixture_claim(&f, s1, "T"), EDQUOT,
		       "2 artifacts without a literal first segment");
	assert_ok(fixture_control(&f, "limits", "wide-artifacts 2"));
	assert_ok(fixture_claim(&f, s1, "T"));
	assert_refused(commit(&f, CHANGE_EXTEND, .as = s1, .name = "T", .text = "x:**"), EDQUOT,
		       "3 artifacts without a literal first segment");
	assert_ok(commit(&f, CHANGE_EXTEND, .as = s1, .name = "T", .text = "x:y/**"));
	assert_ok(commit(&f, CHANGE_EXTEND, .as = s1, .name = "T", .text = "-*.a\n*.c\n"));
}

Test(rules_claim, a_hand_over_counts_against_the_receivers_limit)
{
	many_tasks(2);
	assert_ok(fixture_control(&f, "limits", "session-claims 1"));
	(void)fixture_hold(&f, s1, "t0");
	(void)fixture_hold(&f, s2, "t1");
	assert_refused(commit(&f, CHANGE_HANDOVER, .as = s1, .name = "t0", .text = "s2"), EDQUOT,
		       "session s2 holds 1");
}

/* --- its end --- */

Test(rules_claim, finishing_puts_a_task_into_done_with_its_token)
{
	int64_t id = fixture_task(&f, "T", "src/a"), token = fixture_hold(&f, s1, "T"), at = 0;
	struct grant g;

	assert_ok(fixture_finish(&f, s1, "T"));
	assert_column(&f, "T", COLUMN_DONE);
	cr_assert_eq(store_read_begin(f.store), 0);
	cr_assert_eq(read_finished(store_reader(f.store), id, &g, &at), 1);
	store_read_end(f.store);
	cr_assert_eq(g.token, token);
	cr_assert_str_eq(g.how, "finished");
	cr_assert_eq(at, f.sim.wall);
	(void)fixture_task(&f, "U", "src/a");
	assert_ok(fixture_claim(&f, s2, "U"));
	assert_sound(&f);
}

Test(rules_claim, a_finished_standing_task_is_ready_again)
{
	(void)fixture_task(&f, "T", "src/a");
	assert_ok(fixture_set(&f, "T", "kind", "standing"));
	for (int i = 0; i < 2; i++) {
		(void)fixture_hold(&f, s1, "T");
		assert_ok(fixture_finish(&f, s1, "T"));
		assert_column(&f, "T", COLUMN_READY);
	}
	cr_assert_eq(fixture_count(&f, "finish"), 2);
	assert_sound(&f);
}

Test(rules_claim, a_finished_daily_task_is_done_until_tomorrow)
{
	(void)fixture_task(&f, "T", "src/a");
	(void)fixture_task(&f, "N", NULL);
	assert_ok(fixture_set(&f, "T", "kind", "daily"));
	assert_ok(fixture_set(&f, "N", "needs", "T"));
	(void)fixture_hold(&f, s1, "T");
	assert_ok(fixture_finish(&f, s1, "T"));
	assert_column(&f, "T", COLUMN_DONE);
	assert_column(&f, "N", COLUMN_READY);
	fixture_pass(&f, DAY - f.sim.wall % DAY - 1);
	assert_column(&f, "T", COLUMN_DONE);
	fixture_pass(&f, 1);
	assert_column(&f, "T", COLUMN_READY);
	assert_column(&f, "N", COLUMN_BLOCKED);
	cr_assert_eq(fixture_count(&f, "due"), 1);
	assert_sound(&f);
}

Test(rules_claim, giving_back_makes_a_task_ready)
{
	(void)fixture_task(&f, "T", "src/a");
	(void)fixture_task(&f, "U", "src");
	(void)fixture_hold(&f, s1, "T");
	assert_column(&f, "U", COLUMN_BLOCKED);
	assert_ok(fixture_release(&f, s1, "T"));
	assert_column(&f, "T", COLUMN_READY);
	assert_column(&f, "U", COLUMN_READY);
	assert_sound(&f);
}

Test(rules_claim, what_another_holds_is_EPERM)
{
	(void)fixture_task(&f, "T", NULL);
	(void)fixture_hold(&f, s1, "T");
	assert_refused(fixture_finish(&f, s2, "T"), EPERM,
		       "held by session s1, you are session s2");
	assert_refused(fixture_release(&f, s2, "T"), EPERM, "held by session s1");
	assert_refused(commit(&f, CHANGE_EXTEND, .as = s2, .name = "T", .text = "x"), EPERM,
		       "held by session s1");
	assert_refused(commit(&f, CHANGE_HANDOVER, .as = s2, .name = "T", .text = "s2"), EPERM,
		       "held by session s1");
	assert_column(&f, "T", COLUMN_CLAIMS);
}

Test(rules_claim, what_nobody_holds_is_ENOENT)
{
	(void)fixture_task(&f, "T", NULL);
	assert_refused(fixture_finish(&f, s1, "T"), ENOENT, "T is not held");
	assert_refused(fixture_release(&f, s1, "T"), ENOENT, "T is not held");
}

Test(rules_claim, what_was_lost_meanwhile_is_ESTALE_also_when_another_has_it)
{
	(void)fixture_task(&f, "T", NULL);
	(void)fixture_hold(&f, s1, "T");
	fixture_pass(&f, HOUR + 1);
	assert_refused(fixture_finish(&f, s1, "T"), ESTALE, "lost T");
	assert_refused(fixture_release(&f, s1, "T"), ESTALE, "lost T");
	(void)fixture_hold(&f, fixture_session(&f, "s3"), "T");
	assert_refused(fixture_finish(&f, s1, "T"), ESTALE, "lost T");
	assert_refused(commit(&f, CHANGE_EXTEND, .as = s1, .name = "T", .text = "x"), ESTALE,
		       "lost T");
	assert_column(&f, "T", COLUMN_CLAIMS);
}

Test(rules_claim, a_token_fences_out_its_own_session_too)
{
	int64_t old, now;

	(void)fixture_task(&f, "T", NULL);
	old = fixture_hold(&f, s1, "T");
	fixture_pass(&f, HOUR + 1);
	assert_ok(commit(&f, CHANGE_CLAIM, .as = s1, .name = "T", .flags = CHANGE_ANEW));
	now = fixture_task_now(&f, "T").token;
	assert_refused(commit(&f, CHANGE_EXTEND, .as = s1, .token = old, .text = "x"), ESTALE,
		       "lost T");
	assert_ok(commit(&f, CHANGE_EXTEND, .as = s1, .token = now, .text = "x"));
	cr_assert_str_eq(fixture_artifacts(&f, "T"), ":x");
}

Test(rules_claim, a_late_act_is_kept_in_the_log_once_a_second)
{
	struct ask ask = { CHANGE_FINISH, .name = "T", .as = s1, .pid = 7, .op = "finish" };

	(void)fixture_task(&f, "T", NULL);
	(void)fixture_hold(&f, s1, "T");
	fixture_pass(&f, HOUR + 1);
	for (int i = 0; i < 3; i++)
		assert_refused(fixture_commit(&f, &ask), ESTALE, "lost T");
	cr_assert_eq(fixture_count(&f, "late"), 1);
	assert_sound(&f);
}

/* --- extending --- */

static struct outcome extend(const char *text)
{
	return commit(&f, CHANGE_EXTEND, .as = s1, .name = "T", .text = text);
}

Test(rules_claim, lines_add_artifacts_and_minus_gives_them_up)
{
	(void)fixture_task(&f, "T", "a");
	(void)fixture_hold(&f, s1, "T");
	assert_ok(extend("b\nartifact c\n"));
	cr_assert_str_eq(fixture_artifacts(&f, "T"), ":a :b :c");
	assert_ok(extend("-b\nd"));
	cr_assert_str_eq(fixture_artifacts(&f, "T"), ":a :c :d");
	assert_ok(extend("./-x\n"));
	cr_assert_str_eq(fixture_artifacts(&f, "T"), ":a :c :d :-x");
	assert_ok(extend("-./-x\n"));
	cr_assert_str_eq(fixture_artifacts(&f, "T"), ":a :c :d");
	assert_sound(&f);
}

Test(rules_claim, what_was_added_stays_with_the_task)
{
	(void)fixture_task(&f, "T", "a");
	(void)fixture_hold(&f, s1, "T");
	assert_ok(extend("b"));
	assert_ok(fixture_release(&f, s1, "T"));
	cr_assert_str_eq(fixture_artifacts(&f, "T"), ":a :b");
}

Test(rules_claim, lines_as_read_back_are_no_ops)
{
	int64_t seq;

	(void)fixture_task(&f, "T", "a\nb c");
	(void)fixture_hold(&f, s1, "T");
	seq = store_seq(f.store);
	assert_ok(extend("task T\nsession s1\ntoken 7\nsince x\nrenewed x\nexpires x\nprocesses 0\n"
			 "artifact a\nartifact b c\n"));
	cr_assert_eq(store_seq(f.store), seq);
	cr_assert_str_eq(fixture_artifacts(&f, "T"), ":a :b c");
}

Test(rules_claim, all_lines_of_a_write_or_none)
{
	(void)fixture_task(&f, "T", "a");
	(void)fixture_task(&f, "U", "taken");
	(void)fixture_hold(&f, s1, "T");
	(void)fixture_hold(&f, s2, "U");
	assert_refused(extend("b\ntaken/x\nc"), EBUSY, "taken/x overlaps taken of task U");
	assert_refused(extend("b\n-none"), ENOENT, "none is not among its artifacts");
	assert_refused(extend("b\nkey value"), EINVAL, "a key that is not");
	assert_refused(extend("b\n\nc"), EINVAL, "an empty line");
	assert_refused(extend("b\n/etc/passwd"), EINVAL, "/etc/passwd");
	assert_refused(extend("b\n../x"), EINVAL, "../x");
	cr_assert_str_eq(fixture_artifacts(&f, "T"), ":a");
	assert_sound(&f);
}

Test(rules_claim, extending_makes_others_blocked_and_giving_up_makes_them_ready)
{
	(void)fixture_task(&f, "T", "a");
	(void)fixture_task(&f, "U", "b/c");
	(void)fixture_hold(&f, s1, "T");
	assert_ok(extend("b"));
	assert_column(&f, "U", COLUMN_BLOCKED);
	assert_ok(extend("-b"));
	assert_column(&f, "U", COLUMN_READY);
	assert_sound(&f);
}

Test(rules_claim, an_artifact_may_be_swapped_for_another_that_overlaps_it)
{
	(void)fixture_task(&f, "T", "src");
	(void)fixture_hold(&f, s1, "T");
	assert_ok(extend("-src\nsrc/a\n"));
	cr_assert_str_eq(fixture_artifacts(&f, "T"), ":src/a");
	assert_sound(&f);
}

/* --- hand-over --- */

Test(rules_claim, a_hand_over_has_a_new_token_and_no_gap)
{
	int64_t old, now;
	json_t *e;

	(void)fixture_task(&f, "T", "src/a");
	(void)fixture_task(&f, "U", "src");
	old = fixture_hold(&f, s1, "T");
	assert_ok(commit(&f, CHANGE_HANDOVER, .as = s1, .name = "T", .text = "s2"));
	now = fixture_task_now(&f, "T").token;
	cr_assert_gt(now, old);
	cr_assert_eq(fixture_grant_now(&f, now).session, s2);
	cr_assert_str_eq(fixture_grant_now(&f, old).how, "handed");
	assert_column(&f, "U", COLUMN_BLOCKED);
	e = fixture_event(&f, "handover");
	cr_assert_eq(event_int(e, "from_token"), old);
	cr_assert_str_eq(event_text(e, "to"), "s2");
	json_decref(e);
	assert_refused(fixture_finish(&f, s1, "T"), EPERM, "held by session s2");
	assert_ok(fixture_finish(&f, s2, "T"));
	assert_sound(&f);
}

Test(rules_claim, a_hand_over_goes_to_a_live_session_of_the_same_uid)
{
	(void)fixture_session_of(&f, "s9", 9);
	(void)fixture_task(&f, "T", NULL);
	(void)fixture_hold(&f, s1, "T");
#define HAND(to) commit(&f, CHANGE_HANDOVER, .as = s1, .name = "T", .text = (to))
	assert_refused(HAND("none"), ENOENT, "no session none");
	assert_refused(HAND("s1"), EINVAL, "that session's already");
	assert_refused(HAND("s9"), EPERM, "s9 belongs to another uid");
	assert_ok(commit(&f, CHANGE_END, .as = s2, .thing = s2));
	assert_refused(HAND("s2"), ESTALE, "s2 has ended");
	assert_column(&f, "T", COLUMN_CLAIMS);
}

/* --- break --- */

Test(rules_claim, an_operator_breaks_a_claim_by_its_token)
{
	char text[64];
	int64_t token;
	json_t *e;

	(void)fixture_task(&f, "T", "src/a");
	token = fixture_hold(&f, s1, "T");
	(void)snprintf(text, sizeof(text), "T %lld it hangs", (long long)token);
	assert_refused(commit(&f, CHANGE_BREAK, .text = text), EPERM, "operators");
	assert_ok(commit(&f, CHANGE_BREAK, .text = text, .operator_ = 1));
	assert_column(&f, "T", COLUMN_READY);
	e = fixture_event(&f, "lost");
	cr_assert_str_eq(event_text(e, "reason"), "broken");
	cr_assert_str_eq(event_text(e, "note"), "it hangs");
	json_decref(e);
	assert_refused(fixture_finish(&f, s1, "T"), ESTALE, "(broken)");
	assert_sound(&f);
}

Test(rules_claim, breaking_a_token_that_has_moved_on_is_ESTALE)
{
	char text[64];
	int64_t old;

	(void)fixture_task(&f, "T", NULL);
	old = fixture_hold(&f, s1, "T");
	assert_ok(fixture_release(&f, s1, "T"));
	(void)snprintf(text, sizeof(text), "T %lld x", (long long)old);
	assert_refused(commit(&f, CHANGE_BREAK, .text = text, .owner = 1), ESTALE, "is 0 now");
	(void)fixture_hold(&f, s2, "T");
	assert_refused(commit(&f, CHANGE_BREAK, .text = text, .owner = 1), ESTALE,
		       "the token of T");
	assert_column(&f, "T", COLUMN_CLAIMS);
}

Test(rules_claim, a_break_wants_a_task_a_token_and_a_reason)
{
	static const char *const bad[] = { "",	     "T",     "T 1",	  "T 1 ",    "T x y",
					   "T -1 y", "T 0 y", "T 1 a\tb", "T 1 a\nb" };

	(void)fixture_task(&f, "T", NULL);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_refused(commit(&f, CHANGE_BREAK, .text = bad[i], .owner = 1), EINVAL,
			       "TASK TOKEN reason");
	assert_refused(commit(&f, CHANGE_BREAK, .text = "none 1 x", .owner = 1), ENOENT, "none");
}
