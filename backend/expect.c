/* What may be expected of a lane, and the settings of a choice. */
#include <math.h>
#include <string.h>

#include "backend/clean.h"
#include "backend/field.h"
#include "backend/select.h"
#include "backend/text.h"

/* --- what is known of lanes --- */

int select_arm(struct db *db, const char *lane, struct arm *out)
{
	AUTO_ROWS *r = db_rows(db, Q(ARM), T(lane));
	int got = rows_next(r);

	*out = (struct arm){ .n = 0 };
	if (got <= 0)
		return got;
	*out = (struct arm){ rows_int(r, 0), rows_real(r, 1), rows_real(r, 2), rows_real(r, 3),
			     rows_int(r, 4) };
	return 1;
}

int select_reward(struct db *db, int64_t session, const char *lane, struct reward *out)
{
	AUTO_ROWS *r = db_rows(db, Q(REWARD), I(session), T(lane));
	int got = rows_next(r);

	*out = (struct reward){ .idx = 0 };
	if (got <= 0)
		return got;
	*out = (struct reward){ rows_int(r, 0), rows_real(r, 1) };
	return 1;
}

/* --- settings --- */

/* Those that are numbers, and those that are durations (in ms here). */
static const struct {
	const char *name;
	size_t at;
	int is_duration;
} settings[] = {
#define NUMBER(name, member)                                                \
	{                                                                   \
		"select." name, offsetof(struct select_settings, member), 0 \
	}
#define MS(name, member)                                                    \
	{                                                                   \
		"select." name, offsetof(struct select_settings, member), 1 \
	}
	NUMBER("half-life", half_life), NUMBER("explore", explore),
	NUMBER("recency", recency),	MS("recency-half-life", recency_half_life),
	NUMBER("monotony", monotony),	NUMBER("family", family),
	NUMBER("share", share),		NUMBER("window", window),
	MS("asking", asking),		MS("calm", calm),
	MS("refused", refused),
};
#define SETTINGS (sizeof(settings) / sizeof(settings[0]))

static void set(struct select_settings *out, size_t i, const char *text)
{
	int64_t ms = 0;
	double v = 0;

	if (settings[i].is_duration && !duration_parse(text, &ms))
		v = (double)ms;
	else if (settings[i].is_duration || number_parse(text, &v))
		return;
	memcpy((char *)out + settings[i].at, &v, sizeof(v));
}

int select_settings(struct db *db, struct select_settings *out)
{
	AUTO_ROWS *r = db_rows(db, Q(SELECT_SETTINGS));

	*out = (struct select_settings){ .half_life = 1 };
	for (size_t i = 0; i < SETTINGS; i++)
		set(out, i, field_find(THING_CONTROL, settings[i].name)->dflt);
	while (rows_next(r) > 0)
		for (size_t i = 0; i < SETTINGS; i++)
			if (strcmp(settings[i].name, rows_text(r, 0)) == 0)
				set(out, i, rows_text(r, 1));
	return db_error(db);
}

/*
 * The mean of a Beta posterior over faded outcomes, whose prior is what the lane did in its whole
 * life: so a lane that nobody enters falls back to its lifetime's mean, and not to one half.
 */
int select_expected(struct db *db, const struct select_settings *set, const char *lane,
		    struct expected *out)
{
	int64_t now = db_get(db, 0, Q(REWARD_LAST));
	int got = select_arm(db, lane, &out->arm);
	const struct arm *a = &out->arm;
	double fade;

	if (got < 0)
		return got;
	fade = exp2(-(double)(now - a->idx) / set->half_life);
	out->lifetime = (1 + a->total) / (2 + (double)a->n);
	out->weight = a->weight * fade;
	out->value = (2 * out->lifetime + a->sum * fade) / (2 + out->weight);
	return db_error(db);
}
