/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* count.c: the example of Node's cluster as a plugin: workers greet and notify,
 * one of them says how many requests there were.  doc/from-node.md has both
 * beside each other. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <clusterd/plugin.h>

struct count {
	char pool[32];
	unsigned long requests;		/* of all workers of the pool */
};

static void
report(void *self)
{
	const struct count *count = self;

	cluster_log(CLUSTER_NOTICE, "numReqs = %lu", count->requests);
	(void)cluster_timer(1000, report, self);
}

static void
on_message(const struct cluster_message *message, void *self)
{
	struct count *count = self;

	if (strcmp(message->topic, "notifyRequest") == 0)
		count->requests++;
}

static int
start(void *self)
{
	struct count *count = self;
	const char *name = cluster_worker_name();	/* "web/0" */
	size_t len = strcspn(name, "/");

	snprintf(count->pool, sizeof(count->pool), "%.*s", (int)len, name);
	if (strcmp(name + len, "/0") == 0)
		report(count);
	cluster_log(CLUSTER_NOTICE, "Worker %d started", (int)getpid());
	return 0;
}

static enum cluster_verdict
handle(struct cluster_request *req, void *self)
{
	const struct count *count = self;
	enum cluster_verdict answered =
	    cluster_reply_text(req, 200, "hello world\n");

	(void)cluster_send(count->pool, NULL, 0, &(struct cluster_send){
	    .size = sizeof(struct cluster_send), .topic = "notifyRequest" });
	return answered;
}

CLUSTER_PLUGIN(count,
	.summary = "Greets, and counts the requests of all workers",
	.size = sizeof(struct count),
	.start = start, .handle = handle, .on_message = on_message);
