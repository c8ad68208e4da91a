/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * handle.h: the numbers of what plugins have handles of: a row, and which use of
 * that row.  The kind is part of it, so that a handle of another kind is none.
 */
#ifndef CLUSTERD_BASE_HANDLE_H
#define CLUSTERD_BASE_HANDLE_H

#include <stdint.h>

enum handle_kind {
	HANDLE_CONNECTION,		/* requests and streams, never both */
	HANDLE_TIMER, HANDLE_WATCH, HANDLE_CANCEL, HANDLE_CHILD,
};

enum { HANDLE_NUMBER_BITS = 44 };	/* above the 16 of the row */

/* The next use of a row: a number that none of another kind has. */
static inline uint64_t
handle_number(enum handle_kind kind, uint64_t number)
{
	return (uint64_t)kind << HANDLE_NUMBER_BITS | number;
}

#endif
