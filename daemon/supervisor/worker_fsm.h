/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * worker_fsm.h: the life of a worker, one total table of states x events.
 *
 * worker_step() is the only writer of a row's state, ladder and drain time; it
 * returns what is to be done, and master/actions.c does it after the memo has
 * been flipped.  Pure: the caller passes the time.
 */
#ifndef CLUSTERD_SUPERVISOR_WORKER_FSM_H
#define CLUSTERD_SUPERVISOR_WORKER_FSM_H

#include <stdint.h>

#include "common/table/worker.h"
#include "daemon/proto/memo.h"

/* What the performer has to do; several may be set. */
enum worker_action {
	ACT_SPAWN = 1 << 0,	/* ask the keeper for the process */
	ACT_SAY_STOP = 1 << 1,	/* on the control channel, once SPAWNED */
	ACT_SAY_DRAIN = 1 << 2,	/* with row->drain_ns */
	ACT_OFF = 1 << 3,	/* out of dispatch */
	ACT_ON = 1 << 4,	/* into dispatch */
	ACT_KILL = 1 << 5,	/* the step in row->ladder: 1 ABRT, 2 KILL */
	ACT_RECORD = 1 << 6,	/* channel read out, queue taken back, folded */
	ACT_ASK = 1 << 7,	/* policy_after_exit(), then feed its event */
	ACT_QUEUE = 1 << 8,	/* policy_admit(), then START or WAIT */
	ACT_NOTE = 1 << 9,	/* remember pid and descriptors */
	ACT_KILL_STRAY = 1 << 10, /* a process nobody wants: SIGKILL, release */
	ACT_PUBLISH = 1 << 11,	/* tell the journal how far it has come */
	ACT_STABLE = 1 << 12,	/* early := 0, publish recovered */
	ACT_DETACH = 1 << 13,	/* the process leaves the row */
	ACT_PASS = 1 << 14,	/* hand the request to who serves it */
	ACT_NOTE_FATAL = 1 << 15, /* class and text into row and slot */
	ACT_NOTE_LEAVING = 1 << 16, /* why, for the record */
};

/* What becomes of an event. */
enum edge_kind {
	EDGE_MISSING,		/* a hole in the table; a test names it */
	EDGE_GO,		/* next state and actions */
	EDGE_IGNORE,		/* may happen, nothing to do */
	EDGE_NEVER,		/* a bug of the master: counted, logged once */
	EDGE_VIOLATION,		/* the worker may not send that: as VIOLATION */
};

struct worker_edge {
	uint8_t kind, state;
	uint32_t actions;
};

struct step_input {
	uint64_t now_ns;
	uint64_t start_ms, stable_ms, stop_ms;	/* of the pool */
	uint64_t drain_ns;	/* DRAIN, LEAVING: D, absolute; 0: none */
	uint64_t wait_ms;	/* WAIT */
	uint8_t cause;		/* KILL: enum death_cause */
	uint8_t asked;		/* KILL, LEAVING: it was ordered */
	/* Of what is ordered: why.  NULL: as its row has noted it. */
	const char *reason;
};

struct step_result {
	uint8_t kind;		/* enum edge_kind of the cell (VIOLATION is
				 * already carried out) */
	uint8_t from, to;
	uint32_t actions;
};

/*
 * Feed one event to a row.  Total: every state takes every event.  A row that
 * is freed by its caller afterwards is DOWN and not the slot's current.
 */
struct step_result worker_step(struct memo_worker *row,
    enum worker_event event, const struct step_input *input);

/*
 * The deadline of a row that is at k1 has passed and its core is being written:
 * if it may take longer, the deadline is moved and 1 is returned.
 */
int worker_await_core(struct memo_worker *row, uint64_t now_ns);

/*
 * The master did nothing from from_ns to now_ns, as it stood still: what it
 * waits for has that time again.  Nothing is granted for what it was not in
 * this state yet.
 */
void worker_excuse(struct memo_worker *row, uint64_t from_ns,
    uint64_t now_ns);

/* A master has just begun and knows nothing of that: no deadline is nearer than
 * what a worker excuses itself for, twice. */
void worker_spare(struct memo_worker *row, uint64_t now_ns);

/* The cell of the table, for the test that walks it. */
const struct worker_edge *worker_edge(unsigned state, unsigned event);

#endif
