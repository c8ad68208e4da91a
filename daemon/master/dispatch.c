/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * dispatch.c: accept and pass; see dispatch.h.
 * Order: room first, then accept, send at once, close our copy.  What a dead
 * or stalled worker had not taken comes before what is new.
 */
#include "daemon/master/dispatch.h"

#include <errno.h>
#include <event2/event.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/base/check.h"
#include "common/base/clock.h"
#include "common/base/failpoint.h"
#include "common/base/fd.h"
#include "common/base/log.h"
#include "daemon/master/life.h"
#include "daemon/master/listeners.h"
#include "daemon/master/master.h"
#include "daemon/master/process.h"
#include "daemon/master/turn.h"
#include "daemon/proto/connection.h"
#include "daemon/supervisor/choose.h"
#include "daemon/supervisor/state.h"

enum { ACCEPTS_A_TURN = 16, CALLBACK_MS = 1, RETRY_FIRST_MS = 100,
	RETRY_LAST_MS = 1000 };

/* -- the window ----------------------------------------------------------------- */

static uint64_t
queue_bytes(int fd)
{
	int bytes = 0;

	if (FP("dispatch.outq") != 0 || ioctl(fd, SIOCOUTQ, &bytes) != 0 ||
	    bytes < 0)
		return UINT64_MAX;
	return (uint64_t)bytes;
}

void
dispatch_measure(struct master *m)
{
	struct connection_passed message = { .version = CONNECTION_VERSION };
	uint64_t bytes = UINT64_MAX;
	int pair[2];

	if (fd_seqpacket_pair(pair) == 0) {
		if (fd_send(pair[0], &message, sizeof(message), &pair[1], 1) ==
		    0)
			bytes = queue_bytes(pair[0]);
		close(pair[0]);
		close(pair[1]);
	}
	if (bytes >= sizeof(message) && bytes <= 65536) {
		m->window_unit = (size_t)bytes;
		return;
	}
	m->window_unit = 0;
	log_warn("dispatch: the kernel does not tell how long a queue is; "
	    "dispatch_window is 1");
}

uint64_t
dispatch_waiting(struct master *m, const struct process *process)
{
	struct pollfd end = { .fd = process->fd[PFD_CONNECTIONS_END],
		.events = POLLIN };
	uint64_t bytes;

	if (m->window_unit == 0)
		return end.fd >= 0 && poll(&end, 1, 0) > 0 ? 1 : 0;
	if (process->fd[PFD_CONNECTIONS] < 0)
		return 0;
	bytes = queue_bytes(process->fd[PFD_CONNECTIONS]);
	/* Without an answer now: as if it were full. */
	return bytes == UINT64_MAX ? 64 :
	    (bytes + m->window_unit - 1) / m->window_unit;
}

static unsigned
window_of(struct master *m, uint16_t pool)
{
	const struct conf_pool *conf = master_pool_now(m, pool);

	if (m->window_unit == 0)
		return 1;
	return conf != NULL ? (unsigned)conf->dispatch_window : 2;
}

/* The kernel calls the socket writable while fewer than W messages wait. */
static void
set_window(struct master *m, struct process *process, unsigned window)
{
	int half = (int)((2 * window - 1) * m->window_unit);

	if (process->window == window || m->window_unit == 0)
		return;
	process->window = window;
	/* The kernel doubles what it is given: (4W - 2) units. */
	setsockopt(process->fd[PFD_CONNECTIONS], SOL_SOCKET, SO_SNDBUF, &half,
	    sizeof(half));
}

static void
on_room(evutil_socket_t fd, short what, void *arg)
{
	struct process *process = arg;

	(void)fd;
	(void)what;
	event_del(process->room);
	if (process->pool != MEMO_NONE)
		dispatch_kick(process->master, process->pool);
}

void
dispatch_watch(struct process *process)
{
	int fd = process->fd[PFD_CONNECTIONS];

	if (fd < 0 || process->room != NULL)
		return;
	/* Edge-triggered: the least send buffer may hold more than one
	 * window, and such a socket is always writable. */
	process->room = event_new(process->master->base, fd,
	    EV_WRITE | EV_PERSIST | EV_ET, on_room, process);
	CHECK(process->room != NULL);
}

/* -- who gets it ------------------------------------------------------------------ */

struct candidates {
	struct choice choice[MEMO_SLOTS];
	struct process *process[MEMO_SLOTS];
	size_t count;
};

static struct candidates candidates;	/* one loop thread */

static void
consider(struct master *m, struct process *process, const struct conf_pool *conf,
    unsigned window)
{
	struct choice *c = &candidates.choice[candidates.count];
	const struct page *page = process->page;
	uint64_t now = clock_now_ns(), beat, callback, waiting;
	uint32_t open, closable;

	if (candidates.count == MEMO_SLOTS)
		return;
	memset(c, 0, sizeof(*c));
	/* A slot that is being replaced may have two in service. */
	c->slot = 2u * process->slot +
	    turn_look(m)->worker[process->row].is_other;
	waiting = dispatch_waiting(m, process);
	c->room = waiting < window;
	if (page != NULL) {
		beat = page_read_beat(page);
		callback = __atomic_load_n(&page->beat.callback_since_ns,
		    __ATOMIC_RELAXED);
		open = __atomic_load_n(&page->gauges.connections,
		    __ATOMIC_RELAXED);
		closable = __atomic_load_n(&page->gauges.closable,
		    __ATOMIC_RELAXED);
		if (now > beat && now - beat >=
		    clock_scaled_ms(STALE_MS) * NS_PER_MS)
			c->room = 0;
		c->busy = callback != 0 && now > callback &&
		    now - callback > CALLBACK_MS * NS_PER_MS;
		if (open > 1000000)
			open = 1000000;
		c->load = open;
		c->full = conf != NULL && closable <= open &&
		    (int64_t)(open - closable) >= conf->max_connections;
	}
	c->load += (uint32_t)waiting;
	candidates.process[candidates.count++] = process;
}

static int
by_slot(size_t a, size_t b)
{
	return candidates.choice[a].slot < candidates.choice[b].slot;
}

/* Slots in order; rows are in the order they were made. */
static void
sort_last(void)
{
	size_t i = candidates.count;

	for (i = i > 0 ? i - 1 : 0; i > 0 && by_slot(i, i - 1); i--) {
		struct choice c = candidates.choice[i];
		struct process *p = candidates.process[i];

		candidates.choice[i] = candidates.choice[i - 1];
		candidates.process[i] = candidates.process[i - 1];
		candidates.choice[i - 1] = c;
		candidates.process[i - 1] = p;
	}
}

static void
collect(struct master *m, uint16_t pool, const struct process *except)
{
	const struct memo_copy *copy = turn_look(m);
	const struct conf_pool *conf = master_pool_now(m, pool);
	unsigned window = window_of(m, pool);

	candidates.count = 0;
	for (uint16_t i = 0; i < copy->workers; i++) {
		struct process *process = m->process[i];

		if (process == NULL || !process->on || process == except ||
		    process->pool != pool || process->stalled ||
		    process->deaf || copy->worker[i].paused)
			continue;
		set_window(m, process, window);
		consider(m, process, conf, window);
		sort_last();
	}
}

static int
choose(struct master *m, uint16_t pool)
{
	const struct conf_pool *conf = master_pool_now(m, pool);
	uint32_t last = m->pool[pool].last_slot;

	if (conf != NULL && conf->schedule == SCHEDULE_LEAST_CONNECTIONS)
		return choose_least(candidates.choice, candidates.count, last);
	return choose_round_robin(candidates.choice, candidates.count, last);
}

static int
send_connection(const struct process *process,
    const struct connection_passed *message, int fd)
{
	int rc = FP("dispatch.send");

	return rc > 0 ? -rc : fd_send(process->fd[PFD_CONNECTIONS], message,
	    sizeof(*message), &fd, 1);
}

/*
 * Send one connection to the best candidate; they must have been collected.
 * 1: sent; 0: nobody could take it.
 */
static int
pass(struct master *m, uint16_t pool, struct connection_passed *message,
    int fd)
{
	int i, rc;

	while ((i = choose(m, pool)) >= 0) {
		struct process *process = candidates.process[i];

		rc = send_connection(process, message, fd);
		if (rc == 0) {
			m->pool[pool].last_slot = candidates.choice[i].slot;
			process->passed++;
			m->pool[pool].passed++;
			candidates.choice[i].load++;
			candidates.choice[i].room = dispatch_waiting(m,
			    process) < window_of(m, pool);
			return 1;
		}
		candidates.choice[i].room = 0;
		if (rc == -EPIPE || rc == -ECONNRESET) {
			/* Its end is ours too: only it can have shut it. */
			process->on = false;
			life_violation(process,
			    "its connections socket is shut");
		}
	}
	return 0;
}

/* Nobody has room: wait for a message to be taken. */
static void
await_room(struct master *m, uint16_t pool)
{
	const struct memo_copy *copy = turn_look(m);

	listeners_arm(m, pool, false);
	m->pool[pool].waiting = true;
	for (uint16_t i = 0; i < copy->workers; i++) {
		struct process *process = m->process[i];

		if (process != NULL && process->on && process->pool == pool &&
		    process->room != NULL)
			event_add(process->room, NULL);
	}
}

/* -- taking back ------------------------------------------------------------------- */

static bool
has_message(int fd)
{
	struct pollfd end = { .fd = fd, .events = POLLIN };

	return fd >= 0 && poll(&end, 1, 0) > 0 && end.revents & POLLIN;
}

static void
count_taken_back(struct master *m, struct process *from)
{
	from->taken_back++;
	m->pool[from->pool].taken_back++;
}

static void
drop_message(int end)
{
	struct connection_passed message;
	int fds[FD_PASS_MAX];
	size_t count = 0;

	if (fd_recv(end, &message, sizeof(message), fds, &count) > 0)
		fd_close_all(fds, count);
}

/*
 * One from a dead worker.  Nobody else reads there, so it is sent on first and
 * taken out then, and a master that dies in between loses nothing: its number
 * in our page tells the next one what was sent on already.  Returns as
 * take_back_one().
 */
static int
give_away_one(struct master *m, struct process *from)
{
	uint64_t *given_away = &m->page->beat.given_away;
	struct connection_passed message;
	int end = from->fd[PFD_CONNECTIONS_END], fds[FD_PASS_MAX], rc = 1;
	size_t count = 0;
	ssize_t len = fd_peek(end, &message, sizeof(message), fds, &count);

	if (len <= 0)
		return 0;		/* it shut the socket: poll says so for ever */
	if (len == sizeof(message) && count == 1 && message.number !=
	    __atomic_load_n(given_away, __ATOMIC_RELAXED)) {
		uint64_t number = message.number;

		(void)FP("dispatch.take_back");
		message.flags |= CONNECTION_TAKEN_BACK;
		__atomic_store_n(given_away, number, __ATOMIC_RELAXED);
		rc = pass(m, from->pool, &message, fds[0]) ? 1 : -1;
		(void)FP("dispatch.taken_back");
		if (rc < 0)
			__atomic_store_n(given_away, UINT64_MAX,
			    __ATOMIC_RELAXED);
		else
			count_taken_back(m, from);
	}
	fd_close_all(fds, count);
	if (rc > 0)
		drop_message(end);
	return rc;
}

/* One from a worker that may wake up and read as well: a message has exactly
 * one reader, so it is taken out first.  Returns as take_back_one(). */
static int
read_back_one(struct master *m, struct process *from)
{
	struct connection_passed message;
	int fds[FD_PASS_MAX];
	size_t count = 0;
	ssize_t len = fd_recv(from->fd[PFD_CONNECTIONS_END], &message,
	    sizeof(message), fds, &count);

	if (len <= 0)
		return 0;
	(void)FP("dispatch.read_back");
	if (len == sizeof(message) && count == 1) {
		message.flags |= CONNECTION_TAKEN_BACK;
		count_taken_back(m, from);
		if (!pass(m, from->pool, &message, fds[0])) {
			/* In hand, sent before anything else. */
			m->pool[from->pool].hand_fd = fds[0];
			m->pool[from->pool].hand = message;
			return -1;
		}
	}
	fd_close_all(fds, count);
	return 1;
}

/* One connection from the queue of `from' to another worker.  1: moved; 0: its
 * queue is empty; -1: nobody has room. */
static int
take_back_one(struct master *m, struct process *from)
{
	if (!has_message(from->fd[PFD_CONNECTIONS_END]))
		return 0;
	collect(m, from->pool, from);
	if (choose(m, from->pool) < 0)
		return -1;
	return from->exited ? give_away_one(m, from) : read_back_one(m, from);
}

/* True if nothing is left to be taken back in this pool. */
static bool
take_back(struct master *m, uint16_t pool)
{
	const struct memo_copy *copy = turn_look(m);
	int rc = 1;

	for (struct process *p = m->graves; p != NULL; p = p->next) {
		while (p->pool == pool && (rc = take_back_one(m, p)) == 1)
			;
		if (rc < 0)
			return false;
	}
	for (uint16_t i = 0; i < copy->workers; i++) {
		struct process *p = m->process[i];

		while (p != NULL && p->pool == pool &&
		    (p->stalled || p->deaf) &&
		    (rc = take_back_one(m, p)) == 1)
			;
		if (rc < 0)
			return false;
	}
	return true;
}

/* Dead and empty: the keeper may forget it. */
static void
release_empty(struct master *m)
{
	struct process **at = &m->graves, *process;

	while ((process = *at) != NULL) {
		if (!process->exited || has_message(process->fd[PFD_CONNECTIONS_END])) {
			at = &process->next;
			continue;
		}
		*at = process->next;
		life_release(m, process->id);
		process_free(process);
	}
}

static bool
send_hand(struct master *m, uint16_t pool)
{
	struct pool_run *run = &m->pool[pool];

	if (run->hand_fd < 0)
		return true;
	collect(m, pool, NULL);
	if (!pass(m, pool, &run->hand, run->hand_fd))
		return false;
	fd_close(&run->hand_fd);
	return true;
}

/* -- accepting ------------------------------------------------------------------------ */

static void
describe_peer(const struct sockaddr_storage *from, struct connection_passed *to)
{
	const struct sockaddr_in *in = (const void *)from;
	const struct sockaddr_in6 *in6 = (const void *)from;

	to->family = from->ss_family;
	if (from->ss_family == AF_INET) {
		to->port = ntohs(in->sin_port);
		memcpy(to->address, &in->sin_addr, 4);
	} else if (from->ss_family == AF_INET6) {
		to->port = ntohs(in6->sin6_port);
		to->scope_or_uid = in6->sin6_scope_id;
		memcpy(to->address, &in6->sin6_addr, 16);
	}
}

static void
on_retry(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	dispatch_kick_all(arg);
}

/* EMFILE and the like: try again in 100 ms, later in up to a second. */
static void
pause_accepting(struct listener *listener, uint16_t pool, int code)
{
	struct master *m = listener->master;
	struct pool_run *run = &m->pool[pool];
	struct timeval when;
	static uint64_t said_ns;
	uint64_t now = clock_now_ns();

	run->retry_ms = run->retry_ms == 0 ? RETRY_FIRST_MS :
	    run->retry_ms * 2 < RETRY_LAST_MS ? run->retry_ms * 2 :
	    RETRY_LAST_MS;
	when.tv_sec = clock_scaled_ms(run->retry_ms) / 1000;
	when.tv_usec = clock_scaled_ms(run->retry_ms) % 1000 * 1000;
	listeners_arm(m, pool, false);
	run->waiting = true;
	event_base_once(m->base, -1, EV_TIMEOUT, on_retry, m, &when);
	if (said_ns == 0 || now - said_ns > 10 * NS_PER_S)
		log_warn("dispatch: cannot accept on %s: %s",
		    listener->address, strerror(code));
	said_ns = now;
}

/* 1: one more was passed; 0: nothing waits there; -1: stop for now. */
static int
accept_one(struct listener *listener, uint16_t pool)
{
	struct master *m = listener->master;
	struct connection_passed message = { .version = CONNECTION_VERSION,
		.listener = (uint16_t)listener->id };
	struct sockaddr_storage from = { 0 };
	socklen_t len = sizeof(from);
	int fd = accept4(listener->fd, (struct sockaddr *)&from, &len,
	    SOCK_NONBLOCK | SOCK_CLOEXEC);

	if (fd < 0) {
		int code = errno;

		if (code == EAGAIN)
			return 0;
		if (code == EINVAL)
			listeners_heal(listener);
		if (code == EMFILE || code == ENFILE || code == ENOBUFS ||
		    code == ENOMEM) {
			pause_accepting(listener, pool, code);
			return -1;
		}
		return code == EINVAL ? -1 : 1;
	}
	m->pool[pool].retry_ms = 0;
	(void)FP("dispatch.after_accept");
	listener->accepted++;
	message.accepted_ns = clock_now_ns();
	message.number = m->connection_number++;
	describe_peer(&from, &message);
	if (!pass(m, pool, &message, fd)) {
		m->pool[pool].hand_fd = fd;
		m->pool[pool].hand = message;
		return -1;
	}
	(void)FP("dispatch.after_send");
	close(fd);
	return 1;
}

bool
dispatch_is_balanced(struct master *m, uint16_t pool)
{
	const struct conf_pool *conf = master_pool_now(m, pool);

	return conf != NULL && (conf->schedule == SCHEDULE_ROUND_ROBIN ||
	    conf->schedule == SCHEDULE_LEAST_CONNECTIONS) &&
	    conf->protocol != PROTOCOL_UDP;
}

void
dispatch_accept(struct listener *listener)
{
	struct master *m = listener->master;
	uint16_t pool = state_find_pool(turn_look(m), listener->pool);

	if (pool == MEMO_NONE || !dispatch_is_balanced(m, pool)) {
		event_del(listener->readable);
		listener->armed = false;
		return;
	}
	if (!send_hand(m, pool) || !take_back(m, pool)) {
		await_room(m, pool);
		return;
	}
	collect(m, pool, NULL);
	for (int i = 0; i < ACCEPTS_A_TURN; i++) {
		int rc;

		if (choose(m, pool) < 0) {
			await_room(m, pool);
			return;
		}
		rc = accept_one(listener, pool);
		if (rc == 0)
			return;
		if (rc < 0) {
			if (m->pool[pool].hand_fd >= 0)
				await_room(m, pool);
			return;
		}
	}
}

void
dispatch_kick(struct master *m, uint16_t pool)
{
	if (pool == MEMO_NONE || m->ending)
		return;
	if (!send_hand(m, pool) || !take_back(m, pool)) {
		await_room(m, pool);
		return;
	}
	release_empty(m);
	if (!dispatch_is_balanced(m, pool))
		return;
	collect(m, pool, NULL);
	if (choose(m, pool) < 0) {
		await_room(m, pool);
		return;
	}
	m->pool[pool].waiting = false;
	listeners_arm(m, pool, true);
}

void
dispatch_kick_all(struct master *m)
{
	const struct memo_copy *copy = turn_look(m);

	for (uint16_t i = 0; i < copy->pools; i++)
		if (copy->pool[i].name[0] != '\0')
			dispatch_kick(m, i);
	release_empty(m);
}

void
dispatch_take_back_later(struct master *m, uint64_t unused)
{
	(void)unused;
	dispatch_kick_all(m);
}

void
dispatch_on(struct master *m, uint16_t row)
{
	struct process *process = m->process[row];

	if (process == NULL)
		return;
	process->on = true;
	process->stalled = false;
	dispatch_kick(m, process->pool);
}

void
dispatch_off(struct master *m, uint16_t row)
{
	struct process *process = m->process[row];

	if (process != NULL)
		process->on = false;
}
