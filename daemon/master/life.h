/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * life.h: what happens to workers, fed to the table of states.  All changes of
 * a row go through life_feed(); what must be in the same flip (counting a
 * death, asking the policy) is done here, effects are left to actions.c.
 */
#ifndef CLUSTERD_MASTER_LIFE_H
#define CLUSTERD_MASTER_LIFE_H

#include <stddef.h>
#include <stdint.h>

#include "daemon/proto/keeper.h"
#include "daemon/proto/messages.h"
#include "daemon/supervisor/worker_fsm.h"

struct conf_pool;
struct link_packet;
struct master;
struct memo_copy;
struct process;

/* Feed an event to a row.  input may be NULL; times of the pool are added. */
struct step_result life_feed(struct master *m, uint16_t row,
    enum worker_event event, struct step_input *input);

/* -- wishes ------------------------------------------------------------------ */

void life_drain(struct master *m, uint16_t row, uint64_t drain_ns);
void life_stop(struct master *m, uint16_t row);
/* Drain with the usual deadline; one that does not serve yet is stopped. */
void life_send_off(struct master *m, uint16_t row);
void life_kill(struct master *m, uint16_t row, enum death_cause cause,
    int asked);
void life_retry(struct master *m, uint16_t row);
/* Give a pool `size' slots: missing ones are added, highest ones are not
 * wanted any more and drain.  0, or ERR_FULL. */
int life_resize(struct master *m, uint16_t pool, unsigned size);
/* A worker that stalls or comes back has to prove itself anew: it is stable
 * when it has been well for stable_after from now. */
void life_await_stable(struct master *m, uint16_t row);
/* Take out or bring back one slot. */
void life_set_drained(struct master *m, uint16_t slot, int drained);
/* Start a successor of a slot with that generation.  0; ERR_BUSY if its other
 * is still in use; ERR_FULL. */
int life_start_successor(struct master *m, uint16_t slot, uint64_t generation,
    int transaction);
/* The READY successor becomes current, the predecessor drains. */
void life_promote(struct master *m, uint16_t slot);
/* The configuration by which a row is timed; NULL if there is none. */
const struct conf_pool *life_conf(struct master *m, uint16_t row);
/* D of a drain that begins now, by the row's configuration. */
uint64_t life_drain_deadline(struct master *m, uint16_t row);

/* Which successor it is: memo_worker.transaction. */
enum { SUCCESSOR_NONE, SUCCESSOR_CHANGE, SUCCESSOR_RECYCLE };

/* -- what comes from outside --------------------------------------------------- */

void life_message(struct process *process, struct channel_packet *packet,
    int *fds, size_t count);
void life_violation(struct process *process, const char *why);
/* At adoption: a READY that the master before has taken, and not kept. */
void life_find_ready(struct process *process);
/* Answer to SPAWN. */
void life_spawned(struct master *m, uint64_t id,
    const struct link_packet *answer);
void life_exited(struct master *m, uint64_t id, int status,
    uint64_t utime_us, uint64_t stime_us, uint64_t maxrss_kb, int core);

/* A process and the row it belongs to. */
void life_own(struct master *m, uint16_t row, struct process *process);
/* The same for a row that says it has one, and nobody knows of it. */
struct process *life_own_none(struct master *m, uint16_t row);
/* The row has a process now, since this moment. */
void life_note_spawned(struct master *m, uint16_t row);
/* The process cannot be ended: it leaves its row. */
void life_detach(struct master *m, uint16_t row);
/* The keeper may forget a dead one. */
void life_release(struct master *m, uint64_t id);

/* -- turns ---------------------------------------------------------------------- */

/* At the end of a turn: free what is over, start what is wanted. */
void life_follow(struct master *m);
/* Set the one timer to the earliest deadline. */
void life_arm_deadline(struct master *m);
void life_on_deadline(int fd, short what, void *arg);

/* A new worker id, never used before. */
uint64_t life_new_id(struct master *m);
/* What the keeper knows is not new, whoever gave it its id. */
void life_skip_known_ids(struct master *m);
/* Restart policy of a pool. */
struct policy_limits;
void life_limits(struct master *m, uint16_t pool,
    struct policy_limits *limits);

#endif
