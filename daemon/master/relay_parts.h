/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* relay_parts.h: what the files of relay share; see relay.h. */
#ifndef CLUSTERD_MASTER_RELAY_PARTS_H
#define CLUSTERD_MASTER_RELAY_PARTS_H

#include "daemon/master/relay.h"
#include "daemon/proto/letter.h"
#include "daemon/proto/mail_target.h"

/* A letter as it goes on: its name is by whom, no longer for whom. */
struct onward {
	enum channel_type type;		/* DELIVER or REPLY */
	struct letter letter;
	const int *fds;			/* as many as it names */
	struct mailbox_entry entry;
};

/* Put it on its way to whom it is for, and tell its sender who cannot have it;
 * relay_leave() sends what was gathered. */
void relay_pass(struct master *m, const struct mail_target *target,
    const struct onward *onward);
void relay_leave(struct master *m);

/* relay_find.c: the process that serves in a slot, or has an id; or NULL. */
struct process *relay_find(struct master *m, const struct mail_target *target);

/* relay_event.c: a letter to the master becomes an event.  False: its sender
 * has had its share of this second. */
bool relay_publish(struct process *from, const struct letter *letter);

/* relay_send.c: what became of a letter of the operator. */
void relay_tell_operator(struct master *m, const struct mail_report *report);

#endif
