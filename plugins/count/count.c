/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* count.c: the example of Node's cluster as a plugin: workers greet and notify
 * each other, their leader says how many requests there were, and who died.
 * doc/from-node.md has both beside each other. */
#include <string.h>

#include <clusterd/plugin.h>

struct count {
	unsigned long requests;		/* of all workers of the pool */
};

static void
report(void *self)
{
	const struct count *count = self;

	cluster_log(CLUSTER_NOTICE, "numReqs = %lu", count->requests);
}

static void
on_message(const struct cluster_message *message, void *self)
{
	struct count *count = self;

	if (strcmp(message->topic, "notifyRequest") == 0)
		count->requests++;
}

static void
on_death(const struct cluster_event *event, void *self)
{
	(void)self;
	if (cluster_self()->leader)
		cluster_log(CLUSTER_NOTICE, "worker %s died", event->worker);
}

static int
start(void *self)
{
	struct cluster_observer *observer;
	int rc = cluster_timer_every(1000, report, self, CLUSTER_TIMER_LEADER,
	    NULL);

	if (rc == 0)
		rc = cluster_observe("worker.exited", on_death, self,
		    &observer);
	cluster_log(CLUSTER_NOTICE, "Worker %d started",
	    (int)cluster_self()->pid);
	return rc;
}

static enum cluster_verdict
handle(struct cluster_request *req, void *self)
{
	enum cluster_verdict answered =
	    cluster_reply_text(req, 200, "hello world\n");

	(void)self;
	(void)cluster_send(cluster_self()->pool, NULL, 0,
	    &(struct cluster_send){ .size = sizeof(struct cluster_send),
	    .topic = "notifyRequest" });
	return answered;
}

CLUSTER_PLUGIN(count,
	.summary = "Greets, and counts the requests of all workers",
	.size = sizeof(struct count),
	.start = start, .handle = handle, .on_message = on_message);
