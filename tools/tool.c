#include <stdarg.h>
#include <stdio.h>

#include "tools/tool.h"

int tool_help(const struct tool *t, const char *more)
{
	(void)printf("usage: coordfs %s %s\n", t->name, t->args);
	if (t->summary)
		(void)printf("\n%s\n", t->summary);
	if (more)
		(void)printf("\n%s", more);
	return TOOL_YES;
}

int tool_usage(const struct tool *t, const char *fmt, ...)
{
	va_list ap;

	if (fmt) {
		(void)fprintf(stderr, "coordfs %s: ", t->name);
		va_start(ap, fmt);
		(void)vfprintf(stderr, fmt, ap);
		va_end(ap);
		(void)fputc('\n', stderr);
	}
	(void)fprintf(stderr, "usage: coordfs %s %s\n", t->name, t->args);
	return TOOL_USAGE;
}
