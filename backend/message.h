/*
 * message: what one session tells another, and what the mount tells a session. What is
 * said stands in the event alone; a mailbox is a list of events.
 */
#ifndef BACKEND_MESSAGE_H
#define BACKEND_MESSAGE_H

#include <jansson.h>

#include "backend/buf.h"

#define MESSAGE_MOUNT "coordfs" /* who says what the mount says; no session's name */
#define MESSAGE_MAX 4096	/* bytes of one, without its newline */

/* What a mailbox keeps, the last ones: of all, of one sender, of one uid that is not its own. */
#define MESSAGES_KEPT 1000
#define MESSAGES_OF_SENDER 250
#define MESSAGES_OF_UID 500

/* Is the text fit to be a message, one line that cannot be taken for two, or for another's? 0,
 * -EINVAL, -EILSEQ, -E2BIG. */
int message_check(const char *text, size_t n);

/* The line of event E in a mailbox, "TIME FROM TEXT", into OUT. */
void message_line(const json_t *e, struct buf *out);

#endif
