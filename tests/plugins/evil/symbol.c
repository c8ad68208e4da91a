/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* symbol.c: calls a function that nobody has. */
#include <clusterd/plugin.h>

void nobody_has_this(void);

static enum cluster_verdict
handle(struct cluster_request *req, void *self)
{
	(void)self;
	nobody_has_this();
	return cluster_reply_text(req, 200, "never\n");
}

CLUSTER_PLUGIN(evil_symbol,
	.summary = "Cannot be loaded",
	.handle = handle);
