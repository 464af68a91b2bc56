#include <err.h>
#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tools/owner.h"
#include "tools/tool.h"

int owner_become(const char *path)
{
	struct stat st;

	if (geteuid() != 0)
		return 0;
	if (stat(path, &st)) {
		warn("%s", path);
		return TOOL_CANNOT_TELL;
	}
	if (setgroups(0, NULL) || setgid(st.st_gid) || setuid(st.st_uid) ||
	    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)) {
		warn("to become the owner of %s", path);
		return TOOL_CANNOT_TELL;
	}
	return 0;
}

void owner_home(void)
{
	const char *home = getenv("HOME");
	const struct passwd *p = home && access(home, X_OK) == 0 ? NULL : getpwuid(geteuid());

	if (p)
		(void)setenv("HOME", p->pw_dir, 1);
}
