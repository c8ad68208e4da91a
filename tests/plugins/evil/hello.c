/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * hello.c: other versions of hello, for reloads: VERSION is in each answer;
 * FAULT makes one that is refused or fails.
 */
#include <stdlib.h>

#define STRING(text) #text
#define TEXT(number) STRING(number)
#define CLUSTER_PLUGIN_VERSION TEXT(VERSION)
#include <clusterd/plugin.h>

enum { NO_FAULT, START_FAILS, DIES_AFTER_READY, ANSWERS_500 };

struct hello {
	const char *greeting;
};

static const struct cluster_option options[] = {
	CLUSTER_OPTION_STRING(struct hello, greeting, "Hello, World!\n",
	    "Text of the reply"),
	CLUSTER_OPTION_END
};

static void
on_die(void *arg)
{
	(void)arg;
	abort();
}

static int
start(void *self)
{
	(void)self;
	if (FAULT == DIES_AFTER_READY)
		cluster_timer(20, on_die, NULL);
	return FAULT == START_FAILS;
}

static enum cluster_verdict
handle(struct cluster_request *req, void *self)
{
	const struct hello *hello = self;

	cluster_set_header(req, "X-Version", CLUSTER_PLUGIN_VERSION);
	cluster_set_header(req, "X-Worker", cluster_worker_name());
	if (FAULT == ANSWERS_500)
		return CLUSTER_FAIL;
	return cluster_reply_text(req, 200, hello->greeting);
}

CLUSTER_PLUGIN(hello,
	.summary = "Another version of hello",
	.options = options, .size = sizeof(struct hello),
	.start = start, .handle = handle);
