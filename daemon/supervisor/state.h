/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * state.h: the supervisor's state as rows of the memo: making and finding
 * them, and the flip between its two copies.  Pure: the caller has mapped the
 * memo.  Master only.
 */
#ifndef CLUSTERD_SUPERVISOR_STATE_H
#define CLUSTERD_SUPERVISOR_STATE_H

#include <stddef.h>
#include <stdint.h>

#include "common/base/errmsg.h"
#include "daemon/proto/memo.h"

/* -- the two copies -------------------------------------------------------- */

/* An empty memo of this version. */
void state_init(struct memo *memo);

/*
 * The current copy of a memo left by another master, checked: version, layout,
 * digest, indices and names.  NULL with words if it cannot be used: the other
 * copy is no way out, as what was done since is not in it.
 */
struct memo_copy *state_recover(struct memo *memo, size_t size,
    struct errmsg *err);

/*
 * For a memo that is made anew: the newest copy that is whole, for the numbers
 * in it that only grow; what its rows say may be over.  Or NULL.
 */
const struct memo_copy *state_salvage(const struct memo *memo, size_t size);

/* The committed copy, for reading. */
const struct memo_copy *state_current(const struct memo *memo);

/* Begin a turn: the idle copy, made equal to the current one. */
struct memo_copy *state_begin(struct memo *memo);
/* End it: number, digest, flip.  From here on it is what happened. */
void state_commit(struct memo *memo);

/* Make the digest of a copy right; part of state_commit(), and for tests. */
void state_sign(struct memo_copy *copy);

/* -- rows ------------------------------------------------------------------ */

/* By name: index, or MEMO_NONE.  Adding: MEMO_NONE if the table is full or
 * the name too long. */
uint16_t state_find_pool(const struct memo_copy *copy, const char *name);
uint16_t state_add_pool(struct memo_copy *copy, const char *name);
/* Its slots must be gone. */
void state_remove_pool(struct memo_copy *copy, uint16_t pool);

uint16_t state_find_slot(const struct memo_copy *copy, uint16_t pool,
    uint16_t number);
uint16_t state_add_slot(struct memo_copy *copy, uint16_t pool,
    uint16_t number);
/* Fold its counters into the pool's retired sums; no worker row may be left. */
void state_retire_slot(struct memo_copy *copy, uint16_t slot);

uint16_t state_find_worker(const struct memo_copy *copy, uint64_t id);
/* A row, DOWN, with that id, attached to the slot as current or other. */
uint16_t state_add_worker(struct memo_copy *copy, uint16_t slot, uint64_t id,
    int as_other);
/* Detach and free it. */
void state_free_worker(struct memo_copy *copy, uint16_t worker);
/* The slot's other becomes its current, its current becomes the other. */
void state_swap(struct memo_copy *copy, uint16_t slot);

/* "web/0" into out. */
char *state_slot_name(const struct memo_copy *copy, uint16_t slot, char *out,
    size_t size);

/* Rows in STARTING, over all pools. */
uint32_t state_count_starting(const struct memo_copy *copy);
/* Current rows in READY of a pool, and wanted slots of it. */
uint32_t state_count_ready(const struct memo_copy *copy, uint16_t pool);
uint32_t state_count_wanted(const struct memo_copy *copy, uint16_t pool);
/* Deaths of a pool, retired slots included. */
uint64_t state_sum_restarts(const struct memo_copy *copy, uint16_t pool);

#endif
