/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* owner.h: who listens on a TCP port, as far as /proc lets us see. */
#ifndef CLUSTERD_KEEPER_OWNER_H
#define CLUSTERD_KEEPER_OWNER_H

#include <stddef.h>
#include <stdint.h>

/* "pid 123 (nginx)", or "uid 1000", or "" where nothing can be read. */
void owner_of_port(uint32_t port, char *text, size_t size);

/* One line of /proc/net/tcp: 1 if it is a listener on that port, then uid and
 * inode are set.  Pure. */
int owner_parse_line(const char *line, uint32_t port, unsigned *uid,
    unsigned long *inode);

#endif
