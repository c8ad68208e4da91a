/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* http.c: all HTTP connections of a worker; see http.h. */
#include "daemon/http/http.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/errmsg.h"
#include "daemon/http/conn.h"
#include "daemon/http/deadline.h"
#include "daemon/http/turn.h"

enum {
	RESERVE = 16,			/* rows over max_connections */
	LINGER_MS = 5000,		/* without data */
	CLOSABLE_MS = 1000,		/* idle for so long */
	FIRST_IN_DRAIN_MS = 5000,
	TICK_MS = 500,			/* two beats: else we were away */
};

static void
set_time(struct http *http, enum deadline deadline, int64_t ms)
{
	http->times_ms[deadline] = ms < 0 ? HTTP_OFF : ms;
}

static int
make_tables(struct http *http)
{
	uint32_t size = (uint32_t)http->config.max_connections + RESERVE;

	http->table = calloc(size, sizeof(http->table[0]));
	http->free_rows = calloc(size, sizeof(http->free_rows[0]));
	if (http->table == NULL || http->free_rows == NULL)
		return ERR_MEMORY;
	http->table_size = size;
	for (uint32_t i = 0; i < size; i++)
		http->free_rows[i] = size - 1 - i;
	http->free_count = size;
	return waiting_init(&http->waiting, http->base, size, turn_on_time);
}

int
http_init(struct http *http, struct event_base *base, struct board *board,
    const struct http_config *config, const struct http_ops *ops, void *ctx)
{
	memset(http, 0, sizeof(*http));
	http->base = base;
	http->board = board;
	http->config = *config;
	http->ops = ops;
	http->ctx = ctx;
	http->doing_free = ~1u;
	http->tick_ns = clock_now_ns();
	ids_init(&http->ids);
	dues_init(&http->dues, base, ops->on_due, ctx);
	TAILQ_INIT(&http->idle);
	set_time(http, DEADLINE_HEADER, config->header_ms);
	set_time(http, DEADLINE_BODY, config->body_ms);
	set_time(http, DEADLINE_REQUEST, config->request_ms);
	set_time(http, DEADLINE_SEND, config->send_ms);
	set_time(http, DEADLINE_IDLE, config->idle_ms);
	set_time(http, DEADLINE_LINGER, (int64_t)clock_scaled_ms(LINGER_MS));
	return make_tables(http);
}

void
http_refuse_for_memory(struct http *http, int fd)
{
	static const char answer[] = "HTTP/1.1 503 Service Unavailable\r\n"
	    "Connection: close\r\nContent-Length: 0\r\n\r\n";
	char bytes[16384];
	int most = 64;

	/* What the client has sent is read: else the end is a reset. */
	while (most-- > 0 && recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT) > 0)
		continue;
	if (send(fd, answer, sizeof(answer) - 1,
	    MSG_DONTWAIT | MSG_NOSIGNAL) > 0)
		board_add(http->board, METRIC_HOST_5XX, 1);
}

int
http_take(struct http *http, int fd, const struct connection_passed *passed,
    bool scarce)
{
	struct conn *conn = conn_new(http, fd, passed);
	uint64_t now_ns = clock_now_ns(), waited_ms = 0;
	int64_t left_ms = HTTP_OFF;
	int64_t least_ms = (int64_t)clock_scaled_ms(CLOCK_EXCUSE_MS);

	if (conn == NULL) {
		http_refuse_for_memory(http, fd);
		close(fd);
		return -1;
	}
	conn->scarce = scarce;
	if (passed->accepted_ns != 0 && passed->accepted_ns < now_ns)
		waited_ms = (now_ns - passed->accepted_ns) / NS_PER_MS;
	/* what it has waited counts; the common queue is for those that have
	 * not waited to speak of; it was for us, so a while is left */
	if (waited_ms > 10 && http->config.header_ms >= 0) {
		left_ms = http->config.header_ms - (int64_t)waited_ms;
		if (left_ms < least_ms)
			left_ms = least_ms < http->config.header_ms ?
			    least_ms : http->config.header_ms;
	}
	turn_first(conn, left_ms);
	return 0;
}

bool
http_may_make_room(const struct http *http)
{
	const struct conn *oldest = TAILQ_FIRST(&http->idle);

	return oldest != NULL && clock_now_ns() - oldest->since_ns >=
	    clock_scaled_ms(CLOSABLE_MS) * NS_PER_MS;
}

bool
http_is_full(const struct http *http)
{
	return (int64_t)http->connections >= http->config.max_connections;
}

bool
http_make_room(struct http *http)
{
	if (!http_is_full(http))
		return true;
	if (!http_may_make_room(http))
		return false;
	board_add(http->board, METRIC_MADE_WAY, 1);
	conn_close(TAILQ_FIRST(&http->idle));
	return true;
}

void
http_drain(struct http *http)
{
	struct conn *conn;

	if (http->draining)
		return;
	http->draining = true;
	TAILQ_FOREACH(conn, &http->idle, idle_link) {
		if (conn->served)
			conn_say_goodbye(conn);
		else
			deadline_arm(conn, DEADLINE_HEADER,
			    (int64_t)clock_scaled_ms(FIRST_IN_DRAIN_MS));
	}
}

unsigned
http_abort_all(struct http *http)
{
	unsigned count = 0;

	for (uint32_t i = 0; i < http->table_size; i++) {
		struct conn *conn = http->table[i];

		if (conn == NULL)
			continue;
		if (conn->state != CONN_IDLE && conn->state != CONN_LINGER) {
			conn->reset = true;
			count++;
		}
		conn_close(conn);
	}
	board_add(http->board, METRIC_DRAIN_ABORTED, count);
	dues_run(&http->dues);
	return count;
}

/* Idle ones are in order of time: the young end is walked. */
static uint32_t
count_closable(const struct http *http, uint64_t now_ns)
{
	uint64_t second_ns = clock_scaled_ms(CLOSABLE_MS) * NS_PER_MS;
	uint32_t idle = 0;
	const struct conn *conn;

	TAILQ_FOREACH(conn, &http->idle, idle_link) {
		if (now_ns - conn->since_ns < second_ns)
			break;
		idle++;
	}
	return idle;
}

/* Since the last tick. */
static uint64_t
away_ns(const struct http *http, uint64_t now_ns)
{
	uint64_t most_ns = http->tick_ns + clock_scaled_ms(TICK_MS) * NS_PER_MS;

	return now_ns > most_ns ? now_ns - most_ns : 0;
}

uint64_t
http_present_ns(const struct http *http, uint64_t now_ns)
{
	return now_ns - http->away_ns - away_ns(http, now_ns);
}

void
http_tick(struct http *http, uint64_t now_ns)
{
	struct page_gauges *gauges = &http->board->page->gauges;

	http->away_ns += away_ns(http, now_ns);
	http->tick_ns = now_ns;
	WORD_SET(gauges->connections, http->connections);
	WORD_SET(gauges->closable, count_closable(http, now_ns));
	WORD_SET(gauges->requests_open, http->open);
}

unsigned
http_begin_doing(struct http *http)
{
	unsigned entry;

	if (http->doing_free == 0)
		return 0;
	entry = (unsigned)__builtin_ctz(http->doing_free);
	http->doing_free &= ~(1u << entry);
	return entry;
}

void
http_end_doing(struct conn *conn)
{
	if (conn->doing == 0)
		return;
	board_do_nothing(conn->http->board, conn->doing);
	conn->http->doing_free |= 1u << conn->doing;
	conn->doing = 0;
}
