/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * exchange.h: what a connection needs while a request is read and answered:
 * buffers, the parsed head, the state of the answer.  An idle connection has
 * none; they are kept in a small stock, so that a request in the steady state
 * allocates nothing.
 */
#ifndef DAEMON_HTTP_EXCHANGE_H
#define DAEMON_HTTP_EXCHANGE_H

#include "common/base/buf.h"
#include "daemon/http/body.h"
#include "daemon/http/chunk.h"
#include "daemon/http/head.h"
#include "daemon/http/http.h"
#include "daemon/http/outq.h"

enum {
	EXCHANGE_READ = 16384,		/* room for one read */
	EXCHANGE_SPARE = 64,		/* kept in stock */
	EXCHANGE_KEEP = 65536,		/* a larger buffer is not kept */
	EXCHANGE_ALLOC_MAX = 1 << 20,	/* of cluster_alloc(), a request */
	EXCHANGE_OUT_MAX = 1 << 20,	/* of an answer, before it must wait */
	EXCHANGE_TURN_MAX = 1 << 20,	/* sent in a turn: others have theirs */
	EXCHANGE_HEADERS_MAX = 65536,	/* header lines of an answer */
};

enum answer_state {
	ANSWER_NONE, ANSWER_STREAM, ANSWER_COMPLETE,
	ANSWER_NEVER,			/* its client is gone */
};

struct answer_head;
struct arena_block;
struct said;
struct cluster_request;
struct stage;

/* Who wants to hear that the client of the open request is gone: all the upper
 * layer's. */
struct gone {
	void (*call)(struct cluster_request *request, int why, void *arg);
	void *arg;
	uint16_t owner;
};

struct exchange {
	struct exchange *next;		/* in the stock */

	/* request: offsets from the first byte in `in` */
	struct buf in;
	struct head head;
	struct chunk chunk;
	size_t body_at, body_len;	/* of it, what is decoded and in `in` */
	size_t raw_at;			/* first byte not decoded */
	struct body body;
	const char *path, *query;	/* made at the first question */
	struct said *said;		/* so is the rest of what it says */
	const char *authority;		/* the same, of an absolute target */
	struct arena_block *blocks;	/* memory of the handler */
	size_t allocated;
	int64_t own_ms;			/* deadline that the handler set: HTTP_OFF
					 * the usual, 0 none */
	uint64_t own_due_ns;		/* the same as a time */
	uint64_t body_due_ns;		/* of the client's time for its body */

	/* answer */
	struct outq out;		/* ready to be written */
	struct buf headers;		/* lines the handler added */
	uint64_t left;			/* of the length announced */
	uint64_t body_bytes;		/* of the answer, so far */
	uint8_t answer;			/* enum answer_state */
	bool chunked;			/* the answer is */
	bool until_close;		/* it ends with the connection */
	bool head_only;
	bool was_full;			/* on_room is owed */
	uint16_t status;
	struct gone gone;

	/* filters (filtering.c) */
	uint64_t filters;		/* a bit each: have seen the request */
	struct answer_head *draft;	/* while they look at it */
	struct stage *stages;		/* of the body: the handler's end first */
	struct stage *stage;		/* the one that runs */
	struct outq unfiltered;		/* of the body: waits for the first */
	bool ending;			/* nothing comes behind that */


	/* while it waits for its client (sending.c) */
	uint64_t waits_since_ns, took_ns;	/* took_ns: some of it, last */
	int64_t given, taken;		/* bytes: by us, by the client */
	size_t spent;			/* bytes that went out in this turn */

	struct head_field fields[];	/* config.head.fields of them */
};

/* One from the stock or new; NULL: no memory. */
struct exchange *exchange_get(struct http *http);
void exchange_put(struct http *http, struct exchange *exchange);
/* As exchange_reset() left it, or exchange_get(). */
void exchange_put_unused(struct http *http, struct exchange *exchange);

/* Between two requests: the request's bytes are consumed by the caller. */
void exchange_reset(struct exchange *exchange, const struct http *http);

/* Memory until the request ends; NULL: over the limit, or none. */
void *exchange_alloc(struct exchange *exchange, size_t size);

/* The same for what we make of a request ourselves: its size bounds it. */
void *exchange_take(struct exchange *exchange, size_t size);

#endif
