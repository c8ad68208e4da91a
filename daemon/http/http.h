/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * http.h: all HTTP connections of a worker: limits, deadlines, drain.  Knows no
 * plugins: what answers a request is a function handed down.  One thread, the
 * loop's; never blocks.
 */
#ifndef DAEMON_HTTP_HTTP_H
#define DAEMON_HTTP_HTTP_H

#include <event2/event.h>
#include <event2/event_struct.h>
#include <stdbool.h>
#include <sys/queue.h>

#include "common/base/buf.h"
#include "daemon/conf/networks.h"
#include "daemon/http/date.h"
#include "daemon/http/dues.h"
#include "daemon/http/head.h"
#include "daemon/http/ids.h"
#include "daemon/http/waiting.h"
#include "daemon/proto/connection.h"
#include "daemon/scoreboard/write.h"

struct answer_head;
struct conn;
struct exchange;
struct pages;
struct stage;

/* What a stage is told (filtering.h). */
enum stage_call { STAGE_PIECE, STAGE_FLUSH, STAGE_END, STAGE_FREE };

enum { HTTP_OFF = -1 };			/* a limit or time that is not set */

/* From the pool's keys; times in ms. */
struct http_config {
	struct head_limits head;
	int64_t max_body, body_buffer;
	int64_t max_connections, max_pipeline, min_rate;
	int64_t header_ms, body_ms, send_ms, idle_ms, request_ms;
	bool record_query;
	const struct pages *pages;	/* of errors; NULL: none; borrowed */
	bool proxy_protocol;		/* each connection begins with it */
	struct networks trusted;	/* proxies that speak for others */
};

/* What a connection's deadline stands for. */
enum deadline {
	DEADLINE_NONE, DEADLINE_HEADER, DEADLINE_BODY, DEADLINE_REQUEST,
	DEADLINE_SEND, DEADLINE_IDLE, DEADLINE_LINGER, DEADLINE_GOODBYE,
};
enum { DEADLINE__COUNT = 8 };

struct http_ops {
	/* Where `wants_heads' is set: the head of a request with a body is
	 * there.  False: it is to be read as a whole, for on_request. */
	bool (*on_offer)(struct conn *conn, void *ctx);
	/* A piece of a body that is streamed; its end, or why there is none. */
	void (*on_body)(struct conn *conn, const void *data, size_t len,
	    void *ctx);
	void (*on_body_end)(struct conn *conn, int error, void *ctx);
	/* A body could not be kept. */
	void (*on_body_lost)(struct conn *conn, int error, void *ctx);
	/* A request is complete: answer it (response.h), or leave it open to be
	 * answered later.  May be called only in the loop. */
	void (*on_request)(struct conn *conn, void *ctx);
	/* A stream that was full has room again. */
	void (*on_room)(struct conn *conn, void *ctx);
	/* An open request ends without its answer, its time is over or (lost)
	 * its connection; where there is still one it may be answered in it. */
	void (*on_stale)(struct conn *conn, bool lost, void *ctx);
	/* The client of an open request whose connection has `bound' set, or
	 * its exchange `gone', will most likely not wait for the answer. */
	void (*on_left)(struct conn *conn, void *ctx);
	/* An answer is complete whose connection has `watched' or `bound' set. */
	void (*on_answered)(struct conn *conn, void *ctx);
	/* The body of an open request whose connection has `watched' set cannot
	 * be had, and so it is refused. */
	void (*on_unserved)(struct conn *conn, void *ctx);
	/* Where `tells_ends' is set: a request is at its end, and all of it is
	 * there to be looked at.  cut: without its whole answer. */
	void (*on_ended)(struct conn *conn, uint64_t now_ns, bool cut,
	    void *ctx);
	/* A call that was owed is due (dues.h): due_call() makes it. */
	void (*on_due)(const struct due *due, void *ctx);
	/* filtering.h, for an answer whose exchange has `filters': its head is
	 * about to be made; something for a stage of its body (0: done). */
	void (*on_head)(struct conn *conn, struct answer_head *head, void *ctx);
	int (*on_stage)(struct conn *conn, struct stage *stage,
	    enum stage_call what, const void *data, size_t len, void *ctx);
	/* One connection less; its descriptor is the callee's to close. */
	void (*on_closed)(int fd, void *ctx);
};

struct http {
	struct event_base *base;
	struct board *board;
	struct http_config config;
	const struct http_ops *ops;
	void *ctx;
	int64_t times_ms[DEADLINE__COUNT];	/* usual; HTTP_OFF: none */
	struct waiting waiting;
	struct date date;

	struct conn **table;		/* by index of a handle */
	uint32_t table_size;		/* max_connections and a reserve */
	uint32_t *free_rows;		/* stack of free rows */
	uint32_t free_count;
	struct conn_list idle;		/* the longest first */
	uint32_t connections, open;	/* open: requests with a handler */
	uint64_t requests;		/* number of the last one */
	struct ids ids;			/* what they are called elsewhere */
	struct exchange *spare;		/* buffers of connections that idle */
	unsigned spare_count;
	struct dues dues;		/* of answers, to the upper layer */

	uint32_t doing_free;		/* entries 1..31 of the page, by bit */
	bool draining, tells_ends, wants_heads;
	uint64_t now_ns;		/* of this turn */
	uint64_t tick_ns;		/* the last http_tick() */
	uint64_t away_ns;		/* in all, up to then */
};

/* 0 or ERR_MEMORY.  What http refers to is borrowed for its life. */
int http_init(struct http *http, struct event_base *base, struct board *board,
    const struct http_config *config, const struct http_ops *ops, void *ctx);

/*
 * Take a connection: fd is ours from here on, also on failure (closed).
 * passed: who it is and when it was accepted.  scarce: it is to be told that
 * we have no more of them.  0 or -1.
 */
int http_take(struct http *http, int fd, const struct connection_passed *passed,
    bool scarce);

/* At max_connections the longest idle connection makes way, if it is closable:
 * are there so many; is there one; and close it if it is needed (true: there is
 * room now). */
bool http_is_full(const struct http *http);
bool http_may_make_room(const struct http *http);
bool http_make_room(struct http *http);

/* No keep-alive from now on; idle ones are said goodbye at a random time. */
void http_drain(struct http *http);

/* Cut all that is left, and make the calls that are due; returns how many. */
unsigned http_abort_all(struct http *http);

/* Gauges of the page; each beat. */
void http_tick(struct http *http, uint64_t now_ns);

/* That moment by a clock that stands while this process does (more or less: what
 * is missing between two beats).  How fast a client is, is told by it. */
uint64_t http_present_ns(const struct http *http, uint64_t now_ns);

/* An entry of the page for a request that stays open; 0: none is free.  It is
 * kept in conn->doing and given back with the request. */
unsigned http_begin_doing(struct http *http);
void http_end_doing(struct conn *conn);

#endif
