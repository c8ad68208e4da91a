/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * clients.c: see clients.h.  A pool speaks HTTP, or its connections are one
 * plugin's: or its datagrams;
 * only one of them was made.
 */
#include "daemon/worker/clients.h"

#include "daemon/stream/tcp.h"
#include "daemon/worker/worker.h"

static bool
is_http(const struct worker *worker)
{
	return worker->host.http.table != NULL;
}

static bool
is_tcp(const struct worker *worker)
{
	return worker->host.streams.tcp.table != NULL;
}

/* ---- begin ---------------------------------------------------------------------- */

int
clients_init(struct worker *worker)
{
	const struct conf_pool *pool = worker->pool;
	/* that there is one is looked at when they are opened */
	unsigned plugin = pool->route_count > 0 ? pool->routes[0].plugin : 0;
	const struct tcp_config config = {
		.max_connections = pool->max_connections,
		.send_ms = pool->send_timeout_ms,
		.idle_ms = pool->idle_timeout_ms,
	};

	if (pool->protocol == PROTOCOL_TCP)
		return streams_init(&worker->host, plugin, &config);
	if (pool->protocol == PROTOCOL_UDP)
		return datagrams_init(&worker->host, plugin);
	return 0;
}

/* ---- room ------------------------------------------------------------------------- */

uint32_t
clients_count(const struct worker *worker)
{
	return is_http(worker) ? worker->host.http.connections :
	    worker->host.streams.tcp.connections;
}

int64_t
clients_max(const struct worker *worker)
{
	return worker->pool->max_connections;
}

bool
clients_are_full(const struct worker *worker)
{
	return clients_count(worker) >= clients_max(worker);
}

/* Of one that is not HTTP nobody but its plugin knows whether it is done. */
bool
clients_may_make_room(const struct worker *worker)
{
	return is_http(worker) && http_may_make_room(&worker->host.http);
}

bool
clients_make_room(struct worker *worker)
{
	return is_http(worker) ? http_make_room(&worker->host.http) :
	    !clients_are_full(worker);
}

bool
clients_can_be_told(const struct worker *worker)
{
	return is_http(worker);
}

/* ---- datagrams --------------------------------------------------------------------- */

bool
clients_are_datagrams(const struct worker *worker)
{
	return worker->host.datagrams.udp.batch != NULL;
}

int
clients_add_socket(struct worker *worker, uint32_t id, int fd)
{
	if (!clients_are_datagrams(worker))
		return 0;
	return udp_add(&worker->host.datagrams.udp, id, fd);
}

void
clients_drop_socket(struct worker *worker, uint32_t id)
{
	if (clients_are_datagrams(worker))
		udp_drop(&worker->host.datagrams.udp, id);
}

bool
clients_read_socket(struct worker *worker, uint32_t id)
{
	return udp_read(&worker->host.datagrams.udp, id);
}

/* ---- life ------------------------------------------------------------------------- */

void
clients_take(struct worker *worker, int fd,
    const struct connection_passed *passed, bool scarce)
{
	if (is_http(worker))
		http_take(&worker->host.http, fd, passed, scarce);
	else
		tcp_take(&worker->host.streams.tcp, fd, passed);
}

void
clients_drain(struct worker *worker)
{
	if (is_http(worker))
		http_drain(&worker->host.http);
	/* the others are told by on_drain of their plugin */
}

unsigned
clients_abort_all(struct worker *worker)
{
	if (is_http(worker))
		return http_abort_all(&worker->host.http);
	return is_tcp(worker) ? tcp_abort_all(&worker->host.streams.tcp) : 0;
}

void
clients_tick(struct worker *worker, uint64_t now_ns)
{
	if (is_http(worker))
		http_tick(&worker->host.http, now_ns);
	else if (is_tcp(worker))
		tcp_tick(&worker->host.streams.tcp);
}
