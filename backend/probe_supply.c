/*
 * cross-repo-supply: is there something in other places that is done quickly? A collector
 * looks there, and writes a line a place into `feed`: NAME open=5 quick-wins=0 pending=3.
 *
 * Inputs: feed: text or null; interval, age of the feed (ms).
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "backend/clean.h"
#include "backend/probe_kinds.h"
#include "backend/text.h"
#include "backend/tx.h"

#define INTERVAL "6h"
#define PLACES_SHOWN 3

/* --- look --- */

static int look(struct probe_look *l)
{
	AUTO_FREE char *interval = tx_attr(l->db, l->id, "interval");
	int64_t ms = 0, fed = db_get(l->db, 0, Q(ATTR_CHANGED), I(l->id), T("feed"));
	int err = probe_setting(l, "feed");

	if (duration_parse(interval ? interval : INTERVAL, &ms))
		ms = 0;
	if (!err &&
	    json_object_update_new(l->inputs, json_pack("{s:I, s:I}", "interval", (json_int_t)ms,
							"age", (json_int_t)(l->wall - fed))))
		err = -ENOMEM;
	return err;
}

/* --- judge --- */

/* What the lines say together. */
struct fed {
	int64_t places, open, quick; /* quick: places with quick wins */
	struct buf wins;	     /* "NAME: 2 quick wins of 5 open; .." */
};

/* KEY=NUMBER of a word into one of the two. 0, -EINVAL. */
static int parse_word(const char *word, int64_t *open, int64_t *quick)
{
	const char *number = strchr(word, '=');
	size_t n = number ? (size_t)(number - word) : 0;

	if (!n)
		return -EINVAL;
	if (n == strlen("open") && strncmp(word, "open", n) == 0)
		return int_parse(number + 1, 0, INT32_MAX, open);
	if (n == strlen("quick-wins") && strncmp(word, "quick-wins", n) == 0)
		return int_parse(number + 1, 0, INT32_MAX, quick);
	return 0;
}

/* One line of the feed, which is written into. 0, -EINVAL. */
static int parse_line(char *line, struct fed *f)
{
	int64_t open = -1, quick = -1;
	char *rest = line, *name = strtok_r(line, " \t", &rest), *word;

	if (!name)
		return 0;
	if (strchr(name, '='))
		return -EINVAL;
	while ((word = strtok_r(rest, " \t", &rest)))
		if (parse_word(word, &open, &quick))
			return -EINVAL;
	if (open < 0 || quick < 0)
		return -EINVAL;
	f->places++;
	f->open += open;
	if (quick && f->quick++ < PLACES_SHOWN)
		buf_printf(&f->wins, "%s%.60s: %s of %lld open", f->wins.n ? "; " : "", name,
			   probe_count(quick, "quick win"), (long long)open);
	return 0;
}

static void say(const struct fed *f, struct probe_said *out)
{
	char more[40] = "";

	if (f->quick > PLACES_SHOWN)
		(void)snprintf(more, sizeof(more), "; and %lld more",
			       (long long)f->quick - PLACES_SHOWN);
	if (f->quick)
		probe_say(out, PROBE_SUPPLY, "%s%s", buf_text(&f->wins), more);
	else
		probe_say(out, PROBE_DRY, "%lld open in %lld %s, none quick", (long long)f->open,
			  (long long)f->places, f->places == 1 ? "repository" : "repositories");
}

static void judge_feed(const char *feed, struct probe_said *out)
{
	AUTO_FREE char *copy = strdup(feed);
	struct fed f = { .places = 0 };
	char *rest = copy, *line;
	int err = copy ? 0 : -ENOMEM;

	while (!err && (line = strsep(&rest, "\n"))) {
		char shown[64];

		(void)probe_first_line(line, shown, sizeof(shown));
		err = parse_line(line, &f);
		if (err)
			probe_say(out, PROBE_UNKNOWN, "a line of the feed makes no sense: %s",
				  shown);
	}
	if (!copy)
		probe_say(out, PROBE_UNKNOWN, "could not be judged: ENOMEM");
	else if (!err && f.places)
		say(&f, out);
	else if (!err)
		probe_say(out, PROBE_UNKNOWN, "the feed names no repository");
	buf_free(&f.wins);
}

static void judge(const json_t *inputs, struct probe_said *out)
{
	const char *feed = event_text(inputs, "feed");
	int64_t age = event_int(inputs, "age"), interval = event_int(inputs, "interval");

	out->filed = PROBE_UNFILED;
	if (!*feed)
		probe_say(out, PROBE_UNKNOWN, "was never fed");
	else if (age > interval)
		probe_say(out, PROBE_UNKNOWN, "fed %s ago, which holds for %s", probe_span(age),
			  probe_span(interval));
	else
		judge_feed(feed, out);
	(void)line_mend(out->detail);
}

const struct probe_kind probe_supply = { "cross-repo-supply", INTERVAL, look, judge };
