/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* memory.c: the heap with a reserve; see memory.h. */
#include "common/base/memory.h"

#include <stdalign.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/check.h"

struct spare {
	alignas(max_align_t) char bytes[MEMORY_SMALL];
};

static struct spare reserve[MEMORY_RESERVE];
static uint64_t used;			/* a bit a block */
_Static_assert(MEMORY_RESERVE == 64, "one word of bits");

static bool
is_spare(const void *block)
{
	uintptr_t at = (uintptr_t)block;

	return at >= (uintptr_t)&reserve[0] &&
	    at < (uintptr_t)&reserve[MEMORY_RESERVE];
}

static void *
take_spare(size_t size)
{
	uint64_t bits = __atomic_load_n(&used, __ATOMIC_ACQUIRE);
	int i;

	if (size > MEMORY_SMALL)
		return NULL;
	do {
		if (~bits == 0)
			return NULL;
		i = __builtin_ctzll(~bits);
	} while (!__atomic_compare_exchange_n(&used, &bits,
	    bits | UINT64_C(1) << i, false, __ATOMIC_ACQ_REL,
	    __ATOMIC_ACQUIRE));
	return memset(&reserve[i], 0, sizeof(reserve[i]));
}

void
memory_free(void *block)
{
	if (is_spare(block))
		__atomic_fetch_and(&used, ~(UINT64_C(1) <<
		    ((struct spare *)block - reserve)), __ATOMIC_RELEASE);
	else
		free(block);
}

void *
memory_new(size_t size)
{
	void *block = calloc(1, size);

	if (block == NULL)
		block = take_spare(size);
	CHECK(block != NULL && size <= MEMORY_SMALL);
	return block;
}

void *
memory_take(size_t size)
{
	void *block = malloc(size);

	return block != NULL ? block : take_spare(size);
}

void *
memory_grow(void *block, size_t size)
{
	void *more;

	if (block == NULL)
		return memory_take(size);
	if (!is_spare(block))
		return realloc(block, size);
	if (size <= MEMORY_SMALL)
		return block;
	more = malloc(size);
	if (more == NULL)
		return NULL;
	memcpy(more, block, MEMORY_SMALL);
	memory_free(block);
	return more;
}
