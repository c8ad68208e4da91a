/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* take.c: memory, or the end of the program; see ctl.h. */
#include "ctl/ctl.h"

#include <stdlib.h>
#include <unistd.h>

void *
ctl_take(size_t size)
{
	static const char words[] = "clusterctl: out of memory\n";
	void *block = calloc(1, size > 0 ? size : 1);

	if (block != NULL)
		return block;
	(void)!write(STDERR_FILENO, words, sizeof(words) - 1);
	_exit(CTL_FAILED);
}
