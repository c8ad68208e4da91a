/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * rules.h: what the lines of a head mean: framing, host, target, connection.
 * For head.c alone.  A breach is kept in status and reason of the head and
 * refused at its end; the first one counts, but 400 before all others, since
 * a message that can be read in two ways is nothing else.
 */

#ifndef DAEMON_HTTP_RULES_H
#define DAEMON_HTTP_RULES_H

#include <stdbool.h>

#include "daemon/http/head.h"

/* Quick: false if a field has no meaning here, by its length and first byte. */
static inline bool
rules_concern(const char *buf, const struct head_field *field)
{
	static const char first[32] = {
		[sizeof("host") - 1] = 'h',
		[sizeof("expect") - 1] = 'e',
		[sizeof("upgrade") - 1] = 'u',
		[sizeof("connection") - 1] = 'c',
		[sizeof("content-length") - 1] = 'c',
		[sizeof("transfer-encoding") - 1] = 't',
	};

	return field->name.len < sizeof(first) &&
	    first[field->name.len] == (buf[field->name.at] | 0x20);
}

/* A field has been read: take what frames or routes. */
void rules_take_field(struct head *head, const char *buf,
    const struct head_field *field);

/* The empty line has been read: what can only be said now.  False if the head
 * is to be refused. */
bool rules_check_end(struct head *head, const char *buf);

/* A name or an address, with or without a port; never empty. */
bool rules_is_host(const char *p, const char *end);

/* True if a field may not stand in trailers: it would frame or route. */
bool rules_forbid_trailer(const char *buf, const struct head_field *field);

#endif
