/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * waiting.h: connections that have their next turn at a moment, or at a later pass
 * of the loop; each in one place at most.  Deadlines of one kind last the
 * same, so they are in order as they come, and to set one is to go to the end of
 * a list; those with a time of their own are in a heap.  One timer of the loop
 * serves all of them; where it comes late all have a while more.  The loop's
 * thread; never blocks.
 */
#ifndef DAEMON_HTTP_WAITING_H
#define DAEMON_HTTP_WAITING_H

#include <event2/event.h>
#include <event2/event_struct.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

struct conn;
TAILQ_HEAD(conn_list, conn);

/* Where a connection waits; what is before the passes is a kind of deadline. */
enum waiting_place {
	WAITING_NOWHERE, WAITING_PASS = 8, WAITING_HEAP,
};

struct waiting {
	struct conn_list lists[WAITING_HEAP];	/* by place; first in, first due */
	struct conn **heap;		/* by due_ns */
	uint32_t heap_count;
	struct event timer, pass;
	uint64_t wake_ns;		/* when the timer comes; 0: never */
	uint64_t excused_ns;		/* nobody's time is over before */
	bool passing;			/* the event `pass' is on its way */
	void (*turn)(struct conn *conn);
};

/* turn: it is time for this one, which waits no longer.  most: connections.  0 or
 * ERR_MEMORY. */
int waiting_init(struct waiting *waiting, struct event_base *base,
    uint32_t most, void (*turn)(struct conn *conn));

/* Until conn->due_ns: in the list of that kind of deadline, or as one with a time
 * of its own. */
void waiting_in_list(struct waiting *waiting, struct conn *conn, unsigned kind);
void waiting_in_heap(struct waiting *waiting, struct conn *conn);

/* Until a pass of its own, when the others have had theirs; ends are taken along.
 * So who is new waits for one turn, not for those of all who go on. */
void waiting_for_pass(struct waiting *waiting, struct conn *conn);

/* No longer. */
void waiting_end(struct waiting *waiting, struct conn *conn);

#endif
