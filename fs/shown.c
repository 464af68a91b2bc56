#include "fs/shown.h"
#include "fs/request.h"

int shown_again(struct request *r, struct shown *s, int64_t of, int64_t stamp, int64_t id,
		int (*render)(struct request *r, int64_t id, struct buf *out), struct buf *out)
{
	int64_t seq = db_get(r->db, 0, Q(EVENT_LAST));
	int err = 0;

	if (s->of != of || s->seq != seq || s->stamp != stamp) {
		s->of = 0;
		buf_clear(&s->text);
		err = render(r, id, &s->text);
	}
	if (err) {
		buf_free(&s->text); /* its error would stay */
		return err;
	}
	s->of = of;
	s->seq = seq;
	s->stamp = stamp;
	buf_add(out, s->text.p, s->text.n);
	return 0;
}
