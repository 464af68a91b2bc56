/* What the events mean for goals, and for what was drafted twice; see project.c. */
#include <string.h>

#include "backend/alike.h"
#include "backend/clean.h"
#include "backend/project_impl.h"

/* Put the words of KEY into the index of titles, or (ADD 0) out of it. */
static void index_words(struct tx *tx, int64_t task, const char *key, int add)
{
	while (*key) {
		size_t n = strcspn(key, " ");
		AUTO_FREE char *word = tx_allocated(strndup(key, n));

		if (word && add)
			RUN(Q(TITLE_WORD_ADD), T(word), I(task));
		else if (word)
			RUN(Q(TITLE_WORD_REMOVE), T(word), I(task));
		key += n + (key[n] == ' ');
	}
}

void project_title(struct tx *tx, int64_t task, const char *title)
{
	AUTO_FREE char *old = db_text(tx->db, Q(TITLE_OF), I(task));
	char key[ALIKE_KEY];

	if (old) {
		index_words(tx, task, old, 0);
		RUN(Q(TITLE_UNSET), I(task));
	}
	if (!alike_key(title, key))
		return;
	RUN(Q(TITLE_SET), I(task), T(key));
	index_words(tx, task, key, 1);
}

void project_duplicate(struct tx *tx, json_t *e)
{
	json_t *like;
	size_t i;

	json_array_foreach(json_object_get(e, "like"), i, like)
		RUN(Q(DUPLICATE_ADD), I(event_int(e, "task_id")),
		    I(json_integer_value(json_array_get(like, 0))), I(event_int(e, "at")),
		    I(event_int(e, "refused")));
}

void project_wanted(struct tx *tx, const json_t *e)
{
	if (db_get(tx->db, 0, Q(GOAL_WANTS), I(event_int(e, "task_id"))))
		project_day(tx, e, "done-wanted", 1);
}
