/* record: what a session did, for sessions.c to show; and what others say of it, a directory. */
#ifndef FS_RECORD_H
#define FS_RECORD_H

#include "fs/node.h"

int journal_show(struct request *r, int64_t id, struct buf *out);
int journal_store(struct request *r, int64_t id, const char *text, size_t n, int append);
int deeds_commits_show(struct request *r, int64_t id, struct buf *out);
int refusals_show(struct request *r, int64_t id, struct buf *out);
int taken_show(struct request *r, int64_t id, struct buf *out);
int stamp_show(struct request *r, int64_t id, struct buf *out);
int record_show(struct request *r, int64_t id, struct buf *out);

/* messages.c */
int messages_show(struct request *r, int64_t id, struct buf *out);
int messages_store(struct request *r, int64_t id, const char *text, size_t n, int append);

/* grades.c */
int grade_show(struct request *r, int64_t id, struct buf *out);
extern const struct node grades_rows[];
extern const struct node grading_rows[];

#endif
