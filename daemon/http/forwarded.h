/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * forwarded.h: what proxies say about the client: the headers Forwarded
 * (RFC 7239) and X-Forwarded-For.  Pure; who is believed is client.c's.
 */
#ifndef DAEMON_HTTP_FORWARDED_H
#define DAEMON_HTTP_FORWARDED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { FORWARDED_HOPS_MAX = 32 };	/* in one header */

/* at NULL: not said. */
struct forwarded_text {
	const char *at;
	size_t len;
};

/* One element of Forwarded: what one proxy said.  Borrowed from the header. */
struct forwarded_hop {
	struct forwarded_text node, proto, host;
};

struct forwarded_node {
	uint16_t family, port;		/* AF_UNSPEC: hidden; port 0: not said */
	uint8_t address[16];
};

/*
 * The elements of a header Forwarded, in its order.  Blanks around ';' are
 * taken, as they are common; a backslash in a value of use to us is refused.
 * How many, or -1: not such a list, or longer than FORWARDED_HOPS_MAX.
 */
int forwarded_parse(const char *text, size_t len,
    struct forwarded_hop hops[FORWARDED_HOPS_MAX]);

/*
 * A node: "192.0.2.1", "192.0.2.1:80", "[2001:db8::1]", "[2001:db8::1]:80",
 * "2001:db8::1", "unknown", "_hidden".  False: none of these.
 */
bool forwarded_parse_node(const char *text, size_t len,
    struct forwarded_node *node);

/*
 * The last element of a list with commas, without blanks around it; *len
 * becomes that of the list before it.  Empty ones are passed over.  at NULL: no
 * more.
 */
struct forwarded_text forwarded_last(const char *list, size_t *len);

#endif
