/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * observe.h: events that plugins watch, from the journal into the control channel
 * of their worker.  Who reads too slowly is told how many it has missed.
 */
#ifndef CLUSTERD_MASTER_OBSERVE_H
#define CLUSTERD_MASTER_OBSERVE_H

#include <stdbool.h>
#include <stdint.h>

#include "daemon/journal/journal.h"
#include "daemon/proto/messages.h"

struct process;

struct observer {
	struct process *process;
	uint64_t ref;			/* 0: free */
	struct journal_range range;
	struct journal_follower *follower;	/* NULL: to be tried again */
	uint64_t missed, missed_seq;	/* that could not be said */
};

/* What a process has of this; all 0 at first. */
struct observe_end { struct observer rows[OBSERVERS_AT_ONCE]; };

/* FOLLOW, UNFOLLOW: its bytes are not believed. */
void observe_message(struct process *from, struct channel_packet *packet);
/* The channel has room again. */
void observe_go_on(struct process *process);
void observe_tick(struct process *process);
/* It hears no more. */
void observe_lose(struct process *process);

#endif
