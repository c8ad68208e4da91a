/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * networks.h: the value of `trusted_proxies': addresses, networks and the word
 * unix.  Read by the checker, which refuses what is none, and by the worker,
 * which asks for each peer.  Pure.
 */
#ifndef CLUSTERD_CONF_NETWORKS_H
#define CLUSTERD_CONF_NETWORKS_H

#include <stdbool.h>
#include <stdint.h>

struct errmsg;

enum { NETWORKS_MAX = 64 };

struct network {
	uint16_t family;		/* AF_INET, AF_INET6, AF_UNIX */
	uint8_t bits;			/* of the address that count */
	uint8_t address[16];
};

struct networks {
	unsigned count;
	struct network rows[NETWORKS_MAX];
};

/* Parse "10.0.0.0/8, ::1, unix"; "" is none.  0; or ERR_BAD_ARGUMENT with
 * words, *networks undefined. */
int networks_parse(struct networks *networks, const char *text,
    struct errmsg *err);

/* An address in network order; one of IPv4 that is written as one of IPv6
 * (::ffff:192.0.2.1) is the former. */
bool networks_contain(const struct networks *networks, unsigned family,
    const uint8_t address[16]);

#endif
