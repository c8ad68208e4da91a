/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * patience.h: a time that a child has for something.  It is never over early, and
 * then one looks first whether what is waited for has come unseen: a loop that
 * was stopped runs its timers before it reads.
 */
#ifndef DAEMON_CHILD_PATIENCE_H
#define DAEMON_CHILD_PATIENCE_H

#include <event2/event.h>
#include <event2/event_struct.h>
#include <stdbool.h>
#include <stdint.h>

struct patience {
	struct event event;
	uint64_t at_ns;			/* not before */
	bool excused;
};

void patience_init(struct patience *patience, struct event_base *base,
    event_callback_fn over, void *arg);
void patience_begin(struct patience *patience, unsigned ms);
void patience_end(struct patience *patience);

/* For over(): where one of these is true it does nothing, and comes again.
 * First of all. */
bool patience_is_early(struct patience *patience);
/* Nothing has come; but we stood still, and so may the child have.  Once. */
bool patience_excuse(struct patience *patience);

#endif
