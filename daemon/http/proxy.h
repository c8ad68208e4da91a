/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * proxy.h: the PROXY protocol, versions 1 and 2 (HAProxy, proxy-protocol.txt):
 * what a proxy writes in front of a connection, so that who is behind it knows
 * the client.  What is not plainly that is refused.  Pure.
 */
#ifndef DAEMON_HTTP_PROXY_H
#define DAEMON_HTTP_PROXY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { PROXY_LONGEST = 16 + 65535 };

enum proxy_result { PROXY_MORE, PROXY_DONE, PROXY_REFUSED };

struct proxy {
	size_t len;			/* bytes of the header */
	bool local;			/* the proxy speaks for itself (LOCAL):
					 * there is no other client */
	/* The client: AF_INET, AF_INET6 or AF_UNIX (no address); AF_UNSPEC: the
	 * proxy does not know it (UNKNOWN, UNSPEC), or is local. */
	uint16_t family, port;
	uint8_t address[16];
};

/* buf holds all that has come, len of it; the verdict is the same however it
 * was cut.  *out is set with PROXY_DONE alone. */
enum proxy_result proxy_parse(const char *buf, size_t len, struct proxy *out);

#endif
