/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * heap.h: how much of this process's heap is in use, and by what, as the
 * allocator counts it.  The parts can be taken from the whole.
 */
#ifndef CLUSTERD_BASE_HEAP_H
#define CLUSTERD_BASE_HEAP_H

#include <stddef.h>
#include <stdint.h>

/* -1: this C library does not tell. */
int64_t heap_in_use(void);

/* What a block of malloc() takes, with the allocator's own word; NULL: 0. */
size_t heap_size_of(void *block);

#endif
