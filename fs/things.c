/* things: what is a name and fields and nothing else; lanes, lessons, repositories, probes. */
#include "fs/dirs.h"

static int thing_change(struct request *r, enum change_kind kind, const char *name)
{
	int err = request_identify(r, 0);

	if (err)
		return err;
	if (!request_change(r, kind, name))
		return request_error(r);
	r->change->of = r->node->of;
	return 0;
}

static int things_mkdir(struct request *r, int64_t id, const char *name)
{
	(void)id;
	return thing_change(r, CHANGE_ADD, name);
}

static int things_rmdir(struct request *r, int64_t id, const char *name)
{
	(void)id;
	return thing_change(r, CHANGE_REMOVE, name);
}

const struct dir_ops things_ops = { .mkdir = things_mkdir, .rmdir = things_rmdir };
