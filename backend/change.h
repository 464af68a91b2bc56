/*
 * change: every way the state can change, as one tagged struct. A change
 * carries names, values and durations; no SQL, no clock, no inode. Who
 * decides it (the writer, another arbiter some day) answers in `result`.
 */
#ifndef BACKEND_CHANGE_H
#define BACKEND_CHANGE_H

#include <stddef.h>
#include <stdint.h>

#include "backend/buf.h"

enum change_kind {
	CHANGE_TICK,	  /* end what is due: leases, idle sessions, daily tasks */
	CHANGE_DRAFT,	  /* task: a new one */
	CHANGE_PUBLISH,	  /* task: from ideas to the board */
	CHANGE_UNPUBLISH, /* task: back to ideas */
	CHANGE_CANCEL,	  /* task */
	CHANGE_UNHOLD,	  /* task: lift a hold (an operator knows better) */
	CHANGE_SET,	  /* field of thing = text */
	CHANGE_CLAIM,	  /* task, for actor.session */
	CHANGE_EXTEND,	  /* token's claim: text, lines to add and -lines to give up */
	CHANGE_FINISH,	  /* task, held by actor.session */
	CHANGE_RELEASE,	  /* task, held by actor.session */
	CHANGE_HANDOVER,  /* task, to the session called name */
	CHANGE_REOPEN,	  /* task: from done to ready */
	CHANGE_BREAK,	  /* text: "TASK TOKEN reason" */
	CHANGE_REGISTER,  /* session called name */
	CHANGE_END,	  /* thing: a session */
	CHANGE_CHOWN,	  /* thing: a session, to uid */
	CHANGE_RENEW,	  /* thing: a session, says that it lives */
	CHANGE_JOIN,	  /* thing: a session; pid, start; text: their boot id */
	CHANGE_ANCHOR,	  /* the same: the session ends with that process; pid 0: with none */
	CHANGE_EXIT,	  /* pid, start; text: their boot id: that process is gone */
	CHANGE_LOCK,	  /* name, a task or a mutex; token: what the descriptor holds, or held */
	CHANGE_UNLOCK,	  /* token */
	CHANGE_IMPORT,	  /* text: one JSON record a line */
	CHANGE_ADD,	  /* of, name: a probe, a lane, a lesson, a repository */
	CHANGE_REMOVE,	  /* the same */
	CHANGE_JUDGED,	  /* text: what the probes said, as JSON */
	CHANGE_OBSERVED,  /* text: commits of a repository, as JSON */
	CHANGE_LOOK,	  /* thing: a repository, is to be looked at now */
	CHANGE_BASE,	  /* thing: a session, accepts what the repositories hold now */
	CHANGE_JOURNAL,	  /* thing: a session; text: what it adds */
	CHANGE_GRADE,	  /* thing: a session; field: a dimension; text: "0.8 reason" */
	CHANGE_APPLY,	  /* thing: an incident, whose lesson is to be applied */
	CHANGE_PERMIT, /* name: a key of actions/, for actor.session; thing: what has it already */
	CHANGE_RESULT, /* thing: an action; text: what became of it; none: may it be written? */
	CHANGE_WITHDRAW, /* name: a key of actions/, is to be free again */
	CHANGE_MESSAGE,	 /* thing: a session; text: lines for it */
	CHANGE_KINDS
};

/* How the session was found. */
enum actor_how { ACTOR_NONE, ACTOR_PATH, ACTOR_JOINED, ACTOR_ENV };

/* Who asks, as far as it could be found out. */
struct actor {
	uint32_t uid, gid;
	int32_t pid;	 /* thread group; 0: outside our pid namespace */
	int64_t start;	 /* of pid, clock ticks */
	int64_t session; /* thing id; 0: none */
	int64_t joined;	 /* session of the nearest joined ancestor; 0: none */
	int64_t foreign; /* the session found belongs to another uid; session is 0 then */
	enum actor_how how;
	int is_operator; /* root, the mount's owner, the operators' group */
	int is_owner;	 /* root or the mount's owner */
};

/* The numbers are kept in the store: add at the end. */
enum thing_kind {
	THING_CONTROL,
	THING_TASK,
	THING_SESSION,
	THING_PROBE, /* from here on: made by name, with fields and nothing else */
	THING_LANE,
	THING_LESSON,
	THING_REPO,
	THING_GOAL,
	THING_KINDS
};

/* The word for a kind: in events, in sentences. */
extern const char *const thing_words[THING_KINDS];

#define CHANGE_ANEW 1u	 /* claim although it was lost before, knowingly */
#define CHANGE_APPEND 2u /* set: add the lines to what is there */
#define CHANGE_GO_ON 4u	 /* set, append: the first goes on where the last line ends */
#define CHANGE_SHARED 8u /* lock: with others who share it */
#define CHANGE_SURE 32u	 /* when the disk is full or memory lacks: tried again later, not refused */
#define CHANGE_ONCE 64u	 /* add: unless there was one of that name ever */
#define CHANGE_UNSEEN 128u /* claim: a repository could not be looked at; text says why */
#define CHANGE_WAIT 16u	   /* lock: wait in line instead of being refused */

struct result {
	int err;	/* 0 or -errno */
	int64_t id;	/* the thing made; a claim's token */
	struct buf why; /* err: the reason, the last line "next: ..."; else a report */
};

struct change {
	enum change_kind kind;
	unsigned flags;
	struct actor actor;
	enum thing_kind of; /* SET, ADD, REMOVE: what `thing` is */
	int64_t thing;	    /* 0 where a name says it all; LOCK in line: the task */
	int64_t token;	    /* the grant a handle or a node stands for; 0: none */
	uint32_t uid;	    /* CHOWN */
	int32_t pid;	    /* JOIN, ANCHOR, EXIT: the process */
	int64_t start;
	char name[160]; /* task, session, probe .. */
	char field[32]; /* SET */
	char *text;	/* owned by the change */
	size_t n;
	const char *op;	       /* what was asked, for the record: "claim claims/T" */
	_Atomic int cancelled; /* set by any thread: the asker has gone */

	/* In line, the writer's alone but for the first. */
	_Atomic int64_t blocker; /* the grant or lock waited for; 0: not in line */
	int64_t arrival;
	int joined; /* in this batch, which may still fail */
	int served; /* decided in this batch */
	struct change *wait_prev, *wait_next;

	struct result result;
	/* Called by the loop once the change is decided; the change's end is theirs. */
	void (*done)(struct change *c);
	void *arg;
	struct change *next;
};

/* An empty change of KIND, to be freed with change_free; NULL: no memory. */
struct change *change_new(enum change_kind kind);
void change_free(struct change *c);
/* Copy N bytes of TEXT into the change. 0 or -ENOMEM. */
int change_text(struct change *c, const char *text, size_t n);

#endif
