/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * actions.h: what the table of states asks for, done after the flip.  All of
 * it is idempotent: the next master repeats what a row implies.
 */
#ifndef CLUSTERD_MASTER_ACTIONS_H
#define CLUSTERD_MASTER_ACTIONS_H

#include <stdint.h>

struct master;
struct process;

/* Perform actions (enum worker_action) for the row that had this id then. */
void actions_perform(struct master *m, uint16_t row, uint64_t id,
    uint32_t actions);
/* Each tick: what its channel did not take, if that is what its state implies. */
void actions_say_again(struct process *process);
/* The actions that the state of each row implies: after adoption. */
void actions_repeat(struct master *m);

/* A signal to the process of that id, through the keeper. */
void actions_signal(struct master *m, uint64_t id, int signal);

#endif
