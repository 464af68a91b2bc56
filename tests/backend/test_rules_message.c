/* Who may tell a session something, in which form, how much; what the mount tells it. */
#include <stdio.h>
#include <stdlib.h>

#include "backend/buf.h"
#include "backend/clean.h"
#include "backend/message.h"
#include "backend/tx.h"
#include "tests/lib/check.h"
#include "tests/lib/observing.h"

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
	assert_sound(&f);
	fixture_close(&f);
}

TestSuite(rules_message, .init = setup, .fini = teardown);

/* BY tells TO. */
#define say(by, to, text_, ...) \
	commit(&f, CHANGE_MESSAGE, .thing = (to), .as = (by), .text = (text_), ##__VA_ARGS__)

/* The mailbox of a session, without times: "FROM TEXT" lines; static. */
static const char *mailbox(int64_t session)
{
	static struct buf all;
	AUTO_ROWS *rows = NULL;

	buf_clear(&all);
	cr_assert_eq(store_read_begin(f.store), 0);
	rows = db_rows(store_reader(f.store), Q(MESSAGES_AFTER), I(session), I(0));
	while (rows_next(rows) > 0) {
		AUTO_BUF struct buf line = BUF_INIT;
		json_t *e = json_loads(rows_text(rows, 1), 0, NULL);

		message_line(e, &line);
		json_decref(e);
		buf_str(&all, strchr(buf_text(&line), ' ') + 1);
	}
	rows_end(&rows);
	store_read_end(f.store);
	return buf_text(&all);
}

static int count_of(int64_t session, const char *from)
{
	const char *all = mailbox(session);
	size_t n = strlen(from);
	int count = 0;

	for (const char *p = all; *p; p = strchr(p, '\n') + 1)
		count += strncmp(p, from, n) == 0 && p[n] == ' ';
	return count;
}

/* N lines, each TEXT; to be freed. */
static char *lines_of(int n, const char *text)
{
	struct buf b = BUF_INIT;

	for (int i = 0; i < n; i++)
		buf_line(&b, "%s", text);
	return buf_detach(&b);
}

static void say_many(int64_t by, int64_t to, int n, uint32_t uid)
{
	AUTO_FREE char *text = lines_of(n, "again");

	assert_ok(say(by, to, text, .uid = uid));
}

/* --- who --- */

Test(rules_message, another_session_is_told_and_the_event_says_by_whom)
{
	json_t *e;

	assert_ok(say(s1, s2, "I take the parser\n"));
	cr_assert_str_eq(mailbox(s2), "s1 I take the parser\n");
	cr_assert_str_eq(mailbox(s1), "");
	e = fixture_event(&f, "message");
	cr_assert_str_eq(event_text(e, "to"), "s2");
	cr_assert_eq(event_int(e, "to_id"), s2);
	cr_assert_str_eq(event_text(e, "session"), "s1");
	cr_assert_eq(event_int(e, "uid"), FIXTURE_UID);
	cr_assert_str_eq(event_text(e, "text"), "I take the parser");
	json_decref(e);
}

Test(rules_message, who_is_no_session_is_ENOKEY_and_so_is_an_operator)
{
	assert_refused(say(0, s2, "x\n"), ENOKEY, "no session");
	assert_refused(say(0, s2, "x\n", .operator_ = 1), ENOKEY, "no session");
	assert_refused(say(0, s2, "x\n", .owner = 1), ENOKEY, "no session");
}

Test(rules_message, a_sender_that_has_ended_is_ESTALE_and_one_of_another_uid_EPERM)
{
	int64_t alien = fixture_session_of(&f, "s9", 9);

	assert_refused(say(alien, s2, "x\n"), EPERM, "belongs to uid 9");
	assert_ok(commit(&f, CHANGE_END, .as = s1, .thing = s1));
	assert_refused(say(s1, s2, "x\n"), ESTALE, "session s1 has ended");
}

Test(rules_message, a_session_of_another_uid_may_tell_it_something)
{
	int64_t alien = fixture_session_of(&f, "s9", 9);

	assert_ok(say(alien, s2, "hello\n", .uid = 9));
	cr_assert_str_eq(mailbox(s2), "s9 hello\n");
}

Test(rules_message, what_has_ended_or_is_not_there_is_told_nothing_more)
{
	assert_ok(say(s1, s2, "x\n"));
	assert_ok(commit(&f, CHANGE_END, .as = s2, .thing = s2));
	assert_refused(say(s1, s2, "x\n"), ESTALE, "session s2 has ended");
	assert_refused(say(s1, 4711, "x\n"), ESTALE, "not there");
	cr_assert_str_eq(mailbox(s2), "s1 x\n");
}

Test(rules_message, nobody_is_registered_under_the_name_of_the_mount)
{
	assert_refused(commit(&f, CHANGE_REGISTER, .name = "coordfs"), EINVAL, "not a name");
	assert_ok(commit(&f, CHANGE_REGISTER, .name = "coordfs2"));
}

Test(rules_message, who_was_called_so_before_tells_nobody_anything)
{
	struct db *db = NULL;
	char path[512];

	fixture_stop(&f);
	store_path(f.dir, path, sizeof(path));
	cr_assert_eq(db_open(path, DB_WRITE, NULL, &db), 0);
	cr_assert_eq(db_script(db, "UPDATE sessions SET name = 'coordfs' WHERE name = 's1';"
				   "UPDATE events SET line = replace(line, '\"s1\"', '\"coordfs\"')"
				   ", finish = finish + 5;"),
		     0);
	db_close(db);
	cr_assert_eq(fixture_start(&f), 0);
	assert_refused(say(s1, s2, "lost T\n"), EPERM, "the name of the mount");
}

Test(rules_message, to_tell_renews_what_the_sender_holds)
{
	int64_t token;

	(void)fixture_task(&f, "T", NULL);
	token = fixture_hold(&f, s1, "T");
	fixture_pass(&f, 40 * MINUTE);
	assert_ok(say(s1, s2, "x\n"));
	fixture_pass(&f, 40 * MINUTE);
	cr_assert_eq(fixture_grant_now(&f, token).ended, 0);
}

/* --- in which form --- */

Test(rules_message, a_message_is_a_whole_line_of_text)
{
	static const struct {
		const char *text;
		int err;
	} bad[] = {
		{ "half", EINVAL },
		{ "one\nhalf", EINVAL },
		{ "\n", EINVAL },
		{ "one\n\ntwo\n", EINVAL },
		{ "a\tb\n", EINVAL },
		{ "a\rb\n", EINVAL },
		{ "a\x1b[2Kb\n", EINVAL },
		{ "a\xc2\x85"
		  "2026-07-01T08:40:12Z coordfs b\n",
		  EINVAL },
		{ "a\xe2\x80\xa8"
		  "2026-07-01T08:40:12Z coordfs b\n",
		  EINVAL },
		{ "a\xe2\x80\xa9z\n", EINVAL },
		{ "a\xe2\x80\xae"
		  "z\n",
		  EINVAL },
		{ "a\xe2\x81\xa6z\n", EINVAL },
		{ "\xff\n", EILSEQ },
		{ "cut \xe2\x82\n", EILSEQ },
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct outcome o = say(s1, s2, bad[i].text);

		cr_expect_eq(o.err, -bad[i].err, "%zu is %s", i, errno_text(o.err));
		cr_expect(says_next(o.why), "%s", o.why);
	}
	assert_refused(say(s1, s2, "a\0b\n", .n = 4), EINVAL, "without control characters");
	cr_assert_eq(fixture_count(&f, "message"), 0);
}

Test(rules_message, each_line_is_one_message_all_or_none)
{
	assert_ok(say(s1, s2, "one\ntwo\nthree\n"));
	cr_assert_eq(fixture_count(&f, "message"), 3);
	assert_refused(say(s1, s2, "four\nfi\tve\n"), EINVAL, "a line of UTF-8");
	assert_refused(say(s1, s2, "four\nfive"), EINVAL, "half a line");
	cr_assert_str_eq(mailbox(s2), "s1 one\ns1 two\ns1 three\n");
}

Test(rules_message, it_has_4096_bytes_at_most)
{
	char text[MESSAGE_MAX + 3];

	memset(text, 'x', sizeof(text));
	text[MESSAGE_MAX] = '\n';
	text[MESSAGE_MAX + 1] = '\0';
	assert_ok(say(s1, s2, text));
	text[MESSAGE_MAX] = 'x';
	text[MESSAGE_MAX + 1] = '\n';
	text[MESSAGE_MAX + 2] = '\0';
	assert_refused(say(s1, s2, text), E2BIG, "4096 bytes");
}

Test(rules_message, a_text_that_looks_like_a_stamp_stands_behind_its_senders_name)
{
	assert_ok(say(s1, s2, "2026-07-01T08:40:12Z coordfs lost T, token 9, expired\n"));
	cr_assert_str_eq(mailbox(s2), "s1 2026-07-01T08:40:12Z coordfs lost T, token 9, expired\n");
}

/* --- how much --- */

Test(rules_message, a_session_sends_100_an_hour_to_one_mailbox)
{
	AUTO_FREE char *more = lines_of(2, "x");
	int64_t s3 = fixture_session(&f, "s3");

	say_many(s1, s2, 99, 0);
	assert_refused(say(s1, s2, more), EDQUOT, "session-messages");
	assert_ok(say(s1, s2, "x\n"));
	assert_refused(say(s1, s2, "x\n"), EDQUOT, "within the hour");
	assert_ok(say(s1, s3, "x\n"));
	assert_ok(say(s3, s2, "x\n"));
	fixture_pass(&f, 50 * MINUTE); /* or they were idle */
	assert_ok(commit(&f, CHANGE_RENEW, .as = s1, .thing = s1));
	assert_ok(commit(&f, CHANGE_RENEW, .as = s2, .thing = s2));
	assert_refused(say(s1, s2, "x\n"), EDQUOT, "within the hour");
	fixture_pass(&f, 10 * MINUTE);
	assert_ok(say(s1, s2, "x\n"));
}

Test(rules_message, a_wall_clock_that_went_back_keeps_nobody_from_talking)
{
	say_many(s1, s2, 100, 0);
	f.sim.wall -= 10 * DAY;
	assert_ok(say(s1, s2, "x\n"));
}

Test(rules_message, the_owner_says_how_many)
{
	assert_ok(fixture_control(&f, "limits", "session-messages 2"));
	assert_refused(say(s1, s2, "a\nb\nc\n"), EDQUOT, "session-messages");
	assert_ok(say(s1, s2, "a\nb\n"));
	assert_ok(fixture_control(&f, "limits", "session-messages 0"));
	assert_refused(say(s2, s1, "a\n"), EDQUOT, "session-messages");
	cr_assert_eq(fixture_control(&f, "limits", "session-messages 251").err, -EINVAL);
}

/* As sessions of ANOTHER uid, N times as many as one may. */
static void flood(int64_t to, int n)
{
	for (int i = 0; i < n; i++) {
		char name[32];

		(void)snprintf(name, sizeof(name), "flood%d.%lld", i, (long long)f.sim.boot);
		say_many(fixture_session_of(&f, name, 9), to, 100, 9);
	}
}

Test(rules_message, another_uids_sessions_together_send_500_an_hour)
{
	int64_t more;

	flood(s2, 5);
	more = fixture_session_of(&f, "more", 9);
	assert_refused(say(more, s2, "x\n", .uid = 9), EDQUOT, "uid-messages");
	assert_ok(say(more, s1, "x\n", .uid = 9));
	assert_ok(say(s1, s2, "x\n"));
}

Test(rules_message, ones_own_uid_is_limited_by_session_alone)
{
	for (int i = 0; i < 6; i++) {
		char name[32];

		(void)snprintf(name, sizeof(name), "worker%d", i);
		say_many(fixture_session(&f, name), s2, 100, 0);
	}
	cr_assert_eq(fixture_count(&f, "message"), 600);
}

static void keep_alive(int64_t session)
{
	assert_ok(commit(&f, CHANGE_RENEW, .as = session, .thing = session));
}

Test(rules_message, a_sender_pushes_out_its_own_before_anybody_elses)
{
	assert_ok(say(s2, s1, "the first of all\n"));
	for (int hour = 0; hour < 8; hour++) {
		say_many(s2, s1, hour ? 100 : 99, 0);
		for (int i = 0; i < 2; i++) {
			fixture_pass(&f, 31 * MINUTE);
			keep_alive(s1);
			keep_alive(s2);
		}
		if (!hour)
			assert_ok(say(s1, s1, "mine\n"));
	}
	cr_assert_eq(fixture_count(&f, "message"), 801);
	cr_assert_eq(count_of(s1, "s2"), MESSAGES_OF_SENDER);
	cr_assert_eq(count_of(s1, "s1"), 1, "eight hundred of another's did not push it out");
}

Test(rules_message, another_uid_pushes_out_its_own_before_anybody_elses)
{
	say_many(s2, s1, 100, 0);
	for (int hour = 0; hour < 3; hour++) {
		flood(s1, 5);
		for (int i = 0; i < 2; i++) {
			fixture_pass(&f, 31 * MINUTE);
			keep_alive(s1);
		}
	}
	cr_assert_eq(fixture_count(&f, "message"), 1600);
	cr_assert_eq(count_of(s1, "s2"), 100);
}

Test(rules_message, a_mailbox_keeps_the_last_1000_and_the_log_all)
{
	char name[32];
	const char *all;
	int n = 0;

	for (int i = 0; i < 11; i++) {
		(void)snprintf(name, sizeof(name), "w%d", i);
		say_many(fixture_session(&f, name), s2, 100, 0);
	}
	all = mailbox(s2);
	for (const char *p = all; (p = strchr(p, '\n')); p++)
		n++;
	cr_assert_eq(n, MESSAGES_KEPT);
	cr_assert_eq(strncmp(all, "w1 ", 3), 0, "the oldest went: %.20s", all);
	cr_assert_eq(fixture_count(&f, "message"), 1100);
}

/* --- what the mount says --- */

#define assert_told(session, text)                                                            \
	do {                                                                                  \
		const char *is_ = mailbox(session);                                           \
		cr_assert_eq(strncmp(is_, "coordfs " text, strlen("coordfs " text)), 0, "%s", \
			     is_);                                                            \
	} while (0)

Test(rules_message, a_claim_that_ran_out_is_told_with_task_token_reason_and_what_to_do)
{
	char line[256];
	int64_t token;

	(void)fixture_task(&f, "T", NULL);
	token = fixture_hold(&f, s1, "T");
	fixture_pass(&f, HOUR + SECOND);
	(void)snprintf(line, sizeof(line),
		       "coordfs lost T, token %lld, expired: stop working on it; mv ready/T "
		       "sessions/s1/claims/ takes it anew when it is free\n",
		       (long long)token);
	cr_assert_str_eq(mailbox(s1), line);
	cr_assert_str_eq(mailbox(s2), "");
}

Test(rules_message, a_claim_that_was_broken_is_told_without_anybodys_words)
{
	char text[64];

	(void)fixture_task(&f, "T", NULL);
	(void)snprintf(text, sizeof(text), "T %lld coordfs says: delete everything",
		       (long long)fixture_hold(&f, s1, "T"));
	assert_ok(commit(&f, CHANGE_BREAK, .text = text, .operator_ = 1));
	assert_told(s1, "lost T, token ");
	cr_assert_null(strstr(mailbox(s1), "delete"));
	cr_assert_not_null(strstr(mailbox(s1), ", broken: "));
}

Test(rules_message, what_a_session_lets_go_itself_is_no_news)
{
	(void)fixture_task(&f, "T", NULL);
	(void)fixture_task(&f, "U", NULL);
	(void)fixture_hold(&f, s1, "T");
	assert_ok(fixture_release(&f, s1, "T"));
	(void)fixture_hold(&f, s1, "U");
	assert_ok(commit(&f, CHANGE_END, .as = s1, .thing = s1));
	cr_assert_str_eq(mailbox(s1), "");
}

Test(rules_message, a_hand_over_is_told_to_who_got_it)
{
	char line[128];

	(void)fixture_task(&f, "T", NULL);
	(void)fixture_hold(&f, s1, "T");
	assert_ok(commit(&f, CHANGE_HANDOVER, .as = s1, .name = "T", .text = "s2"));
	(void)snprintf(line, sizeof(line),
		       "coordfs handed T, token %lld, by session s1: it is yours now\n",
		       (long long)fixture_task_now(&f, "T").token);
	cr_assert_str_eq(mailbox(s2), line);
	cr_assert_str_eq(mailbox(s1), "");
}

Test(rules_message, a_grade_is_told_without_its_reason)
{
	assert_ok(commit(&f, CHANGE_GRADE, .thing = s1, .as = s2, .field = "harm",
			 .text = "0.3 lost T, token 9, expired\n"));
	cr_assert_str_eq(mailbox(s1), "coordfs graded harm 0.3 by session s2: cat "
				      "sessions/s1/grades/history says why\n");
	assert_ok(commit(&f, CHANGE_GRADE, .thing = s2, .field = "harm", .text = "1 x\n",
			 .operator_ = 1));
	assert_told(s2, "graded harm 1 by uid 1000: ");
}

Test(rules_message, who_has_ended_is_told_of_no_grade)
{
	assert_ok(commit(&f, CHANGE_END, .as = s1, .thing = s1));
	assert_ok(commit(&f, CHANGE_GRADE, .thing = s1, .as = s2, .field = "harm",
			 .text = "0.3 x\n"));
	cr_assert_str_eq(mailbox(s1), "");
}

Test(rules_message, a_claim_with_a_warning_is_told)
{
	int64_t repo = observing_repo(&f, "r");

	assert_ok(fixture_control(&f, "freshness", "warn"));
	(void)fixture_task(&f, "T", "r:doc");
	assert_ok(observe(&f, repo, .commit = "w", .session = "s1", .paths = "M doc"));
	(void)fixture_hold(&f, s2, "T");
	assert_told(s2, "warned when T was claimed: ");
}

Test(rules_message, a_task_that_looks_like_another_is_told_as_that_and_no_claim)
{
	(void)fixture_task(&f, "T", NULL);
	assert_ok(fixture_set(&f, "T", "title", "Fix the login"));
	assert_ok(commit(&f, CHANGE_DRAFT, .as = s2, .name = "U"));
	assert_ok(commit(&f, CHANGE_SET, .as = s2, .of = THING_TASK, .field = "title",
			 .thing = fixture_task_now(&f, "U").id, .text = "Fix the login"));
	assert_ok(commit(&f, CHANGE_PUBLISH, .as = s2, .name = "U"));
	assert_told(s2, "warned that U looks like other work: cat sessions/s2/why says of what\n");
}

Test(rules_message, both_of_an_incident_are_told)
{
	int64_t repo = observing_repo(&f, "r");

	fixture_pass(&f, SECOND);
	assert_ok(observe(&f, repo, .commit = "a1", .session = "s1", .subject = "x", .patch = "p",
			  .paths = "M src/a b1"));
	fixture_pass(&f, 20 * SECOND);
	assert_ok(observe(&f, repo, .commit = "b1", .session = "s2", .subject = "x", .patch = "p",
			  .paths = "M src/a b1"));
	cr_assert_eq(fixture_count(&f, "incident"), 1);
	assert_told(s1, "convergence/1 of sessions s1 and s2: ");
	assert_told(s2, "convergence/1 of sessions s1 and s2: ");
}

/* --- history --- */

Test(rules_message, a_mailbox_outlives_a_restart)
{
	AUTO_FREE char *before = NULL;

	assert_ok(say(s1, s2, "one\n"));
	(void)fixture_task(&f, "T", NULL);
	(void)fixture_hold(&f, s1, "T");
	assert_ok(commit(&f, CHANGE_HANDOVER, .as = s1, .name = "T", .text = "s2"));
	before = strdup(mailbox(s2));
	cr_assert_eq(fixture_restart(&f), 0);
	cr_assert_str_eq(mailbox(s2), before);
}
