/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * process.c: descriptors of one worker, and talking to it.
 * What it says is handed to life.c; its pipes belong to output.c.
 */
#include "daemon/master/process.h"

#include <errno.h>
#include <event2/event.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/check.h"
#include "common/base/clock.h"
#include "common/base/escape.h"
#include "common/base/failpoint.h"
#include "common/base/fd.h"
#include "common/base/log.h"
#include "daemon/master/dispatch.h"
#include "daemon/master/life.h"
#include "daemon/master/master.h"
#include "daemon/master/output.h"

/* What waits in the channel of a worker that reads slowly. */
enum { FULL_MESSAGES = 256, FULL_BYTES = 256 * 1024, FULL_FDS = 64 };

static void
process_map_page(struct process *process)
{
	struct stat st;
	void *page;

	if (process->fd[PFD_PAGE] < 0 ||
	    fstat(process->fd[PFD_PAGE], &st) != 0 ||
	    st.st_size < PAGE_SIZE_BYTES)
		return;
	page = mmap(NULL, PAGE_SIZE_BYTES, PROT_READ, MAP_SHARED,
	    process->fd[PFD_PAGE], 0);
	if (page != MAP_FAILED)
		process->page = page;
}

/* For when there is no memory: an exit that nobody is there to hear of must be
 * written down, and too large for the common reserve. */
static struct process spares[4];
static bool spare_used[COUNT(spares)];

static struct process *
take(void)
{
	struct process *process = calloc(1, sizeof(*process));

	for (size_t i = 0; i < COUNT(spares) && process == NULL; i++)
		if (!spare_used[i]) {
			spare_used[i] = true;
			process = &spares[i];
			memset(process, 0, sizeof(*process));
		}
	return process;
}

static void
give(struct process *process)
{
	for (size_t i = 0; i < COUNT(spares); i++)
		if (process == &spares[i]) {
			spare_used[i] = false;
			return;
		}
	free(process);
}

struct process *
process_new(struct master *master, uint64_t id, int pid, const char *name,
    const struct link_packet *packet)
{
	struct process *process = take();

	if (process == NULL)
		return NULL;
	process->master = master;
	process->id = id;
	process->row = process->pool = MEMO_NONE;
	process->pid = pid;
	process->waiting_most = UINT64_MAX;	/* by a master before us */
	process->clock_from_ns = clock_now_ns();
	record_put_text(process->name, sizeof(process->name), name);
	for (size_t i = 0; i < PFD__COUNT; i++)
		process->fd[i] = -1;
	for (size_t i = 0; i < packet->count && i < PFD__COUNT; i++) {
		process->fd[i] = packet->fds[i];
		packet->fds[i] = -1;
	}
	process_map_page(process);
	return process;
}

/* One message; false when nothing is left, or when it must be read no more. */
static bool
process_receive(struct process *process)
{
	static _Alignas(8) struct channel_packet packet; /* 64 KiB, loop thread only */
	int fds[FD_PASS_MAX], rc;
	size_t count = 0, len;
	struct errmsg err;

	if (process->fd[PFD_CHANNEL] < 0)
		return false;
	rc = channel_receive(&process->channel, &packet, &len, fds, &count,
	    &err);
	if (rc == CHANNEL_EMPTY)
		return false;
	if (rc == CHANNEL_CLOSED || rc == ERR_SYSTEM || rc == CHANNEL_PAUSED) {
		/* Its end is closed: the exit tells, by pidfd. */
		if (process->channel_readable != NULL)
			event_del(process->channel_readable);
		return false;
	}
	if (rc != CHANNEL_GOT) {
		life_violation(process, err.text);
		return true;
	}
	if (channel_check_rate(&process->channel, packet.header.type,
	    clock_now_ns(), &err) != 0)
		life_violation(process, err.text);
	else
		life_message(process, &packet, fds, count);
	fd_close_all(fds, count);
	return true;
}

static void
process_on_channel(evutil_socket_t fd, short what, void *arg)
{
	struct process *process = arg;

	(void)fd;
	(void)what;
	for (int i = 0; i < 32 && process_receive(process); i++)
		;
}

void
process_flush(struct process *process)
{
	if (process->channel.paused && process->channel_readable != NULL)
		event_add(process->channel_readable, NULL);
	process->channel.paused = false;
	/* A failure is its end, which the keeper reports. */
	if (process->fd[PFD_CHANNEL] >= 0 &&
	    channel_flush(&process->channel, NULL) == CHANNEL_WAIT &&
	    process->channel_writable != NULL)
		event_add(process->channel_writable, NULL);
}

bool
process_is_full(const struct process *process)
{
	return process->channel.queued > FULL_MESSAGES ||
	    process->channel.queued_bytes > FULL_BYTES ||
	    process->channel.queued_fds > FULL_FDS;
}

static void
process_on_writable(evutil_socket_t fd, short what, void *arg)
{
	struct process *process = arg;

	(void)fd;
	(void)what;
	process_flush(process);
	if (process->channel.queued <= FULL_MESSAGES / 2 &&
	    process->channel.queued_fds <= FULL_FDS / 2 &&
	    process->channel.queued_bytes <= FULL_BYTES / 2) {
		command_go_on(process);
		observe_go_on(process);
	}
}

void
process_watch(struct process *process)
{
	struct event_base *base = process->master->base;
	int fd = process->fd[PFD_CHANNEL];

	if (fd >= 0) {
		channel_init(&process->channel, fd, CHANNEL_FROM_MASTER);
		process->channel_readable = event_new(base, fd,
		    EV_READ | EV_PERSIST, process_on_channel, process);
		process->channel_writable = event_new(base, fd, EV_WRITE,
		    process_on_writable, process);
		CHECK(process->channel_readable != NULL &&
		    process->channel_writable != NULL);
		event_add(process->channel_readable, NULL);
	}
	output_watch(process);
	dispatch_watch(process);
	process_flush(process);
}

static void
event_drop(struct event **event)
{
	if (*event != NULL)
		event_free(*event);
	*event = NULL;
}

bool
process_drain(struct process *process)
{
	/* Bounded by what a socket buffer holds. */
	for (int i = 0; i < 4096 && process_receive(process); i++)
		;
	output_drain(process);
	return !process->channel.paused;
}

void
process_bury(struct process *process)
{
	relay_lose_receiver(process);
	command_lose(process);
	observe_lose(process);
	event_drop(&process->channel_readable);
	event_drop(&process->channel_writable);
	event_drop(&process->room);
	event_drop(&process->output.readable);
	event_drop(&process->log.readable);
	if (process->fd[PFD_CHANNEL] >= 0)
		channel_done(&process->channel);
	for (size_t i = 0; i < PFD__COUNT; i++)
		if (i != PFD_CONNECTIONS_END)
			fd_close(&process->fd[i]);
	if (process->page != NULL)
		munmap((void *)process->page, PAGE_SIZE_BYTES);
	process->page = NULL;
	process->row = MEMO_NONE;
}

void
process_free(struct process *process)
{
	if (process == NULL)
		return;
	process_bury(process);
	fd_close(&process->fd[PFD_CONNECTIONS_END]);
	give(process);
}

int
process_pass(struct process *process, struct channel_packet *packet,
    size_t tail, const int *fds, size_t count)
{
	struct errmsg err;
	int rc;

	if (process->fd[PFD_CHANNEL] < 0)
		return ERR_SYSTEM;
	if (FP("process.say") != 0)
		return ERR_FULL;
	rc = channel_send(&process->channel, packet,
	    channel_end(packet, tail), fds, count, &err);
	if (rc == 0 && process->channel.first != NULL)
		process_flush(process);
	return rc;
}

bool
process_say(struct process *process, struct channel_packet *packet,
    size_t tail, int fd)
{
	return process_pass(process, packet, tail, &fd, fd >= 0 ? 1 : 0) == 0;
}

bool
process_say_json(struct process *process, struct channel_packet *packet,
    const char *json, size_t len)
{
	size_t most = channel_record(packet->header.type)->tail_max;
	bool said;
	int fd;

	if (len <= most) {
		memcpy(channel_tail(packet, NULL), json, len);
		return process_say(process, packet, len, -1);
	}
	fd = fd_memfd("clusterd-json");
	said = fd >= 0 && fd_put(fd, json, len) == 0 &&
	    ftruncate(fd, (off_t)len + 1) == 0 && fd_seal(fd) == 0 &&
	    process_say(process, packet, 0, fd);
	fd_close(&fd);
	return said;
}

bool
process_say_stop(struct process *process)
{
	static struct channel_packet packet;

	channel_begin(&packet, CHANNEL_STOP, 0);
	return process_say(process, &packet, 0, -1);
}

bool
process_say_drain(struct process *process, uint64_t deadline_ns)
{
	static struct channel_packet packet;

	channel_begin(&packet, CHANNEL_DRAIN, 0);
	packet.body.drain.deadline_ns = deadline_ns;
	return process_say(process, &packet, 0, -1);
}

bool
process_say_key(struct process *process, uint32_t key, int64_t value)
{
	static struct channel_packet packet;

	channel_begin(&packet, CHANNEL_SET, 0);
	packet.body.set.key = key;
	packet.body.set.value = value;
	return process_say(process, &packet, 0, -1);
}

bool
process_say_log_level(struct process *process)
{
	return process_say_key(process, keys[KEY_DAEMON_LOG_LEVEL].number,
	    log_get_level());
}

bool
process_say_listener(struct process *process, uint32_t listener,
    enum listener_op op, int fd)
{
	static struct channel_packet packet;

	if (op == LISTENER_DISARM && FP("listener.disarm") != 0)
		return false;
	channel_begin(&packet, CHANNEL_LISTENER, 0);
	packet.body.listener.listener = listener;
	packet.body.listener.op = op;
	return process_say(process, &packet, 0, fd);
}

void
process_tail_add(struct process *process, const char *data, size_t len)
{
	for (size_t i = 0; i < len; i++)
		process->tail[process->tail_len++ % PROCESS_TAIL] = data[i];
}

char *
process_tail(const struct process *process, char *out, size_t size)
{
	char plain[512];
	size_t have = process->tail_len, n;

	if (have > PROCESS_TAIL)
		have = PROCESS_TAIL;
	n = have < sizeof(plain) ? have : sizeof(plain);
	for (size_t i = 0; i < n; i++)
		plain[i] = process->tail[(process->tail_len - n + i) %
		    PROCESS_TAIL];
	return escape_string(out, size, plain, n);
}

struct process *
process_find(struct master *master, uint64_t id)
{
	for (size_t i = 0; i < MEMO_WORKERS; i++)
		if (master->process[i] != NULL && master->process[i]->id == id)
			return master->process[i];
	return NULL;
}
