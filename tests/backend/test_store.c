#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "backend/clean.h"
#include "tests/lib/check.h"

static struct fixture f;

static void setup(void)
{
	fixture_open(&f);
}

static void teardown(void)
{
	fixture_close(&f);
}

TestSuite(store, .init = setup, .fini = teardown);

static int open_again(struct store **out, struct buf *says)
{
	return store_open(f.dir, &f.sim.world, "the second", out, says);
}

Test(store, a_second_daemon_is_refused_and_told_who_is_first)
{
	AUTO_BUF struct buf says = BUF_INIT;
	struct store *s = NULL;

	cr_assert_eq(open_again(&s, &says), -EBUSY);
	cr_assert_null(s);
	cr_assert_str_eq(buf_text(&says), "the store is in use by the test");
}

Test(store, removing_its_files_of_names_and_locks_lets_nobody_in)
{
	AUTO_BUF struct buf says = BUF_INIT;
	struct store *s = NULL;
	char path[320];

	(void)snprintf(path, sizeof(path), "%s/owner", f.dir);
	cr_assert_eq(unlink(path), 0);
	cr_assert_eq(open_again(&s, &says), -EBUSY);
	cr_assert_str_eq(buf_text(&says), "the store is in use by another process");
}

Test(store, once_closed_it_can_be_opened)
{
	(void)fixture_session(&f, "s1");
	for (int i = 0; i < 3; i++)
		cr_assert_eq(fixture_restart(&f), 0, "%s", buf_text(&f.says));
	cr_assert_eq(store_seq(f.store), 1);
}

Test(store, its_directory_is_nobody_elses)
{
	struct stat st;
	char path[320];

	cr_assert_eq(stat(f.dir, &st), 0);
	cr_assert_eq(st.st_mode & 07777, 0700);
	cr_assert_eq(chmod(f.dir, 0755), 0);
	cr_assert_eq(fixture_restart(&f), 0);
	cr_assert_eq(stat(f.dir, &st), 0);
	cr_assert_eq(st.st_mode & 07777, 0700);
	store_path(f.dir, path, sizeof(path));
	cr_assert_eq(stat(path, &st), 0);
	cr_assert_eq(st.st_mode & 07777, 0600);
}

Test(store, directories_that_are_missing_are_made)
{
	char was[256], deep[320];

	fixture_stop(&f);
	(void)strcpy(was, f.dir);
	(void)snprintf(deep, sizeof(deep), "%.200s/a/b", was);
	(void)snprintf(f.dir, sizeof(f.dir), "%.250s", deep);
	cr_assert_eq(fixture_start(&f), 0, "%s", buf_text(&f.says));
	fixture_stop(&f);
	(void)strcpy(f.dir, was);
}

Test(store, a_place_where_there_can_be_none_is_an_error_with_words)
{
	AUTO_BUF struct buf says = BUF_INIT;
	struct store *s = NULL;
	char path[320];

	(void)snprintf(path, sizeof(path), "%s/owner/x", f.dir);
	cr_assert_eq(store_open(path, &f.sim.world, "x", &s, &says), -ENOTDIR);
	cr_assert_not_null(strstr(buf_text(&says), path), "%s", buf_text(&says));
	buf_clear(&says);
	(void)snprintf(path, sizeof(path), "%s/owner", f.dir);
	cr_assert_eq(store_open(path, &f.sim.world, "x", &s, &says), -ENOTDIR);
	cr_assert_gt(says.n, 0);
	cr_assert_null(s);
}

static int no_boot_id(struct world *w, char out[BOOT_ID_LEN])
{
	(void)w;
	(void)out;
	return -EACCES;
}

Test(store, without_a_boot_id_there_is_no_store)
{
	AUTO_BUF struct buf says = BUF_INIT;
	struct store *s = NULL;

	fixture_stop(&f);
	f.sim.world.boot_id = no_boot_id;
	cr_assert_eq(open_again(&s, &says), -EACCES);
	cr_assert_not_null(strstr(buf_text(&says), "boot id"));
}

Test(store, everything_acknowledged_is_there_after_a_restart)
{
	int64_t s = fixture_session(&f, "s1"), seq, bytes;
	char hash[17];

	(void)fixture_task(&f, "T", "src/a");
	(void)fixture_hold(&f, s, "T");
	seq = store_seq(f.store);
	bytes = store_bytes(f.store);
	(void)strcpy(hash, fixture_hash(&f));
	cr_assert_eq(fixture_restart(&f), 0);
	cr_assert_eq(store_seq(f.store), seq);
	cr_assert_eq(store_bytes(f.store), bytes);
	cr_assert_str_eq(fixture_hash(&f), hash);
}

Test(store, a_read_sees_one_moment_and_the_next_read_the_next)
{
	struct db *db = store_reader(f.store);
	struct session s;

	cr_assert_eq(store_read_begin(f.store), 0);
	cr_assert_eq(read_session_named(db, "s1", &s), 0);
	(void)commit(&f, CHANGE_REGISTER, .name = "s1");
	cr_assert_eq(read_session_named(db, "s1", &s), 0);
	store_read_end(f.store);
	cr_assert_eq(store_read_begin(f.store), 0);
	cr_assert_eq(read_session_named(db, "s1", &s), 1);
	store_read_end(f.store);
}

Test(store, the_reader_cannot_write)
{
	cr_assert_neq(db_run(store_reader(f.store), Q(TASK_ADD), I(1), T("x"), I(0), I(0), I(0)),
		      0);
	cr_assert_eq(db_script(store_reader(f.store), "DELETE FROM meta") != 0, 1);
}

Test(store, a_read_that_leaves_a_cursor_open_aborts, .signal = SIGABRT)
{
	cr_assert_eq(store_read_begin(f.store), 0);
	(void)rows_next(db_rows(store_reader(f.store), Q(EVENT_LAST)));
	store_read_end(f.store);
}

Test(store, closing_it_drops_what_was_not_decided)
{
	(void)queue(&f, CHANGE_REGISTER, .name = "s1");
	cr_assert_eq(fixture_restart(&f), 0);
	cr_assert_eq(store_seq(f.store), 0);
}

Test(store, has_a_default_place)
{
	char dir[256];

	cr_assert_eq(setenv("XDG_STATE_HOME", "/x/state", 1), 0);
	cr_assert_eq(setenv("HOME", "/home/me", 1), 0);
	store_default_dir(dir, sizeof(dir));
	if (geteuid() == 0) {
		cr_assert_str_eq(dir, "/var/lib/coordfs");
		return;
	}
	cr_assert_str_eq(dir, "/x/state/coordfs");
	cr_assert_eq(unsetenv("XDG_STATE_HOME"), 0);
	store_default_dir(dir, sizeof(dir));
	cr_assert_str_eq(dir, "/home/me/.local/state/coordfs");
}

/* --- changes --- */

Test(store, a_changes_text_is_a_copy_with_a_NUL)
{
	struct change *c = change_new(CHANGE_SET);
	char text[4] = "abc";

	cr_assert_eq(change_text(c, text, 2), 0);
	text[0] = 'x';
	cr_assert_str_eq(c->text, "ab");
	cr_assert_eq(c->n, 2);
	cr_assert_eq(change_text(c, "", 0), 0);
	cr_assert_str_eq(c->text, "");
	change_free(c);
	change_free(NULL);
}
