/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * choose.h: which worker gets the next connection.  Pure; called by the
 * master's dispatch for every connection, so it neither allocates nor copies.
 */
#ifndef CLUSTERD_SUPERVISOR_CHOOSE_H
#define CLUSTERD_SUPERVISOR_CHOOSE_H

#include <stddef.h>
#include <stdint.h>

/* A READY worker of the pool, in the order of slots. */
struct choice {
	uint32_t slot;		/* number in the pool */
	uint32_t load;		/* connections + waiting */
	uint8_t room;		/* READY, not paused, beat fresh, window open */
	uint8_t busy;		/* in one callback for over 1 ms */
	uint8_t full;		/* connections - closable >= max_connections */
};

/*
 * Round robin: the next after slot `last` that has room and is neither busy
 * nor full; else the next that has room.  Index into choices, or -1.
 */
int choose_round_robin(const struct choice *choices, size_t count,
    uint32_t last);

/* Least connections: the smallest load in the same two passes, ties in
 * round-robin order. */
int choose_least(const struct choice *choices, size_t count, uint32_t last);

#endif
