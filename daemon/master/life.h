/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * life.h: what happens to workers, given to daemon/supervisor, which decides on
 * the idle copy of the memo (slots.h, trans.h).  What must be in the same flip
 * (counting a death, asking the policy) is done here, effects are left to
 * actions.c.
 */
#ifndef CLUSTERD_MASTER_LIFE_H
#define CLUSTERD_MASTER_LIFE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/proto/keeper.h"
#include "daemon/proto/messages.h"
#include "daemon/supervisor/slots.h"

struct conf_pool;
struct link_packet;
struct master;
struct process;
struct process_end;

/*
 * The supervisor of this moment, for one decision or several that belong
 * together: the idle copy, the time and the master as its host.
 */
struct supervisor life_now(struct master *m);

/* Feed an event to a row.  input may be NULL; times of the pool are added. */
struct step_result life_feed(struct master *m, uint16_t row,
    enum worker_event event, struct step_input *input);
/* Nobody asked for it: a death. */
void life_kill(struct master *m, uint16_t row, enum death_cause cause);
/* A worker that stalls or comes back has to prove itself anew: it is stable
 * when it has been well for stable_after from now. */
void life_await_stable(struct master *m, uint16_t row);
/* As slots.h has them. */
int life_resize(struct master *m, uint16_t pool, unsigned size,
    const char *reason);
void life_take_out(struct master *m, uint16_t slot, const char *reason);
void life_bring_back(struct master *m, uint16_t slot);

/* The configuration by which a row is timed; NULL if there is none. */
const struct conf_pool *life_conf(struct master *m, uint16_t row);

/* -- what comes from outside --------------------------------------------------- */

void life_message(struct process *process, struct channel_packet *packet,
    int *fds, size_t count);
/* May it send, give commands, watch events now?  By the table of states; nothing of
 * it changes by that. */
bool life_may_request(struct process *process);
void life_violation(struct process *process, const char *why);
/* At adoption: a READY that the master before has taken, and not kept.  in_doubt
 * as long as it starts: its channel may not be readable now, or the word is gone
 * and the worker has not come to write it on its page. */
void life_find_ready(struct process *process);
/* Answer to SPAWN. */
void life_spawned(struct master *m, uint64_t id,
    const struct link_packet *answer);
void life_exited(struct master *m, uint64_t id, const struct process_end *end);
/* Each tick: of one that has ended and could not be heard to the end then. */
void life_hear_last(struct process *process);

/* A process and the row it belongs to. */
void life_own(struct master *m, uint16_t row, struct process *process);
/* The same for a row that says it has one, and nobody knows of it. */
struct process *life_own_none(struct master *m, uint16_t row);
/* The row has a process now, since this moment. */
void life_note_spawned(struct master *m, uint16_t row);
/* The keeper may forget a dead one. */
void life_release(struct master *m, uint64_t id);

/* -- turns ---------------------------------------------------------------------- */

/* At the end of a turn: free what is over, start what is wanted. */
void life_follow(struct master *m);
/* Set the one timer to the earliest deadline. */
void life_arm_deadline(struct master *m);
/* We stood still from then to now: whoever is awaited has that time again.  At
 * adoption, where that is not known: whoever is, has a moment. */
void life_excuse(struct master *m, uint64_t from_ns, uint64_t now_ns);
void life_spare(struct master *m);
void life_on_deadline(int fd, short what, void *arg);

/* A new worker id, never used before. */
uint64_t life_new_id(struct master *m);
/* What the keeper knows is not new, whoever gave it its id. */
void life_skip_known_ids(struct master *m);
/* supervisor_host.detach: the process cannot be ended, it leaves its row. */
void life_detach(void *master, uint16_t row);

#endif
