/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * memory.h: small things that the master must not be refused.  Where memory is
 * short an operation ends with words; but an answer, a message to the keeper
 * and an event of the loop are needed to end it.  They come from the heap, and
 * from a reserve when that has none.  Any thread.
 */
#ifndef CLUSTERD_BASE_MEMORY_H
#define CLUSTERD_BASE_MEMORY_H

#include <stddef.h>

enum { MEMORY_SMALL = 1152, MEMORY_RESERVE = 64 };

/* size bytes of 0, at most MEMORY_SMALL.  Never NULL: a process that has used
 * up its reserve ends, and its successor begins with a whole one. */
void *memory_new(size_t size);

/* As malloc() and realloc(), for libraries: NULL when the reserve cannot help
 * either. */
void *memory_take(size_t size);
void *memory_grow(void *block, size_t size);

/* What any of these gave, or NULL. */
void memory_free(void *block);

#endif
