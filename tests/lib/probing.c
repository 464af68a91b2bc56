#include <stdlib.h>

#include <criterion/criterion.h>

#include "backend/clean.h"
#include "tests/lib/probing.h"

void probing_open(struct probing *p, const char *name)
{
	*p = (struct probing){ .kind = probe_kind_named(name) };
	cr_assert_not_null(p->kind, "no kind %s", name);
	fixture_open(&p->f);
	p->id = probing_thing(p, THING_PROBE, name);
}

void probing_close(struct probing *p)
{
	json_decref(p->inputs);
	json_decref(p->asked);
	fixture_close(&p->f);
}

int64_t probing_thing(struct probing *p, enum thing_kind of, const char *name)
{
	struct outcome o = commit(&p->f, CHANGE_ADD, .of = of, .name = name, .owner = 1);

	assert_ok(o);
	return o.id;
}

void probing_field(struct probing *p, enum thing_kind of, int64_t id, const char *field,
		   const char *text)
{
	assert_ok(commit(&p->f, CHANGE_SET, .of = of, .thing = id, .field = field, .text = text,
			 .owner = 1));
}

void probing_set(struct probing *p, const char *field, const char *text)
{
	probing_field(p, THING_PROBE, p->id, field, text);
}

void probing_look(struct probing *p)
{
	struct probe_look l;

	json_decref(p->inputs);
	json_decref(p->asked);
	cr_assert_eq(store_read_begin(p->f.store), 0);
	l = (struct probe_look){ store_reader(p->f.store),
				 &p->f.sim.world,
				 p->id,
				 p->f.sim.wall,
				 json_object(),
				 json_array() };
	cr_assert_eq(probe_look_with(p->kind, &l), 0);
	cr_assert_eq(db_busy_count(l.db), 0);
	store_read_end(p->f.store);
	p->inputs = l.inputs;
	p->asked = l.asked;
}

static json_t *json_of(const char *text)
{
	AUTO_FREE char *copy = strdup(text);
	json_error_t e;
	json_t *v;

	for (char *c = copy; *c; c++)
		*c = *c == '\'' ? '"' : *c;
	v = json_loads(copy, 0, &e);
	cr_assert_not_null(v, "%s in %s", e.text, copy);
	return v;
}

static struct probe_said judged(const struct probe_kind *kind, const json_t *inputs)
{
	struct probe_said said = { .answer = PROBE_DRY, .filed = -1, .detail = "nothing was said" };

	kind->judge(inputs, &said);
	return said;
}

struct probe_said probing_run(struct probing *p, const char *program)
{
	json_t *result, *ask;

	probing_look(p);
	cr_assert_eq(json_array_size(p->asked), program ? 1 : 0);
	if (program) {
		result = json_of(program);
		ask = json_object_get(json_array_get(p->asked, 0), "argv");
		cr_assert_eq(json_object_set(result, "argv", ask), 0);
		cr_assert_eq(json_object_set_new(p->inputs, "programs", json_pack("[o]", result)),
			     0);
	}
	return judged(p->kind, p->inputs);
}

struct probe_said probing_judge(const char *kind, const char *inputs)
{
	json_t *in = json_of(inputs);
	struct probe_said said = judged(probe_kind_named(kind), in);

	json_decref(in);
	return said;
}
