/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * body.h: the bytes of a request's body: out of their framing, and to where they
 * are kept: behind the head in the connection's buffer or, where they are more
 * than body_buffer, in a file without a name.  What is streamed stays in the
 * buffer until it is given on (delivery.c).  Blocks no longer than a write into
 * the page cache takes.
 */
#ifndef DAEMON_HTTP_BODY_H
#define DAEMON_HTTP_BODY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <clusterd/body.h>

struct conn;
struct exchange;

enum body_kind { BODY_NONE, BODY_MEMORY, BODY_FILE, BODY_STREAM };

enum body_result { BODY_MORE, BODY_WHOLE, BODY_REFUSED };

enum {
	BODY_WINDOW = 32768,		/* least room for what is read and goes on */
	BODY_READ_MAX = 65536,		/* one read of it */
	BODY_TRAILERS_MAX = 16384,
};

struct body {
	uint64_t left;			/* Content-Length: not decoded yet */
	uint64_t gone;			/* bytes that are no more in the buffer */
	uint64_t limit;
	uint64_t since_ns;		/* http_present_ns(), for its mean rate;
					 * pauses are not in it */
	uint64_t paused_ns;		/* the same: since when it is */
	const struct cluster_body_sink *sink;	/* the upper layer's: STREAM */
	void *sink_arg;
	void *map;			/* FILE: once it was asked for */
	int fd;				/* FILE: -1: nothing is written yet */
	uint16_t status;		/* of a refusal */
	uint8_t kind;			/* enum body_kind */
	bool missing;			/* some of it has not come */
	bool offered;			/* at its head: nothing of it is shown */
	bool asks;			/* the upper layer's: on_head runs */
	bool filtered;			/* also: filters have seen the head */
	bool owed;			/* the open request is to get (more of) it */
	bool paused;
	bool expects;			/* the client waits for 100 */
};

/* The head is there, and a body follows. */
void body_begin(struct conn *conn);

/* Take what the buffer has out of its framing.  REFUSED: body.status says how. */
enum body_result body_decode(struct conn *conn);

/* What is decoded is kept.  0, or the status to refuse with. */
int body_keep(struct conn *conn);

/* What is decoded was given on: its room is free again. */
void body_drop(struct exchange *exchange);

/* Make all the room that will be needed: from now on the head does not move.
 * 0 or -ENOMEM. */
int body_make_room(struct conn *conn);

/* The room that a read may fill; 0: no memory. */
size_t body_read_room(struct conn *conn);

/* Bytes of it that have come, framing that is not decoded yet included. */
uint64_t body_received(const struct exchange *exchange);

/* The open request waits for more of it; is to hear of it when its connection has
 * its next turn, be it the end only. */
bool body_is_read(const struct exchange *exchange);
bool body_is_due(const struct exchange *exchange);

/* All of it; NULL: not there, streamed, or its file cannot be mapped. */
const void *body_show(struct exchange *exchange, size_t *len);

/* The file that has it, or -ENOENT. */
int body_show_fd(const struct exchange *exchange);

/* As before body_begin(); file and map are given back. */
void body_done(struct body *body);

#endif
