/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* child_task.c: the start of a task; see child_task.h. */
#include "daemon/plugin/child_task.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/child/child.h"
#include "daemon/child/order.h"
#include "daemon/plugin/children.h"
#include "daemon/plugin/host.h"
#include "daemon/proto/keeper.h"

/* Our own program, also where its file was replaced meanwhile. */
#define OURSELVES "/proc/self/exe"

enum { OWN_WORDS = 2 };			/* before the task's */

static bool
has_task(const struct plugin *plugin, const char *name)
{
	const struct cluster_task *task = plugin->desc.tasks;

	for (; task != NULL && task->name != NULL; task++)
		if (strcmp(task->name, name) == 0)
			return task->run != NULL;
	return false;
}

/* "clusterd-worker --task" and what run() gets.  NULL: no memory. */
static const char **
make_argv(const char *name, const char *const *given)
{
	const char *alone[] = { name, NULL };
	const char **argv;
	size_t count = 0;

	if (given == NULL)
		given = alone;
	while (given[count] != NULL)
		count++;
	argv = malloc((OWN_WORDS + count + 1) * sizeof(argv[0]));
	if (argv == NULL)
		return NULL;
	argv[0] = "clusterd-worker";
	argv[1] = TASK_OPTION;
	memcpy(argv + OWN_WORDS, given, (count + 1) * sizeof(argv[0]));
	return argv;
}

/* The first message: nothing waits before it. */
static int
say_what_it_is(const struct host *host, const char *name, struct child *child)
{
	const int snapshot = WORKER_FD_SNAPSHOT;
	char text[TASK_TEXT_MAX];
	int len = snprintf(text, sizeof(text), "%s %s %s %" PRIu64,
	    host->plugins[host->current].instance, name, host->worker_name,
	    host->worker_id);

	child->peer->is_task = true;
	return peer_send(child->peer, &(struct peer_message){ .topic = "",
	    .data = text, .len = (size_t)len, .fds = &snapshot,
	    .fd_count = 1 });
}

static int
start(struct host *host, const char *name, const struct cluster_spawn *order,
    struct cluster_child **out)
{
	enum cluster_stage stage;
	struct cluster_child *handle;
	struct child *child;
	int rc = host_spawn(host, order, &stage, &handle);

	if (rc != 0)
		return rc;
	child = host_child_find(host, handle);
	/* it runs, and has what moved: that it cannot work is told by its end */
	if (say_what_it_is(host, name, child) != 0)
		child_stop(child, CLUSTER_CAUSE_STOPPING);
	if (out != NULL)
		*out = handle;
	return 0;
}

int
host_fork_task(struct host *host, const char *name,
    const struct cluster_spawn *how, struct cluster_child **out)
{
	struct cluster_spawn order = { .size = sizeof(order) };
	const char **argv;
	int rc = how != NULL ? order_copy(how, &order) : 0;

	if (rc != 0 || name == NULL || order.file != NULL ||
	    order.shell != NULL || order.channel != CLUSTER_CHANNEL_NONE)
		return -EINVAL;
	if (strlen(name) > CLUSTER_TOPIC_MAX ||
	    !has_task(&host->plugins[host->current], name))
		return -ENOENT;
	if ((rc = order_check_texts(order.argv)) != 0)
		return rc;
	argv = make_argv(name, order.argv);
	if (argv == NULL)
		return -ENOMEM;
	order.file = OURSELVES;
	order.argv = argv;
	order.channel = CLUSTER_CHANNEL_PACKET;
	rc = start(host, name, &order, out);
	free(argv);
	return rc;
}
