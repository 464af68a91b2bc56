#include <stdio.h>
#include <string.h>

#include "backend/clean.h"
#include "backend/tx.h"
#include "tests/lib/choosing.h"

void choosing_open(struct fixture *f)
{
	fixture_open(f);
	assert_ok(fixture_control(f, "select.explore", "0"));
}

/* Choose; to be closed again. The session stays here until the next choice. */
static struct selection begin(struct fixture *f, int64_t session)
{
	static struct session s;
	struct selection sel;

	if (session)
		s = fixture_session_now(f, session);
	cr_assert_eq(store_read_begin(f->store), 0);
	cr_assert_eq(select_next(store_reader(f->store), session ? &s : NULL, f->sim.wall, &sel),
		     0);
	return sel;
}

static void end(struct fixture *f, struct selection *sel)
{
	select_release(sel);
	store_read_end(f->store);
}

const char *choosing_next(struct fixture *f, int64_t session)
{
	static char name[NAME_BUFFER];
	struct selection sel = begin(f, session);

	(void)snprintf(name, sizeof(name), "%s", sel.pick ? sel.pick->name : "-");
	end(f, &sel);
	return name;
}

struct candidate choosing_pick(struct fixture *f, int64_t session)
{
	struct selection sel = begin(f, session);
	struct candidate c;

	cr_assert_not_null(sel.pick, "there is none: %s", sel.none);
	c = *sel.pick;
	end(f, &sel);
	return c;
}

const char *choosing_none(struct fixture *f, int64_t session)
{
	static char why[256];
	struct selection sel = begin(f, session);

	cr_assert_eq(!sel.pick, sel.none != NULL);
	(void)snprintf(why, sizeof(why), "%s", sel.none ? sel.none : "-");
	end(f, &sel);
	return why;
}

const char *choosing_why(struct fixture *f, int64_t session)
{
	static char text[8192];
	AUTO_BUF struct buf out = BUF_INIT;
	struct selection sel = begin(f, session);

	cr_assert_eq(select_explain(store_reader(f->store), &sel, &out), 0);
	end(f, &sel);
	(void)snprintf(text, sizeof(text), "%s", buf_text(&out));
	for (char *at = text; (at = strchr(at, '\n'));)
		*at = ';';
	return text;
}

int64_t choosing_place(struct fixture *f, int64_t session)
{
	struct selection sel = begin(f, session);
	int64_t place = sel.place;

	end(f, &sel);
	return place;
}

const char *choosing_drawn(struct fixture *f, int64_t session)
{
	static char name[NAME_BUFFER];
	struct selection sel = begin(f, session);

	(void)snprintf(name, sizeof(name), "%s", sel.drawn < 0 ? "no" : sel.lanes[sel.drawn].name);
	end(f, &sel);
	return name;
}

double choosing_score(struct fixture *f, int64_t session, const char *task)
{
	struct task t = fixture_task_now(f, task);
	struct selection sel = begin(f, session);
	double score = -1;

	cr_assert_eq(select_score(store_reader(f->store), &sel, t.id, &score), 0);
	end(f, &sel);
	return score;
}

struct expected choosing_expected(struct fixture *f, const char *lane)
{
	struct select_settings set;
	struct expected e;

	cr_assert_eq(store_read_begin(f->store), 0);
	cr_assert_eq(select_settings(store_reader(f->store), &set), 0);
	cr_assert_geq(select_expected(store_reader(f->store), &set, lane, &e), 0);
	store_read_end(f->store);
	return e;
}

int64_t choosing_thing(struct fixture *f, enum thing_kind of, const char *name)
{
	struct outcome o = commit(f, CHANGE_ADD, .of = of, .name = name, .owner = 1);

	assert_ok(o);
	return o.id;
}

void choosing_field(struct fixture *f, enum thing_kind of, int64_t id, const char *field,
		    const char *text)
{
	assert_ok(commit(f, CHANGE_SET, .of = of, .thing = id, .field = field,
			 .text = text ? text : "\n", .owner = 1));
}

int64_t choosing_task(struct fixture *f, const char *name, const char *value, const char *lane)
{
	int64_t id = fixture_task(f, name, NULL);

	if (value)
		assert_ok(fixture_set(f, name, "value", value));
	if (lane)
		assert_ok(fixture_set(f, name, "lane", lane));
	return id;
}

void choosing_grade_by_trajectory(struct fixture *f)
{
	static const char *const others[] = { "cascade", "harm", "alignment", "productivity",
					      "restraint" };
	char field[64];

	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		(void)snprintf(field, sizeof(field), "grading.%s", others[i]);
		assert_ok(fixture_control(f, field, "0"));
	}
}

int64_t choosing_live(struct fixture *f, const char *name, const char *task, int64_t by,
		      const char *grade)
{
	int64_t s = fixture_session(f, name);
	char line[64];

	(void)snprintf(line, sizeof(line), "%s x\n", grade ? grade : "");
	(void)fixture_hold(f, s, task);
	assert_ok(fixture_release(f, s, task));
	if (grade)
		assert_ok(commit(f, CHANGE_GRADE, .thing = s, .as = by, .field = "trajectory",
				 .text = line));
	assert_ok(commit(f, CHANGE_END, .as = s, .thing = s));
	return s;
}
