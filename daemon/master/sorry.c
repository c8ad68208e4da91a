/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * sorry.c: 503 for pools without a worker; see sorry.h.  A fixed answer, or with
 * the pool's page, for which no byte of the request is looked at; then the
 * connection lingers until the client has read it.  Bounded: so many a tick, so
 * many that linger.
 */
#include "daemon/master/sorry.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/base/check.h"
#include "common/base/clock.h"
#include "common/base/fd.h"
#include "daemon/master/dispatch.h"
#include "daemon/master/listeners.h"
#include "daemon/master/master.h"
#include "daemon/master/tick.h"
#include "daemon/master/turn.h"
#include "daemon/supervisor/state.h"

enum {
	EMPTY_MS = 2000, LINGER_MS = 2000, A_TICK = 64, LINGERING = 256,
	SURE = 8192,			/* bytes that any socket has room for */
};

static const struct conf_page plain = { .text = "503 /503.txt",
    .data = "503 Service Unavailable\n", .len = 24 };

/* Answered, and waiting for the client to close; fd + 1, 0 is a free row. */
static struct { int fd_plus_1; uint64_t since_ns; } lingering[LINGERING];
static unsigned next_row;

/* Throw away what has come.  True: the client has closed. */
static bool
is_over(int fd)
{
	char bytes[4096];

	for (int i = 0; i < 16; i++) {
		ssize_t got = recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT);

		if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR))
			return true;
		if (got < 0)
			return false;
	}
	return false;
}

static void
let_go(uint64_t now_ns)
{
	for (size_t i = 0; i < COUNT(lingering); i++) {
		int fd = lingering[i].fd_plus_1 - 1;

		if (fd < 0 || (!is_over(fd) && now_ns - lingering[i].since_ns <
		    clock_scaled_ms(LINGER_MS) * NS_PER_MS))
			continue;
		close(fd);
		lingering[i].fd_plus_1 = 0;
	}
}

/* The pool's, as long as this turn lasts. */
static const struct conf_page *
page_of(struct master *m, uint16_t pool)
{
	const struct conf_pool *conf = master_pool_now(m, pool);
	const struct conf_page *page = conf == NULL ? NULL :
	    conf_pool_page(conf, 503);

	return page == NULL ? &plain : page;
}

/* Will the kernel have so much (net.core.wmem_max bounds it)?  It is asked for, and
 * tells, twice what it says. */
static bool
makes_room(int fd, size_t len)
{
	int room = (int)len + SURE, has = 0;
	socklen_t size = sizeof(has);

	return len <= SURE ||
	    (setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &room, sizeof(room)) == 0 &&
	    getsockopt(fd, SOL_SOCKET, SO_SNDBUF, &has, &size) == 0 &&
	    has >= 2 * room);
}

/* By one call, as nobody would send the rest. */
static void
send_answer(int fd, const struct conf_page *page)
{
	char head[256];
	struct iovec iov[] = { { head, 0 },
	    { (void *)(uintptr_t)page->data, page->len } };
	struct msghdr message = { .msg_iov = iov, .msg_iovlen = COUNT(iov) };

	iov[0].iov_len = (size_t)snprintf(head, sizeof(head),
	    "HTTP/1.1 503 Service Unavailable\r\n"
	    "Server: clusterd\r\n"
	    "Content-Type: %s\r\n"
	    "Content-Length: %zu\r\n"
	    "Retry-After: 5\r\n"
	    "Connection: close\r\n"
	    "\r\n", conf_page_type(conf_page_path(page)), page->len);
	(void)!sendmsg(fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
}

static void
say_sorry(int fd, const struct conf_page *page, uint64_t now_ns)
{
	unsigned row = next_row++ % LINGERING;

	(void)is_over(fd);
	send_answer(fd, makes_room(fd, page->len) ? page : &plain);
	shutdown(fd, SHUT_WR);
	if (lingering[row].fd_plus_1 != 0)
		close(lingering[row].fd_plus_1 - 1);
	lingering[row].fd_plus_1 = fd + 1;
	lingering[row].since_ns = now_ns;
}

static bool
is_sorry(struct master *m, uint16_t pool, uint64_t now_ns)
{
	const struct memo_copy *copy = turn_look(m);
	const struct conf_pool *conf = pool == MEMO_NONE ||
	    copy->pool[pool].name[0] == '\0' ? NULL :
	    master_pool_now(m, pool);
	uint64_t empty_ns;

	if (conf == NULL || conf->protocol != PROTOCOL_HTTP ||
	    state_count_ready(copy, pool) > 0)
		return false;
	if (state_count_wanted(copy, pool) == 0)
		return true;
	empty_ns = m->pool[pool].empty_since_ns;
	return empty_ns != 0 && now_ns - empty_ns >=
	    clock_scaled_ms(EMPTY_MS) * NS_PER_MS;
}

/* Whoever was accepted for a worker that did not take him. */
static void
answer_waiting(struct master *m, uint16_t pool, int limit, uint64_t now_ns)
{
	const struct conf_page *page = page_of(m, pool);
	int fd;

	while (limit-- > 0 && (fd = dispatch_take_waiting(m, pool)) >= 0)
		say_sorry(fd, page, now_ns);
}

static void
answer_new(struct master *m, struct listener *l, uint64_t now_ns)
{
	const struct conf_page *page = page_of(m, state_find_pool(turn_look(m),
	    l->pool));

	for (int i = 0; i < A_TICK; i++) {
		int fd = accept4(l->fd, NULL, NULL,
		    SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd < 0)
			break;
		l->accepted++;
		say_sorry(fd, page, now_ns);
	}
}

void
sorry_end_pool(struct master *m, uint16_t pool)
{
	answer_waiting(m, pool, INT_MAX, tick_awake_ns(m));
	dispatch_forget_pool(m, pool);
}

void
sorry_look(struct master *m)
{
	const struct memo_copy *copy = turn_look(m);
	uint64_t now_ns = tick_awake_ns(m);

	let_go(now_ns);
	if (m->conf == NULL)
		return;
	for (uint16_t i = 0; i < copy->pools; i++)
		if (is_sorry(m, i, now_ns))
			answer_waiting(m, i, A_TICK, now_ns);
	for (struct listener *l = m->listeners; l != NULL; l = l->next)
		if (l->fd >= 0 && !l->adding && is_sorry(m,
		    state_find_pool(copy, l->pool), now_ns))
			answer_new(m, l, now_ns);
}
