/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * sent.h: messages of an outbox whose end somebody waits for: a row each, by a
 * number that is never used twice.  Used by outbox.c; what the master says of
 * them comes through outbox.h.
 */
#ifndef DAEMON_PLUGIN_SENT_H
#define DAEMON_PLUGIN_SENT_H

#include "daemon/plugin/outbox.h"
#include "daemon/proto/mail_target.h"

/* Who waits, and how long.  All may be NULL or 0. */
struct sent_how {
	unsigned plugin;
	void (*done)(void *arg, int error, unsigned taken);
	cluster_answer_fn *answer;
	const struct mail_target *asked;	/* of a question */
	void *arg;
	unsigned timeout_ms;
};

void sent_init(struct outbox *outbox);

/* A row, or NULL: OUTBOX_OPEN are, or there is no memory.  fds, or NULL, are
 * closed when the receiver has them. */
struct sent *sent_new(struct outbox *outbox, const struct sent_how *how,
    const int *fds, unsigned count);
/* How many it is for only the master knows. */
void sent_expect(struct sent *sent, bool several);
uint64_t sent_ref(const struct sent *sent);
/* It has left: its time runs. */
void sent_arm(struct outbox *outbox, struct sent *sent, unsigned timeout_ms);
/* It was not sent after all; nobody hears of it. */
void sent_drop(struct outbox *outbox, struct sent *sent);

#endif
