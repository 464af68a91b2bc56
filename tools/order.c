#include <errno.h>
#include <stdlib.h>

#include "backend/clean.h"
#include "tools/beads.h"
#include "tools/order.h"

enum { UNSEEN, OPEN, PLACED };

/* A record whose needs are being looked at, next from the one at `next`. */
struct frame {
	size_t record, next;
};

struct walk {
	json_t *const *records;
	const struct order_ops *ops;
	json_t *index; /* task -> number of its record */
	char *seen;
	struct frame *stack;
	size_t depth;
	size_t *order, placed;
};

static void push(struct walk *w, size_t record)
{
	w->seen[record] = OPEN;
	w->stack[w->depth++] = (struct frame){ record, 0 };
}

static void drop(const struct walk *w, const struct frame *f, json_t *needs, const char *why)
{
	w->ops->dropped(f->record, json_string_value(json_array_get(needs, f->next)), why,
			w->ops->arg);
	(void)json_array_remove(needs, f->next);
}

/* Look at one need of the record on top. */
static void look(struct walk *w, struct frame *f, json_t *needs)
{
	const char *need = json_string_value(json_array_get(needs, f->next));
	const json_t *at = json_object_get(w->index, need);
	size_t i = (size_t)json_integer_value(at);

	if (!at && !w->ops->known(need, w->ops->arg))
		drop(w, f, needs, "there is no such issue");
	else if (!at || w->seen[i] == PLACED)
		f->next++;
	else if (w->seen[i] == OPEN)
		drop(w, f, needs, "it would close a circle");
	else
		push(w, i);
}

/* Place the record and before it all it needs, without recursion: chains are long. */
static void place(struct walk *w, size_t record)
{
	push(w, record);
	while (w->depth) {
		struct frame *f = &w->stack[w->depth - 1];
		json_t *needs = json_object_get(w->records[f->record], "needs");

		if (f->next < json_array_size(needs)) {
			look(w, f, needs);
			continue;
		}
		w->seen[f->record] = PLACED;
		w->order[w->placed++] = f->record;
		w->depth--;
	}
}

int order_sort(json_t *const *records, size_t n, size_t *order, const struct order_ops *ops)
{
	AUTO_FREE char *seen = calloc(n + 1, 1);
	AUTO_FREE struct frame *stack = calloc(n + 1, sizeof(*stack));
	struct walk w = { records, ops, json_object(), seen, stack, 0, order, 0 };

	if (!seen || !stack || !w.index) {
		json_decref(w.index);
		return -ENOMEM;
	}
	for (size_t i = 0; i < n; i++)
		(void)json_object_set_new(w.index, beads_text(records[i], "task"),
					  json_integer((json_int_t)i));
	for (size_t i = 0; i < n; i++)
		if (seen[i] == UNSEEN)
			place(&w, i);
	json_decref(w.index);
	return 0;
}
