/* scanning: git_scan in a directory of its own, over repositories that the git program makes. */
#ifndef TESTS_LIB_SCANNING_H
#define TESTS_LIB_SCANNING_H

#include <jansson.h>

#include "backend/git.h"

/* What `at N COMMAND...` gives commits as their time is this and N seconds. */
#define SCAN_EPOCH 1700000000

/* For a suite. The directory is the current one, and $HOME; it has an empty repository, r. */
void scan_setup(void);
void scan_teardown(void);

/* Run a script with sh, which must end well; `at` is in its PATH. */
void scan_sh(const char *script);

/* git_scan PATH, and with all options. Its lines are the parts below until the next one. */
int scan_path(const char *path);
int scan_with(const struct git_scan_options *o);

json_t *scan_first(void);
json_t *scan_end(void);
size_t scan_commits(void);
/* The commit of SUBJECT. It must be there. */
json_t *scan_commit(const char *subject);
/* The subjects, in order, with spaces between; static. */
const char *scan_order(void);
/* "A path, D path" of the commit of SUBJECT; static. */
const char *scan_paths(const char *subject);
const char *scan_says(void);
/* A string of OBJECT, "null" for none. */
const char *scan_text(const json_t *object, const char *key);

/* Called after each line of scan_with, if it is set: its answer is git_scan_fn's. */
extern int (*scan_between)(json_t *line);

#endif
