/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* task.c: a task, from the word what it is to its end; see task.h. */
#include "daemon/worker/task.h"

#include <errno.h>
#include <event2/event.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "common/base/fd.h"
#include "common/base/log.h"
#include "daemon/child/packet.h"
#include "daemon/child/peer.h"
#include "daemon/plugin/api.h"
#include "daemon/plugin/child_task.h"
#include "daemon/plugin/host.h"
#include "daemon/plugin/parcel.h"
#include "daemon/worker/image.h"

enum {
	ORDER_MS = 10000,		/* for the word what it is */
	FAILED = 127,			/* as of a program that is not there */
};

struct task {
	char instance[64], name[64], worker[64];
	uint64_t worker_id;
	struct conf *conf;
	struct plugin plugin;
	struct board board;
	struct host host;
	struct cluster_api api;
};

static struct task the_task;

static _Noreturn void
die(const char *text)
{
	dprintf(STDERR_FILENO, "task: %s\n", text);
	_exit(FAILED);
}

/* ---- what it is ---------------------------------------------------------- */

/* The descriptor of the snapshot. */
static int
receive_order(struct task *task)
{
	uint8_t bytes[PACKET_HEAD + TASK_TEXT_MAX + 1];
	struct pollfd ready = { .fd = PEER_FD, .events = POLLIN };
	int fds[FD_PASS_MAX];
	struct packet packet;
	size_t count = 0;
	ssize_t n;

	if (poll(&ready, 1, ORDER_MS) != 1)
		die("nobody says what it is");
	n = fd_recv(PEER_FD, bytes, sizeof(bytes) - 1, fds, &count);
	if (n <= 0 || count != 1 ||
	    packet_read(bytes, (size_t)n, count, &packet) != 0)
		die("it has no channel");
	bytes[n] = '\0';
	if (sscanf((const char *)packet.data, "%63s %63s %63s %" SCNu64,
	    task->instance, task->name, task->worker, &task->worker_id) != 4)
		die("it is not said what it is");
	return fds[0];
}

static const struct conf_plugin *
find_plugin(const struct task *task)
{
	for (size_t i = 0; i < task->conf->plugin_count; i++)
		if (strcmp(task->conf->plugins[i].name, task->instance) == 0)
			return &task->conf->plugins[i];
	die("there is no such plugin");
}

static void
open_plugin(struct task *task)
{
	struct errmsg err = { 0 };
	int snapshot = receive_order(task);

	if (image_read_snapshot(snapshot, &task->conf, &err) != 0)
		die(err.text);
	fd_close(&snapshot);
	if (image_open_plugin(task->conf, find_plugin(task), &task->api,
	    &task->plugin, &err) != FATAL_NONE)
		die(err.text);
}

/* ---- messages ------------------------------------------------------------ */

/* Data, behind the word for whom it is where it is passed on. */
static uint8_t *
put_data(uint8_t *at, const char *to, const struct letter *letter)
{
	if (to != NULL) {
		memcpy(at, to, strlen(to) + 1);
		at += strlen(to) + 1;
	}
	if (letter->len > 0)
		memcpy(at, letter->data, letter->len);
	return at + letter->len;
}

static int
send_waiting(const uint8_t *bytes, size_t len, const int *fds, size_t count)
{
	struct pollfd ready = { .fd = PEER_FD, .events = POLLOUT };
	int rc;

	while ((rc = fd_send(PEER_FD, bytes, len, fds, count)) == -EAGAIN)
		poll(&ready, 1, -1);
	return rc == -ECONNRESET ? -EPIPE : rc;
}

static int
send_large(uint8_t *bytes, size_t head, size_t len, struct parcel *parcel)
{
	int rc;

	parcel->fds[0] = fd_sealed("clusterd-message", bytes + head, len);
	if (parcel->fds[0] < 0)
		return parcel->fds[0] == -EMFILE ? -EMFILE : -ENOMEM;
	rc = send_waiting(bytes, head, parcel->fds, parcel->count + 1);
	fd_close(&parcel->fds[0]);
	return rc;
}

/* to NULL: for the parent. */
static int
send_parcel(struct parcel *parcel, const char *to, unsigned flags)
{
	const char *topic = parcel->letter.topic;
	size_t len = parcel->letter.len + (to != NULL ? strlen(to) + 1 : 0);
	bool large = packet_is_large(strlen(topic), len);
	uint8_t *bytes = malloc(PACKET_HEAD + CLUSTER_TOPIC_MAX + len + 1);
	size_t head;
	int rc;

	if (bytes == NULL)
		return -ENOMEM;
	head = packet_begin(bytes, topic, flags |
	    (to != NULL ? PACKET_PASS_ON : 0) |
	    (large ? CLUSTER_PEER_LARGE : 0));
	put_data(bytes + head, to, &parcel->letter);
	rc = large ? send_large(bytes, head, len, parcel) :
	    send_waiting(bytes, head + len, parcel->fds + 1, parcel->count);
	free(bytes);
	return rc;
}

/* cluster_send() in a task. */
static int
task_send(const char *to, const void *data, size_t len,
    const struct cluster_send *given)
{
	bool is_parent = to != NULL && strcmp(to, TASK_PARENT) == 0;
	struct cluster_send how;
	struct parcel parcel;
	int rc;

	if (api_is_elsewhere("send"))
		return -EPERM;
	rc = is_parent ? parcel_fill_child(&parcel, data, len, given, &how) :
	    parcel_fill(&parcel, to, data, len, given, &how);
	if (rc != 0)
		return rc;
	if (how.done != NULL)		/* nobody would call it */
		return -EINVAL;
	if (!is_parent && len + LETTER_TO_MAX >= CLUSTER_MESSAGE_MAX)
		return -EMSGSIZE;
	rc = send_parcel(&parcel, is_parent ? NULL : to, how.flags);
	if (rc == 0 && parcel.moves)
		fd_close_all(parcel.fds + 1, parcel.count);
	return rc;
}

/* ---- the host it has ----------------------------------------------------- */

static void
say(int level, const char *plugin, const char *text)
{
	(void)level;
	dprintf(STDERR_FILENO, "%s%s%s\n", plugin, plugin[0] != '\0' ? ": " :
	    "", text);
}

static _Noreturn void
leave(int status)
{
	fflush(NULL);
	_exit(status);
}

/* cluster_exit() */
static _Noreturn void
leave_for(const char *plugin, const char *reason)
{
	say(LL_ERROR, plugin, reason);
	leave(EXIT_FAILURE);
}

static void
ignore(void)
{
}

static void
close_it(int fd)
{
	if (fd >= 0)
		close(fd);
}

static const struct host_ops task_ops = {
	.log = say, .exit = leave_for, .closed = close_it, .waits = ignore,
	.ready = ignore,
};

/* Of a worker without requests, children and channel: what needs these is
 * refused there. */
static void
make_host(struct task *task)
{
	struct host *host = &task->host;
	struct event_base *base = event_base_new();
	void *page = mmap(NULL, PAGE_SIZE_BYTES, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (base == NULL || page == MAP_FAILED)
		die("out of memory");
	board_init(&task->board, page);
	host_init(host, base, &task->board, &task_ops);
	task->api = host_api;
	task->api.send = task_send;
}

static void
fill_host(struct task *task)
{
	struct host *host = &task->host;
	const struct conf_pool *pool = &task->conf->pools[0];

	host->plugins = &task->plugin;
	host->plugin_count = 1;
	host->worker_name = task->worker;
	host->worker_id = task->worker_id;
	host->generation = task->conf->generation;
	host->handler_ms = pool->handler_timeout_ms;
	host->may_block = true;
	host->no_loop = true;
	host->children.limit = (uint32_t)pool->max_children;
	host->children.shut = true;	/* but for those that are waited for */
	self_init(host, task->worker);
	host->self.info.role = CLUSTER_ROLE_TASK;
	self_set_state(host, CLUSTER_STATE_READY);
}

/* ---- all of it ----------------------------------------------------------- */

static const struct cluster_task *
find_task(const struct task *task)
{
	const struct cluster_task *row = task->plugin.desc.tasks;

	for (; row != NULL && row->name != NULL; row++)
		if (strcmp(row->name, task->name) == 0 && row->run != NULL)
			return row;
	die("the plugin has no such task");
}

void
task_main(int argc, char **argv)
{
	struct task *task = &the_task;
	char name[16];

	make_host(task);
	open_plugin(task);
	fill_host(task);
	snprintf(name, sizeof(name), "t:%.13s", task->name);
	prctl(PR_SET_NAME, name);
	leave(find_task(task)->run(argc, argv, task->plugin.self));
}
