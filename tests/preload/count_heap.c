/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * count_heap.c: preloaded into a worker; counts each call that asks the heap for
 * memory or gives it back, of whatever part of the process.  A plugin of the
 * tests reads heap_calls.
 */

#include <errno.h>
#include <malloc.h>
#include <stdlib.h>

#define EXPORT __attribute__((visibility("default")))

/* glibc's own, under the names that stay when the others are replaced */
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *at, size_t size);
void *__libc_memalign(size_t alignment, size_t size);
void __libc_free(void *at);

EXPORT unsigned long heap_calls;

static void
count(void)
{
	__atomic_add_fetch(&heap_calls, 1, __ATOMIC_RELAXED);
}

EXPORT void *
malloc(size_t size)
{
	count();
	return __libc_malloc(size);
}

EXPORT void *
calloc(size_t number, size_t size)
{
	count();
	return __libc_calloc(number, size);
}

EXPORT void *
realloc(void *at, size_t size)
{
	count();
	return __libc_realloc(at, size);
}

EXPORT void *
memalign(size_t alignment, size_t size)
{
	count();
	return __libc_memalign(alignment, size);
}

EXPORT void *
aligned_alloc(size_t alignment, size_t size)
{
	count();
	return __libc_memalign(alignment, size);
}

EXPORT int
posix_memalign(void **at, size_t alignment, size_t size)
{
	count();
	*at = __libc_memalign(alignment, size);
	return *at != NULL ? 0 : ENOMEM;
}

EXPORT void
free(void *at)
{
	if (at != NULL)
		count();
	__libc_free(at);
}
