/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* heap.c: what the allocator says of the heap; see heap.h. */
#include "common/base/heap.h"

#include <malloc.h>

int64_t
heap_in_use(void)
{
#ifdef HAVE_MALLINFO2
	struct mallinfo2 info = mallinfo2();

	return (int64_t)(info.uordblks + info.hblkhd);
#else
	return -1;
#endif
}

size_t
heap_size_of(void *block)
{
	return block != NULL ? malloc_usable_size(block) + sizeof(size_t) : 0;
}
