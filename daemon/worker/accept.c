/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * accept.c: where connections come from: passed by the master, or accepted by
 * the worker itself where the schedule says so or there is no master.  Some
 * descriptors are kept for bad times, and connections are served with them too.
 * The last one is for telling those who have waited that there are no more.
 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/failpoint.h"
#include "common/base/fd.h"
#include "daemon/worker/clients.h"
#include "daemon/worker/worker.h"

enum {
	A_TURN = 16,			/* connections accepted in one turn */
	RETRY_MIN_MS = 100, RETRY_MAX_MS = 1000, SAY_AGAIN_MS = 10000,
	PATIENCE_MS = 1000,		/* with one descriptor left */
};

/* ---- room -------------------------------------------------------------------------- */

/* May one more be taken?  Once full, only below 90 %, or where one makes way. */
static bool
has_room(struct worker *worker)
{
	int64_t max = clients_max(worker), count = clients_count(worker);

	if (count >= max)
		worker->full = true;
	else if (count * 10 <= max * 9)
		worker->full = false;
	return !worker->full || clients_may_make_room(worker);
}

/* As many as there may be; is there one at least? */
static bool
hold_spares(struct worker *worker)
{
	while (worker->spare_count < WORKER_SPARES) {
		int fd = fcntl(worker->null_fd, F_DUPFD_CLOEXEC, 0);

		if (fd < 0 && errno == EBADF)	/* a plugin closed it */
			fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
		if (fd < 0)
			break;
		worker->spares[worker->spare_count++] = fd;
	}
	return worker->spare_count > 0;
}

/* The number of a connection that ends is kept here: others are asked for only when
 * there are fewer than there should be. */
static bool
has_spares(struct worker *worker)
{
	return worker->spare_count >= WORKER_SPARES_LEAST || hold_spares(worker);
}

/* One call closes it and keeps its number. */
void
accept_close(struct worker *worker, int fd)
{
	if (worker->spare_count == WORKER_SPARES ||
	    dup3(worker->null_fd, fd, O_CLOEXEC) < 0)
		close(fd);
	else
		worker->spares[worker->spare_count++] = fd;
}

void
accept_let_go(struct worker *worker)
{
	if (has_spares(worker))
		fd_close(&worker->spares[--worker->spare_count]);
}

void
accept_hold(struct worker *worker)
{
	(void)hold_spares(worker);
}

/* Is there a number for one more?  The last one is used when none has become
 * free for a while. */
static bool
has_number(struct worker *worker)
{
	uint64_t now = clock_now_ns();

	if (!has_spares(worker))
		return false;
	if (worker->spare_count > 1)
		worker->scarce_since_ns = 0;
	else if (worker->scarce_since_ns == 0)
		worker->scarce_since_ns = now;
	if (worker->scarce_since_ns == 0)
		return true;
	return clients_can_be_told(worker) && now - worker->scarce_since_ns >=
	    clock_scaled_ms(PATIENCE_MS) * NS_PER_MS;
}

/* One would have to make way for the next one, and there is none. */
static bool
is_premature(const struct worker *worker, int fd)
{
	struct pollfd one = { .fd = fd, .events = POLLIN };

	return clients_are_full(worker) && clients_may_make_room(worker) &&
	    poll(&one, 1, 0) == 0;
}

/* May one be taken now? */
static bool
may_take(struct worker *worker)
{
	return has_room(worker) && clients_make_room(worker) &&
	    has_number(worker);
}

/* Then a number is free for it. */
static bool
prepare(struct worker *worker)
{
	if (!may_take(worker))
		return false;
	fd_close(&worker->spares[--worker->spare_count]);
	return true;
}

static void
take(struct worker *worker, int fd, const struct connection_passed *passed)
{
	bool scarce = !has_spares(worker);

	if (scarce)
		board_add(&worker->board, METRIC_ACCEPT_ERRORS, 1);
	clients_take(worker, fd, passed, scarce);
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

	if (is_premature(worker, WORKER_FD_CONNECTIONS))
		return false;
	/* A receive without a free number would lose the connection. */
	if (!prepare(worker)) {
		event_del(&worker->connections_event);
		worker->taking = false;
		return false;
	}
	len = fd_recv(WORKER_FD_CONNECTIONS, &passed, sizeof(passed), fds,
	    &count);
	if (len < 0)
		hold_spares(worker);
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
	take(worker, fds[0], &passed);
	return true;
}

static void
on_connections(evutil_socket_t fd, short what, void *arg)
{
	struct worker *worker = arg;

	(void)fd;
	(void)what;
	/* one a wake-up: to find the queue empty costs more than to be woken */
	(void)take_one(worker);
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
back_off(struct worker *worker, int error)
{
	struct timeval time = { 0 };
	uint64_t now = clock_now_ns();

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
	if (worker->retry_said_ns != 0 && now - worker->retry_said_ns <
	    clock_scaled_ms(SAY_AGAIN_MS) * NS_PER_MS)
		return;
	worker->retry_said_ns = now;
	lines_say(LL_WARNING, "cannot accept: %s", strerror(error));
}

/* False: no more in this turn. */
static bool
accept_one(struct worker *worker, struct listener *listener)
{
	struct sockaddr_storage from = { 0 };
	socklen_t len = sizeof(from);
	struct connection_passed passed;
	int fd, error;

	if (is_premature(worker, listener->fd))
		return false;
	if (!may_take(worker)) {
		disarm_all(worker);
		return false;
	}
	fd = accept4(listener->fd, (struct sockaddr *)&from, &len,
	    SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (fd < 0 && errno == EMFILE && worker->spare_count > 0) {
		/* no connection is lost by asking first */
		fd_close(&worker->spares[--worker->spare_count]);
		len = sizeof(from);
		fd = accept4(listener->fd, (struct sockaddr *)&from, &len,
		    SOCK_NONBLOCK | SOCK_CLOEXEC);
	}
	if (fd >= 0) {
		worker->retry_ms = 0;
		board_add(&worker->board, METRIC_ACCEPTED, 1);
		describe(&passed, listener->id, &from);
		take(worker, fd, &passed);
		return true;
	}
	error = errno;
	hold_spares(worker);
	switch (error) {
	case EAGAIN:
		return false;
	case EMFILE:
	case ENFILE:
	case ENOBUFS:
	case ENOMEM:
		back_off(worker, error);
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
	if (clients_are_datagrams(worker)) {
		if (!clients_read_socket(worker, listener->id))
			disarm(listener);	/* till it is healed */
		return;
	}
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
	/* a datagram needs none */
	bool number = clients_are_datagrams(worker) || has_number(worker);
	bool take = room && !worker->keeper_lost && number &&
	    (worker->phase == PHASE_SERVE || worker->phase == PHASE_DRAIN);

	for (unsigned i = 0; i < WORKER_LISTENERS_MAX; i++) {
		struct listener *listener = &worker->listeners[i];

		if (!room || !number || !is_due(worker, listener)) {
			disarm(listener);
		} else if (!listener->armed) {
			/* without memory for it: on the next beat */
			listener->armed = event_add(&listener->event, NULL) ==
			    0;
		}
	}
	if (take == worker->taking)
		return;
	if (take)
		worker->taking = event_add(&worker->connections_event,
		    NULL) == 0;
	else
		event_del(&worker->connections_event);
	worker->taking &= take;
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
accept_add(struct worker *worker, uint32_t id, int fd)
{
	struct listener *held = find_listener(worker, id);
	struct stat status;

	if (held != NULL && file_is_at(fd, &held->socket)) {
		close(fd);
		return 0;
	}
	accept_drop(worker, id);
	for (unsigned i = 0; i < WORKER_LISTENERS_MAX; i++) {
		struct listener *listener = &worker->listeners[i];

		if (listener->fd >= 0)
			continue;
		if (fstat(fd, &status) != 0 || !S_ISSOCK(status.st_mode) ||
		    clients_add_socket(worker, id, fd) != 0)
			return -1;
		listener->id = id;
		listener->fd = fd;
		listener->wanted = false;
		listener->socket = file_id_of(&status);
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
	clients_drop_socket(worker, id);
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
accept_forget_wants(struct worker *worker)
{
	for (unsigned i = 0; i < WORKER_LISTENERS_MAX; i++)
		worker->listeners[i].wanted = false;
}

void
accept_init(struct worker *worker)
{
	for (unsigned i = 0; i < WORKER_LISTENERS_MAX; i++) {
		worker->listeners[i].fd = -1;
		worker->listeners[i].worker = worker;
	}
	event_assign(&worker->connections_event, worker->base,
	    WORKER_FD_CONNECTIONS, EV_READ | EV_PERSIST, on_connections,
	    worker);
	evtimer_assign(&worker->retry_event, worker->base, on_retry, worker);
	/* not 0 itself: where a plugin closes that, it is a client the next moment */
	worker->null_fd = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC,
	    WORKER_FD_LISTENERS);
	hold_spares(worker);
}
