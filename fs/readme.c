/* readme: the file README at the top of the mount. */
#include "fs/dirs.h"

static const char text[] =
	"This is coordfs: the coordination state of a fleet of coding agents, as files.\n"
	"Reading never changes anything. The exit status of a command is the truth.\n"
	"\n"
	"  S=sessions/s41; mkdir $S             register as s41 (once)\n"
	"  head -1 verdict                      dry | not-dry | unknown: is there work?\n"
	"  t=$(cat $S/next); [ -n \"$t\" ]        the best task for me, if there is one; next.why: why\n"
	"                                       (ls ready: all that can be claimed now)\n"
	"  touch $S/claims/$t                   it is mine, with every artifact it will write;\n"
	"                                       or an error, and: cat $S/why\n"
	"  echo src/also.py >> $S/claims/$t     I must write this too; or an error\n"
	"  touch $S                             I am alive: renews all I hold\n"
	"  mv $S/claims/$t $S/done/             finished.  Or: rm $S/claims/$t  gives it back\n"
	"  echo noop > $S/outcome; rmdir $S     nothing more to do: say so and leave\n"
	"  echo $$ > $S/anchor                  when this shell exits s41 ends and lets go\n"
	"  touch actions/KEY                    may I do this outward deed? One is told yes. Then act,\n"
	"                                       and echo RESULT >> actions/KEY; or rm it\n"
	"  flock claims/T COMMAND               wait for T, hold it while COMMAND runs\n"
	"  cat $S/messages                      what others and the mount (coordfs) tell me\n"
	"  echo TEXT >> sessions/s42/messages   tell s42 something\n"
	"  timeout 60 sed 1q wait/messages/s41  the next one for me, if it comes by then\n"
	"\n"
	"Git: repos/NAME/path registers a repository; commits that say Coord-Session: s41 are\n"
	"yours; convergence/ has what two sessions did twice; coordfs guard --install REPO.\n"
	"\n"
	"With COORD_SESSION=s41 in the environment (or started by coordfs run) the short\n"
	"forms work too: touch claims/T, mv claims/T done/.\n"
	"\n"
	"New work:  mkdir tasks/T; echo title > tasks/T/title; echo src/a.c > tasks/T/artifacts;\n"
	"           mv ideas/T ready/\n"
	"\n"
	"Where things are: ideas ready blocked claims done (every task is in exactly one),\n"
	"tasks/T/ (all about one), sessions/ID/ (all about one), artifacts (names held now),\n"
	"repos, convergence, status, events, archive, control. `cat blocked/T` says what T waits for.\n"
	"\n"
	"Errors, by errno (and in words in `why`):\n"
	"  EBUSY        held, or an artifact of it is held by another: take another task\n"
	"  EEXIST       done already, or held by your own session; of an action: not yours to do\n"
	"  ENOENT       no such task, or not published\n"
	"  ENOKEY       nobody knows which session you are\n"
	"  EPERM        not yours\n"
	"  ESTALE       you lost it: stop this work; or another session committed to it since\n"
	"               you began: look at that, then touch $S/base\n"
	"  EKEYEXPIRED  touch $S: a claim of yours was lost; said once for each\n"
	"  EDEADLK      flock would wait for what your own session holds\n"
	"  EDQUOT       a limit is reached, or a lane is full: finish something, or take another lane's\n"
	"  EROFS        the board is closed (control/estop)\n"
	"  ENOSPC       the disk of the store is full: finishing and giving back go on\n"
	"  ELOOP        tasks would wait for each other in a circle\n"
	"  EINVAL E2BIG EILSEQ ERANGE   what you wrote is not what the file takes\n"
	"\n"
	"When this directory is away (ENOTCONN, or empty): nothing is yours to decide. Wait.\n"
	"Afterwards `touch $S` tells whether you still hold what you held.\n";

int readme_show(struct request *r, int64_t id, struct buf *out)
{
	(void)r;
	(void)id;
	buf_str(out, text);
	return 0;
}
