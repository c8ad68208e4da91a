/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* ctor.c: evil in a constructor; CTOR is fixed at build time. */
#include <stdlib.h>
#include <unistd.h>

#include <clusterd/plugin.h>

enum { SEGV, EXIT0, LOOP };

static volatile int *volatile nowhere = (volatile int *)16;
static volatile int for_ever = 1;

__attribute__((constructor)) static void
be_evil(void)
{
	switch (CTOR) {
	case SEGV:
		*nowhere = 1;
		break;
	case EXIT0:
		_exit(0);
	case LOOP:
		while (for_ever)
			continue;
	}
}

static enum cluster_verdict
handle(struct cluster_request *req, void *self)
{
	(void)self;
	return cluster_reply_text(req, 200, "never\n");
}

CLUSTER_PLUGIN(evil_ctor,
	.summary = "Never gets as far as this",
	.handle = handle);
