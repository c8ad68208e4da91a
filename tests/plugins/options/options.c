/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* options.c: a plugin with an option of each type; one is required. */
#include <clusterd/plugin.h>

struct options {
	const char *name, *password;
	int64_t level;
	uint64_t room, wait;
	int on, mood;
};

static const struct cluster_option options[] = {
	CLUSTER_OPTION_STRING(struct options, name, NULL, "required"),
	CLUSTER_OPTION_SECRET(struct options, password, "", "secret"),
	CLUSTER_OPTION_NUMBER(struct options, level, "3", -5, 5, "number"),
	CLUSTER_OPTION_SIZE(struct options, room, "8k", 1, 1 << 20, "size"),
	CLUSTER_OPTION_DURATION(struct options, wait, "1s", 0, 60000, "time"),
	CLUSTER_OPTION_SWITCH(struct options, on, "no", "switch"),
	CLUSTER_OPTION_WORD(struct options, mood, "calm", "calm|wild", "word"),
	CLUSTER_OPTION_END
};

static enum cluster_verdict
handle(struct cluster_request *req, void *self)
{
	const struct options *given = self;

	return cluster_reply_text(req, 200, given->name);
}

CLUSTER_PLUGIN(options, .summary = "An option of each type",
    .options = options, .size = sizeof(struct options), .handle = handle);
