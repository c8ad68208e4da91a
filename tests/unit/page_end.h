/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * page_end.h: memory that ends where an unmapped page begins, so that a parser
 * that looks one byte too far dies of it.
 */

#ifndef TESTS_UNIT_PAGE_END_H
#define TESTS_UNIT_PAGE_END_H

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { PAGE_END_SIZE = 1 << 16 };

/* PAGE_END_SIZE bytes of memory; the byte behind them is not mapped. */
static inline char *
page_end_open(void)
{
	char *at = mmap(NULL, 2 * PAGE_END_SIZE, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (at == MAP_FAILED ||
	    mprotect(at + PAGE_END_SIZE, PAGE_END_SIZE, PROT_NONE) != 0)
		abort();
	return at;
}

/* A copy of len bytes, the last one just before the unmapped page. */
static inline const char *
page_end_copy(char *at, const char *data, size_t len)
{
	return memcpy(at + PAGE_END_SIZE - len, data, len);
}

static inline void
page_end_close(char *at)
{
	munmap(at, 2 * PAGE_END_SIZE);
}

#endif
