/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * host.h: what the control server needs of the master, as a table of functions
 * handed down at start, and how the master answers.  History (events, deaths,
 * generations, commands) is read from journal and store directly.
 */
#ifndef CLUSTERD_CONTROL_HOST_H
#define CLUSTERD_CONTROL_HOST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/base/buf.h"
#include "common/base/errmsg.h"
#include "common/table/table.h"
#include "daemon/control/view.h"
#include "daemon/proto/mail_target.h"

enum {
	COMMAND_ID_MAX = 32,	/* characters of a command id */
	POOL_NAME_MAX = 32,	/* characters of a pool's name */
};

/* Which workers a command means: `web/0', `web' or `all'. */
enum target_kind { TARGET_NONE, TARGET_WORKER, TARGET_POOL, TARGET_ALL };

struct target {
	enum target_kind kind;
	char pool[POOL_NAME_MAX + 1];	/* TARGET_WORKER, TARGET_POOL */
	unsigned slot;			/* TARGET_WORKER */
};

enum scale_how { SCALE_TO, SCALE_UP, SCALE_DOWN, SCALE_AUTO };

/*
 * A command that changes something (or runs the checker), as plain data.  The
 * pool and slot of the target existed when it was made.  Signals of the main
 * process become one too: control_submit().
 */
struct change {
	enum command_id command;
	char id[COMMAND_ID_MAX + 1];	/* command id; the memo keeps it */
	char who[64];			/* account of the caller: "root" */
	struct target target;		/* all that take WORKER or POOL */
	enum scale_how how;		/* SCALE */
	unsigned number;		/* SCALE */
	bool plan;			/* RELOAD --plan: nothing is stored */
	int hold_percent;		/* RELOAD --hold: 0..100; -1: none */
	bool go_on;			/* RELOAD --continue */
	bool automatic;			/* nobody gave it: ROLLBACK of a generation
					 * that fails, SCALE by how busy it is */
	bool now;			/* STOP --now */
	int signal;			/* KILL: number, SIGKILL if not given */
	struct mail_target mail;	/* SEND */
	bool json;			/* SEND: so is its message marked */
	const char *topic;		/* SEND; as text */
	const char *text;		/* LOG_LEVEL level, SEND message, UPGRADE
					 * path, an automatic SCALE's reason;
					 * for the call of start() only.
					 * NULL: not given */
};

/*
 * One running command.  It belongs to the control server and outlives the
 * client that gave it: after a close all answers go to the audit record alone.
 * The host keeps the pointer from start() until it has called exactly one of
 * control_done() and control_fail(), also inside start(); not after.
 */
struct control_call;

/* Text of JSON below is one value ("{…}", "null"), borrowed for the call.  One
 * that is not JSON is a bug of the caller and becomes an error `internal'. */
void control_progress(struct control_call *call, const char *json);
void control_row(struct control_call *call, const char *json);
void control_done(struct control_call *call, const char *result);
/* err->code becomes the word of the protocol.  result: what was done all the
 * same, or NULL. */
void control_fail(struct control_call *call, const struct errmsg *err,
    const char *result);
/* The call ends as the other does, which has not ended yet; the host must not use
 * it any more. */
void control_join(struct control_call *call, struct control_call *other);
/* It waits in line for others, or its turn has come: put on record, so that the
 * next master knows what has not begun. */
void control_waits(struct control_call *call, bool waits);
const char *control_call_id(const struct control_call *call);

/* What the master hands down.  Runs in the loop, may not block. */
struct control_host {
	void *context;

	/* The present state, fresh.  NULL: there is no memory for it.  Holds
	 * until the loop turns. */
	const struct view *(*view)(void *context, enum view_children children);

	/*
	 * Begin a change.  Every row of commands.def with .change comes here
	 * (SCALE RELOAD RESTART DRAIN KILL PAUSE RESUME RETRY ROLLBACK STOP
	 * LOG_LEVEL LOG_REOPEN, and with .checks CONFIG_CHECK CONFIG_DIFF).
	 * The result of CONFIG_DIFF and of RELOAD with plan is an object whose
	 * member "text" is for people.
	 */
	void (*start)(void *context, struct control_call *call,
	    const struct change *change);

	/* Append the configuration in force, as canonical text with defaults
	 * and secrets masked.  0 or an ERR_ code. */
	int (*config_text)(void *context, struct buf *out, struct errmsg *err);

	/* Append metrics in the Prometheus text format.  NULL: only what the
	 * view tells. */
	int (*metrics)(void *context, struct buf *out, struct errmsg *err);
};

#endif
