/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * command.h: commands that plugins give the daemon, between the control channel
 * of their worker and the control server, whose table, verdicts and audit they
 * share.  What such a worker may is asked of its configuration alone.
 */
#ifndef CLUSTERD_MASTER_COMMAND_H
#define CLUSTERD_MASTER_COMMAND_H

#include <stdbool.h>
#include <stdint.h>

#include "daemon/control/control.h"
#include "daemon/proto/messages.h"

struct process;

/* What a worker asked of a master that is lost may still come to the next one, and
 * it asks that again. */
enum { COMMANDS_OPEN = 2 * COMMANDS_AT_ONCE };

struct command_row {
	struct control_reader reader;	/* first: what it hears is ours */
	struct process *process;
	uint64_t ref;			/* 0: free */
	bool broken;			/* some of it could not be said … */
	bool ended;			/* … and that is still to be told */
};

/* What a process has of this; all 0 at first. */
struct command_end { struct command_row rows[COMMANDS_OPEN]; };

/* COMMAND: its bytes are not believed. */
void command_message(struct process *from, struct channel_packet *packet);
/* The channel has room again. */
void command_go_on(struct process *process);
/* Each tick: an end that could not be told. */
void command_tick(struct process *process);
/* It hears no more. */
void command_lose(struct process *process);

#endif
