/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* ctor.c: a plugin whose constructor does what CTOR says: the build makes one
 * .so of each. */
#include <clusterd/plugin.h>

#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

static void
segv(void)
{
	raise(SIGSEGV);
}

static void
leave(void)
{
	exit(0);
}

static void
leave_at_once(void)
{
	_exit(0);
}

static void
loop(void)
{
	for (volatile int i = 0;; i++)
		continue;
}

__attribute__((constructor)) static void
constructor(void)
{
	(void)segv;
	(void)leave;
	(void)leave_at_once;
	(void)loop;
	CTOR();
}

static enum cluster_verdict
handle(struct cluster_request *req, void *self)
{
	(void)self;
	return cluster_reply_text(req, 200, "never");
}

CLUSTER_PLUGIN(ctor, .summary = "never opens", .handle = handle);
