/* dirs: the tables of the tree's directories, for root.c to put together. */
#ifndef FS_DIRS_H
#define FS_DIRS_H

#include "fs/node.h"

extern const struct node root_node;

extern const struct node ideas_rows[], ready_rows[], blocked_rows[], claims_rows[], done_rows[];
extern const struct node tasks_rows[], sessions_rows[], probes_rows[], archive_rows[],
	control_rows[], lanes_rows[], lessons_rows[], repos_rows[], convergence_rows[],
	stats_rows[], actions_rows[], goals_rows[];
extern const struct node wait_rows[], wait_messages_rows[];
extern const struct dir_ops tasks_ops, sessions_ops, actions_ops;

/* readme.c, status.c, events.c, verdict.c: files of the root. */
int readme_show(struct request *r, int64_t id, struct buf *out);
int status_show(struct request *r, int64_t id, struct buf *out);
int events_show(struct request *r, int64_t id, struct buf *out);
int artifacts_show(struct request *r, int64_t id, struct buf *out);
int verdict_show(struct request *r, int64_t id, struct buf *out);
int verdict_json_show(struct request *r, int64_t id, struct buf *out);

/* next.c */
int next_show(struct request *r, int64_t id, struct buf *out);
int next_why_show(struct request *r, int64_t id, struct buf *out);
extern const struct node select_rows[];

/* lessons.c: control/lessons, and a file of sessions/ID. */
extern const struct node teaching_rows[];
int session_lessons_show(struct request *r, int64_t id, struct buf *out);

/* whoami.c: shared by the root and by sessions/ID/. */
int whoami_show(struct request *r, int64_t id, struct buf *out);
int why_show(struct request *r, int64_t id, struct buf *out);

#endif
