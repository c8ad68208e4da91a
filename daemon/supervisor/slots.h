/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * slots.h: wishes about workers, and the turns of their life.  A slot has a
 * current row and an other: a successor that starts, or a predecessor that
 * leaves.  All changes of a row's state go through slots_feed().  Pure; called
 * by the master, on the idle copy of the memo.
 */
#ifndef CLUSTERD_SUPERVISOR_SLOTS_H
#define CLUSTERD_SUPERVISOR_SLOTS_H

#include "daemon/supervisor/supervisor.h"
#include "daemon/supervisor/worker_fsm.h"

/* Which successor it is: memo_worker.transaction. */
enum { SUCCESSOR_NONE, SUCCESSOR_CHANGE, SUCCESSOR_RECYCLE };

/* Feed an event to a row.  input may be NULL; times of the pool are added. */
struct step_result slots_feed(struct supervisor *s, uint16_t row,
    enum worker_event event, struct step_input *input);

/* -- wishes ---------------------------------------------------------------- */

/* D of a drain that begins now. */
uint64_t slots_drain_deadline(struct supervisor *s, uint16_t row);
/* reason, here and below: why it is asked to go, for worker.exited and the
 * record; NULL: as it is noted in the row. */
void slots_drain(struct supervisor *s, uint16_t row, uint64_t drain_ns,
    const char *reason);
/* Drain with the usual deadline; one that does not serve yet is stopped. */
void slots_send_off(struct supervisor *s, uint16_t row, const char *reason);
/* reason NULL: nobody asks for it, it is a death. */
void slots_kill(struct supervisor *s, uint16_t row, enum death_cause cause,
    const char *reason);
/* What a slot of this is to be replaced for, if not its own recycling: the
 * change that runs. */
const char *slots_change_word(const struct memo_copy *copy);
/* Why one that is to be recycled will be asked to go, when it is. */
void slots_note_recycle(struct supervisor *s, uint16_t row, const char *why);
/* A person sends it a signal: if it ends before that time, it was asked to. */
void slots_note_kill(struct supervisor *s, uint16_t row, uint64_t until_ns,
    const char *who);
/* Is it as yet to be seen what that signal does? */
int slots_is_killed(const struct supervisor *s, uint16_t row);
/* Its time to prove itself begins anew. */
void slots_await_stable(struct supervisor *s, uint16_t row);
/* Start now what waits or is held. */
void slots_retry(struct supervisor *s, uint16_t row);
/* Give a pool `size' slots: missing ones are added, highest ones are not
 * wanted any more and drain.  0, or ERR_FULL. */
int slots_resize(struct supervisor *s, uint16_t pool, unsigned size,
    const char *reason);
/* Take out one slot, or bring it back. */
void slots_take_out(struct supervisor *s, uint16_t slot, const char *reason);
void slots_bring_back(struct supervisor *s, uint16_t slot);
/* Start a successor of a slot with that generation.  0; ERR_BUSY if its other
 * is still in use; ERR_FULL. */
int slots_start_successor(struct supervisor *s, uint16_t slot,
    uint64_t generation, int transaction);
/* The READY successor becomes current, the predecessor drains. */
void slots_promote(struct supervisor *s, uint16_t slot);
/* May this worker be replaced by a successor of its own (recycling) now? */
int slots_may_recycle(const struct memo_copy *copy, uint16_t row);

/* -- what its process says ---------------------------------------------------- */

/* The row has a process now, since this moment. */
void slots_note_spawned(struct supervisor *s, uint16_t row, int32_t pid);
/* It says why it cannot start; 1 if that counts. */
int slots_fatal(struct supervisor *s, uint16_t row, uint8_t class_id);

/* -- ends ------------------------------------------------------------------ */

/* The end of a row's process, or of a try to have one. */
struct slot_end {
	struct memo_worker before;	/* the row as it was */
	struct policy_exit gone;
	enum worker_event next;		/* what follows */
	uint64_t wait_ms;		/* to the next start; UINT64_MAX: none */
};

/*
 * Feed WE_EXITED or WE_SPAWN_FAILED, or go on after WE_UNKILLABLE, which the
 * table has carried out: the end is counted and the policy asked.  What follows
 * is done by slots_follow_end(), when the host has recorded it.
 */
void slots_end(struct supervisor *s, uint16_t row, enum worker_event event,
    struct slot_end *end);
void slots_follow_end(struct supervisor *s, uint16_t row,
    const struct slot_end *end);

/* -- turns ----------------------------------------------------------------- */

/* At the end of a turn: free what is over, let recycled ones take over, and
 * start what is wanted. */
void slots_follow(struct supervisor *s);

/* The actions that a row's state implies: repeated by the next master. */
uint32_t slots_implied_actions(const struct memo_worker *row);
/* True if there should be a process behind it; STARTING: or will be. */
int slots_has_process(const struct memo_worker *row);
/* True if it is to do something (start, leave, die) until its deadline. */
int slots_is_awaited(const struct memo_worker *row);
/* True if that is over when the keeper knows of no process of its id. */
int slots_is_lost(const struct memo_worker *row);

#endif
