/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * dispatch.h: from a line to the handler of its command.
 */
#ifndef CLUSTERD_CONTROL_DISPATCH_H
#define CLUSTERD_CONTROL_DISPATCH_H

#include <stddef.h>

#include "daemon/control/arguments.h"
#include "daemon/control/call.h"

/*
 * A handler, command_<function>() in cmd_<noun>.c.  Arguments are checked and
 * borrowed for the call; permission is given.  It ends the call, now or later,
 * by exactly one call_done(), call_fail() or their like.
 */
typedef void command_handler(struct control_call *call,
    const struct arguments *arguments);

#define COMMAND(id, function, ...) command_handler command_##function;
#include "common/table/commands.def"

struct client;

/* Who asks: a client, or a reader with what the master says of it. */
struct asker {
	struct control *control;
	const struct peer *peer;
	struct client *client;
	struct control_reader *reader;
	const struct control_ask *ask;
};

/* Check what it asks for and begin the command; else the error, with words, and
 * nothing has begun. */
int dispatch_request(const struct asker *asker, const struct request *request,
    struct errmsg *err);

/* One line of a client: answers it, or begins a command. */
void dispatch_line(struct client *client, const char *line, size_t len);
/* A line beyond all bounds: framing is lost. */
void dispatch_overlong(struct client *client);

/* Begin the command of a call that has no client, with the arguments that it was
 * given once.  They are checked again. */
void dispatch_again(struct control_call *call, const json_t *args);

/* Why a pool or slot that a command names is not there: ERR_NOT_FOUND and
 * words; 0 if it is. */
int dispatch_find_target(struct control_call *call,
    const struct target *target, struct errmsg *err);
/* Is this process one of the workers that a command names?  All are, if it names
 * none. */
bool dispatch_is_meant(const struct target *target,
    const struct view_worker *worker);

#endif
