#include <errno.h>
#include <string.h>

#include "backend/message.h"
#include "backend/text.h"
#include "backend/tx.h"

/* Ends of lines for some programs, and what makes a terminal show a line in another order. */
static int misleads(uint32_t c)
{
	return c == 0x2028 || c == 0x2029 || (c >= 0x202a && c <= 0x202e) ||
	       (c >= 0x2066 && c <= 0x2069);
}

int message_check(const char *text, size_t n)
{
	int err = n > MESSAGE_MAX ? -E2BIG : n ? line_check(text, n) : -EINVAL;

	for (size_t at = 0; !err && at < n;) {
		uint32_t c = 0;
		int len = utf8_next(text + at, n - at, &c);

		if (len < 0 || misleads(c))
			err = len < 0 ? len : -EINVAL;
		at += len > 0 ? (size_t)len : 1;
	}
	return err;
}

/* --- what the mount says: never what others wrote, which could say anything --- */

static void say_lost(const json_t *e, struct buf *out)
{
	buf_printf(out,
		   "lost %s, token %lld, %s: stop working on it; mv ready/%s sessions/%s/claims/ "
		   "takes it anew when it is free",
		   event_text(e, "task"), (long long)event_int(e, "token"), event_text(e, "reason"),
		   event_text(e, "task"), event_text(e, "session"));
}

static void say_warned(const json_t *e, struct buf *out)
{
	/* the events of older stores have no op: those were claims */
	if (strcmp(event_text(e, "op"), "publish") == 0)
		buf_printf(out, "warned that %s looks like other work: ", event_text(e, "task"));
	else
		buf_printf(out, "warned when %s was claimed: ", event_text(e, "task"));
	buf_printf(out, "cat sessions/%s/why says of what", event_text(e, "session"));
}

static void say_graded(const json_t *e, struct buf *out)
{
	buf_printf(out, "graded %s %s by ", event_text(e, "dimension"), event_text(e, "value"));
	if (event_int(e, "session_id"))
		buf_printf(out, "session %s", event_text(e, "session"));
	else
		buf_printf(out, "uid %lld", (long long)event_int(e, "uid"));
	buf_printf(out, ": cat sessions/%s/grades/history says why", event_text(e, "graded"));
}

static void say_handed(const json_t *e, struct buf *out)
{
	buf_printf(out, "handed %s, token %lld, by session %s: it is yours now",
		   event_text(e, "task"), (long long)event_int(e, "seq"), event_text(e, "session"));
}

static void say_incident(const json_t *e, struct buf *out)
{
	buf_printf(
		out,
		"convergence/%lld of sessions %s and %s: one piece of work was done twice; look at "
		"convergence/%lld/commits before you go on",
		(long long)event_int(e, "incident"), event_text(e, "first_session"),
		event_text(e, "second_session"), (long long)event_int(e, "incident"));
}

static const struct {
	const char *event;
	void (*say)(const json_t *e, struct buf *out);
} notices[] = {
	{ "lost", say_lost },	    { "warned", say_warned },	  { "grade", say_graded },
	{ "handover", say_handed }, { "incident", say_incident }, { "incident-more", say_incident },
};

void message_line(const json_t *e, struct buf *out)
{
	const char *event = event_text(e, "event");
	char when[TIME_TEXT];

	(void)time_text(event_int(e, "at"), when);
	for (size_t i = 0; i < sizeof(notices) / sizeof(notices[0]); i++) {
		if (strcmp(notices[i].event, event) != 0)
			continue;
		buf_printf(out, "%s " MESSAGE_MOUNT " ", when);
		notices[i].say(e, out);
		buf_char(out, '\n');
		return;
	}
	buf_line(out, "%s %s %s", when, event_text(e, "session"), event_text(e, "text"));
}
