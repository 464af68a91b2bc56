#include "backend/grade.h"
#include "backend/tx.h"
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

TestSuite(rules_record, .init = setup, .fini = teardown);

static struct outcome import(const char *record)
{
	return commit(&f, CHANGE_IMPORT, .text = record, .operator_ = 1);
}

static struct session session(const char *name)
{
	struct session s = { .id = 0 };

	cr_assert_geq(read_session_named(store_reader(f.store), name, &s), 0);
	return s;
}

static const char *field(const char *name, const char *of)
{
	return fixture_field(&f, session(name).id, of);
}

static struct grade grade(const char *name)
{
	struct session s = session(name);
	struct grade g;

	cr_assert_eq(grade_of(store_reader(f.store), &s, &g), 0);
	return g;
}

/* A part of a grade as "0.90 import: reason", "-": not known. */
static const char *part(const char *name, const char *dimension)
{
	static char text[400];
	struct grade g = grade(name);

	for (int i = 0; i < GRADE_DIMENSIONS; i++)
		if (strcmp(g.parts[i].name, dimension) == 0 && g.parts[i].known) {
			(void)snprintf(text, sizeof(text), "%.2f %s: %s", g.parts[i].value,
				       g.parts[i].source, g.parts[i].reason);
			return text;
		}
	return "-";
}

#define RECORD                                                                             \
	"{\"session_id\":\"x1\",\"start_time\":\"2026-03-01T10:00:00Z\","                  \
	"\"end_time\":\"2026-03-01T11:00:00Z\",\"category\":\"fix\",\"outcome\":\"noop\"," \
	"\"cascade_intent\":{\"a\":[1,{\"b\":null}]}}"

/* --- a session --- */

Test(rules_record, a_record_is_a_whole_session_that_has_ended_in_one_event)
{
	int64_t seq = store_seq(f.store);
	struct outcome o = commit(&f, CHANGE_IMPORT, .text = RECORD, .operator_ = 1, .uid = 42);
	struct session s = session("x1");
	char when[TIME_TEXT];

	assert_ok(o);
	cr_assert_str_empty(o.why);
	cr_assert_eq(store_seq(f.store), seq + 1);
	cr_assert_eq(o.id, s.id);
	cr_assert_eq(s.uid, 42);
	cr_assert_str_eq(s.how, "imported");
	cr_assert_str_eq(time_text(s.started, when), "2026-03-01T10:00:00Z");
	cr_assert_str_eq(time_text(s.ended, when), "2026-03-01T11:00:00Z");
	cr_assert_str_eq(field("x1", "category"), "fix");
	cr_assert_str_eq(field("x1", "outcome"), "noop");
	cr_assert_str_eq(field("x1", "record"), RECORD);
	assert_sound(&f);
}

Test(rules_record, is_for_operators)
{
	assert_refused(commit(&f, CHANGE_IMPORT, .text = RECORD), EPERM, "operators");
	assert_refused(commit(&f, CHANGE_IMPORT, .text = "{\"line\":\"x\"}"), EPERM, "operators");
}

Test(rules_record, an_id_that_is_no_name_is_refused_and_nothing_is_taken)
{
	int64_t seq = store_seq(f.store);

	assert_refused(import("{\"session_id\":\"a b\"}"), EINVAL, "session_id");
	assert_refused(import("{\"session_id\":\"../x\"}"), EINVAL, "session_id");
	assert_refused(import("{\"session_id\":\"\"}"), EINVAL, "session_id");
	assert_refused(import("{\"session_id\":7}"), EINVAL, "session_id");
	assert_refused(import("{\"session_id\":null,\"grades\":{\"harm\":1}}"), EINVAL,
		       "session_id");
	cr_assert_eq(store_seq(f.store), seq);
}

Test(rules_record, the_same_again_is_no_event)
{
	int64_t seq;

	assert_ok(import(RECORD));
	assert_ok(import("{\"session_id\":\"big\",\"n\":123456789012345678901234567890}"));
	seq = store_seq(f.store);
	assert_ok(import(RECORD));
	assert_ok(import(" " RECORD "\r\n"));
	assert_ok(import("{\n\"session_id\": \"big\",\n\"n\":123456789012345678901234567890}"));
	cr_assert_eq(store_seq(f.store), seq + 1, "only numbers we cannot compare are text");
	assert_ok(import("{\"outcome\":\"noop\", \"session_id\":\"x1\",\"category\":\"fix\","
			 "\"start_time\":\"2026-03-01T10:00:00Z\","
			 "\"end_time\":\"2026-03-01T11:00:00Z\","
			 "\"cascade_intent\":{\"a\":[1,{\"b\":null}]}}"));
	cr_assert_eq(store_seq(f.store), seq + 1);
}

Test(rules_record, a_changed_record_replaces_the_one_before)
{
	int64_t id, seq;

	assert_ok(import(RECORD));
	id = session("x1").id;
	seq = store_seq(f.store);
	assert_ok(import("{\"session_id\":\"x1\",\"outcome\":\"failed\",\"end_time\":1772500000}"));
	cr_assert_eq(store_seq(f.store), seq + 1);
	cr_assert_eq(session("x1").id, id);
	cr_assert_eq(session("x1").ended, INT64_C(1772500000000));
	cr_assert_str_eq(field("x1", "outcome"), "failed");
	cr_assert_str_eq(field("x1", "category"), "-");
	assert_sound(&f);
}

Test(rules_record, times_are_taken_from_what_is_there)
{
	static const struct {
		const char *members;
		int64_t started, ended;
	} rows[] = {
		{ "\"timestamp\":1772500000", 1772500000000, 1772500000000 },
		{ "\"timestamp\":\"1772500000.25\"", 1772500000250, 1772500000250 },
		{ "\"timestamp\":1772500000,\"duration_seconds\":90", 1772499910000,
		  1772500000000 },
		{ "\"start_time\":1772500000,\"duration_seconds\":1.5", 1772500000000,
		  1772500001500 },
		{ "\"start_time\":\"2026-03-03T01:06:40.5+00:00\",\"end_time\":\"junk\"",
		  1772500000500, 1772500000500 },
		{ "\"start_time\":\"2026-03-03T01:06:40\"", 1772500000000, 1772500000000 },
		{ "\"start_time\":\"2026-03-03 01:06:40.25\"", 1772500000250, 1772500000250 },
		{ "\"start_time\":1772500000,\"end_time\":1772400000", 1772500000000,
		  1772500000000 },
		{ "\"end_time\":1772500000,\"timestamp\":1e300", 1772500000000, 1772500000000 },
		{ "\"end_time\":-5,\"timestamp\":[],\"start_time\":7", 0, 0 },
		{ "\"end_time\":1e17", 0, 0 },
	};
	char record[200], name[16];

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct session s;

		(void)snprintf(name, sizeof(name), "t%zu", i);
		(void)snprintf(record, sizeof(record), "{\"session_id\":\"%s\",%s}", name,
			       rows[i].members);
		assert_ok(import(record));
		s = session(name);
		cr_assert_eq(s.started, rows[i].started ? rows[i].started : f.sim.wall, "%s: %lld",
			     record, (long long)s.started);
		cr_assert_eq(s.ended, rows[i].ended ? rows[i].ended : f.sim.wall, "%s: %lld",
			     record, (long long)s.ended);
	}
	assert_sound(&f);
}

Test(rules_record, a_native_session_is_never_altered)
{
	int64_t id = fixture_session(&f, "x1"), seq = store_seq(f.store);
	struct outcome o = import("{\"session_id\":\"x1\",\"outcome\":\"productive\","
				  "\"grades\":{\"harm\":1,\"productivity\":1}}");

	assert_ok(o);
	cr_assert_str_eq(o.why, "x1: registered here, kept\n");
	cr_assert_eq(store_seq(f.store), seq);
	cr_assert_eq(session("x1").id, id);
	cr_assert_str_eq(field("x1", "record"), "-");
	cr_assert_str_eq(part("x1", "harm"), "-");
	assert_ok(commit(&f, CHANGE_END, .thing = id, .operator_ = 1));
	seq = store_seq(f.store);
	cr_assert_str_eq(import(RECORD).why, "x1: registered here, kept\n");
	cr_assert_eq(store_seq(f.store), seq);
}

Test(rules_record, an_imported_session_is_over)
{
	assert_ok(import(RECORD));
	assert_refused(commit(&f, CHANGE_REGISTER, .name = "x1"), EEXIST, "has ended");
	assert_refused(commit(&f, CHANGE_JOURNAL, .thing = session("x1").id, .text = "x",
			      .operator_ = 1),
		       ESTALE, "ended");
	assert_sound(&f);
}

Test(rules_record, a_member_task_alone_makes_no_task)
{
	assert_ok(import("{\"session_id\":\"a\",\"task\":\"T\"}"));
	assert_ok(import("{\"session_id\":\"b\",\"state\":\"ready\"}"));
	cr_assert_eq(fixture_count(&f, "session-import"), 2);
	cr_assert_eq(fixture_count(&f, "import"), 0);
}

Test(rules_record, what_is_no_value_of_a_field_stays_in_the_record_alone)
{
	assert_ok(import("{\"session_id\":\"a\",\"category\":\"two words\",\"outcome\":7}"));
	cr_assert_str_eq(field("a", "category"), "-");
	cr_assert_str_eq(field("a", "outcome"), "-");
	assert_sound(&f);
}

/* --- its grades --- */

#define GRADED(harm, more)                                                      \
	"{\"session_id\":\"g\",\"outcome\":\"noop\",\"grades\":{\"harm\":" harm \
	",\"restraint\":0.9,\"alignment\":1.5,\"productivity\":\"0.5\",\"charm\":1}," more "}"
#define REASONS "\"grade_reasons\":{\"harm\":\"it was kind\\nand more\"}"

Test(rules_record, its_grades_are_written_by_import_and_stand)
{
	assert_ok(import(GRADED("0.25", REASONS)));
	cr_assert_eq(fixture_count(&f, "grade"), 2);
	cr_assert_str_eq(part("g", "harm"), "0.25 import: it was kind");
	cr_assert_str_eq(part("g", "restraint"), "0.90 import: imported"); /* computed: 0.6 */
	cr_assert_str_eq(part("g", "alignment"), "-");
	cr_assert_str_eq(part("g", "productivity"), "-");
	assert_sound(&f);
}

Test(rules_record, a_grade_is_written_again_only_when_it_changed)
{
	assert_ok(import(GRADED("0.25", REASONS)));
	assert_ok(import(GRADED("0.25", REASONS ",\"x\":1")));
	cr_assert_eq(fixture_count(&f, "grade"), 2);
	assert_ok(import(GRADED("0.5", REASONS)));
	cr_assert_eq(fixture_count(&f, "grade"), 3);
	cr_assert_str_eq(part("g", "harm"), "0.50 import: it was kind");
	assert_sound(&f);
}

Test(rules_record, no_session_can_pass_for_import)
{
	assert_refused(commit(&f, CHANGE_REGISTER, .name = "import"), EINVAL, "not a name");
}

Test(rules_record, a_long_reason_is_cut_between_characters)
{
	char record[1200], reason[601] = "";

	for (int i = 0; i < 300; i++)
		memcpy(reason + 2 * (size_t)i, "\xc3\xa4", 3);
	(void)snprintf(record, sizeof(record),
		       "{\"session_id\":\"g\",\"grades\":{\"harm\":1},\"grade_reasons\":"
		       "{\"harm\":\"x%s\"}}",
		       reason);
	assert_ok(import(record));
	cr_assert_eq(fixture_count(&f, "grade"), 1);
	assert_sound(&f);
}

/* --- lines --- */

Test(rules_record, a_line_is_kept_as_often_as_it_is_there)
{
	assert_ok(import("{\"line\":\"{torn\",\"of\":\"f\"}"));
	assert_ok(import("{\"line\":\"{torn\",\"of\":\"f\",\"nth\":1}"));
	cr_assert_eq(fixture_count(&f, "line"), 1);
	assert_ok(import("{\"line\":\"{torn\",\"of\":\"g\",\"nth\":2}"));
	assert_ok(import("{\"hex\":\"ff00\",\"of\":\"f\"}"));
	assert_ok(import("{\"hex\":\"ff00\",\"of\":\"f\"}"));
	cr_assert_eq(fixture_count(&f, "line"), 3);
	assert_sound(&f);
}

Test(rules_record, what_is_no_line_is_refused)
{
	assert_refused(import("{\"line\":\"a\\nb\"}"), EINVAL, "one line");
	assert_refused(import("{\"line\":7}"), EINVAL, "one line");
	assert_refused(import("{\"hex\":\"f\"}"), EINVAL, "one line");
	assert_refused(import("{\"hex\":\"FF\"}"), EINVAL, "one line");
	assert_refused(import("{\"hex\":\"610a62\"}"), EINVAL, "one line");
	assert_refused(import("{\"line\":\"x\",\"of\":\"a\\nb\"}"), EINVAL, "name of a file");
	cr_assert_eq(fixture_count(&f, "line"), 0);
}
