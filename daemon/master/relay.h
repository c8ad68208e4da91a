/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * relay.h: messages of plugins, from one worker's control channel to others'.
 * The master looks at no data, waits for nobody and keeps of each letter only
 * whom to tell what became of it, until its receiver has read it.  A successor
 * knows nothing of these: their senders ask it (SYNC).
 */
#ifndef CLUSTERD_MASTER_RELAY_H
#define CLUSTERD_MASTER_RELAY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/proto/messages.h"
#include "daemon/supervisor/mailbox.h"

struct change;
struct control_call;
struct master;
struct process;

/* What a process has of this; all 0 at first. */
struct relay_end {
	struct mailbox box;		/* on their way to it */
	uint64_t first_ref;		/* the first that it asked about */
	uint64_t lost_ref;		/* up to here it was not told; 0: all is */
	/* a master before this one, and how many of its letters it has read
	 * since */
	uint32_t before;
	uint32_t before_letters;
	uint64_t events_ns;		/* a second of its events … */
	unsigned events;		/* … and how many they are */
};

/* MESSAGE, ANSWER, TAKEN, SYNC of a worker: its bytes are not believed. */
void relay_message(struct process *from, struct channel_packet *packet,
    const int *fds, size_t count);

/* A message of the operator; call hears how many have read it. */
void relay_send(struct master *m, struct control_call *call,
    const struct change *change);
/* Each tick: those of them who were not heard of in time; and what a worker
 * could not be told for want of memory. */
void relay_look(struct master *m);
void relay_tick(struct process *process);

/* It has read its last one: who waits for one of the others is told. */
void relay_lose_receiver(struct process *process);

#endif
