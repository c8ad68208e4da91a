/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * owner.h: schedule = reuseport: which worker polls which of the sockets of an
 * address.  There is one socket for each slot, which outlives its workers.
 * Pure: of the same workers every master thinks the same.
 */
#ifndef CLUSTERD_SUPERVISOR_OWNER_H
#define CLUSTERD_SUPERVISOR_OWNER_H

#include <stddef.h>
#include <stdint.h>

/* A worker of the pool. */
struct owner_worker {
	uint32_t slot;
	uint64_t id;
	uint8_t ready;		/* its state is READY */
	uint8_t stalled;	/* or deaf: it takes nothing just now */
	uint8_t paused;
};

/*
 * Leave those that may own a socket, at the beginning of the array; returns how
 * many.  workers: in the order of slots, of one slot the current before its
 * successor.  A slot keeps one of them: the successor, as it is here to be tried.
 * Those that are stalled stay where nobody else is READY; who is paused never.
 */
size_t owner_choose(struct owner_worker *workers, size_t count);

/*
 * Of those that owner_choose() left: the worker of slot `socket'; where it is not
 * among them, number socket modulo count.  Its id, or 0: there is nobody.
 */
uint64_t owner_of(uint32_t socket, const struct owner_worker *workers,
    size_t count);

#endif
