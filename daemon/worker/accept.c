/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * accept.c: where connections come from: passed by the master, or accepted by
 * the worker itself where the schedule says so or there is no master.
 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/failpoint.h"
#include "common/base/fd.h"
#include "daemon/worker/worker.h"

enum {
	A_TURN = 16,			/* connections taken in one turn */
	RETRY_MIN_MS = 100, RETRY_MAX_MS = 1000,
};

/* ---- room -------------------------------------------------------------------------- */

/* May one more be taken?  Once full, only below 90 %, or where one makes way. */
static bool
has_room(struct worker *worker)
{
	const struct http *http = &worker->host.http;
	int64_t max = http->config.max_connections;

	if ((int64_t)http->connections >= max)
		worker->full = true;
	else if ((int64_t)http->connections * 10 <= max * 9)
		worker->full = false;
	return !worker->full || http_may_make_room(http);
}

/* The number that a passed descriptor will take is held by the spare: a receive
 * without a free number would lose the connection. */
static bool
hold_spare(struct worker *worker)
{
	if (worker->spare < 0)
		worker->spare = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 0);
	if (worker->spare < 0)
		worker->spare = open("/dev/null", O_RDONLY | O_CLOEXEC);
	return worker->spare >= 0;
}

/* ---- passed by the master ----------------------------------------------------------- */

/* False: none is left, or none can be taken now. */
static bool
take_one(struct worker *worker)
{
	struct connection_passed passed;
	int fds[FD_PASS_MAX];
	size_t count = 0;
	ssize_t len;

	if (!has_room(worker) || !http_make_room(&worker->host.http) ||
	    !hold_spare(worker)) {
		event_del(&worker->connections_event);
		worker->taking = false;
		return false;
	}
	fd_close(&worker->spare);
	len = fd_recv(WORKER_FD_CONNECTIONS, &passed, sizeof(passed), fds,
	    &count);
	hold_spare(worker);
	if (len == -EAGAIN)
		return false;
	if (len == 0 || (len < 0 && len != -EMSGSIZE)) {
		event_del(&worker->connections_event);
		worker->taking = false;
		return false;
	}
	if (len != sizeof(passed) || count != 1 ||
	    passed.version != CONNECTION_VERSION) {
		fd_close_all(fds, count);
		board_add(&worker->board, METRIC_PASSED_INVALID, 1);
		return true;
	}
	board_add(&worker->board, METRIC_TAKEN, 1);
	http_take(&worker->host.http, fds[0], &passed);
	return true;
}

static void
on_connections(evutil_socket_t fd, short what, void *arg)
{
	struct worker *worker = arg;

	(void)fd;
	(void)what;
	for (int i = 0; i < A_TURN; i++)
		if (!take_one(worker))
			break;
}

bool
accept_is_queue_empty(const struct worker *worker)
{
	int bytes = 0;

	return !worker->taking ||
	    ioctl(WORKER_FD_CONNECTIONS, FIONREAD, &bytes) != 0 || bytes == 0;
}

/* ---- accepted by ourselves ------------------------------------------------------------ */

static void
describe(struct connection_passed *passed, uint32_t listener,
    const struct sockaddr_storage *from)
{
	memset(passed, 0, sizeof(*passed));
	passed->version = CONNECTION_VERSION;
	passed->listener = (uint16_t)listener;
	passed->accepted_ns = 0;
	passed->family = from->ss_family;
	if (from->ss_family == AF_INET) {
		const struct sockaddr_in *in = (const void *)from;

		passed->port = ntohs(in->sin_port);
		memcpy(passed->address, &in->sin_addr, sizeof(in->sin_addr));
	} else if (from->ss_family == AF_INET6) {
		const struct sockaddr_in6 *in6 = (const void *)from;

		passed->port = ntohs(in6->sin6_port);
		passed->scope_or_uid = in6->sin6_scope_id;
		memcpy(passed->address, &in6->sin6_addr,
		    sizeof(in6->sin6_addr));
	}
}

static void
disarm(struct listener *listener)
{
	if (!listener->armed)
		return;
	event_del(&listener->event);
	listener->armed = false;
}

static void
disarm_all(struct worker *worker)
{
	for (unsigned i = 0; i < WORKER_LISTENERS_MAX; i++)
		disarm(&worker->listeners[i]);
}

/* No descriptor or memory: the queue waits, and so do we. */
static void
back_off(struct worker *worker)
{
	struct timeval time = { 0 };

	worker->retry_ms = worker->retry_ms == 0 ? RETRY_MIN_MS :
	    worker->retry_ms * 2;
	if (worker->retry_ms > RETRY_MAX_MS)
		worker->retry_ms = RETRY_MAX_MS;
	time.tv_usec = (suseconds_t)clock_scaled_ms(worker->retry_ms) * 1000;
	if (time.tv_usec >= 1000000) {
		time.tv_sec = 1;
		time.tv_usec = 0;
	}
	board_add(&worker->board, METRIC_ACCEPT_ERRORS, 1);
	disarm_all(worker);
	event_add(&worker->retry_event, &time);
}

/* False: no more in this turn. */
static bool
accept_one(struct worker *worker, struct listener *listener)
{
	struct sockaddr_storage from = { 0 };
	socklen_t len = sizeof(from);
	struct connection_passed passed;
	int fd;

	if (!has_room(worker) || !http_make_room(&worker->host.http)) {
		disarm_all(worker);
		return false;
	}
	fd = accept4(listener->fd, (struct sockaddr *)&from, &len,
	    SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (fd >= 0) {
		worker->retry_ms = 0;
		board_add(&worker->board, METRIC_ACCEPTED, 1);
		describe(&passed, listener->id, &from);
		http_take(&worker->host.http, fd, &passed);
		return true;
	}
	switch (errno) {
	case EAGAIN:
		return false;
	case EMFILE:
	case ENFILE:
	case ENOBUFS:
	case ENOMEM:
		back_off(worker);
		return false;
	case EINVAL:			/* shut down: till it is healed */
		disarm(listener);
		return false;
	default:			/* that one's trouble: the next */
		return true;
	}
}

static void
on_listener(evutil_socket_t fd, short what, void *arg)
{
	struct listener *listener = arg;
	struct worker *worker = listener->worker;
	/* where several workers poll one queue, one each spreads best */
	int turn = worker->pool->schedule == SCHEDULE_SHARED ? 1 : A_TURN;

	(void)fd;
	(void)what;
	for (int i = 0; i < turn; i++)
		if (!accept_one(worker, listener))
			break;
}

static void
on_retry(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	accept_update(arg);
}

/* ---- which listeners are polled --------------------------------------------------------- */

static bool
is_due(const struct worker *worker, const struct listener *listener)
{
	if (listener->fd < 0 || worker->phase != PHASE_SERVE ||
	    event_pending(&worker->retry_event, EV_TIMEOUT, NULL))
		return false;
	return worker->alone || listener->wanted;
}

void
accept_update(struct worker *worker)
{
	bool room = has_room(worker);
	bool take = room && !worker->keeper_lost && hold_spare(worker) &&
	    (worker->phase == PHASE_SERVE || worker->phase == PHASE_DRAIN);

	for (unsigned i = 0; i < WORKER_LISTENERS_MAX; i++) {
		struct listener *listener = &worker->listeners[i];

		if (!room || !is_due(worker, listener)) {
			disarm(listener);
		} else if (!listener->armed) {
			event_add(&listener->event, NULL);
			listener->armed = true;
		}
	}
	if (take == worker->taking)
		return;
	worker->taking = take;
	if (take)
		event_add(&worker->connections_event, NULL);
	else
		event_del(&worker->connections_event);
}

unsigned
accept_count_armed(const struct worker *worker)
{
	unsigned armed = 0;

	for (unsigned i = 0; i < WORKER_LISTENERS_MAX; i++)
		armed += worker->listeners[i].armed;
	return armed;
}

static struct listener *
find_listener(struct worker *worker, uint32_t id)
{
	for (unsigned i = 0; i < WORKER_LISTENERS_MAX; i++)
		if (worker->listeners[i].fd >= 0 &&
		    worker->listeners[i].id == id)
			return &worker->listeners[i];
	return NULL;
}

int
accept_add(struct worker *worker, uint32_t id, int fd, bool wanted)
{
	struct stat status;

	accept_drop(worker, id);
	for (unsigned i = 0; i < WORKER_LISTENERS_MAX; i++) {
		struct listener *listener = &worker->listeners[i];

		if (listener->fd >= 0)
			continue;
		if (fstat(fd, &status) != 0 || !S_ISSOCK(status.st_mode))
			return -1;
		listener->id = id;
		listener->fd = fd;
		listener->wanted = wanted;
		listener->dev = status.st_dev;
		listener->ino = status.st_ino;
		event_assign(&listener->event, worker->base, fd,
		    EV_READ | EV_PERSIST, on_listener, listener);
		return 0;
	}
	return -1;
}

void
accept_drop(struct worker *worker, uint32_t id)
{
	struct listener *listener = find_listener(worker, id);

	if (listener == NULL)
		return;
	disarm(listener);
	fd_close(&listener->fd);
}

void
accept_want(struct worker *worker, uint32_t id, bool wanted)
{
	struct listener *listener = find_listener(worker, id);

	if (listener != NULL)
		listener->wanted = wanted;
}

void
accept_init(struct worker *worker)
{
	for (unsigned i = 0; i < WORKER_LISTENERS_MAX; i++) {
		worker->listeners[i].fd = -1;
		worker->listeners[i].worker = worker;
	}
	worker->spare = -1;
	event_assign(&worker->connections_event, worker->base,
	    WORKER_FD_CONNECTIONS, EV_READ | EV_PERSIST, on_connections,
	    worker);
	evtimer_assign(&worker->retry_event, worker->base, on_retry, worker);
	hold_spare(worker);
}
