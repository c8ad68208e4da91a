/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * said.h: what an open request says beyond its head: query, cookies, path,
 * who sent it, its ids.  Made at the first question, once, in the memory of the request; nobody pays
 * for what is not said.
 */
#ifndef DAEMON_HTTP_SAID_H
#define DAEMON_HTTP_SAID_H

#include "daemon/http/conn.h"
#include "daemon/http/form.h"
#include "daemon/http/pairs.h"
#include "daemon/http/trace.h"

enum { SAID_NOT = 1 << 20 };		/* a count: nobody has asked yet */

struct said_pairs {
	struct pair *pairs;
	int count;			/* or why there are none: -errno */
};

struct said {
	struct said_pairs query, cookies;
	struct form form;		/* form.c */
	const char *path;
	int path_len;			/* or -errno */
	const char *peer, *direct, *authority;
	const char *request_id;
	struct said_trace *trace;
};

/* Which trace it belongs to. */
struct said_trace {
	struct trace trace;		/* parent_id "": it begins here */
	char span_id[TRACE_SPAN + 1];	/* ours */
	char text[TRACE_TEXT + 1];	/* for who is asked next */
};

/* The request's own; NULL: no memory. */
struct said *said_of(struct conn *conn);

/*
 * The pairs, valid until the request ends.  How many, or -EILSEQ, -E2BIG
 * (pairs.h), -ENOMEM: none then.
 */
int said_query(struct conn *conn, const struct pair **pairs);
int said_cookies(struct conn *conn, const struct pair **pairs);

/* The path without its escapes; NULL: it has "%2F", "%00", or is no UTF-8 (or
 * there is no memory). */
const char *said_path(struct conn *conn);

/* As text: the client (client.h), and the other end of the connection, be it a
 * proxy.  NULL: no memory. */
const char *said_peer(struct conn *conn);
const char *said_direct_peer(struct conn *conn);

/* The host as the client named it; NULL: it did not (or no memory). */
const char *said_authority(struct conn *conn);

/* What a trusted proxy calls it, a token of at most 128 bytes; else 32 digits of
 * our own.  NULL: no memory. */
enum { SAID_REQUEST_ID_MAX = 128 };
const char *said_request_id(struct conn *conn);

/* By its header traceparent, else a trace of its own.  NULL: no memory. */
const struct said_trace *said_trace(struct conn *conn);

/*
 * The next header of that name from number *index on, which becomes the number
 * behind it; NULL: no more.
 */
const char *said_header(struct conn *conn, const char *name,
    unsigned *index);

#endif
