/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* talk.c: the control channel: what the worker says, and does when told. */
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/stamp.h"
#include "common/table/keys.h"
#include "daemon/proto/connection.h"
#include "daemon/worker/worker.h"

/* ---- saying ---------------------------------------------------------------------- */

static void
on_channel_writable(evutil_socket_t fd, short what, void *arg)
{
	struct worker *worker = arg;
	struct errmsg err;

	(void)fd;
	(void)what;
	/* Later: on the next beat. */
	if (channel_flush(&worker->channel, &err) != CHANNEL_WAIT)
		event_del(&worker->channel_write_event);
	if (worker->channel.first == NULL)
		board_set_ready(&worker->board);	/* READY is among them */
	outbox_tell_room(&worker->host.outbox);
}

/* Before talk_init() there is no event yet; that looks for itself. */
void
talk_watch(struct worker *worker)
{
	if (worker->talking)
		event_add(&worker->channel_write_event, NULL);
}

/* False: there is no room, and no memory, for it. */
static bool
say(struct worker *worker, struct channel_packet *packet)
{
	struct errmsg err;
	size_t len = channel_end(packet, 0);
	int rc = channel_send(&worker->channel, packet, len, NULL, 0, &err);

	if (worker->channel.queued > 0)
		talk_watch(worker);
	/* The other end gone is no news here: the lifeline tells. */
	return rc != ERR_FULL && rc != ERR_MEMORY;
}

void
talk_finish(struct worker *worker, unsigned ms)
{
	struct pollfd channel = { WORKER_FD_CHANNEL, POLLOUT, 0 };
	const struct outbox *outbox = &worker->host.outbox;
	uint64_t end_ns = clock_now_ns() + ms * NS_PER_MS, now_ns;

	for (;;) {			/* once, however late it is */
		int rc = channel_flush(&worker->channel, NULL);

		outbox_flush(&worker->host.outbox);
		if (rc == ERR_SYSTEM || (outbox->filled == 0 &&
		    worker->channel.first == NULL) ||
		    (now_ns = clock_now_ns()) >= end_ns)
			return;
		/* room in the channel is all that is lacking, or time is */
		poll(&channel, rc == CHANNEL_WAIT && outbox->filled == 0,
		    outbox->filled > 0 || rc != CHANNEL_WAIT ? 1 :
		    (int)((end_ns - now_ns) / NS_PER_MS) + 1);
	}
}

void
talk_flush(struct worker *worker)
{
	if (worker->channel.first != NULL)
		event_add(&worker->channel_write_event, NULL);
	if (worker->channel.paused)
		event_add(&worker->channel_event, NULL);
	worker->channel.paused = false;
}

void
talk_say_online(struct worker *worker)
{
	struct channel_packet packet;

	channel_begin(&packet, CHANNEL_ONLINE, 0);
	packet.body.online.channel = CHANNEL_PROTOCOL;
	packet.body.online.page = PAGE_VERSION;
	packet.body.online.connection = CONNECTION_VERSION;
	record_put_text(packet.body.online.stamp,
	    sizeof(packet.body.online.stamp), build_stamp);
	say(worker, &packet);
}

void
talk_say_listening(struct worker *worker, uint32_t listeners)
{
	struct channel_packet packet;

	channel_begin(&packet, CHANNEL_LISTENING, 0);
	packet.body.listening.listeners = listeners;
	say(worker, &packet);
}

void
talk_say_ready(struct worker *worker)
{
	struct channel_packet packet;

	channel_begin(&packet, CHANNEL_READY, 0);
	say(worker, &packet);
}

void
talk_say_fatal(struct worker *worker, enum fatal_class class,
    const char *plugin, const char *text)
{
	struct channel_packet packet;

	channel_begin(&packet, CHANNEL_FATAL, 0);
	packet.body.fatal.class_id = (uint8_t)class;
	record_put_text(packet.body.fatal.plugin,
	    sizeof(packet.body.fatal.plugin), plugin);
	record_put_text(packet.body.fatal.text,
	    sizeof(packet.body.fatal.text), text);
	say(worker, &packet);
}

void
talk_say_leaving(struct worker *worker, enum leaving_why why, uint32_t ms)
{
	struct channel_packet packet;

	channel_begin(&packet, CHANNEL_LEAVING, 0);
	packet.body.leaving.why = (uint32_t)why;
	packet.body.leaving.ms = ms;
	say(worker, &packet);
}

void
talk_say_drained(struct worker *worker)
{
	struct channel_packet packet;

	channel_begin(&packet, CHANNEL_DRAINED, 0);
	packet.body.drained.aborted = worker->aborted;
	say(worker, &packet);
}

void
talk_say_recycle(struct worker *worker, const char *reason)
{
	struct channel_packet packet;

	channel_begin(&packet, CHANNEL_RECYCLE, 0);
	record_put_text(packet.body.recycle.reason,
	    sizeof(packet.body.recycle.reason), reason);
	say(worker, &packet);
}

void
talk_say_probe(struct worker *worker, unsigned route, enum probe_word word)
{
	struct channel_packet packet;

	channel_begin(&packet, CHANNEL_PROBE, 0);
	packet.body.probe.route = route;
	packet.body.probe.word = (uint32_t)word;
	say(worker, &packet);
}

bool
talk_say_sync(struct worker *worker, uint64_t last)
{
	struct channel_packet packet;

	channel_begin(&packet, CHANNEL_SYNC, 0);
	packet.body.sync.last = last;
	return say(worker, &packet);
}

bool
talk_say_taken(struct worker *worker, const struct mail_debt *taken)
{
	struct channel_packet packet;

	channel_begin(&packet, CHANNEL_TAKEN, 0);
	packet.body.taken.master = taken->master;
	packet.body.taken.letters = taken->letters;
	packet.body.taken.error = taken->error;
	return say(worker, &packet);
}

/* ---- being told -------------------------------------------------------------------- */

static void
take_listener(struct worker *worker, const struct channel_msg_listener *told,
    int *fd)
{
	if (*fd >= 0 && accept_add(worker, told->listener, *fd) == 0)
		*fd = -1;		/* its row has it now */
	switch ((enum listener_op)told->op) {
	case LISTENER_ADD:
		break;
	case LISTENER_DROP:
		accept_drop(worker, told->listener);
		break;
	case LISTENER_ARM:
		accept_want(worker, told->listener, true);
		break;
	case LISTENER_DISARM:
		if (told->listener == LISTENER_ALL)
			accept_forget_wants(worker);
		else
			accept_want(worker, told->listener, false);
		break;
	}
	accept_update(worker);
}

/* A `live' key that is the worker's. */
static void
take_key(struct worker *worker, uint32_t number, int64_t value)
{
	const struct key *key = key_by_number(number);

	if (key == NULL || !key_value_is_legal(key, value))
		return;
	switch ((enum key_id)(key - keys)) {
	case KEY_POOL_HANDLER_TIMEOUT:
		worker->host.handler_ms = value;
		break;
	case KEY_POOL_ACCESS_LOG_SAMPLE:
		worker->access.sample = value;
		break;
	case KEY_POOL_MIN_RATE:
		worker->host.http.config.min_rate = value;
		break;
	case KEY_DAEMON_RECORD_QUERY:
		worker->host.http.config.record_query = value != 0;
		break;
	case KEY_DAEMON_LOG_LEVEL:
		log_set_level((enum log_level)value);
		break;
	default:		/* of the master, or of another release */
		break;
	}
}

static void
take_gate(struct worker *worker, const struct channel_msg_gate *told)
{
	struct gates *gates = &worker->host.gates;

	switch ((enum gate_op)told->op) {
	case GATE_OP_SHUT:
		gates_shut(gates, told->route, told->until_ns);
		break;
	case GATE_OP_LEAVE:
		gates_leave(gates, told->route, told->until_ns);
		break;
	case GATE_OP_OPEN:
		gates_open(gates, told->route);
		break;
	}
}

/* Heard late, there may be another one already. */
static void
take_master_lost(struct worker *worker, uint32_t number)
{
	worker->alone = true;
	worker->fresh_since_ns = 0;
	worker->lost_number = number;
	control_master_lost(&worker->host, number);
	/* which of the sockets is ours the next one thinks out anew */
	if (worker->pool->schedule == SCHEDULE_REUSEPORT)
		accept_forget_wants(worker);
	accept_update(worker);
}

static void
take_file(struct worker *worker, const struct channel_msg_reopen *reopen, int fd)
{
	switch ((enum reopen_which)reopen->which) {
	case REOPEN_ACCESS:
		access_reopen(worker, fd, reopen->is_pipe);
		break;
	case REOPEN_STDOUT:
		stdio_reopen(worker, STDOUT_FILENO, fd);
		break;
	case REOPEN_STDERR:
		stdio_reopen(worker, STDERR_FILENO, fd);
		break;
	}
}

static void
take_message(struct worker *worker, struct channel_packet *packet, int *fds,
    size_t count)
{
	switch ((enum channel_type)packet->header.type) {
	case CHANNEL_STOP:
		drain_stop(worker);
	case CHANNEL_DRAIN:
		drain_begin(worker, packet->body.drain.deadline_ns);
		break;
	case CHANNEL_LISTENER:
		take_listener(worker, &packet->body.listener, &fds[0]);
		break;
	case CHANNEL_SET:
		take_key(worker, packet->body.set.key, packet->body.set.value);
		break;
	case CHANNEL_REOPEN:
		take_file(worker, &packet->body.reopen, fds[0]);
		fds[0] = -1;
		break;
	case CHANNEL_MASTER_LOST:
		take_master_lost(worker, packet->body.master_lost.number);
		break;
	case CHANNEL_GATE:
		take_gate(worker, &packet->body.gate);
		break;
	case CHANNEL_RESULT:
		control_take(&worker->host, packet, fds, count);
		break;
	case CHANNEL_EVENT:
		observe_take(&worker->host, packet, fds, count);
		break;
	default:
		if (!mail_take(worker, packet, fds, count))
			board_add(&worker->board, METRIC_MESSAGES_UNKNOWN, 1);
		break;
	}
}

/* As channel_receive(), with room for a descriptor. */
static int
receive(struct worker *worker, struct channel_packet *packet, int *fds,
    size_t *count, struct errmsg *err)
{
	size_t len;
	int rc;

	fds[0] = -1;
	accept_let_go(worker);
	rc = channel_receive(&worker->channel, packet, &len, fds, count, err);
	accept_hold(worker);
	return rc;
}

static void
on_channel_readable(evutil_socket_t fd, short what, void *arg)
{
	static _Alignas(8) struct channel_packet packet;
	struct worker *worker = arg;
	unsigned unknown = worker->channel.unknown;
	int fds[FD_PASS_MAX], rc;
	size_t count;
	struct errmsg err;

	(void)fd;
	(void)what;
	for (int i = 0; i < 16; i++) {
		rc = receive(worker, &packet, fds, &count, &err);
		if (rc == CHANNEL_EMPTY)
			break;
		if (rc == CHANNEL_GOT) {
			take_message(worker, &packet, fds, count);
			fd_close_all(fds, count);
			continue;
		}
		if (rc < 0)
			lines_say(LL_WARNING, "control channel: %s", err.text);
		if (rc == ERR_FORMAT)	/* one is lost, others follow */
			continue;
		/* both writers gone: the keeper is one of them */
		event_del(&worker->channel_event);
		break;
	}
	board_add(&worker->board, METRIC_MESSAGES_UNKNOWN,
	    worker->channel.unknown - unknown);
}

void
talk_init(struct worker *worker)
{
	event_assign(&worker->channel_event, worker->base, WORKER_FD_CHANNEL,
	    EV_READ | EV_PERSIST, on_channel_readable, worker);
	event_assign(&worker->channel_write_event, worker->base,
	    WORKER_FD_CHANNEL, EV_WRITE | EV_PERSIST, on_channel_writable,
	    worker);
	event_add(&worker->channel_event, NULL);
	worker->talking = true;
	if (worker->channel.queued > 0)
		talk_watch(worker);
	/* What was said meanwhile holds for the first request already. */
	on_channel_readable(WORKER_FD_CHANNEL, EV_READ, worker);
}
