/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * client.h: who has sent a request.  A peer in `trusted_proxies' speaks for
 * others, and is believed; anybody else is the client, whatever it says.
 */
#ifndef DAEMON_HTTP_CLIENT_H
#define DAEMON_HTTP_CLIENT_H

#include "daemon/http/conn.h"

struct client {
	uint16_t family;		/* AF_UNSPEC: nobody knows */
	uint16_t port;			/* 0: not known */
	uint8_t address[16];
	bool secure;			/* it came by https */
	const char *host;		/* as it named us; borrowed, NULL: by
					 * the header Host alone */
	size_t host_len;
};

/* Is the connection's peer one of them? */
bool client_has_proxy(const struct conn *conn);

/*
 * The client: the right-most address of what the proxies said that is none of
 * theirs.  AF_UNSPEC if a proxy hides it, if what it said is no address, or if
 * Forwarded and X-Forwarded-For disagree: one of them is the client's own.
 * May be asked at the end of a request too.
 */
void client_of(struct conn *conn, struct client *out);

/* "192.0.2.1:80", "[2001:db8::1]:80"; without its port as "2001:db8::1"; "unix",
 * "unknown". */
enum { CLIENT_TEXT = 64 };
void client_print(char out[CLIENT_TEXT], unsigned family,
    const uint8_t *address, unsigned port);

/* The same of the other end of the connection; where a PROXY header has told
 * another, the kernel is asked. */
void client_print_direct(char out[CLIENT_TEXT], const struct conn *conn);

#endif
