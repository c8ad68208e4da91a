/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * roll.h: replacing workers slot by slot, new before old, max_surge of a pool
 * at once: the roll of a reload, its way back, and the command restart.  Pure.
 * Not in the memo: a master that finds one begun takes it back.
 */
#ifndef CLUSTERD_SUPERVISOR_ROLL_H
#define CLUSTERD_SUPERVISOR_ROLL_H

#include <stdbool.h>

#include "daemon/supervisor/supervisor.h"

/* AGAIN: the successor died after its predecessor had left; the policy starts
 * the slot's next worker. */
enum roll_state { ROLL_TODO, ROLL_BUSY, ROLL_AGAIN, ROLL_DONE, ROLL_FAILED };

struct roll_slot {
	uint16_t pool, number;		/* pool: memo index */
	uint8_t state;			/* enum roll_state */
	uint8_t tries;
	bool canary;			/* on trial before it takes over */
	uint64_t generation;		/* to be brought there */
	uint64_t started_ns, ready_ns;
	char text[200];			/* why it failed */
};

struct roll {
	struct roll_slot *slots;	/* room for MEMO_SLOTS, of its owner:
					 * one that has begun lacks nothing */
	size_t count;
};

/* Nothing is to be replaced. */
void roll_clear(struct roll *roll);
void roll_add(struct roll *roll, uint16_t pool, uint16_t number,
    uint64_t generation, bool canary);
bool roll_has(const struct roll *roll, uint16_t pool, uint16_t number);
size_t roll_count(const struct roll *roll, enum roll_state state);

/* Step all; returns how many are neither DONE nor FAILED.  limit: how many may
 * be begun, SIZE_MAX: all. */
size_t roll_follow(struct supervisor *s, struct roll *roll, size_t limit);

/* A successor ended before it could take over. */
void roll_successor_gone(struct supervisor *s, struct roll *roll,
    uint16_t slot, const char *text);
/* The current worker of a slot died: it may be a successor that had taken over
 * already. */
void roll_worker_died(struct supervisor *s, struct roll *roll, uint16_t slot,
    const char *text);

#endif
