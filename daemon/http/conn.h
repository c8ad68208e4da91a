/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * conn.h: one HTTP connection: its turns and its end.  receiving.c and sending.c
 * move its bytes, deadline.c has its timer; request.c reads what the bytes mean,
 * response.c makes the answer.
 */
#ifndef DAEMON_HTTP_CONN_H
#define DAEMON_HTTP_CONN_H

#include "daemon/http/exchange.h"
#include "daemon/http/http.h"

enum conn_state {
	CONN_IDLE,		/* no byte of a request */
	CONN_HEAD,
	CONN_BODY,
	CONN_HANDLE,		/* with a handler */
	CONN_LINGER,		/* answered and shut; what comes is thrown away */
};

/* Each byte counts: an idle connection is little else.  What a request does not
 * touch, or once, is a bit. */
struct conn {
	TAILQ_ENTRY(conn) idle_link;
	union {				/* by its place among those who wait */
		TAILQ_ENTRY(conn) due_link;
		uint32_t heap_at;
	};
	struct http *http;
	struct exchange *exchange;	/* NULL while idle */
	struct shelf *shelf;		/* HEAD, and no exchange: what came */
	struct event read_event;
	struct event *write_event;	/* only after EAGAIN */
	uint64_t request;		/* number of the open one; 0: none */
	uint64_t since_ns;		/* state IDLE: since; HANDLE: asked at */
	uint64_t due_ns;		/* of the deadline; not before */
	uint32_t row;			/* in http->table */
	int fd;
	uint32_t discarded;		/* LINGER */
	uint8_t state;			/* enum conn_state */
	uint8_t deadline;		/* enum deadline */
	uint8_t place;			/* enum waiting_place */
	uint8_t doing;			/* entry of the page, 0: none */
	bool reading;			/* read_event is added */
	bool writing;			/* write_event is added */
	bool in_turn;			/* its own callback runs: do not close */
	bool in_handler;		/* the handler itself runs: do not finish */
	bool again;			/* go on with what is in the buffer */
	bool close_after;		/* the answer is the last */
	bool dead;			/* to be closed at the end of the turn */
	bool listed;			/* in http->idle */
	bool peeked : 1;		/* HANDLE: what comes next is there */
	bool scarce : 1;		/* it has one of the last descriptors:
					 * told so */
	bool linger : 1;		/* the client may still be sending */
	bool last : 1;			/* it has said that it sends no more, and
					 * had no time to, since */
	bool served : 1;		/* at least one request */
	bool reset : 1;			/* closing is a reset */
	bool goodbye : 1;		/* LINGER at the end of a drain */
	bool until_close : 1;		/* its end ends the answer: a reset until
					 * all of it is sent */
	bool watched : 1;		/* the upper layer's: it wants to hear
					 * that the open request was answered */
	bool bound : 1;			/* also the upper layer's: what is bound
					 * to the open request ends with it */
	bool left : 1;			/* the client has said its last */
	bool wants_proxy : 1;		/* the PROXY header is still to come */
	bool waited : 1;		/* for its client: our kernel has its time */

	/* the peer, as it was passed; or as the PROXY header says */
	uint16_t family, port;
	uint16_t listener;
	uint16_t handler, route;	/* who has the open request: the upper
					 * layer's */
	uint16_t probed;		/* also that: the route that `watched'
					 * is about */
	uint8_t address[16];
};

/* Write what is ready.  May mark the connection dead. */
void conn_flush(struct conn *conn);

/* The answer to the open request is complete (response.c). */
void conn_finish_request(struct conn *conn);

/* The connection ends now, or at the end of its turn; reset: the client shall
 * not take what it has for the whole. */
void conn_abort(struct conn *conn, bool reset);

/* Whether the end of the process, or of the connection, is a reset: where only
 * the end of the connection ends the body. */
void conn_set_reset(struct conn *conn, bool on);

/* From the loop: go on with what was held back. */
void conn_wake(struct conn *conn);

/* The last answer is out and the client may still be sending, or (goodbye) none
 * is wanted: shut, and throw away what comes. */
void conn_linger(struct conn *conn, bool goodbye);

/* The parser or a limit refuses: answer with status and close. */
void conn_refuse(struct conn *conn, int status);

/* There is no memory to build an answer with: a prepared one (503) in its place, and
 * the end; the end alone where others, or a part of it, are not sent yet. */
void conn_refuse_for_memory(struct conn *conn);

/* In http.c: the prepared answer 503, and nothing else. */
void http_refuse_for_memory(struct http *http, int fd);

/* For http.c: a new one; end it at once. */
struct conn *conn_new(struct http *http, int fd,
    const struct connection_passed *passed);
void conn_close(struct conn *conn);
/* For turn.c: its end, and what next?  Closes the connection if it is at its end. */
void conn_settle(struct conn *conn);
void conn_watch_read(struct conn *conn, bool on);
/* An idle one, drain: goodbye at a random time. */
void conn_say_goodbye(struct conn *conn);

#endif
