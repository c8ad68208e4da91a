/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* must.c: see must.h. */
#include "daemon/checker/must.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "daemon/checker/guard.h"

_Noreturn void
must_end(void)
{
	fprintf(stderr, "checker: out of memory\n");
	guard_finish();
	fflush(NULL);
	_exit(EXIT_FAILURE);	/* without the destructors of plugins */
}

const char *
must_text(struct conf *conf, const char *text, size_t len)
{
	const char *copy = conf_text(conf, text, len);

	if (copy == NULL)
		must_end();
	return copy;
}

void *
must_row(void *row)
{
	if (row == NULL && errno == ENOMEM)
		must_end();
	return row;
}
