/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* origin.h: who is at the other end, as text.  Pure. */
#ifndef DAEMON_STREAM_ORIGIN_H
#define DAEMON_STREAM_ORIGIN_H

#include <stdint.h>

enum { ORIGIN_TEXT = 56 };

/* "192.0.2.1:4711", "[2001:db8::1]:4711", "unix"; port in host order. */
void origin_put_text(char text[ORIGIN_TEXT], int family, const void *address,
    uint16_t port);

#endif
