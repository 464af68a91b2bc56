/* owner: tools that read a repository as whom it belongs to. */
#ifndef TOOLS_OWNER_H
#define TOOLS_OWNER_H

/*
 * Root becomes whoever PATH belongs to, for good: nobody's files are shown to anybody else. Anyone
 * else stays who they are. 0, or TOOL_CANNOT_TELL once standard error says why.
 */
int owner_become(const char *path);

/*
 * Set HOME, where ~/.gitconfig is read, to that of whom this runs as if it names no directory that
 * can be searched: who started this has left none, or another's.
 */
void owner_home(void);

#endif
