/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* hello.c: answers every request with a greeting; the template of a plugin. */
#include <clusterd/plugin.h>

struct hello {
	const char *greeting;
};

static const struct cluster_option options[] = {
	CLUSTER_OPTION_STRING(struct hello, greeting, "Hello, World!\n",
	    "Text of the reply"),
	CLUSTER_OPTION_END
};

static enum cluster_verdict
handle(struct cluster_request *req, void *self)
{
	const struct hello *hello = self;

	return cluster_reply_text(req, 200, hello->greeting);
}

CLUSTER_PLUGIN(hello,
	.summary = "Answers every request with a greeting",
	.options = options, .size = sizeof(struct hello),
	.handle = handle);
