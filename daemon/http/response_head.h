/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* response_head.h: the head of an answer, and the lines that are its handler's. */
#ifndef DAEMON_HTTP_RESPONSE_HEAD_H
#define DAEMON_HTTP_RESPONSE_HEAD_H

#include "daemon/http/conn.h"

/* "Not Found", "Unknown" */
const char *response_reason(int status);

/* Answers of that status never have a body: 1xx, 204, 304. */
static inline bool
response_has_no_body(int status)
{
	return status < 200 || status == 204 || status == 304;
}

/* A field that a handler may set; a status and a type (NULL: none) that an answer
 * may have: 0 or -EINVAL. */
int response_check_field(const char *name, const char *value);
int response_check_head(int status, const char *type);

/*
 * Append the head to what is to be sent, with room for so many bytes of body
 * behind it.  length: as announced, -1 none.  Whether the body is chunked or ends
 * with the connection is said by the exchange.  0, -EINVAL, -ENOMEM: nothing was
 * appended.
 */
int response_put_head(struct conn *conn, int status, const char *type,
    int64_t length, size_t room);

#endif
