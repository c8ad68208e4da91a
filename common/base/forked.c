/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* forked.c: a page that a copy of the process finds empty; see forked.h. */
#include "common/base/forked.h"

#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

static const int original = 1;
static const int *mark = &original;

int
forked_watch(void)
{
	size_t size = (size_t)sysconf(_SC_PAGESIZE);
	int *page = mmap(NULL, size, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (page == MAP_FAILED)
		return -errno;
	if (madvise(page, size, MADV_WIPEONFORK) != 0) {
		int error = errno;

		munmap(page, size);
		return -error;
	}
	*page = 1;
	/* a plugin that overwrites it would make us leave */
	mprotect(page, size, PROT_READ);
	mark = page;
	return 0;
}

bool
forked_is_copy(void)
{
	return *(const volatile int *)mark == 0;
}
