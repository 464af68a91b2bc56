/* What a commit says of itself. */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "backend/clean.h"
#include "backend/git_impl.h"
#include "backend/text.h"

/* --- the message --- */

static int put_subject(const git_commit *commit, json_t *out)
{
	const char *message = git_commit_message(commit);

	return json_object_set_new(out, "subject",
				   git_line(message, strcspn(message, "\n"), GIT_SUBJECT_BYTES));
}

static int put_trailers(const git_commit *commit, json_t *out)
{
	git_message_trailer_array all = { 0 };
	json_t *list = json_array();
	int bad = json_object_set_new(out, "trailers", list);

	if (bad || git_message_trailers(&all, git_commit_message(commit)))
		return -1;
	for (size_t i = 0; i < all.count && i < GIT_TRAILERS_MAX && !bad; i++) {
		const git_message_trailer *t = &all.trailers[i];

		bad = json_array_append_new(
			list, json_pack("[o, o]", git_line(t->key, strlen(t->key), GIT_TEXT_BYTES),
					git_line(t->value, strlen(t->value), GIT_TEXT_BYTES)));
	}
	git_message_trailer_array_free(&all);
	return bad;
}

static int has_name(const json_t *list, const char *name)
{
	json_t *e;
	size_t i;

	json_array_foreach(list, i, e)
		if (strcmp(json_string_value(e), name) == 0)
			return 1;
	return 0;
}

static int add_name(json_t *list, const char *word)
{
	char hex[GIT_OID_HEXSZ + 1];
	git_oid oid;

	if (json_array_size(list) == GIT_NAMES_MAX || git_oid_fromstrn(&oid, word, GIT_OID_HEXSZ))
		return 0;
	(void)git_oid_tostr(hex, sizeof(hex), &oid);
	return has_name(list, hex) ? 0 : json_array_append_new(list, json_string(hex));
}

static size_t word_length(const char *s)
{
	size_t n = 0;

	while (isalnum((unsigned char)s[n]) || s[n] == '_')
		n++;
	return n;
}

static int put_names(const git_commit *commit, json_t *out)
{
	json_t *list = json_array();
	int bad = json_object_set_new(out, "names", list);
	size_t n;

	for (const char *s = git_commit_message(commit); *s && !bad; s += n ? n : 1) {
		n = word_length(s);
		if (n == GIT_OID_HEXSZ)
			bad = add_name(list, s);
	}
	return bad;
}

/* What git writes when it undoes a commit, whatever else is in the message. */
static int put_reverts(const git_commit *commit, json_t *out)
{
	static const char words[] = "This reverts commit ";
	json_t *list = json_array();
	int bad = json_object_set_new(out, "reverts", list);

	for (const char *s = git_commit_message(commit); !bad && (s = strstr(s, words));) {
		s += sizeof(words) - 1;
		if (word_length(s) == GIT_OID_HEXSZ)
			bad = add_name(list, s);
	}
	return bad;
}

/* --- who, when, where --- */

static int put_author(const git_commit *commit, json_t *out)
{
	const git_signature *author = git_commit_author(commit);
	AUTO_BUF struct buf line = BUF_INIT;

	buf_printf(&line, "%s <%s>", author->name, author->email);
	if (line.err ||
	    json_object_set_new(out, "author", git_line(line.p, line.n, GIT_TEXT_BYTES)))
		return -1;
	return json_object_set_new(out, "author_time", json_integer(author->when.time));
}

static int put_parents(const git_commit *commit, json_t *out)
{
	json_t *list = json_array();
	int bad = json_object_set_new(out, "parents", list);

	for (unsigned i = 0; i < git_commit_parentcount(commit) && !bad; i++)
		bad = json_array_append_new(list, git_hex(git_commit_parent_id(commit, i)));
	return bad;
}

static int put_said(const git_commit *commit, json_t *out)
{
	int bad = json_object_set_new(out, "commit", git_hex(git_commit_id(commit)));

	bad = bad || put_parents(commit, out);
	bad = bad || json_object_set_new(out, "time", json_integer(git_commit_time(commit)));
	bad = bad || put_author(commit, out);
	bad = bad || put_subject(commit, out);
	bad = bad || put_trailers(commit, out);
	bad = bad || put_reverts(commit, out);
	return bad || put_names(commit, out) ? -ENOMEM : 0;
}

static int put_no_paths(json_t *out)
{
	json_t *none = json_pack("{s:[], s:i, s:n, s:n}", "paths", "more", 0, "patch", "loose");
	int bad = !none || json_object_update(out, none);

	json_decref(none);
	return bad ? -ENOMEM : 0;
}

static int put_changes(struct look *l, const git_commit *commit, int cut, json_t *out)
{
	int err;

	if (!cut && git_commit_parentcount(commit) < 2)
		return git_put_paths(l, commit, out);
	err = put_no_paths(out);
	if (!err && cut)
		err = json_object_set_new(out, "cut", json_true()) ? -ENOMEM : 0;
	return err;
}

int git_commit_json(struct look *l, const struct git_tip *tip, json_t **out)
{
	char hex[GIT_OID_HEXSZ + 1];
	json_t *new = json_object();
	git_object *o = NULL;
	int code = git_find(l, &tip->oid, GIT_OBJECT_COMMIT, &o), err;

	if (code)
		err = git_refused(l->says, code, git_oid_tostr(hex, sizeof(hex), &tip->oid));
	else
		err = put_said((git_commit *)o, new);
	if (!err)
		err = put_changes(l, (git_commit *)o, tip->cut, new);
	git_object_free(o);
	if (err)
		json_decref(new);
	else
		*out = new;
	return err;
}
