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
#include "daemon/http/chunk.h"
#include "daemon/http/head.h"
#include "daemon/http/http.h"

enum {
	EXCHANGE_READ = 16384,		/* room for one read */
	EXCHANGE_SPARE = 64,		/* kept in stock */
	EXCHANGE_KEEP = 65536,		/* a larger buffer is not kept */
	EXCHANGE_ALLOC_MAX = 1 << 20,	/* of cluster_alloc(), a request */
	EXCHANGE_OUT_MAX = 1 << 20,	/* of an answer, before it must wait */
	EXCHANGE_HEADERS_MAX = 65536,	/* header lines of an answer */
};

enum answer_state { ANSWER_NONE, ANSWER_STREAM, ANSWER_COMPLETE };

struct arena_block;

struct exchange {
	struct exchange *next;		/* in the stock */

	/* request: offsets from the first byte in `in` */
	struct buf in;
	struct head head;
	struct chunk chunk;
	uint64_t body_left;		/* Content-Length: not read yet */
	size_t body_at, body_len;
	size_t raw_at;			/* chunked: first byte not decoded */
	const char *path, *query;	/* made at the first question */
	struct arena_block *blocks;	/* memory of the handler */
	size_t allocated;

	/* answer */
	struct buf out;			/* ready to be written */
	struct buf headers;		/* lines the handler added */
	uint64_t left;			/* of the length announced */
	uint64_t body_bytes;		/* of the answer, so far */
	uint8_t answer;			/* enum answer_state */
	bool chunked;			/* the answer is */
	bool until_close;		/* it ends with the connection */
	bool head_only;
	bool was_full;			/* on_room is owed */
	uint16_t status;
	uint64_t body_since_ns;		/* for the mean rate of a body */

	/* while it waits for its client (sending.c) */
	uint64_t waits_since_ns, took_ns;	/* took_ns: some of it, last */
	int64_t given, taken;		/* bytes: by us, by the client */

	struct head_field fields[];	/* config.head.fields of them */
};

/* One from the stock or new; NULL: no memory. */
struct exchange *exchange_get(struct http *http);
void exchange_put(struct http *http, struct exchange *exchange);

/* Between two requests: the request's bytes are consumed by the caller. */
void exchange_reset(struct exchange *exchange, const struct http *http);

/* Memory until the request ends; NULL: over the limit, or none. */
void *exchange_alloc(struct exchange *exchange, size_t size);

#endif
