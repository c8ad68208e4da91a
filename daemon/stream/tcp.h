/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * tcp.h: all connections of a worker whose pool is of protocol tcp: limits,
 * deadlines, drain.  Bytes in, bytes out; what they mean is for the functions
 * handed down.  One thread, the loop's; never blocks.
 */
#ifndef DAEMON_STREAM_TCP_H
#define DAEMON_STREAM_TCP_H

#include <event2/event.h>
#include <event2/event_struct.h>
#include <stdbool.h>
#include <sys/queue.h>

#include "common/base/buf.h"
#include "daemon/proto/connection.h"
#include "daemon/scoreboard/write.h"

struct flow;

enum {
	TCP_READ = 65536,		/* bytes of one on_data, at most */
	TCP_OUT_MAX = 1 << 20,		/* that wait for one client, at most */
	TCP_OUT_HIGH = TCP_OUT_MAX / 2,	/* over this: wait for on_drained */
	TCP_OUT_LOW = TCP_OUT_MAX / 4,	/* on_drained comes here */
	TCP_SPARES = 32,		/* buffers kept */
	TCP_SPARE_SIZE = 131072,	/* larger ones are not */
};

/* From the pool's keys; times in ms.  idle_ms 0: no end. */
struct tcp_config {
	int64_t max_connections, send_ms, idle_ms;
};

/* All but on_open are of a flow, and none comes after on_closed. */
struct tcp_ops {
	void (*on_open)(struct flow *flow, void *ctx);
	/* data is borrowed for the call */
	void (*on_data)(struct flow *flow, const void *data, size_t len,
	    void *ctx);
	/* flow_send() has said that enough waits, and little does now. */
	void (*on_drained)(struct flow *flow, void *ctx);
	/* The client has said its last. */
	void (*on_eof)(struct flow *flow, void *ctx);
	/* Once: 0, or -errno.  The handle is stale by now. */
	void (*on_closed)(struct flow *flow, int error, void *ctx);
	/* One connection less; its descriptor is the callee's to close. */
	void (*on_gone)(int fd, void *ctx);
};

TAILQ_HEAD(flow_list, flow);

struct tcp {
	struct event_base *base;
	struct board *board;
	struct tcp_config config;
	const struct tcp_ops *ops;
	void *ctx;
	const struct timeval *idle;	/* common timeout; NULL: none */

	struct flow **table;		/* by index of a handle */
	uint32_t table_size;		/* max_connections and a reserve */
	uint32_t *free_rows;		/* stack of free rows */
	uint32_t free_count;
	struct flow_list all, due;	/* due: whose turn comes from the loop */
	struct event due_event;
	uint32_t connections;
	uint64_t opened;		/* number of the last one */
	struct buf spare[TCP_SPARES];
	unsigned spare_count;
	char *bytes;			/* TCP_READ: what was just read */
	uint64_t now_ns;		/* of this turn */
};

/* 0 or ERR_MEMORY.  What tcp refers to is borrowed for its life. */
int tcp_init(struct tcp *tcp, struct event_base *base, struct board *board,
    const struct tcp_config *config, const struct tcp_ops *ops, void *ctx);

/* Take a connection: fd is ours from here on, also on failure (closed).
 * 0 or -1. */
int tcp_take(struct tcp *tcp, int fd, const struct connection_passed *passed);

/* The same of one that another worker had before. */
int tcp_take_guest(struct tcp *tcp, int fd,
    const struct connection_passed *passed);

bool tcp_is_full(const struct tcp *tcp);

/* Cut all that is left; returns how many. */
unsigned tcp_abort_all(struct tcp *tcp);

/* Gauges of the page; each beat. */
void tcp_tick(struct tcp *tcp);

/* The open one with that handle, or NULL. */
struct flow *tcp_find(const struct tcp *tcp, uint64_t handle);

#endif
