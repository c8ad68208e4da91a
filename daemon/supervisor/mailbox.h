/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * mailbox.h: letters on their way to one worker, which it has not read yet: in
 * the order in which it will, with whom to tell, and within bounds.  Pure.
 */
#ifndef CLUSTERD_SUPERVISOR_MAILBOX_H
#define CLUSTERD_SUPERVISOR_MAILBOX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	MAILBOX_LETTERS = 1024,
	MAILBOX_BYTES = 1 << 20,	/* in frames */
	MAILBOX_LARGE = 64 << 20,	/* beside them, in memory files */
	MAILBOX_FDS = 64,
};

struct mailbox_entry {
	uint64_t sender;		/* id of that worker; 0: the operator */
	uint64_t ref;			/* its number; 0: nobody wants to hear */
	uint32_t bytes, large;
	uint16_t sender_row;		/* where the sender was in the memo */
	uint16_t fds;
	uint32_t reserved;
};

struct mailbox {
	struct mailbox_entry *ring;	/* NULL until the first letter */
	unsigned first, count;
	unsigned fds;
	size_t bytes, large;
};

/* Is there room?  False also where there is no memory for the ring. */
bool mailbox_has_room(struct mailbox *box, const struct mailbox_entry *entry);
/* Put in one for which there is. */
void mailbox_put(struct mailbox *box, const struct mailbox_entry *entry);

/* Take out the oldest, or the one put in last; the box is not empty. */
struct mailbox_entry mailbox_take(struct mailbox *box);
struct mailbox_entry mailbox_undo(struct mailbox *box);

void mailbox_done(struct mailbox *box);

#endif
