/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* child.c: one child process, from its start to its end; see child.h. */
#include "daemon/child/child.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/fd.h"
#include "daemon/child/children.h"
#include "daemon/child/ends.h"
#include "daemon/child/environment.h"
#include "daemon/child/exec.h"
#include "daemon/child/stream.h"

#define PATH_USUAL "/usr/bin:/bin"

static void on_exit_event(evutil_socket_t fd, short what, void *arg);

/* ---- the program ------------------------------------------------------------------------ */

static size_t
text_size(const char *const *list, size_t *count)
{
	size_t size = 0;

	for (*count = 0; list[*count] != NULL; (*count)++)
		size += strlen(list[*count]) + 1;
	return size;
}

/* Pointers and texts in one block; file is one of the texts. */
static int
keep_program(struct child *child, const char *file, const char *const *list)
{
	size_t count, size = text_size(list, &count);
	size_t file_size = strlen(file) + 1;
	char **argv = malloc((count + 1) * sizeof(argv[0]) + size + file_size);
	char *at = (char *)(argv + count + 1);

	if (argv == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++) {
		size_t len = strlen(list[i]) + 1;

		argv[i] = memcpy(at, list[i], len);
		at += len;
	}
	argv[count] = NULL;
	child->argv = argv;
	child->file = memcpy(at, file, file_size);
	return 0;
}

static int
take_program(struct child *child, const struct cluster_spawn *order)
{
	const char *line[] = { order->shell, "-c", order->file, NULL };
	const char *alone[] = { order->file, NULL };

	if (order->shell != NULL)
		return keep_program(child, order->shell, line);
	return keep_program(child, order->file,
	    order->argv != NULL ? order->argv : alone);
}

/* ---- start -------------------------------------------------------------------------------- */

static struct child *
new_child(struct children *table, const struct cluster_spawn *order,
    unsigned plugin)
{
	struct child *child = calloc(1, sizeof(*child));

	if (child == NULL || take_program(child, order) != 0) {
		free(child);
		return NULL;
	}
	child->table = table;
	child->plugin = plugin;
	child->pidfd = -1;
	child->order = *order;
	child->ended.size = sizeof(child->ended);
	child->ended.code = -1;
	child->referenced = (order->flags & CLUSTER_SPAWN_UNREF) == 0;
	child->detached = (order->flags & CLUSTER_SPAWN_DETACHED) != 0;
	for (int fd = 0; fd < CLUSTER_STDIO_COUNT; fd++)
		stream_init(&child->streams[fd], child, fd);
	for (int i = 0; i < 2; i++)
		capture_init(&child->captures[i], order->max_output,
		    order->overflow);
	patience_init(&child->patience, table->base, child_on_deadline, child);
	evtimer_assign(&child->tick_event, table->base, child_on_tick, child);
	return child;
}

static void
free_child(struct child *child)
{
	for (int fd = 0; fd < CLUSTER_STDIO_COUNT; fd++) {
		buf_done(&child->streams[fd].out);
		buf_done(&child->streams[fd].line);
	}
	for (int i = 0; i < 2; i++)
		capture_done(&child->captures[i]);
	scope_done(&child->scope);
	peer_free(child->peer);
	fd_close(&child->pidfd);
	free(child->argv);
	free(child);
}

/* 0: it runs. */
static int
execute(struct child *child, const struct ends *ends, enum cluster_stage *stage)
{
	const struct cluster_spawn *order = &child->order;
	const char **envp = environment_make((const char *const *)environ,
	    order->env, order->env == NULL ||
	    (order->flags & CLUSTER_SPAWN_ENV_ADD) != 0,
	    peer_environment(order->channel));
	struct exec_plan plan = { .file = child->file,
	    .argv = (const char *const *)child->argv, .envp = envp,
	    .cwd = order->cwd, .fd_count = EXEC_FDS,
	    .rlimits = order->rlimits, .nice = order->nice,
	    .detached = child->detached };
	int rc = 0;

	if (order->channel != CLUSTER_CHANNEL_NONE)
		rc = peer_open(child, order->channel, &child->peer);
	if (rc == 0 && envp == NULL)
		rc = -ENOMEM;
	if (rc != 0) {
		free(envp);
		return rc;
	}
	if (strchr(child->file, '/') == NULL) {
		plan.path = environment_get(envp, "PATH");
		if (plan.path == NULL)
			plan.path = PATH_USUAL;
	}
	memcpy(plan.fds, ends->theirs, sizeof(ends->theirs));
	plan.fds[PEER_FD] = child->peer != NULL ? child->peer->theirs : -1;
	rc = exec_start(&plan, &child->pid, &child->pidfd, stage);
	free(envp);
	return rc;
}

/* What the order borrowed is the caller's again. */
static void
forget_order(struct cluster_spawn *order)
{
	order->file = order->shell = order->cwd = NULL;
	order->argv = order->env = NULL;
	order->rlimits = NULL;
	order->with = NULL;
	order->cancel = NULL;
}

static void
close_moved(const struct cluster_spawn *order)
{
	for (int fd = 0; fd < CLUSTER_STDIO_COUNT; fd++)
		if (order->stdio[fd].kind == CLUSTER_STDIO_FD &&
		    order->stdio[fd].mode == CLUSTER_FD_MOVE)
			close(order->stdio[fd].fd);
}

/* It runs; what fails here, for want of memory, ends it. */
static void
attach(struct child *child, struct ends *ends)
{
	const struct cluster_spawn *order = &child->order;
	bool failed = false;

	for (int fd = 0; fd < CLUSTER_STDIO_COUNT; fd++)
		if (ends->ours[fd] >= 0 && stream_open(&child->streams[fd],
		    ends->ours[fd], ends_is_read(order, fd),
		    ends_is_written(order, fd)) != 0)
			failed = true;
	if (child->peer != NULL && peer_attach(child->peer) != 0)
		failed = true;
	event_assign(&child->exit_event, child->table->base, child->pidfd,
	    EV_READ, on_exit_event, child);
	if (event_add(&child->exit_event, NULL) != 0)
		failed = true;
	if (failed) {
		(void)scope_signal(&child->scope, SIGKILL);
		child_arm(&child->tick_event, 0);	/* looks for its end */
	}
	if (order->timeout_ms > 0)
		patience_begin(&child->patience, order->timeout_ms);
}

int
child_start(struct children *table, const struct cluster_spawn *order,
    unsigned plugin, struct child **out, enum cluster_stage *stage)
{
	struct child *child;
	struct ends ends;
	int rc = children_reserve(table);

	if (rc != 0)
		return rc;
	if ((child = new_child(table, order, plugin)) == NULL)
		return -ENOMEM;
	*stage = CLUSTER_STAGE_STDIO;
	rc = ends_open(&ends, order);
	if (rc == 0 && (rc = execute(child, &ends, stage)) != 0)
		ends_close(&ends);
	if (rc != 0) {
		free_child(child);
		return rc;
	}
	child->running = true;
	child->since_ns = clock_now_ns();
	scope_init(&child->scope, order->kill_scope, child->pid,
	    child->pidfd);
	ends_close_theirs(&ends);
	close_moved(order);
	attach(child, &ends);
	forget_order(&child->order);
	children_add(table, child);
	*out = child;
	return 0;
}

/* ---- end ------------------------------------------------------------------------------------ */

static enum cluster_cause
cause_of(struct child *child)
{
	if (child->ended.signal == 0)
		return CLUSTER_CAUSE_EXIT;
	if (child->ended.signal == SIGKILL && child->signal_sent != SIGKILL &&
	    oom_explains_now(&child->table->oom))
		return CLUSTER_CAUSE_OOM;
	return CLUSTER_CAUSE_SIGNAL;
}

static void
fill_exit(struct child *child, int rc, const siginfo_t *info)
{
	struct cluster_exit *ended = &child->ended;

	ended->wall_ns = clock_now_ns() - child->since_ns;
	if (rc != 0)			/* the plugin has reaped it */
		return;
	if (info->si_code == CLD_EXITED) {
		ended->code = info->si_status;
	} else {
		ended->signal = info->si_status;
		ended->core = info->si_code == CLD_DUMPED;
	}
	if (!child->stopping)
		ended->cause = cause_of(child);
}

void
child_reap(struct child *child)
{
	struct children *table = child->table;
	siginfo_t info;
	int rc = exec_reap(child->pidfd, false, &info, &child->ended.rusage);

	if (rc == -EAGAIN)
		return;
	fill_exit(child, rc, &info);
	child->running = false;
	event_del(&child->exit_event);
	scope_lose_leader(&child->scope);
	/* before any callback: mostly nobody is left, and the number may be
	 * another's soon */
	(void)scope_is_gone(&child->scope);
	fd_close(&child->pidfd);
	if (!child->stopping)
		patience_end(&child->patience);
	for (int fd = 0; fd < CLUSTER_STDIO_COUNT; fd++)
		stream_end_writing(&child->streams[fd]);
	peer_end_writing(child->peer);
	child_begin_linger(child);
	table->ops->ended(child, table->ctx);
}

static void
on_exit_event(evutil_socket_t fd, short what, void *arg)
{
	struct child *child = arg;

	(void)fd;
	(void)what;
	child_reap(child);
	if (child->running)
		event_add(&child->exit_event, NULL);
	child_settle(child);
}

static void
finish(struct child *child)
{
	struct children *table = child->table;

	event_del(&child->exit_event);
	patience_end(&child->patience);
	event_del(&child->tick_event);
	child->closing = true;
	table->ops->closed(child, table->ctx);
	children_remove(table, child);
	free_child(child);
}

void
child_settle(struct child *child)
{
	if (child->running)
		return;
	for (int fd = 0; fd < CLUSTER_STDIO_COUNT; fd++)
		if (child->streams[fd].reads)
			return;
	if (peer_is_open(child->peer))
		return;
	if (child->stopping && !child->given_up &&
	    !scope_is_gone(&child->scope))
		return;
	finish(child);
}

void
child_settle_soon(struct child *child)
{
	if (!child->running)
		event_active(&child->tick_event, EV_TIMEOUT, 0);
}

void
child_close_all(struct child *child)
{
	for (int fd = 0; fd < CLUSTER_STDIO_COUNT; fd++)
		stream_close(&child->streams[fd]);
	peer_close(child->peer);
	finish(child);
}
