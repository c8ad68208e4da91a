/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * head.h: one HTTP/1 request head, or the trailers of one.  Gate and parser in
 * one: what is not plainly allowed is refused, framing is never guessed.
 * Pure, incremental, without memory of its own; never blocks.
 *
 * Used by the connection of the worker:
 *
 *	head_init(&head, &limits, fields);
 *	while (head_parse(&head, buf, len) == HEAD_MORE)
 *		... read more, len grows, buf may have moved ...
 */

#ifndef DAEMON_HTTP_HEAD_H
#define DAEMON_HTTP_HEAD_H

#include <stddef.h>
#include <stdint.h>

#include "common/table/method.h"

/* A part of the input: offsets from buf, since the buffer may move. */
struct slice {
	uint32_t at, len;
};

struct head_field {
	struct slice name, value;	/* value without blanks around it */
};

/* In bytes and in fields; a head as long as the limit is accepted.  Both sizes
 * are below 1 GiB. */
struct head_limits {
	uint32_t head_size, uri_size, fields;
};

/* Forms of the target. */
enum head_form {
	HEAD_ORIGIN,			/* /path?query */
	HEAD_ABSOLUTE,			/* http://host/path: names the host */
	HEAD_ASTERISK,			/* *, with OPTIONS only */
};

/* flags of a head that is HEAD_DONE; other bits are private. */
enum {
	HEAD_KEEP_ALIVE = 1,		/* the client keeps the connection */
	HEAD_EXPECT_CONTINUE = 2,	/* it waits for 100 before its body */
	HEAD_UPGRADE = 4,		/* it asks for another protocol */
	HEAD_HTTPS = 64,		/* its absolute target is of https */
};

/* content_length where there is none. */
#define HEAD_NO_BODY UINT64_MAX
#define HEAD_CHUNKED (UINT64_MAX - 1)

struct head {
	struct slice method, target;
	struct slice host;		/* with its port; len 0: none (1.0 only) */
	struct head_field *fields;	/* the caller's, limits.fields of them */
	uint64_t content_length;	/* or HEAD_CHUNKED, HEAD_NO_BODY */
	uint32_t field_count;
	uint32_t offset;		/* how far it has been read */
	uint8_t method_id;		/* enum method_id */
	uint8_t form;			/* enum head_form */
	uint8_t minor;			/* HTTP/1.minor, 0 or 1 */
	uint8_t flags;			/* HEAD_KEEP_ALIVE ... */
	uint8_t step;			/* private: what is being read */
	uint16_t status;		/* when refused: the answer ... */
	const char *reason;		/* ... and a static text for the log */
	struct head_limits limits;
};

enum head_result {
	HEAD_MORE,
	HEAD_DONE,
	HEAD_REFUSED,
};

/* Begin a head, or trailers.  limits are copied; fields is the caller's, with
 * room for limits->fields rows, and must live as long as head. */
void head_init(struct head *head, const struct head_limits *limits,
    struct head_field *fields);

/*
 * Read on.  buf holds everything from the first byte of this head, len grows
 * from call to call; each byte is looked at once, none at or past buf + len,
 * and the verdict is the same however the input is cut.
 * HEAD_DONE: offset is the first byte after the head.
 * HEAD_REFUSED: status and reason are set, offset is the byte that caused it;
 * answer and close.  Further calls give the same result.
 */
enum head_result head_parse(struct head *head, const char *buf, size_t len);

/* The same for the trailers that follow the last chunk: only fields, offset,
 * status and reason have a meaning. */
enum head_result head_parse_trailers(struct head *head, const char *buf,
    size_t len);

/* After HEAD_DONE: refuse a Content-Length over max_body (UINT64_MAX: none is)
 * with 413, before any of the body is read. */
enum head_result head_limit_body(struct head *head, uint64_t max_body);

/* The first field of that name, which is compared without regard to case;
 * NULL if there is none. */
const struct head_field *head_find(const struct head *head, const char *buf,
    const char *name);

/* Path and query of the target.  Only for HEAD_ABSOLUTE it may be empty or
 * begin with '?': the path is "/" then. */
struct slice head_path(const struct head *head);

#endif
