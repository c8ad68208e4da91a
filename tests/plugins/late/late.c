/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * late.c: a plugin that is ready later than it started, and ends or holds its
 * worker in ways of its own; for tests only.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <clusterd/plugin.h>

enum outcome { READY, AT_ONCE, EXIT, FATAL };

struct late {
	uint64_t after;			/* ms; 0: it does not say so */
	int outcome;
	int early;			/* what disconnect said before READY */
};

static const struct cluster_option options[] = {
	CLUSTER_OPTION_DURATION(struct late, after, "0", 0, 60000,
	    "When it is over"),
	CLUSTER_OPTION_WORD(struct late, outcome, "ready",
	    "ready|at_once|exit|fatal", "What it is then"),
	CLUSTER_OPTION_END
};

static void
over(void *self)
{
	const struct late *late = self;

	if (late->outcome == FATAL)
		cluster_fatal(CLUSTER_FATAL_CONFIG, "not in this world");
	if (late->outcome == EXIT || late->outcome == FATAL)
		cluster_exit("could not begin");
	cluster_ready();
	cluster_ready();		/* twice is once */
}

static int
start(void *self)
{
	struct late *late = self;

	late->early = cluster_disconnect("too early");
	if (late->outcome == AT_ONCE)
		cluster_ready();
	else if (late->after > 0)
		cluster_timer_after((unsigned)late->after, over, late, 0, NULL);
	return CLUSTER_LATER;
}

static enum cluster_verdict
say(struct cluster_request *req, int value)
{
	char text[32];

	snprintf(text, sizeof(text), "%d", value);
	return cluster_reply_text(req, 200, text);
}

static void
let_go(void *arg)
{
	(void)arg;
	cluster_hold(-1);
}

/* So many messages to web/1, and the end. */
static void
send_and_exit(int count)
{
	for (int i = 0; i < count; i++)
		cluster_send("web/1", "last", 4, NULL);
	cluster_exit("all is said");
}

static enum cluster_verdict
handle(struct cluster_request *req, void *self)
{
	const char *path = cluster_path(req), *query = cluster_query(req);
	const struct late *late = self;

	cluster_set_header(req, "X-Worker", cluster_worker_name());
	if (strcmp(path, "/exit") == 0)
		cluster_exit(query);
	if (strcmp(path, "/send-exit") == 0)
		send_and_exit(atoi(query));
	if (strcmp(path, "/hold") == 0)
		return say(req, cluster_hold(atoi(query)));
	if (strcmp(path, "/hold-for") == 0) {
		cluster_hold(1);
		return say(req, cluster_timer_after((unsigned)atoi(query),
		    let_go, NULL, 0, NULL));
	}
	if (strcmp(path, "/early") == 0)
		return say(req, late->early);
	if (strcmp(path, "/disconnect") == 0)
		return say(req, cluster_disconnect(query));
	return cluster_reply_text(req, 200, "late\n");
}

CLUSTER_PLUGIN(late,
	.summary = "Ready later than it started",
	.options = options, .size = sizeof(struct late),
	.start = start, .handle = handle);
