/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* tcp.c: all connections of a worker; see tcp.h. */
#include "daemon/stream/tcp.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/errmsg.h"
#include "daemon/stream/flow.h"

enum {
	RESERVE = 16,			/* rows over max_connections: those
					 * that linger */
	ROW_BITS = 21,
};

static int
make_tables(struct tcp *tcp)
{
	uint32_t size = (uint32_t)tcp->config.max_connections + RESERVE;

	tcp->table = calloc(size, sizeof(tcp->table[0]));
	tcp->free_rows = calloc(size, sizeof(tcp->free_rows[0]));
	tcp->bytes = malloc(TCP_READ);
	if (tcp->table == NULL || tcp->free_rows == NULL || tcp->bytes == NULL)
		return ERR_MEMORY;
	tcp->table_size = size;
	for (uint32_t i = 0; i < size; i++)
		tcp->free_rows[i] = size - 1 - i;
	tcp->free_count = size;
	return 0;
}

int
tcp_init(struct tcp *tcp, struct event_base *base, struct board *board,
    const struct tcp_config *config, const struct tcp_ops *ops, void *ctx)
{
	struct timeval idle = { config->idle_ms / 1000,
	    config->idle_ms % 1000 * 1000 };

	memset(tcp, 0, sizeof(*tcp));
	tcp->base = base;
	tcp->board = board;
	tcp->config = *config;
	tcp->ops = ops;
	tcp->ctx = ctx;
	TAILQ_INIT(&tcp->all);
	TAILQ_INIT(&tcp->due);
	event_assign(&tcp->due_event, base, -1, 0, flow_on_due, tcp);
	if (config->idle_ms > 0)
		tcp->idle = event_base_init_common_timeout(base, &idle);
	return make_tables(tcp);
}

int
tcp_take(struct tcp *tcp, int fd, const struct connection_passed *passed)
{
	struct flow *flow = flow_new(tcp, fd, passed);

	if (flow == NULL) {
		close(fd);
		board_add(tcp->board, METRIC_FINISHED, 1);
		return -1;
	}
	flow_start(flow);
	return 0;
}

int
tcp_take_guest(struct tcp *tcp, int fd, const struct connection_passed *passed)
{
	struct flow *flow = flow_new(tcp, fd, passed);

	if (flow == NULL) {
		close(fd);
		return -1;
	}
	flow->guest = true;
	flow_start(flow);
	return 0;
}

bool
tcp_is_full(const struct tcp *tcp)
{
	return (int64_t)tcp->connections >= tcp->config.max_connections;
}

unsigned
tcp_abort_all(struct tcp *tcp)
{
	unsigned count = 0;
	struct flow *flow;

	while ((flow = TAILQ_FIRST(&tcp->all)) != NULL) {
		if (!flow->told) {
			count++;
			flow->error = -ESHUTDOWN;
			flow->reset = !flow->away;
		}
		flow->dead = true;
		flow_free(flow);
	}
	board_add(tcp->board, METRIC_DRAIN_ABORTED, count);
	return count;
}

void
tcp_tick(struct tcp *tcp)
{
	WORD_SET(tcp->board->page->gauges.connections, tcp->connections);
}

uint64_t
flow_handle(const struct flow *flow)
{
	return flow->number << ROW_BITS | flow->row;
}

struct flow *
tcp_find(const struct tcp *tcp, uint64_t handle)
{
	uint32_t row = (uint32_t)(handle & ((1u << ROW_BITS) - 1));
	struct flow *flow;

	if (row >= tcp->table_size)
		return NULL;
	flow = tcp->table[row];
	if (flow == NULL || flow->number != handle >> ROW_BITS || flow->dead ||
	    flow->told)
		return NULL;
	return flow;
}
