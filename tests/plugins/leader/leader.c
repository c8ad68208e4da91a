/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * leader.c: a plugin that does something again and again where its worker leads,
 * and notices if somebody else does so at the same time: it holds an abstract
 * address meanwhile, which nobody can have twice and no dead process holds.  For
 * tests only.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <clusterd/plugin.h>

struct leader {
	const char *lock;		/* the address, of this pool alone */
	unsigned led, once, without;	/* times; without: the lead, in a row */
	int stall_ms;			/* of the next one */
};

static const struct cluster_option options[] = {
	CLUSTER_OPTION_STRING(struct leader, lock, NULL, "What it holds"),
	CLUSTER_OPTION_END
};

/* The descriptor that holds the address, or -1: somebody else does. */
static int
hold(const char *name)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(address.sun_path + 1, sizeof(address.sun_path) - 1, "%s",
	    name);
	if (fd >= 0 && bind(fd, (struct sockaddr *)&address,
	    (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 +
	    strlen(name))) == 0)
		return fd;
	close(fd);
	return -1;
}

static void
lead(void *arg)
{
	struct leader *self = arg;
	int ms = self->stall_ms > 0 ? self->stall_ms : 1;
	int fd = hold(self->lock);

	self->stall_ms = 0;
	if (fd < 0)
		cluster_log(CLUSTER_ERROR, "two leaders");
	/* once it may have lost the lead in here, which nobody gets before the
	 * end of this */
	self->without = cluster_self()->leader ? 0 : self->without + 1;
	if (self->without > 1)
		cluster_log(CLUSTER_ERROR, "a timer without the lead");
	poll(NULL, 0, ms);
	close(fd);
	self->led++;
}

static void
lead_once(void *arg)
{
	struct leader *self = arg;

	self->once++;
}

static int
start(void *arg)
{
	if (cluster_self()->leader)
		return 1;		/* not before it is ready */
	return cluster_timer_every(3, lead, arg, CLUSTER_TIMER_LEADER, NULL) |
	    cluster_timer_after(1, lead_once, arg, CLUSTER_TIMER_LEADER, NULL);
}

static int
add_leader(const struct cluster_worker_info *info, void *arg)
{
	char *text = arg;
	size_t len = strlen(text);

	if (info->leader)
		snprintf(text + len, 256 - len, "%s\"%s\", %llu",
		    len > 1 ? ", " : "", info->name,
		    (unsigned long long)info->id);
	return 0;
}

/* /led: what this one did.  /who-leads: of all.  /stall?MS: the next time. */
static enum cluster_verdict
handle(struct cluster_request *req, void *arg)
{
	struct leader *self = arg;
	const char *path = cluster_path(req);
	char text[256] = "[";
	size_t len;

	cluster_set_header(req, "X-Worker", cluster_worker_name());
	if (strcmp(path, "/stall") == 0)
		self->stall_ms = atoi(cluster_query(req));
	if (strcmp(path, "/who-leads") == 0)
		cluster_workers_each("all", add_leader, text);
	else
		snprintf(text, sizeof(text), "[%u, %u, %d", self->led,
		    self->once, cluster_self()->leader);
	len = strlen(text);
	snprintf(text + len, sizeof(text) - len, "]");
	return cluster_reply_text(req, 200, text);
}

CLUSTER_PLUGIN(leader,
	.summary = "Leads, and sees if others do",
	.options = options, .size = sizeof(struct leader),
	.start = start, .handle = handle);
